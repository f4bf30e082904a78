//! What the page is told of a cube before it shows any plane.

use std::path::Path;

use serde::Serialize;
use spx_core::flags::FlagNames;
use spx_pipeline::cube::CubeFile;
use spx_pipeline::cube::ProjectionNumbers;
use spx_plot::Colormap;

use crate::quantize::Loss;
use spx_pipeline::PipelineError;
use spx_pipeline::cube::{cube_celestial, cube_detector, error_correlation, middle_plane, thirds_with_data};

/// The description of a page; its field names are those that the page's scripts use.
#[derive(Debug, Serialize)]
pub(crate) struct Meta {
    version: &'static str,
    /// At least one.
    cubes: Vec<CubeMeta>,
    /// Bit and name.
    flags: Vec<(u32, String)>,
    /// Name, and 256 colors `rrggbb` one after the other.
    colormaps: Vec<(&'static str, String)>,
    /// Name of the catalog to overlay on the image.
    catalog: Option<String>,
    /// What a self-contained page has lost of the cube; `None` where the page has the cube itself.
    pub(crate) loss: Option<Loss>,
}

/// The description of a cube.
#[derive(Debug, Serialize)]
pub(crate) struct CubeMeta {
    /// Its name without folders.
    file: String,
    /// As the user named it.
    path: String,
    detector: String,
    /// `[nz, ny, nx]`.
    shape: [usize; 3],
    /// Lower and upper edge of each plane [um].
    wavelengths: Vec<[f64; 2]>,
    /// Input images of each plane.
    images: Vec<u32>,
    /// The plane that is shown first.
    first_plane: usize,
    /// Planes for red, green and blue; `None` where no plane has data.
    colors: Option<[Vec<usize>; 3]>,
    wcs: Wcs,
    /// Of the errors of pixels 0, 1, 2, ... pixels from each other along an axis.
    correlation: Vec<f64>,
}

/// [`ProjectionNumbers`] as JSON.
#[derive(Debug, Serialize)]
struct Wcs {
    projection: &'static str,
    crpix: [f64; 2],
    origin: f64,
    matrix: [[f64; 2]; 2],
    to_sky: [[f64; 3]; 3],
}

impl Meta {
    /// Describes a page with cubes and a catalog.
    pub(crate) fn new(cubes: Vec<CubeMeta>, catalog: Option<&Path>) -> Self {
        let names = FlagNames::default();
        let flags = names.by_bit();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            cubes,
            flags: flags.into_iter().map(|(bit, name)| (bit, name.to_owned())).collect(),
            // The page reverses them itself.
            colormaps: Colormap::ALL
                .iter()
                .filter(|map| !map.name().ends_with("_r"))
                .map(|map| (map.name(), colors(*map)))
                .collect(),
            catalog: catalog.map(file_name),
            loss: None,
        }
    }
}

impl CubeMeta {
    /// Describes a cube of which `bin` x `bin` pixels are one pixel of the page.
    pub(crate) fn new(path: &Path, cube: &mut CubeFile, bin: usize) -> Result<Self, PipelineError> {
        let wcs = cube_celestial(path, cube)?;
        let numbers = wcs.projection_numbers().ok_or_else(|| {
            let problem = "HDU SCI: the projection of a cube has no distortion";
            PipelineError::failed(format!("{}: {problem}", path.display()))
        })?;
        let [nz, ny, nx] = cube.shape();
        let blue_first = thirds_with_data(cube);
        Ok(Self {
            file: file_name(path),
            path: path.display().to_string(),
            detector: cube_detector(cube),
            shape: [nz, ny.div_ceil(bin), nx.div_ceil(bin)],
            wavelengths: cube.wavelengths().iter().map(|bin| [bin.min, bin.max]).collect(),
            images: cube.inputs_per_plane().to_vec(),
            first_plane: middle_plane(cube)?,
            colors: blue_first.map(|[blue, green, red]| [red, green, blue]),
            wcs: Wcs::binned(&numbers, bin),
            // Means of several pixels are nearly independent of each other.
            correlation: if bin == 1 { error_correlation(cube) } else { vec![1.0] },
        })
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl Wcs {
    fn binned(numbers: &ProjectionNumbers, bin: usize) -> Self {
        let bin = bin as f64;
        Self {
            projection: numbers.projection.code(),
            crpix: numbers.crpix.map(|x| (x + 0.5) / bin - 0.5),
            origin: numbers.origin,
            matrix: numbers.matrix.map(|row| row.map(|m| m * bin)),
            to_sky: numbers.to_sky,
        }
    }
}

fn colors(map: Colormap) -> String {
    let hex = |k: u32| {
        let [r, g, b] = map.color(f64::from(k) / 255.0);
        format!("{r:02x}{g:02x}{b:02x}")
    };
    (0..256).map(hex).collect()
}
