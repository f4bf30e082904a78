//! The first stages of every pipeline: ask the archive for images, get them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spx_archive::{Cutout, DownloadLayout, DownloadOptions, DownloadTarget, Downloader, Selection};

use super::access::ArchiveAccess;
use super::files::fetch;
use super::search::{MAX_IMAGES, search};
use super::summary::QuerySummary;
use crate::amount::amount;
use crate::forecast::WorkForecast;
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
        let listener = stages.listener();
        self.archive.tell_search(listener);
        self.archive.tell_files(self.cutout.as_ref(), listener);
        stages.clear(&self.summary)?;
        let is_there = |(): &()| QuerySummary::read(&self.summary).is_ok();
        stages.run("query", self.asked(), is_there, || {
            let client = self.archive.client();
            let found = search(&client, &self.selection, false, listener)?;
            let mut summary = QuerySummary::new(&client, &self.selection, found);
            self.warn_of_size(&summary, listener);
            summary.estimated_download_gb = Some(summary.estimated_bytes(self.cutout) as f64 / 1e9);
            summary.write(&self.summary)
        })?;
        QuerySummary::read(&self.summary)
    }

    /// What the stages `query` and `download` would bring; the archive is asked, and nothing is
    /// written.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub(crate) fn forecast(
        &self,
        output_dir: &Path,
        listener: &dyn Listener,
    ) -> Result<WorkForecast, PipelineError> {
        let client = self.archive.client();
        let found = search(&client, &self.selection, false, listener)?;
        let summary = QuerySummary::new(&client, &self.selection, found);
        let mirror = self.archive.mirror();
        let layout = (self.layout, self.data.as_path());
        Ok(forecast_download(&summary, self.cutout, layout, (mirror, self.archive.anew), output_dir))
    }

    /// Without a limit, a place may have tens of thousands of images.
    fn warn_of_size(&self, summary: &QuerySummary, listener: &dyn Listener) {
        let warning = size_warning(summary.n_observations, summary.estimated_bytes(self.cutout));
        if let Some(warning) = warning.filter(|_| self.selection.max_images.is_none()) {
            listener.warning(&warning);
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
        let ArchiveAccess { workers, sources, retry, anew, .. } = self.archive;
        let listener = stages.listener();
        let all_there = |delivered: &DeliveredFiles| {
            !anew
                && delivered.missing.is_empty()
                && delivered.files.iter().all(|f| self.data.join(f).exists())
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
                retry: retry.clone(),
                whole_for_cutout: true,
                anew: *anew,
                ..DownloadOptions::default()
            };
            let client = self.archive.client();
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
        if stages.looks() {
            return Ok(delivered);
        }
        let mut summary = summary.clone();
        summary.note_sizes(self.cutout, &delivered.files);
        summary.write(&self.summary)?;
        Ok(delivered)
    }
}

/// What a download of the images of a query to a directory would bring. Files of the mirror count
/// as being at hand; those that are there do unless they are fetched anew.
pub(super) fn forecast_download(
    summary: &QuerySummary,
    cutout: Option<Cutout>,
    layout: (DownloadLayout, &Path),
    (mirror, anew): (Option<&Path>, bool),
    output_dir: &Path,
) -> WorkForecast {
    let mut forecast = WorkForecast::of(output_dir);
    for entry in &summary.observations {
        let target = DownloadTarget::new(&entry.observation, cutout);
        let (layout, data) = layout;
        let is_mirrored = mirror.is_some_and(|mirror| mirror.join(target.uri.mirror_path()).is_file());
        forecast.images += 1;
        if is_mirrored || !anew && layout.path(data, &target).is_file() {
            forecast.at_hand += 1;
        } else {
            forecast.to_fetch += 1;
            forecast.fetch_bytes += target.estimated_bytes();
        }
    }
    forecast
}

/// Says so where there are so many images that other pipelines would refuse them.
fn size_warning(count: usize, bytes: u64) -> Option<String> {
    let size = amount(bytes as f64);
    (count > MAX_IMAGES).then(|| {
        format!(
            "{count} images, about {size} to download: --bands, --mjd-range, --release, --fields and \
             --cutout-size reduce this, --max-images sets a limit"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::ArchiveSettings;

    #[test]
    fn many_images_are_told_with_their_size_and_the_options_that_take_less() {
        assert_eq!(size_warning(500, 36_000_000_000), None);
        let warning = size_warning(24_103, 1_726_000_000_000).unwrap();
        for word in ["24103 images, about 1.73 TB", "--bands", "--cutout-size", "--max-images"] {
            assert!(warning.contains(word), "{word}: {warning}");
        }
    }

    #[test]
    fn a_limit_is_the_users_or_else_the_pipelines() {
        let position = spx_core::sky::Position::new(10.0, 41.0).unwrap();
        let shape = spx_archive::SearchShape::Point(position);
        let limit = |given: Option<usize>, of_pipeline: Option<usize>| {
            let mut settings = ArchiveSettings::default();
            settings.search.max_images = given;
            settings.access().unwrap().selection(shape, of_pipeline).max_images
        };
        assert_eq!(limit(None, Some(MAX_IMAGES)), Some(500));
        assert_eq!(limit(Some(9000), Some(MAX_IMAGES)), Some(9000));
        assert_eq!((limit(None, None), limit(Some(3), None)), (None, Some(3)));
    }
}
