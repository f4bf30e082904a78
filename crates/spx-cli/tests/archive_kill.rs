//! `spx download`, `spx drizzle` and `spx run` killed at any moment: the next run ends where an
//! undisturbed one does.
//!
//!     cargo test -p spx-cli --test archive_kill -- --ignored --nocapture     # 50 kills of each
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests panic and print")]

mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use spx_serve::{Fault, Faults, LocalArchive, RequestKind, ServeOptions};
use tempfile::tempdir;
use tools::local::{OBSERVATIONS, PLACE, images, tree};
use tools::{command, without_modification_times};

/// A command that writes into the directory `out`.
struct Victim {
    arguments: Vec<String>,
    /// What a run is given that goes on with an earlier one.
    resume: &'static [&'static str],
    /// The query summary, below `out`.
    summary: &'static str,
    /// The state, below `out`.
    state: &'static str,
}

/// When a run is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After a time.
    After(Duration),
    /// When so many files have been processed.
    Processed(usize),
}

/// Where kills fell.
#[derive(Debug, Default, PartialEq)]
struct Phases {
    query: usize,
    download: usize,
    /// Photometry of the files.
    processing: usize,
    /// What follows: the cube, or tables and figures.
    last: usize,
    /// The run was faster.
    over: usize,
}

impl Victim {
    fn new(archive: &LocalArchive, given: &[&str], resume: &'static [&'static str]) -> Self {
        let url = format!("--archive-url={}", archive.url());
        let all = [given, &["-q", "-o", "out", &url], &PLACE[..]].concat();
        let arguments = all.into_iter().map(str::to_owned).collect();
        Self { arguments, resume, summary: "query_summary.toml", state: "drizzle_state.toml" }
    }

    /// Runs it in a folder, and kills it at a moment. True where it had come to its end.
    fn run(&self, folder: &Path, again: bool, moment: Moment) -> bool {
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        arguments.extend(if again { self.resume } else { &[] });
        let mut child =
            command(folder, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        let over = || match moment {
            Moment::After(time) => start.elapsed() >= time,
            Moment::Processed(files) => journal(folder).len() >= files,
        };
        while !over() {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{arguments:?}: {status}");
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        false
    }
}

/// An archive that takes its time: before each answer, and in the middle of each file.
fn slow_archive() -> LocalArchive {
    let faults = Faults {
        rate: 1.0,
        kinds: vec![Fault::Stall(Duration::from_millis(60))],
        requests: vec![RequestKind::File],
        in_a_row: 0,
        latency: Duration::from_millis(100),
        ..Faults::default()
    };
    LocalArchive::start(images(), ServeOptions { faults, ..ServeOptions::default() }).unwrap()
}

/// What a run leaves, but for its time stamps.
fn end_state(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = tree(&folder.join("out"));
    for (name, contents) in &mut files {
        if name.ends_with(".toml") {
            *contents = without_modification_times(contents);
        }
        let Some(stamp) = TIME_STAMPS.iter().find_map(|(file, stamp)| name.ends_with(file).then_some(stamp))
        else {
            continue;
        };
        let text = String::from_utf8(contents.clone()).unwrap();
        let (time, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|l| l.contains(stamp));
        assert_eq!(time.len(), 1, "{name}");
        *contents = rest.join("\n").into_bytes();
    }
    files
}

/// The lines that may differ from run to run.
const TIME_STAMPS: [(&str, &str); 4] = [
    ("query_summary.toml", "query_time = "),
    ("photometry.json", "  \"generated\": "),
    ("lightcurve.csv", "# Generated: "),
    ("lightcurve.ecsv", "#   generated: "),
];

/// Files that a run has processed, by its journal: each once.
fn journal(folder: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(folder.join("out/source.processing.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().skip(1).map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut items = BTreeSet::new();
    for line in lines {
        let item = line["item"].as_str().unwrap().to_owned();
        assert!(items.insert(item.clone()), "{item} is processed twice");
    }
    items
}

/// Names of the spectral images that are there under their own names.
fn whole(folder: &Path) -> BTreeSet<String> {
    let out = folder.join("out");
    let paths = if out.exists() { tree(&out).into_keys().collect() } else { Vec::new() };
    let names = paths.iter().map(|path| path.rsplit('/').next().unwrap().to_owned());
    names.filter(|name| name.starts_with("level2_")).collect()
}

fn count(phases: &mut Phases, victim: &Victim, folder: &Path, over: bool) {
    let out = folder.join("out");
    let state = fs::read_to_string(out.join(victim.state)).unwrap_or_default();
    *match () {
        () if over => &mut phases.over,
        () if !journal(folder).is_empty() => &mut phases.processing,
        () if state.contains("[stages.download]") => &mut phases.last,
        () if out.join(victim.summary).exists() => &mut phases.download,
        () => &mut phases.query,
    } += 1;
}

/// Kills a command so many times at moments that a seed decides. A chain of kills ends with a run
/// that is left alone, whose end state must be that of an undisturbed one; then the next chain
/// begins with an empty directory.
fn kill(archive: &LocalArchive, victim: &Victim, kills: usize, seed: u64) -> Phases {
    let never = Moment::After(Duration::from_secs(60));
    let undisturbed = tempdir().unwrap();
    let start = Instant::now();
    assert!(victim.run(undisturbed.path(), false, never));
    let whole_run = start.elapsed();
    let expected = end_state(undisturbed.path());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut phases = Phases::default();
    let (mut folder, mut again) = (tempdir().unwrap(), false);
    for k in 0..kills {
        let last = random.bool() || k == kills - 1;
        // Early moments are more likely where there is a query to be met; a run that resumes is
        // shorter.
        let share = if again { 0.5 * random.f64() } else { random.f64().powi(2) };
        let moment = match random.u8(0..3) {
            0 if victim.state == "source.toml" => Moment::Processed(random.usize(1..=2 * OBSERVATIONS)),
            _ => Moment::After(whole_run.mul_f64(share)),
        };
        for after in [Some(moment), last.then_some(never)].into_iter().flatten() {
            let (before, processed) = (whole(folder.path()), journal(folder.path()));
            let asked = archive.log().entries.len();
            let left_alone = matches!(after, Moment::After(time) if time.as_secs() == 60);
            let over = victim.run(folder.path(), again || left_alone, after);
            assert!(before.is_subset(&whole(folder.path())), "no file is lost");
            for entry in &archive.log().entries[asked..] {
                let stem = |name: &str| name.split("_cutout_").next().unwrap().replace(".fits", "");
                let fetched_again = before.iter().find(|name| entry.path.contains(&stem(name)));
                assert_eq!(fetched_again, None, "a file that was whole is fetched again");
            }
            if !left_alone {
                assert!(
                    over || processed.is_subset(&journal(folder.path())) || journal(folder.path()).is_empty()
                );
                count(&mut phases, victim, folder.path(), over);
            }
        }
        if last {
            let found = end_state(folder.path());
            let names = |state: &BTreeMap<String, Vec<u8>>| state.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&found), names(&expected), "kill {k}");
            // The settings of a run name its directory.
            let placeless = |bytes: &[u8]| {
                let text = String::from_utf8_lossy(bytes);
                let lines = text.lines().filter(|line| !line.starts_with("output_dir = "));
                lines.flat_map(|line| [line, "\n"]).collect::<String>()
            };
            for (name, bytes) in &found {
                let same = *bytes == expected[name] || placeless(bytes) == placeless(&expected[name]);
                assert!(same, "{name} after kill {k}");
            }
            folder = tempdir().unwrap();
        }
        again = !last;
    }
    println!("{kills} kills within {} ms: {phases:?}", whole_run.as_millis());
    phases
}

fn download(kills: usize, seed: u64) -> Phases {
    let archive = slow_archive();
    kill(&archive, &Victim::new(&archive, &["download", "--workers=2"], &[]), kills, seed)
}

fn drizzle(kills: usize, seed: u64) -> Phases {
    let archive = slow_archive();
    // Many voxels, so that the drizzle takes about as long as the rest.
    let given =
        ["drizzle", "--width=8", "--height=8", "--xy-oversample=4", "--z-oversample=2", "--workers=2"];
    kill(&archive, &Victim::new(&archive, &given, &["--resume"]), kills, seed)
}

fn source(kills: usize, seed: u64) -> Phases {
    let archive = slow_archive();
    let given =
        ["run", "--cutout-size=40px", "--workers=2", "--psf-flux", "--aperture-correction", "--threads=1"];
    let victim = Victim {
        summary: "results/query_summary.toml",
        state: "source.toml",
        ..Victim::new(&archive, &given, &["--resume"])
    };
    kill(&archive, &victim, kills, seed)
}

#[test]
fn killed_downloads_are_taken_up() {
    let phases = download(12, 1);
    assert!(phases.over <= 6, "most runs must be killed while they are under way: {phases:?}");
}

#[test]
fn killed_drizzles_are_taken_up() {
    let phases = drizzle(12, 2);
    assert!(phases.over <= 6, "most runs must be killed while they are under way: {phases:?}");
}

#[test]
fn killed_runs_of_a_source_are_taken_up() {
    let phases = source(12, 5);
    assert!(phases.over <= 6 && phases.processing >= 1, "{phases:?}");
}

#[test]
#[ignore = "takes three minutes"]
fn fifty_kills_of_each_are_taken_up() {
    let (a, b, c) = (download(50, 3), drizzle(50, 4), source(64, 6));
    let sums = [a.query + b.query, a.download + b.download, b.last];
    assert!(sums.iter().all(|kills| *kills >= 3), "kills must fall in each stage: {a:?} {b:?}");
    let sums = [c.query, c.download, c.processing, c.last];
    assert!(sums.iter().all(|kills| *kills >= 3), "kills must fall in each stage: {c:?}");
}
