//! An image as photometry sees it: borrowed planes, what is to be subtracted, and the repair of variances.
//!
//! Repair: files have NaN in VARIANCE on pixels that they flag. Such a pixel counts with the median of the
//! positive finite variances of the image. On a pixel without any flag an invalid variance is an error of the
//! image. Zero is valid. (spxquery repairs NaN alone and lets infinite and negative variances through.)

use std::ops::Range;
use std::sync::OnceLock;

use spx_core::flags::FlagNames;
use spx_core::image::SpectralImage;
use spx_core::pixels::{Pixels, Stored};

use crate::PhotometryError;

/// A modelled foreground to subtract.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Foreground<'a> {
    /// Its surface brightness [MJy/sr], of the shape of the image; where it is not finite, neither is the difference.
    pub model: &'a [f32],
    /// It is multiplied by this.
    pub scale: f64,
}

/// The planes of an image, each row-major `[y][x]` of one shape, and what photometry must know of it.
#[derive(Debug, Clone)]
pub struct ImageView<'a> {
    /// `[ny, nx]` of the whole image.
    pub shape: [usize; 2],
    /// The rows that the planes hold; `0..ny` where the image is whole in memory.
    pub rows: Range<usize>,
    /// Surface brightness [MJy/sr]; NaN occurs.
    pub image: &'a [f32],
    /// Bits of the FLAGS plane.
    pub flags: &'a [i32],
    /// Variance [(MJy/sr)^2]; NaN occurs on flagged pixels.
    pub variance: &'a [f32],
    /// What is to be subtracted.
    pub foreground: Option<Foreground<'a>>,
    /// The names of the bits.
    pub flag_names: &'a FlagNames,
    /// Card PSF_FWHM \[arcsec\], if there is one.
    pub psf_fwhm: Option<f64>,
    /// Pixel of the full frame of pixel (0, 0), `[x, y]`; zones of the PSF are counted there.
    pub parent_offset: [f64; 2],
    /// What a repaired variance is, where the caller knows the median of the whole image; `None` for the median of the
    /// rows in memory [(MJy/sr)^2].
    pub median_variance: Option<f64>,
}

impl<'a> ImageView<'a> {
    /// The rows of a spectral image that are in memory, less `zodi_scale` times its zodiacal light.
    ///
    /// # Errors
    /// Where PSF_FWHM or CRPIXiA is no number.
    pub fn new(image: &'a SpectralImage, zodi_scale: Option<f64>) -> Result<Self, PhotometryError> {
        let metadata = &image.metadata;
        Ok(Self {
            shape: metadata.shape,
            rows: image.rows.clone(),
            image: &image.planes.image,
            flags: &image.planes.flags,
            variance: &image.planes.variance,
            foreground: zodi_scale.map(|scale| Foreground { model: &image.planes.zodi, scale }),
            flag_names: &metadata.flag_names,
            psf_fwhm: metadata.header.optional_real("PSF_FWHM")?,
            parent_offset: metadata.parent_offset()?,
            median_variance: None,
        })
    }
}

/// A view that was checked.
#[derive(Debug)]
pub(crate) struct CheckedImage<'a> {
    pub(crate) view: ImageView<'a>,
    /// What a repaired variance is; computed when one is needed, for the median of a full frame takes longer than
    /// the photometry of a source.
    median: OnceLock<f64>,
}

/// A variance as it is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Variance {
    /// As in the file.
    Given(f64),
    /// The median in place of an invalid one.
    Repaired(f64),
    /// Invalid, and there is no median.
    Missing,
}

impl<'a> CheckedImage<'a> {
    /// Checks lengths and variances.
    pub(crate) fn new(view: ImageView<'a>) -> Result<Self, PhotometryError> {
        let [ny, nx] = [view.rows.len(), view.shape[1]];
        if view.rows.end > view.shape[0] {
            return Err(PhotometryError::Rows { rows: view.rows, ny: view.shape[0] });
        }
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
        let (flags, variance) = (Pixels::Native(view.flags), Pixels::Native(view.variance));
        check_variances(nx, view.rows.start, flags, variance)?;
        Ok(Self { view, median: OnceLock::new() })
    }

    /// Where the pixel of a column and a row, which must be in memory, stands in the planes.
    #[inline]
    pub(crate) fn index(&self, x: usize, y: usize) -> usize {
        (y - self.view.rows.start) * self.view.shape[1] + x
    }

    /// Surface brightness of the pixel at `at`, the foreground subtracted [MJy/sr].
    #[inline]
    pub(crate) fn value(&self, at: usize) -> f64 {
        let value = f64::from(self.view.image[at]);
        match self.view.foreground {
            Some(foreground) => value - foreground.scale * f64::from(foreground.model[at]),
            None => value,
        }
    }

    /// Flags and values, as [`value`](Self::value) has them, of the pixels of some columns of a row.
    #[inline]
    pub(crate) fn row(&self, columns: Range<usize>, y: usize) -> impl Iterator<Item = (u32, f64)> + '_ {
        let view = &self.view;
        let pixels = self.index(columns.start, y)..self.index(columns.end, y);
        // Without a foreground, what is subtracted is never looked at.
        let (model, scale) = view.foreground.map_or((view.image, None), |f| (f.model, Some(f.scale)));
        let planes = view.flags[pixels.clone()].iter().zip(&view.image[pixels.clone()]).zip(&model[pixels]);
        planes.map(move |((flags, image), model)| {
            let value = f64::from(*image);
            (flags.cast_unsigned(), scale.map_or(value, |scale| value - scale * f64::from(*model)))
        })
    }

    /// Flags of the pixel at `at`.
    #[inline]
    pub(crate) fn flags(&self, at: usize) -> u32 {
        self.view.flags[at].cast_unsigned()
    }

    /// Variance of the pixel at `at` [(MJy/sr)^2], as it stands in the file.
    pub(crate) fn raw_variance(&self, at: usize) -> f64 {
        f64::from(self.view.variance[at])
    }

    /// Variance of the pixel at `at` [(MJy/sr)^2], repaired.
    pub(crate) fn variance(&self, at: usize) -> Variance {
        let variance = self.view.variance[at];
        if is_valid(variance) {
            return Variance::Given(f64::from(variance));
        }
        let find = || self.view.median_variance.unwrap_or_else(|| median_positive(self.view.variance));
        let median = *self.median.get_or_init(find);
        if median.is_nan() { Variance::Missing } else { Variance::Repaired(median) }
    }
}

/// Sees whether every pixel without a flag has a variance that is finite and not negative, in rows of `nx` pixels of
/// which the first is row `first` of the image.
///
/// # Errors
/// [`PhotometryError::Variance`] with the number of those that have none and the place of the first.
pub fn check_variances(
    nx: usize,
    first: usize,
    flags: Pixels<'_, i32>,
    variance: Pixels<'_, f32>,
) -> Result<(), PhotometryError> {
    // Counting has no branch, so that several pixels are looked at in one step; the place is looked for only where it is
    // needed.
    let arch = pulp::Arch::new();
    let count = match (flags, variance) {
        (Pixels::Fits(flags), Pixels::Fits(variance)) => arch.dispatch(CountWrong { flags, variance }),
        (flags, variance) => {
            let (flags, variance) = (&*flags.to_native(), &*variance.to_native());
            arch.dispatch(CountWrong { flags, variance })
        }
    };
    if count == 0 {
        return Ok(());
    }
    let at = (0..flags.len()).find(|&at| is_wrong(flags.get(at), variance.get(at))).unwrap_or_default();
    Err(PhotometryError::Variance {
        count: count as usize,
        x: at % nx,
        y: first + at / nx,
        value: variance.get(at),
    })
}

/// Counts the pixels that are wrong, compiled for several instruction sets, of which the widest that the machine has is
/// run.
struct CountWrong<'a, F, V> {
    flags: &'a [F],
    variance: &'a [V],
}

impl<F: Stored<i32>, V: Stored<f32>> pulp::WithSimd for CountWrong<'_, F, V> {
    type Output = u32;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> u32 {
        self.flags.iter().zip(self.variance).map(|(f, v)| u32::from(is_wrong(f.value(), v.value()))).sum()
    }
}

#[inline(always)]
fn is_wrong(flags: i32, variance: f32) -> bool {
    (flags == 0) & !is_valid(variance)
}

#[inline(always)]
fn is_valid(variance: f32) -> bool {
    (0.0..f32::INFINITY).contains(&variance)
}

/// Median of the positive finite values, which is what an invalid variance is repaired with; NaN where there are none.
pub fn median_positive(values: &[f32]) -> f64 {
    let mut positive: Vec<f32> = values.iter().copied().filter(|&v| v > 0.0 && v.is_finite()).collect();
    let n = positive.len();
    if n == 0 {
        return f64::NAN;
    }
    let (below, &mut upper, _) = positive.select_nth_unstable_by(n / 2, f32::total_cmp);
    let upper = f64::from(upper);
    if n % 2 == 1 {
        return upper;
    }
    0.5 * (upper + f64::from(below.iter().copied().fold(0.0, f32::max)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_repaired_on_flagged_pixels_only() {
        let names = FlagNames::default();
        let image = [1.0; 6];
        let variance = [f32::NAN, 1.0, 2.0, 4.0, 8.0, 0.0];
        let view = |flags: &'static [i32; 6], variance| ImageView {
            shape: [2, 3],
            rows: 0..2,
            image: &image,
            flags,
            variance,
            foreground: None,
            flag_names: &names,
            psf_fwhm: None,
            parent_offset: [0.0; 2],
            median_variance: None,
        };
        let checked = CheckedImage::new(view(&[64, 0, 0, 0, 0, 0], &variance)).unwrap();
        assert_eq!(checked.variance(0), Variance::Repaired(3.0));
        assert_eq!(checked.variance(5), Variance::Given(0.0));
        let error = CheckedImage::new(view(&[0; 6], &variance)).unwrap_err();
        assert!(matches!(error, PhotometryError::Variance { count: 1, x: 0, y: 0, .. }));
        let negative = [1.0, 1.0, 1.0, 1.0, -2.0, f32::INFINITY];
        let error = CheckedImage::new(view(&[0; 6], &negative)).unwrap_err();
        let text = "2 pixels without a flag have no valid variance; the first, at (1, 1), has -2";
        assert_eq!(error.to_string(), text);
        let none = CheckedImage::new(view(&[1; 6], &[f32::NAN; 6])).unwrap();
        assert_eq!(none.variance(2), Variance::Missing);
    }

    #[test]
    fn arrays_must_have_the_shape() {
        let names = FlagNames::default();
        let foreground = Some(Foreground { model: &[0.0; 3], scale: 1.0 });
        let view = ImageView {
            shape: [2, 2],
            rows: 0..2,
            image: &[0.0; 4],
            flags: &[0; 4],
            variance: &[1.0; 4],
            foreground,
            flag_names: &names,
            psf_fwhm: None,
            parent_offset: [0.0; 2],
            median_variance: None,
        };
        let error = CheckedImage::new(view).unwrap_err();
        assert_eq!(error.to_string(), "foreground holds 3 values, expected 2 x 2");
    }
}
