//! What a kernel is to the addition of droplets.

use crate::droplet::{Droplet, Quad};

/// The seam where kernels go in. A kernel is chosen once for each tile, so that the loop
/// over droplets is compiled for it.
pub(crate) trait SpatialKernel: Copy + Sync {
    /// Whether shares depend on the corners of the droplet; `quad` is given to no other kernel.
    const CORNERS: bool = false;
    /// Whether shares may be negative.
    const SIGNED: bool = false;
    /// A share smaller than this is none.
    const LEAST: f64 = f64::from_bits(1);

    /// How far from a droplet's center its shares reach at most, along either axis \[output px\].
    fn reach(&self) -> f64;

    /// The same for one droplet with these corners.
    #[inline(always)]
    fn reach_of(&self, _center: [f64; 2], _quad: &Quad) -> f64 {
        self.reach()
    }

    /// Visits the output pixels that get shares; pixels outside the grid are included. `scratch` is
    /// memory that goes from droplet to droplet.
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
