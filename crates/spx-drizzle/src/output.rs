//! The planes of a cube, computed from the running sums when they are asked for.

use rayon::prelude::*;

use crate::tile::SumTile;
use crate::voxel::Voxel;
use crate::{CubeData, Drizzler, ErrorMethod, FillValue, OptionalPlane, OutputPlanes, WavelengthGrid};

impl Drizzler {
    /// The tiles whose sums of a plane are here.
    pub(crate) fn tiles_held(&self, z: usize) -> impl Iterator<Item = &SumTile> {
        let tiles = self.tiles.iter().enumerate().filter(move |(tile, _)| match &self.part {
            None => true,
            Some(part) => part.contains(z, *tile),
        });
        tiles.map(|(_, tile)| tile)
    }

    pub(crate) fn fill<T: Copy>(&self, z: usize, out: &mut [T], empty: T, value: impl Fn(&Voxel) -> T) {
        let nx = self.plan.shape[1];
        for tile in self.tiles_held(z) {
            for y in tile.rows.clone() {
                let row = &mut out[y * nx + tile.columns.start..y * nx + tile.columns.end];
                match tile.row(y, z) {
                    Some(voxels) => row.iter_mut().zip(voxels).for_each(|(o, v)| *o = value(&v)),
                    None => row.fill(empty),
                }
            }
        }
    }

    /// As [`fill`](Self::fill), for voxels with data; the others stay as they are.
    fn update<T: Copy>(&self, z: usize, out: &mut [T], value: impl Fn(&Voxel) -> T) {
        let nx = self.plan.shape[1];
        for tile in self.tiles_held(z) {
            for y in tile.rows.clone() {
                let row = &mut out[y * nx + tile.columns.start..y * nx + tile.columns.end];
                for (out, voxel) in row.iter_mut().zip(tile.row(y, z).into_iter().flatten()) {
                    if voxel.mean.weight != 0.0 {
                        *out = value(&voxel);
                    }
                }
            }
        }
    }

    fn named_variance(&self, k: usize, z: usize, out: &mut [f32]) {
        let planes = &self.plan.planes;
        let sum = (k < planes.variances.len()).then(|| planes.first_variance_sum() + k);
        let exposures = planes.exposure_weight_sum();
        self.fill_ratio(sum, z, out, |voxel, sums| {
            let weight = exposures.map_or(voxel.mean.weight, |k| sums[k]);
            weight * weight
        });
    }

    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    fn exposure_time(&self, z: usize, out: &mut [f32]) {
        let Some(sum) = self.plan.planes.exposure_time_sum() else { return out.fill(f32::NAN) };
        let mut times = vec![0.0; out.len()];
        self.optional_sum(sum, z, &mut times);
        out.iter_mut().zip(times).for_each(|(out, time)| *out = time as f32);
    }

    fn error(&self, z: usize, out: &mut [f32]) {
        let planes = &self.plan.planes;
        match planes.error {
            None => out.fill(f32::NAN),
            Some(ErrorMethod::Resampled) => {
                self.fill_ratio(planes.mean_error_sum(), z, out, |voxel, _| voxel.mean.weight);
            }
            Some(ErrorMethod::FromVariances) => {
                if planes.variances.is_empty() {
                    self.variance(z, out);
                } else {
                    out.fill(0.0);
                    let mut variance = vec![0.0; out.len()];
                    for k in 0..planes.variances.len() {
                        self.named_variance(k, z, &mut variance);
                        out.iter_mut().zip(&variance).for_each(|(sum, v)| *sum += v);
                    }
                }
                out.iter_mut().for_each(|v| *v = v.sqrt());
            }
        }
    }

    /// An optional sum over what a voxel and its optional sums say; NaN where there is none.
    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    fn fill_ratio(
        &self,
        sum: Option<usize>,
        z: usize,
        out: &mut [f32],
        divisor: impl Fn(&Voxel, &[f64]) -> f64,
    ) {
        out.fill(f32::NAN);
        let (nx, sums, Some(sum)) = (self.plan.shape[1], self.plan.planes.sums(), sum) else { return };
        for tile in self.tiles_held(z) {
            for y in tile.rows.clone() {
                let row = &mut out[y * nx + tile.columns.start..y * nx + tile.columns.end];
                let (Some(voxels), Some(optional)) = (tile.row(y, z), tile.optional_row(y, z, sums)) else {
                    continue;
                };
                for ((out, voxel), sums) in row.iter_mut().zip(voxels).zip(optional.chunks_exact(sums)) {
                    if voxel.mean.weight != 0.0 {
                        *out = (sums[sum] / divisor(&voxel, sums)) as f32;
                    }
                }
            }
        }
    }
}

impl CubeData for Drizzler {
    fn shape(&self) -> [usize; 3] {
        self.plan.cube_shape()
    }

    fn wavelengths(&self) -> &WavelengthGrid {
        &self.plan.wavelengths
    }

    fn inputs_per_plane(&self) -> &[u32] {
        &self.inputs_per_plane
    }

    fn science(&self, z: usize, out: &mut [f32]) {
        match self.plan.options.fill {
            FillValue::NaN => self.fill(z, out, f32::NAN, Voxel::science),
            FillValue::Value(value) => {
                self.fill(z, out, value, |v| if v.mean.weight == 0.0 { value } else { v.science() });
            }
            FillValue::Keep => self.update(z, out, Voxel::science),
        }
    }

    fn variance(&self, z: usize, out: &mut [f32]) {
        if self.plan.planes.only_mean {
            return out.fill(f32::NAN);
        }
        self.fill(z, out, f32::NAN, Voxel::variance);
    }

    fn and_mask(&self, z: usize, out: &mut [u32]) {
        self.fill(z, out, 0, Voxel::and_mask);
    }

    fn or_mask(&self, z: usize, out: &mut [u32]) {
        self.fill(z, out, 0, |v| v.set);
    }

    fn count(&self, z: usize, out: &mut [u16]) {
        self.fill(z, out, 0, Voxel::saturated_count);
    }

    fn saturated(&self) -> u64 {
        self.tiles.par_iter().map(SumTile::saturated).sum()
    }

    fn planes(&self) -> Option<&OutputPlanes> {
        Some(&self.plan.planes)
    }

    fn optional(&self, plane: OptionalPlane, z: usize, out: &mut [f32]) {
        let planes = &self.plan.planes;
        match plane {
            OptionalPlane::Weight => self.fill(z, out, 0.0, Voxel::weight),
            OptionalPlane::Wavelength => {
                self.fill_ratio(planes.wavelength_sum(), z, out, |voxel, _| voxel.mean.weight);
            }
            OptionalPlane::Error => self.error(z, out),
            OptionalPlane::ExposureTime => self.exposure_time(z, out),
            OptionalPlane::PointSource => {
                self.fill_ratio(planes.point_source_sum(), z, out, |voxel, _| voxel.mean.weight);
            }
            OptionalPlane::NamedVariance(k) => self.named_variance(k, z, out),
        }
    }

    fn context_words(&self) -> usize {
        self.plan.context_words(self.exposures)
    }

    fn context(&self, word: usize, z: usize, out: &mut [u32]) {
        let nx = self.plan.shape[1];
        for tile in self.tiles_held(z) {
            for y in tile.rows.clone() {
                let row = &mut out[y * nx + tile.columns.start..y * nx + tile.columns.end];
                match tile.context_row(y, z, word) {
                    Some(bits) => row.copy_from_slice(bits),
                    None => row.fill(0),
                }
            }
        }
    }
}
