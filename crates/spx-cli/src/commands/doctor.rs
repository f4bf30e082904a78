//! `spx doctor`: whether everything is there that spx needs.

use std::path::PathBuf;

use clap::Args;
use spx_pipeline::archive::ArchiveUrl;
use spx_pipeline::calibration::calibration_directory;
use spx_pipeline::doctor::{DoctorReport, DoctorRequest, DoctorStatus, examine};

use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;

/// Check the archive, memory, disk, calibration and environment.
///
/// The exit code is 1 if something does not work.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx doctor
  spx doctor --offline --json | jq '.checks[] | select(.status != \"fine\")'")]
pub(crate) struct DoctorArgs {
    /// Directory planned for output
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output_dir: PathBuf,
    /// Base address of the archive; plain http on this machine only [default: IRSA,
    /// irsa.ipac.caltech.edu]
    #[arg(long, value_name = "URL", env = "SPX_ARCHIVE_URL")]
    archive_url: Option<ArchiveUrl>,
    /// Do not query the archive
    #[arg(long)]
    offline: bool,
}

/// Runs the command.
pub(crate) fn run(args: &DoctorArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    let archive = (!args.offline).then(|| args.archive_url.clone().unwrap_or_default());
    // Without a cache there is nothing to say of it.
    let calibration = calibration_directory().ok();
    let request = DoctorRequest { archive, directory: args.output_dir.clone(), calibration };
    let report = examine(&request, &global.terminal());
    if ui::interrupted() {
        return Err(Failure::interrupted());
    }
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        ui::data(&text(&report))?;
    }
    Ok(if report.failed() { Outcome::Failed } else { Outcome::Done })
}

fn text(report: &DoctorReport) -> String {
    let mut text = format!("{:<12} spx {}\n", "version", report.version);
    for check in &report.checks {
        let mark = match check.status {
            DoctorStatus::Fine => "",
            DoctorStatus::Warning => "warning: ",
            DoctorStatus::Failed => "FAILED: ",
        };
        text.push_str(&format!("{:<12} {mark}{}\n", check.name, check.found));
        if let Some(advice) = &check.advice {
            text.push_str(&format!("{:<12} {advice}\n", ""));
        }
    }
    text
}
