//! Spectra: points with bandwidths and errors, and model curves.

use crate::axes::{NumberAxis, linear};
use crate::canvas::{Canvas, Rect, Shape};
use crate::clip;
use crate::colormap::Rgb;
use crate::encode::encode;
use crate::font::CAP_HEIGHT;
use crate::frame::{self, Side, Style};
use crate::legend::{self, Entry};
use crate::{Format, PlotError, Size};

/// One measurement of a spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectrumPoint {
    /// Wavelength \[um\].
    pub wavelength: f64,
    /// Half of the bandwidth \[um\], drawn as a horizontal bar; NaN or 0 for none.
    pub half_bandwidth: f64,
    /// Flux density, in the unit that the axis label names.
    pub flux: f64,
    /// One standard deviation of the flux, drawn as a vertical bar; NaN or 0 for none.
    pub error: f64,
}

/// A set of points drawn in one colour.
///
/// Points whose wavelength or flux is not finite are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Name in the legend.
    pub label: String,
    /// The points, in any order.
    pub points: Vec<SpectrumPoint>,
}

/// A model or a truth, drawn as a line behind the points.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name in the legend.
    pub label: String,
    /// Wavelength \[um\] and flux, in the order in which they are joined; the line breaks where either is not
    /// finite.
    pub points: Vec<[f64; 2]>,
}

/// A figure of one or several spectra.
#[derive(Debug, Clone)]
pub struct SpectrumFigure {
    /// Size of the picture; 1000 x 700 px by default.
    pub size: Size,
    /// Title above the frame; empty for none.
    pub title: String,
    /// Label of the horizontal axis.
    pub wavelength_label: String,
    /// Label of the vertical axis.
    pub flux_label: String,
    /// The measurements.
    pub spectra: Vec<Spectrum>,
    /// The curves.
    pub curves: Vec<Curve>,
    /// Range of the wavelength axis \[um\]; `None` to enclose all points with their bars.
    pub wavelength_range: Option<[f64; 2]>,
    /// Range of the flux axis; `None` to enclose all points and their error bars, of which at most three
    /// times the median length counts.
    pub flux_range: Option<[f64; 2]>,
}

impl SpectrumFigure {
    /// A figure of these spectra, labelled `Wavelength (µm)` and `Flux density (µJy)`.
    pub fn new(spectra: Vec<Spectrum>) -> Self {
        Self {
            size: Size { width: 1000, height: 700 },
            title: String::new(),
            wavelength_label: "Wavelength (µm)".to_owned(),
            flux_label: "Flux density (µJy)".to_owned(),
            spectra,
            curves: Vec::new(),
            wavelength_range: None,
            flux_range: None,
        }
    }
}

/// Draws spectra. A legend appears where there is more than one spectrum or curve.
///
/// # Errors
/// Where the size or a range is impossible, or no point is finite.
pub fn render_spectrum(figure: &SpectrumFigure, format: Format) -> Result<Vec<u8>, PlotError> {
    encode(&draw(figure)?, format)
}

/// Colours of spectra, distinct to colour-blind readers (Okabe and Ito 2008); more spectra start over.
const COLORS: [Rgb; 6] = [
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0x56, 0xb4, 0xe9],
    [0xe6, 0x9f, 0x00],
];
/// Colours of curves: greys, so that they stand behind the points.
const CURVE_COLORS: [Rgb; 3] = [[0x55; 3], [0x99; 3], [0xbb; 3]];
/// Of the line at zero.
const ZERO_LINE: Rgb = [0xcc; 3];

fn draw(figure: &SpectrumFigure) -> Result<Canvas, PlotError> {
    let mut canvas = Canvas::new(figure.size)?;
    let style = Style::new(figure.size);
    let ranges = Ranges::of(figure)?;
    let names: Vec<Entry<'_>> = entries(figure);
    let panel = Panel::new(&canvas, figure, &ranges, &style);
    panel.draw_zero_line(&mut canvas, &style);
    for (curve, color) in figure.curves.iter().zip(CURVE_COLORS.iter().cycle()) {
        panel.draw_curve(&mut canvas, curve, *color, &style);
    }
    for (spectrum, color) in figure.spectra.iter().zip(COLORS.iter().cycle()) {
        panel.draw_points(&mut canvas, spectrum, *color, &style);
    }
    panel.draw_axes(&mut canvas, figure, &style);
    if names.len() > 1 {
        legend::draw(&mut canvas, panel.inside, &names, &panel.occupied(figure), &style);
    }
    Ok(canvas)
}

fn entries(figure: &SpectrumFigure) -> Vec<Entry<'_>> {
    let points = figure.spectra.iter().zip(COLORS.iter().cycle());
    let curves = figure.curves.iter().zip(CURVE_COLORS.iter().cycle());
    let points = points.map(|(s, &color)| Entry { name: &s.label, color, line: false });
    points.chain(curves.map(|(c, &color)| Entry { name: &c.label, color, line: true })).collect()
}

/// The points that can be drawn.
fn finite(spectrum: &Spectrum) -> impl Iterator<Item = &SpectrumPoint> {
    spectrum.points.iter().filter(|p| p.wavelength.is_finite() && p.flux.is_finite())
}

/// A length of a bar; none where it is not finite or not positive.
fn bar(length: f64) -> f64 {
    if length.is_finite() { length.max(0.0) } else { 0.0 }
}

/// What the axes span.
struct Ranges {
    wavelength: [f64; 2],
    flux: [f64; 2],
}

impl Ranges {
    fn of(figure: &SpectrumFigure) -> Result<Self, PlotError> {
        let points: Vec<&SpectrumPoint> = figure.spectra.iter().flat_map(finite).collect();
        if points.is_empty() {
            let points = figure.spectra.iter().map(|s| s.points.len()).sum();
            return Err(PlotError::NoPoints { points });
        }
        let typical = median(points.iter().map(|p| bar(p.error)).filter(|e| *e > 0.0).collect());
        let wavelength = figure
            .wavelength_range
            .unwrap_or_else(|| padded(points.iter().map(|p| (p.wavelength, bar(p.half_bandwidth))), 0.02));
        let flux = figure.flux_range.unwrap_or_else(|| {
            padded(points.iter().map(|p| (p.flux, bar(p.error).min(3.0 * typical))), 0.06)
        });
        Ok(Self { wavelength: checked("wavelengths", wavelength)?, flux: checked("fluxes", flux)? })
    }
}

/// The range of values with bars to both sides, and a part of it more at either end; never of no length.
fn padded(values: impl Iterator<Item = (f64, f64)>, part: f64) -> [f64; 2] {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (value, bar)| {
        (low.min(value - bar), high.max(value + bar))
    });
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

fn checked(what: &'static str, [low, high]: [f64; 2]) -> Result<[f64; 2], PlotError> {
    if low < high && (high - low).is_finite() {
        Ok([low, high])
    } else {
        Err(PlotError::Limits { what, low, high, hint: "" })
    }
}

/// The middle value, 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// A frame with two axes of numbers.
struct Panel {
    inside: Rect,
    wavelength: [f64; 2],
    flux: [f64; 2],
    bottom: NumberAxis,
    left: NumberAxis,
}

impl Panel {
    fn new(canvas: &Canvas, figure: &SpectrumFigure, ranges: &Ranges, style: &Style) -> Self {
        let bounds = canvas.bounds();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
        let most = |length: f64, label: f64, most: f64| (length / label).clamp(1.0, most) as usize;
        let wide = 2.0 * canvas.text_width("0.000", style.small);
        let [low, high] = ranges.wavelength;
        let bottom = linear(low, high, most(0.8 * bounds.width(), wide, 10.0));
        let [low, high] = ranges.flux;
        let left = linear(low, high, most(0.7 * bounds.height(), 3.0 * style.small, 8.0));

        let title = if figure.title.is_empty() { 0.0 } else { CAP_HEIGHT * style.large + 1.2 * style.gap };
        // Half of the last number may stand out to the right.
        let out = 0.6 * frame::widest(canvas, &bottom.ticks, style.small);
        let inside = Rect {
            left: frame::room_beside(style, frame::widest(canvas, &left.ticks, style.small)).round(),
            right: (bounds.right - style.margin.max(out) - style.line).round(),
            top: (style.margin + style.line + title + frame::factor_height(&left, style)).round(),
            bottom: (bounds.bottom - frame::room_below(style)).round(),
        };
        Self { inside, wavelength: ranges.wavelength, flux: ranges.flux, bottom, left }
    }

    fn x(&self, wavelength: f64) -> f64 {
        let [low, high] = self.wavelength;
        self.inside.left + (wavelength - low) / (high - low) * self.inside.width()
    }

    fn y(&self, flux: f64) -> f64 {
        let [low, high] = self.flux;
        self.inside.bottom - (flux - low) / (high - low) * self.inside.height()
    }

    fn line(&self, canvas: &mut Canvas, points: &[[f64; 2]], width: f64, color: Rgb) {
        let lines = clip::line(points, self.inside);
        canvas.shapes.extend(lines.into_iter().map(|line| Shape::Line(line, width, color)));
    }

    fn draw_zero_line(&self, canvas: &mut Canvas, style: &Style) {
        let y = (self.y(0.0) - style.line / 2.0).round();
        if self.flux[0] < 0.0 && 0.0 < self.flux[1] {
            canvas.rect(self.inside.left, y, self.inside.right, y + style.line, ZERO_LINE);
        }
    }

    fn draw_curve(&self, canvas: &mut Canvas, curve: &Curve, color: Rgb, style: &Style) {
        let points: Vec<[f64; 2]> = curve.points.iter().map(|p| [self.x(p[0]), self.y(p[1])]).collect();
        self.line(canvas, &points, 0.18 * style.gap, color);
    }

    /// Bars first, so that no bar crosses a point.
    fn draw_points(&self, canvas: &mut Canvas, spectrum: &Spectrum, color: Rgb, style: &Style) {
        let faint = color.map(|part| part / 2 + 0x80);
        for p in finite(spectrum) {
            let (x, y) = (self.x(p.wavelength), self.y(p.flux));
            for [dx, dy] in [[bar(p.half_bandwidth), 0.0], [0.0, bar(p.error)]] {
                if dx > 0.0 || dy > 0.0 {
                    let from = [self.x(p.wavelength - dx), self.y(p.flux - dy)];
                    let to = [self.x(p.wavelength + dx), self.y(p.flux + dy)];
                    self.line(canvas, &[from, [x, y], to], 0.14 * style.gap, faint);
                }
            }
        }
        for p in finite(spectrum) {
            let (x, y) = (self.x(p.wavelength), self.y(p.flux));
            if self.inside.holds(Rect { left: x, right: x, top: y, bottom: y }) {
                canvas.shapes.push(Shape::Disc([x, y], POINT * style.gap, color));
            }
        }
    }

    fn draw_axes(&self, canvas: &mut Canvas, figure: &SpectrumFigure, style: &Style) {
        let inside = self.inside;
        frame::frame(canvas, inside, style);
        for (side, axis) in [
            (Side::Bottom, &self.bottom),
            (Side::Top, &self.bottom),
            (Side::Left, &self.left),
            (Side::Right, &self.left),
        ] {
            frame::ticks(canvas, inside, side, &axis.ticks, style);
        }
        frame::labels(canvas, inside, Side::Bottom, &self.bottom.ticks, style);
        frame::labels(canvas, inside, Side::Left, &self.left.ticks, style);
        frame::name_below(canvas, inside, &with_factor(&figure.wavelength_label, &self.bottom.factor), style);
        let widest = frame::widest(canvas, &self.left.ticks, style.small);
        frame::name_beside(canvas, inside, Side::Left, &figure.flux_label, widest, style);
        frame::factor(canvas, inside, &self.left, style);
        let line = inside.top - style.line - frame::factor_height(&self.left, style) - 1.2 * style.gap;
        frame::title(canvas, inside, line, &figure.title, style);
    }

    /// Where points and curves lie, for the legend to keep away from.
    fn occupied(&self, figure: &SpectrumFigure) -> Vec<[f64; 2]> {
        let points = figure.spectra.iter().flat_map(finite).flat_map(|p| {
            let error = bar(p.error);
            [-error, 0.0, error].map(|e| [self.x(p.wavelength), self.y(p.flux + e)])
        });
        let curves = figure.curves.iter().flat_map(|c| &c.points);
        points.chain(curves.map(|p| [self.x(p[0]), self.y(p[1])])).collect()
    }
}

/// Radius of a point, in gaps of the style.
const POINT: f64 = 0.36;

/// The power of ten of the lower axis goes with its name.
fn with_factor(name: &str, factor: &str) -> String {
    if factor.is_empty() { name.to_owned() } else { format!("{name}  {factor}") }
}

#[cfg(test)]
mod tests;
