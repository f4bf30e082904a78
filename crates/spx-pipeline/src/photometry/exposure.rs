//! One exposure, read once, on which sources are measured one after another.
//!
//! A pipeline of one source and one of a million use it alike:
//!
//! 1. [`PhotometrySetup`] is made once for a run;
//! 2. [`OpenExposure::open`] makes the maps of a file, [`OpenExposure::read`] fits the zodiacal
//!    light;
//! 3. [`ReadExposure::photometer`] borrows it, checks it, and resolves flags by their names in the
//!    file;
//! 4. [`ExposurePhotometer::measure_all`] gives a [`MeasurementRow`] of numbers for each target, or
//!    the reason why there is none. An aperture costs the pixels around the target; a scene fits
//!    all targets together. What it gives does not depend on the order.
//! 5. [`ReadExposure::into_memory`] gives the memory back for the next file.

use std::path::Path;
use std::sync::Arc;

use spx_archive::Cutout;
use spx_core::elementary::cos;
use spx_core::foreground::ForegroundFit;
use spx_core::image::PixelPlanes;
use spx_core::mef::WholeImage;
use spx_core::pixels::Pixels;
use spx_core::progress::{Progress, Silent};
use spx_core::sky::Position;
use spx_photometry::{
    ForegroundModel, ImageView, MeasurementQuality, MeasurementStamp, NoMeasurement, NoSceneFlux, Photometer,
    PhotometryError, PsfCache, PsfModel, PsfOnImage, QualityOptions, RegionBeyond, Scene, SceneBackground,
    SceneFit, SceneFlux, SceneSource, Scratch, SersicOnImage, SourceOnImage, check_place,
};

use super::row::{FittedSource, MeasurementCircumstances, MeasurementRow, WavelengthSource};
use super::settings::{MeasurementMethod, PhotometryParameters, PixelArea};
use super::source::{NeighborSources, SkyTarget};
use crate::calibration::{Calibration, CalibrationProduct, LoadedProduct};
use crate::frame::{ExposureInfo, Frame, FrameMaps};
use crate::held::HeldCutout;
use crate::inputs::InputError;
use crate::kept_fits::KeptFit;
use crate::zodi::FittedForeground;
use crate::{Listener, PipelineError};

/// What all exposures of a run have in common.
pub struct PhotometrySetup {
    /// The settings, checked.
    pub parameters: PhotometryParameters,
    /// Calibration products at hand.
    pub calibration: Calibration,
    /// Sources that are fitted together with a single one.
    pub neighbors: NeighborSources,
    /// The part of each image that was asked for; `None` where none was.
    pub cutout: Option<Cutout>,
    /// Point spread functions of the files, made ready.
    psfs: Arc<PsfCache>,
}

impl PhotometrySetup {
    /// Looks for the calibration products that the parameters name, or else in a mirror.
    ///
    /// # Errors
    /// Where a path does not exist, or a file that is named does not say its detector.
    pub fn new(parameters: PhotometryParameters, mirror: Option<&Path>) -> Result<Self, PipelineError> {
        let calibration = Calibration::find(&parameters.calibration, mirror)?;
        Ok(Self {
            parameters,
            calibration,
            neighbors: NeighborSources::default(),
            cutout: None,
            psfs: Arc::default(),
        })
    }

    /// What was chosen for measurements, and which products are at hand.
    pub fn tell(&self, listener: &dyn Listener) {
        self.parameters.chosen().iter().for_each(|line| listener.detail(line));
        self.calibration.tell(true, listener);
    }

    /// With neighbors of a single source.
    #[must_use]
    pub fn with_neighbors(self, neighbors: NeighborSources) -> Self {
        Self { neighbors, ..self }
    }

    /// For images of which a part was asked for.
    #[must_use]
    pub fn with_cutout(self, cutout: Option<Cutout>) -> Self {
        Self { cutout, ..self }
    }
}

/// An exposure whose pixels can be measured.
pub struct ReadExposure {
    info: ExposureInfo,
    maps: FrameMaps,
    parent_offset: [f64; 2],
    image: WholeImage,
    psf: Option<PsfModel>,
    foreground: Option<FittedForeground>,
    /// A fit that is to be kept, and where.
    to_keep: Option<(KeptFit, ForegroundFit)>,
}

/// An exposure whose pixels are not yet read.
pub struct OpenExposure {
    frame: Frame,
    info: ExposureInfo,
    /// Pixel of the full frame of pixel (0, 0).
    parent_offset: [f64; 2],
}

impl OpenExposure {
    /// Opens a file and makes its maps; no pixel is read.
    ///
    /// # Errors
    /// The file, the HDU and what is wrong there.
    pub fn open(path: &Path, setup: &PhotometrySetup) -> Result<Self, InputError> {
        let frame = Frame::open(path, &setup.calibration)?;
        let mut info = frame.exposure_info()?;
        info.cutout = setup
            .cutout
            .as_ref()
            .and_then(|cutout| HeldCutout::of(cutout, frame.metadata(), &frame.maps.celestial));
        let parent_offset = frame.parent_offset()?;
        Ok(Self { frame, info, parent_offset })
    }

    /// What is known of it so far.
    pub fn info(&self) -> &ExposureInfo {
        &self.info
    }

    /// A circle on the sky that holds it: center, and radius \[deg\].
    ///
    /// # Errors
    /// Where the WCS gives no positions.
    pub fn circle(&self) -> Result<(Position, f64), InputError> {
        self.frame.circle()
    }

    /// Tests whether a target lies on the image, before any pixel is read.
    ///
    /// # Errors
    /// The reason why it cannot be measured.
    pub fn check_place(&self, target: &SkyTarget) -> Result<(), NoMeasurement> {
        let place = place_on(&self.frame.maps, self.info.mjd, target);
        check_place(place.map_or([f64::NAN; 2], |(_, pixel)| pixel), self.frame.metadata().shape)
    }

    /// Fits the zodiacal light where that is asked for; where it cannot be, its scale is the median
    /// of `run`, the scales of other exposures, if there are any. Pixels that do not stand in the
    /// file as plain numbers are read into the memory of `reuse`.
    ///
    /// # Errors
    /// The file, the HDU and what is wrong there.
    pub fn read(
        self,
        setup: &PhotometrySetup,
        run: &[f64],
        reuse: PixelPlanes,
    ) -> Result<ReadExposure, InputError> {
        let Self { mut frame, mut info, parent_offset } = self;
        let detector = frame.metadata().id.detector;
        let wants_own = setup.parameters.wants_psf() && setup.calibration.psf(detector).is_none();
        let psf = if wants_own { frame.psf()? } else { None };
        let psf = psf.map(|psf| psf.with_cache(Arc::clone(&setup.psfs), detector));
        let Frame { file, maps, .. } = frame;
        let image = file.whole(reuse)?;
        let (metadata, views) = (image.metadata(), image.views());
        let treatment = &setup.parameters.zodi;
        let kept = KeptFit::of(treatment, (&metadata.path, detector), &setup.calibration);
        let known = kept.as_ref().and_then(KeptFit::read);
        let kept = kept.filter(|_| known.is_none());
        let mut foreground = match known {
            Some(fit) => Some(FittedForeground { fit, plane: None }),
            None => treatment.fit(metadata, views, &maps.celestial, &maps.wave),
        };
        let to_keep = kept.zip(foreground.as_ref().map(|found| found.fit.clone()));
        if let Some(found) = &mut foreground {
            found.fit.take_from_run(run);
        }
        info.set_zodi(foreground.as_ref().map(|found| &found.fit));
        Ok(ReadExposure { info, maps, parent_offset, image, psf, foreground, to_keep })
    }
}

/// Where a target is at a time \[MJD\], on the sky and on the image.
fn place_on(maps: &FrameMaps, mjd: f64, target: &SkyTarget) -> Option<(Position, [f64; 2])> {
    let position = target.position_at(mjd)?;
    Some((position, maps.celestial.sky_to_pixel(position)?))
}

/// How far a pixel steps on the sky at a place: `[[east by x, east by y], [north by x, north by
/// y]]` \[arcsec\].
fn jacobian(maps: &FrameMaps, [x, y]: [f64; 2]) -> [[f64; 2]; 2] {
    let at = |x: f64, y: f64| maps.celestial.pixel_to_sky(x, y);
    let per_east = 3600.0 * cos(at(x, y)[1].to_radians());
    let step = |[ra_0, dec_0]: [f64; 2], [ra_1, dec_1]: [f64; 2]| {
        let east = (ra_1 - ra_0 + 540.0).rem_euclid(360.0) - 180.0;
        [east * per_east, (dec_1 - dec_0) * 3600.0]
    };
    let [along_x, along_y] = [step(at(x - 0.5, y), at(x + 0.5, y)), step(at(x, y - 0.5), at(x, y + 0.5))];
    [[along_x[0], along_y[0]], [along_x[1], along_y[1]]]
}

impl ReadExposure {
    /// What its rows have in common.
    pub fn info(&self) -> &ExposureInfo {
        &self.info
    }

    /// The memory of the pixels, for the next exposure. A new fit of the zodiacal light is kept,
    /// where fits are kept.
    ///
    /// # Errors
    /// Where the file was shortened while it was read, or the disk failed.
    pub fn into_memory(self) -> Result<PixelPlanes, InputError> {
        let memory = self.image.into_memory()?;
        // All that the fit looked at was there.
        if let Some((kept, fit)) = self.to_keep {
            kept.write(&fit);
        }
        Ok(memory)
    }

    /// Prepares to measure.
    ///
    /// # Errors
    /// Where a flag has no name in this file, a PSF is needed and there is none, or a calibration
    /// product is missing or cannot be read.
    pub fn photometer<'a>(
        &'a self,
        setup: &'a PhotometrySetup,
    ) -> Result<ExposurePhotometer<'a>, InputError> {
        let metadata = self.image.metadata();
        let failed = |e: &dyn std::fmt::Display| InputError::new(&metadata.path, e);
        let parameters = &setup.parameters;
        let view = ImageView::new(metadata, self.image.views(), self.info.zodi_scale);
        let mut view = view.map_err(|e| failed(&e))?;
        let product = setup.calibration.psf(metadata.id.detector).map(CalibrationProduct::load_psf);
        let psf = product.transpose().map_err(|e| failed(&e))?.or(self.psf.as_ref());
        if let Some(plane) = self.foreground.as_ref().and_then(|found| found.plane.as_deref()) {
            view.foreground = Some(ForegroundModel { model: Pixels::Native(plane), scale: 1.0 });
        }
        let kernel = MeasurementKernel::new(view, parameters, psf).map_err(|e| failed(&e))?;
        let calibration = &setup.calibration;
        let load = |product: Option<&CalibrationProduct>| {
            product.map(CalibrationProduct::load).transpose().map_err(|e| failed(&e))
        };
        let areas = match parameters.pixel_area {
            None | Some(PixelArea::Map) => load(calibration.areas(metadata.id.detector))?,
            Some(PixelArea::Local | PixelArea::Constant) => None,
        };
        if parameters.pixel_area == Some(PixelArea::Map) && areas.is_none() {
            return Err(failed(&format!("there is no solid_angle_pixel_map of {}", metadata.id.detector)));
        }
        Ok(ExposurePhotometer {
            exposure: self,
            kernel,
            quality: parameters.quality,
            areas,
            pixel_area: parameters.pixel_area,
        })
    }
}

/// What makes a flux of pixels.
enum MeasurementKernel<'a> {
    Aperture(Photometer<'a>),
    Fit { scene: Scene<'a, PsfOnImage<'a>>, parameters: &'a PhotometryParameters },
}

impl<'a> MeasurementKernel<'a> {
    fn new(
        view: ImageView<'a>,
        parameters: &'a PhotometryParameters,
        psf: Option<&'a PsfModel>,
    ) -> Result<Self, PhotometryError> {
        let PhotometryParameters { method, options, scene, .. } = parameters;
        if *method == MeasurementMethod::Aperture {
            return Ok(Self::Aperture(Photometer::new(view, options, psf)?));
        }
        let model = psf.ok_or(PhotometryError::NeedsPsf("method"))?;
        let psf = PsfOnImage { model, zones: options.psf_zones, parent_offset: view.parent_offset };
        Ok(Self::Fit { scene: Scene::new(view, scene, psf)?, parameters })
    }
}

/// A target on an image.
struct LocatedTarget {
    position: Position,
    source: SourceOnImage,
    shape: Option<SersicOnImage>,
    wavelength_source: WavelengthSource,
    pixel_area_source: PixelArea,
}

/// An exposure on which sources can be measured.
pub struct ExposurePhotometer<'a> {
    exposure: &'a ReadExposure,
    kernel: MeasurementKernel<'a>,
    quality: QualityOptions,
    areas: Option<LoadedProduct>,
    pixel_area: Option<PixelArea>,
}

impl ExposurePhotometer<'_> {
    /// Measures targets where they were at the time of the exposure: a row for each, or the reason
    /// why there is none, in their order. In a scene, targets that lie off the image have no row,
    /// but their light counts.
    /// Where `progress` asks to stop, targets of a scene have none.
    pub fn measure_all(
        &self,
        targets: &[SkyTarget],
        progress: &dyn Progress,
    ) -> Vec<Result<MeasurementRow, NoMeasurement>> {
        match &self.kernel {
            MeasurementKernel::Aperture(photometer) => {
                let mut scratch = Scratch::default();
                targets.iter().map(|target| self.in_aperture(photometer, target, &mut scratch)).collect()
            }
            MeasurementKernel::Fit { scene, parameters } => {
                let together = parameters.method == MeasurementMethod::Scene;
                let size = if together { targets.len().max(1) } else { 1 };
                targets.chunks(size).flat_map(|group| self.fit(scene, parameters, group, progress)).collect()
            }
        }
    }

    /// The first target as [`measure_all`](Self::measure_all) measures it, and the pixels within
    /// `reach` of it beside their model; `None` where it has no flux.
    pub fn picture(&self, targets: &[SkyTarget], reach: usize) -> Option<(MeasurementRow, MeasurementStamp)> {
        let target = targets.first()?;
        match &self.kernel {
            MeasurementKernel::Aperture(photometer) => {
                let located = self.locate(target).ok()?;
                let measured = photometer.measure(&located.source, &mut Scratch::default()).ok()?;
                let stamp = photometer.stamp(&measured, reach);
                Some((
                    MeasurementRow::new(&measured, located.circumstances(self.quality.classify(&measured))),
                    stamp,
                ))
            }
            MeasurementKernel::Fit { scene, parameters } => {
                let together = parameters.method == MeasurementMethod::Scene;
                let targets = if together { targets } else { &targets[..1] };
                let (located, fit) = self.fit_together(scene, targets, &Silent);
                let (located, flux) = (located.into_iter().next()?.ok()?, *fit.fluxes.first()?);
                let row = self.row_of_fit(&located, flux, (scene, parameters)).ok()?;
                Some((row, scene.stamp(&fit, located.source.position, row.aperture_radius, reach)))
            }
        }
    }

    fn locate(&self, target: &SkyTarget) -> Result<LocatedTarget, NoMeasurement> {
        let off = NoMeasurement::OffImage { x: f64::NAN, y: f64::NAN };
        let ReadExposure { maps, info, parent_offset, .. } = self.exposure;
        let (position, [x, y]) = place_on(maps, info.mjd, target).ok_or(off)?;
        let parent = [x + parent_offset[0], y + parent_offset[1]];
        let (passband, wavelength_source) = maps.wave.at(x, y);
        let (pixel_area, pixel_area_source) = self.area([x, y], parent);
        let source = SourceOnImage { position: [x, y], pixel_area, passband };
        let shape = target.shape.map(|shape| shape.on_image(jacobian(maps, [x, y])));
        Ok(LocatedTarget { position, source, shape, wavelength_source, pixel_area_source })
    }

    fn in_aperture(
        &self,
        photometer: &Photometer<'_>,
        target: &SkyTarget,
        scratch: &mut Scratch,
    ) -> Result<MeasurementRow, NoMeasurement> {
        let located = self.locate(target)?;
        let measured = photometer.measure(&located.source, scratch)?;
        Ok(MeasurementRow::new(&measured, located.circumstances(self.quality.classify(&measured))))
    }

    fn fit(
        &self,
        scene: &Scene<'_, PsfOnImage<'_>>,
        parameters: &PhotometryParameters,
        targets: &[SkyTarget],
        progress: &dyn Progress,
    ) -> Vec<Result<MeasurementRow, NoMeasurement>> {
        let (located, fit) = self.fit_together(scene, targets, progress);
        let rows = located.into_iter().zip(fit.fluxes);
        rows.map(|(located, flux)| self.row_of_fit(&located?, flux, (scene, parameters))).collect()
    }

    /// The fit of a scene, and where its targets are.
    fn fit_together(
        &self,
        scene: &Scene<'_, PsfOnImage<'_>>,
        targets: &[SkyTarget],
        progress: &dyn Progress,
    ) -> (Vec<Result<LocatedTarget, NoMeasurement>>, SceneFit) {
        let located: Vec<_> = targets.iter().map(|target| self.locate(target)).collect();
        let nowhere = SceneSource { position: [f64::NAN; 2], pixel_area: f64::NAN, shape: None };
        let sources: Vec<SceneSource> = located
            .iter()
            .map(|target| match target {
                Ok(LocatedTarget { source: SourceOnImage { position, pixel_area, .. }, shape, .. }) => {
                    SceneSource { position: *position, pixel_area: *pixel_area, shape: *shape }
                }
                Err(_) => nowhere,
            })
            .collect();
        let fit = scene.fit_attended(&sources, progress);
        (located, fit)
    }

    fn row_of_fit(
        &self,
        located: &LocatedTarget,
        flux: Result<SceneFlux, NoSceneFlux>,
        (scene, parameters): (&Scene<'_, PsfOnImage<'_>>, &PhotometryParameters),
    ) -> Result<MeasurementRow, NoMeasurement> {
        check_place(located.source.position, self.exposure.image.metadata().shape)?;
        let area = located.source.pixel_area;
        if !(area > 0.0 && area.is_finite()) {
            return Err(NoMeasurement::PixelArea(area));
        }
        Ok(self.fitted(located, &flux?, (scene.beyond(located.source.position), parameters)))
    }

    fn fitted(
        &self,
        located: &LocatedTarget,
        flux: &SceneFlux,
        (beyond, parameters): (RegionBeyond, &PhotometryParameters),
    ) -> MeasurementRow {
        let quality = MeasurementQuality {
            is_good: !flux.damped && flux.sharing == 1,
            is_detected: flux.flux / flux.error >= self.quality.sigma_threshold,
        };
        let fitted = FittedSource {
            method: parameters.method,
            flux,
            source: &located.source,
            radius: parameters.scene.fit_radius,
            with_background: parameters.scene.background != SceneBackground::None,
            beyond,
        };
        MeasurementRow::fitted(&fitted, located.circumstances(quality))
    }

    /// The solid angle of the pixel [arcsec^2]; NaN where the map was asked for and has no value
    /// there.
    fn area(&self, [x, y]: [f64; 2], parent: [f64; 2]) -> (f64, PixelArea) {
        let of_map = self.areas.as_ref().and_then(|map| map.area(parent));
        match (self.pixel_area, of_map) {
            (Some(PixelArea::Constant), _) => {
                (self.exposure.maps.celestial.linear_pixel_area(), PixelArea::Constant)
            }
            (Some(PixelArea::Map), area) => (area.unwrap_or(f64::NAN), PixelArea::Map),
            (None, Some(area)) => (area, PixelArea::Map),
            (Some(PixelArea::Local) | None, _) => {
                (self.exposure.maps.celestial.pixel_area(x, y), PixelArea::Local)
            }
        }
    }
}

impl LocatedTarget {
    fn circumstances(&self, quality: MeasurementQuality) -> MeasurementCircumstances {
        let Self { position, wavelength_source, pixel_area_source, .. } = *self;
        MeasurementCircumstances { position, wavelength_source, pixel_area_source, quality }
    }
}

#[cfg(test)]
mod tests {
    use spx_core::detector::Detector;
    use spx_core::pixels::Pixels;
    use spx_sim::{
        ExposureOptions, FieldOptions, FrameExtent, PixelWindow, SimulatedSky, SimulatedStar, SurveyOptions,
        observe, survey, write_mef,
    };

    use super::*;
    use crate::photometry::PhotometrySettings;

    /// Pixels in the file and pixels in memory give the same to the last bit; bad pixels are filled
    /// in both.
    #[test]
    fn plain_and_gzipped_files_are_measured_alike() {
        let center = Position::new(186.4536, 33.5468).unwrap();
        let sky = SimulatedSky::field(center, 0.4, 60, 7, &FieldOptions::default()).unwrap();
        let detectors = vec![Detector::new(3).unwrap()];
        let plan = SurveyOptions { observations: 1, detectors, ..SurveyOptions::default() };
        let pointing = &survey(center, &plan).unwrap()[0];
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
        let (mut measured, mut filled) = (0, 0);
        for zodi in ["", "static_zodi = true", "subtract_zodi = false"] {
            let text = format!("psf_flux = true\ncalibration = \"none\"\n{zodi}");
            let settings: PhotometrySettings = toml::from_str(&text).unwrap();
            let setup = PhotometrySetup::new(settings.parameters().unwrap(), None).unwrap();
            let read = |path: &Path| {
                OpenExposure::open(path, &setup).unwrap().read(&setup, &[], PixelPlanes::default()).unwrap()
            };
            let (plain, unpacked) = (read(&paths[0]), read(&paths[1]));
            assert!(matches!(plain.image.views().image, Pixels::Fits(_)));
            assert_eq!(plain.info().zodi_scale, unpacked.info().zodi_scale);
            let targets: Vec<SkyTarget> = sky
                .stars
                .iter()
                .map(|star| SkyTarget { position: star.position, motion: None, shape: None })
                .collect();
            let [rows, expected] = [&plain, &unpacked]
                .map(|exposure| exposure.photometer(&setup).unwrap().measure_all(&targets, &Silent));
            for (row, expected) in rows.into_iter().zip(expected) {
                let same = matches!((&row, &expected), (Err(a), Err(b)) if a.to_string() == b.to_string());
                assert!(same || row == expected, "{row:?} {expected:?}");
                measured += usize::from(row.is_ok());
                filled += row.map_or(0, |row| row.fallbacks.filled_pixels);
            }
        }
        assert!(measured > 20 && filled > 0, "{measured} {filled}");
    }

    /// A lone star, a pair 1.5 px apart with a ratio of 5, and a star that is listed twice.
    fn crowd(pointing: &spx_sim::Pointing) -> SimulatedSky {
        let wcs = pointing.wcs().unwrap();
        let stars = [(800.2, 800.4, 8e3), (900.0, 900.0, 5e3), (901.5, 900.0, 25e3), (850.0, 960.0, 9e3)];
        let star = |(k, (x, y, flux_2um)): (usize, (f64, f64, f64))| {
            let [ra, dec] = wcs.pixel_to_sky(x, y);
            let position = Position::new(ra, dec).unwrap();
            SimulatedStar { id: format!("S{k}"), position, flux_2um, slope: 0.0 }
        };
        SimulatedSky { stars: stars.into_iter().enumerate().map(star).collect(), ..SimulatedSky::default() }
    }

    /// A lone star has the same flux alone and in a scene, to rounding; a scene tells a pair apart
    /// where single fits do not; one position listed twice is told in its rows; the order of the
    /// targets changes no bit.
    #[test]
    fn scenes_measure_sources_together() {
        let center = Position::new(186.4536, 33.5468).unwrap();
        let detectors = vec![Detector::new(3).unwrap()];
        let plan = SurveyOptions { observations: 1, detectors, ..SurveyOptions::default() };
        let pointing = &survey(center, &plan).unwrap()[0];
        let sky = crowd(pointing);
        let window = PixelWindow { x0: 700, y0: 700, nx: 300, ny: 300 };
        let options = ExposureOptions { frame: FrameExtent::Cutout(window), ..Default::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.fits");
        write_mef(&path, &observe(&sky, pointing, &options).unwrap(), false).unwrap();
        let mut targets: Vec<SkyTarget> = sky
            .stars
            .iter()
            .map(|star| SkyTarget { position: star.position, motion: None, shape: None })
            .collect();
        targets.push(targets[3]);
        let measure = |method: &str, targets: &[SkyTarget]| -> Vec<MeasurementRow> {
            let text = format!("method = \"{method}\"\ncalibration = \"none\"");
            let settings: PhotometrySettings = toml::from_str(&text).unwrap();
            let setup = PhotometrySetup::new(settings.parameters().unwrap(), None).unwrap();
            let opened = OpenExposure::open(&path, &setup).unwrap();
            let read = opened.read(&setup, &[], PixelPlanes::default()).unwrap();
            let rows = read.photometer(&setup).unwrap().measure_all(targets, &Silent);
            rows.into_iter().map(Result::unwrap).collect()
        };
        let (psf, scene) = (measure("psf", &targets), measure("scene", &targets));
        assert!((psf[0].flux / scene[0].flux - 1.0).abs() < 1e-9, "{psf:?} {scene:?}");
        assert!((psf[0].flux_error / scene[0].flux_error - 1.0).abs() < 1e-9);
        for k in [0, 1, 2] {
            let (row, truth) = (&scene[k], sky.stars[k].flux_2um);
            assert!((row.flux - truth).abs() < 5.0 * row.flux_error, "{k}: {row:?}, {truth}");
            assert!(row.is_good && row.fit.is_some_and(|fit| fit.neighbors == usize::from(k > 0)));
        }
        assert!((psf[1].flux - 5e3) > 3.0 * psf[1].flux_error, "the neighbor is not seen: {:?}", psf[1]);
        assert!(scene[1].fit.is_some_and(|fit| fit.correlation < -0.03));
        for k in [3, 4] {
            let row = &scene[k];
            assert!(row.fit.is_some_and(|fit| fit.not_separable) && !row.is_good);
            assert_eq!(row.fallbacks.shared_flux, 2);
            assert!((row.flux - 4.5e3).abs() < 0.02 * 4.5e3, "{row:?}");
        }
        targets.reverse();
        let mut reversed = measure("scene", &targets);
        reversed.reverse();
        assert_eq!(reversed, scene);
    }
}
