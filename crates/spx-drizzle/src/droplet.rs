//! Droplets: the pixels of an exposure that take part, on their way to the cube.

use spx_core::map::Passband;

use crate::DrizzleError;
use crate::kernel::{NO_QUAD, Quad, SpatialKernel};
use crate::tile::{Cursor, Shares, Tile};

/// An input pixel projected onto the output grid.
#[derive(Debug, Clone, Copy, PartialEq)]
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
/// (row by row), which fixes the order of every sum. Within a drizzle on one thread they are added to the sums strip by
/// strip while the exposure is collected, so that they never leave the cache. Reused from exposure to exposure, it keeps
/// its memory.
#[derive(Debug, Default)]
pub struct Droplets {
    pub(crate) tiles: Vec<Filed>,
    /// Where they are added to while they are collected.
    pub(crate) sums: Option<Sums>,
    /// Whether an exposure was collected.
    pub(crate) collected: bool,
    /// Whether it has a droplet.
    pub(crate) any: bool,
    /// Side of an output pixel over that of an input pixel of this exposure.
    pub(crate) pixel_scale_ratio: f64,
    /// The exposure's weight, where it is the same for all its pixels.
    pub(crate) constant_weight: Option<f64>,
    pub(crate) piece: Piece,
}

/// Sums that an exposure is added to while it is collected.
#[derive(Debug)]
pub(crate) struct Sums {
    pub(crate) tiles: Vec<Tile>,
    pub(crate) cursor: Cursor,
    /// Its number, should it have a droplet.
    pub(crate) number: u32,
    /// Why it could not be added to the end.
    pub(crate) failure: Option<DrizzleError>,
}

impl Sums {
    /// Adds filed droplets and forgets them.
    pub(crate) fn add<K: SpatialKernel>(
        &mut self,
        filed: &mut [Filed],
        shares: &Shares<'_, K>,
    ) -> Result<(), DrizzleError> {
        for (tile, filed) in self.tiles.iter_mut().zip(filed).filter(|(_, filed)| !filed.droplets.is_empty())
        {
            let added = tile.add(filed.run(), shares, &mut self.cursor);
            added.inspect_err(|error| self.failure = Some(error.clone()))?;
            filed.clear();
        }
        Ok(())
    }
}

/// Memory for a piece of an input row.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) positions: Vec<[f64; 2]>,
    pub(crate) corners: [Vec<[f64; 2]>; 4],
    pub(crate) bands: Vec<Passband>,
    /// How far the shares of each droplet reach.
    pub(crate) reach: Vec<f64>,
    /// Fluxes, foreground subtracted.
    pub(crate) flux: Vec<f64>,
    pub(crate) variance: Vec<f32>,
    /// Weights, where they are given.
    pub(crate) weight: Vec<f64>,
    /// Whether a pixel takes part.
    pub(crate) usable: Vec<bool>,
}

impl Piece {
    /// Makes room for so many pixels, whose shares all reach so far, with weights or without.
    pub(crate) fn resize(&mut self, pixels: usize, reach: f64, with_weights: bool) {
        self.usable.resize(pixels, false);
        self.reach.clear();
        self.reach.resize(pixels, reach);
        self.flux.resize(pixels, 0.0);
        self.variance.resize(pixels, 0.0);
        self.weight.resize(if with_weights { pixels } else { 0 }, 0.0);
    }
}

impl Droplets {
    /// True where no pixel takes part.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// Forgets the droplets and keeps the memory. What has been added to sums stays there.
    pub fn clear(&mut self) {
        self.tiles.iter_mut().for_each(Filed::clear);
        self.constant_weight = None;
        if self.sums.is_none() {
            (self.collected, self.any) = (false, false);
        }
    }
}

/// Droplets in the order of the input pixels, and what only some drizzles need of them.
#[derive(Debug, Default)]
pub(crate) struct Filed {
    pub(crate) droplets: Vec<Droplet>,
    /// Their passbands, where there is more than one bin or an optional sum.
    pub(crate) bands: Vec<Passband>,
    /// Their corners, where the kernel asks for them.
    pub(crate) quads: Vec<Quad>,
    /// Where there are optional sums or weights other than 1/variance: for each droplet its weight, and then the
    /// values of the named variances.
    pub(crate) values: Vec<f64>,
}

impl Filed {
    pub(crate) fn clear(&mut self) {
        self.droplets.clear();
        self.bands.clear();
        self.quads.clear();
        self.values.clear();
    }

    pub(crate) fn run(&self) -> Run<'_> {
        Run { droplets: &self.droplets, bands: &self.bands, quads: &self.quads, values: &self.values }
    }
}

/// Some of them.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) droplets: &'a [Droplet],
    pub(crate) bands: &'a [Passband],
    pub(crate) quads: &'a [Quad],
    pub(crate) values: &'a [f64],
}

impl<'a> Run<'a> {
    /// The corners of a droplet.
    #[inline]
    pub(crate) fn quad(self, k: usize) -> &'a Quad {
        self.quads.get(k).unwrap_or(&NO_QUAD)
    }
}
