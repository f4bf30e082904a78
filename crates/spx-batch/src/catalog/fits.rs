//! Catalogs as FITS binary tables (FITS Standard 4.0, section 7.3), plain or gzipped: the first
//! table of the file that has the columns.

use std::path::Path;

use spx_core::fits::{FitsColumn, FitsError, FitsReader};
use spx_core::progress::Progress;

use super::columns::{CatalogColumns, CatalogOptions, TableCell, TableField, has_positions};
use super::{Catalog, CatalogBuilder, MOST_ROWS, wrong};
use crate::BatchError;

/// Rows that are in memory at a time.
const BATCH: usize = 1 << 14;

/// Reads a table. Lines are its rows, counted from 1.
pub(super) fn read(
    path: &Path,
    options: &CatalogOptions,
    progress: &dyn Progress,
) -> Result<Catalog, BatchError> {
    let failed = |e: FitsError| wrong(path, e);
    let mut file = FitsReader::open(path).map_err(failed)?;
    let (mut problem, mut chosen, mut others) = (None, None, Vec::new());
    for hdu in 1..file.hdu_count().map_err(failed)? {
        file.move_to_index(hdu).map_err(failed)?;
        let found = match file.columns() {
            Ok(found) => found,
            Err(cut @ FitsError::Truncated { .. }) => {
                problem = problem.or(Some(cut.to_string()));
                continue;
            }
            Err(_) => continue,
        };
        let fields = fields(&found);
        match CatalogColumns::find(&fields, options) {
            Ok(columns) if chosen.is_none() => chosen = Some((hdu, found, columns)),
            Ok(_) => others.push(format!("HDU {hdu}, which is also a catalog, is not used")),
            Err(other) => {
                if has_positions(&fields) {
                    others.push(format!("HDU {hdu} is not used: {other}"));
                }
                problem = problem.or(Some(other));
            }
        }
    }
    let Some((hdu, found, mut columns)) = chosen else {
        let none = "it has no binary table (tables in ASCII are not read)";
        return Err(wrong(path, problem.unwrap_or_else(|| none.to_owned())));
    };
    columns.notes.extend(others.iter().map(|other| format!("sources are those of HDU {hdu}; {other}")));
    file.move_to_index(hdu).map_err(failed)?;
    rows(path, &mut file, &found, columns, options, progress)
}

/// Names and units of columns.
fn fields(columns: &[FitsColumn]) -> Vec<TableField> {
    let field = |c: &FitsColumn| TableField { name: c.name.clone(), unit: c.unit.clone() };
    columns.iter().map(field).collect()
}

fn rows(
    path: &Path,
    file: &mut FitsReader,
    found: &[FitsColumn],
    columns: CatalogColumns,
    options: &CatalogOptions,
    progress: &dyn Progress,
) -> Result<Catalog, BatchError> {
    let failed = |e: FitsError| wrong(path, e);
    let total = file.table_rows().map_err(failed)?;
    if total > MOST_ROWS {
        return Err(wrong(path, format!("it has more than {MOST_ROWS} rows")));
    }
    let used = columns.used();
    let kinds = used.iter().map(|&column| CellsKind::of(&found[column], column == columns.id));
    let kinds = kinds.collect::<Result<Vec<_>, _>>().map_err(|e| wrong(path, e))?;
    let mut builder = CatalogBuilder::new(options.epoch);
    for start in (0..total).step_by(BATCH) {
        if progress.cancelled() {
            return Err(BatchError::Cancelled);
        }
        let count = BATCH.min(total - start);
        let read = |(&column, kind): (&usize, &CellsKind)| kind.read(file, &found[column].name, start, count);
        let cells = used.iter().zip(&kinds).map(read).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        #[expect(clippy::needless_range_loop, reason = "a row of all columns, not the values of one")]
        for k in 0..count {
            let cell = |column: usize| {
                let at = used.iter().position(|&other| other == column);
                at.map_or(TableCell::Null, |at| cells[at][k].clone())
            };
            builder.take((start + k + 1) as u64, columns.row(cell));
        }
    }
    builder.finish(path, columns.notes)
}

/// How the cells of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellsKind {
    Text,
    Integer,
    Real,
}

impl CellsKind {
    /// Whole numbers are read as such where they are ids; others as real numbers, in which missing
    /// ones (TNULL) are NaN.
    fn of(column: &FitsColumn, is_id: bool) -> Result<Self, String> {
        let letter = column.format.trim().trim_start_matches(|c: char| c.is_ascii_digit()).chars().next();
        match (letter, column.repeat) {
            (Some('A'), _) => Ok(Self::Text),
            (Some('B' | 'I' | 'J' | 'K'), 1) if is_id => Ok(Self::Integer),
            (Some('B' | 'I' | 'J' | 'K' | 'E' | 'D'), 1) => Ok(Self::Real),
            _ => Err(format!(
                "column {} is of form {}, which holds neither one text nor one number per row",
                column.name, column.format
            )),
        }
    }

    fn read(
        self,
        file: &mut FitsReader,
        name: &str,
        start: usize,
        count: usize,
    ) -> Result<Vec<TableCell<'static>>, FitsError> {
        Ok(match self {
            Self::Text => {
                let texts = file.read_text_column(name, start, count)?.into_iter();
                texts.map(|text| TableCell::Text(text.into())).collect()
            }
            Self::Integer => {
                let numbers = file.read_integer_column(name, start, count)?.into_iter();
                numbers.map(|number| number.map_or(TableCell::Null, TableCell::Integer)).collect()
            }
            Self::Real => {
                let mut numbers = vec![0_f64; count];
                file.read_column(name, start, &mut numbers)?;
                numbers.into_iter().map(TableCell::Real).collect()
            }
        })
    }
}
