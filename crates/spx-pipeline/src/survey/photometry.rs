//! Jobs of photometry: groups of frames, each a part of the data set of light curves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::prelude::*;
use spx_batch::{CatalogCircle, SortedCatalog};
use spx_photometry::julian_epoch;

use super::directory::{JobKind, SurveyDirectory, SurveyJob};
use super::plan::write_list;
use super::settings::SurveyConfig;
use crate::batch::BatchConfig;
use crate::identity::InputIdentity;
use crate::measuring::MeasuringCommand;
use crate::settings::{TakenSettings, configuration_text};
use crate::tiling::SurveyFrame;
use crate::{Listener, PipelineError, ResultContext as _};

/// Memory of a process besides its frames and sources \[MB\].
const PROCESS_MB: u64 = 300;
/// Memory of a source, at most \[bytes\].
const SOURCE_BYTES: usize = 150;
/// About how long a full frame with ten thousand sources takes \[s\].
const SECONDS_A_FRAME: f64 = 0.1;

/// The settings of the photometry, checked, and the text of `photometry.toml`; `None` where none is
/// wanted. The text tells the content of the catalog, so that a job is stale where that has
/// changed.
///
/// # Errors
/// Usage, where they are wrong or name no catalog.
pub(super) fn photometry_settings(
    SurveyConfig { photometry, catalog, .. }: &SurveyConfig,
    listener: &dyn Listener,
) -> Result<Option<(BatchConfig, String)>, PipelineError> {
    let file = photometry.as_deref();
    if file.is_none() && catalog.is_none() {
        return Ok(None);
    }
    let resolved = MeasuringCommand::Batch.resolve::<BatchConfig>(file, toml::Table::new());
    let (mut config, taken) = resolved.map_err(PipelineError::usage)?;
    let context = || file.map_or_else(|| "photometry".to_owned(), |file| file.display().to_string());
    if let Some(TakenSettings { command, passed_over }) = taken {
        let file = context();
        listener.note(&format!("{file} is a configuration of `spx {command}`: what both have is taken"));
        listener.detail(&format!("passed over: {}", passed_over.join(", ")));
    }
    if catalog.is_some() {
        config.catalog.clone_from(catalog);
    }
    // Images are those of the jobs.
    (config.input, config.output_dir) = (Some(Vec::new()), BatchConfig::default().output_dir);
    if config.neighbors != BatchConfig::default().neighbors {
        return Err(PipelineError::usage("a survey measures no neighbors").with_context(context()));
    }
    let catalog = config.check().with_context(context)?;
    let catalog = std::path::absolute(catalog).with_context(context)?;
    let identity = InputIdentity::of(&catalog);
    config.catalog = Some(catalog);
    let comment = format!("The settings of all photometry; the catalog has {identity}.");
    let text = configuration_text(&comment, &config)?;
    Ok(Some((config, text)))
}

/// The jobs of frames, sorted by name, each with whether its list is new or other than before.
/// Groups are of one detector and one plan of observations (the first two parts of an observation's
/// id), so that frames of a new week make new groups.
pub(super) fn photometry_jobs(
    directory: &SurveyDirectory,
    frames: &[&SurveyFrame],
    size: usize,
    sources: &SortedCatalog,
) -> Result<Vec<(SurveyJob, bool)>, PipelineError> {
    let mut groups: BTreeMap<String, Vec<&SurveyFrame>> = BTreeMap::new();
    for frame in frames {
        groups.entry(group(frame)).or_default().push(frame);
    }
    let numbered = groups.iter().flat_map(|(name, frames)| {
        let chunks = frames.chunks(size).enumerate();
        chunks.map(move |(number, frames)| (format!("{name}_{number:03}"), frames))
    });
    let numbered: Vec<(String, &[&SurveyFrame])> = numbered.collect();
    numbered.into_par_iter().map(|(name, frames)| job(directory, name, frames, sources)).collect()
}

/// `2025W51_1A_D3` of the observation `2025W51_1A_0684_2` and detector D3.
fn group(frame: &SurveyFrame) -> String {
    let id = &frame.file.id;
    let plan: Vec<&str> = id.observation.split('_').take(2).collect();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    format!("{}_{}", plan.join("_").chars().map(plain).collect::<String>(), id.detector)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds, above 0")]
fn job(
    directory: &SurveyDirectory,
    name: String,
    frames: &[&SurveyFrame],
    sources: &SortedCatalog,
) -> Result<(SurveyJob, bool), PipelineError> {
    let circle = |frame: &&SurveyFrame| {
        let (center, radius) = frame.circle()?;
        Ok(CatalogCircle { center, radius, epoch: julian_epoch(frame.file.begin.0) })
    };
    let circles = frames.iter().map(circle).collect::<Result<Vec<_>, PipelineError>>()?;
    let sources_mb = (SOURCE_BYTES * sources.count_near(&circles)).div_ceil(1_000_000) as u64;
    let (inputs, changed) = write_list(directory, &name, frames)?;
    let largest = frames.iter().map(|frame| frame.bytes).max().unwrap_or_default();
    let job = SurveyJob {
        job: name,
        kind: JobKind::Photometry,
        tile: String::new(),
        detector: frames[0].file.id.detector.number(),
        ra: 0.0,
        dec: 0.0,
        width: 0.0,
        height: 0.0,
        n_frames: frames.len(),
        bytes_in: frames.iter().map(|frame| frame.bytes).sum(),
        mem_mb: PROCESS_MB + 2 * largest / 1_000_000 + sources_mb,
        cpu_s: (1.0 + SECONDS_A_FRAME * frames.len() as f64).ceil() as u64,
        inputs,
        output: PathBuf::from("catalog"),
    };
    Ok((job, changed))
}
