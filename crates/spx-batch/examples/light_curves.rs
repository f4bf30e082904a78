//! From a catalog and measurements on images to light curves: `cargo run --example light_curves
//! [DIR]`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::PathBuf;

use spx_batch::progress::Silent;
use spx_batch::sky::Position;
use spx_batch::{
    AggregateOptions, BatchRow, Catalog, CatalogOptions, ImageRecord, ImageTableFormat, ImageTables,
    SkyIndex, aggregate, light_curve,
};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "batch".to_owned()));
    std::fs::create_dir_all(directory.join("per_image"))?;
    let file = directory.join("sources.csv");
    std::fs::write(&file, "targetid,ra,dec\nstar,186.45,33.55\nnova,186.50,33.52\nfar,10.0,-5.0\n")?;
    let catalog = Catalog::read(&file, &CatalogOptions::default(), &Silent)?;
    let index = SkyIndex::new(catalog.positions().iter().copied());

    // The measurements of an image are a table, with a record of what they were made with.
    let mut tables = Vec::new();
    for image in 0..5_u32 {
        let name = format!("image_{image}.fits");
        let center = Position::new(186.47, 33.53)?;
        let near = index.within(center, 0.2, |number| catalog.positions()[number as usize]);
        let rows: Vec<BatchRow<'_>> = near
            .iter()
            .map(|&number| {
                let target = catalog.target(number as usize);
                BatchRow {
                    target_id: target.id.into(),
                    ra: target.position.ra(),
                    dec: target.position.dec(),
                    mjd: 61_000.0 + 2.0 * f64::from(image),
                    flux: 100.0 + f64::from(number * image) * 25.0,
                    flux_error: 5.0,
                    filename: name.clone().into(),
                    ..BatchRow::default()
                }
            })
            .collect();
        let table = ImageTables::new(&directory.join("per_image"), &name);
        let record = ImageRecord::new(&name, "", &catalog.digest(), "made up");
        table.write(rows.iter().cloned(), record, ImageTableFormat::Csv)?;
        tables.push(table.csv());
    }

    let made = aggregate(&tables, &directory, &AggregateOptions::default(), &Silent)?;
    println!("{} light curves of {} measurements", made.sources, made.rows);
    for row in light_curve(&directory, "nova")? {
        println!("MJD {}: {} +- {} uJy", row.mjd, row.flux, row.flux_error);
    }
    Ok(())
}
