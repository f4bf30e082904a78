//! The four stages of a batch, in their order; each needs those before it.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use spx_archive::DownloadLayout;
use spx_batch::{AggregateOptions, Aggregated, Catalog, ImageTables, RecordedTable, aggregate_counting};
use spx_core::flags::FlagSelection;
use spx_core::sky::Position;

use super::extract::{Extraction, ImageReport, TABLES};
use super::settings::{BatchConfig, BatchImages, BatchParameters};
use super::sources::{MissingSources, SOURCES, SourceCounter};
use super::spectra::{has_spectra, write_spectra};
use super::{AggregatedCurves, BatchReport, BatchStages};
use crate::amount::counted;
use crate::archive::{ArchiveOrder, DeliveredFiles, QUERY_SUMMARY, QuerySummary};
use crate::calibration::{calibration_lines, mixed_scales_warning};
use crate::catalog::report_rejected;
use crate::flag_selection::check_names_of;
use crate::forecast::WorkForecast;
use crate::identity::ReleaseIdentity;
use crate::inputs::{file_name, find_inputs};
use crate::made::MADE_FILE;
use crate::newest::{NewestInputs, newest_inputs};
use crate::outcome::InputOutcome;
use crate::output::OutputDirectory;
use crate::photometry::files::cut_warning;
use crate::photometry::neighbors::{NeighborArchive, place_in_survey};
use crate::photometry::settings::MeasurementMethod;
use crate::photometry::{PhotometrySetup, SkyTarget};
use crate::settings::write_configuration;
use crate::stages::{StageSelection, Stages};
use crate::{Listener, PipelineError};

/// The stages in their order.
pub const BATCH_STAGES: [&str; 4] = ["query", "download", "extract", "aggregate"];
/// Tells how far a batch has come.
const STATE: &str = "batch_state.toml";
/// The resolved configuration.
const CONFIGURATION: &str = "batch.toml";
/// What a table of the archive has around the sources.
const NEIGHBORS: &str = "neighbors.csv";

/// A batch, stage by stage. A stage does those before it where they are not yet done.
pub struct BatchRun<'a> {
    parameters: BatchParameters,
    /// The output directory and the settings, until there is something to keep.
    begun: Option<(OutputDirectory, BatchConfig)>,
    bad_flags: FlagSelection,
    only: Vec<String>,
    extraction: Extraction<'a>,
    stages: Stages<'a>,
    summary: Option<QuerySummary>,
    delivered: Option<DeliveredFiles>,
    extracted: Option<Vec<ImageReport>>,
}

impl<'a> BatchRun<'a> {
    /// Reads the catalog, makes the output directory, locks it, and reads how far an earlier run
    /// came. The settings are written down once there is an image.
    ///
    /// # Errors
    /// Usage where settings, catalog or state are wrong; otherwise what the disk reports.
    pub fn open(
        config: &BatchConfig,
        wanted: BatchStages,
        listener: &'a dyn Listener,
    ) -> Result<Self, PipelineError> {
        let parameters = config.parameters()?;
        check_stages(&wanted.only, &parameters.images)?;
        let mirror = config.archive.data_mirror.as_deref();
        let setup =
            PhotometrySetup::new(parameters.photometry.clone(), mirror).map_err(PipelineError::into_usage)?;
        config.neighbors.check()?;
        let shapes = parameters.photometry.method != MeasurementMethod::Aperture;
        let mut catalog = config.columns.read(&parameters.catalog, parameters.epoch, shapes, listener)?;
        report_rejected(&catalog, listener);
        setup.tell(listener);
        let AggregateOptions { buckets, format, .. } = parameters.aggregate;
        listener.detail(&format!(
            "catalog: {} sources; tables as {format}, sorted in {buckets} parts",
            catalog.len()
        ));
        let output = OutputDirectory::create(&parameters.output_dir)?;
        let selection =
            StageSelection { resume: wanted.resume, only: wanted.only.clone(), ..StageSelection::default() };
        let mut stages = Stages::open(&parameters.output_dir.join(STATE), selection, listener)?;
        stages.clear(&parameters.output_dir.join(CONFIGURATION))?;
        let begun = Some((output, config.clone()));
        let mut measured = catalog.len();
        append_neighbors(&mut catalog, config, &stages)?;
        let mut digest = catalog.digest();
        if config.measure_neighbors {
            measured = catalog.len();
        } else if measured < catalog.len() {
            let _ = write!(digest, " of which {measured}");
        }
        let extraction = Extraction {
            measured,
            digest,
            settings: photometry_lines(config, &setup, &mut stages)?,
            directory: parameters.output_dir.join(TABLES),
            format: parameters.aggregate.format,
            overwrite: wanted.overwrite,
            listener,
            contents: HashMap::new(),
            index: OnceLock::new(),
            setup: Arc::new(setup),
            catalog,
        };
        let only = wanted.only;
        let (summary, delivered, extracted) = (None, None, None);
        let bad_flags = config.photometry.bad_flags.clone();
        Ok(Self { parameters, begun, bad_flags, only, extraction, stages, summary, delivered, extracted })
    }

    /// Writes the settings down, now that there are images: where there are none, nothing is left.
    fn begin(&mut self) -> Result<(), PipelineError> {
        if let Some((output, config)) = self.begun.take() {
            let configuration = self.parameters.output_dir.join(CONFIGURATION);
            write_configuration(&configuration, "What this batch was made with.", &config)?;
            output.keep();
        }
        Ok(())
    }

    /// The stage `query`: which images there are; `None` where local images are named.
    ///
    /// # Errors
    /// Nothing found where the archive has no image of the region; otherwise where it cannot be
    /// asked.
    pub fn query(&mut self) -> Result<Option<QuerySummary>, PipelineError> {
        if let (None, Some(order)) = (&self.summary, order(&self.parameters)) {
            self.summary = Some(order.query(&mut self.stages)?);
        }
        if self.summary.is_some() {
            self.begin()?;
        }
        Ok(self.summary.clone())
    }

    /// The stage `download`: their files, in `images/`; `None` where local images are named.
    ///
    /// # Errors
    /// Where the disk is too small. A file that cannot be downloaded is no error here.
    pub fn download(&mut self) -> Result<Option<DeliveredFiles>, PipelineError> {
        let summary = self.query()?;
        if let (None, Some(order), Some(summary)) = (&self.delivered, order(&self.parameters), summary) {
            self.delivered = Some(order.download(&summary, &mut self.stages)?);
        }
        Ok(self.delivered.clone())
    }

    /// The stage `extract`: a table for each image, in `per_image/`. Gives what became of each
    /// image.
    ///
    /// # Errors
    /// Nothing found where there is no image; otherwise where a table cannot be written. An image
    /// that fails is no error here.
    pub fn extract(&mut self) -> Result<Vec<ImageReport>, PipelineError> {
        if let Some(extracted) = &self.extracted {
            return Ok(extracted.clone());
        }
        let (images, mut reports) = self.images()?;
        if images.is_empty() && reports.is_empty() {
            return Err(PipelineError::nothing_found("no spectral image (*.fits, *.fits.gz) in the inputs"));
        }
        if images.is_empty() {
            return Ok(self.extracted.insert(reports).clone());
        }
        self.begin()?;
        let Self { extraction, stages, .. } = self;
        let parameters = format!("{}\n{}", extraction.fingerprint(), stages.lines(&images)?.join("\n"));
        extraction.contents = images.iter().cloned().zip(stages.identify(&images)?).collect();
        let still_good = |reports: &Vec<ImageReport>| extraction.still_good(&images, reports);
        let mut measured = stages.run("extract", parameters, still_good, || extraction.run(&images))?;
        // An earlier run may have named them from another directory.
        for (report, path) in measured.iter_mut().zip(&images) {
            report.file = path.display().to_string();
        }
        reports.extend(measured);
        warn_of_cut_images(&reports, extraction.listener);
        Ok(self.extracted.insert(reports).clone())
    }

    /// The stage `aggregate`: light curves, in `lightcurves/`, and a line for each source, in
    /// `sources.csv`, from all tables that were made with
    /// these settings, also those of images of earlier runs.
    ///
    /// # Errors
    /// Nothing found, or failed, where no source is measured on any image; otherwise where the disk
    /// refuses.
    pub fn aggregate(&mut self) -> Result<(AggregatedCurves, MissingSources), PipelineError> {
        let reports = self.extract()?;
        let BatchParameters { output_dir, aggregate, spectra, .. } = &self.parameters;
        let Extraction { directory, digest, settings, format, listener, catalog, .. } = &self.extraction;
        if !directory.is_dir() {
            return Err(nothing_measured(&reports));
        }
        let options = &AggregateOptions { settings: settings.clone(), ..aggregate.clone() };
        let mut found = ImageTables::made_with(directory, digest, settings, *format)?;
        let tables = found.tables.len();
        let left_out = keep_newest(&mut found.tables, &reports);
        found.unmeasured.retain(|(image, _)| !left_out.contains(image));
        if found.tables.len() < tables {
            let older = tables - found.tables.len();
            listener.note(&format!("{older} tables of superseded images are left out"));
        }
        if found.others > 0 {
            listener.warning(&format!(
                "{} tables in {} were made with other photometry settings or another catalog, and are left out",
                found.others,
                directory.display()
            ));
        }
        if found.tables.is_empty() {
            return Err(nothing_measured(&reports));
        }
        let scales = found.tables.iter().map(|table| (&table.identity, table.flux_correction));
        if let Some(warning) = mixed_scales_warning(scales) {
            listener.warning(&warning);
        }
        let line = |table: &RecordedTable| {
            format!("{} {} {}", file_name(&table.path), table.bytes, table.image_content)
        };
        let lines = found.tables.iter().map(line);
        let lines = lines.collect::<Vec<_>>().join("\n");
        let unmeasured = found.unmeasured.len();
        let parameters = format!(
            "{}\n{options:?}\nspectra {spectra}\nunmeasured {unmeasured}\n{lines}",
            self.extraction.fingerprint()
        );
        let are_there = |_: &(AggregatedCurves, MissingSources)| {
            spx_batch::has_light_curves(output_dir, options)
                && output_dir.join(SOURCES).exists()
                && output_dir.join(MADE_FILE).exists()
                && (!spectra || has_spectra(output_dir))
        };
        let measured = self.extraction.measured;
        self.stages.run("aggregate", parameters, are_there, || {
            let tables: Vec<PathBuf> = found.tables.iter().map(|table| table.path.clone()).collect();
            let counter = SourceCounter::new(catalog, measured);
            let count = |id: &str, counts| counter.count(id, counts);
            let Aggregated { rows, sources } =
                aggregate_counting(&tables, output_dir, options, *listener, &count)?;
            if *spectra {
                let ids = (0..catalog.len()).map(|number| catalog.target(number).id.len());
                write_spectra(output_dir, sources, ids.max().unwrap_or_default(), *listener)?;
            }
            let missing = counter.write(output_dir, found.unmeasured.iter().map(|(_, source)| source))?;
            self.extraction.made(&self.parameters.catalog, tables.len()).write(output_dir)?;
            Ok::<_, PipelineError>((AggregatedCurves { sources, rows }, missing))
        })
    }

    /// Runs the stages that are wanted.
    ///
    /// # Errors
    /// Those of the stages.
    pub(super) fn run(&mut self) -> Result<BatchReport, PipelineError> {
        let wanted = |only: &[String], stage: &str| only.is_empty() || only.iter().any(|one| one == stage);
        let (mut light_curves, mut missing_sources) = Default::default();
        if wanted(&self.only, "aggregate") {
            (light_curves, missing_sources) = self.aggregate()?;
        } else if wanted(&self.only, "extract") {
            self.extract()?;
        } else if wanted(&self.only, "download") {
            self.extracted = Some(self.images()?.1);
        } else {
            self.query()?;
        }
        let images = self.extracted.clone().unwrap_or_default();
        let count = |outcome| images.iter().filter(|report| report.status == outcome).count();
        Ok(BatchReport {
            output_dir: self.parameters.output_dir.clone(),
            used: count(InputOutcome::Used),
            rejected: count(InputOutcome::Rejected),
            failed: count(InputOutcome::Failed),
            rejected_sources: self.extraction.catalog.rejected_count(),
            light_curves,
            missing_sources,
            images,
        })
    }

    /// The images that are there, sorted by name, and those that are not.
    fn images(&mut self) -> Result<(Vec<PathBuf>, Vec<ImageReport>), PipelineError> {
        let delivered = self.download()?;
        let missing: Vec<_> = delivered.iter().flat_map(DeliveredFiles::failed).collect();
        let inputs = match (delivered, &self.parameters.images) {
            (Some(delivered), _) => delivered.files,
            (None, BatchImages::Local(paths)) => paths.clone(),
            (None, BatchImages::Archive(_)) => Vec::new(),
        };
        let found = find_inputs(&inputs, self.extraction.listener)?;
        found.tell_skipped(self.extraction.listener);
        let (files, unreadable) = found.scan();
        let NewestInputs { kept, aside, damaged } = newest_inputs(files, &self.parameters.selection)?;
        let mut images: Vec<PathBuf> = kept.into_iter().map(|file| file.path).collect();
        images.sort_by_cached_key(|path| (file_name(path), path.clone()));
        check_names_of(|names| self.bad_flags.mask(names), images.iter().map(PathBuf::as_path))?;
        let failed = unreadable.iter().chain(&missing).chain(&damaged).map(ImageReport::failed);
        let aside = aside.into_iter().map(|(file, reason)| ImageReport::left_aside(&file.path, reason));
        Ok((images, failed.chain(aside).collect()))
    }
}

/// Says so where what was cut off images harms measurements.
fn warn_of_cut_images(reports: &[ImageReport], listener: &dyn Listener) {
    let [cut, lost] = [0, 1].map(|k| reports.iter().map(|report| report.cut_off[k]).sum::<usize>());
    let place = format!("for {} on images (each counts on each image)", counted(cut + lost, "source"));
    if let Some(warning) = cut_warning([cut, lost], &place) {
        listener.warning(&warning);
    }
}

/// Removes the tables of images that this run leaves aside, or that a newer processing of the same
/// exposure supersedes: the tables of earlier runs are there, too. Gives the images.
fn keep_newest(tables: &mut Vec<RecordedTable>, reports: &[ImageReport]) -> HashSet<String> {
    let before: HashSet<String> = tables.iter().map(|table| table.image.clone()).collect();
    let named = |wanted: bool| {
        let reports = reports.iter().filter(move |report| report.is_aside == wanted);
        reports.map(|report| file_name(Path::new(&report.file))).collect::<HashSet<String>>()
    };
    let (mut aside, used) = (named(true), named(false));
    tables.retain(|table| !aside.contains(&table.image) || used.contains(&table.image));
    let mut newest: HashMap<String, ReleaseIdentity> = HashMap::new();
    for table in tables.iter() {
        let best = newest.entry(table.exposure.clone()).or_default();
        if table.identity > *best {
            *best = table.identity.clone();
        }
    }
    tables.retain(|table| newest.get(&table.exposure) == Some(&table.identity));
    aside.retain(|image| !used.contains(image));
    let kept: HashSet<&str> = tables.iter().map(|table| table.image.as_str()).collect();
    aside.extend(before.into_iter().filter(|image| !kept.contains(image.as_str())));
    aside
}

/// What a batch of these settings would do. Nothing is written.
///
/// # Errors
/// Usage where settings or catalog are wrong; nothing found where there is no image; otherwise
/// where the archive cannot be asked.
pub fn forecast_batch(config: &BatchConfig, listener: &dyn Listener) -> Result<WorkForecast, PipelineError> {
    let parameters = config.parameters()?;
    let mirror = config.archive.data_mirror.as_deref();
    PhotometrySetup::new(parameters.photometry.clone(), mirror).map_err(PipelineError::into_usage)?;
    config.neighbors.check()?;
    let catalog = config.columns.read(&parameters.catalog, parameters.epoch, false, listener)?;
    report_rejected(&catalog, listener);
    let mut forecast = WorkForecast::of(&parameters.output_dir);
    match (&parameters.images, order(&parameters)) {
        (BatchImages::Local(paths), _) => {
            let (files, _) = find_inputs(paths, listener)?.scan();
            let images = newest_inputs(files, &parameters.selection)?.kept.len();
            (forecast.images, forecast.at_hand) = (images, images);
        }
        (BatchImages::Archive(_), Some(order)) => {
            forecast = order.forecast(&parameters.output_dir, listener)?;
        }
        (BatchImages::Archive(_), None) => {}
    }
    Ok(WorkForecast { sources: Some(catalog.len()), ..forecast })
}

/// What the archive is asked for; `None` where local images are named.
fn order(parameters: &BatchParameters) -> Option<ArchiveOrder<'_>> {
    let BatchImages::Archive(ask) = &parameters.images else { return None };
    let (archive, selection) = &**ask;
    Some(ArchiveOrder {
        archive,
        selection: selection.clone(),
        cutout: None,
        summary: parameters.output_dir.join(QUERY_SUMMARY),
        data: parameters.output_dir.join("images"),
        layout: DownloadLayout::Flat,
    })
}

/// Refuses stages that do not exist, or are not those of local images.
fn check_stages(only: &[String], images: &BatchImages) -> Result<(), PipelineError> {
    for stage in only {
        if !BATCH_STAGES.contains(&stage.as_str()) {
            let known = BATCH_STAGES.join(", ");
            return Err(PipelineError::usage(format!("unknown stage `{stage}`: expected one of {known}")));
        }
        if matches!(images, BatchImages::Local(_)) && BATCH_STAGES[..2].contains(&stage.as_str()) {
            let text = format!("stage {stage}: with --input the archive is not queried");
            return Err(PipelineError::usage(text));
        }
    }
    Ok(())
}

/// Adds the neighbors of its sources to a catalog. One with the name of a source is that source.
fn append_neighbors(
    catalog: &mut Catalog,
    config: &BatchConfig,
    stages: &Stages<'_>,
) -> Result<(), PipelineError> {
    if config.neighbors.neighbors.is_none() {
        return Ok(());
    }
    let archive = NeighborArchive {
        settings: &config.archive,
        kept: Some(&config.output_dir.join(NEIGHBORS)),
        resume: stages.continues(),
    };
    let targets = (0..catalog.len()).map(|number| SkyTarget::from(catalog.target(number)));
    let around: Vec<Position> = targets.map(|target| place_in_survey(&target)).collect();
    let found = config.neighbors.find(&around, &archive, stages.listener())?;
    let ids: HashSet<&str> = (0..catalog.len()).map(|number| catalog.target(number).id).collect();
    let others = (0..found.len()).filter(|number| !ids.contains(found.target(*number).id));
    let others: Vec<usize> = others.collect();
    catalog.append(&found, &others);
    Ok(())
}

/// The settings that shape a measurement, line by line.
fn photometry_lines(
    config: &BatchConfig,
    setup: &PhotometrySetup,
    stages: &mut Stages<'_>,
) -> Result<String, PipelineError> {
    let mut photometry = config.photometry.clone();
    if config.neighbors.neighbors.is_some() {
        photometry.method = Some(MeasurementMethod::Scene);
    }
    // Calibration products count by their names and contents, wherever they are.
    let lines = photometry.lines()?.into_iter();
    let products: Vec<&Path> = setup.calibration.paths().collect();
    Ok(lines.chain(calibration_lines(&products, stages)?).collect::<Vec<_>>().join("\n"))
}

fn nothing_measured(reports: &[ImageReport]) -> PipelineError {
    let reasons: Vec<String> = reports
        .iter()
        .take(3)
        .map(|report| format!("{}: {}", report.file, report.reason.as_deref().unwrap_or_default()))
        .collect();
    let more = if reports.len() > reasons.len() { "; ..." } else { "" };
    let text =
        format!("no source is measured on any of {} images ({}{more})", reports.len(), reasons.join("; "));
    if reports.iter().any(|report| report.status == InputOutcome::Failed) {
        PipelineError::failed(text)
    } else {
        PipelineError::nothing_found(text)
    }
}

/// The rows of one source of a finished batch.
///
/// # Errors
/// Usage where there is no batch; nothing found where it has no measurement of the source;
/// otherwise where its files cannot be read.
pub fn light_curve(directory: &Path, id: &str) -> Result<Vec<spx_batch::BatchRow<'static>>, PipelineError> {
    if !["lightcurves", "lightcurves.parquet"].iter().any(|name| directory.join(name).is_dir()) {
        let text = format!("{} has no light curves of a batch or of a survey", directory.display());
        return Err(PipelineError::usage(text));
    }
    let rows = spx_batch::light_curve(directory, id)?;
    if rows.is_empty() {
        let text = format!("{} has no measurement of `{id}`", directory.display());
        return Err(PipelineError::nothing_found(text));
    }
    Ok(rows)
}
