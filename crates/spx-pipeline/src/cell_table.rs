//! Tables of cells as CSV, ECSV, VOTable and FITS.
//!
//! ECSV is astropy's Enhanced Character-Separated Values 1.0 (APE 6): a YAML header in comments,
//! then CSV. VOTable is version 1.4; texts have the length of the longest, for some readers want
//! that. A FITS table is a binary table in the first extension.

use std::borrow::Cow;
use std::path::Path;

use spx_core::atomic::AtomicFile;
use spx_core::columns::{ColumnKind, TableColumn};
use spx_core::fits::{ColumnSpec, FitsError, FitsWriter};
use spx_core::header::{CardValue, Header};
use spx_votable::{ArraySize, QueryStatus, VoTableCell, VoTableColumn, VoTableType, VoTableWriter, escape};

use crate::output::check_output;
use crate::{PipelineError, ResultContext as _};

/// The program that makes the tables.
pub(crate) const CREATOR: &str = concat!("spx ", env!("CARGO_PKG_VERSION"));
/// In FITS, integers that are not there.
const NO_INTEGER: i64 = i64::MIN;

/// The value of a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum CellValue<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A number; it may be NaN.
    Real(f64),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Logical(bool),
    /// There is none.
    Empty,
}

impl CellValue<'_> {
    pub(crate) fn real(value: Option<f64>) -> Self {
        value.map_or(Self::Empty, Self::Real)
    }

    pub(crate) fn integer(value: Option<usize>) -> Self {
        value.and_then(|value| value.try_into().ok()).map_or(Self::Empty, Self::Integer)
    }
}

/// A value in the head of a table.
#[derive(Debug, Clone)]
pub(crate) enum HeadValue {
    Text(String),
    Real(f64),
    List(Vec<String>),
}

/// A table whose cells are known.
pub(crate) struct CellTable<'a> {
    /// Its name in a VOTable and in FITS.
    pub(crate) name: &'static str,
    /// Its description.
    pub(crate) title: String,
    pub(crate) columns: Vec<TableColumn>,
    /// Cells in the order of the columns.
    pub(crate) rows: Vec<Vec<CellValue<'a>>>,
    /// What its head says, by name.
    pub(crate) head: Vec<(&'static str, HeadValue)>,
}

/// What a head says, as elements INFO of a VOTable.
pub(crate) fn infos(writer: &mut VoTableWriter, head: &[(&'static str, HeadValue)]) {
    for (name, value) in head {
        let values = match value {
            HeadValue::Text(text) => vec![text.clone()],
            HeadValue::Real(number) => vec![format!("{number:?}")],
            HeadValue::List(texts) => texts.clone(),
        };
        for value in values {
            writer.elements(&format!("<INFO name=\"{name}\" value=\"{}\"/>\n", escape(&value)));
        }
    }
}

/// What a head says, as comments of CSV: a line `# name: value` each.
pub(crate) fn comments(head: &[(&'static str, HeadValue)]) -> String {
    let line = |(name, value): &(&'static str, HeadValue)| {
        let value = match value {
            HeadValue::Text(text) => text.clone(),
            HeadValue::Real(number) => format!("{number:?}"),
            HeadValue::List(texts) => texts.join(", "),
        };
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("# {name}: {value}\n")
    };
    head.iter().map(line).collect()
}

impl CellTable<'_> {
    /// CSV below what the head says.
    pub(crate) fn commented_csv(&self) -> Result<Vec<u8>, PipelineError> {
        self.csv(comments(&self.head))
    }

    /// CSV below a head that is given.
    pub(crate) fn csv(&self, head: String) -> Result<Vec<u8>, PipelineError> {
        let mut writer = csv::Writer::from_writer(head.into_bytes());
        writer.write_record(self.columns.iter().map(|column| column.name))?;
        for row in &self.rows {
            writer.write_record(row.iter().map(text))?;
        }
        writer.into_inner().map_err(|error| PipelineError::failed(error.into_error())).context("csv")
    }

    /// ECSV.
    pub(crate) fn ecsv(&self) -> Result<Vec<u8>, PipelineError> {
        let mut yaml = String::from("# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n");
        for TableColumn { name, kind, unit, ucd, description } in &self.columns {
            let datatype = match kind {
                ColumnKind::Text => "string",
                ColumnKind::Real => "float64",
                ColumnKind::Integer => "int64",
                ColumnKind::Logical => "bool",
            };
            let unit = if unit.is_empty() { String::new() } else { format!(", unit: {}", quoted(unit)) };
            yaml.push_str(&format!(
                "# - {{name: {name}{unit}, datatype: {datatype}, description: {}, meta: {{ucd: {}}}}}\n",
                quoted(description),
                quoted(ucd)
            ));
        }
        yaml.push_str("# meta:\n");
        for (name, value) in &self.head {
            let value = match value {
                HeadValue::Text(text) => quoted(text),
                HeadValue::Real(number) => format!("{number:?}"),
                HeadValue::List(texts) => {
                    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                    format!("[{}]", texts.join(", "))
                }
            };
            yaml.push_str(&format!("#   {name}: {value}\n"));
        }
        self.csv(yaml + "# schema: astropy-2.0\n")
    }

    /// VOTable.
    pub(crate) fn votable(&self) -> String {
        let fields = self.columns.iter().enumerate().map(|(k, column)| {
            let (datatype, size) = match column.kind {
                ColumnKind::Text => {
                    let length = self.longest(k, |text| text.encode_utf16().count());
                    (VoTableType::UnicodeChar, ArraySize::Fixed(length))
                }
                ColumnKind::Real => (VoTableType::Double, ArraySize::Scalar),
                ColumnKind::Integer => (VoTableType::Long, ArraySize::Scalar),
                ColumnKind::Logical => (VoTableType::Boolean, ArraySize::Scalar),
            };
            let TableColumn { name, unit, ucd, description, .. } = *column;
            VoTableColumn { unit, ucd, description, ..VoTableColumn::new(name, datatype, size) }
        });
        let mut writer = VoTableWriter::new();
        writer.begin_results();
        writer.status(&QueryStatus::Ok);
        infos(&mut writer, &self.head);
        writer.begin_table(self.name, &self.title, fields.collect());
        writer.table_data(self.rows.iter().map(|row| row.iter().map(in_votable).collect()));
        writer.end_table();
        writer.finish()
    }

    /// Writes a FITS table. Numbers that are not there are NaN, or the TNULL of the column; logical
    /// values are 1 and 0.
    ///
    /// # Errors
    /// Usage where the file exists and is not to be replaced; otherwise what the disk reports.
    pub(crate) fn write_fits(&self, path: &Path, overwrite: bool) -> Result<(), PipelineError> {
        let name = || path.display().to_string();
        check_output(path, overwrite)?;
        let file = AtomicFile::new(path, overwrite).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => PipelineError::exists(path),
            _ => PipelineError::failed(error),
        })?;
        self.fill_fits(file.path()).map_err(PipelineError::failed).with_context(name)?;
        file.commit().with_context(name)
    }

    fn fill_fits(&self, path: &Path) -> Result<(), FitsError> {
        let formats: Vec<String> = self.columns.iter().enumerate().map(|(k, c)| self.format(k, c)).collect();
        let specs: Vec<ColumnSpec<'_>> = self
            .columns
            .iter()
            .zip(&formats)
            .map(|(column, format)| ColumnSpec { name: column.name, format, unit: column.unit, dim: None })
            .collect();
        let mut fits = FitsWriter::create(path)?;
        fits.table(&self.name.to_uppercase(), self.rows.len(), &specs, &self.cards())?;
        for (k, column) in self.columns.iter().enumerate() {
            let cells = self.rows.iter().map(|row| &row[k]);
            match column.kind {
                ColumnKind::Text => {
                    let texts: Vec<String> = cells.map(|cell| ascii(&text(cell))).collect();
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    fits.write_text_column(column.name, 0, &texts)?;
                }
                ColumnKind::Real => {
                    let of = |cell: &CellValue<'_>| if let CellValue::Real(n) = cell { *n } else { f64::NAN };
                    fits.write_column(column.name, 0, &cells.map(of).collect::<Vec<_>>())?;
                }
                ColumnKind::Integer => {
                    let of =
                        |cell: &CellValue<'_>| if let CellValue::Integer(n) = cell { *n } else { NO_INTEGER };
                    fits.write_column(column.name, 0, &cells.map(of).collect::<Vec<_>>())?;
                }
                ColumnKind::Logical => {
                    let of = |cell: &CellValue<'_>| u8::from(*cell == CellValue::Logical(true));
                    fits.write_column(column.name, 0, &cells.map(of).collect::<Vec<_>>())?;
                }
            }
        }
        fits.checksum()?;
        fits.finish()
    }

    fn format(&self, number: usize, column: &TableColumn) -> String {
        match column.kind {
            ColumnKind::Text => format!("{}A", self.longest(number, str::len)),
            ColumnKind::Real => "1D".to_owned(),
            ColumnKind::Integer => "1K".to_owned(),
            ColumnKind::Logical => "1B".to_owned(),
        }
    }

    fn cards(&self) -> Header {
        let mut cards = Header::new();
        for (k, column) in self.columns.iter().enumerate() {
            if column.kind == ColumnKind::Integer {
                cards.set(&format!("TNULL{}", k + 1), NO_INTEGER, "not there");
            }
            cards.set(&format!("TUCD{}", k + 1), column.ucd, "");
        }
        for (name, value) in &self.head {
            let value: CardValue = match value {
                HeadValue::Text(text) => ascii(text).as_str().into(),
                HeadValue::Real(number) => (*number).into(),
                HeadValue::List(texts) => ascii(&texts.join(", ")).as_str().into(),
            };
            cards.set(&name.to_uppercase(), value, "");
        }
        cards
    }

    /// The length of the longest text of a column, at least 1.
    fn longest(&self, column: usize, length: impl Fn(&str) -> usize) -> usize {
        let of = |row: &Vec<CellValue<'_>>| match &row[column] {
            CellValue::Text(text) => length(text),
            _ => 0,
        };
        self.rows.iter().map(of).max().unwrap_or(0).max(1)
    }
}

/// A cell of CSV. Numbers have as many digits as it takes to read the same number back; logical
/// values are Python's.
fn text(value: &CellValue<'_>) -> String {
    match value {
        CellValue::Text(text) => text.clone().into_owned(),
        CellValue::Real(number) if number.is_nan() => "nan".to_owned(),
        CellValue::Real(number) => format!("{number:?}"),
        CellValue::Integer(number) => number.to_string(),
        CellValue::Logical(true) => "True".to_owned(),
        CellValue::Logical(false) => "False".to_owned(),
        CellValue::Empty => String::new(),
    }
}

/// A string of FITS, which has ASCII alone (FITS 4.0, 4.2.1): a question mark for every other
/// letter of a name.
fn ascii(text: &str) -> String {
    text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect()
}

fn in_votable(value: &CellValue<'_>) -> VoTableCell {
    match value {
        CellValue::Text(text) => VoTableCell::Text(text.clone().into_owned()),
        CellValue::Real(number) => VoTableCell::Real(*number),
        CellValue::Integer(number) => VoTableCell::Int(*number),
        CellValue::Logical(value) => VoTableCell::Bool(*value),
        CellValue::Empty => VoTableCell::Null,
    }
}

/// A YAML string in single quotes.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("'{}'", plain.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_has_question_marks_for_letters_that_it_lacks() {
        let column =
            TableColumn { name: "name", kind: ColumnKind::Text, unit: "", ucd: "meta.id", description: "" };
        let table = CellTable {
            name: "stars",
            title: String::new(),
            columns: vec![column],
            rows: vec![vec![CellValue::Text("é 1".into())]],
            head: vec![("source", HeadValue::Text("β Pictoris ☆".to_owned()))],
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stars.fits");
        table.write_fits(&path, false).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has("SOURCE  = '? Pictoris ?'") && has("? 1 "));
    }
}
