//! What exposures reach of a cube, by bands of rows of its planes: sums that are kept in a file
//! need not be read, nor written anew, where nothing is added to them.

use std::ops::Range;

use crate::DrizzlePlan;
use crate::addition::WavelengthShares;
use crate::droplets::Droplets;
use crate::kernel::SpatialKernel;
use crate::plan::with_kernel;
use crate::source::FiledDroplets;

/// Bands of so many rows of each plane, and whether exposures reach them; at least those are named
/// of which a voxel changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachedBands {
    /// Rows of a band.
    height: usize,
    /// Rows of a plane.
    rows: usize,
    /// `[z][band]`
    planes: Vec<Vec<bool>>,
}

impl ReachedBands {
    /// Bands of so many rows, none of them reached.
    pub(crate) fn new(plan: &DrizzlePlan, height: usize) -> Self {
        let [nz, ny, _] = plan.cube_shape();
        Self { height, rows: ny, planes: vec![vec![false; ny.div_ceil(height)]; nz] }
    }

    /// Whether any band of a plane is reached.
    pub fn any(&self, z: usize) -> bool {
        self.planes[z].contains(&true)
    }

    /// The rows of a plane in their order, in runs that are reached, or not.
    pub fn runs(&self, z: usize) -> impl Iterator<Item = (Range<usize>, bool)> {
        let mut first = 0;
        self.planes[z].chunk_by(|a, b| a == b).map(move |run| {
            let start = first * self.height;
            first += run.len();
            (start..self.rows.min(first * self.height), run[0])
        })
    }

    /// The share of the rows of all planes that is reached.
    pub fn share(&self) -> f64 {
        let reached = self.planes.iter().flatten().filter(|reached| **reached).count();
        reached as f64 / self.planes.iter().map(Vec::len).sum::<usize>() as f64
    }

    /// Adds what the filed droplets of an exposure reach.
    pub(crate) fn add(&mut self, plan: &DrizzlePlan, exposure: &Droplets<'_>) {
        with_kernel!(plan.options, exposure.pixel_scale_ratio, kernel => {
            for (tile, filed) in plan.tiles().zip(&exposure.tiles) {
                self.add_filed(plan, &kernel, &tile.rows, filed);
            }
        });
    }

    /// Adds what droplets reach of a tile of these rows.
    fn add_filed<K: SpatialKernel>(
        &mut self,
        plan: &DrizzlePlan,
        kernel: &K,
        rows: &Range<usize>,
        filed: &FiledDroplets,
    ) {
        let (edges, half) = (plan.wavelengths.edges(), 0.5 * plan.options.effective_z_shrink());
        let mut bins = WavelengthShares::default();
        bins.shares.push((0, 1.0));
        for (k, droplet) in filed.droplets.iter().enumerate() {
            let position = [droplet.x, droplet.y];
            let reach = if K::CORNERS { kernel.reach_of(position, &filed.quads[k]) } else { kernel.reach() };
            // A row more on either side does no harm.
            let place = |y: f64| crate::numbers::floor(y.clamp(0.0, rows.len() as f64 - 1.0));
            let [first, last] = [droplet.y - reach - 1.0, droplet.y + reach + 1.0]
                .map(|y| (rows.start + usize::try_from(place(y)).unwrap_or(0)) / self.height);
            if plan.wavelengths.bins() > 1 {
                bins.find(filed.bands[k], edges, half);
            }
            for (z, _) in &bins.shares {
                self.planes[*z][first..=last].fill(true);
            }
        }
    }
}
