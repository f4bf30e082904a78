//! `spx download`: the files of a selection, whole or as cutouts.

use std::path::PathBuf;

use clap::Args;
use spx_archive::{CutoutCenter, CutoutSize, DownloadLayout};
use spx_pipeline::PipelineError;
use spx_pipeline::archive::{
    DownloadRequest, MAX_IMAGES, QuerySummary, RemoteSource, download, load_query_summary, query,
};

use crate::archive::{ArchiveArgs, SelectionArgs};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;

/// Fetch the spectral images of a place, whole or as cutouts.
///
/// A file appears under its name only when it is complete; what is there already and whole is not
/// fetched again, and partial downloads are continued. A file that cannot be downloaded does not
/// stop the others.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx download --ra 213.9427 --dec 11.4954 --cutout-size 60px -o cloverleaf
  spx download --ra 270 --dec 66.56 --radius 1 --bands D3 --workers 8 -o images
  spx download --query query_summary.toml --data-mirror /data/spherex -o images

Sizes: 200px, 3arcmin, 0.1 (degrees), 200,400px; units px, arcsec, arcmin, deg, rad.")]
pub(crate) struct DownloadArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Fetch what this query summary lists, instead of asking the archive
    #[arg(long, value_name = "FILE", conflicts_with_all = ["radius", "width", "bands", "mjd_range"])]
    query: Option<PathBuf>,
    #[command(flatten)]
    archive: ArchiveArgs,
    #[command(flatten)]
    transfer: TransferArgs,
    /// Cutouts of this size instead of full frames
    #[arg(long, value_name = "SIZE")]
    cutout_size: Option<CutoutSize>,
    /// Center of the cutouts, such as 304.7,42.5 (deg) or 1020,1020px; the selection's center by
    /// default
    #[arg(long, value_name = "X,Y", requires = "cutout_size", allow_hyphen_values = true)]
    cutout_center: Option<CutoutCenter>,
    /// Directory for the files and query_summary.toml
    #[arg(short, long, value_name = "DIR", default_value = "data")]
    output_dir: PathBuf,
    /// One directory (flat), or one for each detector (by-detector)
    #[arg(long, value_name = "NAME", default_value = "flat")]
    layout: DownloadLayout,
}

/// How files are fetched.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Transfer")]
pub(crate) struct TransferArgs {
    /// Files at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = parse_workers)]
    workers: usize,
    /// A directory with the paths of the archive (qr2/level2/...), looked at first; its files are
    /// copied
    #[arg(long, value_name = "DIR", env = "SPX_DATA_MIRROR")]
    data_mirror: Option<PathBuf>,
    /// Where else to look, in this order: cloud, irsa
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    sources: Vec<RemoteSource>,
}

fn parse_workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=64) => Ok(n),
        _ => Err("expected a number from 1 to 64".to_owned()),
    }
}

impl DownloadArgs {
    /// What to fetch, by a summary at hand or by asking.
    fn summary(&self, global: &Global) -> Result<QuerySummary, Failure> {
        if let Some(path) = &self.query {
            return Ok(load_query_summary(path).map_err(PipelineError::into_usage)?);
        }
        let mut selection = self.selection.selection()?;
        // A download of everything that a pole has would take terabytes.
        selection.max_images.get_or_insert(MAX_IMAGES);
        let request = self.archive.request(selection);
        Ok(query(&request, &global.terminal())?.summary)
    }

    fn request(&self) -> DownloadRequest {
        DownloadRequest {
            archive: self.archive.url(),
            cutout_size: self.cutout_size,
            cutout_center: self.cutout_center,
            output_dir: self.output_dir.clone(),
            layout: self.layout,
            workers: self.transfer.workers,
            data_mirror: self.transfer.data_mirror.clone(),
            sources: self.transfer.sources.clone(),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &DownloadArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    let summary = args.summary(global)?;
    let fetched = download(&summary, &args.request(), &global.terminal())?;
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
