//! Optional planes of a cube, and the sums that they come from: in memory of their own, which a
//! drizzle without them does not take.

use serde::{Deserialize, Serialize};

use crate::DrizzleError;

/// What a drizzle computes beside flux, variance, masks and counts, or leaves out. The default is
/// neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputPlanes {
    /// No variance, masks and counts: nothing but the flux, its weight and what is named below, as
    /// STScI's `drizzle` makes it of an image and its weights. A voxel takes 16 bytes instead of
    /// 40, and the drizzle less time. The planes that are left out are NaN or 0;
    /// [`file::write`](crate::file::write), whose files have them all, refuses.
    pub only_mean: bool,
    /// Sum of the weights.
    pub weight: bool,
    /// Mean wavelength: inside one bin the pixels of different exposures see different wavelengths.
    pub wavelength: bool,
    /// Error of the flux.
    pub error: Option<ErrorMethod>,
    /// Which exposures contributed: planes of 32 bits, one for 32 exposures.
    pub context: bool,
    /// How many exposures contributed, and for how long they have seen what a voxel holds
    /// ([`OptionalPlane::ExposureTime`](crate::OptionalPlane::ExposureTime)); the context is kept
    /// for it.
    pub coverage: bool,
    /// What a point source becomes, which exposures bring as
    /// [`ExposureExtras::point_source`](crate::ExposureExtras::point_source).
    pub point_source: bool,
    /// Names of further variances, which exposures bring.
    pub variances: Vec<String>,
    /// How they are combined.
    pub variance_method: VarianceMethod,
}

/// What the plane of errors is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorMethod {
    /// Square root of the sum of the named variances, where there are any, else of the variance;
    /// NaN without either.
    FromVariances,
    /// Mean of the pixels' errors, resampled as the flux is: no error propagation.
    Resampled,
}

/// How named variances are combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VarianceMethod {
    /// `sum(a^2 v) / sum(a)^2`, the variance of the weighted mean, as VARIANCE is computed.
    #[default]
    Propagated,
    /// As STScI's `Resample` does: the errors `sqrt(v)` of each exposure are resampled as its flux
    /// is, to `e`, and the exposures combined by `sum(c^2 e^2) / sum(c)^2`. `c` is the exposure's
    /// constant weight where it has one, else 1 over the square of its resampled error.
    ///
    /// It takes all pixels of one exposure that share a voxel for fully correlated, so that it does
    /// not shrink with the size of the output pixel.
    Resampled,
}

impl OutputPlanes {
    /// Whether it is kept which exposures contributed.
    pub(crate) fn keeps_context(&self) -> bool {
        self.context || self.coverage
    }

    fn mean_error(&self) -> bool {
        self.error == Some(ErrorMethod::Resampled)
    }

    fn resamples(&self) -> bool {
        self.variance_method == VarianceMethod::Resampled && !self.variances.is_empty()
    }

    /// How many sums a voxel needs. They stand in the order of the methods below.
    pub(crate) fn sums(&self) -> usize {
        self.first_variance_sum() + self.variances.len() + usize::from(self.resamples())
    }

    /// All of the following.
    pub(crate) fn places(&self) -> SumPlaces {
        SumPlaces {
            sums: self.sums(),
            wavelength: self.wavelength_sum(),
            mean_error: self.mean_error_sum(),
            exposure_time: self.exposure_time_sum(),
            point_source: self.point_source_sum(),
            first_variance: self.first_variance_sum(),
            of_exposure: if self.resamples() { exposure_sums(self) } else { 0 },
        }
    }

    /// Where a voxel's sums for the mean wavelength stand.
    pub(crate) fn wavelength_sum(&self) -> Option<usize> {
        self.wavelength.then_some(0)
    }

    /// Where its sum for the mean error stands.
    pub(crate) fn mean_error_sum(&self) -> Option<usize> {
        self.mean_error().then_some(usize::from(self.wavelength))
    }

    /// Where its effective exposure time stands.
    pub(crate) fn exposure_time_sum(&self) -> Option<usize> {
        self.coverage.then_some(usize::from(self.wavelength) + usize::from(self.mean_error()))
    }

    /// Where its sum for the point source stands.
    pub(crate) fn point_source_sum(&self) -> Option<usize> {
        self.point_source.then(|| self.first_variance_sum() - 1)
    }

    /// Where its sums for the named variances begin.
    pub(crate) fn first_variance_sum(&self) -> usize {
        let before = [self.wavelength, self.mean_error(), self.coverage, self.point_source];
        before.into_iter().filter(|there| *there).count()
    }

    /// Where the sum of the exposures' weights stands, where variances are resampled.
    pub(crate) fn exposure_weight_sum(&self) -> Option<usize> {
        self.resamples().then(|| self.first_variance_sum() + self.variances.len())
    }
}

/// Where the optional sums of a voxel stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SumPlaces {
    /// How many there are.
    pub(crate) sums: usize,
    wavelength: Option<usize>,
    mean_error: Option<usize>,
    exposure_time: Option<usize>,
    pub(crate) point_source: Option<usize>,
    first_variance: usize,
    /// Sums of the exposure that is being added, where variances are resampled; else 0.
    of_exposure: usize,
}

/// One contribution to a voxel, as the optional sums see it.
pub(crate) struct OptionalContribution<'a> {
    /// Weight times share.
    pub(crate) a: f64,
    /// Effective exposure time \[s\].
    pub(crate) time: f64,
    /// The point source in its pixel.
    pub(crate) point_source: f64,
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
    /// Sums of the exposure that is being added, `[voxel][sum]`: of the weights, of the errors, of
    /// the named errors.
    of_exposure: Vec<f64>,
    /// Voxels that it has reached.
    reached: Vec<usize>,
}

impl OptionalSums {
    /// Takes the memory for a tile of so many voxels, once.
    pub(crate) fn allocate(&mut self, planes: &OutputPlanes, voxels: usize) -> Result<(), DrizzleError> {
        grow(&mut self.sums, planes.sums() * voxels)?;
        grow(&mut self.of_exposure, if planes.resamples() { voxels * exposure_sums(planes) } else { 0 })
    }

    /// The words that hold the bit of an exposure.
    pub(crate) fn allocate_context(&mut self, exposure: u32, voxels: usize) -> Result<(), DrizzleError> {
        self.allocate_words(exposure as usize / 32 + 1, voxels)
    }

    /// So many words of the context.
    pub(crate) fn allocate_words(&mut self, words: usize, voxels: usize) -> Result<(), DrizzleError> {
        while self.context.len() < words {
            let mut word = Vec::new();
            grow(&mut word, voxels)?;
            self.context.push(word);
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, places: &SumPlaces, voxel: usize, part: &OptionalContribution<'_>) {
        let n = places.sums;
        let sums = &mut self.sums[n * voxel..n * (voxel + 1)];
        if let Some(k) = places.wavelength {
            sums[k] += part.a * part.wavelength;
        }
        if let Some(k) = places.mean_error {
            sums[k] += part.a * part.variance.sqrt();
        }
        if let Some(k) = places.exposure_time {
            sums[k] += part.time;
        }
        if let Some(k) = places.point_source {
            sums[k] += part.a * part.point_source;
        }
        if places.of_exposure > 0 {
            return self.add_to_exposure(places.of_exposure, voxel, part);
        }
        for (sum, variance) in sums[places.first_variance..].iter_mut().zip(part.variances) {
            *sum += part.a * part.a * variance;
        }
    }

    fn add_to_exposure(&mut self, n: usize, voxel: usize, part: &OptionalContribution<'_>) {
        let sums = &mut self.of_exposure[n * voxel..n * (voxel + 1)];
        if sums[0] == 0.0 {
            self.reached.push(voxel);
        }
        sums[0] += part.a;
        for (sum, variance) in sums[1..].iter_mut().zip(std::iter::once(&part.variance).chain(part.variances))
        {
            *sum += part.a * variance.sqrt();
        }
    }

    /// Ends an exposure, which had this constant weight.
    pub(crate) fn end_exposure(&mut self, planes: &OutputPlanes, constant: Option<f64>) {
        let (n, m) = (planes.sums(), exposure_sums(planes));
        let Some(total) = planes.exposure_weight_sum() else { return };
        for voxel in self.reached.drain(..) {
            let of_exposure = &mut self.of_exposure[m * voxel..m * (voxel + 1)];
            let sums = &mut self.sums[n * voxel..n * (voxel + 1)];
            let weight = std::mem::take(&mut of_exposure[0]);
            // A voxel whose shares cancelled may stand here twice.
            if weight != 0.0 {
                let mean_square = |sum: f64| (sum / weight) * (sum / weight);
                let c = constant.unwrap_or(1.0 / mean_square(of_exposure[1]));
                for (sum, &named) in
                    sums[planes.first_variance_sum()..total].iter_mut().zip(&of_exposure[2..])
                {
                    *sum += c * c * mean_square(named);
                }
                sums[total] += c;
            }
            of_exposure.fill(0.0);
        }
    }

    /// Adds those of another drizzle, whose exposures are counted from `first` on. Memory for all
    /// but the context is there.
    pub(crate) fn merge(&mut self, other: &Self, first: u32, voxels: usize) -> Result<(), DrizzleError> {
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| *sum += more);
        let (words, shift) = (first as usize / 32, first % 32);
        for (k, word) in other.context.iter().enumerate() {
            // Its bits fall into two words.
            let halves: [fn(u64) -> u64; 2] = [|bits| bits & u64::from(u32::MAX), |bits| bits >> 32];
            for (target, half) in (words + k..).zip(halves) {
                let part = word.iter().map(|bits| half(u64::from(*bits) << shift));
                if part.clone().any(|bits| bits != 0) {
                    self.allocate_words(target + 1, voxels)?;
                    let marks = self.context[target].iter_mut().zip(part);
                    marks.for_each(|(bits, more)| *bits |= u32::try_from(more).unwrap_or(0));
                }
            }
        }
        Ok(())
    }
}

/// Of the weights, of the errors, of the named errors.
fn exposure_sums(planes: &OutputPlanes) -> usize {
    2 + planes.variances.len()
}

fn grow<T: Clone + Default>(sums: &mut Vec<T>, needed: usize) -> Result<(), DrizzleError> {
    if sums.len() < needed {
        sums.try_reserve_exact(needed).map_err(|_| DrizzleError::Memory)?;
        sums.resize(needed, T::default());
    }
    Ok(())
}
