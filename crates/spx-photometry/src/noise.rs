//! The noise of an image as a law: VARIANCE is affine in the rate, `v = a + k I`, with coefficients
//! that hold for all pixels. They are fitted to a sample of the pixels.
//!
//! A file's own variances follow the *observed* rate, so weights of 1/variance favor pixels that
//! fluctuated downward. The law gives the variance of a *model* of the light instead, which knows
//! nothing of the noise of a pixel.

/// Pixels that are looked at.
const SAMPLE: usize = 1 << 14;
/// Groups of equal rate of which medians are taken.
const GROUPS: usize = 24;
/// With fewer pixels than this there is no slope.
const FEWEST: usize = 10 * GROUPS;

/// `v = at_zero + slope * rate`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NoiseLaw {
    /// [(MJy/sr)^2]
    at_zero: f64,
    /// [MJy/sr]
    slope: f64,
    /// No variance is smaller [(MJy/sr)^2].
    least: f64,
}

impl NoiseLaw {
    /// The law of `count` pixels, of which `pixel` gives rate and variance where they are usable;
    /// `None` where none is.
    ///
    /// Medians of rate and variance in groups of equal rate; the slope is the median of those
    /// between all pairs of groups (Theil 1950, Sen 1968), so that pixels with another law do no
    /// harm. Below zero the rate adds no noise.
    pub(crate) fn fit(count: usize, pixel: impl Fn(usize) -> Option<[f64; 2]>) -> Option<Self> {
        let step = (count / SAMPLE) | 1;
        let usable =
            |[rate, variance]: &[f64; 2]| rate.is_finite() && *variance > 0.0 && variance.is_finite();
        let mut pixels: Vec<[f64; 2]> = (0..count).step_by(step).filter_map(pixel).filter(usable).collect();
        let typical = median(&mut pixels.iter().map(|p| p[1]).collect::<Vec<_>>())?;
        let flat = Self { at_zero: typical, slope: 0.0, least: typical };
        pixels.retain(|p| p[0] > 0.0);
        if pixels.len() < FEWEST {
            return Some(flat);
        }
        pixels.sort_unstable_by(|a, b| a[0].total_cmp(&b[0]));
        let groups: Vec<[f64; 2]> = pixels
            .chunks(pixels.len().div_ceil(GROUPS))
            .filter_map(|group| {
                let of = |k: usize| median(&mut group.iter().map(|p| p[k]).collect::<Vec<_>>());
                Some([of(0)?, of(1)?])
            })
            .collect();
        let pairs = groups.iter().enumerate().flat_map(|(k, a)| groups[..k].iter().map(move |b| (a, b)));
        let mut slopes: Vec<f64> =
            pairs.filter(|(a, b)| a[0] > b[0]).map(|(a, b)| (a[1] - b[1]) / (a[0] - b[0])).collect();
        let Some(slope) = median(&mut slopes).map(|slope| slope.max(0.0)) else { return Some(flat) };
        let at_zero = median(&mut groups.iter().map(|g| g[1] - slope * g[0]).collect::<Vec<_>>())?;
        let least = at_zero.max(0.01 * typical);
        Some(Self { at_zero, slope, least })
    }

    /// The variance of a pixel with this rate [MJy/sr].
    pub(crate) fn variance(&self, rate: f64) -> f64 {
        (self.at_zero + self.slope * rate).max(self.least)
    }
}

/// The upper of the two in the middle where their number is even.
fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_is_found_among_other_pixels() {
        let mut rng = fastrand::Rng::with_seed(2);
        let pixels: Vec<[f64; 2]> = (0..40_000)
            .map(|k| {
                let rate = 0.3 + 0.1 * (rng.f64() - 0.5) + if k % 50 == 0 { 3.0 * rng.f64() } else { 0.0 };
                let wild = if k % 40 == 0 { 5.0 } else { 1.0 };
                [rate, wild * (5e-5 + 1.7e-3 * rate)]
            })
            .collect();
        let law = NoiseLaw::fit(pixels.len(), |k| Some(pixels[k])).unwrap();
        for rate in [0.3, 1.0, 10.0] {
            assert!((law.variance(rate) / (5e-5 + 1.7e-3 * rate) - 1.0).abs() < 0.02, "{law:?}");
        }
        assert!(law.variance(-1.0) > 0.0);
    }

    #[test]
    fn flat_variances_have_no_slope() {
        let law = NoiseLaw::fit(100, |_| Some([0.3, 1e-4])).unwrap();
        assert_eq!(law.variance(5.0), 1e-4);
        let mut rng = fastrand::Rng::with_seed(3);
        let pixels: Vec<[f64; 2]> =
            (0..20_000).map(|_| [0.3 + 0.05 * rng.f64(), 1e-4 * (1.0 + 0.2 * rng.f64())]).collect();
        let law = NoiseLaw::fit(pixels.len(), |k| Some(pixels[k])).unwrap();
        assert!((law.variance(0.33) / 1.1e-4 - 1.0).abs() < 0.05, "{law:?}");
        assert_eq!(NoiseLaw::fit(10, |_| None), None);
        assert_eq!(NoiseLaw::fit(10, |_| Some([f64::NAN, 1.0])), None);
    }
}
