//! Collection: the pixels of an exposure become droplets, piece by piece of its rows.

use std::ops::{Range, RangeInclusive};

use spx_core::map::{Passband, Spans};

use crate::droplet::{Droplet, Filed, Piece};
use crate::kernel::{SpatialKernel, floor};
use crate::{DrizzleError, Exposure, Planes, WavelengthGrid, Weight};

/// Side of a tile \[output px\]. The sums do not depend on it. The two or three planes of a tile that an exposure
/// reaches should fit a processor's own cache: 64 x 64 voxels of 40 bytes are 160 KiB.
pub(crate) const TILE: usize = 64;

/// Pixels of an input row that are collected together, so that what is known of them stays in the first cache.
const PIECE: usize = 256;

/// Droplets of a strip.
const STRIP: usize = 1 << 14;

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
    /// Collects the droplets of the pixels named by `spans` and files them; `strip` is called now and then, when there
    /// are so many that they fill a processor's own cache, and at the end. Tells whether there are any.
    pub(crate) fn collect(
        &self,
        exposure: &Exposure<'_>,
        spans: &Spans,
        piece: &mut Piece,
        tiles: &mut [Filed],
        mut strip: impl FnMut(&mut [Filed]) -> Result<(), DrizzleError>,
    ) -> Result<bool, DrizzleError> {
        let (mut any, mut filed) = (false, 0);
        for y in spans.rows() {
            let columns = spans.0[y].clone();
            for first in columns.clone().step_by(PIECE) {
                let columns = first..columns.end.min(first + PIECE);
                self.project(exposure, y, &columns, piece);
                let first = (y - exposure.rows.start) * exposure.shape[1] + columns.start;
                let pixels = first..first + columns.len();
                piece.resize(pixels.len(), self.kernel.reach(), self.with_values(exposure));
                filed += pulp::Arch::new().dispatch(Select {
                    target: self,
                    exposure,
                    pixels: &pixels,
                    piece,
                    tiles,
                });
            }
            if filed > STRIP {
                strip(tiles)?;
                (any, filed) = (true, 0);
            }
        }
        strip(tiles)?;
        Ok(any || filed > 0)
    }

    /// Output positions and passbands of a piece; where the kernel asks for corners, these too, and the position is
    /// their mean.
    fn project(&self, exposure: &Exposure<'_>, y: usize, columns: &Range<usize>, piece: &mut Piece) {
        let (x, y) = (columns.start as f64, y as f64);
        let Piece { positions, corners, bands, .. } = piece;
        positions.resize(columns.len(), [f64::NAN; 2]);
        bands.resize(columns.len(), Passband { centre: f64::NAN, width: f64::NAN });
        exposure.wavelength_map.passband_row(x, y, bands);
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
        let [a, b, c, d] = corners.each_ref().map(Vec::as_slice);
        for ((((position, a), b), c), d) in positions.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *position = [0.25 * (a[0] + b[0] + c[0] + d[0]), 0.25 * (a[1] + b[1] + c[1] + d[1])];
        }
    }

    /// Whether a pixel brings values beside its flux: its weight and named variances.
    fn with_values(&self, exposure: &Exposure<'_>) -> bool {
        self.planes.any() || exposure.extra.weight != Weight::InverseVariance
    }

    /// Finds out which pixels of a piece take part, step by step over all of them, without branches.
    #[inline(always)]
    fn select(&self, exposure: &Exposure<'_>, pixels: &Range<usize>, piece: &mut Piece) {
        let Piece { positions, corners, bands, reach, flux, variance, weight, usable } = piece;
        for (usable, flags) in usable.iter_mut().zip(&exposure.flags[pixels.clone()]) {
            *usable = flags.cast_unsigned() & exposure.excluded == 0;
        }
        if K::CORNERS {
            let [a, b, c, d] = corners.each_ref().map(Vec::as_slice);
            let quads = a.iter().zip(b).zip(c).zip(d);
            for ((reach, position), (((a, b), c), d)) in reach.iter_mut().zip(&*positions).zip(quads) {
                *reach = self.kernel.reach_of(*position, &[*a, *b, *c, *d]);
            }
        }
        // False for NaN.
        let inside = |v: f64, n: f64, reach: f64| (v > -reach) & (v < n - 1.0 + reach);
        let [ny, nx] = self.shape.map(|n| n as f64);
        for ((usable, [x, y]), reach) in usable.iter_mut().zip(&*positions).zip(&*reach) {
            *usable &= inside(*x, nx, *reach) & inside(*y, ny, *reach);
        }
        let (lower, upper) = (self.wavelengths.lower(), self.wavelengths.upper());
        for (usable, band) in usable.iter_mut().zip(&*bands) {
            // False for a passband that is not finite or positive.
            let half = band.width * self.half_z_shrink;
            let real = (band.centre > 0.0) & (band.width > 0.0) & (band.width < f64::INFINITY);
            *usable &= real & (band.centre + half > lower) & (band.centre - half < upper);
        }
        exposure.fluxes(pixels, flux);
        exposure.variances(pixels, variance);
        for ((usable, flux), variance) in usable.iter_mut().zip(&*flux).zip(&*variance) {
            *usable &= (flux.abs() < f64::INFINITY) & (*variance > 0.0) & (*variance < f32::INFINITY);
        }
        for ((k, weight), (usable, variance)) in
            pixels.clone().zip(weight).zip(usable.iter_mut().zip(&*variance))
        {
            *weight = exposure.weight_of(k, *variance, self.ivar_max);
            *usable &= weight.is_finite() & (*weight > 0.0);
        }
    }

    /// Files the usable pixels of a piece, in their order, under every tile that their shares may reach. Tells how many
    /// there are.
    #[inline(always)]
    fn file(
        &self,
        exposure: &Exposure<'_>,
        pixels: &Range<usize>,
        piece: &Piece,
        tiles: &mut [Filed],
    ) -> usize {
        let [ny, nx] = self.shape;
        let batch = Batch {
            piece,
            flags: &exposure.flags[pixels.clone()],
            exposure,
            first: pixels.start,
            with_bands: self.wavelengths.bins() > 1 || self.with_values(exposure),
            corners: K::CORNERS,
        };
        let (mut k, mut count) = (0, 0);
        while k < piece.usable.len() {
            if !piece.usable[k] {
                k += 1;
                continue;
            }
            let ([x, y], reach) = (piece.positions[k], piece.reach[k]);
            let (rows, columns) = (tiles_reached(y, ny, reach), tiles_reached(x, nx, reach));
            let start = k;
            k += 1;
            if rows.start() == rows.end() && columns.start() == columns.end() {
                k += batch.beside(k, *rows.start(), *columns.start());
            }
            for row in rows {
                for column in columns.clone() {
                    batch.append(start..k, [row, column], &mut tiles[row * nx.div_ceil(TILE) + column]);
                }
            }
            count += k - start;
        }
        count
    }
}

/// Selects and files a piece with the widest instruction set that the machine has.
struct Select<'a, 'b, K> {
    target: &'a Target<'b, K>,
    exposure: &'a Exposure<'a>,
    pixels: &'a Range<usize>,
    piece: &'a mut Piece,
    tiles: &'a mut [Filed],
}

impl<K: SpatialKernel> pulp::WithSimd for Select<'_, '_, K> {
    type Output = usize;

    // Functions that are not inlined here would be compiled for the oldest instruction set.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
        self.target.select(self.exposure, self.pixels, self.piece);
        self.target.file(self.exposure, self.pixels, self.piece, self.tiles)
    }
}

/// A piece of an input row, ready to be filed.
struct Batch<'a> {
    piece: &'a Piece,
    flags: &'a [i32],
    exposure: &'a Exposure<'a>,
    /// Where the piece begins in the arrays of the exposure.
    first: usize,
    /// What is filed beside the droplets.
    with_bands: bool,
    corners: bool,
}

impl Batch<'_> {
    /// How many pixels from `k` on are usable and reach no other tile than this one.
    #[inline(always)]
    fn beside(&self, k: usize, row: usize, column: usize) -> usize {
        let Piece { positions, reach, usable, .. } = self.piece;
        let rest = usable[k..].iter().zip(&positions[k..]).zip(&reach[k..]);
        rest.take_while(|((usable, [x, y]), reach)| {
            **usable & lies_in(*x, **reach, column) & lies_in(*y, **reach, row)
        })
        .count()
    }

    /// Appends usable pixels to what is filed under a tile.
    #[inline(always)]
    fn append(&self, part: Range<usize>, [row, column]: [usize; 2], filed: &mut Filed) {
        let (left, bottom) = ((column * TILE) as f64, (row * TILE) as f64);
        let piece = self.piece;
        let pixels = piece.flux[part.clone()].iter().zip(&piece.variance[part.clone()]);
        let pixels = pixels.zip(&self.flags[part.clone()]).zip(&piece.positions[part.clone()]);
        filed.droplets.extend(pixels.map(|(((flux, variance), flags), [x, y])| Droplet {
            x: x - left,
            y: y - bottom,
            flux: *flux,
            variance: *variance,
            flags: flags.cast_unsigned(),
        }));
        if self.with_bands {
            filed.bands.extend_from_slice(&piece.bands[part.clone()]);
        }
        if self.corners {
            let [a, b, c, d] = piece.corners.each_ref().map(|corners| &corners[part.clone()]);
            let from = |c: &[f64; 2]| [c[0] - left, c[1] - bottom];
            let quads = a.iter().zip(b).zip(c).zip(d);
            filed.quads.extend(quads.map(|(((a, b), c), d)| [from(a), from(b), from(c), from(d)]));
        }
        if !piece.weight.is_empty() {
            for k in part {
                filed.values.push(piece.weight[k]);
                filed.values.extend(self.exposure.variances_of(self.first + k));
            }
        }
    }
}

/// Whether all pixels nearer than `reach` lie in a tile, along one axis of an endless grid.
#[inline(always)]
fn lies_in(position: f64, reach: f64, tile: usize) -> bool {
    let start = (tile * TILE) as f64;
    (position - reach >= start - 1.0) & (position + reach <= start + TILE as f64)
}

/// The tiles, along one axis of `n` pixels, with a pixel nearer than `reach`; [`Target::select`] has seen to it that
/// there is one.
#[inline(always)]
fn tiles_reached(position: f64, n: usize, reach: f64) -> RangeInclusive<usize> {
    let first = usize::try_from(floor(position - reach) + 1).unwrap_or(0);
    let last = usize::try_from(-floor(-(position + reach)) - 1).unwrap_or(0).min(n - 1);
    first / TILE..=last / TILE
}
