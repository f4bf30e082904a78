//! How an exposure is taken.

use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_wcs::CelestialWcs;

use crate::error::{SimError, check};
use crate::layout::{FrameExtent, PixelWindow, SimulatedRelease};
use crate::optics::optical_fwhm;
use crate::psf::PsfField;
use crate::realistic::RealisticOptions;
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

    /// The point spread functions of a detector; `wcs` is that of its full frame.
    pub(crate) fn psf<'a>(&'a self, detector: Detector, wcs: &'a CelestialWcs) -> PsfField<'a> {
        let fwhm_arcsec = self.optical_fwhm(detector);
        PsfField { detector, wcs, fwhm_arcsec, realism: self.realism.as_ref() }
    }

    pub(crate) fn check(&self) -> Result<(), SimError> {
        if let Some(realism) = &self.realism {
            realism.check()?;
            let fwhm = realism.fwhm_arcsec.unwrap_or(5.0);
            check((1.0..=60.0).contains(&fwhm), "fwhm_arcsec", fwhm, "must be 1 to 60")?;
        }
        let positive = |value: f64| value >= 0.0 && value.is_finite();
        check(positive(self.sigma), "sigma", self.sigma, "must not be negative")?;
        check(self.zodi_scale.is_finite(), "zodi_scale", self.zodi_scale, "must be finite")?;
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
