//! FITS header cards, parsed and formatted without a FITS library (FITS Standard 4.0, section 4;
//! the HIERARCH and CONTINUE conventions of the FITS registry).

use std::collections::HashMap;

use thiserror::Error;

/// Length of a card image \[bytes\].
pub const CARD_LEN: usize = 80;

/// The value of a card.
#[derive(Debug, Clone, PartialEq)]
pub enum CardValue {
    /// `T` or `F`.
    Logical(bool),
    /// An integer that fits 64 bits.
    Integer(i64),
    /// A floating-point number; `NaN` and infinities cannot be written in FITS but are read where
    /// found.
    Real(f64),
    /// A character string without its quotes and trailing blanks.
    Text(String),
    /// A card with a value indicator but no value.
    Undefined,
}

impl CardValue {
    fn kind(&self) -> &'static str {
        match self {
            Self::Logical(_) => "a logical",
            Self::Integer(_) => "an integer",
            Self::Real(_) => "a real number",
            Self::Text(_) => "a string",
            Self::Undefined => "undefined",
        }
    }
}

impl std::fmt::Display for CardValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Logical(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Real(value) => value.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Undefined => Ok(()),
        }
    }
}

impl From<bool> for CardValue {
    fn from(v: bool) -> Self {
        Self::Logical(v)
    }
}
impl From<i64> for CardValue {
    fn from(v: i64) -> Self {
        Self::Integer(v)
    }
}
impl From<i32> for CardValue {
    fn from(v: i32) -> Self {
        Self::Integer(v.into())
    }
}
impl From<u32> for CardValue {
    fn from(v: u32) -> Self {
        Self::Integer(v.into())
    }
}
impl From<f64> for CardValue {
    fn from(v: f64) -> Self {
        Self::Real(v)
    }
}
impl From<&str> for CardValue {
    fn from(v: &str) -> Self {
        Self::Text(v.to_owned())
    }
}
impl From<String> for CardValue {
    fn from(v: String) -> Self {
        Self::Text(v)
    }
}

/// One header card: keyword, value, comment.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Upper-case keyword without `HIERARCH`, e.g. `CRPIX1`, `OMEGA_MEDIAN`, `L2 N_HOT`.
    pub keyword: String,
    /// The value; `None` for commentary cards (COMMENT, HISTORY, blank).
    pub value: Option<CardValue>,
    /// The comment behind the slash, or the text of a commentary card.
    pub comment: String,
}

/// What can be wrong with a header, naming the card.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum HeaderError {
    /// A card that is needed is not there.
    #[error("card {keyword} is missing")]
    Missing {
        /// The keyword that was looked for.
        keyword: String,
    },
    /// The card is there with a value of another type.
    #[error("card {keyword} should be {expected}, but is {found}")]
    Type {
        /// The keyword.
        keyword: String,
        /// What it should have been.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A number that is NaN or infinite.
    #[error("card {keyword} is not a finite number")]
    NotFinite {
        /// The keyword.
        keyword: String,
    },
    /// A card that has the right type but a value that makes no sense.
    #[error("card {keyword} = {value}: {problem}")]
    Invalid {
        /// The keyword.
        keyword: String,
        /// The value as text.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A card image that cannot be parsed.
    #[error("card {number} cannot be read: `{image}`")]
    Malformed {
        /// Its 1-based number in the header.
        number: usize,
        /// The card image.
        image: String,
    },
}

/// An ordered list of cards with look-up by keyword.
///
/// Where a keyword stands more than once, look-up finds the last one: headers are appended to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    cards: Vec<Card>,
    index: HashMap<String, usize>,
}

impl Header {
    /// An empty header.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses card images: `text` is a run of 80-character cards without line ends (as in a file),
    /// or one card a line (as `fitsheader` prints them). Reading stops at END; CONTINUE cards are
    /// joined.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`] where a value cannot be read as FITS.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        let malformed = |number, image: &str| HeaderError::Malformed { number, image: image.to_owned() };
        Self::parse_where(text, |_| true, |number, image| Err(malformed(number, image)))
    }

    /// The cards whose first eight characters, without trailing blanks, are `wanted`; those that
    /// cannot be read are left out.
    #[cfg(feature = "fits")]
    pub(crate) fn parse_readable(text: &str, wanted: impl Fn(&str) -> bool) -> Self {
        let parsed = Self::parse_where(text, wanted, |_, _| Ok::<(), std::convert::Infallible>(()));
        parsed.unwrap_or_else(|never| match never {})
    }

    fn parse_where<E>(
        text: &str,
        wanted: impl Fn(&str) -> bool,
        malformed: impl Fn(usize, &str) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut header = Self::new();
        let mut kept = false;
        for (k, image) in split_cards(text).enumerate() {
            let image = image.trim_end();
            if image == "END" {
                break;
            }
            if let Some(rest) = image.strip_prefix("CONTINUE") {
                if kept {
                    header.continue_last(rest);
                }
                continue;
            }
            let start = image.char_indices().nth(8).map_or(image, |(at, _)| &image[..at]);
            kept = wanted(start.trim_end());
            if kept {
                match parse_card(image) {
                    Some(card) => header.push(card),
                    None => malformed(k + 1, image)?,
                }
            }
        }
        Ok(header)
    }

    fn continue_last(&mut self, rest: &str) {
        let Some((CardValue::Text(more), comment)) = parse_value(rest.trim_start()) else { return };
        if let Some(Card { value: Some(CardValue::Text(text)), comment: last, .. }) = self.cards.last_mut()
            && text.ends_with('&')
        {
            text.pop();
            text.push_str(&more);
            last.push_str(&comment);
        }
    }

    /// All cards, in order.
    pub fn cards(&self) -> &[Card] {
        &self.cards
    }

    /// Appends a card, even where its keyword is already there.
    pub fn push(&mut self, card: Card) {
        if card.value.is_some() {
            self.index.insert(card.keyword.clone(), self.cards.len());
        }
        self.cards.push(card);
    }

    /// Appends all cards of another header.
    pub fn extend(&mut self, other: &Header) {
        for card in &other.cards {
            self.push(card.clone());
        }
    }

    /// Sets a value: replaces the card of that keyword, or appends one.
    pub fn set(&mut self, keyword: &str, value: impl Into<CardValue>, comment: &str) -> &mut Self {
        let card =
            Card { keyword: keyword.to_owned(), value: Some(value.into()), comment: comment.to_owned() };
        match self.index.get(keyword) {
            Some(&at) => self.cards[at] = card,
            None => self.push(card),
        }
        self
    }

    /// Appends a COMMENT or HISTORY card.
    pub fn note(&mut self, keyword: &str, text: &str) -> &mut Self {
        self.cards.push(Card { keyword: keyword.to_owned(), value: None, comment: text.to_owned() });
        self
    }

    /// The cards of the celestial axes of an image, which are its first two; neither those of
    /// further axes nor of an alternate WCS.
    #[must_use]
    pub fn celestial(&self) -> Self {
        const ALONE: [&str; 4] = ["RADESYS", "EQUINOX", "LONPOLE", "LATPOLE"];
        const OF_AN_AXIS: [&str; 6] = ["CTYPE", "CRVAL", "CRPIX", "CDELT", "CUNIT", "CROTA"];
        let axis = |text: &str| matches!(text, "1" | "2");
        let pair = |keyword: &str, stem: &str| {
            let rest = keyword.strip_prefix(stem).and_then(|rest| rest.split_once('_'));
            rest.is_some_and(|(i, j)| axis(i) && (axis(j) || stem == "PV" && j.parse::<u8>().is_ok()))
        };
        let celestial = |keyword: &str| {
            ALONE.contains(&keyword)
                || OF_AN_AXIS.iter().any(|stem| keyword.strip_prefix(stem).is_some_and(axis))
                || ["PC", "CD", "PV"].iter().any(|stem| pair(keyword, stem))
        };
        let mut cards = Self::new();
        cards.set("WCSAXES", 2, "number of coordinate axes");
        self.cards.iter().filter(|card| celestial(&card.keyword)).for_each(|card| cards.push(card.clone()));
        cards
    }

    /// The value of a keyword, if it is there.
    pub fn get(&self, keyword: &str) -> Option<&CardValue> {
        self.index.get(keyword).and_then(|&at| self.cards[at].value.as_ref())
    }

    /// The comment of a keyword, if it is there.
    pub fn comment(&self, keyword: &str) -> Option<&str> {
        self.index.get(keyword).map(|&at| self.cards[at].comment.as_str())
    }

    /// A finite real number (integers count as real).
    ///
    /// # Errors
    /// Where the card is missing, of another type, or not finite.
    pub fn real(&self, keyword: &str) -> Result<f64, HeaderError> {
        self.optional_real(keyword)?.ok_or_else(|| missing(keyword))
    }

    /// A finite real number, or `None` where there is no such card, or it has no value.
    ///
    /// # Errors
    /// Where the card is there but is no finite number.
    pub fn optional_real(&self, keyword: &str) -> Result<Option<f64>, HeaderError> {
        let number = match self.get(keyword) {
            None | Some(CardValue::Undefined) => return Ok(None),
            Some(CardValue::Real(v)) => *v,
            // Cards hold integers far below 2^53 where a real number is asked for.
            Some(CardValue::Integer(v)) => *v as f64,
            Some(other) => return Err(mistyped(keyword, "a number", other)),
        };
        if number.is_finite() {
            Ok(Some(number))
        } else {
            Err(HeaderError::NotFinite { keyword: keyword.to_owned() })
        }
    }

    /// An integer; a real number without fraction counts as one, for some writers put `2.0`.
    ///
    /// # Errors
    /// Where the card is missing or no integer.
    pub fn integer(&self, keyword: &str) -> Result<i64, HeaderError> {
        self.optional_integer(keyword)?.ok_or_else(|| missing(keyword))
    }

    /// An integer, or `None` where there is no such card, or it has no value.
    ///
    /// # Errors
    /// Where the card is there but is no integer.
    pub fn optional_integer(&self, keyword: &str) -> Result<Option<i64>, HeaderError> {
        match self.get(keyword) {
            None | Some(CardValue::Undefined) => Ok(None),
            Some(CardValue::Integer(v)) => Ok(Some(*v)),
            #[expect(clippy::cast_possible_truncation, reason = "checked to be integral and below 2^53")]
            Some(CardValue::Real(v)) if v.fract() == 0.0 && v.abs() < 9e15 => Ok(Some(*v as i64)),
            Some(other) => Err(mistyped(keyword, "an integer", other)),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// Where the card is missing or no string.
    pub fn text(&self, keyword: &str) -> Result<&str, HeaderError> {
        self.optional_text(keyword)?.ok_or_else(|| missing(keyword))
    }

    /// A string, or `None` where there is no such card, or it has no value.
    ///
    /// # Errors
    /// Where the card is there but is no string.
    pub fn optional_text(&self, keyword: &str) -> Result<Option<&str>, HeaderError> {
        match self.get(keyword) {
            None | Some(CardValue::Undefined) => Ok(None),
            Some(CardValue::Text(v)) => Ok(Some(v)),
            Some(other) => Err(mistyped(keyword, "a string", other)),
        }
    }
}

fn missing(keyword: &str) -> HeaderError {
    HeaderError::Missing { keyword: keyword.to_owned() }
}

fn mistyped(keyword: &str, expected: &'static str, found: &CardValue) -> HeaderError {
    HeaderError::Type { keyword: keyword.to_owned(), expected, found: found.kind().to_owned() }
}

/// Cards one a line, or in runs of 80 bytes; a header is ASCII, anything else is replaced before.
fn split_cards(text: &str) -> Box<dyn Iterator<Item = &str> + '_> {
    if text.contains('\n') || !text.is_ascii() {
        return Box::new(text.lines());
    }
    Box::new((0..text.len()).step_by(CARD_LEN).map(move |k| &text[k..text.len().min(k + CARD_LEN)]))
}

/// `None` where the card has a value indicator and a value that is none.
fn parse_card(image: &str) -> Option<Card> {
    if let Some(rest) = image.strip_prefix("HIERARCH ")
        && let Some((keyword, value)) = rest.split_once('=')
    {
        let (value, comment) = parse_value(value)?;
        return Some(Card { keyword: keyword.trim().to_owned(), value: Some(value), comment });
    }
    let (keyword, rest) = match image.char_indices().nth(8) {
        Some((at, _)) => image.split_at(at),
        None => (image, ""),
    };
    let keyword = keyword.trim_end().to_owned();
    match rest.strip_prefix("= ").or(rest.strip_prefix('=').filter(|r| r.is_empty())) {
        Some(value) if !matches!(keyword.as_str(), "COMMENT" | "HISTORY" | "") => {
            let (value, comment) = parse_value(value)?;
            Some(Card { keyword, value: Some(value), comment })
        }
        _ => Some(Card { keyword, value: None, comment: rest.to_owned() }),
    }
}

/// Splits `value / comment`.
fn parse_value(text: &str) -> Option<(CardValue, String)> {
    let text = text.trim();
    if let Some(quoted) = text.strip_prefix('\'') {
        return parse_quoted(quoted);
    }
    let (value, comment) = text.split_once('/').unwrap_or((text, ""));
    let value = value.trim();
    let parsed = match value {
        "" => CardValue::Undefined,
        "T" => CardValue::Logical(true),
        "F" => CardValue::Logical(false),
        _ => match value.parse::<i64>() {
            Ok(integer) => CardValue::Integer(integer),
            Err(_) => CardValue::Real(parse_real(value)?),
        },
    };
    Some((parsed, comment.trim().to_owned()))
}

/// FITS allows the exponent letter `D` beside `E`.
fn parse_real(text: &str) -> Option<f64> {
    text.replace(['D', 'd'], "E").parse().ok()
}

/// A string after its opening quote; a doubled quote stands for one.
fn parse_quoted(text: &str) -> Option<(CardValue, String)> {
    let mut out = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            out.push(c);
        } else if chars.peek().is_some_and(|&(_, next)| next == '\'') {
            chars.next();
            out.push('\'');
        } else {
            let comment = text[at + 1..].split_once('/').map_or("", |(_, c)| c);
            return Some((CardValue::Text(out.trim_end().to_owned()), comment.trim().to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_card() {
        let header = Header::parse(concat!(
            "CRPIX1  =               -271.5 / Pixel coordinate of reference point\n",
            "HIERARCH OMEGA_MEDIAN = 37.861739642774666 /  [arcsec**2] solid angle\n",
            "HIERARCH L2 N_HOT =                    1 / number of pixels flagged hot\n",
            "OBSID   = '2025W51_1A_0684_2'  / Observation ID\n",
            "QUOTE   = 'it''s a / slash'    / comment\n",
            "TRUE    =                    T\n",
            "EMPTY   =\n",
            "BIG     =             1.5D+03\n",
            "COMMENT = not a value\n",
            "LONG    = 'abc&'\nCONTINUE  'def' / end\n",
            "END\nAFTER   =                    1\n"
        ))
        .unwrap();
        assert_eq!(header.real("CRPIX1"), Ok(-271.5));
        assert_eq!(header.real("OMEGA_MEDIAN"), Ok(37.861739642774666));
        assert_eq!(header.integer("L2 N_HOT"), Ok(1));
        assert_eq!(header.comment("L2 N_HOT"), Some("number of pixels flagged hot"));
        assert_eq!(header.text("OBSID"), Ok("2025W51_1A_0684_2"));
        assert_eq!(header.text("QUOTE"), Ok("it's a / slash"));
        assert_eq!(header.get("TRUE"), Some(&CardValue::Logical(true)));
        assert_eq!(header.get("EMPTY"), Some(&CardValue::Undefined));
        assert_eq!(header.real("BIG"), Ok(1500.0));
        assert_eq!(header.text("LONG"), Ok("abcdef"));
        assert_eq!(header.get("AFTER"), None);
        assert_eq!(header.get("COMMENT"), None);
    }

    #[test]
    fn reads_runs_of_eighty_bytes() {
        let text = format!("{:<80}{:<80}{:<80}", "A       =  1", "B       =  2.5 / half", "END");
        let header = Header::parse(&text).unwrap();
        assert_eq!((header.integer("A"), header.real("B")), (Ok(1), Ok(2.5)));
    }

    #[test]
    fn errors_name_the_card() {
        let header = Header::parse("A       = 'text'\nB       = NaN").unwrap();
        assert_eq!(header.real("C").unwrap_err().to_string(), "card C is missing");
        assert_eq!(header.real("A").unwrap_err().to_string(), "card A should be a number, but is a string");
        assert_eq!(header.real("B").unwrap_err().to_string(), "card B is not a finite number");
        let bad = Header::parse("A       = 'open").unwrap_err();
        assert!(matches!(bad, HeaderError::Malformed { number: 1, .. }), "{bad}");
    }

    #[test]
    fn set_replaces_and_keeps_order() {
        let mut header = Header::new();
        header.set("A", 1, "").set("B", "x", "").set("A", 2, "");
        assert_eq!(header.integer("A"), Ok(2));
        assert_eq!(header.cards().len(), 2);
    }
}
