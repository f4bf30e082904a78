//! How a library says how far it is, without knowing who listens.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Receives the progress of a task that has a known number of steps.
///
/// Methods take `&self`, for they are called from several threads at once.
pub trait Progress: Sync {
    /// A task begins.
    fn start(&self, task: &str, steps: u64) {
        let _ = (task, steps);
    }

    /// `steps` more steps are done.
    fn advance(&self, steps: u64) {
        let _ = steps;
    }

    /// The task has ended, with or without success.
    fn finish(&self) {}

    /// True once the user has asked to stop; a library then returns its `Cancelled` error as soon
    /// as it can and leaves no file behind.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Asks to stop after so many looks, for tests of interruption: they count looks, since times
/// depend on the machine.
#[derive(Debug)]
pub struct StopAfter {
    looks: AtomicUsize,
    limit: usize,
}

impl StopAfter {
    /// Stops at the look after `limit` looks.
    pub fn new(limit: usize) -> Self {
        Self { looks: AtomicUsize::new(0), limit }
    }

    /// Counts looks, and never stops.
    pub fn never() -> Self {
        Self::new(usize::MAX)
    }

    /// The looks until now.
    pub fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }
}

impl Progress for StopAfter {
    fn cancelled(&self) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed) >= self.limit
    }
}

/// Hears nothing and never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
