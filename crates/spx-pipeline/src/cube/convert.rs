//! Cubes in the layouts of other tools, and back.

use std::path::Path;

use serde::Serialize;
use spx_drizzle::file::{self, CubeFileError, CubeFileProblem, CubeLayout};

use super::not_a_cube;
use super::part::check;
use crate::{Listener, PipelineError};

/// A cube that was written in another layout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CubeConversion {
    /// The file that was read.
    pub file: String,
    /// The file that was written.
    pub output: String,
    /// Layout of the one that is not a cube of spx.
    pub layout: &'static str,
}

/// Writes a cube as another tool expects it. Nothing is left out: [`import_cube`] makes the same
/// cube of it again, byte for byte.
///
/// # Errors
/// Usage where the output exists, unless `overwrite`; where the cube cannot be read; interrupted.
pub fn export_cube(
    cube: &Path,
    output: &Path,
    layout: CubeLayout,
    overwrite: bool,
    listener: &dyn Listener,
) -> Result<CubeConversion, PipelineError> {
    check(&[cube.to_owned()], output, overwrite)?;
    file::export(cube, output, layout, overwrite, listener).map_err(|error| failure(cube, error))?;
    Ok(CubeConversion::new(cube, output, layout))
}

/// Turns a file that [`export_cube`] wrote back into a cube.
///
/// # Errors
/// Usage where the output exists, unless `overwrite`; where the file is no exported cube, or was
/// changed since; interrupted.
pub fn import_cube(
    exported: &Path,
    output: &Path,
    overwrite: bool,
    listener: &dyn Listener,
) -> Result<CubeConversion, PipelineError> {
    check(&[exported.to_owned()], output, overwrite)?;
    let layout = file::import(exported, output, overwrite, listener);
    let layout = layout.map_err(|error| failure(exported, error))?;
    Ok(CubeConversion::new(exported, output, layout))
}

impl CubeConversion {
    fn new(file: &Path, output: &Path, layout: CubeLayout) -> Self {
        let [file, output] = [file, output].map(|path| path.display().to_string());
        Self { file, output, layout: layout.name() }
    }
}

fn failure(input: &Path, error: CubeFileError) -> PipelineError {
    match error.problem {
        CubeFileProblem::Cancelled | CubeFileProblem::Exists => error.into(),
        _ => not_a_cube(input, error),
    }
}
