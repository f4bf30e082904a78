//! The source: where it is, and how it moves.

use anyhow::anyhow;
use clap::Args;
use serde::{Deserialize, Serialize};
use spx_core::sky::Position;
use spx_photometry::ProperMotion;

use super::exposure::Target;

/// Epoch of positions of Gaia DR3 \[yr\].
const REF_EPOCH: f64 = 2016.0;

/// Keys of the configuration that name a source.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Source")]
#[serde(default)]
pub(crate) struct SourceSettings {
    /// Right ascension [deg, ICRS]
    #[arg(long, value_name = "DEG", env = "SPX_RA", allow_negative_numbers = true)]
    pub(crate) ra: Option<f64>,
    /// Declination [deg, ICRS]
    #[arg(long, value_name = "DEG", env = "SPX_DEC", allow_negative_numbers = true)]
    pub(crate) dec: Option<f64>,
    /// Proper motion along right ascension, cos(dec) included [mas/yr]
    #[arg(long, value_name = "MAS/YR", allow_negative_numbers = true)]
    pub(crate) pm_ra: Option<f64>,
    /// Proper motion along declination [mas/yr]
    #[arg(long, value_name = "MAS/YR", allow_negative_numbers = true)]
    pub(crate) pm_dec: Option<f64>,
    /// Epoch of the position, where there is a proper motion [Julian year] [default: 2016, that of Gaia DR3]
    #[arg(long, value_name = "YEAR")]
    pub(crate) ref_epoch: Option<f64>,
}

impl SourceSettings {
    /// The source, checked.
    ///
    /// # Errors
    /// Where a coordinate is missing or out of range, or a motion is not finite.
    pub(crate) fn target(&self) -> anyhow::Result<Target> {
        let (Some(ra), Some(dec)) = (self.ra, self.dec) else {
            return Err(anyhow!("--ra and --dec are needed (or `ra` and `dec` in the configuration)"));
        };
        let motion = match (self.pm_ra, self.pm_dec) {
            (None, None) => None,
            (ra, dec) => Some(ProperMotion {
                ra_cos_dec: ra.unwrap_or(0.0),
                dec: dec.unwrap_or(0.0),
                epoch: self.ref_epoch.unwrap_or(REF_EPOCH),
            }),
        };
        if let Some(ProperMotion { ra_cos_dec, dec, epoch }) = motion
            && !(ra_cos_dec.is_finite() && dec.is_finite() && epoch.is_finite())
        {
            return Err(anyhow!("pm_ra, pm_dec and ref_epoch must be finite"));
        }
        Ok(Target { position: Position::new(ra, dec)?, motion })
    }
}
