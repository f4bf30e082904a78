//! Names of points and curves inside a frame.

use std::borrow::Cow;

use crate::canvas::{Anchor, Canvas, CanvasShape, Rect};
use crate::colormap::Rgb;
use crate::font::CAP_HEIGHT;
use crate::frame::Style;
use crate::significance::Significance;

/// How a point is drawn: with its color it tells more spectra apart than there are colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PointMark {
    shape: PointShape,
    significance: Significance,
    /// A cross, whatever shape and significance are.
    is_crossed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PointShape {
    Disc,
    Square,
    Dash,
}

impl PointMark {
    pub(crate) const DISC: Self =
        Self { shape: PointShape::Disc, significance: Significance::Detected, is_crossed: false };

    /// The mark of a spectrum of which `rounds` times all colors stand before it.
    pub(crate) fn of_round(rounds: usize) -> Self {
        let shape = [PointShape::Disc, PointShape::Square, PointShape::Dash][rounds % 3];
        Self { shape, ..Self::DISC }
    }

    /// The same of another significance.
    pub(crate) fn of(self, significance: Significance) -> Self {
        Self { significance, ..self }
    }

    /// A cross: a value that is not to be taken as it is.
    pub(crate) fn crossed(self) -> Self {
        Self { is_crossed: true, ..self }
    }

    /// Draws it around a place.
    pub(crate) fn draw(self, canvas: &mut Canvas, at: [f64; 2], radius: f64, color: Rgb) {
        match self.significance {
            _ if self.is_crossed => cross(canvas, at, radius, 0.4 * radius, color),
            Significance::Detected => self.shape.fill(canvas, at, radius, 0.0, color),
            Significance::Faint => {
                self.shape.fill(canvas, at, radius, 0.0, color);
                self.shape.fill(canvas, at, radius, 0.4 * radius, GROUND);
            }
            Significance::FarNegative => diamond(canvas, at, 1.3 * radius, 0.4 * radius, color),
            Significance::WithoutError => self.shape.fill(canvas, at, 0.6 * radius, 0.0, color),
        }
    }
}

fn cross(canvas: &mut Canvas, [x, y]: [f64; 2], half: f64, width: f64, color: Rgb) {
    for up in [half, -half] {
        let ends = vec![[x - half, y - up], [x + half, y + up]];
        canvas.shapes.push(CanvasShape::Line(ends, width, color));
    }
}

/// The outline of a diamond.
pub(crate) fn diamond(canvas: &mut Canvas, [x, y]: [f64; 2], half: f64, width: f64, color: Rgb) {
    let corners = [[x - half, y], [x, y - half], [x + half, y], [x, y + half], [x - half, y]];
    canvas.shapes.push(CanvasShape::Line(corners.to_vec(), width, color));
}

impl PointShape {
    /// Fills it but for a border.
    fn fill(self, canvas: &mut Canvas, [x, y]: [f64; 2], radius: f64, border: f64, color: Rgb) {
        let [half_width, half_height] = match self {
            Self::Disc => return canvas.shapes.push(CanvasShape::Disc([x, y], radius - border, color)),
            Self::Square => [0.85, 0.85],
            Self::Dash => [1.3, 0.6],
        };
        let [across, up] = [half_width, half_height].map(|half| half * radius - border);
        canvas.rect(x - across, y - up, x + across, y + up, color);
    }
}

/// One line of a legend.
pub(crate) struct LegendEntry<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) color: Rgb,
    /// `None` for a line.
    pub(crate) mark: Option<PointMark>,
}

/// Room for a point or a line before a name, in gaps.
const SAMPLE: f64 = 2.2;
const BORDER: Rgb = [0xcc; 3];
const GROUND: Rgb = [0xff; 3];

/// A legend that has been measured.
pub(crate) struct Legend<'a> {
    entries: &'a [LegendEntry<'a>],
    /// Names, all of one size.
    names: Vec<String>,
    em: f64,
    pub(crate) width: f64,
    height: f64,
    style: Style,
}

impl<'a> Legend<'a> {
    /// A legend for a frame of this size; entries for which it has no room are left out.
    pub(crate) fn new(canvas: &Canvas, inside: Rect, entries: &'a [LegendEntry<'a>], style: &Style) -> Self {
        let (pad, row) = (0.8 * style.gap, 1.45 * style.small);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few dozen rows")]
        let most = ((inside.height() - 6.0 * pad) / row).max(1.0) as usize;
        let entries = &entries[..entries.len().min(most)];
        let room = 0.4 * inside.width();
        // All names are as large as the smallest, which is cut rather than tiny.
        let em = entries.iter().map(|e| canvas.fit(&e.name, style.small, room).1).fold(style.small, f64::min);
        let names: Vec<String> = entries.iter().map(|e| canvas.cut(&e.name, em, room)).collect();
        let widest = names.iter().map(|name| canvas.text_width(name, em)).fold(0.0, f64::max);
        let width = (2.0 * pad + SAMPLE * style.gap + 0.8 * style.gap + widest).round();
        let height = (2.0 * pad + CAP_HEIGHT * style.small + row * (entries.len().max(1) - 1) as f64).round();
        Self { entries, names, em, width, height, style: *style }
    }

    /// The corner of `inside`, or the middle of its upper or lower side, where the legend hides
    /// none of `occupied`; `None` where it would everywhere.
    pub(crate) fn free_place(&self, inside: Rect, occupied: &[[f64; 2]]) -> Option<Rect> {
        let area = place(inside, self.width, self.height, occupied, self.style.major + self.style.gap);
        (!occupied.iter().any(|p| holds(area, *p))).then_some(area)
    }

    /// The place right of a frame.
    pub(crate) fn outside(&self, inside: Rect) -> Rect {
        let left = (inside.right + self.style.line + self.style.gap).round();
        Rect { left, right: left + self.width, top: inside.top, bottom: inside.top + self.height }
    }

    /// Draws the legend in its place.
    pub(crate) fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let Self { entries, names, em, style, .. } = self;
        let (pad, sample, row) = (0.8 * style.gap, SAMPLE * style.gap, 1.45 * style.small);
        let Rect { left, top, right, bottom } = area;
        canvas.rect(left, top, right, bottom, BORDER);
        canvas.rect(left + style.line, top + style.line, right - style.line, bottom - style.line, GROUND);
        let mut y = top + pad + CAP_HEIGHT / 2.0 * style.small;
        for (entry, name) in entries.iter().zip(names) {
            let (from, to) = (left + pad, left + pad + sample);
            match entry.mark {
                None => {
                    let line = vec![[from, y], [to, y]];
                    canvas.shapes.push(CanvasShape::Line(line, 0.2 * style.gap, entry.color));
                }
                Some(mark) => mark.draw(canvas, [(from + to) / 2.0, y], 0.4 * style.gap, entry.color),
            }
            let base = y + CAP_HEIGHT / 2.0 * em;
            canvas.label(name.clone(), [to + 0.8 * style.gap, base], Anchor::Start, *em);
            y += row;
        }
    }
}

/// The place that hides the fewest positions; the first of equals.
fn place(inside: Rect, width: f64, height: f64, occupied: &[[f64; 2]], away: f64) -> Rect {
    let lefts = [inside.right - away - width, inside.left + away, (inside.left + inside.right - width) / 2.0];
    let tops = [inside.top + away, inside.bottom - away - height];
    let places = tops.into_iter().flat_map(|top| lefts.map(|left| (left.round(), top.round())));
    let rects = places.map(|(left, top)| Rect { left, top, right: left + width, bottom: top + height });
    let hidden = |rect: &Rect| occupied.iter().filter(|p| holds(*rect, **p)).count();
    rects.min_by_key(hidden).unwrap_or(inside)
}

fn holds(rect: Rect, [x, y]: [f64; 2]) -> bool {
    (rect.left..=rect.right).contains(&x) && (rect.top..=rect.bottom).contains(&y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_where_nothing_is() {
        let inside = Rect { left: 0.0, top: 0.0, right: 100.0, bottom: 100.0 };
        let upper_right = place(inside, 20.0, 20.0, &[], 5.0);
        assert_eq!((upper_right.left, upper_right.top), (75.0, 5.0));
        let upper_left = place(inside, 20.0, 20.0, &[[80.0, 10.0]], 5.0);
        assert_eq!((upper_left.left, upper_left.top), (5.0, 5.0));
        let everywhere: Vec<[f64; 2]> = (0..=100).map(|k| [f64::from(k), 10.0]).collect();
        assert_eq!(place(inside, 20.0, 20.0, &everywhere, 5.0).top, 75.0);
    }
}
