//! The figure of a source: its settings and its points.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_plot::{LightCurveFigure, LightCurveOptions, LightCurvePoint};

use super::row::MeasurementRow;
use crate::PipelineError;
use crate::frame::ExposureInfo;
use crate::settings::SettingHeading;

/// Settings of the figure of a source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Figure"))]
pub struct FigureSettings {
    /// Draw AB magnitudes instead of fluxes
    use_magnitude: Option<bool>,
    /// Light curve as flux over the source's own spectrum (where it is bright enough), or as
    /// measured: relative, flux
    #[schemars(extend("x-value" = "NAME"))]
    light_curve: Option<String>,
    /// Draw faint points that are smaller than their errors as upper limits
    show_limits: Option<bool>,
    /// Draw the mean of each channel over the points of the spectrum, where there are many
    show_channels: Option<bool>,
    /// Draw error bars
    show_errorbars: Option<bool>,
    /// Colors of wavelengths: rainbow, viridis, plasma, inferno, magma, cividis, turbo
    #[schemars(extend("x-value" = "NAME"))]
    wavelength_cmap: Option<String>,
    /// Colors of dates
    #[schemars(extend("x-value" = "NAME"))]
    date_cmap: Option<String>,
    /// Lower end of the vertical axes [percentile]
    ylim_percentile_min: Option<f64>,
    /// Upper end of the vertical axes [percentile]
    ylim_percentile_max: Option<f64>,
    /// Extend the vertical axes by this fraction at either end
    ylim_padding_fraction: Option<f64>,
    /// Diameter of detections and faint points [pt]; by default 5, less where there are many
    #[schemars(extend("x-value" = "PT"))]
    marker_size_good: Option<f64>,
    /// Size of flagged points [pt]; by default 4, less where there are many
    #[schemars(extend("x-value" = "PT"))]
    marker_size_rejected: Option<f64>,
    /// Length of the arrows of upper limits [pt]; by default 9, less where there are many
    #[schemars(extend("x-value" = "PT"))]
    marker_size_upper_limit: Option<f64>,
    /// Opacity of points
    marker_alpha: Option<f64>,
    /// Opacity of error bars; by default 0.6, less where there are many
    errorbar_alpha: Option<f64>,
    /// Width of error bars [pt]
    #[schemars(extend("x-value" = "PT"))]
    errorbar_linewidth: Option<f64>,
    /// Width and height [inch]
    #[schemars(extend("x-value" = "W,H"))]
    figsize: Option<[f64; 2]>,
    /// Pixels per inch
    dpi: Option<u32>,
}

impl FigureSettings {
    /// Checks them.
    ///
    /// # Errors
    /// The first setting that is out of range, by its name.
    pub fn options(&self, sigma_threshold: f64) -> Result<LightCurveOptions, PipelineError> {
        let defaults = LightCurveOptions::default();
        let cmap = |name: &Option<String>, default| name.as_ref().map_or(Ok(default), |name| name.parse());
        let options = LightCurveOptions {
            use_magnitude: self.use_magnitude.unwrap_or(defaults.use_magnitude),
            light_curve: match &self.light_curve {
                Some(name) => name.parse().map_err(PipelineError::usage)?,
                None => defaults.light_curve,
            },
            show_limits: self.show_limits.unwrap_or(defaults.show_limits),
            show_channels: self.show_channels.unwrap_or(defaults.show_channels),
            show_errorbars: self.show_errorbars.unwrap_or(defaults.show_errorbars),
            date_cmap: cmap(&self.date_cmap, defaults.date_cmap).map_err(PipelineError::usage)?,
            wavelength_cmap: cmap(&self.wavelength_cmap, defaults.wavelength_cmap)
                .map_err(PipelineError::usage)?,
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
            figsize: self.figsize.unwrap_or(defaults.figsize),
            dpi: self.dpi.unwrap_or(defaults.dpi),
        };
        options.validate().map_err(PipelineError::usage)?;
        Ok(options)
    }
}

/// The figure of the measurements of one source.
pub fn source_figure<'a>(
    title: &str,
    rows: impl Iterator<Item = (&'a ExposureInfo, &'a MeasurementRow)>,
    options: LightCurveOptions,
) -> LightCurveFigure {
    let points = rows.map(|(exposure, row)| LightCurvePoint {
        mjd: exposure.mjd,
        wavelength: row.wavelength,
        bandwidth: row.bandwidth,
        flux: row.flux,
        error: row.flux_error,
        flagged: !row.is_good,
    });
    LightCurveFigure { title: title.to_owned(), points: points.collect(), options }
}
