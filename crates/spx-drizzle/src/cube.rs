//! A finished cube: what its planes are, and the arrays themselves.

use ndarray::{Array3, Axis};

use crate::{OutputPlanes, WavelengthGrid};

/// Anything that has the planes of a cube: the running sums, which compute them when asked, or
/// arrays.
///
/// Every method that takes `out` fills it, one value for each pixel of plane `z`, row-major
/// `[y][x]`; planes may be asked for from several threads.
pub trait CubeData: Sync {
    /// `[nz, ny, nx]`.
    fn shape(&self) -> [usize; 3];
    /// The wavelength axis.
    fn wavelengths(&self) -> &WavelengthGrid;
    /// For each plane, the number of input images that contributed to it.
    fn inputs_per_plane(&self) -> &[u32];
    /// Weighted mean surface brightness [MJy/sr]; NaN where there are no data.
    fn science(&self, z: usize, out: &mut [f32]);
    /// Its variance [(MJy/sr)^2]; NaN where there are no data. Neighboring voxels are correlated,
    /// for they share input pixels.
    fn variance(&self, z: usize, out: &mut [f32]);
    /// Flags that all contributions had; 0 where there are none.
    fn and_mask(&self, z: usize, out: &mut [u32]);
    /// Flags that any contribution had.
    fn or_mask(&self, z: usize, out: &mut [u32]);
    /// Number of contributions, at most 65535.
    fn count(&self, z: usize, out: &mut [u16]);
    /// Voxels whose number of contributions exceeds 65535 and is therefore given as 65535.
    fn saturated(&self) -> u64;
    /// The planes that it has or has not; `None` where it has all but optional ones, and no
    /// weights.
    fn planes(&self) -> Option<&OutputPlanes> {
        None
    }
    /// An optional plane; NaN, in [`OptionalPlane::Weight`] and [`OptionalPlane::ExposureTime`] 0,
    /// where there are no data, and everywhere where the cube does not have it.
    fn optional(&self, plane: OptionalPlane, z: usize, out: &mut [f32]) {
        let _ = (plane, z);
        out.fill(f32::NAN);
    }
    /// Words of 32 bits that a voxel's context has; 0 where it is not kept.
    fn context_words(&self) -> usize {
        0
    }
    /// A word of the context: bit k stands for exposure 32 `word` + k.
    fn context(&self, word: usize, z: usize, out: &mut [u32]) {
        let _ = (word, z);
        out.fill(0);
    }
}

impl dyn CubeData + '_ {
    /// Number of exposures that contributed, by the context, at most 65535; 0 where that is not
    /// kept.
    pub fn exposures(&self, z: usize, out: &mut [u16]) {
        out.fill(0);
        let mut context = vec![0u32; out.len()];
        for word in 0..self.context_words() {
            self.context(word, z, &mut context);
            for (count, bits) in out.iter_mut().zip(&context) {
                *count = count.saturating_add(u16::try_from(bits.count_ones()).unwrap_or(u16::MAX));
            }
        }
    }
}

/// A plane that not every cube has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionalPlane {
    /// Sum of the weights.
    Weight,
    /// Mean wavelength \[um\].
    Wavelength,
    /// Error, by [`OutputPlanes::error`] \[MJy/sr\].
    Error,
    /// For how long the exposures have seen what the voxel holds \[s\]: the sum over all
    /// contributions of exposure time times share `f_xy f_z`, over what the shares of an exposure
    /// in an output pixel add up to on the mean. Over many exposures of random places it is the
    /// time of those that saw the voxel's piece of the sky in its wavelengths; flags and rejected
    /// pixels lower it. With gaussian and lanczos about.
    ExposureTime,
    /// What becomes of [`ExposureExtras::point_source`](crate::ExposureExtras): its mean with the
    /// weights of the flux.
    PointSource,
    /// The k-th of [`OutputPlanes::variances`] \[(MJy/sr)^2\].
    NamedVariance(usize),
}

/// A cube in memory, arrays `[z][y][x]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cube {
    /// The wavelength axis.
    pub wavelengths: WavelengthGrid,
    /// For each plane, the number of input images that contributed to it.
    pub inputs_per_plane: Vec<u32>,
    /// Surface brightness [MJy/sr], NaN = no data.
    pub science: Array3<f32>,
    /// Variance [(MJy/sr)^2], NaN = no data.
    pub variance: Array3<f32>,
    /// Flags that all contributions had.
    pub and_mask: Array3<u32>,
    /// Flags that any contribution had.
    pub or_mask: Array3<u32>,
    /// Number of contributions, at most 65535.
    pub count: Array3<u16>,
}

impl Cube {
    /// Copies the planes of any cube into arrays.
    pub fn from_data(data: &dyn CubeData) -> Self {
        Self {
            wavelengths: data.wavelengths().clone(),
            inputs_per_plane: data.inputs_per_plane().to_vec(),
            science: array(data.shape(), |z, out| data.science(z, out)),
            variance: array(data.shape(), |z, out| data.variance(z, out)),
            and_mask: array(data.shape(), |z, out| data.and_mask(z, out)),
            or_mask: array(data.shape(), |z, out| data.or_mask(z, out)),
            count: array(data.shape(), |z, out| data.count(z, out)),
        }
    }
}

pub(crate) fn array<T: Clone + Default>(shape: [usize; 3], plane: impl Fn(usize, &mut [T])) -> Array3<T> {
    let mut cube = Array3::from_elem(shape, T::default());
    for (z, mut slice) in cube.axis_iter_mut(Axis(0)).enumerate() {
        if let Some(out) = slice.as_slice_mut() {
            plane(z, out);
        }
    }
    cube
}

impl CubeData for Cube {
    fn shape(&self) -> [usize; 3] {
        let (nz, ny, nx) = self.science.dim();
        [nz, ny, nx]
    }

    fn wavelengths(&self) -> &WavelengthGrid {
        &self.wavelengths
    }

    fn inputs_per_plane(&self) -> &[u32] {
        &self.inputs_per_plane
    }

    fn science(&self, z: usize, out: &mut [f32]) {
        copy_plane(&self.science, z, out);
    }

    fn variance(&self, z: usize, out: &mut [f32]) {
        copy_plane(&self.variance, z, out);
    }

    fn and_mask(&self, z: usize, out: &mut [u32]) {
        copy_plane(&self.and_mask, z, out);
    }

    fn or_mask(&self, z: usize, out: &mut [u32]) {
        copy_plane(&self.or_mask, z, out);
    }

    fn count(&self, z: usize, out: &mut [u16]) {
        copy_plane(&self.count, z, out);
    }

    fn saturated(&self) -> u64 {
        self.count.iter().filter(|&&n| n == u16::MAX).count() as u64
    }
}

fn copy_plane<T: Copy>(cube: &Array3<T>, z: usize, out: &mut [T]) {
    out.iter_mut().zip(cube.index_axis(Axis(0), z)).for_each(|(o, v)| *o = *v);
}
