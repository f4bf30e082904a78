//! The channels of all detectors in one file: the cubes are made one after the other, as parts in a
//! hidden directory, and joined.

use std::path::{Path, PathBuf};

use spx_core::detector::Detector;

use super::report::{CubeReport, InputReport};
use crate::cube::{CubeCompression, join_cubes};
use crate::stages::Stages;
use crate::{Listener, PipelineError, ResultContext as _};

/// The file of all channels.
pub(super) struct ChannelFile {
    output_dir: PathBuf,
    parts: PathBuf,
}

impl ChannelFile {
    /// The name of the file without its ending, and of the stage that makes it.
    pub(super) const STEM: &str = "drizzle_all";

    pub(super) fn new(output_dir: &Path) -> Self {
        Self { output_dir: output_dir.to_owned(), parts: output_dir.join(format!(".{}", Self::STEM)) }
    }

    /// Where the cubes of single detectors go.
    pub(super) fn parts(&self) -> &Path {
        &self.parts
    }

    pub(super) fn path(&self) -> PathBuf {
        self.output_dir.join(format!("{}.fits", Self::STEM))
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.path().with_extension("toml")
    }

    /// Refuses to replace a file that is not to be replaced.
    pub(super) fn check(&self, overwrite: bool, stages: &Stages<'_>) -> Result<(), PipelineError> {
        if !overwrite && self.path().symlink_metadata().is_ok() {
            return Err(PipelineError::exists(&self.path()));
        }
        stages.clear(&self.path())?;
        stages.clear(&self.configuration())
    }

    /// Says which detectors have no images.
    pub(super) fn tell_missing(&self, detectors: &[Detector], listener: &dyn Listener) {
        let missing = Detector::ALL.into_iter().filter(|detector| !detectors.contains(detector));
        let missing: Vec<String> = missing.map(|detector| detector.to_string()).collect();
        if !missing.is_empty() {
            listener.warning(&format!("no image of {}: the cube has no planes of them", missing.join(", ")));
        }
    }

    /// Joins the cubes and removes them; gives the report of the whole.
    pub(super) fn join(
        &self,
        cubes: &[CubeReport],
        how: (CubeCompression, bool),
        listener: &dyn Listener,
    ) -> Result<CubeReport, PipelineError> {
        let files: Vec<PathBuf> = cubes.iter().map(|cube| PathBuf::from(&cube.file)).collect();
        let joined = join_cubes(&files, &self.path(), how, listener)?;
        for file in &files {
            for part in [file, &file.with_extension("toml")] {
                std::fs::remove_file(part).with_context(|| part.display().to_string())?;
            }
        }
        // It stays where something else is in it.
        std::fs::remove_dir(&self.parts).ok();
        Ok(together(cubes, joined.output, joined.detector))
    }
}

/// The report of a file of several cubes. Inputs that could not even be opened stand in the report
/// of each, and once in this.
fn together(cubes: &[CubeReport], file: String, detector: String) -> CubeReport {
    let mut inputs: Vec<InputReport> = Vec::new();
    let mut calibration: Vec<String> = Vec::new();
    for cube in cubes {
        let new = cube.inputs.iter().filter(|input| input.exposure.is_some() || !inputs.contains(input));
        let new: Vec<InputReport> = new.cloned().collect();
        inputs.extend(new);
        calibration.extend(
            cube.calibration.iter().filter(|name| !calibration.contains(name)).cloned().collect::<Vec<_>>(),
        );
    }
    let planes = cubes.iter().map(|cube| cube.shape[0]).sum();
    let shape = cubes.first().map_or([0; 3], |cube| [planes, cube.shape[1], cube.shape[2]]);
    let holes = cubes.iter().filter_map(|cube| cube.holes).reduce(f64::max);
    CubeReport { holes, calibration, ..CubeReport::of(detector, file, shape, Vec::new(), inputs) }
}
