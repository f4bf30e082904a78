//! What exposures reach of a cube, by tiles of its planes: sums that are kept in a file need not be
//! read, nor written anew, where nothing is added to them.

use std::ops::Range;

use crate::DrizzlePlan;
use crate::addition::WavelengthShares;
use crate::droplets::Droplets;
use crate::region::TILE;
use crate::source::FiledDroplets;

/// Some of the tiles of each plane: squares of 64 pixels, smaller at the upper edges, numbered row
/// by row of tiles. Of those that an exposure reaches at least these are named of which a voxel
/// changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachedTiles {
    /// Rows and columns of a plane.
    shape: [usize; 2],
    /// `[z][tile]`
    planes: Vec<Vec<bool>>,
}

impl ReachedTiles {
    /// None.
    pub(crate) fn new(plan: &DrizzlePlan) -> Self {
        let [nz, ny, nx] = plan.cube_shape();
        let tiles = ny.div_ceil(TILE) * nx.div_ceil(TILE);
        Self { shape: [ny, nx], planes: vec![vec![false; tiles]; nz] }
    }

    /// Rows and columns of a tile that is not cut off by an edge.
    pub fn tile_shape(&self) -> [usize; 2] {
        self.shape.map(|length| length.min(TILE))
    }

    /// Whether any tile of a plane is one of them.
    pub fn any(&self, z: usize) -> bool {
        self.planes[z].contains(&true)
    }

    /// Whether a tile of a plane is one of them.
    pub fn contains(&self, z: usize, tile: usize) -> bool {
        self.planes[z][tile]
    }

    /// Tiles of a plane.
    pub fn per_plane(&self) -> usize {
        self.planes[0].len()
    }

    /// The tiles of a plane in their order, in runs of those that are among them, and of others.
    pub fn runs(&self, z: usize) -> impl Iterator<Item = (Range<usize>, bool)> {
        let mut first = 0;
        self.planes[z].chunk_by(|a, b| a == b).map(move |run| {
            let start = first;
            first += run.len();
            (start..first, run[0])
        })
    }

    /// Those of a plane.
    pub fn tiles(&self, z: usize) -> impl Iterator<Item = usize> {
        self.planes[z].iter().enumerate().filter(|(_, reached)| **reached).map(|(tile, _)| tile)
    }

    /// Rows and columns of a tile.
    pub fn window(&self, tile: usize) -> [Range<usize>; 2] {
        let [ny, nx] = self.shape;
        let part = |first: usize, length: usize| first * TILE..length.min((first + 1) * TILE);
        let columns = nx.div_ceil(TILE);
        [part(tile / columns, ny), part(tile % columns, nx)]
    }

    /// The pixels of those of a plane, row by row of the plane, in runs: ranges of pixels of the
    /// plane, `[y][x]`.
    pub fn pixels(&self, z: usize) -> impl Iterator<Item = Range<usize>> {
        let [ny, nx] = self.shape;
        let rows_of_tiles = self.planes[z].chunks_exact(nx.div_ceil(TILE)).enumerate();
        rows_of_tiles.flat_map(move |(row, tiles)| {
            let mut runs = Vec::new();
            let mut first = 0;
            for run in tiles.chunk_by(|a, b| a == b) {
                let columns = first * TILE..nx.min((first + run.len()) * TILE);
                first += run.len();
                runs.extend(run[0].then_some(columns));
            }
            (row * TILE..ny.min((row + 1) * TILE)).flat_map(move |y| {
                runs.clone().into_iter().map(move |columns| y * nx + columns.start..y * nx + columns.end)
            })
        })
    }

    /// The share of the tiles of all planes.
    pub fn share(&self) -> f64 {
        let reached = self.planes.iter().flatten().filter(|reached| **reached).count();
        reached as f64 / self.planes.iter().map(Vec::len).sum::<usize>() as f64
    }

    /// Joins others to these, and gives those that were not among them.
    pub(crate) fn join(&mut self, mut others: Self) -> Self {
        let tiles = self.planes.iter_mut().flatten();
        for (here, other) in tiles.zip(others.planes.iter_mut().flatten()) {
            *other &= !*here;
            *here |= *other;
        }
        others
    }

    /// Adds those that the filed droplets of an exposure reach.
    pub(crate) fn add(&mut self, plan: &DrizzlePlan, exposure: &Droplets<'_>) {
        for (tile, filed) in exposure.tiles.iter().enumerate().filter(|(_, filed)| !filed.droplets.is_empty())
        {
            self.add_filed(plan, tile, filed);
        }
    }

    /// Adds a tile in those planes in which droplets that are filed under it have a share.
    fn add_filed(&mut self, plan: &DrizzlePlan, tile: usize, filed: &FiledDroplets) {
        if plan.wavelengths.bins() == 1 {
            self.planes[0][tile] = true;
            return;
        }
        let (edges, half) = (plan.wavelengths.edges(), 0.5 * plan.options.effective_z_shrink());
        let mut bins = WavelengthShares::default();
        for band in &filed.bands {
            bins.find(*band, edges, half);
            bins.shares.iter().for_each(|(z, _)| self.planes[*z][tile] = true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_and_pixels_are_the_same() {
        let shape = [130, 200];
        let mut tiles = ReachedTiles { shape, planes: vec![vec![false; 12]; 2] };
        for tile in [1, 2, 7, 8, 11] {
            tiles.planes[1][tile] = true;
        }
        assert_eq!(tiles.tiles(1).collect::<Vec<_>>(), [1, 2, 7, 8, 11]);
        assert_eq!(tiles.window(7), [64..128, 192..200]);
        let mut image = vec![0; 130 * 200];
        for tile in tiles.tiles(1) {
            let [rows, columns] = tiles.window(tile);
            rows.for_each(|y| image[y * 200..][columns.clone()].fill(1));
        }
        let mut last = 0;
        for run in tiles.pixels(1) {
            assert!(run.start >= last && image[run.clone()].iter().all(|pixel| *pixel == 1));
            last = run.end;
            image[run].fill(2);
        }
        assert!(!image.contains(&1) && image.contains(&2));
        assert_eq!(tiles.pixels(0).count(), 0);
        let runs: Vec<_> = tiles.runs(1).collect();
        assert_eq!(
            runs,
            [(0..1, false), (1..3, true), (3..7, false), (7..9, true), (9..11, false), (11..12, true)]
        );
    }

    #[test]
    fn what_joins_is_told_once() {
        let of = |tiles: [bool; 3]| ReachedTiles { shape: [64, 192], planes: vec![tiles.to_vec()] };
        let mut here = of([true, false, false]);
        assert_eq!(here.join(of([true, true, false])), of([false, true, false]));
        assert_eq!(here, of([true, true, false]));
        assert!((here.share() - 2.0 / 3.0).abs() < 1e-15);
    }
}
