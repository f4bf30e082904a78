//! Positions and regions on the sky, checked when they are made.

mod sexagesimal;

use crate::elementary::{asin, cos, sin};
use thiserror::Error;

pub use sexagesimal::{AngleError, parse_declination, parse_right_ascension};

/// What can be wrong with a position or a region.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum SkyError {
    /// Right ascension outside [0, 360].
    #[error("right ascension {0} is outside 0 to 360 degrees")]
    Ra(f64),
    /// Declination outside [-90, 90].
    #[error("declination {0} is outside -90 to 90 degrees")]
    Dec(f64),
    /// A size that is not a positive number, or too large for one tangent plane.
    #[error("{what} {arcmin} arcmin must lie above 0 and be at most {} arcmin", Rectangle::MAX_ARCMIN)]
    Size {
        /// `width` or `height`.
        what: &'static str,
        /// The size that was given \[arcmin\].
        arcmin: f64,
    },
}

/// A position on the sky, ICRS.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    ra: f64,
    dec: f64,
}

impl Position {
    /// `ra` in [0, 360] and `dec` in [-90, 90], both in degrees; 360 becomes 0.
    ///
    /// # Errors
    /// Where either lies outside or is NaN.
    pub fn new(ra: f64, dec: f64) -> Result<Self, SkyError> {
        if !(0.0..=360.0).contains(&ra) {
            return Err(SkyError::Ra(ra));
        }
        if !(-90.0..=90.0).contains(&dec) {
            return Err(SkyError::Dec(dec));
        }
        Ok(Self { ra: ra % 360.0, dec })
    }

    /// Right ascension \[deg\], in [0, 360).
    pub fn ra(self) -> f64 {
        self.ra
    }

    /// Declination \[deg\].
    pub fn dec(self) -> f64 {
        self.dec
    }

    /// Great-circle distance to another position \[deg\], by the haversine formula, which keeps its
    /// precision for small distances.
    pub fn separation(self, other: Self) -> f64 {
        let (d1, d2) = (self.dec.to_radians(), other.dec.to_radians());
        let ddec = sin((d2 - d1) / 2.0);
        let dra = sin((other.ra - self.ra).to_radians() / 2.0);
        let h = ddec * ddec + cos(d1) * cos(d2) * dra * dra;
        2.0 * asin(h.sqrt().min(1.0)).to_degrees()
    }
}

/// A rectangle on the tangent plane at its center, sides along right ascension and declination
/// there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rectangle {
    center: Position,
    width: f64,
    height: f64,
}

impl Rectangle {
    /// The largest side \[arcmin\]: 60 degrees, where a tangent plane is stretched by a third.
    pub const MAX_ARCMIN: f64 = 3600.0;

    /// `width` (along right ascension) and `height` in arcmin.
    ///
    /// # Errors
    /// Where a side is not in (0, [`MAX_ARCMIN`](Self::MAX_ARCMIN)].
    pub fn new(center: Position, width: f64, height: f64) -> Result<Self, SkyError> {
        for (what, arcmin) in [("width", width), ("height", height)] {
            if !(arcmin > 0.0 && arcmin <= Self::MAX_ARCMIN) {
                return Err(SkyError::Size { what, arcmin });
            }
        }
        Ok(Self { center, width, height })
    }

    /// The center.
    pub fn center(self) -> Position {
        self.center
    }

    /// Side along right ascension \[arcmin\].
    pub fn width(self) -> f64 {
        self.width
    }

    /// Side along declination \[arcmin\].
    pub fn height(self) -> f64 {
        self.height
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_checked() {
        assert_eq!(Position::new(360.0, 0.0).unwrap().ra(), 0.0);
        assert_eq!(Position::new(-1.0, 0.0), Err(SkyError::Ra(-1.0)));
        assert!(Position::new(f64::NAN, 0.0).is_err());
        assert!(Position::new(0.0, 90.1).is_err());
    }

    #[test]
    fn rectangles_are_checked() {
        let center = Position::new(10.0, 10.0).unwrap();
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 3601.0] {
            assert!(Rectangle::new(center, bad, 1.0).is_err(), "{bad}");
            assert!(Rectangle::new(center, 1.0, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn separation_across_ra_zero_and_at_the_pole() {
        let at = |ra, dec| Position::new(ra, dec).unwrap();
        assert!((at(359.5, 0.0).separation(at(0.5, 0.0)) - 1.0).abs() < 1e-12);
        assert!((at(10.0, 89.0).separation(at(190.0, 89.0)) - 2.0).abs() < 1e-12);
    }
}
