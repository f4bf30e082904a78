//! Settings of a survey's plan.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::release::ReleaseChoice;
use spx_core::sky::Position;

use crate::archive::{ArchiveAccess, ArchiveSettings, needed_position};
use crate::settings::SettingHeading;
use crate::tiling::TileOrder;
use crate::{Listener, PipelineError};

/// Settings of [`plan_survey`](super::plan_survey).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Region"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[deg]` is a unit")]
pub struct SurveyConfig {
    /// Grid of tiles, the HEALPix cells of an order: hp4 (13 square degrees) to hp12
    #[schemars(extend("x-value" = "GRID"))]
    pub grid: String,
    /// Right ascension of the center of the region [deg]
    #[schemars(example = 270.0, extend("x-value" = "DEG", "x-needed" = true, "x-angle" = "ra"))]
    pub ra: Option<f64>,
    /// Declination of the center of the region [deg]
    #[schemars(example = 66.56, extend("x-value" = "DEG", "x-needed" = true, "x-angle" = "dec"))]
    pub dec: Option<f64>,
    /// Radius of the region [deg]; every cell that it touches is a tile
    #[schemars(example = 5.0, extend("x-value" = "DEG", "x-needed" = true))]
    pub radius: Option<f64>,
    /// Detectors, such as 1-6 or 2,3
    #[schemars(extend("x-value" = "LIST"))]
    pub detectors: Vec<String>,

    /// Spectral images, or directories that hold them (*.fits, *.fits.gz, searched recursively), or
    /// lists of both (@FILE, or - for standard input: one path per line); without it and without
    /// frames, the archive is queried
    #[schemars(extend("examples" = [["frames/"]], "x-value" = "PATH", "x-heading" = "Input and output"))]
    #[schemars(extend("x-excludes" = ["frames"]))]
    pub input: Option<Vec<PathBuf>>,
    /// Index of frames, frames.tsv of another survey, in place of input; the files are not opened
    #[schemars(extend("examples" = ["frames.tsv"], "x-value" = "FILE", "x-heading" = "Input and output"))]
    #[schemars(extend("x-excludes" = ["input"]))]
    pub frames: Option<PathBuf>,
    /// Settings of `spx drizzle`, for all cubes; region, input and output are those of the jobs
    #[schemars(extend("examples" = ["drizzle.toml"], "x-value" = "FILE", "x-heading" = "Input and output"))]
    pub drizzle: Option<PathBuf>,
    /// Make cubes
    #[schemars(extend("x-heading" = "Input and output"))]
    pub cubes: bool,
    /// Settings of `spx mosaic`: a mosaic of each tile and each detector that sees the range of
    /// wavelengths
    #[schemars(extend("examples" = ["mosaic.toml"], "x-value" = "FILE", "x-heading" = "Input and output"))]
    pub mosaic: Option<PathBuf>,
    /// Settings of `spx hips`: the cells of order 3, or finer, that the region touches become a
    /// HiPS in hips/
    #[schemars(extend("examples" = ["hips.toml"], "x-value" = "FILE", "x-heading" = "Input and output"))]
    pub hips: Option<PathBuf>,
    /// Settings of `spx batch`, with the catalog: its sources are measured on all frames, and their
    /// light curves become a HATS data set in catalog/; of `spx run` or `spx photometry`, how
    /// sources are measured
    #[schemars(extend("examples" = ["batch.toml"], "x-value" = "FILE", "x-heading" = "Input and output"))]
    pub photometry: Option<PathBuf>,
    /// Catalog of the sources that are measured, in place of that of the settings of photometry
    #[schemars(extend("examples" = ["sources.csv"], "x-value" = "FILE", "x-heading" = "Input and output"))]
    pub catalog: Option<PathBuf>,
    /// Frames per job of photometry; with more frames a row takes fewer bytes
    #[schemars(range(min = 1, max = 500), extend("x-heading" = "Input and output"))]
    pub group: usize,
    /// Directory of the survey
    #[schemars(extend("x-value" = "DIR", "x-short" = "o", "x-heading" = "Input and output"))]
    pub output_dir: PathBuf,
    /// The archive, where it is asked for frames.
    #[serde(flatten)]
    pub archive: ArchiveSettings,
}

impl Default for SurveyConfig {
    fn default() -> Self {
        Self {
            grid: "hp5".to_owned(),
            ra: None,
            dec: None,
            radius: None,
            detectors: vec!["1-6".to_owned()],
            input: None,
            frames: None,
            drizzle: None,
            cubes: true,
            mosaic: None,
            hips: None,
            photometry: None,
            catalog: None,
            group: 24,
            output_dir: "survey".into(),
            archive: ArchiveSettings::default(),
        }
    }
}

/// Settings that have been checked.
#[derive(Debug)]
pub(super) struct SurveyParameters {
    pub(super) order: TileOrder,
    pub(super) center: Position,
    /// \[deg\]
    pub(super) radius: f64,
    pub(super) detectors: Vec<Detector>,
    pub(super) frames: FrameOrigin,
}

/// Where the frames come from.
#[derive(Debug)]
pub(super) enum FrameOrigin {
    /// Files, directories and lists.
    Files(Vec<PathBuf>),
    /// A `frames.tsv`.
    Index(PathBuf),
    /// An archive.
    Archive(Box<ArchiveAccess>),
}

impl SurveyParameters {
    /// What was chosen.
    pub(super) fn tell(&self, listener: &dyn Listener) {
        let Self { order, radius, detectors, frames, .. } = self;
        let detectors: Vec<String> = detectors.iter().map(ToString::to_string).collect();
        let frames = match frames {
            FrameOrigin::Files(paths) => format!("{} inputs", paths.len()),
            FrameOrigin::Index(index) => index.display().to_string(),
            FrameOrigin::Archive(archive) => {
                archive.tell_search(listener);
                "the archive".to_owned()
            }
        };
        listener.detail(&format!(
            "tiles: grid {order}, within {radius} deg; detectors {}; frames of {frames}",
            detectors.join(", ")
        ));
    }
}

impl SurveyConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is missing or out of range.
    pub(super) fn parameters(&self) -> Result<SurveyParameters, PipelineError> {
        let center = needed_position(self.ra, self.dec)?;
        let radius = self
            .radius
            .ok_or_else(|| PipelineError::usage("--radius is needed (or `radius` in the configuration)"))?;
        if !(radius > 0.0 && radius <= 180.0) {
            let problem = format!("radius = {radius} is not allowed: it must be above 0 and at most 180 deg");
            return Err(PipelineError::usage(problem));
        }
        let archive = self.archive.access()?;
        if archive.release == ReleaseChoice::Any {
            let problem = "release = any would count exposures that are in both releases twice";
            return Err(PipelineError::usage(problem));
        }
        if self.archive.force_download {
            let problem = "force_download cannot be used for surveys, which download a frame when a job \
                           needs it";
            return Err(PipelineError::usage(problem));
        }
        // Each frame of a job has an open file.
        if !(1..=500).contains(&self.group) {
            let problem = format!("group = {} is not allowed: a job has 1 to 500 frames", self.group);
            return Err(PipelineError::usage(problem));
        }
        let others = [&self.mosaic, &self.hips, &self.photometry, &self.catalog];
        if !self.cubes && others.iter().all(|file| file.is_none()) {
            let problem = "without cubes, --mosaic, --hips, --photometry or --catalog is needed";
            return Err(PipelineError::usage(problem));
        }
        let frames = match (&self.input, &self.frames) {
            (Some(paths), None) => FrameOrigin::Files(paths.clone()),
            (None, Some(index)) => FrameOrigin::Index(index.clone()),
            (None, None) => FrameOrigin::Archive(Box::new(archive)),
            (Some(_), Some(_)) => {
                return Err(PipelineError::usage("--input and --frames cannot be given together"));
            }
        };
        Ok(SurveyParameters {
            order: self.grid.parse()?,
            center,
            radius,
            detectors: detectors(&self.detectors)?,
            frames,
        })
    }
}

/// The detectors of a list of numbers, names and ranges, sorted.
fn detectors(words: &[String]) -> Result<Vec<Detector>, PipelineError> {
    let detector = |text: &str| {
        text.trim().parse::<Detector>().map_err(|error| PipelineError::usage(error).with_context("detectors"))
    };
    let mut found = Vec::new();
    for word in words {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last) = (detector(first)?, detector(last)?);
        found.extend(Detector::ALL.into_iter().filter(|one| (first..=last).contains(one)));
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        return Err(PipelineError::usage("detectors: no detector is named"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectors_are_numbers_names_and_ranges() {
        let read = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            detectors(&words).map(|found| found.iter().map(|d| d.number()).collect::<Vec<u8>>())
        };
        assert_eq!(read(&["1-6"]).unwrap(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(read(&["D5", "2-3", "3"]).unwrap(), [2, 3, 5]);
        for wrong in [&["7"][..], &["3-"], &["x"], &["4-2"], &[]] {
            assert!(matches!(read(wrong), Err(PipelineError::Usage(_))), "{wrong:?}");
        }
    }
}
