//! What is looked for: a place, and which exposures of it.

use std::f64::consts::FRAC_PI_2;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::elementary::{atan2, cos, hypot, sin};
use spx_core::release::{DataRelease, ReleaseChoice};
use spx_core::sky::{Position, Rectangle, SkyError};
use thiserror::Error;

use crate::observation::Observation;

/// What can be wrong with a selection.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SelectionError {
    /// A place that is none.
    #[error(transparent)]
    Sky(#[from] SkyError),
    /// A radius that is not above 0, or larger than any search needs.
    #[error("radius {0} deg must lie above 0 and be at most {max} deg", max = SearchCircle::MAX_RADIUS)]
    Radius(f64),
    /// A range of dates that is none.
    #[error("the MJD range `{0}` must be two numbers MIN,MAX with MIN not above MAX")]
    MjdRange(String),
    /// A coverage mode that is none.
    #[error("unknown coverage mode `{0}`: expected any or full")]
    Coverage(String),
    /// Fields that are none.
    #[error("unknown fields `{0}`: expected all, wide or deep")]
    Fields(String),
}

/// Which images of a circle are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coverage {
    /// Those that overlap it.
    #[default]
    Any,
    /// Those that contain all of it.
    Full,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Full => "full",
        })
    }
}

impl FromStr for Coverage {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => Ok(Self::Any),
            "full" => Ok(Self::Full),
            _ => Err(SelectionError::Coverage(text.to_owned())),
        }
    }
}

/// A circle on the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchCircle {
    center: Position,
    radius: f64,
}

impl SearchCircle {
    /// The largest radius \[deg\].
    pub const MAX_RADIUS: f64 = 30.0;

    /// `radius` in degrees.
    ///
    /// # Errors
    /// Where the radius is not in (0, [`MAX_RADIUS`](Self::MAX_RADIUS)].
    pub fn new(center: Position, radius: f64) -> Result<Self, SelectionError> {
        if radius > 0.0 && radius <= Self::MAX_RADIUS {
            Ok(Self { center, radius })
        } else {
            Err(SelectionError::Radius(radius))
        }
    }

    /// The center.
    pub fn center(self) -> Position {
        self.center
    }

    /// The radius \[deg\].
    pub fn radius(self) -> f64 {
        self.radius
    }
}

/// Which fields of the survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SurveyFields {
    /// All.
    #[default]
    All,
    /// The survey of the whole sky.
    Wide,
    /// The deep fields at the poles of the ecliptic.
    Deep,
}

impl fmt::Display for SurveyFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Wide => "wide",
            Self::Deep => "deep",
        })
    }
}

impl FromStr for SurveyFields {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::All, Self::Wide, Self::Deep];
        all.into_iter().find(|f| f.to_string() == text).ok_or_else(|| SelectionError::Fields(text.to_owned()))
    }
}

/// The place that images must show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SearchShape {
    /// Images that contain a point.
    Point(Position),
    /// Images that overlap or contain a circle.
    Circle(SearchCircle, Coverage),
    /// Images that overlap a rectangle on the tangent plane.
    Rectangle(Rectangle),
}

impl SearchShape {
    /// The point, or the center.
    pub fn center(self) -> Position {
        match self {
            Self::Point(at) => at,
            Self::Circle(circle, _) => circle.center(),
            Self::Rectangle(rectangle) => rectangle.center(),
        }
    }
}

/// A range of dates, both ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MjdRange {
    min: f64,
    max: f64,
}

impl MjdRange {
    /// From `min` to `max` \[MJD\].
    ///
    /// # Errors
    /// Where one of them is no finite number, or they are in the wrong order.
    pub fn new(min: f64, max: f64) -> Result<Self, SelectionError> {
        if min.is_finite() && max.is_finite() && min <= max {
            Ok(Self { min, max })
        } else {
            Err(SelectionError::MjdRange(format!("{min},{max}")))
        }
    }

    /// The first date \[MJD\].
    pub fn min(self) -> f64 {
        self.min
    }

    /// The last date \[MJD\].
    pub fn max(self) -> f64 {
        self.max
    }
}

impl FromStr for MjdRange {
    type Err = SelectionError;

    /// Reads `MIN,MAX`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || SelectionError::MjdRange(text.to_owned());
        let (min, max) = text.split_once(',').ok_or_else(wrong)?;
        let number = |t: &str| t.trim().parse().map_err(|_| wrong());
        Self::new(number(min)?, number(max)?).map_err(|_| wrong())
    }
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The place.
    pub shape: SearchShape,
    /// The detectors; all where empty.
    pub bands: Vec<Detector>,
    /// The time of mid-exposure, where it matters.
    pub mjd_range: Option<MjdRange>,
    /// Which releases.
    pub release: ReleaseChoice,
    /// Wide survey, deep fields, or both.
    pub fields: SurveyFields,
    /// More images than this are an error rather than a long download.
    pub max_images: Option<usize>,
    /// Asks by TAP for the outline and the size of each file, too.
    pub outlines: bool,
}

impl Selection {
    /// All images of a place.
    pub fn new(shape: SearchShape) -> Self {
        Self {
            shape,
            bands: Vec::new(),
            mjd_range: None,
            release: ReleaseChoice::Newest,
            fields: SurveyFields::All,
            max_images: None,
            outlines: false,
        }
    }

    /// The TAP query. It holds numbers and constants only, so nothing in it can be injected.
    ///
    /// The date is filtered generously here, by the bounds of the exposure, and exactly by
    /// [`accepts`](Self::accepts), as are the releases.
    pub fn adql(&self) -> String {
        let mut adql = format!(
            "SELECT a.uri, p.obs_publisher_did, p.time_bounds_lower, p.time_bounds_upper, \
             p.energy_bandpassname, p.energy_bounds_lower, p.energy_bounds_upper, \
             p.provenance_version, p.quality_flag, o.collection{} \
             FROM spherex.artifact a JOIN spherex.plane p ON a.planeid = p.planeid \
             JOIN spherex.observation o ON o.obsid = p.obsid WHERE {}",
            if self.outlines { ", p.poly, a.contentlength" } else { "" },
            condition(self.shape)
        );
        let names: Vec<_> = self.collections().iter().map(|name| format!("'{name}'")).collect();
        write!(adql, " AND o.collection IN ({})", names.join(", ")).ok();
        // Writing to a string cannot fail.
        if !self.bands.is_empty() {
            let names: Vec<_> = self.bands.iter().map(|band| format!("'SPHEREx-{band}'")).collect();
            write!(adql, " AND p.energy_bandpassname IN ({})", names.join(", ")).ok();
        }
        if let Some(MjdRange { min, max }) = self.mjd_range {
            write!(adql, " AND p.time_bounds_upper >= {min} AND p.time_bounds_lower <= {max}").ok();
        }
        adql.push_str(" ORDER BY p.time_bounds_lower");
        adql
    }

    /// The collections of the archive that hold such images: `spherex_qr2`, `spherex_qr2_deep` and
    /// so on. A row of `spherex.plane` stands in one of them, but the same plane may be listed for
    /// both fields, so that the collection has to be asked for.
    pub fn collections(&self) -> Vec<String> {
        let releases = DataRelease::ALL.into_iter().filter(|release| self.release.allows(Some(*release)));
        let suffixes: &[&str] = match self.fields {
            SurveyFields::All => &["", "_deep"],
            SurveyFields::Wide => &[""],
            SurveyFields::Deep => &["_deep"],
        };
        releases.flat_map(|r| suffixes.iter().map(move |suffix| format!("spherex_{r}{suffix}"))).collect()
    }

    /// True where an observation is of the detectors, dates and releases that are looked for; its
    /// place is not looked at.
    pub fn accepts(&self, observation: &Observation) -> bool {
        let mjd = observation.mjd();
        (self.bands.is_empty() || self.bands.contains(&observation.detector))
            && self.mjd_range.is_none_or(|range| range.min <= mjd && mjd <= range.max)
            && self.release.allows(observation.identity().release)
    }
}

fn condition(shape: SearchShape) -> String {
    let circle =
        |c: SearchCircle| format!("CIRCLE('ICRS', {}, {}, {})", c.center.ra(), c.center.dec(), c.radius);
    match shape {
        SearchShape::Point(at) => format!("CONTAINS(POINT('ICRS', {}, {}), p.poly) = 1", at.ra(), at.dec()),
        SearchShape::Circle(c, Coverage::Any) => format!("INTERSECTS(p.poly, {}) = 1", circle(c)),
        SearchShape::Circle(c, Coverage::Full) => format!("CONTAINS({}, p.poly) = 1", circle(c)),
        SearchShape::Rectangle(rectangle) => {
            let corners = corners(rectangle).map(|[ra, dec]| format!("{ra}, {dec}")).join(", ");
            format!("INTERSECTS(p.poly, POLYGON('ICRS', {corners})) = 1")
        }
    }
}

/// The corners of a rectangle `[ra, dec]` \[deg\], counter-clockwise as the sky is seen (north up,
/// east left), by deprojection from the tangent plane (Calabretta & Greisen 2002, A&A 395, 1077,
/// section 5.1.3).
pub(crate) fn corners(rectangle: Rectangle) -> [[f64; 2]; 4] {
    let half = [rectangle.width(), rectangle.height()].map(|side| (side / 120.0).to_radians());
    let [ra0, dec0] = [rectangle.center().ra(), rectangle.center().dec()].map(f64::to_radians);
    [[1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]].map(|[east, north]| {
        let (xi, eta) = (east * half[0], north * half[1]);
        let towards_pole = cos(dec0) - eta * sin(dec0);
        let ra = ra0 + atan2(xi, towards_pole);
        let dec = atan2(sin(dec0) + eta * cos(dec0), hypot(xi, towards_pole));
        [ra.to_degrees().rem_euclid(360.0), dec.clamp(-FRAC_PI_2, FRAC_PI_2).to_degrees()]
    })
}

#[cfg(test)]
mod tests {
    use spx_core::elementary::atan;

    use super::*;

    fn at(ra: f64, dec: f64) -> Position {
        Position::new(ra, dec).unwrap()
    }

    #[test]
    fn queries_are_as_the_archive_documents_them() {
        let mut selection = Selection::new(SearchShape::Point(at(304.69, 42.44)));
        let adql = selection.adql();
        assert!(
            adql.contains(
                "JOIN spherex.observation o ON o.obsid = p.obsid WHERE CONTAINS(POINT('ICRS', 304.69"
            ),
            "{adql}"
        );
        let all = "IN ('spherex_qr2', 'spherex_qr2_deep', 'spherex_qr3', 'spherex_qr3_deep', 'spherex_dr1', \
                   'spherex_dr1_deep') ORDER BY";
        assert!(adql.contains(all), "{adql}");
        selection.release = "qr3".parse().unwrap();
        selection.fields = SurveyFields::Deep;
        assert!(selection.adql().contains("o.collection IN ('spherex_qr3_deep')"));
        (selection.release, selection.fields) = (ReleaseChoice::Newest, SurveyFields::Wide);
        let circle = SearchCircle::new(at(270.0, 66.56), 1.0).unwrap();
        selection.shape = SearchShape::Circle(circle, Coverage::Full);
        assert!(selection.adql().contains("CONTAINS(CIRCLE('ICRS', 270, 66.56, 1), p.poly) = 1"));
        selection.shape = SearchShape::Circle(circle, Coverage::Any);
        selection.bands = vec!["D3".parse().unwrap(), "D4".parse().unwrap()];
        selection.mjd_range = Some("60800, 61000.5".parse().unwrap());
        let adql = selection.adql();
        assert!(adql.contains("INTERSECTS(p.poly, CIRCLE('ICRS', 270, 66.56, 1)) = 1"), "{adql}");
        assert!(adql.contains("p.energy_bandpassname IN ('SPHEREx-D3', 'SPHEREx-D4')"), "{adql}");
        assert!(adql.contains("p.time_bounds_upper >= 60800 AND p.time_bounds_lower <= 61000.5"), "{adql}");
    }

    #[test]
    fn corners_lie_where_the_tangent_plane_puts_them() {
        // On the equator at RA 0 the tangent plane has tan(ra) = xi and tan(dec) = eta cos(ra).
        let corners = corners(Rectangle::new(at(0.0, 0.0), 120.0, 60.0).unwrap());
        let (xi, eta) = (1.0_f64.to_radians(), 0.5_f64.to_radians());
        let (ra, dec) = (atan(xi).to_degrees(), atan(eta * cos(atan(xi))).to_degrees());
        let expected = [[ra, -dec], [360.0 - ra, -dec], [360.0 - ra, dec], [ra, dec]];
        for (a, b) in corners.iter().flatten().zip(expected.iter().flatten()) {
            assert!((a - b).abs() < 1e-12, "{corners:?}");
        }
    }

    #[test]
    fn a_rectangle_around_the_pole_has_its_corners_on_all_sides() {
        let corners = corners(Rectangle::new(at(0.0, 90.0), 60.0, 60.0).unwrap());
        let mut ras = corners.map(|[ra, _]| ra.round());
        ras.sort_by(f64::total_cmp);
        assert_eq!(ras, [45.0, 135.0, 225.0, 315.0]);
        assert!(corners.iter().all(|c| (c[1] - 89.2929).abs() < 1e-3), "{corners:?}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(SearchCircle::new(at(0.0, 0.0), 0.0).is_err());
        assert!(SearchCircle::new(at(0.0, 0.0), f64::NAN).is_err());
        for bad in ["", "1", "2,1", "a,b", "NaN,1", "1,inf", "1,2,3"] {
            assert!(bad.parse::<MjdRange>().is_err(), "{bad}");
        }
        assert!("half".parse::<Coverage>().is_err());
    }

    #[test]
    fn numbers_are_never_written_with_exponents() {
        let selection = Selection::new(SearchShape::Circle(
            SearchCircle::new(at(1e-9, -1e-9), 1e-7).unwrap(),
            Coverage::Any,
        ));
        assert!(selection.adql().contains("CIRCLE('ICRS', 0.000000001, -0.000000001, 0.0000001)"));
    }
}
