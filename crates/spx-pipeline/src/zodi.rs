//! How pipelines treat the zodiacal light.

use spx_core::zodi::{ZodiFit, ZodiOptions, ZodiOutcome};

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
