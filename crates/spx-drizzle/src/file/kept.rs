//! Files whose arrays are copied where nothing has changed.

use std::path::Path;

use spx_core::fits::{FitsReader, FitsWriter, packed_tile_rows};

use super::arrays::{CubeArray, CubeCompression, WAVELENGTH};
use super::checked::{checked, verify};
use super::error::{CubeFileError, CubeFileProblem};
use super::reader::read_wavelengths;
use super::writer::{CubeInfo, primary_cards};
use crate::{DrizzlePlan, Drizzler, ReachedBands};

/// A cube, or running sums, before exposures were added, of which a new file copies the bands of
/// rows that these do not reach. All its checksums are right.
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

/// Rows of the bands into which images of this plan are cut, packed or not.
pub(super) fn band_rows(plan: &DrizzlePlan) -> usize {
    let [_, ny, nx] = plan.cube_shape();
    packed_tile_rows([ny, nx])
}

/// Whether bands of these images can be copied: they have the shape of the plan, are packed as is
/// asked for, and their checksums are right.
pub(super) fn is_kept(
    reader: &mut FitsReader,
    plan: &DrizzlePlan,
    compression: CubeCompression,
    names: &[&str],
) -> Result<bool, CubeFileProblem> {
    let tiles = (compression != CubeCompression::None).then(|| band_rows(plan));
    for name in names {
        verify(reader, name)?;
        if reader.image_shape()? != plan.cube_shape() || reader.tile_rows()? != tiles {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is written anew of an image, and from where the rest is copied.
pub(super) struct KeptBands<'a> {
    pub(super) file: &'a mut KeptFile,
    pub(super) bands: &'a ReachedBands,
}

impl KeptBands<'_> {
    /// Writes an image of planes of `size` = `[ny, nx]`: `fill` computes plane `z`, `write` writes
    /// rows of it from the pixel at which they begin. `step` is called behind every plane.
    pub(super) fn image<B>(
        &mut self,
        fits: &mut FitsWriter,
        (name, [ny, nx]): (&str, [usize; 2]),
        buffer: &mut B,
        fill: impl Fn(usize, &mut B),
        write: impl Fn(&mut FitsWriter, usize, std::ops::Range<usize>, &B) -> Result<(), CubeFileProblem>,
        step: impl Fn() -> Result<(), CubeFileProblem>,
    ) -> Result<(), CubeFileProblem> {
        let reader = &mut self.file.reader;
        reader.move_to(name)?;
        for z in 0..reader.image_shape()?.first().copied().unwrap_or(0) {
            if self.bands.any(z) {
                fill(z, buffer);
            }
            for (rows, reached) in self.bands.runs(z) {
                let first = (z * ny + rows.start) * nx;
                if reached {
                    write(fits, first, rows.start * nx..rows.end * nx, buffer)?;
                } else {
                    fits.copy_pixels(reader, first..first + rows.len() * nx)?;
                }
            }
            step()?;
        }
        Ok(())
    }
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
