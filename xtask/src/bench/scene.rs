//! `cargo xtask bench-peers scene`: all sources of a full frame fitted together on one thread,
//! against photutils' grouped PSF photometry, by processor time for a source.
//!
//! Ours is the whole process, which reads the image, fits a background too, clips, and writes the
//! table; of photutils, which fits fluxes alone, the fit in a part of the frame is timed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Bench, Common, median, verdict};
use crate::process::{self, count, output};

/// How many times faster than photutils a source is to be measured.
const SPEED_TARGET: f64 = 50.0;

pub(super) fn run(arguments: &[&str]) -> Result<bool> {
    let mut sources = 12_500;
    let common = Common::parse(arguments, |name, value| {
        let known = name == "--sources";
        if known {
            sources = count(name, value)?;
        }
        Ok(known)
    })?;
    let bench = Bench::prepare(&common)?;
    let folder = process::cache()?.join(format!("bench-scene-{sources}"));
    let image = frame(&bench, &folder, sources)?;
    let (mut ours, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..common.runs {
        let table = bench.fresh("scene")?;
        let (seconds, rows, table) = measure(&bench, &folder, &table)?;
        let mut peer = bench.peer("bench_scene.py");
        let told = output(peer.arg(&image).arg(&table))?;
        let peer: Value = serde_json::from_str(told.lines().last().unwrap_or_default())?;
        let number = |key: &str| peer[key].as_f64().with_context(|| format!("no {key}: {told}"));
        let of_peer = number("seconds")? / number("sources")?;
        println!(
            "spx: {rows} sources, {seconds:.2} s, {:.0} us each; photutils: {:.0} us each",
            1e6 * seconds / rows as f64,
            1e6 * of_peer
        );
        ours.push(seconds);
        ratios.push(of_peer / (seconds / rows as f64));
    }
    let ratio = median(ratios);
    let good = ratio >= SPEED_TARGET;
    println!(
        "median {:.2} s; {ratio:.0} times as fast: {} (at least {SPEED_TARGET})",
        median(ours),
        verdict(good)
    );
    Ok(good)
}

/// The full frame, which is simulated where it is missing.
fn frame(bench: &Bench, folder: &Path, sources: usize) -> Result<PathBuf> {
    if !folder.join("truth.csv").exists() {
        let mut simulate = Command::new(&bench.spx);
        simulate.args(["simulate", "--ra=186.4536", "--dec=33.5468", "--exposures=1", "--detectors=D3"]);
        simulate.args(["--size=full", "--radius=2", "--release=qr3", "-q"]);
        simulate.arg(format!("--stars={sources}")).arg("-o").arg(folder);
        output(&mut simulate)?;
    }
    let files = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let image =
        files.into_iter().map(|file| file.path()).find(|path| path.extension().is_some_and(|e| e == "fits"));
    image.context("no image was simulated")
}

/// Processor time \[s\], rows and table of `spx batch`.
fn measure(bench: &Bench, folder: &Path, results: &Path) -> Result<(f64, usize, PathBuf)> {
    let mut command = bench.peer("measure.py");
    command.arg(&bench.spx).args(["batch", "-q", "--method=scene", "--threads=1", "--stages=extract"]);
    command.arg("--catalog").arg(folder.join("truth.csv")).arg("--input").arg(folder).arg("-o").arg(results);
    let told = output(&mut command)?;
    let sample: Value = serde_json::from_str(told.lines().last().unwrap_or_default())?;
    let seconds = sample["processor_seconds"].as_f64().context("no processor_seconds")?;
    let tables = fs::read_dir(results.join("per_image"))?.collect::<Result<Vec<_>, _>>()?;
    let mut paths = tables.into_iter().map(|entry| entry.path());
    let table = paths.find(|path| path.extension().is_some_and(|e| e == "csv")).context("no table")?;
    let rows = fs::read_to_string(&table)?.lines().filter(|line| !line.starts_with('#')).count() - 1;
    Ok((seconds, rows, table))
}
