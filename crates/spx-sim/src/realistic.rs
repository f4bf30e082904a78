//! Exposures like real ones: VARIANCE that follows the measured rate, defects at the real rates,
//! airglow, and the calibration of two releases.
//!
//! As in the archive's files VARIANCE is affine in the *observed* rate, noise included, so that
//! 1/VARIANCE favors pixels that fluctuated downwards.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use spx_core::elementary::{cos, ln};
use spx_core::image::PixelPlanes;
use spx_core::map::{Passband, WavelengthMap as _};
use spx_core::progress::Progress;
use spx_wcs::WaveTable;

use crate::airglow::airglow;
use crate::bits::{NONFUNC, OUTLIER, SOURCE, SUR_ERROR, TRANSIENT};
use crate::correction::true_correction;
use crate::error::{SimError, check_cancelled};
use crate::layout::{PixelWindow, SimulatedRelease};
use crate::options::{DefectRates, ExposureOptions, RealisticOptions};
use crate::sky::SimulatedSky;
use crate::survey::Pointing;

/// What a row of pixels needs.
pub(crate) struct RealisticRows<'a> {
    pub(crate) sky: &'a SimulatedSky,
    pub(crate) pointing: &'a Pointing,
    pub(crate) options: &'a ExposureOptions,
    pub(crate) realism: &'a RealisticOptions,
    /// The true wavelengths.
    pub(crate) waves: &'a WaveTable,
    pub(crate) window: PixelWindow,
}

impl RealisticRows<'_> {
    /// Adds to the light of the sources \[MJy/sr\] all else; `stars` is the light of those that a
    /// catalog knows.
    pub(crate) fn planes(
        &self,
        sources: Vec<f32>,
        stars: &[f32],
        progress: &dyn Progress,
    ) -> Result<PixelPlanes, SimError> {
        let (nx, count) = (self.window.nx, sources.len());
        let mut planes = PixelPlanes {
            image: sources,
            flags: vec![0; count],
            variance: vec![0.0; count],
            zodi: vec![0.0; count],
        };
        let images = planes.image.par_chunks_mut(nx).zip(planes.flags.par_chunks_mut(nx));
        let models = planes.variance.par_chunks_mut(nx).zip(planes.zodi.par_chunks_mut(nx));
        images.zip(models).enumerate().try_for_each(|(row, ((image, flags), (variance, zodi)))| {
            check_cancelled(progress)?;
            let y = self.window.y0 + row;
            let mut draws = RowDraws::new(self.pointing, y, self.window.x0);
            let mut bands = vec![Passband { center: 0.0, width: 0.0 }; nx];
            self.waves.passband_row(self.window.x0 as f64, y as f64, &mut bands);
            for (i, band) in bands.iter().enumerate() {
                let light = [image[i], stars[row * nx + i]];
                let pixel = self.pixel([self.window.x0 + i, y], *band, light, draws.next());
                (image[i], flags[i]) = (pixel.image, pixel.flags);
                (variance[i], zodi[i]) = (pixel.variance, pixel.zodi);
            }
            Ok::<_, SimError>(())
        })?;
        Ok(planes)
    }

    /// One pixel of the full frame, on which light of all sources and of stars falls \[MJy/sr\].
    #[expect(clippy::cast_possible_truncation, reason = "the planes are f32")]
    fn pixel(
        &self,
        [column, row]: [usize; 2],
        band: Passband,
        [light, stars]: [f32; 2],
        draw: PixelChance,
    ) -> PixelValue {
        let realism = self.realism;
        let (x, y) = (column as f64, row as f64);
        let zodi = self.sky.zodi.at(x, y, band.center) as f32;
        let error = 1.0 + realism.zodi_tilt * (x - 1019.5) / 1020.0;
        let glow = realism.airglow * airglow(self.pointing.detector, &self.sky.zodi, band);
        let background = self.options.zodi_scale * error * f64::from(zodi) + glow;
        let expected = f64::from(light) + background;
        let sigma = realism.noise.variance(expected).sqrt();
        let defect = draw.defect(&realism.defects);
        let mut observed = expected + sigma * draw.normal;
        if draw.hit < realism.unflagged_hits {
            observed += realism.hit_strength * sigma * draw.exponential;
        }
        observed += sigma * defect.excess;
        // The image and its variance are in the units of their release.
        let gain_error = match self.options.release {
            SimulatedRelease::Qr2 if realism.gain_error => true_correction(self.pointing.detector, [x, y]),
            _ => 1.0,
        };
        let variance = realism.noise.variance(observed) / gain_error.powi(2);
        let value = if realism.noisy_image { observed } else { expected } / gain_error;
        let is_source =
            f64::from(stars) > realism.source_threshold * realism.noise.variance(background).sqrt();
        PixelValue {
            image: if defect.loses_image && realism.noisy_image { f32::NAN } else { value as f32 },
            flags: defect.flag | if is_source { SOURCE } else { 0 },
            variance: if defect.flag == NONFUNC { f32::NAN } else { variance as f32 },
            zodi,
        }
    }
}

/// What the four planes hold of a pixel.
struct PixelValue {
    image: f32,
    flags: i32,
    variance: f32,
    zodi: f32,
}

/// The random numbers of a row of the full frame. Each pixel takes as many, so that a cutout starts
/// where the full frame is; neither threads nor cutouts change a pixel.
struct RowDraws {
    exposure: ChaCha8Rng,
    detector: ChaCha8Rng,
}

/// Real numbers that a pixel takes of the generator of its exposure; each is two words of it.
const EXPOSURE_NUMBERS: usize = 7;

impl RowDraws {
    fn new(pointing: &Pointing, row: usize, first_column: usize) -> Self {
        let generator = |seed: u64, numbers: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(row as u64);
            rng.set_word_pos((2 * numbers * first_column) as u128);
            rng
        };
        let detector = u64::from(pointing.detector.number());
        Self { exposure: generator(pointing.seed, EXPOSURE_NUMBERS), detector: generator(detector, 1) }
    }

    fn next(&mut self) -> PixelChance {
        let [a, b, defect, wild, side, hit, strength]: [f64; EXPOSURE_NUMBERS] =
            std::array::from_fn(|_| self.exposure.random());
        let exponential = |uniform: f64| -ln(1.0 - uniform);
        PixelChance {
            // Box & Muller 1958, of which the second number is not used.
            normal: (2.0 * exponential(a)).sqrt() * cos(std::f64::consts::TAU * b),
            defect,
            wild: exponential(wild),
            side,
            hit,
            exponential: exponential(strength),
            dead: self.detector.random(),
        }
    }
}

/// All that is random in a pixel; uniform from 0 to 1 where nothing else is said.
struct PixelChance {
    /// Normal.
    normal: f64,
    defect: f64,
    /// Exponential.
    wild: f64,
    side: f64,
    hit: f64,
    /// Exponential.
    exponential: f64,
    /// The same in each exposure of a detector.
    dead: f64,
}

/// What is wrong with a pixel.
#[derive(Default)]
struct PixelDefect {
    flag: i32,
    /// Of its value \[standard deviations\].
    excess: f64,
    loses_image: bool,
}

impl PixelChance {
    fn defect(&self, rates: &DefectRates) -> PixelDefect {
        let either_side = if self.side < 0.5 { 1.0 } else { -1.0 };
        if self.dead < rates.nonfunctional {
            let loses_image = self.dead < rates.nonfunctional / 2.0;
            return PixelDefect { flag: NONFUNC, excess: 100.0 * either_side * self.wild, loses_image };
        }
        let mut limit = 0.0;
        for (rate, flag) in rates.passing() {
            limit += rate;
            if self.defect < limit {
                let excess = match flag {
                    OUTLIER => (5.0 + 30.0 * self.wild) * if self.side < 0.8 { 1.0 } else { -1.0 },
                    TRANSIENT => 10.0 + 100.0 * self.wild,
                    SUR_ERROR => 200.0 * either_side * self.wild,
                    _ => 20.0 * self.wild,
                };
                return PixelDefect { flag, excess, loses_image: false };
            }
        }
        PixelDefect::default()
    }
}
