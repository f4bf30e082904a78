//! Walks the elements of a document to its first table, through its rows, and to its end.

use std::io::{self, Read};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use crate::binary::{Base64, Binary, Failure};
use crate::field::{ArraySize, VoTableCell, VoTableField, VoTableType};
use crate::limited::Limited;
use crate::{VoTableError, VoTableLimits, printable, tabledata};

/// What a service says of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryStatus {
    /// It is complete.
    Ok,
    /// It was cut off.
    Overflow,
    /// The query failed, with the service's words.
    Error(String),
}

/// Reads the first table of results of a document.
#[derive(Debug)]
pub struct VoTableReader<R> {
    xml: quick_xml::Reader<Limited<R>>,
    buffer: Vec<u8>,
    open: Vec<String>,
    limits: VoTableLimits,
    fields: Vec<VoTableField>,
    status: Option<QueryStatus>,
    /// Ids of the elements COOSYS, with their systems and equinoxes.
    frames: Vec<(String, String)>,
    /// Tables behind the one that is read.
    further_tables: usize,
    rows: Rows,
    count: usize,
}

/// Where the rows are.
#[derive(Debug)]
enum Rows {
    /// No table has come yet.
    Before,
    /// Elements TR.
    TableData,
    /// A stream.
    Binary(Binary),
    /// In an element of this name, which is not read.
    Elsewhere(&'static str),
    /// None are left, or none of the table's parts can hold any.
    Done,
}

/// A piece of a document.
#[derive(Debug)]
pub(crate) enum Piece {
    Start(Tag),
    End(String),
    Text(String),
    Eof,
}

/// The start of an element, without the prefix of its name.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<R: Read> VoTableReader<R> {
    /// Reads a document up to its first row.
    ///
    /// # Errors
    /// [`VoTableError`] where it is no VOTable, or is refused; where its rows are in a form that is
    /// not read (FITS, PARQUET), [`next_row`](Self::next_row) refuses it. A document that tells of
    /// an error in the query is none of these: see [`status`](Self::status).
    pub fn new(document: R, limits: VoTableLimits) -> Result<Self, VoTableError> {
        let mut xml = quick_xml::Reader::from_reader(Limited::new(document, limits.document, limits.piece));
        xml.config_mut().expand_empty_elements = true;
        let mut reader = Self {
            xml,
            buffer: Vec::new(),
            open: Vec::new(),
            limits,
            fields: Vec::new(),
            status: None,
            frames: Vec::new(),
            further_tables: 0,
            rows: Rows::Before,
            count: 0,
        };
        reader.find_table()?;
        Ok(reader)
    }

    /// The columns; none where the document holds no table.
    pub fn fields(&self) -> &[VoTableField] {
        &self.fields
    }

    /// What the service says of its answer, as far as has been read: an overflow stands behind the
    /// rows.
    pub fn status(&self) -> Option<&QueryStatus> {
        self.status.as_ref()
    }

    /// How many tables stand behind the one that is read, as far as has been read.
    pub fn further_tables(&self) -> usize {
        self.further_tables
    }

    /// The number of a column, from 0, by its name, whatever its case.
    ///
    /// # Errors
    /// [`VoTableError::NoColumn`], or [`VoTableError::NoTable`] where there are none at all.
    pub fn column(&self, name: &str) -> Result<usize, VoTableError> {
        if self.fields.is_empty() {
            return Err(VoTableError::NoTable);
        }
        self.position(|f| f.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| VoTableError::NoColumn(name.into()))
    }

    /// The number of the first column with a UCD, from 0.
    pub fn column_with_ucd(&self, ucd: &str) -> Option<usize> {
        self.position(|f| f.ucd.as_deref().is_some_and(|u| u.eq_ignore_ascii_case(ucd)))
    }

    /// The next row, a cell a column; `None` behind the last, when the document has been read to
    /// its end.
    ///
    /// # Errors
    /// [`VoTableError`] where a row cannot be read. No further row can be had then.
    pub fn next_row(&mut self) -> Result<Option<Vec<VoTableCell>>, VoTableError> {
        let row = match &self.rows {
            Rows::TableData => self.next_tr(),
            Rows::Binary(_) => self.next_binary(),
            Rows::Elsewhere(form) => Err(VoTableError::Refused(format!("its rows are in {form}"))),
            Rows::Before | Rows::Done => Ok(None),
        };
        if !matches!(row, Ok(Some(_))) {
            self.rows = Rows::Done;
            return row;
        }
        self.count += 1;
        if self.count > self.limits.rows {
            self.rows = Rows::Done;
            return Err(VoTableError::Refused(format!("it has more than {} rows", self.limits.rows)));
        }
        row
    }

    fn position(&self, wanted: impl Fn(&VoTableField) -> bool) -> Option<usize> {
        self.fields.iter().position(wanted)
    }

    /// Reads to the first row of the first table, or to the end where there is none.
    fn find_table(&mut self) -> Result<(), VoTableError> {
        let mut in_results = false;
        loop {
            match self.next_piece()? {
                Piece::Start(tag) => match tag.name.as_str() {
                    "RESOURCE" => in_results = tag.get("type") != Some("meta"),
                    "INFO" => self.take_info(&tag)?,
                    "COOSYS" => self.take_frame(&tag),
                    "TABLE" if in_results => return self.read_table(),
                    _ => {}
                },
                Piece::Eof => {
                    self.rows = Rows::Done;
                    return Ok(());
                }
                Piece::End(_) | Piece::Text(_) => {}
            }
        }
    }

    /// Reads the columns of a table, up to its first row.
    fn read_table(&mut self) -> Result<(), VoTableError> {
        loop {
            match self.next_piece()? {
                Piece::Start(tag) => match tag.name.as_str() {
                    "FIELD" => self.take_field(&tag)?,
                    "INFO" => self.take_info(&tag)?,
                    "COOSYS" => self.take_frame(&tag),
                    "VALUES" if self.parent() == Some("FIELD") => {
                        if let Some(field) = self.fields.last_mut() {
                            field.null = tag.get("null").and_then(tabledata::integer);
                        }
                    }
                    "TABLEDATA" => {
                        self.rows = Rows::TableData;
                        return self.need_columns();
                    }
                    name @ ("BINARY" | "BINARY2") => return self.open_stream(name == "BINARY2"),
                    "FITS" => return self.leave_rows("FITS"),
                    "PARQUET" => return self.leave_rows("PARQUET"),
                    _ => {}
                },
                Piece::End(name) if name == "TABLE" => return self.read_rest(),
                Piece::Eof => return Err(self.syntax("it ends within a table")),
                Piece::End(_) | Piece::Text(_) => {}
            }
        }
    }

    /// Rows are in a form that is not read; columns are known all the same.
    fn leave_rows(&mut self, form: &'static str) -> Result<(), VoTableError> {
        self.rows = Rows::Elsewhere(form);
        self.need_columns()
    }

    fn need_columns(&self) -> Result<(), VoTableError> {
        if self.fields.is_empty() { Err(VoTableError::NoTable) } else { Ok(()) }
    }

    fn open_stream(&mut self, null_flags: bool) -> Result<(), VoTableError> {
        self.need_columns()?;
        if !null_flags && self.fields.iter().all(|field| field.size == ArraySize::Fixed(0)) {
            // Such rows would never use the stream up.
            return Err(VoTableError::Refused("its rows take no bytes".into()));
        }
        loop {
            match self.next_piece()? {
                Piece::Start(tag) if tag.name == "STREAM" => {
                    if tag.get("href").is_some() {
                        return Err(VoTableError::Refused("its rows are somewhere else".into()));
                    }
                    if tag.get("encoding") != Some("base64") {
                        return Err(VoTableError::Refused("its stream is not base64".into()));
                    }
                    self.rows = Rows::Binary(Binary::new(&self.fields, null_flags, self.limits.piece));
                    return Ok(());
                }
                Piece::Text(_) => {}
                _ => return Err(self.syntax("BINARY without STREAM")),
            }
        }
    }

    fn take_field(&mut self, tag: &Tag) -> Result<(), VoTableError> {
        if self.fields.len() >= self.limits.fields {
            return Err(VoTableError::Refused(format!("it has more than {} columns", self.limits.fields)));
        }
        let text = |name: &str| tag.get(name).map(str::to_owned);
        let mut field = VoTableField {
            name: text("name").or_else(|| text("ID")).unwrap_or_default(),
            id: text("ID"),
            ucd: text("ucd"),
            unit: text("unit"),
            datatype: VoTableType::Char,
            size: ArraySize::Scalar,
            null: None,
            frame: tag.get("ref").and_then(|id| self.frames.iter().find(|f| f.0 == id)).map(|f| f.1.clone()),
        };
        let datatype = tag.get("datatype").unwrap_or_default();
        field.datatype = VoTableType::parse(datatype)
            .ok_or_else(|| field.error(format!("there is no datatype `{datatype}`")))?;
        field.size =
            VoTableField::array_size(tag.get("arraysize"), self.limits.piece).map_err(|e| field.error(e))?;
        self.fields.push(field);
        Ok(())
    }

    /// Takes note of a frame of coordinates; more than the columns that are accepted are not kept.
    fn take_frame(&mut self, tag: &Tag) {
        let words = [tag.get("system"), tag.get("equinox")].map(|word| word.unwrap_or_default().trim());
        if let Some(id) = tag.get("ID")
            && self.frames.len() < self.limits.fields
        {
            self.frames.push((id.to_owned(), words.join(" ").trim().to_owned()));
        }
    }

    /// Takes note of `INFO name="QUERY_STATUS"`, whose message is its text; and of other INFOs
    /// whose value is that the result is truncated, as VizieR once said it.
    fn take_info(&mut self, tag: &Tag) -> Result<(), VoTableError> {
        if tag.get("name").is_none_or(|name| !name.eq_ignore_ascii_case("QUERY_STATUS")) {
            let value = tag.get("value").unwrap_or_default().to_ascii_lowercase();
            if value.starts_with("truncated") {
                self.status = Some(QueryStatus::Overflow);
            }
            return Ok(());
        }
        let value = tag.get("value").unwrap_or_default().to_ascii_uppercase();
        let mut message = String::new();
        loop {
            match self.next_piece()? {
                Piece::Text(text) => self.append(&mut message, &text)?,
                Piece::End(name) if name == "INFO" => break,
                Piece::Start(_) | Piece::End(_) => {}
                Piece::Eof => break,
            }
        }
        self.status = match value.as_str() {
            "OK" => self.status.take().or(Some(QueryStatus::Ok)),
            "OVERFLOW" => Some(QueryStatus::Overflow),
            "ERROR" => {
                let words: Vec<_> = message.split_whitespace().collect();
                let words: String = words.join(" ").chars().take(1000).collect();
                Some(QueryStatus::Error(printable(&words)))
            }
            _ => self.status.take(),
        };
        Ok(())
    }

    fn next_tr(&mut self) -> Result<Option<Vec<VoTableCell>>, VoTableError> {
        loop {
            match self.next_piece()? {
                Piece::Start(tag) if tag.name == "TR" => return self.read_tr().map(Some),
                Piece::Start(tag) => return Err(self.syntax(format!("<{}> among rows", tag.name))),
                Piece::End(name) if name == "TABLEDATA" => {
                    self.read_rest()?;
                    return Ok(None);
                }
                Piece::Eof => return Err(self.syntax("it ends among its rows")),
                Piece::Text(_) | Piece::End(_) => {}
            }
        }
    }

    fn read_tr(&mut self) -> Result<Vec<VoTableCell>, VoTableError> {
        let mut cells = Vec::with_capacity(self.fields.len());
        loop {
            match self.next_piece()? {
                Piece::Start(tag) if tag.name == "TD" => {
                    let Some(field) = self.fields.get(cells.len()) else {
                        return Err(self.cell_error("", "the row has more cells than columns"));
                    };
                    if tag.get("encoding").is_some() {
                        return Err(self.cell_error(&field.name, "encoded cells are not read"));
                    }
                    let text = self.read_text("TD")?;
                    let field = &self.fields[cells.len()];
                    let cell = tabledata::parse(field, &text);
                    cells.push(cell.map_err(|problem| self.cell_error(&field.name, problem))?);
                }
                Piece::End(name) if name == "TR" => break,
                Piece::Text(text) if text.trim().is_empty() => {}
                _ => return Err(self.cell_error("", "something else than cells in a row")),
            }
        }
        if cells.len() < self.fields.len() {
            let problem = format!("the row has {} cells for {} columns", cells.len(), self.fields.len());
            return Err(self.cell_error("", problem));
        }
        Ok(cells)
    }

    /// The text of an element that has no children.
    fn read_text(&mut self, element: &str) -> Result<String, VoTableError> {
        let mut text = String::new();
        loop {
            match self.next_piece()? {
                Piece::Text(more) => self.append(&mut text, &more)?,
                Piece::End(name) if name == element => return Ok(text),
                _ => return Err(self.syntax(format!("something else than text in <{element}>"))),
            }
        }
    }

    /// Text comes in pieces, between entities; all of it is bounded as one of them is.
    fn append(&self, text: &mut String, more: &str) -> Result<(), VoTableError> {
        if text.len() + more.len() > self.limits.piece {
            return Err(VoTableError::Refused("a tag, text or cell is too long".into()));
        }
        text.push_str(more);
        Ok(())
    }

    fn next_binary(&mut self) -> Result<Option<Vec<VoTableCell>>, VoTableError> {
        let Rows::Binary(binary) = &mut self.rows else { return Ok(None) };
        let row = binary.next_row(&self.fields, &mut |base64: &mut Base64| {
            // What is read is decoded at once; only the decoder's own limits apply.
            self.xml.get_mut().next_piece();
            base64.fill(&mut self.xml.stream())
        });
        match row {
            Ok(Some(cells)) => Ok(Some(cells)),
            Ok(None) => {
                self.read_rest()?;
                Ok(None)
            }
            Err(Failure::Io(e)) => Err(io_error(&e)),
            Err(Failure::Stream(problem)) => Err(self.syntax(problem)),
            Err(Failure::Cell(at, problem)) => Err(self.cell_error(&self.fields[at].name, problem)),
        }
    }

    /// Reads on to the end, for the status that stands behind a table.
    fn read_rest(&mut self) -> Result<(), VoTableError> {
        self.rows = Rows::Done;
        loop {
            match self.next_piece()? {
                Piece::Start(tag) if tag.name == "INFO" => self.take_info(&tag)?,
                Piece::Start(tag) if tag.name == "TABLE" => self.further_tables += 1,
                Piece::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn parent(&self) -> Option<&str> {
        self.open.len().checked_sub(2).map(|at| self.open[at].as_str())
    }

    /// The next piece of the document, with comments and processing instructions left out.
    fn next_piece(&mut self) -> Result<Piece, VoTableError> {
        loop {
            self.buffer.clear();
            self.xml.get_mut().next_piece();
            let piece = match self.xml.read_event_into(&mut self.buffer) {
                Ok(event) => piece(event),
                Err(e) => return Err(self.xml_error(&e)),
            };
            if let Some(piece) = piece.map_err(|problem| self.refused_or_syntax(problem))? {
                return self.note(piece);
            }
        }
    }

    /// Keeps the list of open elements.
    fn note(&mut self, piece: Piece) -> Result<Piece, VoTableError> {
        match &piece {
            Piece::Start(tag) => {
                if self.open.is_empty() && tag.name != "VOTABLE" {
                    return Err(self.syntax(format!("it begins with <{}>", tag.name)));
                }
                if self.open.len() >= self.limits.depth {
                    return Err(VoTableError::Refused(format!(
                        "it nests more than {} deep",
                        self.limits.depth
                    )));
                }
                self.open.push(tag.name.clone());
            }
            Piece::End(_) => {
                self.open.pop();
            }
            Piece::Text(text) if self.open.is_empty() && !text.trim().is_empty() => {
                let start: String = text.trim().chars().take(40).collect();
                return Err(self.syntax(format!("text outside of all elements: {start:?}")));
            }
            Piece::Eof if !self.open.is_empty() => return Err(self.syntax("it ends before its elements do")),
            Piece::Text(_) | Piece::Eof => {}
        }
        Ok(piece)
    }

    fn xml_error(&self, error: &quick_xml::Error) -> VoTableError {
        match error {
            quick_xml::Error::Io(e) => io_error(e),
            _ => self.syntax(error.to_string()),
        }
    }

    fn refused_or_syntax(&self, problem: Problem) -> VoTableError {
        match problem {
            Problem::Refused(what) => VoTableError::Refused(printable(&what)),
            Problem::Syntax(what) => self.syntax(what),
        }
    }

    fn syntax(&self, problem: impl Into<String>) -> VoTableError {
        VoTableError::Syntax { position: self.xml.buffer_position(), problem: printable(&problem.into()) }
    }

    fn cell_error(&self, column: &str, problem: impl Into<String>) -> VoTableError {
        VoTableError::Cell {
            row: self.count + 1,
            column: printable(column),
            problem: printable(&problem.into()),
        }
    }
}

/// A document that is too long is refused; one that breaks off is not to blame.
fn io_error(error: &io::Error) -> VoTableError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => VoTableError::Refused(error.to_string()),
        kind => VoTableError::Io { problem: error.to_string(), timeout: kind == io::ErrorKind::TimedOut },
    }
}

/// What is wrong with an event.
enum Problem {
    Refused(String),
    Syntax(String),
}

/// An event of the parser as a piece; `None` for what is passed over.
fn piece(event: Event<'_>) -> Result<Option<Piece>, Problem> {
    Ok(Some(match event {
        Event::Start(start) | Event::Empty(start) => Piece::Start(tag(&start)?),
        Event::End(end) => Piece::End(end.local_name().into_inner().to_owned()),
        Event::Text(text) => Piece::Text(text.xml10_content().into_owned()),
        Event::CData(text) => Piece::Text(text.xml10_content().into_owned()),
        Event::GeneralRef(reference) => Piece::Text(resolve(&reference)?.into()),
        Event::DocType(text)
            if text.xml10_content().trim_start().to_ascii_lowercase().starts_with("html") =>
        {
            return Err(Problem::Syntax("a web page came instead".into()));
        }
        Event::DocType(_) => return Err(Problem::Refused("it has a DOCTYPE".into())),
        Event::Decl(declaration) => {
            let encoding = declaration.encoding().and_then(Result::ok);
            if let Some(name) = encoding
                && !["utf-8", "us-ascii", "ascii"].contains(&name.to_ascii_lowercase().as_str())
            {
                return Err(Problem::Refused(format!("its encoding is {name}, not UTF-8")));
            }
            return Ok(None);
        }
        Event::PI(_) | Event::Comment(_) => return Ok(None),
        Event::Eof => Piece::Eof,
    }))
}

fn tag(start: &BytesStart<'_>) -> Result<Tag, Problem> {
    let mut attributes = Vec::new();
    // The check for repeated names takes quadratic time.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|e| Problem::Syntax(e.to_string()))?;
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|e| Problem::Syntax(e.to_string()))?;
        attributes.push((attribute.key.local_name().into_inner().to_owned(), value.into_owned()));
    }
    Ok(Tag { name: start.local_name().into_inner().to_owned(), attributes })
}

/// A character reference, or one of the five entities that XML itself has.
fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Result<char, Problem> {
    if let Some(c) = reference.resolve_char_ref().map_err(|e| Problem::Syntax(e.to_string()))? {
        return Ok(c);
    }
    match &*reference.xml10_content() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        name => Err(Problem::Refused(format!(
            "it uses the entity `{}`",
            name.chars().take(40).collect::<String>()
        ))),
    }
}
