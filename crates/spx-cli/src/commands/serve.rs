//! `spx serve`: a local archive over the files of a directory.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;
use spx_pipeline::settings::SettingLimits;
use spx_serve::{Fault, Faults, LocalArchive, ServeOptions};

use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::setting_args::number;
use crate::ui;

/// Serve a directory of spectral images as the archive would, on this machine only.
///
/// Answers TAP queries (synchronous and asynchronous), SIA2 and DataLink, and serves files, ranges
/// of bytes, cutouts, and calibration products (as `spx simulate --release mixed` writes them).
/// Prints its address, to be given to other commands as --archive-url or SPX_ARCHIVE_URL, and runs
/// until it is interrupted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx simulate --ra 186.4536 --dec 33.5468 -o sky && spx serve sky --port 8080
  SPX_ARCHIVE_URL=http://127.0.0.1:8080 spx query --ra 186.4536 --dec 33.5468
  spx simulate --ra 10 --dec 41 --release mixed -o both && spx serve both --port 8081
  spx calibration fetch --archive-url http://127.0.0.1:8081 --detectors D3
  spx serve sky --table gaia_dr3_source=stars.csv --table catwise_2020=infrared.csv
  spx serve sky --fault-rate 0.2 --faults 503,reset,truncate,html")]
pub(crate) struct ServeArgs {
    /// Directory of spectral images, searched recursively
    directory: PathBuf,
    /// Port on 127.0.0.1; 0 chooses a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// A table of sources from a CSV file, such as gaia_dr3_source=stars.csv, for --neighbors
    #[arg(long, value_name = "NAME=FILE", value_parser = parse_table)]
    table: Vec<(String, PathBuf)>,
    /// Fraction of requests that fail, from 0 to 1
    #[arg(long, value_name = "X", default_value_t = 0.0, help_heading = "Misbehavior")]
    #[arg(value_parser = number(SettingLimits::between(0.0, 1.0)))]
    fault_rate: f64,
    /// Kinds of faults: 500, 503, reset, truncate, stall, html, length, corrupt, expire
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_fault)]
    #[arg(default_value = "500,503,reset,truncate,html,length,corrupt", help_heading = "Misbehavior")]
    faults: Vec<Fault>,
    /// Wait before each answer [s]
    #[arg(long, value_name = "S", default_value_t = 0.0, help_heading = "Misbehavior")]
    #[arg(value_parser = number(SettingLimits::between(0.0, 3600.0)))]
    latency: f64,
    /// Seed of the faults
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Misbehavior")]
    seed: u64,
}

fn parse_table(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=FILE")?;
    Ok((name.to_owned(), path.into()))
}

fn parse_fault(text: &str) -> Result<Fault, String> {
    Ok(match text {
        "500" => Fault::Status500,
        "503" => Fault::Status503RetryAfter(1),
        "reset" => Fault::Reset,
        "truncate" => Fault::Truncate,
        "stall" => Fault::Stall(Duration::from_secs(5)),
        "html" => Fault::HtmlWith200,
        "length" => Fault::WrongLength,
        "corrupt" => Fault::CorruptBytes,
        "expire" => Fault::ExpiredJob,
        _ => {
            let known = "500, 503, reset, truncate, stall, html, length, corrupt, expire";
            return Err(format!("unknown fault `{text}`: expected {known}"));
        }
    })
}

/// Runs the command.
pub(crate) fn run(args: &ServeArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;

    if !args.directory.is_dir() {
        return Err(Failure::usage(anyhow!("{} is not a directory", args.directory.display())));
    }
    let latency = Duration::from_secs_f64(args.latency);
    let faults = Faults { rate: args.fault_rate, kinds: args.faults.clone(), latency, ..Faults::default() };
    let ServeArgs { port, seed, table, .. } = args;
    let tables = table.clone();
    let options = ServeOptions { port: *port, faults, seed: *seed, tables, ..ServeOptions::default() };
    let archive = LocalArchive::start(&args.directory, options)?;
    if archive.images() == 0 {
        ui::warning(&format!("{} holds no spectral image", args.directory.display()));
    }
    if global.json {
        let report = json!({
            "directory": args.directory, "images": archive.images(), "url": archive.url()
        });
        ui::data(&format!("{report:#}\n"))?;
    } else {
        ui::data(&format!("{}\n", archive.url()))?;
    }
    let text = format!("{} images of {}; Ctrl-C ends", archive.images(), args.directory.display());
    ui::note(global.verbosity(), &text);
    ui::wait_for_interrupt();
    Ok(Outcome::Done)
}
