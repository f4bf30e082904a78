//! The cube of running sums that a drizzle keeps with `accumulate`, of one file or merged from
//! several.

use std::path::{Path, PathBuf};

use spx_drizzle::Accumulator;
use spx_drizzle::file::SumsFile;

use super::accumulate;
use super::memory::check_memory;
use super::report::CubeReport;
use super::settings::{DrizzleConfig, DrizzleProduct};
use super::writer::CubeWriter;
use crate::output::check_output;
use crate::{Listener, PipelineError, ResultContext as _};

/// What [`finalize`] is to do.
#[derive(Debug, Clone, Default)]
pub struct FinalizeRequest {
    /// Files of running sums.
    pub files: Vec<PathBuf>,
    /// The cube to write.
    pub output: PathBuf,
    /// Where to write the merged sums, to which exposures can be added.
    pub accumulate: Option<PathBuf>,
    /// Whether existing files may be replaced.
    pub overwrite: bool,
}

/// Turns running sums into their cube.
///
/// Several files must be of the same grid and the same settings, and no exposure may be in two of
/// them; they are merged in the order of their first exposures' times. The cube of one file is,
/// byte for byte, the one that a run over its exposures, in their order, writes. Counts and masks
/// of merged files are, too; other values may differ in the last place, for sums of sums round
/// otherwise.
///
/// # Errors
/// Usage where a file is named twice, an output exists, or the settings differ; otherwise where a
/// file is damaged or cannot be written.
pub fn finalize(request: &FinalizeRequest, listener: &dyn Listener) -> Result<CubeReport, PipelineError> {
    check_outputs(request)?;
    let files = open(&request.files)?;
    let first = files.first().ok_or_else(|| PipelineError::usage("there are no sums"))?;
    let history = first.settings().to_vec();
    let parameters = settings(first)?.parameters()?;
    if files.len() > 1 && !parameters.resampling.comparison.is_none() {
        return Err(PipelineError::usage(
            "the exposures of each of these sums were only compared with each other (reject, \
             match_background): run `spx drizzle` on all inputs to compare all",
        ));
    }
    let detector = parameters
        .detector
        .ok_or_else(|| PipelineError::failed("the settings of the sums name no detector"))?;
    let product = DrizzleProduct::Cube(detector);
    let plan = parameters.plan(product)?;
    let exposures = files.iter().map(|file| file.entries().len()).sum();
    let at_once = files.len().min(2) as u64;
    check_memory(at_once * plan.accumulator_bytes(exposures), None)?;
    let mut merged: Option<Accumulator> = None;
    for file in files {
        let path = file.path().to_owned();
        listener.detail(&format!("{}: {} exposures", path.display(), file.entries().len()));
        let sums = accumulate::load(file, plan.clone(), listener)?;
        match &mut merged {
            None => merged = Some(sums),
            Some(merged) => merged.merge(sums).with_context(|| path.display().to_string())?,
        }
    }
    let merged = merged.ok_or_else(|| PipelineError::usage("there are no sums"))?;
    if let Some(path) = &request.accumulate {
        let celestial = parameters.grid.header();
        accumulate::write(
            path,
            &merged,
            &history,
            (&celestial, parameters.compression),
            request.overwrite,
            listener,
        )?;
    }
    let report = report(&merged, product, &request.output, parameters.resampling.planes.context);
    let writer =
        CubeWriter { parameters: &parameters, product, history: &history, overwrite: request.overwrite };
    writer.write(&request.output, &merged.drizzler, (&report, merged.timing()), None, listener)?;
    Ok(report)
}

/// Refuses what cannot be written before anything is read.
fn check_outputs(request: &FinalizeRequest) -> Result<(), PipelineError> {
    let outputs: Vec<&Path> =
        std::iter::once(&request.output).chain(&request.accumulate).map(PathBuf::as_path).collect();
    let full = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    for (k, output) in outputs.iter().enumerate() {
        let taken = request.files.iter().map(PathBuf::as_path).chain(outputs[..k].iter().copied());
        if taken.map(full).any(|file| file == full(output)) {
            return Err(PipelineError::usage(format!("{} is named twice", output.display())));
        }
        check_output(output, request.overwrite)?;
    }
    Ok(())
}

/// Opens all files, which must be of the same settings, in the order of their first exposures.
fn open(paths: &[PathBuf]) -> Result<Vec<SumsFile>, PipelineError> {
    let mut files = paths.iter().map(|path| SumsFile::open(path)).collect::<Result<Vec<_>, _>>()?;
    for file in &files {
        file.check_settings(files[0].settings())?;
    }
    files.sort_by(|a, b| accumulate::first(a.entries()).cmp(&accumulate::first(b.entries())));
    Ok(files)
}

/// The settings that the sums were made with.
fn settings(file: &SumsFile) -> Result<DrizzleConfig, PipelineError> {
    let context = || format!("{}: HDU SETTINGS", file.path().display());
    toml::from_str(&file.settings().join("\n")).with_context(context)
}

fn report(sums: &Accumulator, product: DrizzleProduct, output: &Path, context: bool) -> CubeReport {
    let entries = sums.entries().iter().map(|entry| accumulate::report(entry, context)).collect();
    CubeReport::new(product, output, sums.drizzler.plan().cube_shape(), entries, Vec::new())
}
