//! Lists the HDUs of a FITS file, and compares their checksums: `cargo run -p spx-core --example
//! headers FILE`.
#![allow(clippy::print_stdout, reason = "an example")]

use std::path::Path;

use spx_core::fits::{FitsError, FitsReader};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: headers FILE")?;
    let mut file = FitsReader::open(Path::new(&path))?;
    for index in 0..file.hdu_count()? {
        file.move_to_index(index)?;
        let content = match file.image_shape() {
            Ok(shape) => format!("image of shape {shape:?}"),
            Err(FitsError::NotAnImage { .. }) => format!("table of {} rows", file.table_rows()?),
            Err(error) => return Err(error.into()),
        };
        let sums = match file.verify_checksum()? {
            Some(true) => "sums right",
            Some(false) => "sums wrong",
            None => "no sums",
        };
        println!("{}: {content}, {} cards, {sums}", file.hdu_label(), file.header()?.cards().len());
    }
    Ok(())
}
