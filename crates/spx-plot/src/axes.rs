//! Ticks: where the numbers along an axis or a color bar stand, and how they are written.

use crate::Stretch;
use spx_core::elementary::{ln, log10, powf};

/// A tick of an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    /// Its place, 0 at the lower or left end of the axis and 1 at the other.
    pub(crate) at: f64,
    /// Its label; `None` for a minor tick.
    pub(crate) label: Option<String>,
}

/// The ticks of an axis of numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct NumberAxis {
    pub(crate) ticks: Vec<Tick>,
    /// The power of ten that was taken out of the labels, as `×10⁵`; empty for none.
    pub(crate) factor: String,
}

/// Fewer than a double resolves; labels of closer numbers would all be alike.
const MAX_DECIMALS: i32 = 12;

/// Ticks at round numbers, with at most `most` labels, between finite `low` < `high`.
pub(crate) fn linear(low: f64, high: f64, most: usize) -> NumberAxis {
    let span = high - low;
    let Some((step, parts)) = round_step(span / most.max(1) as f64) else { return NumberAxis::default() };
    let writer = Writer::new(low.abs().max(high.abs()), step);
    let ticks = multiples(low, high, step / f64::from(parts))
        .into_iter()
        .map(|k| {
            let major = k % i64::from(parts) == 0;
            let value = k as f64 * (step / f64::from(parts));
            Tick { at: (value - low) / span, label: major.then(|| writer.write(value)) }
        })
        .collect();
    NumberAxis { ticks, factor: writer.factor() }
}

/// Ticks of a logarithmic axis between 0 < `low` < `high`, with at most about `most` labels: at 1,
/// 2 and 5 of each decade, over many decades at powers of ten, and within less than a factor of
/// three at round numbers as on a linear axis.
pub(crate) fn logarithmic(low: f64, high: f64, most: usize) -> NumberAxis {
    let span = ln(high / low);
    let place = |value: f64| ln(value / low) / span;
    if high < 3.0 * low {
        let NumberAxis { mut ticks, factor } = linear(low, high, most);
        ticks.iter_mut().for_each(|tick| tick.at = place(low + tick.at * (high - low)));
        return NumberAxis { ticks, factor };
    }
    #[expect(clippy::cast_possible_truncation, reason = "exponents of doubles")]
    let [first, last] = [low, high].map(|end| log10(end).floor() as i32);
    let decades = span / std::f64::consts::LN_10;
    let digits: &[i32] = if 3.0 * decades <= most.max(3) as f64 { &[1, 2, 5] } else { &[1] };
    #[expect(clippy::cast_possible_truncation, reason = "a few hundred decades at most")]
    let every = (decades / most.max(1) as f64).ceil().max(1.0) as i32;
    let mut ticks = Vec::new();
    for power in first..=last {
        for digit in 1..10 {
            // Written and read, so that 0.3 is 0.3.
            let value: f64 = format!("{digit}e{power}").parse().unwrap_or(f64::NAN);
            if (low..=high).contains(&value) {
                let labeled = digits.contains(&digit) && power.rem_euclid(every) == 0;
                ticks.push(Tick { at: place(value), label: labeled.then(|| power_label(digit, power)) });
            }
        }
    }
    NumberAxis { ticks, factor: String::new() }
}

/// `0.02`, `5`, `2000`, or where that is long `10⁷` and `2×10⁷`.
fn power_label(digit: i32, power: i32) -> String {
    match (digit, power) {
        (digit, 0..=4) => format!("{}", f64::from(digit) * 10_f64.powi(power)),
        (digit, -3..=-1) => {
            format!("{:.*}", power.unsigned_abs() as usize, f64::from(digit) * 10_f64.powi(power))
        }
        (1, power) => format!("10{}", superscript(power)),
        (digit, power) => format!("{digit}×10{}", superscript(power)),
    }
}

/// Ticks of a color bar, whose colors are spaced evenly and its numbers therefore by `stretch`;
/// labels keep a distance of at least `gap` (in parts of the bar).
///
/// Numbers are taken from the coarsest round ones to finer ones until there are enough, and then
/// only where the stretch leaves a long piece of the bar bare.
pub(crate) fn stretched(low: f64, high: f64, stretch: Stretch, gap: f64) -> NumberAxis {
    let gap = gap.max(0.01);
    if stretch == Stretch::Linear {
        let NumberAxis { ticks, factor } = linear(low, high, enough(gap) + 1);
        return NumberAxis { ticks: thinned(ticks, |_| gap), factor };
    }
    placed(low, high, gap, |value| stretch.apply((value - low) / (high - low)))
}

/// How many labels are enough.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn enough(gap: f64) -> usize {
    (0.6 / gap).clamp(1.0, 5.0) as usize
}

/// The same for values whose places along the bar rise as `place` says.
pub(crate) fn placed(low: f64, high: f64, gap: f64, place: impl Fn(f64) -> f64) -> NumberAxis {
    const LONGEST_BARE: f64 = 0.28;
    let gap = gap.max(0.01);
    let enough = enough(gap);
    // 21 between 10 and 50 is no round number, but 2.1 is one where the axis begins at 2.
    let is_round =
        |k: i64, value: f64| k.abs() <= 10 || k % 5 == 0 || (value - low).abs() < 0.5 * value.abs();
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for step in finer_and_finer(low, high) {
        let room = if kept.len() < enough { gap } else { 2.0 * gap };
        for k in multiples(low, high, step) {
            let value = k as f64 * step;
            let at = place(value);
            if is_round(k, value) && kept.iter().all(|(other, _)| (other - at).abs() >= room) {
                kept.push((at, value));
            }
        }
        if kept.len() >= enough && longest_bare(&mut kept) <= LONGEST_BARE {
            break;
        }
    }
    kept.sort_by(|a, b| a.0.total_cmp(&b.0));
    let writer = Writer::for_values(kept.iter().map(|k| k.1));
    let ticks = kept.iter().map(|&(at, value)| Tick { at, label: Some(writer.write(value)) });
    NumberAxis { ticks: ticks.collect(), factor: writer.factor() }
}

/// Takes the label from ticks that stand closer to the last labeled one than `gap` of the axis,
/// which may depend on the label; `ticks` are in order.
pub(crate) fn thinned(mut ticks: Vec<Tick>, gap: impl Fn(&str) -> f64) -> Vec<Tick> {
    let mut last = f64::NEG_INFINITY;
    for tick in &mut ticks {
        if let Some(label) = &tick.label {
            if tick.at - last < gap(label) {
                tick.label = None;
            } else {
                last = tick.at;
            }
        }
    }
    ticks
}

/// Steps of 10, 5, 1, 0.5, ... times a power of ten, each a multiple of the next, from the size of
/// the limits down to a thousandth of their distance.
fn finer_and_finer(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let top = powf(10_f64, log10(low.abs().max(high.abs())).floor());
    (0..40)
        .map(move |k| top / 10_f64.powi(k / 2) * if k % 2 == 0 { 1.0 } else { 0.5 })
        .take_while(move |step| *step > (high - low) / 1000.0)
}

/// The longest piece of a bar without a number; sorts the numbers by their places.
fn longest_bare(kept: &mut [(f64, f64)]) -> f64 {
    kept.sort_by(|a, b| a.0.total_cmp(&b.0));
    let starts = std::iter::once(0.0).chain(kept.iter().map(|k| k.0));
    let ends = kept.iter().map(|k| k.0).chain(std::iter::once(1.0));
    starts.zip(ends).map(|(start, end)| end - start).fold(0.0, f64::max)
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `least`, and into how many parts
/// minor ticks divide it.
pub(crate) fn round_step(least: f64) -> Option<(f64, u32)> {
    if !(least > 0.0 && least.is_finite()) {
        return None;
    }
    let decade = powf(10_f64, log10(least).floor());
    // A little slack, lest 0.2 / 2 come out just above 0.1.
    let digits = [(1.0, 5), (2.0, 4), (5.0, 5), (10.0, 5)];
    let (digit, parts) = digits.into_iter().find(|(d, _)| d * decade >= least * (1.0 - 1e-9))?;
    let step = digit * decade;
    (step > 0.0 && step.is_finite()).then_some((step, parts))
}

/// All k for which `k * step` lies between the limits, ends included; none where they would be too
/// many to draw or a double does not resolve them.
pub(crate) fn multiples(low: f64, high: f64, step: f64) -> Vec<i64> {
    const RESOLVED: f64 = 1e14;
    const MOST: f64 = 1000.0;
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    if !(first.abs() < RESOLVED && last.abs() < RESOLVED && last - first <= MOST) {
        return Vec::new();
    }
    #[expect(clippy::cast_possible_truncation, reason = "integral and checked to be below 1e14")]
    (first as i64..=last as i64).collect()
}

/// Writes the numbers of one axis alike.
struct Writer {
    /// The power of ten taken out.
    exponent: i32,
    decimals: i32,
}

impl Writer {
    /// For numbers of up to `largest` that are multiples of `step`.
    #[expect(clippy::cast_possible_truncation, reason = "exponents of doubles")]
    fn new(largest: f64, step: f64) -> Self {
        let exponent = power_taken_out(largest);
        let decimals = exponent - log10(step * (1.0 + 1e-9)).floor() as i32;
        Self { exponent, decimals: decimals.clamp(0, MAX_DECIMALS) }
    }

    /// For these numbers, which have few digits each; with as many decimals as they need.
    fn for_values(values: impl Iterator<Item = f64> + Clone) -> Self {
        let largest = values.clone().fold(0.0_f64, |m, v| m.max(v.abs()));
        let mut writer = Self { exponent: power_taken_out(largest), decimals: 0 };
        let short = |writer: &Self| {
            let unit = 10_f64.powi(writer.exponent - writer.decimals);
            values.clone().all(|v| (v / unit - (v / unit).round()).abs() < 1e-6)
        };
        while !short(&writer) && writer.decimals < MAX_DECIMALS {
            writer.decimals += 1;
        }
        writer
    }

    fn write(&self, value: f64) -> String {
        let value = value / 10_f64.powi(self.exponent);
        let decimals = usize::try_from(self.decimals).unwrap_or(0);
        let text = format!("{:.decimals$}", value.abs());
        if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
            format!("−{text}")
        } else {
            text
        }
    }

    fn factor(&self) -> String {
        if self.exponent == 0 {
            return String::new();
        }
        format!("×10{}", superscript(self.exponent))
    }
}

/// The power of ten to take out of numbers of up to `largest`: 0 for those that are easily read.
#[expect(clippy::cast_possible_truncation, reason = "exponents of doubles")]
fn power_taken_out(largest: f64) -> i32 {
    if largest == 0.0 || (1e-2..1e5).contains(&largest) {
        return 0;
    }
    log10(largest * (1.0 + 1e-9)).floor() as i32
}

/// An integer in raised figures.
fn superscript(number: i32) -> String {
    let raise = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        // The other figures follow one another in Unicode.
        c => c.to_digit(10).and_then(|d| char::from_u32(0x2070 + d)).unwrap_or(c),
    };
    number.to_string().chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &NumberAxis) -> Vec<&str> {
        axis.ticks.iter().filter_map(|t| t.label.as_deref()).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(&linear(0.0, 1.0, 6)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&linear(-30.0, 47.0, 5)), ["−20", "0", "20", "40"]);
        assert_eq!(labels(&linear(0.75, 5.0, 5)), ["1", "2", "3", "4", "5"]);
        assert_eq!(labels(&linear(-0.12, 0.12, 3)), ["−0.1", "0.0", "0.1"]);
    }

    #[test]
    fn ticks_stand_where_their_numbers_are() {
        let axis = linear(-1.0, 3.0, 5);
        let majors: Vec<f64> = axis.ticks.iter().filter(|t| t.label.is_some()).map(|t| t.at).collect();
        assert_eq!(majors, [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(axis.ticks.len(), 21, "four minor ticks between two majors");
    }

    #[test]
    fn large_and_small_numbers_lose_a_power_of_ten() {
        let axis = linear(0.0, 3e-7, 4);
        assert_eq!((labels(&axis), axis.factor.as_str()), (vec!["0", "1", "2", "3"], "×10⁻⁷"));
        let axis = linear(0.0, 2.5e12, 3);
        assert_eq!((labels(&axis), axis.factor.as_str()), (vec!["0", "1", "2"], "×10¹²"));
        assert_eq!(linear(0.0, 99_999.0, 5).factor, "");
    }

    #[test]
    fn ranges_that_no_double_resolves_have_few_or_no_ticks() {
        for (low, high) in [(1e300, 1e300), (1.0, 1.0 + 1e-15), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(linear(low, high, 5).ticks.len() < 50, "{low} {high}");
        }
    }

    #[test]
    fn color_bar_numbers_keep_their_distance() {
        for stretch in Stretch::ALL {
            for (low, high) in [(-0.01, 3.0), (0.0, 1.0), (5.0, 5.001), (-7e5, -6e5), (1e-9, 2e-3)] {
                let axis = stretched(low, high, *stretch, 0.07);
                assert!((2..=14).contains(&labels(&axis).len()), "{stretch} {low} {high}: {axis:?}");
                let majors: Vec<f64> =
                    axis.ticks.iter().filter(|t| t.label.is_some()).map(|t| t.at).collect();
                assert!(majors.windows(2).all(|w| w[1] - w[0] >= 0.07 - 1e-9), "{stretch} {majors:?}");
                assert!(majors.iter().all(|at| (0.0..=1.0).contains(at)));
            }
        }
    }

    /// Far above the lower end of the axis no number has more digits than it needs.
    #[test]
    fn numbers_of_stretched_axes_are_round() {
        for (low, high) in [(-1.5, 340.0), (-0.014, 6.8), (0.25, 500.0)] {
            for stretch in [Stretch::Log, Stretch::Asinh, Stretch::Sqrt] {
                for tick in stretched(low, high, stretch, 0.07).ticks {
                    let label = tick.label.unwrap().replace('−', "-");
                    let value: f64 = label.parse().unwrap();
                    let digits = label.trim_start_matches(['-', '0', '.']).replace('.', "");
                    let digits = digits.trim_end_matches('0');
                    assert!(
                        value < 3.0 * low || digits.len() < 2 || digits.ends_with('5'),
                        "{label} in {low} to {high}, {stretch}"
                    );
                }
            }
        }
    }

    #[test]
    fn color_bar_numbers_follow_the_stretch() {
        for (stretch, high) in [(Stretch::Sqrt, 90.0), (Stretch::Asinh, 1e4), (Stretch::Log, 50.0)] {
            let axis = stretched(0.0, high, stretch, 0.07);
            for tick in &axis.ticks {
                let value: f64 = tick.label.as_deref().unwrap().parse().unwrap();
                assert!((tick.at - stretch.apply(value / high)).abs() < 1e-12, "{stretch} {value}");
            }
        }
    }
}
