//! Real files, where `cargo xtask fetch-testdata` has fetched them to `testdata/real` (or to the
//! directory `SPX_REAL_FILES`). Where it has not, these tests say that they are skipped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use spx_core::sky::Position;
use tools::local::tree;
use tools::spx;

/// Spectral images below the directory whose path ends so.
fn files(ending: &str) -> Vec<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real");
    let directory = std::env::var_os("SPX_REAL_FILES").map_or(default, PathBuf::from);
    if !directory.is_dir() {
        return Vec::new();
    }
    let found = tree(&directory).into_keys().filter(|name| name.ends_with(ending));
    found.map(|name| directory.join(name)).collect()
}

/// Written past the capture of the test harness, for a skipped test must say so.
fn skipped(test: &str) {
    let text = format!("SKIPPED {test}: no such file; `cargo xtask fetch-testdata` has them\n");
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

#[test]
fn real_files_are_read() {
    let files = files(".fits");
    if files.is_empty() {
        return skipped("real_files_are_read");
    }
    for file in files {
        let run = spx(Path::new("."), &["inspect", "--json", file.to_str().unwrap()]).succeeds();
        let report = &run.json()[0];
        let name = file.file_name().unwrap().to_str().unwrap();
        let (observation, detector) =
            (report["observation"].as_str().unwrap(), report["detector"].as_str().unwrap());
        assert!(name.contains(&format!("{observation}{detector}_spx")), "{name}: {observation} {detector}");
        assert_eq!(report["full_frame"].as_bool(), Some(!name.contains("_cutout_")), "{name}");
    }
}

/// The archive's own outline of the file (testdata/real_headers holds its cards), within 0.01".
#[test]
fn the_footprint_is_the_archives() {
    const CORNERS: [(f64, f64); 4] = [
        (6.962_852_120_551_271, 41.750_093_307_706_93),
        (11.282_490_004_977_62, 43.137_330_881_450_204),
        (13.174_643_355_147_754, 39.946_653_279_470_475),
        (8.979_155_024_452_52, 38.624_592_201_499_68),
    ];
    let files = files("m31_d3/level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits");
    let [file] = files.as_slice() else { return skipped("the_footprint_is_the_archives") };
    let run = spx(Path::new("."), &["inspect", "--json", file.to_str().unwrap()]).succeeds();
    let footprint = run.json()[0]["sky"]["footprint"].clone();
    for (found, (ra, dec)) in footprint.as_array().unwrap().iter().zip(CORNERS) {
        let found = Position::new(found[0].as_f64().unwrap(), found[1].as_f64().unwrap()).unwrap();
        let arcsec = 3600.0 * found.separation(Position::new(ra, dec).unwrap());
        assert!(arcsec < 0.01, "{found:?} is {arcsec}\" from {ra}, {dec}");
    }
}
