//! The directory of a survey: its paths and its jobs.

use std::fs;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, WriterBuilder};
use serde::{Deserialize, Serialize};

use crate::batch::LightCurveStore;
use crate::hips::HipsConfig;
use crate::inputs::file_name;
use crate::output::write_output;
use crate::settings::{configuration_text, resolve};
use crate::tiling::digest;
use crate::zodi::ZodiSettings;
use crate::{PipelineError, ResultContext as _};

/// What a job makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// A cube of a cell and a detector.
    Cube,
    /// A mosaic of a cell and a detector.
    Mosaic,
    /// A part of the light curves, of a group of frames.
    Photometry,
    /// The tiles of a HiPS in a cell.
    Hips,
}

/// A job: what it makes, of what, and about what it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurveyJob {
    /// Its name, such as `hp5-7133_D3`, `mosaic_hp5-7133_D3`, `2025W51_1A_D3_000` or
    /// `hips_hp3-445`.
    pub job: String,
    /// What it makes.
    pub kind: JobKind,
    /// Its cell; empty for photometry.
    pub tile: String,
    /// Its detector, 1 to 6; 0 for a HiPS of all that see the range.
    pub detector: u8,
    /// Right ascension of the center of the cell \[deg\]; 0 for photometry, as the next three.
    pub ra: f64,
    /// Declination of the center \[deg\].
    pub dec: f64,
    /// Side along right ascension \[arcmin\].
    pub width: f64,
    /// Side along declination \[arcmin\].
    pub height: f64,
    /// Frames of its list.
    pub n_frames: usize,
    /// Their size \[bytes\].
    pub bytes_in: u64,
    /// Upper bound of its memory on one thread \[MB\].
    pub mem_mb: u64,
    /// About how long it takes from nothing on one core \[s\].
    pub cpu_s: u64,
    /// What changes with its list.
    pub inputs: String,
    /// Its cube or mosaic, from the directory on; the data set of light curves; the HiPS.
    pub output: PathBuf,
}

/// A directory that a plan has made.
#[derive(Debug, Clone)]
pub struct SurveyDirectory {
    root: PathBuf,
}

impl SurveyDirectory {
    /// The directory at a path, whether it is there or not.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// `survey.toml`, the settings of the plan.
    pub fn settings(&self) -> PathBuf {
        self.root.join("survey.toml")
    }

    /// `drizzle.toml`, the settings of all cubes.
    pub fn drizzle(&self) -> PathBuf {
        self.root.join("drizzle.toml")
    }

    /// `photometry.toml`, the settings of all photometry, where there is some.
    pub fn photometry(&self) -> PathBuf {
        self.root.join("photometry.toml")
    }

    /// `mosaic.toml`, the settings of all mosaics, where there are some.
    pub fn mosaic(&self) -> PathBuf {
        self.root.join("mosaic.toml")
    }

    /// `hips.toml`, the settings of the HiPS, where there is one.
    pub fn hips(&self) -> PathBuf {
        self.root.join("hips.toml")
    }

    /// `hips/`, the HiPS.
    pub fn hips_root(&self) -> PathBuf {
        self.root.join("hips")
    }

    /// `sources.parquet`, the catalog of the photometry, sorted by cell.
    pub fn sources(&self) -> PathBuf {
        self.root.join("sources.parquet")
    }

    /// `zodi/`, the fits of the zodiacal light, which all jobs share.
    pub fn fits(&self) -> PathBuf {
        self.root.join("zodi")
    }

    /// `catalog/`, the data set of light curves.
    pub fn catalog(&self) -> LightCurveStore {
        LightCurveStore::new(&self.root.join("catalog"))
    }

    /// The name of the directory.
    pub(super) fn name(&self) -> String {
        file_name(&std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone()))
    }

    /// `frames.tsv`
    pub fn frames(&self) -> PathBuf {
        self.root.join("frames.tsv")
    }

    /// `jobs.tsv`
    pub fn jobs_file(&self) -> PathBuf {
        self.root.join("jobs.tsv")
    }

    /// `jobs/`, the lists.
    pub fn lists(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// The frames of a job.
    pub fn list(&self, job: &str) -> PathBuf {
        self.lists().join(format!("{job}.list"))
    }

    /// The running sums of a job.
    pub fn sums(&self, job: &str) -> PathBuf {
        self.root.join("sums").join(format!("{job}.fits"))
    }

    /// The record of a job.
    pub fn record(&self, job: &str) -> PathBuf {
        self.root.join("done").join(format!("{job}.toml"))
    }

    /// Why a job failed.
    pub fn failure(&self, job: &str) -> PathBuf {
        self.root.join("failed").join(format!("{job}.txt"))
    }

    /// Where a job makes its cube.
    pub fn work(&self, job: &str) -> PathBuf {
        self.root.join("work").join(job)
    }

    /// The cube of a job.
    pub fn output(&self, job: &SurveyJob) -> PathBuf {
        self.root.join(&job.output)
    }

    /// The jobs, sorted by cell and detector.
    ///
    /// # Errors
    /// Usage, where the directory is no survey.
    pub fn jobs(&self) -> Result<Vec<SurveyJob>, PipelineError> {
        let text = self.read_jobs()?;
        self.parse(text.as_bytes())
    }

    /// One job, without reading the others.
    ///
    /// # Errors
    /// Usage, where there is no such job, or the directory is no survey.
    pub fn job(&self, name: &str) -> Result<SurveyJob, PipelineError> {
        let text = self.read_jobs()?;
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('\t'));
        let found = lines.find(is_it).map(|line| self.parse(format!("{header}\n{line}\n").as_bytes()));
        let no_such_job = || {
            let file = self.jobs_file();
            PipelineError::usage(format!("job `{name}` is not in {}", file.display()))
        };
        found.transpose()?.and_then(|mut jobs| jobs.pop()).ok_or_else(no_such_job)
    }

    fn read_jobs(&self) -> Result<String, PipelineError> {
        let file = self.jobs_file();
        fs::read_to_string(&file)
            .with_context(|| file.display().to_string())
            .map_err(|error| error.into_usage().with_hint("`spx survey plan` makes it"))
    }

    fn parse(&self, text: &[u8]) -> Result<Vec<SurveyJob>, PipelineError> {
        let reader = ReaderBuilder::new().delimiter(b'\t').from_reader(text);
        let jobs: Result<Vec<SurveyJob>, _> = reader.into_deserialize().collect();
        jobs.with_context(|| self.jobs_file().display().to_string()).map_err(PipelineError::into_usage)
    }

    /// Writes `jobs.tsv`.
    pub(super) fn write_jobs(&self, jobs: &[SurveyJob]) -> Result<(), PipelineError> {
        let file = self.jobs_file();
        let mut writer = WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
        for job in jobs {
            writer.serialize(job)?;
        }
        let text = writer.into_inner().map_err(|error| PipelineError::failed(error.to_string()))?;
        write_output(&file, &text, true)
    }
}

/// The texts of the settings.
#[derive(Debug)]
pub(super) struct SettingFiles {
    drizzle: Vec<u8>,
    /// Empty where there is no photometry.
    photometry: Vec<u8>,
    /// Empty where there are no mosaics.
    mosaic: Vec<u8>,
    /// Of the HiPS those that shape its tiles; empty where there is none.
    hips: Vec<u8>,
}

impl SettingFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// Usage, where the directory is no survey.
    pub(super) fn read(directory: &SurveyDirectory) -> Result<Self, PipelineError> {
        let file = directory.drizzle();
        let drizzle = fs::read(&file).with_context(|| file.display().to_string());
        let drizzle = drizzle.map_err(|e| e.into_usage().with_hint("`spx survey plan` makes it"))?;
        let hips = hips_config(directory)?.map(|config| configuration_text("", &config.shaping()));
        Ok(Self {
            drizzle,
            photometry: bytes_or_none(&directory.photometry())?,
            mosaic: bytes_or_none(&directory.mosaic())?,
            hips: hips.transpose()?.unwrap_or_default().into_bytes(),
        })
    }

    /// What changes with the settings and the tile of a job.
    pub(crate) fn digest(&self, job: &SurveyJob) -> String {
        let SurveyJob { kind, detector, ra, dec, width, height, .. } = job;
        let (name, settings) = match kind {
            JobKind::Cube => ("cube", &self.drizzle),
            JobKind::Mosaic => ("mosaic", &self.mosaic),
            JobKind::Photometry => ("photometry", &self.photometry),
            JobKind::Hips => ("hips", &self.hips),
        };
        let place = format!("{name} {detector} {ra} {dec} {width} {height}\n");
        digest(&[place.as_bytes(), settings].concat())
    }
}

/// The bytes of a file, none where it is not there: one that cannot be read must not look like
/// other settings.
fn bytes_or_none(path: &Path) -> Result<Vec<u8>, PipelineError> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.with_context(|| path.display().to_string()),
    }
}

/// The settings of the HiPS of a survey, with its directory; `None` where there is none.
///
/// # Errors
/// Usage, where the file is damaged.
pub(super) fn hips_config(directory: &SurveyDirectory) -> Result<Option<HipsConfig>, PipelineError> {
    let file = directory.hips();
    if !file.exists() {
        return Ok(None);
    }
    let config: HipsConfig = resolve(Some(&file), toml::Table::new()).map_err(PipelineError::usage)?;
    let zodi = ZodiSettings { kept: Some(directory.fits()), ..config.zodi.clone() };
    Ok(Some(HipsConfig { input: Some(Vec::new()), output_dir: directory.hips_root(), zodi, ..config }))
}

/// Removes a file that may be there.
pub(super) fn remove(path: &Path) -> Result<(), PipelineError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}
