//! The median of a plane, for which each pixel is looked at once.
//!
//! A sample of the pixels tells a narrow interval in which the median is to be expected. One pass
//! then counts the values below it and collects those in it, among which the median is selected.
//! The answer is exact: where it lies outside of the interval after all, the interval of all values
//! is taken. (The idea is that of SELECT, Floyd & Rivest 1975.)

use std::ops::RangeInclusive;

use spx_core::pixels::{Pixels, Stored};

/// Bits of the positive finite numbers, which run like the numbers themselves.
const POSITIVE: RangeInclusive<u32> = 1..=f32::MAX.to_bits();
/// Pixels of the sample.
const SAMPLE: usize = 1 << 14;
/// Half the width of the interval, as a multiple of the standard deviation of the median's rank in
/// the sample, which is half the root of its size.
const DEVIATIONS: usize = 5;
/// Pixels that are looked at together.
const BLOCK: usize = 64;

/// Median of the positive finite values, the mean of the two in the middle where their number is
/// even; NaN where there are none.
pub(crate) fn median_positive(values: Pixels<'_, f32>) -> f64 {
    [expected(values), POSITIVE].into_iter().find_map(|bits| median_within(values, bits)).unwrap_or(f64::NAN)
}

/// Where a sample lets the median be expected.
fn expected(values: Pixels<'_, f32>) -> RangeInclusive<u32> {
    // Odd, so that it does not meet the same columns in every row.
    let step = (values.len() / SAMPLE) | 1;
    let bits = (0..values.len()).step_by(step).map(|at| values.get(at).to_bits());
    let mut sample: Vec<u32> = bits.filter(|bits| POSITIVE.contains(bits)).collect();
    let (middle, reach) = (sample.len() / 2, DEVIATIONS * sample.len().isqrt() / 2 + 1);
    let mut at = |rank: Option<usize>| {
        rank.filter(|rank| *rank < sample.len()).map(|rank| *sample.select_nth_unstable(rank).1)
    };
    let low = at(middle.checked_sub(reach)).unwrap_or(*POSITIVE.start());
    low..=at(Some(middle + reach)).unwrap_or(*POSITIVE.end())
}

/// The median, if it lies within these bits, and so does the lower of two in the middle.
fn median_within(values: Pixels<'_, f32>, bits: RangeInclusive<u32>) -> Option<f64> {
    let arch = pulp::Arch::new();
    let mut near = match values {
        Pixels::Native(values) => arch.dispatch(CandidatePass { values, bits }),
        Pixels::Fits(values) => arch.dispatch(CandidatePass { values, bits }),
    };
    let upper = (near.all / 2).checked_sub(near.below).filter(|at| *at < near.within.len())?;
    let (below, &mut at_upper, _) = near.within.select_nth_unstable(upper);
    let upper = f64::from(f32::from_bits(at_upper));
    if near.all % 2 == 1 {
        return Some(upper);
    }
    let lower = below.iter().max()?;
    Some(0.5 * (upper + f64::from(f32::from_bits(*lower))))
}

/// What a pass finds.
#[derive(Default)]
struct MedianCandidates {
    /// Positive finite values.
    all: usize,
    /// Those below the interval.
    below: usize,
    /// Those in it.
    within: Vec<u32>,
}

/// The pass over the values, compiled for several instruction sets.
struct CandidatePass<'a, P> {
    values: &'a [P],
    bits: RangeInclusive<u32>,
}

impl<P: Stored<f32>> pulp::WithSimd for CandidatePass<'_, P> {
    type Output = MedianCandidates;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> MedianCandidates {
        let mut near = MedianCandidates::default();
        let (blocks, rest) = self.values.as_chunks::<BLOCK>();
        for block in blocks {
            near.add(block, &self.bits);
        }
        near.add(rest, &self.bits);
        near
    }
}

impl MedianCandidates {
    /// Adds up to a block of values; without branches, for they would go either way at random.
    #[inline(always)]
    fn add<P: Stored<f32>>(&mut self, values: &[P], interval: &RangeInclusive<u32>) {
        let mut bits = [0; BLOCK];
        for (bits, value) in bits.iter_mut().zip(values) {
            *bits = value.value().to_bits();
        }
        let (low, width) = (*interval.start(), *interval.end() - *interval.start());
        // Differences wrap around, so that one comparison tells both bounds.
        let count = |least: u32, width: u32| {
            bits.iter().map(|bits| u32::from(bits.wrapping_sub(least) <= width)).sum::<u32>() as usize
        };
        let all = count(*POSITIVE.start(), *POSITIVE.end() - *POSITIVE.start());
        let within = count(low, width);
        self.all += all;
        self.below += bits.iter().map(|bits| u32::from(bits.wrapping_sub(1) < low - 1)).sum::<u32>() as usize;
        if within > 0 {
            let (mut found, mut kept) = ([0; BLOCK + 1], 0);
            for bits in bits {
                found[kept] = bits;
                kept += usize::from(bits.wrapping_sub(low) <= width);
            }
            self.within.extend_from_slice(&found[..kept]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(values: &[f32]) -> f64 {
        let mut positive: Vec<f32> = values.iter().copied().filter(|v| *v > 0.0 && v.is_finite()).collect();
        positive.sort_by(f32::total_cmp);
        let at = |k: usize| f64::from(positive[k]);
        match positive.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => at(n / 2),
            n => 0.5 * (at(n / 2) + at(n / 2 - 1)),
        }
    }

    fn check(values: &[f32]) {
        let bytes: Vec<[u8; 4]> = values.iter().map(|v| v.to_be_bytes()).collect();
        for pixels in [Pixels::Native(values), Pixels::Fits(&bytes)] {
            assert_eq!(median_positive(pixels).to_bits(), plain(values).to_bits());
        }
    }

    proptest! {
        #[test]
        fn it_is_that_of_sorting(
            values in prop::collection::vec(
                prop_oneof![
                    // (Of a range of f32, proptest now and then fails to draw one.)
                    8 => (1e-6f32.to_bits()..2e-6f32.to_bits()).prop_map(f32::from_bits),
                    1 => prop_oneof![Just(0.0), Just(-1.0), Just(f32::NAN), Just(f32::INFINITY), Just(1.5e-6)],
                    1 => any::<f32>(),
                ],
                0..300,
            ),
        ) {
            check(&values);
        }
    }

    #[test]
    fn large_planes_are_sampled() {
        let mut random = fastrand::Rng::with_seed(5);
        let narrow: Vec<f32> = (0..300_001).map(|_| 1e-5 * (1.0 + random.f32())).collect();
        let bits = expected(Pixels::Native(&narrow));
        assert!(median_within(Pixels::Native(&narrow), bits).is_some(), "the first interval holds it");
        check(&narrow);
        check(&narrow[1..]);
    }

    /// Every pixel of the sample is far below all others.
    #[test]
    fn a_sample_that_misleads_does_no_harm() {
        let count = 20 * SAMPLE;
        let step = (count / SAMPLE) | 1;
        let values: Vec<f32> = (0..count)
            .map(|k| if k % step == 0 { 1e-9 } else { 1e-5 * (1.0 + (k * 37 % 1000) as f32) })
            .collect();
        let bits = expected(Pixels::Native(&values));
        assert!(median_within(Pixels::Native(&values), bits).is_none());
        check(&values);
    }
}
