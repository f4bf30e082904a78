//! The `spx` command: SPHEREx spectral images to data cubes.
//!
//! This binary is glue: it parses arguments, merges configuration, composes the library crates into
//! pipelines, draws progress and chooses exit codes. Data go to standard output, messages to
//! standard error.
#![allow(rustdoc::broken_intra_doc_links, reason = "doc comments are help texts, in which `[deg]` is a unit")]

mod cli;
mod commands;
mod cube;
#[cfg(test)]
mod documents;
mod exit;
mod global;
mod inspect;
mod setting_args;
mod text;
mod ui;

use std::cell::LazyCell;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Arg, Command, CommandFactory as _, Parser as _};
use exit::{Failure, Outcome};

fn main() -> ExitCode {
    let words = with_negatives(std::env::args_os().map(with_home));
    let cli = match cli::Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error),
    };
    ui::init_logging(cli.global.verbosity());
    // A system that does not let them be caught ends the process by them.
    ui::end_on_signals().ok();
    let ending =
        Ending { json: cli.global.json, verbosity: cli.global.verbosity(), going_on: cli.going_on() };
    // Without a thread more, a command ends as soon as it can.
    ui::end_in_time(move || ending.tell(&Failure::interrupted())).ok();
    match cli.run() {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            ending.tell(&failure);
            failure.outcome().into()
        }
    }
}

/// How it is said that a command has failed.
#[derive(Clone, Copy)]
struct Ending {
    json: bool,
    verbosity: ui::Verbosity,
    /// How to go on with one that was interrupted.
    going_on: &'static str,
}

impl Ending {
    /// Says it once.
    fn tell(self, failure: &Failure) {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if TOLD.swap(true, Ordering::SeqCst) {
            return;
        }
        let text = failure.to_string();
        ui::error(&text);
        if failure.outcome() == Outcome::Interrupted && !self.going_on.is_empty() {
            ui::note(self.verbosity, self.going_on);
        }
        if self.json {
            report_error(&text, failure.outcome());
        }
    }
}

/// A word of the command line, in which `~/` behind the equals sign of an option is the home
/// directory; no shell has expanded it there.
fn with_home(word: OsString) -> OsString {
    let expanded = || {
        let (option, rest) = word.to_str()?.split_once("=~/")?;
        if !option.starts_with('-') || option.contains('=') {
            return None;
        }
        let mut expanded = OsString::from(format!("{option}="));
        expanded.push(std::env::home_dir()?.join(rest));
        Some(expanded)
    };
    expanded().unwrap_or(word)
}

/// The words of the command line, in which negative numbers belong to the option before them: they
/// would be taken for options, and the option itself could not say what it takes.
fn with_negatives(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let command = LazyCell::new(cli::Cli::command);
    let mut joined: Vec<OsString> = Vec::new();
    for word in words {
        let number = word.to_str().filter(|text| text.starts_with('-')).and_then(|text| text.parse().ok());
        let belongs = |option: &str, number: f64| !number.is_finite() || takes_one(&command, &joined, option);
        let option = joined.last().and_then(|before| before.to_str()?.strip_prefix("--"));
        match number.zip(option) {
            Some((number, option)) if !option.is_empty() && belongs(option, number) => {
                let option = joined.pop().unwrap_or_default();
                joined.push([option, word].join("=".as_ref()));
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// Whether an option of the command that these words name takes a value, and no more than one.
fn takes_one(root: &Command, words: &[OsString], option: &str) -> bool {
    let named = words.iter().skip(1).filter_map(|word| word.to_str());
    let command = named.fold(root, |command, word| command.find_subcommand(word).unwrap_or(command));
    let is_named = |arg: &&Arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        arg.get_long() == Some(option) || aliases.contains(&option)
    };
    let arg = command.get_arguments().chain(root.get_arguments()).find(is_named);
    arg.is_some_and(|arg| {
        let several = arg.get_num_args().is_some_and(|values| values.max_values() > 1);
        arg.get_action().takes_values() && !arg.is_require_equals_set() && !several
    })
}

/// Help, the version, or an error of the command line.
fn not_parsed(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Where even this cannot be written, the exit code tells.
        error.print().ok();
        return Outcome::Done.into();
    }
    ui::command_line_error(error);
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = ui::in_plain_words(&error.to_string());
        let first = text.lines().next().unwrap_or_default();
        report_error(first.strip_prefix("error: ").unwrap_or(first), Outcome::Usage);
    }
    Outcome::Usage.into()
}

/// With `--json`, standard output is JSON where a command fails, too.
fn report_error(text: &str, outcome: Outcome) {
    let report = serde_json::json!({"error": text, "exit_code": outcome.code()});
    ui::data(&format!("{report:#}\n")).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_numbers_belong_to_the_option_before_them() {
        let joined = |line: &str| with_negatives(line.split(' ').map(OsString::from)).join(" ".as_ref());
        assert_eq!(joined("spx query --radius -inf --ra -1"), "spx query --radius=-inf --ra=-1");
        assert_eq!(joined("spx query --radius -NaN"), "spx query --radius=-NaN");
        assert_eq!(joined("spx cube plot --plane -5 c.fits"), "spx cube plot --plane=-5 c.fits");
        assert_eq!(joined("spx run --method -5 --threads -1"), "spx run --method=-5 --threads=-1");
        for line in [
            "spx lightcurve -- -inf out",
            "spx lightcurve --json -5 out",
            "spx run --overwrite -5",
            "spx drizzle --input -5 b",
        ] {
            assert_eq!(joined(line), line);
        }
    }
}
