//! Accumulators: a square of output pixels in all planes, owned by one worker at a time.

use std::ops::Range;

use crate::DrizzleError;
use crate::droplet::{Droplet, Filed};
use crate::kernel::{NO_QUAD, Quad, SpatialKernel};
use crate::planes::{OptionalSums, Part, Planes};
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
    /// Mean surface brightness; NaN where there is no weight. (With a kernel whose shares may be negative, so
    /// may the weight be.)
    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    pub(crate) fn science(&self) -> f32 {
        if self.weight != 0.0 { (self.flux / self.weight) as f32 } else { f32::NAN }
    }

    /// Variance of the mean; NaN where there is no weight.
    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    pub(crate) fn variance(&self) -> f32 {
        if self.weight != 0.0 { (self.variance / (self.weight * self.weight)) as f32 } else { f32::NAN }
    }

    /// Sum of the weights.
    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    pub(crate) fn weight(&self) -> f32 {
        self.weight as f32
    }

    /// Bits set in every contribution; 0 where there is none.
    pub(crate) fn and_mask(&self) -> u32 {
        if self.count > 0 { !self.cleared } else { 0 }
    }

    /// Adds the sums of another voxel.
    fn merge(&mut self, other: &Self) {
        self.flux += other.flux;
        self.weight += other.weight;
        self.variance += other.variance;
        self.count = self.count.saturating_add(other.count);
        self.cleared |= other.cleared;
        self.set |= other.set;
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
    optional: OptionalSums,
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
    pub(crate) planes: &'a Planes,
    /// The exposure's number, where the context is kept.
    pub(crate) number: Option<u32>,
}

impl Tile {
    pub(crate) fn new(rows: Range<usize>, columns: Range<usize>) -> Self {
        Self { rows, columns, voxels: Vec::new(), optional: OptionalSums::default(), reached: Vec::new() }
    }

    /// The voxels of an output row in a plane; `None` where nothing has come to the tile.
    pub(crate) fn row(&self, y: usize, z: usize) -> Option<&[Voxel]> {
        let nx = self.columns.len();
        let first = (z * self.rows.len() + y - self.rows.start) * nx;
        self.voxels.get(first..first + nx)
    }

    /// The optional sums of an output row in a plane, `[x][sum]`; `None` where nothing has come to the tile.
    pub(crate) fn optional_row(&self, y: usize, z: usize, sums: usize) -> Option<&[f64]> {
        let nx = self.columns.len();
        let first = (z * self.rows.len() + y - self.rows.start) * nx * sums;
        self.optional.sums.get(first..first + nx * sums)
    }

    /// A word of the context of an output row in a plane; `None` where no exposure of that word has come.
    pub(crate) fn context_row(&self, y: usize, z: usize, word: usize) -> Option<&[u32]> {
        let nx = self.columns.len();
        let first = (z * self.rows.len() + y - self.rows.start) * nx;
        self.optional.context.get(word)?.get(first..first + nx)
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
        filed: &Filed,
        shares: Shares<'_, K>,
    ) -> Result<&[bool], DrizzleError> {
        let nz = shares.wavelengths.bins();
        self.reached.clear();
        self.reached.resize(nz, false);
        if !filed.droplets.is_empty() {
            self.allocate(nz)?;
            self.fetch(&filed.droplets, shares);
            if filed.values.is_empty() {
                self.add_droplets::<K, false>(filed, shares);
            } else {
                self.optional.allocate(shares.planes, self.voxels.len())?;
                if let Some(number) = shares.number {
                    self.optional.allocate_context(number, self.voxels.len())?;
                }
                self.add_droplets::<K, true>(filed, shares);
                self.optional.end_exposure(shares.planes, filed.constant_weight);
            }
        }
        Ok(&self.reached)
    }

    /// `VALUES`: the droplets bring values beside their own.
    fn add_droplets<K: SpatialKernel, const VALUES: bool>(&mut self, filed: &Filed, shares: Shares<'_, K>) {
        let mut cursor = Cursor { bin: 0, pixels: Vec::new(), scratch: Vec::new() };
        let stride = 1 + shares.planes.variances.len();
        for (k, droplet) in filed.droplets.iter().enumerate() {
            let quad = if K::CORNERS { &filed.quads[k] } else { &NO_QUAD };
            let values = if VALUES { &filed.values[k * stride..(k + 1) * stride] } else { &[] };
            self.add_droplet::<K, VALUES>(droplet, quad, values, shares, &mut cursor);
        }
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
    fn add_droplet<K: SpatialKernel, const VALUES: bool>(
        &mut self,
        droplet: &Droplet,
        quad: &Quad,
        values: &[f64],
        shares: Shares<'_, K>,
        cursor: &mut Cursor,
    ) {
        let edges = shares.wavelengths.edges();
        let nz = edges.len() - 1;
        self.find_pixels(droplet, quad, shares, cursor);
        let half = droplet.bandwidth * shares.half_z_shrink;
        let low = (droplet.wavelength - half).max(edges[0]);
        let high = (droplet.wavelength + half).min(edges[nz]);
        let mut z = first_bin(edges, low, cursor.bin);
        cursor.bin = z;
        if edges[z] <= low && high <= edges[z + 1] {
            return self.add_to_plane::<K, VALUES>(droplet, values, z, 1.0, shares, &cursor.pixels);
        }
        while z < nz && edges[z] < high {
            // The shares of all bins add up to one, also where the droplet reaches beyond the grid.
            let spectral = (high.min(edges[z + 1]) - low.max(edges[z])) / (high - low);
            if spectral > 0.0 {
                self.add_to_plane::<K, VALUES>(droplet, values, z, spectral, shares, &cursor.pixels);
            }
            z += 1;
        }
    }

    /// The pixels of this tile that get a share: where their voxels are in a plane, and the share.
    #[inline]
    fn find_pixels<K: SpatialKernel>(
        &self,
        droplet: &Droplet,
        quad: &Quad,
        shares: Shares<'_, K>,
        cursor: &mut Cursor,
    ) {
        let nx = self.columns.len();
        let Cursor { pixels, scratch, .. } = cursor;
        pixels.clear();
        shares.kernel.shares(droplet, quad, scratch, |x, y, spatial| {
            let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
            if self.columns.contains(&x) && self.rows.contains(&y) {
                pixels.push(((y - self.rows.start) * nx + x - self.columns.start, spatial));
            }
        });
    }

    #[inline]
    fn add_to_plane<K: SpatialKernel, const VALUES: bool>(
        &mut self,
        droplet: &Droplet,
        values: &[f64],
        z: usize,
        spectral: f64,
        shares: Shares<'_, K>,
        pixels: &[(usize, f64)],
    ) {
        let variance = f64::from(droplet.variance);
        let weight = if VALUES { values[0] } else { (1.0 / variance).min(shares.ivar_max) };
        let plane_len = self.plane_len();
        let plane = &mut self.voxels[z * plane_len..(z + 1) * plane_len];
        for &(pixel, spatial) in pixels {
            let share = spatial * spectral;
            let size = if K::SIGNED { share.abs() } else { share };
            if size < shares.min_overlap || size <= 0.0 {
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
            if VALUES {
                let part = Part { a, wavelength: droplet.wavelength, variance, variances: &values[1..] };
                self.optional.add(shares.planes, z * plane_len + pixel, &part);
                if let Some(number) = shares.number {
                    self.optional.mark(number, z * plane_len + pixel);
                }
            }
        }
    }
}

/// Sums that come from elsewhere.
impl Tile {
    /// Whether an image of `nx` columns has anything in this tile.
    pub(crate) fn any(&self, image: &[u32], nx: usize) -> bool {
        self.rows.clone().any(|y| image[y * nx..][self.columns.clone()].iter().any(|v| *v != 0))
    }

    /// Takes the memory of all sums but the context.
    pub(crate) fn allocate_all(&mut self, nz: usize, planes: &Planes) -> Result<(), DrizzleError> {
        self.allocate(nz)?;
        self.optional.allocate(planes, self.voxels.len())
    }

    /// Sets a value of each voxel of plane `z` from an image of `nx` columns, if there are voxels.
    pub(crate) fn set_plane<T: Copy>(
        &mut self,
        z: usize,
        image: &[T],
        nx: usize,
        set: impl Fn(&mut Voxel, T),
    ) {
        let (plane, width) = (self.plane_len(), self.columns.len());
        let Some(voxels) = self.voxels.get_mut(z * plane..(z + 1) * plane) else { return };
        for (row, y) in voxels.chunks_exact_mut(width).zip(self.rows.clone()) {
            let values = &image[y * nx..][self.columns.clone()];
            row.iter_mut().zip(values).for_each(|(voxel, value)| set(voxel, *value));
        }
    }

    /// Sets the k-th of `sums` optional sums of plane `z`, if there is memory for them.
    pub(crate) fn set_optional(&mut self, z: usize, image: &[f64], nx: usize, (k, sums): (usize, usize)) {
        let plane = self.plane_len() * sums;
        let Some(values) = self.optional.sums.get_mut(z * plane..(z + 1) * plane) else { return };
        for (row, y) in values.chunks_exact_mut(self.columns.len() * sums).zip(self.rows.clone()) {
            let values = &image[y * nx..][self.columns.clone()];
            row.iter_mut().skip(k).step_by(sums).zip(values).for_each(|(sum, value)| *sum = *value);
        }
    }

    /// Sets a word of the context of plane `z`.
    pub(crate) fn set_context(
        &mut self,
        z: usize,
        image: &[u32],
        nx: usize,
        word: usize,
    ) -> Result<(), DrizzleError> {
        let (plane, width) = (self.plane_len(), self.columns.len());
        self.optional.allocate_words(word + 1, self.voxels.len())?;
        let bits = self.optional.context[word].iter_mut().skip(z * plane);
        let values = self.rows.clone().flat_map(|y| &image[y * nx..][self.columns.start..][..width]);
        bits.zip(values).for_each(|(bits, value)| *bits = *value);
        Ok(())
    }

    /// Adds the sums of the same tile of another drizzle, whose exposures are counted from `first` on.
    pub(crate) fn merge(
        &mut self,
        other: &Self,
        nz: usize,
        planes: &Planes,
        first: u32,
    ) -> Result<(), DrizzleError> {
        if other.voxels.is_empty() {
            return Ok(());
        }
        self.allocate_all(nz, planes)?;
        self.voxels.iter_mut().zip(&other.voxels).for_each(|(voxel, more)| voxel.merge(more));
        self.optional.merge(&other.optional, first, self.voxels.len())
    }
}

/// What is kept from one droplet to the next.
struct Cursor {
    /// Where the last one began in wavelength, which is where the next most likely begins.
    bin: usize,
    /// Memory for the pixels of one droplet.
    pixels: Vec<(usize, f64)>,
    /// Memory for the kernel.
    scratch: Vec<f64>,
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
