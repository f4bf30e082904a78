//! `spx cube export` and `spx cube import`: cubes in the layouts of other tools, and back.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use spx_pipeline::cube::{CubeConversion, CubeLayout, export_cube, import_cube};

use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::ui;

/// Write a cube in the layout that other tools expect
///
/// For Cubeviz and specutils: flux (FLUX), variance (VAR), mask (MASK, 1 where there are no data)
/// and flags (DQ), under the names that these tools expect; the wavelength axis is that of the
/// cube, logarithmic and good to 0.08 channel. For tools made for IRSA's products: IMAGE, NHITS,
/// FLAGS, VARIANCE, SPECTRAL_CHANNELS, and the exact axis as alternate WCS W by the table WCS-WAVE,
/// as the mission's images have it.
///
/// Nothing is lost: `spx cube import` turns the file back into the same cube, byte for byte.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube export output/drizzle_D3.fits --for cubeviz -o ngc4395_cubeviz.fits
  spx cube export output/drizzle_D3.fits --for irsa -o ngc4395_irsa.fits")]
pub(crate) struct ExportArgs {
    /// A cube that `spx drizzle` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The tool
    #[arg(long = "for", value_name = "TOOL", value_enum)]
    tool: Tool,
    /// File to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    overwrite: bool,
}

/// Convert a file written by `spx cube export` back into a cube
///
/// The cube is, byte for byte, the one that was exported. A file whose checksums show that it was
/// changed since is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube import ngc4395_cubeviz.fits -o drizzle_D3.fits")]
pub(crate) struct ImportArgs {
    /// A file that `spx cube export` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Cube to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Tool {
    /// Cubeviz of jdaviz, and specutils
    Cubeviz,
    /// Tools made for IRSA's products, such as Firefly
    Irsa,
}

/// Runs `spx cube export`.
pub(crate) fn export(args: &ExportArgs, global: &Global) -> CommandResult {
    let layout = match args.tool {
        Tool::Cubeviz => CubeLayout::Cubeviz,
        Tool::Irsa => CubeLayout::Irsa,
    };
    ui::catch_interrupts()?;
    let terminal = global.terminal();
    report(&export_cube(&args.file, &args.output, layout, args.overwrite, &terminal)?, global)
}

/// Runs `spx cube import`.
pub(crate) fn import(args: &ImportArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    report(&import_cube(&args.file, &args.output, args.overwrite, &global.terminal())?, global)
}

fn report(conversion: &CubeConversion, global: &Global) -> CommandResult {
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(conversion)?))?;
    } else {
        ui::data(&format!("{}\n", conversion.output))?;
    }
    Ok(Outcome::Done)
}
