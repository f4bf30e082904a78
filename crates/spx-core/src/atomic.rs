//! Files that appear under their final name only when they are complete: a temporary name in the
//! same directory, flush to disk, rename.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The temporary files of this process.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as it lives, no file is begun or takes its name.
#[derive(Debug)]
#[must_use]
pub struct Abandoned {
    _unfinished: MutexGuard<'static, BTreeSet<PathBuf>>,
}

/// Removes the temporary files of all threads, for a process that is about to end.
pub fn abandon_all() -> Abandoned {
    let unfinished = unfinished();
    for temporary in unfinished.iter() {
        fs::remove_file(temporary).ok();
    }
    Abandoned { _unfinished: unfinished }
}

/// A file being written. Dropped without [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    temporary: PathBuf,
    target: PathBuf,
    overwrite: bool,
}

impl AtomicFile {
    /// Prepares to write `target`; the temporary name is free and nothing is created yet.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where the target is there and `overwrite` is false;
    /// [`io::ErrorKind::InvalidInput`] where the path has no file name, or is that of a device, a
    /// pipe or a directory, which no file may replace.
    pub fn new(target: &Path, overwrite: bool) -> io::Result<Self> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let Some(name) = target.file_name() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"));
        };
        if !overwrite && target.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if target.metadata().is_ok_and(|found| !found.is_file()) {
            let problem = "it is not a regular file, which alone can be replaced";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{serial}.part", std::process::id()));
        let temporary = target.with_file_name(hidden);
        unfinished().insert(temporary.clone());
        Ok(Self { temporary, target: target.to_owned(), overwrite })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Flushes the file to disk and gives it its name.
    ///
    /// # Errors
    /// What flushing or renaming reports; the temporary file is then removed.
    pub fn commit(self) -> io::Result<()> {
        File::open(&self.temporary)?.sync_all()?;
        let _not_abandoned = unfinished();
        if self.overwrite {
            fs::rename(&self.temporary, &self.target)?;
        } else {
            // A link, unlike a rename, fails where another process has made the target meanwhile.
            fs::hard_link(&self.temporary, &self.target).or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Err(error),
                _ => fs::rename(&self.temporary, &self.target),
            })?;
        }
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        fs::remove_file(&self.temporary).ok();
        unfinished().remove(&self.temporary);
    }
}

/// Removes the temporary files of `target` that killed processes have left. The caller knows that
/// no process is writing it now.
///
/// # Errors
/// What listing the directory or removing a file reports.
pub fn remove_leftovers(target: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (target.parent(), target.file_name().and_then(|n| n.to_str())) else {
        return Ok(());
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    remove_temporary(directory, |of| of == name)
}

/// Removes the temporary files in a directory that killed processes have left, whatever they were
/// to become. The caller knows that no process is writing there now.
///
/// # Errors
/// What listing the directory or removing a file reports.
pub fn remove_all_leftovers(directory: &Path) -> io::Result<()> {
    remove_temporary(directory, |_| true)
}

/// Removes the temporary files of those targets in a directory whose names `of` wants.
fn remove_temporary(directory: &Path, of: impl Fn(&str) -> bool) -> io::Result<()> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_leftover = |file: &str| {
        let rest = file.strip_prefix('.').and_then(|f| f.strip_suffix(".part"));
        let Some((name, (process, serial))) =
            rest.and_then(|r| r.rsplit_once('.')).and_then(|(name, n)| Some((name, n.split_once('-')?)))
        else {
            return false;
        };
        of(name) && is_number(process) && is_number(serial)
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_leftover) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a small file whole.
///
/// # Errors
/// As [`AtomicFile`], and what writing reports.
pub fn write(target: &Path, contents: &[u8], overwrite: bool) -> io::Result<()> {
    let file = AtomicFile::new(target, overwrite)?;
    File::create_new(file.path())?.write_all(contents)?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.txt");
        let file = AtomicFile::new(&target, false).unwrap();
        fs::write(file.path(), "half").unwrap();
        assert!(!target.exists());
        drop(file);
        assert!(names(dir.path()).is_empty(), "a file that is given up leaves nothing");
        write(&target, b"whole", false).unwrap();
        assert_eq!(names(dir.path()), ["a.txt"]);
        assert_eq!(fs::read(&target).unwrap(), b"whole");
    }

    #[test]
    fn what_killed_processes_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        remove_all_leftovers(&dir.path().join("none")).unwrap();
        let kept = [".a.txt.1-x.part", ".a.txt.part", ".b.txt.1-0.part", "a.txt"];
        for name in kept.into_iter().chain([".a.txt.1-0.part", ".a.txt.4711-12.part"]) {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_leftovers(&dir.path().join("a.txt")).unwrap();
        assert_eq!(names(dir.path()), kept);
        remove_all_leftovers(dir.path()).unwrap();
        assert_eq!(names(dir.path()), [".a.txt.1-x.part", ".a.txt.part", "a.txt"]);
    }

    #[test]
    fn only_files_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let error = AtomicFile::new(dir.path(), true).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        #[cfg(unix)]
        {
            let device = dir.path().join("null.fits");
            std::os::unix::fs::symlink("/dev/null", &device).unwrap();
            assert_eq!(AtomicFile::new(&device, true).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn overwrites_only_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.txt");
        write(&target, b"old", false).unwrap();
        assert_eq!(write(&target, b"new", false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let late = AtomicFile::new(&dir.path().join("b.txt"), false).unwrap();
        fs::write(late.path(), "mine").unwrap();
        fs::write(dir.path().join("b.txt"), "theirs").unwrap();
        assert_eq!(late.commit().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        write(&target, b"new", true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["a.txt", "b.txt"]);
    }
}
