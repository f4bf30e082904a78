//! The PSF-weighted flux: linear least squares for the brightness of a source of known place and
//! profile over a known background (Horne 1986, PASP 98, 609, in two dimensions).
//!
//! With data `d`, background `b`, profile `p` (share of the source's light in a pixel), variance
//! `v`, over the pixels that are usable: `F = sum(p (d - b) / v) / sum(p^2 / v)`, with the variance
//! `1 / sum(p^2 / v) + (b_err sum(p / v) / sum(p^2 / v))^2`. Pixels left out leave the flux
//! unbiased; it only loses weight, and the error grows by that of the profile ([`fill_error`]).
//!
//! `v` is that of the model, background plus source, through the noise law of the image: weights
//! that follow the noise of their pixel would make the flux low by 0.12 sigma a visit. For the same
//! reason a source that may well be noise does not enter its own variance: of a flux of `s` sigma
//! the share `s^2 / (s^2 + 9)` does, of a negative one nothing.

use crate::NoPsfFlux;
use crate::aperture::CircularAperture;
use crate::noise::NoiseLaw;
use crate::psf::{ProfileTile, fill_error};
use crate::tile::PixelTile;
use spx_core::elementary::hypot;

/// Rounds of flux and variance; of a bright source two are enough.
const ROUNDS: usize = 3;
/// A flux of so many standard deviations enters its own variance by half.
const HALF: f64 = 3.0;

/// A flux by the profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PsfFlux {
    /// All light of the source \[uJy\].
    pub flux: f64,
    /// Its error \[uJy\].
    pub error: f64,
    /// Sum of squared residuals over variances.
    pub chi2: f64,
    /// Pixels that took part; degrees of freedom are one less.
    pub pixels: usize,
    /// Share of the profile on them.
    pub fraction: f64,
}

/// What the fit stands on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PsfFitInput<'a> {
    pub(crate) profile: &'a ProfileTile,
    /// Level and error of the background [MJy/sr].
    pub(crate) background: [f64; 2],
    /// Foreground that was subtracted at the source [MJy/sr].
    pub(crate) foreground: f64,
    pub(crate) law: NoiseLaw,
    /// Flags of pixels to leave out.
    pub(crate) bad: u32,
    /// With less of the profile than this on usable pixels there is no flux: it would hang on the
    /// wings of the profile.
    pub(crate) least_fraction: f64,
    /// uJy in a pixel of 1 MJy/sr.
    pub(crate) unit: f64,
}

/// Sums over the usable pixels with the variances of one model.
#[derive(Debug, Clone, Copy, Default)]
struct ProfileSums {
    pd: f64,
    pp: f64,
    p1: f64,
    dd: f64,
}

/// Fits the flux over the pixels whose centers lie within `circle`, which is centered on the
/// source. Pixels with a bad flag, without a finite value, or without a positive variance in the
/// file are left out. `tile` and the profile hold all of them.
pub(crate) fn fit(
    tile: &PixelTile,
    circle: &CircularAperture,
    input: &PsfFitInput<'_>,
) -> Result<PsfFlux, NoPsfFlux> {
    let (mut flux, mut source) = (0.0, 0.0);
    let (mut sums, mut fraction, mut pixels) = (ProfileSums::default(), 0.0, 0);
    for _ in 0..ROUNDS {
        (sums, fraction, pixels) = (ProfileSums::default(), 0.0, 0);
        for_each_usable(tile, circle, input, |profile, data| {
            let rate = input.foreground + input.background[0] + source * profile;
            let weight = 1.0 / input.law.variance(rate);
            sums.pd += weight * profile * data;
            sums.pp += weight * profile * profile;
            sums.p1 += weight * profile;
            sums.dd += weight * data * data;
            fraction += profile;
            pixels += 1;
        });
        if !(fraction >= input.least_fraction && sums.pp > 0.0) {
            return Err(NoPsfFlux::Masked { fraction });
        }
        flux = sums.pd / sums.pp;
        let squared = flux.max(0.0).powi(2) * sums.pp;
        source = flux.max(0.0) * squared / (squared + HALF * HALF);
    }
    let noise = hypot((1.0 / sums.pp).sqrt(), input.background[1] * sums.p1 / sums.pp);
    let error = hypot(noise, flux * fill_error(1.0 - fraction, fraction));
    let chi2 = (sums.dd - flux * sums.pd).max(0.0);
    Ok(PsfFlux { flux: flux * input.unit, error: error * input.unit, chi2, pixels, fraction })
}

/// Calls `visit(share of the profile, value above the background)`.
fn for_each_usable(
    tile: &PixelTile,
    circle: &CircularAperture,
    input: &PsfFitInput<'_>,
    mut visit: impl FnMut(f64, f64),
) {
    for y in tile.rows.clone() {
        let dy = y as f64 - circle.y;
        for x in tile.columns.clone() {
            let (dx, pixel) = (x as f64 - circle.x, tile.at(x, y));
            let usable = pixel.flags & input.bad == 0 && pixel.value.is_finite();
            let measured = pixel.variance > 0.0 && pixel.variance.is_finite();
            if dx * dx + dy * dy <= circle.radius * circle.radius && usable && measured {
                visit(input.profile.at(x, y), pixel.value - input.background[0]);
            }
        }
    }
}
