//! How a library says how far it is, without knowing who listens.

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

/// Hears nothing and never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
