//! Accumulators: a strip of output rows in all planes, owned by one worker at a time.

use std::ops::Range;

use crate::DrizzleError;
use crate::droplet::Droplet;
use crate::kernel::SpatialKernel;
use crate::wavelength::WavelengthGrid;

/// The running sums of one voxel. All zero is the empty voxel.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Voxel {
    /// Sum of a F.
    pub(crate) flux: f64,
    /// Sum of a.
    pub(crate) weight: f64,
    /// Sum of a^2 s2.
    pub(crate) variance: f64,
    /// Number of contributions.
    pub(crate) count: u32,
    /// Bits that were clear in some contribution: the complement of the AND of all flags.
    pub(crate) cleared: u32,
    /// Bits that were set in some contribution.
    pub(crate) set: u32,
}

impl Voxel {
    /// Mean surface brightness; NaN where there is no weight.
    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    pub(crate) fn science(&self) -> f32 {
        if self.weight > 0.0 { (self.flux / self.weight) as f32 } else { f32::NAN }
    }

    /// Variance of the mean; NaN where there is no weight.
    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    pub(crate) fn variance(&self) -> f32 {
        if self.weight > 0.0 { (self.variance / (self.weight * self.weight)) as f32 } else { f32::NAN }
    }

    /// Bits set in every contribution; 0 where there is none.
    pub(crate) fn and_mask(&self) -> u32 {
        if self.count > 0 { !self.cleared } else { 0 }
    }

    /// Contributions, at most 65535.
    pub(crate) fn saturated_count(&self) -> u16 {
        u16::try_from(self.count).unwrap_or(u16::MAX)
    }
}

/// Consecutive output rows in all planes; its voxels `[y][z][x]` are allocated when the first droplet comes.
#[derive(Debug)]
pub(crate) struct Strip {
    pub(crate) rows: Range<usize>,
    voxels: Vec<Voxel>,
    /// Whether the exposure that is being added has reached a plane.
    reached: Vec<bool>,
}

/// What accumulation needs to know of the output.
#[derive(Clone, Copy)]
pub(crate) struct Shares<'a, K> {
    pub(crate) kernel: K,
    pub(crate) nx: usize,
    pub(crate) wavelengths: &'a WavelengthGrid,
    pub(crate) half_z_shrink: f64,
    pub(crate) ivar_max: f64,
    pub(crate) min_overlap: f64,
}

impl Strip {
    pub(crate) fn new(rows: Range<usize>) -> Self {
        Self { rows, voxels: Vec::new(), reached: Vec::new() }
    }

    /// The voxels of an output row in a plane; `None` where nothing has come to the strip.
    pub(crate) fn row(&self, y: usize, z: usize, nz: usize, nx: usize) -> Option<&[Voxel]> {
        let first = ((y - self.rows.start) * nz + z) * nx;
        self.voxels.get(first..first + nx)
    }

    /// Voxels with more contributions than COUNT can tell.
    pub(crate) fn saturated(&self) -> u64 {
        self.voxels.iter().filter(|v| v.count > u32::from(u16::MAX)).count() as u64
    }

    /// Adds droplets in their order and tells which planes they reached.
    pub(crate) fn add<K: SpatialKernel>(
        &mut self,
        droplets: &[Droplet],
        shares: Shares<'_, K>,
    ) -> Result<&[bool], DrizzleError> {
        let nz = shares.wavelengths.bins();
        self.reached.clear();
        self.reached.resize(nz, false);
        if !droplets.is_empty() {
            self.allocate(nz, shares.nx)?;
        }
        let mut bin = 0;
        for droplet in droplets {
            self.add_droplet(droplet, shares, &mut bin);
        }
        Ok(&self.reached)
    }

    fn allocate(&mut self, nz: usize, nx: usize) -> Result<(), DrizzleError> {
        let ny = self.rows.len();
        if self.voxels.is_empty() {
            self.voxels.try_reserve_exact(ny * nz * nx).map_err(|_| DrizzleError::Size { nx, ny, nz })?;
            self.voxels.resize(ny * nz * nx, Voxel::default());
        }
        Ok(())
    }

    /// `bin` is where the last droplet began, which is where this one most likely begins.
    #[inline]
    fn add_droplet<K: SpatialKernel>(&mut self, droplet: &Droplet, shares: Shares<'_, K>, bin: &mut usize) {
        let edges = shares.wavelengths.edges();
        let nz = edges.len() - 1;
        let half = droplet.bandwidth * shares.half_z_shrink;
        let low = (droplet.wavelength - half).max(edges[0]);
        let high = (droplet.wavelength + half).min(edges[nz]);
        while *bin > 0 && edges[*bin] > low {
            *bin -= 1;
        }
        while *bin + 1 < nz && edges[*bin + 1] <= low {
            *bin += 1;
        }
        let mut z = *bin;
        while z < nz && edges[z] < high {
            // The shares of all bins add up to one, also where the droplet reaches beyond the grid.
            let spectral = (high.min(edges[z + 1]) - low.max(edges[z])) / (high - low);
            if spectral > 0.0 {
                self.add_to_plane(droplet, z, spectral, shares);
            }
            z += 1;
        }
    }

    #[inline]
    fn add_to_plane<K: SpatialKernel>(
        &mut self,
        droplet: &Droplet,
        z: usize,
        spectral: f64,
        shares: Shares<'_, K>,
    ) {
        let (nx, nz) = (shares.nx, shares.wavelengths.bins());
        let variance = f64::from(droplet.variance);
        let weight = (1.0 / variance).min(shares.ivar_max);
        shares.kernel.shares(droplet, |x, y, spatial| {
            let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
            let share = spatial * spectral;
            if x >= nx || !self.rows.contains(&y) || share < shares.min_overlap || share <= 0.0 {
                return;
            }
            let a = weight * share;
            let voxel = &mut self.voxels[((y - self.rows.start) * nz + z) * nx + x];
            voxel.flux += a * droplet.flux;
            voxel.weight += a;
            voxel.variance += a * a * variance;
            voxel.count = voxel.count.saturating_add(1);
            voxel.cleared |= !droplet.flags;
            voxel.set |= droplet.flags;
            self.reached[z] = true;
        });
    }
}
