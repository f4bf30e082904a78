//! `--dry-run`: what a command would do.

use spx_pipeline::forecast::WorkForecast;

use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::ui;

/// Shows what a command would do, as text or JSON.
pub(crate) fn show_forecast(forecast: &WorkForecast, global: &Global) -> CommandResult {
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(forecast)?))?;
    } else {
        ui::data(&forecast.to_string())?;
    }
    Ok(Outcome::Done)
}
