//! `spx query`, `download` and `drizzle` from a local archive, as a user runs them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use spx_core::fits::FitsReader;
use spx_serve::{Fault, Faults, LocalArchive, RequestKind};
use spx_votable::{VoTableLimits, VoTableReader};
use tempfile::tempdir;
use tools::local::{OBSERVATIONS, PLACE, archive, ask, first_of, images, linked, originals, serve, tree};
use tools::{Run, command, names, spx};

const SUMMARY: &str = "query_summary.toml";

/// Asserts the exit code and that each word stands on standard error.
fn ends(run: &Run, code: i32, words: &[&str]) {
    assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "`{word}` is not in: {}", run.stderr);
    }
}

fn requests(archive: &LocalArchive, kind: RequestKind) -> usize {
    archive.log().of_kind(kind)
}

/// The data files of a directory of `spx download`, and nothing else but the summary.
fn downloaded(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = tree(folder);
    files.remove(SUMMARY).unwrap();
    files
}

fn query(archive: &LocalArchive, more: &[&str]) -> Run {
    ask(archive, tempdir().unwrap().path(), "query", more)
}

#[test]
fn all_forms_of_a_query_tell_the_same() {
    let archive = archive();
    let csv = query(&archive, &["--format=csv"]).succeeds().stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "obs_id,band,mjd,wavelength_min,wavelength_max,download_url");
    assert_eq!(lines.len() - 1, 2 * OBSERVATIONS);
    let rows: Vec<Vec<String>> =
        lines[1..].iter().map(|l| l.split(',').map(str::to_owned).collect()).collect();
    for row in &rows {
        let name = row[5].rsplit('/').next().unwrap();
        assert!(name.contains(&format!("{}{}_spx", row[0], row[1])), "{row:?}");
        assert!(row[5].starts_with(&archive.url()) && originals(&row[1]).contains_key(name), "{row:?}");
        assert!(row[3].parse::<f64>().unwrap() < row[4].parse::<f64>().unwrap());
    }
    let json = query(&archive, &["--format=json"]).succeeds().json();
    assert_eq!(query(&archive, &["--json"]).succeeds().json()["observations"], json["observations"]);
    assert_eq!(json["n_observations"], 2 * OBSERVATIONS);
    assert_eq!(json["band_counts"], serde_json::json!({"D1": OBSERVATIONS, "D3": OBSERVATIONS}));
    for (row, entry) in rows.iter().zip(json["observations"].as_array().unwrap()) {
        assert_eq!((entry["obs_id"].as_str(), entry["band"].as_str()), (Some(&*row[0]), Some(&*row[1])));
        assert_eq!(entry["download_url"].as_str(), Some(&*row[5]));
        for (column, key) in [(2, "mjd"), (3, "wavelength_min"), (4, "wavelength_max")] {
            let told: f64 = row[column].parse().unwrap();
            assert!((told - entry[key].as_f64().unwrap()).abs() <= 5.1e-7, "{key} {told}");
        }
    }
    let xml = query(&archive, &["--format=votable"]).succeeds().stdout;
    let mut table = VoTableReader::new(xml.as_bytes(), VoTableLimits::default()).unwrap();
    let columns: Vec<String> = table.fields().iter().map(|f| f.name.clone()).collect();
    assert_eq!(columns.join(","), lines[0]);
    for row in &rows {
        let cells = table.next_row().unwrap().unwrap();
        for (cell, told) in cells.iter().zip(row) {
            assert!(cell.text() == Some(told) || cell.real() == told.parse().ok(), "{cell:?} {told}");
        }
    }
    assert!(table.next_row().unwrap().is_none());
    let table = query(&archive, &[]).succeeds().stdout;
    assert!(rows.iter().all(|row| table.contains(row[5].rsplit('/').next().unwrap())), "{table}");
    assert!(table.contains(&format!("{} images ({OBSERVATIONS} D1, {OBSERVATIONS} D3)", 2 * OBSERVATIONS)));
}

#[test]
fn selections_select() {
    let archive = archive();
    let found = |more: &[&str]| {
        let run = query(&archive, more);
        match run.code {
            Some(0) => run.json()["n_observations"].as_u64().unwrap(),
            _ => {
                run.fails(3, &["the archive has no such image"]);
                0
            }
        }
    };
    let all = 2 * OBSERVATIONS as u64;
    for (more, expected) in [
        (&["--radius=0.01"][..], all),
        (&["--radius=0.01", "--coverage-mode=full"], all),
        (&["--radius=3"], all),
        (&["--radius=3", "--coverage-mode=full"], 0),
        (&["--width=3", "--height=2"], all),
        (&["--bands=D3"], all / 2),
        (&["--bands=D1,D3"], all),
        (&["--bands=D2,D4"], 0),
        (&["--mjd-range=61027,61028"], all),
        (&["--mjd-range=61028,61029"], 0),
        (&["--sia"], all),
    ] {
        assert_eq!(found(&[more, &["--json"]].concat()), expected, "{more:?}");
    }
    let elsewhere = ["query", "--ra=10", "--dec=-60", "--archive-url", &archive.url()];
    spx(tempdir().unwrap().path(), &elsewhere).fails(3, &["no such image"]);
    let first = query(&archive, &["--json"]).json()["observations"][0]["mjd"].as_f64().unwrap();
    let around = format!("--mjd-range={},{}", first - 1e-5, first + 1e-5);
    assert_eq!(found(&[&around, "--json"]), 2);
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is() {
    let archive = archive();
    let folder = tempdir().unwrap();
    for (command, more, words) in [
        ("query", &["--max-images=5"][..], &["6 images", "--max-images"][..]),
        ("query", &["--dec=91"], &["91"]),
        ("query", &["--dec=NaN"], &["NaN"]),
        ("query", &["--radius=-1"], &["radius", "-1"]),
        ("query", &["--radius=0"], &["radius", "0"]),
        ("query", &["--radius=1", "--width=2", "--height=2"], &["--radius", "--width"]),
        ("query", &["--width=2"], &["--height"]),
        ("query", &["--width=-2", "--height=1"], &["-2"]),
        ("query", &["--bands=D7"], &["D7"]),
        ("query", &["--mjd-range=61028,61027"], &["61028"]),
        ("query", &["--mjd-range=yesterday"], &["yesterday"]),
        ("query", &["--coverage-mode=half"], &["half", "any"]),
        ("query", &["--format=xls"], &["xls", "votable"]),
        ("query", &["--archive-url=http://irsa.ipac.caltech.edu"], &["plain http"]),
        ("query", &["--archive-url=ftp://localhost"], &["ftp"]),
        ("query", &["--archive-url=https://me:secret@example.org"], &["password"]),
        ("download", &["--cutout-size=0px"], &["cutout width 0px", "above 0"]),
        ("download", &["--cutout-size=-3arcmin"], &["cutout width -3arcmin", "above 0"]),
        ("download", &["--cutout-size=5000px"], &["5000px", "2040 px"]),
        ("download", &["--cutout-size=10furlong"], &["the unit must be px"]),
        ("download", &["--cutout-size=10px", "--cutout-center=361,0"], &["361"]),
        ("download", &["--cutout-center=10,10"], &["--cutout-size"]),
        ("download", &["--workers=0"], &["1 to 64"]),
        ("download", &["--sources=tape"], &["tape"]),
        ("download", &["--query=none.toml"], &["none.toml"]),
        ("drizzle", &["--width=3", "--height=3", "--workers=0"], &["--workers", "from 1 to 64"]),
        ("drizzle", &["--width=3", "--height=3", "--mjd-range=1"], &["mjd_range"]),
        ("drizzle", &["--width=3", "--height=3", "--sources=tape"], &["tape"]),
        ("drizzle", &["--width=3", "--height=3", "--max-images=2"], &["6 images", "--max-images"]),
        (
            "mosaic",
            &["--width=3", "--height=3", "--wave=1..2", "--max-images=2"],
            &["6 images", "--max-images"],
        ),
        ("download", &["--max-images=2"], &["6 images", "--max-images"]),
    ] {
        let url = format!("--archive-url={}", archive.url());
        let given = more.iter().any(|m| m.starts_with("--archive-url"));
        let dec = more.iter().any(|m| m.starts_with("--dec"));
        let mut arguments = vec![command, PLACE[0]];
        arguments.extend((!dec).then_some(PLACE[1]));
        arguments.extend((!given).then_some(url.as_str()));
        let run = spx(folder.path(), &[&arguments, more].concat());
        assert!(run.code == Some(2), "{command} {more:?}: {:?} {}", run.code, run.stderr);
        ends(&run, 2, words);
    }
    assert_eq!(names(folder.path()), [""; 0], "nothing is written");
    // Those that ask and find too much.
    assert_eq!(archive.log().entries.len(), 4, "{:?}", archive.log().entries);
    spx(folder.path(), &["query", "--ra=10"]).fails(2, &["--ra and --dec are needed"]);
}

#[test]
fn an_archive_that_cannot_be_reached_is_a_failure() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("--archive-url=http://{}", listener.local_addr().unwrap());
    drop(listener);
    let folder = tempdir().unwrap();
    let run = spx(folder.path(), &["query", PLACE[0], PLACE[1], &url]);
    run.fails(1, &["127.0.0.1"]);
}

#[test]
fn of_several_processings_the_newest_is_taken() {
    let folder = linked();
    let newest = first_of("D3");
    let (stem, _) = newest.rsplit_once("_l2b").unwrap();
    let old = format!("{}_l2b-v20-2025-355.fits", stem.rsplit('/').next().unwrap());
    fs::hard_link(folder.path().join(&newest), folder.path().join(&old)).unwrap();
    let newer = format!("{}_l2b-v22-2026-001.fits", stem.rsplit('/').next().unwrap());
    fs::hard_link(folder.path().join(&newest), folder.path().join(&newer)).unwrap();
    let archive = serve(folder.path(), Faults::default());
    let run = query(&archive, &["--json"]);
    ends(&run, 0, &["2 older processings are superseded"]);
    let summary = run.json();
    assert_eq!(summary["n_observations"], 2 * OBSERVATIONS);
    let listed = summary["observations"].to_string();
    assert!(listed.contains(&newer) && !listed.contains(&old), "{listed}");
    let superseded = summary["superseded"].to_string();
    assert!(superseded.contains(&old) && superseded.contains(newest.rsplit('/').next().unwrap()));
    let run = ask(&archive, folder.path(), "download", &["-o", "out"]);
    ends(&run, 0, &["6 files: 6 fetched"]);
    assert!(names(&folder.path().join("out")).contains(&newer));
}

#[test]
fn files_arrive_as_they_are_and_once() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let run = ask(&archive, folder.path(), "download", &["-o", "out"]);
    ends(&run, 0, &["6 files: 6 fetched"]);
    let out = folder.path().join("out");
    assert!(downloaded(&out) == originals(""), "{:?}", names(&out));
    let listed: BTreeSet<&str> = run.stdout.lines().collect();
    assert_eq!(
        listed,
        originals("")
            .keys()
            .map(|n| format!("out/{n}"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect()
    );
    let before = archive.log().downloads();
    assert!(before.values().all(|n| *n == 1));
    let run = ask(&archive, folder.path(), "download", &["-o", "out", "--json"]);
    ends(&run, 0, &["0 fetched", "6 there already"]);
    assert!(run.json().as_array().unwrap().iter().all(|r| r["status"] == "present"));
    assert_eq!(requests(&archive, RequestKind::File), 6, "{before:?}");
    // A file that was damaged since is replaced.
    let name = originals("D1").into_keys().next().unwrap();
    let damaged = out.join(&name);
    fs::write(&damaged, &fs::read(&damaged).unwrap()[..4_000_000]).unwrap();
    let run = ask(&archive, folder.path(), "download", &["-o", "out"]);
    ends(&run, 0, &["1 fetched", "5 there already", &name]);
    assert!(downloaded(&out) == originals(""));
    // By a summary: no query; one directory a detector.
    let asked = requests(&archive, RequestKind::TapSync);
    let arguments = ["download", "--query=out/query_summary.toml", "--layout=by-detector", "-o", "by"];
    ends(&spx(folder.path(), &arguments), 0, &["6 fetched"]);
    assert_eq!(requests(&archive, RequestKind::TapSync), asked);
    assert_eq!(names(&folder.path().join("by")), ["D1", "D3", SUMMARY]);
    assert_eq!(names(&folder.path().join("by/D1")), originals("D1").into_keys().collect::<Vec<_>>());
    // A summary's archive may have moved.
    let moved = tools::local::archive();
    let url = format!("--archive-url={}", moved.url());
    ends(&spx(folder.path(), &["download", "--query=by/query_summary.toml", &url, "-o", "moved"]), 0, &[]);
    assert_eq!(requests(&moved, RequestKind::File), 6);
}

#[test]
fn mirrored_files_are_not_asked_for() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let mirror = format!("--data-mirror={}", images().display());
    let run = ask(&archive, folder.path(), "download", &["-o", "out", &mirror]);
    ends(&run, 0, &["0 fetched", "6 in the mirror"]);
    assert!(downloaded(&folder.path().join("out")) == originals(""));
    let cube = ask(&archive, folder.path(), "drizzle", &[&DRIZZLE[..], &[&mirror]].concat());
    ends(&cube, 0, &[]);
    assert_eq!(names(&folder.path().join("cube/data")), [""; 0], "they are read where they are");
    assert_eq!(requests(&archive, RequestKind::File), 0);
    for command in [&["download", "-o", "none"][..], &[&["drizzle"], &DRIZZLE[..]].concat()] {
        let run =
            ask(&archive, folder.path(), command[0], &[&command[1..], &["--data-mirror=none"]].concat());
        ends(&run, 2, &["data mirror none is not a directory"]);
    }
}

#[test]
fn cutouts_in_every_notation() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    for (k, (arguments, shape)) in [
        (&["--cutout-size=20px"][..], Some([20, 20])),
        (&["--cutout-size=20,12px", "--cutout-center=186.4536,33.5468"], Some([12, 20])),
        (&["--cutout-size=1.5arcmin", "--cutout-center=186.4536, 33.5468deg"], None),
        (&["--cutout-size=60arcsec"], None),
        (&["--cutout-size=0.02"], None),
        (&["--cutout-size=0.0004rad", "--cutout-center=3.254229,0.585502rad"], None),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out{k}");
        let selection = ["--bands=D3", "--max-images=3", "-o", &out];
        let run = ask(&archive, folder.path(), "download", &[&selection, arguments].concat());
        ends(&run, 0, &["3 fetched"]);
        for line in run.stdout.lines() {
            assert!(line.contains("_cutout_"), "{line}");
            let mut file = FitsReader::open(&folder.path().join(line)).unwrap();
            file.move_to("IMAGE").unwrap();
            let found = file.image_shape().unwrap();
            assert!(found.iter().all(|n| (9..=22).contains(n)), "{arguments:?}: {found:?}");
            assert!(shape.is_none_or(|shape| found == shape), "{arguments:?}: {found:?}");
        }
    }
    assert_eq!(requests(&archive, RequestKind::File), 0);
    let selection = ["--bands=D3", "--cutout-size=2040px", "-o", "full"];
    let run = ask(&archive, folder.path(), "download", &selection);
    ends(&run, 0, &["warning: a cutout of 2040px is the same as the full image"]);
}

#[test]
fn a_file_that_is_not_there_does_not_stop_the_others() {
    let (store, folder) = (linked(), tempdir().unwrap());
    let archive = serve(store.path(), Faults::default());
    let lost = first_of("D3");
    fs::remove_file(store.path().join(&lost)).unwrap();
    let name = lost.rsplit('/').next().unwrap();
    let run = ask(&archive, folder.path(), "download", &["-o", "out"]);
    ends(&run, 1, &[name, "404", "5 fetched", "1 failed"]);
    let mut expected = originals("");
    expected.remove(name);
    assert!(downloaded(&folder.path().join("out")) == expected, "no trace of the one that failed");
    let report = ask(&archive, folder.path(), "download", &["-o", "out", "--json"]).json();
    let failed = report.as_array().unwrap().iter().find(|r| r["status"] == "failed").unwrap();
    assert!(failed["file"].as_str().unwrap().ends_with(name));
    assert!(failed["reason"].as_str().unwrap().contains("404"));

    // The cube is made of the others, and says so.
    let run = ask(&archive, folder.path(), "drizzle", &DRIZZLE);
    ends(&run, 1, &[name, "404", "2 used, 0 rejected, 1 failed"]);
    assert_eq!(run.stderr.matches("404").count(), 1, "said once: {}", run.stderr);
    let info = spx(folder.path(), &["cube", "info", "cube/drizzle_D3.fits", "--json"]).succeeds().json();
    let mut cube = FitsReader::open(&folder.path().join("cube/drizzle_D3.fits")).unwrap();
    cube.move_to("PRIMARY").unwrap();
    let header = cube.header().unwrap();
    assert_eq!((header.integer("N_FAILED").unwrap(), header.integer("N_INPUTS").unwrap()), (1, 2));
    assert!(info["history"].to_string().contains(&format!("input {name}: failed (download: ")), "{info}");
    // When the file is back, a run that resumes makes the whole cube.
    fs::hard_link(images().join(&lost), store.path().join(&lost)).unwrap();
    let run = ask(&archive, folder.path(), "drizzle", &[&DRIZZLE[..], &["--resume"]].concat());
    let words =
        ["query: done before", "download: repeated", "drizzle_D3: repeated", "3 used, 0 rejected, 0 failed"];
    ends(&run, 0, &words);
    assert!(fs::read(folder.path().join("cube/drizzle_D3.fits")).unwrap() == whole_cube());
}

#[test]
fn all_arrives_through_faults() {
    let kinds = vec![
        Fault::Status500,
        Fault::Reset,
        Fault::Truncate,
        Fault::HtmlWith200,
        Fault::WrongLength,
        Fault::CorruptBytes,
    ];
    let mut met = 0;
    for seed in 1..4 {
        let faults = Faults { rate: 0.2, kinds: kinds.clone(), in_a_row: 2, ..Faults::default() };
        let options = spx_serve::ServeOptions { faults, seed, ..Default::default() };
        let archive = LocalArchive::start(images(), options).unwrap();
        let folder = tempdir().unwrap();
        let run = ask(&archive, folder.path(), "download", &["-o", "out", "--workers=8"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(downloaded(&folder.path().join("out")) == originals(""));
        met += archive.log().faults();
    }
    assert!(met > 2, "{met} faults");
}

/// A cube of detector 3, into `cube`.
const DRIZZLE: [&str; 5] = ["--width=3", "--height=3", "--detector=3", "-o", "cube"];

/// The cube of the archive's files, by `--input`.
fn whole_cube() -> Vec<u8> {
    let folder = tempdir().unwrap();
    let input = images().to_str().unwrap();
    let run = spx(folder.path(), &[&["drizzle"], &PLACE[..], &DRIZZLE, &["--input", input]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    fs::read(folder.path().join("cube/drizzle_D3.fits")).unwrap()
}

/// Point 7 of issue 3.
#[test]
fn the_cube_from_the_archive_is_that_of_the_files() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let run = ask(&archive, folder.path(), "drizzle", &DRIZZLE);
    ends(&run, 0, &["3 files to fetch", "3 used, 0 rejected, 0 failed"]);
    assert_eq!(run.stdout, "cube/drizzle_D3.fits\n");
    let cube = folder.path().join("cube");
    let expected = ["data", "drizzle_D3.fits", "drizzle_D3.toml", "drizzle_state.toml", SUMMARY];
    assert_eq!(names(&cube), expected);
    assert!(fs::read(cube.join("drizzle_D3.fits")).unwrap() == whole_cube());
    assert!(tree(&cube.join("data/D3")) == originals("D3"));
    // All detectors that the archive has, from the environment's archive.
    let run = tools::command(folder.path(), &["drizzle", "--width=3", "--height=3", "-o", "all", "--json"])
        .args(PLACE)
        .env("SPX_ARCHIVE_URL", archive.url())
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let detectors: Vec<_> =
        report.as_array().unwrap().iter().map(|r| r["detector"].as_str().unwrap()).collect();
    assert_eq!(detectors, ["D1", "D3"]);
    assert!(fs::read(folder.path().join("all/drizzle_D3.fits")).unwrap() == whole_cube());
    // A place without images leaves nothing behind.
    let elsewhere = ["drizzle", "--ra=10", "--dec=-60", "--archive-url", &archive.url()];
    let run = spx(folder.path(), &[&elsewhere[..], &DRIZZLE[..4], &["none"]].concat());
    ends(&run, 3, &["no such image"]);
    assert!(!folder.path().join("none").exists());
}

#[test]
fn a_run_resumes_where_it_has_to() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let drizzle = |more: &[&str]| ask(&archive, folder.path(), "drizzle", &[&DRIZZLE[..], more].concat());
    ends(&drizzle(&[]), 0, &[]);
    ends(&drizzle(&[]), 2, &["cube/drizzle_D3.fits exists", "--overwrite"]);
    let asked = archive.log().entries.len();
    ends(
        &drizzle(&["--resume"]),
        0,
        &["query: done before", "download: done before", "drizzle_D3: done before"],
    );
    assert_eq!(archive.log().entries.len(), asked, "nobody is asked");
    // From another directory, the same, with the path as it is there.
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    let words = [&DRIZZLE[..DRIZZLE.len() - 1], &["../cube", "--resume"]].concat();
    let run = ask(&archive, &folder.path().join("elsewhere"), "drizzle", &words);
    ends(&run, 0, &["query: done before", "download: done before", "drizzle_D3: done before"]);
    assert_eq!(run.stdout, "../cube/drizzle_D3.fits\n");
    // Other parameters: only what depends on them.
    let other = ["--resume", "--xy-shrink=0.5"];
    let words = [
        "query: done before",
        "download: done before",
        "drizzle_D3: repeated because its parameters have changed",
    ];
    ends(&drizzle(&other), 0, &words);
    assert_eq!(archive.log().entries.len(), asked);
    assert!(fs::read(folder.path().join("cube/drizzle_D3.fits")).unwrap() != whole_cube());
    ends(&drizzle(&["--resume"]), 0, &["drizzle_D3: repeated"]);
    assert!(fs::read(folder.path().join("cube/drizzle_D3.fits")).unwrap() == whole_cube());
    let words = [
        "query: repeated because its parameters",
        "download: repeated because its parameters",
        "drizzle_D3: done before",
    ];
    ends(&drizzle(&["--resume", "--max-images=50"]), 0, &words);
    ends(&drizzle(&["--resume"]), 0, &["query: repeated"]);
    // A file is gone: it alone is fetched, and since it is what it was, the cube stays.
    let files = requests(&archive, RequestKind::File);
    let name = originals("D3").into_keys().next().unwrap();
    fs::remove_file(folder.path().join("cube/data/D3").join(name)).unwrap();
    let words =
        ["query: done before", "download: repeated because its results are gone", "drizzle_D3: done before"];
    ends(&drizzle(&["--resume"]), 0, &words);
    assert_eq!(requests(&archive, RequestKind::File), files + 1);
    // The cube is gone.
    fs::remove_file(folder.path().join("cube/drizzle_D3.fits")).unwrap();
    ends(
        &drizzle(&["--resume"]),
        0,
        &["download: done before", "drizzle_D3: repeated because its results are gone"],
    );
    assert!(fs::read(folder.path().join("cube/drizzle_D3.fits")).unwrap() == whole_cube());
}

#[test]
fn what_killed_runs_left_is_cleared_away() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let cube = folder.path().join("cube");
    fs::create_dir(&cube).unwrap();
    let written = ["drizzle_D3.fits", "drizzle_D3.toml", "drizzle_state.toml", SUMMARY];
    for name in written.map(|name| format!(".{name}.4711-2.part")) {
        fs::write(cube.join(name), "half").unwrap();
    }
    ends(&ask(&archive, folder.path(), "drizzle", &DRIZZLE), 0, &[]);
    assert_eq!(names(&cube), [&["data"], &written[..]].concat());
    let images = cube.join("data/D3");
    let left = [format!(".{SUMMARY}.4711-2.part"), format!(".{}.part", names(&images)[0])];
    left.iter().for_each(|name| fs::write(images.join(name), "half").unwrap());
    let run = ask(&archive, folder.path(), "download", &["--bands=D3", "-o", "cube/data/D3"]);
    ends(&run, 0, &["0 fetched"]);
    assert!(downloaded(&images) == originals("D3"), "{:?}", names(&images));
}

#[test]
fn a_state_that_cannot_be_read_is_named() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    fs::create_dir(folder.path().join("cube")).unwrap();
    for (text, word) in
        [("version = 99\n", "version 99"), ("version = 1\nstages = 3", "damaged"), ("\0", "damaged")]
    {
        fs::write(folder.path().join("cube/drizzle_state.toml"), text).unwrap();
        let run = ask(&archive, folder.path(), "drizzle", &[&DRIZZLE[..], &["--resume"]].concat());
        ends(&run, 2, &["cube/drizzle_state.toml", word, "run without --resume"]);
    }
    assert!(archive.log().entries.is_empty());
    ends(&ask(&archive, folder.path(), "drizzle", &DRIZZLE), 0, &[]);
}

#[test]
fn two_runs_do_not_work_in_one_directory() {
    let slow = Faults { latency: Duration::from_millis(800), ..Faults::default() };
    let (archive, folder) = (serve(images(), slow), tempdir().unwrap());
    let url = format!("--archive-url={}", archive.url());
    let arguments = [&["drizzle", &url], &PLACE[..], &DRIZZLE].concat();
    let quietly = std::process::Stdio::null();
    let mut first = tools::command(folder.path(), &arguments).arg("-q").stdout(quietly).spawn().unwrap();
    // It has begun when its output directory is there, and then waits for the archive.
    while !folder.path().join("cube").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(100));
    spx(folder.path(), &arguments).fails(1, &["another run is at work in cube"]);
    assert!(first.wait().unwrap().success());
}

#[test]
fn queries_and_downloads_have_configurations() {
    let archive = archive();
    let folder = tempdir().unwrap();
    let here = folder.path();
    let text = format!("archive_url = '{}'\nra = 304.69\ndec = 42.44\nbands = ['D3']\n", archive.url());
    std::fs::write(here.join("query.toml"), &text).unwrap();
    let found = |more: &[&str]| {
        let run = spx(here, &[&["query", "--config=query.toml", "--json"], more].concat());
        run.succeeds().json()["n_observations"].as_u64().unwrap()
    };
    assert_eq!(found(&PLACE), OBSERVATIONS as u64);
    assert_eq!(found(&[&PLACE[..], &["--bands=D1,D3"]].concat()), 2 * OBSERVATIONS as u64);
    for command in ["query", "download"] {
        spx(here, &["config", "init", command, "-o", "template.toml", "--overwrite"]).succeeds();
        let shown = spx(here, &["config", "show", command, "--config=template.toml"]).succeeds().stdout;
        assert!(shown.contains("release = \"newest\"") && shown.contains("ra = 213.9427"), "{shown}");
    }
    std::fs::write(here.join("typo.toml"), "cutout_sise = '60px'\n").unwrap();
    spx(here, &["download", "--config=typo.toml"]).fails(2, &["line 1", "did you mean `cutout_size`?"]);
    let both = ["download", "--query=list.toml", "--bands=D1"];
    spx(here, &both).fails(2, &["--query list.toml", "--bands", "give one of them"]);
}

/// What was asked for and how large it is, before and after the download.
#[test]
fn summaries_tell_filters_sizes_and_what_is_superseded() {
    let store = linked();
    let newest = first_of("D3");
    let name = newest.rsplit('/').next().unwrap();
    let retry = name.replace("_l2b-v", "_l2b_retry-v");
    fs::hard_link(store.path().join(&newest), store.path().join(&retry)).unwrap();
    let (archive, folder) = (serve(store.path(), Faults::default()), tempdir().unwrap());
    let filters = ["--bands=D3", "--mjd-range=61000,62000", "--release=qr2", "--fields=wide"];
    let read = |path: &str| -> toml::Table {
        toml::from_str(&fs::read_to_string(folder.path().join(path)).unwrap()).unwrap()
    };
    let check = |summary: &toml::Table| {
        let filters = summary["filters"].as_table().unwrap();
        assert_eq!(filters["bands"], toml::Value::from(vec!["D3"]));
        assert_eq!(filters["mjd_range"], toml::Value::from(vec![61_000.0, 62_000.0]));
        assert_eq!((filters["release"].as_str(), filters["fields"].as_str()), (Some("qr2"), Some("wide")));
        assert_eq!(filters["collections"], toml::Value::from(vec!["spherex_qr2"]));
        let whole = OBSERVATIONS as f64 * 71_640_000.0 / 1e9;
        for size in [&summary["band_sizes_gb"]["D3"], &summary["total_size_gb"]] {
            assert!((size.as_float().unwrap() / whole - 1.0).abs() < 0.01, "{size} {whole}");
        }
        let superseded = summary["superseded"].as_array().unwrap();
        assert_eq!(superseded.len(), 1);
        assert!(superseded[0]["uri"].as_str().unwrap().ends_with(name), "{superseded:?}");
        let made = name.split("_spx_").nth(1).unwrap().trim_end_matches(".fits");
        let reason = superseded[0]["reason"].as_str().unwrap();
        let newer = made.replace("l2b-", "l2b_retry-");
        assert_eq!(reason, format!("qr2 {newer} is newer than qr2 {made}"));
    };
    let size = |directory: &str| -> f64 {
        let files = tree(&folder.path().join(directory)).into_iter();
        let images = files.filter(|(name, _)| name.contains("level2"));
        images.map(|(_, bytes)| bytes.len() as f64).sum::<f64>() / 1e9
    };
    let sizes = |summary: &toml::Table, directory: &str, estimate: f64| {
        let told = |key: &str| summary[key].as_float().unwrap();
        assert!((told("downloaded_gb") - size(directory)).abs() < 1e-12);
        let expected = told("estimated_download_gb") / OBSERVATIONS as f64;
        assert!((0.8..1.25).contains(&(expected / estimate)), "{expected} {estimate}");
    };
    let run = ask(&archive, folder.path(), "download", &[&filters[..], &["-o", "whole"]].concat());
    ends(&run, 0, &["3 fetched"]);
    let summary = read("whole/query_summary.toml");
    check(&summary);
    assert_eq!(summary["filters"]["max_images"].as_integer(), Some(500));
    sizes(&summary, "whole", 0.0716);
    // Every pipeline can be limited, and says how.
    fs::write(folder.path().join("c.csv"), "targetid,ra,dec\n1,186.4536,33.5468\n").unwrap();
    let batch = ["--catalog=c.csv", "--radius=0.05", "--coverage-mode=any", "-o", "batch"];
    for (command, words) in [("batch", &batch[..]), ("run", &["-o", "limited"])] {
        let run = ask(&archive, folder.path(), command, &[words, &["--max-images=2"]].concat());
        ends(&run, 2, &["6 images", "--max-images allows more"]);
    }
    // Cutouts are smaller: 40 x 40 pixels of 16 bytes, and the PSFs.
    let words = ["--name=s", "--cutout-size=40px", "-o", "run"];
    let run = ask(&archive, folder.path(), "run", &[&filters[..], &words].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let summary = read("run/results/query_summary.toml");
    check(&summary);
    assert!(!summary["filters"].as_table().unwrap().contains_key("max_images"));
    sizes(&summary, "run/data", 0.005);
}

/// A switch that is on by default can be turned off and on again, and what is typed wins.
#[test]
fn the_command_line_wins_over_the_environment() {
    let folder = tempdir().unwrap();
    for (environment, typed, expected) in [
        ("true", "--no-shift-wavelengths", false),
        ("false", "--shift-wavelengths", true),
        ("1", "--shift-wavelengths=false", false),
        ("0", "--quiet", false),
    ] {
        let mut command = command(folder.path(), &["config", "show", "photometry", typed]);
        let output = command.env("SPX_SHIFT_WAVELENGTHS", environment).output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(
            shown.contains(&format!("\nshift_wavelengths = {expected}\n")),
            "{environment} {typed}: {shown}"
        );
    }
}
