//! The mosaic file: a cube of one bin as images of two axes.
//!
//! | HDU | name | content |
//! |---|---|---|
//! | 0 | PRIMARY | what went in, as in a cube |
//! | 1 | SCI | f32, mean surface brightness [MJy/sr] |
//! | 2 | ERR | f32, its error [MJy/sr] |
//! | 3 | VARIANCE | f32, [(MJy/sr)^2] |
//! | 4 | WHT | f32, sum of the weights |
//! | 5 | CON | u32, `[word][y][x]`, which inputs contributed |
//! | 6 | DQ | u32, flags that any contribution had |
//!
//! Behind them stand named variances, MEANWAVE, NEXP, EXPTIME and PSF where the drizzle was asked
//! for them. All carry the celestial WCS alone.

use std::path::Path;

use spx_core::atomic::AtomicFile;
use spx_core::fits::FitsWriter;
use spx_core::progress::Progress;

use super::error::{CubeFileError, CubeFileProblem};
use super::plane_writer::PlaneWriter;
use super::writer::{CubeInfo, fill_science, primary_cards, write_observation};
use crate::cube::{CubeData, OptionalPlane};

/// Writes a mosaic under a temporary name, flushes it and gives it its name; `progress` as for
/// [`write`](super::write).
///
/// An array that the drizzle was not asked for is left out: ERR without
/// [`OutputPlanes::error`](crate::OutputPlanes), CON without
/// [`OutputPlanes::context`](crate::OutputPlanes), VARIANCE and DQ with
/// [`OutputPlanes::only_mean`](crate::OutputPlanes).
///
/// # Errors
/// [`CubeFileProblem::NotAMosaic`] for a cube of several bins; else as [`write`](super::write).
pub fn write_mosaic(
    path: &Path,
    mosaic: &dyn CubeData,
    info: &CubeInfo,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<(), CubeFileError> {
    let attempt = || -> Result<(), CubeFileProblem> {
        if mosaic.shape()[0] != 1 {
            return Err(CubeFileProblem::NotAMosaic { bins: mosaic.shape()[0] });
        }
        let file = AtomicFile::new(path, overwrite)?;
        let mut fits = FitsWriter::create(file.path())?;
        write_hdus(&mut fits, mosaic, info, progress)?;
        fits.finish()?;
        Ok(file.commit()?)
    };
    attempt().map_err(|problem| CubeFileError { path: path.to_owned(), problem })
}

fn write_hdus(
    fits: &mut FitsWriter,
    mosaic: &dyn CubeData,
    info: &CubeInfo,
    progress: &dyn Progress,
) -> Result<(), CubeFileProblem> {
    let mut primary = primary_cards(mosaic, info);
    primary.set("FILETYPE", "MOSAIC", "");
    fits.image::<u8>(&[], &primary)?;
    fits.checksum()?;
    let planes = mosaic.planes().cloned().unwrap_or_default();
    let (shape, wcs) = (mosaic.shape(), info.celestial.clone());
    let compression = info.compression;
    let mut out = PlaneWriter { fits, shape, flat: true, wcs, compression, progress, kept: None };
    let fill = info.options.fill;
    let science = |z: usize, plane: &mut [f32]| fill_science(mosaic, fill, z, plane);
    if planes.only_mean {
        out.image("SCI", "MJy/sr", science)?;
    } else {
        out.measured("SCI", "MJy/sr", mosaic, science)?;
    }
    if planes.error.is_some() {
        out.optional("ERR", "MJy/sr", mosaic, OptionalPlane::Error)?;
    }
    if !planes.only_mean {
        out.measured("VARIANCE", "MJy2/sr2", mosaic, |z, plane: &mut [f32]| mosaic.variance(z, plane))?;
    }
    out.optional("WHT", "", mosaic, OptionalPlane::Weight)?;
    if planes.context && mosaic.context_words() > 0 {
        out.context(mosaic)?;
    }
    if !planes.only_mean {
        out.image("DQ", "", |z, plane: &mut [u32]| mosaic.or_mask(z, plane))?;
    }
    for (k, name) in planes.variances.iter().enumerate() {
        out.optional(name, "MJy2/sr2", mosaic, OptionalPlane::NamedVariance(k))?;
    }
    if planes.wavelength {
        out.optional("MEANWAVE", "um", mosaic, OptionalPlane::Wavelength)?;
    }
    write_observation(out, mosaic, info)
}
