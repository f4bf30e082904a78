//! The spectrum of a cube at a position, as a table and as a figure.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_drizzle::file::CubeFile;
use spx_plot::{FluxDensity, Size, Spectrum, SpectrumFigure, SpectrumPoint};

use super::aperture::{ApertureMiss, CubeAperture, PlaneSum, error_correlation, sum_planes};
use super::region::{BackgroundRing, SkyRegion};
use crate::PipelineError;
use crate::cell_table::{CREATOR, HeadValue, comments};

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
    /// Radius of a circle; `None` for a single pixel and for other regions.
    pub radius_arcsec: Option<f64>,
    /// The region as a line of a region file.
    pub region: String,
    /// Name of the region; may be empty.
    pub label: String,
    /// Inner and outer radius of the ring of the background, where one was subtracted.
    pub annulus_arcsec: Option<[f64; 2]>,
    /// Those as multiples of the region, where they were given so.
    pub annulus_times: Option<[f64; 2]>,
    /// Where the position lies in the cube, `[x, y]`, 0-based with integers at pixel centers.
    pub pixel: [f64; 2],
    /// Solid angle of a pixel there.
    pub pixel_area_arcsec2: f64,
    /// A part of the region lies outside the cube.
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
    /// Median of the ring, which was subtracted from each pixel [MJy/sr].
    pub background: Option<f32>,
    /// Its standard deviation [MJy/sr].
    pub background_error: Option<f32>,
    /// Pixels of the ring with data.
    pub background_pixels: usize,
    /// The detector of the plane, as [`CubeSpectrum::detector`] where it is not known.
    pub detector: String,
}

/// The columns of the table: the fields of a point, and of which region it is.
const COLUMNS: [&str; 18] = [
    "plane",
    "wavelength",
    "wavelength_min",
    "wavelength_max",
    "surface_brightness",
    "surface_brightness_error",
    "flux",
    "flux_error",
    "n_pixels",
    "n_pixels_total",
    "count",
    "and_mask",
    "or_mask",
    "background",
    "background_error",
    "background_pixels",
    "detector",
    "label",
];

impl CubeSpectrum {
    /// The spectrum of a region, without the median of the ring `annulus` around it. Errors are
    /// those of pixels that share input pixels, or, where that is asked for, of independent ones.
    ///
    /// # Errors
    /// Nothing found, where there is no such pixel or no plane has data; or the file cannot be
    /// read.
    pub fn extract(
        file: &Path,
        cube: &mut CubeFile,
        region: &SkyRegion,
        annulus: Option<BackgroundRing>,
        independent_errors: bool,
    ) -> Result<Self, PipelineError> {
        if !cube.has_variance() {
            let problem = "a mosaic with only the mean has no VARIANCE, which a spectrum needs";
            return Err(PipelineError::failed(problem));
        }
        let wcs = super::cube_celestial(file, cube)?;
        let [_, ny, nx] = cube.shape();
        let center = region.center;
        let nothing =
            |problem: String| PipelineError::nothing_found(format!("{}: {problem}", file.display()));
        let aperture = CubeAperture::new(&wcs, [ny, nx], region, annulus)
            .map_err(|miss| nothing(miss_message(miss, region)))?;
        let correlation = if independent_errors { vec![1.0] } else { error_correlation(cube) };
        let planes = sum_planes(cube, &aperture, &correlation)?;
        if planes.iter().all(|plane| plane.pixels == 0) {
            return Err(nothing(format!("no plane has data at RA {} Dec {}", center.ra(), center.dec())));
        }
        let detector = super::cube_detector(cube);
        let detectors: Vec<_> = cube.wavelengths().plane_detectors().collect();
        let point = |(k, plane): (usize, &PlaneSum)| {
            let of_plane = detectors[k].map_or_else(|| detector.clone(), |found| found.to_string());
            CubeSpectrumPoint::new(k, of_plane, plane, &aperture)
        };
        Ok(Self {
            file: file.display().to_string(),
            detector: detector.clone(),
            ra: center.ra(),
            dec: center.dec(),
            radius_arcsec: region.radius(),
            region: region.to_string(),
            label: region.label.clone(),
            annulus_arcsec: annulus.and_then(|ring| match ring {
                BackgroundRing::Radii(radii) => Some(radii),
                BackgroundRing::Times(_) => None,
            }),
            annulus_times: annulus.and_then(|ring| match ring {
                BackgroundRing::Radii(_) => None,
                BackgroundRing::Times(factors) => Some(factors),
            }),
            pixel: aperture.at,
            pixel_area_arcsec2: aperture.pixel_area,
            clipped: aperture.clipped,
            points: planes.iter().enumerate().map(point).collect(),
        })
    }

    /// What it was made of, line by line, for those who ask for more.
    pub fn told(&self, independent_errors: bool) -> Vec<String> {
        let [x, y] = self.pixel;
        let pixels = self.points.iter().map(|point| point.n_pixels_total).max().unwrap_or_default();
        let with_data = self.points.iter().filter(|point| point.n_pixels > 0).count();
        let errors = if independent_errors { "independent voxels" } else { "voxels that share input pixels" };
        vec![
            format!(
                "{}: {}, at x = {x:.2}, y = {y:.2} (from 0); {pixels} pixels of {:.2} arcsec2",
                self.file,
                self.place(),
                self.pixel_area_arcsec2
            ),
            format!("{with_data} of {} planes have data; errors as of {errors}", self.points.len()),
        ]
    }

    /// Spectra as one table, CSV, below comments that say of what they are.
    ///
    /// # Errors
    /// None that is known of.
    pub fn csv(spectra: &[Self]) -> Result<Vec<u8>, PipelineError> {
        let head = comments(&head(spectra)).into_bytes();
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(head);
        writer.write_record(COLUMNS)?;
        for spectrum in spectra {
            for point in &spectrum.points {
                writer.serialize((point, &spectrum.label))?;
            }
        }
        writer.into_inner().map_err(|error| PipelineError::failed(error.into_error()))
    }

    /// Whether the sum over several pixels is what is shown, and not the brightness of one.
    fn is_sum(&self) -> bool {
        self.points.iter().any(|point| point.n_pixels_total > 1)
    }

    /// The points of a figure, of a region the flux, of a single pixel the surface brightness:
    /// those planes in which all pixels have data, or those in which only some have, whose flux is
    /// too small.
    pub fn figure_points(&self, whole: bool) -> Vec<SpectrumPoint> {
        let point = |p: &CubeSpectrumPoint| {
            let (value, error) = if self.is_sum() {
                (p.flux, p.flux_error)
            } else {
                (p.surface_brightness, p.surface_brightness_error)
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

    /// Where it was taken, in words.
    pub fn place(&self) -> String {
        let mut place = match (self.label.as_str(), self.radius_arcsec) {
            ("", Some(radius)) => format!("RA {:.5}° Dec {:+.5}°, within {radius}″", self.ra, self.dec),
            ("", None) if !self.is_sum() => format!("RA {:.5}° Dec {:+.5}°", self.ra, self.dec),
            ("", None) => self.region.clone(),
            (label, _) => label.to_owned(),
        };
        if let Some([inner, outer]) = self.annulus_arcsec {
            place.push_str(&format!(", less {inner}–{outer}″"));
        }
        if let Some([inner, outer]) = self.annulus_times {
            place.push_str(&format!(", less {inner}–{outer} × its size"));
        }
        place
    }

    /// A figure of spectra; those of one place carry their detectors as labels, others their
    /// places. Fluxes are drawn per frequency or per wavelength.
    ///
    /// # Errors
    /// Usage, where brightness of single pixels is to be drawn per wavelength.
    pub fn figure(
        reports: &[Self],
        size: Option<Size>,
        density: FluxDensity,
    ) -> Result<SpectrumFigure, PipelineError> {
        let places: BTreeSet<String> = reports.iter().map(Self::place).collect();
        let detectors: BTreeSet<&str> = reports.iter().map(|report| report.detector.as_str()).collect();
        let mut spectra = Vec::new();
        for report in reports {
            let name = match (places.len(), detectors.len()) {
                (1, 1) => "all pixels have data".to_owned(),
                (1, _) => report.detector.clone(),
                (_, 1) => report.place(),
                _ => format!("{}, {}", report.place(), report.detector),
            };
            for (whole, label) in
                [(true, name.clone()), (false, partial_label(&name, places.len() + detectors.len()))]
            {
                let points = report.figure_points(whole);
                if !points.is_empty() {
                    spectra.push(Spectrum { label, points });
                }
            }
        }
        let mut figure = SpectrumFigure::new(spectra);
        figure.size = size.unwrap_or(figure.size);
        let parts = [
            (detectors.len() == 1).then(|| reports[0].detector.clone()),
            (places.len() == 1).then(|| reports[0].place()),
        ];
        figure.title = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        if reports.iter().any(Self::is_sum) {
            figure.use_unit(density);
        } else if density != FluxDensity::PerFrequency {
            let problem = "flux per wavelength is drawn for regions, not for a single pixel: give a radius";
            return Err(PipelineError::usage(problem));
        } else {
            figure.flux_label = flux_label(false).to_owned();
        }
        Ok(figure)
    }
}

/// The name of those planes of a spectrum in which pixels of the region have no data.
fn partial_label(name: &str, places_and_detectors: usize) -> String {
    match places_and_detectors {
        2 => "some pixels without data".to_owned(),
        _ => format!("{name}, some pixels without data"),
    }
}

/// What the vertical axis of a figure shows: sums over regions, or the brightness of single pixels.
pub fn flux_label(sums: bool) -> &'static str {
    if sums { "Flux density (µJy)" } else { "Surface brightness (MJy/sr)" }
}

impl CubeSpectrumPoint {
    fn new(plane: usize, detector: String, sum: &PlaneSum, aperture: &CubeAperture) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the voxels were single precision")]
        let single = |value: f64| value as f32;
        let [brightness, brightness_error] = split(sum.mean().map(|pair| pair.map(single)));
        let [background, background_error] = split(sum.background.map(|pair| pair.map(single)));
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
            background,
            background_error,
            background_pixels: sum.background_pixels,
            detector,
        }
    }
}

fn split(pair: Option<[f32; 2]>) -> [Option<f32>; 2] {
    pair.map_or([None; 2], |[a, b]| [Some(a), Some(b)])
}

fn miss_message(miss: ApertureMiss, region: &SkyRegion) -> String {
    let (ra, dec) = (region.center.ra(), region.center.dec());
    match (miss, region.radius()) {
        (ApertureMiss::Outside, _) => format!(
            "RA {ra} Dec {dec} lies outside the cube; `spx cube info` shows the region that it covers"
        ),
        (ApertureMiss::NoCenter, Some(radius)) => format!(
            "no pixel has its center within {radius}\" of RA {ra} Dec {dec}; without --radius the pixel at \
             the position is used"
        ),
        (ApertureMiss::NoCenter, None) => format!("no pixel has its center in {region}"),
        (ApertureMiss::NoBackground, _) => {
            format!("no pixel has its center in the background annulus around RA {ra} Dec {dec}")
        }
    }
}

/// What a table of spectra says of itself.
fn head(spectra: &[CubeSpectrum]) -> Vec<(&'static str, HeadValue)> {
    let one = |spectrum: &CubeSpectrum| {
        let CubeSpectrum { file, region, annulus_arcsec, annulus_times, .. } = spectrum;
        let ring = match (annulus_arcsec, annulus_times) {
            (_, Some([inner, outer])) => format!(", background {inner} to {outer} times the region"),
            (Some([inner, outer]), None) => format!(", background {inner} to {outer} arcsec"),
            (None, None) => ", no background subtracted".to_owned(),
        };
        ("spectrum", HeadValue::Text(format!("{file}, {region}{ring}")))
    };
    let creator = ("creator", HeadValue::Text(CREATOR.to_owned()));
    std::iter::once(creator).chain(spectra.iter().map(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of the table names the fields in the order in which they are written.
    #[test]
    fn columns_are_the_fields_of_a_point() {
        let bin = spx_drizzle::Bin { min: 1.0, max: 1.1 };
        let aperture = CubeAperture {
            pixels: vec![[0, 0]],
            at: [0.0; 2],
            pixel_area: 1.0,
            clipped: false,
            background: None,
        };
        let point = CubeSpectrumPoint::new(3, "D3".to_owned(), &PlaneSum::nothing(bin), &aperture);
        let text = serde_json::to_string(&point).unwrap();
        let places: Vec<_> = COLUMNS[..17].iter().map(|name| text.find(&format!("\"{name}\":"))).collect();
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
        assert_eq!(text.matches("\":").count(), 17, "{text}");
    }
}
