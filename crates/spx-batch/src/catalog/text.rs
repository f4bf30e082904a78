//! Catalogs as text: a line of names, then a line a source.
//!
//! Values stand between commas, semicolons, tabs, bars or blanks, whichever the line of names has
//! most of. Lines that begin with `#` are comments; the last one before the first row is the line
//! of names where it holds known names and the first other line does not. The table may be
//! astropy's enhanced CSV (APE 6), whose comments declare delimiter and units, or VizieR's, which
//! has a line of units and a line of dashes below the names, or IPAC's, whose columns bars in the
//! header delimit. A unit may also stand behind a name, in brackets.
//!
//! Where only blanks stand between values, a row of another number of values than there are names
//! is refused: which of them is missing, or has a blank within, cannot be known. Dashes below the
//! names tell.

use std::io::{self, BufRead as _, Read};
use std::ops::Range;
use std::path::Path;

use csv::ByteRecord;
use spx_core::progress::Progress;

use super::columns::{CatalogColumns, CatalogOptions, TableCell, TableField};
use super::ipac::IpacHeader;
use super::source::CatalogSource;
use super::{Catalog, CatalogBuilder, MOST_ROWS, ecsv, wrong};
use crate::BatchError;

/// Bytes of the longest line.
const LONGEST_LINE: u64 = 1 << 24;

/// Bytes of comments that are kept, for the header of an enhanced CSV.
const KEPT_COMMENTS: usize = 1 << 20;

/// The beginning of a text.
struct Beginning {
    comments: Vec<String>,
    names: String,
    /// Lines so far.
    lines: u64,
}

/// Reads a table; lines are counted from 1.
pub(super) fn read(
    path: &Path,
    mut source: CatalogSource<'_>,
    options: &CatalogOptions,
    progress: &dyn Progress,
) -> Result<Catalog, BatchError> {
    let failed = |e: io::Error| match e.kind() {
        _ if progress.cancelled() => BatchError::Cancelled,
        io::ErrorKind::InvalidData => wrong(path, e),
        _ => BatchError::io(path)(e),
    };
    let beginning = beginning(&mut source).map_err(failed)?;
    if beginning.names.contains('\r') {
        return Err(wrong(path, "its lines end only with carriage returns: convert them to line feeds"));
    }
    if beginning.names.starts_with('|') && IpacHeader::has_types(&next_line(&mut source).map_err(failed)?) {
        return read_ipac(path, source, beginning, options, &failed);
    }
    let header = ecsv::Header::parse(&beginning.comments);
    let delimiter = header.as_ref().map_or_else(|| delimiter(&beginning.names), |header| header.delimiter);
    let (names, first) = names(&beginning, delimiter, options);
    let mut records = Records::new(source, delimiter, header.is_some(), beginning.lines);
    // VizieR's units, and the line of dashes below them; or dashes alone.
    let mut ahead = records.ahead(first).map_err(failed)?;
    let mut units = None;
    if let Some(at) = ahead.iter().position(|row| is_ruler(&row.record)) {
        let dashes = ahead.remove(at);
        records.measure(&dashes.text, names.len());
        ahead.iter_mut().for_each(|row| records.divide(row));
        units = (at == 1).then(|| ahead.remove(0).record);
    }
    let fields = names.iter().enumerate().map(|(k, name)| {
        let declared = header.as_ref().and_then(|header| header.unit(name));
        let below =
            units.as_ref().and_then(|units| units.get(k)).map(|u| String::from_utf8_lossy(u).into_owned());
        match declared.or(below) {
            Some(unit) => TableField { name: name.clone(), unit },
            None => bracketed(name),
        }
    });
    let fields: Vec<TableField> = fields.collect();
    let columns = CatalogColumns::find(&fields, options).map_err(|e| wrong(path, e))?;
    let mut builder = CatalogBuilder::new(options.epoch);
    let blanks = matches!(records, Records::Words { .. });
    for Row { line, record, .. } in &ahead {
        let whole = check_count(record, &names, blanks);
        builder.take(*line, whole.and_then(|()| row(record, &columns, &names)));
    }
    let (mut record, mut count) = (ByteRecord::new(), 0);
    while let Some(line) = records.next(&mut record).map_err(failed)? {
        count += 1;
        if count > MOST_ROWS {
            return Err(wrong(path, format!("it has more than {MOST_ROWS} rows")));
        }
        let whole = check_count(&record, &names, blanks);
        builder.take(line, whole.and_then(|()| row(&record, &columns, &names)));
    }
    builder.finish(path, columns.notes)
}

/// The line that comes next, as far as it is at hand; it is not taken.
fn next_line(source: &mut CatalogSource<'_>) -> io::Result<Vec<u8>> {
    let bytes = source.bytes.fill_buf()?;
    Ok(bytes.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end().to_vec())
}

/// Reads an IPAC table behind its line of names.
fn read_ipac(
    path: &Path,
    mut source: CatalogSource<'_>,
    beginning: Beginning,
    options: &CatalogOptions,
    failed: &dyn Fn(io::Error) -> BatchError,
) -> Result<Catalog, BatchError> {
    let mut lines = beginning.lines;
    let mut header = vec![beginning.names];
    while source.bytes.fill_buf().map_err(failed)?.starts_with(b"|") {
        let line = line(&mut source, &mut lines).map_err(failed)?.unwrap_or_default();
        header.push(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
    let header = IpacHeader::parse(&header);
    let field = |(k, name): (usize, &String)| TableField {
        name: name.clone(),
        unit: header.units.get(k).cloned().unwrap_or_default(),
    };
    let fields: Vec<TableField> = header.names.iter().enumerate().map(field).collect();
    let columns = CatalogColumns::find(&fields, options).map_err(|e| wrong(path, e))?;
    let mut builder = CatalogBuilder::new(options.epoch);
    while let Some(line) = line(&mut source, &mut lines).map_err(failed)? {
        if line.starts_with(b"\\") || line.trim_ascii().is_empty() {
            continue;
        }
        builder.take(lines, row(&header.row(line.trim_ascii_end()), &columns, &header.names));
        if lines > MOST_ROWS as u64 {
            return Err(wrong(path, format!("it has more than {MOST_ROWS} rows")));
        }
    }
    builder.finish(path, columns.notes)
}

/// The next line; `None` behind the last.
fn line(source: &mut CatalogSource<'_>, lines: &mut u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = source.bytes.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if read as u64 == LONGEST_LINE {
        return Err(too_long());
    }
    *lines += 1;
    Ok((read > 0).then_some(line))
}

/// Reads up to the first line that is neither blank nor a comment.
fn beginning(source: &mut CatalogSource<'_>) -> io::Result<Beginning> {
    let (mut comments, mut kept, mut lines) = (Vec::new(), 0, 0);
    loop {
        let mut bytes = Vec::new();
        let read = source.bytes.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
        if read as u64 == LONGEST_LINE {
            return Err(too_long());
        }
        lines += 1;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
        match text.strip_prefix('#') {
            Some(comment) => {
                kept += comment.len();
                if kept > KEPT_COMMENTS {
                    comments.clear();
                    kept = comment.len();
                }
                comments.push(comment.to_owned());
            }
            // IPAC's keywords and comments.
            None if text.starts_with('\\') => {}
            None if read == 0 || !text.trim().is_empty() => {
                return Ok(Beginning { comments, names: text.to_owned(), lines });
            }
            None => {}
        }
    }
}

/// The names of the columns; and the first line, where the names stand in the comment above it.
fn names(beginning: &Beginning, delimiter: u8, options: &CatalogOptions) -> (Vec<String>, Option<String>) {
    let known = |names: &[String]| {
        let fields: Vec<TableField> = names.iter().map(|name| bracketed(name)).collect();
        CatalogColumns::find(&fields, options).is_ok()
    };
    let names = split(&beginning.names, delimiter);
    if !known(&names)
        && let Some(comment) = beginning.comments.last()
    {
        let above = split(comment.trim(), self::delimiter(comment.trim()));
        if known(&above) {
            return (above, Some(beginning.names.clone()));
        }
    }
    (names, None)
}

/// What stands most often between the words of a line, outside of quotes; blanks where nothing else
/// does.
fn delimiter(line: &str) -> u8 {
    let mut counts = [(b',', 0), (b'\t', 0), (b';', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in line.bytes() {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(d, _)| *d == byte && !quoted) {
            *count += 1;
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let first = counts.iter().find(|(_, count)| *count == most && most > 0);
    first.map_or(b' ', |(delimiter, _)| *delimiter)
}

/// The values of one line.
fn split(line: &str, delimiter: u8) -> Vec<String> {
    let record = line_record(line.as_bytes(), delimiter);
    let names = record.iter().map(|value| String::from_utf8_lossy(value).trim().to_owned());
    // A comment may stand behind the names.
    names.take_while(|name| delimiter != b' ' || !name.starts_with('#')).collect()
}

fn line_record(line: &[u8], delimiter: u8) -> ByteRecord {
    if delimiter == b' ' {
        return words(line);
    }
    let mut record = ByteRecord::new();
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(line);
    // Bytes in memory can be read, and any bytes are a record of a flexible table.
    reader.read_byte_record(&mut record).ok();
    record
}

/// What stands below each run of dashes, the last to the end of the line.
fn divided(line: &[u8], columns: &[Range<usize>]) -> ByteRecord {
    let value = |(k, column): (usize, &Range<usize>)| {
        let end = columns.get(k + 1).map_or(line.len(), |next| next.start.min(line.len()));
        line.get(column.start..end).unwrap_or_default().trim_ascii()
    };
    columns.iter().enumerate().map(value).collect()
}

/// Words between blanks; one in quotes may hold blanks.
fn words(line: &[u8]) -> ByteRecord {
    let mut record = ByteRecord::new();
    let mut rest = line.trim_ascii();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix(b"\"").and_then(|inside| {
            inside.iter().position(|&b| b == b'"').map(|end| (&inside[..end], &inside[end + 1..]))
        });
        let (word, behind) = quoted.unwrap_or_else(|| {
            let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            rest.split_at(end)
        });
        record.push_field(word);
        rest = behind.trim_ascii_start();
    }
    record
}

/// Refuses rows whose values may stand under other names than their own.
fn check_count(record: &ByteRecord, names: &[String], blanks: bool) -> Result<(), String> {
    let behind = record.iter().skip(names.len()).find(|value| !value.trim_ascii().is_empty());
    let commented = behind.is_some_and(|value| value.starts_with(b"#"));
    if (behind.is_none() || commented) && !(blanks && record.len() < names.len()) {
        return Ok(());
    }
    let way = match blanks {
        true => "values with blanks must be quoted, missing ones written as nan",
        false => "values that hold the delimiter must be quoted",
    };
    Err(format!("the row has {} values for {} columns: {way}", record.len(), names.len()))
}

/// A name with its unit in brackets behind it, such as `ra [deg]`; the names of frames of ICRS and
/// J2000 are no units.
fn bracketed(name: &str) -> TableField {
    let name = name.trim();
    for (open, close) in [('[', ']'), ('(', ')')] {
        if let Some((before, unit)) = name.strip_suffix(close).and_then(|inside| inside.rsplit_once(open))
            && !before.trim().is_empty()
        {
            let frame =
                ["J2000", "J2000.0", "ICRS", "FK5"].iter().any(|f| unit.trim().eq_ignore_ascii_case(f));
            let unit = if frame { "" } else { unit.trim() };
            return TableField { name: before.trim().to_owned(), unit: unit.to_owned() };
        }
    }
    TableField { name: name.to_owned(), unit: String::new() }
}

/// True for a line of dashes below each name.
fn is_ruler(record: &ByteRecord) -> bool {
    record.iter().any(|cell| cell.trim_ascii().starts_with(b"--"))
        && record.iter().all(|cell| cell.trim_ascii().iter().all(|&b| b == b'-'))
}

/// A row that has been read ahead.
struct Row {
    line: u64,
    record: ByteRecord,
    /// As it stands in the file, where there are only blanks between its values.
    text: Vec<u8>,
}

/// The rows of a text.
enum Records<'a> {
    /// Words between blanks, one row a line; dashes may say where each column stands.
    Words { source: CatalogSource<'a>, lines: u64, text: Vec<u8>, columns: Vec<Range<usize>> },
    /// Delimited values, which may be quoted and then hold line breaks.
    Delimited(Box<csv::Reader<LimitedLines<'a>>>, u64),
}

impl<'a> Records<'a> {
    /// `lines` have been read; an enhanced CSV has one blank between its values.
    fn new(source: CatalogSource<'a>, delimiter: u8, enhanced: bool, lines: u64) -> Self {
        if delimiter == b' ' && !enhanced {
            return Self::Words { source, lines, text: Vec::new(), columns: Vec::new() };
        }
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .from_reader(LimitedLines { source, left: LONGEST_LINE });
        Self::Delimited(Box::new(reader), lines)
    }

    /// Reads the next row and gives its line; `None` behind the last.
    fn next(&mut self, record: &mut ByteRecord) -> io::Result<Option<u64>> {
        match self {
            Self::Words { source, lines, text, columns } => loop {
                let Some(line) = line(source, lines)? else { return Ok(None) };
                if !line.starts_with(b"#") && !line.trim_ascii().is_empty() {
                    *record = if columns.is_empty() { words(&line) } else { divided(&line, columns) };
                    *text = line;
                    return Ok(Some(*lines));
                }
            },
            Self::Delimited(reader, lines) => {
                reader.get_mut().left = LONGEST_LINE;
                let more = reader.read_byte_record(record).map_err(io::Error::from)?;
                Ok(more.then(|| *lines + record.position().map_or(0, csv::Position::line)))
            }
        }
    }

    /// The first two rows, the one that has been read already before them.
    fn ahead(&mut self, first: Option<String>) -> io::Result<Vec<Row>> {
        let mut rows = Vec::new();
        if let Some(text) = first {
            let (Self::Words { lines, .. } | Self::Delimited(_, lines)) = &*self;
            let delimiter = if matches!(self, Self::Words { .. }) { b' ' } else { self::delimiter(&text) };
            let record = line_record(text.as_bytes(), delimiter);
            rows.push(Row { line: *lines, record, text: text.into_bytes() });
        }
        while rows.len() < 2 {
            let mut record = ByteRecord::new();
            let Some(line) = self.next(&mut record)? else { break };
            let text = if let Self::Words { text, .. } = self { text.clone() } else { Vec::new() };
            rows.push(Row { line, record, text });
        }
        Ok(rows)
    }

    /// Takes where columns stand from a line of dashes, if it has as many as there are names.
    fn measure(&mut self, dashes: &[u8], names: usize) {
        let Self::Words { columns, .. } = self else { return };
        let mut at = 0;
        for run in dashes.trim_ascii_end().chunk_by(|a, b| (*a == b'-') == (*b == b'-')) {
            if run[0] == b'-' {
                columns.push(at..at + run.len());
            }
            at += run.len();
        }
        if columns.len() != names {
            columns.clear();
        }
    }

    /// Divides a row anew that was read before its columns were measured.
    fn divide(&self, row: &mut Row) {
        if let Self::Words { columns, .. } = self
            && !columns.is_empty()
        {
            row.record = divided(&row.text, columns);
        }
    }
}

/// Gives so many bytes and no more, until it is told that a new row begins.
struct LimitedLines<'a> {
    source: CatalogSource<'a>,
    left: u64,
}

impl Read for LimitedLines<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(too_long());
        }
        let read = self.source.bytes.read(out)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a row has more than {LONGEST_LINE} bytes"))
}

fn row(
    record: &ByteRecord,
    columns: &CatalogColumns,
    names: &[String],
) -> Result<(String, super::CatalogRow), String> {
    let needed = [columns.id, columns.position[0], columns.position[1]];
    let needed = needed.into_iter().chain(columns.motion.into_iter().flatten()).chain(columns.epoch);
    for column in needed {
        let bytes = record.get(column).ok_or_else(|| format!("the row ends before {}", names[column]))?;
        std::str::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", names[column]))?;
    }
    columns.row(|column| {
        let text = record.get(column).and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.map_or(TableCell::Null, |text| TableCell::Text(text.into()))
    })
}
