//! `spx run --targets`: several sources of a list, against a local archive.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;
use std::path::Path;

use spx_serve::{Faults, LocalArchive, RequestKind};
use tempfile::{TempDir, tempdir};
use tools::local::{OBSERVATIONS, archive, images, serve, timeless};
use tools::{Run, names, spx, table};

/// Images of each source that is on them.
const IMAGES: usize = 2 * OBSERVATIONS;

/// A directory with a list of two stars, under names that VizieR's tables have.
fn two_stars() -> TempDir {
    let folder = tempdir().unwrap();
    let list = "#a list\nName;RA_ICRS;DE_ICRS\nHD 1;186.4536;33.5468\nhd 2;12 25 47.0;+33 32 30\n";
    fs::write(folder.path().join("stars.csv"), list).unwrap();
    folder
}

fn run(archive: &LocalArchive, folder: &Path, more: &[&str]) -> Run {
    let url = format!("--archive-url={}", archive.url());
    let first = ["run", "--targets=stars.csv", "-o", "out", "--cutout-size=24px", &url];
    spx(folder, &[&first[..], more].concat())
}

/// The directory tells that a list filled it.
#[test]
fn the_status_of_a_list_needs_its_directory_alone() {
    let (archive, folder) = (archive(), two_stars());
    assert_eq!(run(&archive, folder.path(), &["--bands=D3"]).code, Some(0));
    let named = spx(folder.path(), &["run", "--targets=stars.csv", "-o=out", "--status"]);
    let alone = spx(folder.path(), &["run", "-o=out", "--status"]);
    assert_eq!(
        (alone.code, alone.stderr.contains("the runs of a list")),
        (Some(0), true),
        "{}",
        alone.stderr
    );
    assert_eq!(alone.stdout.lines().count(), 3, "{}", alone.stdout);
    assert_eq!(alone.stdout.lines().next(), named.stdout.lines().next());
    assert!(alone.stdout.contains("HD 1    done   done      done        done"), "{}", alone.stdout);
    let one = spx(folder.path(), &["run", "-o=out", "--name=other", "--status"]);
    assert_eq!(one.code, Some(3), "{}", one.stderr);
}

#[test]
fn a_list_gives_runs_and_one_table_and_figure_of_all() {
    let (archive, folder) = (archive(), two_stars());
    let all = run(&archive, folder.path(), &["--format=csv,ecsv,json,votable"]);
    assert_eq!(all.code, Some(0), "{}", all.stderr);
    assert!(
        all.stderr.contains("hd 2 (2 of 2)") && all.stderr.contains("2 sources: 2 used"),
        "{}",
        all.stderr
    );
    for file in all.stdout.lines() {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    let out = folder.path().join("out");
    assert_eq!(names(&out.join("sources")), ["HD 1", "hd 2"]);
    let read = |path: &str| fs::read_to_string(out.join(path)).unwrap();
    let together = table(&read("results/lightcurves.csv"));
    let mut rows = Vec::new();
    for name in ["HD 1", "hd 2"] {
        let alone = table(&read(&format!("sources/{name}/results/lightcurve.csv")));
        assert_eq!(alone.len(), IMAGES);
        rows.extend(alone.into_iter().map(|mut row| {
            row.insert("source".to_owned(), name.to_owned());
            row
        }));
    }
    assert_eq!(together, rows, "each row is that of the source's own table");
    assert_ne!(rows[0]["flux"], rows[IMAGES]["flux"]);
    let summary = table(&read("results/targets.csv"));
    assert_eq!((summary[1]["source"].as_str(), summary[1]["n_used"].as_str()), ("hd 2", "6"));
    assert!(read("results/lightcurves.ecsv").starts_with("# %ECSV 1.0"));
    let json: serde_json::Value = serde_json::from_str(&read("results/lightcurves.json")).unwrap();
    assert_eq!(json["sources"][1]["photometry"].as_array().unwrap().len(), IMAGES);
    let svg = read("results/lightcurves.svg");
    assert!(svg.contains("HD 1") && svg.contains("hd 2"));
    // The written configuration is that of the list, from any directory.
    let elsewhere = tempdir().unwrap();
    let saved = out.join("targets_config.toml");
    let again = spx(elsewhere.path(), &["run", "--config", saved.to_str().unwrap(), "--resume"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(again.stderr.matches("processing: done before").count(), 2, "{}", again.stderr);
    let mixed = spx(folder.path(), &["spectrum", "out/results/lightcurves.csv"]);
    mixed.fails(2, &["several sources, HD 1 and hd 2"]);
}

#[test]
fn a_run_alone_gives_what_the_list_gives() {
    let (archive, folder) = (archive(), two_stars());
    assert_eq!(run(&archive, folder.path(), &[]).code, Some(0));
    let url = format!("--archive-url={}", archive.url());
    let alone =
        ["run", "--ra=186.4536", "--dec=33.5468", "--name=HD 1", "--cutout-size=24px", "-o", "alone", &url];
    assert_eq!(spx(folder.path(), &alone).code, Some(0));
    let of = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
    let without_date = |text: String| {
        text.lines().filter(|line| !line.contains("Generated")).map(str::to_owned).collect::<Vec<_>>()
    };
    let listed = without_date(of("out/sources/HD 1/results/lightcurve.csv"));
    assert_eq!(listed, without_date(of("alone/results/lightcurve.csv")));
    // The directory of a source is that of a run.
    let status = spx(folder.path(), &["run", "--name=HD 1", "-o", "out/sources/HD 1", "--status"]).succeeds();
    assert_eq!(status.stdout.matches("done").count(), 4, "{}", status.stdout);
    // Another source in its directory gets one of its own there, also when it goes on.
    let other = ["run", "--ra=186.4458", "--dec=33.5417", "--name=hd 2", "-o", "alone", &url];
    let made = spx(folder.path(), &[&other[..], &["--cutout-size=24px"]].concat());
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(made.stdout.contains("alone/hd 2/results/lightcurve.csv"), "{}", made.stdout);
    assert_eq!(listed, without_date(of("alone/results/lightcurve.csv")));
    let status = ["run", "--name=hd 2", "-o", "alone", "--status"];
    let status = spx(folder.path(), &status).succeeds();
    assert!(
        status.stdout.starts_with("hd 2,") && status.stdout.matches("done").count() == 4,
        "{}",
        status.stdout
    );
}

#[test]
fn a_list_is_resumed_with_the_settings_that_it_has() {
    let (archive, folder) = (archive(), two_stars());
    assert_eq!(run(&archive, folder.path(), &["--background-method=window"]).code, Some(0));
    let out = folder.path().join("out");
    let (before, asked) = (timeless(&out), archive.log().of_kind(RequestKind::Cutout));
    let again = spx(folder.path(), &["run", "--targets=stars.csv", "-o", "out", "--resume"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(again.stderr.matches("done before").count(), 8, "{}", again.stderr);
    assert_eq!(archive.log().of_kind(RequestKind::Cutout), asked);
    let after = timeless(&out);
    let changed: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    assert!(changed.is_empty() && before.len() == after.len(), "{changed:?}");
    let status = spx(folder.path(), &["run", "--targets=stars.csv", "-o", "out", "--status"]).succeeds();
    assert_eq!(status.stdout.lines().nth(2), Some("hd 2    done   done      done        done"));
    let json = spx(folder.path(), &["run", "--targets=stars.csv", "-o", "out", "--status", "--json"]).json();
    assert_eq!(json[0]["status"]["done"].as_array().unwrap().len(), 4);
}

#[test]
fn a_source_that_fails_does_not_end_the_others() {
    let (archive, folder) = (archive(), two_stars());
    let list = "id,ra,dec\nblocked,186.4536,33.5468\nnowhere,10,-60\nwrong,400,0\nlast,186.4536,33.5468\n";
    fs::write(folder.path().join("stars.csv"), list).unwrap();
    fs::create_dir_all(folder.path().join("out/sources")).unwrap();
    fs::write(folder.path().join("out/sources/blocked"), "a file where a directory should be").unwrap();
    let ended = run(&archive, folder.path(), &["--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for words in [
        "blocked: output directory",
        "nowhere: the archive has no",
        "line 4: wrong",
        "1 used, 1 rejected, 1 failed",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    let report = ended.json();
    let status = |k: usize| report["sources"][k]["status"].as_str().unwrap().to_owned();
    assert_eq!([0, 1, 2].map(status), ["failed", "rejected", "used"]);
    assert_eq!((report["rejected_rows"].as_u64(), report["sources"][2]["used"].as_u64()), (Some(1), Some(6)));
    let rows = table(&fs::read_to_string(folder.path().join("out/results/lightcurves.csv")).unwrap());
    assert!(rows.len() == IMAGES && rows.iter().all(|row| row["source"] == "last"));
    let folder = two_stars();
    fs::write(folder.path().join("stars.csv"), "id,ra,dec\nnowhere,10,-60\n").unwrap();
    assert_eq!(run(&archive, folder.path(), &[]).code, Some(3));
}

#[test]
fn lists_are_read_as_catalogs_are() {
    let (archive, folder) = (serve(images(), Faults::default()), two_stars());
    fs::write(folder.path().join("stars.csv"), "id,TIC,ra,dec,RAdeg2,DEdeg2\n1,77,0,0,186.4536,33.5468\n")
        .unwrap();
    let columns = ["--id-column=TIC", "--ra-column=RAdeg2", "--dec-column=dedeg2", "--stages=query"];
    let report = run(&archive, folder.path(), &[&columns[..], &["--json"]].concat()).json();
    assert_eq!(
        (report["sources"][0]["name"].as_str(), report["sources"][0]["ra"].as_f64()),
        (Some("77"), Some(186.4536))
    );
    let misspelt = run(&archive, folder.path(), &["--id-column=TIK"]);
    misspelt.fails(2, &["no column TIK", "did you mean `TIC`?"]);
    run(&archive, folder.path(), &["--ra=1", "--dec=2"]).fails(2, &["one source"]);
    let alone = ["run", "--ra=1", "--dec=2", "--id-column=id", "--archive-url=http://127.0.0.1:1"];
    spx(folder.path(), &alone).fails(2, &["id_column", "list of sources"]);
}
