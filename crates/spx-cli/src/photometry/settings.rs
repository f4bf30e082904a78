//! What a user may set of photometry, wherever it is done, and the parameters that come of it.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Serialize};
use spx_core::flags::FlagSelection;
use spx_photometry::{
    ApertureMethod, ApertureOptions, BackgroundMethod, BackgroundOptions, ErrorModel, PhotometryOptions,
    QualityOptions,
};

use crate::zodi::ZodiSettings;
use spx_pipeline::flag_selection;
use spx_pipeline::zodi::ZodiTreatment;

/// Keys of the configuration that `spx photometry`, `spx run` and `spx batch` share. What is not given has the
/// default that the help names.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Photometry")]
#[serde(default)]
pub(crate) struct PhotometrySettings {
    /// Size of the aperture: fixed, or fwhm (of the image's PSF) [default: fwhm]
    #[arg(long, value_name = "NAME", env = "SPX_APERTURE_METHOD")]
    pub(crate) aperture_method: Option<ApertureMethod>,
    /// Diameter of a fixed aperture, and where an image has no PSF_FWHM [px] [default: 3]
    #[arg(long, value_name = "PX", env = "SPX_APERTURE_DIAMETER")]
    pub(crate) aperture_diameter: Option<f64>,
    /// Diameter of an aperture by fwhm, in units of it [default: 2.5]
    #[arg(long, value_name = "X", env = "SPX_FWHM_MULTIPLIER")]
    pub(crate) fwhm_multiplier: Option<f64>,
    /// Where the background is taken from: annulus or window [default: annulus]
    #[arg(long, value_name = "NAME", env = "SPX_BACKGROUND_METHOD")]
    pub(crate) background_method: Option<BackgroundMethod>,
    /// Side of the window, or HEIGHT,WIDTH [px] [default: 50]
    #[arg(long, value_name = "PX", env = "SPX_WINDOW_SIZE")]
    pub(crate) window_size: Option<WindowSize>,
    /// From the aperture to the annulus [px] [default: 1.414]
    #[arg(long, value_name = "PX", env = "SPX_ANNULUS_INNER_OFFSET")]
    pub(crate) annulus_inner_offset: Option<f64>,
    /// Area of the annulus before it grows [px^2] [default: 10]
    #[arg(long, value_name = "PX2", env = "SPX_MIN_ANNULUS_AREA")]
    pub(crate) min_annulus_area: Option<f64>,
    /// The annulus reaches no farther [px] [default: 5]
    #[arg(long, value_name = "PX", env = "SPX_MAX_OUTER_RADIUS")]
    pub(crate) max_outer_radius: Option<f64>,
    /// Fewer usable pixels make no background [default: 10]
    #[arg(long, value_name = "N", env = "SPX_MIN_USABLE_PIXELS")]
    pub(crate) min_usable_pixels: Option<usize>,
    /// How often the annulus may grow [default: 5]
    #[arg(long, value_name = "N", env = "SPX_MAX_ANNULUS_ATTEMPTS")]
    pub(crate) max_annulus_attempts: Option<usize>,
    /// By how much its outer radius grows [px] [default: 0.5]
    #[arg(long, value_name = "PX", env = "SPX_ANNULUS_EXPANSION_STEP")]
    pub(crate) annulus_expansion_step: Option<f64>,
    /// Background pixels farther than this from the mean are clipped [standard deviations] [default: 3]
    #[arg(long, value_name = "X", env = "SPX_BG_SIGMA_CLIP_SIGMA")]
    pub(crate) bg_sigma_clip_sigma: Option<f64>,
    /// How often they are clipped [default: 3]
    #[arg(long, value_name = "N", env = "SPX_BG_SIGMA_CLIP_MAXITERS")]
    pub(crate) bg_sigma_clip_maxiters: Option<usize>,
    /// How errors propagate: overlap (as photutils) or independent (right for apertures of few pixels)
    /// [default: overlap]
    #[arg(long, value_name = "NAME", env = "SPX_ERROR_MODEL")]
    pub(crate) error_model: Option<ErrorModel>,
    /// Solid angle of the pixel: local (of the full WCS at the source), constant (without distortion), map (the
    /// calibration product) [default: map where there is one, else local]
    #[arg(long, value_name = "NAME", env = "SPX_PIXEL_AREA")]
    pub(crate) pixel_area: Option<PixelArea>,
    /// Correct for the light outside the aperture, by the PSF of the source's zone [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_APERTURE_CORRECTION")]
    pub(crate) aperture_correction: Option<bool>,
    /// Also measure the PSF-weighted flux [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_PSF_FLUX")]
    pub(crate) psf_flux: Option<bool>,
    /// Pixels within this radius take part in the PSF-weighted flux [px] [default: 3]
    #[arg(long, value_name = "PX", env = "SPX_PSF_FIT_RADIUS")]
    pub(crate) psf_fit_radius: Option<f64>,

    /// Least ratio of flux to error of a good measurement [default: 5]
    #[arg(long, value_name = "X", env = "SPX_SIGMA_THRESHOLD", allow_negative_numbers = true)]
    #[arg(help_heading = "Quality")]
    pub(crate) sigma_threshold: Option<f64>,
    /// Pixels with these flags are no background, and spoil an aperture: bit numbers and names, or mosaic, photometry,
    /// none [default: photometry]
    #[arg(long, value_name = "LIST|PRESET", env = "SPX_BAD_FLAGS", allow_negative_numbers = true)]
    #[arg(help_heading = "Quality")]
    #[serde(with = "flag_selection", skip_serializing_if = "Option::is_none")]
    pub(crate) bad_flags: Option<FlagSelection>,

    /// Calibration products spectral_wcs (CWAVE, CBAND), files or directories that hold them: wavelengths for science
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "Calibration")]
    pub(crate) spectral_wcs: Option<Vec<PathBuf>>,
    /// Calibration products solid_angle_pixel_map, files or directories that hold them
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "Calibration")]
    pub(crate) solid_angle_map: Option<Vec<PathBuf>>,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) zodi: ZodiSettings,
}

/// Where the solid angle of a pixel comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PixelArea {
    /// The Jacobian of the full WCS at the source.
    Local,
    /// The matrix of the WCS alone, as spxquery has it.
    Constant,
    /// The calibration product.
    Map,
}

impl PixelArea {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Constant => "constant",
            Self::Map => "map",
        }
    }
}

impl FromStr for PixelArea {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "local" => Ok(Self::Local),
            "constant" => Ok(Self::Constant),
            "map" => Ok(Self::Map),
            _ => Err(format!("there is no pixel area `{text}`; there are: local, constant, map")),
        }
    }
}

/// `[height, width]` of a window \[px\]; one number stands for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WindowForm")]
pub(crate) struct WindowSize([usize; 2]);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of pixels, or [height, width]")]
enum WindowForm {
    Side(usize),
    Sides([usize; 2]),
}

impl From<WindowForm> for WindowSize {
    fn from(form: WindowForm) -> Self {
        match form {
            WindowForm::Side(side) => Self([side; 2]),
            WindowForm::Sides(sides) => Self(sides),
        }
    }
}

impl FromStr for WindowSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (height, width) = text.split_once(',').unwrap_or((text, text));
        let side = |text: &str| text.trim().parse().map_err(|_| "expected PX or HEIGHT,WIDTH".to_owned());
        Ok(Self([side(height)?, side(width)?]))
    }
}

/// Settings that have been checked and completed.
#[derive(Debug, Clone)]
pub(crate) struct PhotometryParameters {
    pub(crate) options: PhotometryOptions,
    pub(crate) quality: QualityOptions,
    pub(crate) zodi: ZodiTreatment,
    /// `None` for the map where there is one, else the local one.
    pub(crate) pixel_area: Option<PixelArea>,
    pub(crate) spectral_wcs: Vec<PathBuf>,
    pub(crate) solid_angle_map: Vec<PathBuf>,
}

impl PhotometrySettings {
    /// Folds negative switches into the settings.
    pub(crate) fn normalised(mut self) -> Self {
        self.zodi = self.zodi.normalised();
        self
    }

    /// These settings with every default filled in.
    pub(crate) fn completed(self) -> Self {
        let PhotometryOptions { aperture, background, bad_flags, error_model, psf_fit_radius, .. } =
            PhotometryOptions::default();
        Self {
            aperture_method: self.aperture_method.or(Some(aperture.method)),
            aperture_diameter: self.aperture_diameter.or(Some(aperture.diameter)),
            fwhm_multiplier: self.fwhm_multiplier.or(Some(aperture.fwhm_multiplier)),
            background_method: self.background_method.or(Some(background.method)),
            window_size: self.window_size.or(Some(WindowSize(background.window_size))),
            annulus_inner_offset: self.annulus_inner_offset.or(Some(background.annulus_inner_offset)),
            min_annulus_area: self.min_annulus_area.or(Some(background.min_annulus_area)),
            max_outer_radius: self.max_outer_radius.or(Some(background.max_outer_radius)),
            min_usable_pixels: self.min_usable_pixels.or(Some(background.min_usable_pixels)),
            max_annulus_attempts: self.max_annulus_attempts.or(Some(background.max_annulus_attempts)),
            annulus_expansion_step: self.annulus_expansion_step.or(Some(background.annulus_expansion_step)),
            bg_sigma_clip_sigma: self.bg_sigma_clip_sigma.or(Some(background.clip_sigma)),
            bg_sigma_clip_maxiters: self.bg_sigma_clip_maxiters.or(Some(background.clip_iterations)),
            error_model: self.error_model.or(Some(error_model)),
            aperture_correction: self.aperture_correction.or(Some(false)),
            psf_flux: self.psf_flux.or(Some(false)),
            psf_fit_radius: self.psf_fit_radius.or(Some(psf_fit_radius)),
            sigma_threshold: self.sigma_threshold.or(Some(QualityOptions::default().sigma_threshold)),
            bad_flags: self.bad_flags.or(Some(bad_flags)),
            zodi: self.zodi.completed(),
            ..self
        }
    }

    /// Checks them.
    ///
    /// # Errors
    /// The first setting that is out of range, by its name.
    pub(crate) fn parameters(&self) -> anyhow::Result<PhotometryParameters> {
        let options = self.options();
        options.validate()?;
        let defaults = QualityOptions::default();
        let quality = QualityOptions {
            sigma_threshold: self.sigma_threshold.unwrap_or(defaults.sigma_threshold),
            bad_flags: options.bad_flags.clone(),
        };
        quality.validate()?;
        Ok(PhotometryParameters {
            options,
            quality,
            zodi: self.zodi.parameters()?,
            pixel_area: self.pixel_area,
            spectral_wcs: self.spectral_wcs.clone().unwrap_or_default(),
            solid_angle_map: self.solid_angle_map.clone().unwrap_or_default(),
        })
    }

    fn options(&self) -> PhotometryOptions {
        let PhotometryOptions { aperture, background, bad_flags, error_model, psf_fit_radius, .. } =
            PhotometryOptions::default();
        PhotometryOptions {
            aperture: ApertureOptions {
                method: self.aperture_method.unwrap_or(aperture.method),
                diameter: self.aperture_diameter.unwrap_or(aperture.diameter),
                fwhm_multiplier: self.fwhm_multiplier.unwrap_or(aperture.fwhm_multiplier),
            },
            background: BackgroundOptions {
                method: self.background_method.unwrap_or(background.method),
                window_size: self.window_size.map_or(background.window_size, |size| size.0),
                annulus_inner_offset: self.annulus_inner_offset.unwrap_or(background.annulus_inner_offset),
                min_annulus_area: self.min_annulus_area.unwrap_or(background.min_annulus_area),
                max_outer_radius: self.max_outer_radius.unwrap_or(background.max_outer_radius),
                min_usable_pixels: self.min_usable_pixels.unwrap_or(background.min_usable_pixels),
                max_annulus_attempts: self.max_annulus_attempts.unwrap_or(background.max_annulus_attempts),
                annulus_expansion_step: self
                    .annulus_expansion_step
                    .unwrap_or(background.annulus_expansion_step),
                clip_sigma: self.bg_sigma_clip_sigma.unwrap_or(background.clip_sigma),
                clip_iterations: self.bg_sigma_clip_maxiters.unwrap_or(background.clip_iterations),
            },
            bad_flags: self.bad_flags.clone().unwrap_or(bad_flags),
            error_model: self.error_model.unwrap_or(error_model),
            aperture_correction: self.aperture_correction.unwrap_or(false),
            psf_flux: self.psf_flux.unwrap_or(false),
            psf_fit_radius: self.psf_fit_radius.unwrap_or(psf_fit_radius),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_settings_are_the_defaults() {
        let settings = PhotometrySettings::default();
        assert_eq!(settings.options(), PhotometryOptions::default());
        assert_eq!(settings.completed().options(), PhotometryOptions::default());
    }

    #[test]
    fn windows_have_one_side_or_two() {
        let read = |text: &str| toml::from_str::<PhotometrySettings>(text).unwrap().window_size;
        assert_eq!(read("window_size = 30"), Some(WindowSize([30, 30])));
        assert_eq!(read("window_size = [30, 40]"), Some(WindowSize([30, 40])));
        assert_eq!("30,40".parse(), Ok(WindowSize([30, 40])));
        assert!("30,x".parse::<WindowSize>().is_err());
    }
}
