//! The Gaussian, which is the point spread function of the simulation.

use spx_core::elementary::exp;
use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

/// FWHM of a Gaussian over its standard deviation, 2 sqrt(2 ln 2).
pub(crate) const FWHM_PER_SIGMA: f64 = 2.354_820_045_030_949;

/// The integral from the middle of a Gaussian of unit integral to a distance: -1/2 to 1/2.
pub(crate) fn below(distance: f64, sigma: f64) -> f64 {
    0.5 * erf(distance / (sigma * SQRT_2))
}

/// The error function to 1e-15, by its series in exp(-x^2) (Abramowitz & Stegun 1964, 7.1.6): all
/// terms have one sign, so nothing cancels.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return 1f64.copysign(x);
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-17 * sum.abs() {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    FRAC_2_SQRT_PI * exp(-x * x) * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function() {
        // Abramowitz & Stegun, table 7.1.
        let table = [(0.0, 0.0), (0.1, 0.112_462_916_0), (0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9)];
        for (x, expected) in table.into_iter().chain([(2.0, 0.995_322_265_0), (3.0, 0.999_977_909_5)]) {
            assert!((erf(x) - expected).abs() < 1e-10, "{x}");
            assert_eq!(erf(-x), -erf(x));
        }
        assert_eq!(erf(7.0), 1.0);
    }
}
