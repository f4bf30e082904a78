//! Headers as the writer writes them: the cards that describe the form of an HDU, and the images of
//! those that follow.

use super::cards;
use super::error::FitsError;
use super::hdu::BLOCK_BYTES;
use super::number::FitsNumber;
use crate::header::{CARD_LEN, Card, CardValue, Header};

/// Cards that describe the form of an HDU, and those that follow: images of 80 bytes.
#[derive(Debug, Default)]
pub(super) struct HeaderForm(pub(super) Vec<u8>);

impl HeaderForm {
    pub(super) fn integer(&mut self, keyword: &str, value: i64, comment: &str) {
        self.0.extend(card_image(keyword, value.into(), comment));
    }

    pub(super) fn count(&mut self, keyword: &str, value: usize, comment: &str) {
        self.integer(keyword, i64::try_from(value).unwrap_or(i64::MAX), comment);
    }

    pub(super) fn text(&mut self, keyword: &str, value: &str, comment: &str) {
        self.0.extend(card_image(keyword, value.into(), comment));
    }

    /// `T`.
    pub(super) fn logical(&mut self, keyword: &str, comment: &str) {
        self.0.extend(card_image(keyword, true.into(), comment));
    }

    /// The first cards of a binary table.
    pub(super) fn table(&mut self, width: usize, rows: usize, heap: usize, columns: usize) {
        self.text("XTENSION", "BINTABLE", "binary table extension");
        self.integer("BITPIX", 8, "8-bit bytes");
        self.integer("NAXIS", 2, "2-dimensional binary table");
        self.count("NAXIS1", width, "width of table in bytes");
        self.count("NAXIS2", rows, "number of rows in table");
        self.count("PCOUNT", heap, "size of special data area");
        self.integer("GCOUNT", 1, "one data group (required keyword)");
        self.count("TFIELDS", columns, "number of fields in each row");
    }

    /// BZERO and BSCALE of an unsigned type.
    pub(super) fn zero<T: FitsNumber>(&mut self) {
        if T::ZERO != 0 {
            let name = if T::BITPIX == 16 { "short" } else { "long" };
            self.integer("BZERO", T::ZERO, &format!("offset data range to that of unsigned {name}"));
            self.integer("BSCALE", 1, "default scaling factor");
        }
    }

    pub(super) fn images(&mut self, images: &[String]) {
        for image in images {
            self.0.extend(format!("{image:<CARD_LEN$}").into_bytes());
        }
    }
}

/// A card that has a form and needs no CONTINUE, as 80 bytes; what does not fit is cut.
pub(super) fn card_image(keyword: &str, value: CardValue, comment: &str) -> Vec<u8> {
    let card = Card { keyword: keyword.to_owned(), value: Some(value), comment: comment.to_owned() };
    let image = cards::images(&card).unwrap_or_default().into_iter().next().unwrap_or_default();
    let mut bytes = image.into_bytes();
    bytes.resize(CARD_LEN, b' ');
    bytes
}

/// Cards, END and blanks to the end of the block.
pub(super) fn header_bytes(cards: &[u8]) -> Vec<u8> {
    let mut bytes = cards.to_vec();
    bytes.extend(b"END");
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), b' ');
    bytes
}

/// The images of all cards that are not the writer's own, nor `skip`.
pub(super) fn card_images(cards: &Header, skip: Option<&str>) -> Result<Vec<String>, FitsError> {
    let wanted = |card: &&Card| !cards::is_structural(&card.keyword) && Some(card.keyword.as_str()) != skip;
    let mut images = Vec::new();
    for card in cards.cards().iter().filter(wanted) {
        images.extend(cards::images(card)?);
    }
    Ok(images)
}
