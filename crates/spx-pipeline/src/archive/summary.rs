//! `query_summary.toml`: what was asked of the archive, and which images it has.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use spx_archive::{
    ArchiveClient, DownloadTarget, FULL_FRAME_BYTES, Observation, SearchResult, SearchShape, Selection,
};
use spx_core::atomic;

use crate::{PipelineError, ResultContext as _};

/// The name of its file.
pub const QUERY_SUMMARY: &str = "query_summary.toml";

/// What a query has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuerySummary {
    /// When the archive was asked, UTC.
    pub query_time: String,
    /// Its base address.
    pub archive: String,
    /// ADQL, or the address of the SIA2 query.
    pub query: String,
    /// Number of images.
    pub n_observations: usize,
    /// From the first to the last exposure.
    pub time_span_days: f64,
    /// Of the whole files, where the archive does not say, estimated.
    pub total_size_gb: f64,
    /// The place.
    pub region: QueryRegion,
    /// Images of each detector.
    pub band_counts: BTreeMap<String, usize>,
    /// The images, in order of time.
    pub observations: Vec<QueryEntry>,
    /// Older processings of the same exposures, which are not used.
    #[serde(default)]
    pub superseded: Vec<Observation>,
}

/// The place that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryRegion {
    /// \[deg\]
    pub center_ra: f64,
    /// \[deg\]
    pub center_dec: f64,
    /// Of a circle.
    pub radius_deg: Option<f64>,
    /// `any` or `full`, of a circle.
    pub coverage_mode: Option<String>,
    /// Of a rectangle.
    pub width_arcmin: Option<f64>,
    /// Of a rectangle.
    pub height_arcmin: Option<f64>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryEntry {
    /// Middle of the exposure \[MJD\].
    pub mjd: f64,
    /// The whole file.
    pub download_url: String,
    #[serde(flatten)]
    /// What the archive says of it.
    pub observation: Observation,
}

impl QuerySummary {
    /// The summary of a search.
    pub fn new(client: &ArchiveClient, selection: &Selection, search: SearchResult) -> Self {
        let observations: Vec<QueryEntry> = search
            .observations
            .into_iter()
            .map(|observation| QueryEntry {
                mjd: observation.mjd(),
                download_url: client.url(&DownloadTarget::new(&observation, None)).to_string(),
                observation,
            })
            .collect();
        let mut band_counts = BTreeMap::new();
        for entry in &observations {
            *band_counts.entry(entry.observation.detector.to_string()).or_insert(0) += 1;
        }
        let first = observations.iter().map(|e| e.observation.mjd_begin).fold(f64::INFINITY, f64::min);
        let last = observations.iter().map(|e| e.observation.mjd_end).fold(f64::NEG_INFINITY, f64::max);
        let bytes: u64 = observations.iter().map(|e| e.observation.size.unwrap_or(FULL_FRAME_BYTES)).sum();
        Self {
            query_time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            archive: client.base().to_string(),
            query: search.query,
            n_observations: observations.len(),
            time_span_days: (last - first).max(0.0),
            total_size_gb: bytes as f64 / 1e9,
            region: QueryRegion::of(selection.shape),
            band_counts,
            observations,
            superseded: search.superseded,
        }
    }

    /// Reads a summary.
    ///
    /// # Errors
    /// Where the file cannot be read or is no query summary.
    pub fn read(path: &Path) -> Result<Self, PipelineError> {
        let context = || format!("query summary {}", path.display());
        let text = std::fs::read_to_string(path).with_context(context)?;
        toml::from_str(&text).with_context(context)
    }

    /// Writes it, replacing that of an earlier query.
    ///
    /// # Errors
    /// What the disk reports.
    pub fn write(&self, path: &Path) -> Result<(), PipelineError> {
        let text = toml::to_string(self)?;
        atomic::write(path, text.as_bytes(), true).with_context(|| path.display().to_string())
    }
}

impl QueryRegion {
    fn of(shape: SearchShape) -> Self {
        let center = shape.center();
        let point = Self {
            center_ra: center.ra(),
            center_dec: center.dec(),
            radius_deg: None,
            coverage_mode: None,
            width_arcmin: None,
            height_arcmin: None,
        };
        match shape {
            SearchShape::Point(_) => point,
            SearchShape::Circle(circle, coverage) => {
                Self { radius_deg: Some(circle.radius()), coverage_mode: Some(coverage.to_string()), ..point }
            }
            SearchShape::Rectangle(rectangle) => Self {
                width_arcmin: Some(rectangle.width()),
                height_arcmin: Some(rectangle.height()),
                ..point
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read_back() {
        let observation: Observation = toml::from_str(
            "obs_id = '2025W51_1A_0684_2'\nband = 'D3'\nmjd_begin = 61027.2\nmjd_end = 61027.3\n\
             wavelength_min = 1.6\nwavelength_max = 2.4\n\
             uri = 'ibe/data/spherex/qr2/level2/2025W51_1A/l2b-v21-2025-354/3/\
             level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits'",
        )
        .unwrap();
        let position = spx_core::sky::Position::new(10.0, 41.0).unwrap();
        let client =
            ArchiveClient::new(spx_archive::ArchiveUrl::default(), spx_archive::ClientOptions::default());
        let search = SearchResult {
            observations: vec![observation.clone()],
            superseded: vec![observation],
            rejected: Vec::new(),
            service: spx_archive::SearchService::TapSync,
            query: "SELECT".into(),
        };
        let summary = QuerySummary::new(&client, &Selection::new(SearchShape::Point(position)), search);
        let file = tempfile::NamedTempFile::new().unwrap();
        summary.write(file.path()).unwrap();
        assert_eq!(QuerySummary::read(file.path()).unwrap(), summary);
        assert!(summary.observations[0].download_url.starts_with("https://irsa.ipac.caltech.edu/ibe/data/"));
    }
}
