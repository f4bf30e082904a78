//! `spx cube spectrum`: the spectrum at a position, as a table and as a figure.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use spx_core::sky::Position;
use spx_pipeline::cube::{CubeSpectrum, open_cube};
use spx_plot::{Size, render_spectrum};

use super::output::{self, Kind, Output, parse_size, plot_failure};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;

/// Extract the spectrum at a position: of one voxel column, or summed over a circle
///
/// Without --radius it is the spectrum of the pixel that holds the position; with it, of all pixels
/// whose centers lie within the radius. The table is CSV with one row for each plane; its columns
/// are explained below.
///
/// Where no pixel has data, brightness, flux and their errors are empty fields (null in JSON).
/// Where only some have, flux is the sum over these: compare n_pixels with n_pixels_total.
///
/// Neighboring voxels share input pixels. Errors of sums and means over a circle account for that
/// by the correlation that the cube's kernel makes; --independent-errors takes voxels for
/// independent. No background is subtracted (beyond the zodiacal light that the drizzle took off),
/// and nothing is added for light outside the circle.
///
/// The figure shows the flux in the circle, or without --radius the surface brightness. Planes in
/// which a part of the circle has no data have a color of their own.
#[derive(Debug, Args)]
#[command(after_help = "\
Columns:
  plane                      number of the plane, from 0, as in HDU WAVELENGTH
  wavelength                 center [um]
  wavelength_min, _max       edges [um]
  surface_brightness         mean over the pixels with data [MJy/sr]
  surface_brightness_error   its standard deviation [MJy/sr]
  flux                       sum over the pixels with data, times the area of a
                             pixel at the position [uJy]
  flux_error                 its standard deviation [uJy]
  n_pixels                   pixels with data
  n_pixels_total             pixels in the aperture
  count                      contributions to the voxels: the sum of COUNT
  and_mask                   flags that all contributions to all pixels with data
                             had
  or_mask                    flags that any contribution had

Examples:
  spx cube spectrum cube.fits --ra 186.45 --dec 33.55
  spx cube spectrum cube.fits --ra 186.45 --dec 33.55 --radius 12 -o star.csv -o star.png
  spx cube spectrum cube.fits --ra 186.45 --dec 33.55 --json | jq '.points[].flux'

A position outside the cube, or without data in every plane, ends with exit code 3.")]
pub(crate) struct SpectrumArgs {
    /// A cube that `spx drizzle` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Right ascension, ICRS [deg]
    #[arg(long, value_name = "DEG", allow_negative_numbers = true)]
    ra: f64,
    /// Declination, ICRS [deg]
    #[arg(long, value_name = "DEG", allow_negative_numbers = true)]
    dec: f64,
    /// Radius of the circle [arcsec]; without it, the one pixel that holds the position
    #[arg(long, value_name = "ARCSEC", allow_negative_numbers = true)]
    radius: Option<f64>,
    /// Write a table (.csv) or a figure (.png, .svg, .pdf) instead of a table to standard output;
    /// repeat for several
    #[arg(short, long, value_name = "OUT")]
    output: Vec<PathBuf>,
    /// Errors as if voxels were independent, which are too small for a circle
    #[arg(long)]
    independent_errors: bool,
    /// Size of the figure [px] [default: 1000x700]
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    size: Option<Size>,
    /// Replace existing files
    #[arg(long)]
    overwrite: bool,
}

/// Arguments that have been checked.
struct Parameters {
    position: Position,
    radius: Option<f64>,
    outputs: Vec<Output>,
}

impl SpectrumArgs {
    fn parameters(&self) -> Result<Parameters, Failure> {
        let position = Position::new(self.ra, self.dec).map_err(Failure::usage)?;
        if let Some(radius) = self.radius.filter(|r| !(*r > 0.0 && r.is_finite())) {
            return Err(Failure::usage(anyhow!("--radius {radius} is not allowed: it must be above 0")));
        }
        let outputs = output::outputs(&self.output, &["csv", "png", "svg", "pdf"], self.overwrite)?;
        Ok(Parameters { position, radius: self.radius, outputs })
    }
}

/// Runs the command.
pub(crate) fn run(args: &SpectrumArgs, global: &Global) -> CommandResult {
    let parameters = args.parameters()?;
    let mut cube = open_cube(&args.file)?;
    let report = CubeSpectrum::extract(
        &args.file,
        &mut cube,
        parameters.position,
        parameters.radius,
        args.independent_errors,
    )?;
    if report.clipped {
        ui::warning("the circle reaches beyond the edge of the cube; only the part inside counts");
    }
    for output in &parameters.outputs {
        let contents = match output.kind {
            Kind::Csv => report.csv()?,
            Kind::Figure(format) => {
                render_spectrum(&report.figure(args.size), format).map_err(plot_failure)?
            }
        };
        output.write(&contents, args.overwrite)?;
    }
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else if parameters.outputs.is_empty() {
        ui::data_bytes(&report.csv()?)?;
    } else {
        for output in &parameters.outputs {
            ui::data(&format!("{}\n", output.path.display()))?;
        }
    }
    Ok(Outcome::Done)
}
