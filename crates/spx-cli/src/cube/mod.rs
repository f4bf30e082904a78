//! `spx cube`: what a drizzled cube holds, spectra out of it, pictures of it, and the explorer.

pub(crate) mod combine;
mod convert;
mod extract;
mod finalize;
mod info;
pub(crate) mod output;
mod plot;
mod spectrum;
mod view;

use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use spx_core::fits::FitsReader;
use spx_drizzle::file::{CubeFile, CubeFileError, CubeFileProblem};
use spx_wcs::CelestialWcs;

use crate::exit::{CommandResult, Failure};
use crate::global::Global;

/// Look into drizzled cubes: their planes, spectra, pictures, a page to explore them; files for other tools;
/// cubes of running sums.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube info output/drizzle_D3.fits
  spx cube spectrum output/drizzle_D3.fits --ra 186.45 --dec 33.55 --radius 12
  spx cube plot output/drizzle_D3.fits --rgb -o colours.png
  spx cube view output/drizzle_D3.fits
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
        CubeCommand::Finalize(args) => finalize::run(args, global),
    }
}

/// Opens a cube.
fn open(path: &Path) -> Result<CubeFile, Failure> {
    CubeFile::open(path).map_err(|error| not_a_cube(path, error))
}

/// A spectral image in the place of a cube, a cube for another tool, and one that is cut off, are called what they are.
fn not_a_cube(path: &Path, error: CubeFileError) -> Failure {
    let file = path.display();
    match &error.problem {
        CubeFileProblem::NotACube(problem) if begins_as_cube(path) => {
            anyhow!("{file}: the cube is incomplete: {problem}").into()
        }
        CubeFileProblem::NotACube(_) if holds_spectral_image(path) => anyhow!(
            "{file}: it is a spectral image, no cube: `spx inspect` shows it, `spx drizzle` makes cubes of such"
        )
        .into(),
        CubeFileProblem::Exported(layout) => anyhow!(
            "{file}: it is a cube in the layout for {layout}: `spx cube import` turns it back into one of spx"
        )
        .into(),
        _ => error.into(),
    }
}

fn begins_as_cube(path: &Path) -> bool {
    let primary = FitsReader::open(path).and_then(|mut file| file.header());
    primary.is_ok_and(|header| header.text("FILETYPE") == Ok("DRIZZLED_CUBE"))
}

fn holds_spectral_image(path: &Path) -> bool {
    let names = FitsReader::open(path).and_then(|mut file| file.hdu_names()).unwrap_or_default();
    ["IMAGE", "FLAGS"].iter().all(|hdu| names.iter().any(|name| name == hdu))
}

/// The celestial axes of a cube.
fn celestial(path: &Path, cube: &CubeFile) -> Result<CelestialWcs, Failure> {
    let wcs = CelestialWcs::from_header(cube.science_header());
    Ok(wcs.with_context(|| format!("{}: HDU SCI", path.display()))?)
}

/// The name of the detector, `D3`.
fn detector_name(cube: &CubeFile) -> String {
    let number = cube.primary().integer("DETECTOR");
    number.map_or_else(|_| "unknown detector".to_owned(), |n| format!("D{n}"))
}
