//! What can go wrong with catalogs and tables.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a catalog, a table or the light curves could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A catalog that cannot be used at all.
    #[error("catalog {}: {problem}", path.display())]
    Catalog {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the column or line.
        problem: String,
    },
    /// A table that is not what this version writes.
    #[error("table {}: {problem}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        problem: String,
    },
    /// An option outside its range.
    #[error("{name} = {value} is not allowed: it must be {range}")]
    Option {
        /// The option's name.
        name: &'static str,
        /// The value that was given.
        value: usize,
        /// What it must be.
        range: &'static str,
    },
    /// The user has asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl BatchError {
    /// For `map_err`: an error of the system at a path.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// For `map_err`: a table that is wrong.
    pub(crate) fn table<P: ToString>(path: &Path) -> impl FnOnce(P) -> Self + '_ {
        move |problem| Self::Table { path: path.to_owned(), problem: problem.to_string() }
    }
}
