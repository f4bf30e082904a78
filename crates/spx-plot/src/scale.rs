//! From pixel values to [0, 1]: limits and the curve between them.

use std::cmp::Ordering;

use ndarray::ArrayView2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PlotError;
use crate::options::named;
use spx_core::elementary::{asinh, ln_1p};

/// The curve from a value, scaled so that the limits are 0 and 1, to the position in the color map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stretch {
    /// `x`.
    Linear,
    /// `asinh(10 x) / asinh(10)`: linear for faint values, logarithmic for bright ones.
    #[default]
    Asinh,
    /// `ln(1000 x + 1) / ln(1001)`.
    Log,
    /// The square root of `x`.
    Sqrt,
}

named!(Stretch, "stretch", Linear = "linear", Asinh = "asinh", Log = "log", Sqrt = "sqrt");

/// `x / ASINH_SOFTENING` is where the asinh stretch turns from linear to logarithmic; astropy's
/// default.
const ASINH_SOFTENING: f64 = 0.1;
/// The contrast of the logarithmic stretch; astropy's default.
const LOG_CONTRAST: f64 = 1000.0;

impl Stretch {
    /// Maps [0, 1] onto [0, 1], rising; what lies outside gets the nearest end, NaN stays NaN.
    pub fn apply(self, x: f64) -> f64 {
        let x = x.clamp(0.0, 1.0);
        match self {
            Self::Linear => x,
            Self::Asinh => asinh(x / ASINH_SOFTENING) / asinh(1.0 / ASINH_SOFTENING),
            Self::Log => ln_1p(LOG_CONTRAST * x) / ln_1p(LOG_CONTRAST),
            Self::Sqrt => x.sqrt(),
        }
    }
}

/// The values that become 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum DisplayLimits {
    /// Percentiles of the finite values, in [0, 100], interpolated linearly between neighbors in
    /// rank.
    Percentile(f64, f64),
    /// Fixed values, in the unit of the data.
    Range(f64, f64),
    /// The sky dark and what is brighter above it: the lower limit lies `below` widths of the noise
    /// below the median, the upper one at a percentile, but at least `sigmas` widths above the
    /// median, so that noise stays dark where there is little else. The width is the distance from
    /// the median down to the percentile 15.87, one standard deviation of normal noise: sources,
    /// which are positive, hardly change it. Values without noise have the percentile `100 - high`
    /// as their lower limit.
    AboveNoise {
        /// Distance of the lower limit from the median, in widths of the noise.
        below: f64,
        /// Percentile of the upper limit.
        high: f64,
        /// Least distance of the upper limit from the median, in widths of the noise.
        sigmas: f64,
    },
    /// Zero in the middle and both signs alike: the upper limit is a percentile of the absolute
    /// values, but at least `sigmas` widths of the noise, and the lower one its negative. For
    /// differences, such as maps of lines over their continuum.
    AroundZero {
        /// Percentile of the absolute values.
        high: f64,
        /// Least distance of the limits from zero, in widths of the noise.
        sigmas: f64,
    },
}

impl DisplayLimits {
    /// How far below the median of the sky pictures begin, in widths of the noise: dark, with the
    /// noise just visible.
    const BELOW_SKY: f64 = 1.5;
    /// The rule for planes.
    pub const PLANE: Self = Self::AboveNoise { below: Self::BELOW_SKY, high: 99.5, sigmas: 15.0 };
    /// The rule for the channels of a composite, in which bright sources need more room.
    pub const COMPOSITE: Self = Self::AboveNoise { below: Self::BELOW_SKY, high: 99.7, sigmas: 25.0 };
    /// The rule for maps of both signs, such as those of lines, in colors that diverge from zero.
    pub const SIGNED: Self = Self::AroundZero { high: 99.5, sigmas: 15.0 };
    /// The rule for such maps in other colors: noise is not cut off where it is negative.
    pub const LINE: Self = Self::AboveNoise { below: 5.0, high: 99.5, sigmas: 15.0 };
    /// The least upper limit of the logarithmic stretch, in widths of the noise above the median:
    /// the sky then lies at a fifth of the color map, where with 15 it would be at two thirds.
    pub const LOG_SIGMAS: f64 = 500.0;

    /// The rule as a stretch needs it so that the sky is dark: that of the noise begins higher for
    /// [`Stretch::Log`]; all others are as they were.
    #[must_use]
    pub fn for_stretch(self, stretch: Stretch) -> Self {
        match (self, stretch) {
            (Self::AboveNoise { below, high, sigmas }, Stretch::Log) => {
                Self::AboveNoise { below, high, sigmas: sigmas.max(Self::LOG_SIGMAS) }
            }
            (Self::AroundZero { high, sigmas }, Stretch::Log) => {
                Self::AroundZero { high, sigmas: sigmas.max(Self::LOG_SIGMAS) }
            }
            _ => self,
        }
    }
}

/// [`DisplayLimits::PLANE`].
impl Default for DisplayLimits {
    fn default() -> Self {
        Self::PLANE
    }
}

fn check_sigmas<const N: usize>(parameters: [(&'static str, f64); N]) -> Result<(), PlotError> {
    for (what, value) in parameters {
        if !(value > 0.0 && value <= MOST_SIGMAS) {
            return Err(PlotError::Parameter { what, most: MOST_SIGMAS, value });
        }
    }
    Ok(())
}

/// Normal noise lies with this probability \[percent\] below minus one standard deviation.
const ONE_SIGMA_BELOW: f64 = 15.865_525_393_145_708;

impl DisplayLimits {
    /// The limits for one plane, lower one first and below the other; `None` where they depend on
    /// the values and none is finite. Where all values between the percentiles are equal, the
    /// limits are put around that value.
    ///
    /// # Errors
    /// [`PlotError::Limits`] where the limits are not finite or not in order, or a percentile lies
    /// outside [0, 100].
    pub fn of(self, plane: ArrayView2<'_, f32>) -> Result<Option<(f64, f64)>, PlotError> {
        self.of_all([plane])
    }

    /// The limits for several planes together.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_all<'a>(
        self,
        planes: impl IntoIterator<Item = ArrayView2<'a, f32>>,
    ) -> Result<Option<(f64, f64)>, PlotError> {
        let finite = || {
            let mut values: Vec<f32> = Vec::new();
            for plane in planes {
                values.extend(plane.iter().filter(|v| v.is_finite()));
            }
            values
        };
        match self {
            Self::Range(low, high) => {
                // A span that overflows cannot be divided by.
                if low < high && (high - low).is_finite() {
                    Ok(Some((low, high)))
                } else {
                    Err(PlotError::Limits { what: "limits", low, high, hint: "" })
                }
            }
            Self::Percentile(low, high) => {
                check_percentiles(low, high)?;
                Ok(percentiles(&mut finite(), low, high, f32::total_cmp).map(apart))
            }
            Self::AboveNoise { below, high, sigmas } => {
                check_percentiles(0.0, high)?;
                check_sigmas([("sigmas", sigmas), ("below", below)])?;
                let mut values = finite();
                let ends = percentiles(&mut values, 100.0 - high, high, f32::total_cmp);
                let noise = percentiles(&mut values, ONE_SIGMA_BELOW, 50.0, f32::total_cmp);
                let limits = |((low, high), (one_below, median)): (ValuePair, ValuePair)| {
                    let noise = median - one_below;
                    let low = if noise > 0.0 { median - below * noise } else { low };
                    (low, high.max(median + sigmas * noise))
                };
                Ok(ends.zip(noise).map(limits).map(apart))
            }
            Self::AroundZero { high, sigmas } => {
                check_percentiles(0.0, high)?;
                check_sigmas([("sigmas", sigmas)])?;
                let mut values = finite();
                let noise = percentiles(&mut values, ONE_SIGMA_BELOW, 50.0, f32::total_cmp);
                values.iter_mut().for_each(|value| *value = value.abs());
                let ends = percentiles(&mut values, 0.0, high, f32::total_cmp);
                let limits = |((_, high), (one_below, median)): (ValuePair, ValuePair)| {
                    let most = high.max(sigmas * (median - one_below));
                    let most = if most > 0.0 { most } else { 1.0 };
                    (-most, most)
                };
                Ok(ends.zip(noise).map(limits))
            }
        }
    }
}

/// Percentiles that enclose something.
pub(crate) fn check_percentiles(low: f64, high: f64) -> Result<(), PlotError> {
    if 0.0 <= low && low < high && high <= 100.0 {
        return Ok(());
    }
    Err(PlotError::Limits { what: "percentiles", low, high, hint: ", within 0 to 100" })
}

type ValuePair = (f64, f64);

/// More than a picture of single precision can show.
const MOST_SIGMAS: f64 = 1e6;

/// Two percentiles of finite values, by selection rather than sorting; `None` of none. `values` are
/// reordered.
pub(crate) fn percentiles<T: Copy + Into<f64>>(
    values: &mut [T],
    low: f64,
    high: f64,
    order: fn(&T, &T) -> Ordering,
) -> Option<ValuePair> {
    if values.is_empty() {
        return None;
    }
    Some((percentile(values, low, order), percentile(values, high, order)))
}

/// One percentile; `values` is not empty, holds no NaN, and is reordered.
fn percentile<T: Copy + Into<f64>>(values: &mut [T], percent: f64, order: fn(&T, &T) -> Ordering) -> f64 {
    let rank = percent / 100.0 * (values.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in [0, len - 1]")]
    let below = (rank.floor() as usize).min(values.len() - 1);
    let (_, &mut at, above) = values.select_nth_unstable_by(below, order);
    let next = above.iter().copied().min_by(order).unwrap_or(at);
    let part = rank - below as f64;
    at.into() * (1.0 - part) + next.into() * part
}

/// Moves equal limits apart by a tenth of their size, or by 1 around 0.
fn apart((low, high): (f64, f64)) -> (f64, f64) {
    if high > low {
        return (low, high);
    }
    let half = if low == 0.0 { 1.0 } else { low.abs() / 10.0 };
    (low - half, low + half)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn stretches_keep_the_ends_and_rise() {
        for stretch in Stretch::ALL {
            assert!(stretch.apply(0.0).abs() < 1e-15, "{stretch}");
            assert!((stretch.apply(1.0) - 1.0).abs() < 1e-15, "{stretch}");
            let values: Vec<f64> = (0..=100).map(|k| stretch.apply(f64::from(k) / 100.0)).collect();
            assert!(values.is_sorted(), "{stretch}");
            assert_eq!(stretch.apply(-5.0), stretch.apply(0.0));
            assert_eq!(stretch.apply(7.0), stretch.apply(1.0));
            assert!(stretch.apply(f64::NAN).is_nan());
        }
    }

    /// The formulas that astropy documents for `AsinhStretch(0.1)` and `LogStretch(1000)`, by
    /// Python's `math`.
    #[test]
    fn stretches_have_the_formulas_of_astropy() {
        assert!((Stretch::Asinh.apply(0.25) - 0.549_402_487_299_148_4).abs() < 1e-12);
        assert!((Stretch::Log.apply(0.25) - 0.799_775_518_979_912_8).abs() < 1e-12);
        assert_eq!(Stretch::Sqrt.apply(0.25), 0.5);
    }

    /// As `numpy.nanpercentile` gives them.
    #[test]
    fn percentiles_interpolate_and_leave_out_what_is_not_finite() {
        let plane = array![[4.0, f32::NAN, 1.0], [3.0, 2.0, f32::INFINITY]];
        assert_eq!(DisplayLimits::Percentile(0.0, 100.0).of(plane.view()).unwrap(), Some((1.0, 4.0)));
        assert_eq!(DisplayLimits::Percentile(50.0, 75.0).of(plane.view()).unwrap(), Some((2.5, 3.25)));
    }

    /// Uniform noise in [-1, 1]: median 0, 15.87 % below -0.6827.
    #[test]
    fn noise_alone_stays_in_the_lower_part() {
        let noise = Array2::from_shape_fn((1, 2001), |(_, x)| x as f32 / 1000.0 - 1.0);
        let limits = DisplayLimits::AboveNoise { below: 1.5, high: 99.5, sigmas: 15.0 };
        let (low, high) = limits.of(noise.view()).unwrap().unwrap();
        assert!(
            (low + 1.5 * 0.682_689).abs() < 1e-4 && (high - 15.0 * 0.682_689).abs() < 1e-4,
            "{low} {high}"
        );
        let mut sources = noise.clone();
        sources.slice_mut(ndarray::s![0, 1900..]).fill(500.0);
        assert_eq!(limits.of(sources.view()).unwrap().unwrap().1, 500.0, "bright sources set the limit");
        let halves = [noise.slice(ndarray::s![.., ..1000]), noise.slice(ndarray::s![.., 1000..])];
        assert_eq!(limits.of_all(halves).unwrap(), Some((low, high)), "all planes count");
    }

    /// The sky of normal noise with a few sources stays in the lower third of every stretch.
    #[test]
    fn the_sky_is_dark_in_every_stretch() {
        let noise = Array2::from_shape_fn((40, 50), |(y, x)| {
            let part = ((50 * y + x) * 7919 % 2000) as f32 / 2000.0;
            // Sources of 10 and more widths in one pixel of fifty.
            let source = if x == 25 { 20.0 * (y + 1) as f32 } else { 0.0 };
            100.0 + 3.4 * (part - 0.5) + source
        });
        for stretch in Stretch::ALL {
            for rule in [DisplayLimits::PLANE, DisplayLimits::COMPOSITE] {
                let (low, high) = rule.for_stretch(*stretch).of(noise.view()).unwrap().unwrap();
                let shown = |value: f64| stretch.apply((value - low) / (high - low));
                assert!(shown(100.0) < 1.0 / 3.0, "{stretch}: {}", shown(100.0));
                assert!(shown(200.0) > shown(100.0) + 0.2 || *stretch == Stretch::Linear, "{stretch}");
            }
        }
        let fixed = DisplayLimits::Range(0.0, 1.0);
        assert_eq!(fixed.for_stretch(Stretch::Log), fixed);
    }

    #[test]
    fn limits_of_equal_values_enclose_them() {
        let (low, high) =
            DisplayLimits::default().of(Array2::from_elem((3, 3), -5.0).view()).unwrap().unwrap();
        assert!(low < -5.0 && -5.0 < high, "{low} {high}");
        let (low, high) = DisplayLimits::default().of(Array2::zeros((1, 1)).view()).unwrap().unwrap();
        assert_eq!((low, high), (-1.0, 1.0));
    }

    #[test]
    fn nothing_finite_has_no_limits() {
        let plane = Array2::from_elem((2, 2), f32::NAN);
        assert_eq!(DisplayLimits::default().of(plane.view()).unwrap(), None);
        assert_eq!(DisplayLimits::Range(0.0, 1.0).of(plane.view()).unwrap(), Some((0.0, 1.0)));
    }

    #[test]
    fn impossible_limits_are_errors() {
        let plane = Array2::zeros((2, 2));
        for limits in [
            DisplayLimits::Range(1.0, 1.0),
            DisplayLimits::Range(2.0, 1.0),
            DisplayLimits::Range(f64::NAN, 1.0),
            DisplayLimits::Range(0.0, f64::INFINITY),
            DisplayLimits::Range(-f64::MAX, f64::MAX),
            DisplayLimits::Percentile(-1.0, 50.0),
            DisplayLimits::Percentile(50.0, 100.5),
            DisplayLimits::Percentile(50.0, 50.0),
            DisplayLimits::Percentile(0.0, f64::NAN),
            DisplayLimits::AboveNoise { below: 1.0, high: 101.0, sigmas: 5.0 },
        ] {
            assert!(matches!(limits.of(plane.view()), Err(PlotError::Limits { .. })), "{limits:?}");
        }
    }
}
