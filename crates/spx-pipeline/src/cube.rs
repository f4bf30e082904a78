//! What a drizzled cube holds: planes, means of planes, spectra.

mod aperture;
mod convert;
mod line;
mod map;
mod part;
mod planes;
mod region;
mod spectrum;
mod summary;

use std::path::Path;

use spx_core::detector::Detector;
use spx_core::fits::FitsReader;
use spx_drizzle::file::CubeFileProblem;

use crate::{PipelineError, ResultContext as _};

pub use aperture::{ApertureMiss, CubeAperture, PlaneSum, error_correlation, sum_planes};
pub use convert::{CubeConversion, export_cube, import_cube};
pub use line::{LinePlanes, line_map_rows, line_plane, line_rows};
pub use map::{MapQuantity, MapReport, MapRequest, write_map};
pub use part::{CubeCutRequest, DerivedCube, cut_cube, join_cubes};
pub use planes::{
    PlaneQuantity, WavelengthRange, mean_map_rows, mean_plane, mean_rows, middle_plane, plane_at, read_plane,
    read_rows, shrunk, thirds_with_data,
};
pub use region::{BackgroundRing, RegionError, RegionShape, SkyRegion};
pub use spectrum::{CubeSpectrum, CubeSpectrumPoint, flux_label};
pub use spx_drizzle::file::{CubeArray, CubeCompression, CubeFile, CubeFileError, CubeLayout, PlaneAxis};
pub use spx_wcs::{CelestialWcs, OutputGrid, ProjectionNumbers};
pub use summary::{CubeInputCounts, CubeRegion, CubeSummary, PlaneSummary};

/// Opens a cube.
///
/// # Errors
/// What is wrong with the file, and what it is instead.
pub fn open_cube(path: &Path) -> Result<CubeFile, PipelineError> {
    CubeFile::open(path).map_err(|error| not_a_cube(path, error))
}

/// A spectral image in the place of a cube, a cube for another tool, and one that is cut off, are
/// called what they are.
pub fn not_a_cube(path: &Path, error: CubeFileError) -> PipelineError {
    let file = path.display();
    match &error.problem {
        CubeFileProblem::NotACube(_) if file_type(path).is_some_and(|kind| kind.ends_with("_MAP")) => {
            PipelineError::failed(format!(
                "{file}: it is a map, not a cube: DS9 and astropy show it, `spx cube plot CUBE` with --line or \
                 --mean draws the same"
            ))
        }
        CubeFileProblem::NotACube(problem) if file_type(path).as_deref() == Some("DRIZZLED_CUBE") => {
            PipelineError::failed(format!("{file}: the cube is incomplete: {problem}"))
        }
        CubeFileProblem::NotACube(_) if holds_spectral_image(path) => PipelineError::failed(format!(
            "{file}: it is a spectral image, not a cube: `spx inspect` shows it, `spx drizzle` makes cubes \
             from such images"
        )),
        CubeFileProblem::Exported(layout) => PipelineError::failed(format!(
            "{file}: it is a cube in the layout for {layout}: `spx cube import` converts it back into one of \
             spx"
        )),
        _ => error.into(),
    }
}

/// Card FILETYPE of a file, where it has one.
fn file_type(path: &Path) -> Option<String> {
    let primary = FitsReader::open(path).and_then(|mut file| file.header()).ok()?;
    primary.text("FILETYPE").ok().map(str::to_owned)
}

fn holds_spectral_image(path: &Path) -> bool {
    let names = FitsReader::open(path).and_then(|mut file| file.hdu_names()).unwrap_or_default();
    ["IMAGE", "FLAGS"].iter().all(|hdu| names.iter().any(|name| name == hdu))
}

/// The celestial axes of a cube.
///
/// # Errors
/// Where its header is not as it should be.
pub fn cube_celestial(path: &Path, cube: &CubeFile) -> Result<CelestialWcs, PipelineError> {
    let wcs = CelestialWcs::from_header(cube.science_header());
    wcs.map_err(PipelineError::failed).with_context(|| format!("{}: HDU SCI", path.display()))
}

/// The name of the detector, `D3`, of several their names, `D1,D2`, of all six `D1-D6`; or
/// `mosaic`.
pub fn cube_detector(cube: &CubeFile) -> String {
    if cube.is_mosaic() {
        return "mosaic".to_owned();
    }
    let detectors = cube.wavelengths().detectors();
    if detectors == Detector::ALL {
        return "D1-D6".to_owned();
    }
    let names: Vec<String> = detectors.iter().map(ToString::to_string).collect();
    if names.is_empty() { "unknown detector".to_owned() } else { names.join(",") }
}
