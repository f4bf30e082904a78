//! The first stages of every pipeline: ask the archive for images, get them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spx_archive::{Cutout, DownloadLayout, DownloadOptions, DownloadTarget, Downloader, Selection};

use super::access::ArchiveAccess;
use super::files::{check_mirror, fetch};
use super::search::{MAX_IMAGES, client, search};
use super::summary::QuerySummary;
use crate::inputs::InputError;
use crate::stages::Stages;
use crate::{Listener, PipelineError};

/// What a pipeline wants of the archive.
#[derive(Debug)]
pub struct ArchiveOrder<'a> {
    /// The archive, checked.
    pub archive: &'a ArchiveAccess,
    /// Which images.
    pub selection: Selection,
    /// Part of each image, all of it where `None`; a whole image in a mirror will do too.
    pub cutout: Option<Cutout>,
    /// File for the query summary.
    pub summary: PathBuf,
    /// Directory for the files.
    pub data: PathBuf,
    /// Directories below `data`.
    pub layout: DownloadLayout,
}

/// What the download gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliveredFiles {
    /// Files that are there, whole.
    pub files: Vec<PathBuf>,
    /// File and reason of those that could not be had.
    missing: Vec<(PathBuf, String)>,
}

impl DeliveredFiles {
    /// Those that could not be had, as inputs that failed.
    pub fn failed(&self) -> impl Iterator<Item = InputError> + '_ {
        self.missing.iter().map(|(path, reason)| InputError::new(path, format!("download: {reason}")))
    }
}

impl ArchiveOrder<'_> {
    fn asked(&self) -> String {
        let ArchiveAccess { url, .. } = self.archive;
        let Selection { release, max_images, .. } = &self.selection;
        let limit = max_images.map_or_else(String::new, |limit| format!(" at most {limit}"));
        format!("{url} {} release {release}{limit}", self.selection.adql())
    }

    /// The stage `query`.
    ///
    /// # Errors
    /// Nothing found where the archive has no such image; otherwise where it cannot be asked.
    pub fn query(&self, stages: &mut Stages<'_>) -> Result<QuerySummary, PipelineError> {
        check_mirror(&self.archive.sources)?;
        let listener = stages.listener();
        stages.clear(&self.summary)?;
        let is_there = |(): &()| QuerySummary::read(&self.summary).is_ok();
        stages.run("query", self.asked(), is_there, || {
            let client = client(self.archive.url.clone(), self.archive.workers);
            let found = search(&client, &self.selection, false, listener)?;
            let mut summary = QuerySummary::new(&client, &self.selection, found);
            self.warn_of_size(&summary, listener);
            summary.estimated_download_gb = Some(summary.estimated_bytes(self.cutout) as f64 / 1e9);
            summary.write(&self.summary)
        })?;
        QuerySummary::read(&self.summary)
    }

    /// Without a limit, a place may have tens of thousands of images.
    fn warn_of_size(&self, summary: &QuerySummary, listener: &dyn Listener) {
        let count = summary.n_observations;
        if self.selection.max_images.is_none() && count > MAX_IMAGES {
            let size = summary.estimated_bytes(self.cutout) as f64 / 1e9;
            listener.warning(&format!(
                "{count} images, about {size:.1} GB to download: --bands, --mjd-range, --release, --fields and \
                 --cutout-size take less, --max-images sets a limit"
            ));
        }
    }

    /// The stage `download`.
    ///
    /// # Errors
    /// Where the disk is too small. A file that cannot be had is no error here.
    pub fn download(
        &self,
        summary: &QuerySummary,
        stages: &mut Stages<'_>,
    ) -> Result<DeliveredFiles, PipelineError> {
        let ArchiveAccess { url, workers, sources, .. } = self.archive;
        let listener = stages.listener();
        let all_there = |delivered: &DeliveredFiles| {
            delivered.missing.is_empty() && delivered.files.iter().all(|f| self.data.join(f).exists())
        };
        let part = self.cutout.as_ref().map(|cutout| format!(" {cutout:?}")).unwrap_or_default();
        let parameters = format!("{} from {sources:?}{part}", self.asked());
        // What is written down names files from `data` on: the directory may be moved, and the run
        // gone on with from anywhere.
        let delivered = stages.run("download", parameters, all_there, || {
            let entries = summary.observations.iter();
            let targets = entries.map(|entry| DownloadTarget::new(&entry.observation, self.cutout)).collect();
            let options = DownloadOptions {
                workers: *workers,
                sources: sources.clone(),
                layout: self.layout,
                whole_for_cutout: true,
                ..DownloadOptions::default()
            };
            let client = client(url.clone(), *workers);
            let downloader = Downloader::new(&client, &self.data, options)?;
            let fetched = fetch(&downloader, targets, listener)?;
            let reports = fetched.reports.into_iter();
            let missing = reports.filter_map(|r| Some((PathBuf::from(r.file), r.reason?)));
            let below = |file: PathBuf| file.strip_prefix(&self.data).map_or(file.clone(), Path::to_owned);
            let files = fetched.files.into_iter().map(below).collect();
            Ok::<_, PipelineError>(DeliveredFiles { files, missing: missing.collect() })
        })?;
        let files = delivered.files.iter().map(|file| self.data.join(file)).collect();
        let delivered = DeliveredFiles { files, ..delivered };
        let mut summary = summary.clone();
        summary.note_sizes(self.cutout, &delivered.files);
        summary.write(&self.summary)?;
        Ok(delivered)
    }
}
