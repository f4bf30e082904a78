//! What can go wrong with a cube file or an accumulator.

use std::io;
use std::path::PathBuf;

use spx_core::fits::FitsError;
use spx_core::header::HeaderError;
use thiserror::Error;

use super::arrays::CubeLayout;
use crate::DrizzleError;

/// Why a cube could not be written or read.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct CubeFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: CubeFileProblem,
}

/// What is wrong with a cube file.
#[derive(Debug, Error)]
pub enum CubeFileProblem {
    /// The file is there already and may not be replaced.
    #[error("the file exists and is not overwritten")]
    Exists,
    /// The file system refuses.
    #[error(transparent)]
    Io(io::Error),
    /// The file cannot be read or written.
    #[error(transparent)]
    Fits(#[from] FitsError),
    /// A card is missing or wrong.
    #[error("HDU {hdu}: {source}")]
    Header {
        /// The HDU.
        hdu: &'static str,
        /// The card.
        source: HeaderError,
    },
    /// It is FITS, but no cube of spx.
    #[error("not a cube of spx: {0}")]
    NotACube(String),
    /// It is a cube in the layout of another tool.
    #[error("it is a cube in the layout for {0}")]
    Exported(CubeLayout),
    /// The bytes of an HDU are not those that were written.
    #[error("HDU {0} is damaged: its checksum does not agree with its content")]
    Damaged(String),
    /// It is FITS, but no accumulator that this spx reads.
    #[error("not a file of running sums that this spx reads: {0}")]
    NotSums(String),
    /// An accumulator of which something is missing or cannot be read.
    #[error("the running sums are damaged: {0}")]
    Broken(String),
    /// An accumulator of another grid or other settings.
    #[error("the running sums were made with other settings: {found} there, {expected} here")]
    Differs {
        /// What it was made with.
        found: String,
        /// What is asked for.
        expected: String,
    },
    /// Its sums cannot be added to.
    #[error(transparent)]
    Sums(#[from] DrizzleError),
    /// A cube of several bins where a mosaic is to be written.
    #[error("a mosaic has one bin, this cube has {bins}")]
    NotAMosaic {
        /// How many it has.
        bins: usize,
    },
    /// A cube of which nothing but the mean was kept.
    #[error("the file of a cube has its variance, masks and counts, and they were not kept")]
    OnlyMean,
    /// The wavelengths of its table make no axis.
    #[error("HDU WAVELENGTH: {0}")]
    Wavelengths(DrizzleError),
    /// Cubes that do not go together in one file.
    #[error("the cubes cannot be combined: {0}")]
    Unlike(String),
    /// The user asked to stop; nothing is left of the file.
    #[error("interrupted")]
    Cancelled,
}

impl From<io::Error> for CubeFileProblem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists,
            _ => Self::Io(error),
        }
    }
}
