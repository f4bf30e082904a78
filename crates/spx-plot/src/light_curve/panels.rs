//! The frames of the figure: the spectrum, one part of the light curve for each visit, the color
//! bars.

use super::dates::{Calendar, DateTicks, axis_parts, date_ticks};
use super::marks::Marks;
use super::marks::legend_pitch;
use super::points::{Drawable, DrawablePoint, DrawnValue};
use super::{LightCurveFigure, LightCurveOptions};
use crate::axes::{NumberAxis, Tick, stretched, thinned};
use crate::canvas::{Anchor, Canvas, Rect};
use crate::colormap::Rgb;
use crate::font::{CAP_HEIGHT, DEPTH};
use crate::frame::{self, Side, Style};
use crate::panel::{Axis, Panel, checked};
use crate::{Colormap, PlotError, Stretch};

/// A color bar, and what colors mean.
pub(super) struct ColorBar {
    map: Colormap,
    range: [f64; 2],
    numbers: NumberAxis,
    name: String,
    /// Whether any point has a color: the bar of gray crosses would mean nothing.
    is_shown: bool,
    /// The coordinate that it shows.
    of: fn(&DrawablePoint) -> f64,
}

impl ColorBar {
    pub(super) fn color(&self, point: &DrawablePoint) -> Rgb {
        self.map.color_on_paper(((self.of)(point) - self.range[0]) / (self.range[1] - self.range[0]))
    }
}

/// Measurements of more days \[d\] without a gap are no visit.
const LONG_VISIT: f64 = 30.0;
const WAVELENGTH: &str = "Wavelength (µm)";
const DATE: &str = "Date (UTC)";
/// Of a figure of one wavelength [um] or one date [d], half the length of the axis.
const ONE_WAVELENGTH: f64 = 0.05;
const ONE_DATE: f64 = 0.5;
/// By this part horizontal axes are longer at either end.
const BESIDE: f64 = 0.03;
/// This share of the width goes to the visits in equal parts, the rest by their lengths.
const EQUAL_SHARE: f64 = 0.6;

/// The panels with their color bars.
pub(super) struct Panels {
    pub(super) spectrum: Panel,
    /// From left to right, one for each visit, with what the labels of its dates leave out.
    pub(super) light_curve: Vec<(Panel, String)>,
    pub(super) dates: ColorBar,
    pub(super) wavelengths: ColorBar,
    /// Heights of the powers of ten above spectrum and light curve.
    pub(super) factors: [f64; 2],
}

impl Panels {
    pub(super) fn new(
        canvas: &Canvas,
        figure: &LightCurveFigure,
        drawable: &Drawable,
        legend_rows: usize,
        style: &Style,
    ) -> Result<Self, PlotError> {
        let (bounds, options) = (canvas.bounds(), &figure.options);
        let title = if figure.title.is_empty() { 0.0 } else { CAP_HEIGHT * style.large + 1.2 * style.gap };
        let legend = CAP_HEIGHT * style.small + (legend_rows - 1) as f64 * legend_pitch(style);
        let above = style.margin + title + legend + style.gap + style.line;
        let below = [frame::room_below(style), frame::room_below(style) + context_height(style)];
        // Numbers along the axes are chosen before powers of ten take their share of the height.
        let height = ((bounds.height() - above - below[0] - below[1]) / 2.0).max(style.small);
        let wavelength = wavelength_range(drawable, options)?;
        let left = [
            spectrum_axis(drawable, options, height, style)?,
            Axis::upward(drawable.relative_values(options)?, options.use_magnitude, height, style),
        ];
        let (dates, wavelengths) = color_bars(drawable, options, wavelength, 2.2 * style.small / height);
        let factors = [(&left[0], &dates), (&left[1], &wavelengths)].map(|(left, bar)| {
            frame::factor_height(&left.numbers, style).max(frame::factor_height(&bar.numbers, style))
        });
        let height = height - (factors[0] + factors[1]) / 2.0;

        let widest = |numbers: &NumberAxis| frame::widest(canvas, &numbers.ticks, style.small);
        let beside = frame::room_beside(style, widest(&dates.numbers).max(widest(&wavelengths.numbers)));
        let bar = frame::bar_place(Rect { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 }, style).right;
        let beside = if dates.is_shown || wavelengths.is_shown {
            bar + beside
        } else {
            style.line + style.margin.max(0.6 * canvas.text_width("0.000", style.small))
        };
        let numbers = widest(&left[0].numbers).max(widest(&left[1].numbers));
        let upper = Rect {
            left: frame::room_beside(style, numbers).round(),
            right: (bounds.right - beside).round(),
            top: (above + factors[0]).round(),
            bottom: (above + factors[0] + height).round(),
        };
        let lower = Rect {
            top: (upper.bottom + below[0] + factors[1]).round(),
            bottom: (bounds.bottom - below[1]).round(),
            ..upper
        };
        let widest = if wavelength[1] - wavelength[0] > 1.0 { "0.0" } else { "0.000" };
        let bottom = if options.log_wavelength {
            Axis::across_log(canvas, wavelength, upper.width(), widest, style)
        } else {
            Axis::across(canvas, wavelength, upper.width(), widest, style)
        };
        let [upper_left, lower_left] = left;
        Ok(Self {
            spectrum: Panel { inside: upper, bottom, left: upper_left },
            light_curve: visit_panels(canvas, drawable, lower, &lower_left, style),
            dates,
            wavelengths,
            factors,
        })
    }

    /// Whether a point lies above or below one of its frames.
    pub(super) fn hides(&self, p: &DrawablePoint) -> bool {
        let beyond = |panel: &Panel, y: f64| y < panel.inside.top || y > panel.inside.bottom;
        beyond(&self.spectrum, self.spectrum.y(p.value.at))
            || self.light_curve.first().is_some_and(|(panel, _)| beyond(panel, panel.y(p.relative.at)))
    }

    /// The title, with the number of measurements and of visits, or how long a single one is.
    pub(super) fn title(&self, figure: &LightCurveFigure, drawable: &Drawable) -> String {
        if figure.title.is_empty() {
            return String::new();
        }
        let plural = |count: usize, what: &str| {
            if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
        };
        let points = drawable.points.len() + drawable.left_out;
        let visits = drawable.visits.len();
        let [first, last] = self.dates.range;
        let seen = if visits == 1 && last - first > LONG_VISIT {
            format!("over {:.0} days", last - first)
        } else {
            format!("in {}", plural(visits, "visit"))
        };
        format!("{}, {} {seen}", figure.title, plural(points, "measurement"))
    }

    /// The points in both, and the means of channels.
    pub(super) fn draw_points(
        &self,
        canvas: &mut Canvas,
        figure: &LightCurveFigure,
        drawable: &Drawable,
        marks: &Marks<'_>,
        style: &Style,
    ) {
        let Self { spectrum, light_curve, dates, wavelengths, .. } = self;
        let value: fn(&DrawablePoint) -> DrawnValue = |p| p.value;
        if !figure.options.use_magnitude {
            spectrum.level_line(canvas, 0.0, style);
        }
        let inside = |p: &&DrawablePoint| spectrum.bottom.holds(p.wavelength);
        let points: Vec<DrawablePoint> = drawable.points.iter().filter(inside).copied().collect();
        marks.draw(canvas, spectrum, [|p| p.wavelength, |p| p.half_bandwidth], value, dates, &points);
        marks.draw_channels(canvas, spectrum, &drawable.channels);
        for (panel, _) in light_curve {
            if drawable.is_relative {
                panel.level_line(canvas, if figure.options.use_magnitude { 0.0 } else { 1.0 }, style);
            } else if !figure.options.use_magnitude {
                panel.level_line(canvas, 0.0, style);
            }
            let inside = |p: &&DrawablePoint| panel.bottom.holds(p.mjd) && !p.relative.at.is_nan();
            let points: Vec<DrawablePoint> = drawable.points.iter().filter(inside).copied().collect();
            marks.draw(canvas, panel, [|p| p.mjd, |_| 0.0], |p| p.relative, wavelengths, &points);
        }
    }

    pub(super) fn draw_axes(
        &self,
        canvas: &mut Canvas,
        drawable: &Drawable,
        use_magnitude: bool,
        style: &Style,
    ) {
        let value = drawable.unit.label();
        let relative = match (drawable.is_relative, use_magnitude) {
            (true, true) => "Magnitude − spectrum",
            (true, false) => "Flux / spectrum",
            (false, _) => &value,
        };
        let Some((first, _)) = self.light_curve.first() else { return };
        let widest =
            [&self.spectrum, first].map(|p| frame::widest(canvas, &p.left.numbers.ticks, style.small));
        let widest = widest[0].max(widest[1]);
        self.spectrum.axes(canvas, [WAVELENGTH, &value], widest, style);
        let mut whole = first.inside;
        for (k, (panel, context)) in self.light_curve.iter().enumerate() {
            whole.right = panel.inside.right;
            visit_axes(canvas, panel, context, k == 0, style);
        }
        frame::factor(canvas, whole, &first.left.numbers, style);
        frame::name_beside(canvas, whole, Side::Left, relative, widest, style);
        let lowered = Rect { bottom: whole.bottom + context_height(style), ..whole };
        frame::name_below(canvas, lowered, DATE, style);
        let bars = [(self.spectrum.inside, &self.dates), (whole, &self.wavelengths)];
        for (inside, bar) in bars.into_iter().filter(|(_, bar)| bar.is_shown) {
            let place = frame::bar_place(inside, style);
            frame::color_bar(canvas, place, |t| bar.map.color_on_paper(t), &bar.numbers, &bar.name, style);
        }
    }
}

/// The wavelengths of the spectrum: those of all points, or as far as the options say.
fn wavelength_range(drawable: &Drawable, options: &LightCurveOptions) -> Result<[f64; 2], PlotError> {
    let [low, high] = drawable.extent(|p| p.wavelength, |p| p.half_bandwidth, ONE_WAVELENGTH, BESIDE);
    let least = if options.log_wavelength { low.max(0.1) } else { low };
    checked("wavelengths", [options.wavelength_min.unwrap_or(least), options.wavelength_max.unwrap_or(high)])
}

/// The vertical axis of the spectrum.
fn spectrum_axis(
    drawable: &Drawable,
    options: &LightCurveOptions,
    height: f64,
    style: &Style,
) -> Result<Axis, PlotError> {
    if options.log_flux && !options.use_magnitude {
        let nothing = PlotError::NoPoints { what: "flux above 0", points: drawable.points.len() };
        let range = drawable.values_above_zero(options).ok_or(nothing)?;
        return Ok(Axis::upward_log(range, height, style));
    }
    Ok(Axis::upward(drawable.spectrum_values(options)?, options.use_magnitude, height, style))
}

/// Room for the second line below the dates.
fn context_height(style: &Style) -> f64 {
    (CAP_HEIGHT + DEPTH) * style.small + 0.5 * style.gap
}

/// The bars of dates and wavelengths, whose numbers keep a distance of `gap` parts of their length;
/// the spectrum shows these `wavelengths`.
fn color_bars(
    drawable: &Drawable,
    options: &LightCurveOptions,
    wavelengths: [f64; 2],
    gap: f64,
) -> (ColorBar, ColorBar) {
    let colored = || drawable.points.iter().filter(|p| p.class.is_colored(options.show_errorbars));
    let in_spectrum = colored().any(|p| (wavelengths[0]..=wavelengths[1]).contains(&p.wavelength));
    let in_light_curve = colored().any(|p| !p.relative.at.is_nan());
    let bar = |map, range, numbers: NumberAxis, name: String, is_shown, of: fn(&DrawablePoint) -> f64| {
        let numbers = if is_shown { numbers } else { NumberAxis::default() };
        ColorBar { map, range, numbers, name, is_shown, of }
    };
    let range = drawable.colored(|p| p.mjd, ONE_DATE);
    let parts = axis_parts(&drawable.visits);
    let (ticks, name) = date_bar_ticks(range, &parts, gap);
    let numbers = NumberAxis { ticks, factor: String::new() };
    let dates = bar(options.date_cmap, range, numbers, name, in_spectrum, |p: &DrawablePoint| p.mjd);
    let range = drawable.colored(|p| p.wavelength, ONE_WAVELENGTH);
    let numbers = stretched(range[0], range[1], Stretch::Linear, gap);
    let name = WAVELENGTH.to_owned();
    (dates, bar(options.wavelength_cmap, range, numbers, name, in_light_curve, |p| p.wavelength))
}

/// Days along a color bar, in full: of several visits the middle of each, else round dates, of less
/// than a day hours; and the name of the bar.
fn date_bar_ticks([low, high]: [f64; 2], visits: &[[f64; 2]], gap: f64) -> (Vec<Tick>, String) {
    if visits.len() > 1 {
        let middle = |[first, last]: &[f64; 2]| ((first + last) / 2.0).clamp(low, high);
        let tick = |mjd: f64| Tick { at: (mjd - low) / (high - low), label: Some(Calendar::of(mjd).iso()) };
        return (thinned(visits.iter().map(middle).map(tick).collect(), |_| gap), DATE.to_owned());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    let most = (0.7 / gap.max(0.05)).clamp(1.0, 6.0) as usize;
    if high - low < 1.0 {
        let DateTicks { ticks, context } = date_ticks([low, high], most);
        return (thinned(ticks, |_| gap), format!("{context} (UTC)"));
    }
    let day = |tick: Tick| {
        let date = Calendar::of(low + tick.at * (high - low) + 1e-6);
        Tick { label: Some(date.iso()), ..tick }
    };
    let mut ticks: Vec<Tick> = date_ticks([low, high], most).ticks.into_iter().map(day).collect();
    // Within one day labels would be alike.
    ticks.dedup_by(|a, b| a.label == b.label);
    (thinned(ticks, |_| gap), DATE.to_owned())
}

/// The visits side by side, each at least as wide as its equal share of a part of the width.
fn visit_panels(
    canvas: &Canvas,
    drawable: &Drawable,
    whole: Rect,
    left: &Axis,
    style: &Style,
) -> Vec<(Panel, String)> {
    let ranges = axis_parts(&drawable.visits);
    let count = ranges.len().max(1) as f64;
    let gap = (1.4 * style.gap).round();
    let width = whole.width() - gap * (count - 1.0);
    let spans = ranges.iter().map(|[low, high]| high - low).sum::<f64>();
    let mut start = whole.left;
    let mut panels = Vec::new();
    for [low, high] in ranges {
        let by_length = if spans > 0.0 { (high - low) / spans } else { 1.0 / count };
        let share = (EQUAL_SHARE / count + (1.0 - EQUAL_SHARE) * by_length) * width;
        let inside = Rect { left: start.round(), right: (start + share).round(), ..whole };
        start += share + gap;
        let beside = if high > low { BESIDE.max(6.0 / share) * (high - low) } else { ONE_DATE };
        let range = [low - beside, high + beside];
        let DateTicks { ticks, context } = visit_ticks(canvas, range, share, style);
        panels.push((Panel { inside, bottom: Axis::with_ticks(range, ticks), left: left.clone() }, context));
    }
    panels
}

/// The dates below a visit of this width \[px\]: none that stand out to the next one, at least one.
fn visit_ticks(canvas: &Canvas, range: [f64; 2], width: f64, style: &Style) -> DateTicks {
    let length = |label: &str| canvas.text_width(label, style.small) / width;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    let most = (0.85 / length("Mmm 00")).clamp(1.0, 8.0) as usize;
    let DateTicks { mut ticks, context } = date_ticks(range, most);
    let out = 0.6 * style.gap / width;
    for tick in &mut ticks {
        let stands_out = tick.label.as_deref().is_some_and(|label| {
            let half = length(label) / 2.0;
            tick.at - half < -out || tick.at + half > 1.0 + out
        });
        if stands_out {
            tick.label = None;
        }
    }
    ticks = thinned(ticks, |label| 1.15 * length(label));
    let labels = ticks.iter().filter(|tick| tick.label.is_some()).count();
    // A single hour does not tell of which day it is.
    if labels > 1 || labels == 1 && range[1] - range[0] > 2.0 {
        return DateTicks { ticks, context };
    }
    let middle = (range[0] + range[1]) / 2.0;
    let date = Calendar::of(middle);
    let ticks = vec![Tick { at: 0.5, label: Some(date.day_and_month()) }];
    DateTicks { ticks, context: date.year().to_string() }
}

/// Frame, dates and, of the first, the numbers at the left.
fn visit_axes(canvas: &mut Canvas, panel: &Panel, context: &str, first: bool, style: &Style) {
    let inside = panel.inside;
    let (bottom, left) = (&panel.bottom.numbers.ticks, &panel.left.numbers.ticks);
    frame::frame(canvas, inside, style);
    for (side, ticks) in
        [(Side::Bottom, bottom), (Side::Top, bottom), (Side::Left, left), (Side::Right, left)]
    {
        frame::ticks(canvas, inside, side, ticks, style);
    }
    frame::labels(canvas, inside, Side::Bottom, bottom, style);
    if first {
        frame::labels(canvas, inside, Side::Left, left, style);
    }
    let (text, em) = canvas.fit(context, style.small, inside.width() + style.gap);
    let y = inside.bottom + style.line + 0.75 * style.gap + CAP_HEIGHT * style.small + context_height(style);
    canvas.label(text, [(inside.left + inside.right) / 2.0, y], Anchor::Middle, em);
}
