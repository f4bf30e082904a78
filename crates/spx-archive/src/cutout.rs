//! Cutouts: the part of a spectral image that the archive is asked for.

use std::fmt;
use std::str::FromStr;

use spx_core::detector::Detector;
use spx_core::sky::Position;
use thiserror::Error;

/// Side of a pixel \[arcsec\], for sizes that are given as angles.
const PIXEL_ARCSEC: f64 = 6.155;

/// Bytes of a pixel in IMAGE, FLAGS, VARIANCE and ZODI together.
const PIXEL_BYTES: u64 = 16;

/// Bytes of a whole file of release QR2; later releases are smaller.
pub const FULL_FRAME_BYTES: u64 = 71_600_000;

/// What can be wrong with a cutout.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CutoutError {
    /// Text that is no size or center.
    #[error("`{text}` is not a {what}: {problem}")]
    Notation {
        /// The text.
        text: String,
        /// `cutout size` or `cutout center`.
        what: &'static str,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// A size that is zero, negative or no number.
    #[error("cutout {side} {value}{unit} must be a number above 0")]
    NotPositive {
        /// `width` or `height`.
        side: &'static str,
        /// The number.
        value: f64,
        /// Its unit.
        unit: CutoutUnit,
    },
    /// A size below one pixel.
    #[error("cutout {side} {value}{unit} is less than a pixel of {PIXEL_ARCSEC} arcsec")]
    TooSmall {
        /// `width` or `height`.
        side: &'static str,
        /// The number.
        value: f64,
        /// Its unit.
        unit: CutoutUnit,
    },
    /// A size above that of the detector.
    #[error(
        "cutout {side} {value}{unit} is more than the detector has: {} px or {:.2} deg; for whole images give no cutout",
        Detector::NPIX,
        full_degrees()
    )]
    TooLarge {
        /// `width` or `height`.
        side: &'static str,
        /// The number.
        value: f64,
        /// Its unit.
        unit: CutoutUnit,
    },
    /// A center that lies nowhere.
    #[error("cutout center {x},{y}{unit}: {problem}")]
    Center {
        /// First coordinate.
        x: f64,
        /// Second coordinate.
        y: f64,
        /// Unit of both.
        unit: CutoutUnit,
        /// What is wrong with it.
        problem: String,
    },
}

/// A unit in which sizes and centers are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutoutUnit {
    /// Pixels.
    Pixel,
    /// Arcseconds.
    Arcsec,
    /// Arcminutes.
    Arcmin,
    /// Degrees.
    Degree,
    /// Radians.
    Radian,
}

impl CutoutUnit {
    /// The unit at the end of a text, and what stands before it; degrees where there is none.
    fn split(text: &str) -> Option<(&str, Self)> {
        let at = text
            .rfind(|c: char| !c.is_ascii_alphabetic())
            .map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
        let (numbers, name) = text.split_at(at);
        let unit = match name.to_ascii_lowercase().as_str() {
            "px" | "pix" | "pixels" => Self::Pixel,
            "arcsec" => Self::Arcsec,
            "arcmin" => Self::Arcmin,
            "deg" | "" => Self::Degree,
            "rad" => Self::Radian,
            _ => return None,
        };
        Some((numbers, unit))
    }

    /// Degrees of an angle in this unit; `None` for pixels.
    fn degrees(self, value: f64) -> Option<f64> {
        match self {
            Self::Pixel => None,
            Self::Arcsec => Some(value / 3600.0),
            Self::Arcmin => Some(value / 60.0),
            Self::Degree => Some(value),
            Self::Radian => Some(value.to_degrees()),
        }
    }

    /// Pixels of a length in this unit.
    fn pixels(self, value: f64) -> f64 {
        self.degrees(value).map_or(value, |degrees| degrees * 3600.0 / PIXEL_ARCSEC)
    }
}

impl fmt::Display for CutoutUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pixel => "px",
            Self::Arcsec => "arcsec",
            Self::Arcmin => "arcmin",
            Self::Degree => "deg",
            Self::Radian => "rad",
        })
    }
}

/// Side of the detector \[deg\].
fn full_degrees() -> f64 {
    Detector::NPIX as f64 * PIXEL_ARCSEC / 3600.0
}

/// Width and height of a cutout, each at least a pixel and at most the detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutoutSize {
    width: f64,
    height: f64,
    unit: CutoutUnit,
}

impl CutoutSize {
    /// A size in a unit.
    ///
    /// # Errors
    /// [`CutoutError`] where a side is no positive number, below a pixel or above the detector.
    pub fn new(width: f64, height: f64, unit: CutoutUnit) -> Result<Self, CutoutError> {
        for (side, value) in [("width", width), ("height", height)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(CutoutError::NotPositive { side, value, unit });
            }
            let (pixels, full) = (unit.pixels(value), Detector::NPIX as f64);
            // An angle that is the detector's but for rounding is the detector's.
            if pixels > full * (1.0 + 1e-9) {
                return Err(CutoutError::TooLarge { side, value, unit });
            }
            if pixels < 1.0 {
                return Err(CutoutError::TooSmall { side, value, unit });
            }
        }
        Ok(Self { width, height, unit })
    }

    /// `[width, height]` in pixels, rounded up; for angles a close estimate, as pixels differ in
    /// size.
    pub fn pixels(self) -> [u64; 2] {
        [self.width, self.height].map(|side| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 2040")]
            let pixels = (self.unit.pixels(side) - 1e-6).ceil() as u64;
            pixels.min(Detector::NPIX as u64)
        })
    }

    /// `[width, height]` in pixels of this side \[arcsec\], not rounded.
    pub fn in_pixels_of(self, pixel_arcsec: f64) -> [f64; 2] {
        [self.width, self.height]
            .map(|side| self.unit.degrees(side).map_or(side, |degrees| degrees * 3600.0 / pixel_arcsec))
    }

    /// Whether it is given in pixels, not as an angle.
    pub fn is_in_pixels(self) -> bool {
        self.unit == CutoutUnit::Pixel
    }

    /// True where the cutout is as large as the image, which makes it pointless.
    pub fn is_full_frame(self) -> bool {
        self.pixels() == [Detector::NPIX as u64; 2]
    }
}

impl FromStr for CutoutSize {
    type Err = CutoutError;

    /// Reads `200px`, `3arcmin`, `0.1` (degrees), `200,400px` (width, height).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (numbers, unit) = parse_numbers(text, "cutout size", "such as 200px, 3arcmin or 200,400px")?;
        match numbers[..] {
            [side] => Self::new(side, side, unit),
            [width, height] => Self::new(width, height, unit),
            _ => Err(notation(text, "cutout size", "expected one or two numbers".into())),
        }
    }
}

impl fmt::Display for CutoutSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.width == self.height {
            write!(f, "{}{}", self.width, self.unit)
        } else {
            write!(f, "{},{}{}", self.width, self.height, self.unit)
        }
    }
}

/// The center of a cutout: right ascension and declination as angles, or a pixel of the full frame
/// (1-based, as the archive counts).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutoutCenter {
    x: f64,
    y: f64,
    unit: CutoutUnit,
}

impl CutoutCenter {
    /// A center in a unit.
    ///
    /// # Errors
    /// [`CutoutError::Center`] where it is no position on the sky, or a pixel off the detector.
    pub fn new(x: f64, y: f64, unit: CutoutUnit) -> Result<Self, CutoutError> {
        let wrong = |problem: String| CutoutError::Center { x, y, unit, problem };
        match unit.degrees(x).zip(unit.degrees(y)) {
            Some((ra, dec)) => {
                Position::new(ra, dec).map_err(|e| wrong(e.to_string()))?;
            }
            None => {
                let on_detector = 0.5..=Detector::NPIX as f64 + 0.5;
                if !on_detector.contains(&x) || !on_detector.contains(&y) {
                    return Err(wrong(format!("pixels are numbered from 1 to {}", Detector::NPIX)));
                }
            }
        }
        Ok(Self { x, y, unit })
    }
}

/// What a center is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CutoutPlace {
    /// A position on the sky.
    Sky(Position),
    /// `[x, y]` of the full frame \[px, 0-based, integers at pixel centers\].
    Pixel([f64; 2]),
}

impl CutoutCenter {
    /// Where it is; `None` for no center that [`new`](Self::new) would make.
    pub fn place(self) -> Option<CutoutPlace> {
        let Self { x, y, unit } = self;
        match unit.degrees(x).zip(unit.degrees(y)) {
            Some((ra, dec)) => Position::new(ra, dec).ok().map(CutoutPlace::Sky),
            None => Some(CutoutPlace::Pixel([x - 1.0, y - 1.0])),
        }
    }
}

impl From<Position> for CutoutCenter {
    fn from(at: Position) -> Self {
        Self { x: at.ra(), y: at.dec(), unit: CutoutUnit::Degree }
    }
}

impl FromStr for CutoutCenter {
    type Err = CutoutError;

    /// Reads `304.7,42.5` (degrees), `304.7,42.5deg`, `1020,1020px`, and positions such as
    /// `12h25m48.9s +33d32m48s`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = parse_numbers(text, "cutout center", "such as 304.7,42.5 or 1020,1020px");
        let (numbers, unit) = match (parsed, text.parse::<Position>()) {
            (Err(_), Ok(position)) => return Ok(position.into()),
            (parsed, _) => parsed?,
        };
        match numbers[..] {
            [x, y] => Self::new(x, y, unit),
            _ => Err(notation(text, "cutout center", "expected two numbers".into())),
        }
    }
}

impl fmt::Display for CutoutCenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}{}", self.x, self.y, self.unit)
    }
}

/// A cutout: where and how large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cutout {
    /// Its size.
    pub size: CutoutSize,
    /// Its center.
    pub center: CutoutCenter,
}

impl Cutout {
    /// The query that makes the URL of a file into that of a cutout, without `?`:
    /// `center=..&size=..`.
    ///
    /// Everything in it is a number, a comma or a unit, so nothing has to be escaped.
    pub fn query(&self) -> String {
        format!("center={}&size={}", self.center, self.size)
    }

    /// Bytes of the file, without compression: the pixels that are asked for, and what every file
    /// carries whole, the PSF and the table of wavelengths (about 5 MB). Less where the image ends
    /// in the cutout.
    pub fn estimated_bytes(&self) -> u64 {
        let [width, height] = self.size.pixels();
        let full = (Detector::NPIX * Detector::NPIX) as u64;
        FULL_FRAME_BYTES - (full - width * height) * PIXEL_BYTES
    }

    /// What the user should know though it is no error.
    pub fn warning(&self) -> Option<String> {
        self.size.is_full_frame().then(|| {
            format!(
                "a cutout of {} is the same as the full image; without it, files can be resumed",
                self.size
            )
        })
    }
}

fn notation(text: &str, what: &'static str, problem: String) -> CutoutError {
    CutoutError::Notation { text: text.to_owned(), what, problem }
}

/// Numbers with commas between them and one unit behind the last.
fn parse_numbers(
    text: &str,
    what: &'static str,
    example: &str,
) -> Result<(Vec<f64>, CutoutUnit), CutoutError> {
    let (numbers, unit) = CutoutUnit::split(text.trim()).ok_or_else(|| {
        notation(text, what, "the unit must be px, pix, pixels, arcsec, arcmin, deg or rad".into())
    })?;
    let numbers: Result<Vec<f64>, _> = numbers.split(',').map(|n| n.trim().parse()).collect();
    match numbers {
        Ok(numbers) => Ok((numbers, unit)),
        Err(_) => Err(notation(text, what, format!("expected numbers and one unit, {example}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Result<CutoutSize, CutoutError> {
        text.parse()
    }

    fn cutout(size: &str, center: &str) -> Cutout {
        Cutout { size: size.parse().unwrap(), center: center.parse().unwrap() }
    }

    #[test]
    fn every_notation_of_a_size_is_read() {
        for (text, shown, pixels) in [
            ("200px", "200px", [200, 200]),
            ("200pix", "200px", [200, 200]),
            (" 200 Pixels ", "200px", [200, 200]),
            ("3arcmin", "3arcmin", [30, 30]),
            ("90arcsec", "90arcsec", [15, 15]),
            ("0.1", "0.1deg", [59, 59]),
            ("0.2deg", "0.2deg", [117, 117]),
            ("0.001rad", "0.001rad", [34, 34]),
            ("200,400px", "200,400px", [200, 400]),
            ("2,5arcmin", "2,5arcmin", [20, 49]),
            ("2e2,4e2 px", "200,400px", [200, 400]),
            ("2040px", "2040px", [2040, 2040]),
        ] {
            let size = size(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((size.to_string().as_str(), size.pixels()), (shown, pixels), "{text}");
        }
    }

    #[test]
    fn sizes_that_make_no_sense_are_named() {
        for (text, words) in [
            ("0px", "cutout width 0px must be a number above 0"),
            ("-100px", "cutout width -100px must be a number above 0"),
            ("10,-1px", "cutout height -1px must"),
            ("NaN,5px", "cutout width NaNpx must"),
            ("5000px", "cutout width 5000px is more than the detector has: 2040 px or 3.49 deg"),
            ("2040.5px", "more than the detector"),
            ("3.5", "cutout width 3.5deg is more than"),
            ("1,4000arcmin", "cutout height 4000arcmin is more than"),
            ("0.5px", "less than a pixel"),
            ("1arcsec", "less than a pixel"),
            ("200furlong", "the unit must be px, pix, pixels, arcsec, arcmin, deg or rad"),
            ("1,2,3px", "expected one or two numbers"),
            ("px", "expected numbers and one unit, such as 200px"),
            ("", "expected numbers and one unit"),
            ("200px&x=1", "numbers and one unit"),
            ("10px,20px", "numbers and one unit"),
        ] {
            let error = size(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn every_notation_of_a_center_is_read() {
        for (text, shown) in [
            ("304.7,42.5", "304.7,42.5deg"),
            ("304.7, 42.5deg", "304.7,42.5deg"),
            ("1020,1020px", "1020,1020px"),
            ("10.3,5.2arcmin", "10.3,5.2arcmin"),
            ("5.3,-0.7rad", "5.3,-0.7rad"),
        ] {
            assert_eq!(text.parse::<CutoutCenter>().unwrap().to_string(), shown);
        }
        for (text, words) in [
            ("304.7", "expected two numbers"),
            ("361,0", "right ascension 361 is outside"),
            ("0,91", "declination 91 is outside"),
            ("0,2rad", "declination"),
            ("NaN,0", "right ascension NaN"),
            ("0,1020px", "pixels are numbered from 1 to 2040"),
            ("1,2041px", "pixels are numbered from 1 to 2040"),
        ] {
            let error = text.parse::<CutoutCenter>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn queries_estimates_and_warnings() {
        let small = cutout("200px", "304.69,42.44");
        assert_eq!(small.query(), "center=304.69,42.44deg&size=200px");
        assert_eq!(small.estimated_bytes(), 71_600_000 - (2040 * 2040 - 200 * 200) * 16);
        assert!((5_000_000..6_000_000).contains(&small.estimated_bytes()));
        assert_eq!(small.warning(), None);
        let full = cutout("2040,2040px", "1020,1020px");
        assert_eq!(full.estimated_bytes(), FULL_FRAME_BYTES);
        assert!(full.warning().unwrap().contains("the same as the full image"));
    }
}
