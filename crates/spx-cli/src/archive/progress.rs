//! Downloads on the terminal: files, bytes, rate, time left.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use spx_archive::{ArchiveError, DownloadProgress, FileReport, Outcome, Target};
use spx_core::progress::Progress;

use crate::ui::{self, Verbosity};

/// A bar of bytes with the count of files before it. Without a terminal there is none, and failures and waits are
/// still told.
pub(crate) struct DownloadBar {
    bar: ProgressBar,
    verbosity: Verbosity,
    files: AtomicU64,
    done: AtomicU64,
    task: Mutex<String>,
}

impl DownloadBar {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let draw = verbosity > Verbosity::Quiet && std::io::stderr().is_terminal();
        Self {
            bar: if draw { ProgressBar::no_length() } else { ProgressBar::hidden() },
            verbosity,
            files: AtomicU64::new(0),
            done: AtomicU64::new(0),
            task: Mutex::default(),
        }
    }

    fn tell(&self) {
        let (done, files) = (self.done.load(Ordering::Relaxed), self.files.load(Ordering::Relaxed));
        if let Ok(task) = self.task.lock() {
            self.bar.set_message(format!("{task} {done}/{files}"));
        }
    }
}

impl Progress for DownloadBar {
    fn start(&self, task: &str, steps: u64) {
        let template = "{msg:24} [{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
        let style = ProgressStyle::with_template(template);
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        if let Ok(mut name) = self.task.lock() {
            task.clone_into(&mut name);
        }
        self.files.store(steps, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.bar.reset();
        self.tell();
    }

    fn advance(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
        self.tell();
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn cancelled(&self) -> bool {
        ui::interrupted()
    }
}

impl DownloadProgress for DownloadBar {
    fn total_bytes(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    fn received(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn lost(&self, bytes: u64) {
        self.bar.set_position(self.bar.position().saturating_sub(bytes));
    }

    fn waiting(&self, target: &Target, why: &ArchiveError, wait: Duration) {
        if self.verbosity > Verbosity::Normal {
            let seconds = wait.as_secs_f64();
            self.bar.suspend(|| {
                let text = format!("{}: {why}; again in {seconds:.1} s", target.file_name());
                ui::note(self.verbosity, &text);
            });
        }
    }

    fn done(&self, report: &FileReport) {
        if let Outcome::Failed { cause } = &report.outcome {
            self.bar.suspend(|| ui::warning(&format!("{}: {cause}", report.target.file_name())));
        }
    }
}
