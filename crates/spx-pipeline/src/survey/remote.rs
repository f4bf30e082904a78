//! Frames that lie in an archive: found by one query, fetched when a job needs them, into a
//! directory that the jobs of a machine share.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use spx_archive::{
    ArchivePath, DownloadLayout, DownloadOptions, DownloadTarget, Downloader, Observation, SearchCircle,
    SearchResult, SearchShape,
};
use spx_core::detector::Detector;
use spx_core::image::ExposureId;
use spx_core::sky::Position;
use walkdir::WalkDir;

use crate::archive::{ArchiveAccess, fetch, search};
use crate::inputs::{ExposureBegin, InputError, InputFile};
use crate::stages::wait_for_lock;
use crate::tiling::SurveyFrame;
use crate::{Listener, PipelineError, ResultContext as _};

/// Size of a frame whose size the archive does not tell \[bytes\].
const FRAME_BYTES: u64 = 72_000_000;

/// The frames of an archive around a place, sorted, with those that cannot be used and the number
/// of those that others supersede. One query by TAP tells all; no file is looked at.
///
/// # Errors
/// Where the archive cannot be asked; nothing found; usage where there are more than the limit, or
/// the radius \[deg\] is larger than a search may be.
pub(super) fn archive_frames(
    archive: &ArchiveAccess,
    (center, radius): (Position, f64),
    detectors: &[Detector],
    listener: &dyn Listener,
) -> Result<(Vec<SurveyFrame>, Vec<InputError>, usize), PipelineError> {
    let circle = SearchCircle::new(center, radius).map_err(PipelineError::usage)?;
    let mut selection = archive.selection(SearchShape::Circle(circle, Default::default()), None);
    (selection.bands, selection.outlines) = (detectors.to_vec(), true);
    let client = archive.client();
    let SearchResult { observations, superseded, .. } = search(&client, &selection, false, listener)?;
    let (mut frames, mut failed) = (Vec::with_capacity(observations.len()), Vec::new());
    for observation in observations {
        let address = client.url(&DownloadTarget::new(&observation, None));
        let path = PathBuf::from(address.as_str());
        match <[[f64; 2]; 4]>::try_from(observation.outline.as_slice()) {
            Ok(corners) => frames.push(frame(path, observation, corners)),
            Err(_) => {
                let count = observation.outline.len();
                failed.push(InputError::new(&path, format!("its outline has {count} corners, not 4")));
            }
        }
    }
    frames.sort_by(|a, b| a.file.cmp(&b.file));
    Ok((frames, failed, superseded.len()))
}

fn frame(path: PathBuf, observation: Observation, corners: [[f64; 2]; 4]) -> SurveyFrame {
    let id =
        ExposureId { observation: observation.obs_id.as_str().to_owned(), detector: observation.detector };
    let file = InputFile {
        begin: ExposureBegin(observation.mjd_begin),
        id,
        name: observation.file_name().to_owned(),
        path,
        shape: [Detector::NPIX; 2],
        named: true,
        identity: observation.identity(),
        first_pixel: [0, 0],
    };
    SurveyFrame { file, bytes: observation.size.unwrap_or(FRAME_BYTES), modified: 0, corners }
}

/// The path in the archive and the size \[bytes\] that a line of a list tells; `None` for a file of
/// the disk.
pub(super) fn archive_entry(line: &str) -> Option<(ArchivePath, u64)> {
    let (address, bytes) = line.split_once('\t')?;
    let (_, address) = address.split_once("://")?;
    let path = address.find(ArchivePath::ROOT).and_then(|at| address[at..].parse().ok())?;
    Some((path, bytes.parse().unwrap_or(FRAME_BYTES)))
}

/// Where frames of an archive are kept while jobs need them.
#[derive(Debug, Clone, PartialEq)]
pub struct ScratchDirectory {
    /// The directory, with the paths of the archive below.
    pub root: PathBuf,
    /// When it holds more bytes than this, frames that no job is at work on go, those first that
    /// were used least recently.
    pub most_bytes: Option<u64>,
}

/// Frames at hand. As long as this lives, no process removes them.
pub(super) struct HeldFrames {
    /// Files, in the order in which they were wanted.
    pub(super) files: Vec<PathBuf>,
    /// File and reason of those that could not be had.
    pub(super) missing: Vec<String>,
    _locks: Vec<File>,
}

impl ScratchDirectory {
    /// Fetches frames that are not there: one process at a time, several files at a time.
    ///
    /// # Errors
    /// Interrupted; where the disk is too small or reports an error. A file that cannot be had is
    /// none.
    pub(super) fn hold(
        &self,
        wanted: &[(ArchivePath, u64)],
        archive: &ArchiveAccess,
        listener: &dyn Listener,
    ) -> Result<HeldFrames, PipelineError> {
        fs::create_dir_all(&self.root).with_context(|| self.root.display().to_string())?;
        // Downloads lock the directory itself, and do not wait.
        let door = self.root.join(".scratch.lock");
        File::options().append(true).create(true).open(&door).with_context(|| door.display().to_string())?;
        let _alone = wait_for_lock(&door, listener)?;
        // What is here stays here while room is made for the others. Files of a mirror are read
        // where they are.
        let (mut locks, mut needed) = (Vec::new(), 0);
        let is_mirrored = |path: &Path| archive.mirror().is_some_and(|mirror| mirror.join(path).is_file());
        for (path, bytes) in wanted {
            let path = path.mirror_path();
            match hold(&self.root.join(&path)) {
                Some(lock) => locks.push(lock),
                None if is_mirrored(&path) => {}
                None => needed += bytes,
            }
        }
        self.make_room(needed)?;
        let options = DownloadOptions {
            workers: archive.workers,
            sources: archive.sources.clone(),
            layout: DownloadLayout::AsArchive,
            retry: archive.retry.clone(),
            ..DownloadOptions::default()
        };
        let client = archive.client();
        let downloader = Downloader::new(&client, &self.root, options)?;
        let targets = wanted.iter().map(|(path, _)| DownloadTarget::file(path.clone())).collect();
        let fetched = fetch(&downloader, targets, listener)?;
        let own = fetched.files.iter().filter(|path| path.starts_with(&self.root));
        locks.extend(own.filter_map(|path| hold(path)));
        let missing = fetched.reports.into_iter();
        let missing = missing.filter_map(|report| Some(format!("{}: {}", report.file, report.reason?)));
        Ok(HeldFrames { files: fetched.files, missing: missing.collect(), _locks: locks })
    }

    /// Removes frames until so many bytes fit, as far as that is possible.
    fn make_room(&self, needed: u64) -> Result<(), PipelineError> {
        let Some(most) = self.most_bytes else { return Ok(()) };
        let mut kept = Vec::new();
        // What cannot be looked at is not removed.
        for entry in WalkDir::new(&self.root).into_iter().filter_map(Result::ok) {
            let is_frame = entry.path().extension().is_some_and(|end| end == "fits");
            let metadata = entry.metadata().ok().filter(|metadata| is_frame && metadata.is_file());
            if let Some(metadata) = metadata {
                kept.push((metadata.accessed().ok(), entry.into_path(), metadata.len()));
            }
        }
        kept.sort();
        let mut held = kept.iter().map(|(.., bytes)| bytes).sum::<u64>() + needed;
        for (_, path, bytes) in kept {
            if held <= most {
                break;
            }
            if is_free(&path) {
                fs::remove_file(&path).with_context(|| path.display().to_string())?;
                held -= bytes;
            }
        }
        Ok(())
    }
}

/// Marks a frame as used now, by this process and perhaps others.
fn hold(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    // The order in which frames go.
    file.set_times(FileTimes::new().set_accessed(SystemTime::now())).ok();
    fs4::FileExt::try_lock_shared(&file).ok()?;
    Some(file)
}

/// No process holds a frame.
fn is_free(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| fs4::FileExt::try_lock(&file).is_ok())
}
