//! Downloads: many files, a few at a time, each of them whole or not there at all.
//!
//! A file grows under the hidden name `.NAME.part`, beside `.NAME.part.toml` which says what it is
//! part of, and takes its own name only after every byte announced has arrived and its structure as
//! a FITS file has been walked to the end. Whenever a run is killed, the next one takes up what is
//! there.

mod downloader;
mod fetch;
mod gate;
mod part;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spx_core::progress::{Progress, Silent};

use crate::error::ArchiveError;
use crate::retry::RetryOptions;
use crate::target::DownloadTarget;

pub use downloader::Downloader;

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownloadSource {
    /// A directory with the paths of the archive below `ibe/data/spherex/`: `qr2/level2/...`. It
    /// has whole images only; they serve for cutouts too where
    /// [`DownloadOptions::whole_for_cutout`] says so.
    Mirror(PathBuf),
    /// The copy in the cloud, which has whole images only and is passed over for cutouts.
    Cloud,
    /// The archive itself.
    Archive,
}

impl fmt::Display for DownloadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mirror(directory) => write!(f, "mirror {}", directory.display()),
            Self::Cloud => f.write_str("cloud"),
            Self::Archive => f.write_str("archive"),
        }
    }
}

/// What is done with a file that a mirror has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MirrorUse {
    /// It is used where it is; the report names its path in the mirror.
    #[default]
    InPlace,
    /// It is copied into the output directory.
    Copy,
}

/// How files are laid out below the output directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DownloadLayout {
    /// All in one directory.
    #[default]
    Flat,
    /// In `D1` to `D6`; what is no spectral image stays above them.
    ByDetector,
    /// As in the archive below `ibe/data/spherex/`, so that the directory serves as a mirror.
    #[serde(rename = "archive")]
    AsArchive,
}

impl DownloadLayout {
    /// Where the file of a target goes. Every part of it was checked when the target was made.
    pub fn path(self, directory: &Path, target: &DownloadTarget) -> PathBuf {
        match (self, &target.exposure) {
            (Self::ByDetector, Some((_, detector))) => {
                directory.join(detector.to_string()).join(target.file_name())
            }
            (Self::AsArchive, _) => {
                directory.join(target.uri.mirror_path()).with_file_name(target.file_name())
            }
            _ => directory.join(target.file_name()),
        }
    }
}

/// How downloads are done.
#[derive(Debug, Clone, PartialEq)]
pub struct DownloadOptions {
    /// Files at a time, at least one.
    pub workers: usize,
    /// Where files are looked for, in this order.
    pub sources: Vec<DownloadSource>,
    /// What is done with files of a mirror.
    pub mirror_use: MirrorUse,
    /// True where a mirror's whole image will do for a cutout.
    pub whole_for_cutout: bool,
    /// Files that are there are fetched anew; each is replaced when the new one is complete.
    pub anew: bool,
    /// Where files go.
    pub layout: DownloadLayout,
    /// Tries and waits.
    pub retry: RetryOptions,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        Self {
            workers: 4,
            sources: vec![DownloadSource::Archive],
            mirror_use: MirrorUse::default(),
            whole_for_cutout: false,
            anew: false,
            layout: DownloadLayout::default(),
            retry: RetryOptions::default(),
        }
    }
}

/// Hears of downloads as they go, from several threads at once. Its task has a step a file.
pub trait DownloadProgress: Progress {
    /// The bytes that are to come; more exact as sizes become known.
    fn total_bytes(&self, bytes: u64) {
        let _ = bytes;
    }

    /// More bytes have arrived.
    fn received(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Bytes that had arrived are of no use and come once more.
    fn lost(&self, bytes: u64) {
        let _ = bytes;
    }

    /// A worker waits before it tries again.
    fn waiting(&self, target: &DownloadTarget, why: &ArchiveError, wait: Duration) {
        let _ = (target, why, wait);
    }

    /// A file is done with.
    fn done(&self, report: &FileReport) {
        let _ = report;
    }
}

impl DownloadProgress for Silent {}

/// What is to be done for one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownloadState {
    /// It is there, whole.
    Present,
    /// A mirror has it, whole.
    Mirrored,
    /// It has to be fetched: bytes still to come, as far as is known.
    Missing {
        /// Bytes to come.
        bytes: u64,
    },
}

/// One file of a plan.
#[derive(Debug)]
pub struct PlannedFile {
    /// The file.
    pub target: DownloadTarget,
    /// Where it will be, or is.
    pub path: PathBuf,
    /// What is to be done.
    pub state: DownloadState,
}

/// What a download will do.
#[derive(Debug)]
pub struct DownloadPlan {
    /// The files, in the order in which they were given, without repetitions.
    pub files: Vec<PlannedFile>,
    /// Free space of the disk \[bytes\], where the system tells.
    pub free: Option<u64>,
    /// Files that cannot be had because another one has their name.
    pub conflicts: Vec<FileReport>,
}

impl DownloadPlan {
    /// Bytes still to come, as far as is known.
    pub fn bytes(&self) -> u64 {
        self.files
            .iter()
            .map(|f| if let DownloadState::Missing { bytes } = f.state { bytes } else { 0 })
            .sum()
    }

    /// Files that have to be fetched.
    pub fn missing(&self) -> usize {
        self.files.iter().filter(|f| matches!(f.state, DownloadState::Missing { .. })).count()
    }
}

/// How a file came out.
#[derive(Debug)]
pub enum DownloadOutcome {
    /// It was fetched.
    Fetched {
        /// Bytes that came over the network for it.
        bytes: u64,
    },
    /// The rest of it was fetched.
    Resumed {
        /// Bytes that came over the network in this run.
        bytes: u64,
        /// Bytes that were there before.
        from: u64,
    },
    /// It was there, and is whole.
    AlreadyThere,
    /// A mirror has it.
    FromMirror,
    /// It could not be had.
    Failed {
        /// Why.
        cause: ArchiveError,
    },
}

/// What became of a file.
#[derive(Debug)]
pub struct FileReport {
    /// The file.
    pub target: DownloadTarget,
    /// Where it is, or would be.
    pub path: PathBuf,
    /// Where it came from, where it came.
    pub source: Option<DownloadSource>,
    /// Requests that were made for it.
    pub attempts: u32,
    /// How it came out.
    pub outcome: DownloadOutcome,
}

impl FileReport {
    /// The file, where it is there and whole.
    pub fn file(&self) -> Option<&Path> {
        (!matches!(self.outcome, DownloadOutcome::Failed { .. })).then_some(self.path.as_path())
    }
}
