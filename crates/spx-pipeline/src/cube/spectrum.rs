//! The spectrum of a cube at a position, as a table and as a figure.

use std::path::Path;

use serde::Serialize;
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_drizzle::file::CubeFile;
use spx_plot::{Size, Spectrum, SpectrumFigure, SpectrumPoint};

use super::aperture::{ApertureMiss, CubeAperture, PlaneSum, error_correlation, sum_planes};
use crate::PipelineError;

/// A spectrum and where it was taken.
#[derive(Debug, Serialize)]
pub struct CubeSpectrum {
    /// The cube.
    pub file: String,
    /// Its detector.
    pub detector: String,
    /// Right ascension \[deg\].
    pub ra: f64,
    /// Declination \[deg\].
    pub dec: f64,
    /// Radius of the circle; `None` for a single pixel.
    pub radius_arcsec: Option<f64>,
    /// Where the position lies in the cube, `[x, y]`, 0-based with integers at pixel centers.
    pub pixel: [f64; 2],
    /// Solid angle of a pixel there.
    pub pixel_area_arcsec2: f64,
    /// A part of the circle lies outside the cube.
    pub clipped: bool,
    /// One a plane.
    pub points: Vec<CubeSpectrumPoint>,
}

/// A row of the table; single precision, as the cube has it.
#[derive(Debug, Serialize)]
pub struct CubeSpectrumPoint {
    /// Number of the plane, from 0.
    pub plane: usize,
    /// Center \[um\].
    pub wavelength: f64,
    /// Lower edge \[um\].
    pub wavelength_min: f64,
    /// Upper edge \[um\].
    pub wavelength_max: f64,
    /// Mean over the pixels with data [MJy/sr].
    pub surface_brightness: Option<f32>,
    /// Its standard deviation [MJy/sr].
    pub surface_brightness_error: Option<f32>,
    /// Sum over the pixels with data, times the area of a pixel \[uJy\].
    pub flux: Option<f32>,
    /// Its standard deviation \[uJy\].
    pub flux_error: Option<f32>,
    /// Pixels with data.
    pub n_pixels: usize,
    /// Pixels in the aperture.
    pub n_pixels_total: usize,
    /// Contributions to the voxels.
    pub count: u64,
    /// Flags that all contributions to all pixels with data had.
    pub and_mask: u32,
    /// Flags that any contribution had.
    pub or_mask: u32,
}

impl CubeSpectrum {
    /// The spectrum of the pixel that holds a position, or of the circle of `radius` \[arcsec\]
    /// around it. Errors are those of pixels that share input pixels, or, where that is asked for,
    /// of independent ones.
    ///
    /// # Errors
    /// Nothing found, where there is no such pixel or no plane has data; or the file cannot be
    /// read.
    pub fn extract(
        file: &Path,
        cube: &mut CubeFile,
        position: Position,
        radius: Option<f64>,
        independent_errors: bool,
    ) -> Result<Self, PipelineError> {
        let wcs = super::cube_celestial(file, cube)?;
        let [_, ny, nx] = cube.shape();
        let nothing =
            |problem: String| PipelineError::nothing_found(format!("{}: {problem}", file.display()));
        let aperture = CubeAperture::new(&wcs, [ny, nx], position, radius)
            .map_err(|miss| nothing(miss_message(miss, position, radius)))?;
        let correlation = if independent_errors { vec![1.0] } else { error_correlation(cube) };
        let planes = sum_planes(cube, &aperture, &correlation)?;
        if planes.iter().all(|plane| plane.pixels == 0) {
            return Err(nothing(format!("no plane has data at RA {} Dec {}", position.ra(), position.dec())));
        }
        let point = |(k, plane): (usize, &PlaneSum)| CubeSpectrumPoint::new(k, plane, &aperture);
        Ok(Self {
            file: file.display().to_string(),
            detector: super::cube_detector(cube),
            ra: position.ra(),
            dec: position.dec(),
            radius_arcsec: radius,
            pixel: aperture.at,
            pixel_area_arcsec2: aperture.pixel_area,
            clipped: aperture.clipped,
            points: planes.iter().enumerate().map(point).collect(),
        })
    }

    /// The table as CSV.
    ///
    /// # Errors
    /// None that is known of.
    pub fn csv(&self) -> Result<Vec<u8>, PipelineError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for point in &self.points {
            writer.serialize(point)?;
        }
        writer.into_inner().map_err(|error| PipelineError::failed(error.into_error()))
    }

    /// The points of a figure, of a circle the flux, of a single pixel the surface brightness:
    /// those planes in which all pixels have data, or those in which only some have, whose flux is
    /// too small.
    pub fn figure_points(&self, whole: bool) -> Vec<SpectrumPoint> {
        let point = |p: &CubeSpectrumPoint| {
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

    /// The figure.
    pub fn figure(&self, size: Option<Size>) -> SpectrumFigure {
        let mut figure = SpectrumFigure::new(self.spectra());
        figure.size = size.unwrap_or(figure.size);
        figure.title = format!("{}, RA {:.5}° Dec {:+.5}°", self.detector, self.ra, self.dec);
        figure.flux_label = flux_label(self.radius_arcsec).to_owned();
        if let Some(radius) = self.radius_arcsec {
            figure.title.push_str(&format!(", within {radius}″"));
        }
        figure
    }
}

/// What the vertical axis of a figure shows.
pub fn flux_label(radius: Option<f64>) -> &'static str {
    match radius {
        Some(_) => "Flux density (µJy)",
        None => "Surface brightness (MJy/sr)",
    }
}

impl CubeSpectrumPoint {
    fn new(plane: usize, sum: &PlaneSum, aperture: &CubeAperture) -> Self {
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

fn miss_message(miss: ApertureMiss, position: Position, radius: Option<f64>) -> String {
    let (ra, dec) = (position.ra(), position.dec());
    match miss {
        ApertureMiss::Outside => format!(
            "RA {ra} Dec {dec} lies outside the cube; `spx cube info` shows the region that it covers"
        ),
        ApertureMiss::NoCenter => format!(
            "no pixel has its center within {}\" of RA {ra} Dec {dec}; without --radius the pixel that holds the \
             position is taken",
            radius.unwrap_or_default()
        ),
    }
}
