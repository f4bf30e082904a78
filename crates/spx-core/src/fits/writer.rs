//! Writing a FITS file.

use std::path::Path;

use super::cards;
use super::error::FitsError;
use super::ffi::{Handle, encode_checksum};
use super::pixel::FitsNumber;
use super::reader::{FitsReader, check_range, count};
use crate::header::{CARD_LEN, Card, Header};

type Result<T> = std::result::Result<T, FitsError>;

/// A column of a table to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnSpec<'a> {
    /// TTYPE.
    pub name: &'a str,
    /// TFORM of a binary table, e.g. `1D`, `252E`, `20A`.
    pub format: &'a str,
    /// TUNIT; empty for none.
    pub unit: &'a str,
    /// TDIM, e.g. `(2,9,14)`, the fastest axis first.
    pub dim: Option<&'a str>,
}

/// A FITS file being written, HDU after HDU.
///
/// It writes to the path that it is given: to have a file appear under its final name only when it is
/// complete, give the temporary one of [`atomic`](crate::atomic). Dropped without [`finish`](Self::finish)
/// it closes the file as it is and tells no errors.
///
/// The same calls give the same bytes: nothing that CFITSIO would date is written.
pub struct FitsWriter {
    handle: Handle,
    empty: bool,
    /// Columns of the current HDU, where it is a table.
    columns: Vec<String>,
}

impl FitsWriter {
    /// Creates a file; the path is taken literally.
    ///
    /// # Errors
    /// Where it exists or cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(FitsError::Io(std::io::ErrorKind::AlreadyExists.into()));
        }
        Ok(Self { handle: Handle::create(path)?, empty: true, columns: Vec::new() })
    }

    /// Appends an image HDU, the primary where it is the first; `shape` is slowest axis first, empty for no
    /// data. Elements that are not written are 0.
    ///
    /// `cards` follow the cards that describe the layout (BITPIX, NAXIS, BZERO, ...), which are the writer's
    /// own: such keywords in `cards`, and checksums, are skipped. Keywords that are none of the standard's
    /// become HIERARCH cards, long strings are continued, real numbers have as many digits as they need to
    /// be read back to the same bits.
    ///
    /// # Errors
    /// Where a card has no FITS form, or CFITSIO cannot write.
    pub fn image<T: FitsNumber>(&mut self, shape: &[usize], cards: &Header) -> Result<()> {
        let axes: Vec<usize> = shape.iter().rev().copied().collect();
        let images = card_images(cards)?;
        self.handle.create_image(T::BITPIX, &axes)?;
        if std::mem::take(&mut self.empty) {
            // CFITSIO's praise of the FITS format.
            while self.handle.delete_card("COMMENT")? {}
        }
        self.append(&images)
    }

    /// Appends the current HDU of another file as it is, its checksums too.
    ///
    /// # Errors
    /// Where it would be the first HDU, or CFITSIO cannot read or write.
    pub fn copy(&mut self, from: &mut FitsReader) -> Result<()> {
        if self.empty {
            return Err(FitsError::Unsupported("an HDU of another file as the first one"));
        }
        self.columns.clear();
        self.handle.copy_hdu(&mut from.handle)
    }

    /// The same under another EXTNAME, with checksums of its own.
    ///
    /// # Errors
    /// As [`copy`](Self::copy).
    pub fn copy_as(&mut self, from: &mut FitsReader, name: &str) -> Result<()> {
        self.copy(from)?;
        self.handle.update_text_card("EXTNAME", name, "")?;
        self.checksum()
    }

    /// Appends a tile-compressed image HDU: RICE_1, a row a tile, lossless; the rest as for
    /// [`image`](Self::image). As first HDU it gets an empty primary before it.
    ///
    /// # Errors
    /// As [`image`](Self::image); also where `T` is no integer of up to 32 bits or the shape is not 2-D.
    pub fn image_rice<T: FitsNumber>(&mut self, shape: &[usize], cards: &Header) -> Result<()> {
        let &[ny, nx] = shape else { return Err(FitsError::Unsupported("compressing what is no 2-D image")) };
        if T::BITPIX < 0 || T::BITPIX == i64::BITPIX {
            return Err(FitsError::Unsupported("compressing other than integers of up to 32 bits"));
        }
        let images = card_images(cards)?;
        if self.empty {
            self.image::<u8>(&[], &Header::new())?;
        }
        self.handle.compress_rows(true, nx)?;
        let created = self.handle.create_image(T::BITPIX, &[nx, ny]);
        self.handle.compress_rows(false, nx)?;
        created?;
        self.append(&images)
    }

    fn append(&mut self, images: &[String]) -> Result<()> {
        self.columns.clear();
        images.iter().try_for_each(|image| self.handle.append_card(image))
    }

    /// Writes elements of the current image, from number `first` [0-based, in the order of the file: the x
    /// axis runs fastest]. The data may be of another type than the image, if the values fit.
    ///
    /// # Errors
    /// Where the HDU is no image or has fewer elements, a value does not fit, or the disk is full; as what is
    /// written is buffered, a full disk may show no earlier than in [`finish`](Self::finish).
    pub fn write_pixels<T: FitsNumber>(&mut self, first: usize, data: &[T]) -> Result<()> {
        let Some(axes) = self.handle.axes()? else {
            return Err(FitsError::NotAnImage { hdu: self.handle.hdu_label() });
        };
        check_range(first, data.len(), count(&axes), || self.handle.hdu_label())?;
        if data.is_empty() { Ok(()) } else { self.handle.write_pixels(first + 1, data) }
    }

    /// Appends a binary table with EXTNAME `name`; as first HDU it gets an empty primary before it. `cards`
    /// as for [`image`](Self::image), an EXTNAME among them is skipped. Cells that are not written are 0.
    ///
    /// # Errors
    /// Where a card or a format is not FITS, or CFITSIO cannot write.
    pub fn table(
        &mut self,
        name: &str,
        rows: usize,
        columns: &[ColumnSpec<'_>],
        cards: &Header,
    ) -> Result<()> {
        let images = card_images_without(cards, Some("EXTNAME"))?;
        let mut dims = Header::new();
        for (k, column) in columns.iter().enumerate() {
            if let Some(dim) = column.dim {
                dims.set(&format!("TDIM{}", k + 1), dim, "");
            }
        }
        if self.empty {
            self.image::<u8>(&[], &Header::new())?;
        }
        let specs: Vec<_> = columns.iter().map(|c| (c.name, c.format, c.unit)).collect();
        self.handle.create_table(name, rows, &specs)?;
        for card in dims.cards() {
            self.append(&cards::images(card)?)?;
        }
        self.append(&images)?;
        self.columns = columns.iter().map(|column| column.name.to_owned()).collect();
        Ok(())
    }

    /// The number, from 1, of a column of the current table.
    fn find_column(&mut self, name: &str) -> Result<usize> {
        match self.columns.iter().position(|column| column == name) {
            Some(index) => Ok(index + 1),
            None => Err(FitsError::NoSuchColumn { name: name.to_owned(), hdu: self.handle.hdu_label() }),
        }
    }

    /// Writes elements of a column of the current table, from the first of row `row` [0-based] on; the
    /// following rows follow where `data` is longer than a cell.
    ///
    /// # Errors
    /// Where there is no such column, it has fewer elements, a value does not fit, or the disk is full.
    pub fn write_column<T: FitsNumber>(&mut self, name: &str, row: usize, data: &[T]) -> Result<()> {
        let number = self.find_column(name)?;
        let (repeat, rows) = (self.handle.cell(number)?.repeat, self.handle.rows()?);
        check_range(row.saturating_mul(repeat), data.len(), rows.saturating_mul(repeat), || {
            format!("column {name} of {}", self.handle.hdu_label())
        })?;
        if data.is_empty() { Ok(()) } else { self.handle.write_column(number, row + 1, data) }
    }

    /// Writes strings, one a row, from row `row` [0-based] on.
    ///
    /// # Errors
    /// Where there is no such column, it holds no strings, has fewer rows, or a string is longer than its
    /// cells.
    pub fn write_text_column(&mut self, name: &str, row: usize, strings: &[&str]) -> Result<()> {
        let number = self.find_column(name)?;
        let cell = self.handle.cell(number)?;
        if !cell.text || cell.width != cell.repeat {
            return Err(FitsError::Unsupported(
                "writing strings to a column that is not of one string a row",
            ));
        }
        if strings.iter().any(|s| s.len() > cell.width) {
            return Err(FitsError::Unsupported("a string that is longer than the cells of its column"));
        }
        check_range(row, strings.len(), self.handle.rows()?, || {
            format!("column {name} of {}", self.handle.hdu_label())
        })?;
        if strings.is_empty() { Ok(()) } else { self.handle.write_strings(number, row + 1, strings) }
    }

    /// Writes DATASUM and CHECKSUM of the current HDU, which must not change any more.
    ///
    /// # Errors
    /// Where CFITSIO cannot write.
    pub fn checksum(&mut self) -> Result<()> {
        // CFITSIO's own function (ffpcks) puts the time into the comments, so that no two files are alike.
        self.set_sum("CHECKSUM", &"0".repeat(16))?;
        self.set_sum("DATASUM", "0")?;
        self.handle.define()?;
        // Leaving the HDU completes it: the fill, and the longest row in the TFORM of a compressed image.
        let number = self.handle.hdu_number();
        self.handle.move_to(1)?;
        self.handle.move_to(number)?;
        let (data, all) = self.handle.sums()?;
        let before = card_sum(&self.handle.card_image("DATASUM")?);
        self.set_sum("DATASUM", &data.to_string())?;
        let after = card_sum(&self.handle.card_image("DATASUM")?);
        // Only that card has changed since the sum was taken; the data need not be read a second time.
        let all = fold(all + u64::from(u32::MAX - before) + u64::from(after));
        self.set_sum("CHECKSUM", &encode_checksum(all.into()))
    }

    fn set_sum(&mut self, keyword: &str, value: &str) -> Result<()> {
        let what = if keyword == "DATASUM" { "data unit checksum" } else { "HDU checksum" };
        self.handle.update_text_card(keyword, value, what)
    }

    /// Completes the last HDU and closes the file.
    ///
    /// # Errors
    /// Where what was buffered cannot be written (the disk is full), or no HDU was written.
    pub fn finish(self) -> Result<()> {
        if self.empty {
            return Err(FitsError::Unsupported("a file without HDUs"));
        }
        self.handle.close()
    }
}

/// The images of all cards that are not the writer's own.
fn card_images(cards: &Header) -> Result<Vec<String>> {
    card_images_without(cards, None)
}

fn card_images_without(cards: &Header, skip: Option<&str>) -> Result<Vec<String>> {
    let wanted = |card: &&Card| !cards::is_structural(&card.keyword) && Some(card.keyword.as_str()) != skip;
    let mut images = Vec::new();
    for card in cards.cards().iter().filter(wanted) {
        images.extend(cards::images(card)?);
    }
    Ok(images)
}

/// The sum of a card image: its 20 big-endian words, in ones' complement (FITS Standard 4.0, appendix J).
fn card_sum(image: &str) -> u32 {
    let padded = format!("{image:<CARD_LEN$}");
    let word = |bytes: &[u8]| bytes.iter().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
    fold(padded.as_bytes().chunks_exact(4).map(word).sum())
}

/// Brings the carries of a sum of 32-bit words back in.
fn fold(sum: u64) -> u32 {
    let once = (sum & 0xffff_ffff) + (sum >> 32);
    let twice = (once & 0xffff_ffff) + (once >> 32);
    // After two rounds nothing is left above 32 bits.
    u32::try_from(twice).unwrap_or(u32::MAX)
}
