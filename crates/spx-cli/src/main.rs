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

use std::process::ExitCode;

use clap::Parser as _;
use exit::Outcome;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
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
