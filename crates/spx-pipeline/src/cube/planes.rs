//! Planes of a cube for pictures: one array of one plane, or the mean of several planes.

use ndarray::{Array2, s};
use spx_drizzle::Bin;
use spx_drizzle::file::{CubeArray, CubeFile, CubeFileError, PlaneAxis};

/// What a picture of one plane shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaneQuantity {
    /// Surface brightness [MJy/sr]
    #[default]
    Sci,
    /// Its variance [(MJy/sr)^2]
    Variance,
    /// Its standard deviation [MJy/sr]
    Error,
    /// Surface brightness over its error
    Snr,
    /// Number of contributions
    Count,
}

/// Reads a plane as an image `[y][x]`; NaN = no data.
///
/// # Errors
/// Where the file cannot be read.
pub fn read_plane(
    cube: &mut CubeFile,
    quantity: PlaneQuantity,
    z: usize,
) -> Result<Array2<f32>, CubeFileError> {
    let [_, ny, nx] = cube.shape();
    Ok(image([ny, nx], read_rows(cube, quantity, z, 0..ny)?))
}

/// Reads rows of a plane, `[y][x]`; NaN = no data.
///
/// # Errors
/// Where the file cannot be read.
pub fn read_rows(
    cube: &mut CubeFile,
    quantity: PlaneQuantity,
    z: usize,
    rows: std::ops::Range<usize>,
) -> Result<Vec<f32>, CubeFileError> {
    let mut read = |array| cube.read::<f32>(array, z, rows.clone());
    Ok(match quantity {
        PlaneQuantity::Sci => read(CubeArray::Science)?,
        PlaneQuantity::Variance => read(CubeArray::Variance)?,
        PlaneQuantity::Error => read(CubeArray::Variance)?.into_iter().map(f32::sqrt).collect(),
        PlaneQuantity::Count => read(CubeArray::Count)?,
        PlaneQuantity::Snr => {
            let mut values = read(CubeArray::Science)?;
            values.iter_mut().zip(read(CubeArray::Variance)?).for_each(|(v, variance)| *v /= variance.sqrt());
            values
        }
    })
}

/// The mean surface brightness of several planes, weighted by inverse variance; NaN where none has
/// data.
///
/// # Errors
/// Where the file cannot be read.
pub fn mean_plane(cube: &mut CubeFile, planes: &[usize]) -> Result<Array2<f32>, CubeFileError> {
    let [_, ny, nx] = cube.shape();
    Ok(image([ny, nx], mean_rows(cube, planes, 0..ny)?))
}

/// Rows `[y][x]` of what [`mean_plane`] gives.
///
/// # Errors
/// Where the file cannot be read.
pub fn mean_rows(
    cube: &mut CubeFile,
    planes: &[usize],
    rows: std::ops::Range<usize>,
) -> Result<Vec<f32>, CubeFileError> {
    Ok(mean_map_rows(cube, planes, rows)?[0].clone())
}

/// The same, and their errors, for planes whose errors are independent.
///
/// # Errors
/// Where the file cannot be read.
pub fn mean_map_rows(
    cube: &mut CubeFile,
    planes: &[usize],
    rows: std::ops::Range<usize>,
) -> Result<[Vec<f32>; 2], CubeFileError> {
    let mut sums = vec![[0.0f64; 2]; rows.len() * cube.shape()[2]];
    for &z in planes {
        let science: Vec<f32> = cube.read(CubeArray::Science, z, rows.clone())?;
        let variance: Vec<f32> = cube.read(CubeArray::Variance, z, rows.clone())?;
        for ((sum, flux), variance) in sums.iter_mut().zip(science).zip(variance) {
            if flux.is_finite() && variance.is_finite() && variance > 0.0 {
                let weight = 1.0 / f64::from(variance);
                *sum = [sum[0] + weight * f64::from(flux), sum[1] + weight];
            }
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounded to the type of a plane")]
    let rounded = |value: &dyn Fn([f64; 2]) -> f64| sums.iter().map(|sum| value(*sum) as f32).collect();
    Ok([
        rounded(&|[flux, weight]| flux / weight),
        rounded(&|[_, weight]| if weight > 0.0 { (1.0 / weight).sqrt() } else { f64::NAN }),
    ])
}

/// Values `[y][x]` as an image.
pub(super) fn image([ny, nx]: [usize; 2], values: Vec<f32>) -> Array2<f32> {
    // There is one value for each pixel, so the shape always fits.
    Array2::from_shape_vec((ny, nx), values).unwrap_or_default()
}

/// An image whose pixels are the means of `factor` x `factor` pixels of another, of those that are
/// finite; the last ones may cover fewer.
pub fn shrunk(image: &Array2<f32>, factor: usize) -> Array2<f32> {
    let (ny, nx) = image.dim();
    Array2::from_shape_fn((ny.div_ceil(factor), nx.div_ceil(factor)), |(y, x)| {
        let (top, right) = (((y + 1) * factor).min(ny), ((x + 1) * factor).min(nx));
        let block = image.slice(s![y * factor..top, x * factor..right]);
        let finite = block.iter().filter(|v| v.is_finite());
        let (sum, n) = finite.fold((0.0, 0.0), |(sum, n), v| (sum + f64::from(*v), n + 1.0));
        #[expect(clippy::cast_possible_truncation, reason = "rounded to the type of a plane")]
        let mean = (sum / n) as f32;
        mean
    })
}

impl PlaneQuantity {
    /// All of them, with the names by which they are chosen.
    pub const NAMES: [(&str, Self); 5] = [
        ("sci", Self::Sci),
        ("variance", Self::Variance),
        ("error", Self::Error),
        ("snr", Self::Snr),
        ("count", Self::Count),
    ];
}

impl std::str::FromStr for PlaneQuantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::NAMES.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, quantity)| quantity).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| name).join(", ");
            format!("unknown quantity `{text}`: expected one of {names}")
        })
    }
}

/// A range of wavelengths \[um\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WavelengthRange {
    /// Lower end.
    pub min: f64,
    /// Upper end.
    pub max: f64,
}

/// `1.998–2.046`.
impl std::fmt::Display for WavelengthRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3}–{:.3}", self.min, self.max)
    }
}

impl WavelengthRange {
    /// The planes whose centers lie in the range, the upper end excluded; where there are none,
    /// those that overlap it. They may be without data.
    pub fn planes(self, axis: &PlaneAxis) -> Vec<usize> {
        let pick = |test: &dyn Fn(Bin) -> bool| -> Vec<usize> {
            axis.iter().enumerate().filter(|(_, bin)| test(*bin)).map(|(z, _)| z).collect()
        };
        let centered = pick(&|bin| (self.min..self.max).contains(&bin.center()));
        if centered.is_empty() { pick(&|bin| bin.min < self.max && self.min < bin.max) } else { centered }
    }

    /// The thirds of a cube's range, in order of wavelength.
    pub fn thirds(axis: &PlaneAxis) -> [Self; 3] {
        let (lower, width) = (axis.lower(), (axis.upper() - axis.lower()) / 3.0);
        [0.0, 1.0, 2.0].map(|k| Self { min: lower + k * width, max: lower + (k + 1.0) * width })
    }
}

/// Thirds of the planes that some image contributed to, in order of wavelength; where these are
/// fewer than three, thirds share planes. `None` where there is no such plane.
pub fn thirds_with_data(cube: &CubeFile) -> Option<[Vec<usize>; 3]> {
    let planes = planes_with_data(cube.inputs_per_plane());
    (!planes.is_empty()).then(|| split_in_three(&planes))
}

fn split_in_three(planes: &[usize]) -> [Vec<usize>; 3] {
    let n = planes.len();
    [0, 1, 2].map(|k| planes[k * n / 3..((k + 1) * n / 3).max(k * n / 3 + 1)].to_vec())
}

/// Of the planes that are at least half as full as the fullest, the one nearest the middle of those
/// with data: in a cube of few images some planes hold a few pixels only. How full a plane is, some
/// of its rows tell.
///
/// # Errors
/// Where the file cannot be read.
pub fn middle_plane(cube: &mut CubeFile) -> Result<usize, CubeFileError> {
    const ROWS: usize = 32;
    let [_, ny, _] = cube.shape();
    let planes = planes_with_data(cube.inputs_per_plane());
    let middle = planes.get(planes.len() / 2).copied().unwrap_or(cube.wavelengths().bins() / 2);
    let mut filled = Vec::with_capacity(planes.len());
    for z in planes {
        let mut pixels = 0;
        for y in (0..ny).step_by(ny.div_ceil(ROWS).max(1)) {
            let row = read_rows(cube, PlaneQuantity::Sci, z, y..y + 1)?;
            pixels += row.iter().filter(|v| v.is_finite()).count();
        }
        filled.push((z, pixels));
    }
    let most = filled.iter().map(|(_, pixels)| *pixels).max().unwrap_or(0);
    let full = filled.into_iter().filter(|(_, pixels)| 2 * pixels >= most).map(|(z, _)| z);
    Ok(full.min_by_key(|z| z.abs_diff(middle)).unwrap_or(middle))
}

/// The planes to which some image contributed.
fn planes_with_data(images: &[u32]) -> Vec<usize> {
    images.iter().enumerate().filter(|(_, images)| **images > 0).map(|(z, _)| z).collect()
}

/// The plane that holds a wavelength, the upper edge of the last plane included; where those of two
/// detectors do, the first.
pub fn plane_at(axis: &PlaneAxis, wavelength: f64) -> Option<usize> {
    if wavelength == axis.upper() {
        return Some(axis.bins() - 1);
    }
    axis.iter().position(|bin| (bin.min..bin.max).contains(&wavelength))
}

#[cfg(test)]
mod tests {
    use spx_drizzle::WavelengthGrid;

    use super::*;

    fn custom(edges: &[f64]) -> PlaneAxis {
        PlaneAxis::of_grid(&WavelengthGrid::custom(edges.to_vec()).unwrap(), None)
    }

    fn axis() -> PlaneAxis {
        custom(&[1.0, 1.1, 1.3, 1.6, 2.0])
    }

    #[test]
    fn ranges_take_planes_by_their_centers() {
        let planes = |min, max| WavelengthRange { min, max }.planes(&axis());
        assert_eq!(planes(1.0, 2.0), [0, 1, 2, 3]);
        assert_eq!(planes(1.2, 1.45), [1], "1.45 is the center of plane 2 and the excluded end");
        assert_eq!(planes(1.25, 1.35), [1, 2], "no center, so what overlaps");
        assert_eq!(planes(1.31, 1.32), [2]);
        assert!(planes(2.0, 2.5).is_empty());
        assert!(planes(0.1, 1.0).is_empty());
    }

    #[test]
    fn thirds_share_all_planes_of_a_detector() {
        for detector in spx_core::detector::Detector::ALL {
            let axis = PlaneAxis::of_grid(&WavelengthGrid::native(detector), Some(detector));
            let mut all: Vec<usize> =
                WavelengthRange::thirds(&axis).iter().flat_map(|r| r.planes(&axis)).collect();
            all.sort_unstable();
            assert_eq!(all, (0..17).collect::<Vec<_>>(), "{detector}");
        }
    }

    #[test]
    fn one_plane_makes_all_three_colors() {
        let axis = custom(&[1.0, 2.0]);
        for range in WavelengthRange::thirds(&axis) {
            assert_eq!(range.planes(&axis), [0]);
        }
    }

    #[test]
    fn images_shrink_by_means_of_what_is_finite() {
        let nan = f32::NAN;
        let image = ndarray::array![[1.0, 3.0, 7.0], [5.0, nan, nan], [nan, nan, 2.0]];
        let small = shrunk(&image, 2);
        assert_eq!(small.dim(), (2, 2));
        assert_eq!([small[[0, 0]], small[[0, 1]], small[[1, 1]]], [3.0, 7.0, 2.0]);
        assert!(small[[1, 0]].is_nan());
        assert_eq!(shrunk(&image, 1)[[0, 1]], 3.0);
    }

    #[test]
    fn planes_are_cut_in_three() {
        assert_eq!(split_in_three(&[2, 3, 5, 7, 8]), [vec![2], vec![3, 5], vec![7, 8]]);
        assert_eq!(split_in_three(&[4, 6]), [[4], [4], [6]]);
        assert_eq!(split_in_three(&[4]), [[4], [4], [4]]);
        assert_eq!(planes_with_data(&[0, 2, 0, 1]), [1, 3]);
    }

    #[test]
    fn planes_hold_their_lower_edges() {
        for (wavelength, plane) in
            [(1.0, Some(0)), (1.1, Some(1)), (2.0, Some(3)), (0.99, None), (2.01, None)]
        {
            assert_eq!(plane_at(&axis(), wavelength), plane, "{wavelength}");
        }
        assert_eq!(plane_at(&axis(), f64::NAN), None);
    }
}
