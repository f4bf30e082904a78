//! The client: searches, and the addresses of files.

use std::time::{Duration, Instant};

use spx_core::progress::Progress;
use ureq::http::Method;
use url::Url;

use crate::base::ArchiveUrl;
use crate::cutout::Cutout;
use crate::datalink::{self, DataLinkRow, LinkCache};
use crate::download::DownloadTarget;
use crate::error::ArchiveError;
use crate::http::{Http, Request};
use crate::observation::{Newest, Observation, newest};
use crate::retry::{RetryOptions, sleep_until};
use crate::rows::Rows;
use crate::selection::Selection;
use crate::{sia, tap};

/// How the archive is spoken to.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientOptions {
    /// Tries and waits of queries; downloads have their own.
    pub retry: RetryOptions,
    /// Hosts that a redirect may lead to beside the one that was asked, and the cloud copy's.
    pub allowed_hosts: Vec<String>,
    /// The cloud copy: the paths of the archive below `ibe/data/spherex/` stand below it.
    pub cloud: ArchiveUrl,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest time in which not one byte arrives.
    pub stall_timeout: Duration,
    /// The longest wait for the answer to a synchronous query; beyond, a job is made.
    pub answer_timeout: Duration,
    /// The longest wait for a job.
    pub job_deadline: Duration,
    /// Connections that are kept open, at least as many as downloads at a time.
    pub connections: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            retry: RetryOptions { attempts: 4, ..RetryOptions::default() },
            allowed_hosts: Vec::new(),
            cloud: ArchiveUrl::cloud(),
            connect_timeout: Duration::from_secs(20),
            stall_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(120),
            job_deadline: Duration::from_secs(1800),
            connections: 16,
        }
    }
}

/// The service that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchService {
    /// A synchronous TAP query.
    TapSync,
    /// An asynchronous TAP job.
    TapAsync,
    /// SIA2.
    Sia,
}

/// A row of the answer that is no observation.
#[derive(Debug)]
pub struct RejectedRow {
    /// Its number, from 1.
    pub row: usize,
    /// Why.
    pub cause: String,
}

/// What a search has found.
#[derive(Debug)]
pub struct SearchResult {
    /// One an exposure and detector, by time.
    pub observations: Vec<Observation>,
    /// Older processings of them.
    pub superseded: Vec<Observation>,
    /// Rows that were refused.
    pub rejected: Vec<RejectedRow>,
    /// Who answered.
    pub service: SearchService,
    /// What was asked: ADQL, or the address of the SIA query.
    pub query: String,
}

/// Speaks to one archive. It may be shared by threads; connections are reused.
#[derive(Debug)]
pub struct ArchiveClient {
    base: ArchiveUrl,
    options: ClientOptions,
    http: Http,
}

impl ArchiveClient {
    /// A client of the archive at `base`. Nothing is asked yet.
    pub fn new(base: ArchiveUrl, options: ClientOptions) -> Self {
        Self { base, http: Http::new(&options), options }
    }

    /// The archive.
    pub fn base(&self) -> &ArchiveUrl {
        &self.base
    }

    /// How it is spoken to.
    pub fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Searches by TAP: synchronously, and by a job where the server does not manage otherwise.
    ///
    /// # Errors
    /// [`ArchiveError`] where the archive cannot be asked, refuses, cuts its answer off, or where more
    /// images are found than the selection allows.
    pub fn search(
        &self,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<SearchResult, ArchiveError> {
        let query = selection.adql();
        let (rows, service) = tap::query(self, &query, &|| progress.cancelled())?;
        found(rows, selection, service, query)
    }

    /// Searches by SIA2, which lags TAP by about a day and knows circles that overlap and nothing else: a
    /// rectangle is searched by its circumscribed circle, full coverage as any. Where the selection names
    /// no release, `qr2` is searched.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_sia(
        &self,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<SearchResult, ArchiveError> {
        let (rows, query) = sia::query(self, selection, &|| progress.cancelled())?;
        found(rows, selection, SearchService::Sia, query)
    }

    /// What a spectral image is linked to, from the cache where it is there and fresh.
    ///
    /// # Errors
    /// [`ArchiveError`] where the archive cannot be asked or refuses; a cache that fails is no error.
    pub fn links(
        &self,
        publisher_did: &str,
        cache: Option<&LinkCache>,
        progress: &dyn Progress,
    ) -> Result<Vec<DataLinkRow>, ArchiveError> {
        datalink::links(self, publisher_did, cache, &|| progress.cancelled())
    }

    /// The address of a file, or of a cutout.
    pub fn url(&self, target: &DownloadTarget) -> Url {
        let mut url = self.base.file(&target.uri);
        url.set_query(target.cutout.as_ref().map(Cutout::query).as_deref());
        url
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// A request of a service.
    pub(crate) fn request(&self, method: Method, url: Url, deadline: Duration) -> Request {
        Request::new(method, url, self.options.answer_timeout, deadline)
    }

    /// Does something, again where it fails in a way that may pass, unless `give_up` says otherwise.
    pub(crate) fn retried<T>(
        &self,
        cancelled: &dyn Fn() -> bool,
        give_up: impl Fn(&ArchiveError) -> bool,
        mut action: impl FnMut() -> Result<T, ArchiveError>,
    ) -> Result<T, ArchiveError> {
        let mut failures = 0;
        loop {
            if cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            let error = match action() {
                Ok(done) => return Ok(done),
                Err(error) if give_up(&error) => return Err(error),
                Err(error) => error,
            };
            failures += 1;
            let Some(wait) = self.options.retry.after(&error, failures) else { return Err(error) };
            tracing::info!("{error}; trying again in {:.1} s", wait.as_secs_f64());
            sleep_until(Instant::now() + wait, cancelled)?;
        }
    }
}

/// The rows that the selection accepts, the newest of each exposure.
fn found(
    rows: Rows,
    selection: &Selection,
    service: SearchService,
    query: String,
) -> Result<SearchResult, ArchiveError> {
    let accepted = rows.observations.into_iter().filter(|o| selection.accepts(o)).collect();
    let Newest { kept, superseded } = newest(accepted);
    for RejectedRow { row, cause } in &rows.rejected {
        tracing::warn!("row {row} of the answer is refused: {cause}");
    }
    match selection.max_images {
        Some(limit) if kept.len() > limit => Err(ArchiveError::TooMany { found: kept.len(), limit }),
        _ => Ok(SearchResult { observations: kept, superseded, rejected: rows.rejected, service, query }),
    }
}
