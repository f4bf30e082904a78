//! Writes realistic cutouts of a field of stars on detector 3 and the truth:
//! `cargo run -p spx-sim --example survey -- DIRECTORY`.
#![expect(clippy::print_stdout, reason = "an example program")]

use std::path::PathBuf;

use spx_sim::{
    Detector, ExposureOptions, FieldOptions, FrameExtent, Position, RealisticOptions, SimulatedSky,
    SurveyOptions, observe, survey, write_mef, write_truth,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("survey DIRECTORY")?);
    std::fs::create_dir_all(&folder)?;
    let center = Position::new(186.4536, 33.5468)?;
    let sky = SimulatedSky::field(center, 0.1, 40, 1, &FieldOptions::default())?;
    let detectors = vec![Detector::new(3)?];
    let plan = SurveyOptions { detectors, ..SurveyOptions::default() };
    let options = ExposureOptions {
        frame: FrameExtent::Around { position: center, size: 150 },
        realism: Some(RealisticOptions::default()),
        ..ExposureOptions::default()
    };
    for pointing in survey(center, &plan)? {
        let path = folder.join(pointing.file_name(options.release));
        write_mef(&path, &observe(&sky, &pointing, &options)?, false)?;
        println!("{}", path.display());
    }
    write_truth(&folder.join("truth.csv"), &sky)?;
    Ok(())
}
