//! Settings of photometry, wherever it is done.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::flags::FlagSelection;
use spx_photometry::{
    ApertureMethod, ApertureOptions, BackgroundMethod, BackgroundOptions, ErrorModel, FlagRule, FwhmSource,
    PhotometryOptions, PsfZones, QualityOptions, SceneBackground, SceneOptions,
};

use super::neighbors::NeighborSettings;
use super::source::SourceSettings;
use crate::PipelineError;
use crate::calibration::{CalibrationPaths, CalibrationSettings};
use crate::flag_selection::required as text;
use crate::settings::SettingHeading;
use crate::zodi::{ForegroundTreatment, ZodiSettings};

/// Settings that photometry of one source, of files and of a catalog share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Photometry"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[px]` is a unit")]
pub struct PhotometrySettings {
    /// How the flux is measured: aperture, psf (the point spread function fitted to the source
    /// alone) or scene (to all sources of the image together); by default aperture, or scene with
    /// neighbors
    pub method: Option<MeasurementMethod>,
    /// Background of a fit (psf, scene): none, or a constant or a plane in each patch, or nodes
    /// (values at the corners of patches, bilinear between them)
    #[schemars(with = "String", extend("enum" = ["none", "constant", "plane", "nodes"]))]
    pub scene_background: SceneBackground,
    /// Side of the patches of the background of a fit [px]
    #[schemars(range(min = 8), extend("x-value" = "PX"))]
    pub scene_patch: usize,
    /// Size of the aperture: fixed, or a multiple of the FWHM of the PSF
    #[schemars(with = "String", extend("enum" = ["fixed", "fwhm"]))]
    pub aperture_method: ApertureMethod,
    /// Where the FWHM comes from: psf (measured on the PSF at the source, the same for both
    /// releases) or card (PSF_FWHM, as spxquery)
    #[schemars(with = "String", extend("enum" = ["psf", "card"]))]
    pub aperture_fwhm: FwhmSource,
    /// Diameter of a fixed aperture, and where no FWHM is known [px]
    #[schemars(extend("x-value" = "PX", "exclusiveMinimum" = 0))]
    pub aperture_diameter: f64,
    /// Diameter of the aperture in units of the FWHM
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub fwhm_multiplier: f64,
    /// Region of the background
    #[schemars(with = "String", extend("enum" = ["annulus", "window"]))]
    pub background_method: BackgroundMethod,
    /// Side of the window, or HEIGHT,WIDTH [px]
    #[schemars(with = "serde_json::Value", extend("x-value" = "PX"))]
    pub window_size: WindowSize,
    /// Distance between the aperture and the annulus [px]
    #[schemars(range(min = 0), extend("x-value" = "PX"))]
    pub annulus_inner_offset: f64,
    /// Area of the annulus before it grows [px^2]
    #[schemars(extend("x-value" = "PX2", "exclusiveMinimum" = 0))]
    pub min_annulus_area: f64,
    /// Largest outer radius of the annulus [px]
    #[schemars(extend("x-value" = "PX", "exclusiveMinimum" = 0))]
    pub max_outer_radius: f64,
    /// Number of usable pixels that a background needs
    #[schemars(range(min = 1))]
    pub min_usable_pixels: usize,
    /// Maximum number of times the annulus may grow
    pub max_annulus_attempts: usize,
    /// Step by which the outer radius of the annulus grows [px]
    #[schemars(extend("x-value" = "PX", "exclusiveMinimum" = 0))]
    pub annulus_expansion_step: f64,
    /// Clip background pixels that are farther than this from the mean [standard deviations]
    #[schemars(range(min = 1))]
    pub bg_sigma_clip_sigma: f64,
    /// Maximum number of clipping iterations
    pub bg_sigma_clip_maxiters: usize,
    /// Propagation of errors: independent (that of independent pixels) or overlap (as photutils and
    /// spxquery; too large for apertures of few pixels)
    #[schemars(with = "String", extend("enum" = ["overlap", "independent"]))]
    pub error_model: ErrorModel,
    /// Solid angle of the pixel: local (from the full WCS at the source), constant (without
    /// distortion) or map (the calibration product); by default the map where there is one, else
    /// local
    pub pixel_area: Option<PixelArea>,
    /// Correct to the flux of the whole source, by the PSF: add the light outside the aperture, and
    /// remove the source's light from its own background
    pub aperture_correction: bool,
    /// Leave bad pixels out of the aperture and restore their light with the PSF
    pub fill_bad_pixels: bool,
    /// Maximum fraction of the source's light on pixels that are left out
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub max_masked_fraction: f64,
    /// Also measure the PSF-weighted flux, over the background of the aperture
    pub psf_flux: bool,
    /// Radius of the pixels used for the PSF-weighted flux and in fits [px]
    #[schemars(extend("x-value" = "PX", "exclusiveMinimum" = 0))]
    pub psf_fit_radius: f64,
    /// Interpolation of the PSF between the centers of its zones: bilinear or nearest
    #[schemars(with = "String", extend("enum" = ["bilinear", "nearest"]))]
    pub psf_zone: PsfZones,

    /// Minimum signal-to-noise ratio of a detection
    #[schemars(range(min = 0), extend("x-heading" = "Quality"))]
    pub sigma_threshold: f64,
    /// Flags of pixels that are left out of background and flux, or else mark a measurement as bad:
    /// bit numbers and names, or a preset: photometry (those of IRSA's mosaicker, OVERFLOW and
    /// OUTLIER), mosaic (irsa), spxquery, none
    #[serde(with = "text")]
    #[schemars(with = "serde_json::Value", extend("x-heading" = "Quality", "x-value" = "LIST|PRESET"))]
    pub bad_flags: FlagSelection,
    /// Pixels whose flags are combined in a measurement: overlap (all pixels that the aperture
    /// touches) or center (pixels whose centers lie in it, as spxquery)
    #[schemars(with = "String", extend("enum" = ["overlap", "center"], "x-heading" = "Quality"))]
    pub flag_rule: FlagRule,

    /// Wavelengths and flux scale.
    #[serde(flatten)]
    pub calibration: CalibrationSettings,
    /// Calibration products solid_angle_pixel_map, files or directories that hold them
    #[schemars(extend("x-heading" = "Calibration", "x-value" = "PATH"))]
    pub solid_angle_map: Option<Vec<PathBuf>>,
    /// Calibration products epsf, files or directories that hold them: the PSF of images of both
    /// releases
    #[schemars(extend("x-heading" = "Calibration", "x-value" = "PATH"))]
    pub epsf: Option<Vec<PathBuf>>,

    /// The zodiacal light.
    #[serde(flatten)]
    pub zodi: ZodiSettings,
}

/// How a flux is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MeasurementMethod {
    /// The sum over a circle, less a local background.
    #[default]
    Aperture,
    /// The point spread function is fitted to the source alone.
    Psf,
    /// It is fitted to all sources of the image together.
    Scene,
}

impl MeasurementMethod {
    /// The name in settings and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aperture => "aperture",
            Self::Psf => "psf",
            Self::Scene => "scene",
        }
    }
}

/// Where the solid angle of a pixel comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PixelArea {
    /// The Jacobian of the full WCS at the source.
    Local,
    /// The matrix of the WCS alone, as spxquery has it.
    Constant,
    /// The calibration product.
    Map,
}

impl PixelArea {
    /// The name in settings and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Constant => "constant",
            Self::Map => "map",
        }
    }
}

/// `[height, width]` of a window \[px\]. One number stands for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WindowForm")]
pub struct WindowSize(pub [usize; 2]);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of pixels, or HEIGHT,WIDTH")]
enum WindowForm {
    Side(usize),
    Sides([usize; 2]),
    Text(#[serde(with = "text")] WindowText),
}

/// As a command line gives it.
struct WindowText([usize; 2]);

impl std::str::FromStr for WindowText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (height, width) = text.split_once(',').unwrap_or((text, text));
        let side = |text: &str| text.trim().parse().map_err(|_| "expected PX or HEIGHT,WIDTH".to_owned());
        Ok(Self([side(height)?, side(width)?]))
    }
}

impl From<WindowForm> for WindowSize {
    fn from(form: WindowForm) -> Self {
        match form {
            WindowForm::Side(side) => Self([side; 2]),
            WindowForm::Sides(sides) | WindowForm::Text(WindowText(sides)) => Self(sides),
        }
    }
}

/// Settings of photometry that have been checked.
#[derive(Debug, Clone)]
pub struct PhotometryParameters {
    /// What a flux is.
    pub method: MeasurementMethod,
    /// How it is measured in an aperture.
    pub options: PhotometryOptions,
    /// How it is fitted.
    pub scene: SceneOptions,
    /// What makes a measurement good.
    pub quality: QualityOptions,
    /// What becomes of the zodiacal light.
    pub zodi: ForegroundTreatment,
    /// `None` for the map where there is one, else the local one.
    pub pixel_area: Option<PixelArea>,
    /// Where calibration products are.
    pub calibration: CalibrationPaths,
}

impl PhotometryParameters {
    /// Whether a PSF is of use where there is one.
    pub fn wants_psf(&self) -> bool {
        self.method != MeasurementMethod::Aperture || self.options.wants_psf()
    }

    /// How sources are measured, line by line, for people.
    pub(crate) fn chosen(&self) -> [String; 3] {
        let Self { method, options, scene, zodi, pixel_area, .. } = self;
        let (aperture, background) = (&options.aperture, &options.background);
        let (how, around) = match (method, aperture.method) {
            (MeasurementMethod::Psf | MeasurementMethod::Scene, _) => {
                (format!("pixels within {} px", scene.fit_radius), scene.background.to_string())
            }
            (MeasurementMethod::Aperture, ApertureMethod::Fwhm) => {
                let how = format!("{} FWHM of the {} wide", aperture.fwhm_multiplier, aperture.fwhm_source);
                (how, background.method.to_string())
            }
            (MeasurementMethod::Aperture, ApertureMethod::Fixed) => {
                (format!("{} px wide", aperture.diameter), background.method.to_string())
            }
        };
        let (method, flags) = (method.name(), &options.bad_flags);
        let area = pixel_area.map_or("map where there is one, else local", PixelArea::name);
        [
            format!("photometry: {method}, {how}; background {around}; bad flags {flags}"),
            format!("zodiacal light: {}", zodi.options.mode),
            format!("pixel area: {area}"),
        ]
    }
}

impl Default for PhotometrySettings {
    fn default() -> Self {
        let defaults = PhotometryOptions::default();
        let PhotometryOptions { aperture, background, bad_flags, error_model, psf_fit_radius, .. } =
            defaults.clone();
        let scene = SceneOptions::default();
        Self {
            method: None,
            scene_background: scene.background,
            scene_patch: scene.patch,
            aperture_method: aperture.method,
            aperture_fwhm: aperture.fwhm_source,
            aperture_diameter: aperture.diameter,
            fwhm_multiplier: aperture.fwhm_multiplier,
            background_method: background.method,
            window_size: WindowSize(background.window_size),
            annulus_inner_offset: background.annulus_inner_offset,
            min_annulus_area: background.min_annulus_area,
            max_outer_radius: background.max_outer_radius,
            min_usable_pixels: background.min_usable_pixels,
            max_annulus_attempts: background.max_annulus_attempts,
            annulus_expansion_step: background.annulus_expansion_step,
            bg_sigma_clip_sigma: background.clip_sigma,
            bg_sigma_clip_maxiters: background.clip_iterations,
            error_model,
            pixel_area: None,
            aperture_correction: defaults.aperture_correction,
            fill_bad_pixels: defaults.fill_bad_pixels,
            max_masked_fraction: defaults.max_masked_fraction,
            psf_flux: defaults.psf_flux,
            psf_fit_radius,
            psf_zone: defaults.psf_zones,
            sigma_threshold: QualityOptions::default().sigma_threshold,
            bad_flags,
            flag_rule: defaults.flag_rule,
            calibration: CalibrationSettings::default(),
            solid_angle_map: None,
            epsf: None,
            zodi: ZodiSettings::default(),
        }
    }
}

impl PhotometrySettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is out of range.
    pub fn parameters(&self) -> Result<PhotometryParameters, PipelineError> {
        let (options, scene) = (self.options(), self.scene());
        options.validate().map_err(PipelineError::usage)?;
        let method = self.method.unwrap_or_default();
        if method != MeasurementMethod::Aperture {
            scene.validate().map_err(PipelineError::usage)?;
        }
        let quality = QualityOptions { sigma_threshold: self.sigma_threshold };
        quality.validate().map_err(PipelineError::usage)?;
        Ok(PhotometryParameters {
            method,
            options,
            scene,
            quality,
            zodi: self.zodi.treatment()?,
            pixel_area: self.pixel_area,
            calibration: CalibrationPaths {
                solid_angle_map: self.solid_angle_map.clone().unwrap_or_default(),
                epsf: self.epsf.clone().unwrap_or_default(),
                ..self.calibration.paths()
            },
        })
    }

    /// Checks the settings, for a source: with neighbors or a shape the method is scene.
    ///
    /// # Errors
    /// Usage, naming the first setting that is out of range; where a method is asked for that does
    /// not fit.
    pub fn parameters_of(&self, source: &SourceSettings) -> Result<PhotometryParameters, PipelineError> {
        let has_shape = source.sersic.is_some();
        if has_shape && self.method == Some(MeasurementMethod::Aperture) {
            return Err(PipelineError::usage("galaxies are fitted only by method = scene or psf"));
        }
        let method = self.method.or(has_shape.then_some(MeasurementMethod::Scene));
        Self { method, ..self.clone() }.parameters_with(&source.neighbors)
    }

    /// Checks the settings: with neighbors the method is scene.
    ///
    /// # Errors
    /// Usage, naming the first setting that is out of range; where another method is asked for.
    pub fn parameters_with(
        &self,
        neighbors: &NeighborSettings,
    ) -> Result<PhotometryParameters, PipelineError> {
        let (scene, has_neighbors) = (MeasurementMethod::Scene, neighbors.neighbors.is_some());
        if has_neighbors && self.method.is_some_and(|method| method != scene) {
            return Err(PipelineError::usage("neighbors are fitted only by method = scene"));
        }
        let method = if has_neighbors { Some(scene) } else { self.method };
        Self { method, ..self.clone() }.parameters()
    }

    /// What shapes a measurement, line by line (`key = value`), for the heads of tables;
    /// calibration products count by their names, which the heads have, too.
    ///
    /// # Errors
    /// None that is known of.
    pub fn lines(&self) -> Result<Vec<String>, PipelineError> {
        let mut table = toml::Table::try_from(self)?;
        for key in CalibrationSettings::PLACES.into_iter().chain(["solid_angle_map", "epsf"]) {
            table.remove(key);
        }
        Ok(table.iter().map(|(key, value)| format!("{key} = {value}")).collect())
    }

    fn scene(&self) -> SceneOptions {
        SceneOptions {
            bad_flags: self.bad_flags.clone(),
            fit_radius: self.psf_fit_radius,
            background: self.scene_background,
            patch: self.scene_patch,
            least_fraction: 1.0 - self.max_masked_fraction,
            ..SceneOptions::default()
        }
    }

    fn options(&self) -> PhotometryOptions {
        PhotometryOptions {
            aperture: ApertureOptions {
                method: self.aperture_method,
                fwhm_source: self.aperture_fwhm,
                diameter: self.aperture_diameter,
                fwhm_multiplier: self.fwhm_multiplier,
            },
            background: BackgroundOptions {
                method: self.background_method,
                window_size: self.window_size.0,
                annulus_inner_offset: self.annulus_inner_offset,
                min_annulus_area: self.min_annulus_area,
                max_outer_radius: self.max_outer_radius,
                min_usable_pixels: self.min_usable_pixels,
                max_annulus_attempts: self.max_annulus_attempts,
                annulus_expansion_step: self.annulus_expansion_step,
                clip_sigma: self.bg_sigma_clip_sigma,
                clip_iterations: self.bg_sigma_clip_maxiters,
            },
            bad_flags: self.bad_flags.clone(),
            flag_rule: self.flag_rule,
            fill_bad_pixels: self.fill_bad_pixels,
            max_masked_fraction: self.max_masked_fraction,
            error_model: self.error_model,
            aperture_correction: self.aperture_correction,
            psf_flux: self.psf_flux,
            psf_fit_radius: self.psf_fit_radius,
            psf_zones: self.psf_zone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_settings_are_the_default_options() {
        assert_eq!(PhotometrySettings::default().options(), PhotometryOptions::default());
    }

    #[test]
    fn windows_have_one_side_or_two() {
        let read = |text: &str| toml::from_str::<PhotometrySettings>(text).map(|s| s.window_size.0);
        assert_eq!(read("window_size = 30").unwrap(), [30, 30]);
        assert_eq!(read("window_size = [30, 40]").unwrap(), [30, 40]);
        assert_eq!(read("window_size = '30,40'").unwrap(), [30, 40]);
        assert!(read("window_size = '30,x'").is_err());
    }
}
