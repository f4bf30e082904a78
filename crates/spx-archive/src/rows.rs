//! Rows of TAP and SIA answers as observations.

use std::io::Read;

use crate::error::ArchiveError;
use crate::http::{Reply, printable, shown};
use spx_core::release::ProductName;

use crate::observation::{Observation, ObservationError};
use crate::path::ArchivePath;
use spx_votable::{QueryStatus, VoTableCell, VoTableError, VoTableLimits, VoTableReader};

/// Meters to um.
const UM_PER_M: f64 = 1e6;

/// Bytes of the kB in which SIA states sizes.
const BYTES_PER_KB: f64 = 1e3;

/// The service that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchService {
    /// A synchronous TAP query.
    TapSync,
    /// An asynchronous TAP job.
    TapAsync,
    /// SIA2.
    Sia,
}

/// A row of the answer that is no observation.
#[derive(Debug)]
pub struct RejectedRow {
    /// Its number, from 1.
    pub row: usize,
    /// Why.
    pub cause: String,
}

/// The rows of an answer.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) observations: Vec<Observation>,
    pub(crate) rejected: Vec<RejectedRow>,
    /// True where the service cut its answer off.
    pub(crate) overflow: bool,
}

/// Reads an answer; whatever its status says, an error in it is one.
pub(crate) fn read(reply: Reply<'_>, service: SearchService) -> Result<Rows, ArchiveError> {
    let url = shown(&reply.url);
    read_table(reply.into_decoded(), url, service)
}

pub(crate) fn read_table(body: impl Read, url: String, service: SearchService) -> Result<Rows, ArchiveError> {
    let mut rows = Rows { observations: Vec::new(), rejected: Vec::new(), overflow: false };
    rows.overflow = read_rows(
        body,
        &url,
        |table| Columns::find(table, service),
        |columns, number, cells| match columns.observation(cells) {
            Ok(observation) => rows.observations.push(observation),
            Err(cause) => {
                rows.rejected.push(RejectedRow { row: number, cause: printable(&cause.to_string()) });
            }
        },
    )?;
    Ok(rows)
}

/// Reads the rows of an answer one by one, with what `find` makes of its columns; true where the
/// service cut it off. Whatever its status says, an error in it is one.
pub(crate) fn read_rows<R: Read, C>(
    body: R,
    url: &str,
    find: impl FnOnce(&VoTableReader<R>) -> Result<C, VoTableError>,
    mut take: impl FnMut(&C, usize, &[VoTableCell]),
) -> Result<bool, ArchiveError> {
    let table_error = |source: VoTableError| match source {
        VoTableError::Io { problem, timeout } => {
            ArchiveError::Transport { url: url.to_owned(), cause: problem, timeout }
        }
        source => ArchiveError::Table { url: url.to_owned(), source },
    };
    let mut table = VoTableReader::new(body, VoTableLimits::default()).map_err(table_error)?;
    refuse_error(url, table.status())?;
    let columns = find(&table).map_err(table_error)?;
    let mut number = 0;
    while let Some(cells) = table.next_row().map_err(table_error)? {
        number += 1;
        take(&columns, number, &cells);
    }
    refuse_error(url, table.status())?;
    Ok(table.status() == Some(&QueryStatus::Overflow))
}

/// A name of a collection; whatever else stands there is as good as none.
fn collection(name: &str) -> Option<String> {
    let plain = name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (plain && name.starts_with("spherex_")).then(|| name.to_owned())
}

fn refuse_error(url: &str, status: Option<&QueryStatus>) -> Result<(), ArchiveError> {
    match status {
        Some(QueryStatus::Error(message)) => {
            Err(ArchiveError::Query { url: url.to_owned(), message: message.clone() })
        }
        _ => Ok(()),
    }
}

/// The columns that an observation is made of.
struct Columns {
    file: usize,
    publisher_did: usize,
    collection: Option<usize>,
    band: usize,
    times: [usize; 2],
    wavelengths: [usize; 2],
    /// Size, and how many bytes its unit has.
    size: Option<(usize, f64)>,
    outline: Option<usize>,
}

impl Columns {
    fn find<R: Read>(table: &VoTableReader<R>, service: SearchService) -> Result<Self, VoTableError> {
        let [file, t0, t1, w0, w1] = match service {
            SearchService::Sia => ["access_url", "t_min", "t_max", "em_min", "em_max"],
            SearchService::TapSync | SearchService::TapAsync => [
                "uri",
                "time_bounds_lower",
                "time_bounds_upper",
                "energy_bounds_lower",
                "energy_bounds_upper",
            ],
        };
        Ok(Self {
            file: table.column(file)?,
            publisher_did: table.column("obs_publisher_did")?,
            collection: table.column("collection").or_else(|_| table.column("obs_collection")).ok(),
            band: table.column("energy_bandpassname")?,
            times: [table.column(t0)?, table.column(t1)?],
            wavelengths: [table.column(w0)?, table.column(w1)?],
            size: match service {
                SearchService::Sia => table.column("access_estsize").ok().map(|at| (at, BYTES_PER_KB)),
                _ => table.column("contentlength").ok().map(|at| (at, 1.0)),
            },
            outline: table.column("poly").ok(),
        })
    }

    fn observation(&self, cells: &[VoTableCell]) -> Result<Observation, ObservationError> {
        let uri = archive_path(cells[self.file].text().unwrap_or_default())?;
        let value = |at: usize, column| {
            cells[at].real().ok_or_else(|| ObservationError::Value { column, uri: uri.to_string() })
        };
        let name = ProductName::parse(uri.file_name());
        let did = cells[self.publisher_did].text();
        let listed = did.and_then(exposure_of);
        let (obs_id, did_band) = match (listed, &name) {
            (Some((obs_id, band)), _) => (obs_id, Some(band)),
            (None, Some(name)) => (name.obs_id, None),
            (None, None) => return Err(ObservationError::Id(did.unwrap_or_default().to_owned())),
        };
        let band = cells[self.band].text().or(did_band).unwrap_or_default();
        let detector = band.strip_prefix("SPHEREx-").unwrap_or(band);
        Observation {
            obs_id: obs_id.parse()?,
            detector: detector
                .parse()
                .map_err(|_| ObservationError::Band(band.chars().take(80).collect()))?,
            mjd_begin: value(self.times[0], "begin of exposure")?,
            mjd_end: value(self.times[1], "end of exposure")?,
            wavelength_min: value(self.wavelengths[0], "shortest wavelength")? * UM_PER_M,
            wavelength_max: value(self.wavelengths[1], "longest wavelength")? * UM_PER_M,
            publisher_did: did.map(str::to_owned),
            collection: self.collection.and_then(|at| cells[at].text()).and_then(collection),
            processing: name.map(|name| name.processing),
            size: self.size.and_then(|(at, unit)| bytes(cells[at].real()? * unit)),
            outline: self.outline.map(|at| outline(&cells[at])).unwrap_or_default(),
            uri,
        }
        .checked()
    }
}

/// A size that makes sense.
fn bytes(size: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    (size > 0.0 && size < 1e15).then_some(size as u64)
}

/// Corners of a polygon: an array of numbers (DALI 1.1, section 3.3.6), or as in TAP 1.0
/// `POLYGON ICRS 9.5 -1 ...`. A first corner that is repeated at the end counts once.
fn outline(cell: &VoTableCell) -> Vec<[f64; 2]> {
    let numbers = match cell {
        VoTableCell::Reals(numbers) => numbers.clone(),
        VoTableCell::Text(text) => {
            let words = text.split(|c: char| c.is_whitespace() || "(),".contains(c));
            words.filter_map(|word| word.parse().ok()).collect()
        }
        _ => return Vec::new(),
    };
    let (corners, _) = numbers.as_chunks::<2>();
    let mut corners = corners.to_vec();
    if corners.len() > 1 && corners.first() == corners.last() {
        corners.pop();
    }
    corners
}

/// TAP lists paths, SIA whole addresses; of these only the path counts, below the archive that was
/// asked.
fn archive_path(text: &str) -> Result<ArchivePath, ObservationError> {
    let path = match text.split_once("://") {
        Some(_) => text.find(ArchivePath::ROOT).map_or(text, |at| &text[at..]),
        None => text,
    };
    Ok(path.parse()?)
}

/// Observation and band of `ivo://irsa.ipac/spherex_qr2?2025W51_1A_0684_2/D3`.
fn exposure_of(publisher_did: &str) -> Option<(&str, &str)> {
    publisher_did.split_once('?')?.1.rsplit_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publisher_ids_name_the_exposure() {
        let did = "ivo://irsa.ipac/spherex_qr2?2025W51_1A_0684_2/D3";
        assert_eq!(exposure_of(did), Some(("2025W51_1A_0684_2", "D3")));
        assert_eq!(exposure_of("ivo://irsa.ipac/spherex"), None);
    }

    #[test]
    fn outlines_are_arrays_or_text() {
        let square = vec![[9.0, -1.0], [11.0, -1.0], [11.0, 1.0], [9.0, 1.0]];
        let numbers: Vec<f64> = square.iter().flatten().copied().collect();
        assert_eq!(outline(&VoTableCell::Reals(numbers.clone())), square);
        assert_eq!(outline(&VoTableCell::Reals([&numbers[..], &[9.0, -1.0]].concat())), square);
        for text in ["POLYGON ICRS 9 -1 11 -1 11 1 9 1", "Polygon('ICRS', 9.0,-1.0,11,-1,11,1,9,1)"] {
            assert_eq!(outline(&VoTableCell::Text(text.to_owned())), square, "{text}");
        }
        assert!(outline(&VoTableCell::Null).is_empty());
    }

    #[test]
    fn addresses_count_for_their_path_alone() {
        let path = "ibe/data/spherex/qr2/level2/a.fits";
        assert_eq!(archive_path(path).unwrap().as_str(), path);
        assert_eq!(archive_path(&format!("https://elsewhere.org/{path}")).unwrap().as_str(), path);
        assert!(archive_path("https://elsewhere.org/ibe/data/spherex/../a.fits").is_err());
        assert!(archive_path("file:///etc/passwd").is_err());
    }
}
