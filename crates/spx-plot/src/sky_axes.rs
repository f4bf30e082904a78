//! Ticks along the edges of an image at round right ascensions and declinations.
//!
//! Each edge is walked in small steps and asked where the coordinate passes a multiple of the tick
//! distance. So any projection is labeled rightly, also near a pole, where right ascension runs
//! through many hours along an edge.

use crate::axes::{Tick, multiples, round_step, thinned};
use crate::{PixelToSky, SkyFormat};
use spx_core::elementary::{cos, log10};

/// One of the two coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coordinate {
    RightAscension,
    Declination,
}

/// What is written along the two labeled edges and marked along all four.
#[derive(Debug, Clone)]
pub(crate) struct SkyTicks {
    /// The coordinate along the bottom; the other one stands at the left.
    pub(crate) horizontal: Coordinate,
    pub(crate) bottom: Vec<Tick>,
    pub(crate) left: Vec<Tick>,
    pub(crate) top: Vec<Tick>,
    pub(crate) right: Vec<Tick>,
    /// Distances of the labeled ticks in right ascension and declination \[deg\].
    pub(crate) steps: [f64; 2],
    /// What labels along the bottom leave out at their beginning, as `12ʰ26ᵐ`; empty for nothing.
    pub(crate) offset: String,
}

/// The room for labels.
pub(crate) struct Room<'a> {
    /// Length of the horizontal edges, in the unit of `label_width`.
    pub(crate) width: f64,
    /// Length of the vertical edges.
    pub(crate) height: f64,
    /// Height of a line of text.
    pub(crate) line: f64,
    /// Width of a label.
    pub(crate) label_width: &'a dyn Fn(&str) -> f64,
}

/// Steps along an edge; a sky position is computed at each.
const STEPS: u32 = 400;
/// A coordinate that passes more ticks than this in one step jumps there, as at a pole, rather than
/// runs.
pub(crate) const MOST_IN_A_STEP: usize = 4;
/// The most labels along an edge.
const MOST_LABELS: f64 = 6.0;
/// Labels have this many times their length, where they are few the second.
const WIDE: f64 = 1.5;
const CLOSE: f64 = 1.2;
const FEW_LABELS: f64 = 4.5;
/// Lines that a label at the side takes.
const LINES: f64 = 1.7;

impl SkyTicks {
    /// Ticks for an image of `nx` x `ny` pixels.
    pub(crate) fn new(
        sky: PixelToSky<'_>,
        (nx, ny): (usize, usize),
        format: SkyFormat,
        room: &Room<'_>,
    ) -> Self {
        let (right, top) = (nx as f64 - 0.5, ny as f64 - 0.5);
        let low = -0.5;
        let bottom = Edge::walk(sky, [low, low], [right, low]);
        let left = Edge::walk(sky, [low, low], [low, top]);
        let horizontal = bottom.main_coordinate();
        let vertical = horizontal.other();

        // Where few fit with room between them, they may stand closer, so that two tell the scale.
        let fits = |labels: f64, needed: f64, length: f64| {
            let room = if labels < FEW_LABELS { CLOSE } else { WIDE };
            labels <= MOST_LABELS && labels * needed * room <= length
        };
        let across = bottom.step(horizontal, format, |step, [from, to]| {
            fits((to - from) / step.size, (room.label_width)(&step.label(from)), room.width)
        });
        let up = left.step(vertical, format, |step, [from, to]| {
            fits((to - from) / step.size, LINES * room.line, room.height)
        });
        let horizontal_gap = |text: &str| (room.label_width)(text) * 1.2 / room.width;
        let vertical_gap = |_: &str| room.line * 1.5 / room.height;
        let below = thinned(bottom.ticks(horizontal, &across), horizontal_gap);
        let labels = below.iter().filter(|tick| tick.label.is_some()).count();
        // One label tells no scale: hours, or minutes, that all share go to the name of the axis.
        let short = bottom.step(horizontal, format, |step, ends| {
            let label = step.label(ends[0]);
            let label = &label[step.shared(ends).len()..];
            fits((ends[1] - ends[0]) / step.size, (room.label_width)(label), room.width)
        });
        let offset = bottom.range(horizontal).map(|ends| short.shared(ends)).unwrap_or_default();
        let (across, below, offset) = if labels < 2 && !offset.is_empty() {
            let mut ticks = bottom.ticks(horizontal, &short);
            for tick in &mut ticks {
                tick.label =
                    tick.label.as_deref().and_then(|label| label.strip_prefix(&offset)).map(str::to_owned);
            }
            (short, thinned(ticks, horizontal_gap), offset)
        } else {
            (across, below, String::new())
        };
        let steps = match horizontal {
            Coordinate::RightAscension => [across.size, up.size],
            Coordinate::Declination => [up.size, across.size],
        };
        Self {
            horizontal,
            steps,
            offset,
            bottom: below,
            left: thinned(left.ticks(vertical, &up), vertical_gap),
            top: Edge::walk(sky, [low, top], [right, top]).ticks(horizontal, &across),
            right: Edge::walk(sky, [right, low], [right, top]).ticks(vertical, &up),
        }
    }
}

impl Coordinate {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::RightAscension => Self::Declination,
            Self::Declination => Self::RightAscension,
        }
    }

    /// The name of the axis, with what its labels leave out.
    pub(crate) fn title(self, offset: &str) -> String {
        let name = match self {
            Self::RightAscension => "Right ascension",
            Self::Declination => "Declination",
        };
        if offset.is_empty() { format!("{name} (ICRS)") } else { format!("{name} − {offset} (ICRS)") }
    }
}

/// Positions along an edge \[deg\]. Right ascension is continuous, and so may leave [0, 360).
struct Edge(Vec<[f64; 2]>);

impl Edge {
    fn walk(sky: PixelToSky<'_>, from: [f64; 2], to: [f64; 2]) -> Self {
        let mut turn = 0.0;
        let mut last = f64::NAN;
        let at = |k: u32| {
            let part = f64::from(k) / f64::from(STEPS);
            let [ra, dec] = sky(from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1]));
            if (ra + turn - last).abs() > 180.0 {
                turn -= 360.0 * ((ra + turn - last) / 360.0).round();
            }
            if ra.is_finite() {
                last = ra + turn;
            }
            [ra + turn, dec]
        };
        Self((0..=STEPS).map(at).collect())
    }

    fn values(&self, coordinate: Coordinate) -> impl Iterator<Item = f64> {
        let k = match coordinate {
            Coordinate::RightAscension => 0,
            Coordinate::Declination => 1,
        };
        self.0.iter().map(move |position| position[k])
    }

    /// The coordinate along which the edge runs further on the sky.
    fn main_coordinate(&self) -> Coordinate {
        let (mut along_ra, mut along_dec) = (0.0, 0.0);
        for pair in self.0.windows(2) {
            let [d_ra, d_dec] = [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]];
            if d_ra.is_finite() && d_dec.is_finite() {
                along_ra += (d_ra * cos(pair[0][1].to_radians())).abs();
                along_dec += d_dec.abs();
            }
        }
        if along_dec > along_ra { Coordinate::Declination } else { Coordinate::RightAscension }
    }

    /// The ends of the coordinate along the edge; `None` where it is nowhere finite.
    fn range(&self, coordinate: Coordinate) -> Option<[f64; 2]> {
        let finite = || self.values(coordinate).filter(|v| v.is_finite());
        let low = finite().fold(f64::INFINITY, f64::min);
        let high = finite().fold(f64::NEG_INFINITY, f64::max);
        (low <= high).then_some([low, high])
    }

    /// The smallest distance of ticks that `fits`, given the distance and the ends of the
    /// coordinate along the edge.
    fn step(
        &self,
        coordinate: Coordinate,
        format: SkyFormat,
        fits: impl Fn(&GridStep, [f64; 2]) -> bool,
    ) -> GridStep {
        let Some([low, high]) = self.range(coordinate) else { return GridStep::coarsest(coordinate) };
        let candidates = GridStep::candidates(coordinate, format, (high - low) / MOST_LABELS);
        let fitting = candidates.iter().find(|step| fits(step, [low, high]));
        fitting.or(candidates.last()).copied().unwrap_or(GridStep::coarsest(coordinate))
    }

    /// Where the coordinate passes a multiple of the tick distance or of its parts.
    fn ticks(&self, coordinate: Coordinate, step: &GridStep) -> Vec<Tick> {
        let values: Vec<f64> = self.values(coordinate).collect();
        let minor = step.size / f64::from(step.parts);
        let mut ticks = Vec::new();
        for (k, pair) in values.windows(2).enumerate() {
            let [from, to] = [pair[0], pair[1]];
            if !from.is_finite() || !to.is_finite() || from == to {
                continue;
            }
            let passed = multiples(from.min(to), from.max(to), minor);
            if passed.len() > MOST_IN_A_STEP {
                continue;
            }
            for multiple in passed {
                let value = multiple as f64 * minor;
                let at = (k as f64 + ((value - from) / (to - from)).clamp(0.0, 1.0)) / f64::from(STEPS);
                let major = multiple % i64::from(step.parts) == 0;
                ticks.push(Tick { at, label: major.then(|| step.label(value)) });
            }
        }
        ticks.sort_by(|a, b| a.at.total_cmp(&b.at));
        // A multiple that falls on the end of a step is found twice.
        ticks.dedup_by(|a, b| (a.at - b.at).abs() < 0.1 / f64::from(STEPS));
        ticks
    }
}

/// A distance of ticks.
#[derive(Debug, Clone, Copy)]
struct GridStep {
    /// \[deg\]
    size: f64,
    /// Number of parts into which minor ticks divide it.
    parts: u32,
    style: CoordinateStyle,
}

/// How a value is written.
#[derive(Debug, Clone, Copy)]
enum CoordinateStyle {
    Degrees {
        coordinate: Coordinate,
        decimals: usize,
    },
    /// Down to the unit (0 hours or degrees, 1 minutes, 2 seconds), the last with decimals.
    Sexagesimal {
        coordinate: Coordinate,
        last: usize,
        decimals: usize,
    },
}

/// Tick distances below a full hour or degree, in minutes or seconds, and their parts.
const SIXTIETHS: [(f64, u32); 6] = [(1.0, 4), (2.0, 4), (5.0, 5), (10.0, 5), (20.0, 4), (30.0, 3)];

impl GridStep {
    /// Distances in rising order, from about `least` \[deg\] on.
    fn candidates(coordinate: Coordinate, format: SkyFormat, least: f64) -> Vec<Self> {
        let mut steps = match format {
            SkyFormat::Degrees => Self::decimal(coordinate, least),
            SkyFormat::Sexagesimal => Self::sexagesimal(coordinate, least),
        };
        steps.retain(|step| step.size >= least * (1.0 - 1e-9));
        steps
    }

    fn coarsest(coordinate: Coordinate) -> Self {
        Self { size: 90.0, parts: 3, style: CoordinateStyle::Degrees { coordinate, decimals: 0 } }
    }

    fn decimal(coordinate: Coordinate, least: f64) -> Vec<Self> {
        let style = |decimals| CoordinateStyle::Degrees { coordinate, decimals };
        let mut steps = Vec::new();
        let mut next = least.max(1e-9);
        while let Some((size, parts)) = round_step(next)
            && size < 9.0
        {
            steps.push(Self { size, parts, style: style(decimals_of(size)) });
            next = size * 1.5;
        }
        steps.extend(WHOLE_DEGREES.map(|(size, parts)| Self { size, parts, style: style(0) }));
        steps
    }

    fn sexagesimal(coordinate: Coordinate, least: f64) -> Vec<Self> {
        let (unit, whole): (f64, &[(f64, u32)]) = match coordinate {
            Coordinate::RightAscension => (15.0, &[(1.0, 4), (2.0, 4), (3.0, 3), (6.0, 6), (12.0, 4)]),
            Coordinate::Declination => (1.0, &[(1.0, 4), (2.0, 4), (5.0, 5)]),
        };
        let style = |last, decimals| CoordinateStyle::Sexagesimal { coordinate, last, decimals };
        let mut steps = Vec::new();
        let mut next = (least / unit * 3600.0).max(1e-6);
        while let Some((seconds, parts)) = round_step(next)
            && seconds < 0.9
        {
            let size = seconds * unit / 3600.0;
            steps.push(Self { size, parts, style: style(2, decimals_of(seconds)) });
            next = seconds * 1.5;
        }
        for (last, share) in [(2, 3600.0), (1, 60.0)] {
            let sixtieth = |(size, parts)| Self { size: size * unit / share, parts, style: style(last, 0) };
            steps.extend(SIXTIETHS.map(sixtieth));
        }
        steps.extend(whole.iter().map(|&(n, parts)| Self { size: n * unit, parts, style: style(0, 0) }));
        if coordinate == Coordinate::Declination {
            steps.extend(WHOLE_DEGREES.map(|(size, parts)| Self { size, parts, style: style(0, 0) }));
        }
        steps
    }

    /// The units (hours, or hours and minutes) that all right ascensions between two have in
    /// common, the last unit of labels excepted; empty where there are none, and of declinations.
    fn shared(&self, [from, to]: [f64; 2]) -> String {
        let CoordinateStyle::Sexagesimal { coordinate: Coordinate::RightAscension, last, .. } = self.style
        else {
            return String::new();
        };
        // A turn or more begins and ends with the same hour.
        if to - from >= 15.0 {
            return String::new();
        }
        let units = |value: f64| {
            let label = self.label(value);
            label.split_inclusive(['ʰ', 'ᵐ', 'ˢ']).map(str::to_owned).collect::<Vec<_>>()
        };
        // An end that is rounded to the next unit has no tick before that.
        let (first, second) = (units(from), units(to));
        first.iter().zip(&second).take(last).take_while(|(a, b)| a == b).map(|(a, _)| a.as_str()).collect()
    }

    /// A value \[deg\] as text.
    fn label(&self, degrees: f64) -> String {
        match self.style {
            CoordinateStyle::Degrees { coordinate, decimals } => decimal(coordinate, degrees, decimals),
            CoordinateStyle::Sexagesimal { coordinate, last, decimals } => {
                sexagesimal(coordinate, degrees, last, decimals)
            }
        }
    }
}

/// Tick distances of tens of degrees.
const WHOLE_DEGREES: [(f64, u32); 4] = [(10.0, 5), (20.0, 4), (45.0, 3), (90.0, 3)];

/// Decimals that a round number below 10 needs.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and not negative")]
fn decimals_of(step: f64) -> usize {
    (-log10(step * (1.0 + 1e-9)).floor()).max(0.0) as usize
}

/// `182.50°`, `−5.2°`.
fn decimal(coordinate: Coordinate, degrees: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}°", degrees.abs());
    let zero = !text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    match coordinate {
        Coordinate::RightAscension => {
            let turned = format!("{:.decimals$}°", degrees.rem_euclid(360.0));
            if turned.starts_with("360") { format!("{:.decimals$}°", 0.0) } else { turned }
        }
        Coordinate::Declination if degrees < 0.0 && !zero => format!("−{text}"),
        Coordinate::Declination if degrees > 0.0 && !zero => format!("+{text}"),
        Coordinate::Declination => text,
    }
}

/// `10ʰ42ᵐ05ˢ`, `−5°12′30″`, down to the unit `last` (0, 1 or 2), which has the decimals.
#[expect(clippy::cast_possible_truncation, reason = "at most 360 degrees in parts of at least a nanosecond")]
fn sexagesimal(coordinate: Coordinate, degrees: f64, last: usize, decimals: usize) -> String {
    let ra = coordinate == Coordinate::RightAscension;
    let marks = if ra { ["ʰ", "ᵐ", "ˢ"] } else { ["°", "′", "″"] };
    // Right ascensions count from 0 h, declinations from the equator to both sides.
    let whole = if ra { degrees.rem_euclid(360.0) / 15.0 } else { degrees.abs() };
    let fraction = 10_i64.pow(u32::try_from(decimals).unwrap_or(0).min(9));
    let per_whole = [1, 60, 3600][last.min(2)] * fraction;
    let mut parts = (whole * per_whole as f64).round() as i64;
    if ra {
        parts %= 24 * per_whole;
    }
    let sign = match (ra, parts == 0, degrees < 0.0) {
        (true, ..) | (_, true, _) => "",
        (_, _, true) => "−",
        (_, _, false) => "+",
    };
    let mut text = format!("{sign}{}", parts / per_whole);
    if ra {
        text = format!("{:0>2}", text);
    }
    text.push_str(marks[0]);
    for unit in 1..=last.min(2) {
        let per_unit = per_whole / [1, 60, 3600][unit];
        text.push_str(&format!("{:02}", parts / per_unit % 60));
        if unit == last && decimals > 0 {
            text.push_str(&format!(".{:0decimals$}", parts % fraction));
        }
        text.push_str(marks[unit]);
    }
    text
}

#[cfg(test)]
mod tests {
    use spx_core::elementary::{atan2, hypot, sin_cos};

    use super::*;

    const WIDTH: fn(&str) -> f64 = |text| 10.0 * text.chars().count() as f64;

    fn ticks(sky: PixelToSky<'_>, shape: (usize, usize), format: SkyFormat) -> SkyTicks {
        let room = Room { width: 700.0, height: 700.0, line: 18.0, label_width: &WIDTH };
        SkyTicks::new(sky, shape, format, &room)
    }

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().filter_map(|t| t.label.as_deref()).collect()
    }

    /// A tangent plane around (ra, dec) with `scale` \[deg/px\], north up, turned by `angle`
    /// \[deg\].
    fn tangent(ra: f64, dec: f64, scale: f64, pixels: usize, angle: f64) -> impl Fn(f64, f64) -> [f64; 2] {
        move |x, y| {
            let middle = (pixels as f64 - 1.0) / 2.0;
            let (sin, cos) = sin_cos(angle.to_radians());
            let (x, y) = ((middle - x) * scale, (y - middle) * scale);
            let (xi, eta) = ((x * cos - y * sin).to_radians(), (x * sin + y * cos).to_radians());
            let (sin_dec, cos_dec) = sin_cos(dec.to_radians());
            let below = cos_dec - eta * sin_dec;
            let d_ra = atan2(xi, below);
            let d = atan2(eta * cos_dec + sin_dec, hypot(xi, below));
            [(ra + d_ra.to_degrees()).rem_euclid(360.0), d.to_degrees()]
        }
    }

    #[test]
    fn labels_half_a_degree_on_the_equator() {
        let sky = tangent(83.8, -5.4, 0.5 / 300.0, 300, 0.0);
        let ticks = ticks(&sky, (300, 300), SkyFormat::Sexagesimal);
        assert_eq!(ticks.horizontal, Coordinate::RightAscension);
        // Right ascension falls to the right.
        assert_eq!(labels(&ticks.bottom), ["05ʰ36ᵐ00ˢ", "05ʰ35ᵐ30ˢ", "05ʰ35ᵐ00ˢ", "05ʰ34ᵐ30ˢ"]);
        assert_eq!(labels(&ticks.left), ["−5°35′", "−5°30′", "−5°25′", "−5°20′", "−5°15′", "−5°10′"]);
    }

    #[test]
    fn ticks_stand_where_the_coordinate_is() {
        let sky = |x: f64, y: f64| [10.0 - 0.01 * x, 20.0 + 0.01 * y];
        let ticks = ticks(&sky, (100, 100), SkyFormat::Degrees);
        let at = |ticks: &[Tick], label: &str| {
            ticks.iter().find(|t| t.label.as_deref() == Some(label)).map(|t| t.at).unwrap()
        };
        // RA 9.6 is at x = 40, which is 40.5 of 100 pixels from the left edge.
        assert!((at(&ticks.bottom, "9.6°") - 0.405).abs() < 1e-9);
        assert!((at(&ticks.left, "+20.4°") - 0.405).abs() < 1e-9);
    }

    #[test]
    fn right_ascension_runs_through_zero() {
        let sky = tangent(0.0, 0.0, 0.01, 200, 0.0);
        let ticks_h = ticks(&sky, (200, 200), SkyFormat::Sexagesimal);
        assert_eq!(labels(&ticks_h.bottom), ["00ʰ02ᵐ", "00ʰ00ᵐ", "23ʰ58ᵐ"]);
        let ticks_d = ticks(&sky, (200, 200), SkyFormat::Degrees);
        assert_eq!(labels(&ticks_d.bottom), ["0.5°", "0.0°", "359.5°"]);
        assert_eq!(labels(&ticks_d.left), ["−0.5°", "0.0°", "+0.5°"]);
    }

    #[test]
    fn a_turned_image_has_declination_below() {
        let sky = tangent(150.0, 30.0, 0.01, 200, 90.0);
        let ticks = ticks(&sky, (200, 200), SkyFormat::Sexagesimal);
        assert_eq!(ticks.horizontal, Coordinate::Declination);
        assert!(labels(&ticks.bottom).iter().all(|l| l.contains('°')), "{:?}", labels(&ticks.bottom));
        assert!(labels(&ticks.left).iter().all(|l| l.contains('ʰ')), "{:?}", labels(&ticks.left));
    }

    #[test]
    fn every_field_has_a_few_labels() {
        for format in [SkyFormat::Sexagesimal, SkyFormat::Degrees] {
            for dec in [-89.99, -60.0, 0.0, 33.0, 80.0, 89.0, 89.5, 90.0] {
                for field in [0.001, 0.03, 0.1, 0.5, 1.0, 3.5, 10.0, 40.0] {
                    for angle in [0.0, 33.0, 45.0, 180.0] {
                        let sky = tangent(359.9, dec, field / 100.0, 100, angle);
                        let ticks = ticks(&sky, (100, 100), format);
                        for (side, edge) in [("bottom", &ticks.bottom), ("left", &ticks.left)] {
                            let labels = labels(edge);
                            assert!(
                                (1..=12).contains(&labels.len()) && edge.len() < 120,
                                "{format} dec {dec} field {field} angle {angle} {side}: {labels:?}"
                            );
                            let width = if side == "bottom" { 7.0 } else { f64::INFINITY };
                            let ends: Vec<(f64, usize)> = edge
                                .iter()
                                .filter_map(|t| Some((t.at * 100.0, t.label.as_ref()?.chars().count())))
                                .collect();
                            for pair in ends.windows(2) {
                                let needed = (pair[0].1 + pair[1].1) as f64 / 2.0 * 10.0 / width;
                                assert!(pair[1].0 - pair[0].0 > needed, "{labels:?} overlap");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_map_without_sky_has_no_ticks() {
        let ticks = ticks(&|_, _| [f64::NAN; 2], (1, 1), SkyFormat::Sexagesimal);
        assert!(ticks.bottom.is_empty() && ticks.left.is_empty());
        let constant = super::SkyTicks::new(
            &|_, _| [10.0, 20.0],
            (5, 5),
            SkyFormat::Degrees,
            &Room { width: 0.0, height: 0.0, line: 18.0, label_width: &WIDTH },
        );
        assert!(constant.bottom.is_empty());
    }

    #[test]
    fn writes_sexagesimal_numbers() {
        use Coordinate::{Declination, RightAscension};
        assert_eq!(sexagesimal(RightAscension, 160.520_833_333, 2, 0), "10ʰ42ᵐ05ˢ");
        assert_eq!(sexagesimal(RightAscension, -0.000_000_1, 2, 1), "00ʰ00ᵐ00.0ˢ");
        assert_eq!(sexagesimal(RightAscension, 359.999_999_9, 1, 0), "00ʰ00ᵐ");
        assert_eq!(sexagesimal(Declination, -0.5, 1, 0), "−0°30′");
        assert_eq!(sexagesimal(Declination, 12.504_236_111, 2, 2), "+12°30′15.25″");
        assert_eq!(sexagesimal(Declination, -5.0, 0, 0), "−5°");
        assert_eq!(decimal(RightAscension, 359.9999, 1), "0.0°");
        assert_eq!(decimal(Declination, -0.00001, 2), "0.00°");
    }
}
