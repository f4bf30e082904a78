//! What a user may set of the archive where a pipeline asks it.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use serde::{Deserialize, Serialize};
use spx_archive::{ArchiveUrl, MjdRange};
use spx_pipeline::archive::{ArchiveAccess, MAX_IMAGES, RemoteSource, sources};

/// Downloads at a time where nothing else is said.
const WORKERS: usize = 4;

/// Keys of the configuration that pipelines share.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Archive")]
#[serde(default)]
pub(crate) struct ArchiveSettings {
    /// Base address of the archive [default: IRSA, irsa.ipac.caltech.edu]
    #[arg(long, value_name = "URL", env = "SPX_ARCHIVE_URL")]
    pub(crate) archive_url: Option<String>,
    /// Only images taken between these dates [MJD]
    #[arg(long, value_name = "MIN,MAX", value_delimiter = ',', env = "SPX_MJD_RANGE")]
    pub(crate) mjd_range: Option<Vec<f64>>,
    /// More images than this are an error [default: 500]
    #[arg(long, value_name = "N", env = "SPX_MAX_IMAGES")]
    pub(crate) max_images: Option<usize>,
    /// Downloads at a time, from 1 to 64 [default: 4]
    #[arg(long, value_name = "N", env = "SPX_WORKERS")]
    pub(crate) workers: Option<usize>,
    /// A directory with the paths of the archive (qr2/level2/...), looked at first; its files are read where they are
    #[arg(long, value_name = "DIR", env = "SPX_DATA_MIRROR")]
    pub(crate) data_mirror: Option<PathBuf>,
    /// Where else to look for files, in this order: cloud, irsa
    #[arg(long, value_name = "LIST", value_delimiter = ',', env = "SPX_SOURCES")]
    pub(crate) sources: Option<Vec<String>>,
}

impl ArchiveSettings {
    /// These settings with every default filled in.
    pub(crate) fn completed(self) -> Self {
        Self {
            archive_url: self.archive_url.or_else(|| Some(ArchiveUrl::IRSA.to_owned())),
            max_images: self.max_images.or(Some(MAX_IMAGES)),
            workers: self.workers.or(Some(WORKERS)),
            ..self
        }
    }

    /// Checks them.
    ///
    /// # Errors
    /// The first setting that is out of range, by its name.
    pub(crate) fn parameters(&self) -> anyhow::Result<ArchiveAccess> {
        let url: ArchiveUrl = match &self.archive_url {
            Some(address) => address.parse()?,
            None => ArchiveUrl::default(),
        };
        let mjd_range = match self.mjd_range.as_deref() {
            None => None,
            Some(&[min, max]) => Some(MjdRange::new(min, max)?),
            Some(other) => return Err(anyhow!("mjd_range takes two dates, not {}", other.len())),
        };
        let workers = self.workers.unwrap_or(WORKERS);
        if !(1..=64).contains(&workers) {
            return Err(anyhow!("workers = {workers} is not allowed: it must be from 1 to 64"));
        }
        let named = self.sources.iter().flatten().map(|name| name.parse());
        let named = named.collect::<Result<Vec<RemoteSource>, _>>().map_err(|e| anyhow!("sources: {e}"))?;
        Ok(ArchiveAccess {
            sources: sources(self.data_mirror.as_deref(), &named, &url),
            url,
            mjd_range,
            max_images: self.max_images.unwrap_or(MAX_IMAGES),
            workers,
        })
    }
}
