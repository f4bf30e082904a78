//! Functions of the kernels, without branches and calls, so that they are computed in vector
//! registers, and with the same bits on every machine.

use crate::numbers::ROUND;

/// `e^x` for x <= 0, to 1e-14 of its value; below -708 as at -708, which is 1e-308.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    // ln 2 in two parts, of which the first has so few digits that its multiples are exact (Cody &
    // Waite 1980).
    const LN_2: [f64; 2] = [f64::from_bits(0x3fe6_2e42_fee0_0000), 1.908_214_929_270_587_7e-10];
    let x = x.max(-708.0);
    let rounded = x * std::f64::consts::LOG2_E + ROUND;
    let twos = rounded - ROUND;
    let rest = x - twos * LN_2[0] - twos * LN_2[1];
    // Within ln 2 / 2 of zero, Taylor's series to the 11th power is off by less than 1e-14.
    let sum = polynomial(rest, &EXP);
    f64::from_bits(sum.to_bits().wrapping_add(rounded.to_bits() << 52))
}

/// `sin(pi t)` for `|t| < 1000`, to 1e-15.
#[inline(always)]
pub(super) fn sin_pi(t: f64) -> f64 {
    let rounded = t + ROUND;
    let angle = std::f64::consts::PI * (t - (rounded - ROUND));
    // Within pi/2 of zero, Taylor's series to the 19th power is off by less than 1e-15.
    let sum = polynomial(-angle * angle, &SIN);
    // Odd half turns change the sign.
    f64::from_bits((sum * angle).to_bits() ^ (rounded.to_bits() << 63))
}

/// Terms of Taylor's series: 1/k! for every `step`-th k from `first` on.
const fn inverse_factorials<const N: usize>(first: usize, step: usize) -> [f64; N] {
    let mut out = [0.0; N];
    let (mut k, mut factorial) = (0, 1.0);
    while k < first + step * N {
        factorial *= if k > 0 { k as f64 } else { 1.0 };
        if k >= first && (k - first).is_multiple_of(step) {
            out[(k - first) / step] = 1.0 / factorial;
        }
        k += 1;
    }
    out
}

const EXP: [f64; 12] = inverse_factorials(0, 1);
const SIN: [f64; 10] = inverse_factorials(1, 2);

/// A polynomial, by pairs of terms (Estrin 1960), which waits half as long for its products as
/// Horner's way.
#[inline(always)]
fn polynomial<const N: usize>(x: f64, terms: &[f64; N]) -> f64 {
    let square = x * x;
    let pairs = terms.as_chunks::<2>().0;
    pairs.iter().rev().fold(0.0, |sum, [even, odd]| sum * square + (even + odd * x))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        #[expect(clippy::disallowed_methods, reason = "the functions of the C library, to compare with")]
        fn they_are_those_of_the_library(x in -700.0..0.0f64, t in -30.0..30.0f64) {
            prop_assert!((exp(x) / x.exp() - 1.0).abs() < 2e-14);
            prop_assert!((exp(1e-3 * x) / (1e-3 * x).exp() - 1.0).abs() < 2e-14);
            let angle = std::f64::consts::PI * (t - t.round());
            let expected = if t.round() % 2.0 == 0.0 { angle.sin() } else { -angle.sin() };
            prop_assert!((sin_pi(t) - expected).abs() < 2e-15);
            // Near its zeros it is as precise, relative to its value.
            prop_assert!((sin_pi(1e-9 * t) / (std::f64::consts::PI * 1e-9 * t) - 1.0).abs() < 1e-14);
        }
    }

    #[test]
    fn where_they_end() {
        assert_eq!((exp(0.0), sin_pi(0.0), sin_pi(7.0)), (1.0, 0.0, 0.0));
        assert!(exp(-1e4) < 1e-307 && exp(f64::NEG_INFINITY) < 1e-307);
    }
}
