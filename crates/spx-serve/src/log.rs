//! What the archive was asked for: what tests count.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::faults::Fault;
use crate::request_kind::RequestKind;

/// A request and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestEntry {
    /// The service.
    pub kind: RequestKind,
    /// `GET`, `HEAD`, `POST`, `DELETE`.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// The query as it was sent, without `?`; empty where there is none.
    pub query: String,
    /// The header Range.
    pub range: Option<String>,
    /// The status of the answer; 0 until there is one.
    pub status: u16,
    /// The fault that it met.
    pub fault: Option<Fault>,
    /// Bytes of the body handed to the connection so far.
    pub sent: u64,
    /// All of the body was handed to the connection, and no fault changed it.
    pub complete: bool,
}

impl RequestEntry {
    /// Whether its answer, once it is sent, is as it should be: a fault that only delays it counts
    /// as none.
    pub(crate) fn is_unspoiled(&self) -> bool {
        matches!(self.fault, None | Some(Fault::Stall(_)))
    }
}

/// All requests so far, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestLog {
    /// The requests.
    pub entries: Vec<RequestEntry>,
}

impl RequestLog {
    /// Requests of a kind.
    pub fn of_kind(&self, kind: RequestKind) -> usize {
        self.entries.iter().filter(|e| e.kind == kind).count()
    }

    /// Requests for a path, whatever their query.
    pub fn of_path(&self, path: &str) -> usize {
        self.entries.iter().filter(|e| e.path == path).count()
    }

    /// Requests that met a fault.
    pub fn faults(&self) -> usize {
        self.entries.iter().filter(|e| e.fault.is_some()).count()
    }

    /// Paths with queries of files and cutouts that were delivered whole and in one piece, with how
    /// often.
    pub fn downloads(&self) -> std::collections::BTreeMap<String, usize> {
        let mut counts = std::collections::BTreeMap::new();
        let wanted = |e: &&RequestEntry| {
            matches!(e.kind, RequestKind::File | RequestKind::Cutout)
                && (e.complete, e.status, e.method.as_str()) == (true, 200, "GET")
        };
        for entry in self.entries.iter().filter(wanted) {
            let query = if entry.query.is_empty() { String::new() } else { format!("?{}", entry.query) };
            *counts.entry(format!("{}{query}", entry.path)).or_insert(0) += 1;
        }
        counts
    }
}

/// The log while it is being written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<RequestLog>>);

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, RequestLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a request and gives its number.
    pub(crate) fn begin(&self, entry: RequestEntry) -> usize {
        let mut log = self.lock();
        log.entries.push(entry);
        log.entries.len() - 1
    }

    pub(crate) fn update(&self, number: usize, change: impl FnOnce(&mut RequestEntry)) {
        let mut log = self.lock();
        // After the log has been emptied there is no such entry.
        if let Some(entry) = log.entries.get_mut(number) {
            change(entry);
        }
    }

    pub(crate) fn snapshot(&self) -> RequestLog {
        self.lock().clone()
    }
}
