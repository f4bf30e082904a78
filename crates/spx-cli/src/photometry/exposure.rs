//! One exposure, read once, on which sources are measured one after another.
//!
//! A pipeline of one source and one of a million use it alike:
//!
//! 1. [`Setup`] is made once for a run;
//! 2. [`Exposure::open`] makes the maps of a file, [`OpenExposure::read`] goes over its pixels once: the zodiacal light is
//!    fitted and the variances are checked;
//! 3. [`Exposure::photometer`] borrows it, checks it, and resolves flags by their names in the file;
//! 4. [`ExposurePhotometer::measure`] gives a [`Row`] of numbers for a target, or the reason why there is none. It
//!    allocates nothing, costs the pixels around the target, and may be called from several threads at once, each with a
//!    [`Scratch`] of its own; what it gives does not depend on the order.
//! 5. [`Exposure::into_buffers`] gives the memory back for the next file.

use std::path::Path;

use spx_core::detector::Detector;
use spx_core::image::{Metadata, PixelPlanes, PsfData, PsfOrigin};
use spx_core::map::WavelengthMap as _;
use spx_core::mef::{MefFile, WholeImage};
use spx_core::sky::Position;
use spx_core::zodi::{ZodiFit, ZodiOutcome, ZodiSums};
use spx_photometry::{
    ImageView, NoMeasurement, Photometer, ProperMotion, PsfKind, PsfModel, QualityCriteria, Scratch,
    SourceOnImage, check_place, check_variances, regular_zones,
};
use spx_wcs::{CelestialWcs, WaveTable};

use super::calibration::{Calibration, Loaded, Product};
use super::row::{Circumstances, ExposureInfo, Row, WavelengthSource};
use super::settings::{PhotometryParameters, PixelArea};
use spx_pipeline::inputs::{InputError, file_name, wave_table};
use spx_pipeline::zodi::ZodiTreatment;

/// Samples a pixel of the table EPSF.
const EPSF_OVERSAMPLING: f64 = 5.0;

/// What all exposures of a run have in common.
pub(crate) struct Setup {
    pub(crate) parameters: PhotometryParameters,
    pub(crate) calibration: Calibration,
}

impl Setup {
    /// Looks for the calibration products that the parameters name, or else in a mirror.
    ///
    /// # Errors
    /// Where a path does not exist, or a file that is named does not say its detector.
    pub(crate) fn new(parameters: PhotometryParameters, mirror: Option<&Path>) -> anyhow::Result<Self> {
        let calibration = Calibration::find(&parameters.spectral_wcs, &parameters.solid_angle_map, mirror)?;
        Ok(Self { parameters, calibration })
    }
}

/// A source on the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Target {
    /// At the epoch of the motion, where it has one.
    pub(crate) position: Position,
    pub(crate) motion: Option<ProperMotion>,
}

impl Target {
    /// Where it is at a time \[MJD\]; `None` for a motion that is not finite.
    pub(crate) fn position_at(&self, mjd: f64) -> Option<Position> {
        match &self.motion {
            None => Some(self.position),
            Some(motion) => motion.position_at(self.position, mjd).ok(),
        }
    }
}

/// An exposure whose pixels were gone over.
pub(crate) struct Exposure {
    info: ExposureInfo,
    maps: Maps,
    image: WholeImage,
    psf: Option<PsfModel>,
}

/// An exposure whose pixels are not yet read.
pub(crate) struct OpenExposure {
    file: MefFile,
    maps: Maps,
    info: ExposureInfo,
}

/// Where and when the pixels of an exposure look.
struct Maps {
    celestial: CelestialWcs,
    wave: WaveTable,
    /// Middle of the exposure \[MJD\].
    mjd: f64,
    /// Pixel of the full frame of pixel (0, 0).
    parent_offset: [f64; 2],
}

impl OpenExposure {
    /// What is known of it so far.
    pub(crate) fn info(&self) -> &ExposureInfo {
        &self.info
    }

    /// A circle on the sky that holds it: centre, and radius \[deg\].
    ///
    /// # Errors
    /// Where the WCS gives no positions.
    pub(crate) fn circle(&self) -> Result<(Position, f64), InputError> {
        let metadata = self.file.metadata();
        let circle = self.maps.celestial.circle_around(metadata.shape);
        circle.ok_or_else(|| InputError::new(&metadata.path, "HDU IMAGE: its WCS gives no positions"))
    }

    /// Sees whether a target lies on the image, before any pixel is read.
    ///
    /// # Errors
    /// The reason why it cannot be measured.
    pub(crate) fn check_place(&self, target: &Target) -> Result<(), NoMeasurement> {
        let place = self.maps.place(target).map_or([f64::NAN; 2], |(_, pixel)| pixel);
        check_place(place, self.file.metadata().shape)
    }

    /// Goes over the pixels once: fits the zodiacal light where that is asked for, and checks the variances. Pixels that
    /// do not stand in the file as plain numbers are read into the memory of `reuse`.
    ///
    /// # Errors
    /// The file, the HDU and what is wrong there.
    pub(crate) fn read(self, setup: &Setup, reuse: PixelPlanes) -> Result<Exposure, InputError> {
        let Self { mut file, maps, mut info } = self;
        let path = file.metadata().path.clone();
        let options = &setup.parameters.options;
        let psf = match options.aperture_correction || options.psf_flux {
            true => psf_model(&path, &mut file)?,
            false => None,
        };
        let image = file.whole(reuse)?;
        info.set_zodi(go_over(&image, setup.parameters.zodi)?);
        Ok(Exposure { info, maps, image, psf })
    }
}

impl Exposure {
    /// Opens a file and makes its maps; no pixel is read.
    ///
    /// # Errors
    /// The file, the HDU and what is wrong there.
    pub(crate) fn open(path: &Path) -> Result<OpenExposure, InputError> {
        let file = MefFile::open(path)?;
        let maps = Maps::new(path, file.metadata())?;
        let info = ExposureInfo::new(&file.metadata().id, file_name(path), maps.mjd);
        Ok(OpenExposure { file, maps, info })
    }

    /// What its rows have in common.
    pub(crate) fn info(&self) -> &ExposureInfo {
        &self.info
    }

    /// The memory of the pixels, for the next exposure.
    ///
    /// # Errors
    /// Where the file was shortened while it was read, or the disk failed.
    pub(crate) fn into_memory(self) -> Result<PixelPlanes, InputError> {
        Ok(self.image.into_memory()?)
    }

    /// Prepares to measure.
    ///
    /// # Errors
    /// Where a flag has no name in this file, a pixel without a flag has no valid variance, a PSF is needed and there is
    /// none, or a calibration product is missing or cannot be read.
    pub(crate) fn photometer<'a>(&'a self, setup: &'a Setup) -> Result<ExposurePhotometer<'a>, InputError> {
        let metadata = self.image.metadata();
        let failed = |e: &dyn std::fmt::Display| InputError::new(&metadata.path, e);
        let parameters = &setup.parameters;
        let view = ImageView::new(metadata, self.image.views(), self.info.zodi_scale);
        let view = ImageView { checked: true, ..view.map_err(|e| failed(&e))? };
        let photometer = Photometer::new(view, &parameters.options, self.psf.as_ref());
        let photometer = photometer.map_err(|e| failed(&e))?;
        let criteria = parameters.quality.resolve(&metadata.flag_names).map_err(|e| failed(&e))?;
        let calibration = &setup.calibration;
        let load =
            |product: Option<&'a Product>| product.map(Product::load).transpose().map_err(|e| failed(&e));
        let areas = match parameters.pixel_area {
            None | Some(PixelArea::Map) => load(calibration.areas(metadata.id.detector))?,
            Some(PixelArea::Local | PixelArea::Constant) => None,
        };
        if parameters.pixel_area == Some(PixelArea::Map) && areas.is_none() {
            return Err(failed(&format!("there is no solid_angle_pixel_map of {}", metadata.id.detector)));
        }
        let wavelengths = load(calibration.wavelengths(metadata.id.detector))?;
        Ok(ExposurePhotometer {
            maps: &self.maps,
            photometer,
            criteria,
            wavelengths,
            areas,
            pixel_area: parameters.pixel_area,
        })
    }
}

impl Maps {
    fn new(path: &Path, metadata: &Metadata) -> Result<Self, InputError> {
        let header = |e: &dyn std::fmt::Display| InputError::new(path, format!("HDU IMAGE: {e}"));
        let wcs = |e: spx_wcs::WcsError| InputError::wcs(path, &e);
        Ok(Self {
            celestial: CelestialWcs::from_header(&metadata.header).map_err(wcs)?,
            wave: wave_table(metadata).map_err(wcs)?,
            mjd: mid_exposure(metadata).ok_or_else(|| header(&"card MJD-AVG is missing"))?,
            parent_offset: metadata.parent_offset().map_err(|e| header(&e))?,
        })
    }

    /// Where a target stands at the time of the exposure, on the sky and on the image.
    fn place(&self, target: &Target) -> Option<(Position, [f64; 2])> {
        let position = target.position_at(self.mjd)?;
        Some((position, self.celestial.sky_to_pixel(position)?))
    }
}

/// An exposure on which sources can be measured.
pub(crate) struct ExposurePhotometer<'a> {
    maps: &'a Maps,
    photometer: Photometer<'a>,
    criteria: QualityCriteria,
    wavelengths: Option<Loaded<'a>>,
    areas: Option<Loaded<'a>>,
    pixel_area: Option<PixelArea>,
}

impl ExposurePhotometer<'_> {
    /// Measures a target where it was at the time of the exposure.
    ///
    /// # Errors
    /// The reason why there is no measurement.
    pub(crate) fn measure(&self, target: &Target, scratch: &mut Scratch) -> Result<Row, NoMeasurement> {
        let off = NoMeasurement::OffImage { x: f64::NAN, y: f64::NAN };
        let (position, [x, y]) = self.maps.place(target).ok_or(off)?;
        let parent = [x + self.maps.parent_offset[0], y + self.maps.parent_offset[1]];
        let (passband, wavelength_source) = match self.wavelengths.and_then(|map| map.passband(parent)) {
            Some(passband) => (passband, WavelengthSource::Calibration),
            None => (self.maps.wave.passband(x, y), WavelengthSource::Table),
        };
        let (pixel_area, pixel_area_source) = self.area([x, y], parent);
        let source = SourceOnImage { position: [x, y], pixel_area, passband };
        let measured = self.photometer.measure(&source, scratch)?;
        let quality = self.criteria.classify(&measured);
        Ok(Row::new(&measured, Circumstances { position, wavelength_source, pixel_area_source, quality }))
    }

    /// The solid angle of the pixel [arcsec^2]; NaN where the map was asked for and has no value there.
    fn area(&self, [x, y]: [f64; 2], parent: [f64; 2]) -> (f64, PixelArea) {
        let of_map = self.areas.and_then(|map| map.area(parent));
        match (self.pixel_area, of_map) {
            (Some(PixelArea::Constant), _) => (self.maps.celestial.linear_pixel_area(), PixelArea::Constant),
            (Some(PixelArea::Map), area) => (area.unwrap_or(f64::NAN), PixelArea::Map),
            (None, Some(area)) => (area, PixelArea::Map),
            (Some(PixelArea::Local) | None, _) => (self.maps.celestial.pixel_area(x, y), PixelArea::Local),
        }
    }
}

/// Looks at every pixel once: checks the variances, and fits the zodiacal light; `None` where that stays in.
fn go_over(image: &WholeImage, zodi: ZodiTreatment) -> Result<Option<ZodiFit>, InputError> {
    let metadata = image.metadata();
    let [_, nx] = metadata.shape;
    let mut sums = ZodiSums::new(metadata.shape, &metadata.flag_names);
    let mut good = true;
    for (first, rows) in image.blocks() {
        if let ZodiTreatment::Fit(_) = zodi {
            sums.add(first, rows);
        }
        good &= check_variances(nx, first, rows.flags, rows.variance).is_ok();
    }
    if !good {
        let all = image.views();
        check_variances(nx, 0, all.flags, all.variance).map_err(|e| InputError::new(&metadata.path, e))?;
    }
    Ok(match zodi {
        ZodiTreatment::Fit(options) => Some(sums.fit(&options)),
        ZodiTreatment::Static => Some(ZodiFit { scale: 1.0, outcome: ZodiOutcome::Fitted }),
        ZodiTreatment::Keep => None,
    })
}

/// MJD-AVG, or the middle between MJD-BEG and MJD-END.
fn mid_exposure(metadata: &Metadata) -> Option<f64> {
    let time = metadata.time;
    time.average.or_else(|| Some(f64::midpoint(time.begin?, time.end?)))
}

/// The point spread functions of a file, `None` where it has none.
fn psf_model(path: &Path, file: &mut MefFile) -> Result<Option<PsfModel>, InputError> {
    let Some(PsfData { planes, side, origin }) = file.read_psf()? else { return Ok(None) };
    let model = match origin {
        PsfOrigin::Cube(header) => {
            PsfModel::from_cube(&header, file.metadata().version.as_deref(), planes, side)
        }
        PsfOrigin::Table(centres) => {
            let zones = planes.len() / (side * side);
            let columns = zones.isqrt();
            let regular = || regular_zones(columns, zones.div_ceil(columns), Detector::NPIX);
            let centres = centres.unwrap_or_else(regular);
            PsfModel::new(planes, side, EPSF_OVERSAMPLING, PsfKind::Effective, centres)
        }
    };
    model.map(Some).map_err(|e| InputError::new(path, e))
}

#[cfg(test)]
mod tests {
    use spx_core::pixels::Pixels;
    use spx_sim::{
        ExposureOptions, FieldOptions, FrameExtent, PixelWindow, SimulatedSky, SurveyOptions, observe,
        survey, write_mef,
    };

    use super::*;
    use crate::photometry::settings::PhotometrySettings;

    /// Pixels in the file and pixels in memory give the same to the last bit; NaN variances are repaired in both.
    #[test]
    fn plain_and_gzipped_files_are_measured_alike() {
        let centre = Position::new(186.4536, 33.5468).unwrap();
        let sky = SimulatedSky::field(centre, 0.4, 60, 7, &FieldOptions::default()).unwrap();
        let detectors = vec![Detector::new(3).unwrap()];
        let plan = SurveyOptions { observations: 1, detectors, ..SurveyOptions::default() };
        let pointing = &survey(centre, &plan).unwrap()[0];
        let window = PixelWindow { x0: 700, y0: 700, nx: 300, ny: 300 };
        let options =
            ExposureOptions { frame: FrameExtent::Cutout(window), nan_fraction: 0.05, ..Default::default() };
        let folder = tempfile::tempdir().unwrap();
        let observed = observe(&sky, pointing, &options).unwrap();
        let paths = [false, true].map(|gzip| {
            let path = folder.path().join(if gzip { "a.fits.gz" } else { "a.fits" });
            write_mef(&path, &observed, gzip).unwrap();
            path
        });
        let (mut measured, mut repaired) = (0, 0);
        for zodi in ["", "static_zodi = true", "subtract_zodi = false"] {
            let settings: PhotometrySettings = toml::from_str(&format!("psf_flux = true\n{zodi}")).unwrap();
            let setup = Setup::new(settings.parameters().unwrap(), None).unwrap();
            let read =
                |path: &Path| Exposure::open(path).unwrap().read(&setup, PixelPlanes::default()).unwrap();
            let (plain, unpacked) = (read(&paths[0]), read(&paths[1]));
            assert!(matches!(plain.image.views().image, Pixels::Fits(_)));
            assert!(matches!(unpacked.image.views().image, Pixels::Native(_)));
            assert_eq!(plain.info().zodi_scale, unpacked.info().zodi_scale);
            for star in &sky.stars {
                let target = Target { position: star.position, motion: None };
                let [row, expected] = [&plain, &unpacked].map(|exposure| {
                    exposure.photometer(&setup).unwrap().measure(&target, &mut Scratch::default())
                });
                let same = matches!((&row, &expected), (Err(a), Err(b)) if a.to_string() == b.to_string());
                assert!(same || row == expected, "{row:?} {expected:?}");
                measured += usize::from(row.is_ok());
                repaired += row.map_or(0, |row| row.fallbacks.repaired_variances);
            }
        }
        assert!(measured > 20 && repaired > 0, "{measured} {repaired}");
    }
}
