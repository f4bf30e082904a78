//! `spx doctor` as a user runs it: with an archive, without one, and where nothing answers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::path::Path;

use serde_json::Value;
use spx_serve::Faults;
use tools::local::serve;
use tools::{Run, spx};

fn doctor(folder: &Path, options: &[&str]) -> (Run, Value) {
    let run = spx(folder, &[&["doctor", "--json"], options].concat());
    let report = serde_json::from_str(&run.stdout).unwrap();
    (run, report)
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn all_is_told_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (run, report) = doctor(folder.path(), &["--offline"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(report["checks"].as_array().unwrap().iter().all(|check| check["name"] != "archive"));
    for name in ["machine", "memory", "disk", "environment", "proxy"] {
        assert!(!check(&report, name)["found"].as_str().unwrap().is_empty());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let text = spx(folder.path(), &["doctor", "--offline"]);
    assert!(
        text.stdout.starts_with("version      spx ") && text.stdout.contains("\nmemory "),
        "{}",
        text.stdout
    );
}

#[test]
fn an_archive_answers_or_does_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    let archive = serve(&folder.path().join("files"), Faults::default());
    let (run, report) = doctor(folder.path(), &["--archive-url", &archive.url()]);
    assert_eq!((run.code, &check(&report, "archive")["status"]), (Some(0), &"fine".into()), "{report}");
    drop(archive);
    // Nobody listens at the port that is meant for throwing away.
    let (run, report) = doctor(folder.path(), &["--archive-url", "http://127.0.0.1:9"]);
    let found = check(&report, "archive");
    assert_eq!((run.code, &found["status"]), (Some(1), &"failed".into()), "{report}");
    assert!(found["advice"].as_str().unwrap().contains("--offline"));
}

#[test]
fn output_needs_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let (run, report) = doctor(folder.path(), &["--offline", "-o", "file"]);
    assert_eq!(
        (run.code, &check(&report, "disk")["found"]),
        (Some(1), &"output directory file: file is not a directory".into())
    );
}
