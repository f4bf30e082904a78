//! One archive, and the requests that the services make of it.

use std::time::{Duration, Instant};

use ureq::http::Method;
use url::Url;

use crate::base::ArchiveUrl;
use crate::error::ArchiveError;
use crate::http::{Http, Request};
use crate::options::ClientOptions;
use crate::retry::sleep_until;

/// The archive, how it is spoken to, and the connections to it.
#[derive(Debug)]
pub(crate) struct Session {
    base: ArchiveUrl,
    options: ClientOptions,
    http: Http,
}

impl Session {
    pub(crate) fn new(base: ArchiveUrl, options: ClientOptions) -> Self {
        Self { base, http: Http::new(&options), options }
    }

    pub(crate) fn base(&self) -> &ArchiveUrl {
        &self.base
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// A request of a service.
    pub(crate) fn request(&self, method: Method, url: Url, deadline: Duration) -> Request {
        Request::new(method, url, self.options.answer_timeout, deadline)
    }

    /// Does something, again where it fails in a way that may pass, unless `give_up` says
    /// otherwise.
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
                Err(_) if cancelled() => return Err(ArchiveError::Cancelled),
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
