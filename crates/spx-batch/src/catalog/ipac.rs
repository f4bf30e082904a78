//! The header of IPAC tables, as IRSA's Gator and its TAP service write them (IPAC Table Format
//! Definition, 2011): lines of names, types, units and null values between bars, which stand where
//! the columns begin and end; lines before them that begin with a backslash are comments.

use csv::ByteRecord;

/// Words for types.
const TYPES: [&str; 13] =
    ["int", "integer", "i", "long", "l", "double", "d", "float", "f", "real", "r", "char", "c"];

/// What a table declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IpacHeader {
    pub(super) names: Vec<String>,
    /// One for each name, or none at all.
    pub(super) units: Vec<String>,
    nulls: Vec<String>,
    /// Where the bars stand.
    bars: Vec<usize>,
}

impl IpacHeader {
    /// Whether a line below one of names is that of the types.
    pub(super) fn has_types(line: &[u8]) -> bool {
        let line = String::from_utf8_lossy(line);
        let is_type = |word: &String| {
            let word = word.to_lowercase();
            TYPES.contains(&word.as_str()) || word == "date"
        };
        line.starts_with('|') && !cells(&line).is_empty() && cells(&line).iter().all(is_type)
    }

    /// Of the lines of names, types, units and nulls, as many as there are.
    pub(super) fn parse(lines: &[String]) -> Self {
        let line = |number: usize| lines.get(number).map(|line| cells(line)).unwrap_or_default();
        let bars = lines.first().map(|names| names.match_indices('|').map(|(at, _)| at).collect());
        Self { names: line(0), units: line(2), nulls: line(3), bars: bars.unwrap_or_default() }
    }

    /// The values of a row: what stands between the bars, the last one to the end of the line.
    pub(super) fn row(&self, line: &[u8]) -> ByteRecord {
        let end = |k: usize| match self.bars.get(k + 1) {
            Some(&end) if k + 1 < self.names.len() => end.min(line.len()),
            _ => line.len(),
        };
        let cell = |k: usize| line.get(self.bars[k]..end(k)).unwrap_or_default().trim_ascii();
        let value = |k: usize| match self.nulls.get(k) {
            Some(null) if !null.is_empty() && cell(k) == null.as_bytes() => &[],
            _ => cell(k),
        };
        (0..self.names.len()).map(value).collect()
    }
}

/// The words between the bars of a line.
fn cells(line: &str) -> Vec<String> {
    let inside = line.trim().strip_prefix('|').unwrap_or_default();
    let inside = inside.strip_suffix('|').unwrap_or(inside);
    inside.split('|').map(|cell| cell.trim().to_owned()).collect()
}
