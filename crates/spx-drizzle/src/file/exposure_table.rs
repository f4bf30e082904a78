//! The tables of exposures of running sums: which are in them, and what became of each.
//!
//! EXPOSURES has a row for each, in the order in which they came. COMPARED is there where exposures
//! were compared with each other before they were added, and has a row for each of EXPOSURES: where
//! its file is (PATH), how many of its pixels were rejected (OUTLIERS, -1 = not looked for), and
//! what was subtracted from it (OFFSET, SLOPE_X, SLOPE_Y, NaN = nothing).

use spx_core::detector::Detector;
use spx_core::fits::{ColumnSpec, FitsReader, FitsWriter};
use spx_core::header::Header;
use spx_core::image::ExposureId;
use spx_core::release::{
    DataRelease, ExposureCalibration, FluxCorrection, ReleaseIdentity, WavelengthSource,
};

use super::checked::{checked, text_format};
use super::error::CubeFileProblem;
use crate::{AccumulatedExposure, ComparedExposure, GroupTime, SkyCorrection};

/// The name of the table.
pub(super) const EXPOSURES: &str = "EXPOSURES";
const COMPARED: &str = "COMPARED";

/// A column of EXPOSURES of type f64, NaN where there is no value.
type RealColumn = (&'static str, &'static str, fn(&mut AccumulatedExposure) -> &mut Option<f64>);

const REAL_COLUMNS: [RealColumn; 6] = [
    ("MJD", "d", |e| &mut e.mjd),
    ("FG_SCALE", "", |e| &mut e.foreground_scale),
    ("MJD_BEG", "d", |e| &mut e.time.begin),
    ("MJD_END", "d", |e| &mut e.time.end),
    ("EXPTIME", "s", |e| &mut e.time.exposure),
    ("MEASTIME", "s", |e| &mut e.time.measurement),
];

/// Writes the tables.
pub(super) fn write_entries(
    fits: &mut FitsWriter,
    entries: &[AccumulatedExposure],
) -> Result<(), CubeFileProblem> {
    let processings: Vec<String> =
        entries.iter().map(|e| e.identity.processing.map_or_else(String::new, |p| p.to_string())).collect();
    let texts: [(&str, Vec<&str>); 10] = [
        ("OBSERVATION", entries.iter().map(|e| e.id.observation.as_str()).collect()),
        ("FILE", entries.iter().map(|e| e.file.as_str()).collect()),
        ("CONTENT", entries.iter().map(|e| e.content.as_deref().unwrap_or_default()).collect()),
        ("GROUP", entries.iter().map(|e| e.time.id.as_str()).collect()),
        ("REMARK", entries.iter().map(|e| e.remark.as_deref().unwrap_or_default()).collect()),
        ("RELEASE", entries.iter().map(|e| e.identity.release.map_or("", DataRelease::name)).collect()),
        ("VERSION", entries.iter().map(|e| e.identity.version.as_deref().unwrap_or_default()).collect()),
        ("PROCESSING", processings.iter().map(String::as_str).collect()),
        (
            "FLUXCORR",
            entries.iter().map(|e| e.calibration.map_or("", |c| c.flux_correction.name())).collect(),
        ),
        (
            "WAVESRC",
            entries.iter().map(|e| e.calibration.map_or("", |c| c.wavelength_source.name())).collect(),
        ),
    ];
    let formats = texts.each_ref().map(|(_, texts)| text_format(texts));
    let column = |name, format, unit| ColumnSpec { name, format, unit, dim: None };
    let mut columns: Vec<ColumnSpec<'_>> =
        texts.iter().zip(&formats).map(|((name, _), format)| column(name, format, "")).collect();
    columns.extend(["DETECTOR", "USED", "NUMBER"].map(|name| column(name, "1J", "")));
    columns.extend(REAL_COLUMNS.iter().map(|&(name, unit, _)| column(name, "1D", unit)));
    fits.table(EXPOSURES, entries.len(), &columns, &Header::new())?;
    for (name, texts) in &texts {
        fits.write_text_column(name, 0, texts)?;
    }
    let integers = |value: fn(&AccumulatedExposure) -> i64| entries.iter().map(value).collect::<Vec<i64>>();
    fits.write_column("DETECTOR", 0, &integers(|e| e.id.detector.number().into()))?;
    fits.write_column("USED", 0, &integers(|e| e.used.into()))?;
    fits.write_column("NUMBER", 0, &integers(|e| e.number.map_or(-1, i64::from)))?;
    for (name, _, field) in REAL_COLUMNS {
        let value = |entry: &AccumulatedExposure| field(&mut entry.clone()).unwrap_or(f64::NAN);
        fits.write_column(name, 0, &entries.iter().map(value).collect::<Vec<f64>>())?;
    }
    fits.checksum()?;
    write_compared(fits, entries)
}

/// Writes the table of what exposures were compared for, where they were.
fn write_compared(fits: &mut FitsWriter, entries: &[AccumulatedExposure]) -> Result<(), CubeFileProblem> {
    let rows: Vec<ComparedExposure> =
        entries.iter().map(|entry| entry.compared.clone().unwrap_or_default()).collect();
    if entries.iter().all(|entry| entry.compared.is_none()) {
        return Ok(());
    }
    let paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
    let format = text_format(&paths);
    let column = |name, format, unit| ColumnSpec { name, format, unit, dim: None };
    let reals = [("OFFSET", "MJy/sr"), ("SLOPE_X", "MJy/sr/pixel"), ("SLOPE_Y", "MJy/sr/pixel")];
    let mut columns = vec![column("PATH", &format, ""), column("OUTLIERS", "1K", "")];
    columns.extend(reals.map(|(name, unit)| column(name, "1D", unit)));
    fits.table(COMPARED, rows.len(), &columns, &Header::new())?;
    fits.write_text_column("PATH", 0, &paths)?;
    let count = |row: &ComparedExposure| row.outliers.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1);
    fits.write_column("OUTLIERS", 0, &rows.iter().map(count).collect::<Vec<_>>())?;
    let numbers = |row: &ComparedExposure| row.background.map(|b| [b.offset, b.slopes[0], b.slopes[1]]);
    for (k, (name, _)) in reals.into_iter().enumerate() {
        let values = rows.iter().map(|row| numbers(row).map_or(f64::NAN, |numbers| numbers[k]));
        fits.write_column(name, 0, &values.collect::<Vec<f64>>())?;
    }
    Ok(fits.checksum()?)
}

/// Reads that table, if it is there.
fn read_compared(
    reader: &mut FitsReader,
    entries: &mut [AccumulatedExposure],
) -> Result<(), CubeFileProblem> {
    if !reader.hdu_names()?.iter().any(|name| name == COMPARED) {
        return Ok(());
    }
    let rows = entries.len();
    checked(reader, COMPARED, |reader| {
        let paths = reader.read_text_column("PATH", 0, rows)?;
        let mut outliers = vec![0_i64; rows];
        reader.read_column("OUTLIERS", 0, &mut outliers)?;
        let mut reals = [vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]];
        for (name, values) in ["OFFSET", "SLOPE_X", "SLOPE_Y"].into_iter().zip(&mut reals) {
            reader.read_column(name, 0, values)?;
        }
        for (k, (entry, path)) in entries.iter_mut().zip(paths).enumerate() {
            let [offset, along_x, along_y]: [f64; 3] = reals.each_ref().map(|values| values[k]);
            let background = SkyCorrection { offset, slopes: [along_x, along_y] };
            entry.compared = Some(ComparedExposure {
                path,
                outliers: u64::try_from(outliers[k]).ok(),
                background: (!offset.is_nan()).then_some(background),
            });
        }
        Ok(())
    })
}

/// Releases of exposures and how they were calibrated; what is not known where the columns are
/// missing.
fn read_identities(
    reader: &mut FitsReader,
    rows: usize,
) -> Result<Vec<(ReleaseIdentity, Option<ExposureCalibration>)>, CubeFileProblem> {
    let mut found = Vec::with_capacity(rows);
    if !reader.columns()?.iter().any(|column| column.name == "RELEASE") {
        return Ok(vec![Default::default(); rows]);
    }
    let mut texts = |name| reader.read_text_column(name, 0, rows);
    let [releases, versions, processings] = [texts("RELEASE")?, texts("VERSION")?, texts("PROCESSING")?];
    let (corrections, waves) = (texts("FLUXCORR")?, texts("WAVESRC")?);
    for (k, release) in releases.iter().enumerate() {
        let identity = ReleaseIdentity {
            release: release.parse().ok(),
            version: Some(versions[k].clone()).filter(|version| !version.is_empty()),
            processing: processings[k].parse().ok(),
        };
        let flux = FluxCorrection::ALL.into_iter().find(|c| c.name() == corrections[k]);
        let wave = WavelengthSource::ALL.into_iter().find(|s| s.name() == waves[k]);
        let calibration = flux.zip(wave).map(|(flux_correction, wavelength_source)| ExposureCalibration {
            flux_correction,
            wavelength_source,
        });
        found.push((identity, calibration));
    }
    Ok(found)
}

/// A column of texts, which files of earlier versions may lack.
fn read_optional_texts(
    reader: &mut FitsReader,
    name: &str,
    rows: usize,
) -> Result<Vec<Option<String>>, CubeFileProblem> {
    if !reader.columns()?.iter().any(|column| column.name == name) {
        return Ok(vec![None; rows]);
    }
    let texts = reader.read_text_column(name, 0, rows)?.into_iter();
    Ok(texts.map(|text| Some(text).filter(|text| !text.is_empty())).collect())
}

/// Reads the tables, of which EXPOSURES is the current one.
pub(super) fn read_entries(reader: &mut FitsReader) -> Result<Vec<AccumulatedExposure>, CubeFileProblem> {
    let rows = reader.table_rows()?;
    let mut texts = |name| reader.read_text_column(name, 0, rows);
    let (observations, files, groups, remarks) =
        (texts("OBSERVATION")?, texts("FILE")?, texts("GROUP")?, texts("REMARK")?);
    let mut identities = read_identities(reader, rows)?.into_iter();
    let mut contents = read_optional_texts(reader, "CONTENT", rows)?.into_iter();
    let mut integers = |name| -> Result<Vec<i64>, CubeFileProblem> {
        let mut values = vec![0; rows];
        reader.read_column(name, 0, &mut values)?;
        Ok(values)
    };
    let (detectors, used, numbers) = (integers("DETECTOR")?, integers("USED")?, integers("NUMBER")?);
    let mut entries = Vec::with_capacity(rows);
    let texts = observations.into_iter().zip(files).zip(groups).zip(remarks);
    for (k, (((observation, file), group), remark)) in texts.enumerate() {
        let detector = Detector::new(detectors[k]).map_err(|e| CubeFileProblem::Broken(e.to_string()))?;
        let (identity, calibration) = identities.next().unwrap_or_default();
        entries.push(AccumulatedExposure {
            id: ExposureId { observation, detector },
            file,
            identity,
            content: contents.next().flatten(),
            calibration,
            mjd: None,
            used: used[k] != 0,
            remark: (!remark.is_empty()).then_some(remark),
            foreground_scale: None,
            number: u32::try_from(numbers[k]).ok(),
            compared: None,
            time: GroupTime { id: group, begin: None, end: None, exposure: None, measurement: None },
        });
    }
    for (name, _, field) in REAL_COLUMNS {
        let mut values = vec![0.0f64; rows];
        reader.read_column(name, 0, &mut values)?;
        for (entry, value) in entries.iter_mut().zip(values) {
            *field(entry) = (!value.is_nan()).then_some(value);
        }
    }
    read_compared(reader, &mut entries)?;
    Ok(entries)
}
