//! Who hears of a pipeline's progress and of what the user should know while it runs.

use spx_archive::DownloadProgress;
use spx_core::progress::Progress;

/// Hears a pipeline at work, from several threads at once.
///
/// As a [`Progress`] it is told how far a task is and says whether to stop; as a
/// [`DownloadProgress`] it hears of the bytes and files of downloads besides. One task runs at a
/// time. Every method has an empty default.
pub trait Listener: DownloadProgress {
    /// A line of a summary.
    fn note(&self, text: &str) {
        let _ = text;
    }

    /// What was chosen where the user left it open, for those who ask for more.
    fn detail(&self, text: &str) {
        let _ = text;
    }

    /// Something that the user should know and that does not end the work.
    fn warning(&self, text: &str) {
        let _ = text;
    }
}

/// Hears nothing and never asks to stop.
#[derive(Debug, Clone, Copy, Default)]
pub struct SilentListener;

impl Progress for SilentListener {}
impl DownloadProgress for SilentListener {}
impl Listener for SilentListener {}
