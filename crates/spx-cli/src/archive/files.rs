//! Getting files: from a mirror, the cloud copy or the archive, and what became of each.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::anyhow;
use serde::Serialize;
use spx_archive::{ArchiveError, ArchiveUrl, Downloader, FileReport, Outcome, Source, Target};

use super::progress::DownloadBar;
use crate::exit::Failure;
use crate::ui::{self, Verbosity};

/// Where files are looked for behind the mirror, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remote {
    Cloud,
    Irsa,
}

impl FromStr for Remote {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "cloud" => Ok(Self::Cloud),
            "irsa" => Ok(Self::Irsa),
            _ => Err(format!("there is no source `{text}`: it is `cloud` or `irsa`")),
        }
    }
}

/// The order of the sources: the mirror where there is one, then those that are named; by default the cloud copy
/// and IRSA, or for another archive that one alone, for the cloud has no copy of it.
pub(crate) fn sources(mirror: Option<&Path>, named: &[Remote], archive: &ArchiveUrl) -> Vec<Source> {
    let default: &[Remote] = match *archive == ArchiveUrl::default() {
        true => &[Remote::Cloud, Remote::Irsa],
        false => &[Remote::Irsa],
    };
    let remotes = if named.is_empty() { default } else { named };
    let mirror = mirror.map(|path| Source::Mirror(path.to_owned()));
    let remotes = remotes.iter().map(|remote| match remote {
        Remote::Cloud => Source::Cloud,
        Remote::Irsa => Source::Archive,
    });
    mirror.into_iter().chain(remotes).collect()
}

/// Refuses a mirror that is no directory, for everything would be fetched instead.
///
/// # Errors
/// Usage.
pub(crate) fn check_mirror(sources: &[Source]) -> Result<(), Failure> {
    for source in sources {
        if let Source::Mirror(path) = source
            && !path.is_dir()
        {
            return Err(Failure::usage(anyhow!("data mirror {} is no directory", path.display())));
        }
    }
    Ok(())
}

/// What became of the files.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// Every file that is there now, whole, in the order of the targets.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) reports: Vec<FetchReport>,
}

/// One file, for `--json`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FetchReport {
    pub(crate) file: String,
    /// `fetched`, `resumed`, `present`, `mirror` or `failed`.
    pub(crate) status: &'static str,
    /// Bytes that came over the network.
    pub(crate) bytes: u64,
    pub(crate) reason: Option<String>,
}

impl Fetched {
    pub(crate) fn failed(&self) -> usize {
        self.reports.iter().filter(|r| r.reason.is_some()).count()
    }
}

impl fmt::Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |status: &str| self.reports.iter().filter(|r| r.status == status).count();
        let bytes: u64 = self.reports.iter().map(|r| r.bytes).sum();
        write!(
            f,
            "{} files: {} fetched ({:.1} MB), {} there already, {} in the mirror, {} failed",
            self.reports.len(),
            of("fetched") + of("resumed"),
            bytes as f64 / 1e6,
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
pub(crate) fn fetch(
    downloader: &Downloader<'_>,
    targets: Vec<Target>,
    verbosity: Verbosity,
) -> Result<Fetched, Failure> {
    let bar = DownloadBar::new(verbosity);
    let plan = downloader.plan(targets, &bar).map_err(failure)?;
    if plan.missing() > 0 {
        let text = format!("{} files to fetch, up to {:.1} MB", plan.missing(), plan.bytes() as f64 / 1e6);
        ui::note(verbosity, &text);
    }
    let reports = downloader.run(plan, &bar);
    if ui::interrupted() {
        return Err(Failure::interrupted());
    }
    let mut fetched = Fetched::default();
    for report in reports {
        fetched.files.extend(report.file().map(Path::to_owned));
        fetched.reports.push(told(&report));
    }
    Ok(fetched)
}

fn failure(error: ArchiveError) -> Failure {
    match error {
        ArchiveError::Cancelled => Failure::interrupted(),
        other => anyhow!(other).into(),
    }
}

fn told(report: &FileReport) -> FetchReport {
    let (status, bytes, reason) = match &report.outcome {
        Outcome::Fetched { bytes } => ("fetched", *bytes, None),
        Outcome::Resumed { bytes, .. } => ("resumed", *bytes, None),
        Outcome::AlreadyThere => ("present", 0, None),
        Outcome::FromMirror => ("mirror", 0, None),
        Outcome::Failed { cause } => ("failed", 0, Some(cause.to_string())),
    };
    FetchReport { file: report.path.display().to_string(), status, bytes, reason }
}
