//! The local archive: a directory of spectral images, served over loopback as IRSA serves them.
//!
//! [`LocalArchive::start`] reads the headers of all files below a directory and answers, on
//! `http://127.0.0.1:PORT`:
//!
//! - `/TAP`: ADQL queries, synchronous and as UWS jobs, with VOSI and `TAP_SCHEMA`;
//! - `/SIA`: SIA2; `/datalink/links/spherex`: DataLink with a service descriptor for cutouts;
//! - `/ibe/data/spherex/...`: files with ranges, and true cutouts; `/cloud/...`: the same files.
//!
//! It can be told to misbehave ([`Faults`]), and it [logs](LocalArchive::log) what it was asked
//! for.
//!
//! It is a stand-in for tests, demonstrations and offline work: it knows no access control, and
//! nothing outside its directory can be reached through it. Files that are added later are not
//! seen.

mod adql;
mod answer;
mod body;
mod cutout;
mod datalink;
mod faults;
mod files;
mod http;
mod index;
mod layout;
mod listener;
mod log;
mod request_kind;
mod schema;
mod sia;
mod site;
mod sphere;
mod table;
mod table_file;
mod tap;
mod uws;
mod vosi;
mod votable;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Runtime;

pub use faults::{Fault, Faults};
pub use log::{RequestEntry, RequestLog};
pub use request_kind::RequestKind;
use site::Site;

/// How the archive answers.
#[derive(Debug, Clone, PartialEq)]
pub struct ServeOptions {
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// How it misbehaves.
    pub faults: Faults,
    /// Of the faults.
    pub seed: u64,
    /// Errors of queries come with HTTP 200 in place of 400.
    pub errors_with_200: bool,
    /// The most rows in an answer.
    pub max_rows: usize,
    /// How long a job is queued and executed, at least.
    pub job_duration: Duration,
    /// How long a job is kept.
    pub job_lifetime: Duration,
    /// Gzipped cutouts are sent with `Content-Encoding: gzip` in place of being gzip files.
    pub gzip_as_encoding: bool,
    /// Tables of sources, by name (`gaia_dr3_source`) and file: CSV with a line of names.
    pub tables: Vec<(String, PathBuf)>,
    /// More requests than this at once are answered by HTTP 503; `None` for no limit.
    pub max_parallel: Option<usize>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            port: 0,
            faults: Faults::default(),
            seed: 1,
            errors_with_200: false,
            max_rows: 1_000_000,
            job_duration: Duration::ZERO,
            job_lifetime: Duration::from_secs(3600),
            gzip_as_encoding: false,
            tables: Vec::new(),
            max_parallel: None,
        }
    }
}

/// Parses a query, for the targets of `cargo xtask fuzz` alone.
#[cfg(fuzzing)]
pub fn query(text: &str) -> bool {
    adql::query(&[], text, 10).is_ok()
}

/// Why the archive cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The directory cannot be read.
    #[error("cannot read the directory {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A table cannot be served.
    #[error("table {name}: {}: {problem}", path.display())]
    Table {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The port cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Threads cannot be started.
    #[error("cannot start the server: {0}")]
    Runtime(std::io::Error),
}

/// A running archive; it stops when it is dropped.
pub struct LocalArchive {
    runtime: Option<Runtime>,
    site: Arc<Site>,
}

impl LocalArchive {
    /// Serves the spectral images below a directory. When this returns, requests are answered.
    ///
    /// Files that cannot be read as spectral images are logged (`tracing`, at the level of
    /// warnings) and left out; an empty archive is no error.
    ///
    /// # Errors
    /// Where the directory or a table cannot be read, or the port is taken.
    pub fn start(dir: &Path, options: ServeOptions) -> Result<Self, ServeError> {
        let unreadable = |source| ServeError::Directory { path: dir.to_owned(), source };
        let root = dir.canonicalize().map_err(unreadable)?;
        let index = index::Index::scan(&root).map_err(unreadable)?;
        let tables = options.tables.iter().map(|(name, path)| {
            let wrong = |problem| ServeError::Table { name: name.clone(), path: path.clone(), problem };
            table_file::read(name, path).map_err(wrong)
        });
        let tables = tables.collect::<Result<Vec<_>, _>>()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = TcpListener::bind(address).map_err(|source| ServeError::Bind { address, source })?;
        listener.set_nonblocking(true).map_err(ServeError::Runtime)?;
        let address = listener.local_addr().map_err(ServeError::Runtime)?;
        let site = Arc::new(Site::new(root, index, tables, format!("http://{address}"), options));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("spx-serve")
            .enable_all()
            .build()
            .map_err(ServeError::Runtime)?;
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(ServeError::Runtime)?;
        drop(entered);
        runtime.spawn(site::serve(listener, Arc::clone(&site)));
        Ok(Self { runtime: Some(runtime), site })
    }

    /// `http://127.0.0.1:PORT`, without a slash at its end.
    pub fn url(&self) -> String {
        self.site.base.clone()
    }

    /// The number of spectral images that it serves.
    pub fn images(&self) -> usize {
        self.site.index.images.len()
    }

    /// The requests so far.
    pub fn log(&self) -> RequestLog {
        self.site.recorder.snapshot()
    }
}

impl Drop for LocalArchive {
    fn drop(&mut self) {
        // Not waited for: an answer may be stalled on purpose.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
