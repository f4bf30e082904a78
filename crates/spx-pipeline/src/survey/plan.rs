//! The plan of a survey: tiles, frames, and the jobs that they make.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;
use spx_batch::SortedCatalog;
use spx_core::atomic::AtomicFile;
use spx_core::detector::Detector;
use spx_core::elementary::hypot;
use spx_core::sky::Rectangle;

use super::directory::{JobKind, SurveyDirectory, SurveyJob, remove};
use super::hips::{hips_jobs, hips_settings};
use super::mosaic::mosaic_settings;
use super::photometry::{photometry_jobs, photometry_settings};
use super::remote::archive_frames;
use super::settings::{FrameOrigin, SurveyConfig, SurveyParameters};
use crate::archive::{ArchiveAccess, ArchiveSettings};
use crate::batch::{BatchConfig, sort_catalog};
use crate::drizzle::{
    CubeChannels, DrizzleConfig, MosaicConfig, OutputSettings, RegionSettings, mosaic_memory, needed_memory,
    sees,
};
use crate::forecast::WorkForecast;
use crate::hips::{HipsConfig, cells_of, prepare};
use crate::inputs::{InputError, InputFile};
use crate::newest::{InputSelection, NewestInputs, newest_inputs};
use crate::output::check_directory;
use crate::settings::{configuration_text, resolve, write_configuration};
use crate::tiling::{SkyTile, SurveyFrame, digest, find_frames, frames_of_tiles, read_frames, write_frames};
use crate::{Listener, PipelineError, ResultContext as _};

/// Time that a full frame takes, on one core of 2026, where it covers a tile \[s\].
pub(super) const SECONDS_A_FRAME: f64 = 0.09;
/// Time to read and write sums and to write the cube \[s a byte of sums\].
const SECONDS_A_BYTE: f64 = 5.5e-9;

/// What a plan has come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SurveyPlanReport {
    /// The directory.
    pub directory: PathBuf,
    /// Cells that the region touches.
    pub tiles: usize,
    /// Jobs: cells and detectors that some frame reaches.
    pub jobs: usize,
    /// Jobs whose list is new or has changed.
    pub changed: usize,
    /// Frames that are used.
    pub frames: usize,
    /// Frames that others of the same exposure supersede, or of another release.
    pub superseded: usize,
    /// Inputs that could not be read.
    pub failed: usize,
    /// Entries of all lists.
    pub listed: usize,
    /// Size of the frames, each as often as it is listed \[bytes\].
    pub bytes_in: u64,
    /// About how long all jobs take from nothing \[s\].
    pub cpu_s: u64,
    /// How long the plan took \[s\].
    pub seconds: f64,
}

/// Finds tiles and frames, and writes the directory. A list that has not changed is not touched, so
/// that engines that compare times repeat nothing.
///
/// # Errors
/// Usage where settings are wrong; nothing found where no frame reaches the region; otherwise what
/// the disk reports. A frame that cannot be read is told and left out.
pub fn plan_survey(
    config: &SurveyConfig,
    listener: &dyn Listener,
) -> Result<SurveyPlanReport, PipelineError> {
    let start = Instant::now();
    let parameters = config.parameters()?;
    check_directory(&config.output_dir)?;
    parameters.tell(listener);
    let products = PlannedProducts::check(config, listener)?;
    let directory = SurveyDirectory::new(&config.output_dir);
    let (frames, failed, superseded) = frames(config, &parameters, &products, &directory, listener)?;
    let tiles = planned_tiles(&parameters, &frames)?;
    if tiles.iter().all(|tile| tile.frames.is_empty()) {
        let (count, tiles) = (frames.len(), tiles.len());
        let text = format!("none of {count} frames of these detectors reaches one of the {tiles} tiles");
        return Err(PipelineError::nothing_found(text));
    }
    for folder in ["jobs", "sums", "out", "done", "failed", "work"] {
        let folder = config.output_dir.join(folder);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    write_configuration(&directory.settings(), "What this survey was planned with.", config)?;
    let sources = products.write(&directory, listener)?;
    if !matches!(parameters.frames, FrameOrigin::Index(_)) {
        write_frames(&directory.frames(), &frames)?;
    }
    let jobs = products.jobs(config, &parameters, &directory, (&tiles, &frames), sources.as_ref())?;
    let changed = jobs.iter().filter(|(_, changed)| *changed).count();
    let rows: Vec<SurveyJob> = jobs.into_iter().map(|(job, _)| job).collect();
    remove_other_lists(&directory, &rows)?;
    directory.write_jobs(&rows)?;
    let sum = |value: fn(&SurveyJob) -> u64| rows.iter().map(value).sum();
    Ok(SurveyPlanReport {
        directory: config.output_dir.clone(),
        tiles: tiles.len(),
        jobs: rows.len(),
        changed,
        frames: frames.len(),
        superseded,
        failed,
        listed: rows.iter().map(|job| job.n_frames).sum(),
        bytes_in: sum(|job| job.bytes_in),
        cpu_s: sum(|job| job.cpu_s),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// What [`plan_survey`] would plan. Nothing is written.
///
/// # Errors
/// As that.
pub fn forecast_survey(
    config: &SurveyConfig,
    listener: &dyn Listener,
) -> Result<WorkForecast, PipelineError> {
    let parameters = config.parameters()?;
    check_directory(&config.output_dir)?;
    parameters.tell(listener);
    let products = PlannedProducts::check(config, listener)?;
    let directory = SurveyDirectory::new(&config.output_dir);
    let (frames, ..) = frames(config, &parameters, &products, &directory, listener)?;
    let tiles = planned_tiles(&parameters, &frames)?;
    let used: HashSet<u32> = tiles.iter().flat_map(|tile| tile.frames.iter().copied()).collect();
    let of_used = || used.iter().map(|number| &frames[*number as usize]);
    let detectors = |tile: &PlannedTile| {
        let of_tile = tile.frames.iter().map(|number| frames[*number as usize].file.id.detector.number());
        of_tile.collect::<HashSet<u8>>().len()
    };
    let pairs: usize = tiles.iter().map(detectors).sum();
    let mut forecast = WorkForecast::of(&config.output_dir);
    forecast.images = used.len();
    match parameters.frames {
        FrameOrigin::Archive(_) => {
            forecast.to_fetch = used.len();
            forecast.fetch_bytes = of_used().map(|frame| frame.bytes).sum();
        }
        FrameOrigin::Files(_) | FrameOrigin::Index(_) => forecast.at_hand = used.len(),
    }
    let made = [
        (config.cubes, format!("cubes of {} tiles, {pairs} in all", tiles.len())),
        (products.mosaic.is_some(), format!("mosaics of {} tiles, at most {pairs}", tiles.len())),
        (products.hips.is_some(), "a HiPS".to_owned()),
        (products.photometry.is_some(), "light curves".to_owned()),
    ];
    forecast.products = made.into_iter().filter(|(wanted, _)| *wanted).map(|(_, product)| product).collect();
    Ok(forecast)
}

/// What is to be made, with its settings.
struct PlannedProducts {
    drizzle: DrizzleConfig,
    mosaic: Option<MosaicConfig>,
    hips: Option<HipsConfig>,
    /// With the text of `photometry.toml`.
    photometry: Option<(BatchConfig, String)>,
}

impl PlannedProducts {
    /// Reads the settings.
    fn check(config: &SurveyConfig, listener: &dyn Listener) -> Result<Self, PipelineError> {
        let files = [
            ("drizzle", &config.drizzle),
            ("mosaic", &config.mosaic),
            ("hips", &config.hips),
            ("photometry", &config.photometry),
            ("catalog", &config.catalog),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                listener.detail(&format!("{name}: {}", file.display()));
            }
        }
        if config.cubes && config.drizzle.is_none() {
            listener.detail("drizzle: default settings");
        }
        Ok(Self {
            drizzle: drizzle_settings(config)?,
            mosaic: config.mosaic.as_deref().map(mosaic_settings).transpose()?,
            hips: config.hips.as_deref().map(hips_settings).transpose()?,
            photometry: photometry_settings(config, listener)?,
        })
    }

    /// Writes the settings where they are other than before, and the catalog, and removes those of
    /// what is no longer to be made. Gives the catalog.
    fn write(
        &self,
        directory: &SurveyDirectory,
        listener: &dyn Listener,
    ) -> Result<Option<SortedCatalog>, PipelineError> {
        let comment = "The settings of all cubes; place, input and output are those of the jobs.";
        write_if_other(&directory.drizzle(), &configuration_text(comment, &self.drizzle)?)?;
        match &self.mosaic {
            Some(mosaic) => {
                let comment = "The settings of all mosaics; place, input and output are those of the jobs.";
                write_if_other(&directory.mosaic(), &configuration_text(comment, mosaic)?).map(|_| ())?;
            }
            None => remove(&directory.mosaic())?,
        }
        match &self.hips {
            Some(hips) => {
                prepare(&HipsConfig { output_dir: directory.hips_root(), ..hips.clone() }, listener)?;
                let comment = "The settings of the HiPS; place, input and output are those of the survey.";
                write_if_other(&directory.hips(), &configuration_text(comment, hips)?).map(|_| ())?;
            }
            None => remove(&directory.hips())?,
        }
        let Some((photometry, text)) = &self.photometry else {
            remove(&directory.photometry())?;
            remove(&directory.sources())?;
            return Ok(None);
        };
        let sources = sort_catalog(photometry, &directory.sources(), listener)?;
        write_if_other(&directory.photometry(), text)?;
        Ok(Some(sources))
    }

    /// All jobs, each with whether its list is new or other than before.
    fn jobs(
        &self,
        config: &SurveyConfig,
        parameters: &SurveyParameters,
        directory: &SurveyDirectory,
        (tiles, frames): (&[PlannedTile], &[SurveyFrame]),
        sources: Option<&SortedCatalog>,
    ) -> Result<Vec<(SurveyJob, bool)>, PipelineError> {
        let mut jobs = Vec::new();
        if config.cubes {
            let product = TileProduct::Cube(&self.drizzle);
            jobs = JobMaker { directory, frames, product }.make(tiles)?;
        }
        if let Some(mosaic) = &self.mosaic {
            let product = TileProduct::Mosaic(mosaic);
            jobs.extend(JobMaker { directory, frames, product }.make(tiles)?);
        }
        if let Some(sources) = sources {
            let used: HashSet<u32> = tiles.iter().flat_map(|tile| tile.frames.iter().copied()).collect();
            let used = (0u32..).zip(frames).filter(|(number, _)| used.contains(number));
            let used: Vec<&SurveyFrame> = used.map(|(_, frame)| frame).collect();
            jobs.extend(photometry_jobs(directory, &used, config.group, sources)?);
        }
        if let Some(hips) = &self.hips {
            jobs.extend(hips_jobs(directory, frames, parameters, hips)?);
        }
        Ok(jobs)
    }
}

/// The settings of all cubes, checked with those of some job.
fn drizzle_settings(config: &SurveyConfig) -> Result<DrizzleConfig, PipelineError> {
    let file = config.drizzle.as_deref();
    let drizzle: DrizzleConfig = resolve(file, toml::Table::new()).map_err(PipelineError::usage)?;
    let name = || file.map_or_else(|| "drizzle settings".to_owned(), |file| file.display().to_string());
    if drizzle.grid != DrizzleConfig::default().grid {
        let text = "the grids of tiles are TAN, north up: other grids are not supported in a survey";
        return Err(PipelineError::usage(text).with_context(name()));
    }
    let DrizzleConfig { archive, memory, .. } = drizzle.clone();
    let mut drizzle = drizzle.resolved();
    drizzle.channels = CubeChannels::Detector;
    drizzle.region = RegionSettings { detector: 1, ..RegionSettings::default() };
    let compress = drizzle.output.compress;
    drizzle.output = OutputSettings { compress, ..OutputSettings::default() };
    drizzle.accumulate = None;
    (drizzle.archive, drizzle.memory) = (archive, memory);
    let example = DrizzleConfig {
        accumulate: Some("sums.fits".into()),
        region: RegionSettings {
            ra: Some(0.0),
            dec: Some(0.0),
            width: Some(1.0),
            height: Some(1.0),
            detector: 1,
        },
        ..drizzle.clone()
    };
    example.plan(Detector::ALL[0]).with_context(name)?;
    Ok(drizzle)
}

/// Writes a file where it is other than before, for engines compare times, and tells whether it
/// was. It is not flushed to the disk: after a power cut, the next plan finds it wanting.
fn write_if_other(path: &Path, text: &str) -> Result<bool, PipelineError> {
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(false);
    }
    let context = || path.display().to_string();
    let target = AtomicFile::new(path, true).with_context(context)?;
    fs::write(target.path(), text).with_context(context)?;
    fs::rename(target.path(), path).with_context(context)?;
    Ok(true)
}

/// Writes the list of a job where it is other than before. Gives what changes with it, and whether
/// it was written.
pub(super) fn write_list(
    directory: &SurveyDirectory,
    job: &str,
    frames: &[&SurveyFrame],
) -> Result<(String, bool), PipelineError> {
    let mut list = String::new();
    for frame in frames {
        // Writing to a string cannot fail.
        writeln!(list, "{}\t{}", frame.file.path.display(), frame.bytes).ok();
    }
    Ok((digest(list.as_bytes()), write_if_other(&directory.list(job), &list)?))
}

/// The frames that count, sorted, with the numbers of those that cannot be read and of those that
/// others supersede.
fn frames(
    config: &SurveyConfig,
    parameters: &SurveyParameters,
    products: &PlannedProducts,
    directory: &SurveyDirectory,
    listener: &dyn Listener,
) -> Result<(Vec<SurveyFrame>, usize, usize), PipelineError> {
    let (found, failed): (Vec<SurveyFrame>, Vec<InputError>) = match &parameters.frames {
        FrameOrigin::Archive(archive) => {
            // Tiles that the region touches reach beyond it.
            let mut tiles = parameters.order.tiles_in_circle(parameters.center, parameters.radius);
            if let Some(hips) = &products.hips {
                tiles.extend(cells_of(hips)?.0.tiles_in_circle(parameters.center, parameters.radius));
            }
            let sides = tiles.iter().map(|tile| tile.rectangle());
            let sides = sides.collect::<Result<Vec<Rectangle>, PipelineError>>()?;
            let diagonal = |tile: &Rectangle| hypot(tile.width(), tile.height()) / 60.0;
            let beyond = sides.iter().map(diagonal).fold(0.0, f64::max);
            let place = (parameters.center, parameters.radius + beyond);
            // Of each exposure the search gives the newest.
            let (frames, failed, superseded) =
                archive_frames(archive, place, &parameters.detectors, listener)?;
            failed.iter().for_each(|error| listener.warning(&error.to_string()));
            return Ok((frames, failed.len(), superseded));
        }
        FrameOrigin::Index(path) => (read_frames(path).map_err(PipelineError::into_usage)?, Vec::new()),
        FrameOrigin::Files(inputs) => {
            // Without it, every file is opened again.
            let known = read_frames(&directory.frames()).unwrap_or_default();
            find_frames(inputs, known, listener)?
        }
    };
    failed.iter().for_each(|error| listener.warning(&error.to_string()));
    if found.is_empty() {
        return Err(match failed.len() {
            0 => PipelineError::nothing_found("no spectral image (*.fits, *.fits.gz) in the inputs"),
            n => PipelineError::failed(format!("none of the {n} inputs could be used")),
        });
    }
    let wanted = |frame: &SurveyFrame| parameters.detectors.contains(&frame.file.id.detector);
    let found: Vec<SurveyFrame> = found.into_iter().filter(wanted).collect();
    let (kept, damaged, superseded) = newest_frames(found, &config.archive)?;
    damaged.iter().for_each(|error| listener.warning(&error.to_string()));
    Ok((kept, failed.len() + damaged.len(), superseded))
}

/// Of each exposure the newest processing, sorted, those that are damaged, and the number of the
/// others.
fn newest_frames(
    frames: Vec<SurveyFrame>,
    archive: &ArchiveSettings,
) -> Result<(Vec<SurveyFrame>, Vec<InputError>, usize), PipelineError> {
    let (mut files, mut rest) = (Vec::with_capacity(frames.len()), HashMap::with_capacity(frames.len()));
    for SurveyFrame { file, bytes, modified, corners } in frames {
        rest.insert(file.path.clone(), (bytes, modified, corners));
        files.push(file);
    }
    let ArchiveAccess { release, mjd_range, max_images, .. } = archive.access()?;
    let selection = InputSelection { release, mjd_range, max_images, ..InputSelection::default() };
    let NewestInputs { kept, aside, damaged } = newest_inputs(files, &selection)?;
    let frame = |file: InputFile| {
        let (bytes, modified, corners) = rest.remove(&file.path)?;
        Some(SurveyFrame { file, bytes, modified, corners })
    };
    Ok((kept.into_iter().filter_map(frame).collect(), damaged, aside.len()))
}

/// A tile and the frames that reach it, by their numbers.
struct PlannedTile {
    tile: SkyTile,
    rectangle: Rectangle,
    frames: Vec<u32>,
}

fn planned_tiles(
    parameters: &SurveyParameters,
    frames: &[SurveyFrame],
) -> Result<Vec<PlannedTile>, PipelineError> {
    let tiles = parameters.order.tiles_in_circle(parameters.center, parameters.radius);
    let rectangles = tiles.iter().map(|tile| tile.rectangle()).collect::<Result<Vec<_>, _>>()?;
    let reached = frames_of_tiles(&rectangles, frames);
    let planned = tiles.into_iter().zip(rectangles).zip(reached);
    Ok(planned.map(|((tile, rectangle), frames)| PlannedTile { tile, rectangle, frames }).collect())
}

/// What a job of a tile and a detector makes.
enum TileProduct<'a> {
    Cube(&'a DrizzleConfig),
    Mosaic(&'a MosaicConfig),
}

impl TileProduct<'_> {
    fn kind(&self) -> JobKind {
        match self {
            Self::Cube(_) => JobKind::Cube,
            Self::Mosaic(_) => JobKind::Mosaic,
        }
    }

    /// The name of a job.
    fn job(&self, tile: SkyTile, detector: Detector) -> String {
        match self {
            Self::Cube(_) => format!("{tile}_{detector}"),
            Self::Mosaic(_) => format!("mosaic_{tile}_{detector}"),
        }
    }

    /// Whether a detector has anything to give.
    fn takes(&self, detector: Detector) -> Result<bool, PipelineError> {
        match self {
            Self::Cube(_) => Ok(true),
            Self::Mosaic(config) => {
                let region = RegionSettings { detector: detector.number(), ..RegionSettings::default() };
                Ok(sees(detector, MosaicConfig { region, ..(*config).clone() }.range()?))
            }
        }
    }

    /// Upper bound of the memory \[bytes\], and size of the sums that are kept \[bytes\].
    fn memory(
        &self,
        region: RegionSettings,
        detector: Detector,
        frames: &[&SurveyFrame],
    ) -> Result<(u64, u64), PipelineError> {
        match self {
            Self::Cube(config) => {
                let plan = DrizzleConfig { region, ..(*config).clone() }.plan(detector)?;
                let memory = needed_memory(&plan, frames.len(), largest(frames), 1);
                Ok((memory, plan.accumulator_bytes(frames.len())))
            }
            Self::Mosaic(config) => {
                let config = MosaicConfig { region, ..(*config).clone() };
                Ok((mosaic_memory(&config, None, (frames.len(), largest(frames)))?, 0))
            }
        }
    }
}

/// Pixels of the largest of some frames.
pub(super) fn largest(frames: &[&SurveyFrame]) -> u64 {
    frames.iter().map(|frame| (frame.file.shape[0] * frame.file.shape[1]) as u64).max().unwrap_or_default()
}

/// Pixels of some frames, in full frames.
pub(super) fn full_frames(frames: &[&SurveyFrame]) -> f64 {
    let full = (Detector::NPIX * Detector::NPIX) as f64;
    frames.iter().map(|frame| (frame.file.shape[0] * frame.file.shape[1]) as f64 / full).sum()
}

/// Makes jobs and writes their lists, of which there may be more than fit into memory.
struct JobMaker<'a> {
    directory: &'a SurveyDirectory,
    frames: &'a [SurveyFrame],
    product: TileProduct<'a>,
}

impl JobMaker<'_> {
    /// The jobs of tiles, sorted by tile and detector, each with whether its list is new or other
    /// than before.
    fn make(&self, tiles: &[PlannedTile]) -> Result<Vec<(SurveyJob, bool)>, PipelineError> {
        let of_tile = |tile: &PlannedTile| {
            let mut by_detector: BTreeMap<Detector, Vec<&SurveyFrame>> = BTreeMap::new();
            for frame in tile.frames.iter().map(|number| &self.frames[*number as usize]) {
                by_detector.entry(frame.file.id.detector).or_default().push(frame);
            }
            let mut jobs = Vec::new();
            for (detector, frames) in by_detector {
                if self.product.takes(detector)? {
                    jobs.push(self.job(tile, detector, &frames)?);
                }
            }
            Ok(jobs)
        };
        let made: Result<Vec<Vec<(SurveyJob, bool)>>, PipelineError> =
            tiles.par_iter().map(of_tile).collect();
        Ok(made?.into_iter().flatten().collect())
    }

    /// The job of a tile and a detector, whose list is written where it is other than before, and
    /// whether it was.
    fn job(
        &self,
        tile: &PlannedTile,
        detector: Detector,
        frames: &[&SurveyFrame],
    ) -> Result<(SurveyJob, bool), PipelineError> {
        let (name, rectangle) = (self.product.job(tile.tile, detector), tile.rectangle);
        let (inputs, changed) = write_list(self.directory, &name, frames)?;
        let mut job = SurveyJob {
            kind: self.product.kind(),
            tile: tile.tile.to_string(),
            detector: detector.number(),
            ra: rectangle.center().ra(),
            dec: rectangle.center().dec(),
            width: rectangle.width(),
            height: rectangle.height(),
            n_frames: frames.len(),
            bytes_in: frames.iter().map(|frame| frame.bytes).sum(),
            mem_mb: 0,
            cpu_s: 0,
            inputs,
            output: PathBuf::from(format!("out/{name}.fits")),
            job: name,
        };
        (job.mem_mb, job.cpu_s) = self.cost(&job, detector, frames)?;
        Ok((job, changed))
    }

    /// Memory \[MB\] and time \[s\] of a job.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds, above 0")]
    fn cost(
        &self,
        job: &SurveyJob,
        detector: Detector,
        frames: &[&SurveyFrame],
    ) -> Result<(u64, u64), PipelineError> {
        let (memory, sums) = self.product.memory(job.region(), detector, frames)?;
        let seconds = SECONDS_A_FRAME * full_frames(frames) + SECONDS_A_BYTE * sums as f64;
        // A process needs some memory besides.
        Ok((memory / 1_000_000 + 100, seconds.ceil() as u64))
    }
}

impl SurveyJob {
    /// Where its cube or mosaic is.
    pub(super) fn region(&self) -> RegionSettings {
        let Self { ra, dec, width, height, detector, .. } = *self;
        let [ra, dec, width, height] = [ra, dec, width, height].map(Some);
        RegionSettings { ra, dec, width, height, detector }
    }
}

/// Removes the lists of jobs that are no more.
fn remove_other_lists(directory: &SurveyDirectory, jobs: &[SurveyJob]) -> Result<(), PipelineError> {
    let wanted: HashSet<PathBuf> = jobs.iter().map(|job| directory.list(&job.job)).collect();
    let lists = directory.lists();
    let context = || lists.display().to_string();
    for entry in fs::read_dir(&lists).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path.extension().is_some_and(|end| end == "list") && !wanted.contains(&path) {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}
