//! Accumulators: a square of output pixels in all planes, owned by one worker at a time.

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

/// A square of output pixels in all planes; its voxels are allocated when the first droplet comes.
#[derive(Debug)]
pub(crate) struct Tile {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
    /// `[z][y][x]` within the tile.
    voxels: Vec<Voxel>,
    /// Whether the exposure that is being added has reached a plane.
    reached: Vec<bool>,
}

/// What accumulation needs to know of the output.
#[derive(Clone, Copy)]
pub(crate) struct Shares<'a, K> {
    pub(crate) kernel: K,
    pub(crate) wavelengths: &'a WavelengthGrid,
    pub(crate) half_z_shrink: f64,
    pub(crate) ivar_max: f64,
    pub(crate) min_overlap: f64,
}

impl Tile {
    pub(crate) fn new(rows: Range<usize>, columns: Range<usize>) -> Self {
        Self { rows, columns, voxels: Vec::new(), reached: Vec::new() }
    }

    /// The voxels of an output row in a plane; `None` where nothing has come to the tile.
    pub(crate) fn row(&self, y: usize, z: usize) -> Option<&[Voxel]> {
        let nx = self.columns.len();
        let first = (z * self.rows.len() + y - self.rows.start) * nx;
        self.voxels.get(first..first + nx)
    }

    /// Voxels of one plane.
    fn plane_len(&self) -> usize {
        self.rows.len() * self.columns.len()
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
            self.allocate(nz)?;
            self.fetch(droplets, shares);
        }
        let mut cursor = Cursor { bin: 0, pixels: Vec::new() };
        for droplet in droplets {
            self.add_droplet(droplet, shares, &mut cursor);
        }
        Ok(&self.reached)
    }

    fn allocate(&mut self, nz: usize) -> Result<(), DrizzleError> {
        let (ny, nx) = (self.rows.len(), self.columns.len());
        if self.voxels.is_empty() {
            self.voxels.try_reserve_exact(ny * nz * nx).map_err(|_| DrizzleError::Size { nx, ny, nz })?;
            self.voxels.resize(ny * nz * nx, Voxel::default());
        }
        Ok(())
    }

    /// Brings the planes that the droplets will reach into the cache, from one end to the other, which memory
    /// does several times as fast as it serves the droplets' scattered accesses. Changes nothing.
    fn fetch<K: SpatialKernel>(&self, droplets: &[Droplet], shares: Shares<'_, K>) {
        const CACHE_LINE: usize = 64;
        let plane = self.plane_len();
        if droplets.len() < plane / 4 {
            return;
        }
        let edges = shares.wavelengths.edges();
        let half = |d: &Droplet| d.bandwidth * shares.half_z_shrink;
        let low = droplets.iter().map(|d| d.wavelength - half(d)).fold(f64::INFINITY, f64::min);
        let high = droplets.iter().map(|d| d.wavelength + half(d)).fold(0.0, f64::max);
        let first = first_bin(edges, low, 0);
        let last = first_bin(edges, high, first);
        let planes = &self.voxels[first * plane..(last + 1) * plane];
        let step = CACHE_LINE.div_ceil(size_of::<Voxel>()).max(1);
        std::hint::black_box(planes.iter().step_by(step).map(|v| u64::from(v.count)).sum::<u64>());
    }

    #[inline]
    fn add_droplet<K: SpatialKernel>(
        &mut self,
        droplet: &Droplet,
        shares: Shares<'_, K>,
        cursor: &mut Cursor,
    ) {
        let edges = shares.wavelengths.edges();
        let nz = edges.len() - 1;
        self.find_pixels(droplet, shares, &mut cursor.pixels);
        let half = droplet.bandwidth * shares.half_z_shrink;
        let low = (droplet.wavelength - half).max(edges[0]);
        let high = (droplet.wavelength + half).min(edges[nz]);
        let mut z = first_bin(edges, low, cursor.bin);
        cursor.bin = z;
        if edges[z] <= low && high <= edges[z + 1] {
            return self.add_to_plane(droplet, z, 1.0, shares, &cursor.pixels);
        }
        while z < nz && edges[z] < high {
            // The shares of all bins add up to one, also where the droplet reaches beyond the grid.
            let spectral = (high.min(edges[z + 1]) - low.max(edges[z])) / (high - low);
            if spectral > 0.0 {
                self.add_to_plane(droplet, z, spectral, shares, &cursor.pixels);
            }
            z += 1;
        }
    }

    /// The pixels of this tile that get a share: where their voxels are in a plane, and the share.
    #[inline]
    fn find_pixels<K: SpatialKernel>(
        &self,
        droplet: &Droplet,
        shares: Shares<'_, K>,
        pixels: &mut Vec<(usize, f64)>,
    ) {
        let nx = self.columns.len();
        pixels.clear();
        shares.kernel.shares(droplet, |x, y, spatial| {
            let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
            if self.columns.contains(&x) && self.rows.contains(&y) {
                pixels.push(((y - self.rows.start) * nx + x - self.columns.start, spatial));
            }
        });
    }

    #[inline]
    fn add_to_plane<K: SpatialKernel>(
        &mut self,
        droplet: &Droplet,
        z: usize,
        spectral: f64,
        shares: Shares<'_, K>,
        pixels: &[(usize, f64)],
    ) {
        let variance = f64::from(droplet.variance);
        let weight = (1.0 / variance).min(shares.ivar_max);
        let plane_len = self.plane_len();
        let plane = &mut self.voxels[z * plane_len..(z + 1) * plane_len];
        for &(pixel, spatial) in pixels {
            let share = spatial * spectral;
            if share < shares.min_overlap || share <= 0.0 {
                continue;
            }
            let a = weight * share;
            let voxel = &mut plane[pixel];
            voxel.flux += a * droplet.flux;
            voxel.weight += a;
            voxel.variance += a * a * variance;
            voxel.count = voxel.count.saturating_add(1);
            voxel.cleared |= !droplet.flags;
            voxel.set |= droplet.flags;
            self.reached[z] = true;
        }
    }
}

/// What is kept from one droplet to the next.
struct Cursor {
    /// Where the last one began in wavelength, which is where the next most likely begins.
    bin: usize,
    /// Memory for the pixels of one droplet.
    pixels: Vec<(usize, f64)>,
}

/// The bin that holds `low`, which lies in the grid; the search starts at `guess`.
#[inline]
fn first_bin(edges: &[f64], low: f64, guess: usize) -> usize {
    let mut bin = guess;
    while bin > 0 && edges[bin] > low {
        bin -= 1;
    }
    while bin + 2 < edges.len() && edges[bin + 1] <= low {
        bin += 1;
    }
    bin
}
