//! What the page asks for: planes, pixels, spectra.
//!
//! | path | query | answer |
//! |---|---|---|
//! | `meta` | | [`Meta`](super::meta::Meta) as JSON |
//! | `plane` | `array`, `z`, window | f32 or, of masks, u32, little endian, `[y][x]` |
//! | `mean` | `planes` (numbers with commas), window | f32, as above |
//! | `pixel` | `z`, `x`, `y` | the five arrays at a pixel, as JSON |
//! | `spectrum` | `ra`, `dec`, `radius` | what `spx cube spectrum --json` reports |
//! | `catalogue` | | the CSV text |
//!
//! A window is `x`, `y`, `width`, `height`, `bin` [px]. Errors are one line of text: 400 for
//! requests that make no sense, 404 where there is nothing, 500 where the file cannot be read.

use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use spx_core::sky::Position;
use spx_drizzle::file::{CubeArray, CubeFile};

use crate::server::Site;
use crate::window::{Values, Window, read_flags};
use spx_pipeline::PipelineError;
use spx_pipeline::cube::{CubeSpectrum, PlaneQuantity};

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

pub(crate) async fn catalogue(State(site): State<Arc<Site>>) -> Result<Response, Refusal> {
    let text = site.catalogue.clone();
    let text = text.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "no catalogue was given".to_owned()))?;
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
    let PlaneQuery { array, z, x, y, width, height, bin } = query;
    let window = site.window(Window { x, y, width, height, bin })?;
    site.check_plane(z)?;
    let bytes = blocking(&site.planes, move |cube| {
        Ok(match array {
            Layer::Sci => bytes(&Values::Plane(PlaneQuantity::Sci, z).read(cube, window)?, f32::to_le_bytes),
            Layer::Snr => bytes(&Values::Plane(PlaneQuantity::Snr, z).read(cube, window)?, f32::to_le_bytes),
            Layer::Count => {
                bytes(&Values::Plane(PlaneQuantity::Count, z).read(cube, window)?, f32::to_le_bytes)
            }
            Layer::Error => bytes(&Values::Error(z).read(cube, window)?, f32::to_le_bytes),
            Layer::AndMask => bytes(&read_flags(cube, CubeArray::AndMask, z, window)?, u32::to_le_bytes),
            Layer::OrMask => bytes(&read_flags(cube, CubeArray::OrMask, z, window)?, u32::to_le_bytes),
        })
    });
    Ok(binary(bytes.await?))
}

#[derive(Debug, Deserialize)]
pub(crate) struct MeanQuery {
    planes: String,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    bin: usize,
}

pub(crate) async fn mean(
    State(site): State<Arc<Site>>,
    Query(query): Query<MeanQuery>,
) -> Result<Response, Refusal> {
    let MeanQuery { x, y, width, height, bin, .. } = query;
    let window = site.window(Window { x, y, width, height, bin })?;
    let planes: Result<Vec<usize>, _> = query.planes.split(',').map(str::parse).collect();
    let planes = planes.map_err(|_| bad_request("planes are numbers with commas between them"))?;
    planes.iter().try_for_each(|z| site.check_plane(*z))?;
    let read = move |cube: &mut CubeFile| Ok(Values::Mean(planes).read(cube, window)?);
    Ok(binary(bytes(&blocking(&site.planes, read).await?, f32::to_le_bytes)))
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
    Query(PixelQuery { z, x, y }): Query<PixelQuery>,
) -> Result<Response, Refusal> {
    site.window(Window { x, y, width: 1, height: 1, bin: 1 })?;
    site.check_plane(z)?;
    let pixel = blocking(&site.points, move |cube| {
        let rows = y..y + 1;
        Ok(Pixel {
            sci: cube.read::<f32>(CubeArray::Science, z, rows.clone())?[x],
            error: cube.read::<f32>(CubeArray::Variance, z, rows.clone())?[x].sqrt(),
            count: cube.read::<u16>(CubeArray::Count, z, rows.clone())?[x],
            and_mask: cube.read::<u32>(CubeArray::AndMask, z, rows.clone())?[x],
            or_mask: cube.read::<u32>(CubeArray::OrMask, z, rows)?[x],
        })
    });
    json(&pixel.await?)
}

#[derive(Debug, Deserialize)]
pub(crate) struct SpectrumQuery {
    ra: f64,
    dec: f64,
    radius: Option<f64>,
}

pub(crate) async fn spectrum(
    State(site): State<Arc<Site>>,
    Query(SpectrumQuery { ra, dec, radius }): Query<SpectrumQuery>,
) -> Result<Response, Refusal> {
    let position = Position::new(ra, dec).map_err(PipelineError::usage)?;
    if radius.is_some_and(|radius| !(radius > 0.0 && radius.is_finite())) {
        return Err(bad_request("the radius must be above 0"));
    }
    let path = site.path.clone();
    let read = move |cube: &mut CubeFile| Ok(CubeSpectrum::extract(&path, cube, position, radius, false)?);
    json(&blocking(&site.points, read).await?)
}

fn json(value: &impl Serialize) -> Result<Response, Refusal> {
    let text = serde_json::to_string(value)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

impl Site {
    fn window(&self, window: Window) -> Result<Window, Refusal> {
        let [_, ny, nx] = self.shape;
        window.check([ny, nx]).map(|()| window).map_err(|problem| bad_request(&problem))
    }

    fn check_plane(&self, z: usize) -> Result<(), Refusal> {
        let nz = self.shape[0];
        if z < nz { Ok(()) } else { Err(bad_request(&format!("there are {nz} planes"))) }
    }
}
