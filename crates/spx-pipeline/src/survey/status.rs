//! How far a survey is.

use std::path::Path;

use serde::Serialize;

use super::directory::{SettingFiles, SurveyDirectory};
use super::record::{JobRecord, JobState, state};
use crate::PipelineError;

/// How far a survey is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SurveyStatus {
    /// All jobs.
    pub jobs: usize,
    /// Jobs that are up to date.
    pub complete: usize,
    /// Of these, jobs to which no frame contributes.
    pub empty: usize,
    /// Jobs that were never done.
    pub missing: usize,
    /// Jobs that were done with other frames or other settings.
    pub stale: usize,
    /// Jobs that failed, or of which some frames did.
    pub failed: usize,
    /// About how long the others take from nothing on one core \[s\].
    pub cpu_s_left: u64,
    /// Each job and its state, in their order.
    #[serde(skip)]
    pub states: Vec<(String, JobState)>,
}

impl SurveyStatus {
    /// The names of the jobs in a state.
    pub fn named(&self, wanted: JobState) -> impl Iterator<Item = &str> {
        let found = self.states.iter().filter(move |(_, state)| *state == wanted);
        found.map(|(job, _)| job.as_str())
    }
}

/// Looks at the record of every job.
///
/// # Errors
/// Usage, where the directory is no survey; otherwise what the disk reports.
pub fn survey_status(directory: &Path) -> Result<SurveyStatus, PipelineError> {
    let directory = SurveyDirectory::new(directory);
    let jobs = directory.jobs()?;
    let settings = SettingFiles::read(&directory)?;
    let mut status = SurveyStatus { jobs: jobs.len(), ..SurveyStatus::default() };
    for job in &jobs {
        let state = state(&directory, job, &settings.digest(job))?;
        let count = match state {
            JobState::Complete => &mut status.complete,
            JobState::Missing => &mut status.missing,
            JobState::Stale => &mut status.stale,
            JobState::Failed => &mut status.failed,
        };
        *count += 1;
        if state == JobState::Complete {
            let record = JobRecord::read(&directory, &job.job)?;
            status.empty += usize::from(record.is_some_and(|record| record.output.is_empty()));
        } else {
            status.cpu_s_left += job.cpu_s;
        }
        status.states.push((job.job.clone(), state));
    }
    Ok(status)
}
