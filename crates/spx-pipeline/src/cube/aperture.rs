//! Spectra out of cubes: of one voxel column, or summed over a region of the sky, with a background
//! around it.

use std::ops::Range;

use spx_core::elementary::{atan2, cos, hypot, sin_cos};
use spx_core::fits::FitsNumber;
use spx_core::sky::Position;
use spx_drizzle::file::{CubeArray, CubeFile, CubeFileError};
use spx_drizzle::{Bin, DrizzleOptions};
use spx_wcs::CelestialWcs;

use super::region::{BackgroundRing, RegionShape, SkyRegion};
use crate::statistics::median;

/// The pixels of every plane that make a spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct CubeAperture {
    /// `[x, y]`, 0-based, by y and then by x; at least one.
    pub pixels: Vec<[usize; 2]>,
    /// Where the position lies, 0-based with integers at pixel centers.
    pub at: [f64; 2],
    /// Solid angle of a pixel there [arcsec^2].
    pub pixel_area: f64,
    /// True where a part of the region lies outside the image.
    pub clipped: bool,
    /// The pixels whose median is subtracted, ordered alike; `None` where nothing is to be
    /// subtracted.
    pub background: Option<Vec<[usize; 2]>>,
}

/// Why there is no aperture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApertureMiss {
    /// The position lies outside the image.
    Outside,
    /// No center of a pixel lies within the region.
    NoCenter,
    /// No center of a pixel lies within the ring of the background.
    NoBackground,
}

impl CubeAperture {
    /// The pixels of an image of shape `[ny, nx]` whose centers lie within a region, or of a point
    /// the pixel that it lies in. Of the pixels of the ring of the `background`, those that do not
    /// belong to the region are the background.
    ///
    /// # Errors
    /// Where the center lies outside the image, or no pixel's center in the region or in the ring.
    pub fn new(
        wcs: &CelestialWcs,
        shape: [usize; 2],
        region: &SkyRegion,
        background: Option<BackgroundRing>,
    ) -> Result<Self, ApertureMiss> {
        let [ny, nx] = shape;
        let at = wcs.sky_to_pixel(region.center).ok_or(ApertureMiss::Outside)?;
        let nearest =
            [index(at[0], nx).ok_or(ApertureMiss::Outside)?, index(at[1], ny).ok_or(ApertureMiss::Outside)?];
        let (pixels, clipped) = match region.shape {
            RegionShape::Pixel => (vec![nearest], false),
            _ => inside(wcs, shape, region),
        };
        if pixels.is_empty() {
            return Err(ApertureMiss::NoCenter);
        }
        let pixel_area = wcs.pixel_area(at[0], at[1]);
        let ring = background.map(|ring| {
            let [inner, outer] = ring.outlines(region, pixel_area.sqrt());
            let mut found = inside(wcs, shape, &outer).0;
            found.retain(|&[x, y]| !holds(wcs, &inner, [x, y]) && !is_among(&pixels, [x, y]));
            found
        });
        if ring.as_ref().is_some_and(Vec::is_empty) {
            return Err(ApertureMiss::NoBackground);
        }
        Ok(Self { pixels, at, pixel_area, clipped, background: ring })
    }
}

/// The pixel of a side of `n` that a coordinate lies in.
fn index(coordinate: f64, n: usize) -> Option<usize> {
    let pixel = (coordinate + 0.5).floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to below n")]
    (pixel >= 0.0 && pixel < n as f64).then_some(pixel as usize)
}

/// The pixels whose centers lie in a region, and whether it reaches beyond the image.
fn inside(wcs: &CelestialWcs, [ny, nx]: [usize; 2], region: &SkyRegion) -> (Vec<[usize; 2]>, bool) {
    let (columns, rows, clipped) = enclosing_box(wcs, [ny, nx], region.center, region.reach());
    let mut pixels = Vec::new();
    for y in rows {
        pixels.extend(columns.clone().map(|x| [x, y]).filter(|at| holds(wcs, region, *at)));
    }
    (pixels, clipped)
}

/// Whether the center of a pixel lies in a region.
fn holds(wcs: &CelestialWcs, region: &SkyRegion, [x, y]: [usize; 2]) -> bool {
    let [ra, dec] = wcs.pixel_to_sky(x as f64, y as f64);
    Position::new(ra, dec).is_ok_and(|position| region.contains(position))
}

/// Whether a pixel is in a list that is ordered by y and then by x.
fn is_among(pixels: &[[usize; 2]], [x, y]: [usize; 2]) -> bool {
    pixels.binary_search_by_key(&[y, x], |[u, v]| [*v, *u]).is_ok()
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
    let around = radius / cos(std::f64::consts::PI / f64::from(POINTS));
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
    let (sin_dec, cos_dec) = sin_cos(from.dec().to_radians());
    let (sin, cos) = sin_cos((arcsec / 3600.0).to_radians());
    let (sin_bearing, cos_bearing) = sin_cos(bearing);
    let north = cos_dec * cos - sin_dec * sin * cos_bearing;
    let east = sin * sin_bearing;
    let up = sin_dec * cos + cos_dec * sin * cos_bearing;
    let ra = (from.ra() + atan2(east, north).to_degrees()).rem_euclid(360.0);
    Position::new(ra, atan2(up, hypot(east, north)).to_degrees()).ok()
}

/// What the pixels of an aperture hold in one plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaneSum {
    /// The plane.
    pub bin: Bin,
    /// Sum of the surface brightness [MJy/sr] of the pixels with data, without the background; NaN
    /// where a background is to be subtracted and none is known.
    pub sum: f64,
    /// Variance of that sum [(MJy/sr)^2].
    pub variance: f64,
    /// Median of the background's pixels and its error [MJy/sr].
    pub background: Option<[f64; 2]>,
    /// Pixels of the background with data.
    pub background_pixels: usize,
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
    pub(super) fn nothing(bin: Bin) -> Self {
        Self {
            bin,
            sum: 0.0,
            variance: 0.0,
            background: None,
            background_pixels: 0,
            pixels: 0,
            count: 0,
            and_mask: u32::MAX,
            or_mask: 0,
        }
    }

    /// Mean surface brightness [MJy/sr] and its error.
    pub fn mean(&self) -> Option<[f64; 2]> {
        self.total(1.0 / self.pixels as f64)
    }

    /// Sum and its error; times `factor`.
    pub fn total(&self, factor: f64) -> Option<[f64; 2]> {
        (self.pixels > 0 && self.sum.is_finite()).then(|| [self.sum * factor, self.variance.sqrt() * factor])
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
    let axis = cube.wavelengths().clone();
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
    let pixels = &aperture.pixels;
    let (science, variance) = values_and_variances(cube, pixels, z)?;
    let and_mask: Vec<u32> = pick(cube, pixels, CubeArray::AndMask, z)?;
    let or_mask: Vec<u32> = pick(cube, pixels, CubeArray::OrMask, z)?;
    let count: Vec<u16> = pick(cube, pixels, CubeArray::Count, z)?;
    let mut sum = PlaneSum::nothing(bin);
    let mut errors = Vec::new();
    for k in 0..science.len() {
        sum.or_mask |= or_mask[k];
        sum.count += u64::from(count[k]);
        if science[k].is_finite() && variance[k].is_finite() {
            sum.sum += f64::from(science[k]);
            errors.push((pixels[k], f64::from(variance[k]).sqrt()));
            sum.and_mask &= and_mask[k];
            sum.pixels += 1;
        }
    }
    if sum.pixels == 0 {
        sum.and_mask = 0;
    }
    sum.variance = variance_of_sum(&errors, correlation);
    if let Some(around) = &aperture.background {
        sum.subtract(background(cube, around, z, correlation)?);
    }
    Ok(sum)
}

impl PlaneSum {
    /// Takes the background off every pixel with data.
    fn subtract(&mut self, (level, pixels): (Option<[f64; 2]>, usize)) {
        (self.background, self.background_pixels) = (level, pixels);
        let n = self.pixels as f64;
        match level {
            Some([level, error]) => {
                self.sum -= n * level;
                self.variance += (n * error).powi(2);
            }
            None => self.sum = f64::NAN,
        }
    }
}

/// The median of the pixels with data and its error, and how many these are. The error is that of
/// the mean, with the correlation of the pixels, times sqrt(pi / 2), by which a median of normal
/// values is less certain.
fn background(
    cube: &mut CubeFile,
    pixels: &[[usize; 2]],
    z: usize,
    correlation: &[f64],
) -> Result<(Option<[f64; 2]>, usize), CubeFileError> {
    let (science, variance) = values_and_variances(cube, pixels, z)?;
    let finite = |k: &usize| science[*k].is_finite() && variance[*k].is_finite();
    let good: Vec<usize> = (0..science.len()).filter(finite).collect();
    let errors: Vec<_> = good.iter().map(|&k| (pixels[k], f64::from(variance[k]).sqrt())).collect();
    let mut values: Vec<f32> = good.iter().map(|&k| science[k]).collect();
    let of_mean = variance_of_sum(&errors, correlation).sqrt() / good.len() as f64;
    let level = median(&mut values).map(|level| [level, std::f64::consts::FRAC_PI_2.sqrt() * of_mean]);
    Ok((level, good.len()))
}

fn values_and_variances(
    cube: &mut CubeFile,
    pixels: &[[usize; 2]],
    z: usize,
) -> Result<(Vec<f32>, Vec<f32>), CubeFileError> {
    Ok((pick(cube, pixels, CubeArray::Science, z)?, pick(cube, pixels, CubeArray::Variance, z)?))
}

/// The values of pixels, which are ordered by y; at least one.
fn pick<T: FitsNumber>(
    cube: &mut CubeFile,
    pixels: &[[usize; 2]],
    array: CubeArray,
    z: usize,
) -> Result<Vec<T>, CubeFileError> {
    let (first, last) = (pixels[0][1], pixels[pixels.len() - 1][1]);
    let columns = || pixels.iter().map(|[x, _]| *x);
    let (left, right) = (columns().min().unwrap_or(0), columns().max().unwrap_or(0));
    let values: Vec<T> = cube.read_window(array, z, [first..last + 1, left..right + 1])?;
    Ok(pixels.iter().map(|&[x, y]| values[(y - first) * (right + 1 - left) + x - left]).collect())
}

#[cfg(test)]
mod tests {
    use spx_core::sky::Rectangle;
    use spx_wcs::OutputGrid;

    use spx_core::elementary::hypot;

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

    fn aperture_at(
        grid: &OutputGrid,
        position: Position,
        radius: Option<f64>,
    ) -> Result<CubeAperture, ApertureMiss> {
        let region = SkyRegion::around(position, radius).unwrap();
        CubeAperture::new(grid.wcs(), grid.shape(), &region, None)
    }

    /// The pixels of a ring do not belong to the region, whatever its shape; a ring beyond the
    /// image is an error.
    #[test]
    fn the_background_lies_around_the_region() {
        let grid = grid(10.0, 20.0);
        let [ra, dec] = grid.wcs().pixel_to_sky(20.0, 15.0);
        let shape = RegionShape::Ellipse([60.0, 20.0], 0.0);
        let region = SkyRegion::new(at(ra, dec), shape).unwrap();
        let aperture =
            CubeAperture::new(grid.wcs(), grid.shape(), &region, Some(BackgroundRing::Radii([25.0, 50.0])))
                .unwrap();
        let ring = aperture.background.unwrap();
        let far = |[x, y]: [usize; 2]| hypot(x as f64 - 20.0, y as f64 - 15.0) * 6.15;
        assert!(ring.iter().all(|at| (25.0..=50.0).contains(&far(*at)) && !aperture.pixels.contains(at)));
        let area =
            ring.len() + aperture.pixels.iter().filter(|at| (25.0..=50.0).contains(&far(**at))).count();
        let expected = std::f64::consts::PI * (50.0f64.powi(2) - 25.0f64.powi(2)) / 6.15f64.powi(2);
        assert!((area as f64 - expected).abs() < 0.06 * expected, "{area} {expected}");
        let beyond =
            CubeAperture::new(grid.wcs(), grid.shape(), &region, Some(BackgroundRing::Radii([500.0, 600.0])));
        assert_eq!(beyond, Err(ApertureMiss::NoBackground));
    }

    /// The area of the ring is that of the larger outline less the smaller, for every shape.
    #[test]
    fn a_ring_may_follow_the_shape_of_its_region() {
        let grid = grid(10.0, 20.0);
        let [ra, dec] = grid.wcs().pixel_to_sky(20.0, 15.0);
        let ring = |shape: RegionShape, times: [f64; 2]| {
            let region = SkyRegion::new(at(ra, dec), shape).unwrap();
            let ring = Some(BackgroundRing::Times(times));
            CubeAperture::new(grid.wcs(), grid.shape(), &region, ring).unwrap().background.unwrap()
        };
        let pi = std::f64::consts::PI;
        let corners = vec![[-33.0, -21.0], [31.0, -17.0], [5.0, 38.0]];
        for (shape, area) in [
            (RegionShape::Pixel, pi * 6.15 * 6.15),
            (RegionShape::Circle(20.0), pi * 400.0),
            (RegionShape::Ring([10.0, 20.0]), pi * 400.0),
            (RegionShape::Ellipse([35.0, 15.0], 40.0), pi * 35.0 * 15.0),
            (RegionShape::Box([60.0, 30.0], 20.0), 1800.0),
            (RegionShape::Polygon(corners), 1812.0),
        ] {
            let found = ring(shape.clone(), [1.5, 2.5]).len() as f64 * 6.15 * 6.15;
            let expected = area * (2.5 * 2.5 - 1.5 * 1.5);
            assert!((found - expected).abs() < 0.12 * expected + 40.0, "{shape:?}: {found} {expected}");
        }
        // Twice the region, twice the ring; a circle's ring is that of its radii.
        let wide = ring(RegionShape::Box([60.0, 20.0], 0.0), [1.5, 2.0]);
        let reach = |axis: usize, middle: f64| {
            wide.iter().map(|at| (at[axis] as f64 - middle).abs() * 6.15).fold(0.0, f64::max)
        };
        assert!((54.0..=60.0).contains(&reach(0, 20.0)) && (14.0..=20.0).contains(&reach(1, 15.0)));
        let region = SkyRegion::around(at(ra, dec), Some(20.0)).unwrap();
        let radii = Some(BackgroundRing::Radii([40.0, 80.0]));
        let by_radii = CubeAperture::new(grid.wcs(), grid.shape(), &region, radii).unwrap();
        assert_eq!(by_radii.background.unwrap(), ring(RegionShape::Circle(20.0), [2.0, 4.0]));
    }

    #[test]
    fn the_background_is_subtracted_from_every_pixel() {
        let bin = Bin { min: 1.0, max: 1.1 };
        let mut sum = PlaneSum { sum: 6.0, variance: 9.0, pixels: 4, ..PlaneSum::nothing(bin) };
        sum.subtract((Some([0.5, 1.0]), 30));
        assert_eq!((sum.total(1.0), sum.background_pixels), (Some([4.0, 5.0]), 30));
        sum.subtract((None, 0));
        assert_eq!(sum.total(1.0), None);
    }

    #[test]
    fn without_radius_it_is_the_pixel_that_holds_the_position() {
        let grid = grid(10.0, 20.0);
        let wcs = grid.wcs();
        for (x, y, pixel) in [(20.0, 15.0, [20, 15]), (3.49, 7.51, [3, 8]), (-0.49, 30.49, [0, 30])] {
            let [ra, dec] = wcs.pixel_to_sky(x, y);
            let aperture = aperture_at(&grid, at(ra, dec), None).unwrap();
            assert_eq!(aperture.pixels, [pixel]);
            assert!((aperture.pixel_area - 6.15 * 6.15).abs() < 1e-4, "{}", aperture.pixel_area);
        }
        for (x, y) in [(-0.51, 3.0), (3.0, -0.51), (40.51, 3.0), (3.0, 30.51)] {
            let [ra, dec] = wcs.pixel_to_sky(x, y);
            assert_eq!(aperture_at(&grid, at(ra, dec), None), Err(ApertureMiss::Outside));
        }
        assert_eq!(aperture_at(&grid, at(190.0, -20.0), None), Err(ApertureMiss::Outside));
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
                let aperture = aperture_at(&grid, at(ra, dec), Some(radius)).unwrap();
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
        assert_eq!(aperture_at(&grid, at(ra, dec), Some(1.0)), Err(ApertureMiss::NoCenter));
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
