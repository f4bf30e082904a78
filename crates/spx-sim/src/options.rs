//! How an exposure is taken.

use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_wcs::CelestialWcs;

use crate::bits::{OUTLIER, PERSIST, SUR_ERROR, TRANSIENT};
use crate::error::{SimError, check};
use crate::layout::{FrameExtent, PixelWindow, SimulatedRelease};
use crate::optics::optical_fwhm;
use crate::survey::Pointing;

/// How an exposure is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct ExposureOptions {
    /// The layout of the file.
    pub release: SimulatedRelease,
    /// How much of the detector is wanted.
    pub frame: FrameExtent,
    /// Noise of a pixel \[MJy/sr\]; VARIANCE is its square, or up to a fifth more from pixel to
    /// pixel. With 0 there is no noise and VARIANCE is 1e-6.
    pub sigma: f64,
    /// Zodiacal light in IMAGE over that in ZODI.
    pub zodi_scale: f64,
    /// Share of pixels with a bad flag.
    pub bad_fraction: f64,
    /// Share of pixels flagged NONFUNC with NaN in VARIANCE; half of them have NaN in IMAGE too.
    pub nan_fraction: f64,
    /// Full width at half maximum of the PSF, before the integration over the pixel \[arcsec\].
    pub fwhm_arcsec: f64,
    /// The card VERSION; the release's where `None`. Versions before 6.5.6 without `psffix1` list
    /// the PSF zones in the wrong order, as the archive's did.
    pub version: Option<String>,
    /// What makes the exposure like a real one, in place of `sigma`, `bad_fraction`, `nan_fraction`
    /// and `fwhm_arcsec`, which then mean nothing. `None`: a plain Gaussian PSF and noise that does
    /// not depend on the light.
    pub realism: Option<RealisticOptions>,
}

impl Default for ExposureOptions {
    fn default() -> Self {
        Self {
            release: SimulatedRelease::default(),
            frame: FrameExtent::default(),
            sigma: 0.01,
            zodi_scale: 1.0,
            bad_fraction: 0.005,
            nan_fraction: 0.002,
            fwhm_arcsec: 5.22,
            version: None,
            realism: None,
        }
    }
}

impl ExposureOptions {
    /// Full width at half maximum of the optical PSF \[arcsec\].
    pub(crate) fn optical_fwhm(&self, detector: Detector) -> f64 {
        match &self.realism {
            None => self.fwhm_arcsec,
            Some(realism) => realism.fwhm_arcsec.unwrap_or_else(|| optical_fwhm(detector)),
        }
    }

    /// Looks whether every number is one that can be simulated.
    ///
    /// # Errors
    /// [`SimError::Option`] naming the first that is out of its range.
    pub fn check(&self) -> Result<(), SimError> {
        if let Some(realism) = &self.realism {
            realism.check()?;
            let fwhm = realism.fwhm_arcsec.unwrap_or(5.0);
            check((1.0..=60.0).contains(&fwhm), "fwhm_arcsec", fwhm, "must be 1 to 60")?;
        }
        let positive = |value: f64| value >= 0.0 && value.is_finite();
        check(positive(self.sigma), "noise", self.sigma, "must not be negative")?;
        check(positive(self.zodi_scale), "zodi_scale", self.zodi_scale, "must not be negative")?;
        let share = 0.0..=1.0;
        check(share.contains(&self.bad_fraction), "bad_fraction", self.bad_fraction, "must be 0 to 1")?;
        check(share.contains(&self.nan_fraction), "nan_fraction", self.nan_fraction, "must be 0 to 1")?;
        check((1.0..=60.0).contains(&self.fwhm_arcsec), "fwhm_arcsec", self.fwhm_arcsec, "must be 1 to 60")
    }

    /// The part of the frame that is wanted.
    pub(crate) fn window(&self, pointing: &Pointing, wcs: &CelestialWcs) -> Result<PixelWindow, SimError> {
        match self.frame {
            FrameExtent::Full => Ok(PixelWindow::FULL),
            FrameExtent::Cutout(window) => {
                let fits = |start: usize, length: usize| {
                    length > 0 && start.checked_add(length).is_some_and(|end| end <= Detector::NPIX)
                };
                let inside = fits(window.x0, window.nx) && fits(window.y0, window.ny);
                check(inside, "frame", window, "must lie within the detector and hold pixels")?;
                Ok(window)
            }
            FrameExtent::Around { position, size } => around(wcs, position, size).ok_or_else(|| {
                let id = format!("{}/{}", pointing.obs_id, pointing.detector);
                SimError::NoOverlap { ra: position.ra(), dec: position.dec(), id }
            }),
        }
    }
}

/// The square of pixels around a position, clipped; `None` where nothing is left.
fn around(wcs: &CelestialWcs, position: Position, size: usize) -> Option<PixelWindow> {
    let [x, y] = wcs.sky_to_pixel(position)?;
    let clip = |center: f64| {
        let start = (center - (size as f64 - 1.0) / 2.0).round();
        let clamp = |value: f64| value.clamp(0.0, Detector::NPIX as f64);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the frame")]
        let (start, end) = (clamp(start) as usize, clamp(start + size as f64) as usize);
        (end > start).then_some((start, end - start))
    };
    let ((x0, nx), (y0, ny)) = (clip(x)?, clip(y)?);
    Some(PixelWindow { x0, y0, nx, ny })
}

/// Noise of a detector: read noise and the noise of the electrons, which a fit of the ramp
/// increases a little.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectorNoise {
    /// Electrons in an exposure for 1 MJy/sr.
    pub gain: f64,
    /// Read noise \[electrons\].
    pub read_noise: f64,
    /// Variance of the electrons over their number.
    pub ramp_factor: f64,
}

impl Default for DetectorNoise {
    fn default() -> Self {
        Self { gain: 713.0, read_noise: 5.0, ramp_factor: 1.2 }
    }
}

impl DetectorNoise {
    /// Variance \[(MJy/sr)^2\] at a rate \[MJy/sr\].
    pub fn variance(&self, rate: f64) -> f64 {
        let electrons = self.gain * rate.max(0.0);
        (self.read_noise.powi(2) + self.ramp_factor * electrons) / self.gain.powi(2)
    }
}

/// Shares of the pixels that are flagged, each with a wild value. The defaults are the real ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DefectRates {
    /// OUTLIER.
    pub outlier: f64,
    /// TRANSIENT.
    pub transient: f64,
    /// SUR_ERROR.
    pub sur_error: f64,
    /// NONFUNC: the same pixels in each exposure of a detector; VARIANCE is NaN, and IMAGE in half
    /// of them.
    pub nonfunctional: f64,
    /// PERSIST.
    pub persistence: f64,
}

impl Default for DefectRates {
    fn default() -> Self {
        Self { outlier: 0.017, transient: 0.005, sur_error: 0.004, nonfunctional: 0.003, persistence: 0.002 }
    }
}

impl DefectRates {
    /// No defects.
    pub const NONE: Self =
        Self { outlier: 0.0, transient: 0.0, sur_error: 0.0, nonfunctional: 0.0, persistence: 0.0 };

    /// Those that come and go, with their bits.
    pub(crate) fn passing(&self) -> [(f64, i32); 4] {
        [
            (self.outlier, OUTLIER),
            (self.transient, TRANSIENT),
            (self.sur_error, SUR_ERROR),
            (self.persistence, PERSIST),
        ]
    }
}

/// What makes an exposure like a real one.
#[derive(Debug, Clone, PartialEq)]
pub struct RealisticOptions {
    /// Noise and VARIANCE.
    pub noise: DetectorNoise,
    /// False: IMAGE holds what is expected, without noise and wild values, beside the VARIANCE and
    /// FLAGS that it would have with them.
    pub noisy_image: bool,
    /// Flagged pixels.
    pub defects: DefectRates,
    /// Light of stars above which a pixel is flagged SOURCE \[standard deviations of the
    /// background\]; galaxies and nebulae are not flagged.
    pub source_threshold: f64,
    /// Share of pixels with a hit that no flag tells.
    pub unflagged_hits: f64,
    /// Mean strength of these hits, which are distributed exponentially \[standard deviations of
    /// the pixel\].
    pub hit_strength: f64,
    /// Full width at half maximum of the optical PSF \[arcsec\]; the detector's own, 4.3 to 6.6,
    /// where `None`.
    pub fwhm_arcsec: Option<f64>,
    /// Largest relative change of the width over the frame.
    pub width_variation: f64,
    /// Where the core of the PSF cube of Quick Release 2 lies \[px\]; it should lie at 0, 0.
    pub cube_offset: [f64; 2],
    /// Relative error of the zodiacal model at the left and right edges of the frame, where it is
    /// largest.
    pub zodi_tilt: f64,
    /// Airglow of He I at 1.083 um in D1 and D2 where it is strongest, over the zodiacal light
    /// there; up to 30.
    pub airglow: f64,
    /// Images of Quick Release 2 carry the error of their gain, which the product
    /// `l3_flux_corrections` takes out ([`write_flux_corrections`](crate::write_flux_corrections)).
    pub gain_error: bool,
}

impl Default for RealisticOptions {
    fn default() -> Self {
        Self {
            noise: DetectorNoise::default(),
            noisy_image: true,
            defects: DefectRates::default(),
            source_threshold: 0.3,
            unflagged_hits: 0.0,
            hit_strength: 22.0,
            fwhm_arcsec: None,
            width_variation: 0.04,
            cube_offset: [-0.05, 0.05],
            zodi_tilt: 0.0,
            airglow: 0.0,
            gain_error: false,
        }
    }
}

impl RealisticOptions {
    pub(crate) fn check(&self) -> Result<(), SimError> {
        let share = 0.0..=1.0;
        let rates = self.defects.passing().map(|(rate, _)| rate);
        let total = rates.iter().sum::<f64>() + self.defects.nonfunctional;
        let fine = rates.iter().all(|rate| *rate >= 0.0) && self.defects.nonfunctional >= 0.0;
        check(fine && share.contains(&total), "defects", self.defects, "must be 0 to 1 in all")?;
        let hits = self.unflagged_hits;
        check(share.contains(&hits), "unflagged_hits", hits, "must be 0 to 1")?;
        let DetectorNoise { gain, read_noise, ramp_factor } = self.noise;
        let fine = gain > 0.0 && read_noise > 0.0 && ramp_factor > 0.0 && gain.is_finite();
        check(fine, "noise", self.noise, "must be positive")?;
        check((0.0..=100.0).contains(&self.airglow), "airglow", self.airglow, "must be 0 to 100")?;
        check(self.zodi_tilt.abs() < 1.0, "zodi_tilt", self.zodi_tilt, "must lie within -1 and 1")?;
        let variation = self.width_variation;
        check((0.0..0.5).contains(&variation), "width_variation", variation, "must be 0 to 0.5")
    }
}
