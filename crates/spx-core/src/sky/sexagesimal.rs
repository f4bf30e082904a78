//! Angles and positions as astronomers write them: decimal degrees, hours and sexagesimal forms.
//!
//! Accepted are `186.4536`, `186.4536d`, `12.43h`, `12:25:48.9`, `12 25 48.9`, `12h25m48.9s`,
//! `12h25m48s.9`, `+33d32m48s`, `+33°32'48"`, and the same without seconds, whose last number may
//! have decimals. A right ascension is in hours where it has several parts and its first is not
//! marked as degrees; one number alone is in degrees unless marked `h`. Declinations are in
//! degrees.

use std::str::FromStr;

use thiserror::Error;

use super::{Position, SkyError};

/// Why a text is not an angle or a position.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum AngleError {
    /// It is not in one of the accepted forms.
    #[error("`{text}` is not {what}: {problem}")]
    Form {
        /// The text, shortened.
        text: String,
        /// `a right ascension`, `a declination` or `a position`.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It lies outside the range of its coordinate.
    #[error(transparent)]
    Range(#[from] SkyError),
}

/// The unit of an angle's first number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstUnit {
    Hours,
    Degrees,
    Unmarked,
}

/// A parsed angle: the sign, and the sum of its parts in units of the first.
struct ParsedAngle {
    value: f64,
    parts: usize,
    unit: FirstUnit,
}

/// Reads a right ascension in one of the forms of this module \[deg\], in [0, 360].
///
/// # Errors
/// [`AngleError`] with the text.
pub fn parse_right_ascension(text: &str) -> Result<f64, AngleError> {
    let angle = parse(text).map_err(|problem| form(text, "a right ascension", problem))?;
    let hours = match angle.unit {
        FirstUnit::Hours => true,
        FirstUnit::Degrees => false,
        FirstUnit::Unmarked => angle.parts > 1,
    };
    let degrees = if hours { angle.value * 15.0 } else { angle.value };
    if (0.0..=360.0).contains(&degrees) { Ok(degrees) } else { Err(SkyError::Ra(degrees).into()) }
}

/// Reads a declination in one of the forms of this module \[deg\], in [-90, 90].
///
/// # Errors
/// [`AngleError`] with the text.
pub fn parse_declination(text: &str) -> Result<f64, AngleError> {
    let angle = parse(text).map_err(|problem| form(text, "a declination", problem))?;
    if angle.unit == FirstUnit::Hours {
        return Err(form(text, "a declination", "declinations are in degrees, not in hours"));
    }
    if (-90.0..=90.0).contains(&angle.value) {
        Ok(angle.value)
    } else {
        Err(SkyError::Dec(angle.value).into())
    }
}

/// Reads right ascension and declination with a comma or blanks between them, such as
/// `12h25m48.9s +33d32m48s`, `12 25 48.9 +33 32 48` or `186.4536, 33.5468`.
impl FromStr for Position {
    type Err = AngleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ra, dec) = halves(text).ok_or_else(|| {
            form(text, "a position", "right ascension and declination cannot be told apart")
        })?;
        Ok(Self::new(parse_right_ascension(ra)?, parse_declination(dec)?)?)
    }
}

/// Splits a position at a comma, before the sign of the declination, or in the middle of its words.
fn halves(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    if let Some(halves) = text.split_once(',') {
        return Some(halves);
    }
    let sign = |c: char| matches!(c, '+' | '-' | '\u{2212}');
    let signed = text.char_indices().skip(1).find(|(at, c)| sign(*c) && !text[..*at].ends_with(['e', 'E']));
    if let Some((at, _)) = signed {
        return Some(text.split_at(at));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    if !matches!(words.len(), 2 | 4 | 6) {
        return None;
    }
    let at = words[words.len() / 2].as_ptr() as usize - text.as_ptr() as usize;
    Some(text.split_at(at))
}

fn form(text: &str, what: &'static str, problem: &'static str) -> AngleError {
    AngleError::Form { text: text.trim().chars().take(60).collect(), what, problem }
}

fn parse(text: &str) -> Result<ParsedAngle, &'static str> {
    let text = text.trim();
    if let Ok(value) = text.parse::<f64>() {
        return match value.is_finite() {
            true => Ok(ParsedAngle { value, parts: 1, unit: FirstUnit::Unmarked }),
            false => Err("it is not a finite number"),
        };
    }
    let (negative, rest) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (unit, numbers) = parts(&plain_marks(rest))?;
    let mut value = 0.0;
    for (k, number) in numbers.iter().enumerate().rev() {
        let whole = k + 1 == numbers.len() || number.fract() == 0.0;
        // Rounded tables have 60 seconds now and then.
        let below = k == 0 || *number < 60.0 || k == 2 && *number == 60.0;
        if !whole {
            return Err("only the last of its numbers may have decimals");
        }
        if !below {
            return Err("minutes and seconds go up to 60");
        }
        value = value / 60.0 + number;
    }
    Ok(ParsedAngle { value: if negative { -value } else { value }, parts: numbers.len(), unit })
}

/// The marks of units as the letters d, h, m and s, each behind its number and the decimals before
/// it.
fn plain_marks(text: &str) -> String {
    let mut plain = text.to_lowercase().replace("''", "s");
    for (mark, letter) in [
        ("degrees", "d"),
        ("deg", "d"),
        ("°", "d"),
        ("º", "d"),
        ("min", "m"),
        ("′", "m"),
        ("’", "m"),
        ("'", "m"),
        ("sec", "s"),
        ("″", "s"),
        ("”", "s"),
        ("\"", "s"),
    ] {
        plain = plain.replace(mark, letter);
    }
    // 48s.9 is printed for 48.9s.
    match plain.split_once("s.") {
        Some((before, decimals)) => format!("{before}.{decimals}s"),
        None => plain,
    }
}

/// One to three numbers with their marks, or with colons or blanks between them.
fn parts(text: &str) -> Result<(FirstUnit, Vec<f64>), &'static str> {
    let mut numbers = Vec::new();
    let mut unit = FirstUnit::Unmarked;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number = rest[..end].parse::<f64>().map_err(|_| "it is not a number of a known form")?;
        let behind = rest[end..].trim_start();
        let mark = behind.chars().next().filter(|c| !c.is_ascii_digit() && *c != '.');
        match (numbers.len(), mark) {
            (0, Some('h')) => unit = FirstUnit::Hours,
            (0, Some('d')) => unit = FirstUnit::Degrees,
            (1, Some('m')) | (2, Some('s')) | (0 | 1, Some(':')) | (_, None) => {}
            _ => return Err("it is not a number of a known form"),
        }
        rest = mark.map_or(behind, |mark| behind[mark.len_utf8()..].trim_start());
        if rest.is_empty() && mark == Some(':') {
            return Err("a number is missing behind its last colon");
        }
        numbers.push(number);
        if numbers.len() > 3 {
            return Err("it has more than three parts");
        }
    }
    if numbers.is_empty() { Err("it is empty") } else { Ok((unit, numbers)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Result<f64, AngleError>, expected: f64, text: &str) {
        let found = found.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert!((found - expected).abs() < 1e-12 * expected.abs().max(1.0), "{text}: {found}, {expected}");
    }

    #[test]
    fn right_ascensions_in_every_form() {
        let ra = (12.0 + 25.0 / 60.0 + 48.9 / 3600.0) * 15.0;
        for text in [
            "12:25:48.9",
            "12 25 48.9",
            " 12h25m48.9s ",
            "12h 25m 48.9s",
            "12H25M48.9S",
            "12h25m48s.9",
            "+12:25:48.9",
            "12 : 25 : 48.9",
            "12h25'48.9\"",
            "12h25m48.9",
        ] {
            near(parse_right_ascension(text), ra, text);
        }
        near(parse_right_ascension("186.45"), 186.45, "degrees");
        near(parse_right_ascension("1.8645e2"), 186.45, "degrees with an exponent");
        near(parse_right_ascension("186.45deg"), 186.45, "marked degrees");
        near(parse_right_ascension("12.5h"), 187.5, "hours");
        near(parse_right_ascension("12h30m"), 187.5, "hours and minutes");
        near(parse_right_ascension("12 30.5"), 187.625, "decimal minutes");
        near(parse_right_ascension("186d27m00s"), 186.45, "degrees, minutes, seconds");
        near(parse_right_ascension("23 59 60.0"), 360.0, "rounded seconds");
    }

    #[test]
    fn declinations_in_every_form() {
        let dec = 33.0 + 32.0 / 60.0 + 48.0 / 3600.0;
        for text in
            ["33:32:48", "+33 32 48", "+33d32m48s", "33°32'48\"", "33º 32′ 48″", "33d32'48''", "33d32m48s.0"]
        {
            near(parse_declination(text), dec, text);
        }
        near(parse_declination("-0 30 0"), -0.5, "the sign of zero");
        near(parse_declination("\u{2212}33:32:48"), -dec, "a typographic minus");
        near(parse_declination("-90"), -90.0, "the pole");
    }

    #[test]
    fn what_is_no_angle_is_refused() {
        for text in [
            "",
            "x",
            "nan",
            "inf",
            "12:",
            "12:61:00",
            "12:00:61",
            "1.5:30:00",
            "12h25s",
            "1:2:3:4",
            "12m",
            "24:00:01",
            "-1",
            "361",
        ] {
            assert!(parse_right_ascension(text).is_err(), "{text}");
        }
        for text in ["12h00m00s", "91", "90:00:01", "+-1", "--1", "33 32 48 N"] {
            assert!(parse_declination(text).is_err(), "{text}");
        }
        let error = parse_declination("33:75:00").unwrap_err().to_string();
        assert_eq!(error, "`33:75:00` is not a declination: minutes and seconds go up to 60");
    }

    #[test]
    fn positions_are_split() {
        let expected =
            Position::new((12.0 + 25.0 / 60.0 + 48.9 / 3600.0) * 15.0, 33.0 + 32.0 / 60.0 + 48.0 / 3600.0)
                .unwrap();
        for text in [
            "12h25m48.9s +33d32m48s",
            "12:25:48.9 33:32:48",
            "12 25 48.9 33 32 48",
            "12 25 48.9 +33 32 48",
            "12:25:48.9,33:32:48",
            "12:25:48.9+33:32:48",
        ] {
            let found: Position = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert!(found.separation(expected) < 1e-12, "{text}");
        }
        let south: Position = "186.45 -33.5".parse().unwrap();
        assert_eq!((south.ra(), south.dec()), (186.45, -33.5));
        assert_eq!("1e1 2".parse::<Position>().unwrap().ra(), 10.0);
        assert!("1 2 3".parse::<Position>().is_err());
        assert!("12".parse::<Position>().is_err());
    }
}
