//! What a user may set of a drizzle.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::DrizzleError;

/// How an input pixel is spread over the output pixels around it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kernel {
    /// Shares by distance to the centres of the 2 x 2 output pixels around the projected pixel centre.
    #[default]
    Bilinear,
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bilinear => "bilinear",
        })
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "bilinear" => Ok(Self::Bilinear),
            _ => Err(format!("there is no kernel `{text}`; there is: bilinear")),
        }
    }
}

/// The options of a drizzle. Fields are public to be filled in; [`Plan::new`](crate::Plan::new) checks them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrizzleOptions {
    /// Spatial kernel.
    pub kernel: Kernel,
    /// Linear size of the droplet in units of the input pixel, in (0, 1].
    pub xy_shrink: f64,
    /// Width of the spectral droplet in units of the pixel's bandwidth, in (0, 1]; `None` = `xy_shrink`.
    pub z_shrink: Option<f64>,
    /// Upper limit of a pixel's weight 1/variance [(MJy/sr)^-2], above 0.
    pub ivar_max: f64,
    /// Contributions with a share `f_xy f_z` below this are dropped, at least 0.
    pub min_overlap: f64,
}

impl Default for DrizzleOptions {
    fn default() -> Self {
        Self { kernel: Kernel::default(), xy_shrink: 0.8, z_shrink: None, ivar_max: 1e10, min_overlap: 0.0 }
    }
}

impl DrizzleOptions {
    /// The spectral shrink factor in force.
    pub fn effective_z_shrink(&self) -> f64 {
        self.z_shrink.unwrap_or(self.xy_shrink)
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`DrizzleError::Option`] naming the first option that is out of range or NaN.
    pub fn validate(&self) -> Result<(), DrizzleError> {
        let check = |ok: bool, name, value, problem| {
            if ok { Ok(()) } else { Err(DrizzleError::Option { name, value, problem }) }
        };
        let shrinks = |v: f64| v > 0.0 && v <= 1.0;
        let z_shrink = self.effective_z_shrink();
        check(shrinks(self.xy_shrink), "xy_shrink", self.xy_shrink, "it must be above 0 and at most 1")?;
        check(shrinks(z_shrink), "z_shrink", z_shrink, "it must be above 0 and at most 1")?;
        check(self.ivar_max > 0.0, "ivar_max", self.ivar_max, "it must be above 0")?;
        let overlap = (0.0..1.0).contains(&self.min_overlap);
        check(overlap, "min_overlap", self.min_overlap, "it must be at least 0 and below 1")
    }
}
