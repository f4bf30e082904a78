//! Where images come from when none are named.

use std::path::Path;
use std::time::Duration;

use spx_archive::{
    ArchiveClient, ArchiveUrl, ClientOptions, Cutout, DownloadSource, MjdRange, RetryOptions, SearchShape,
    Selection, SurveyFields,
};
use spx_core::release::ReleaseChoice;

use crate::Listener;

/// An archive, checked, and how it is asked.
#[derive(Debug, Clone)]
pub struct ArchiveAccess {
    /// Its base address.
    pub url: ArchiveUrl,
    /// Only images taken between these dates.
    pub mjd_range: Option<MjdRange>,
    /// More images than this are an error; the command decides where nothing is said.
    pub max_images: Option<usize>,
    /// Which releases are used.
    pub release: ReleaseChoice,
    /// Wide survey, deep fields, or both.
    pub fields: SurveyFields,
    /// Downloads at a time.
    pub workers: usize,
    /// How often a question or a file is tried.
    pub retry: RetryOptions,
    /// The longest time in which nothing may arrive.
    pub timeout: Duration,
    /// Whether files that are there are fetched anew.
    pub anew: bool,
    /// Where files are looked for, in this order.
    pub sources: Vec<DownloadSource>,
}

impl ArchiveAccess {
    /// All images of a place that the settings allow; `limit` where they set none.
    pub fn selection(&self, shape: SearchShape, limit: Option<usize>) -> Selection {
        Selection {
            mjd_range: self.mjd_range,
            release: self.release,
            fields: self.fields,
            max_images: self.max_images.or(limit),
            ..Selection::new(shape)
        }
    }

    /// A client of the archive, which keeps a connection open for each download at a time.
    pub fn client(&self) -> ArchiveClient {
        let defaults = ClientOptions::default();
        let options = ClientOptions {
            retry: RetryOptions {
                attempts: self.retry.attempts.min(defaults.retry.attempts),
                ..self.retry.clone()
            },
            connect_timeout: defaults.connect_timeout.min(self.timeout),
            stall_timeout: self.timeout,
            answer_timeout: 2 * self.timeout,
            connections: defaults.connections.max(self.workers),
            ..defaults
        };
        ArchiveClient::new(self.url.clone(), options)
    }

    /// What was chosen for searches.
    pub(crate) fn tell_search(&self, listener: &dyn Listener) {
        let Self { url, release, fields, retry, timeout, .. } = self;
        listener.detail(&format!(
            "archive: {url}; release {release}, fields {fields}; {} attempts, timeout {} s",
            retry.attempts,
            timeout.as_secs_f64()
        ));
    }

    /// What was chosen for files.
    pub(crate) fn tell_files(&self, cutout: Option<&Cutout>, listener: &dyn Listener) {
        let name = |source: &DownloadSource| match source {
            DownloadSource::Mirror(path) => format!("mirror {}", path.display()),
            DownloadSource::Cloud => "cloud copy".to_owned(),
            DownloadSource::Archive => "archive".to_owned(),
        };
        let sources: Vec<String> = self.sources.iter().map(name).collect();
        let what = cutout.map_or_else(
            || "whole images".to_owned(),
            |cutout| format!("cutouts of {} around {}", cutout.size, cutout.center),
        );
        let (sources, workers) = (sources.join(", then "), self.workers);
        listener.detail(&format!("files: {what}; from {sources}; {workers} at a time"));
    }

    /// The directory with the paths of the archive, where there is one.
    pub fn mirror(&self) -> Option<&Path> {
        self.sources.iter().find_map(|source| match source {
            DownloadSource::Mirror(path) => Some(path.as_path()),
            DownloadSource::Cloud | DownloadSource::Archive => None,
        })
    }
}
