//! The four stages of a run, in their order; each needs those before it.

use std::path::PathBuf;

use anyhow::anyhow;
use serde::Serialize;
use spx_archive::{Layout, Selection, Shape};
use spx_plot::{FigureFormat, render_light_curve};

use super::Made;
use super::settings::{RunParameters, RunSettings};
use crate::exit::Failure;
use crate::global::Global;
use crate::photometry::entry::{Entry, measure_all, sort};
use crate::photometry::exposure::Setup;
use crate::photometry::figure::figure;
use crate::photometry::now;
use crate::photometry::table::{Form, Head, Names, Table};
use crate::ui;
use spx_pipeline::archive::QUERY_SUMMARY;
use spx_pipeline::archive::{ArchiveOrder, DeliveredFiles};
use spx_pipeline::output::write_output;
use spx_pipeline::stages::{Journal, Stages};

/// The stages in their order.
pub(super) const STAGES: [&str; 4] = ["query", "download", "processing", "visualization"];

/// Files of the last stage, in `results/`.
const TABLES: [(&str, Form); 2] = [("lightcurve.csv", Form::Csv), ("lightcurve.ecsv", Form::Ecsv)];
const FIGURES: [(&str, FigureFormat); 2] =
    [("combined_plot.png", FigureFormat::Png), ("combined_plot.svg", FigureFormat::Svg)];

/// A run with all that it needs.
pub(super) struct Pipeline<'a> {
    pub(super) settings: &'a RunSettings,
    pub(super) parameters: &'a RunParameters,
    /// The directory `results`.
    pub(super) results: PathBuf,
    pub(super) global: &'a Global,
}

impl Pipeline<'_> {
    /// Runs the stages up to number `last` of [`STAGES`].
    pub(super) fn run(&self, mut stages: Stages<'_>, last: usize) -> Result<Made, Failure> {
        let order = self.order();
        let summary = order.query(&mut stages)?;
        let mut made = Made { outputs: vec![order.summary.clone()], entries: None };
        if last == 0 {
            return Ok(made);
        }
        let delivered = order.download(&summary, &mut stages)?;
        if last == 1 {
            made.outputs.extend(delivered.files.iter().cloned());
            return Ok(made);
        }
        let calibrated = self.parameters.photometry.clone();
        let mirror = self.parameters.data_mirror.as_deref();
        let setup = Setup::new(calibrated, mirror).map_err(Failure::usage)?;
        let (entries, depends) = self.process(&delivered, &setup, &mut stages)?;
        made.outputs.push(self.results.join("photometry.json"));
        if last > 2 {
            made.outputs.extend(self.visualize(&entries, &depends, &setup, &mut stages)?);
        }
        made.entries = Some(entries);
        Ok(made)
    }

    fn order(&self) -> ArchiveOrder<'_> {
        let RunParameters { place, bands, cutout, archive, output_dir, .. } = self.parameters;
        ArchiveOrder {
            archive,
            selection: Selection {
                bands: bands.clone(),
                mjd_range: archive.mjd_range,
                max_images: Some(archive.max_images),
                ..Selection::new(Shape::Point(*place))
            },
            cutout: *cutout,
            summary: self.results.join(QUERY_SUMMARY),
            data: output_dir.join("data"),
            layout: Layout::ByDetector,
        }
    }

    /// The stage `processing`: what became of each image, and what that depends on.
    fn process(
        &self,
        delivered: &DeliveredFiles,
        setup: &Setup,
        stages: &mut Stages<'_>,
    ) -> Result<(Vec<Entry>, String), Failure> {
        let undelivered: Vec<Entry> = delivered.failed().map(|error| Entry::failed(&error)).collect();
        if delivered.files.is_empty() {
            return Err(anyhow!("none of the {} images could be had", undelivered.len()).into());
        }
        let json = self.results.join("photometry.json");
        stages.clear(&json)?;
        let of_a_file = self.of_a_file(setup)?;
        let files = delivered.files.iter().map(|file| file.display().to_string());
        let depends = of_a_file.lines().map(str::to_owned).chain(files).collect::<Vec<_>>().join("\n");
        let is_good =
            |entries: &Vec<Entry>| json.exists() && entries.iter().all(|entry| entry.status().0 != "failed");
        let entries = stages.run_items("processing", depends.clone(), &of_a_file, is_good, |journal| {
            let mut entries = self.measure(&delivered.files, setup, journal)?;
            entries.extend(undelivered);
            sort(&mut entries);
            let table = Table { all: true, names: Names::default(), ..self.table(&entries, setup) };
            write_output(&json, &table.render(Form::Json)?, true)?;
            Ok::<_, Failure>(entries)
        })?;
        Ok((entries, depends))
    }

    /// Measures the files that an earlier run has not.
    fn measure(
        &self,
        files: &[PathBuf],
        setup: &Setup,
        mut journal: Journal<Entry>,
    ) -> Result<Vec<Entry>, Failure> {
        let (mut entries, mut left) = (Vec::new(), Vec::new());
        for file in files {
            match journal.done.remove(&file.display().to_string()) {
                Some(entry) => entries.push(entry),
                None => left.push(file.clone()),
            }
        }
        if !entries.is_empty() {
            let text = format!("processing: {} of {} files done before", entries.len(), files.len());
            ui::note(self.global.verbosity(), &text);
        }
        let bar = self.global.terminal();
        let add = |entry: &Entry| Ok(journal.add(&entry.file, entry)?);
        entries.extend(measure_all(&left, &self.parameters.target, setup, &bar, add)?);
        Ok(entries)
    }

    /// What the measurement on a file depends on, line by line.
    fn of_a_file(&self, setup: &Setup) -> Result<String, Failure> {
        #[derive(Serialize)]
        struct Depends<'a> {
            source: &'a crate::photometry::source::SourceSettings,
            photometry: &'a crate::photometry::settings::PhotometrySettings,
            calibration: Vec<String>,
        }
        let (source, photometry) = (&self.settings.source, &self.settings.photometry);
        Ok(toml::to_string(&Depends {
            source,
            photometry,
            calibration: setup.calibration.files().collect(),
        })?)
    }

    /// The stage `visualization`: tables and figures.
    fn visualize(
        &self,
        entries: &[Entry],
        depends: &str,
        setup: &Setup,
        stages: &mut Stages<'_>,
    ) -> Result<Vec<PathBuf>, Failure> {
        if entries.iter().all(|entry| entry.row().is_none()) {
            return Err(nothing_measured(entries));
        }
        let RunParameters { name, figure: options, columns, .. } = self.parameters;
        let names = TABLES.iter().map(|t| t.0).chain(FIGURES.iter().map(|f| f.0));
        let files: Vec<PathBuf> = names.map(|name| self.results.join(name)).collect();
        files.iter().try_for_each(|file| stages.clear(file))?;
        let depends = format!("{columns:?} {options:?}\n{depends}");
        let all_there = |files: &Vec<PathBuf>| files.iter().all(|file| file.exists());
        stages.run("visualization", depends, all_there, || {
            let table = self.table(entries, setup);
            for (name, form) in TABLES {
                write_output(&self.results.join(name), &table.render(form)?, true)?;
            }
            let figure = figure(name, entries.iter().filter_map(Entry::row), options.clone());
            for (name, format) in FIGURES {
                write_output(&self.results.join(name), &render_light_curve(&figure, format)?, true)?;
            }
            Ok(files.clone())
        })
    }

    fn table<'e>(&self, entries: &'e [Entry], setup: &Setup) -> Table<'e> {
        let RunParameters { name, target, columns, .. } = self.parameters;
        Table {
            head: Head {
                name: name.clone(),
                ra: target.position.ra(),
                dec: target.position.dec(),
                generated: Some(now()),
                calibration: setup.calibration.files().collect(),
            },
            entries,
            names: *columns,
            all: false,
        }
    }
}

/// The source could be measured on no image; `results/photometry.json` has all reasons.
fn nothing_measured(entries: &[Entry]) -> Failure {
    let reasons: Vec<String> = entries
        .iter()
        .take(3)
        .map(|entry| format!("{}: {}", entry.file, entry.status().1.unwrap_or_default()))
        .collect();
    let more = if entries.len() > reasons.len() { "; ..." } else { "" };
    let error = anyhow!(
        "the source could be measured on none of {} images ({}{more})",
        entries.len(),
        reasons.join("; ")
    );
    if entries.iter().any(|entry| entry.status().0 == "failed") {
        error.into()
    } else {
        Failure::nothing_found(error)
    }
}
