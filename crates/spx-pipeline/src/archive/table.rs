//! What a query has found, as tables: CSV and VOTable.

use spx_votable::{ArraySize, QueryStatus, VoTableCell, VoTableColumn, VoTableType, VoTableWriter};

use super::summary::{QueryEntry, QuerySummary};
use crate::PipelineError;
use crate::cell_table::{CREATOR, HeadValue, infos};

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

impl QuerySummary {
    /// CSV with a header: obs_id, band, mjd, wavelength_min, wavelength_max, download_url; dates in
    /// days, wavelengths in um.
    ///
    /// # Errors
    /// Those of the writer, which there are none of in memory.
    pub fn to_csv(&self) -> Result<Vec<u8>, PipelineError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS.map(|c| c.0))?;
        for entry in &self.observations {
            writer.write_record(cells(entry))?;
        }
        writer.into_inner().map_err(PipelineError::failed)
    }

    /// What a VOTable says of itself.
    fn head(&self) -> Vec<(&'static str, HeadValue)> {
        let text = |text: &str| HeadValue::Text(text.to_owned());
        vec![
            ("creator", text(CREATOR)),
            ("archive", text(&self.archive)),
            ("query", text(&self.query)),
            ("query_time", text(&self.query_time)),
        ]
    }

    /// The columns of CSV with units and UCDs, as VOTable 1.4 (IVOA), serialized as TABLEDATA.
    pub fn to_votable(&self) -> String {
        let columns = COLUMNS.map(|(name, datatype, unit, ucd)| {
            let size = if datatype == VoTableType::Char { ArraySize::Variable } else { ArraySize::Scalar };
            VoTableColumn { unit, ucd, ..VoTableColumn::new(name, datatype, size) }
        });
        let rows = self.observations.iter().map(|entry| cells(entry).map(VoTableCell::Text).to_vec());
        let mut writer = VoTableWriter::new();
        writer.begin_results();
        writer.status(&QueryStatus::Ok);
        infos(&mut writer, &self.head());
        writer.begin_table("observations", "", columns.to_vec());
        writer.table_data(rows);
        writer.end_table();
        writer.finish()
    }
}
