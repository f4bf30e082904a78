//! `spx download`: the files of a selection, whole or as cutouts.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use spx_pipeline::PipelineError;
use spx_pipeline::archive::{
    DownloadConfig, download, download_listed, forecast_download, load_query_summary,
};

use super::forecast::show_forecast;
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::setting_args::SettingArgs;
use crate::ui;

/// Download the spectral images of a position or region, whole or as cutouts.
///
/// A file appears under its name only when it is complete. Files that are already there are not
/// downloaded again, and partial downloads are continued. A file that cannot be downloaded does not
/// stop the others.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx download --ra 213.9427 --dec 11.4954 --cutout-size 60px -o cloverleaf
  spx download --ra 270 --dec 66.56 --radius 1 --bands D3 --workers 8 -o images
  spx download --query query_summary.toml --data-mirror /data/spherex -o images

Sizes: 200px, 3arcmin, 0.1 (degrees), 200,400px; units px, arcsec, arcmin, deg, rad.")]
pub(crate) struct DownloadArgs {
    /// Download the images listed in this query summary, without a new query
    #[arg(long, value_name = "FILE")]
    query: Option<PathBuf>,
    /// Show what would be read, downloaded and made, without changing anything on disk
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: SettingArgs<DownloadConfig>,
}

/// Settings that say which images, which a query summary has said.
const SELECTION: [&str; 12] = [
    "ra",
    "dec",
    "radius",
    "width",
    "height",
    "coverage_mode",
    "bands",
    "mjd_range",
    "release",
    "fields",
    "max_images",
    "sia",
];

/// Runs the command.
pub(crate) fn run(args: &DownloadArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    let config = args.settings.resolve()?;
    let fetched = match &args.query {
        None if args.dry_run => {
            return show_forecast(&forecast_download(None, &config, &global.terminal())?, global);
        }
        None => download(&config, &global.terminal())?,
        Some(path) => {
            if let Some(option) = SELECTION.iter().find_map(|key| args.settings.typed(key)) {
                let file = path.display();
                return Err(Failure::usage(anyhow!(
                    "--query {file} and --{option} both select images: give one of them"
                )));
            }
            let summary = load_query_summary(path).map_err(PipelineError::into_usage)?;
            if args.dry_run {
                let forecast = forecast_download(Some(&summary), &config, &global.terminal())?;
                return show_forecast(&forecast, global);
            }
            download_listed(&summary, &config, &global.terminal())?
        }
    };
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&fetched.reports)?))?;
    } else {
        for file in &fetched.files {
            ui::data(&format!("{}\n", file.display()))?;
        }
    }
    ui::note(global.verbosity(), &fetched.to_string());
    Ok(if fetched.failed() > 0 { Outcome::Failed } else { Outcome::Done })
}
