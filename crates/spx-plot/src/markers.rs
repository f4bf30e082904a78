//! Circles with names over an image.

use std::f64::consts::TAU;

use crate::canvas::{Anchor, Canvas, CanvasShape, Rect, Text};
use crate::clip;
use crate::colormap::Rgb;
use crate::font::{CAP_HEIGHT, DEPTH};
use crate::frame::{self, Style};
use spx_core::elementary::sin_cos;

/// A circle around a position, with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Marker {
    /// Horizontal pixel coordinate, 0-based.
    pub x: f64,
    /// Vertical pixel coordinate, 0-based.
    pub y: f64,
    /// Radius in pixels of the image; `None` for a circle of fixed size in the picture.
    pub radius: Option<f64>,
    /// Text beside the circle; empty for none. It is left out where it finds no free place, the
    /// circle is not.
    pub label: String,
}

const LIGHT: Rgb = [0xff; 3];
const DARK: Rgb = [0x20; 3];
/// Over a lighter image (0 to 255) what is drawn is dark.
const LIGHT_GROUND: f64 = 170.0;

/// Colors of lines and letters over an image, and of their borders: to be seen on any color, and
/// light on what is dark, dark on what is light.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverlayColors {
    inner: Rgb,
    border: Rgb,
}

impl OverlayColors {
    /// Those over a part of the picture.
    pub(crate) fn over(canvas: &Canvas, area: Rect) -> Self {
        let (inner, border) = if is_light(canvas, area) { (DARK, LIGHT) } else { (LIGHT, DARK) };
        Self { inner, border }
    }
}
/// Corners of the polygon that stands for a circle.
const CORNERS: u32 = 72;

/// Whether the image below a part of the picture is light.
pub(crate) fn is_light(canvas: &Canvas, area: Rect) -> bool {
    frame::lightness(canvas, area).is_some_and(|light| light > LIGHT_GROUND)
}

/// Draws those markers whose center lies in the image of `shape` (nx, ny) pixels that fills
/// `inside`; their names keep away from what is `taken`.
pub(crate) fn draw(
    canvas: &mut Canvas,
    inside: Rect,
    shape: (usize, usize),
    markers: &[Marker],
    mut taken: Vec<Rect>,
    style: &Style,
) {
    let scale = [inside.width() / shape.0 as f64, inside.height() / shape.1 as f64];
    let circles: Vec<(&Marker, [f64; 2], [f64; 2])> = markers
        .iter()
        .map(|marker| {
            let x = inside.left + (marker.x + 0.5) * scale[0];
            let y = inside.bottom - (marker.y + 0.5) * scale[1];
            let radii = marker.radius.map_or([style.major; 2], |r| scale.map(|side| r * side));
            (marker, [x, y], radii)
        })
        .filter(|&(_, [x, y], radii)| {
            radii[0] > 0.0 && inside.holds(Rect { left: x, right: x, top: y, bottom: y })
        })
        .collect();
    for &(_, center, radii) in &circles {
        circle(canvas, inside, center, radii, style);
    }
    taken.extend(circles.iter().map(|&(_, center, radii)| around(center, radii)));
    for &(marker, center, radii) in &circles {
        name(canvas, inside, &marker.label, center, radii, &mut taken, style);
    }
}

/// The rectangle around a circle.
fn around([x, y]: [f64; 2], [across, up]: [f64; 2]) -> Rect {
    Rect { left: x - across, right: x + across, top: y - up, bottom: y + up }
}

/// A circle to be seen on any color, an ellipse where pixels are not square; cut off at the frame.
fn circle(canvas: &mut Canvas, inside: Rect, [x, y]: [f64; 2], [across, up]: [f64; 2], style: &Style) {
    let points: Vec<[f64; 2]> = (0..=CORNERS)
        .map(|k| {
            let (sin, cos) = sin_cos(f64::from(k % CORNERS) / f64::from(CORNERS) * TAU);
            [x + across * cos, y + up * sin]
        })
        .collect();
    let colors = OverlayColors::over(canvas, around([x, y], [across, up]));
    outlined_line(canvas, &clip::line(&points, inside), 0.18 * style.major, colors);
}

/// Lines with borders.
pub(crate) fn outlined_line(canvas: &mut Canvas, lines: &[Vec<[f64; 2]>], width: f64, colors: OverlayColors) {
    for (width, color) in [(2.2 * width, colors.border), (width, colors.inner)] {
        canvas.shapes.extend(lines.iter().map(|line| CanvasShape::Line(line.clone(), width, color)));
    }
}

/// Writes a name at the first free place beside its circle, and notes that place as taken.
fn name(
    canvas: &mut Canvas,
    inside: Rect,
    label: &str,
    [x, y]: [f64; 2],
    [across, up]: [f64; 2],
    taken: &mut Vec<Rect>,
    style: &Style,
) {
    let em = 0.9 * style.small;
    let gap = 0.35 * em;
    let (above, below) = (y - up - gap - DEPTH * em, y + up + gap + CAP_HEIGHT * em);
    let middle = y + CAP_HEIGHT / 2.0 * em;
    let near = across * 0.75 + gap;
    let places = [
        ([x + across + gap, middle], Anchor::Start),
        ([x - across - gap, middle], Anchor::End),
        ([x, above], Anchor::Middle),
        ([x, below], Anchor::Middle),
        ([x + near, above + up * 0.25], Anchor::Start),
        ([x + near, below - up * 0.25], Anchor::Start),
        ([x - near, above + up * 0.25], Anchor::End),
        ([x - near, below - up * 0.25], Anchor::End),
    ];
    for (at, anchor) in places {
        let text = Text { text: label.to_owned(), at, anchor, em, color: DARK, upward: false };
        let area = canvas.text_box(&text);
        if inside.holds(area) && !taken.iter().any(|t| t.overlaps(area)) {
            taken.push(area);
            let colors = OverlayColors::over(canvas, area);
            outlined(canvas, text, style, colors);
            return;
        }
    }
}

/// A text with a border.
pub(crate) fn outlined(canvas: &mut Canvas, text: Text, style: &Style, colors: OverlayColors) {
    let [x, y] = text.at;
    let border = 0.07 * style.small;
    for (dx, dy) in
        [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0), (1.4, 0.0), (-1.4, 0.0), (0.0, 1.4), (0.0, -1.4)]
    {
        canvas.text(Text { at: [x + dx * border, y + dy * border], color: colors.border, ..text.clone() });
    }
    canvas.text(Text { color: colors.inner, ..text });
}
