//! The client: searches, and the addresses of files.

use std::time::Duration;

use spx_core::progress::Progress;
use url::Url;

use crate::base::ArchiveUrl;
use crate::download::Target;
use crate::error::ArchiveError;
use crate::observation::Observation;
use crate::retry::RetryOptions;
use crate::selection::Selection;

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
pub enum Service {
    /// A synchronous TAP query.
    TapSync,
    /// An asynchronous TAP job.
    TapAsync,
    /// SIA2.
    Sia,
}

/// A row of the answer that is no observation.
#[derive(Debug)]
pub struct Rejected {
    /// Its number, from 1.
    pub row: usize,
    /// Why.
    pub cause: String,
}

/// What a search has found.
#[derive(Debug)]
pub struct Search {
    /// One an exposure and detector, by time.
    pub observations: Vec<Observation>,
    /// Older processings of them.
    pub superseded: Vec<Observation>,
    /// Rows that were refused.
    pub rejected: Vec<Rejected>,
    /// Who answered.
    pub service: Service,
    /// What was asked: ADQL, or the address of the SIA query.
    pub query: String,
}

/// Speaks to one archive. It may be shared by threads; connections are reused.
#[derive(Debug)]
pub struct Client {
    base: ArchiveUrl,
    options: ClientOptions,
}

impl Client {
    /// A client of the archive at `base`. Nothing is asked yet.
    pub fn new(base: ArchiveUrl, options: ClientOptions) -> Self {
        Self { base, options }
    }

    /// Searches by TAP: synchronously, and by a job where the server does not manage otherwise.
    ///
    /// # Errors
    /// [`ArchiveError`] where the archive cannot be asked, refuses, cuts its answer off, or where more
    /// images are found than the selection allows.
    pub fn search(&self, selection: &Selection, progress: &dyn Progress) -> Result<Search, ArchiveError> {
        let _ = (selection, progress, &self.options);
        Err(ArchiveError::Protocol {
            url: self.base.to_string(),
            problem: "searches are not written yet".into(),
        })
    }

    /// The address of a file, or of a cutout.
    pub fn url(&self, target: &Target) -> Url {
        let mut url = self.base.file(&target.uri);
        url.set_query(target.cutout.as_ref().map(crate::cutout::Cutout::query).as_deref());
        url
    }
}
