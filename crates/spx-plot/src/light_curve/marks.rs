//! Points, bars and arrows, and the legend that explains them.

use super::points::{Drawable, DrawablePoint, LIMIT_SIGMA};
use super::{ColorBar, LightCurveOptions, PointQuality};
use crate::canvas::{Anchor, Canvas, CanvasShape, PAPER, Rect};
use crate::colormap::{Rgb, to_byte};
use crate::font::CAP_HEIGHT;
use crate::frame::Style;
use crate::panel::Panel;

/// Sizes of points and lines \[px\].
pub(super) struct Marks<'a> {
    options: &'a LightCurveOptions,
    good: f64,
    rejected: f64,
    limit: f64,
    line: f64,
    bar_alpha: f64,
    /// Of a disc, where it is large enough to have one.
    rim: f64,
}

const REJECTED: Rgb = [0xa0; 3];
/// Of samples in the legend.
const SAMPLE: Rgb = [0x60; 3];

impl<'a> Marks<'a> {
    /// For so many points.
    pub(super) fn new(options: &'a LightCurveOptions, points: usize) -> Self {
        let pixel = f64::from(options.dpi) / 72.0;
        let crowd = (100.0 / points.max(100) as f64).powf(0.3);
        let size = |given: Option<f64>, normal: f64| given.unwrap_or(normal * crowd) * pixel;
        let good = size(options.marker_size_good, 5.0);
        Self {
            options,
            good,
            rejected: size(options.marker_size_rejected, 4.0),
            limit: size(options.marker_size_upper_limit, 9.0),
            line: options.errorbar_linewidth * pixel,
            bar_alpha: options.errorbar_alpha.unwrap_or(0.4 * crowd),
            rim: if good > 3.0 * pixel { 0.5 * pixel } else { 0.0 },
        }
    }

    /// All points in a panel whose horizontal coordinate is `along`, colored by the other one.
    /// Rejected points lie behind, then bars, then limits, then good points.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        panel: &Panel,
        along: fn(&DrawablePoint) -> f64,
        half_width: fn(&DrawablePoint) -> f64,
        bar: &ColorBar,
        drawable: &Drawable,
    ) {
        let of = |quality| drawable.points.iter().filter(move |p| p.quality == quality);
        let place = |p: &DrawablePoint| [panel.x(along(p)), panel.y(p.value)];
        let strong = |p: &DrawablePoint| mixed(bar.color(p), self.options.marker_alpha);
        for p in of(PointQuality::Rejected) {
            self.point(canvas, panel, place(p), REJECTED, |canvas, at| self.cross(canvas, at));
        }
        if self.options.show_errorbars {
            for p in of(PointQuality::Good) {
                let faint = mixed(bar.color(p), self.bar_alpha);
                panel.bars(canvas, [along(p), p.value], [half_width(p), p.error], self.line, faint);
            }
        }
        for p in of(PointQuality::UpperLimit) {
            self.point(canvas, panel, place(p), strong(p), |canvas, at| {
                for line in self.arrow(at) {
                    panel.line(canvas, &line, self.line, strong(p));
                }
            });
        }
        for p in of(PointQuality::Good) {
            self.point(canvas, panel, place(p), strong(p), |canvas, at| self.disc(canvas, at, strong(p)));
        }
    }

    /// Draws a point, or where it lies above or below the frame a small arrowhead at the edge.
    fn point(
        &self,
        canvas: &mut Canvas,
        panel: &Panel,
        [x, y]: [f64; 2],
        color: Rgb,
        draw: impl FnOnce(&mut Canvas, [f64; 2]),
    ) {
        if panel.holds([x, y]) {
            return draw(canvas, [x, y]);
        }
        let Rect { top, bottom, .. } = panel.inside;
        let size = 0.45 * self.rejected;
        let (edge, inwards) = if y < top { (top + self.line, size) } else { (bottom - self.line, -size) };
        let head = [[x - size, edge + inwards], [x, edge], [x + size, edge + inwards]];
        panel.line(canvas, &head, self.line, color);
    }

    /// With a dark rim, so that pale colors are seen on white.
    fn disc(&self, canvas: &mut Canvas, at: [f64; 2], color: Rgb) {
        let dark = color.map(|part| to_byte(f64::from(part) / 255.0 * 0.6));
        if self.rim > 0.0 {
            canvas.shapes.push(CanvasShape::Disc(at, 0.5 * self.good, dark));
        }
        canvas.shapes.push(CanvasShape::Disc(at, 0.5 * self.good - self.rim, color));
    }

    fn cross(&self, canvas: &mut Canvas, [x, y]: [f64; 2]) {
        let half = 0.4 * self.rejected;
        for sign in [-1.0, 1.0] {
            let line = vec![[x - half, y - sign * half], [x + half, y + sign * half]];
            canvas.shapes.push(CanvasShape::Line(line, self.line, REJECTED));
        }
    }

    /// A bar at a place, an arrow that hangs from it, and its head.
    fn arrow(&self, [x, y]: [f64; 2]) -> [Vec<[f64; 2]>; 3] {
        let (end, half, tip) = (y + self.limit, 0.28 * self.limit, 0.3 * self.limit);
        [
            vec![[x - half, y], [x + half, y]],
            vec![[x, y], [x, end]],
            vec![[x - 0.6 * tip, end - tip], [x, end], [x + 0.6 * tip, end - tip]],
        ]
    }

    /// One line, its base at `line`, above the middle of a frame as far as it fits: what is drawn
    /// how, and how many there are.
    pub(super) fn legend(
        &self,
        canvas: &mut Canvas,
        drawable: &Drawable,
        frame: Rect,
        line: f64,
        style: &Style,
    ) {
        let entries = self.entries(drawable);
        let (sample, after_name) = (2.0 * style.gap, 2.4 * style.gap);
        let room = |mark: Option<PointQuality>| if mark.is_some() { sample } else { 0.0 };
        let most = (canvas.bounds().width() - 2.0 * style.margin) / entries.len().max(1) as f64;
        let fitted: Vec<_> = entries
            .into_iter()
            .map(|(mark, name)| (mark, canvas.fit(&name, style.small, most - room(mark) - after_name)))
            .collect();
        let width = |(mark, (name, em)): &(Option<PointQuality>, (String, f64))| {
            room(*mark) + canvas.text_width(name, *em) + after_name
        };
        let half = (fitted.iter().map(width).sum::<f64>() - after_name) / 2.0;
        let reach = canvas.bounds().width() - style.margin - half;
        let mut x = ((frame.left + frame.right) / 2.0).clamp((style.margin + half).min(reach), reach) - half;
        for (mark, (name, em)) in fitted {
            let middle = [x + 0.35 * sample, line - CAP_HEIGHT / 2.0 * em];
            match mark {
                Some(PointQuality::Good) => self.disc(canvas, middle, SAMPLE),
                Some(PointQuality::Rejected) => self.cross(canvas, middle),
                Some(PointQuality::UpperLimit) => {
                    let lines = self.arrow([middle[0], middle[1] - self.limit / 2.0]);
                    canvas.shapes.extend(lines.map(|line| CanvasShape::Line(line, self.line, SAMPLE)));
                }
                None => {}
            }
            x += room(mark);
            let width = canvas.text_width(&name, em);
            canvas.label(name, [x, line], Anchor::Start, em);
            x += width + after_name;
        }
    }

    fn entries(&self, drawable: &Drawable) -> Vec<(Option<PointQuality>, String)> {
        let count = |quality| drawable.points.iter().filter(|p| p.quality == quality).count();
        let missing = if self.options.use_magnitude { "without magnitude" } else { "without value" };
        [
            (
                Some(PointQuality::Good),
                format!("S/N ≥ {}", self.options.sigma_threshold),
                count(PointQuality::Good),
            ),
            (
                Some(PointQuality::UpperLimit),
                format!("{LIMIT_SIGMA}σ upper limit"),
                count(PointQuality::UpperLimit),
            ),
            (Some(PointQuality::Rejected), "rejected".to_owned(), count(PointQuality::Rejected)),
            (None, missing.to_owned(), drawable.left_out),
        ]
        .into_iter()
        .filter(|(.., count)| *count > 0)
        .map(|(mark, name, count)| (mark, format!("{name} ({count})")))
        .collect()
    }
}

/// A color of this strength on paper.
fn mixed(color: Rgb, alpha: f64) -> Rgb {
    let mut mixed = color;
    for (part, paper) in mixed.iter_mut().zip(PAPER) {
        *part = to_byte((f64::from(*part) * alpha + f64::from(paper) * (1.0 - alpha)) / 255.0);
    }
    mixed
}
