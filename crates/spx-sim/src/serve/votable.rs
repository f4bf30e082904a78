//! Answers as documents: VOTable 1.4 (TABLEDATA and BINARY2) and CSV.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::sphere::Region;
use super::table::{Answer, Column, Kind, Value};

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    TableData,
    Binary2,
    Csv,
}

impl Format {
    /// From FORMAT or RESPONSEFORMAT; VOTable with TABLEDATA where none is given. `None` for what is unknown.
    pub(super) fn parse(name: Option<&str>) -> Option<Self> {
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
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::TableData => "application/x-votable+xml",
            Self::Binary2 => "application/x-votable+xml;serialization=BINARY2",
            Self::Csv => "text/csv;header=present;charset=UTF-8",
        }
    }
}

/// An answer as a document; `extra` is put behind the results of a VOTable, as further RESOURCEs.
pub(super) fn document(answer: &Answer, format: Format, extra: &str) -> String {
    match format {
        Format::Csv => csv(answer),
        Format::TableData | Format::Binary2 => votable(answer, format, extra),
    }
}

/// A VOTable that says what went wrong (DALI 1.1, section 4.2).
pub(super) fn error(message: &str) -> String {
    format!(
        "{HEAD}<RESOURCE type=\"results\">\n<INFO name=\"QUERY_STATUS\" value=\"ERROR\">{}</INFO>\n\
         </RESOURCE>\n</VOTABLE>\n",
        escape(message)
    )
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<VOTABLE version=\"1.4\" \
    xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n";

/// Text for XML; characters that XML cannot hold are replaced.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

fn votable(answer: &Answer, format: Format, extra: &str) -> String {
    let mut xml = String::from(HEAD);
    xml.push_str("<RESOURCE type=\"results\">\n<INFO name=\"QUERY_STATUS\" value=\"OK\"/>\n<TABLE>\n");
    for (k, column) in answer.columns.iter().enumerate() {
        let first = !answer.columns[..k].iter().any(|other| other.name == column.name);
        xml.push_str(&field(column, first));
    }
    xml.push_str("<DATA>");
    match format {
        Format::Binary2 => {
            let _ = write!(
                xml,
                "<BINARY2><STREAM encoding=\"base64\">{}</STREAM></BINARY2>",
                STANDARD.encode(binary2(answer))
            );
        }
        _ => table_data(answer, &mut xml),
    }
    xml.push_str("</DATA>\n</TABLE>\n");
    if answer.overflow {
        xml.push_str("<INFO name=\"QUERY_STATUS\" value=\"OVERFLOW\"/>\n");
    }
    xml.push_str("</RESOURCE>\n");
    xml.push_str(extra);
    xml.push_str("</VOTABLE>\n");
    xml
}

/// A FIELD. Its ID, to which service descriptors refer, is its name, for some clients call the column by that;
/// without one where the name is taken or is no XML identifier.
fn field(column: &Column, first: bool) -> String {
    let datatype = match column.kind {
        Kind::Text => "datatype=\"char\" arraysize=\"*\"",
        Kind::Int => "datatype=\"int\"",
        Kind::Long => "datatype=\"long\"",
        Kind::Double => "datatype=\"double\"",
        Kind::Polygon => "datatype=\"double\" arraysize=\"*\" xtype=\"polygon\"",
        Kind::Region => "datatype=\"char\" arraysize=\"*\" xtype=\"adql:REGION\"",
    };
    let name = &column.name;
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let id = if first && plain { format!(" ID=\"{name}\"") } else { String::new() };
    let mut xml = format!("<FIELD{id} name=\"{}\" {datatype}", escape(name));
    for (name, value) in [("unit", column.unit), ("ucd", column.ucd), ("utype", column.utype)] {
        if !value.is_empty() {
            let _ = write!(xml, " {name}=\"{}\"", escape(value));
        }
    }
    match column.description {
        "" => xml.push_str("/>\n"),
        text => {
            let _ = writeln!(xml, "><DESCRIPTION>{}</DESCRIPTION></FIELD>", escape(text));
        }
    }
    xml
}

fn table_data(answer: &Answer, xml: &mut String) {
    xml.push_str("<TABLEDATA>\n");
    for row in &answer.rows {
        xml.push_str("<TR>");
        for (value, column) in row.iter().zip(&answer.columns) {
            let _ = write!(xml, "<TD>{}</TD>", escape(&cell(value, column.kind)));
        }
        xml.push_str("</TR>\n");
    }
    xml.push_str("</TABLEDATA>");
}

/// A cell as text; null is empty.
fn cell(value: &Value, kind: Kind) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(v) => v.to_string(),
        Value::Real(v) if v.is_nan() => "NaN".to_owned(),
        Value::Real(v) => format!("{v:?}"),
        Value::Text(text) => text.to_string(),
        Value::Region(region) if kind == Kind::Polygon => {
            coordinates(region).iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(" ")
        }
        Value::Region(region) => region_text(region),
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
pub(super) fn region_text(region: &Region) -> String {
    let name = match region {
        Region::Point(_) => "POSITION",
        Region::Circle(_) => "CIRCLE",
        Region::Polygon(_) => "POLYGON",
    };
    let numbers: Vec<String> = coordinates(region).iter().map(|v| format!("{v:?}")).collect();
    format!("{name} ICRS {}", numbers.join(" "))
}

/// Rows in BINARY2: for each the null flags, the first column in the highest bit, then the cells, big-endian;
/// texts and arrays behind their length.
fn binary2(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in &answer.rows {
        let mut flags = vec![0_u8; row.len().div_ceil(8)];
        for (k, value) in row.iter().enumerate() {
            if *value == Value::Null {
                flags[k / 8] |= 0x80 >> (k % 8);
            }
        }
        bytes.extend(flags);
        for (value, column) in row.iter().zip(&answer.columns) {
            binary_cell(value, column.kind, &mut bytes);
        }
    }
    bytes
}

fn binary_cell(value: &Value, kind: Kind, bytes: &mut Vec<u8>) {
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let integer = if let Value::Integer(v) = value { *v } else { 0 };
    match kind {
        Kind::Int => bytes.extend(i32::try_from(integer).unwrap_or(i32::MAX).to_be_bytes()),
        Kind::Long => bytes.extend(integer.to_be_bytes()),
        Kind::Double => bytes.extend(value.real().unwrap_or(f64::NAN).to_be_bytes()),
        Kind::Polygon => {
            let numbers = if let Value::Region(r) = value { coordinates(r) } else { Vec::new() };
            bytes.extend(length(numbers.len()));
            numbers.iter().for_each(|v| bytes.extend(v.to_be_bytes()));
        }
        Kind::Text | Kind::Region => {
            let text = cell(value, kind);
            bytes.extend(length(text.len()));
            bytes.extend(text.into_bytes());
        }
    }
}

fn csv(answer: &Answer) -> String {
    let line = |cells: Vec<String>| cells.join(",") + "\r\n";
    let mut text = line(answer.columns.iter().map(|c| quoted(&c.name)).collect());
    for row in &answer.rows {
        let cells = row.iter().zip(&answer.columns).map(|(v, c)| quoted(&cell(v, c.kind)));
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
    use crate::serve::table::column;

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
    fn binary2_has_flags_and_lengths() {
        let bytes = binary2(&answer());
        let text = "a<b, \"ü\"";
        assert_eq!(bytes[0], 0);
        assert_eq!(bytes[1..5], u32::try_from(text.len()).unwrap().to_be_bytes());
        let second = 1 + 4 + text.len() + 16;
        assert_eq!(bytes[second], 0b1110_0000);
        assert_eq!(bytes.len(), second + 1 + 4 + 16);
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
