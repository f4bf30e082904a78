//! The query and the download as pipelines of their own.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_archive::{
    ArchiveUrl, Cutout, DownloadLayout, DownloadOptions, DownloadTarget, Downloader, MirrorUse, Selection,
};
use spx_core::atomic;
use spx_core::mef::MefFile;
use spx_core::sky::Position;
use spx_wcs::CelestialWcs;

use super::access::ArchiveAccess;
use super::deliver;
use super::files::{FetchedFiles, fetch};
use super::place::{CutoutSettings, PlaceSettings, detectors};
use super::search::{MAX_IMAGES, search};
use super::settings::{ArchiveSettings, SearchSettings};
use super::summary::{QUERY_SUMMARY, QuerySummary};
use crate::forecast::WorkForecast;
use crate::held::{HeldCutout, tell_smaller_cutouts};
use crate::output::check_directory;
use crate::settings::SettingHeading;
use crate::{Listener, PipelineError, ResultContext as _};

/// Settings of [`query`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Archive"))]
pub struct QueryConfig {
    /// Which images.
    #[serde(flatten)]
    pub place: PlaceSettings,
    /// The archive.
    #[serde(flatten)]
    pub search: SearchSettings,
    /// Use SIA2 instead of TAP
    pub sia: bool,
}

/// Settings of [`download`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Output"))]
pub struct DownloadConfig {
    /// Which images.
    #[serde(flatten)]
    pub place: PlaceSettings,
    /// The archive and the other places where files are looked for.
    #[serde(flatten)]
    pub archive: ArchiveSettings,
    /// Use SIA2 instead of TAP
    #[schemars(extend("x-heading" = "Archive"))]
    pub sia: bool,
    /// Parts of images.
    #[serde(flatten)]
    pub cutout: CutoutSettings,
    /// Directory for the files and query_summary.toml
    #[schemars(extend("x-value" = "DIR", "x-short" = "o"))]
    pub output_dir: PathBuf,
    /// One directory (flat), one for each detector (by-detector), or the paths of the archive
    /// (archive), so that the directory serves as a data mirror
    #[schemars(with = "String", extend("enum" = ["flat", "by-detector", "archive"]))]
    pub layout: DownloadLayout,
}

impl Default for DownloadConfig {
    fn default() -> Self {
        Self {
            place: PlaceSettings::default(),
            archive: ArchiveSettings::default(),
            sia: false,
            cutout: CutoutSettings::default(),
            output_dir: "data".into(),
            layout: DownloadLayout::default(),
        }
    }
}

/// What the archive answered.
#[derive(Debug, Clone)]
pub struct QueryReport {
    /// The images.
    pub summary: QuerySummary,
    /// Rows that were refused, each of which was logged.
    pub refused: usize,
}

/// Asks the archive which images it has.
///
/// # Errors
/// Nothing found where there is no image; usage where the settings are wrong, or there are more
/// images than the limit; otherwise where the archive cannot be asked.
pub fn query(config: &QueryConfig, listener: &dyn Listener) -> Result<QueryReport, PipelineError> {
    let QueryConfig { place, search: settings, sia } = config;
    let access = ArchiveSettings { search: settings.clone(), ..ArchiveSettings::default() }.access()?;
    let selection = place.selection(&access)?;
    access.tell_search(listener);
    let client = access.client();
    let found = search(&client, &selection, *sia, listener)?;
    let refused = found.rejected.len();
    Ok(QueryReport { summary: QuerySummary::new(&client, &selection, found), refused })
}

impl PlaceSettings {
    fn selection(&self, access: &ArchiveAccess) -> Result<Selection, PipelineError> {
        Ok(Selection { bands: detectors(self.bands.as_deref())?, ..access.selection(self.shape()?, None) })
    }
}

/// Reads the summary of an earlier query: the file, or `query_summary.toml` in a directory.
///
/// # Errors
/// Where it cannot be read or is no query summary.
pub fn load_query_summary(path: &Path) -> Result<QuerySummary, PipelineError> {
    if path.is_dir() { QuerySummary::read(&path.join(QUERY_SUMMARY)) } else { QuerySummary::read(path) }
}

/// Asks the archive which images it has, and downloads them as [`download_listed`] does.
///
/// # Errors
/// As [`query`] and [`download_listed`].
pub fn download(config: &DownloadConfig, listener: &dyn Listener) -> Result<FetchedFiles, PipelineError> {
    download_listed(&wanted(config, listener)?, config, listener)
}

/// The images that are to be downloaded.
fn wanted(config: &DownloadConfig, listener: &dyn Listener) -> Result<QuerySummary, PipelineError> {
    // What is wrong with the download is told before anything is asked.
    config.archive.access()?;
    check_directory(&config.output_dir)?;
    config.cutout.cutout(config.place.shape()?.center())?;
    let mut search = config.archive.search.clone();
    search.max_images.get_or_insert(MAX_IMAGES);
    let wanted = QueryConfig { place: config.place.clone(), search, sia: config.sia };
    Ok(query(&wanted, listener)?.summary)
}

/// What [`download`] would fetch, or [`download_listed`] where a summary is given. Nothing is
/// written.
///
/// # Errors
/// As those.
pub fn forecast_download(
    summary: Option<&QuerySummary>,
    config: &DownloadConfig,
    listener: &dyn Listener,
) -> Result<WorkForecast, PipelineError> {
    let asked;
    let summary = match summary {
        Some(summary) => summary,
        None => {
            asked = wanted(config, listener)?;
            &asked
        }
    };
    let center = Position::new(summary.region.center_ra, summary.region.center_dec);
    let cutout = config.cutout.cutout(center.map_err(PipelineError::usage)?)?;
    let access = config.archive.access()?;
    // Cutouts are not taken from the images of a mirror here.
    let mirror = access.mirror().filter(|_| cutout.is_none());
    let layout = (config.layout, config.output_dir.as_path());
    Ok(deliver::forecast_download(summary, cutout, layout, (mirror, access.anew), &config.output_dir))
}

/// Downloads what a query has found, and writes its summary beside the files. What is there already
/// and whole is not fetched again; a file that fails does not stop the others.
///
/// The place of `config` is not looked at. Files come from the archive that the summary names
/// unless `config` names another than IRSA.
///
/// # Errors
/// Usage where the cutout or the mirror is not as it should be; where the disk is too small, or
/// another run is at work in the directory; interrupted.
pub fn download_listed(
    summary: &QuerySummary,
    config: &DownloadConfig,
    listener: &dyn Listener,
) -> Result<FetchedFiles, PipelineError> {
    check_directory(&config.output_dir)?;
    let center = Position::new(summary.region.center_ra, summary.region.center_dec);
    let cutout = config.cutout.cutout(center.map_err(PipelineError::usage)?)?;
    if let Some(warning) = cutout.as_ref().and_then(Cutout::warning) {
        listener.warning(&warning);
    }
    let mut settings = config.archive.clone();
    if settings.search.archive_url == ArchiveUrl::IRSA {
        settings.search.archive_url.clone_from(&summary.archive);
    }
    let access = settings.access().context("query summary").map_err(PipelineError::into_usage)?;
    access.tell_files(cutout.as_ref(), listener);
    let options = DownloadOptions {
        workers: access.workers,
        sources: access.sources.clone(),
        retry: access.retry.clone(),
        mirror_use: MirrorUse::Copy,
        layout: config.layout,
        anew: access.anew,
        ..DownloadOptions::default()
    };
    let client = access.client();
    // It locks the directory.
    let downloader = Downloader::new(&client, &config.output_dir, options)?;
    let list = config.output_dir.join(QUERY_SUMMARY);
    atomic::remove_leftovers(&list).with_context(|| list.display().to_string())?;
    summary.write(&list)?;
    let entries = summary.observations.iter();
    let targets = entries.map(|entry| DownloadTarget::new(&entry.observation, cutout)).collect();
    let fetched = fetch(&downloader, targets, listener)?;
    let mut summary = summary.clone();
    summary.note_sizes(cutout, &fetched.files);
    if let Some(cutout) = &cutout {
        summary.smaller_cutouts = Some(tell_smaller(cutout, &fetched.files, listener));
    }
    summary.write(&list)?;
    Ok(fetched)
}

/// Says how many files hold less than the cutout that was asked for. Gives their number.
fn tell_smaller(cutout: &Cutout, files: &[PathBuf], listener: &dyn Listener) -> usize {
    // Files were walked through when they came; what cannot be told of one is for its readers.
    let held = |file: &PathBuf| {
        let file = MefFile::open(file).ok()?;
        let wcs = CelestialWcs::from_header(&file.metadata().header).ok()?;
        HeldCutout::of(cutout, file.metadata(), &wcs)
    };
    let held: Vec<HeldCutout> = files.par_iter().filter_map(held).collect();
    tell_smaller_cutouts(cutout, held.iter().copied(), "", listener);
    held.iter().filter(|held| held.is_smaller()).count()
}
