//! The same star on the same pixels, as Quick Release 2 and as Quick Release 3.

use anyhow::{Context, Result};
use spx_core::detector::Detector;
use spx_sim::{
    ExposureOptions, FrameExtent, Pointing, RealisticOptions, SimulatedRelease, SimulatedSky, SimulatedStar,
    write_calibration,
};

use crate::mixed::mixed;
use crate::photometry::{MeasuredTable, measure};
use crate::report::{Demand, TruthReport};
use crate::runner::{SimulationSize, SpxRunner, center};

/// What is compared: columns, and by how much they may differ.
const COLUMNS: [(&str, f64); 3] = [("flux", 0.005), ("psf_flux", 0.005), ("aperture_radius", 0.05)];

/// Measures a bright star on images of both releases that differ in nothing but what the releases
/// do; first without the error of the gain that the archive's correction takes out, then with it
/// and the products of the archive. Then 200 images of both releases together.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub fn releases(spx: &SpxRunner, size: SimulationSize) -> Result<TruthReport> {
    let mut report = TruthReport::default();
    for number in size.choose(1..=6, 4..=5) {
        let detector = Detector::new(number)?;
        compare(spx, detector, RealisticOptions::default(), "same gain", &mut report)?;
        let realism = RealisticOptions { gain_error: true, ..RealisticOptions::default() };
        write_calibration(&spx.path("cache/spx/calibration"), detector, &realism)?;
        compare(spx, detector, realism, "gain corrected", &mut report)?;
    }
    mixed(spx, size, &mut report)?;
    Ok(report)
}

fn compare(
    spx: &SpxRunner,
    detector: Detector,
    realism: RealisticOptions,
    label: &str,
    report: &mut TruthReport,
) -> Result<()> {
    let position = center()?;
    let star = SimulatedStar { id: "S".to_owned(), position, flux_2um: 30_000.0, slope: 0.0 };
    let sky = SimulatedSky { stars: vec![star.clone()], ..SimulatedSky::default() };
    let pointing = Pointing {
        position,
        roll_deg: 24.7,
        mjd: 61_027.0,
        obs_id: "2025W51_1A_0001_1".to_owned(),
        detector,
        seed: 3,
    };
    let mut tables = Vec::new();
    for release in [SimulatedRelease::Qr2, SimulatedRelease::Qr3] {
        let frame = FrameExtent::Around { position, size: 150 };
        let realism = Some(RealisticOptions { noisy_image: false, ..realism.clone() });
        let options = ExposureOptions { release, frame, realism, ..ExposureOptions::default() };
        spx.simulate("image", &sky, &[(pointing.clone(), options)])?;
        tables.push(measure(spx, "image", std::slice::from_ref(&star))?);
        spx.forget("image")?;
    }
    for (column, distance) in COLUMNS {
        let cell = |table: &MeasuredTable| table.number("S", column).with_context(|| column.to_owned());
        let ratio = cell(&tables[1])? / cell(&tables[0])?;
        let what = format!("{detector}, {label}: {column} of QR3 over that of QR2");
        report.add(what, (ratio, 0.0), Demand::Near(1.0, distance));
    }
    Ok(())
}
