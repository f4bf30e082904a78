//! Writing a FITS file.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::checksum::{self, WordSum, WrittenData};
use super::error::FitsError;
use super::hdu::BLOCK;
use super::header_form::{HeaderForm, card_image, card_images, header_bytes};
use super::number::{FitsNumber, NumberType, encode};
use super::packing::{OpenTiles, TilePacker, TilePacking};
use super::reader::{FitsReader, check_range, count};
use super::table::{CellFormat, CellKind};
use crate::header::{CARD_LEN, CardValue, Header};

type Result<T> = std::result::Result<T, FitsError>;

/// Values that are converted at a time.
const CHUNK: usize = 1 << 16;

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
/// It writes to the path that it is given: to have a file appear under its final name only when it
/// is complete, give the temporary one of [`atomic`](crate::atomic).
///
/// The same calls give the same bytes: no time is written.
#[derive(Debug)]
pub struct FitsWriter {
    file: File,
    /// The HDU that is being written; `None` before the first.
    hdu: Option<OpenHdu>,
    /// How many HDUs there are.
    hdus: usize,
    /// Where the file is written next, so that it is not sought in vain.
    position: u64,
    /// For compressed images.
    pub(super) packer: TilePacker,
}

/// The last HDU of the file.
#[derive(Debug)]
pub(super) struct OpenHdu {
    /// Byte at which its header begins.
    start: u64,
    /// Card images of 80 bytes, without END.
    cards: Vec<u8>,
    /// Bytes of its data, without fill.
    pub(super) size: u64,
    pub(super) content: OpenContent,
    written: WrittenData,
}

#[derive(Debug)]
pub(super) enum OpenContent {
    Image {
        kind: NumberType,
        zero: i64,
        count: usize,
    },
    Tiles(OpenTiles),
    Table {
        width: usize,
        rows: usize,
        columns: Vec<OpenColumn>,
    },
    /// A copy.
    Whole,
}

#[derive(Debug)]
pub(super) struct OpenColumn {
    name: String,
    format: CellFormat,
    /// Bytes of the row before it.
    offset: usize,
}

impl OpenHdu {
    pub(super) fn data(&self) -> u64 {
        self.start + (self.cards.len() as u64 + CARD_LEN as u64).next_multiple_of(BLOCK)
    }

    fn end(&self) -> u64 {
        self.data() + self.size.next_multiple_of(BLOCK)
    }
}

impl FitsWriter {
    /// Creates a file.
    ///
    /// # Errors
    /// Where it exists or cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        // Readable, too, for the checksums.
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        Ok(Self { file, hdu: None, hdus: 0, position: 0, packer: TilePacker::default() })
    }

    /// Appends an image HDU, the primary where it is the first; `shape` is slowest axis first,
    /// empty for no data. Elements that are not written are 0 in the file (of unsigned types:
    /// BZERO).
    ///
    /// `cards` follow the cards that describe the layout (BITPIX, NAXIS, BZERO, ...), which are the
    /// writer's own: such keywords in `cards`, and checksums, are skipped. Keywords that are none
    /// of the standard's become HIERARCH cards, long strings are continued, real numbers have as
    /// many digits as they need to be read back to the same bits.
    ///
    /// # Errors
    /// Where a card has no FITS form, or the file cannot be written.
    pub fn image<T: FitsNumber>(&mut self, shape: &[usize], cards: &Header) -> Result<()> {
        let images = card_images(cards, None)?;
        let mut form = HeaderForm::default();
        if self.hdus == 0 {
            form.logical("SIMPLE", "file does conform to FITS standard");
        } else {
            form.text("XTENSION", "IMAGE", "IMAGE extension");
        }
        form.integer("BITPIX", T::BITPIX.into(), "number of bits per data pixel");
        form.count("NAXIS", shape.len(), "number of data axes");
        for (k, &length) in shape.iter().rev().enumerate() {
            form.count(&format!("NAXIS{}", k + 1), length, &format!("length of data axis {}", k + 1));
        }
        if self.hdus == 0 {
            form.logical("EXTEND", "FITS dataset may contain extensions");
        } else {
            form.integer("PCOUNT", 0, "required keyword; must = 0");
            form.integer("GCOUNT", 1, "required keyword; must = 1");
        }
        form.zero::<T>();
        form.images(&images);
        let count = count(shape);
        let size = (count as u64).checked_mul(kind_of::<T>().size() as u64);
        let size = size.ok_or(FitsError::Unsupported("an image larger than any file"))?;
        self.begin(form, size, OpenContent::Image { kind: kind_of::<T>(), zero: T::ZERO, count })
    }

    /// Appends a binary table with EXTNAME `name`; as first HDU it gets an empty primary before it.
    /// `cards` as for [`image`](Self::image), an EXTNAME among them is skipped. Cells that are not
    /// written are 0.
    ///
    /// # Errors
    /// Where a card or a format is not FITS, or the file cannot be written.
    pub fn table(
        &mut self,
        name: &str,
        rows: usize,
        columns: &[ColumnSpec<'_>],
        cards: &Header,
    ) -> Result<()> {
        let images = card_images(cards, Some("EXTNAME"))?;
        let (open, width) = open_columns(columns)?;
        let mut form = HeaderForm::default();
        form.table(width, rows, 0, columns.len());
        for (k, column) in columns.iter().enumerate() {
            let of = |stem: &str| format!("{stem}{}", k + 1);
            form.text(&of("TTYPE"), column.name, &format!("label for field {:>3}", k + 1));
            form.text(
                &of("TFORM"),
                column.format,
                &format!("data format of field: {}", type_name(column.format)),
            );
            if !column.unit.is_empty() {
                form.text(&of("TUNIT"), column.unit, "physical unit of field");
            }
        }
        form.text("EXTNAME", name, "name of this binary table extension");
        for (k, column) in columns.iter().enumerate() {
            if let Some(dim) = column.dim {
                form.text(&format!("TDIM{}", k + 1), dim, "");
            }
        }
        form.images(&images);
        self.with_primary()?;
        let size = (width as u64).checked_mul(rows as u64);
        let size = size.ok_or(FitsError::Unsupported("a table larger than any file"))?;
        self.begin(form, size, OpenContent::Table { width, rows, columns: open })
    }

    /// Appends the current HDU of another file as it is, its checksums too.
    ///
    /// # Errors
    /// Where it would be the first HDU, or is the first of the other file, or either file fails.
    pub fn copy(&mut self, from: &FitsReader) -> Result<()> {
        if self.hdus == 0 {
            return Err(FitsError::Unsupported("an HDU of another file as the first one"));
        }
        let (text, data) = from.parts()?;
        if !text.starts_with("XTENSION") {
            return Err(FitsError::Unsupported("copying a primary HDU"));
        }
        let cards = text.into_bytes();
        let form = HeaderForm(cards[..cards.len() - CARD_LEN].to_vec());
        self.begin(form, data.end - data.start, OpenContent::Whole)?;
        let mut bytes = vec![0; CHUNK];
        let mut at = data.start;
        while at < data.end {
            let part = &mut bytes[..usize::try_from(data.end - at).unwrap_or(usize::MAX).min(CHUNK)];
            from.source.read_at(at, part)?;
            self.write_data(at - data.start, part)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    /// The same under another EXTNAME, with checksums of its own.
    ///
    /// # Errors
    /// As [`copy`](Self::copy).
    pub fn copy_as(&mut self, from: &FitsReader, name: &str) -> Result<()> {
        self.copy(from)?;
        let cards = &self.open()?.cards;
        let old = cards.chunks_exact(CARD_LEN).find(|card| card.starts_with(b"EXTNAME "));
        let old = old.and_then(|card| Header::parse(std::str::from_utf8(card).ok()?).ok());
        let comment = old.as_ref().and_then(|card| card.comment("EXTNAME")).unwrap_or_default().to_owned();
        self.set_text("EXTNAME", name, &comment)?;
        self.checksum()
    }

    /// Writes elements of the current image, from number `first` [0-based, in the order of the
    /// file: the x axis runs fastest]. The data may be of another type than the image, if the
    /// values fit. Of a compressed image they are whole rows of tiles, of which the first is the
    /// next one.
    ///
    /// # Errors
    /// Where the HDU is no image or has fewer elements, a value does not fit, or the disk is full;
    /// of a compressed image, where it is not the next row of tiles that begins, or the last one is
    /// incomplete.
    pub fn write_pixels<T: FitsNumber>(&mut self, first: usize, data: &[T]) -> Result<()> {
        let label = self.label();
        match &self.open()?.content {
            &OpenContent::Image { kind, zero, count } => {
                check_range(first, data.len(), count, || label.clone())?;
                self.write_numbers((first * kind.size()) as u64, data, kind, zero)
                    .map_err(|error| does_not_fit(error, "write pixels", &label, first))
            }
            OpenContent::Tiles(tiles) => {
                let (packing, form) = (tiles.packing, (tiles.kind, tiles.zero));
                self.write_tiles(first, data.len(), |packer, tile, done| {
                    packer.pack(&tile.of(&data[done..]), packing, form)
                })
            }
            OpenContent::Table { .. } | OpenContent::Whole => Err(FitsError::NotAnImage { hdu: label }),
        }
    }

    /// Writes elements of a column of the current table, from the first of row `row` [0-based] on;
    /// the following rows follow where `data` is longer than a cell.
    ///
    /// # Errors
    /// Where there is no such column, it has fewer elements, a value does not fit, or the disk is
    /// full.
    pub fn write_column<T: FitsNumber>(&mut self, name: &str, row: usize, data: &[T]) -> Result<()> {
        let label = format!("column {name} of {}", self.label());
        let (offset, width, rows, format) = self.column(name)?;
        let CellKind::Number(kind) = format.kind else {
            return Err(FitsError::Unsupported("writing numbers to a column of another kind"));
        };
        let repeat = format.repeat;
        let first = row.saturating_mul(repeat);
        check_range(first, data.len(), rows.saturating_mul(repeat), || label.clone())?;
        for (k, cell) in data.chunks(repeat.max(1)).enumerate() {
            let written = self.write_numbers((offset + (row + k) * width) as u64, cell, kind, 0);
            written.map_err(|error| does_not_fit(error, "write the column", &label, first + k * repeat))?;
        }
        Ok(())
    }

    /// Writes strings, one a row, from row `row` [0-based] on.
    ///
    /// # Errors
    /// Where there is no such column, it holds no strings, has fewer rows, or a string is longer
    /// than its cells.
    pub fn write_text_column(&mut self, name: &str, row: usize, strings: &[&str]) -> Result<()> {
        let label = format!("column {name} of {}", self.label());
        let (offset, width, rows, format) = self.column(name)?;
        if format.kind != CellKind::Text {
            return Err(FitsError::Unsupported(
                "writing strings to a column that is not of one string a row",
            ));
        }
        if strings.iter().any(|s| s.len() > format.width) {
            return Err(FitsError::Unsupported("a string that is longer than the cells of its column"));
        }
        check_range(row, strings.len(), rows, || label)?;
        for (k, string) in strings.iter().enumerate() {
            let mut cell = string.as_bytes().to_vec();
            cell.resize(format.width, b' ');
            self.write_data((offset + (row + k) * width) as u64, &cell)?;
        }
        Ok(())
    }

    /// Byte of the first cell of a column among the data, bytes and number of the rows, and the
    /// column's format.
    fn column(&mut self, name: &str) -> Result<(usize, usize, usize, CellFormat)> {
        let label = self.label();
        let hdu = self.open()?;
        let OpenContent::Table { width, rows, columns } = &hdu.content else {
            return Err(FitsError::NotATable { hdu: label });
        };
        match columns.iter().find(|column| column.name == name) {
            Some(column) => Ok((column.offset, *width, *rows, column.format)),
            None => Err(FitsError::NoSuchColumn { name: name.to_owned(), hdu: label }),
        }
    }

    /// Keeps places in the header of the current HDU for DATASUM and CHECKSUM, which are written
    /// once the data are. Without them the data move where the header needs one more block.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn reserve_checksum(&mut self) -> Result<()> {
        self.set_text("CHECKSUM", &"0".repeat(16), "HDU checksum")?;
        self.set_text("DATASUM", "0", "data unit checksum")
    }

    /// Writes DATASUM and CHECKSUM of the current HDU, which must not change any more.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn checksum(&mut self) -> Result<()> {
        self.complete()?;
        self.reserve_checksum()?;
        let of_data = self.data_sum()?;
        self.set_text("DATASUM", &of_data.value().to_string(), "data unit checksum")?;
        let all = WordSum::default().add(&header_bytes(&self.open()?.cards)).plus(of_data);
        self.set_text("CHECKSUM", &all.encoded(), "HDU checksum")
    }

    /// The sum of the data of the current HDU, which is complete.
    fn data_sum(&mut self) -> Result<WordSum> {
        let hdu = self.open()?;
        let (data, end) = (hdu.data(), hdu.end());
        if !hdu.written.is_unordered {
            let table = if let OpenContent::Tiles(tiles) = &hdu.content { &tiles.table[..] } else { &[] };
            return Ok(hdu.written.sum.plus(WordSum::default().add(table)));
        }
        let (file, position) = (&mut self.file, &mut self.position);
        let read = |at: u64, out: &mut [u8]| {
            *position = u64::MAX;
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(out)
        };
        Ok(checksum::sum(read, data..end)?)
    }

    /// Completes the last HDU and closes the file.
    ///
    /// # Errors
    /// Where the last header cannot be written (the disk is full), or no HDU was written.
    pub fn finish(mut self) -> Result<()> {
        if self.hdus == 0 {
            return Err(FitsError::Unsupported("a file without HDUs"));
        }
        self.complete()
    }

    /// The HDU that is being written.
    pub(super) fn open(&mut self) -> Result<&mut OpenHdu> {
        self.hdu.as_mut().ok_or(FitsError::Unsupported("a file without HDUs"))
    }

    /// `HDU 1 (IMAGE)`, for messages.
    pub(super) fn label(&self) -> String {
        let name = self.hdu.as_ref().and_then(|hdu| {
            let text = std::str::from_utf8(&hdu.cards).ok()?;
            Header::parse(text).ok()?.optional_text("EXTNAME").ok().flatten().map(str::to_owned)
        });
        let primary = if self.hdus == 1 { "PRIMARY" } else { "" };
        super::hdu::label(self.hdus.saturating_sub(1), name.as_deref().unwrap_or(primary))
    }

    /// Writes an empty primary where there is none.
    pub(super) fn with_primary(&mut self) -> Result<()> {
        if self.hdus == 0 { self.image::<u8>(&[], &Header::new()) } else { Ok(()) }
    }

    /// Begins an HDU behind the last one, whose data are zeros.
    pub(super) fn begin(&mut self, form: HeaderForm, size: u64, content: OpenContent) -> Result<()> {
        self.complete()?;
        let start = self.hdu.as_ref().map_or(0, OpenHdu::end);
        self.hdu = Some(OpenHdu { start, cards: form.0, size, content, written: WrittenData::default() });
        self.hdus += 1;
        self.write_header()?;
        self.lengthen()
    }

    /// Writes the header of the current HDU.
    fn write_header(&mut self) -> Result<()> {
        let hdu = self.open()?;
        let (start, bytes) = (hdu.start, header_bytes(&hdu.cards));
        self.write_at(start, &bytes)
    }

    /// Makes the file as long as the HDUs are; new bytes are zeros.
    fn lengthen(&mut self) -> Result<()> {
        let end = self.open()?.end();
        Ok(self.file.set_len(end)?)
    }

    /// Completes the current HDU: the fill of its last block and, of a compressed image, its table
    /// and what its columns have become.
    fn complete(&mut self) -> Result<()> {
        let Some(hdu) = &self.hdu else { return Ok(()) };
        let data = hdu.data();
        let OpenContent::Tiles(tiles) = &hdu.content else { return Ok(()) };
        if tiles.done() < tiles.count() {
            return Err(FitsError::Unsupported("a compressed image without all of its tiles"));
        }
        let (longest, heap, table) = (tiles.longest, tiles.heap, tiles.table.clone());
        let packed = if tiles.packing == TilePacking::Rounded { 2 } else { 1 };
        self.write_at(data, &table)?;
        self.set_card("PCOUNT", |card| {
            *card = card_image("PCOUNT", heap_count(heap), "size of special data area")
        })?;
        for (k, longest) in longest.into_iter().enumerate().take(packed) {
            let (keyword, format) = (format!("TFORM{}", k + 1), format!("1PB({longest})"));
            self.set_card(&keyword, |card| {
                *card = card_image(&keyword, format.as_str().into(), TILE_FORMAT)
            })?;
        }
        self.write_header()?;
        self.lengthen()
    }

    /// Sets a string card of the current header, appended where it is not there. Where it needs one
    /// more block, the data move.
    fn set_text(&mut self, keyword: &str, value: &str, comment: &str) -> Result<()> {
        let image = card_image(keyword, value.into(), comment);
        let before = self.open()?.data();
        if !self.set_card(keyword, |card| card.clone_from(&image))? {
            self.open()?.cards.extend(&image);
            let hdu = self.open()?;
            let (after, size) = (hdu.data(), hdu.size);
            let is_empty = hdu.written.end == 0;
            if after > before {
                self.lengthen()?;
                if !is_empty {
                    self.move_data(before, after, size)?;
                }
            }
        }
        self.write_header()
    }

    /// Changes the first card of that keyword; false where there is none.
    fn set_card(&mut self, keyword: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<bool> {
        let name = format!("{keyword:<8}");
        let cards = &mut self.open()?.cards;
        let Some(place) = cards.chunks_exact_mut(CARD_LEN).find(|card| card.starts_with(name.as_bytes()))
        else {
            return Ok(false);
        };
        let mut card = place.to_vec();
        change(&mut card);
        place.copy_from_slice(&card);
        Ok(true)
    }

    /// Moves data backwards in the file, from the last part to the first, and zeros what they leave
    /// behind of a block.
    fn move_data(&mut self, from: u64, to: u64, size: u64) -> Result<()> {
        let mut bytes = vec![0; CHUNK];
        let mut left = size;
        while left > 0 {
            let part = left.min(CHUNK as u64);
            left -= part;
            let bytes = &mut bytes[..usize::try_from(part).unwrap_or(CHUNK)];
            self.file.seek(SeekFrom::Start(from + left))?;
            self.file.read_exact(bytes)?;
            self.position = u64::MAX;
            self.write_at(to + left, bytes)?;
        }
        let fill = usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or(0);
        self.write_at(to + size, &vec![0; fill])
    }

    /// Writes numbers one after the other, from byte `offset` of the data on.
    fn write_numbers<T: FitsNumber>(
        &mut self,
        offset: u64,
        data: &[T],
        kind: NumberType,
        zero: i64,
    ) -> std::result::Result<(), WriteFault> {
        let mut bytes = Vec::new();
        for (k, values) in data.chunks(CHUNK).enumerate() {
            bytes.clear();
            encode(values, kind, zero, &mut bytes)
                .map_err(|index| WriteFault::DoesNotFit(k * CHUNK + index))?;
            let to = offset + (k * CHUNK * kind.size()) as u64;
            self.write_data(to, &bytes).map_err(WriteFault::Other)?;
        }
        Ok(())
    }

    /// Writes bytes of the data of the current HDU, from byte `offset` of them on.
    pub(super) fn write_data(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let hdu = self.open()?;
        hdu.written.add(offset, bytes);
        let at = hdu.data() + offset;
        self.write_at(at, bytes)
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        if self.position != at {
            self.file.seek(SeekFrom::Start(at))?;
        }
        self.position = u64::MAX;
        self.file.write_all(bytes)?;
        self.position = at + bytes.len() as u64;
        Ok(())
    }
}

/// Why numbers were not written.
pub(super) enum WriteFault {
    /// The one at this place does not fit the type.
    DoesNotFit(usize),
    Other(FitsError),
}

pub(super) fn does_not_fit(
    fault: WriteFault,
    operation: &'static str,
    label: &str,
    first: usize,
) -> FitsError {
    match fault {
        WriteFault::DoesNotFit(index) => {
            FitsError::DoesNotFit { operation, hdu: label.to_owned(), index: first + index }
        }
        WriteFault::Other(error) => error,
    }
}

/// The comment of the format of packed rows.
pub(super) const TILE_FORMAT: &str = "data format of field: variable length array";

/// The type of the numbers of an image.
pub(super) fn kind_of<T: FitsNumber>() -> NumberType {
    NumberType::from_bitpix(T::BITPIX.into()).unwrap_or(NumberType::U8)
}

fn heap_count(bytes: usize) -> CardValue {
    CardValue::Integer(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// Columns side by side, and the bytes of a row.
fn open_columns(columns: &[ColumnSpec<'_>]) -> Result<(Vec<OpenColumn>, usize)> {
    let mut width = 0;
    let mut open = Vec::new();
    for column in columns {
        let format = CellFormat::parse(column.format).filter(|f| !matches!(f.kind, CellKind::Array { .. }));
        let format =
            format.ok_or(FitsError::Unsupported("a format that is none of a column of fixed length"))?;
        open.push(OpenColumn { name: column.name.to_owned(), format, offset: width });
        width += format.width;
    }
    Ok((open, width))
}

/// What a TFORM is called in comments.
fn type_name(format: &str) -> &'static str {
    match format.trim_start_matches(|c: char| c.is_ascii_digit()).chars().next() {
        Some('A') => "ASCII Character",
        Some('B') => "BYTE",
        Some('I') => "2-byte INTEGER",
        Some('J') => "4-byte INTEGER",
        Some('K') => "8-byte INTEGER",
        Some('E') => "4-byte REAL",
        Some('D') => "8-byte DOUBLE",
        Some('L') => "1-byte LOGICAL",
        Some('X') => "BIT",
        Some('C') => "COMPLEX",
        _ => "DOUBLE COMPLEX",
    }
}
