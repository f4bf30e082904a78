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

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use exit::Outcome;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse_from(with_negatives(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error),
    };
    ui::init_logging(cli.global.verbosity());
    let json = cli.global.json;
    match cli.run() {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            let text = failure.to_string();
            ui::error(&text);
            if json {
                report_error(&text, failure.outcome());
            }
            failure.outcome().into()
        }
    }
}

/// The words of the command line, in which `-inf` and `-nan` belong to the option before them: they
/// would be taken for options, and the option itself could not say what it takes.
fn with_negatives(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for word in words {
        let text = word.to_str().unwrap_or_default();
        let is_number = text.starts_with('-') && text.parse::<f64>().is_ok_and(|n| !n.is_finite());
        match joined.last_mut() {
            Some(option)
                if is_number && option.to_str().is_some_and(|o| o.starts_with("--") && o.len() > 2) =>
            {
                option.push("=");
                option.push(&word);
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// Help, the version, or an error of the command line.
fn not_parsed(error: &clap::Error) -> ExitCode {
    // Where even this cannot be written, the exit code tells.
    error.print().ok();
    if !error.use_stderr() {
        return Outcome::Done.into();
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
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
    fn infinities_belong_to_the_option_before_them() {
        let joined = |line: &str| with_negatives(line.split(' ').map(OsString::from)).join(" ".as_ref());
        assert_eq!(joined("spx query --radius -inf --ra -1"), "spx query --radius=-inf --ra -1");
        assert_eq!(joined("spx query --radius -NaN"), "spx query --radius=-NaN");
        assert_eq!(joined("spx lightcurve -- -inf out"), "spx lightcurve -- -inf out");
    }
}
