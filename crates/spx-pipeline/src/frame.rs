//! A spectral image with all that is known of it: celestial map, wavelength map, PSF, identity. Every pipeline opens its
//! images here.

use std::path::Path;

use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::image::{Metadata, PsfData, PsfOrigin};
use spx_core::mef::MefFile;
use spx_core::sky::Position;
use spx_core::zodi::{ZodiFit, ZodiOutcome};
use spx_photometry::{PsfKind, PsfModel, regular_zones};
use spx_wcs::{CelestialWcs, WaveTable, WcsError};

use crate::inputs::{InputError, file_name};

/// Samples a pixel of the table EPSF.
const EPSF_OVERSAMPLING: f64 = 5.0;

/// An opened image: its headers and maps are read, its pixels are not.
pub struct Frame {
    /// The file, with its metadata.
    pub file: MefFile,
    /// Where its pixels look, and at which wavelengths.
    pub maps: FrameMaps,
}

/// Where the pixels of a frame look.
#[derive(Debug)]
pub struct FrameMaps {
    /// Pixels to positions on the sky, and back.
    pub celestial: CelestialWcs,
    /// Wavelength and bandwidth at a position on the image, by the table in the file.
    pub wave: WaveTable,
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
    /// What the zodiacal light was multiplied with; `None` where it was left in.
    pub zodi_scale: Option<f64>,
    /// The fit of that scale was not used, and it is 1.
    pub zodi_not_fitted: bool,
}

impl Frame {
    /// Opens a file and makes its maps.
    ///
    /// # Errors
    /// The file, the HDU and what is wrong there.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let file = MefFile::open(path)?;
        let metadata = file.metadata();
        let wcs = |e: WcsError| InputError::wcs(path, &e);
        let table = &metadata.wave_table;
        let maps = FrameMaps {
            celestial: CelestialWcs::from_header(&metadata.header).map_err(wcs)?,
            wave: WaveTable::new(&table.x, &table.y, &table.values, &metadata.header).map_err(wcs)?,
        };
        Ok(Self { file, maps })
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
            zodi_scale: None,
            zodi_not_fitted: false,
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
        let Some(PsfData { planes, side, origin }) = self.file.read_psf()? else { return Ok(None) };
        let model = match origin {
            PsfOrigin::Cube(header) => {
                PsfModel::from_cube(&header, self.metadata().version.as_deref(), planes, side)
            }
            PsfOrigin::Table(centres) => {
                let zones = planes.len() / (side * side);
                let columns = zones.isqrt();
                let regular = || regular_zones(columns, zones.div_ceil(columns), Detector::NPIX);
                let centres = centres.unwrap_or_else(regular);
                PsfModel::new(planes, side, EPSF_OVERSAMPLING, PsfKind::Effective, centres)
            }
        };
        model.map(Some).map_err(|e| InputError::new(&self.metadata().path, e))
    }

    fn header_error(&self, problem: &dyn std::fmt::Display) -> InputError {
        InputError::new(&self.metadata().path, format!("HDU IMAGE: {problem}"))
    }
}

impl ExposureInfo {
    /// Notes a fit of the zodiacal light; `None` where it is left in.
    pub fn set_zodi(&mut self, fit: Option<ZodiFit>) {
        self.zodi_scale = fit.map(|fit| fit.scale);
        self.zodi_not_fitted = fit.is_some_and(|fit| fit.outcome != ZodiOutcome::Fitted);
    }

    /// `D1` to `D6`.
    pub fn band(&self) -> Option<Detector> {
        Detector::new(self.detector.into()).ok()
    }
}
