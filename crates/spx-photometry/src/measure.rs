//! The one kernel of photometry: a source on an image gives a measurement, or the reason why not.
//!
//! `flux = (sum(image overlap) - b pi r^2) pixel_area / light`, with `b` the sigma-clipped median
//! of the pixels around and `light` the share of the source's light in the aperture, by the PSF;
//! errors by [`ErrorModel`]. Pixels that are left out are missing from sum, area and light alike,
//! so that the others make up for them, with the error of the PSF. The light of the source in its
//! own background is taken out of that until the flux settles. Batch photometry is this in a loop.

use std::f64::consts::FRAC_PI_2;
use std::ops::Range;
use std::sync::OnceLock;

use spx_core::elementary::hypot;
use spx_core::map::Passband;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;

use crate::background::{Background, BackgroundRegion, Masks, estimate};
use crate::noise::NoiseLaw;
use crate::options::{ApertureMethod, ErrorModel, FlagRule, FwhmSource, PhotometryOptions};
use crate::psf::fill_error;
use crate::psf_flux::{PsfFitInput, fit};
use crate::statistics::BackgroundSample;
use crate::tile::{PixelTile, TilePixel};
use crate::view::{CheckedImage, PixelVariance};
use crate::{
    CircularAperture, ImageView, Magnitude, NoMeasurement, NoPsfFlux, PhotometryError, ProfileTile, PsfFlux,
    PsfModel, SourcePsf,
};

/// How often the light of the source is taken out of its own background at most.
const BACKGROUND_ROUNDS: usize = 3;
/// A change of the flux of less than this share of it, or of its noise, needs no other round.
const SETTLED: f64 = 1e-4;

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
    /// The aperture by FWHM has the fixed diameter, for no FWHM is known.
    pub fixed_aperture: bool,
    /// The FWHM is that of the card PSF_FWHM, for the image has no PSF.
    pub card_fwhm: bool,
    /// How often the annulus grew.
    pub annulus_growths: usize,
    /// Background pixels may be flagged SOURCE.
    pub source_pixels: bool,
    /// The region of the background reaches beyond the image.
    pub clipped_background: bool,
    /// Some of what it lacks was on the detector, and was cut off.
    pub cut_background: bool,
    /// Pixels in the aperture whose variance was repaired.
    pub repaired_variances: usize,
    /// Pixels in the aperture that were left out and made up for by the PSF.
    pub filled_pixels: usize,
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
    /// Flux in the aperture, the background subtracted, times the aperture correction if there is
    /// one \[uJy\]. It may be negative.
    pub flux: f64,
    /// Its error \[uJy\].
    pub flux_error: f64,
    /// AB magnitude; `None` where the flux is not above zero.
    pub magnitude: Option<Magnitude>,
    /// Flux over error.
    pub snr: f64,
    /// The error is larger than the flux.
    pub is_upper_limit: bool,
    /// Bitwise OR over the pixels of the aperture by [`FlagRule`], those that were left out
    /// included.
    pub flags: u32,
    /// Bad flags of the pixels that the flux holds.
    pub bad_flags_used: u32,
    /// Share of the source's light, by its PSF, that falls on pixels of the aperture that are bad
    /// or have no finite value; `None` without a PSF.
    pub masked_fraction: Option<f64>,
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
    /// All light over that in the whole aperture, with which flux and error were multiplied; `None`
    /// where it was not asked for.
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
    /// The profile of the source, on all of these.
    profile: ProfileTile,
}

/// Sees whether a position `[x, y]` \[px, 0-based, integers at pixel centers\] lies on an image of
/// shape `[ny, nx]`, which a caller may want to know before it reads the pixels.
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
    pub(crate) image: CheckedImage<'a>,
    options: &'a PhotometryOptions,
    psf: Option<&'a PsfModel>,
    masks: Masks,
    /// Fitted when the first PSF-weighted flux needs it.
    law: OnceLock<Option<NoiseLaw>>,
}

/// What the pixels of an aperture hold.
#[derive(Debug, Clone, Copy, Default)]
struct SumsInAperture {
    /// Image [MJy/sr px^2], over the pixels that take part, as the next two.
    image: f64,
    /// Variance by the error model [(MJy/sr)^2 px^2 or px^4].
    variance: f64,
    /// Overlap [px^2].
    area: f64,
    /// Share of the source's light on the pixels that take part, on those that are neither bad nor
    /// without a finite value, and on all.
    light: f64,
    good_light: f64,
    all_light: f64,
    /// Pixels with a repaired variance.
    repaired: usize,
    /// Pixels that take no part.
    left_out: usize,
    flags: u32,
    bad_used: u32,
}

/// What multiplies the net sum in the aperture.
#[derive(Debug, Clone, Copy)]
struct ApertureScale {
    /// Area over which the background is taken off [px^2].
    area: f64,
    /// To the flux [MJy/sr px^2].
    factor: f64,
    /// Relative error of the flux from making up for pixels that were left out.
    fill_error: f64,
}

impl<'a> Photometer<'a> {
    /// Checks options and image.
    ///
    /// `psf` is needed where the options ask for an aperture correction or a PSF-weighted flux; it
    /// gives the size of apertures and makes up for bad pixels where there is one.
    ///
    /// # Errors
    /// Where an option is out of its range or names a flag that the file does not know; where a PSF
    /// is needed and there is none; where an array has not one value a pixel.
    pub fn new(
        view: ImageView<'a>,
        options: &'a PhotometryOptions,
        psf: Option<&'a PsfModel>,
    ) -> Result<Self, PhotometryError> {
        options.validate()?;
        if let Some(name) = options.needs_psf().filter(|_| psf.is_none()) {
            return Err(PhotometryError::NeedsPsf(name));
        }
        let bad = options.bad_flags.mask(view.flag_names)?;
        let masks = Masks { bad, source: view.flag_names.mask("SOURCE") };
        let psf = psf.filter(|_| options.wants_psf());
        Ok(Self { image: CheckedImage::new(view)?, options, psf, masks, law: OnceLock::new() })
    }

    /// Measures a source. The same source gives the same bits, whatever was measured before with
    /// `scratch`.
    ///
    /// # Errors
    /// The reason why there is no measurement.
    pub fn measure(
        &self,
        source: &SourceOnImage,
        scratch: &mut Scratch,
    ) -> Result<Measurement, NoMeasurement> {
        let psf = self.source_psf(source)?;
        let (aperture, mut fallbacks) = self.aperture(source, psf.as_ref())?;
        let Scratch { tile, sample, profile } = scratch;
        let fit_radius = if self.options.psf_flux { self.options.psf_fit_radius } else { 0.0 };
        let all = CircularAperture { radius: aperture.radius.max(fit_radius), ..aperture };
        let bounds = all.bounds(self.image.view.shape);
        self.image.copy(bounds.clone(), tile);
        self.check_values(&aperture, tile)?;
        let (mut background, region) =
            estimate(&self.image, &aperture, &self.options.background, self.masks, sample)?;
        if let Some(psf) = &psf {
            psf.fill(source.position, profile_bounds(psf, source, bounds, &region), profile);
        }
        let profile = psf.is_some().then_some(&*profile);
        let sums = self.sums(&aperture, tile, profile)?;
        let scale = self.scale(&aperture, &sums, psf.as_ref())?;
        if let Some(profile) = profile.filter(|_| self.options.aperture_correction) {
            self.without_own_light(&aperture, (&sums, scale), (&region, profile), sample, &mut background);
        }
        let background_error = self.background_error(&background);
        let unit = UJY_PER_ARCSEC2_PER_MJY_PER_SR * source.pixel_area;
        let flux = (sums.image - background.level * scale.area) * (scale.factor * unit);
        let noise = hypot(sums.variance.sqrt(), background_error * scale.area) * (scale.factor * unit);
        let flux_error = hypot(noise, flux * scale.fill_error);
        let psf_flux = profile.filter(|_| self.options.psf_flux).map(|profile| {
            let circle = CircularAperture { radius: self.options.psf_fit_radius, ..aperture };
            self.psf_flux(tile, &circle, profile, [background.level, background_error], unit)
        });
        fallbacks.annulus_growths = background.growths;
        fallbacks.source_pixels = background.source_pixels;
        fallbacks.clipped_background = background.beyond.clipped;
        fallbacks.cut_background = background.beyond.cut;
        fallbacks.repaired_variances = sums.repaired;
        fallbacks.filled_pixels = sums.left_out;
        Ok(Measurement {
            source: *source,
            flux,
            flux_error,
            magnitude: Magnitude::from_flux(flux, flux_error),
            snr: flux / flux_error,
            is_upper_limit: flux_error > flux,
            flags: sums.flags,
            bad_flags_used: sums.bad_used,
            masked_fraction: profile.map(|_| (sums.all_light - sums.good_light).clamp(0.0, 1.0)),
            radius: aperture.radius,
            background: background.level * UJY_PER_ARCSEC2_PER_MJY_PER_SR,
            background_error: background_error * UJY_PER_ARCSEC2_PER_MJY_PER_SR,
            background_pixels: background.pixels,
            annulus: background.annulus,
            aperture_correction: self.options.aperture_correction.then(|| 1.0 / sums.all_light),
            psf_zone: psf.map(|psf| psf.zone()),
            psf: psf_flux,
            fallbacks,
        })
    }

    /// The PSF at a source, where there is one.
    pub(crate) fn source_psf(&self, source: &SourceOnImage) -> Result<Option<SourcePsf<'a>>, NoMeasurement> {
        check_place(source.position, self.image.view.shape)?;
        let Some(psf) = self.psf else { return Ok(None) };
        let [x0, y0] = self.image.view.parent_offset;
        let place = [source.position[0] + x0, source.position[1] + y0];
        let zone = || psf.zone_at(place);
        psf.at(place, self.options.psf_zones).map(Some).ok_or_else(|| NoMeasurement::Psf { zone: zone() })
    }

    /// The aperture of a source, and what stood in for its size.
    fn aperture(
        &self,
        source: &SourceOnImage,
        psf: Option<&SourcePsf<'_>>,
    ) -> Result<(CircularAperture, Fallbacks), NoMeasurement> {
        let [x, y] = source.position;
        if !(source.pixel_area > 0.0 && source.pixel_area.is_finite()) {
            return Err(NoMeasurement::PixelArea(source.pixel_area));
        }
        let options = &self.options.aperture;
        let by_psf = psf.filter(|_| options.fwhm_source == FwhmSource::Psf).map(SourcePsf::fwhm);
        let card = self.image.view.psf_fwhm.map(|fwhm| fwhm / source.pixel_area.sqrt());
        let (radius, fixed_aperture) = options.radius(by_psf.or(card));
        let aperture = CircularAperture { x, y, radius };
        if !aperture.is_inside(self.image.view.shape) {
            let cut = self.image.view.beyond([x - radius, y - radius], [x + radius, y + radius]).cut;
            return Err(NoMeasurement::AtEdge { x, y, radius, cut });
        }
        let by_fwhm = options.method == ApertureMethod::Fwhm && options.fwhm_source == FwhmSource::Psf;
        let card_fwhm = by_fwhm && by_psf.is_none() && !fixed_aperture;
        Ok((aperture, Fallbacks { fixed_aperture, card_fwhm, ..Fallbacks::default() }))
    }

    /// Whether a pixel can take no part in a flux.
    pub(crate) fn is_masked(&self, pixel: &TilePixel) -> bool {
        pixel.flags & self.masks.bad != 0 || !pixel.value.is_finite()
    }

    /// Sees whether what is missing in the aperture can be made up for.
    fn check_values(&self, aperture: &CircularAperture, tile: &PixelTile) -> Result<(), NoMeasurement> {
        if !tile.pixels.iter().any(|pixel| self.is_masked(pixel)) {
            return Ok(());
        }
        let (mut all, mut masked, mut not_finite) = (0, 0, 0);
        aperture.for_each(self.image.view.shape, |x, y, _| {
            let pixel = tile.at(x, y);
            all += 1;
            masked += usize::from(self.is_masked(&pixel));
            not_finite += usize::from(!pixel.value.is_finite());
        });
        if self.options.fill_bad_pixels && not_finite < all {
            let cannot = masked > 0 && self.psf.is_none();
            return if cannot { Err(NoMeasurement::CannotFill { pixels: masked }) } else { Ok(()) };
        }
        if not_finite > 0 { Err(NoMeasurement::NotFinite { pixels: not_finite }) } else { Ok(()) }
    }

    fn sums(
        &self,
        aperture: &CircularAperture,
        tile: &PixelTile,
        profile: Option<&ProfileTile>,
    ) -> Result<SumsInAperture, NoMeasurement> {
        let mut sums = SumsInAperture::default();
        let mut missing = false;
        let squared = self.options.error_model == ErrorModel::Independent;
        let by_center = self.options.flag_rule == FlagRule::Center;
        aperture.for_each(self.image.view.shape, |x, y, overlap| {
            let pixel = tile.at(x, y);
            let (dx, dy) = (x as f64 - aperture.x, y as f64 - aperture.y);
            let counts = !by_center || dx * dx + dy * dy <= aperture.radius * aperture.radius;
            let flags = if counts { pixel.flags } else { 0 };
            sums.flags |= flags;
            let light = overlap * profile.map_or(0.0, |profile| profile.at(x, y));
            sums.all_light += light;
            let masked = self.is_masked(&pixel);
            sums.good_light += if masked { 0.0 } else { light };
            if masked && self.options.fill_bad_pixels {
                sums.left_out += 1;
                return;
            }
            sums.light += light;
            sums.bad_used |= flags & self.masks.bad;
            sums.image += pixel.value * overlap;
            sums.area += overlap;
            let variance = match self.image.repaired(pixel.variance) {
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
        if missing { Err(NoMeasurement::NoVariance) } else { Ok(sums) }
    }

    /// What makes a flux of the sums.
    fn scale(
        &self,
        aperture: &CircularAperture,
        sums: &SumsInAperture,
        psf: Option<&SourcePsf<'_>>,
    ) -> Result<ApertureScale, NoMeasurement> {
        let whole = sums.left_out == 0;
        let area = if whole { aperture.area() } else { sums.area };
        let Some(psf) = psf.filter(|_| self.options.aperture_correction || !whole) else {
            return Ok(ApertureScale { area, factor: 1.0, fill_error: 0.0 });
        };
        if sums.all_light.is_nan() || sums.all_light <= 0.0 {
            return Err(NoMeasurement::Psf { zone: psf.zone() });
        }
        let (fraction, limit) = (sums.all_light - sums.light, self.options.max_masked_fraction);
        if fraction.is_nan() || fraction > limit {
            return Err(NoMeasurement::Masked { fraction, limit });
        }
        let all = if self.options.aperture_correction { 1.0 } else { sums.all_light };
        let fill_error = if whole { 0.0 } else { fill_error(fraction, sums.light) };
        Ok(ApertureScale { area, factor: all / sums.light, fill_error })
    }

    /// Takes the light of the source out of its own background.
    fn without_own_light(
        &self,
        aperture: &CircularAperture,
        (sums, scale): (&SumsInAperture, ApertureScale),
        (region, profile): (&BackgroundRegion, &ProfileTile),
        sample: &mut BackgroundSample,
        background: &mut Background,
    ) {
        let flux = |level: f64| (sums.image - level * scale.area) * scale.factor;
        let noise = sums.variance.sqrt() * scale.factor;
        let mut before = flux(background.level);
        for _ in 0..BACKGROUND_ROUNDS {
            let options = &self.options.background;
            let again = region.again(&self.image, aperture, options, (profile, before), sample);
            let Some([level, error]) = again else { return };
            (background.level, background.error) = (level, error);
            let change = (flux(level) - before).abs();
            before = flux(level);
            if change <= SETTLED * before.abs().max(noise) {
                return;
            }
        }
    }

    /// The PSF-weighted flux.
    fn psf_flux(
        &self,
        tile: &PixelTile,
        circle: &CircularAperture,
        profile: &ProfileTile,
        background: [f64; 2],
        unit: f64,
    ) -> Result<PsfFlux, NoPsfFlux> {
        let bad = self.masks.bad;
        let law = self.law.get_or_init(|| self.image.noise_law(bad));
        let law = law.ok_or(NoPsfFlux::Masked { fraction: 0.0 })?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place on the image")]
        let [x, y] = [circle.x, circle.y].map(|c| c.round().max(0.0) as usize);
        let foreground = self.image.foreground(x, y);
        let foreground = if foreground.is_finite() { foreground } else { 0.0 };
        let least_fraction = 1.0 - self.options.max_masked_fraction;
        fit(tile, circle, &PsfFitInput { profile, background, foreground, law, bad, least_fraction, unit })
    }

    /// The error of the background by the error model [MJy/sr].
    fn background_error(&self, background: &Background) -> f64 {
        match self.options.error_model {
            ErrorModel::Overlap => background.error,
            ErrorModel::Independent => {
                // The median of n normal values scatters by sqrt(pi / 2) more than their mean; and
                // the deviation by n - 1 is that of the values, not that of the sample.
                let n = background.pixels.max(2) as f64;
                background.error * (FRAC_PI_2 * n / (n - 1.0)).sqrt()
            }
        }
    }
}

/// Columns and rows on which the profile of a source is needed: those of its tile, and those of its
/// background that it reaches.
fn profile_bounds(
    psf: &SourcePsf<'_>,
    source: &SourceOnImage,
    tile: [Range<usize>; 2],
    region: &BackgroundRegion,
) -> [Range<usize>; 2] {
    let reach = psf.reach();
    let along = |tile: &Range<usize>, region: &Range<usize>, center: f64| {
        let lit = crate::aperture::clip((center - reach).floor(), (center + reach).ceil(), region.end);
        let (start, end) = (lit.start.max(region.start), lit.end);
        if start < end { start.min(tile.start)..end.max(tile.end) } else { tile.clone() }
    };
    let [x, y] = source.position;
    [along(&tile[0], &region.pixels[0], x), along(&tile[1], &region.pixels[1], y)]
}
