//! Weights that do not follow the noise, or the light, of the pixel that they weight.
//!
//! The variance of a SPHEREx pixel grows with its measured rate. Weights of one over that variance
//! therefore favor pixels that fluctuated downwards, and pixels that saw a star's wing rather than
//! its core: with them a cube keeps 87 % of the flux of a star of 7 sigma an exposure, and 43 % of
//! one of 700 sigma. A variance that is smoothed over the image knows neither.

use std::ops::Range;

use spx_core::map::Spans;

use crate::exposure::{Exposure, Weight, inverse};

/// Sides of a block, more or less \[px\].
const BLOCK: usize = 32;

/// One row of this many is enough for the median of a block.
const ROW_STEP: usize = 4;

/// The median of fewer pixels would follow the noise of each of them.
const LEAST_PIXELS: usize = 64;

/// The variance of an exposure, smoothed: medians of blocks of about 32 x 32 pixels, interpolated
/// bilinearly between the centers of the blocks and constant beyond the outermost.
///
/// Blocks divide the rows that the exposure holds, and a range of columns, evenly. A pixel counts
/// in the median of its block if its variance is positive and finite and it has neither an excluded
/// flag nor one of [`ExposureExtras::sources`](crate::ExposureExtras). A block with fewer than 64
/// such pixels gets the mean of its neighbors. Where no block has that many, all blocks get the
/// median of the whole image, sources included; NaN where no pixel counts.
#[derive(Debug, Clone, PartialEq)]
pub struct SmoothedVariance {
    /// The columns and rows of the image for which it is known.
    columns: Range<usize>,
    rows: Range<usize>,
    /// `[row of blocks][column]`: interpolated between the columns of blocks \[(MJy/sr)^2\].
    lines: Vec<f64>,
}

impl SmoothedVariance {
    /// Smooths the variance of an exposure for these columns of it.
    ///
    /// # Panics
    /// Where an array of the exposure is shorter than its rows ask for, which
    /// [`Drizzler::add`](crate::Drizzler::add) would refuse.
    pub fn new(exposure: &Exposure<'_>, columns: Range<usize>) -> Self {
        let rows = exposure.rows.clone();
        let shape = [rows.len(), columns.len()].map(|n| ((n + BLOCK / 2) / BLOCK).max(1));
        let mut medians = medians(exposure, &columns, shape);
        fill_unknown(&mut medians, shape);
        if medians.iter().any(|v| v.is_nan()) {
            let mut values = Vec::new();
            gather(exposure, &(0..rows.len()), &(0..exposure.shape[1]), 1, exposure.excluded, &mut values);
            medians.fill(median(&mut values));
        }
        let mut lines = Vec::with_capacity(shape[0] * columns.len());
        for blocks in medians.chunks_exact(shape[1]) {
            lines.extend((0..columns.len()).map(|x| {
                let (left, right, t) = between(x, columns.len(), shape[1]);
                blocks[left] + t * (blocks[right] - blocks[left])
            }));
        }
        Self { columns, rows, lines }
    }

    /// Smooths the variance around the pixels that are used.
    pub(crate) fn around(exposure: &Exposure<'_>, spans: &Spans) -> Self {
        let used = || spans.0.iter().filter(|columns| !columns.is_empty());
        let first = used().map(|columns| columns.start).min().unwrap_or(0);
        let end = used().map(|columns| columns.end).max().unwrap_or(0);
        Self::new(exposure, first.saturating_sub(BLOCK)..(end + BLOCK).min(exposure.shape[1]))
    }

    /// The smoothed variance at a pixel of the image, of a row that the exposure holds
    /// \[(MJy/sr)^2\].
    ///
    /// # Panics
    /// Where the pixel does not lie in those rows and columns.
    pub fn at(&self, x: usize, y: usize) -> f64 {
        let (below, above, t) = self.row(y);
        let x = x - self.columns.start;
        below[x] + t * (above[x] - below[x])
    }

    /// Weights of the pixels from `(x, y)` on, of the variance times `scale`; at most `ivar_max`,
    /// and NaN where there is no variance.
    #[inline(always)]
    pub(crate) fn weights(&self, x: usize, y: usize, scale: f64, ivar_max: f64, out: &mut [f64]) {
        let (below, above, t) = self.row(y);
        let part = x - self.columns.start..x - self.columns.start + out.len();
        for ((weight, below), above) in out.iter_mut().zip(&below[part.clone()]).zip(&above[part]) {
            let inverse = 1.0 / (scale * (below + t * (above - below)));
            // Not `min`, which would make ivar_max of NaN.
            *weight = if inverse > ivar_max { ivar_max } else { inverse };
        }
    }

    /// The lines below and above a row of the image, and how far it is on the way between them.
    #[inline(always)]
    fn row(&self, y: usize) -> (&[f64], &[f64], f64) {
        let nx = self.columns.len();
        let (below, above, t) = between(y - self.rows.start, self.rows.len(), self.lines.len() / nx);
        let line = |k: usize| &self.lines[k * nx..(k + 1) * nx];
        (line(below), line(above), t)
    }
}

/// The weights of an exposure's pixels.
pub(crate) enum PixelWeights<'a> {
    Smoothed(SmoothedVariance),
    InverseVariance,
    Constant(f64),
    Map(&'a [f32]),
}

impl<'a> PixelWeights<'a> {
    /// Smooths the variance where the exposure asks for it, around the pixels that are used.
    pub(crate) fn new(exposure: &Exposure<'a>, spans: &Spans) -> Self {
        match exposure.extra.weight {
            Weight::SmoothedVariance => Self::Smoothed(SmoothedVariance::around(exposure, spans)),
            Weight::InverseVariance => Self::InverseVariance,
            Weight::Constant(weight) => Self::Constant(weight),
            Weight::Map(map) => Self::Map(map),
        }
    }

    /// Fills in the weights of pixels of a row, by their place in the arrays of the exposure; these
    /// are their scaled variances.
    #[inline(always)]
    pub(crate) fn fill(
        &self,
        exposure: &Exposure<'_>,
        pixels: &Range<usize>,
        variance: &[f32],
        ivar_max: f64,
        out: &mut [f64],
    ) {
        match self {
            Self::Smoothed(smoothed) => {
                let nx = exposure.shape[1];
                let (x, y) = (pixels.start % nx, pixels.start / nx + exposure.rows.start);
                let scale = exposure.extra.flux_scale * exposure.extra.flux_scale;
                smoothed.weights(x, y, scale, ivar_max, out);
            }
            Self::InverseVariance => {
                out.iter_mut().zip(variance).for_each(|(out, variance)| *out = inverse(*variance, ivar_max));
            }
            Self::Constant(weight) => out.fill(*weight),
            Self::Map(map) => {
                out.iter_mut().zip(&map[pixels.clone()]).for_each(|(out, weight)| *out = (*weight).into());
            }
        }
    }
}

/// The medians of the blocks, `[row][column]`; NaN where too few pixels count.
fn medians(exposure: &Exposure<'_>, used: &Range<usize>, [lines, columns]: [usize; 2]) -> Vec<f64> {
    let part = |k: usize, parts: usize, n: usize| k * n / parts..(k + 1) * n / parts;
    let masked = exposure.excluded | exposure.extra.sources;
    let mut values = Vec::with_capacity(4 * BLOCK * BLOCK);
    let mut medians = Vec::with_capacity(lines * columns);
    for ys in (0..lines).map(|line| part(line, lines, exposure.rows.len())) {
        for xs in (0..columns).map(|column| part(column, columns, used.len())) {
            let xs = used.start + xs.start..used.start + xs.end;
            gather(exposure, &ys, &xs, ROW_STEP, masked, &mut values);
            if values.len() < LEAST_PIXELS {
                gather(exposure, &ys, &xs, 1, masked, &mut values);
            }
            let known = values.len() >= LEAST_PIXELS;
            medians.push(if known { median(&mut values) } else { f64::NAN });
        }
    }
    medians
}

/// Collects the variances that count in every `step`-th of some rows of the arrays, as their bits,
/// which are in the order of the numbers.
fn gather(
    exposure: &Exposure<'_>,
    ys: &Range<usize>,
    xs: &Range<usize>,
    step: usize,
    masked: u32,
    values: &mut Vec<u32>,
) {
    values.clear();
    for y in ys.clone().step_by(step) {
        let first = y * exposure.shape[1];
        let pixels = first + xs.start..first + xs.end;
        let variance = &exposure.variance[pixels.clone()];
        let fine = |v: f32| v > 0.0 && v < f32::INFINITY;
        if let Some(flags) = exposure.flags.get(pixels) {
            let counts = |(v, q): &(&f32, &i32)| fine(**v) && q.cast_unsigned() & masked == 0;
            values.extend(variance.iter().zip(flags).filter(counts).map(|(v, _)| v.to_bits()));
        } else {
            values.extend(variance.iter().filter(|v| fine(**v)).map(|v| v.to_bits()));
        }
    }
}

/// The median of numbers above 0 that are given by their bits: of an even number the upper of the
/// two in the middle; NaN where there is none.
fn median(values: &mut [u32]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let middle = values.len() / 2;
    f32::from_bits(*values.select_nth_unstable(middle).1).into()
}

/// Gives blocks that are not known the mean of those around them that are, from the known ones
/// outwards.
fn fill_unknown(medians: &mut [f64], [lines, columns]: [usize; 2]) {
    while medians.iter().any(|v| v.is_nan()) && medians.iter().any(|v| !v.is_nan()) {
        let before = medians.to_vec();
        for (k, median) in medians.iter_mut().enumerate().filter(|(_, v)| v.is_nan()) {
            let around = |at: usize, n: usize| at.saturating_sub(1)..(at + 2).min(n);
            let known = around(k / columns, lines)
                .flat_map(|line| around(k % columns, columns).map(move |column| line * columns + column))
                .map(|k| before[k])
                .filter(|v| !v.is_nan());
            let (sum, n) = known.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
            *median = sum / n;
        }
    }
}

/// Between the centers of which of so many blocks a pixel of `n` lies, and how far it is on the
/// way.
#[inline(always)]
fn between(pixel: usize, n: usize, blocks: usize) -> (usize, usize, f64) {
    let last = blocks as f64 - 1.0;
    let position = ((pixel as f64 + 0.5) * blocks as f64 / n as f64 - 0.5).clamp(0.0, last);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to blocks - 1")]
    let lower = position as usize;
    (lower, (lower + 1).min(blocks - 1), position - lower as f64)
}

#[cfg(test)]
mod tests {
    use spx_core::map::{Passband, PixelMap};

    use super::*;
    use crate::ExposureExtras;

    struct Identity;

    impl PixelMap for Identity {
        fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
            Some([x, y])
        }
    }

    fn smoothed(nx: usize, rows: Range<usize>, variance: &[f32], flags: &[i32]) -> SmoothedVariance {
        let exposure = Exposure {
            shape: [rows.end, nx],
            rows,
            flux: &[],
            variance,
            flags,
            foreground: None,
            excluded: 1,
            pixel_map: &Identity,
            wavelength_map: &Passband { center: 2.0, width: 0.1 },
            extra: ExposureExtras { sources: 2, ..ExposureExtras::default() },
        };
        SmoothedVariance::new(&exposure, 0..nx)
    }

    #[test]
    fn a_constant_stays_and_outliers_make_no_difference() {
        let mut variance = vec![4.0f32; 70 * 50];
        (variance[0], variance[7], variance[99], variance[100]) = (1e6, f32::NAN, -1.0, 0.0);
        let smooth = smoothed(70, 13..63, &variance, &[]);
        assert!((13..63).all(|y| (0..70).all(|x| smooth.at(x, y) == 4.0)));
        let mut weights = [0.0; 70];
        smooth.weights(0, 20, 1.0, 1e10, &mut weights);
        assert!(weights.iter().all(|w| *w == 0.25));
        smooth.weights(0, 20, 2.0, 0.1, &mut weights);
        assert!(weights.iter().all(|w| *w == 0.1));
    }

    #[test]
    fn between_blocks_it_is_interpolated() {
        let variance: Vec<f32> = (0..64 * 32).map(|k| if k % 64 < 32 { 1.0 } else { 3.0 }).collect();
        let smooth = smoothed(64, 0..32, &variance, &[]);
        assert!((smooth.at(0, 0), smooth.at(63, 31)) == (1.0, 3.0));
        assert!((smooth.at(31, 9) - (2.0 - 1.0 / 32.0)).abs() < 1e-12, "half a pixel left of the middle");
    }

    #[test]
    fn excluded_pixels_and_sources_do_not_count_where_others_are() {
        let side = 96;
        let variance: Vec<f32> = (0..side * side).map(|k| if k % side < 32 { 1.0 } else { 3.0 }).collect();
        for flag in [1, 2] {
            let left = |k: usize| i32::from(k % side < 32) * flag;
            let flags: Vec<i32> = (0..side * side).map(left).collect();
            let smooth = smoothed(side, 0..side, &variance, &flags);
            assert_eq!(smooth.at(0, 0), 3.0, "the neighbors' median");
        }
        // Of a field full of sources it is theirs; without any pixel there is none.
        assert_eq!(smoothed(side, 0..side, &variance, &vec![2; side * side]).at(50, 50), 3.0);
        assert!(smoothed(side, 0..side, &variance, &vec![1; side * side]).at(50, 50).is_nan());
    }

    /// A strip of an image, a cutout, and one pixel have blocks with enough pixels, or one block.
    #[test]
    fn no_block_is_narrow() {
        for (nx, ny) in [(60, 60), (34, 47), (33, 2), (5, 5), (1, 1), (2040, 40)] {
            let mut variance = vec![2.0f32; nx * ny];
            // The last row and column, which blocks of 32 pixels would leave by themselves.
            for k in (0..nx * ny).filter(|k| nx > 20 && (k % nx == nx - 1 || k / nx == ny - 1 && ny > 20)) {
                variance[k] = 50.0;
            }
            let smooth = smoothed(nx, 7..7 + ny, &variance, &[]);
            assert!(smooth.at(nx - 1, 6 + ny) == 2.0 && smooth.at(0, 7) == 2.0, "{nx} x {ny}");
        }
    }
}
