//! The error of the gain of Quick Release 2, and the calibration product that takes it out.

use std::path::Path;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use spx_core::detector::Detector;
use spx_core::elementary::{cos, exp, sin};
use spx_core::header::Header;
use spx_core::progress::{Progress, Silent};

use crate::error::{SimError, look};
use crate::mef_writer::write_fits;

/// Smallest and largest factor of a row of each detector. Those of D1 and D5 are the real ones.
const RANGES: [[f64; 2]; 6] =
    [[0.875, 0.983], [0.94, 0.995], [0.975, 1.012], [0.98, 1.015], [0.987, 1.029], [0.985, 1.02]];

/// Share of pixels in which the product holds any number.
const WILD: f64 = 1e-4;

/// By what IMAGE of Quick Release 2 must be multiplied at a pixel `[x, y]` of the full frame;
/// VARIANCE by its square.
pub(crate) fn true_correction(detector: Detector, [x, y]: [f64; 2]) -> f64 {
    let [low, high] = RANGES[usize::from(detector.number()) - 1];
    let t = y / (Detector::NPIX as f64 - 1.0);
    // Nearer to the upper end of the range on most of the detector, as the medians of the real ones
    // are.
    let of_row = low + (high - low) * (1.0 - (1.0 - t).powi(4)) * (0.9 + 0.1 * cos(9.0 * t));
    of_row * (1.0 + 0.002 * sin(x / 97.0))
}

/// The plane of the product: true factors, and any number in one of 10,000 pixels.
pub fn flux_correction_plane(detector: Detector) -> Vec<f32> {
    let mut plane = Vec::with_capacity(Detector::NPIX * Detector::NPIX);
    flux_correction_rows(detector).for_each(|row| plane.extend(row));
    plane
}

fn flux_correction_rows(detector: Detector) -> impl Iterator<Item = Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(detector.number()));
    (0..Detector::NPIX).map(move |y| {
        let mut pixel = |x: usize| {
            let (chance, wild): (f64, f64) = (rng.random(), rng.random());
            let value = if chance < WILD {
                // From 0.01 to 3,700, and some that are no numbers.
                if wild < 0.05 { f64::NAN } else { exp(wild * 12.8 - 4.6) }
            } else {
                true_correction(detector, [x as f64, y as f64])
            };
            #[expect(clippy::cast_possible_truncation, reason = "the product holds f32")]
            let value = value as f32;
            value
        };
        (0..Detector::NPIX).map(&mut pixel).collect()
    })
}

/// Writes the product `l3_flux_corrections` of a detector: HDU 1 `IMAGE`, 2040 x 2040 factors for
/// images of Quick Release 2, of which one in 10,000 is wild. The name must be free.
///
/// # Errors
/// Where the file exists or cannot be written.
pub fn write_flux_corrections(path: &Path, detector: Detector) -> Result<(), SimError> {
    write_flux_corrections_attended(path, detector, &Silent)
}

pub(crate) fn write_flux_corrections_attended(
    path: &Path,
    detector: Detector,
    progress: &dyn Progress,
) -> Result<(), SimError> {
    write_fits(path, progress, |file| {
        let mut primary = Header::new();
        primary.set("VERSION", "7.0.5", "Pipeline version");
        file.image::<u8>(&[], &primary)?;
        let mut cards = Header::new();
        cards.set("EXTNAME", "IMAGE", "extension name");
        cards.set("BUNIT", "", "Unitless");
        cards.set("DETECTOR", detector.number().to_string(), "1-3: SWIR, 4-6: MWIR");
        cards.set("DETCOORD", "sky", "MWIR pixels flipped on X to match SWIR view");
        cards.note("COMMENT", "Multiplicative correction for data before Quick Release 3; simulated.");
        file.image::<f32>(&[Detector::NPIX, Detector::NPIX], &cards)?;
        for (y, row) in flux_correction_rows(detector).enumerate() {
            look(progress)?;
            file.write_pixels(y * row.len(), &row)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_lie_in_the_real_range_but_for_wild_ones() {
        let detector = Detector::new(1).unwrap();
        let plane = flux_correction_plane(detector);
        let is_wild = |value: &&f32| !(0.87..0.99).contains(*value);
        let wild = plane.iter().filter(is_wild).count() as f64 / plane.len() as f64;
        assert!((0.5e-4..2e-4).contains(&wild), "{wild}");
        let mut rows: Vec<f32> = plane.into_iter().filter(|v| v.is_finite()).collect();
        rows.sort_by(f32::total_cmp);
        let median = rows[rows.len() / 2];
        assert!((median - 0.97).abs() < 0.01, "{median}");
    }
}
