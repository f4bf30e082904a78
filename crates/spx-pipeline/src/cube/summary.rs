//! What a cube holds: region, inputs, options, and its planes one by one.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value as Json};
use spx_core::header::{CardValue, Header};
use spx_drizzle::file::{CubeArray, CubeFile, history_lines};
use spx_wcs::OutputGrid;

use super::cube_detector;
use crate::statistics::median;
use crate::{PipelineError, ResultContext as _};

/// What a cube holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CubeSummary {
    /// The file.
    pub file: String,
    /// `D1` to `D6`; `D1-D6` of a cube of all six.
    pub detector: String,
    /// Version of spx that made it.
    pub version: Option<String>,
    /// `[nz, ny, nx]`.
    pub shape: [usize; 3],
    /// Where it lies on the sky.
    pub region: CubeRegion,
    /// Lower edge of the first plane and upper edge of the last \[um\].
    pub wavelength_range: [f64; 2],
    /// How many inputs ended how.
    pub inputs: CubeInputCounts,
    /// The options of the drizzle, by their names in the configuration.
    pub options: Map<String, Json>,
    /// Voxels whose COUNT is cut at 65535.
    pub saturated_voxels: Option<i64>,
    /// One for each plane.
    pub planes: Vec<PlaneSummary>,
    /// The configuration and what became of each input, line by line.
    pub history: Vec<String>,
}

/// Where a cube lies on the sky.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CubeRegion {
    /// Right ascension of the center \[deg, ICRS\].
    pub ra: f64,
    /// Its declination \[deg, ICRS\].
    pub dec: f64,
    /// Width on the tangent plane \[arcmin\].
    pub width_arcmin: f64,
    /// Height on the tangent plane \[arcmin\].
    pub height_arcmin: f64,
    /// Side of a pixel at the center \[arcsec\].
    pub pixel_scale_arcsec: f64,
}

/// How many inputs of a cube ended how; `None` where the file does not say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CubeInputCounts {
    /// Pixels of them are in the cube.
    pub used: Option<i64>,
    /// No pixel of them took part.
    pub rejected: Option<i64>,
    /// They could not be read.
    pub failed: Option<i64>,
}

/// What a plane of a cube holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlaneSummary {
    /// Its number, from 0.
    pub plane: usize,
    /// Its detector, `D1` to `D6`; `None` of a mosaic.
    pub detector: Option<String>,
    /// Center \[um\].
    pub wavelength: f64,
    /// Lower edge \[um\].
    pub wavelength_min: f64,
    /// Upper edge \[um\].
    pub wavelength_max: f64,
    /// Distance of the edges \[um\].
    pub width: f64,
    /// Center over width.
    pub resolving_power: f64,
    /// Input images that contributed.
    pub images: u32,
    /// Pixels with data, of all of the plane.
    pub share_with_data: f64,
    /// Median of SCI over the pixels with data \[MJy/sr\]; `None` where there are none.
    pub median: Option<f64>,
    /// Median of the error, the square root of VARIANCE \[MJy/sr\].
    pub median_error: Option<f64>,
}

/// Cards of the options, with their names in the configuration.
const OPTIONS: [(&str, &str); 7] = [
    ("KERNEL", "kernel"),
    ("XYSHRINK", "xy_shrink"),
    ("ZSHRINK", "z_shrink"),
    ("XYOVRSM", "xy_oversample"),
    ("ZOVRSM", "z_oversample"),
    ("IVARMAX", "ivar_max"),
    ("MINOVER", "min_overlap"),
];

impl CubeSummary {
    /// Reads the header and, plane by plane, SCI and VARIANCE.
    ///
    /// # Errors
    /// Where the header or a plane cannot be read.
    pub fn read(path: &Path, cube: &mut CubeFile) -> Result<Self, PipelineError> {
        let [_, ny, nx] = cube.shape();
        let grid = OutputGrid::from_header(cube.science_header(), [ny, nx])
            .with_context(|| format!("{}: HDU SCI", path.display()))?;
        let primary = cube.primary();
        let count = |card: &str| primary.integer(card).ok();
        Ok(Self {
            file: path.display().to_string(),
            detector: cube_detector(cube),
            version: primary.text("DRIZVER").ok().map(str::to_owned),
            shape: cube.shape(),
            region: CubeRegion {
                ra: grid.center().ra(),
                dec: grid.center().dec(),
                width_arcmin: nx as f64 * grid.pixel_scale() / 60.0,
                height_arcmin: ny as f64 * grid.pixel_scale() / 60.0,
                pixel_scale_arcsec: grid.pixel_scale(),
            },
            wavelength_range: [cube.wavelengths().lower(), cube.wavelengths().upper()],
            inputs: CubeInputCounts {
                used: count("N_INPUTS"),
                rejected: count("N_REJECT"),
                failed: count("N_FAILED"),
            },
            options: options(primary),
            saturated_voxels: count("N_SATUR"),
            history: history_lines(primary),
            planes: (0..cube.shape()[0]).map(|z| plane(cube, z)).collect::<Result<_, _>>()?,
        })
    }
}

fn plane(cube: &mut CubeFile, z: usize) -> Result<PlaneSummary, PipelineError> {
    let ny = cube.shape()[1];
    let mut science: Vec<f32> = cube.read(CubeArray::Science, z, 0..ny)?;
    let mut variance: Vec<f32> = cube.read(CubeArray::Variance, z, 0..ny)?;
    let (bin, pixels) = (cube.wavelengths().bin(z), science.len());
    let median_science = median(&mut science);
    Ok(PlaneSummary {
        plane: z,
        detector: cube.wavelengths().plane_detectors().nth(z).flatten().map(|detector| detector.to_string()),
        wavelength: bin.center(),
        wavelength_min: bin.min,
        wavelength_max: bin.max,
        width: bin.width(),
        resolving_power: bin.resolving_power(),
        images: cube.inputs_per_plane()[z],
        // The median has left only the finite values.
        share_with_data: science.len() as f64 / pixels as f64,
        median: median_science,
        median_error: median(&mut variance).map(f64::sqrt),
    })
}

fn options(primary: &Header) -> Map<String, Json> {
    let value = |card: &str| {
        Some(match primary.get(card)? {
            CardValue::Logical(v) => (*v).into(),
            CardValue::Integer(v) => (*v).into(),
            CardValue::Real(v) => (*v).into(),
            CardValue::Text(v) => v.clone().into(),
            CardValue::Undefined => return None,
        })
    };
    OPTIONS.iter().filter_map(|(card, name)| Some(((*name).to_owned(), value(card)?))).collect()
}
