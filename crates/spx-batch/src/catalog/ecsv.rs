//! The header of astropy's enhanced CSV (APE 6): lines of YAML in comments.
//!
//! Of the YAML only the delimiter and the units of columns are looked at, in the two forms in which
//! astropy writes columns: `- {name: ra, unit: deg, datatype: float64}` and one key a line.

/// What the comments declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) delimiter: u8,
    units: Vec<(String, String)>,
}

impl Header {
    /// Reads the comments of a text, without their `#`; `None` where they are no such header.
    pub(super) fn parse(comments: &[String]) -> Option<Self> {
        if !comments.first()?.trim_start().starts_with("%ECSV") {
            return None;
        }
        let comma = comments.iter().any(|line| key(line, "delimiter").is_some_and(|value| value == ","));
        Some(Self {
            delimiter: if comma { b',' } else { b' ' },
            units: units(comments.iter().map(String::as_str)),
        })
    }

    /// The unit of a column, empty where it has none.
    pub(super) fn unit(&self, name: &str) -> Option<String> {
        self.units.iter().find(|(column, _)| column == name).map(|(_, unit)| unit.clone())
    }
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
    // An object such as `!astropy.units.Unit {unit: deg}` has the unit within.
    if rest.starts_with('!') {
        return rest.split_once('{').and_then(|(_, inside)| key(inside, name));
    }
    Some(rest.split([',', '}']).next().unwrap_or_default().trim().to_owned())
}

/// Names and units of the columns that have one.
pub(super) fn units<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut current = None;
    for line in lines {
        if let Some(name) = key(line, "name") {
            current = Some(name);
        }
        if let (Some(name), Some(unit)) = (&current, key(line, "unit")) {
            found.push((name.clone(), unit));
        }
    }
    found
}
