//! What a user may set of photometry. [`PhotometryOptions::spxquery`] has all choices as spxquery
//! 0.4.1 makes them.

use serde::{Deserialize, Serialize};
use spx_core::flags::FlagSelection;

use crate::{PhotometryError, PsfZones};

/// An enum whose variants have names in configuration files and on the command line.
macro_rules! named {
    ($type:ident, $what:literal, $($variant:ident = $name:literal),+) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $name),+ })
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(format!("unknown {} `{text}`: expected {}", $what, [$($name),+].join(", "))),
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
    /// The FWHM of the PSF times [`ApertureOptions::fwhm_multiplier`] is the diameter.
    #[default]
    Fwhm,
}
pub(crate) use named;

named!(ApertureMethod, "aperture method", Fixed = "fixed", Fwhm = "fwhm");

/// Where the FWHM of the PSF comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FwhmSource {
    /// Measured on the PSF at the source, as pixels see it: the same for the files of either
    /// release.
    #[default]
    Psf,
    /// The card PSF_FWHM, as spxquery has it: of the optical PSF in Quick Release 2, wider in Quick
    /// Release 3.
    Card,
}
named!(FwhmSource, "source of the FWHM", Psf = "psf", Card = "card");

/// Whose flags a measurement has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlagRule {
    /// Those of every pixel that the aperture touches.
    #[default]
    Overlap,
    /// Those of the pixels whose centers lie in the aperture, as spxquery has it: an eighth of the
    /// measurements without a bad flag then hold light of a bad pixel.
    Center,
}
named!(FlagRule, "rule of flags", Overlap = "overlap", Center = "center");

named!(PsfZones, "interpolation of the PSF", Bilinear = "bilinear", Nearest = "nearest");

/// The size of the aperture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApertureOptions {
    /// How it is chosen.
    pub method: ApertureMethod,
    /// Where the FWHM comes from; the card stands in where there is no PSF.
    pub fwhm_source: FwhmSource,
    /// Diameter of a fixed aperture, and of one by FWHM where none is known \[px\], above 0.
    pub diameter: f64,
    /// Diameter in units of the FWHM, above 0.
    pub fwhm_multiplier: f64,
}

impl Default for ApertureOptions {
    fn default() -> Self {
        Self {
            method: ApertureMethod::default(),
            fwhm_source: FwhmSource::default(),
            diameter: 3.0,
            fwhm_multiplier: 2.5,
        }
    }
}

impl ApertureOptions {
    /// Radius of the aperture \[px\] where the FWHM is so many pixels; and whether the fixed
    /// diameter stands in for that by FWHM, since there is none above 0.
    pub fn radius(&self, fwhm: Option<f64>) -> (f64, bool) {
        let fwhm = fwhm.filter(|fwhm| *fwhm > 0.0 && fwhm.is_finite());
        let by_fwhm = self.method == ApertureMethod::Fwhm;
        let diameter = match fwhm.filter(|_| by_fwhm) {
            Some(fwhm) => fwhm * self.fwhm_multiplier,
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    /// `sum(variance overlap) + (b_err pi r^2)^2`, as photutils and spxquery have it. A pixel that
    /// is cut in half counts with half of its variance, though its noise counts with a quarter: too
    /// large for apertures of few pixels (by a quarter at a radius of one pixel).
    Overlap,
    /// `sum(variance overlap^2) + (pi/2) (n/(n - 1)) (b_err pi r^2)^2`: that of independent pixels,
    /// with the error of a median of `n` values in place of that of a mean.
    #[default]
    Independent,
}
named!(ErrorModel, "error model", Overlap = "overlap", Independent = "independent");

/// The options of photometry. Fields are public to be filled in;
/// [`Photometer::new`](crate::Photometer::new) checks them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhotometryOptions {
    /// Size of the aperture.
    pub aperture: ApertureOptions,
    /// The background.
    pub background: BackgroundOptions,
    /// Pixels with one of these flags are used neither for the background nor for a flux.
    #[serde(with = "flag_text")]
    pub bad_flags: FlagSelection,
    /// Whose flags a measurement has.
    pub flag_rule: FlagRule,
    /// Leave bad pixels and those without a finite value out of the aperture, and scale the light
    /// in the others up by the PSF. Without it bad pixels count like any other, and one without a
    /// finite value costs the measurement.
    pub fill_bad_pixels: bool,
    /// With more of the source's light than this on pixels that are left out there is no
    /// measurement, by aperture or by PSF; from 0 to below 1. An undersampled star has up to 0.8 of
    /// its light on one pixel.
    pub max_masked_fraction: f64,
    /// How errors propagate.
    pub error_model: ErrorModel,
    /// Give the flux of the whole source, by the PSF: light outside the aperture is added, light of
    /// the source in its own background is taken out of that.
    pub aperture_correction: bool,
    /// Measure the PSF-weighted flux too.
    pub psf_flux: bool,
    /// Pixels whose centers lie within this radius take part in the PSF-weighted flux \[px\], above
    /// 0.
    pub psf_fit_radius: f64,
    /// The PSF between the centers of zones.
    pub psf_zones: PsfZones,
}

impl Default for PhotometryOptions {
    fn default() -> Self {
        Self {
            aperture: ApertureOptions::default(),
            background: BackgroundOptions::default(),
            bad_flags: FlagSelection::Photometry,
            flag_rule: FlagRule::default(),
            fill_bad_pixels: true,
            max_masked_fraction: 0.7,
            error_model: ErrorModel::default(),
            aperture_correction: true,
            psf_flux: false,
            psf_fit_radius: 3.0,
            psf_zones: PsfZones::default(),
        }
    }
}

/// A selection of flags as text.
mod flag_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use spx_core::flags::FlagSelection;

    pub(super) fn serialize<S: Serializer>(flags: &FlagSelection, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(flags)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FlagSelection, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl PhotometryOptions {
    /// The choices of spxquery 0.4.1. (Zodiacal light and pixel areas are the caller's.)
    pub fn spxquery() -> Self {
        let defaults = Self::default();
        Self {
            aperture: ApertureOptions { fwhm_source: FwhmSource::Card, ..defaults.aperture },
            bad_flags: FlagSelection::Spxquery,
            flag_rule: FlagRule::Center,
            fill_bad_pixels: false,
            error_model: ErrorModel::Overlap,
            aperture_correction: false,
            ..defaults
        }
    }

    /// The name of an option that cannot do without a PSF, if there is one.
    pub fn needs_psf(&self) -> Option<&'static str> {
        let needs = [(self.aperture_correction, "aperture_correction"), (self.psf_flux, "psf_flux")];
        needs.into_iter().find(|(asked, _)| *asked).map(|(_, name)| name)
    }

    /// Whether a PSF is of use where there is one.
    pub fn wants_psf(&self) -> bool {
        let ApertureOptions { method, fwhm_source, .. } = self.aperture;
        let by_psf = method == ApertureMethod::Fwhm && fwhm_source == FwhmSource::Psf;
        self.needs_psf().is_some() || self.fill_bad_pixels || by_psf
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`PhotometryError::Option`] naming the first option that is out of range or NaN.
    pub fn validate(&self) -> Result<(), PhotometryError> {
        let (a, b) = (&self.aperture, &self.background);
        positive("aperture_diameter", a.diameter)?;
        positive("fwhm_multiplier", a.fwhm_multiplier)?;
        positive("psf_fit_radius", self.psf_fit_radius)?;
        let masked = self.max_masked_fraction;
        check((0.0..1.0).contains(&masked), "max_masked_fraction", masked, "it must be from 0 to below 1")?;
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
        assert_eq!(error, "unknown background method `box`: expected annulus, window");
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
        for bad in [-0.1, 1.0, f64::NAN] {
            refused(|o, v| o.max_masked_fraction = v, bad);
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
