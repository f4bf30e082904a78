//! The chain of HDUs of a file: headers, sizes and places, without their data (FITS Standard 4.0,
//! section 3).

use super::cards::is_structural;
use super::error::FitsError;
use super::number::NumberType;
use super::source::ByteSource;
use crate::header::{CARD_LEN, CardValue, Header, HeaderError};

/// Files consist of blocks of so many bytes.
pub(super) const BLOCK: u64 = BLOCK_BYTES as u64;
/// The same as a length in memory.
pub(super) const BLOCK_BYTES: usize = 2880;
/// The longest header that is read \[blocks\]: 5.9 MB or 73,728 cards, a dozen times the longest of
/// the archive.
const MAX_HEADER_BLOCKS: u64 = 2_048;
/// The most HDUs of a file that are looked at.
const MAX_HDUS: usize = 100_000;
/// The most axes that the standard allows.
const MAX_AXES: i64 = 999;

/// An HDU: where it is and what its header says of its form.
#[derive(Debug, Clone)]
pub(super) struct HduEntry {
    /// Its place in the file, 0 for the primary.
    number: usize,
    /// EXTNAME without trailing blanks, empty where there is none.
    extname: String,
    /// Byte at which its header begins.
    pub(super) start: u64,
    /// Byte at which its data begin.
    pub(super) data: u64,
    /// Bytes of its data, without the fill of the last block.
    pub(super) size: u64,
    /// The cards that describe its form, and EXTNAME.
    pub(super) cards: Header,
}

impl HduEntry {
    /// EXTNAME; without one `PRIMARY` for the first HDU and an empty string for others.
    pub(super) fn name(&self) -> &str {
        if self.extname.is_empty() && self.number == 0 { "PRIMARY" } else { &self.extname }
    }

    /// `HDU 1 (IMAGE)`, for messages.
    pub(super) fn label(&self) -> String {
        label(self.number, self.name())
    }

    /// The byte behind the HDU and its fill.
    pub(super) fn end(&self) -> u64 {
        // Sizes beyond the range of u64 were refused when the header was read.
        self.data + self.size.next_multiple_of(BLOCK)
    }

    /// An integer of the header.
    pub(super) fn integer(&self, keyword: &str) -> Result<Option<i64>, FitsError> {
        self.cards.optional_integer(keyword).map_err(|source| self.header_error(source))
    }

    /// A number of the header.
    pub(super) fn real(&self, keyword: &str) -> Result<Option<f64>, FitsError> {
        self.cards.optional_real(keyword).map_err(|source| self.header_error(source))
    }

    /// A string of the header.
    pub(super) fn text(&self, keyword: &str) -> Result<Option<&str>, FitsError> {
        self.cards.optional_text(keyword).map_err(|source| self.header_error(source))
    }

    /// XTENSION; empty in the primary.
    pub(super) fn extension(&self) -> &str {
        self.cards.optional_text("XTENSION").ok().flatten().unwrap_or_default()
    }

    /// NAXIS1, NAXIS2, ... by their stem, `NAXIS` or `ZNAXIS`, whose own value is their number.
    pub(super) fn axes(&self, stem: &str) -> Result<Vec<usize>, FitsError> {
        axes(&self.cards, stem).map_err(|source| self.header_error(source))
    }

    fn header_error(&self, source: HeaderError) -> FitsError {
        header_error(self.label(), source)
    }

    /// An error that names a card.
    pub(super) fn invalid(&self, keyword: &str, problem: &str) -> FitsError {
        let value = self.cards.get(keyword).map(CardValue::to_string).unwrap_or_default();
        self.header_error(HeaderError::Invalid { keyword: keyword.into(), value, problem: problem.into() })
    }

    /// An error of its data.
    pub(super) fn damaged(&self, problem: impl Into<String>) -> FitsError {
        FitsError::Damaged { hdu: self.label(), problem: problem.into() }
    }
}

pub(super) fn label(number: usize, name: &str) -> String {
    if name.is_empty() { format!("HDU {number}") } else { format!("HDU {number} ({name})") }
}

pub(super) fn header_error(hdu: String, source: HeaderError) -> FitsError {
    FitsError::Header { hdu, source: Box::new(source) }
}

/// What stands where the next HDU could begin.
pub(super) enum NextHdu {
    /// An HDU.
    Found(Box<HduEntry>),
    /// The end of the file.
    End,
    /// Bytes that are no HDU, which the standard allows to stand behind the last one.
    Other,
}

/// Reads the header that begins at a byte.
///
/// # Errors
/// Where it has no END, a card of its form is wrong, or the file ends within it.
pub(super) fn read_hdu(source: &ByteSource, number: usize, start: u64) -> Result<NextHdu, FitsError> {
    if start >= source.len() {
        return Ok(NextHdu::End);
    }
    let first: &[u8] = if number == 0 { b"SIMPLE  =" } else { b"XTENSION=" };
    let mut beginning = [0; 9];
    if number >= MAX_HDUS || source.len() - start < 9 {
        return Ok(NextHdu::Other);
    }
    source.read_at(start, &mut beginning)?;
    if beginning != first {
        return Ok(NextHdu::Other);
    }
    let text = header_text(source, number, start)?;
    let data = start + (text.len() as u64).next_multiple_of(BLOCK);
    entry(&text, number, start, data).map(|entry| NextHdu::Found(Box::new(entry)))
}

/// The form of an HDU from the text of its header.
pub(super) fn entry(text: &str, number: usize, start: u64, data: u64) -> Result<HduEntry, FitsError> {
    const ALSO: [&str; 5] = ["EXTNAME", "ZBLANK", "ZSCALE", "ZZERO", "GROUPS"];
    let cards = Header::parse_readable(text, |keyword| is_structural(keyword) || ALSO.contains(&keyword));
    let extname = cards.optional_text("EXTNAME").ok().flatten().unwrap_or_default().to_owned();
    let fail = |source| header_error(label(number, &extname), source);
    let size = data_size(&cards).map_err(fail)?;
    if data.checked_add(size).and_then(|end| end.checked_next_multiple_of(BLOCK)).is_none() {
        return Err(fail(too_large()));
    }
    Ok(HduEntry { number, extname, start, data, size, cards })
}

/// The cards of the header that begins at a byte, in runs of 80 characters, from the first to END.
/// Bytes that are no printable ASCII become `?`.
pub(super) fn header_text(source: &ByteSource, number: usize, start: u64) -> Result<String, FitsError> {
    let mut text = String::new();
    for k in 0..MAX_HEADER_BLOCKS {
        let mut block = [0; BLOCK_BYTES];
        let at = start + k * BLOCK;
        let there = source.len().saturating_sub(at);
        if there < BLOCK {
            let hdu = format!("the header of HDU {number}");
            let (found, expected) = (k * BLOCK + there, (k + 1) * BLOCK);
            return Err(FitsError::Truncated { hdu, found, expected });
        }
        source.read_at(at, &mut block)?;
        for card in block.chunks_exact(CARD_LEN) {
            let printable = |&b: &u8| if (b' '..=b'~').contains(&b) { char::from(b) } else { '?' };
            text.extend(card.iter().map(printable));
            if card.trim_ascii_end() == b"END" {
                return Ok(text);
            }
        }
    }
    Err(FitsError::Endless { hdu: format!("HDU {number}"), blocks: MAX_HEADER_BLOCKS })
}

fn too_large() -> HeaderError {
    let problem = "the data are larger than any file".to_owned();
    HeaderError::Invalid { keyword: "NAXIS".into(), value: "...".into(), problem }
}

/// Bytes of the data that a header declares: `|BITPIX| / 8 * GCOUNT * (PCOUNT + NAXIS1 * NAXIS2 *
/// ...)`.
fn data_size(cards: &Header) -> Result<u64, HeaderError> {
    let bitpix = cards.integer("BITPIX")?;
    if NumberType::from_bitpix(bitpix).is_none() {
        return Err(invalid(cards, "BITPIX", "it must be 8, 16, 32, 64, -32 or -64"));
    }
    let axes = axes(cards, "NAXIS")?;
    if axes.is_empty() {
        return Ok(0);
    }
    // Random groups, a form of the eighties, have no first axis.
    let groups = axes[0] == 0 && cards.get("GROUPS") == Some(&CardValue::Logical(true));
    let mut elements = 1u64;
    for &length in axes.iter().skip(usize::from(groups)) {
        elements = elements.checked_mul(length as u64).ok_or_else(too_large)?;
    }
    let count = |keyword: &str, usual: i64| -> Result<u64, HeaderError> {
        let value = cards.optional_integer(keyword)?.unwrap_or(usual);
        u64::try_from(value).map_err(|_| invalid(cards, keyword, "it must not be negative"))
    };
    let (parameters, members) = (count("PCOUNT", 0)?, count("GCOUNT", 1)?);
    if members != 1 && !groups {
        return Err(invalid(cards, "GCOUNT", "it must be 1"));
    }
    let elements = elements.checked_add(parameters).and_then(|n| n.checked_mul(members));
    elements.and_then(|n| n.checked_mul(bitpix.unsigned_abs() / 8)).ok_or_else(too_large)
}

fn axes(cards: &Header, stem: &str) -> Result<Vec<usize>, HeaderError> {
    let count = cards.integer(stem)?;
    if !(0..=MAX_AXES).contains(&count) {
        return Err(invalid(cards, stem, "there are 0 to 999 axes"));
    }
    let length = |axis| {
        let keyword = format!("{stem}{axis}");
        let length = cards.integer(&keyword)?;
        usize::try_from(length).map_err(|_| invalid(cards, &keyword, "it must not be negative"))
    };
    (1..=count).map(length).collect()
}

fn invalid(cards: &Header, keyword: &str, problem: &str) -> HeaderError {
    let value = cards.get(keyword).map(CardValue::to_string).unwrap_or_default();
    HeaderError::Invalid { keyword: keyword.into(), value, problem: problem.into() }
}
