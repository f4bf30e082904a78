//! Droplets on their way to a tile: as pixels of an exposure, or filed.

use std::ops::Range;

use spx_core::map::Passband;

use crate::droplet::{Droplet, Quad};
use crate::exposure::{Exposure, Weight, inverse};

/// Droplets on their way to a tile, in the order in which they are added.
pub(crate) trait DropletSource {
    /// The droplets, with their positions from the tile's first pixel, and their weights.
    fn droplets(&self, ivar_max: f64) -> impl Iterator<Item = (Droplet, f64)>;
    /// Their passbands, where there are several bins or optional sums.
    fn bands(&self) -> &[Passband];
    /// The corners of the k-th, where the kernel asks for them.
    fn quad(&self, k: usize) -> Quad;
    /// Appends the further values of the k-th: named variances, then the point source, where these
    /// are asked for.
    fn values(&self, k: usize, out: &mut Vec<f64>);
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
    /// Makes room for so many pixels. Of what an exposure does not bring they have what allows them
    /// to take part.
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

/// Pixels of a piece that follow each other and reach the same tile.
pub(crate) struct PixelRun<'a> {
    pub(crate) piece: &'a RowPiece,
    pub(crate) exposure: &'a Exposure<'a>,
    /// Where the piece begins in the arrays of the exposure.
    pub(crate) first: usize,
    pub(crate) pixels: Range<usize>,
    /// The tile's first pixel.
    pub(crate) origin: [f64; 2],
    /// What belongs to the droplets.
    pub(crate) corners: bool,
    pub(crate) with_bands: bool,
}

impl DropletSource for PixelRun<'_> {
    #[inline(always)]
    fn droplets(&self, _: f64) -> impl Iterator<Item = (Droplet, f64)> {
        let ([left, bottom], pixels) = (self.origin, self.pixels.clone());
        let flags = &self.piece.flags[pixels.clone()];
        let values =
            self.piece.flux[pixels.clone()].iter().zip(&self.piece.variance[pixels.clone()]).zip(flags);
        let values = values.zip(&self.piece.positions[pixels.clone()]).zip(&self.piece.weight[pixels]);
        values.map(move |((((flux, variance), flags), [x, y]), weight)| {
            let (x, y) = (x - left, y - bottom);
            (Droplet { x, y, flux: *flux, variance: *variance, flags: *flags }, *weight)
        })
    }

    #[inline(always)]
    fn bands(&self) -> &[Passband] {
        &self.piece.bands[self.pixels.clone()]
    }

    #[inline(always)]
    fn quad(&self, k: usize) -> Quad {
        let ([a, b, c, d], k) = (&self.piece.corners, self.pixels.start + k);
        [from(a[k], self.origin), from(b[k], self.origin), from(c[k], self.origin), from(d[k], self.origin)]
    }

    #[inline(always)]
    fn values(&self, k: usize, out: &mut Vec<f64>) {
        out.extend(self.exposure.values_of(self.first + self.pixels.start + k));
    }
}

/// A position as seen from the origin of a tile.
#[inline(always)]
fn from([x, y]: [f64; 2], [left, bottom]: [f64; 2]) -> [f64; 2] {
    [x - left, y - bottom]
}

/// Droplets in the order in which they came, and what only some drizzles need of them.
#[derive(Debug, Default)]
pub(crate) struct FiledDroplets {
    pub(crate) droplets: Vec<Droplet>,
    /// Their passbands, where there is more than one bin or an optional sum.
    pub(crate) bands: Vec<Passband>,
    /// Their corners, where the kernel asks for them.
    pub(crate) quads: Vec<Quad>,
    /// Their weights, where these are not 1/variance.
    pub(crate) weights: Vec<f64>,
    /// For each droplet its further values.
    pub(crate) values: Vec<f64>,
}

impl FiledDroplets {
    /// Files the droplets of a run of pixels, behind those that are there.
    #[inline(always)]
    pub(crate) fn file(&mut self, run: &PixelRun<'_>) {
        let all = 0..run.pixels.len();
        self.droplets.extend(run.droplets(0.0).map(|(droplet, _)| droplet));
        if run.with_bands {
            self.bands.extend_from_slice(run.bands());
        }
        if run.corners {
            self.quads.extend(all.clone().map(|k| run.quad(k)));
        }
        if run.exposure.extra.weight != Weight::InverseVariance {
            self.weights.extend_from_slice(&run.piece.weight[run.pixels.clone()]);
        }
        for k in all {
            run.values(k, &mut self.values);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.droplets.clear();
        self.bands.clear();
        self.quads.clear();
        self.weights.clear();
        self.values.clear();
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
    fn values(&self, k: usize, out: &mut Vec<f64>) {
        let each = self.values.len() / self.droplets.len();
        out.extend_from_slice(&self.values[k * each..(k + 1) * each]);
    }
}
