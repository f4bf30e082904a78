//! Finding the spectral images that the user names, and knowing which exposure each is.

mod list;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use spx_core::fits::verify_file;
use spx_core::image::{ExposureId, Metadata, PixelPlanes};
use spx_core::mef::{MefError, MefFile};
use spx_core::progress::Progress;
use spx_wcs::{CelestialWcs, WaveTable, WcsError};
use walkdir::WalkDir;

use crate::identity::ReleaseIdentity;
use crate::{Listener, PipelineError};

/// A spectral image whose metadata could be read.
///
/// Files sort by time, then by exposure, file name and path, which fixes the order of every sum
/// whatever the order in which the user names them, and puts later exposures behind earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputFile {
    /// When the exposure began.
    pub begin: ExposureBegin,
    /// Observation and detector.
    pub id: ExposureId,
    /// The last part of the path.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// `[ny, nx]`.
    pub shape: [usize; 2],
    /// Named by the user, rather than found in a directory.
    pub named: bool,
    /// Release, version and processing.
    pub identity: ReleaseIdentity,
    /// First pixel `[y, x]` in the detector's frame.
    pub first_pixel: [i64; 2],
}

impl InputFile {
    /// What the metadata of a file tell.
    ///
    /// # Errors
    /// Where the image is of a pipeline that is not known.
    pub(crate) fn of(path: &Path, named: bool, metadata: &Metadata) -> Result<Self, InputError> {
        let begin = metadata.time.begin.or(metadata.time.average).unwrap_or(f64::NAN);
        Ok(Self {
            begin: ExposureBegin(begin),
            id: metadata.id.clone(),
            name: file_name(path),
            path: path.to_owned(),
            shape: metadata.shape,
            named,
            identity: known_release(metadata)?,
            first_pixel: first_pixel(metadata),
        })
    }
}

/// When an exposure began \[MJD, UTC\], NaN where its header does not say. NaN comes last.
#[derive(Debug, Clone, Copy)]
pub struct ExposureBegin(pub f64);

impl Ord for ExposureBegin {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for ExposureBegin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ExposureBegin {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ExposureBegin {}

/// An input that failed: the file, and what is wrong in it and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputError {
    /// The last part of the path.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with the HDU where that is known.
    pub problem: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl InputError {
    /// A problem of a file.
    pub fn new(path: &Path, problem: impl fmt::Display) -> Self {
        Self { name: file_name(path), path: path.to_owned(), problem: problem.to_string() }
    }

    /// A problem of the world coordinates: celestial ones stand in the cards of IMAGE, wavelengths
    /// in their table.
    pub fn wcs(path: &Path, error: &WcsError) -> Self {
        let hdu = if matches!(error, WcsError::Table { .. }) { "WCS-WAVE" } else { "IMAGE" };
        Self::new(path, format!("HDU {hdu}: {error}"))
    }
}

impl From<MefError> for InputError {
    fn from(error: MefError) -> Self {
        Self::new(&error.path, format!("HDU {}: {}", error.hdu, error.problem))
    }
}

/// Files and directories as the user named them, with the files in the directories.
#[derive(Debug, Default)]
pub struct InputListing {
    files: Vec<(PathBuf, bool)>,
    failed: Vec<InputError>,
    skipped: Vec<InputError>,
}

/// Lists the inputs: files, what looks like an image in directories and below them, and both where
/// lists name them (`@FILE`, or `-` for the standard input: a path a line, up to a tab). A file
/// named twice counts once, also by way of links, which are followed. Calibration products, which
/// lie beside the images where a directory has the paths of the archive, are none of them.
///
/// # Errors
/// Interrupted by the user, while a list is waited for.
pub fn find_inputs(inputs: &[PathBuf], progress: &dyn Progress) -> Result<InputListing, PipelineError> {
    let (paths, failed) = list::expand_lists(inputs, progress);
    if progress.cancelled() {
        return Err(PipelineError::Interrupted);
    }
    let mut found = find_fits_files(&paths);
    found.failed.extend(failed);
    found.files.retain(|(path, named)| *named || !is_calibration_product(path));
    Ok(found)
}

/// As the archive names them: `spectral_wcs_D3_spx_cal-swcs-v5-2026-191.fits`.
fn is_calibration_product(path: &Path) -> bool {
    file_name(path).contains("_spx_cal-")
}

/// As [`find_inputs`], with calibration products.
pub(crate) fn find_fits_files(inputs: &[PathBuf]) -> InputListing {
    let mut found = InputListing::default();
    for input in inputs {
        match std::fs::metadata(input) {
            Err(error) => found.failed.push(InputError::new(input, error)),
            Ok(meta) if meta.is_dir() => found.search(input),
            Ok(meta) if meta.is_file() => found.files.push((input.clone(), true)),
            // Opening a FIFO would wait for someone to write into it.
            Ok(_) => found.failed.push(InputError::new(input, "it is not a regular file")),
        }
    }
    // A file that is named counts as named even where a directory has it too.
    found.files.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    found.files.sort_by_key(|(_, named)| !named);
    let mut seen = HashSet::new();
    found.files.retain(|(path, _)| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    found
}

/// The wavelength table of an image.
///
/// # Errors
/// Where the table or the cards of WCS `W` are not as they should be.
pub fn wave_table(metadata: &Metadata) -> Result<WaveTable, WcsError> {
    let table = &metadata.wave_table;
    WaveTable::new(&table.x, &table.y, &table.values, &metadata.header)
}

/// Reads all of an image: its sums, where it has some, its maps and its pixels.
///
/// # Errors
/// The file, the HDU and what is wrong there.
pub(crate) fn check_file(path: &Path) -> Result<(), InputError> {
    verify_file(path).map_err(|e| InputError::new(path, e))?;
    let file = MefFile::open(path)?;
    let metadata = file.metadata();
    CelestialWcs::from_header(&metadata.header).map_err(|e| InputError::wcs(path, &e))?;
    wave_table(metadata).map_err(|e| InputError::wcs(path, &e))?;
    file.whole(PixelPlanes::default())?;
    Ok(())
}

impl InputListing {
    /// The files, and whether each was named by the user itself.
    pub fn files(&self) -> &[(PathBuf, bool)] {
        &self.files
    }

    /// What could not be looked at.
    pub fn failed(&self) -> &[InputError] {
        &self.failed
    }

    /// Nothing was found, and nothing failed.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.failed.is_empty()
    }

    /// Says which files in directories are passed over although they may be meant.
    pub fn tell_skipped(&self, listener: &dyn Listener) {
        self.skipped.iter().for_each(|skipped| listener.warning(&format!("skipped {skipped}")));
    }

    fn search(&mut self, directory: &Path) {
        for entry in WalkDir::new(directory).follow_links(true).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                // A link that leads back: what it leads to is being listed.
                Err(error) if error.loop_ancestor().is_some() => continue,
                Err(error) => {
                    let path = error.path().unwrap_or(directory).to_owned();
                    let problem = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    self.failed.push(InputError::new(&path, problem));
                    continue;
                }
            };
            let (path, kind) = (entry.path(), entry.file_type());
            match (name_kind(path), kind) {
                (_, kind) if kind.is_dir() => {}
                (NameKind::Own, _) => {}
                (NameKind::Other, kind) if !kind.is_file() || !begins_as_fits(path) => {}
                (_, kind) if !kind.is_file() => {
                    self.skipped.push(InputError::new(path, "it is not a regular file"));
                }
                (NameKind::Image, _) => self.files.push((path.to_owned(), false)),
                (NameKind::Similar | NameKind::Other, _) => {
                    let endings =
                        ".fits, .fit or .fts, plain, with .gz or .fz, or with the query of a cutout";
                    self.skipped.push(InputError::new(path, format!("images are named {endings}")));
                }
            }
        }
    }

    /// Reads the metadata of every file; those of pipelines that are not known fail. Files and
    /// errors are sorted.
    pub fn scan(self) -> (Vec<InputFile>, Vec<InputError>) {
        let scanned: Vec<Result<InputFile, InputError>> = self
            .files
            .into_par_iter()
            .map(|(path, named)| {
                let file = MefFile::open(&path)?;
                InputFile::of(&path, named, file.metadata())
            })
            .collect();
        let (mut files, mut failed) = (Vec::new(), self.failed);
        for result in scanned {
            match result {
                Ok(file) => files.push(file),
                Err(error) => failed.push(error),
            }
        }
        files.sort();
        failed.sort();
        (files, failed)
    }
}

/// The release of an image.
///
/// # Errors
/// Where the image is of a pipeline that is not known: its scales, flags and wavelengths may mean
/// anything.
pub(crate) fn known_release(metadata: &Metadata) -> Result<ReleaseIdentity, InputError> {
    let identity = metadata.release();
    match identity.foreign_version() {
        None => Ok(identity),
        Some(version) => {
            let problem = format!("HDU PRIMARY: VERSION is {version}, and only pipelines 6 and 7 are known");
            Err(InputError::new(&metadata.path, problem))
        }
    }
}

/// Where a cutout begins in the detector's frame, `[y, x]`; at 0 where its cards do not say.
#[expect(clippy::cast_possible_truncation, reason = "saturates far beyond any frame")]
fn first_pixel(metadata: &Metadata) -> [i64; 2] {
    let [x, y] = metadata.parent_offset().unwrap_or_default();
    [y.round() as i64, x.round() as i64]
}

/// What the name of a file in a directory promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameKind {
    /// A FITS file that may be a spectral image.
    Image,
    /// Something made of a FITS file, such as one compressed otherwise or not yet complete.
    Similar,
    /// Hidden temporary files, and the cubes and mosaics that spx makes.
    Own,
    /// Anything else.
    Other,
}

fn name_kind(path: &Path) -> NameKind {
    let name = file_name(path);
    if name.starts_with('.') || name.starts_with("drizzle_D") || name == "mosaic.fits" {
        return NameKind::Own;
    }
    let name = name.to_ascii_lowercase();
    let found = [".fits", ".fit", ".fts"].into_iter().find_map(|ending| Some((name.rfind(ending)?, ending)));
    let Some((start, ending)) = found else {
        let packed = [".fz", ".ftz"].iter().any(|ending| name.ends_with(ending));
        return if packed { NameKind::Similar } else { NameKind::Other };
    };
    let rest = &name[start + ending.len()..];
    match rest {
        "" | ".gz" | ".fz" => NameKind::Image,
        // A cutout that was saved under its whole address.
        _ if rest.starts_with('?') => NameKind::Image,
        _ if rest.starts_with(|c: char| c.is_ascii_alphanumeric()) => NameKind::Other,
        _ => NameKind::Similar,
    }
}

/// Whether a file that is not named as one begins as FITS files do.
fn begins_as_fits(path: &Path) -> bool {
    let mut start = [0; 9];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"SIMPLE  ="
}

/// The last part of a path.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use spx_core::progress::Silent;

    use super::*;

    #[test]
    fn directories_are_searched_and_files_count_once() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("D3");
        std::fs::create_dir(&sub).unwrap();
        for name in ["a.fits", "b.fits.gz", "notes.txt", ".hidden.fits", "drizzle_D3.fits"] {
            std::fs::write(sub.join(name), "").unwrap();
        }
        let found =
            find_inputs(&[dir.path().to_owned(), sub.join("a.fits"), dir.path().join("none.fits")], &Silent)
                .unwrap();
        let names: Vec<_> = found.files.iter().map(|(p, named)| (file_name(p), *named)).collect();
        assert_eq!(names, [("a.fits".to_owned(), true), ("b.fits.gz".to_owned(), false)]);
        assert_eq!(found.failed.len(), 1);
        assert!(found.failed[0].to_string().contains("none.fits"));
        assert!(found.skipped.is_empty());
    }

    #[test]
    fn calibration_products_beside_images_are_no_inputs() {
        let folder = tempfile::tempdir().unwrap();
        let product = folder.path().join("epsf_D3_spx_cal-epsf-v2-2026-191.fits");
        for path in [&product, &folder.path().join("level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits")] {
            std::fs::write(path, "").unwrap();
        }
        let directory = [folder.path().to_owned()];
        assert_eq!(find_inputs(&directory, &Silent).unwrap().files().len(), 1);
        assert_eq!(find_fits_files(&directory).files().len(), 2);
        assert_eq!(find_inputs(&[product], &Silent).unwrap().files().len(), 1, "what is named is looked at");
    }

    #[test]
    fn names_of_all_kinds() {
        let kind = |name: &str| name_kind(Path::new(name));
        for name in [
            "a.fits",
            "a.FITS",
            "a.fit",
            "a.fts",
            "a.FTS.gz",
            "a.Fits.GZ",
            "a.fits.fz",
            "a.fit.gz",
            "a.b.fits",
            "level2_z.fits?center=186.4536,33.5468&size=0.1",
        ] {
            assert_eq!(kind(name), NameKind::Image, "{name}");
        }
        for name in
            ["a.fits.bz2", "a.fits.zip", "a.fits.Z", "a.fits.part", "a.fits~", "a.fits%3Fcenter=1,2", "a.fz"]
        {
            assert_eq!(kind(name), NameKind::Similar, "{name}");
        }
        for name in ["a.txt", "fits", "a.fitness.csv", "level2"] {
            assert_eq!(kind(name), NameKind::Other, "{name}");
        }
        for name in [".a.fits", "drizzle_D3.fits", "mosaic.fits"] {
            assert_eq!(kind(name), NameKind::Own, "{name}");
        }
    }

    #[test]
    fn fits_files_under_other_names_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let header = "SIMPLE  =                    T";
        for (name, text) in [
            ("a.mef", header),
            ("no_ending", header),
            ("b.ftz", "\x1f"),
            (".tmp", header),
            ("c.csv", "id,ra"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let found = find_inputs(&[folder.path().to_owned()], &Silent).unwrap();
        let skipped: Vec<_> = found.skipped.iter().map(|skipped| skipped.name.as_str()).collect();
        assert_eq!(skipped, ["a.mef", "b.ftz", "no_ending"]);
        assert!(found.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_those_that_lead_back_end() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let (data, elsewhere) = (dir.path().join("data"), dir.path().join("elsewhere"));
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir_all(&elsewhere).unwrap();
        std::fs::write(elsewhere.join("a.fits"), "").unwrap();
        symlink(&elsewhere, data.join("one")).unwrap();
        symlink(&elsewhere, data.join("two")).unwrap();
        symlink(&data, data.join("back")).unwrap();
        symlink(dir.path().join("gone.fits"), data.join("gone.fits")).unwrap();
        let found = find_inputs(std::slice::from_ref(&data), &Silent).unwrap();
        let names: Vec<_> = found.files.iter().map(|(p, _)| file_name(p)).collect();
        assert_eq!(names, ["a.fits"]);
        assert_eq!(found.failed.len(), 1, "{:?}", found.failed);
        assert!(found.failed[0].path.ends_with("gone.fits"));
    }
}
