//! `--dry-run`: what commands would do, without doing anything.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;

use serde_json::Value;
use spx_serve::RequestKind;
use tempfile::tempdir;
use tools::local::{OBSERVATIONS, PLACE, archive, images};
use tools::{done, names, spx};

const IMAGES: u64 = 2 * OBSERVATIONS as u64;

#[test]
fn nothing_is_fetched_or_written() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    fs::write(folder.path().join("c.csv"), "id,ra,dec\na,186.4536,33.5468\nb,186.45,33.54\nfar,10,-60\n")
        .unwrap();
    let url = format!("--archive-url={}", archive.url());
    let forecast = |arguments: &[&str]| -> Value {
        let all = [arguments, &["-o", "out", "--dry-run", "--json"]].concat();
        let report = spx(folder.path(), &all).succeeds().json();
        assert_eq!(names(folder.path()), ["c.csv"], "{arguments:?}");
        assert_eq!(report["output_dir"], "out");
        assert!(report["free_bytes"].as_u64().unwrap() > 0);
        report
    };
    let number = |report: &Value, key: &str| report[key].as_u64().unwrap();
    let place = |command| [command, PLACE[0], PLACE[1], url.as_str()];
    let whole = forecast(&place("download"));
    assert_eq!((number(&whole, "images"), number(&whole, "to_fetch")), (IMAGES, IMAGES));
    let cutouts = forecast(&[&place("run")[..], &["--cutout-size=24px"]].concat());
    assert_eq!((number(&cutouts, "to_fetch"), number(&cutouts, "sources")), (IMAGES, 1));
    assert!(number(&cutouts, "fetch_bytes") < IMAGES * 10_000_000);
    let listed = forecast(&["run", "--targets=c.csv", "--cutout-size=24px", &url]);
    assert_eq!((number(&listed, "to_fetch"), number(&listed, "sources")), (2 * IMAGES, 3));
    let batch =
        forecast(&[&place("batch")[..], &["--catalog=c.csv", "--radius=0.05", "--bands=D3"]].concat());
    assert_eq!((number(&batch, "images"), number(&batch, "sources")), (IMAGES / 2, 3));
    let cube = forecast(&[&place("drizzle")[..], &["--width=2", "--height=2"]].concat());
    assert_eq!((number(&cube, "images"), cube["products"].as_array().unwrap().len()), (IMAGES, 6));
    assert!(number(&cube, "memory_bytes") > 1_000_000);
    let near = ["--grid=hp8", "--radius=0.05", "--detectors=1,3"];
    let planned = forecast(&[&["survey", "plan", PLACE[0], PLACE[1], &url], &near[..]].concat());
    assert_eq!((number(&planned, "images"), number(&planned, "to_fetch")), (IMAGES, IMAGES));
    let local = format!("--input={}", images().display());
    let hips = forecast(&["hips", "--wave=1.6..2.4", "--order=3", &local]);
    assert_eq!((number(&hips, "images"), number(&hips, "fetch_bytes")), (IMAGES / 2, 0));
    assert!(number(&hips, "memory_bytes") > 1_000_000);
    let mirror = format!("--data-mirror={}", images().display());
    let mirrored = forecast(&[&place("download")[..], &[&mirror]].concat());
    assert_eq!((number(&mirrored, "at_hand"), number(&mirrored, "fetch_bytes")), (IMAGES, 0));
    let log = archive.log();
    assert_eq!((log.of_kind(RequestKind::File), log.of_kind(RequestKind::Cutout)), (0, 0));
}

#[test]
fn what_is_at_hand_is_told() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let url = format!("--archive-url={}", archive.url());
    let command = ["run", PLACE[0], PLACE[1], &url, "--cutout-size=24px", "-o", "out", "--bands=D3"];
    done(folder.path(), &command);
    let text = spx(folder.path(), &[&command[..], &["--dry-run"]].concat()).succeeds().stdout;
    assert!(text.contains("images    3, 3 of them local\nto fetch  nothing\n"), "{text}");
    let input = format!("--input={}", images().display());
    let local = ["drizzle", PLACE[0], PLACE[1], "--width=2", "--height=2", &input, "--dry-run"];
    let text = spx(folder.path(), &local).succeeds().stdout;
    assert!(text.contains("drizzle_D1.fits, ") && text.contains("drizzle_D3.fits, "), "{text}");
    assert!(text.contains(" voxels\n") && !text.contains("drizzle_D2"), "{text}");
    assert!(!folder.path().join("output").exists());
    let wrong = ["drizzle", PLACE[0], PLACE[1], "--width=2", &input, "--dry-run"];
    assert_eq!(spx(folder.path(), &wrong).code, Some(2));
}
