//! The record of a job, and what it tells of the job's state.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::directory::{SurveyDirectory, SurveyJob};
use crate::output::write_output;
use crate::{PipelineError, ResultContext as _};

/// The form of a record; another one is not of this version's making.
const VERSION: u32 = 1;

/// What a job was made of, what it made, and what that took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRecord {
    version: u32,
    /// Its name.
    pub job: String,
    /// What changes with the settings and the tile.
    pub settings: String,
    /// What changes with the list of frames.
    pub inputs: String,
    /// Frames of the list.
    pub n_frames: usize,
    /// Frames that contribute.
    pub used: usize,
    /// Frames that do not reach the tile, or have no usable pixel there.
    pub rejected: usize,
    /// Frames that could not be read; the job is tried again while there are any.
    pub failed: Vec<String>,
    /// Measurements of light curves.
    #[serde(default)]
    pub rows: usize,
    /// The cube, or the data set of light curves, from the directory on; empty where no frame
    /// contributes, for then there is none.
    pub output: String,
    /// Size of the cube \[bytes\].
    pub bytes: u64,
    /// SHA-256 of the cube.
    pub sha256: String,
    /// Frames that the last run added.
    pub added: usize,
    /// How long the last run took \[s\].
    pub seconds: f64,
    /// The most memory that the process had until then \[MB\], where the system tells.
    pub peak_mb: Option<u64>,
    /// The version of spx.
    pub spx: String,
}

/// What is to be done for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Nothing: its cube is up to date, or no frame contributes to it.
    Complete,
    /// It was never done.
    Missing,
    /// It was done with other frames or other settings, or its cube is not there.
    Stale,
    /// It failed, or some of its frames did.
    Failed,
}

impl JobState {
    /// `complete`, `missing`, `stale` or `failed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Failed => "failed",
        }
    }
}

impl JobRecord {
    /// A record of a job before it is done.
    pub(super) fn new(job: &SurveyJob, settings: String) -> Self {
        Self {
            version: VERSION,
            job: job.job.clone(),
            settings,
            inputs: String::new(),
            n_frames: 0,
            used: 0,
            rejected: 0,
            failed: Vec::new(),
            rows: 0,
            output: String::new(),
            bytes: 0,
            sha256: String::new(),
            added: 0,
            seconds: 0.0,
            peak_mb: None,
            spx: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The record of a job, where it is there and whole.
    ///
    /// # Errors
    /// What the disk reports, unless there is none.
    pub fn read(directory: &SurveyDirectory, job: &str) -> Result<Option<Self>, PipelineError> {
        let path = directory.record(job);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| path.display().to_string())?,
        };
        Ok(toml::from_str::<Self>(&text).ok().filter(|record| record.version == VERSION))
    }

    /// Writes it.
    pub(super) fn write(&self, directory: &SurveyDirectory) -> Result<(), PipelineError> {
        write_output(&directory.record(&self.job), toml::to_string(self)?.as_bytes(), true)
    }

    /// Notes the cube.
    pub(super) fn note_output(&mut self, job: &SurveyJob, path: &Path) -> Result<(), PipelineError> {
        let context = || path.display().to_string();
        let mut file = File::open(path).with_context(context)?;
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer).with_context(context)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        self.output = job.output.display().to_string();
        self.bytes = file.metadata().with_context(context)?.len();
        self.sha256 = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(())
    }
}

/// What is to be done for a job of these settings.
///
/// # Errors
/// What the disk reports.
pub(super) fn state(
    directory: &SurveyDirectory,
    job: &SurveyJob,
    settings: &str,
) -> Result<JobState, PipelineError> {
    if directory.failure(&job.job).exists() {
        return Ok(JobState::Failed);
    }
    let Some(record) = JobRecord::read(directory, &job.job)? else {
        let is_there = directory.record(&job.job).exists();
        return Ok(if is_there { JobState::Stale } else { JobState::Missing });
    };
    let size = || fs::metadata(directory.output(job)).map(|file| file.len()).ok();
    let is_whole = || match record.sha256.as_str() {
        // A data set or a HiPS, or nothing at all.
        "" => record.output.is_empty() || directory.output(job).exists(),
        _ => size() == Some(record.bytes),
    };
    let is_current = record.settings == settings && record.inputs == job.inputs && is_whole();
    Ok(match (is_current, record.failed.is_empty()) {
        (false, _) => JobState::Stale,
        (true, false) => JobState::Failed,
        (true, true) => JobState::Complete,
    })
}

/// The most memory that this process has had \[MB\], where the system tells.
pub(super) fn peak_mb() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024 / 1_000_000)
}
