//! Files whose arrays are copied where nothing has changed.

use std::ops::Range;
use std::path::Path;

use spx_core::fits::{FitsNumber, FitsReader, FitsWriter};

use super::arrays::{CubeArray, CubeCompression, WAVELENGTH};
use super::checked::{checked, verify};
use super::error::{CubeFileError, CubeFileProblem};
use super::reader::read_wavelengths;
use super::writer::{CubeInfo, primary_cards};
use crate::{DrizzlePlan, Drizzler, ReachedTiles};

/// A cube before exposures were added, of which a new file copies the tiles that these do not
/// reach. All its checksums are right.
pub struct KeptFile {
    pub(super) reader: FitsReader,
}

impl KeptFile {
    /// The cube at a path, if it is the one that [`write`](super::write) makes of sums of this
    /// plan, this number of inputs a plane and this information; `None` where it is another one,
    /// or none.
    pub fn cube(
        path: &Path,
        (plan, inputs_per_plane): (&DrizzlePlan, &[u32]),
        info: &CubeInfo,
    ) -> Option<Self> {
        let mut reader = FitsReader::open(path).ok()?;
        // The cards tell inputs and settings; sums of so many exposures that COUNT is cut are not
        // worth a further card.
        let cards = primary_cards(&Drizzler::new(plan.clone()), info);
        let is_it = reader.has_cards(&cards).ok()?;
        let wavelengths = checked(&mut reader, WAVELENGTH, read_wavelengths).ok()?;
        let is_it = is_it && wavelengths == (plan.wavelengths().clone(), inputs_per_plane.to_vec());
        let names = CubeArray::ALL.map(CubeArray::hdu);
        let kept = is_it && is_kept(&mut reader, plan, info.compression, &names).ok()?;
        kept.then_some(Self { reader })
    }
}

/// Whether tiles of these images can be copied: they have the shape of the plan, are packed in such
/// tiles if that is asked for, and their checksums are right.
pub(super) fn is_kept(
    reader: &mut FitsReader,
    plan: &DrizzlePlan,
    compression: CubeCompression,
    names: &[&str],
) -> Result<bool, CubeFileProblem> {
    let tile = ReachedTiles::new(plan).tile_shape();
    let tile = (compression != CubeCompression::None).then_some(tile);
    for name in names {
        verify(reader, name)?;
        if reader.image_shape()? != plan.cube_shape() || reader.tile_shape()? != tile {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is written anew of an image, and from where the rest is copied.
pub(super) struct KeptTiles<'a> {
    pub(super) reader: &'a mut FitsReader,
    pub(super) tiles: &'a ReachedTiles,
}

impl KeptTiles<'_> {
    /// Writes an image of `nz` planes whose numbers stand in the file as they are: `fill` computes
    /// the tiles that are written of plane `z`. `step` is called behind every plane.
    pub(super) fn plain<T: FitsNumber>(
        &mut self,
        fits: &mut FitsWriter,
        (name, [nz, ny, nx]): (&str, [usize; 3]),
        fill: impl Fn(usize, &mut [T]),
        step: impl Fn() -> Result<(), CubeFileProblem>,
    ) -> Result<(), CubeFileProblem> {
        self.reader.move_to(name)?;
        let mut plane = vec![T::default(); ny * nx];
        for z in 0..nz {
            if self.tiles.any(z) {
                fill(z, &mut plane);
            }
            let first = z * ny * nx;
            let replaced = self.tiles.pixels(z).map(|run| (first + run.start, &plane[run]));
            fits.copy_pixels(self.reader, first..first + ny * nx, replaced)?;
            step()?;
        }
        Ok(())
    }

    /// Writes a packed image of so many planes: `fill` computes the tiles that are written of plane
    /// `z`, `write` writes one of these rows and columns. `step` is called behind every plane.
    pub(super) fn packed<B>(
        &mut self,
        fits: &mut FitsWriter,
        (name, planes): (&str, usize),
        buffer: &mut B,
        fill: impl Fn(usize, &mut B),
        write: impl Fn(&mut FitsWriter, &[Range<usize>; 2], &B) -> Result<(), CubeFileProblem>,
        step: impl Fn() -> Result<(), CubeFileProblem>,
    ) -> Result<(), CubeFileProblem> {
        self.reader.move_to(name)?;
        for z in 0..planes {
            if self.tiles.any(z) {
                fill(z, buffer);
            }
            for (mut tiles, reached) in self.tiles.runs(z) {
                if reached {
                    tiles.try_for_each(|tile| write(fits, &self.tiles.window(tile), buffer))?;
                } else {
                    fits.copy_tiles(self.reader, tiles.len())?;
                }
            }
            step()?;
        }
        Ok(())
    }
}

/// The pixels of a tile of these rows and columns, of a plane of `nx` columns.
pub(super) fn tile_of<T: Copy>(plane: &[T], nx: usize, [rows, columns]: &[Range<usize>; 2]) -> Vec<T> {
    rows.clone().flat_map(|y| &plane[y * nx..][columns.clone()]).copied().collect()
}

impl std::fmt::Debug for KeptFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptFile").finish_non_exhaustive()
    }
}

/// Names the file in an error.
pub(super) fn at<T>(path: &Path, result: Result<T, CubeFileProblem>) -> Result<T, CubeFileError> {
    result.map_err(|problem| CubeFileError { path: path.to_owned(), problem })
}
