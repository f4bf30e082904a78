//! Region files of SAOImage DS9 (<http://ds9.si.edu/doc/ref/region.html>), as far as regions of a
//! cube go: positions in ICRS, FK5, galactic coordinates or pixels of the image, shapes point,
//! circle, annulus, ellipse, box and polygon.

use std::fmt;
use std::str::FromStr;

use spx_core::elementary::atan2;
use spx_core::sky::{Position, parse_declination, parse_right_ascension};
use spx_wcs::{CelestialWcs, SkyFrame};

use super::{RegionError, RegionShape, SkyRegion, offset_on_plane, on_sky};

/// Systems that are known and not used.
const OTHER_SYSTEMS: [&str; 9] =
    ["physical", "detector", "amplifier", "linear", "fk4", "b1950", "ecliptic", "wcs", "tile"];

/// What the numbers of regions mean, until another system is named.
#[derive(Debug, Clone, Copy)]
enum RegionSystem<'a> {
    /// Degrees or sexagesimal, sizes in degrees.
    Sky(SkyFrame),
    /// Pixels of an image, counted from 1, sizes in pixels.
    Image(&'a CelestialWcs),
}

impl<'a> RegionSystem<'a> {
    /// The system of this name; `None` where it is none, an error where it cannot be used.
    fn named(word: &str, image: Option<&'a CelestialWcs>) -> Option<Result<Self, String>> {
        match word {
            "icrs" => Some(Ok(Self::Sky(SkyFrame::Icrs))),
            "fk5" | "j2000" => Some(Ok(Self::Sky(SkyFrame::Fk5))),
            "galactic" => Some(Ok(Self::Sky(SkyFrame::Galactic))),
            "image" => {
                let missing = || "positions in pixels of an image need that image: save the regions as ICRS";
                Some(image.map(Self::Image).ok_or_else(|| missing().to_owned()))
            }
            _ => None,
        }
    }

    fn position(self, first: &str, second: &str) -> Result<Position, String> {
        match self {
            Self::Sky(frame @ (SkyFrame::Icrs | SkyFrame::Fk5)) => {
                let ra = parse_right_ascension(first).map_err(|error| error.to_string())?;
                let dec = parse_declination(second).map_err(|error| error.to_string())?;
                frame.position(ra, dec).map_err(|error| error.to_string())
            }
            Self::Sky(frame) => {
                frame.position(number(first)?, number(second)?).map_err(|error| error.to_string())
            }
            Self::Image(wcs) => {
                let [ra, dec] = wcs.pixel_to_sky(number(first)? - 1.0, number(second)? - 1.0);
                Position::new(ra, dec).map_err(|error| error.to_string())
            }
        }
    }

    /// A size \[arcsec\] at a position.
    fn size(self, at: Position, word: &str) -> Result<f64, String> {
        let units = [('"', 1.0), ('\'', 60.0), ('d', 3600.0), ('r', 3600.0 * 1f64.to_degrees())];
        let found = units.into_iter().find_map(|(unit, arcsec)| Some((word.strip_suffix(unit)?, arcsec)));
        match (self, found) {
            (_, Some((digits, arcsec))) => Ok(number(digits)? * arcsec),
            (Self::Sky(_), None) if word.ends_with(['p', 'i']) => {
                Err(format!("`{word}` is in pixels: save the regions as ICRS, FK5 or image"))
            }
            (Self::Sky(_), None) => Ok(number(word)? * 3600.0),
            (Self::Image(wcs), None) => {
                let [x, y] = wcs.sky_to_pixel(at).ok_or("the region lies beyond the image")?;
                Ok(number(word.trim_end_matches(['p', 'i']))? * wcs.pixel_area(x, y).sqrt())
            }
        }
    }

    /// What its angles have to be turned by to count from west to north in ICRS \[deg\]: the
    /// position angle of its north, or of y, whose x then points to the west.
    fn turn(self, at: Position) -> Result<f64, String> {
        let towards = |position: Option<Position>| {
            let [east, north] =
                position.and_then(|there| offset_on_plane(at, there)).ok_or("no such angle")?;
            Ok(atan2(east, north).to_degrees())
        };
        match self {
            Self::Sky(SkyFrame::Icrs) => Ok(0.0),
            Self::Sky(frame) => {
                const STEP: f64 = 1e-3;
                let [lon, lat] = frame.coordinates(at);
                let north = frame.position(lon, (lat + STEP).min(90.0)).ok();
                towards(north)
            }
            Self::Image(wcs) => {
                let [x, y] = wcs.sky_to_pixel(at).ok_or("the region lies beyond the image")?;
                let [ra, dec] = wcs.pixel_to_sky(x, y + 0.5);
                towards(Position::new(ra, dec).ok())
            }
        }
    }
}

impl SkyRegion {
    /// The regions of a text: a file of DS9, or a single region such as `circle(186.45,33.55,12")`.
    /// Positions are ICRS unless the text names a system; sizes without unit are degrees.
    ///
    /// # Errors
    /// The line that cannot be used: other shapes and systems, regions that are to be left out
    /// (`-circle`), numbers that are none; or there is no region.
    pub fn parse(text: &str) -> Result<Vec<Self>, RegionError> {
        Self::parse_on(text, None)
    }

    /// The same, where positions may also be pixels of an image, counted from 1 as in DS9, whose x
    /// points to the west where y points to the north.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_on(text: &str, image: Option<&CelestialWcs>) -> Result<Vec<Self>, RegionError> {
        let mut system = RegionSystem::Sky(SkyFrame::Icrs);
        let mut regions = Vec::new();
        for (k, line) in text.lines().enumerate() {
            for statement in statements(line) {
                let problem = |problem: String| RegionError::Line { line: k + 1, problem };
                let word = statement.split('#').next().unwrap_or_default().trim().to_ascii_lowercase();
                match RegionSystem::named(&word, image) {
                    Some(named) => system = named.map_err(problem)?,
                    None => regions.extend(parse_statement(statement, system).map_err(problem)?),
                }
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

fn parse_statement(statement: &str, system: RegionSystem<'_>) -> Result<Option<SkyRegion>, String> {
    let (shape, properties) = statement.split_once('#').unwrap_or((statement, ""));
    let shape = shape.trim().trim_end_matches("||").trim_end();
    let word = shape.to_ascii_lowercase();
    if shape.is_empty() || word.starts_with("global") {
        return Ok(None);
    }
    if let Some(system) = OTHER_SYSTEMS.iter().find(|system| word.starts_with(**system)) {
        return Err(format!(
            "positions in the system {system} are not supported: save the regions as ICRS, FK5, galactic or \
             image"
        ));
    }
    if shape.starts_with('-') {
        return Err(format!("`{shape}`: excluded regions are not supported"));
    }
    let shape = shape.trim_start_matches('+');
    let end = shape.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(shape.len());
    let (name, rest) = shape.split_at(end);
    let words: Vec<&str> = rest
        .split(|c: char| c.is_whitespace() || "(),".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    let region = parse_shape(&name.to_ascii_lowercase(), &words, system);
    let mut region = region.map_err(|problem| format!("`{shape}`: {problem}"))?;
    region.label = label(properties);
    Ok(Some(region))
}

fn parse_shape(name: &str, words: &[&str], system: RegionSystem<'_>) -> Result<SkyRegion, String> {
    if name == "polygon" && words.len().is_multiple_of(2) {
        let corners = words.chunks(2).map(|pair| system.position(pair[0], pair[1]));
        let corners = corners.collect::<Result<Vec<Position>, _>>()?;
        return SkyRegion::polygon(&corners).map_err(|error| error.to_string());
    }
    let [first, second, sizes @ ..] = words else { return Err("a position is missing".to_owned()) };
    let center = system.position(first, second)?;
    let size = |word: &str| system.size(center, word);
    let angle = |word: &str| Ok::<_, String>(number(word)? + system.turn(center)?);
    let shape = match (name, sizes) {
        ("point", _) => RegionShape::Pixel,
        ("circle", [radius]) => RegionShape::Circle(size(radius)?),
        ("annulus", [inner, outer]) => RegionShape::Ring([size(inner)?, size(outer)?]),
        ("ellipse", [a, b]) => RegionShape::Ellipse([size(a)?, size(b)?], angle("0")?),
        ("ellipse", [a, b, turn]) => RegionShape::Ellipse([size(a)?, size(b)?], angle(turn)?),
        ("box", [width, height]) => RegionShape::Box([size(width)?, size(height)?], angle("0")?),
        ("box", [width, height, turn]) => RegionShape::Box([size(width)?, size(height)?], angle(turn)?),
        ("circle" | "annulus" | "ellipse" | "box" | "polygon", _) => {
            return Err(format!("{} numbers do not fit this shape", words.len()));
        }
        _ => return Err("expected point, circle, annulus, ellipse, box or polygon".to_owned()),
    };
    SkyRegion::new(center, shape).map_err(|error| error.to_string())
}

fn number(word: &str) -> Result<f64, String> {
    word.parse().map_err(|_| format!("`{word}` is not a number"))
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
    use spx_core::sky::Rectangle;
    use spx_wcs::{GridForm, OutputGrid};

    use super::*;

    const GALACTIC_CENTER: [f64; 2] = [186.87850809744194, 33.76453317905921];
    /// Position angle of galactic north there \[deg\].
    const GALACTIC_NORTH: f64 = 140.59403926232397;

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
        // FK5 is not quite ICRS.
        let off = circle.center.separation(Position::new(186.4536, 33.5468).unwrap()) * 3600.0;
        assert!((0.001..0.03).contains(&off), "{off}");
        assert_eq!((circle.radius(), circle.label.as_str()), (Some(12.3), "the core; bright"));
        let turned = |angle: f64, expected: f64| (angle - expected).abs() < 1e-4;
        assert!(matches!(regions[1].shape, RegionShape::Ellipse([20.0, 10.0], angle) if turned(angle, 30.0)));
        assert!(matches!(regions[2].shape, RegionShape::Box([30.0, 10.0], angle) if turned(angle, 0.0)));
        assert_eq!(regions[2].label, "strip");
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
            ("image\ncircle(10,10,3)", "line 1: positions in pixels of an image need that image"),
            ("ecliptic\ncircle(10,10,3)", "line 1: positions in the system ecliptic"),
            ("fk5\ncircle(10,10,3p)", "pixels"),
            ("fk5\n-circle(10,10,3\")", "excluded regions"),
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

    /// Centers by astropy 8.0: `SkyCoord(159.3, 81.6, unit="deg", frame="galactic").icrs`; DS9
    /// turns the shape with the north of the system.
    #[test]
    fn galactic_regions_are_turned_to_icrs() {
        let text = "galactic\nellipse(159.3,81.6,20\",10\",30)";
        let regions = SkyRegion::parse(text).unwrap();
        let [ra, dec] = GALACTIC_CENTER;
        assert!(regions[0].center.separation(Position::new(ra, dec).unwrap()) * 3600.0 < 1e-6);
        let RegionShape::Ellipse([a, b], angle) = regions[0].shape else { panic!("{:?}", regions[0]) };
        assert_eq!([a, b], [20.0, 10.0]);
        assert!((angle - 30.0 - GALACTIC_NORTH).abs() < 1e-3, "{angle}");
    }

    /// Pixels count from 1, sizes are pixels, and angles count from x.
    #[test]
    fn regions_in_pixels_lie_on_their_image() {
        let region = Rectangle::new(Position::new(186.45, 33.55).unwrap(), 5.0, 5.0).unwrap();
        let form = GridForm { rotation: 25.0, ..GridForm::default() };
        let grid = OutputGrid::with_form(region, 6.0, form).unwrap();
        let text = "image\nbox(12.5,20.25,10,4,15)\npolygon(3,3,9,3,6,8)";
        let regions = SkyRegion::parse_on(text, Some(grid.wcs())).unwrap();
        let holds = |k: usize, x: f64, y: f64| {
            let [ra, dec] = grid.wcs().pixel_to_sky(x - 1.0, y - 1.0);
            regions[k].contains(Position::new(ra, dec).unwrap())
        };
        let (sin, cos) = spx_core::elementary::sin_cos(15f64.to_radians());
        for (u, v, inside) in [(4.9, 1.9, true), (-4.9, -1.9, true), (5.1, 0.0, false), (0.0, -2.1, false)] {
            assert_eq!(holds(0, 12.5 + u * cos - v * sin, 20.25 + u * sin + v * cos), inside, "{u} {v}");
        }
        assert!(holds(1, 6.0, 4.0) && !holds(1, 4.0, 7.0));
    }
}
