//! Maps of an emission or absorption line over its continuum.

use std::ops::Range;

use ndarray::Array2;
use spx_core::units::C_UM_PER_S;
use spx_drizzle::Bin;
use spx_drizzle::file::{CubeArray, CubeFile, CubeFileError};

use super::planes::image;

/// Planes of a line, and those of the continuum on one side of it or on both.
#[derive(Debug, Clone, PartialEq)]
pub struct LinePlanes {
    /// Of the line, at least one.
    pub line: Vec<usize>,
    /// Of the continuum, at least one; those of the line do not count.
    pub continuum: Vec<usize>,
}

/// Sums of a straight line through the continuum, weighted by inverse variance, with wavelengths
/// counted from that of the line.
#[derive(Debug, Clone, Copy, Default)]
struct StraightFit {
    s: f64,
    sx: f64,
    sxx: f64,
    sy: f64,
    sxy: f64,
}

impl StraightFit {
    fn add(&mut self, x: f64, y: f64, weight: f64) {
        self.s += weight;
        self.sx += weight * x;
        self.sxx += weight * x * x;
        self.sy += weight * y;
        self.sxy += weight * x * y;
    }

    /// The determinant of the normal equations; `None` where all wavelengths are the same.
    fn determinant(&self) -> Option<f64> {
        let det = self.s * self.sxx - self.sx * self.sx;
        (det > 1e-9 * self.s * self.sxx).then_some(det)
    }

    /// The variance of a sum of `n` levels, whose wavelengths add up to `x`.
    fn variance(&self, n: f64, x: f64) -> f64 {
        self.determinant()
            .map_or(n * n / self.s, |det| (self.sxx * n * n - 2.0 * self.sx * n * x + self.s * x * x) / det)
    }

    /// The level at `x`; the mean where all wavelengths are the same, NaN where there are none.
    fn at(&self, x: f64) -> f64 {
        if let Some(det) = self.determinant() {
            (self.sxx * self.sy - self.sx * self.sxy + (self.s * self.sxy - self.sx * self.sy) * x) / det
        } else {
            self.sy / self.s
        }
    }
}

/// The intensity of a line as an image `[y][x]` \[nW/m^2/sr\]: in each pixel the sum over the
/// line's planes of what lies above a straight continuum, times the width of the plane in
/// frequency. NaN where a plane of the line has no data or no plane of the continuum has.
///
/// # Errors
/// Where the file cannot be read.
pub fn line_plane(cube: &mut CubeFile, planes: &LinePlanes) -> Result<Array2<f32>, CubeFileError> {
    let [_, ny, nx] = cube.shape();
    Ok(image([ny, nx], line_rows(cube, planes, 0..ny)?))
}

/// Rows `[y][x]` of what [`line_plane`] gives.
///
/// # Errors
/// Where the file cannot be read.
pub fn line_rows(
    cube: &mut CubeFile,
    planes: &LinePlanes,
    rows: Range<usize>,
) -> Result<Vec<f32>, CubeFileError> {
    let [line, ..] = line_map_rows(cube, planes, rows)?;
    Ok(line)
}

/// The same, their errors \[nW/m^2/sr\], and the continuum in the middle of the line [MJy/sr], for
/// planes whose errors are independent.
///
/// # Errors
/// Where the file cannot be read.
pub fn line_map_rows(
    cube: &mut CubeFile,
    planes: &LinePlanes,
    rows: Range<usize>,
) -> Result<[Vec<f32>; 3], CubeFileError> {
    let axis = cube.wavelengths().clone();
    let middle = planes.line.iter().map(|z| axis.bin(*z).center()).sum::<f64>() / planes.line.len() as f64;
    let fits = continuum_fits(cube, planes, middle, rows.clone())?;
    let mut sums = vec![[0.0; 2]; fits.len()];
    let (mut width_sum, mut width_moment) = (0.0, 0.0);
    for &z in &planes.line {
        let science: Vec<f32> = cube.read(CubeArray::Science, z, rows.clone())?;
        let variance: Vec<f32> = cube.read(CubeArray::Variance, z, rows.clone())?;
        let (x, width) = (axis.bin(z).center() - middle, frequency_width(axis.bin(z)));
        (width_sum, width_moment) = (width_sum + width, width_moment + width * x);
        for (((sum, fit), value), variance) in sums.iter_mut().zip(&fits).zip(science).zip(variance) {
            sum[0] += (f64::from(value) - fit.at(x)) * width;
            sum[1] += f64::from(variance) * width * width;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounded to the type of a plane")]
    let rounded = |value: f64| value as f32;
    let errors = sums.iter().zip(&fits).map(|([line, own], fit)| {
        let error = (own + fit.variance(width_sum, width_moment)).sqrt();
        rounded(if line.is_finite() { error } else { f64::NAN })
    });
    let errors = errors.collect();
    Ok([
        sums.iter().map(|[line, _]| rounded(*line)).collect(),
        errors,
        fits.iter().map(|fit| rounded(fit.at(0.0))).collect(),
    ])
}

/// The continuum of each pixel, wavelengths counted from `middle`.
fn continuum_fits(
    cube: &mut CubeFile,
    planes: &LinePlanes,
    middle: f64,
    rows: Range<usize>,
) -> Result<Vec<StraightFit>, CubeFileError> {
    let mut fits = vec![StraightFit::default(); rows.len() * cube.shape()[2]];
    for &z in planes.continuum.iter().filter(|z| !planes.line.contains(z)) {
        let science: Vec<f32> = cube.read(CubeArray::Science, z, rows.clone())?;
        let variance: Vec<f32> = cube.read(CubeArray::Variance, z, rows.clone())?;
        let x = cube.wavelengths().bin(z).center() - middle;
        for ((fit, value), variance) in fits.iter_mut().zip(science).zip(variance) {
            if value.is_finite() && variance.is_finite() && variance > 0.0 {
                fit.add(x, value.into(), 1.0 / f64::from(variance));
            }
        }
    }
    Ok(fits)
}

/// What turns MJy/sr in a plane into nW/m^2/sr: its width in frequency, times 1e-20 W/m^2/Hz and
/// 1e9.
fn frequency_width(bin: Bin) -> f64 {
    C_UM_PER_S * (1.0 / bin.min - 1.0 / bin.max) * 1e-11
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A straight continuum is found whatever the weights, and a single plane stands for itself.
    #[test]
    fn continua_are_straight() {
        let mut fit = StraightFit::default();
        assert!(fit.at(0.0).is_nan());
        fit.add(-0.2, 3.0, 7.0);
        assert_eq!(fit.at(0.1), 3.0);
        for (x, weight) in [(-0.1, 2.0), (0.1, 0.5), (0.3, 4.0)] {
            fit.add(x, 3.0 + 5.0 * (x + 0.2), weight);
        }
        for x in [-0.05, 0.0, 0.05] {
            assert!((fit.at(x) - (4.0 + 5.0 * x)).abs() < 1e-12, "{}", fit.at(x));
        }
    }

    /// 1 MJy/sr over 0.02 um at 2 um: c / 4 * 0.02 Hz of 1e-20 W/m^2/Hz/sr.
    #[test]
    fn widths_are_those_of_frequency() {
        let width = frequency_width(Bin { min: 1.99, max: 2.01 });
        assert!((width / (2.997_924_58e14 * 0.02 / 4.0 * 1e-11) - 1.0).abs() < 3e-5, "{width}");
    }
}
