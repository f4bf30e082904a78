//! The client: searches, and the addresses of files.

use spx_core::progress::Progress;
use url::Url;

use crate::base::ArchiveUrl;
use crate::cutout::Cutout;
use crate::datalink::{self, DataLinkRow, LinkCache};
use crate::error::ArchiveError;
use crate::observation::{Newest, Observation, newest};
use crate::options::ClientOptions;
use crate::rows::{RejectedRow, Rows, SearchService};
use crate::selection::{SearchCircle, Selection};
use crate::session::Session;
use crate::sources::{self, FoundSources, SourceTable};
use crate::target::DownloadTarget;
use crate::{sia, tap};

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
    session: Session,
}

impl ArchiveClient {
    /// A client of the archive at `base`. Nothing is asked yet.
    pub fn new(base: ArchiveUrl, options: ClientOptions) -> Self {
        Self { session: Session::new(base, options) }
    }

    /// The archive.
    pub fn base(&self) -> &ArchiveUrl {
        self.session.base()
    }

    /// How it is spoken to.
    pub fn options(&self) -> &ClientOptions {
        self.session.options()
    }

    /// Searches by TAP: synchronously, and by a job where the server does not manage otherwise.
    ///
    /// # Errors
    /// [`ArchiveError`] where the archive cannot be asked, refuses, cuts its answer off, or where
    /// more images are found than the selection allows.
    pub fn search(
        &self,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<SearchResult, ArchiveError> {
        let query = selection.adql();
        let (rows, service) = tap::query::<Rows>(&self.session, &query, &|| progress.cancelled())?;
        found(rows, selection, service, query)
    }

    /// Searches by SIA2, which lags TAP by about a day and knows circles that overlap and nothing
    /// else: a rectangle is searched by its circumscribed circle, full coverage as any.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_sia(
        &self,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<SearchResult, ArchiveError> {
        let (rows, query) = sia::query(&self.session, selection, &|| progress.cancelled())?;
        found(rows, selection, SearchService::Sia, query)
    }

    /// The sources of a table in a circle, at the places that the table gives, by TAP. The table's
    /// columns are looked up first.
    ///
    /// # Errors
    /// [`ArchiveError`] where the archive cannot be asked, refuses, cuts its answer off, or has no
    /// such table or not the columns that are needed.
    pub fn sources(
        &self,
        table: SourceTable,
        circle: SearchCircle,
        progress: &dyn Progress,
    ) -> Result<FoundSources, ArchiveError> {
        sources::find(&self.session, table, circle, &|| progress.cancelled())
    }

    /// What a spectral image is linked to, from the cache where it is there and fresh.
    ///
    /// # Errors
    /// [`ArchiveError`] where the archive cannot be asked or refuses; a cache that fails is no
    /// error.
    pub fn links(
        &self,
        publisher_did: &str,
        cache: Option<&LinkCache>,
        progress: &dyn Progress,
    ) -> Result<Vec<DataLinkRow>, ArchiveError> {
        datalink::links(&self.session, publisher_did, cache, &|| progress.cancelled())
    }

    /// The address of a file, or of a cutout.
    pub fn url(&self, target: &DownloadTarget) -> Url {
        let mut url = self.base().file(&target.uri);
        url.set_query(target.cutout.as_ref().map(Cutout::query).as_deref());
        url
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
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
    let Newest { kept, superseded } = newest(accepted, selection.release);
    for RejectedRow { row, cause } in &rows.rejected {
        tracing::warn!("row {row} of the answer is refused: {cause}");
    }
    match selection.max_images {
        Some(limit) if kept.len() > limit => Err(ArchiveError::TooMany { found: kept.len(), limit }),
        _ => Ok(SearchResult { observations: kept, superseded, rejected: rows.rejected, service, query }),
    }
}
