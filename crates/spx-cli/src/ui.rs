//! What the user sees beside the data: messages, progress bars, and Ctrl-C.
#![expect(clippy::print_stderr, reason = "the one place of the workspace that prints")]

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::error::{ContextKind, ContextValue};
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use spx_core::atomic;
use spx_core::progress::Progress;
use spx_pipeline::Listener;
use spx_pipeline::amount::amount;
use spx_pipeline::archive::{ArchiveError, DownloadOutcome, DownloadProgress, DownloadTarget, FileReport};
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

/// A text as a terminal may show it: names of files and texts out of them may hold sequences that
/// would change colors, titles or lines.
fn printable(text: &str) -> String {
    let is_harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.chars().map(|c| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The first word of a message, bold and in a color on a terminal, as that of errors of the command
/// line is.
fn label(word: &str, color: &str) -> String {
    match has_colors() {
        true => format!("\x1b[1;{color}m{word}\x1b[0m"),
        false => word.to_owned(),
    }
}

/// Whether standard error shows colors.
fn has_colors() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !plain
}

/// What the standard library says of a text that is no number, and what a user reads instead.
const OF_NUMBERS: [(&str, &str); 6] = [
    ("invalid digit found in string", "expected a whole number that is not negative"),
    ("cannot parse integer from empty string", "expected a whole number"),
    ("number too large to fit in target type", "the number is too large"),
    ("number too small to fit in target type", "the number is too small"),
    ("invalid float literal", "expected a number"),
    ("cannot parse float from empty string", "expected a number"),
];

/// A message about a value, in the words of a user.
pub(crate) fn in_plain_words(text: &str) -> String {
    OF_NUMBERS.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// An error of the command line, with the usage.
pub(crate) fn command_line_error(error: &clap::Error) {
    let rendered = error.render();
    let text = if has_colors() { rendered.ansi().to_string() } else { rendered.to_string() };
    eprint!("{}", in_plain_words(&text));
    if let Some(variable) = of_environment(error) {
        eprintln!("The value comes from the environment variable {variable}.");
    }
}

/// The variable of the environment that has given a wrong value, where the option was not typed.
fn of_environment(error: &clap::Error) -> Option<String> {
    let ContextValue::String(argument) = error.get(ContextKind::InvalidArg)? else { return None };
    let option = argument.split([' ', '=', '[']).next()?;
    let is_option =
        |word: &str| word.strip_prefix(option).is_some_and(|r| r.is_empty() || r.starts_with('='));
    let typed = std::env::args_os().any(|word| is_option(&word.to_string_lossy()));
    let variable = format!("SPX_{}", option.trim_start_matches('-').replace('-', "_").to_uppercase());
    (!typed && std::env::var_os(&variable).is_some()).then_some(variable)
}

/// An error that ends the command.
pub(crate) fn error(text: &str) {
    eprintln!("{} {}", label("error:", "31"), printable(text));
}

/// Something that the user should know and that does not end the command; said even when quiet.
pub(crate) fn warning(text: &str) {
    eprintln!("{} {}", label("warning:", "33"), printable(text));
}

/// A line of a summary.
pub(crate) fn note(verbosity: Verbosity, text: &str) {
    if verbosity > Verbosity::Quiet {
        eprintln!("{}", printable(text));
    }
}

/// A line that only those hear who ask for more.
pub(crate) fn detail(verbosity: Verbosity, text: &str) {
    if verbosity >= Verbosity::Verbose(1) {
        note(verbosity, text);
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

/// A CSV table without the comments at its head, for pipes, whose readers need not know of
/// comments.
pub(crate) fn bare_csv(table: &[u8]) -> std::io::Result<()> {
    let mut rest = table;
    while rest.starts_with(b"#") {
        rest = rest.iter().position(|byte| *byte == b'\n').map_or(&[], |end| &rest[end + 1..]);
    }
    data_bytes(rest)
}

static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Ctrl-C, the request to end, and the end of the terminal.
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Whether a signal ends the process at once, with exit code 130: until a command attends to them.
static UNATTENDED: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// From now on a signal ends the process with exit code 130, until [`catch_interrupts`]. Signals
/// that were ignored when the program began, as by `nohup`, stay ignored.
///
/// A file that has grown to the limit of the shell is no reason to end at once: that the rest
/// cannot be written is then an error as on a full disk.
pub(crate) fn end_on_signals() -> std::io::Result<()> {
    flag::register(SIGXFSZ, Arc::default())?;
    for signal in attended_signals() {
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&UNATTENDED))?;
    }
    Ok(())
}

/// From now on the first Ctrl-C (or TERM, or HUP) asks the running task to stop and to clean up; a
/// second one ends the process at once.
pub(crate) fn catch_interrupts() -> anyhow::Result<()> {
    static CAUGHT: AtomicBool = AtomicBool::new(false);
    if CAUGHT.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    for signal in attended_signals() {
        // In this order: the first signal does not yet find the flag set.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&INTERRUPTED))?;
        flag::register(signal, Arc::clone(&INTERRUPTED))?;
    }
    UNATTENDED.store(false, Ordering::SeqCst);
    Ok(())
}

/// Those that were not ignored when the program began. (Those that are caught are not ignored.)
fn attended_signals() -> impl Iterator<Item = i32> {
    let ignored = ignored_signals();
    SIGNALS.into_iter().filter(move |signal| ignored >> (signal - 1) & 1 == 0)
}

/// The signals that this process ignores, by their bits from 0; none where the system has no such
/// file.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// A command that has not ended by itself so long after a signal is ended: users and queues wait no
/// longer.
const PATIENCE: Duration = Duration::from_millis(650);

/// So long the last words may take.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// From now on the process ends soon after a signal, whatever a command is at, and the disk: files
/// that are being written are removed, `last_words` said.
pub(crate) fn end_in_time(last_words: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let watch = move || {
        wait_for_interrupt();
        std::thread::sleep(PATIENCE);
        let _abandoned = atomic::abandon_all();
        // Not by this thread: perhaps nobody reads them.
        let telling = std::thread::Builder::new().spawn(last_words);
        let end = Instant::now() + LAST_WORDS;
        while telling.as_ref().is_ok_and(|telling| !telling.is_finished()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        signal_hook::low_level::exit(130);
    };
    std::thread::Builder::new().name("spx-watch".into()).spawn(watch).map(drop::<JoinHandle<()>>)
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

/// The user's terminal as a pipeline sees it: messages, a progress bar, Ctrl-C. The bar is drawn on
/// a terminal only.
pub(crate) struct Terminal {
    bar: ProgressBar,
    verbosity: Verbosity,
    task: Mutex<Task>,
}

/// What the bar shows. Steps are files, tiles and the like; bytes, which are only guessed before
/// they come, stand behind.
struct Task {
    steps: u64,
    done: u64,
    received: u64,
    began: Instant,
    /// Whether it has begun and not ended, and the bar is on the screen.
    shown: bool,
}

impl Task {
    fn new(steps: u64) -> Self {
        Self { steps, done: 0, received: 0, began: Instant::now(), shown: false }
    }

    /// What stands behind the bar after a time \[s\]: bytes and their rate, and how long the rest
    /// will take where something is known of that.
    fn told(&self, elapsed: f64) -> String {
        let Self { steps, done, received, .. } = *self;
        let mut parts = Vec::new();
        if received > 0 {
            let rate = received as f64 / elapsed.max(0.1);
            parts.push(format!("{}, {}/s", amount(received as f64), amount(rate)));
        }
        if done > 0 && elapsed > KNOWN && steps > done {
            parts.push(format!("{} left", duration(elapsed / done as f64 * (steps - done) as f64)));
        }
        parts.join(", ")
    }
}

/// Before this time nothing is known of how long the rest takes \[s\].
const KNOWN: f64 = 1.0;

/// `40 s`, `12 min`, `3.5 h`.
fn duration(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{:.0} s", seconds.max(1.0)),
        ..5400.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

impl Terminal {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let draw = verbosity > Verbosity::Quiet && std::io::stderr().is_terminal();
        let bar = if draw { ProgressBar::no_length() } else { ProgressBar::hidden() };
        // The last part is cut where the line would be too long.
        let style = ProgressStyle::with_template("{prefix} [{bar:20}] {pos}/{len}  {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self { bar, verbosity, task: Mutex::new(Task::new(0)) }
    }

    /// Prints something where the bar stands; the bar comes back only where there is a task, else
    /// it would stay on the line on which the next output begins.
    fn aside(&self, print: impl FnOnce()) {
        let shown = self.task.lock().unwrap_or_else(PoisonError::into_inner).shown;
        if shown { self.bar.suspend(print) } else { print() }
    }

    fn task(&self, change: impl FnOnce(&mut Task)) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut task);
        self.bar.set_position(task.done);
        self.bar.set_message(task.told(task.began.elapsed().as_secs_f64()));
    }
}

impl Progress for Terminal {
    fn start(&self, name: &str, steps: u64) {
        self.bar.reset();
        self.bar.set_length(steps);
        self.bar.set_prefix(name.to_owned());
        self.task(|task| *task = Task { shown: true, ..Task::new(steps) });
    }

    fn advance(&self, steps: u64) {
        self.task(|task| task.done += steps);
    }

    fn finish(&self) {
        self.task(|task| task.shown = false);
        self.bar.finish_and_clear();
    }

    fn cancelled(&self) -> bool {
        interrupted()
    }
}

impl DownloadProgress for Terminal {
    fn received(&self, bytes: u64) {
        self.task(|task| task.received += bytes);
    }

    fn lost(&self, bytes: u64) {
        self.task(|task| task.received = task.received.saturating_sub(bytes));
    }

    fn waiting(&self, target: &DownloadTarget, why: &ArchiveError, wait: Duration) {
        if self.verbosity > Verbosity::Normal {
            self.note(&format!("{}: {why}; again in {:.1} s", target.file_name(), wait.as_secs_f64()));
        }
    }

    fn done(&self, report: &FileReport) {
        // Files that were broken off by the user are no news to him.
        if let DownloadOutcome::Failed { cause } = &report.outcome
            && !interrupted()
        {
            self.warning(&format!("{}: {cause}", report.target.file_name()));
        }
    }
}

impl Listener for Terminal {
    fn note(&self, text: &str) {
        self.aside(|| note(self.verbosity, text));
    }

    fn detail(&self, text: &str) {
        self.aside(|| detail(self.verbosity, text));
    }

    fn warning(&self, text: &str) {
        self.aside(|| warning(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_is_told_when_it_is_known() {
        let mut task = Task::new(10);
        assert_eq!(task.told(0.0), "");
        assert_eq!(task.told(100.0), "", "nothing is done, and nothing known");
        task.received = 3_400_000;
        assert_eq!(task.told(2.0), "3.4 MB, 1.7 MB/s");
        task.done = 2;
        assert_eq!(task.told(0.5), "3.4 MB, 6.8 MB/s");
        assert_eq!(task.told(10.0), "3.4 MB, 340 kB/s, 40 s left");
        task.done = 10;
        assert_eq!(task.told(10.0), "3.4 MB, 340 kB/s");
        for (seconds, text) in [(0.2, "1 s"), (89.0, "89 s"), (600.0, "10 min"), (12_600.0, "3.5 h")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
