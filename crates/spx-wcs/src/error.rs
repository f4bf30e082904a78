//! What can be wrong with world coordinates, naming the card or the size at fault.

use std::fmt::Display;

use spx_core::header::HeaderError;
use spx_core::sky::SkyError;
use thiserror::Error;

/// Why a WCS, a grid or a wavelength table cannot be made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum WcsError {
    /// A card is missing, mistyped, not finite, or has a value that makes no sense.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The matrix from pixels to the tangent plane has no inverse.
    #[error("the matrix of cards {cards} is singular")]
    Singular {
        /// The cards that it was read from, e.g. `PCi_j, CDELTi`.
        cards: &'static str,
    },
    /// A position that is none.
    #[error(transparent)]
    Sky(#[from] SkyError),
    /// A pixel scale that is not a positive number.
    #[error("pixel scale {0} arcsec must be a positive number")]
    Scale(f64),
    /// A rotation that is not a number.
    #[error("rotation {0} deg must be a number")]
    Rotation(f64),
    /// A grid that reaches as far as 90 degrees from its center.
    #[error("the grid reaches 90 degrees or more from its center")]
    GridTooWide,
    /// A side of the region is smaller than one output pixel.
    #[error("{side} {arcmin} arcmin holds no pixel of {scale} arcsec")]
    EmptyGrid {
        /// `width` or `height`.
        side: &'static str,
        /// That side \[arcmin\].
        arcmin: f64,
        /// The pixel scale \[arcsec\].
        scale: f64,
    },
    /// A side of the grid has more pixels than any machine can hold.
    #[error("{side} of {pixels:e} pixels is too large for an image")]
    GridTooLarge {
        /// `width` or `height`.
        side: &'static str,
        /// That side \[px\].
        pixels: f64,
    },
    /// A cell that HEALPix does not have, or pixels that are none of it.
    #[error("HEALPix has no cell {index} of order {order} with pixels of order {pixel_order}, 24 at most")]
    Cell {
        /// The order of the cell.
        order: u8,
        /// Its number.
        index: u64,
        /// The order of its pixels.
        pixel_order: u8,
    },
    /// A wavelength table that is not one.
    #[error("wavelength table, {column}: {problem}")]
    Table {
        /// The column at fault: `X`, `Y` or `VALUES`.
        column: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// A card whose value makes no sense.
pub(crate) fn invalid(keyword: &str, value: impl Display, problem: &str) -> WcsError {
    HeaderError::Invalid {
        keyword: keyword.to_owned(),
        value: value.to_string(),
        problem: problem.to_owned(),
    }
    .into()
}
