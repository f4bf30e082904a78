//! Planes rounded to whole numbers, for the self-contained page.
//!
//! Brightness v becomes the number q of 24 bits with `v = scale sinh((q - 2^23) step)`: faint
//! values are rounded to a constant fraction of the plane's typical error, bright ones to a
//! constant fraction of themselves. The step is as coarse as it may be for no value to change by
//! more than a fiftieth of its error: finer ones would only make the page larger. Errors are
//! rounded to 16 bits by a constant factor: `e = error_min exp((q - 2) error_step)`, 1 stands for
//! 0. Of both, 0 stands for no data. Counts and flags are kept as they are.

use std::ops::Range;

use serde::Serialize;
use spx_pipeline::cube::{CubeArray, CubeFile, CubeFileError};

use spx_core::elementary::{asinh, exp, hypot, ln, sinh};
use spx_pipeline::statistics::median;

/// A plane of which each pixel stands for `bin` x `bin` pixels of the cube, `[y][x]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Plane {
    /// Mean over the pixels with data [MJy/sr]; NaN = no data.
    pub(crate) science: Vec<f32>,
    /// Its standard deviation, taking the pixels for independent [MJy/sr]; NaN = no data.
    pub(crate) error: Vec<f32>,
    /// Sum, at most 65535.
    pub(crate) count: Vec<u16>,
    /// Flags that all pixels with data have.
    pub(crate) and_mask: Vec<u32>,
    /// Flags that any pixel has.
    pub(crate) or_mask: Vec<u32>,
}

/// Rows of a plane, `[y][x]`.
struct PlaneRows {
    science: Vec<f32>,
    variance: Vec<f32>,
    count: Vec<u16>,
    and_mask: Vec<u32>,
    or_mask: Vec<u32>,
}

/// What becomes one pixel.
#[derive(Debug, Clone, Copy)]
struct Sum {
    science: f64,
    variance: f64,
    pixels: u32,
    count: u32,
    and_mask: u32,
    or_mask: u32,
}

impl Plane {
    /// Reads plane `z` with `bin` x `bin` pixels made one.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(crate) fn read(cube: &mut CubeFile, z: usize, bin: usize) -> Result<Self, CubeFileError> {
        /// Rows that are read at a time, about: a row of the tiles of a packed cube.
        const ROWS: usize = 64;
        let [_, ny, nx] = cube.shape();
        let mut plane = Self::default();
        let block = ROWS.next_multiple_of(bin);
        for first in (0..ny).step_by(block) {
            let rows = first..ny.min(first + block);
            let block = PlaneRows {
                science: cube.read(CubeArray::Science, z, rows.clone())?,
                variance: cube.read(CubeArray::Variance, z, rows.clone())?,
                count: cube.read(CubeArray::Count, z, rows.clone())?,
                and_mask: cube.read(CubeArray::AndMask, z, rows.clone())?,
                or_mask: cube.read(CubeArray::OrMask, z, rows)?,
            };
            let pixels = block.science.len();
            for first in (0..pixels).step_by(bin * nx) {
                plane.add_row(&block, first..pixels.min(first + bin * nx), nx, bin);
            }
        }
        Ok(plane)
    }

    /// Adds a row of bins, of whole rows of `nx` pixels.
    fn add_row(&mut self, block: &PlaneRows, pixels: Range<usize>, nx: usize, bin: usize) {
        let PlaneRows { science, variance, count, and_mask, or_mask } = block;
        let nothing =
            Sum { science: 0.0, variance: 0.0, pixels: 0, count: 0, and_mask: u32::MAX, or_mask: 0 };
        let mut sums = vec![nothing; nx.div_ceil(bin)];
        for k in pixels {
            let sum = &mut sums[k % nx / bin];
            sum.count += u32::from(count[k]);
            sum.or_mask |= or_mask[k];
            if science[k].is_finite() && variance[k].is_finite() {
                sum.science += f64::from(science[k]);
                sum.variance += f64::from(variance[k]);
                sum.and_mask &= and_mask[k];
                sum.pixels += 1;
            }
        }
        for sum in sums {
            let n = f64::from(sum.pixels);
            #[expect(clippy::cast_possible_truncation, reason = "rounded to the type of a plane")]
            let [science, error] = [sum.science / n, sum.variance.sqrt() / n].map(|v| v as f32);
            self.science.push(science);
            self.error.push(error);
            self.count.push(u16::try_from(sum.count).unwrap_or(u16::MAX));
            self.and_mask.push(if sum.pixels > 0 { sum.and_mask } else { 0 });
            self.or_mask.push(sum.or_mask);
        }
    }
}

/// How the numbers of a plane are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Code {
    /// [MJy/sr]
    scale: f64,
    step: f64,
    /// [MJy/sr]
    error_min: f64,
    error_step: f64,
}

/// What is lost in a self-contained page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Loss {
    /// Pixels of the cube along each side of a pixel of the page.
    pub(crate) bin: usize,
    /// The largest change of a brightness, of its error.
    pub(crate) science: f64,
    /// The largest change of an error, of itself.
    pub(crate) error: f64,
    /// Of each plane.
    pub(crate) codes: Vec<Code>,
}

/// The middle of the numbers of brightness, which stands for 0.
const ZERO: f64 = 8_388_608.0;
/// The largest distance from it.
const REACH: f64 = ZERO - 1.0;
/// The part of its error by which a brightness may change.
const TOLERANCE: f64 = 0.02;
/// Steps from the smallest error to the largest.
const ERROR_STEPS: f64 = 65533.0;

impl Code {
    /// The code that suits a plane.
    pub(crate) fn of(plane: &Plane) -> Self {
        let mut errors = plane.error.clone();
        errors.retain(|e| *e > 0.0);
        let scale = median(&mut errors).unwrap_or(1.0);
        let values =
            || plane.science.iter().map(|v| f64::from(*v)).zip(&plane.error).filter(|(v, _)| v.is_finite());
        let largest = values().fold(0.0, |most: f64, (v, _)| most.max(v.abs()));
        // Half a step is what a value changes by, and the slope of the curve at v is sqrt(scale^2 +
        // v^2).
        let steps = values()
            .filter(|(_, e)| **e > 0.0)
            .map(|(v, e)| 2.0 * TOLERANCE * f64::from(*e) / hypot(scale, v));
        let coarse = steps.fold(2.0 * TOLERANCE, f64::min);
        let finite = errors.iter().map(|e| f64::from(*e));
        let (least, most) = finite.fold((f64::INFINITY, 0.0f64), |(a, b), e| (a.min(e), b.max(e)));
        let (error_min, ratio) = if least <= most { (least, most / least) } else { (1.0, 1.0) };
        let step = coarse.max(asinh(largest / scale) / REACH);
        Self { scale, step, error_min, error_step: ln(ratio) / ERROR_STEPS }
    }

    fn science(&self, value: f32) -> u32 {
        let steps = asinh(f64::from(value) / self.scale) / self.step;
        whole(if value.is_finite() { ZERO + steps.round().clamp(-REACH, REACH) } else { 0.0 })
    }

    fn science_back(&self, number: u32) -> f64 {
        self.scale * sinh((f64::from(number) - ZERO) * self.step)
    }

    fn error(&self, value: f32) -> u16 {
        let steps = ln(f64::from(value) / self.error_min) / self.error_step;
        let number = match value {
            e if !e.is_finite() => 0.0,
            e if e <= 0.0 => 1.0,
            _ if self.error_step > 0.0 => 2.0 + steps.round().clamp(0.0, ERROR_STEPS),
            _ => 2.0,
        };
        u16::try_from(whole(number)).unwrap_or(u16::MAX)
    }

    fn error_back(&self, number: u16) -> f64 {
        if number == 1 { 0.0 } else { self.error_min * exp((f64::from(number) - 2.0) * self.error_step) }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to below 2^24")]
fn whole(number: f64) -> u32 {
    number as u32
}

impl Loss {
    /// Nothing yet, of pages with that binning.
    pub(crate) fn new(bin: usize) -> Self {
        Self { bin, science: 0.0, error: 0.0, codes: Vec::new() }
    }

    /// Rounds brightness and errors of the next plane, and measures what that changes.
    pub(crate) fn encode(&mut self, plane: &Plane) -> (Vec<u32>, Vec<u16>) {
        let code = Code::of(plane);
        let science: Vec<u32> = plane.science.iter().map(|v| code.science(*v)).collect();
        let error: Vec<u16> = plane.error.iter().map(|e| code.error(*e)).collect();
        for (k, e) in plane.error.iter().map(|e| f64::from(*e)).enumerate() {
            if plane.science[k].is_finite() && e > 0.0 && e.is_finite() {
                let changed = (code.science_back(science[k]) - f64::from(plane.science[k])).abs() / e;
                self.science = self.science.max(changed);
                self.error = self.error.max((code.error_back(error[k]) - e).abs() / e);
            }
        }
        self.codes.push(code);
        (science, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(science: &[f32], error: &[f32]) -> Plane {
        Plane { science: science.to_vec(), error: error.to_vec(), ..Plane::default() }
    }

    #[test]
    fn faint_and_bright_values_survive() {
        let science = [0.001, -0.003, 0.0, 900.0, -20.0, f32::NAN, 0.5];
        let error = [0.005, 0.004, 0.005, 2.0, 0.1, f32::NAN, 0.0];
        let plane = plane(&science, &error);
        let mut loss = Loss::new(1);
        let (numbers, errors) = loss.encode(&plane);
        let code = loss.codes[0];
        for (value, number) in science.iter().zip(&numbers).filter(|(v, _)| v.is_finite()) {
            let (value, back) = (f64::from(*value), code.science_back(*number));
            assert!((back - value).abs() <= 1e-3 * value.abs().max(0.1), "{value} became {back}");
        }
        for (value, number) in error.iter().zip(&errors).filter(|(v, _)| v.is_finite()) {
            let (value, back) = (f64::from(*value), code.error_back(*number));
            assert!((back - value).abs() <= 6e-5 * value, "{value} became {back}");
        }
        assert_eq!((numbers[5], errors[5], errors[6]), (0, 0, 1));
        assert!(loss.science > 0.001 && loss.science < 0.0201, "{}", loss.science);
        assert!(loss.error > 0.0 && loss.error < 6e-5, "{}", loss.error);
    }

    /// A source 100,000 times its error, whose own error is small: 24 bits still hold it to a
    /// hundredth of that.
    #[test]
    fn very_bright_values_with_small_errors_survive() {
        let mut loss = Loss::new(1);
        loss.encode(&plane(&[500.0, 0.001, -0.002], &[0.005, 0.005, 0.005]));
        assert!(loss.science < 0.1, "{}", loss.science);
    }

    #[test]
    fn planes_without_data_or_contrast_can_be_coded() {
        let mut loss = Loss::new(1);
        assert_eq!(loss.encode(&plane(&[f32::NAN], &[f32::NAN])), (vec![0], vec![0]));
        let zero = 1 << 23;
        assert_eq!(loss.encode(&plane(&[0.0, 0.0], &[0.5, 0.5])), (vec![zero, zero], vec![2, 2]));
        assert_eq!((loss.science, loss.error), (0.0, 0.0));
        assert_eq!(loss.codes[1].error_back(2), 0.5);
    }
}
