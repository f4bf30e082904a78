//! The directory that holds calibration products as the archive has them: what the archive offers,
//! fetching it, and looking at what is there.
//!
//! `products.toml` in it notes the ETag of each file: the archive keeps no versions, and a file
//! that it has replaced under its old name is told by that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spx_archive::{
    ArchiveClient, CalibrationFamily, DownloadLayout, DownloadOptions, DownloadTarget, Downloader,
    ListedProduct, calibration_age,
};
use spx_core::atomic;
use spx_core::detector::Detector;
use spx_core::fits::verify_file;
use walkdir::WalkDir;

use super::{CalibrationProduct, ProductKind, cache_directory};
use crate::archive::{ArchiveSettings, fetch};
use crate::inputs::file_name;
use crate::output::check_directory;
use crate::{Listener, PipelineError, ResultContext as _};

/// The file with the ETags.
const NOTES: &str = "products.toml";

/// Which products are wanted, of which archive, and where they are kept.
#[derive(Debug, Clone)]
pub struct CalibrationRequest {
    /// The archive, and how it is asked.
    pub archive: ArchiveSettings,
    /// Kinds of products.
    pub families: Vec<CalibrationFamily>,
    /// Detectors.
    pub detectors: Vec<Detector>,
    /// Where they are kept.
    pub directory: PathBuf,
}

/// A calibration product, in the archive or on the disk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalibrationEntry {
    /// Its kind.
    pub family: String,
    /// Its detector, `D1` to `D6`.
    pub detector: String,
    /// Its version, such as `cal-swcs-v5-2026-191`.
    pub token: String,
    /// The release in whose folder it is.
    pub release: String,
    /// The file on the disk.
    pub file: String,
    /// What became of it, or how it is.
    pub status: CalibrationStatus,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a product is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CalibrationStatus {
    /// The archive has it, and it is not on the disk.
    Available,
    /// It is on the disk, whole.
    Present,
    /// It was fetched.
    Fetched,
    /// The archive had replaced it, or it was to be fetched anew, and it was fetched again.
    Replaced,
    /// It is on the disk, but a newer one is used.
    Superseded,
    /// It is on the disk, and not what it should be.
    Damaged,
    /// It could not be fetched.
    Failed,
}

impl CalibrationStatus {
    /// As in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Present => "present",
            Self::Fetched => "fetched",
            Self::Replaced => "replaced",
            Self::Superseded => "superseded",
            Self::Damaged => "damaged",
            Self::Failed => "failed",
        }
    }
}

/// What is noted of files, by their paths below the directory.
#[derive(Debug, Default, Serialize, Deserialize)]
struct StoreNotes {
    #[serde(default)]
    etags: BTreeMap<String, String>,
}

/// The newest products that the archive has, and which of them are on the disk.
///
/// # Errors
/// Nothing found where it has none; otherwise where it cannot be asked.
pub fn list_calibration(
    request: &CalibrationRequest,
    listener: &dyn Listener,
) -> Result<Vec<CalibrationEntry>, PipelineError> {
    let client = request.archive.access()?.client();
    let listed = listed(&client, request, listener)?;
    Ok(listed.iter().map(|product| entry(product, &request.directory)).collect())
}

/// Gets the newest products that are not on the disk, whole, or that the archive has replaced. One
/// that cannot be fetched does not stop the others, and what was there stays.
///
/// # Errors
/// Nothing found where the archive has none; where it cannot be asked, or the directory cannot be
/// written.
pub fn fetch_calibration(
    request: &CalibrationRequest,
    listener: &dyn Listener,
) -> Result<Vec<CalibrationEntry>, PipelineError> {
    let directory = &request.directory;
    let context = || format!("calibration products in {}", directory.display());
    check_directory(directory)?;
    let access = request.archive.access()?;
    let client = access.client();
    let listed = listed(&client, request, listener)?;
    let options = DownloadOptions {
        workers: access.workers,
        retry: access.retry.clone(),
        layout: DownloadLayout::AsArchive,
        ..DownloadOptions::default()
    };
    let downloader = Downloader::new(&client, directory, options).with_context(context)?;
    // A fetch that was killed may have left files out of the way.
    restore(&left_aside(directory, &listed)).with_context(context)?;
    let mut notes = StoreNotes::read(directory);
    let mut entries: Vec<CalibrationEntry> = listed.iter().map(|p| entry(p, directory)).collect();
    let mut wanted = Vec::new();
    for (product, entry) in listed.iter().zip(&mut entries) {
        let (etag, size) = match client.file_state(&product.uri, listener) {
            Ok(state) => state,
            Err(error) => {
                // What is there and whole is still good.
                if entry.status != CalibrationStatus::Present {
                    (entry.status, entry.reason) = (CalibrationStatus::Failed, Some(error.to_string()));
                }
                continue;
            }
        };
        let noted = notes.etags.get(product.uri.below_root());
        let replaced = etag.is_some() && noted.is_some() && etag.as_ref() != noted;
        let is_there = entry.status == CalibrationStatus::Present;
        if is_there && !replaced && !access.anew {
            continue;
        }
        entry.reason = None;
        entry.status =
            if replaced || is_there { CalibrationStatus::Replaced } else { CalibrationStatus::Fetched };
        wanted.push(DownloadTarget { etag, size, ..DownloadTarget::file(product.uri.clone()) });
    }
    // The downloader keeps what it takes for whole; what is damaged or out of date must go first,
    // under a name from which it comes back if nothing replaces it.
    let set_aside = set_aside(directory, &wanted).with_context(context)?;
    let fetched = fetch(&downloader, wanted.clone(), listener);
    restore(&set_aside).with_context(context)?;
    for report in fetched?.reports {
        let entry = entries.iter_mut().find(|entry| entry.file == report.file);
        let Some(entry) = entry else { continue };
        let problem = report.reason.or_else(|| check(Path::new(&entry.file)).err());
        if let Some(problem) = problem {
            (entry.status, entry.reason) = (CalibrationStatus::Failed, Some(problem));
            continue;
        }
        let target =
            wanted.iter().find(|target| directory.join(target.uri.mirror_path()) == Path::new(&entry.file));
        if let Some(DownloadTarget { uri, etag: Some(etag), .. }) = target {
            notes.etags.insert(uri.below_root().to_owned(), etag.clone());
        }
    }
    notes.write(directory).with_context(context)?;
    Ok(entries)
}

/// The products on the disk, each looked at. Nothing is asked of the archive.
///
/// # Errors
/// Nothing found where there is none; usage where it is no directory.
pub fn calibration_status(directory: &Path) -> Result<Vec<CalibrationEntry>, PipelineError> {
    check_directory(directory)?;
    let mut newest = BTreeMap::new();
    let mut entries = Vec::new();
    for found in WalkDir::new(directory).sort_by_file_name() {
        let found = match found {
            Ok(found) => found,
            // Below, what is not there is told in the words of the user.
            Err(error) if error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => {
                continue;
            }
            Err(error) => return Err(PipelineError::failed(error)),
        };
        let Some(mut entry) = local_entry(directory, found.path()) else { continue };
        if let Err(problem) = check(found.path()) {
            (entry.status, entry.reason) = (CalibrationStatus::Damaged, Some(problem));
        }
        let age = calibration_age(&entry.token);
        let best =
            newest.entry((entry.family.clone(), entry.detector.clone())).or_insert_with(|| age.clone());
        if age > *best {
            *best = age;
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        let text = format!("there are no calibration products in {}", directory.display());
        return Err(PipelineError::nothing_found(text).with_hint("`spx calibration fetch` downloads them"));
    }
    for entry in entries.iter_mut().filter(|entry| entry.status == CalibrationStatus::Present) {
        let age = calibration_age(&entry.token);
        if newest.get(&(entry.family.clone(), entry.detector.clone())) != Some(&age) {
            entry.status = CalibrationStatus::Superseded;
        }
    }
    entries.sort_by(|a, b| (&a.family, &a.detector, &a.token).cmp(&(&b.family, &b.detector, &b.token)));
    Ok(entries)
}

/// Where products are kept where nothing else is said.
///
/// # Errors
/// Usage where the environment names no directory for caches.
pub fn calibration_directory() -> Result<PathBuf, PipelineError> {
    cache_directory()
        .ok_or_else(|| PipelineError::usage("neither XDG_CACHE_HOME nor HOME is set: give --directory"))
}

fn listed(
    client: &ArchiveClient,
    request: &CalibrationRequest,
    listener: &dyn Listener,
) -> Result<Vec<ListedProduct>, PipelineError> {
    let listed = client.newest_calibration(&request.families, &request.detectors, listener)?;
    if listed.is_empty() {
        return Err(PipelineError::nothing_found("the archive has no such calibration product"));
    }
    Ok(listed)
}

fn entry(product: &ListedProduct, directory: &Path) -> CalibrationEntry {
    let path = directory.join(product.uri.mirror_path());
    let (status, reason) = match path.exists().then(|| check(&path)) {
        None => (CalibrationStatus::Available, None),
        Some(Ok(())) => (CalibrationStatus::Present, None),
        Some(Err(problem)) => (CalibrationStatus::Damaged, Some(problem)),
    };
    CalibrationEntry {
        family: product.family.to_string(),
        detector: product.detector.to_string(),
        token: product.token.clone(),
        release: product.release.to_string(),
        file: path.display().to_string(),
        status,
        reason,
    }
}

/// What a path in the layout of the archive says, `<release>/<family>/<token>/<d>/<file>`.
fn local_entry(directory: &Path, path: &Path) -> Option<CalibrationEntry> {
    let below = path.strip_prefix(directory).ok()?;
    let parts: Vec<&str> = below.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
    let &[release, family, token, detector, name] = parts.as_slice() else { return None };
    let family: CalibrationFamily = family.parse().ok()?;
    let detector: Detector = detector.parse().ok()?;
    calibration_age(token)?;
    if name.starts_with('.') || !name.starts_with(family.name()) {
        return None;
    }
    Some(CalibrationEntry {
        family: family.to_string(),
        detector: detector.to_string(),
        token: token.to_owned(),
        release: release.to_owned(),
        file: path.display().to_string(),
        status: CalibrationStatus::Present,
        reason: None,
    })
}

/// Looks at a product: its checksums, where it has them, and whether it can be used.
fn check(path: &Path) -> Result<(), String> {
    let name = file_name(path);
    let kind =
        ProductKind::of_name(&name).ok_or_else(|| format!("{name}: its name does not give its kind"))?;
    verify_file(path).map_err(|e| e.to_string())?;
    CalibrationProduct::new(path.to_owned(), kind).check()
}

/// Moves files out of the way that are to be fetched although they are there.
fn set_aside(directory: &Path, wanted: &[DownloadTarget]) -> std::io::Result<Vec<[PathBuf; 2]>> {
    let mut moved = Vec::new();
    for target in wanted {
        let path = directory.join(target.uri.mirror_path());
        if path.symlink_metadata().is_ok() {
            let aside = aside(&path);
            std::fs::rename(&path, &aside)?;
            moved.push([path, aside]);
        }
    }
    Ok(moved)
}

/// The name under which a file is out of the way.
fn aside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.old", file_name(path)))
}

/// Files that an earlier fetch moved out of the way and did not bring back.
fn left_aside(directory: &Path, listed: &[ListedProduct]) -> Vec<[PathBuf; 2]> {
    let paths = listed.iter().map(|product| directory.join(product.uri.mirror_path()));
    let pairs = paths.map(|path| [path.clone(), aside(&path)]);
    pairs.filter(|[_, aside]| aside.symlink_metadata().is_ok()).collect()
}

/// Brings back what was not replaced, and removes what was.
fn restore(moved: &[[PathBuf; 2]]) -> std::io::Result<()> {
    for [path, aside] in moved {
        if path.symlink_metadata().is_ok() {
            std::fs::remove_file(aside)?;
        } else {
            std::fs::rename(aside, path)?;
        }
    }
    Ok(())
}

impl StoreNotes {
    /// What is noted; notes that cannot be read are as good as none.
    fn read(directory: &Path) -> Self {
        let text = std::fs::read_to_string(directory.join(NOTES)).unwrap_or_default();
        toml::from_str(&text).unwrap_or_default()
    }

    fn write(&self, directory: &Path) -> Result<(), PipelineError> {
        let path = directory.join(NOTES);
        atomic::write(&path, toml::to_string(self)?.as_bytes(), true)
            .with_context(|| path.display().to_string())
    }
}
