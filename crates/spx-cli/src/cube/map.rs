//! `spx cube line` and `spx cube collapse`: maps out of a cube, as FITS files.

use std::path::PathBuf;

use clap::Args;
use spx_pipeline::cube::{MapQuantity, MapReport, MapRequest, WavelengthRange, write_map};

use super::plot::parse_range;
use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::ui;

/// Write a continuum-subtracted map of a line
///
/// In each pixel a straight continuum is fitted to the planes of --continuum, weighted by inverse
/// variance, and subtracted from those of the line; the rest, times the widths of the planes in
/// frequency, is the intensity of the line [nW/m^2/sr]. The file has MAP, ERR and CONTINUUM
/// [MJy/sr]. Errors include that of the continuum. `spx cube plot --line` draws the same map.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube line drizzle_D3.fits --line 1.86..1.90 --continuum 1.75..1.84,1.92..2.0 -o pa_alpha.fits")]
pub(crate) struct LineArgs {
    /// A cube that `spx drizzle` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Range of wavelengths of the line [um]: planes whose centers lie in it
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    line: WavelengthRange,
    /// Ranges of the continuum [um], on one side or both
    #[arg(long, value_name = "A..B[,C..D]", value_parser = parse_range, value_delimiter = ',', required = true)]
    continuum: Vec<WavelengthRange>,
    /// FITS file to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    overwrite: bool,
}

/// Write the mean over a range of wavelengths
///
/// The mean surface brightness of the planes [MJy/sr], weighted by inverse variance, and its error,
/// as images MAP and ERR of a FITS file. `spx cube plot --mean` draws the same map.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube collapse drizzle_D3.fits --wave 2.0..2.3 -o continuum.fits")]
pub(crate) struct CollapseArgs {
    /// A cube that `spx drizzle` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Range of wavelengths [um]: planes whose centers lie in it
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    wave: WavelengthRange,
    /// FITS file to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    overwrite: bool,
}

/// Runs `spx cube line`.
pub(crate) fn line(args: &LineArgs, global: &Global) -> CommandResult {
    let quantity = MapQuantity::Line { line: args.line, continuum: args.continuum.clone() };
    write(&args.file, &args.output, quantity, args.overwrite, global)
}

/// Runs `spx cube collapse`.
pub(crate) fn collapse(args: &CollapseArgs, global: &Global) -> CommandResult {
    write(&args.file, &args.output, MapQuantity::Mean(args.wave), args.overwrite, global)
}

fn write(
    cube: &std::path::Path,
    output: &std::path::Path,
    quantity: MapQuantity,
    overwrite: bool,
    global: &Global,
) -> CommandResult {
    ui::catch_interrupts()?;
    let request = MapRequest { cube: cube.to_owned(), output: output.to_owned(), quantity, overwrite };
    let report: MapReport = write_map(&request, &global.terminal())?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        ui::data(&format!("{}\n", report.output))?;
    }
    Ok(Outcome::Done)
}
