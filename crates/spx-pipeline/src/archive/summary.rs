//! `query_summary.toml`: what was asked of the archive, and which images it has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spx_archive::{
    ArchiveClient, Cutout, DownloadTarget, FULL_FRAME_BYTES, Observation, ReleaseChoice, SearchResult,
    SearchShape, Selection, SurveyFields,
};
use spx_core::atomic;

use crate::clock::now;
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
    /// What a download is expected to fetch: cutouts, where these are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_download_gb: Option<f64>,
    /// What the files have that were downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downloaded_gb: Option<f64>,
    /// How many of the files that `spx download` fetched hold less than the cutout asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smaller_cutouts: Option<usize>,
    /// What else was asked for.
    #[serde(default)]
    pub filters: QueryFilters,
    /// The place.
    pub region: QueryRegion,
    /// Images of each detector.
    pub band_counts: BTreeMap<String, usize>,
    /// Their sizes, as whole files.
    #[serde(default)]
    pub band_sizes_gb: BTreeMap<String, f64>,
    /// The images, in order of time.
    pub observations: Vec<QueryEntry>,
    /// Older processings of the same exposures, which are not used.
    #[serde(default)]
    pub superseded: Vec<SupersededEntry>,
}

/// Which images of the place were asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueryFilters {
    /// Detectors; all where empty.
    pub bands: Vec<String>,
    /// Dates \[MJD\].
    pub mjd_range: Option<[f64; 2]>,
    /// Releases.
    pub release: ReleaseChoice,
    /// Fields of the survey.
    pub fields: SurveyFields,
    /// The collections of the archive that were searched.
    pub collections: Vec<String>,
    /// Limit of the number of images.
    pub max_images: Option<usize>,
}

/// An image that is not used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SupersededEntry {
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// What the archive says of it.
    #[serde(flatten)]
    pub observation: Observation,
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
        let (mut band_counts, mut band_sizes_gb) = (BTreeMap::new(), BTreeMap::new());
        for QueryEntry { observation, .. } in &observations {
            let (band, size) = (observation.detector.to_string(), observation.size);
            *band_sizes_gb.entry(band.clone()).or_insert(0.0) += gb(size.unwrap_or(FULL_FRAME_BYTES));
            *band_counts.entry(band).or_insert(0) += 1;
        }
        let superseded = search.superseded.into_iter().map(|old| superseded(old, &observations)).collect();
        let first = observations.iter().map(|e| e.observation.mjd_begin).fold(f64::INFINITY, f64::min);
        let last = observations.iter().map(|e| e.observation.mjd_end).fold(f64::NEG_INFINITY, f64::max);
        let bytes: u64 = observations.iter().map(|e| e.observation.size.unwrap_or(FULL_FRAME_BYTES)).sum();
        Self {
            query_time: now(),
            archive: client.base().to_string(),
            query: search.query,
            n_observations: observations.len(),
            time_span_days: (last - first).max(0.0),
            total_size_gb: gb(bytes),
            estimated_download_gb: None,
            downloaded_gb: None,
            smaller_cutouts: None,
            filters: QueryFilters::of(selection),
            region: QueryRegion::of(selection.shape),
            band_counts,
            band_sizes_gb,
            observations,
            superseded,
        }
    }

    /// Bytes that a download of these images, or of cutouts of them, is expected to have.
    pub fn estimated_bytes(&self, cutout: Option<Cutout>) -> u64 {
        let entries = self.observations.iter();
        entries.map(|entry| DownloadTarget::new(&entry.observation, cutout).estimated_bytes()).sum()
    }

    /// Notes what a download was expected to have, and what its files have.
    pub fn note_sizes(&mut self, cutout: Option<Cutout>, files: &[PathBuf]) {
        self.estimated_download_gb = Some(gb(self.estimated_bytes(cutout)));
        let sizes = files.iter().filter_map(|file| std::fs::metadata(file).ok());
        self.downloaded_gb = Some(gb(sizes.map(|metadata| metadata.len()).sum()));
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

fn gb(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

/// Why an image is not used.
fn superseded(old: Observation, kept: &[QueryEntry]) -> SupersededEntry {
    let same = |entry: &&QueryEntry| {
        (&entry.observation.obs_id, entry.observation.detector) == (&old.obs_id, old.detector)
    };
    // With all releases there may be one of each.
    let newer = kept.iter().filter(same).map(|entry| entry.observation.identity()).max();
    let reason = match newer {
        Some(newer) => format!("{newer} is newer than {}", old.identity()),
        None => String::new(),
    };
    SupersededEntry { reason, observation: old }
}

impl QueryFilters {
    fn of(selection: &Selection) -> Self {
        Self {
            bands: selection.bands.iter().map(ToString::to_string).collect(),
            mjd_range: selection.mjd_range.map(|range| [range.min(), range.max()]),
            release: selection.release,
            fields: selection.fields,
            collections: selection.collections(),
            max_images: selection.max_images,
        }
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
        assert_eq!(summary.band_counts["D3"], 1);
        assert!((summary.band_sizes_gb["D3"] - summary.total_size_gb).abs() < 1e-12);
        assert_eq!(summary.filters.collections.len(), 6);
        assert!(summary.superseded[0].reason.contains("l2b-v21-2025-354"));
        assert!(summary.observations[0].download_url.starts_with("https://irsa.ipac.caltech.edu/ibe/data/"));
    }
}
