//! Doing jobs: each from its list to its record, where it is not up to date.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::directory::{JobKind, SettingFiles, SurveyDirectory, SurveyJob, hips_config, remove};
use super::mosaic::mosaic_of;
use super::record::{JobRecord, JobState, peak_mb, state};
use super::remote::{HeldFrames, ScratchDirectory, archive_entry};
use super::settings::SurveyConfig;
use super::shard::SurveyShard;
use crate::archive::ArchiveAccess;
use crate::batch::{BatchConfig, BatchRow, PartMaker, light_curve, stored_light_curve};
use crate::drizzle::{
    CubeReport, DrizzleConfig, DrizzleProduct, DrizzleReport, KnownExposures, MemoryRefusal, OutputSettings,
    added_files, drizzle, mosaic,
};
use crate::hips::SharedHips;
use crate::inputs::{file_name, find_inputs};
use crate::outcome::InputOutcome;
use crate::output::write_output;
use crate::settings::resolve;
use crate::stages::{AtWork, lock, wait_for_lock};
use crate::tiling::digest;
use crate::zodi::ZodiSettings;
use crate::{Listener, PipelineError, ResultContext as _};

/// Which jobs are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobChoice {
    /// All.
    All,
    /// The one of this name.
    One(String),
    /// A share of them.
    Shard(SurveyShard),
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobOutcome {
    /// It was up to date.
    Skipped,
    /// It is up to date now.
    Done,
    /// It would be done, were this no dry run.
    Planned,
    /// It failed, or some of its frames could not be read.
    Failed,
    /// It needs more memory than there is.
    Refused,
    /// Another process is at work on it.
    Busy,
}

/// A job and its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobReport {
    /// Its name.
    pub job: String,
    /// What was to be done.
    pub state: JobState,
    /// How it ended.
    pub outcome: JobOutcome,
    /// Why, where it is not done.
    pub reason: Option<String>,
    /// Frames that were added to its sums.
    pub added: usize,
    /// How long it took \[s\].
    pub seconds: f64,
}

/// Does jobs that are not up to date, one after another. Frames that are new are
/// added to the sums that are there; where settings have changed, or a frame is no longer in the
/// list, the cube is made anew. A job that fails does not stop the others. Frames of an archive are
/// kept in `scratch`, by default the directory `scratch` of the survey, without limit.
///
/// # Errors
/// Usage where the directory is no survey or has no such job; interrupted, which leaves the sums
/// and the cube of the job at hand as they were; otherwise what the disk reports.
pub fn do_jobs(
    directory: &Path,
    choice: &JobChoice,
    scratch: Option<ScratchDirectory>,
    dry_run: bool,
    listener: &dyn Listener,
) -> Result<Vec<JobReport>, PipelineError> {
    let survey = Survey::open(directory, scratch, listener)?;
    let jobs = match choice {
        JobChoice::One(name) => vec![survey.directory.job(name)?],
        JobChoice::All => survey.directory.jobs()?,
        JobChoice::Shard(shard) => {
            let jobs = survey.directory.jobs()?;
            jobs[shard.of(jobs.len())].to_vec()
        }
    };
    let reports: Result<Vec<JobReport>, _> = jobs.iter().map(|job| survey.report(job, dry_run)).collect();
    survey.finish_catalog()?;
    if jobs.iter().any(|job| job.kind == JobKind::Hips) && !dry_run {
        survey.finish_hips()?;
    }
    reports
}

/// A survey at work.
struct Survey<'a> {
    directory: SurveyDirectory,
    settings: SettingFiles,
    drizzle: DrizzleConfig,
    scratch: ScratchDirectory,
    /// Made when the first job of photometry needs it.
    photometry: OnceCell<PartMaker<'a>>,
    /// Likewise, of the HiPS.
    hips: OnceCell<SharedHips<'a>>,
    listener: &'a dyn Listener,
}

impl<'a> Survey<'a> {
    fn open(
        directory: &Path,
        scratch: Option<ScratchDirectory>,
        listener: &'a dyn Listener,
    ) -> Result<Self, PipelineError> {
        let scratch =
            scratch.unwrap_or_else(|| ScratchDirectory { root: directory.join("scratch"), most_bytes: None });
        let directory = SurveyDirectory::new(directory);
        let settings = SettingFiles::read(&directory)?;
        let drizzle = resolve(Some(&directory.drizzle()), toml::Table::new());
        let drizzle = drizzle.map_err(PipelineError::usage)?;
        let (photometry, hips) = (OnceCell::new(), OnceCell::new());
        Ok(Self { directory, settings, drizzle, scratch, photometry, hips, listener })
    }

    /// Does a job where it is not up to date; an error is an outcome, unless it ends the run.
    fn report(&self, job: &SurveyJob, dry_run: bool) -> Result<JobReport, PipelineError> {
        let settings = self.settings.digest(job);
        let state_before = state(&self.directory, job, &settings)?;
        let report = |outcome, reason| JobReport {
            job: job.job.clone(),
            state: state_before,
            outcome,
            reason,
            added: 0,
            seconds: 0.0,
        };
        match state_before {
            JobState::Complete => return Ok(report(JobOutcome::Skipped, None)),
            _ if dry_run => return Ok(report(JobOutcome::Planned, None)),
            _ => {}
        }
        match self.make(job, settings) {
            Ok(record) => {
                let failed = record.failed.len();
                let reason = (failed > 0)
                    .then(|| format!("{failed} frames could not be read: {}", record.failed.join(", ")));
                let outcome = if failed > 0 { JobOutcome::Failed } else { JobOutcome::Done };
                let (added, seconds) = (record.added, record.seconds);
                Ok(JobReport { added, seconds, ..report(outcome, reason) })
            }
            Err(PipelineError::Interrupted) => Err(PipelineError::Interrupted),
            Err(error) => {
                let reason = error.one_line();
                let cause = error.problem();
                let outcome = if cause.is_some_and(|cause| cause.is::<MemoryRefusal>()) {
                    JobOutcome::Refused
                } else if cause.is_some_and(|cause| cause.is::<AtWork>()) {
                    JobOutcome::Busy
                } else {
                    write_output(&self.directory.failure(&job.job), format!("{reason}\n").as_bytes(), true)?;
                    JobOutcome::Failed
                };
                Ok(report(outcome, Some(reason)))
            }
        }
    }

    /// Does a job and writes its record.
    fn make(&self, job: &SurveyJob, settings: String) -> Result<JobRecord, PipelineError> {
        let start = Instant::now();
        let list = self.directory.list(&job.job);
        let _lock = lock(&list)?;
        let mut record = JobRecord::new(job, settings);
        let text = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
        let names = note_list(&text, &mut record);
        let input = self.input(job, &text)?;
        match job.kind {
            JobKind::Cube => self.make_cube(job, &input, &names, &mut record)?,
            JobKind::Mosaic => {
                let config = mosaic_of(&self.directory, job, input.as_input())?;
                let made = mosaic(&config, self.listener);
                self.keep(job, made, (&names, &HashSet::new()), &mut record)?;
            }
            JobKind::Photometry => self.make_part(job, &input, &mut record)?,
            JobKind::Hips => self.make_cell(job, &input, &mut record)?,
        }
        record.failed.extend(input.finish());
        record.seconds = start.elapsed().as_secs_f64();
        record.peak_mb = peak_mb();
        record.write(&self.directory)?;
        remove(&self.directory.failure(&job.job))?;
        Ok(record)
    }

    fn make_cube(
        &self,
        job: &SurveyJob,
        input: &JobInput,
        names: &HashSet<String>,
        record: &mut JobRecord,
    ) -> Result<(), PipelineError> {
        let config = self.config(job, input);
        let known = self.known_frames(job, &config, names)?;
        self.offer_cube(job, known.len(), known.len() < names.len())?;
        self.keep(job, drizzle(&config, self.listener), (names, &known), record)
    }

    /// Moves the cube or mosaic of a job to its place, and notes it and its frames, of which some
    /// were known before.
    fn keep(
        &self,
        job: &SurveyJob,
        made: Result<DrizzleReport, PipelineError>,
        (names, known): (&HashSet<String>, &HashSet<String>),
        record: &mut JobRecord,
    ) -> Result<(), PipelineError> {
        match made {
            Ok(mut made) => {
                let cube = made.cubes.pop().ok_or_else(|| PipelineError::failed("no cube was made"))?;
                let output = self.directory.output(job);
                fs::rename(&cube.file, &output).with_context(|| output.display().to_string())?;
                note_frames(record, &cube, known);
                record.note_output(job, &output)?;
            }
            // The plan looks at outlines only: a frame that it lists may miss the tile.
            Err(PipelineError::NothingFound(_)) => {
                record.rejected = names.len();
                remove(&self.directory.output(job))?;
            }
            Err(error) => return Err(error),
        }
        fs::remove_dir_all(self.directory.work(&job.job)).ok();
        Ok(())
    }

    /// Where there are new frames, puts the cube that is there where the drizzle looks for it,
    /// which keeps what these do not reach; without links on the file system it is made anew.
    /// A cube whose record tells of other frames than are in the sums is behind them.
    fn offer_cube(&self, job: &SurveyJob, known: usize, new_frames: bool) -> Result<(), PipelineError> {
        let work = self.directory.work(&job.job);
        let link = work.join(format!("{}.fits", job.product()?.stem()));
        remove(&link)?;
        let output = self.directory.output(job);
        let record = JobRecord::read(&self.directory, &job.job)?;
        let is_current = record.is_some_and(|record| record.used + record.rejected == known);
        if new_frames && is_current && output.exists() {
            fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
            fs::hard_link(&output, &link).ok();
        }
        Ok(())
    }

    /// Measures the frames of a job and writes its part of the data set.
    fn make_part(
        &self,
        job: &SurveyJob,
        input: &JobInput,
        record: &mut JobRecord,
    ) -> Result<(), PipelineError> {
        let maker = match self.photometry.get() {
            Some(maker) => maker,
            None => {
                let mut config = photometry_config(&self.directory)?;
                config.photometry.zodi.kept = Some(self.directory.fits());
                let made = PartMaker::new(&config, &self.directory.sources(), self.listener)?;
                self.photometry.get_or_init(|| made)
            }
        };
        let made = maker.make(&[input.as_input()], &self.directory.catalog(), &job.job)?;
        (record.used, record.rejected, record.failed) = (made.used, made.rejected, made.failed);
        (record.rows, record.added) = (made.rows, made.used);
        if made.rows > 0 {
            record.output = job.output.display().to_string();
        }
        Ok(())
    }

    /// Makes the tiles of a cell of the HiPS.
    fn make_cell(
        &self,
        job: &SurveyJob,
        input: &JobInput,
        record: &mut JobRecord,
    ) -> Result<(), PipelineError> {
        let (files, failed) = find_inputs(&[input.as_input()], self.listener)?.scan();
        let made = self.hips()?.make(job.tile.parse()?, files)?;
        note_frames(record, &made, &HashSet::new());
        record.failed.extend(failed.into_iter().map(|error| error.name));
        if made.used > 0 {
            record.output = job.output.display().to_string();
        }
        Ok(())
    }

    fn hips(&self) -> Result<&SharedHips<'a>, PipelineError> {
        if let Some(hips) = self.hips.get() {
            return Ok(hips);
        }
        let no_settings = || PipelineError::usage(format!("{} is missing", self.directory.hips().display()));
        let config = hips_config(&self.directory)?.ok_or_else(no_settings)?;
        let made = SharedHips::new(config, self.listener)?;
        Ok(self.hips.get_or_init(|| made))
    }

    /// Makes what follows from the tiles of the HiPS, unless some of its cells are still to be
    /// made: whoever makes the last one of them does.
    fn finish_hips(&self) -> Result<(), PipelineError> {
        let jobs = self.directory.jobs()?;
        let cells: Vec<&SurveyJob> = jobs.iter().filter(|job| job.kind == JobKind::Hips).collect();
        // Jobs are done from the first on: the last tell soonest that others are to come.
        for job in cells.iter().rev() {
            let state = state(&self.directory, job, &self.settings.digest(job))?;
            if matches!(state, JobState::Missing | JobState::Stale) {
                return Ok(());
            }
        }
        let mut frames = HashSet::new();
        for job in cells {
            let list = self.directory.list(&job.job);
            let text = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
            frames.extend(text.lines().map(str::to_owned));
        }
        self.hips()?.finish(frames.len())
    }

    /// Describes the data set anew, where this process has written to it. Of processes that do so
    /// at the same time, the last one sees the parts of all.
    fn finish_catalog(&self) -> Result<(), PipelineError> {
        let Some(maker) = self.photometry.get() else { return Ok(()) };
        let _lock = wait_for_lock(&self.directory.photometry(), self.listener)?;
        self.directory.catalog().write_properties(&self.directory.name(), &maker.no_ids())?;
        Ok(())
    }

    /// The frames of a list as files, those of an archive fetched.
    fn input(&self, job: &SurveyJob, list: &str) -> Result<JobInput, PipelineError> {
        let remote: Vec<_> = list.lines().filter_map(archive_entry).collect();
        if remote.is_empty() {
            return Ok(JobInput { list: self.directory.list(&job.job), held: None });
        }
        let held = self.scratch.hold(&remote, &self.archive()?, self.listener)?;
        let local = list.lines().filter(|line| archive_entry(line).is_none());
        let local = local.filter_map(|line| line.split('\t').next()).map(str::to_owned);
        let files = held.files.iter().map(|file| file.display().to_string());
        let text: String = local.chain(files).map(|file| file + "\n").collect();
        let list = self.directory.work(&format!("{}.list", job.job));
        write_output(&list, text.as_bytes(), true)?;
        Ok(JobInput { list, held: Some(held) })
    }

    /// The archive that the plan has asked.
    fn archive(&self) -> Result<ArchiveAccess, PipelineError> {
        let config: SurveyConfig =
            resolve(Some(&self.directory.settings()), toml::Table::new()).map_err(PipelineError::usage)?;
        config.archive.access()
    }

    /// The drizzle of a job.
    fn config(&self, job: &SurveyJob, input: &JobInput) -> DrizzleConfig {
        DrizzleConfig {
            region: job.region(),
            output: OutputSettings {
                input: Some(vec![input.as_input()]),
                output_dir: self.directory.work(&job.job),
                overwrite: true,
                compress: self.drizzle.output.compress,
            },
            accumulate: Some(self.directory.sums(&job.job)),
            sums_only: false,
            known: KnownExposures::Skip,
            zodi: ZodiSettings { kept: Some(self.directory.fits()), ..self.drizzle.zodi.clone() },
            ..self.drizzle.clone()
        }
    }

    /// The frames that are in the sums. Sums that were made with other settings, or hold a frame
    /// that is no longer in the list, are removed.
    fn known_frames(
        &self,
        job: &SurveyJob,
        config: &DrizzleConfig,
        names: &HashSet<String>,
    ) -> Result<HashSet<String>, PipelineError> {
        let sums = self.directory.sums(&job.job);
        if !sums.exists() {
            return Ok(HashSet::new());
        }
        match added_files(&sums, config, job.product()?)? {
            Some(added) if added.is_subset(names) => Ok(added),
            _ => {
                let text = "settings or frames have changed: it is made again";
                self.listener.note(&format!("{}: {text}", job.job));
                remove(&sums)?;
                Ok(HashSet::new())
            }
        }
    }
}

/// The files of a job.
struct JobInput {
    list: PathBuf,
    /// Those of an archive.
    held: Option<HeldFrames>,
}

impl JobInput {
    /// The list, as an input of other pipelines.
    fn as_input(&self) -> PathBuf {
        let mut list = std::ffi::OsString::from("@");
        list.push(&self.list);
        PathBuf::from(list)
    }

    /// Lets go of frames of an archive, and tells those that could not be had.
    fn finish(self) -> Vec<String> {
        let Some(held) = self.held else { return Vec::new() };
        fs::remove_file(&self.list).ok();
        held.missing
    }
}

/// Notes which list it is, and gives the names of its frames.
fn note_list(text: &str, record: &mut JobRecord) -> HashSet<String> {
    record.inputs = digest(text.as_bytes());
    let paths = text.lines().filter_map(|line| line.split('\t').next());
    let names: HashSet<String> = paths.map(|path| file_name(Path::new(path))).collect();
    record.n_frames = names.len();
    names
}

impl SurveyJob {
    fn product(&self) -> Result<DrizzleProduct, PipelineError> {
        let detector = spx_core::detector::Detector::new(self.detector.into());
        Ok(DrizzleProduct::Cube(detector.map_err(PipelineError::usage)?))
    }
}

/// The light curve of a source in the directory of a survey or of a batch.
///
/// # Errors
/// Nothing found, where it has no measurement of the source; usage, where it is no such directory;
/// otherwise where it cannot be read.
pub fn source_light_curve(directory: &Path, id: &str) -> Result<Vec<BatchRow<'static>>, PipelineError> {
    let survey = SurveyDirectory::new(directory);
    if !directory.join("catalog").is_dir() {
        return light_curve(directory, id);
    }
    stored_light_curve(&survey.sources(), &survey.catalog(), id)
}

fn photometry_config(directory: &SurveyDirectory) -> Result<BatchConfig, PipelineError> {
    resolve(Some(&directory.photometry()), toml::Table::new()).map_err(PipelineError::usage)
}

/// Counts the frames of a cube.
fn note_frames(record: &mut JobRecord, cube: &CubeReport, known: &HashSet<String>) {
    let with = |end: InputOutcome| cube.all().filter(move |input| input.status == end);
    record.used = with(InputOutcome::Used).count();
    record.rejected = with(InputOutcome::Rejected).count();
    record.failed = with(InputOutcome::Failed).map(|input| input.file.clone()).collect();
    let is_new = |name: &String| !known.contains(name);
    let inputs = cube.inputs.iter().filter(|input| input.status != InputOutcome::Failed);
    record.added = inputs.filter(|input| is_new(&input.file)).count();
}
