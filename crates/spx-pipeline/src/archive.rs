//! The archive as pipelines see it: which one, which images of a place, and their files.

mod access;
mod deliver;
mod files;
mod identifiers;
mod place;
mod query;
mod search;
mod settings;
mod summary;
mod table;

pub use access::ArchiveAccess;
pub use deliver::{ArchiveOrder, DeliveredFiles};
pub use files::{FetchReport, FetchedFiles, RemoteSource, check_mirror, fetch, sources};
pub use identifiers::{ArchiveIdentifier, ArchiveIdentifiers};
pub use place::{CutoutSettings, PlaceSettings};
pub(crate) use place::{detectors, needed_position};
pub use query::{
    DownloadConfig, QueryConfig, QueryReport, download, download_listed, forecast_download,
    load_query_summary, query,
};
pub use search::{MAX_IMAGES, search};
pub use settings::{ArchiveSettings, SearchSettings};
pub use spx_archive::{
    ArchiveError, ArchiveUrl, CalibrationFamily, DownloadOutcome, DownloadProgress, DownloadTarget,
    FileReport,
};
pub use summary::{QUERY_SUMMARY, QueryEntry, QueryFilters, QueryRegion, QuerySummary, SupersededEntry};
