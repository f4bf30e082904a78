//! `spx-truth SPX [cube|rejection|zodiacal|photometry|releases|scene]... [--quick]`: prints figures
//! beside what is demanded of them; exit code 1 where a demand is not met.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the developers, not of the product"
)]

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use spx_truth::{
    SimulationSize, SpxRunner, TruthReport, cube, photometry, rejection, releases, scene, zodiacal,
};

/// What can be measured.
type Measurement = fn(&SpxRunner, SimulationSize) -> Result<TruthReport>;
const MEASUREMENTS: [(&str, Measurement); 6] = [
    ("cube", cube),
    ("rejection", rejection),
    ("zodiacal", zodiacal),
    ("photometry", photometry),
    ("releases", releases),
    ("scene", scene),
];

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<bool> {
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let quick = words.contains(&"--quick");
    words.retain(|&word| word != "--quick");
    let [spx, names @ ..] = words.as_slice() else {
        bail!("spx-truth SPX [cube|rejection|zodiacal|photometry|releases|scene]... [--quick]")
    };
    if let Some(unknown) = names.iter().find(|name| !MEASUREMENTS.iter().any(|(known, _)| known == *name)) {
        bail!(
            "unknown measurement {unknown}: expected cube, rejection, zodiacal, photometry, releases or scene"
        );
    }
    let size = if quick { SimulationSize::Quick } else { SimulationSize::Full };
    let mut passed = true;
    for (name, measurement) in MEASUREMENTS {
        if names.is_empty() || names.contains(&name) {
            let report = measurement(&SpxRunner::new(Path::new(spx))?, size)?;
            println!("== {name}\n{report}");
            passed &= report.passes();
        }
    }
    Ok(passed)
}
