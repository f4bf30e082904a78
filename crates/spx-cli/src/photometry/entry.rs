//! What became of a source on each of many files.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spx_core::image::PixelPlanes;
use spx_core::progress::Progress;
use spx_photometry::{NoMeasurement, Scratch};

use super::exposure::{Exposure, Setup, Target};
use super::row::{ExposureInfo, Row};
use crate::exit::Failure;
use spx_pipeline::buffers::BufferPool;
use spx_pipeline::inputs::InputError;

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its path as it was given.
    pub(crate) file: String,
    /// `None` where the file could not be read so far.
    pub(crate) exposure: Option<ExposureInfo>,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// How a file ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The source was measured.
    Used { row: Row },
    /// The file is whole, but the source cannot be measured on it.
    Rejected { reason: String },
    /// The file is not what it should be.
    Failed { reason: String },
}

impl Entry {
    pub(crate) fn failed(error: &InputError) -> Self {
        Self {
            file: error.path.display().to_string(),
            exposure: None,
            outcome: Outcome::Failed { reason: error.problem.clone() },
        }
    }

    /// The measurement, where there is one.
    pub(crate) fn row(&self) -> Option<(&ExposureInfo, &Row)> {
        match &self.outcome {
            Outcome::Used { row } => Some((self.exposure.as_ref()?, row)),
            Outcome::Rejected { .. } | Outcome::Failed { .. } => None,
        }
    }

    /// `used`, `rejected` or `failed`, and why.
    pub(crate) fn status(&self) -> (&'static str, Option<&str>) {
        match &self.outcome {
            Outcome::Used { .. } => ("used", None),
            Outcome::Rejected { reason } => ("rejected", Some(reason)),
            Outcome::Failed { reason } => ("failed", Some(reason)),
        }
    }
}

/// Sorts by time, observation and detector, then by file; files without a time come last.
pub(crate) fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| {
        let mjd = |e: &Entry| e.exposure.as_ref().map_or(f64::INFINITY, |i| i.mjd);
        let rest = |e: &Entry| {
            let id = e.exposure.as_ref().map(|i| (i.obs_id.clone(), i.detector));
            (id, e.file.clone())
        };
        mjd(a).total_cmp(&mjd(b)).then_with(|| rest(a).cmp(&rest(b)))
    });
}

/// Measures a target on each file, on all cores; `done` hears of each as it comes, from several threads.
///
/// # Errors
/// Interrupted by the user; those of `done`.
pub(crate) fn measure_all(
    files: &[PathBuf],
    target: &Target,
    setup: &Setup,
    progress: &dyn Progress,
    done: impl Fn(&Entry) -> Result<(), Failure> + Sync,
) -> Result<Vec<Entry>, Failure> {
    let pool = BufferPool::default();
    progress.start("photometry", files.len() as u64);
    let measured = files
        .par_iter()
        .map(|file| {
            if progress.cancelled() {
                return Err(Failure::interrupted());
            }
            let entry = measure(file, target, setup, &pool);
            done(&entry)?;
            progress.advance(1);
            Ok(entry)
        })
        .collect();
    progress.finish();
    measured
}

fn measure(file: &Path, target: &Target, setup: &Setup, pool: &BufferPool<PixelPlanes>) -> Entry {
    measure_on(file, target, setup, pool).unwrap_or_else(|error| Entry::failed(&error))
}

fn measure_on(
    file: &Path,
    target: &Target,
    setup: &Setup,
    pool: &BufferPool<PixelPlanes>,
) -> Result<Entry, InputError> {
    let ended = |exposure: &ExposureInfo, outcome| Entry {
        file: file.display().to_string(),
        exposure: Some(exposure.clone()),
        outcome,
    };
    let rejected = |reason: &NoMeasurement| Outcome::Rejected { reason: reason.to_string() };
    let opened = Exposure::open(file)?;
    if let Err(reason) = opened.check_place(target) {
        return Ok(ended(opened.info(), rejected(&reason)));
    }
    let exposure = opened.read(setup, pool.take())?;
    let outcome = match exposure.photometer(setup) {
        Err(error) => Outcome::Failed { reason: error.problem },
        Ok(photometer) => match photometer.measure(target, &mut Scratch::default()) {
            Ok(row) => Outcome::Used { row },
            Err(reason) => rejected(&reason),
        },
    };
    let entry = ended(exposure.info(), outcome);
    pool.give(exposure.into_memory()?);
    Ok(entry)
}
