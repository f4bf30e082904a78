//! Weights that do not follow the noise of the single pixel.

use std::ops::Range;

/// Side of the blocks over which a variance is smoothed \[px\].
const BLOCK: usize = 32;

/// Weights 1/variance for [`Weight::Map`](crate::Weight), of a variance smoothed over the image.
///
/// A variance that grows with the measured rate of its own pixel weights down what fluctuates
/// upwards, so that 1/variance biases the mean of faint fluxes low: by their variance over the
/// flux's own scale, whatever the number of exposures. The median over a block of 32 x 32 pixels
/// does not know of the single pixel's fluctuation. Between the centres of the blocks it is
/// interpolated bilinearly, beyond the outermost it is constant.
///
/// `variance` and `flags`, row-major `[y][x]`, hold rows `rows` of an image of `nx` columns; blocks
/// begin at multiples of 32 in the image, and those at the edge of the rows see only the rows that
/// are there. Pixels that are flagged by `excluded`, or whose variance is not finite and positive,
/// are left out; a block without any other takes the median of the other blocks. The weights are at
/// most `ivar_max`, and NaN where no block has a usable pixel.
pub fn smoothed(
    nx: usize,
    rows: Range<usize>,
    variance: &[f32],
    flags: &[i32],
    excluded: u32,
    ivar_max: f64,
) -> Vec<f32> {
    let blocks = VarianceBlocks::new(nx, &rows, variance, flags, excluded);
    let mut weights = Vec::with_capacity(variance.len());
    for y in rows {
        let (row, below) = blocks.place(y, blocks.first_row, blocks.medians.len() / blocks.columns);
        for x in 0..nx {
            let (column, left) = blocks.place(x, 0, blocks.columns);
            let at = |row: usize, column: usize| blocks.medians[row * blocks.columns + column];
            let along = |row: usize| {
                let next = (column + 1).min(blocks.columns - 1);
                (1.0 - left) * at(row, column) + left * at(row, next)
            };
            let next = (row + 1).min(blocks.medians.len() / blocks.columns - 1);
            let smooth = (1.0 - below) * along(row) + below * along(next);
            // Not `min`, which would make ivar_max of NaN.
            let weight = if 1.0 / smooth > ivar_max { ivar_max } else { 1.0 / smooth };
            #[expect(clippy::cast_possible_truncation, reason = "weights are in single precision")]
            weights.push(weight as f32);
        }
    }
    weights
}

/// The medians of the blocks, row-major.
struct VarianceBlocks {
    columns: usize,
    /// Number of the first row of blocks.
    first_row: usize,
    medians: Vec<f64>,
}

impl VarianceBlocks {
    fn new(nx: usize, rows: &Range<usize>, variance: &[f32], flags: &[i32], excluded: u32) -> Self {
        let columns = nx.div_ceil(BLOCK);
        let (first_row, end_row) = (rows.start / BLOCK, rows.end.div_ceil(BLOCK));
        let mut medians = Vec::with_capacity(columns * (end_row - first_row));
        let mut usable = Vec::with_capacity(BLOCK * BLOCK);
        for block in first_row..end_row {
            let ys = rows.start.max(block * BLOCK)..rows.end.min((block + 1) * BLOCK);
            for column in 0..columns {
                usable.clear();
                for y in ys.clone() {
                    let first = (y - rows.start) * nx;
                    let pixels = first + column * BLOCK..first + nx.min((column + 1) * BLOCK);
                    let pairs = variance[pixels.clone()].iter().zip(&flags[pixels]);
                    usable.extend(pairs.filter_map(|(v, q)| {
                        let fine = v.is_finite() && *v > 0.0 && q.cast_unsigned() & excluded == 0;
                        fine.then_some(f64::from(*v))
                    }));
                }
                medians.push(median(&mut usable));
            }
        }
        let mut known: Vec<f64> = medians.iter().copied().filter(|m| m.is_finite()).collect();
        let elsewhere = median(&mut known);
        medians.iter_mut().filter(|m| m.is_nan()).for_each(|m| *m = elsewhere);
        Self { columns, first_row, medians }
    }

    /// Between which blocks a pixel lies, counted from the `first` of `n`: the lower one, and how
    /// far it is on the way from its centre to the next one's.
    fn place(&self, pixel: usize, first: usize, n: usize) -> (usize, f64) {
        let position = (pixel as f64 + 0.5) / BLOCK as f64 - 0.5 - first as f64;
        let lower = position.floor().clamp(0.0, n as f64 - 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to n - 1")]
        (lower as usize, (position - lower).clamp(0.0, 1.0))
    }
}

/// NaN where there is none. Of an even number the upper of the two in the middle.
fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_and_outliers_make_no_difference() {
        let mut variance = vec![4.0f32; 70 * 50];
        (variance[0], variance[7], variance[99]) = (1e6, f32::NAN, -1.0);
        let flags = vec![0; variance.len()];
        let weights = smoothed(70, 13..63, &variance, &flags, 0, 1e10);
        assert!(weights.len() == variance.len() && weights.iter().all(|w| (w - 0.25).abs() < 1e-7));
        assert!(smoothed(70, 13..63, &variance, &flags, 0, 0.1).iter().all(|w| *w == 0.1));
    }

    #[test]
    fn between_blocks_it_is_interpolated_and_flagged_pixels_are_left_out() {
        let (nx, ny) = (64, 32);
        let left = |k: usize| k % nx < 32;
        let variance: Vec<f32> = (0..nx * ny).map(|k| if left(k) { 1.0 } else { 3.0 }).collect();
        let flags = vec![0; variance.len()];
        let weights = smoothed(nx, 0..ny, &variance, &flags, 0, 1e10);
        assert!((weights[0] - 1.0).abs() < 1e-6 && (weights[63] - 1.0 / 3.0).abs() < 1e-6);
        assert!((weights[31] - 1.0 / (2.0 - 1.0 / 32.0)).abs() < 1e-6, "half a pixel left of the middle");
        let flags: Vec<i32> = (0..nx * ny).map(|k| i32::from(left(k))).collect();
        let weights = smoothed(nx, 0..ny, &variance, &flags, 1, 1e10);
        assert!(weights.iter().all(|w| (w - 1.0 / 3.0).abs() < 1e-6), "the other block's");
        assert!(smoothed(nx, 0..ny, &variance, &vec![1; nx * ny], 1, 1e10).iter().all(|w| w.is_nan()));
    }
}
