//! Measurements of a group of images as a part of a store of light curves: what `spx batch`
//! measures, without tables of images and without aggregation.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use spx_batch::{
    BatchRow, Catalog, CatalogCircle, ImageTableFormat, LightCurveStore, NearSources, RetrievedMeasurement,
    SortedCatalog, StoredIds, StoredMeasurement, WaitingExposure, WaitingRows,
};
use spx_core::foreground::run_scale;
use spx_core::image::PixelPlanes;
use spx_core::sky::Position;
use spx_photometry::{Magnitude, julian_epoch};

use super::extract::{Extraction, reach};
use super::settings::BatchConfig;
use crate::buffers::BufferPool;
use crate::catalog::report_rejected;
use crate::frame::ExposureInfo;
use crate::identity::InputIdentity;
use crate::inputs::{InputError, InputFile, find_inputs};
use crate::newest::{InputSelection, NewestInputs, newest_inputs};
use crate::photometry::MeasurementRow;
use crate::photometry::exposure::{OpenExposure, PhotometrySetup};
use crate::photometry::settings::MeasurementMethod;
use crate::{Listener, PipelineError, ResultContext as _};

/// What measuring a part came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartReport {
    /// Images on which sources are measured.
    pub used: usize,
    /// Images on which none could be.
    pub rejected: usize,
    /// Names of the images that could not be read.
    pub failed: Vec<String>,
    /// Measurements.
    pub rows: usize,
}

/// A catalog and a photometry, for any number of parts.
pub struct PartMaker<'a> {
    setup: Arc<PhotometrySetup>,
    selection: InputSelection,
    sources: SortedCatalog,
    listener: &'a dyn Listener,
}

/// The catalog of a survey, sorted and without repeats, in a file; written anew where what is there
/// is of another catalog, or was read in another way.
///
/// # Errors
/// Usage, where the settings are wrong or the catalog cannot be read; otherwise what the disk
/// reports.
pub fn sort_catalog(
    config: &BatchConfig,
    path: &Path,
    listener: &dyn Listener,
) -> Result<SortedCatalog, PipelineError> {
    let parameters = config.parameters()?;
    let shapes = parameters.photometry.method != MeasurementMethod::Aperture;
    let identity = InputIdentity::of(&parameters.catalog);
    let made_of = format!("{identity}, {:?}, {:?}, {shapes}", config.columns, parameters.epoch);
    if let Ok(sorted) = SortedCatalog::open(path)
        && sorted.made_of() == made_of
    {
        return Ok(sorted);
    }
    let catalog = config.columns.read(&parameters.catalog, parameters.epoch, shapes, listener)?;
    report_rejected(&catalog, listener);
    SortedCatalog::write(path, &catalog, &made_of)?;
    Ok(SortedCatalog::open(path)?)
}

impl<'a> PartMaker<'a> {
    /// Reads the calibration products, and opens the [sorted catalog](sort_catalog).
    ///
    /// # Errors
    /// Usage, where settings are wrong or there is no such catalog.
    pub fn new(
        config: &BatchConfig,
        sources: &Path,
        listener: &'a dyn Listener,
    ) -> Result<Self, PipelineError> {
        let parameters = config.parameters()?;
        let mirror = config.archive.data_mirror.as_deref();
        let setup = PhotometrySetup::new(parameters.photometry, mirror).map_err(PipelineError::into_usage)?;
        let sources =
            SortedCatalog::open(sources).map_err(|error| PipelineError::from(error).into_usage())?;
        Ok(Self { setup: Arc::new(setup), selection: parameters.selection, sources, listener })
    }

    /// No ids, of the kind that the catalog has.
    pub fn no_ids(&self) -> StoredIds {
        self.sources.no_ids()
    }

    /// Measures the sources on images and writes them as a part. Only sources near the images are
    /// read, and rows wait in temporary files, so that memory grows neither with the catalog nor
    /// with the number of rows (but with `scene`, which fits all of an image). Where the zodiacal
    /// light of an image cannot be fitted, its scale is the median of the others of the part.
    ///
    /// # Errors
    /// Where the part cannot be written; interrupted by the user. An image that fails is no error.
    pub fn make(
        &self,
        inputs: &[PathBuf],
        store: &LightCurveStore,
        part: &str,
    ) -> Result<PartReport, PipelineError> {
        let (files, mut failed) = find_inputs(inputs, self.listener)?.scan();
        let NewestInputs { kept: files, damaged, .. } = newest_inputs(files, &self.selection)?;
        failed.extend(damaged);
        let NearSources { catalog, ids } = self.sources.near(&self.circles(&files))?;
        let measuring =
            PartMeasuring { extraction: self.extraction(catalog), store, pool: BufferPool::default() };
        let mut report = PartReport::default();
        let mut exposures = Vec::new();
        for found in measuring.measure_all(&files)? {
            match found {
                Err(error) => failed.push(error),
                Ok(found) if found.rows.is_empty() => report.rejected += 1,
                Ok(StoredImage { info, rows }) => {
                    report.used += 1;
                    report.rows += rows.len();
                    let band = info.band().map_or_else(String::new, |band| band.to_string());
                    exposures.push(WaitingExposure { name: (info.obs_id, band), mjd: info.mjd, rows });
                }
            }
        }
        report.failed = failed.iter().map(|error| error.name.clone()).collect();
        store.write_part(part, exposures, (&ids, measuring.extraction.catalog.positions()))?;
        Ok(report)
    }

    /// Where images look. What is wrong with one that cannot be opened is told when it is measured.
    fn circles(&self, files: &[InputFile]) -> Vec<CatalogCircle> {
        let circle = |file: &InputFile| {
            let opened = OpenExposure::open(&file.path, &self.setup).ok()?;
            let (center, radius) = reach(&opened, &self.setup).ok()?;
            Some(CatalogCircle { center, radius, epoch: julian_epoch(opened.info().mjd) })
        };
        files.par_iter().filter_map(circle).collect()
    }

    fn extraction(&self, catalog: Catalog) -> Extraction<'a> {
        Extraction {
            measured: catalog.len(),
            digest: String::new(),
            settings: String::new(),
            directory: PathBuf::new(),
            format: ImageTableFormat::default(),
            overwrite: false,
            listener: self.listener,
            contents: HashMap::new(),
            index: OnceLock::new(),
            setup: Arc::clone(&self.setup),
            catalog,
        }
    }
}

/// A part at work.
struct PartMeasuring<'a> {
    extraction: Extraction<'a>,
    store: &'a LightCurveStore,
    pool: BufferPool<PixelPlanes>,
}

impl PartMeasuring<'_> {
    /// Measures the sources on all images.
    fn measure_all(
        &self,
        files: &[InputFile],
    ) -> Result<Vec<Result<StoredImage, InputError>>, PipelineError> {
        let listener = self.extraction.listener;
        listener.start("extract", files.len() as u64);
        let first = |file: &InputFile| {
            let measured = self.measure(&file.path, &[]);
            listener.advance(1);
            measured
        };
        let mut measured = files.par_iter().map(first).collect::<Result<Vec<_>, _>>()?;
        let late = unfitted(&measured);
        let again: Vec<_> = late
            .into_par_iter()
            .map(|(k, run)| Ok((k, self.measure(&files[k].path, &run)?)))
            .collect::<Result<_, PipelineError>>()?;
        again.into_iter().for_each(|(k, found)| measured[k] = found);
        listener.finish();
        Ok(measured)
    }

    /// Measures the sources on an image; an image that fails is an outcome.
    fn measure(&self, path: &Path, run: &[f64]) -> Result<Result<StoredImage, InputError>, PipelineError> {
        if self.extraction.listener.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let mut rows = WaitingRows::new(self.store)?;
        let mut written = Ok(());
        // Numbers of sources are in the order of the store.
        let sort = |numbers: &mut [u32]| numbers.sort_unstable();
        let found =
            self.extraction.measure_each(path, (run, &self.pool), &sort, &mut |info, target, found| {
                if let (Ok(row), true) = (found, written.is_ok()) {
                    written = rows.push(&stored(info, target, &row));
                }
            });
        if self.extraction.listener.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        written.with_context(|| path.display().to_string())?;
        Ok(found.map(|info| StoredImage { info, rows }))
    }
}

/// What the store keeps of a measurement: a fraction.
fn stored(info: &ExposureInfo, target: u32, row: &MeasurementRow) -> StoredMeasurement {
    StoredMeasurement {
        cell: 0,
        target,
        exposure: 0,
        mjd: info.mjd,
        numbers: numbers(row, info.zodi_scale),
        flag: row.flags,
        is_good: row.is_good,
    }
}

/// The measurements on an image as the store keeps them.
struct StoredImage {
    info: ExposureInfo,
    rows: WaitingRows,
}

/// The light curve of a source of a [sorted catalog](sort_catalog) in a store. What the store does
/// not keep is missing: NaN, empty or false.
///
/// # Errors
/// Nothing found, where the catalog has no such source or the store no measurement of it; otherwise
/// where catalog or store cannot be read.
pub fn stored_light_curve(
    sources: &Path,
    store: &LightCurveStore,
    id: &str,
) -> Result<Vec<BatchRow<'static>>, PipelineError> {
    let position = SortedCatalog::open(sources)?.position(id)?;
    let found = position.map(|position| store.light_curve(position, id)).transpose()?.unwrap_or_default();
    if found.is_empty() {
        return Err(PipelineError::nothing_found(format!("the store has no measurement of `{id}`")));
    }
    let row = |found: RetrievedMeasurement| {
        let StoredMeasurement { mjd, numbers, flag, is_good, .. } = found.measurement;
        let [x, y, flux, flux_error, wavelength, bandwidth, bg_level, bg_error, pixel_area, zodi_scale] =
            numbers.map(f64::from);
        let magnitude = Magnitude::from_flux(flux, flux_error);
        BatchRow {
            target_id: id.to_owned().into(),
            ra: position.map_or(f64::NAN, Position::ra),
            dec: position.map_or(f64::NAN, Position::dec),
            obs_id: found.obs_id.into(),
            band: found.band.into(),
            mjd,
            x,
            y,
            flux,
            flux_error,
            mag_ab: magnitude.map_or(f64::NAN, |magnitude| magnitude.value),
            mag_ab_error: magnitude.map_or(f64::NAN, |magnitude| magnitude.error),
            wavelength,
            bandwidth,
            flag,
            bg_level,
            bg_error,
            snr: flux / flux_error,
            is_good,
            pixel_area,
            zodi_scale,
            aperture_radius: f64::NAN,
            masked_fraction: f64::NAN,
            aperture_correction: f64::NAN,
            psf_flux: f64::NAN,
            psf_flux_error: f64::NAN,
            psf_chi2: f64::NAN,
            fit_chi2: f64::NAN,
            fit_correlation: f64::NAN,
            ..BatchRow::default()
        }
    };
    Ok(found.into_iter().map(row).collect())
}

/// In the order of the columns.
#[expect(clippy::cast_possible_truncation, reason = "the store keeps single precision")]
fn numbers(row: &MeasurementRow, zodi_scale: Option<f64>) -> [f32; spx_batch::STORED_NUMBERS.len()] {
    [
        row.x,
        row.y,
        row.flux,
        row.flux_error,
        row.wavelength,
        row.bandwidth,
        row.background,
        row.background_error.unwrap_or(f64::NAN),
        row.pixel_area,
        zodi_scale.unwrap_or(f64::NAN),
    ]
    .map(|number| number as f32)
}

/// The images whose zodiacal scale could not be fitted, with those of the others of the detector.
fn unfitted(measured: &[Result<StoredImage, InputError>]) -> Vec<(usize, Vec<f64>)> {
    let infos = || measured.iter().enumerate().filter_map(|(k, found)| Some((k, &found.as_ref().ok()?.info)));
    let fitted = |detector: u8| -> Vec<f64> {
        let of_it = infos().filter(|(_, info)| info.detector == detector && info.zodi_scale_error.is_some());
        of_it.filter_map(|(_, info)| info.zodi_scale).collect()
    };
    infos()
        .filter(|(_, info)| info.zodi_not_fitted)
        .map(|(k, info)| (k, fitted(info.detector)))
        .filter(|(_, run)| run_scale(run).is_some())
        .collect()
}
