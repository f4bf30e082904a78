//! Calibration products of a detector: exact wavelengths (`spectral_wcs`), solid angles of its
//! pixels (`solid_angle_pixel_map`), its point spread functions (`epsf`), and the factors that
//! bring images of pipeline 6 to the flux scale of pipeline 7 (`l3_flux_corrections`).
//!
//! They are those that are named, or else the newest in a directory, in a mirror, and in the cache
//! that `spx calibration fetch` fills. All but the point spread functions are images of the full
//! frame. A value at a position is bilinear between the centers of pixels; half a pixel at the
//! edges has the value of the outermost center.

pub mod settings;
pub mod store;
pub mod wavelengths;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use spx_archive::{CalibrationAge, calibration_age};
use spx_core::detector::Detector;
use spx_core::fits::FitsReader;
use spx_core::flux::FluxFactors;
use spx_core::image::Metadata;
use spx_core::map::Passband;
use spx_core::mef::{MefFile, read_psf_product};
use spx_core::release::{FluxCorrection, ReleaseIdentity};
use spx_photometry::PsfModel;

pub use settings::{CalibrationChoice, CalibrationPaths, CalibrationSettings, cache_directory};
pub use store::{
    CalibrationEntry, CalibrationRequest, CalibrationStatus, calibration_directory, calibration_status,
    fetch_calibration, list_calibration,
};
pub use wavelengths::FrameWavelengths;

use crate::identity::InputIdentity;
use crate::inputs::{self, InputError, file_name};
use crate::psf::psf_model;
use crate::stages::Stages;
use crate::{Listener, PipelineError, ResultContext as _};

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
const FLUX_CORRECTIONS: ProductKind = ProductKind { name: "l3_flux_corrections", planes: &[Some("IMAGE")] };

/// The products at hand, by detector; each is read when the first exposure needs it, and then kept:
/// 17 MB a plane.
#[derive(Default)]
pub struct Calibration {
    wavelengths: [Option<CalibrationProduct>; 6],
    areas: [Option<CalibrationProduct>; 6],
    psfs: [Option<CalibrationProduct>; 6],
    corrections: [Option<CalibrationProduct>; 6],
    /// Whether wavelengths of pipeline 6 are brought to the scale of pipeline 7 where there is no
    /// product.
    shift: bool,
}

/// One product of one detector.
pub struct CalibrationProduct {
    path: PathBuf,
    kind: &'static ProductKind,
    planes: OnceLock<Result<LoadedProduct, String>>,
    psf: OnceLock<Result<PsfModel, String>>,
    factors: OnceLock<Result<Arc<FluxFactors>, String>>,
    content: OnceLock<String>,
}

impl Calibration {
    /// The products that the settings name, or else the newest where they are looked for.
    ///
    /// # Errors
    /// Where a path that is given does not exist, a file does not say its detector, or a directory
    /// that is named for all products has none.
    pub fn find(paths: &CalibrationPaths, mirror: Option<&Path>) -> Result<Self, PipelineError> {
        let places = ProductPlaces {
            directory: paths.choice.directory()?.into_iter().collect(),
            mirrors: paths.choice.mirrors(mirror),
        };
        places.refuse_empty()?;
        Ok(Self {
            wavelengths: SPECTRAL_WCS.find(&paths.spectral_wcs, &places)?,
            areas: SOLID_ANGLE.find(&paths.solid_angle_map, &places)?,
            psfs: EPSF.find(&paths.epsf, &places)?,
            corrections: FLUX_CORRECTIONS.find(&paths.flux_corrections, &places)?,
            shift: paths.shift_wavelengths,
        })
    }

    /// Where the wavelengths of an exposure come from.
    ///
    /// # Errors
    /// Where the product or the table in the file is not what it should be.
    pub fn wavelengths(&self, metadata: &Metadata) -> Result<FrameWavelengths, InputError> {
        let failed = |e: String| InputError::new(&metadata.path, e);
        let table = inputs::wave_table(metadata).map_err(|e| InputError::wcs(&metadata.path, &e))?;
        let detector = metadata.id.detector;
        let product = self.wavelengths[index(detector)].as_ref().map(CalibrationProduct::load);
        let offset = metadata.parent_offset().map_err(|e| failed(format!("HDU IMAGE: {e}")))?;
        let shifted = self.shift && metadata.release().pipeline() == Some(6);
        Ok(FrameWavelengths::new(table, product.transpose().map_err(failed)?, offset, shifted, detector))
    }

    /// Brings an image to the flux scale of pipeline 7 where it needs that and the factors are at
    /// hand.
    ///
    /// # Errors
    /// Where the factors are not what they should be, or the image does not lie on the detector.
    pub fn correct(&self, file: &mut MefFile) -> Result<FluxCorrection, InputError> {
        let metadata = file.metadata();
        let detector = metadata.id.detector;
        let correction = self.flux_correction(&metadata.release(), detector);
        if let (FluxCorrection::Applied, Some(product)) = (correction, &self.corrections[index(detector)]) {
            let factors = product.load_factors().map_err(|e| InputError::new(&metadata.path, e))?;
            file.correct(factors)?;
        }
        Ok(correction)
    }

    /// What becomes of the flux scale of an image.
    pub fn flux_correction(&self, identity: &ReleaseIdentity, detector: Detector) -> FluxCorrection {
        match (identity.pipeline(), &self.corrections[index(detector)]) {
            (None, _) => FluxCorrection::Unknown,
            (Some(7..), _) => FluxCorrection::NotNeeded,
            (Some(_), Some(_)) => FluxCorrection::Applied,
            (Some(_), None) => FluxCorrection::Missing,
        }
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

    /// What changes with all that shapes fluxes and wavelengths of a detector's pixels.
    pub(crate) fn content_of_pixels(&self, detector: Detector) -> String {
        let content = |product: &Option<CalibrationProduct>| {
            product.as_ref().map_or_else(|| "none".to_owned(), |product| product.content().to_owned())
        };
        let at = index(detector);
        let (wavelengths, factors) = (content(&self.wavelengths[at]), content(&self.corrections[at]));
        format!("{wavelengths}; {factors}; shift {}", self.shift)
    }

    /// Which products are at hand, and what stands in for those that are not.
    pub(crate) fn tell(&self, with_psf: bool, listener: &dyn Listener) {
        let names = |products: &[Option<CalibrationProduct>; 6], else_: &str| {
            let names: Vec<String> =
                products.iter().flatten().map(|product| file_name(&product.path)).collect();
            if names.is_empty() { else_.to_owned() } else { names.join(", ") }
        };
        let shifted = if self.shift {
            "those of the files, QR2 shifted to the scale of QR3"
        } else {
            "those of the files"
        };
        listener.detail(&format!("wavelengths: {}", names(&self.wavelengths, shifted)));
        let uncorrected = "none, fluxes are on the scale of each file";
        listener.detail(&format!("flux corrections: {}", names(&self.corrections, uncorrected)));
        if with_psf {
            listener.detail(&format!("PSF: {}", names(&self.psfs, "that of each file")));
        }
    }

    /// The files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> + '_ {
        let all = self.wavelengths.iter().chain(&self.areas).chain(&self.psfs).chain(&self.corrections);
        all.flatten().map(|product| product.path.as_path())
    }

    /// Those that shape a cube: wavelengths, factors and, where it shows a point source, the
    /// functions of those.
    pub(crate) fn paths_of_cubes(&self, detector: Option<Detector>, psf: bool) -> Vec<&Path> {
        let wanted = |k: usize| detector.is_none_or(|detector| index(detector) == k);
        let products = self.wavelengths.iter().enumerate().chain(self.corrections.iter().enumerate());
        let products = products.chain(self.psfs.iter().enumerate().filter(|_| psf));
        products.filter(|(k, _)| wanted(*k)).filter_map(|(_, p)| Some(p.as_ref()?.path.as_path())).collect()
    }

    /// The names of the files.
    pub fn files(&self) -> impl Iterator<Item = String> + '_ {
        self.paths().map(file_name)
    }
}

/// A line for each product, which changes where it is replaced.
///
/// # Errors
/// Where the state cannot be written.
pub(crate) fn calibration_lines(
    products: &[&Path],
    stages: &mut Stages<'_>,
) -> Result<Vec<String>, PipelineError> {
    let contents = stages.identify(products)?.into_iter();
    let line = |(path, content): (&&Path, String)| format!("calibration {}: {content}", file_name(path));
    Ok(products.iter().zip(contents).map(line).collect())
}

/// Says so where images of both pipelines are used side by side on different flux scales.
pub fn mixed_scales_warning<'a>(
    exposures: impl IntoIterator<Item = (&'a ReleaseIdentity, FluxCorrection)>,
) -> Option<String> {
    let (mut missing, mut others) = (0, 0);
    for (identity, correction) in exposures {
        match correction {
            FluxCorrection::Missing => missing += 1,
            FluxCorrection::Applied | FluxCorrection::NotNeeded => others += 1,
            FluxCorrection::Unknown => others += usize::from(identity.pipeline() == Some(7)),
        }
    }
    (missing > 0 && others > 0).then(|| {
        format!(
            "{missing} images of pipeline 6 (qr2) without l3_flux_corrections are combined with {others} on \
             the flux scale of pipeline 7: fluxes differ by 3 % in D1 (up to 12 % at its shortest \
             wavelengths) and 1 to 3 % elsewhere; \
             `spx calibration fetch` downloads the corrections, `--release` keeps to one release"
        )
    })
}

fn index(detector: Detector) -> usize {
    usize::from(detector.number()) - 1
}

/// Where products are looked for that are not named one by one.
struct ProductPlaces {
    /// The directory that is named for all of them.
    directory: Vec<PathBuf>,
    /// Directories with the paths of the archive.
    mirrors: Vec<PathBuf>,
}

impl ProductPlaces {
    /// Refuses a directory that is named and has no product.
    fn refuse_empty(&self) -> Result<(), PipelineError> {
        let found = inputs::find_fits_files(&self.directory);
        let product = |(path, _): &(PathBuf, bool)| ProductKind::of_name(&file_name(path)).is_some();
        match self.directory.first() {
            Some(directory) if !found.files().iter().any(product) => {
                let names = ProductKind::ALL.map(|kind| format!("{}_D*.fits", kind.name)).join(", ");
                let text = format!("calibration = {}: it has none of {names}", directory.display());
                Err(PipelineError::usage(text).with_hint("`spx calibration fetch` downloads them"))
            }
            _ => Ok(()),
        }
    }
}

impl ProductKind {
    const ALL: [&'static Self; 4] = [&SPECTRAL_WCS, &SOLID_ANGLE, &EPSF, &FLUX_CORRECTIONS];

    /// The kind that the name of a file says.
    fn of_name(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|kind| name.starts_with(kind.name))
    }

    fn find(
        &'static self,
        given: &[PathBuf],
        places: &ProductPlaces,
    ) -> Result<[Option<CalibrationProduct>; 6], PipelineError> {
        let mut newest: [Option<PathBuf>; 6] = Default::default();
        let mut consider = |path: PathBuf, detector: Detector| {
            let best = &mut newest[index(detector)];
            if best.as_ref().is_none_or(|best| rank(&path) > rank(best)) {
                *best = Some(path);
            }
        };
        let given = if given.is_empty() { &places.directory } else { given };
        let found = inputs::find_fits_files(given);
        if let Some(error) = found.failed().first() {
            return Err(PipelineError::failed(format!("{}: {error}", self.name)));
        }
        let ours = |path: &Path| file_name(path).starts_with(self.name);
        for (path, named) in found.files().iter().filter(|(path, named)| *named || ours(path)) {
            match detector_of(path) {
                Some(detector) => consider(path.clone(), detector),
                None if *named => {
                    return Err(PipelineError::failed(format!(
                        "{}: it does not give its detector",
                        path.display()
                    )));
                }
                None => {}
            }
        }
        if given.is_empty() {
            for path in places.mirrors.iter().flat_map(|root| self.in_mirror(root)) {
                if let Some(detector) = detector_of(&path) {
                    consider(path, detector);
                }
            }
        }
        Ok(newest.map(|path| path.map(|path| CalibrationProduct::new(path, self))))
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
fn rank(path: &Path) -> (Option<CalibrationAge>, String) {
    let name = file_name(path);
    let stem = name.split('.').next().unwrap_or_default();
    let token = stem.find("_cal-").map(|at| &stem[at + 1..]);
    (token.and_then(calibration_age), name)
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
    fn new(path: PathBuf, kind: &'static ProductKind) -> Self {
        Self {
            path,
            kind,
            planes: OnceLock::new(),
            psf: OnceLock::new(),
            factors: OnceLock::new(),
            content: OnceLock::new(),
        }
    }

    /// Whether it can be used.
    fn check(&self) -> Result<(), String> {
        match self.kind.name {
            name if name == EPSF.name => self.load_psf().map(|_| ()),
            name if name == FLUX_CORRECTIONS.name => self.load_factors().map(|_| ()),
            _ => self.load().map(|_| ()),
        }
    }

    /// Which content the file has, looked at in the first call.
    fn content(&self) -> &str {
        self.content.get_or_init(|| InputIdentity::of(&self.path).with_time())
    }

    /// The planes, read at the first call.
    ///
    /// # Errors
    /// The same at every call where the file is not what it should be.
    pub fn load(&self) -> Result<LoadedProduct, String> {
        let read = || self.read().map(|planes| LoadedProduct(Arc::new(planes))).map_err(|e| self.damaged(&e));
        self.planes.get_or_init(read).clone()
    }

    /// The factors of the flux scale, read at the first call.
    ///
    /// # Errors
    /// The same at every call where the file is not what it should be.
    fn load_factors(&self) -> Result<Arc<FluxFactors>, String> {
        let read = || {
            let plane = self.read().map_err(|e| self.damaged(&e))?.swap_remove(0);
            let factors = FluxFactors::new(plane);
            factors.map(Arc::new).map_err(|e| format!("{}: {e}", self.path.display()))
        };
        self.factors.get_or_init(read).clone()
    }

    fn damaged(&self, error: &PipelineError) -> String {
        let text = format!("{}: {}", self.path.display(), error.one_line());
        format!(
            "calibration product {text} (`spx calibration status` checks them, `fetch` replaces damaged ones)"
        )
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
#[derive(Debug, Clone)]
pub struct LoadedProduct(Arc<Vec<Vec<f32>>>);

impl LoadedProduct {
    /// Wavelength and bandwidth at a position `[x, y]` \[px of the full frame, 0-based\], where
    /// both are above zero.
    pub fn passband(&self, at: [f64; 2]) -> Option<Passband> {
        Some(Passband { center: bilinear(&self.0[0], at)?, width: bilinear(&self.0[1], at)? })
    }

    /// Solid angle [arcsec^2] at a position, where it is above zero.
    pub fn area(&self, at: [f64; 2]) -> Option<f64> {
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
    let valid = |value: f64| (value > 0.0 && value.is_finite()).then_some(value);
    // Centers of pixels have their values, whatever their neighbors are.
    if u == 0.0 && v == 0.0 {
        return valid(at(i, j));
    }
    let row = |j: usize| at(i, j) + u * (at(i + 1, j) - at(i, j));
    valid(row(j) + v * (row(j + 1) - row(j)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_product_is_taken() {
        let of = |name: &str| rank(Path::new(name));
        let old = of("spectral_wcs_D3_spx_cal-wcs-v4-2025-254.fits");
        assert!(old.0.is_some());
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
