//! The part of ADQL 2.1 that users of the archive write: one SELECT over one or more joined tables.
//!
//! Not there, and refused with an error that says so: subqueries, GROUP BY, outer joins,
//! arithmetic, unions.

mod bind;
mod eval;
mod lexer;
mod parser;

use thiserror::Error;

use super::table::{Answer, Table};

/// Why a query cannot be answered; the message is meant for who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub(super) struct AdqlError(pub(super) String);

fn fail<T>(message: impl Into<String>) -> Result<T, AdqlError> {
    Err(AdqlError(message.into()))
}

/// Answers a query from `tables`, with at most `limit` rows.
pub(super) fn query(tables: &[Table], text: &str, limit: usize) -> Result<Answer, AdqlError> {
    let select = parser::parse(text)?;
    eval::run(&bind::bind(tables, &select)?, limit)
}

#[cfg(test)]
mod tests;
