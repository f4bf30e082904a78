//! Where a star with proper motion is at the time of an exposure.
//!
//! Uniform motion along a straight line in space, without parallax and radial velocity (ESA 1997,
//! The Hipparcos and Tycho Catalogues, vol. 1, eq. 1.5.5 with those set to zero): the unit vector
//! `p` of the reference epoch goes to the direction of `p + t (mu_east e + mu_north n)`, with `e`,
//! `n` the unit vectors towards east and north. Vectors have no pole at which that would break
//! down.

use spx_core::elementary::{atan2, hypot, sin_cos};
use spx_core::sky::{Position, SkyError};

/// Milliarcseconds in a radian.
const MAS_PER_RADIAN: f64 = spx_core::units::ARCSEC_PER_RADIAN * 1e3;

/// MJD of J2000.0.
const MJD_J2000: f64 = 51_544.5;

/// Proper motion and the epoch of the position that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProperMotion {
    /// Along right ascension, cos(dec) included [mas/yr].
    pub ra_cos_dec: f64,
    /// Along declination [mas/yr].
    pub dec: f64,
    /// Julian epoch of the position \[yr\], such as 2016.0 for Gaia DR3.
    pub epoch: f64,
}

/// The Julian epoch of a time \[MJD\]. The difference between UTC and barycentric time, a minute,
/// is passed over: the fastest star moves 2e-5 arcsec in it.
pub fn julian_epoch(mjd: f64) -> f64 {
    2000.0 + (mjd - MJD_J2000) / 365.25
}

impl ProperMotion {
    /// Where a source that stood at `reference` at the reference epoch is at the time `mjd`
    /// \[MJD\].
    ///
    /// At a pole of the coordinates, east is the direction in which right ascension grows along the
    /// meridian of `reference`'s right ascension.
    ///
    /// # Errors
    /// Where a motion or the time is not finite.
    pub fn position_at(&self, reference: Position, mjd: f64) -> Result<Position, SkyError> {
        let years = julian_epoch(mjd) - self.epoch;
        let ((sa, ca), (sd, cd)) =
            (sin_cos(reference.ra().to_radians()), sin_cos(reference.dec().to_radians()));
        let (east, north) = (self.ra_cos_dec * years / MAS_PER_RADIAN, self.dec * years / MAS_PER_RADIAN);
        if east == 0.0 && north == 0.0 {
            return Ok(reference);
        }
        let x = cd * ca - east * sa - north * sd * ca;
        let y = cd * sa + east * ca - north * sd * sa;
        let z = sd + north * cd;
        let ra = atan2(y, x).to_degrees();
        // Just below zero, adding 360 rounds to 360, which `Position` takes for 0.
        Position::new(if ra < 0.0 { ra + 360.0 } else { ra }, atan2(z, hypot(x, y)).to_degrees())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use spx_core::elementary::{atan, cos};

    use super::*;

    fn at(ra: f64, dec: f64) -> Position {
        Position::new(ra, dec).unwrap()
    }

    #[test]
    fn epochs() {
        assert_eq!(julian_epoch(51_544.5), 2000.0);
        assert!((julian_epoch(57_388.5) - 2016.0).abs() < 1e-12);
    }

    #[test]
    fn barnards_star_moves_ten_arcseconds_a_year() {
        let motion = ProperMotion { ra_cos_dec: -801.551, dec: 10_362.394, epoch: 2016.0 };
        let from = at(269.448_503, 4.739_420);
        let to = motion.position_at(from, 57_388.5 + 10.0 * 365.25).unwrap();
        assert!((from.separation(to) * 3600.0 - 103.933_48).abs() < 1e-4);
        assert!(((to.dec() - from.dec()) * 3600.0 - 103.6239).abs() < 1e-3);
        assert!(((to.ra() - from.ra()) * 3600.0 * cos(from.dec().to_radians()) + 8.0155).abs() < 2e-3);
    }

    /// astropy 7.2, `SkyCoord(..., distance=1 pc,
    /// radial_velocity=0).apply_space_motion(new_obstime)`.
    #[test]
    fn motions_are_those_of_astropy() {
        let cases = [
            (
                [269.448503, 4.73942],
                [-801.551, 10362.394],
                2016.0,
                61027.2,
                [269.44627717917797, 4.768095667495999],
            ),
            ([10.0, 89.9999], [1500.0, -900.0], 2016.0, 61027.2, [68.03208333278134, 89.99510703133858]),
            (
                [359.9999999, -60.0],
                [3775.4, 769.33],
                2000.0,
                61500.0,
                [0.057159174604883255, -59.99416282586291],
            ),
            (
                [200.0, -89.99999],
                [-4000.0, 2500.0],
                2016.0,
                60800.0,
                [142.04506687996442, -89.98775649411456],
            ),
        ];
        for ([ra, dec], [ra_cos_dec, pm_dec], epoch, mjd, [x, y]) in cases {
            let found =
                ProperMotion { ra_cos_dec, dec: pm_dec, epoch }.position_at(at(ra, dec), mjd).unwrap();
            let miss = found.separation(at(x, y)) * 3600.0;
            assert!(miss < 1e-5, "{miss} arcsec at ({ra}, {dec})");
        }
    }

    #[test]
    fn a_star_passes_over_the_pole() {
        let motion = ProperMotion { ra_cos_dec: 0.0, dec: 1000.0, epoch: 2000.0 };
        let to = motion.position_at(at(30.0, 90.0 - 1.0 / 3600.0), 51_544.5 + 3.0 * 365.25).unwrap();
        assert!((to.ra() - 210.0).abs() < 1e-6);
        assert!(((90.0 - to.dec()) * 3600.0 - 2.0).abs() < 1e-6);
    }

    #[test]
    fn none_and_nonsense() {
        let still = ProperMotion { ra_cos_dec: 0.0, dec: 0.0, epoch: 2000.0 };
        assert_eq!(still.position_at(at(1.0, 2.0), 60_000.0), Ok(at(1.0, 2.0)));
        let motion = ProperMotion { ra_cos_dec: f64::NAN, dec: 0.0, epoch: 2000.0 };
        assert!(motion.position_at(at(1.0, 2.0), 60_000.0).is_err());
    }

    proptest! {
        #[test]
        fn the_distance_is_the_motion(
            ra in 0.0..360.0f64,
            dec in -90.0..=90.0f64,
            east in -5000.0..5000.0f64,
            north in -5000.0..5000.0f64,
            years in -30.0..30.0f64,
        ) {
            let motion = ProperMotion { ra_cos_dec: east, dec: north, epoch: 2000.0 };
            let from = at(ra, dec);
            let to = motion.position_at(from, MJD_J2000 + 365.25 * years).unwrap();
            let expected = atan((hypot(east, north) * years / MAS_PER_RADIAN).abs()).to_degrees();
            prop_assert!((from.separation(to) - expected).abs() < 1e-10);
        }
    }
}
