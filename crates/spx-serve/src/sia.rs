//! SIA2: images by position, time, wavelength and what else ObsCore knows of them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::Site;
use crate::answer::{failure, format};
use crate::datalink;
use crate::http::{Call, Params, reply};
use crate::schema::region_of;
use crate::sphere::{Circle, Polygon, Region};
use crate::table::{Answer, Table, Value};
use crate::tap::limit;
use crate::votable;

/// Parameters that are ranges, with the columns whose range they have to meet.
const RANGES: [(&str, &str, &str); 7] = [
    ("TIME", "t_min", "t_max"),
    ("BAND", "em_min", "em_max"),
    ("EXPTIME", "t_exptime", "t_exptime"),
    ("FOV", "s_fov", "s_fov"),
    ("SPATRES", "s_resolution", "s_resolution"),
    ("SPECRP", "em_res_power", "em_res_power"),
    ("TIMERES", "t_resolution", "t_resolution"),
];

/// Parameters that are texts, with the columns that have to hold one of them.
const TEXTS: [(&str, &str); 7] = [
    ("COLLECTION", "obs_collection"),
    ("ID", "obs_publisher_did"),
    ("FACILITY", "facility_name"),
    ("INSTRUMENT", "instrument_name"),
    ("DPTYPE", "dataproduct_type"),
    ("TARGET", "target_name"),
    ("FORMAT", "access_format"),
];

/// `/SIA`
pub(crate) async fn query(State(site): State<Arc<Site>>, call: Call) -> Response {
    match answer(&site, &call.params) {
        Ok((text, content_type)) => reply(StatusCode::OK, content_type, text),
        Err(problem) => failure(&site, &problem),
    }
}

fn answer(site: &Site, params: &Params) -> Result<(String, &'static str), String> {
    let table = &site.sia;
    let (limit, wanted) = (limit(site, params)?, Wanted::parse(params)?);
    // FORMAT is a constraint here; only RESPONSEFORMAT is the form of the answer.
    let form = format(&Params::parse(
        &params
            .get("RESPONSEFORMAT")
            .map_or_else(String::new, |f| format!("RESPONSEFORMAT={}", crate::http::encode(f))),
    ))?;
    let mut rows: Vec<Vec<Value>> = table
        .rows
        .iter()
        .filter(|row| wanted.takes(table, row))
        .take(limit.saturating_add(1))
        .cloned()
        .collect();
    let overflow = rows.len() > limit;
    rows.truncate(limit);
    let answer = Answer { columns: table.columns.clone(), rows, overflow };
    let extra = datalink::descriptor(site, &answer.columns);
    Ok((votable::document(&answer, form, &extra), form.content_type()))
}

/// What a query asks for: of each constraint one value has to fit.
struct Wanted {
    regions: Vec<Place>,
    ranges: Vec<(&'static str, &'static str, Vec<[f64; 2]>)>,
    texts: Vec<(&'static str, Vec<String>)>,
    levels: Vec<i64>,
}

/// A value of POS.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Region(Region),
    /// Right ascension and declination from and to \[deg\].
    Range([f64; 4]),
}

impl Wanted {
    fn parse(params: &Params) -> Result<Self, String> {
        let regions = params.all("POS").into_iter().map(place).collect::<Result<_, _>>()?;
        let mut ranges = Vec::new();
        for (name, low, high) in RANGES {
            let values =
                params.all(name).into_iter().map(|v| range(name, v)).collect::<Result<Vec<_>, _>>()?;
            ranges.extend((!values.is_empty()).then_some((low, high, values)));
        }
        let mut texts = Vec::new();
        for (name, column) in TEXTS {
            let values: Vec<String> = params.all(name).into_iter().map(str::to_owned).collect();
            texts.extend((!values.is_empty()).then_some((column, values)));
        }
        let level = |v: &str| v.trim().parse().map_err(|_| format!("CALIB={v} is not a level"));
        let levels = params.all("CALIB").into_iter().map(level).collect::<Result<_, _>>()?;
        Ok(Self { regions, ranges, texts, levels })
    }

    fn takes(&self, table: &Table, row: &[Value]) -> bool {
        let cell = |name: &str| {
            table.columns.iter().position(|c| c.name == name).map_or(&Value::Null, |at| &row[at])
        };
        let region = region_of(cell("s_region"));
        let in_range = |(low, high, values): &(&str, &str, Vec<[f64; 2]>)| {
            let bounds = cell(low).real().zip(cell(high).real());
            bounds.is_some_and(|(low, high)| values.iter().any(|[from, to]| low <= *to && high >= *from))
        };
        let is_text = |(column, values): &(&str, Vec<String>)| matches!(cell(column), Value::Text(text) if values.iter().any(|v| v.eq_ignore_ascii_case(text)));
        let level = cell("calib_level");
        (self.regions.is_empty() || region.is_some_and(|r| self.regions.iter().any(|p| p.meets(r))))
            && self.ranges.iter().all(in_range)
            && self.texts.iter().all(is_text)
            && (self.levels.is_empty() || self.levels.iter().any(|l| *level == Value::Integer(*l)))
    }
}

impl Place {
    fn meets(&self, region: &Region) -> bool {
        match self {
            Self::Region(place) => place.intersects(region),
            Self::Range(range) => range_meets(*range, region),
        }
    }
}

/// `circle ra dec r`, `range ra1 ra2 dec1 dec2`, `polygon ra dec ra dec ra dec ...` (SIA2, section
/// 2.1.1).
fn place(text: &str) -> Result<Place, String> {
    let bad = || format!("POS={text} cannot be read");
    let words: Vec<&str> = text.split_whitespace().collect();
    let (shape, numbers) = words.split_first().ok_or_else(bad)?;
    let numbers: Vec<f64> = numbers
        .iter()
        .map(|n| n.parse().ok().filter(|v: &f64| !v.is_nan()))
        .collect::<Option<_>>()
        .ok_or_else(bad)?;
    match (shape.to_ascii_lowercase().as_str(), &numbers[..]) {
        ("circle", &[ra, dec, radius]) => Ok(Place::Region(Region::Circle(Circle::new(ra, dec, radius)?))),
        ("range", &[ra1, ra2, dec1, dec2]) if dec1 <= dec2 => Ok(Place::Range([ra1, ra2, dec1, dec2])),
        ("polygon", corners) if corners.len() % 2 == 0 => {
            let corners: Vec<[f64; 2]> = corners.chunks_exact(2).map(|c| [c[0], c[1]]).collect();
            Ok(Place::Region(Region::Polygon(Polygon::new(&corners)?)))
        }
        _ => Err(bad()),
    }
}

/// A number, or two with a blank or `+` between them; infinities stand for open ends.
fn range(name: &str, text: &str) -> Result<[f64; 2], String> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| !v.is_nan());
    let found = match text.split_whitespace().collect::<Vec<_>>()[..] {
        [one] => number(one).map(|v| [v, v]).or_else(|| {
            let (low, high) = one.rsplit_once('+')?;
            Some([number(low)?, number(high)?])
        }),
        [low, high] => number(low).zip(number(high)).map(|(low, high)| [low, high]),
        _ => None,
    };
    found.filter(|[low, high]| low <= high).ok_or_else(|| format!("{name}={text} is not a range"))
}

/// Steps along each side of an outline, and along each edge of a range, when the two are compared.
const STEPS: usize = 200;

/// A range has parallels for sides, which are no great circles; it is compared point by point,
/// which can miss an overlap narrower than a hundredth of the sides.
fn range_meets([ra1, ra2, dec1, dec2]: [f64; 4], region: &Region) -> bool {
    let width = if ra2 - ra1 >= 360.0 { 360.0 } else { (ra2 - ra1).rem_euclid(360.0) };
    let bounds = [dec1.max(-90.0), dec2.min(90.0)];
    let (Region::Polygon(outline), [Some(low), Some(high)]) =
        (region, bounds.map(|v| v.is_finite().then_some(v)))
    else {
        return false;
    };
    let start = if ra1.is_finite() && width.is_finite() { ra1 } else { 0.0 };
    let width = if width.is_finite() { width } else { 360.0 };
    let inside = |[ra, dec]: [f64; 2]| (low..=high).contains(&dec) && (ra - start).rem_euclid(360.0) <= width;
    if outline.points(STEPS).any(inside) {
        return true;
    }
    let step = |k: usize| k as f64 / STEPS as f64;
    (0..=STEPS).any(|k| {
        let (ra, dec) = (start + width * step(k), low + (high - low) * step(k));
        [[ra, low], [ra, high], [start, dec], [start + width, dec]].into_iter().any(|[ra, dec]| {
            crate::sphere::direction(ra, dec).is_ok_and(|p| region.contains(&Region::Point(p)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("TIME", "1 2"), Ok([1.0, 2.0]));
        assert_eq!(range("TIME", "61000.5+61001"), Ok([61000.5, 61001.0]));
        assert_eq!(range("TIME", "-Inf 5"), Ok([f64::NEG_INFINITY, 5.0]));
        assert_eq!(range("BAND", "1e-06 +Inf"), Ok([1e-6, f64::INFINITY]));
        assert_eq!(range("BAND", "1e+3"), Ok([1000.0, 1000.0]));
        for bad in ["", "a", "2 1", "1 2 3", "nan"] {
            assert!(range("TIME", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn places_are_read() {
        assert!(place("circle 10 20 0.1").is_ok() && place("CIRCLE 10 20 0.1").is_ok());
        assert!(place("polygon 0 0 1 0 1 1").is_ok() && place("range 0 1 0 1").is_ok());
        for bad in ["", "circle 1 2", "circle 1 99 1", "polygon 0 0 1 0 1", "box 1 2 3 4", "range 0 1 2 1"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_meet_outlines() {
        let outline =
            Region::Polygon(Polygon::new(&[[359.0, 9.0], [1.0, 9.0], [1.0, 11.0], [359.0, 11.0]]).unwrap());
        let meets = |range| range_meets(range, &outline);
        assert!(meets([358.0, 359.5, 0.0, 20.0]) && meets([0.5, 0.6, 10.0, 10.1]), "beside and inside");
        assert!(meets([-1.5, -0.5, 0.0, 20.0]) && meets([0.0, 360.0, 10.9, 90.0]));
        assert!(meets([f64::NEG_INFINITY, f64::INFINITY, -90.0, 9.5]));
        assert!(!meets([1.1, 358.9, 0.0, 20.0]) && !meets([0.0, 360.0, 11.1, 90.0]));
    }
}
