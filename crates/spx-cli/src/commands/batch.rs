//! `spx batch`: every source of a catalog in every image of a region.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use spx_pipeline::batch::{
    AggregatedCurves, BATCH_STAGES, BatchConfig, BatchReport, BatchStages, CompactedStore, ImageReport,
    MissingSources, compact, forecast_batch, run_batch_stages,
};
use spx_pipeline::measuring::MeasuringCommand;
use spx_pipeline::outcome::InputOutcome;

use super::forecast::show_forecast;
use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::setting_args::SettingArgs;
use crate::ui;

/// Measure every source of a catalog in every image of a region, and make their light curves.
///
/// Four stages: query, download (full frames, to images/), extract (a table for each image, in
/// per_image/), aggregate (a light curve for each source, in lightcurves/, and on how many images
/// it is measured, or why not, in sources.csv). Images that are done are not measured again, unless
/// the image, the catalog or the photometry has changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx batch --catalog sources.csv --ra 270 --dec 66.56 --radius 1 --bands D3,D4
  spx batch --catalog sources.csv --ra 270 --dec 66.56 --radius 1 --bands D3,D4 --resume
  spx batch --catalog sources.parquet --input images/ --format parquet -o survey
  spx batch --catalog sources.csv --input images/ --stages aggregate --num-buckets 128
  spx lightcurve 39633458707826492 batch_output
  spx batch compact survey")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BatchArgs {
    #[command(subcommand)]
    command: Option<BatchCommand>,
    #[command(flatten)]
    settings: SettingArgs<BatchConfig>,
    /// Continue an earlier run in the same output directory: stages that are done, with the same
    /// parameters, are not repeated
    #[arg(long)]
    resume: bool,
    /// Run only these stages: query, download, extract, aggregate; earlier ones must be done
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = BATCH_STAGES)]
    stages: Vec<String>,
    /// Measure images again that are already done
    #[arg(long)]
    overwrite: bool,
    /// Show what would be read, downloaded and made, without changing anything on disk
    #[arg(long, conflicts_with_all = ["resume", "stages", "overwrite"])]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum BatchCommand {
    Compact(CompactArgs),
}

/// Merge the files of each cell of a survey's light curves.
///
/// Every job of photometry writes a file in the directory of each cell that it has rows in; many
/// small files are slow to read. The rows do not change. Cells that have one file are not touched,
/// and a run that is killed loses nothing: run it again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx batch compact survey
  spx batch compact survey/catalog --json")]
struct CompactArgs {
    /// Directory of the survey, or of the store
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

fn compact_store(args: &CompactArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    let CompactedStore { cells, rewritten, files, rows } = compact(&args.directory, &global.terminal())?;
    let text =
        format!("{cells} cells, of which {files} files of {rewritten} with {rows} rows became one each");
    ui::note(global.verbosity(), &text);
    if global.json {
        let report =
            serde_json::json!({ "cells": cells, "rewritten": rewritten, "files": files, "rows": rows });
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    }
    Ok(Outcome::Done)
}

/// Runs the command.
pub(crate) fn run(args: &BatchArgs, global: &Global) -> CommandResult {
    if let Some(BatchCommand::Compact(args)) = &args.command {
        return compact_store(args, global);
    }
    let config = args.settings.resolve_measuring(MeasuringCommand::Batch, global)?;
    ui::catch_interrupts()?;
    if args.dry_run {
        return show_forecast(&forecast_batch(&config, &global.terminal())?, global);
    }
    let wanted = BatchStages { resume: args.resume, only: args.stages.clone(), overwrite: args.overwrite };
    let report = run_batch_stages(&config, wanted, &global.terminal())?;
    summarize(&report, global)
}

/// Says how the images ended and what was made of them.
fn summarize(report: &BatchReport, global: &Global) -> CommandResult {
    for image in &report.images {
        let Some(reason) = &image.reason else { continue };
        let text = format!("{}: {reason}", image.file);
        match image.status {
            InputOutcome::Failed | InputOutcome::Used => ui::warning(&text),
            InputOutcome::Rejected => ui::note(global.verbosity(), &format!("  rejected {text}")),
        }
    }
    let count = |of: fn(&ImageReport) -> usize| report.images.iter().map(of).sum::<usize>();
    let BatchReport { used, rejected, failed, light_curves, .. } = report;
    let text = format!(
        "{} images: {used} used ({} done before), {rejected} rejected, {failed} failed; {} measurements, {} sources \
         on images not measured",
        report.images.len(),
        count(|image| usize::from(image.before)),
        count(|image| image.measured),
        count(|image| image.unmeasured),
    );
    ui::note(global.verbosity(), &text);
    if light_curves.sources > 0 {
        let AggregatedCurves { sources, rows } = light_curves;
        ui::note(global.verbosity(), &format!("light curves of {sources} sources, {rows} rows"));
    }
    let MissingSources { count: missing, first } = &report.missing_sources;
    if *missing > 0 {
        let more = if *missing > first.len() { ", ..." } else { "" };
        ui::note(
            global.verbosity(),
            &format!(
                "{missing} sources have no measurement: {}{more}; sources.csv has the reasons",
                first.join(", ")
            ),
        );
    }
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(report)?))?;
    } else {
        ui::data(&format!("{}\n", report.output_dir.display()))?;
    }
    Ok(if *failed > 0 || report.rejected_sources > 0 { Outcome::Failed } else { Outcome::Done })
}
