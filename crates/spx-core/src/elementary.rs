//! Elementary functions that have the same bits on every processor.
//!
//! The methods of `f64` call the C library of the machine, which chooses another sine, exponential
//! or power for processors with fused multiply-adds, and so do the last bits of what comes out.
//! These functions are compiled from one source, the crate `libm`. They are precise to one unit in
//! the last place, as those of C libraries are, and slower by some nanoseconds a call.
//!
//! Square roots, absolute values, rounding and integer powers need no replacement: IEEE 754 fixes
//! the former, and the latter are products. The methods that do are in `clippy.toml`, so that
//! `cargo xtask check lints` finds them.

pub use libm::{
    acos, asin, asinh, atan, atan2, cbrt, cos, exp, hypot, log as ln, log1p as ln_1p, log2, log10,
    pow as powf, sin, sincos as sin_cos, sinh, tan,
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Arguments from 1e-9 to 1e5 of both signs, and where functions are defined from 0 to 1.
    fn arguments() -> Vec<f64> {
        let mut rng = fastrand::Rng::with_seed(1);
        (0..20_000).map(|k| (rng.f64() - 0.5) * f64::powi(10.0, k % 15 - 9)).collect()
    }

    type OneArgument = (fn(f64) -> f64, fn(f64) -> f64);

    #[expect(clippy::disallowed_methods, reason = "the functions of the C library, to compare with")]
    const PAIRS: [OneArgument; 15] = [
        (acos, f64::acos),
        (asin, f64::asin),
        (asinh, f64::asinh),
        (atan, f64::atan),
        (cbrt, f64::cbrt),
        (cos, f64::cos),
        (exp, f64::exp),
        (ln, f64::ln),
        (ln_1p, f64::ln_1p),
        (log2, f64::log2),
        (log10, f64::log10),
        (sin, f64::sin),
        (sinh, f64::sinh),
        (tan, f64::tan),
        (|x| sin_cos(x).0 / sin_cos(x).1, f64::tan),
    ];

    fn assert_close(number: usize, ours: f64, theirs: f64, x: f64) {
        let equal = ours == theirs || ours.is_nan() && theirs.is_nan();
        assert!(
            equal || (ours / theirs - 1.0).abs() < 1e-15,
            "function {number} of {x}: {ours}, not {theirs}"
        );
    }

    #[test]
    fn they_are_as_precise_as_those_of_the_c_library() {
        for x in arguments() {
            for (number, (ours, theirs)) in PAIRS.iter().enumerate() {
                // The standard library's asinh loses digits near zero.
                if number != 2 || x.abs() > 1.0 {
                    assert_close(number, ours(x), theirs(x), x);
                }
            }
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the functions of the C library, to compare with")]
    fn those_of_two_arguments_too() {
        let all = arguments();
        for (&x, &y) in all.iter().zip(all.iter().rev()) {
            assert_close(0, atan2(y, x), y.atan2(x), x);
            assert_close(1, hypot(x, y), x.hypot(y), x);
            assert_close(2, powf(x.abs(), y.clamp(-9.0, 9.0)), x.abs().powf(y.clamp(-9.0, 9.0)), x);
        }
    }

    #[test]
    fn powers_of_ten_are_exact() {
        for k in -300..=300 {
            let power: f64 = format!("1e{k}").parse().unwrap();
            assert_eq!(log10(power), f64::from(k));
            if (0..=22).contains(&k) {
                assert_eq!(powf(10.0, f64::from(k)), power);
            }
        }
    }

    /// A digest (FNV-1a) of all bits, which is this number on every processor.
    #[test]
    fn the_bits_are_these() {
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        for x in arguments() {
            let two = [atan2(x, 0.3), hypot(x, 0.3), powf(x.abs(), 0.3)];
            for value in PAIRS.iter().map(|(ours, _)| ours(x)).chain(two) {
                // NaN may have either sign.
                let bits = if value.is_nan() { 0 } else { value.to_bits() };
                digest = (digest ^ bits).wrapping_mul(0x0100_0000_01b3);
            }
        }
        assert_eq!(digest, 0x27b3_7425_3e55_d7c4);
    }
}
