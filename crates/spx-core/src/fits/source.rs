//! Where the bytes of a file come from: the file itself, opened once, or memory.
//!
//! A gzipped file is unpacked into memory, HDU by HDU: the size that a header declares is compared
//! with what the packed bytes can hold and with the memory that there is, so that a small file
//! cannot fill a large machine.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::error::FitsError;
use super::hdu::{BLOCK, NextHdu, label, read_hdu};
use super::mapped::{Mapping, map};
use crate::memory::available_memory;

/// Bytes that one byte of a deflated stream can stand for at most: 258 bytes in two bits, beside a
/// little overhead.
pub(super) const DEFLATE_RATIO: u64 = 1032;

/// What a gzipped file may unpack to whatever its size, and how many times its size beyond: a few
/// MB of zeros must not take the memory of a whole machine. Images of noise shrink by a factor of
/// two; a cube that is nearly empty may be unpacked by hand.
const UNPACKED: (u64, u64) = (1 << 28, 50);

/// How many bytes behind the last HDU of a gzipped file are looked at.
const MOST_BEHIND: u64 = 64 << 20;

/// The bytes of a file.
#[derive(Debug)]
pub(super) enum ByteSource {
    /// A file on disk, of the length that it had when it was opened.
    File {
        /// Open for reading.
        file: File,
        /// Bytes.
        len: u64,
        /// Once it was asked for; `None` within where the system cannot map the file.
        mapping: Option<Option<Mapping>>,
    },
    /// Bytes in memory.
    Memory(Arc<Vec<u8>>),
}

impl ByteSource {
    /// Opens a file, plain or gzipped, whatever its name.
    pub(super) fn open(path: &Path) -> Result<Self, FitsError> {
        // Before it is opened: opening a FIFO waits for somebody to write to it.
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            return Err(FitsError::NotFits("it is a directory".to_owned()));
        }
        if !metadata.is_file() {
            return Err(FitsError::NotFits("it is not a regular file".to_owned()));
        }
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut start = Vec::new();
        (&file).take(9).read_to_end(&mut start)?;
        let source = Self::File { file, len, mapping: None };
        source.recognized(&start)
    }

    /// Bytes in memory, plain or gzipped.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Self, FitsError> {
        let start = bytes[..bytes.len().min(9)].to_vec();
        Self::Memory(Arc::new(bytes)).recognized(&start)
    }

    /// Looks at the first bytes, so that an empty file or a saved error page is called what it is.
    fn recognized(self, start: &[u8]) -> Result<Self, FitsError> {
        if start.starts_with(&[0x1f, 0x8b]) {
            unpack(&self)
        } else if start.starts_with(b"SIMPLE") {
            Ok(self)
        } else if start.is_empty() {
            Err(FitsError::NotFits("it is empty".to_owned()))
        } else {
            Err(FitsError::NotFits(format!("it begins with `{}`", start.escape_ascii())))
        }
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `out` with the bytes from number `start` on.
    ///
    /// # Errors
    /// Where there are fewer, because the file was shortened meanwhile, or the disk fails.
    pub(super) fn read_at(&self, start: u64, out: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::File { file, .. } => read_exact_at(file, start, out).map_err(|error| match error.kind() {
                kind @ std::io::ErrorKind::UnexpectedEof => {
                    std::io::Error::new(kind, "the file was shortened while it was read")
                }
                _ => error,
            }),
            Self::Memory(bytes) => {
                let missing = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                let start = usize::try_from(start).map_err(|_| missing())?;
                let end = start.checked_add(out.len()).ok_or_else(missing)?;
                out.copy_from_slice(bytes.get(start..end).ok_or_else(missing)?);
                Ok(())
            }
        }
    }

    /// The whole file in memory, unpacked or mapped; `None` where it cannot be mapped.
    pub(super) fn mapping(&mut self) -> Option<Mapping> {
        match self {
            Self::File { file, len, mapping } => mapping.get_or_insert_with(|| map(file, *len)).clone(),
            Self::Memory(bytes) => Some(Mapping::Memory(Arc::clone(bytes))),
        }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, start: u64, out: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, start)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut start: u64, mut out: &mut [u8]) -> std::io::Result<()> {
    while !out.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, out, start)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        start += count as u64;
        out = &mut out[count..];
    }
    Ok(())
}

/// A source read from its beginning.
struct Sequential<'a> {
    source: &'a ByteSource,
    at: u64,
}

impl Read for Sequential<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let there = usize::try_from(self.source.len() - self.at).unwrap_or(usize::MAX);
        let count = out.len().min(there);
        self.source.read_at(self.at, &mut out[..count])?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Unpacks a gzipped file as far as it holds HDUs.
fn unpack(packed: &ByteSource) -> Result<ByteSource, FitsError> {
    let reader = std::io::BufReader::with_capacity(1 << 16, Sequential { source: packed, at: 0 });
    let mut unpacked = Unpacked { decoder: MultiGzDecoder::new(reader), bytes: Vec::new() };
    let limit = packed.len().saturating_mul(DEFLATE_RATIO);
    let mut start = 0;
    for number in 0.. {
        let Some(entry) = unpacked.header(number, start)? else {
            unpacked.sound(&label(number, ""))?;
            break;
        };
        let (end, hdu) = (entry.end(), entry.label());
        if entry.size > limit {
            let problem = format!("{} bytes are declared, more than the packed file can hold", entry.size);
            return Err(FitsError::Gzip { hdu, problem });
        }
        if end > UNPACKED.0 && end > packed.len().saturating_mul(UNPACKED.1) {
            let problem =
                format!("it unpacks to {end} bytes, too much for {}: use gunzip first", packed.len());
            return Err(FitsError::Gzip { hdu, problem });
        }
        if entry.size > 1 << 28 && available_memory().is_some_and(|free| entry.size > free) {
            return Err(FitsError::Memory { hdu, bytes: entry.size });
        }
        // The fill of the last block may be missing, as in a plain file.
        let there = unpacked.extend_to(end, &hdu)?;
        if there < entry.data + entry.size {
            let problem = format!("it ends after {there} of {} bytes", entry.data + entry.size);
            return Err(FitsError::Gzip { hdu, problem });
        }
        start = end;
    }
    Ok(ByteSource::Memory(Arc::new(unpacked.bytes)))
}

/// What has been unpacked.
struct Unpacked<R> {
    decoder: MultiGzDecoder<R>,
    bytes: Vec<u8>,
}

impl<R: Read> Unpacked<R> {
    /// Unpacks up to a number of bytes, or to the end; gives the number of bytes that there are
    /// then.
    fn extend_to(&mut self, end: u64, hdu: &str) -> Result<u64, FitsError> {
        let more = end.saturating_sub(self.bytes.len() as u64);
        let fail = |problem: String| FitsError::Gzip { hdu: hdu.to_owned(), problem };
        let room = usize::try_from(more).map_err(|_| fail("it is too large".into()))?;
        if self.bytes.try_reserve_exact(room).is_err() {
            return Err(FitsError::Memory { hdu: hdu.to_owned(), bytes: more });
        }
        (&mut self.decoder).take(more).read_to_end(&mut self.bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => fail("the file is incomplete".into()),
            _ => fail(error.to_string()),
        })?;
        Ok(self.bytes.len() as u64)
    }

    /// Reads on behind the last HDU, as far as may be, for bytes that are none may be damage, which
    /// the sum at the end of the stream shows.
    fn sound(&mut self, hdu: &str) -> Result<(), FitsError> {
        let mut rest = (&mut self.decoder).take(MOST_BEHIND);
        let read = std::io::copy(&mut rest, &mut std::io::sink());
        let fail =
            |error: std::io::Error| FitsError::Gzip { hdu: hdu.to_owned(), problem: error.to_string() };
        read.map(drop).map_err(fail)
    }

    /// Unpacks the header that begins at a byte; `None` where there is no further HDU.
    fn header(&mut self, number: usize, start: u64) -> Result<Option<Box<super::hdu::HduEntry>>, FitsError> {
        let hdu = label(number, "");
        let mut blocks = 1;
        loop {
            let end = start + blocks * BLOCK;
            let there = self.extend_to(end, &hdu)?;
            // The bytes are lent to a source for the look at them.
            let source = ByteSource::Memory(Arc::new(std::mem::take(&mut self.bytes)));
            let found = read_hdu(&source, number, start);
            if let ByteSource::Memory(bytes) = source {
                self.bytes = Arc::unwrap_or_clone(bytes);
            }
            match found {
                Ok(NextHdu::Found(entry)) => return Ok(Some(entry)),
                Ok(_) if number == 0 => {
                    return Err(FitsError::NotFits("its gzipped content is not one".to_owned()));
                }
                Ok(_) => return Ok(None),
                // The header goes on, if the file does.
                Err(FitsError::Truncated { .. }) if there >= end => blocks *= 2,
                Err(error) => return Err(error),
            }
        }
    }
}
