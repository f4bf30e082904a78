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
    /// Number of threads; by default all cores, at most four per core. Results do not depend on it
    #[arg(long, global = true, value_name = "N", env = "SPX_THREADS", help_heading = "Global options")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Report as JSON on standard output
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
}

/// More threads a core only take memory.
const THREADS_A_CORE: usize = 4;

impl Global {
    /// Threads to work with; 0 for one a core. So many as cannot be of use, or could not even be
    /// started, are reduced.
    pub(crate) fn working_threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or(0, |threads| usize::from(threads).min(THREADS_A_CORE * cores))
    }

    /// How many threads work, and why so many.
    pub(crate) fn told_threads(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = rayon::current_num_threads();
        match self.threads {
            None => format!("threads: {threads}, one per core"),
            Some(asked) if usize::from(asked) > threads => {
                format!("threads: {threads}, at most {THREADS_A_CORE} for each of {cores} cores")
            }
            Some(_) => format!("threads: {threads}, as requested"),
        }
    }

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
