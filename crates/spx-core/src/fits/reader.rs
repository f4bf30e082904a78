//! Reading a FITS file.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::error::FitsError;
use super::ffi::Handle;
use super::mapped::{MappedImage, Mapping, map};
use super::pixel::FitsNumber;
use crate::header::Header;
use crate::pixels::PlaneSample;

type Result<T> = std::result::Result<T, FitsError>;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitsColumn {
    /// TTYPE, without trailing blanks.
    pub name: String,
    /// TFORM, e.g. `252E`.
    pub format: String,
    /// TUNIT; empty where there is none.
    pub unit: String,
    /// Elements in a cell; of a string column the characters.
    pub repeat: usize,
}

/// A FITS file open for reading, at one of its HDUs; at the primary after opening.
///
/// A gzipped file is unpacked into memory when it is opened; CFITSIO does that for one file at a time.
pub struct FitsReader {
    pub(super) handle: Handle,
    /// EXTNAMEs of the first HDUs, as far as they were looked for: CFITSIO parses a header whenever it comes to it.
    names: Vec<String>,
    /// Columns of the current HDU, once they were asked for.
    columns: Option<Vec<FitsColumn>>,
    /// The file as it was opened, and mapped once that was asked for; `None` where it is gzipped.
    file: Option<File>,
    mapping: Option<Mapping>,
}

impl FitsReader {
    /// Opens a file, plain or gzipped, whatever its name; the path is taken literally, `a[1].fits` too.
    ///
    /// # Errors
    /// Where the file cannot be read, is a directory, is empty or begins as no FITS file does.
    pub fn open(path: &Path) -> Result<Self> {
        let file = open_plain(path)?;
        Ok(Self { handle: Handle::open(path)?, names: Vec::new(), columns: None, file, mapping: None })
    }

    /// The number of HDUs, the primary included.
    ///
    /// # Errors
    /// Where CFITSIO cannot walk through the file.
    pub fn hdu_count(&mut self) -> Result<usize> {
        self.handle.hdu_count()
    }

    /// EXTNAME of each HDU; without one `PRIMARY` for the first and an empty string for others. The current
    /// HDU stays.
    ///
    /// # Errors
    /// Where CFITSIO cannot walk through the file.
    pub fn hdu_names(&mut self) -> Result<Vec<String>> {
        let current = self.handle.hdu_number();
        let walked = self.walk(|_| false);
        self.handle.move_to(current)?;
        walked?;
        Ok(self.names.clone())
    }

    /// Learns the names of more HDUs until one is wanted, or there are no more. Tells whether it was found; it is
    /// then the current HDU.
    fn walk(&mut self, wanted: impl Fn(&str) -> bool) -> Result<bool> {
        self.columns = None;
        loop {
            let number = self.names.len() + 1;
            if let Err(error) = self.handle.move_to(number) {
                return if number > self.handle.hdu_count()? { Ok(false) } else { Err(error) };
            }
            let name = self.handle.text_card("EXTNAME")?;
            let name = name.unwrap_or_else(|| if number == 1 { "PRIMARY".into() } else { String::new() });
            let found = wanted(&name);
            self.names.push(name);
            if found {
                return Ok(true);
            }
        }
    }

    /// Moves to the first HDU with that EXTNAME, whatever its type; letter case does not count. `PRIMARY` is
    /// the first HDU.
    ///
    /// # Errors
    /// [`FitsError::NoSuchHdu`], and the current HDU stays.
    pub fn move_to(&mut self, name: &str) -> Result<()> {
        if name.eq_ignore_ascii_case("PRIMARY") {
            return self.move_to_index(0);
        }
        if let Some(index) = self.names.iter().position(|n| n.eq_ignore_ascii_case(name)) {
            return self.move_to_index(index);
        }
        let current = self.handle.hdu_number();
        let found = self.walk(|n| n.eq_ignore_ascii_case(name));
        if !matches!(found, Ok(true)) {
            self.handle.move_to(current)?;
        }
        if found? {
            return Ok(());
        }
        Err(FitsError::NoSuchHdu { name: name.to_owned(), present: self.names.join(", ") })
    }

    /// Moves to an HDU by its number, the primary being 0.
    ///
    /// # Errors
    /// [`FitsError::NoSuchHdu`], and the current HDU stays.
    pub fn move_to_index(&mut self, index: usize) -> Result<()> {
        let current = self.handle.hdu_number();
        self.columns = None;
        if current == index + 1 {
            return Ok(());
        }
        if let Err(error) = self.handle.move_to(index + 1) {
            self.handle.move_to(current)?;
            let count = self.hdu_count()?;
            if index < count {
                return Err(error);
            }
            let present = format!("{count} HDUs");
            return Err(FitsError::NoSuchHdu { name: index.to_string(), present });
        }
        Ok(())
    }

    /// The current HDU for messages: `HDU 1 (IMAGE)`, counted from 0.
    pub fn hdu_label(&mut self) -> String {
        self.handle.hdu_label()
    }

    /// The header of the current HDU; of a tile-compressed image the header of the image.
    ///
    /// # Errors
    /// Where it cannot be read, or a card has no FITS form.
    pub fn header(&mut self) -> Result<Header> {
        let text = self.handle.header_text()?;
        Header::parse(&text)
            .map_err(|source| FitsError::Header { hdu: self.hdu_label(), source: Box::new(source) })
    }

    /// The shape of the current image, slowest axis first: `[ny, nx]`; empty where there are no data. A
    /// tile-compressed image counts as an image.
    ///
    /// # Errors
    /// [`FitsError::NotAnImage`] where the HDU is a table.
    pub fn image_shape(&mut self) -> Result<Vec<usize>> {
        match self.handle.axes()? {
            Some(mut axes) => {
                axes.reverse();
                Ok(axes)
            }
            None => Err(FitsError::NotAnImage { hdu: self.hdu_label() }),
        }
    }

    /// Fills `out` with elements of the current image, from number `first` [0-based, in the order of the
    /// file: the x axis runs fastest].
    ///
    /// BSCALE and BZERO are applied. NaN stays NaN; integers equal to BLANK are not told apart. Data of the
    /// type of the file are read without a copy.
    ///
    /// # Errors
    /// Where the HDU is no image or has fewer elements, the file ends early, or a value does not fit `T`.
    pub fn read_pixels<T: FitsNumber>(&mut self, first: usize, out: &mut [T]) -> Result<()> {
        let available = count(&self.image_shape()?);
        if out.is_empty() {
            return Ok(());
        }
        check_range(first, out.len(), available, || self.handle.hdu_label())?;
        self.handle.read_pixels(first + 1, out)
    }

    /// The current image where it stands in the file; `None` where it does not stand there as plain numbers of this type:
    /// where it is gzipped, tile-compressed, scaled or incomplete, or the system cannot map the file. Such an image
    /// is [read](Self::read_pixels), which also tells what is wrong with it.
    ///
    /// # Errors
    /// Where the header cannot be read.
    pub fn mapped_image<T: PlaneSample + FitsNumber>(&mut self) -> Result<Option<MappedImage<T>>> {
        let Some((_, start)) = self.handle.pixels_in_file()?.filter(|found| found.0 == T::BITPIX) else {
            return Ok(None);
        };
        for (keyword, plain) in [("BSCALE", 1.0), ("BZERO", 0.0)] {
            let card = self.handle.text_card(keyword)?;
            if card.is_some_and(|value| value.trim().parse() != Ok(plain)) {
                return Ok(None);
            }
        }
        if self.mapping.is_none() {
            self.mapping = self.file.as_ref().and_then(map);
        }
        let count = count(&self.image_shape()?);
        Ok(self.mapping.clone().and_then(|file| MappedImage::new(file, start, count)))
    }

    /// The number of rows of the current table.
    ///
    /// # Errors
    /// Where the HDU is no table.
    pub fn table_rows(&mut self) -> Result<usize> {
        self.handle.rows()
    }

    /// The columns of the current table.
    ///
    /// # Errors
    /// Where the HDU is no table.
    pub fn columns(&mut self) -> Result<Vec<FitsColumn>> {
        Ok(self.cached_columns()?.to_vec())
    }

    fn cached_columns(&mut self) -> Result<&[FitsColumn]> {
        if self.columns.is_none() {
            let columns = (1..=self.handle.column_count()?).map(|k| self.column(k)).collect::<Result<_>>()?;
            self.columns = Some(columns);
        }
        Ok(self.columns.as_deref().unwrap_or_default())
    }

    fn column(&mut self, number: usize) -> Result<FitsColumn> {
        let mut card = |stem: &str| self.handle.text_card(&format!("{stem}{number}"));
        let (name, format, unit) = (card("TTYPE")?, card("TFORM")?, card("TUNIT")?);
        Ok(FitsColumn {
            name: name.unwrap_or_default(),
            format: format.unwrap_or_default(),
            unit: unit.unwrap_or_default(),
            repeat: self.handle.cell(number)?.repeat,
        })
    }

    /// The number, from 1, of a column of the current table; letter case does not count.
    fn find_column(&mut self, name: &str) -> Result<usize> {
        let found = self.cached_columns()?.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        match found {
            Some(index) => Ok(index + 1),
            None => Err(FitsError::NoSuchColumn { name: name.to_owned(), hdu: self.hdu_label() }),
        }
    }

    /// Elements in a cell of a column; of a string column the characters.
    ///
    /// # Errors
    /// Where the HDU is no table or has no such column.
    pub fn column_len(&mut self, name: &str) -> Result<usize> {
        let number = self.find_column(name)?;
        Ok(self.handle.cell(number)?.repeat)
    }

    /// Fills `out` with elements of a column, from the first of row `row` [0-based] on; a cell with several
    /// elements is read in the order of the file (the first axis of TDIM runs fastest), and where `out` is
    /// longer than a cell the following rows follow.
    ///
    /// TSCAL and TZERO are applied. NaN stays NaN; integers equal to TNULL are not told apart.
    ///
    /// # Errors
    /// Where there is no such column, it has fewer elements, or a value does not fit `T`.
    pub fn read_column<T: FitsNumber>(&mut self, name: &str, row: usize, out: &mut [T]) -> Result<()> {
        let number = self.find_column(name)?;
        if out.is_empty() {
            return Ok(());
        }
        let (repeat, rows) = (self.handle.cell(number)?.repeat, self.handle.rows()?);
        check_range(row.saturating_mul(repeat), out.len(), rows.saturating_mul(repeat), || {
            format!("column {name} of {}", self.handle.hdu_label())
        })?;
        self.handle.read_column(number, row + 1, out)
    }

    /// The strings of a column in `rows` rows from row `row` [0-based] on, without trailing blanks.
    ///
    /// # Errors
    /// Where there is no such column, it holds no strings or several a cell, or it has fewer rows.
    pub fn read_text_column(&mut self, name: &str, row: usize, rows: usize) -> Result<Vec<String>> {
        let number = self.find_column(name)?;
        let cell = self.handle.cell(number)?;
        if !cell.text || cell.width != cell.repeat {
            return Err(FitsError::Unsupported(
                "reading strings from a column that is not of one string a row",
            ));
        }
        check_range(row, rows, self.handle.rows()?, || {
            format!("column {name} of {}", self.handle.hdu_label())
        })?;
        if rows == 0 { Ok(Vec::new()) } else { self.handle.read_strings(number, row + 1, rows, cell.width) }
    }

    /// Compares DATASUM and CHECKSUM of the current HDU with its bytes: true where those that are there are
    /// right, `None` where there are none.
    ///
    /// # Errors
    /// Where the HDU cannot be read.
    pub fn verify_checksum(&mut self) -> Result<Option<bool>> {
        Ok(match self.handle.verify_sums()? {
            (0, 0) => None,
            (data, all) => Some(data >= 0 && all >= 0),
        })
    }
}

/// The number of elements of a shape; no axes mean no data, not one element.
pub(super) fn count(shape: &[usize]) -> usize {
    if shape.is_empty() { 0 } else { shape.iter().product() }
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

/// Looks at the first bytes, so that a directory, an empty file or a saved error page is called what it is.
///
/// Also keeps CFITSIO from opening `x.fits.gz` where `x.fits` does not exist, and from unpacking formats
/// other than gzip, whose code in it is not safe to run in several threads. `None` where it is gzipped.
fn open_plain(path: &Path) -> Result<Option<File>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(FitsError::NotFits("it is a directory".to_owned()));
    }
    let mut start = Vec::new();
    (&file).take(9).read_to_end(&mut start)?;
    if start.starts_with(&[0x1f, 0x8b]) {
        Ok(None)
    } else if start.starts_with(b"SIMPLE") {
        Ok(Some(file))
    } else if start.is_empty() {
        Err(FitsError::NotFits("it is empty".to_owned()))
    } else {
        Err(FitsError::NotFits(format!("it begins with `{}`", start.escape_ascii())))
    }
}
