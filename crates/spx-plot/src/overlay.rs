//! What lies over an image of the sky: lines of equal coordinates, a scale bar, a compass.

use std::collections::BTreeMap;

use crate::PixelToSky;
use crate::axes::multiples;
use crate::canvas::{Anchor, Canvas, CanvasShape, INK, Rect, Text};
use crate::colormap::Rgb;
use crate::font::CAP_HEIGHT;
use crate::frame::Style;
use crate::markers::{self, OverlayColors, outlined, outlined_line};
use crate::pixel_shape::PixelShape;
use crate::sky_axes::MOST_IN_A_STEP;
use spx_core::elementary::{cos, hypot};

/// What to draw over an image whose place on the sky is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkyOverlay {
    /// Lines of equal right ascension and declination through the labeled ticks.
    pub grid: bool,
    /// A bar of a round length, in the lower left corner.
    pub scale_bar: bool,
    /// Arrows towards north and east, in the lower right corner.
    pub compass: bool,
}

/// Scale bar and compass, no grid.
impl Default for SkyOverlay {
    fn default() -> Self {
        Self { grid: false, scale_bar: true, compass: true }
    }
}

/// An image of `shape` (nx, ny) pixels that fills `inside`.
#[derive(Clone, Copy)]
pub(crate) struct LabelPlace<'a> {
    pub(crate) inside: Rect,
    pub(crate) shape: (usize, usize),
    pub(crate) sky: PixelToSky<'a>,
}

impl LabelPlace<'_> {
    /// From a pixel to the picture.
    fn point(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (nx, ny) = (self.shape.0 as f64, self.shape.1 as f64);
        let Rect { left, bottom, .. } = self.inside;
        [left + (x + 0.5) / nx * self.inside.width(), bottom - (y + 0.5) / ny * self.inside.height()]
    }
}

const GRID: Rgb = [0xd8; 3];
/// Over a light image.
const DARK_GRID: Rgb = [0x70; 3];
/// Cells along a side in which lines of the grid are taken for straight.
const CELLS: usize = 64;

/// Lines of equal coordinates, `steps` (right ascension, declination) \[deg\] apart.
pub(crate) fn grid(canvas: &mut Canvas, place: LabelPlace<'_>, steps: [f64; 2], style: &Style) {
    let (nx, ny) = (place.shape.0 as f64, place.shape.1 as f64);
    let node = |k: usize, n: f64| -0.5 + n * k as f64 / CELLS as f64;
    let nodes: Vec<([f64; 2], [f64; 2])> = (0..=CELLS)
        .flat_map(|j| (0..=CELLS).map(move |i| [node(i, nx), node(j, ny)]))
        .map(|at| (at, (place.sky)(at[0], at[1])))
        .collect();
    let mut lines: BTreeMap<(usize, i64), Vec<Vec<[f64; 2]>>> = BTreeMap::new();
    for j in 0..CELLS {
        for i in 0..CELLS {
            let corner = |di: usize, dj: usize| nodes[(j + dj) * (CELLS + 1) + i + di];
            let corners = [corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1)];
            for (axis, &step) in steps.iter().enumerate() {
                for (level, piece) in crossings(&corners, axis, step) {
                    join(lines.entry((axis, level)).or_default(), piece);
                }
            }
        }
    }
    let color = if markers::is_light(canvas, place.inside) { DARK_GRID } else { GRID };
    for line in lines.into_values().flatten() {
        let line = line.into_iter().map(|at| place.point(at)).collect();
        canvas.shapes.push(CanvasShape::Line(line, 0.8 * style.line, color));
    }
}

/// Adds a piece to the lines, joined with those that it touches.
fn join(lines: &mut Vec<Vec<[f64; 2]>>, piece: [[f64; 2]; 2]) {
    let near = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).abs() + (a[1] - b[1]).abs() < 1e-6;
    let ends = |line: &[[f64; 2]]| [line[0], line[line.len() - 1]];
    let mut line = piece.to_vec();
    let touches = |other: &[[f64; 2]], line: &[[f64; 2]]| {
        ends(other).iter().any(|&a| ends(line).iter().any(|&b| near(a, b)))
    };
    while let Some(k) = lines.iter().position(|other| touches(other, &line)) {
        let mut other = lines.swap_remove(k);
        // Turned so that the line ends where the other one begins.
        if ends(&other).iter().all(|&end| !near(end, ends(&line)[1])) {
            line.reverse();
        }
        if !near(other[0], ends(&line)[1]) {
            other.reverse();
        }
        line.extend(&other[1..]);
    }
    lines.push(line);
}

/// The pieces of lines in one cell, each with its multiple of `step`; corners in order around it,
/// (pixel, sky).
fn crossings(corners: &[([f64; 2], [f64; 2]); 4], axis: usize, step: f64) -> Vec<(i64, [[f64; 2]; 2])> {
    let first = corners[0].1[axis];
    let values = corners.map(|(_, sky)| match axis {
        0 => sky[0] - 360.0 * ((sky[0] - first) / 360.0).round(),
        _ => sky[1],
    });
    if values.iter().any(|v| !v.is_finite()) {
        return Vec::new();
    }
    let low = values.into_iter().fold(f64::INFINITY, f64::min);
    let high = values.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let levels = multiples(low, high, step);
    if levels.len() > MOST_IN_A_STEP {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    for multiple in levels {
        let level = multiple as f64 * step;
        let mut ends = (0..4).filter_map(|k| {
            let (from, to) = (values[k], values[(k + 1) % 4]);
            let ([x, y], [x1, y1]) = (corners[k].0, corners[(k + 1) % 4].0);
            let part = (level - from) / (to - from);
            ((from < level) != (to < level)).then_some([x + part * (x1 - x), y + part * (y1 - y)])
        });
        while let (Some(from), Some(to)) = (ends.next(), ends.next()) {
            pieces.push((multiple, [from, to]));
        }
    }
    pieces
}

/// How the sky lies in the middle of an image.
struct Local {
    /// Directions towards north and east in the picture, x right and y up, of length 1.
    north: [f64; 2],
    east: [f64; 2],
    /// Side of a pixel \[deg\].
    scale: f64,
}

impl Local {
    fn new(place: LabelPlace<'_>) -> Option<Self> {
        let (x, y) = ((place.shape.0 as f64 - 1.0) / 2.0, (place.shape.1 as f64 - 1.0) / 2.0);
        let cos_dec = cos((place.sky)(x, y)[1].to_radians());
        // From half a pixel before to half a pixel behind: degrees towards east and north.
        let along = |dx: f64, dy: f64| {
            let ([ra0, dec0], [ra1, dec1]) = ((place.sky)(x - dx, y - dy), (place.sky)(x + dx, y + dy));
            [(ra1 - ra0 - 360.0 * ((ra1 - ra0) / 360.0).round()) * cos_dec, dec1 - dec0]
        };
        let ([east_x, north_x], [east_y, north_y]) = (along(0.5, 0.0), along(0.0, 0.5));
        let determinant = east_x * north_y - east_y * north_x;
        let [wide, high] = PixelShape::of(place.shape).sides;
        let unit = |x: f64, y: f64| {
            let (x, y) = (x * wide, y * high);
            let length = hypot(x, y) * determinant.signum();
            [x / length, y / length]
        };
        let local = Self {
            north: unit(-east_y, east_x),
            east: unit(north_y, -north_x),
            scale: determinant.abs().sqrt(),
        };
        let numbers = [local.north, local.east].into_iter().flatten();
        (local.scale > 0.0 && numbers.chain([local.scale]).all(f64::is_finite)).then_some(local)
    }
}

/// Draws scale bar and compass as asked, and returns the places that they take.
pub(crate) fn draw(
    canvas: &mut Canvas,
    place: LabelPlace<'_>,
    overlay: SkyOverlay,
    style: &Style,
) -> Vec<Rect> {
    let Some(local) = Local::new(place) else { return Vec::new() };
    let mut taken = Vec::new();
    if overlay.scale_bar {
        taken.extend(scale_bar(canvas, place, local.scale, style));
    }
    if overlay.compass {
        taken.extend(compass(canvas, place.inside, &local, style));
    }
    taken
}

/// Distance of bar and compass from the frame, clear of ticks.
fn away(inside: Rect, style: &Style) -> f64 {
    (style.major + 0.8 * style.gap).min(0.12 * inside.width().min(inside.height()))
}

/// Round lengths \[arcsec\] with their labels.
fn lengths() -> impl Iterator<Item = (f64, String)> {
    let seconds = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0].map(|n| (n, format!("{n}″")));
    let minutes = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0].map(|n| (60.0 * n, format!("{n}′")));
    let degrees = [1.0, 2.0, 5.0, 10.0, 20.0].map(|n| (3600.0 * n, format!("{n}°")));
    seconds.into_iter().chain(minutes).chain(degrees)
}

/// At most three tenths of the image long; nothing where a tenth of an arcsecond is longer.
fn scale_bar(canvas: &mut Canvas, place: LabelPlace<'_>, scale: f64, style: &Style) -> Option<Rect> {
    let inside = place.inside;
    let pixel = inside.width() / place.shape.0 as f64;
    let width = |arcsec: f64| arcsec / 3600.0 / scale * pixel;
    let (arcsec, label) =
        lengths().take_while(|(arcsec, _)| width(*arcsec) <= 0.3 * inside.width()).last()?;
    let (length, away) = (width(arcsec), away(inside, style));
    let (left, bottom, cap) = (inside.left + away, inside.bottom - away, 0.4 * style.gap);
    let (right, line) = (left + length, bottom - cap);
    let (text, em) = canvas.fit(&label, style.small, 0.3 * inside.width());
    let half = (canvas.text_width(&text, em) / 2.0).max(length / 2.0);
    let middle = left + half;
    let at = [middle, line - cap - 0.3 * em];
    let bar = |x: f64| middle + x * length / 2.0;
    let area = Rect {
        left,
        right: right.max(middle + half),
        top: at[1] - CAP_HEIGHT * em - 0.3 * style.gap,
        bottom,
    };
    if !inside.holds(area) {
        return None;
    }
    let ends = [-1.0, 1.0].map(|side| vec![[bar(side), line - cap], [bar(side), bottom]]);
    let main = vec![[bar(-1.0), line], [bar(1.0), line]];
    let colors = OverlayColors::over(canvas, area);
    outlined_line(canvas, &[ends[0].clone(), main, ends[1].clone()], 0.18 * style.gap, colors);
    outlined(canvas, Text { text, at, anchor: Anchor::Middle, em, color: INK, upward: false }, style, colors);
    Some(area)
}

/// Letters of a compass that are a smaller part of the usual ones cannot be read.
const LEAST_LETTERS: f64 = 0.4;

fn compass(canvas: &mut Canvas, inside: Rect, local: &Local, style: &Style) -> Option<Rect> {
    let length = (0.12 * inside.width().min(inside.height())).min(4.5 * style.gap);
    let em = style.small.min(0.5 * length);
    if em < LEAST_LETTERS * style.small {
        return None;
    }
    // Letters stand beyond the tips; y runs downwards in the picture.
    let tip = |direction: [f64; 2], beyond: f64| {
        let length = length + beyond;
        [direction[0] * length, -direction[1] * length]
    };
    let letters = [(local.north, "N"), (local.east, "E")].map(|(direction, letter)| {
        let [x, y] = tip(direction, 0.65 * em);
        (letter, [x, y + CAP_HEIGHT / 2.0 * em])
    });
    let half = 0.45 * em;
    let reach = |k: usize, sign: f64| {
        let tips = letters.iter().map(|(_, at)| sign * (at[k] - [0.0, CAP_HEIGHT / 2.0 * em][k]) + half);
        tips.fold(0.3 * style.gap, f64::max)
    };
    let away = away(inside, style);
    let center = [inside.right - away - reach(0, 1.0), inside.bottom - away - reach(1, 1.0)];
    let area = Rect {
        left: center[0] - reach(0, -1.0),
        right: center[0] + reach(0, 1.0),
        top: center[1] - reach(1, -1.0),
        bottom: center[1] + reach(1, 1.0),
    };
    if !inside.holds(area) {
        return None;
    }
    let from = |[x, y]: [f64; 2]| [center[0] + x, center[1] + y];
    let arrows = [local.north, local.east]
        .map(|direction| arrow(direction, length).map(|line| line.into_iter().map(from).collect::<Vec<_>>()));
    let colors = OverlayColors::over(canvas, area);
    outlined_line(canvas, arrows.as_flattened(), 0.16 * style.gap, colors);
    for (letter, at) in letters {
        let text = letter.to_owned();
        let text = Text { text, at: from(at), anchor: Anchor::Middle, em, color: INK, upward: false };
        outlined(canvas, text, style, colors);
    }
    Some(area)
}

/// A shaft from the origin and a head, y downwards.
fn arrow([x, y]: [f64; 2], length: f64) -> [Vec<[f64; 2]>; 2] {
    let along =
        |forward: f64, aside: f64| [length * (x * forward - y * aside), -length * (y * forward + x * aside)];
    [vec![[0.0, 0.0], along(1.0, 0.0)], vec![along(0.78, 0.13), along(1.0, 0.0), along(0.78, -0.13)]]
}

#[cfg(test)]
mod tests {
    use spx_core::elementary::sin_cos;

    use super::*;
    use crate::Size;

    const INSIDE: Rect = Rect { left: 100.0, top: 50.0, right: 700.0, bottom: 650.0 };

    /// 6 arcsec a pixel of the picture, turned by an angle from north up and east to the left.
    fn turned(angle: f64) -> impl Fn(f64, f64) -> [f64; 2] {
        let (sin, cos) = sin_cos(angle.to_radians());
        move |x, y| {
            let (dx, dy) = ((x - 49.5) / 100.0, (y - 49.5) / 100.0);
            let (west, north) = (dx * cos - dy * sin, dx * sin + dy * cos);
            [359.99 - 2.0 * west, 60.0 + north]
        }
    }

    fn overlaid(sky: PixelToSky<'_>) -> (Canvas, Vec<Rect>) {
        let size = Size { width: 800, height: 700 };
        let mut canvas = Canvas::new(size).unwrap();
        let place = LabelPlace { inside: INSIDE, shape: (100, 100), sky };
        let taken = draw(&mut canvas, place, SkyOverlay::default(), &Style::new(size));
        (canvas, taken)
    }

    #[test]
    fn the_bar_has_the_length_that_it_says() {
        let sky = turned(20.0);
        let (canvas, taken) = overlaid(&sky);
        let length = canvas.shapes.iter().find_map(|shape| match shape {
            CanvasShape::Line(p, ..) if p.len() == 2 && p[0][1] == p[1][1] => Some(p[1][0] - p[0][0]),
            _ => None,
        });
        // 10' of the 60' that the image is wide.
        assert!((length.unwrap() - 100.0).abs() < 0.1, "{length:?}");
        assert!(canvas.text_boxes().any(|(text, _)| text == "10′"));
        assert!(
            taken.len() == 2 && taken.iter().all(|area| INSIDE.holds(*area)) && !taken[0].overlaps(taken[1])
        );
    }

    #[test]
    fn arrows_point_north_and_east() {
        for angle in [0.0, 30.0, 135.0, -80.0] {
            let sky = turned(angle);
            let local = Local::new(LabelPlace { inside: INSIDE, shape: (100, 100), sky: &sky }).unwrap();
            let (sin, cos) = sin_cos(f64::to_radians(angle));
            for (found, expected) in [(local.north, [sin, cos]), (local.east, [-cos, sin])] {
                assert!((found[0] - expected[0]).abs() < 1e-6 && (found[1] - expected[1]).abs() < 1e-6);
            }
            assert!((local.scale * 100.0 - 1.0).abs() < 1e-6);
        }
        let mirrored = |x: f64, y: f64| [10.0 + 0.01 * x, 0.01 * y];
        let local = Local::new(LabelPlace { inside: INSIDE, shape: (100, 100), sky: &mirrored }).unwrap();
        assert!(local.east[0] > 0.999 && local.north[1] > 0.999, "{:?} {:?}", local.east, local.north);
    }

    #[test]
    fn lines_of_the_grid_keep_their_coordinate() {
        let sky = turned(30.0);
        let size = Size { width: 800, height: 700 };
        let mut canvas = Canvas::new(size).unwrap();
        let place = LabelPlace { inside: INSIDE, shape: (100, 100), sky: &sky };
        grid(&mut canvas, place, [0.5, 0.25], &Style::new(size));
        // A diagonal of 1.37 degrees: at least 4 lines of each coordinate, hardly broken.
        assert!((8..=16).contains(&canvas.shapes.len()), "{}", canvas.shapes.len());
        for shape in &canvas.shapes {
            let CanvasShape::Line(points, ..) = shape else { panic!("{shape:?}") };
            let on_line = |axis: usize, step: f64| {
                let off = |value: f64| (value / step - (value / step).round()).abs();
                let at = |p: &[f64; 2]| sky((p[0] - 100.0) / 6.0 - 0.5, (650.0 - p[1]) / 6.0 - 0.5);
                points.iter().all(|p| off(at(p)[axis]) < 1e-6)
            };
            assert!(on_line(0, 0.5) || on_line(1, 0.25), "{points:?}");
            assert!(points.iter().all(|p| INSIDE.left <= p[0] && p[1] <= INSIDE.bottom));
        }
    }

    #[test]
    fn a_place_without_sky_has_no_overlay() {
        let (canvas, taken) = overlaid(&|_, _| [f64::NAN; 2]);
        assert!(canvas.shapes.is_empty() && taken.is_empty());
    }
}
