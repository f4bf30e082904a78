//! Tables of sources from files of comma-separated values.

use std::path::Path;

use crate::table::{Column, Kind, Table, Value};

/// Reads a table; its first line has the names of columns. A column whose values are all whole
/// numbers holds such, one whose values are all numbers reals, any other text; empty values are
/// null.
///
/// # Errors
/// What is wrong with the name or the file.
pub(crate) fn read(name: &str, path: &Path) -> Result<Table, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err("the name of a table has letters, digits and underscores".into());
    }
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path).map_err(|e| e.to_string())?;
    let names = reader.headers().map_err(|e| e.to_string())?.clone();
    let records = reader.records().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    let kinds: Vec<Kind> = (0..names.len())
        .map(|k| {
            let all = |test: fn(&str) -> bool| {
                records.iter().map(|record| record[k].trim()).filter(|text| !text.is_empty()).all(test)
            };
            match (all(|text| text.parse::<i64>().is_ok()), all(|text| text.parse::<f64>().is_ok())) {
                (true, _) => Kind::Long,
                (false, true) => Kind::Double,
                (false, false) => Kind::Text,
            }
        })
        .collect();
    let value = |text: &str, kind: Kind| match (text.trim(), kind) {
        ("", _) => Value::Null,
        (text, Kind::Long) => text.parse::<i64>().ok().into(),
        (text, Kind::Double) => text.parse::<f64>().ok().into(),
        (text, _) => text.into(),
    };
    let row = |record: &csv::StringRecord| -> Vec<Value> {
        record.iter().zip(&kinds).map(|(text, kind)| value(text, *kind)).collect()
    };
    Ok(Table {
        name: name.to_owned().into(),
        description: "Sources",
        columns: names.iter().zip(&kinds).map(|(n, kind)| Column::of(n.trim().to_owned(), *kind)).collect(),
        rows: records.iter().map(row).collect(),
    })
}
