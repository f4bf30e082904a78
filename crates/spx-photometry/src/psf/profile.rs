//! The point spread function at the place of a source.

use std::ops::Range;

use super::table::ZoneTable;
use crate::CircularAperture;

/// The function at one place: that of a zone, or a mixture of up to four.
#[derive(Debug, Clone, Copy)]
pub struct SourcePsf<'a> {
    nearest: usize,
    parts: [(f64, &'a ZoneTable); 4],
    count: usize,
}

/// Shares of a source's light in the pixels of a rectangle; working memory.
#[derive(Debug, Clone, Default)]
pub struct ProfileTile {
    columns: Range<usize>,
    rows: Range<usize>,
    shares: Vec<f64>,
    line: Vec<f64>,
}

impl ProfileTile {
    /// The share in a pixel, which must lie in the rectangle.
    #[inline]
    pub fn at(&self, x: usize, y: usize) -> f64 {
        self.shares[(y - self.rows.start) * self.columns.len() + (x - self.columns.start)]
    }

    /// Values of a function in a rectangle of columns and rows.
    pub fn set(&mut self, [columns, rows]: [Range<usize>; 2], value: impl Fn(usize, usize) -> f64) {
        self.shares.clear();
        for y in rows.clone() {
            self.shares.extend(columns.clone().map(|x| value(x, y)));
        }
        (self.columns, self.rows) = (columns, rows);
    }

    /// Another rectangle, to be filled.
    pub(crate) fn reset(&mut self, [columns, rows]: [Range<usize>; 2]) {
        self.shares.clear();
        (self.columns, self.rows) = (columns, rows);
    }

    /// All shares, row by row.
    pub(crate) fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// The columns and rows of the rectangle.
    pub fn bounds(&self) -> [Range<usize>; 2] {
        [self.columns.clone(), self.rows.clone()]
    }
}

impl<'a> SourcePsf<'a> {
    /// A mixture with these shares, which are scaled to add up to 1; `None` without any.
    pub(super) fn new(nearest: usize, parts: impl Iterator<Item = (f64, &'a ZoneTable)>) -> Option<Self> {
        let mut parts = parts.take(4);
        let first = parts.next()?;
        let mut psf = Self { nearest, parts: [first; 4], count: 1 };
        for part in parts {
            psf.parts[psf.count] = part;
            psf.count += 1;
        }
        let total: f64 = psf.parts().iter().map(|(share, _)| share).sum();
        psf.parts.iter_mut().for_each(|(share, _)| *share /= total);
        Some(psf)
    }

    fn parts(&self) -> &[(f64, &'a ZoneTable)] {
        &self.parts[..self.count]
    }

    /// The zone whose center is nearest (0-based plane).
    pub fn zone(&self) -> usize {
        self.nearest
    }

    /// Full width at half maximum of the function as pixels see it, the same for both releases
    /// \[px\].
    pub fn fwhm(&self) -> f64 {
        self.parts().iter().map(|(share, table)| share * table.fwhm).sum()
    }

    /// No pixel farther than this from the source along an axis has a share \[px\].
    pub fn reach(&self) -> f64 {
        let table = self.parts[0].1;
        (table.side / 2) as f64 / table.oversampling as f64
    }

    /// Share of a source's light in the pixel whose center lies `(dx, dy)` pixels from the source;
    /// zero beyond the samples.
    ///
    /// Samples are values of a smooth function at their points, interpolated by the polynomial of
    /// degree five through the six nearest along each axis.
    pub fn pixel(&self, dx: f64, dy: f64) -> f64 {
        self.parts().iter().map(|(share, table)| share * table.pixel(dx, dy)).sum()
    }

    /// Shares of the light of a source at `[x, y]` \[px\] in the pixels of a rectangle of columns
    /// and rows, as [`pixel`](Self::pixel) gives them but for rounding.
    ///
    /// All pixels lie equally far behind a sample, so the six weights along either axis are the
    /// same for all.
    pub fn fill(&self, position: [f64; 2], bounds: [Range<usize>; 2], tile: &mut ProfileTile) {
        // The loops are compiled for several instruction sets; products and sums stay apart, so
        // that all give the same bits.
        pulp::Arch::new().dispatch(|| self.fill_all(position, bounds, tile));
    }

    #[inline(always)]
    fn fill_all(&self, [x, y]: [f64; 2], [columns, rows]: [Range<usize>; 2], tile: &mut ProfileTile) {
        let ProfileTile { shares, line, .. } = tile;
        shares.clear();
        shares.resize(columns.len() * rows.len(), 0.0);
        let table = self.parts[0].1;
        let reached = |center: f64, range: &Range<usize>| {
            let inside = |k: &usize| table.taps(*k as f64 - center).is_some();
            let start = range.clone().find(inside)?;
            let end = range.clone().rev().find(inside)?;
            Some((start..end + 1, table.taps(start as f64 - center)?))
        };
        if let (Some((near, (first, wx))), Some((near_rows, (first_row, wy)))) =
            (reached(x, &columns), reached(y, &rows))
        {
            let step = table.oversampling;
            let width = (near.len() - 1) * step + 6;
            line.resize(width, 0.0);
            for (n, row) in near_rows.enumerate() {
                line.fill(0.0);
                for (share, table) in self.parts() {
                    for (b, wy) in wy.iter().enumerate() {
                        let weight = share * wy;
                        let from = (first_row + n * step + b) * table.side + first;
                        let samples = table.samples.get(from..).unwrap_or_default();
                        line.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += weight * sample);
                    }
                }
                let to = &mut shares[(row - rows.start) * columns.len() + (near.start - columns.start)..];
                for (share, six) in to.iter_mut().zip(line.windows(6).step_by(step)) {
                    *share = six.iter().zip(wx).map(|(sample, wx)| sample * wx).sum();
                }
            }
        }
        (tile.columns, tile.rows) = (columns, rows);
    }

    /// Share of a source's light in an aperture about it, summed over pixels by exact overlap. Only
    /// where the center lies within its pixel matters.
    pub fn enclosed(&self, aperture: &CircularAperture) -> f64 {
        let reach = aperture.radius.ceil() + 1.0;
        let local = |center: f64| center - center.round() + reach;
        let (x, y) = (local(aperture.x), local(aperture.y));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive whole number"
        )]
        let n = (2.0 * reach) as usize + 1;
        let mut light = 0.0;
        CircularAperture { x, y, radius: aperture.radius }.for_each([n, n], |i, j, overlap| {
            light += overlap * self.pixel(i as f64 - x, j as f64 - y);
        });
        light
    }
}
