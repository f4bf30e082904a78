//! An exposure counts once, of several processings the newest; and a file that was replaced is not
//! taken for the one that was there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use spx_core::fits::{FitsReader, FitsWriter};
use tools::local::{archive, ask, images, tree};
use tools::{command, ended, image, sharing_cache, spx};

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

/// Puts a file in the place of another, of the same name, size and time, that differs in one pixel
/// of IMAGE.
fn change_a_pixel(path: &Path) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let header = bytes.windows(16).position(|w| w == b"EXTNAME = 'IMAGE").unwrap();
    let cards = bytes[header..].chunks(80);
    let end = header + 80 * cards.take_while(|card| !card.starts_with(b"END ")).count() + 80;
    // 24 rows of 48 pixels, so that it is in the middle.
    let pixel = end.div_ceil(2880) * 2880 + 4 * (24 * 48 + 24);
    bytes[pixel..pixel + 4].copy_from_slice(&123.0f32.to_be_bytes());
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Copies all files below a directory onto themselves, as a restored backup would: other times, the
/// same bytes.
fn copy_all(folder: &Path) {
    for (name, bytes) in tree(folder) {
        let path = folder.join(name);
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    }
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

/// Gives every HDU of a file its CHECKSUM and DATASUM.
fn add_sums(path: &Path) {
    let mut from = FitsReader::open(path).unwrap();
    let new = path.with_extension("sums");
    let mut to = FitsWriter::create(&new).unwrap();
    to.image::<u8>(&[], &from.header().unwrap()).unwrap();
    for index in 1..from.hdu_count().unwrap() {
        from.move_to_index(index).unwrap();
        let name = from.header().unwrap().text("EXTNAME").unwrap().to_owned();
        to.copy_as(&from, &name).unwrap();
    }
    to.finish().unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn a_damaged_copy_does_not_hide_a_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = copied(&folder.join("good"));
    files.iter().for_each(|file| add_sums(file));
    let cube = |name: &str| image::<f32>(&folder.join(name).join("drizzle_D3.fits"), "SCI");
    assert_eq!(drizzle(folder, &["--input", "good", "-o", "alone"]).code, Some(0));
    let measure = ["photometry", REGION[0], REGION[1]];
    let rows = |run: &tools::Run| {
        let rows = run.stdout.lines().filter(|line| line.contains("level2_"));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    let alone = rows(&spx(folder, &[&measure[..], &["good"]].concat()));
    assert_eq!(alone.len(), files.len());
    // Before the good one by its path; newer by its name.
    let name = files[0].file_name().unwrap().to_str().unwrap();
    fs::create_dir(folder.join("a")).unwrap();
    for (k, damaged) in [format!("a/{name}"), name.replace("l2b-v", "l2b_retry-v")].into_iter().enumerate() {
        let bad = folder.join(&damaged);
        let output = format!("batch_{k}");
        fs::copy(&files[0], &bad).unwrap();
        change_a_pixel(&bad);
        let inputs = ["good", &damaged];
        let says = |run: &tools::Run| {
            let line = run.stderr.lines().find(|line| line.contains(&damaged)).unwrap_or_default();
            assert!(line.contains("IMAGE") && line.contains("CHECKSUM or DATASUM"), "{}", run.stderr);
            assert_eq!(run.code, Some(1), "{}", run.stderr);
        };
        says(&drizzle(folder, &[&["-o", "both", "--overwrite", "--input"], &inputs[..]].concat()));
        assert!(cube("alone").iter().zip(&cube("both")).all(|(a, b)| a.to_bits() == b.to_bits()));
        let run = spx(folder, &[&measure[..], &inputs].concat());
        says(&run);
        assert!(alone.iter().all(|row| rows(&run).contains(row)), "{}", run.stdout);
        fs::write(folder.join("catalog.csv"), "targetid,ra,dec\n1,186.4536,33.5468\n").unwrap();
        let batch = ["batch", "--catalog=catalog.csv", "-o", &output, "--input"];
        says(&spx(folder, &[&batch[..], &inputs].concat()));
        let curve = text(folder, &format!("{output}/lightcurves/1.csv"));
        assert_eq!(curve.lines().count(), 1 + files.len(), "{curve}");
        assert!(curve.contains(name) && !curve.contains("retry"), "{curve}");
    }
}

/// Makes a product of the archive's images, and again where one of them was replaced, and not where
/// they were only copied.
fn product_of_replaced_inputs(command: &str, more: &[&str], name: &str) {
    let (archive, folder) = (archive(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let arguments = [&["--width=3", "--height=3", "--detector=3"], more].concat();
    let make = || ask(&archive, folder, command, &[&arguments[..], &["-o", "out", "--resume"]].concat());
    assert_eq!(make().code, Some(0));
    let product = folder.join(format!("out/{name}.fits"));
    let before = fs::read(&product).unwrap();
    let done_before = |run: tools::Run| run.stderr.contains(&format!("{name}: done before"));
    assert!(done_before(make()));
    let data = folder.join("out/data");
    copy_all(&data);
    assert!(done_before(make()), "copies of the files");
    let input = tree(&data).into_keys().next().unwrap();
    change_a_pixel(&data.join(input));
    let again = make();
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(!done_before(again));
    let after = fs::read(&product).unwrap();
    assert!(before != after, "the same bytes");
    let place = ["--ra=186.4536", "--dec=33.5468"];
    let fresh = [&[command], &place[..], &arguments, &["--input", "out/data", "-o", "fresh"]].concat();
    assert_eq!(spx(folder, &fresh).code, Some(0));
    assert!(after == fs::read(folder.join(format!("fresh/{name}.fits"))).unwrap(), "other bytes");
}

#[test]
fn a_cube_is_made_anew_where_an_input_was_replaced() {
    product_of_replaced_inputs("drizzle", &[], "drizzle_D3");
}

#[test]
fn a_mosaic_is_made_anew_where_an_input_was_replaced() {
    product_of_replaced_inputs("mosaic", &["--wave=1.6..2.5"], "mosaic");
}

/// So does a reference image of the grid, or a text of its cards.
#[test]
fn a_cube_is_made_anew_where_its_reference_image_was_replaced() {
    let (archive, folder) = (archive(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let reference = |middle: f64| {
        let cards = "NAXIS1  = 20\nNAXIS2  = 20\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRVAL1  = 186.4536\n\
                     CRVAL2  = 33.5468\nCRPIX2  = 10.5\nCDELT1  = -0.0017\nCDELT2  = 0.0017\n";
        fs::write(folder.join("ref.hdr"), format!("{cards}CRPIX1  = {middle:?}\n")).unwrap();
    };
    let url = format!("--archive-url={}", archive.url());
    let make = || spx(folder, &["drizzle", &url, "--like=ref.hdr", "--detector=3", "-o", "out", "--resume"]);
    let done_before = |run: &tools::Run| run.stderr.contains("drizzle_D3: done before");
    reference(10.5);
    assert_eq!(make().code, Some(0));
    let before = image::<f32>(&folder.join("out/drizzle_D3.fits"), "SCI");
    reference(10.5);
    assert!(done_before(&make()));
    reference(12.5);
    let again = make();
    assert!(again.code == Some(0) && !done_before(&again), "{}", again.stderr);
    let after = image::<f32>(&folder.join("out/drizzle_D3.fits"), "SCI");
    assert!(before.iter().zip(&after).any(|(a, b)| a.to_bits() != b.to_bits()));
}

#[test]
fn sums_say_that_an_input_was_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = copied(&folder.join("data"));
    let add = || {
        let run = drizzle(folder, &["--input", "data", "--accumulate", "sums.fits", "--sums-only"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.stderr
    };
    add();
    let sums = fs::read(folder.join("sums.fits")).unwrap();
    copy_all(&folder.join("data"));
    let told = add();
    assert!(told.contains("already in sums.fits") && !told.contains("changed since"), "{told}");
    change_a_pixel(&files[0]);
    let told = add();
    assert!(told.contains("1 of them have changed since they were added"), "{told}");
    assert_eq!(sums, fs::read(folder.join("sums.fits")).unwrap());
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
    assert_eq!(ended(sharing_cache(command(folder.path(), &region))).code, Some(0));
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
    copy_all(&folder.join("out/data"));
    let again = ask(&archive, folder, "run", &arguments);
    assert!(again.stderr.contains("processing: done before"), "{}", again.stderr);
    let input = tree(&folder.join("out/data/D3")).into_keys().next().unwrap();
    change_a_pixel(&folder.join("out/data/D3").join(input));
    let again = ask(&archive, folder, "run", &arguments);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stderr.contains("processing: repeated"), "{}", again.stderr);
    assert_ne!(before, text(folder, "out/results/lightcurve.csv"));
}

/// Light curve of the one source of a batch over a directory, and what the batch tells.
fn batch(folder: &Path, input: &str) -> (String, String) {
    fs::write(folder.join("catalog.csv"), "targetid,ra,dec\n1,186.4536,33.5468\n").unwrap();
    let arguments = ["batch", "--catalog=catalog.csv", "--input", input, "-o", "batch", "--resume"];
    let run = spx(folder, &arguments);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    (text(folder, "batch/lightcurves/1.csv"), run.stderr)
}

#[test]
fn a_batch_measures_a_replaced_file_again_and_takes_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = copied(&folder.join("data"));
    let (before, _) = batch(folder, "data");
    copy_all(&folder.join("data"));
    let (_, told) = batch(folder, "data");
    assert!(told.contains("extract: done before"), "{told}");
    assert_eq!(before.lines().count(), 1 + files.len());
    change_a_pixel(&files[0]);
    let (after, told) = batch(folder, "data");
    assert!(told.contains("its image was replaced"), "{told}");
    assert_ne!(before, after);
    assert_eq!(after.lines().count(), 1 + files.len());
    // A newer processing of the first exposure, whose older table is still there.
    let name = files[0].file_name().unwrap().to_str().unwrap();
    let retry = name.replace("l2b-v", "l2b_retry-v");
    fs::copy(&files[0], files[0].with_file_name(&retry)).unwrap();
    for _ in 0..2 {
        let (newest, _) = batch(folder, "data");
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

/// The words of a command that makes `out` of `data`, where both lie in `place`.
fn words(place: &str, command: &str, more: &[&str]) -> Vec<String> {
    let input = [format!("--input={place}data"), format!("-o={place}out"), "--resume".to_owned()];
    std::iter::once(command.to_owned()).chain(input).chain(more.iter().map(|&word| word.to_owned())).collect()
}

/// What is done is done, whether it is named from here, from elsewhere, absolutely, or in another
/// place.
#[test]
fn what_is_resumed_from_elsewhere_is_done_before() {
    let cube = [&REGION[..], &["--detector=3"]].concat();
    let plane = [&cube[..], &["--wave=1.7..2.1"]].concat();
    let commands = [("drizzle", &cube[..]), ("mosaic", &plane), ("batch", &["--catalog=catalog.csv"])];
    for (command, more) in commands {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (folder.path().join("here"), folder.path().join("there"));
        let elsewhere = folder.path().join("a/b");
        fs::create_dir_all(&elsewhere).unwrap();
        copied(&here.join("data"));
        for place in [&here, &elsewhere] {
            fs::write(place.join("catalog.csv"), "targetid,ra,dec\n1,186.4536,33.5468\n").unwrap();
        }
        let run = |from: &Path, place: &str| {
            let words = words(place, command, more);
            let run = spx(from, &words.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(run.code, Some(0), "{command}: {}", run.stderr);
            run.stderr
        };
        run(&here, "");
        let made = tree(&here.join("out"));
        let absolute = format!("{}/", here.display());
        let same = |told: &str, out: &Path| {
            assert!(told.contains("done before") && !told.contains("again"), "{command}: {told}");
            let now = tree(out);
            let products = made.iter().filter(|(name, _)| name.ends_with(".fits") || name.ends_with(".csv"));
            products.for_each(|(name, bytes)| assert!(now[name] == *bytes, "{command}: {name}"));
        };
        same(&run(&elsewhere, "../../here/"), &here.join("out"));
        same(&run(&elsewhere, &absolute), &here.join("out"));
        fs::rename(&here, &there).unwrap();
        same(&run(&there, ""), &there.join("out"));
        same(&run(&there, "./"), &there.join("out"));
    }
}
