//! Spectra: points with bandwidths and errors, and model curves.

use std::borrow::Cow;

use crate::canvas::{Canvas, INK, Rect};
use crate::colormap::Rgb;
use crate::encode::encode;
use crate::font::CAP_HEIGHT;
use crate::frame::{self, Style};
use crate::legend::{Legend, LegendEntry, PointMark};
use crate::panel::{Axis, Panel, bar, checked, padded, padded_log};
use crate::significance::{FAINT_SIGMA, Significance};
use crate::{FigureFormat, FluxDensity, FluxUnit, PlotError, Size};

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
    /// Whether a part of its pixels has no data, so that the flux is too small: a cross.
    pub is_partial: bool,
}

/// A set of points drawn in one color.
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
    /// Wavelength \[um\] and flux, in the order in which they are joined; the line breaks where
    /// either is not finite.
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
    /// Places along the wavelength axis follow logarithms.
    pub log_wavelength: bool,
    /// Places along the flux axis follow logarithms; points that are not above 0 stand at its lower
    /// edge as arrowheads, and the title counts them.
    pub log_flux: bool,
    /// Range of the flux axis; `None` to enclose all points and their error bars, of which at most
    /// three times the median length counts.
    pub flux_range: Option<[f64; 2]>,
}

impl SpectrumFigure {
    /// A figure of these spectra, labeled `Wavelength (µm)` and `Flux density (µJy)`.
    pub fn new(spectra: Vec<Spectrum>) -> Self {
        Self {
            size: Size { width: 1000, height: 700 },
            title: String::new(),
            wavelength_label: "Wavelength (µm)".to_owned(),
            flux_label: "Flux density (µJy)".to_owned(),
            spectra,
            curves: Vec::new(),
            wavelength_range: None,
            log_wavelength: false,
            log_flux: false,
            flux_range: None,
        }
    }

    /// Fluxes and errors of points and curves, which are given in uJy, in a unit that suits them;
    /// the label names it.
    pub fn use_unit(&mut self, density: FluxDensity) {
        let points = self.spectra.iter().flat_map(finite).map(|p| [p.wavelength, p.flux]);
        let unit = FluxUnit::suited(density, points);
        for p in self.spectra.iter_mut().flat_map(|spectrum| &mut spectrum.points) {
            (p.flux, p.error) = (unit.value(p.wavelength, p.flux), unit.value(p.wavelength, p.error));
        }
        for p in self.curves.iter_mut().flat_map(|curve| &mut curve.points) {
            p[1] = unit.value(p[0], p[1]);
        }
        self.flux_label = unit.label();
    }
}

/// Draws spectra. Points below five standard deviations are open, those five below zero diamonds,
/// those without an error dots, those of a part of the pixels crosses, which the legend counts. It
/// appears where there is more than one spectrum, curve or class of points.
///
/// # Errors
/// Where the size or a range is impossible, or no point is finite.
pub fn render_spectrum(figure: &SpectrumFigure, format: FigureFormat) -> Result<Vec<u8>, PlotError> {
    encode(&draw(figure)?, format)
}

/// Colors of spectra, distinct to color-blind readers (Okabe and Ito 2008); more spectra start
/// over.
pub(crate) const COLORS: [Rgb; 6] = [
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0x56, 0xb4, 0xe9],
    [0xe6, 0x9f, 0x00],
];
/// Colors of curves: greys, so that they stand behind the points.
const CURVE_COLORS: [Rgb; 3] = [[0x55; 3], [0x99; 3], [0xbb; 3]];

fn draw(figure: &SpectrumFigure) -> Result<Canvas, PlotError> {
    let mut canvas = Canvas::new(figure.size)?;
    let style = Style::new(figure.size);
    let ranges = Ranges::of(figure)?;
    let names: Vec<LegendEntry<'_>> = entries(figure);
    let mut panel = panel(&canvas, figure, &ranges, 0.0, &style);
    let legend = (names.len() > 1).then(|| {
        let legend = Legend::new(&canvas, panel.inside, &names, &style);
        let place = legend.free_place(panel.inside, &occupied(&panel, figure));
        // Where it would hide data it stands beside the frame, which makes room for it.
        let place = place.unwrap_or_else(|| {
            panel = self::panel(&canvas, figure, &ranges, legend.width + style.gap, &style);
            legend.outside(panel.inside)
        });
        (legend, place)
    });
    panel.level_line(&mut canvas, 0.0, &style);
    for (curve, color) in figure.curves.iter().zip(CURVE_COLORS.iter().cycle()) {
        let points: Vec<[f64; 2]> = curve.points.iter().map(|p| [panel.x(p[0]), panel.y(p[1])]).collect();
        panel.line(&mut canvas, &points, 0.18 * style.gap, *color);
    }
    for (k, spectrum) in figure.spectra.iter().enumerate() {
        draw_points(&mut canvas, &panel, shown(figure, spectrum), look(k), &style);
        draw_below(&mut canvas, &panel, figure, spectrum, look(k).0, &style);
    }
    let left = &panel.left.numbers;
    let widest = frame::widest(&canvas, &left.ticks, style.small);
    panel.axes(&mut canvas, [&figure.wavelength_label, &figure.flux_label], widest, &style);
    let line = panel.inside.top - style.line - frame::factor_height(left, &style) - 1.2 * style.gap;
    frame::title(&mut canvas, panel.inside, line, &title(figure), &style);
    if let Some((legend, place)) = legend {
        legend.draw(&mut canvas, place);
    }
    Ok(canvas)
}

/// The title, with the number of points that a logarithmic axis cannot show.
fn title(figure: &SpectrumFigure) -> String {
    let below = figure.spectra.iter().flat_map(finite).filter(|p| p.flux <= 0.0).count();
    match (figure.log_flux, below) {
        (false, _) | (true, 0) => figure.title.clone(),
        (true, below) if figure.title.is_empty() => format!("{below} not above 0"),
        (true, below) => format!("{} ({below} not above 0)", figure.title),
    }
}

/// Color and mark of the spectrum of this number: another mark where the colors start over.
fn look(number: usize) -> (Rgb, PointMark) {
    (COLORS[number % COLORS.len()], PointMark::of_round(number / COLORS.len()))
}

fn entries(figure: &SpectrumFigure) -> Vec<LegendEntry<'_>> {
    let points = figure.spectra.iter().enumerate().map(|(k, spectrum)| {
        let (color, mark) = look(k);
        LegendEntry { name: Cow::from(&spectrum.label), color, mark: Some(mark) }
    });
    let curves = figure.curves.iter().zip(CURVE_COLORS.iter().cycle());
    let curves = curves.map(|(c, &color)| LegendEntry { name: Cow::from(&c.label), color, mark: None });
    let classes = [Significance::Faint, Significance::FarNegative, Significance::WithoutError];
    let classes = classes.into_iter().filter_map(|class| {
        let shown = figure.spectra.iter().flat_map(|spectrum| shown(figure, spectrum));
        let count = shown.filter(|p| !p.is_partial && significance(p) == class).count();
        let name = Cow::from(format!("{} ({count})", class.name(FAINT_SIGMA)));
        (count > 0).then_some(LegendEntry { name, color: INK, mark: Some(PointMark::DISC.of(class)) })
    });
    let partial = figure.spectra.iter().flat_map(|spectrum| shown(figure, spectrum));
    let partial = partial.filter(|p| p.is_partial).count();
    let name = Cow::from(format!("pixels without data ({partial})"));
    let mark = Some(PointMark::DISC.crossed());
    let partial = (partial > 0).then_some(LegendEntry { name, color: INK, mark });
    points.chain(curves).chain(classes).chain(partial).collect()
}

fn significance(p: &SpectrumPoint) -> Significance {
    Significance::of(p.flux, p.error, FAINT_SIGMA)
}

/// The points that can be drawn.
fn finite(spectrum: &Spectrum) -> impl Iterator<Item = &SpectrumPoint> {
    spectrum.points.iter().filter(|p| p.wavelength.is_finite() && p.flux.is_finite())
}

/// Those of them that the axes can show.
fn shown<'a>(figure: &SpectrumFigure, spectrum: &'a Spectrum) -> Vec<&'a SpectrumPoint> {
    let above = |p: &&SpectrumPoint| {
        (!figure.log_flux || p.flux > 0.0) && (!figure.log_wavelength || p.wavelength > 0.0)
    };
    finite(spectrum).filter(above).collect()
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
            return Err(PlotError::NoPoints { what: "wavelength and flux", points });
        }
        let within = |p: &&&SpectrumPoint| {
            figure.wavelength_range.is_none_or(|[min, max]| (min..=max).contains(&p.wavelength))
        };
        let seen: Vec<&SpectrumPoint> = points.iter().filter(within).copied().collect();
        // Where the range holds no point, the frame is that of all.
        let seen = if seen.is_empty() { points.clone() } else { seen };
        let typical = median(seen.iter().map(|p| bar(p.error)).filter(|e| *e > 0.0).collect());
        let across = || points.iter().map(|p| (p.wavelength, bar(p.half_bandwidth)));
        let up = || seen.iter().map(|p| (p.flux, bar(p.error).min(3.0 * typical)));
        let nothing = |what| PlotError::NoPoints { what, points: points.len() };
        let wavelength = match (figure.wavelength_range, figure.log_wavelength) {
            (Some(range), _) => range,
            (None, false) => padded(across(), 0.02),
            (None, true) => padded_log(across(), 0.02).ok_or(nothing("wavelength above 0"))?,
        };
        let flux = match (figure.flux_range, figure.log_flux) {
            (Some(range), _) => range,
            (None, false) => padded(up(), 0.06),
            (None, true) => padded_log(up(), 0.06).ok_or(nothing("flux above 0"))?,
        };
        let above_zero = |what, range: [f64; 2], log: bool| match checked(what, range)? {
            [low, high] if log && low <= 0.0 => {
                Err(PlotError::Limits { what, low, high, hint: "; a logarithmic axis begins above 0" })
            }
            range => Ok(range),
        };
        Ok(Self {
            wavelength: above_zero("wavelengths", wavelength, figure.log_wavelength)?,
            flux: above_zero("fluxes", flux, figure.log_flux)?,
        })
    }
}

/// The middle value, 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The frame and its axes; `beside` \[px\] are left free at the right.
fn panel(canvas: &Canvas, figure: &SpectrumFigure, ranges: &Ranges, beside: f64, style: &Style) -> Panel {
    let bounds = canvas.bounds();
    let width = bounds.width() - beside;
    let bottom = if figure.log_wavelength {
        Axis::across_log(canvas, ranges.wavelength, width, "0.000", style)
    } else {
        Axis::across(canvas, ranges.wavelength, width, "0.000", style)
    };
    let left = if figure.log_flux {
        Axis::upward_log(ranges.flux, 0.7 * bounds.height(), style)
    } else {
        Axis::upward(ranges.flux, false, 0.7 * bounds.height(), style)
    };
    let title = if title(figure).is_empty() { 0.0 } else { CAP_HEIGHT * style.large + 1.2 * style.gap };
    // Half of the last number may stand out to the right.
    let out = 0.6 * frame::widest(canvas, &bottom.numbers.ticks, style.small);
    let widest = frame::widest(canvas, &left.numbers.ticks, style.small);
    let inside = Rect {
        left: frame::room_beside(style, widest).round(),
        right: (bounds.right - style.margin.max(out) - style.line - beside).round(),
        top: (style.margin + style.line + title + frame::factor_height(&left.numbers, style)).round(),
        bottom: (bounds.bottom - frame::room_below(style)).round(),
    };
    Panel { inside, bottom, left }
}

/// Bars first, so that no bar crosses a point.
fn draw_points(
    canvas: &mut Canvas,
    panel: &Panel,
    points: Vec<&SpectrumPoint>,
    (color, mark): (Rgb, PointMark),
    style: &Style,
) {
    let faint = color.map(|part| part / 2 + 0x80);
    for p in &points {
        let bars = [p.half_bandwidth, p.error];
        panel.bars(canvas, [p.wavelength, p.flux], bars, 0.14 * style.gap, faint);
    }
    for p in points {
        let at = [panel.x(p.wavelength), panel.y(p.flux)];
        if panel.holds(at) {
            let mark = if p.is_partial { mark.crossed() } else { mark.of(significance(p)) };
            mark.draw(canvas, at, POINT * style.gap, color);
        }
    }
}

/// Arrowheads at the lower edge of a logarithmic axis for points that are not above 0.
fn draw_below(
    canvas: &mut Canvas,
    panel: &Panel,
    figure: &SpectrumFigure,
    spectrum: &Spectrum,
    color: Rgb,
    style: &Style,
) {
    let (half, edge) = (POINT * style.gap, panel.inside.bottom - 2.0 * style.line);
    for p in finite(spectrum).filter(|p| figure.log_flux && p.flux <= 0.0) {
        let x = panel.x(p.wavelength);
        let head = [[x - half, edge - half], [x, edge], [x + half, edge - half]];
        panel.line(canvas, &head, 0.2 * style.gap, color);
    }
}

/// Where points, their bars and curves lie, for the legend to keep away from.
fn occupied(panel: &Panel, figure: &SpectrumFigure) -> Vec<[f64; 2]> {
    let Rect { top, bottom, .. } = panel.inside;
    let points = figure.spectra.iter().flat_map(|spectrum| shown(figure, spectrum)).flat_map(|p| {
        let error = bar(p.error);
        let [x, y, high, low] = [
            panel.x(p.wavelength),
            panel.y(p.flux),
            panel.y(p.flux + error).max(top),
            panel.y(p.flux - error).min(bottom),
        ];
        // Places along the bar closer to each other than a line of the legend is high.
        let along = (0..=PLACES).map(move |k| high + (low - high) * f64::from(k) / f64::from(PLACES));
        along.map(move |y| [x, y]).chain(std::iter::once([x, y]))
    });
    let below = figure.spectra.iter().flat_map(finite).filter(|p| figure.log_flux && p.flux <= 0.0);
    let below = below.map(|p| [panel.x(p.wavelength), bottom]);
    let curves = figure.curves.iter().flat_map(|c| &c.points);
    points.chain(below).chain(curves.map(|p| [panel.x(p[0]), panel.y(p[1])])).collect()
}

/// Places along an error bar that the legend keeps away from.
const PLACES: u32 = 40;
/// Radius of a point, in gaps of the style.
const POINT: f64 = 0.36;

#[cfg(test)]
mod tests;
