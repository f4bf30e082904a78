//! Images of both releases together: which is used, on which scale, and what is told.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use spx_core::detector::Detector;
use spx_core::fits::FitsReader;
use spx_core::header::Header;
use spx_core::sky::Position;
use spx_sim::{
    ExposureOptions, FrameExtent, RealisticOptions, SimulatedRelease, SimulatedSky, SimulatedStar,
    SurveyOptions, observe, survey, write_calibration, write_mef,
};
use tools::{Run, spx};

mod tools;

const PLACE: [&str; 2] = ["--ra=186.4536", "--dec=33.5468"];
/// Observations of each release.
const EACH: usize = 2;

/// Images of D5 in `images`, each pointing once of either release, under other names of the
/// observation, and the calibration products in `products`. Made once and kept in the target
/// directory. Without noise, so that fluxes tell the scale alone.
fn world() -> &'static Path {
    static WORLD: OnceLock<PathBuf> = OnceLock::new();
    WORLD.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mixed-releases");
        if !place.exists() {
            let new = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let world = new.path().join("world");
            simulate(&world);
            // Another test may have been faster; its files are the same.
            fs::rename(world, &place).ok();
        }
        place
    })
}

fn simulate(world: &Path) {
    let center = Position::new(186.4536, 33.5468).unwrap();
    let detector = Detector::new(5).unwrap();
    let star = SimulatedStar { id: "S".into(), position: center, flux_2um: 30_000.0, slope: 0.0 };
    let sky = SimulatedSky { stars: vec![star], ..SimulatedSky::default() };
    let realism = RealisticOptions { gain_error: true, noisy_image: false, ..RealisticOptions::default() };
    let plan = SurveyOptions { observations: EACH, detectors: vec![detector], ..Default::default() };
    fs::create_dir_all(world.join("images")).unwrap();
    for mut pointing in survey(center, &plan).unwrap() {
        for release in [SimulatedRelease::Qr2, SimulatedRelease::Qr3] {
            let frame = FrameExtent::Around { position: center, size: 48 };
            let realism = Some(realism.clone());
            let options = ExposureOptions { release, frame, realism, ..Default::default() };
            let exposure = observe(&sky, &pointing, &options).unwrap();
            let file = world.join("images").join(pointing.file_name(release));
            write_mef(&file, &exposure, false).unwrap();
            pointing.obs_id = pointing.obs_id.replace("_1A_", "_1B_");
        }
    }
    write_calibration(&world.join("products"), detector, &realism).unwrap();
}

fn photometry(folder: &Path, more: &[&str]) -> Run {
    let images = world().join("images");
    spx(folder, &[&["photometry"], &PLACE[..], &[images.to_str().unwrap()], more].concat())
}

fn products() -> String {
    format!("--calibration={}", world().join("products").display())
}

/// A column of a table, one release after the other.
fn column(csv: &str, name: &str) -> [Vec<String>; 2] {
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| header.iter().position(|n| *n == name).unwrap();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    ["qr2", "qr3"].map(|release| {
        let of_it = rows.iter().filter(|row| row[at("release")] == release);
        of_it.map(|row| row[at(name)].to_owned()).collect()
    })
}

fn numbers(csv: &str, name: &str) -> [Vec<f64>; 2] {
    column(csv, name).map(|column| column.iter().map(|text| text.parse().unwrap()).collect())
}

#[test]
fn products_bring_both_releases_to_one_scale() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let corrected = photometry(folder, &[&products()]);
    assert_eq!(corrected.code, Some(0), "{}", corrected.stderr);
    assert!(!corrected.stderr.contains("pipeline 6"), "{}", corrected.stderr);
    let table = &corrected.stdout;
    assert_eq!(column(table, "flux_correction"), [vec!["applied"; EACH], vec!["not_needed"; EACH]]);
    assert_eq!(column(table, "wavelength_source"), [vec!["calibration"; EACH], vec!["calibration"; EACH]]);
    let [old, new] = numbers(table, "flux");
    for (old, new) in old.iter().zip(&new) {
        assert!((new / old - 1.0).abs() < 0.003, "{old} {new}");
    }
    let [old, new] = numbers(table, "wavelength");
    assert!(old.iter().zip(&new).all(|(a, b)| (a - b).abs() < 1e-6), "{old:?} {new:?}");

    let raw = photometry(folder, &["--calibration=none", "--no-shift-wavelengths"]);
    assert_eq!(raw.code, Some(0), "{}", raw.stderr);
    for word in ["2 images of pipeline 6", "l3_flux_corrections", "spx calibration fetch"] {
        assert!(raw.stderr.contains(word), "{}", raw.stderr);
    }
    assert_eq!(column(&raw.stdout, "flux_correction")[0], vec!["missing"; EACH]);
    let [old, new] = numbers(&raw.stdout, "flux");
    // The gain of D5 is off by up to 2.9 %.
    let step = old.iter().zip(&new).map(|(old, new)| (new / old - 1.0).abs()).fold(0.0, f64::max);
    assert!((0.004..0.035).contains(&step), "{old:?} {new:?}");
    let [old, new] = numbers(&raw.stdout, "wavelength");
    for (old, new) in old.iter().zip(&new) {
        assert!((new - old - 0.0064).abs() < 1e-4, "{old} {new}");
    }
    let shifted = photometry(folder, &["--calibration=none"]).stdout;
    assert_eq!(column(&shifted, "wavelength_source"), [vec!["shifted"; EACH], vec!["table"; EACH]]);
    let [old, new] = numbers(&shifted, "wavelength");
    assert!(old.iter().zip(&new).all(|(a, b)| (a - b).abs() < 1e-4), "{old:?} {new:?}");
}

fn drizzle(folder: &Path, more: &[&str]) -> Run {
    let images = world().join("images");
    let region = ["--width=3", "--height=3", "--detector=5", "-o", "out", "--overwrite", "--input"];
    spx(folder, &[&["drizzle"], &PLACE[..], &region[..], &[images.to_str().unwrap()], more].concat())
}

fn cards(path: &Path) -> Header {
    FitsReader::open(path).unwrap().header().unwrap()
}

#[test]
fn cubes_say_what_went_in_and_sums_take_one_scale() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cube = folder.join("out/drizzle_D5.fits");
    let run = drizzle(folder, &[&products()]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(!run.stderr.contains("pipeline 6"), "{}", run.stderr);
    let header = cards(&cube);
    assert_eq!((header.text("RELEASES"), header.integer("N_QR2")), (Ok("qr2,qr3"), Ok(2)));
    assert_eq!(header.text("FLUXCORR"), Ok("applied,not_needed"));
    assert_eq!(header.text("WAVESRC"), Ok("calibration"));
    assert_eq!(header.get("MIXSCALE"), Some(&false.into()));

    let run = drizzle(folder, &["--calibration=none"]);
    assert!(run.stderr.contains("l3_flux_corrections"), "{}", run.stderr);
    let header = cards(&cube);
    assert_eq!(header.get("MIXSCALE"), Some(&true.into()));
    assert_eq!(header.text("WAVESRC"), Ok("shifted,table"));

    // One release at a time.
    let run = drizzle(folder, &["--calibration=none", "--release=qr3", "--json"]);
    let report = &run.json()[0];
    assert_eq!((&report["used"], &report["rejected"]), (&2.into(), &2.into()), "{report}");
    assert_eq!(cards(&cube).text("RELEASES"), Ok("qr3"));

    drizzle(folder, &["--release=any"]).fails(2, &["twice"]);

    // Sums of images as they are take no corrected ones, nor those of the other release.
    let sums = ["--accumulate=sums.fits", "--calibration=none"];
    let run = drizzle(folder, &[&sums[..], &["--release=qr2"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let mixed = drizzle(folder, &[&sums[..], &["--release=qr3"]].concat());
    assert_eq!(mixed.code, Some(2), "{}", mixed.stderr);
    assert!(mixed.stderr.contains("one flux scale"), "{}", mixed.stderr);
    // With the corrections both go in, and the sums remember what was done.
    let sums = ["--accumulate=scale.fits", &products()];
    for release in ["qr2", "qr3"] {
        let run = drizzle(folder, &[&sums[..], &[&format!("--release={release}")]].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    let header = cards(&cube);
    assert_eq!(header.text("FLUXCORR"), Ok("applied,not_needed"));
    assert_eq!(header.text("RELEASES"), Ok("qr2,qr3"));
}

#[test]
fn of_an_exposure_in_both_releases_the_newer_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    // The images of the second observation's name in the cards are those of Quick Release 3; an
    // older processing of the same exposure stands in for the image of Quick Release 2.
    let newest = fs::read_dir(world().join("images")).unwrap().map(|entry| entry.unwrap().path());
    let newest = newest.filter(|path| path.to_str().unwrap().contains("_1B_")).min().unwrap();
    let name = newest.file_name().unwrap().to_str().unwrap().to_owned();
    let old = name.replace("l2b-v27-2026-222", "l2b-v24-2027-001");
    let retry = name.replace("l2b-v", "l2b_retry-v");
    assert_ne!(old, name);
    for (file, version) in
        [(name.as_str(), "7.0.5"), (&old, "6.5.6"), (&retry, "7.0.5"), ("copy.fits", "7.0.5")]
    {
        let mut bytes = fs::read(&newest).unwrap();
        let at = bytes.windows(7).position(|w| w == b"'7.0.5 ").unwrap();
        bytes[at + 1..at + 6].copy_from_slice(version.as_bytes());
        fs::write(data.join(file), bytes).unwrap();
    }
    let run = spx(folder, &[&["photometry"], &PLACE[..], &["data", "--json"]].concat());
    let rows = run.json();
    let rows = rows["photometry"].as_array().unwrap();
    let used: Vec<&str> =
        rows.iter().filter(|row| row["status"] == "used").map(|row| row["file"].as_str().unwrap()).collect();
    assert_eq!(used, [format!("data/{retry}")], "{rows:?}");
    assert_eq!(rows.len(), 4);

    fs::write(folder.join("catalog.csv"), "targetid,ra,dec\n1,186.4536,33.5468\n").unwrap();
    let run = spx(folder, &["batch", "--catalog=catalog.csv", "--input=data", "-o", "batch", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let curve = fs::read_to_string(folder.join("batch/lightcurves/1.csv")).unwrap();
    assert_eq!(curve.lines().count(), 2, "{curve}");
    assert!(curve.contains(&retry) && curve.contains(",qr3,7.0.5,l2b_retry-v27-2026-222,"), "{curve}");

    let region = ["--width=3", "--height=3", "--detector=5", "--input=data", "-o", "out", "--json"];
    let run = spx(folder, &[&["drizzle"], &PLACE[..], &region[..]].concat());
    let report = &run.json()[0];
    assert_eq!((&report["used"], &report["rejected"]), (&1.into(), &3.into()), "{report}");
    let inputs = report["inputs"].as_array().unwrap();
    let kept = inputs.iter().find(|input| input["status"] == "used").unwrap();
    assert_eq!((&kept["file"], &kept["release"]), (&retry.as_str().into(), &"qr3".into()));

    // Nobody knows what files of a later pipeline mean.
    let mut bytes = fs::read(&newest).unwrap();
    let at = bytes.windows(7).position(|w| w == b"'7.0.5 ").unwrap();
    bytes[at + 1..at + 6].copy_from_slice(b"8.1.0");
    fs::write(folder.join("later.fits"), bytes).unwrap();
    let run = spx(folder, &[&["photometry"], &PLACE[..], &["later.fits"]].concat());
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stdout.contains("VERSION is 8.1.0"), "{}", run.stdout);
}
