//! Enhanced CSV of astropy (APE 6): lines of YAML behind `# `, then delimited text.
//!
//! Of the YAML only the delimiter and the units of columns are looked at, in the two forms in which astropy writes
//! columns: `- {name: ra, unit: deg, datatype: float64}` and one key a line.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use super::{Catalog, check_unit, text, wrong};
use crate::BatchError;

/// Reads a table.
pub(super) fn read(path: &Path, epoch: Option<f64>) -> Result<Catalog, BatchError> {
    let file = BufReader::new(File::open(path).map_err(BatchError::io(path))?);
    let mut header = Vec::new();
    for line in file.lines() {
        let line = line.map_err(BatchError::io(path))?;
        match line.strip_prefix('#') {
            Some(yaml) => header.push(yaml.to_owned()),
            None => break,
        }
    }
    for (name, unit) in units(&header) {
        if matches!(name.to_ascii_lowercase().as_str(), "ra" | "dec") {
            check_unit(&name, &unit).map_err(|e| wrong(path, e))?;
        }
    }
    let comma = header.iter().any(|line| key(line, "delimiter").is_some_and(|value| value == ","));
    text::read(path, if comma { b',' } else { b' ' }, header.len() as u64, epoch)
}

/// The value of `key: value`, without quotes, up to the next comma or brace.
fn key(text: &str, name: &str) -> Option<String> {
    let at = text.find(&format!("{name}: "))?;
    let before = text[..at].chars().next_back();
    if !before.is_none_or(|c| matches!(c, ' ' | '{' | '-' | ',')) {
        return None;
    }
    let rest = text[at + name.len() + 2..].trim_start();
    for quote in ['\'', '"'] {
        if let Some(quoted) = rest.strip_prefix(quote) {
            return quoted.split(quote).next().map(str::to_owned);
        }
    }
    Some(rest.split([',', '}']).next().unwrap_or_default().trim().to_owned())
}

/// Names and units of columns.
fn units(header: &[String]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut current = None;
    for line in header {
        if let Some(name) = key(line, "name") {
            current = Some(name);
        }
        if let (Some(name), Some(unit)) = (&current, key(line, "unit")) {
            found.push((name.clone(), unit));
        }
    }
    found
}
