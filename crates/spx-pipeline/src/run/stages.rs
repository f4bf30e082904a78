//! The four stages of a run, in their order; each needs those before it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use spx_archive::{Cutout, DownloadLayout, SearchShape, Selection};
use spx_plot::{FigureFormat, LightCurveOptions, render_channels, render_light_curve};

use super::settings::{RunConfig, RunParameters};
use super::{RunReport, RunStages};
use crate::archive::{ArchiveIdentifiers, ArchiveOrder, DeliveredFiles, QUERY_SUMMARY, QuerySummary};
use crate::calibration::calibration_lines;
use crate::clock::now;
use crate::forecast::WorkForecast;
use crate::made::MadeHow;
use crate::outcome::InputOutcome;
use crate::output::{OutputDirectory, write_output};
use crate::photometry::cutouts::draw_cutouts;
use crate::photometry::entry::{measure_all, measure_unfitted_again, sort_entries};
use crate::photometry::figure::source_figure;
use crate::photometry::files::{warn_of_mixed_scales, warn_of_small_cutouts, warn_of_unmodeled_light};
use crate::photometry::neighbors::NeighborArchive;
use crate::photometry::settings::PhotometrySettings;
use crate::photometry::{
    ColumnNames, MeasurementTable, PhotometryEntry, PhotometrySetup, SourceSettings, TableForm, TableHead,
};
use crate::settings::write_configuration;
use crate::spectrum::{ChannelFigureSettings, SourceSpectrum, SpectrumForm, channel_figure};
use crate::stages::{Journal, StageSelection, Stages};
use crate::{Listener, PipelineError, ResultContext as _};

/// The stages in their order.
pub const RUN_STAGES: [&str; 4] = ["query", "download", "processing", "visualization"];

/// Files of the last stage, in `results/`: the means of channels, where any has a good measurement.
const SPECTRA: [(&str, SpectrumForm); 3] = [
    ("spectrum.csv", SpectrumForm::Csv),
    ("spectrum.ecsv", SpectrumForm::Ecsv),
    ("spectrum.fits", SpectrumForm::Fits),
];
/// In `results/`, what a table of the archive has around the source.
const NEIGHBORS: &str = "neighbors.csv";
const SPECTRUM_FIGURE: &str = "spectrum.png";
/// In `results/`, measurements beside their models, where they are asked for.
const CUTOUTS: &str = "cutouts.png";
const FIGURES: [(&str, FigureFormat); 3] = [
    ("combined_plot.png", FigureFormat::Png),
    ("combined_plot.svg", FigureFormat::Svg),
    ("combined_plot.pdf", FigureFormat::Pdf),
];

/// A run, stage by stage. A stage does those before it where they are not yet done.
pub struct SourceRun<'a> {
    config: &'a RunConfig,
    parameters: RunParameters,
    /// The directory `results`.
    results: PathBuf,
    setup: PhotometrySetup,
    stages: Stages<'a>,
    summary: Option<QuerySummary>,
    delivered: Option<DeliveredFiles>,
    processed: Option<ProcessedImages>,
}

/// What the stage `processing` gave.
#[derive(Clone)]
struct ProcessedImages {
    entries: Vec<PhotometryEntry>,
    /// What that depends on.
    depends: String,
}

impl<'a> SourceRun<'a> {
    /// Makes the output directory, locks it, reads how far an earlier run came, and writes the
    /// settings down.
    ///
    /// # Errors
    /// Usage where settings or state are wrong, or the directory holds the run of another source;
    /// otherwise what the disk reports.
    pub fn open(
        config: &'a RunConfig,
        wanted: RunStages,
        listener: &'a dyn Listener,
    ) -> Result<Self, PipelineError> {
        let parameters = config.parameters()?;
        if let Some(warning) = parameters.cutout.as_ref().and_then(|cutout| cutout.warning()) {
            listener.warning(&warning);
        }
        let setup = setup(config, &parameters)?;
        let output = OutputDirectory::create(&config.output_dir)?;
        let results = config.output_dir.join("results");
        let subject = subject(config, &parameters);
        let selection = StageSelection { resume: wanted.resume, only: wanted.only, subject };
        let stages = Stages::open(&config.state_file()?, selection, listener)?;
        std::fs::create_dir_all(&results).with_context(|| results.display().to_string())?;
        let saved = config.saved_file()?;
        stages.clear(&saved)?;
        // From any working directory, the directory is this one.
        let here = RunConfig { output_dir: std::path::absolute(&config.output_dir)?, ..config.clone() };
        write_configuration(&saved, &format!("What the run of {} was made with.", config.name), &here)?;
        let run = Self::new(config, parameters, setup, stages)?;
        output.keep();
        Ok(run)
    }

    fn new(
        config: &'a RunConfig,
        parameters: RunParameters,
        setup: PhotometrySetup,
        stages: Stages<'a>,
    ) -> Result<Self, PipelineError> {
        let results = config.output_dir.join("results");
        let archive = NeighborArchive {
            settings: &config.archive,
            kept: Some(&results.join(NEIGHBORS)),
            resume: stages.continues(),
        };
        setup.tell(stages.listener());
        let neighbors = config.source.neighbors_of(&parameters.target, &archive, stages.listener())?;
        let setup = setup.with_neighbors(neighbors).with_cutout(parameters.cutout);
        let (summary, delivered, processed) = (None, None, None);
        Ok(Self { config, parameters, results, setup, stages, summary, delivered, processed })
    }

    /// The first stage that a run with these settings that resumes would repeat or do, and why;
    /// `None` where all is done. Nothing is changed, and the archive is not asked.
    ///
    /// # Errors
    /// Usage where settings or state are wrong; the state is of another source.
    pub(super) fn not_done(
        config: &'a RunConfig,
        listener: &'a dyn Listener,
    ) -> Result<Option<(String, String)>, PipelineError> {
        let parameters = config.parameters()?;
        let kept = config.output_dir.join("results").join(NEIGHBORS);
        if config.source.neighbors.asks_archive() && !kept.exists() {
            let why = "its neighbors are not there".to_owned();
            return Ok(Some(("processing".to_owned(), why)));
        }
        let stages = Stages::look(&config.state_file()?, subject(config, &parameters), listener)?;
        let setup = setup(config, &parameters)?;
        let mut run = Self::new(config, parameters, setup, stages)?;
        match run.run(RUN_STAGES.len() - 1) {
            Err(PipelineError::Interrupted) | Ok(_) => Ok(run.stages.not_done().cloned()),
            // That no image measures the source is no matter of stages.
            Err(PipelineError::NothingFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The stage `query`: which images there are.
    ///
    /// # Errors
    /// Nothing found where the archive has no image of the source; otherwise where it cannot be
    /// asked.
    pub fn query(&mut self) -> Result<QuerySummary, PipelineError> {
        if let Some(summary) = &self.summary {
            return Ok(summary.clone());
        }
        let summary = order(self.config, &self.parameters, &self.results).query(&mut self.stages)?;
        Ok(self.summary.insert(summary).clone())
    }

    /// The stage `download`: their files, below `data/`.
    ///
    /// # Errors
    /// Where the disk is too small. A file that cannot be downloaded is no error here.
    pub fn download(&mut self) -> Result<DeliveredFiles, PipelineError> {
        if let Some(delivered) = &self.delivered {
            return Ok(delivered.clone());
        }
        let summary = self.query()?;
        let order = order(self.config, &self.parameters, &self.results);
        let delivered = order.download(&summary, &mut self.stages)?;
        Ok(self.delivered.insert(delivered).clone())
    }

    /// The stage `processing`: the source is measured on each image. Gives what became of each.
    ///
    /// # Errors
    /// Where no image could be downloaded. An image that fails is no error here.
    pub fn process(&mut self) -> Result<Vec<PhotometryEntry>, PipelineError> {
        Ok(self.processed()?.entries)
    }

    /// The stage `visualization`: tables and figures in `results/`. Gives their files.
    ///
    /// # Errors
    /// Nothing found, or failed, where the source is measured on no image.
    pub fn visualize(&mut self) -> Result<Vec<PathBuf>, PipelineError> {
        let processed = self.processed()?;
        self.draw(&processed)
    }

    /// Runs the stages up to number `last` of [`RUN_STAGES`].
    ///
    /// # Errors
    /// Those of the stages.
    pub(super) fn run(&mut self, last: usize) -> Result<RunReport, PipelineError> {
        self.query()?;
        let mut outputs = vec![self.results.join(QUERY_SUMMARY)];
        if last == 0 {
            return Ok(RunReport::new(outputs, None));
        }
        let delivered = self.download()?;
        if last == 1 {
            outputs.extend(delivered.files);
            return Ok(RunReport::new(outputs, None));
        }
        let entries = self.process()?;
        outputs.push(self.results.join("photometry.json"));
        if last > 2 {
            outputs.extend(self.visualize()?);
        }
        Ok(RunReport::new(outputs, Some(entries)))
    }

    /// What tables of the source say at their head.
    pub(super) fn head(&mut self) -> Result<TableHead, PipelineError> {
        let identifiers = ArchiveIdentifiers::told(&self.query()?);
        let head = table(self.config, &self.parameters, &self.setup, &[]).head;
        Ok(TableHead { identifiers, ..head })
    }

    fn processed(&mut self) -> Result<ProcessedImages, PipelineError> {
        if let Some(processed) = &self.processed {
            return Ok(processed.clone());
        }
        let delivered = self.download()?;
        let processed = self.measure_images(&delivered)?;
        Ok(self.processed.insert(processed).clone())
    }

    fn measure_images(&mut self, delivered: &DeliveredFiles) -> Result<ProcessedImages, PipelineError> {
        let undelivered: Vec<PhotometryEntry> =
            delivered.failed().map(|error| PhotometryEntry::failed(&error)).collect();
        if delivered.files.is_empty() {
            let text = format!("none of the {} images could be downloaded", undelivered.len());
            return Err(PipelineError::failed(text));
        }
        let json = self.results.join("photometry.json");
        self.stages.clear(&json)?;
        let of_a_file = self.of_a_file()?;
        let lines = self.stages.lines(&delivered.files)?;
        let depends =
            of_a_file.lines().chain(lines.iter().map(String::as_str)).collect::<Vec<_>>().join("\n");
        let lines: HashMap<&Path, String> = delivered.files.iter().map(PathBuf::as_path).zip(lines).collect();
        let is_good = |entries: &Vec<PhotometryEntry>| {
            json.exists() && entries.iter().all(|entry| entry.status().0 != InputOutcome::Failed)
        };
        let Self { config, parameters, setup, stages, .. } = self;
        let listener = stages.listener();
        let entries = stages.run_items("processing", depends.clone(), &of_a_file, is_good, |journal| {
            let mut entries = measure(&lines, parameters, setup, journal, listener)?;
            entries.extend(undelivered);
            sort_entries(&mut entries);
            let table = MeasurementTable {
                all: true,
                names: ColumnNames::default(),
                ..table(config, parameters, setup, &entries)
            };
            write_output(&json, &table.render(TableForm::Json)?, true)?;
            Ok::<_, PipelineError>(entries)
        })?;
        warn_of_mixed_scales(&entries, listener);
        warn_of_unmodeled_light(&entries, listener);
        warn_of_small_cutouts(&entries, self.parameters.cutout.as_ref(), listener);
        Ok(ProcessedImages { entries, depends })
    }

    /// What the measurement on a file depends on, line by line.
    fn of_a_file(&mut self) -> Result<String, PipelineError> {
        #[derive(Serialize)]
        struct Depends<'a> {
            source: &'a SourceSettings,
            photometry: &'a PhotometrySettings,
            calibration: Vec<String>,
            #[serde(skip_serializing_if = "str::is_empty")]
            neighbors: &'a str,
            /// It decides what `cutout_share` is.
            #[serde(skip_serializing_if = "Option::is_none")]
            cutout: Option<String>,
        }
        let RunConfig { source, photometry, .. } = self.config;
        let products: Vec<&Path> = self.setup.calibration.paths().collect();
        let calibration = calibration_lines(&products, &mut self.stages)?;
        Ok(toml::to_string(&Depends {
            source,
            photometry,
            calibration,
            neighbors: &self.setup.neighbors.digest,
            cutout: self.parameters.cutout.as_ref().map(Cutout::query),
        })?)
    }

    fn draw(&mut self, processed: &ProcessedImages) -> Result<Vec<PathBuf>, PipelineError> {
        let ProcessedImages { entries, depends } = processed;
        if entries.iter().all(|entry| entry.row().is_none()) {
            return Err(nothing_measured(entries));
        }
        let identifiers = ArchiveIdentifiers::told(&self.query()?);
        let RunConfig { name, columns, format, cutouts, .. } = self.config;
        let options = &self.parameters.figure;
        let table_file = |form: TableForm| self.results.join(format!("lightcurve.{}", form.ending()));
        let [tables, unwanted] = [true, false].map(|wanted| -> Vec<(PathBuf, TableForm)> {
            let forms = TableForm::ALL.into_iter().filter(|form| format.contains(form) == wanted);
            forms.map(|form| (table_file(form), form)).collect()
        });
        let figures = FIGURES.map(|(name, format)| (self.results.join(name), format));
        let calibration = self.setup.calibration.files().collect();
        let made = MadeHow::here(calibration, self.config.photometry.lines()?);
        let mut spectrum = SourceSpectrum::of_entries(name, entries).with_made(made);
        let spectra = SPECTRA.iter().map(|s| s.0).chain([SPECTRUM_FIGURE]).filter(|_| spectrum.filled() > 0);
        let spectra = spectra.chain(cutouts.then_some(CUTOUTS));
        let tables_and_figures =
            tables.iter().map(|t| t.0.clone()).chain(figures.iter().map(|f| f.0.clone()));
        let files: Vec<PathBuf> =
            tables_and_figures.chain(spectra.map(|name| self.results.join(name))).collect();
        files.iter().try_for_each(|file| self.stages.clear(file))?;
        let mut known =
            if *columns == ColumnNames::Irsa { format!("{identifiers:?}") } else { String::new() };
        known += if *cutouts { CUTOUTS } else { "" };
        let depends = format!("{columns:?} {format:?} {options:?} {known}\n{depends}");
        let listener = self.stages.listener();
        let all_there = |(): &()| files.iter().all(|file| file.exists());
        let mut table = table(self.config, &self.parameters, &self.setup, entries);
        table.head.identifiers = identifiers;
        spectrum.position = Some([table.head.ra, table.head.dec]);
        self.stages.run("visualization", depends, all_there, || {
            for (file, form) in &tables {
                write_output(file, &table.render(*form)?, true)?;
            }
            // Those of an earlier run would not be of these measurements.
            let sheet = self.results.join(CUTOUTS);
            let old = unwanted.iter().map(|(file, _)| file).chain((!cutouts).then_some(&sheet));
            for file in old.filter(|file| file.exists()) {
                std::fs::remove_file(file).with_context(|| file.display().to_string())?;
            }
            if *cutouts {
                let target = &self.parameters.target;
                let drawn = draw_cutouts(entries, target, &self.setup, FigureFormat::Png, listener)?;
                write_output(&sheet, &drawn, true)?;
            }
            let rows = entries.iter().filter_map(PhotometryEntry::row);
            let figure = source_figure(&table.head, rows, options.clone());
            for (file, format) in &figures {
                let drawn = render_light_curve(&figure, *format).map_err(PipelineError::failed)?;
                write_output(file, &drawn, true)?;
            }
            if spectrum.filled() > 0 {
                write_spectrum(&spectrum, options, &self.results)?;
            }
            Ok::<_, PipelineError>(())
        })?;
        Ok(files)
    }
}

/// The tables and the figure of the spectrum.
fn write_spectrum(
    spectrum: &SourceSpectrum,
    look: &LightCurveOptions,
    results: &Path,
) -> Result<(), PipelineError> {
    for (name, form) in SPECTRA {
        spectrum.write(&results.join(name), form, true)?;
    }
    let settings = ChannelFigureSettings {
        flux_density: look.flux_density,
        use_magnitude: look.use_magnitude,
        log_wavelength: look.log_wavelength,
        ..ChannelFigureSettings::default()
    };
    let figure = channel_figure(spectrum, &settings);
    match render_channels(&figure, FigureFormat::Png) {
        Ok(drawn) => write_output(&results.join(SPECTRUM_FIGURE), &drawn, true),
        Err(error) => Err(PipelineError::failed(error)),
    }
}

/// What a run of these settings would do. Nothing is written.
///
/// # Errors
/// As those of a run up to its download.
pub fn forecast_run(config: &RunConfig, listener: &dyn Listener) -> Result<WorkForecast, PipelineError> {
    let parameters = config.parameters()?;
    setup(config, &parameters)?;
    let order = order(config, &parameters, &config.output_dir.join("results"));
    let forecast = order.forecast(&config.output_dir, listener)?;
    Ok(WorkForecast { sources: Some(1), ..forecast })
}

/// How the source is measured, still without its neighbors. What the settings name is looked for.
fn setup(config: &RunConfig, parameters: &RunParameters) -> Result<PhotometrySetup, PipelineError> {
    config.source.neighbors.check()?;
    let mirror = config.archive.data_mirror.as_deref();
    PhotometrySetup::new(parameters.photometry.clone(), mirror).map_err(PipelineError::into_usage)
}

/// What a state file says that its run is about.
fn subject(config: &RunConfig, parameters: &RunParameters) -> String {
    let position = parameters.target.position;
    format!("{}, the source at {} {:+}", config.name, position.ra(), position.dec())
}

fn order<'p>(
    config: &RunConfig,
    parameters: &'p RunParameters,
    results: &std::path::Path,
) -> ArchiveOrder<'p> {
    let RunParameters { place, bands, cutout, archive, .. } = parameters;
    ArchiveOrder {
        archive,
        selection: Selection {
            bands: bands.clone(),
            // A point has hundreds of images, the poles tens of thousands; the search says how
            // large they are.
            ..archive.selection(SearchShape::Point(*place), None)
        },
        cutout: *cutout,
        summary: results.join(QUERY_SUMMARY),
        data: config.output_dir.join("data"),
        layout: DownloadLayout::ByDetector,
    }
}

/// Measures the files, given with their lines in the journal, that an earlier run has not.
fn measure(
    files: &HashMap<&Path, String>,
    parameters: &RunParameters,
    setup: &PhotometrySetup,
    mut journal: Journal<PhotometryEntry>,
    listener: &dyn Listener,
) -> Result<Vec<PhotometryEntry>, PipelineError> {
    let (mut entries, mut left) = (Vec::new(), Vec::new());
    for (file, line) in files {
        match journal.done.remove(line) {
            Some(entry) => entries.push(PhotometryEntry { file: file.display().to_string(), ..entry }),
            None => left.push(file.to_path_buf()),
        }
    }
    left.sort();
    if !entries.is_empty() {
        listener.note(&format!("processing: {} of {} files done before", entries.len(), files.len()));
    }
    let add = |entry: &PhotometryEntry| journal.add(&files[Path::new(&entry.file)], entry);
    entries.extend(measure_all(&left, &parameters.target, setup, listener, add)?);
    measure_unfitted_again(&mut entries, &parameters.target, setup);
    Ok(entries)
}

fn table<'e>(
    config: &RunConfig,
    parameters: &RunParameters,
    setup: &PhotometrySetup,
    entries: &'e [PhotometryEntry],
) -> MeasurementTable<'e> {
    let position = parameters.target.position;
    MeasurementTable {
        head: TableHead {
            name: config.name.clone(),
            ra: position.ra(),
            dec: position.dec(),
            generated: Some(now()),
            calibration: setup.calibration.files().collect(),
            settings: config.photometry.lines().unwrap_or_default(),
            identifiers: ArchiveIdentifiers::default(),
        },
        entries,
        names: config.columns,
        all: false,
    }
}

/// The source is measured on no image; `results/photometry.json` has all reasons.
fn nothing_measured(entries: &[PhotometryEntry]) -> PipelineError {
    let reasons: Vec<String> = entries
        .iter()
        .take(3)
        .map(|entry| format!("{}: {}", entry.file, entry.status().1.unwrap_or_default()))
        .collect();
    let more = if entries.len() > reasons.len() { "; ..." } else { "" };
    let text = format!(
        "the source could be measured on none of {} images ({}{more})",
        entries.len(),
        reasons.join("; ")
    );
    if entries.iter().any(|entry| entry.status().0 == InputOutcome::Failed) {
        PipelineError::failed(text)
    } else {
        PipelineError::nothing_found(text)
    }
}
