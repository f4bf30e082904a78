//! Parts of planes as the page wants them: a window of pixels, reduced where the screen has fewer.
//!
//! Planes are read in blocks of rows, so that memory does not grow with the cube.

use spx_pipeline::cube::{CubeArray, CubeFile, CubeFileError};

use spx_pipeline::cube::{LinePlanes, PlaneQuantity, line_rows, mean_rows, read_rows};

/// Pixels that are read at once.
const BLOCK: usize = 1 << 20;

/// A rectangle of pixels, of which `bin` x `bin` become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Of the first pixel, 0-based.
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) bin: usize,
}

impl Window {
    /// Says what is wrong with a window of an image of shape `[ny, nx]`.
    pub(crate) fn check(&self, [ny, nx]: [usize; 2]) -> Result<(), String> {
        let fits = |start: usize, length: usize, available: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= available)
        };
        if self.bin == 0 {
            Err("bin must be above 0".to_owned())
        } else if fits(self.x, self.width, nx) && fits(self.y, self.height, ny) {
            Ok(())
        } else {
            Err(format!("there are {nx} x {ny} pixels"))
        }
    }

    fn columns(&self) -> usize {
        self.width.div_ceil(self.bin)
    }
}

/// What is shown of a cube as numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    /// A quantity of a plane.
    Plane(PlaneQuantity, usize),
    /// The mean of planes, weighted by inverse variances.
    Mean(Vec<usize>),
    /// A line over its continuum.
    Line(LinePlanes),
}

impl Values {
    /// The pixels of a window, `[y][x]`; of each bin the mean over its finite pixels, NaN where
    /// there is none. Bins at the right and upper edge may hold fewer pixels.
    ///
    /// # Errors
    /// Where the file cannot be read. The window and the planes have to exist.
    pub(crate) fn read(&self, cube: &mut CubeFile, window: Window) -> Result<Vec<f32>, CubeFileError> {
        reduced(cube, window, mean, |cube, rows| match self {
            Self::Plane(quantity, z) => read_rows(cube, *quantity, *z, rows),
            Self::Mean(planes) => mean_rows(cube, planes, rows),
            Self::Line(planes) => line_rows(cube, planes, rows),
        })
    }
}

/// The flags of a window of plane `z`, `[y][x]`; of each bin those of any of its pixels.
///
/// # Errors
/// As [`Values::read`].
pub(crate) fn read_flags(
    cube: &mut CubeFile,
    mask: CubeArray,
    z: usize,
    window: Window,
) -> Result<Vec<u32>, CubeFileError> {
    reduced(cube, window, any, |cube, rows| cube.read(mask, z, rows))
}

/// Reads the rows of a window block by block and reduces them, one row of bins after the other.
fn reduced<T: Copy>(
    cube: &mut CubeFile,
    window: Window,
    reduce: impl Fn(&[&[T]], usize, &mut Vec<T>),
    read: impl Fn(&mut CubeFile, std::ops::Range<usize>) -> Result<Vec<T>, CubeFileError>,
) -> Result<Vec<T>, CubeFileError> {
    let nx = cube.shape()[2];
    let mut out = Vec::with_capacity(window.columns() * window.height.div_ceil(window.bin));
    let step = (BLOCK / nx / window.bin).max(1) * window.bin;
    let end = window.y + window.height;
    for first in (window.y..end).step_by(step) {
        let values = read(cube, first..end.min(first + step))?;
        let rows: Vec<&[T]> =
            values.chunks_exact(nx).map(|row| &row[window.x..window.x + window.width]).collect();
        for bins in rows.chunks(window.bin) {
            reduce(bins, window.bin, &mut out);
        }
    }
    Ok(out)
}

/// A row of bins: of each the mean over what is finite.
fn mean(rows: &[&[f32]], bin: usize, out: &mut Vec<f32>) {
    if bin == 1 {
        return rows.iter().for_each(|row| out.extend_from_slice(row));
    }
    let columns = rows[0].len().div_ceil(bin);
    let mut sums = vec![(0.0f64, 0u32); columns];
    for row in rows {
        for (sum, values) in sums.iter_mut().zip(row.chunks(bin)) {
            for value in values.iter().filter(|v| v.is_finite()) {
                *sum = (sum.0 + f64::from(*value), sum.1 + 1);
            }
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounded to the type of a plane")]
    out.extend(sums.into_iter().map(|(sum, n)| (sum / f64::from(n)) as f32));
}

/// A row of bins: of each the bits of any.
fn any(rows: &[&[u32]], bin: usize, out: &mut Vec<u32>) {
    let columns = rows[0].len().div_ceil(bin);
    let start = out.len();
    out.resize(start + columns, 0);
    for row in rows {
        for (flags, values) in out[start..].iter_mut().zip(row.chunks(bin)) {
            *flags |= values.iter().fold(0, |all, v| all | v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_lie_within_the_image() {
        let window = |x, width, bin| Window { x, y: 0, width, height: 3, bin };
        assert_eq!(window(2, 3, 2).check([3, 5]), Ok(()));
        for bad in [window(3, 3, 1), window(0, 0, 1), window(0, 5, 0), window(usize::MAX, 2, 1)] {
            assert!(bad.check([3, 5]).is_err(), "{bad:?}");
        }
        assert_eq!(window(2, 3, 2).columns(), 2);
    }

    #[test]
    fn bins_are_means_of_what_is_finite() {
        let mut out = Vec::new();
        mean(&[&[1.0, f32::NAN, 5.0], &[2.0, 3.0, f32::INFINITY]], 2, &mut out);
        assert_eq!(out, [2.0, 5.0]);
        mean(&[&[f32::NAN, f32::NAN]], 2, &mut out);
        assert!(out[2].is_nan());
        out.clear();
        mean(&[&[1.0, 2.0], &[3.0, 4.0]], 1, &mut out);
        assert_eq!(out, [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn bins_have_the_flags_of_any_pixel() {
        let mut out = vec![7];
        any(&[&[1, 2, 4], &[0, 8, 0]], 2, &mut out);
        assert_eq!(out, [7, 11, 4]);
    }
}
