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
}

/// A modelled foreground: `scale * model` is subtracted from the flux in double precision.
#[derive(Debug, Clone, Copy)]
pub struct Foreground<'a> {
    /// Its model [MJy/sr], as long as the flux.
    pub model: &'a [f32],
    /// Its scale.
    pub scale: f64,
}

impl Exposure<'_> {
    /// Checks that every array has the length that `rows` asks for.
    pub(crate) fn check(&self) -> Result<(), DrizzleError> {
        let nx = self.shape[1];
        let expected = self.rows.len() * nx;
        let foreground = self.foreground.map_or(expected, |f| f.model.len());
        let arrays = [
            ("flux", self.flux.len()),
            ("variance", self.variance.len()),
            ("flags", self.flags.len()),
            ("foreground", foreground),
        ];
        match arrays.into_iter().find(|&(_, found)| found != expected) {
            None => Ok(()),
            Some((array, found)) => {
                Err(DrizzleError::ArrayLength { array, found, expected, rows: self.rows.clone(), nx })
            }
        }
    }
}
