//! Catalogs as Parquet files: five columns of all that there are.

use std::fs::File;
use std::path::Path;

use ::parquet::basic::{LogicalType, Type as Physical};
use ::parquet::column::reader::ColumnReader;
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader as _, RowGroupReader, SerializedFileReader};
use ::parquet::schema::types::ColumnDescPtr;

use super::{Catalog, CatalogBuilder, CatalogColumns, CatalogRow, wrong};
use crate::BatchError;
use crate::columnar::next;

/// Rows that are in memory at a time.
const BATCH: usize = 1 << 16;

/// Reads a table. Lines are its rows, counted from 1.
pub(super) fn read(path: &Path, epoch: Option<f64>) -> Result<Catalog, BatchError> {
    let damaged = |e: ParquetError| wrong(path, e);
    let file = File::open(path).map_err(BatchError::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let leaves = schema.columns();
    let names = leaves.iter().map(|leaf| leaf.name());
    let columns = CatalogColumns::find(names, epoch.is_some()).map_err(|e| wrong(path, e))?;
    check_id(&leaves[columns.id]).map_err(|e| wrong(path, e))?;
    let mut builder = CatalogBuilder::new(epoch);
    let mut line = 0;
    for number in 0..reader.num_row_groups() {
        let group = reader.get_row_group(number).map_err(damaged)?;
        let open = |column: usize| Cells::open(&*group, column).map_err(damaged);
        let mut ids = open(columns.id)?;
        let [ra, dec] = columns.position;
        let mut numbers = vec![open(ra)?, open(dec)?];
        for column in columns.motion.into_iter().flatten().chain(columns.epoch) {
            numbers.push(open(column)?);
        }
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        for start in (0..rows).step_by(BATCH) {
            let count = BATCH.min(rows - start);
            let ids = ids.texts(count).map_err(damaged)?;
            let reals = numbers.iter_mut().map(|cells| cells.reals(count)).collect::<Result<Vec<_>, _>>();
            let reals = reals.map_err(damaged)?;
            for (k, id) in ids.iter().enumerate() {
                line += 1;
                let motion = columns.motion.map_or([f64::NAN; 2], |_| [reals[2][k], reals[3][k]]);
                let own = columns.epoch.and_then(|_| reals.last()).map_or(f64::NAN, |epochs| epochs[k]);
                match id {
                    Ok(id) => {
                        let (ra, dec) = (reals[0][k], reals[1][k]);
                        builder.push(line, CatalogRow { id, ra, dec, motion, epoch: own });
                    }
                    Err(problem) => builder.reject(line, problem.clone()),
                }
            }
        }
    }
    builder.finish(path)
}

/// Texts and integers are ids. A floating-point number is none: above 2^53 it is not the id that was meant.
fn check_id(leaf: &ColumnDescPtr) -> Result<(), String> {
    let unsigned = matches!(leaf.logical_type_ref(), Some(LogicalType::Integer(t)) if !t.is_signed);
    match leaf.physical_type() {
        Physical::BYTE_ARRAY => Ok(()),
        Physical::INT32 | Physical::INT64 if !unsigned => Ok(()),
        other => Err(format!("column {} is of type {other}: ids are text or signed integers", leaf.name())),
    }
}

/// A column of a row group.
struct Cells {
    reader: ColumnReader,
    /// The level of a value that is there.
    present: i16,
}

impl Cells {
    fn open(group: &dyn RowGroupReader, column: usize) -> Result<Self, ParquetError> {
        let present = group.metadata().column(column).column_descr().max_def_level();
        Ok(Self { reader: group.get_column_reader(column)?, present })
    }

    /// The next values as text; nulls are empty.
    fn texts(&mut self, count: usize) -> Result<Vec<Result<String, String>>, ParquetError> {
        let present = self.present;
        Ok(match &mut self.reader {
            ColumnReader::ByteArrayColumnReader(reader) => next(reader, count, present)?
                .into_iter()
                .map(|bytes| match bytes {
                    None => Ok(String::new()),
                    Some(bytes) => {
                        bytes.as_utf8().map(str::to_owned).map_err(|_| "targetid is no UTF-8".to_owned())
                    }
                })
                .collect(),
            ColumnReader::Int32ColumnReader(reader) => decimal(next(reader, count, present)?),
            ColumnReader::Int64ColumnReader(reader) => decimal(next(reader, count, present)?),
            _ => return Err(ParquetError::General("the ids are neither text nor integers".into())),
        })
    }

    /// The next values as numbers; nulls are NaN.
    fn reals(&mut self, count: usize) -> Result<Vec<f64>, ParquetError> {
        let present = self.present;
        Ok(match &mut self.reader {
            ColumnReader::DoubleColumnReader(reader) => real(next(reader, count, present)?),
            ColumnReader::FloatColumnReader(reader) => real(next(reader, count, present)?),
            ColumnReader::Int32ColumnReader(reader) => real(next(reader, count, present)?),
            _ => return Err(ParquetError::General("a coordinate, motion or epoch is no number".into())),
        })
    }
}

fn decimal<T: ToString>(values: Vec<Option<T>>) -> Vec<Result<String, String>> {
    values.into_iter().map(|value| Ok(value.map_or_else(String::new, |v| v.to_string()))).collect()
}

fn real<T: Into<f64>>(values: Vec<Option<T>>) -> Vec<f64> {
    values.into_iter().map(|value| value.map_or(f64::NAN, Into::into)).collect()
}
