//! The bilinear kernel, and what all kernels are tested with.

use super::spatial::{SpatialKernel, Visitor};
use crate::droplet::{Droplet, Quad};
use crate::numbers::floor;

/// `f = max(1 - |dx|, 0) max(1 - |dy|, 0) xy_shrink^2`, with the distances measured from the
/// centers of the 2 x 2 output pixels around the droplet, so that the shares add up to
/// `xy_shrink^2` wherever it falls.
///
/// spxquery measures from `ox + 0.5` and never looks at the pixel to the left or below; its stars
/// come out 0.2 to 0.5 px off and its shares do not add up.
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

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::droplet::NO_QUAD;

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
    fn a_droplet_on_a_center_stays_there() {
        assert_eq!(shares(3.0, -2.0, 1.0), [(3, -2, 1.0)]);
    }

    #[test]
    fn a_droplet_between_four_centers_is_quartered() {
        let quarter = 0.25 * 0.8 * 0.8;
        let expected = [(3, 7, quarter), (4, 7, quarter), (3, 8, quarter), (4, 8, quarter)];
        assert_eq!(shares(3.5, 7.5, 0.8), expected);
    }

    proptest! {
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
