//! Running sums that stay in a file: added to week by week, merged, killed, refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod tools;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use spx_core::fits::{FitsReader, verify_file};
use tempfile::{TempDir, tempdir};
use tools::local::{archive, ask};
use tools::{Run, command, done, image, input, names, spx, unity};

/// By default an exposure whose zodiacal scale cannot be fitted has the median of its run, which
/// sums in parts cannot know; hence the fit that looks at no others.
const REGION: [&str; 8] = [
    "drizzle",
    "-q",
    "--ra=186.4536",
    "--dec=33.5468",
    "--width=2.6",
    "--height=2.2",
    "--detector=3",
    "--zodi-fit=ivm",
];
/// In order of time; of `d3_f` the fit of the zodiacal light fails, which is remarked.
const FILES: [&str; 6] = ["d3_a.fits", "d3_b.fits", "d3_c.fits", "d3_d.fits", "d3_e.fits.gz", "d3_f.fits"];
const PLANES: [&str; 2] = ["--planes=weight,wavelength,context,coverage,psf", "--err=driz_err"];

/// `spx drizzle` on some of the files.
fn drizzle(folder: &Path, more: &[&str], files: &[&str]) -> Run {
    let unity = unity();
    let more = &[&[unity.as_str()], more].concat()[..];
    let inputs: Vec<String> = files.iter().map(|name| input(name).display().to_string()).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    spx(folder, &[&REGION[..], more, &["--input"], &inputs].concat())
}

/// Adds files to the sums of a folder.
fn add(folder: &Path, more: &[&str], files: &[&str]) -> Run {
    drizzle(folder, &[&["--accumulate=sums.fits", "--sums-only"], more].concat(), files)
}

fn finalize(folder: &Path, sums: &[&str]) -> Run {
    spx(folder, &[&["cube", "finalize", "-o", "cube.fits", "--overwrite"], sums].concat())
}

fn read(folder: &Path, file: &str) -> Vec<u8> {
    fs::read(folder.join(file)).unwrap()
}

/// The cube of one run over all files.
fn at_once(more: &[&str]) -> (TempDir, Vec<u8>) {
    let folder = tempdir().unwrap();
    assert_eq!(drizzle(folder.path(), &[&["-o", "out"], more].concat(), &FILES).code, Some(0));
    let cube = read(folder.path(), "out/drizzle_D3.fits");
    (folder, cube)
}

/// Exposures that are compared with each other are compared anew where some are added: the cube is
/// that of one run. Without the files of all of them nothing is added.
#[test]
fn compared_exposures_are_compared_anew() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let sky = ["--ra=150", "--dec=2.2", "--exposures=12", "--size=50", "--unflagged-hits=0.01"];
    done(folder, &[&["simulate", "-q", "-o", "data"], &sky[..]].concat());
    let all: Vec<String> = names(&folder.join("data")).into_iter().filter(|n| n.ends_with("fits")).collect();
    let at = ["--ra=150", "--dec=2.2", "--width=2", "--height=2", "--z-edges=1.6,2.5", "--calibration=none"];
    let compared = ["--reject=4.5", "--match-background=offset", "--overwrite", "--json"];
    let run = |output: &str, more: &[&str], files: &[String]| {
        let inputs: Vec<String> = files.iter().map(|name| format!("data/{name}")).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let options =
            [&["drizzle", "-q", "--detector=3", "-o", output], &at[..], &compared, more, &["--input"]];
        spx(folder, &[&options.concat()[..], &inputs].concat())
    };
    let at_once = run("once", &[], &all);
    let outliers = |run: &Run, list: &str| -> u64 {
        let report = run.json();
        report[0][list].as_array().unwrap().iter().filter_map(|input| input["outliers"].as_u64()).sum()
    };
    assert!(outliers(&at_once, "inputs") >= 10, "{}", at_once.stdout);
    let expected = read(folder, "once/drizzle_D3.fits");
    let kept = ["--accumulate=sums.fits"];
    assert_eq!(run("out", &kept, &all[..5]).code, Some(0));
    let second = run("out", &kept, &all[5..]);
    assert_eq!(outliers(&second, "inputs") + outliers(&second, "accumulated"), outliers(&at_once, "inputs"));
    assert!(read(folder, "out/drizzle_D3.fits") == expected);
    assert_eq!(finalize(folder, &["sums.fits"]).code, Some(0));
    assert!(read(folder, "cube.fits") == expected);
    // Nothing new: no file is read.
    fs::rename(folder.join("data"), folder.join("away")).unwrap();
    fs::create_dir(folder.join("data")).unwrap();
    let new = &all[11];
    assert_eq!(finalize(folder, &["sums.fits"]).code, Some(0));
    fs::rename(folder.join("away").join(new), folder.join("data").join(new)).unwrap();
    assert_eq!(run("out", &[&kept[..], &["--known=skip"]].concat(), &all[11..]).code, Some(0));

    // Sums of which a file is gone, or has another content, cannot be added to.
    fs::rename(folder.join("sums.fits"), folder.join("all.fits")).unwrap();
    for name in &all[..2] {
        fs::copy(folder.join("away").join(name), folder.join("data").join(name)).unwrap();
    }
    assert_eq!(run("out", &kept, &all[..2]).code, Some(0));
    let sums = read(folder, "sums.fits");
    fs::remove_file(folder.join("data").join(&all[1])).unwrap();
    run("out", &kept, &all[11..]).fails(1, &["sums.fits 1 cannot be read", &all[1], "compare all exposures"]);
    fs::copy(folder.join("away").join(&all[2]), folder.join("data").join(&all[1])).unwrap();
    run("out", &kept, &all[11..]).fails(1, &["changed since", &all[1]]);
    assert!(read(folder, "sums.fits") == sums);
    finalize(folder, &["sums.fits", "all.fits"]).fails(2, &["reject, match_background"]);
}

#[test]
fn week_by_week_is_all_at_once() {
    for options in [&[][..], &PLANES[..], &["--kernel=lanczos3", "--xy-oversample=2"]] {
        let (_, expected) = at_once(options);
        for parts in [&[3][..], &[2, 4], &[1, 2, 3, 4, 5]] {
            let folder = tempdir().unwrap();
            let folder = folder.path();
            let ends = parts.iter().copied().chain([FILES.len()]);
            let mut from = 0;
            for to in ends {
                // Whichever way the files of a delivery are named.
                let delivery: Vec<&str> = FILES[from..to].iter().rev().copied().collect();
                let more = [&["--accumulate=sums.fits", "--overwrite", "-o", "out"], options].concat();
                assert_eq!(drizzle(folder, &more, &delivery).code, Some(0));
                from = to;
            }
            assert!(read(folder, "out/drizzle_D3.fits") == expected, "{options:?} in parts {parts:?}");
            assert_eq!(finalize(folder, &["sums.fits"]).code, Some(0));
            assert!(read(folder, "cube.fits") == expected, "{options:?} in parts {parts:?}, finalized");
        }
    }
}

/// A few new exposures: what they do not reach is copied, in sums and cube, as long as the cube is
/// that of the sums; the files are those of one run.
#[test]
fn what_new_exposures_do_not_reach_is_copied() {
    for packed in [&[][..], &["--compress=lossless"], &["--compress=rounded"]] {
        let (_, expected) = at_once(packed);
        let folder = tempdir().unwrap();
        let folder = folder.path();
        let options = [&["--accumulate=sums.fits", "--overwrite", "-o", "out", "--json"], packed].concat();
        // Only of a cube that was computed as a whole the share of holes is told.
        let is_copied = |run: &Run| run.json()[0]["holes"].is_null();
        assert!(!is_copied(&drizzle(folder, &options, &FILES[..3])), "{packed:?}: the first");
        assert!(is_copied(&drizzle(folder, &options, &FILES[3..5])), "{packed:?}: two more");
        // Another cube there, or one that is damaged, is made anew.
        let cube = folder.join("out/drizzle_D3.fits");
        let whole = fs::read(&cube).unwrap();
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        let sums = read(folder, "sums.fits");
        let (_, other) = at_once(&[packed, &["--xy-shrink=0.9"]].concat());
        for (name, there, copies) in
            [("damaged", &damaged, false), ("other", &other, false), ("whole", &whole, true)]
        {
            fs::write(&cube, there).unwrap();
            fs::write(folder.join("sums.fits"), &sums).unwrap();
            assert_eq!(is_copied(&drizzle(folder, &options, &FILES[5..])), copies, "{packed:?}, {name}");
            assert!(fs::read(&cube).unwrap() == expected, "{packed:?}, {name}");
        }
        let copied = read(folder, "sums.fits");
        fs::remove_file(folder.join("sums.fits")).unwrap();
        assert_eq!(drizzle(folder, &options, &FILES).code, Some(0));
        assert!(read(folder, "sums.fits") == copied, "{packed:?}: the sums of one run");
    }
}

/// Pixels are so small that a plane has many tiles: what is copied and what is computed, on however
/// many threads, are the files of one run, and their sums are right.
#[test]
fn turned_grids_of_many_tiles_are_added_to() {
    let turned = ["--xy-oversample=8", "--overwrite", "-o", "out", "--json"];
    let forms = [("45", &[][..]), ("45", &["--compress=lossless"]), ("5.5", &["--compress=rounded"])];
    for (angle, packed) in forms {
        let rotation = format!("--rotation={angle}");
        let options = [&turned[..], &[&rotation, "--accumulate=sums.fits"], packed].concat();
        let (apart, once) = (tempdir().unwrap(), tempdir().unwrap());
        let (apart, once) = (apart.path(), once.path());
        assert_eq!(drizzle(once, &[&options[..], &["--threads=1"]].concat(), &FILES).code, Some(0));
        for (threads, files) in [("--threads=3", &FILES[..4]), ("--threads=2", &FILES[4..])] {
            let run = drizzle(apart, &[&options[..], &[threads]].concat(), files);
            assert_eq!(run.json()[0]["holes"].is_null(), files.len() == 2, "{packed:?}: copied");
        }
        for file in ["sums.fits", "out/drizzle_D3.fits"] {
            assert!(read(apart, file) == read(once, file), "{packed:?}: {file}");
            verify_file(&apart.join(file)).unwrap();
        }
    }
}

/// Sums that an earlier spx has packed in bands of rows are read, added to and packed in tiles.
#[test]
fn sums_packed_in_bands_are_added_to() {
    let (old, new) = (tempdir().unwrap(), tempdir().unwrap());
    let packed = input("../sums_in_bands.fits.gz");
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(packed).unwrap()).read_to_end(&mut bytes).unwrap();
    fs::write(old.path().join("sums.fits"), bytes).unwrap();
    let grid = ["--width=2.6", "--height=0.07", "--xy-oversample=5", "--z-edges=1.6,2.0,2.5"];
    let place = ["--ra=186.4536", "--dec=33.5468", "--detector=3", "--zodi-fit=ivm", "--compress=lossless"];
    let unity = unity();
    let add = |folder: &Path, files: &[&str]| {
        let files: Vec<String> = files.iter().map(|name| input(name).display().to_string()).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let sums = ["drizzle", "-q", "--accumulate=sums.fits", "--sums-only", &unity, "--input"];
        spx(folder, &[&sums[..], &files, &grid, &place].concat())
    };
    let tile = |folder: &Path| {
        let mut file = FitsReader::open(&folder.join("sums.fits")).unwrap();
        file.move_to("SUM_WHT").unwrap();
        file.tile_shape().unwrap()
    };
    assert_eq!(tile(old.path()), Some([3, 126]));
    assert_eq!(add(old.path(), &FILES[3..5]).code, Some(0));
    assert_eq!(add(new.path(), &FILES[..5]).code, Some(0));
    assert_eq!(tile(old.path()), Some([3, 64]));
    assert!(read(old.path(), "sums.fits") == read(new.path(), "sums.fits"));
}

#[test]
fn packed_sums_keep_every_bit() {
    let (_, reference) = at_once(&PLANES);
    let folder = tempdir().unwrap();
    let packed = [&["--compress=rounded"][..], &PLANES].concat();
    assert_eq!(add(folder.path(), &packed, &FILES[..2]).code, Some(0));
    let first = read(folder.path(), "sums.fits");
    assert_eq!(add(folder.path(), &packed, &FILES[2..]).code, Some(0));
    let size = read(folder.path(), "sums.fits").len();
    assert_eq!(finalize(folder.path(), &["sums.fits"]).code, Some(0));
    assert_eq!(read(folder.path(), "cube.fits"), reference);
    // A run without it writes them as they are, from packed ones.
    fs::write(folder.path().join("sums.fits"), first).unwrap();
    assert_eq!(add(folder.path(), &PLANES, &FILES[2..]).code, Some(0));
    let plain = read(folder.path(), "sums.fits").len();
    assert!(2 * size < plain, "{size} of {plain} bytes");
    assert_eq!(finalize(folder.path(), &["sums.fits"]).code, Some(0));
    assert_eq!(read(folder.path(), "cube.fits"), reference);
}

#[test]
fn a_delivery_without_usable_pixels_is_remembered() {
    let elsewhere = ["d3_pole_a.fits"];
    let folder = tempdir().unwrap();
    let all = [&elsewhere[..], &FILES].concat();
    assert_eq!(drizzle(folder.path(), &["-o", "out"], &all).code, Some(0));
    assert_eq!(add(folder.path(), &[], &FILES).code, Some(0));
    assert_eq!(add(folder.path(), &[], &elsewhere).code, Some(0));
    assert_eq!(finalize(folder.path(), &["sums.fits"]).code, Some(0));
    let header = |file: &str| {
        let mut fits = spx_core::fits::FitsReader::open(&folder.path().join(file)).unwrap();
        fits.header().unwrap().integer("N_REJECT").unwrap()
    };
    assert_eq!((header("cube.fits"), header("out/drizzle_D3.fits")), (1, 1));
}

#[test]
fn sums_of_nothing_are_not_written() {
    let folder = tempdir().unwrap();
    for more in [&[][..], &["--accumulate=sums.fits"], &["--accumulate=sums.fits", "--sums-only"]] {
        let run = drizzle(folder.path(), &[&["-o", "out"], more].concat(), &["d3_pole_a.fits"]);
        run.fails(3, &["no D3 cube", "does not reach the region"]);
        assert_eq!(names(folder.path()), [""; 0], "{more:?}");
    }
}

#[test]
fn known_exposures_are_skipped_and_the_sums_are_not_even_read() {
    let (_, expected) = at_once(&[]);
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let listed: Vec<String> = FILES.map(|name| format!("{}\t1\n", input(name).display())).into();
    fs::write(folder.join("first.list"), listed[..3].concat()).unwrap();
    fs::write(folder.join("all.list"), listed.concat()).unwrap();
    let skip = ["--accumulate=sums.fits", "--known=skip", "-o", "out"];
    let unity = unity();
    let run = |more: &[&str], list: &str| {
        let start = [&REGION[..], &[unity.as_str()], &skip, more, &["--json", "--input", list]].concat();
        spx(folder, &start)
    };
    assert_eq!(run(&[], "@first.list").code, Some(0));
    let second = run(&["--overwrite"], "@all.list").json();
    assert_eq!(second[0]["inputs"].as_array().unwrap().len(), 3, "{second}");
    assert!(read(folder, "out/drizzle_D3.fits") == expected);
    // Damaged sums are noticed where they are read.
    let mut sums = read(folder, "sums.fits");
    let middle = sums.len() / 2;
    sums[middle] ^= 1;
    fs::write(folder.join("sums.fits"), &sums).unwrap();
    let third = run(&[], "@all.list");
    assert_eq!(third.code, Some(0), "{}", third.stderr);
    let report = third.json();
    assert_eq!((&report[0]["used"], &report[0]["file"]), (&6.into(), &"out/drizzle_D3.fits".into()));
    assert_eq!(run(&["--sums-only"], "@all.list").code, Some(0));
    fs::remove_file(folder.join("out/drizzle_D3.fits")).unwrap();
    run(&[], "@all.list").fails(1, &["sums.fits", "damaged"]);
}

#[test]
fn lists_come_from_standard_input_too() {
    let (_, expected) = at_once(&[]);
    let folder = tempdir().unwrap();
    let unity = unity();
    let arguments = [&REGION[..], &[&unity, "-o", "out", "--input", "-"]].concat();
    let mut child = command(folder.path(), &arguments).stdin(Stdio::piped()).spawn().unwrap();
    let listed: String = FILES.map(|name| format!("{}\n", input(name).display())).concat();
    child.stdin.take().unwrap().write_all(listed.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(read(folder.path(), "out/drizzle_D3.fits") == expected);
    let run = spx(folder.path(), &[&REGION[..], &["--input", "@none.list"]].concat());
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("none.list: No such file"), "{}", run.stderr);
}

/// Values of single precision that lie between those of two cubes, at most.
fn distance(a: &Path, b: &Path, hdu: &str) -> u32 {
    let (a, b): (Vec<f32>, Vec<f32>) = (image(a, hdu), image(b, hdu));
    let steps = |(a, b): (&f32, &f32)| {
        if a.is_nan() && b.is_nan() { 0 } else { a.to_bits().abs_diff(b.to_bits()) }
    };
    a.iter().zip(&b).map(steps).max().unwrap()
}

/// Counts and masks are the same, values within one unit in the last place.
fn agree(folder: &Path, cube: &str, reference: &Path) {
    let cube = folder.join(cube);
    for hdu in ["COUNT", "AND_MASK", "OR_MASK"] {
        assert!(image::<u32>(&cube, hdu) == image::<u32>(reference, hdu), "{hdu}");
    }
    for hdu in ["SCI", "VARIANCE"] {
        assert!(distance(&cube, reference, hdu) <= 1, "{hdu}");
    }
}

#[test]
fn other_orders_and_merged_sums_agree_to_the_last_place() {
    let (reference, bytes) = at_once(&[]);
    let reference = reference.path().join("out/drizzle_D3.fits");
    let folder = tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(add(folder, &[], &FILES[3..]).code, Some(0));
    let late = add(folder, &[], &FILES[..3]);
    assert_eq!(late.code, Some(0));
    assert!(
        late.stderr.contains("3 exposures are earlier than the last one in sums.fits"),
        "{}",
        late.stderr
    );
    assert_eq!(finalize(folder, &["sums.fits"]).code, Some(0));
    agree(folder, "cube.fits", &reference);

    for (sums, files) in
        [("late.fits", &FILES[4..]), ("early.fits", &FILES[..2]), ("middle.fits", &FILES[2..4])]
    {
        let more = [&format!("--accumulate={sums}"), "--sums-only"];
        assert_eq!(drizzle(folder, &more, files).code, Some(0));
    }
    let merge = |files: &[&str]| {
        let run = finalize(folder, &[files, &["--accumulate=merged.fits"]].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        [read(folder, "cube.fits"), read(folder, "merged.fits")]
    };
    let merged = merge(&["late.fits", "early.fits", "middle.fits"]);
    agree(folder, "cube.fits", &reference);
    assert!(merge(&["middle.fits", "late.fits", "early.fits"]) == merged, "whatever the order of the names");
    assert_eq!(finalize(folder, &["merged.fits"]).code, Some(0));
    assert!(read(folder, "cube.fits") == merged[0], "merged sums are sums");
    assert_eq!(merged[0].len(), bytes.len());
}

#[test]
fn an_exposure_goes_in_once() {
    let (_, expected) = at_once(&[]);
    let folder = tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(add(folder, &[], &FILES[..4]).code, Some(0));
    let sums = read(folder, "sums.fits");
    // Also where the same command is repeated because it was killed after the sums were written.
    let again = add(folder, &["--json"], &FILES[1..2]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!((&again.json()[0]["failed"], &again.json()[0]["rejected"]), (&0.into(), &1.into()));
    let inputs = again.json()[0]["inputs"].to_string();
    assert!(inputs.contains("2025W51_1A_0002_1/D3 is already in the sums"), "{inputs}");
    assert!(read(folder, "sums.fits") == sums);

    // The others of the run go in; what a directory holds besides is left aside.
    fs::create_dir(folder.join("data")).unwrap();
    for name in FILES {
        fs::copy(input(name), folder.join("data").join(name)).unwrap();
    }
    let more = ["--accumulate=sums.fits", "-o", "out", "--input", "data"];
    let whole = spx(folder, &[&REGION[..], &[&unity()], &more].concat());
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    assert!(read(folder, "out/drizzle_D3.fits") == expected);

    fs::copy(input("d3_a.fits"), folder.join("copy.fits")).unwrap();
    let copy = folder.join("copy.fits").display().to_string();
    let more = [
        "--accumulate=other.fits",
        "--sums-only",
        "--input",
        &copy,
        &input("d3_a.fits").display().to_string(),
    ];
    let loud: Vec<&str> = REGION.iter().copied().filter(|a| *a != "-q").collect();
    let twice = spx(folder, &[&loud[..], &more].concat());
    assert_eq!(twice.code, Some(0), "{}", twice.stderr);
    assert!(twice.stderr.contains("has the same pixels of 2025W51_1A_0001_1/D3"), "{}", twice.stderr);
    let run = finalize(folder, &["sums.fits", "other.fits"]);
    run.fails(1, &["2025W51_1A_0001_1/D3 is already in the sums", "sums.fits"]);
}

#[test]
fn what_the_archive_gives_again_is_left_aside() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let drizzle = |more: &[&str]| {
        let region = ["--detector=3", "--width=3", "--height=3", "-o", "out", "--overwrite"];
        let run = ask(&archive, folder.path(), "drizzle", &[&region[..], more].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        (run.stderr, read(folder.path(), "out/drizzle_D3.fits"))
    };
    let (_, expected) = drizzle(&[]);
    for aside in [false, true] {
        let (told, cube) = drizzle(&["--accumulate=sums/D3.fits"]);
        assert_eq!(told.contains("3 images are already in sums/D3.fits and are skipped"), aside, "{told}");
        assert!(cube == expected);
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(add(folder, &[], &FILES[..2]).code, Some(0));
    let sums = read(folder, "sums.fits");
    let refused = |more: &[&str], words: &[&str]| add(folder, more, &FILES[2..]).fails(2, words);
    refused(&["--kernel=square"], &["sums.fits", "kernel = \"bilinear\" there, kernel = \"square\" here"]);
    refused(&["--xy-oversample=2"], &["xy_oversample = 1.0 there, xy_oversample = 2.0 here"]);
    refused(&["--planes=context"], &["planes = [\"context\"] here"]);
    let other = ["--accumulate=other.fits", "--sums-only", "--ivar-max=3"];
    assert_eq!(drizzle(folder, &other, &FILES[2..]).code, Some(0));
    finalize(folder, &["sums.fits", "other.fits"]).fails(2, &["ivar_max = ", "there", "here"]);

    let more = ["--accumulate=sums.fits", "--sums-only"];
    let no_detector: Vec<&str> = REGION.iter().copied().filter(|a| !a.starts_with("--detector")).collect();
    let (d1, d3) = (input("d1_a.fits").display().to_string(), input("d3_c.fits").display().to_string());
    spx(folder, &[&no_detector[..], &more, &["--input", &d1, &d3]].concat())
        .fails(2, &["one detector", "D1, D3"]);
    drizzle(folder, &["--sums-only"], &FILES[2..]).fails(2, &["sums_only needs accumulate"]);

    let cube = input("d3_a.fits").display().to_string();
    finalize(folder, &[&cube]).fails(1, &["not a file of running sums"]);
    spx(folder, &["cube", "finalize", "sums.fits", "-o", "sums.fits", "--overwrite"])
        .fails(2, &["named twice"]);
    fs::write(folder.join("half.fits"), &sums[..sums.len() / 2]).unwrap();
    drizzle(folder, &["--accumulate=half.fits", "--sums-only"], &FILES[2..])
        .fails(1, &["half.fits", "damaged"]);
    finalize(folder, &["half.fits"]).fails(1, &["half.fits", "damaged"]);
    assert!(read(folder, "sums.fits") == sums, "nothing of it has touched the sums");
    assert_eq!(names(folder), ["half.fits", "other.fits", "sums.fits"]);
}

#[test]
fn a_kill_loses_nothing() {
    // Of the first all sums are read and written, of the second what is added to.
    kill_and_add(&["--xy-oversample=8", "--z-oversample=2", "--planes=wavelength"], &[]);
    kill_and_add(&["--xy-oversample=8", "--rotation=30"], &["--compress=lossless"]);
}

fn kill_and_add(options: &[&str], packed: &[&str]) {
    let (_, expected) = at_once(&[options, packed].concat());
    let more = [&["--accumulate=sums.fits", "--overwrite", "-o", "out"], options, packed].concat();
    let start = Instant::now();
    let trial = tempdir().unwrap();
    assert_eq!(drizzle(trial.path(), &more, &FILES[..2]).code, Some(0));
    let whole_run = start.elapsed();
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let mut random = fastrand::Rng::with_seed(7);
    let mut killed = 0;
    for delivery in FILES.chunks(2) {
        for _ in 0..5 {
            let inputs: Vec<String> = delivery.iter().map(|name| input(name).display().to_string()).collect();
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let unity = unity();
            let arguments = [&REGION[..], &[unity.as_str()], &more, &["--input"], &inputs].concat();
            let mut child =
                command(folder, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole_run.mul_f64(random.f64()).max(Duration::from_millis(1)));
            child.kill().unwrap();
            killed += usize::from(child.wait().unwrap().code().is_none());
        }
        if folder.join("sums.fits").exists() {
            // As a run leaves it that is killed while it tests the directory.
            std::fs::write(folder.join(".probe.1-0.part"), "").unwrap();
        }
        // Where a kill came after the sums were written, the files are in them already.
        let last = drizzle(folder, &more, delivery);
        assert_eq!(last.code, Some(0), "{}", last.stderr);
    }
    assert!(killed >= 5, "runs must be killed while they are under way: {killed}");
    assert!(read(folder, "out/drizzle_D3.fits") == expected);
    // Packing is no setting of the sums.
    assert_eq!(finalize(folder, &["sums.fits"]).code, Some(0));
    assert!(read(folder, "cube.fits") == at_once(options).1);
    assert_eq!(names(folder), ["cube.fits", "out", "sums.fits"]);
}
