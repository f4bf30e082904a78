//! One exposure in six files: both releases, a reprocessed image, repetitions, a copy in a folder.
//! Every command uses one of them, the right one, and tells which it left aside, with and without
//! `--resume`, from a directory and from the archive.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_serve::Faults;
use spx_sim::{
    ExposureOptions, FieldOptions, FrameExtent, SimulatedRelease, SimulatedSky, SurveyOptions, observe,
    survey, write_mef,
};
use tools::local::{PLACE, ask, serve};
use tools::{Run, spx};

mod tools;

/// What follows `level2_<observation>D3_spx_` in the names of the first exposure, from the one to
/// use on.
const PROCESSINGS: [&str; 5] = [
    "l2b_retry-v27-2026-222",
    "l2b-v27-2026-222",
    "l2b_retry-v24-2026-089",
    "l2b-v24-2026-089",
    "l2b-v21-2025-354",
];
/// The best of Quick Release 2.
const BEST_OF_QR2: &str = PROCESSINGS[2];

/// The first exposure as both releases have it, and the second, of Quick Release 2. Made once and
/// kept in the target directory.
fn originals() -> &'static Path {
    static IMAGES: OnceLock<PathBuf> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("superseded-images");
        if !place.exists() {
            let new = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let folder = new.path().join("images");
            simulate(&folder);
            // Another test may have been faster; its files are the same.
            fs::rename(folder, &place).ok();
        }
        place
    })
}

fn simulate(folder: &Path) {
    let position = Position::new(186.4536, 33.5468).unwrap();
    let sky = SimulatedSky::field(position, 0.03, 5, 5, &FieldOptions::default()).unwrap();
    let detectors = vec![Detector::new(3).unwrap()];
    let plan = SurveyOptions { observations: 2, detectors, ..SurveyOptions::default() };
    let plan = survey(position, &plan).unwrap();
    fs::create_dir_all(folder).unwrap();
    let exposures = [(0, SimulatedRelease::Qr2), (0, SimulatedRelease::Qr3), (1, SimulatedRelease::Qr2)];
    for (k, release) in exposures {
        let frame = FrameExtent::Around { position, size: 48 };
        let options = ExposureOptions { release, frame, ..ExposureOptions::default() };
        let exposure = observe(&sky, &plan[k], &options).unwrap();
        write_mef(&folder.join(plan[k].file_name(release)), &exposure, false).unwrap();
    }
}

/// Name of an image of the first exposure, or of the second.
fn name(observation: usize, processing: &str) -> String {
    let names = fs::read_dir(originals()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let stems: BTreeSet<String> = names.map(|name| name.split("_spx_").next().unwrap().to_owned()).collect();
    format!("{}_spx_{processing}.fits", stems.iter().nth(observation).unwrap())
}

/// Puts an image of the first exposure into a directory, under a name.
fn put(folder: &Path, processing: &str, name: &str) {
    let release = if processing.contains("-v27-") { "l2b-v27-2026-222" } else { "l2b-v21-2025-354" };
    fs::create_dir_all(folder).unwrap();
    fs::hard_link(originals().join(self::name(0, release)), folder.join(name)).unwrap();
}

/// A directory with some processings of the first exposure, a copy of the first of them in a
/// folder, and the second exposure.
fn directory(folder: &Path, processings: &[&str]) {
    for processing in processings {
        put(folder, processing, &name(0, processing));
    }
    put(&folder.join("older/copies"), processings[0], &name(0, processings[0]));
    let second = name(1, "l2b-v21-2025-354");
    let link = folder.join(&second);
    if !link.exists() {
        fs::hard_link(originals().join(&second), link).unwrap();
    }
}

/// File names of what a report lists with a status, and those of the others, with their reasons.
fn sorted(entries: &Value) -> (Vec<String>, Vec<(String, String)>) {
    let file = |entry: &Value| {
        let path = entry["file"].as_str().or(entry["image"].as_str()).unwrap();
        path.rsplit('/').next().unwrap().to_owned()
    };
    let (used, others): (Vec<&Value>, Vec<&Value>) =
        entries.as_array().unwrap().iter().partition(|entry| entry["status"] == "used");
    let reason = |entry: &Value| entry["reason"].as_str().unwrap_or_default().to_owned();
    let mut used: Vec<String> = used.into_iter().map(file).collect();
    used.sort();
    (used, others.into_iter().map(|entry| (file(entry), reason(entry))).collect())
}

/// Asserts that a report uses the best image of the first exposure and the second, and tells of all
/// the others which image stands in for them.
fn uses(report: &Value, best: &str, others: usize, context: &str) {
    let (used, aside) = sorted(report);
    assert_eq!(used, [name(0, best), name(1, "l2b-v21-2025-354")], "{context}: {report:#}");
    assert_eq!(aside.len(), others, "{context}: {aside:#?}");
    for (file, reason) in &aside {
        assert!(reason.contains(&name(0, best)), "{context}: {file}: {reason}");
    }
}

fn local(folder: &Path, command: &[&str], more: &[&str]) -> Value {
    // Sources of a batch are those of its catalog.
    let place = if command[0] == "batch" { &[] } else { &PLACE[..] };
    let run = spx(folder, &[command, place, more, &["--json"]].concat());
    assert_eq!(run.code, Some(0), "{command:?} {more:?}: {}{}", run.stdout, run.stderr);
    run.json()
}

/// What a command reports of each image of a directory `data`; the second is for `--resume`.
fn report(folder: &Path, command: &str, more: &[&str]) -> Value {
    let size = ["--width=3", "--height=3", "--input=data"];
    match command {
        "photometry" => local(folder, &["photometry", "data"], more)["photometry"].clone(),
        "batch" => {
            let words = ["batch", "--catalog=c.csv", "--input=data", "-o", "batch"];
            local(folder, &words, more)["images"].clone()
        }
        "drizzle" => {
            let words = [&["drizzle", "--detector=3", "-o", "cube"], &size[..]].concat();
            local(folder, &words, more)[0]["inputs"].clone()
        }
        _ => {
            let words = [&["mosaic", "--detector=3", "--wave=1.6..2.5", "-o", "mosaic"], &size[..]].concat();
            let report = local(folder, &words, more);
            report.get(0).unwrap_or(&report)["inputs"].clone()
        }
    }
}

/// Rows of the light curve of a batch, and the first exposure's processing in it.
fn curve(folder: &Path) -> (usize, Vec<String>) {
    let text = fs::read_to_string(folder.join("batch/lightcurves/1.csv")).unwrap();
    let all = [&PROCESSINGS[..], &["l2b-v21-2025-354"]].concat();
    let made = all.into_iter().filter(|made| text.contains(&format!(",{made},"))).map(str::to_owned);
    (text.lines().count() - 1, made.collect::<BTreeSet<_>>().into_iter().collect())
}

fn folder_with_catalog() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(folder.path().join("c.csv"), "targetid,ra,dec\n1,186.4536,33.5468\n").unwrap();
    folder
}

#[test]
fn of_the_images_of_a_directory_the_newest_is_used_and_the_others_are_told() {
    let folder = folder_with_catalog();
    let folder = folder.path();
    // First an image as the archive had it a year ago; then all that followed.
    directory(&folder.join("data"), &PROCESSINGS[4..]);
    for command in ["photometry", "batch", "drizzle", "mosaic"] {
        uses(&report(folder, command, &[]), PROCESSINGS[4], 1, command);
    }
    fs::remove_dir_all(folder.join("data/older")).unwrap();
    directory(&folder.join("data"), &PROCESSINGS[..4]);
    for (command, more) in [
        ("photometry", &[][..]),
        ("batch", &["--resume"]),
        // Cubes of files at hand are made in one go, so that there is nothing to resume.
        ("drizzle", &["--resume", "--overwrite"]),
        ("mosaic", &["--resume", "--overwrite"]),
        ("drizzle", &["--overwrite"]),
        ("mosaic", &["--overwrite"]),
        ("batch", &["--overwrite"]),
    ] {
        uses(&report(folder, command, more), PROCESSINGS[0], 5, command);
        if command == "batch" {
            assert_eq!(curve(folder), (2, vec!["l2b-v21-2025-354".into(), PROCESSINGS[0].into()]));
        }
    }
    // Of one release the newest of it; the others are told with what was asked for.
    let of_qr2 = report(folder, "photometry", &["--release=qr2"]);
    let (used, aside) = sorted(&of_qr2);
    assert_eq!(used, [name(0, BEST_OF_QR2), name(1, "l2b-v21-2025-354")]);
    let releases = aside.iter().filter(|(_, reason)| reason.contains("it is qr3, and release = qr2"));
    assert_eq!((releases.count(), aside.len()), (3, 5), "{aside:#?}");
    let (used, _) = sorted(&report(folder, "photometry", &["--release=any"]));
    assert_eq!(used.len(), 3, "one of each release: {used:?}");
}

/// A pipeline on the archive.
fn from_archive(archive: &spx_serve::LocalArchive, folder: &Path, command: &str, more: &[&str]) -> Run {
    let words: &[&str] = match command {
        "run" => &["--name=star", "-o", "run"],
        "batch" => &["--catalog=c.csv", "--radius=0.05", "--coverage-mode=any", "-o", "batch"],
        "drizzle" => &["--width=3", "--height=3", "--detector=3", "-o", "cube"],
        _ => &["--width=3", "--height=3", "--detector=3", "--wave=1.6..2.5", "-o", "mosaic"],
    };
    let run = ask(archive, folder, command, &[words, more].concat());
    assert_eq!(run.code, Some(0), "{command} {more:?}: {}{}", run.stdout, run.stderr);
    run
}

#[test]
fn of_the_images_of_the_archive_the_newest_is_downloaded_and_the_others_are_listed() {
    let folder = folder_with_catalog();
    let folder = folder.path();
    let store = folder.join("store");
    directory(&store, &PROCESSINGS);
    fs::remove_dir_all(store.join("older")).unwrap();
    let archive = serve(&store, Faults::default());
    let expected = BTreeSet::from([name(0, PROCESSINGS[0]), name(1, "l2b-v21-2025-354")]);
    for (command, summary) in
        [("run", "run/results"), ("batch", "batch"), ("drizzle", "cube"), ("mosaic", "mosaic")]
    {
        for more in [&[][..], &["--resume"]] {
            from_archive(&archive, folder, command, more);
            let path = folder.join(summary).join("query_summary.toml");
            let summary: toml::Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let superseded = summary["superseded"].as_array().unwrap();
            let listed: BTreeSet<&str> =
                superseded.iter().map(|s| s["uri"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
            let wanted: BTreeSet<String> = PROCESSINGS[1..].iter().map(|made| name(0, made)).collect();
            assert_eq!(listed, wanted.iter().map(String::as_str).collect(), "{command} {more:?}");
            for old in superseded {
                let reason = old["reason"].as_str().unwrap();
                assert!(reason.contains(PROCESSINGS[0]), "{command}: {reason}");
            }
            let files: BTreeSet<String> = tools::local::tree(&path.parent().unwrap().join(match command {
                "run" => "../data",
                "batch" => "images",
                _ => "data",
            }))
            .into_keys()
            .map(|file| file.rsplit('/').next().unwrap().to_owned())
            .filter(|file| file.ends_with(".fits"))
            .collect();
            assert_eq!(files, expected, "{command} {more:?}");
        }
    }
    assert_eq!(curve(folder).0, 2);
    let rows: Value =
        serde_json::from_slice(&fs::read(folder.join("run/results/photometry.json")).unwrap()).unwrap();
    uses(&rows["photometry"], PROCESSINGS[0], 0, "run");
}

/// An archive that has a newer processing since: a run that begins anew uses it, and one that
/// resumes keeps to what it has found, once.
#[test]
fn a_run_begun_anew_takes_what_the_archive_has_since() {
    let folder = folder_with_catalog();
    let folder = folder.path();
    let store = folder.join("store");
    directory(&store, &PROCESSINGS[4..]);
    fs::remove_dir_all(store.join("older")).unwrap();
    let used = |run: &Run| -> Vec<String> {
        let _ = run;
        let text = fs::read_to_string(folder.join("run/results/lightcurve.csv")).unwrap();
        let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        rows.map(|row| PROCESSINGS.iter().find(|made| row.contains(*made)).unwrap().to_string()).collect()
    };
    let before = serve(&store, Faults::default());
    let run = from_archive(&before, folder, "run", &[]);
    assert_eq!(used(&run), [PROCESSINGS[4], "l2b-v21-2025-354"]);
    drop(before);
    directory(&store, &PROCESSINGS[..2]);
    fs::remove_dir_all(store.join("older")).unwrap();
    let since = serve(&store, Faults::default());
    let run = from_archive(&since, folder, "run", &[]);
    assert_eq!(used(&run), [PROCESSINGS[0], "l2b-v21-2025-354"]);
    let run = from_archive(&since, folder, "run", &["--resume"]);
    assert_eq!(used(&run), [PROCESSINGS[0], "l2b-v21-2025-354"]);
}
