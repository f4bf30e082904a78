//! Answers as documents: VOTable 1.4 (TABLEDATA and BINARY2) and CSV.

use spx_votable::{ArraySize, QueryStatus, VoTableCell, VoTableColumn, VoTableType, VoTableWriter};

use crate::sphere::Region;
use crate::table::{Answer, Column, Kind, Value};

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    TableData,
    Binary2,
    Csv,
}

impl Format {
    /// From FORMAT or RESPONSEFORMAT; VOTable with TABLEDATA where none is given. `None` for what
    /// is unknown.
    pub(crate) fn parse(name: Option<&str>) -> Option<Self> {
        let Some(name) = name else { return Some(Self::TableData) };
        let plain: String = name.to_ascii_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
        match plain.as_str() {
            ""
            | "votable"
            | "votable/td"
            | "text/xml"
            | "application/xml"
            | "application/x-votable+xml"
            | "application/x-votable+xml;serialization=tabledata" => Some(Self::TableData),
            "votable/b2" | "application/x-votable+xml;serialization=binary2" => Some(Self::Binary2),
            "csv" | "text/csv" | "text/csv;header=present" => Some(Self::Csv),
            _ => None,
        }
    }

    /// The media type of the answer.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::TableData => "application/x-votable+xml",
            Self::Binary2 => "application/x-votable+xml;serialization=BINARY2",
            Self::Csv => "text/csv;header=present;charset=UTF-8",
        }
    }
}

/// An answer as a document; `extra` is put behind the results of a VOTable, as further RESOURCEs.
pub(crate) fn document(answer: &Answer, format: Format, extra: &str) -> String {
    match format {
        Format::Csv => csv(answer),
        Format::TableData | Format::Binary2 => votable(answer, format, extra),
    }
}

/// A VOTable that says what went wrong (DALI 1.1, section 4.2).
pub(crate) fn error(message: &str) -> String {
    let mut writer = VoTableWriter::new();
    writer.begin_results();
    writer.status(&QueryStatus::Error(message.to_owned()));
    writer.finish()
}

fn votable(answer: &Answer, format: Format, extra: &str) -> String {
    let columns = answer.columns.iter().enumerate().map(|(k, column)| {
        // Service descriptors refer to the ID, and some clients call the column by it.
        let first = !answer.columns[..k].iter().any(|other| other.name == column.name);
        if first { field(column).with_id() } else { field(column) }
    });
    let rows = answer
        .rows
        .iter()
        .map(|row| row.iter().zip(&answer.columns).map(|(value, column)| cell(value, column.kind)).collect());
    let mut writer = VoTableWriter::new();
    writer.begin_results();
    writer.status(&QueryStatus::Ok);
    writer.begin_table("", "", columns.collect());
    match format {
        Format::Binary2 => writer.binary2(rows),
        _ => writer.table_data(rows),
    }
    writer.end_table();
    if answer.overflow {
        writer.status(&QueryStatus::Overflow);
    }
    writer.end_results();
    writer.elements(extra);
    writer.finish()
}

fn field(column: &Column) -> VoTableColumn<'_> {
    use ArraySize::{Scalar, Variable};
    let (datatype, size, xtype) = match column.kind {
        Kind::Text => (VoTableType::Char, Variable, ""),
        Kind::Int => (VoTableType::Int, Scalar, ""),
        Kind::Long => (VoTableType::Long, Scalar, ""),
        Kind::Double => (VoTableType::Double, Scalar, ""),
        Kind::Polygon => (VoTableType::Double, Variable, "polygon"),
        Kind::Region => (VoTableType::Char, Variable, "adql:REGION"),
    };
    VoTableColumn {
        xtype,
        unit: column.unit,
        ucd: column.ucd,
        utype: column.utype,
        description: column.description,
        ..VoTableColumn::new(&column.name, datatype, size)
    }
}

/// A cell as VOTable has it.
fn cell(value: &Value, kind: Kind) -> VoTableCell {
    match value {
        Value::Null => VoTableCell::Null,
        // Queries compute whole numbers in columns of real ones, too.
        Value::Integer(v) if kind == Kind::Double => VoTableCell::Real(*v as f64),
        Value::Integer(v) => VoTableCell::Int(*v),
        Value::Real(v) => VoTableCell::Real(*v),
        Value::Text(text) => VoTableCell::Text(text.to_string()),
        Value::Region(region) if kind == Kind::Polygon => VoTableCell::Reals(coordinates(region)),
        Value::Region(region) => VoTableCell::Text(region_text(region)),
    }
}

/// The numbers of a region: of a polygon its corners \[deg\].
fn coordinates(region: &Region) -> Vec<f64> {
    match region {
        Region::Polygon(polygon) => polygon.corners().flatten().collect(),
        Region::Point(_) => region.point().into_iter().flatten().collect(),
        Region::Circle(circle) => circle.numbers().to_vec(),
    }
}

/// `POLYGON ICRS ra dec ra dec ...`
pub(crate) fn region_text(region: &Region) -> String {
    let name = match region {
        Region::Point(_) => "POSITION",
        Region::Circle(_) => "CIRCLE",
        Region::Polygon(_) => "POLYGON",
    };
    let numbers: Vec<String> = coordinates(region).iter().map(|v| format!("{v:?}")).collect();
    format!("{name} ICRS {}", numbers.join(" "))
}

fn csv(answer: &Answer) -> String {
    let line = |cells: Vec<String>| cells.join(",") + "\r\n";
    let mut text = line(answer.columns.iter().map(|c| quoted(&c.name)).collect());
    for row in &answer.rows {
        let cells = row.iter().zip(&answer.columns).map(|(v, c)| quoted(&cell(v, c.kind).to_string()));
        text.push_str(&line(cells.collect()));
    }
    text
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::column;

    fn answer() -> Answer {
        Answer {
            columns: vec![
                column("name", Kind::Text, "", "a \"name\" & more"),
                column("x", Kind::Double, "deg", ""),
                column("n", Kind::Long, "", ""),
            ],
            rows: vec![
                vec!["a<b, \"ü\"".into(), 0.1.into(), 7_i64.into()],
                vec![Value::Null, Value::Null, Value::Null],
            ],
            overflow: true,
        }
    }

    #[test]
    fn tabledata_is_escaped_and_marks_overflow() {
        let xml = document(&answer(), Format::TableData, "");
        assert!(xml.contains("<TR><TD>a&lt;b, &quot;ü&quot;</TD><TD>0.1</TD><TD>7</TD></TR>"), "{xml}");
        assert!(xml.contains("<TR><TD></TD><TD></TD><TD></TD></TR>"));
        assert!(xml.contains("<INFO name=\"QUERY_STATUS\" value=\"OVERFLOW\"/>"));
    }

    #[test]
    fn csv_quotes() {
        assert_eq!(document(&answer(), Format::Csv, ""), "name,x,n\r\n\"a<b, \"\"ü\"\"\",0.1,7\r\n,,\r\n");
    }

    #[test]
    fn formats_by_their_names() {
        assert_eq!(
            Format::parse(Some("application/x-votable+xml; serialization=BINARY2")),
            Some(Format::Binary2)
        );
        assert_eq!(Format::parse(Some("CSV")), Some(Format::Csv));
        assert_eq!(Format::parse(None), Some(Format::TableData));
        assert_eq!(Format::parse(Some("xlsx")), None);
    }
}
