//! The archive as pipelines see it: which one, which images of a place, and their files.

mod access;
mod deliver;
mod files;
mod query;
mod search;
mod settings;
mod summary;

pub use access::ArchiveAccess;
pub use deliver::{ArchiveOrder, DeliveredFiles};
pub use files::{FetchReport, FetchedFiles, RemoteSource, check_mirror, fetch, sources};
pub use query::{DownloadRequest, QueryReport, QueryRequest, download, load_query_summary, query};
pub use search::{MAX_IMAGES, client, search};
pub use settings::ArchiveSettings;
pub use summary::{QUERY_SUMMARY, QueryEntry, QueryFilters, QueryRegion, QuerySummary, SupersededEntry};
