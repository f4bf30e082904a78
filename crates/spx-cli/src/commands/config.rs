//! `spx config`: a commented configuration to begin with, and the resolved one.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use spx_core::atomic;

use crate::drizzle::{DrizzleArgs, TEMPLATE};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::ui;

/// Write a commented configuration, or show the resolved one.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Write a commented configuration of `spx drizzle` with all keys and their defaults
    #[command(after_help = "Examples:\n  spx config init\n  spx config init -o ngc4395.toml")]
    Init {
        /// File to write; standard output by default
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace an existing file
        #[arg(long)]
        overwrite: bool,
    },
    /// Show what `spx drizzle` would use: file, environment and command line merged, defaults filled in
    #[command(after_help = "\
Examples:
  spx config show --config ngc4395.toml
  SPX_XY_SHRINK=0.6 spx config show --config ngc4395.toml --z-oversample 2")]
    Show(Box<DrizzleArgs>),
}

/// Runs the command.
pub(crate) fn run(args: &ConfigArgs) -> CommandResult {
    match &args.command {
        ConfigCommand::Init { output: None, .. } => ui::data(TEMPLATE)?,
        ConfigCommand::Init { output: Some(path), overwrite } => {
            atomic::write(path, TEMPLATE.as_bytes(), *overwrite).map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => Failure::exists(path),
                _ => anyhow!("{}: {error}", path.display()).into(),
            })?;
        }
        ConfigCommand::Show(drizzle) => ui::data(&toml::to_string(&drizzle.resolve()?)?)?,
    }
    Ok(Outcome::Done)
}
