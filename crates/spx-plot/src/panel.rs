//! A frame with two axes of numbers, as spectra and light curves are drawn in.

use crate::PlotError;
use crate::axes::{NumberAxis, Tick, linear, logarithmic};
use crate::canvas::{Canvas, CanvasShape, Rect};
use crate::clip;
use crate::colormap::Rgb;
use crate::frame::{self, Side, Style};
use spx_core::elementary::{exp, ln};

/// Of lines at zero and at one.
const LEVEL_LINE: Rgb = [0xcc; 3];

/// An axis and what it spans.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    range: [f64; 2],
    /// The lower end of the range stands at the right or the top, as for magnitudes.
    reversed: bool,
    /// Places follow the logarithms of values; the range lies above 0.
    log: bool,
    pub(crate) numbers: NumberAxis,
}

impl Axis {
    /// An axis over a range, lower end first, with at most `most` numbers, or where that leaves
    /// less than two, of which one tells no scale, at most twice as many.
    pub(crate) fn new(range: [f64; 2], reversed: bool, most: usize) -> Self {
        let two = |most: &usize| {
            let labels = linear(range[0], range[1], *most).ticks;
            labels.iter().filter(|tick| tick.label.is_some()).count() > 1
        };
        let most = (most..=2 * most).find(two).unwrap_or(most);
        let mut numbers = linear(range[0], range[1], most);
        if reversed {
            numbers.ticks.iter_mut().for_each(|tick| tick.at = 1.0 - tick.at);
            numbers.ticks.reverse();
        }
        Self { range, reversed, log: false, numbers }
    }

    /// An axis whose ticks are given.
    pub(crate) fn with_ticks(range: [f64; 2], ticks: Vec<Tick>) -> Self {
        Self { range, reversed: false, log: false, numbers: NumberAxis { ticks, factor: String::new() } }
    }

    /// A logarithmic axis over a range above 0, lower end first, with at most `most` numbers.
    fn logarithmic(range: [f64; 2], most: usize) -> Self {
        Self { range, reversed: false, log: true, numbers: logarithmic(range[0], range[1], most) }
    }

    /// Whether a value lies on the axis.
    pub(crate) fn holds(&self, value: f64) -> bool {
        (self.range[0]..=self.range[1]).contains(&value)
    }

    /// Along the bottom of a frame of this width \[px\]; `widest` is a label as wide as any.
    pub(crate) fn across(canvas: &Canvas, range: [f64; 2], width: f64, widest: &str, style: &Style) -> Self {
        Self::new(range, false, Self::most_across(canvas, width, widest, style))
    }

    /// The same with the logarithms of values.
    pub(crate) fn across_log(
        canvas: &Canvas,
        range: [f64; 2],
        width: f64,
        widest: &str,
        style: &Style,
    ) -> Self {
        Self::logarithmic(range, Self::most_across(canvas, width, widest, style))
    }

    fn most_across(canvas: &Canvas, width: f64, widest: &str, style: &Style) -> usize {
        most(0.8 * width / (2.0 * canvas.text_width(widest, style.small)), 10.0)
    }

    /// Along the left of a frame of this height \[px\].
    pub(crate) fn upward(range: [f64; 2], reversed: bool, height: f64, style: &Style) -> Self {
        Self::new(range, reversed, most(height / (3.0 * style.small), 8.0))
    }

    /// The same with the logarithms of values.
    pub(crate) fn upward_log(range: [f64; 2], height: f64, style: &Style) -> Self {
        Self::logarithmic(range, most(height / (3.0 * style.small), 8.0))
    }

    /// The place of a value, 0 at the left or the bottom and 1 at the other end; of what has no
    /// logarithm a place below both.
    fn part(&self, value: f64) -> f64 {
        let [low, high] = self.range;
        let part = match self.log {
            false => (value - low) / (high - low),
            true if value > 0.0 => (ln(value / low) / ln(high / low)).max(-1.0),
            true => -1.0,
        };
        if self.reversed { 1.0 - part } else { part }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn most(labels: f64, limit: f64) -> usize {
    labels.clamp(1.0, limit) as usize
}

/// A range of an axis, lower end first.
///
/// # Errors
/// [`PlotError::Limits`] where the ends are not in order or too far apart for a double.
pub(crate) fn checked(what: &'static str, [low, high]: [f64; 2]) -> Result<[f64; 2], PlotError> {
    if low < high && (high - low).is_finite() {
        Ok([low, high])
    } else {
        Err(PlotError::Limits { what, low, high, hint: "" })
    }
}

/// The range of values with bars to both sides, and a part of it more at either end; never of no
/// length.
pub(crate) fn padded(values: impl Iterator<Item = (f64, f64)>, part: f64) -> [f64; 2] {
    let ends = values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], (value, bar)| {
        [low.min(value - bar), high.max(value + bar)]
    });
    widened(ends, part)
}

/// A range with a part of it more at either end; never of no length.
pub(crate) fn widened([low, high]: [f64; 2], part: f64) -> [f64; 2] {
    let size = low.abs().max(high.abs());
    let span = high - low;
    let more = if span > 1e-9 * size {
        part * span
    } else if size > 0.0 {
        0.1 * size
    } else {
        1.0
    };
    [low - more, high + more]
}

/// The range of values with bars on a logarithmic axis: around those above 0, whose bars count as
/// far as they stay there, and a part of its length more at either end; `None` where there are
/// none.
pub(crate) fn padded_log(values: impl Iterator<Item = (f64, f64)>, part: f64) -> Option<[f64; 2]> {
    let above = values.filter(|(value, _)| *value > 0.0 && value.is_finite());
    let ends = above.fold([f64::INFINITY, 0.0_f64], |[low, high], (value, bar)| {
        // A bar that reaches zero would make the axis as long as one likes.
        let lower = if value > 2.0 * bar { value - bar } else { value / 2.0 };
        [low.min(lower), high.max(value + bar)]
    });
    let [low, high] = ends.map(ln);
    let more = (part * (high - low)).max(0.02);
    (low <= high).then(|| [exp(low - more), exp(high + more)])
}

/// A length of a bar; none where it is not finite or not positive.
pub(crate) fn bar(length: f64) -> f64 {
    if length.is_finite() { length.max(0.0) } else { 0.0 }
}

/// A frame with its axes.
pub(crate) struct Panel {
    /// Within the frame; its sides are whole pixels.
    pub(crate) inside: Rect,
    pub(crate) bottom: Axis,
    pub(crate) left: Axis,
}

impl Panel {
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.inside.left + self.bottom.part(value) * self.inside.width()
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        self.inside.bottom - self.left.part(value) * self.inside.height()
    }

    /// Whether a position \[px\] lies in the frame.
    pub(crate) fn holds(&self, [x, y]: [f64; 2]) -> bool {
        self.inside.holds(Rect { left: x, right: x, top: y, bottom: y })
    }

    /// A line through positions \[px\], cut off at the frame.
    pub(crate) fn line(&self, canvas: &mut Canvas, points: &[[f64; 2]], width: f64, color: Rgb) {
        let lines = clip::line(points, self.inside);
        canvas.shapes.extend(lines.into_iter().map(|line| CanvasShape::Line(line, width, color)));
    }

    /// The bars of a point: half lengths in the units of the axes.
    pub(crate) fn bars(
        &self,
        canvas: &mut Canvas,
        [x, y]: [f64; 2],
        [dx, dy]: [f64; 2],
        width: f64,
        color: Rgb,
    ) {
        for [dx, dy] in [[bar(dx), 0.0], [0.0, bar(dy)]] {
            if dx > 0.0 || dy > 0.0 {
                let ends = [[x - dx, y - dy], [x, y], [x + dx, y + dy]].map(|[x, y]| [self.x(x), self.y(y)]);
                self.line(canvas, &ends, width, color);
            }
        }
    }

    /// A line at a value, where the vertical axis passes it.
    pub(crate) fn level_line(&self, canvas: &mut Canvas, value: f64, style: &Style) {
        let [low, high] = self.left.range;
        if low < value && value < high {
            let y = (self.y(value) - style.line / 2.0).round();
            canvas.rect(self.inside.left, y, self.inside.right, y + style.line, LEVEL_LINE);
        }
    }

    /// Frame, ticks, numbers and the names of the axes; `widest` is the room that numbers at the
    /// left take.
    pub(crate) fn axes(&self, canvas: &mut Canvas, names: [&str; 2], widest: f64, style: &Style) {
        let inside = self.inside;
        let (bottom, left) = (&self.bottom.numbers, &self.left.numbers);
        frame::frame(canvas, inside, style);
        for (side, axis) in
            [(Side::Bottom, bottom), (Side::Top, bottom), (Side::Left, left), (Side::Right, left)]
        {
            frame::ticks(canvas, inside, side, &axis.ticks, style);
        }
        frame::labels(canvas, inside, Side::Bottom, &bottom.ticks, style);
        frame::labels(canvas, inside, Side::Left, &left.ticks, style);
        frame::name_below(canvas, inside, &with_factor(names[0], &bottom.factor), style);
        frame::name_beside(canvas, inside, Side::Left, names[1], widest, style);
        frame::factor(canvas, inside, left, style);
    }
}

/// The power of ten of the lower axis goes with its name.
fn with_factor(name: &str, factor: &str) -> String {
    if factor.is_empty() { name.to_owned() } else { format!("{name}  {factor}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reversed_axis_runs_downwards() {
        let [up, down] = [false, true].map(|reversed| Axis::new([14.0, 20.0], reversed, 4));
        assert_eq!((up.part(14.0), down.part(14.0)), (0.0, 1.0));
        assert_eq!((up.part(20.0), down.part(20.0)), (1.0, 0.0));
        let first = |axis: &Axis| axis.numbers.ticks.iter().find_map(|t| t.label.clone()).unwrap();
        assert_eq!((first(&up), first(&down)), ("14".to_owned(), "20".to_owned()));
        assert!(down.numbers.ticks.is_sorted_by(|a, b| a.at <= b.at));
        for tick in down.numbers.ticks.iter().filter(|t| t.label.is_some()) {
            let value: f64 = tick.label.as_deref().unwrap().parse().unwrap();
            assert!((down.part(value) - tick.at).abs() < 1e-12);
        }
    }

    #[test]
    fn two_numbers_tell_the_scale() {
        for range in [[1.62, 2.46], [0.9, 1.1], [-3.0, 11.0]] {
            let axis = Axis::new(range, false, 3);
            let labels = axis.numbers.ticks.iter().filter(|t| t.label.is_some()).count();
            assert!((2..=6).contains(&labels), "{range:?}: {labels}");
        }
    }

    /// Equal factors take equal lengths, the ticks stand at their numbers, and what has no
    /// logarithm lies below the frame.
    #[test]
    fn logarithmic_axes() {
        for range in [[0.7, 5.2], [3.0, 4000.0], [1e-3, 2e9], [11.0, 12.0]] {
            let axis = Axis::logarithmic(range, 6);
            let labels: Vec<_> = axis.numbers.ticks.iter().filter(|t| t.label.is_some()).collect();
            assert!((2..=8).contains(&labels.len()), "{range:?}: {labels:?}");
            for tick in labels {
                let label = tick.label.as_deref().unwrap();
                if let Ok(value) = label.parse::<f64>() {
                    assert!((axis.part(value) - tick.at).abs() < 1e-9, "{range:?} {label}");
                }
            }
            assert!((axis.part((range[0] * range[1]).sqrt()) - 0.5).abs() < 1e-12);
            assert!(axis.part(0.0) < 0.0 && axis.part(-5.0) < 0.0);
        }
        let range = padded_log([(10.0, 1.0), (-5.0, 1.0), (2.0, 3.0)].into_iter(), 0.0).unwrap();
        assert!((0.9..1.0).contains(&range[0]) && (11.0..11.3).contains(&range[1]), "{range:?}");
        assert_eq!(padded_log([(-1.0, 1.0)].into_iter(), 0.1), None);
    }

    #[test]
    fn ranges_have_a_length() {
        assert_eq!(widened([0.0, 0.0], 0.1), [-1.0, 1.0]);
        assert_eq!(widened([5.0, 5.0], 0.1), [4.5, 5.5]);
        assert_eq!(padded([(1.0, 1.0), (9.0, 1.0)].into_iter(), 0.1), [-1.0, 11.0]);
    }
}
