//! What a directory holds: the spectral images below it, with what the archive's tables say of
//! each.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use spx_core::header::Header;
use spx_core::image::{ExposureId, Metadata};
use spx_core::mef::MefFile;
use spx_core::release::DataRelease;
use spx_wcs::{CelestialWcs, WaveTable};

use crate::sphere::Polygon;

/// Directories nested deeper than this are left out.
const MAX_DEPTH: usize = 16;

/// A spectral image of the archive.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// Its path in the archive: `qr2/level2/...`
    pub(crate) path: String,
    /// Size of the file \[bytes\].
    pub(crate) size: u64,
    pub(crate) id: ExposureId,
    /// Card VERSION, or an empty string.
    pub(crate) version: String,
    /// Card L2DQAFLG.
    pub(crate) quality: Option<String>,
    /// Corners of its outline.
    pub(crate) outline: Polygon,
    /// Sky position of its middle, `[ra, dec]` \[deg\].
    pub(crate) center: [f64; 2],
    /// Start and end \[MJD\].
    pub(crate) time: [Option<f64>; 2],
    /// Exposure time \[s\].
    pub(crate) exposure: Option<f64>,
    /// Shortest and longest wavelength \[m\].
    pub(crate) energy: [f64; 2],
    /// `[ny, nx]`
    pub(crate) shape: [usize; 2],
    pub(crate) wcs: CelestialWcs,
}

/// A calibration file, of which only name and size are known.
#[derive(Debug, Clone)]
pub(crate) struct Calibration {
    /// Its path in the archive, `qr2/spectral_wcs/...`
    pub(crate) path: String,
    /// Size \[bytes\].
    pub(crate) size: u64,
    /// The family: `average_psf`, `solid_angle_pixel_map`, `spectral_wcs` and others.
    pub(crate) product: &'static str,
    /// 1 to 6; `None` where the path does not tell.
    pub(crate) detector: Option<u8>,
}

/// All that a directory holds, by path.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) images: Vec<Image>,
    pub(crate) calibrations: Vec<Calibration>,
}

/// The directories of calibration products.
const PRODUCTS: [&str; 5] =
    ["average_psf", "solid_angle_pixel_map", "spectral_wcs", "epsf", "l3_flux_corrections"];

impl Index {
    /// Reads the headers of all spectral images below `root`, a canonical path. What cannot be read
    /// is logged and left out; so are links that lead out of it, and all but one of files with the
    /// same path in the archive.
    pub(crate) fn scan(root: &Path) -> std::io::Result<Self> {
        let mut files = Vec::new();
        walk(root, root, 0, &mut files)?;
        files.sort();
        let mut index = Self::default();
        let (calibrations, files): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| product(root, file).is_some());
        index.calibrations.extend(calibrations.iter().filter_map(|file| calibration(root, file)));
        let read: Vec<Option<Image>> = files.par_iter().map(|file| read_or_log(root, file)).collect();
        let mut seen = HashSet::new();
        for image in read.into_iter().flatten() {
            if seen.insert(image.path.clone()) {
                index.images.push(image);
            } else {
                tracing::warn!("{}: another file is already {}", image.file.display(), image.path);
            }
        }
        index.images.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(index)
    }

    /// What a folder of the archive holds, each once: names, and sizes of files \[bytes\].
    pub(crate) fn folder(&self, folder: &str) -> BTreeMap<&str, Option<u64>> {
        let images = self.images.iter().map(|image| (image.path.as_str(), image.size));
        let files = images.chain(self.calibrations.iter().map(|c| (c.path.as_str(), c.size)));
        let below = files.filter_map(|(path, size)| {
            let rest = path.strip_prefix(folder.trim_matches('/'))?.strip_prefix('/')?;
            Some(rest.split_once('/').map_or((rest, Some(size)), |(name, _)| (name, None)))
        });
        below.collect()
    }

    /// The image of a path in the archive.
    pub(crate) fn find(&self, path: &str) -> Option<&Image> {
        let at = self.images.binary_search_by(|image| image.path.as_str().cmp(path)).ok()?;
        Some(&self.images[at])
    }
}

impl Image {
    /// The first part of the path: `qr2`.
    pub(crate) fn release(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// The day of its processing, `2025-354`, as the file's name has it.
    pub(crate) fn processed(&self) -> &str {
        let stem = self.path.trim_end_matches(".gz").trim_end_matches(".fits");
        stem.len().checked_sub(8).and_then(|at| stem.get(at..)).unwrap_or_default()
    }

    /// `spherex_qr2`
    pub(crate) fn collection(&self) -> String {
        format!("spherex_{}", self.release())
    }

    /// `ivo://irsa.ipac/spherex_qr2?2025W51_1A_0684_2/D3`
    pub(crate) fn publisher_did(&self) -> String {
        format!("ivo://irsa.ipac/{}?{}/{}", self.collection(), self.id.observation, self.id.detector)
    }

    /// `SPHEREx-D3`
    pub(crate) fn bandpass(&self) -> String {
        format!("SPHEREx-{}", self.id.detector)
    }
}

fn walk(root: &Path, directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let within = path.canonicalize().is_ok_and(|real| real.starts_with(root));
        if hidden || !within {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_DEPTH && !path.is_symlink() {
                walk(root, &path, depth + 1, files)?;
            }
        } else if is_fits(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_fits(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    name.ends_with(".fits") || name.ends_with(".fits.gz")
}

fn product(root: &Path, file: &Path) -> Option<&'static str> {
    let path = relative(root, file);
    PRODUCTS.into_iter().find(|product| path.split('/').any(|part| part == *product))
}

fn calibration(root: &Path, file: &Path) -> Option<Calibration> {
    let path = relative(root, file);
    let parent = file.parent()?.file_name()?.to_string_lossy().parse().ok();
    let size = fs::metadata(file).ok()?.len();
    let detector = parent.filter(|d| (1..=6).contains(d));
    Some(Calibration { path, size, product: product(root, file)?, detector })
}

/// The path below `root` with `/` between its parts.
fn relative(root: &Path, file: &Path) -> String {
    let below = file.strip_prefix(root).unwrap_or(file);
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn read_or_log(root: &Path, file: &Path) -> Option<Image> {
    match read(root, file) {
        Ok(image) => Some(image),
        Err(problem) => {
            tracing::warn!("left out of the archive: {problem}");
            None
        }
    }
}

fn read(root: &Path, file: &Path) -> Result<Image, String> {
    let at = |problem: String| format!("{}: {problem}", file.display());
    let opened = MefFile::open(file).map_err(|e| e.to_string())?;
    let metadata = opened.metadata();
    let (header, shape) = (&metadata.header, metadata.shape);
    let wcs = CelestialWcs::from_header(header).map_err(|e| at(e.to_string()))?;
    let table = &metadata.wave_table;
    let waves = WaveTable::new(&table.x, &table.y, &table.values, header).map_err(|e| at(e.to_string()))?;
    let [ny, nx] = shape;
    let version = metadata.version.clone().unwrap_or_default();
    Ok(Image {
        file: file.to_owned(),
        path: archive_path(root, file, metadata),
        size: fs::metadata(file).map_err(|e| at(e.to_string()))?.len(),
        id: metadata.id.clone(),
        quality: header.optional_text("L2DQAFLG").ok().flatten().map(str::to_owned),
        outline: Polygon::new(&wcs.footprint(shape)).map_err(at)?,
        center: wcs.pixel_to_sky((nx as f64 - 1.0) / 2.0, (ny as f64 - 1.0) / 2.0),
        time: times(header, metadata),
        exposure: metadata.time.exposure,
        energy: waves.range(shape).map(|um| um * 1e-6),
        shape,
        wcs,
        version,
    })
}

/// Start and end, from MJD-OBS where there is no MJD-BEG.
fn times(header: &Header, metadata: &Metadata) -> [Option<f64>; 2] {
    let start = metadata.time.begin.or_else(|| header.optional_real("MJD-OBS").ok().flatten());
    [start, metadata.time.end.or(start)]
}

/// The path as it stands below `root` where that is one of the archive's, else formed from the
/// file's name.
fn archive_path(root: &Path, file: &Path, metadata: &Metadata) -> String {
    let path = relative(root, file);
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() >= 3 && parts[0].parse::<DataRelease>().is_ok() && parts[1] == "level2" {
        return path;
    }
    let identity = metadata.release();
    let release = identity.release.unwrap_or(DataRelease::Qr2);
    let (observation, detector) = (&metadata.id.observation, metadata.id.detector.number());
    let period = observation.rsplitn(3, '_').last().unwrap_or(observation);
    let name = parts.last().copied().unwrap_or_default();
    let processing =
        identity.processing.map_or_else(|| "l2b-v0-0000-000".to_owned(), |processing| processing.to_string());
    format!("{release}/level2/{period}/{processing}/{detector}/{name}")
}

/// True where a file begins as gzip does.
pub(crate) fn is_gzip(file: &Path) -> bool {
    let mut start = [0; 2];
    File::open(file).and_then(|mut f| f.read_exact(&mut start)).is_ok() && start == [0x1f, 0x8b]
}
