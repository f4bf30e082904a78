//! What tells one input from another, for every resume, table and accumulator: which exposure, made
//! how (its `ExposureId` and [`ReleaseIdentity`]), and which content ([`InputIdentity`]).

use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use spx_core::fits::{FitsReader, verify_file};
pub use spx_core::release::{DataRelease, Processing, ReleaseChoice, ReleaseIdentity};
use twox_hash::XxHash3_128;

/// Larger files without checksums are told apart by their time: to read them takes as long as to
/// measure on them.
const MAX_HASHED: u64 = 32 << 20;

/// Which content a file has.
///
/// Two files of one name have the same content where size and digest are the same. The digest is
/// that of the cards DATASUM and CHECKSUM where all HDUs have both, else that of all bytes. Larger
/// files without checksums have none; for them the time of modification decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputIdentity {
    bytes: u64,
    /// Of the content, since 1970 \[ns\].
    modified: i64,
    /// Of the content or of what the system knows of it, such as its name, since 1970 \[ns\]; 0
    /// where the system does not say.
    changed: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl InputIdentity {
    /// Looks at a file, and into it; all 0 where that is not possible.
    pub fn of(path: &Path) -> Self {
        let seen = Self::look(path);
        Self { digest: seen.content(path), ..seen }
    }

    /// The identity of a file that had this one before. Where no time has changed since, the file
    /// is not read.
    pub fn now(&self, path: &Path) -> Self {
        let seen = Self::look(path);
        if (seen.bytes, seen.modified, seen.changed) == (self.bytes, self.modified, self.changed) {
            return self.clone();
        }
        let mut digest = seen.content(path);
        // Programs that change pixels in place often leave the old sums in the cards.
        if digest.is_some() && digest == self.digest && verify_file(path).is_err() {
            digest = hash(path);
        }
        Self { digest, ..seen }
    }

    /// The digest, where the file has one.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// What changes with the content, also where a program has left the old sums in the cards, and
    /// whenever the file is written again.
    pub(crate) fn with_time(&self) -> String {
        format!("{self}, of {}", self.modified)
    }

    fn look(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        let modified = metadata.as_ref().and_then(|m| m.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        Self {
            bytes: metadata.as_ref().map_or(0, Metadata::len),
            modified: modified.and_then(|since| since.as_nanos().try_into().ok()).unwrap_or(0),
            changed: metadata.as_ref().map_or(0, changed),
            digest: None,
        }
    }

    fn content(&self, path: &Path) -> Option<String> {
        sums(path).or_else(|| if self.bytes <= MAX_HASHED { hash(path) } else { None })
    }
}

impl fmt::Display for InputIdentity {
    /// Changes with the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.digest {
            Some(digest) => write!(f, "{} bytes, {digest}", self.bytes),
            None => write!(f, "{} bytes of {}", self.bytes, self.modified),
        }
    }
}

#[cfg(unix)]
fn changed(file: &Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt as _;
    file.ctime().saturating_mul(1_000_000_000).saturating_add(file.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> i64 {
    0
}

/// Digest of the cards DATASUM and CHECKSUM of a plain FITS file all of whose HDUs have both.
fn sums(path: &Path) -> Option<String> {
    let mut start = [0; 6];
    File::open(path).ok()?.read_exact(&mut start).ok()?;
    // What is compressed would have to be read as a whole.
    if &start != b"SIMPLE" {
        return None;
    }
    let mut reader = FitsReader::open(path).ok()?;
    let mut all = String::new();
    for index in 0..reader.hdu_count().ok()? {
        reader.move_to_index(index).ok()?;
        let header = reader.header().ok()?;
        for keyword in ["DATASUM", "CHECKSUM"] {
            all.push_str(header.optional_text(keyword).ok()??);
            all.push('\n');
        }
    }
    Some(format!("sums {:032x}", XxHash3_128::oneshot(all.as_bytes())))
}

/// Digest of all bytes of a file.
fn hash(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let (mut hasher, mut buffer) = (XxHash3_128::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(format!("xxh3 {:032x}", hasher.finish_128())),
            count => hasher.write(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use spx_core::fits::FitsWriter;
    use spx_core::header::Header;

    use super::*;

    /// A file with one image of four pixels; with sums where they are wanted.
    fn write_image(path: &Path, pixels: [f32; 4], with_sums: bool) {
        std::fs::remove_file(path).ok();
        let mut fits = FitsWriter::create(path).unwrap();
        fits.image::<f32>(&[2, 2], &Header::new()).unwrap();
        fits.write_pixels(0, &pixels).unwrap();
        if with_sums {
            fits.checksum().unwrap();
        }
        fits.finish().unwrap();
    }

    fn set_modified(path: &Path, time: SystemTime) {
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn content_decides_and_not_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.fits");
        for with_sums in [true, false] {
            write_image(&path, [1.0, 2.0, 3.0, 4.0], with_sums);
            let before = InputIdentity::of(&path);
            let time = std::fs::metadata(&path).unwrap().modified().unwrap();
            assert_eq!(before.digest().unwrap().starts_with("sums"), with_sums);
            set_modified(&path, time + Duration::from_secs(5));
            let touched = before.now(&path);
            assert_ne!(before, touched);
            assert_eq!(before.to_string(), touched.to_string());
            // Another file of the same size, with the time of the first.
            write_image(&path, [1.0, 2.0, 3.0, 5.0], with_sums);
            set_modified(&path, time);
            if cfg!(unix) {
                assert_ne!(before.to_string(), before.now(&path).to_string());
            }
            assert_ne!(before.to_string(), InputIdentity::of(&path).to_string());
        }
    }

    #[test]
    fn sums_that_no_longer_hold_are_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.fits");
        write_image(&path, [1.0, 2.0, 3.0, 4.0], true);
        let before = InputIdentity::of(&path);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[2880..2884].copy_from_slice(&9.0f32.to_be_bytes());
        std::fs::write(&path, bytes).unwrap();
        set_modified(&path, SystemTime::now() + Duration::from_secs(5));
        assert_eq!(before.digest, InputIdentity::of(&path).digest, "the cards are the same");
        assert_ne!(before.to_string(), before.now(&path).to_string());
    }

    #[test]
    fn the_time_decides_for_large_files_without_sums() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_HASHED + 1).unwrap();
        let before = InputIdentity::of(file.path());
        assert_eq!(before.digest(), None);
        assert_eq!(before.to_string(), before.now(file.path()).to_string());
        set_modified(file.path(), SystemTime::now() + Duration::from_secs(5));
        assert_ne!(before.to_string(), before.now(file.path()).to_string());
    }

    #[test]
    fn a_file_that_is_not_there_has_an_identity() {
        let gone = InputIdentity::of(Path::new("/nowhere/a.fits"));
        assert_eq!(gone.to_string(), "0 bytes of 0");
    }
}
