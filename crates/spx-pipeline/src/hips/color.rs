//! A HiPS in color, of three that are there: pictures alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use spx_plot::{Stretch, encode_rgba};

use super::picture::{PixelCut, read_allsky};
use super::settings::HipsConfig;
use super::tile::{HipsTile, SIDE};
use super::{HipsReport, coverage, properties};
use crate::output::write_output;
use crate::stages::lock;
use crate::{Listener, PipelineError, ResultContext as _};

/// One of the three.
struct ColorSource {
    root: PathBuf,
    order: u8,
    cut: PixelCut,
}

impl ColorSource {
    fn open(root: &Path) -> Result<Self, PipelineError> {
        let value = |key: &str| properties::value(root, key);
        let order = value("hips_order").and_then(|text| text.parse().ok());
        let cut = value("hips_pixel_cut").and_then(|text| text.replace(' ', "..").parse().ok());
        let (Some(order), Some(cut)) = (order, cut) else {
            let text = "it is not a complete HiPS of one range of wavelengths";
            return Err(PipelineError::usage(text).with_context(root.display().to_string()));
        };
        Ok(Self { root: root.to_owned(), order, cut })
    }
}

/// Looks at the three HiPS of which color pictures are to be made; gives their order.
///
/// # Errors
/// As [`make`].
pub(super) fn check(config: &HipsConfig, colors: &[PathBuf]) -> Result<u8, PipelineError> {
    Ok(sources(config, colors)?[0].order)
}

/// Makes pictures of three HiPS of one order, red, green and blue. What one of them lacks is
/// transparent.
///
/// # Errors
/// Usage where there are not three, they are not complete, or not of one order; interrupted; what
/// the disk reports.
pub(super) fn make(
    config: &HipsConfig,
    colors: &[PathBuf],
    listener: &dyn Listener,
) -> Result<HipsReport, PipelineError> {
    let start = Instant::now();
    let sources = sources(config, colors)?;
    let (root, order) = (config.output_dir.as_path(), sources[0].order);
    fs::create_dir_all(root).with_context(|| root.display().to_string())?;
    let _lock = lock(root)?;
    let mixer = ColorMixer { cuts: sources.each_ref().map(|source| source.cut), stretch: config.stretch };
    let read = |tile: &HipsTile| -> Result<[Vec<f32>; 3], PipelineError> {
        let [red, green, blue] = sources.each_ref().map(|source| tile.read(&source.root));
        Ok([red?, green?, blue?])
    };
    let mut tiles = Vec::new();
    for level in 0..=order {
        tiles = common(&sources, level)?;
        listener.start(&format!("pictures of order {level}"), tiles.len() as u64);
        let drawn = tiles.par_iter().try_for_each(|tile| {
            if listener.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            listener.advance(1);
            let path = tile.path(root, "png");
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            }
            write_output(&path, &mixer.encode(&read(tile)?, SIDE)?, true)
        });
        listener.finish();
        drawn?;
    }
    if tiles.is_empty() {
        return Err(PipelineError::nothing_found("the three have no tile in common"));
    }
    let [red, green, blue] = sources.each_ref().map(|source| read_allsky(&source.root));
    let (planes, width) = ([red?, green?, blue?], super::hierarchy::ALLSKY_WIDTH);
    write_output(&root.join("Norder3/Allsky.png"), &mixer.encode(&planes, width)?, true)?;
    let coverage = coverage::write(root, order, &tiles, |tile| {
        let [red, green, blue] = read(tile)?;
        // NaN where one of them is.
        Ok(red.iter().zip(&green).zip(&blue).map(|((r, g), b)| r + g + b).collect())
    })?;
    let mut report = HipsReport {
        directory: root.to_owned(),
        order,
        tiles: tiles.len(),
        coverage,
        ..HipsReport::default()
    };
    let lines = vec![("dataproduct_subtype", "color".to_owned()), ("hips_tile_format", "png".to_owned())];
    properties::write(config, &report, &tiles, lines)?;
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// The three, of one order.
fn sources(config: &HipsConfig, colors: &[PathBuf]) -> Result<[ColorSource; 3], PipelineError> {
    let [red, green, blue] = colors else {
        return Err(PipelineError::usage("colors are three directories: red, green, blue"));
    };
    if colors.contains(&config.output_dir) {
        return Err(PipelineError::usage("the output is not one of the three"));
    }
    let found = [ColorSource::open(red)?, ColorSource::open(green)?, ColorSource::open(blue)?];
    let orders = found.each_ref().map(|source| source.order);
    if orders != [orders[0]; 3] {
        return Err(PipelineError::usage(format!("the three are of different orders: {orders:?}")));
    }
    Ok(found)
}

/// The tiles of an order that all three have.
fn common(sources: &[ColorSource; 3], order: u8) -> Result<Vec<HipsTile>, PipelineError> {
    let [mut first, second, third] = sources.each_ref().map(|source| HipsTile::list(&source.root, order));
    for others in [second?, third?] {
        let others: BTreeSet<HipsTile> = others.into_iter().collect();
        if let Ok(first) = &mut first {
            first.retain(|tile| others.contains(tile));
        }
    }
    first
}

/// From three values to a color: the curve is that of their mean, each scaled by its own limits, so
/// that colors of bright sources are kept (Lupton et al. 2004, PASP 116, 133).
struct ColorMixer {
    cuts: [PixelCut; 3],
    stretch: Stretch,
}

impl ColorMixer {
    fn color(&self, values: [f32; 3]) -> [u8; 4] {
        if values.iter().any(|value| value.is_nan()) {
            return [0; 4];
        }
        let scaled = [0, 1, 2].map(|k| {
            let PixelCut { low, high } = self.cuts[k];
            ((f64::from(values[k]) - low) / (high - low)).max(0.0)
        });
        let mean = scaled.iter().sum::<f64>() / 3.0;
        let factor = if mean > 0.0 { self.stretch.apply(mean) / mean } else { 0.0 };
        let most = scaled.iter().fold(1.0f64, |most, part| most.max(part * factor));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 0 to 255")]
        let [red, green, blue] = scaled.map(|part| (255.0 * part * factor / most).round() as u8);
        [red, green, blue, 255]
    }

    /// A PNG of rows from the bottom.
    fn encode(&self, [red, green, blue]: &[Vec<f32>; 3], width: usize) -> Result<Vec<u8>, PipelineError> {
        let rows = (0..red.len() / width).rev().flat_map(|row| row * width..(row + 1) * width);
        let bytes: Vec<u8> = rows.flat_map(|k| self.color([red[k], green[k], blue[k]])).collect();
        let [width, height] = [width, red.len() / width].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        encode_rgba(width, height, &bytes).map_err(PipelineError::failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_of_bright_sources_are_kept() {
        let cut = |high| PixelCut { low: 0.0, high };
        let mixer = ColorMixer { cuts: [cut(1.0), cut(2.0), cut(4.0)], stretch: Stretch::Linear };
        assert_eq!(mixer.color([1.0, 2.0, 4.0]), [255, 255, 255, 255]);
        assert_eq!(mixer.color([0.5, 0.5, 0.0]), [128, 64, 0, 255]);
        // Beyond white, the largest part is full and the others keep their ratio to it.
        assert_eq!(mixer.color([10.0, 10.0, 0.0]), [255, 128, 0, 255]);
        assert_eq!(mixer.color([-1.0, 0.0, 0.0]), [0, 0, 0, 255]);
        assert_eq!(mixer.color([1.0, f32::NAN, 1.0]), [0; 4]);
    }
}
