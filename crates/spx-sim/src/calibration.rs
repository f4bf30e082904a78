//! Calibration products of the simulated detectors, in the layout of the archive.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use spx_core::atomic::remove_leftovers;
use spx_core::detector::Detector;
use spx_core::header::Header;
use spx_core::image::WaveTableData;
use spx_core::map::{Passband, WavelengthMap as _};
use spx_core::progress::{Progress, Silent};
use spx_wcs::{CelestialWcs, WaveTable};

use crate::cards::wavelength_wcs;
use crate::correction::write_flux_corrections_attended;
use crate::epsf::write_epsf_table;
use crate::error::{SimError, check_cancelled};
use crate::mef_writer::{write_fits, write_plane};
use crate::optics::{celestial, qr3_wave_table, wave_table};
use crate::options::{ExposureOptions, RealisticOptions};
use crate::psf::PsfField;

/// Families and tokens of the products of Quick Release 2.
const OLD_SPECTRAL_WCS: [&str; 2] = ["spectral_wcs", "cal-wcs-v4-2025-254"];
const OLD_SOLID_ANGLE: [&str; 2] = ["solid_angle_pixel_map", "cal-sapm-v2-2025-164"];
/// Families and tokens of those of Quick Release 3.
const SPECTRAL_WCS: [&str; 2] = ["spectral_wcs", "cal-swcs-v5-2026-191"];
const SOLID_ANGLE: [&str; 2] = ["solid_angle_pixel_map", "cal-sapm-v3-2026-191"];
const FLUX_CORRECTIONS: [&str; 2] = ["l3_flux_corrections", "cal-flxc-v1-2026-191"];

/// Writes the calibration products of a detector below `root`, which stands for the archive's
/// `/ibe/data/spherex/`, and gives their paths: `spectral_wcs` (CWAVE, CBAND \[um\]),
/// `solid_angle_pixel_map` \[arcsec^2\], `epsf` and `l3_flux_corrections`, all of Quick Release 3.
/// They are what realistic exposures with the same `realism` need.
///
/// # Errors
/// Where a file exists or cannot be written.
pub fn write_calibration(
    root: &Path,
    detector: Detector,
    realism: &RealisticOptions,
) -> Result<Vec<PathBuf>, SimError> {
    let paths = paths(root, detector)?;
    refuse_to_replace(&paths)?;
    write_calibration_attended(root, detector, realism, &Silent)
}

/// As [`write_calibration`], but keeps the files that exist, such as those of a simulation that was
/// interrupted; `progress` may ask to stop.
///
/// # Errors
/// Where a file cannot be written; [`SimError::Cancelled`].
pub fn write_calibration_attended(
    root: &Path,
    detector: Detector,
    realism: &RealisticOptions,
    progress: &dyn Progress,
) -> Result<Vec<PathBuf>, SimError> {
    let paths = paths(root, detector)?;
    // Anywhere on the sky: areas and functions of pixels do not depend on it.
    let wcs = CelestialWcs::from_header(&celestial(180.0, 0.0, 0.0))?;
    let options = ExposureOptions { realism: Some(realism.clone()), ..ExposureOptions::default() };
    for (k, path) in paths.iter().enumerate() {
        match k {
            _ if is_there(path)? => {}
            0 => write_spectral_wcs(path, detector, &qr3_wave_table(detector), progress)?,
            1 => write_solid_angles(path, detector, &wcs, progress)?,
            2 => write_fits(path, progress, |file| {
                write_epsf_table(file, detector, &PsfField::new(&options, detector, &wcs), progress)
            })?,
            _ => write_flux_corrections_attended(path, detector, progress)?,
        }
    }
    Ok(paths.to_vec())
}

/// The products of Quick Release 3.
fn paths(root: &Path, detector: Detector) -> Result<[PathBuf; 4], SimError> {
    // Only the third detector's functions were made a second time.
    let epsf = ["epsf", if detector.number() == 3 { "cal-epsf-v2-2026-191" } else { "cal-epsf-v1-2026-191" }];
    let at = |product| place(root, "qr3", product, detector);
    Ok([at(SPECTRAL_WCS)?, at(SOLID_ANGLE)?, at(epsf)?, at(FLUX_CORRECTIONS)?])
}

/// Whether a file is there and complete; what a killed process left of it is removed.
fn is_there(path: &Path) -> Result<bool, SimError> {
    let leftovers = remove_leftovers(path);
    leftovers.map_err(|source| SimError::Io { path: path.to_owned(), source })?;
    Ok(path.exists())
}

fn refuse_to_replace(paths: &[PathBuf]) -> Result<(), SimError> {
    match paths.iter().find(|path| path.exists()) {
        Some(path) => {
            Err(SimError::Io { path: path.clone(), source: std::io::ErrorKind::AlreadyExists.into() })
        }
        None => Ok(()),
    }
}

/// Writes the products of Quick Release 2, which those of [`write_calibration`] supersede, below
/// `root`, and gives their paths: `spectral_wcs`, in D5 and D6 on the wavelengths of that release,
/// and `solid_angle_pixel_map`. The archive has them, too, so that a client has to choose.
///
/// # Errors
/// Where a file exists or cannot be written.
pub fn write_qr2_calibration(root: &Path, detector: Detector) -> Result<Vec<PathBuf>, SimError> {
    refuse_to_replace(&qr2_paths(root, detector)?)?;
    write_qr2_calibration_attended(root, detector, &Silent)
}

/// As [`write_qr2_calibration`], in the way of [`write_calibration_attended`].
///
/// # Errors
/// As [`write_calibration_attended`].
pub fn write_qr2_calibration_attended(
    root: &Path,
    detector: Detector,
    progress: &dyn Progress,
) -> Result<Vec<PathBuf>, SimError> {
    let paths = qr2_paths(root, detector)?;
    let wcs = CelestialWcs::from_header(&celestial(180.0, 0.0, 0.0))?;
    if !is_there(&paths[0])? {
        write_spectral_wcs(&paths[0], detector, &wave_table(detector), progress)?;
    }
    if !is_there(&paths[1])? {
        write_solid_angles(&paths[1], detector, &wcs, progress)?;
    }
    Ok(paths.to_vec())
}

fn qr2_paths(root: &Path, detector: Detector) -> Result<[PathBuf; 2], SimError> {
    let at = |product| place(root, "qr2", product, detector);
    Ok([at(OLD_SPECTRAL_WCS)?, at(OLD_SOLID_ANGLE)?])
}

/// `qr3/FAMILY/TOKEN/3/FAMILY_D3_spx_TOKEN.fits`, with its directory.
fn place(
    root: &Path,
    release: &str,
    [family, token]: [&str; 2],
    detector: Detector,
) -> Result<PathBuf, SimError> {
    let folder = root.join(release).join(family).join(token).join(detector.number().to_string());
    std::fs::create_dir_all(&folder).map_err(|source| SimError::Io { path: folder.clone(), source })?;
    Ok(folder.join(format!("{family}_{detector}_spx_{token}.fits")))
}

/// Cards that all planes have.
fn plane_cards(name: &str, unit: &str, detector: Detector) -> Header {
    let mut h = Header::new();
    h.set("EXTNAME", name, "extension name").set("BUNIT", unit, "Unit of pixel value");
    h.set("DETECTOR", detector.number().to_string(), "1-3: SWIR, 4-6: MWIR");
    h
}

fn write_spectral_wcs(
    path: &Path,
    detector: Detector,
    table: &WaveTableData,
    progress: &dyn Progress,
) -> Result<(), SimError> {
    let mut header = Header::new();
    wavelength_wcs(&mut header, [0, 0], false);
    let waves = WaveTable::new(&table.x, &table.y, &table.values, &header)?;
    let plane = |of: fn(Passband) -> f64| pixels(|x, y| of(waves.passband(x, y)), progress);
    let planes = [("CWAVE", plane(|band| band.center)?), ("CBAND", plane(|band| band.width)?)];
    write_fits(path, progress, |file| {
        file.image::<u8>(&[], &Header::new())?;
        planes.iter().try_for_each(|(name, plane)| {
            file.image::<f32>(&[Detector::NPIX; 2], &plane_cards(name, "um", detector))?;
            write_plane(file, plane, Detector::NPIX, progress)
        })
    })
}

fn write_solid_angles(
    path: &Path,
    detector: Detector,
    wcs: &CelestialWcs,
    progress: &dyn Progress,
) -> Result<(), SimError> {
    let plane = pixels(|x, y| wcs.pixel_area(x, y), progress)?;
    write_fits(path, progress, |file| {
        file.image::<u8>(&[], &Header::new())?;
        file.image::<f32>(&[Detector::NPIX; 2], &plane_cards("IMAGE", "arcsec2", detector))?;
        write_plane(file, &plane, Detector::NPIX, progress)
    })
}

/// A function of the pixel, over the full frame.
fn pixels(value: impl Fn(f64, f64) -> f64 + Sync, progress: &dyn Progress) -> Result<Vec<f32>, SimError> {
    let n = Detector::NPIX;
    let mut plane = vec![0.0; n * n];
    plane.par_chunks_mut(n).enumerate().try_for_each(|(y, row)| {
        check_cancelled(progress)?;
        for (x, pixel) in row.iter_mut().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "the products hold f32")]
            let number = value(x as f64, y as f64) as f32;
            *pixel = number;
        }
        Ok::<_, SimError>(())
    })?;
    Ok(plane)
}
