//! The command line as the user types it.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::commands::config::{self, ConfigArgs};
use crate::commands::demo::{self, DemoArgs};
use crate::commands::download::{self, DownloadArgs};
use crate::commands::generate::{self, CompletionsArgs, ManArgs};
use crate::commands::query::{self, QueryArgs};
use crate::commands::serve::{self, ServeArgs};
use crate::commands::simulate::{self, SimulateArgs};
use crate::cube::{self, CubeArgs};
use crate::drizzle::{DrizzleArgs, run as run_drizzle};
use crate::exit::{CommandResult, Failure};
use crate::inspect::{self, InspectArgs};
use crate::ui::Verbosity;

/// Spectra, light curves and data cubes from SPHEREx spectral images.
#[derive(Debug, Parser)]
#[command(name = "spx", version, arg_required_else_help = true, propagate_version = true)]
#[command(after_help = "\
Exit codes: 0 done, 1 some items failed, 2 usage, 3 nothing found, 130 interrupted.
New here? `spx demo` makes a whole run on simulated data, without network.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Say nothing but warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    quiet: bool,
    /// Say more; repeat for details
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
    /// Number of threads; all cores by default. Results do not depend on it
    #[arg(long, global = true, value_name = "N", env = "SPX_THREADS", help_heading = "Global options")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Report as JSON on standard output
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
}

impl Global {
    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, n) => Verbosity::Verbose(n),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Query(QueryArgs),
    Download(DownloadArgs),
    Drizzle(DrizzleArgs),
    Cube(CubeArgs),
    Inspect(InspectArgs),
    Serve(ServeArgs),
    Simulate(SimulateArgs),
    Demo(DemoArgs),
    Config(ConfigArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

impl Cli {
    /// Runs the command on a pool of the chosen number of threads.
    pub(crate) fn run(self) -> CommandResult {
        let threads = self.global.threads.map_or(0, usize::from);
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(Failure::from)?;
        match self.command {
            Command::Query(args) => query::run(&args, &self.global),
            Command::Download(args) => download::run(&args, &self.global),
            Command::Serve(args) => serve::run(&args, &self.global),
            Command::Drizzle(args) => run_drizzle(&args, &self.global),
            Command::Simulate(args) => simulate::run(&args, &self.global),
            Command::Demo(args) => demo::run(&args, &self.global),
            Command::Cube(args) => cube::run(&args, &self.global),
            Command::Inspect(args) => inspect::run(&args, &self.global),
            Command::Config(args) => config::run(&args),
            Command::Completions(args) => generate::completions(&args),
            Command::Man(args) => generate::man(&args),
        }
    }
}

/// Where a command reads its settings from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigFile {
    /// Read settings from a TOML file; the environment and the command line win over it
    #[arg(long, value_name = "FILE", env = "SPX_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}
