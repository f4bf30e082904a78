//! The directory of a survey: its paths and its jobs.

use std::fs;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, WriterBuilder};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use crate::output::write_output;
use crate::{PipelineError, ResultContext as _};

/// A job: what it makes, of what, and about what it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurveyJob {
    /// Its name, such as `hp5-7133_D3`.
    pub job: String,
    /// What it makes: `cube`.
    pub kind: String,
    /// Its cell.
    pub tile: String,
    /// Its detector, 1 to 6.
    pub detector: u8,
    /// Right ascension of the center \[deg\].
    pub ra: f64,
    /// Declination of the center \[deg\].
    pub dec: f64,
    /// Side along right ascension \[arcmin\].
    pub width: f64,
    /// Side along declination \[arcmin\].
    pub height: f64,
    /// Frames of its list.
    pub n_frames: usize,
    /// Their size \[bytes\].
    pub bytes_in: u64,
    /// Upper bound of its memory on one thread \[MB\].
    pub mem_mb: u64,
    /// About how long it takes from nothing on one core \[s\].
    pub cpu_s: u64,
    /// What changes with its list.
    pub inputs: String,
    /// Its cube, from the directory on.
    pub output: PathBuf,
}

/// A directory that a plan has made.
#[derive(Debug, Clone)]
pub struct SurveyDirectory {
    root: PathBuf,
}

impl SurveyDirectory {
    /// The directory at a path, whether it is there or not.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// `survey.toml`, the settings of the plan.
    pub fn settings(&self) -> PathBuf {
        self.root.join("survey.toml")
    }

    /// `drizzle.toml`, the settings of all cubes.
    pub fn drizzle(&self) -> PathBuf {
        self.root.join("drizzle.toml")
    }

    /// `frames.tsv`
    pub fn frames(&self) -> PathBuf {
        self.root.join("frames.tsv")
    }

    /// `jobs.tsv`
    pub fn jobs_file(&self) -> PathBuf {
        self.root.join("jobs.tsv")
    }

    /// `jobs/`, the lists.
    pub fn lists(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// The frames of a job.
    pub fn list(&self, job: &str) -> PathBuf {
        self.lists().join(format!("{job}.list"))
    }

    /// The running sums of a job.
    pub fn sums(&self, job: &str) -> PathBuf {
        self.root.join("sums").join(format!("{job}.fits"))
    }

    /// The record of a job.
    pub fn record(&self, job: &str) -> PathBuf {
        self.root.join("done").join(format!("{job}.toml"))
    }

    /// Why a job failed.
    pub fn failure(&self, job: &str) -> PathBuf {
        self.root.join("failed").join(format!("{job}.txt"))
    }

    /// Where a job makes its cube.
    pub fn work(&self, job: &str) -> PathBuf {
        self.root.join("work").join(job)
    }

    /// The cube of a job.
    pub fn output(&self, job: &SurveyJob) -> PathBuf {
        self.root.join(&job.output)
    }

    /// The jobs, sorted by cell and detector.
    ///
    /// # Errors
    /// Usage, where the directory is no survey.
    pub fn jobs(&self) -> Result<Vec<SurveyJob>, PipelineError> {
        let text = self.read_jobs()?;
        self.parse(text.as_bytes())
    }

    /// One job, without reading the others.
    ///
    /// # Errors
    /// Usage, where there is no such job, or the directory is no survey.
    pub fn job(&self, name: &str) -> Result<SurveyJob, PipelineError> {
        let text = self.read_jobs()?;
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('\t'));
        let found = lines.find(is_it).map(|line| self.parse(format!("{header}\n{line}\n").as_bytes()));
        let no_such_job = || {
            let file = self.jobs_file();
            PipelineError::usage(format!("job `{name}` is not in {}", file.display()))
        };
        found.transpose()?.and_then(|mut jobs| jobs.pop()).ok_or_else(no_such_job)
    }

    fn read_jobs(&self) -> Result<String, PipelineError> {
        let file = self.jobs_file();
        fs::read_to_string(&file)
            .with_context(|| file.display().to_string())
            .map_err(|error| error.into_usage().with_hint("`spx survey plan` makes it"))
    }

    fn parse(&self, text: &[u8]) -> Result<Vec<SurveyJob>, PipelineError> {
        let reader = ReaderBuilder::new().delimiter(b'\t').from_reader(text);
        let jobs: Result<Vec<SurveyJob>, _> = reader.into_deserialize().collect();
        jobs.with_context(|| self.jobs_file().display().to_string()).map_err(PipelineError::into_usage)
    }

    /// Writes `jobs.tsv`.
    pub(super) fn write_jobs(&self, jobs: &[SurveyJob]) -> Result<(), PipelineError> {
        let file = self.jobs_file();
        let mut writer = WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
        for job in jobs {
            writer.serialize(job)?;
        }
        let text = writer.into_inner().map_err(|error| PipelineError::failed(error.to_string()))?;
        write_output(&file, &text, true)
    }
}

/// A text that changes with these bytes.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("{:032x}", XxHash3_128::oneshot(bytes))
}
