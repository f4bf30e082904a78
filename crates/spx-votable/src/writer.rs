//! The writer: a VOTable 1.4 document with one table of results, as text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::field::{ArraySize, VoTableCell, VoTableType};
use crate::reader::QueryStatus;

/// A column to be written. Texts that are empty leave their attribute out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoTableColumn<'a> {
    /// The XML identifier of the column; see [`with_id`](Self::with_id).
    pub id: Option<&'a str>,
    /// Name.
    pub name: &'a str,
    /// Type of its values.
    pub datatype: VoTableType,
    /// How many values a cell holds.
    pub size: ArraySize,
    /// Extended type (DALI 1.1, section 3), such as `polygon`.
    pub xtype: &'a str,
    /// Unit (VOUnits).
    pub unit: &'a str,
    /// UCD.
    pub ucd: &'a str,
    /// Role in a data model.
    pub utype: &'a str,
    /// ID of the COOSYS or TIMESYS that the column refers to.
    pub system: &'a str,
    /// Description.
    pub description: &'a str,
}

impl<'a> VoTableColumn<'a> {
    /// A column with a name and a type and nothing else.
    pub const fn new(name: &'a str, datatype: VoTableType, size: ArraySize) -> Self {
        Self {
            id: None,
            name,
            datatype,
            size,
            xtype: "",
            unit: "",
            ucd: "",
            utype: "",
            system: "",
            description: "",
        }
    }

    /// The column with its name as ID, where the name is an XML identifier.
    #[must_use]
    pub fn with_id(self) -> Self {
        let name = self.name;
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        Self { id: plain.then_some(name), ..self }
    }
}

/// Writes a document, element by element, in the order in which its methods are called.
///
/// ```
/// use spx_votable::{ArraySize, VoTableCell, VoTableColumn, VoTableType, VoTableWriter};
///
/// let flux = VoTableColumn::new("flux", VoTableType::Double, ArraySize::Scalar);
/// let flux = VoTableColumn { unit: "uJy", ..flux };
/// let mut writer = VoTableWriter::new();
/// writer.begin_results();
/// writer.begin_table("photometry", "", vec![flux]);
/// writer.table_data([vec![VoTableCell::Real(12.5)]]);
/// writer.end_table();
/// let document = writer.finish();
/// assert!(document.contains("<TR><TD>12.5</TD></TR>"));
/// ```
#[derive(Debug)]
pub struct VoTableWriter<'a> {
    xml: String,
    columns: Vec<VoTableColumn<'a>>,
    in_results: bool,
}

impl Default for VoTableWriter<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> VoTableWriter<'a> {
    /// Begins a document.
    pub fn new() -> Self {
        let xml = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <VOTABLE version=\"1.4\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n",
        );
        Self { xml, columns: Vec::new(), in_results: false }
    }

    /// Begins the RESOURCE of the results.
    pub fn begin_results(&mut self) {
        self.xml.push_str("<RESOURCE type=\"results\">\n");
        self.in_results = true;
    }

    /// Writes the status of a query (DALI 1.1, section 4.4).
    pub fn status(&mut self, status: &QueryStatus) {
        let (value, message) = match status {
            QueryStatus::Ok => ("OK", ""),
            QueryStatus::Overflow => ("OVERFLOW", ""),
            QueryStatus::Error(message) => ("ERROR", message.as_str()),
        };
        let end = match message {
            "" => "/>".to_owned(),
            message => format!(">{}</INFO>", escape(message)),
        };
        // Writing to a string cannot fail, here and below.
        writeln!(self.xml, "<INFO name=\"QUERY_STATUS\" value=\"{value}\"{end}").ok();
    }

    /// Writes elements that this writer does not know, such as COOSYS or service descriptors. The
    /// caller answers for their being well formed and in the right place.
    pub fn elements(&mut self, xml: &str) {
        self.xml.push_str(xml);
    }

    /// Begins a table and describes its columns; name and description may be empty.
    pub fn begin_table(&mut self, name: &str, description: &str, columns: Vec<VoTableColumn<'a>>) {
        self.xml.push_str("<TABLE");
        attribute(&mut self.xml, "name", name);
        self.xml.push_str(">\n");
        if !description.is_empty() {
            writeln!(self.xml, "<DESCRIPTION>{}</DESCRIPTION>", escape(description)).ok();
        }
        for column in &columns {
            field(&mut self.xml, column);
        }
        self.columns = columns;
    }

    /// Writes rows as text, a cell for each column. Text in a column of numbers is written as it
    /// stands, for callers who choose the number of digits.
    pub fn table_data(&mut self, rows: impl IntoIterator<Item = Vec<VoTableCell>>) {
        self.xml.push_str("<DATA><TABLEDATA>\n");
        for row in rows {
            self.xml.push_str("<TR>");
            for cell in &row {
                write!(self.xml, "<TD>{}</TD>", escape(&cell.to_string())).ok();
            }
            self.xml.push_str("</TR>\n");
        }
        self.xml.push_str("</TABLEDATA></DATA>\n");
    }

    /// Writes rows in binary (section 5.4 of the Recommendation), a cell for each column. A cell of
    /// another type than its column is written as null.
    pub fn binary2(&mut self, rows: impl IntoIterator<Item = Vec<VoTableCell>>) {
        let bytes = encode(&self.columns, rows);
        let text = STANDARD.encode(bytes);
        writeln!(self.xml, "<DATA><BINARY2><STREAM encoding=\"base64\">{text}</STREAM></BINARY2></DATA>")
            .ok();
    }

    /// Ends the table.
    pub fn end_table(&mut self) {
        self.xml.push_str("</TABLE>\n");
    }

    /// Ends the RESOURCE of the results. [`finish`](Self::finish) does so too where nothing follows
    /// it.
    pub fn end_results(&mut self) {
        self.xml.push_str("</RESOURCE>\n");
        self.in_results = false;
    }

    /// Ends the document.
    pub fn finish(mut self) -> String {
        if self.in_results {
            self.end_results();
        }
        self.xml.push_str("</VOTABLE>\n");
        self.xml
    }
}

/// Text for XML; characters that XML cannot hold are replaced.
pub fn escape(text: &str) -> String {
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

fn attribute(xml: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        write!(xml, " {name}=\"{}\"", escape(value)).ok();
    }
}

fn field(xml: &mut String, column: &VoTableColumn<'_>) {
    let size = match column.size {
        ArraySize::Scalar => String::new(),
        ArraySize::Fixed(length) => length.to_string(),
        ArraySize::Variable => "*".to_owned(),
    };
    xml.push_str("<FIELD");
    for (name, value) in [
        ("ID", column.id.unwrap_or_default()),
        ("name", column.name),
        ("datatype", column.datatype.name()),
        ("arraysize", &size),
        ("xtype", column.xtype),
        ("unit", column.unit),
        ("ucd", column.ucd),
        ("utype", column.utype),
        ("ref", column.system),
    ] {
        attribute(xml, name, value);
    }
    match column.description {
        "" => xml.push_str("/>\n"),
        text => {
            writeln!(xml, ">\n<DESCRIPTION>{}</DESCRIPTION>\n</FIELD>", escape(text)).ok();
        }
    }
}

/// Rows in BINARY2: for each the null flags, the first column in the highest bit, then the cells.
fn encode(columns: &[VoTableColumn<'_>], rows: impl IntoIterator<Item = Vec<VoTableCell>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        let start = bytes.len();
        bytes.resize(start + columns.len().div_ceil(8), 0_u8);
        for (k, column) in columns.iter().enumerate() {
            let cell = row.get(k).unwrap_or(&VoTableCell::Null);
            if !encode_cell(column, cell, &mut bytes) {
                bytes[start + k / 8] |= 0x80 >> (k % 8);
            }
        }
    }
    bytes
}

/// Appends a cell, and the room of a null where there is no value of the column's type; false then.
fn encode_cell(column: &VoTableColumn<'_>, cell: &VoTableCell, bytes: &mut Vec<u8>) -> bool {
    let values = encode_values(column.datatype, cell);
    let present = values.is_some();
    let (items, mut values) = values.unwrap_or_default();
    match column.size {
        ArraySize::Variable => bytes.extend(u32::try_from(items).unwrap_or(u32::MAX).to_be_bytes()),
        // A text that is shorter than its column ends in zeros.
        ArraySize::Scalar => values.resize(column.datatype.bytes(1).unwrap_or_default(), 0),
        ArraySize::Fixed(length) => values.resize(column.datatype.bytes(length).unwrap_or_default(), 0),
    }
    bytes.extend(values);
    present
}

/// The number of values and their bytes, big-endian; `None` where they are not of the type.
fn encode_values(datatype: VoTableType, cell: &VoTableCell) -> Option<(usize, Vec<u8>)> {
    fn joined<const N: usize, T: Copy>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> (usize, Vec<u8>) {
        (values.len(), values.iter().flat_map(|&value| bytes(value)).collect())
    }
    fn integers<const N: usize, T>(values: &[i64], bytes: impl Fn(T) -> [u8; N]) -> Option<(usize, Vec<u8>)>
    where
        T: TryFrom<i64> + Copy,
    {
        let values: Vec<T> = values.iter().map(|&v| T::try_from(v).ok()).collect::<Option<_>>()?;
        Some(joined(&values, bytes))
    }
    match cell {
        VoTableCell::Null => None,
        VoTableCell::Bool(value) if datatype == VoTableType::Boolean => {
            Some((1, vec![if *value { b'T' } else { b'F' }]))
        }
        VoTableCell::Text(text) => match datatype {
            VoTableType::Char => Some((text.len(), text.clone().into_bytes())),
            VoTableType::UnicodeChar => {
                Some(joined(&text.encode_utf16().collect::<Vec<_>>(), u16::to_be_bytes))
            }
            _ => None,
        },
        VoTableCell::Int(_) | VoTableCell::Ints(_) => {
            let values = match cell {
                VoTableCell::Ints(values) => values.as_slice(),
                VoTableCell::Int(value) => std::slice::from_ref(value),
                _ => &[],
            };
            match datatype {
                VoTableType::UnsignedByte => integers(values, u8::to_be_bytes),
                VoTableType::Short => integers(values, i16::to_be_bytes),
                VoTableType::Int => integers(values, i32::to_be_bytes),
                VoTableType::Long => Some(joined(values, i64::to_be_bytes)),
                _ => None,
            }
        }
        VoTableCell::Real(value) => encode_reals(datatype, std::slice::from_ref(value)),
        VoTableCell::Reals(values) => encode_reals(datatype, values),
        VoTableCell::Bool(_) | VoTableCell::Bools(_) => None,
    }
}

fn encode_reals(datatype: VoTableType, values: &[f64]) -> Option<(usize, Vec<u8>)> {
    let bytes = match datatype {
        VoTableType::Double => values.iter().flat_map(|v| v.to_be_bytes()).collect(),
        #[expect(clippy::cast_possible_truncation, reason = "the column has single precision")]
        VoTableType::Float => values.iter().flat_map(|v| (*v as f32).to_be_bytes()).collect(),
        _ => return None,
    };
    Some((values.len(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{VoTableLimits, VoTableReader};

    fn columns() -> Vec<VoTableColumn<'static>> {
        use VoTableType::{Boolean, Char, Double, Float, Long, Short, UnicodeChar};
        let of = |name, datatype, size| VoTableColumn::new(name, datatype, size);
        vec![
            VoTableColumn {
                description: "a \"name\" & more",
                ..of("name", Char, ArraySize::Variable).with_id()
            },
            VoTableColumn { unit: "deg", ucd: "pos", ..of("x y", Double, ArraySize::Scalar).with_id() },
            of("n", Long, ArraySize::Scalar),
            of("corners", Double, ArraySize::Variable),
            of("short", Short, ArraySize::Fixed(2)),
            of("single", Float, ArraySize::Scalar),
            of("wide", UnicodeChar, ArraySize::Variable),
            of("ok", Boolean, ArraySize::Scalar),
            of("last", Long, ArraySize::Scalar),
        ]
    }

    fn rows() -> Vec<Vec<VoTableCell>> {
        use VoTableCell::{Bool, Int, Ints, Null, Real, Reals, Text};
        vec![
            vec![
                Text("a<b, \"ü\"".into()),
                Real(0.1),
                Int(i64::MIN),
                Reals(vec![1.5, -2.0, 1e300]),
                Ints(vec![-3, 4]),
                Real(0.25),
                Text("ΔT".into()),
                Bool(true),
                Int(7),
            ],
            vec![Null, Null, Null, Null, Null, Null, Null, Null, Int(8)],
        ]
    }

    fn document(write: impl Fn(&mut VoTableWriter<'_>)) -> String {
        let mut writer = VoTableWriter::new();
        writer.begin_results();
        writer.status(&QueryStatus::Ok);
        writer.begin_table("t", "", columns());
        write(&mut writer);
        writer.end_table();
        writer.status(&QueryStatus::Overflow);
        writer.finish()
    }

    #[test]
    fn what_is_written_is_read_again_in_both_serializations() {
        for text in [document(|w| w.table_data(rows())), document(|w| w.binary2(rows()))] {
            let mut reader = VoTableReader::new(text.as_bytes(), VoTableLimits::default()).unwrap();
            assert_eq!(reader.fields()[1].unit.as_deref(), Some("deg"));
            assert_eq!(
                (reader.fields()[0].id.as_deref(), reader.fields()[1].id.as_deref()),
                (Some("name"), None)
            );
            for row in rows() {
                assert_eq!(reader.next_row().unwrap(), Some(row), "{text}");
            }
            assert_eq!(reader.next_row(), Ok(None));
            assert_eq!(reader.status(), Some(&QueryStatus::Overflow));
        }
    }

    #[test]
    fn cells_that_do_not_fit_their_column_are_null_in_binary() {
        let column = VoTableColumn::new("n", VoTableType::Short, ArraySize::Scalar);
        for cell in [VoTableCell::Int(40_000), VoTableCell::Text("7".into())] {
            assert_eq!(encode(std::slice::from_ref(&column), [vec![cell]]), [0x80, 0, 0]);
        }
    }

    #[test]
    fn errors_are_escaped() {
        let mut writer = VoTableWriter::new();
        writer.begin_results();
        writer.status(&QueryStatus::Error("no <table> & more\u{1b}[31m".into()));
        let text = writer.finish();
        assert!(text.contains("value=\"ERROR\">no &lt;table&gt; &amp; more\u{fffd}[31m</INFO>"), "{text}");
    }
}
