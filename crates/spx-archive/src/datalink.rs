//! DataLink (IVOA Recommendation 1.1): what belongs to a spectral image, kept on disk for a while
//! because an answer takes seconds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use ureq::http::Method;

use crate::error::ArchiveError;
use crate::hash::fnv1a;
use crate::http::shown;
use crate::session::Session;
use spx_votable::{QueryStatus, VoTableLimits, VoTableReader};

/// More links than this no image has.
const MOST_LINKS: usize = 1000;

/// The longest time for the body of an answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(300);

/// What a spectral image is linked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataLinkRow {
    /// How it belongs to the image: `#this` is the file, `#cutout` the cutout service,
    /// `#calibration` and others what was used for it.
    pub semantics: String,
    /// Its address, where it is a file. It is the server's word: check it before it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_url: Option<String>,
    /// The service that gives it, where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_def: Option<String>,
    /// Why there is nothing, where there is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Its MIME type, where the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its size \[bytes\], where the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
}

/// Links of earlier runs: a directory with a small file for each image.
#[derive(Debug, Clone)]
pub struct LinkCache {
    /// Where the files are; it is made where it is missing.
    pub directory: PathBuf,
    /// How long an answer holds.
    pub expiry: Duration,
}

/// The file of an image. The id stands in it too, because names are hashes, which may clash.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    archive: String,
    id: String,
    /// Seconds since 1970.
    fetched: u64,
    links: Vec<DataLinkRow>,
}

impl LinkCache {
    fn path(&self, archive: &str, id: &str) -> PathBuf {
        self.directory.join(format!("links-{:016x}.toml", fnv1a(&format!("{archive}\n{id}"))))
    }

    /// The links of an image, if they are there and fresh. A file that cannot be read is no links.
    fn get(&self, archive: &str, id: &str) -> Option<Vec<DataLinkRow>> {
        let text = fs::read_to_string(self.path(archive, id)).ok()?;
        let entry: Entry = toml::from_str(&text).ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        // A time to come is as stale as one long past.
        let age = now.as_secs().checked_sub(entry.fetched)?;
        (entry.archive == archive && entry.id == id && age < self.expiry.as_secs()).then_some(entry.links)
    }

    fn put(&self, archive: &str, id: &str, links: &[DataLinkRow]) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        let entry = Entry {
            archive: archive.to_owned(),
            id: id.to_owned(),
            fetched: now.as_secs(),
            links: links.to_vec(),
        };
        let text = toml::to_string(&entry).map_err(io::Error::other)?;
        fs::create_dir_all(&self.directory)?;
        spx_core::atomic::write(&self.path(archive, id), text.as_bytes(), true)
    }

    /// The directory, for messages.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The links of an image, from the cache or the archive.
pub(crate) fn links(
    client: &Session,
    publisher_did: &str,
    cache: Option<&LinkCache>,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<DataLinkRow>, ArchiveError> {
    let archive = client.base().to_string();
    if let Some(links) = cache.and_then(|cache| cache.get(&archive, publisher_did)) {
        return Ok(links);
    }
    let mut url = client.base().links();
    url.query_pairs_mut().append_pair("ID", publisher_did);
    let request = client.request(Method::GET, url, ANSWER_DEADLINE);
    let links = client.retried(
        cancelled,
        |_| false,
        || {
            let reply = client.http().send(&request, cancelled)?;
            let address = shown(&reply.url);
            read(reply.into_decoded(), &address)
        },
    )?;
    if let Some(cache) = cache
        && let Err(e) = cache.put(&archive, publisher_did, &links)
    {
        tracing::warn!("{}: links are not kept: {e}", cache.directory.display());
    }
    Ok(links)
}

pub(crate) fn read(body: impl io::Read, url: &str) -> Result<Vec<DataLinkRow>, ArchiveError> {
    let limits = VoTableLimits { document: 8 << 20, rows: MOST_LINKS, ..VoTableLimits::default() };
    let table_error = |source| ArchiveError::Table { url: url.to_owned(), source };
    let mut table = VoTableReader::new(body, limits).map_err(table_error)?;
    if let Some(QueryStatus::Error(message)) = table.status() {
        return Err(ArchiveError::Query { url: url.to_owned(), message: message.clone() });
    }
    let semantics = table.column("semantics").map_err(table_error)?;
    let optional = ["access_url", "service_def", "error_message", "content_type", "content_length"]
        .map(|name| table.column(name).ok());
    let mut links = Vec::new();
    while let Some(cells) = table.next_row().map_err(table_error)? {
        let text = |at: Option<usize>| at.and_then(|at| cells[at].text()).map(str::to_owned);
        let [access_url, service_def, error_message, content_type, content_length] = optional;
        links.push(DataLinkRow {
            semantics: cells[semantics].text().unwrap_or_default().to_owned(),
            access_url: text(access_url),
            service_def: text(service_def),
            error_message: text(error_message),
            content_type: text(content_type),
            content_length: content_length.and_then(|at| cells[at].int()).and_then(|n| n.try_into().ok()),
        });
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> DataLinkRow {
        DataLinkRow {
            semantics: "#this".into(),
            access_url: Some("https://example.org/a.fits".into()),
            service_def: None,
            error_message: None,
            content_type: Some("application/fits".into()),
            content_length: Some(71_591_040),
        }
    }

    #[test]
    fn what_is_kept_is_found_until_it_expires() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = LinkCache { directory: dir.path().join("new"), expiry: Duration::from_secs(60) };
        assert_eq!(cache.get("archive", "../../etc/passwd"), None);
        cache.put("archive", "../../etc/passwd", &[link()]).unwrap();
        assert_eq!(cache.get("archive", "../../etc/passwd"), Some(vec![link()]));
        assert_eq!(cache.get("other", "../../etc/passwd"), None);
        assert_eq!(fs::read_dir(&cache.directory).unwrap().count(), 1);
        cache.expiry = Duration::ZERO;
        assert_eq!(cache.get("archive", "../../etc/passwd"), None);
    }

    #[test]
    fn a_damaged_entry_is_no_entry() {
        let dir = tempfile::tempdir().unwrap();
        let cache = LinkCache { directory: dir.path().into(), expiry: Duration::from_secs(60) };
        cache.put("archive", "a", &[link()]).unwrap();
        for damage in [&b"\xff\xfe"[..], b"", b"archive = 'archive'"] {
            fs::write(cache.path("archive", "a"), damage).unwrap();
            assert_eq!(cache.get("archive", "a"), None);
        }
    }
}
