//! One exposure, read once, on which sources are measured one after another.
//!
//! A pipeline of one source and one of a million use it alike:
//!
//! 1. [`Setup`] is made once for a run;
//! 2. [`Exposure::read`] reads a file: all rows ([`Needed::All`]), or those around one target; it fits the zodiacal light
//!    and makes the maps;
//! 3. [`Exposure::photometer`] borrows it, checks it, and resolves flags by their names in the file;
//! 4. [`ExposurePhotometer::measure`] gives a [`Row`] of numbers for a target, or the reason why there is none. It
//!    allocates nothing, costs the pixels around the target, and may be called from several threads at once, each with a
//!    [`Scratch`] of its own; what it gives depends neither on the order nor on the rows that were read.
//! 5. [`Exposure::into_buffers`] gives the memory back for the next file.

use std::ops::Range;
use std::path::Path;

use spx_core::detector::Detector;
use spx_core::image::{Metadata, Planes, PsfData, PsfOrigin, SpectralImage};
use spx_core::map::WavelengthMap as _;
use spx_core::mef::{MefFile, ReadBuffers};
use spx_core::sky::Position;
use spx_core::zodi::{self, ZodiFit, ZodiOutcome, ZodiSums};
use spx_photometry::{
    Aperture, ImageView, NoMeasurement, Photometer, PhotometryError, ProperMotion, PsfKind, PsfModel,
    QualityCriteria, Scratch, Source, check_variances, median_positive, regular_zones,
};
use spx_wcs::{CelestialWcs, WaveTable};

use super::calibration::{Calibration, Loaded, Product};
use super::row::{Circumstances, ExposureInfo, Row, WavelengthSource};
use super::settings::{PhotometryParameters, PixelArea};
use crate::inputs::{InputError, file_name, wave_table};
use crate::zodi::Zodi;

/// Samples a pixel of the table EPSF.
const EPSF_OVERSAMPLING: f64 = 5.0;
/// An image of fewer pixels is read whole at once.
const SMALL: usize = 512 * 512;

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

/// Which rows of an exposure are kept in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Needed<'a> {
    /// All of them: any target can be measured.
    All,
    /// Those around one target, where the image is large.
    Around(&'a Target),
}

/// An exposure in memory.
pub(crate) struct Exposure {
    info: ExposureInfo,
    maps: Maps,
    image: SpectralImage,
    psf: Option<PsfModel>,
    /// Median of the variances of the whole image, where only some rows are in memory and it is needed.
    median_variance: Option<f64>,
    /// Memory for the next exposure.
    block: Planes,
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
    /// \[arcsec\]
    psf_fwhm: Option<f64>,
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

    /// Reads the pixels.
    ///
    /// Where the zodiacal light is fitted, every row is looked at and its variances are checked, whichever rows are
    /// kept. Where it is not, only the rows that are kept are read.
    ///
    /// # Errors
    /// The file, the HDU and what is wrong there.
    pub(crate) fn read(
        self,
        setup: &Setup,
        needed: Needed<'_>,
        buffers: ReadBuffers,
    ) -> Result<Exposure, InputError> {
        let Self { mut file, maps, mut info } = self;
        let path = file.metadata().path.clone();
        let options = &setup.parameters.options;
        let psf = match options.aperture_correction || options.psf_flux {
            true => psf_model(&path, &mut file)?,
            false => None,
        };
        let shape = file.metadata().shape;
        let around = match needed {
            Needed::Around(target) if shape[0] * shape[1] > SMALL => Some(maps.aperture(target, setup)),
            _ => None,
        };
        let rows = match &around {
            None => 0..shape[0],
            Some(aperture) => aperture.map_or(0..0, |a| options.region(&a, shape)[1].clone()),
        };
        let Read { image, block, fit } = read_planes(file, rows, setup.parameters.zodi, buffers)?;
        info.set_zodi(fit);
        let mut exposure = Exposure { info, maps, image, psf, median_variance: None, block };
        if let Some(aperture) = around.flatten().filter(|a| exposure.needs_repair(a)) {
            tracing::debug!("{}: variances around {aperture:?} are repaired", path.display());
            exposure.median_variance = Some(median_positive(&MefFile::open(&path)?.read_variance()?));
        }
        Ok(exposure)
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

    /// Opens a file and [reads](OpenExposure::read) it.
    ///
    /// # Errors
    /// The file, the HDU and what is wrong there.
    pub(crate) fn read(
        path: &Path,
        setup: &Setup,
        needed: Needed<'_>,
        buffers: ReadBuffers,
    ) -> Result<Self, InputError> {
        Self::open(path)?.read(setup, needed, buffers)
    }

    /// What its rows have in common.
    pub(crate) fn info(&self) -> &ExposureInfo {
        &self.info
    }

    /// `[ny, nx]` of the whole image.
    pub(crate) fn shape(&self) -> [usize; 2] {
        self.image.metadata.shape
    }

    /// The memory of the pixels, for the next exposure.
    pub(crate) fn into_buffers(self) -> ReadBuffers {
        ReadBuffers { image: self.image.planes, block: self.block }
    }

    /// Prepares to measure.
    ///
    /// # Errors
    /// Where a flag has no name in this file, a pixel without a flag has no valid variance, a PSF is needed and there is
    /// none, or a calibration product is missing or cannot be read.
    pub(crate) fn photometer<'a>(&'a self, setup: &'a Setup) -> Result<ExposurePhotometer<'a>, InputError> {
        let metadata = &self.image.metadata;
        let failed = |e: &dyn std::fmt::Display| InputError::new(&metadata.path, e);
        let parameters = &setup.parameters;
        let mut view = ImageView::new(&self.image, self.info.zodi_scale).map_err(|e| failed(&e))?;
        view.median_variance = self.median_variance;
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

    /// Whether a variance in the aperture is not valid.
    fn needs_repair(&self, aperture: &Aperture) -> bool {
        let [_, nx] = self.shape();
        let mut needed = false;
        aperture.for_each(self.shape(), |x, y, _| {
            let variance = self.image.planes.variance[(y - self.image.rows.start) * nx + x];
            needed |= !(0.0..f32::INFINITY).contains(&variance);
        });
        needed
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
            psf_fwhm: metadata.header.optional_real("PSF_FWHM").map_err(|e| header(&e))?,
            parent_offset: metadata.parent_offset().map_err(|e| header(&e))?,
        })
    }

    /// Where a target stands at the time of the exposure, on the sky and on the image.
    fn place(&self, target: &Target) -> Option<(Position, [f64; 2])> {
        let position = target.position_at(self.mjd)?;
        Some((position, self.celestial.sky_to_pixel(position)?))
    }

    /// The aperture of a target, nearly: its size by the local area of the pixel, whichever the photometer uses. A
    /// hundredth more makes up for the difference.
    fn aperture(&self, target: &Target, setup: &Setup) -> Option<Aperture> {
        let (_, [x, y]) = self.place(target)?;
        let area = self.celestial.pixel_area(x, y).min(self.celestial.linear_pixel_area());
        let (radius, _) = setup.parameters.options.aperture.radius(area, self.psf_fwhm);
        Some(Aperture { x, y, radius: 1.01 * radius })
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
        let source = Source { position: [x, y], pixel_area, passband };
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

/// What was read of a file.
struct Read {
    image: SpectralImage,
    block: Planes,
    /// `None` where the zodiacal light stays in.
    fit: Option<ZodiFit>,
}

fn read_planes(
    file: MefFile,
    rows: Range<usize>,
    zodi: Zodi,
    buffers: ReadBuffers,
) -> Result<Read, InputError> {
    let [ny, nx] = file.metadata().shape;
    let ReadBuffers { image: planes, block } = buffers;
    let options = match zodi {
        Zodi::Fit(options) if !rows.is_empty() => options,
        _ => {
            let image = file.read(rows, planes)?;
            let one = ZodiFit { scale: 1.0, outcome: ZodiOutcome::Fitted };
            let fit = (zodi == Zodi::Static).then_some(one);
            return Ok(Read { image, block, fit });
        }
    };
    if ny * nx <= SMALL {
        let image = file.read(0..ny, planes)?;
        let fit = Some(zodi::fit(&image, &options));
        return Ok(Read { image, block, fit });
    }
    let (mut sums, mut wrong) = (ZodiSums::new([ny, nx], &file.metadata().flag_names), Ok(()));
    let path = file.metadata().path.clone();
    // Of rows that are kept the photometer sees to it.
    let partial = rows.len() < ny;
    let (image, block) = file.read_all(rows, ReadBuffers { image: planes, block }, |first, rows| {
        sums.add(first, rows);
        if partial && wrong.is_ok() {
            wrong = check_variances(nx, first, rows.flags, rows.variance);
        }
    })?;
    wrong.map_err(|e: PhotometryError| InputError::new(&path, e))?;
    Ok(Read { image, block, fit: Some(sums.fit(&options)) })
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
    use spx_sim::{
        ExposureOptions, FieldOptions, Frame, Sky, SurveyOptions, Window, observe, survey, write_mef,
    };

    use super::*;
    use crate::photometry::settings::PhotometrySettings;

    /// The rows around a target give what the whole image gives, to the last bit: in memory for one target there is a
    /// part of an image of 600 x 600 px, whose NaN variances are repaired by the median of all.
    #[test]
    fn one_target_and_many_are_measured_alike() {
        let centre = Position::new(186.4536, 33.5468).unwrap();
        let sky = Sky::field(centre, 0.4, 60, 7, &FieldOptions::default()).unwrap();
        let detectors = vec![Detector::new(3).unwrap()];
        let plan = SurveyOptions { observations: 1, detectors, ..SurveyOptions::default() };
        let pointing = &survey(centre, &plan).unwrap()[0];
        let window = Window { x0: 700, y0: 700, nx: 600, ny: 600 };
        let options =
            ExposureOptions { frame: Frame::Cutout(window), nan_fraction: 0.05, ..Default::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.fits");
        write_mef(&path, &observe(&sky, pointing, &options).unwrap(), false).unwrap();
        let (mut measured, mut repaired) = (0, 0);
        for zodi in ["", "static_zodi = true", "subtract_zodi = false"] {
            let settings: PhotometrySettings = toml::from_str(&format!("psf_flux = true\n{zodi}")).unwrap();
            let setup = Setup::new(settings.parameters().unwrap(), None).unwrap();
            let whole = Exposure::read(&path, &setup, Needed::All, ReadBuffers::default()).unwrap();
            let of_whole = whole.photometer(&setup).unwrap();
            for star in &sky.stars {
                let target = Target { position: star.position, motion: None };
                let around = Needed::Around(&target);
                let part = Exposure::read(&path, &setup, around, ReadBuffers::default()).unwrap();
                assert!(part.image.rows.len() < 20, "{:?}", part.image.rows);
                assert_eq!(part.info(), whole.info());
                let row = part.photometer(&setup).unwrap().measure(&target, &mut Scratch::default());
                let expected = of_whole.measure(&target, &mut Scratch::default());
                let same = matches!((&row, &expected), (Err(a), Err(b)) if a.to_string() == b.to_string());
                assert!(same || row == expected, "{row:?} {expected:?}");
                measured += usize::from(row.is_ok());
                repaired += row.map_or(0, |row| row.fallbacks.repaired_variances);
            }
        }
        assert!(measured > 20 && repaired > 0, "{measured} {repaired}");
    }
}
