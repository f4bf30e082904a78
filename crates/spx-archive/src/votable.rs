//! VOTables (IVOA Recommendation VOTable 1.4), row by row and under limits.
//!
//! [`VoTableReader`] finds the first table of results and gives its rows one by one, whichever of
//! TABLEDATA, BINARY and BINARY2 holds them. It holds one row and one event of the XML in memory, never the
//! table; every length that a document declares is checked before anything is reserved for it. Documents
//! with a DOCTYPE are refused, and only the five entities of XML itself are known, so that there is nothing
//! to expand.

mod binary;
mod field;
mod limited;
mod reader;
mod tabledata;

#[cfg(test)]
mod tests;

use thiserror::Error;

pub use field::{ArraySize, Cell, DataType, Field};
pub use reader::{QueryStatus, VoTableReader};

/// How much of a document is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
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

impl Default for Limits {
    fn default() -> Self {
        Self { document: 1 << 30, piece: 1 << 20, rows: 1_000_000, fields: 1000, depth: 32 }
    }
}

/// What can be wrong with a VOTable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VoTableError {
    /// It is no XML, is no VOTable, or breaks off.
    #[error("no VOTable that can be read: {problem} (byte {position})")]
    Syntax {
        /// Where, in bytes from the beginning.
        position: u64,
        /// What is wrong.
        problem: String,
    },
    /// It uses what only a hostile document has use for, or more than is allowed of it.
    #[error("the VOTable is refused: {0}")]
    Refused(String),
    /// A column that cannot be.
    #[error("column {name}: {problem}")]
    Field {
        /// The column's name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A value that cannot be read.
    #[error("row {row}, column {column}: {problem}")]
    Cell {
        /// The row, from 1.
        row: usize,
        /// The column's name.
        column: String,
        /// What is wrong.
        problem: String,
    },
    /// A column that is needed is not there.
    #[error("the table has no column {0}")]
    NoColumn(String),
    /// There is no table in it.
    #[error("the VOTable holds no table")]
    NoTable,
    /// It could not be read to its end.
    #[error("the answer broke off: {problem}")]
    Io {
        /// What happened.
        problem: String,
        /// True for a timeout.
        timeout: bool,
    },
}

/// The message of a VOTable that tells of an error; `None` where the bytes are something else.
pub(crate) fn error_message(body: &[u8]) -> Option<String> {
    match VoTableReader::new(body, Limits::default()).ok()?.status() {
        Some(QueryStatus::Error(message)) => Some(message.clone()),
        _ => None,
    }
}
