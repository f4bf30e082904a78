//! Paths of files in the archive, checked so that none can leave the directory it is written to.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// The path of a file in the archive, `ibe/data/spherex/qr2/level2/.../name.fits`, without leading
/// slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArchivePath(String);

/// Why a path from the archive is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the archive lists the path {path:?}, which is refused: {problem}")]
pub struct ArchivePathError {
    path: String,
    problem: &'static str,
}

impl ArchivePath {
    /// What every path begins with.
    pub const ROOT: &str = "ibe/data/spherex/";

    /// Longest path and longest segment \[bytes\].
    const LONGEST: (usize, usize) = (1024, 200);

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below [`ROOT`](Self::ROOT), as it stands in the cloud copy:
    /// `qr2/level2/.../name.fits`.
    pub fn below_root(&self) -> &str {
        &self.0[Self::ROOT.len()..]
    }

    /// The path of the file in a mirror directory, relative to it.
    pub fn mirror_path(&self) -> PathBuf {
        self.below_root().split('/').collect()
    }

    /// The first directory: the release, such as `qr2`.
    pub fn release(&self) -> &str {
        self.below_root().split('/').next().unwrap_or_default()
    }

    /// The file's name.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for ArchivePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ArchivePath {
    type Err = ArchivePathError;

    /// Takes only plain relative paths below [`ROOT`](Self::ROOT) that name a FITS file: no `..`,
    /// no hidden or empty segment, no backslash, colon, percent sign or control character.
    fn from_str(path: &str) -> Result<Self, Self::Err> {
        match problem_of(path) {
            None => Ok(Self(path.to_owned())),
            // A hostile path may be long; a message need not.
            Some(problem) => Err(ArchivePathError { path: path.chars().take(200).collect(), problem }),
        }
    }
}

fn problem_of(path: &str) -> Option<&'static str> {
    let (longest, longest_segment) = ArchivePath::LONGEST;
    if path.len() > longest {
        return Some("it is too long");
    }
    if path.chars().any(|c| c.is_control() || "\\:%?#*\"<>|".contains(c)) {
        return Some("it contains a character that no name of the archive has");
    }
    let Some(rest) = path.strip_prefix(ArchivePath::ROOT) else {
        return Some("it is not below ibe/data/spherex/");
    };
    for segment in rest.split('/') {
        if segment.is_empty() {
            return Some("it has an empty segment");
        }
        // This covers `.` and `..`, and names that would hide or clash with partial files.
        if segment.starts_with('.') || segment.ends_with(['.', ' ']) || segment.starts_with(' ') {
            return Some("a segment begins or ends with a dot or a blank");
        }
        if segment.len() > longest_segment {
            return Some("a segment is too long");
        }
    }
    let fits = [".fits", ".fits.gz", ".fits.fz"].iter().any(|end| rest.ends_with(end));
    (!fits).then_some("it does not name a FITS file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_path() {
        let path: ArchivePath = "ibe/data/spherex/qr2/level2/2025W51_1A/a.fits".parse().unwrap();
        assert_eq!(path.release(), "qr2");
        assert_eq!(path.file_name(), "a.fits");
        assert_eq!(path.mirror_path(), PathBuf::from("qr2/level2/2025W51_1A/a.fits"));
    }

    #[test]
    fn hostile_paths_are_refused() {
        let long = format!("ibe/data/spherex/{}.fits", "a".repeat(300));
        for bad in [
            "/ibe/data/spherex/qr2/a.fits",
            "ibe/data/spherex/../../../etc/passwd.fits",
            "ibe/data/spherex/qr2/../a.fits",
            "ibe/data/spherex/qr2/./a.fits",
            "ibe/data/spherex//a.fits",
            "ibe/data/spherex/qr2\\..\\a.fits",
            "ibe/data/spherex/qr2/a%2e.fits",
            "ibe/data/spherex/C:/a.fits",
            "ibe/data/spherex/qr2/a\n.fits",
            "ibe/data/spherex/qr2/a\0.fits",
            "ibe/data/spherex/.bashrc",
            "ibe/data/spherex/.fits",
            "ibe/data/spherex/qr2/a.exe",
            "ibe/data/spherex/",
            "http://example.org/a.fits",
            "",
            &long,
        ] {
            assert!(bad.parse::<ArchivePath>().is_err(), "{bad:?}");
        }
    }
}
