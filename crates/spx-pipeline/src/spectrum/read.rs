//! Reads measurements: of a run, or from tables that spx has written (CSV, ECSV, light curves of a
//! batch).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use spx_core::detector::Detector;
use spx_core::release::ReleaseIdentity;

use super::{FluxSample, SourceSpectrum, SpectrumMeasurement};
use crate::made::MadeHow;
use crate::{PipelineError, ResultContext as _};

/// Where a run has its measurements.
const OF_A_RUN: &str = "results/photometry.json";

/// A row, as far as it counts here; numbers may be missing.
#[derive(Debug, Deserialize)]
struct ReadRow {
    /// Tables of several sources have one of these.
    #[serde(alias = "target_id")]
    source: Option<String>,
    obs_id: Option<String>,
    release: Option<String>,
    version: Option<String>,
    processing: Option<String>,
    #[serde(alias = "det_id")]
    band: Option<String>,
    #[serde(alias = "lambda")]
    wavelength: Option<f64>,
    #[serde(alias = "lambda_width")]
    bandwidth: Option<f64>,
    flux: Option<f64>,
    #[serde(alias = "flux_err")]
    flux_error: Option<f64>,
    is_good: Option<Truth>,
}

/// True or false, as JSON or as text of any case.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Truth {
    Value(bool),
    Text(String),
}

impl Truth {
    fn holds(&self) -> bool {
        match self {
            Self::Value(value) => *value,
            Self::Text(text) => text.eq_ignore_ascii_case("true"),
        }
    }
}

#[derive(Deserialize)]
struct RunFile {
    photometry: Vec<ReadRow>,
}

/// An exposure of a detector.
pub(super) type ExposureKey = (String, Detector);

/// A measurement, and what it was made on, as far as its table says.
pub(super) struct ReadMeasurement {
    pub(super) exposure: Option<ExposureKey>,
    pub(super) identity: ReleaseIdentity,
    pub(super) measurement: SpectrumMeasurement,
}

impl ReadRow {
    /// `None` for an image on which the source was not measured.
    fn measurement(self) -> Option<ReadMeasurement> {
        let detector: Detector = self.band?.parse().ok()?;
        let (wavelength, flux) = (self.wavelength?, self.flux?);
        let (bandwidth, error) = (self.bandwidth.unwrap_or(f64::NAN), self.flux_error.unwrap_or(f64::NAN));
        let sample = FluxSample { detector, wavelength, bandwidth, flux, error };
        let identity = ReleaseIdentity {
            release: self.release.and_then(|release| release.parse().ok()),
            version: self.version.filter(|version| !version.is_empty()),
            processing: self.processing.and_then(|processing| processing.parse().ok()),
        };
        let is_good = self.is_good.is_none_or(|good| good.holds());
        let exposure = self.obs_id.filter(|id| !id.is_empty()).map(|id| (id, detector));
        Some(ReadMeasurement { exposure, identity, measurement: SpectrumMeasurement { sample, is_good } })
    }
}

/// One measurement of each exposure: that of its newest processing, of equal ones the first.
/// Measurements of which no exposure is told stay.
pub(super) fn one_of_each(rows: Vec<ReadMeasurement>) -> Vec<SpectrumMeasurement> {
    let mut newest: HashMap<ExposureKey, usize> = HashMap::new();
    let mut kept: Vec<ReadMeasurement> = Vec::with_capacity(rows.len());
    for row in rows {
        let known = row.exposure.as_ref().and_then(|exposure| newest.get(exposure).copied());
        match (known, &row.exposure) {
            (Some(place), _) if row.identity > kept[place].identity => kept[place] = row,
            (Some(_), _) => {}
            (None, exposure) => {
                newest.extend(exposure.clone().map(|exposure| (exposure, kept.len())));
                kept.push(row);
            }
        }
    }
    kept.into_iter().map(|row| row.measurement).collect()
}

/// The spectrum of one source, of which each path has measurements: the directory of a run, or a
/// table (`.csv`, `.ecsv`, `.json`) with the columns `band` (or `det_id`), `wavelength` (`lambda`),
/// `bandwidth`, `flux` and `flux_error` (`flux_err`); rows whose `is_good` is false go into no
/// mean. Of an exposure (`obs_id` and detector) that has several rows, in one table or in several,
/// that of the newest processing counts. Its name is that of the first path.
///
/// # Errors
/// Usage where a path is no such file, or the tables are of several sources; nothing found where no
/// row has a measurement.
pub fn read_spectrum(paths: &[PathBuf]) -> Result<SourceSpectrum, PipelineError> {
    let mut rows: Vec<ReadRow> = Vec::new();
    for path in paths {
        let read = if path.is_dir() { read_run(path) } else { read_table(path) };
        let read = read.map_err(PipelineError::into_usage)?;
        check_source(rows.iter().rev().find(|row| row.source.is_some()), &read, path)?;
        rows.extend(read);
    }
    let measurements = one_of_each(rows.into_iter().filter_map(ReadRow::measurement).collect());
    if measurements.is_empty() {
        return Err(PipelineError::nothing_found("the tables have no measurement of a source"));
    }
    let name = paths.first().and_then(|path| path.file_stem()).unwrap_or_default().to_string_lossy();
    let mut made = MadeHow::default();
    paths.iter().for_each(|path| made.add(made_of(path)));
    Ok(SourceSpectrum::new(&name, measurements).with_made(made))
}

/// How the measurements of a path were made.
fn made_of(path: &Path) -> MadeHow {
    let json = if path.is_dir() { path.join(OF_A_RUN) } else { path.to_owned() };
    let is_json = json.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let told = std::fs::read(&json).ok().filter(|_| is_json);
    told.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_else(|| MadeHow::of(path))
}

/// Refuses the rows of a table that are of several sources, or of another one than those before.
fn check_source(before: Option<&ReadRow>, rows: &[ReadRow], path: &Path) -> Result<(), PipelineError> {
    let named = || before.into_iter().chain(rows).filter_map(|row| row.source.as_deref());
    let Some((one, other)) = named().zip(named().skip(1)).find(|(one, other)| one != other) else {
        return Ok(());
    };
    let text = format!("{}: there are measurements of several sources, {one} and {other}", path.display());
    Err(PipelineError::usage(text).with_hint("a spectrum is that of one; --source ID selects one of a batch"))
}

/// The rows of a run.
fn read_run(directory: &Path) -> Result<Vec<ReadRow>, PipelineError> {
    let path = directory.join(OF_A_RUN);
    if path.exists() {
        return read_json(&path);
    }
    let text = format!("{}: it has no measurements of a run ({OF_A_RUN})", directory.display());
    let hint = "--source ID selects a source of a batch or a survey; a list of sources has a run of each in \
                sources/";
    Err(PipelineError::usage(text).with_hint(hint))
}

fn read_json(path: &Path) -> Result<Vec<ReadRow>, PipelineError> {
    let name = || path.display().to_string();
    let text = std::fs::read(path).with_context(name)?;
    let run: RunFile = serde_json::from_slice(&text).map_err(PipelineError::failed).with_context(name)?;
    Ok(run.photometry)
}

/// A table behind the comments at its head. Later lines that begin with `#` are rows, for an id may
/// begin so.
fn behind_comments(path: &Path) -> io::Result<BufReader<File>> {
    let mut file = BufReader::new(File::open(path)?);
    while file.fill_buf()?.first() == Some(&b'#') {
        file.skip_until(b'\n')?;
    }
    Ok(file)
}

fn read_table(path: &Path) -> Result<Vec<ReadRow>, PipelineError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        return read_json(path);
    }
    let name = || path.display().to_string();
    let mut text = behind_comments(path).with_context(name)?;
    if text.fill_buf().with_context(name)?.starts_with(b"SIMPLE  =") {
        let error = PipelineError::usage(format!("{}: a FITS file, not a table of measurements", name()));
        return Err(error.with_hint("`spx photometry` measures images, `spx cube spectrum` reads cubes"));
    }
    let mut reader = csv::Reader::from_reader(text);
    let headers = reader.headers().map_err(PipelineError::failed).with_context(name)?;
    if let Some(missing) = [["flux", "flux"], ["wavelength", "lambda"], ["band", "det_id"]]
        .into_iter()
        .find(|names| !headers.iter().any(|header| names.contains(&header)))
    {
        return Err(PipelineError::usage(format!("{}: it has no column {}", name(), missing[0])));
    }
    let rows: Result<Vec<ReadRow>, csv::Error> = reader.deserialize().collect();
    rows.map_err(PipelineError::failed).with_context(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposure_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        let head = "obs_id,flux,flux_error,wavelength,bandwidth,band,release,version,processing\n";
        let row = |obs: &str, flux: f64, band: &str, made: &str| {
            format!("{obs},{flux},1.0,2.0,0.05,{band},qr2,6.5.7,{made}\n")
        };
        let table = |name: &str, rows: &[String]| {
            let path = dir.path().join(name);
            std::fs::write(&path, head.to_owned() + &rows.concat()).unwrap();
            path
        };
        let (old, new) = ("l2b-v20-2025-250", "l2b-v21-2025-354");
        let tables = [
            table("a.csv", &[row("1", 5.0, "D3", old), row("2", 6.0, "D3", old), row("", 7.0, "D3", old)]),
            table("b.csv", &[row("1", 8.0, "D3", new), row("1", 9.0, "D2", new), row("", 7.0, "D3", old)]),
            table("c.csv", &[row("2", 6.0, "D3", old), row("1", 4.0, "D3", "")]),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let spectrum = read_spectrum(&order.map(|k| tables[k].clone())).unwrap();
            let mut fluxes: Vec<f64> = spectrum.measurements.iter().map(|m| m.sample.flux).collect();
            fluxes.sort_by(f64::total_cmp);
            // Those that tell no exposure are two.
            assert_eq!(fluxes, [6.0, 7.0, 7.0, 8.0, 9.0], "{order:?}");
        }
    }

    #[test]
    fn tables_of_runs_batches_and_the_tool_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let csv = write(
            "a.csv",
            "# A head\n#\nobs_id,flux,flux_error,wavelength,bandwidth,band,is_good\n\
             1,5.0,1.0,2.0,0.05,D3,True\n2,7.0,nan,2.0,0.05,D3,true\n3,,,,,D3,\n4,-900,1,2.0,0.05,D3,False\n",
        );
        let irsa = write("b.csv", "det_id,lambda,lambda_width,flux,flux_err\n3,2.0,0.05,6.0,1.0\n");
        let json = "{\"photometry\": [{\"band\": \"D3\", \"flux\": 7.0, \"flux_error\": 1.0, \"wavelength\": 2.0,\
                    \"bandwidth\": 0.05, \"is_good\": true}, {\"band\": \"\", \"flux\": null}]}";
        write("run/results/photometry.json", json);
        let spectrum = read_spectrum(&[csv, irsa, dir.path().join("run")]).unwrap();
        assert_eq!((spectrum.name.as_str(), spectrum.measurements.len(), spectrum.filled()), ("a", 5, 1));
        let filled = spectrum.channels.iter().find(|channel| !channel.is_empty()).unwrap();
        assert_eq!((filled.used, filled.flux), (3, 6.0));
        let hash = "# A head\ntarget_id,flux,flux_error,wavelength,bandwidth,band,is_good\n#7,5.0,1.0,2.0,0.05,D3,true\n";
        assert_eq!(read_table(&write("hash.csv", hash)).unwrap().len(), 1, "an id may begin with #");
        let fits = write("cube.fits", "SIMPLE  =                    T");
        assert!(read_spectrum(&[fits]).unwrap_err().one_line().contains("a FITS file"));
        let mixed = "source,flux,wavelength,band\na,5.0,2.0,D3\nb,6.0,2.0,D3\n";
        let error = read_spectrum(&[write("mixed.csv", mixed)]).unwrap_err().one_line();
        assert!(error.contains("several sources, a and b"), "{error}");
        let [first, second] = ["1", "2"].map(|id| {
            let text = format!("target_id,flux,wavelength,band\n{id},5.0,2.0,D3\n{id},6.0,2.0,D3\n");
            write(&format!("{id}.csv"), &text)
        });
        assert!(read_spectrum(std::slice::from_ref(&first)).is_ok());
        let error = read_spectrum(&[first, second]).unwrap_err().one_line();
        assert!(error.contains("2.csv: there are measurements of several sources, 1 and 2"), "{error}");
        let none = write("none.csv", "ra,dec\n1,2\n");
        assert!(read_spectrum(&[none]).unwrap_err().one_line().contains("no column flux"));
    }
}
