//! FITS files (FITS Standard 4.0; Pence et al. 2010, A&A 524, A42), read and written in safe Rust.
//!
//! [`FitsReader`] reads headers, images, tile-compressed images and binary tables of files that
//! anybody may have made: it trusts no length, allocates no more than the file's own bytes can
//! stand for, and names HDU and card where something is wrong. [`FitsWriter`] writes what spx
//! makes. Both can be sent to another thread; one file can be opened several times.
//!
//! Conventions: HDUs, rows and pixels are counted from 0 (HDU 0 is the primary), shapes are given
//! with the slowest axis first, so that `[ny, nx]` belongs to NAXIS1 = nx, NAXIS2 = ny. NaN is kept
//! as NaN; integers marked as undefined by BLANK or TNULL become NaN where real numbers are asked
//! for, and else come back as they stand.
//!
//! This layer knows no SPHEREx; [`mef`](crate::mef) does.

mod cards;
mod checksum;
mod dither;
mod error;
mod hdu;
mod header_form;
mod image;
mod mapped;
mod number;
mod packing;
mod reader;
mod rice;
mod source;
mod table;
mod tile_writer;
mod tiles;
mod writer;

#[cfg(test)]
mod tests;

pub use error::FitsError;
pub use mapped::MappedImage;
pub use number::FitsNumber;
pub use packing::packed_tile;
pub use reader::{FitsReader, verify_file};
pub use table::FitsColumn;
pub use writer::{ColumnSpec, FitsWriter};
