//! The orders above the finest: a pixel is the mean of those of its four parts that have data.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use rayon::prelude::*;
use spx_core::header::Header;

use super::settings::LEAST_ORDER;
use super::tile::{HipsTile, SIDE, corner, write_image};
use crate::{Listener, PipelineError, ResultContext as _};

/// Tiles in a row of the picture of all tiles of order 3: the root of their number, 768.
const ALLSKY_COLUMNS: usize = 27;
const ALLSKY_ROWS: usize = 29;
/// Side of a tile in it.
const ALLSKY_SIDE: usize = 64;
/// Pixels in a row of it.
pub(super) const ALLSKY_WIDTH: usize = ALLSKY_COLUMNS * ALLSKY_SIDE;

/// The tiles that are there, by order.
#[derive(Debug)]
pub(super) struct HipsLevels(pub(super) Vec<Vec<HipsTile>>);

impl HipsLevels {
    /// Looks at the directory.
    ///
    /// # Errors
    /// What the disk reports.
    pub(super) fn find(root: &Path, order: u8) -> Result<Self, PipelineError> {
        (0..=order).map(|order| HipsTile::list(root, order)).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn finest(&self) -> &[HipsTile] {
        self.0.last().map_or(&[], Vec::as_slice)
    }
}

/// Makes the tiles of all orders above one, where they are not there or older than one of their
/// parts, removes those without parts, and makes `Allsky.fits`.
///
/// # Errors
/// Interrupted; what the disk reports.
pub(super) fn complete(root: &Path, order: u8, listener: &dyn Listener) -> Result<(), PipelineError> {
    for level in (0..order).rev() {
        let parts: BTreeSet<HipsTile> = HipsTile::list(root, level + 1)?.into_iter().collect();
        let wanted: BTreeSet<HipsTile> = parts.iter().filter_map(|part| part.parent()).collect();
        for alone in HipsTile::list(root, level)?.into_iter().filter(|tile| !wanted.contains(tile)) {
            alone.remove(root)?;
        }
        let wanted: Vec<HipsTile> = wanted.into_iter().collect();
        wanted.par_iter().try_for_each(|tile| {
            if listener.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let parts: Vec<HipsTile> =
                tile.children().into_iter().filter(|part| parts.contains(part)).collect();
            if is_stale(root, *tile, &parts)? { average(root, *tile, &parts) } else { Ok(()) }
        })?;
    }
    let tiles = HipsTile::list(root, LEAST_ORDER)?;
    let (shape, pixels) = allsky(root, &tiles)?;
    let mut cards = Header::new();
    cards.set("BUNIT", "MJy/sr", "surface brightness");
    write_image(&root.join("Norder3/Allsky.fits"), shape, &pixels, &cards)
}

/// Whether a tile is not there, or not younger than all of its parts.
fn is_stale(root: &Path, tile: HipsTile, parts: &[HipsTile]) -> Result<bool, PipelineError> {
    let path = tile.path(root, "fits");
    if !path.exists() {
        return Ok(true);
    }
    let made = modified(&path)?;
    for part in parts {
        if modified(&part.path(root, "fits"))? >= made {
            return Ok(true);
        }
    }
    Ok(false)
}

/// When a file was written.
pub(super) fn modified(path: &Path) -> Result<SystemTime, PipelineError> {
    let time = fs::metadata(path).and_then(|metadata| metadata.modified());
    time.with_context(|| path.display().to_string())
}

/// Makes a tile of its parts.
fn average(root: &Path, tile: HipsTile, parts: &[HipsTile]) -> Result<(), PipelineError> {
    const HALF: usize = SIDE / 2;
    let mut pixels = vec![f32::NAN; SIDE * SIDE];
    for part in parts {
        let [column, row] = corner(part.index % 4, 2);
        let small = shrink(&part.read(root)?, HALF);
        for (y, values) in small.chunks_exact(HALF).enumerate() {
            pixels[(row * HALF + y) * SIDE + column * HALF..][..HALF].copy_from_slice(values);
        }
    }
    tile.write(root, &pixels)
}

/// A tile with `side` x `side` pixels, each the mean of those that have data.
fn shrink(pixels: &[f32], side: usize) -> Vec<f32> {
    let step = SIDE / side;
    let mean = |k: usize| {
        let first = k / side * step * SIDE + k % side * step;
        let block = (0..step).flat_map(|y| &pixels[first + y * SIDE..][..step]);
        let finite = block.filter(|value| value.is_finite());
        let (sum, n) = finite.fold((0.0, 0), |(sum, n), value| (sum + f64::from(*value), n + 1));
        #[expect(clippy::cast_possible_truncation, reason = "a pixel of a tile")]
        let mean = (sum / f64::from(n)) as f32;
        mean
    };
    (0..side * side).map(mean).collect()
}

/// The tiles of order 3 in one image: row by row from the top, and as those, upside down in FITS.
fn allsky(root: &Path, tiles: &[HipsTile]) -> Result<([usize; 2], Vec<f32>), PipelineError> {
    let height = ALLSKY_ROWS * ALLSKY_SIDE;
    let mut image = vec![f32::NAN; height * ALLSKY_WIDTH];
    for tile in tiles {
        let small = shrink(&tile.read(root)?, ALLSKY_SIDE);
        let k = usize::try_from(tile.index).unwrap_or(usize::MAX);
        let (column, row) = (k % ALLSKY_COLUMNS, ALLSKY_ROWS - 1 - k / ALLSKY_COLUMNS);
        for (y, values) in small.chunks_exact(ALLSKY_SIDE).enumerate() {
            let first = (row * ALLSKY_SIDE + y) * ALLSKY_WIDTH + column * ALLSKY_SIDE;
            image[first..first + ALLSKY_SIDE].copy_from_slice(values);
        }
    }
    Ok(([height, ALLSKY_WIDTH], image))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use spx_wcs::OutputGrid;

    use super::*;
    use crate::SilentListener;
    use crate::hips::tile::LEVELS;

    /// A pixel of order k that holds one of order k + 1 is where the mean of that goes; what has no
    /// data takes no part.
    #[test]
    fn pixels_above_are_means_of_their_parts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let tile = HipsTile { order: 4, index: 4 * 300 + 2 };
        let mut pixels = vec![f32::NAN; SIDE * SIDE];
        let [x, y] = [100, 301];
        for (k, value) in [(0, 1.0), (1, 2.0), (SIDE, 6.0)] {
            pixels[(y - 1) * SIDE + x + k] = value;
        }
        tile.write(root, &pixels).unwrap();
        // The clock of files is coarse: written now, the parts could be as young as their means.
        let part = fs::File::options().append(true).open(tile.path(root, "fits")).unwrap();
        part.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        complete(root, 4, &SilentListener).unwrap();
        let position = |tile: HipsTile, x: f64, y: f64| {
            let grid = OutputGrid::healpix(tile.order, tile.index, tile.order + LEVELS).unwrap();
            grid.wcs().pixel_to_sky(x, y)
        };
        let parent = tile.parent().unwrap();
        let above = parent.read(root).unwrap();
        let at = above.iter().position(|value| value.is_finite()).unwrap();
        assert_eq!((above[at], above.iter().filter(|value| value.is_finite()).count()), (3.0, 1));
        let expected = position(tile, x as f64 + 0.5, y as f64 - 0.5);
        let found = position(parent, (at % SIDE) as f64, (at / SIDE) as f64);
        assert!(expected.iter().zip(found).all(|(a, b)| (a - b).abs() < 1e-9), "{expected:?} {found:?}");
        let levels = HipsLevels::find(root, 4).unwrap();
        assert_eq!(levels.0.iter().map(Vec::len).collect::<Vec<_>>(), [1; 5]);
        let made = modified(&parent.path(root, "fits")).unwrap();
        complete(root, 4, &SilentListener).unwrap();
        assert_eq!(modified(&parent.path(root, "fits")).unwrap(), made, "nothing is made twice");
        tile.remove(root).unwrap();
        complete(root, 4, &SilentListener).unwrap();
        assert!(HipsLevels::find(root, 4).unwrap().0.iter().all(Vec::is_empty));
    }
}
