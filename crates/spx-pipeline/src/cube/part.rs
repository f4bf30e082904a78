//! Cubes out of cubes: those of several detectors in one file, or a part of one.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;
use spx_core::detector::Detector;
use spx_drizzle::file::{self, CubeCompression, CubeCut, CubeFile, CubeFileError};

use super::{CubeAperture, SkyRegion, WavelengthRange, cube_celestial, cube_detector, not_a_cube, open_cube};
use crate::output::check_output;
use crate::{Listener, PipelineError};

/// A cube that was made of others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DerivedCube {
    /// The files that were read.
    pub files: Vec<String>,
    /// The file that was written.
    pub output: String,
    /// Its detector; `D1-D6` of all six.
    pub detector: String,
    /// `[nz, ny, nx]`.
    pub shape: [usize; 3],
}

/// Writes cubes of one grid, each of another detector, into one file, in the order of the
/// detectors.
///
/// # Errors
/// Usage where the output exists, unless `overwrite`; where the cubes cannot be read or do not go
/// together; interrupted.
pub fn join_cubes(
    cubes: &[PathBuf],
    output: &Path,
    (compression, overwrite): (CubeCompression, bool),
    listener: &dyn Listener,
) -> Result<DerivedCube, PipelineError> {
    check(cubes, output, overwrite)?;
    let mut planes = 0;
    for path in cubes {
        let cube = open_cube(path)?;
        let bins = cube.shape()[0];
        listener.detail(&format!("{}: {bins} planes of {}", path.display(), cube_detector(&cube)));
        planes += bins;
    }
    listener.start("join", file::join_steps(planes));
    let joined = file::join(cubes, output, (compression, overwrite), listener);
    listener.finish();
    joined.map_err(failure)?;
    DerivedCube::read(cubes, output)
}

/// The part of a cube that [`cut_cube`] is to take: what is given of region, wavelengths and
/// detector limits it.
#[derive(Debug, Clone, Default)]
pub struct CubeCutRequest {
    /// The cube.
    pub cube: PathBuf,
    /// The file to write.
    pub output: PathBuf,
    /// The smallest box of pixels that holds these regions.
    pub regions: Vec<SkyRegion>,
    /// Planes whose centers lie in this range, or else those that overlap it.
    pub wave: Option<WavelengthRange>,
    /// First and last plane, from 0.
    pub planes: Option<[usize; 2]>,
    /// Planes of this detector.
    pub detector: Option<Detector>,
    /// How its arrays are packed.
    pub compression: CubeCompression,
    /// Whether an existing file may be replaced.
    pub overwrite: bool,
}

/// Writes a part of a cube as a cube.
///
/// # Errors
/// Usage where the output exists and is not to be replaced; nothing found where the part holds no
/// pixel or no plane; where the cube cannot be read; interrupted.
pub fn cut_cube(request: &CubeCutRequest, listener: &dyn Listener) -> Result<DerivedCube, PipelineError> {
    check(std::slice::from_ref(&request.cube), &request.output, request.overwrite)?;
    let cube = open_cube(&request.cube)?;
    let [columns, rows] = window(request, &cube)?;
    let part = CubeCut { planes: planes(request, &cube)?, columns, rows };
    listener.detail(&format!(
        "{} planes; columns {} to {} and rows {} to {}, from 0",
        part.planes.len(),
        part.columns.start,
        part.columns.end - 1,
        part.rows.start,
        part.rows.end - 1
    ));
    listener.start("cut", file::cut_steps(&part));
    let how = (request.compression, request.overwrite);
    let written = file::cut(&request.cube, &part, &request.output, how, listener);
    listener.finish();
    written.map_err(failure)?;
    DerivedCube::read(std::slice::from_ref(&request.cube), &request.output)
}

/// Columns and rows of the box around the regions.
fn window(request: &CubeCutRequest, cube: &CubeFile) -> Result<[Range<usize>; 2], PipelineError> {
    let [_, ny, nx] = cube.shape();
    if request.regions.is_empty() {
        return Ok([0..nx, 0..ny]);
    }
    let wcs = cube_celestial(&request.cube, cube)?;
    let (mut least, mut most) = ([usize::MAX; 2], [0; 2]);
    for region in &request.regions {
        let aperture = CubeAperture::new(&wcs, [ny, nx], region, None).map_err(|_| {
            let file = request.cube.display();
            PipelineError::nothing_found(format!("{file}: no pixel has its center in {region}"))
        })?;
        for pixel in &aperture.pixels {
            for axis in 0..2 {
                least[axis] = least[axis].min(pixel[axis]);
                most[axis] = most[axis].max(pixel[axis]);
            }
        }
    }
    Ok([least[0]..most[0] + 1, least[1]..most[1] + 1])
}

fn planes(request: &CubeCutRequest, cube: &CubeFile) -> Result<Vec<usize>, PipelineError> {
    let axis = cube.wavelengths();
    let detectors: Vec<_> = axis.plane_detectors().collect();
    let in_range = request.wave.map(|range| range.planes(axis));
    let wanted = |z: &usize| {
        in_range.as_ref().is_none_or(|planes| planes.contains(z))
            && request.planes.is_none_or(|[first, last]| (first..=last).contains(z))
            && request.detector.is_none_or(|detector| detectors[*z] == Some(detector))
    };
    let planes: Vec<usize> = (0..axis.bins()).filter(wanted).collect();
    if planes.is_empty() {
        let (file, lower, upper) = (request.cube.display(), axis.lower(), axis.upper());
        let cover = format!("{} planes of {}, {lower} to {upper} um", axis.bins(), cube_detector(cube));
        return Err(PipelineError::nothing_found(format!("{file}: no such plane; the cube has {cover}")));
    }
    Ok(planes)
}

impl DerivedCube {
    fn read(files: &[PathBuf], output: &Path) -> Result<Self, PipelineError> {
        let cube = open_cube(output)?;
        Ok(Self {
            files: files.iter().map(|file| file.display().to_string()).collect(),
            output: output.display().to_string(),
            detector: cube_detector(&cube),
            shape: cube.shape(),
        })
    }
}

/// What can be refused before any work is done.
pub(super) fn check(inputs: &[PathBuf], output: &Path, overwrite: bool) -> Result<(), PipelineError> {
    if inputs.iter().any(|input| input == output) {
        let output = output.display();
        return Err(PipelineError::usage(format!("--output {output}: that is the input file")));
    }
    check_output(output, overwrite)
}

fn failure(error: CubeFileError) -> PipelineError {
    let path = error.path.clone();
    not_a_cube(&path, error)
}
