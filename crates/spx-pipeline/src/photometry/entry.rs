//! What became of a source on each of many files.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spx_core::image::PixelPlanes;
use spx_core::progress::{Progress, Silent};
use spx_photometry::NoMeasurement;

use super::exposure::{OpenExposure, PhotometrySetup};
use super::row::MeasurementRow;
use super::source::SkyTarget;
use crate::PipelineError;
use crate::buffers::BufferPool;
use crate::frame::ExposureInfo;
use crate::inputs::InputError;
use crate::outcome::InputOutcome;

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhotometryEntry {
    /// Its path as it was given.
    pub file: String,
    /// `None` where the file could not be read so far.
    pub exposure: Option<ExposureInfo>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: MeasurementOutcome,
}

/// How a file ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum MeasurementOutcome {
    /// The source was measured.
    Used {
        /// The measurement.
        row: Box<MeasurementRow>,
    },
    /// The file is whole, but the source cannot be measured on it.
    Rejected {
        /// Why.
        reason: String,
        /// The aperture reaches beyond what was cut out, and not beyond the detector alone.
        #[serde(default)]
        is_cut: bool,
    },
    /// The file is not what it should be.
    Failed {
        /// What is wrong.
        reason: String,
    },
}

impl PhotometryEntry {
    /// A file that could not be read.
    pub fn failed(error: &InputError) -> Self {
        Self {
            file: error.path.display().to_string(),
            exposure: None,
            outcome: MeasurementOutcome::Failed { reason: error.problem.clone() },
        }
    }

    /// The measurement, where there is one.
    pub fn row(&self) -> Option<(&ExposureInfo, &MeasurementRow)> {
        match &self.outcome {
            MeasurementOutcome::Used { row } => Some((self.exposure.as_ref()?, row.as_ref())),
            MeasurementOutcome::Rejected { .. } | MeasurementOutcome::Failed { .. } => None,
        }
    }

    /// How the file ended, and why.
    pub fn status(&self) -> (InputOutcome, Option<&str>) {
        match &self.outcome {
            MeasurementOutcome::Used { .. } => (InputOutcome::Used, None),
            MeasurementOutcome::Rejected { reason, .. } => (InputOutcome::Rejected, Some(reason)),
            MeasurementOutcome::Failed { reason } => (InputOutcome::Failed, Some(reason)),
        }
    }
}

/// Sorts by time, observation and detector, then by file; files without a time come last.
pub fn sort_entries(entries: &mut [PhotometryEntry]) {
    entries.sort_by(|a, b| {
        let mjd = |e: &PhotometryEntry| e.exposure.as_ref().map_or(f64::INFINITY, |i| i.mjd);
        let rest = |e: &PhotometryEntry| {
            let id = e.exposure.as_ref().map(|i| (i.obs_id.clone(), i.detector));
            (id, e.file.clone())
        };
        mjd(a).total_cmp(&mjd(b)).then_with(|| rest(a).cmp(&rest(b)))
    });
}

/// Measures a target on each file, on all cores; `done` hears of each as it comes, from several
/// threads.
///
/// # Errors
/// Interrupted by the user; those of `done`.
pub fn measure_all(
    files: &[PathBuf],
    target: &SkyTarget,
    setup: &PhotometrySetup,
    progress: &dyn Progress,
    done: impl Fn(&PhotometryEntry) -> Result<(), PipelineError> + Sync,
) -> Result<Vec<PhotometryEntry>, PipelineError> {
    let pool = BufferPool::default();
    progress.start("photometry", files.len() as u64);
    let measured = files
        .par_iter()
        .map(|file| {
            if progress.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let entry = measure(file, target, setup, &[], &pool);
            done(&entry)?;
            progress.advance(1);
            Ok(entry)
        })
        .collect();
    progress.finish();
    measured
}

/// Measures once more where the zodiacal light could not be fitted, with the median of the scales
/// that were fitted to the other exposures of the detector. What is measured once more does not
/// depend on what was measured in which run.
pub fn measure_unfitted_again(entries: &mut [PhotometryEntry], target: &SkyTarget, setup: &PhotometrySetup) {
    let unfitted = |entry: &PhotometryEntry| {
        entry.exposure.as_ref().filter(|info| info.zodi_not_fitted).map(|info| info.detector)
    };
    let late: Vec<(usize, Vec<f64>)> = (0..entries.len())
        .filter_map(|k| Some((k, fitted_scales(entries, unfitted(&entries[k])?))))
        .filter(|(_, run)| !run.is_empty())
        .collect();
    let pool = BufferPool::default();
    let again: Vec<PhotometryEntry> = late
        .par_iter()
        .map(|(k, run)| measure(Path::new(&entries[*k].file), target, setup, run, &pool))
        .collect();
    for ((k, _), entry) in late.into_iter().zip(again) {
        entries[k] = entry;
    }
}

/// The zodiacal scales that were fitted to exposures of a detector.
pub(super) fn fitted_scales(entries: &[PhotometryEntry], detector: u8) -> Vec<f64> {
    let infos = entries.iter().filter_map(|entry| entry.exposure.as_ref());
    infos
        .filter(|info| info.detector == detector && info.zodi_scale_error.is_some())
        .filter_map(|info| info.zodi_scale)
        .collect()
}

/// A target, then the sources that are fitted with it.
pub(super) fn targets_with_neighbors(target: &SkyTarget, setup: &PhotometrySetup) -> Vec<SkyTarget> {
    [&[*target], setup.neighbors.targets.as_slice()].concat()
}

fn measure(
    file: &Path,
    target: &SkyTarget,
    setup: &PhotometrySetup,
    run: &[f64],
    pool: &BufferPool<PixelPlanes>,
) -> PhotometryEntry {
    measure_on(file, target, setup, run, pool).unwrap_or_else(|error| PhotometryEntry::failed(&error))
}

fn measure_on(
    file: &Path,
    target: &SkyTarget,
    setup: &PhotometrySetup,
    run: &[f64],
    pool: &BufferPool<PixelPlanes>,
) -> Result<PhotometryEntry, InputError> {
    let ended = |exposure: &ExposureInfo, outcome| PhotometryEntry {
        file: file.display().to_string(),
        exposure: Some(exposure.clone()),
        outcome,
    };
    let rejected = |reason: &NoMeasurement| MeasurementOutcome::Rejected {
        reason: reason.to_string(),
        is_cut: matches!(reason, NoMeasurement::AtEdge { cut: true, .. }),
    };
    let opened = OpenExposure::open(file, setup)?;
    if let Err(reason) = opened.check_place(target) {
        return Ok(ended(opened.info(), rejected(&reason)));
    }
    let exposure = opened.read(setup, run, pool.take())?;
    let targets = targets_with_neighbors(target, setup);
    let outcome = match exposure.photometer(setup) {
        Err(error) => MeasurementOutcome::Failed { reason: error.problem },
        Ok(photometer) => match photometer.measure_all(&targets, &Silent).into_iter().next() {
            Some(Ok(row)) => MeasurementOutcome::Used { row: Box::new(row) },
            Some(Err(reason)) => rejected(&reason),
            None => rejected(&NoMeasurement::OffImage { x: f64::NAN, y: f64::NAN }),
        },
    };
    let entry = ended(exposure.info(), outcome);
    pool.give(exposure.into_memory()?);
    Ok(entry)
}
