//! What tells one input from another: which exposure, made how, and which content. Every resume,
//! table and accumulator goes by this.

use std::fmt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use spx_archive::{Processing, ProductName};
use spx_core::detector::Detector;

/// How an input was made. A later processing is greater.
///
/// The file's name says it; where it does not, the card VERSION of its header decides, and such a
/// file is older than every one whose name does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputProcessing {
    /// Version, date and repetition, by the name.
    pub product: Option<Processing>,
    /// The numbers of VERSION: `[6, 4, 1]`.
    version: Vec<u64>,
    /// The card VERSION.
    pub pipeline: Option<String>,
}

impl InputProcessing {
    /// What a file name and the card VERSION say.
    pub fn new(name: &str, version: Option<&str>) -> Self {
        let numbers = version.into_iter().flat_map(|text| text.split(|c: char| !c.is_ascii_digit()));
        Self {
            product: ProductName::parse(name).map(|name| name.processing),
            version: numbers.filter_map(|number| number.parse().ok()).collect(),
            pipeline: version.map(str::to_owned),
        }
    }
}

impl fmt::Display for InputProcessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.product, &self.pipeline) {
            (Some(product), _) => product.fmt(f),
            (None, Some(version)) => write!(f, "version {version}"),
            (None, None) => f.write_str("unknown version"),
        }
    }
}

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

/// A line that changes where the file at a path is replaced by another.
pub fn identity_line(path: &Path) -> String {
    format!("{}: {}", path.display(), ContentStamp::of(path))
}

/// Exposure and processing by the name of a file, `None` where the name does not say.
pub(crate) fn named_exposure(name: &str) -> Option<((&str, Detector), Processing)> {
    ProductName::parse(name).map(|name| ((name.obs_id, name.detector), name.processing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_processings_are_greater() {
        let of = |name: &str, version: &str| {
            InputProcessing::new(&format!("level2_2025W51_1A_0684_2D3_spx_{name}.fits"), Some(version))
        };
        let mut made = [
            of("l2b_retry-v27-2026-242", "6.5.5"),
            of("l2b-v27-2026-242", "6.5.5"),
            of("l2b-v9-2027-001", "6.5.5"),
            of("copy", "6.10.1"),
            of("copy", "6.9.2"),
            of("l2b-v27-2026-243", "6.5.5"),
        ];
        made.sort();
        let shown: Vec<String> = made.iter().map(ToString::to_string).collect();
        let expected = [
            "version 6.9.2",
            "version 6.10.1",
            "v9-2027-001",
            "v27-2026-242",
            "retry-v27-2026-242",
            "v27-2026-243",
        ];
        assert_eq!(shown, expected);
    }

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
