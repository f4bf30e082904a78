//! `spx cube join` and `spx cube cut`: cubes out of cubes.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use spx_core::detector::Detector;
use spx_core::sky::{Position, parse_declination, parse_right_ascension};
use spx_pipeline::cube::{
    CubeCompression, CubeCutRequest, DerivedCube, RegionShape, SkyRegion, WavelengthRange, cut_cube,
    join_cubes,
};

use super::SIDES;
use super::plot::parse_range;
use super::spectrum::read_regions;
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::setting_args::number;
use crate::ui;

/// Combine cubes of several detectors into one file
///
/// The cubes must have one grid and the same options. Their planes follow each other in the order
/// of the detectors; HDU WAVELENGTH gives the detector of each plane, and the third axis of the
/// arrays is WAVE-TAB, exact in every plane. `spx drizzle --channels all` makes such a file
/// directly.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube join output/drizzle_D*.fits -o ngc4395_all.fits")]
pub(crate) struct JoinArgs {
    /// Cubes that `spx drizzle` made, each of another detector
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// File to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Compress the arrays: lossless, or rounded (SCI to 0.02 of its error, VARIANCE to 4 %)
    #[arg(long, value_name = "HOW", value_enum)]
    compress: Option<Packing>,
    /// Replace an existing file
    #[arg(long)]
    overwrite: bool,
}

/// Write part of a cube as a cube
///
/// The part is limited by a region on the sky, by wavelength, by planes, by detector, or by several
/// of these. For a region, the part is the smallest box that contains all pixels whose centers lie
/// in it. Positions, wavelengths, counts of inputs and the table of planes are updated; the history
/// records what was cut.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube cut drizzle_D3.fits --ra 186.45 --dec 33.55 --width 5 --height 5 -o core.fits
  spx cube cut drizzle_D3.fits --region galaxy.reg --wave 1.8..2.2 -o galaxy.fits
  spx cube cut drizzle_all.fits --detector 3 -o drizzle_D3.fits")]
pub(crate) struct CutArgs {
    /// A cube that `spx drizzle` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Right ascension of the middle of a box [deg]; also as 12h25m48.9s or 12:25:48.9
    #[arg(long, value_name = "DEG", allow_hyphen_values = true, value_parser = parse_right_ascension)]
    #[arg(requires_all = ["dec", "width", "height"])]
    ra: Option<f64>,
    /// Its declination [deg]; also as +33d32m48s or +33:32:48
    #[arg(long, value_name = "DEG", allow_hyphen_values = true, requires = "ra")]
    #[arg(value_parser = parse_declination)]
    dec: Option<f64>,
    /// Its width [arcmin]
    #[arg(long, value_name = "ARCMIN", requires = "ra", value_parser = number(SIDES))]
    width: Option<f64>,
    /// Its height [arcmin]
    #[arg(long, value_name = "ARCMIN", requires = "ra", value_parser = number(SIDES))]
    height: Option<f64>,
    /// DS9 region file, or one region such as 'circle(186.45,33.55,60")'; may be given several
    /// times
    #[arg(long, value_name = "FILE|REGION", conflicts_with_all = ["ra", "dec", "width", "height"])]
    region: Vec<String>,
    /// Range of wavelengths [um]: planes whose centers lie in it
    #[arg(long, value_name = "MIN..MAX", value_parser = parse_range)]
    wave: Option<WavelengthRange>,
    /// First and last plane, from 0
    #[arg(long, value_name = "FIRST..LAST", value_parser = parse_planes)]
    planes: Option<[usize; 2]>,
    /// Planes of this detector, 1 to 6
    #[arg(long, value_name = "N")]
    detector: Option<Detector>,
    /// Cube to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Compress the arrays: lossless, or rounded (SCI to 0.02 of its error, VARIANCE to 4 %)
    #[arg(long, value_name = "HOW", value_enum)]
    compress: Option<Packing>,
    /// Replace an existing file
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Packing {
    /// Every bit is kept
    Lossless,
    /// SCI and VARIANCE are rounded; a file that is rounded already is rounded once more
    Rounded,
}

/// As the option says.
fn compression(packing: Option<Packing>) -> CubeCompression {
    match packing {
        None => CubeCompression::None,
        Some(Packing::Lossless) => CubeCompression::Lossless,
        Some(Packing::Rounded) => CubeCompression::Rounded,
    }
}

fn parse_planes(text: &str) -> Result<[usize; 2], String> {
    let found = text.split_once("..").and_then(|(a, b)| Some([a.parse().ok()?, b.parse().ok()?]));
    found
        .filter(|[first, last]| first <= last)
        .ok_or_else(|| format!("expected the first and the last plane such as 3..7, not `{text}`"))
}

impl CutArgs {
    fn regions(&self) -> Result<Vec<SkyRegion>, Failure> {
        let Some((((ra, dec), width), height)) = self.ra.zip(self.dec).zip(self.width).zip(self.height)
        else {
            return read_regions(&self.region, &self.file);
        };
        let center = Position::new(ra, dec).map_err(Failure::usage)?;
        let shape = RegionShape::Box([60.0 * width, 60.0 * height], 0.0);
        Ok(vec![SkyRegion::new(center, shape).context("--width, --height").map_err(Failure::usage)?])
    }
}

/// Runs `spx cube join`.
pub(crate) fn join(args: &JoinArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    let how = (compression(args.compress), args.overwrite);
    report(&join_cubes(&args.files, &args.output, how, &global.terminal())?, global)
}

/// Runs `spx cube cut`.
pub(crate) fn cut(args: &CutArgs, global: &Global) -> CommandResult {
    let request = CubeCutRequest {
        cube: args.file.clone(),
        output: args.output.clone(),
        regions: args.regions()?,
        wave: args.wave,
        planes: args.planes,
        detector: args.detector,
        compression: compression(args.compress),
        overwrite: args.overwrite,
    };
    let limited = !request.regions.is_empty()
        || request.wave.is_some()
        || request.planes.is_some()
        || request.detector.is_some();
    if !limited {
        let problem = "no part is selected: give a region, --wave, --planes or --detector";
        return Err(Failure::usage(anyhow!(problem)));
    }
    ui::catch_interrupts()?;
    report(&cut_cube(&request, &global.terminal())?, global)
}

fn report(made: &DerivedCube, global: &Global) -> CommandResult {
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(made)?))?;
    } else {
        let [nz, ny, nx] = made.shape;
        ui::note(global.verbosity(), &format!("{}: {nx} x {ny} x {nz} voxels", made.detector));
        ui::data(&format!("{}\n", made.output))?;
    }
    Ok(Outcome::Done)
}
