//! `spx download` and `spx drizzle` killed at any moment: the next run ends where an undisturbed one does.
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

use spx_sim::serve::{Fault, Faults, LocalArchive, RequestKind, ServeOptions};
use tempfile::tempdir;
use tools::command;
use tools::local::{PLACE, images, tree};

/// A command that writes into the directory `out`.
struct Victim {
    arguments: Vec<String>,
    /// What a run is given that goes on with an earlier one.
    resume: &'static [&'static str],
}

/// Where kills fell.
#[derive(Debug, Default, PartialEq)]
struct Phases {
    query: usize,
    download: usize,
    drizzle: usize,
    /// The run was faster.
    over: usize,
}

impl Victim {
    fn new(archive: &LocalArchive, given: &[&str], resume: &'static [&'static str]) -> Self {
        let url = format!("--archive-url={}", archive.url());
        let all = [given, &["-q", "-o", "out", &url], &PLACE[..]].concat();
        Self { arguments: all.into_iter().map(str::to_owned).collect(), resume }
    }

    /// Runs it in a folder, and kills it after a time. True where it had come to its end.
    fn run(&self, folder: &Path, again: bool, after: Duration) -> bool {
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        arguments.extend(if again { self.resume } else { &[] });
        let mut child =
            command(folder, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + after;
        while Instant::now() < end {
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

/// What a run leaves, but for the moment of the query.
fn end_state(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = tree(&folder.join("out"));
    let summary = String::from_utf8(files["query_summary.toml"].clone()).unwrap();
    let (time, rest): (Vec<&str>, Vec<&str>) = summary.lines().partition(|l| l.starts_with("query_time"));
    assert_eq!(time.len(), 1);
    files.insert("query_summary.toml".into(), rest.join("\n").into_bytes());
    files
}

/// Names of the spectral images that are there under their own names.
fn whole(folder: &Path) -> BTreeSet<String> {
    let out = folder.join("out");
    let paths = if out.exists() { tree(&out).into_keys().collect() } else { Vec::new() };
    let names = paths.iter().map(|path| path.rsplit('/').next().unwrap().to_owned());
    names.filter(|name| name.starts_with("level2_")).collect()
}

fn count(phases: &mut Phases, folder: &Path, over: bool) {
    let state = fs::read_to_string(folder.join("out/drizzle_state.toml")).unwrap_or_default();
    *match () {
        () if over => &mut phases.over,
        () if state.contains("[stages.download]") => &mut phases.drizzle,
        () if folder.join("out/query_summary.toml").exists() => &mut phases.download,
        () => &mut phases.query,
    } += 1;
}

/// Kills a command so many times at moments that a seed decides. A chain of kills ends with a run that is left
/// alone, whose end state must be that of an undisturbed one; then the next chain begins with an empty directory.
fn kill(archive: &LocalArchive, victim: &Victim, kills: usize, seed: u64) -> Phases {
    let never = Duration::from_secs(60);
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
        // Early moments are more likely where there is a query to be met; a run that resumes is shorter.
        let share = if again { 0.5 * random.f64() } else { random.f64().powi(2) };
        let moment = whole_run.mul_f64(share);
        for after in [Some(moment), last.then_some(never)].into_iter().flatten() {
            let before = whole(folder.path());
            let asked = archive.log().entries.len();
            let over = victim.run(folder.path(), again || after == never, after);
            assert!(before.is_subset(&whole(folder.path())), "no file is lost");
            for entry in &archive.log().entries[asked..] {
                let fetched_again = before.iter().find(|name| entry.path.ends_with(name.as_str()));
                assert_eq!(fetched_again, None, "a file that was whole is fetched again");
            }
            if after != never {
                count(&mut phases, folder.path(), over);
            }
        }
        if last {
            let found = end_state(folder.path());
            let names = |state: &BTreeMap<String, Vec<u8>>| state.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&found), names(&expected), "kill {k}");
            for (name, bytes) in &found {
                assert!(*bytes == expected[name], "{name} after kill {k}");
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
#[ignore = "takes a minute"]
fn fifty_kills_of_each_are_taken_up() {
    let (a, b) = (download(50, 3), drizzle(50, 4));
    let sums = [a.query + b.query, a.download + b.download, b.drizzle];
    assert!(sums.iter().all(|kills| *kills >= 3), "kills must fall in each stage: {a:?} {b:?}");
}
