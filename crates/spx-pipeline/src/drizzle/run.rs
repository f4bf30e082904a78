//! The drizzle as a pipeline: find the inputs or ask the archive, sort them by detector, make cube
//! after cube.

use std::path::{Path, PathBuf};

use spx_archive::{DownloadLayout, SearchShape, Selection};
use spx_core::detector::Detector;
use spx_drizzle::Drizzler;
use spx_wcs::OutputGrid;

use super::accumulate::SumsInUse;
use super::channels::ChannelFile;
use super::job::{DrizzleJob, needed_memory};
use super::memory::check_memory;
use super::mosaic::MosaicConfig;
use super::report::{CubeReport, DrizzleReport};
use super::settings::{CubeChannels, DrizzleConfig, DrizzleParameters, DrizzleProduct};
use crate::archive::{ArchiveOrder, DeliveredFiles, MAX_IMAGES, QUERY_SUMMARY, QuerySummary};
use crate::calibration::Calibration;
use crate::flag_selection::{check_names, check_names_of};
use crate::forecast::WorkForecast;
use crate::inputs::{InputError, InputFile, find_inputs};
use crate::newest::{InputSelection, NewestInputs, newest_inputs};
use crate::output::OutputDirectory;
use crate::settings::write_configuration;
use crate::stages::{StageSelection, Stages};
use crate::{Listener, PipelineError};

/// The name of the file that says how far a run from the archive has come.
const STATE: &str = "drizzle_state.toml";

/// Pixels of a full frame.
const FRAME_PIXELS: u64 = 2040 * 2040;

/// What is to be made, with its settings.
pub(super) enum DrizzleTask<'a> {
    /// A cube of each detector.
    Cubes(&'a DrizzleConfig),
    /// One mosaic.
    Mosaic(&'a MosaicConfig),
}

/// Makes the cubes of the inputs that the settings name, or of what the archive has: one for each
/// detector, or one with the planes of all.
///
/// They are written to `drizzle_D<n>.fits` or `drizzle_all.fits` in the output directory, and
/// beside each the settings that it was made with.
///
/// # Errors
/// Where no cube could be made: usage where the settings are wrong or a cube exists; nothing found
/// where no exposure contributes. A cube that fails beside others that are made stands in the
/// report.
pub fn drizzle(config: &DrizzleConfig, listener: &dyn Listener) -> Result<DrizzleReport, PipelineError> {
    make(&DrizzleTask::Cubes(config), false, listener)
}

/// As [`drizzle`], going on with an earlier run in the same directory: stages that are done, with
/// the same settings and the same inputs, are not repeated.
///
/// # Errors
/// As [`drizzle`].
pub fn resume_drizzle(
    config: &DrizzleConfig,
    listener: &dyn Listener,
) -> Result<DrizzleReport, PipelineError> {
    make(&DrizzleTask::Cubes(config), true, listener)
}

/// Makes the mosaic of the inputs that the settings name, or of what the archive has.
///
/// It combines exposures of all detectors that see the range. It is written to `mosaic.fits` in the
/// output directory.
///
/// # Errors
/// Usage where the settings are wrong or the output exists; nothing found where no exposure
/// contributes.
pub fn mosaic(config: &MosaicConfig, listener: &dyn Listener) -> Result<DrizzleReport, PipelineError> {
    make(&DrizzleTask::Mosaic(config), false, listener)
}

/// As [`mosaic`], going on with an earlier run in the same directory: stages that are done, with
/// the same settings and the same inputs, are not repeated.
///
/// # Errors
/// As [`mosaic`].
pub fn resume_mosaic(config: &MosaicConfig, listener: &dyn Listener) -> Result<DrizzleReport, PipelineError> {
    make(&DrizzleTask::Mosaic(config), true, listener)
}

/// Drizzles files onto a grid that is given, in place of that of the settings, and writes nothing;
/// also tells what became of each.
///
/// # Errors
/// Usage where the settings are wrong, or need more memory than there is.
pub(crate) fn drizzle_mean(
    config: &MosaicConfig,
    grid: OutputGrid,
    files: Vec<InputFile>,
    calibration: &Calibration,
    listener: &dyn Listener,
) -> Result<(Drizzler, CubeReport), PipelineError> {
    let mut parameters = config.parameters()?;
    parameters.grid = grid;
    let job = DrizzleJob {
        parameters: &parameters,
        product: DrizzleProduct::Mosaic,
        directory: &parameters.output_dir,
        calibration,
        files,
        failed: &[],
        aside: Vec::new(),
        overwrite: false,
        history: Vec::new(),
        listener,
    };
    let plan = parameters.plan(job.product)?;
    check_memory(job.memory(&plan, 0), parameters.max_memory)?;
    let (drizzler, report, _) = job.sum(plan)?;
    Ok((drizzler, report))
}

/// Upper bound of the memory that a mosaic of so many exposures, of so many pixels at most, needs
/// on one thread, on the grid of the settings or on another \[bytes\].
///
/// # Errors
/// Usage where the settings are wrong.
pub(crate) fn mosaic_memory(
    config: &MosaicConfig,
    grid: Option<OutputGrid>,
    (exposures, pixels): (usize, u64),
) -> Result<u64, PipelineError> {
    let mut parameters = config.parameters()?;
    parameters.grid = grid.unwrap_or(parameters.grid);
    Ok(needed_memory(&parameters.plan(DrizzleProduct::Mosaic)?, exposures, pixels, 1))
}

/// Makes the cube of one detector from files and directories that are at hand.
///
/// # Errors
/// As [`drizzle`].
pub fn drizzle_detector(
    inputs: &[PathBuf],
    config: &DrizzleConfig,
    detector: Detector,
    listener: &dyn Listener,
) -> Result<CubeReport, PipelineError> {
    let mut config = config.clone();
    config.region.detector = detector.number();
    config.output.input = Some(inputs.to_vec());
    let mut report = drizzle(&config, listener)?;
    report.cubes.pop().ok_or_else(|| PipelineError::failed("no cube was made"))
}

/// Asks the archive for the images of the region; the answer is also written to
/// `query_summary.toml` in the output directory.
///
/// # Errors
/// Nothing found where the archive has no such image; otherwise where it cannot be asked.
pub fn query_observations(
    config: &DrizzleConfig,
    listener: &dyn Listener,
) -> Result<QuerySummary, PipelineError> {
    let parameters = config.parameters()?;
    let output = OutputDirectory::create(&parameters.output_dir)?;
    let summary = order(&parameters).query(&mut Stages::transient(listener))?;
    output.keep();
    Ok(summary)
}

/// Downloads the images of a query to `data/D1` to `data/D6` in the output directory; what is there
/// already is not fetched again.
///
/// # Errors
/// Where the disk is too small. A file that cannot be fetched is no error here: it stands among the
/// missing ones.
pub fn download_observations(
    config: &DrizzleConfig,
    summary: &QuerySummary,
    listener: &dyn Listener,
) -> Result<DeliveredFiles, PipelineError> {
    let parameters = config.parameters()?;
    order(&parameters).download(summary, &mut Stages::transient(listener))
}

impl DrizzleTask<'_> {
    fn parameters(&self) -> Result<DrizzleParameters, PipelineError> {
        match self {
            Self::Cubes(config) => config.parameters(),
            Self::Mosaic(config) => config.parameters(),
        }
    }

    /// What was chosen where the settings leave it open.
    fn tell(&self, parameters: &DrizzleParameters, listener: &dyn Listener) {
        let lines = match self {
            Self::Cubes(config) => config.followed(),
            Self::Mosaic(config) => config.followed(),
        };
        lines.unwrap_or_default().iter().for_each(|line| listener.detail(line));
        let mode = parameters.zodi.options.mode;
        listener.detail(&format!("kernel {}; zodiacal light: {mode}", parameters.options.kernel));
        let found = Calibration::find(&parameters.calibration, parameters.archive.mirror());
        // What is wrong with it is told where it is used.
        if let Ok(calibration) = found {
            calibration.tell(false, listener);
        }
    }

    /// The configuration, line by line, for the history of a product.
    fn history(&self, product: DrizzleProduct) -> Result<Vec<String>, PipelineError> {
        match self {
            Self::Cubes(config) => Ok(config.history(product)),
            Self::Mosaic(config) => config.history(),
        }
    }

    /// Writes the configuration beside the product: `drizzle_D<n>.toml`, `mosaic.toml`. Settings
    /// that follow others, such as `z_shrink`, are in it only where they were given, so that they
    /// follow them in another run, too.
    fn write_configuration(&self, job: &DrizzleJob<'_>) -> Result<(), PipelineError> {
        let path = job.configuration_file();
        let comment = format!("What {}.fits was made with.", job.product.stem());
        match self {
            Self::Cubes(config) => write_configuration(&path, &comment, &config.for_product(job.product)),
            Self::Mosaic(config) => write_configuration(&path, &comment, config),
        }
    }

    /// What is made of the inputs, which are sorted.
    fn products(&self, inputs: Vec<InputFile>) -> Vec<(DrizzleProduct, Vec<InputFile>)> {
        match self {
            Self::Mosaic(_) if inputs.is_empty() => Vec::new(),
            Self::Mosaic(_) => vec![(DrizzleProduct::Mosaic, inputs)],
            Self::Cubes(_) => Detector::ALL
                .into_iter()
                .map(|detector| {
                    let of_it = inputs.iter().filter(|input| input.id.detector == detector);
                    (DrizzleProduct::Cube(detector), of_it.cloned().collect::<Vec<_>>())
                })
                .filter(|(_, inputs)| !inputs.is_empty())
                .collect(),
        }
    }
}

impl MosaicConfig {
    /// What was chosen where the settings leave it open.
    pub(crate) fn tell(&self, listener: &dyn Listener) {
        if let Ok(parameters) = self.parameters() {
            DrizzleTask::Mosaic(self).tell(&parameters, listener);
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is missing or out of range.
    pub(crate) fn check(&self) -> Result<(), PipelineError> {
        self.parameters().map(|_| ())
    }

    /// Refuses flags that neither a release nor the first of these files knows.
    pub(crate) fn check_flags<'a>(
        &self,
        files: impl IntoIterator<Item = &'a Path>,
    ) -> Result<(), PipelineError> {
        let parameters = self.parameters()?;
        check_names_of(|names| parameters.excluded(names), files)
    }
}

/// Makes what a task asks for.
pub(super) fn make(
    task: &DrizzleTask<'_>,
    resume: bool,
    listener: &dyn Listener,
) -> Result<DrizzleReport, PipelineError> {
    let parameters = task.parameters()?;
    task.tell(&parameters, listener);
    if !parameters.options.kernel.conserves_flux() {
        listener.warning(&format!("kernel {}: it does not conserve flux", parameters.options.kernel));
    }
    let local = !parameters.input.is_empty();
    if local && !resume {
        let mut stages = Stages::transient(listener);
        return combine(task, &parameters, &parameters.input, Vec::new(), &mut stages);
    }
    check_names(|names| parameters.excluded(names))?;
    let output = OutputDirectory::create(&parameters.output_dir)?;
    let state = parameters.output_dir.join(STATE);
    let mut stages = Stages::open(&state, StageSelection { resume, ..StageSelection::default() }, listener)?;
    if local {
        let report = combine(task, &parameters, &parameters.input, Vec::new(), &mut stages)?;
        output.keep();
        return Ok(report);
    }
    let order = order(&parameters);
    let summary = order.query(&mut stages)?;
    let delivered = order.download(&summary, &mut stages)?;
    output.keep();
    combine(task, &parameters, &delivered.files, delivered.failed().collect(), &mut stages)
}

/// What [`drizzle`] would do with these settings. Nothing is written.
///
/// # Errors
/// Usage where the settings are wrong; nothing found where there is no image; otherwise where the
/// archive cannot be asked.
pub fn forecast_drizzle(
    config: &DrizzleConfig,
    listener: &dyn Listener,
) -> Result<WorkForecast, PipelineError> {
    forecast(&DrizzleTask::Cubes(config), listener)
}

/// What [`mosaic`] would do with these settings. Nothing is written.
///
/// # Errors
/// As [`forecast_drizzle`].
pub fn forecast_mosaic(
    config: &MosaicConfig,
    listener: &dyn Listener,
) -> Result<WorkForecast, PipelineError> {
    forecast(&DrizzleTask::Mosaic(config), listener)
}

fn forecast(task: &DrizzleTask<'_>, listener: &dyn Listener) -> Result<WorkForecast, PipelineError> {
    let parameters = task.parameters()?;
    let (mut forecast, detectors) = match parameters.input.as_slice() {
        [] => {
            let forecast = order(&parameters).forecast(&parameters.output_dir, listener)?;
            (forecast, parameters.detector.map_or_else(|| Detector::ALL.to_vec(), |one| vec![one]))
        }
        input => {
            let (files, _) = find_inputs(input, listener)?.scan();
            let (files, _) = select(files, Vec::new(), parameters.detector, listener);
            let mut found: Vec<Detector> = files.iter().map(|file| file.id.detector).collect();
            found.sort_by_key(|detector| detector.number());
            found.dedup();
            let (images, work) = (files.len(), WorkForecast::of(&parameters.output_dir));
            (WorkForecast { images, at_hand: images, ..work }, found)
        }
    };
    if forecast.images == 0 {
        return Err(PipelineError::nothing_found("no input is of the requested detector"));
    }
    let products = match task {
        DrizzleTask::Mosaic(_) => vec![DrizzleProduct::Mosaic],
        DrizzleTask::Cubes(_) => detectors.into_iter().map(DrizzleProduct::Cube).collect(),
    };
    for product in products {
        let plan = parameters.plan(product)?;
        let [nz, ny, nx] = plan.cube_shape();
        forecast.products.push(format!("{}.fits, {nx} x {ny} x {nz} voxels", product.stem()));
        let threads = rayon::current_num_threads().min(forecast.images) as u64;
        let memory = needed_memory(&plan, forecast.images, FRAME_PIXELS, threads);
        forecast.memory_bytes = forecast.memory_bytes.max(Some(memory));
    }
    Ok(forecast)
}

/// Why no input is used.
fn unwanted(aside: &[(InputFile, String)]) -> String {
    match aside {
        [] => "no input is of the requested detector".to_owned(),
        [(file, reason), ..] => format!("none of {} inputs is wanted ({}: {reason})", aside.len(), file.name),
    }
}

/// The images of the region; files go to `data/D1` to `data/D6` in the output directory.
fn order(parameters: &DrizzleParameters) -> ArchiveOrder<'_> {
    let archive = &parameters.archive;
    ArchiveOrder {
        archive,
        selection: Selection {
            bands: parameters.detector.into_iter().collect(),
            ..archive.selection(SearchShape::Rectangle(parameters.region), Some(MAX_IMAGES))
        },
        cutout: None,
        summary: parameters.output_dir.join(QUERY_SUMMARY),
        data: parameters.output_dir.join("data"),
        layout: DownloadLayout::ByDetector,
    }
}

/// Makes the products of inputs that are at hand; `undelivered` are those that are not, which the
/// user has been told.
fn combine(
    task: &DrizzleTask<'_>,
    parameters: &DrizzleParameters,
    inputs: &[PathBuf],
    undelivered: Vec<InputError>,
    stages: &mut Stages<'_>,
) -> Result<DrizzleReport, PipelineError> {
    let listener = stages.listener();
    let found = find_inputs(inputs, listener)?;
    if found.is_empty() && undelivered.is_empty() {
        return Err(PipelineError::nothing_found("no spectral image (*.fits, *.fits.gz) in the inputs"));
    }
    found.tell_skipped(listener);
    let (mut files, mut failed) = found.scan();
    if parameters.input.is_empty() {
        // The archive's choice, not the user's.
        files.iter_mut().for_each(|file| file.named = false);
    }
    failed.extend(undelivered.iter().cloned());
    let (files, mut failed) = select(files, failed, parameters.detector, listener);
    let archive = &parameters.archive;
    // Of what the archive sent, the query has taken care.
    let local = !parameters.input.is_empty();
    let selection = InputSelection {
        release: archive.release,
        mjd_range: archive.mjd_range.filter(|_| local),
        max_images: archive.max_images.filter(|_| local),
        bands: Vec::new(),
    };
    let NewestInputs { kept, aside, damaged } = newest_inputs(files, &selection)?;
    check_names_of(|names| parameters.excluded(names), kept.iter().map(|file| file.path.as_path()))?;
    failed.extend(damaged);
    failed.sort();
    let mirror = archive.mirror();
    let calibration =
        Calibration::find(&parameters.calibration, mirror).map_err(PipelineError::into_usage)?;
    let untold = failed.iter().filter(|error| !undelivered.contains(error));
    untold.for_each(|error| listener.warning(&error.to_string()));
    let together =
        (parameters.channels == CubeChannels::All).then(|| ChannelFile::new(&parameters.output_dir));
    let mut jobs = Vec::new();
    for (product, files) in task.products(kept) {
        let of_it = |file: &InputFile| product.detector().is_none_or(|d| file.id.detector == d);
        jobs.push(DrizzleJob {
            parameters,
            product,
            directory: together.as_ref().map_or(parameters.output_dir.as_path(), ChannelFile::parts),
            calibration: &calibration,
            files,
            failed: &failed,
            aside: aside.iter().filter(|(file, _)| of_it(file)).cloned().collect(),
            overwrite: together.is_some() || parameters.overwrite || stages.resuming(),
            history: task.history(product)?,
            listener,
        });
    }
    if jobs.is_empty() {
        return Err(match failed.len() {
            0 => PipelineError::nothing_found(unwanted(&aside)),
            n => PipelineError::failed(format!("none of the {n} inputs could be used")),
        });
    }
    match &together {
        None => run_jobs(task, &jobs, stages),
        Some(file) => run_together(task, &jobs, file, stages),
    }
}

/// Files of the detector that is wanted, in order. Those of another detector have failed where the
/// user named them, and are left aside where they were found in a directory.
fn select(
    files: Vec<InputFile>,
    mut failed: Vec<InputError>,
    wanted: Option<Detector>,
    listener: &dyn Listener,
) -> (Vec<InputFile>, Vec<InputError>) {
    let Some(wanted) = wanted else {
        failed.sort();
        return (files, failed);
    };
    let (selected, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.id.detector == wanted);
    let (named, aside): (Vec<_>, Vec<_>) = others.into_iter().partition(|file| file.named);
    failed.extend(named.iter().map(|file| {
        let (found, expected) = (file.id.detector.number(), wanted.number());
        InputError::new(&file.path, format!("HDU IMAGE: card DETECTOR is {found}, not {expected}"))
    }));
    if !aside.is_empty() {
        listener.note(&format!("{} images of other detectors are skipped", aside.len()));
    }
    failed.sort();
    (selected, failed)
}

/// Checks all that can be checked before the work begins, then makes product after product.
fn run_jobs(
    task: &DrizzleTask<'_>,
    jobs: &[DrizzleJob<'_>],
    stages: &mut Stages<'_>,
) -> Result<DrizzleReport, PipelineError> {
    let plans = check_jobs(jobs, stages)?;
    let first = jobs[0].parameters;
    let output = if first.sums_only { None } else { Some(OutputDirectory::create(jobs[0].directory)?) };
    let (mut report, mut errors) = (DrizzleReport::default(), Vec::new());
    for (job, (plan, sums)) in jobs.iter().zip(plans) {
        if let Some(sums) = sums.as_ref().filter(|sums| job.has_nothing_to_add(Some(sums))) {
            report.cubes.push(job.nothing_added(&plan, sums));
            continue;
        }
        let is_there = |_: &CubeReport| job.products().all(|file| file.exists());
        let depends = job.fingerprint(stages)?;
        let made = stages.run(&job.product.stem(), depends, is_there, || {
            let report = job.run(plan, sums)?;
            if !job.parameters.sums_only {
                task.write_configuration(job)?;
            }
            Ok::<_, PipelineError>(report)
        });
        match made {
            Ok(mut cube) => {
                job.name_products(&mut cube);
                report.cubes.push(cube);
            }
            Err(PipelineError::Interrupted) => return Err(PipelineError::Interrupted),
            Err(error) => errors.push(error),
        }
    }
    if report.cubes.is_empty()
        && let Some(error) = errors.pop()
    {
        errors.iter().for_each(|other| jobs[0].listener.warning(&other.one_line()));
        return Err(error);
    }
    report.failures = errors.iter().map(PipelineError::one_line).collect();
    output.into_iter().for_each(OutputDirectory::keep);
    Ok(report)
}

/// Makes the cubes of all detectors one after the other, and one file of them.
fn run_together(
    task: &DrizzleTask<'_>,
    jobs: &[DrizzleJob<'_>],
    file: &ChannelFile,
    stages: &mut Stages<'_>,
) -> Result<DrizzleReport, PipelineError> {
    let (parameters, listener) = (jobs[0].parameters, jobs[0].listener);
    let overwrite = parameters.overwrite || stages.resuming();
    file.check(overwrite, stages)?;
    let mut depends = Vec::new();
    for job in jobs {
        depends.push(job.fingerprint(stages)?);
    }
    let depends = depends.join("\n");
    let output = OutputDirectory::create(&parameters.output_dir)?;
    let done = stages.is_done(ChannelFile::STEM, &depends) && file.path().exists();
    let parts = if done { DrizzleReport::default() } else { run_jobs(task, jobs, stages)? };
    let detectors: Vec<Detector> = jobs.iter().filter_map(|job| job.product.detector()).collect();
    file.tell_missing(&detectors, listener);
    let is_there = |_: &CubeReport| file.path().exists();
    let made = stages.run(ChannelFile::STEM, depends, is_there, || {
        let report = file.join(&parts.cubes, (parameters.compression, overwrite), listener)?;
        if let DrizzleTask::Cubes(config) = task {
            let comment = format!("What {}.fits was made with.", ChannelFile::STEM);
            write_configuration(&file.configuration(), &comment, config)?;
        }
        Ok::<_, PipelineError>(report)
    })?;
    output.keep();
    Ok(DrizzleReport { cubes: vec![made], failures: parts.failures })
}

/// What each job needs: its plan, and its running sums where it has some.
type Prepared = (spx_drizzle::DrizzlePlan, Option<SumsInUse>);

/// Refuses what is too large, has settings that do not go together, or would replace a file.
fn check_jobs(jobs: &[DrizzleJob<'_>], stages: &Stages<'_>) -> Result<Vec<Prepared>, PipelineError> {
    if jobs.len() > 1 && jobs[0].parameters.accumulate.is_some() {
        let detectors: Vec<String> = jobs.iter().map(|job| job.product.to_string()).collect();
        let found = detectors.join(", ");
        return Err(PipelineError::usage(format!(
            "accumulate takes one detector, but the inputs are of {found}"
        )));
    }
    let mut plans = Vec::new();
    for job in jobs {
        let plan = job.parameters.plan(job.product)?;
        let accumulate = job.parameters.accumulate.as_deref();
        let sums = accumulate.map(|path| SumsInUse::open(path, &job.history)).transpose()?;
        let accumulated = sums.as_ref().map_or(0, |sums| sums.entries().len());
        if job.has_nothing_to_add(sums.as_ref()) {
            plans.push((plan, sums));
            continue;
        }
        check_memory(job.memory(&plan, accumulated), job.parameters.max_memory)?;
        if !job.parameters.sums_only {
            if !job.overwrite && job.output().symlink_metadata().is_ok() {
                return Err(PipelineError::exists(&job.output()));
            }
            stages.clear(&job.output())?;
            stages.clear(&job.configuration_file())?;
        }
        plans.push((plan, sums));
    }
    Ok(plans)
}
