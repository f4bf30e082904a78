//! `cargo xtask bench-peers photometry`: one source on many files, against spxquery's
//! `process_all_observations` with as many workers as cores.
//!
//! Both fit and subtract the zodiacal light, and both have their default settings.

use std::path::PathBuf;

use anyhow::Result;

use super::{Bench, Common, Sample, Targets, pairs};
use crate::process::{self, count};

/// How many times faster than spxquery, on cutouts and on full frames.
const SPEED_TARGET: f64 = 20.0;
/// The star that is on all files.
const PLACE: [&str; 2] = ["186.45", "33.55"];

#[derive(Debug, Clone, PartialEq)]
struct PhotometryBenchOptions {
    cutouts: usize,
    frames: usize,
}

fn parse(arguments: &[&str]) -> Result<(Common, PhotometryBenchOptions)> {
    let mut options = PhotometryBenchOptions { cutouts: 100, frames: 20 };
    let common = Common::parse(arguments, |name, value| {
        match name {
            "--cutouts" => options.cutouts = count(name, value)?,
            "--frames" => options.frames = count(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((common, options))
}

/// Cutouts, then full frames.
pub(super) fn run(arguments: &[&str]) -> Result<bool> {
    let (common, options) = parse(arguments)?;
    let bench = Bench::prepare(&common)?;
    let cutouts =
        bench.inputs("bench_cutouts.py", &process::cache()?.join("bench-cutouts"), options.cutouts)?;
    let frames = bench.full_frames(options.frames)?;
    let mut good = true;
    for (what, inputs) in [("cutouts of 200 x 200", cutouts), ("exposures of 2040 x 2040", frames)] {
        println!("\none source on {} {what}", inputs.len());
        let targets = Targets { speed: Some(SPEED_TARGET), memory: None };
        good &= pairs(common.runs, targets, || peer(&bench, &inputs), || ours(&bench, &inputs))?;
    }
    Ok(good)
}

fn peer(bench: &Bench, inputs: &[PathBuf]) -> Result<Sample> {
    let mut command = bench.peer("bench_photometry.py");
    command.args(PLACE).args(inputs);
    Sample::take(&mut command, inputs)
}

fn ours(bench: &Bench, inputs: &[PathBuf]) -> Result<Sample> {
    let mut command = bench.spx();
    command.args(["photometry", "-q", "--ra", PLACE[0], "--dec", PLACE[1]]).args(inputs);
    Sample::take(&mut command, inputs)
}

#[cfg(test)]
mod tests {
    use super::{PhotometryBenchOptions, parse};

    #[test]
    fn options_have_defaults_and_are_checked() {
        assert_eq!(parse(&[]).unwrap().1, PhotometryBenchOptions { cutouts: 100, frames: 20 });
        let (common, options) = parse(&["--cutouts", "10", "--frames", "2", "--runs", "1"]).unwrap();
        assert_eq!((common.runs, options), (1, PhotometryBenchOptions { cutouts: 10, frames: 2 }));
        for words in [&["--frames", "0"][..], &["--sizes", "30"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
