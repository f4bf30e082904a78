//! A cube of spectral images, as `spx drizzle` makes it:
//! `cargo run --example drizzle -- RA DEC SIZE INPUT OUTPUT`.

use std::error::Error;

use spx_pipeline::SilentListener;
use spx_pipeline::drizzle::{CubeReport, DrizzleConfig, drizzle};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    run(&words).map(|cubes| assert!(!cubes.is_empty()))
}

/// Position \[deg\], side \[arcmin\], directory of images, directory for the cubes.
pub(crate) fn run(words: &[String]) -> Result<Vec<CubeReport>, Box<dyn Error>> {
    let [ra, dec, size, input, output] = words else {
        return Err("RA, DEC, SIZE, INPUT and OUTPUT are needed".into());
    };
    let mut config = DrizzleConfig::default();
    config.region.ra = Some(ra.parse()?);
    config.region.dec = Some(dec.parse()?);
    config.region.width = Some(size.parse()?);
    config.region.height = config.region.width;
    config.output.input = Some(vec![input.into()]);
    config.output.output_dir = output.into();
    Ok(drizzle(&config, &SilentListener)?.cubes)
}
