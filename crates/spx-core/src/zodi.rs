//! Zodiacal light: the scale of the modelled foreground, fitted over the background pixels of an image.
//!
//! Least squares for `image = scale * zodi` with weights 1/variance:
//! `scale = sum(w I Z) / sum(w Z^2)`. A background pixel has none of the bad flags and not SOURCE, a finite
//! image and a finite zodi other than zero, and a finite variance above zero. (spxquery tests fewer of
//! these, so that one NaN among its background pixels turns the scale into NaN.)

use crate::flags::{FlagNames, FlagSelection};
use crate::image::{PlaneViews, SpectralImage};
use crate::pixels::{Pixels, Stored};

/// How the zodiacal light is scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZodiOptions {
    /// The least share of all pixels that must be background for a fit.
    pub bg_fraction_min: f64,
    /// A fitted scale must lie above this.
    pub scale_min: f64,
    /// A fitted scale must not exceed this.
    pub scale_max: f64,
}

impl Default for ZodiOptions {
    fn default() -> Self {
        Self { bg_fraction_min: 0.5, scale_min: 0.0, scale_max: 10.0 }
    }
}

/// What came of a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ZodiOutcome {
    /// The fitted scale is used.
    Fitted,
    /// Too few background pixels; the scale is 1.
    TooFewPixels {
        /// Their share of all pixels.
        fraction: f64,
    },
    /// The fitted scale lies outside the limits; the scale is 1.
    OutOfRange {
        /// What was fitted.
        fitted: f64,
    },
}

/// The scale of the zodiacal light in one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZodiFit {
    /// The light to subtract is this times the ZODI plane.
    pub scale: f64,
    /// How it was found.
    pub outcome: ZodiOutcome,
}

/// Fits the scale over all pixels of an image that was read whole.
pub fn fit(image: &SpectralImage, options: &ZodiOptions) -> ZodiFit {
    let mut sums = ZodiSums::new(image.metadata.shape, &image.metadata.flag_names);
    sums.add(image.rows.start, image.planes.from_pixel(0));
    sums.fit(options)
}

/// The sums of a fit, gathered from pieces of an image that need not be in memory at the same time.
///
/// Each row is summed by itself and the rows are added in their order at the end, so that the scale has the
/// same bits however the image was cut into pieces.
#[derive(Debug, Clone)]
pub struct ZodiSums {
    bad: u32,
    nx: usize,
    rows: Vec<RowSums>,
}

#[derive(Debug, Clone, Copy, Default)]
struct RowSums {
    image_zodi: f64,
    zodi_zodi: f64,
    pixels: usize,
}

impl ZodiSums {
    /// Empty sums for an image of shape `[ny, nx]` whose flags have these names.
    pub fn new([ny, nx]: [usize; 2], names: &FlagNames) -> Self {
        // The preset cannot fail to resolve: it passes over names that a file lacks.
        let bad = FlagSelection::Photometry.mask(names).unwrap_or_default() | names.mask("SOURCE");
        Self { bad, nx, rows: vec![RowSums::default(); ny] }
    }

    /// Adds the rows that `planes` shows, of which the first is row `first` of the image.
    ///
    /// # Panics
    /// Where they reach beyond the image.
    pub fn add(&mut self, first: usize, planes: PlaneViews<'_>) {
        let count = planes.image.len() / self.nx;
        let rows = &mut self.rows[first..first + count];
        let (nx, bad) = (self.nx, self.bad);
        let arch = pulp::Arch::new();
        match (planes.image, planes.flags, planes.variance, planes.zodi) {
            (Pixels::Fits(image), Pixels::Fits(flags), Pixels::Fits(variance), Pixels::Fits(zodi)) => {
                arch.dispatch(AddRows { rows, nx, bad, image, flags, variance, zodi });
            }
            (image, flags, variance, zodi) => {
                let (image, flags) = (&*image.to_native(), &*flags.to_native());
                let (variance, zodi) = (&*variance.to_native(), &*zodi.to_native());
                arch.dispatch(AddRows { rows, nx, bad, image, flags, variance, zodi });
            }
        }
    }

    /// The scale, once every row has been added.
    pub fn fit(&self, options: &ZodiOptions) -> ZodiFit {
        let pixels: usize = self.rows.iter().map(|r| r.pixels).sum();
        let fraction = pixels as f64 / (self.nx * self.rows.len()).max(1) as f64;
        let one = |outcome| ZodiFit { scale: 1.0, outcome };
        if pixels == 0 || fraction < options.bg_fraction_min {
            return one(ZodiOutcome::TooFewPixels { fraction });
        }
        let sum = |of: fn(&RowSums) -> f64| self.rows.iter().map(of).sum::<f64>();
        let fitted = sum(|r| r.image_zodi) / sum(|r| r.zodi_zodi);
        if fitted > options.scale_min && fitted <= options.scale_max {
            ZodiFit { scale: fitted, outcome: ZodiOutcome::Fitted }
        } else {
            one(ZodiOutcome::OutOfRange { fitted })
        }
    }
}

/// Sums rows, compiled for several instruction sets, of which the widest that the machine has is run.
struct AddRows<'a, P, F> {
    rows: &'a mut [RowSums],
    nx: usize,
    bad: u32,
    image: &'a [P],
    flags: &'a [F],
    variance: &'a [P],
    zodi: &'a [P],
}

impl<P: Stored<f32>, F: Stored<i32>> pulp::WithSimd for AddRows<'_, P, F> {
    type Output = ();

    // Functions that are not inlined here would be compiled for the oldest instruction set.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (k, row) in self.rows.iter_mut().enumerate() {
            let at = k * self.nx..(k + 1) * self.nx;
            *row = RowSums::of(
                self.bad,
                &self.image[at.clone()],
                &self.flags[at.clone()],
                &self.variance[at.clone()],
                &self.zodi[at],
            );
        }
    }
}

/// Independent partial sums, enough for wide vector registers; always as many, so that every machine finds the same
/// bits.
const LANES: usize = 32;

impl RowSums {
    #[inline(always)]
    fn of<P: Stored<f32>, F: Stored<i32>>(
        bad: u32,
        image: &[P],
        flags: &[F],
        variance: &[P],
        zodi: &[P],
    ) -> Self {
        let mut lanes = Lanes { image_zodi: [0.0; LANES], zodi_zodi: [0.0; LANES], pixels: [0; LANES] };
        let (images, image) = image.as_chunks::<LANES>();
        let (flag_sets, flags) = flags.as_chunks::<LANES>();
        let (variances, variance) = variance.as_chunks::<LANES>();
        let (zodis, zodi) = zodi.as_chunks::<LANES>();
        for (((i, f), v), z) in images.iter().zip(flag_sets).zip(variances).zip(zodis) {
            lanes.add(bad, &values(i), &values(f), &values(v), &values(z));
        }
        if !image.is_empty() {
            // A row's end, filled up with pixels that do not count.
            lanes.add(bad, &values(image), &values(flags), &values(variance), &values(zodi));
        }
        Self {
            image_zodi: lanes.image_zodi.iter().sum(),
            zodi_zodi: lanes.zodi_zodi.iter().sum(),
            pixels: lanes.pixels.iter().map(|&n| n as usize).sum(),
        }
    }
}

/// Up to as many pixels as there are lanes, filled up with zeros.
#[inline(always)]
fn values<T: Copy + Default, P: Stored<T>>(stored: &[P]) -> [T; LANES] {
    let mut values = [T::default(); LANES];
    for (value, stored) in values.iter_mut().zip(stored) {
        *value = stored.value();
    }
    values
}

struct Lanes {
    image_zodi: [f64; LANES],
    zodi_zodi: [f64; LANES],
    pixels: [u32; LANES],
}

impl Lanes {
    /// Adds a pixel to each lane. No branches: pixels that do not count weigh nothing.
    #[inline(always)]
    fn add(
        &mut self,
        bad: u32,
        image: &[f32; LANES],
        flags: &[i32; LANES],
        variance: &[f32; LANES],
        zodi: &[f32; LANES],
    ) {
        // All bits where a pixel counts, none elsewhere.
        let mut mask = [0u32; LANES];
        for k in 0..LANES {
            let usable = (flags[k].cast_unsigned() & bad == 0)
                & (image[k].abs() < f32::INFINITY)
                & (zodi[k].abs() < f32::INFINITY)
                & (zodi[k] != 0.0)
                & (variance[k] < f32::INFINITY)
                & (variance[k] > 0.0);
            mask[k] = u32::from(usable).wrapping_neg();
        }
        let one = 1.0f32.to_bits();
        for k in 0..LANES {
            let masked = |value: f32| f64::from(f32::from_bits(value.to_bits() & mask[k]));
            let (i, z) = (masked(image[k]), masked(zodi[k]));
            let variance = f32::from_bits(variance[k].to_bits() & mask[k] | one & !mask[k]);
            let weighted = z / f64::from(variance);
            self.image_zodi[k] += weighted * i;
            self.zodi_zodi[k] += weighted * z;
            self.pixels[k] += mask[k] & 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::PixelPlanes;

    fn planes(n: usize, scale: f32) -> PixelPlanes {
        let zodi: Vec<f32> = (0..n).map(|k| 0.3 + 0.001 * (k % 17) as f32).collect();
        PixelPlanes {
            image: zodi.iter().map(|z| scale * z).collect(),
            flags: vec![0; n],
            variance: vec![1e-4; n],
            zodi,
        }
    }

    fn fit_default(planes: &PixelPlanes) -> ZodiFit {
        let mut sums = ZodiSums::new([1, planes.image.len()], &FlagNames::default());
        if !planes.image.is_empty() {
            sums.add(0, planes.from_pixel(0));
        }
        sums.fit(&ZodiOptions::default())
    }

    #[test]
    fn pieces_in_any_order_give_the_same_bits() {
        let whole = planes(30 * 19, 1.2345);
        let piece = |rows: std::ops::Range<usize>| {
            let at = rows.start * 19..rows.end * 19;
            PixelPlanes {
                image: whole.image[at.clone()].to_vec(),
                flags: whole.flags[at.clone()].to_vec(),
                variance: whole.variance[at.clone()].to_vec(),
                zodi: whole.zodi[at].to_vec(),
            }
        };
        let fit = |pieces: &[std::ops::Range<usize>]| {
            let mut sums = ZodiSums::new([30, 19], &FlagNames::default());
            pieces.iter().for_each(|rows| sums.add(rows.start, piece(rows.clone()).from_pixel(0)));
            sums.fit(&ZodiOptions::default()).scale.to_bits()
        };
        assert_eq!(fit(&[0..15, 15..30]), fit(&[17..30, 0..3, 3..17]));
    }

    #[test]
    fn finds_the_scale() {
        for n in [1, 7, 8, 1003] {
            let result = fit_default(&planes(n, 1.25));
            assert!((result.scale - 1.25).abs() < 1e-6, "{result:?}");
            assert_eq!(result.outcome, ZodiOutcome::Fitted);
        }
    }

    #[test]
    fn pixels_that_are_no_background_do_not_count() {
        let mut p = planes(1000, 1.25);
        let mut spoil = |at: usize, image: f32, flags: i32, variance: f32, zodi: f32| {
            (p.image[at], p.flags[at], p.variance[at], p.zodi[at]) = (image, flags, variance, zodi);
        };
        spoil(1, f32::NAN, 0, 1e-4, 0.3);
        spoil(2, f32::INFINITY, 0, 1e-4, 0.3);
        spoil(3, 1e6, 1 << 10, 1e-4, 0.3);
        spoil(4, 1e6, 1 << 21, 1e-4, 0.3);
        spoil(5, 1e6, 0, f32::NAN, 0.3);
        spoil(6, 1e6, 0, 0.0, 0.3);
        spoil(7, 1e6, 0, -1.0, 0.3);
        spoil(8, 1e6, 0, 1e-4, f32::NAN);
        spoil(9, 1e6, 0, 1e-4, 0.0);
        assert!((fit_default(&p).scale - 1.25).abs() < 1e-6);
    }

    #[test]
    fn weights_are_inverse_variances() {
        let p = PixelPlanes {
            image: vec![1.0, 2.0],
            flags: vec![0; 2],
            variance: vec![1.0, 0.25],
            zodi: vec![1.0, 1.0],
        };
        assert_eq!(fit_default(&p).scale, (1.0 + 8.0) / 5.0);
    }

    #[test]
    fn says_why_there_is_no_fit() {
        let mut p = planes(100, 1.25);
        p.flags[..51].fill(1 << 21);
        assert_eq!(
            fit_default(&p),
            ZodiFit { scale: 1.0, outcome: ZodiOutcome::TooFewPixels { fraction: 0.49 } }
        );
        let negative = fit_default(&planes(100, -1.0));
        assert_eq!(negative.scale, 1.0);
        assert!(matches!(negative.outcome, ZodiOutcome::OutOfRange { fitted } if fitted < 0.0));
        assert!(matches!(fit_default(&planes(100, 20.0)).outcome, ZodiOutcome::OutOfRange { .. }));
        assert!(matches!(fit_default(&PixelPlanes::default()).outcome, ZodiOutcome::TooFewPixels { .. }));
    }
}
