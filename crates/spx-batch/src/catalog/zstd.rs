//! Parquet pages that are compressed with zstd, by `ruzstd`: the crate `parquet` would take the C
//! library.
//!
//! The pages are asked for as if they were not compressed, and unpacked here.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::serialized_reader::SerializedPageReader;
use bytes::Bytes;
use ruzstd::decoding::StreamingDecoder;

/// Bytes that a page is unpacked to at most, whatever its column declares.
const LARGEST_PAGE: u64 = 1 << 30;

/// The pages of a column of a row group.
pub(super) struct ZstdPages {
    pages: SerializedPageReader<File>,
    largest: u64,
}

impl ZstdPages {
    /// `rows` are those of the row group.
    pub(super) fn new(file: &Arc<File>, chunk: &ColumnChunkMetaData, rows: usize) -> Result<Self> {
        let plain = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        let pages = SerializedPageReader::new(file.clone(), &plain, rows, None)?;
        let declared = u64::try_from(chunk.uncompressed_size()).unwrap_or_default();
        Ok(Self { pages, largest: declared.min(LARGEST_PAGE) })
    }

    /// The page with `plain` bytes that are not compressed, then those of a frame.
    fn unpack(&self, buffer: &Bytes, plain: u32) -> Result<Bytes> {
        let damaged = |problem: String| ParquetError::General(format!("a zstd page is damaged: {problem}"));
        let plain = plain as usize;
        let Some((levels, frame)) = buffer.split_at_checked(plain) else {
            return Err(damaged("it is shorter than its levels".into()));
        };
        let mut bytes = levels.to_vec();
        if !frame.is_empty() {
            let decoder = StreamingDecoder::new(frame).map_err(|e| damaged(e.to_string()))?;
            let read = decoder.take(self.largest + 1).read_to_end(&mut bytes);
            if read.map_err(|e| damaged(e.to_string()))? as u64 > self.largest {
                return Err(damaged("it is larger than its column declares".into()));
            }
        }
        Ok(bytes.into())
    }
}

impl PageReader for ZstdPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.pages.get_next_page()? else { return Ok(None) };
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = self.unpack(buf, 0)?,
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, is_compressed, .. } => {
                if *is_compressed {
                    let levels = def_levels_byte_len.saturating_add(*rep_levels_byte_len);
                    *buf = self.unpack(buf, levels)?;
                    *is_compressed = false;
                }
            }
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

impl Iterator for ZstdPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
