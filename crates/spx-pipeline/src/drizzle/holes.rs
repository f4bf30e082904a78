//! Holes: voxels without data among others that have some.

use rayon::prelude::*;
use spx_drizzle::CubeData;

/// Bad pixels alone leave 2 to 5 % of the voxels empty where exposures do not overlap.
const WORTH_A_WARNING: f64 = 0.1;

/// The share of empty voxels within what the exposures cover, over all planes; `None` where they
/// cover nothing.
///
/// A voxel is within where at least 5 of its 8 neighbors in the plane have data, or it has some
/// itself.
pub(super) fn share_of_holes(cube: &dyn CubeData) -> Option<f64> {
    let [nz, ny, nx] = cube.shape();
    let planes = (0..nz).into_par_iter().map(|z| {
        let mut count = vec![0; ny * nx];
        cube.count(z, &mut count);
        let has = |x: usize, y: usize| count[y * nx + x] > 0;
        let (mut holes, mut filled) = (0_u64, 0_u64);
        for (y, x) in (0..ny).flat_map(|y| (0..nx).map(move |x| (y, x))) {
            if has(x, y) {
                filled += 1;
                continue;
            }
            let around = |at: usize, n: usize| at.saturating_sub(1)..(at + 2).min(n);
            let neighbors = around(y, ny).flat_map(|y| around(x, nx).map(move |x| (x, y)));
            holes += u64::from(neighbors.filter(|&(x, y)| has(x, y)).count() >= 5);
        }
        [holes, filled]
    });
    let [holes, filled] = planes.reduce(|| [0; 2], |[a, b], [c, d]| [a + c, b + d]);
    (filled > 0).then(|| holes as f64 / (holes + filled) as f64)
}

/// What to do about them, where they are many.
pub(super) fn warning(share: f64) -> Option<String> {
    (share > WORTH_A_WARNING).then(|| {
        format!(
            "{:.0} % of the voxels that the exposures surround are empty: a smaller xy_oversample or z_oversample, a \
             larger xy_shrink, another kernel than point, or more exposures fill them",
            100.0 * share
        )
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use spx_drizzle::{Cube, WavelengthGrid};

    use super::*;

    fn cube(count: Array3<u16>) -> Cube {
        let shape = count.dim();
        Cube {
            wavelengths: WavelengthGrid::custom((0..=shape.0).map(|k| 1.0 + k as f64).collect()).unwrap(),
            inputs_per_plane: vec![1; shape.0],
            science: Array3::zeros(shape),
            variance: Array3::zeros(shape),
            and_mask: Array3::zeros(shape),
            or_mask: Array3::zeros(shape),
            count,
        }
    }

    #[test]
    fn holes_are_empty_voxels_within_data() {
        // The left half has data, but for two voxels, one of them at the border of the data.
        let mut count = Array3::zeros((2, 20, 20));
        count.slice_mut(ndarray::s![0, .., ..10]).fill(3);
        count[[0, 7, 4]] = 0;
        count[[0, 7, 9]] = 0;
        let share = share_of_holes(&cube(count)).unwrap();
        assert_eq!(share, 2.0 / 200.0);
        assert!(warning(share).is_none() && warning(0.3).unwrap().starts_with("30 % of the voxels"));
        assert_eq!(share_of_holes(&cube(Array3::zeros((1, 4, 4)))), None);
        let checkered = Array3::from_shape_fn((1, 20, 20), |(_, y, x)| u16::from((x + y) % 4 != 0));
        assert!(share_of_holes(&cube(checkered)).unwrap() > 0.2);
    }
}
