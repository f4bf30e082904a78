//! Rows as Parquet, with what VOTable says of their columns in the file's metadata: VOParquet 1.0
//! (IVOA Note, M. Taylor et al. 2025).
//!
//! The key `IVOA.VOTable-Parquet.content` holds a VOTable whose one TABLE has a FIELD for each
//! column and no DATA, `IVOA.VOTable-Parquet.version` the version of the convention. Numbers that
//! are not there are nulls. The keys `table::len::<column>`, the lengths of texts, are astropy's:
//! without them it cannot read a file without rows.
//!
//! Row groups have statistics and a Bloom filter of `target_id`, so that a reader who looks for one
//! source passes over the others.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData, RowGroupMetaData, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use spx_core::columns::ColumnKind;
use spx_votable::{ArraySize, VoTableColumn, VoTableType, VoTableWriter};

use crate::BatchError;
use crate::row::{BatchRow, BatchValue, COLUMNS, MJD};

/// Rows of a row group: some megabytes in memory.
const GROUP: usize = 1 << 14;

/// Writes rows in the order in which they come.
pub(crate) struct RowWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Cells>,
    rows: usize,
    /// How the rows were made; empty where that is not told.
    settings: String,
    /// Of the texts of each column: the greatest length [UTF-16 units], and whether all are ASCII.
    texts: [(usize, bool); COLUMNS.len()],
}

/// The cells of a column of a row group.
enum Cells {
    Text(Vec<ByteArray>),
    /// Values that are there, and for each row a 1 or a 0.
    Real(Vec<f64>, Vec<i16>),
    Bits(Vec<i64>),
    Truth(Vec<bool>),
}

impl Cells {
    fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Text => Self::Text(Vec::new()),
            ColumnKind::Real => Self::Real(Vec::new(), Vec::new()),
            ColumnKind::Integer => Self::Bits(Vec::new()),
            ColumnKind::Logical => Self::Truth(Vec::new()),
        }
    }

    fn push(&mut self, value: &BatchValue<'_>) {
        match (self, value) {
            (Self::Text(cells), BatchValue::Text(text)) => {
                // Rows are sorted, so that most texts repeat; a repeated one shares its memory.
                let same = cells.last().filter(|last| last.data() == text.as_bytes()).cloned();
                cells.push(same.unwrap_or_else(|| ByteArray::from(text.as_bytes().to_vec())));
            }
            (Self::Real(cells, levels), BatchValue::Real(real)) => {
                levels.push(i16::from(!real.is_nan()));
                cells.extend((!real.is_nan()).then_some(*real));
            }
            (Self::Bits(cells), BatchValue::Integer(bits)) => cells.push(i64::from(*bits)),
            (Self::Truth(cells), BatchValue::Logical(truth)) => cells.push(*truth),
            // The kinds of cells and values are those of one column.
            _ => {}
        }
    }

    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<usize, ParquetError> {
        let written = match self {
            Self::Text(cells) => writer.typed::<ByteArrayType>().write_batch(cells, None, None),
            Self::Real(cells, levels) => writer.typed::<DoubleType>().write_batch(cells, Some(levels), None),
            Self::Bits(cells) => writer.typed::<Int64Type>().write_batch(cells, None, None),
            Self::Truth(cells) => writer.typed::<BoolType>().write_batch(cells, None, None),
        };
        match self {
            Self::Text(cells) => cells.clear(),
            Self::Real(cells, levels) => (cells.clear(), levels.clear()).0,
            Self::Bits(cells) => cells.clear(),
            Self::Truth(cells) => cells.clear(),
        }
        written
    }
}

impl<W: Write + Send> RowWriter<W> {
    /// Begins a file whose rows come sorted by (target_id, mjd), or in no order, and were made with
    /// these settings.
    pub(crate) fn new(out: W, sorted: bool, settings: &str) -> Result<Self, ParquetError> {
        let by = |column_idx: usize| SortingColumn {
            column_idx: i32::try_from(column_idx).unwrap_or_default(),
            descending: false,
            nulls_first: false,
        };
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("spx ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_sorting_columns(sorted.then(|| vec![by(0), by(MJD)]))
            .set_column_bloom_filter_enabled(ColumnPath::from(COLUMNS[0].name), sorted)
            .set_max_row_group_row_count(Some(GROUP))
            .build();
        let file = SerializedFileWriter::new(out, schema()?, Arc::new(properties))?;
        let columns = COLUMNS.iter().map(|column| Cells::new(column.kind)).collect();
        let settings = settings.to_owned();
        Ok(Self { file, columns, rows: 0, settings, texts: [(1, true); COLUMNS.len()] })
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, row: &BatchRow<'_>) -> Result<(), ParquetError> {
        for ((cells, texts), value) in self.columns.iter_mut().zip(&mut self.texts).zip(row.values()) {
            if let BatchValue::Text(text) = &value {
                let ascii = text.is_ascii();
                let length = if ascii { text.len() } else { text.encode_utf16().count() };
                *texts = (texts.0.max(length), texts.1 && ascii);
            }
            cells.push(&value);
        }
        self.rows += 1;
        if self.rows == GROUP { self.flush() } else { Ok(()) }
    }

    /// Ends the file and gives what it was written to.
    pub(crate) fn finish(mut self) -> Result<W, ParquetError> {
        self.flush()?;
        if !self.settings.is_empty() {
            self.file.append_key_value_metadata(KeyValue::new("spx.settings".to_owned(), self.settings));
        }
        for (key, value) in [("version", "1.0".to_owned()), ("content", votable(&self.texts))] {
            self.file.append_key_value_metadata(KeyValue::new(format!("IVOA.VOTable-Parquet.{key}"), value));
        }
        for (column, (length, _)) in
            COLUMNS.iter().zip(self.texts).filter(|(c, _)| c.kind == ColumnKind::Text)
        {
            let key = format!("table::len::{}", column.name);
            self.file.append_key_value_metadata(KeyValue::new(key, length.to_string()));
        }
        self.file.into_inner()
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for cells in &mut self.columns {
            if let Some(mut writer) = group.next_column()? {
                cells.write(&mut writer)?;
                writer.close()?;
            }
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

fn schema() -> Result<TypePtr, ParquetError> {
    let fields = COLUMNS.iter().map(|column| {
        let (physical, logical, repetition) = match column.kind {
            ColumnKind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::REQUIRED),
            ColumnKind::Real => (Physical::DOUBLE, None, Repetition::OPTIONAL),
            ColumnKind::Integer => (Physical::INT64, None, Repetition::REQUIRED),
            ColumnKind::Logical => (Physical::BOOLEAN, None, Repetition::REQUIRED),
        };
        let builder = Type::primitive_type_builder(column.name, physical);
        builder.with_logical_type(logical).with_repetition(repetition).build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("photometry").with_fields(fields).build().map(Arc::new)
}

/// The description of the columns, VOTable 1.4 without data. Texts have the length of the longest,
/// for astropy 8.0 cannot read them where it is left open (`*`).
fn votable(texts: &[(usize, bool)]) -> String {
    let columns = COLUMNS.iter().zip(texts).map(|(column, (length, ascii))| {
        let (datatype, size) = match column.kind {
            ColumnKind::Text if *ascii => (VoTableType::Char, ArraySize::Fixed(*length)),
            ColumnKind::Text => (VoTableType::UnicodeChar, ArraySize::Fixed(*length)),
            ColumnKind::Real => (VoTableType::Double, ArraySize::Scalar),
            ColumnKind::Integer => (VoTableType::Long, ArraySize::Scalar),
            ColumnKind::Logical => (VoTableType::Boolean, ArraySize::Scalar),
        };
        VoTableColumn {
            unit: column.unit,
            ucd: column.ucd,
            system: match column.name {
                "ra" | "dec" => "icrs",
                "mjd" => "utc",
                _ => "",
            },
            description: column.description,
            ..VoTableColumn::new(column.name, datatype, size)
        }
    });
    let mut writer = VoTableWriter::new();
    writer.begin_results();
    writer.elements(
        "<COOSYS ID=\"icrs\" system=\"ICRS\"/>\n\
         <TIMESYS ID=\"utc\" timeorigin=\"MJD-origin\" timescale=\"UTC\" refposition=\"TOPOCENTER\"/>\n",
    );
    let description = "Photometry of catalogue sources in SPHEREx spectral images";
    writer.begin_table("photometry", description, columns.collect());
    writer.end_table();
    writer.finish()
}

/// Shows every row of a file, or those of one source.
///
/// # Errors
/// Where the file cannot be read, or has other columns; what `see` returns.
pub(crate) fn read(
    path: &Path,
    target_id: Option<&str>,
    mut see: impl FnMut(BatchRow<'_>) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    let damaged = |e: ParquetError| BatchError::table(path)(e);
    let file = File::open(path).map_err(BatchError::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    check_places(reader.metadata()).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    if !schema.columns().iter().map(|leaf| leaf.name()).eq(COLUMNS.iter().map(|column| column.name)) {
        return Err(BatchError::table(path)("its columns are not those of this version"));
    }
    for number in 0..reader.num_row_groups() {
        let group = reader.get_row_group(number).map_err(damaged)?;
        if target_id.is_some_and(|id| !may_hold(group.metadata(), id)) {
            continue;
        }
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        let columns = (0..COLUMNS.len()).map(|k| Read::new(group.get_column_reader(k)?, rows));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(damaged)?;
        for row in 0..rows {
            let cells = columns.iter().map(|column| column.cell(row)).collect::<Result<Vec<_>, _>>();
            let cells = cells.map_err(BatchError::table(path))?;
            let row = BatchRow::from_values(cells);
            let row = row.ok_or_else(|| BatchError::table(path)("a column is of another type"))?;
            if target_id.is_none_or(|id| row.target_id == id) {
                see(row)?;
            }
        }
    }
    Ok(())
}

/// Refuses a file that places a column before its first byte, at which the crate `parquet` panics.
pub(crate) fn check_places(metadata: &ParquetMetaData) -> Result<(), ParquetError> {
    let columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    for column in columns {
        let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        if start < 0 || column.compressed_size() < 0 {
            let path = column.column_path();
            return Err(ParquetError::General(format!("column {path} starts or ends before the file does")));
        }
    }
    Ok(())
}

/// False where the statistics of a row group exclude a source.
fn may_hold(group: &RowGroupMetaData, target_id: &str) -> bool {
    match group.column(0).statistics() {
        Some(Statistics::ByteArray(statistics)) => {
            let id = target_id.as_bytes();
            statistics.min_opt().is_none_or(|min| min.data() <= id)
                && statistics.max_opt().is_none_or(|max| id <= max.data())
        }
        _ => true,
    }
}

/// A column of a row group that was read.
enum Read {
    Text(Vec<Option<ByteArray>>),
    Real(Vec<Option<f64>>),
    Bits(Vec<Option<i64>>),
    Truth(Vec<Option<bool>>),
}

impl Read {
    fn new(reader: ColumnReader, rows: usize) -> Result<Self, ParquetError> {
        Ok(match reader {
            ColumnReader::ByteArrayColumnReader(mut reader) => Self::Text(next(&mut reader, rows, 0)?),
            ColumnReader::DoubleColumnReader(mut reader) => Self::Real(next(&mut reader, rows, 1)?),
            ColumnReader::Int64ColumnReader(mut reader) => Self::Bits(next(&mut reader, rows, 0)?),
            ColumnReader::BoolColumnReader(mut reader) => Self::Truth(next(&mut reader, rows, 0)?),
            _ => return Err(ParquetError::General("a column is of another type".into())),
        })
    }

    fn cell(&self, row: usize) -> Result<BatchValue<'_>, &'static str> {
        Ok(match self {
            Self::Text(cells) => {
                let text = cells[row].as_ref().map_or(Ok(""), |bytes| bytes.as_utf8());
                BatchValue::Text(Cow::Borrowed(text.map_err(|_| "a text is not UTF-8")?))
            }
            Self::Real(cells) => BatchValue::Real(cells[row].unwrap_or(f64::NAN)),
            Self::Bits(cells) => {
                let bits = u32::try_from(cells[row].unwrap_or_default());
                BatchValue::Integer(bits.map_err(|_| "flags are more than 32 bits")?)
            }
            Self::Truth(cells) => BatchValue::Logical(cells[row].unwrap_or_default()),
        })
    }
}

/// Writes the next column, which has no nulls.
pub(crate) fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    if let Some(mut writer) = group.next_column()? {
        writer.typed::<T>().write_batch(values, None, None)?;
        writer.close()?;
    }
    Ok(())
}

/// The next `count` values of a column that is no list, `None` for nulls; `present` is the level of
/// values that are there, 0 where nulls cannot be.
pub(crate) fn next<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    present: i16,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    // What a file claims to hold is not reserved before it is there.
    let (mut values, mut levels) = (Vec::with_capacity(count.min(1 << 16)), Vec::new());
    let mut read = 0;
    while read < count {
        let levels = (present > 0).then_some(&mut levels);
        match reader.read_records(count - read, levels, None, &mut values)? {
            (0, ..) => return Err(ParquetError::EOF("a column ends early".into())),
            (records, ..) => read += records,
        }
    }
    if present == 0 {
        return Ok(values.into_iter().map(Some).collect());
    }
    let mut values = values.into_iter();
    Ok(levels.into_iter().map(|level| if level == present { values.next() } else { None }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Vec<BatchRow<'static>> {
        let row = |k: usize| BatchRow {
            target_id: format!("s{:06}", k / 4).into(),
            mjd: 61_000.0 + k as f64,
            flux: if k.is_multiple_of(7) { -1.5 } else { 0.1 * k as f64 },
            mag_ab: if k.is_multiple_of(7) { f64::NAN } else { 20.0 },
            flag: u32::MAX - u32::try_from(k).unwrap(),
            is_upper_limit: k.is_multiple_of(3),
            filename: "naïve, \"file\".fits".into(),
            ..BatchRow::default()
        };
        (0..count).map(row).collect()
    }

    fn written(rows: &[BatchRow<'_>]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = RowWriter::new(file.reopen().unwrap(), true, "bad_flags = \"none\"").unwrap();
        rows.iter().for_each(|row| writer.push(row).unwrap());
        writer.finish().unwrap();
        file
    }

    /// Rows as text, for NaN is not equal to itself.
    fn lines(rows: &[BatchRow<'_>]) -> String {
        let mut text = String::new();
        rows.iter().for_each(|row| row.write_line(&mut text));
        text
    }

    fn found(path: &Path, target_id: Option<&str>) -> String {
        let mut text = String::new();
        read(path, target_id, |row| {
            row.write_line(&mut text);
            Ok(())
        })
        .unwrap();
        text
    }

    #[test]
    fn rows_read_back_over_several_row_groups() {
        let rows = rows(2 * GROUP + 5);
        let file = written(&rows);
        assert!(found(file.path(), None) == lines(&rows));
        assert_eq!(found(file.path(), Some("s000003")), lines(&rows[12..16]));
        assert_eq!(found(file.path(), Some("t")), "");
        assert_eq!(std::fs::read(file.path()).unwrap(), std::fs::read(written(&rows).path()).unwrap());
    }

    #[test]
    fn the_description_has_a_field_for_each_column() {
        let file = written(&rows(3));
        let reader = SerializedFileReader::new(file.reopen().unwrap()).unwrap();
        let metadata = reader.metadata().file_metadata();
        let pairs = metadata.key_value_metadata().unwrap();
        let value = |key: &str| pairs.iter().find(|p| p.key == key).unwrap().value.as_deref().unwrap();
        assert_eq!(value("IVOA.VOTable-Parquet.version"), "1.0");
        assert_eq!(value("table::len::target_id"), "7");
        assert_eq!(value("spx.settings"), "bad_flags = \"none\"");
        let text = value("IVOA.VOTable-Parquet.content");
        let names: Vec<&str> =
            text.split("<FIELD name=\"").skip(1).map(|f| f.split('"').next().unwrap()).collect();
        assert_eq!(names, COLUMNS.map(|column| column.name));
        assert!(!text.contains("<DATA") && text.contains("unit=\"uJy/arcsec**2\""));
        assert!(text.contains("name=\"target_id\" datatype=\"char\" arraysize=\"7\""), "{text}");
        assert!(text.contains("name=\"filename\" datatype=\"unicodeChar\" arraysize=\"18\""), "{text}");
        assert!(COLUMNS.iter().all(|c| ![c.unit, c.ucd, c.description].concat().contains(['<', '&', '"'])));
    }

    #[test]
    fn other_files_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "PAR1").unwrap();
        assert!(matches!(read(file.path(), None, |_| Ok(())), Err(BatchError::Table { .. })));
    }
}
