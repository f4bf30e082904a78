//! Parts of the output: tiles, and what a block of an exposure reaches.

use std::ops::{Range, RangeInclusive};

/// Side of a tile \[output px\]. The sums do not depend on it.
pub(crate) const TILE: usize = 64;

/// A part of the output.
#[derive(Debug)]
pub(crate) struct ReachedRegion<'a> {
    pub(crate) first_row: usize,
    /// The columns of each row.
    pub(crate) columns: &'a [Range<usize>],
    pub(crate) planes: RangeInclusive<usize>,
}
