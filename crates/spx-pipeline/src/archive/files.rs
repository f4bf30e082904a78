//! Getting files: from a mirror, the cloud copy or the archive, and what became of each.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use spx_archive::{ArchiveUrl, DownloadOutcome, DownloadSource, DownloadTarget, Downloader, FileReport};

use crate::amount::amount;
use crate::{Listener, PipelineError};

/// Where files are looked for behind the mirror, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteSource {
    /// The copy in the cloud.
    Cloud,
    /// The archive.
    Irsa,
}

impl FromStr for RemoteSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "cloud" => Ok(Self::Cloud),
            "irsa" => Ok(Self::Irsa),
            _ => Err(format!("unknown source `{text}`: expected `cloud` or `irsa`")),
        }
    }
}

/// The order of the sources: the mirror where there is one, then those that are named; by default
/// the cloud copy and IRSA, or for another archive that one alone, for the cloud has no copy of it.
pub fn sources(mirror: Option<&Path>, named: &[RemoteSource], archive: &ArchiveUrl) -> Vec<DownloadSource> {
    let default: &[RemoteSource] = match *archive == ArchiveUrl::default() {
        true => &[RemoteSource::Cloud, RemoteSource::Irsa],
        false => &[RemoteSource::Irsa],
    };
    let remotes = if named.is_empty() { default } else { named };
    let mirror = mirror.map(|path| DownloadSource::Mirror(path.to_owned()));
    let remotes = remotes.iter().map(|remote| match remote {
        RemoteSource::Cloud => DownloadSource::Cloud,
        RemoteSource::Irsa => DownloadSource::Archive,
    });
    mirror.into_iter().chain(remotes).collect()
}

/// Refuses a mirror that is no directory, for everything would be fetched instead.
///
/// # Errors
/// Usage.
pub fn check_mirror(mirror: Option<&Path>) -> Result<(), PipelineError> {
    match mirror.filter(|path| !path.is_dir()) {
        Some(path) => Err(PipelineError::usage(format!("data mirror {} is not a directory", path.display()))),
        None => Ok(()),
    }
}

/// What became of files that were to be fetched.
#[derive(Debug, Default)]
pub struct FetchedFiles {
    /// Every file that is there now, whole, in the order of the targets.
    pub files: Vec<PathBuf>,
    /// One a target.
    pub reports: Vec<FetchReport>,
}

/// One file, for `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct FetchReport {
    /// Its path.
    pub file: String,
    /// `fetched`, `resumed`, `present`, `mirror` or `failed`.
    pub status: &'static str,
    /// Bytes that came over the network.
    pub bytes: u64,
    /// Why it failed.
    pub reason: Option<String>,
}

impl FetchedFiles {
    /// Number of files that are not there.
    pub fn failed(&self) -> usize {
        self.reports.iter().filter(|r| r.reason.is_some()).count()
    }
}

impl fmt::Display for FetchedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |status: &str| self.reports.iter().filter(|r| r.status == status).count();
        let bytes: u64 = self.reports.iter().map(|r| r.bytes).sum();
        write!(
            f,
            "{} {}: {} fetched ({}), {} there already, {} in the mirror, {} failed",
            self.reports.len(),
            files(self.reports.len()),
            of("fetched") + of("resumed"),
            amount(bytes as f64),
            of("present"),
            of("mirror"),
            of("failed")
        )
    }
}

/// Fetches what is not there yet. A file that fails does not stop the others.
///
/// # Errors
/// Where the disk is too small, or the user interrupts.
pub fn fetch(
    downloader: &Downloader<'_>,
    targets: Vec<DownloadTarget>,
    listener: &dyn Listener,
) -> Result<FetchedFiles, PipelineError> {
    let plan = downloader.plan(targets, listener)?;
    if plan.missing() > 0 {
        let count = plan.missing();
        let text = format!("{count} {} to fetch, up to {}", files(count), amount(plan.bytes() as f64));
        listener.note(&text);
    }
    let reports = downloader.run(plan, listener);
    if listener.cancelled() {
        return Err(PipelineError::Interrupted);
    }
    let mut fetched = FetchedFiles::default();
    for report in reports {
        fetched.files.extend(report.file().map(Path::to_owned));
        fetched.reports.push(told(&report));
    }
    Ok(fetched)
}

/// `file` or `files`.
fn files(count: usize) -> &'static str {
    if count == 1 { "file" } else { "files" }
}

fn told(report: &FileReport) -> FetchReport {
    let (status, bytes, reason) = match &report.outcome {
        DownloadOutcome::Fetched { bytes } => ("fetched", *bytes, None),
        DownloadOutcome::Resumed { bytes, .. } => ("resumed", *bytes, None),
        DownloadOutcome::AlreadyThere => ("present", 0, None),
        DownloadOutcome::FromMirror => ("mirror", 0, None),
        DownloadOutcome::Failed { cause } => ("failed", 0, Some(cause.to_string())),
    };
    FetchReport { file: report.path.display().to_string(), status, bytes, reason }
}
