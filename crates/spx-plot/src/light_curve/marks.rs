//! Points, bars and arrows, and the legend that explains them.

use super::LightCurveOptions;
use super::channels::{Channels, LEAST_SIGMA};
use super::panels::ColorBar;
use super::points::{Drawable, DrawablePoint, DrawnValue, LIMIT_SIGMA, PointClass};
use crate::canvas::{Anchor, Canvas, CanvasShape, INK, PAPER, Rect};
use crate::colormap::{Rgb, to_byte};
use crate::font::CAP_HEIGHT;
use crate::frame::Style;
use crate::legend;
use crate::panel::Panel;
use crate::significance::Significance;
use spx_core::elementary::powf;

/// Sizes of points and lines \[px\].
pub(super) struct Marks<'a> {
    options: &'a LightCurveOptions,
    good: f64,
    flagged: f64,
    limit: f64,
    line: f64,
    bar_alpha: f64,
    /// Of a disc, where it is large enough to have one.
    rim: f64,
}

/// Among very many points, marks are still this part of their size.
const LEAST_CROWDED: f64 = 0.55;
const FLAGGED: Rgb = [0x8c; 3];
/// Of samples in the legend.
const SAMPLE: Rgb = [0x60; 3];

impl<'a> Marks<'a> {
    /// For so many points.
    pub(super) fn new(options: &'a LightCurveOptions, points: usize) -> Self {
        let pixel = f64::from(options.dpi) / 72.0;
        let crowd = powf(100.0 / points.max(100) as f64, 0.3).max(LEAST_CROWDED);
        // As letters do, marks follow the size of the figure, but not in proportion.
        let small = options.relative_size().min(1.0);
        let size = |given: Option<f64>, normal: f64| given.unwrap_or(normal * crowd * small) * pixel;
        let good = size(options.marker_size_good, 5.0);
        Self {
            options,
            good,
            flagged: size(options.marker_size_rejected, 4.0),
            limit: size(options.marker_size_upper_limit, 9.0),
            line: options.errorbar_linewidth * pixel,
            bar_alpha: options.errorbar_alpha.unwrap_or(0.6 * crowd.max(0.75)),
            rim: if good > 3.0 * pixel { 0.5 * pixel } else { 0.0 },
        }
    }

    /// Points in a panel whose horizontal coordinate and half width are `along`, colored by the
    /// other coordinate. Bars lie behind, then flagged points, then faint points, limits,
    /// detections, and what lies far below zero.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        panel: &Panel,
        along: [fn(&DrawablePoint) -> f64; 2],
        value: fn(&DrawablePoint) -> DrawnValue,
        bar: &ColorBar,
        points: &[DrawablePoint],
    ) {
        let of = |class| points.iter().filter(move |p| p.class == class);
        let place = |p: &DrawablePoint| [panel.x(along[0](p)), panel.y(value(p).at)];
        let strong = |p: &DrawablePoint| mixed(bar.color(p), self.options.marker_alpha);
        if self.options.show_errorbars {
            for p in
                [PointClass::WithoutError, PointClass::Faint, PointClass::Detected, PointClass::FarNegative]
                    .into_iter()
                    .flat_map(of)
            {
                let faint = mixed(darkened(bar.color(p)), self.bar_alpha);
                panel.bars(
                    canvas,
                    [along[0](p), value(p).at],
                    [along[1](p), value(p).error],
                    self.line,
                    faint,
                );
            }
        }
        for p in of(PointClass::Flagged) {
            self.point(canvas, panel, place(p), FLAGGED, |canvas, at| self.cross(canvas, at));
        }
        for p in of(PointClass::Faint) {
            self.point(canvas, panel, place(p), strong(p), |canvas, at| self.ring(canvas, at, strong(p)));
        }
        for p in of(PointClass::WithoutError) {
            self.point(canvas, panel, place(p), strong(p), |canvas, at| self.dot(canvas, at, strong(p)));
        }
        for p in of(PointClass::UpperLimit) {
            self.point(canvas, panel, place(p), strong(p), |canvas, at| {
                for line in self.arrow(at) {
                    panel.line(canvas, &line, self.line, strong(p));
                }
            });
        }
        for p in of(PointClass::Detected) {
            self.point(canvas, panel, place(p), strong(p), |canvas, at| self.disc(canvas, at, strong(p)));
        }
        for p in of(PointClass::FarNegative) {
            self.point(canvas, panel, place(p), INK, |canvas, at| self.diamond(canvas, at));
        }
    }

    /// Means of channels, in black over the points.
    pub(super) fn draw_channels(&self, canvas: &mut Canvas, panel: &Panel, channels: &Channels) {
        for (wavelength, value) in &channels.means {
            panel.bars(canvas, [*wavelength, value.at], [0.0, value.error], 1.2 * self.line, INK);
            let at = [panel.x(*wavelength), panel.y(value.at)];
            if panel.holds(at) {
                self.square(canvas, at);
            }
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
        let clear = 2.0 * self.line;
        let (edge, sign) = if y < top { (top + clear, 1.0) } else { (bottom - clear, -1.0) };
        panel.line(canvas, &self.head([x, edge], sign), self.line, color);
    }

    /// The arrowhead of a point beyond the axis; `sign` is 1 where it points upwards.
    fn head(&self, [x, edge]: [f64; 2], sign: f64) -> [[f64; 2]; 3] {
        let size = 0.6 * self.flagged;
        [[x - size, edge + sign * size], [x, edge], [x + size, edge + sign * size]]
    }

    /// With a dark rim, so that pale colors are seen on white.
    fn disc(&self, canvas: &mut Canvas, at: [f64; 2], color: Rgb) {
        let dark = color.map(|part| to_byte(f64::from(part) / 255.0 * 0.6));
        if self.rim > 0.0 {
            canvas.shapes.push(CanvasShape::Disc(at, 0.5 * self.good, dark));
        }
        canvas.shapes.push(CanvasShape::Disc(at, 0.5 * self.good - self.rim, color));
    }

    /// Less than a detection.
    fn dot(&self, canvas: &mut Canvas, at: [f64; 2], color: Rgb) {
        canvas.shapes.push(CanvasShape::Disc(at, 0.3 * self.good, color));
    }

    fn cross(&self, canvas: &mut Canvas, [x, y]: [f64; 2]) {
        let half = 0.4 * self.flagged;
        for sign in [-1.0, 1.0] {
            let line = vec![[x - half, y - sign * half], [x + half, y + sign * half]];
            canvas.shapes.push(CanvasShape::Line(line, self.line, FLAGGED));
        }
    }

    /// An open circle, its inside in the color of the paper.
    fn ring(&self, canvas: &mut Canvas, at: [f64; 2], color: Rgb) {
        let radius = 0.5 * self.good;
        canvas.shapes.push(CanvasShape::Disc(at, radius, darkened(color)));
        canvas.shapes.push(CanvasShape::Disc(at, (radius - self.line.max(0.22 * radius)).max(0.0), PAPER));
    }

    fn diamond(&self, canvas: &mut Canvas, at: [f64; 2]) {
        legend::diamond(canvas, at, 0.65 * self.good, 1.5 * self.line, INK);
    }

    /// Black in a white rim, so that it is not taken for a point.
    fn square(&self, canvas: &mut Canvas, [x, y]: [f64; 2]) {
        let half = 0.45 * self.good;
        for (half, color) in [(half + self.line, PAPER), (half, INK)] {
            canvas.rect(x - half, y - half, x + half, y + half, color);
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

    /// How many rows its legend has: two where one would be set in letters that are too small.
    pub(super) fn legend_rows(&self, canvas: &Canvas, drawable: &Drawable, style: &Style) -> usize {
        // How many points lie outside is not known before the axes are.
        let (em, _) = legend_size(canvas, &self.entries(drawable, drawable.points.len()), style);
        if em < SMALLEST_LETTERS * style.small { 2 } else { 1 }
    }

    /// One row, its base at `line`, above the middle of a frame as far as it fits: what is drawn
    /// how, and how many there are.
    pub(super) fn legend(
        &self,
        canvas: &mut Canvas,
        entries: &[(LegendMark, String)],
        frame: Rect,
        line: f64,
        style: &Style,
    ) {
        // Samples are as large as marks are among few points.
        let samples = Marks::new(self.options, 0);
        let (em, width) = legend_size(canvas, entries, style);
        let half = width / 2.0;
        let reach = canvas.bounds().width() - style.margin - half;
        let mut x = ((frame.left + frame.right) / 2.0).clamp((style.margin + half).min(reach), reach) - half;
        for (mark, name) in entries {
            let middle = [x + 0.35 * LEGEND_GAP * style.gap, line - CAP_HEIGHT / 2.0 * em];
            samples.sample(canvas, *mark, middle);
            x += mark.room(style);
            let width = canvas.text_width(name, em);
            canvas.label(name.clone(), [x, line], Anchor::Start, em);
            x += width + LEGEND_GAP * style.gap;
        }
    }

    fn sample(&self, canvas: &mut Canvas, mark: LegendMark, middle: [f64; 2]) {
        match mark {
            LegendMark::Point(PointClass::Detected) => self.disc(canvas, middle, SAMPLE),
            LegendMark::Point(PointClass::Faint) => self.ring(canvas, middle, SAMPLE),
            LegendMark::Point(PointClass::WithoutError) => self.dot(canvas, middle, SAMPLE),
            LegendMark::Point(PointClass::FarNegative) => self.diamond(canvas, middle),
            LegendMark::Point(PointClass::Flagged) => self.cross(canvas, middle),
            LegendMark::Point(PointClass::UpperLimit) => {
                let lines = self.arrow([middle[0], middle[1] - self.limit / 2.0]);
                canvas.shapes.extend(lines.map(|line| CanvasShape::Line(line, self.line, SAMPLE)));
            }
            LegendMark::Mean => self.square(canvas, middle),
            LegendMark::Outside => {
                let head = self.head([middle[0], middle[1] - 0.3 * self.flagged], 1.0);
                canvas.shapes.push(CanvasShape::Line(head.to_vec(), self.line, SAMPLE));
            }
            LegendMark::None => {}
        }
    }

    /// Every class that is there, with its number.
    pub(super) fn entries(&self, drawable: &Drawable, outside: usize) -> Vec<(LegendMark, String)> {
        let count = |class| drawable.points.iter().filter(|p| p.class == class).count();
        let missing = if self.options.use_magnitude { "without magnitude" } else { "without value" };
        let threshold = self.options.sigma_threshold;
        let classes = [
            (PointClass::Detected, Significance::Detected.name(threshold)),
            (PointClass::Faint, Significance::Faint.name(threshold)),
            (PointClass::WithoutError, Significance::WithoutError.name(threshold)),
            (PointClass::UpperLimit, format!("{LIMIT_SIGMA}σ upper limit")),
            (PointClass::FarNegative, Significance::FarNegative.name(threshold)),
            (PointClass::Flagged, "flagged".to_owned()),
        ];
        let classes = classes.map(|(class, name)| (LegendMark::Point(class), name, count(class)));
        let others = [
            (LegendMark::Mean, "channel mean".to_owned(), drawable.channels.means.len()),
            (LegendMark::None, format!("mean below {LEAST_SIGMA}σ"), drawable.channels.too_faint),
            (LegendMark::Outside, "off an axis".to_owned(), outside),
            (LegendMark::None, "not compared".to_owned(), drawable.not_compared()),
            (LegendMark::None, missing.to_owned(), drawable.left_out),
        ];
        classes
            .into_iter()
            .chain(others)
            .filter(|(.., count)| *count > 0)
            .map(|(mark, name, count)| (mark, format!("{name} ({count})")))
            .collect()
    }
}

/// What stands before a name in the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LegendMark {
    Point(PointClass),
    Mean,
    Outside,
    None,
}

impl LegendMark {
    /// Room for it before a name.
    fn room(self, style: &Style) -> f64 {
        if self == Self::None { 0.0 } else { LEGEND_GAP * style.gap }
    }
}

/// Room for a sample, and after a name, in gaps.
const LEGEND_GAP: f64 = 2.0;
/// The least size of names in a legend of one row, of the usual one.
const SMALLEST_LETTERS: f64 = 0.8;

/// The distance of two rows of the legend.
pub(super) fn legend_pitch(style: &Style) -> f64 {
    1.45 * style.small
}

/// The size of the names in a row, the same for all, as small as it takes; and the row's width.
fn legend_size(canvas: &Canvas, entries: &[(LegendMark, String)], style: &Style) -> (f64, f64) {
    let after = LEGEND_GAP * style.gap;
    let taken: f64 = entries.iter().map(|(mark, _)| mark.room(style) + after).sum::<f64>() - after;
    let names: f64 = entries.iter().map(|(_, name)| canvas.text_width(name, style.small)).sum();
    let most = canvas.bounds().width() - 2.0 * style.margin - taken;
    let em = style.small * (most / names.max(1.0)).min(1.0);
    (em, taken + names * em / style.small)
}

/// A color that holds on white, for lines.
fn darkened(color: Rgb) -> Rgb {
    color.map(|part| to_byte(f64::from(part) / 255.0 * 0.75))
}

/// A color of this strength on paper.
fn mixed(color: Rgb, alpha: f64) -> Rgb {
    let mut mixed = color;
    for (part, paper) in mixed.iter_mut().zip(PAPER) {
        *part = to_byte((f64::from(*part) * alpha + f64::from(paper) * (1.0 - alpha)) / 255.0);
    }
    mixed
}
