//! `spx cube finalize`: the cube of running sums that `spx drizzle --accumulate` keeps, of one file
//! or merged from several.

use std::path::PathBuf;

use clap::Args;
use spx_pipeline::drizzle::{FinalizeRequest, finalize};

use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::ui;

/// Make a cube from running sums
///
/// Reads files written by `spx drizzle --accumulate`. Several must have the same grid and settings,
/// and no exposure may be in two of them; they are merged in the order of the times of their first
/// exposures. The cube of one file is, byte for byte, that of a single run over its exposures in
/// their order. So are counts and masks of merged files; other values may differ in the last digit,
/// because sums of sums are rounded differently.
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
    ui::catch_interrupts()?;
    let request = FinalizeRequest {
        files: args.files.clone(),
        output: args.output.clone(),
        accumulate: args.accumulate.clone(),
        overwrite: args.overwrite,
    };
    let report = finalize(&request, &global.terminal())?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        ui::data(&format!("{}\n", report.file))?;
    }
    Ok(Outcome::Done)
}
