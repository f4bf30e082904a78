//! What a user may set of `spx batch`, and the parameters that come of it.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde::{Deserialize, Serialize};
use spx_archive::{Circle, Coverage, Selection, Shape};
use spx_batch::{AggregateOptions, TableFormat};
use spx_core::detector::Detector;
use spx_core::sky::Position;

use crate::archive::settings::ArchiveSettings;
use crate::photometry::settings::{PhotometryParameters, PhotometrySettings};
use spx_pipeline::archive::ArchiveAccess;

/// Every key of the configuration. What is not given has the default that the help names.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct BatchSettings {
    /// Catalogue of sources: CSV, ECSV, VOTable or Parquet with columns targetid, ra, dec [deg], and if there are any,
    /// pmra, pmdec [mas/yr], ref_epoch
    #[arg(long, value_name = "FILE", env = "SPX_CATALOG", help_heading = "Sources")]
    pub(crate) catalog: Option<PathBuf>,
    /// Epoch of the positions, where the catalogue has proper motions and no column ref_epoch [Julian year]
    #[arg(long, value_name = "YEAR", help_heading = "Sources")]
    pub(crate) ref_epoch: Option<f64>,

    /// Right ascension of the region's centre [deg]
    #[arg(long, value_name = "DEG", env = "SPX_RA", allow_negative_numbers = true, help_heading = "Region")]
    pub(crate) ra: Option<f64>,
    /// Declination of the region's centre [deg]
    #[arg(long, value_name = "DEG", env = "SPX_DEC", allow_negative_numbers = true, help_heading = "Region")]
    pub(crate) dec: Option<f64>,
    /// Radius of the region [deg]
    #[arg(long, value_name = "DEG", env = "SPX_RADIUS", allow_negative_numbers = true)]
    #[arg(help_heading = "Region")]
    pub(crate) radius: Option<f64>,
    /// Images that overlap the region (any), or that hold all of it (full) [default: any]
    #[arg(long, value_name = "any|full", env = "SPX_COVERAGE_MODE", help_heading = "Region")]
    pub(crate) coverage_mode: Option<String>,
    /// Detectors, such as D1,D3 [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', env = "SPX_BANDS", help_heading = "Region")]
    pub(crate) bands: Option<Vec<String>>,

    /// Spectral images at hand, or directories that hold them (*.fits, *.fits.gz, searched recursively); without it the
    /// archive is asked for images of the region
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "Input and output")]
    pub(crate) input: Option<Vec<PathBuf>>,
    /// Directory for images/, per_image/, lightcurves/ and the resolved configuration [default: batch_output]
    #[arg(short, long, value_name = "DIR", env = "SPX_OUTPUT_DIR", help_heading = "Input and output")]
    pub(crate) output_dir: Option<PathBuf>,
    /// Form of the tables: csv, parquet or both [default: csv]
    #[arg(long, value_name = "FORMAT", env = "SPX_FORMAT", help_heading = "Input and output")]
    pub(crate) format: Option<TableFormat>,
    /// Parts in which rows are sorted into light curves, from 1 to 512; a Parquet data set has a file for each
    /// [default: 64]
    #[arg(long, value_name = "N", env = "SPX_NUM_BUCKETS", help_heading = "Input and output")]
    pub(crate) num_buckets: Option<usize>,
    /// Keep these parts, sorted, as buckets/*.csv [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", env = "SPX_KEEP_BUCKET_FILES")]
    #[arg(help_heading = "Input and output")]
    pub(crate) keep_bucket_files: Option<bool>,

    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) archive: ArchiveSettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) photometry: PhotometrySettings,
}

/// Settings that have been checked and completed.
#[derive(Debug, Clone)]
pub(crate) struct BatchParameters {
    pub(crate) catalogue: PathBuf,
    /// Of positions that have none of their own \[yr\].
    pub(crate) epoch: Option<f64>,
    pub(crate) images: Images,
    pub(crate) output_dir: PathBuf,
    pub(crate) aggregate: AggregateOptions,
    pub(crate) photometry: PhotometryParameters,
}

/// Where the images come from.
#[derive(Debug, Clone)]
pub(crate) enum Images {
    /// Files and directories.
    AtHand(Vec<PathBuf>),
    /// What the archive has.
    Archive(Box<(ArchiveAccess, Selection)>),
}

impl BatchSettings {
    /// Folds negative switches into the settings.
    pub(crate) fn normalised(self) -> Self {
        Self { photometry: self.photometry.normalised(), ..self }
    }

    /// These settings with every default filled in.
    pub(crate) fn completed(self) -> Self {
        let options = AggregateOptions::default();
        Self {
            coverage_mode: self.coverage_mode.or_else(|| Some(Coverage::default().to_string())),
            output_dir: self.output_dir.or_else(|| Some("batch_output".into())),
            format: self.format.or(Some(options.format)),
            num_buckets: self.num_buckets.or(Some(options.buckets)),
            keep_bucket_files: self.keep_bucket_files.or(Some(options.keep_buckets)),
            archive: self.archive.completed(),
            photometry: self.photometry.completed(),
            ..self
        }
    }

    /// Checks completed settings.
    ///
    /// # Errors
    /// The first setting that is missing or out of range, by its name.
    pub(crate) fn parameters(&self) -> anyhow::Result<BatchParameters> {
        let catalogue = self.catalog.clone();
        let defaults = AggregateOptions::default();
        let aggregate = AggregateOptions {
            buckets: self.num_buckets.unwrap_or(defaults.buckets),
            keep_buckets: self.keep_bucket_files.unwrap_or(defaults.keep_buckets),
            format: self.format.unwrap_or(defaults.format),
            ..defaults
        };
        aggregate.validate()?;
        if let Some(epoch) = self.ref_epoch.filter(|epoch| !(1000.0..3000.0).contains(epoch)) {
            return Err(anyhow!("ref_epoch = {epoch} is not allowed: it must be a year from 1000 to 3000"));
        }
        Ok(BatchParameters {
            catalogue: catalogue.ok_or_else(|| missing("catalog"))?,
            epoch: self.ref_epoch,
            images: match &self.input {
                Some(paths) => Images::AtHand(paths.clone()),
                None => Images::Archive(Box::new((self.archive.parameters()?, self.selection()?))),
            },
            output_dir: self.output_dir.clone().unwrap_or_default(),
            aggregate,
            photometry: self.photometry.parameters()?,
        })
    }

    fn selection(&self) -> anyhow::Result<Selection> {
        let need = |value: Option<f64>, name: &str| value.ok_or_else(|| missing(name));
        let centre = Position::new(need(self.ra, "ra")?, need(self.dec, "dec")?)?;
        let circle = Circle::new(centre, need(self.radius, "radius")?)?;
        let coverage: Coverage = match &self.coverage_mode {
            Some(name) => name.parse().map_err(|e| anyhow!("coverage_mode: {e}"))?,
            None => Coverage::default(),
        };
        let bands = self.bands.iter().flatten().map(|band| band.parse::<Detector>());
        let ArchiveAccess { mjd_range, max_images, .. } = self.archive.parameters()?;
        Ok(Selection {
            bands: bands.collect::<Result<_, _>>().context("bands")?,
            mjd_range,
            max_images: Some(max_images),
            ..Selection::new(Shape::Circle(circle, coverage))
        })
    }
}

fn missing(name: &str) -> anyhow::Error {
    anyhow!("--{name} is needed (or `{name}` in the configuration)")
}
