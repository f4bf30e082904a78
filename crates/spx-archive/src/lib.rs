//! The client of the IRSA archive of SPHEREx data: what images there are of a place, and the files.
//!
//! - [`Selection`] says what is looked for; [`ArchiveClient::search`] asks TAP (at once, or by a
//!   job), and [`ArchiveClient::search_sia`] SIA2. Both give [`Observation`]s, the newest
//!   processing of each.
//! - [`ArchiveClient::sources`] asks a table of sources, such as Gaia's, what there is in a circle.
//! - [`ArchiveClient::links`] asks DataLink what belongs to an image, with a cache on disk.
//! - [`Cutout`] is a part of an image, checked before anybody is asked for it.
//! - [`Downloader`] fetches many files from a mirror, the cloud copy and the archive: in parallel,
//!   taking up what was broken off, each file whole or not there at all, each with a
//!   [`FileReport`].
//!
//! **Nothing that the archive says is trusted.** Paths are [checked](ArchivePath) so that none
//! leaves the output directory; redirects keep to the host and to https; tables are read row by row
//! under [limits](spx_votable::VoTableLimits); a file takes its name only after its structure was
//! walked to the end.
//!
//! **No printing, no argument parsing.** Progress is told through [`spx_core::progress::Progress`]
//! and [`DownloadProgress`], the rest logged by `tracing`. This is the only crate of spx that
//! speaks HTTP as a client.
//!
//! ```no_run
//! use spx_archive::{
//!     ArchiveClient, ArchiveUrl, ClientOptions, DownloadOptions, DownloadTarget, Downloader,
//!     SearchShape, Selection,
//! };
//! use spx_archive::{progress::Silent, sky::Position};
//!
//! let client = ArchiveClient::new(ArchiveUrl::default(), ClientOptions::default());
//! let selection = Selection::new(SearchShape::Point(Position::new(304.69, 42.44)?));
//! let found = client.search(&selection, &Silent)?;
//! let targets = found.observations.iter().map(|o| DownloadTarget::new(o, None)).collect();
//! let downloader = Downloader::new(&client, "data".as_ref(), DownloadOptions::default())?;
//! let plan = downloader.plan(targets, &Silent)?;
//! for report in downloader.run(plan, &Silent) {
//!     println!("{}: {:?}", report.path.display(), report.outcome);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base;
mod client;
mod cutout;
mod datalink;
mod download;
mod error;
mod fits_check;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hash;
mod http;
mod listing;
mod observation;
mod options;
mod path;
mod retry;
mod rows;
mod selection;
mod session;
mod sia;
mod sources;
mod tap;
mod target;

pub use base::{ArchiveUrl, ArchiveUrlError};
pub use client::{ArchiveClient, SearchResult};
pub use cutout::{Cutout, CutoutCenter, CutoutError, CutoutPlace, CutoutSize, CutoutUnit, FULL_FRAME_BYTES};
pub use datalink::{DataLinkRow, LinkCache};
pub use download::{
    DownloadLayout, DownloadOptions, DownloadOutcome, DownloadPlan, DownloadProgress, DownloadSource,
    DownloadState, Downloader, FileReport, MirrorUse, PlannedFile,
};
pub use error::ArchiveError;
pub use fits_check::FitsProblem;
pub use http::proxy_in_use;
pub use listing::{CalibrationAge, CalibrationFamily, ListedProduct, calibration_age};
pub use observation::{Newest, Observation, ObservationError, ObservationId, newest};
pub use options::ClientOptions;
pub use path::{ArchivePath, ArchivePathError};
pub use retry::RetryOptions;
pub use rows::{RejectedRow, SearchService};
pub use selection::{Coverage, MjdRange, SearchCircle, SearchShape, Selection, SelectionError, SurveyFields};
pub use sources::{ArchivedMotion, ArchivedSource, FoundSources, SourceTable};
pub use spx_core::release::{DataRelease, Processing, ProductName, ReleaseChoice, ReleaseIdentity};
pub use spx_core::{detector, progress, sky};
pub use target::DownloadTarget;
