//! Calibration products of a detector: exact wavelengths (`spectral_wcs`), solid angles of its
//! pixels (`solid_angle_pixel_map`) and its point spread functions (`epsf`), where they are given
//! or a mirror has them.
//!
//! Wavelengths and solid angles are images of the full frame. A value at a position is bilinear
//! between the centers of pixels; half a pixel at the edges has the value of the outermost center.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use spx_core::detector::Detector;
use spx_core::fits::FitsReader;
use spx_core::map::Passband;
use spx_core::mef::read_psf_product;
use spx_photometry::PsfModel;

use crate::frame::psf_model;
use crate::inputs::{self, file_name};
use crate::{PipelineError, ResultContext as _};

/// A kind of product: its name, as in names of files, and its planes.
struct ProductKind {
    name: &'static str,
    /// HDUs by name; `None` for the first image.
    planes: &'static [Option<&'static str>],
}

const SPECTRAL_WCS: ProductKind =
    ProductKind { name: "spectral_wcs", planes: &[Some("CWAVE"), Some("CBAND")] };
const SOLID_ANGLE: ProductKind = ProductKind { name: "solid_angle_pixel_map", planes: &[None] };
const EPSF: ProductKind = ProductKind { name: "epsf", planes: &[] };

/// The products at hand, by detector; each is read when the first exposure needs it, and then kept:
/// 17 MB a plane.
#[derive(Default)]
pub struct Calibration {
    wavelengths: [Option<CalibrationProduct>; 6],
    areas: [Option<CalibrationProduct>; 6],
    psfs: [Option<CalibrationProduct>; 6],
}

/// One product of one detector.
pub struct CalibrationProduct {
    path: PathBuf,
    kind: &'static ProductKind,
    planes: OnceLock<Result<Vec<Vec<f32>>, String>>,
    psf: OnceLock<Result<PsfModel, String>>,
}

impl Calibration {
    /// The products in the files and directories that are given, or else in a mirror; of several
    /// for a detector, the newest.
    ///
    /// # Errors
    /// Where a path that is given does not exist, or a file does not say its detector.
    pub fn find(
        spectral_wcs: &[PathBuf],
        solid_angle_map: &[PathBuf],
        epsf: &[PathBuf],
        mirror: Option<&Path>,
    ) -> Result<Self, PipelineError> {
        Ok(Self {
            wavelengths: SPECTRAL_WCS.find(spectral_wcs, mirror)?,
            areas: SOLID_ANGLE.find(solid_angle_map, mirror)?,
            psfs: EPSF.find(epsf, mirror)?,
        })
    }

    /// The product with the wavelengths of a detector.
    pub fn wavelengths(&self, detector: Detector) -> Option<&CalibrationProduct> {
        self.wavelengths[index(detector)].as_ref()
    }

    /// The product with the solid angles of a detector's pixels.
    pub fn areas(&self, detector: Detector) -> Option<&CalibrationProduct> {
        self.areas[index(detector)].as_ref()
    }

    /// The product with the point spread functions of a detector, which serve images of both
    /// releases.
    pub fn psf(&self, detector: Detector) -> Option<&CalibrationProduct> {
        self.psfs[index(detector)].as_ref()
    }

    /// The names of the files.
    pub fn files(&self) -> impl Iterator<Item = String> + '_ {
        self.wavelengths
            .iter()
            .chain(&self.areas)
            .chain(&self.psfs)
            .flatten()
            .map(|product| file_name(&product.path))
    }
}

fn index(detector: Detector) -> usize {
    usize::from(detector.number()) - 1
}

impl ProductKind {
    fn find(
        &'static self,
        given: &[PathBuf],
        mirror: Option<&Path>,
    ) -> Result<[Option<CalibrationProduct>; 6], PipelineError> {
        let mut newest: [Option<PathBuf>; 6] = Default::default();
        let mut consider = |path: PathBuf, detector: Detector| {
            let best = &mut newest[index(detector)];
            if best.as_ref().is_none_or(|best| rank(&path) > rank(best)) {
                *best = Some(path);
            }
        };
        let found = inputs::find_inputs(given);
        if let Some(error) = found.failed().first() {
            return Err(PipelineError::failed(format!("{}: {error}", self.name)));
        }
        for (path, named) in found.files() {
            let ours = file_name(path).starts_with(self.name);
            match detector_of(path) {
                Some(detector) if *named || ours => consider(path.clone(), detector),
                None if *named => {
                    return Err(PipelineError::failed(format!(
                        "{}: it does not say its detector",
                        path.display()
                    )));
                }
                _ => {}
            }
        }
        if given.is_empty() {
            for path in mirror.map(|mirror| self.in_mirror(mirror)).unwrap_or_default() {
                if let Some(detector) = detector_of(&path) {
                    consider(path, detector);
                }
            }
        }
        Ok(newest.map(|path| {
            path.map(|path| CalibrationProduct {
                path,
                kind: self,
                planes: OnceLock::new(),
                psf: OnceLock::new(),
            })
        }))
    }

    /// `<release>/<name>/cal-...-v<n>-<date>/<d>/<name>_D<d>_*.fits`.
    fn in_mirror(&self, mirror: &Path) -> Vec<PathBuf> {
        let below = |directories: Vec<PathBuf>| -> Vec<PathBuf> {
            let entries = directories.iter().filter_map(|d| std::fs::read_dir(d).ok()).flatten();
            entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
        };
        let named = below(vec![mirror.to_owned()]).into_iter().map(|release| release.join(self.name));
        let files = below(below(below(named.collect())));
        let ours = |path: &PathBuf| {
            let name = file_name(path);
            name.starts_with(self.name) && (name.ends_with(".fits") || name.ends_with(".fits.gz"))
        };
        files.into_iter().filter(ours).collect()
    }
}

/// What makes a file newer: date, version, then name.
fn rank(path: &Path) -> (u32, u32, u32, String) {
    let name = file_name(path);
    let numbers = |text: &str| -> Option<(u32, u32, u32)> {
        let stem = text.split('.').next()?;
        let mut parts = stem.split_once("-v")?.1.split('-').map(str::parse);
        let mut number = || parts.next().and_then(Result::ok);
        let (version, year, day) = (number()?, number()?, number()?);
        Some((year, day, version))
    };
    let (year, day, version) =
        name.split_once("_cal-").and_then(|(_, made)| numbers(made)).unwrap_or_default();
    (year, day, version, name)
}

/// By the name (`..._D3_...`), or else by the card DETECTOR of one of the first two HDUs.
fn detector_of(path: &Path) -> Option<Detector> {
    let name = file_name(path);
    let words = name.split(['_', '.']).filter(|word| word.starts_with('D'));
    words.filter_map(|word| word.parse().ok()).next().or_else(|| {
        let mut file = FitsReader::open(path).ok()?;
        (0..2).find_map(|hdu| {
            file.move_to_index(hdu).ok()?;
            Detector::new(file.header().ok()?.integer("DETECTOR").ok()?).ok()
        })
    })
}

impl CalibrationProduct {
    /// The planes, read at the first call.
    ///
    /// # Errors
    /// The same at every call where the file is not what it should be.
    pub fn load(&self) -> Result<LoadedProduct<'_>, String> {
        let read = || self.read().map_err(|error| format!("{}: {}", self.path.display(), error.one_line()));
        self.planes.get_or_init(read).as_deref().map(LoadedProduct).map_err(Clone::clone)
    }

    /// The point spread functions, read at the first call.
    ///
    /// # Errors
    /// The same at every call where the file is not what it should be.
    pub fn load_psf(&self) -> Result<&PsfModel, String> {
        let read = || {
            let data = read_psf_product(&self.path).map_err(|error| error.to_string())?;
            psf_model(data, None).map_err(|error| format!("{}: {error}", self.path.display()))
        };
        self.psf.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    fn read(&self) -> Result<Vec<Vec<f32>>, PipelineError> {
        let mut file = FitsReader::open(&self.path)?;
        let planes = self.kind.planes.iter().map(|hdu| {
            match hdu {
                Some(name) => file.move_to(name)?,
                None => first_image(&mut file)?,
            }
            let shape = file.image_shape()?;
            if shape != [Detector::NPIX; 2] {
                return Err(PipelineError::failed(format!(
                    "{} has shape {shape:?}, not that of the detector",
                    file.hdu_label()
                )));
            }
            let mut plane = vec![0.0; Detector::NPIX * Detector::NPIX];
            file.read_pixels(0, &mut plane)?;
            Ok(plane)
        });
        planes.collect()
    }
}

/// Moves to the first HDU with an image.
fn first_image(file: &mut FitsReader) -> Result<(), PipelineError> {
    for hdu in 0..file.hdu_count()? {
        file.move_to_index(hdu)?;
        if file.image_shape().is_ok_and(|shape| !shape.is_empty()) {
            return Ok(());
        }
    }
    Err(PipelineError::failed("it has no image")).context("solid angles")
}

/// A product in memory.
#[derive(Clone, Copy)]
pub struct LoadedProduct<'a>(&'a [Vec<f32>]);

impl LoadedProduct<'_> {
    /// Wavelength and bandwidth at a position `[x, y]` \[px of the full frame, 0-based\], where
    /// both are above zero.
    pub fn passband(self, at: [f64; 2]) -> Option<Passband> {
        Some(Passband { center: bilinear(&self.0[0], at)?, width: bilinear(&self.0[1], at)? })
    }

    /// Solid angle [arcsec^2] at a position, where it is above zero.
    pub fn area(self, at: [f64; 2]) -> Option<f64> {
        bilinear(&self.0[0], at)
    }
}

/// The value of a plane at a position on it; `None` off it, or where it is not finite and above
/// zero.
fn bilinear(plane: &[f32], [x, y]: [f64; 2]) -> Option<f64> {
    let last = (Detector::NPIX - 1) as f64;
    let on = |c: f64| (-0.5..last + 0.5).contains(&c);
    if !(on(x) && on(y)) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the last pixel but one"
    )]
    let split = |c: f64| {
        let c = c.clamp(0.0, last);
        let low = c.floor().min(last - 1.0);
        (low as usize, c - low)
    };
    let ((i, u), (j, v)) = (split(x), split(y));
    let at = |i: usize, j: usize| f64::from(plane[j * Detector::NPIX + i]);
    let row = |j: usize| at(i, j) + u * (at(i + 1, j) - at(i, j));
    let value = row(j) + v * (row(j + 1) - row(j));
    (value > 0.0 && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_product_is_taken() {
        let of = |name: &str| rank(Path::new(name));
        let old = of("spectral_wcs_D3_spx_cal-wcs-v4-2025-254.fits");
        assert_eq!((old.0, old.1, old.2), (2025, 254, 4));
        assert!(of("spectral_wcs_D3_spx_cal-wcs-v4-2026-001.fits") > old);
        assert!(of("spectral_wcs_D3_spx_cal-wcs-v10-2025-254.fits") > old);
        assert!(of("spectral_wcs_D3.fits") < old);
        assert_eq!(
            detector_of(Path::new("/a/spectral_wcs_D3_spx_cal-wcs-v4-2025-254.fits")),
            "D3".parse().ok()
        );
    }

    #[test]
    fn values_are_bilinear() {
        let n = Detector::NPIX;
        let plane: Vec<f32> = (0..n * n).map(|k| 1.0 + (k % n) as f32 + 2.0 * (k / n) as f32).collect();
        for (at, value) in [
            ([3.0, 4.0], Some(12.0)),
            ([3.25, 4.5], Some(13.25)),
            ([-0.5, 0.0], Some(1.0)),
            ([2039.4, 2039.4], Some(1.0 + 2039.0 * 3.0)),
            ([-0.6, 3.0], None),
            ([f64::NAN, 3.0], None),
        ] {
            assert_eq!(bilinear(&plane, at), value, "{at:?}");
        }
        assert_eq!(bilinear(&vec![f32::NAN; n * n], [3.0, 4.0]), None);
    }
}
