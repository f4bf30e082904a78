//! What the archive holds: one spectral image of one detector.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::release::{DataRelease, Processing, ProductName, ReleaseChoice, ReleaseIdentity};
use thiserror::Error;

use crate::path::{ArchivePath, ArchivePathError};

/// A spectral image that the archive holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Observation {
    /// Observation id, such as `2025W51_1A_0684_2`.
    pub obs_id: ObservationId,
    /// The detector.
    pub detector: Detector,
    /// Begin of the exposure \[MJD\].
    pub mjd_begin: f64,
    /// End of the exposure \[MJD\].
    pub mjd_end: f64,
    /// Shortest wavelength \[um\].
    pub wavelength_min: f64,
    /// Longest wavelength \[um\].
    pub wavelength_max: f64,
    /// The file.
    pub uri: ArchivePath,
    /// The id by which DataLink knows it, where the archive gave one.
    pub publisher_did: Option<String>,
    /// The collection in which the archive lists it, where it says so: `spherex_qr2`, or
    /// `spherex_qr2_deep` for an image of a deep field. Neither file nor path tell that.
    pub collection: Option<String>,
    /// When and by which version it was processed, where the file's name says so.
    pub processing: Option<Processing>,
    /// Size that the archive states \[bytes\], where it does.
    pub size: Option<u64>,
    /// Corners `[ra, dec]` of the image \[deg\], in order around it; empty where they were not
    /// asked for ([`Selection::outlines`](crate::Selection::outlines)), and in query summaries.
    pub outline: Vec<[f64; 2]>,
}

/// What can be wrong with a row of the archive.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ObservationError {
    /// A path that is refused.
    #[error(transparent)]
    Path(#[from] ArchivePathError),
    /// An observation id that is none.
    #[error("observation id {0:?} is refused: expected letters, digits, `_` and `-`")]
    Id(String),
    /// A band that is none.
    #[error("band {0:?} is not one of SPHEREx-D1 to SPHEREx-D6")]
    Band(String),
    /// A value that is needed is not there or makes no sense.
    #[error("{column} of {uri} is missing or invalid")]
    Value {
        /// The column.
        column: &'static str,
        /// The file.
        uri: String,
    },
    /// The parts of a row contradict each other.
    #[error("the file {uri} is listed as observation {listed}")]
    Contradiction {
        /// The file.
        uri: String,
        /// Observation and detector of the row.
        listed: String,
    },
}

impl Observation {
    /// Middle of the exposure \[MJD\].
    pub fn mjd(&self) -> f64 {
        f64::midpoint(self.mjd_begin, self.mjd_end)
    }

    /// Release and processing, by the path of the file.
    pub fn identity(&self) -> ReleaseIdentity {
        ReleaseIdentity::new(Path::new(self.uri.as_str()), None)
    }

    /// True where the archive lists it among the images of deep fields.
    pub fn is_deep(&self) -> bool {
        self.collection.as_ref().is_some_and(|name| name.ends_with("_deep"))
    }

    /// The file's name.
    pub fn file_name(&self) -> &str {
        self.uri.file_name()
    }

    /// Checks what its parts say about each other.
    pub(crate) fn checked(self) -> Result<Self, ObservationError> {
        let wrong = |column| ObservationError::Value { column, uri: self.uri.to_string() };
        for (ok, column) in [
            (self.mjd_begin.is_finite(), "begin of exposure"),
            (self.mjd_end >= self.mjd_begin && self.mjd_end.is_finite(), "end of exposure"),
            (self.wavelength_min > 0.0 && self.wavelength_min.is_finite(), "shortest wavelength"),
            (
                self.wavelength_max >= self.wavelength_min && self.wavelength_max.is_finite(),
                "longest wavelength",
            ),
        ] {
            if !ok {
                return Err(wrong(column));
            }
        }
        match ProductName::parse(self.uri.file_name()) {
            Some(name) if name.obs_id != self.obs_id.as_str() || name.detector != self.detector => {
                Err(ObservationError::Contradiction {
                    uri: self.uri.to_string(),
                    listed: format!("{} {}", self.obs_id, self.detector),
                })
            }
            _ => Ok(self),
        }
    }
}

/// The id of an observation: letters, digits, `_` and `-`, so that it may stand in a file's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObservationId(String);

impl ObservationId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObservationId {
    type Err = ObservationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
            return Err(ObservationError::Id(text.chars().take(80).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ObservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Observations with only the newest processing of each exposure, and the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Newest {
    /// One for each observation and detector, by time, observation and detector.
    pub kept: Vec<Observation>,
    /// The older ones, in the same order.
    pub superseded: Vec<Observation>,
}

/// Keeps the newest processing of each (observation, detector): the highest version, then the
/// latest date, then a repetition. Where both are the same, or the name tells neither, the later
/// path in order of text wins, so that the order of the input makes no difference. Pipeline 7 wins
/// over pipeline 6; with [`ReleaseChoice::Any`] each release has its own.
pub fn newest(observations: Vec<Observation>, choice: ReleaseChoice) -> Newest {
    let mut best: HashMap<(ObservationId, Detector, Option<DataRelease>), Observation> = HashMap::new();
    let mut result = Newest::default();
    for observation in observations {
        let group = choice.group(observation.identity().release);
        let key = (observation.obs_id.clone(), observation.detector, group);
        match best.remove(&key) {
            None => {
                best.insert(key, observation);
            }
            Some(other) => {
                // A file that is listed for both fields is of the deep one.
                let rank = |o: &Observation| (o.identity(), o.uri.clone(), o.is_deep());
                let (new, old) = if rank(&observation) > rank(&other) {
                    (observation, other)
                } else {
                    (other, observation)
                };
                // The same file listed twice is no older version.
                if new.uri != old.uri {
                    result.superseded.push(old);
                }
                best.insert(key, new);
            }
        }
    }
    result.kept = best.into_values().collect();
    for list in [&mut result.kept, &mut result.superseded] {
        list.sort_by(|a, b| {
            let key = |o: &Observation| (o.obs_id.clone(), o.detector, o.uri.clone());
            a.mjd_begin.total_cmp(&b.mjd_begin).then_with(|| key(a).cmp(&key(b)))
        });
        // Rows may be listed for several fields.
        list.dedup_by(|a, b| a.uri == b.uri);
    }
    result
}

/// An observation as it is kept in query summaries; everything is checked anew when it is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    obs_id: String,
    band: String,
    mjd_begin: f64,
    mjd_end: f64,
    wavelength_min: f64,
    wavelength_max: f64,
    uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    publisher_did: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collection: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl TryFrom<Record> for Observation {
    type Error = ObservationError;

    fn try_from(record: Record) -> Result<Self, Self::Error> {
        let uri: ArchivePath = record.uri.parse()?;
        Self {
            obs_id: record.obs_id.parse()?,
            detector: record.band.parse().map_err(|_| ObservationError::Band(record.band))?,
            mjd_begin: record.mjd_begin,
            mjd_end: record.mjd_end,
            wavelength_min: record.wavelength_min,
            wavelength_max: record.wavelength_max,
            publisher_did: record.publisher_did,
            collection: record.collection,
            processing: ProductName::parse(uri.file_name()).map(|name| name.processing),
            uri,
            size: record.size,
            outline: Vec::new(),
        }
        .checked()
    }
}

impl From<Observation> for Record {
    fn from(o: Observation) -> Self {
        Self {
            obs_id: o.obs_id.0,
            band: o.detector.to_string(),
            mjd_begin: o.mjd_begin,
            mjd_end: o.mjd_end,
            wavelength_min: o.wavelength_min,
            wavelength_max: o.wavelength_max,
            uri: o.uri.to_string(),
            publisher_did: o.publisher_did,
            collection: o.collection,
            size: o.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(obs: &str, detector: u8, version: &str, mjd: f64) -> Observation {
        let name = format!("level2_{obs}D{detector}_spx_l2b-v{version}.fits");
        let record = Record {
            obs_id: obs.into(),
            band: format!("D{detector}"),
            mjd_begin: mjd,
            mjd_end: mjd + 0.001,
            wavelength_min: 1.0,
            wavelength_max: 2.0,
            uri: format!("ibe/data/spherex/qr2/level2/p/l2b-v{version}/{detector}/{name}"),
            publisher_did: None,
            collection: None,
            size: None,
        };
        record.try_into().unwrap()
    }

    #[test]
    fn the_newest_processing_is_kept() {
        let list = vec![
            made("b_1", 3, "30-2025-300", 2.0),
            made("a_1", 3, "21-2025-354", 1.0),
            made("a_1", 4, "21-2025-354", 1.0),
            made("a_1", 3, "22-2025-001", 1.0),
            made("a_1", 3, "9-2025-354", 1.0),
            made("b_1", 3, "31-2025-300", 2.0),
            made("b_1", 3, "31-2025-300", 2.0),
        ];
        let shown = |list: &[Observation]| -> Vec<String> {
            list.iter().map(|o| format!("{} {} {}", o.obs_id, o.detector, o.processing.unwrap())).collect()
        };
        let result = newest(list.clone(), ReleaseChoice::Newest);
        assert_eq!(
            shown(&result.kept),
            ["a_1 D3 l2b-v22-2025-001", "a_1 D4 l2b-v21-2025-354", "b_1 D3 l2b-v31-2025-300"]
        );
        assert_eq!(
            shown(&result.superseded),
            ["a_1 D3 l2b-v21-2025-354", "a_1 D3 l2b-v9-2025-354", "b_1 D3 l2b-v30-2025-300"]
        );
        let backwards = newest(list.into_iter().rev().collect(), ReleaseChoice::Newest);
        assert_eq!(backwards, result, "the order of the input makes no difference");
    }

    #[test]
    fn a_file_that_is_listed_for_both_fields_is_of_the_deep_one() {
        let listed = |collection: &str| {
            let image = made("a_1", 3, "27-2026-222", 1.0);
            Observation { collection: Some(collection.to_owned()), ..image }
        };
        let rows = vec![listed("spherex_qr3"), listed("spherex_qr3_deep"), listed("spherex_qr3")];
        for rows in [rows.clone(), rows.into_iter().rev().collect()] {
            let Newest { kept, superseded } = newest(rows, ReleaseChoice::Newest);
            assert_eq!((kept.len(), superseded.len()), (1, 0));
            assert!(kept[0].is_deep(), "{kept:?}");
        }
    }

    #[test]
    fn what_is_kept_is_checked_when_it_is_read() {
        let observation = made("2025W51_1A_0684_2", 3, "21-2025-354", 61_025.5);
        let text = toml::to_string(&observation).unwrap();
        assert!(text.contains("band = \"D3\""), "{text}");
        assert_eq!(toml::from_str::<Observation>(&text).unwrap(), observation);
        for (from, to) in [
            ("qr2/level2", "../../etc"),
            ("band = \"D3\"", "band = \"D4\""),
            ("mjd_end = 61025.5", "mjd_end = 1.5"),
            ("wavelength_min = 1.0", "wavelength_min = nan"),
            ("obs_id = \"2025", "obs_id = \"/2025"),
        ] {
            assert_ne!(text.replace(from, to), text, "{from}");
            assert!(toml::from_str::<Observation>(&text.replace(from, to)).is_err(), "{to}");
        }
    }
}
