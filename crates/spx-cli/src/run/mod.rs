//! `spx run`: a source from the archive to its light curve, in stages that are not repeated without need.

mod pipeline;
mod settings;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::json;
use spx_core::atomic;

use self::pipeline::{Pipeline, STAGES};
pub(crate) use self::settings::RunSettings;
use crate::config;
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::{ConfigFile, Global};
use crate::photometry::{entry::Entry, tell};
use crate::text::{Align, Table};
use crate::ui;
use spx_pipeline::PipelineError;
use spx_pipeline::output::OutputDirectory;
use spx_pipeline::stages::{StageSelection, StageStatus, Stages};

/// Make the spectrum and light curve of a source from the archive.
///
/// In four stages: query (which images there are), download (whole or as cutouts), processing (photometry on each),
/// visualization (tables and a figure). The directory gets data/D1 to D6, results/query_summary.toml, photometry.json,
/// lightcurve.csv, lightcurve.ecsv, combined_plot.png and .svg, and NAME.toml, by which --resume goes on with a run
/// that was interrupted or whose parameters have changed: only stages that need it run again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx run --ra 213.9427 --dec 11.4954 --name cloverleaf --cutout-size 60px
  spx run --name cloverleaf --resume --background-method window
  spx run --name cloverleaf --status
  spx run --config cloverleaf.toml --stages query,download
  spx run --ra 269.4520 --dec 4.6934 --pm-ra -801.551 --pm-dec 10362.394 --name barnard --psf-flux

What a run was made with stands in NAME_config.toml; --resume reads it, unless --config names another.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Go on with an earlier run of the same name: stages and files that are done, with the same parameters, are not
    /// repeated
    #[arg(long)]
    resume: bool,
    /// Only these of query, download, processing, visualization; those before them must be done
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = STAGES)]
    stages: Vec<String>,
    /// Tell how far the run of this name is, and do nothing
    #[arg(long, conflicts_with_all = ["resume", "stages"])]
    status: bool,
    #[command(flatten)]
    settings: RunSettings,
}

impl RunArgs {
    /// File, environment and command line merged, defaults filled in. Without a file, a run that resumes or does some
    /// stages alone has the settings of the earlier one.
    pub(crate) fn resolve(&self) -> Result<RunSettings, Failure> {
        let given = self.settings.clone().normalised();
        let resolved = config::resolve(self.file.config.as_deref(), &given)?.completed();
        let earlier = saved_config(&resolved)?;
        let goes_on = self.resume || !self.stages.is_empty();
        if self.file.config.is_some() || !goes_on || !earlier.exists() {
            return Ok(resolved);
        }
        Ok(config::resolve(Some(&earlier), &given)?.completed())
    }
}

/// `<name>_config.toml` in the output directory.
fn saved_config(settings: &RunSettings) -> Result<PathBuf, Failure> {
    let (name, directory) = settings.place().map_err(Failure::usage)?;
    Ok(directory.join(format!("{name}_config.toml")))
}

/// Runs the command.
pub(crate) fn run(args: &RunArgs, global: &Global) -> CommandResult {
    let settings = args.resolve()?;
    if args.status {
        let (name, directory) = settings.place().map_err(Failure::usage)?;
        return status(&directory.join(format!("{name}.toml")), global);
    }
    let made = make(&settings, args.resume, &args.stages, global)?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&made.report())?))?;
    } else {
        for file in &made.outputs {
            ui::data(&format!("{}\n", file.display()))?;
        }
    }
    match &made.entries {
        Some(entries) => tell(entries, global),
        None => Ok(Outcome::Done),
    }
}

/// What a run has made.
pub(crate) struct Made {
    /// Files that are there now.
    pub(crate) outputs: Vec<PathBuf>,
    /// What became of each image, once they are processed.
    pub(crate) entries: Option<Vec<Entry>>,
}

impl Made {
    fn report(&self) -> serde_json::Value {
        let count = |status: &str| {
            let entries = self.entries.as_ref()?;
            Some(entries.iter().filter(|entry| entry.status().0 == status).count())
        };
        json!({
            "outputs": self.outputs,
            "used": count("used"), "rejected": count("rejected"), "failed": count("failed"),
        })
    }
}

/// Runs the stages that are asked for, with completed settings.
///
/// # Errors
/// Nothing found where the archive has no image, or the source could be measured on none; usage where the settings or
/// the state are wrong; otherwise what archive and disk report. An image that fails is no error here.
pub(crate) fn make(
    settings: &RunSettings,
    resume: bool,
    only: &[String],
    global: &Global,
) -> Result<Made, Failure> {
    let parameters = settings.parameters().map_err(Failure::usage)?;
    ui::catch_interrupts()?;
    if let Some(warning) = parameters.cutout.as_ref().and_then(|cutout| cutout.warning()) {
        ui::warning(&warning);
    }
    let output = OutputDirectory::create(&parameters.output_dir)?;
    let results = parameters.output_dir.join("results");
    let state = parameters.output_dir.join(format!("{}.toml", parameters.name));
    let position = parameters.target.position;
    let wanted = StageSelection {
        resume,
        only: only.to_owned(),
        subject: format!("the source at {} {:+}", position.ra(), position.dec()),
    };
    let listener = global.terminal();
    let stages = Stages::open(&state, wanted, &listener)?;
    std::fs::create_dir_all(&results).with_context(|| results.display().to_string())?;
    write_configuration(settings, &parameters.name, &stages)?;
    let last = match only {
        [] => STAGES.len() - 1,
        only => STAGES.iter().rposition(|stage| only.iter().any(|o| o == stage)).unwrap_or_default(),
    };
    let made = Pipeline { settings, parameters: &parameters, results, global }.run(stages, last);
    if made.is_ok() {
        output.keep();
    }
    made
}

/// Writes the resolved configuration beside the state.
fn write_configuration(settings: &RunSettings, name: &str, stages: &Stages<'_>) -> Result<(), Failure> {
    let path = saved_config(settings)?;
    stages.clear(&path)?;
    let text = format!("# What the run of {name} was made with.\n{}", toml::to_string(settings)?);
    atomic::write(&path, text.as_bytes(), true).with_context(|| path.display().to_string())?;
    Ok(())
}

/// `--status`.
fn status(file: &Path, global: &Global) -> CommandResult {
    if !file.exists() {
        let text = format!("there is no run {}", file.display());
        return Err(Failure::nothing_found(anyhow!("{text}; --name and -o tell which one")));
    }
    let status = StageStatus::read(file, &STAGES).map_err(PipelineError::into_usage)?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&status)?))?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new([("stage", Align::Left), ("state", Align::Left)]);
    for stage in STAGES {
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
