//! What can go wrong with a FITS file. Messages name the operation and the HDU; callers add the path.

use thiserror::Error;

use crate::header::HeaderError;

/// An error of [`FitsReader`](super::FitsReader) or [`FitsWriter`](super::FitsWriter).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FitsError {
    /// The file cannot be reached, or is a directory.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file does not begin as a FITS file (or a gzipped one) does.
    #[error("not a FITS file: {0}")]
    NotFits(String),
    /// A path that CFITSIO cannot take.
    #[error("unusable path: {0}")]
    Path(&'static str),
    /// There is no HDU of that name.
    #[error("no HDU {name}; the file has {present}")]
    NoSuchHdu {
        /// The name, or the 0-based number, that was asked for.
        name: String,
        /// The names of the HDUs that are there.
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
    /// The header of an HDU cannot be read.
    #[error("header of {hdu}: {source}")]
    Header {
        /// The HDU.
        hdu: String,
        /// Which card, and why.
        source: Box<HeaderError>,
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
    /// CFITSIO reports an error.
    #[error("cannot {operation}{}: {text} (CFITSIO status {status}){}", in_hdu(hdu), detail(message))]
    Cfitsio {
        /// What was being done, e.g. `read pixels`.
        operation: &'static str,
        /// The HDU, e.g. `HDU 1 (IMAGE)`; empty where none was reached.
        hdu: Box<str>,
        /// CFITSIO's status.
        status: i32,
        /// CFITSIO's text for the status.
        text: Box<str>,
        /// The first line of CFITSIO's error stack; empty where there is none, or where other files were
        /// open, for CFITSIO keeps one stack for all.
        message: Box<str>,
    },
}

fn in_hdu(hdu: &str) -> String {
    if hdu.is_empty() { String::new() } else { format!(" of {hdu}") }
}

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
