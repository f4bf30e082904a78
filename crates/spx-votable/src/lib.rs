//! VOTables (IVOA Recommendation VOTable 1.4): a streaming reader under limits, and a writer.
//!
//! [`VoTableReader`] finds the first table of results and gives its rows one by one, whether
//! TABLEDATA, BINARY or BINARY2 holds them. It keeps one row and one event of the XML in memory,
//! never the table; every length that a document declares is checked before memory is reserved for
//! it. Documents with a DOCTYPE are refused, and only the five entities of XML itself are known, so
//! that there is nothing to expand.
//!
//! [`VoTableWriter`] writes a document with one table, as text (TABLEDATA) or binary (BINARY2).
//!
//! **No I/O, no other spx crate**: it reads from any `Read` and writes text.

mod binary;
mod field;
mod limited;
mod reader;
mod tabledata;
mod writer;

#[cfg(test)]
mod tests;

use thiserror::Error;

pub use field::{ArraySize, VoTableCell, VoTableField, VoTableType};
pub use reader::{QueryStatus, VoTableReader};
pub use writer::{VoTableColumn, VoTableWriter, escape};

/// How much of a document the reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoTableLimits {
    /// Bytes of the document.
    pub document: u64,
    /// Bytes of one tag, text or comment, and of one cell.
    pub piece: usize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub fields: usize,
    /// Elements within each other.
    pub depth: usize,
}

impl Default for VoTableLimits {
    fn default() -> Self {
        Self { document: 1 << 30, piece: 1 << 20, rows: 1_000_000, fields: 1000, depth: 32 }
    }
}

/// What can be wrong with a VOTable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VoTableError {
    /// It is not XML, not a VOTable, or it breaks off.
    #[error("not a readable VOTable: {problem} (byte {position})")]
    Syntax {
        /// Where, in bytes from the beginning.
        position: u64,
        /// What is wrong.
        problem: String,
    },
    /// It uses something that only a hostile document needs, or exceeds a limit.
    #[error("VOTable refused: {0}")]
    Refused(String),
    /// A column is declared wrongly.
    #[error("column {name}: {problem}")]
    Field {
        /// The column's name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A value cannot be read.
    #[error("row {row}, column {column}: {problem}")]
    Cell {
        /// The row, from 1.
        row: usize,
        /// The column's name.
        column: String,
        /// What is wrong.
        problem: String,
    },
    /// A required column is missing.
    #[error("the table has no column {0}")]
    NoColumn(String),
    /// It holds no table.
    #[error("the VOTable holds no table")]
    NoTable,
    /// Reading failed before its end.
    #[error("reading the VOTable failed: {problem}")]
    Io {
        /// What happened.
        problem: String,
        /// True for a timeout.
        timeout: bool,
    },
}

/// Text of a document for a message: without control characters, which terminals would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The message of a VOTable that reports a failed query; `None` where the bytes are something else.
pub fn error_message(body: &[u8]) -> Option<String> {
    match VoTableReader::new(body, VoTableLimits::default()).ok()?.status() {
        Some(QueryStatus::Error(message)) => Some(message.clone()),
        _ => None,
    }
}

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
