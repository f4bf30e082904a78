//! Cutouts of measurements, as `spx photometry --cutouts` and `spx run --cutouts` draw them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;

use tempfile::tempdir;
use tools::local::{OBSERVATIONS, PLACE, images};
use tools::{spx, table};

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

/// Images of the archive have 48 pixels: it cuts less than 60.
#[test]
fn cutouts_that_hold_less_than_asked_for_are_told_once_and_in_the_tables() {
    let folder = tempdir().unwrap();
    let archive = spx_serve::LocalArchive::start(images(), spx_serve::ServeOptions::default()).unwrap();
    let url = archive.url();
    let ask = |command: &str, more: &[&str]| {
        spx(folder.path(), &[&[command, "-q", "--archive-url", &url], &PLACE[..], more].concat())
    };
    let told = "warning: 6 of 6 cutouts cover less than the requested 60px: 6 were cut smaller";
    let run = ask("run", &["--cutout-size=60px", "-o=less"]);
    let about = |run: &tools::Run| -> Vec<String> {
        run.stderr.lines().filter(|line| line.contains("cutout")).map(str::to_owned).collect()
    };
    assert_eq!(about(&run), [format!("{told}; apertures and backgrounds are whole")]);
    let rows = |directory: &str| {
        table(&fs::read_to_string(folder.path().join(directory).join("results/lightcurve.csv")).unwrap())
    };
    for row in rows("less") {
        assert_eq!(row["cutout_share"], "0.64");
        assert!(!row["fallbacks"].contains("background"), "{row:?}");
    }
    let fetched = ask("download", &["--cutout-size=60px", "-o=files"]);
    assert_eq!(about(&fetched), [told]);
    let summary = fs::read_to_string(folder.path().join("files/query_summary.toml")).unwrap();
    assert!(summary.contains("smaller_cutouts = 6"), "{summary}");

    ask("run", &["--cutout-size=40px", "-o=all"]).succeeds();
    assert!(rows("all").iter().all(|row| row["cutout_share"] == "1.0"));
    ask("run", &["-o=whole"]).succeeds();
    assert!(rows("whole").iter().all(|row| row["cutout_share"].is_empty()));
}

/// What a cutout lacks of background or aperture is told, of those at hand as well.
#[test]
fn cutouts_that_harm_the_measurement_are_told_apart() {
    let folder = tempdir().unwrap();
    let archive = spx_serve::LocalArchive::start(images(), spx_serve::ServeOptions::default()).unwrap();
    let url = archive.url();
    let small = ["--cutout-size=12px", "--archive-url", &url, "-o=out"];
    let window = ["--background-method=window", "--window-size=20"];
    let ask = |first: &[&str], more: &[&str]| spx(folder.path(), &[first, &PLACE, &window, more].concat());
    let words = "the cutout ends within aperture or background, so that";
    let less = format!(
        "warning: on 6 of 6 images {words} there is less background than requested (cut_background in \
         fallbacks); larger cutouts would contain both\n"
    );
    let run = ask(&["run", "-q"], &small);
    assert!(run.stderr.matches(&less).count() == 1, "{}", run.stderr);
    let at_hand = ask(&["photometry", "-q", "out/data"], &[]);
    assert!(at_hand.stderr.matches(&less).count() == 1, "{}", at_hand.stderr);
    for row in table(&at_hand.stdout) {
        assert!(row["fallbacks"].contains("clipped_background cut_background"), "{row:?}");
        assert!(row["cutout_share"].is_empty(), "nothing was asked for");
    }
    let wide = ["--aperture-method=fixed", "--aperture-diameter=13"];
    let lost = ask(&["photometry", "-q", "out/data"], &wide);
    assert_eq!(lost.code, Some(3));
    assert!(
        lost.stderr.contains(&format!("on 6 of 6 images {words} there is no measurement")),
        "{}",
        lost.stderr
    );
    assert!(table(&lost.stdout)[0]["reason"].contains("a larger one would contain it"));
    fs::write(folder.path().join("c.csv"), "id,ra,dec\n1,186.4536,33.5468\n").unwrap();
    let batch = ["batch", "-q", "--catalog=c.csv", "--input=out/data", "-o=batch"];
    let batch = |more: &[&str]| spx(folder.path(), &[&batch[..], &window, more].concat());
    let told = "warning: for 6 sources on images (each counts on each image) the cutout ends";
    for run in [batch(&[]), batch(&["--resume"])] {
        assert!(run.code == Some(0) && run.stderr.contains(told), "{}", run.stderr);
    }
}
