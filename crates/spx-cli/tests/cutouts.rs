//! Cutouts of measurements, as `spx photometry --cutouts` and `spx run --cutouts` draw them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;

use tempfile::tempdir;
use tools::local::{OBSERVATIONS, PLACE, images};
use tools::spx;

/// Each measurement has its pixels, its model, residuals and mask, and says what it is; the bytes
/// depend neither on the threads nor on the order of the files.
#[test]
fn measurements_are_drawn_by_every_method() {
    let folder = tempdir().unwrap();
    let directory = images().display().to_string();
    for method in ["aperture", "psf", "scene"] {
        let method = format!("--method={method}");
        let draw = |name: &str, more: &[&str]| {
            let given = ["photometry", "-q", "--overwrite", "-o=table.csv", &method, "--cutouts", name];
            let run = spx(folder.path(), &[&given[..], &PLACE, more].concat());
            assert_eq!(run.code, Some(0), "{}", run.stderr);
            // A galaxy lies beside the star, of which a fit of points knows nothing.
            let told = run.stderr.contains("light that the fit does not explain");
            assert_eq!(told, method != "--method=aperture", "{}", run.stderr);
            fs::read(folder.path().join(name)).unwrap()
        };
        let first = draw("a.svg", &["--threads=1", &directory]);
        let [of_d1, of_d3] = ["D1", "D3"].map(files_of);
        let files: Vec<&str> = of_d3.iter().chain(&of_d1).map(String::as_str).collect();
        assert!(first == draw("b.svg", &[&["--threads=2"], &files[..]].concat()), "{method}");
        let text = String::from_utf8(first).unwrap();
        // Four pictures each, and the scale of the residuals.
        assert_eq!(text.matches("<image").count(), 4 * 2 * OBSERVATIONS + 1, "{method}");
        for word in ["data", "model", "residual", "clipped", "µJy", "D3, worst", "6 of 6 measurements"] {
            assert!(text.contains(word), "{method}: {word}");
        }
        let png = draw("a.png", &[&directory]);
        assert_eq!(&png[1..4], b"PNG");
    }
    let refused = ["photometry", "--cutouts=a.png", PLACE[0], PLACE[1], &directory];
    spx(folder.path(), &refused).fails(2, &["a.png"]);
}

/// The files of a detector.
fn files_of(band: &str) -> Vec<String> {
    let files = tools::local::tree(images()).into_keys();
    files
        .filter(|path| path.contains(&format!("{band}_spx")))
        .map(|path| images().join(path).display().to_string())
        .collect()
}

/// A run draws them where it is asked to, also when it goes on; one that is not asked takes old
/// ones away.
#[test]
fn a_run_draws_and_removes_them() {
    let folder = tempdir().unwrap();
    let archive = spx_serve::LocalArchive::start(images(), spx_serve::ServeOptions::default()).unwrap();
    let url = archive.url();
    let run = |more: &[&str]| {
        let given = ["run", "-q", "--name=s", "--cutout-size=40px", "--bands=D3", "--archive-url", &url];
        spx(folder.path(), &[&given[..], &PLACE, &["-o=out"], more].concat()).succeeds();
        folder.path().join("out/results/cutouts.png").exists()
    };
    assert!(!run(&[]));
    assert!(run(&["--resume", "--cutouts"]));
    assert!(run(&["--resume"]), "the settings of the run are kept");
    assert!(!run(&[]));
}
