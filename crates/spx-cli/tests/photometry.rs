//! `spx photometry` as a user runs it, on the images of the local archive and on broken ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::path::Path;

use tempfile::tempdir;
use tools::local::{OBSERVATIONS, PLACE, images};
use tools::{Run, spx};

const SPXQUERY: &str = "obs_id,mjd,flux,flux_error,mag_ab,mag_ab_error,wavelength,bandwidth,band,flag,flag_binary,\
                        pix_x,pix_y,is_upper_limit,snr";

fn photometry(folder: &Path, more: &[&str]) -> Run {
    let files = images().display().to_string();
    spx(folder, &[&["photometry", &files, "-q"], &PLACE[..], more].concat())
}

/// Header and rows of a table, without comments.
fn table(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let plain: String = text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
    let mut reader = csv::Reader::from_reader(plain.as_bytes());
    let words = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect();
    let header = words(reader.headers().unwrap());
    (header, reader.records().map(|record| words(&record.unwrap())).collect())
}

/// The values of a column.
fn column(text: &str, name: &str) -> Vec<String> {
    let (header, rows) = table(text);
    let at = header.iter().position(|n| n == name).unwrap_or_else(|| panic!("no {name} in {header:?}"));
    rows.into_iter().map(|row| row[at].clone()).collect()
}

#[test]
fn all_forms_of_the_table_tell_the_same() {
    let folder = tempdir().unwrap();
    let csv = photometry(folder.path(), &[]).succeeds().stdout;
    assert!(csv.starts_with(SPXQUERY), "{csv}");
    assert!(csv.lines().next().unwrap().ends_with(",file,status,reason"));
    assert_eq!(column(&csv, "status"), vec!["used"; 2 * OBSERVATIONS]);
    let json = photometry(folder.path(), &["--json"]).succeeds().json();
    let fluxes: Vec<f64> = column(&csv, "flux").iter().map(|f| f.parse().unwrap()).collect();
    let of_json = json["photometry"].as_array().unwrap().iter().map(|row| row["flux"].as_f64().unwrap());
    assert_eq!(of_json.collect::<Vec<_>>(), fluxes);
    photometry(folder.path(), &["-o", "a.ecsv"]).succeeds();
    let ecsv = std::fs::read_to_string(folder.path().join("a.ecsv")).unwrap();
    assert!(ecsv.starts_with("# %ECSV 1.0\n# ---\n"));
    let (header, _) = table(&ecsv);
    assert_eq!(header[..6], ["obs_id", "mjd", "wavelength", "bandwidth", "flux", "flux_error"]);
    let wavelengths: Vec<f64> = column(&ecsv, "wavelength").iter().map(|w| w.parse().unwrap()).collect();
    assert!(wavelengths.is_sorted(), "{wavelengths:?}");
    let sorted = |text: &str| {
        let mut fluxes = column(text, "flux");
        fluxes.sort();
        fluxes
    };
    assert_eq!(sorted(&ecsv), sorted(&csv));
    let again = photometry(folder.path(), &["-o", "a.ecsv"]);
    again.fails(2, &["a.ecsv exists", "--overwrite"]);
    photometry(folder.path(), &["-o", "a.ecsv", "--overwrite"]).succeeds();
    photometry(folder.path(), &["-o", "a.txt"]).fails(2, &[".csv, .ecsv or .json"]);
}

#[test]
fn columns_can_have_the_names_of_irsa() {
    let folder = tempdir().unwrap();
    let plain = photometry(folder.path(), &[]).succeeds().stdout;
    let irsa = photometry(folder.path(), &["--columns=irsa"]).succeeds().stdout;
    for (ours, theirs) in [
        ("wavelength", "lambda"),
        ("bandwidth", "lambda_width"),
        ("flux", "flux"),
        ("flux_error", "flux_err"),
        ("detector", "det_id"),
        ("flag", "flags"),
        ("pix_x", "x_image"),
        ("pix_y", "y_image"),
    ] {
        assert_eq!(column(&plain, ours), column(&irsa, theirs), "{theirs}");
    }
}

#[test]
fn options_come_from_file_environment_and_command_line() {
    let folder = tempdir().unwrap();
    let config = "aperture_method = \"fixed\"\naperture_diameter = 4.0\nsubtract_zodi = false\n";
    std::fs::write(folder.path().join("a.toml"), config).unwrap();
    let csv = photometry(folder.path(), &["--config=a.toml"]).succeeds().stdout;
    assert_eq!(column(&csv, "aperture_radius"), vec!["2.0"; 2 * OBSERVATIONS]);
    assert_eq!(column(&csv, "zodi_scale"), vec![""; 2 * OBSERVATIONS]);
    let csv = photometry(folder.path(), &["--config=a.toml", "--aperture-diameter=3"]).succeeds().stdout;
    assert_eq!(column(&csv, "aperture_radius"), vec!["1.5"; 2 * OBSERVATIONS]);
    std::fs::write(folder.path().join("a.toml"), "aperture_diametre = 4.0\n").unwrap();
    photometry(folder.path(), &["--config=a.toml"]).fails(2, &["line 1", "aperture_diametre"]);
    photometry(folder.path(), &["--fwhm-multiplier=-1"]).fails(2, &["fwhm_multiplier"]);
}
