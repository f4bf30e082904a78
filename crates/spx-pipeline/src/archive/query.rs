//! The query and the download as pipelines of their own.

use std::path::{Path, PathBuf};

use spx_archive::{
    ArchiveUrl, Cutout, CutoutCenter, CutoutSize, DownloadLayout, DownloadOptions, DownloadTarget,
    Downloader, MirrorUse, Selection,
};
use spx_core::atomic;
use spx_core::sky::Position;

use super::files::{FetchedFiles, RemoteSource, check_mirror, fetch, sources};
use super::search::{client, search};
use super::summary::{QUERY_SUMMARY, QuerySummary};
use crate::{Listener, PipelineError, ResultContext as _};

/// What [`query`] asks.
#[derive(Debug, Clone)]
pub struct QueryRequest {
    /// Which images.
    pub selection: Selection,
    /// The archive.
    pub archive: ArchiveUrl,
    /// By SIA2 instead of TAP.
    pub sia: bool,
}

/// What the archive answered.
#[derive(Debug, Clone)]
pub struct QueryReport {
    /// The images.
    pub summary: QuerySummary,
    /// Rows that were refused, each of which was logged.
    pub refused: usize,
}

/// What [`download`] fetches, and how.
#[derive(Debug, Clone)]
pub struct DownloadRequest {
    /// Another archive than the one that was asked.
    pub archive: Option<ArchiveUrl>,
    /// Cutouts of this size instead of full frames.
    pub cutout_size: Option<CutoutSize>,
    /// Their center; that of the query by default.
    pub cutout_center: Option<CutoutCenter>,
    /// Directory for the files and the query summary.
    pub output_dir: PathBuf,
    /// One directory, or one for each detector.
    pub layout: DownloadLayout,
    /// Files at a time.
    pub workers: usize,
    /// A directory with the paths of the archive, looked at first; its files are copied.
    pub data_mirror: Option<PathBuf>,
    /// Where else to look, in this order; by default the cloud copy and the archive.
    pub sources: Vec<RemoteSource>,
}

impl Default for DownloadRequest {
    fn default() -> Self {
        Self {
            archive: None,
            cutout_size: None,
            cutout_center: None,
            output_dir: "data".into(),
            layout: DownloadLayout::Flat,
            workers: 4,
            data_mirror: None,
            sources: Vec::new(),
        }
    }
}

/// Asks the archive which images it has.
///
/// # Errors
/// Nothing found where there is no image; usage where there are more than the limit; otherwise
/// where it cannot be asked.
pub fn query(request: &QueryRequest, listener: &dyn Listener) -> Result<QueryReport, PipelineError> {
    let client = client(request.archive.clone(), 1);
    let found = search(&client, &request.selection, request.sia, listener)?;
    let refused = found.rejected.len();
    Ok(QueryReport { summary: QuerySummary::new(&client, &request.selection, found), refused })
}

/// Reads the summary of an earlier query: the file, or `query_summary.toml` in a directory.
///
/// # Errors
/// Where it cannot be read or is no query summary.
pub fn load_query_summary(path: &Path) -> Result<QuerySummary, PipelineError> {
    if path.is_dir() { QuerySummary::read(&path.join(QUERY_SUMMARY)) } else { QuerySummary::read(path) }
}

/// Downloads what a query has found, and writes its summary beside the files. What is there already
/// and whole is not fetched again; a file that fails does not stop the others.
///
/// # Errors
/// Usage where the cutout or the mirror is not as it should be; where the disk is too small, or
/// another run is at work in the directory; interrupted.
pub fn download(
    summary: &QuerySummary,
    request: &DownloadRequest,
    listener: &dyn Listener,
) -> Result<FetchedFiles, PipelineError> {
    let center = Position::new(summary.region.center_ra, summary.region.center_dec);
    let center: CutoutCenter = center.map_err(PipelineError::usage)?.into();
    let center = request.cutout_center.unwrap_or(center);
    let cutout = request.cutout_size.map(|size| Cutout { size, center });
    if let Some(warning) = cutout.as_ref().and_then(Cutout::warning) {
        listener.warning(&warning);
    }
    let archive = match &request.archive {
        Some(archive) => archive.clone(),
        None => {
            let asked = summary.archive.parse();
            asked.map_err(|e| PipelineError::usage(format!("query summary: {e}")))?
        }
    };
    let options = DownloadOptions {
        workers: request.workers,
        sources: sources(request.data_mirror.as_deref(), &request.sources, &archive),
        mirror_use: MirrorUse::Copy,
        layout: request.layout,
        ..DownloadOptions::default()
    };
    check_mirror(&options.sources)?;
    let client = client(archive, request.workers);
    // It locks the directory.
    let downloader = Downloader::new(&client, &request.output_dir, options)?;
    let list = request.output_dir.join(QUERY_SUMMARY);
    atomic::remove_leftovers(&list).with_context(|| list.display().to_string())?;
    summary.write(&list)?;
    let entries = summary.observations.iter();
    let targets = entries.map(|entry| DownloadTarget::new(&entry.observation, cutout)).collect();
    let fetched = fetch(&downloader, targets, listener)?;
    let mut summary = summary.clone();
    summary.note_sizes(cutout, &fetched.files);
    summary.write(&list)?;
    Ok(fetched)
}
