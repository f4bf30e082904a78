//! What can go wrong with a FITS file. Messages name the HDU and the card; callers add the path.

use thiserror::Error;

use crate::header::HeaderError;

/// An error of [`FitsReader`](super::FitsReader) or [`FitsWriter`](super::FitsWriter).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FitsError {
    /// The file cannot be opened, read or written: it is missing, the disk is full or broken.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file does not begin as a FITS file (or a gzipped one) does.
    #[error("not a FITS file: {0}")]
    NotFits(String),
    /// A gzipped file that cannot be unpacked.
    #[error("cannot unpack the gzipped file in {hdu}: {problem}")]
    Gzip {
        /// How far it was unpacked.
        hdu: String,
        /// Why no further.
        problem: String,
    },
    /// There is no HDU of that name.
    #[error("no HDU {name}; the file has {present}")]
    NoSuchHdu {
        /// The name, or the 0-based number, that was asked for.
        name: String,
        /// The names of the HDUs that are there, and what follows them where that is no HDU.
        present: String,
    },
    /// There is no column of that name in the current HDU.
    #[error("no column {name} in {hdu}")]
    NoSuchColumn {
        /// The name that was asked for.
        name: String,
        /// The HDU.
        hdu: String,
    },
    /// The current HDU holds no image.
    #[error("{hdu} is not an image")]
    NotAnImage {
        /// The HDU.
        hdu: String,
    },
    /// The current HDU holds no table.
    #[error("{hdu} is not a table")]
    NotATable {
        /// The HDU.
        hdu: String,
    },
    /// More was asked for than there is.
    #[error("{hdu} has {available} elements, not {first} + {count}")]
    OutOfRange {
        /// The HDU, and the column where it is a table.
        hdu: String,
        /// The first element of the request, 0-based.
        first: usize,
        /// The number of elements of the request.
        count: usize,
        /// The number of elements there are.
        available: usize,
    },
    /// The file ends before the HDU does.
    #[error("the file ends within {hdu}: {found} of {expected} bytes are there")]
    Truncated {
        /// The part of which HDU.
        hdu: String,
        /// The bytes of it that are there.
        found: u64,
        /// The bytes that its header declares.
        expected: u64,
    },
    /// The header of an HDU cannot be read.
    #[error("header of {hdu}: {source}")]
    Header {
        /// The HDU.
        hdu: String,
        /// Which card, and why.
        source: Box<HeaderError>,
    },
    /// A header without end.
    #[error("header of {hdu}: no END card in {blocks} blocks")]
    Endless {
        /// The HDU.
        hdu: String,
        /// The number of blocks of 2880 bytes that were read.
        blocks: u64,
    },
    /// Contents that contradict themselves.
    #[error("{hdu} is damaged: {problem}")]
    Damaged {
        /// The HDU, and the tile or column.
        hdu: String,
        /// What is wrong.
        problem: String,
    },
    /// A compression that is not read.
    #[error(
        "{hdu} is compressed by {method}, which is not supported: unpack the file with `funpack` or astropy \
         (`fits.open(...)`, then `writeto`)"
    )]
    Compression {
        /// The HDU.
        hdu: String,
        /// ZCMPTYPE.
        method: String,
    },
    /// A value that the type asked for, or the file's type, cannot hold.
    #[error("cannot {operation} of {hdu}: element {index} does not fit the type of number")]
    DoesNotFit {
        /// `read pixels` and the like.
        operation: &'static str,
        /// The HDU, and the column where it is a table.
        hdu: String,
        /// The element, 0-based.
        index: usize,
    },
    /// More memory than there is.
    #[error("{hdu} needs {bytes} bytes of memory, more than are available")]
    Memory {
        /// The HDU.
        hdu: String,
        /// The bytes.
        bytes: u64,
    },
    /// A card or a specification that cannot be written.
    #[error("card {keyword} cannot be written: {problem}")]
    Card {
        /// The keyword.
        keyword: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A request that this layer does not support.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
}
