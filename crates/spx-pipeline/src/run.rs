//! A source from the archive to its light curve, in stages that are not repeated without need; or
//! the sources of a list, one after the other.

mod settings;
mod stages;
mod targets;

use std::path::PathBuf;

use serde::Serialize;

use crate::outcome::InputOutcome;
use crate::photometry::PhotometryEntry;
use crate::stages::{StageStatus, subjects};
use crate::{Listener, PipelineError, SilentListener};

pub use settings::{RunConfig, TargetSettings};
pub use stages::{RUN_STAGES, SourceRun, forecast_run};
pub use targets::{TargetReport, TargetsReport, forecast_targets, run_targets, targets_status};

/// Which stages of a run are done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunStages {
    /// Stages and files that an earlier run has done, with the same parameters, are not repeated.
    pub resume: bool,
    /// These of [`RUN_STAGES`] alone; those before them must be done. All of them where empty.
    pub only: Vec<String>,
}

/// What a run has made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunReport {
    /// Images that failed; `None` before they are processed, as for the others.
    pub failed: Option<usize>,
    /// Files that are there now.
    pub outputs: Vec<PathBuf>,
    /// Images on which the source cannot be measured.
    pub rejected: Option<usize>,
    /// Images on which it is measured.
    pub used: Option<usize>,
    /// What became of each image, once they are processed.
    #[serde(skip)]
    pub entries: Option<Vec<PhotometryEntry>>,
}

impl RunReport {
    fn new(outputs: Vec<PathBuf>, entries: Option<Vec<PhotometryEntry>>) -> Self {
        let count = |outcome: InputOutcome| {
            Some(entries.as_ref()?.iter().filter(|entry| entry.status().0 == outcome).count())
        };
        Self {
            failed: count(InputOutcome::Failed),
            outputs,
            rejected: count(InputOutcome::Rejected),
            used: count(InputOutcome::Used),
            entries,
        }
    }
}

/// Makes the spectrum and light curve of a source from the archive, all stages anew.
///
/// # Errors
/// Nothing found where the archive has no image, or the source could be measured on none; usage
/// where the settings are wrong; otherwise what archive and disk report. An image that fails is no
/// error here.
pub fn run_source(config: &RunConfig, listener: &dyn Listener) -> Result<RunReport, PipelineError> {
    run_source_stages(config, RunStages::default(), listener)
}

/// As [`run_source`], for some stages alone or to go on with an earlier run.
///
/// # Errors
/// As [`run_source`]; usage where stages that are left out are not done.
pub fn run_source_stages(
    config: &RunConfig,
    wanted: RunStages,
    listener: &dyn Listener,
) -> Result<RunReport, PipelineError> {
    let last = last_stage(&wanted);
    SourceRun::open(config, wanted, listener)?.run(last)
}

/// The settings of a run, with a directory of their own, `output_dir/NAME`, where `output_dir`
/// holds the run of another source: results of two would replace each other.
///
/// # Errors
/// Usage where the name cannot be that of a file.
pub fn beside_others(config: RunConfig) -> Result<RunConfig, PipelineError> {
    let of_a_list = config.targets.targets.is_some();
    if of_a_list || config.state_file()?.exists() || subjects(&config.output_dir).is_empty() {
        return Ok(config);
    }
    let output_dir = config.output_dir.join(&config.name);
    Ok(RunConfig { output_dir, ..config })
}

/// The number of the last stage that is wanted.
fn last_stage(wanted: &RunStages) -> usize {
    match wanted.only.as_slice() {
        [] => RUN_STAGES.len() - 1,
        only => RUN_STAGES.iter().rposition(|stage| only.iter().any(|o| o == stage)).unwrap_or_default(),
    }
}

/// How far the run of these settings is, and what a run that resumes with them would repeat.
///
/// # Errors
/// Nothing found where there is no such run; usage where its state is damaged.
pub fn run_status(config: &RunConfig) -> Result<StageStatus, PipelineError> {
    let file = config.state_file()?;
    if !file.exists() {
        let text = format!("there is no run {}", file.display());
        return Err(PipelineError::nothing_found(text).with_hint("--name and -o choose the run"));
    }
    let mut status = StageStatus::read(&file, &RUN_STAGES).map_err(PipelineError::into_usage)?;
    match SourceRun::not_done(config, &SilentListener) {
        Ok(None) => {}
        Ok(Some((stage, why))) => status.note_stale(&RUN_STAGES, &stage, &why),
        // Such as settings without a source: what is done with them is not known.
        Err(error) => status.note_stale(&RUN_STAGES, RUN_STAGES[0], &error.one_line()),
    }
    Ok(status)
}
