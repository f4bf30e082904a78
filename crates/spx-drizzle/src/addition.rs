//! Addition: droplets become contributions to the voxels of a tile.

use std::marker::PhantomData;
use std::ops::Range;

use spx_core::map::Passband;

use crate::droplet::{Droplet, NO_QUAD};
use crate::kernel::{SpatialKernel, Visitor};
use crate::planes::{OptionalContribution, OptionalSums, OutputPlanes, SumPlaces};
use crate::source::DropletSource;
use crate::voxel::{Accumulate, Voxels};
use crate::wavelength::WavelengthGrid;

/// What accumulation needs to know of the output.
#[derive(Clone, Copy)]
pub(crate) struct AdditionContext<'a, K> {
    pub(crate) kernel: K,
    pub(crate) wavelengths: &'a WavelengthGrid,
    pub(crate) half_z_shrink: f64,
    pub(crate) ivar_max: f64,
    pub(crate) min_overlap: f64,
    pub(crate) planes: &'a OutputPlanes,
    /// The exposure's number, where the context is kept.
    pub(crate) number: Option<u32>,
    /// Its effective exposure time for a share of 1 \[s\].
    pub(crate) time: f64,
}

/// What is kept from one droplet of an exposure to the next.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// Whether the exposure has reached a plane.
    pub(crate) reached: Vec<bool>,
    bins: WavelengthShares,
    /// Further values of the droplet, where there are optional planes.
    values: Vec<f64>,
    /// Memory for the kernel.
    scratch: Vec<f64>,
}

impl Cursor {
    /// For a grid of so many bins.
    pub(crate) fn new(nz: usize) -> Self {
        Self { reached: vec![false; nz], ..Self::default() }
    }
}

/// The bins that a droplet reaches.
#[derive(Debug, Default)]
pub(crate) struct WavelengthShares {
    /// Where the last one began in wavelength, which is where the next most likely begins.
    first: usize,
    /// The bins, and the droplet's share in each.
    pub(crate) shares: Vec<(usize, f64)>,
}

impl WavelengthShares {
    /// Finds them. The shares of all bins add up to one, also where a droplet reaches beyond the
    /// grid.
    #[inline(always)]
    pub(crate) fn find(&mut self, band: Passband, edges: &[f64], half_z_shrink: f64) {
        let nz = edges.len() - 1;
        let half = band.width * half_z_shrink;
        let low = (band.center - half).max(edges[0]);
        let high = (band.center + half).min(edges[nz]);
        let mut z = first_bin(edges, low, self.first);
        self.first = z;
        self.shares.clear();
        if edges[z] <= low && high <= edges[z + 1] {
            return self.shares.push((z, 1.0));
        }
        while z < nz && edges[z] < high {
            let spectral = (high.min(edges[z + 1]) - low.max(edges[z])) / (high - low);
            if spectral > 0.0 {
                self.shares.push((z, spectral));
            }
            z += 1;
        }
    }
}

/// Adds droplets to the voxels of a tile of shape `[ny, nx]` with the widest instruction set that
/// the machine has.
pub(crate) struct Add<'a, 'b, K, S> {
    pub(crate) voxels: &'a mut Voxels,
    pub(crate) optional: &'a mut OptionalSums,
    pub(crate) shape: [usize; 2],
    pub(crate) source: &'a S,
    pub(crate) shares: &'a AdditionContext<'b, K>,
    pub(crate) cursor: &'a mut Cursor,
}

impl<K: SpatialKernel, S: DropletSource> pulp::WithSimd for Add<'_, '_, K, S> {
    type Output = ();

    // Functions that are not inlined here would be compiled for the oldest instruction set.
    #[inline(always)]
    fn with_simd<I: pulp::Simd>(self, _: I) {
        let Self { voxels, optional, shape, source, shares, cursor } = self;
        match voxels {
            Voxels::All(voxels) => add(voxels, optional, shape, source, shares, cursor),
            Voxels::Means(means) => add(means, optional, shape, source, shares, cursor),
        }
    }
}

#[inline(always)]
fn add<K: SpatialKernel, V: Accumulate>(
    voxels: &mut [V],
    optional: &mut OptionalSums,
    shape: [usize; 2],
    source: &impl DropletSource,
    shares: &AdditionContext<'_, K>,
    cursor: &mut Cursor,
) {
    let (bands, context) = (shares.wavelengths.bins() > 1, shares.planes.keeps_context());
    if shares.planes.sums() > 0 || (bands && context) {
        add_all::<K, V, true, true, true>((voxels, optional), shape, source, shares, cursor);
    } else if bands {
        add_all::<K, V, true, false, false>((voxels, optional), shape, source, shares, cursor);
    } else if context {
        add_all::<K, V, false, false, true>((voxels, optional), shape, source, shares, cursor);
    } else {
        add_all::<K, V, false, false, false>((voxels, optional), shape, source, shares, cursor);
    }
}

/// `BANDS`: the droplets bring passbands, for there are several bins or optional sums. `SUMS`:
/// there may be such sums. `CONTEXT`: the context may be kept.
#[inline(always)]
fn add_all<K: SpatialKernel, V: Accumulate, const BANDS: bool, const SUMS: bool, const CONTEXT: bool>(
    (voxels, optional): (&mut [V], &mut OptionalSums),
    shape: [usize; 2],
    source: &impl DropletSource,
    shares: &AdditionContext<'_, K>,
    cursor: &mut Cursor,
) {
    // A copy, which nothing that is written can change.
    let kernel = shares.kernel;
    let edges = shares.wavelengths.edges();
    let Cursor { reached, bins, values, scratch } = cursor;
    // The word that holds the exposure's bit, by itself: to look for it at each voxel takes as long
    // as to add.
    let word_of = |number: u32| number as usize / 32;
    let mut word = match shares.number {
        Some(number) if CONTEXT => std::mem::take(&mut optional.context[word_of(number)]),
        _ => Vec::new(),
    };
    let mut rows = TileAddition::<K, V, BANDS, SUMS, CONTEXT> {
        shape,
        voxels,
        optional,
        reached,
        any: false,
        bins,
        droplet: Droplet::default(),
        weight: 0.0,
        least: shares.min_overlap.max(K::LEAST),
        word: &mut word,
        bit: shares.number.map_or(0, |number| 1 << (number % 32)),
        places: shares.planes.places(),
        wavelength: 0.0,
        time: shares.time,
        point_source: 0.0,
        variances: values,
        kernel: PhantomData,
    };
    for (k, (droplet, weight)) in source.droplets(shares.ivar_max).enumerate() {
        (rows.droplet, rows.weight) = (droplet, weight);
        if BANDS {
            let band = source.bands()[k];
            rows.wavelength = band.center;
            rows.bins.find(band, edges, shares.half_z_shrink);
        }
        if SUMS {
            rows.variances.clear();
            source.values(k, rows.variances);
            if rows.places.point_source.is_some() {
                rows.point_source = rows.variances.pop().unwrap_or_default();
            }
        }
        let quad = if K::CORNERS { source.quad(k) } else { NO_QUAD };
        kernel.shares(&droplet, &quad, scratch, &mut rows);
    }
    let any = rows.any;
    if !BANDS {
        reached[0] |= any;
    }
    if let Some(number) = shares.number.filter(|_| CONTEXT) {
        optional.context[word_of(number)] = word;
    }
}

/// Adds the shares of droplets to the voxels of a tile.
struct TileAddition<'a, K, V, const BANDS: bool, const SUMS: bool, const CONTEXT: bool> {
    shape: [usize; 2],
    voxels: &'a mut [V],
    optional: &'a mut OptionalSums,
    reached: &'a mut [bool],
    /// Whether the first plane was reached, where there is no other.
    any: bool,
    bins: &'a mut WavelengthShares,
    /// The droplet in hand.
    droplet: Droplet,
    weight: f64,
    wavelength: f64,
    /// The effective exposure time for a share of 1.
    time: f64,
    /// The point source in its pixel.
    point_source: f64,
    /// Its named variances.
    variances: &'a mut Vec<f64>,
    /// A share that is smaller is dropped.
    least: f64,
    /// Where the context is kept, the word of the exposure, `[voxel]`, and its bit.
    word: &'a mut [u32],
    bit: u32,
    /// Where the optional sums stand.
    places: SumPlaces,
    kernel: PhantomData<K>,
}

impl<K: SpatialKernel, V: Accumulate, const BANDS: bool, const SUMS: bool, const CONTEXT: bool> Visitor
    for TileAddition<'_, K, V, BANDS, SUMS, CONTEXT>
{
    #[inline(always)]
    fn row(&mut self, x: i64, y: i64, factor: f64, along: &[f64]) {
        let [height, width] = self.shape;
        let (Some((row, _)), Some((column, part))) = (clip(y, 1, height), clip(x, along.len(), width)) else {
            return;
        };
        let along = &along[part];
        if !BANDS {
            return self.any |= self.add(row * width + column, factor, along);
        }
        for k in 0..self.bins.shares.len() {
            let (z, spectral) = self.bins.shares[k];
            let first = (z * height + row) * width + column;
            self.reached[z] |= self.add(first, factor * spectral, along);
        }
    }

    #[inline(always)]
    fn patch<const N: usize>(&mut self, x: i64, y: i64, shares: &[[f64; N]; N]) {
        let Some([row, column]) = self.inside(x, y, N, N) else {
            for (y, row) in (y..).zip(shares) {
                self.row(x, y, 1.0, row);
            }
            return;
        };
        if !BANDS {
            return self.any |= self.add_patch(row, column, shares);
        }
        for k in 0..self.bins.shares.len() {
            let (z, spectral) = self.bins.shares[k];
            let shares = shares.map(|row| row.map(|share| spectral * share));
            self.reached[z] |= self.add_patch(z * self.shape[0] + row, column, &shares);
        }
    }

    #[inline(always)]
    fn product(&mut self, x: i64, y: i64, factor: f64, across: &[f64], along: &[f64]) {
        let Some([row, column]) = self.inside(x, y, along.len(), across.len()) else {
            for (y, across) in (y..).zip(across) {
                self.row(x, y, factor * across, along);
            }
            return;
        };
        if !BANDS {
            return self.any |= self.add_product(row, column, (factor, 1.0), across, along);
        }
        for k in 0..self.bins.shares.len() {
            let (z, spectral) = self.bins.shares[k];
            let row = z * self.shape[0] + row;
            self.reached[z] |= self.add_product(row, column, (factor, spectral), across, along);
        }
    }
}

impl<K: SpatialKernel, V: Accumulate, const BANDS: bool, const SUMS: bool, const CONTEXT: bool>
    TileAddition<'_, K, V, BANDS, SUMS, CONTEXT>
{
    /// The row and the column of a pixel, where all pixels of so many columns and rows from it on
    /// lie in the tile.
    #[inline(always)]
    fn inside(&self, x: i64, y: i64, columns: usize, rows: usize) -> Option<[usize; 2]> {
        let [height, width] = self.shape;
        let (row, column) = (usize::try_from(y).ok()?, usize::try_from(x).ok()?);
        (column + columns <= width && row + rows <= height).then_some([row, column])
    }

    /// The share, or zero where it is too small to be added.
    #[inline(always)]
    fn counted(&self, share: f64) -> f64 {
        let size = if K::SIGNED { share.abs() } else { share };
        if size >= self.least { share } else { 0.0 }
    }

    /// Adds to the voxels from `first` on. Tells whether any share was large enough.
    #[inline(always)]
    fn add(&mut self, first: usize, factor: f64, along: &[f64]) -> bool {
        let mut any = false;
        for (voxel, share) in (first..).zip(along) {
            let share = self.counted(factor * share);
            any |= share != 0.0;
            self.voxels[voxel].add(share, self.weight, &self.droplet);
            self.add_optional(voxel, share);
        }
        any
    }

    /// Adds to the voxels of a patch within the tile.
    #[inline(always)]
    fn add_patch<const N: usize>(&mut self, row: usize, column: usize, shares: &[[f64; N]; N]) -> bool {
        let width = self.shape[1];
        let shares = shares.map(|row| row.map(|share| self.counted(share)));
        let mut any = false;
        for (shares, row) in shares.iter().zip(row..) {
            for (share, voxel) in shares.iter().zip(row * width + column..) {
                any |= *share != 0.0;
                self.voxels[voxel].add(*share, self.weight, &self.droplet);
                self.add_optional(voxel, *share);
            }
        }
        any
    }

    /// The same for shares that are products, column by column: where voxels beside each other are
    /// added to together, the next droplet, which reaches most of them and one more, has to wait
    /// until they are written.
    #[inline(always)]
    fn add_product(
        &mut self,
        row: usize,
        column: usize,
        (factor, spectral): (f64, f64),
        across: &[f64],
        along: &[f64],
    ) -> bool {
        let width = self.shape[1];
        let mut any = false;
        for (first, along) in (row * width + column..).zip(along) {
            for (j, across) in across.iter().enumerate() {
                // In the order in which `row` multiplies, so that both find the same bits.
                let share = self.counted(factor * across * spectral * along);
                any |= share != 0.0;
                self.voxels[first + j * width].add(share, self.weight, &self.droplet);
                self.add_optional(first + j * width, share);
            }
        }
        any
    }

    /// Adds a share to what is kept besides of a voxel.
    #[inline(always)]
    fn add_optional(&mut self, voxel: usize, share: f64) {
        if !CONTEXT {
            return;
        }
        if let Some(word) = self.word.get_mut(voxel) {
            *word |= if share == 0.0 { 0 } else { self.bit };
        }
        if SUMS && self.places.sums > 0 && share != 0.0 {
            let Self { wavelength, point_source, .. } = *self;
            let (a, time) = (self.weight * share, self.time * share);
            let (variance, variances) = (self.droplet.variance.into(), &*self.variances);
            let part = OptionalContribution { a, time, point_source, wavelength, variance, variances };
            self.optional.add(&self.places, voxel, &part);
        }
    }
}

/// Of `len` pixels from `first` on those that lie among the first `n`: where they begin, and which
/// they are.
#[inline(always)]
fn clip(first: i64, len: usize, n: usize) -> Option<(usize, Range<usize>)> {
    if let Ok(first) = usize::try_from(first) {
        return (first < n).then(|| (first, 0..len.min(n - first)));
    }
    let skipped = usize::try_from(-first).unwrap_or(0);
    let kept = len.min(n + skipped);
    (skipped < kept).then_some((0, skipped..kept))
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
