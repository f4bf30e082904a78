//! One source: its spectrum above its light curve.

mod marks;
mod points;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::axes::{NumberAxis, stretched};
use crate::canvas::{Canvas, Rect};
use crate::colormap::Rgb;
use crate::encode::encode;
use crate::font::CAP_HEIGHT;
use crate::frame::{self, Style};
use crate::panel::{Axis, Panel};
use crate::scale::check_percentiles;
use crate::{Colormap, FigureFormat, PlotError, Size, Stretch};
use marks::Marks;
use points::{Drawable, DrawablePoint};

/// What a measurement is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointQuality {
    /// Drawn as a filled disc with error bars, colored.
    Good,
    /// Too low a signal-to-noise ratio, or bad flags: drawn as a grey cross.
    Rejected,
    /// Hidden in the noise, though nothing else speaks against it: drawn as a colored arrow that
    /// hangs from `max(flux, 0) + 3 error`.
    UpperLimit,
}

/// One measurement of a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LightCurvePoint {
    /// Date \[MJD\].
    pub mjd: f64,
    /// Central wavelength \[um\].
    pub wavelength: f64,
    /// Full width of the passband \[um\]; NaN or 0 for none.
    pub bandwidth: f64,
    /// Flux density \[uJy\], which may be negative.
    pub flux: f64,
    /// One standard deviation of the flux \[uJy\]; NaN or 0 for none.
    pub error: f64,
    /// What it is worth.
    pub quality: PointQuality,
}

/// How the figure looks. The names are those of spxquery's `VisualizationConfig`; departures:
/// markers are larger by default, nothing is sigma-clipped (percentiles set the limits, and what
/// lies beyond them leaves a mark at the edge), alpha mixes with the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LightCurveOptions {
    /// Draw AB magnitudes instead of fluxes
    ///
    /// Points whose flux is not positive have none, and the head of the figure counts them.
    pub use_magnitude: bool,
    /// Draw error bars
    pub show_errorbars: bool,
    /// Color map of the dates, in the spectrum
    pub date_cmap: Colormap,
    /// Color map of the wavelengths, in the light curve
    pub wavelength_cmap: Colormap,
    /// Least signal-to-noise ratio of good points, as the legend names it
    pub sigma_threshold: f64,
    /// Lower end of the vertical axes \[percentile\]
    ///
    /// Of the lower ends of good points' error bars and of upper limits (where there are neither,
    /// of the rejected points).
    #[schemars(range(min = 0.0, max = 100.0))]
    pub ylim_percentile_min: f64,
    /// Upper end of the vertical axes \[percentile\]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub ylim_percentile_max: f64,
    /// Fraction of their length that is added to the vertical axes at either end
    pub ylim_padding_fraction: f64,
    /// Diameter of good points \[pt\]; by default 5, less where there are many
    pub marker_size_good: Option<f64>,
    /// Size of rejected points \[pt\]; by default 4, less where there are many
    pub marker_size_rejected: Option<f64>,
    /// Length of the arrows of upper limits \[pt\]; by default 9, less where there are many
    pub marker_size_upper_limit: Option<f64>,
    /// Opacity of error bars, above 0 to 1; by default 0.4, less where there are many
    pub errorbar_alpha: Option<f64>,
    /// Opacity of points, above 0 to 1
    pub marker_alpha: f64,
    /// Line width of error bars \[pt\]
    pub errorbar_linewidth: f64,
    /// Width and height of the figure \[inch\]
    pub figsize: [f64; 2],
    /// Pixels per inch
    pub dpi: u32,
}

impl Default for LightCurveOptions {
    fn default() -> Self {
        Self {
            use_magnitude: false,
            show_errorbars: true,
            date_cmap: Colormap::Viridis,
            wavelength_cmap: Colormap::Rainbow,
            sigma_threshold: 5.0,
            ylim_percentile_min: 1.0,
            ylim_percentile_max: 99.0,
            ylim_padding_fraction: 0.1,
            marker_size_good: None,
            marker_size_rejected: None,
            marker_size_upper_limit: None,
            errorbar_alpha: None,
            marker_alpha: 1.0,
            errorbar_linewidth: 0.8,
            figsize: [10.0, 8.0],
            dpi: 150,
        }
    }
}

impl LightCurveOptions {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`PlotError`] that names the first impossible one.
    pub fn validate(&self) -> Result<(), PlotError> {
        check_percentiles(self.ylim_percentile_min, self.ylim_percentile_max)?;
        let sizes = [
            ("marker_size_good", self.marker_size_good),
            ("marker_size_rejected", self.marker_size_rejected),
            ("marker_size_upper_limit", self.marker_size_upper_limit),
            ("errorbar_linewidth", Some(self.errorbar_linewidth)),
        ];
        for (what, value) in sizes {
            positive(what, value.unwrap_or(1.0), 100.0)?;
        }
        positive("errorbar_alpha", self.errorbar_alpha.unwrap_or(1.0), 1.0)?;
        positive("marker_alpha", self.marker_alpha, 1.0)?;
        positive("ylim_padding_fraction", self.ylim_padding_fraction, 10.0)?;
        self.size().check()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates; checked by `Size`"
    )]
    fn size(&self) -> Size {
        let [width, height] = self.figsize.map(|side| (side * f64::from(self.dpi)).round() as u32);
        Size { width, height }
    }

    /// Letters of 10 pt in a figure of 10 x 8 inch, smaller in smaller ones, but not in proportion.
    fn style(&self) -> Style {
        let area = self.figsize[0] * self.figsize[1] / 80.0;
        Style::scaled(1.25 * f64::from(self.dpi) / 150.0 * area.powf(0.25))
    }
}

fn positive(what: &'static str, value: f64, most: f64) -> Result<(), PlotError> {
    if value > 0.0 && value <= most { Ok(()) } else { Err(PlotError::Parameter { what, most, value }) }
}

/// The figure of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct LightCurveFigure {
    /// Title above all; empty for none.
    pub title: String,
    /// The measurements, in any order. Those whose date, wavelength or flux is not finite are left
    /// out, and the head counts them.
    pub points: Vec<LightCurvePoint>,
    /// How it looks.
    pub options: LightCurveOptions,
}

/// Draws the spectrum (flux density or magnitude against wavelength, passbands as horizontal bars,
/// colored by date) above the light curve (against date, colored by wavelength).
///
/// Both have the same vertical axis. A small arrowhead at its end stands for each point beyond it.
///
/// # Errors
/// Where an option is impossible, or no point can be drawn.
pub fn render_light_curve(figure: &LightCurveFigure, format: FigureFormat) -> Result<Vec<u8>, PlotError> {
    encode(&draw(figure)?, format)
}

fn draw(figure: &LightCurveFigure) -> Result<Canvas, PlotError> {
    let options = &figure.options;
    options.validate()?;
    let mut canvas = Canvas::new(options.size())?;
    canvas.points_per_pixel = 72.0 / f64::from(options.dpi);
    let style = options.style();
    let drawable = Drawable::new(figure)?;
    let panels = Panels::new(&canvas, figure, &drawable, &style)?;
    let marks = Marks::new(options, drawable.points.len());
    if !options.use_magnitude {
        panels.spectrum.zero_line(&mut canvas, &style);
        panels.light_curve.zero_line(&mut canvas, &style);
    }
    let Panels { spectrum, light_curve, dates, wavelengths, .. } = &panels;
    marks.draw(&mut canvas, spectrum, |p| p.wavelength, |p| p.half_bandwidth, dates, &drawable);
    marks.draw(&mut canvas, light_curve, |p| p.mjd, |_| 0.0, wavelengths, &drawable);
    panels.draw_axes(&mut canvas, options.use_magnitude, &style);

    let line = spectrum.inside.top - style.line - panels.factors[0] - style.gap;
    marks.legend(&mut canvas, &drawable, spectrum.inside, line, &style);
    let title = line - (CAP_HEIGHT * style.small + 1.2 * style.gap);
    frame::title(&mut canvas, spectrum.inside, title, &figure.title, &style);
    Ok(canvas)
}

/// A color bar, and what colors mean.
struct ColorBar {
    map: Colormap,
    range: [f64; 2],
    numbers: NumberAxis,
    name: &'static str,
    /// The coordinate that it shows.
    of: fn(&DrawablePoint) -> f64,
}

impl ColorBar {
    /// With numbers that keep a distance of `gap` parts of its length.
    fn new(
        map: Colormap,
        range: [f64; 2],
        gap: f64,
        name: &'static str,
        of: fn(&DrawablePoint) -> f64,
    ) -> Self {
        let numbers = stretched(range[0], range[1], Stretch::Linear, gap);
        Self { map, range, numbers, name, of }
    }

    fn color(&self, point: &DrawablePoint) -> Rgb {
        self.map.color(((self.of)(point) - self.range[0]) / (self.range[1] - self.range[0]))
    }
}

const WAVELENGTH: &str = "Wavelength (µm)";
const DATE: &str = "Date (MJD)";
/// Of a figure of one wavelength [um] or one date [d], half the length of the axis.
const ONE_WAVELENGTH: f64 = 0.05;
const ONE_DATE: f64 = 0.5;
/// By this part horizontal axes are longer at either end.
const BESIDE: f64 = 0.03;

/// The two panels with their color bars.
struct Panels {
    spectrum: Panel,
    light_curve: Panel,
    dates: ColorBar,
    wavelengths: ColorBar,
    /// Heights of the powers of ten above each.
    factors: [f64; 2],
}

impl Panels {
    fn new(
        canvas: &Canvas,
        figure: &LightCurveFigure,
        drawable: &Drawable,
        style: &Style,
    ) -> Result<Self, PlotError> {
        let (bounds, options) = (canvas.bounds(), &figure.options);
        let title = if figure.title.is_empty() { 0.0 } else { CAP_HEIGHT * style.large + 1.2 * style.gap };
        let above = style.margin + title + CAP_HEIGHT * style.small + style.gap + style.line;
        let below = frame::room_below(style);
        // Numbers along the axes are chosen before powers of ten take their share of the height.
        let height = ((bounds.height() - above - 2.0 * below) / 2.0).max(style.small);
        let left = Axis::upward(drawable.values(options)?, options.use_magnitude, height, style);
        let gap = 2.2 * style.small / height;
        let dates = drawable.colored(|p| p.mjd, ONE_DATE);
        let dates = ColorBar::new(options.date_cmap, dates, gap, DATE, |p| p.mjd);
        let wavelengths = drawable.colored(|p| p.wavelength, ONE_WAVELENGTH);
        let wavelengths =
            ColorBar::new(options.wavelength_cmap, wavelengths, gap, WAVELENGTH, |p| p.wavelength);
        let factors = [&dates, &wavelengths].map(|bar| {
            frame::factor_height(&left.numbers, style).max(frame::factor_height(&bar.numbers, style))
        });
        let height = height - (factors[0] + factors[1]) / 2.0;

        let widest = |numbers: &NumberAxis| frame::widest(canvas, &numbers.ticks, style.small);
        let beside = frame::room_beside(style, widest(&dates.numbers).max(widest(&wavelengths.numbers)));
        let bar = frame::bar_place(Rect { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 }, style).right;
        let top = (above + factors[0]).round();
        let upper = Rect {
            left: frame::room_beside(style, widest(&left.numbers)).round(),
            right: (bounds.right - bar - beside).round(),
            top,
            bottom: (top + height).round(),
        };
        let lower = Rect {
            top: (upper.bottom + below + factors[1]).round(),
            bottom: (bounds.bottom - below).round(),
            ..upper
        };
        let wavelength = drawable.extent(|p| p.wavelength, |p| p.half_bandwidth, ONE_WAVELENGTH, BESIDE);
        let date = drawable.extent(|p| p.mjd, |_| 0.0, ONE_DATE, BESIDE);
        let across = |range, widest| Axis::across(canvas, range, upper.width(), widest, style);
        Ok(Self {
            spectrum: Panel { inside: upper, bottom: across(wavelength, "0.000"), left: left.clone() },
            light_curve: Panel { inside: lower, bottom: across(date, "00000"), left },
            dates,
            wavelengths,
            factors,
        })
    }

    fn draw_axes(&self, canvas: &mut Canvas, use_magnitude: bool, style: &Style) {
        let value = if use_magnitude { "AB magnitude" } else { "Flux density (µJy)" };
        for (panel, below, bar) in
            [(&self.spectrum, WAVELENGTH, &self.dates), (&self.light_curve, DATE, &self.wavelengths)]
        {
            let widest = frame::widest(canvas, &panel.left.numbers.ticks, style.small);
            panel.axes(canvas, [below, value], widest, style);
            let place = frame::bar_place(panel.inside, style);
            frame::color_bar(canvas, place, bar.map, &bar.numbers, bar.name, style);
        }
    }
}
