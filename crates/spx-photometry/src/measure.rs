//! The one kernel of photometry: a source on an image gives a measurement, or the reason why not.
//!
//! `flux = (sum(image overlap) - b pi r^2) pixel_area`, with `b` the sigma-clipped median of the
//! pixels around; errors by [`ErrorModel`]. Batch photometry is this in a loop.

use std::f64::consts::FRAC_PI_2;

use spx_core::map::Passband;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;

use crate::background::{Background, Masks, estimate};
use crate::image::{CheckedImage, PixelVariance};
use crate::options::{ErrorModel, PhotometryOptions};
use crate::psf_flux::{PsfFitInput, fit};
use crate::statistics::BackgroundSample;
use crate::tile::{PixelTile, TilePixel};
use crate::{
    CircularAperture, ImageView, Magnitude, NoMeasurement, NoPsfFlux, PhotometryError, PsfFlux, PsfModel,
    ZonePsf,
};

/// A source on an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SourceOnImage {
    /// `[x, y]` \[px, 0-based, integers at pixel centers\].
    pub position: [f64; 2],
    /// Solid angle of the pixel at the source [arcsec^2].
    pub pixel_area: f64,
    /// The light that the pixel at the source sees.
    pub passband: Passband,
}

/// What had to stand in for what was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fallbacks {
    /// The aperture by FWHM has the fixed diameter, for the image has no PSF_FWHM.
    pub fixed_aperture: bool,
    /// How often the annulus grew.
    pub annulus_growths: usize,
    /// Background pixels may be flagged SOURCE.
    pub source_pixels: bool,
    /// The region of the background reaches beyond the image.
    pub clipped_background: bool,
    /// Pixels in the aperture whose variance was repaired.
    pub repaired_variances: usize,
}

impl Fallbacks {
    /// True where all is as it was asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A measurement of one source on one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// The source as it was given.
    pub source: SourceOnImage,
    /// Flux in the aperture, the background subtracted, times the aperture correction if there is one \[uJy\]. It may
    /// be negative.
    pub flux: f64,
    /// Its error \[uJy\].
    pub flux_error: f64,
    /// AB magnitude; `None` where the flux is not above zero.
    pub magnitude: Option<Magnitude>,
    /// Flux over error.
    pub snr: f64,
    /// The error is larger than the flux.
    pub is_upper_limit: bool,
    /// Bitwise OR over the pixels whose center lies in the aperture.
    pub flags: u32,
    /// Radius of the aperture \[px\].
    pub radius: f64,
    /// Background per solid angle [uJy/arcsec^2].
    pub background: f64,
    /// Its error [uJy/arcsec^2].
    pub background_error: f64,
    /// Usable pixels of the background, before clipping.
    pub background_pixels: usize,
    /// Inner and outer radius of the annulus \[px\]; `None` for a window.
    pub annulus: Option<[f64; 2]>,
    /// What flux and error were multiplied with; `None` where it was not asked for.
    pub aperture_correction: Option<f64>,
    /// Zone of the PSF (0-based plane); `None` where no PSF was needed.
    pub psf_zone: Option<usize>,
    /// The PSF-weighted flux; `None` where it was not asked for.
    pub psf: Option<Result<PsfFlux, NoPsfFlux>>,
    /// What had to stand in.
    pub fallbacks: Fallbacks,
}

/// Working memory, to be used again from source to source; one for each thread.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    /// The aperture, and the circle of the PSF-weighted flux.
    tile: PixelTile,
    /// The background.
    sample: BackgroundSample,
}

/// Sees whether a position `[x, y]` \[px, 0-based, integers at pixel centers\] lies on an image of shape `[ny, nx]`, which a
/// caller may want to know before it reads the pixels.
///
/// # Errors
/// [`NoMeasurement::OffImage`], for NaN too.
pub fn check_place([x, y]: [f64; 2], [ny, nx]: [usize; 2]) -> Result<(), NoMeasurement> {
    let on = |c: f64, n: usize| (-0.5..n as f64 - 0.5).contains(&c);
    if on(x, nx) && on(y, ny) { Ok(()) } else { Err(NoMeasurement::OffImage { x, y }) }
}

/// Photometry on one image: what is common to its sources, checked and prepared once.
#[derive(Debug)]
pub struct Photometer<'a> {
    image: CheckedImage<'a>,
    options: &'a PhotometryOptions,
    psf: Option<&'a PsfModel>,
    masks: Masks,
}

/// A zone and its point spread function.
type Profile<'a> = (usize, ZonePsf<'a>);

/// SumsInAperture over the aperture.
struct SumsInAperture {
    /// Image [MJy/sr px^2].
    image: f64,
    /// PixelVariance by the error model [(MJy/sr)^2 px^2 or px^4].
    variance: f64,
    /// Pixels with a repaired variance.
    repaired: usize,
}

impl<'a> Photometer<'a> {
    /// Checks options and image; the image is gone over once, for variances that are wrong.
    ///
    /// `psf` is looked at where the options ask for an aperture correction or a PSF-weighted flux.
    ///
    /// # Errors
    /// Where an option is out of its range or names a flag that the file does not know; where a PSF is needed and there
    /// is none; where an array has not one value a pixel; where a pixel without a flag has a variance that is NaN,
    /// infinite or negative.
    pub fn new(
        view: ImageView<'a>,
        options: &'a PhotometryOptions,
        psf: Option<&'a PsfModel>,
    ) -> Result<Self, PhotometryError> {
        options.validate()?;
        if psf.is_none() {
            for (asked, name) in
                [(options.aperture_correction, "aperture_correction"), (options.psf_flux, "psf_flux")]
            {
                if asked {
                    return Err(PhotometryError::NeedsPsf(name));
                }
            }
        }
        let bad = options.bad_flags.mask(view.flag_names)?;
        let masks = Masks { bad, source: view.flag_names.mask("SOURCE") };
        let psf = psf.filter(|_| options.aperture_correction || options.psf_flux);
        Ok(Self { image: CheckedImage::new(view)?, options, psf, masks })
    }

    /// Measures a source. The same source gives the same bits, whatever was measured before with `scratch`.
    ///
    /// # Errors
    /// The reason why there is no measurement.
    pub fn measure(
        &self,
        source: &SourceOnImage,
        scratch: &mut Scratch,
    ) -> Result<Measurement, NoMeasurement> {
        let (aperture, fixed_aperture) = self.aperture(source)?;
        let Scratch { tile, sample } = scratch;
        let fit_radius = if self.options.psf_flux { self.options.psf_fit_radius } else { 0.0 };
        let all = CircularAperture { radius: aperture.radius.max(fit_radius), ..aperture };
        self.image.copy(all.bounds(self.image.view.shape), tile);
        let sums = self.sums(&aperture, tile)?;
        let background = estimate(&self.image, &aperture, &self.options.background, self.masks, sample)?;
        let background_error = self.background_error(&background);
        let profile = self.profile(source)?;
        let correction = self.correction(profile, &aperture)?;
        let unit = UJY_PER_ARCSEC2_PER_MJY_PER_SR * source.pixel_area;
        let scale = unit * correction.unwrap_or(1.0);
        let flux = (sums.image - background.level * aperture.area()) * scale;
        let flux_error = sums.variance.sqrt().hypot(background_error * aperture.area()) * scale;
        let psf = profile.filter(|_| self.options.psf_flux).map(|(_, profile)| {
            let circle = CircularAperture { radius: self.options.psf_fit_radius, ..aperture };
            let background = [background.level, background_error];
            fit(tile, &circle, &PsfFitInput { profile, background, bad: self.masks.bad, unit })
        });
        Ok(Measurement {
            source: *source,
            flux,
            flux_error,
            magnitude: Magnitude::from_flux(flux, flux_error),
            snr: flux / flux_error,
            is_upper_limit: flux_error > flux,
            flags: aperture.flags(self.image.view.shape, |x, y| tile.at(x, y).flags),
            radius: aperture.radius,
            background: background.level * UJY_PER_ARCSEC2_PER_MJY_PER_SR,
            background_error: background_error * UJY_PER_ARCSEC2_PER_MJY_PER_SR,
            background_pixels: background.pixels,
            annulus: background.annulus,
            aperture_correction: correction,
            psf_zone: profile.map(|(zone, _)| zone),
            psf,
            fallbacks: Fallbacks {
                fixed_aperture,
                annulus_growths: background.growths,
                source_pixels: background.source_pixels,
                clipped_background: background.clipped,
                repaired_variances: sums.repaired,
            },
        })
    }

    /// The aperture of a source, and whether its size had to be the fixed one.
    fn aperture(&self, source: &SourceOnImage) -> Result<(CircularAperture, bool), NoMeasurement> {
        let [x, y] = source.position;
        let [ny, nx] = self.image.view.shape;
        check_place(source.position, [ny, nx])?;
        if !(source.pixel_area > 0.0 && source.pixel_area.is_finite()) {
            return Err(NoMeasurement::PixelArea(source.pixel_area));
        }
        let (radius, fixed) = self.options.aperture.radius(source.pixel_area, self.image.view.psf_fwhm);
        let aperture = CircularAperture { x, y, radius };
        if !aperture.is_inside([ny, nx]) {
            return Err(NoMeasurement::AtEdge { x, y, radius: aperture.radius });
        }
        Ok((aperture, fixed))
    }

    fn sums(&self, aperture: &CircularAperture, tile: &PixelTile) -> Result<SumsInAperture, NoMeasurement> {
        let mut sums = SumsInAperture { image: 0.0, variance: 0.0, repaired: 0 };
        let (mut not_finite, mut missing) = (0, false);
        let squared = self.options.error_model == ErrorModel::Independent;
        aperture.for_each(self.image.view.shape, |x, y, overlap| {
            let TilePixel { value, variance, .. } = tile.at(x, y);
            not_finite += usize::from(!value.is_finite());
            sums.image += value * overlap;
            let variance = match self.image.repaired(variance) {
                PixelVariance::Given(variance) => variance,
                PixelVariance::Repaired(variance) => {
                    sums.repaired += 1;
                    variance
                }
                PixelVariance::Missing => {
                    missing = true;
                    0.0
                }
            };
            sums.variance += variance * if squared { overlap * overlap } else { overlap };
        });
        match (not_finite, missing) {
            (0, false) => Ok(sums),
            (0, true) => Err(NoMeasurement::NoVariance),
            (pixels, _) => Err(NoMeasurement::NotFinite { pixels }),
        }
    }

    /// The error of the background by the error model [MJy/sr].
    fn background_error(&self, background: &Background) -> f64 {
        match self.options.error_model {
            ErrorModel::Overlap => background.error,
            ErrorModel::Independent => {
                // The median of n normal values scatters by sqrt(pi / 2) more than their mean; and the deviation by
                // n - 1 is that of the values, not that of the sample.
                let n = background.pixels.max(2) as f64;
                background.error * (FRAC_PI_2 * n / (n - 1.0)).sqrt()
            }
        }
    }

    /// Zone and profile of a source, where the options need them.
    fn profile(&self, source: &SourceOnImage) -> Result<Option<Profile<'a>>, NoMeasurement> {
        let Some(psf) = self.psf else { return Ok(None) };
        let [x0, y0] = self.image.view.parent_offset;
        let zone = psf.zone_at([source.position[0] + x0, source.position[1] + y0]);
        psf.zone(zone).map(|profile| Some((zone, profile))).ok_or(NoMeasurement::Psf { zone })
    }

    /// The aperture correction, where it was asked for.
    fn correction(
        &self,
        profile: Option<Profile<'_>>,
        aperture: &CircularAperture,
    ) -> Result<Option<f64>, NoMeasurement> {
        let Some((zone, profile)) = profile.filter(|_| self.options.aperture_correction) else {
            return Ok(None);
        };
        let enclosed = profile.enclosed(aperture);
        if enclosed > 0.0 { Ok(Some(1.0 / enclosed)) } else { Err(NoMeasurement::Psf { zone }) }
    }
}
