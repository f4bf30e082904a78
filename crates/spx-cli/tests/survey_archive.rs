//! `spx survey` of frames that lie in an archive: found by one query, fetched when a job needs
//! them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use spx_serve::{Faults, RequestKind};
use tempfile::{TempDir, tempdir};
use tools::local::{OBSERVATIONS, archive, first_of, images, linked, serve, tree};
use tools::{Run, names, spx, unity_file};

fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    let settings = format!("flux_corrections = [{:?}]\n", unity_file());
    fs::write(folder.path().join("drizzle.toml"), settings).unwrap();
    fs::write(folder.path().join("batch.toml"), "catalog = \"stars.csv\"\n").unwrap();
    fs::write(folder.path().join("stars.csv"), "id,ra,dec\n1,186.4536,33.5468\n2,186.45,33.54\n").unwrap();
    folder
}

/// Plans a survey of the place of the images.
fn plan(folder: &Path, frames: &str, output: &str) -> Run {
    let place = ["--grid=hp11", "--ra=186.4536", "--dec=33.5468", "--radius=0.02", "--detectors=1,3"];
    let start = [
        "survey",
        "plan",
        "-q",
        "--json",
        "--drizzle=drizzle.toml",
        "--photometry=batch.toml",
        frames,
        "-o",
        output,
    ];
    spx(folder, &[&start[..], &place].concat())
}

fn do_jobs(folder: &Path, survey: &str, more: &[&str]) -> Run {
    spx(folder, &[&["survey", "do", survey, "-q", "--json"], more].concat())
}

/// Cubes, sums and parts of light curves by their names.
fn products(survey: &Path) -> BTreeMap<String, Vec<u8>> {
    let parts = tree(&survey.join("catalog/dataset"));
    assert!(parts.len() > 2, "{:?}", parts.keys());
    let kinds = ["out", "sums"].into_iter();
    let paths =
        kinds.flat_map(|kind| names(&survey.join(kind)).into_iter().map(move |n| format!("{kind}/{n}")));
    paths.map(|path| (path.clone(), fs::read(survey.join(path)).unwrap())).chain(parts).collect()
}

/// The detectors of the frames in a directory.
fn detectors(directory: &Path) -> Vec<String> {
    let files = tree(directory).into_keys().filter(|path| path.ends_with(".fits"));
    let detector =
        |path: String| path.split("_spx").next().unwrap()[path.find("_spx").unwrap() - 2..].to_owned();
    files.map(detector).collect()
}

#[test]
fn frames_are_found_by_one_query_and_shared_by_jobs() {
    let (archive, folder) = (archive(), folder());
    let folder = folder.path();
    let at_hand = plan(folder, &format!("--input={}", images().display()), "local").succeeds().json();
    let asked = plan(folder, &format!("--archive-url={}", archive.url()), "remote").succeeds().json();
    let log = archive.log();
    assert_eq!((log.of_kind(RequestKind::TapSync), log.of_kind(RequestKind::File)), (1, 0));
    for key in ["tiles", "jobs", "frames", "listed"] {
        assert_eq!(asked[key], at_hand[key], "{key}");
    }
    assert_eq!(asked["bytes_in"], at_hand["bytes_in"], "the archive tells sizes");
    do_jobs(folder, "local", &[]).succeeds();
    // Room for the frames of one detector.
    let most = format!("--scratch-max={}", 20e6 / 1.074e9);
    let done = do_jobs(folder, "remote", &["--scratch=node", &most]).succeeds().json();
    assert!(done.as_array().unwrap().iter().all(|job| job["outcome"] == "done"), "{done}");
    assert!(products(&folder.join("remote")) == products(&folder.join("local")), "the same bytes");
    let jobs = done.as_array().unwrap();
    let last = jobs.last().unwrap()["job"].as_str().unwrap();
    let last = if last.contains("_D1") { "D1" } else { "D3" };
    assert_eq!(detectors(&folder.join("node")), vec![last; OBSERVATIONS]);
    assert_eq!(names(&folder.join("remote/work")), [""; 0]);
    // Nothing is fetched where nothing is to be done.
    let before = archive.log().of_kind(RequestKind::File);
    plan(folder, &format!("--archive-url={}", archive.url()), "remote").succeeds();
    do_jobs(folder, "remote", &["--scratch=node"]).succeeds();
    assert_eq!(archive.log().of_kind(RequestKind::File), before);
}

#[test]
fn a_frame_that_cannot_be_had_is_told_and_tried_again() {
    let (site, folder) = (linked(), folder());
    let (folder, frame) = (folder.path(), site.path().join(first_of("D1")));
    let archive = serve(site.path(), Faults::default());
    plan(folder, &format!("--archive-url={}", archive.url()), "survey").succeeds();
    let aside = site.path().join("aside");
    fs::rename(&frame, &aside).unwrap();
    let run = do_jobs(folder, "survey", &[]);
    assert_eq!(run.code, Some(1));
    let name = frame.file_name().unwrap().to_str().unwrap();
    let failed = |job: &&Value| job["outcome"] == "failed";
    for job in run.json().as_array().unwrap().iter().filter(failed) {
        let reason = job["reason"].as_str().unwrap();
        assert!(reason.contains(name) && reason.contains("404"), "{reason}");
        assert!(job["job"].as_str().unwrap().contains("_D1"), "{job}");
    }
    fs::rename(&aside, &frame).unwrap();
    // It is earlier than those in the sums, of which a warning tells.
    let again = do_jobs(folder, "survey", &[]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let again = again.json();
    let outcomes: Vec<&str> =
        again.as_array().unwrap().iter().map(|job| job["outcome"].as_str().unwrap()).collect();
    assert!(outcomes.contains(&"done") && outcomes.contains(&"skipped"), "{outcomes:?}");
    assert_eq!(detectors(&folder.join("survey/scratch")).len(), 2 * OBSERVATIONS);
}

#[test]
fn a_mirror_is_read_where_it_is() {
    let (archive, mirror, folder) = (archive(), tempdir().unwrap(), folder());
    let (mirror, folder) = (mirror.path(), folder.path());
    for path in tree(images()).keys() {
        fs::create_dir_all(mirror.join(path).parent().unwrap()).unwrap();
        fs::copy(images().join(path), mirror.join(path)).unwrap();
        let file = fs::File::options().append(true).open(mirror.join(path)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
    }
    plan(folder, &format!("--archive-url={}", archive.url()), "survey").succeeds();
    let settings = folder.join("survey/survey.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("data_mirror = {:?}\n{text}", mirror.display().to_string())).unwrap();
    do_jobs(folder, "survey", &["--scratch-max=0.01"]).succeeds();
    assert_eq!(archive.log().of_kind(RequestKind::File), 0);
    assert_eq!(detectors(&folder.join("survey/scratch")), [""; 0]);
    for path in tree(mirror).keys() {
        let time = fs::metadata(mirror.join(path)).unwrap().modified().unwrap();
        assert_eq!(time, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000), "{path}");
    }
}

#[test]
fn what_does_not_go_is_refused() {
    let (archive, folder) = (archive(), folder());
    let folder = folder.path();
    let address = format!("--archive-url={}", archive.url());
    let more = |more: &[&str]| {
        let start = ["survey", "plan", &address, "--ra=186.4536", "--dec=33.5468", "--detectors=1"];
        spx(folder, &[&start[..], more].concat())
    };
    more(&["--radius=0.1", "--frames=a.tsv", "--input=frames"]).fails(2, &["--input and --frames"]);
    more(&["--radius=0.1", "--grid=hp11", "--max-images=1"]).fails(2, &["3", "--max-images allows more"]);
    more(&["--radius=50"]).fails(2, &["radius", "30"]);
    assert_eq!(do_jobs(folder, "survey", &["--scratch-max=0"]).code, Some(2));
}
