//! The running sums of a drizzle as arrays: taken out plane by plane, put back to the same bits,
//! and added to those of another drizzle of the same plan.
//!
//! What has not been reached is zero in every sum, so arrays of whole planes say all; put back,
//! only the tiles of 64 x 64 pixels that some exposure has reached take memory. Exposures can also
//! be added to sums of which only those tiles are put back that they reach.

use rayon::prelude::*;

use crate::tile::SumTile;
use crate::voxel::Voxel;
use crate::{CubeData, DrizzleError, DrizzlePlan, Drizzler, Droplets, ReachedTiles};

/// A sum of every voxel in double precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RealSum {
    /// Sum of weight times flux.
    Flux,
    /// Sum of the weights.
    Weight,
    /// Sum of squared weight times variance.
    Variance,
    /// The k-th of the sums that the optional planes need, below [`DrizzlePlan::optional_sums`].
    Optional(usize),
}

/// A sum of every voxel in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitSum {
    /// Number of contributions, which stops at 2^32 - 1.
    Count,
    /// Flags that some contribution did not have: the complement of the AND of all, where there are
    /// any.
    Cleared,
    /// Flags that some contribution had.
    Set,
    /// A word of the context: bit k stands for exposure 32 `word` + k.
    Context(usize),
}

/// Sums that were kept somewhere; a plan without some of them does not ask for those. Every method
/// that takes `out` fills it with one value for each pixel of plane `z`, row-major `[y][x]`; where
/// `part` is given, it need fill those tiles alone.
pub trait KeptSums {
    /// Why they cannot be had.
    type Error: From<DrizzleError>;
    /// Exposures of which some pixel reached the output.
    fn exposures(&self) -> u32;
    /// For each plane, the number of exposures that contributed to it.
    fn inputs_per_plane(&self) -> &[u32];
    /// A plane of a sum.
    ///
    /// # Errors
    /// What keeping them may bring about.
    fn real(
        &mut self,
        sum: RealSum,
        z: usize,
        part: Option<&ReachedTiles>,
        out: &mut [f64],
    ) -> Result<(), Self::Error>;
    /// A plane of a sum.
    ///
    /// # Errors
    /// What keeping them may bring about.
    fn bits(
        &mut self,
        sum: BitSum,
        z: usize,
        part: Option<&ReachedTiles>,
        out: &mut [u32],
    ) -> Result<(), Self::Error>;
}

impl DrizzlePlan {
    /// How many sums the optional planes need beside those that every drizzle has.
    pub fn optional_sums(&self) -> usize {
        self.planes().sums()
    }

    /// Whether a sum is kept, or was left out by [`OutputPlanes::only_mean`](crate::OutputPlanes).
    pub fn keeps_real(&self, sum: RealSum) -> bool {
        !self.planes().only_mean || sum != RealSum::Variance
    }

    /// As [`keeps_real`](Self::keeps_real).
    pub fn keeps_bits(&self, sum: BitSum) -> bool {
        !self.planes().only_mean || matches!(sum, BitSum::Context(_))
    }

    /// Words of 32 bits that hold the context of so many exposures.
    pub fn context_words(&self, exposures: u32) -> usize {
        if self.planes().keeps_context() { (exposures as usize).div_ceil(32) } else { 0 }
    }
}

impl Drizzler {
    /// A plane of a sum, row-major `[y][x]`; 0 where there are no data.
    pub fn real_sum(&self, sum: RealSum, z: usize, out: &mut [f64]) {
        match sum {
            RealSum::Flux => self.fill(z, out, 0.0, |v| v.mean.flux),
            RealSum::Weight => self.fill(z, out, 0.0, |v| v.mean.weight),
            RealSum::Variance => self.fill(z, out, 0.0, |v| v.variance),
            RealSum::Optional(k) => self.optional_sum(k, z, out),
        }
    }

    /// A plane of a sum, row-major `[y][x]`; 0 where there are no data.
    pub fn bit_sum(&self, sum: BitSum, z: usize, out: &mut [u32]) {
        match sum {
            BitSum::Count => self.fill(z, out, 0, |v| v.count),
            BitSum::Cleared => self.fill(z, out, 0, |v| v.cleared),
            BitSum::Set => self.fill(z, out, 0, |v| v.set),
            BitSum::Context(word) => self.context(word, z, out),
        }
    }

    pub(crate) fn optional_sum(&self, k: usize, z: usize, out: &mut [f64]) {
        out.fill(0.0);
        let (nx, sums) = (self.plan.cube_shape()[2], self.plan.optional_sums());
        for tile in self.tiles_held(z) {
            for y in tile.rows.clone() {
                let row = &mut out[y * nx + tile.columns.start..y * nx + tile.columns.end];
                let kept = tile.optional_row(y, z, sums).unwrap_or_default();
                row.iter_mut().zip(kept.iter().skip(k).step_by(sums.max(1))).for_each(|(o, v)| *o = *v);
            }
        }
    }

    /// The drizzler that sums were taken from, or one with the same bits, to which exposures can be
    /// added.
    ///
    /// # Errors
    /// What the sums themselves report; [`DrizzleError::Size`] or [`DrizzleError::Memory`] where
    /// they do not fit memory.
    pub fn restore<K: KeptSums>(plan: DrizzlePlan, kept: &mut K) -> Result<Self, K::Error> {
        let mut drizzler = Self { part: None, ..Self::partial(plan, kept) };
        drizzler.put_back(kept, None)?;
        Ok(drizzler)
    }

    /// The same without its sums, which [`add_all_reached`](Self::add_all_reached) puts back where
    /// exposures reach them. What asks for planes of it gets those tiles filled, and finds others
    /// as they were.
    pub fn partial<K: KeptSums>(plan: DrizzlePlan, kept: &K) -> Self {
        let part = Some(ReachedTiles::new(&plan));
        let mut inputs_per_plane = kept.inputs_per_plane().to_vec();
        inputs_per_plane.resize(plan.wavelengths.bins(), 0);
        Self { part, exposures: kept.exposures(), inputs_per_plane, ..Self::new(plan) }
    }

    /// The tiles that are put back, where that is not all.
    pub fn part(&self) -> Option<&ReachedTiles> {
        self.part.as_ref()
    }

    /// Puts back what filed droplets reach and no others have reached before, of sums that are not
    /// all put back.
    pub(crate) fn put_back_reached<K: KeptSums>(
        &mut self,
        kept: &mut K,
        exposures: &[Droplets<'_>],
    ) -> Result<(), K::Error> {
        let mut reached = ReachedTiles::new(&self.plan);
        exposures.iter().for_each(|exposure| reached.add(&self.plan, exposure));
        let Some(part) = &mut self.part else { return Ok(()) };
        let new = part.join(reached);
        self.put_back(kept, Some(&new))
    }

    /// Puts sums back, all of them or those of some tiles, which are zero.
    fn put_back<K: KeptSums>(&mut self, kept: &mut K, part: Option<&ReachedTiles>) -> Result<(), K::Error> {
        let plan = self.plan.clone();
        let [nz, ny, nx] = plan.cube_shape();
        let (optional, words) = (plan.optional_sums(), plan.context_words(kept.exposures()));
        let planes = || (0..nz).filter(|z| part.is_none_or(|part| part.any(*z)));
        let (mut bits, mut reals) = (vec![0; ny * nx], vec![0.0; ny * nx]);
        for (sum, set) in BIT_SUMS.into_iter().filter(|(sum, _)| plan.keeps_bits(*sum)) {
            for z in planes() {
                kept.bits(sum, z, part, &mut bits)?;
                self.set_plane(z, part, &bits, set)?;
            }
        }
        for (sum, set) in REAL_SUMS.into_iter().filter(|(sum, _)| plan.keeps_real(*sum)) {
            for z in planes() {
                kept.real(sum, z, part, &mut reals)?;
                self.set_plane(z, part, &reals, set)?;
            }
        }
        for k in 0..optional {
            for z in planes() {
                kept.real(RealSum::Optional(k), z, part, &mut reals)?;
                let tiles = self.tiles_of(z, part);
                tiles.for_each(|tile| tile.set_optional(z, &reals, nx, (k, optional)));
            }
        }
        for word in 0..words {
            for z in planes() {
                kept.bits(BitSum::Context(word), z, part, &mut bits)?;
                for tile in self.tiles_of(z, part) {
                    if tile.any(&bits, nx) {
                        tile.set_context(z, &bits, nx, word)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The tiles, all of them or some of a plane.
    fn tiles_of(&mut self, z: usize, part: Option<&ReachedTiles>) -> impl Iterator<Item = &mut SumTile> {
        let tiles = self.tiles.iter_mut().enumerate();
        tiles.filter(move |(k, _)| part.is_none_or(|part| part.contains(z, *k))).map(|(_, tile)| tile)
    }

    /// Sets a sum of plane `z`, which is zero, in all of its tiles or in some. A tile where all is
    /// zero needs no memory.
    fn set_plane<T: Copy + Default + PartialEq>(
        &mut self,
        z: usize,
        part: Option<&ReachedTiles>,
        image: &[T],
        set: Set<T>,
    ) -> Result<(), DrizzleError> {
        let [nz, _, nx] = self.plan.cube_shape();
        let planes = self.plan.planes().clone();
        for tile in self.tiles_of(z, part) {
            if tile.any(image, nx) {
                tile.allocate(nz, &planes)?;
                tile.set_plane(z, image, nx, set);
            }
        }
        Ok(())
    }

    /// Adds the sums of another drizzler; its exposures come behind those that are here.
    ///
    /// Counts, masks and context are those of one drizzle over all. The other sums are the same up
    /// to rounding: they are added in another order.
    ///
    /// # Errors
    /// [`DrizzleError::OtherPlan`] where the plans are not the same, [`DrizzleError::Finalized`]
    /// after [`finalize`](Self::finalize), [`DrizzleError::Partial`] where either are not all put
    /// back, [`DrizzleError::Size`] or [`DrizzleError::Memory`] where
    /// memory is exhausted.
    pub fn merge(&mut self, other: &Self) -> Result<(), DrizzleError> {
        if self.plan != other.plan {
            return Err(DrizzleError::OtherPlan);
        }
        if self.finalized {
            return Err(DrizzleError::Finalized);
        }
        if self.part.is_some() || other.part.is_some() {
            return Err(DrizzleError::Partial);
        }
        let (plan, first) = (&self.plan, self.exposures);
        let nz = plan.cube_shape()[0];
        self.tiles
            .par_iter_mut()
            .zip(&other.tiles)
            .try_for_each(|(tile, other)| tile.merge(other, nz, plan.planes(), first))?;
        self.exposures += other.exposures;
        self.inputs_per_plane.iter_mut().zip(&other.inputs_per_plane).for_each(|(n, more)| *n += more);
        Ok(())
    }
}

/// Sets a value of a voxel.
type Set<T> = fn(&mut Voxel, T);

const BIT_SUMS: [(BitSum, Set<u32>); 3] = [
    (BitSum::Count, |v, n| v.count = n),
    (BitSum::Cleared, |v, bits| v.cleared = bits),
    (BitSum::Set, |v, bits| v.set = bits),
];

const REAL_SUMS: [(RealSum, Set<f64>); 3] = [
    (RealSum::Flux, |v, sum| v.mean.flux = sum),
    (RealSum::Weight, |v, sum| v.mean.weight = sum),
    (RealSum::Variance, |v, sum| v.variance = sum),
];

/// The sums themselves can be taken for kept ones.
impl KeptSums for &Drizzler {
    type Error = DrizzleError;

    fn exposures(&self) -> u32 {
        Drizzler::exposures(self)
    }

    fn inputs_per_plane(&self) -> &[u32] {
        CubeData::inputs_per_plane(*self)
    }

    fn real(
        &mut self,
        sum: RealSum,
        z: usize,
        _: Option<&ReachedTiles>,
        out: &mut [f64],
    ) -> Result<(), DrizzleError> {
        self.real_sum(sum, z, out);
        Ok(())
    }

    fn bits(
        &mut self,
        sum: BitSum,
        z: usize,
        _: Option<&ReachedTiles>,
        out: &mut [u32],
    ) -> Result<(), DrizzleError> {
        self.bit_sum(sum, z, out);
        Ok(())
    }
}
