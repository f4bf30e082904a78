//! The forms in which `spx query` prints what it found.

use std::fmt::Write as _;

use clap::ValueEnum;

use spx_pipeline::archive::{QueryEntry, QuerySummary};

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// Columns for reading
    Table,
    /// obs_id, band, mjd, wavelength_min, wavelength_max, download_url
    Csv,
    /// The whole summary
    Json,
    /// The columns of csv, with units and UCDs, for TOPCAT and astropy
    Votable,
}

/// Name, datatype, unit and UCD of the columns of CSV and VOTable.
const COLUMNS: [(&str, &str, &str, &str); 6] = [
    ("obs_id", "char", "", "meta.id;obs"),
    ("band", "char", "", "instr.bandpass"),
    ("mjd", "double", "d", "time.epoch;obs"),
    ("wavelength_min", "double", "um", "em.wl;stat.min"),
    ("wavelength_max", "double", "um", "em.wl;stat.max"),
    ("download_url", "char", "", "meta.ref.url"),
];

fn cells(entry: &QueryEntry) -> [String; 6] {
    let o = &entry.observation;
    [
        o.obs_id.as_str().to_owned(),
        o.detector.to_string(),
        format!("{:.6}", entry.mjd),
        format!("{:.6}", o.wavelength_min),
        format!("{:.6}", o.wavelength_max),
        entry.download_url.clone(),
    ]
}

/// Renders a summary.
pub(crate) fn render(summary: &QuerySummary, format: TableFormat) -> anyhow::Result<String> {
    match format {
        TableFormat::Table => Ok(table(summary)),
        TableFormat::Csv => csv(summary),
        TableFormat::Json => Ok(format!("{}\n", serde_json::to_string_pretty(summary)?)),
        TableFormat::Votable => Ok(votable(summary)),
    }
}

fn table(summary: &QuerySummary) -> String {
    let mut text = String::from("observation            band  mjd             wavelength [um]  file\n");
    for entry in &summary.observations {
        let o = &entry.observation;
        // Writing to a string cannot fail.
        writeln!(
            text,
            "{:<22} {:<5} {:<15.6} {:.3} to {:.3}   {}",
            o.obs_id.as_str(),
            o.detector.to_string(),
            entry.mjd,
            o.wavelength_min,
            o.wavelength_max,
            o.file_name()
        )
        .ok();
    }
    let counts: Vec<String> = summary.band_counts.iter().map(|(band, n)| format!("{n} {band}")).collect();
    writeln!(
        text,
        "{} images ({}) over {:.1} days, {:.2} GB",
        summary.n_observations,
        counts.join(", "),
        summary.time_span_days,
        summary.total_size_gb
    )
    .ok();
    text
}

fn csv(summary: &QuerySummary) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.map(|c| c.0))?;
    for entry in &summary.observations {
        writer.write_record(cells(entry))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// VOTable 1.4 (IVOA), serialised as TABLEDATA.
fn votable(summary: &QuerySummary) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <VOTABLE version=\"1.4\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n\
         <RESOURCE type=\"results\">\n<INFO name=\"QUERY_STATUS\" value=\"OK\"/>\n<TABLE name=\"observations\">\n",
    );
    for (name, datatype, unit, ucd) in COLUMNS {
        let size = if datatype == "char" { " arraysize=\"*\"" } else { "" };
        let unit = if unit.is_empty() { String::new() } else { format!(" unit=\"{unit}\"") };
        writeln!(text, "<FIELD name=\"{name}\" datatype=\"{datatype}\"{size}{unit} ucd=\"{ucd}\"/>").ok();
    }
    text.push_str("<DATA><TABLEDATA>\n");
    for entry in &summary.observations {
        text.push_str("<TR>");
        for cell in cells(entry) {
            write!(text, "<TD>{}</TD>", escaped(&cell)).ok();
        }
        text.push_str("</TR>\n");
    }
    text.push_str("</TABLEDATA></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
