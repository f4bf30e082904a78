//! Exposures as files in the archive's layout.

use std::fs::File;
use std::io::{Read, copy};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use spx_core::atomic::AtomicFile;
use spx_core::fits::{ColumnSpec, FitsError, FitsNumber, FitsWriter};
use spx_core::header::Header;
use spx_core::progress::{Progress, Silent};
use spx_wcs::CelestialWcs;

use crate::cards;
use crate::epsf::{write_epsf_table, zone_centers};
use crate::error::{SimError, look};
use crate::expose::SimulatedExposure;
use crate::layout::SimulatedRelease;
use crate::psf::PsfField;

/// Rows that are written between two looks at whether the user has asked to stop.
const ROWS: usize = 64;
/// Bytes that are compressed between two looks.
const GZIP_CHUNK: u64 = 1 << 20;

/// Writes a FITS file under a free name, which is taken when the file is complete.
pub(crate) fn write_fits(
    path: &Path,
    progress: &dyn Progress,
    write: impl FnOnce(&mut FitsWriter) -> Result<(), FitsError>,
) -> Result<(), SimError> {
    let io = |source| SimError::Io { path: path.to_owned(), source };
    let file = AtomicFile::new(path, false).map_err(io)?;
    write_to(file.path(), write).map_err(|source| SimError::of_fits(path, source, progress))?;
    file.commit().map_err(io)
}

fn write_to(
    path: &Path,
    write: impl FnOnce(&mut FitsWriter) -> Result<(), FitsError>,
) -> Result<(), FitsError> {
    let mut fits = FitsWriter::create(path)?;
    write(&mut fits)?;
    fits.finish()
}

/// Writes all pixels of an image of `nx` columns.
pub(crate) fn write_plane<T: FitsNumber>(
    file: &mut FitsWriter,
    plane: &[T],
    nx: usize,
    progress: &dyn Progress,
) -> Result<(), FitsError> {
    for (k, rows) in plane.chunks(ROWS * nx).enumerate() {
        look(progress)?;
        file.write_pixels(k * ROWS * nx, rows)?;
    }
    Ok(())
}

/// Writes an exposure as a multi-extension FITS file in the layout of its release; gzipped where
/// `gzip` is true, whatever the name. The name must be free; it is taken when the file is complete.
///
/// # Errors
/// Where the file exists or cannot be written.
pub fn write_mef(path: &Path, exposure: &SimulatedExposure, gzip: bool) -> Result<(), SimError> {
    write_mef_attended(path, exposure, gzip, &Silent)
}

/// As [`write_mef`]; `progress` may ask to stop.
///
/// # Errors
/// As [`write_mef`], and [`SimError::Cancelled`].
pub fn write_mef_attended(
    path: &Path,
    exposure: &SimulatedExposure,
    gzip: bool,
    progress: &dyn Progress,
) -> Result<(), SimError> {
    let io = |source| SimError::Io { path: path.to_owned(), source };
    let of_fits = |source| SimError::of_fits(path, source, progress);
    let plain = AtomicFile::new(path, false).map_err(io)?;
    let wcs = exposure.pointing.wcs()?;
    write_to(plain.path(), |file| write_hdus(file, exposure, &wcs, progress)).map_err(of_fits)?;
    if !gzip {
        return plain.commit().map_err(io);
    }
    let zipped = AtomicFile::new(path, false).map_err(io)?;
    compress(plain.path(), zipped.path(), progress).map_err(of_fits)?;
    zipped.commit().map_err(io)
}

fn compress(from: &Path, to: &Path, progress: &dyn Progress) -> Result<(), FitsError> {
    let mut encoder = GzEncoder::new(File::create_new(to)?, Compression::fast());
    let mut plain = File::open(from)?;
    while copy(&mut Read::by_ref(&mut plain).take(GZIP_CHUNK), &mut encoder)? > 0 {
        look(progress)?;
    }
    encoder.finish()?;
    Ok(())
}

fn write_hdus(
    file: &mut FitsWriter,
    exposure: &SimulatedExposure,
    wcs: &CelestialWcs,
    progress: &dyn Progress,
) -> Result<(), FitsError> {
    let mut primary = Header::new();
    primary.set("VERSION", exposure.version.as_str(), "Pipeline version");
    file.image::<u8>(&[], &primary)?;

    let shape = [exposure.window.ny, exposure.window.nx];
    file.image::<f32>(&shape, &exposure.header)?;
    let nx = exposure.window.nx;
    write_plane(file, &exposure.planes.image, nx, progress)?;

    let celestial = cards::wcs(&exposure.pointing, &exposure.window);
    let with_wcs = |mut header: Header| {
        header.extend(&celestial);
        header
    };
    let flags = with_wcs(cards::flags(exposure.release));
    match exposure.release {
        SimulatedRelease::Qr2 => file.image::<i32>(&shape, &flags)?,
        SimulatedRelease::Qr3 => file.image_rice::<i32>(&shape, &flags)?,
    }
    write_plane(file, &exposure.planes.flags, nx, progress)?;

    file.image::<f32>(&shape, &with_wcs(cards::plane("VARIANCE", "MJy2 / sr2")))?;
    write_plane(file, &exposure.planes.variance, nx, progress)?;
    file.image::<f32>(&shape, &with_wcs(cards::plane("ZODI", "MJy / sr")))?;
    write_plane(file, &exposure.planes.zodi, nx, progress)?;

    write_psf(file, exposure, wcs, progress)?;
    write_wave_table(file, exposure)
}

/// The PSF, zone by zone: a cube of optical ones in Quick Release 2, a table of effective ones in
/// 3.
fn write_psf(
    file: &mut FitsWriter,
    exposure: &SimulatedExposure,
    wcs: &CelestialWcs,
    progress: &dyn Progress,
) -> Result<(), FitsError> {
    let field = PsfField::new(&exposure.options, exposure.pointing.detector, wcs);
    match exposure.release {
        SimulatedRelease::Qr2 => write_psf_cube(file, exposure, &field, progress),
        SimulatedRelease::Qr3 => write_epsf_table(file, exposure.pointing.detector, &field, progress),
    }
}

/// 11 x 11 zones of the optical function.
fn write_psf_cube(
    file: &mut FitsWriter,
    exposure: &SimulatedExposure,
    field: &PsfField<'_>,
    progress: &dyn Progress,
) -> Result<(), FitsError> {
    let zones = zone_centers([cards::PSF_ZONES; 2]);
    let offset = exposure.options.realism.as_ref().map_or([0.0; 2], |realism| realism.cube_offset);
    let header = cards::psf(cards::has_psf_erratum(&exposure.version));
    file.image::<f32>(&[zones.len(), 101, 101], &header)?;
    zones.iter().enumerate().try_for_each(|(zone, &center)| {
        look(progress)?;
        let plane = field.at(center).optical_plane(offset);
        file.write_pixels(zone * plane.len(), &plane)
    })
}

/// One row: X and Y as integers, VALUES as f32 with (wavelength, bandwidth) fastest, then x, then
/// y.
fn write_wave_table(file: &mut FitsWriter, exposure: &SimulatedExposure) -> Result<(), FitsError> {
    let table = &exposure.wave_table;
    let (nx, ny) = (table.x.len(), table.y.len());
    let formats = [format!("{nx}J"), format!("{ny}J"), format!("{}E", table.values.len())];
    let dims = [format!("({nx})"), format!("({ny})"), format!("(2,{nx},{ny})")];
    let names = ["X", "Y", "VALUES"];
    let columns: Vec<ColumnSpec<'_>> = (0..3)
        .map(|k| ColumnSpec { name: names[k], format: &formats[k], unit: "", dim: Some(&dims[k]) })
        .collect();
    file.table("WCS-WAVE", 1, &columns, &Header::new())?;
    file.write_column("X", 0, &table.x)?;
    file.write_column("Y", 0, &table.y)?;
    file.write_column("VALUES", 0, &table.values)
}
