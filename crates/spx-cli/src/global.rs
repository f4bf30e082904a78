//! Options that commands share.

use clap::{ArgAction, Args};

use crate::ui::{Terminal, Verbosity};

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Print only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    quiet: bool,
    /// Print more; repeat for details
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
    /// Number of threads; all cores by default. Results do not depend on it
    #[arg(long, global = true, value_name = "N", env = "SPX_THREADS", help_heading = "Global options")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Report as JSON on standard output
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
}

impl Global {
    /// What a pipeline talks to.
    pub(crate) fn terminal(&self) -> Terminal {
        Terminal::new(self.verbosity())
    }

    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, n) => Verbosity::Verbose(n),
        }
    }
}
