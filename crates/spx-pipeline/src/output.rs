//! Files and directories that pipelines write.

use std::io;
use std::path::{Path, PathBuf};

use spx_core::atomic;

use crate::{PipelineError, ResultContext as _};

/// Writes a file, which appears only when it is complete.
///
/// # Errors
/// Usage where it exists and is not to be replaced; otherwise what the disk reports.
pub fn write_output(path: &Path, contents: &[u8], overwrite: bool) -> Result<(), PipelineError> {
    match atomic::write(path, contents, overwrite) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(PipelineError::exists(path)),
        other => other.with_context(|| path.display().to_string()),
    }
}

/// An output directory. Where it was made for this run and nothing is kept in it, it is removed
/// again.
#[derive(Debug)]
pub struct OutputDirectory {
    path: PathBuf,
    made: bool,
}

impl OutputDirectory {
    /// Makes the directory where needed, and tests whether it can be written to.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn create(path: &Path) -> Result<Self, PipelineError> {
        let context = || format!("output directory {}", path.display());
        let made = !path.exists();
        std::fs::create_dir_all(path).with_context(context)?;
        let directory = Self { path: path.to_owned(), made };
        let probe = atomic::AtomicFile::new(&Self::probe(path), true).with_context(context)?;
        std::fs::File::create_new(probe.path()).with_context(context)?;
        Ok(directory)
    }

    /// The file with which a directory is tested; a run that is killed then may leave its temporary
    /// file.
    pub fn probe(path: &Path) -> PathBuf {
        path.join("probe")
    }

    /// Keeps the directory, which now holds something.
    pub fn keep(mut self) {
        self.made = false;
    }
}

impl Drop for OutputDirectory {
    fn drop(&mut self) {
        if self.made {
            // Only an empty directory can be removed this way.
            std::fs::remove_dir(&self.path).ok();
        }
    }
}
