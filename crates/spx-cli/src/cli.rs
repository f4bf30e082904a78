//! The command line as the user types it.

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::batch::{self, BatchArgs};
use crate::commands::calibration::{self, CalibrationArgs};
use crate::commands::config::{self, ConfigArgs};
use crate::commands::demo::{self, DemoArgs};
use crate::commands::doctor::{self, DoctorArgs};
use crate::commands::download::{self, DownloadArgs};
use crate::commands::drizzle::{DrizzleArgs, MosaicArgs, run_drizzle, run_mosaic};
use crate::commands::generate::{self, CompletionsArgs, ManArgs};
use crate::commands::hips::{self, HipsArgs};
use crate::commands::light_curve::{self, LightCurveArgs};
use crate::commands::photometry::{self, PhotometryArgs};
use crate::commands::query::{self, QueryArgs};
use crate::commands::run::{self, RunArgs};
use crate::commands::serve::{self, ServeArgs};
use crate::commands::simulate::{self, SimulateArgs};
use crate::commands::spectrum::{self, SourceSpectrumArgs};
use crate::commands::survey::{self, SurveyArgs};
use crate::cube::{self, CubeArgs};
use crate::exit::{CommandResult, Failure};
use crate::global::Global;
use crate::inspect::{self, InspectArgs};
use crate::ui;

/// Spectra, light curves and data cubes from SPHEREx spectral images.
#[derive(Debug, Parser)]
#[command(name = "spx", version, arg_required_else_help = true, propagate_version = true)]
#[command(after_help = "\
Exit codes: 0 done, 1 some items failed, 2 usage, 3 nothing found, 130 interrupted.
New here? Try `spx demo`, which runs everything on simulated data, without a network.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Query(QueryArgs),
    Download(DownloadArgs),
    Run(Box<RunArgs>),
    Photometry(Box<PhotometryArgs>),
    Spectrum(SourceSpectrumArgs),
    Batch(Box<BatchArgs>),
    #[command(name = "lightcurve")]
    LightCurve(LightCurveArgs),
    Drizzle(Box<DrizzleArgs>),
    Mosaic(Box<MosaicArgs>),
    Survey(SurveyArgs),
    Hips(Box<HipsArgs>),
    Cube(CubeArgs),
    Calibration(CalibrationArgs),
    Inspect(InspectArgs),
    Doctor(DoctorArgs),
    Serve(ServeArgs),
    Simulate(SimulateArgs),
    Demo(DemoArgs),
    Config(ConfigArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

impl Cli {
    /// How the user goes on with the command where he has interrupted it; empty where there is
    /// nothing to tell.
    pub(crate) fn going_on(&self) -> &'static str {
        match &self.command {
            Command::Run(_) | Command::Batch(_) | Command::Drizzle(_) | Command::Mosaic(_) => {
                "the same command with --resume continues from here"
            }
            Command::Download(_)
            | Command::Survey(_)
            | Command::Hips(_)
            | Command::Calibration(_)
            | Command::Simulate(_) => "the same command continues from here",
            Command::Photometry(_) | Command::Cube(_) | Command::Demo(_) | Command::Query(_) => {
                "the same command starts again"
            }
            _ => "",
        }
    }

    /// Runs the command on a pool of the chosen number of threads.
    pub(crate) fn run(self) -> CommandResult {
        let threads = self.global.working_threads();
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(Failure::from)?;
        ui::detail(self.global.verbosity(), &self.global.told_threads());
        match self.command {
            Command::Query(args) => query::run(&args, &self.global),
            Command::Download(args) => download::run(&args, &self.global),
            Command::Serve(args) => serve::run(&args, &self.global),
            Command::Run(args) => run::run(&args, &self.global),
            Command::Batch(args) => batch::run(&args, &self.global),
            Command::LightCurve(args) => light_curve::run(&args, &self.global),
            Command::Spectrum(args) => spectrum::run(&args, &self.global),
            Command::Photometry(args) => photometry::run(&args, &self.global),
            Command::Drizzle(args) => run_drizzle(&args, &self.global),
            Command::Mosaic(args) => run_mosaic(&args, &self.global),
            Command::Survey(args) => survey::run(&args, &self.global),
            Command::Hips(args) => hips::run(&args, &self.global),
            Command::Simulate(args) => simulate::run(&args, &self.global),
            Command::Demo(args) => demo::run(&args, &self.global),
            Command::Cube(args) => cube::run(&args, &self.global),
            Command::Calibration(args) => calibration::run(&args, &self.global),
            Command::Inspect(args) => inspect::run(&args, &self.global),
            Command::Doctor(args) => doctor::run(&args, &self.global),
            Command::Config(args) => config::run(&args, &self.global),
            Command::Completions(args) => generate::completions(&args, Self::command()),
            Command::Man(args) => generate::man(&args, Self::command()),
        }
    }
}
