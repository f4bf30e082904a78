//! Catalogs as VOTables.

use std::path::Path;

use spx_core::progress::Progress;
use spx_votable::{
    ArraySize, QueryStatus, VoTableCell, VoTableError, VoTableField, VoTableLimits, VoTableReader,
    VoTableType,
};

use super::columns::{CatalogColumns, CatalogOptions, TableCell, TableField, check_frame};
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
    check(reader.fields(), &columns).map_err(|e| wrong(path, e))?;
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
    if reader.further_tables() > 0 {
        let count = reader.further_tables();
        notes.push(format!("sources are those of the first table of {}; the others are not used", count + 1));
    }
    builder.finish(path, notes)
}

/// Names and units of columns.
pub(super) fn fields(fields: &[VoTableField]) -> Vec<TableField> {
    let field =
        |f: &VoTableField| TableField { name: f.name.clone(), unit: f.unit.clone().unwrap_or_default() };
    fields.iter().map(field).collect()
}

/// Refuses columns that hold neither texts nor numbers, and positions of other frames.
fn check(fields: &[VoTableField], columns: &CatalogColumns) -> Result<(), String> {
    use VoTableType::{Bit, Boolean, Char, DoubleComplex, FloatComplex, UnicodeChar};
    for column in columns.used().into_iter().filter(|column| !columns.is_mask(*column)) {
        let field = &fields[column];
        let text = matches!(field.datatype, Char | UnicodeChar);
        let other = matches!(field.datatype, Boolean | Bit | FloatComplex | DoubleComplex);
        let several = !matches!(field.size, ArraySize::Scalar | ArraySize::Fixed(1));
        if other || several && !text {
            let (name, kind) = (&field.name, field.datatype.name());
            let array = if several { "an array of " } else { "" };
            return Err(format!(
                "column {name} is {array}{kind}, which is neither one text nor one number per row"
            ));
        }
    }
    columns.position.iter().try_for_each(|&column| {
        let field = &fields[column];
        check_frame(field.frame.as_deref().unwrap_or_default())
            .map_err(|frame| format!("column {} is in the frame {frame}, not in ICRS", field.name))
    })
}

fn cell(cell: &VoTableCell) -> TableCell<'_> {
    match cell {
        VoTableCell::Text(text) => TableCell::Text(text.as_str().into()),
        VoTableCell::Int(value) => TableCell::Integer((*value).into()),
        VoTableCell::Real(value) => TableCell::Real(*value),
        VoTableCell::Bool(value) => TableCell::Integer((*value).into()),
        // Arrays are neither ids nor numbers.
        _ => TableCell::Null,
    }
}
