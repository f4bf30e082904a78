//! Sigma clipping and the median.

/// What is left of values after clipping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Clipped {
    /// Their median.
    pub(crate) median: f64,
    /// Their standard deviation, by `n`.
    pub(crate) deviation: f64,
}

/// Clips `values` about their mean: up to `iterations` times those farther than `sigma` standard deviations (by
/// `n`) are dropped; it ends early where none is, or all would be. Reorders and shortens `values`, which must be finite and not
/// empty.
pub(crate) fn sigma_clip(values: &mut Vec<f64>, sigma: f64, iterations: usize) -> Clipped {
    let (mut mean, mut deviation) = moments(values);
    for _ in 0..iterations {
        let within = |v: f64| (v - mean).abs() <= sigma * deviation;
        let kept = values.iter().filter(|&&v| within(v)).count();
        // All may be lost to rounding where sigma is 1, for one value at least lies within the deviation.
        if kept == values.len() || kept == 0 {
            break;
        }
        values.retain(|&v| within(v));
        (mean, deviation) = moments(values);
    }
    Clipped { median: median(values), deviation }
}

/// Mean and standard deviation (by `n`).
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = sum(values, |v| v) / n;
    (mean, (sum(values, |v| (v - mean) * (v - mean)) / n).sqrt())
}

/// Partial sums that need not wait for each other; the same whatever the machine.
const LANES: usize = 8;

/// Sum of a function over values.
fn sum(values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|&v| of(v)).sum();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += of(value);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// The median, the mean of the two in the middle where their number is even; NaN where there are none. Reorders
/// `values`.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    0.5 * (lower + upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn outliers_are_clipped_one_after_another() {
        // 20 values about 0 with deviation 1, an outlier that hides another at first.
        let mut values: Vec<f64> = (0..40).map(|k| if k % 2 == 0 { -1.0 } else { 1.0 }).collect();
        values.extend([10.0, 100.0]);
        assert_eq!(sigma_clip(&mut values.clone(), 3.0, 0).median, 1.0);
        let once = sigma_clip(&mut values.clone(), 3.0, 1);
        assert!(once.deviation > 1.5, "{once:?}");
        let clipped = sigma_clip(&mut values, 3.0, 3);
        assert_eq!((values.len(), clipped.median, clipped.deviation), (40, 0.0, 1.0));
    }

    #[test]
    fn equal_values_are_not_clipped() {
        let mut values = vec![0.1; 7];
        assert_eq!(sigma_clip(&mut values, 3.0, 3).median, 0.1);
        assert_eq!(values.len(), 7);
    }
}
