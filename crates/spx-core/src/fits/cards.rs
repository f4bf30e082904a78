//! Card images from cards (FITS Standard 4.0, section 4; HIERARCH and CONTINUE conventions).

use super::error::FitsError;
use crate::header::{CARD_LEN, Card, CardValue};

/// Room for text behind the keyword of a commentary card \[bytes\].
const COMMENTARY_LEN: usize = CARD_LEN - 8;

/// Width to which strings of standard cards are filled before a comment, as CFITSIO and astropy do
/// \[bytes\].
const STRING_WIDTH: usize = 20;

/// True for keywords that describe the layout of the data, which the writer itself decides.
pub(super) fn is_structural(keyword: &str) -> bool {
    const WORDS: [&str; 27] = [
        "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "BZERO", "BSCALE",
        "BLANK", "TFIELDS", "THEAP", "CHECKSUM", "DATASUM", "CONTINUE", "END", "ZIMAGE", "ZCMPTYPE",
        "ZBITPIX", "ZNAXIS", "ZPCOUNT", "ZGCOUNT", "ZQUANTIZ", "ZDITHER0", "ZSIMPLE", "ZTENSION",
    ];
    const NUMBERED: [&str; 13] = [
        "NAXIS", "TFORM", "TTYPE", "TUNIT", "TDIM", "TNULL", "TSCAL", "TZERO", "TBCOL", "ZNAXIS", "ZTILE",
        "ZNAME", "ZVAL",
    ];
    let numbered = |stem: &&str| {
        keyword.strip_prefix(*stem).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    WORDS.contains(&keyword) || NUMBERED.iter().any(numbered)
}

/// The 80-byte images of a card, trailing blanks left off: one, or more where a string or a
/// commentary text is long.
///
/// Real numbers are written with as few digits as read back to the same bits. Characters other than
/// printable ASCII become `?` in comments; a comment that does not fit is cut.
///
/// # Errors
/// Where the value has no form in FITS: NaN, infinity, a string with characters other than
/// printable ASCII, a keyword that leaves no room.
pub(super) fn images(card: &Card) -> Result<Vec<String>, FitsError> {
    let comment = printable(&card.comment);
    let Some(value) = &card.value else {
        return commentary(&card.keyword, &card.comment);
    };
    let prefix = prefix(&card.keyword)?;
    let fail = |problem| FitsError::Card { keyword: card.keyword.clone(), problem };
    let value = match value {
        CardValue::Text(text) => return text_images(&prefix, text, &comment).map_err(fail),
        CardValue::Logical(v) => (if *v { "T" } else { "F" }).to_owned(),
        CardValue::Integer(v) => v.to_string(),
        CardValue::Real(v) if v.is_finite() => real(*v),
        CardValue::Real(_) => return Err(fail("NaN and infinity have no form in FITS")),
        CardValue::Undefined => String::new(),
    };
    let image = if prefix.len() == 10 { format!("{prefix}{value:>20}") } else { format!("{prefix}{value}") };
    if image.len() > CARD_LEN {
        return Err(fail("the keyword is too long"));
    }
    Ok(vec![with_comment(image, &comment)])
}

/// `KEYWORD = `, or `HIERARCH keyword = ` where the keyword is none of the standard's.
fn prefix(keyword: &str) -> Result<String, FitsError> {
    let standard = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let fail = |problem| Err(FitsError::Card { keyword: keyword.to_owned(), problem });
    if keyword.is_empty() {
        return fail("a value needs a keyword");
    }
    if keyword.len() <= 8 && keyword.bytes().all(standard) {
        return Ok(format!("{keyword:<8}= "));
    }
    if keyword.bytes().any(|b| b == b'=' || b.is_ascii_lowercase() || !(b' '..=b'~').contains(&b)) {
        return fail("the keyword must be upper-case ASCII without `=`");
    }
    Ok(format!("HIERARCH {keyword} = "))
}

/// The shortest decimal number that reads back to the same bits, in FITS form.
fn real(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        None => text,
        Some((mantissa, exponent)) => {
            let point = if mantissa.contains('.') { "" } else { ".0" };
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}{point}E{sign}{digits:0>2}")
        }
    }
}

/// A string, continued on CONTINUE cards where it is long.
fn text_images(prefix: &str, text: &str, comment: &str) -> Result<Vec<String>, &'static str> {
    if text.bytes().any(|b| !(b' '..=b'~').contains(&b)) {
        return Err("strings must be printable ASCII");
    }
    let quoted = text.replace('\'', "''");
    let room = CARD_LEN.saturating_sub(prefix.len() + 2);
    if quoted.len() <= room {
        let padded = if prefix.len() == 10 { format!("'{quoted:<8}'") } else { format!("'{quoted}'") };
        if prefix.len() + padded.len() <= CARD_LEN {
            let width = if comment.is_empty() { 0 } else { STRING_WIDTH };
            let padded = if prefix.len() == 10 { format!("{padded:<width$}") } else { padded };
            return Ok(vec![with_comment(format!("{prefix}{padded}"), comment)]);
        }
    }
    if room < 3 {
        return Err("the keyword leaves no room for a string");
    }
    Ok(continued(prefix, room, &quoted, comment))
}

/// Splits a string, quotes doubled already, over a first card with `room` bytes and CONTINUE cards.
fn continued(prefix: &str, room: usize, quoted: &str, comment: &str) -> Vec<String> {
    const CONTINUE: &str = "CONTINUE  ";
    let mut images = Vec::new();
    let (mut prefix, mut room, mut rest) = (prefix, room, quoted);
    while rest.len() > room {
        // One byte is for the `&`. A doubled quote must not be parted: of a run of quotes that ends
        // at the cut, an odd number means that the cut goes through a pair.
        let mut cut = room - 1;
        let quotes = rest[..cut].bytes().rev().take_while(|&b| b == b'\'').count();
        cut -= quotes % 2;
        images.push(format!("{prefix}'{}&'", &rest[..cut]));
        rest = &rest[cut..];
        prefix = CONTINUE;
        room = CARD_LEN - CONTINUE.len() - 2;
    }
    images.push(with_comment(format!("{prefix}'{rest}'"), comment));
    images
}

/// COMMENT, HISTORY and blank cards: a card a line, long lines split.
fn commentary(keyword: &str, text: &str) -> Result<Vec<String>, FitsError> {
    let standard = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if keyword.len() > 8 || !keyword.bytes().all(standard) {
        return Err(FitsError::Card { keyword: keyword.to_owned(), problem: "no keyword of a commentary" });
    }
    let mut images = Vec::new();
    for line in text.split('\n') {
        let line = printable(line);
        let mut rest = line.as_str();
        loop {
            let (head, tail) = rest.split_at(rest.len().min(COMMENTARY_LEN));
            images.push(format!("{keyword:<8}{head}"));
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
    }
    Ok(images)
}

/// Appends as much of the comment as fits; a few bytes of one are worth less than none.
fn with_comment(mut image: String, comment: &str) -> String {
    let room = CARD_LEN.saturating_sub(image.len() + 3);
    if !comment.is_empty() && (room >= comment.len() || room >= 8) {
        image.push_str(" / ");
        image.push_str(&comment[..comment.len().min(room)]);
    }
    image
}

/// Printable ASCII; anything else becomes `?`, which also makes every byte a character.
fn printable(text: &str) -> String {
    text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::Header;

    fn card(keyword: &str, value: impl Into<CardValue>, comment: &str) -> Card {
        Card { keyword: keyword.into(), value: Some(value.into()), comment: comment.into() }
    }

    fn one(keyword: &str, value: impl Into<CardValue>, comment: &str) -> String {
        let images = images(&card(keyword, value, comment)).unwrap();
        assert_eq!(images.len(), 1);
        images.into_iter().next().unwrap()
    }

    #[test]
    fn cards_look_like_the_archives() {
        assert_eq!(one("CDELT1", 1.0, "[deg]"), "CDELT1  =                  1.0 / [deg]");
        assert_eq!(one("A_0_1", -3.29486823947e-06, ""), "A_0_1   =   -3.29486823947E-06");
        assert_eq!(one("EXTNAME", "IMAGE", "name"), "EXTNAME = 'IMAGE   '           / name");
        assert_eq!(one("L2 N_HOT", 1, "hot"), "HIERARCH L2 N_HOT = 1 / hot");
        assert_eq!(one("SIMPLE", true, ""), "SIMPLE  =                    T");
        assert_eq!(one("X", 1e300, ""), "X       =             1.0E+300");
        assert_eq!(one("X", "it's", ""), "X       = 'it''s   '");
    }

    #[test]
    fn refuses_what_fits_cannot_say() {
        for bad in [card("X", f64::NAN, ""), card("X", "ü", ""), card("a=b", 1, ""), card("", 1, "")] {
            assert!(images(&bad).is_err(), "{bad:?}");
        }
        assert!(images(&card(&"K".repeat(70), 1, "")).is_err());
    }

    #[test]
    fn structural_keywords() {
        for yes in ["NAXIS", "NAXIS2", "TFORM12", "BZERO", "ZTILE1", "CHECKSUM"] {
            assert!(is_structural(yes), "{yes}");
        }
        for no in ["NAXISX", "TFORM", "EXTNAME", "BUNIT", "TDISP1", "CRPIX1"] {
            assert!(!is_structural(no), "{no}");
        }
    }

    fn back(card: &Card) -> Header {
        let images = images(card).unwrap();
        assert!(images.iter().all(|image| image.len() <= CARD_LEN), "{images:?}");
        Header::parse(&images.join("\n")).unwrap()
    }

    proptest! {
        #[test]
        fn reals_keep_their_bits(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(back(&card("KEY", value, "comment")).real("KEY").unwrap().to_bits(), bits);
            prop_assert_eq!(back(&card("LONG KEY", value, "")).real("LONG KEY").unwrap().to_bits(), bits);
        }

        #[test]
        fn strings_survive(text in "([ -~]|''|&){0,300}", comment in "\\PC{0,80}") {
            let expected = text.trim_end_matches(' ');
            for keyword in ["KEY", "A LONG KEYWORD"] {
                let header = back(&card(keyword, text.as_str(), &comment));
                prop_assert_eq!(header.text(keyword).unwrap(), expected);
            }
        }

        #[test]
        fn commentary_fits(text in "\\PC{0,300}") {
            let card = Card { keyword: "HISTORY".into(), value: None, comment: text };
            prop_assert!(images(&card).unwrap().iter().all(|image| image.len() <= CARD_LEN));
        }
    }
}
