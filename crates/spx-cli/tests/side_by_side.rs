//! Commands that work on the same files at the same time: none takes from another what it has done.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;
use std::path::Path;
use std::thread;

use spx_core::fits::FitsReader;
use tempfile::tempdir;
use tools::{exposure, input, names, spx};

const REGION: [&str; 7] =
    ["drizzle", "-q", "--ra=186.4536", "--dec=33.5468", "--width=2.6", "--height=2.2", "--detector=3"];

/// Adds one exposure after the other to sums, each again until it is taken; gives how often it was
/// refused.
fn add_all(folder: &Path, numbers: impl Iterator<Item = usize>) -> usize {
    let mut refused = 0;
    for number in numbers {
        let file = format!("{number}.fits");
        loop {
            let words = [&REGION[..], &["--accumulate=sums.fits", "--sums-only", "--input", &file]].concat();
            let run = spx(folder, &words);
            if run.code == Some(0) {
                break;
            }
            run.fails(1, &["another run is at work in sums.fits"]);
            refused += 1;
            assert!(refused < 1000, "it is refused for ever: {}", run.stderr);
        }
    }
    refused
}

#[test]
fn sums_lose_no_exposure_of_two_runs() {
    const COUNT: usize = 10;
    let folder = tempdir().unwrap();
    let folder = folder.path();
    for number in 0..2 * COUNT {
        fs::write(folder.join(format!("{number}.fits")), exposure(number)).unwrap();
    }
    let refused = thread::scope(|scope| {
        let other = scope.spawn(|| add_all(folder, (0..COUNT).map(|k| 2 * k + 1)));
        add_all(folder, (0..COUNT).map(|k| 2 * k)) + other.join().unwrap()
    });
    println!("{refused} runs were refused");
    let run = spx(folder, &["cube", "finalize", "sums.fits", "-o", "cube.fits", "-q"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let cube = FitsReader::open(&folder.join("cube.fits")).unwrap().header().unwrap();
    assert_eq!(cube.integer("N_INPUTS").unwrap(), i64::try_from(2 * COUNT).unwrap());
    assert!(!names(folder).iter().any(|name| name.starts_with('.')), "{:?}", names(folder));
}

#[test]
fn two_runs_overwrite_a_cube_in_a_new_directory() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let inputs = ["d3_a.fits", "d3_b.fits"].map(|name| input(name).display().to_string());
    let make = |output: &str| {
        let more = ["--overwrite", "-o", output, "--input", &inputs[0], &inputs[1]];
        spx(folder, &[&REGION[..], &more].concat())
    };
    assert_eq!(make("alone").code, Some(0));
    let expected = fs::read(folder.join("alone/drizzle_D3.fits")).unwrap();
    // One that has nothing to write takes the directory from none.
    let lost = input("d3_pole_a.fits").display().to_string();
    for round in 0..8 {
        let output = format!("new_{round}/out");
        let runs = thread::scope(|scope| {
            let other = scope.spawn(|| make(&output));
            let nothing =
                scope.spawn(|| spx(folder, &[&REGION[..], &["-o", &output, "--input", &lost]].concat()));
            let runs = [make(&output), other.join().unwrap()];
            assert_ne!(nothing.join().unwrap().code, Some(0));
            runs
        });
        for run in runs {
            assert_eq!(run.code, Some(0), "round {round}: {}", run.stderr);
        }
        let made = folder.join(&output);
        assert!(fs::read(made.join("drizzle_D3.fits")).unwrap() == expected, "round {round}");
        assert_eq!(names(&made), ["drizzle_D3.fits", "drizzle_D3.toml"]);
    }
}
