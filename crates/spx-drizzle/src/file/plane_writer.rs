//! Writing the arrays of a cube or a mosaic, plane by plane.

use std::ops::Range;

use rayon::prelude::*;
use spx_core::fits::{FitsNumber, FitsWriter, packed_tile};
use spx_core::header::Header;
use spx_core::progress::Progress;

use super::arrays::CubeCompression;
use super::error::CubeFileProblem;
use super::kept::{KeptTiles, tile_of};
use crate::cube::{CubeData, OptionalPlane};

/// Pixels that are computed and written at a time, if they are more than a plane.
const BATCH_PIXELS: usize = 1 << 18;

/// Pixels that are written between two questions whether to stop, about: some 20 ms.
const PIECE: usize = 1 << 22;

/// Writes arrays as image HDUs.
pub(super) struct PlaneWriter<'a> {
    pub(super) fits: &'a mut FitsWriter,
    /// `[nz, ny, nx]`.
    pub(super) shape: [usize; 3],
    /// Whether the only plane is written as an image of two axes.
    pub(super) flat: bool,
    /// Cards that all images carry.
    pub(super) wcs: Header,
    pub(super) compression: CubeCompression,
    pub(super) progress: &'a dyn Progress,
    /// Where a part is copied.
    pub(super) kept: Option<KeptTiles<'a>>,
}

impl PlaneWriter<'_> {
    /// Writes an image of the shape of the cube; `plane` fills plane `z`, row-major `[y][x]`.
    pub(super) fn image<T: FitsNumber + Default>(
        &mut self,
        name: &str,
        unit: &str,
        plane: impl Fn(usize, &mut [T]) + Sync,
    ) -> Result<(), CubeFileProblem> {
        self.planes(name, unit, &[], plane)
    }

    /// Writes an image that may be rounded by the variances of the cube.
    pub(super) fn measured(
        &mut self,
        name: &str,
        unit: &str,
        cube: &dyn CubeData,
        plane: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<(), CubeFileProblem> {
        let Some(steps) = self.compression.steps(name) else { return self.image(name, unit, plane) };
        let [nz, ny, nx] = self.shape;
        let cards = self.cards(name, unit);
        let shape = self.inner().to_vec();
        self.fits.image_rounded(&shape, &cards)?;
        self.fits.reserve_checksum()?;
        let mut buffers = (vec![0.0; ny * nx], vec![0.0; ny * nx]);
        let fill = |z: usize, (values, allowed): &mut (Vec<f32>, Vec<f32>)| {
            rayon::join(|| plane(z, values), || cube.variance(z, allowed));
            steps(allowed);
        };
        let Self { fits, kept, progress, .. } = self;
        if let Some(kept) = kept {
            let write = |fits: &mut FitsWriter, part: &[Range<usize>; 2], buffers: &(Vec<f32>, Vec<f32>)| {
                let (values, steps) = (tile_of(&buffers.0, nx, part), tile_of(&buffers.1, nx, part));
                Ok(fits.write_rounded_tile(&values, &steps)?)
            };
            kept.packed(fits, (name, nz), &mut buffers, fill, write, || step(*progress, 1))?;
            return Ok(fits.checksum()?);
        }
        for z in 0..nz {
            fill(z, &mut buffers);
            fits.write_rounded(z * ny * nx, &buffers.0, &buffers.1)?;
            step(*progress, 1)?;
        }
        Ok(fits.checksum()?)
    }

    fn cards(&self, name: &str, unit: &str) -> Header {
        let mut cards = Header::new();
        cards.set("EXTNAME", name, "");
        if !unit.is_empty() {
            cards.set("BUNIT", unit, "");
        }
        cards.extend(&self.wcs);
        cards
    }

    /// The shape of an image of the cube.
    fn inner(&self) -> &[usize] {
        if self.flat { &self.shape[1..] } else { &self.shape }
    }

    /// Writes the context of a cube, `[word][z][y][x]`.
    pub(super) fn context(&mut self, cube: &dyn CubeData) -> Result<(), CubeFileProblem> {
        let nz = self.shape[0];
        let words = cube.context_words();
        self.planes("CON", "", &[words], |k, plane: &mut [u32]| cube.context(k / nz, k % nz, plane))
    }

    /// Writes an optional plane as an image.
    pub(super) fn optional(
        &mut self,
        name: &str,
        unit: &str,
        cube: &dyn CubeData,
        which: OptionalPlane,
    ) -> Result<(), CubeFileProblem> {
        self.image(name, unit, |z, plane: &mut [f32]| cube.optional(which, z, plane))
    }

    /// Writes so many cubes, `outer`, as one image.
    pub(super) fn planes<T: FitsNumber + Default>(
        &mut self,
        name: &str,
        unit: &str,
        outer: &[usize],
        plane: impl Fn(usize, &mut [T]) + Sync,
    ) -> Result<(), CubeFileProblem> {
        let [nz, ny, nx] = self.shape;
        let (cards, shape) = (self.cards(name, unit), [outer, self.inner()].concat());
        match self.compression {
            CubeCompression::None => self.fits.image::<T>(&shape, &cards)?,
            CubeCompression::Lossless | CubeCompression::Rounded => {
                self.fits.image_gzip::<T>(&shape, &cards)?
            }
        }
        self.fits.reserve_checksum()?;
        if let Some(kept) = self.kept.as_mut().filter(|_| outer.is_empty()) {
            let step = || step(self.progress, 1);
            if self.compression == CubeCompression::None {
                kept.plain(self.fits, (name, self.shape), plane, step)?;
            } else {
                let write = |fits: &mut FitsWriter, part: &[Range<usize>; 2], plane: &Vec<T>| {
                    Ok(fits.write_tile(&tile_of(plane, nx, part))?)
                };
                let mut buffer = vec![T::default(); ny * nx];
                kept.packed(self.fits, (name, nz), &mut buffer, |z, out| plane(z, out), write, step)?;
            }
            return Ok(self.fits.checksum()?);
        }
        // While some planes are written, which is one thread's work, the others compute the next
        // ones.
        let total = nz * outer.iter().product::<usize>();
        let batch = (BATCH_PIXELS / (ny * nx)).clamp(1, total);
        let fill = |first: usize, pixels: &mut Vec<T>| {
            pixels.resize(batch.min(total - first) * ny * nx, T::default());
            pixels.par_chunks_exact_mut(ny * nx).enumerate().for_each(|(k, out)| plane(first + k, out));
        };
        let (mut ready, mut next) = (Vec::new(), Vec::new());
        fill(0, &mut ready);
        for first in (0..total).step_by(batch) {
            let (fits, progress) = (&mut *self.fits, self.progress);
            let write = || -> Result<(), CubeFileProblem> {
                // Packed images take whole rows of tiles.
                let band = packed_tile([ny, nx])[0] * nx;
                let piece = (PIECE / band).max(1) * band;
                for (k, pixels) in ready.chunks(piece).enumerate() {
                    step(progress, 0)?;
                    fits.write_pixels(first * ny * nx + k * piece, pixels)?;
                }
                Ok(())
            };
            let prepare = || {
                if first + batch < total {
                    fill(first + batch, &mut next)
                }
            };
            rayon::join(write, prepare).0?;
            step(progress, ready.len() / (ny * nx))?;
            std::mem::swap(&mut ready, &mut next);
        }
        Ok(self.fits.checksum()?)
    }
}

/// Tells of planes that are written, and asks whether to stop.
fn step(progress: &dyn Progress, planes: usize) -> Result<(), CubeFileProblem> {
    progress.advance(planes as u64);
    if progress.cancelled() { Err(CubeFileProblem::Cancelled) } else { Ok(()) }
}
