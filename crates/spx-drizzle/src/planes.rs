//! Optional planes of a cube, and the sums that they come from: in memory of their own, which a drizzle without them
//! does not take.

use crate::DrizzleError;

/// What a drizzle computes beside flux, variance, masks and counts. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planes {
    /// Mean wavelength: inside one bin the pixels of different exposures see different wavelengths.
    pub wavelength: bool,
    /// Mean of the pixels' errors, resampled as the flux is ("driz_err"); no error propagation.
    pub mean_error: bool,
    /// Which exposures contributed: planes of 32 bits, one for 32 exposures.
    pub context: bool,
    /// Names of further variances, which exposures bring and which are propagated as the variance is.
    pub variances: Vec<String>,
}

impl Planes {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.sums() > 0 || self.context
    }

    /// How many sums a voxel needs.
    pub(crate) fn sums(&self) -> usize {
        usize::from(self.wavelength) + usize::from(self.mean_error) + self.variances.len()
    }

    /// Where a voxel's sums for the mean wavelength stand.
    pub(crate) fn wavelength_sum(&self) -> Option<usize> {
        self.wavelength.then_some(0)
    }

    /// Where its sum for the mean error stands.
    pub(crate) fn mean_error_sum(&self) -> Option<usize> {
        self.mean_error.then_some(usize::from(self.wavelength))
    }

    /// Where its sums for the named variances begin.
    pub(crate) fn first_variance_sum(&self) -> usize {
        self.sums() - self.variances.len()
    }
}

/// One contribution to a voxel, as the optional sums see it.
pub(crate) struct Part<'a> {
    /// Weight times share.
    pub(crate) a: f64,
    pub(crate) wavelength: f64,
    pub(crate) variance: f64,
    /// Named variances.
    pub(crate) variances: &'a [f64],
}

/// The optional sums of a tile.
#[derive(Debug, Clone, Default)]
pub(crate) struct OptionalSums {
    /// `[voxel][sum]`.
    pub(crate) sums: Vec<f64>,
    /// `[word][voxel]`; words are added as exposures come.
    pub(crate) context: Vec<Vec<u32>>,
}

impl OptionalSums {
    /// Takes the memory for a tile of so many voxels, once.
    pub(crate) fn allocate(&mut self, planes: &Planes, voxels: usize) -> Result<(), DrizzleError> {
        let needed = planes.sums() * voxels;
        if self.sums.len() < needed {
            self.sums.try_reserve_exact(needed).map_err(|_| DrizzleError::Memory)?;
            self.sums.resize(needed, 0.0);
        }
        Ok(())
    }

    /// The words that hold the bit of an exposure.
    pub(crate) fn allocate_context(&mut self, exposure: u32, voxels: usize) -> Result<(), DrizzleError> {
        while self.context.len() <= exposure as usize / 32 {
            let mut word = Vec::new();
            word.try_reserve_exact(voxels).map_err(|_| DrizzleError::Memory)?;
            word.resize(voxels, 0);
            self.context.push(word);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn add(&mut self, planes: &Planes, voxel: usize, part: &Part<'_>) {
        let n = planes.sums();
        let sums = &mut self.sums[n * voxel..n * (voxel + 1)];
        if let Some(k) = planes.wavelength_sum() {
            sums[k] += part.a * part.wavelength;
        }
        if let Some(k) = planes.mean_error_sum() {
            sums[k] += part.a * part.variance.sqrt();
        }
        for (sum, variance) in sums[planes.first_variance_sum()..].iter_mut().zip(part.variances) {
            *sum += part.a * part.a * variance;
        }
    }

    #[inline]
    pub(crate) fn mark(&mut self, exposure: u32, voxel: usize) {
        self.context[exposure as usize / 32][voxel] |= 1 << (exposure % 32);
    }
}
