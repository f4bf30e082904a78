//! What the workers share: when the server has enough, all of them wait, and fewer of them come
//! back.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::ArchiveError;

/// How often a waiting worker looks whether it should stop.
const LOOK: Duration = Duration::from_millis(50);

/// Lets so many requests through at a time, and none for a while after the server said it is busy.
///
/// The archive answers 502 or 503 when too many requests come at once, without saying how many it
/// bears. So each such answer lowers the number by one, and a run of successes raises it again.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<DownloadState>,
    changed: Condvar,
    most: usize,
}

#[derive(Debug)]
struct DownloadState {
    active: usize,
    limit: usize,
    successes: usize,
    closed_until: Option<Instant>,
}

/// Leave to send one request and read its answer.
pub(super) struct Permit<'a>(&'a Gate);

impl Gate {
    pub(super) fn new(most: usize) -> Self {
        let state = DownloadState { active: 0, limit: most, successes: 0, closed_until: None };
        Self { state: Mutex::new(state), changed: Condvar::new(), most }
    }

    /// Waits for its turn.
    pub(super) fn enter(&self, cancelled: &dyn Fn() -> bool) -> Result<Permit<'_>, ArchiveError> {
        let mut state = self.lock();
        loop {
            if cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            let closed = state.closed_until.is_some_and(|until| Instant::now() < until);
            if !closed && state.active < state.limit {
                state.active += 1;
                state.closed_until = None;
                return Ok(Permit(self));
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The server is busy: nobody comes before `wait` is over, and then one less at a time.
    pub(super) fn busy(&self, wait: Duration) {
        let mut state = self.lock();
        let until = Instant::now() + wait;
        // Answers that were on their way when the gate closed say nothing new.
        if state.closed_until.is_none() {
            state.limit = state.limit.saturating_sub(1).max(1);
            tracing::info!("the server is busy: {} request(s) at a time from now on", state.limit);
        }
        state.successes = 0;
        state.closed_until = Some(state.closed_until.map_or(until, |other| other.max(until)));
    }

    /// A file came through.
    pub(super) fn succeeded(&self) {
        let mut state = self.lock();
        state.successes += 1;
        if state.limit < self.most && state.successes >= 2 * state.limit {
            state.limit += 1;
            state.successes = 0;
            self.changed.notify_all();
        }
    }

    /// A panic elsewhere leaves numbers that are still right.
    fn lock(&self) -> MutexGuard<'_, DownloadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().active -= 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_servers_see_fewer_and_later_requests() {
        let gate = Gate::new(3);
        let never = || false;
        let permits: Vec<_> = (0..3).map(|_| gate.enter(&never).unwrap()).collect();
        gate.busy(Duration::from_millis(120));
        gate.busy(Duration::from_millis(10));
        drop(permits);
        let start = Instant::now();
        let first = gate.enter(&never).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
        let second = gate.enter(&never).unwrap();
        assert_eq!(gate.lock().limit, 2, "several answers of one moment count once");
        drop((first, second));
        (0..4).for_each(|_| gate.succeeded());
        assert_eq!(gate.lock().limit, 3);
    }

    #[test]
    fn a_waiting_worker_can_be_stopped() {
        let gate = Gate::new(1);
        let _permit = gate.enter(&|| false).unwrap();
        let start = Instant::now();
        let stopped = gate.enter(&|| start.elapsed() > Duration::from_millis(80));
        assert!(matches!(stopped, Err(ArchiveError::Cancelled)));
    }
}
