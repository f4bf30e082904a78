//! Several sources of a catalog: a run for each, and one table and one figure of all.
//!
//! The run of each source has a directory of its own below `sources/`, as if it had been made
//! alone; so it is continued, and shown, like any other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use spx_batch::{CatalogTarget, file_stem};
use spx_core::columns::{ColumnKind, TableColumn};
use spx_plot::{FigureFormat, LightCurveFigure, LightCurveOptions, render_light_curves};

use super::settings::{RunConfig, TargetSettings, is_file_name};
use super::stages::{RUN_STAGES, SourceRun, forecast_run};
use super::{RunReport, RunStages, last_stage, run_status};
use crate::catalog::report_rejected;
use crate::cell_table::{CREATOR, CellTable, CellValue, HeadValue};
use crate::clock::now;
use crate::forecast::WorkForecast;
use crate::outcome::InputOutcome;
use crate::output::{OutputDirectory, write_output};
use crate::photometry::figure::source_figure;
use crate::photometry::settings::MeasurementMethod;
use crate::photometry::together::render_together;
use crate::photometry::{MeasurementTable, PhotometryEntry, SourceSettings, TableForm, TableHead};
use crate::settings::write_configuration;
use crate::stages::{StageStatus, lock};
use crate::{Listener, PipelineError, ResultContext as _};

/// Directory of the runs.
const SOURCES: &str = "sources";
/// A figure has no more sources than this.
const MOST_DRAWN: usize = 36;
const FIGURES: [(&str, FigureFormat); 3] = [
    ("lightcurves.png", FigureFormat::Png),
    ("lightcurves.svg", FigureFormat::Svg),
    ("lightcurves.pdf", FigureFormat::Pdf),
];

/// What came of a list of sources.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetsReport {
    /// Files that are there now: of all sources together, then of each.
    pub outputs: Vec<PathBuf>,
    /// The sources in the order of the list.
    pub sources: Vec<TargetReport>,
    /// Rows of the list that are not used.
    pub rejected_rows: usize,
}

/// What came of one source of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetReport {
    /// Its name in the list.
    pub name: String,
    /// Its right ascension \[deg\].
    pub ra: f64,
    /// Its declination \[deg\].
    pub dec: f64,
    /// The directory of its run.
    pub directory: PathBuf,
    /// Used: the stages that were wanted are done. Rejected: there is no image of it, or it cannot
    /// be measured on any.
    pub status: InputOutcome,
    /// Why its run did not end.
    pub reason: Option<String>,
    /// Images on which it is measured; `None` before they are processed, as for the others.
    pub used: Option<usize>,
    /// Images on which its measurement is good.
    pub good: Option<usize>,
    /// Images on which it cannot be measured.
    pub rejected: Option<usize>,
    /// Images that failed.
    pub failed: Option<usize>,
}

/// Makes the spectra and light curves of all sources of `targets`, and a table and a figure of all.
/// A source that fails does not end the others: the report says why.
///
/// # Errors
/// Usage where the settings are wrong, or the list cannot be read; interrupted; otherwise what the
/// disk reports.
pub fn run_targets(
    config: &RunConfig,
    wanted: RunStages,
    listener: &dyn Listener,
) -> Result<TargetsReport, PipelineError> {
    let list = TargetList::read(config, listener)?;
    let output = OutputDirectory::create(&config.output_dir)?;
    let _lock = lock(&config.output_dir)?;
    let results = config.output_dir.join("results");
    std::fs::create_dir_all(&results).with_context(|| results.display().to_string())?;
    // From any working directory, the directory and the list are these.
    let mut here = RunConfig { output_dir: std::path::absolute(&config.output_dir)?, ..config.clone() };
    here.targets.targets = here.targets.targets.as_deref().map(std::path::absolute).transpose()?;
    write_configuration(&config.saved_file()?, "What the runs of a list of sources were made with.", &here)?;
    output.keep();
    let (last, count) = (last_stage(&wanted), list.sources.len());
    let (mut done, mut reports) = (Vec::new(), Vec::new());
    for (number, source) in list.sources.iter().enumerate() {
        listener.note(&format!("{} ({} of {count})", source.name, number + 1));
        let ended = source.run(&wanted, last, listener);
        if matches!(ended, Err(PipelineError::Interrupted)) {
            return Err(PipelineError::Interrupted);
        }
        reports.push(source.report(&ended));
        done.extend(ended.ok());
    }
    let mut outputs = vec![results.join("targets.csv"), results.join("targets.ecsv")];
    let summary = summary(&reports, config.photometry.lines()?);
    write_output(&outputs[0], &summary.commented_csv()?, true)?;
    write_output(&outputs[1], &summary.ecsv()?, true)?;
    if last + 1 == RUN_STAGES.len() {
        outputs.extend(write_together(config, &done, &results, listener)?);
    }
    outputs.extend(done.into_iter().flat_map(|done| done.report.outputs));
    Ok(TargetsReport { outputs, sources: reports, rejected_rows: list.rejected_rows })
}

/// What the runs of a list of sources would do. Nothing is written.
///
/// # Errors
/// As [`forecast_run`]; but a source of which the archive has no image counts as one without.
pub fn forecast_targets(config: &RunConfig, listener: &dyn Listener) -> Result<WorkForecast, PipelineError> {
    let list = TargetList::read(config, listener)?;
    let mut forecast = WorkForecast::of(&config.output_dir);
    forecast.sources = Some(list.sources.len());
    for source in &list.sources {
        match forecast_run(&source.config, listener) {
            Ok(one) => forecast.add(&one),
            Err(PipelineError::NothingFound(_)) => {}
            Err(other) => return Err(other.with_context(source.name.clone())),
        }
    }
    Ok(forecast)
}

/// How far the runs of a list of sources are, by name; `None` where one has not begun.
///
/// # Errors
/// Usage where the settings are wrong, or the list or a state cannot be read.
pub fn targets_status(
    config: &RunConfig,
    listener: &dyn Listener,
) -> Result<Vec<(String, Option<StageStatus>)>, PipelineError> {
    let status = |source: ListedSource| {
        let file = source.config.state_file()?;
        let status = file.exists().then(|| run_status(&source.config));
        Ok((source.name, status.transpose()?))
    };
    TargetList::read(config, listener)?.sources.into_iter().map(status).collect()
}

/// The sources of a list.
struct TargetList {
    sources: Vec<ListedSource>,
    rejected_rows: usize,
}

/// A source of a list with the settings of its run.
struct ListedSource {
    name: String,
    config: RunConfig,
}

/// The run of a source.
struct DoneSource {
    head: TableHead,
    report: RunReport,
}

impl TargetList {
    /// Reads the list and checks the settings of each source.
    fn read(config: &RunConfig, listener: &dyn Listener) -> Result<Self, PipelineError> {
        let TargetSettings { targets, columns } = &config.targets;
        let path = targets.as_deref().ok_or_else(|| PipelineError::usage("targets is needed"))?;
        refuse_single(config)?;
        let shapes = config.photometry.method.is_some_and(|method| method != MeasurementMethod::Aperture);
        let catalog = columns.read(path, Some(config.source.ref_epoch), shapes, listener)?;
        report_rejected(&catalog, listener);
        let targets = || (0..catalog.len()).map(|number| catalog.target(number));
        let mut sources = Vec::new();
        for (target, directory) in targets().zip(file_names(targets().map(|target| target.id))) {
            let source = ListedSource {
                name: target.id.to_owned(),
                config: RunConfig {
                    output_dir: config.output_dir.join(SOURCES).join(&directory),
                    name: directory,
                    source: settings_of(&target, &config.source),
                    targets: TargetSettings::default(),
                    ..config.clone()
                },
            };
            source.config.parameters().with_context(|| source.name.clone())?;
            sources.push(source);
        }
        Ok(Self { sources, rejected_rows: catalog.rejected_count() })
    }
}

/// Settings of one source beside a list of sources.
fn refuse_single(config: &RunConfig) -> Result<(), PipelineError> {
    let RunConfig { name, source, .. } = config;
    let common = SourceSettings {
        ref_epoch: source.ref_epoch,
        neighbors: source.neighbors.clone(),
        ..SourceSettings::default()
    };
    if *source != common || *name != RunConfig::default().name {
        let text = "name, position, motion and shape are those of one source; with targets they are read \
                    from the list";
        return Err(PipelineError::usage(text));
    }
    Ok(())
}

fn settings_of(target: &CatalogTarget<'_>, common: &SourceSettings) -> SourceSettings {
    let motion = target.motion;
    let shape = target.shape;
    SourceSettings {
        ra: Some(target.position.ra()),
        dec: Some(target.position.dec()),
        pm_ra: motion.map(|motion| motion.ra_cos_dec),
        pm_dec: motion.map(|motion| motion.dec),
        ref_epoch: motion.map_or(common.ref_epoch, |motion| motion.epoch),
        sersic: shape.map(|shape| shape.index),
        r_eff: shape.map(|shape| shape.r_eff),
        axis_ratio: shape.map_or(common.axis_ratio, |shape| shape.axis_ratio),
        position_angle: shape.map_or(common.position_angle, |shape| shape.position_angle),
        neighbors: common.neighbors.clone(),
    }
}

/// A file name for each id: the id itself where that is one on every system and no other differs
/// from it by case alone, else that of [`file_stem`]. No two are the same, for ids with the signs
/// of an escape are escaped.
fn file_names<'a>(ids: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let mut alike: HashMap<String, usize> = HashMap::new();
    ids.clone().for_each(|id| *alike.entry(id.to_lowercase()).or_default() += 1);
    ids.map(|id| {
        let is_windows_device =
            id.starts_with(|c: char| c.is_ascii_alphanumeric()) && file_stem(id).starts_with('%');
        let is_escaped = id.contains(['~', '%']) || id.ends_with(['.', ' ']) || is_windows_device;
        if is_file_name(id) && !is_escaped && alike[&id.to_lowercase()] == 1 {
            id.to_owned()
        } else {
            file_stem(id)
        }
    })
    .collect()
}

impl ListedSource {
    fn run(
        &self,
        wanted: &RunStages,
        last: usize,
        listener: &dyn Listener,
    ) -> Result<DoneSource, PipelineError> {
        let mut run = SourceRun::open(&self.config, wanted.clone(), listener)?;
        let report = run.run(last)?;
        let head = TableHead { name: self.name.clone(), ..run.head()? };
        Ok(DoneSource { head, report })
    }

    fn report(&self, ended: &Result<DoneSource, PipelineError>) -> TargetReport {
        let SourceSettings { ra, dec, .. } = self.config.source;
        let report = ended.as_ref().ok().map(|done| &done.report);
        let good = |entries: &[PhotometryEntry]| {
            entries.iter().filter(|entry| entry.row().is_some_and(|(_, row)| row.is_good)).count()
        };
        TargetReport {
            name: self.name.clone(),
            ra: ra.unwrap_or(f64::NAN),
            dec: dec.unwrap_or(f64::NAN),
            directory: self.config.output_dir.clone(),
            status: match ended {
                Ok(_) => InputOutcome::Used,
                Err(PipelineError::NothingFound(_)) => InputOutcome::Rejected,
                Err(_) => InputOutcome::Failed,
            },
            reason: ended.as_ref().err().map(PipelineError::one_line),
            used: report.and_then(|report| report.used),
            good: report.and_then(|report| report.entries.as_deref()).map(good),
            rejected: report.and_then(|report| report.rejected),
            failed: report.and_then(|report| report.failed),
        }
    }
}

impl DoneSource {
    fn entries(&self) -> &[PhotometryEntry] {
        self.report.entries.as_deref().unwrap_or_default()
    }

    fn table(&self, config: &RunConfig) -> MeasurementTable<'_> {
        let (head, names) = (self.head.clone(), config.columns);
        MeasurementTable { head, entries: self.entries(), names, all: false }
    }
}

/// The table and the figure of all sources. Gives their files.
fn write_together(
    config: &RunConfig,
    done: &[DoneSource],
    results: &Path,
    listener: &dyn Listener,
) -> Result<Vec<PathBuf>, PipelineError> {
    if done.is_empty() {
        return Ok(Vec::new());
    }
    let tables: Vec<MeasurementTable<'_>> = done.iter().map(|done| done.table(config)).collect();
    let (generated, mut files) = (now(), Vec::new());
    for form in TableForm::ALL.into_iter().filter(|form| config.format.contains(form)) {
        let file = results.join(format!("lightcurves.{}", form.ending()));
        write_output(&file, &render_together(&tables, &generated, form)?, true)?;
        files.push(file);
    }
    if done.len() > MOST_DRAWN {
        listener.note(&format!("the figure shows the first {MOST_DRAWN} of {} sources", done.len()));
    }
    let look = config.figure.options(config.photometry.sigma_threshold)?;
    let drawn = done.iter().take(MOST_DRAWN);
    let figures: Vec<LightCurveFigure> = drawn.map(|done| figure(done, &look)).collect();
    for (name, format) in FIGURES {
        let drawn = render_light_curves(&figures, format).map_err(PipelineError::failed)?;
        let file = results.join(name);
        write_output(&file, &drawn, true)?;
        files.push(file);
    }
    Ok(files)
}

fn figure(done: &DoneSource, look: &LightCurveOptions) -> LightCurveFigure {
    let rows = done.entries().iter().filter_map(PhotometryEntry::row);
    source_figure(&done.head, rows, look.clone())
}

/// A line for each source.
fn summary(sources: &[TargetReport], settings: Vec<String>) -> CellTable<'_> {
    use ColumnKind::{Integer, Real, Text};
    let column = |name, kind, unit, ucd, description| TableColumn { name, kind, unit, ucd, description };
    let row = |source: &'_ TargetReport| {
        vec![
            CellValue::Text(source.name.clone().into()),
            CellValue::Real(source.ra),
            CellValue::Real(source.dec),
            CellValue::Text(source.status.name().into()),
            CellValue::integer(source.used),
            CellValue::integer(source.good),
            CellValue::integer(source.rejected),
            CellValue::integer(source.failed),
            CellValue::Text(source.reason.clone().unwrap_or_default().into()),
        ]
    };
    CellTable {
        name: "targets",
        title: format!("{} sources: {CREATOR}", sources.len()),
        columns: vec![
            column("source", Text, "", "meta.id;meta.main", "Name of the source in the list"),
            column("ra", Real, "deg", "pos.eq.ra;meta.main", "Right ascension"),
            column("dec", Real, "deg", "pos.eq.dec;meta.main", "Declination"),
            column("status", Text, "", "meta.code", "used, rejected (no image measures it), failed"),
            column("n_used", Integer, "", "meta.number", "Images on which it is measured"),
            column("n_good", Integer, "", "meta.number", "Images on which its measurement is good"),
            column("n_rejected", Integer, "", "meta.number", "Images on which it cannot be measured"),
            column("n_failed", Integer, "", "meta.number", "Images that failed"),
            column("reason", Text, "", "meta.note", "Why it is not measured"),
        ],
        rows: sources.iter().map(row).collect(),
        head: vec![("creator", HeadValue::Text(CREATOR.to_owned())), ("settings", HeadValue::List(settings))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_a_directory_of_its_own() {
        let ids = ["HD 189733", "M 31", "m 31", "a/b", "..", "x~1", "X", "con", "dot.", "\u{3b1} Cen"];
        let names = file_names(ids.into_iter());
        assert_eq!(names[..2], ["HD 189733".to_owned(), file_stem("M 31")]);
        assert_eq!((names[6].as_str(), names[9].as_str()), ("X", "\u{3b1} Cen"));
        let folded: std::collections::HashSet<String> = names.iter().map(|n| n.to_lowercase()).collect();
        assert_eq!(folded.len(), ids.len(), "{names:?}");
        assert!(names.iter().all(|name| is_file_name(name)), "{names:?}");
    }

    #[test]
    fn settings_of_one_source_are_refused_beside_a_list() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("stars.csv");
        std::fs::write(&list, "Name,ra,dec,pmra,pmdec\nproxima,217.42,-62.67,-3781.7,769.5\n").unwrap();
        let read = |more: &str| {
            let text = format!("targets = {:?}\n{more}", list.display().to_string());
            TargetList::read(&toml::from_str(&text).unwrap(), &crate::SilentListener)
        };
        let star = &read("").unwrap().sources[0].config;
        assert_eq!((star.source.pm_ra, star.source.ref_epoch), (Some(-3781.7), 2016.0));
        assert!(star.output_dir.ends_with("output/sources/proxima") && star.targets.targets.is_none());
        for (more, word) in [
            ("ra = 1.0", "one source"),
            ("name = 'x'", "one source"),
            ("sersic = 1.0", "one source"),
            ("ra_column = 'ra'", "together"),
            ("id_column = 'x'", "no column x"),
            ("cutout_size = '0px'", "proxima"),
        ] {
            let error = read(more).err().unwrap().one_line();
            assert!(error.contains(word), "{more}: {error}");
        }
    }
}
