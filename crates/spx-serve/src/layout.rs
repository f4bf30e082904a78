//! Where the HDUs of a FITS file lie, and single cards as they stand: for copying and cutting
//! without writing any card anew (FITS Standard 4.0, sections 3 and 4).

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// Bytes of a FITS block.
pub(crate) const BLOCK: usize = 2880;
/// Bytes of a card.
const CARD: usize = 80;
/// More than any header has; a file without END is given up there.
const MAX_BLOCKS: usize = 2000;

/// One HDU of a file.
#[derive(Debug, Clone)]
pub(crate) struct Hdu {
    /// All of its header, with END and the blanks behind it.
    pub(crate) cards: Vec<u8>,
    /// EXTNAME, or an empty string.
    pub(crate) name: String,
    /// The bytes of its header in the file.
    pub(crate) header: Range<u64>,
    /// The bytes of its cards in the file, up to END.
    pub(crate) used: Range<u64>,
    /// The bytes of its data in the file, fill included.
    pub(crate) data: Range<u64>,
}

impl Hdu {
    /// The integer value of a card.
    pub(crate) fn integer(&self, keyword: &str) -> Option<i64> {
        value(&self.cards, keyword)?.parse().ok()
    }

    /// The shape `[ny, nx]` of a plain two-dimensional image.
    pub(crate) fn image_shape(&self) -> Option<[usize; 2]> {
        let axis = |keyword| usize::try_from(self.integer(keyword)?).ok();
        (self.integer("NAXIS")? == 2 && value(&self.cards, "XTENSION").is_some_and(|x| x.contains("IMAGE")))
            .then_some(())?;
        Some([axis("NAXIS2")?, axis("NAXIS1")?])
    }

    /// The shape `[ny, nx]` of a tile-compressed image.
    pub(crate) fn compressed_shape(&self) -> Option<[usize; 2]> {
        let axis = |keyword| usize::try_from(self.integer(keyword)?).ok();
        (value(&self.cards, "ZIMAGE")? == "T" && self.integer("ZNAXIS")? == 2).then_some(())?;
        Some([axis("ZNAXIS2")?, axis("ZNAXIS1")?])
    }
}

/// The HDUs of a file, in order.
///
/// # Errors
/// Where it is no FITS file or ends early.
pub(crate) fn hdus<R: Read + Seek>(file: &mut R) -> io::Result<Vec<Hdu>> {
    let end = file.seek(SeekFrom::End(0))?;
    let (mut found, mut at) = (Vec::new(), 0);
    while at < end {
        file.seek(SeekFrom::Start(at))?;
        let cards = header(file)?;
        let start = at + cards.len() as u64;
        let size = data_size(&cards).ok_or_else(|| broken("a header does not give the size of its data"))?;
        at = start + size.next_multiple_of(BLOCK as u64);
        if at > end {
            return Err(broken("the file ends early"));
        }
        let name = value(&cards, "EXTNAME").map(|v| v.trim_matches(['\'', ' ']).to_owned());
        let first = start - cards.len() as u64;
        let end = cards.chunks(CARD).position(|card| card.starts_with(b"END     ")).unwrap_or(0);
        let used = first..first + (end * CARD) as u64;
        found.push(Hdu {
            cards,
            name: name.unwrap_or_default(),
            header: first..start,
            used,
            data: start..at,
        });
    }
    Ok(found)
}

fn broken(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn header<R: Read>(file: &mut R) -> io::Result<Vec<u8>> {
    let mut cards = Vec::new();
    for _ in 0..MAX_BLOCKS {
        let mut block = [0; BLOCK];
        file.read_exact(&mut block)?;
        cards.extend_from_slice(&block);
        if block.chunks(CARD).any(|card| card.starts_with(b"END     ")) {
            return Ok(cards);
        }
    }
    Err(broken("a header has no END"))
}

/// Bytes of the data without fill.
fn data_size(cards: &[u8]) -> Option<u64> {
    let integer = |keyword: &str, default: i64| match value(cards, keyword) {
        Some(text) => text.parse::<i64>().ok(),
        None => Some(default),
    };
    let naxis = integer("NAXIS", 0)?;
    if naxis == 0 {
        return Some(0);
    }
    let mut elements: i64 = 1;
    for axis in 1..=naxis.min(999) {
        elements = elements.checked_mul(integer(&format!("NAXIS{axis}"), -1)?)?;
    }
    let elements = elements.checked_add(integer("PCOUNT", 0)?)?.checked_mul(integer("GCOUNT", 1)?)?;
    u64::try_from(elements.checked_mul(integer("BITPIX", -1)?.abs() / 8)?).ok()
}

/// The place of a card in the header.
fn find(cards: &[u8], keyword: &str) -> Option<usize> {
    let start = format!("{keyword:<8}= ");
    cards.chunks(CARD).position(|card| card.starts_with(start.as_bytes())).map(|k| k * CARD)
}

/// The value of a card as text, without the comment; strings keep their quotes.
pub(crate) fn value<'a>(cards: &'a [u8], keyword: &str) -> Option<&'a str> {
    let at = find(cards, keyword)?;
    let text = std::str::from_utf8(&cards[at + 10..at + CARD]).ok()?;
    match text.trim_start().strip_prefix('\'') {
        Some(string) => {
            let start = text.len() - text.trim_start().len();
            string.find('\'').map(|end| &text[start..start + end + 2])
        }
        None => text.split('/').next().map(str::trim),
    }
}

/// Puts another number into a card and leaves its keyword and comment; nothing where there is no
/// such card.
pub(crate) fn set_number(cards: &mut [u8], keyword: &str, number: &str) {
    let Some(at) = find(cards, keyword) else { return };
    let card = &mut cards[at..at + CARD];
    let comment = match card.iter().position(|b| *b == b'/') {
        Some(slash) => String::from_utf8_lossy(&card[slash..]).trim_end().to_owned(),
        None => String::new(),
    };
    let image = format!("{keyword:<8}= {number:>20} {comment}");
    card.fill(b' ');
    let length = image.len().min(CARD);
    card[..length].copy_from_slice(&image.as_bytes()[..length]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(lines: &[&str]) -> Vec<u8> {
        let mut cards: Vec<u8> = lines.iter().flat_map(|line| format!("{line:<80}").into_bytes()).collect();
        cards.resize(cards.len().next_multiple_of(BLOCK), b' ');
        cards
    }

    #[test]
    fn cards_are_read_and_set() {
        let mut cards = block(&["CRPIX1  =               1020.5 / Pixel", "NAME    = 'a / b'  / x", "END"]);
        assert_eq!(value(&cards, "NAME"), Some("'a / b'"));
        set_number(&mut cards, "CRPIX1", "-271.5");
        set_number(&mut cards, "CRPIX9", "1");
        assert_eq!(&cards[..80], format!("{:<80}", "CRPIX1  =               -271.5 / Pixel").as_bytes());
    }

    #[test]
    fn hdus_follow_each_other() {
        let mut file = block(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "END"]);
        let image = ["XTENSION= 'IMAGE   '", "BITPIX  = -32", "NAXIS   = 2", "NAXIS1  = 30", "NAXIS2  = 40"];
        file.extend(block(&[&image[..], &["EXTNAME = 'IMAGE   '", "END"][..]].concat()));
        file.extend(vec![0; 2 * BLOCK]);
        let found = hdus(&mut io::Cursor::new(&file)).unwrap();
        assert_eq!((found.len(), found[1].name.as_str()), (2, "IMAGE"));
        assert_eq!(found[1].image_shape(), Some([40, 30]));
        assert_eq!(found[1].data, 2 * 2880..4 * 2880);
        file.truncate(4 * BLOCK - 1);
        assert!(hdus(&mut io::Cursor::new(&file)).is_err());
    }
}
