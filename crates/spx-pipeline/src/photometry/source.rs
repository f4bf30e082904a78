//! The source: where it is, and how it moves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::sky::Position;
use spx_photometry::ProperMotion;

use crate::PipelineError;
use crate::archive::needed_position;
use crate::settings::SettingHeading;

/// Epoch of positions of Gaia DR3 \[yr\].
const REF_EPOCH: f64 = 2016.0;

/// Settings that name a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Source"))]
pub struct SourceSettings {
    /// Right ascension [deg, ICRS]
    #[schemars(example = 213.9427, extend("x-value" = "DEG", "x-needed" = true))]
    pub ra: Option<f64>,
    /// Declination [deg, ICRS]
    #[schemars(example = 11.4954, extend("x-value" = "DEG", "x-needed" = true))]
    pub dec: Option<f64>,
    /// Proper motion along right ascension, including cos(dec) [mas/yr]
    #[schemars(example = -801.551, extend("x-value" = "MAS/YR"))]
    pub pm_ra: Option<f64>,
    /// Proper motion along declination [mas/yr]
    #[schemars(example = 10362.394, extend("x-value" = "MAS/YR"))]
    pub pm_dec: Option<f64>,
    /// Epoch of the position of a source with proper motion, by default that of Gaia DR3 [Julian
    /// year]
    #[schemars(extend("x-value" = "YEAR"))]
    pub ref_epoch: f64,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self { ra: None, dec: None, pm_ra: None, pm_dec: None, ref_epoch: REF_EPOCH }
    }
}

/// A source on the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkyTarget {
    /// At the epoch of the motion, where it has one.
    pub position: Position,
    /// How it moves.
    pub motion: Option<ProperMotion>,
}

impl SkyTarget {
    /// Where it is at a time \[MJD\]; `None` for a motion that is not finite.
    pub fn position_at(&self, mjd: f64) -> Option<Position> {
        match &self.motion {
            None => Some(self.position),
            Some(motion) => motion.position_at(self.position, mjd).ok(),
        }
    }
}

impl SourceSettings {
    /// The source, checked.
    ///
    /// # Errors
    /// Usage where a coordinate is missing or out of range, or a motion is not finite.
    pub fn target(&self) -> Result<SkyTarget, PipelineError> {
        let position = needed_position(self.ra, self.dec)?;
        let motion = match (self.pm_ra, self.pm_dec) {
            (None, None) => None,
            (ra, dec) => Some(ProperMotion {
                ra_cos_dec: ra.unwrap_or(0.0),
                dec: dec.unwrap_or(0.0),
                epoch: self.ref_epoch,
            }),
        };
        if let Some(ProperMotion { ra_cos_dec, dec, epoch }) = motion
            && !(ra_cos_dec.is_finite() && dec.is_finite() && epoch.is_finite())
        {
            return Err(PipelineError::usage("pm_ra, pm_dec and ref_epoch must be finite"));
        }
        Ok(SkyTarget { position, motion })
    }
}
