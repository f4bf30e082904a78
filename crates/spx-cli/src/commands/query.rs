//! `spx query`: which spectral images the archive has of a place.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use spx_pipeline::amount::{amount, counted};
use spx_pipeline::archive::{QueryConfig, QueryReport, QuerySummary, query};
use spx_pipeline::output::check_output;

use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::setting_args::SettingArgs;
use crate::ui;

/// Search the archive for the spectral images of a position or region.
///
/// An exposure that was processed several times is listed once, with its newest processing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx query --ra 213.9427 --dec 11.4954
  spx query --ra 270 --dec 66.56 --radius 1 --bands D3,D4 --coverage-mode full --format csv
  spx query --ra 186.4536 --dec 33.5468 --width 30 --height 30 -o query_summary.toml

`spx download --query query_summary.toml` fetches what a query has found.")]
pub(crate) struct QueryArgs {
    /// Format of the list
    #[arg(long, value_name = "FORM", default_value = "table")]
    format: TableFormat,
    /// Also write the summary to this TOML file, replacing an earlier summary
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingArgs<QueryConfig>,
}

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TableFormat {
    /// Columns for reading
    Table,
    /// obs_id, band, mjd, wavelength_min, wavelength_max, download_url
    Csv,
    /// The whole summary
    Json,
    /// The columns of csv, with units and UCDs, for TOPCAT and astropy
    Votable,
}

/// Runs the command.
pub(crate) fn run(args: &QueryArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    if let Some(path) = args.output.as_deref().filter(|path| path.exists())
        && QuerySummary::read(path).is_err()
    {
        let text = format!("{} exists and is not a summary of a query; choose another name", path.display());
        return Err(Failure::usage(anyhow!(text)));
    }
    if let Some(path) = &args.output {
        check_output(path, true)?;
    }
    let QueryReport { summary, refused } = query(&args.settings.resolve()?, &global.terminal())?;
    if let Some(path) = &args.output {
        summary.write(path)?;
    }
    let format = if global.json { TableFormat::Json } else { args.format };
    match format {
        TableFormat::Table => ui::data(&table(&summary))?,
        TableFormat::Csv => ui::data_bytes(&summary.to_csv()?)?,
        TableFormat::Json => ui::data(&format!("{}\n", serde_json::to_string_pretty(&summary)?))?,
        TableFormat::Votable => ui::data(&summary.to_votable())?,
    }
    if !summary.superseded.is_empty() {
        let text = format!("{} older processings are superseded", summary.superseded.len());
        ui::note(global.verbosity(), &text);
    }
    Ok(if refused > 0 { Outcome::Failed } else { Outcome::Done })
}

fn table(summary: &QuerySummary) -> String {
    // Names of files begin with observation and band, and with these columns fill 80 characters.
    let mut text = String::from("mjd          wave [um]     file\n");
    for entry in &summary.observations {
        let o = &entry.observation;
        // Writing to a string cannot fail.
        writeln!(
            text,
            "{:<11.5}  {:.3}..{:.3}  {}",
            entry.mjd,
            o.wavelength_min,
            o.wavelength_max,
            o.file_name()
        )
        .ok();
    }
    let counts: Vec<String> = summary.band_counts.iter().map(|(band, n)| format!("{n} {band}")).collect();
    writeln!(
        text,
        "{} ({}) over {:.1} days, {}",
        counted(summary.n_observations, "image"),
        counts.join(", "),
        summary.time_span_days,
        amount(summary.total_size_gb * 1e9)
    )
    .ok();
    text
}
