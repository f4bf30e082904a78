//! The first stages of every pipeline: ask the archive for images, get them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use spx_archive::{Cutout, DownloadOptions, Downloader, Layout, Selection, Target};

use super::files::{check_mirror, fetch};
use super::settings::ArchiveParameters;
use super::summary::QuerySummary;
use super::{client, search};
use crate::exit::Failure;
use crate::global::Global;
use crate::inputs::InputError;
use crate::stages::Stages;
use crate::ui::Bar;

/// What a pipeline wants of the archive.
pub(crate) struct Order<'a> {
    pub(crate) archive: &'a ArchiveParameters,
    pub(crate) selection: Selection,
    /// Part of each image, all of it where `None`; a whole image in a mirror will do too.
    pub(crate) cutout: Option<Cutout>,
    /// File for the query summary.
    pub(crate) summary: PathBuf,
    /// Directory for the files.
    pub(crate) data: PathBuf,
    pub(crate) layout: Layout,
}

/// What the download gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Delivered {
    /// Files that are there, whole.
    pub(crate) files: Vec<PathBuf>,
    /// File and reason of those that could not be had.
    missing: Vec<(PathBuf, String)>,
}

impl Delivered {
    /// Those that could not be had, as inputs that failed.
    pub(crate) fn failed(&self) -> impl Iterator<Item = InputError> + '_ {
        self.missing.iter().map(|(path, reason)| InputError::new(path, format!("download: {reason}")))
    }
}

impl Order<'_> {
    fn asked(&self) -> String {
        let ArchiveParameters { url, max_images, .. } = self.archive;
        format!("{url} {} at most {max_images}", self.selection.adql())
    }

    /// The stage `query`.
    ///
    /// # Errors
    /// Nothing found where the archive has no such image; otherwise where it cannot be asked.
    pub(crate) fn query(&self, stages: &mut Stages, global: &Global) -> Result<QuerySummary, Failure> {
        check_mirror(&self.archive.sources)?;
        stages.clear(&self.summary)?;
        let is_there = |path: &PathBuf| QuerySummary::read(path).is_ok();
        stages.run("query", self.asked(), is_there, || {
            let client = client(self.archive.url.clone(), self.archive.workers);
            let found = search(&client, &self.selection, false, &Bar::new(global.verbosity()))?;
            QuerySummary::new(&client, &self.selection, found).write(&self.summary)?;
            Ok(self.summary.clone())
        })?;
        Ok(QuerySummary::read(&self.summary)?)
    }

    /// The stage `download`.
    ///
    /// # Errors
    /// Where the disk is too small. A file that cannot be had is no error here.
    pub(crate) fn download(
        &self,
        summary: &QuerySummary,
        stages: &mut Stages,
        global: &Global,
    ) -> Result<Delivered, Failure> {
        let ArchiveParameters { url, workers, sources, .. } = self.archive;
        let all_there = |delivered: &Delivered| {
            delivered.missing.is_empty() && delivered.files.iter().all(|f| f.exists())
        };
        let part = self.cutout.as_ref().map(|cutout| format!(" {cutout:?}")).unwrap_or_default();
        let parameters = format!("{} from {sources:?}{part}", self.asked());
        stages.run("download", parameters, all_there, || {
            let entries = summary.observations.iter();
            let targets = entries.map(|entry| Target::new(&entry.observation, self.cutout)).collect();
            let options = DownloadOptions {
                workers: *workers,
                sources: sources.clone(),
                layout: self.layout,
                whole_for_cutout: true,
                ..DownloadOptions::default()
            };
            let client = client(url.clone(), *workers);
            let downloader = Downloader::new(&client, &self.data, options)?;
            let fetched = fetch(&downloader, targets, global.verbosity())?;
            let reports = fetched.reports.into_iter();
            let missing = reports.filter_map(|r| Some((PathBuf::from(r.file), r.reason?)));
            Ok(Delivered { files: fetched.files, missing: missing.collect() })
        })
    }
}
