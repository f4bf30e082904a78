//! The client of the IRSA archive of SPHEREx data: what images there are of a place, and the files.

pub mod votable;

mod base;
mod client;
mod cutout;
mod datalink;
mod download;
mod error;
mod fits_check;
mod hash;
mod http;
mod observation;
mod path;
mod retry;
mod rows;
mod selection;
mod sia;
mod tap;

pub use base::{ArchiveUrl, ArchiveUrlError};
pub use client::{Client, ClientOptions, Rejected, Search, Service};
pub use cutout::{Cutout, CutoutCentre, CutoutError, CutoutSize, FULL_FRAME_BYTES, Unit};
pub use datalink::{Link, LinkCache};
pub use download::{
    DownloadOptions, DownloadPlan, DownloadProgress, Downloader, FileReport, Layout, MirrorUse, Outcome,
    PlannedFile, Source, State, Target,
};
pub use error::ArchiveError;
pub use fits_check::FitsProblem;
pub use observation::{Newest, Observation, ObservationError, ObservationId, Processing, newest};
pub use path::{ArchivePath, ArchivePathError};
pub use retry::RetryOptions;
pub use selection::{Circle, Coverage, MjdRange, Selection, SelectionError, Shape};
