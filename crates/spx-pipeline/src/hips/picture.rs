//! Pictures of the tiles: PNG, transparent where there are no data.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use ndarray::Array2;
use rayon::prelude::*;
use serde::Serialize;
use spx_core::fits::{FitsError, FitsReader};
use spx_plot::{Colormap, DisplayLimits, Stretch, encode_rgba};

use super::hierarchy::{ALLSKY_WIDTH, HipsLevels, modified};
use super::tile::SIDE;
use crate::output::write_output;
use crate::{Listener, PipelineError, ResultContext as _};

/// Tiles that are looked at for the limits.
const SAMPLE: usize = 32;

/// The values that are black and white \[MJy/sr\].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct PixelCut {
    /// Black.
    pub low: f64,
    /// White.
    pub high: f64,
}

impl FromStr for PixelCut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |word: &str| word.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let ends = text.split_once("..").and_then(|(low, high)| Some((number(low)?, number(high)?)));
        ends.filter(|(low, high)| low < high)
            .map(|(low, high)| Self { low, high })
            .ok_or_else(|| format!("expected two values such as -0.02..1.5, not `{text}`"))
    }
}

impl fmt::Display for PixelCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.low, self.high)
    }
}

/// Limits from the noise and the brightest pixels of the finest tiles.
///
/// # Errors
/// What the disk reports.
pub(super) fn find_cut(
    root: &Path,
    levels: &HipsLevels,
    stretch: Stretch,
) -> Result<PixelCut, PipelineError> {
    let tiles = levels.finest();
    let chosen = tiles.iter().step_by(tiles.len().div_ceil(SAMPLE).max(1));
    let planes = chosen.map(|tile| {
        let plane = Array2::from_shape_vec((SIDE, SIDE), tile.read(root)?);
        plane.map_err(PipelineError::failed)
    });
    let planes = planes.collect::<Result<Vec<_>, PipelineError>>()?;
    let rule = DisplayLimits::PLANE.for_stretch(stretch);
    let limits = rule.of_all(planes.iter().map(|plane| plane.view()));
    let (low, high) = limits.map_err(PipelineError::failed)?.unwrap_or((0.0, 1.0));
    // As many digits as anyone would type.
    let rounded = |value: f64| format!("{value:.4e}").parse().unwrap_or(value);
    Ok(PixelCut { low: rounded(low), high: rounded(high) })
}

/// How values become colors.
#[derive(Debug, Clone, Copy)]
pub(super) struct PictureStyle {
    pub(super) colormap: Colormap,
    pub(super) stretch: Stretch,
    pub(super) cut: PixelCut,
}

impl PictureStyle {
    /// A PNG of rows from the bottom.
    fn encode(self, pixels: &[f32], width: usize) -> Result<Vec<u8>, PipelineError> {
        let PixelCut { low, high } = self.cut;
        let color = |value: &f32| {
            if value.is_nan() {
                return [0; 4];
            }
            let part = (f64::from(*value) - low) / (high - low);
            let [red, green, blue] = self.colormap.color(self.stretch.apply(part));
            [red, green, blue, 255]
        };
        let bytes: Vec<u8> = pixels.chunks_exact(width).rev().flatten().flat_map(color).collect();
        let [width, height] = [width, pixels.len() / width].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        encode_rgba(width, height, &bytes).map_err(PipelineError::failed)
    }
}

/// Draws the tiles that have no picture, or an older one, or all, and `Allsky.png`.
///
/// # Errors
/// Interrupted; what the disk reports.
pub(super) fn draw(
    root: &Path,
    levels: &HipsLevels,
    (style, all): (PictureStyle, bool),
    listener: &dyn Listener,
) -> Result<(), PipelineError> {
    let tiles: Vec<_> = levels.0.iter().flatten().collect();
    listener.start("pictures", tiles.len() as u64);
    let drawn = tiles.par_iter().try_for_each(|tile| {
        if listener.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        listener.advance(1);
        let (fits, png) = (tile.path(root, "fits"), tile.path(root, "png"));
        if !all && png.exists() && modified(&png)? > modified(&fits)? {
            return Ok(());
        }
        write_output(&png, &style.encode(&tile.read(root)?, SIDE)?, true)
    });
    listener.finish();
    drawn?;
    let pixels = read_allsky(root)?;
    write_output(&root.join("Norder3/Allsky.png"), &style.encode(&pixels, ALLSKY_WIDTH)?, true)
}

/// Reads `Allsky.fits`.
///
/// # Errors
/// Where it is not there, or no image.
pub(super) fn read_allsky(root: &Path) -> Result<Vec<f32>, PipelineError> {
    let path = root.join("Norder3/Allsky.fits");
    let read = || -> Result<Vec<f32>, FitsError> {
        let mut reader = FitsReader::open(&path)?;
        let mut pixels = vec![0.0; reader.image_shape()?.iter().product()];
        reader.read_pixels(0, &mut pixels)?;
        Ok(pixels)
    };
    read().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_two_values() {
        assert_eq!("-0.02..1.5".parse(), Ok(PixelCut { low: -0.02, high: 1.5 }));
        assert_eq!("-0.02..1.5".parse::<PixelCut>().unwrap().to_string(), "-0.02..1.5");
        for bad in ["1..0", "1", "a..b", "1..1", "0..inf", ".."] {
            assert!(bad.parse::<PixelCut>().is_err(), "{bad}");
        }
    }
}
