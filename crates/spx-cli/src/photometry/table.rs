//! Tables of measurements as CSV, ECSV and JSON.
//!
//! ECSV is astropy's Enhanced Character-Separated Values 1.0 (APE 6): a YAML header in comments, then CSV. Its columns
//! begin with time, wavelength, bandwidth, flux and its error, side by side, for specutils takes the next column of the
//! same unit as the uncertainty; and its rows are in order of wavelength, for specutils wants that.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::columns::{COLUMNS, Column, Kind, Value};
use super::entry::Entry;

/// The names of the columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Names {
    /// As spxquery's light curves have them.
    #[default]
    Spxquery,
    /// As tables of IRSA's Spectrophotometry Tool have them, where they do.
    Irsa,
}

impl FromStr for Names {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "spxquery" => Ok(Self::Spxquery),
            "irsa" => Ok(Self::Irsa),
            _ => Err(format!("there are no columns `{text}`; there are: spxquery, irsa")),
        }
    }
}

/// The form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Csv,
    Ecsv,
    Json,
}

impl Form {
    /// By the ending of a file's name.
    ///
    /// # Errors
    /// Where it is none of the three.
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        match path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "ecsv" => Ok(Self::Ecsv),
            "json" => Ok(Self::Json),
            _ => Err(anyhow!("--output {}: the name must end in .csv, .ecsv or .json", path.display())),
        }
    }
}

/// What the head of a table says.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) name: String,
    /// As it was given \[deg\].
    pub(crate) ra: f64,
    pub(crate) dec: f64,
    /// When the table was made, UTC; `None` where it is not to say so.
    pub(crate) generated: Option<String>,
    /// Names of calibration products that were at hand.
    pub(crate) calibration: Vec<String>,
}

/// The measurements of one source.
pub(crate) struct Table<'a> {
    pub(crate) head: Head,
    pub(crate) entries: &'a [Entry],
    pub(crate) names: Names,
    /// Also files without a measurement (but not in ECSV, which is a spectrum), and the columns file, status, reason.
    pub(crate) all: bool,
}

/// Columns of a table of all files beside [`COLUMNS`].
const STATUS: [(&str, &str, &str); 3] = [
    ("file", "meta.id;meta.file", "File as it was given"),
    (
        "status",
        "meta.code",
        "used, rejected (the source cannot be measured), failed (the file is not as it should be)",
    ),
    ("reason", "meta.note", "Why there is no measurement"),
];

impl Table<'_> {
    /// Renders the table.
    ///
    /// # Errors
    /// None that is known of.
    pub(crate) fn render(&self, form: Form) -> anyhow::Result<Vec<u8>> {
        match form {
            Form::Csv => {
                let head = if self.all { String::new() } else { self.comments() };
                self.csv(head, &COLUMNS.each_ref(), self.listed())
            }
            Form::Ecsv => {
                let columns = spectrum_first();
                let mut measured: Vec<&Entry> = self.entries.iter().filter(|e| e.row().is_some()).collect();
                let wavelength = |e: &Entry| e.row().map_or(f64::NAN, |(_, row)| row.wavelength);
                measured.sort_by(|a, b| wavelength(a).total_cmp(&wavelength(b)));
                self.csv(self.yaml(&columns), &columns, measured)
            }
            Form::Json => Ok(format!("{}\n", serde_json::to_string_pretty(&self.json())?).into_bytes()),
        }
    }

    fn name(&self, column: &Column) -> &'static str {
        match self.names {
            Names::Spxquery => column.name,
            Names::Irsa => column.irsa.unwrap_or(column.name),
        }
    }

    /// Entries that have a row in the table.
    fn listed(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| self.all || entry.row().is_some())
    }

    fn cells<'e>(&self, entry: &'e Entry, columns: &[&Column]) -> Vec<Value<'e>> {
        let row = entry.row().map(|(_, row)| row);
        let value = |column: &&Column| match &entry.exposure {
            Some(info) => column.value(info, row),
            None => Value::Empty,
        };
        let mut cells: Vec<Value<'e>> = columns.iter().map(value).collect();
        if self.all {
            let (status, reason) = entry.status();
            let text = |text: &'e str| Value::Text(text.into());
            cells.extend([text(&entry.file), text(status), reason.map_or(Value::Empty, text)]);
        }
        cells
    }

    fn csv<'e>(
        &self,
        head: String,
        columns: &[&Column],
        entries: impl IntoIterator<Item = &'e Entry>,
    ) -> anyhow::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(head.into_bytes());
        let status = STATUS.iter().filter(|_| self.all).map(|column| column.0);
        writer.write_record(columns.iter().map(|column| self.name(column)).chain(status))?;
        for entry in entries {
            writer.write_record(self.cells(entry, columns).iter().map(text))?;
        }
        writer.into_inner().context("csv")
    }

    /// The head of spxquery's light curves, with our columns.
    fn comments(&self) -> String {
        let Head { name, ra, dec, generated, calibration } = &self.head;
        let mut text = format!("# SPHEREx Light Curve Data\n# Source: {name}\n# RA: {ra}\n# Dec: {dec}\n");
        let mut line = |line: String| text.extend(["# ", &line, "\n"]);
        if let Some(time) = generated {
            line(format!("Generated: {time}"));
        }
        line(format!("Number of observations: {}", self.listed().count()));
        if !calibration.is_empty() {
            line(format!("Calibration: {}", calibration.join(", ")));
        }
        line("\n# Column descriptions:".to_owned());
        for column in &COLUMNS {
            let unit = if column.unit.is_empty() { String::new() } else { format!(" [{}]", column.unit) };
            line(format!("- {}: {}{unit}", self.name(column), column.description));
        }
        text.replace("# \n", "#\n") + "#\n"
    }

    fn yaml(&self, columns: &[&Column]) -> String {
        let Head { name, ra, dec, generated, calibration } = &self.head;
        let mut text = String::from("# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n");
        let mut column = |name: &str, kind: Kind, unit: &str, ucd: &str, description: &str| {
            let datatype = match kind {
                Kind::Text => "string",
                Kind::Real => "float64",
                Kind::Integer => "int64",
                Kind::Logical => "bool",
            };
            let unit = if unit.is_empty() { String::new() } else { format!(", unit: {}", quoted(unit)) };
            text.push_str(&format!(
                "# - {{name: {name}{unit}, datatype: {datatype}, description: {}, meta: {{ucd: {}}}}}\n",
                quoted(description),
                quoted(ucd)
            ));
        };
        for c in columns {
            column(self.name(c), c.kind, c.unit, c.ucd, c.description);
        }
        for (name, ucd, description) in STATUS.iter().filter(|_| self.all) {
            column(name, Kind::Text, "", ucd, description);
        }
        text.push_str(&format!(
            "# meta:\n#   source: {}\n#   ra: {ra:?}\n#   dec: {dec:?}\n#   creator: {}\n",
            quoted(name),
            quoted(concat!("spx ", env!("CARGO_PKG_VERSION")))
        ));
        if let Some(time) = generated {
            text.push_str(&format!("#   generated: {}\n", quoted(time)));
        }
        if !calibration.is_empty() {
            let names: Vec<String> = calibration.iter().map(|name| quoted(name)).collect();
            text.push_str(&format!("#   calibration: [{}]\n", names.join(", ")));
        }
        text + "# schema: astropy-2.0\n"
    }

    fn json(&self) -> serde_json::Value {
        let Head { name, ra, dec, generated, calibration } = &self.head;
        let names: Vec<&str> = COLUMNS.iter().map(|column| self.name(column)).collect();
        let rows = self.listed().map(|entry| {
            let cells = self.cells(entry, &COLUMNS.each_ref());
            let status = STATUS.iter().map(|column| column.0);
            let names = names.iter().copied().chain(status);
            serde_json::Value::from_iter(names.zip(&cells).map(|(name, cell)| (name, in_json(cell))))
        });
        json!({
            "source": {"name": name, "ra": ra, "dec": dec},
            "creator": concat!("spx ", env!("CARGO_PKG_VERSION")),
            "generated": generated,
            "calibration": calibration,
            "photometry": rows.collect::<Vec<_>>(),
        })
    }
}

/// The columns of a spectrum before all others but the observation.
fn spectrum_first() -> Vec<&'static Column> {
    const FIRST: [&str; 6] = ["obs_id", "mjd", "wavelength", "bandwidth", "flux", "flux_error"];
    let first = FIRST.iter().filter_map(|name| COLUMNS.iter().find(|column| column.name == *name));
    first.chain(COLUMNS.iter().filter(|column| !FIRST.contains(&column.name))).collect()
}

/// A cell of CSV. Numbers have as many digits as it takes to read the same number back; logical values are Python's.
fn text(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => text.clone().into_owned(),
        Value::Real(number) if number.is_nan() => "nan".to_owned(),
        Value::Real(number) => format!("{number:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Logical(true) => "True".to_owned(),
        Value::Logical(false) => "False".to_owned(),
        Value::Empty => String::new(),
    }
}

fn in_json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Text(text) => json!(text),
        // What is not finite has no JSON form, and becomes null.
        Value::Real(number) => json!(number),
        Value::Integer(number) => json!(number),
        Value::Logical(value) => json!(value),
        Value::Empty => serde_json::Value::Null,
    }
}

/// A YAML string in single quotes.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("'{}'", plain.replace('\'', "''"))
}
