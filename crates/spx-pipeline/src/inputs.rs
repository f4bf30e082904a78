//! Finding the spectral images that the user names, and knowing which exposure each is.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use spx_core::image::{ExposureId, Metadata};
use spx_core::mef::{MefError, MefFile};
use spx_wcs::{WaveTable, WcsError};

/// A spectral image whose metadata could be read.
///
/// Files sort by time, then by exposure, file name and path, which fixes the order of every sum whatever the order in
/// which the user names them, and puts later exposures behind earlier ones.
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

    /// A problem of the world coordinates: celestial ones stand in the cards of IMAGE, wavelengths in their table.
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
#[derive(Debug)]
pub struct InputListing {
    files: Vec<(PathBuf, bool)>,
    failed: Vec<InputError>,
}

/// Lists the inputs. A file named twice counts once.
pub fn find_inputs(inputs: &[PathBuf]) -> InputListing {
    let mut found = InputListing { files: Vec::new(), failed: Vec::new() };
    for input in inputs {
        match std::fs::metadata(input) {
            Err(error) => found.failed.push(InputError::new(input, error)),
            Ok(meta) if meta.is_dir() => found.search(input),
            Ok(_) => found.files.push((input.clone(), true)),
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

    fn search(&mut self, directory: &Path) {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.failed.push(InputError::new(directory, error)),
        };
        for entry in entries {
            match entry.and_then(|e| Ok((e.path(), e.file_type()?))) {
                Err(error) => self.failed.push(InputError::new(directory, error)),
                // Links to directories are not followed: they may lead back here.
                Ok((path, kind)) if kind.is_dir() => self.search(&path),
                Ok((path, _)) if looks_like_an_image(&path) => self.files.push((path, false)),
                Ok(_) => {}
            }
        }
    }

    /// Reads the metadata of every file. Files and errors are sorted.
    pub fn scan(self) -> (Vec<InputFile>, Vec<InputError>) {
        let scanned: Vec<Result<InputFile, InputError>> = self
            .files
            .into_par_iter()
            .map(|(path, named)| {
                let file = MefFile::open(&path)?;
                let metadata = file.metadata();
                let (id, shape) = (metadata.id.clone(), metadata.shape);
                let begin = ExposureBegin(metadata.time.begin.or(metadata.time.average).unwrap_or(f64::NAN));
                Ok(InputFile { begin, id, name: file_name(&path), path, shape, named })
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

/// FITS files that are no hidden temporary ones and no cubes or mosaics of our own.
fn looks_like_an_image(path: &Path) -> bool {
    let name = file_name(path);
    let fits = [".fits", ".fits.gz", ".fit", ".fit.gz"].iter().any(|end| name.ends_with(end));
    fits && !name.starts_with('.') && !name.starts_with("drizzle_D") && name != "mosaic.fits"
}

/// The last part of a path.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_searched_and_files_count_once() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("D3");
        std::fs::create_dir(&sub).unwrap();
        for name in ["a.fits", "b.fits.gz", "notes.txt", ".hidden.fits", "drizzle_D3.fits"] {
            std::fs::write(sub.join(name), "").unwrap();
        }
        let found = find_inputs(&[dir.path().to_owned(), sub.join("a.fits"), dir.path().join("none.fits")]);
        let names: Vec<_> = found.files.iter().map(|(p, named)| (file_name(p), *named)).collect();
        assert_eq!(names, [("a.fits".to_owned(), true), ("b.fits.gz".to_owned(), false)]);
        assert_eq!(found.failed.len(), 1);
        assert!(found.failed[0].to_string().contains("none.fits"));
    }
}
