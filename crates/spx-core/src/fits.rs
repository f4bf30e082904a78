//! FITS files through CFITSIO: a small safe layer over `fitsio-sys`.
//!
//! [`FitsReader`] and [`FitsWriter`] hold one file each. They can be sent to another thread but not
//! shared: CFITSIO keeps one position in the file per handle. Several files, or one file opened several
//! times for reading, can be in use in as many threads.
//!
//! `fitsio-sys` is used directly and not through the crate `fitsio` because that one allocates for each
//! read, parses CFITSIO's extended file-name syntax out of paths (a file `a[1].fits` cannot be opened), and
//! offers neither checksums nor a header as a whole.
//!
//! Conventions: HDUs, rows and pixels are counted from 0 (HDU 0 is the primary), shapes are given with the
//! slowest axis first, so that `[ny, nx]` belongs to NAXIS1 = nx, NAXIS2 = ny. NaN is kept as NaN; integers
//! marked as undefined by BLANK or TNULL come back as they stand in the file.
//!
//! This layer knows no SPHEREx; [`mef`](crate::mef) does.

mod cards;
mod error;
mod ffi;
mod mapped;
mod pixel;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use error::FitsError;
pub use mapped::MappedImage;
pub use pixel::FitsNumber;
pub use reader::{FitsColumn, FitsReader};
pub use writer::{ColumnSpec, FitsWriter};
