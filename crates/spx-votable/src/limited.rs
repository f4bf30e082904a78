//! A reader that gives only so much: of the whole document, and of each piece of it.

use std::io::{self, BufRead, BufReader, Read};

/// Bytes that are read at a time.
const BUFFER: usize = 64 << 10;

/// Gives at most `document` bytes, and at most `piece` between two calls of
/// [`next_piece`](Self::next_piece): a parser that collects a piece in memory then cannot be made
/// to collect more.
#[derive(Debug)]
pub(crate) struct Limited<R> {
    inner: BufReader<R>,
    document: u64,
    piece: usize,
    left: usize,
}

impl<R: Read> Limited<R> {
    pub(crate) fn new(inner: R, document: u64, piece: usize) -> Self {
        Self { inner: BufReader::with_capacity(BUFFER, inner), document, piece, left: piece }
    }

    /// A new piece begins.
    pub(crate) fn next_piece(&mut self) {
        self.left = self.piece;
    }
}

impl<R: Read> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let available = self.inner.fill_buf()?;
        if available.is_empty() {
            return Ok(available);
        }
        if self.document == 0 {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the document is too long"));
        }
        if self.left == 0 {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a tag, text or cell is too long"));
        }
        let document = usize::try_from(self.document).unwrap_or(usize::MAX);
        let most = available.len().min(self.left).min(document);
        Ok(&available[..most])
    }

    fn consume(&mut self, amount: usize) {
        self.document = self.document.saturating_sub(amount as u64);
        self.left = self.left.saturating_sub(amount);
        self.inner.consume(amount);
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(out.len());
        out[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}
