//! The figure of a source: its settings and its points.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_plot::{LightCurveFigure, LightCurveOptions, LightCurvePoint};

use super::row::MeasurementRow;
use super::table::TableHead;
use crate::PipelineError;
use crate::frame::ExposureInfo;
use crate::settings::SettingHeading;

/// Settings of the figure of a source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Figure"))]
pub struct FigureSettings {
    /// How it looks.
    #[serde(flatten)]
    pub look: LightCurveOptions,
}

impl FigureSettings {
    /// Checks them.
    ///
    /// # Errors
    /// The first setting that is out of range, by its name.
    pub fn options(&self, sigma_threshold: f64) -> Result<LightCurveOptions, PipelineError> {
        let options = LightCurveOptions { sigma_threshold, ..self.look.clone() };
        options.validate().map_err(PipelineError::usage)?;
        Ok(options)
    }
}

/// The figure of the measurements of one source, with its name and position as title.
pub fn source_figure<'a>(
    head: &TableHead,
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
    let title = source_title(&head.name, [head.ra, head.dec]);
    LightCurveFigure { title, points: points.collect(), options }
}

/// The title of a figure of a source: its name and its position \[deg\].
pub fn source_title(name: &str, [ra, dec]: [f64; 2]) -> String {
    let dec = format!("{dec:+.4}").replace('-', "−");
    format!("{name}, {ra:.4} {dec}")
}
