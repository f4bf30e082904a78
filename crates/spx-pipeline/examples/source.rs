//! A source from the archive to its light curve: what `spx run` does.
#![allow(clippy::print_stdout, reason = "an example shows what it made")]

use std::error::Error;

use spx_pipeline::SilentListener;
use spx_pipeline::archive::ArchiveSettings;
use spx_pipeline::photometry::SourceSettings;
use spx_pipeline::run::{RunConfig, run_source};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [archive, ra, dec, directory] = arguments.as_slice() else {
        return Err("usage: source ARCHIVE_URL RA DEC DIRECTORY".into());
    };
    make(archive, ra.parse()?, dec.parse()?, directory)
}

pub(crate) fn make(archive: &str, ra: f64, dec: f64, directory: &str) -> Result<(), Box<dyn Error>> {
    let config = RunConfig {
        source: SourceSettings { ra: Some(ra), dec: Some(dec), ..Default::default() },
        output_dir: directory.into(),
        archive: ArchiveSettings::at(archive),
        ..RunConfig::default()
    };
    let report = run_source(&config, &SilentListener)?;
    println!("{:?} images used; {:?}", report.used, report.outputs);
    Ok(())
}
