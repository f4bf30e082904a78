//! `spx cube finalize`: the cube of running sums that `spx drizzle --accumulate` keeps, of one file or merged from several.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use spx_core::header::Header;
use spx_drizzle::Accumulator;
use spx_drizzle::file::SumsFile;

use crate::drizzle::accumulate;
use crate::drizzle::pipeline::{self, CubeWriter};
use crate::drizzle::report::CubeReport;
use crate::drizzle::{DrizzleSettings, Product};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;

/// Turn running sums into their cube
///
/// Takes files that `spx drizzle --accumulate` keeps. Several must be of the same grid and the same settings, and no
/// exposure may be in two of them; they are merged in the order of their first exposures' times. The cube of one file
/// is, byte for byte, the one that a run over its exposures, in their order, writes. Counts and masks of merged
/// files are, too; other values may differ in the last place, for sums of sums round otherwise.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube finalize sums_D3.fits -o drizzle_D3.fits
  spx cube finalize 2025/sums_D3.fits 2026/sums_D3.fits -o drizzle_D3.fits --accumulate both_D3.fits")]
pub(crate) struct FinalizeArgs {
    /// Files of running sums
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Cube to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Also write the merged sums, to which exposures can be added
    #[arg(long, value_name = "FILE")]
    accumulate: Option<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    overwrite: bool,
}

/// Runs the command.
pub(crate) fn run(args: &FinalizeArgs, global: &Global) -> CommandResult {
    check_outputs(args)?;
    ui::catch_interrupts()?;
    let files = open(&args.files)?;
    let configuration = files[0].settings().to_vec();
    let settings = settings(&files[0])?;
    let parameters = settings.parameters()?;
    let detector = parameters.detector.context("the settings of the sums name no detector")?;
    let product = Product::Cube(detector);
    let plan = pipeline::plan(&parameters, product)?;
    let exposures = files.iter().map(|file| file.entries().len()).sum();
    let at_once = files.len().min(2) as u64;
    crate::drizzle::check_memory(at_once * plan.accumulator_bytes(exposures), None)?;
    let progress = global.terminal();
    let mut merged: Option<Accumulator> = None;
    for file in files {
        let path = file.path().to_owned();
        let sums = accumulate::load(file, plan.clone(), &progress)?;
        match &mut merged {
            None => merged = Some(sums),
            Some(merged) => merged.merge(sums).with_context(|| path.display().to_string())?,
        }
    }
    let merged = merged.context("there are no sums")?;
    if let Some(path) = &args.accumulate {
        let celestial: Header = parameters.grid.header();
        accumulate::write(path, &merged, &configuration, &celestial, args.overwrite, &progress)?;
    }
    let report = report(&merged, product, &args.output, parameters.resampling.planes.context);
    let writer = CubeWriter {
        parameters: &parameters,
        product,
        configuration: &configuration,
        overwrite: args.overwrite,
    };
    writer.write(&args.output, &merged.drizzler, &report, merged.timing(), &progress)?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        ui::data(&format!("{}\n", args.output.display()))?;
    }
    Ok(Outcome::Done)
}

/// Refuses what cannot be written before anything is read.
fn check_outputs(args: &FinalizeArgs) -> Result<(), Failure> {
    let outputs: Vec<&Path> =
        std::iter::once(&args.output).chain(&args.accumulate).map(PathBuf::as_path).collect();
    let full = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    for (k, output) in outputs.iter().enumerate() {
        let taken = args.files.iter().map(PathBuf::as_path).chain(outputs[..k].iter().copied());
        if taken.map(full).any(|file| file == full(output)) {
            return Err(Failure::usage(anyhow!("{} is named twice", output.display())));
        }
        if !args.overwrite && output.symlink_metadata().is_ok() {
            return Err(Failure::exists(output));
        }
    }
    Ok(())
}

/// Opens all files, which must be of the same settings, in the order of their first exposures.
fn open(paths: &[PathBuf]) -> Result<Vec<SumsFile>, Failure> {
    let opened = paths.iter().map(|path| SumsFile::open(path)).collect::<Result<Vec<_>, _>>();
    let mut files = opened.map_err(accumulate::failure)?;
    for file in &files {
        file.check_settings(files[0].settings()).map_err(accumulate::failure)?;
    }
    files.sort_by(|a, b| accumulate::first(a.entries()).cmp(&accumulate::first(b.entries())));
    Ok(files)
}

/// The settings that the sums were made with.
fn settings(file: &SumsFile) -> Result<DrizzleSettings, Failure> {
    let context = || format!("{}: HDU SETTINGS", file.path().display());
    Ok(toml::from_str(&file.settings().join("\n")).with_context(context)?)
}

fn report(sums: &Accumulator, product: Product, output: &Path, context: bool) -> CubeReport {
    let entries = sums.entries().iter().map(|entry| accumulate::report(entry, context)).collect();
    CubeReport::new(product, output, sums.drizzler.plan().cube_shape(), entries, Vec::new())
}
