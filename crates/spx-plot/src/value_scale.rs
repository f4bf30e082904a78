//! From values to colors and to places along a color bar.

use crate::axes::{NumberAxis, placed, stretched};
use crate::colormap::Rgb;
use crate::{Colormap, Stretch};

/// Color of pixels without data.
pub(crate) const NO_DATA: Rgb = [0xc8; 3];
/// Where the color map itself is grey: a pale blue.
const NO_DATA_BESIDE_GRAY: Rgb = [0xbd, 0xd0, 0xea];

/// How values become colors. A diverging map has its middle at zero, from where the stretch runs
/// to both sides, and as far on either as the limit that is farther away: equal amounts of both
/// signs have equally strong colors, whatever the limits are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueScale {
    pub(crate) map: Colormap,
    pub(crate) stretch: Stretch,
    /// The values at the ends of the color bar; `None` where no value is known.
    pub(crate) limits: Option<(f64, f64)>,
}

impl ValueScale {
    /// The color of a value.
    pub(crate) fn color(self, value: f32) -> Rgb {
        let value = f64::from(value);
        match self.limits {
            Some(limits) if value.is_finite() => self.map.color(self.position(limits, value)),
            _ if matches!(self.map, Colormap::Gray | Colormap::GrayReversed) => NO_DATA_BESIDE_GRAY,
            _ => NO_DATA,
        }
    }

    /// The color at a place along the color bar, 0 at its lower end and 1 at the upper.
    pub(crate) fn bar_color(self, place: f64) -> Rgb {
        let [low, high] = self.ends();
        self.map.color(low + place * (high - low))
    }

    /// The numbers of the color bar, which keep a distance of `gap` of its length; none without
    /// limits.
    pub(crate) fn numbers(self, gap: f64) -> NumberAxis {
        let Some((low, high)) = self.limits else { return NumberAxis::default() };
        if !self.map.is_diverging() || self.stretch == Stretch::Linear {
            return stretched(low, high, self.stretch, gap);
        }
        let [first, last] = self.ends();
        placed(low, high, gap, |value| (self.position((low, high), value) - first) / (last - first))
    }

    /// The positions in the color map of the ends of the bar.
    fn ends(self) -> [f64; 2] {
        let end = |limits: (f64, f64), value: f64| self.position(limits, value);
        self.limits.map_or([0.0, 1.0], |limits| [end(limits, limits.0), end(limits, limits.1)])
    }

    /// The position of a value in the color map.
    fn position(self, (low, high): (f64, f64), value: f64) -> f64 {
        if !self.map.is_diverging() {
            return self.stretch.apply((value - low) / (high - low));
        }
        let value = value.clamp(low, high);
        let most = low.abs().max(high.abs());
        0.5 + 0.5 * self.stretch.apply(value.abs() / most) * value.signum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: Colormap = Colormap::RdBuReversed;

    fn signed(stretch: Stretch, limits: (f64, f64)) -> ValueScale {
        ValueScale { map: MAP, stretch, limits: Some(limits) }
    }

    /// White is zero in every stretch and for all limits, and equal amounts have equal strength.
    #[test]
    fn a_diverging_map_has_its_middle_at_zero() {
        for stretch in Stretch::ALL {
            for limits in [(-3.0, 3.0), (-1.0, 3.0), (-0.2, 50.0)] {
                let scale = signed(*stretch, limits);
                assert_eq!(scale.color(0.0), MAP.color(0.5), "{stretch} {limits:?}");
                let [below, above] = [-0.1, 0.1].map(|v| scale.position(limits, v) - 0.5);
                assert!((below + above).abs() < 1e-12 && above > 0.0, "{stretch} {limits:?}");
            }
            let scale = signed(*stretch, (-2.0, 2.0));
            assert_eq!(
                (scale.color(9.0), scale.color(-9.0)),
                (Colormap::RdBu.color(0.0), Colormap::RdBu.color(1.0)),
                "red is positive"
            );
        }
    }

    /// The bar has at each number the color of that value.
    #[test]
    fn numbers_stand_at_their_colors() {
        for stretch in Stretch::ALL {
            for limits in [(-3.0, 3.0), (-1.0, 30.0)] {
                let scale = signed(*stretch, limits);
                let ticks = scale.numbers(0.07).ticks;
                let labels: Vec<_> = ticks.iter().filter_map(|t| Some((t.at, t.label.clone()?))).collect();
                assert!(labels.len() >= 3, "{stretch} {limits:?}: {labels:?}");
                for (at, label) in labels {
                    let value: f32 = label.replace('−', "-").parse().unwrap();
                    let (bar, color) = (scale.bar_color(at), scale.color(value));
                    let close = bar.iter().zip(color).all(|(a, b)| a.abs_diff(b) <= 3);
                    assert!(close, "{stretch} {limits:?} {label}: {bar:?} {color:?}");
                }
            }
        }
    }

    #[test]
    fn without_data_there_are_no_numbers() {
        let scale = ValueScale { limits: None, ..signed(Stretch::Asinh, (0.0, 1.0)) };
        assert!(scale.numbers(0.1).ticks.is_empty());
        assert_eq!(scale.color(1.0), NO_DATA);
    }
}
