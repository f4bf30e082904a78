//! The PSF-weighted flux: linear least squares for the brightness of a source of known place and profile over a
//! known background, each pixel weighted by its inverse variance (Horne 1986, PASP 98, 609, in two dimensions).
//!
//! With data `d`, background `b`, profile `p` (share of the source's light in a pixel), variance `v`, over the pixels
//! that are usable: `F = sum(p (d - b) / v) / sum(p^2 / v)`, with the variance
//! `1 / sum(p^2 / v) + (b_err sum(p / v) / sum(p^2 / v))^2`. Pixels left out leave the flux unbiased; it only loses
//! weight.

use crate::NoPsfFlux;
use crate::aperture::CircularAperture;
use crate::psf::ZonePsf;
use crate::tile::PixelTile;

/// With less of the profile than this on usable pixels, the flux would hang on the wings of the profile.
const LEAST_FRACTION: f64 = 0.5;

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
    pub(crate) profile: ZonePsf<'a>,
    /// Level and error [MJy/sr].
    pub(crate) background: [f64; 2],
    /// Flags of pixels to leave out.
    pub(crate) bad: u32,
    /// uJy in a pixel of 1 MJy/sr.
    pub(crate) unit: f64,
}

/// Fits the flux over the pixels whose centers lie within `circle`, which is centerd on the source. Pixels with a bad
/// flag, without a finite value, or without a positive variance in the file are left out. `tile` holds all of them.
pub(crate) fn fit(
    tile: &PixelTile,
    circle: &CircularAperture,
    given: &PsfFitInput<'_>,
) -> Result<PsfFlux, NoPsfFlux> {
    let (mut pd, mut pp, mut p1, mut dd, mut fraction, mut pixels) = (0.0, 0.0, 0.0, 0.0, 0.0, 0);
    for y in tile.rows.clone() {
        let dy = y as f64 - circle.y;
        for x in tile.columns.clone() {
            let (dx, pixel) = (x as f64 - circle.x, tile.at(x, y));
            let (value, variance) = (pixel.value, f64::from(pixel.variance));
            let usable = pixel.flags & given.bad == 0 && value.is_finite();
            if dx * dx + dy * dy > circle.radius * circle.radius
                || !(usable && variance > 0.0 && variance.is_finite())
            {
                continue;
            }
            let (profile, data) = (given.profile.pixel(dx, dy), value - given.background[0]);
            pd += profile * data / variance;
            pp += profile * profile / variance;
            p1 += profile / variance;
            dd += data * data / variance;
            fraction += profile;
            pixels += 1;
        }
    }
    if !(fraction >= LEAST_FRACTION && pp > 0.0) {
        return Err(NoPsfFlux::Masked { fraction });
    }
    let flux = pd / pp;
    let error = (1.0 / pp).sqrt().hypot(given.background[1] * p1 / pp);
    let chi2 = (dd - flux * pd).max(0.0);
    Ok(PsfFlux { flux: flux * given.unit, error: error * given.unit, chi2, pixels, fraction })
}
