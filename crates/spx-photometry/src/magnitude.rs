//! AB magnitudes (Oke & Gunn 1983, ApJ 266, 713): `-2.5 log10(f_nu) - 48.6`, f_nu in erg/s/cm^2/Hz.

use spx_core::elementary::log10;

pub use spx_core::units::AB_ZERO_POINT_UJY;

/// A magnitude and its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Magnitude {
    /// AB magnitude \[mag\].
    pub value: f64,
    /// `2.5 / ln 10 * error / flux` \[mag\].
    pub error: f64,
}

impl Magnitude {
    /// The AB magnitude of a flux \[uJy\]; `None` where that is not above zero. (spxquery loses
    /// such fluxes altogether.)
    pub fn from_flux(flux: f64, error: f64) -> Option<Self> {
        (flux > 0.0 && flux.is_finite()).then(|| Self {
            value: AB_ZERO_POINT_UJY - 2.5 * log10(flux),
            error: 2.5 / std::f64::consts::LN_10 * error / flux,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitudes_are_those_of_the_definition() {
        let at = |flux| Magnitude::from_flux(flux, 0.1 * flux).unwrap();
        assert_eq!(at(1.0).value, 23.9);
        // 3631 Jy is 0 mag to the rounding of that number.
        assert!(at(3631e6).value.abs() < 1e-4);
        assert!((at(5.0).value - (-2.5 * log10(5e-29f64) - 48.6)).abs() < 1e-12);
        assert!((at(5.0).error - 0.108_573_620_475_813).abs() < 1e-14);
        for flux in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Magnitude::from_flux(flux, 1.0), None);
        }
    }
}
