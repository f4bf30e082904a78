//! Line maps and spectra of regions against numpy, on region files that DS9 wrote.
//!
//! `testdata/maps` holds a cube, the region files and `reference.json`, which `cargo xtask golden
//! maps` computes from the pixels of the cube alone (xtask/python/golden_maps.py);
//! `write_ds9_regions.py` beside it has DS9 write the region files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tools::{done, image};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/maps")
}

fn reference() -> Value {
    serde_json::from_str(&std::fs::read_to_string(testdata().join("reference.json")).unwrap()).unwrap()
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

/// The columns of a table of `spx cube spectrum`, one region after the other.
fn spectra(region: &Path, more: &[&str]) -> Vec<[f64; 5]> {
    let folder = tempfile::tempdir().unwrap();
    let (cube, region) = (testdata().join("cube.fits.gz"), region.display().to_string());
    let cube = cube.display().to_string();
    let all = ["cube", "spectrum", &cube, "--region", &region, "--independent-errors"];
    let run = done(folder.path(), &[&all, more].concat());
    let mut lines = run.stdout.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let wanted = ["n_pixels", "surface_brightness", "flux", "flux_error", "background"];
    let places = wanted.map(|name| names.iter().position(|n| *n == name).unwrap());
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        places.map(|k| cells[k].parse().unwrap_or(f64::NAN))
    };
    lines.map(row).collect()
}

/// Asserts that rows are those of a spectrum of the reference.
fn compare(rows: &[[f64; 5]], expected: &Value, what: &str) {
    let [n, mean, flux, error] = ["n", "mean", "flux", "error"].map(|name| numbers(&expected[name]));
    assert_eq!((rows.len(), n.len()), (17, 17), "{what}");
    for (z, row) in rows.iter().enumerate() {
        assert_eq!(row[0], n[z], "{what}, plane {z}");
        // The table has the digits of single precision; fluxes may nearly cancel.
        for (found, expected, least) in [
            (row[1], mean[z], 1e-6 * error[z] / flux[z].abs() * mean[z].abs()),
            (row[2], flux[z], 1e-6 * error[z]),
            (row[3], error[z], 0.0),
        ] {
            assert!(
                (found - expected).abs() <= 1e-6 * expected.abs() + least,
                "{what}, {z}: {found}, {expected}"
            );
        }
    }
}

/// Whatever the system in which DS9 wrote them, regions hold the pixels that the shapes hold.
#[test]
fn spectra_of_regions_that_ds9_wrote_are_those_of_numpy() {
    let reference = reference();
    for form in ["image", "icrs", "fk5", "galactic", "sexagesimal"] {
        let rows = spectra(&testdata().join(format!("ds9_{form}.reg")), &[]);
        let shapes = reference["shapes"].as_array().unwrap();
        assert_eq!((rows.len(), shapes.len()), (17 * 5, 5));
        for ((rows, shape), expected) in
            rows.chunks_exact(17).zip(shapes).zip(reference["spectra"].as_array().unwrap())
        {
            compare(rows, expected, &format!("{form} {shape}"));
        }
    }
}

#[test]
fn a_ring_is_subtracted_as_numpy_does() {
    let (reference, folder) = (reference(), tempfile::tempdir().unwrap());
    let circle = folder.path().join("circle.reg");
    let all = std::fs::read_to_string(testdata().join("ds9_icrs.reg")).unwrap();
    let lines = all.lines().filter(|line| line.starts_with("icrs") || line.starts_with("circle"));
    std::fs::write(&circle, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let ring = numbers(&reference["ring_px"]).iter().map(|r| (r * 6.15).to_string()).collect::<Vec<_>>();
    let rows = spectra(&circle, &["--annulus", &ring.join(",")]);
    let expected = &reference["above_ring"];
    for (z, background) in numbers(&expected["background"]).into_iter().enumerate() {
        assert!((rows[z][4] - background).abs() < 1e-6 * background.abs() + 1e-9, "{z}: {background}");
    }
    // Fluxes and means; the error has that of the background besides.
    for (z, (flux, error)) in
        numbers(&expected["flux"]).into_iter().zip(numbers(&expected["error"])).enumerate()
    {
        assert!((rows[z][2] - flux).abs() < 1e-6 * flux.abs() + 1e-4 * error, "{z}: {flux}");
        assert!(rows[z][3] > error && rows[z][3] < 2.0 * error, "{z}: {error}");
    }
}

#[test]
fn line_maps_are_those_of_numpy() {
    let (reference, folder) = (reference(), tempfile::tempdir().unwrap());
    let range = |ends: &Value| format!("{}..{}", numbers(ends)[0], numbers(ends)[1]);
    let line = range(&reference["line"]);
    let sides = reference["continuum"].as_array().unwrap().iter().map(range).collect::<Vec<_>>().join(",");
    let cube = testdata().join("cube.fits.gz").display().to_string();
    let options = ["cube", "line", &cube, "-o", "line.fits", "--line", &line, "--continuum", &sides];
    done(folder.path(), &options);
    let expected = ["MAP", "ERR", "CONTINUUM"].map(|name| numbers(&reference["line_map"][name]));
    let [map, errors, continuum] = ["MAP", "ERR", "CONTINUUM"]
        .map(|name| image::<f32>(&folder.path().join("line.fits"), name).into_iter().map(f64::from));
    let found = map.zip(errors).zip(continuum);
    let mut compared = 0;
    for (k, ((map, error), level)) in found.enumerate().filter(|(k, _)| expected[0][*k].is_finite()) {
        let sigma = expected[1][k];
        assert!((map - expected[0][k]).abs() < 1e-4 * sigma, "{k}: {map}");
        assert!((error / sigma - 1.0).abs() < 1e-5, "{k}: {error}");
        assert!((level - expected[2][k]).abs() < 1e-5 * level.abs() + 1e-7, "{k}: {level}");
        compared += 1;
    }
    assert!(compared > 400 && compared <= expected[0].len(), "{compared}");
}
