//! The bytes of a catalog: unpacked where they are gzipped, told by their beginning, and read so
//! that the user can stop.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use spx_core::attended::AttendedReader;
use spx_core::progress::Progress;

use super::{BatchError, wrong};

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 18;

/// What kind of file a catalog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CatalogFormat {
    /// Text with commas, semicolons, tabs, bars or blanks between values.
    Text,
    /// IVOA VOTable, in XML.
    VoTable,
    /// Apache Parquet.
    Parquet,
    /// FITS.
    Fits,
    /// Of another form, which is not read; this is what to do.
    Other(&'static str),
}

/// How files begin that are not read: packed by other programs than gzip, or tables of other forms.
const OTHERS: [(&[u8], &str); 14] = [
    (b"BZh", "packed with bzip2: unpack it"),
    (b"\xfd7zXZ", "packed with xz: unpack it"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it"),
    (b"PK\x03\x04", "packed with zip, as spreadsheets are: unpack it, or save it as CSV"),
    (b"\x1f\x9d", "packed with compress: unpack it"),
    (b"\xff\xfe", "in UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "in UTF-16: save it as UTF-8"),
    (b"\x89HDF", "an HDF5 file: save it as FITS, VOTable, Parquet or CSV"),
    (b"ARROW1", "an Arrow (Feather) file: save it as Parquet"),
    (b"\x93NUMPY", "an array of NumPy: save it as FITS, VOTable, Parquet or CSV"),
    (b"{\"", "JSON: save it as CSV"),
    (b"[{", "JSON: save it as CSV"),
    (b"\\begin{", "a LaTeX table: save it as CSV"),
    (
        b"Title:",
        "a machine-readable table of a journal: astropy reads it with format=\"mrt\"; save it as ECSV",
    ),
];

/// A file that is open, and what is known of it.
pub(super) struct CatalogSource<'a> {
    pub(super) format: CatalogFormat,
    pub(super) gzipped: bool,
    /// It comes through a pipe, and can be read once only.
    pub(super) piped: bool,
    pub(super) bytes: BufReader<Interruptible<'a>>,
}

/// Fails as soon as the user has asked to stop, whatever reads through it.
pub(super) struct Interruptible<'a> {
    inner: Box<dyn Read + 'a>,
    progress: &'a dyn Progress,
}

impl Read for Interruptible<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.progress.cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        self.inner.read(out)
    }
}

impl<'a> CatalogSource<'a> {
    /// Opens a catalog and looks at its beginning.
    pub(super) fn open(path: &Path, progress: &'a dyn Progress) -> Result<Self, BatchError> {
        let io_error = |e| if progress.cancelled() { BatchError::Cancelled } else { BatchError::io(path)(e) };
        let piped = !std::fs::metadata(path).map_err(io_error)?.is_file();
        let file: Box<dyn Read + 'a> = if piped {
            let owned = path.to_owned();
            Box::new(AttendedReader::new(move || File::open(owned), progress).map_err(io_error)?)
        } else {
            Box::new(File::open(path).map_err(io_error)?)
        };
        let mut file = BufReader::with_capacity(BUFFER, file);
        let gzipped = file.fill_buf().map_err(io_error)?.starts_with(&[0x1f, 0x8b]);
        let inner: Box<dyn Read + 'a> =
            if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut bytes = BufReader::with_capacity(BUFFER, Interruptible { inner, progress });
        let start = bytes.fill_buf().map_err(io_error)?;
        let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
        if text.is_empty() {
            return Err(wrong(path, "it is empty"));
        }
        let format = match text {
            text if text.starts_with(b"PAR1") => CatalogFormat::Parquet,
            text if text.starts_with(b"<") => CatalogFormat::VoTable,
            text if text.starts_with(b"SIMPLE  =") => CatalogFormat::Fits,
            text => match OTHERS.iter().find(|(begin, _)| text.starts_with(begin)) {
                Some((_, what)) => CatalogFormat::Other(what),
                None => CatalogFormat::Text,
            },
        };
        Ok(Self { format, gzipped, piped, bytes })
    }
}
