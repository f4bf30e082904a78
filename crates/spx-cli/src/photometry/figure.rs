//! The figure of a source: what a user may set of it, and its points.

use clap::Args;
use serde::{Deserialize, Serialize};
use spx_plot::{LightCurveFigure, LightCurveOptions, LightCurvePoint, PointQuality};

use super::row::{ExposureInfo, Row};

/// Keys of the configuration.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Figure")]
#[serde(default)]
pub(crate) struct FigureSettings {
    /// Draw AB magnitudes instead of fluxes [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_USE_MAGNITUDE")]
    use_magnitude: Option<bool>,
    /// Draw error bars [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_SHOW_ERRORBARS")]
    show_errorbars: Option<bool>,
    /// Colours of wavelengths: rainbow, viridis, plasma, inferno, magma, cividis, turbo [default: rainbow]
    #[arg(long, value_name = "NAME", env = "SPX_WAVELENGTH_CMAP")]
    wavelength_cmap: Option<String>,
    /// Colours of dates [default: viridis]
    #[arg(long, value_name = "NAME", env = "SPX_DATE_CMAP")]
    date_cmap: Option<String>,
    /// Lower end of the vertical axes [percentile] [default: 1]
    #[arg(long, value_name = "X")]
    ylim_percentile_min: Option<f64>,
    /// Upper end of the vertical axes [percentile] [default: 99]
    #[arg(long, value_name = "X")]
    ylim_percentile_max: Option<f64>,
    /// By this part the vertical axes are longer at either end [default: 0.1]
    #[arg(long, value_name = "X")]
    ylim_padding_fraction: Option<f64>,
    /// Diameter of good points [pt] [default: 5, less where there are many]
    #[arg(long, value_name = "PT")]
    marker_size_good: Option<f64>,
    /// Size of rejected points [pt] [default: 4, less where there are many]
    #[arg(long, value_name = "PT")]
    marker_size_rejected: Option<f64>,
    /// Length of the arrows of upper limits [pt] [default: 9, less where there are many]
    #[arg(long, value_name = "PT")]
    marker_size_upper_limit: Option<f64>,
    /// Strength of the colour of points, above 0 to 1 [default: 1]
    #[arg(long, value_name = "X")]
    marker_alpha: Option<f64>,
    /// Strength of the colour of error bars, above 0 to 1 [default: 0.4, less where there are many]
    #[arg(long, value_name = "X")]
    errorbar_alpha: Option<f64>,
    /// Width of error bars [pt] [default: 0.8]
    #[arg(long, value_name = "PT")]
    errorbar_linewidth: Option<f64>,
    /// Width and height [inch] [default: 10,8]
    #[arg(long, value_name = "W,H", value_delimiter = ',', num_args = 1)]
    figsize: Option<Vec<f64>>,
    /// Pixels an inch [default: 150]
    #[arg(long, value_name = "N", env = "SPX_DPI")]
    dpi: Option<u32>,
}

impl FigureSettings {
    /// Checks them.
    ///
    /// # Errors
    /// The first setting that is out of range, by its name.
    pub(crate) fn options(&self, sigma_threshold: f64) -> anyhow::Result<LightCurveOptions> {
        let defaults = LightCurveOptions::default();
        let figsize = match self.figsize.as_deref() {
            None => defaults.figsize,
            Some(&[width, height]) => [width, height],
            Some(other) => anyhow::bail!("figsize takes width and height, not {} numbers", other.len()),
        };
        let cmap = |name: &Option<String>, default| name.as_ref().map_or(Ok(default), |name| name.parse());
        let options = LightCurveOptions {
            use_magnitude: self.use_magnitude.unwrap_or(defaults.use_magnitude),
            show_errorbars: self.show_errorbars.unwrap_or(defaults.show_errorbars),
            date_cmap: cmap(&self.date_cmap, defaults.date_cmap)?,
            wavelength_cmap: cmap(&self.wavelength_cmap, defaults.wavelength_cmap)?,
            sigma_threshold,
            ylim_percentile_min: self.ylim_percentile_min.unwrap_or(defaults.ylim_percentile_min),
            ylim_percentile_max: self.ylim_percentile_max.unwrap_or(defaults.ylim_percentile_max),
            ylim_padding_fraction: self.ylim_padding_fraction.unwrap_or(defaults.ylim_padding_fraction),
            marker_size_good: self.marker_size_good.or(defaults.marker_size_good),
            marker_size_rejected: self.marker_size_rejected.or(defaults.marker_size_rejected),
            marker_size_upper_limit: self.marker_size_upper_limit.or(defaults.marker_size_upper_limit),
            errorbar_alpha: self.errorbar_alpha.or(defaults.errorbar_alpha),
            marker_alpha: self.marker_alpha.unwrap_or(defaults.marker_alpha),
            errorbar_linewidth: self.errorbar_linewidth.unwrap_or(defaults.errorbar_linewidth),
            figsize,
            dpi: self.dpi.unwrap_or(defaults.dpi),
        };
        options.validate()?;
        Ok(options)
    }
}

/// The figure of the measurements of one source.
pub(crate) fn figure<'a>(
    title: &str,
    rows: impl Iterator<Item = (&'a ExposureInfo, &'a Row)>,
    options: LightCurveOptions,
) -> LightCurveFigure {
    let points = rows.map(|(exposure, row)| LightCurvePoint {
        mjd: exposure.mjd,
        wavelength: row.wavelength,
        bandwidth: row.bandwidth,
        flux: row.flux,
        error: row.flux_error,
        quality: match row {
            row if row.is_good() => PointQuality::Good,
            row if row.bad_flags == 0 && row.is_upper_limit() => PointQuality::UpperLimit,
            _ => PointQuality::Rejected,
        },
    });
    LightCurveFigure { title: title.to_owned(), points: points.collect(), options }
}
