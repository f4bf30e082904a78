//! Where images come from when none are named.

use std::path::Path;

use spx_archive::{ArchiveUrl, DownloadSource, MjdRange, SearchShape, Selection, SurveyFields};
use spx_core::release::ReleaseChoice;

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

    /// The directory with the paths of the archive, where there is one.
    pub fn mirror(&self) -> Option<&Path> {
        self.sources.iter().find_map(|source| match source {
            DownloadSource::Mirror(path) => Some(path.as_path()),
            DownloadSource::Cloud | DownloadSource::Archive => None,
        })
    }
}
