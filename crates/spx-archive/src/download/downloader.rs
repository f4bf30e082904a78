//! Many files: what is there, what is missing, and the workers that fetch it.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fs4::TryLockError;
use ureq::http::Method;
use url::Url;

use super::fetch::{Arrived, Fetch};
use super::gate::Gate;
use super::part::Part;
use super::{
    DownloadOptions, DownloadOutcome, DownloadPlan, DownloadProgress, DownloadSource, DownloadState,
    FileReport, MirrorUse, PlannedFile,
};
use crate::client::ArchiveClient;
use crate::error::ArchiveError;
use crate::fits_check::check_file;
use crate::http::Request;
use crate::retry::sleep_until;
use crate::target::DownloadTarget;

/// A try that brought at least this much further does not count \[bytes\]: a connection that breaks
/// again and again still carries a large file to its end, and one that brings less and less does
/// not keep us for ever.
const HEADWAY: u64 = 4 << 10;

/// Downloads into one directory, which is locked against other downloads as long as this lives.
#[derive(Debug)]
pub struct Downloader<'a> {
    client: &'a ArchiveClient,
    directory: PathBuf,
    options: DownloadOptions,
    gate: Gate,
    /// Holds the lock.
    _lock: Option<File>,
}

impl<'a> Downloader<'a> {
    /// Makes the directory where it is missing, and locks it.
    ///
    /// # Errors
    /// [`ArchiveError::Busy`] where another download into it is under way, [`ArchiveError::Io`]
    /// where it cannot be made.
    pub fn new(
        client: &'a ArchiveClient,
        directory: &Path,
        options: DownloadOptions,
    ) -> Result<Self, ArchiveError> {
        fs::create_dir_all(directory).map_err(ArchiveError::io(directory))?;
        let gate = Gate::new(options.workers.max(1));
        Ok(Self { client, directory: directory.to_owned(), options, gate, _lock: lock(directory)? })
    }

    /// Looks at what is there and what is missing, and whether there is room for it. Files that are
    /// there are checked as if they had just arrived.
    ///
    /// # Errors
    /// [`ArchiveError::DiskSpace`], [`ArchiveError::Cancelled`], [`ArchiveError::Io`].
    pub fn plan(
        &self,
        targets: Vec<DownloadTarget>,
        progress: &dyn DownloadProgress,
    ) -> Result<DownloadPlan, ArchiveError> {
        let free = fs4::available_space(&self.directory).ok();
        let mut plan = DownloadPlan { files: Vec::new(), free, conflicts: Vec::new() };
        let mut names: HashMap<PathBuf, DownloadTarget> = HashMap::new();
        for target in targets {
            if progress.cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            let path = self.options.layout.path(&self.directory, &target);
            match names.get(&path) {
                Some(first) if first.uri == target.uri => {}
                Some(first) => plan.conflicts.push(conflict(target, path, first)),
                None => {
                    names.insert(path.clone(), target.clone());
                    plan.files.push(self.planned(target, path)?);
                }
            }
        }
        self.check_room(&mut plan, &|| progress.cancelled())?;
        Ok(plan)
    }

    /// Fetches what is missing. One report a file, in the order of the plan, conflicts last; a file
    /// that fails never stops the rest.
    pub fn run(&self, plan: DownloadPlan, progress: &dyn DownloadProgress) -> Vec<FileReport> {
        progress.start("download", plan.files.len() as u64);
        let run = Run { downloader: self, progress, total: AtomicU64::new(plan.bytes()) };
        progress.total_bytes(plan.bytes());
        let next = AtomicUsize::new(0);
        let slots: Vec<Mutex<Option<FileReport>>> = plan.files.iter().map(|_| Mutex::default()).collect();
        std::thread::scope(|scope| {
            for _ in 0..self.options.workers.clamp(1, plan.files.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(file) = plan.files.get(at) else { break };
                        let report = run.have(file);
                        progress.done(&report);
                        progress.advance(1);
                        *slots[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
                    }
                });
            }
        });
        progress.finish();
        let reports =
            slots.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
        reports.chain(plan.conflicts).collect()
    }

    fn planned(&self, target: DownloadTarget, path: PathBuf) -> Result<PlannedFile, ArchiveError> {
        if self.options.anew {
            Part::of(&path).discard();
        } else if is_whole(&path, &target)? {
            // A run that was killed behind the rename may have left these.
            Part::of(&path).discard();
            return Ok(PlannedFile { target, path, state: DownloadState::Present });
        }
        if let Some((_, mirrored)) = self.mirrored(&target)? {
            let path = if self.copies(&target) { path } else { mirrored };
            return Ok(PlannedFile { target, path, state: DownloadState::Mirrored });
        }
        let bytes = target.estimated_bytes().saturating_sub(Part::of(&path).length());
        Ok(PlannedFile { target, path, state: DownloadState::Missing { bytes } })
    }

    /// The file in a mirror, where one has it whole.
    fn mirrored(&self, target: &DownloadTarget) -> Result<Option<(DownloadSource, PathBuf)>, ArchiveError> {
        if target.cutout.is_some() && !self.options.whole_for_cutout {
            return Ok(None);
        }
        for source in &self.options.sources {
            let DownloadSource::Mirror(directory) = source else { continue };
            let path = directory.join(target.uri.mirror_path());
            if is_whole(&path, target)? {
                return Ok(Some((source.clone(), path)));
            }
        }
        Ok(None)
    }

    /// A whole image that stands in for a cutout is never copied under the cutout's name.
    fn copies(&self, target: &DownloadTarget) -> bool {
        self.options.mirror_use == MirrorUse::Copy && target.cutout.is_none()
    }

    /// Where the estimates say that there is no room, the archive is asked before the user is told
    /// so.
    fn check_room(
        &self,
        plan: &mut DownloadPlan,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), ArchiveError> {
        let Some(free) = plan.free else { return Ok(()) };
        if plan.bytes() <= free {
            return Ok(());
        }
        self.ask_sizes(plan, cancelled);
        if cancelled() {
            return Err(ArchiveError::Cancelled);
        }
        match plan.bytes() {
            needed if needed > free => {
                Err(ArchiveError::DiskSpace { directory: self.directory.clone(), needed, free })
            }
            _ => Ok(()),
        }
    }

    /// Replaces estimates by what the archive says, for whole files; those of cutouts are close.
    fn ask_sizes(&self, plan: &mut DownloadPlan, cancelled: &(dyn Fn() -> bool + Sync)) {
        let files = Mutex::new(plan.files.iter_mut());
        std::thread::scope(|scope| {
            for _ in 0..self.options.workers.max(1) {
                scope.spawn(|| {
                    loop {
                        let file = files.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some(PlannedFile { target, path, state: DownloadState::Missing { bytes } }) =
                            file
                        else {
                            match file {
                                Some(_) => continue,
                                None => break,
                            }
                        };
                        if let Some(size) = self.ask_size(target, cancelled) {
                            *bytes = size.saturating_sub(Part::of(path).length());
                        }
                    }
                });
            }
        });
    }

    fn ask_size(&self, target: &DownloadTarget, cancelled: &dyn Fn() -> bool) -> Option<u64> {
        let (_, url) = self.addresses(target).into_iter().next().filter(|_| target.cutout.is_none())?;
        let patience = self.client.options().stall_timeout;
        let request = Request::new(Method::HEAD, url, patience, patience);
        let reply = self.client.session().http().send(&request, cancelled).ok()?;
        reply.content_length()
    }

    /// Sources with an address for a file, in order.
    fn addresses(&self, target: &DownloadTarget) -> Vec<(DownloadSource, Url)> {
        let address = |source: &DownloadSource| match source {
            DownloadSource::Mirror(_) => None,
            DownloadSource::Cloud if target.cutout.is_some() => None,
            DownloadSource::Cloud => Some(self.client.options().cloud.cloud_file(&target.uri)),
            DownloadSource::Archive => Some(self.client.url(target)),
        };
        self.options.sources.iter().filter_map(|s| address(s).map(|url| (s.clone(), url))).collect()
    }
}

/// Locks a directory, where the system can.
fn lock(directory: &Path) -> Result<Option<File>, ArchiveError> {
    let Ok(handle) = File::open(directory) else { return Ok(None) };
    // By its full name, for newer toolchains have a method of the same name.
    match fs4::FileExt::try_lock(&handle) {
        Ok(()) => Ok(Some(handle)),
        Err(TryLockError::WouldBlock) => Err(ArchiveError::Busy { directory: directory.to_owned() }),
        Err(TryLockError::Error(e)) => {
            tracing::debug!("{}: no lock: {e}", directory.display());
            Ok(None)
        }
    }
}

fn conflict(target: DownloadTarget, path: PathBuf, first: &DownloadTarget) -> FileReport {
    let cause = ArchiveError::Conflict {
        path: path.clone(),
        first: first.uri.to_string(),
        second: target.uri.to_string(),
    };
    FileReport { target, path, source: None, attempts: 0, outcome: DownloadOutcome::Failed { cause } }
}

/// True where a file is there and whole. One that is damaged is as good as missing, and replaced in
/// the end.
fn is_whole(path: &Path, target: &DownloadTarget) -> Result<bool, ArchiveError> {
    match check_file(path, target) {
        Ok(Ok(())) => Ok(true),
        Ok(Err(problem)) => {
            tracing::warn!("{} is passed over: {problem}", path.display());
            Ok(false)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(ArchiveError::io(path)(e)),
    }
}

/// One run of the workers.
struct Run<'a> {
    downloader: &'a Downloader<'a>,
    progress: &'a dyn DownloadProgress,
    /// Bytes that the run will move, as far as is known by now.
    total: AtomicU64,
}

impl Run<'_> {
    /// Gets one file, wherever it is.
    fn have(&self, file: &PlannedFile) -> FileReport {
        let mut report = FileReport {
            target: file.target.clone(),
            path: file.path.clone(),
            source: None,
            attempts: 0,
            outcome: DownloadOutcome::AlreadyThere,
        };
        let done = match file.state {
            DownloadState::Present => Ok(DownloadOutcome::AlreadyThere),
            DownloadState::Mirrored => self.take_mirrored(&mut report),
            DownloadState::Missing { bytes } => self.fetch(&mut report, bytes),
        };
        report.outcome = done.unwrap_or_else(|cause| DownloadOutcome::Failed { cause });
        report
    }

    fn take_mirrored(&self, report: &mut FileReport) -> Result<DownloadOutcome, ArchiveError> {
        let downloader = self.downloader;
        let Some((source, original)) = downloader.mirrored(&report.target)? else {
            return self.fetch(report, report.target.estimated_bytes());
        };
        report.source = Some(source);
        if downloader.copies(&report.target) {
            make_parent(&report.path)?;
            let part = Part::of(&report.path);
            let mut copy = part.begin_copy()?;
            let mut source = File::open(&original).map_err(ArchiveError::io(&original))?;
            io::copy(&mut source, &mut copy).map_err(ArchiveError::io(&report.path))?;
            part.commit_copy(&copy)?;
        }
        Ok(DownloadOutcome::FromMirror)
    }

    /// Tries the sources in order; the cause that is reported is that of the last.
    fn fetch(&self, report: &mut FileReport, estimate: u64) -> Result<DownloadOutcome, ArchiveError> {
        make_parent(&report.path)?;
        let addresses = self.downloader.addresses(&report.target);
        let sources = &self.downloader.options.sources;
        let mut failure = ArchiveError::NoSource {
            uri: report.target.uri.to_string(),
            sources: sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        // Size is learned once; a second source says the same.
        let expected = AtomicU64::new(estimate);
        for (k, (source, url)) in addresses.into_iter().enumerate() {
            if k > 0 {
                tracing::warn!("{failure}; trying the {source}");
            }
            match self.fetch_from(report, url, &expected) {
                Ok(arrived) => {
                    report.source = Some(source);
                    self.downloader.gate.succeeded();
                    return Ok(match arrived {
                        Arrived { bytes, from: 0 } => DownloadOutcome::Fetched { bytes },
                        Arrived { bytes, from } => DownloadOutcome::Resumed { bytes, from },
                    });
                }
                Err(ArchiveError::Cancelled) => return Err(ArchiveError::Cancelled),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Tries one source until it works or is of no use.
    fn fetch_from(
        &self,
        report: &mut FileReport,
        url: Url,
        expected: &AtomicU64,
    ) -> Result<Arrived, ArchiveError> {
        let (gate, retry) = (&self.downloader.gate, &self.downloader.options.retry);
        let cancelled = || self.progress.cancelled();
        let target = report.target.clone();
        let fetch = Fetch {
            session: self.downloader.client.session(),
            target: &target,
            url,
            path: &report.path,
            progress: self.progress,
            cancelled: &cancelled,
            resized: &|bytes| self.resize(expected, bytes),
            received: Cell::new(0),
        };
        let part = Part::of(&report.path);
        let mut failures = 0;
        loop {
            let before = part.length();
            let permit = gate.enter(&cancelled)?;
            report.attempts += 1;
            let error = match fetch.attempt() {
                Ok(arrived) => return Ok(arrived),
                Err(error) => error,
            };
            drop(permit);
            if part.length() >= before + HEADWAY {
                failures = 0;
            }
            failures += 1;
            let Some(wait) = retry.after(&error, failures) else { return Err(error) };
            self.wait(&target, &error, wait)?;
        }
    }

    /// Waits before another try; with all the others, where the server is busy.
    fn wait(
        &self,
        target: &DownloadTarget,
        error: &ArchiveError,
        wait: Duration,
    ) -> Result<(), ArchiveError> {
        tracing::info!("{error}; trying again in {:.1} s", wait.as_secs_f64());
        self.progress.waiting(target, error, wait);
        if is_busy(error) {
            self.downloader.gate.busy(wait);
            return Ok(());
        }
        sleep_until(Instant::now() + wait, &|| self.progress.cancelled())
    }

    /// The size of a file is known: the total changes by what it was thought to be less or more.
    fn resize(&self, expected: &AtomicU64, bytes: u64) {
        let old = expected.swap(bytes, Ordering::Relaxed);
        let change = bytes.wrapping_sub(old);
        let total = self.total.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
        self.progress.total_bytes(total);
    }
}

/// True where the server itself has too much to do.
fn is_busy(error: &ArchiveError) -> bool {
    matches!(error, ArchiveError::Status { status: 429 | 502 | 503, .. })
}

fn make_parent(path: &Path) -> Result<(), ArchiveError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(ArchiveError::io(parent))
}
