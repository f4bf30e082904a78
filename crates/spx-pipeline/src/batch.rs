//! Every source of a catalog in every image of a region, in stages that are not repeated without
//! need.

mod extract;
mod part;
mod settings;
mod sources;
mod spectra;
mod stages;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Listener, PipelineError};

pub use extract::ImageReport;
pub use part::{PartMaker, PartReport, sort_catalog, stored_light_curve};
pub use settings::BatchConfig;
pub use sources::MissingSources;
pub use spectra::spectrum_of_rows;
pub use spx_batch::{BatchRow, CompactedStore, LightCurveStore, header};
pub use stages::{BATCH_STAGES, BatchRun, forecast_batch, light_curve};

/// Which stages of a batch are done, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchStages {
    /// Stages that an earlier run has done, with the same parameters, are not repeated.
    pub resume: bool,
    /// These of [`BATCH_STAGES`] alone; those before them must be done. All of them where empty.
    pub only: Vec<String>,
    /// Images that are done, with the same settings, are measured again.
    pub overwrite: bool,
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BatchReport {
    /// Where everything is.
    pub output_dir: PathBuf,
    /// Images on which sources are measured.
    pub used: usize,
    /// Images on which none could be.
    pub rejected: usize,
    /// Images that could not be read.
    pub failed: usize,
    /// Rows of the catalog that are not used.
    pub rejected_sources: usize,
    /// Light curves of all tables.
    pub light_curves: AggregatedCurves,
    /// Sources without a measurement.
    pub missing_sources: MissingSources,
    /// What became of each image.
    pub images: Vec<ImageReport>,
}

/// What the stage `aggregate` gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregatedCurves {
    /// Sources with a light curve.
    pub sources: u64,
    /// Their measurements.
    pub rows: u64,
}

/// Measures every source of a catalog in every image of a region, and makes their light curves.
/// Images that are done are not measured again, unless the image, the catalog or the photometry has
/// changed.
///
/// # Errors
/// Nothing found where there is no image, or no source is measured on any; usage where settings or
/// catalog are wrong; otherwise what archive and disk report. An image that fails is no error here.
pub fn run_batch(config: &BatchConfig, listener: &dyn Listener) -> Result<BatchReport, PipelineError> {
    run_batch_stages(config, BatchStages::default(), listener)
}

/// As [`run_batch`], for some stages alone or to go on with an earlier run.
///
/// # Errors
/// As [`run_batch`]; usage where stages that are left out are not done.
pub fn run_batch_stages(
    config: &BatchConfig,
    wanted: BatchStages,
    listener: &dyn Listener,
) -> Result<BatchReport, PipelineError> {
    BatchRun::open(config, wanted, listener)?.run()
}

/// Makes the files of each cell of a store of light curves one: of the one in a directory, or of
/// that of the survey there.
///
/// # Errors
/// Usage where there is no store; interrupted by the user, after which all measurements are there;
/// otherwise what the disk reports.
pub fn compact(directory: &Path, listener: &dyn Listener) -> Result<CompactedStore, PipelineError> {
    let places = [directory.join("catalog"), directory.to_owned()];
    let Some(root) = places.iter().find(|place| place.join("dataset").is_dir()) else {
        let text = format!("{} has no store of light curves (catalog/dataset)", directory.display());
        return Err(PipelineError::usage(text).with_hint("`spx survey plan --photometry` plans one"));
    };
    Ok(LightCurveStore::new(root).compact(&|| listener.cancelled())?)
}
