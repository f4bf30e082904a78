//! Catalogs as VOTables.

use std::path::Path;

use spx_core::progress::Progress;
use spx_votable::{QueryStatus, VoTableCell, VoTableError, VoTableField, VoTableLimits, VoTableReader};

use super::columns::{CatalogColumns, CatalogOptions, TableCell, TableField};
use super::source::CatalogSource;
use super::{Catalog, CatalogBuilder, MOST_ROWS, wrong};
use crate::BatchError;

/// A catalog of the user's own has no limit but that of all catalogs.
const LIMITS: VoTableLimits =
    VoTableLimits { document: u64::MAX, rows: MOST_ROWS, piece: 1 << 20, fields: 10_000, depth: 32 };

/// Reads a table. Lines are its rows, counted from 1.
pub(super) fn read(
    path: &Path,
    source: CatalogSource<'_>,
    options: &CatalogOptions,
    progress: &dyn Progress,
) -> Result<Catalog, BatchError> {
    let failed = |e: VoTableError| if progress.cancelled() { BatchError::Cancelled } else { wrong(path, e) };
    let mut reader = VoTableReader::new(source.bytes, LIMITS).map_err(failed)?;
    if let Some(QueryStatus::Error(message)) = reader.status() {
        return Err(wrong(path, format!("it is not a table, but the report of a failed query: {message}")));
    }
    let columns = CatalogColumns::find(&fields(reader.fields()), options).map_err(|e| wrong(path, e))?;
    let mut builder = CatalogBuilder::new(options.epoch);
    let mut line = 0;
    while let Some(cells) = reader.next_row().map_err(failed)? {
        line += 1;
        builder.take(line, columns.row(|column| cell(&cells[column])));
    }
    let mut notes = columns.notes;
    if let Some(QueryStatus::Error(message)) = reader.status() {
        return Err(wrong(path, format!("its server failed after {line} rows: {message}")));
    }
    if reader.status() == Some(&QueryStatus::Overflow) {
        notes.push(format!("its server truncated it after {line} rows (OVERFLOW): sources are missing"));
    }
    builder.finish(path, notes)
}

/// Names and units of columns.
pub(super) fn fields(fields: &[VoTableField]) -> Vec<TableField> {
    let field =
        |f: &VoTableField| TableField { name: f.name.clone(), unit: f.unit.clone().unwrap_or_default() };
    fields.iter().map(field).collect()
}

fn cell(cell: &VoTableCell) -> TableCell<'_> {
    match cell {
        VoTableCell::Text(text) => TableCell::Text(text.as_str().into()),
        VoTableCell::Int(value) => TableCell::Integer((*value).into()),
        VoTableCell::Real(value) => TableCell::Real(*value),
        // Arrays and booleans are neither ids nor numbers.
        _ => TableCell::Null,
    }
}
