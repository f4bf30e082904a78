//! Catalogs as text: a line of names, then a line a source.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use csv::ByteRecord;

use super::{Catalog, CatalogBuilder, CatalogColumns, CatalogRow, wrong};
use crate::BatchError;

/// Reads delimited text behind `skip` lines.
pub(super) fn read(path: &Path, delimiter: u8, skip: u64, epoch: Option<f64>) -> Result<Catalog, BatchError> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(BatchError::io(path))?);
    for _ in 0..skip {
        file.skip_until(b'\n').map_err(BatchError::io(path))?;
    }
    let reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
    parse(path, reader, skip, epoch)
}

fn parse(
    path: &Path,
    mut reader: csv::Reader<impl io::Read>,
    skip: u64,
    epoch: Option<f64>,
) -> Result<Catalog, BatchError> {
    let names = reader.headers().map_err(|e| wrong(path, e))?.clone();
    // A byte order mark would belong to the first name.
    let names = names.iter().map(|name| name.trim_start_matches('\u{feff}'));
    let columns = CatalogColumns::find(names, epoch.is_some()).map_err(|e| wrong(path, e))?;
    let mut builder = CatalogBuilder::new(epoch);
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|e| wrong(path, e))? {
        let line = skip + record.position().map_or(0, csv::Position::line);
        match row(&record, &columns) {
            Ok(row) => builder.push(line, row),
            Err(problem) => builder.reject(line, problem),
        }
    }
    builder.finish(path)
}

fn row<'a>(record: &'a ByteRecord, columns: &CatalogColumns) -> Result<CatalogRow<'a>, String> {
    let text = |column: usize, name: &str| {
        let bytes = record.get(column).ok_or_else(|| format!("the row ends before {name}"))?;
        std::str::from_utf8(bytes).map_err(|_| format!("{name} is no UTF-8"))
    };
    let number = |column: usize, name: &str| {
        let text = text(column, name)?.trim();
        match text {
            "" => Ok(f64::NAN),
            _ => text.parse::<f64>().map_err(|_| format!("{name} `{text}` is no number")),
        }
    };
    let optional = |column: Option<usize>, name| column.map_or(Ok(f64::NAN), |column| number(column, name));
    let [ra, dec] = columns.position;
    Ok(CatalogRow {
        id: text(columns.id, "targetid")?,
        ra: number(ra, "ra")?,
        dec: number(dec, "dec")?,
        motion: [
            optional(columns.motion.map(|m| m[0]), "pmra")?,
            optional(columns.motion.map(|m| m[1]), "pmdec")?,
        ],
        epoch: optional(columns.epoch, "ref_epoch")?,
    })
}
