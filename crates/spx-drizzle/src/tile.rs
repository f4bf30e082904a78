//! Accumulators: a square of output pixels in all planes, owned by one worker at a time.

use std::ops::{Range, RangeInclusive};

use spx_core::map::Passband;

use crate::DrizzleError;
use crate::droplet::{Droplet, Run};
use crate::kernel::{NO_QUAD, Quad, SpatialKernel, Visitor, floor, min};
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

    /// Adds a contribution of a droplet: `a` is weight times share.
    #[inline(always)]
    fn add(&mut self, a: f64, variance: f64, droplet: &Droplet) {
        self.flux += a * droplet.flux;
        self.weight += a;
        self.variance += a * a * variance;
        self.count = self.count.saturating_add(1);
        self.cleared |= !droplet.flags;
        self.set |= droplet.flags;
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

/// What is kept from one droplet of an exposure to the next.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// Whether the exposure has reached a plane.
    pub(crate) reached: Vec<bool>,
    /// Where the last one began in wavelength, which is where the next most likely begins.
    bin: usize,
    /// The bins that it reaches, and its share in each.
    bins: Vec<(usize, f64)>,
    /// Memory for the kernel.
    scratch: Vec<f64>,
}

impl Cursor {
    /// For a grid of so many bins.
    pub(crate) fn new(nz: usize) -> Self {
        Self { reached: vec![false; nz], ..Self::default() }
    }

    /// Finds the bins that a droplet reaches. Its shares of all bins add up to one, also where it reaches beyond the
    /// grid.
    #[inline(always)]
    fn find_bins(&mut self, band: Passband, edges: &[f64], half_z_shrink: f64) {
        let nz = edges.len() - 1;
        let half = band.width * half_z_shrink;
        let low = (band.centre - half).max(edges[0]);
        let high = (band.centre + half).min(edges[nz]);
        let mut z = first_bin(edges, low, self.bin);
        self.bin = z;
        self.bins.clear();
        if edges[z] <= low && high <= edges[z + 1] {
            return self.bins.push((z, 1.0));
        }
        while z < nz && edges[z] < high {
            let spectral = (high.min(edges[z + 1]) - low.max(edges[z])) / (high - low);
            if spectral > 0.0 {
                self.bins.push((z, spectral));
            }
            z += 1;
        }
    }
}

impl Tile {
    pub(crate) fn new(rows: Range<usize>, columns: Range<usize>) -> Self {
        Self { rows, columns, voxels: Vec::new(), optional: OptionalSums::default() }
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

    /// Adds droplets in their order.
    pub(crate) fn add<K: SpatialKernel>(
        &mut self,
        run: Run<'_>,
        shares: &Shares<'_, K>,
        cursor: &mut Cursor,
    ) -> Result<(), DrizzleError> {
        self.allocate(shares.wavelengths.bins())?;
        if !run.values.is_empty() {
            self.optional.allocate(shares.planes, self.voxels.len())?;
            if let Some(number) = shares.number {
                self.optional.allocate_context(number, self.voxels.len())?;
            }
        }
        self.fetch(run, shares);
        pulp::Arch::new().dispatch(AddRun { tile: self, run, shares, cursor });
        Ok(())
    }

    /// Ends an exposure, which had this constant weight.
    pub(crate) fn end_exposure(&mut self, planes: &Planes, constant: Option<f64>) {
        self.optional.end_exposure(planes, constant);
    }

    /// `BANDS`: the droplets bring passbands, for there are several bins or values. `VALUES`: they bring values beside
    /// their own.
    #[inline(always)]
    fn add_run<K: SpatialKernel, const BANDS: bool, const VALUES: bool>(
        &mut self,
        run: Run<'_>,
        shares: &Shares<'_, K>,
        cursor: &mut Cursor,
    ) {
        let edges = shares.wavelengths.edges();
        let stride = 1 + shares.planes.variances.len();
        for (k, droplet) in run.droplets.iter().enumerate() {
            let band = if BANDS { run.bands[k] } else { Passband { centre: 0.0, width: 0.0 } };
            if BANDS {
                cursor.find_bins(band, edges, shares.half_z_shrink);
            }
            let values = if VALUES { &run.values[k * stride..(k + 1) * stride] } else { &[] };
            let quad = if K::CORNERS { run.quad(k) } else { &NO_QUAD };
            self.add_droplet::<K, BANDS, VALUES>(droplet, quad, (band.centre, values), shares, cursor);
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

    /// Brings the rows that droplets will reach into the cache, from one end to the other, which memory does several
    /// times as fast as it serves the droplets' scattered accesses. Changes nothing.
    fn fetch<K>(&self, run: Run<'_>, shares: &Shares<'_, K>) {
        /// Droplets that are looked at to learn about all.
        const SAMPLE: usize = 8;
        const CACHE_LINE: usize = 64;
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for droplet in run.droplets.iter().step_by(SAMPLE) {
            (low, high) = (low.min(droplet.y), high.max(droplet.y));
        }
        let last = self.rows.len() - 1;
        let place = |v: f64| usize::try_from(floor(v)).unwrap_or(0).min(last);
        let (first, last) = (place(low), place(high + 1.0));
        let voxels = (last + 1 - first) * self.columns.len();
        if run.droplets.len() < voxels / 8 {
            return;
        }
        let step = CACHE_LINE.div_ceil(size_of::<Voxel>()).max(1);
        for z in planes_reached(run.bands, shares) {
            let start = z * self.plane_len() + first * self.columns.len();
            let voxels = &self.voxels[start..start + voxels];
            std::hint::black_box(voxels.iter().step_by(step).map(|v| u64::from(v.count)).sum::<u64>());
        }
    }

    /// Adds the shares of a droplet that fall into this tile.
    #[inline(always)]
    fn add_droplet<K: SpatialKernel, const BANDS: bool, const VALUES: bool>(
        &mut self,
        droplet: &Droplet,
        quad: &Quad,
        (wavelength, values): (f64, &[f64]),
        shares: &Shares<'_, K>,
        cursor: &mut Cursor,
    ) {
        let Cursor { reached, bins, scratch, .. } = cursor;
        let variance = f64::from(droplet.variance);
        let weight = if VALUES { values[0] } else { min(1.0 / variance, shares.ivar_max) };
        let mut rows = Rows::<K, BANDS, VALUES> {
            shape: [self.rows.len(), self.columns.len()],
            voxels: &mut self.voxels,
            optional: &mut self.optional,
            reached,
            bins,
            droplet,
            variance,
            weight,
            least: shares.min_overlap.max(K::LEAST),
            wavelength,
            values,
            shares,
        };
        shares.kernel.shares(droplet, quad, scratch, &mut rows);
    }
}

/// Adds the shares of a droplet to the voxels of a tile.
struct Rows<'a, 'b, K, const BANDS: bool, const VALUES: bool> {
    shape: [usize; 2],
    voxels: &'a mut [Voxel],
    optional: &'a mut OptionalSums,
    reached: &'a mut [bool],
    bins: &'a [(usize, f64)],
    droplet: &'a Droplet,
    variance: f64,
    weight: f64,
    /// A share that is smaller is dropped.
    least: f64,
    wavelength: f64,
    values: &'a [f64],
    shares: &'a Shares<'b, K>,
}

impl<K: SpatialKernel, const BANDS: bool, const VALUES: bool> Visitor for Rows<'_, '_, K, BANDS, VALUES> {
    #[inline(always)]
    fn row(&mut self, x: i64, y: i64, factor: f64, along: &[f64]) {
        let [height, width] = self.shape;
        let (Some((row, _)), Some((column, part))) = (clip(y, 1, height), clip(x, along.len(), width)) else {
            return;
        };
        let along = &along[part];
        let bins = if BANDS { self.bins } else { &[(0, 1.0)] };
        for &(z, spectral) in bins {
            let first = (z * height + row) * width + column;
            self.add(z, first, factor * spectral, along);
        }
    }

    #[inline(always)]
    fn few<const N: usize>(&mut self, x: i64, y: i64, factor: f64, along: &[f64; N]) {
        let [height, width] = self.shape;
        let places = (usize::try_from(x), usize::try_from(y));
        let (Ok(column), Ok(row)) = places else { return self.row(x, y, factor, along) };
        if VALUES || column + N > width || row >= height {
            return self.row(x, y, factor, along);
        }
        let bins = if BANDS { self.bins } else { &[(0, 1.0)] };
        for &(z, spectral) in bins {
            let first = (z * height + row) * width + column;
            let Some(voxels) = self.voxels[first..].first_chunk_mut::<N>() else { return };
            let (factor, mut any) = (factor * spectral, false);
            for (voxel, share) in voxels.iter_mut().zip(along) {
                let share = factor * share;
                let size = if K::SIGNED { share.abs() } else { share };
                if size >= self.least {
                    voxel.add(self.weight * share, self.variance, self.droplet);
                    any = true;
                }
            }
            self.reached[z] |= any;
        }
    }
}

impl<K: SpatialKernel, const BANDS: bool, const VALUES: bool> Rows<'_, '_, K, BANDS, VALUES> {
    /// Adds to the voxels from `first` on, which lie in plane `z`.
    #[inline(always)]
    fn add(&mut self, z: usize, first: usize, factor: f64, along: &[f64]) {
        let voxels = &mut self.voxels[first..first + along.len()];
        for (k, (voxel, share)) in voxels.iter_mut().zip(along).enumerate() {
            let share = factor * share;
            let size = if K::SIGNED { share.abs() } else { share };
            if size < self.least {
                continue;
            }
            let a = self.weight * share;
            voxel.add(a, self.variance, self.droplet);
            self.reached[z] = true;
            if VALUES {
                let variances = &self.values[1..];
                let part = Part { a, wavelength: self.wavelength, variance: self.variance, variances };
                self.optional.add(self.shares.planes, first + k, &part);
                if let Some(number) = self.shares.number {
                    self.optional.mark(number, first + k);
                }
            }
        }
    }
}

/// Adds droplets with the widest instruction set that the machine has.
struct AddRun<'a, 'b, K> {
    tile: &'a mut Tile,
    run: Run<'a>,
    shares: &'a Shares<'b, K>,
    cursor: &'a mut Cursor,
}

impl<K: SpatialKernel> pulp::WithSimd for AddRun<'_, '_, K> {
    type Output = ();

    // Functions that are not inlined here would be compiled for the oldest instruction set.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { tile, run, shares, cursor } = self;
        match (run.bands.is_empty(), run.values.is_empty()) {
            (true, _) => tile.add_run::<K, false, false>(run, shares, cursor),
            (_, true) => tile.add_run::<K, true, false>(run, shares, cursor),
            (_, false) => tile.add_run::<K, true, true>(run, shares, cursor),
        }
    }
}

/// Of `len` pixels from `first` on those that lie among the first `n`: where they begin, and which they are.
#[inline(always)]
fn clip(first: i64, len: usize, n: usize) -> Option<(usize, Range<usize>)> {
    if let Ok(first) = usize::try_from(first) {
        return (first < n).then(|| (first, 0..len.min(n - first)));
    }
    let skipped = usize::try_from(-first).unwrap_or(0);
    let kept = len.min(n + skipped);
    (skipped < kept).then_some((0, skipped..kept))
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

/// The planes that passbands reach; the first, where there are none, for there is no other then.
fn planes_reached<K>(bands: &[Passband], shares: &Shares<'_, K>) -> RangeInclusive<usize> {
    let edges = shares.wavelengths.edges();
    let half = |band: &Passband| band.width * shares.half_z_shrink;
    let low = bands.iter().map(|band| band.centre - half(band)).fold(f64::INFINITY, f64::min);
    let high = bands.iter().map(|band| band.centre + half(band)).fold(0.0, f64::max);
    if bands.is_empty() {
        return 0..=0;
    }
    let first = first_bin(edges, low, 0);
    first..=first_bin(edges, high, first)
}

/// The bin that holds `low`, which lies in the grid; the search starts at `guess`.
#[inline(always)]
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
