//! One method for each CFITSIO function that spx uses, with its status turned into a `Result`.
//!
//! CFITSIO counts HDUs, rows, columns and elements from 1 and so do these methods; [`super::reader`] and
//! [`super::writer`] count from 0.
#![expect(unsafe_code, reason = "the one place of the workspace that calls C: CFITSIO")]

use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

use fitsio_sys as sys;

use super::error::FitsError;
use super::pixel::FitsNumber;

type Result<T> = std::result::Result<T, FitsError>;

/// Most axes of an image that are looked at; the data of spx have up to three.
const MAX_AXES: usize = 8;

/// Files open in this process, for CFITSIO's error stack is one for all of them.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// The format of a column.
pub(super) struct Cell {
    /// Elements in a cell; of a string column the characters.
    pub(super) repeat: usize,
    /// Bytes of an element; of a string column the characters of each string in a cell.
    pub(super) width: usize,
    /// True for a string column.
    pub(super) text: bool,
}

/// Counts a file as open.
struct Counted;

impl Counted {
    fn new() -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An open file; closed on drop, errors then unseen ([`Handle::close`] reports them).
pub(super) struct Handle {
    /// `None` only after [`Handle::close`] took it.
    file: Option<NonNull<sys::fitsfile>>,
    _counted: Counted,
}

// SAFETY: a `fitsfile` and all that it points to belong to this handle alone: files are opened read-only or
// created anew, so CFITSIO never attaches two handles to one file structure. Nothing in it is tied to the
// thread that opened it, and the tables that CFITSIO keeps for all files are behind its lock, which `ready`
// checks to be compiled in.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            let mut status = 0;
            // SAFETY: `file` came from a successful open and has not been closed.
            unsafe { sys::ffclos(file.as_ptr(), &mut status) };
        }
    }
}

/// Opening, closing, moving about.
impl Handle {
    /// Opens a file on disk for reading (ffdkopn); the path is taken literally.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::start("open the file", path, |file, name, status| {
            // SAFETY: all three pointers are valid; the name ends in NUL.
            unsafe { sys::ffdkopn(file, name, 0, status) };
        })
    }

    /// Creates a file on disk (ffdkinit); the path is taken literally and must not exist.
    pub(super) fn create(path: &Path) -> Result<Self> {
        Self::start("create the file", path, |file, name, status| {
            // SAFETY: all three pointers are valid; the name ends in NUL.
            unsafe { sys::ffdkinit(file, name, status) };
        })
    }

    fn start(
        operation: &'static str,
        path: &Path,
        call: impl FnOnce(*mut *mut sys::fitsfile, *const c_char, &mut c_int),
    ) -> Result<Self> {
        ready()?;
        let name = file_name(path)?;
        let counted = Counted::new();
        let (mut file, mut status) = (null_mut(), 0);
        call(&mut file, name.as_ptr(), &mut status);
        match NonNull::new(file) {
            Some(file) if status == 0 => Ok(Self { file: Some(file), _counted: counted }),
            _ => Err(failure(operation, String::new(), status)),
        }
    }

    /// Closes the file; what was still buffered is written, and errors of that are reported (ffclos).
    pub(super) fn close(mut self) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let mut status = 0;
        // SAFETY: `file` came from a successful open; being taken out it cannot be used again.
        unsafe { sys::ffclos(file.as_ptr(), &mut status) };
        if status == 0 { Ok(()) } else { Err(failure("close the file", String::new(), status)) }
    }

    fn pointer(&self) -> *mut sys::fitsfile {
        // Null only after `close`, which consumes the handle; CFITSIO would return NULL_INPUT_PTR.
        self.file.map_or(null_mut(), NonNull::as_ptr)
    }

    /// Calls CFITSIO with the file and a status of 0, and checks the status.
    fn call(
        &mut self,
        operation: &'static str,
        call: impl FnOnce(*mut sys::fitsfile, &mut c_int),
    ) -> Result<()> {
        let mut status = 0;
        call(self.pointer(), &mut status);
        if status == 0 { Ok(()) } else { Err(failure(operation, self.hdu_label(), status)) }
    }

    /// The number of HDUs (ffthdu).
    pub(super) fn hdu_count(&mut self) -> Result<usize> {
        let mut count = 0;
        self.call("count the HDUs", |file, status| {
            // SAFETY: `file` is open; `count` and `status` outlive the call.
            unsafe { sys::ffthdu(file, &mut count, status) };
        })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// The number of the current HDU, from 1 (ffghdn).
    pub(super) fn hdu_number(&mut self) -> usize {
        let mut number = 0;
        // SAFETY: the file is open; `number` outlives the call.
        unsafe { sys::ffghdn(self.pointer(), &mut number) };
        usize::try_from(number).unwrap_or(0)
    }

    /// Moves to an HDU by number, from 1 (ffmahd).
    pub(super) fn move_to(&mut self, number: usize) -> Result<()> {
        let number = c_int::try_from(number).unwrap_or(c_int::MAX);
        self.call("move to the HDU", |file, status| {
            // SAFETY: `file` is open; the type of the HDU is not asked for.
            unsafe { sys::ffmahd(file, number, null_mut(), status) };
        })
    }

    /// `HDU 1 (IMAGE)`, counted from 0, for messages.
    pub(super) fn hdu_label(&mut self) -> String {
        let number = self.hdu_number().saturating_sub(1);
        match self.text_card("EXTNAME") {
            Ok(Some(name)) => format!("HDU {number} ({name})"),
            _ if number == 0 => "HDU 0 (PRIMARY)".to_owned(),
            _ => format!("HDU {number}"),
        }
    }
}

/// Headers and checksums.
impl Handle {
    /// A string card of up to 68 characters, `None` where there is none (ffgkys).
    pub(super) fn text_card(&mut self, keyword: &str) -> Result<Option<String>> {
        let keyword = c_string(keyword)?;
        let mut value = [0; sys::FLEN_VALUE as usize];
        let mut status = 0;
        // SAFETY: `value` has the length that CFITSIO's string values have at most; no comment is asked for.
        unsafe { sys::ffgkys(self.pointer(), keyword.as_ptr(), value.as_mut_ptr(), null_mut(), &mut status) };
        match status {
            0 => Ok(Some(from_c(&value))),
            _ if code(sys::KEY_NO_EXIST) == status => {
                take_message();
                Ok(None)
            }
            // Not through `call`: the label of the HDU is itself read here.
            _ => Err(failure("read a card", String::new(), status)),
        }
    }

    /// All cards of the header as one run of 80-byte images, of the image where one is tile-compressed
    /// (ffcnvthdr2str). Bytes that are no printable ASCII become `?`.
    pub(super) fn header_text(&mut self) -> Result<String> {
        let (mut text, mut count) = (null_mut(), 0);
        self.call("read the header", |file, status| {
            // SAFETY: no keyword is excluded, so the list may be null; `text` receives a string that CFITSIO
            // allocates.
            unsafe { sys::ffcnvthdr2str(file, 0, null_mut(), 0, &mut text, &mut count, status) };
        })?;
        let Some(start) = NonNull::new(text) else { return Ok(String::new()) };
        // SAFETY: after success `text` is a NUL-terminated string, which nothing changes before it is freed.
        let bytes = unsafe { CStr::from_ptr(start.as_ptr()) }.to_bytes();
        let printable = |&b: &u8| if (b' '..=b'~').contains(&b) { char::from(b) } else { '?' };
        let header = bytes.iter().map(printable).collect();
        let mut status = 0;
        // SAFETY: CFITSIO allocated the string and this is the only use after its copy.
        unsafe { sys::fffree(text.cast(), &mut status) };
        Ok(header)
    }

    /// Appends a card image of up to 80 bytes (ffprec).
    pub(super) fn append_card(&mut self, image: &str) -> Result<()> {
        let image = c_string(image)?;
        self.call("write a card", |file, status| {
            // SAFETY: `file` is open; the image ends in NUL.
            unsafe { sys::ffprec(file, image.as_ptr(), status) };
        })
    }

    /// Sets a string card, appended where it is not there (ffukys).
    pub(super) fn update_text_card(&mut self, keyword: &str, value: &str, comment: &str) -> Result<()> {
        let (keyword, value, comment) = (c_string(keyword)?, c_string(value)?, c_string(comment)?);
        self.call("write a card", |file, status| {
            // SAFETY: `file` is open; the strings end in NUL.
            unsafe {
                sys::ffukys(file, keyword.as_ptr(), value.as_ptr(), comment.as_ptr(), status);
            }
        })
    }

    /// The first card of that keyword as it stands, without trailing blanks (ffgcrd).
    pub(super) fn card_image(&mut self, keyword: &str) -> Result<String> {
        let keyword = c_string(keyword)?;
        let mut card = [0; 81];
        self.call("read a card", |file, status| {
            // SAFETY: `file` is open; the keyword ends in NUL; CFITSIO writes at most 80 characters and a NUL.
            unsafe {
                sys::ffgcrd(file, keyword.as_ptr(), card.as_mut_ptr(), status);
            }
        })?;
        Ok(from_c(&card))
    }

    /// Deletes the first card of that keyword; false where there is none (ffdkey).
    pub(super) fn delete_card(&mut self, keyword: &str) -> Result<bool> {
        let keyword = c_string(keyword)?;
        let mut status = 0;
        // SAFETY: the file is open; the keyword ends in NUL.
        unsafe { sys::ffdkey(self.pointer(), keyword.as_ptr(), &mut status) };
        match status {
            0 => Ok(true),
            _ if code(sys::KEY_NO_EXIST) == status => {
                take_message();
                Ok(false)
            }
            _ => Err(failure("delete a card", self.hdu_label(), status)),
        }
    }

    /// The sums of the current HDU: of its data, and of all of it (ffgcks).
    pub(super) fn sums(&mut self) -> Result<(u64, u64)> {
        let (mut data, mut all) = (0, 0);
        self.call("compute the checksum", |file, status| {
            // SAFETY: `file` is open; both sums outlive the call.
            unsafe { sys::ffgcks(file, &mut data, &mut all, status) };
        })?;
        #[allow(clippy::useless_conversion, reason = "unsigned long has 32 bits on Windows")]
        Ok((data.into(), all.into()))
    }

    /// Writes the END card and rereads the structure from the header (ffrdef).
    pub(super) fn define(&mut self) -> Result<()> {
        self.call("define the HDU", |file, status| {
            // SAFETY: `file` is open.
            unsafe { sys::ffrdef(file, status) };
        })
    }

    /// Compares DATASUM and CHECKSUM with the HDU: each 1 if right, 0 if absent, -1 if wrong (ffvcks).
    pub(super) fn verify_sums(&mut self) -> Result<(i32, i32)> {
        let (mut data, mut all) = (0, 0);
        self.call("verify the checksum", |file, status| {
            // SAFETY: `file` is open; both results outlive the call.
            unsafe { sys::ffvcks(file, &mut data, &mut all, status) };
        })?;
        Ok((data, all))
    }
}

/// Images.
impl Handle {
    /// NAXIS1, NAXIS2, ... of the current image (ffgidm, ffgiszll); `None` where the HDU is none.
    pub(super) fn axes(&mut self) -> Result<Option<Vec<usize>>> {
        let mut count = 0;
        let mut status = 0;
        // SAFETY: the file is open; `count` outlives the call.
        unsafe { sys::ffgidm(self.pointer(), &mut count, &mut status) };
        if code(sys::NOT_IMAGE) == status {
            take_message();
            return Ok(None);
        }
        if status != 0 {
            return Err(failure("read the shape", self.hdu_label(), status));
        }
        let count = usize::try_from(count).unwrap_or(0);
        if count > MAX_AXES {
            return Err(FitsError::Unsupported("an image of more than 8 axes"));
        }
        let mut lengths: [sys::LONGLONG; MAX_AXES] = [0; MAX_AXES];
        self.call("read the shape", |file, status| {
            // SAFETY: CFITSIO writes at most `MAX_AXES` lengths, for which there is room.
            unsafe { sys::ffgiszll(file, c_index(MAX_AXES), lengths.as_mut_ptr(), status) };
        })?;
        Ok(Some(lengths[..count].iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect()))
    }

    /// Reads elements of an image from number `first` (ffgpv); no element is tested for being undefined.
    pub(super) fn read_pixels<T: FitsNumber>(&mut self, first: usize, out: &mut [T]) -> Result<()> {
        self.call("read pixels", |file, status| {
            let mut any = 0;
            // SAFETY: `T::CODE` stands for the type `T` (`FitsNumber` is sealed), so CFITSIO writes `out.len()`
            // values of it to `out`, of which every bit pattern is valid.
            unsafe {
                let data = out.as_mut_ptr().cast();
                sys::ffgpv(file, T::CODE, long(first), long(out.len()), null_mut(), data, &mut any, status);
            }
        })
    }

    /// BITPIX of the current image and the byte of the file at which its pixels begin (ffgidt, ffghadll); `None` where
    /// the HDU is a table or tile-compressed.
    pub(super) fn pixels_in_file(&mut self) -> Result<Option<(i32, usize)>> {
        let mut status = 0;
        // SAFETY: the file is open.
        let compressed = unsafe { sys::fits_is_compressed_image(self.pointer(), &mut status) } != 0;
        if compressed || self.axes()?.is_none() {
            return Ok(None);
        }
        let (mut bitpix, mut header, mut data, mut end) = (0, 0, 0, 0);
        self.call("find the pixels", |file, status| {
            // SAFETY: `file` is open; all four results outlive the calls.
            unsafe {
                sys::ffgidt(file, &mut bitpix, status);
                sys::ffghadll(file, &mut header, &mut data, &mut end, status);
            }
        })?;
        Ok(usize::try_from(data).ok().map(|data| (bitpix, data)))
    }

    /// Appends an image HDU (ffcrimll); `axes` is NAXIS1, NAXIS2, ...
    pub(super) fn create_image(&mut self, bitpix: i32, axes: &[usize]) -> Result<()> {
        let mut axes: Vec<sys::LONGLONG> = axes.iter().map(|&n| long(n)).collect();
        self.call("create the image", |file, status| {
            // SAFETY: `axes` holds as many lengths as are announced.
            unsafe { sys::ffcrimll(file, bitpix, c_index(axes.len()), axes.as_mut_ptr(), status) };
        })
    }

    /// Appends the current HDU of another file, its header and its data as they are (ffcopy).
    pub(super) fn copy_hdu(&mut self, from: &mut Self) -> Result<()> {
        let source = from.pointer();
        self.call("copy the HDU", |file, status| {
            // SAFETY: both files are open, and they are two: `from` is borrowed beside `self`.
            unsafe { sys::ffcopy(source, file, 0, status) };
        })
    }

    /// Images created from now on are compressed by RICE_1, a row a tile; or not any more.
    pub(super) fn compress_rows(&mut self, compress: bool, row: usize) -> Result<()> {
        let kind = if compress { code(sys::RICE_1) } else { 0 };
        let mut tile: [c_long; 2] = [c_long::try_from(row).unwrap_or(c_long::MAX), 1];
        self.call("set the compression", |file, status| {
            // SAFETY: `file` is open; `tile` holds the two lengths that are announced.
            unsafe {
                sys::fits_set_compression_type(file, kind, status);
                sys::fits_set_tile_dim(file, 2, tile.as_mut_ptr(), status);
            }
        })
    }

    /// Writes elements of an image from number `first` (ffppr).
    pub(super) fn write_pixels<T: FitsNumber>(&mut self, first: usize, data: &[T]) -> Result<()> {
        self.call("write pixels", |file, status| {
            // SAFETY: `T::CODE` stands for the type `T`; CFITSIO reads `data.len()` values and changes none
            // of them: it converts into buffers of its own.
            unsafe {
                let values = data.as_ptr().cast_mut().cast();
                sys::ffppr(file, T::CODE, long(first), long(data.len()), values, status);
            }
        })
    }
}

/// Tables.
impl Handle {
    /// The number of rows of the current table (ffgnrwll).
    pub(super) fn rows(&mut self) -> Result<usize> {
        let mut rows = 0;
        self.call("count the rows", |file, status| {
            // SAFETY: `file` is open; `rows` outlives the call.
            unsafe { sys::ffgnrwll(file, &mut rows, status) };
        })?;
        Ok(usize::try_from(rows).unwrap_or(0))
    }

    /// The number of columns of the current table (ffgncl).
    pub(super) fn column_count(&mut self) -> Result<usize> {
        let mut columns = 0;
        self.call("count the columns", |file, status| {
            // SAFETY: `file` is open; `columns` outlives the call.
            unsafe { sys::ffgncl(file, &mut columns, status) };
        })?;
        Ok(usize::try_from(columns).unwrap_or(0))
    }

    /// How the cells of a column look (ffgtclll).
    pub(super) fn cell(&mut self, column: usize) -> Result<Cell> {
        let (mut kind, mut repeat, mut width) = (0, 0, 0);
        self.call("read the format of the column", |file, status| {
            // SAFETY: `file` is open; the three results outlive the call.
            unsafe {
                sys::ffgtclll(file, c_index(column), &mut kind, &mut repeat, &mut width, status);
            }
        })?;
        Ok(Cell {
            repeat: usize::try_from(repeat).unwrap_or(0),
            width: usize::try_from(width).unwrap_or(0),
            text: kind == code(sys::TSTRING),
        })
    }

    /// Reads elements from the first of a row on, into the following rows where `out` is longer (ffgcv).
    pub(super) fn read_column<T: FitsNumber>(
        &mut self,
        column: usize,
        row: usize,
        out: &mut [T],
    ) -> Result<()> {
        self.call("read the column", |file, status| {
            let mut any = 0;
            let (column, row, count) = (c_index(column), long(row), long(out.len()));
            // SAFETY: as in `read_pixels`.
            unsafe {
                let data = out.as_mut_ptr().cast();
                sys::ffgcv(file, T::CODE, column, row, 1, count, null_mut(), data, &mut any, status);
            }
        })
    }

    /// Reads strings of at most `width` characters, one a row (ffgcvs).
    pub(super) fn read_strings(
        &mut self,
        column: usize,
        row: usize,
        count: usize,
        width: usize,
    ) -> Result<Vec<String>> {
        let mut cells = vec![vec![0; width + 1]; count];
        let mut starts: Vec<*mut c_char> = cells.iter_mut().map(|cell| cell.as_mut_ptr()).collect();
        self.call("read the column", |file, status| {
            let (column, row, count) = (c_index(column), long(row), long(count));
            let mut any = 0;
            // SAFETY: `starts` points to `count` buffers, each with room for a cell and its NUL.
            unsafe {
                let data = starts.as_mut_ptr();
                sys::ffgcvs(file, column, row, 1, count, null_mut(), data, &mut any, status);
            }
        })?;
        Ok(cells.iter().map(|cell| from_c(cell)).collect())
    }

    /// Appends a binary table (ffcrtb).
    pub(super) fn create_table(
        &mut self,
        name: &str,
        rows: usize,
        columns: &[(&str, &str, &str)], // name, format, unit
    ) -> Result<()> {
        let name = c_string(name)?;
        let strings = |pick: fn(&(&str, &str, &str)) -> String| -> Result<Vec<CString>> {
            columns.iter().map(|column| c_string(&pick(column))).collect()
        };
        let texts = [strings(|c| c.0.into())?, strings(|c| c.1.into())?, strings(|c| c.2.into())?];
        let [mut names, mut formats, mut units] =
            texts.each_ref().map(|list| list.iter().map(|text| text.as_ptr().cast_mut()).collect::<Vec<_>>());
        let kind = code(sys::BINARY_TBL);
        self.call("create the table", |file, status| {
            let (names, formats, units) = (names.as_mut_ptr(), formats.as_mut_ptr(), units.as_mut_ptr());
            let count = c_index(columns.len());
            // SAFETY: each list points to as many strings as columns are announced, which live in `texts`;
            // CFITSIO copies them into the header and changes none.
            unsafe {
                sys::ffcrtb(file, kind, long(rows), count, names, formats, units, name.as_ptr(), status);
            }
        })
    }

    /// Writes elements from the first of a row on, into the following rows where there are more (ffpcl).
    pub(super) fn write_column<T: FitsNumber>(
        &mut self,
        column: usize,
        row: usize,
        data: &[T],
    ) -> Result<()> {
        self.call("write the column", |file, status| {
            let (column, row, count) = (c_index(column), long(row), long(data.len()));
            // SAFETY: as in `write_pixels`.
            unsafe {
                sys::ffpcl(file, T::CODE, column, row, 1, count, data.as_ptr().cast_mut().cast(), status);
            }
        })
    }

    /// Writes strings, one a row (ffpcls).
    pub(super) fn write_strings(&mut self, column: usize, row: usize, strings: &[&str]) -> Result<()> {
        let strings: Vec<CString> = strings.iter().map(|s| c_string(s)).collect::<Result<_>>()?;
        let mut starts: Vec<*mut c_char> = strings.iter().map(|s| s.as_ptr().cast_mut()).collect();
        self.call("write the column", |file, status| {
            let (column, row, count) = (c_index(column), long(row), long(starts.len()));
            // SAFETY: `starts` points to `count` strings that end in NUL; CFITSIO reads them only.
            unsafe { sys::ffpcls(file, column, row, 1, count, starts.as_mut_ptr(), status) };
        })
    }
}

/// The 16 characters that encode the complement of a sum (ffesum).
pub(super) fn encode_checksum(sum: u64) -> String {
    let mut text = [0; 17];
    #[allow(clippy::cast_possible_truncation, reason = "sums have 32 bits, as unsigned long on Windows")]
    let sum = sum as std::ffi::c_ulong;
    // SAFETY: CFITSIO writes 16 characters and a NUL.
    unsafe { sys::ffesum(sum, 1, text.as_mut_ptr()) };
    from_c(&text)
}

/// CFITSIO is initialised and safe to use from several threads.
fn ready() -> Result<()> {
    // SAFETY: neither function takes an argument; the first returns a constant, the second takes CFITSIO's
    // lock and does its work once.
    let (reentrant, status) = unsafe { (sys::fits_is_reentrant(), sys::fits_init_cfitsio()) };
    if reentrant == 0 {
        return Err(FitsError::Unsupported("a CFITSIO that was built without --enable-reentrant"));
    }
    if status == 0 { Ok(()) } else { Err(failure("initialise CFITSIO", String::new(), status)) }
}

/// The path as CFITSIO's disk driver takes it literally: it skips leading blanks and expands a leading `~`,
/// unless a directory stands before them.
fn file_name(path: &Path) -> Result<CString> {
    let path = if path.is_relative() { Path::new(".").join(path) } else { path.to_owned() };
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStringExt::into_vec(path.into_os_string());
    #[cfg(not(unix))]
    let bytes = match path.into_os_string().into_string() {
        Ok(name) => name.into_bytes(),
        Err(_) => return Err(FitsError::Path("it is no Unicode")),
    };
    if bytes.len() >= sys::FLEN_FILENAME as usize {
        return Err(FitsError::Path("it is longer than the 1024 bytes that CFITSIO takes"));
    }
    CString::new(bytes).map_err(|_| FitsError::Path("it contains a NUL"))
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| FitsError::Unsupported("a NUL in a string"))
}

/// The text before the NUL.
fn from_c(buffer: &[c_char]) -> String {
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, reason = "c_char is i8 or u8")]
    let bytes: Vec<u8> = buffer.iter().take_while(|&&c| c != 0).map(|&c| c as u8).collect();
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// Counts beyond the range are CFITSIO's to refuse.
fn long(count: usize) -> sys::LONGLONG {
    sys::LONGLONG::try_from(count).unwrap_or(sys::LONGLONG::MAX)
}

fn c_index(index: usize) -> c_int {
    c_int::try_from(index).unwrap_or(c_int::MAX)
}

/// A constant of CFITSIO's header, which bindgen made unsigned.
fn code(constant: u32) -> c_int {
    c_int::try_from(constant).unwrap_or(c_int::MAX)
}

fn failure(operation: &'static str, hdu: String, status: c_int) -> FitsError {
    let mut text = [0; sys::FLEN_STATUS as usize];
    // SAFETY: CFITSIO writes at most 30 characters and a NUL.
    unsafe { sys::ffgerr(status, text.as_mut_ptr()) };
    let (text, message) = (from_c(&text).into(), take_message().into());
    FitsError::Cfitsio { operation, hdu: hdu.into(), status, text, message }
}

/// Empties CFITSIO's error stack and returns its first line, the deepest cause; nothing where other files
/// are open, whose errors it may be.
fn take_message() -> String {
    let mut line = [0; sys::FLEN_ERRMSG as usize];
    // SAFETY: CFITSIO writes at most 80 characters and a NUL.
    let some = unsafe { sys::ffgmsg(line.as_mut_ptr()) } != 0;
    // SAFETY: no arguments; the stack is behind CFITSIO's lock.
    unsafe { sys::ffcmsg() };
    if some && OPEN.load(Ordering::Relaxed) <= 1 { from_c(&line) } else { String::new() }
}
