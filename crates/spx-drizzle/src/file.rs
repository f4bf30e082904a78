//! The cube file: seven HDUs, written whole or not at all, and read back plane by plane.
//!
//! | HDU | name | content |
//! |---|---|---|
//! | 0 | PRIMARY | what went in: counts of inputs, options, one HISTORY card an input |
//! | 1 | SCI | f32, mean surface brightness [MJy/sr], NaN = no data |
//! | 2 | VARIANCE | f32, [(MJy/sr)^2], NaN = no data |
//! | 3 | AND_MASK | u32, flags that all contributions had |
//! | 4 | OR_MASK | u32, flags that any contribution had |
//! | 5 | COUNT | u16, number of contributions, saturating |
//! | 6 | WAVELENGTH | one row a plane: the exact wavelengths |
//! | 7 | WCS-WAVE | optional: the exact centres once more, as the table of the alternate WCS `T` |
//!
//! Behind them, where the drizzle was asked for them: ERR [MJy/sr], named variances under their names, WHT (sum of
//! the weights), MEANWAVE (mean wavelength of the pixels, um), all f32, and CON, u32, `[word][z][y][x]`: bit k of word w
//! stands for the input whose line of history says `context bit 32 w + k`.
//!
//! Arrays are `[z][y][x]`, slowest axis first. All image HDUs carry the celestial WCS and an approximate third
//! axis for viewers: WAVE-LOG in um, fitted to the bin centres to better than 0.08 channel where a linear one
//! would be off by up to 0.92; `DISPAXIS = 3` lets Cubeviz find it. The same inputs give the same bytes:
//! nothing in the file tells when it was made.
//!
//! [`export`] and [`import`] turn cubes into the layouts of other tools and back.

mod layout;
mod mosaic;
mod plane_writer;
mod reader;
mod sums;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::PathBuf;

use spx_core::fits::FitsError;
use spx_core::header::HeaderError;
use thiserror::Error;

use crate::DrizzleError;

pub use layout::{CubeLayout, export, import};
pub use mosaic::write_mosaic;
pub use reader::CubeFile;
pub use sums::{SumsFile, sums_steps, write_sums};
pub use writer::{CubeInfo, steps, write};

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
    /// CFITSIO refuses.
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
    #[error("not an accumulator of this spx: {0}")]
    NotSums(String),
    /// An accumulator of which something is missing or cannot be read.
    #[error("the accumulator is damaged: {0}")]
    Broken(String),
    /// An accumulator of another grid or other settings.
    #[error("the accumulator was made with other settings: {found} there, {expected} here")]
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

/// One of the five arrays of a cube file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CubeArray {
    /// Surface brightness.
    Science,
    /// Its variance.
    Variance,
    /// Flags that all contributions had.
    AndMask,
    /// Flags that any contribution had.
    OrMask,
    /// Number of contributions.
    Count,
}

impl CubeArray {
    /// All five, in the order of the file.
    pub const ALL: [Self; 5] = [Self::Science, Self::Variance, Self::AndMask, Self::OrMask, Self::Count];

    /// The name of its HDU.
    pub fn hdu(self) -> &'static str {
        match self {
            Self::Science => "SCI",
            Self::Variance => "VARIANCE",
            Self::AndMask => "AND_MASK",
            Self::OrMask => "OR_MASK",
            Self::Count => "COUNT",
        }
    }
}

/// The HDU of the exact wavelengths.
const WAVELENGTH: &str = "WAVELENGTH";
