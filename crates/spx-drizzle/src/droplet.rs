//! Droplets: the pixels of an exposure that take part, on their way to the cube.

use std::ops::Range;

use spx_core::map::Passband;

use crate::DrizzleError;
use crate::addition::{Cursor, DropletSource};
use crate::exposure::inverse;
use crate::kernel::Quad;
use crate::tile::SumTile;

/// An input pixel projected onto the output grid.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Droplet {
    /// Output position from the first pixel of its tile \[px\].
    pub(crate) x: f64,
    /// Output position from the first pixel of its tile \[px\].
    pub(crate) y: f64,
    /// Surface brightness, foreground subtracted [MJy/sr].
    pub(crate) flux: f64,
    /// Variance [(MJy/sr)^2].
    pub(crate) variance: f32,
    /// Quality bits.
    pub(crate) flags: u32,
}

/// The droplets of one exposure, filed under the tiles of the output grid.
///
/// A droplet that reaches into several tiles stands in each. Within a tile the droplets keep the order of the input pixels
/// (block by block, row by row), which fixes the order of every sum. In a drizzle on one thread they are added to the sums
/// as they are collected, and none is filed. Reused from exposure to exposure, it keeps its memory.
#[derive(Debug, Default)]
pub struct Droplets {
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
    pub(crate) piece: RowPiece,
}

/// LentSums that an exposure is added to while it is collected.
#[derive(Debug)]
pub(crate) struct LentSums {
    pub(crate) tiles: Vec<SumTile>,
    pub(crate) cursor: Cursor,
    /// Its number, should it have a droplet.
    pub(crate) number: u32,
    /// Why it could not be added to the end.
    pub(crate) failure: Option<DrizzleError>,
}

/// Memory for a piece of an input row.
#[derive(Debug, Default)]
pub(crate) struct RowPiece {
    pub(crate) positions: Vec<[f64; 2]>,
    pub(crate) corners: [Vec<[f64; 2]>; 4],
    pub(crate) bands: Vec<Passband>,
    /// How far the shares of each droplet reach, where that differs.
    pub(crate) reach: Vec<f64>,
    /// Fluxes, foreground subtracted.
    pub(crate) flux: Vec<f64>,
    pub(crate) variance: Vec<f32>,
    pub(crate) flags: Vec<u32>,
    /// Not 0 where variance or flags forbid a pixel to take part.
    pub(crate) refused: Vec<u32>,
    pub(crate) weight: Vec<f64>,
    /// 1 for a pixel that takes part if it reaches the output, 0 for another.
    pub(crate) usable: Vec<f64>,
    /// For the part of the output that a block reaches.
    pub(crate) region: Vec<Range<usize>>,
}

impl RowPiece {
    /// Makes room for so many pixels. Of what an exposure does not bring they have what allows them to take part.
    pub(crate) fn resize(&mut self, pixels: usize) {
        self.reach.resize(pixels, 0.0);
        self.flux.resize(pixels, 0.0);
        self.variance.resize(pixels, 1.0);
        self.flags.resize(pixels, 0);
        self.refused.resize(pixels, 0);
        self.weight.resize(pixels, 0.0);
        self.usable.resize(pixels, 0.0);
    }
}

impl Droplets {
    /// True where no pixel takes part.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// Forgets the droplets and keeps the memory. What has been added to sums stays there.
    pub fn clear(&mut self) {
        self.tiles.iter_mut().for_each(FiledDroplets::clear);
        self.constant_weight = None;
        if self.sums.is_none() {
            (self.collected, self.any) = (false, false);
        }
    }
}

/// Droplets in the order in which they came, and what only some drizzles need of them.
#[derive(Debug, Default)]
pub(crate) struct FiledDroplets {
    pub(crate) droplets: Vec<Droplet>,
    /// Their passbands, where there is more than one bin or an optional plane.
    pub(crate) bands: Vec<Passband>,
    /// Their corners, where the kernel asks for them.
    pub(crate) quads: Vec<Quad>,
    /// Their weights, where these are not 1/variance.
    pub(crate) weights: Vec<f64>,
    /// For each droplet the values of its named variances.
    pub(crate) variances: Vec<f64>,
}

impl FiledDroplets {
    pub(crate) fn clear(&mut self) {
        self.droplets.clear();
        self.bands.clear();
        self.quads.clear();
        self.weights.clear();
        self.variances.clear();
    }
}

impl DropletSource for FiledDroplets {
    #[inline(always)]
    fn droplets(&self, ivar_max: f64) -> impl Iterator<Item = (Droplet, f64)> {
        self.droplets.iter().enumerate().map(move |(k, droplet)| {
            let weight = self.weights.get(k).copied();
            (*droplet, weight.unwrap_or_else(|| inverse(droplet.variance, ivar_max)))
        })
    }

    fn bands(&self) -> &[Passband] {
        &self.bands
    }

    #[inline(always)]
    fn quad(&self, k: usize) -> Quad {
        self.quads[k]
    }

    #[inline(always)]
    fn variances(&self, k: usize, out: &mut Vec<f64>) {
        let each = self.variances.len() / self.droplets.len();
        out.extend_from_slice(&self.variances[k * each..(k + 1) * each]);
    }
}
