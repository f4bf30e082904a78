//! Correction of the flux scale: by what the images of one release are multiplied so that they have
//! the scale of another.
//!
//! IRSA's product `l3_flux_corrections` holds a factor for each pixel of a detector. IMAGE is
//! multiplied by it and VARIANCE by its square; ZODI, a model, is left as it is.

use std::ops::Range;

use thiserror::Error;

use crate::detector::Detector;

/// Factors outside this range are no factors: one pixel in 10,000 of the product holds anything
/// from 0.01 to 3,700.
const PLAUSIBLE: std::ops::RangeInclusive<f32> = 0.5..=2.0;

/// Factors of the pixels of a detector, row-major `[y][x]` over the full frame.
#[derive(Debug, Clone, PartialEq)]
pub struct FluxFactors(Vec<f32>);

/// What can be wrong with factors.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FluxFactorError {
    /// They are not those of a detector.
    #[error("{0} factors are not those of a detector")]
    Shape(usize),
    /// A row without a plausible factor.
    #[error("row {0} has no factor from 0.5 to 2")]
    Row(usize),
    /// The image does not lie within the detector.
    #[error("the image reaches beyond the detector, to which the flux corrections belong")]
    Outside,
}

impl FluxFactors {
    /// Factors of a full frame. Those that are NaN or not from 0.5 to 2 are replaced by the median
    /// of the others of their row.
    ///
    /// # Errors
    /// Where there are too many or too few, or a row has none that is plausible.
    pub fn new(mut plane: Vec<f32>) -> Result<Self, FluxFactorError> {
        if plane.len() != Detector::NPIX * Detector::NPIX {
            return Err(FluxFactorError::Shape(plane.len()));
        }
        for (y, row) in plane.chunks_exact_mut(Detector::NPIX).enumerate() {
            let mut good: Vec<f32> = row.iter().copied().filter(|f| PLAUSIBLE.contains(f)).collect();
            if good.len() == row.len() {
                continue;
            }
            if good.is_empty() {
                return Err(FluxFactorError::Row(y));
            }
            let middle = good.len() / 2;
            let median = *good.select_nth_unstable_by(middle, f32::total_cmp).1;
            row.iter_mut().filter(|f| !PLAUSIBLE.contains(f)).for_each(|f| *f = median);
        }
        Ok(Self(plane))
    }

    /// The factors of `columns` of a row of the full frame.
    ///
    /// # Panics
    /// Where it is not on the detector.
    pub fn row(&self, y: usize, columns: Range<usize>) -> &[f32] {
        &self.0[y * Detector::NPIX..][..Detector::NPIX][columns]
    }
}

/// Factors where an image lies on its detector.
#[cfg(feature = "fits")]
#[derive(Debug, Clone)]
pub(crate) struct PlacedFactors {
    factors: std::sync::Arc<FluxFactors>,
    /// Pixel `[x, y]` of the full frame at which the image begins.
    first: [usize; 2],
    columns: usize,
}

#[cfg(feature = "fits")]
impl PlacedFactors {
    /// `offset` is the pixel `[x, y]` of the full frame at which an image of `shape` `[ny, nx]`
    /// begins.
    pub(crate) fn new(
        factors: std::sync::Arc<FluxFactors>,
        offset: [f64; 2],
        [ny, nx]: [usize; 2],
    ) -> Result<Self, FluxFactorError> {
        let place = |offset: f64, count: usize| {
            let first = offset.round();
            let fits = first >= 0.0 && first + count as f64 <= Detector::NPIX as f64;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
            fits.then_some(first as usize).ok_or(FluxFactorError::Outside)
        };
        Ok(Self { factors, first: [place(offset[0], nx)?, place(offset[1], ny)?], columns: nx })
    }

    /// Corrects whole rows from number `row` of the image on.
    pub(crate) fn apply(&self, row: usize, image: &mut [f32], variance: &mut [f32]) {
        let [x, y] = self.first;
        let rows = image.chunks_exact_mut(self.columns).zip(variance.chunks_exact_mut(self.columns));
        for (k, (image, variance)) in rows.enumerate() {
            let factors = self.factors.row(y + row + k, x..x + self.columns);
            for ((value, variance), factor) in image.iter_mut().zip(variance).zip(factors) {
                *value *= factor;
                *variance *= factor * factor;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wild_factors_take_the_median_of_their_row() {
        let n = Detector::NPIX;
        let mut plane: Vec<f32> = (0..n * n).map(|k| 0.9 + 0.1 * (k / n) as f32 / n as f32).collect();
        for (at, wild) in [(5, f32::NAN), (7, 3_653.0), (n + 3, 0.011), (n + 4, f32::INFINITY)] {
            plane[at] = wild;
        }
        let expected = [plane[0], plane[n]];
        let factors = FluxFactors::new(plane.clone()).unwrap();
        assert_eq!([factors.row(0, 5..8)[0], factors.row(0, 5..8)[2]], [expected[0]; 2]);
        assert_eq!(factors.row(1, 3..5), [expected[1]; 2]);
        plane[..n].fill(f32::NAN);
        assert_eq!(FluxFactors::new(plane), Err(FluxFactorError::Row(0)));
        assert_eq!(FluxFactors::new(vec![1.0; 7]), Err(FluxFactorError::Shape(7)));
    }

    #[cfg(feature = "fits")]
    #[test]
    fn cutouts_take_the_factors_of_their_parent_pixels() {
        let n = Detector::NPIX;
        let plane: Vec<f32> = (0..n * n).map(|k| 1.0 + (k % n + 2 * (k / n)) as f32 / 1e4).collect();
        let factors = std::sync::Arc::new(FluxFactors::new(plane).unwrap());
        let placed = PlacedFactors::new(factors.clone(), [100.0, 200.0], [2, 3]).unwrap();
        let (mut image, mut variance) = ([1.0; 3], [2.0; 3]);
        placed.apply(1, &mut image, &mut variance);
        let factor = 1.0 + (100.0 + 402.0) / 1e4;
        assert!((image[0] - factor).abs() < 1e-6 && (variance[0] - 2.0 * factor * factor).abs() < 1e-6);
        for (offset, shape) in [([-1.0, 0.0], [2, 2]), ([2039.0, 0.0], [2, 2]), ([0.0, 2039.0], [2, 2])] {
            assert!(PlacedFactors::new(factors.clone(), offset, shape).is_err(), "{offset:?}");
        }
    }
}
