//! What the user sees beside the data: messages, progress bars, and Ctrl-C.
#![expect(clippy::print_stderr, reason = "the one place of the workspace that prints")]

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use spx_core::progress::Progress;
use tracing_subscriber::filter::LevelFilter;

/// How much is said on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Errors only.
    Quiet,
    /// Summaries and warnings.
    Normal,
    /// Also what the libraries log, in rising detail.
    Verbose(u8),
}

/// Sends what the libraries log to standard error.
pub(crate) fn init_logging(verbosity: Verbosity) {
    let level = match verbosity {
        Verbosity::Quiet => LevelFilter::ERROR,
        Verbosity::Normal => LevelFilter::WARN,
        Verbosity::Verbose(1) => LevelFilter::INFO,
        Verbosity::Verbose(2) => LevelFilter::DEBUG,
        Verbosity::Verbose(_) => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .init();
}

/// An error that ends the command.
pub(crate) fn error(text: &str) {
    eprintln!("error: {text}");
}

/// Something that the user should know and that does not end the command; said even when quiet.
pub(crate) fn warning(text: &str) {
    eprintln!("warning: {text}");
}

/// A line of a summary.
pub(crate) fn note(verbosity: Verbosity, text: &str) {
    if verbosity > Verbosity::Quiet {
        eprintln!("{text}");
    }
}

/// Data, to standard output. A closed pipe (as of `| head`) is no error.
pub(crate) fn data(text: &str) -> std::io::Result<()> {
    data_bytes(text.as_bytes())
}

/// Data that are no text.
pub(crate) fn data_bytes(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on the first Ctrl-C (or TERM) asks the running task to stop and to clean up; a second one ends
/// the process at once.
pub(crate) fn catch_interrupts() -> anyhow::Result<()> {
    static CAUGHT: AtomicBool = AtomicBool::new(false);
    if CAUGHT.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    })?;
    Ok(())
}

/// True once the user has asked to stop.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Sleeps until the user asks to stop.
pub(crate) fn wait_for_interrupt() {
    while !interrupted() {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Progress as a bar, drawn on a terminal only.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let draw = verbosity > Verbosity::Quiet && std::io::stderr().is_terminal();
        Self(if draw { ProgressBar::no_length() } else { ProgressBar::hidden() })
    }
}

impl Progress for Bar {
    fn start(&self, task: &str, steps: u64) {
        let style = ProgressStyle::with_template("{msg:16} [{bar:30}] {pos}/{len}  {eta} left");
        self.0.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        self.0.set_message(task.to_owned());
        self.0.reset();
        self.0.set_length(steps);
    }

    fn advance(&self, steps: u64) {
        self.0.inc(steps);
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }

    fn cancelled(&self) -> bool {
        interrupted()
    }
}
