//! Spatial kernels: how an input pixel is shared among output pixels.

mod functions;
mod overlap;
mod spread;

pub(crate) use overlap::SquareKernel;
pub(crate) use spread::{GaussianKernel, LanczosKernel, PointKernel, TurboKernel};

use crate::droplet::Droplet;

/// The corners of a projected, shrunken pixel, one after another along its outline [output px].
pub(crate) type Quad = [[f64; 2]; 4];

/// The seam where kernels go in. A kernel is chosen once for each tile, so that the loop
/// over droplets is compiled for it.
pub(crate) trait SpatialKernel: Copy + Sync {
    /// Whether shares depend on the corners of the droplet; `quad` is given to no other kernel.
    const CORNERS: bool = false;
    /// Whether shares may be negative.
    const SIGNED: bool = false;
    /// A share smaller than this is none.
    const LEAST: f64 = f64::from_bits(1);

    /// How far from a droplet's centre its shares reach at most, along either axis \[output px\].
    fn reach(&self) -> f64;

    /// The same for one droplet with these corners.
    #[inline(always)]
    fn reach_of(&self, _centre: [f64; 2], _quad: &Quad) -> f64 {
        self.reach()
    }

    /// Visits the output pixels that get shares; pixels outside the grid are included. `scratch` is memory that goes from
    /// droplet to droplet.
    fn shares(&self, droplet: &Droplet, quad: &Quad, scratch: &mut Vec<f64>, visitor: &mut impl Visitor);
}

/// What is done with shares. (Not a closure, for those cannot be asked to be inlined.)
pub(crate) trait Visitor {
    /// `factor * along[k]` is the share of pixel `(x + k, y)`.
    fn row(&mut self, x: i64, y: i64, factor: f64, along: &[f64]);

    /// `shares[j][k]` is the share of pixel `(x + k, y + j)`; some may be zero.
    fn patch<const N: usize>(&mut self, x: i64, y: i64, shares: &[[f64; N]; N]);

    /// `factor * across[j] * along[k]` is the share of pixel `(x + k, y + j)`.
    fn product(&mut self, x: i64, y: i64, factor: f64, across: &[f64], along: &[f64]);
}

/// Numbers that are computed together.
const LANES: usize = 4;

/// What stands for the corners where the kernel does not ask for them.
pub(crate) const NO_QUAD: Quad = [[f64::NAN; 2]; 4];

/// `f = max(1 - |dx|, 0) max(1 - |dy|, 0) xy_shrink^2`, with the distances measured from the centres of the
/// 2 x 2 output pixels around the droplet, so that the shares add up to `xy_shrink^2` wherever it falls.
///
/// spxquery measures from `ox + 0.5` and never looks at the pixel to the left or below; its stars come
/// out 0.2 to 0.5 px off and its shares do not add up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BilinearKernel {
    area: f64,
}

impl BilinearKernel {
    pub(crate) fn new(xy_shrink: f64) -> Self {
        Self { area: xy_shrink * xy_shrink }
    }
}

impl SpatialKernel for BilinearKernel {
    fn reach(&self) -> f64 {
        1.0
    }

    #[inline(always)]
    fn shares(&self, droplet: &Droplet, _: &Quad, _: &mut Vec<f64>, visitor: &mut impl Visitor) {
        let (x, y) = (floor(droplet.x), floor(droplet.y));
        let (fx, fy) = (droplet.x - x as f64, droplet.y - y as f64);
        let (lower, upper) = ((1.0 - fy) * self.area, fy * self.area);
        visitor.patch(x, y, &[[lower * (1.0 - fx), lower * fx], [upper * (1.0 - fx), upper * fx]]);
    }
}

/// Added to a number of modest size, leaves in the lowest bits the integer nearest to it, ties to even.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;

/// The largest integer not above `v`, for `|v| < 2^51`: without the library call that `f64::floor` is on plain x86-64,
/// and without the tests that a conversion by `as` comes with.
#[inline(always)]
pub(crate) fn floor(v: f64) -> i64 {
    let rounded = v + ROUND;
    let nearest = rounded.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
    nearest - i64::from(rounded - ROUND > v)
}

/// As [`floor`], as a number.
#[inline(always)]
pub(crate) fn round_down(v: f64) -> f64 {
    let nearest = (v + ROUND) - ROUND;
    if nearest > v { nearest - 1.0 } else { nearest }
}

/// The smaller of two numbers that are not NaN, in one instruction.
#[inline(always)]
pub(crate) fn min(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// The larger of two numbers that are not NaN, in one instruction.
#[inline(always)]
pub(crate) fn max(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn at(x: f64, y: f64) -> Droplet {
        Droplet { x, y, flux: 1.0, variance: 1.0, flags: 0 }
    }

    /// All pixels that get a share, with it.
    pub(crate) fn shares_of<K: SpatialKernel>(
        kernel: &K,
        droplet: &Droplet,
        quad: &Quad,
    ) -> Vec<(i64, i64, f64)> {
        let mut all = All { shares: Vec::new(), least: K::LEAST };
        kernel.shares(droplet, quad, &mut Vec::new(), &mut all);
        all.shares
    }

    struct All {
        shares: Vec<(i64, i64, f64)>,
        least: f64,
    }

    impl Visitor for All {
        fn row(&mut self, x: i64, y: i64, factor: f64, along: &[f64]) {
            let shares = (x..).zip(along).map(|(x, share)| (x, y, factor * share));
            self.shares.extend(shares.filter(|(.., share)| share.abs() >= self.least));
        }

        fn patch<const N: usize>(&mut self, x: i64, y: i64, shares: &[[f64; N]; N]) {
            (y..).zip(shares).for_each(|(y, row)| self.row(x, y, 1.0, row));
        }

        fn product(&mut self, x: i64, y: i64, factor: f64, across: &[f64], along: &[f64]) {
            (y..).zip(across).for_each(|(y, across)| self.row(x, y, factor * across, along));
        }
    }

    fn shares(x: f64, y: f64, shrink: f64) -> Vec<(i64, i64, f64)> {
        shares_of(&BilinearKernel::new(shrink), &at(x, y), &NO_QUAD)
    }

    #[test]
    fn a_droplet_on_a_centre_stays_there() {
        assert_eq!(shares(3.0, -2.0, 1.0), [(3, -2, 1.0)]);
    }

    #[test]
    fn a_droplet_between_four_centres_is_quartered() {
        let quarter = 0.25 * 0.8 * 0.8;
        let expected = [(3, 7, quarter), (4, 7, quarter), (3, 8, quarter), (4, 8, quarter)];
        assert_eq!(shares(3.5, 7.5, 0.8), expected);
    }

    proptest! {
        #[test]
        fn floor_is_the_floor(v in -1e6..1e6f64) {
            prop_assert_eq!(floor(v) as f64, v.floor());
            prop_assert_eq!(floor(v.round()) as f64, v.round());
            prop_assert_eq!((round_down(v), round_down(v.round())), (v.floor(), v.round()));
        }

        #[test]
        fn shares_add_up_and_keep_the_centroid(x in -5.0..5.0f64, y in -5.0..5.0f64, shrink in 0.01..=1.0f64) {
            let all = shares(x, y, shrink);
            let sum: f64 = all.iter().map(|s| s.2).sum();
            prop_assert!((sum - shrink * shrink).abs() < 1e-14);
            let cx = all.iter().map(|s| s.0 as f64 * s.2).sum::<f64>() / sum;
            let cy = all.iter().map(|s| s.1 as f64 * s.2).sum::<f64>() / sum;
            prop_assert!((cx - x).abs() < 1e-13 && (cy - y).abs() < 1e-13);
        }
    }
}
