//! One exposure as the drizzle sees it: plain arrays and two maps.

use std::ops::Range;

use spx_core::map::{PixelMap, WavelengthMap};

use crate::DrizzleError;

/// Borrowed arrays of an exposure, row-major `[y][x]`, for the rows that the caller has at hand.
#[derive(Clone)]
pub struct Exposure<'a> {
    /// `[ny, nx]` of the whole image.
    pub shape: [usize; 2],
    /// The rows that the arrays hold.
    pub rows: Range<usize>,
    /// Surface brightness [MJy/sr]; a pixel that is not finite takes no part.
    pub flux: &'a [f32],
    /// Variance [(MJy/sr)^2]; a pixel whose variance is not finite and positive takes no part.
    pub variance: &'a [f32],
    /// Quality bits; they are combined into the masks of the cube.
    pub flags: &'a [i32],
    /// A foreground to subtract from `flux`.
    pub foreground: Option<Foreground<'a>>,
    /// A pixel with any of these bits takes no part.
    pub excluded: u32,
    /// Input pixel to output pixel.
    pub pixel_map: &'a dyn PixelMap,
    /// Input pixel to wavelength and bandwidth.
    pub wavelength_map: &'a dyn WavelengthMap,
    /// What is seldom needed.
    pub extra: Extra<'a>,
}

/// A modelled foreground: `scale * model` is subtracted from the flux in double precision.
#[derive(Debug, Clone, Copy)]
pub struct Foreground<'a> {
    /// Its model [MJy/sr], as long as the flux.
    pub model: &'a [f32],
    /// Its scale.
    pub scale: f64,
}

/// What an exposure may bring beside its pixels; the default is nothing.
#[derive(Debug, Clone, Copy)]
pub struct Extra<'a> {
    /// Weights of the pixels.
    pub weight: Weight<'a>,
    /// Named variances [(MJy/sr)^2], in the order of [`Planes::variances`](crate::Planes), each as long as the flux.
    pub variances: &'a [&'a [f32]],
    /// Factor of the flux, for exposures that are not on the same footing; variances are multiplied by its square.
    pub flux_scale: f64,
}

impl Default for Extra<'_> {
    fn default() -> Self {
        Self { weight: Weight::InverseVariance, variances: &[], flux_scale: 1.0 }
    }
}

impl Extra<'_> {
    /// The weight of all pixels, where it is the same.
    pub(crate) fn constant_weight(&self) -> Option<f64> {
        if let Weight::Constant(weight) = self.weight { Some(weight) } else { None }
    }
}

/// How much a pixel counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weight<'a> {
    /// 1/variance, at most `ivar_max`.
    InverseVariance,
    /// The same for all pixels, such as an exposure time.
    Constant(f64),
    /// One for each pixel, as long as the flux; a pixel whose weight is not finite and positive takes no part.
    Map(&'a [f32]),
}

impl<'a> Exposure<'a> {
    /// Checks that every array has the length that `rows` asks for, and that there are so many named variances.
    pub(crate) fn check(&self, variances: usize) -> Result<(), DrizzleError> {
        let nx = self.shape[1];
        let expected = self.rows.len() * nx;
        let foreground = self.foreground.map_or(expected, |f| f.model.len());
        let weight = if let Weight::Map(map) = self.extra.weight { map.len() } else { expected };
        let arrays = [
            ("flux", self.flux.len()),
            ("variance", self.variance.len()),
            ("flags", self.flags.len()),
            ("foreground", foreground),
            ("weight", weight),
        ];
        let named = self.extra.variances.iter().map(|v| ("named variance", v.len()));
        if let Some((array, found)) = arrays.into_iter().chain(named).find(|&(_, found)| found != expected) {
            return Err(DrizzleError::ArrayLength { array, found, expected, rows: self.rows.clone(), nx });
        }
        match self.extra.variances.len() {
            found if found != variances => Err(DrizzleError::NamedVariances { found, expected: variances }),
            _ => Ok(()),
        }
    }

    /// Fluxes of pixels, foreground subtracted, scaled.
    #[inline(always)]
    pub(crate) fn fluxes(&self, pixels: &Range<usize>, out: &mut [f64]) {
        let (flux, scale) = (&self.flux[pixels.clone()], self.extra.flux_scale);
        if let Some(Foreground { model, scale: of_model }) = self.foreground {
            for ((out, flux), model) in out.iter_mut().zip(flux).zip(&model[pixels.clone()]) {
                *out = (f64::from(*flux) - of_model * f64::from(*model)) * scale;
            }
        } else {
            out.iter_mut().zip(flux).for_each(|(out, flux)| *out = f64::from(*flux) * scale);
        }
    }

    /// Scaled variances of pixels.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "variances are in single precision throughout")]
    pub(crate) fn variances(&self, pixels: &Range<usize>, out: &mut [f32]) {
        let (variance, scale) = (&self.variance[pixels.clone()], self.extra.flux_scale);
        if scale == 1.0 {
            out.copy_from_slice(variance);
        } else {
            let scaled = |v: &f32| (scale * scale * f64::from(*v)) as f32;
            out.iter_mut().zip(variance).for_each(|(out, v)| *out = scaled(v));
        }
    }

    /// The weight of a pixel, which has this scaled variance.
    pub(crate) fn weight_of(&self, pixel: usize, variance: f32, ivar_max: f64) -> f64 {
        match self.extra.weight {
            Weight::InverseVariance => (1.0 / f64::from(variance)).min(ivar_max),
            Weight::Constant(weight) => weight,
            Weight::Map(map) => map[pixel].into(),
        }
    }

    /// The scaled named variances of a pixel.
    pub(crate) fn variances_of(&self, pixel: usize) -> impl Iterator<Item = f64> + Clone + use<'a> {
        let scale = self.extra.flux_scale * self.extra.flux_scale;
        self.extra.variances.iter().map(move |array| scale * f64::from(array[pixel]))
    }
}

/// Side of an output pixel over that of a pixel in the middle of an image of shape `[ny, nx]`, by areas; 1 where the
/// map has no image of the middle.
pub(crate) fn pixel_scale_ratio(map: &dyn PixelMap, [ny, nx]: [usize; 2]) -> f64 {
    let (x, y) = (0.5 * (nx as f64 - 1.0), 0.5 * (ny as f64 - 1.0));
    let across = |dx, dy| {
        let (from, to) = (map.map(x - dx, y - dy)?, map.map(x + dx, y + dy)?);
        Some([to[0] - from[0], to[1] - from[1]])
    };
    let area = across(0.5, 0.0).zip(across(0.0, 0.5)).map(|(u, v)| (u[0] * v[1] - u[1] * v[0]).abs());
    area.filter(|a| *a > 0.0 && a.is_finite()).map_or(1.0, |a| 1.0 / a.sqrt())
}
