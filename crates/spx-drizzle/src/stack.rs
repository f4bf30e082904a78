//! Single drizzles: each exposure by itself, voxel by voxel, the medians over them, and what they
//! tell of each other's backgrounds.
//!
//! A tile keeps a voxel's number and value for every exposure that reaches it; most exposures reach
//! two or three planes of it. Each is drizzled as into sums, tile by tile, so that the values do
//! not depend on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::addition::Cursor;
use crate::background::{self, BackgroundEquations, BackgroundForm, TileOverlaps};
use crate::droplets::Droplets;
use crate::interruption::Interruption;
use crate::plan::{DrizzlePlan, with_kernel};
use crate::region::TILE;
use crate::reject::{MedianCube, RejectionOptions};
use crate::tile::SumTile;
use crate::{ComparisonOptions, DrizzleError, OutputPlanes};

/// A voxel of a tile, and its value in a single drizzle.
type StackEntry = (u32, f32);

/// The single drizzles of exposures on some tiles of the output.
#[derive(Debug)]
pub(crate) struct DrizzleStack {
    plan: DrizzlePlan,
    first: usize,
    /// One in so many rows and columns of the output is kept.
    step: usize,
    tiles: Vec<TileStack>,
}

#[derive(Debug)]
struct TileStack {
    /// The tile, without voxels.
    tile: SumTile,
    entries: Vec<StackEntry>,
    /// The exposures that reach the tile, and where the entries of each end.
    ends: Vec<(u32, usize)>,
}

/// What an output pixel takes for each exposure: this gives to about two planes, and vectors grow
/// to twice what they hold \[bytes\].
const ENTRY: usize = 2 * 2 * size_of::<StackEntry>();

/// Ranges of tiles whose stacks fit a memory, if so many exposures reach all of the output.
pub(crate) fn parts(plan: &DrizzlePlan, exposures: usize, memory: u64) -> Vec<Range<usize>> {
    let tiles = plan.tiles().count();
    let tile = plan.tiles().map(|tile| tile.rows.len() * tile.columns.len()).max().unwrap_or(1);
    let fits = memory / (exposures * tile * ENTRY).max(1) as u64;
    let step = usize::try_from(fits).unwrap_or(usize::MAX).clamp(1, tiles);
    (0..tiles).step_by(step).map(|first| first..(first + step).min(tiles)).collect()
}

impl DrizzlePlan {
    /// Upper bound of the memory that comparing so many exposures takes besides \[bytes\].
    pub fn comparison_bytes(&self, exposures: usize, options: &ComparisonOptions) -> u64 {
        // One after the other.
        let background = options.background.map_or(0, |_| background::bytes(exposures));
        options.rejection.map_or(0, |options| self.rejection_bytes(exposures, &options)).max(background)
    }

    fn rejection_bytes(&self, exposures: usize, options: &RejectionOptions) -> u64 {
        let voxels = self.cube_shape().iter().map(|&n| n as u64).product::<u64>();
        let [_, ny, nx] = self.cube_shape();
        let stack = (exposures * ny * nx * ENTRY) as u64;
        let tile = (exposures * TILE * TILE * ENTRY) as u64;
        voxels * size_of::<f32>() as u64 + stack.min(options.memory.max(tile))
    }
}

impl DrizzleStack {
    /// An empty stack for these tiles, of one in `step` rows and columns of the output.
    pub(crate) fn new(plan: &DrizzlePlan, tiles: Range<usize>, step: usize) -> Self {
        let planes = OutputPlanes { only_mean: true, ..OutputPlanes::default() };
        let of_part = plan.tiles().skip(tiles.start).take(tiles.len());
        let tiles_of_part = of_part.map(|tile| TileStack { tile, entries: Vec::new(), ends: Vec::new() });
        let plan = plan.clone().with_planes(planes);
        Self { plan, first: tiles.start, step, tiles: tiles_of_part.collect() }
    }

    /// Adds exposures, whose droplets are filed, with numbers from `number` on.
    pub(crate) fn add(&mut self, number: usize, exposures: &[Droplets<'_>]) -> Result<(), DrizzleError> {
        let (plan, first, step) = (&self.plan, self.first, self.step);
        let nz = plan.wavelengths().bins();
        self.tiles.par_iter_mut().enumerate().try_for_each_init(
            || None,
            |scratch: &mut Option<SumTile>, (k, stack)| {
                let (rows, columns) = (stack.tile.rows.clone(), stack.tile.columns.clone());
                let kept = |voxel: u32| {
                    let place = |voxel: usize| [(voxel / columns.len()) % rows.len(), voxel % columns.len()];
                    // Divisions take longer than all else, and are of no use where all is kept.
                    step == 1 || {
                        let [row, column] = place(voxel as usize);
                        (rows.start + row) % step == 0 && (columns.start + column) % step == 0
                    }
                };
                for (number, exposure) in (number..).zip(exposures) {
                    let filed = exposure.tiles.get(first + k);
                    let Some(filed) = filed.filter(|filed| !filed.droplets.is_empty()) else { continue };
                    exposure.interruption.check()?;
                    let fresh = || SumTile::new(rows.clone(), columns.clone());
                    let tile = scratch.get_or_insert_with(fresh);
                    if !tile.take_place(&rows, &columns) {
                        *tile = fresh();
                    }
                    let mut cursor = Cursor::new(nz);
                    with_kernel!(plan.options(), exposure.pixel_scale_ratio, kernel => {
                        tile.add(filed, &plan.shares(kernel, None), &mut cursor)?;
                    });
                    for (z, _) in cursor.reached.iter().enumerate().filter(|(_, reached)| **reached) {
                        tile.drain_means(z, |voxel, mean| {
                            if kept(voxel) {
                                stack.entries.push((voxel, mean));
                            }
                        });
                    }
                    stack.ends.push((u32::try_from(number).unwrap_or(u32::MAX), stack.entries.len()));
                }
                Ok(())
            },
        )
    }
}

impl DrizzleStack {
    /// Hands the medians over.
    ///
    /// # Errors
    /// [`DrizzleError::Cancelled`] once somebody asks to stop.
    pub(crate) fn finish(
        self,
        median: &mut MedianCube,
        interruption: Interruption<'_>,
    ) -> Result<(), DrizzleError> {
        let (nz, least) = (self.plan.wavelengths().bins(), median.options.min_coverage);
        let of_tile = |tile: TileStack| interruption.check().map(|()| tile.medians(nz, least));
        let medians: Vec<(SumTile, Vec<f32>)> =
            self.tiles.into_par_iter().map(of_tile).collect::<Result<_, DrizzleError>>()?;
        for (tile, medians) in medians {
            median.set(&tile.rows, &tile.columns, &medians);
        }
        Ok(())
    }

    /// What the overlaps of so many exposures tell of their backgrounds.
    pub(crate) fn background(self, exposures: usize, form: BackgroundForm) -> BackgroundEquations {
        let [nz, ny, nx] = self.plan.cube_shape();
        let overlaps = |tile: TileStack| tile.overlaps(nz, [ny, nx], form);
        let tiles = self.tiles.into_par_iter().map(overlaps).collect();
        BackgroundEquations { tiles, exposures, shape: [ny, nx] }
    }
}

impl TileStack {
    /// The median of every voxel, `[z][y][x]` within the tile; NaN where there are fewer than
    /// `least` values.
    fn medians(self, nz: usize, least: usize) -> (SumTile, Vec<f32>) {
        let starts = self.starts(nz);
        let mut values = vec![0.0; self.entries.len()];
        let mut next = starts.clone();
        for (voxel, value) in self.entries {
            let place = &mut next[voxel as usize];
            values[*place] = value;
            *place += 1;
        }
        let medians = starts.windows(2).map(|ends| {
            let values = &mut values[ends[0]..ends[1]];
            if values.len() >= least { median(values) } else { f32::NAN }
        });
        let medians = medians.collect();
        (self.tile, medians)
    }

    /// Where the entries of each voxel start when they stand voxel after voxel, and where the last
    /// end.
    fn starts(&self, nz: usize) -> Vec<usize> {
        let voxels = nz * self.tile.rows.len() * self.tile.columns.len();
        let mut ends = vec![0; voxels + 1];
        self.entries.iter().for_each(|(voxel, _)| ends[*voxel as usize + 1] += 1);
        for voxel in 0..voxels {
            ends[voxel + 1] += ends[voxel];
        }
        ends
    }

    /// The values of the voxels that at least two exposures reach.
    fn overlaps(self, nz: usize, shape: [usize; 2], form: BackgroundForm) -> TileOverlaps {
        let starts = self.starts(nz);
        let mut values = vec![(0, 0.0); self.entries.len()];
        let (mut next, mut first) = (starts.clone(), 0);
        for (exposure, end) in self.ends {
            for (voxel, value) in &self.entries[first..end] {
                let place = &mut next[*voxel as usize];
                values[*place] = (exposure, *value);
                *place += 1;
            }
            first = end;
        }
        let (rows, columns) = (&self.tile.rows, &self.tile.columns);
        let mut overlaps = TileOverlaps::default();
        for (voxel, ends) in starts.windows(2).enumerate().filter(|(_, ends)| ends[1] > ends[0] + 1) {
            let (row, column) = ((voxel / columns.len()) % rows.len(), voxel % columns.len());
            let place = BackgroundEquations::place(form, shape, [columns.start + column, rows.start + row]);
            overlaps.take(place, values[ends[0]..ends[1]].iter().copied());
        }
        overlaps
    }
}

/// The median: of an even number the mean of the two in the middle.
fn median(values: &mut [f32]) -> f32 {
    let (n, even) = (values.len(), values.len().is_multiple_of(2));
    let (below, middle, _) = values.select_nth_unstable_by(n / 2, f32::total_cmp);
    let lower = below.iter().copied().max_by(f32::total_cmp).filter(|_| even);
    lower.map_or(*middle, |lower| 0.5 * (lower + *middle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(&mut [3.0, -1.0, 7.0]), 3.0);
        assert_eq!(median(&mut [3.0, -1.0, 7.0, 4.0]), 3.5);
        assert_eq!(median(&mut [2.0]), 2.0);
    }
}
