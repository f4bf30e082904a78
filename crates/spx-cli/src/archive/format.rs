//! The forms in which `spx query` prints what it found.

use std::fmt::Write as _;

use clap::ValueEnum;
use spx_votable::{ArraySize, QueryStatus, VoTableCell, VoTableColumn, VoTableType, VoTableWriter};

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
const COLUMNS: [(&str, VoTableType, &str, &str); 6] = [
    ("obs_id", VoTableType::Char, "", "meta.id;obs"),
    ("band", VoTableType::Char, "", "instr.bandpass"),
    ("mjd", VoTableType::Double, "d", "time.epoch;obs"),
    ("wavelength_min", VoTableType::Double, "um", "em.wl;stat.min"),
    ("wavelength_max", VoTableType::Double, "um", "em.wl;stat.max"),
    ("download_url", VoTableType::Char, "", "meta.ref.url"),
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

/// VOTable 1.4 (IVOA), serialized as TABLEDATA.
fn votable(summary: &QuerySummary) -> String {
    let columns = COLUMNS.map(|(name, datatype, unit, ucd)| {
        let size = if datatype == VoTableType::Char { ArraySize::Variable } else { ArraySize::Scalar };
        VoTableColumn { unit, ucd, ..VoTableColumn::new(name, datatype, size) }
    });
    let rows = summary.observations.iter().map(|entry| cells(entry).map(VoTableCell::Text).to_vec());
    let mut writer = VoTableWriter::new();
    writer.begin_results();
    writer.status(&QueryStatus::Ok);
    writer.begin_table("observations", "", columns.to_vec());
    writer.table_data(rows);
    writer.end_table();
    writer.finish()
}
