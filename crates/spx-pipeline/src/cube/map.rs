//! Maps out of cubes, as files: the mean over a range of wavelengths, or a line over its continuum,
//! with errors.
//!
//! | HDU | name | content |
//! |---|---|---|
//! | 0 | PRIMARY | the cube, the planes |
//! | 1 | MAP | f32, mean [MJy/sr], or intensity of the line [nW/m^2/sr]; NaN = no data |
//! | 2 | ERR | f32, its standard deviation |
//! | 3 | CONTINUUM | of a line alone: f32, the continuum in the middle of the line [MJy/sr] |

use std::path::PathBuf;

use serde::Serialize;
use spx_core::atomic::AtomicFile;
use spx_core::fits::FitsWriter;
use spx_core::header::Header;
use spx_drizzle::file::CubeFile;

use super::part::check;
use super::{LinePlanes, WavelengthRange, line_map_rows, mean_map_rows, open_cube};
use crate::{Listener, PipelineError, ResultContext as _};

/// What a map shows.
#[derive(Debug, Clone, PartialEq)]
pub enum MapQuantity {
    /// The mean over planes, weighted by inverse variance.
    Mean(WavelengthRange),
    /// A line less the straight continuum through other planes.
    Line {
        /// Of the line.
        line: WavelengthRange,
        /// On one side of it or on both.
        continuum: Vec<WavelengthRange>,
    },
}

/// A map that [`write_map`] is to write.
#[derive(Debug, Clone, PartialEq)]
pub struct MapRequest {
    /// The cube.
    pub cube: PathBuf,
    /// The file to write.
    pub output: PathBuf,
    /// What it is to show.
    pub quantity: MapQuantity,
    /// Whether an existing file may be replaced.
    pub overwrite: bool,
}

/// A map that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapReport {
    /// The cube.
    pub file: String,
    /// The map.
    pub output: String,
    /// Unit of MAP and ERR.
    pub unit: &'static str,
    /// The planes that went in, of a line those of the line.
    pub planes: Vec<usize>,
    /// The planes of the continuum.
    pub continuum: Vec<usize>,
}

/// Rows that are in memory at a time.
const BAND: usize = 256;

/// Writes the map of a cube. The errors are those of planes whose errors are independent; planes
/// that adjoin each other share input pixels, so that those of a narrow range are a little too
/// large and those of a wide one too small by the factor R of the axis of wavelength.
///
/// # Errors
/// Usage where the output exists and is not to be replaced; nothing found where a range has no
/// plane with data; where the cube cannot be read, or has no variance; interrupted.
pub fn write_map(request: &MapRequest, listener: &dyn Listener) -> Result<MapReport, PipelineError> {
    check(std::slice::from_ref(&request.cube), &request.output, request.overwrite)?;
    let mut cube = open_cube(&request.cube)?;
    if !cube.has_variance() {
        return Err(PipelineError::failed("a mosaic with only the mean has no VARIANCE, which a map needs"));
    }
    let planes = MapPlanes::find(request, &cube)?;
    listener.detail(&format!("planes {}", numbers(planes.planes())));
    if !planes.continuum().is_empty() {
        listener.detail(&format!("continuum: planes {}", numbers(planes.continuum())));
    }
    let file = AtomicFile::new(&request.output, request.overwrite);
    let file = file.with_context(|| request.output.display().to_string())?;
    let images = images(&mut cube, &planes, listener)?;
    write(&file, &cube, request, &planes, &images).with_context(|| request.output.display().to_string())?;
    file.commit().with_context(|| request.output.display().to_string())?;
    Ok(MapReport {
        file: request.cube.display().to_string(),
        output: request.output.display().to_string(),
        unit: planes.unit(),
        planes: planes.planes().to_vec(),
        continuum: planes.continuum().to_vec(),
    })
}

fn numbers(planes: &[usize]) -> String {
    planes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The planes that a map is made of.
enum MapPlanes {
    Mean(Vec<usize>),
    Line(LinePlanes),
}

impl MapPlanes {
    fn find(request: &MapRequest, cube: &CubeFile) -> Result<Self, PipelineError> {
        let with_data = |range: WavelengthRange| {
            let mut planes = range.planes(cube.wavelengths());
            planes.retain(|&z| cube.inputs_per_plane()[z] > 0);
            let (file, axis) = (request.cube.display(), cube.wavelengths());
            let covers = format!("the cube covers {} to {} um", axis.lower(), axis.upper());
            let problem =
                format!("{file}: no plane with data lies in {}..{} um; {covers}", range.min, range.max);
            if planes.is_empty() { Err(PipelineError::nothing_found(problem)) } else { Ok(planes) }
        };
        Ok(match &request.quantity {
            MapQuantity::Mean(range) => Self::Mean(with_data(*range)?),
            MapQuantity::Line { line, continuum } => {
                let sides = continuum.iter().map(|range| with_data(*range)).collect::<Result<Vec<_>, _>>()?;
                Self::Line(LinePlanes { line: with_data(*line)?, continuum: sides.concat() })
            }
        })
    }

    fn planes(&self) -> &[usize] {
        match self {
            Self::Mean(planes) | Self::Line(LinePlanes { line: planes, .. }) => planes,
        }
    }

    fn continuum(&self) -> &[usize] {
        match self {
            Self::Mean(_) => &[],
            Self::Line(planes) => &planes.continuum,
        }
    }

    fn unit(&self) -> &'static str {
        match self {
            Self::Mean(_) => "MJy/sr",
            Self::Line(_) => "nW/m2/sr",
        }
    }
}

/// Map and error, of a line also the continuum, `[y][x]` each.
fn images(
    cube: &mut CubeFile,
    planes: &MapPlanes,
    listener: &dyn Listener,
) -> Result<Vec<Vec<f32>>, PipelineError> {
    let ny = cube.shape()[1];
    let mut images: Vec<Vec<f32>> = Vec::new();
    for first in (0..ny).step_by(BAND) {
        if listener.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let rows = first..(first + BAND).min(ny);
        let band = match planes {
            MapPlanes::Mean(planes) => mean_map_rows(cube, planes, rows)?.to_vec(),
            MapPlanes::Line(planes) => line_map_rows(cube, planes, rows)?.to_vec(),
        };
        images.resize(band.len(), Vec::new());
        images.iter_mut().zip(band).for_each(|(image, rows)| image.extend(rows));
    }
    Ok(images)
}

fn write(
    file: &AtomicFile,
    cube: &CubeFile,
    request: &MapRequest,
    planes: &MapPlanes,
    images: &[Vec<f32>],
) -> Result<(), PipelineError> {
    let mut fits = FitsWriter::create(file.path())?;
    fits.image::<u8>(&[], &primary(cube, request, planes))?;
    fits.checksum()?;
    let units = [planes.unit(), planes.unit(), "MJy/sr"];
    for ((image, name), unit) in images.iter().zip(["MAP", "ERR", "CONTINUUM"]).zip(units) {
        let mut cards = Header::new();
        cards.set("EXTNAME", name, "").set("BUNIT", unit, "");
        cards.extend(&cube.science_header().celestial());
        fits.image::<f32>(&cube.shape()[1..], &cards)?;
        fits.write_pixels(0, image)?;
        fits.checksum()?;
    }
    Ok(fits.finish()?)
}

fn primary(cube: &CubeFile, request: &MapRequest, planes: &MapPlanes) -> Header {
    let mut h = Header::new();
    for keyword in ["TELESCOP", "INSTRUME", "ORIGIN", "DRIZVER", "DETECTOR", "PIXAR_SR"] {
        if let Some(value) = cube.primary().get(keyword) {
            h.set(keyword, value.clone(), cube.primary().comment(keyword).unwrap_or_default());
        }
    }
    let kind = if matches!(planes, MapPlanes::Mean(_)) { "MEAN_MAP" } else { "LINE_MAP" };
    let name = request.cube.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let axis = cube.wavelengths();
    let ends = |ends: fn(f64, f64) -> f64, value: &dyn Fn(usize) -> f64| {
        planes.planes().iter().map(|&z| value(z)).reduce(ends).unwrap_or(f64::NAN)
    };
    h.set("FILETYPE", kind, "")
        .set("CUBE", name, "the cube")
        .set("LAM_MIN", ends(f64::min, &|z| axis.bin(z).min), "[um] first edge of the planes")
        .set("LAM_MAX", ends(f64::max, &|z| axis.bin(z).max), "[um] last edge of the planes");
    h.note("HISTORY", &format!("planes {:?}", planes.planes()));
    if let MapPlanes::Line(planes) = planes {
        h.note("HISTORY", &format!("continuum {:?}", planes.continuum));
    }
    h
}
