//! Exposures as files in the archive's layout.

use std::fs::File;
use std::io::{BufReader, copy};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use spx_core::atomic::AtomicFile;
use spx_core::fits::{ColumnSpec, FitsError, FitsWriter};
use spx_core::header::Header;
use spx_wcs::CelestialWcs;

use crate::cards;
use crate::epsf::{write_epsf_table, zone_centers};
use crate::error::SimError;
use crate::expose::SimulatedExposure;
use crate::layout::SimulatedRelease;
use crate::psf::PsfField;

/// Writes a FITS file under a free name, which is taken when the file is complete.
pub(crate) fn write_fits(
    path: &Path,
    write: impl FnOnce(&mut FitsWriter) -> Result<(), FitsError>,
) -> Result<(), SimError> {
    let io = |source| SimError::Io { path: path.to_owned(), source };
    let file = AtomicFile::new(path, false).map_err(io)?;
    let written = FitsWriter::create(file.path()).and_then(|mut fits| {
        write(&mut fits)?;
        fits.finish()
    });
    written.map_err(|source| SimError::Fits { path: path.to_owned(), source })?;
    file.commit().map_err(io)
}

/// Writes an exposure as a multi-extension FITS file in the layout of its release; gzipped where
/// `gzip` is true, whatever the name. The name must be free; it is taken when the file is complete.
///
/// # Errors
/// Where the file exists or cannot be written.
pub fn write_mef(path: &Path, exposure: &SimulatedExposure, gzip: bool) -> Result<(), SimError> {
    let io = |source| SimError::Io { path: path.to_owned(), source };
    let plain = AtomicFile::new(path, false).map_err(io)?;
    let wcs = exposure.pointing.wcs()?;
    write_hdus(plain.path(), exposure, &wcs)
        .map_err(|source| SimError::Fits { path: path.to_owned(), source })?;
    if !gzip {
        return plain.commit().map_err(io);
    }
    let zipped = AtomicFile::new(path, false).map_err(io)?;
    let compress = || {
        let mut encoder = GzEncoder::new(File::create_new(zipped.path())?, Compression::fast());
        copy(&mut BufReader::new(File::open(plain.path())?), &mut encoder)?;
        encoder.finish().map(drop)
    };
    compress().and_then(|()| zipped.commit()).map_err(io)
}

fn write_hdus(path: &Path, exposure: &SimulatedExposure, wcs: &CelestialWcs) -> Result<(), FitsError> {
    let mut file = FitsWriter::create(path)?;
    let mut primary = Header::new();
    primary.set("VERSION", exposure.version.as_str(), "Pipeline version");
    file.image::<u8>(&[], &primary)?;

    let shape = [exposure.window.ny, exposure.window.nx];
    file.image::<f32>(&shape, &exposure.header)?;
    file.write_pixels(0, &exposure.planes.image)?;

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
    file.write_pixels(0, &exposure.planes.flags)?;

    file.image::<f32>(&shape, &with_wcs(cards::plane("VARIANCE", "MJy2 / sr2")))?;
    file.write_pixels(0, &exposure.planes.variance)?;
    file.image::<f32>(&shape, &with_wcs(cards::plane("ZODI", "MJy / sr")))?;
    file.write_pixels(0, &exposure.planes.zodi)?;

    write_psf(&mut file, exposure, wcs)?;
    write_wave_table(&mut file, exposure)?;
    file.finish()
}

/// The PSF, zone by zone: a cube of optical ones in Quick Release 2, a table of effective ones in
/// 3.
fn write_psf(
    file: &mut FitsWriter,
    exposure: &SimulatedExposure,
    wcs: &CelestialWcs,
) -> Result<(), FitsError> {
    let field = PsfField::new(&exposure.options, exposure.pointing.detector, wcs);
    match exposure.release {
        SimulatedRelease::Qr2 => write_psf_cube(file, exposure, &field),
        SimulatedRelease::Qr3 => write_epsf_table(file, exposure.pointing.detector, &field),
    }
}

/// 11 x 11 zones of the optical function.
fn write_psf_cube(
    file: &mut FitsWriter,
    exposure: &SimulatedExposure,
    field: &PsfField<'_>,
) -> Result<(), FitsError> {
    let zones = zone_centers([cards::PSF_ZONES; 2]);
    let offset = exposure.options.realism.as_ref().map_or([0.0; 2], |realism| realism.cube_offset);
    let header = cards::psf(cards::has_psf_erratum(&exposure.version));
    file.image::<f32>(&[zones.len(), 101, 101], &header)?;
    zones.iter().enumerate().try_for_each(|(zone, &center)| {
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
