//! When to try again, and how long to wait before.

use std::time::{Duration, Instant};

use crate::error::ArchiveError;

/// How often and how long something is tried again that may pass.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryOptions {
    /// Tries in all, at least one.
    pub attempts: u32,
    /// Wait before the second try; it doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait of our own.
    pub longest_wait: Duration,
    /// The longest wait that a server may ask for; where it asks for more, nothing is tried again.
    pub longest_retry_after: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
            longest_retry_after: Duration::from_secs(600),
        }
    }
}

impl RetryOptions {
    /// The wait after `failures` failures (at least 1): doubled each time, between half and all of
    /// it.
    ///
    /// The jitter keeps workers, and the clients of the whole world, from coming back in step.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        let doubled = self.first_wait.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
        doubled.min(self.longest_wait).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// How long to wait after a failure; `None` where trying again is of no use.
    pub(crate) fn after(&self, error: &ArchiveError, failures: u32) -> Option<Duration> {
        if !error.may_pass() || failures >= self.attempts {
            return None;
        }
        let own = self.wait(failures);
        match error {
            ArchiveError::Status { retry_after: Some(asked), .. } if *asked > self.longest_retry_after => {
                None
            }
            ArchiveError::Status { retry_after: Some(asked), .. } => Some(own.max(*asked)),
            _ => Some(own),
        }
    }
}

/// Sleeps until `until`, or until `cancelled` says so.
///
/// # Errors
/// [`ArchiveError::Cancelled`].
pub(crate) fn sleep_until(until: Instant, cancelled: &dyn Fn() -> bool) -> Result<(), ArchiveError> {
    const STEP: Duration = Duration::from_millis(50);
    loop {
        if cancelled() {
            return Err(ArchiveError::Cancelled);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(STEP));
    }
}
