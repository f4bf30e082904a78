//! How pipelines treat the foreground of an image: the zodiacal light, and airglow.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::foreground::{
    self, ExcludedCircle, ForegroundEstimator, ForegroundFit, ForegroundInput, ForegroundMode,
    ForegroundOptions,
};
use spx_core::image::{Metadata, PlaneViews};
use spx_core::map::WavelengthMap;
use spx_core::sky::Position;
use spx_wcs::CelestialWcs;

use crate::PipelineError;
use crate::settings::SettingHeading;

/// Settings of the foreground, which drizzle and photometry share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Background"))]
pub struct ZodiSettings {
    /// What is subtracted from each image: fit (the zodiacal model, scaled to the image; the
    /// default), static (the unscaled model), spectral (as fit, then the median residual by
    /// wavelength: airglow, but also uniform line emission of the sky), none
    #[schemars(with = "Option<String>")]
    #[schemars(extend("enum" = ["fit", "static", "spectral", "none"]))]
    pub background: Option<ForegroundMode>,
    /// Circles to leave out of the background, such as an extended source: right ascension and
    /// declination [deg, ICRS] and radius [arcsec] of each
    #[schemars(extend("examples" = [[186.4536, 33.5468, 400.0]], "x-value" = "RA,DEC,RADIUS"))]
    pub background_exclude: Option<Vec<f64>>,
    /// How the scale of the zodiacal light is estimated: robust, or ivm (raw inverse variances
    /// without clipping, as spxquery has it; biased low by about 1 %)
    #[schemars(with = "String")]
    #[schemars(extend("enum" = ["robust", "ivm"]))]
    pub zodi_fit: ForegroundEstimator,
    /// Subtract the zodiacal light; false is short for background = "none"
    pub subtract_zodi: bool,
    /// Subtract the unscaled model; short for background = "static"
    pub static_zodi: bool,
    /// Smallest share of background, among the pixels away from sources, for a fit (with zodi_fit =
    /// "ivm": among all pixels); with less the scale is the median of the run's other exposures,
    /// else 1
    #[schemars(range(min = 0, max = 1))]
    pub bg_fraction_min: f64,
    /// A fitted scale that is not above this is treated as if too few pixels were background
    pub zodi_scale_min: f64,
    /// A fitted scale that exceeds this is treated as if too few pixels were background
    pub zodi_scale_max: f64,
    /// Directory in which fitted scales are kept from run to run, for programs.
    #[serde(skip)]
    pub kept: Option<PathBuf>,
}

impl Default for ZodiSettings {
    fn default() -> Self {
        let ForegroundOptions { estimator, bg_fraction_min, scale_min, scale_max, .. } =
            ForegroundOptions::default();
        Self {
            background: None,
            background_exclude: None,
            zodi_fit: estimator,
            subtract_zodi: true,
            static_zodi: false,
            bg_fraction_min,
            zodi_scale_min: scale_min,
            zodi_scale_max: scale_max,
            kept: None,
        }
    }
}

impl ZodiSettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is out of range.
    pub fn treatment(&self) -> Result<ForegroundTreatment, PipelineError> {
        let Self { bg_fraction_min, zodi_scale_min: scale_min, zodi_scale_max: scale_max, .. } = *self;
        if !(0.0..=1.0).contains(&bg_fraction_min) {
            return Err(PipelineError::usage(format!(
                "bg_fraction_min = {bg_fraction_min} is not allowed: it must be from 0 to 1"
            )));
        }
        if scale_min.is_nan() || scale_max.is_nan() || scale_min >= scale_max {
            return Err(PipelineError::usage("zodi_scale_min must be below zodi_scale_max"));
        }
        let mode = match (self.background, self.subtract_zodi, self.static_zodi) {
            (Some(mode), true, false) => mode,
            (Some(_), ..) => {
                let problem = "background cannot be given together with subtract_zodi = false or static_zodi";
                return Err(PipelineError::usage(problem));
            }
            (None, false, _) => ForegroundMode::None,
            (None, true, true) => ForegroundMode::Static,
            (None, true, false) => ForegroundMode::Fit,
        };
        let options = ForegroundOptions {
            mode,
            estimator: self.zodi_fit,
            bg_fraction_min,
            scale_min,
            scale_max,
            ..ForegroundOptions::default()
        };
        let excluded = circles(self.background_exclude.as_deref())?;
        Ok(ForegroundTreatment { options, excluded, kept: self.kept.clone() })
    }
}

/// The circles of a list of right ascensions, declinations and radii.
fn circles(listed: Option<&[f64]>) -> Result<Vec<ExcludedRegion>, PipelineError> {
    let listed = listed.unwrap_or_default();
    let (circles, rest) = listed.as_chunks::<3>();
    if !rest.is_empty() {
        let count = listed.len();
        let problem =
            format!("background_exclude has {count} numbers: expected RA,DEC,RADIUS of each circle");
        return Err(PipelineError::usage(problem));
    }
    let circle = |&[ra, dec, radius]: &[f64; 3]| {
        if !(radius > 0.0 && radius.is_finite()) {
            let problem = format!("background_exclude: the radius {radius} is not above 0");
            return Err(PipelineError::usage(problem));
        }
        Ok(ExcludedRegion { center: Position::new(ra, dec).map_err(PipelineError::usage)?, radius })
    };
    circles.iter().map(circle).collect()
}

/// A circle on the sky that is no background.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExcludedRegion {
    /// Its center.
    pub center: Position,
    /// \[arcsec\]
    pub radius: f64,
}

/// How the foreground is treated.
#[derive(Debug, Clone, PartialEq)]
pub struct ForegroundTreatment {
    /// What is subtracted, and how it is found.
    pub options: ForegroundOptions,
    /// Regions that are no background.
    pub excluded: Vec<ExcludedRegion>,
    /// Directory in which fitted scales are kept from run to run.
    pub kept: Option<PathBuf>,
}

/// What is subtracted from an image.
#[derive(Debug)]
pub struct FittedForeground {
    /// How it was found.
    pub fit: ForegroundFit,
    /// All of it [MJy/sr], where it is more than the scaled plane ZODI.
    pub plane: Option<Vec<f32>>,
}

impl ForegroundTreatment {
    /// Whether pixels have to be looked at.
    pub fn looks_at_pixels(&self) -> bool {
        matches!(self.options.mode, ForegroundMode::Fit | ForegroundMode::Spectral)
    }

    /// Finds the foreground of an image; `None` where nothing is subtracted.
    pub fn fit(
        &self,
        metadata: &Metadata,
        planes: PlaneViews<'_>,
        celestial: &CelestialWcs,
        wavelengths: &dyn WavelengthMap,
    ) -> Option<FittedForeground> {
        let scale = celestial.linear_pixel_area().sqrt();
        let on_image = |region: &ExcludedRegion| {
            let center = celestial.sky_to_pixel(region.center)?;
            Some(ExcludedCircle { center, radius: region.radius / scale })
        };
        let excluded: Vec<ExcludedCircle> = self.excluded.iter().filter_map(on_image).collect();
        let input = ForegroundInput {
            shape: metadata.shape,
            planes,
            flag_names: &metadata.flag_names,
            detector: metadata.id.detector,
            wavelengths,
            excluded: &excluded,
        };
        let fit = foreground::fit(&input, &self.options)?;
        let plane = fit.spectrum.is_some().then(|| fit.plane(&input));
        Some(FittedForeground { fit, plane })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_switches_are_short_for_the_background() {
        let mode = |settings: ZodiSettings| settings.treatment().map(|t| t.options.mode).ok();
        let defaults = ZodiSettings::default();
        assert_eq!(mode(defaults.clone()), Some(ForegroundMode::Fit));
        assert_eq!(
            mode(ZodiSettings { static_zodi: true, ..defaults.clone() }),
            Some(ForegroundMode::Static)
        );
        let none = ZodiSettings { subtract_zodi: false, ..defaults.clone() };
        assert_eq!(mode(none.clone()), Some(ForegroundMode::None));
        let spectral = Some(ForegroundMode::Spectral);
        assert_eq!(mode(ZodiSettings { background: spectral, ..defaults }), spectral);
        assert_eq!(mode(ZodiSettings { background: spectral, ..none }), None);
    }

    #[test]
    fn circles_are_checked() {
        let of = |numbers: &[f64]| circles(Some(numbers)).map(|circles| circles.len());
        assert_eq!(of(&[]).ok(), Some(0));
        assert_eq!(of(&[10.0, 20.0, 30.0, 40.0, 50.0, 60.0]).ok(), Some(2));
        for bad in [&[10.0][..], &[10.0, 95.0, 3.0], &[10.0, 20.0, 0.0]] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
