//! What commands report of sources and of errors: several light curves, sources without a
//! measurement, errors as JSON, and settings that name what is not there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;

use tempfile::{TempDir, tempdir};
use tools::local::{OBSERVATIONS, images};
use tools::{Run, done, spx, table};

const IMAGES: usize = 2 * OBSERVATIONS;

/// A directory with a batch of three sources on the images, one at their edge and one elsewhere.
fn finished_batch() -> TempDir {
    let folder = tempdir().unwrap();
    let catalog =
        "id,ra,dec\n-1,186.4536,33.5468\n-b,186.45,33.54\nc,186.46,33.55\nedge,186.4036,33.5468\nfar,10,20\n";
    fs::write(folder.path().join("c.csv"), catalog).unwrap();
    let images = images().display().to_string();
    let batch = done(folder.path(), &["batch", "--catalog=c.csv", "-o", "out", "--input", &images]);
    assert!(
        batch.stderr.contains("have no measurement: ") && batch.stderr.contains("far"),
        "{}",
        batch.stderr
    );
    folder
}

#[test]
fn every_source_of_a_batch_has_a_line() {
    let folder = finished_batch();
    let read = || table(&fs::read_to_string(folder.path().join("out/sources.csv")).unwrap());
    let lines = read();
    let cell = |k: usize, name: &str| lines[k][name].clone();
    assert_eq!(
        lines.iter().map(|line| line["target_id"].as_str()).collect::<Vec<_>>(),
        ["-1", "-b", "c", "edge", "far"]
    );
    let number = |k: usize, name: &str| cell(k, name).parse::<usize>().unwrap();
    for k in 0..5 {
        let id = cell(k, "target_id");
        let curve = spx(folder.path(), &["lightcurve", "--json", "--", &id, "out"]);
        let rows = if curve.code == Some(0) { curve.json().as_array().unwrap().clone() } else { Vec::new() };
        assert_eq!(number(k, "n_measured"), rows.len(), "{id}");
        assert_eq!(number(k, "n_flagged"), rows.iter().filter(|row| row["is_good"] == false).count(), "{id}");
        assert_eq!(number(k, "n_images"), rows.len() + number(k, "n_unmeasured"), "{id}");
    }
    assert_eq!(number(0, "n_measured"), IMAGES);
    assert_eq!((number(4, "n_images"), cell(4, "reason").as_str()), (0, "it lies on no image"));
    assert!(number(3, "n_unmeasured") > 0 && !cell(3, "reason").is_empty(), "{:?}", lines[3]);
    // A stage that is done is not repeated, unless its file is gone.
    let again = |words: &str| {
        let run = done(folder.path(), &["batch", "--config", "out/batch.toml", "--resume"]);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    };
    again("aggregate: done before");
    fs::remove_file(folder.path().join("out/sources.csv")).unwrap();
    again("aggregate: repeated because its results are gone");
    assert_eq!(read(), lines);
}

#[test]
fn several_light_curves_at_once() {
    let folder = finished_batch();
    let show = |arguments: &[&str]| spx(folder.path(), &[&["lightcurve"], arguments].concat());
    let [one, two] =
        ["-1", "c"].map(|id| show(&["--json", id, "out"]).succeeds().json().as_array().unwrap().clone());
    let both = show(&["-1", "c", "out", "--json"]).succeeds().json();
    assert_eq!(both.as_array().unwrap(), &[one, two].concat());
    // A number may begin with a hyphen; any other id behind `--`.
    let hyphens = show(&["-o", "a.csv", "--", "-b", "c", "out"]).succeeds();
    assert_eq!(hyphens.stdout, "");
    let rows = table(&fs::read_to_string(folder.path().join("a.csv")).unwrap());
    assert_eq!(rows.len(), 2 * IMAGES);
    assert!(rows[0]["target_id"] == "-b" && rows[IMAGES]["target_id"] == "c");
    assert_eq!(show(&["-b", "c", "out"]).code, Some(2));
    show(&["-1", "c", "out", "-o", "a.svg", "-o", "a.pdf"]).succeeds();
    let svg = fs::read_to_string(folder.path().join("a.svg")).unwrap();
    for id in ["-1", "c"] {
        let title = svg.split('>').find(|text| text.trim_start().starts_with(&format!("{id}, ")));
        assert!(title.is_some_and(|text| text.contains(", 6 measurements")), "{title:?}");
    }
    let text = show(&["-1", "c", "out"]).succeeds().stdout;
    assert_eq!(text.lines().count(), 2 * (1 + 1 + IMAGES) + 1, "{text}");
    let missing = show(&["c", "nobody", "out", "--json"]);
    assert_eq!((missing.code, missing.json().as_array().unwrap().len()), (Some(1), IMAGES));
    assert!(missing.stderr.contains("no measurement of `nobody`"), "{}", missing.stderr);
    assert_eq!(show(&["nobody", "no", "out"]).code, Some(3));
}

/// Standard output is a report of the error, with the text of standard error.
fn reports_error(run: &Run, code: i64) {
    let report = run.json();
    assert_eq!(
        (run.code.map(i64::from), report["exit_code"].as_i64()),
        (Some(code), Some(code)),
        "{}",
        run.stderr
    );
    let text = report["error"].as_str().unwrap();
    // Hints stand in lines of their own on standard error.
    let texts = || text.split("; ");
    assert!(texts().all(|part| !part.is_empty() && run.stderr.contains(part)), "{text}: {}", run.stderr);
}

#[test]
fn errors_are_json_where_reports_are() {
    let folder = tempdir().unwrap();
    let archive = "--archive-url=http://127.0.0.1:1";
    for (arguments, code) in [
        (&["query", "--ra=1", "--dec=2", "--retries=0", archive, "--json"][..], 1),
        (&["--json", "query", "--ra=1"], 2),
        (&["query", "--ra=1", "--dce=2", "--json"], 2),
        (&["run", "--status", "--name=none", "--json"], 3),
        (&["cube", "info", "none.fits", "--json"], 1),
        (&["spectrum", "none.csv", "--json"], 2),
        (&["--json", "batch", "--catalog=none.csv", "--input=."], 2),
        (&["inspekt", "--json"], 2),
    ] {
        reports_error(&spx(folder.path(), arguments), code);
    }
    assert_eq!(spx(folder.path(), &["run", "--help", "--json"]).code, Some(0));
}

#[test]
fn so_many_threads_as_cannot_be_started_are_reduced() {
    let folder = tempdir().unwrap();
    done(folder.path(), &["config", "show", "run", "--threads=65535"]);
    assert_eq!(spx(folder.path(), &["config", "show", "run", "--threads=0"]).code, Some(2));
}

#[test]
fn a_mirror_that_is_not_there_is_refused_everywhere() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("c.csv"), "id,ra,dec\n1,186.4536,33.5468\n").unwrap();
    let images = images().display().to_string();
    let place = ["--ra=186.4536", "--dec=33.5468", "--data-mirror=nowhere"];
    let input = format!("--input={images}");
    for (command, more) in [
        ("run", &[][..]),
        ("download", &[]),
        ("photometry", &[images.as_str()]),
        ("drizzle", &["--width=2", "--height=2", input.as_str()]),
        ("mosaic", &["--width=2", "--height=2", "--wave=1.6..2.4", input.as_str()]),
    ] {
        spx(folder.path(), &[&[command], &place[..], more].concat()).fails(2, &["data mirror nowhere"]);
    }
    let batch = ["batch", "--catalog=c.csv", "--data-mirror=nowhere", &input];
    spx(folder.path(), &batch).fails(2, &["data mirror nowhere"]);
}

/// Tables and summaries fit a terminal of 80 columns; lines that hold a path may be longer.
#[test]
fn reports_fit_eighty_columns() {
    let folder = finished_batch();
    let here = folder.path();
    let simulate = ["simulate", "--ra=10", "--dec=-20", "--exposures=4", "--size=60", "-q", "-o"];
    done(here, &[&simulate[..], &["two"]].concat());
    done(here, &[&simulate[..], &["three", "--release=qr3"]].concat());
    let region = ["drizzle", "--ra=10", "--dec=-20", "--width=3", "--height=3", "--detector=3"];
    done(here, &[&region[..], &["--input", "two", "-o", "output"]].concat());
    let of = |name: &str| {
        let file = tools::names(&here.join(name)).into_iter().find(|file| file.contains(".fits")).unwrap();
        format!("{name}/{file}")
    };
    let (two, three) = (of("two"), of("three"));
    let cube = "output/drizzle_D3.fits";
    let commands: [&[&str]; 8] = [
        &["inspect", &two],
        &["inspect", &three],
        &["inspect", "--flags", &two],
        &["inspect", "--verify", &two],
        &["cube", "info", cube],
        &["lightcurve", "c", "out"],
        &["lightcurve", "c", "-1", "out"],
        &["drizzle", "--config", "output/drizzle_D3.toml", "--dry-run"],
    ];
    for command in commands {
        let told = done(here, command).stdout;
        let wide = |line: &&str| line.chars().count() > 80 && !line.contains('/');
        assert_eq!(told.lines().filter(wide).collect::<Vec<_>>(), [""; 0], "{command:?}");
        assert!(told.lines().count() > 0, "{command:?}");
    }
}
