//! Real numbers from quantized ones, and back (FITS Standard 4.0, section 10.2 and appendix I;
//! Pence, White & Seaman 2010, PASP 122, 1065).

use std::sync::OnceLock;

/// The random numbers of the standard: so many.
const RANDOM: usize = 10_000;
/// The number that stands for an exact zero where SUBTRACTIVE_DITHER_2 was used.
const EXACT_ZERO: i32 = -2_147_483_646;

/// ZQUANTIZ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dither {
    /// NO_DITHER.
    No,
    /// SUBTRACTIVE_DITHER_1; `zeros` where it is SUBTRACTIVE_DITHER_2, which keeps exact zeros.
    /// `seed` is ZDITHER0, 1 to 10,000.
    Subtractive { zeros: bool, seed: usize },
}

/// Park & Miller's minimal generator, 1988, of seed 1, in [0, 1).
fn random() -> &'static [f32] {
    const MULTIPLIER: u64 = 16_807;
    const MODULUS: u64 = 2_147_483_647;
    static NUMBERS: OnceLock<Vec<f32>> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let mut seed = 1;
        let mut next = || {
            seed = seed * MULTIPLIER % MODULUS;
            // The standard keeps them in single precision.
            #[expect(clippy::cast_possible_truncation, reason = "rounded as the standard says")]
            let number = (seed as f64 / MODULUS as f64) as f32;
            number
        };
        (0..RANDOM).map(|_| next()).collect()
    })
}

/// Where in the random numbers a tile takes its own from.
struct Place {
    start: usize,
    next: usize,
}

impl Place {
    fn new(start: usize) -> Self {
        // A number below one, times 500: an index of up to 499.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 499")]
        let next = (random()[start] * 500.0) as usize;
        Self { start, next }
    }

    /// The next random number.
    fn take(&mut self) -> f64 {
        let number = random()[self.next].into();
        self.next += 1;
        if self.next == RANDOM {
            *self = Self::new((self.start + 1) % RANDOM);
        }
        number
    }
}

/// Values of tile number `tile`, 0-based, from its quantized ones; `null` stands for NaN.
pub(super) fn restore(
    numbers: &[i32],
    [scale, zero]: [f64; 2],
    null: Option<i64>,
    dither: Dither,
    tile: usize,
) -> Vec<f64> {
    let undefined = |number: i32| null == Some(number.into());
    match dither {
        Dither::No => {
            let value =
                |&number: &i32| if undefined(number) { f64::NAN } else { f64::from(number) * scale + zero };
            numbers.iter().map(value).collect()
        }
        Dither::Subtractive { zeros, seed } => {
            let mut place = Place::new((tile + seed - 1) % RANDOM);
            let mut value = |&number: &i32| {
                // Every number takes its random one, undefined or not.
                let random = place.take();
                match number {
                    _ if undefined(number) => f64::NAN,
                    EXACT_ZERO if zeros => 0.0,
                    _ => (f64::from(number) - random + 0.5) * scale + zero,
                }
            };
            numbers.iter().map(&mut value).collect()
        }
    }
}

/// The opposite for tile number `tile`, 0-based, by SUBTRACTIVE_DITHER_1 with seed 1: no value is
/// off by more than half of the scale; `null` stands for NaN. `None` where a value is infinite or
/// does not fit.
pub(super) fn quantize(values: &[f32], [scale, zero]: [f64; 2], null: i32, tile: usize) -> Option<Vec<i32>> {
    // Numbers below have other meanings in some programs.
    const LEAST: f64 = -2_147_483_000.0;
    let mut place = Place::new(tile % RANDOM);
    let number = |value: &f32| {
        let random = place.take();
        if value.is_nan() {
            return Some(null);
        }
        let number = ((f64::from(*value) - zero) / scale + random - 0.5).round();
        #[expect(clippy::cast_possible_truncation, reason = "checked to fit")]
        (LEAST..-LEAST).contains(&number).then_some(number as i32)
    };
    values.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_those_of_the_standard() {
        // Appendix I: "the final seed value must be 1043618065".
        let (mut seed, modulus) = (1u64, 2_147_483_647);
        (0..RANDOM).for_each(|_| seed = seed * 16_807 % modulus);
        assert_eq!(seed, 1_043_618_065);
        assert_eq!(random().len(), RANDOM);
        assert_eq!(random()[0], 7.826_369e-6);
    }

    #[test]
    fn no_value_is_off_by_more_than_half_a_step() {
        let values: Vec<f32> = (0..20_000_i16).map(|k| f32::from(k % 977) * 0.013 - 3.0).collect();
        let numbers = quantize(&values, [0.25, -3.0], i32::MIN, 9_999).unwrap();
        let seed_1 = Dither::Subtractive { zeros: false, seed: 1 };
        let back = restore(&numbers, [0.25, -3.0], Some(i32::MIN.into()), seed_1, 9_999);
        let off: Vec<f64> = values.iter().zip(&back).map(|(value, back)| back - f64::from(*value)).collect();
        assert!(off.iter().all(|off| off.abs() <= 0.125 + 1e-9));
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        assert!(mean.abs() < 0.002, "{mean}");
        assert_eq!(quantize(&[f32::NAN, 0.0], [1.0, 0.0], i32::MIN, 0).unwrap()[0], i32::MIN);
        assert_eq!(quantize(&[f32::INFINITY], [1.0, 0.0], i32::MIN, 0), None);
        assert_eq!(quantize(&[1e12], [1.0, 0.0], i32::MIN, 0), None);
    }

    #[test]
    fn undefined_and_exact_values() {
        let numbers = [5, -1, EXACT_ZERO, 5];
        let plain = restore(&numbers, [2.0, 1.0], Some(-1), Dither::No, 0);
        assert!(plain[0] == 11.0 && plain[1].is_nan());
        let dithered =
            restore(&numbers, [2.0, 1.0], Some(-1), Dither::Subtractive { zeros: true, seed: 7 }, 3);
        assert!(dithered[1].is_nan() && dithered[2] == 0.0);
        assert!((dithered[0] - 11.0).abs() <= 1.0 && dithered[0] != dithered[3]);
    }
}
