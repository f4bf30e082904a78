//! Where images come from when none are named.

use spx_archive::{ArchiveUrl, DownloadSource, MjdRange};

/// An archive, checked, and how it is asked.
#[derive(Debug, Clone)]
pub struct ArchiveAccess {
    /// Its base address.
    pub url: ArchiveUrl,
    /// Only images taken between these dates.
    pub mjd_range: Option<MjdRange>,
    /// More images than this are an error.
    pub max_images: usize,
    /// Downloads at a time.
    pub workers: usize,
    /// Where files are looked for, in this order.
    pub sources: Vec<DownloadSource>,
}
