//! `spx-truth SPX [cube|rejection|zodiacal|matching|photometry|releases|scene|spectrum|deep]...
//! [--quick]`: prints figures beside what is demanded of them; exit code 1 where a demand is not
//! met.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the developers, not of the product"
)]

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use spx_truth::{
    SimulationSize, SpxRunner, TruthReport, cube, deep, matching, photometry, rejection, releases, scene,
    spectrum, zodiacal,
};

/// What can be measured.
type Measurement = fn(&SpxRunner, SimulationSize) -> Result<TruthReport>;
const MEASUREMENTS: [(&str, Measurement); 9] = [
    ("cube", cube),
    ("rejection", rejection),
    ("zodiacal", zodiacal),
    ("matching", matching),
    ("photometry", photometry),
    ("releases", releases),
    ("scene", scene),
    ("spectrum", spectrum),
    ("deep", deep),
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
        bail!(
            "spx-truth SPX [cube|rejection|zodiacal|matching|photometry|releases|scene|spectrum|deep]... [--quick]"
        )
    };
    if let Some(unknown) = names.iter().find(|name| !MEASUREMENTS.iter().any(|(known, _)| known == *name)) {
        let known: Vec<&str> = MEASUREMENTS.iter().map(|(name, _)| *name).collect();
        bail!("unknown measurement {unknown}: expected one of {}", known.join(", "));
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
