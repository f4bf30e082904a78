//! `cargo xtask bench-peers drizzle`: against spxquery's `drizzle_detector` on full frames, then
//! spx alone with more and more exposures.
//!
//! Both leave no flag out (spxquery's default), and both fit and subtract the zodiacal light.

use std::path::PathBuf;

use anyhow::Result;

use super::{Bench, Common, Sample, Targets, median, numbers, pairs, verdict};
use crate::process::count;

/// What the project has set itself, by width of the field \[arcmin\]: how many times faster than
/// spxquery.
const SPEED_TARGETS: [(f64, f64); 2] = [(30.0, 100.0), (120.0, 80.0)];
const MEMORY_TARGET: f64 = 0.25;
/// The peak memory at the most exposures may exceed that at the fewest by this factor and still
/// count as flat.
const FLAT: f64 = 1.1;
/// The scaling run is linear where no time leaves the fitted line by more than this fraction.
const LINEAR: f64 = 0.15;

#[derive(Debug, Clone, PartialEq)]
struct DrizzleBenchOptions {
    exposures: usize,
    sizes: Vec<f64>,
    scaling: Vec<usize>,
}

impl Default for DrizzleBenchOptions {
    fn default() -> Self {
        Self { exposures: 20, sizes: vec![30.0, 120.0], scaling: vec![5, 10, 20, 40] }
    }
}

fn parse(arguments: &[&str]) -> Result<(Common, DrizzleBenchOptions)> {
    let mut options = DrizzleBenchOptions::default();
    let common = Common::parse(arguments, |name, value| {
        match name {
            "--exposures" => options.exposures = count(name, value)?,
            "--sizes" => options.sizes = numbers(value)?,
            "--scaling" if value == "none" => options.scaling.clear(),
            "--scaling" => options.scaling = numbers(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((common, options))
}

/// The comparison, then the scaling run.
pub(super) fn run(arguments: &[&str]) -> Result<bool> {
    let (common, options) = parse(arguments)?;
    let bench = Bench::prepare(&common)?;
    let most = options.scaling.iter().copied().chain([options.exposures]).max().unwrap_or(0);
    let inputs = bench.full_frames(most)?;
    let mut good = true;
    for &width in &options.sizes {
        good &= compare(&bench, width, &inputs[..options.exposures], common.runs)?;
    }
    if !options.scaling.is_empty() {
        good &= scaling(&bench, &inputs, &options, common.runs)?;
    }
    Ok(good)
}

fn compare(bench: &Bench, width: f64, inputs: &[PathBuf], runs: usize) -> Result<bool> {
    println!("\n{} exposures of 2040 x 2040 onto {width}' x {width}', D3, 17 planes", inputs.len());
    let speed = SPEED_TARGETS.iter().find(|(size, _)| *size == width).map(|(_, target)| *target);
    let targets = Targets { speed, memory: Some(MEMORY_TARGET) };
    pairs(runs, targets, || peer(bench, width, inputs), || ours(bench, width, inputs))
}

fn peer(bench: &Bench, width: f64, inputs: &[PathBuf]) -> Result<Sample> {
    let mut command = bench.peer("bench_drizzle.py");
    command.arg(width.to_string()).arg(bench.fresh("spxquery")?).args(inputs);
    Sample::take(&mut command, inputs)
}

fn ours(bench: &Bench, width: f64, inputs: &[PathBuf]) -> Result<Sample> {
    let mut command = bench.spx();
    command.args(["drizzle", "-q", "--ra", "186.4536", "--dec", "33.5468", "--detector", "3"]);
    command.args(["--exclude-flags", "none"]);
    command.arg(format!("--width={width}")).arg(format!("--height={width}"));
    command.arg("-o").arg(bench.fresh("spx")?).arg("--input").args(inputs);
    Sample::take(&mut command, inputs)
}

/// spx alone with more and more exposures: time linear, memory flat.
fn scaling(bench: &Bench, inputs: &[PathBuf], options: &DrizzleBenchOptions, runs: usize) -> Result<bool> {
    let width = options.sizes.first().copied().unwrap_or(30.0);
    println!("\nspx with more exposures, {width}' x {width}', medians of {runs}");
    let mut points = Vec::new();
    for &count in &options.scaling {
        let samples = (0..runs).map(|_| ours(bench, width, &inputs[..count])).collect::<Result<Vec<_>>>()?;
        let seconds = median(samples.iter().map(|s| s.seconds));
        let peak = median(samples.iter().map(|s| s.peak_mb));
        println!("  {count:4} exposures: {seconds:8.4} s {peak:6.0} MB");
        points.push((count as f64, seconds, peak));
    }
    let (offset, slope) = line(points.iter().map(|&(n, seconds, _)| (n, seconds)));
    let worst = points.iter().map(|&(n, s, _)| (s / (offset + slope * n) - 1.0).abs()).fold(0.0, f64::max);
    println!("  {offset:.4} s + {:.2} ms an exposure", slope * 1e3);
    println!("{} linear in time, to {:.0} %", verdict(worst <= LINEAR), worst * 100.0);
    let peaks = || points.iter().map(|&(_, _, peak)| peak);
    let spread = peaks().fold(0.0, f64::max) / peaks().fold(f64::INFINITY, f64::min);
    println!("{} memory flat: largest over smallest {spread:.3}", verdict(spread <= FLAT));
    Ok(worst <= LINEAR && spread <= FLAT)
}

/// The line of least squares through points: its value at 0 and its slope.
fn line(points: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let points: Vec<_> = points.collect();
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let over: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let under: f64 = points.iter().map(|p| (p.0 - mx) * (p.0 - mx)).sum();
    let slope = if under > 0.0 { over / under } else { 0.0 };
    (my - slope * mx, slope)
}

#[cfg(test)]
mod tests {
    use super::{DrizzleBenchOptions, line, parse};

    #[test]
    fn options_have_defaults_and_are_checked() {
        assert_eq!(parse(&[]).unwrap().1, DrizzleBenchOptions::default());
        let words = ["--exposures", "2", "--sizes", "30", "--scaling", "none", "--runs", "1"];
        let few = DrizzleBenchOptions { exposures: 2, sizes: vec![30.0], scaling: vec![] };
        let (common, options) = parse(&words).unwrap();
        assert_eq!((common.runs, options), (1, few));
        for words in [&["--exposures", "0"][..], &["--sizes", "a"], &["--size", "30"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn the_line_through_points() {
        let (offset, slope) = line([(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)].into_iter());
        assert!((offset - 3.0).abs() < 1e-12 && (slope - 2.0).abs() < 1e-12);
    }
}
