//! Droplets: the pixels of an exposure that take part, on their way to the cube.

use std::ops::{Range, RangeInclusive};

use spx_core::map::{Passband, Spans};

use crate::kernel::{SpatialKernel, floor};
use crate::{DrizzleError, Exposure, WavelengthGrid};

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
    pub(crate) tiles: Vec<Vec<Droplet>>,
    positions: Vec<[f64; 2]>,
    passbands: Vec<Passband>,
}

impl Droplets {
    /// True where no pixel takes part.
    pub fn is_empty(&self) -> bool {
        self.tiles.iter().all(Vec::is_empty)
    }

    /// Forgets the droplets and keeps the memory.
    pub fn clear(&mut self) {
        self.tiles.iter_mut().for_each(Vec::clear);
    }
}

/// What the collection of droplets needs to know of the output.
pub(crate) struct Target<'a, K> {
    pub(crate) kernel: K,
    pub(crate) shape: [usize; 2],
    pub(crate) wavelengths: &'a WavelengthGrid,
    pub(crate) half_z_shrink: f64,
}

impl<K: SpatialKernel> Target<'_, K> {
    /// Collects the droplets of the pixels named by `spans`.
    pub(crate) fn collect(
        &self,
        exposure: &Exposure<'_>,
        spans: &Spans,
        out: &mut Droplets,
    ) -> Result<(), DrizzleError> {
        exposure.check()?;
        let needed = spans.rows();
        if !needed.is_empty() && (needed.start < exposure.rows.start || needed.end > exposure.rows.end) {
            return Err(DrizzleError::MissingRows { held: exposure.rows.clone(), needed });
        }
        for y in needed {
            self.collect_row(exposure, y, spans.0[y].clone(), out);
        }
        Ok(())
    }

    fn collect_row(&self, exposure: &Exposure<'_>, y: usize, columns: Range<usize>, out: &mut Droplets) {
        let Droplets { tiles, positions, passbands } = out;
        positions.resize(columns.len(), [f64::NAN; 2]);
        passbands.resize(columns.len(), Passband { centre: f64::NAN, width: f64::NAN });
        exposure.pixel_map.map_row(columns.start as f64, y as f64, positions);
        exposure.wavelength_map.passband_row(columns.start as f64, y as f64, passbands);
        let first = (y - exposure.rows.start) * exposure.shape[1];
        let pixels = first + columns.start..first + columns.end;
        let flux = &exposure.flux[pixels.clone()];
        let variance = &exposure.variance[pixels.clone()];
        let flags = &exposure.flags[pixels.clone()];
        let foreground = exposure.foreground.map(|f| (&f.model[pixels], f.scale));
        for k in 0..columns.len() {
            let [x, y] = positions[k];
            let flags = flags[k].cast_unsigned();
            if flags & exposure.excluded != 0 || !self.reaches(x, y) || !self.sees(passbands[k]) {
                continue;
            }
            let background = foreground.map_or(0.0, |(model, scale)| scale * f64::from(model[k]));
            let flux = f64::from(flux[k]) - background;
            if flux.is_finite() && variance[k].is_finite() && variance[k] > 0.0 {
                let Passband { centre: wavelength, width: bandwidth } = passbands[k];
                self.sort_in(
                    tiles,
                    Droplet { x, y, wavelength, bandwidth, flux, variance: variance[k], flags },
                );
            }
        }
    }

    /// False for NaN.
    fn reaches(&self, x: f64, y: f64) -> bool {
        let [ny, nx] = self.shape;
        let reach = self.kernel.reach();
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
    fn sort_in(&self, tiles: &mut [Vec<Droplet>], droplet: Droplet) {
        let [ny, nx] = self.shape;
        let (rows, columns) = (self.tiles_reached(droplet.y, ny), self.tiles_reached(droplet.x, nx));
        for row in rows {
            for column in columns.clone() {
                tiles[row * nx.div_ceil(TILE) + column].push(droplet);
            }
        }
    }

    /// The tiles, along one axis of `n` pixels, with a pixel nearer than the kernel's reach;
    /// [`reaches`](Self::reaches) has seen to it that there is one.
    fn tiles_reached(&self, position: f64, n: usize) -> RangeInclusive<usize> {
        let reach = self.kernel.reach();
        let first = usize::try_from(floor(position - reach) + 1).unwrap_or(0);
        let last = usize::try_from(-floor(-(position + reach)) - 1).unwrap_or(0).min(n - 1);
        first / TILE..=last / TILE
    }
}
