//! `spx inspect`: what a spectral image holds.

mod text;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use spx_core::fits::verify_file;
use spx_core::image::PixelPlanes;
use spx_pipeline::inspect::{FlagListing, ImageSummary, inspect, list_flags};

use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;

/// Show what a spectral image (Level-2 MEF) contains.
///
/// For each file: its HDUs, exposure and times, pipeline version and quick release, position in the
/// detector's frame, position and orientation on the sky, wavelengths, how many pixels have each
/// flag, pixels without a number, medians of IMAGE and ZODI, and the scale by which `spx drizzle`
/// would multiply the zodiacal light before subtracting it. All pixels are read.
///
/// `north` is the direction of north at the center of the image, in degrees from the +y axis
/// towards -x: counter-clockwise in a viewer that puts the first pixel lower left; `east` likewise.
/// The footprint lists the outer corners of the pixels lower left, lower right, upper right, upper
/// left in such a viewer.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx inspect level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits
  spx inspect data/*.fits --verify
  spx inspect --flags level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits
  spx inspect data/*.fits --json | jq '.[] | [.file, .wavelength.min, .wavelength.max]'

A file that cannot be read is reported on standard error, the others are shown,
and the exit code is 1. In JSON it is an object with `file` and `error`.
For cubes, use `spx cube info`.")]
pub(crate) struct InspectArgs {
    /// Spectral images, plain or gzipped
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Instead, compare the bytes of every HDU with its cards CHECKSUM and DATASUM; works for any
    /// FITS file
    #[arg(long)]
    verify: bool,
    /// List the flags instead: bits and names, and the presets of --bad-flags and --exclude-flags
    /// that contain them
    #[arg(long, conflicts_with = "verify")]
    flags: bool,
}

/// One element of the JSON report.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Read(Box<ImageSummary>),
    /// HDUs whose bytes have the sums of their cards.
    Verified {
        file: String,
        verified: Vec<String>,
    },
    Flags {
        file: String,
        flags: Vec<FlagListing>,
    },
    Failed {
        file: String,
        error: String,
    },
}

/// Runs the command.
pub(crate) fn run(args: &InspectArgs, global: &Global) -> CommandResult {
    let mut outcome = Outcome::Done;
    let mut entries = Vec::new();
    let mut planes = PixelPlanes::default();
    let mut gap = "";
    for path in &args.files {
        let looked_at = if args.verify {
            verify(path)
        } else if args.flags {
            let file = path.display().to_string();
            list_flags(path).map(|flags| Entry::Flags { file, flags }).map_err(Failure::from)
        } else {
            inspect(path, &mut planes).map(|summary| Entry::Read(Box::new(summary))).map_err(Failure::from)
        };
        match looked_at {
            Ok(entry) if global.json => entries.push(entry),
            Ok(Entry::Read(summary)) => {
                told(&summary).iter().for_each(|line| ui::detail(global.verbosity(), line));
                ui::data(&format!("{gap}{}", text::render(&summary)))?;
                gap = "\n";
            }
            Ok(Entry::Flags { file, flags }) => {
                ui::data(&format!("{gap}{file}\n{}", text::preset_table(&flags).render("  ")))?;
                gap = "\n";
            }
            Ok(Entry::Verified { file, verified }) => {
                ui::data(&format!("{file}: {}\n", told_sums(&verified)))?;
            }
            Ok(Entry::Failed { .. }) => {}
            Err(failure) => {
                ui::error(&failure.to_string());
                outcome = Outcome::Failed;
                let file = path.display().to_string();
                entries.push(Entry::Failed { file, error: failure.to_string() });
            }
        }
    }
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&entries)?))?;
    }
    Ok(outcome)
}

fn verify(path: &Path) -> Result<Entry, Failure> {
    let file = path.display().to_string();
    let verified = verify_file(path).with_context(|| file.clone())?;
    Ok(Entry::Verified { file, verified })
}

/// Where the names of the flags and the scale of the zodiacal light come from.
fn told(summary: &ImageSummary) -> Vec<String> {
    let named = summary.flags.iter().filter(|flag| flag.name.is_some()).count();
    let scale = match (&summary.zodi_scale.remark, summary.zodi_scale.error) {
        (Some(remark), _) => remark.clone(),
        (None, Some(_)) => "fitted to the pixels away from sources".to_owned(),
        (None, None) => "not fitted".to_owned(),
    };
    vec![format!("flags: {named} of {} have a name", summary.flags.len()), format!("zodiacal scale: {scale}")]
}

fn told_sums(verified: &[String]) -> String {
    match verified {
        [] => "no HDU has CHECKSUM or DATASUM".to_owned(),
        hdus => format!("as CHECKSUM and DATASUM say: {}", hdus.join(", ")),
    }
}
