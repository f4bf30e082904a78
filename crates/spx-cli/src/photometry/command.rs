//! `spx photometry`: one source on local files.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::anyhow;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Outcome as Ended, measure_all, sort};
use super::exposure::Setup;
use super::settings::PhotometrySettings;
use super::source::SourceSettings;
use super::table::{Form, Head, Names, Table};
use crate::config;
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::{ConfigFile, Global};
use crate::ui;
use spx_pipeline::inputs;
use spx_pipeline::output::write_output;

/// Measure a source on local spectral images.
///
/// Aperture photometry over a local background, on each file; the table has a line for every file, also for those on
/// which the source cannot be measured, with the reason. Fluxes are in uJy, wavelengths in um.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx photometry data/D3/*.fits --ra 213.9427 --dec 11.4954
  spx photometry data/ --ra 213.9427 --dec 11.4954 -o cloverleaf.ecsv
  spx photometry data/ --ra 269.4520 --dec 4.6934 --pm-ra -801.551 --pm-dec 10362.394 --ref-epoch 2016
  spx photometry d3.fits --ra 10.1 --dec 40.9 --aperture-method fixed --aperture-diameter 4 --psf-flux")]
pub(crate) struct PhotometryArgs {
    /// Spectral images, or directories that hold them (*.fits, *.fits.gz, searched recursively)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File for the table, by its ending .csv, .ecsv or .json; CSV on standard output without it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    settings: Settings,
}

/// Every key of the configuration.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    #[command(flatten)]
    #[serde(flatten)]
    source: SourceSettings,
    /// Names of the columns: spxquery, or irsa for those of IRSA's Spectrophotometry Tool [default: spxquery]
    #[arg(long, value_name = "NAMES", env = "SPX_COLUMNS")]
    columns: Option<Names>,
    /// A directory with the paths of the archive, looked at for calibration products
    #[arg(long, value_name = "DIR", env = "SPX_DATA_MIRROR", help_heading = "Calibration")]
    data_mirror: Option<PathBuf>,
    #[command(flatten)]
    #[serde(flatten)]
    photometry: PhotometrySettings,
}

/// Runs the command.
pub(crate) fn run(args: &PhotometryArgs, global: &Global) -> CommandResult {
    let given =
        Settings { photometry: args.settings.photometry.clone().normalised(), ..args.settings.clone() };
    let settings = config::resolve(args.file.config.as_deref(), &given)?;
    let target = settings.source.target().map_err(Failure::usage)?;
    let parameters = settings.photometry.completed().parameters().map_err(Failure::usage)?;
    let form = args.output.as_deref().map(Form::of).transpose().map_err(Failure::usage)?;
    if let Some(path) =
        args.output.as_deref().filter(|path| !args.overwrite && path.symlink_metadata().is_ok())
    {
        return Err(Failure::exists(path));
    }
    let setup = Setup::new(parameters, settings.data_mirror.as_deref()).map_err(Failure::usage)?;
    ui::catch_interrupts()?;
    let found = inputs::find_inputs(&args.files);
    if found.is_empty() {
        return Err(Failure::nothing_found(anyhow!("no spectral image (*.fits, *.fits.gz) in the inputs")));
    }
    let files: Vec<PathBuf> = found.files().iter().map(|(path, _)| path.clone()).collect();
    let bar = global.terminal();
    let mut entries = measure_all(&files, &target, &setup, &bar, |_| Ok(()))?;
    entries.extend(found.failed().iter().map(Entry::failed));
    sort(&mut entries);
    let table = Table {
        head: Head {
            name: "source".to_owned(),
            ra: target.position.ra(),
            dec: target.position.dec(),
            generated: args.output.as_ref().map(|_| now()),
            calibration: setup.calibration.files().collect(),
        },
        entries: &entries,
        names: settings.columns.unwrap_or_default(),
        all: true,
    };
    if let (Some(path), Some(form)) = (&args.output, form) {
        write_output(path, &table.render(form)?, args.overwrite)?;
    }
    match (global.json, &args.output) {
        (true, _) => ui::data_bytes(&table.render(Form::Json)?)?,
        (false, None) => ui::data_bytes(&table.render(Form::Csv)?)?,
        (false, Some(_)) => {}
    }
    tell(&entries, global)
}

/// The time in UTC, as it stands in tables.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// Says how many files ended how, and which failed.
pub(crate) fn tell(entries: &[Entry], global: &Global) -> CommandResult {
    let [mut used, mut rejected, mut failed] = [0; 3];
    for entry in entries {
        match &entry.outcome {
            Ended::Used { .. } => used += 1,
            Ended::Rejected { .. } => rejected += 1,
            Ended::Failed { reason } => {
                failed += 1;
                // The download has told of its own.
                if !reason.starts_with("download: ") {
                    ui::warning(&format!("{}: {reason}", entry.file));
                }
            }
        }
    }
    let text = format!("{} files: {used} used, {rejected} rejected, {failed} failed", entries.len());
    ui::note(global.verbosity(), &text);
    Ok(match (used, failed) {
        (_, 1..) => Outcome::Failed,
        (0, 0) => Outcome::NothingFound,
        _ => Outcome::Done,
    })
}
