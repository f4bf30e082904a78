//! The measurements of several sources in one table.

use serde_json::json;
use spx_core::columns::{ColumnKind, TableColumn};

use super::table::{MeasurementTable, TableForm};
use crate::PipelineError;
use crate::cell_table::{CREATOR, CellTable, CellValue, HeadValue};

/// Names the source of a row.
const SOURCE: TableColumn = TableColumn {
    name: "source",
    kind: ColumnKind::Text,
    unit: "",
    ucd: "meta.id;meta.main",
    description: "Name of the source in the list",
};

/// Renders the tables of several sources as one, with a column `source` before the others; rows are
/// those of the first source, then those of the next. JSON is a list of the tables. All tables must
/// have the same columns.
///
/// # Errors
/// None that is known of.
pub(crate) fn render_together(
    tables: &[MeasurementTable<'_>],
    generated: &str,
    form: TableForm,
) -> Result<Vec<u8>, PipelineError> {
    if form == TableForm::Json {
        let sources: Vec<_> = tables.iter().map(MeasurementTable::json).collect();
        let all = json!({"creator": CREATOR, "generated": generated, "sources": sources});
        return Ok(format!("{}\n", serde_json::to_string_pretty(&all)?).into_bytes());
    }
    let columns = tables.first().map(MeasurementTable::columns).unwrap_or_default();
    let rows = tables.iter().flat_map(|table| {
        let with_name = |cells| {
            let name = CellValue::Text(table.head.name.as_str().into());
            std::iter::once(name).chain::<Vec<_>>(cells).collect()
        };
        table.listed().map(|entry| table.cells(entry, &columns)).map(with_name).collect::<Vec<Vec<_>>>()
    });
    let table = CellTable {
        name: "photometry",
        title: format!("{} sources: {CREATOR}", tables.len()),
        columns: std::iter::once(SOURCE).chain(columns.iter().map(|column| column.column)).collect(),
        rows: rows.collect(),
        head: vec![
            ("creator", HeadValue::Text(CREATOR.to_owned())),
            ("generated", HeadValue::Text(generated.to_owned())),
            ("calibration", HeadValue::List(calibration(tables))),
            ("settings", HeadValue::List(settings(tables).to_vec())),
        ],
    };
    match form {
        TableForm::Ecsv => table.ecsv(),
        TableForm::VoTable => Ok(table.votable().into_bytes()),
        TableForm::Csv | TableForm::Json => table.csv(comments(tables, &table, generated)),
    }
}

/// Names of all calibration products that were at hand.
fn calibration(tables: &[MeasurementTable<'_>]) -> Vec<String> {
    let mut names: Vec<String> =
        tables.iter().flat_map(|table| table.head.calibration.iter().cloned()).collect();
    names.sort();
    names.dedup();
    names
}

/// How all of them were measured.
fn settings<'t>(tables: &'t [MeasurementTable<'_>]) -> &'t [String] {
    tables.first().map(|table| table.head.settings.as_slice()).unwrap_or_default()
}

fn comments(tables: &[MeasurementTable<'_>], table: &CellTable<'_>, generated: &str) -> String {
    let mut text = format!(
        "# SPHEREx Light Curve Data\n# Sources: {}\n# Generated: {generated}\n# Number of observations: {}\n\
         # Made by {CREATOR} with {}\n#\n# Column descriptions:\n",
        tables.len(),
        table.rows.len(),
        settings(tables).join(", ")
    );
    for TableColumn { name, unit, description, .. } in &table.columns {
        let unit = if unit.is_empty() { String::new() } else { format!(" [{unit}]") };
        text.push_str(&format!("# - {name}: {description}{unit}\n"));
    }
    text + "#\n"
}
