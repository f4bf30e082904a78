//! Projections of the sphere onto a plane (Calabretta & Greisen 2002, A&A 395, 1077, "Paper II").
//!
//! A projection takes a direction of its own native frame to a point (x, y) of the plane \[rad\].
//! Of the zenithal ones the third axis of that frame points to the reference position, and the
//! first two lie along x and y; of the plate carree the first axis points there, and the third
//! along y, and so of a face of HEALPix (`healpix.rs`).

use std::fmt;
use std::str::FromStr;

use spx_core::elementary::{atan2, hypot, powf, sin_cos};
use spx_core::sky::{Position, SkyError};

use crate::healpix::{self, HealpixRing};

/// Rows of a matrix that acts on directions.
pub(crate) type Matrix3 = [[f64; 3]; 3];

/// A projection of the sky.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SkyProjection {
    /// Gnomonic: TAN (section 5.1.3).
    #[default]
    Tan,
    /// Orthographic: SIN without parameters (section 5.1.5).
    Sin,
    /// Zenithal equal-area: ZEA (section 5.1.7).
    Zea,
    /// Plate carree: CAR (section 5.2.3).
    Car,
    /// A face of HEALPix, of a grid that [`OutputGrid::healpix`](crate::OutputGrid::healpix) makes.
    Healpix(HealpixRing),
}

impl SkyProjection {
    /// Those of a grid over a region.
    pub const ALL: [Self; 4] = [Self::Tan, Self::Sin, Self::Zea, Self::Car];

    /// The last three letters of CTYPE.
    pub fn code(self) -> &'static str {
        match self {
            Self::Tan => "TAN",
            Self::Sin => "SIN",
            Self::Zea => "ZEA",
            Self::Car => "CAR",
            Self::Healpix(_) => "HPX",
        }
    }

    /// What it is called.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Tan => "gnomonic projection",
            Self::Sin => "orthographic projection",
            Self::Zea => "zenithal equal-area projection",
            Self::Car => "plate carree projection",
            Self::Healpix(_) => "HEALPix projection",
        }
    }

    /// Whether its reference position is the pole of its native frame.
    pub(crate) fn is_zenithal(self) -> bool {
        matches!(self, Self::Tan | Self::Sin | Self::Zea)
    }

    /// The native direction of a point of the plane, not of length 1 for TAN; NaN where the point
    /// is the image of none.
    pub(crate) fn direction(self, [x, y]: [f64; 2]) -> [f64; 3] {
        match self {
            Self::Tan => [x, y, 1.0],
            // The root of what is negative is NaN.
            Self::Sin => [x, y, (1.0 - x * x - y * y).sqrt()],
            Self::Zea => {
                let quarter = 0.25 * (x * x + y * y);
                let shrink = (1.0 - quarter).sqrt();
                [x * shrink, y * shrink, 1.0 - 2.0 * quarter]
            }
            Self::Car => {
                let ((sin_x, cos_x), (sin_y, cos_y)) = (sin_cos(x), sin_cos(y));
                [cos_y * cos_x, cos_y * sin_x, sin_y]
            }
            Self::Healpix(ring) => ring.direction([x, y]),
        }
    }

    /// The point of the plane of a native direction of any length; `None` where it has none.
    pub(crate) fn point(self, [a, b, c]: [f64; 3]) -> Option<[f64; 2]> {
        let length = || (a * a + b * b + c * c).sqrt();
        match self {
            Self::Tan => (c > 0.0).then(|| [a / c, b / c]),
            Self::Sin => (c > 0.0).then(|| [a / length(), b / length()]),
            Self::Zea => {
                let factor = 1.0 / (0.5 * length() * (length() + c)).sqrt();
                factor.is_finite().then_some([a * factor, b * factor])
            }
            Self::Car => Some([atan2(b, a), atan2(c, hypot(a, b))]),
            Self::Healpix(ring) => ring.point([a, b, c]),
        }
    }

    /// A small area of the plane over the solid angle that it shows, at a point.
    pub(crate) fn area_ratio(self, [x, y]: [f64; 2]) -> f64 {
        match self {
            // An area of the tangent plane, seen from the center of the sphere, shrinks by cos^3 of
            // its distance.
            Self::Tan => powf(1.0 + x * x + y * y, 1.5),
            Self::Sin => (1.0 - x * x - y * y).sqrt(),
            Self::Zea => 1.0,
            Self::Car => 1.0 / sin_cos(y).1,
            Self::Healpix(_) => healpix::AREA_RATIO,
        }
    }
}

impl fmt::Display for SkyProjection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for SkyProjection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|projection| projection.code() == text.to_ascii_uppercase());
        found.ok_or_else(|| format!("unknown projection `{text}`: expected TAN, SIN, ZEA or CAR"))
    }
}

/// The system of a pair of celestial axes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SkyFrame {
    /// Right ascension and declination, ICRS.
    #[default]
    Icrs,
    /// Right ascension and declination, FK5 at equinox J2000.
    Fk5,
    /// Galactic longitude and latitude.
    Galactic,
}

impl SkyFrame {
    /// Longitude, in [0, 360), and latitude of a position \[deg\].
    pub fn coordinates(self, position: Position) -> [f64; 2] {
        if self == Self::Icrs {
            return [position.ra(), position.dec()];
        }
        spherical(self.icrs_rotation().map(|row| dot(row, cartesian(position.ra(), position.dec()))))
    }

    /// The position at a longitude and a latitude \[deg\].
    ///
    /// # Errors
    /// Where the latitude is not within 90 degrees, or one of them is not finite.
    pub fn position(self, longitude: f64, latitude: f64) -> Result<Position, SkyError> {
        let checked = Position::new(longitude, latitude)?;
        if self == Self::Icrs {
            return Ok(checked);
        }
        let (direction, rows) = (cartesian(longitude, latitude), self.icrs_rotation());
        let [ra, dec] = spherical([0, 1, 2].map(|c| dot(rows.map(|row| row[c]), direction)));
        Position::new(ra, dec)
    }

    /// The rotation from ICRS. FK5 lies 0.02" away (IAU Resolution B1 of 2000, by the offsets of
    /// the frames that ERFA and astropy have: -19.9, 9.1, -22.9 mas); galactic coordinates are
    /// defined in FK5 by pole 192.8594812065348, 27.12825118085622 and longitude of the celestial
    /// pole 122.9319185680026 deg (Liu et al. 2011, A&A 526, A16), as astropy has it.
    pub(crate) fn icrs_rotation(self) -> Matrix3 {
        match self {
            Self::Icrs => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            Self::Fk5 => FK5,
            Self::Galactic => GALACTIC,
        }
    }

    /// What CTYPE of longitude and latitude begin with.
    pub(crate) fn axes(self) -> [&'static str; 2] {
        match self {
            Self::Icrs | Self::Fk5 => ["RA--", "DEC-"],
            Self::Galactic => ["GLON", "GLAT"],
        }
    }

    /// What the two axes are called.
    pub(crate) fn titles(self) -> [&'static str; 2] {
        match self {
            Self::Icrs | Self::Fk5 => ["right ascension", "declination"],
            Self::Galactic => ["galactic longitude", "galactic latitude"],
        }
    }
}

fn cartesian(longitude: f64, latitude: f64) -> [f64; 3] {
    let ((sin_lon, cos_lon), (sin_lat, cos_lat)) =
        (sin_cos(longitude.to_radians()), sin_cos(latitude.to_radians()));
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}

fn spherical([x, y, z]: [f64; 3]) -> [f64; 2] {
    [atan2(y, x).to_degrees().rem_euclid(360.0), atan2(z, hypot(x, y)).to_degrees()]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// ICRS to FK5, by rows.
#[rustfmt::skip]
const FK5: Matrix3 = [
    [0.9999999999999928, -1.110223329740834e-07, -4.411804498096776e-08],
    [1.1102233723050031e-07, 0.9999999999999891, 9.64779225407974e-08],
    [4.411803426976324e-08, -9.647792743888517e-08, 0.9999999999999943],
];

/// ICRS to galactic coordinates, by way of FK5, by rows.
#[rustfmt::skip]
const GALACTIC: Matrix3 = [
    [-0.05487565771259167, -0.873437051955616, -0.48383507361671546],
    [0.49410943719272715, -0.4448297212232953, 0.7469821839866675],
    [-0.8676661375596583, -0.19807633727300056, 0.4559838136873017],
];
