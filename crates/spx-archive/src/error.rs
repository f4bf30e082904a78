//! What can go wrong between here and the archive, with the address and the cause in each message.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use spx_votable::VoTableError;

use crate::fits_check::FitsProblem;

/// What can go wrong with the archive. Addresses are shown without credentials.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The server answered with a status that is no success.
    #[error("{url}: the server says {status}{}{}", colon(message), asks_to_wait(*retry_after))]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the server adds, where it is text.
        message: String,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The connection failed: no such host, refused, reset, timeout.
    #[error("{url}: {cause}")]
    Transport {
        /// The address.
        url: String,
        /// What happened.
        cause: String,
        /// True for a timeout.
        timeout: bool,
    },
    /// A redirect that is not followed.
    #[error("{url} redirects to {target}, which is refused: {problem}")]
    Redirect {
        /// The address that was asked.
        url: String,
        /// Where it leads.
        target: String,
        /// Why it is refused.
        problem: &'static str,
    },
    /// The answer of a service is no table that can be read.
    #[error("{url}: {source}")]
    Table {
        /// The address.
        url: String,
        /// What is wrong with it.
        source: VoTableError,
    },
    /// The service refuses the query.
    #[error("{url}: the archive refuses the query: {message}")]
    Query {
        /// The address.
        url: String,
        /// The server's words.
        message: String,
    },
    /// The service cuts its answer off, so that images would be missing.
    #[error("{url}: the archive truncated its answer after {rows} rows; select less")]
    Overflow {
        /// The address.
        url: String,
        /// Rows that arrived.
        rows: usize,
    },
    /// More images than the selection allows.
    #[error("{found} images found, more than the {limit} allowed; select fewer, or allow more")]
    TooMany {
        /// Images found.
        found: usize,
        /// The limit of the selection.
        limit: usize,
    },
    /// An asynchronous job failed.
    #[error("job {url} ended as {phase}{}", colon(message))]
    Job {
        /// The job.
        url: String,
        /// Its phase, such as `ERROR` or `ABORTED`.
        phase: String,
        /// The server's words.
        message: String,
    },
    /// An asynchronous job took longer than allowed.
    #[error("job {url} had not finished after {} s", waited.as_secs())]
    JobDeadline {
        /// The job.
        url: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// An answer that breaks the protocol.
    #[error("{url}: {problem}")]
    Protocol {
        /// The address.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that ended before its end, or is longer than announced.
    #[error("{url}: {received} of the {expected} announced bytes arrived")]
    Length {
        /// The address.
        url: String,
        /// Bytes that arrived.
        received: u64,
        /// Bytes that were announced.
        expected: u64,
    },
    /// A file that is much larger than it should be, as it arrives or when it is unpacked.
    #[error("{url}: more than the accepted {most} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// Bytes that are accepted.
        most: u64,
    },
    /// The proxy of the environment cannot be used.
    #[error("{problem}")]
    Proxy {
        /// The proxy, its variable, and what is wrong.
        problem: String,
    },
    /// A file that is not the FITS file it claims to be.
    #[error("{place}: {source}")]
    Fits {
        /// The address or the path.
        place: String,
        /// What is wrong with it.
        source: FitsProblem,
    },
    /// Reading or writing a local file failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The disk has not enough room.
    #[error("{}: {needed} bytes are needed, {free} are free", directory.display())]
    DiskSpace {
        /// The directory.
        directory: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// Another process is downloading into the directory.
    #[error("{}: another download into this directory is in progress", directory.display())]
    Busy {
        /// The directory.
        directory: PathBuf,
    },
    /// Two files of the archive would get the same name.
    #[error("{} would be written by {first} and by {second}", path.display())]
    Conflict {
        /// The file.
        path: PathBuf,
        /// The file of the archive that gets the name.
        first: String,
        /// The other one.
        second: String,
    },
    /// No source that is allowed has the file.
    #[error("{uri} is in none of the allowed sources: {sources}")]
    NoSource {
        /// The file of the archive.
        uri: String,
        /// The sources.
        sources: String,
    },
    /// The user asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl ArchiveError {
    /// True for what may pass when it is tried again: timeouts, resets, 408, 425, 429, 5xx, and
    /// answers and files that arrive incomplete, damaged or as a web page, as now and then they do.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                matches!(status, 408 | 425 | 429)
                    || (500..600).contains(status) && !matches!(status, 501 | 505)
            }
            Self::Transport { .. }
            | Self::Table { .. }
            | Self::Protocol { .. }
            | Self::Length { .. }
            | Self::Fits { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

fn asks_to_wait(time: Option<Duration>) -> String {
    time.map_or_else(String::new, |time| format!(" (it asks to wait {} s)", time.as_secs()))
}

fn colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
