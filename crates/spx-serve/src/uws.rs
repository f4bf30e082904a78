//! Asynchronous queries: jobs of the Universal Worker Service 1.1.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use tokio::time::sleep;

use crate::Site;
use crate::http::{Call, Params, plain, reply, see_other, xml};
use crate::tap::{self, Document};
use crate::votable::{self, Format};

/// Where jobs are.
pub(crate) const PATH: &str = "/TAP/async";
/// The longest that a request waits for a change of phase.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How often a waiting request looks.
const LOOK: Duration = Duration::from_millis(20);

/// Jobs that are kept at a time.
const MOST_JOBS: usize = 200;
/// Bytes of answers that are kept for the jobs that have ended.
const MOST_BYTES: usize = 256 << 20;

/// Phases of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Pending,
    Queued,
    Executing,
    Completed,
    Error,
    Aborted,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Queued => "QUEUED",
            Self::Executing => "EXECUTING",
            Self::Completed => "COMPLETED",
            Self::Error => "ERROR",
            Self::Aborted => "ABORTED",
        }
    }

    /// It can still change by itself or by a request.
    fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Queued | Self::Executing)
    }
}

#[derive(Debug, Clone)]
struct Job {
    phase: Phase,
    params: Params,
    created: SystemTime,
    started: Option<SystemTime>,
    ended: Option<SystemTime>,
    /// When it is forgotten.
    destruction: SystemTime,
    /// The longest that it may run \[s\]; noted, and not enforced.
    duration: u64,
    outcome: Option<Result<Document, String>>,
}

impl Job {
    /// Bytes of its answer.
    fn bytes(&self) -> usize {
        match &self.outcome {
            Some(Ok(document)) => document.text.len(),
            _ => 0,
        }
    }
}

/// Forgets the oldest job that has ended; false where none has. Ids count up.
fn forget_oldest(jobs: &mut BTreeMap<String, Job>) -> bool {
    let oldest = jobs.iter().find(|(_, job)| !job.phase.is_active()).map(|(id, _)| id.clone());
    oldest.is_some_and(|id| jobs.remove(&id).is_some())
}

/// All jobs by their ids.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    jobs: Mutex<BTreeMap<String, Job>>,
    serial: AtomicU64,
}

impl Jobs {
    /// The jobs that are not forgotten yet.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        jobs.retain(|_, job| job.destruction > now);
        jobs
    }

    fn get(&self, id: &str) -> Option<Job> {
        self.lock().get(id).cloned()
    }

    /// Changes a job, if it is there and `change` finds that it may.
    fn change(&self, id: &str, change: impl FnOnce(&mut Job) -> bool) -> bool {
        self.lock().get_mut(id).is_some_and(change)
    }

    /// Forgets the job of a path.
    pub(crate) fn forget(&self, path: &str) {
        let rest = path.strip_prefix(PATH).unwrap_or_default();
        if let Some(id) = rest.trim_start_matches('/').split('/').next() {
            self.lock().remove(id);
        }
    }

    /// A new job; `None` where there are too many that have not ended.
    fn create(&self, params: &Params, lifetime: Duration) -> Option<String> {
        let id = format!("{:08}", self.serial.fetch_add(1, Ordering::Relaxed) + 1);
        let now = SystemTime::now();
        let job = Job {
            phase: Phase::Pending,
            params: params.clone(),
            created: now,
            started: None,
            ended: None,
            destruction: now + lifetime,
            duration: 3600,
            outcome: None,
        };
        let mut jobs = self.lock();
        if jobs.len() >= MOST_JOBS {
            forget_oldest(&mut jobs);
        }
        if jobs.len() >= MOST_JOBS {
            return None;
        }
        jobs.insert(id.clone(), job);
        Some(id)
    }

    /// Forgets the oldest answers where they take too much memory.
    fn make_room(&self) {
        let mut jobs = self.lock();
        while jobs.values().map(Job::bytes).sum::<usize>() > MOST_BYTES && jobs.len() > 1 {
            if !forget_oldest(&mut jobs) {
                return;
            }
        }
    }
}

/// `/TAP/async`: the list of jobs, and new ones.
pub(crate) async fn jobs(State(site): State<Arc<Site>>, call: Call) -> Response {
    if call.method != Method::POST {
        return xml(job_list(&site));
    }
    let Some(id) = site.jobs.create(&call.params, site.options.job_lifetime) else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "there are too many jobs that have not ended");
    };
    if call.params.get("PHASE").is_some_and(|p| p.eq_ignore_ascii_case("RUN")) {
        run(&site, &id);
    }
    see_other(&address(&site, &id))
}

/// `/TAP/async/ID` and all below it.
pub(crate) async fn job(State(site): State<Arc<Site>>, call: Call) -> Response {
    let rest = call.path.strip_prefix(PATH).unwrap_or_default().trim_start_matches('/').to_owned();
    let (id, part) = rest.split_once('/').unwrap_or((&rest, ""));
    let part = part.trim_end_matches('/');
    if site.jobs.get(id).is_none() {
        return plain(StatusCode::NOT_FOUND, "there is no such job (any more)");
    }
    match call.method {
        Method::DELETE if part.is_empty() => delete(&site, id),
        Method::POST => post(&site, id, part, &call.params),
        Method::GET | Method::HEAD => get(&site, id, part, &call.params).await,
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "that is not how jobs are treated"),
    }
}

fn address(site: &Site, id: &str) -> String {
    format!("{}{PATH}/{id}", site.base)
}

fn delete(site: &Site, id: &str) -> Response {
    site.jobs.lock().remove(id);
    see_other(&format!("{}{PATH}", site.base))
}

fn post(site: &Arc<Site>, id: &str, part: &str, params: &Params) -> Response {
    let done = match (part, params.get("PHASE"), params.get("ACTION")) {
        ("", _, Some(action)) if action.eq_ignore_ascii_case("DELETE") => return delete(site, id),
        ("" | "phase", Some(phase), _) if phase.eq_ignore_ascii_case("RUN") => run(site, id),
        ("" | "phase", Some(phase), _) if phase.eq_ignore_ascii_case("ABORT") => abort(site, id),
        ("" | "parameters", None, _) => site.jobs.change(id, |job| {
            let pending = job.phase == Phase::Pending;
            if pending {
                job.params.update(params);
            }
            pending
        }),
        ("executionduration", ..) => {
            let seconds = params.get("EXECUTIONDURATION").and_then(|v| v.parse().ok());
            site.jobs.change(id, |job| seconds.map(|s| job.duration = s).is_some())
        }
        ("destruction", ..) => {
            let time = params.get("DESTRUCTION").and_then(parse_time);
            site.jobs.change(id, |job| time.map(|t| job.destruction = t).is_some())
        }
        _ => false,
    };
    if done {
        see_other(&address(site, id))
    } else {
        plain(StatusCode::BAD_REQUEST, "the job cannot be changed in this way")
    }
}

/// Starts a pending job.
fn run(site: &Arc<Site>, id: &str) -> bool {
    let queued = site.jobs.change(id, |job| {
        let pending = job.phase == Phase::Pending;
        if pending {
            job.phase = Phase::Queued;
        }
        pending
    });
    if queued {
        tokio::spawn(execute(Arc::clone(site), id.to_owned()));
    }
    queued
}

fn abort(site: &Site, id: &str) -> bool {
    site.jobs.change(id, |job| {
        if job.phase.is_active() {
            (job.phase, job.ended) = (Phase::Aborted, Some(SystemTime::now()));
        }
        true
    })
}

/// Half of the job's time it is queued, half of it executed.
async fn execute(site: Arc<Site>, id: String) {
    let half = site.options.job_duration / 2;
    sleep(half).await;
    let mut params = None;
    site.jobs.change(&id, |job| {
        if job.phase == Phase::Queued {
            (job.phase, job.started) = (Phase::Executing, Some(SystemTime::now()));
            params = Some(job.params.clone());
        }
        true
    });
    let Some(params) = params else { return };
    sleep(half).await;
    let shared = Arc::clone(&site);
    let outcome = tap::run_in_turn(shared, params).await;
    site.jobs.change(&id, |job| {
        if job.phase == Phase::Executing {
            job.phase = if outcome.is_ok() { Phase::Completed } else { Phase::Error };
            (job.ended, job.outcome) = (Some(SystemTime::now()), Some(outcome));
        }
        true
    });
    site.jobs.make_room();
}

async fn get(site: &Site, id: &str, part: &str, params: &Params) -> Response {
    if matches!(part, "" | "phase") {
        wait(site, id, params).await;
    }
    let Some(job) = site.jobs.get(id) else {
        return plain(StatusCode::NOT_FOUND, "there is no such job (any more)");
    };
    let text = |text: String| reply(StatusCode::OK, "text/plain", text);
    match (part, &job.outcome) {
        ("", _) => xml(representation(site, id, &job)),
        ("phase", _) => text(job.phase.name().to_owned()),
        ("quote", _) => text(iso(job.created + site.options.job_duration)),
        ("executionduration", _) => text(job.duration.to_string()),
        ("destruction", _) => text(iso(job.destruction)),
        ("owner", _) => text(String::new()),
        ("parameters", _) => xml(document("parameters", &parameters(&job))),
        ("results", _) => xml(document("results", &results(site, id, &job))),
        ("results/result", Some(Ok(done))) => reply(StatusCode::OK, done.content_type, done.text.clone()),
        ("error" | "results/result", Some(Err(problem))) => {
            reply(StatusCode::OK, Format::TableData.content_type(), votable::error(problem))
        }
        _ => plain(StatusCode::NOT_FOUND, "the job has no such thing (yet)"),
    }
}

/// WAIT: blocks until the phase changes, from that of PHASE if it is given, or the time is over.
async fn wait(site: &Site, id: &str, params: &Params) {
    let Some(seconds) = params.get("WAIT").and_then(|w| w.trim().parse::<i64>().ok()) else { return };
    let most = u64::try_from(seconds).map_or(MAX_WAIT, Duration::from_secs).min(MAX_WAIT);
    let Some(first) = site.jobs.get(id).map(|job| job.phase) else { return };
    let other = params.get("PHASE").is_some_and(|phase| !phase.eq_ignore_ascii_case(first.name()));
    let start = Instant::now();
    while first.is_active() && !other && start.elapsed() < most {
        sleep(LOOK).await;
        if site.jobs.get(id).is_none_or(|job| job.phase != first) {
            return;
        }
    }
}

fn iso(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time.max(SystemTime::UNIX_EPOCH)).to_string()
}

/// `2025-12-18T05:09:34` with or without fraction and `Z`.
fn parse_time(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339_weak(text.trim()).ok()
}

const NAMESPACES: &str = "xmlns:uws=\"http://www.ivoa.net/xml/UWS/v1.0\" \
    xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" version=\"1.1\"";

/// A document of one element.
fn document(element: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<uws:{element} {NAMESPACES}>\n{content}</uws:{element}>\n"
    )
}

fn job_list(site: &Site) -> String {
    let mut refs = String::new();
    for (id, job) in site.jobs.lock().iter() {
        let _ = writeln!(
            refs,
            "<uws:jobref id=\"{id}\" xlink:href=\"{}\"><uws:phase>{}</uws:phase>\
             <uws:creationTime>{}</uws:creationTime></uws:jobref>",
            address(site, id),
            job.phase.name(),
            iso(job.created)
        );
    }
    document("jobs", &refs)
}

fn parameters(job: &Job) -> String {
    let hidden = |name: &str| ["PHASE", "ACTION"].iter().any(|h| h.eq_ignore_ascii_case(name));
    let shown = job.params.pairs().iter().filter(|(name, _)| !hidden(name));
    shown.fold(String::new(), |text, (name, value)| {
        text + &format!(
            "<uws:parameter id=\"{}\">{}</uws:parameter>\n",
            spx_votable::escape(name),
            spx_votable::escape(value)
        )
    })
}

fn results(site: &Site, id: &str, job: &Job) -> String {
    if job.phase != Phase::Completed {
        return String::new();
    }
    format!("<uws:result id=\"result\" xlink:href=\"{}/results/result\"/>\n", address(site, id))
}

/// The job as XML.
fn representation(site: &Site, id: &str, job: &Job) -> String {
    let time = |name: &str, time: Option<SystemTime>| match time {
        Some(time) => format!("<uws:{name}>{}</uws:{name}>\n", iso(time)),
        None => format!("<uws:{name} xsi:nil=\"true\"/>\n"),
    };
    let mut text = format!(
        "<uws:jobId>{id}</uws:jobId>\n<uws:ownerId xsi:nil=\"true\"/>\n<uws:phase>{}</uws:phase>\n",
        job.phase.name()
    );
    text += &time("quote", Some(job.created + site.options.job_duration));
    text += &time("creationTime", Some(job.created));
    text += &time("startTime", job.started);
    text += &time("endTime", job.ended);
    let _ = writeln!(text, "<uws:executionDuration>{}</uws:executionDuration>", job.duration);
    text += &time("destruction", Some(job.destruction));
    let _ = writeln!(text, "<uws:parameters>\n{}</uws:parameters>", parameters(job));
    let _ = writeln!(text, "<uws:results>\n{}</uws:results>", results(site, id, job));
    if let Some(Err(problem)) = &job.outcome {
        let _ = writeln!(
            text,
            "<uws:errorSummary type=\"fatal\" hasDetail=\"true\"><uws:message>{}</uws:message>\
             </uws:errorSummary>",
            spx_votable::escape(problem)
        );
    }
    document("job", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_there_and_back() {
        for text in ["2025-12-18T05:09:34.650Z", "2000-02-29T23:59:59.000Z", "1970-01-01T00:00:00.000Z"] {
            assert_eq!(iso(parse_time(text).unwrap()), text);
        }
        assert_eq!(parse_time("tomorrow"), None);
        assert_eq!(parse_time("1200-01-01T00:00:00"), None, "before the clock began");
    }
}
