//! The HiPS of a survey: jobs that make the tiles of a cell each.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use spx_core::detector::Detector;

use super::directory::{JobKind, SurveyDirectory, SurveyJob};
use super::plan::{SECONDS_A_FRAME, full_frames, largest, write_list};
use super::settings::SurveyParameters;
use crate::hips::{HipsConfig, cell_memory, cells_of};
use crate::settings::resolve;
use crate::tiling::{SkyTile, SurveyFrame, frames_of_tiles};
use crate::{PipelineError, ResultContext as _};

/// The settings of the HiPS, checked; place, input and output are those of the survey.
///
/// # Errors
/// Usage, where they are wrong.
pub(super) fn hips_settings(file: &Path) -> Result<HipsConfig, PipelineError> {
    let mut config: HipsConfig = resolve(Some(file), toml::Table::new()).map_err(PipelineError::usage)?;
    (config.ra, config.dec, config.radius) = (None, None, None);
    (config.input, config.output_dir) = (Some(Vec::new()), HipsConfig::default().output_dir);
    cells_of(&config).with_context(|| file.display().to_string())?;
    Ok(config)
}

/// The jobs of the cells that the region touches, each with whether its list is new or other than
/// before.
pub(super) fn hips_jobs(
    directory: &SurveyDirectory,
    frames: &[SurveyFrame],
    parameters: &SurveyParameters,
    config: &HipsConfig,
) -> Result<Vec<(SurveyJob, bool)>, PipelineError> {
    let (order, detectors) = cells_of(config)?;
    let cells = order.tiles_in_circle(parameters.center, parameters.radius);
    let rectangles = cells.iter().map(|cell| cell.rectangle()).collect::<Result<Vec<_>, _>>()?;
    let reached = frames_of_tiles(&rectangles, frames);
    let of_cell = |(cell, numbers): (SkyTile, Vec<u32>)| {
        let all = numbers.into_iter().map(|number| &frames[number as usize]);
        let seen: Vec<&SurveyFrame> =
            all.filter(|frame| detectors.contains(&frame.file.id.detector)).collect();
        (!seen.is_empty()).then(|| job(directory, cell, &seen, config))
    };
    let cells: Vec<(SkyTile, Vec<u32>)> = cells.into_iter().zip(reached).collect();
    cells.into_par_iter().filter_map(of_cell).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds, above 0")]
fn job(
    directory: &SurveyDirectory,
    cell: SkyTile,
    frames: &[&SurveyFrame],
    config: &HipsConfig,
) -> Result<(SurveyJob, bool), PipelineError> {
    let name = format!("hips_{cell}");
    let (inputs, changed) = write_list(directory, &name, frames)?;
    let rectangle = cell.rectangle()?;
    let job = SurveyJob {
        job: name,
        kind: JobKind::Hips,
        tile: cell.to_string(),
        detector: Detector::new(config.detector.into()).map_or(0, Detector::number),
        ra: rectangle.center().ra(),
        dec: rectangle.center().dec(),
        width: rectangle.width(),
        height: rectangle.height(),
        n_frames: frames.len(),
        bytes_in: frames.iter().map(|frame| frame.bytes).sum(),
        mem_mb: cell_memory(config, cell, (frames.len(), largest(frames)))? / 1_000_000 + 100,
        cpu_s: (1.0 + SECONDS_A_FRAME * full_frames(frames)).ceil() as u64,
        inputs,
        output: PathBuf::from("hips"),
    };
    Ok((job, changed))
}
