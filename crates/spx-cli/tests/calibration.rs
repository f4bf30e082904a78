//! `spx calibration`, and what commands do with the products that it fetches: caches that are
//! absent, damaged, half fetched or not to be written, without network.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use spx_core::detector::Detector;
use spx_serve::{Faults, LocalArchive};
use spx_sim::{
    ExposureOptions, FrameExtent, RealisticOptions, SimulatedRelease, SimulatedSky, SurveyOptions, observe,
    survey, write_calibration, write_mef, write_qr2_calibration,
};
use tools::local::{PLACE, serve};
use tools::{Run, command, spx};

mod tools;

/// The products of D5 of both releases in the layout of the archive; made once and kept in the
/// target directory.
fn products() -> &'static Path {
    static PRODUCTS: OnceLock<PathBuf> = OnceLock::new();
    PRODUCTS.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("calibration-products-of-both");
        if !place.exists() {
            let new = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let (detector, whole) = (Detector::new(5).unwrap(), new.path().join("whole"));
            write_calibration(&whole, detector, &RealisticOptions::default()).unwrap();
            write_qr2_calibration(&whole, detector).unwrap();
            // Another test may have been faster; its files are the same.
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
    // Those of Quick Release 2 are there, too, and older.
    let old = products()
        .join("qr2/spectral_wcs/cal-wcs-v4-2025-254/5/spectral_wcs_D5_spx_cal-wcs-v4-2025-254.fits");
    assert!(old.is_file());
    assert!(
        listed.json().as_array().unwrap().iter().all(|entry| entry["release"] == "qr3"),
        "{}",
        listed.stdout
    );

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
    // Notes that cannot be written: what was fetched stays, and is taken for whole later.
    let online = archive();
    fs::remove_file(folder.join("cache/spx/calibration/products.toml")).unwrap();
    fs::create_dir(folder.join("cache/spx/calibration/products.toml")).unwrap();
    let failed = calibration(Some(&online), folder, &["fetch", "--kinds", "epsf"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("products.toml"), "{}", failed.stderr);
    fs::remove_dir(folder.join("cache/spx/calibration/products.toml")).unwrap();
    let again = calibration(Some(&online), folder, &["fetch", "--kinds", "epsf", "--json"]);
    assert_eq!(statuses(&again), [("epsf".to_owned(), "present".to_owned())], "{}", again.stderr);
    drop(online);
    // A cache that cannot be made.
    fs::write(folder.join("file"), "").unwrap();
    let online = archive();
    let nowhere = ["--directory", "file/cache"];
    let failed = calibration(Some(&online), folder, &[&["fetch"], &only[..], &nowhere[..]].concat());
    assert_eq!(failed.code, Some(2), "{}", failed.stderr);
    assert!(failed.stderr.contains("file/cache"), "{}", failed.stderr);
}

/// A fetch that is killed leaves half a file under another name, or the old one out of the way.
#[test]
fn a_fetch_that_was_killed_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let online = archive();
    let only = ["fetch", "--kinds", "solid_angle_pixel_map", "--json"];
    assert_eq!(calibration(Some(&online), folder, &only).code, Some(0));
    let path = cached(folder, "solid_angle_pixel_map");
    let whole = fs::read(&path).unwrap();
    let hidden = |ending: &str| {
        path.with_file_name(format!(".{}.{ending}", path.file_name().unwrap().to_str().unwrap()))
    };
    // Half of it has arrived.
    fs::remove_file(&path).unwrap();
    fs::write(hidden("part"), &whole[..whole.len() / 2]).unwrap();
    calibration(None, folder, &["status"]).fails(3, &["no calibration products"]);
    let again = calibration(Some(&online), folder, &only);
    assert_eq!(statuses(&again), [("solid_angle_pixel_map".to_owned(), "fetched".to_owned())]);
    assert!(fs::read(&path).unwrap() == whole);
    // It was to be replaced when the fetch was killed.
    fs::rename(&path, hidden("old")).unwrap();
    let again = calibration(Some(&online), folder, &only);
    assert_eq!(statuses(&again), [("solid_angle_pixel_map".to_owned(), "present".to_owned())]);
    assert!(fs::read(&path).unwrap() == whole);
    let names = tools::names(path.parent().unwrap());
    assert_eq!(names, [path.file_name().unwrap().to_str().unwrap()], "nothing is left behind");
    // It was whole, but the version not noted, without which a newer one is not noticed.
    let notes = folder.join("cache/spx/calibration/products.toml");
    let text = fs::read_to_string(&notes).unwrap();
    fs::remove_file(&notes).unwrap();
    assert_eq!(calibration(Some(&online), folder, &only).code, Some(0));
    assert_eq!(fs::read_to_string(&notes).unwrap(), text);
}

/// An image of D5 of either release in `images`.
fn images(folder: &Path) {
    let position = spx_core::sky::Position::new(186.4536, 33.5468).unwrap();
    let detectors = vec![Detector::new(5).unwrap()];
    let plan = SurveyOptions { observations: 2, detectors, ..SurveyOptions::default() };
    fs::create_dir(folder.join("images")).unwrap();
    let releases = [SimulatedRelease::Qr2, SimulatedRelease::Qr3];
    for (pointing, release) in survey(position, &plan).unwrap().iter().zip(releases) {
        let frame = FrameExtent::Around { position, size: 48 };
        let realism = Some(RealisticOptions { gain_error: true, ..RealisticOptions::default() });
        let options = ExposureOptions { release, frame, realism, ..ExposureOptions::default() };
        let exposure = observe(&SimulatedSky::default(), pointing, &options).unwrap();
        write_mef(&folder.join("images").join(pointing.file_name(release)), &exposure, false).unwrap();
    }
}

/// The status and reason of each image, that of Quick Release 2 first.
fn measured(run: &Run) -> Vec<(String, String)> {
    let report = run.json();
    let mut rows: Vec<&Value> = report["photometry"].as_array().unwrap().iter().collect();
    rows.sort_by_key(|row| row["file"].as_str().unwrap().contains("-v27-"));
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.into_iter().map(|row| (text(row, "status"), text(row, "reason"))).collect()
}

#[test]
fn what_uses_the_products_does_without_them_and_names_those_that_are_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    images(folder);
    let photometry = || spx(folder, &[&["photometry", "images", "--json"], &PLACE[..]].concat());
    let fluxes = |run: &Run| -> Vec<String> {
        let report = run.json();
        let rows = report["photometry"].as_array().unwrap().iter();
        rows.map(|row| row["flux_correction"].as_str().unwrap_or_default().to_owned()).collect()
    };
    // Without a cache, and with a file or a file without rights in its place, images are measured
    // as they are, and the user is told.
    for place in ["cache", "cache/spx", "cache/spx/calibration"] {
        let run = photometry();
        assert_eq!((run.code, fluxes(&run)), (Some(0), vec!["missing".into(), "not_needed".into()]));
        assert!(run.stderr.contains("spx calibration fetch"), "{}", run.stderr);
        let place = folder.join(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, "not a directory").unwrap();
        let run = photometry();
        assert_eq!((run.code, fluxes(&run)), (Some(0), vec!["missing".into(), "not_needed".into()]));
        fs::remove_file(&place).unwrap();
    }
    let online = archive();
    assert_eq!(calibration(Some(&online), folder, &["fetch"]).code, Some(0));
    let run = photometry();
    assert_eq!(fluxes(&run), ["applied", "not_needed"], "{}", run.stderr);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);

    // A directory from which nobody may write is read all the same. (Root may write everywhere.)
    let directory = folder.join("cache/spx/calibration");
    let rights = fs::metadata(&directory).unwrap().permissions();
    let mut read_only = rights.clone();
    read_only.set_readonly(true);
    fs::set_permissions(&directory, read_only).unwrap();
    let writable = fs::write(directory.join("probe"), "").is_ok();
    assert_eq!(fluxes(&photometry()), ["applied", "not_needed"]);
    let fetched = calibration(Some(&online), folder, &["fetch", "--json"]);
    if writable {
        println!("skipped: this user may write into a directory that is read-only");
        fs::remove_file(directory.join("probe")).unwrap();
        assert_eq!(statuses(&fetched), all("present"));
    } else {
        assert_eq!(fetched.code, Some(1), "{}", fetched.stderr);
        assert!(fetched.stderr.contains("cache/spx/calibration"), "{}", fetched.stderr);
    }
    fs::set_permissions(&directory, rights).unwrap();

    // A product that is damaged stops those images that need it, and says what to do.
    let damaged = cached(folder, "l3_flux_corrections");
    let whole = fs::read(&damaged).unwrap();
    fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let run = photometry();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let rows = measured(&run);
    assert_eq!((rows[0].0.as_str(), rows[1].0.as_str()), ("failed", "used"), "{rows:?}");
    for word in ["l3_flux_corrections_D5", "spx calibration status", "`fetch` replaces damaged ones"] {
        assert!(rows[0].1.contains(word), "{rows:?}");
    }
    let region = ["drizzle", "--width=3", "--height=3", "--detector=5", "--input=images", "-o", "out"];
    let cube = spx(folder, &[&region[..], &PLACE, &["--json"]].concat());
    assert_eq!(cube.code, Some(1), "{}", cube.stderr);
    let report = &cube.json()[0];
    assert_eq!((&report["used"], &report["failed"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(calibration(Some(&online), folder, &["fetch"]).code, Some(0));
    assert_eq!(fluxes(&photometry()), ["applied", "not_needed"]);
}

#[test]
fn without_a_place_for_caches_a_directory_must_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut status = command(folder.path(), &["calibration", "status"]);
    let output = status.env_remove("XDG_CACHE_HOME").env_remove("HOME").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--directory"), "{told}");
}

#[test]
fn a_directory_that_is_named_has_products_under_any_path_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    images(folder);
    let online = archive();
    assert_eq!(calibration(Some(&online), folder, &["fetch"]).code, Some(0));
    fs::rename(folder.join("cache/spx/calibration"), folder.join("as-archived")).unwrap();
    fs::create_dir_all(folder.join("flat")).unwrap();
    for family in ["spectral_wcs", "epsf", "l3_flux_corrections", "solid_angle_pixel_map"] {
        for file in walkdir::WalkDir::new(folder.join("as-archived/qr3").join(family)).into_iter().flatten() {
            if file.file_type().is_file() {
                fs::hard_link(file.path(), folder.join("flat").join(file.file_name())).unwrap();
            }
        }
    }
    fs::create_dir_all(folder.join("empty/qr3/spectral_wcs")).unwrap();
    let measure = |choice: &str| {
        let arguments = ["photometry", "images", "--calibration", choice, "--json"];
        spx(folder, &[&arguments[..], &PLACE[..]].concat())
    };
    let archived = measure("as-archived");
    assert_eq!(archived.code, Some(0), "{}", archived.stderr);
    let corrections = |run: &Run| -> Vec<Value> {
        let report = run.json();
        report["photometry"].as_array().unwrap().iter().map(|row| row["flux_correction"].clone()).collect()
    };
    assert!(corrections(&archived).contains(&"applied".into()), "{}", archived.stdout);
    assert_eq!(measure("flat").json()["photometry"], archived.json()["photometry"]);
    measure("empty").fails(2, &["calibration = empty", "spectral_wcs_D*.fits", "spx calibration fetch"]);
    measure("nowhere").fails(2, &["calibration = nowhere", "not a directory"]);
}
