//! `cargo xtask bench-peers batch`: against spxquery's `process_single_image` and
//! `aggregate_lightcurves`.
//!
//! - Agreement: the tables of a full frame with a thousand sources, with spxquery's background and
//!   pixel area; and the light curves of a thousand sources on forty images, which both make of the
//!   same tables.
//! - Extraction: so many sources in a full frame, several times over; spx on one thread against
//!   spxquery's single process, then spx on two threads.
//! - Aggregation: the tables of a hundred images (links to forty) of the same sources; spxquery is
//!   given the same rows without the columns that it does not know. Then spx alone with twice as
//!   many rows.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Bench, Common, Sample, Targets, median, numbers, pairs, verdict};
use crate::process::{self, count};

/// What the project has set itself: sources in a frame, and how many times faster than spxquery.
const EXTRACT_TARGETS: [(usize, f64); 3] = [(34, 10.0), (1000, 30.0), (10_000, 60.0)];
/// Frames of a run, where no number is given: for few sources more, so that spx's run takes some
/// tenths of a second.
const FRAMES: [(usize, usize); 2] = [(100, 40), (2000, 16)];
const FRAMES_OF_MANY: usize = 8;
const AGGREGATE_TARGET: f64 = 20.0;
/// Peak memory of an aggregation \[MB\].
const MEMORY_TARGET: f64 = 300.0;
/// The peak memory with twice the rows may exceed that with the rows by this factor and still count
/// as the same.
const FLAT: f64 = 1.1;
/// Two threads are this much faster than one.
const TWO_THREADS: f64 = 1.7;
/// What spxquery's batch does whatever its configuration says.
const AS_SPXQUERY: [&str; 2] = ["--pixel-area=constant", "--background-method=window"];

struct BatchBenchOptions {
    sources: Vec<usize>,
    /// How often a frame is measured in one run; by the number of sources where it is not given.
    frames: Option<usize>,
    rows: usize,
    light_curves: usize,
}

fn parse(arguments: &[&str]) -> Result<(Common, BatchBenchOptions)> {
    let mut options = BatchBenchOptions {
        sources: EXTRACT_TARGETS.map(|(sources, _)| sources).into(),
        frames: None,
        rows: 5_000_000,
        light_curves: 50_000,
    };
    let common = Common::parse(arguments, |name, value| {
        match name {
            "--sources" if value == "none" => options.sources.clear(),
            "--sources" => options.sources = numbers(value)?,
            "--rows" if value == "none" => options.rows = 0,
            "--rows" => options.rows = count(name, value)?,
            "--frames" => options.frames = Some(count(name, value)?),
            "--light-curves" => options.light_curves = count(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((common, options))
}

/// All three.
pub(super) fn run(arguments: &[&str]) -> Result<bool> {
    let (common, options) = parse(arguments)?;
    let bench = Bench::prepare(&common)?;
    let mut good = true;
    if !options.sources.is_empty() {
        let frame = bench.full_frames(1)?.remove(0);
        good &= agreement(&bench, &frame)? & curves(&bench)?;
        for &sources in &options.sources {
            let usual = FRAMES.iter().find(|(most, _)| sources <= *most).map_or(FRAMES_OF_MANY, |f| f.1);
            let frames = options.frames.unwrap_or(usual);
            good &= extraction(&bench, &frame, sources, frames, common.runs)?;
        }
    }
    if options.rows > 0 {
        good &= aggregation(&bench, &options, common.runs)?;
    }
    Ok(good)
}

/// Hard links to `frames`, taken in turn, `count` of them; by other links a file counts once.
fn links(directory: &Path, frames: &[PathBuf], count: usize) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let link = |k: usize| {
        let path = directory.join(format!("level2_{k:04}.fits"));
        fs::hard_link(&frames[k % frames.len()], &path)?;
        Ok(path)
    };
    (0..count).map(link).collect()
}

/// A catalogue made by the script.
fn catalogue(bench: &Bench, arguments: &[&str], name: &str) -> Result<PathBuf> {
    let path = bench.scratch.join(name);
    process::run(bench.peer("bench_batch.py").args(arguments).arg(&path))?;
    Ok(path)
}

fn agreement(bench: &Bench, frame: &Path) -> Result<bool> {
    println!("\nThe tables of a full frame with 1000 sources");
    let sources = catalogue(bench, &["field", &frame.display().to_string(), "1000"], "sources.csv")?;
    let (ours, theirs) = (bench.fresh("spx")?, bench.fresh("spxquery")?);
    let mut peer = bench.peer("bench_batch.py");
    process::output(peer.arg("extract").arg(&sources).arg(&theirs).arg(frame))?;
    let mut spx = bench.spx();
    spx.args(["batch", "-q", "--stages=extract"]).args(AS_SPXQUERY).arg("--catalog").arg(&sources);
    process::output(spx.arg("-o").arg(&ours).arg("--input").arg(frame))?;
    let mut compare = bench.peer("bench_batch.py");
    compare.arg("compare").arg(ours.join("per_image")).arg(&theirs);
    let good = process::run(&mut compare).is_ok();
    println!("{} the same rows, fluxes and errors to 1e-5", verdict(good));
    Ok(good)
}

fn curves(bench: &Bench) -> Result<bool> {
    let frames = bench.full_frames(40)?;
    println!("\nThe light curves of 1000 sources on {} full frames", frames.len());
    let sources = catalogue(bench, &["catalogue", "186.4536", "33.5468", "1.1", "1000"], "sources.csv")?;
    let (ours, tables, theirs) =
        (bench.fresh("spx")?, bench.fresh("spxquery-tables")?, bench.fresh("spxquery")?);
    let mut spx = bench.spx();
    spx.args(["batch", "-q", "--catalog"]).arg(&sources).arg("-o").arg(&ours).arg("--input").args(&frames);
    process::output(&mut spx)?;
    let mut columns = bench.peer("bench_batch.py");
    columns.arg("columns").arg(ours.join("per_image")).arg(&tables).arg(frames.len().to_string());
    process::run(&mut columns)?;
    Sample::take(bench.peer("bench_batch.py").arg("aggregate").arg(&tables).arg(&theirs), &[])?;
    let mut compare = bench.peer("bench_batch.py");
    compare.arg("curves").arg(&sources).args([ours.join("lightcurves"), theirs.join("lightcurves")]);
    let good = process::run(&mut compare).is_ok();
    println!("{} the same light curves: rows, order, values", verdict(good));
    Ok(good)
}

fn extraction(bench: &Bench, frame: &Path, sources: usize, frames: usize, runs: usize) -> Result<bool> {
    println!("\n{sources} sources in a full frame of 2040 x 2040, {frames} times; spx on one thread");
    let table =
        catalogue(bench, &["field", &frame.display().to_string(), &sources.to_string()], "sources.csv")?;
    let images = links(&bench.fresh("frames")?, &[frame.to_owned()], frames)?;
    let warm = [frame.to_owned()];
    let peer = || {
        let mut command = bench.peer("bench_batch.py");
        command.arg("extract").arg(&table).arg(bench.fresh("spxquery")?).args(&images);
        Sample::take(&mut command, &warm)
    };
    let ours = |threads: &str| {
        let mut command = bench.spx();
        command.args(["batch", "-q", "--stages=extract", "--threads", threads]).args(AS_SPXQUERY);
        command.arg("--catalog").arg(&table).arg("-o").arg(bench.fresh("spx")?).arg("--input").args(&images);
        Sample::take(&mut command, &warm)
    };
    let speed = EXTRACT_TARGETS.iter().find(|(n, _)| *n == sources).map(|(_, target)| *target);
    let mut good = pairs(runs, Targets { speed, memory: None }, peer, || ours("1"))?;
    let ratios = (0..runs).map(|_| Ok(ours("1")?.seconds / ours("2")?.seconds));
    let ratio = median(ratios.collect::<Result<Vec<_>>>()?);
    println!(
        "{} two threads {ratio:.2} times as fast as one (target: {TWO_THREADS})",
        verdict(ratio >= TWO_THREADS)
    );
    good &= ratio >= TWO_THREADS;
    Ok(good)
}

fn aggregation(bench: &Bench, options: &BatchBenchOptions, runs: usize) -> Result<bool> {
    let images = options.rows.div_ceil(options.light_curves);
    println!(
        "\n{} rows of {} sources in {images} tables",
        images * options.light_curves,
        options.light_curves
    );
    let sources = options.light_curves.to_string();
    let table = catalogue(bench, &["catalogue", "186.4536", "33.5468", "1.1", &sources], "sources.csv")?;
    let frames = bench.full_frames(40)?;
    let twice = links(&bench.fresh("frames")?, &frames, 2 * images)?;
    let (once_dir, twice_dir) = (bench.fresh("once")?, bench.fresh("twice")?);
    let batch = |images: &[PathBuf], output: &Path| {
        let mut command = bench.spx();
        command.args(["batch", "-q"]).arg("--catalog").arg(&table);
        command.arg("-o").arg(output).arg("--input").args(images);
        command
    };
    process::output(batch(&twice, &twice_dir).arg("--stages=extract"))?;
    share(&twice_dir, &once_dir, images)?;
    let theirs = bench.fresh("spxquery-tables")?;
    let mut columns = bench.peer("bench_batch.py");
    columns.arg("columns").arg(once_dir.join("per_image")).arg(&theirs);
    process::run(columns.arg(images.to_string()))?;
    let rows = |sample: Sample, peaks: &mut Vec<f64>| {
        peaks.push(sample.peak_mb);
        sample
    };
    let (mut once_peaks, mut twice_peaks) = (Vec::new(), Vec::new());
    let peer = || {
        let mut command = bench.peer("bench_batch.py");
        Sample::take(command.arg("aggregate").arg(&theirs).arg(bench.fresh("spxquery")?), &[])
    };
    let ours = || {
        clear(&once_dir)?;
        let sample = Sample::take(&mut batch(&twice[..images], &once_dir), &[])?;
        Ok(rows(sample, &mut once_peaks))
    };
    let mut good = pairs(runs, Targets { speed: Some(AGGREGATE_TARGET), memory: None }, peer, ours)?;
    for _ in 0..runs {
        clear(&twice_dir)?;
        rows(Sample::take(&mut batch(&twice, &twice_dir), &[])?, &mut twice_peaks);
    }
    let (once, double) = (median(once_peaks), median(twice_peaks));
    let slim = once.max(double) <= MEMORY_TARGET;
    println!(
        "{} peak {once:.0} MB, with twice the rows {double:.0} MB (target: {MEMORY_TARGET})",
        verdict(slim)
    );
    let flat = double <= FLAT * once;
    println!("{} the same memory for twice the rows", verdict(flat));
    good &= slim && flat;
    for name in ["once", "twice", "spxquery-tables", "spxquery", "frames"] {
        bench.clear(name)?;
    }
    Ok(good)
}

/// Links the tables of the first images into another batch.
fn share(from: &Path, to: &Path, images: usize) -> Result<()> {
    let (from, to) = (from.join("per_image"), to.join("per_image"));
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(&from)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.get(7..11)?.parse::<usize>().ok());
        if number.context("a table of no image of ours")? < images {
            fs::hard_link(from.join(&name), to.join(&name))?;
        }
    }
    if fs::read_dir(&to)?.count() != 2 * images {
        bail!("{} does not hold a table and a record of each image", to.display());
    }
    Ok(())
}

/// Removes the light curves of a batch.
fn clear(output: &Path) -> Result<()> {
    let curves = output.join("lightcurves");
    if curves.exists() {
        fs::remove_dir_all(&curves).with_context(|| format!("cannot clear {}", curves.display()))?;
    }
    Ok(())
}
