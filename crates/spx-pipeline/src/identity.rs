//! What tells one input from another: which exposure, made how, and which content. Every resume,
//! table and accumulator goes by this.

use std::fmt;
use std::path::Path;
use std::time::UNIX_EPOCH;

pub use spx_core::release::{DataRelease, Processing, ReleaseChoice, ReleaseIdentity};

/// Which content a file has, as far as can be seen without reading it: another size or time of
/// modification means that it was replaced. All 0 for a file that cannot be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContentStamp {
    bytes: u64,
    /// Since 1970 \[ns\].
    modified: i64,
}

impl ContentStamp {
    /// Looks at a file.
    pub fn of(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        let modified = metadata.as_ref().and_then(|m| m.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        Self {
            bytes: metadata.map_or(0, |m| m.len()),
            modified: modified.and_then(|since| since.as_nanos().try_into().ok()).unwrap_or(0),
        }
    }

    /// When the file was last modified, since 1970 \[ns\], where that is known.
    pub fn modified(self) -> Option<i64> {
        Some(self.modified).filter(|modified| *modified != 0)
    }
}

impl fmt::Display for ContentStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of {}", self.bytes, self.modified)
    }
}

/// A line that changes where the file at a path is replaced by another. Files below `directory`,
/// that of the run, are named from there, so that a run can be moved with its files, and gone on
/// with from anywhere.
pub fn identity_line(path: &Path, directory: &Path) -> String {
    let name = path.strip_prefix(directory).unwrap_or(path);
    format!("{}: {}", name.display(), ContentStamp::of(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_another_stamp() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one").unwrap();
        let before = ContentStamp::of(file.path());
        assert_eq!(before, ContentStamp::of(file.path()));
        let time = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::File::options().write(true).open(file.path()).unwrap().set_modified(time).unwrap();
        assert_ne!(before, ContentStamp::of(file.path()));
    }
}
