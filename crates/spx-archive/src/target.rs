//! A file of the archive, or a cutout of one, that is wanted.

use spx_core::detector::Detector;

use crate::cutout::{Cutout, FULL_FRAME_BYTES};
use crate::hash::fnv1a;
use crate::observation::{Observation, ObservationId};
use crate::path::ArchivePath;

/// A file to be had.
#[derive(Debug, Clone, PartialEq)]
pub struct DownloadTarget {
    /// The file of the archive.
    pub uri: ArchivePath,
    /// The part of it that is wanted; all where `None`.
    pub cutout: Option<Cutout>,
    /// What it must be, where it is a spectral image.
    pub exposure: Option<(ObservationId, Detector)>,
    /// Size that the archive states for the whole file \[bytes\].
    pub size: Option<u64>,
    /// The ETag that the file must still have when it is fetched (`If-Match`), where that matters.
    pub etag: Option<String>,
}

impl DownloadTarget {
    /// The spectral image of an observation, or a cutout of it.
    pub fn new(observation: &Observation, cutout: Option<Cutout>) -> Self {
        Self {
            uri: observation.uri.clone(),
            cutout,
            exposure: Some((observation.obs_id.clone(), observation.detector)),
            size: observation.size,
            etag: None,
        }
    }

    /// Any FITS file of the archive, such as a calibration product.
    pub fn file(uri: ArchivePath) -> Self {
        Self { uri, cutout: None, exposure: None, size: None, etag: None }
    }

    /// The name that the file gets. That of a cutout tells which, so that several fit one
    /// directory: `<name>_cutout_<hash of center and size>.fits`.
    pub fn file_name(&self) -> String {
        let name = self.uri.file_name();
        let Some(cutout) = &self.cutout else { return name.to_owned() };
        let stem = name.strip_suffix(".gz").unwrap_or(name);
        let stem = stem.strip_suffix(".fits").unwrap_or(stem);
        format!("{stem}_cutout_{:08x}.fits", fnv1a(&cutout.query()) >> 32)
    }

    /// Bytes that it is thought to have.
    pub fn estimated_bytes(&self) -> u64 {
        match &self.cutout {
            Some(cutout) => cutout.estimated_bytes(),
            None => self.size.unwrap_or(FULL_FRAME_BYTES),
        }
    }

    /// Bytes that are accepted for it, packed or not: several times what it is thought to have, so
    /// that a server cannot fill the disk.
    pub(crate) fn most_bytes(&self) -> u64 {
        self.estimated_bytes().saturating_mul(4).max(1 << 30)
    }
}
