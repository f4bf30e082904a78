//! A spectral image with all that is known of it: celestial map, wavelength map, PSF, identity.
//! Every pipeline opens its images here.

use std::path::Path;

use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::foreground::{ForegroundFit, ResidualBin};
use spx_core::image::Metadata;
use spx_core::mef::MefFile;
use spx_core::release::{ExposureCalibration, FluxCorrection, ReleaseIdentity};
use spx_core::sky::Position;
use spx_photometry::PsfModel;
use spx_wcs::CelestialWcs;

use crate::calibration::{Calibration, FrameWavelengths};
use crate::held::HeldCutout;
use crate::inputs::{InputError, file_name, known_release};
use crate::psf::psf_model;

/// An opened image: its headers and maps are read, its pixels are not.
pub struct Frame {
    /// The file, with its metadata.
    pub file: MefFile,
    /// Where its pixels look, and at which wavelengths.
    pub maps: FrameMaps,
    /// What becomes of its flux scale when its pixels are read.
    pub flux_correction: FluxCorrection,
}

/// Where the pixels of a frame look.
#[derive(Debug)]
pub struct FrameMaps {
    /// Pixels to positions on the sky, and back.
    pub celestial: CelestialWcs,
    /// Wavelength and bandwidth at a position on the image.
    pub wave: FrameWavelengths,
}

/// What all measurements on one exposure have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExposureInfo {
    /// Identifier of the observation.
    pub obs_id: String,
    /// The detector, from 1 to 6.
    pub detector: u8,
    /// Middle of the exposure \[MJD, UTC\].
    pub mjd: f64,
    /// Name of the file.
    pub file: String,
    /// Release, version and processing.
    #[serde(default)]
    pub identity: ReleaseIdentity,
    /// What became of its flux scale.
    #[serde(default)]
    pub flux_correction: FluxCorrection,
    /// Pixel `[x, y]` of the full frame at which pixel (0, 0) lies.
    #[serde(default)]
    pub parent_offset: [f64; 2],
    /// How much of the cutout that was asked for the file holds; `None` where none was.
    #[serde(default)]
    pub cutout: Option<HeldCutout>,
    /// Card EXPIDN, where there is one.
    #[serde(default)]
    pub exposure_number: Option<i64>,
    /// What the zodiacal light was multiplied with; `None` where it was left in.
    pub zodi_scale: Option<f64>,
    /// Its statistical error, where it was fitted.
    #[serde(default)]
    pub zodi_scale_error: Option<f64>,
    /// The scale was not fitted to this exposure.
    pub zodi_not_fitted: bool,
    /// The bin of wavelength in which the sky, less the scaled model, stands out most from zero.
    #[serde(default)]
    pub zodi_residual: Option<ResidualBin>,
    /// What the user should know of the fit.
    #[serde(default)]
    pub zodi_remark: Option<String>,
}

impl Frame {
    /// Opens a file and makes its maps. Its pixels, when they are read, are on the flux scale of
    /// pipeline 7 where the calibration can bring them there.
    ///
    /// # Errors
    /// The file, the HDU and what is wrong there; a calibration product that is damaged.
    pub fn open(path: &Path, calibration: &Calibration) -> Result<Self, InputError> {
        let mut file = MefFile::open(path)?;
        known_release(file.metadata())?;
        let flux_correction = calibration.correct(&mut file)?;
        let metadata = file.metadata();
        let celestial = CelestialWcs::from_header(&metadata.header);
        let maps = FrameMaps {
            celestial: celestial.map_err(|e| InputError::wcs(path, &e))?,
            wave: calibration.wavelengths(metadata)?,
        };
        Ok(Self { file, maps, flux_correction })
    }

    /// How it is calibrated.
    pub fn calibration(&self) -> ExposureCalibration {
        let Self { flux_correction, maps, .. } = self;
        ExposureCalibration { flux_correction: *flux_correction, wavelength_source: maps.wave.source() }
    }

    /// Header, time, names of flags and more.
    pub fn metadata(&self) -> &Metadata {
        self.file.metadata()
    }

    /// What its measurements have in common, before the zodiacal light is fitted.
    ///
    /// # Errors
    /// Where the header does not say when the exposure was taken.
    pub fn exposure_info(&self) -> Result<ExposureInfo, InputError> {
        let metadata = self.metadata();
        let mjd = self.mid_exposure().ok_or_else(|| self.header_error(&"card MJD-AVG is missing"))?;
        Ok(ExposureInfo {
            obs_id: metadata.id.observation.clone(),
            detector: metadata.id.detector.number(),
            mjd,
            file: file_name(&metadata.path),
            identity: metadata.release(),
            flux_correction: self.flux_correction,
            parent_offset: self.parent_offset()?,
            cutout: None,
            exposure_number: metadata.header.optional_integer("EXPIDN").ok().flatten(),
            zodi_scale: None,
            zodi_scale_error: None,
            zodi_residual: None,
            zodi_not_fitted: false,
            zodi_remark: None,
        })
    }

    /// Middle of the exposure \[MJD\]: MJD-AVG, or the middle between MJD-BEG and MJD-END.
    pub fn mid_exposure(&self) -> Option<f64> {
        let time = self.metadata().time;
        time.average.or_else(|| Some(f64::midpoint(time.begin?, time.end?)))
    }

    /// Pixel of the full frame at which pixel (0, 0) of a cutout lies.
    ///
    /// # Errors
    /// Where the cards that say so are not as they should be.
    pub fn parent_offset(&self) -> Result<[f64; 2], InputError> {
        self.metadata().parent_offset().map_err(|e| self.header_error(&e))
    }

    /// A circle on the sky that holds the image: center, and radius \[deg\].
    ///
    /// # Errors
    /// Where the WCS gives no positions.
    pub fn circle(&self) -> Result<(Position, f64), InputError> {
        let metadata = self.metadata();
        let circle = self.maps.celestial.circle_around(metadata.shape);
        circle.ok_or_else(|| InputError::new(&metadata.path, "HDU IMAGE: its WCS gives no positions"))
    }

    /// The point spread functions of the file, `None` where it has none.
    ///
    /// # Errors
    /// Where they are not as they should be.
    pub fn psf(&mut self) -> Result<Option<PsfModel>, InputError> {
        let Some(data) = self.file.read_psf()? else { return Ok(None) };
        let model = psf_model(data, self.metadata().version.as_deref());
        model.map(Some).map_err(|e| InputError::new(&self.metadata().path, e))
    }

    fn header_error(&self, problem: &dyn std::fmt::Display) -> InputError {
        InputError::new(&self.metadata().path, format!("HDU IMAGE: {problem}"))
    }
}

impl ExposureInfo {
    /// Notes a fit of the zodiacal light; `None` where it is left in.
    pub fn set_zodi(&mut self, fit: Option<&ForegroundFit>) {
        self.zodi_scale = fit.map(|fit| fit.scale);
        self.zodi_scale_error = fit.and_then(|fit| fit.scale_error);
        self.zodi_not_fitted = fit.is_some_and(ForegroundFit::is_unfitted);
        self.zodi_residual = fit.and_then(|fit| fit.strongest_residual().copied());
        self.zodi_remark = fit.and_then(ForegroundFit::remark);
    }

    /// `D1` to `D6`.
    pub fn band(&self) -> Option<Detector> {
        Detector::new(self.detector.into()).ok()
    }
}
