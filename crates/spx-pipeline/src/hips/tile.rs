//! A tile: its place in the directory, and its pixels in a FITS file.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use spx_core::atomic::AtomicFile;
use spx_core::fits::{FitsReader, FitsWriter};
use spx_core::header::Header;
use spx_wcs::OutputGrid;

use crate::{PipelineError, ResultContext as _};

/// Pixels along a side of a tile.
pub(super) const SIDE: usize = 512;
/// The order of its pixels, above its own.
pub(super) const LEVELS: u8 = 9;

/// A tile: a HEALPix cell, in the nested scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HipsTile {
    /// Its order.
    pub order: u8,
    /// Its number.
    pub index: u64,
}

impl HipsTile {
    /// `Norder3/Dir0/Npix300.fits` in a directory.
    pub fn path(self, root: &Path, ending: &str) -> PathBuf {
        let Self { order, index } = self;
        let directory = index / 10_000 * 10_000;
        root.join(format!("Norder{order}/Dir{directory}/Npix{index}.{ending}"))
    }

    /// The tile of the order above that holds it.
    pub fn parent(self) -> Option<Self> {
        self.order.checked_sub(1).map(|order| Self { order, index: self.index / 4 })
    }

    /// The four tiles that it consists of.
    pub(super) fn children(self) -> [Self; 4] {
        [0, 1, 2, 3].map(|k| Self { order: self.order + 1, index: 4 * self.index + k })
    }

    /// Removes its files, where they are there, and the tile above, which is then to be made anew.
    ///
    /// # Errors
    /// What the disk reports.
    pub(super) fn remove(self, root: &Path) -> Result<(), PipelineError> {
        let path = self.path(root, "fits");
        if path.exists()
            && let Some(parent) = self.parent()
        {
            remove_file(&parent.path(root, "fits"))?;
        }
        remove_file(&self.path(root, "png"))?;
        remove_file(&path)
    }

    /// The tiles of an order that are there, sorted.
    ///
    /// # Errors
    /// What the disk reports.
    pub(super) fn list(root: &Path, order: u8) -> Result<Vec<Self>, PipelineError> {
        let folder = root.join(format!("Norder{order}"));
        let mut found = Vec::new();
        for directory in entries(&folder)? {
            let name = directory.file_name().and_then(|name| name.to_str());
            if name.is_none_or(|name| !name.starts_with("Dir")) {
                continue;
            }
            found.extend(entries(&directory)?.iter().filter_map(|path| {
                let name = path.file_name()?.to_str()?;
                let index = name.strip_prefix("Npix")?.strip_suffix(".fits")?.parse().ok()?;
                Some(Self { order, index })
            }));
        }
        found.sort();
        Ok(found)
    }

    /// Writes its pixels \[MJy/sr\], row-major `[y][x]`, NaN where there are no data.
    ///
    /// # Errors
    /// What the disk reports.
    pub(super) fn write(self, root: &Path, pixels: &[f32]) -> Result<(), PipelineError> {
        let grid = OutputGrid::healpix(self.order, self.index, self.order + LEVELS);
        let mut cards = Header::new();
        cards
            .set("BUNIT", "MJy/sr", "surface brightness")
            .set("ORDER", i64::from(self.order), "HEALPix order of the tile")
            .set("NPIX", i64::try_from(self.index).unwrap_or(i64::MAX), "number of the tile, nested scheme");
        cards.extend(&grid.map_err(PipelineError::failed)?.header());
        write_image(&self.path(root, "fits"), [SIDE, SIDE], pixels, &cards)
    }

    /// Reads its pixels.
    ///
    /// # Errors
    /// Where the file is no tile.
    pub(super) fn read(self, root: &Path) -> Result<Vec<f32>, PipelineError> {
        let path = self.path(root, "fits");
        let read = || -> Result<Vec<f32>, spx_core::fits::FitsError> {
            let mut pixels = vec![0.0; SIDE * SIDE];
            FitsReader::open(&path)?.read_pixels(0, &mut pixels)?;
            Ok(pixels)
        };
        read().with_context(|| path.display().to_string())
    }
}

impl fmt::Display for HipsTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.order, self.index)
    }
}

/// Writes an image that appears when it is complete; `[ny, nx]`.
pub(super) fn write_image(
    path: &Path,
    shape: [usize; 2],
    pixels: &[f32],
    cards: &Header,
) -> Result<(), PipelineError> {
    let context = || path.display().to_string();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(context)?;
    }
    let file = AtomicFile::new(path, true).with_context(context)?;
    let write = || -> Result<(), spx_core::fits::FitsError> {
        let mut fits = FitsWriter::create(file.path())?;
        fits.image::<f32>(&shape, cards)?;
        fits.write_pixels(0, pixels)?;
        fits.checksum()?;
        fits.finish()
    };
    write().with_context(context)?;
    file.commit().with_context(context)
}

/// Where part `k` of a cell of `parts` x `parts`, in the nested scheme, lies in it, in parts, `[x,
/// y]`: x counts to the northwest, y to the southwest.
pub(super) fn corner(k: u64, parts: usize) -> [usize; 2] {
    let bits =
        |number: u64| (0..16).fold(0, |sum, bit| sum | usize::from(number >> (2 * bit) & 1 == 1) << bit);
    [bits(k >> 1), parts - 1 - bits(k)]
}

/// Removes a file that may be there.
pub(super) fn remove_file(path: &Path) -> Result<(), PipelineError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}

/// What lies in a directory; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, PipelineError> {
    let context = || folder.display().to_string();
    match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        listing => {
            let paths = listing.with_context(context)?.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<Result<_, _>>().with_context(context)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_lie_where_the_standard_puts_them() {
        let tile = HipsTile { order: 6, index: 28_532 };
        assert_eq!(tile.path(Path::new("a"), "png"), Path::new("a/Norder6/Dir20000/Npix28532.png"));
        assert_eq!(tile.parent(), Some(HipsTile { order: 5, index: 7133 }));
        assert!(HipsTile { order: 5, index: 7133 }.children().contains(&tile));
        assert_eq!(HipsTile { order: 0, index: 3 }.parent(), None);
    }

    #[test]
    fn pixels_are_read_as_they_were_written() {
        let root = tempfile::tempdir().unwrap();
        let mut pixels: Vec<f32> = (0..SIDE * SIDE).map(|k| k as f32).collect();
        pixels[7] = f32::NAN;
        let tiles = [HipsTile { order: 3, index: 10 }, HipsTile { order: 3, index: 2 }];
        tiles.iter().for_each(|tile| tile.write(root.path(), &pixels).unwrap());
        assert_eq!(HipsTile::list(root.path(), 3).unwrap(), [tiles[1], tiles[0]]);
        assert!(HipsTile::list(root.path(), 4).unwrap().is_empty());
        let read = tiles[0].read(root.path()).unwrap();
        assert!(read.iter().zip(&pixels).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}
