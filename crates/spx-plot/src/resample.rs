//! Image planes at the resolution of the picture.

use ndarray::ArrayView2;

/// Samples a plane at `width` x `height` pixels of the picture: rows from the top, so that `[0, 0]`
/// of the plane is at the start of the last row.
///
/// Where the picture is finer than the plane, each of its pixels takes the nearest value; where it
/// is coarser, the mean of the finite values that it covers. NaN where there is none.
pub(crate) fn resample(plane: ArrayView2<'_, f32>, width: u32, height: u32) -> Vec<f32> {
    let (ny, nx) = plane.dim();
    let columns: Vec<_> = (0..width as usize).map(|i| covered(i, width as usize, nx)).collect();
    let mut pixels = Vec::with_capacity(width as usize * height as usize);
    for j in (0..height as usize).rev() {
        let (low, high) = covered(j, height as usize, ny);
        pixels.extend(columns.iter().map(|&(left, right)| {
            if (low + 1, left + 1) == (high, right) {
                let value = plane[[low, left]];
                return if value.is_finite() { value } else { f32::NAN };
            }
            mean(plane.slice(ndarray::s![low..high, left..right]))
        }));
    }
    pixels
}

/// The elements of `count` that the `k`-th of `cells` covers, as a range that is not empty.
fn covered(k: usize, cells: usize, count: usize) -> (usize, usize) {
    if count <= cells {
        let nearest = (2 * k + 1) * count / (2 * cells);
        return (nearest, nearest + 1);
    }
    (k * count / cells, (k + 1) * count / cells)
}

/// The mean of the finite values; NaN where there is none.
fn mean(values: ArrayView2<'_, f32>) -> f32 {
    let (sum, count) = values
        .iter()
        .filter(|v| v.is_finite())
        .fold((0.0, 0_u32), |(sum, count), &v| (sum + f64::from(v), count + 1));
    #[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values, rounded")]
    let mean = (sum / f64::from(count)) as f32;
    mean
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn enlarges_by_repeating_and_turns_rows_upside_down() {
        let plane = array![[1.0, 2.0], [3.0, 4.0]];
        let pixels = resample(plane.view(), 4, 4);
        assert_eq!(pixels[..8], [3.0, 3.0, 4.0, 4.0, 3.0, 3.0, 4.0, 4.0]);
        assert_eq!(pixels[8..], [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    }

    #[test]
    fn shrinks_by_the_mean_of_what_is_finite() {
        let plane = array![[1.0, 3.0, f32::NAN, 5.0], [5.0, 7.0, f32::INFINITY, f32::NAN]];
        assert_eq!(resample(plane.view(), 2, 1), [4.0, 5.0]);
        assert!(resample(Array2::from_elem((4, 4), f32::NAN).view(), 1, 1)[0].is_nan());
    }

    #[test]
    fn every_value_counts_once_when_shrinking() {
        let plane = Array2::from_shape_fn((1, 101), |(_, x)| x as f32);
        let cells: Vec<_> = (0..7).map(|k| covered(k, 7, 101)).collect();
        assert_eq!((cells[0].0, cells[6].1), (0, 101));
        assert!(cells.windows(2).all(|w| w[0].1 == w[1].0));
        assert_eq!(resample(plane.view(), 7, 1).len(), 7);
    }
}
