//! The two ways of droplets from their exposure into the sums.

use crate::DrizzleError;
use crate::addition::AdditionContext;
use crate::collect::Sink;
use crate::droplets::LentSums;
use crate::kernel::SpatialKernel;
use crate::region::{ReachedRegion, TILE};
use crate::source::{FiledDroplets, PixelRun};
use crate::voxel::Voxels;

/// What of the sums may be expected to stay in a processor's own cache \[bytes\].
const CACHE: usize = 3 << 19;

/// Adds droplets to sums as they come.
pub(crate) struct Adding<'a, 'b, K> {
    pub(crate) sums: &'a mut LentSums,
    pub(crate) shares: AdditionContext<'b, K>,
    /// Tiles in a row of the output.
    pub(crate) columns: usize,
}

impl<K: SpatialKernel> Sink for Adding<'_, '_, K> {
    fn prepare(&mut self, region: &ReachedRegion<'_>) {
        let ReachedRegion { first_row, columns, planes } = region;
        let voxels =
            columns.iter().map(ExactSizeIterator::len).sum::<usize>() * (planes.end() + 1 - planes.start());
        // More would not stay in the cache.
        if voxels * Voxels::bytes(self.shares.planes.only_mean) > CACHE {
            return;
        }
        let used = || columns.iter().filter(|columns| !columns.is_empty());
        let first = used().map(|columns| columns.start).min().unwrap_or(0);
        let end = used().map(|columns| columns.end).max().unwrap_or(0);
        for row in first_row / TILE..(first_row + columns.len()).div_ceil(TILE) {
            for column in first / TILE..end.div_ceil(TILE) {
                if let Some(tile) = self.sums.tiles.get(row * self.columns + column) {
                    tile.fetch(region);
                }
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, part: &PixelRun<'_>, tile: usize) -> Result<(), DrizzleError> {
        let LentSums { tiles, cursor, failure, .. } = &mut *self.sums;
        if let Err(error) = tiles[tile].add(part, &self.shares, cursor) {
            *failure = Some(error.clone());
            return Err(error);
        }
        Ok(())
    }
}

/// Files droplets under the tiles that they reach.
pub(crate) struct Filing<'a> {
    pub(crate) tiles: &'a mut [FiledDroplets],
}

impl Sink for Filing<'_> {
    fn prepare(&mut self, _: &ReachedRegion<'_>) {}

    #[inline(always)]
    fn take(&mut self, part: &PixelRun<'_>, tile: usize) -> Result<(), DrizzleError> {
        self.tiles[tile].file(part);
        Ok(())
    }
}
