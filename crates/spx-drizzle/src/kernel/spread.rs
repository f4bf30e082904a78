//! Kernels that are aligned with the output axes and as large as an input pixel is in output pixels: turbo, point,
//! gaussian, lanczos. The definitions are those of STScI's drizzle, by its documents and its answers.
//!
//! A kernel in units of the input pixel is turned into output pixels by the pixel scale ratio, the side of an output
//! pixel over that of an input pixel.

use super::{Quad, SpatialKernel, floor};
use crate::droplet::Droplet;

/// Pixels whose area the interval `v` +- `half` touches, from the first to the last.
#[inline]
fn touched(v: f64, half: f64) -> std::ops::RangeInclusive<i64> {
    floor(v - half + 0.5)..=floor(v + half + 0.5)
}

/// So that a droplet midway between two pixels reaches both.
const TIE: f64 = 1e-9;

/// A square of `xy_shrink` input pixels, aligned with the output axes; shares by area, which add up to 1. The square
/// kernel of an image that is not turned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turbo {
    half: f64,
    /// 1 / side.
    density: f64,
}

impl Turbo {
    pub(crate) fn new(xy_shrink: f64, pixel_scale_ratio: f64) -> Self {
        let side = xy_shrink / pixel_scale_ratio;
        Self { half: 0.5 * side, density: 1.0 / side }
    }

    /// The part of the droplet's side in pixel `k`.
    #[inline]
    fn part(&self, k: i64, v: f64) -> f64 {
        let k = k as f64;
        ((k + 0.5).min(v + self.half) - (k - 0.5).max(v - self.half)) * self.density
    }
}

impl SpatialKernel for Turbo {
    fn reach(&self) -> f64 {
        self.half + 0.5 + TIE
    }

    #[inline]
    fn shares(&self, droplet: &Droplet, _: &Quad, _: &mut Vec<f64>, mut visit: impl FnMut(i64, i64, f64)) {
        for y in touched(droplet.y, self.half) {
            let height = self.part(y, droplet.y);
            for x in touched(droplet.x, self.half) {
                let share = self.part(x, droplet.x) * height;
                if share > 0.0 {
                    visit(x, y, share);
                }
            }
        }
    }
}

/// All of it to the pixel that the centre falls into; midway between two, to the higher one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point;

impl SpatialKernel for Point {
    fn reach(&self) -> f64 {
        0.5 + TIE
    }

    #[inline]
    fn shares(&self, droplet: &Droplet, _: &Quad, _: &mut Vec<f64>, mut visit: impl FnMut(i64, i64, f64)) {
        visit(floor(droplet.x + 0.5), floor(droplet.y + 0.5), 1.0);
    }
}

/// A Gaussian whose FWHM is `xy_shrink` input pixels, of unit integral, taken at the centres of the output pixels that
/// the square of +- 2.5 sigma, at least 1.2 input pixels, touches.
///
/// Its shares do not add up to 1: what is cut off is lost, and a Gaussian narrower than an output pixel is not
/// sampled well (its shares add up to between 0.1 and 2 at a FWHM of 0.5).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gaussian {
    half: f64,
    /// 1 / (2 sigma^2).
    steepness: f64,
}

impl Gaussian {
    /// FWHM over sigma, `2 sqrt(2 ln 2)` as STScI's drizzle rounds it: the exact number would change shares by
    /// some 1e-5.
    const FWHM: f64 = 2.3548;

    pub(crate) fn new(xy_shrink: f64, pixel_scale_ratio: f64) -> Self {
        let sigma = xy_shrink / Self::FWHM / pixel_scale_ratio;
        Self { half: (2.5 * sigma).max(1.2 / pixel_scale_ratio), steepness: 0.5 / (sigma * sigma) }
    }
}

impl Gaussian {
    /// The share along one axis at this distance, but for a factor; 0 where the pixel is beyond the square.
    pub(crate) fn profile(&self, distance: f64) -> f64 {
        if distance.abs() < self.half + 0.5 { (-self.steepness * distance * distance).exp() } else { 0.0 }
    }
}

impl SpatialKernel for Gaussian {
    fn reach(&self) -> f64 {
        self.half + 0.5 + TIE
    }

    #[inline]
    fn shares(
        &self,
        droplet: &Droplet,
        _: &Quad,
        scratch: &mut Vec<f64>,
        mut visit: impl FnMut(i64, i64, f64),
    ) {
        let along = |k: i64, v: f64| (-self.steepness * (k as f64 - v) * (k as f64 - v)).exp();
        separable(
            droplet,
            self.half,
            self.steepness / std::f64::consts::PI,
            along,
            scratch,
            |x, y, share| {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "a share that vanishes in single precision is none"
                )]
                if share as f32 > 0.0 {
                    visit(x, y, share);
                }
            },
        );
    }
}

/// `L(dx) L(dy)` with `L(t) = sinc(t) sinc(t / n)` for `|t| < n`, `t` in input pixels, `sinc(t) = sin(pi t) / (pi t)`.
///
/// Shares may be negative, do not add up to 1, and grow with the number of output pixels in an input pixel, as in
/// STScI's drizzle; `xy_shrink` is not used. That one looks `L` up at the nearest multiple of 0.003, which
/// makes up to 0.3 % of a share; here it is computed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanczos {
    order: f64,
    pixel_scale_ratio: f64,
}

impl Lanczos {
    pub(crate) fn new(order: u8, pixel_scale_ratio: f64) -> Self {
        Self { order: order.into(), pixel_scale_ratio }
    }

    /// The share along one axis at this distance.
    pub(crate) fn value(&self, distance: f64) -> f64 {
        let t = distance.abs() * self.pixel_scale_ratio;
        if t >= self.order {
            return 0.0;
        }
        let sinc = |t: f64| {
            let angle = std::f64::consts::PI * t;
            if angle == 0.0 { 1.0 } else { angle.sin() / angle }
        };
        sinc(t) * sinc(t / self.order)
    }
}

impl SpatialKernel for Lanczos {
    const SIGNED: bool = true;

    fn reach(&self) -> f64 {
        self.order / self.pixel_scale_ratio + 0.5 + TIE
    }

    #[inline]
    fn shares(
        &self,
        droplet: &Droplet,
        _: &Quad,
        scratch: &mut Vec<f64>,
        mut visit: impl FnMut(i64, i64, f64),
    ) {
        let half = self.order / self.pixel_scale_ratio;
        separable(
            droplet,
            half,
            1.0,
            |k, v| self.value(k as f64 - v),
            scratch,
            |x, y, share| {
                if share != 0.0 {
                    visit(x, y, share);
                }
            },
        );
    }
}

/// Visits the pixels that the square of +- `half` touches with `factor` times the product of a function along either
/// axis, which is computed once a row and once a column.
#[inline]
fn separable(
    droplet: &Droplet,
    half: f64,
    factor: f64,
    along: impl Fn(i64, f64) -> f64,
    scratch: &mut Vec<f64>,
    mut visit: impl FnMut(i64, i64, f64),
) {
    let columns = touched(droplet.x, half);
    scratch.clear();
    scratch.extend(columns.clone().map(|x| along(x, droplet.x)));
    for y in touched(droplet.y, half) {
        let row = factor * along(y, droplet.y);
        for (x, column) in columns.clone().zip(scratch.iter()) {
            visit(x, y, row * column);
        }
    }
}
