//! Settings of the archive where a pipeline asks it.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_archive::{ArchiveUrl, MjdRange, RetryOptions, SurveyFields};
use spx_core::release::ReleaseChoice;

use super::access::ArchiveAccess;
use super::files::{RemoteSource, check_mirror, sources};
use crate::PipelineError;
use crate::settings::SettingHeading;

/// Settings of a search, which all pipelines share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Archive"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[MJD]` is a unit")]
pub struct SearchSettings {
    /// Base address of the archive; plain http on this machine only
    #[schemars(extend("x-value" = "URL"))]
    pub archive_url: String,
    /// Only images taken between these dates, MIN,MAX [MJD]
    #[schemars(extend("examples" = [[60_791.0, 60_850.0]], "x-value" = "MIN,MAX"))]
    pub mjd_range: Option<Vec<f64>>,
    /// Which releases are used: newest (of each exposure the newest processing), qr2, qr3, dr1, or
    /// any (of each exposure the newest in each release); also of local images
    #[schemars(with = "String", extend("enum" = ["newest", "qr2", "qr3", "dr1", "any"]))]
    pub release: ReleaseChoice,
    /// Which fields of the archive: all, wide (the all-sky survey) or deep (the fields at the
    /// ecliptic poles)
    #[schemars(with = "String", extend("enum" = ["all", "wide", "deep"]))]
    pub fields: SurveyFields,
    /// Stop with an error if there are more images than this; by default 500 for downloads, cubes,
    /// mosaics and catalogs, without limit for queries and one source
    #[schemars(extend("examples" = [500]))]
    pub max_images: Option<usize>,
    /// How often a download is retried (a query at most three times); attempts that make progress
    /// do not count
    #[schemars(range(min = 0, max = 100))]
    pub retries: u32,
    /// The longest time without data from the archive [s]; synchronous queries may take twice as
    /// long, and longer ones become jobs
    #[schemars(range(min = 1, max = 3600), extend("x-value" = "S"))]
    pub timeout: f64,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            archive_url: ArchiveUrl::IRSA.to_owned(),
            mjd_range: None,
            release: ReleaseChoice::default(),
            fields: SurveyFields::default(),
            max_images: None,
            retries: 5,
            timeout: 60.0,
        }
    }
}

/// Settings of the archive where a pipeline takes its images from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Archive"))]
pub struct ArchiveSettings {
    /// How it is asked.
    #[serde(flatten)]
    pub search: SearchSettings,
    /// Downloads at a time
    #[schemars(range(min = 1, max = 64))]
    pub workers: usize,
    /// A directory with the paths of the archive (qr2/level2/...), searched first; its files are
    /// read in place (`spx download` copies them)
    #[schemars(extend("examples" = ["/data/spherex"], "x-value" = "DIR"))]
    pub data_mirror: Option<PathBuf>,
    /// Where else to look for files, in this order: cloud, irsa; by default both, or only the
    /// archive if it is not IRSA
    #[schemars(extend("examples" = [["cloud", "irsa"]]))]
    pub sources: Option<Vec<String>>,
    /// Download existing files again; each is replaced when the new one is complete
    pub force_download: bool,
}

impl Default for ArchiveSettings {
    fn default() -> Self {
        Self {
            search: SearchSettings::default(),
            workers: 4,
            data_mirror: None,
            sources: None,
            force_download: false,
        }
    }
}

impl ArchiveSettings {
    /// Those of another archive than IRSA.
    pub fn at(archive_url: &str) -> Self {
        let search = SearchSettings { archive_url: archive_url.to_owned(), ..SearchSettings::default() };
        Self { search, ..Self::default() }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is out of range.
    pub fn access(&self) -> Result<ArchiveAccess, PipelineError> {
        let SearchSettings { archive_url, mjd_range, release, fields, max_images, retries, timeout } =
            &self.search;
        let url: ArchiveUrl =
            archive_url.parse().map_err(|e| PipelineError::usage(e).with_context("archive_url"))?;
        let mjd_range = match mjd_range.as_deref() {
            None => None,
            Some(&[min, max]) => Some(MjdRange::new(min, max).map_err(PipelineError::usage)?),
            Some(other) => {
                return Err(PipelineError::usage(format!("mjd_range takes two dates, not {}", other.len())));
            }
        };
        if !(1..=64).contains(&self.workers) {
            let workers = self.workers;
            return Err(PipelineError::usage(format!(
                "workers = {workers} is not allowed: it must be from 1 to 64"
            )));
        }
        check_mirror(self.data_mirror.as_deref())?;
        let named = self.sources.iter().flatten().map(|name| name.parse());
        let named = named.collect::<Result<Vec<RemoteSource>, _>>();
        let named = named.map_err(|e| PipelineError::usage(format!("sources: {e}")))?;
        Ok(ArchiveAccess {
            sources: sources(self.data_mirror.as_deref(), &named, &url),
            url,
            mjd_range,
            max_images: *max_images,
            release: *release,
            fields: *fields,
            workers: self.workers,
            anew: self.force_download,
            retry: RetryOptions { attempts: retries.saturating_add(1), ..RetryOptions::default() },
            timeout: Duration::from_secs_f64(timeout.clamp(1.0, 3600.0)),
        })
    }
}
