//! TAP (IVOA Recommendation 1.1): a query answered at once, or by a job (UWS 1.1) that is waited
//! for.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::http::Method;
use url::Url;

use crate::error::ArchiveError;
use crate::http::{Reply, Request, shown};
use crate::retry::sleep_until;
use crate::rows::{self, Rows, SearchService};
use crate::session::Session;

/// The longest text that a job's phase or error is read for \[bytes\].
const SHORT_TEXT: u64 = 64 << 10;

/// The first wait between two looks at a job; it grows by half each time.
const FIRST_POLL: Duration = Duration::from_millis(250);

/// The longest wait between two looks at a job.
const LONGEST_POLL: Duration = Duration::from_secs(20);

/// How long the answer to the deletion of a job is waited for.
const DELETION_WAIT: Duration = Duration::from_millis(500);

/// The longest time for the body of an answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(1800);

/// What a query is answered with.
pub(crate) trait TapAnswer: Sized {
    /// Reads an answer.
    fn read(reply: Reply<'_>, service: SearchService) -> Result<Self, ArchiveError>;

    /// True where the service cut it off.
    fn overflow(&self) -> bool;

    /// The number of its rows, those included that were refused.
    fn rows(&self) -> usize;
}

impl TapAnswer for Rows {
    fn read(reply: Reply<'_>, service: SearchService) -> Result<Self, ArchiveError> {
        rows::read(reply, service)
    }

    fn overflow(&self) -> bool {
        self.overflow
    }

    fn rows(&self) -> usize {
        self.observations.len() + self.rejected.len()
    }
}

/// Asks synchronously, then by a job where the server does not manage otherwise.
pub(crate) fn query<T: TapAnswer>(
    client: &Session,
    adql: &str,
    cancelled: &dyn Fn() -> bool,
) -> Result<(T, SearchService), ArchiveError> {
    match sync::<T>(client, adql, cancelled) {
        Ok(answer) if !answer.overflow() => return Ok((answer, SearchService::TapSync)),
        Ok(answer) => {
            tracing::info!(
                "the answer was truncated after {} rows; repeating the query as a job",
                answer.rows()
            );
        }
        Err(e) if wants_job(&e) => tracing::info!("{e}; asking by a job"),
        Err(e) => return Err(e),
    }
    let answer = by_job::<T>(client, adql, cancelled)?;
    if answer.overflow() {
        return Err(ArchiveError::Overflow { url: shown(&client.base().tap_async()), rows: answer.rows() });
    }
    Ok((answer, SearchService::TapAsync))
}

/// True where a job may manage what a synchronous query did not.
fn wants_job(error: &ArchiveError) -> bool {
    match error {
        ArchiveError::Status { status: 408 | 413 | 504, .. }
        | ArchiveError::Transport { timeout: true, .. } => true,
        ArchiveError::Status { message, .. } | ArchiveError::Query { message, .. } => {
            let message = message.to_ascii_lowercase();
            ["async", "timeout", "timed out", "time limit"].iter().any(|word| message.contains(word))
        }
        _ => false,
    }
}

fn form(adql: &str) -> Vec<(&'static str, String)> {
    [
        ("REQUEST", "doQuery"),
        ("LANG", "ADQL"),
        ("QUERY", adql),
        ("FORMAT", "votable"),
        ("RESPONSEFORMAT", "votable"),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .to_vec()
}

fn sync<T: TapAnswer>(client: &Session, adql: &str, cancelled: &dyn Fn() -> bool) -> Result<T, ArchiveError> {
    let mut request = client.request(Method::POST, client.base().tap_sync(), ANSWER_DEADLINE);
    request.form = form(adql);
    // What a job may manage is not tried again here.
    client.retried(cancelled, wants_job, || {
        T::read(client.http().send(&request, cancelled)?, SearchService::TapSync)
    })
}

/// Jobs that are made for a query, in case the server forgets one.
const MOST_JOBS: usize = 3;

/// Makes a job, starts it, waits for it and fetches what it found; the job is deleted in the end.
fn by_job<T: TapAnswer>(
    client: &Session,
    adql: &str,
    cancelled: &dyn Fn() -> bool,
) -> Result<T, ArchiveError> {
    let mut request = client.request(Method::POST, client.base().tap_async(), ANSWER_DEADLINE);
    request.form = form(adql);
    let mut jobs = 0;
    loop {
        let url = client.retried(cancelled, |_| false, || make_job(client, &request, cancelled))?;
        let job = Job { client, url, cancelled };
        let answer = job.run();
        jobs += 1;
        match answer {
            Err(ArchiveError::Status { status: 404 | 410, url, .. }) if jobs < MOST_JOBS => {
                tracing::info!("{url}: the archive has lost the job; starting another");
            }
            answer => {
                job.delete();
                return answer;
            }
        }
    }
}

/// The answer to the making of a job redirects to the job.
fn make_job(client: &Session, request: &Request, cancelled: &dyn Fn() -> bool) -> Result<Url, ArchiveError> {
    let jobs = client.base().tap_async();
    let is_job = |url: &Url| {
        url.path().strip_prefix(jobs.path()).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
    };
    client.http().location(request, cancelled)?.filter(is_job).ok_or_else(|| ArchiveError::Protocol {
        url: shown(&jobs),
        problem: "the archive did not say where the job is".into(),
    })
}

/// A job of the archive.
struct Job<'a> {
    client: &'a Session,
    url: Url,
    cancelled: &'a dyn Fn() -> bool,
}

impl Job<'_> {
    fn run<T: TapAnswer>(&self) -> Result<T, ArchiveError> {
        self.start()?;
        self.wait()?;
        let request = self.request(Method::GET, "results/result");
        self.client.retried(
            self.cancelled,
            |_| false,
            || T::read(self.client.http().send(&request, self.cancelled)?, SearchService::TapAsync),
        )
    }

    /// Looks at the phase until it is the last.
    fn wait(&self) -> Result<(), ArchiveError> {
        let (start, deadline) = (Instant::now(), self.client.options().job_deadline);
        let mut poll = FIRST_POLL;
        loop {
            match self.phase()? {
                Phase::Completed => return Ok(()),
                Phase::Failed(phase) => {
                    let message = self.message();
                    return Err(ArchiveError::Job { url: shown(&self.url), phase, message });
                }
                // It was told to run, though perhaps something else than the archive answered then.
                Phase::Pending => drop(self.start()),
                Phase::Running => {}
            }
            if start.elapsed() >= deadline {
                return Err(ArchiveError::JobDeadline { url: shown(&self.url), waited: start.elapsed() });
            }
            sleep_until(Instant::now() + poll, self.cancelled)?;
            poll = (poll + poll / 2).min(LONGEST_POLL);
        }
    }

    fn phase(&self) -> Result<Phase, ArchiveError> {
        self.client.retried(
            self.cancelled,
            |_| false,
            || {
                let text = self.get_once("phase")?;
                Phase::parse(text.trim()).ok_or_else(|| {
                    let start: String = text.trim().chars().take(40).collect();
                    ArchiveError::Protocol {
                        url: shown(&self.url),
                        problem: format!("{start:?} is not a phase of a job"),
                    }
                })
            },
        )
    }

    /// The server's words on a job that failed: a VOTable or plain text; else nothing.
    fn message(&self) -> String {
        match self.client.retried(self.cancelled, |_| false, || self.get_once("error")) {
            Ok(text) => crate::http::server_words(text.as_bytes()),
            Err(ArchiveError::Status { message, .. }) => message,
            Err(_) => String::new(),
        }
    }

    fn request(&self, method: Method, below: &str) -> Request {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(below.split('/').filter(|s| !s.is_empty()));
        }
        self.client.request(method, url, ANSWER_DEADLINE)
    }

    fn start(&self) -> Result<(), ArchiveError> {
        let mut request = self.request(Method::POST, "phase");
        request.form = vec![("PHASE", "RUN".to_owned())];
        // It redirects to the job, which there is no need to look at.
        self.client
            .retried(self.cancelled, |_| false, || self.client.http().location(&request, self.cancelled))
            .map(|_| ())
    }

    fn get_once(&self, below: &str) -> Result<String, ArchiveError> {
        let reply = self.client.http().send(&self.request(Method::GET, below), self.cancelled)?;
        let url = reply.url.clone();
        let mut text = Vec::new();
        let read = reply.into_decoded().take(SHORT_TEXT).read_to_end(&mut text);
        read.map_err(|e| crate::http::body_error(&url, &e))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// A job that is left behind costs the archive little, so that a failure here is none of the
    /// query.
    fn delete(&self) {
        // Nor is it waited for: the user may have asked to stop.
        let start = Instant::now();
        let late = || start.elapsed() > DELETION_WAIT;
        if let Err(e) = self.client.http().send(&self.request(Method::DELETE, ""), &late) {
            tracing::debug!("the job could not be deleted: {e}");
        }
    }
}

/// What a job is doing, of the phases of UWS 1.1.
enum Phase {
    Pending,
    Running,
    Completed,
    Failed(String),
}

impl Phase {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "PENDING" => Some(Self::Pending),
            "QUEUED" | "EXECUTING" | "HELD" | "SUSPENDED" | "UNKNOWN" => Some(Self::Running),
            "COMPLETED" => Some(Self::Completed),
            phase @ ("ERROR" | "ABORTED" | "ARCHIVED") => Some(Self::Failed(phase.to_owned())),
            _ => None,
        }
    }
}
