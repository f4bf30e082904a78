//! Droplets: the pixels of an exposure that take part, on their way to the cube.

use std::ops::{Range, RangeInclusive};

use spx_core::map::{Passband, Spans};

use crate::kernel::{NO_QUAD, Quad, SpatialKernel, floor};
use crate::{DrizzleError, Exposure, Planes, WavelengthGrid, Weight};

/// Side of a tile \[output px\]. The sums do not depend on it. The two or three planes of a tile that an exposure
/// reaches should fit a processor's own cache: 64 x 64 voxels of 40 bytes are 160 KiB.
pub(crate) const TILE: usize = 64;

/// An input pixel projected onto the output grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Droplet {
    /// Output position \[px\].
    pub(crate) x: f64,
    /// Output position \[px\].
    pub(crate) y: f64,
    /// Central wavelength \[um\].
    pub(crate) wavelength: f64,
    /// Bandwidth \[um\].
    pub(crate) bandwidth: f64,
    /// Surface brightness, foreground subtracted [MJy/sr].
    pub(crate) flux: f64,
    /// Variance [(MJy/sr)^2].
    pub(crate) variance: f32,
    /// Quality bits.
    pub(crate) flags: u32,
}

/// The droplets of one exposure, sorted into the tiles of the output grid.
///
/// A droplet that reaches into several tiles stands in each. Within a tile the droplets keep the order of the
/// input pixels (row by row), which fixes the order of every sum. Reused from exposure to exposure, it
/// keeps its memory.
#[derive(Debug, Default)]
pub struct Droplets {
    pub(crate) tiles: Vec<Filed>,
    /// Side of an output pixel over that of an input pixel of this exposure.
    pub(crate) pixel_scale_ratio: f64,
    positions: Vec<[f64; 2]>,
    corners: [Vec<[f64; 2]>; 4],
    passbands: Vec<Passband>,
}

/// The droplets of a tile, and what only some drizzles need of them.
#[derive(Debug, Default)]
pub(crate) struct Filed {
    pub(crate) droplets: Vec<Droplet>,
    /// Their corners, where the kernel asks for them.
    pub(crate) quads: Vec<Quad>,
    /// Where there are optional sums or weights other than 1/variance: for each droplet its weight, and then the
    /// values of the named variances.
    pub(crate) values: Vec<f64>,
    /// The exposure's weight, where it is the same for all its pixels.
    pub(crate) constant_weight: Option<f64>,
}

impl Droplets {
    /// True where no pixel takes part.
    pub fn is_empty(&self) -> bool {
        self.tiles.iter().all(|tile| tile.droplets.is_empty())
    }

    /// Forgets the droplets and keeps the memory.
    pub fn clear(&mut self) {
        for tile in &mut self.tiles {
            tile.droplets.clear();
            tile.quads.clear();
            tile.values.clear();
            tile.constant_weight = None;
        }
    }
}

/// What the collection of droplets needs to know of the output.
pub(crate) struct Target<'a, K> {
    pub(crate) kernel: K,
    pub(crate) shape: [usize; 2],
    pub(crate) wavelengths: &'a WavelengthGrid,
    pub(crate) half_z_shrink: f64,
    /// Half the side of a droplet \[input px\].
    pub(crate) half_xy_shrink: f64,
    pub(crate) ivar_max: f64,
    pub(crate) planes: &'a Planes,
}

impl<K: SpatialKernel> Target<'_, K> {
    /// Collects the droplets of the pixels named by `spans`.
    pub(crate) fn collect(
        &self,
        exposure: &Exposure<'_>,
        spans: &Spans,
        out: &mut Droplets,
    ) -> Result<(), DrizzleError> {
        exposure.check(self.planes.variances.len())?;
        let needed = spans.rows();
        if !needed.is_empty() && (needed.start < exposure.rows.start || needed.end > exposure.rows.end) {
            return Err(DrizzleError::MissingRows { held: exposure.rows.clone(), needed });
        }
        if let Weight::Constant(weight) = exposure.extra.weight {
            out.tiles.iter_mut().for_each(|tile| tile.constant_weight = Some(weight));
        }
        for y in needed {
            self.collect_row(exposure, y, spans.0[y].clone(), out);
        }
        Ok(())
    }

    fn collect_row(&self, exposure: &Exposure<'_>, y: usize, columns: Range<usize>, out: &mut Droplets) {
        let Droplets { tiles, positions, corners, passbands, .. } = out;
        positions.resize(columns.len(), [f64::NAN; 2]);
        passbands.resize(columns.len(), Passband { centre: f64::NAN, width: f64::NAN });
        self.project(exposure, y, columns.start, positions, corners);
        exposure.wavelength_map.passband_row(columns.start as f64, y as f64, passbands);
        let first = (y - exposure.rows.start) * exposure.shape[1];
        let pixels = first + columns.start..first + columns.end;
        let flux = &exposure.flux[pixels.clone()];
        let variance = &exposure.variance[pixels.clone()];
        let flags = &exposure.flags[pixels.clone()];
        let foreground = exposure.foreground.map(|f| (&f.model[pixels.clone()], f.scale));
        let with_values = self.planes.any() || exposure.extra.weight != Weight::InverseVariance;
        for k in 0..columns.len() {
            let [x, y] = positions[k];
            let quad = if K::CORNERS { corners.each_ref().map(|c| c[k]) } else { NO_QUAD };
            let reach = self.kernel.reach_of([x, y], &quad);
            let flags = flags[k].cast_unsigned();
            if flags & exposure.excluded != 0 || !self.reaches(x, y, reach) || !self.sees(passbands[k]) {
                continue;
            }
            let background = foreground.map_or(0.0, |(model, scale)| scale * f64::from(model[k]));
            let flux = exposure.scaled(f64::from(flux[k]) - background);
            let variance = exposure.scaled_variance(variance[k]);
            if !(flux.is_finite() && variance.is_finite() && variance > 0.0) {
                continue;
            }
            let Passband { centre: wavelength, width: bandwidth } = passbands[k];
            let droplet = Droplet { x, y, wavelength, bandwidth, flux, variance, flags };
            if with_values {
                let weight = exposure.weight_of(pixels.start + k, variance, self.ivar_max);
                if weight.is_finite() && weight > 0.0 {
                    let variances = exposure.variances_of(pixels.start + k);
                    self.sort_in(tiles, droplet, &quad, reach, std::iter::once(weight).chain(variances));
                }
            } else {
                self.sort_in(tiles, droplet, &quad, reach, std::iter::empty());
            }
        }
    }

    /// Output positions of the pixels of a row; where the kernel asks for corners, these too, and the position is
    /// their mean.
    fn project(
        &self,
        exposure: &Exposure<'_>,
        y: usize,
        first: usize,
        positions: &mut [[f64; 2]],
        corners: &mut [Vec<[f64; 2]>; 4],
    ) {
        let (x, y) = (first as f64, y as f64);
        if !K::CORNERS {
            return exposure.pixel_map.map_row(x, y, positions);
        }
        let half = self.half_xy_shrink;
        for (corner, [dx, dy]) in
            corners.iter_mut().zip([[-half, -half], [half, -half], [half, half], [-half, half]])
        {
            corner.resize(positions.len(), [f64::NAN; 2]);
            exposure.pixel_map.map_row(x + dx, y + dy, corner);
        }
        for (k, position) in positions.iter_mut().enumerate() {
            *position = [0, 1].map(|axis| 0.25 * corners.iter().map(|c| c[k][axis]).sum::<f64>());
        }
    }

    /// False for NaN.
    fn reaches(&self, x: f64, y: f64, reach: f64) -> bool {
        let [ny, nx] = self.shape;
        let inside = |v: f64, n: usize| v > -reach && v < n as f64 - 1.0 + reach;
        inside(x, nx) && inside(y, ny)
    }

    /// Whether the spectral droplet touches the grid; false for a passband that is not finite or positive.
    fn sees(&self, band: Passband) -> bool {
        let half = band.width * self.half_z_shrink;
        band.centre > 0.0
            && band.width > 0.0
            && band.width.is_finite()
            && band.centre + half > self.wavelengths.lower()
            && band.centre - half < self.wavelengths.upper()
    }

    /// Files a droplet under every tile that its shares may reach.
    #[inline]
    fn sort_in(
        &self,
        tiles: &mut [Filed],
        droplet: Droplet,
        quad: &Quad,
        reach: f64,
        values: impl Iterator<Item = f64> + Clone,
    ) {
        let [ny, nx] = self.shape;
        let (rows, columns) = (tiles_reached(droplet.y, ny, reach), tiles_reached(droplet.x, nx, reach));
        for row in rows {
            for column in columns.clone() {
                let tile = &mut tiles[row * nx.div_ceil(TILE) + column];
                tile.droplets.push(droplet);
                if K::CORNERS {
                    tile.quads.push(*quad);
                }
                tile.values.extend(values.clone());
            }
        }
    }
}

/// The tiles, along one axis of `n` pixels, with a pixel nearer than `reach`; [`Target::reaches`] has seen to it that
/// there is one.
fn tiles_reached(position: f64, n: usize, reach: f64) -> RangeInclusive<usize> {
    let first = usize::try_from(floor(position - reach) + 1).unwrap_or(0);
    let last = usize::try_from(-floor(-(position + reach)) - 1).unwrap_or(0).min(n - 1);
    first / TILE..=last / TILE
}
