//! `spx cube`: what a drizzled cube holds, spectra out of it, pictures of it, and the explorer.

mod convert;
mod finalize;
mod info;
mod map;
pub(crate) mod output;
mod part;
mod plot;
mod spectrum;
mod view;

use clap::{Args, Subcommand};

use spx_pipeline::settings::SettingLimits;

use crate::exit::CommandResult;
use crate::global::Global;

/// Radii of circles on the sky \[arcsec\].
const RADII: SettingLimits = SettingLimits::above(0.0, 648_000.0);
/// Sides of boxes \[arcmin\].
const SIDES: SettingLimits = SettingLimits::above(0.0, 10_800.0);
/// \[um\]
const WAVELENGTHS: SettingLimits = SettingLimits::above(0.0, 1000.0);

/// Inspect, plot, explore, cut, join and convert drizzled cubes, and make cubes from running sums.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube info output/drizzle_D3.fits
  spx cube spectrum output/drizzle_D3.fits --ra 186.45 --dec 33.55 --radius 12
  spx cube plot output/drizzle_D3.fits --rgb -o colors.png
  spx cube view output/drizzle_D3.fits
  spx cube cut output/drizzle_D3.fits --wave 1.8..2.2 -o part.fits
  spx cube export output/drizzle_D3.fits --for cubeviz -o ngc4395_cubeviz.fits
  spx cube finalize sums_D3.fits -o output/drizzle_D3.fits

`spx drizzle` makes cubes.")]
pub(crate) struct CubeArgs {
    #[command(subcommand)]
    command: CubeCommand,
}

#[derive(Debug, Subcommand)]
enum CubeCommand {
    Info(info::InfoArgs),
    Spectrum(spectrum::SpectrumArgs),
    Plot(plot::PlotArgs),
    View(view::ViewArgs),
    Export(convert::ExportArgs),
    Import(convert::ImportArgs),
    Line(map::LineArgs),
    Collapse(map::CollapseArgs),
    Cut(part::CutArgs),
    Join(part::JoinArgs),
    Finalize(finalize::FinalizeArgs),
}

/// Runs the command.
pub(crate) fn run(args: &CubeArgs, global: &Global) -> CommandResult {
    match &args.command {
        CubeCommand::Info(args) => info::run(args, global),
        CubeCommand::Spectrum(args) => spectrum::run(args, global),
        CubeCommand::Plot(args) => plot::run(args, global),
        CubeCommand::View(args) => view::run(args, global),
        CubeCommand::Export(args) => convert::export(args, global),
        CubeCommand::Import(args) => convert::import(args, global),
        CubeCommand::Line(args) => map::line(args, global),
        CubeCommand::Collapse(args) => map::collapse(args, global),
        CubeCommand::Cut(args) => part::cut(args, global),
        CubeCommand::Join(args) => part::join(args, global),
        CubeCommand::Finalize(args) => finalize::run(args, global),
    }
}
