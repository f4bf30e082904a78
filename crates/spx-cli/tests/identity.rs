//! An exposure counts once, of several processings the newest; and a file that was replaced is not
//! taken for the one that was there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use tools::local::{archive, ask, images, tree};
use tools::{image, spx};

mod tools;

#[allow(dead_code, reason = "its `main` is not called here")]
#[path = "../../spx-pipeline/examples/drizzle.rs"]
mod drizzle_example;

const REGION: [&str; 4] = ["--ra=186.4536", "--dec=33.5468", "--width=3", "--height=3"];

/// The images of D3, copied into a directory.
fn copied(folder: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(folder).unwrap();
    let files = tree(images()).into_iter().filter(|(path, _)| path.contains("D3_spx"));
    files
        .map(|(path, bytes)| {
            let copy = folder.join(path.rsplit('/').next().unwrap());
            fs::write(&copy, bytes).unwrap();
            copy
        })
        .collect()
}

/// Changes a pixel of IMAGE, and nothing else but the file's time.
fn change_a_pixel(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let header = bytes.windows(16).position(|w| w == b"EXTNAME = 'IMAGE").unwrap();
    let cards = bytes[header..].chunks(80);
    let end = header + 80 * cards.take_while(|card| !card.starts_with(b"END ")).count() + 80;
    // 24 rows of 48 pixels, so that it is in the middle.
    let pixel = end.div_ceil(2880) * 2880 + 4 * (24 * 48 + 24);
    bytes[pixel..pixel + 4].copy_from_slice(&123.0f32.to_be_bytes());
    fs::write(path, bytes).unwrap();
}

fn drizzle(folder: &Path, more: &[&str]) -> tools::Run {
    spx(folder, &[&["drizzle"], &REGION[..], &["--detector=3"], more].concat())
}

#[test]
fn of_two_processings_the_newer_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let files = copied(&folder.path().join("one"));
    copied(&folder.path().join("two"));
    let name = files[0].file_name().unwrap().to_str().unwrap();
    let old = name.replace("l2b-v", "l2b-v1");
    let retry = name.replace("l2b-v", "l2b_retry-v");
    assert_eq!(drizzle(folder.path(), &["--input", "one", "-o", "out"]).code, Some(0));
    let single = image::<f32>(&folder.path().join("out/drizzle_D3.fits"), "VARIANCE");
    for (other, used) in [(old.as_str(), old.as_str()), (retry.as_str(), retry.as_str()), ("copy.fits", name)]
    {
        let copy = folder.path().join("two").join(other);
        fs::copy(&files[0], &copy).unwrap();
        let run = drizzle(folder.path(), &["--input", "two", "-o", "both", "--overwrite", "--json"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let report = &run.json()[0];
        assert_eq!(report["rejected"], 1, "{report}");
        let inputs = report["inputs"].as_array().unwrap();
        let status = |name: &str| &inputs.iter().find(|i| i["file"] == name).unwrap()["status"];
        assert_eq!(status(used), "used", "{report}");
        let both = image::<f32>(&folder.path().join("both/drizzle_D3.fits"), "VARIANCE");
        assert!(single.iter().zip(&both).all(|(a, b)| a.to_bits() == b.to_bits()), "{other}");
        fs::remove_file(copy).unwrap();
    }
}

#[test]
fn a_cube_is_made_anew_where_an_input_was_replaced() {
    let (archive, folder) = (archive(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let arguments = ["--width=3", "--height=3", "--detector=3", "-o", "out", "--resume"];
    assert_eq!(ask(&archive, folder, "drizzle", &arguments).code, Some(0));
    let cube = folder.join("out/drizzle_D3.fits");
    let before = fs::read(&cube).unwrap();
    let again = ask(&archive, folder, "drizzle", &arguments);
    assert!(again.stderr.contains("drizzle_D3: done before"), "{}", again.stderr);
    let input = tree(&folder.join("out/data/D3")).into_keys().next().unwrap();
    change_a_pixel(&folder.join("out/data/D3").join(input));
    let again = ask(&archive, folder, "drizzle", &arguments);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let after = fs::read(&cube).unwrap();
    assert_ne!(before, after);
    assert_eq!(drizzle(folder, &["--input", "out/data", "-o", "fresh"]).code, Some(0));
    assert_eq!(after, fs::read(folder.join("fresh/drizzle_D3.fits")).unwrap());
}

#[test]
fn the_example_makes_what_the_command_makes() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    copied(&data);
    let text = |path: &Path| path.display().to_string();
    let words = ["186.4536".into(), "33.5468".into(), "3".into(), text(&data), text(&out)];
    let cubes = drizzle_example::run(&words).unwrap();
    assert_eq!(cubes.len(), 1);
    let made = tree(&out);
    assert_eq!(made.len(), 2);
    fs::remove_dir_all(&out).unwrap();
    let region = [&["drizzle"], &REGION[..], &["--input", &words[3], "-o", &words[4]]].concat();
    assert_eq!(spx(folder.path(), &region).code, Some(0));
    assert_eq!(tree(&out), made);
}

/// A file as text.
fn text(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn a_run_measures_a_replaced_file_again() {
    let (archive, folder) = (archive(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let arguments = ["--name=star", "-o", "out", "--bands=D3", "--resume"];
    assert_eq!(ask(&archive, folder, "run", &arguments).code, Some(0));
    let before = text(folder, "out/results/lightcurve.csv");
    let again = ask(&archive, folder, "run", &arguments);
    assert!(again.stderr.contains("processing: done before"), "{}", again.stderr);
    let input = tree(&folder.join("out/data/D3")).into_keys().next().unwrap();
    change_a_pixel(&folder.join("out/data/D3").join(input));
    let again = ask(&archive, folder, "run", &arguments);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stderr.contains("processing: again"), "{}", again.stderr);
    assert_ne!(before, text(folder, "out/results/lightcurve.csv"));
}

/// Light curve of the one source of a batch over a directory.
fn batch(folder: &Path, input: &str) -> String {
    fs::write(folder.join("catalog.csv"), "targetid,ra,dec\n1,186.4536,33.5468\n").unwrap();
    let arguments = ["batch", "--catalog=catalog.csv", "--input", input, "-o", "batch", "--resume"];
    let run = spx(folder, &arguments);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    text(folder, "batch/lightcurves/1.csv")
}

#[test]
fn a_batch_measures_a_replaced_file_again_and_takes_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = copied(&folder.join("data"));
    let before = batch(folder, "data");
    assert_eq!(before.lines().count(), 1 + files.len());
    change_a_pixel(&files[0]);
    let after = batch(folder, "data");
    assert_ne!(before, after);
    assert_eq!(after.lines().count(), 1 + files.len());
    // A newer processing of the first exposure, whose older table is still there.
    let name = files[0].file_name().unwrap().to_str().unwrap();
    let retry = name.replace("l2b-v", "l2b_retry-v");
    fs::copy(&files[0], files[0].with_file_name(&retry)).unwrap();
    for _ in 0..2 {
        let newest = batch(folder, "data");
        assert_eq!(newest.lines().count(), 1 + files.len(), "{newest}");
        assert!(newest.contains(&retry) && !newest.contains(name), "{newest}");
        // Once more without the older file.
        fs::remove_file(&files[0]).ok();
    }
}

#[test]
fn photometry_of_files_counts_an_exposure_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = copied(&folder.join("data"));
    let measure = || {
        let run = spx(folder, &["photometry", "--ra=186.4536", "--dec=33.5468", "data"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.stdout
    };
    let used = |table: &str| table.lines().filter(|line| !line.contains(",rejected,")).count();
    let single = measure();
    fs::copy(&files[0], folder.join("data/copy.fits")).unwrap();
    fs::copy(&files[0], files[0].with_file_name("level2_old.FITS")).unwrap();
    let both = measure();
    assert_eq!(used(&both), used(&single));
    assert!(both.contains("is used for this exposure"), "{both}");
}
