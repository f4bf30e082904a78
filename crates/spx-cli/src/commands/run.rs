//! `spx run`: a source from the archive to its light curve.

use clap::Args;
use spx_pipeline::measuring::MeasuringCommand;
use spx_pipeline::outcome::InputOutcome;
use spx_pipeline::run::{
    RUN_STAGES, RunConfig, RunStages, TargetsReport, beside_others, forecast_run, forecast_targets,
    run_source_stages, run_status, run_targets, targets_status,
};
use spx_pipeline::stages::StageStatus;

use super::forecast::show_forecast;
use super::photometry::summarize;
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::setting_args::SettingArgs;
use crate::text::{Align, Table, wrap};
use crate::ui;

/// Make the spectrum and light curve of a source from the archive, or of every source of a list.
///
/// Four stages: query (find images), download (whole or as cutouts), processing (photometry on
/// each), visualization (tables and a figure). The results are data/D1 to D6,
/// results/query_summary.toml, photometry.json, lightcurve.csv, lightcurve.ecsv (or the --format of
/// your choice), combined_plot.png, .svg and .pdf, spectrum.csv, .ecsv, .fits and .png (the 102
/// channels), and NAME.toml, from which --resume continues a run that was interrupted or whose
/// parameters have changed: only stages that need it run again. If the directory holds the run of
/// another source, the run goes to a subdirectory of it, NAME.
///
/// With --targets each source of a list has such a directory in sources/, and results/ has one
/// table (lightcurves.csv, .ecsv) and one figure (lightcurves.png, .svg, .pdf) of all, and a
/// summary of each source (targets.csv, .ecsv). A source that fails does not stop the others.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx run --ra 213.9427 --dec 11.4954 --name cloverleaf --cutout-size 60px
  spx run --ra 213.9427 --dec 11.4954 --cutout-size 60px --dry-run
  spx run --name cloverleaf --resume --background-method window
  spx run --name cloverleaf --status
  spx run --config cloverleaf.toml --stages query,download
  spx run --targets stars.csv --cutout-size 60px -o stars
  spx run --ra 186.45 --dec 33.55 --name other -o output
  spx run --targets gaia.vot --id-column source_id -o stars --resume
  spx run --ra 269.4520 --dec 4.6934 --pm-ra -801.551 --pm-dec 10362.394 --name barnard --psf-flux

The settings of a run are kept in NAME_config.toml (those of a list in targets_config.toml); --resume reads them, unless --config names another file.")]
pub(crate) struct RunArgs {
    /// Continue an earlier run of the same name: stages and files that are done, with the same
    /// parameters, are not repeated
    #[arg(long)]
    resume: bool,
    /// Run only these stages: query, download, processing, visualization; earlier ones must be done
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = RUN_STAGES)]
    stages: Vec<String>,
    /// Only show the state of the run of this name, and which stages --resume would repeat because
    /// settings or files have changed
    #[arg(long, conflicts_with_all = ["resume", "stages"])]
    status: bool,
    /// Show what would be read, downloaded and made, without changing anything on disk
    #[arg(long, conflicts_with_all = ["resume", "stages", "status"])]
    dry_run: bool,
    #[command(flatten)]
    settings: SettingArgs<RunConfig>,
}

impl RunArgs {
    /// File, environment and command line merged, defaults filled in. Without a file, a run that
    /// resumes or does only some stages has the settings of the earlier one.
    fn resolve(&self, global: &Global) -> Result<RunConfig, Failure> {
        let resolved = beside_others(self.settings.resolve_measuring(MeasuringCommand::Run, global)?)?;
        let mut earlier = resolved.saved_file()?;
        let continues = self.resume || self.status || !self.stages.is_empty();
        // A directory that a list has filled is known by itself.
        let names_none =
            ["name", "ra", "dec", "targets"].iter().all(|key| self.settings.typed(key).is_none());
        let of_list = resolved.output_dir.join(RunConfig::LIST_FILE);
        if continues && names_none && !earlier.exists() && of_list.exists() {
            let told = format!("{}: the runs of a list of sources", of_list.display());
            ui::note(global.verbosity(), &told);
            earlier = of_list;
        }
        if self.settings.file.is_some() || !continues || !earlier.exists() {
            return Ok(resolved);
        }
        Ok(beside_others(self.settings.resolve_over(Some(&earlier))?)?)
    }
}

/// Runs the command.
pub(crate) fn run(args: &RunArgs, global: &Global) -> CommandResult {
    let config = args.resolve(global)?;
    let is_list = config.targets.targets.is_some();
    if args.dry_run {
        ui::catch_interrupts()?;
        let forecast = if is_list { forecast_targets } else { forecast_run };
        return show_forecast(&forecast(&config, &global.terminal())?, global);
    }
    match args.status {
        true if is_list => return list_status(&config, global),
        true => return status(&config, global),
        false => ui::catch_interrupts()?,
    }
    let wanted = RunStages { resume: args.resume, only: args.stages.clone() };
    if is_list {
        return summarize_list(&run_targets(&config, wanted, &global.terminal())?, global);
    }
    let report = run_source_stages(&config, wanted, &global.terminal())?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        for file in &report.outputs {
            ui::data(&format!("{}\n", file.display()))?;
        }
    }
    match &report.entries {
        Some(entries) => summarize(entries, global),
        None => Ok(Outcome::Done),
    }
}

/// Characters of a line of `--status` that are left for reasons.
const STATUS_WIDTH: usize = 52;

/// `--status`.
fn status(config: &RunConfig, global: &Global) -> CommandResult {
    let status = run_status(config)?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&status)?))?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new([("stage", Align::Left), ("state", Align::Left), ("", Align::Left)]);
    for stage in RUN_STAGES {
        let version = status.versions.get(stage).map(|version| format!("by spx {version}"));
        let why = status.stale.get(stage).cloned().or(version).unwrap_or_default();
        table.row([stage.to_owned(), state(&status, stage), wrap(&why, STATUS_WIDTH).join("\n")]);
    }
    ui::data(&format!("{}\n{}", status.subject, table.render("  ")))?;
    Ok(Outcome::Done)
}

/// How far a stage is.
fn state(status: &StageStatus, stage: &str) -> String {
    match status.items.get(stage) {
        _ if status.stale.contains_key(stage) => "stale".to_owned(),
        _ if status.done.iter().any(|done| done == stage) => "done".to_owned(),
        Some(items) => format!("{items} files done"),
        None => "-".to_owned(),
    }
}

/// `--status` of a list of sources.
fn list_status(config: &RunConfig, global: &Global) -> CommandResult {
    let sources = targets_status(config, &global.terminal())?;
    if global.json {
        let status = |(name, status)| serde_json::json!({"source": name, "status": status});
        let sources: Vec<_> = sources.into_iter().map(status).collect();
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&sources)?))?;
        return Ok(Outcome::Done);
    }
    let [query, download, processing, visualization] = RUN_STAGES.map(|stage| (stage, Align::Left));
    let mut table = Table::new([("source", Align::Left), query, download, processing, visualization]);
    for (name, status) in sources {
        let state = |stage| status.as_ref().map_or_else(|| "-".to_owned(), |status| state(status, stage));
        let [query, download, processing, visualization] = RUN_STAGES.map(state);
        table.row([name, query, download, processing, visualization]);
    }
    ui::data(&table.render(""))?;
    Ok(Outcome::Done)
}

/// Says what became of each source of a list, and where everything is.
fn summarize_list(report: &TargetsReport, global: &Global) -> CommandResult {
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(report)?))?;
    } else {
        for file in &report.outputs {
            ui::data(&format!("{}\n", file.display()))?;
        }
    }
    for source in &report.sources {
        match (&source.reason, source.failed) {
            (Some(reason), _) => ui::warning(&format!("{}: {reason}", source.name)),
            (None, Some(failed @ 1..)) => ui::warning(&format!("{}: {failed} images failed", source.name)),
            (None, _) => {}
        }
    }
    let count = |status| report.sources.iter().filter(|source| source.status == status).count();
    let [used, rejected, failed] =
        [InputOutcome::Used, InputOutcome::Rejected, InputOutcome::Failed].map(count);
    let text = format!("{} sources: {used} used, {rejected} rejected, {failed} failed", report.sources.len());
    ui::note(global.verbosity(), &text);
    let images_failed = report.sources.iter().any(|source| source.failed.is_some_and(|failed| failed > 0));
    Ok(match (used, rejected + failed + report.rejected_rows) {
        (0, _) if failed == 0 => Outcome::NothingFound,
        (_, 0) if !images_failed => Outcome::Done,
        _ => Outcome::Failed,
    })
}
