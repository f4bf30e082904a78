//! What the archive calls the images that were downloaded, by the summaries of queries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::summary::{QUERY_SUMMARY, QuerySummary};
use crate::Listener;
use crate::frame::ExposureInfo;
use crate::identity::Processing;

/// Directories above a file that may hold the summary of its query: in the layout of the archive a
/// file lies six directories deep.
const LEVELS: usize = 7;

/// What the archive said of images, by observation, detector and processing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArchiveIdentifiers(BTreeMap<(String, u8, Option<Processing>), ArchiveIdentifier>);

/// What the archive said of an image, and the file does not tell.
#[derive(Debug, Clone, PartialEq)]
pub struct ArchiveIdentifier {
    /// Its `obs_publisher_did`.
    pub publisher_did: Option<String>,
    /// The collection in which it is listed.
    pub collection: String,
    /// It is of a deep field.
    pub is_deep: bool,
}

impl ArchiveIdentifiers {
    /// Those that a query was told.
    pub fn told(summary: &QuerySummary) -> Self {
        let identified = summary.observations.iter().filter_map(|entry| {
            let image = &entry.observation;
            let key = (image.obs_id.to_string(), image.detector.number(), image.processing);
            let identifier = ArchiveIdentifier {
                publisher_did: image.publisher_did.clone(),
                collection: image.collection.clone()?,
                is_deep: image.is_deep(),
            };
            Some((key, identifier))
        });
        Self(identified.collect())
    }

    /// Those of the query summaries that `spx download` has left in the directories of files, or
    /// above them. A summary that cannot be read is told, and as good as none.
    pub fn beside(files: &[PathBuf], listener: &dyn Listener) -> Self {
        let above = files.iter().flat_map(|file| file.ancestors().skip(1).take(LEVELS));
        let summaries: BTreeSet<PathBuf> = above.map(|folder| folder.join(QUERY_SUMMARY)).collect();
        let read = |path: &Path| {
            let summary = QuerySummary::read(path);
            summary.map_err(|error| listener.warning(&error.one_line())).ok()
        };
        let summaries = summaries.iter().filter(|path| path.is_file()).filter_map(|path| read(path));
        Self(summaries.flat_map(|summary| Self::told(&summary).0).collect())
    }

    /// What was said of an image, where the archive was asked for it.
    pub fn of(&self, exposure: &ExposureInfo) -> Option<&ArchiveIdentifier> {
        let ExposureInfo { obs_id, detector, identity, .. } = exposure;
        self.0.get(&(obs_id.clone(), *detector, identity.processing))
    }
}
