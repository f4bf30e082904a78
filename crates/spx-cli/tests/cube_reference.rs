//! The cube of the real binary against an independent computation with numpy and astropy.
//!
//! `testdata/cube` holds the inputs, the cases and the reference cubes; `cargo xtask golden cube`
//! makes them from the definitions alone (xtask/python/oracle_cube.py). The reference is kept in
//! double precision.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};
use spx_core::fits::{FitsNumber, FitsReader};

/// SCI and VARIANCE agree to this fraction of their value.
const RELATIVE: f64 = 1e-5;
/// Columns of the WAVELENGTH table agree to this fraction: both sides compute them in double
/// precision.
const WAVELENGTHS: f64 = 1e-12;
/// Bits of NEAR: rounding may decide whether a pixel counts; it may change the values.
const NEAR_COUNT: u8 = 1;
const NEAR_VALUE: u8 = 2;
/// Differing voxels that are printed of each array.
const SHOWN: usize = 4;

struct Case {
    name: String,
    inputs: Vec<PathBuf>,
    options: Map<String, Value>,
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/cube")
}

fn cases() -> Result<Vec<Case>> {
    let text = fs::read_to_string(testdata().join("cases.json"))?;
    let listed: Vec<Value> = serde_json::from_str(&text)?;
    let read = |value: &Value| {
        let inputs = value["inputs"].as_array().context("no inputs")?;
        Ok(Case {
            name: value["name"].as_str().context("no name")?.to_owned(),
            inputs: inputs
                .iter()
                .filter_map(Value::as_str)
                .map(|name| testdata().join("inputs").join(name))
                .collect(),
            options: value["options"].as_object().context("no options")?.clone(),
        })
    };
    listed.iter().map(read).collect()
}

/// A value as the command line takes it.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(word).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The options of a case as flags of `spx drizzle`.
fn flags(options: &Map<String, Value>) -> Vec<String> {
    let flag = |(key, value): (&String, &Value)| {
        let name = key.replace('_', "-");
        match value {
            Value::Bool(true) => format!("--{name}"),
            Value::Bool(false) => format!("--no-{name}"),
            _ => format!("--{name}={}", word(value)),
        }
    };
    options.iter().map(flag).collect()
}

/// Runs `spx drizzle` in an empty directory and gives the cube's path.
fn drizzle(folder: &Path, case: &Case, arguments: &[String]) -> Result<PathBuf> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spx"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPX_")) {
        command.env_remove(name);
    }
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    // What spx has of its own by default is set as the oracle has it.
    if !case.options.contains_key("exclude_flags") {
        command.env("SPX_EXCLUDE_FLAGS", "mosaic");
    }
    let output = command
        .current_dir(folder)
        .args(["drizzle", "--weight=ivm"])
        .args(arguments)
        .arg("--input")
        .args(&case.inputs)
        // As spxquery and the oracle have it.
        .args(["--zodi-fit=ivm", "-o", "out"])
        .output()?;
    ensure!(
        output.status.success(),
        "{}: {}\n{}",
        case.name,
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(folder.join(format!("out/drizzle_D{}.fits", case.options["detector"])))
}

/// The shape and the values of an image.
fn image<T: FitsNumber>(path: &Path, hdu: &str) -> Result<(Vec<usize>, Vec<T>)> {
    let mut file = FitsReader::open(path)?;
    file.move_to(hdu)?;
    let shape = file.image_shape()?;
    let mut values = vec![T::default(); shape.iter().product()];
    file.read_pixels(0, &mut values)?;
    Ok((shape, values))
}

fn column(path: &Path, name: &str) -> Result<Vec<f64>> {
    let mut file = FitsReader::open(path)?;
    file.move_to("WAVELENGTH")?;
    let mut values = vec![0.0; file.table_rows()?];
    file.read_column(name, 0, &mut values)?;
    Ok(values)
}

/// The differences found in a cube, each with its place.
#[derive(Default)]
struct Report(Vec<String>);

impl Report {
    /// Compares `hdu` voxel by voxel; `skip` is the bit of NEAR that excuses a voxel.
    fn compare<T: FitsNumber + Display>(
        &mut self,
        paths: [&Path; 2],
        hdu: &str,
        near: &[u8],
        skip: u8,
        same: impl Fn(T, T) -> bool,
    ) -> Result<()> {
        let (shape, got) = image::<T>(paths[0], hdu)?;
        let (wanted_shape, wanted) = image::<T>(paths[1], hdu)?;
        if shape != wanted_shape {
            self.0.push(format!("{hdu}: shape {shape:?} instead of {wanted_shape:?}"));
            return Ok(());
        }
        let (plane, row) = (shape[1] * shape[2], shape[2]);
        let bad: Vec<usize> =
            (0..got.len()).filter(|&k| near[k] & skip == 0 && !same(got[k], wanted[k])).collect();
        if !bad.is_empty() {
            self.0.push(format!("{hdu}: {} of {} voxels differ", bad.len(), got.len()));
        }
        for &k in bad.iter().take(SHOWN) {
            let (z, y, x) = (k / plane, k % plane / row, k % row);
            self.0.push(format!("  [{z}][{y}][{x}]: {} instead of {}", got[k], wanted[k]));
        }
        Ok(())
    }

    fn wavelengths(&mut self, paths: [&Path; 2]) -> Result<()> {
        let same = |a: f64, b: f64| (a - b).abs() <= WAVELENGTHS * b.abs();
        // The oracle has no R_DATA.
        for name in
            ["INDEX", "LAMBDA", "LAMBDA_MIN", "LAMBDA_MAX", "DLAMBDA", "NU", "DNU", "R_EFF", "N_INPUT_SC"]
        {
            let (got, wanted) = (column(paths[0], name)?, column(paths[1], name)?);
            if got.len() != wanted.len() || !got.iter().zip(&wanted).all(|(a, b)| same(*a, *b)) {
                self.0.push(format!("WAVELENGTH.{name}: {got:?} instead of {wanted:?}"));
            }
        }
        Ok(())
    }

    fn card(&mut self, paths: [&Path; 2], key: &str) -> Result<()> {
        let read = |path| -> Result<i64> { Ok(FitsReader::open(path)?.header()?.integer(key)?) };
        let (got, wanted) = (read(paths[0])?, read(paths[1])?);
        if got != wanted {
            self.0.push(format!("{key} = {got} instead of {wanted}"));
        }
        Ok(())
    }
}

/// Equal within [`RELATIVE`]; NaN equals NaN alone.
fn close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() <= RELATIVE * b.abs()
}

/// Every difference between a cube and the reference of a case.
fn differences(cube: &Path, case: &Case) -> Result<Vec<String>> {
    let reference = testdata().join(format!("{}.fits.gz", case.name));
    let paths = [cube, &reference];
    let (_, near) = image::<u8>(&reference, "NEAR")?;
    let mut report = Report::default();
    report.compare::<f64>(paths, "SCI", &near, NEAR_VALUE, close)?;
    report.compare::<f64>(paths, "VARIANCE", &near, NEAR_VALUE, close)?;
    report.compare::<i32>(paths, "COUNT", &near, NEAR_COUNT, |a, b| a == b)?;
    report.compare::<u32>(paths, "AND_MASK", &near, NEAR_COUNT, |a, b| a == b)?;
    report.compare::<u32>(paths, "OR_MASK", &near, NEAR_COUNT, |a, b| a == b)?;
    report.wavelengths(paths)?;
    report.card(paths, "N_INPUTS")?;
    report.card(paths, "N_REJECT")?;
    Ok(report.0)
}

#[test]
fn cubes_agree_with_the_oracle() -> Result<()> {
    let cases = cases()?;
    ensure!(cases.len() >= 16, "only {} cases in {}", cases.len(), testdata().display());
    let mut failed = Vec::new();
    for case in &cases {
        let folder = tempfile::tempdir()?;
        let found =
            drizzle(folder.path(), case, &flags(&case.options)).and_then(|cube| differences(&cube, case));
        let lines = found.unwrap_or_else(|error| vec![format!("{error:#}")]);
        if !lines.is_empty() {
            failed.push(format!("{}:\n    {}", case.name, lines.join("\n    ")));
        }
    }
    if !failed.is_empty() {
        bail!("{} of {} cases fail\n{}", failed.len(), cases.len(), failed.join("\n"));
    }
    Ok(())
}

/// The configuration file says the same as the flags: every key of every case, and the same cubes.
#[test]
fn a_configuration_file_gives_the_same_cube() -> Result<()> {
    for case in cases()? {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("case.toml");
        fs::write(&config, toml::to_string(&case.options)?)?;
        let cube = drizzle(folder.path(), &case, &["--config".to_owned(), "case.toml".to_owned()])?;
        let found = differences(&cube, &case)?;
        ensure!(found.is_empty(), "{}:\n    {}", case.name, found.join("\n    "));
    }
    Ok(())
}

/// The comparison itself notices a cube that is not the case's.
#[test]
fn a_wrong_cube_is_noticed() -> Result<()> {
    let cases = cases()?;
    let find = |name: &str| cases.iter().find(|case| case.name == name).context("case");
    let folder = tempfile::tempdir()?;
    let case = find("zodi_kept")?;
    let cube = drizzle(folder.path(), case, &flags(&case.options))?;
    let found = differences(&cube, find("zodi_static")?)?;
    ensure!(found.iter().any(|line| line.starts_with("SCI")), "{found:?}");
    ensure!(!found.iter().any(|line| line.starts_with("COUNT")), "{found:?}");
    Ok(())
}
