//! `cargo xtask bench-peers drizzle`: spx against spxquery's `drizzle_detector` on the same full frames.
//!
//! The runs are paired, A B A B, so that a slow spell of the machine meets both; medians are reported. spxquery is
//! timed without the start of Python and its imports, spx as a whole process. Both leave no flag out
//! (spxquery's default), and both fit and subtract the zodiacal light.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// What the project has set itself, by width of the field \[arcmin\]: how many times faster than spxquery.
const SPEED_TARGETS: [(f64, f64); 2] = [(30.0, 100.0), (120.0, 80.0)];
/// The peak memory that spx may take, as a fraction of spxquery's.
const MEMORY_TARGET: f64 = 0.25;
/// The peak memory at the most exposures may exceed that at the fewest by this factor and still count as flat.
const FLAT: f64 = 1.1;
/// The scaling run is linear where no time leaves the fitted line by more than this fraction.
const LINEAR: f64 = 0.15;

#[derive(Debug, Clone, PartialEq)]
struct Options {
    runs: usize,
    exposures: usize,
    sizes: Vec<f64>,
    scaling: Vec<usize>,
    /// Another build of spx than the workspace's own.
    spx: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { runs: 3, exposures: 20, sizes: vec![30.0, 120.0], scaling: vec![5, 10, 20, 40], spx: None }
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    seconds: f64,
    peak_mb: f64,
}

fn numbers<T: std::str::FromStr>(text: &str) -> Result<Vec<T>> {
    text.split(',')
        .map(|word| word.trim().parse().ok().with_context(|| format!("not a number: {word}")))
        .collect()
}

fn parse(arguments: &[&str]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(&name) = rest.next() {
        let value = *rest.next().with_context(|| format!("{name} needs a value"))?;
        let count =
            || value.parse().ok().filter(|&n| n > 0).with_context(|| format!("{name} {value}: a count"));
        match name {
            "--runs" => options.runs = count()?,
            "--exposures" => options.exposures = count()?,
            "--sizes" => options.sizes = numbers(value)?,
            "--spx" => options.spx = Some(PathBuf::from(value)),
            "--scaling" if value == "none" => options.scaling.clear(),
            "--scaling" => options.scaling = numbers(value)?,
            _ => bail!("unknown option {name}"),
        }
    }
    Ok(options)
}

/// What the runs need: programs, inputs, a scratch directory.
struct Bench {
    python: PathBuf,
    spx: PathBuf,
    inputs: Vec<PathBuf>,
    scratch: PathBuf,
}

impl Bench {
    fn prepare(exposures: usize, spx: Option<&Path>) -> Result<Self> {
        let python = process::oracle_python()?;
        let spx = spx.map_or_else(|| process::build_spx("release"), |path| Ok(path.to_path_buf()))?;
        let cache = process::cache()?;
        println!("{exposures} full-frame exposures in {}", cache.join("bench").display());
        let mut make = Command::new(&python);
        make.arg(process::script("bench_inputs.py")).arg(cache.join("bench")).arg(exposures.to_string());
        let inputs: Vec<PathBuf> = process::output(&mut make)?.lines().map(PathBuf::from).collect();
        if inputs.len() != exposures {
            bail!("{} inputs instead of {exposures}", inputs.len());
        }
        let scratch = cache.join("bench-output");
        fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
        Ok(Self { python, spx, inputs, scratch })
    }

    /// An output directory in which nothing is left of an earlier run, so that none pays for replacing it.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let path = self.scratch.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("cannot clear {}", path.display()))?;
        }
        Ok(path)
    }

    fn peer(&self, width: f64, exposures: usize) -> Result<Sample> {
        warm(&self.inputs[..exposures])?;
        let mut command = Command::new(&self.python);
        command.arg(process::script("bench_spxquery.py")).arg(width.to_string());
        command.arg(self.fresh("spxquery")?).args(&self.inputs[..exposures]);
        sample(&mut command)
    }

    fn spx(&self, width: f64, exposures: usize) -> Result<Sample> {
        warm(&self.inputs[..exposures])?;
        let mut command = Command::new(&self.python);
        command.arg(process::script("measure.py")).arg(&self.spx).args(["drizzle", "-q"]);
        command.args(["--ra", "186.4536", "--dec", "33.5468", "--detector", "3", "--exclude-flags", "none"]);
        command.arg(format!("--width={width}")).arg(format!("--height={width}"));
        let output = self.fresh("spx")?;
        command.arg("-o").arg(output).arg("--input");
        command.args(&self.inputs[..exposures]);
        sample(&mut command)
    }
}

/// Runs a script that prints its sample as the last line. What it says besides is shown only if it fails.
fn sample(command: &mut Command) -> Result<Sample> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{command:?}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let last = text.lines().last().unwrap_or_default();
    let value: Value = serde_json::from_str(last).with_context(|| format!("{command:?} printed {last:?}"))?;
    let number = |key: &str| value[key].as_f64().with_context(|| format!("{command:?}: no {key}"));
    Ok(Sample { seconds: number("seconds")?, peak_mb: number("peak_mb")? })
}

/// Reads the files once, so that the run that follows finds them in the page cache: a system may drop them while
/// the peer computes, and the disk is nobody's merit.
fn warm(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let mut file = fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        io::copy(&mut file, &mut io::sink())?;
    }
    Ok(())
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]),
    }
}

fn verdict(ok: bool) -> &'static str {
    if ok { "PASS" } else { "FAIL" }
}

/// The comparison, then the scaling run.
pub(crate) fn drizzle(arguments: &[&str]) -> Result<()> {
    let options = parse(arguments)?;
    let most = options.scaling.iter().copied().chain([options.exposures]).max().unwrap_or(0);
    let bench = Bench::prepare(most, options.spx.as_deref())?;
    let mut good = true;
    for &width in &options.sizes {
        good &= compare(&bench, width, &options)?;
    }
    if !options.scaling.is_empty() {
        good &= scaling(&bench, &options)?;
    }
    if !good {
        bail!("a target is missed");
    }
    Ok(())
}

fn compare(bench: &Bench, width: f64, options: &Options) -> Result<bool> {
    println!("\n{} exposures of 2040 x 2040 onto {width}' x {width}', D3, 17 planes", options.exposures);
    let mut pairs = Vec::new();
    for run in 1..=options.runs {
        let (peer, ours) = (bench.peer(width, options.exposures)?, bench.spx(width, options.exposures)?);
        println!(
            "  run {run}: spxquery {:9.3} s {:7.0} MB   spx {:8.4} s {:6.0} MB   {:6.1} x",
            peer.seconds,
            peer.peak_mb,
            ours.seconds,
            ours.peak_mb,
            peer.seconds / ours.seconds
        );
        pairs.push((peer, ours));
    }
    let peer = median(pairs.iter().map(|(peer, _)| peer.seconds));
    let ours = median(pairs.iter().map(|(_, ours)| ours.seconds));
    let speed = median(pairs.iter().map(|(peer, ours)| peer.seconds / ours.seconds));
    let memory = median(pairs.iter().map(|(peer, ours)| ours.peak_mb / peer.peak_mb));
    println!("  median:  spxquery {peer:9.3} s, spx {ours:8.4} s");
    let mut good = memory <= MEMORY_TARGET;
    println!("{} peak memory {memory:.3} of spxquery's (target: at most {MEMORY_TARGET})", verdict(good));
    match SPEED_TARGETS.iter().find(|(size, _)| *size == width) {
        Some((_, target)) => {
            println!("{} {speed:.1} times as fast (target: {target})", verdict(speed >= *target));
            good &= speed >= *target;
        }
        None => println!("     {speed:.1} times as fast"),
    }
    Ok(good)
}

/// spx alone with more and more exposures: time linear, memory flat.
fn scaling(bench: &Bench, options: &Options) -> Result<bool> {
    let width = options.sizes.first().copied().unwrap_or(30.0);
    println!("\nspx with more exposures, {width}' x {width}', medians of {}", options.runs);
    let mut points = Vec::new();
    for &count in &options.scaling {
        let samples = (0..options.runs).map(|_| bench.spx(width, count)).collect::<Result<Vec<_>>>()?;
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
    use super::{Options, line, median, parse};

    #[test]
    fn options_have_defaults_and_are_checked() {
        assert_eq!(parse(&[]).unwrap(), Options::default());
        let words =
            ["--runs", "1", "--exposures", "2", "--sizes", "30", "--scaling", "none", "--spx", "a/spx"];
        let few =
            Options { runs: 1, exposures: 2, sizes: vec![30.0], scaling: vec![], spx: Some("a/spx".into()) };
        assert_eq!(parse(&words).unwrap(), few);
        for words in [&["--runs"][..], &["--runs", "0"], &["--sizes", "a"], &["--size", "30"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn statistics() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        let (offset, slope) = line([(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)].into_iter());
        assert!((offset - 3.0).abs() < 1e-12 && (slope - 2.0).abs() < 1e-12);
    }
}
