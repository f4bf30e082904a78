//! Files and directories that pipelines write.

use std::io;
use std::path::{Path, PathBuf};

use spx_core::atomic;

use crate::{PipelineError, ResultContext as _};

/// Whether a file of this name can appear, for those who ask before there is work to lose.
///
/// # Errors
/// Usage where it exists and is not to be replaced, is a directory, or would be in one that is not
/// there.
pub fn check_output(path: &Path, overwrite: bool) -> Result<(), PipelineError> {
    if path.symlink_metadata().is_ok() && !overwrite {
        return Err(PipelineError::exists(path));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let problem = match parent {
        _ if path.is_dir() => "it is a directory".to_owned(),
        Some(parent) if !parent.is_dir() => format!("there is no directory {}", parent.display()),
        _ => return Ok(()),
    };
    Err(PipelineError::usage(problem).with_context(path.display().to_string()))
}

/// Whether a directory of this name is there or can be made, likewise.
///
/// # Errors
/// Usage where something else stands in its place, or where one above it would be.
pub fn check_directory(path: &Path) -> Result<(), PipelineError> {
    let nearest = path.ancestors().find_map(|part| Some((part, part.metadata().ok()?)));
    let problem = match nearest {
        Some((part, found)) if !found.is_dir() => format!("{} is not a directory", part.display()),
        _ if path.as_os_str().is_empty() => "its name is empty".to_owned(),
        _ => return Ok(()),
    };
    Err(PipelineError::usage(problem).with_context(format!("output directory {}", path.display())))
}

/// Writes a file, which appears only when it is complete.
///
/// # Errors
/// As [`check_output`]; otherwise what the disk reports.
pub fn write_output(path: &Path, contents: &[u8], overwrite: bool) -> Result<(), PipelineError> {
    check_output(path, overwrite)?;
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
    /// As [`check_directory`]; otherwise what the disk reports.
    pub fn create(path: &Path) -> Result<Self, PipelineError> {
        check_directory(path)?;
        let context = || format!("output directory {}", path.display());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(context)?;
        }
        // The run that made it may remove it before another one that found it has written anything.
        for _ in 0..100 {
            match Self::try_create(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other.with_context(context),
            }
        }
        Self::try_create(path).with_context(context)
    }

    fn try_create(path: &Path) -> io::Result<Self> {
        // Of two runs at the same time one has made it, and the other must not remove it again.
        let made = match std::fs::create_dir(path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(_) if path.is_dir() => false,
            Err(error) => return Err(error),
        };
        let directory = Self { path: path.to_owned(), made };
        let probe = atomic::AtomicFile::new(&Self::probe(path), true)?;
        std::fs::File::create_new(probe.path())?;
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

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn of_runs_at_the_same_time_one_has_made_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/out");
        for _ in 0..20 {
            let start = Barrier::new(8);
            let made = std::thread::scope(|scope| {
                let one = || {
                    start.wait();
                    let directory = OutputDirectory::create(&path).unwrap();
                    start.wait();
                    let made = directory.made;
                    directory.keep();
                    made
                };
                let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
                all.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>()
            });
            assert_eq!(made, 1);
            drop(OutputDirectory::create(&path).unwrap());
            assert!(path.exists(), "it was there before");
            std::fs::remove_dir(&path).unwrap();
        }
        drop(OutputDirectory::create(&path).unwrap());
        assert!(!path.exists(), "it was made for nothing");
    }

    #[test]
    fn a_directory_that_another_run_removes_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        std::thread::scope(|scope| {
            let one = || {
                for _ in 0..100 {
                    drop(OutputDirectory::create(&path).unwrap());
                    std::fs::remove_dir(&path).ok();
                }
            };
            (0..3).for_each(|_| drop(scope.spawn(one)));
        });
    }
}
