//! How pipelines treat the zodiacal light.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::zodi::{ZodiFit, ZodiOptions, ZodiOutcome};

use crate::PipelineError;
use crate::settings::SettingHeading;

/// Settings of the zodiacal light, which drizzle and photometry share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Zodiacal light"))]
pub struct ZodiSettings {
    /// Subtract the zodiacal light, scaled to fit the background of each image
    pub subtract_zodi: bool,
    /// Subtract the model as it is, without fitting its scale
    pub static_zodi: bool,
    /// Least share of background pixels for a fit; with fewer the scale is 1
    #[schemars(range(min = 0, max = 1))]
    pub bg_fraction_min: f64,
    /// A fitted scale must be above this; otherwise it is 1
    #[schemars(extend("x-infinite" = true))]
    pub zodi_scale_min: f64,
    /// A fitted scale must not exceed this; otherwise it is 1
    #[schemars(extend("x-infinite" = true))]
    pub zodi_scale_max: f64,
}

impl Default for ZodiSettings {
    fn default() -> Self {
        let ZodiOptions { bg_fraction_min, scale_min, scale_max, .. } = ZodiOptions::default();
        Self {
            subtract_zodi: true,
            static_zodi: false,
            bg_fraction_min,
            zodi_scale_min: scale_min,
            zodi_scale_max: scale_max,
        }
    }
}

impl ZodiSettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is out of range.
    pub fn treatment(&self) -> Result<ZodiTreatment, PipelineError> {
        let Self { bg_fraction_min, zodi_scale_min: scale_min, zodi_scale_max: scale_max, .. } = *self;
        if !(0.0..=1.0).contains(&bg_fraction_min) {
            return Err(PipelineError::usage(format!(
                "bg_fraction_min = {bg_fraction_min} is not allowed: it must be from 0 to 1"
            )));
        }
        if scale_min.is_nan() || scale_max.is_nan() || scale_min >= scale_max {
            return Err(PipelineError::usage("zodi_scale_min must be below zodi_scale_max"));
        }
        Ok(match (self.subtract_zodi, self.static_zodi) {
            (false, _) => ZodiTreatment::Keep,
            (true, true) => ZodiTreatment::Static,
            (true, false) => ZodiTreatment::Fit(ZodiOptions { bg_fraction_min, scale_min, scale_max }),
        })
    }
}

/// How the zodiacal light is treated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ZodiTreatment {
    /// It stays in.
    Keep,
    /// The model is subtracted as it is.
    Static,
    /// The model is scaled to the background of the image.
    Fit(ZodiOptions),
}

/// Why a zodiacal fit was not used, `None` where it was.
pub fn zodi_remark(fit: &ZodiFit) -> Option<String> {
    match fit.outcome {
        ZodiOutcome::Fitted => None,
        ZodiOutcome::TooFewPixels { fraction } => Some(format!(
            "zodiacal light not fitted, scale 1: only {:.1} % of the pixels are background",
            100.0 * fraction
        )),
        ZodiOutcome::OutOfRange { fitted } => {
            Some(format!("zodiacal light not fitted, scale 1: the fit gave {fitted}"))
        }
    }
}
