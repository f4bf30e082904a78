//! What a user may set of the resampling beyond kernel and sampling: weights, masks, optional planes.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use serde::{Deserialize, Serialize};
use spx_core::flags::GoodBits;
use spx_drizzle::{ErrorMethod, FillValue, OutputPlanes, VarianceMethod};

use spx_pipeline::flag_selection as text;

/// Keys of the configuration that drizzle and mosaic share. What is not given has the default that the help names.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ResamplingSettings {
    /// Flags that may be ignored, all others exclude a pixel: sum or list of bit values or names (12, 4,8, 4+8, HOT|COLD),
    /// ~ for the reverse, none to ignore all; instead of --exclude-flags
    #[arg(long, value_name = "BITS", env = "SPX_GOOD_BITS", help_heading = "Pixels and weights")]
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub(crate) good_bits: Option<GoodBits>,
    /// Weights of the pixels: ivm (1/variance), ivm-smooth (of the variance smoothed over the image), exptime, map, none
    /// [default: ivm]
    #[arg(long, value_name = "TYPE", env = "SPX_WEIGHT", help_heading = "Pixels and weights")]
    pub(crate) weight: Option<Weighting>,
    /// FITS image with a weight for each pixel of the full frame, for --weight map
    #[arg(long, value_name = "FILE", env = "SPX_WEIGHT_MAP", help_heading = "Pixels and weights")]
    pub(crate) weight_map: Option<PathBuf>,
    /// Only pixels of each input file in this box, counted from 0, ends included
    #[arg(long, value_name = "XMIN,XMAX,YMIN,YMAX", value_delimiter = ',', env = "SPX_INPUT_BOX")]
    #[arg(help_heading = "Pixels and weights")]
    pub(crate) input_box: Option<Vec<usize>>,
    /// Factor of every input's flux; variances are multiplied by its square [default: 1]
    #[arg(long, value_name = "X", env = "SPX_FLUX_SCALE", help_heading = "Pixels and weights")]
    pub(crate) flux_scale: Option<f64>,
    /// Side of an output pixel over that of an input pixel, for turbo, gaussian and lanczos [default: that in the middle
    /// of each input]
    #[arg(long, value_name = "X", env = "SPX_PIXEL_SCALE_RATIO", help_heading = "Drizzle")]
    pub(crate) pixel_scale_ratio: Option<f64>,

    /// What stands in SCI where there are no data: a number, nan, or indef [default: nan]
    #[arg(long, value_name = "VALUE", env = "SPX_FILLVAL", allow_negative_numbers = true)]
    #[arg(help_heading = "Optional planes")]
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub(crate) fillval: Option<FillValue>,
    /// Further planes of the output: weight, wavelength (mean of the pixels), context
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        env = "SPX_PLANES",
        help_heading = "Optional planes"
    )]
    pub(crate) planes: Option<Vec<PlaneName>>,
    /// A plane of errors: from_var (from the variances) or driz_err (the pixels' errors, resampled as the flux is)
    #[arg(long, value_name = "METHOD", env = "SPX_ERR", help_heading = "Optional planes")]
    pub(crate) err: Option<ErrName>,
    /// Names of HDUs of the inputs with further variances, each to be resampled
    #[arg(long, value_name = "LIST", value_delimiter = ',', env = "SPX_VARIANCES")]
    #[arg(help_heading = "Optional planes")]
    pub(crate) variances: Option<Vec<String>>,
    /// How those are combined: propagated (as VARIANCE) or resampled (as in STScI's Resample) [default: propagated]
    #[arg(long, value_name = "METHOD", env = "SPX_VARIANCE_METHOD", help_heading = "Optional planes")]
    pub(crate) variance_method: Option<MethodName>,
}

/// How pixels are weighted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Weighting {
    /// 1/variance
    #[default]
    Ivm,
    /// 1/variance, smoothed over the image
    IvmSmooth,
    /// Measurement time, else exposure time
    Exptime,
    /// A map of the user's
    Map,
    /// All alike
    None,
}

impl fmt::Display for Weighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ivm => "ivm",
            Self::IvmSmooth => "ivm-smooth",
            Self::Exptime => "exptime",
            Self::Map => "map",
            Self::None => "none",
        })
    }
}

/// An optional plane by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PlaneName {
    /// Sum of the weights
    Weight,
    /// Mean wavelength
    Wavelength,
    /// Which exposures contributed
    Context,
}

/// [`ErrorMethod`] by the names of Resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[clap(rename_all = "snake_case")]
pub(crate) enum ErrName {
    /// From the variances
    FromVar,
    /// The pixels' errors, resampled as the flux is
    DrizErr,
}

/// [`VarianceMethod`] by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MethodName {
    /// As VARIANCE
    Propagated,
    /// As in STScI's Resample
    Resampled,
}

/// Settings that have been checked and completed.
#[derive(Debug, Clone)]
pub(crate) struct ResamplingParameters {
    pub(crate) good_bits: Option<GoodBits>,
    pub(crate) weight: Weighting,
    /// Where `weight` is a map.
    pub(crate) weight_map: Option<PathBuf>,
    /// Columns and rows, half-open.
    pub(crate) input_box: Option<[Range<usize>; 2]>,
    pub(crate) flux_scale: f64,
    pub(crate) pixel_scale_ratio: Option<f64>,
    pub(crate) fill: FillValue,
    pub(crate) planes: OutputPlanes,
}

impl ResamplingSettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first that is out of range or does not go with another, by its name.
    pub(crate) fn parameters(&self) -> anyhow::Result<ResamplingParameters> {
        let input_box = match self.input_box.as_deref() {
            None => None,
            Some(&[x0, x1, y0, y1]) if x0 <= x1 && y0 <= y1 => Some([x0..x1 + 1, y0..y1 + 1]),
            Some(_) => {
                return Err(anyhow!(
                    "input_box takes XMIN,XMAX,YMIN,YMAX, each maximum at least its minimum"
                ));
            }
        };
        let weight = match (self.weight, &self.weight_map) {
            (None, Some(_)) => Weighting::Map,
            (Some(Weighting::Map), None) => return Err(anyhow!("weight = map needs weight_map")),
            (Some(other), Some(_)) if other != Weighting::Map => {
                return Err(anyhow!("weight = {other} and weight_map exclude each other"));
            }
            (weight, _) => weight.unwrap_or_default(),
        };
        let flux_scale = self.flux_scale.unwrap_or(1.0);
        if !(flux_scale.is_finite() && flux_scale != 0.0) {
            return Err(anyhow!(
                "flux_scale = {flux_scale} is not allowed: it must be a number other than 0"
            ));
        }
        Ok(ResamplingParameters {
            good_bits: self.good_bits.clone(),
            weight,
            weight_map: self.weight_map.clone(),
            input_box,
            flux_scale,
            pixel_scale_ratio: self.pixel_scale_ratio,
            fill: self.fillval.unwrap_or_default(),
            planes: self.optional_planes()?,
        })
    }

    /// The planes, but for what makes a mosaic different.
    fn optional_planes(&self) -> anyhow::Result<OutputPlanes> {
        let has = |plane| self.planes.iter().flatten().any(|p| *p == plane);
        let variances: Vec<String> =
            self.variances.iter().flatten().map(|n| n.trim().to_ascii_uppercase()).collect();
        for (k, name) in variances.iter().enumerate() {
            let formed =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if !formed || RESERVED.contains(&name.as_str()) || variances[..k].contains(name) {
                return Err(anyhow!(
                    "variances: `{name}` is empty, no name of an HDU, named twice, or an HDU of the output"
                ));
            }
        }
        Ok(OutputPlanes {
            only_mean: false,
            weight: has(PlaneName::Weight),
            wavelength: has(PlaneName::Wavelength),
            context: has(PlaneName::Context),
            error: self.err.map(|method| match method {
                ErrName::FromVar => ErrorMethod::FromVariances,
                ErrName::DrizErr => ErrorMethod::Resampled,
            }),
            variances,
            variance_method: match self.variance_method {
                Some(MethodName::Resampled) => VarianceMethod::Resampled,
                _ => VarianceMethod::Propagated,
            },
        })
    }
}

/// Names that the output has for its own arrays.
const RESERVED: [&str; 11] =
    ["SCI", "VARIANCE", "AND_MASK", "OR_MASK", "COUNT", "WAVELENGTH", "WHT", "MEANWAVE", "ERR", "CON", "DQ"];
