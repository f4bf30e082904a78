//! Files that commands write.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use spx_core::atomic;

use crate::exit::Failure;

/// Writes a file, which appears only when it is complete.
///
/// # Errors
/// Usage where it is there and not to be replaced; otherwise what the disk says.
pub(crate) fn write(path: &Path, contents: &[u8], overwrite: bool) -> Result<(), Failure> {
    match atomic::write(path, contents, overwrite) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::exists(path)),
        other => Ok(other.with_context(|| path.display().to_string())?),
    }
}

/// The output directory; where it was made for this run and nothing is kept, it goes again.
pub(crate) struct OutputDir {
    path: PathBuf,
    made: bool,
}

impl OutputDir {
    /// Makes the directory where needed and sees whether it can be written to.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let context = || format!("output directory {}", path.display());
        let made = !path.exists();
        std::fs::create_dir_all(path).with_context(context)?;
        let directory = Self { path: path.to_owned(), made };
        let probe = atomic::AtomicFile::new(&Self::probe(path), true).with_context(context)?;
        std::fs::File::create_new(probe.path()).with_context(context)?;
        Ok(directory)
    }

    /// What a directory is tried with; a run that is killed then may leave its temporary file.
    pub(crate) fn probe(path: &Path) -> PathBuf {
        path.join("probe")
    }

    /// It has something to keep.
    pub(crate) fn keep(mut self) {
        self.made = false;
    }
}

impl Drop for OutputDir {
    fn drop(&mut self) {
        if self.made {
            // Only an empty directory can be removed this way.
            std::fs::remove_dir(&self.path).ok();
        }
    }
}
