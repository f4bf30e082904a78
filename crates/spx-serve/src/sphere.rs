//! Regions on the sphere: points, circles, and polygons whose sides are great circles, and whether
//! one contains or meets another.
//!
//! Everything is done with unit vectors, so neither the poles nor right ascension 0 are special. A
//! polygon is simple (its sides do not cross) and lies within a hemisphere around the mean of its
//! corners, convex or not, in either sense of rotation. Boundaries belong to the region.

use spx_core::elementary::{asin, atan2, hypot, sin_cos};
use std::f64::consts::{FRAC_PI_2, PI};

/// A direction as a unit vector.
pub(crate) type Direction = [f64; 3];

/// Distance below which a point lies on a boundary \[rad\]: 0.2 micro-arcsec.
const TOUCH: f64 = 1e-12;

/// A disc of the sphere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Circle {
    center: Direction,
    /// \[rad\]
    radius: f64,
}

/// The inside of a closed line of great-circle arcs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Polygon {
    corners: Vec<Direction>,
    center: Direction,
}

/// What a query can name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Region {
    Point(Direction),
    Circle(Circle),
    Polygon(Polygon),
}

impl Circle {
    /// `radius` in degrees, 0 to 180.
    pub(crate) fn new(ra: f64, dec: f64, radius: f64) -> Result<Self, String> {
        if !(0.0..=180.0).contains(&radius) {
            return Err(format!("a radius of {radius} is outside 0 to 180 degrees"));
        }
        Ok(Self { center: direction(ra, dec)?, radius: radius.to_radians() })
    }

    /// Right ascension, declination and radius \[deg\].
    pub(crate) fn numbers(&self) -> [f64; 3] {
        let [ra, dec] = position(self.center);
        [ra, dec, self.radius.to_degrees()]
    }
}

impl Polygon {
    /// Corners \[deg\], right ascension first; a last corner equal to the first is left out.
    pub(crate) fn new(corners: &[[f64; 2]]) -> Result<Self, String> {
        let open = match corners {
            [first, rest @ .., last] if first == last && rest.len() > 1 => &corners[..corners.len() - 1],
            _ => corners,
        };
        if open.len() < 3 {
            return Err(format!("a polygon needs three corners, not {}", open.len()));
        }
        let corners: Vec<Direction> =
            open.iter().map(|&[ra, dec]| direction(ra, dec)).collect::<Result<_, _>>()?;
        let sum = corners.iter().fold([0.0; 3], |sum, c| add(sum, *c));
        let center = unit(sum).filter(|center| corners.iter().all(|c| dot(*center, *c) > 0.0));
        let center = center.ok_or("the corners of a polygon must lie within a hemisphere around it")?;
        Ok(Self { corners, center })
    }

    /// Corners \[deg\], `[ra, dec]` with `ra` in [0, 360).
    pub(crate) fn corners(&self) -> impl Iterator<Item = [f64; 2]> {
        self.corners.iter().map(|c| position(*c))
    }

    /// Points along the boundary, `steps` to a side \[deg\].
    pub(crate) fn points(&self, steps: usize) -> impl Iterator<Item = [f64; 2]> {
        self.sides().flat_map(move |[a, b]| {
            (0..steps).filter_map(move |k| {
                let share = k as f64 / steps as f64;
                let between = add(a.map(|v| v * (1.0 - share)), b.map(|v| v * share));
                unit(between).map(position)
            })
        })
    }

    fn sides(&self) -> impl Iterator<Item = [Direction; 2]> {
        let next = self.corners.iter().cycle().skip(1);
        self.corners.iter().zip(next).map(|(a, b)| [*a, *b])
    }

    /// Distance of the nearest point of the boundary \[rad\].
    fn boundary_distance(&self, point: Direction) -> f64 {
        self.sides().map(|side| arc_distance(point, side)).fold(PI, f64::min)
    }

    fn contains(&self, point: Direction) -> bool {
        if self.boundary_distance(point) <= TOUCH {
            return true;
        }
        if dot(self.center, point) <= 0.0 {
            return false;
        }
        // The directions of the corners, seen from the point, turn by a full circle or not at all.
        let turn: f64 = self.sides().map(|[a, b]| turn(point, a, b)).sum();
        turn.abs() > PI
    }

    fn meets(&self, other: &Self) -> bool {
        self.corners.iter().any(|c| other.contains(*c))
            || other.corners.iter().any(|c| self.contains(*c))
            || self.sides().any(|a| other.sides().any(|b| arcs_cross(a, b)))
    }

    /// All of `other` lies inside.
    fn covers(&self, other: &Self) -> bool {
        other.corners.iter().all(|c| self.contains(*c))
            && !self.sides().any(|a| other.sides().any(|b| arcs_cross_inside(a, b)))
            && self.corners.iter().all(|c| self.boundary_touches(other, *c) || !other.contains(*c))
    }

    fn boundary_touches(&self, other: &Self, corner: Direction) -> bool {
        other.boundary_distance(corner) <= TOUCH
    }
}

impl Region {
    /// The position `[ra, dec]` \[deg\] of a point.
    pub(crate) fn point(&self) -> Option<[f64; 2]> {
        if let Self::Point(p) = self { Some(position(*p)) } else { None }
    }

    /// All of `inner` lies in `self`.
    pub(crate) fn contains(&self, inner: &Region) -> bool {
        match (self, inner) {
            (Self::Point(a), Self::Point(b)) => angle(*a, *b) <= TOUCH,
            (Self::Point(a), Self::Circle(c)) => c.radius <= TOUCH && angle(*a, c.center) <= TOUCH,
            (Self::Point(_), Self::Polygon(_)) => false,
            (Self::Circle(c), Self::Point(p)) => angle(c.center, *p) <= c.radius + TOUCH,
            (Self::Circle(c), Self::Circle(d)) => angle(c.center, d.center) + d.radius <= c.radius + TOUCH,
            (Self::Circle(c), Self::Polygon(p)) => circle_covers(c, p),
            (Self::Polygon(p), Self::Point(point)) => p.contains(*point),
            (Self::Polygon(p), Self::Circle(c)) => {
                c.radius < FRAC_PI_2
                    && p.contains(c.center)
                    && p.boundary_distance(c.center) >= c.radius - TOUCH
            }
            (Self::Polygon(p), Self::Polygon(q)) => p.covers(q),
        }
    }

    /// Some point lies in both.
    pub(crate) fn intersects(&self, other: &Region) -> bool {
        match (self, other) {
            (Self::Point(_), _) => other.contains(self),
            (_, Self::Point(_)) => self.contains(other),
            (Self::Circle(c), Self::Circle(d)) => angle(c.center, d.center) <= c.radius + d.radius + TOUCH,
            (Self::Circle(c), Self::Polygon(p)) | (Self::Polygon(p), Self::Circle(c)) => {
                p.contains(c.center) || p.boundary_distance(c.center) <= c.radius + TOUCH
            }
            (Self::Polygon(p), Self::Polygon(q)) => p.meets(q),
        }
    }
}

/// The complement of a circle beyond a hemisphere is itself a circle, and it must not meet the
/// polygon.
fn circle_covers(c: &Circle, p: &Polygon) -> bool {
    if c.radius <= FRAC_PI_2 {
        return p.corners.iter().all(|corner| angle(c.center, *corner) <= c.radius + TOUCH);
    }
    let opposite = c.center.map(|v| -v);
    !p.contains(opposite) && p.boundary_distance(opposite) >= PI - c.radius - TOUCH
}

/// The unit vector of a position \[deg\].
pub(crate) fn direction(ra: f64, dec: f64) -> Result<Direction, String> {
    if !ra.is_finite() {
        return Err(format!("{ra} is not a right ascension"));
    }
    if !(-90.0..=90.0).contains(&dec) {
        return Err(format!("a declination of {dec} is outside -90 to 90 degrees"));
    }
    let ((sin_ra, cos_ra), (sin_dec, cos_dec)) = (sin_cos(ra.to_radians()), sin_cos(dec.to_radians()));
    Ok([cos_dec * cos_ra, cos_dec * sin_ra, sin_dec])
}

/// `[ra, dec]` \[deg\] of a unit vector, `ra` in [0, 360).
fn position([x, y, z]: Direction) -> [f64; 2] {
    let ra = atan2(y, x).to_degrees().rem_euclid(360.0);
    [if ra < 360.0 { ra } else { 0.0 }, atan2(z, hypot(x, y)).to_degrees()]
}

/// Great-circle distance \[rad\].
pub(crate) fn angle(a: Direction, b: Direction) -> f64 {
    atan2(norm(cross(a, b)), dot(a, b))
}

/// Distance of a point from an arc \[rad\].
fn arc_distance(point: Direction, [a, b]: [Direction; 2]) -> f64 {
    let ends = angle(point, a).min(angle(point, b));
    let Some(pole) = unit(cross(a, b)) else { return ends };
    let before_end = dot(cross(pole, a), point) >= 0.0 && dot(cross(b, pole), point) >= 0.0;
    if before_end { asin(dot(pole, point).clamp(-1.0, 1.0)).abs().min(ends) } else { ends }
}

/// The angle by which the direction to `a`, seen from `point`, turns to that of `b` \[rad\], within
/// a half circle either way.
fn turn(point: Direction, a: Direction, b: Direction) -> f64 {
    let (na, nb) = (cross(point, a), cross(point, b));
    atan2(dot(point, cross(na, nb)), dot(na, nb))
}

/// Two arcs have a point in common.
fn arcs_cross(first: [Direction; 2], second: [Direction; 2]) -> bool {
    arcs_cross_inside(first, second)
        || first.iter().any(|p| arc_distance(*p, second) <= TOUCH)
        || second.iter().any(|p| arc_distance(*p, first) <= TOUCH)
}

/// Two arcs cross between their ends, and by more than a touch.
fn arcs_cross_inside(first: [Direction; 2], second: [Direction; 2]) -> bool {
    let poles = [first, second].map(|[a, b]| cross(a, b));
    let Some(meeting) = unit(cross(poles[0], poles[1])) else { return false };
    let within = |point: Direction, [a, b]: [Direction; 2], pole: Direction| {
        dot(cross(pole, a), point) > 0.0
            && dot(cross(b, pole), point) > 0.0
            && angle(point, a).min(angle(point, b)) > TOUCH
    };
    [meeting, meeting.map(|v| -v)]
        .into_iter()
        .any(|point| within(point, first, poles[0]) && within(point, second, poles[1]))
}

fn add(a: Direction, b: Direction) -> Direction {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn dot(a: Direction, b: Direction) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: Direction, b: Direction) -> Direction {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn norm(a: Direction) -> f64 {
    dot(a, a).sqrt()
}

/// `None` for what is too short to have a direction.
fn unit(a: Direction) -> Option<Direction> {
    let length = norm(a);
    (length > 1e-15).then(|| a.map(|v| v / length))
}

#[cfg(test)]
mod tests {
    use spx_core::elementary::{cos, sin};

    use super::*;

    fn point(ra: f64, dec: f64) -> Region {
        Region::Point(direction(ra, dec).unwrap())
    }

    fn circle(ra: f64, dec: f64, radius: f64) -> Region {
        Region::Circle(Circle::new(ra, dec, radius).unwrap())
    }

    fn polygon(corners: &[[f64; 2]]) -> Region {
        Region::Polygon(Polygon::new(corners).unwrap())
    }

    /// The archive's own footprint of an exposure.
    fn footprint() -> Region {
        polygon(&[
            [6.962852120551271, 41.75009330770693],
            [11.28249000497766, 43.137330881450204],
            [13.174643355147754, 39.946653279470475],
            [8.97915502445252, 38.62459220149968],
        ])
    }

    #[test]
    fn points_in_a_footprint() {
        assert!(footprint().contains(&point(10.086254818464036, 40.90022754355935)));
        assert!(footprint().contains(&point(6.962852120551271, 41.75009330770693)), "a corner");
        for [ra, dec] in [[6.9, 41.75], [13.2, 39.9], [190.0, -40.9], [10.0, 43.0], [9.0, 38.6]] {
            assert!(!footprint().contains(&point(ra, dec)), "{ra} {dec}");
        }
    }

    #[test]
    fn sides_are_great_circles_not_parallels() {
        let square = polygon(&[[0.0, 60.0], [40.0, 60.0], [40.0, 30.0], [0.0, 30.0]]);
        // The northern side rises to atan(tan 60 / cos 20) = 61.52 degrees in its middle.
        assert!(square.contains(&point(20.0, 61.5)));
        assert!(!square.contains(&point(20.0, 61.6)));
        assert!(!square.contains(&point(20.0, 30.5)), "the southern one, too, bulges north");
    }

    #[test]
    fn poles_and_right_ascension_zero() {
        let cap = polygon(&[[0.0, 80.0], [90.0, 80.0], [180.0, 80.0], [270.0, 80.0]]);
        assert!(cap.contains(&point(123.0, 90.0)) && cap.contains(&point(45.0, 83.0)));
        assert!(!cap.contains(&point(45.0, 82.0)) && !cap.contains(&point(0.0, -90.0)));
        let wrap = polygon(&[[359.0, -1.0], [1.0, -1.0], [1.0, 1.0], [359.0, 1.0]]);
        for ra in [0.0, 360.0, -0.5, 359.5, 0.9] {
            assert!(wrap.contains(&point(ra, 0.0)), "{ra}");
        }
        assert!(!wrap.contains(&point(180.0, 0.0)) && !wrap.contains(&point(1.1, 0.0)));
        assert!(wrap.intersects(&circle(2.0, 0.0, 1.01)) && !wrap.intersects(&circle(2.0, 0.0, 0.99)));
    }

    #[test]
    fn circles_and_polygons() {
        let square = polygon(&[[9.0, -1.0], [11.0, -1.0], [11.0, 1.0], [9.0, 1.0]]);
        assert!(square.contains(&circle(10.0, 0.0, 0.99)) && !square.contains(&circle(10.0, 0.0, 1.01)));
        assert!(circle(10.0, 0.0, 1.42).contains(&square) && !circle(10.0, 0.0, 1.41).contains(&square));
        assert!(square.intersects(&circle(10.0, 0.0, 0.1)), "a circle inside meets no side");
        assert!(circle(10.0, 0.0, 50.0).intersects(&square), "nor one around");
        assert!(!circle(190.0, 0.0, 170.0).contains(&square));
        assert!(circle(100.0, 0.0, 95.0).contains(&square) && !circle(100.0, 0.0, 90.5).contains(&square));
    }

    #[test]
    fn polygons_and_polygons() {
        let square = |ra: f64, dec: f64, half: f64| {
            polygon(&[
                [ra - half, dec - half],
                [ra + half, dec - half],
                [ra + half, dec + half],
                [ra - half, dec + half],
            ])
        };
        let big = square(0.0, 0.0, 2.0);
        assert!(big.contains(&square(0.5, 0.5, 1.0)) && !big.contains(&square(1.5, 0.5, 1.0)));
        assert!(big.intersects(&square(3.5, 0.0, 1.6)) && !big.intersects(&square(3.5, 0.0, 1.4)));
        assert!(big.intersects(&square(0.0, 0.0, 0.1)) && square(0.0, 0.0, 0.1).intersects(&big));
        assert!(big.contains(&big) && big.intersects(&big));
        let bar = |w: f64, h: f64| polygon(&[[-w, -h], [w, -h], [w, h], [-w, h]]);
        assert!(bar(5.0, 1.0).intersects(&bar(1.0, 5.0)), "a cross has no corner in the other bar");
        assert!(!bar(5.0, 1.0).contains(&bar(1.0, 5.0)));
    }

    #[test]
    fn notches_are_outside() {
        let c =
            polygon(&[[0.0, 0.0], [4.0, 0.0], [4.0, 1.0], [1.0, 2.0], [4.0, 3.0], [4.0, 4.0], [0.0, 4.0]]);
        assert!(c.contains(&point(0.5, 2.0)) && !c.contains(&point(3.0, 2.0)));
        let hull = polygon(&[[0.1, 0.1], [3.9, 0.1], [3.9, 3.9], [0.1, 3.9]]);
        assert!(!c.contains(&hull) && c.intersects(&hull));
    }

    /// Turns a direction by three angles \[rad\].
    fn turned([x, y, z]: Direction, [a, b, c]: [f64; 3]) -> Direction {
        let ([x, y], z) = ([x * cos(a) - y * sin(a), x * sin(a) + y * cos(a)], z);
        let ([y, z], x) = ([y * cos(b) - z * sin(b), y * sin(b) + z * cos(b)], x);
        [x * cos(c) - y * sin(c), x * sin(c) + y * cos(c), z]
    }

    fn turned_region(region: &Region, angles: [f64; 3]) -> Region {
        match region {
            Region::Point(p) => Region::Point(turned(*p, angles)),
            Region::Circle(c) => {
                Region::Circle(Circle { center: turned(c.center, angles), radius: c.radius })
            }
            Region::Polygon(p) => Region::Polygon(Polygon {
                corners: p.corners.iter().map(|c| turned(*c, angles)).collect(),
                center: turned(p.center, angles),
            }),
        }
    }

    #[test]
    fn nothing_depends_on_where_on_the_sphere_it_is() {
        use rand::{RngExt as _, SeedableRng as _};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0; 2];
        for _ in 0..5000 {
            let mut at = |most: f64| most * (2.0 * rng.random::<f64>() - 1.0);
            let quadrangle = polygon(&[
                [at(1.0) - 2.0, at(1.0) - 2.0],
                [at(1.0) + 2.0, at(1.0) - 2.0],
                [at(1.0) + 2.0, at(1.0) + 2.0],
                [at(1.0) - 2.0, at(1.0) + 2.0],
            ]);
            let (x, y) = (at(4.0), at(4.0));
            let others = [
                point(x, y),
                circle(x, y, at(2.0).abs()),
                polygon(&[[x, y], [x + 1.0 + at(0.9), y + at(0.9)], [x + at(0.5), y + 1.0]]),
            ];
            let angles = [at(PI), at(PI), at(PI)];
            for other in &others {
                let (a, b) = (turned_region(&quadrangle, angles), turned_region(other, angles));
                assert_eq!(quadrangle.contains(other), a.contains(&b), "{quadrangle:?} {other:?}");
                assert_eq!(quadrangle.intersects(other), a.intersects(&b), "{quadrangle:?} {other:?}");
                assert_eq!(a.intersects(&b), b.intersects(&a));
                assert!(!a.contains(&b) || a.intersects(&b));
                counts[usize::from(a.intersects(&b))] += 1;
            }
        }
        assert!(counts.iter().all(|count| *count > 3000), "{counts:?}");
    }

    #[test]
    fn what_is_no_region_is_refused() {
        assert!(Polygon::new(&[[0.0, 0.0], [1.0, 1.0]]).is_err());
        assert!(Polygon::new(&[[0.0, 0.0], [120.0, 0.0], [240.0, 0.0]]).is_err());
        assert!(Circle::new(0.0, 91.0, 1.0).is_err() && Circle::new(0.0, 0.0, f64::NAN).is_err());
        assert!(direction(f64::INFINITY, 0.0).is_err());
    }
}
