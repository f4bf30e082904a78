//! `spx cube spectrum`: the spectrum at a position, as a table and as a figure.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_drizzle::file::CubeFile;
use spx_plot::{FigureFormat, Size, Spectrum, SpectrumFigure, SpectrumPoint, render_spectrum};

use super::extract::{Aperture, Miss, PlaneSum, sum_planes};
use super::output::{self, Kind, Output, parse_size, plot_failure};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;

/// Extract the spectrum at a position: of one voxel column, or summed over a circle
///
/// Without --radius it is the spectrum of the pixel that holds the position; with it, of all pixels whose centres
/// lie within the radius. The table is CSV with one row for each plane; its columns are explained below.
///
/// Where no pixel has data, brightness, flux and their errors are empty fields (null in JSON). Where only some have,
/// flux is the sum over these: compare n_pixels with n_pixels_total.
///
/// Errors are propagated as if voxels were independent. Neighbouring voxels are not, for they share input pixels:
/// errors of sums and means over a circle are underestimated. No background is subtracted (beyond the zodiacal
/// light that the drizzle took off), and nothing is added for light outside the circle.
///
/// The figure shows the flux in the circle, or without --radius the surface brightness. Planes in which a part of
/// the circle has no data have a colour of their own.
#[derive(Debug, Args)]
#[command(after_help = "\
Columns:
  plane                      number of the plane, from 0, as in HDU WAVELENGTH
  wavelength                 centre [um]
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
    /// Write a table (.csv) or a figure (.png, .svg, .pdf) instead of a table to standard output; repeat for several
    #[arg(short, long, value_name = "OUT")]
    output: Vec<PathBuf>,
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
    let mut cube = super::open(&args.file)?;
    let report = Report::extract(&args.file, &mut cube, parameters.position, parameters.radius)?;
    if report.clipped {
        ui::warning("the circle reaches beyond the edge of the cube; only the part inside counts");
    }
    for output in &parameters.outputs {
        let contents = match output.kind {
            Kind::Csv => report.csv()?,
            Kind::Figure(format) => report.figure(args.size, format)?,
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

/// A spectrum and where it was taken.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    file: String,
    detector: String,
    /// [deg]
    ra: f64,
    dec: f64,
    radius_arcsec: Option<f64>,
    /// Where the position lies in the cube, `[x, y]`, 0-based with integers at pixel centres.
    pixel: [f64; 2],
    pixel_area_arcsec2: f64,
    /// A part of the circle lies outside the cube.
    pub(crate) clipped: bool,
    points: Vec<Point>,
}

/// A row of the table; single precision, as the cube has it.
#[derive(Debug, Serialize)]
struct Point {
    plane: usize,
    wavelength: f64,
    wavelength_min: f64,
    wavelength_max: f64,
    surface_brightness: Option<f32>,
    surface_brightness_error: Option<f32>,
    flux: Option<f32>,
    flux_error: Option<f32>,
    n_pixels: usize,
    n_pixels_total: usize,
    count: u64,
    and_mask: u32,
    or_mask: u32,
}

impl Report {
    /// The spectrum of the pixel that holds a position, or of the circle of `radius` [arcsec] around it.
    ///
    /// # Errors
    /// Nothing found, where there is no such pixel or no plane has data; or the file cannot be read.
    pub(crate) fn extract(
        file: &Path,
        cube: &mut CubeFile,
        position: Position,
        radius: Option<f64>,
    ) -> Result<Self, Failure> {
        let wcs = super::celestial(file, cube)?;
        let [_, ny, nx] = cube.shape();
        let nothing = |problem: String| Failure::nothing_found(anyhow!("{}: {problem}", file.display()));
        let aperture = Aperture::new(&wcs, [ny, nx], position, radius)
            .map_err(|miss| nothing(miss_message(miss, position, radius)))?;
        let planes = sum_planes(cube, &aperture)?;
        if planes.iter().all(|plane| plane.pixels == 0) {
            return Err(nothing(format!("no plane has data at RA {} Dec {}", position.ra(), position.dec())));
        }
        let point = |(k, plane): (usize, &PlaneSum)| Point::new(k, plane, &aperture);
        Ok(Self {
            file: file.display().to_string(),
            detector: super::detector_name(cube),
            ra: position.ra(),
            dec: position.dec(),
            radius_arcsec: radius,
            pixel: aperture.at,
            pixel_area_arcsec2: aperture.pixel_area,
            clipped: aperture.clipped,
            points: planes.iter().enumerate().map(point).collect(),
        })
    }

    fn csv(&self) -> anyhow::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for point in &self.points {
            writer.serialize(point)?;
        }
        Ok(writer.into_inner()?)
    }

    /// The points of a figure, of a circle the flux, of a single pixel the surface brightness: those planes in which
    /// all pixels have data, or those in which only some have, whose flux is too small.
    pub(crate) fn figure_points(&self, whole: bool) -> Vec<SpectrumPoint> {
        let point = |p: &Point| {
            let (value, error) = match self.radius_arcsec {
                Some(_) => (p.flux, p.flux_error),
                None => (p.surface_brightness, p.surface_brightness_error),
            };
            Some(SpectrumPoint {
                wavelength: p.wavelength,
                half_bandwidth: 0.5 * (p.wavelength_max - p.wavelength_min),
                flux: value?.into(),
                error: error?.into(),
            })
        };
        let chosen = self.points.iter().filter(|p| whole == (p.n_pixels == p.n_pixels_total));
        chosen.filter_map(point).collect()
    }

    /// The spectra of a figure.
    fn spectra(&self) -> Vec<Spectrum> {
        let set =
            |label: &str, whole| Spectrum { label: label.to_owned(), points: self.figure_points(whole) };
        let mut spectra = vec![set("all pixels have data", true), set("some pixels without data", false)];
        spectra.retain(|spectrum| !spectrum.points.is_empty());
        spectra
    }

    fn figure(&self, size: Option<Size>, format: FigureFormat) -> Result<Vec<u8>, Failure> {
        let mut figure = SpectrumFigure::new(self.spectra());
        figure.size = size.unwrap_or(figure.size);
        figure.title = format!("{}, RA {:.5}° Dec {:+.5}°", self.detector, self.ra, self.dec);
        figure.flux_label = flux_label(self.radius_arcsec).to_owned();
        if let Some(radius) = self.radius_arcsec {
            figure.title.push_str(&format!(", within {radius}″"));
        }
        render_spectrum(&figure, format).map_err(plot_failure)
    }
}

/// What the vertical axis of a figure shows.
pub(crate) fn flux_label(radius: Option<f64>) -> &'static str {
    match radius {
        Some(_) => "Flux density (µJy)",
        None => "Surface brightness (MJy/sr)",
    }
}

impl Point {
    fn new(plane: usize, sum: &PlaneSum, aperture: &Aperture) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the voxels were single precision")]
        let single = |value: f64| value as f32;
        let [brightness, brightness_error] = split(sum.mean().map(|pair| pair.map(single)));
        let factor = aperture.pixel_area * UJY_PER_ARCSEC2_PER_MJY_PER_SR;
        let [flux, flux_error] = split(sum.total(factor).map(|pair| pair.map(single)));
        Self {
            plane,
            // The middle of decimal edges, without the last digit that halving their sum may leave.
            wavelength: (sum.bin.center() * 1e9).round() / 1e9,
            wavelength_min: sum.bin.min,
            wavelength_max: sum.bin.max,
            surface_brightness: brightness,
            surface_brightness_error: brightness_error,
            flux,
            flux_error,
            n_pixels: sum.pixels,
            n_pixels_total: aperture.pixels.len(),
            count: sum.count,
            and_mask: sum.and_mask,
            or_mask: sum.or_mask,
        }
    }
}

fn split(pair: Option<[f32; 2]>) -> [Option<f32>; 2] {
    pair.map_or([None; 2], |[a, b]| [Some(a), Some(b)])
}

fn miss_message(miss: Miss, position: Position, radius: Option<f64>) -> String {
    let (ra, dec) = (position.ra(), position.dec());
    match miss {
        Miss::Outside => format!(
            "RA {ra} Dec {dec} lies outside the cube; `spx cube info` shows the region that it covers"
        ),
        Miss::NoCentre => format!(
            "no pixel has its centre within {}\" of RA {ra} Dec {dec}; without --radius the pixel that holds the \
             position is taken",
            radius.unwrap_or_default()
        ),
    }
}
