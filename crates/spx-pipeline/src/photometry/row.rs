//! A measurement as it goes into a table: numbers alone, for there may be millions.

use serde::{Deserialize, Serialize};
pub use spx_core::release::WavelengthSource;
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_photometry::{Fallbacks, Magnitude, Measurement, RegionBeyond, SceneFlux, SourceOnImage};

use super::settings::{MeasurementMethod, PixelArea};

/// One source on one exposure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeasurementRow {
    /// Right ascension of the source at the time of the exposure \[deg\].
    pub ra: f64,
    /// Its declination \[deg\].
    pub dec: f64,
    /// Its column on the image \[px, 0-based, integers at pixel centers\].
    pub x: f64,
    /// Its row on the image, likewise.
    pub y: f64,
    /// Flux density \[uJy\].
    pub flux: f64,
    /// Error of the flux density \[uJy\].
    pub flux_error: f64,
    /// Central wavelength \[um\].
    pub wavelength: f64,
    /// Bandwidth \[um\].
    pub bandwidth: f64,
    /// Where both come from.
    pub wavelength_source: WavelengthSource,
    /// Bitwise OR over the aperture.
    pub flags: u32,
    /// Bad flags of the pixels that the flux holds.
    pub bad_flags: u32,
    /// Share of the source's light on bad pixels and such without a finite value; `None` without a
    /// PSF.
    pub masked_fraction: Option<f64>,
    /// The data are good.
    pub is_good: bool,
    /// The ratio of flux to error reaches the threshold.
    pub is_detected: bool,
    /// Background [uJy/arcsec^2].
    pub background: f64,
    /// Its error [uJy/arcsec^2]; `None` where it is fitted, for then the error of the flux holds
    /// it.
    pub background_error: Option<f64>,
    /// Usable background pixels.
    pub background_pixels: usize,
    /// Radius of the aperture \[px\].
    pub aperture_radius: f64,
    /// Solid angle of the pixel [arcsec^2].
    pub pixel_area: f64,
    /// Where it comes from.
    pub pixel_area_source: PixelArea,
    /// What flux and error were multiplied with; `None` where it was not asked for.
    pub aperture_correction: Option<f64>,
    /// Zone of the PSF, 0-based.
    pub psf_zone: Option<usize>,
    /// `None` where it was not asked for, or too few pixels are usable.
    pub psf: Option<PsfRow>,
    /// How the fit went; `None` for an aperture.
    #[serde(default)]
    pub fit: Option<FitRow>,
    /// What had to stand in for what was asked for.
    pub fallbacks: RowFallbacks,
}

/// A fit of the point spread function, alone or in a scene.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FitRow {
    /// Which of both.
    pub method: MeasurementMethod,
    /// Sum of squared residuals over model variances, over the pixels of the source.
    pub chi2: f64,
    /// Pixels less the sources among them.
    pub degrees_of_freedom: usize,
    /// Sources whose light reaches its pixels.
    pub neighbors: usize,
    /// The correlation with a neighbor that is farthest from 0.
    pub correlation: f64,
    /// The data hardly tell the source from its neighbors.
    pub not_separable: bool,
}

impl FitRow {
    /// Chi-square over the degrees of freedom; `None` where there are none.
    #[must_use]
    pub fn reduced_chi2(&self) -> Option<f64> {
        (self.degrees_of_freedom > 0).then(|| self.chi2 / self.degrees_of_freedom as f64)
    }
}

/// The PSF-weighted flux.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PsfRow {
    /// Flux density \[uJy\].
    pub flux: f64,
    /// Its error \[uJy\].
    pub error: f64,
    /// Chi-square of the fit, not divided by its degrees of freedom.
    pub chi2: f64,
    /// Pixels that took part; degrees of freedom are one less.
    pub pixels: usize,
}

impl PsfRow {
    /// Chi-square over the degrees of freedom; `None` where a single pixel took part.
    #[must_use]
    pub fn reduced_chi2(&self) -> Option<f64> {
        let freedom = self.pixels.saturating_sub(1);
        (freedom > 0).then(|| self.chi2 / freedom as f64)
    }
}

/// What had to stand in for what was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RowFallbacks {
    /// A fixed aperture, for no FWHM is known.
    pub fixed_aperture: bool,
    /// The FWHM is that of the card PSF_FWHM, for the image has no PSF.
    pub card_fwhm: bool,
    /// How often the annulus grew.
    pub annulus_growths: usize,
    /// Pixels with the flag SOURCE are in the background.
    pub source_pixels: bool,
    /// The background has all clipped values.
    pub clipped_background: bool,
    /// Some of what it lacks was on the detector, and was cut off.
    pub cut_background: bool,
    /// Pixels whose variance was repaired.
    pub repaired_variances: usize,
    /// Pixels of the aperture that were left out and made up for by the PSF.
    pub filled_pixels: usize,
    /// A PSF-weighted flux was asked for, but too much of the profile falls on unusable pixels.
    pub psf_masked: bool,
    /// So many sources stand at one place and share their flux in a scene; else 0.
    pub shared_flux: usize,
    /// Pixels that a fit has clipped.
    pub clipped_pixels: usize,
}

/// What a row has beside the measurement.
#[derive(Debug, Clone, Copy)]
pub struct MeasurementCircumstances {
    /// Where the source was.
    pub position: Position,
    /// Where wavelength and bandwidth come from.
    pub wavelength_source: WavelengthSource,
    /// Where the solid angle comes from.
    pub pixel_area_source: PixelArea,
    /// Whether it is good.
    pub quality: spx_photometry::MeasurementQuality,
}

/// A flux that was fitted, and where.
#[derive(Debug, Clone, Copy)]
pub struct FittedSource<'a> {
    /// Alone or in a scene.
    pub method: MeasurementMethod,
    /// What was fitted.
    pub flux: &'a SceneFlux,
    /// The source.
    pub source: &'a SourceOnImage,
    /// Radius of its pixels \[px\].
    pub radius: f64,
    /// A background was fitted with it.
    pub with_background: bool,
    /// Whether its pixels and their background reach beyond the image.
    pub beyond: RegionBeyond,
}

impl MeasurementRow {
    /// The row of a measurement.
    pub fn new(measured: &Measurement, beside: MeasurementCircumstances) -> Self {
        let Fallbacks {
            fixed_aperture,
            card_fwhm,
            annulus_growths,
            source_pixels,
            clipped_background,
            cut_background,
            repaired_variances,
            filled_pixels,
        } = measured.fallbacks;
        let psf = measured.psf.and_then(Result::ok);
        Self {
            ra: beside.position.ra(),
            dec: beside.position.dec(),
            x: measured.source.position[0],
            y: measured.source.position[1],
            flux: measured.flux,
            flux_error: measured.flux_error,
            wavelength: measured.source.passband.center,
            bandwidth: measured.source.passband.width,
            wavelength_source: beside.wavelength_source,
            flags: measured.flags,
            bad_flags: measured.bad_flags_used,
            masked_fraction: measured.masked_fraction,
            is_good: beside.quality.is_good,
            is_detected: beside.quality.is_detected,
            background: measured.background,
            background_error: Some(measured.background_error),
            background_pixels: measured.background_pixels,
            aperture_radius: measured.radius,
            pixel_area: measured.source.pixel_area,
            pixel_area_source: beside.pixel_area_source,
            aperture_correction: measured.aperture_correction,
            psf_zone: measured.psf_zone,
            fit: None,
            psf: psf.map(|p| PsfRow { flux: p.flux, error: p.error, chi2: p.chi2, pixels: p.pixels }),
            fallbacks: RowFallbacks {
                fixed_aperture,
                card_fwhm,
                annulus_growths,
                source_pixels,
                clipped_background,
                cut_background,
                repaired_variances,
                filled_pixels,
                psf_masked: measured.psf.is_some_and(|psf| psf.is_err()),
                ..RowFallbacks::default()
            },
        }
    }

    /// The row of a flux that was fitted.
    pub fn fitted(fitted: &FittedSource<'_>, beside: MeasurementCircumstances) -> Self {
        let FittedSource { method, flux, source, radius, with_background, beyond } = *fitted;
        let not_separable = flux.damped || flux.sharing > 1;
        Self {
            ra: beside.position.ra(),
            dec: beside.position.dec(),
            x: source.position[0],
            y: source.position[1],
            flux: flux.flux,
            flux_error: flux.error,
            wavelength: source.passband.center,
            bandwidth: source.passband.width,
            wavelength_source: beside.wavelength_source,
            flags: flux.flags,
            // Pixels with one take no part.
            bad_flags: 0,
            masked_fraction: Some(flux.masked_fraction),
            is_good: beside.quality.is_good,
            is_detected: beside.quality.is_detected,
            background: flux.background * UJY_PER_ARCSEC2_PER_MJY_PER_SR,
            background_error: None,
            background_pixels: if with_background { flux.pixels } else { 0 },
            aperture_radius: radius,
            pixel_area: source.pixel_area,
            pixel_area_source: beside.pixel_area_source,
            aperture_correction: None,
            psf_zone: None,
            psf: None,
            fit: Some(FitRow {
                method,
                chi2: flux.chi2,
                degrees_of_freedom: flux.degrees_of_freedom,
                neighbors: flux.neighbors,
                correlation: flux.correlation,
                not_separable,
            }),
            fallbacks: RowFallbacks {
                clipped_background: beyond.clipped,
                cut_background: beyond.cut,
                shared_flux: if flux.sharing > 1 { flux.sharing } else { 0 },
                clipped_pixels: flux.clipped,
                ..RowFallbacks::default()
            },
        }
    }

    /// How the flux was measured.
    pub fn method(&self) -> MeasurementMethod {
        self.fit.map_or(MeasurementMethod::Aperture, |fit| fit.method)
    }

    /// Whether the pixels of a fit hold much light that its sources do not explain: a quarter of
    /// them were clipped, or the rest lies far from the model.
    pub fn holds_unmodeled_light(&self) -> bool {
        let Some(fit) = self.fit else { return false };
        let clipped = self.fallbacks.clipped_pixels;
        4 * clipped > fit.degrees_of_freedom + clipped || fit.reduced_chi2().is_some_and(|chi2| chi2 > 5.0)
    }

    /// Flux over error.
    pub fn snr(&self) -> f64 {
        self.flux / self.flux_error
    }

    /// AB magnitude; `None` where the flux is not above zero.
    pub fn magnitude(&self) -> Option<Magnitude> {
        Magnitude::from_flux(self.flux, self.flux_error)
    }

    /// The error is larger than the flux.
    pub fn is_upper_limit(&self) -> bool {
        self.flux_error > self.flux
    }
}
