//! `spx query`: which spectral images the archive has of a place.

use std::path::PathBuf;

use clap::Args;
use spx_pipeline::archive::{QueryConfig, QueryReport, query};

use crate::archive::format::{TableFormat, render};
use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::setting_args::SettingArgs;
use crate::ui;

/// Find the spectral images of a place in the archive.
///
/// Of an exposure that was processed several times, the newest is listed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx query --ra 213.9427 --dec 11.4954
  spx query --ra 270 --dec 66.56 --radius 1 --bands D3,D4 --coverage-mode full --format csv
  spx query --ra 186.4536 --dec 33.5468 --width 30 --height 30 -o query_summary.toml

`spx download --query query_summary.toml` fetches what a query has found.")]
pub(crate) struct QueryArgs {
    /// Form of the list
    #[arg(long, value_name = "FORM", default_value = "table")]
    format: TableFormat,
    /// Also write the summary to this TOML file, replacing what is there
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingArgs<QueryConfig>,
}

/// Runs the command.
pub(crate) fn run(args: &QueryArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    let QueryReport { summary, refused } = query(&args.settings.resolve()?, &global.terminal())?;
    if let Some(path) = &args.output {
        summary.write(path)?;
    }
    let format = if global.json { TableFormat::Json } else { args.format };
    ui::data(&render(&summary, format)?)?;
    if !summary.superseded.is_empty() {
        let text = format!("{} older processings are superseded", summary.superseded.len());
        ui::note(global.verbosity(), &text);
    }
    Ok(if refused > 0 { Outcome::Failed } else { Outcome::Done })
}
