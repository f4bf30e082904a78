//! One source: its spectrum above its light curve.

mod channels;
mod dates;
mod marks;
mod panels;
mod points;
mod smooth;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::canvas::Canvas;
use crate::encode::encode;
use crate::font::CAP_HEIGHT;
use crate::frame::{self, Style};
use crate::options::named;
use crate::scale::check_percentiles;
use crate::{Colormap, FigureFormat, FluxDensity, PlotError, Size};
use marks::{Marks, legend_pitch};
use panels::Panels;
use points::Drawable;
use spx_core::elementary::powf;

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
    /// Whether something speaks against the measurement, such as a bad pixel in the aperture.
    pub flagged: bool,
}

/// What the lower panel shows against the date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LightCurveQuantity {
    /// The flux over the source's own smooth spectrum (in magnitudes the difference), in which a
    /// source that does not vary is a level line; points where that spectrum is fainter than twice
    /// their errors are left out and counted. Sources with fewer than 20 points for it are drawn as
    /// [`Flux`](Self::Flux).
    #[default]
    Relative,
    /// The flux (or magnitude) as it was measured.
    Flux,
}

named!(LightCurveQuantity, "quantity of the light curve", Relative = "relative", Flux = "flux");

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
    /// Light curve as flux over the source's own spectrum (where it is bright enough), or as
    /// measured
    pub light_curve: LightCurveQuantity,
    /// Draw fluxes per frequency (µJy, mJy, Jy), per wavelength (W/m^2/µm), or times the wavelength
    /// (W/m^2)
    pub flux_density: FluxDensity,
    /// Logarithmic wavelength axis of the spectrum
    pub log_wavelength: bool,
    /// Logarithmic flux axis of the spectrum
    ///
    /// Points that are not above 0 leave a mark at its lower edge. Magnitudes have a logarithm of
    /// their own.
    pub log_flux: bool,
    /// Shortest wavelength of the figure \[um\]; by default that of the measurements
    #[schemars(extend("x-value" = "UM"))]
    pub wavelength_min: Option<f64>,
    /// Longest wavelength of the figure \[um\]; by default that of the measurements
    #[schemars(extend("x-value" = "UM"))]
    pub wavelength_max: Option<f64>,
    /// Draw error bars
    pub show_errorbars: bool,
    /// Draw faint points that are smaller than their errors as upper limits
    ///
    /// The arrow hangs from three errors above the flux, or above zero where the flux is negative.
    /// Fluxes that are five errors below zero stay where they are.
    pub show_limits: bool,
    /// Draw the mean flux of each channel over the points of the spectrum, where there are many
    pub show_channels: bool,
    /// Color map of the dates, in the spectrum
    pub date_cmap: Colormap,
    /// Color map of the wavelengths, in the light curve
    pub wavelength_cmap: Colormap,
    /// Least signal-to-noise ratio of detections
    ///
    /// It belongs to the measurements, and is not stored with the options.
    #[serde(skip)]
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
    /// Extend the vertical axes by this fraction of their length at either end
    pub ylim_padding_fraction: f64,
    /// Diameter of detections and faint points \[pt\]; by default 5, less in small figures and with
    /// many points
    #[schemars(extend("x-value" = "PT"))]
    pub marker_size_good: Option<f64>,
    /// Size of flagged points \[pt\]; by default 4, less in small figures and with many points
    #[schemars(extend("x-value" = "PT"))]
    pub marker_size_rejected: Option<f64>,
    /// Length of the arrows of upper limits \[pt\]; by default 9, less in small figures and with
    /// many points
    #[schemars(extend("x-value" = "PT"))]
    pub marker_size_upper_limit: Option<f64>,
    /// Opacity of error bars, above 0 to 1; by default 0.6, less where there are many
    pub errorbar_alpha: Option<f64>,
    /// Opacity of points, above 0 to 1
    pub marker_alpha: f64,
    /// Line width of error bars \[pt\]
    #[schemars(extend("x-value" = "PT"))]
    pub errorbar_linewidth: f64,
    /// Width and height of the figure \[inch\]
    #[schemars(extend("x-value" = "W,H"))]
    pub figsize: [f64; 2],
    /// Pixels per inch
    pub dpi: u32,
}

impl Default for LightCurveOptions {
    fn default() -> Self {
        Self {
            use_magnitude: false,
            light_curve: LightCurveQuantity::Relative,
            flux_density: FluxDensity::PerFrequency,
            log_wavelength: false,
            log_flux: false,
            wavelength_min: None,
            wavelength_max: None,
            show_errorbars: true,
            show_limits: false,
            show_channels: true,
            date_cmap: Colormap::Viridis,
            wavelength_cmap: Colormap::Plasma,
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
        positive("wavelength_min", self.wavelength_min.unwrap_or(1.0), 1000.0)?;
        positive("wavelength_max", self.wavelength_max.unwrap_or(1.0), 1000.0)?;
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
        Style::scaled(1.25 * f64::from(self.dpi) / 150.0 * self.relative_size())
    }

    /// How many times larger letters are than in a figure of 10 x 8 inch.
    fn relative_size(&self) -> f64 {
        powf(self.figsize[0] * self.figsize[1] / 80.0, 0.25)
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
/// Detections are filled, fainter points open, those without an error dots, flagged ones gray
/// crosses, fluxes five errors below zero diamonds; the head counts each. The date axis is broken
/// between visits that are more than 15 days apart, unless they are more than six. A small
/// arrowhead at the edge stands for each point beyond the vertical axis.
///
/// # Errors
/// Where an option is impossible, or no point can be drawn.
pub fn render_light_curve(figure: &LightCurveFigure, format: FigureFormat) -> Result<Vec<u8>, PlotError> {
    encode(&draw(figure)?, format)
}

/// Draws several sources in one figure, each as [`render_light_curve`] does and two thirds as
/// large, in rows from left to right. The options of the first tell the size. Where the whole were
/// too large, it has fewer pixels per inch.
///
/// # Errors
/// Where there is no source, an option is impossible, or no point of a source can be drawn.
pub fn render_light_curves(figures: &[LightCurveFigure], format: FigureFormat) -> Result<Vec<u8>, PlotError> {
    encode(&draw_all(figures)?, format)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers, above 0"
)]
fn draw_all(figures: &[LightCurveFigure]) -> Result<Canvas, PlotError> {
    let first =
        figures.first().ok_or(PlotError::NoPoints { what: "a date, wavelength and flux", points: 0 })?;
    let across = (figures.len() as f64).sqrt().ceil();
    let down = (figures.len() as f64 / across).ceil();
    let figsize =
        if figures.len() == 1 { first.options.figsize } else { first.options.figsize.map(|s| s / 1.5) };
    // With the gaps between them.
    let longest = (figsize[0] * across * 1.025).max(figsize[1] * down);
    let dpi = first.options.dpi.min((f64::from(Size::MAX_SIDE) / longest) as u32);
    let tile = LightCurveOptions { figsize, dpi, ..first.options.clone() };
    let Size { width, height } = tile.size();
    let (gap, columns) = (width / 40, across as u32);
    let size = Size { width: (width + gap) * columns - gap, height: height * down as u32 };
    let mut canvas = Canvas::new(size)?;
    canvas.points_per_pixel = 72.0 / f64::from(dpi);
    for (number, figure) in (0..).zip(figures) {
        let options = LightCurveOptions { figsize, dpi, ..figure.options.clone() };
        let drawn = draw(&LightCurveFigure { options, ..figure.clone() })?;
        canvas.lay(drawn, [number % columns * (width + gap), number / columns * height]);
    }
    Ok(canvas)
}

fn draw(figure: &LightCurveFigure) -> Result<Canvas, PlotError> {
    let options = &figure.options;
    options.validate()?;
    let mut canvas = Canvas::new(options.size())?;
    canvas.points_per_pixel = 72.0 / f64::from(options.dpi);
    let style = options.style();
    let drawable = Drawable::new(figure)?;
    let marks = Marks::new(options, drawable.points.len());
    let rows = marks.legend_rows(&canvas, &drawable, &style);
    let panels = Panels::new(&canvas, figure, &drawable, rows, &style)?;
    panels.draw_points(&mut canvas, figure, &drawable, &marks, &style);
    panels.draw_axes(&mut canvas, &drawable, options.use_magnitude, &style);

    let spectrum = panels.spectrum.inside;
    let line = spectrum.top - style.line - panels.factors[0] - style.gap;
    let outside = drawable.points.iter().filter(|p| panels.hides(p)).count();
    let entries = marks.entries(&drawable, outside);
    let entries_of_row = entries.len().div_ceil(rows);
    for (row, entries) in entries.chunks(entries_of_row.max(1)).enumerate() {
        let line = line - (rows - 1 - row) as f64 * legend_pitch(&style);
        marks.legend(&mut canvas, entries, spectrum, line, &style);
    }
    let title =
        line - (rows - 1) as f64 * legend_pitch(&style) - (CAP_HEIGHT * style.small + 1.2 * style.gap);
    frame::title(&mut canvas, spectrum, title, &panels.title(figure, &drawable), &style);
    Ok(canvas)
}
