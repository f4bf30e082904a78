//! Reads measurements: of a run, or from tables that spx has written (CSV, ECSV, light curves of a
//! batch).

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use spx_core::detector::Detector;

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

impl ReadRow {
    /// `None` for an image on which the source was not measured.
    fn measurement(self) -> Option<SpectrumMeasurement> {
        let detector: Detector = self.band?.parse().ok()?;
        let (wavelength, flux) = (self.wavelength?, self.flux?);
        let (bandwidth, error) = (self.bandwidth.unwrap_or(f64::NAN), self.flux_error.unwrap_or(f64::NAN));
        let sample = FluxSample { detector, wavelength, bandwidth, flux, error };
        Some(SpectrumMeasurement { sample, is_good: self.is_good.is_none_or(|good| good.holds()) })
    }
}

/// The spectrum of one source, of which each path has measurements: the directory of a run, or a
/// table (`.csv`, `.ecsv`, `.json`) with the columns `band` (or `det_id`), `wavelength` (`lambda`),
/// `bandwidth`, `flux` and `flux_error` (`flux_err`); rows whose `is_good` is false go into no
/// mean. Its name is that of the first path.
///
/// # Errors
/// Usage where a path is no such file; nothing found where no row has a measurement.
pub fn read_spectrum(paths: &[PathBuf]) -> Result<SourceSpectrum, PipelineError> {
    let mut measurements = Vec::new();
    for path in paths {
        let read = if path.is_dir() { read_json(&path.join(OF_A_RUN)) } else { read_table(path) };
        measurements.extend(read.map_err(PipelineError::into_usage)?);
    }
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

fn read_json(path: &Path) -> Result<Vec<SpectrumMeasurement>, PipelineError> {
    let name = || path.display().to_string();
    let text = std::fs::read(path).with_context(name)?;
    let run: RunFile = serde_json::from_slice(&text).map_err(PipelineError::failed).with_context(name)?;
    Ok(run.photometry.into_iter().filter_map(ReadRow::measurement).collect())
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

fn read_table(path: &Path) -> Result<Vec<SpectrumMeasurement>, PipelineError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        return read_json(path);
    }
    let name = || path.display().to_string();
    let mut text = behind_comments(path).with_context(name)?;
    if text.fill_buf().with_context(name)?.starts_with(b"SIMPLE  =") {
        let error = PipelineError::usage(format!("{}: a FITS file, not a table of measurements", name()));
        return Err(error.with_hint("`spx photometry` measures images, `spx cube spectrum` takes cubes"));
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
    let rows = rows.map_err(PipelineError::failed).with_context(name)?;
    if let Some(two) = rows.windows(2).find(|two| two[0].source != two[1].source) {
        let [one, other] = [0, 1].map(|k| two[k].source.as_deref().unwrap_or_default());
        let text = format!("{}: it has measurements of several sources, {one} and {other}", name());
        return Err(PipelineError::usage(text));
    }
    Ok(rows.into_iter().filter_map(ReadRow::measurement).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let none = write("none.csv", "ra,dec\n1,2\n");
        assert!(read_spectrum(&[none]).unwrap_err().one_line().contains("no column flux"));
    }
}
