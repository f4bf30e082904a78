//! `spx download`: the files of a selection, whole or as cutouts.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use spx_archive::{
    ArchiveUrl, Cutout, CutoutCentre, CutoutSize, DownloadOptions, Downloader, Layout, MirrorUse,
    Observation, Target,
};
use spx_core::atomic;
use spx_core::sky::Position;
use spx_pipeline::archive::{
    QUERY_SUMMARY, QuerySummary, RemoteSource, check_mirror, client, fetch, sources,
};

use crate::archive::{ArchiveArgs, SelectionArgs};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;

/// Fetch the spectral images of a place, whole or as cutouts.
///
/// A file appears under its name only when it is complete; what is there already and whole is not fetched again, and
/// what was begun is continued. A file that cannot be had does not stop the others.
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
    /// Centre of the cutouts, such as 304.7,42.5 (deg) or 1020,1020px; the selection's centre by default
    #[arg(long, value_name = "X,Y", requires = "cutout_size", allow_hyphen_values = true)]
    cutout_center: Option<CutoutCentre>,
    /// Directory for the files and query_summary.toml
    #[arg(short, long, value_name = "DIR", default_value = "data")]
    output_dir: PathBuf,
    /// One directory (flat), or one for each detector (by-detector)
    #[arg(long, value_name = "NAME", default_value = "flat")]
    layout: Layout,
}

/// How files are fetched.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Transfer")]
pub(crate) struct TransferArgs {
    /// Files at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = parse_workers)]
    workers: usize,
    /// A directory with the paths of the archive (qr2/level2/...), looked at first; its files are copied
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

impl TransferArgs {
    fn options(&self, archive: &ArchiveUrl, layout: Layout) -> DownloadOptions {
        DownloadOptions {
            workers: self.workers,
            sources: sources(self.data_mirror.as_deref(), &self.sources, archive),
            mirror_use: MirrorUse::Copy,
            layout,
            ..DownloadOptions::default()
        }
    }
}

impl DownloadArgs {
    /// What to fetch, by a summary at hand or by asking.
    fn summary(&self, global: &Global) -> Result<QuerySummary, Failure> {
        if let Some(path) = &self.query {
            return QuerySummary::read(path).map_err(|e| e.into_usage().into());
        }
        let selection = self.selection.selection()?;
        let client = self.archive.client(1);
        let search = self.archive.search(&client, &selection, &global.terminal())?;
        Ok(QuerySummary::new(&client, &selection, search))
    }

    /// The cutout, checked before anything is asked.
    fn cutout(&self, centre: Position) -> Option<Cutout> {
        let size = self.cutout_size?;
        Some(Cutout { size, centre: self.cutout_center.unwrap_or_else(|| centre.into()) })
    }
}

/// Runs the command.
pub(crate) fn run(args: &DownloadArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    let summary = args.summary(global)?;
    let centre =
        Position::new(summary.region.center_ra, summary.region.center_dec).map_err(Failure::usage)?;
    let cutout = args.cutout(centre);
    if let Some(warning) = cutout.as_ref().and_then(Cutout::warning) {
        ui::warning(&warning);
    }
    let archive = args.archive.of_summary(&summary)?;
    let options = args.transfer.options(&archive, args.layout);
    check_mirror(&options.sources)?;
    let client = client(archive, args.transfer.workers);
    // It locks the directory.
    let downloader = Downloader::new(&client, &args.output_dir, options)?;
    let list = args.output_dir.join(QUERY_SUMMARY);
    atomic::remove_leftovers(&list).with_context(|| list.display().to_string())?;
    summary.write(&list)?;
    let observations = summary.observations.iter().map(|entry| &entry.observation);
    let targets = observations.map(|o: &Observation| Target::new(o, cutout)).collect();
    let fetched = fetch(&downloader, targets, &global.terminal())?;
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
