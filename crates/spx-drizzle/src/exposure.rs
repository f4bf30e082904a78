//! One exposure as the drizzle sees it: plain arrays and two maps.

use std::ops::Range;

use spx_core::map::{PixelMap, WavelengthMap};

use crate::numbers::min;
use crate::{DrizzleError, OutputPlanes};

/// Borrowed arrays of an exposure, row-major `[y][x]`, for the rows that the caller has at hand.
#[derive(Clone)]
pub struct Exposure<'a> {
    /// `[ny, nx]` of the whole image.
    pub shape: [usize; 2],
    /// The rows that the arrays hold.
    pub rows: Range<usize>,
    /// Surface brightness [MJy/sr]; a pixel that is not finite takes no part.
    pub flux: &'a [f32],
    /// Variance [(MJy/sr)^2]; a pixel whose variance is not finite and positive takes no part. May
    /// be empty where nothing needs it: with weights of another kind and
    /// [`OutputPlanes::only_mean`](crate::OutputPlanes).
    pub variance: &'a [f32],
    /// Quality bits; they are combined into the masks of the cube. May be empty where no pixel has
    /// any.
    pub flags: &'a [i32],
    /// A foreground to subtract from `flux`.
    pub foreground: Option<ExposureForeground<'a>>,
    /// A pixel with any of these bits takes no part.
    pub excluded: u32,
    /// Input pixel to output pixel.
    pub pixel_map: &'a dyn PixelMap,
    /// Input pixel to wavelength and bandwidth.
    pub wavelength_map: &'a dyn WavelengthMap,
    /// What is seldom needed.
    pub extra: ExposureExtras<'a>,
}

/// A modeled foreground: `scale * model` is subtracted from the flux in double precision.
#[derive(Debug, Clone, Copy)]
pub struct ExposureForeground<'a> {
    /// Its model [MJy/sr], as long as the flux.
    pub model: &'a [f32],
    /// Its scale.
    pub scale: f64,
}

/// What an exposure may bring beside its pixels; the default is nothing.
#[derive(Debug, Clone, Copy)]
pub struct ExposureExtras<'a> {
    /// Weights of the pixels.
    pub weight: Weight<'a>,
    /// Flags of pixels that see a source, which do not count in a smoothed variance.
    pub sources: u32,
    /// Named variances [(MJy/sr)^2], in the order of
    /// [`OutputPlanes::variances`](crate::OutputPlanes), each as long as the flux.
    pub variances: &'a [&'a [f32]],
    /// What the pixels hold of a point source, as long as the flux where
    /// [`OutputPlanes::point_source`](crate::OutputPlanes) asks for it, else empty. It takes the
    /// way of the flux, in any unit, and `flux_scale` leaves it as it is.
    pub point_source: &'a [f32],
    /// Exposure time \[s\]; by default 1, so that times count exposures.
    pub time: f64,
    /// Factor of the flux, for exposures that are not on the same footing; variances are multiplied
    /// by its square.
    pub flux_scale: f64,
}

impl Default for ExposureExtras<'_> {
    fn default() -> Self {
        Self {
            weight: Weight::default(),
            sources: 0,
            variances: &[],
            point_source: &[],
            time: 1.0,
            flux_scale: 1.0,
        }
    }
}

impl ExposureExtras<'_> {
    /// The weight of all pixels, where it is the same.
    pub(crate) fn constant_weight(&self) -> Option<f64> {
        if let Weight::Constant(weight) = self.weight { Some(weight) } else { None }
    }
}

/// How much a pixel counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Weight<'a> {
    /// 1 over the variance smoothed over the image
    /// ([`SmoothedVariance`](crate::weights::SmoothedVariance)), at most `ivar_max`.
    #[default]
    SmoothedVariance,
    /// 1 over the pixel's own variance, at most `ivar_max`. Where that variance follows the
    /// measured rate, as in SPHEREx images, this loses flux: 13 % of a star of 7 sigma an exposure,
    /// 57 % of one of 700 sigma.
    InverseVariance,
    /// The same for all pixels, such as an exposure time.
    Constant(f64),
    /// One for each pixel, as long as the flux; a pixel whose weight is not finite and positive
    /// takes no part.
    Map(&'a [f32]),
}

impl Weight<'_> {
    /// Whether it is computed from the variance.
    fn needs_variance(self) -> bool {
        matches!(self, Self::SmoothedVariance | Self::InverseVariance)
    }
}

impl<'a> Exposure<'a> {
    /// Checks that every array has the length that `rows` asks for, or may be empty, and that there
    /// are as many named variances as planes of them.
    pub(crate) fn check(&self, planes: &OutputPlanes) -> Result<(), DrizzleError> {
        let nx = self.shape[1];
        let expected = self.rows.len() * nx;
        let or_empty = |array: usize, may: bool| if array == 0 && may { expected } else { array };
        let without_variance =
            !self.extra.weight.needs_variance() && planes.only_mean && planes.error.is_none();
        let foreground = self.foreground.map_or(expected, |f| f.model.len());
        let weight = if let Weight::Map(map) = self.extra.weight { map.len() } else { expected };
        let point_source = self.extra.point_source.len();
        let arrays = [
            ("flux", self.flux.len()),
            ("point source", or_empty(point_source, !planes.point_source)),
            ("variance", or_empty(self.variance.len(), without_variance)),
            ("flags", or_empty(self.flags.len(), true)),
            ("foreground", foreground),
            ("weight", weight),
        ];
        let named = self.extra.variances.iter().map(|v| ("named variance", v.len()));
        if let Some((array, found)) = arrays.into_iter().chain(named).find(|&(_, found)| found != expected) {
            return Err(DrizzleError::ArrayLength { array, found, expected, rows: self.rows.clone(), nx });
        }
        match (self.extra.variances.len(), planes.variances.len()) {
            (found, expected) if found != expected => Err(DrizzleError::NamedVariances { found, expected }),
            _ => Ok(()),
        }
    }

    /// Whether flux, variance and flags allow a pixel of the arrays to take part.
    pub(crate) fn usable(&self, pixel: usize) -> bool {
        let flags = self.flags.get(pixel).map_or(0, |flags| flags.cast_unsigned());
        let fine = self.variance.get(pixel).is_none_or(|v| *v > 0.0 && *v < f32::INFINITY);
        self.flux[pixel].is_finite() && fine && flags & self.excluded == 0
    }

    /// Brings a block of the arrays into the cache at once, which memory does faster than row by
    /// row. Changes nothing.
    pub(crate) fn fetch(&self, rows: &Range<usize>, columns: &Range<usize>) {
        const CACHE_LINE: usize = 64;
        // Something of every line of the cache.
        let fetch = |array: &[f32]| array.iter().step_by(CACHE_LINE / 4).fold(0, |sum, v| sum ^ v.to_bits());
        let mut sum = 0;
        for y in rows.clone() {
            let first = (y - self.rows.start) * self.shape[1];
            let part = first + columns.start..first + columns.end;
            sum ^= fetch(&self.flux[part.clone()]);
            sum ^= self.variance.get(part.clone()).map_or(0, fetch);
            sum ^= self.foreground.map_or(0, |foreground| fetch(&foreground.model[part.clone()]));
            if let Weight::Map(map) = self.extra.weight {
                sum ^= fetch(&map[part.clone()]);
            }
            if let Some(flags) = self.flags.get(part) {
                sum ^= flags.iter().step_by(CACHE_LINE / 4).fold(0, |sum, v| sum ^ v.cast_unsigned());
            }
        }
        std::hint::black_box(sum);
    }

    /// Fluxes of pixels, foreground subtracted, scaled.
    #[inline(always)]
    pub(crate) fn fluxes(&self, pixels: &Range<usize>, out: &mut [f64]) {
        let (flux, scale) = (&self.flux[pixels.clone()], self.extra.flux_scale);
        if let Some(ExposureForeground { model, scale: of_model }) = self.foreground {
            for ((out, flux), model) in out.iter_mut().zip(flux).zip(&model[pixels.clone()]) {
                *out = (f64::from(*flux) - of_model * f64::from(*model)) * scale;
            }
        } else {
            out.iter_mut().zip(flux).for_each(|(out, flux)| *out = f64::from(*flux) * scale);
        }
    }

    /// Scaled variances of pixels; left as they are where there are none.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "variances are in single precision throughout")]
    pub(crate) fn variances(&self, pixels: &Range<usize>, out: &mut [f32]) {
        let Some(variance) = self.variance.get(pixels.clone()) else { return };
        let scale = self.extra.flux_scale;
        if scale == 1.0 {
            out.copy_from_slice(variance);
        } else {
            let scaled = |v: &f32| (scale * scale * f64::from(*v)) as f32;
            out.iter_mut().zip(variance).for_each(|(out, v)| *out = scaled(v));
        }
    }

    /// Quality bits of pixels; left as they are where there are none.
    #[inline(always)]
    pub(crate) fn flags(&self, pixels: &Range<usize>, out: &mut [u32]) {
        let Some(flags) = self.flags.get(pixels.clone()) else { return };
        out.iter_mut().zip(flags).for_each(|(out, flags)| *out = flags.cast_unsigned());
    }

    /// The scaled named variances of a pixel, and what it holds of a point source.
    pub(crate) fn values_of(&self, pixel: usize) -> impl Iterator<Item = f64> + use<'a> {
        let scale = self.extra.flux_scale * self.extra.flux_scale;
        let variances = self.extra.variances.iter().map(move |array| scale * f64::from(array[pixel]));
        variances.chain(self.extra.point_source.get(pixel).map(|value| f64::from(*value)))
    }
}

/// 1/variance, at most `ivar_max`.
#[inline(always)]
pub(crate) fn inverse(variance: f32, ivar_max: f64) -> f64 {
    min(1.0 / f64::from(variance), ivar_max)
}

/// Side of an output pixel over that of a pixel in the middle of an image of shape `[ny, nx]`, by
/// areas; 1 where the map has no image of the middle.
pub(crate) fn pixel_scale_ratio(map: &dyn PixelMap, [ny, nx]: [usize; 2]) -> f64 {
    let (x, y) = (0.5 * (nx as f64 - 1.0), 0.5 * (ny as f64 - 1.0));
    let across = |dx, dy| {
        let (from, to) = (map.map(x - dx, y - dy)?, map.map(x + dx, y + dy)?);
        Some([to[0] - from[0], to[1] - from[1]])
    };
    let area = across(0.5, 0.0).zip(across(0.0, 0.5)).map(|(u, v)| (u[0] * v[1] - u[1] * v[0]).abs());
    area.filter(|a| *a > 0.0 && a.is_finite()).map_or(1.0, |a| 1.0 / a.sqrt())
}
