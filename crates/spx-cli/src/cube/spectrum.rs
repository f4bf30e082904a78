//! `spx cube spectrum`: the spectrum at a position, as a table and as a figure.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use spx_core::sky::{Position, parse_declination, parse_right_ascension};
use spx_pipeline::cube::{BackgroundRing, CubeSpectrum, SkyRegion, cube_celestial, open_cube};
use spx_plot::{FluxDensity, Size, SpectrumFigure, render_spectrum};

use super::output::{self, Kind, parse_size, plot_failure};
use super::{RADII, WAVELENGTHS};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::setting_args::number;
use crate::text::{self, Align, Table};
use crate::ui;

/// Extract the spectrum at a position: of one voxel column, or summed over a region
///
/// Without --radius it is the spectrum of the pixel that contains the position; with it, of all
/// pixels whose centers lie within the radius. --region takes other shapes, also from region files
/// of DS9. Several cubes, for instance those of all detectors, give one table and one figure. The
/// table is CSV with one row for each plane; its columns are explained below. A terminal gets the
/// main columns of the planes with data, aligned.
///
/// Where no pixel has data, brightness, flux and their errors are empty fields (null in JSON).
/// Where only some have, flux is the sum over these: compare n_pixels with n_pixels_total.
///
/// Neighboring voxels share input pixels. Errors of sums and means over a region account for that
/// through the correlation that the cube's kernel introduces; --independent-errors treats voxels as
/// independent. With --annulus the median of an annulus is subtracted from every pixel, and its
/// error is included in theirs; without it no background is subtracted beyond the zodiacal light
/// that the drizzle subtracted. Fluxes are not corrected for light outside the region.
///
/// The figure shows the flux in the region, or of a single pixel the surface brightness. Planes in
/// which part of the region has no data are drawn in another color.
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
  background                 median of the annulus, which was subtracted
                             [MJy/sr]; empty without --annulus
  background_error           its standard deviation [MJy/sr]
  background_pixels          pixels of the annulus with data
  detector                   of the plane
  label                      of the region

Examples:
  spx cube spectrum cube.fits --ra 186.45 --dec 33.55
  spx cube spectrum cube.fits --ra 186.45 --dec 33.55 --radius 12 -o star.csv -o star.png
  spx cube spectrum drizzle_D*.fits --ra 186.45 --dec 33.55 --radius 12 --annulus 25,45 -o star.pdf
  spx cube spectrum cube.fits --region 'ellipse(186.45,33.55,40\",20\",30)' --region hii.reg
  spx cube spectrum cube.fits --ra 186.45 --dec 33.55 --json | jq '.points[].flux'

A position outside the cube, or without data in every plane, ends with exit code 3.")]
pub(crate) struct SpectrumArgs {
    /// Cubes that `spx drizzle` made
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Right ascension, ICRS [deg]; also as 12h25m48.9s or 12:25:48.9
    #[arg(long, value_name = "DEG", allow_hyphen_values = true, value_parser = parse_right_ascension)]
    #[arg(required_unless_present = "region", requires = "dec")]
    ra: Option<f64>,
    /// Declination, ICRS [deg]; also as +33d32m48s or +33:32:48
    #[arg(long, value_name = "DEG", allow_hyphen_values = true, requires = "ra")]
    #[arg(value_parser = parse_declination)]
    dec: Option<f64>,
    /// Radius of the circle [arcsec]; without it, the pixel that contains the position
    #[arg(long, value_name = "ARCSEC", requires = "ra", value_parser = number(RADII))]
    radius: Option<f64>,
    /// A region file of DS9 (ICRS, FK5, galactic, or pixels of the first cube), or a region as in
    /// one: circle, ellipse, box, polygon, annulus, point; repeat for several
    #[arg(long, value_name = "FILE|REGION", conflicts_with_all = ["ra", "dec", "radius"])]
    region: Vec<String>,
    /// Subtract the median of an annulus with these radii around the center [arcsec]; or, as 2x,4x,
    /// of an annulus in the shape of each region, between its outlines enlarged by these factors
    #[arg(long, value_name = "INNER,OUTER")]
    annulus: Option<String>,
    /// Write a table (.csv) or a figure (.png, .svg, .pdf) instead of a table to standard output;
    /// repeat for several
    #[arg(short, long, value_name = "OUT")]
    output: Vec<PathBuf>,
    /// Treat voxels as independent; the errors of a region are then too small
    #[arg(long)]
    independent_errors: bool,
    /// Size of the figure [px]; by default 1000x700
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    size: Option<Size>,
    #[command(flatten)]
    axes: SpectrumAxisArgs,
    /// Replace existing files
    #[arg(long)]
    overwrite: bool,
}

/// Axes of the figure, with the names that `spx run` has for them.
#[derive(Debug, Args)]
pub(crate) struct SpectrumAxisArgs {
    /// Fluxes of the figure: f_nu (µJy, mJy, Jy), f_lambda (W/m^2/µm) or lambda_f_lambda (W/m^2)
    #[arg(long, value_name = "NAME", default_value_t)]
    pub(super) flux_density: FluxDensity,
    /// Logarithmic wavelength axis of the figure
    #[arg(long)]
    log_wavelength: bool,
    /// Logarithmic flux axis of the figure
    #[arg(long)]
    log_flux: bool,
    /// Shortest wavelength of the figure [um]
    #[arg(long, value_name = "UM", requires = "wavelength_max", value_parser = number(WAVELENGTHS))]
    wavelength_min: Option<f64>,
    /// Longest wavelength of the figure [um]
    #[arg(long, value_name = "UM", requires = "wavelength_min", value_parser = number(WAVELENGTHS))]
    wavelength_max: Option<f64>,
}

impl SpectrumAxisArgs {
    /// Sets the axes of a figure.
    pub(super) fn set(&self, figure: &mut SpectrumFigure) {
        figure.log_wavelength = self.log_wavelength;
        figure.log_flux = self.log_flux;
        figure.wavelength_range = self.wavelength_min.zip(self.wavelength_max).map(|(min, max)| [min, max]);
    }
}

impl SpectrumArgs {
    fn regions(&self) -> Result<Vec<SkyRegion>, Failure> {
        if let (Some(ra), Some(dec)) = (self.ra, self.dec) {
            let position = Position::new(ra, dec).map_err(Failure::usage)?;
            let around = SkyRegion::around(position, self.radius);
            let radius = self.radius.unwrap_or_default();
            let problem = || anyhow!("--radius {radius} is not allowed: it must be above 0");
            return Ok(vec![around.map_err(|_| Failure::usage(problem()))?]);
        }
        read_regions(&self.region, &self.files[0])
    }
}

/// The regions of files, or of texts, which hold a parenthesis; pixels are those of a cube.
pub(super) fn read_regions(given: &[String], cube: &Path) -> Result<Vec<SkyRegion>, Failure> {
    let mut regions = Vec::new();
    if given.is_empty() {
        return Ok(regions);
    }
    let image = cube_celestial(cube, &open_cube(cube)?)?;
    for given in given {
        let read = || std::fs::read_to_string(given);
        let text = if given.contains('(') {
            given.clone()
        } else {
            let what = || {
                format!("--region {given}: neither a region, such as circle(186.45,33.55,12\"), nor a file")
            };
            read().with_context(what).map_err(Failure::usage)?
        };
        let found = SkyRegion::parse_on(&text, Some(&image)).with_context(|| format!("--region {given}"));
        regions.extend(found.map_err(Failure::usage)?);
    }
    Ok(regions)
}

/// A spectrum for a terminal: where it was taken, and the planes with data.
fn aligned(spectrum: &CubeSpectrum) -> String {
    let right = |name| (name, Align::Right);
    let mut table = Table::new([
        right("plane"),
        ("", Align::Left),
        right("um"),
        right("MJy/sr"),
        right("error"),
        right("uJy"),
        right("error"),
        right("pixels"),
    ]);
    for point in spectrum.points.iter().filter(|point| point.n_pixels > 0) {
        let value = |value: Option<f32>| text::number(value.map(f64::from));
        table.row([
            point.plane.to_string(),
            point.detector.clone(),
            format!("{:.4}", point.wavelength),
            value(point.surface_brightness),
            value(point.surface_brightness_error),
            value(point.flux),
            value(point.flux_error),
            format!("{}/{}", point.n_pixels, point.n_pixels_total),
        ]);
    }
    format!("{}\n{}", spectrum.place(), table.render("  "))
}

/// The spectra of all regions in all cubes, and how many cubes cannot be read: they are named, and
/// the others are used.
fn spectra(
    args: &SpectrumArgs,
    regions: &[SkyRegion],
    annulus: Option<BackgroundRing>,
) -> Result<(Vec<CubeSpectrum>, usize), Failure> {
    let of_file = |file: &PathBuf| -> Result<Vec<CubeSpectrum>, Failure> {
        let mut cube = open_cube(file)?;
        let extract =
            |region| CubeSpectrum::extract(file, &mut cube, region, annulus, args.independent_errors);
        Ok(regions.iter().map(extract).collect::<Result<_, _>>()?)
    };
    let (mut spectra, mut failed) = (Vec::new(), 0);
    for file in &args.files {
        match of_file(file) {
            Ok(found) => spectra.extend(found),
            Err(failure) if failure.outcome() == Outcome::Failed && failed + 1 < args.files.len() => {
                ui::warning(&failure.to_string());
                failed += 1;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok((spectra, failed))
}

/// Runs the command.
pub(crate) fn run(args: &SpectrumArgs, global: &Global) -> CommandResult {
    let regions = args.regions()?;
    let outputs = output::outputs(&args.output, &["csv", "png", "svg", "pdf"], args.overwrite)?;
    let annulus = args.annulus.as_deref().map(str::parse).transpose();
    let annulus = annulus.context("--annulus").map_err(Failure::usage)?;
    let (spectra, failed) = spectra(args, &regions, annulus)?;
    for spectrum in &spectra {
        spectrum.told(args.independent_errors).iter().for_each(|line| ui::detail(global.verbosity(), line));
    }
    for spectrum in spectra.iter().filter(|spectrum| spectrum.clipped) {
        let region = &spectrum.region;
        ui::warning(&format!("{region} reaches beyond the edge of the cube; only the part inside counts"));
    }
    for output in &outputs {
        let contents = match output.kind {
            Kind::Csv => CubeSpectrum::csv(&spectra)?,
            Kind::Figure(format) => {
                let mut figure = CubeSpectrum::figure(&spectra, args.size, args.axes.flux_density)?;
                args.axes.set(&mut figure);
                render_spectrum(&figure, format).map_err(plot_failure)?
            }
        };
        output.write(&contents, args.overwrite)?;
    }
    if global.json {
        let text = match &spectra[..] {
            [spectrum] => serde_json::to_string_pretty(spectrum)?,
            several => serde_json::to_string_pretty(several)?,
        };
        ui::data(&format!("{text}\n"))?;
    } else if outputs.is_empty() && std::io::stdout().is_terminal() {
        ui::data(&spectra.iter().map(aligned).collect::<Vec<_>>().join("\n"))?;
    } else if outputs.is_empty() {
        ui::bare_csv(&CubeSpectrum::csv(&spectra)?)?;
    } else {
        for output in &outputs {
            ui::data(&format!("{}\n", output.path.display()))?;
        }
    }
    Ok(if failed == 0 { Outcome::Done } else { Outcome::Failed })
}

#[cfg(test)]
mod tests {
    use spx_pipeline::cube::CubeSpectrumPoint;

    use super::*;

    #[test]
    fn a_terminal_gets_the_planes_with_data_within_80_columns() {
        let point = |plane: usize, flux: Option<f32>| CubeSpectrumPoint {
            plane,
            wavelength: 2.0385,
            wavelength_min: 2.015,
            wavelength_max: 2.062,
            surface_brightness: flux,
            surface_brightness_error: flux,
            flux,
            flux_error: flux,
            n_pixels: if flux.is_some() { 1234 } else { 0 },
            n_pixels_total: 1234,
            count: 1,
            and_mask: 0,
            or_mask: 0,
            background: None,
            background_error: None,
            background_pixels: 0,
            detector: "D3".to_owned(),
        };
        let spectrum = CubeSpectrum {
            file: "cube.fits".to_owned(),
            detector: "D3".to_owned(),
            ra: 186.45375,
            dec: 33.54667,
            radius_arcsec: Some(100.0),
            region: String::new(),
            label: String::new(),
            annulus_arcsec: Some([120.0, 150.0]),
            annulus_times: None,
            pixel: [1.0; 2],
            pixel_area_arcsec2: 37.9,
            clipped: false,
            points: vec![point(9, None), point(10, Some(-1.234_567e-9)), point(101, Some(12_345.678))],
        };
        let text = aligned(&spectrum);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("RA 186.45375° Dec +33.54667°, within 100″"), "{text}");
        assert_eq!(lines[1].split_whitespace().next(), Some("plane"));
        assert!(lines[2].contains("10  D3  2.0385  -1.235e-9"), "{text}");
        assert!(lines[3].contains("101  D3") && lines[3].ends_with("1234/1234"), "{text}");
        assert!(lines.len() == 4 && lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    }
}
