//! What a user may set of photometry. The defaults are spxquery's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use spx_core::flags::FlagSelection;

use crate::PhotometryError;

/// An enum whose variants have names in configuration files and on the command line.
macro_rules! named {
    ($type:ident, $what:literal, $($variant:ident = $name:literal),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $name),+ })
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(format!("there is no {} `{text}`; there are: {}", $what, [$($name),+].join(", "))),
                }
            }
        }
    };
}

/// How the size of the aperture is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApertureMethod {
    /// [`ApertureOptions::diameter`].
    Fixed,
    /// The image's PSF_FWHM times [`ApertureOptions::fwhm_multiplier`] is the diameter.
    #[default]
    Fwhm,
}
named!(ApertureMethod, "aperture method", Fixed = "fixed", Fwhm = "fwhm");

/// The size of the aperture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApertureOptions {
    /// How it is chosen.
    pub method: ApertureMethod,
    /// Diameter of a fixed aperture, and of one by FWHM where the image has no PSF_FWHM \[px\], above 0.
    pub diameter: f64,
    /// Diameter in units of the FWHM, above 0.
    pub fwhm_multiplier: f64,
}

impl Default for ApertureOptions {
    fn default() -> Self {
        Self { method: ApertureMethod::default(), diameter: 3.0, fwhm_multiplier: 2.5 }
    }
}

impl ApertureOptions {
    /// Radius of the aperture \[px\] on a pixel of this solid angle [arcsec^2], in an image with this PSF_FWHM
    /// \[arcsec\]; and whether the fixed diameter stands in for that by FWHM, since there is no PSF_FWHM above 0.
    pub fn radius(&self, pixel_area: f64, psf_fwhm: Option<f64>) -> (f64, bool) {
        let fwhm = psf_fwhm.filter(|fwhm| *fwhm > 0.0 && fwhm.is_finite());
        let by_fwhm = self.method == ApertureMethod::Fwhm;
        let diameter = match fwhm.filter(|_| by_fwhm) {
            Some(fwhm) => fwhm / pixel_area.sqrt() * self.fwhm_multiplier,
            None => self.diameter,
        };
        (diameter / 2.0, by_fwhm && fwhm.is_none())
    }
}

/// Where the background is taken from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackgroundMethod {
    /// A ring around the aperture.
    #[default]
    Annulus,
    /// A rectangle around the source, without the aperture.
    Window,
}
named!(BackgroundMethod, "background method", Annulus = "annulus", Window = "window");

/// The region of the background and its statistics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackgroundOptions {
    /// Which region.
    pub method: BackgroundMethod,
    /// `[height, width]` of the window \[px\], above 0.
    pub window_size: [usize; 2],
    /// From the aperture to the inner edge of the annulus \[px\], at least 0.
    pub annulus_inner_offset: f64,
    /// Area of the annulus before it grows [px^2], above 0.
    pub min_annulus_area: f64,
    /// The annulus reaches no farther \[px\], above 0.
    pub max_outer_radius: f64,
    /// Fewer usable pixels make no background, at least 1.
    pub min_usable_pixels: usize,
    /// How often the annulus may grow.
    pub max_annulus_attempts: usize,
    /// By how much its outer radius grows \[px\], above 0.
    pub annulus_expansion_step: f64,
    /// Values farther than this from the mean are clipped [standard deviations], at least 1.
    pub clip_sigma: f64,
    /// How often they are clipped.
    pub clip_iterations: usize,
}

impl Default for BackgroundOptions {
    fn default() -> Self {
        Self {
            method: BackgroundMethod::default(),
            window_size: [50, 50],
            annulus_inner_offset: 1.414,
            min_annulus_area: 10.0,
            max_outer_radius: 5.0,
            min_usable_pixels: 10,
            max_annulus_attempts: 5,
            annulus_expansion_step: 0.5,
            clip_sigma: 3.0,
            clip_iterations: 3,
        }
    }
}

/// How errors propagate into an aperture flux.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorModel {
    /// `sum(variance overlap) + (b_err pi r^2)^2`, as photutils and spxquery have it. A pixel that is cut in half
    /// counts with half of its variance, though its noise counts with a quarter: too large for apertures of few
    /// pixels (by a quarter at a radius of one pixel).
    #[default]
    Overlap,
    /// `sum(variance overlap^2) + (pi/2) (n/(n - 1)) (b_err pi r^2)^2`: that of independent pixels, with the
    /// error of a median of `n` values in place of that of a mean.
    Independent,
}
named!(ErrorModel, "error model", Overlap = "overlap", Independent = "independent");

/// The options of photometry. Fields are public to be filled in; [`Photometer::new`](crate::Photometer::new)
/// checks them.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotometryOptions {
    /// Size of the aperture.
    pub aperture: ApertureOptions,
    /// The background.
    pub background: BackgroundOptions,
    /// Pixels with one of these flags are used neither for the background nor for the PSF-weighted flux.
    pub bad_flags: FlagSelection,
    /// How errors propagate.
    pub error_model: ErrorModel,
    /// Multiply flux and error by the aperture correction.
    pub aperture_correction: bool,
    /// Measure the PSF-weighted flux too.
    pub psf_flux: bool,
    /// Pixels whose centers lie within this radius take part in the PSF-weighted flux \[px\], above 0.
    pub psf_fit_radius: f64,
}

impl Default for PhotometryOptions {
    fn default() -> Self {
        Self {
            aperture: ApertureOptions::default(),
            background: BackgroundOptions::default(),
            bad_flags: FlagSelection::Photometry,
            error_model: ErrorModel::default(),
            aperture_correction: false,
            psf_flux: false,
            psf_fit_radius: 3.0,
        }
    }
}

impl PhotometryOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// [`PhotometryError::Option`] naming the first option that is out of range or NaN.
    pub fn validate(&self) -> Result<(), PhotometryError> {
        let (a, b) = (&self.aperture, &self.background);
        positive("aperture_diameter", a.diameter)?;
        positive("fwhm_multiplier", a.fwhm_multiplier)?;
        positive("psf_fit_radius", self.psf_fit_radius)?;
        let [height, width] = b.window_size.map(|n| n as f64);
        positive("window_size", height.min(width))?;
        let offset = b.annulus_inner_offset;
        let finite = offset >= 0.0 && offset.is_finite();
        check(finite, "annulus_inner_offset", offset, "it must not be negative")?;
        positive("min_annulus_area", b.min_annulus_area)?;
        positive("max_outer_radius", b.max_outer_radius)?;
        positive("annulus_expansion_step", b.annulus_expansion_step)?;
        positive("min_usable_pixels", b.min_usable_pixels as f64)?;
        check(b.clip_sigma >= 1.0, "bg_sigma_clip_sigma", b.clip_sigma, "it must be at least 1")?;
        let ring = b.method == BackgroundMethod::Annulus && a.method == ApertureMethod::Fixed;
        let room = a.diameter / 2.0 + offset < b.max_outer_radius;
        let problem = "it must exceed aperture_diameter / 2 + annulus_inner_offset";
        check(!ring || room, "max_outer_radius", b.max_outer_radius, problem)
    }
}

fn positive(name: &'static str, value: f64) -> Result<(), PhotometryError> {
    check(value > 0.0 && value.is_finite(), name, value, "it must be above 0")
}

pub(crate) fn check(
    ok: bool,
    name: &'static str,
    value: f64,
    problem: &'static str,
) -> Result<(), PhotometryError> {
    if ok { Ok(()) } else { Err(PhotometryError::Option { name, value, problem }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for method in [ApertureMethod::Fixed, ApertureMethod::Fwhm] {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        for method in [BackgroundMethod::Annulus, BackgroundMethod::Window] {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        for model in [ErrorModel::Overlap, ErrorModel::Independent] {
            assert_eq!(model.to_string().parse(), Ok(model));
        }
        let error = "box".parse::<BackgroundMethod>().unwrap_err();
        assert_eq!(error, "there is no background method `box`; there are: annulus, window");
    }

    #[test]
    fn every_range_is_checked() {
        assert_eq!(PhotometryOptions::default().validate(), Ok(()));
        let refused = |change: fn(&mut PhotometryOptions, f64), value: f64| {
            let mut options = PhotometryOptions::default();
            change(&mut options, value);
            assert!(options.validate().is_err(), "{options:?}");
        };
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            refused(|o, v| o.aperture.diameter = v, bad);
            refused(|o, v| o.aperture.fwhm_multiplier = v, bad);
            refused(|o, v| o.psf_fit_radius = v, bad);
            refused(|o, v| o.background.min_annulus_area = v, bad);
            refused(|o, v| o.background.max_outer_radius = v, bad);
            refused(|o, v| o.background.annulus_expansion_step = v, bad);
        }
        refused(|o, v| o.background.clip_sigma = v, 0.99);
        refused(|o, v| o.background.clip_sigma = v, f64::NAN);
        refused(|o, v| o.background.annulus_inner_offset = v, -0.1);
        refused(|o, _| o.background.min_usable_pixels = 0, 0.0);
        refused(|o, _| o.background.window_size = [5, 0], 0.0);
        let wide = |o: &mut PhotometryOptions, v| {
            o.aperture = ApertureOptions { method: ApertureMethod::Fixed, diameter: v, ..o.aperture };
        };
        refused(wide, 7.2);
    }
}
