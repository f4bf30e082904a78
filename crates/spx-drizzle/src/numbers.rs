//! Rounding and comparing, each in one or two instructions that vector registers have.

/// Added to a number of modest size, leaves in the lowest bits the integer nearest to it, ties to
/// even.
pub(crate) const ROUND: f64 = 1.5 * (1u64 << 52) as f64;

/// The largest integer not above `v`, for `|v| < 2^51`: without the library call that `f64::floor`
/// is on plain x86-64, and without the tests that a conversion by `as` comes with.
#[inline(always)]
pub(crate) fn floor(v: f64) -> i64 {
    let rounded = v + ROUND;
    let nearest = rounded.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
    nearest - i64::from(rounded - ROUND > v)
}

/// As [`floor`], as a number.
#[inline(always)]
pub(crate) fn round_down(v: f64) -> f64 {
    let nearest = (v + ROUND) - ROUND;
    if nearest > v { nearest - 1.0 } else { nearest }
}

/// The smaller of two numbers that are not NaN, in one instruction.
#[inline(always)]
pub(crate) fn min(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// The larger of two numbers that are not NaN, in one instruction.
#[inline(always)]
pub(crate) fn max(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn floor_is_the_floor(v in -1e6..1e6f64) {
            prop_assert_eq!(floor(v) as f64, v.floor());
            prop_assert_eq!(floor(v.round()) as f64, v.round());
            prop_assert_eq!((round_down(v), round_down(v.round())), (v.floor(), v.round()));
        }
    }
}
