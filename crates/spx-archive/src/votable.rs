//! VOTables (IVOA Recommendation 1.4), row by row and under limits.

use thiserror::Error;

/// What can be wrong with a VOTable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VoTableError {
    /// It is no XML, or breaks off.
    #[error("this is no VOTable that can be read (byte {position}): {problem}")]
    Syntax {
        /// Where, in bytes from the beginning.
        position: u64,
        /// What is wrong.
        problem: String,
    },
}
