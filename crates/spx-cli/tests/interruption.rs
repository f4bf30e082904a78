//! Commands that are stopped, whatever they are at, and gone on with.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tools::{command, exposure, input, spx};

mod tools;

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// All files below a directory, by their paths.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            (entry.path().strip_prefix(folder).unwrap().into(), std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Nobody reads what the command writes, which does not look whether it is to stop while it waits.
#[test]
fn a_command_that_waits_for_its_reader_ends_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    for k in 0..100 {
        std::fs::hard_link(input("d3_a.fits"), folder.path().join(format!("in/{k}.fits")))
            .or_else(|_| std::fs::write(folder.path().join(format!("in/{k}.fits")), exposure(0)))
            .unwrap();
    }
    let words = ["photometry", "--json", "--ra=186.4536", "--dec=33.5468", "in"];
    let mut child = command(folder.path(), &words);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut silent = child.stdout.take().unwrap();
    silent.read_exact(&mut [0]).unwrap();
    send("-TERM", &child);
    let sent = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if sent.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it waits for ever");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("error: interrupted\nthe same command begins anew\n"), "{said}");
    drop(silent);
}

#[test]
fn a_simulation_goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let words = |output: &'static str| {
        ["simulate", "--ra=10", "--dec=41", "--size=20", "--exposures=8", "--threads=1", "-o", output]
    };
    assert_eq!(spx(folder.path(), &words("whole")).code, Some(0));
    let whole = files(&folder.path().join("whole"));
    assert_eq!(whole.len(), 9, "{:?}", whole.keys());
    for signal in ["-TERM", "-KILL"] {
        std::fs::remove_dir_all(folder.path().join("part")).ok();
        let mut child = command(folder.path(), &words("part"));
        let child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let is_image = |path: &PathBuf| {
            path.extension().is_some_and(|end| end == "fits") && !path.to_string_lossy().starts_with('.')
        };
        let part = folder.path().join("part");
        let images = || {
            let names = std::fs::read_dir(&part).into_iter().flatten();
            names.filter(|entry| is_image(&entry.as_ref().unwrap().file_name().into())).count()
        };
        while images() == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        send(signal, &child);
        let ended = child.wait_with_output().unwrap();
        if signal == "-TERM" {
            let said = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(130), "{said}");
            assert!(said.contains("the same command goes on from here"), "{said}");
            let left = files(&part);
            let own = |path: &&PathBuf| !whole.contains_key(*path);
            assert_eq!(left.keys().filter(own).collect::<Vec<_>>(), [Path::new("simulate_state.toml")]);
        }
        let other = [&words("part")[..], &["--seed=2"]].concat();
        spx(folder.path(), &other).fails(2, &["simulation with other settings", "simulate_state.toml"]);
        let run = spx(folder.path(), &words("part"));
        assert!(run.stderr.contains("going on with a simulation"), "{}", run.stderr);
        assert_eq!(run.code, Some(0));
        assert!(files(&part) == whole, "{signal}: {:?}", files(&part).keys());
        spx(folder.path(), &words("part")).fails(2, &["exists; choose another directory"]);
    }
}

/// The hidden directory of the parts is not there yet, or no longer.
#[test]
fn a_cube_of_all_channels_is_resumed_from_its_beginning_and_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = input("d3_a.fits").display().to_string();
    let region = ["drizzle", "-q", "--ra=186.4536", "--dec=33.5468", "--width=2", "--height=2"];
    let words = [&region[..], &["--channels=all", "--resume", "-o", "out", "--input", &path]].concat();
    let cube = || {
        let run = spx(folder.path(), &words);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        std::fs::read(folder.path().join("out/drizzle_all.fits")).unwrap()
    };
    let first = cube();
    assert!(cube() == first);
    std::fs::remove_file(folder.path().join("out/drizzle_state.toml")).unwrap();
    assert!(cube() == first);
}

/// `--overwrite` as root once made a file of a device.
#[test]
fn pipes_and_devices_are_not_replaced() {
    use std::os::unix::fs::FileTypeExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = input("d3_a.fits").display().to_string();
    let pipe = folder.path().join("pipe.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/null", folder.path().join("null.csv")).unwrap();
    std::fs::create_dir(folder.path().join("dir.csv")).unwrap();
    for output in ["pipe.csv", "null.csv", "dir.csv"] {
        let words = ["photometry", "--ra=186.4536", "--dec=33.5468", "--overwrite", "-o", output, &path];
        let run = spx(folder.path(), &words);
        assert!(!matches!(run.code, Some(0)), "{}", run.stderr);
        assert!(run.stderr.contains(output), "{}", run.stderr);
    }
    assert!(pipe.symlink_metadata().unwrap().file_type().is_fifo());
    assert!(folder.path().join("null.csv").symlink_metadata().unwrap().file_type().is_symlink());
}
