//! Reading a FITS file.

use std::path::Path;

use super::cards::is_structural;
use super::checksum;
use super::error::FitsError;
use super::hdu::{HduEntry, NextHdu, header_error, header_text, read_hdu};
use super::header_form::card_images;
use super::image::ImageLayout;
use super::mapped::MappedImage;
use super::number::{FitsNumber, NumberType};
use super::source::ByteSource;
use super::table::{FitsColumn, TableLayout};
use super::tiles::TiledImage;
use crate::header::{CARD_LEN, CardValue, Header};
use crate::pixels::PlaneSample;

type Result<T> = std::result::Result<T, FitsError>;

/// A FITS file open for reading, at one of its HDUs; at the primary after opening.
///
/// A gzipped file is unpacked into memory when it is opened.
#[derive(Debug)]
pub struct FitsReader {
    pub(super) source: ByteSource,
    /// The first HDUs, as far as they were looked for.
    hdus: Vec<HduEntry>,
    /// What follows them, in words; `None` until all of them were found.
    rest: Option<String>,
    /// The current one.
    current: usize,
    /// What it holds, once that was asked for.
    content: Option<HduContent>,
}

/// What an HDU holds.
#[derive(Debug)]
enum HduContent {
    Image(ImageLayout),
    Tiles(Box<TiledImage>),
    Table(TableLayout),
    /// An extension of another kind.
    Other,
}

impl FitsReader {
    /// Opens a file, plain or gzipped, whatever its name.
    ///
    /// # Errors
    /// Where the file cannot be read, is a directory, is empty or does not begin as a FITS file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::new(ByteSource::open(path)?)
    }

    /// Reads a file, plain or gzipped, that is in memory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::new(ByteSource::from_bytes(bytes)?)
    }

    fn new(source: ByteSource) -> Result<Self> {
        let mut reader = Self { source, hdus: Vec::new(), rest: None, current: 0, content: None };
        if reader.find_next()? {
            return Ok(reader);
        }
        Err(FitsError::NotFits("its first card is not `SIMPLE  = `".to_owned()))
    }

    /// Finds one more HDU; false where there is none.
    fn find_next(&mut self) -> Result<bool> {
        if self.rest.is_some() {
            return Ok(false);
        }
        let start = self.hdus.last().map_or(0, HduEntry::end);
        match read_hdu(&self.source, self.hdus.len(), start)? {
            NextHdu::Found(entry) => {
                self.hdus.push(*entry);
                return Ok(true);
            }
            NextHdu::End => self.rest = Some(self.cut().unwrap_or_default()),
            NextHdu::Other => {
                let bytes = self.source.len() - start;
                self.rest = Some(format!("; {bytes} bytes after them are not an HDU"));
            }
        }
        Ok(false)
    }

    /// In words that the last HDU is incomplete, where it is.
    fn cut(&self) -> Option<String> {
        let last = self.hdus.last()?;
        let missing =
            (last.data + last.size).checked_sub(self.source.len()).filter(|&missing| missing > 0)?;
        Some(format!("; the last {missing} bytes of {} are missing", last.label()))
    }

    fn entry(&self) -> &HduEntry {
        // The primary was found when the file was opened, and only what was found becomes the
        // current one.
        &self.hdus[self.current]
    }

    /// The number of HDUs, the primary included.
    ///
    /// # Errors
    /// Where the header of one is damaged.
    pub fn hdu_count(&mut self) -> Result<usize> {
        while self.find_next()? {}
        Ok(self.hdus.len())
    }

    /// EXTNAME of each HDU; without one `PRIMARY` for the first and an empty string for others. The
    /// current HDU stays.
    ///
    /// # Errors
    /// As [`hdu_count`](Self::hdu_count).
    pub fn hdu_names(&mut self) -> Result<Vec<String>> {
        self.hdu_count()?;
        Ok(self.hdus.iter().map(|hdu| hdu.name().to_owned()).collect())
    }

    /// Moves to the first HDU with that EXTNAME, whatever its type; letter case does not count.
    /// `PRIMARY` is the first HDU.
    ///
    /// # Errors
    /// [`FitsError::NoSuchHdu`], and the current HDU stays.
    pub fn move_to(&mut self, name: &str) -> Result<()> {
        if name.eq_ignore_ascii_case("PRIMARY") {
            return self.move_to_index(0);
        }
        for index in 0.. {
            if index == self.hdus.len() && !self.find_next()? {
                break;
            }
            if self.hdus[index].name().eq_ignore_ascii_case(name) {
                return self.move_to_index(index);
            }
        }
        let names: Vec<&str> = self.hdus.iter().map(HduEntry::name).collect();
        let present = format!("{}{}", names.join(", "), self.rest.as_deref().unwrap_or_default());
        Err(FitsError::NoSuchHdu { name: name.to_owned(), present })
    }

    /// Moves to an HDU by its number, the primary being 0.
    ///
    /// # Errors
    /// [`FitsError::NoSuchHdu`], and the current HDU stays.
    pub fn move_to_index(&mut self, index: usize) -> Result<()> {
        while self.hdus.len() <= index {
            if !self.find_next()? {
                let rest = self.rest.as_deref().unwrap_or_default();
                let present = format!("{} HDUs{rest}", self.hdus.len());
                return Err(FitsError::NoSuchHdu { name: index.to_string(), present });
            }
        }
        if self.current != index {
            (self.current, self.content) = (index, None);
        }
        Ok(())
    }

    /// The current HDU for messages: `HDU 1 (IMAGE)`, counted from 0.
    pub fn hdu_label(&self) -> String {
        self.entry().label()
    }

    /// The header of the current HDU; of a tile-compressed image the header of the image.
    ///
    /// # Errors
    /// Where it cannot be read, or a card has no FITS form.
    pub fn header(&mut self) -> Result<Header> {
        let text = header_text(&self.source, self.current, self.entry().start)?;
        let header = Header::parse(&text).map_err(|source| header_error(self.hdu_label(), source))?;
        Ok(if is_tiled(self.entry()) { image_header(&header) } else { header })
    }

    /// The header of the current HDU as it stands, and its data.
    pub(super) fn parts(&self) -> Result<(String, std::ops::Range<u64>)> {
        let entry = self.entry();
        complete(entry, &self.source)?;
        Ok((header_text(&self.source, self.current, entry.start)?, entry.data..entry.data + entry.size))
    }

    /// What the current HDU holds; its data are all there.
    fn content(&mut self) -> Result<&mut HduContent> {
        let content = match self.content.take() {
            Some(content) => content,
            None => content_of(self.entry(), &self.source)?,
        };
        Ok(self.content.insert(content))
    }

    /// The shape of the current image, slowest axis first: `[ny, nx]`; empty where there are no
    /// data. A tile-compressed image counts as an image.
    ///
    /// # Errors
    /// [`FitsError::NotAnImage`] where the HDU is a table; where the file does not hold all of its
    /// data.
    pub fn image_shape(&mut self) -> Result<Vec<usize>> {
        match self.content()? {
            HduContent::Image(image) => return Ok(image.shape.clone()),
            HduContent::Tiles(image) => return Ok(image.shape.clone()),
            HduContent::Table(_) | HduContent::Other => {}
        }
        Err(FitsError::NotAnImage { hdu: self.hdu_label() })
    }

    /// Fills `out` with elements of the current image, from number `first` [0-based, in the order
    /// of the file: the x axis runs fastest].
    ///
    /// BSCALE and BZERO are applied. NaN stays NaN, and integers equal to BLANK become NaN where
    /// `T` is `f32` or `f64`; in other types they are not told apart.
    ///
    /// # Errors
    /// Where the HDU is no image or has fewer elements, the file is damaged, or a value does not
    /// fit `T`.
    pub fn read_pixels<T: FitsNumber>(&mut self, first: usize, out: &mut [T]) -> Result<()> {
        let available = count(&self.image_shape()?);
        if out.is_empty() {
            return Ok(());
        }
        check_range(first, out.len(), available, || self.hdu_label())?;
        let Self { source, content, hdus, current, .. } = self;
        let label = || hdus[*current].label();
        match content {
            Some(HduContent::Image(image)) => image.read(source, label, first, out),
            Some(HduContent::Tiles(image)) => image.read(source, first, out),
            _ => Err(FitsError::NotAnImage { hdu: label() }),
        }
    }

    /// The current image where it stands in the file; `None` where it does not stand there as plain
    /// numbers of this type: where it is gzipped, tile-compressed or scaled, or the system cannot
    /// map the file. Such an image is [read](Self::read_pixels).
    ///
    /// # Errors
    /// Where the header cannot be read, or the file does not hold all of the data.
    pub fn mapped_image<T: PlaneSample + FitsNumber>(&mut self) -> Result<Option<MappedImage<T>>> {
        let HduContent::Image(image) = self.content()? else { return Ok(None) };
        let plain = image.scaling.is_plain() && image.scaling.null.is_none();
        if !plain || NumberType::from_bitpix(T::BITPIX.into()) != Some(image.kind) {
            return Ok(None);
        }
        let (start, count) = (image.data, count(&image.shape));
        Ok(self.source.mapping().and_then(|file| MappedImage::new(file, start, count)))
    }

    /// Rows and columns of the tiles of the current image, where each of them lies in one plane;
    /// `None` where it is not tile-compressed, or otherwise.
    ///
    /// # Errors
    /// Where the header cannot be read, or the file does not hold all of the data.
    pub fn tile_shape(&mut self) -> Result<Option<[usize; 2]>> {
        Ok(self.packed_image()?.and_then(|(image, _)| image.tile_shape()))
    }

    /// The pixels of a tile of the current image, which is tile-compressed, row by row of the tile;
    /// tiles are counted from 0 in the order of the file: those along the x axis follow each other.
    /// Values as [`read_pixels`](Self::read_pixels) gives them.
    ///
    /// # Errors
    /// Where the HDU is no such image or has fewer tiles, the file is damaged, or a value does not
    /// fit `T`.
    pub fn read_tile<T: FitsNumber>(&mut self, tile: usize) -> Result<Vec<T>> {
        self.content()?;
        let Self { source, content, .. } = self;
        match content {
            Some(HduContent::Tiles(image)) => image.read_tile(source, tile),
            _ => Err(FitsError::NotAnImage { hdu: self.hdu_label() }),
        }
    }

    /// Whether the cards of the current HDU are those that a writer makes of `cards`, those of its
    /// form and its sums left aside.
    ///
    /// # Errors
    /// Where the header cannot be read, or one of `cards` has no FITS form.
    pub fn has_cards(&self, cards: &Header) -> Result<bool> {
        let (text, _) = self.parts()?;
        let found = text.as_bytes().chunks(CARD_LEN).map(|card| card.trim_ascii_end());
        let is_own = |card: &&[u8]| {
            let keyword = std::str::from_utf8(card.get(..8).unwrap_or(card)).unwrap_or_default();
            keyword == "CONTINUE" || !is_structural(keyword.trim_end())
        };
        let expected = card_images(cards, None)?;
        Ok(found.filter(is_own).eq(expected.iter().map(|image| image.trim_end().as_bytes())))
    }

    /// The current image, where it is tile-compressed.
    pub(super) fn packed_image(&mut self) -> Result<Option<(&TiledImage, &ByteSource)>> {
        self.content()?;
        Ok(match &self.content {
            Some(HduContent::Tiles(image)) => Some((image, &self.source)),
            _ => None,
        })
    }

    /// The current image, where it stands in the file as numbers.
    pub(super) fn plain_image(&mut self) -> Result<Option<(&ImageLayout, &ByteSource)>> {
        self.content()?;
        Ok(match &self.content {
            Some(HduContent::Image(image)) => Some((image, &self.source)),
            _ => None,
        })
    }

    fn table(&mut self) -> Result<(&TableLayout, &ByteSource)> {
        let label = self.hdu_label();
        self.content()?;
        match &self.content {
            Some(HduContent::Table(table)) => Ok((table, &self.source)),
            _ => Err(FitsError::NotATable { hdu: label }),
        }
    }

    /// The number of rows of the current table.
    ///
    /// # Errors
    /// Where the HDU is no table, or the file does not hold all of its data.
    pub fn table_rows(&mut self) -> Result<usize> {
        Ok(self.table()?.0.rows())
    }

    /// The columns of the current table.
    ///
    /// # Errors
    /// As [`table_rows`](Self::table_rows).
    pub fn columns(&mut self) -> Result<Vec<FitsColumn>> {
        Ok(self.table()?.0.columns().cloned().collect())
    }

    /// Elements in a cell of a column; of a string column the characters, of a column of variable
    /// length 1.
    ///
    /// # Errors
    /// Where the HDU is no table or has no such column.
    pub fn column_len(&mut self, name: &str) -> Result<usize> {
        self.table()?.0.repeat(name)
    }

    /// Fills `out` with elements of a column, from the first of row `row` [0-based] on; a cell with
    /// several elements is read in the order of the file (the first axis of TDIM runs fastest), and
    /// where `out` is longer than a cell the following rows follow. Of a column of variable length
    /// only one cell is read.
    ///
    /// TSCAL and TZERO are applied. NaN stays NaN, and integers equal to TNULL become NaN where `T`
    /// is `f32` or `f64`.
    ///
    /// # Errors
    /// Where there is no such column, it has fewer elements, or a value does not fit `T`.
    pub fn read_column<T: FitsNumber>(&mut self, name: &str, row: usize, out: &mut [T]) -> Result<()> {
        let (table, source) = self.table()?;
        if out.is_empty() && table.has(name) {
            return Ok(());
        }
        table.read(source, name, row, out)
    }

    /// All elements of one cell of a column of numbers, which may be of variable length.
    ///
    /// # Errors
    /// As [`read_column`](Self::read_column).
    pub fn read_cell<T: FitsNumber>(&mut self, name: &str, row: usize) -> Result<Vec<T>> {
        let (table, source) = self.table()?;
        table.read_cell(source, name, row)
    }

    /// The whole numbers of a column in `rows` rows from row `row` [0-based] on, with all their
    /// digits: those of the unsigned types that TZERO makes, up to 2^64, are not rounded. `None`
    /// stands for TNULL.
    ///
    /// # Errors
    /// Where there is no such column, it does not hold one whole number a row or is scaled
    /// (TSCAL), or it has fewer rows.
    pub fn read_integer_column(&mut self, name: &str, row: usize, rows: usize) -> Result<Vec<Option<i128>>> {
        let (table, source) = self.table()?;
        check_range(row, rows, table.rows(), || format!("column {name}"))?;
        table.read_integers(source, name, row..row + rows)
    }

    /// The strings of a column in `rows` rows from row `row` [0-based] on, without trailing blanks.
    ///
    /// # Errors
    /// Where there is no such column, it holds no strings or several a cell, or it has fewer rows.
    pub fn read_text_column(&mut self, name: &str, row: usize, rows: usize) -> Result<Vec<String>> {
        let (table, source) = self.table()?;
        check_range(row, rows, table.rows(), || format!("column {name}"))?;
        table.read_text(source, name, row..row + rows)
    }

    /// Compares DATASUM and CHECKSUM of the current HDU with its bytes: true where those that are
    /// there are right, `None` where there are none.
    ///
    /// # Errors
    /// Where the HDU cannot be read, or is not there up to the end of its last block.
    pub fn verify_checksum(&mut self) -> Result<Option<bool>> {
        let entry = self.entry();
        let (found, expected) = (self.source.len().saturating_sub(entry.data), entry.end() - entry.data);
        if found < expected {
            return Err(FitsError::Truncated { hdu: entry.label(), found, expected });
        }
        checksum::verify(&self.source, entry)
    }
}

/// Compares DATASUM and CHECKSUM of all HDUs of a file with its bytes. Gives the labels of the HDUs
/// whose sums are right; HDUs without sums are passed over.
///
/// # Errors
/// [`FitsError::Damaged`] at the first HDU whose sums are wrong; where the file cannot be read or
/// is incomplete.
pub fn verify_file(path: &Path) -> Result<Vec<String>> {
    let mut reader = FitsReader::open(path)?;
    let mut verified = Vec::new();
    for index in 0..reader.hdu_count()? {
        reader.move_to_index(index)?;
        match reader.verify_checksum()? {
            Some(true) => verified.push(reader.hdu_label()),
            Some(false) => {
                return Err(reader.entry().damaged("its bytes do not agree with CHECKSUM or DATASUM"));
            }
            None => {}
        }
    }
    Ok(verified)
}

/// Whether an HDU is a tile-compressed image.
fn is_tiled(hdu: &HduEntry) -> bool {
    hdu.extension() == "BINTABLE" && hdu.cards.get("ZIMAGE") == Some(&CardValue::Logical(true))
}

fn content_of(hdu: &HduEntry, source: &ByteSource) -> Result<HduContent> {
    complete(hdu, source)?;
    Ok(match hdu.extension() {
        "" | "IMAGE" => HduContent::Image(ImageLayout::new(hdu)?),
        "BINTABLE" if is_tiled(hdu) => HduContent::Tiles(Box::new(TiledImage::new(hdu)?)),
        "BINTABLE" => HduContent::Table(TableLayout::new(hdu)?),
        _ => HduContent::Other,
    })
}

/// Sees that the file holds all of an HDU's data, so that nothing larger than the file is allocated
/// for them.
fn complete(hdu: &HduEntry, source: &ByteSource) -> Result<()> {
    let found = source.len().saturating_sub(hdu.data);
    if found >= hdu.size {
        return Ok(());
    }
    Err(FitsError::Truncated { hdu: hdu.label(), found, expected: hdu.size })
}

/// The header of the image that a table holds in tiles: the cards of the table's form give way to
/// those of the image's.
fn image_header(table: &Header) -> Header {
    const OF_TABLE: [&str; 9] =
        ["XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "CHECKSUM", "DATASUM"];
    const OF_TILES: [&str; 11] = [
        "ZIMAGE", "ZCMPTYPE", "ZQUANTIZ", "ZDITHER0", "ZMASKCMP", "ZSCALE", "ZZERO", "ZBLANK", "ZPCOUNT",
        "ZGCOUNT", "ZEXTEND",
    ];
    const NUMBERED: [&str; 9] =
        ["NAXIS", "TTYPE", "TFORM", "TUNIT", "TDIM", "TDISP", "ZTILE", "ZNAME", "ZVAL"];
    let mut image = Header::new();
    image.set("XTENSION", "IMAGE", "image extension");
    for card in table.cards() {
        let keyword = card.keyword.as_str();
        let stem = keyword.trim_end_matches(|c: char| c.is_ascii_digit());
        let numbered = stem != keyword && NUMBERED.contains(&stem);
        if numbered || OF_TABLE.contains(&keyword) || OF_TILES.contains(&keyword) {
            continue;
        }
        let mut card = card.clone();
        match keyword {
            "ZSIMPLE" | "ZTENSION" | "ZBLOCKED" => continue,
            "ZHECKSUM" => card.keyword = "CHECKSUM".to_owned(),
            "ZDATASUM" => card.keyword = "DATASUM".to_owned(),
            _ if keyword == "ZBITPIX" || stem == "ZNAXIS" => card.keyword = keyword[1..].to_owned(),
            _ => {}
        }
        image.push(card);
    }
    image
}

/// The number of elements of a shape; no axes mean no data, not one element. Shapes of files do not
/// overflow: their data are there.
pub(super) fn count(shape: &[usize]) -> usize {
    if shape.is_empty() || shape.contains(&0) { 0 } else { shape.iter().product() }
}

/// Refuses a range that does not lie within the elements that there are.
pub(super) fn check_range(
    first: usize,
    count: usize,
    available: usize,
    label: impl FnOnce() -> String,
) -> Result<()> {
    if first.checked_add(count).is_some_and(|end| end <= available) {
        return Ok(());
    }
    Err(FitsError::OutOfRange { hdu: label(), first, count, available })
}
