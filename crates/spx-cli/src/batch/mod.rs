//! `spx batch`: every source of a catalogue in every image of a region; `spx lightcurve`: one of them.

mod catalogue;
mod extract;
mod light_curve;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde::{Deserialize, Serialize};
use spx_archive::Layout;
use spx_batch::{Aggregated, BatchError, Catalogue, ImageTables, aggregate};
use spx_core::atomic;

use crate::config;
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::{ConfigFile, Global};
use crate::photometry::exposure::Setup;
use crate::ui;
use extract::{Extraction, ImageReport, Status, TABLES};
pub(crate) use light_curve::{LightCurveArgs, run as run_light_curve};
use settings::{BatchParameters, BatchSettings, Images};
use spx_pipeline::archive::ArchiveOrder;
use spx_pipeline::archive::QUERY_SUMMARY;
use spx_pipeline::inputs::{self, InputError};
use spx_pipeline::output::OutputDirectory;
use spx_pipeline::stages::{StageSelection, Stages};

/// The stages in their order.
const STAGES: [&str; 4] = ["query", "download", "extract", "aggregate"];
/// Tells how far a batch has come.
const STATE: &str = "batch_state.toml";
/// The resolved configuration.
const CONFIGURATION: &str = "batch.toml";
/// So many bad rows of a catalogue are told one by one.
const TOLD: usize = 20;

/// Measure every source of a catalogue in every image of a region, and make their light curves.
///
/// Four stages: query, download (full frames, to images/), extract (a table for each image, in per_image/), aggregate (a
/// light curve for each source, in lightcurves/). Images that are done are not measured again, unless the catalogue or
/// the photometry has changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx batch --catalog sources.csv --ra 270 --dec 66.56 --radius 1 --bands D3,D4
  spx batch --catalog sources.csv --ra 270 --dec 66.56 --radius 1 --bands D3,D4 --resume
  spx batch --catalog sources.parquet --input images/ --format parquet -o survey
  spx batch --catalog sources.csv --input images/ --stages aggregate --num-buckets 128
  spx lightcurve 39633458707826492 batch_output")]
pub(crate) struct BatchArgs {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    settings: BatchSettings,
    /// Continue an earlier run in the same output directory: stages that are done, with the same parameters, are not
    /// repeated
    #[arg(long)]
    resume: bool,
    /// Run these stages alone: query, download, extract, aggregate; those before them must be done
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    stages: Vec<String>,
    /// Measure images again that are done
    #[arg(long)]
    overwrite: bool,
}

/// What came of a batch.
#[derive(Debug, Serialize)]
struct BatchReport {
    output_dir: PathBuf,
    used: usize,
    rejected: usize,
    failed: usize,
    /// Rows of the catalogue that are not used.
    rejected_sources: usize,
    light_curves: Made,
    images: Vec<ImageReport>,
}

/// What the stage `aggregate` gave.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Made {
    sources: u64,
    rows: u64,
}

/// Runs the command.
pub(crate) fn run(args: &BatchArgs, global: &Global) -> CommandResult {
    let given = args.settings.clone().normalised();
    let settings = config::resolve(args.file.config.as_deref(), &given)?.completed();
    let parameters = settings.parameters().map_err(Failure::usage)?;
    check_stages(&args.stages, &parameters.images)?;
    let mirror = settings.archive.data_mirror.as_deref();
    let setup = Setup::new(parameters.photometry.clone(), mirror).map_err(Failure::usage)?;
    ui::catch_interrupts()?;
    let catalogue = catalogue::read(&parameters.catalogue, parameters.epoch).map_err(Failure::usage)?;
    tell_rejected(&catalogue);
    let output = OutputDirectory::create(&parameters.output_dir)?;
    let wanted =
        StageSelection { resume: args.resume, only: args.stages.clone(), ..StageSelection::default() };
    let listener = global.terminal();
    let stages = Stages::open(&parameters.output_dir.join(STATE), wanted, &listener)?;
    write_configuration(&parameters.output_dir, &settings, &stages)?;
    output.keep();
    let extraction = Extraction {
        setup: &setup,
        digest: catalogue.digest(),
        settings: photometry_lines(&settings, &setup)?,
        directory: parameters.output_dir.join(TABLES),
        format: parameters.aggregate.format,
        overwrite: args.overwrite,
        verbosity: global.verbosity(),
        index: OnceLock::new(),
        catalogue: &catalogue,
    };
    let mut batch = Batch { parameters: &parameters, stages, global };
    let report = batch.run(&extraction, &args.stages)?;
    summarise(&report, global)
}

/// Refuses stages that there are not.
fn check_stages(only: &[String], images: &Images) -> Result<(), Failure> {
    for stage in only {
        if !STAGES.contains(&stage.as_str()) {
            let problem = anyhow!("there is no stage `{stage}`; there are: {}", STAGES.join(", "));
            return Err(Failure::usage(problem));
        }
        if matches!(images, Images::AtHand(_)) && STAGES[..2].contains(&stage.as_str()) {
            let problem = anyhow!("stage {stage}: with --input nothing is asked of the archive");
            return Err(Failure::usage(problem));
        }
    }
    Ok(())
}

fn tell_rejected(catalogue: &Catalogue) {
    for rejected in catalogue.rejected().iter().take(TOLD) {
        ui::warning(&format!("catalogue, {rejected}"));
    }
    if let Some(more) = catalogue.rejected_count().checked_sub(TOLD).filter(|more| *more > 0) {
        ui::warning(&format!("catalogue: {more} more rows are not used"));
    }
}

fn write_configuration(
    directory: &Path,
    settings: &BatchSettings,
    stages: &Stages<'_>,
) -> Result<(), Failure> {
    let path = directory.join(CONFIGURATION);
    stages.clear(&path)?;
    let text = format!("# What this batch was made with.\n{}", toml::to_string(settings)?);
    atomic::write(&path, text.as_bytes(), true).with_context(|| path.display().to_string())?;
    Ok(())
}

/// The settings that shape a measurement, line by line.
fn photometry_lines(settings: &BatchSettings, setup: &Setup) -> anyhow::Result<String> {
    let mut photometry = settings.photometry.clone();
    // Calibration products count by their names, wherever they lie.
    (photometry.spectral_wcs, photometry.solid_angle_map) = (None, None);
    let table = toml::Table::try_from(photometry)?;
    let lines = table.iter().map(|(key, value)| format!("{key} = {value}"));
    let products = setup.calibration.files().map(|name| format!("calibration {name}"));
    Ok(lines.chain(products).collect::<Vec<_>>().join("\n"))
}

/// A batch at work.
struct Batch<'a> {
    parameters: &'a BatchParameters,
    stages: Stages<'a>,
    global: &'a Global,
}

impl Batch<'_> {
    fn run(&mut self, extraction: &Extraction<'_>, only: &[String]) -> Result<BatchReport, Failure> {
        let (images, mut reports) = self.images(only)?;
        let wanted = |stage: &str| only.is_empty() || only.iter().any(|one| one == stage);
        let mut light_curves = Made::default();
        if wanted("extract") || wanted("aggregate") {
            if images.is_empty() && reports.is_empty() {
                let problem = anyhow!("no spectral image (*.fits, *.fits.gz) in the inputs");
                return Err(Failure::nothing_found(problem));
            }
            reports.extend(self.extract(extraction, &images)?);
        }
        if wanted("aggregate") {
            light_curves = self.aggregate(extraction, &reports)?;
        }
        let count = |status| reports.iter().filter(|report| report.status == status).count();
        Ok(BatchReport {
            output_dir: self.parameters.output_dir.clone(),
            used: count(Status::Used),
            rejected: count(Status::Rejected),
            failed: count(Status::Failed),
            rejected_sources: extraction.catalogue.rejected_count(),
            light_curves,
            images: reports,
        })
    }

    /// The images that are there, sorted, and those that could not be had.
    fn images(&mut self, only: &[String]) -> Result<(Vec<PathBuf>, Vec<ImageReport>), Failure> {
        let (inputs, missing) = match &self.parameters.images {
            Images::AtHand(paths) => (paths.clone(), Vec::new()),
            Images::Archive(ask) => {
                let (archive, selection) = &**ask;
                let order = ArchiveOrder {
                    archive,
                    selection: selection.clone(),
                    cutout: None,
                    summary: self.parameters.output_dir.join(QUERY_SUMMARY),
                    data: self.parameters.output_dir.join("images"),
                    layout: Layout::Flat,
                };
                let summary = order.query(&mut self.stages)?;
                if only.iter().all(|stage| stage == "query") && !only.is_empty() {
                    return Ok((Vec::new(), Vec::new()));
                }
                let delivered = order.download(&summary, &mut self.stages)?;
                let missing: Vec<InputError> = delivered.failed().collect();
                (delivered.files, missing)
            }
        };
        let found = inputs::find_inputs(&inputs);
        let mut images: Vec<PathBuf> = found.files().iter().map(|(path, _)| path.clone()).collect();
        images.sort_by_cached_key(|path| (inputs::file_name(path), path.clone()));
        let failed = found.failed().iter().chain(&missing).map(ImageReport::failed).collect();
        Ok((images, failed))
    }

    fn extract(
        &mut self,
        extraction: &Extraction<'_>,
        images: &[PathBuf],
    ) -> Result<Vec<ImageReport>, Failure> {
        let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let lines = images.iter().map(|path| format!("{} {}", path.display(), size(path)));
        let parameters = format!("{}\n{}", extraction.fingerprint(), lines.collect::<Vec<_>>().join("\n"));
        let bar = self.global.terminal();
        let still_good = |reports: &Vec<ImageReport>| extraction.still_good(reports);
        self.stages.run("extract", parameters, still_good, || extraction.run(images, &bar))
    }

    /// Makes light curves of all tables that are of the same making, also those of images of earlier runs.
    fn aggregate(&mut self, extraction: &Extraction<'_>, reports: &[ImageReport]) -> Result<Made, Failure> {
        let BatchParameters { output_dir, aggregate: options, .. } = self.parameters;
        let Extraction { directory, digest, settings, format, .. } = extraction;
        let found = ImageTables::made_with(directory, digest, settings, *format)?;
        if found.others > 0 {
            ui::warning(&format!(
                "{} tables in {} were made with other photometry settings or another catalogue, and are left out",
                found.others,
                directory.display()
            ));
        }
        if found.tables.is_empty() {
            return Err(nothing_measured(reports));
        }
        let lines = found.tables.iter().map(|(path, bytes)| format!("{} {bytes}", path.display()));
        let lines = lines.collect::<Vec<_>>().join("\n");
        let parameters = format!("{}\n{options:?}\n{lines}", extraction.fingerprint());
        let bar = self.global.terminal();
        let are_there = |_: &Made| spx_batch::has_light_curves(output_dir, options);
        self.stages.run("aggregate", parameters, are_there, || {
            let tables: Vec<PathBuf> = found.tables.iter().map(|(path, _)| path.clone()).collect();
            let Aggregated { rows, sources } =
                aggregate(&tables, output_dir, options, &bar).map_err(|error| match error {
                    BatchError::Cancelled => Failure::interrupted(),
                    other => other.into(),
                })?;
            Ok(Made { sources, rows })
        })
    }
}

fn nothing_measured(reports: &[ImageReport]) -> Failure {
    let reasons: Vec<String> = reports
        .iter()
        .take(3)
        .map(|report| format!("{}: {}", report.file, report.reason.as_deref().unwrap_or_default()))
        .collect();
    let more = if reports.len() > reasons.len() { "; ..." } else { "" };
    let error =
        anyhow!("no source is measured on any of {} images ({}{more})", reports.len(), reasons.join("; "));
    let failed = reports.iter().any(|report| report.status == Status::Failed);
    if failed { error.into() } else { Failure::nothing_found(error) }
}

/// Says how the images ended and what was made of them.
fn summarise(report: &BatchReport, global: &Global) -> CommandResult {
    for image in &report.images {
        let Some(reason) = &image.reason else { continue };
        let text = format!("{}: {reason}", image.file);
        match image.status {
            Status::Failed | Status::Used => ui::warning(&text),
            Status::Rejected => ui::note(global.verbosity(), &format!("  rejected {text}")),
        }
    }
    let count = |of: fn(&ImageReport) -> usize| report.images.iter().map(of).sum::<usize>();
    let BatchReport { used, rejected, failed, light_curves, .. } = report;
    let text = format!(
        "{} images: {used} used ({} done before), {rejected} rejected, {failed} failed; {} measurements, {} sources \
         on images not measured",
        report.images.len(),
        count(|image| usize::from(image.before)),
        count(|image| image.measured),
        count(|image| image.unmeasured),
    );
    ui::note(global.verbosity(), &text);
    if light_curves.sources > 0 {
        let Made { sources, rows } = light_curves;
        ui::note(global.verbosity(), &format!("light curves of {sources} sources, {rows} rows"));
    }
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(report)?))?;
    } else {
        ui::data(&format!("{}\n", report.output_dir.display()))?;
    }
    Ok(if *failed > 0 || report.rejected_sources > 0 { Outcome::Failed } else { Outcome::Done })
}
