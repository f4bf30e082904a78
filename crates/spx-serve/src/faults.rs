//! An archive that misbehaves: which request meets which fault, and how its answer is spoiled.
//!
//! A fault never passes for an answer: what a client gets is detectably wrong. Bytes are corrupted
//! where that shows, in the CRC of gzip, in headers of FITS files (which are ASCII) and in texts
//! (which are UTF-8); a range of a file that has no header in it is truncated instead.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::body::Plan;
use crate::http::reply;
use crate::request_kind::RequestKind;

/// A way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// HTTP 500.
    Status500,
    /// HTTP 503 with `Retry-After` \[s\].
    Status503RetryAfter(u32),
    /// The connection is reset in the middle of the body.
    Reset,
    /// The connection is closed before the length that was announced is reached.
    Truncate,
    /// The body stops in its middle for this long, and then goes on.
    Stall(Duration),
    /// An HTML page with HTTP 200 in place of the answer.
    HtmlWith200,
    /// The body is cut, and the length announced is that of what is left.
    WrongLength,
    /// Some bytes of the body are changed.
    CorruptBytes,
    /// The job that is asked for is forgotten; only requests of a job meet this one.
    ExpiredJob,
}

/// How often the archive misbehaves, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Share of the requests that meet a fault, 0 to 1.
    pub rate: f64,
    /// The faults, equally frequent; one that a request cannot meet is not drawn for it.
    pub kinds: Vec<Fault>,
    /// The requests that can meet a fault; empty for all.
    pub requests: Vec<RequestKind>,
    /// After so many faults in a row on one path and query it is answered well; 0 for no such
    /// limit.
    pub in_a_row: u32,
    /// How long every answer takes at least.
    pub latency: Duration,
    /// Ends of paths, without the query, of which every request meets this fault.
    pub permanent: Vec<(String, Fault)>,
}

impl Default for Faults {
    /// None at all.
    fn default() -> Self {
        Self {
            rate: 0.0,
            kinds: Vec::new(),
            requests: Vec::new(),
            in_a_row: 3,
            latency: Duration::ZERO,
            permanent: Vec::new(),
        }
    }
}

/// Draws faults.
#[derive(Debug)]
pub(crate) struct Dice {
    faults: Faults,
    state: Mutex<(ChaCha8Rng, HashMap<String, u32>)>,
}

/// What decides about a request.
pub(crate) struct Asked<'a> {
    pub(crate) kind: RequestKind,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
}

impl Asked<'_> {
    fn of_job(&self) -> bool {
        self.path.strip_prefix("/TAP/async/").is_some_and(|id| !id.is_empty())
    }

    fn can_meet(&self, fault: Fault) -> bool {
        match fault {
            Fault::Status500 | Fault::Status503RetryAfter(_) => true,
            Fault::ExpiredJob => self.of_job(),
            _ => *self.method != Method::HEAD,
        }
    }
}

impl Dice {
    pub(crate) fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, state: Mutex::new((ChaCha8Rng::seed_from_u64(seed), HashMap::new())) }
    }

    pub(crate) fn latency(&self) -> Duration {
        self.faults.latency
    }

    /// The fault of a request, and a number from which to spoil its answer.
    pub(crate) fn draw(&self, asked: &Asked<'_>) -> Option<(Fault, u64)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (rng, rows) = &mut *state;
        let permanent = self.faults.permanent.iter().find(|(end, _)| asked.path.ends_with(end.as_str()));
        if let Some((_, fault)) = permanent {
            return Some((*fault, rng.random()));
        }
        let requests = &self.faults.requests;
        let kinds: Vec<Fault> = self.faults.kinds.iter().copied().filter(|f| asked.can_meet(*f)).collect();
        let exempt = !requests.is_empty() && !requests.contains(&asked.kind);
        if exempt || kinds.is_empty() || self.faults.rate <= 0.0 {
            return None;
        }
        let row = rows.entry(format!("{}?{}", asked.path, asked.query)).or_insert(0);
        let spared = self.faults.in_a_row > 0 && *row >= self.faults.in_a_row;
        if spared || rng.random::<f64>() >= self.faults.rate {
            *row = 0;
            return None;
        }
        *row += 1;
        Some((kinds[rng.random_range(0..kinds.len())], rng.random()))
    }
}

/// Bytes of a body whose corruption shows. Without this extension of an answer they are all of its
/// bytes.
#[derive(Debug, Clone)]
pub(crate) struct Fragile(pub(crate) Vec<Range<u64>>);

/// The answer in place of that of the service, for faults that need none.
pub(crate) fn instead(fault: Fault) -> Option<Response> {
    const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>NASA/IPAC Infrared Science Archive</title></head>\
        <body><h1>The service is temporarily unavailable</h1></body></html>\n";
    match fault {
        Fault::Status500 => Some(reply(StatusCode::INTERNAL_SERVER_ERROR, "text/html", "internal error\n")),
        Fault::Status503RetryAfter(seconds) => {
            let mut response = reply(StatusCode::SERVICE_UNAVAILABLE, "text/html", "busy\n");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            Some(response)
        }
        Fault::HtmlWith200 => Some(reply(StatusCode::OK, "text/html;charset=UTF-8", PAGE)),
        _ => None,
    }
}

/// How to spoil the body of an answer; changes its headers where the fault does.
pub(crate) fn plan(fault: Fault, number: u64, response: &mut Response) -> Plan {
    let length = content_length(response).unwrap_or(0);
    let somewhere = if length > 1 { 1 + number % (length - 1) } else { 0 };
    let mut plan = Plan::default();
    match fault {
        Fault::Reset => (plan.cut, plan.reset) = (Some(somewhere), true),
        Fault::Truncate => plan.cut = Some(somewhere),
        Fault::Stall(time) => plan.stall = Some((somewhere, time)),
        // Of a table in lines of text nobody could tell that some are missing.
        Fault::WrongLength if !is_text(response) => {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(somewhere));
            plan.end = Some(somewhere);
        }
        Fault::WrongLength => plan.cut = Some(somewhere),
        Fault::CorruptBytes => match corruption(response, length, number) {
            Some(range) => plan.corrupt = Some(range),
            None => plan.cut = Some(somewhere),
        },
        _ => {}
    }
    plan
}

fn is_text(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/plain") || kind.starts_with("text/csv"))
}

/// Up to eight bytes to change.
fn corruption(response: &Response, length: u64, number: u64) -> Option<Range<u64>> {
    let fragile = match response.extensions().get::<Fragile>() {
        Some(Fragile(ranges)) => ranges.clone(),
        None => std::iter::once(0..length).collect(),
    };
    let ranges: Vec<&Range<u64>> = fragile.iter().filter(|r| r.end > r.start).collect();
    let range = *ranges.get(usize::try_from(number % ranges.len().max(1) as u64).ok()?)?;
    let start = range.start + (number >> 16) % (range.end - range.start);
    Some(start..(start + 8).min(range.end))
}

/// The length of the body, where it is known; written into the headers, for a spoiled body tells
/// none.
pub(crate) fn content_length(response: &mut Response) -> Option<u64> {
    if let Some(length) = response.headers().get(header::CONTENT_LENGTH) {
        return length.to_str().ok()?.parse().ok();
    }
    let length = response.body().size_hint().exact()?;
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Some(length)
}

/// The answer where more requests are being answered than allowed.
pub(crate) fn too_many() -> Response {
    let mut response =
        (StatusCode::SERVICE_UNAVAILABLE, Body::from("too many parallel requests\n")).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str) -> Asked<'_> {
        Asked { kind: RequestKind::of(path, ""), method: &Method::GET, path, query: "" }
    }

    #[test]
    fn the_rate_is_as_asked_and_seeded() {
        let faults = Faults {
            rate: 0.2,
            kinds: vec![Fault::Status500, Fault::Reset, Fault::ExpiredJob],
            in_a_row: 0,
            ..Faults::default()
        };
        let drawn = |seed| {
            let dice = Dice::new(faults.clone(), seed);
            (0..5000).map(|_| dice.draw(&asked("/SIA")).map(|(f, _)| f)).collect::<Vec<_>>()
        };
        let some = drawn(1);
        assert_eq!(some, drawn(1));
        assert_ne!(some, drawn(2));
        let hits = some.iter().flatten().count();
        assert!((850..1150).contains(&hits), "{hits}");
        assert!(!some.contains(&Some(Fault::ExpiredJob)), "that is for jobs");
    }

    #[test]
    fn faults_in_a_row_are_limited_and_permanent_ones_stay() {
        let faults = Faults {
            rate: 1.0,
            kinds: vec![Fault::Truncate],
            in_a_row: 2,
            permanent: vec![("b.fits".into(), Fault::Status500)],
            ..Faults::default()
        };
        let dice = Dice::new(faults, 1);
        let hits: Vec<bool> = (0..6).map(|_| dice.draw(&asked("/cloud/a.fits")).is_some()).collect();
        assert_eq!(hits, [true, true, false, true, true, false]);
        assert!(
            (0..9).all(|_| dice.draw(&asked("/cloud/b.fits")).is_some_and(|(f, _)| f == Fault::Status500))
        );
    }
}
