//! `spx calibration`: what the archive has of calibration products, getting them, looking at them.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand, value_parser};
use spx_core::detector::Detector;
use spx_pipeline::archive::{ArchiveSettings, ArchiveUrl, CalibrationFamily, SearchSettings};
use spx_pipeline::calibration::{
    CalibrationEntry, CalibrationRequest, CalibrationStatus, calibration_directory, calibration_status,
    fetch_calibration, list_calibration,
};
use spx_pipeline::settings::SettingLimits;

use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::setting_args::number;
use crate::ui;

/// List, fetch and check calibration products.
///
/// Products are wavelengths (spectral_wcs), solid angles (solid_angle_pixel_map), effective point
/// spread functions (epsf), and the factors that bring images of Quick Release 2 to the flux scale
/// of Quick Release 3 (l3_flux_corrections). Once fetched, photometry, run, batch, drizzle and
/// mosaic use them by default (not with `--calibration none`).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx calibration list
  spx calibration fetch --detectors D4,D5
  spx calibration status --json
  spx calibration fetch --directory /data/calibration && spx run --calibration /data/calibration ...")]
pub(crate) struct CalibrationArgs {
    #[command(subcommand)]
    command: CalibrationCommand,
}

#[derive(Debug, Subcommand)]
enum CalibrationCommand {
    /// List the newest products in the archive
    #[command(after_help = "\
Examples:
  spx calibration list
  spx calibration list --kinds epsf --json")]
    List(AskArgs),
    /// Download products that are missing, damaged, or replaced in the archive
    #[command(after_help = "\
Examples:
  spx calibration fetch
  spx calibration fetch --detectors D4,D5 --directory /data/calibration")]
    Fetch(FetchArgs),
    /// Check the local products, without querying the archive
    #[command(after_help = "\
Examples:
  spx calibration status
  spx calibration status --detectors D3 --json")]
    Status(ProductArgs),
}

/// Which products, and where they are kept.
#[derive(Debug, Args)]
struct ProductArgs {
    /// Detectors, such as D1,D3; all by default
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    detectors: Vec<Detector>,
    /// Kinds: spectral_wcs, solid_angle_pixel_map, epsf, l3_flux_corrections; all by default
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    kinds: Vec<CalibrationFamily>,
    /// Directory of the local products [default: spx/calibration in the user's cache,
    /// $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Which products, and how the archive is asked.
#[derive(Debug, Args)]
struct AskArgs {
    #[command(flatten)]
    products: ProductArgs,
    /// Base address of the archive; plain http on this machine only [default: IRSA,
    /// irsa.ipac.caltech.edu]
    #[arg(long, value_name = "URL", env = "SPX_ARCHIVE_URL")]
    archive_url: Option<ArchiveUrl>,
    /// How often a file is tried again, and a question at most three times
    #[arg(long, value_name = "N", env = "SPX_RETRIES", default_value_t = SearchSettings::default().retries)]
    #[arg(value_parser = value_parser!(u32).range(0..=100))]
    retries: u32,
    /// The longest time in which the archive may send nothing [s]
    #[arg(long, value_name = "S", env = "SPX_TIMEOUT", default_value_t = SearchSettings::default().timeout)]
    #[arg(value_parser = number(SettingLimits::between(1.0, 3600.0)))]
    timeout: f64,
}

#[derive(Debug, Args)]
struct FetchArgs {
    #[command(flatten)]
    asked: AskArgs,
    /// Files at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=64))]
    workers: usize,
    /// Fetch products anew that are there; each is replaced when the new one is complete
    #[arg(long)]
    force_download: bool,
}

impl ProductArgs {
    fn directory(&self) -> Result<PathBuf, Failure> {
        Ok(self.directory.clone().map_or_else(calibration_directory, Ok)?)
    }

    /// Whether a product is one of those that are asked for.
    fn wants(&self, entry: &CalibrationEntry) -> bool {
        let is = |name: String, wanted: &str| name == wanted;
        (self.detectors.is_empty() || self.detectors.iter().any(|d| is(d.to_string(), &entry.detector)))
            && (self.kinds.is_empty() || self.kinds.iter().any(|k| is(k.to_string(), &entry.family)))
    }
}

impl AskArgs {
    fn request(&self) -> Result<CalibrationRequest, Failure> {
        let ProductArgs { detectors, kinds, .. } = &self.products;
        let url = self.archive_url.clone().unwrap_or_default();
        let mut archive = ArchiveSettings::at(&url.to_string());
        (archive.search.retries, archive.search.timeout) = (self.retries, self.timeout);
        Ok(CalibrationRequest {
            archive,
            families: if kinds.is_empty() { CalibrationFamily::ALL.to_vec() } else { kinds.clone() },
            detectors: if detectors.is_empty() { Detector::ALL.to_vec() } else { detectors.clone() },
            directory: self.products.directory()?,
        })
    }
}

impl FetchArgs {
    fn request(&self) -> Result<CalibrationRequest, Failure> {
        let mut request = self.asked.request()?;
        (request.archive.workers, request.archive.force_download) = (self.workers, self.force_download);
        Ok(request)
    }
}

/// Runs the command.
pub(crate) fn run(args: &CalibrationArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    let entries = match &args.command {
        CalibrationCommand::List(args) => list_calibration(&args.request()?, &global.terminal())?,
        CalibrationCommand::Fetch(args) => fetch_calibration(&args.request()?, &global.terminal())?,
        CalibrationCommand::Status(products) => {
            let all = calibration_status(&products.directory()?)?;
            all.into_iter().filter(|entry| products.wants(entry)).collect()
        }
    };
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&entries)?))?;
    } else {
        entries.iter().try_for_each(|entry| ui::data(&line(entry)))?;
    }
    let wrong = [CalibrationStatus::Damaged, CalibrationStatus::Failed];
    let failed = entries.iter().any(|entry| wrong.contains(&entry.status));
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}

fn line(entry: &CalibrationEntry) -> String {
    let CalibrationEntry { family, detector, token, status, file, reason, .. } = entry;
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{family:<21} {detector} {token:<23} {:<10} {file}{reason}\n", status.name())
}
