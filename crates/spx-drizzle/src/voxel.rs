//! The running sums of one voxel: all of them, or those of the mean alone.

use bytemuck::Zeroable;
use bytemuck::allocation::try_zeroed_vec;

use crate::droplet::Droplet;

/// What is kept of a voxel.
pub(crate) trait Accumulate {
    /// Adds a droplet's share, which counts with this weight; nothing, where the share is zero.
    fn add(&mut self, share: f64, weight: f64, droplet: &Droplet);
}

/// The sums of the mean. All zero is the empty voxel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Zeroable)]
pub(crate) struct Mean {
    /// Sum of a F.
    pub(crate) flux: f64,
    /// Sum of a.
    pub(crate) weight: f64,
}

/// All sums. All zero is the empty voxel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Zeroable)]
pub(crate) struct Voxel {
    pub(crate) mean: Mean,
    /// Sum of a^2 s2.
    pub(crate) variance: f64,
    /// Number of contributions.
    pub(crate) count: u32,
    /// Bits that were clear in some contribution: the complement of the AND of all flags.
    pub(crate) cleared: u32,
    /// Bits that were set in some contribution.
    pub(crate) set: u32,
}

impl Accumulate for Mean {
    // Adding zero costs less than not to add.
    #[inline(always)]
    fn add(&mut self, share: f64, weight: f64, droplet: &Droplet) {
        let a = weight * share;
        self.flux += a * droplet.flux;
        self.weight += a;
    }
}

impl Accumulate for Voxel {
    #[inline(always)]
    fn add(&mut self, share: f64, weight: f64, droplet: &Droplet) {
        if share != 0.0 {
            let a = weight * share;
            self.mean.add(share, weight, droplet);
            self.variance += a * a * f64::from(droplet.variance);
            self.count = self.count.saturating_add(1);
            self.cleared |= !droplet.flags;
            self.set |= droplet.flags;
        }
    }
}

impl Voxel {
    /// Mean surface brightness; NaN where there is no weight. (With a kernel whose shares may be
    /// negative, so may the weight be.)
    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    pub(crate) fn science(&self) -> f32 {
        if self.mean.weight != 0.0 { (self.mean.flux / self.mean.weight) as f32 } else { f32::NAN }
    }

    /// Variance of the mean; NaN where there is no weight.
    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    pub(crate) fn variance(&self) -> f32 {
        let weight = self.mean.weight;
        if weight != 0.0 { (self.variance / (weight * weight)) as f32 } else { f32::NAN }
    }

    /// Sum of the weights.
    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    pub(crate) fn weight(&self) -> f32 {
        self.mean.weight as f32
    }

    /// Bits set in every contribution; 0 where there is none.
    pub(crate) fn and_mask(&self) -> u32 {
        if self.count > 0 { !self.cleared } else { 0 }
    }

    /// Contributions, at most 65535.
    pub(crate) fn saturated_count(&self) -> u16 {
        u16::try_from(self.count).unwrap_or(u16::MAX)
    }

    /// Both together.
    fn merged(&self, other: &Self) -> Self {
        Self {
            mean: Mean {
                flux: self.mean.flux + other.mean.flux,
                weight: self.mean.weight + other.mean.weight,
            },
            variance: self.variance + other.variance,
            count: self.count.saturating_add(other.count),
            cleared: self.cleared | other.cleared,
            set: self.set | other.set,
        }
    }
}

/// The voxels of a tile, with the sums that a plan asks for.
#[derive(Debug)]
pub(crate) enum Voxels {
    Means(Vec<Mean>),
    All(Vec<Voxel>),
}

impl Voxels {
    /// Memory of a voxel \[bytes\].
    pub(crate) const fn bytes(only_mean: bool) -> usize {
        if only_mean { size_of::<Mean>() } else { size_of::<Voxel>() }
    }

    /// So many empty voxels, `None` where there is no memory for them. The system gives memory that
    /// is zero, and counts what of it has been written to.
    pub(crate) fn new(only_mean: bool, voxels: usize) -> Option<Self> {
        Some(if only_mean {
            Self::Means(try_zeroed_vec(voxels).ok()?)
        } else {
            Self::All(try_zeroed_vec(voxels).ok()?)
        })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Means(means) => means.len(),
            Self::All(voxels) => voxels.len(),
        }
    }

    /// One of them.
    pub(crate) fn get(&self, k: usize) -> Voxel {
        match self {
            Self::Means(means) => Voxel { mean: means[k], ..Voxel::default() },
            Self::All(voxels) => voxels[k],
        }
    }

    /// Brings some of them into the cache, from one end to the other. Changes nothing.
    pub(crate) fn fetch(&self, part: std::ops::Range<usize>) {
        const CACHE_LINE: usize = 64;
        // Something of every line of the cache.
        let sum = match self {
            Self::Means(means) => {
                let part = means[part].iter().step_by(CACHE_LINE / size_of::<Mean>());
                part.fold(0, |sum, mean| sum ^ mean.weight.to_bits())
            }
            Self::All(voxels) => {
                let part = voxels[part].iter().step_by(CACHE_LINE.div_ceil(size_of::<Voxel>()));
                part.fold(0, |sum, voxel| sum ^ u64::from(voxel.count))
            }
        };
        std::hint::black_box(sum);
    }

    /// Changes one of them.
    pub(crate) fn change(&mut self, k: usize, change: impl FnOnce(&mut Voxel)) {
        let mut voxel = self.get(k);
        change(&mut voxel);
        match self {
            Self::Means(means) => means[k] = voxel.mean,
            Self::All(voxels) => voxels[k] = voxel,
        }
    }

    /// Adds the sums of other voxels of the same plan.
    pub(crate) fn merge(&mut self, other: &Self) {
        for k in 0..self.len().min(other.len()) {
            let more = other.get(k);
            self.change(k, |voxel| *voxel = voxel.merged(&more));
        }
    }
}
