//! Files that mean harm, in every command that reads FITS: alone, among good ones, and as
//! downloads. Each is refused with its name, HDU and card; the others are used; memory stays
//! bounded; no process ends without a message.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use spx_serve::{LocalArchive, ServeOptions};
use tempfile::{TempDir, tempdir};
use tools::hostile::{HostileFile, hostile};
use tools::{Run, command, exposure, folder_with_cube, input, names};

const PLACE: [&str; 2] = ["--ra=186.4536", "--dec=33.5468"];
const SIZE: [&str; 2] = ["--width=2.6", "--height=2.2"];
/// Good files among them, which see the place.
const GOOD: usize = 40;
/// Address space of a command \[kB\]: the program, its threads, and some files of 100 kB. Several
/// of the files ask for 10 GB.
const SPACE: u32 = 1_000_000;

/// `spx` with bounded memory, to its end, which comes soon and by itself.
fn spx(folder: &Path, arguments: &[&str]) -> Run {
    spx_within(SPACE, folder, arguments)
}

fn spx_within(space: u32, folder: &Path, arguments: &[&str]) -> Run {
    let mut bounded = Command::new("sh");
    bounded.args(["-c", &format!("ulimit -v {space}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_spx")]);
    bounded.args(arguments).current_dir(folder).env("SPX_THREADS", "2");
    for (name, value) in command(folder, &[]).get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    let start = Instant::now();
    let output = bounded.output().unwrap();
    let run = Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    let told = format!("{arguments:?}: {:?}\n{}", output.status, run.stderr);
    assert!(matches!(run.code, Some(0..=3)) && !run.stderr.contains("panicked"), "{told}");
    assert!(start.elapsed() < Duration::from_secs(60), "{told}");
    run
}

/// The hostile relatives of a committed input, each another exposure.
fn hostile_images() -> Vec<HostileFile> {
    let kinds = hostile(&exposure(0), "IMAGE", "WCS-WAVE").len();
    (0..kinds).map(|k| hostile(&exposure(k), "IMAGE", "WCS-WAVE").swap_remove(k)).collect()
}

/// The same in a directory.
fn hostile_images_in(folder: &Path) -> Vec<HostileFile> {
    let files = hostile_images();
    for file in &files {
        fs::write(folder.join(&file.name), &file.bytes).unwrap();
    }
    files
}

/// A line of the messages names the file, and says what is wrong with it.
fn named(run: &Run, file: &HostileFile) {
    let lines = || run.stderr.lines().filter(|line| line.contains(&file.name));
    let said = |line: &str| file.words.iter().all(|word| line.contains(word));
    let found = file.words.is_empty() || lines().any(said);
    assert!(found, "{}: {:?} is not in:\n{}", file.name, file.words, run.stderr);
}

#[test]
fn alone_they_are_refused() {
    let folder = tempdir().unwrap();
    let drizzle = [&["drizzle"], &PLACE[..], &SIZE, &["--detector=3", "-q", "-o", "out", "--input"]].concat();
    let photometry = [&["photometry"], &PLACE[..], &["-q"]].concat();
    for file in hostile_images_in(folder.path()) {
        for words in [&drizzle[..], &photometry, &["inspect"]] {
            let run = spx(folder.path(), &[words, &[&file.name]].concat());
            // Who reads headers alone need not see what is wrong with the data.
            let expected = if file.words.is_empty() || words == ["inspect"] { 0..=1 } else { 1..=1 };
            assert!(expected.contains(&run.code.unwrap()), "{words:?} {}: {}", file.name, run.stderr);
            if run.code == Some(1) {
                named(&run, &file);
            }
            let cube = folder.path().join("out");
            assert_eq!(cube.exists(), words[0] == "drizzle" && run.code == Some(0), "{}", file.name);
            fs::remove_dir_all(cube).ok();
        }
    }
}

#[test]
fn good_files_beside_them_are_used() {
    let folder = tempdir().unwrap();
    let files = hostile_images_in(folder.path());
    let good: Vec<String> = (0..GOOD).map(|k| format!("good_{k}.fits")).collect();
    for (k, name) in good.iter().enumerate() {
        fs::write(folder.path().join(name), exposure(files.len() + k)).unwrap();
    }
    fs::create_dir(folder.path().join("work")).unwrap();
    let work = folder.path().join("work");
    fs::write(work.join("catalog.csv"), "id,ra,dec\na,186.4536,33.5468\nb,186.46,33.55\n").unwrap();
    let all = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let all: Vec<_> = all.filter(|path| path.is_file()).map(|path| path.display().to_string()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let area = [&PLACE[..], &SIZE].concat();
    let commands = [
        [&["drizzle"], &area[..], &["--detector=3", "-q", "-o", "cube", "--input"]].concat(),
        [&["mosaic"], &area[..], &["--wave=1.6..2.5", "-q", "-o", "mosaic", "--input"]].concat(),
        [&["drizzle"], &area[..], &["--detector=3", "--accumulate=sums.fits", "-q", "--input"]].concat(),
        [&["photometry"], &PLACE[..], &["-q", "-o", "star.csv"]].concat(),
        vec!["batch", "--catalog=catalog.csv", "-q", "-o", "batch", "--input"],
    ];
    for words in &commands {
        let run = spx(&work, &[words, &all[..]].concat());
        assert_eq!(run.code, Some(1), "{words:?}: {}", run.stderr);
        files.iter().for_each(|file| named(&run, file));
        assert!(!run.stderr.contains("good_"), "{words:?}: {}", run.stderr);
    }
    let table = fs::read_to_string(work.join("star.csv")).unwrap();
    good.iter().for_each(|name| assert!(table.contains(name), "{name} is not in:\n{table}"));
    let curve = fs::read_to_string(work.join("batch/lightcurves/a.csv")).unwrap();
    assert!(curve.lines().count() > GOOD, "{curve}");
    assert!(names(&work).contains(&"sums.fits".to_owned()));
    for cube in ["cube/drizzle_D3.fits", "mosaic/mosaic.fits"] {
        let header = spx_core::fits::FitsReader::open(&work.join(cube)).unwrap().header().unwrap();
        assert!(header.integer("N_INPUTS").unwrap() >= i64::try_from(GOOD).unwrap(), "{cube}");
    }
}

#[test]
fn products_and_maps_that_lie_are_refused() {
    let folder = tempdir().unwrap();
    let good = input("d3_b.fits").display().to_string();
    let photometry = [&["photometry", &good], &PLACE[..], &["-q", "-o", "star.csv"]].concat();
    let drizzle = [&["drizzle"], &PLACE[..], &SIZE, &["--detector=3", "-q", "-o", "out"]].concat();
    let drizzle = [&drizzle[..], &["--input", &good]].concat();
    for file in hostile_images_in(folder.path()) {
        let option = |name: &str| format!("--{name}={}", file.name);
        for (words, product) in [
            (&photometry, option("flux-corrections")),
            (&photometry, option("spectral-wcs")),
            (&photometry, option("solid-angle-map")),
            (&photometry, option("epsf")),
            (&drizzle, option("flux-corrections")),
            (&drizzle, option("spectral-wcs")),
            (&drizzle, option("weight-map")),
        ] {
            let more = if product.contains("epsf") { "--psf-flux" } else { "--threads=2" };
            let more = if product.contains("weight-map") { "--weight=map" } else { more };
            let run = spx(folder.path(), &[&words[..], &[&product, more]].concat());
            // Those that are sound where a product is read are of another kind or shape; a map of
            // weights may be any image.
            let is_map = product.contains("weight-map");
            assert!(is_map || matches!(run.code, Some(1 | 2)), "{product}: {:?} {}", run.code, run.stderr);
            let refused = run.stderr.contains(&file.name);
            assert!(refused || matches!(run.code, Some(0 | 3)), "{product}: {}", run.stderr);
            for output in ["star.csv", "out"] {
                fs::remove_file(folder.path().join(output)).ok();
                fs::remove_dir_all(folder.path().join(output)).ok();
            }
        }
    }
}

#[test]
fn cubes_and_sums_that_lie_are_refused() {
    let folder = folder_with_cube();
    let at = folder.path();
    let words = [&["drizzle"], &PLACE[..], &SIZE, &["--detector=3", "--sums-only", "-q"]].concat();
    let good = input("d3_b.fits").display().to_string();
    assert_eq!(spx(at, &[&words[..], &["--accumulate=sums.fits", "--input", &good]].concat()).code, Some(0));
    let cubes = hostile(&fs::read(at.join("cube.fits")).unwrap(), "SCI", "WAVELENGTH");
    for file in &cubes {
        fs::write(at.join(&file.name), &file.bytes).unwrap();
        let others = ["cube", "spectrum", PLACE[0], PLACE[1], &file.name, "cube.fits"];
        let run = spx(at, &others);
        assert!(run.stdout.lines().count() > 17, "{}", run.stdout);
        assert_eq!(run.code == Some(1), run.stderr.contains(&file.name), "{}", run.stderr);
        for words in [
            &["cube", "info"][..],
            &["cube", "export", "--for=cubeviz", "-o", "out.fits"],
            &["cube", "import", "-o", "out.fits"],
            &["cube", "view", "--html=out.html"],
            &["cube", "spectrum", PLACE[0], PLACE[1]],
        ] {
            let run = spx(at, &[words, &[&file.name]].concat());
            if run.code != Some(0) {
                assert!(run.stderr.contains(&file.name), "{words:?}: {}", run.stderr);
                assert!(!names(at).iter().any(|name| name.starts_with("out")), "{words:?}: {:?}", names(at));
            }
            // Sums of all HDUs are compared before anything is converted.
            if words[1] == "export" || words[1] == "import" {
                assert_eq!(run.code, Some(1), "{words:?} {}: {}", file.name, run.stderr);
            }
            ["out.fits", "out.html"].iter().for_each(|name| drop(fs::remove_file(at.join(name))));
        }
    }
    for file in hostile(&fs::read(at.join("sums.fits")).unwrap(), "SUM_FLUX", "EXPOSURES") {
        fs::write(at.join(&file.name), &file.bytes).unwrap();
        let run = spx(at, &["cube", "finalize", &file.name, "-o", "out.fits"]);
        assert_eq!(run.code, Some(1), "finalize {}: {}", file.name, run.stderr);
        assert!(run.stderr.contains(&file.name), "{}", run.stderr);
        assert!(!names(at).contains(&"out.fits".to_owned()));
    }
}

/// An archive whose images were good when it looked at them; what they are now comes back too.
fn hostile_archive() -> (TempDir, LocalArchive, Vec<HostileFile>) {
    let folder = tempdir().unwrap();
    let place = folder.path().join("qr2/level2/2025W51_1A/l2b-v21-2025-354/3");
    fs::create_dir_all(&place).unwrap();
    let name = |number: usize| format!("level2_2025W51_1A_{number:04}_4D3_spx_l2b-v21-2025-354.fits");
    let mut files = hostile_images();
    for number in 0..files.len() + 3 {
        fs::write(place.join(name(number)), exposure(number)).unwrap();
    }
    let archive = LocalArchive::start(folder.path(), ServeOptions::default()).unwrap();
    for (number, file) in files.iter_mut().enumerate() {
        file.name = name(number);
        fs::write(place.join(&file.name), &file.bytes).unwrap();
    }
    (folder, archive, files)
}

#[test]
fn downloads_of_them_are_refused() {
    let (_folder, archive, files) = hostile_archive();
    let url = format!("--archive-url={}", archive.url());
    let work = tempdir().unwrap();
    // Those whose structure is wrong are asked for again and again, all at a time.
    let order = [&[&url[..]], &PLACE[..], &["--workers=64", "-q", "--max-images=100"]].concat();
    let drizzle = [&["drizzle"], &order[..], &SIZE, &["--detector=3", "-o", "cube"]].concat();
    let run = [&["run"], &order[..], &["--name=star", "-o", "star"]].concat();
    std::thread::scope(|scope| {
        for words in [drizzle, run] {
            let work = work.path();
            let files = &files;
            scope.spawn(move || {
                // Each of 64 connections has threads, and each of these its share of addresses.
                let run = spx_within(4 * SPACE, work, &words);
                assert_eq!(run.code, Some(1), "{words:?}: {}", run.stderr);
                let silent = files.iter().filter(|file| !run.stderr.contains(&file.name));
                let silent: Vec<_> = silent.filter(|file| !file.words.is_empty()).map(|f| &f.name).collect();
                assert!(silent.is_empty(), "{words:?}: {silent:?} are not in:\n{}", run.stderr);
            });
        }
    });
    let cube = work.path().join("cube/drizzle_D3.fits");
    let header = spx_core::fits::FitsReader::open(&cube).unwrap().header().unwrap();
    assert!(header.integer("N_INPUTS").unwrap() >= 3);
    let table = fs::read_to_string(work.path().join("star/results/lightcurve.csv")).unwrap();
    assert!(table.lines().count() > 3, "{table}");
}
