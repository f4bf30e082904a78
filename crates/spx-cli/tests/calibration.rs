//! `spx calibration`, and what commands do with the products that it fetches: caches that are
//! absent, damaged, half fetched or not to be written, without network.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use spx_core::detector::Detector;
use spx_serve::{Faults, LocalArchive};
use spx_sim::{RealisticOptions, write_calibration};
use tools::local::serve;
use tools::{Run, spx};

mod tools;

/// The products of D5 in the layout of the archive; made once and kept in the target directory.
fn products() -> &'static Path {
    static PRODUCTS: OnceLock<PathBuf> = OnceLock::new();
    PRODUCTS.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("calibration-products");
        if !place.exists() {
            let new = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let detector = Detector::new(5).unwrap();
            write_calibration(new.path(), detector, &RealisticOptions::default()).unwrap();
            // Another test may have been faster; its files are the same.
            fs::rename(new.path().join("qr3"), new.path().join("p")).unwrap();
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            let whole = new.path().join("whole");
            fs::create_dir(&whole).unwrap();
            fs::rename(new.path().join("p"), whole.join("qr3")).unwrap();
            fs::rename(whole, &place).ok();
        }
        place
    })
}

fn archive() -> LocalArchive {
    serve(products(), Faults::default())
}

/// `spx calibration` with a cache of its own in the folder.
fn calibration(archive: Option<&LocalArchive>, folder: &Path, arguments: &[&str]) -> Run {
    let url = archive.map(LocalArchive::url).unwrap_or_default();
    let mut words = [&["calibration"], arguments].concat();
    if archive.is_some() {
        words.extend(["--archive-url", url.as_str()]);
    }
    spx(folder, &words)
}

fn statuses(run: &Run) -> Vec<(String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    run.json().as_array().unwrap().iter().map(|e| (text(e, "family"), text(e, "status"))).collect()
}

fn all(status: &str) -> Vec<(String, String)> {
    let families = ["spectral_wcs", "solid_angle_pixel_map", "epsf", "l3_flux_corrections"];
    families.map(|family| (family.to_owned(), status.to_owned())).into()
}

/// The files of a family in the cache.
fn cached(folder: &Path, family: &str) -> PathBuf {
    let token = fs::read_dir(folder.join("cache/spx/calibration/qr3").join(family)).unwrap().next();
    let files = token.unwrap().unwrap().path().join("5");
    let mut files = fs::read_dir(files).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.')).unwrap()
}

#[test]
fn products_are_listed_fetched_and_checked() {
    let (archive, folder) = (archive(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    calibration(None, folder, &["status"]).fails(3, &["no calibration products", "spx calibration fetch"]);
    let listed = calibration(Some(&archive), folder, &["list", "--json"]);
    assert_eq!((listed.code, statuses(&listed)), (Some(0), all("available")), "{}", listed.stderr);
    assert!(!folder.join("cache").exists(), "a list leaves nothing behind");

    let fetched = calibration(Some(&archive), folder, &["fetch", "--json"]);
    assert_eq!((fetched.code, statuses(&fetched)), (Some(0), all("fetched")), "{}", fetched.stderr);
    let again = calibration(Some(&archive), folder, &["fetch", "--json"]);
    assert_eq!(statuses(&again), all("present"));

    // What is damaged is told, and replaced; the rest stays.
    let damaged = cached(folder, "l3_flux_corrections");
    let whole = fs::read(&damaged).unwrap();
    fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let status = calibration(None, folder, &["status", "--json"]);
    assert_eq!(status.code, Some(1), "{}", status.stderr);
    let expected = |status: &str| ("l3_flux_corrections".to_owned(), status.to_owned());
    assert!(statuses(&status).contains(&expected("damaged")), "{}", status.stdout);
    let mended = calibration(Some(&archive), folder, &["fetch", "--json"]);
    assert!(statuses(&mended).contains(&expected("fetched")), "{}", mended.stdout);
    assert_eq!(fs::read(&damaged).unwrap(), whole);

    // One that the archive has replaced under its name is fetched again.
    let notes = folder.join("cache/spx/calibration/products.toml");
    let text = fs::read_to_string(&notes).unwrap();
    let changed: Vec<String> = text
        .lines()
        .map(|line| match line.contains("/epsf/") {
            true => format!("{} = '\"old\"'", line.split(" = ").next().unwrap()),
            false => line.to_owned(),
        })
        .collect();
    assert_ne!(text.trim(), changed.join("\n").trim());
    fs::write(&notes, changed.join("\n")).unwrap();
    let replaced = calibration(Some(&archive), folder, &["fetch", "--json"]);
    assert!(statuses(&replaced).contains(&("epsf".into(), "replaced".into())), "{}", replaced.stdout);
    assert_eq!(statuses(&calibration(None, folder, &["status", "--json"])).len(), 4);
}

#[test]
fn nothing_is_lost_where_the_archive_or_the_disk_fails() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let online = archive();
    let only = ["--kinds", "l3_flux_corrections"];
    assert_eq!(calibration(Some(&online), folder, &[&["fetch"], &only[..]].concat()).code, Some(0));
    let path = cached(folder, "l3_flux_corrections");
    let before = fs::read(&path).unwrap();
    // Without the archive, the fetch fails and leaves what is there.
    drop(online);
    let gone = ["--archive-url", "http://127.0.0.1:9"];
    let failed = calibration(None, folder, &[&["fetch"], &only[..], &gone[..]].concat());
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(calibration(None, folder, &["status"]).code, Some(0));
    // A cache that cannot be made.
    fs::write(folder.join("file"), "").unwrap();
    let online = archive();
    let nowhere = ["--directory", "file/cache"];
    let failed = calibration(Some(&online), folder, &[&["fetch"], &only[..], &nowhere[..]].concat());
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("file/cache"), "{}", failed.stderr);
}
