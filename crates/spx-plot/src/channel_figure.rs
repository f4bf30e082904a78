//! The spectrum of a source in channels, over the single measurements, and their residuals below.

use crate::canvas::{Anchor, Canvas, CanvasShape, INK, Rect};
use crate::colormap::Rgb;
use crate::encode::encode;
use crate::font::CAP_HEIGHT;
use crate::frame::{self, Style};
use crate::legend::PointMark;
use crate::panel::{Axis, Panel, bar, padded, padded_log, widened};
use crate::significance::{FAINT_SIGMA, Significance};
use crate::{FigureFormat, FluxDensity, FluxUnit, PlotError, Size};

/// A channel with its mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelPoint {
    /// Mean wavelength \[um\].
    pub wavelength: f64,
    /// Half of the bandwidth \[um\].
    pub half_bandwidth: f64,
    /// Mean flux density \[uJy\].
    pub flux: f64,
    /// Its error \[uJy\].
    pub error: f64,
}

/// A single measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelMeasurement {
    /// Wavelength \[um\].
    pub wavelength: f64,
    /// Flux density \[uJy\].
    pub flux: f64,
    /// Distance from the mean of its channel [standard deviations].
    pub residual: f64,
    /// It is in no mean: a measurement that is not good, or an outlier.
    pub rejected: bool,
}

/// A figure of a source.
#[derive(Debug, Clone)]
pub struct ChannelFigure {
    /// Size of the picture.
    pub size: Size,
    /// Title above the frame; empty for none.
    pub title: String,
    /// The channels; those whose flux is not finite are left out.
    pub channels: Vec<ChannelPoint>,
    /// The measurements.
    pub measurements: Vec<ChannelMeasurement>,
    /// Ranges of wavelengths without data, which are shaded \[um\].
    pub gaps: Vec<[f64; 2]>,
    /// What flux densities are drawn per.
    pub density: FluxDensity,
    /// Draw AB magnitudes; fluxes that are not above 0 are left out.
    pub magnitudes: bool,
    /// Places along the wavelength axis follow logarithms.
    pub log_wavelength: bool,
}

/// Residuals are drawn up to so many standard deviations; those beyond stand at the edge.
const MOST: f64 = 6.0;
/// Share of the height that the residuals take.
const RESIDUALS: f64 = 0.22;
const SHADE: Rgb = [0xf0; 3];
const CHANNEL: Rgb = [0x00, 0x72, 0xb2];
const SINGLE: Rgb = [0x96; 3];
const REJECTED: Rgb = [0xc8, 0x70, 0x48];

/// Draws the figure; channels below five standard deviations are open.
///
/// # Errors
/// Where the size is impossible, or no channel can be drawn.
pub fn render_channels(figure: &ChannelFigure, format: FigureFormat) -> Result<Vec<u8>, PlotError> {
    encode(&draw(figure)?, format)
}

/// Values of the vertical axis.
enum VerticalValue {
    Flux(FluxUnit),
    Magnitude,
}

impl VerticalValue {
    fn of(figure: &ChannelFigure) -> Self {
        if figure.magnitudes {
            return Self::Magnitude;
        }
        let points = figure.channels.iter().map(|c| [c.wavelength, c.flux]);
        Self::Flux(FluxUnit::suited(figure.density, points))
    }

    /// Value and error of a flux density \[uJy\]; NaN where there is none.
    fn value(&self, wavelength: f64, flux: f64, error: f64) -> [f64; 2] {
        match self {
            Self::Flux(unit) => [unit.value(wavelength, flux), unit.value(wavelength, error)],
            Self::Magnitude if flux > 0.0 => {
                let per_share = 2.5 / std::f64::consts::LN_10;
                [23.9 - per_share * spx_core::elementary::ln(flux), per_share * error / flux]
            }
            Self::Magnitude => [f64::NAN; 2],
        }
    }

    fn label(&self) -> String {
        match self {
            Self::Flux(unit) => unit.label(),
            Self::Magnitude => "AB magnitude".to_owned(),
        }
    }
}

fn draw(figure: &ChannelFigure) -> Result<Canvas, PlotError> {
    let mut canvas = Canvas::new(figure.size)?;
    let style = Style::new(figure.size);
    let value = VerticalValue::of(figure);
    let [upper, lower] = panels(&canvas, figure, &value, &style)?;
    for panel in [&upper, &lower] {
        shade(&mut canvas, panel, &figure.gaps);
        panel.level_line(&mut canvas, 0.0, &style);
    }
    draw_measurements(&mut canvas, figure, &value, [&upper, &lower], &style);
    draw_channels(&mut canvas, figure, &value, &upper, &style);
    let widest =
        |panel: &Panel, canvas: &Canvas| frame::widest(canvas, &panel.left.numbers.ticks, style.small);
    let room = widest(&upper, &canvas).max(widest(&lower, &canvas));
    upper.axes(&mut canvas, ["", &value.label()], room, &style);
    lower.axes(&mut canvas, ["Wavelength (µm)", "Residual (σ)"], room, &style);
    let line = upper.inside.top - style.line - frame::factor_height(&upper.left.numbers, &style) - style.gap;
    draw_head(&mut canvas, &kinds(figure, &value, &upper), upper.inside, line, &style);
    let title = line - (CAP_HEIGHT * style.small + 1.2 * style.gap);
    frame::title(&mut canvas, upper.inside, title, &figure.title, &style);
    Ok(canvas)
}

/// What is drawn how, and how many there are; and how many measurements lie beyond the axis of
/// fluxes, or have no magnitude, as some channels.
fn kinds(figure: &ChannelFigure, value: &VerticalValue, panel: &Panel) -> Vec<(KindMark, String)> {
    let channels = |class: Option<Significance>| {
        let of = figure.channels.iter().filter(|c| c.flux.is_finite());
        let drawn = |c: &ChannelPoint| {
            let is_drawn = value.value(c.wavelength, c.flux, 0.0)[0].is_finite();
            is_drawn.then(|| Significance::of(c.flux, c.error, FAINT_SIGMA))
        };
        of.filter(|c| drawn(c) == class).count()
    };
    let channel = |class: Significance| {
        let name = match class {
            Significance::Detected => "channel".to_owned(),
            class => format!("channel, {}", class.name(FAINT_SIGMA)),
        };
        (KindMark::Channel(class), name, channels(Some(class)))
    };
    let rejected = figure.measurements.iter().filter(|m| m.rejected).count();
    let single = figure.measurements.len() - rejected;
    let height = |m: &ChannelMeasurement| panel.y(value.value(m.wavelength, m.flux, 0.0)[0]);
    let Rect { top, bottom, .. } = panel.inside;
    let is_outside = |m: &&ChannelMeasurement| {
        let y = height(m);
        y < top || y > bottom || m.residual.abs() > MOST
    };
    let outside = figure.measurements.iter().filter(is_outside).count();
    let missing = figure.measurements.iter().filter(|m| height(m).is_nan()).count();
    let kinds = [
        channel(Significance::Detected),
        channel(Significance::Faint),
        channel(Significance::FarNegative),
        channel(Significance::WithoutError),
        (KindMark::None, "channel without magnitude".to_owned(), channels(None)),
        (KindMark::Disc(SINGLE, 0.16), "measurement".to_owned(), single),
        (KindMark::Cross, "not in a mean".to_owned(), rejected),
        (KindMark::Head(INK), "off an axis".to_owned(), outside),
        (KindMark::None, "measurement without magnitude".to_owned(), missing),
    ];
    let kinds = kinds.into_iter().filter(|(.., count)| *count > 0);
    kinds.map(|(mark, name, count)| (mark, format!("{name} ({count})"))).collect()
}

/// The kinds in a line above the frame.
fn draw_head(canvas: &mut Canvas, named: &[(KindMark, String)], inside: Rect, line: f64, style: &Style) {
    let room = 2.0 * style.gap;
    let names: f64 = named.iter().map(|(_, name)| canvas.text_width(name, style.small)).sum();
    // What is not drawn needs no room for a mark before its name.
    let before = |mark: &KindMark| if matches!(mark, KindMark::None) { 0.0 } else { room };
    let taken = named.iter().map(|(mark, _)| before(mark) + room).sum::<f64>() - room;
    let em = style.small * ((canvas.bounds().width() - 2.0 * style.margin - taken) / names.max(1.0)).min(1.0);
    let half = (taken + names * em / style.small) / 2.0;
    let most = canvas.bounds().width() - style.margin - half;
    let mut x = ((inside.left + inside.right) / 2.0).min(most) - half;
    for (mark, name) in named {
        mark.draw(canvas, [x + 0.4 * room, line - CAP_HEIGHT / 2.0 * em], style);
        let width = canvas.text_width(name, em);
        canvas.label(name.clone(), [x + before(mark), line], Anchor::Start, em);
        x += before(mark) + width + room;
    }
}

/// How a channel or a measurement is drawn.
#[derive(Debug, Clone, Copy)]
enum KindMark {
    /// Color, and radius in gaps.
    Disc(Rgb, f64),
    /// A channel, by its significance.
    Channel(Significance),
    /// A measurement that is in no mean.
    Cross,
    /// A measurement beyond the axis of fluxes, an arrowhead that points upwards.
    Head(Rgb),
    None,
}

impl KindMark {
    fn draw(self, canvas: &mut Canvas, [x, y]: [f64; 2], style: &Style) {
        match self {
            Self::Disc(color, radius) => PointMark::DISC.draw(canvas, [x, y], radius * style.gap, color),
            Self::Channel(class) => PointMark::DISC.of(class).draw(canvas, [x, y], 0.3 * style.gap, CHANNEL),
            Self::Cross => {
                let half = 0.22 * style.gap;
                for up in [-half, half] {
                    let line = vec![[x - half, y - up], [x + half, y + up]];
                    canvas.shapes.push(CanvasShape::Line(line, 0.1 * style.gap, REJECTED));
                }
            }
            Self::Head(color) => {
                canvas.shapes.push(CanvasShape::Line(
                    head([x, y], 1.0, style).to_vec(),
                    0.1 * style.gap,
                    color,
                ));
            }
            Self::None => {}
        }
    }
}

/// The arrowhead of a measurement beyond the axis; `sign` is 1 where it points upwards.
fn head([x, y]: [f64; 2], sign: f64, style: &Style) -> [[f64; 2]; 3] {
    let half = 0.22 * style.gap;
    [[x - half, y + sign * half], [x, y - sign * half], [x + half, y + sign * half]]
}

/// Both frames, one above the other.
fn panels(
    canvas: &Canvas,
    figure: &ChannelFigure,
    value: &VerticalValue,
    style: &Style,
) -> Result<[Panel; 2], PlotError> {
    let drawn: Vec<[f64; 4]> = figure
        .channels
        .iter()
        .map(|c| {
            let [y, error] = value.value(c.wavelength, c.flux, c.error);
            [c.wavelength, bar(c.half_bandwidth), y, bar(error)]
        })
        .filter(|[wavelength, _, y, _]| wavelength.is_finite() && y.is_finite())
        .collect();
    if drawn.is_empty() {
        return Err(PlotError::NoPoints { what: "wavelength and flux", points: figure.channels.len() });
    }
    let bounds = canvas.bounds();
    let across = drawn.iter().map(|[wavelength, half, ..]| (*wavelength, *half));
    let bottom = match padded_log(across.clone(), 0.02).filter(|_| figure.log_wavelength) {
        Some(range) => Axis::across_log(canvas, range, bounds.width(), "0.000", style),
        None => Axis::across(canvas, padded(across, 0.02), bounds.width(), "0.000", style),
    };
    let left = Axis::upward(flux_range(&drawn), figure.magnitudes, 0.6 * bounds.height(), style);
    let residuals = Axis::upward([-MOST, MOST], false, RESIDUALS * bounds.height(), style);
    let title = if figure.title.is_empty() { 0.0 } else { CAP_HEIGHT * style.large + 1.2 * style.gap };
    let head = CAP_HEIGHT * style.small + style.gap + style.line;
    let room = [&left, &residuals].map(|axis| frame::widest(canvas, &axis.numbers.ticks, style.small));
    let out = 0.6 * frame::widest(canvas, &bottom.numbers.ticks, style.small);
    let inside = Rect {
        left: frame::room_beside(style, room[0].max(room[1])).round(),
        right: (bounds.right - style.margin.max(out) - style.line).round(),
        top: (style.margin + title + head + frame::factor_height(&left.numbers, style)).round(),
        bottom: (bounds.bottom - frame::room_below(style)).round(),
    };
    let between = (inside.bottom - RESIDUALS * inside.height()).round();
    let gap = (2.0 * style.small).round();
    let upper = Panel { inside: Rect { bottom: between - gap, ..inside }, bottom: bottom.clone(), left };
    let lower = Panel { inside: Rect { top: between, ..inside }, bottom, left: residuals };
    Ok([upper, lower])
}

/// Around the channels; of error bars at most three times the median length counts.
fn flux_range(drawn: &[[f64; 4]]) -> [f64; 2] {
    let mut errors: Vec<f64> = drawn.iter().map(|point| point[3]).collect();
    errors.sort_by(f64::total_cmp);
    let most = 3.0 * errors[errors.len() / 2];
    let ends = drawn.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], [_, _, y, error]| {
        let error = error.min(most);
        [low.min(y - error), high.max(y + error)]
    });
    widened(ends, 0.08)
}

fn shade(canvas: &mut Canvas, panel: &Panel, gaps: &[[f64; 2]]) {
    let inside = panel.inside;
    for gap in gaps {
        let [from, to] = gap.map(|edge| panel.x(edge).clamp(inside.left, inside.right));
        if to > from {
            canvas.rect(from, inside.top, to, inside.bottom, SHADE);
        }
    }
}

fn draw_measurements(
    canvas: &mut Canvas,
    figure: &ChannelFigure,
    value: &VerticalValue,
    [upper, lower]: [&Panel; 2],
    style: &Style,
) {
    for rejected in [false, true] {
        for m in figure.measurements.iter().filter(|m| m.rejected == rejected) {
            let [y, _] = value.value(m.wavelength, m.flux, 0.0);
            let mark = if rejected { KindMark::Cross } else { KindMark::Disc(SINGLE, 0.16) };
            let places = [[upper.x(m.wavelength), upper.y(y)], [lower.x(m.wavelength), lower.y(m.residual)]];
            for (panel, at) in [upper, lower].into_iter().zip(places) {
                let Rect { top, bottom, .. } = panel.inside;
                let away = 0.4 * style.gap;
                if panel.holds(at) {
                    mark.draw(canvas, at, style);
                } else if at[1] < top || at[1] > bottom {
                    let (y, sign) = if at[1] < top { (top + away, 1.0) } else { (bottom - away, -1.0) };
                    let color = if rejected { REJECTED } else { SINGLE };
                    panel.line(canvas, &head([at[0], y], sign, style), 0.1 * style.gap, color);
                }
            }
        }
    }
}

fn draw_channels(
    canvas: &mut Canvas,
    figure: &ChannelFigure,
    value: &VerticalValue,
    panel: &Panel,
    style: &Style,
) {
    let faint = CHANNEL.map(|part| part / 2 + 0x80);
    let points = figure.channels.iter().map(|c| {
        let [y, error] = value.value(c.wavelength, c.flux, c.error);
        let mark = KindMark::Channel(Significance::of(c.flux, c.error, FAINT_SIGMA));
        ([c.wavelength, y], [bar(c.half_bandwidth), bar(error)], mark)
    });
    let points: Vec<_> = points.filter(|(at, ..)| at.iter().all(|c| c.is_finite())).collect();
    for (at, bars, _) in &points {
        panel.bars(canvas, *at, *bars, 0.18 * style.gap, faint);
    }
    for ([x, y], _, mark) in points {
        let at = [panel.x(x), panel.y(y)];
        if panel.holds(at) {
            mark.draw(canvas, at, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{assert_texts_are_free, color_blind_difference};

    use super::*;

    fn figure() -> ChannelFigure {
        let channels = (0..20).map(|k| {
            let wavelength = 1.0 + 0.1 * f64::from(k);
            let flux = if k == 3 { f64::NAN } else { 50.0 + 3.0 * f64::from(k) };
            ChannelPoint { wavelength, half_bandwidth: 0.02, flux, error: 2.0 }
        });
        let measurement = |k: i32| ChannelMeasurement {
            wavelength: 1.0 + 0.02 * f64::from(k),
            flux: if k == 7 { -4000.0 } else { 50.0 },
            residual: if k == 7 { -400.0 } else { 0.5 },
            rejected: k == 7,
        };
        ChannelFigure {
            size: Size { width: 800, height: 600 },
            title: "A source".to_owned(),
            channels: channels.collect(),
            measurements: (0..90).map(measurement).collect(),
            gaps: vec![[1.28, 1.32]],
            density: FluxDensity::PerFrequency,
            magnitudes: false,
            log_wavelength: false,
        }
    }

    /// All kinds are drawn, a channel that has no flux is not, and a residual beyond the axis
    /// stands at its edge.
    #[test]
    fn channels_measurements_and_gaps_are_drawn() {
        let svg = |figure: &ChannelFigure| {
            String::from_utf8(render_channels(figure, FigureFormat::Svg).unwrap()).unwrap()
        };
        let text = svg(&figure());
        // Each kind once more in the head.
        assert_eq!(text.matches("#0072B2").count() + text.matches("#0072b2").count(), 19 + 1);
        let rejected = text.to_lowercase().matches("#c87048").count();
        assert_eq!(rejected, 1 + 1 + 2, "arrowheads at both edges, a cross in the head");
        for name in ["channel (19)", "measurement (89)", "not in a mean (1)", "off an axis (1)"] {
            assert!(text.contains(name), "{name}");
        }
        assert_eq!(text.to_lowercase().matches("#f0f0f0").count(), 2);
        assert!(text.contains("Residual (σ)") && text.contains("A source"));
        for density in [FluxDensity::PerWavelength, FluxDensity::LambdaFLambda] {
            assert!(svg(&ChannelFigure { density, ..figure() }).contains("W m⁻²"));
        }
        let magnitudes = ChannelFigure { magnitudes: true, log_wavelength: true, ..figure() };
        assert!(svg(&magnitudes).contains("AB magnitude"));
        // What has no magnitude is told.
        let mut faint = ChannelFigure { magnitudes: true, ..figure() };
        faint.channels[5].flux = -3.0;
        let text = svg(&faint);
        for name in ["channel (18)", "channel without magnitude (1)", "measurement without magnitude (1)"] {
            assert!(text.contains(name), "{name}");
        }
    }

    /// A residual beyond the axis is an arrowhead at its edge, not a point within it.
    #[test]
    fn residuals_beyond_the_axis_are_not_drawn_at_its_end() {
        let mut drawn = figure();
        drawn.measurements.truncate(40);
        let off = |drawn: &ChannelFigure| {
            let canvas = super::draw(drawn).unwrap();
            canvas.text_boxes().find_map(|(text, _)| text.strip_prefix("off an axis (").map(str::to_owned))
        };
        drawn.measurements.iter_mut().for_each(|m| (m.residual, m.flux) = (1.0, drawn.channels[3].flux));
        assert_eq!(off(&drawn), None);
        drawn.measurements[7].residual = -40.0;
        drawn.measurements[8].residual = 7.0;
        assert_eq!(off(&drawn).as_deref(), Some("2)"));
    }

    /// Texts lie apart in every size, and color-blind readers tell the kinds apart.
    #[test]
    fn texts_are_free_and_colors_differ() {
        for (width, height) in [(800, 600), (300, 260), (2400, 1600)] {
            for magnitudes in [false, true] {
                let size = Size { width, height };
                let mut drawn = ChannelFigure { size, magnitudes, ..figure() };
                drawn.channels[5].error = 40.0;
                assert_texts_are_free(&draw(&drawn).unwrap(), &format!("{size:?}"));
            }
        }
        for (a, b) in [(CHANNEL, SINGLE), (CHANNEL, REJECTED), (SINGLE, REJECTED)] {
            assert!(color_blind_difference(a, b) > 15.0, "{a:?} {b:?}: {}", color_blind_difference(a, b));
        }
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        let nothing = ChannelFigure { channels: Vec::new(), ..figure() };
        assert!(matches!(render_channels(&nothing, FigureFormat::Png), Err(PlotError::NoPoints { .. })));
    }
}
