//! Region files of SAOImage DS9 (<http://ds9.si.edu/doc/ref/region.html>), as far as regions of a
//! cube go: positions in ICRS or FK5, which differ by less than 0.03", shapes point, circle,
//! annulus, ellipse, box and polygon.

use std::fmt;
use std::str::FromStr;

use spx_core::sky::{Position, parse_declination, parse_right_ascension};

use super::{RegionError, RegionShape, SkyRegion, on_sky};

/// Systems in which positions are those of the cube.
const SYSTEMS: [&str; 3] = ["icrs", "fk5", "j2000"];
/// Systems that are known and not used.
const OTHER_SYSTEMS: [&str; 11] = [
    "image",
    "physical",
    "detector",
    "amplifier",
    "linear",
    "fk4",
    "b1950",
    "galactic",
    "ecliptic",
    "wcs",
    "tile",
];

impl SkyRegion {
    /// The regions of a text: a file of DS9, or a single region such as `circle(186.45,33.55,12")`.
    /// Positions are ICRS unless the text names a system; sizes without unit are degrees.
    ///
    /// # Errors
    /// The line that cannot be used: other shapes and systems, regions that are to be left out
    /// (`-circle`), numbers that are none; or there is no region.
    pub fn parse(text: &str) -> Result<Vec<Self>, RegionError> {
        let mut regions = Vec::new();
        for (k, line) in text.lines().enumerate() {
            for statement in statements(line) {
                let problem = |problem: String| RegionError::Line { line: k + 1, problem };
                regions.extend(parse_statement(statement).map_err(problem)?);
            }
        }
        if regions.is_empty() { Err(RegionError::Empty) } else { Ok(regions) }
    }
}

/// The parts of a line between semicolons; what follows `#` belongs to the part before it.
fn statements(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut end_of_text) = (0, None);
    for (at, c) in line.char_indices() {
        match (end_of_text, c) {
            (Some(end), _) if c == end => end_of_text = None,
            (None, '{') => end_of_text = Some('}'),
            // A quote after a digit is the unit of arcseconds.
            (None, '\'' | '"') if line[..at].ends_with('=') => end_of_text = Some(c),
            (None, ';') => {
                parts.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&line[start..]);
    parts
}

fn parse_statement(statement: &str) -> Result<Option<SkyRegion>, String> {
    let (shape, properties) = statement.split_once('#').unwrap_or((statement, ""));
    let shape = shape.trim().trim_end_matches("||").trim_end();
    let word = shape.to_ascii_lowercase();
    if shape.is_empty() || word.starts_with("global") || SYSTEMS.contains(&word.as_str()) {
        return Ok(None);
    }
    if let Some(system) = OTHER_SYSTEMS.iter().find(|system| word.starts_with(**system)) {
        return Err(format!(
            "positions in the system {system} are not used: save the regions as ICRS or FK5"
        ));
    }
    if shape.starts_with('-') {
        return Err(format!("`{shape}`: regions that are to be left out are not used"));
    }
    let shape = shape.trim_start_matches('+');
    let end = shape.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(shape.len());
    let (name, rest) = shape.split_at(end);
    let words: Vec<&str> = rest
        .split(|c: char| c.is_whitespace() || "(),".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    let mut region =
        parse_shape(&name.to_ascii_lowercase(), &words).map_err(|problem| format!("`{shape}`: {problem}"))?;
    region.label = label(properties);
    Ok(Some(region))
}

fn parse_shape(name: &str, words: &[&str]) -> Result<SkyRegion, String> {
    let here = || match words {
        [ra, dec, ..] => position(ra, dec),
        _ => Err("a position is missing".to_owned()),
    };
    let sizes = words.get(2..).unwrap_or_default();
    let shape = match (name, sizes) {
        ("polygon", _) if words.len().is_multiple_of(2) => {
            let corners: Result<Vec<Position>, _> =
                words.chunks(2).map(|pair| position(pair[0], pair[1])).collect();
            return SkyRegion::polygon(&corners?).map_err(|error| error.to_string());
        }
        ("point", _) => RegionShape::Pixel,
        ("circle", [radius]) => RegionShape::Circle(size(radius)?),
        ("annulus", [inner, outer]) => RegionShape::Ring([size(inner)?, size(outer)?]),
        ("ellipse", [a, b]) => RegionShape::Ellipse([size(a)?, size(b)?], 0.0),
        ("ellipse", [a, b, angle]) => RegionShape::Ellipse([size(a)?, size(b)?], number(angle)?),
        ("box", [width, height]) => RegionShape::Box([size(width)?, size(height)?], 0.0),
        ("box", [width, height, angle]) => RegionShape::Box([size(width)?, size(height)?], number(angle)?),
        ("circle" | "annulus" | "ellipse" | "box" | "polygon", _) => {
            return Err(format!("{} numbers are not what this shape has", words.len()));
        }
        _ => return Err("expected point, circle, annulus, ellipse, box or polygon".to_owned()),
    };
    SkyRegion::new(here()?, shape).map_err(|error| error.to_string())
}

fn position(ra: &str, dec: &str) -> Result<Position, String> {
    let ra = parse_right_ascension(ra).map_err(|error| error.to_string())?;
    let dec = parse_declination(dec).map_err(|error| error.to_string())?;
    Position::new(ra, dec).map_err(|error| error.to_string())
}

/// A size \[arcsec\].
fn size(word: &str) -> Result<f64, String> {
    let units = [('"', 1.0), ('\'', 60.0), ('d', 3600.0), ('r', 3600.0 * 1f64.to_degrees())];
    if word.ends_with(['p', 'i']) {
        return Err(format!("`{word}` is in pixels: save the regions as ICRS or FK5"));
    }
    let found = units.into_iter().find_map(|(unit, arcsec)| Some((word.strip_suffix(unit)?, arcsec)));
    let (digits, arcsec) = found.unwrap_or((word, 3600.0));
    Ok(number(digits)? * arcsec)
}

fn number(word: &str) -> Result<f64, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

/// The text of a region: `text={...}`, or in quotes.
fn label(properties: &str) -> String {
    let text = properties.split_once("text=").and_then(|(_, rest)| {
        let end = match rest.chars().next()? {
            '{' => '}',
            quote @ ('"' | '\'') => quote,
            _ => return None,
        };
        Some(rest[1..].split(end).next()?.to_owned())
    });
    text.unwrap_or_default()
}

/// As a line of a region file, without its system.
impl fmt::Display for SkyRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ra, dec) = (self.center.ra(), self.center.dec());
        match &self.shape {
            RegionShape::Pixel => write!(f, "point({ra},{dec})"),
            RegionShape::Circle(radius) => write!(f, "circle({ra},{dec},{radius}\")"),
            RegionShape::Ring([inner, outer]) => write!(f, "annulus({ra},{dec},{inner}\",{outer}\")"),
            RegionShape::Ellipse([a, b], angle) => write!(f, "ellipse({ra},{dec},{a}\",{b}\",{angle})"),
            RegionShape::Box([w, h], angle) => write!(f, "box({ra},{dec},{w}\",{h}\",{angle})"),
            RegionShape::Polygon(offsets) => {
                let corners = offsets.iter().filter_map(|offset| on_sky(self.center, *offset));
                let words: Vec<String> =
                    corners.map(|corner| format!("{:.7},{:.7}", corner.ra(), corner.dec())).collect();
                write!(f, "polygon({})", words.join(","))
            }
        }
    }
}

impl FromStr for SkyRegion {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut regions = Self::parse(text)?;
        match (regions.pop(), regions.is_empty()) {
            (Some(region), true) => Ok(region),
            _ => Err(RegionError::Line { line: 1, problem: "expected one region".to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As DS9 8.6 writes it.
    const FILE: &str = "# Region file format: DS9 version 4.1
global color=green dashlist=8 3 width=1 font=\"helvetica 10 normal roman\" select=1
fk5
circle(12:25:48.8640,+33:32:48.480,12.300\") # text={the core; bright} color=red
ellipse(186.4536,33.5468,20.0\",10.0\",30)
box(186.4536,33.5468,0.5',10\",0) # color=cyan text=\"strip\"
polygon(186.45,33.54,186.46,33.54,186.455,33.55)
point(186.45,33.55) # point=cross
annulus(186.45,33.55,20\",30\")
# text(186.45,33.55) text={a note}
";

    #[test]
    fn files_of_ds9_are_read() {
        let regions = SkyRegion::parse(FILE).unwrap();
        assert_eq!(regions.len(), 6);
        let circle = &regions[0];
        assert!((circle.center.ra() - 186.4536).abs() < 1e-9 && (circle.center.dec() - 33.5468).abs() < 1e-9);
        assert_eq!((circle.radius(), circle.label.as_str()), (Some(12.3), "the core; bright"));
        assert_eq!(regions[1].shape, RegionShape::Ellipse([20.0, 10.0], 30.0));
        assert_eq!(
            (&regions[2].shape, regions[2].label.as_str()),
            (&RegionShape::Box([30.0, 10.0], 0.0), "strip")
        );
        assert!(matches!(&regions[3].shape, RegionShape::Polygon(corners) if corners.len() == 3));
        assert_eq!(regions[4].shape, RegionShape::Pixel);
        assert_eq!(regions[5].shape, RegionShape::Ring([20.0, 30.0]));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for region in SkyRegion::parse(FILE).unwrap() {
            let again: SkyRegion = region.to_string().parse().unwrap();
            assert_eq!(again.to_string(), region.to_string());
            assert!(again.center.separation(region.center) * 3600.0 < 1e-3, "{region}");
        }
    }

    #[test]
    fn one_line_may_hold_several() {
        let regions = SkyRegion::parse("icrs; circle 10 -20 0.01 # text={a}; circle(10,-20,0.02d)").unwrap();
        let radii: Vec<_> = regions.iter().map(|region| region.radius().unwrap().round()).collect();
        assert_eq!(radii, [36.0, 72.0]);
        assert!("icrs;circle(1,2,3\")".parse::<SkyRegion>().is_ok());
        assert!("circle(1,2,3\");circle(1,2,3\")".parse::<SkyRegion>().is_err());
    }

    #[test]
    fn what_is_not_used_is_named() {
        for (text, part) in [
            ("image\ncircle(10,10,3)", "line 1: positions in the system image"),
            ("fk5\ncircle(10,10,3p)", "pixels"),
            ("fk5\n-circle(10,10,3\")", "left out"),
            ("fk5\nvector(10,10,3\",45)", "expected point, circle"),
            ("fk5\ncircle(10,10)", "2 numbers"),
            ("fk5\ncircle(10,95,3\")", "95"),
            ("fk5\ncircle(10,x,3\")", "x"),
            ("fk5\nellipse(10,10,3\",0\",3)", "above 0"),
            ("fk5\n# nothing", "no region"),
        ] {
            let said = SkyRegion::parse(text).unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
