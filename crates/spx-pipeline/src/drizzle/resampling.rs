//! Settings of the resampling beyond kernel and sampling: weights, masks, optional planes.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::flags::GoodBits;
use spx_drizzle::{
    BackgroundForm, ComparisonOptions, ErrorMethod, FillValue, OutputPlanes, RejectionOptions, VarianceMethod,
};

use crate::PipelineError;
use crate::flag_selection as text;
use crate::settings::SettingHeading;

/// Settings of the resampling, which drizzle and mosaic share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Optional planes"))]
pub struct ResamplingSettings {
    /// Flags that may be ignored, all others exclude a pixel: sum or list of bit values or names
    /// (12, 4,8, 4+8, HOT|COLD), ~ for the complement, none to ignore all; instead of exclude_flags
    #[serde(with = "text")]
    #[schemars(with = "serde_json::Value", extend("examples" = ["SOURCE,OVERFLOW"]))]
    #[schemars(extend("x-value" = "BITS", "x-heading" = "Pixels and weights"))]
    pub good_bits: Option<GoodBits>,
    /// Weights of the pixels: ivm-smooth (1/variance, the variance smoothed over the image),
    /// exptime, map, none, or ivm (1/variance of each pixel, which loses up to half of a star's
    /// flux); by default ivm-smooth, or map where a weight_map is given
    #[schemars(extend("examples" = ["ivm-smooth"], "x-value" = "TYPE", "x-heading" = "Pixels and weights"))]
    pub weight: Option<PixelWeighting>,
    /// FITS image with a weight for each pixel of the full frame, for the weights map
    #[schemars(extend("examples" = ["weights_D3.fits"], "x-value" = "FILE", "x-heading" = "Pixels and weights"))]
    pub weight_map: Option<PathBuf>,
    /// Reject outliers: pixels that differ by this many errors from the other exposures (hits,
    /// satellites, moving objects), where a voxel has at least 4 exposures; 4.5 is a good limit. By
    /// default none
    #[serde(with = "text")]
    #[schemars(with = "serde_json::Value", extend("examples" = [4.5]))]
    #[schemars(extend("x-value" = "SIGMA|none", "x-heading" = "Pixels and weights"))]
    pub reject: Option<OutlierRejection>,
    /// Match the sky levels of the exposures where they overlap: none, offset (a constant for each
    /// exposure), plane (also a slope). The mean of the corrections is zero
    #[schemars(extend("x-heading" = "Pixels and weights"))]
    pub match_background: BackgroundMatching,
    /// Only pixels of each input file in this box, counted from 0, ends included
    #[schemars(extend("examples" = [[20, 2019, 20, 2019]]))]
    #[schemars(extend("x-value" = "XMIN,XMAX,YMIN,YMAX", "x-heading" = "Pixels and weights"))]
    pub input_box: Option<Vec<usize>>,
    /// Factor of every input's flux, by default 1; variances are multiplied by its square
    #[schemars(extend("examples" = [1.0], "x-heading" = "Pixels and weights"))]
    pub flux_scale: Option<f64>,
    /// Side of an output pixel over that of an input pixel, for turbo, gaussian and lanczos; by
    /// default that in the middle of each input
    #[schemars(extend("examples" = [1.0], "x-heading" = "Drizzle"))]
    pub pixel_scale_ratio: Option<f64>,

    /// Value of SCI where there are no data: a number, nan (the default), or indef
    #[serde(with = "text")]
    #[schemars(with = "serde_json::Value", extend("examples" = ["nan"], "x-value" = "VALUE", "x-infinite" = true))]
    pub fillval: Option<FillValue>,
    /// Further planes of the output: weight, wavelength (mean of the pixels), context, coverage
    /// (exposures and exposure time of each voxel), psf (the image of a point source in the middle)
    #[schemars(extend("examples" = [["weight", "wavelength"]]))]
    pub planes: Option<Vec<OptionalPlane>>,
    /// A plane of errors: from_var (from the variances) or driz_err (the pixels' errors, resampled
    /// like the flux)
    #[schemars(extend("examples" = ["from_var"], "x-value" = "METHOD"))]
    pub err: Option<ErrorPlane>,
    /// Names of HDUs of the inputs with further variances, each to be resampled
    #[schemars(extend("examples" = [["VAR_POISSON", "VAR_RNOISE"]]))]
    pub variances: Option<Vec<String>>,
    /// How these variances are combined: propagated (like VARIANCE, the default) or resampled (as
    /// in STScI's Resample)
    #[schemars(extend("examples" = ["propagated"], "x-value" = "METHOD"))]
    pub variance_method: Option<VarianceCombination>,
}

/// Which outliers are rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum OutlierRejection {
    /// None.
    #[default]
    None,
    /// Those that lie so many errors from what the other exposures saw.
    Sigma(f64),
}

impl fmt::Display for OutlierRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Sigma(sigma) => write!(f, "{sigma}"),
        }
    }
}

impl FromStr for OutlierRejection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "none" => Ok(Self::None),
            number => match number.parse::<f64>() {
                Ok(sigma) if sigma > 0.0 && sigma.is_finite() => Ok(Self::Sigma(sigma)),
                _ => Err(format!("`{number}` is neither a number above 0 nor none")),
            },
        }
    }
}

/// How the backgrounds of exposures are matched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackgroundMatching {
    /// Not at all
    #[default]
    None,
    /// By a constant for each exposure
    Offset,
    /// By a plane over the output for each exposure
    Plane,
}

impl BackgroundMatching {
    /// The form of the corrections, where there are any.
    pub(super) fn form(self) -> Option<BackgroundForm> {
        match self {
            Self::None => None,
            Self::Offset => Some(BackgroundForm::Offset),
            Self::Plane => Some(BackgroundForm::Plane),
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Offset => "offset",
            Self::Plane => "plane",
        }
    }
}

/// How pixels are weighted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PixelWeighting {
    /// 1/variance of each pixel, which favors pixels that fluctuated downwards and a star's wings
    /// over its core
    Ivm,
    /// 1/variance, the variance smoothed over the image
    #[default]
    IvmSmooth,
    /// Measurement time, else exposure time
    Exptime,
    /// A map of the user's
    Map,
    /// All alike
    None,
}

impl fmt::Display for PixelWeighting {
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

/// A plane that the output may have besides, by its name in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptionalPlane {
    /// Sum of the weights
    Weight,
    /// Mean wavelength
    Wavelength,
    /// Which exposures contributed
    Context,
    /// How many exposures contributed, and for how long
    Coverage,
    /// What a point source in the middle becomes
    Psf,
}

/// [`ErrorMethod`] by the names of STScI's Resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorPlane {
    /// From the variances
    FromVar,
    /// The pixels' errors, resampled as the flux is
    DrizErr,
}

/// [`VarianceMethod`] by its name in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VarianceCombination {
    /// As VARIANCE
    Propagated,
    /// As in STScI's Resample
    Resampled,
}

/// Settings that have been checked.
#[derive(Debug, Clone)]
pub(super) struct ResamplingParameters {
    pub(super) good_bits: Option<GoodBits>,
    pub(super) weight: PixelWeighting,
    /// Where `weight` is a map.
    pub(super) weight_map: Option<PathBuf>,
    pub(super) match_background: BackgroundMatching,
    /// For what exposures are compared with each other.
    pub(super) comparison: ComparisonOptions,
    /// Columns and rows, half-open.
    pub(super) input_box: Option<[Range<usize>; 2]>,
    pub(super) flux_scale: f64,
    pub(super) pixel_scale_ratio: Option<f64>,
    pub(super) fill: FillValue,
    pub(super) planes: OutputPlanes,
}

impl ResamplingSettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first that is out of range or does not go with another, by its name.
    pub(super) fn parameters(&self) -> Result<ResamplingParameters, PipelineError> {
        let input_box = match self.input_box.as_deref() {
            None => None,
            Some(&[x0, x1, y0, y1]) if x0 <= x1 && y0 <= y1 => Some([x0..x1 + 1, y0..y1 + 1]),
            Some(_) => {
                return Err(PipelineError::usage(
                    "input_box takes XMIN,XMAX,YMIN,YMAX, each maximum at least its minimum",
                ));
            }
        };
        let weight = self.weighting();
        match (weight, &self.weight_map) {
            (PixelWeighting::Map, None) => {
                return Err(PipelineError::usage("weight = map needs weight_map"));
            }
            (other, Some(_)) if other != PixelWeighting::Map => {
                return Err(PipelineError::usage(format!(
                    "weight = {other} and weight_map exclude each other"
                )));
            }
            _ => {}
        }
        let rejection = match self.reject.unwrap_or_default() {
            OutlierRejection::None => None,
            OutlierRejection::Sigma(sigma) => Some(RejectionOptions { sigma, ..RejectionOptions::default() }),
        };
        let flux_scale = self.flux_scale.unwrap_or(1.0);
        if !(flux_scale.is_finite() && flux_scale != 0.0) {
            return Err(PipelineError::usage(format!(
                "flux_scale = {flux_scale} is not allowed: it must be a number other than 0"
            )));
        }
        Ok(ResamplingParameters {
            good_bits: self.good_bits.clone(),
            weight,
            weight_map: self.weight_map.clone(),
            match_background: self.match_background,
            comparison: ComparisonOptions { background: self.match_background.form(), rejection },
            input_box,
            flux_scale,
            pixel_scale_ratio: self.pixel_scale_ratio,
            fill: self.fillval.unwrap_or_default(),
            planes: self.optional_planes()?,
        })
    }

    /// The weights that are asked for: a map, where one is given.
    pub(super) fn weighting(&self) -> PixelWeighting {
        let map = self.weight_map.as_ref().map(|_| PixelWeighting::Map);
        self.weight.or(map).unwrap_or_default()
    }

    /// The planes, but for what makes a mosaic different.
    fn optional_planes(&self) -> Result<OutputPlanes, PipelineError> {
        let has = |plane| self.planes.iter().flatten().any(|p| *p == plane);
        let variances: Vec<String> =
            self.variances.iter().flatten().map(|n| n.trim().to_ascii_uppercase()).collect();
        for (k, name) in variances.iter().enumerate() {
            let formed =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if !formed || RESERVED.contains(&name.as_str()) || variances[..k].contains(name) {
                return Err(PipelineError::usage(format!(
                    "variances: `{name}` is empty, not a name of an HDU, named twice, or an HDU of the output"
                )));
            }
        }
        Ok(OutputPlanes {
            only_mean: false,
            weight: has(OptionalPlane::Weight),
            wavelength: has(OptionalPlane::Wavelength),
            context: has(OptionalPlane::Context),
            coverage: has(OptionalPlane::Coverage),
            point_source: has(OptionalPlane::Psf),
            error: self.err.map(|method| match method {
                ErrorPlane::FromVar => ErrorMethod::FromVariances,
                ErrorPlane::DrizErr => ErrorMethod::Resampled,
            }),
            variances,
            variance_method: match self.variance_method {
                Some(VarianceCombination::Resampled) => VarianceMethod::Resampled,
                _ => VarianceMethod::Propagated,
            },
        })
    }
}

/// Names that the output has for its own arrays.
const RESERVED: [&str; 14] = [
    "SCI",
    "VARIANCE",
    "AND_MASK",
    "OR_MASK",
    "COUNT",
    "WAVELENGTH",
    "WHT",
    "MEANWAVE",
    "ERR",
    "CON",
    "DQ",
    "NEXP",
    "EXPTIME",
    "PSF",
];
