//! Settings of a batch, and the parameters that come of them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_archive::{Coverage, SearchCircle, SearchShape, Selection};
use spx_batch::{AggregateOptions, ImageTableFormat};

use crate::PipelineError;
use crate::archive::{ArchiveAccess, ArchiveSettings, MAX_IMAGES, detectors, needed_position};
use crate::catalog::CatalogColumnSettings;
use crate::flag_selection::{check_names, required as text};
use crate::newest::InputSelection;
use crate::photometry::neighbors::NeighborSettings;
use crate::photometry::settings::{PhotometryParameters, PhotometrySettings};
use crate::settings::SettingHeading;

/// Settings of a batch: every source of a catalog in every image of a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Input and output"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[deg]` is a unit")]
pub struct BatchConfig {
    /// Catalog of sources: CSV, ECSV, VOTable, FITS or Parquet with columns targetid, ra, dec
    /// [deg], and optionally pmra, pmdec [mas/yr], ref_epoch; shapes of galaxies (sersic, r_eff
    /// [arcsec], axis_ratio, pa [deg]) are used in fits
    #[schemars(example = "sources.csv")]
    #[schemars(extend("x-heading" = "Sources", "x-value" = "FILE", "x-needed" = true))]
    pub catalog: Option<PathBuf>,
    /// Epoch of the positions, where the catalog has proper motions and no column ref_epoch [Julian
    /// year]
    #[schemars(range(min = 1000, max = 3000), example = 2016.0)]
    #[schemars(extend("x-heading" = "Sources", "x-value" = "YEAR"))]
    pub ref_epoch: Option<f64>,
    /// Which columns of the catalog count.
    #[serde(flatten)]
    pub columns: CatalogColumnSettings,
    /// Other sources.
    #[serde(flatten)]
    pub neighbors: NeighborSettings,
    /// Also write rows and light curves of neighbors
    #[schemars(extend("x-heading" = "Neighbors"))]
    pub measure_neighbors: bool,

    /// Right ascension of the center of the region [deg]
    #[schemars(example = 270.0, extend("x-heading" = "Region", "x-value" = "DEG", "x-angle" = "ra"))]
    #[schemars(extend("x-excludes" = ["input"]))]
    pub ra: Option<f64>,
    /// Declination of the center of the region [deg]
    #[schemars(example = 66.56, extend("x-heading" = "Region", "x-value" = "DEG", "x-angle" = "dec"))]
    #[schemars(extend("x-excludes" = ["input"]))]
    pub dec: Option<f64>,
    /// Radius of the region [deg]
    #[schemars(example = 1.0, extend("x-heading" = "Region", "x-value" = "DEG", "x-excludes" = ["input"]))]
    pub radius: Option<f64>,
    /// Images that overlap the region (any), or that contain all of it (full)
    #[serde(with = "text")]
    #[schemars(with = "String", extend("enum" = ["any", "full"], "x-heading" = "Region"))]
    pub coverage_mode: Coverage,
    /// Detectors, such as D1,D3; all by default
    #[schemars(extend("examples" = [["D1", "D3"]], "x-heading" = "Region"))]
    pub bands: Option<Vec<String>>,

    /// Local spectral images, or directories that are searched for them (*.fits, *.fits.gz), or
    /// lists of both (@FILE, or - for standard input: one path per line); without it the archive is
    /// queried for images of the region
    #[schemars(extend("examples" = [["images/"]], "x-value" = "PATH", "x-excludes" = ["ra", "dec", "radius"]))]
    pub input: Option<Vec<PathBuf>>,
    /// Directory for images/, per_image/, lightcurves/ and the resolved configuration
    #[schemars(extend("x-value" = "DIR", "x-short" = "o"))]
    pub output_dir: PathBuf,
    /// Format of the tables
    #[schemars(with = "String", extend("enum" = ["csv", "parquet", "both"], "x-value" = "FORMAT"))]
    pub format: ImageTableFormat,
    /// Number of parts into which rows are sorted on the way to light curves; a Parquet data set
    /// has a file for each
    #[schemars(range(min = 1, max = 512))]
    pub num_buckets: usize,
    /// Keep the sorted parts as buckets/*.csv
    pub keep_bucket_files: bool,
    /// Also write the spectrum of each source, the means of the 102 spectral channels: as
    /// spectra.parquet (lists) and spectra.fits (array cells)
    pub spectra: bool,

    /// The archive.
    #[serde(flatten)]
    pub archive: ArchiveSettings,
    /// How sources are measured.
    #[serde(flatten)]
    pub photometry: PhotometrySettings,
}

impl Default for BatchConfig {
    fn default() -> Self {
        let options = AggregateOptions::default();
        Self {
            catalog: None,
            ref_epoch: None,
            columns: CatalogColumnSettings::default(),
            neighbors: NeighborSettings::default(),
            measure_neighbors: false,
            ra: None,
            dec: None,
            radius: None,
            coverage_mode: Coverage::default(),
            bands: None,
            input: None,
            output_dir: "batch_output".into(),
            format: options.format,
            num_buckets: options.buckets,
            keep_bucket_files: options.keep_buckets,
            spectra: false,
            archive: ArchiveSettings::default(),
            photometry: PhotometrySettings::default(),
        }
    }
}

/// Settings that have been checked.
#[derive(Debug, Clone)]
pub(super) struct BatchParameters {
    pub(super) catalog: PathBuf,
    /// Of positions that have none of their own \[yr\].
    pub(super) epoch: Option<f64>,
    pub(super) images: BatchImages,
    /// Of files at hand, those that are used.
    pub(super) selection: InputSelection,
    pub(super) output_dir: PathBuf,
    pub(super) aggregate: AggregateOptions,
    pub(super) spectra: bool,
    pub(super) photometry: PhotometryParameters,
}

/// Where the images come from.
#[derive(Debug, Clone)]
pub(super) enum BatchImages {
    /// Files and directories.
    Local(Vec<PathBuf>),
    /// What the archive has.
    Archive(Box<(ArchiveAccess, Selection)>),
}

impl BatchConfig {
    /// Checks the settings, and gives the catalog.
    ///
    /// # Errors
    /// Usage, naming the first setting that is missing or out of range.
    pub(crate) fn check(&self) -> Result<PathBuf, PipelineError> {
        self.parameters().map(|parameters| parameters.catalog)
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Usage, naming the first setting that is missing or out of range.
    pub(super) fn parameters(&self) -> Result<BatchParameters, PipelineError> {
        let aggregate = AggregateOptions {
            buckets: self.num_buckets,
            keep_buckets: self.keep_bucket_files,
            format: self.format,
            ..AggregateOptions::default()
        };
        aggregate.validate().map_err(PipelineError::usage)?;
        if let Some(epoch) = self.ref_epoch.filter(|epoch| !(1000.0..3000.0).contains(epoch)) {
            return Err(PipelineError::usage(format!(
                "ref_epoch = {epoch} is not allowed: it must be a year from 1000 to 3000"
            )));
        }
        let archive = self.archive.access()?;
        let local = self.input.is_some();
        if local && (self.ra.is_some() || self.dec.is_some() || self.radius.is_some()) {
            return Err(PipelineError::usage(
                "ra, dec and radius select images of the archive; with input, all named images are used",
            ));
        }
        let selection = InputSelection {
            release: archive.release,
            mjd_range: archive.mjd_range.filter(|_| local),
            bands: if local { detectors(self.bands.as_deref())? } else { Vec::new() },
            max_images: archive.max_images.filter(|_| local),
        };
        Ok(BatchParameters {
            catalog: self.catalog.clone().ok_or_else(|| missing("catalog"))?,
            epoch: self.ref_epoch,
            images: match &self.input {
                Some(paths) => BatchImages::Local(paths.clone()),
                None => BatchImages::Archive(Box::new((archive, self.selection()?))),
            },
            selection,
            output_dir: self.output_dir.clone(),
            aggregate,
            spectra: self.spectra,
            photometry: self.photometry.parameters_with(&self.neighbors)?,
        })
    }

    fn selection(&self) -> Result<Selection, PipelineError> {
        check_names(|names| self.photometry.bad_flags.mask(names))?;
        let center = needed_position(self.ra, self.dec)?;
        let radius = self.radius.ok_or_else(|| missing("radius"))?;
        let circle = SearchCircle::new(center, radius).map_err(PipelineError::usage)?;
        Ok(Selection {
            bands: detectors(self.bands.as_deref())?,
            ..self
                .archive
                .access()?
                .selection(SearchShape::Circle(circle, self.coverage_mode), Some(MAX_IMAGES))
        })
    }
}

fn missing(name: &str) -> PipelineError {
    PipelineError::usage(format!("--{name} is needed (or `{name}` in the configuration)"))
}
