//! What a user may set of the zodiacal light.

use anyhow::anyhow;
use clap::Args;
use serde::{Deserialize, Serialize};
use spx_core::zodi::ZodiOptions;
use spx_pipeline::zodi::ZodiTreatment;

/// Keys of the configuration that drizzle and photometry share.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Zodiacal light")]
#[serde(default)]
pub(crate) struct ZodiSettings {
    /// Subtract the zodiacal light, scaled to fit the background of each image [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_SUBTRACT_ZODI", overrides_with = "no_subtract_zodi")]
    pub(crate) subtract_zodi: Option<bool>,
    /// Leave the zodiacal light in
    #[arg(long, overrides_with = "subtract_zodi")]
    #[serde(skip)]
    pub(crate) no_subtract_zodi: bool,
    /// Subtract the model as it is, without fitting its scale [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_STATIC_ZODI")]
    pub(crate) static_zodi: Option<bool>,
    /// Least share of background pixels for a fit [default: 0.5]
    #[arg(long, value_name = "X", env = "SPX_BG_FRACTION_MIN")]
    pub(crate) bg_fraction_min: Option<f64>,
    /// A fitted scale must lie above this [default: 0]
    #[arg(long, value_name = "X", env = "SPX_ZODI_SCALE_MIN", allow_negative_numbers = true)]
    pub(crate) zodi_scale_min: Option<f64>,
    /// A fitted scale must not exceed this [default: 10]
    #[arg(long, value_name = "X", env = "SPX_ZODI_SCALE_MAX")]
    pub(crate) zodi_scale_max: Option<f64>,
}

impl ZodiSettings {
    /// Folds the negative switch into the setting.
    pub(crate) fn normalised(mut self) -> Self {
        if std::mem::take(&mut self.no_subtract_zodi) {
            self.subtract_zodi = Some(false);
        }
        self
    }

    /// These settings with every default filled in.
    pub(crate) fn completed(self) -> Self {
        let defaults = ZodiOptions::default();
        Self {
            subtract_zodi: self.subtract_zodi.or(Some(true)),
            static_zodi: self.static_zodi.or(Some(false)),
            bg_fraction_min: self.bg_fraction_min.or(Some(defaults.bg_fraction_min)),
            zodi_scale_min: self.zodi_scale_min.or(Some(defaults.scale_min)),
            zodi_scale_max: self.zodi_scale_max.or(Some(defaults.scale_max)),
            ..self
        }
    }

    /// Checks them.
    ///
    /// # Errors
    /// The first setting that is out of range, by its name.
    pub(crate) fn parameters(&self) -> anyhow::Result<ZodiTreatment> {
        let defaults = ZodiOptions::default();
        let options = ZodiOptions {
            bg_fraction_min: self.bg_fraction_min.unwrap_or(defaults.bg_fraction_min),
            scale_min: self.zodi_scale_min.unwrap_or(defaults.scale_min),
            scale_max: self.zodi_scale_max.unwrap_or(defaults.scale_max),
        };
        if !(0.0..=1.0).contains(&options.bg_fraction_min) {
            let found = options.bg_fraction_min;
            return Err(anyhow!("bg_fraction_min = {found} is not allowed: it must be from 0 to 1"));
        }
        if options.scale_min.is_nan() || options.scale_max.is_nan() || options.scale_min >= options.scale_max
        {
            return Err(anyhow!("zodi_scale_min must be below zodi_scale_max"));
        }
        Ok(match (self.subtract_zodi, self.static_zodi) {
            (Some(false), _) => ZodiTreatment::Keep,
            (_, Some(true)) => ZodiTreatment::Static,
            _ => ZodiTreatment::Fit(options),
        })
    }
}
