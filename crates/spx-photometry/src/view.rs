//! An image as photometry sees it: borrowed planes, what is to be subtracted, and the repair of
//! variances.
//!
//! Repair: a variance that is zero, negative, infinite or NaN is no measurement of noise. Such a
//! pixel, flagged or not, counts with the median of the positive finite variances of the image;
//! other pixels are untouched. (spxquery repairs NaN on flagged pixels alone, takes zero for no
//! noise, and lets infinite and negative variances through.)

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use spx_core::detector::Detector;
use spx_core::flags::FlagNames;
use spx_core::image::{Metadata, PlaneViews};
use spx_core::pixels::{Pixels, Stored};

use crate::PhotometryError;
use crate::median::median_positive;
use crate::noise::NoiseLaw;
use crate::tile::{PixelTile, TilePixel};

/// A modeled foreground to subtract.
#[derive(Debug, Clone, Copy)]
pub struct ForegroundModel<'a> {
    /// Its surface brightness [MJy/sr], of the shape of the image; where it is not finite, neither
    /// is the difference.
    pub model: Pixels<'a, f32>,
    /// It is multiplied by this.
    pub scale: f64,
}

/// The planes of an image, each row-major `[y][x]` of one shape, and what photometry must know of
/// it.
#[derive(Debug, Clone)]
pub struct ImageView<'a> {
    /// `[ny, nx]` of the whole image.
    pub shape: [usize; 2],
    /// Surface brightness [MJy/sr]; NaN occurs.
    pub image: Pixels<'a, f32>,
    /// Bits of the FLAGS plane.
    pub flags: Pixels<'a, i32>,
    /// Variance [(MJy/sr)^2]; NaN occurs.
    pub variance: Pixels<'a, f32>,
    /// What is to be subtracted.
    pub foreground: Option<ForegroundModel<'a>>,
    /// The names of the bits.
    pub flag_names: &'a FlagNames,
    /// Card PSF_FWHM \[arcsec\], if there is one.
    pub psf_fwhm: Option<f64>,
    /// TilePixel of the full frame of pixel (0, 0), `[x, y]`; zones of the PSF are counted there.
    pub parent_offset: [f64; 2],
}

impl<'a> ImageView<'a> {
    /// A spectral image, less `zodi_scale` times its zodiacal light.
    ///
    /// # Errors
    /// Where PSF_FWHM or CRPIXiA is no number.
    pub fn new(
        metadata: &'a Metadata,
        planes: PlaneViews<'a>,
        zodi_scale: Option<f64>,
    ) -> Result<Self, PhotometryError> {
        Ok(Self {
            shape: metadata.shape,
            image: planes.image,
            flags: planes.flags,
            variance: planes.variance,
            foreground: zodi_scale.map(|scale| ForegroundModel { model: planes.zodi, scale }),
            flag_names: &metadata.flag_names,
            psf_fwhm: metadata.header.optional_real("PSF_FWHM")?,
            parent_offset: metadata.parent_offset()?,
        })
    }
}

/// How a region around a source lies beyond the pixels of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegionBeyond {
    /// It reaches beyond them.
    pub clipped: bool,
    /// Some of what is missing was on the detector, and was cut off.
    pub cut: bool,
}

impl ImageView<'_> {
    /// How the rectangle between two corners `[x, y]` \[px, 0-based, integers at pixel centers\]
    /// lies beyond the image; `cut` by the place of the image on the full frame.
    pub fn beyond(&self, low: [f64; 2], high: [f64; 2]) -> RegionBeyond {
        let [ny, nx] = self.shape;
        let mut beyond = RegionBeyond::default();
        for (k, pixels) in [nx, ny].into_iter().enumerate() {
            let (end, offset) = (pixels as f64 - 0.5, self.parent_offset[k]);
            let (before, behind) = (low[k] < -0.5, high[k] > end);
            beyond.clipped |= before || behind;
            beyond.cut |= before && offset >= 0.5;
            beyond.cut |= behind && offset + end <= Detector::NPIX as f64 - 1.0;
        }
        beyond
    }
}

/// A view that was checked.
#[derive(Debug)]
pub(crate) struct CheckedImage<'a> {
    pub(crate) view: ImageView<'a>,
    pixels: PlaneStorage<'a>,
    /// What a repaired variance is; computed when one is needed, for the median of a full frame
    /// takes longer than the photometry of a source.
    median: OnceLock<f64>,
}

/// The planes of a view, all of them stored alike, so that the loops over pixels are compiled for
/// either way.
#[derive(Debug)]
enum PlaneStorage<'a> {
    Native(StoredPlanes<'a, f32, i32>),
    Fits(StoredPlanes<'a, [u8; 4], [u8; 4]>),
}

/// PlaneStorage with values of type `P` and flags of type `F`.
#[derive(Debug)]
struct StoredPlanes<'a, P: Clone, F: Clone> {
    nx: usize,
    image: Cow<'a, [P]>,
    flags: Cow<'a, [F]>,
    variance: Cow<'a, [P]>,
    /// This times `scale` is to be subtracted.
    model: Option<Cow<'a, [P]>>,
    scale: f64,
}

/// Pixels of a row, as they stand in the planes.
struct StoredRow<'a, P, F> {
    image: &'a [P],
    flags: &'a [F],
    variance: &'a [P],
    model: &'a [P],
    scale: f64,
}

/// A variance as it is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PixelVariance {
    /// As in the file.
    Given(f64),
    /// The median in place of an invalid one.
    Repaired(f64),
    /// Invalid, and there is no median.
    Missing,
}

impl<'a> CheckedImage<'a> {
    /// Checks lengths.
    pub(crate) fn new(view: ImageView<'a>) -> Result<Self, PhotometryError> {
        let [ny, nx] = view.shape;
        let model = view.foreground.map_or(view.image.len(), |f| f.model.len());
        let lengths = [
            ("image", view.image.len()),
            ("flags", view.flags.len()),
            ("variance", view.variance.len()),
            ("foreground", model),
        ];
        for (array, found) in lengths {
            if ny.checked_mul(nx) != Some(found) {
                return Err(PhotometryError::ArrayLength { array, found, ny, nx });
            }
        }
        let pixels = PlaneStorage::new(&view);
        Ok(Self { view, pixels, median: OnceLock::new() })
    }

    /// The values of a rectangle, row by row: surface brightness, the foreground subtracted
    /// [MJy/sr]; NaN where the pixel has one of the flags `excluded`. They need not be finite.
    pub(crate) fn copy_values(&self, [columns, rows]: &[Range<usize>; 2], excluded: u32, to: &mut [f64]) {
        let arch = pulp::Arch::new();
        match &self.pixels {
            PlaneStorage::Native(planes) => arch.dispatch(CopyValues { planes, columns, rows, excluded, to }),
            PlaneStorage::Fits(planes) => arch.dispatch(CopyValues { planes, columns, rows, excluded, to }),
        }
    }

    /// The pixels of a rectangle with all that is known of them.
    pub(crate) fn copy(&self, rectangle: [Range<usize>; 2], to: &mut PixelTile) {
        match &self.pixels {
            PlaneStorage::Native(planes) => planes.copy(rectangle, to),
            PlaneStorage::Fits(planes) => planes.copy(rectangle, to),
        }
    }

    /// The foreground that was subtracted from a pixel [MJy/sr].
    pub(crate) fn foreground(&self, x: usize, y: usize) -> f64 {
        let at = y * self.view.shape[1] + x;
        self.view.foreground.map_or(0.0, |f| f.scale * f64::from(f.model.get(at)))
    }

    /// The noise law of the pixels without any of the flags `bad`.
    pub(crate) fn noise_law(&self, bad: u32) -> Option<NoiseLaw> {
        let ImageView { image, flags, variance, .. } = &self.view;
        NoiseLaw::fit(image.len(), |at| {
            let good = flags.get(at).cast_unsigned() & bad == 0;
            good.then(|| [f64::from(image.get(at)), f64::from(variance.get(at))])
        })
    }

    /// A variance of the file as it is used [(MJy/sr)^2].
    pub(crate) fn repaired(&self, variance: f32) -> PixelVariance {
        if is_valid(variance) {
            return PixelVariance::Given(f64::from(variance));
        }
        let median = *self.median.get_or_init(|| median_positive(self.view.variance));
        if median.is_nan() { PixelVariance::Missing } else { PixelVariance::Repaired(median) }
    }
}

impl<'a> PlaneStorage<'a> {
    /// PlaneStorage that are stored differently are copied into memory.
    fn new(view: &ImageView<'a>) -> Self {
        let (nx, scale) = (view.shape[1], view.foreground.map_or(0.0, |f| f.scale));
        let model = view.foreground.map(|f| f.model);
        match (view.image, view.flags, view.variance, model) {
            (
                Pixels::Fits(image),
                Pixels::Fits(flags),
                Pixels::Fits(variance),
                None | Some(Pixels::Fits(_)),
            ) => {
                let model = model.and_then(|m| if let Pixels::Fits(m) = m { Some(m.into()) } else { None });
                let (image, flags, variance) = (image.into(), flags.into(), variance.into());
                Self::Fits(StoredPlanes { nx, image, flags, variance, model, scale })
            }
            (image, flags, variance, model) => Self::Native(StoredPlanes {
                nx,
                image: image.to_native(),
                flags: flags.to_native(),
                variance: variance.to_native(),
                model: model.map(|m| m.to_native()),
                scale,
            }),
        }
    }
}

impl<P: Stored<f32> + Default, F: Stored<i32> + Default> StoredPlanes<'_, P, F> {
    /// The pixels of some columns of a row. Nothing else reads the planes around a source.
    #[inline(always)]
    fn row(&self, columns: &Range<usize>, y: usize) -> StoredRow<'_, P, F> {
        let pixels = y * self.nx + columns.start..y * self.nx + columns.end;
        let image = &self.image[pixels.clone()];
        // Without a foreground, nothing times the image is subtracted.
        let model = self.model.as_ref().map_or(image, |model| &model[pixels.clone()]);
        let (flags, variance) = (&self.flags[pixels.clone()], &self.variance[pixels]);
        StoredRow { image, flags, variance, model, scale: self.scale }
    }

    /// Brings a rectangle into the processor's cache, by looking at one value of each of its lines:
    /// without any work between them, many are on their way at a time. Changes nothing.
    #[inline(always)]
    fn fetch(&self, columns: &Range<usize>, rows: &Range<usize>) {
        const LINE: usize = 64 / size_of::<f32>();
        let mut seen = 0u32;
        for y in rows.clone() {
            let StoredRow { image, flags, model, .. } = self.row(columns, y);
            for at in (0..image.len()).step_by(LINE).chain(image.len().checked_sub(1)) {
                seen ^= image[at].value().to_bits() ^ model[at].value().to_bits();
                seen ^= flags[at].value().cast_unsigned();
            }
        }
        std::hint::black_box(seen);
    }

    fn copy(&self, [columns, rows]: [Range<usize>; 2], to: &mut PixelTile) {
        to.pixels.clear();
        for y in rows.clone() {
            let row = self.row(&columns, y);
            to.pixels.extend((0..columns.len()).map(|k| TilePixel {
                value: row.value(k),
                flags: row.flags[k].value().cast_unsigned(),
                variance: row.variance[k].value(),
            }));
        }
        (to.columns, to.rows) = (columns, rows);
    }
}

impl<P: Stored<f32> + Default, F: Stored<i32> + Default> StoredRow<'_, P, F> {
    /// Surface brightness of pixel `k`, the foreground subtracted [MJy/sr].
    fn value(&self, k: usize) -> f64 {
        f64::from(self.image[k].value()) - self.scale * f64::from(self.model[k].value())
    }

    /// The same of all pixels; NaN where a pixel has one of the flags `excluded`.
    #[inline(always)]
    fn copy_values<S: pulp::Simd>(&self, simd: S, excluded: u32, to: &mut [f64]) {
        let Self { image, model, flags, .. } = *self;
        let Some(last) = to.len().checked_sub(LANES) else {
            let mut all = [0.0; LANES];
            self.copy_chunk(simd, [&filled(image), &filled(model)], &filled(flags), excluded, &mut all);
            return to.copy_from_slice(&all[..to.len()]);
        };
        let (images, models, sets) = (image.as_chunks().0, model.as_chunks().0, flags.as_chunks().0);
        for (((to, image), model), flags) in to.as_chunks_mut().0.iter_mut().zip(images).zip(models).zip(sets)
        {
            self.copy_chunk(simd, [image, model], flags, excluded, to);
        }
        // The rest together with some before it.
        let rest = (image[last..].first_chunk(), model[last..].first_chunk(), flags[last..].first_chunk());
        if let ((Some(image), Some(model), Some(flags)), Some(to)) = (rest, to[last..].first_chunk_mut()) {
            self.copy_chunk(simd, [image, model], flags, excluded, to);
        }
    }

    #[inline(always)]
    fn copy_chunk<S: pulp::Simd>(
        &self,
        simd: S,
        [image, model]: [&[P; LANES]; 2],
        flags: &[F; LANES],
        excluded: u32,
        to: &mut [f64; LANES],
    ) {
        let (mut images, mut models, mut bits) = ([0.0; LANES], [0.0; LANES], [0; LANES]);
        for k in 0..LANES {
            images[k] = f64::from(image[k].value());
            models[k] = f64::from(model[k].value());
            bits[k] = u64::from(flags[k].value().cast_unsigned() & excluded);
        }
        let (scale, nan, none) = (simd.splat_f64s(self.scale), simd.splat_f64s(f64::NAN), simd.splat_u64s(0));
        let planes =
            S::as_simd_f64s(&images).0.iter().zip(S::as_simd_f64s(&models).0).zip(S::as_simd_u64s(&bits).0);
        for (to, ((&image, &model), &bits)) in S::as_mut_simd_f64s(to).0.iter_mut().zip(planes) {
            let value = simd.sub_f64s(image, simd.mul_f64s(scale, model));
            *to = simd.select_f64s(simd.equal_u64s(bits, none), value, nan);
        }
    }
}

/// Pixels whose values are computed together.
const LANES: usize = 8;

/// Fewer values than [`LANES`], and zeros.
#[inline(always)]
fn filled<T: Copy + Default>(values: &[T]) -> [T; LANES] {
    let mut all = [T::default(); LANES];
    all[..values.len()].copy_from_slice(values);
    all
}

/// [`CheckedImage::copy_values`], compiled for several instruction sets.
struct CopyValues<'a, P: Clone, F: Clone> {
    planes: &'a StoredPlanes<'a, P, F>,
    columns: &'a Range<usize>,
    rows: &'a Range<usize>,
    excluded: u32,
    to: &'a mut [f64],
}

impl<P: Stored<f32> + Default, F: Stored<i32> + Default> pulp::WithSimd for CopyValues<'_, P, F> {
    type Output = ();

    // What is not inlined here is compiled for the oldest instruction set.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { planes, columns, rows, excluded, to } = self;
        planes.fetch(columns, rows);
        for (y, to) in rows.clone().zip(to.chunks_exact_mut(columns.len().max(1))) {
            planes.row(columns, y).copy_values(simd, excluded, to);
        }
    }
}

/// Whether a variance is a measurement of noise.
fn is_valid(variance: f32) -> bool {
    variance > 0.0 && variance.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_repaired_one_by_one() {
        let names = FlagNames::default();
        let variance = [f32::NAN, 1.0, 2.0, 4.0, 8.0, 0.0, -2.0, f32::INFINITY];
        let view = |variance: &'static [f32; 8]| ImageView {
            shape: [2, 4],
            image: Pixels::Native(&[1.0; 8]),
            flags: Pixels::Native(&[0; 8]),
            variance: Pixels::Native(variance),
            foreground: None,
            flag_names: &names,
            psf_fwhm: None,
            parent_offset: [0.0; 2],
        };
        let checked =
            CheckedImage::new(view(&[f32::NAN, 1.0, 2.0, 4.0, 8.0, 0.0, -2.0, f32::INFINITY])).unwrap();
        for (given, used) in variance.into_iter().zip([3.0, 1.0, 2.0, 4.0, 8.0, 3.0, 3.0, 3.0]) {
            let expected = if f64::from(given) == used {
                PixelVariance::Given(used)
            } else {
                PixelVariance::Repaired(used)
            };
            assert_eq!(checked.repaired(given), expected);
        }
        let none = CheckedImage::new(view(&[f32::NAN; 8])).unwrap();
        assert_eq!(none.repaired(f32::NAN), PixelVariance::Missing);
    }

    #[test]
    fn arrays_must_have_the_shape() {
        let names = FlagNames::default();
        let foreground = Some(ForegroundModel { model: Pixels::Native(&[0.0; 3]), scale: 1.0 });
        let view = ImageView {
            shape: [2, 2],
            image: Pixels::Native(&[0.0; 4]),
            flags: Pixels::Native(&[0; 4]),
            variance: Pixels::Native(&[1.0; 4]),
            foreground,
            flag_names: &names,
            psf_fwhm: None,
            parent_offset: [0.0; 2],
        };
        let error = CheckedImage::new(view).unwrap_err();
        assert_eq!(error.to_string(), "foreground holds 3 values, expected 2 x 2");
    }
}
