//! Spectra out of cubes: of one voxel column, or summed over a circle on the sky.

use std::ops::Range;

use spx_core::fits::FitsNumber;
use spx_core::sky::Position;
use spx_drizzle::file::{CubeArray, CubeFile, CubeFileError};
use spx_drizzle::{Bin, DrizzleOptions, WavelengthGrid};
use spx_wcs::CelestialWcs;

/// The pixels of every plane that make a spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct CubeAperture {
    /// `[x, y]`, 0-based, by y and then by x; at least one.
    pub pixels: Vec<[usize; 2]>,
    /// Where the position lies, 0-based with integers at pixel centers.
    pub at: [f64; 2],
    /// Solid angle of a pixel there [arcsec^2].
    pub pixel_area: f64,
    /// True where a part of the circle lies outside the image.
    pub clipped: bool,
}

/// Why there is no aperture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApertureMiss {
    /// The position lies outside the image.
    Outside,
    /// No center of a pixel lies within the radius.
    NoCenter,
}

impl CubeAperture {
    /// The pixels of an image of shape `[ny, nx]` whose centers lie within `radius` \[arcsec\] of a
    /// position, or without a radius the pixel that the position lies in.
    pub fn new(
        wcs: &CelestialWcs,
        shape: [usize; 2],
        position: Position,
        radius: Option<f64>,
    ) -> Result<Self, ApertureMiss> {
        let [ny, nx] = shape;
        let at = wcs.sky_to_pixel(position).ok_or(ApertureMiss::Outside)?;
        let nearest =
            [index(at[0], nx).ok_or(ApertureMiss::Outside)?, index(at[1], ny).ok_or(ApertureMiss::Outside)?];
        let (pixels, clipped) = match radius {
            None => (vec![nearest], false),
            Some(radius) => circle(wcs, shape, position, radius),
        };
        if pixels.is_empty() {
            return Err(ApertureMiss::NoCenter);
        }
        Ok(Self { pixels, at, pixel_area: wcs.pixel_area(at[0], at[1]), clipped })
    }

    /// The rows that hold them.
    fn rows(&self) -> Range<usize> {
        let (first, last) = (self.pixels[0][1], self.pixels[self.pixels.len() - 1][1]);
        first..last + 1
    }
}

/// The pixel of a side of `n` that a coordinate lies in.
fn index(coordinate: f64, n: usize) -> Option<usize> {
    let pixel = (coordinate + 0.5).floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to below n")]
    (pixel >= 0.0 && pixel < n as f64).then_some(pixel as usize)
}

fn circle(
    wcs: &CelestialWcs,
    [ny, nx]: [usize; 2],
    center: Position,
    radius: f64,
) -> (Vec<[usize; 2]>, bool) {
    let (columns, rows, clipped) = enclosing_box(wcs, [ny, nx], center, radius);
    let inside = |x: usize, y: usize| {
        let [ra, dec] = wcs.pixel_to_sky(x as f64, y as f64);
        Position::new(ra, dec).is_ok_and(|p| p.separation(center) * 3600.0 <= radius)
    };
    let mut pixels = Vec::new();
    for y in rows {
        pixels.extend(columns.clone().filter(|&x| inside(x, y)).map(|x| [x, y]));
    }
    (pixels, clipped)
}

/// Columns and rows that hold the circle, and whether it reaches beyond the image.
fn enclosing_box(
    wcs: &CelestialWcs,
    [ny, nx]: [usize; 2],
    center: Position,
    radius: f64,
) -> (Range<usize>, Range<usize>, bool) {
    const POINTS: u32 = 64;
    // The circle lies within the polygon of the points around it, taken at a radius larger by
    // 1/cos(pi/64).
    let around = radius / (std::f64::consts::PI / f64::from(POINTS)).cos();
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for k in 0..POINTS {
        let bearing = f64::from(k) / f64::from(POINTS) * std::f64::consts::TAU;
        let Some(at) = offset(center, bearing, around).and_then(|p| wcs.sky_to_pixel(p)) else {
            return (0..nx, 0..ny, true);
        };
        for axis in 0..2 {
            low[axis] = low[axis].min(at[axis]);
            high[axis] = high[axis].max(at[axis]);
        }
    }
    let outside = |axis: usize, n: usize| low[axis] < -0.5 || high[axis] > n as f64 - 0.5;
    let range = |axis: usize, n: usize| {
        let last = n as f64 - 1.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..n")]
        let edge = |coordinate: f64| coordinate.clamp(0.0, last) as usize;
        edge(low[axis].floor())..edge(high[axis].ceil()) + 1
    };
    (range(0, nx), range(1, ny), outside(0, nx) || outside(1, ny))
}

/// The position at a distance \[arcsec\] in a direction [rad, east of north].
fn offset(from: Position, bearing: f64, arcsec: f64) -> Option<Position> {
    let (sin_dec, cos_dec) = from.dec().to_radians().sin_cos();
    let (sin, cos) = (arcsec / 3600.0).to_radians().sin_cos();
    let north = cos_dec * cos - sin_dec * sin * bearing.cos();
    let east = sin * bearing.sin();
    let up = sin_dec * cos + cos_dec * sin * bearing.cos();
    let ra = (from.ra() + east.atan2(north).to_degrees()).rem_euclid(360.0);
    Position::new(ra, up.atan2(east.hypot(north)).to_degrees()).ok()
}

/// What the pixels of an aperture hold in one plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaneSum {
    /// The plane.
    pub bin: Bin,
    /// Sum of the surface brightness [MJy/sr] of the pixels with data.
    pub sum: f64,
    /// Variance of that sum [(MJy/sr)^2].
    pub variance: f64,
    /// Pixels with data: surface brightness and variance are finite.
    pub pixels: usize,
    /// Sum of COUNT.
    pub count: u64,
    /// Flags that all contributions to the pixels with data had, 0 where there are none.
    pub and_mask: u32,
    /// Flags that any contribution had.
    pub or_mask: u32,
}

impl PlaneSum {
    fn nothing(bin: Bin) -> Self {
        Self { bin, sum: 0.0, variance: 0.0, pixels: 0, count: 0, and_mask: u32::MAX, or_mask: 0 }
    }

    /// Mean surface brightness [MJy/sr] and its error.
    pub fn mean(&self) -> Option<[f64; 2]> {
        let n = self.pixels as f64;
        (self.pixels > 0).then(|| [self.sum / n, self.variance.sqrt() / n])
    }

    /// Sum and its error; times `factor`.
    pub fn total(&self, factor: f64) -> Option<[f64; 2]> {
        (self.pixels > 0).then(|| [self.sum * factor, self.variance.sqrt() * factor])
    }
}

/// The correlation of the errors of pixels that lie 0, 1, 2, ... pixels from each other along one
/// axis, by the kernel that a cube was made with: neighboring pixels share input pixels. Without
/// that knowledge, pixels are independent.
pub fn error_correlation(cube: &CubeFile) -> Vec<f64> {
    let primary = cube.primary();
    let options = || -> Option<(DrizzleOptions, f64)> {
        let kernel = primary.text("KERNEL").ok()?.parse().ok()?;
        let xy_shrink = primary.real("XYSHRINK").ok()?;
        let options = DrizzleOptions { kernel, xy_shrink, ..DrizzleOptions::default() };
        Some((options, 1.0 / primary.real("XYOVRSM").ok()?))
    };
    options().map_or_else(|| vec![1.0], |(options, ratio)| options.noise_correlation(ratio))
}

/// Sums each plane of a cube over an aperture, reading no more than the rows that it covers.
/// `correlation` is [`error_correlation`], or `[1.0]` for errors of independent pixels.
pub fn sum_planes(
    cube: &mut CubeFile,
    aperture: &CubeAperture,
    correlation: &[f64],
) -> Result<Vec<PlaneSum>, CubeFileError> {
    let axis: WavelengthGrid = cube.wavelengths().clone();
    axis.iter().enumerate().map(|(z, bin)| sum_plane(cube, aperture, (z, bin), correlation)).collect()
}

/// The variance of a sum over pixels with these errors, `[x, y]` and error, by y and then by x.
fn variance_of_sum(errors: &[([usize; 2], f64)], correlation: &[f64]) -> f64 {
    let mut variance = 0.0;
    for &([x, y], error) in errors {
        for (v, across) in (y..).zip(correlation) {
            // Those of the row that lie behind this pixel in the list and have something in common
            // with it.
            let first = if v == y { x } else { x.saturating_sub(correlation.len() - 1) };
            let begin = errors.partition_point(|([u, w], _)| (*w, *u) < (v, first));
            let near = errors[begin..].iter().take_while(|([u, w], _)| *w == v && *u < x + correlation.len());
            for &([u, w], other) in near {
                let twice = if (u, w) == (x, y) { 1.0 } else { 2.0 };
                variance += twice * error * other * correlation[u.abs_diff(x)] * across;
            }
        }
    }
    variance
}

fn sum_plane(
    cube: &mut CubeFile,
    aperture: &CubeAperture,
    (z, bin): (usize, Bin),
    correlation: &[f64],
) -> Result<PlaneSum, CubeFileError> {
    let science: Vec<f32> = pick(cube, aperture, CubeArray::Science, z)?;
    let variance: Vec<f32> = pick(cube, aperture, CubeArray::Variance, z)?;
    let and_mask: Vec<u32> = pick(cube, aperture, CubeArray::AndMask, z)?;
    let or_mask: Vec<u32> = pick(cube, aperture, CubeArray::OrMask, z)?;
    let count: Vec<u16> = pick(cube, aperture, CubeArray::Count, z)?;
    let mut sum = PlaneSum::nothing(bin);
    let mut errors = Vec::new();
    for k in 0..science.len() {
        sum.or_mask |= or_mask[k];
        sum.count += u64::from(count[k]);
        if science[k].is_finite() && variance[k].is_finite() {
            sum.sum += f64::from(science[k]);
            errors.push((aperture.pixels[k], f64::from(variance[k]).sqrt()));
            sum.and_mask &= and_mask[k];
            sum.pixels += 1;
        }
    }
    if sum.pixels == 0 {
        sum.and_mask = 0;
    }
    sum.variance = variance_of_sum(&errors, correlation);
    Ok(sum)
}

/// The values of the aperture's pixels.
fn pick<T: FitsNumber>(
    cube: &mut CubeFile,
    aperture: &CubeAperture,
    array: CubeArray,
    z: usize,
) -> Result<Vec<T>, CubeFileError> {
    let rows = aperture.rows();
    let (first, nx) = (rows.start, cube.shape()[2]);
    let values: Vec<T> = cube.read(array, z, rows)?;
    Ok(aperture.pixels.iter().map(|&[x, y]| values[(y - first) * nx + x]).collect())
}

#[cfg(test)]
mod tests {
    use spx_core::sky::Rectangle;
    use spx_wcs::OutputGrid;

    use super::*;

    fn at(ra: f64, dec: f64) -> Position {
        Position::new(ra, dec).unwrap()
    }

    /// 41 x 31 pixels of 6.15".
    fn grid(ra: f64, dec: f64) -> OutputGrid {
        let scale = OutputGrid::NATIVE_SCALE;
        let region = Rectangle::new(at(ra, dec), 41.5 * scale / 60.0, 31.5 * scale / 60.0).unwrap();
        OutputGrid::new(region, scale).unwrap()
    }

    #[test]
    fn without_radius_it_is_the_pixel_that_holds_the_position() {
        let grid = grid(10.0, 20.0);
        let wcs = grid.wcs();
        for (x, y, pixel) in [(20.0, 15.0, [20, 15]), (3.49, 7.51, [3, 8]), (-0.49, 30.49, [0, 30])] {
            let [ra, dec] = wcs.pixel_to_sky(x, y);
            let aperture = CubeAperture::new(wcs, grid.shape(), at(ra, dec), None).unwrap();
            assert_eq!(aperture.pixels, [pixel]);
            assert!((aperture.pixel_area - 6.15 * 6.15).abs() < 1e-4, "{}", aperture.pixel_area);
        }
        for (x, y) in [(-0.51, 3.0), (3.0, -0.51), (40.51, 3.0), (3.0, 30.51)] {
            let [ra, dec] = wcs.pixel_to_sky(x, y);
            assert_eq!(CubeAperture::new(wcs, grid.shape(), at(ra, dec), None), Err(ApertureMiss::Outside));
        }
        assert_eq!(CubeAperture::new(wcs, grid.shape(), at(190.0, -20.0), None), Err(ApertureMiss::Outside));
    }

    /// The box must lose no pixel: the same circles found by trying every pixel.
    #[test]
    fn circles_hold_every_pixel_within_the_radius() {
        for (ra, dec) in [(10.0, 20.0), (0.001, -45.0), (123.0, 89.99), (50.0, 90.0)] {
            let grid = grid(ra, dec);
            let (wcs, [ny, nx]) = (grid.wcs(), grid.shape());
            for (x, y, radius) in
                [(20.0, 15.0, 6.2), (3.3, 7.7, 40.0), (39.0, 1.0, 100.0), (20.2, 15.1, 2000.0)]
            {
                let [ra, dec] = wcs.pixel_to_sky(x, y);
                let aperture = CubeAperture::new(wcs, grid.shape(), at(ra, dec), Some(radius)).unwrap();
                let distance = |x: usize, y: usize| {
                    let [ra2, dec2] = wcs.pixel_to_sky(x as f64, y as f64);
                    at(ra2, dec2).separation(at(ra, dec)) * 3600.0
                };
                let all = (0..ny).flat_map(|y| (0..nx).map(move |x| [x, y]));
                let expected: Vec<_> = all.filter(|&[x, y]| distance(x, y) <= radius).collect();
                assert_eq!(aperture.pixels, expected, "{ra} {dec} {radius}");
                assert_eq!(aperture.clipped, radius > 30.0, "{ra} {dec} {radius}");
            }
        }
    }

    #[test]
    fn a_circle_between_the_centers_holds_none() {
        let grid = grid(10.0, 20.0);
        let [ra, dec] = grid.wcs().pixel_to_sky(20.5, 15.5);
        assert_eq!(
            CubeAperture::new(grid.wcs(), grid.shape(), at(ra, dec), Some(1.0)),
            Err(ApertureMiss::NoCenter)
        );
    }

    /// A block of n x n pixels of the bilinear kernel is noisier than independent ones by 1 + (n -
    /// 1) / (2 n).
    #[test]
    fn errors_of_blocks_are_correlated() {
        let correlation = DrizzleOptions::default().noise_correlation(1.0);
        for n in [1, 2, 5, 8] {
            let errors: Vec<_> = (0..n * n).map(|k| ([7 + k % n, 3 + k / n], 0.5)).collect();
            let independent = variance_of_sum(&errors, &[1.0]);
            assert!((independent - 0.25 * (n * n) as f64).abs() < 1e-12);
            let factor = (variance_of_sum(&errors, &correlation) / independent).sqrt();
            let expected = 1.0 + (n as f64 - 1.0) / (2.0 * n as f64);
            assert!((factor / expected - 1.0).abs() < 1e-4, "{factor} for {expected}");
        }
    }

    #[test]
    fn means_and_totals() {
        let bin = Bin { min: 1.0, max: 1.1 };
        let sum = PlaneSum { sum: 6.0, variance: 9.0, pixels: 2, ..PlaneSum::nothing(bin) };
        assert_eq!(sum.mean(), Some([3.0, 1.5]));
        assert_eq!(sum.total(10.0), Some([60.0, 30.0]));
        assert_eq!(PlaneSum::nothing(bin).mean(), None);
        assert_eq!(PlaneSum::nothing(bin).total(1.0), None);
    }
}
