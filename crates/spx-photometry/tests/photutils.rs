//! Areas and sums of 10,000 apertures against photutils, `method="exact"`: within 1e-12 relative.
//!
//! The apertures are made again as xtask/python/golden_photometry.py made them; see there.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and prints its figures"
)]

use spx_photometry::CircularAperture;

const NX: usize = 64;
const NY: usize = 48;
const ANSWERS: &[u8] = include_bytes!("../../../testdata/photometry/apertures.f64");

/// SplitMix64 (Steele, Lea & Flood 2014).
struct SplitMixGenerator(u64);

impl SplitMixGenerator {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53)
    }
}

fn aperture(k: usize, u: f64, v: f64, w: f64) -> CircularAperture {
    let (width, height) = (NX as f64, NY as f64);
    let (x, y) = (u * width - 0.5, v * height - 0.5);
    let corner = ((u * width).floor() - 0.5, (v * height).floor() - 0.5);
    let (x, y, radius) = match k % 8 {
        0 => (x, y, 0.5 + 7.5 * w),
        1 => (x, y, 1e-6 + 1e-2 * w * w),
        2 => (x, y, 20.0 + 200.0 * w),
        3 => (corner.0, corner.1, 10.0 * w + 1e-3),
        4 => (corner.0, y, 10.0 * w + 1e-3),
        5 => (u * 8.0 - 4.5, y, 4.5 * w + 0.1),
        6 => (corner.0 + 0.5 * (2.0 * v).floor(), corner.1, 0.5 * (1.0 + 20.0 * w).floor()),
        _ => (x, v * 6.0 + height - 3.5, 6.0 * w + 0.1),
    };
    CircularAperture { x, y, radius }
}

#[test]
fn sums_are_those_of_photutils() {
    let answers: Vec<f64> =
        ANSWERS.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(answers.len(), 3 * 10_000);
    let mut generator = SplitMixGenerator(20_251_121);
    let image: Vec<f64> = (0..NX * NY).map(|_| generator.uniform() + 0.25).collect();
    let mask: Vec<bool> = (0..NX * NY).map(|_| generator.uniform() < 0.05).collect();
    let (mut worst, mut empty) = ([(0.0f64, 0); 8], 0);
    for (k, answer) in answers.chunks_exact(3).enumerate() {
        let aperture = aperture(k, generator.uniform(), generator.uniform(), generator.uniform());
        let whole = aperture.sum([NY, NX], |x, y| Some(image[y * NX + x]));
        let masked = aperture.sum([NY, NX], |x, y| (!mask[y * NX + x]).then(|| image[y * NX + x]));
        empty += usize::from(answer[0] == 0.0);
        for (ours, theirs) in [whole.area, whole.sum, masked.sum].into_iter().zip(answer) {
            let error = (ours - theirs).abs() / theirs.abs().max(f64::MIN_POSITIVE);
            if error > worst[k % 8].0 {
                worst[k % 8] = (error, k);
            }
        }
    }
    println!("worst relative difference by kind of aperture: {worst:?}; {empty} beyond the image");
    assert!(empty > 50, "no aperture lies beyond the image: {empty}");
    for (kind, (error, k)) in worst.into_iter().enumerate() {
        assert!(error < 1e-12, "kind {kind}, aperture {k}: {error}");
    }
}
