//! Values of options of `spx cube plot` as the user writes them.

use std::str::FromStr;

use spx_core::sky::{AngleError, Position, parse_declination, parse_right_ascension};

use spx_pipeline::cube::WavelengthRange;

/// Two numbers with a comma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair(pub(super) f64, pub(super) f64);

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once(',').and_then(|(a, b)| Some((number(a)?, number(b)?)));
        numbers
            .filter(|(a, b)| a < b)
            .map(|(a, b)| Self(a, b))
            .ok_or("expected two numbers, the lower one first: LO,HI")
    }
}

/// Two percentiles with a comma.
pub(super) fn parse_percentiles(text: &str) -> Result<Pair, String> {
    let Pair(low, high) = text.parse()?;
    let within = low >= 0.0 && high <= 100.0;
    if within { Ok(Pair(low, high)) } else { Err("percentiles are from 0 to 100".to_owned()) }
}

/// Three ranges of wavelength: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RgbRanges(pub(super) [WavelengthRange; 3]);

impl FromStr for RgbRanges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ranges = text.split(',').map(parse_range).collect::<Result<Vec<WavelengthRange>, _>>()?;
        let count = ranges.len();
        ranges.try_into().map(Self).map_err(|_| format!("expected three ranges, A..B,C..D,E..F, not {count}"))
    }
}

pub(in crate::cube) fn parse_range(text: &str) -> Result<WavelengthRange, String> {
    let ends = text.split_once("..").and_then(|(a, b)| Some((number(a)?, number(b)?)));
    let (min, max) = ends.ok_or_else(|| format!("`{text}` is not a range A..B in um"))?;
    if min < max {
        Ok(WavelengthRange { min, max })
    } else {
        Err(format!("`{text}`: the first end must be below the second"))
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|v: &f64| v.is_finite())
}

/// A position, and its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    pub(super) position: Position,
    pub(super) label: String,
}

impl Mark {
    /// With a comma between right ascension and declination.
    fn with_commas(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ',');
        let mut angle = |read: fn(&str) -> Result<f64, AngleError>| {
            let text = parts.next().ok_or("expected RA,DEC or RA,DEC,LABEL")?;
            read(text).map_err(|error| error.to_string())
        };
        let [ra, dec] = [angle(parse_right_ascension)?, angle(parse_declination)?];
        let position = Position::new(ra, dec).map_err(|error| error.to_string())?;
        Ok(Self { position, label: parts.next().unwrap_or_default().trim().to_owned() })
    }

    /// As in papers: `12h25m48.9s +33d32m48s`.
    fn with_blanks(text: &str) -> Option<Self> {
        let (position, label) = text.split_once(',').unwrap_or((text, ""));
        Some(Self { position: position.parse().ok()?, label: label.trim().to_owned() })
    }
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::with_commas(text).or_else(|error| Self::with_blanks(text).ok_or(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_parse() {
        let RgbRanges([red, _, blue]) = "3..4.5, 2..3,1.0..2".parse().unwrap();
        assert_eq!(
            (red, blue),
            (WavelengthRange { min: 3.0, max: 4.5 }, WavelengthRange { min: 1.0, max: 2.0 })
        );
        for bad in [
            "",
            "1..2",
            "1..2,2..3",
            "1..2,2..3,3..4,4..5",
            "2..1,1..2,2..3",
            "1-2,2-3,3-4",
            "1..nan,1..2,1..2",
        ] {
            assert!(bad.parse::<RgbRanges>().is_err(), "{bad}");
        }
    }

    #[test]
    fn pairs_parse() {
        assert_eq!("-0.1, 2e3".parse(), Ok(Pair(-0.1, 2000.0)));
        for bad in ["1", "1,", "a,b", "1,2,3", "1,inf"] {
            assert!(bad.parse::<Pair>().is_err(), "{bad}");
        }
    }

    #[test]
    fn marks_parse() {
        let mark: Mark = "186.45,-33.55, NGC 1, north".parse().unwrap();
        assert_eq!((mark.position.dec(), mark.label.as_str()), (-33.55, "NGC 1, north"));
        assert_eq!("0,0".parse::<Mark>().unwrap().label, "");
        for text in [
            "12h25m48s +33d30m00s, NGC 1",
            "12:25:48 33:30:00,NGC 1",
            "12 25 48 +33 30 00,NGC 1",
            "186.45 33.5,NGC 1",
            "12:25:48,33:30:00,NGC 1",
        ] {
            let mark: Mark = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert!(mark.position.separation(Position::new(186.45, 33.5).unwrap()) < 1e-9, "{text}");
            assert_eq!(mark.label, "NGC 1");
        }
        assert_eq!("12 30,33 30".parse::<Mark>().unwrap().position.ra(), 187.5);
        for bad in ["1", "1,", "1,91", "a,b", "", "186.45,x", "1 2 3"] {
            assert!(bad.parse::<Mark>().is_err(), "{bad}");
        }
    }
}
