//! The stage `extract`: every source of the catalog that lies on an image, measured.
//!
//! Images are measured side by side, each by one thread: it is opened, the index tells the sources
//! near it, and only where there are any its pixels are read, once. An image whose tables are of
//! the same making is left as it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spx_batch::{
    Catalog, ImageRecord, ImageTableFormat, ImageTables, Recorded, RecordedZodi, SkyIndex, Unmeasured,
    WrittenTables,
};
use spx_core::atomic;
use spx_core::foreground::run_scale;
use spx_core::image::PixelPlanes;
use spx_core::release::DataRelease;
use spx_core::sky::Position;
use spx_photometry::{NoMeasurement, julian_epoch};

use crate::buffers::BufferPool;
use crate::frame::ExposureInfo;
use crate::inputs::{InputError, file_name};
use crate::made::MadeHow;
use crate::outcome::InputOutcome;
use crate::photometry::columns::fallbacks;
use crate::photometry::exposure::{OpenExposure, PhotometrySetup, ReadExposure};
use crate::photometry::settings::MeasurementMethod;
use crate::photometry::{MeasurementRow, SkyTarget};
use crate::{Listener, PipelineError, ResultContext as _};

/// In a scene, sources so far beyond the image count, for their light may reach it \[deg\].
const BEYOND: f64 = 0.03;
/// So many sources are measured before their rows are handed on.
const BLOCK: usize = 256;
/// Directory of the tables.
pub(super) const TABLES: &str = "per_image";

/// An image and its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageReport {
    /// The file.
    pub file: String,
    /// How it ended.
    pub status: InputOutcome,
    /// Why it was not used, or what was unusual.
    pub reason: Option<String>,
    /// It was done before: so are all that a state file tells of.
    #[serde(skip, default = "yes")]
    pub before: bool,
    /// Rows of its table.
    pub measured: usize,
    /// Sources on it without a row; its record has the reasons.
    pub unmeasured: usize,
    /// Measurements with less background for what was cut off the image, and sources without one
    /// for it.
    #[serde(default)]
    pub cut_off: [usize; 2],
    /// Another file of the same exposure is used.
    #[serde(default)]
    pub is_aside: bool,
    /// Its zodiacal light, where the scale was to be fitted.
    #[serde(skip)]
    pub zodi: Option<RecordedZodi>,
}

fn yes() -> bool {
    true
}

impl ImageReport {
    /// An image that could not be read.
    pub fn failed(error: &InputError) -> Self {
        Self {
            file: error.path.display().to_string(),
            status: InputOutcome::Failed,
            reason: Some(error.problem.clone()),
            before: false,
            measured: 0,
            unmeasured: 0,
            cut_off: [0; 2],
            is_aside: false,
            zodi: None,
        }
    }

    /// An image that is not used, for a reason.
    pub(super) fn left_aside(path: &Path, reason: String) -> Self {
        let error = InputError::new(path, reason);
        Self { status: InputOutcome::Rejected, is_aside: true, ..Self::failed(&error) }
    }

    fn of(path: &Path, record: &ImageRecord, before: bool) -> Self {
        let (status, reason) = match (record.measured, record.unmeasured.as_slice()) {
            (1.., _) => (InputOutcome::Used, record.remark.clone()),
            (0, []) => (InputOutcome::Rejected, Some("no source of the catalog lies on it".to_owned())),
            (0, [one]) => {
                (InputOutcome::Rejected, Some(format!("its one source is not measured: {}", one.reason)))
            }
            (0, all) => {
                let reason = format!("none of its {} sources is measured: {}", all.len(), all[0].reason);
                (InputOutcome::Rejected, Some(reason))
            }
        };
        let file = path.display().to_string();
        let (measured, unmeasured) = (record.measured, record.unmeasured.len());
        let ImageRecord { zodi, cut_off, .. } = *record;
        Self { file, status, reason, before, measured, unmeasured, cut_off, is_aside: false, zodi }
    }
}

/// What all images have in common.
pub(super) struct Extraction<'a> {
    pub(super) setup: Arc<PhotometrySetup>,
    /// The sources, then their neighbors.
    pub(super) catalog: Catalog,
    /// So many of them are measured; the others only have light.
    pub(super) measured: usize,
    /// Of the catalog.
    pub(super) digest: String,
    /// The photometry's settings.
    pub(super) settings: String,
    pub(super) directory: PathBuf,
    pub(super) format: ImageTableFormat,
    /// Measure images again that are done.
    pub(super) overwrite: bool,
    pub(super) listener: &'a dyn Listener,
    /// Which content the images have.
    pub(super) contents: HashMap<PathBuf, String>,
    /// Made when the first image needs it.
    pub(super) index: OnceLock<SkyIndex>,
}

impl Extraction<'_> {
    /// How the tables were made, of the sources of a catalog, on so many images.
    pub(super) fn made(&self, catalog: &Path, images: usize) -> MadeHow {
        let calibration = self.setup.calibration.files().collect();
        let settings = self.settings.lines().map(str::to_owned).collect();
        let catalog = file_name(catalog);
        MadeHow { catalog, images: Some(images), ..MadeHow::here(calibration, settings) }
    }

    /// What the tables depend on, beside the images.
    pub(super) fn fingerprint(&self) -> String {
        format!("catalog {}\n{:?}\n{}", self.digest, self.format, self.settings)
    }

    /// True where nothing of what an earlier run reported of these images has to be done again.
    pub(super) fn still_good(&self, images: &[PathBuf], reports: &[ImageReport]) -> bool {
        !self.overwrite
            && images.iter().zip(reports).all(|(path, report)| {
                let (tables, fresh) = self.fresh(path);
                let recorded = tables.recorded(&fresh, self.format);
                report.status != InputOutcome::Failed && matches!(recorded, Recorded::Done(_))
            })
    }

    /// Measures the sources on images. One that fails does not stop the others.
    ///
    /// # Errors
    /// Where a table cannot be written; interrupted by the user.
    pub(super) fn run(&self, images: &[PathBuf]) -> Result<Vec<ImageReport>, PipelineError> {
        let listener = self.listener;
        let context = || self.directory.display().to_string();
        std::fs::create_dir_all(&self.directory).with_context(context)?;
        atomic::remove_all_leftovers(&self.directory).with_context(context)?;
        let mut names = HashMap::new();
        let first: Vec<Option<&PathBuf>> = images
            .iter()
            .map(|path| names.insert(ImageTables::new(&self.directory, &file_name(path)).csv(), path))
            .collect();
        listener.start("extract", images.len() as u64);
        let reports = finishing(|finish| {
            let pool = BufferPool::default();
            let mut reports = images
                .par_iter()
                .zip(first)
                .map(|(path, first)| {
                    if listener.cancelled() {
                        return Err(PipelineError::Interrupted);
                    }
                    let report = match first {
                        Some(first) => {
                            let problem = format!("{} has the same name", first.display());
                            ImageReport::failed(&InputError::new(path, problem))
                        }
                        None => self.image(path, None, &pool, finish)?,
                    };
                    listener.advance(1);
                    Ok(report)
                })
                .collect::<Result<Vec<_>, _>>()?;
            self.unfitted_again(&mut reports, &pool, finish)?;
            Ok(reports)
        });
        listener.finish();
        reports
    }

    /// Measures once more where the zodiacal light could not be fitted, with the median of the
    /// scales of the other images of the detector, unless it was measured with that before.
    fn unfitted_again(
        &self,
        reports: &mut [ImageReport],
        pool: &BufferPool<PixelPlanes>,
        finish: &SyncSender<WrittenTables>,
    ) -> Result<(), PipelineError> {
        let fitted = |detector: u8| -> Vec<f64> {
            let all = reports.iter().filter_map(|report| report.zodi);
            all.filter(|zodi| zodi.fitted && zodi.detector == detector).map(|zodi| zodi.scale).collect()
        };
        let late: Vec<(usize, Vec<f64>)> = (0..reports.len())
            .filter_map(|k| {
                let zodi = reports[k].zodi.filter(|zodi| !zodi.fitted)?;
                let run = fitted(zodi.detector);
                run_scale(&run).filter(|scale| *scale != zodi.scale)?;
                Some((k, run))
            })
            .collect();
        let again = late
            .par_iter()
            .map(|(k, run)| self.image(Path::new(&reports[*k].file), Some(run), pool, finish))
            .collect::<Result<Vec<_>, _>>()?;
        for ((k, _), report) in late.into_iter().zip(again) {
            reports[k] = report;
        }
        Ok(())
    }

    /// The tables of an image, and how their record begins.
    fn fresh(&self, path: &Path) -> (ImageTables, ImageRecord) {
        let name = file_name(path);
        let content = self.contents.get(path).map_or("", String::as_str);
        let record = ImageRecord::new(&name, content, &self.digest, &self.settings);
        (ImageTables::new(&self.directory, &name), record)
    }

    /// Measures the sources on an image, where that was not done before; `run`: with the scales of
    /// the zodiacal light of other images, whatever was done before.
    fn image(
        &self,
        path: &Path,
        run: Option<&[f64]>,
        pool: &BufferPool<PixelPlanes>,
        finish: &SyncSender<WrittenTables>,
    ) -> Result<ImageReport, PipelineError> {
        let (tables, fresh) = self.fresh(path);
        match tables.recorded(&fresh, self.format) {
            _ if run.is_some() => {}
            Recorded::Done(record) if !self.overwrite => return Ok(ImageReport::of(path, &record, true)),
            Recorded::Again(why) => {
                self.listener.note(&format!("{}: measured again because {why}", fresh.image));
            }
            Recorded::Done(_) | Recorded::Never => {}
        }
        let measured = self.measure(path, run.unwrap_or_default(), pool);
        if self.listener.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        match measured {
            Err(error) => Ok(ImageReport::failed(&error)),
            Ok(Measured { info, rows, unmeasured, cut_off }) => {
                let band = info.band().map_or_else(String::new, |band| band.to_string());
                let made = info.identity.processing.map_or_else(String::new, |made| made.to_string());
                let rows = rows.iter().map(|(n, row)| self.row(*n, &info, [&band, &made], row));
                let remark = info.zodi_remark.clone();
                let mut record = fresh;
                (record.unmeasured, record.remark, record.zodi) = (unmeasured, remark, recorded_zodi(&info));
                record.cut_off = cut_off;
                record.exposure = format!("{}/{band}", info.obs_id);
                record.identity = info.identity.clone();
                record.flux_correction = info.flux_correction;
                let written = tables.start(rows, record, self.format)?;
                let report = ImageReport::of(path, written.record(), false);
                // It hangs up after an error, which it tells itself.
                finish.send(written).map_err(|_| PipelineError::Interrupted)?;
                Ok(report)
            }
        }
    }

    /// Measures the sources of the catalog that lie on an image; `run` are the scales of the
    /// zodiacal light of other images.
    fn measure(
        &self,
        path: &Path,
        run: &[f64],
        pool: &BufferPool<PixelPlanes>,
    ) -> Result<Measured, InputError> {
        let (mut rows, mut unmeasured, mut cut_off) = (Vec::new(), Vec::new(), [0; 2]);
        let info = self.measure_each(path, (run, pool), &|_| (), &mut |_, number, found| match found {
            Ok(row) => {
                cut_off[0] += usize::from(row.fallbacks.cut_background);
                rows.push((number, row));
            }
            Err(reason) => {
                cut_off[1] += usize::from(matches!(reason, NoMeasurement::AtEdge { cut: true, .. }));
                let (target, reason) = (self.catalog.target(number as usize), reason.to_string());
                unmeasured.push((number, Unmeasured { target_id: target.id.to_owned(), reason }));
            }
        })?;
        // In the order of the catalog again.
        rows.sort_unstable_by_key(|(number, _)| *number);
        unmeasured.sort_unstable_by_key(|(number, _)| *number);
        Ok(Measured {
            info,
            rows,
            unmeasured: unmeasured.into_iter().map(|(_, source)| source).collect(),
            cut_off,
        })
    }

    /// Hands on each source of the catalog that lies on an image, by its number, with its row or
    /// the reason why there is none, in the order into which `sort` brings the numbers; `run` are
    /// the scales of the zodiacal light of other images. Gives what is known of the image. Where
    /// the user asks to stop, sources are left out, of which the caller makes no use.
    pub(super) fn measure_each(
        &self,
        path: &Path,
        (run, pool): (&[f64], &BufferPool<PixelPlanes>),
        sort: &dyn Fn(&mut [u32]),
        each: &mut EachSource<'_>,
    ) -> Result<ExposureInfo, InputError> {
        let opened = OpenExposure::open(path, &self.setup)?;
        let (center, radius) = reach(&opened, &self.setup)?;
        let motion = self.catalog.farthest_motion(julian_epoch(opened.info().mjd));
        let positions = self.catalog.positions();
        let index = self.index.get_or_init(|| SkyIndex::new(positions.iter().copied()));
        let mut near = index.within(center, radius + motion, |number| positions[number as usize]);
        if !near.iter().any(|number| self.is_measured(*number)) {
            return Ok(opened.info().clone());
        }
        sort(&mut near);
        let exposure = opened.read(&self.setup, run, pool.take())?;
        self.measure_near(&exposure, &near, each)?;
        let info = exposure.info().clone();
        pool.give(exposure.into_memory()?);
        Ok(info)
    }

    fn measure_near(
        &self,
        exposure: &ReadExposure,
        near: &[u32],
        each: &mut EachSource<'_>,
    ) -> Result<(), InputError> {
        let photometer = exposure.photometer(&self.setup)?;
        let block = if together(&self.setup) { near.len().max(1) } else { BLOCK };
        for near in near.chunks(block) {
            if self.listener.cancelled() {
                break;
            }
            let targets: Vec<SkyTarget> =
                near.iter().map(|number| self.catalog.target(*number as usize).into()).collect();
            for (number, found) in near.iter().zip(photometer.measure_all(&targets, self.listener)) {
                // The circle is larger than the image.
                let is_off = matches!(found, Err(NoMeasurement::OffImage { .. }));
                if self.is_measured(*number) && !is_off {
                    each(exposure.info(), *number, found);
                }
            }
        }
        Ok(())
    }

    fn is_measured(&self, number: u32) -> bool {
        (number as usize) < self.measured
    }

    fn row<'a>(
        &'a self,
        number: u32,
        info: &'a ExposureInfo,
        [band, processing]: [&'a str; 2],
        row: &MeasurementRow,
    ) -> spx_batch::BatchRow<'a> {
        let target = self.catalog.target(number as usize);
        let magnitude = row.magnitude();
        spx_batch::BatchRow {
            target_id: target.id.into(),
            ra: target.position.ra(),
            dec: target.position.dec(),
            obs_id: info.obs_id.as_str().into(),
            band: band.into(),
            mjd: info.mjd,
            x: row.x,
            y: row.y,
            flux: row.flux,
            flux_error: row.flux_error,
            mag_ab: magnitude.map_or(f64::NAN, |m| m.value),
            mag_ab_error: magnitude.map_or(f64::NAN, |m| m.error),
            wavelength: row.wavelength,
            bandwidth: row.bandwidth,
            flag: row.flags,
            bg_level: row.background,
            bg_error: row.background_error.unwrap_or(f64::NAN),
            aperture_radius: row.aperture_radius,
            filename: info.file.as_str().into(),
            snr: row.snr(),
            is_upper_limit: row.is_upper_limit(),
            bad_flag: row.bad_flags,
            is_good: row.is_good,
            is_detected: row.is_detected,
            masked_fraction: row.masked_fraction.unwrap_or(f64::NAN),
            aperture_correction: row.aperture_correction.unwrap_or(f64::NAN),
            psf_flux: row.psf.map_or(f64::NAN, |psf| psf.flux),
            psf_flux_error: row.psf.map_or(f64::NAN, |psf| psf.error),
            psf_chi2: row.psf.map_or(f64::NAN, |psf| psf.chi2),
            method: row.method().name().into(),
            fit_chi2: row.fit.map_or(f64::NAN, |fit| fit.chi2),
            fit_dof: row.fit.map_or(0, |fit| u32::try_from(fit.degrees_of_freedom).unwrap_or(u32::MAX)),
            fit_neighbors: row.fit.map_or(0, |fit| u32::try_from(fit.neighbors).unwrap_or(u32::MAX)),
            fit_correlation: row.fit.map_or(f64::NAN, |fit| fit.correlation),
            not_separable: row.fit.is_some_and(|fit| fit.not_separable),
            pixel_area: row.pixel_area,
            zodi_scale: info.zodi_scale.unwrap_or(f64::NAN),
            release: info.identity.release.map_or("", DataRelease::name).into(),
            version: info.identity.version.as_deref().unwrap_or_default().into(),
            processing: processing.into(),
            flux_correction: info.flux_correction.name().into(),
            wavelength_source: row.wavelength_source.name().into(),
            pixel_area_source: row.pixel_area_source.name().into(),
            fallbacks: fallbacks(info, row).into(),
        }
    }
}

/// Whether all sources of an image are fitted together.
fn together(setup: &PhotometrySetup) -> bool {
    setup.parameters.method == MeasurementMethod::Scene
}

/// Sources in this circle count for an image: center, and radius \[deg\].
pub(super) fn reach(opened: &OpenExposure, setup: &PhotometrySetup) -> Result<(Position, f64), InputError> {
    let (center, radius) = opened.circle()?;
    Ok((center, if together(setup) { radius + BEYOND } else { radius }))
}

/// The scale of an image, where it was fitted or should have been.
fn recorded_zodi(info: &ExposureInfo) -> Option<RecordedZodi> {
    let fitted = info.zodi_scale_error.is_some();
    let scale = info.zodi_scale.filter(|_| fitted || info.zodi_not_fitted)?;
    Some(RecordedZodi { detector: info.detector, scale, fitted })
}

/// Runs `measure` while another thread finishes the tables that it sends, so that the measuring
/// does not wait for the disk. All are finished when this returns; an error of theirs comes first.
fn finishing<T>(
    measure: impl FnOnce(&SyncSender<WrittenTables>) -> Result<T, PipelineError>,
) -> Result<T, PipelineError> {
    // A few tables may wait: each holds an open name, no memory.
    let (sender, receiver) = sync_channel::<WrittenTables>(4);
    std::thread::scope(|scope| {
        let finisher = scope.spawn(move || receiver.into_iter().try_for_each(WrittenTables::finish));
        let measured = measure(&sender);
        drop(sender);
        match finisher.join() {
            Ok(finished) => finished?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        measured
    })
}

/// Takes the image, the number of a source and what measuring it gave.
type EachSource<'a> = dyn FnMut(&ExposureInfo, u32, Result<MeasurementRow, NoMeasurement>) + 'a;

/// What an image gave.
struct Measured {
    info: ExposureInfo,
    /// By the numbers of their sources.
    rows: Vec<(u32, MeasurementRow)>,
    unmeasured: Vec<Unmeasured>,
    /// As [`ImageReport::cut_off`].
    cut_off: [usize; 2],
}
