//! Figures of samples, with their errors.

/// Mean and its standard error; NaN for an empty sample.
pub(crate) fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}

/// Mean with weights and its standard error, from the scatter about it.
pub(crate) fn weighted_mean(values: &[f64], weights: &[f64]) -> (f64, f64) {
    let total: f64 = weights.iter().sum();
    let mean = values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / total;
    let scatter: f64 = values.iter().zip(weights).map(|(v, w)| (w * (v - mean)).powi(2)).sum();
    (mean, scatter.sqrt() / total)
}

/// Median and its standard error, that of a normal sample of the same width.
pub(crate) fn median(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    (quantile(values, 0.5), 1.2533 * width(values).0 / n.sqrt())
}

/// Half of the range that holds the middle 68.27 %, the standard deviation of normal values, and
/// its standard error.
pub(crate) fn width(values: &[f64]) -> (f64, f64) {
    let width = 0.5 * (quantile(values, 0.841_345) - quantile(values, 0.158_655));
    // The error of either quantile of a normal sample is 1.51 sigma / sqrt(n), and they are nearly
    // independent.
    (width, 1.05 * width / (values.len() as f64).sqrt())
}

/// Share of the values for which something holds, and its standard error.
pub(crate) fn share(part: usize, all: usize) -> (f64, f64) {
    let (n, p) = (all as f64, part as f64 / all as f64);
    (p, ((p * (1.0 - p)).max(1.0 / n) / n).sqrt())
}

/// The value below which a share of the values lies; NaN for an empty sample.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share * (sorted.len() as f64 - 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let below = place.max(0.0) as usize;
    let (Some(low), Some(high)) = (sorted.get(below), sorted.get(below + 1).or(sorted.last())) else {
        return f64::NAN;
    };
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_normal_sample() {
        // Quantiles of the logistic function would do as well; these are of the normal one, by
        // rejection.
        let mut rng = fastrand::Rng::with_seed(3);
        let normal: Vec<f64> =
            (0..40_000).map(|_| 3.0 + (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0).collect();
        let near = |(value, error): (f64, f64), wanted: f64| (value - wanted).abs() < 4.0 * error;
        assert!(near(mean(&normal), 3.0) && near(median(&normal), 3.0) && near(width(&normal), 1.0));
        assert!(near(weighted_mean(&normal, &vec![2.0; normal.len()]), 3.0));
        assert!((mean(&normal).1 - 0.005).abs() < 2e-4);
        assert_eq!(share(1, 4).0, 0.25);
        assert!(median(&[]).0.is_nan());
        assert_eq!(median(&[1.0, 2.0, 4.0, 8.0]).0, 3.0);
    }
}
