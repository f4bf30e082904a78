//! The droplets of one exposure.

use std::sync::Arc;

use crate::DrizzleError;
use crate::addition::Cursor;
use crate::background::SkyCorrection;
use crate::interruption::Interruption;
use crate::reject::MedianCube;
use crate::source::{FiledDroplets, RowPiece};
use crate::tile::SumTile;

/// The droplets of one exposure, filed under the tiles of the output grid.
///
/// A droplet that reaches into several tiles stands in each. Within a tile the droplets keep the
/// order of the input pixels (block by block, row by row), which fixes the order of every sum. In a
/// drizzle on one thread they are added to the sums as they are collected, and none is filed.
/// Reused from exposure to exposure, it keeps its memory.
#[derive(Debug, Default)]
pub struct Droplets<'a> {
    pub(crate) tiles: Vec<FiledDroplets>,
    /// Where they are added to while they are collected.
    pub(crate) sums: Option<LentSums>,
    /// Whether an exposure was collected.
    pub(crate) collected: bool,
    /// Whether it has a droplet.
    pub(crate) any: bool,
    /// Side of an output pixel over that of an input pixel of this exposure.
    pub(crate) pixel_scale_ratio: f64,
    /// The exposure's weight, where it is the same for all its pixels.
    pub(crate) constant_weight: Option<f64>,
    /// The exposure's effective exposure time for a share of 1 \[s\].
    pub(crate) time: f64,
    pub(crate) piece: RowPiece,
    /// What its pixels are judged by, where outliers are rejected.
    pub(crate) median: Option<Arc<MedianCube>>,
    /// What is subtracted from its pixels, where backgrounds are matched.
    pub(crate) background: Option<SkyCorrection>,
    /// How many of its pixels were judged, and how many of those rejected.
    pub(crate) judged: [u64; 2],
    /// Who may ask to stop.
    pub(crate) interruption: Interruption<'a>,
}

/// Sums that an exposure is added to while it is collected.
#[derive(Debug)]
pub(crate) struct LentSums {
    pub(crate) tiles: Vec<SumTile>,
    pub(crate) cursor: Cursor,
    /// Its number, should it have a droplet.
    pub(crate) number: u32,
    /// Why it could not be added to the end.
    pub(crate) failure: Option<DrizzleError>,
}

impl Droplets<'_> {
    /// True where no pixel takes part.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// Forgets the droplets and keeps the memory. What has been added to sums stays there.
    pub fn clear(&mut self) {
        self.tiles.iter_mut().for_each(FiledDroplets::clear);
        (self.constant_weight, self.judged) = (None, [0; 2]);
        if self.sums.is_none() {
            (self.collected, self.any) = (false, false);
        }
    }
}
