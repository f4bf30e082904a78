//! Catalogs as Parquet files: a few columns of all that there are.
//!
//! Only columns of the table itself count, not the fields of structs. All codecs are read: zstd
//! through `ruzstd` (`zstd.rs`), the others by the crate `parquet`, none of them in C. Units are
//! those of VOParquet or of astropy, where the file's metadata have them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{Compression, ConvertedType, LogicalType, Type as Physical};
use ::parquet::column::reader::{ColumnReader, get_column_reader};
use ::parquet::data_type::{ByteArray, FixedLenByteArray};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{FileMetaData, RowGroupMetaData};
use ::parquet::file::reader::FileReader as _;
use ::parquet::file::serialized_reader::{SerializedFileReader, SerializedPageReader};
use ::parquet::schema::types::ColumnDescPtr;
use spx_core::progress::Progress;
use spx_votable::{VoTableLimits, VoTableReader};

use super::columns::{CatalogColumns, CatalogOptions, TableCell, TableField};
use super::zstd::ZstdPages;
use super::{Catalog, CatalogBuilder, MOST_ROWS, arrow_schema, ecsv, votable, wrong};
use crate::BatchError;
use crate::columnar::{check_places, next};

/// Rows that are in memory at a time.
const BATCH: usize = 1 << 16;

/// Reads a table. Lines are its rows, counted from 1.
pub(super) fn read(
    path: &Path,
    options: &CatalogOptions,
    progress: &dyn Progress,
) -> Result<Catalog, BatchError> {
    let damaged = |e: ParquetError| wrong(path, e);
    let file = Arc::new(File::open(path).map_err(BatchError::io(path))?);
    let reader =
        SerializedFileReader::new(file.try_clone().map_err(BatchError::io(path))?).map_err(damaged)?;
    let metadata = reader.metadata();
    check_places(metadata).map_err(damaged)?;
    let leaves = leaves(metadata.file_metadata());
    let columns = CatalogColumns::find(&fields(metadata.file_metadata(), &leaves), options);
    let columns = columns.map_err(|e| wrong(path, e))?;
    let used = columns.used();
    for &column in &used {
        check(&leaves[column].1).map_err(|e| wrong(path, e))?;
    }
    let mut builder = CatalogBuilder::new(options.epoch);
    let mut line = 0_usize;
    for group in metadata.row_groups() {
        let open = |&column: &usize| Cells::open(&file, group, leaves[column].0).map_err(damaged);
        let mut cells = used.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        if line.saturating_add(rows) > MOST_ROWS {
            return Err(wrong(path, format!("it has more than {MOST_ROWS} rows")));
        }
        for start in (0..rows).step_by(BATCH) {
            if progress.cancelled() {
                return Err(BatchError::Cancelled);
            }
            let count = BATCH.min(rows - start);
            let batch = cells.iter_mut().map(|cells| cells.next(count)).collect::<Result<Vec<_>, _>>();
            let batch = batch.map_err(damaged)?;
            #[expect(clippy::needless_range_loop, reason = "a row of all columns, not the values of one")]
            for k in 0..count {
                line += 1;
                let cell = |column: usize| {
                    let at = used.iter().position(|&other| other == column);
                    at.map_or(TableCell::Null, |at| batch[at][k].clone())
                };
                builder.take(line as u64, columns.row(cell));
            }
        }
    }
    builder.finish(path, columns.notes)
}

/// The columns of the table itself, with their numbers among all leaves.
fn leaves(metadata: &FileMetaData) -> Vec<(usize, ColumnDescPtr)> {
    let all = metadata.schema_descr().columns().iter().enumerate();
    all.filter(|(_, leaf)| leaf.path().parts().len() == 1).map(|(k, leaf)| (k, leaf.clone())).collect()
}

/// Names and units of columns.
fn fields(metadata: &FileMetaData, leaves: &[(usize, ColumnDescPtr)]) -> Vec<TableField> {
    let value = |key: &str| {
        let pairs = metadata.key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == key)?.value.as_deref()
    };
    let mut units = Vec::new();
    if let Some(content) = value("IVOA.VOTable-Parquet.content")
        && let Ok(reader) = VoTableReader::new(content.as_bytes(), VoTableLimits::default())
    {
        units.extend(votable::fields(reader.fields()).into_iter().map(|field| (field.name, field.unit)));
    } else if let Some(yaml) = value("table_meta_yaml") {
        units.extend(ecsv::units(yaml));
    }
    units.extend(value("ARROW:schema").map(arrow_schema::units).unwrap_or_default());
    let unit = |name: &str| units.iter().find(|(column, _)| column == name).map(|(_, unit)| unit.clone());
    let field = |(_, leaf): &(usize, ColumnDescPtr)| TableField {
        name: leaf.name().to_owned(),
        unit: unit(leaf.name()).unwrap_or_default(),
    };
    leaves.iter().map(field).collect()
}

/// Refuses columns that hold neither texts nor numbers, or several values a row.
fn check(leaf: &ColumnDescPtr) -> Result<(), String> {
    let fixed = leaf.physical_type() == Physical::FIXED_LEN_BYTE_ARRAY;
    let other = matches!(leaf.physical_type(), Physical::BOOLEAN | Physical::INT96)
        || fixed && decimal_scale(leaf).is_none() && !is_half(leaf)
        || matches!(leaf.logical_type_ref(), Some(LogicalType::Timestamp(_) | LogicalType::Time(_)))
        || leaf.max_rep_level() > 0;
    match other {
        false => Ok(()),
        true => Err(format!(
            "column {} is of type {}, which holds neither one text nor one number per row",
            leaf.name(),
            leaf.physical_type()
        )),
    }
}

/// Digits behind the decimal point of a column of decimal numbers.
fn decimal_scale(leaf: &ColumnDescPtr) -> Option<i32> {
    let is_decimal = matches!(leaf.logical_type_ref(), Some(LogicalType::Decimal(_)))
        || leaf.converted_type() == ConvertedType::DECIMAL;
    is_decimal.then(|| leaf.type_scale())
}

fn is_half(leaf: &ColumnDescPtr) -> bool {
    matches!(leaf.logical_type_ref(), Some(LogicalType::Float16))
}

fn is_unsigned(leaf: &ColumnDescPtr) -> bool {
    matches!(leaf.logical_type_ref(), Some(LogicalType::Integer(t)) if !t.is_signed)
}

/// A column of a row group.
struct Cells {
    reader: ColumnReader,
    leaf: ColumnDescPtr,
}

impl Cells {
    fn open(file: &Arc<File>, group: &RowGroupMetaData, column: usize) -> Result<Self, ParquetError> {
        let chunk = group.column(column);
        let leaf = chunk.column_descr_ptr();
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        let reader = if matches!(chunk.compression(), Compression::ZSTD(_)) {
            get_column_reader(leaf.clone(), Box::new(ZstdPages::new(file, chunk, rows)?))
        } else {
            let pages = SerializedPageReader::new(file.clone(), chunk, rows, None)?;
            get_column_reader(leaf.clone(), Box::new(pages))
        };
        Ok(Self { reader, leaf })
    }

    /// The next values.
    fn next(&mut self, count: usize) -> Result<Vec<TableCell<'static>>, ParquetError> {
        let present = self.leaf.max_def_level();
        let (leaf, unsigned, scale) = (&self.leaf, is_unsigned(&self.leaf), decimal_scale(&self.leaf));
        Ok(match &mut self.reader {
            ColumnReader::ByteArrayColumnReader(reader) => match scale {
                Some(scale) => {
                    cells(next(reader, count, present)?, |v: ByteArray| decimal(wide(v.data()), scale))
                }
                None => cells(next(reader, count, present)?, text),
            },
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                let half = is_half(leaf);
                cells(next(reader, count, present)?, |v: FixedLenByteArray| match (half, scale) {
                    (true, _) => half_precision(v.data()),
                    (false, scale) => decimal(wide(v.data()), scale.unwrap_or_default()),
                })
            }
            ColumnReader::Int32ColumnReader(reader) => {
                cells(next(reader, count, present)?, |v: i32| match scale {
                    Some(scale) => decimal(v.into(), scale),
                    None if unsigned => TableCell::Integer(v.cast_unsigned().into()),
                    None => TableCell::Integer(v.into()),
                })
            }
            ColumnReader::Int64ColumnReader(reader) => {
                cells(next(reader, count, present)?, |v: i64| match scale {
                    Some(scale) => decimal(v.into(), scale),
                    None if unsigned => TableCell::Integer(v.cast_unsigned().into()),
                    None => TableCell::Integer(v.into()),
                })
            }
            ColumnReader::FloatColumnReader(reader) => {
                cells(next(reader, count, present)?, |v: f32| TableCell::Real(v.into()))
            }
            ColumnReader::DoubleColumnReader(reader) => cells(next(reader, count, present)?, TableCell::Real),
            _ => return Err(ParquetError::General("a column holds neither texts nor numbers".into())),
        })
    }
}

fn cells<T>(values: Vec<Option<T>>, cell: impl Fn(T) -> TableCell<'static>) -> Vec<TableCell<'static>> {
    values.into_iter().map(|value| value.map_or(TableCell::Null, &cell)).collect()
}

/// Text; what is not UTF-8 keeps a mark for each wrong byte.
#[expect(clippy::needless_pass_by_value, reason = "values of a column come by value")]
fn text(bytes: ByteArray) -> TableCell<'static> {
    TableCell::Text(String::from_utf8_lossy(bytes.data()).into_owned().into())
}

/// A big-endian integer in two's complement; those above 128 bits do not fit and are cut.
fn wide(bytes: &[u8]) -> i128 {
    let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |value: i128, &byte| (value << 8) | i128::from(byte))
}

/// A decimal number: whole ones stay exact.
fn decimal(unscaled: i128, scale: i32) -> TableCell<'static> {
    match scale {
        0 => TableCell::Integer(unscaled),
        scale => TableCell::Real(unscaled as f64 / 10f64.powi(scale)),
    }
}

/// An IEEE 754 half, which no standard library type holds.
fn half_precision(bytes: &[u8]) -> TableCell<'static> {
    let &[low, high] = bytes else { return TableCell::Null };
    let bits = u16::from_le_bytes([low, high]);
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let value = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    TableCell::Real(if bits & 0x8000 == 0 { value } else { -value })
}
