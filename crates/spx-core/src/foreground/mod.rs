//! The foreground of an image: zodiacal light, whose modeled plane (HDU ZODI) is scaled to the
//! pixels that hold no source, and on demand whatever else depends on wavelength alone, such as
//! airglow.
//!
//! `scale = sum(I Z) / sum(Z^2)` over background pixels, all with the same weight. The archive's
//! VARIANCE follows the observed rate, noise included, so that weights of 1/VARIANCE favor pixels
//! that fluctuated downward: on blank sky they give a scale of 0.989 where the truth is 1. The
//! zodiacal light is smooth, so equal weights lose nothing.
//!
//! A background pixel has none of the bad flags, does not lie within 2 pixels of a pixel flagged
//! SOURCE (1 or 0 where a crowd leaves next to nothing else) nor in a region that the caller
//! excludes, has finite image and zodi, zodi other than zero, and a finite variance above zero.
//! Values of `I - scale Z` farther than 3 sigma from zero are clipped, on both sides alike, until
//! the fit settles. Blocks of pixels that stand above (or below) the rest as a whole, such as a
//! galaxy or a nebula, are left out before the fit is repeated
//! ([`ForegroundFit::extended_fraction`] says how much stands above).
//!
//! Of large images, evenly spaced rows are looked at, about [`ForegroundOptions::max_pixels`]
//! pixels in all, and more where sources leave few; the reported error is that of the pixels used.
//! All sums run in a fixed order, so every machine finds the same bits.

mod clip;
mod gather;
mod spectrum;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::detector::Detector;
use crate::flags::{FlagNames, FlagSelection};
use crate::image::PlaneViews;
use crate::map::{Passband, WavelengthMap};

use clip::{ClippedScale, UnextendedScale};
use gather::{BackgroundPixels, BackgroundRule};
pub use spectrum::{ForegroundSpectrum, ResidualBin, SPECTRUM_BINS};

/// Pixels this near to one that is flagged SOURCE are no background \[px, along either axis\].
const SOURCE_GROWTH: usize = 2;
/// More than this share of blocks above the background is worth a warning (noise alone puts 0.1 %
/// there).
const EXTENDED_LIMIT: f64 = 0.15;
/// A scale farther than this from 1 is worth a warning.
const SCALE_LIMIT: f64 = 0.3;
/// A residual in a bin of wavelength of more than this share of the zodiacal light, and so many of
/// its errors, is worth a warning.
const RESIDUAL_LIMIT: (f64, f64) = (0.1, 10.0);
/// With less than this of the pixels between the sources left for the fit there is none.
const LEAST_LEFT: f64 = 0.05;
/// With fewer pixels than this there is no fit: its error would be 0.5 % and more.
const LEAST_PIXELS: usize = 200;
/// Where crowded sources leave fewer pixels than this that are not near one of them, and less than
/// one in so many, those nearer to sources are background, too: the light that they hold moves the
/// scale of a realistic crowd by 0.0003, whereas the noise of a hundred pixels moves it by 0.005.
const CROWDED_PIXELS: usize = 1024;
const CROWDED_SHARE: usize = 20;
/// Pixels whose wavelengths are looked at for the report, where no spectrum is subtracted.
const REPORT_PIXELS: usize = 1 << 15;

/// What is subtracted from an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForegroundMode {
    /// The zodiacal model times a scale that is fitted to the image.
    #[default]
    Fit,
    /// The zodiacal model as it stands.
    Static,
    /// As `Fit`, and then the median of what is left as a function of wavelength.
    Spectral,
    /// Nothing.
    None,
}

/// A name that is no mode or no estimator.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {what} `{name}`: expected {expected}")]
pub struct UnknownForeground {
    what: &'static str,
    name: String,
    expected: &'static str,
}

impl fmt::Display for ForegroundMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fit => "fit",
            Self::Static => "static",
            Self::Spectral => "spectral",
            Self::None => "none",
        })
    }
}

impl FromStr for ForegroundMode {
    type Err = UnknownForeground;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "fit" => Ok(Self::Fit),
            "static" => Ok(Self::Static),
            "spectral" => Ok(Self::Spectral),
            "none" => Ok(Self::None),
            _ => Err(UnknownForeground {
                what: "background",
                name: text.to_owned(),
                expected: "fit, static, spectral or none",
            }),
        }
    }
}

/// How the scale is estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForegroundEstimator {
    /// As the head of this module describes.
    #[default]
    Robust,
    /// spxquery's: weights of 1/VARIANCE, its bad flags, SOURCE pixels not grown, nothing clipped.
    /// Biased low by about 1 %.
    Ivm,
}

impl fmt::Display for ForegroundEstimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Robust => "robust",
            Self::Ivm => "ivm",
        })
    }
}

impl FromStr for ForegroundEstimator {
    type Err = UnknownForeground;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "robust" => Ok(Self::Robust),
            "ivm" => Ok(Self::Ivm),
            _ => Err(UnknownForeground {
                what: "zodiacal fit",
                name: text.to_owned(),
                expected: "robust or ivm",
            }),
        }
    }
}

/// The options of the fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForegroundOptions {
    /// What is subtracted.
    pub mode: ForegroundMode,
    /// How the scale is estimated.
    pub estimator: ForegroundEstimator,
    /// The least share of background among the pixels that do not lie near a source, from 0 to 1;
    /// among all pixels with [`ForegroundEstimator::Ivm`].
    pub bg_fraction_min: f64,
    /// A fitted scale must lie above this.
    pub scale_min: f64,
    /// A fitted scale must not exceed this.
    pub scale_max: f64,
    /// Rows are thinned out evenly so that about this many pixels are looked at, more where sources
    /// leave less than half of them; above 0. A pixel tells the scale to 5 to 10 %.
    pub max_pixels: usize,
}

impl Default for ForegroundOptions {
    fn default() -> Self {
        Self {
            mode: ForegroundMode::default(),
            estimator: ForegroundEstimator::default(),
            bg_fraction_min: 0.5,
            scale_min: 0.0,
            scale_max: 10.0,
            max_pixels: 1 << 18,
        }
    }
}

/// A circle on the image that is no background.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExcludedCircle {
    /// `[x, y]` \[px, 0-based, integers at pixel centers\].
    pub center: [f64; 2],
    /// Pixels whose centers lie within are left out \[px\].
    pub radius: f64,
}

/// An image as the fit sees it.
#[derive(Clone, Copy)]
pub struct ForegroundInput<'a> {
    /// `[ny, nx]`.
    pub shape: [usize; 2],
    /// All pixels, row-major `[y][x]`.
    pub planes: PlaneViews<'a>,
    /// The names of the flags.
    pub flag_names: &'a FlagNames,
    /// Its channels span the bins of wavelength.
    pub detector: Detector,
    /// Wavelengths of the pixels.
    pub wavelengths: &'a dyn WavelengthMap,
    /// Regions that are no background.
    pub excluded: &'a [ExcludedCircle],
}

/// Where a scale comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleOrigin {
    /// Fitted to this image.
    Fitted,
    /// 1, as asked for.
    Static,
    /// Not fitted, for too few pixels are background: 1, or see [`ForegroundFit::from_run`].
    TooFewPixels {
        /// Their share of the pixels that do not lie near a source.
        fraction: f64,
        /// How many were looked at and not clipped.
        #[serde(default)]
        pixels: usize,
    },
    /// Not used, for it lies outside the limits: 1, or see [`ForegroundFit::from_run`].
    OutOfRange {
        /// What was fitted.
        fitted: f64,
    },
}

/// The foreground of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForegroundFit {
    /// The zodiacal light to subtract is this times the plane ZODI.
    pub scale: f64,
    /// Its statistical error; `None` where it was not fitted.
    pub scale_error: Option<f64>,
    /// Where it comes from.
    pub origin: ScaleOrigin,
    /// Of how many other exposures of the run the scale is the median, where it could not be fitted
    /// here.
    pub from_run: Option<usize>,
    /// Pixels that the fit used, after clipping.
    pub pixels: usize,
    /// Share of the image, in blocks, that stands above its background as a whole.
    pub extended_fraction: f64,
    /// Mean of the zodiacal model over the background pixels, scaled [MJy/sr]; 0 where no pixel was
    /// looked at.
    #[serde(default)]
    pub zodi_level: f64,
    /// What is left after the scaled model is subtracted, by wavelength; bins of fewer than 20
    /// pixels are missing.
    pub residual: Vec<ResidualBin>,
    /// What is subtracted besides, in the mode `spectral`.
    pub spectrum: Option<ForegroundSpectrum>,
}

/// Finds what is to be subtracted from an image; `None` in the mode `none`.
pub fn fit(input: &ForegroundInput<'_>, options: &ForegroundOptions) -> Option<ForegroundFit> {
    match options.mode {
        ForegroundMode::None => return None,
        ForegroundMode::Static => return Some(ForegroundFit::fixed(ScaleOrigin::Static)),
        ForegroundMode::Fit | ForegroundMode::Spectral => {}
    }
    let pixels = match options.estimator {
        ForegroundEstimator::Robust => {
            let rule = |growth| BackgroundRule::new(input, &FlagSelection::Photometry, growth);
            let sample = |growth| BackgroundPixels::sample(input, rule(growth), options.max_pixels);
            let crowded =
                |p: &BackgroundPixels| p.open < CROWDED_PIXELS && p.open < p.image.len() / CROWDED_SHARE;
            let first = sample(SOURCE_GROWTH);
            (0..SOURCE_GROWTH).rev().fold(
                first,
                |pixels, growth| {
                    if crowded(&pixels) { sample(growth) } else { pixels }
                },
            )
        }
        ForegroundEstimator::Ivm => {
            let rule = BackgroundRule::new(input, &FlagSelection::Spxquery, 0);
            BackgroundPixels::gather(input, BackgroundRule { with_variance: true, ..rule }, 1)
        }
    };
    let mut found = match options.estimator {
        ForegroundEstimator::Robust => clip::without_extended(&pixels),
        ForegroundEstimator::Ivm => clip::inverse_variance(&pixels),
    };
    let fraction = usable_fraction(&pixels, &found, options.estimator);
    let mut fit = ForegroundFit::judged(&found.scale, fraction, options);
    fit.zodi_level = fit.scale * pixels.mean_zodi();
    // Airglow stands above the background as a whole, too; hence the residual is that of all
    // background pixels.
    let (residual, spectral) = (pixels.less_zodi(fit.scale), options.mode == ForegroundMode::Spectral);
    let wavelengths =
        pixels.wavelengths(input.wavelengths, if spectral { usize::MAX } else { REPORT_PIXELS });
    fit.residual = spectrum::bins(&residual, &wavelengths, input.detector, SPECTRUM_BINS);
    if spectral && let Some(all) = ForegroundSpectrum::fit(&residual, &wavelengths, input.detector) {
        // A galaxy is what still stands above when the spectrum of the sky is subtracted.
        found = clip::without_extended(&pixels.less(|at| all.at(wavelengths[at])));
        let left = found.blocks.without(&pixels, &residual);
        let sky = ForegroundSpectrum::fit(&left, &wavelengths, input.detector);
        fit.spectrum = Some(sky.unwrap_or(all));
    }
    fit.extended_fraction = found.extended_fraction;
    Some(fit)
}

/// The scale for exposures to which none can be fitted: the median of those that were fitted to
/// others, `None` without any.
pub fn run_scale(fitted: &[f64]) -> Option<f64> {
    let mut sorted = fitted.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some(f64::midpoint(sorted[last / 2], sorted[sorted.len() / 2]))
}

/// The share that `bg_fraction_min` is about.
///
/// Sources do not count against an image: where they cover nine tenths of it, the rest still tells
/// the scale. What counts is how many of the pixels between them are background. Bad ones are not,
/// nor are those of an excluded region: where that is most of the image, what is left of it holds
/// the outskirts of what was to be excluded. And where what stands above the background as a whole
/// leaves next to nothing, there is no background to speak of. (spxquery counts the background
/// among all pixels.)
fn usable_fraction(
    pixels: &BackgroundPixels,
    found: &UnextendedScale,
    estimator: ForegroundEstimator,
) -> f64 {
    let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
    if estimator == ForegroundEstimator::Ivm {
        return share(pixels.background, pixels.image.len());
    }
    let left = share(found.blocks.kept(), pixels.open);
    if left < LEAST_LEFT { left } else { share(pixels.background, pixels.open) }
}

impl ForegroundFit {
    /// A scale of 1.
    fn fixed(origin: ScaleOrigin) -> Self {
        Self {
            scale: 1.0,
            scale_error: None,
            origin,
            from_run: None,
            pixels: 0,
            extended_fraction: 0.0,
            zodi_level: 0.0,
            residual: Vec::new(),
            spectrum: None,
        }
    }

    /// What comes of a fit to so many of the pixels: its scale where the options accept it, else 1.
    fn judged(found: &ClippedScale, fraction: f64, options: &ForegroundOptions) -> Self {
        let (fitted, pixels) = (found.scale, found.pixels);
        if pixels < LEAST_PIXELS || fraction < options.bg_fraction_min {
            return Self::fixed(ScaleOrigin::TooFewPixels { fraction, pixels });
        }
        if !(fitted > options.scale_min && fitted <= options.scale_max) {
            return Self::fixed(ScaleOrigin::OutOfRange { fitted });
        }
        Self { scale: fitted, scale_error: Some(found.error), pixels, ..Self::fixed(ScaleOrigin::Fitted) }
    }

    /// True where the scale should have been fitted to this image and was not.
    pub fn is_unfitted(&self) -> bool {
        matches!(self.origin, ScaleOrigin::TooFewPixels { .. } | ScaleOrigin::OutOfRange { .. })
    }

    /// Takes the median of the scales that were fitted to other exposures of the run, of the same
    /// detector, where it could not be fitted here and there are any. A `spectrum` stays: it was
    /// found with scale 1 and is subtracted with it, so the scale stays, too.
    pub fn take_from_run(&mut self, fitted: &[f64]) {
        if self.is_unfitted()
            && self.spectrum.is_none()
            && let Some(scale) = run_scale(fitted)
        {
            self.scale = scale;
            self.from_run = Some(fitted.len());
        }
    }

    /// The bin whose residual stands out most from zero, in units of its error.
    pub fn strongest_residual(&self) -> Option<&ResidualBin> {
        self.residual.iter().max_by(|a, b| a.significance().abs().total_cmp(&b.significance().abs()))
    }

    /// What the user should know: why there is no fit, or why it may be wrong.
    pub fn remark(&self) -> Option<String> {
        let stands_for = match self.from_run {
            Some(1) => format!("scale {:.5}, that of 1 other exposure", self.scale),
            Some(others) => format!("scale {:.5}, the median of {others} other exposures", self.scale),
            None => "scale 1".to_owned(),
        };
        match self.origin {
            ScaleOrigin::TooFewPixels { pixels, .. } if pixels < LEAST_PIXELS => {
                let unit = if pixels == 1 { "pixel is" } else { "pixels are" };
                Some(format!("zodiacal light not fitted, {stands_for}: only {pixels} {unit} background"))
            }
            ScaleOrigin::TooFewPixels { fraction, .. } => Some(format!(
                "zodiacal light not fitted, {stands_for}: only {:.1} % of the pixels between sources are background",
                100.0 * fraction
            )),
            ScaleOrigin::OutOfRange { fitted } => {
                Some(format!("zodiacal light not fitted, {stands_for}: the fit gave {fitted}"))
            }
            ScaleOrigin::Fitted if self.extended_fraction > EXTENDED_LIMIT => Some(format!(
                "{:.0} % of the image stands above its background: the zodiacal scale {:.4} may contain light of an \
                 extended source (see --background-exclude) or of airglow (see --background spectral)",
                100.0 * self.extended_fraction,
                self.scale
            )),
            ScaleOrigin::Fitted if (self.scale - 1.0).abs() > SCALE_LIMIT => Some(format!(
                "the zodiacal scale {:.4} is far from 1: it may contain light that fills the image, such as a nebula \
                 (see --background-exclude and --background static)",
                self.scale
            )),
            ScaleOrigin::Fitted | ScaleOrigin::Static => self.residual_remark(),
        }
    }

    /// What is left of the sky, where it is much and nothing takes it out.
    fn residual_remark(&self) -> Option<String> {
        let strongest = self.strongest_residual().filter(|_| self.spectrum.is_none())?;
        let (share, significance) = (strongest.level / self.zodi_level, strongest.significance());
        let (limit, errors) = RESIDUAL_LIMIT;
        (share.abs() > limit && significance.abs() > errors).then(|| {
            format!(
                "the sky at {:.3} um is {:+.3} MJy/sr off the zodiacal model, {:+.0} % of it: airglow, where it is \
                 in D1 or D2 (see --background spectral)",
                strongest.wavelength,
                strongest.level,
                100.0 * share
            )
        })
    }

    /// All that is to be subtracted, pixel by pixel [MJy/sr], row-major `[y][x]`: the plane to use
    /// with a scale of 1 in place of ZODI. Only needed in the mode `spectral`.
    pub fn plane(&self, input: &ForegroundInput<'_>) -> Vec<f32> {
        let nx = input.shape[1];
        let mut plane = input.planes.zodi.to_native().into_owned();
        let mut bands = vec![Passband { center: f64::NAN, width: f64::NAN }; nx];
        for (y, row) in plane.chunks_exact_mut(nx.max(1)).enumerate() {
            input.wavelengths.passband_row(0.0, y as f64, &mut bands);
            for (value, band) in row.iter_mut().zip(&bands) {
                let sky = self.spectrum.as_ref().map_or(0.0, |spectrum| spectrum.at_um(band.center));
                #[expect(clippy::cast_possible_truncation, reason = "planes are f32")]
                let sum = (self.scale * f64::from(*value) + sky) as f32;
                *value = sum;
            }
        }
        plane
    }
}
