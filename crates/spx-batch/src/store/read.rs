//! Reading the files of a store.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::statistics::Statistics;
use spx_core::sky::Position;

use super::{LightCurveStore, STORED_NUMBERS, StoredMeasurement, coarse, column_names, fine_cell};
use crate::BatchError;
use crate::columnar::{check_places, next};

/// A measurement that was read from the store.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrievedMeasurement {
    /// Observation.
    pub obs_id: String,
    /// Detector.
    pub band: String,
    /// The measurement; its source is number 0, its exposure number 0.
    pub measurement: StoredMeasurement,
}

impl LightCurveStore {
    /// The measurements of a source at a position, by time. Only the files of its cell are opened,
    /// and in these only the row groups that may have it.
    ///
    /// # Errors
    /// Where a file cannot be read, or is of other columns.
    pub fn light_curve(&self, position: Position, id: &str) -> Result<Vec<RetrievedMeasurement>, BatchError> {
        let cell = fine_cell(position);
        let mut found = Vec::new();
        for (path, replaced) in self.current_files(coarse(cell))? {
            let reader = open(&path)?;
            for number in 0..reader.num_row_groups() {
                if may_hold(&reader, number, cell) {
                    let wanted = (cell, id, &replaced);
                    light_curve_of(&reader, number, wanted, &mut found).map_err(BatchError::table(&path))?;
                }
            }
        }
        let exposure = |one: &RetrievedMeasurement| (one.obs_id.clone(), one.band.clone());
        found.sort_by(|a, b| {
            let by_time = a.measurement.mjd.total_cmp(&b.measurement.mjd);
            by_time.then_with(|| exposure(a).cmp(&exposure(b)))
        });
        Ok(found)
    }
}

/// Opens a file and sees that its columns are those of a store.
pub(super) fn open(path: &Path) -> Result<SerializedFileReader<File>, BatchError> {
    let file = File::open(path).map_err(BatchError::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(BatchError::table(path))?;
    check_places(reader.metadata()).map_err(BatchError::table(path))?;
    let names = reader.metadata().file_metadata().schema_descr().columns().iter();
    if names.map(|leaf| leaf.name()).ne(column_names()) {
        return Err(BatchError::table(path)("its columns are not those of a store"));
    }
    Ok(reader)
}

/// Whether a row group may have rows of a cell.
fn may_hold(reader: &SerializedFileReader<File>, number: usize, cell: u64) -> bool {
    let cell = cell.cast_signed();
    match reader.metadata().row_group(number).column(0).statistics() {
        Some(Statistics::Int64(cells)) => {
            cells.min_opt().is_none_or(|min| *min <= cell) && cells.max_opt().is_none_or(|max| cell <= *max)
        }
        _ => true,
    }
}

/// Adds the measurements of a source in a row group, without those of exposures that other files
/// have.
fn light_curve_of(
    reader: &SerializedFileReader<File>,
    number: usize,
    (cell, id, replaced): (u64, &str, &HashSet<(String, String)>),
    found: &mut Vec<RetrievedMeasurement>,
) -> Result<(), ParquetError> {
    let group = reader.get_row_group(number)?;
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
    let ColumnReader::Int64ColumnReader(mut cells) = group.get_column_reader(0)? else { return Err(other()) };
    if !next(&mut cells, rows, 0)?.contains(&Some(cell.cast_signed())) {
        return Ok(());
    }
    let rows = StoredRows::read(reader, number)?;
    for row in (0..rows.len()).filter(|row| rows.cells[*row] == cell && rows.ids.is(*row, id)) {
        let (obs_id, band) = rows.exposure(row)?;
        if !replaced.contains(&(obs_id.to_owned(), band.to_owned())) {
            let (obs_id, band) = (obs_id.to_owned(), band.to_owned());
            found.push(RetrievedMeasurement { obs_id, band, measurement: rows.measurement(row) });
        }
    }
    Ok(())
}

/// Ids of rows.
pub(super) enum RowIds {
    Numbers(Vec<i64>),
    Texts(Vec<ByteArray>),
}

impl RowIds {
    fn is(&self, row: usize, id: &str) -> bool {
        match self {
            Self::Numbers(numbers) => numbers[row].to_string() == id,
            Self::Texts(texts) => texts[row].data() == id.as_bytes(),
        }
    }
}

/// The rows of a row group, column by column.
pub(super) struct StoredRows {
    cells: Vec<u64>,
    pub(super) ids: RowIds,
    pub(super) places: [Vec<f64>; 2],
    observations: Vec<ByteArray>,
    bands: Vec<ByteArray>,
    times: Vec<f64>,
    numbers: Vec<Vec<f32>>,
    flags: Vec<i32>,
    good: Vec<bool>,
}

impl StoredRows {
    /// Reads a row group.
    pub(super) fn read(reader: &SerializedFileReader<File>, number: usize) -> Result<Self, ParquetError> {
        let group = reader.get_row_group(number)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        macro_rules! column {
            ($place:expr, $kind:ident) => {
                match group.get_column_reader($place)? {
                    ColumnReader::$kind(mut reader) => {
                        next(&mut reader, rows, 0)?.into_iter().map(Option::unwrap_or_default).collect()
                    }
                    _ => return Err(other()),
                }
            };
        }
        let cells: Vec<i64> = column!(0, Int64ColumnReader);
        let ids = match group.get_column_reader(1)? {
            ColumnReader::Int64ColumnReader(_) => RowIds::Numbers(column!(1, Int64ColumnReader)),
            _ => RowIds::Texts(column!(1, ByteArrayColumnReader)),
        };
        let places = [column!(2, DoubleColumnReader), column!(3, DoubleColumnReader)];
        let mut numbers = Vec::new();
        for k in 0..STORED_NUMBERS.len() {
            numbers.push(column!(7 + k, FloatColumnReader));
        }
        Ok(Self {
            cells: cells.into_iter().map(i64::cast_unsigned).collect(),
            ids,
            places,
            observations: column!(4, ByteArrayColumnReader),
            bands: column!(5, ByteArrayColumnReader),
            times: column!(6, DoubleColumnReader),
            numbers,
            flags: column!(7 + STORED_NUMBERS.len(), Int32ColumnReader),
            good: column!(8 + STORED_NUMBERS.len(), BoolColumnReader),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Observation and band of a row.
    pub(super) fn exposure(&self, row: usize) -> Result<(&str, &str), ParquetError> {
        Ok((self.observations[row].as_utf8()?, self.bands[row].as_utf8()?))
    }

    /// A row, of source and exposure 0.
    pub(super) fn measurement(&self, row: usize) -> StoredMeasurement {
        StoredMeasurement {
            cell: self.cells[row],
            target: 0,
            exposure: 0,
            mjd: self.times[row],
            numbers: std::array::from_fn(|k| self.numbers[k][row]),
            flag: self.flags[row].cast_unsigned(),
            is_good: self.good[row],
        }
    }
}

fn other() -> ParquetError {
    ParquetError::General("a column is of another type".into())
}
