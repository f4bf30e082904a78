//! The archive as pipelines see it: which one, which images of a place, and their files.

mod access;
mod deliver;
mod files;
mod search;
mod settings;
mod summary;

pub use access::ArchiveAccess;
pub use deliver::{ArchiveOrder, DeliveredFiles};
pub use files::{FetchReport, FetchedFiles, RemoteSource, check_mirror, fetch, sources};
pub use search::{MAX_IMAGES, client, search};
pub use settings::ArchiveSettings;
pub use summary::{QUERY_SUMMARY, QueryEntry, QueryRegion, QuerySummary};
