//! `spx run`: a source from the archive to its light curve.

use clap::Args;
use spx_pipeline::run::{RUN_STAGES, RunConfig, RunStages, run_source_stages, run_status};

use super::photometry::summarize;
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::setting_args::SettingArgs;
use crate::text::{Align, Table};
use crate::ui;

/// Make the spectrum and light curve of a source from the archive.
///
/// Four stages: query (which images there are), download (whole or as cutouts), processing
/// (photometry on each), visualization (tables and a figure). The directory gets data/D1 to D6,
/// results/query_summary.toml, photometry.json, lightcurve.csv, lightcurve.ecsv (or the --format of
/// your choice), combined_plot.png, .svg and .pdf, spectrum.csv, .ecsv, .fits and .png (the 102
/// channels), and NAME.toml, from which --resume continues a run that was interrupted or whose
/// parameters have changed: only stages that need it run again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx run --ra 213.9427 --dec 11.4954 --name cloverleaf --cutout-size 60px
  spx run --name cloverleaf --resume --background-method window
  spx run --name cloverleaf --status
  spx run --config cloverleaf.toml --stages query,download
  spx run --ra 269.4520 --dec 4.6934 --pm-ra -801.551 --pm-dec 10362.394 --name barnard --psf-flux

The settings of a run are kept in NAME_config.toml; --resume reads them, unless --config names another file.")]
pub(crate) struct RunArgs {
    /// Continue an earlier run of the same name: stages and files that are done, with the same
    /// parameters, are not repeated
    #[arg(long)]
    resume: bool,
    /// Run only these of query, download, processing, visualization; those before them must be done
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = RUN_STAGES)]
    stages: Vec<String>,
    /// Show how far the run of this name is, and do nothing
    #[arg(long, conflicts_with_all = ["resume", "stages"])]
    status: bool,
    #[command(flatten)]
    settings: SettingArgs<RunConfig>,
}

impl RunArgs {
    /// File, environment and command line merged, defaults filled in. Without a file, a run that
    /// resumes or does only some stages has the settings of the earlier one.
    fn resolve(&self) -> Result<RunConfig, Failure> {
        let resolved = self.settings.resolve()?;
        let earlier = resolved.saved_file()?;
        let continues = self.resume || !self.stages.is_empty();
        if self.settings.file.is_some() || !continues || !earlier.exists() {
            return Ok(resolved);
        }
        self.settings.resolve_over(Some(&earlier))
    }
}

/// Runs the command.
pub(crate) fn run(args: &RunArgs, global: &Global) -> CommandResult {
    let config = args.resolve()?;
    if args.status {
        return status(&config, global);
    }
    ui::catch_interrupts()?;
    let wanted = RunStages { resume: args.resume, only: args.stages.clone() };
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

/// `--status`.
fn status(config: &RunConfig, global: &Global) -> CommandResult {
    let status = run_status(config)?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&status)?))?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new([("stage", Align::Left), ("state", Align::Left)]);
    for stage in RUN_STAGES {
        let state = match status.items.get(stage) {
            _ if status.done.iter().any(|done| done == stage) => "done".to_owned(),
            Some(items) => format!("{items} files done"),
            None => "-".to_owned(),
        };
        table.row([stage.to_owned(), state]);
    }
    ui::data(&format!("{}\n{}", status.subject, table.render("  ")))?;
    Ok(Outcome::Done)
}
