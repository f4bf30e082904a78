//! A measurement as it goes into a table: numbers alone, for there may be millions.

use serde::{Deserialize, Serialize};
pub use spx_core::release::WavelengthSource;
use spx_core::sky::Position;
use spx_photometry::{Fallbacks, Magnitude, Measurement};

use super::settings::PixelArea;

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
    /// Its error [uJy/arcsec^2].
    pub background_error: f64,
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
    /// What had to stand in for what was asked for.
    pub fallbacks: RowFallbacks,
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
    /// Pixels whose variance was repaired.
    pub repaired_variances: usize,
    /// Pixels of the aperture that were left out and made up for by the PSF.
    pub filled_pixels: usize,
    /// A PSF-weighted flux was asked for, but too much of the profile falls on unusable pixels.
    pub psf_masked: bool,
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

impl MeasurementRow {
    /// The row of a measurement.
    pub fn new(measured: &Measurement, beside: MeasurementCircumstances) -> Self {
        let Fallbacks {
            fixed_aperture,
            card_fwhm,
            annulus_growths,
            source_pixels,
            clipped_background,
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
            background_error: measured.background_error,
            background_pixels: measured.background_pixels,
            aperture_radius: measured.radius,
            pixel_area: measured.source.pixel_area,
            pixel_area_source: beside.pixel_area_source,
            aperture_correction: measured.aperture_correction,
            psf_zone: measured.psf_zone,
            psf: psf.map(|p| PsfRow { flux: p.flux, error: p.error, chi2: p.chi2, pixels: p.pixels }),
            fallbacks: RowFallbacks {
                fixed_aperture,
                card_fwhm,
                annulus_growths,
                source_pixels,
                clipped_background,
                repaired_variances,
                filled_pixels,
                psf_masked: measured.psf.is_some_and(|psf| psf.is_err()),
            },
        }
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
