//! Kernels that are aligned with the output axes and as large as an input pixel is in output
//! pixels: turbo, point, gaussian, lanczos. The definitions are those of STScI's drizzle, by its
//! documents and its answers.
//!
//! A kernel in units of the input pixel is turned into output pixels by the pixel scale ratio, the
//! side of an output pixel over that of an input pixel.

use super::functions::{exp, sin_pi};
use super::spatial::{SpatialKernel, Visitor};
use crate::droplet::{Droplet, Quad};
use crate::numbers::{floor, max, min, round_down};

/// Numbers that are computed together.
const LANES: usize = 4;

/// Pixels whose area the interval `v` +- `half` touches, from the first to the last.
#[inline(always)]
fn touched(v: f64, half: f64) -> (i64, i64) {
    (floor(v - half + 0.5), floor(v + half + 0.5))
}

/// So that a droplet midway between two pixels reaches both.
const TIE: f64 = 1e-9;

/// A square of `xy_shrink` input pixels, aligned with the output axes; shares by area, which add up
/// to 1. The square kernel of an image that is not turned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TurboKernel {
    half: f64,
    /// 1 / side.
    density: f64,
}

impl TurboKernel {
    pub(crate) fn new(xy_shrink: f64, pixel_scale_ratio: f64) -> Self {
        let side = xy_shrink / pixel_scale_ratio;
        Self { half: 0.5 * side, density: 1.0 / side }
    }

    /// The part of the droplet's side in pixel `k`.
    #[inline(always)]
    fn part(&self, k: i64, v: f64) -> f64 {
        let k = k as f64;
        max((min(k + 0.5, v + self.half) - max(k - 0.5, v - self.half)) * self.density, 0.0)
    }

    /// For x and for y, the parts of a droplet's side in the first pixel that it touches and in the
    /// next, beyond which it does not reach; and the first pixel.
    #[inline(always)]
    fn two(&self, droplet: &Droplet) -> ([[f64; 2]; 2], [i64; 2]) {
        let low = [droplet.x - self.half, droplet.y - self.half];
        let first = [round_down(low[0] + 0.5), round_down(low[1] + 0.5)];
        let mut parts = [[0.0; 2]; 2];
        for k in 0..2 {
            let (edge, high) = (first[k] + 0.5, low[k] + 2.0 * self.half);
            parts[k] = [(min(edge, high) - low[k]) * self.density, max(high - edge, 0.0) * self.density];
        }
        (parts, [floor(first[0]), floor(first[1])])
    }
}

impl SpatialKernel for TurboKernel {
    fn reach(&self) -> f64 {
        self.half + 0.5 + TIE
    }

    #[inline(always)]
    fn shares(&self, droplet: &Droplet, _: &Quad, scratch: &mut Vec<f64>, visitor: &mut impl Visitor) {
        if self.half <= 0.5 {
            // At most two pixels along either axis: always two, for one that gets nothing costs
            // less than to find out.
            let ([along, across], [x, y]) = self.two(droplet);
            return visitor.patch(x, y, &across.map(|across| along.map(|along| across * along)));
        }
        let ((first, last), (low, high)) = (touched(droplet.x, self.half), touched(droplet.y, self.half));
        scratch.clear();
        scratch.extend((first..=last).map(|x| self.part(x, droplet.x)));
        for y in low..=high {
            visitor.row(first, y, self.part(y, droplet.y), scratch);
        }
    }
}

/// All of it to the pixel that the center falls into; midway between two, to the higher one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PointKernel;

impl SpatialKernel for PointKernel {
    fn reach(&self) -> f64 {
        0.5 + TIE
    }

    #[inline(always)]
    fn shares(&self, droplet: &Droplet, _: &Quad, _: &mut Vec<f64>, visitor: &mut impl Visitor) {
        visitor.patch(floor(droplet.x + 0.5), floor(droplet.y + 0.5), &[[1.0]]);
    }
}

/// A Gaussian whose FWHM is `xy_shrink` input pixels, of unit integral, taken at the centers of the
/// output pixels that the square of +- 2.5 sigma, at least 1.2 input pixels, touches.
///
/// Its shares do not add up to 1: what is cut off is lost, and a Gaussian narrower than an output
/// pixel is not sampled well (its shares add up to between 0.1 and 2 at a FWHM of 0.5).
#[derive(Debug, Clone, Copy)]
pub(crate) struct GaussianKernel {
    half: f64,
    /// 1 / (2 sigma^2).
    steepness: f64,
}

impl GaussianKernel {
    /// FWHM over sigma, `2 sqrt(2 ln 2)` as STScI's drizzle rounds it: the exact number would
    /// change shares by some 1e-5.
    const FWHM: f64 = 2.3548;

    pub(crate) fn new(xy_shrink: f64, pixel_scale_ratio: f64) -> Self {
        let sigma = xy_shrink / Self::FWHM / pixel_scale_ratio;
        Self { half: (2.5 * sigma).max(1.2 / pixel_scale_ratio), steepness: 0.5 / (sigma * sigma) }
    }
}

impl GaussianKernel {
    /// The share along one axis at this distance, but for a factor; 0 where the pixel is beyond the
    /// square.
    pub(crate) fn profile(&self, distance: f64) -> f64 {
        if distance.abs() < self.half + 0.5 { exp(-self.steepness * distance * distance) } else { 0.0 }
    }
}

impl SpatialKernel for GaussianKernel {
    /// A share that vanishes in single precision is none.
    const LEAST: f64 = 7.1e-46;

    fn reach(&self) -> f64 {
        self.half + 0.5 + TIE
    }

    #[inline(always)]
    fn shares(&self, droplet: &Droplet, _: &Quad, scratch: &mut Vec<f64>, visitor: &mut impl Visitor) {
        let factor = self.steepness / std::f64::consts::PI;
        let profile = |d: f64| exp(-self.steepness * d * d);
        let ranges = [touched(droplet.x, self.half), touched(droplet.y, self.half)];
        separable(droplet, ranges, factor, profile, scratch, visitor);
    }
}

/// `L(dx) L(dy)` with `L(t) = sinc(t) sinc(t / n)` for `|t| < n`, `t` in input pixels, `sinc(t) =
/// sin(pi t) / (pi t)`.
///
/// Shares may be negative, do not add up to 1, and grow with the number of output pixels in an
/// input pixel, as in STScI's drizzle; `xy_shrink` is not used. That one looks `L` up at the
/// nearest multiple of 0.003, which makes up to 0.3 % of a share; here it is computed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LanczosKernel {
    order: f64,
    pixel_scale_ratio: f64,
}

impl LanczosKernel {
    pub(crate) fn new(order: u8, pixel_scale_ratio: f64) -> Self {
        Self { order: order.into(), pixel_scale_ratio }
    }

    /// The share along one axis at this distance.
    pub(crate) fn value(&self, distance: f64) -> f64 {
        let t = distance.abs() * self.pixel_scale_ratio;
        // Both sines over their angles, in one division; 1 where both are as near to 1 as numbers
        // tell.
        let angle = std::f64::consts::PI * t;
        let value = sin_pi(t) * sin_pi(t / self.order) * self.order / (angle * angle);
        let value = if t < 1e-9 { 1.0 } else { value };
        if t < self.order { value } else { 0.0 }
    }
}

impl SpatialKernel for LanczosKernel {
    const SIGNED: bool = true;

    fn reach(&self) -> f64 {
        self.order / self.pixel_scale_ratio + TIE
    }

    #[inline(always)]
    fn shares(&self, droplet: &Droplet, _: &Quad, scratch: &mut Vec<f64>, visitor: &mut impl Visitor) {
        let half = self.order / self.pixel_scale_ratio;
        // Only pixels whose centers lie within, for L vanishes beyond.
        let within = |v: f64| (floor(v - half) + 1, -floor(-(v + half)) - 1);
        separable(droplet, [within(droplet.x), within(droplet.y)], 1.0, |d| self.value(d), scratch, visitor);
    }
}

/// Visits pixels, from the first to the last along x and along y, with `factor` times the product
/// of a function of the distance along either axis.
#[inline(always)]
fn separable(
    droplet: &Droplet,
    [(left, right), (low, high)]: [(i64, i64); 2],
    factor: f64,
    profile: impl Fn(f64) -> f64,
    scratch: &mut Vec<f64>,
    visitor: &mut impl Visitor,
) {
    let (columns, rows) = (count(left, right), count(low, high));
    let needed = (columns + rows).next_multiple_of(LANES);
    if scratch.len() < needed {
        scratch.resize(needed, 0.0);
    }
    // The distances first, then the function of all, so that it is computed in vector registers.
    let scratch = &mut scratch[..needed];
    let (right, above) = (left as f64 - droplet.x, low as f64 - droplet.y);
    for (value, k) in scratch[..columns].iter_mut().zip(0_i32..) {
        *value = right + f64::from(k);
    }
    for (value, k) in scratch[columns..].iter_mut().zip(0_i32..) {
        *value = above + f64::from(k);
    }
    for lanes in scratch.as_chunks_mut::<LANES>().0 {
        for value in lanes {
            *value = profile(*value);
        }
    }
    let (along, across) = scratch[..columns + rows].split_at(columns);
    // What lanczos2 reaches nearly always, with loops that the compiler can unroll.
    if let (Ok(across), Ok(along)) = (<&[f64; 4]>::try_from(across), <&[f64; 4]>::try_from(along)) {
        return visitor.product(left, low, factor, across, along);
    }
    visitor.product(left, low, factor, across, along);
}

/// How many pixels there are from the first to the last.
#[inline(always)]
fn count(first: i64, last: i64) -> usize {
    usize::try_from(last - first + 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What distances may change by, for they are summed in another order.
    const TINY: f64 = 1e-12;

    /// The pixels that get shares, and how many pixels are visited.
    #[derive(Default)]
    struct Seen {
        shares: Vec<(i64, i64, f64)>,
        visited: usize,
    }

    impl Visitor for Seen {
        fn row(&mut self, _: i64, _: i64, _: f64, _: &[f64]) {
            unreachable!("lanczos gives products");
        }

        fn patch<const N: usize>(&mut self, _: i64, _: i64, _: &[[f64; N]; N]) {
            unreachable!("lanczos gives products");
        }

        fn product(&mut self, x: i64, y: i64, factor: f64, across: &[f64], along: &[f64]) {
            for (y, across) in (y..).zip(across) {
                for (x, along) in (x..).zip(along) {
                    self.visited += 1;
                    let share = factor * across * along;
                    self.shares.extend((share.abs() > TINY).then_some((x, y, share)));
                }
            }
        }
    }

    proptest! {
        /// All pixels on which L does not vanish are visited, and no others; for output pixels that
        /// are much larger than the kernel there may be none.
        #[test]
        fn lanczos_visits_what_it_reaches(
            x in -3.0..3.0f64,
            y in prop::sample::select(vec![0.0, 0.5, 0.7, -1.25]),
            order in 2..4u8,
            ratio in prop::sample::select(vec![0.4, 1.0, 1.3, 9.0]),
        ) {
            let kernel = LanczosKernel::new(order, ratio);
            let droplet = Droplet { x, y, ..Droplet::default() };
            let mut seen = Seen::default();
            kernel.shares(&droplet, &crate::droplet::NO_QUAD, &mut Vec::new(), &mut seen);
            let within = |v: f64| (-20..=20).filter(move |&k: &i32| (f64::from(k) - v).abs() < f64::from(order) / ratio);
            prop_assert_eq!(seen.visited, within(x).count() * within(y).count());
            let along = |v: f64| (-20..=20).map(move |k: i32| kernel.value(f64::from(k) - v));
            let wanted: Vec<(i64, i64, f64)> = (-20..=20)
                .zip(along(y))
                .flat_map(|(row, across)| (-20..=20).zip(along(x)).map(move |(column, along)| (column, row, across * along)))
                .filter(|(_, _, share)| share.abs() > TINY)
                .collect();
            prop_assert_eq!(seen.shares.len(), wanted.len());
            for (seen, wanted) in seen.shares.iter().zip(&wanted) {
                prop_assert_eq!((seen.0, seen.1), (wanted.0, wanted.1));
                prop_assert!((seen.2 - wanted.2).abs() < TINY);
            }
        }
    }
}
