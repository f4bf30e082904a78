//! Regions of the sky whose spectra a cube can give: pixel, circle, ellipse, box, polygon, ring;
//! and the region files of SAOImage DS9, in which they are kept.
//!
//! Ellipses, boxes and polygons are drawn in the plane that touches the sky at the region's center,
//! so that their sides are great circles and their sizes arcseconds. Angles are DS9's: from west
//! through north, which is counterclockwise where north is up and east is left; they turn the first
//! size away from the parallel of declination.

mod background;
mod ds9;

pub use background::BackgroundRing;

use spx_core::elementary::{atan2, hypot, sin_cos};
use spx_core::sky::{Position, SkyError};
use spx_core::units::ARCSEC_PER_RADIAN;

/// What is wrong with a region, or with a file of them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RegionError {
    /// A size is not above 0, or an angle is no number.
    #[error("{shape}: sizes must be above 0 and angles finite")]
    Size {
        /// The shape's name.
        shape: &'static str,
    },
    /// The inner radius of a ring is not below the outer one.
    #[error("the inner radius, {inner}\", must be below the outer one, {outer}\"")]
    Ring {
        /// Inner radius \[arcsec\].
        inner: f64,
        /// Outer radius \[arcsec\].
        outer: f64,
    },
    /// A polygon has fewer than three corners.
    #[error("a polygon needs three corners, this one has {0}")]
    Corners(usize),
    /// A corner lies more than 45 degrees from the middle.
    #[error("the corners of a polygon must lie within 45 degrees of its middle")]
    TooWide,
    /// A position that is none.
    #[error(transparent)]
    Position(#[from] SkyError),
    /// A line of a file that cannot be used.
    #[error("line {line}: {problem}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A text that is no pair of radii or multiples.
    #[error(
        "`{0}`: expected two radii in arcsec, the inner one first: INNER,OUTER; or multiples of the \
         region from 1x on: 2x,4x"
    )]
    Annulus(String),
    /// The text has no region.
    #[error("no region was found")]
    Empty,
}

/// The shape of a region around its center; sizes \[arcsec\], angles \[deg\].
#[derive(Debug, Clone, PartialEq)]
pub enum RegionShape {
    /// The one pixel that holds the center.
    Pixel,
    /// All within a radius.
    Circle(f64),
    /// Between two radii, the outer one included.
    Ring([f64; 2]),
    /// Semi-axes and angle.
    Ellipse([f64; 2], f64),
    /// Width, height and angle.
    Box([f64; 2], f64),
    /// Corners in the plane that touches the sky at the center: offsets to the east and to the
    /// north.
    Polygon(Vec<[f64; 2]>),
}

/// A region of the sky.
#[derive(Debug, Clone, PartialEq)]
pub struct SkyRegion {
    /// Its center; of a polygon a point near its middle.
    pub center: Position,
    /// Its shape.
    pub shape: RegionShape,
    /// Its name; may be empty.
    pub label: String,
}

impl SkyRegion {
    /// A region with a center.
    ///
    /// # Errors
    /// Where a size is not above 0, or a ring has no width.
    pub fn new(center: Position, shape: RegionShape) -> Result<Self, RegionError> {
        let (name, sizes, angle): (_, &[f64], _) = match &shape {
            RegionShape::Pixel => ("point", &[], 0.0),
            RegionShape::Circle(radius) => ("circle", std::slice::from_ref(radius), 0.0),
            RegionShape::Ring(radii) => ("annulus", radii, 0.0),
            RegionShape::Ellipse(axes, angle) => ("ellipse", axes, *angle),
            RegionShape::Box(sides, angle) => ("box", sides, *angle),
            RegionShape::Polygon(corners) if corners.len() < 3 => {
                return Err(RegionError::Corners(corners.len()));
            }
            RegionShape::Polygon(_) => ("polygon", &[], 0.0),
        };
        let inner_may_be_zero = usize::from(matches!(shape, RegionShape::Ring([inner, _]) if inner == 0.0));
        if sizes[inner_may_be_zero..].iter().any(|size| !(*size > 0.0 && size.is_finite()))
            || !angle.is_finite()
        {
            return Err(RegionError::Size { shape: name });
        }
        match shape {
            RegionShape::Ring([inner, outer]) if inner >= outer => Err(RegionError::Ring { inner, outer }),
            _ => Ok(Self { center, shape, label: String::new() }),
        }
    }

    /// The circle of `radius` \[arcsec\] around a position, or without radius the pixel that holds
    /// it.
    ///
    /// # Errors
    /// Where the radius is not above 0.
    pub fn around(center: Position, radius: Option<f64>) -> Result<Self, RegionError> {
        Self::new(center, radius.map_or(RegionShape::Pixel, RegionShape::Circle))
    }

    /// A polygon by its corners.
    ///
    /// # Errors
    /// Where these are fewer than three, or too far from each other.
    pub fn polygon(corners: &[Position]) -> Result<Self, RegionError> {
        if corners.len() < 3 {
            return Err(RegionError::Corners(corners.len()));
        }
        let center = middle(corners).ok_or(RegionError::TooWide)?;
        let offsets: Option<Vec<[f64; 2]>> =
            corners.iter().map(|corner| offset_on_plane(center, *corner)).collect();
        let region = Self::new(center, RegionShape::Polygon(offsets.ok_or(RegionError::TooWide)?))?;
        if region.reach() > ARCSEC_PER_RADIAN { Err(RegionError::TooWide) } else { Ok(region) }
    }

    /// Whether a position belongs to it; edges do. A single pixel holds no position but its own.
    pub fn contains(&self, position: Position) -> bool {
        let distance = || position.separation(self.center) * 3600.0;
        let turned = |angle: f64| {
            let (sin, cos) = sin_cos(angle.to_radians());
            offset_on_plane(self.center, position)
                .map(|[east, north]| [sin * north - cos * east, sin * east + cos * north])
        };
        match &self.shape {
            RegionShape::Pixel => position == self.center,
            RegionShape::Circle(radius) => distance() <= *radius,
            RegionShape::Ring([inner, outer]) => (*inner..=*outer).contains(&distance()),
            RegionShape::Ellipse([a, b], angle) => {
                turned(*angle).is_some_and(|[u, v]| (u / a).powi(2) + (v / b).powi(2) <= 1.0)
            }
            RegionShape::Box([width, height], angle) => {
                turned(*angle).is_some_and(|[u, v]| 2.0 * u.abs() <= *width && 2.0 * v.abs() <= *height)
            }
            RegionShape::Polygon(corners) => {
                offset_on_plane(self.center, position).is_some_and(|at| is_inside(corners, at))
            }
        }
    }

    /// No part lies farther from the center \[arcsec\].
    pub fn reach(&self) -> f64 {
        match &self.shape {
            RegionShape::Pixel => 0.0,
            RegionShape::Circle(radius) | RegionShape::Ring([_, radius]) => *radius,
            RegionShape::Ellipse([a, b], _) => a.max(*b),
            RegionShape::Box([width, height], _) => hypot(*width, *height) / 2.0,
            // Distances on the plane are longer than those on the sky.
            RegionShape::Polygon(corners) => {
                corners.iter().fold(0.0, |most: f64, [x, y]| most.max(hypot(*x, *y)))
            }
        }
    }

    /// The radius \[arcsec\] of a circle; `None` of other shapes.
    pub fn radius(&self) -> Option<f64> {
        match self.shape {
            RegionShape::Circle(radius) => Some(radius),
            _ => None,
        }
    }
}

/// The direction in the middle of positions.
fn middle(positions: &[Position]) -> Option<Position> {
    let mut sum = [0.0; 3];
    for position in positions {
        let (sin, cos) = sin_cos(position.dec().to_radians());
        let (sin_ra, cos_ra) = sin_cos(position.ra().to_radians());
        sum = [sum[0] + cos * cos_ra, sum[1] + cos * sin_ra, sum[2] + sin];
    }
    let ra = atan2(sum[1], sum[0]).to_degrees().rem_euclid(360.0);
    Position::new(ra, atan2(sum[2], hypot(sum[0], sum[1])).to_degrees()).ok()
}

/// Offsets to the east and to the north \[arcsec\] in the plane that touches the sky at the center
/// (gnomonic; Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3); `None` where the position
/// is 90 degrees or more away.
fn offset_on_plane(center: Position, position: Position) -> Option<[f64; 2]> {
    let (sin0, cos0) = sin_cos(center.dec().to_radians());
    let (sin, cos) = sin_cos(position.dec().to_radians());
    let (sin_ra, cos_ra) = sin_cos((position.ra() - center.ra()).to_radians());
    let depth = sin0 * sin + cos0 * cos * cos_ra;
    let arcsec = 1f64.to_degrees() * 3600.0;
    (depth > 0.0)
        .then(|| [arcsec * cos * sin_ra / depth, arcsec * (cos0 * sin - sin0 * cos * cos_ra) / depth])
}

/// The position at offsets \[arcsec\] in the plane that touches the sky at the center.
fn on_sky(center: Position, [east, north]: [f64; 2]) -> Option<Position> {
    let (sin0, cos0) = sin_cos(center.dec().to_radians());
    let [xi, eta] = [east, north].map(|arcsec| (arcsec / 3600.0).to_radians());
    let (x, z) = (cos0 - eta * sin0, sin0 + eta * cos0);
    let ra = (center.ra() + atan2(xi, x).to_degrees()).rem_euclid(360.0);
    Position::new(ra, atan2(z, hypot(xi, x)).to_degrees()).ok()
}

/// Whether a ray to the east crosses an odd number of sides.
fn is_inside(corners: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let previous = corners.iter().cycle().skip(corners.len() - 1);
    let crosses = |([x0, y0], [x1, y1]): (&[f64; 2], &[f64; 2])| {
        (*y0 > y) != (*y1 > y) && x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    };
    previous.zip(corners).filter(|sides| crosses(*sides)).count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use spx_core::elementary::cos;

    use super::*;

    fn at(ra: f64, dec: f64) -> Position {
        Position::new(ra, dec).unwrap()
    }

    /// The position at offsets \[arcsec\] to the east and north.
    fn near(center: Position, east: f64, north: f64) -> Position {
        at(center.ra() + east / 3600.0 / cos(center.dec().to_radians()), center.dec() + north / 3600.0)
    }

    #[test]
    fn shapes_hold_what_they_should() {
        let center = at(186.45, 33.55);
        let holds = |shape: RegionShape, east, north| {
            SkyRegion::new(center, shape).unwrap().contains(near(center, east, north))
        };
        // Turned by 30 degrees from west to north: the long axis points to (-cos 30, sin 30) and
        // back.
        for (east, north, inside) in
            [(-17.0, 9.8, true), (17.0, -9.8, true), (17.0, 9.8, false), (0.0, 6.0, false)]
        {
            assert_eq!(holds(RegionShape::Ellipse([20.0, 5.0], 30.0), east, north), inside, "{east} {north}");
        }
        for (east, north, inside) in [(9.9, 4.9, true), (10.1, 0.0, false), (0.0, -5.1, false)] {
            assert_eq!(holds(RegionShape::Box([20.0, 10.0], 0.0), east, north), inside);
            assert_eq!(holds(RegionShape::Box([10.0, 20.0], 90.0), east, north), inside);
        }
        assert!(
            holds(RegionShape::Ring([5.0, 8.0]), 6.0, 0.0) && !holds(RegionShape::Ring([5.0, 8.0]), 4.0, 0.0)
        );
        let corners = [(-10.0, -10.0), (10.0, -10.0), (0.0, 0.0), (10.0, 10.0), (-10.0, 10.0)];
        let polygon = SkyRegion::polygon(&corners.map(|(east, north)| near(center, east, north))).unwrap();
        for (east, north, inside) in
            [(-5.0, 0.0, true), (5.0, 0.0, false), (5.0, 7.0, true), (11.0, 0.0, false)]
        {
            assert_eq!(polygon.contains(near(center, east, north)), inside, "{east} {north}");
        }
        assert!((14.0..20.0).contains(&polygon.reach()), "{}", polygon.reach());
    }

    #[test]
    fn regions_that_hold_nothing_are_refused() {
        let center = at(10.0, -89.99);
        for shape in [
            RegionShape::Circle(0.0),
            RegionShape::Circle(f64::NAN),
            RegionShape::Ellipse([1.0, -1.0], 0.0),
            RegionShape::Box([1.0, 1.0], f64::INFINITY),
            RegionShape::Ring([5.0, 5.0]),
            RegionShape::Polygon(vec![[0.0, 0.0], [1.0, 0.0]]),
        ] {
            assert!(SkyRegion::new(center, shape.clone()).is_err(), "{shape:?}");
        }
        assert!(SkyRegion::new(center, RegionShape::Ring([0.0, 5.0])).is_ok());
        let apart = [at(0.0, 0.0), at(120.0, 0.0), at(240.0, 1.0)];
        assert!(SkyRegion::polygon(&apart).is_err());
    }
}
