//! What a user may set of a drizzle.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::DrizzleError;

/// How an input pixel is spread over the output pixels around it: Fruchter & Hook (2002) and, for
/// all but bilinear, the definitions of STScI's drizzle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kernel {
    /// Shares by distance to the centers of the 2 x 2 output pixels around the projected pixel
    /// center.
    #[default]
    Bilinear,
    /// Shares by the exact overlap of the projected, shrunken pixel with the output pixels.
    Square,
    /// As square, with the droplet turned into the output axes.
    Turbo,
    /// All to the pixel that the center falls into; `xy_shrink` makes no difference.
    Point,
    /// A Gaussian whose FWHM is `xy_shrink` input pixels, sampled at the centers of the output
    /// pixels.
    Gaussian,
    /// Lanczos's kernel of order 2, in input pixels; `xy_shrink` makes no difference.
    Lanczos2,
    /// Lanczos's kernel of order 3.
    Lanczos3,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Bilinear,
        Self::Square,
        Self::Turbo,
        Self::Point,
        Self::Gaussian,
        Self::Lanczos2,
        Self::Lanczos3,
    ];

    /// Its name, as in a configuration file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bilinear => "bilinear",
            Self::Square => "square",
            Self::Turbo => "turbo",
            Self::Point => "point",
            Self::Gaussian => "gaussian",
            Self::Lanczos2 => "lanczos2",
            Self::Lanczos3 => "lanczos3",
        }
    }

    /// Whether every pixel gives the same total share wherever it falls, so that flux is conserved.
    pub fn conserves_flux(self) -> bool {
        !matches!(self, Self::Gaussian | Self::Lanczos2 | Self::Lanczos3)
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kernel| kernel.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("unknown kernel `{text}`: expected one of {names}")
        })
    }
}

/// What stands in SCI where there are no data. In a configuration it is a text, as
/// [`FromStr`] takes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum FillValue {
    /// NaN.
    #[default]
    NaN,
    /// A number.
    Value(f32),
    /// What the caller's array holds there; in a file that is written anew, NaN.
    Keep,
}

impl fmt::Display for FillValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NaN => f.write_str("nan"),
            Self::Value(value) => write!(f, "{value}"),
            Self::Keep => f.write_str("indef"),
        }
    }
}

impl From<FillValue> for String {
    fn from(value: FillValue) -> Self {
        value.to_string()
    }
}

impl TryFrom<String> for FillValue {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for FillValue {
    type Err = String;

    /// A number, `nan`, or `indef` for what is there.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "indef" | "none" | "keep" => Ok(Self::Keep),
            word => match word.parse::<f32>() {
                Ok(value) if value.is_nan() => Ok(Self::NaN),
                Ok(value) => Ok(Self::Value(value)),
                Err(_) => Err(format!("unknown fill value `{text}`: expected a number, nan or indef")),
            },
        }
    }
}

/// The options of a drizzle. Fields are public to be filled in;
/// [`DrizzlePlan::new`](crate::DrizzlePlan::new) checks them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrizzleOptions {
    /// Spatial kernel.
    pub kernel: Kernel,
    /// Linear size of the droplet in units of the input pixel, in (0, 1].
    pub xy_shrink: f64,
    /// Width of the spectral droplet in units of the pixel's bandwidth, in (0, 1]; `None` =
    /// `xy_shrink`.
    pub z_shrink: Option<f64>,
    /// Upper limit of a pixel's weight 1/variance [(MJy/sr)^-2], above 0.
    pub ivar_max: f64,
    /// Contributions with a share `f_xy f_z` below this are dropped, at least 0.
    pub min_overlap: f64,
    /// Side of an output pixel over that of an input pixel, which sets the size of turbo, gaussian
    /// and lanczos on the output; `None` = that of the pixel in the middle of each exposure.
    pub pixel_scale_ratio: Option<f64>,
    /// What stands in SCI where there are no data.
    pub fill: FillValue,
}

impl Default for DrizzleOptions {
    fn default() -> Self {
        Self {
            kernel: Kernel::default(),
            xy_shrink: 0.8,
            z_shrink: None,
            ivar_max: 1e10,
            min_overlap: 0.0,
            pixel_scale_ratio: None,
            fill: FillValue::default(),
        }
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
        check(overlap, "min_overlap", self.min_overlap, "it must be at least 0 and below 1")?;
        let ratio = self.pixel_scale_ratio.unwrap_or(1.0);
        let fine = ratio > 0.0 && ratio.is_finite();
        check(fine, "pixel_scale_ratio", ratio, "it must be above 0")
    }
}
