//! Spectra of many sources as Parquet: a row a source, with lists of as many elements as there are
//! channels.
//!
//! Lists are those of the Parquet format (`LIST`), whose elements may be missing; the metadata
//! describe the columns as VOParquet 1.0 does for those of light curves.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use spx_core::columns::{ColumnKind, TableColumn, measurement_column};
use spx_votable::{ArraySize, VoTableColumn, VoTableType, VoTableWriter};

use crate::BatchError;

/// Rows of a row group: some megabytes in memory.
const GROUP: usize = 1 << 12;

/// Columns with one value a source.
pub static SPECTRUM_SCALARS: [TableColumn; 6] = [
    measurement_column("target_id"),
    measurement_column("catalog_ra").named("ra"),
    measurement_column("catalog_dec").named("dec"),
    measurement_column("n_used").named("n_measurements"),
    measurement_column("variability_chi2"),
    measurement_column("variability_dof"),
];

/// Columns with one value a channel.
pub static SPECTRUM_ARRAYS: [TableColumn; 7] = [
    measurement_column("wavelength"),
    measurement_column("bandwidth"),
    measurement_column("flux"),
    measurement_column("flux_error"),
    measurement_column("chi2"),
    measurement_column("n_used"),
    measurement_column("n_rejected"),
];

/// The spectrum of a source.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpectrumRow {
    /// The source, as the catalog names it.
    pub target_id: String,
    /// Right ascension and declination in the catalog \[deg\].
    pub position: [f64; 2],
    /// Good measurements in all channels.
    pub n_measurements: u32,
    /// Chi-square of all good measurements about the means of their channels.
    pub variability_chi2: f64,
    /// Its degrees of freedom.
    pub variability_dof: u32,
    /// Lists of reals, in the order of [`SPECTRUM_ARRAYS`], NaN where there is none.
    pub reals: [Vec<f64>; 5],
    /// Lists of whole numbers, after them.
    pub counts: [Vec<u32>; 2],
}

/// Writes spectra in the order in which they come, all with as many channels.
pub struct SpectraWriter {
    file: SerializedFileWriter<File>,
    channels: usize,
    rows: Vec<SpectrumRow>,
    /// Length of the longest id [UTF-16 units].
    longest: usize,
}

impl SpectraWriter {
    /// Begins a file, which must not exist.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn create(path: &Path, channels: usize) -> Result<Self, BatchError> {
        let file = File::create_new(path).map_err(BatchError::io(path))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("spx ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let schema = schema().map_err(BatchError::table(path))?;
        let file = SerializedFileWriter::new(file, schema, Arc::new(properties));
        let file = file.map_err(BatchError::table(path))?;
        Ok(Self { file, channels, rows: Vec::new(), longest: 1 })
    }

    /// Appends a source.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn push(&mut self, row: SpectrumRow) -> Result<(), BatchError> {
        self.longest = self.longest.max(row.target_id.encode_utf16().count());
        self.rows.push(row);
        if self.rows.len() == GROUP { self.flush().map_err(failed) } else { Ok(()) }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn finish(mut self) -> Result<(), BatchError> {
        let mut finish = || -> Result<(), ParquetError> {
            self.flush()?;
            let content = votable(self.longest, self.channels);
            for (key, value) in [("version", "1.0".to_owned()), ("content", content)] {
                let key = format!("IVOA.VOTable-Parquet.{key}");
                self.file.append_key_value_metadata(KeyValue::new(key, value));
            }
            self.file.finish().map(|_| ())
        };
        finish().map_err(failed)
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let mut columns = group(&rows).into_iter();
        let mut group = self.file.next_row_group()?;
        while let Some(mut writer) = group.next_column()? {
            match columns.next() {
                Some(GroupCells::Text(cells)) => {
                    writer.typed::<ByteArrayType>().write_batch(&cells, None, None)?;
                }
                Some(GroupCells::Real { values, there, first }) => {
                    let levels = (!first.is_empty()).then_some(first.as_slice());
                    writer.typed::<DoubleType>().write_batch(&values, Some(&there), levels)?;
                }
                Some(GroupCells::Count { values, there, first }) => {
                    let levels = |levels: &[i16]| (!levels.is_empty()).then(|| levels.to_vec());
                    let (there, first) = (levels(&there), levels(&first));
                    writer.typed::<Int64Type>().write_batch(&values, there.as_deref(), first.as_deref())?;
                }
                None => return Err(ParquetError::General("a column too many".into())),
            }
            writer.close()?;
        }
        group.close().map(|_| ())
    }
}

fn failed(error: ParquetError) -> BatchError {
    BatchError::table(Path::new("spectra.parquet"))(error)
}

/// Values of a column of a row group; `there` and `first` are the definition and repetition levels.
enum GroupCells {
    Text(Vec<ByteArray>),
    Real { values: Vec<f64>, there: Vec<i16>, first: Vec<i16> },
    Count { values: Vec<i64>, there: Vec<i16>, first: Vec<i16> },
}

/// The columns of a row group in the order of the schema.
fn group(rows: &[SpectrumRow]) -> Vec<GroupCells> {
    let scalar = |of: fn(&SpectrumRow) -> f64| {
        let values = rows.iter().map(of);
        let there = values.clone().map(|value| i16::from(!value.is_nan())).collect();
        GroupCells::Real { values: values.filter(|v| !v.is_nan()).collect(), there, first: Vec::new() }
    };
    let count = |of: fn(&SpectrumRow) -> u32| GroupCells::Count {
        values: rows.iter().map(|row| of(row).into()).collect(),
        there: Vec::new(),
        first: Vec::new(),
    };
    let ids = rows.iter().map(|row| ByteArray::from(row.target_id.as_bytes().to_vec()));
    let mut columns = vec![
        GroupCells::Text(ids.collect()),
        scalar(|row| row.position[0]),
        scalar(|row| row.position[1]),
        count(|row| row.n_measurements),
        scalar(|row| row.variability_chi2),
        count(|row| row.variability_dof),
    ];
    let first = |length: usize| (0..length).map(|k| i16::from(k > 0));
    for k in 0..5 {
        let all = || rows.iter().flat_map(|row| row.reals[k].iter().copied());
        columns.push(GroupCells::Real {
            values: all().filter(|value| !value.is_nan()).collect(),
            there: all().map(|value| 1 + i16::from(!value.is_nan())).collect(),
            first: rows.iter().flat_map(|row| first(row.reals[k].len())).collect(),
        });
    }
    for k in 0..2 {
        let all = || rows.iter().flat_map(|row| row.counts[k].iter().copied());
        columns.push(GroupCells::Count {
            values: all().map(i64::from).collect(),
            there: all().map(|_| 2).collect(),
            first: rows.iter().flat_map(|row| first(row.counts[k].len())).collect(),
        });
    }
    columns
}

fn schema() -> Result<TypePtr, ParquetError> {
    let leaf = |name: &str, kind: ColumnKind, repetition: Repetition| {
        let (physical, logical) = match kind {
            ColumnKind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            ColumnKind::Real => (Physical::DOUBLE, None),
            ColumnKind::Integer | ColumnKind::Logical => (Physical::INT64, None),
        };
        let builder = Type::primitive_type_builder(name, physical);
        builder.with_logical_type(logical).with_repetition(repetition).build().map(Arc::new)
    };
    let mut fields = Vec::new();
    for column in &SPECTRUM_SCALARS {
        let real = column.kind == ColumnKind::Real;
        let repetition = if real { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        fields.push(leaf(column.name, column.kind, repetition)?);
    }
    for column in &SPECTRUM_ARRAYS {
        let element = leaf("element", column.kind, Repetition::OPTIONAL)?;
        let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
        let list = Arc::new(list.with_fields(vec![element]).build()?);
        let whole = Type::group_type_builder(column.name).with_repetition(Repetition::REQUIRED);
        let whole = whole.with_logical_type(Some(LogicalType::List)).with_fields(vec![list]);
        fields.push(Arc::new(whole.build()?));
    }
    Type::group_type_builder("spectra").with_fields(fields).build().map(Arc::new)
}

/// The description of the columns, VOTable 1.4 without data.
fn votable(longest: usize, channels: usize) -> String {
    let field = |column: &'static TableColumn, size: ArraySize| {
        let datatype = match column.kind {
            ColumnKind::Text => VoTableType::UnicodeChar,
            ColumnKind::Real => VoTableType::Double,
            ColumnKind::Integer | ColumnKind::Logical => VoTableType::Long,
        };
        let size = if column.kind == ColumnKind::Text { ArraySize::Fixed(longest) } else { size };
        let TableColumn { name, unit, ucd, description, .. } = *column;
        VoTableColumn { unit, ucd, description, ..VoTableColumn::new(name, datatype, size) }
    };
    let scalars = SPECTRUM_SCALARS.iter().map(|column| field(column, ArraySize::Scalar));
    let arrays = SPECTRUM_ARRAYS.iter().map(|column| field(column, ArraySize::Fixed(channels)));
    let mut writer = VoTableWriter::new();
    writer.begin_results();
    writer.begin_table("spectra", "Spectra of catalog sources", scalars.chain(arrays).collect());
    writer.end_table();
    writer.finish()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::{ListAccessor as _, RowAccessor as _};

    use super::*;

    #[test]
    fn lists_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spectra.parquet");
        let mut writer = SpectraWriter::create(&path, 3).unwrap();
        let row = |k: u32| SpectrumRow {
            target_id: format!("star {k}"),
            position: [f64::from(k), -1.0],
            n_measurements: k,
            variability_chi2: 0.5,
            variability_dof: 7,
            reals: std::array::from_fn(|n| vec![f64::from(k), f64::NAN, n as f64]),
            counts: [vec![k, 0, 2], vec![0, 0, 1]],
        };
        let many = u32::try_from(GROUP).unwrap() + 3;
        (0..many).for_each(|k| writer.push(row(k)).unwrap());
        writer.finish().unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.num_row_groups(), 2);
        let mut rows = 0;
        for (k, read) in (0..).zip(reader.get_row_iter(None).unwrap()) {
            let read = read.unwrap();
            assert_eq!(read.get_string(0).unwrap(), &format!("star {k}"));
            assert_eq!(read.get_double(1).unwrap(), f64::from(k));
            let flux = read.get_list(8).unwrap();
            assert_eq!((flux.len(), flux.get_double(0).unwrap()), (3, f64::from(k)));
            assert!(flux.get_double(1).is_err(), "there is none");
            assert_eq!(flux.get_double(2).unwrap(), 2.0);
            assert_eq!(read.get_list(11).unwrap().get_long(0).unwrap(), i64::from(k));
            rows += 1;
        }
        assert_eq!(rows, many);
    }
}
