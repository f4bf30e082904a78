//! Images read where they stand: the file mapped into the address space.
//!
//! Most images of the archive stand in their files as plain big-endian numbers. Those need not be copied from the
//! system's memory into ours, which costs more than what is then done with them. Images that are gzipped, tile-compressed
//! or scaled cannot be had so and are read by CFITSIO.
//!
//! A file must not be shortened while it is mapped: the process would be killed (SIGBUS) at the missing page. spx itself
//! replaces files by renaming, which leaves the mapped one whole; astropy maps files in the same way.
#![expect(unsafe_code, reason = "a mapped file is no memory that the compiler can know of")]

use std::fs::File;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;

use crate::pixels::{Pixels, PlaneSample};

/// A file in the address space.
pub(super) type Mapping = Arc<Mmap>;

/// Maps a file; `None` where the system cannot.
pub(super) fn map(file: &File) -> Option<Mapping> {
    // SAFETY: the bytes are only read, as numbers of which every bit pattern is valid, and each is read at most a
    // few times without relying on its being the same again. The module's documentation tells what is asked of others.
    unsafe { Mmap::map(file) }.ok().map(Arc::new)
}

/// An image that stands in its file as plain numbers; the file stays mapped as long as this lives.
#[derive(Debug, Clone)]
pub struct MappedImage<T> {
    file: Mapping,
    bytes: Range<usize>,
    of: PhantomData<T>,
}

impl<T: PlaneSample> MappedImage<T> {
    /// The image of `count` pixels from byte `start` on; `None` where the file ends before.
    pub(super) fn new(file: Mapping, start: usize, count: usize) -> Option<Self> {
        let bytes = start..start.checked_add(count.checked_mul(size_of::<T>())?)?;
        (bytes.end <= file.len()).then_some(Self { file, bytes, of: PhantomData })
    }

    /// Its pixels, in the order of the file.
    pub fn pixels(&self) -> Pixels<'_, T> {
        Pixels::Fits(self.file[self.bytes.clone()].as_chunks().0)
    }
}
