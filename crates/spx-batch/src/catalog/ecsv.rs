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
        let text = comments.join("\n");
        let comma =
            key(&text, &without_quoted(&text), "delimiter").is_some_and(|value| value.starts_with(','));
        Some(Self { delimiter: if comma { b',' } else { b' ' }, units: units(&text) })
    }

    /// The unit of a column, empty where it has none.
    pub(super) fn unit(&self, name: &str) -> Option<String> {
        self.units.iter().find(|(column, _)| column == name).map(|(_, unit)| unit.clone())
    }
}

/// The text with what stands in quotes crossed out, byte by byte, so that keys are not looked for
/// in descriptions. Quotes begin a value, and none is within a word.
fn without_quoted(text: &str) -> Vec<u8> {
    let (mut crossed, mut open, mut before) = (text.as_bytes().to_vec(), None, b' ');
    for byte in &mut crossed {
        let this = *byte;
        match open {
            Some(quote) if this == quote => open = None,
            Some(_) => *byte = b'_',
            None if matches!(this, b'\'' | b'"') && !before.is_ascii_alphanumeric() => open = Some(this),
            None => {}
        }
        before = this;
    }
    crossed
}

/// The value of `key: value`, without quotes, up to the next comma or brace; `crossed` is the text
/// without what is in quotes.
fn key(text: &str, crossed: &[u8], name: &str) -> Option<String> {
    let wanted = format!("{name}: ");
    let is_key = |at: &usize| {
        let before = at.checked_sub(1).map(|before| crossed[before]);
        before.is_none_or(|byte| matches!(byte, b' ' | b'{' | b'-' | b','))
    };
    let at = memchr::memmem::find_iter(crossed, wanted.as_bytes()).find(is_key)? + wanted.len();
    let (rest, crossed) = (&text[at..], &crossed[at..]);
    let blanks = rest.len() - rest.trim_start().len();
    let (rest, crossed) = (&rest[blanks..], &crossed[blanks..]);
    for quote in ['\'', '"'] {
        if let Some(quoted) = rest.strip_prefix(quote) {
            return quoted.split(quote).next().map(str::to_owned);
        }
    }
    // An object such as `!astropy.units.Unit {unit: deg}` has the unit within.
    if rest.starts_with('!') {
        let inside = rest.find('{')? + 1;
        return key(&rest[inside..], &crossed[inside..], name);
    }
    Some(rest.split([',', '}']).next().unwrap_or_default().trim().to_owned())
}

/// Names and units of the columns that have one, from the list `datatype` of a header.
pub(super) fn units(header: &str) -> Vec<(String, String)> {
    let crossed = without_quoted(header);
    let (mut found, mut current, mut inside, mut at) = (Vec::new(), None, false, 0);
    for line in header.split('\n') {
        let crossed = &crossed[at..at + line.len()];
        at += line.len() + 1;
        // What stands at the margin, and is no item of a list, is a key of the header itself.
        let margin = crossed.strip_prefix(b" ").unwrap_or(crossed);
        if !matches!(margin.first(), None | Some(b' ' | b'-' | b'_' | b'\'' | b'"')) {
            inside = margin.starts_with(b"datatype:");
        }
        if !inside {
            continue;
        }
        if let Some(name) = key(line, crossed, "name") {
            current = Some(name);
        }
        if let (Some(name), Some(unit)) = (&current, key(line, crossed, "unit")) {
            found.push((name.clone(), unit));
        }
    }
    found
}
