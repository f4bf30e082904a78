//! The stages before the drizzle where no inputs are named: ask the archive for images of the region, get them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use spx_archive::{DownloadOptions, Downloader, Layout, Selection, Shape, Target};

use super::settings::DrizzleParameters;
use crate::archive::files::{check_mirror, fetch};
use crate::archive::settings::ArchiveParameters;
use crate::archive::summary::{self, QuerySummary};
use crate::archive::{client, search};
use crate::exit::Failure;
use crate::global::Global;
use crate::inputs::InputError;
use crate::stages::Stages;
use crate::ui::Bar;

/// What the download gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Delivered {
    /// Files that are there, whole.
    pub(super) files: Vec<PathBuf>,
    /// File and reason of those that could not be had.
    missing: Vec<(PathBuf, String)>,
}

impl Delivered {
    /// Those that could not be had, as inputs that failed.
    pub(super) fn failed(&self) -> impl Iterator<Item = InputError> + '_ {
        self.missing.iter().map(|(path, reason)| InputError::new(path, format!("download: {reason}")))
    }
}

/// Runs the stages `query` and `download`: `query_summary.toml` in the output directory, files in `data/D1` to
/// `data/D6` below it, or where a mirror has them.
///
/// # Errors
/// Nothing found where the archive has no image of the region; otherwise where the archive cannot be asked or the
/// disk is too small. A file that cannot be had is no error here.
pub(super) fn deliver(
    parameters: &DrizzleParameters,
    stages: &mut Stages,
    global: &Global,
) -> Result<Delivered, Failure> {
    let ArchiveParameters { url, mjd_range, max_images, workers, sources } = &parameters.archive;
    check_mirror(sources)?;
    let selection = Selection {
        bands: parameters.detector.into_iter().collect(),
        mjd_range: *mjd_range,
        max_images: Some(*max_images),
        ..Selection::new(Shape::Rectangle(parameters.region))
    };
    let client = client(url.clone(), *workers);
    let file = parameters.output_dir.join(summary::NAME);
    stages.clear(&file)?;
    let asked = format!("{url} {} at most {max_images}", selection.adql());
    let is_there = |path: &PathBuf| QuerySummary::read(path).is_ok();
    stages.run("query", asked.clone(), is_there, || {
        let found = search(&client, &selection, false, &Bar::new(global.verbosity()))?;
        QuerySummary::new(&client, &selection, found).write(&file)?;
        Ok(file.clone())
    })?;
    let summary = QuerySummary::read(&file)?;
    let all_there =
        |delivered: &Delivered| delivered.missing.is_empty() && delivered.files.iter().all(|f| f.exists());
    stages.run("download", format!("{asked} from {sources:?}"), all_there, || {
        let targets =
            summary.observations.iter().map(|entry| Target::new(&entry.observation, None)).collect();
        let options = DownloadOptions {
            workers: *workers,
            sources: sources.clone(),
            layout: Layout::ByDetector,
            ..DownloadOptions::default()
        };
        let data = parameters.output_dir.join("data");
        let downloader = Downloader::new(&client, &data, options)?;
        let fetched = fetch(&downloader, targets, global.verbosity())?;
        let missing = fetched.reports.into_iter().filter_map(|r| Some((PathBuf::from(r.file), r.reason?)));
        Ok(Delivered { files: fetched.files, missing: missing.collect() })
    })
}
