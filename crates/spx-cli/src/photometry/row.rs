//! A measurement as it goes into a table: numbers alone, for there may be millions; and what the measurements of one
//! exposure have in common.

use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_core::zodi::{ZodiFit, ZodiOutcome};
use spx_photometry::{Fallbacks, Magnitude, Measurement};

use super::settings::PixelArea;

/// Where wavelength and bandwidth come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WavelengthSource {
    /// The table WCS-WAVE of the file, good to about 1 nm.
    Table,
    /// The calibration product spectral_wcs.
    Calibration,
}

impl WavelengthSource {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Calibration => "calibration",
        }
    }
}

/// What the rows of one exposure have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExposureInfo {
    pub(crate) obs_id: String,
    /// The detector, from 1 to 6.
    pub(crate) detector: u8,
    /// Middle of the exposure \[MJD, UTC\].
    pub(crate) mjd: f64,
    /// Name of the file.
    pub(crate) file: String,
    /// What the zodiacal light was multiplied with; `None` where it was left in.
    pub(crate) zodi_scale: Option<f64>,
    /// The fit of that scale was not used, and it is 1.
    pub(crate) zodi_not_fitted: bool,
}

impl ExposureInfo {
    pub(crate) fn new(id: &spx_core::image::ExposureId, file: String, mjd: f64) -> Self {
        Self {
            obs_id: id.observation.clone(),
            detector: id.detector.number(),
            mjd,
            file,
            zodi_scale: None,
            zodi_not_fitted: false,
        }
    }

    /// Notes a fit.
    pub(crate) fn set_zodi(&mut self, fit: Option<ZodiFit>) {
        self.zodi_scale = fit.map(|fit| fit.scale);
        self.zodi_not_fitted = fit.is_some_and(|fit| fit.outcome != ZodiOutcome::Fitted);
    }

    /// `D1` to `D6`.
    pub(crate) fn band(&self) -> Option<Detector> {
        Detector::new(self.detector.into()).ok()
    }
}

/// One source on one exposure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Where the source was at the time of the exposure \[deg\].
    pub(crate) ra: f64,
    pub(crate) dec: f64,
    /// The same on the image \[px, 0-based, integers at pixel centres\].
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// \[uJy\]
    pub(crate) flux: f64,
    pub(crate) flux_error: f64,
    /// \[um\]
    pub(crate) wavelength: f64,
    pub(crate) bandwidth: f64,
    pub(crate) wavelength_source: WavelengthSource,
    /// Bitwise OR over the aperture.
    pub(crate) flags: u32,
    /// Those of them that are bad.
    pub(crate) bad_flags: u32,
    /// Flux over error is below the threshold.
    pub(crate) low_snr: bool,
    /// [uJy/arcsec^2]
    pub(crate) background: f64,
    pub(crate) background_error: f64,
    /// Usable background pixels.
    pub(crate) background_pixels: usize,
    /// \[px\]
    pub(crate) aperture_radius: f64,
    /// [arcsec^2]
    pub(crate) pixel_area: f64,
    pub(crate) pixel_area_source: PixelArea,
    pub(crate) aperture_correction: Option<f64>,
    /// Zone of the PSF, 0-based.
    pub(crate) psf_zone: Option<usize>,
    /// `None` where it was not asked for, or too few pixels are usable.
    pub(crate) psf: Option<PsfRow>,
    pub(crate) fallbacks: RowFallbacks,
}

/// The PSF-weighted flux.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct PsfRow {
    /// \[uJy\]
    pub(crate) flux: f64,
    pub(crate) error: f64,
    pub(crate) chi2: f64,
    pub(crate) pixels: usize,
}

/// What had to stand in for what was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RowFallbacks {
    pub(crate) fixed_aperture: bool,
    pub(crate) annulus_growths: usize,
    pub(crate) source_pixels: bool,
    pub(crate) clipped_background: bool,
    pub(crate) repaired_variances: usize,
    /// A PSF-weighted flux was asked for, but too much of the profile falls on unusable pixels.
    pub(crate) psf_masked: bool,
}

/// What a row has beside the measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    pub(crate) position: Position,
    pub(crate) wavelength_source: WavelengthSource,
    pub(crate) pixel_area_source: PixelArea,
    pub(crate) quality: spx_photometry::MeasurementQuality,
}

impl Row {
    pub(crate) fn new(measured: &Measurement, beside: Circumstances) -> Self {
        let Fallbacks {
            fixed_aperture,
            annulus_growths,
            source_pixels,
            clipped_background,
            repaired_variances,
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
            bad_flags: beside.quality.bad_flags,
            low_snr: beside.quality.low_snr,
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
                annulus_growths,
                source_pixels,
                clipped_background,
                repaired_variances,
                psf_masked: measured.psf.is_some_and(|psf| psf.is_err()),
            },
        }
    }

    /// Flux over error.
    pub(crate) fn snr(&self) -> f64 {
        self.flux / self.flux_error
    }

    /// AB magnitude; `None` where the flux is not above zero.
    pub(crate) fn magnitude(&self) -> Option<Magnitude> {
        Magnitude::from_flux(self.flux, self.flux_error)
    }

    /// The error is larger than the flux.
    pub(crate) fn is_upper_limit(&self) -> bool {
        self.flux_error > self.flux
    }

    /// Bright enough and without bad flags.
    pub(crate) fn is_good(&self) -> bool {
        !self.low_snr && self.bad_flags == 0
    }
}
