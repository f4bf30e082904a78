//! Sigma clipping and the median.
//!
//! Values come with NaN or an infinity in the places where there is none, so that nothing has to be
//! moved: what is clipped away lies outside of an interval, and every pass over the values is a
//! loop without branches. Loops are compiled for several instruction sets (`pulp`), with a fixed
//! number of partial sums, so that every machine finds the same bits.

/// Partial sums that need not wait for each other.
const LANES: usize = 8;
/// Values whose places are found at a time, one bit each.
const BLOCK: usize = 64;
/// A pivot farther from the mean than this costs digits of the deviation [standard deviations].
const FAR: f64 = 4.0;
/// MomentSums of squares that shrink by more than this by what is taken from them have lost too
/// many digits.
const LOST: f64 = 1e3;
/// Share of the clipping interval in which no value is expected to be clipped later.
const CORE: f64 = 0.8;
/// Half the widths of the intervals in which the median is looked for [standard deviations]. It
/// lies within one.
const REACHES: [f64; 3] = [0.08, 0.3, 1.0];
/// From so many values on, those around the median are sought out first.
const MANY: usize = 48;

/// Values, of which those count that are finite.
#[derive(Debug, Clone, Default)]
pub(crate) struct BackgroundSample {
    /// Filled up with NaN to whole blocks.
    values: Vec<f64>,
    /// Over all values.
    all: MomentSums,
    /// Values that may be clipped.
    wings: Vec<f64>,
    /// Values around the median, and nearer ones.
    near: Vec<f64>,
    nearest: Vec<f64>,
}

/// What is left of values after clipping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Clipped {
    /// Their median.
    pub(crate) median: f64,
    /// Their standard deviation, by `n`.
    pub(crate) deviation: f64,
}

/// Bounds, which belong to it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Interval {
    low: f64,
    high: f64,
}

/// Every finite number.
const ALL: Interval = Interval { low: f64::MIN, high: f64::MAX };

/// MomentSums over values, by their differences from a pivot.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct MomentSums {
    count: usize,
    pivot: f64,
    sum: f64,
    squares: f64,
}

/// Of some values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Moments {
    count: usize,
    mean: f64,
    /// Standard deviation by `n`.
    deviation: f64,
}

impl BackgroundSample {
    /// Takes `count` values, all of which `fill` writes, and gives the number of those that are
    /// finite.
    pub(crate) fn fill(&mut self, count: usize, fill: impl FnOnce(&mut [f64])) -> usize {
        self.values.resize(count.next_multiple_of(BLOCK), f64::NAN);
        let (values, rest) = self.values.split_at_mut(count);
        fill(values);
        rest.fill(f64::NAN);
        let first = self.values.iter().copied().find(|v| v.is_finite());
        self.all = first.map_or_else(MomentSums::default, |first| self.sums(ALL, first));
        self.all.count
    }

    /// Clips the values about their mean: up to `iterations` times those farther than `sigma`
    /// standard deviations (by `n`) are dropped; it ends early where none is, or all would be.
    /// `None` where there is no value.
    ///
    /// Values that an iteration may drop are sought out once for all iterations, as long as none
    /// drops others; what is dropped is taken from the sums over all, unless too few digits would
    /// be left of these.
    pub(crate) fn sigma_clip(&mut self, sigma: f64, iterations: usize) -> Option<Clipped> {
        if self.all.count == 0 {
            return None;
        }
        let (mut kept, mut left) = (ALL, self.all.moments());
        let mut core: Option<Interval> = None;
        for _ in 0..iterations {
            let reach = sigma * left.deviation;
            let closer = kept.and(Interval::about(left.mean, reach));
            if !core.is_some_and(|core| closer.and(core) == core) {
                let within = closer.and(Interval::about(left.mean, CORE * reach));
                self.find_wings(within);
                core = Some(within);
            }
            let dropped = self.wings.iter().filter(|v| ALL.holds(**v) && !closer.holds(**v));
            let mut sums = dropped.fold(self.all, MomentSums::without);
            if sums.squares * LOST < self.all.squares || sums.is_far() {
                sums = self.sums(closer, left.mean);
            }
            // All may be lost to rounding where sigma is 1, for one value at least lies within the
            // deviation.
            if sums.count == left.count || sums.count == 0 {
                break;
            }
            (kept, left) = (closer, sums.moments());
        }
        Some(Clipped { median: self.median(kept, left), deviation: left.deviation })
    }

    /// MomentSums over the values in an interval; the pivot should be a value or near their mean.
    fn sums(&self, within: Interval, pivot: f64) -> MomentSums {
        let sums = |pivot| {
            pulp::Arch::new().dispatch(ClippedSumPass { blocks: blocks(&self.values), within, pivot })
        };
        let found = sums(pivot);
        if found.is_far() { sums(found.moments().mean) } else { found }
    }

    /// The values outside of an interval, into `wings`.
    fn find_wings(&mut self, core: Interval) {
        self.wings.clear();
        let (blocks, wings) = (blocks(&self.values), &mut self.wings);
        pulp::Arch::new().dispatch(Outside { blocks, core, wings });
    }

    /// The median of the values in an interval, the mean of the two in the middle where their
    /// number is even.
    ///
    /// It lies within a standard deviation of the mean, and mostly much nearer: the values below an
    /// interval about the mean are counted, those in it collected, and only these put into order.
    fn median(&mut self, kept: Interval, moments: Moments) -> f64 {
        let Self { values, near, nearest, .. } = self;
        let about = |reach: f64| kept.and(Interval::about(moments.mean, reach * moments.deviation));
        let reaches = if moments.count < MANY { &[] } else { REACHES.as_slice() };
        for around in reaches.iter().map(|reach| about(*reach)).chain([kept]) {
            let below = collect(values, kept, around, near);
            // The place of the upper of the two, and that of the lower one.
            let Some(upper) = (moments.count / 2).checked_sub(below).filter(|at| *at < near.len()) else {
                continue;
            };
            let Some(lower) = upper.checked_sub(1 - moments.count % 2) else { continue };
            return middle(near, around, [lower, upper], nearest);
        }
        f64::NAN
    }
}

/// The mean of two neighbors, or the same, in the order of the values of an interval. Reorders
/// `values`; `few` is working memory.
fn middle(values: &mut Vec<f64>, interval: Interval, [lower, upper]: [usize; 2], few: &mut Vec<f64>) -> f64 {
    let n = values.len();
    if n >= MANY {
        // Were they spread evenly, the places would scatter about the value by half of the root of
        // their number.
        let step = (interval.high - interval.low) / n as f64;
        let closer = Interval::about(interval.low + upper as f64 * step, 1.5 * (n as f64).sqrt() * step);
        values.resize(n.next_multiple_of(BLOCK), f64::NAN);
        let below = collect(values, interval, closer, few);
        values.truncate(n);
        if below <= lower && upper < below + few.len() {
            return select(few, [lower - below, upper - below]);
        }
    }
    select(values, [lower, upper])
}

/// The same by selection.
fn select(values: &mut [f64], [lower, upper]: [usize; 2]) -> f64 {
    let (less, &mut high, _) = values.select_nth_unstable_by(upper, f64::total_cmp);
    if lower == upper {
        return high;
    }
    let low = less.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    0.5 * (low + high)
}

/// Collects the values in `around`, and counts those in `kept` that are below.
fn collect(values: &[f64], kept: Interval, around: Interval, into: &mut Vec<f64>) -> usize {
    into.clear();
    pulp::Arch::new().dispatch(Collect { blocks: blocks(values), kept, around, into })
}

fn blocks(values: &[f64]) -> &[[f64; BLOCK]] {
    values.as_chunks().0
}

impl Interval {
    fn about(middle: f64, reach: f64) -> Self {
        Self { low: middle - reach, high: middle + reach }
    }

    /// What two have in common.
    fn and(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    fn holds(self, value: f64) -> bool {
        (self.low <= value) & (value <= self.high)
    }

    /// Which of some values it holds.
    #[inline(always)]
    fn mask<S: pulp::Simd>(self, simd: S, values: S::f64s) -> S::m64s {
        let [low, high] = [self.low, self.high].map(|v| simd.splat_f64s(v));
        simd.and_m64s(simd.less_than_or_equal_f64s(low, values), simd.less_than_or_equal_f64s(values, high))
    }
}

impl MomentSums {
    fn without(self, value: &f64) -> Self {
        let difference = value - self.pivot;
        let (sum, squares) = (self.sum - difference, self.squares - difference * difference);
        Self { count: self.count - 1, sum, squares, ..self }
    }

    fn moments(self) -> Moments {
        let n = self.count.max(1) as f64;
        let shift = self.sum / n;
        let variance = (self.squares / n - shift * shift).max(0.0);
        Moments { count: self.count, mean: self.pivot + shift, deviation: variance.sqrt() }
    }

    /// True where the pivot is too far from the mean to give the deviation precisely.
    fn is_far(self) -> bool {
        let Moments { mean, deviation, .. } = self.moments();
        (mean - self.pivot).abs() > FAR * deviation
    }
}

/// Partial sums.
struct MomentLanes<S: pulp::Simd> {
    simd: S,
    pivot: f64,
    counts: [S::u64s; LANES],
    sums: [S::f64s; LANES],
    squares: [S::f64s; LANES],
}

// What is not inlined into `with_simd` is compiled for the oldest instruction set.
impl<S: pulp::Simd> MomentLanes<S> {
    #[inline(always)]
    fn new(simd: S, pivot: f64) -> Self {
        let (none, zero) = (simd.splat_u64s(0), simd.splat_f64s(0.0));
        Self { simd, pivot, counts: [none; LANES], sums: [zero; LANES], squares: [zero; LANES] }
    }

    /// Adds those of some values that are `within`.
    #[inline(always)]
    fn add(&mut self, k: usize, values: S::f64s, within: S::m64s) {
        let simd = self.simd;
        let difference = simd.sub_f64s(values, simd.splat_f64s(self.pivot));
        let difference = simd.select_f64s(within, difference, simd.splat_f64s(0.0));
        self.counts[k] = count(simd, self.counts[k], within);
        self.sums[k] = simd.add_f64s(self.sums[k], difference);
        self.squares[k] = simd.add_f64s(self.squares[k], simd.mul_f64s(difference, difference));
    }

    /// In the order of the lanes, however many of them stand in a register.
    #[inline(always)]
    fn total(self) -> MomentSums {
        let sum = |of: [S::f64s; LANES]| {
            let mut lanes = [0.0; LANES];
            S::as_mut_simd_f64s(&mut lanes).0.iter_mut().zip(of).for_each(|(to, of)| *to = of);
            lanes.iter().sum()
        };
        let count = total::<S>(self.counts);
        MomentSums { count, pivot: self.pivot, sum: sum(self.sums), squares: sum(self.squares) }
    }
}

/// Counts of which those are one more that are `within`.
#[inline(always)]
fn count<S: pulp::Simd>(simd: S, counts: S::u64s, within: S::m64s) -> S::u64s {
    simd.add_u64s(counts, simd.select_u64s(within, simd.splat_u64s(1), simd.splat_u64s(0)))
}

/// The sum of counts.
#[inline(always)]
fn total<S: pulp::Simd>(counts: [S::u64s; LANES]) -> usize {
    let mut lanes = [0u64; LANES];
    S::as_mut_simd_u64s(&mut lanes).0.iter_mut().zip(counts).for_each(|(to, count)| *to = count);
    #[expect(clippy::cast_possible_truncation, reason = "no more than there are values")]
    let total = lanes.iter().sum::<u64>() as usize;
    total
}

/// The bit of each place in a block.
const PLACES: [u64; BLOCK] = {
    let mut places = [1; BLOCK];
    let mut k = 1;
    while k < BLOCK {
        places[k] = 2 * places[k - 1];
        k += 1;
    }
    places
};

/// Appends those values to `into` for which `chosen` says so; it is given the number of the partial
/// sum, and values.
#[inline(always)]
fn choose<S: pulp::Simd>(
    simd: S,
    blocks: &[[f64; BLOCK]],
    into: &mut Vec<f64>,
    mut chosen: impl FnMut(usize, S::f64s) -> S::m64s,
) {
    let mut found = [0.0; BLOCK];
    for block in blocks {
        let mut places = places(simd, block, &mut chosen);
        let mut n = 0;
        while places != 0 {
            found[n % BLOCK] = block[places.trailing_zeros() as usize % BLOCK];
            n += 1;
            places &= places - 1;
        }
        into.extend_from_slice(&found[..n]);
    }
}

/// The bits of the values in a block for which `chosen` says so.
#[inline(always)]
fn places<S: pulp::Simd>(
    simd: S,
    block: &[f64; BLOCK],
    chosen: &mut impl FnMut(usize, S::f64s) -> S::m64s,
) -> u64 {
    let none = simd.splat_u64s(0);
    let mut bits = [none; LANES];
    for (lanes, places) in block.as_chunks::<LANES>().0.iter().zip(PLACES.as_chunks::<LANES>().0) {
        let vectors = S::as_simd_f64s(lanes).0.iter().zip(S::as_simd_u64s(places).0);
        for (k, (&values, &places)) in vectors.enumerate() {
            bits[k] = simd.or_u64s(bits[k], simd.select_u64s(chosen(k, values), places, none));
        }
    }
    let mut lanes = [0u64; LANES];
    S::as_mut_simd_u64s(&mut lanes).0.iter_mut().zip(bits).for_each(|(to, bits)| *to = bits);
    lanes.iter().fold(0, |all, bits| all | bits)
}

/// MomentSums over the values in an interval.
struct ClippedSumPass<'a> {
    blocks: &'a [[f64; BLOCK]],
    within: Interval,
    pivot: f64,
}

impl pulp::WithSimd for ClippedSumPass<'_> {
    type Output = MomentSums;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> MomentSums {
        let mut sums = MomentLanes::new(simd, self.pivot);
        for lanes in self.blocks.as_flattened().as_chunks::<LANES>().0 {
            for (k, &values) in S::as_simd_f64s(lanes).0.iter().enumerate() {
                sums.add(k, values, self.within.mask(simd, values));
            }
        }
        sums.total()
    }
}

/// Appends the values outside of an interval, but for NaN, to `wings`.
struct Outside<'a> {
    blocks: &'a [[f64; BLOCK]],
    core: Interval,
    wings: &'a mut Vec<f64>,
}

impl pulp::WithSimd for Outside<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let [low, high] = [self.core.low, self.core.high].map(|v| simd.splat_f64s(v));
        choose(simd, self.blocks, self.wings, |_, values| {
            simd.or_m64s(simd.less_than_f64s(values, low), simd.less_than_f64s(high, values))
        });
    }
}

/// Appends the values in `around` to `into`, and counts those in `kept` below.
struct Collect<'a> {
    blocks: &'a [[f64; BLOCK]],
    kept: Interval,
    around: Interval,
    into: &'a mut Vec<f64>,
}

impl pulp::WithSimd for Collect<'_> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> usize {
        let [least, low] = [self.kept.low, self.around.low].map(|v| simd.splat_f64s(v));
        let mut below = [simd.splat_u64s(0); LANES];
        choose(simd, self.blocks, self.into, |k, values| {
            let kept = simd.less_than_or_equal_f64s(least, values);
            below[k] = count(simd, below[k], simd.and_m64s(kept, simd.less_than_f64s(values, low)));
            self.around.mask(simd, values)
        });
        total::<S>(below)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(values: &[f64]) -> BackgroundSample {
        let mut sample = BackgroundSample::default();
        sample.fill(values.len(), |to| to.copy_from_slice(values));
        sample
    }

    /// By sorting.
    fn plain_median(values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let n = sorted.len();
        if n % 2 == 1 { sorted[n / 2] } else { 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]) }
    }

    /// As the words have it.
    fn plain_clip(mut values: Vec<f64>, sigma: f64, iterations: usize) -> Clipped {
        let moments = |values: &[f64]| {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
        };
        for _ in 0..iterations {
            let (mean, deviation) = moments(&values);
            let kept: Vec<f64> =
                values.iter().copied().filter(|v| (v - mean).abs() <= sigma * deviation).collect();
            if kept.is_empty() {
                break;
            }
            values = kept;
        }
        Clipped { median: plain_median(&values), deviation: moments(&values).1 }
    }

    #[test]
    fn medians() {
        let median = |values: &[f64]| sample(values).sigma_clip(3.0, 0).map(|c| c.median);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, f64::NAN, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[f64::NAN]), None);
    }

    #[test]
    fn outliers_are_clipped_one_after_another() {
        // 40 values about 0 with deviation 1, an outlier that hides another at first.
        let mut values: Vec<f64> = (0..40).map(|k| if k % 2 == 0 { -1.0 } else { 1.0 }).collect();
        values.extend([10.0, 100.0]);
        let clip = |iterations| sample(&values).sigma_clip(3.0, iterations).unwrap();
        assert_eq!(clip(0).median, 1.0);
        assert!(clip(1).deviation > 1.5, "{:?}", clip(1));
        assert_eq!(clip(3), Clipped { median: 0.0, deviation: 1.0 });
    }

    #[test]
    fn equal_values_are_not_clipped() {
        let clipped = sample(&[0.1; 7]).sigma_clip(3.0, 3);
        assert_eq!(clipped, Some(Clipped { median: 0.1, deviation: 0.0 }));
    }

    /// The pivot of the sums is the first value; that it is far from the others must cost no
    /// digits.
    #[test]
    fn the_first_value_may_be_an_outlier() {
        let mut values: Vec<f64> = (0..1000).map(|k| 0.5 + 0.01 * f64::from(k * 7919 % 1000)).collect();
        let expected = sample(&values).sigma_clip(3.0, 3).unwrap();
        values.insert(0, 1e12);
        let clipped = sample(&values).sigma_clip(3.0, 3).unwrap();
        assert_eq!(clipped.median, expected.median);
        assert!((clipped.deviation / expected.deviation - 1.0).abs() < 1e-13);
    }

    /// Values of many kinds: a few or many, spread evenly or in a heap with outliers, or few
    /// different ones.
    fn values() -> impl Strategy<Value = Vec<f64>> {
        let even = prop::collection::vec(-1.0..1.0f64, 1..300);
        let heap = prop::collection::vec(
            prop_oneof![20 => (-1.0..1.0f64).prop_map(|v| 0.5 + v * v * v), 1 => -1e6..1e6f64, 1 => Just(f64::NAN)],
            1..3000,
        );
        let steps = prop::collection::vec((0..4).prop_map(|v| 0.1 * f64::from(v)), 1..200);
        prop_oneof![even, heap, steps].prop_filter("one is finite", |v| v.iter().any(|v| v.is_finite()))
    }

    proptest! {
        #[test]
        fn the_median_is_that_of_sorting(values in values()) {
            let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            let found = sample(&values).sigma_clip(3.0, 0).unwrap();
            prop_assert_eq!(found.median.to_bits(), plain_median(&finite).to_bits());
            prop_assert_eq!(sample(&values).all.count, finite.len());
        }

        #[test]
        fn clipping_is_what_the_words_say(values in values(), sigma in 1.5..4.0f64, iterations in 0..5usize) {
            let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            let (found, expected) =
                (sample(&values).sigma_clip(sigma, iterations).unwrap(), plain_clip(finite, sigma, iterations));
            prop_assert_eq!(found.median, expected.median);
            prop_assert!((found.deviation - expected.deviation).abs() <= 1e-12 * expected.deviation + 1e-15);
        }
    }
}
