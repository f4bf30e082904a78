//! Tables of measurements as CSV, ECSV, JSON and VOTable.
//!
//! The columns of ECSV begin with time, wavelength, bandwidth, flux and its error, side by side,
//! for specutils takes the next column of the same unit as the uncertainty; and its rows are in
//! order of wavelength, for specutils wants that.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spx_core::columns::{ColumnKind, TableColumn};

use super::columns::{COLUMNS, MeasurementColumn};
use super::entry::PhotometryEntry;
use super::irsa::IRSA_COLUMNS;
use crate::PipelineError;
use crate::archive::ArchiveIdentifiers;
use crate::cell_table::{CREATOR, CellTable, CellValue, HeadValue};

/// Which columns a table has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnNames {
    /// As spxquery's light curves have them.
    #[default]
    Spxquery,
    /// The columns of IRSA's Spectrophotometry Tool, and no others.
    Irsa,
}

/// The form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TableForm {
    /// Comma-separated values.
    Csv,
    /// The same with a header that astropy reads.
    Ecsv,
    /// JSON.
    Json,
    /// VOTable 1.4.
    VoTable,
}

impl TableForm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Ecsv, Self::Json, Self::VoTable];

    /// The ending of files of this form.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ecsv => "ecsv",
            Self::Json => "json",
            Self::VoTable => "vot",
        }
    }

    /// By the ending of a file's name.
    ///
    /// # Errors
    /// Where it is none of them.
    pub fn of(path: &Path) -> Result<Self, PipelineError> {
        match path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "ecsv" => Ok(Self::Ecsv),
            "json" => Ok(Self::Json),
            "vot" | "votable" | "xml" => Ok(Self::VoTable),
            _ => Err(PipelineError::usage(format!(
                "--output {}: the name must end in .csv, .ecsv, .json or .vot",
                path.display()
            ))),
        }
    }
}

/// What the head of a table says.
#[derive(Debug, Clone)]
pub struct TableHead {
    /// Name of the source.
    pub name: String,
    /// Its right ascension as it was given \[deg\].
    pub ra: f64,
    /// Its declination \[deg\].
    pub dec: f64,
    /// When the table was made, UTC; `None` where it is not to say so.
    pub generated: Option<String>,
    /// Names of calibration products that were at hand.
    pub calibration: Vec<String>,
    /// How the source was measured, line by line.
    pub settings: Vec<String>,
    /// What the archive calls the images.
    pub identifiers: ArchiveIdentifiers,
}

/// The measurements of one source.
pub struct MeasurementTable<'a> {
    /// What its head says.
    pub head: TableHead,
    /// What became of each file.
    pub entries: &'a [PhotometryEntry],
    /// Names of its columns.
    pub names: ColumnNames,
    /// Also files without a measurement (but not in ECSV, which is a spectrum), and the columns
    /// file, status, reason.
    pub all: bool,
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

impl MeasurementTable<'_> {
    /// Renders the table.
    ///
    /// # Errors
    /// None that is known of.
    pub fn render(&self, form: TableForm) -> Result<Vec<u8>, PipelineError> {
        match form {
            TableForm::Csv => self.table(&self.columns(), self.listed()).csv(self.comments()),
            TableForm::Ecsv => {
                let columns = match self.names {
                    ColumnNames::Spxquery => spectrum_first(),
                    ColumnNames::Irsa => self.columns(),
                };
                let mut measured: Vec<&PhotometryEntry> =
                    self.entries.iter().filter(|e| e.row().is_some()).collect();
                let wavelength = |e: &PhotometryEntry| e.row().map_or(f64::NAN, |(_, row)| row.wavelength);
                measured.sort_by(|a, b| wavelength(a).total_cmp(&wavelength(b)));
                self.table(&columns, measured).ecsv()
            }
            TableForm::Json => Ok(format!("{}\n", serde_json::to_string_pretty(&self.json())?).into_bytes()),
            TableForm::VoTable => Ok(self.table(&self.columns(), self.listed()).votable().into_bytes()),
        }
    }

    /// The columns, but for those of a table of all files.
    pub(super) fn columns(&self) -> Vec<&'static MeasurementColumn> {
        match self.names {
            ColumnNames::Spxquery => COLUMNS.iter().collect(),
            ColumnNames::Irsa => IRSA_COLUMNS.iter().collect(),
        }
    }

    fn table<'e>(
        &self,
        columns: &[&MeasurementColumn],
        entries: impl IntoIterator<Item = &'e PhotometryEntry>,
    ) -> CellTable<'e> {
        let status = STATUS.iter().filter(|_| self.all).map(|&(name, ucd, description)| TableColumn {
            name,
            kind: ColumnKind::Text,
            unit: "",
            ucd,
            description,
        });
        let TableHead { name, ra, dec, generated, calibration, settings, .. } = &self.head;
        let mut head = vec![
            ("source", HeadValue::Text(name.clone())),
            ("ra", HeadValue::Real(*ra)),
            ("dec", HeadValue::Real(*dec)),
            ("creator", HeadValue::Text(CREATOR.to_owned())),
        ];
        head.extend(generated.clone().map(|time| ("generated", HeadValue::Text(time))));
        if !calibration.is_empty() {
            head.push(("calibration", HeadValue::List(calibration.clone())));
        }
        head.push(("settings", HeadValue::List(settings.clone())));
        CellTable {
            name: "photometry",
            title: format!("{name}: {CREATOR}"),
            columns: columns.iter().map(|column| column.column).chain(status).collect(),
            rows: entries.into_iter().map(|entry| self.cells(entry, columns)).collect(),
            head,
        }
    }

    /// Entries that have a row in the table.
    pub(super) fn listed(&self) -> impl Iterator<Item = &PhotometryEntry> {
        self.entries.iter().filter(|entry| self.all || entry.row().is_some())
    }

    pub(super) fn cells<'e>(
        &self,
        entry: &'e PhotometryEntry,
        columns: &[&MeasurementColumn],
    ) -> Vec<CellValue<'e>> {
        let row = entry.row().map(|(_, row)| row);
        let value = |column: &&MeasurementColumn| match &entry.exposure {
            Some(info) => column.value(&self.head, info, row),
            None => CellValue::Empty,
        };
        let mut cells: Vec<CellValue<'e>> = columns.iter().map(value).collect();
        if self.all {
            let (status, reason) = entry.status();
            let text = |text: &'e str| CellValue::Text(text.into());
            cells.extend([text(&entry.file), text(status.name()), reason.map_or(CellValue::Empty, text)]);
        }
        cells
    }

    /// The head of spxquery's light curves, with our columns.
    fn comments(&self) -> String {
        let TableHead { name, ra, dec, generated, calibration, settings, .. } = &self.head;
        let mut text = format!("# SPHEREx Light Curve Data\n# Source: {name}\n# RA: {ra}\n# Dec: {dec}\n");
        let mut line = |line: String| text.extend(["# ", &line, "\n"]);
        if let Some(time) = generated {
            line(format!("Generated: {time}"));
        }
        line(format!("Number of observations: {}", self.listed().count()));
        if !calibration.is_empty() {
            line(format!("Calibration: {}", calibration.join(", ")));
        }
        line(format!("Made by {CREATOR} with {}", settings.join(", ")));
        line("\n# Column descriptions:".to_owned());
        for column in self.columns() {
            let TableColumn { unit, description, .. } = column.column;
            let unit = if unit.is_empty() { String::new() } else { format!(" [{unit}]") };
            line(format!("- {}: {description}{unit}", column.column.name));
        }
        for (name, _, description) in STATUS.iter().filter(|_| self.all) {
            line(format!("- {name}: {description}"));
        }
        text.replace("# \n", "#\n") + "#\n"
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let TableHead { name, ra, dec, generated, calibration, settings, .. } = &self.head;
        let columns = self.columns();
        let names: Vec<&str> = columns.iter().map(|column| column.column.name).collect();
        let rows = self.listed().map(|entry| {
            let cells = self.cells(entry, &columns);
            let status = STATUS.iter().map(|column| column.0);
            let names = names.iter().copied().chain(status);
            serde_json::Value::from_iter(names.zip(&cells).map(|(name, cell)| (name, in_json(cell))))
        });
        json!({
            "source": {"name": name, "ra": ra, "dec": dec},
            "creator": CREATOR,
            "generated": generated,
            "calibration": calibration,
            "settings": settings,
            "photometry": rows.collect::<Vec<_>>(),
        })
    }
}

/// The columns of a spectrum before all others but the observation.
fn spectrum_first() -> Vec<&'static MeasurementColumn> {
    const FIRST: [&str; 6] = ["obs_id", "mjd", "wavelength", "bandwidth", "flux", "flux_error"];
    let first = FIRST.iter().filter_map(|name| COLUMNS.iter().find(|column| column.column.name == *name));
    first.chain(COLUMNS.iter().filter(|column| !FIRST.contains(&column.column.name))).collect()
}

fn in_json(value: &CellValue<'_>) -> serde_json::Value {
    match value {
        CellValue::Text(text) => json!(text),
        // What is not finite has no JSON form, and becomes null.
        CellValue::Real(number) => json!(number),
        CellValue::Integer(number) => json!(number),
        CellValue::Logical(value) => json!(value),
        CellValue::Empty => serde_json::Value::Null,
    }
}
