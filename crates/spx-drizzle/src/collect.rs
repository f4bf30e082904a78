//! Collection: the pixels of an exposure become droplets, block by block of the image.

use std::ops::{Range, RangeInclusive};

use spx_core::map::{Passband, Spans};

use crate::droplet::{NO_QUAD, Quad};
use crate::interruption::Interruption;
use crate::kernel::SpatialKernel;
use crate::numbers::{floor, min};
use crate::region::{ReachedRegion, TILE};
use crate::source::{PixelRun, RowPiece};
use crate::weights::PixelWeights;
use crate::{DrizzleError, Exposure, OutputPlanes, WavelengthGrid};

/// Height and width of a block of the image \[input px\]: its pixels follow each other, row by row,
/// before those of the next block, so that the voxels that they reach stay in a processor's own
/// cache.
const HEIGHT: usize = 64;
const WIDTH: usize = 192;

/// What the collection of droplets needs to know of the output.
pub(crate) struct CollectionTarget<'a, K> {
    pub(crate) kernel: K,
    pub(crate) shape: [usize; 2],
    pub(crate) wavelengths: &'a WavelengthGrid,
    pub(crate) half_z_shrink: f64,
    /// Half the side of a droplet \[input px\].
    pub(crate) half_xy_shrink: f64,
    pub(crate) ivar_max: f64,
    pub(crate) planes: &'a OutputPlanes,
    pub(crate) weights: PixelWeights<'a>,
    /// Not 0 for pixels that are rejected as outliers, row-major for the rows that the exposure
    /// holds.
    pub(crate) outliers: Option<Vec<u32>>,
    /// What is subtracted from the flux: its value at the first output pixel, and its slopes along
    /// x and y.
    pub(crate) background: Option<[f64; 3]>,
}

/// Where droplets go.
pub(crate) trait Sink {
    /// Tells which part of the output a block is going to reach, more or less.
    fn prepare(&mut self, region: &ReachedRegion<'_>);

    /// Takes droplets that reach a tile.
    fn take(&mut self, part: &PixelRun<'_>, tile: usize) -> Result<(), DrizzleError>;
}

impl<K: SpatialKernel> CollectionTarget<'_, K> {
    /// Gives the droplets of the pixels named by `spans` to `sink`, each for every tile that its
    /// shares may reach. Tells whether there are any.
    pub(crate) fn collect(
        &self,
        exposure: &Exposure<'_>,
        spans: &Spans,
        (piece, interruption): (&mut RowPiece, Interruption<'_>),
        sink: &mut impl Sink,
    ) -> Result<bool, DrizzleError> {
        let mut any = false;
        // What the last exposure brought.
        piece.resize(0);
        let rows = spans.rows();
        // Blocks begin at multiples of height and width, wherever the spans begin.
        for bottom in (rows.start / HEIGHT * HEIGHT..rows.end).step_by(HEIGHT) {
            let rows = rows.start.max(bottom)..rows.end.min(bottom + HEIGHT);
            let spans = &spans.0[rows.clone()];
            let used = || spans.iter().filter(|columns| !columns.is_empty());
            let first = used().map(|columns| columns.start).min().unwrap_or(0);
            let end = used().map(|columns| columns.end).max().unwrap_or(0);
            for left in (first / WIDTH * WIDTH..end).step_by(WIDTH) {
                interruption.check()?;
                let part = |columns: &Range<usize>| columns.start.max(left)..columns.end.min(left + WIDTH);
                let block = first.max(left)..end.min(left + WIDTH);
                if let Some(region) = self.region(exposure, &rows, &block, &mut piece.region) {
                    sink.prepare(&region);
                }
                exposure.fetch(&rows, &block);
                for (y, columns) in rows.clone().zip(spans.iter().map(part)).filter(|(_, c)| !c.is_empty()) {
                    self.project(exposure, y, &columns, piece);
                    let first = (y - exposure.rows.start) * exposure.shape[1] + columns.start;
                    let pixels = first..first + columns.len();
                    piece.resize(pixels.len());
                    any |= pulp::Arch::new().dispatch(SelectPixels {
                        target: self,
                        exposure,
                        pixels: &pixels,
                        piece,
                        sink,
                    })?;
                }
            }
        }
        Ok(any)
    }

    /// The part of the output that a block reaches, if its image has straight sides; `None` where
    /// its corners have no image, and where there is no such part.
    fn region<'a>(
        &self,
        exposure: &Exposure<'_>,
        rows: &Range<usize>,
        columns: &Range<usize>,
        memory: &'a mut Vec<Range<usize>>,
    ) -> Option<ReachedRegion<'a>> {
        let ends = |range: &Range<usize>| [range.start as f64, range.end as f64 - 1.0];
        let ([left, right], [bottom, top]) = (ends(columns), ends(rows));
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut corners = NO_QUAD;
        for (corner, (x, y)) in
            corners.iter_mut().zip([(left, bottom), (right, bottom), (right, top), (left, top)])
        {
            *corner = exposure.pixel_map.map(x, y)?;
            let band = exposure.wavelength_map.passband(x, y);
            least = least.min(band.center - band.width * self.half_z_shrink);
            greatest = greatest.max(band.center + band.width * self.half_z_shrink);
        }
        let (reach, [ny, nx]) = (self.kernel.reach(), self.shape);
        let place = |v: f64, n: usize| usize::try_from(floor(v.clamp(0.0, n as f64))).unwrap_or(0);
        let low = corners.iter().fold(f64::INFINITY, |low, corner| low.min(corner[1]));
        let high = corners.iter().fold(f64::NEG_INFINITY, |high, corner| high.max(corner[1]));
        let rows = place(low - reach, ny)..place(high + reach + 1.0, ny);
        memory.clear();
        memory.extend(rows.clone().map(|y| {
            let (first, last) = extent(&corners, y as f64 - reach, y as f64 + reach);
            place(first - reach, nx)..place(last + reach + 1.0, nx)
        }));
        let planes = self.wavelengths.bin_of(least)..=self.wavelengths.bin_of(greatest);
        (!memory.is_empty()).then_some(ReachedRegion { first_row: rows.start, columns: memory, planes })
    }

    /// Output positions and passbands of a piece; where the kernel asks for corners, these too, and
    /// the position is their mean.
    fn project(&self, exposure: &Exposure<'_>, y: usize, columns: &Range<usize>, piece: &mut RowPiece) {
        let (x, y) = (columns.start as f64, y as f64);
        let RowPiece { positions, corners, bands, .. } = piece;
        positions.resize(columns.len(), [f64::NAN; 2]);
        bands.resize(columns.len(), Passband { center: f64::NAN, width: f64::NAN });
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

    /// Finds out which pixels of a piece take part if they reach the output, and with which weight:
    /// step by step over all of them, without branches. Comparisons are false for NaN.
    #[inline(always)]
    fn select(&self, exposure: &Exposure<'_>, pixels: &Range<usize>, piece: &mut RowPiece) {
        let RowPiece {
            positions, corners, bands, reach, flux, variance, flags, refused, weight, usable, ..
        } = piece;
        exposure.fluxes(pixels, flux);
        if let Some([first, along_x, along_y]) = self.background {
            let pixels = flux.iter_mut().zip(&*positions);
            pixels.for_each(|(flux, [x, y])| *flux -= first + along_x * x + along_y * y);
        }
        exposure.variances(pixels, variance);
        exposure.flags(pixels, flags);
        self.weights.fill(exposure, pixels, variance, self.ivar_max, weight);
        if !exposure.variance.is_empty() || !exposure.flags.is_empty() {
            for ((refused, variance), flags) in refused.iter_mut().zip(&*variance).zip(&*flags) {
                let fine = (*variance > 0.0) & (*variance < f32::INFINITY);
                *refused = (flags & exposure.excluded) | u32::from(!fine);
            }
        }
        if let Some(outliers) = &self.outliers {
            refused
                .iter_mut()
                .zip(&outliers[pixels.clone()])
                .for_each(|(refused, outlier)| *refused |= outlier);
        }
        if K::CORNERS {
            let [a, b, c, d] = corners.each_ref().map(Vec::as_slice);
            let quads = a.iter().zip(b).zip(c).zip(d);
            for ((reach, position), (((a, b), c), d)) in reach.iter_mut().zip(&*positions).zip(quads) {
                *reach = self.kernel.reach_of(*position, &[*a, *b, *c, *d]);
            }
        }
        let (half_z_shrink, lower, upper) =
            (self.half_z_shrink, self.wavelengths.lower(), self.wavelengths.upper());
        let values = flux.iter().zip(&*weight).zip(&*refused);
        for ((usable, band), ((flux, weight), refused)) in usable.iter_mut().zip(&*bands).zip(values) {
            let half = band.width * half_z_shrink;
            // False for a passband that is not finite or positive.
            let real = (band.center > 0.0) & (band.width > 0.0) & (band.width < f64::INFINITY);
            let overlaps = (band.center + half > lower) & (band.center - half < upper);
            let fine = (flux.abs() < f64::INFINITY) & (*weight > 0.0) & (*weight < f64::INFINITY);
            *usable = if fine & real & overlaps & (*refused == 0) { 1.0 } else { 0.0 };
        }
    }

    /// Hands out the pixels of a piece that take part, in their order. Tells whether there are any.
    #[inline(always)]
    fn hand_out(
        &self,
        exposure: &Exposure<'_>,
        pixels: &Range<usize>,
        piece: &RowPiece,
        sink: &mut impl Sink,
    ) -> Result<bool, DrizzleError> {
        let [ny, nx] = self.shape;
        let tiles = nx.div_ceil(TILE);
        let mut any = false;
        let mut k = 0;
        while let Some(&usable) = piece.usable.get(k) {
            let start = k;
            k += 1;
            let [x, y] = piece.positions[start];
            let reach = if K::CORNERS { piece.reach[start] } else { self.kernel.reach() };
            if usable == 0.0 || !reaches(x, nx, reach) || !reaches(y, ny, reach) {
                continue;
            }
            any = true;
            let (rows, columns) = (tiles_reached(y, ny, reach), tiles_reached(x, nx, reach));
            if rows.start() == rows.end() && columns.start() == columns.end() {
                let limits =
                    [TileLimits::new(*columns.start(), nx, reach), TileLimits::new(*rows.start(), ny, reach)];
                k += beside::<K>(piece, k, limits);
            }
            for row in rows {
                for column in columns.clone() {
                    let part = PixelRun {
                        piece,
                        exposure,
                        first: pixels.start,
                        pixels: start..k,
                        origin: [(column * TILE) as f64, (row * TILE) as f64],
                        corners: K::CORNERS,
                        with_bands: self.wavelengths.bins() > 1 || self.planes.sums() > 0,
                    };
                    sink.take(&part, row * tiles + column)?;
                }
            }
        }
        Ok(any)
    }
}

/// Where, along one axis, a pixel has to lie to reach one tile and no other.
#[derive(Clone, Copy)]
struct TileLimits {
    /// The last pixel before the tile, and the first one behind it.
    outside: [f64; 2],
    /// The last pixel of the output.
    last: f64,
    /// For pixels that reach as far as this one: the least position, and the greatest.
    positions: [f64; 2],
}

impl TileLimits {
    /// For a tile, along an axis of `n` pixels.
    #[inline(always)]
    fn new(tile: usize, n: usize, reach: f64) -> Self {
        let (first, last) = ((tile * TILE) as f64, n as f64 - 1.0);
        let outside = [first - 1.0, first + TILE as f64];
        let greatest = min(outside[1] - reach, (last + reach).next_down());
        Self { outside, last, positions: [outside[0] + reach, greatest] }
    }

    /// For a pixel that reaches as far as that one.
    #[inline(always)]
    fn hold(self, position: f64) -> bool {
        (position >= self.positions[0]) & (position <= self.positions[1])
    }

    /// For any.
    #[inline(always)]
    fn hold_with(self, position: f64, reach: f64) -> bool {
        let low = position - reach;
        (low >= self.outside[0]) & (position + reach <= self.outside[1]) & (low < self.last)
    }
}

/// How many pixels from `k` on are usable and lie within limits.
#[inline(always)]
fn beside<K: SpatialKernel>(piece: &RowPiece, k: usize, [along, across]: [TileLimits; 2]) -> usize {
    const CHUNK: usize = 8;
    let (usable, positions) = (&piece.usable[k..], &piece.positions[k..]);
    let reach = if K::CORNERS { &piece.reach[k..] } else { usable };
    let fine = |usable: f64, [x, y]: [f64; 2], reach: f64| {
        let inside = if K::CORNERS {
            along.hold_with(x, reach) & across.hold_with(y, reach)
        } else {
            along.hold(x) & across.hold(y)
        };
        (usable != 0.0) & inside
    };
    let mut count = 0;
    let chunks = usable.as_chunks::<CHUNK>().0.iter().zip(positions.as_chunks::<CHUNK>().0);
    for ((usable, positions), reach) in chunks.zip(reach.as_chunks::<CHUNK>().0) {
        let mut all = true;
        for k in 0..CHUNK {
            all &= fine(usable[k], positions[k], reach[k]);
        }
        if !all {
            break;
        }
        count += CHUNK;
    }
    while count < usable.len() && fine(usable[count], positions[count], reach[count]) {
        count += 1;
    }
    count
}

/// The least and the greatest x of the outline of a quadrilateral between two heights; where there
/// is none, from infinity to minus infinity.
fn extent(corners: &Quad, low: f64, high: f64) -> (f64, f64) {
    let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
    for k in 0..4 {
        let ([ax, ay], [bx, by]) = (corners[k], corners[(k + 1) % 4]);
        if ay.max(by) < low || ay.min(by) > high {
            continue;
        }
        // Where the side enters and leaves; a side that lies between the heights is not cut.
        let slope = if ay == by { 0.0 } else { (bx - ax) / (by - ay) };
        let at =
            |x: f64, y: f64| if y < low { x + (low - y) * slope } else { x - (y - high).max(0.0) * slope };
        let (a, b) = (at(ax, ay), at(bx, by));
        (first, last) = (first.min(a.min(b)), last.max(a.max(b)));
    }
    (first, last)
}

/// Selects and hands out a piece with the widest instruction set that the machine has.
struct SelectPixels<'a, 'b, K, S> {
    target: &'a CollectionTarget<'b, K>,
    exposure: &'a Exposure<'a>,
    pixels: &'a Range<usize>,
    piece: &'a mut RowPiece,
    sink: &'a mut S,
}

impl<K: SpatialKernel, S: Sink> pulp::WithSimd for SelectPixels<'_, '_, K, S> {
    type Output = Result<bool, DrizzleError>;

    // Functions that are not inlined here would be compiled for the oldest instruction set.
    #[inline(always)]
    fn with_simd<I: pulp::Simd>(self, _: I) -> Self::Output {
        self.target.select(self.exposure, self.pixels, self.piece);
        self.target.hand_out(self.exposure, self.pixels, self.piece, self.sink)
    }
}

/// Whether there is a pixel nearer than `reach`, along one axis of `n` pixels. False for NaN.
#[inline(always)]
fn reaches(position: f64, n: usize, reach: f64) -> bool {
    (position > -reach) & (position < n as f64 - 1.0 + reach)
}

/// The tiles, along one axis of `n` pixels, with a pixel nearer than `reach`, where there is one.
#[inline(always)]
fn tiles_reached(position: f64, n: usize, reach: f64) -> RangeInclusive<usize> {
    let first = usize::try_from(floor(position - reach) + 1).unwrap_or(0);
    let last = usize::try_from(-floor(-(position + reach)) - 1).unwrap_or(0).min(n - 1);
    first / TILE..=last / TILE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use spx_core::elementary::atan2;

    use super::*;

    proptest! {
        /// Limits say of a pixel what the tiles that it reaches say.
        #[test]
        fn limits_are_those_of_one_tile(
            position in -80.0..400.0f64,
            reach in prop::sample::select(vec![0.500_000_001, 1.0, 1.7, 30.0, 40.0]),
            n in 1..330usize,
            tile in 0..6usize,
        ) {
            prop_assume!(tile < n.div_ceil(TILE));
            let tiles = tiles_reached(position, n, reach);
            let alone = reaches(position, n, reach) && tiles == (tile..=tile);
            // A pixel may reach over the edge of the grid as long as the tile is complete.
            let beyond = position - reach < -1.0 || position + reach > (tile * TILE + TILE) as f64;
            let limits = TileLimits::new(tile, n, reach);
            prop_assert_eq!(limits.hold(position), alone && !beyond);
            prop_assert_eq!(limits.hold_with(position, reach), alone && !beyond);
        }

        /// No point between two heights lies beyond the extent.
        #[test]
        fn extents_hold_what_lies_between(
            corners in prop::array::uniform4(prop::array::uniform2(-9.0..9.0f64)),
            shares in prop::array::uniform4(0.0..1.0f64),
            (below, above) in (0.0..3.0f64, 0.0..3.0f64),
        ) {
            // The corners in their order around the middle make an outline; a mean of two points of
            // it lies within.
            let mut corners = corners;
            corners.sort_by(|a, b| atan2(a[1], a[0]).total_cmp(&atan2(b[1], b[0])));
            let along = |k: usize, t: f64| [0, 1].map(|i| corners[k][i] + t * (corners[(k + 1) % 4][i] - corners[k][i]));
            for (k, t) in shares.into_iter().enumerate() {
                let [x, y] = along(k, t);
                let (first, last) = extent(&corners, y - below, y + above);
                prop_assert!(first <= x + 1e-9 && x - 1e-9 <= last, "{x} in {first} to {last}");
            }
        }
    }

    #[test]
    fn an_extent_of_nothing_is_empty() {
        let square = [[1.0, 1.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]];
        assert_eq!(extent(&square, 1.0, 1.5), (1.0, 2.0));
        let (first, last) = extent(&square, 3.0, 4.0);
        assert!(first > last);
    }
}
