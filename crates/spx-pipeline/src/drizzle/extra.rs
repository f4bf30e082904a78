//! What an exposure brings to the drizzle beside its pixels: weights, flags of sources, named
//! variances.

use std::path::Path;

use spx_core::fits::{FitsError, FitsReader};
use spx_core::image::{ObservationTime, SpectralImage};
use spx_drizzle::{ExposureExtras, Weight};

use super::resampling::{PixelWeighting, ResamplingParameters};
use crate::inputs::InputError;
use crate::{PipelineError, ResultContext as _};

/// A weight for each pixel of the full frame.
pub(super) struct WeightMap {
    /// `[ny, nx]`.
    shape: [usize; 2],
    values: Vec<f32>,
}

impl WeightMap {
    /// Reads the first HDU with an image of two axes.
    ///
    /// # Errors
    /// Usage, where there is none.
    pub(super) fn read(path: &Path) -> Result<Self, PipelineError> {
        let read = || -> Result<Option<Self>, FitsError> {
            let mut file = FitsReader::open(path)?;
            for index in 0..file.hdu_names()?.len() {
                file.move_to_index(index)?;
                if let Ok(shape) = file.image_shape()
                    && let Ok(shape) = <[usize; 2]>::try_from(shape)
                {
                    let mut values = vec![0.0; shape[0] * shape[1]];
                    file.read_pixels(0, &mut values)?;
                    return Ok(Some(Self { shape, values }));
                }
            }
            Ok(None)
        };
        let map = read()
            .with_context(|| format!("weight map {}", path.display()))
            .map_err(PipelineError::into_usage)?;
        let none = || format!("weight map {}: no HDU holds an image of two axes", path.display());
        map.ok_or_else(|| PipelineError::usage(none()))
    }

    /// The weights of the rows of an image, by its place in the full frame; NaN, hence no weight,
    /// beside the map.
    fn of(&self, image: &SpectralImage) -> Result<Vec<f32>, InputError> {
        let path = &image.metadata.path;
        let offset = image.metadata.parent_offset();
        let offset = offset.map_err(|e| InputError::new(path, format!("HDU IMAGE: {e}")))?;
        #[expect(clippy::cast_possible_truncation, reason = "an offset within a frame")]
        let [x0, y0] = offset.map(|v| v.round() as i64);
        let place = |v: usize, first: i64, n: usize| {
            i64::try_from(v).ok().and_then(|v| usize::try_from(v + first).ok()).filter(|v| *v < n)
        };
        let [ny, nx] = self.shape;
        let mut weights = Vec::with_capacity(image.rows.len() * image.metadata.shape[1]);
        for y in image.rows.clone() {
            for x in 0..image.metadata.shape[1] {
                let pixel = place(y, y0, ny).zip(place(x, x0, nx));
                weights.push(pixel.map_or(f32::NAN, |(y, x)| self.values[y * nx + x]));
            }
        }
        Ok(weights)
    }
}

/// The weights of an exposure's pixels.
enum ExposureWeights {
    SmoothedVariance,
    InverseVariance,
    Constant(f64),
    Map(Vec<f32>),
}

/// The arrays of one exposure.
pub(super) struct ExtraArrays {
    weights: ExposureWeights,
    /// Flags of pixels that see a source.
    sources: u32,
    variances: Vec<Vec<f32>>,
    /// What the pixels hold of a point source, where that is asked for.
    point_source: Vec<f32>,
    /// Exposure time \[s\].
    time: f64,
}

impl ExtraArrays {
    /// Computes and reads them for the rows of an image, all but the point source.
    pub(super) fn load(
        parameters: &ResamplingParameters,
        map: Option<&WeightMap>,
        image: &SpectralImage,
        point_source: Vec<f32>,
    ) -> Result<Self, InputError> {
        let weights = match (parameters.weight, map) {
            (PixelWeighting::IvmSmooth, _) => ExposureWeights::SmoothedVariance,
            (PixelWeighting::Exptime, _) => {
                ExposureWeights::Constant(seconds(image, "weight = exptime", |t| {
                    t.measurement.or(t.exposure)
                })?)
            }
            (PixelWeighting::None, _) => ExposureWeights::Constant(1.0),
            (PixelWeighting::Map, Some(map)) => ExposureWeights::Map(map.of(image)?),
            (PixelWeighting::Ivm | PixelWeighting::Map, _) => ExposureWeights::InverseVariance,
        };
        let sources = image.metadata.flag_names.mask("SOURCE");
        let variances = parameters.planes.variances.iter().map(|name| read_rows(image, name));
        let variances = variances.collect::<Result<_, _>>()?;
        let time = if parameters.planes.coverage {
            seconds(image, "planes = coverage", |t| t.exposure.or(t.measurement))?
        } else {
            1.0
        };
        Ok(Self { weights, sources, variances, point_source, time })
    }

    /// The named variances.
    pub(super) fn variances(&self) -> Vec<&[f32]> {
        self.variances.iter().map(Vec::as_slice).collect()
    }

    /// What the drizzle is given; `variances` are [`variances`](Self::variances).
    pub(super) fn borrow<'a>(&'a self, variances: &'a [&'a [f32]], flux_scale: f64) -> ExposureExtras<'a> {
        let weight = match &self.weights {
            ExposureWeights::SmoothedVariance => Weight::SmoothedVariance,
            ExposureWeights::InverseVariance => Weight::InverseVariance,
            ExposureWeights::Constant(weight) => Weight::Constant(*weight),
            ExposureWeights::Map(map) => Weight::Map(map),
        };
        let Self { sources, point_source, time, .. } = self;
        ExposureExtras { weight, sources: *sources, variances, point_source, time: *time, flux_scale }
    }
}

/// A time of an exposure \[s\], which a setting needs.
fn seconds(
    image: &SpectralImage,
    setting: &str,
    which: fn(&ObservationTime) -> Option<f64>,
) -> Result<f64, InputError> {
    which(&image.metadata.time).filter(|t| *t > 0.0 && t.is_finite()).ok_or_else(|| {
        InputError::new(&image.metadata.path, format!("HDU IMAGE: {setting} needs a card XPOSURE above 0"))
    })
}

/// The rows of an image that stand in another HDU of its file.
fn read_rows(image: &SpectralImage, hdu: &str) -> Result<Vec<f32>, InputError> {
    let [ny, nx] = image.metadata.shape;
    let path = &image.metadata.path;
    let read = || -> Result<Result<Vec<f32>, Vec<usize>>, FitsError> {
        let mut file = FitsReader::open(path)?;
        file.move_to(hdu)?;
        let shape = file.image_shape()?;
        if shape != [ny, nx] {
            return Ok(Err(shape));
        }
        let mut values = vec![0.0; image.rows.len() * nx];
        file.read_pixels(image.rows.start * nx, &mut values)?;
        Ok(Ok(values))
    };
    match read() {
        Ok(Ok(values)) => Ok(values),
        Ok(Err(found)) => {
            let problem =
                format!("HDU {hdu}: the array has shape {found:?}, expected [{ny}, {nx}] as in IMAGE");
            Err(InputError::new(path, problem))
        }
        Err(error) => Err(InputError::new(path, format!("HDU {hdu}: {error}"))),
    }
}
