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

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    ui::init_logging(cli.global.verbosity());
    match cli.run() {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            ui::error(&failure.to_string());
            failure.outcome().into()
        }
    }
}
