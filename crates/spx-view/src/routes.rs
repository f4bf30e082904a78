//! What the page asks for: planes, pixels, spectra.
//!
//! | path       | query                                            | answer                              |
//! |------------|--------------------------------------------------|-------------------------------------|
//! | `meta`     |                                                  | [`Meta`](super::meta::Meta), JSON   |
//! | `plane`    | `array`, `z`, window                             | f32 or, of masks, u32, little       |
//! |            |                                                  | endian, `[y][x]`                    |
//! | `mean`     | `planes` (numbers with commas), window           | f32, as above                       |
//! | `line`     | `planes`, `continuum` (the same), window         | f32, as above                       |
//! | `pixel`    | `z`, `x`, `y`                                    | the five arrays at a pixel, as JSON |
//! | `spectrum` | `region` (as in a file of DS9), `annulus` (as in | the report of `spx cube spectrum    |
//! |            | `spx cube spectrum`)                             | --json`, or `nothing`: why          |
//! | `catalog`  |                                                  | the CSV text                        |
//!
//! All but the first and the last take `cube`, the number of the cube, without which it is the
//! first. A window is `x`, `y`, `width`, `height`, `bin` [px]. Errors are one line of text: 400 for
//! requests that make no sense, 404 where there is nothing, 500 where the file cannot be read.

use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use spx_pipeline::cube::{CubeArray, CubeFile};

use crate::site::{ServedCube, Site};
use crate::window::{Values, Window, read_flags};
use spx_pipeline::PipelineError;
use spx_pipeline::cube::{BackgroundRing, CubeSpectrum, LinePlanes, PlaneQuantity, SkyRegion};

/// An answer that is one line of text.
#[derive(Debug)]
pub(crate) struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

impl<E: Into<PipelineError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        let error: PipelineError = error.into();
        let status = match error {
            PipelineError::Usage(_) => StatusCode::BAD_REQUEST,
            PipelineError::NothingFound(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.one_line())
    }
}

fn bad_request(problem: &str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, problem.to_owned())
}

/// Reads a cube where that does not hold up other requests.
async fn blocking<T: Send + 'static>(
    cube: &Arc<Mutex<CubeFile>>,
    read: impl FnOnce(&mut CubeFile) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let cube = Arc::clone(cube);
    let task = tokio::task::spawn_blocking(move || {
        // A reader that panicked has left no state behind but the current HDU.
        read(&mut cube.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    });
    task.await.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
}

pub(crate) async fn meta(State(site): State<Arc<Site>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], site.meta.clone()).into_response()
}

pub(crate) async fn catalog(State(site): State<Arc<Site>>) -> Result<Response, Refusal> {
    let text = site.catalog.clone();
    let text = text.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "no catalog was given".to_owned()))?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response())
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Layer {
    Sci,
    Error,
    Snr,
    Count,
    AndMask,
    OrMask,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PlaneQuery {
    #[serde(default)]
    cube: usize,
    array: Layer,
    z: usize,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    bin: usize,
}

pub(crate) async fn plane(
    State(site): State<Arc<Site>>,
    Query(query): Query<PlaneQuery>,
) -> Result<Response, Refusal> {
    let PlaneQuery { cube, array, z, x, y, width, height, bin } = query;
    let served = site.cube(cube)?;
    let window = served.window(Window { x, y, width, height, bin })?;
    served.check_plane(z)?;
    let bytes = blocking(&served.planes, move |cube| {
        Ok(match array {
            Layer::Sci => bytes(&Values::Plane(PlaneQuantity::Sci, z).read(cube, window)?, f32::to_le_bytes),
            Layer::Snr => bytes(&Values::Plane(PlaneQuantity::Snr, z).read(cube, window)?, f32::to_le_bytes),
            Layer::Count => {
                bytes(&Values::Plane(PlaneQuantity::Count, z).read(cube, window)?, f32::to_le_bytes)
            }
            Layer::Error => {
                bytes(&Values::Plane(PlaneQuantity::Error, z).read(cube, window)?, f32::to_le_bytes)
            }
            Layer::AndMask => bytes(&read_flags(cube, CubeArray::AndMask, z, window)?, u32::to_le_bytes),
            Layer::OrMask => bytes(&read_flags(cube, CubeArray::OrMask, z, window)?, u32::to_le_bytes),
        })
    });
    Ok(binary(bytes.await?))
}

#[derive(Debug, Deserialize)]
pub(crate) struct SeveralQuery {
    #[serde(default)]
    cube: usize,
    planes: String,
    #[serde(default)]
    continuum: String,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    bin: usize,
}

pub(crate) async fn mean(
    State(site): State<Arc<Site>>,
    Query(query): Query<SeveralQuery>,
) -> Result<Response, Refusal> {
    let planes = site.cube(query.cube)?.planes_of(&query.planes)?;
    several(&site, &query, Values::Mean(planes)).await
}

pub(crate) async fn line(
    State(site): State<Arc<Site>>,
    Query(query): Query<SeveralQuery>,
) -> Result<Response, Refusal> {
    let served = site.cube(query.cube)?;
    let (line, continuum) = (served.planes_of(&query.planes)?, served.planes_of(&query.continuum)?);
    several(&site, &query, Values::Line(LinePlanes { line, continuum })).await
}

async fn several(site: &Site, query: &SeveralQuery, values: Values) -> Result<Response, Refusal> {
    let SeveralQuery { x, y, width, height, bin, .. } = *query;
    let served = site.cube(query.cube)?;
    let window = served.window(Window { x, y, width, height, bin })?;
    let read = move |cube: &mut CubeFile| Ok(values.read(cube, window)?);
    Ok(binary(bytes(&blocking(&served.planes, read).await?, f32::to_le_bytes)))
}

fn bytes<T: Copy>(values: &[T], encode: impl Fn(T) -> [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0; 4 * values.len()];
    bytes.chunks_exact_mut(4).zip(values).for_each(|(to, value)| to.copy_from_slice(&encode(*value)));
    bytes
}

fn binary(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}

#[derive(Debug, Deserialize)]
pub(crate) struct PixelQuery {
    #[serde(default)]
    cube: usize,
    z: usize,
    x: usize,
    y: usize,
}

/// A voxel; null where there are no data.
#[derive(Debug, Serialize)]
struct Pixel {
    sci: f32,
    error: f32,
    count: u16,
    and_mask: u32,
    or_mask: u32,
}

pub(crate) async fn pixel(
    State(site): State<Arc<Site>>,
    Query(PixelQuery { cube, z, x, y }): Query<PixelQuery>,
) -> Result<Response, Refusal> {
    let served = site.cube(cube)?;
    served.window(Window { x, y, width: 1, height: 1, bin: 1 })?;
    served.check_plane(z)?;
    let pixel = blocking(&served.points, move |cube| {
        let at = || [y..y + 1, x..x + 1];
        Ok(Pixel {
            sci: cube.read_window::<f32>(CubeArray::Science, z, at())?[0],
            error: cube.read_window::<f32>(CubeArray::Variance, z, at())?[0].sqrt(),
            count: cube.read_window::<u16>(CubeArray::Count, z, at())?[0],
            and_mask: cube.read_window::<u32>(CubeArray::AndMask, z, at())?[0],
            or_mask: cube.read_window::<u32>(CubeArray::OrMask, z, at())?[0],
        })
    });
    json(&pixel.await?)
}

#[derive(Debug, Deserialize)]
pub(crate) struct SpectrumQuery {
    #[serde(default)]
    cube: usize,
    region: String,
    annulus: Option<String>,
}

pub(crate) async fn spectrum(
    State(site): State<Arc<Site>>,
    Query(query): Query<SpectrumQuery>,
) -> Result<Response, Refusal> {
    let served = site.cube(query.cube)?;
    let region: SkyRegion = query.region.parse().map_err(PipelineError::usage)?;
    let annulus = query.annulus.as_deref().map(str::parse::<BackgroundRing>);
    let annulus = annulus.transpose().map_err(PipelineError::usage)?;
    let path = served.path.clone();
    let read = move |cube: &mut CubeFile| match CubeSpectrum::extract(&path, cube, &region, annulus, false) {
        Ok(spectrum) => json(&spectrum),
        // Of several cubes some need not reach there: that is an answer, and no error in the
        // browser's console.
        Err(PipelineError::NothingFound(problem)) => json(&Nothing { nothing: problem.to_string() }),
        Err(error) => Err(error.into()),
    };
    blocking(&served.points, read).await
}

/// Why there is no spectrum.
#[derive(Debug, Serialize)]
struct Nothing {
    nothing: String,
}

fn json(value: &impl Serialize) -> Result<Response, Refusal> {
    let text = serde_json::to_string(value)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

impl Site {
    fn cube(&self, number: usize) -> Result<&ServedCube, Refusal> {
        let count = self.cubes.len();
        self.cubes.get(number).ok_or_else(|| bad_request(&format!("there are {count} cubes")))
    }
}

impl ServedCube {
    fn window(&self, window: Window) -> Result<Window, Refusal> {
        let [_, ny, nx] = self.shape;
        window.check([ny, nx]).map(|()| window).map_err(|problem| bad_request(&problem))
    }

    fn check_plane(&self, z: usize) -> Result<(), Refusal> {
        let nz = self.shape[0];
        if z < nz { Ok(()) } else { Err(bad_request(&format!("there are {nz} planes"))) }
    }

    /// Numbers of planes with commas between them, at least one.
    fn planes_of(&self, text: &str) -> Result<Vec<usize>, Refusal> {
        let planes: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
        let planes = planes.map_err(|_| bad_request("planes are numbers with commas between them"))?;
        planes.iter().try_for_each(|z| self.check_plane(*z)).map(|()| planes)
    }
}
