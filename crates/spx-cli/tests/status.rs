//! `spx run --status` knows what a run that resumes would repeat, and why.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;

use serde_json::{Value, json};
use tempfile::tempdir;
use tools::local::{PLACE, archive, tree};
use tools::{names, spx};

#[test]
fn what_is_stale_is_told_with_its_reason() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let url = format!("--archive-url={}", archive.url());
    let near = "id,ra,dec\nA,186.4600,33.5468\n";
    fs::write(folder.path().join("near.csv"), near).unwrap();
    let run = |more: &[&str]| {
        let given =
            ["run", "--name=a", "--bands=D3", "--cutout-size=40px", "-o=out", "--neighbors=near.csv", &url];
        spx(folder.path(), &[&given[..], &PLACE, more].concat())
    };
    assert_eq!(run(&[]).code, Some(0));
    let status = |more: &[&str]| -> Value {
        let before = tree(&folder.path().join("out"));
        let status =
            spx(folder.path(), &[&["run", "--name=a", "-o=out", "--status", "--json"], more].concat());
        assert!(tree(&folder.path().join("out")) == before, "a status changes nothing");
        let status = status.succeeds().json();
        assert_eq!(status["done"].as_array().unwrap().len(), 4);
        status["stale"].clone()
    };
    let stale = |stage: &str, why: &str| {
        let stages = ["query", "download", "processing", "visualization"];
        let from = stages.iter().position(|s| *s == stage).unwrap();
        let behind =
            stages[from + 1..].iter().map(|s| ((*s).to_owned(), json!(format!("it depends on {stage}"))));
        Value::Object(behind.chain([(stage.to_owned(), json!(why))]).collect())
    };
    let changed = "its parameters have changed";
    assert_eq!(status(&[]), json!({}));
    assert_eq!(status(&["--use-magnitude"]), stale("visualization", changed));
    assert_eq!(
        status(&["--fwhm-multiplier=3"]),
        stale("processing", &format!("{changed} (fwhm_multiplier)"))
    );
    assert_eq!(status(&["--cutout-size=30px"]), stale("download", changed));
    assert_eq!(status(&["--bands=D1"]), stale("query", changed));

    fs::write(folder.path().join("near.csv"), near.replace("186.46", "186.45")).unwrap();
    assert_eq!(status(&[]), stale("processing", &format!("{changed} (neighbors)")));
    let text = spx(folder.path(), &["run", "--name=a", "-o=out", "--status"]).succeeds().stdout;
    assert!(text.contains("  processing     stale  its parameters have changed (neighbors)\n"), "{text}");
    fs::write(folder.path().join("near.csv"), near).unwrap();

    // Another image under the same name, as after a newer processing of a folder.
    let data = folder.path().join("out/data/D3");
    let files = names(&data).into_iter().filter(|name| name.ends_with(".fits")).collect::<Vec<_>>();
    let first = fs::read(data.join(&files[0])).unwrap();
    fs::copy(data.join(&files[1]), data.join(&files[0])).unwrap();
    assert_eq!(status(&[]), stale("processing", &format!("{changed} ({})", files[0])));
    fs::remove_file(data.join(&files[0])).unwrap();
    assert_eq!(status(&[]), stale("download", "its results are gone or incomplete"));
    fs::write(data.join(&files[0]), first).unwrap();
    assert_eq!(status(&[]), json!({}));
    fs::remove_file(folder.path().join("out/results/spectrum.png")).unwrap();
    assert_eq!(status(&[]), stale("visualization", "its results are gone or incomplete"));
    assert_eq!(run(&["--resume"]).code, Some(0));

    let state = folder.path().join("out/a.toml");
    let own = format!("spx = \"{}\"", env!("CARGO_PKG_VERSION"));
    let text = fs::read_to_string(&state).unwrap();
    assert_eq!(text.matches(&own).count(), 4, "every stage says by which version it was done");
    fs::write(&state, text.replacen(&own, "spx = \"0.0.9\"", 1)).unwrap();
    let told = spx(folder.path(), &["run", "--name=a", "-o=out", "--status"]).succeeds().stdout;
    assert!(told.contains("done   by spx 0.0.9\n") && !told.contains("stale"), "{told}");

    let other = spx(folder.path(), &["run", "--name=a", "-o=out", "--status", "--ra=186.5", "--json"]).json();
    assert!(other["stale"]["query"].as_str().unwrap().contains("is of another run"), "{other}");
}
