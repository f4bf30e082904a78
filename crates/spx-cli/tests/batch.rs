//! `spx batch` and `spx lightcurve` as a user runs them.
//!
//!     cargo test -p spx-cli --test batch -- --ignored --nocapture
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests panic and print")]

mod tools;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::tempdir;
use tools::local::{PLACE, archive, images, tree};
use tools::{Run, command, spx, table};

/// The center of the images, which reach 2.4' from it.
const CENTER: [f64; 2] = [186.4536, 33.5468];

/// Ids that are hard on file systems.
const HARD: [&str; 9] = ["../../etc/passwd", "a/b", "CON", "con", "🚀", "00012", "12", "a,\"b\"", "x y"];

/// A catalogue of sources on the images: ids, positions.
fn catalogue(ids: impl IntoIterator<Item = String>) -> String {
    let mut random = fastrand::Rng::with_seed(7);
    let mut text = "TARGETID,RA,Dec,z\n".to_owned();
    for id in ids {
        let [ra, dec] = CENTER.map(|c| c + 0.03 * (random.f64() - 0.5));
        writeln!(text, "\"{}\",{ra},{dec},0.5", id.replace('"', "\"\"")).unwrap();
    }
    text
}

/// A folder with a catalogue `c.csv`.
fn folder(catalogue: &str) -> tempfile::TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("c.csv"), catalogue).unwrap();
    folder
}

/// A batch over the images at hand, into `out`.
fn batch(folder: &Path, more: &[&str]) -> Run {
    let images = images().display().to_string();
    spx(folder, &[&["batch", "--catalog=c.csv", "-o", "out", "--input", &images], more].concat())
}

#[test]
fn from_the_archive_to_light_curves() {
    let archive = archive();
    let folder = folder(&catalogue((0..5).map(|n| (39_633_458_707_826_492u64 + n).to_string())));
    let url = format!("--archive-url={}", archive.url());
    let given = ["batch", "--catalog=c.csv", "--radius=0.05", "--bands=D1,D3", "-o", "out", &url];
    let run = |more: &[&str]| spx(folder.path(), &[&given, &PLACE[..], more].concat());
    let first = run(&["--coverage-mode=any"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stderr.contains("6 images: 6 used (0 done before), 0 rejected, 0 failed; 30 measurements"));
    assert!(first.stderr.contains("light curves of 5 sources, 30 rows"), "{}", first.stderr);
    let out = folder.path().join("out");
    let files = tree(&out);
    let count =
        |start: &str, end: &str| files.keys().filter(|k| k.starts_with(start) && k.ends_with(end)).count();
    assert_eq!(count("images/level2_", ".fits"), 6);
    assert_eq!(count("per_image/level2_", "_photometry.csv"), 6);
    assert_eq!(count("lightcurves/39633458707826", ".csv"), 5);
    for name in ["query_summary.toml", "batch.toml", "batch_state.toml"] {
        assert!(files.contains_key(name), "{name}");
    }
    let curve = table(std::str::from_utf8(&files["lightcurves/39633458707826492.csv"]).unwrap());
    assert!(curve.is_sorted_by_key(|row| row["mjd"].parse::<f64>().unwrap().to_bits()));
    assert!(
        curve.iter().all(|row| row["target_id"] == "39633458707826492" && row["flux"].parse::<f64>().is_ok())
    );

    let asked = archive.log().entries.len();
    let again = run(&["--resume"]);
    assert!(again.stderr.contains("query: done before") && again.stderr.contains("aggregate: done before"));
    assert_eq!(archive.log().entries.len(), asked, "nothing is asked again");
    let whole = run(&[]);
    assert!(whole.stderr.contains("6 used (6 done before)"), "{}", whole.stderr);
    let few = run(&["--max-images=3"]);
    few.fails(2, &["6", "--max-images"]);
    let none = run(&["--mjd-range=50000,50001"]);
    none.fails(3, &["no such image"]);
}

#[test]
fn a_row_is_that_of_spx_photometry_to_the_last_bit() {
    let mut text = "targetid,ra,dec,pmra,pmdec,ref_epoch\n".to_owned();
    let mut random = fastrand::Rng::with_seed(3);
    let sources: Vec<[f64; 4]> = (0..4)
        .map(|_| {
            let [ra, dec] = CENTER.map(|c| c + 0.03 * (random.f64() - 0.5));
            [ra, dec, 1e4 * (random.f64() - 0.5), 1e4 * (random.f64() - 0.5)]
        })
        .collect();
    for (n, [ra, dec, east, north]) in sources.iter().enumerate() {
        writeln!(text, "s{n},{ra},{dec},{east},{north},2016").unwrap();
    }
    let folder = folder(&text);
    let images = images().display().to_string();
    let same = [
        ["obs_id"; 2],
        ["mjd"; 2],
        ["flux"; 2],
        ["flux_error"; 2],
        ["mag_ab"; 2],
        ["mag_ab_error"; 2],
        ["wavelength"; 2],
        ["bandwidth"; 2],
        ["band"; 2],
        ["flag"; 2],
        ["x", "pix_x"],
        ["y", "pix_y"],
        ["is_upper_limit"; 2],
        ["snr"; 2],
        ["bg_level"; 2],
        ["bg_error"; 2],
        ["aperture_radius"; 2],
        ["aperture_correction"; 2],
        ["psf_flux"; 2],
        ["psf_flux_error"; 2],
        ["psf_chi2"; 2],
        ["pixel_area"; 2],
        ["is_good"; 2],
        ["is_detected"; 2],
        ["masked_fraction"; 2],
        ["fallbacks"; 2],
    ];
    let option_sets: [&[&str]; 3] = [
        &["--psf-flux", "--aperture-correction"],
        &[
            "--background-method=window",
            "--window-size=20",
            "--aperture-method=fixed",
            "--aperture-diameter=5",
        ],
        &["--no-subtract-zodi", "--pixel-area=constant", "--bad-flags=mosaic"],
    ];
    let mut compared = 0;
    for options in option_sets {
        assert_eq!(batch(folder.path(), options).code, Some(0));
        for (n, source) in sources.iter().enumerate() {
            let place = ["ra", "dec", "pm-ra", "pm-dec"].iter().zip(source);
            let place: Vec<String> = place.map(|(name, value)| format!("--{name}={value}")).collect();
            let mut arguments = vec!["photometry", "-q", &images, "--ref-epoch=2016"];
            arguments.extend(place.iter().map(String::as_str));
            arguments.extend(options);
            let single = spx(folder.path(), &arguments);
            assert_eq!(single.code, Some(0), "{}", single.stderr);
            let single = table(&single.stdout);
            let single: Vec<_> = single.into_iter().filter(|row| row["status"] == "used").collect();
            let path = folder.path().join(format!("out/lightcurves/s{n}.csv"));
            let ours = table(&fs::read_to_string(path).unwrap());
            assert!(ours.len() == single.len() && ours.len() > 3, "{} {}", ours.len(), single.len());
            for row in &ours {
                let alike = |other: &&BTreeMap<String, String>| {
                    (&other["obs_id"], &other["band"]) == (&row["obs_id"], &row["band"])
                };
                let other = single.iter().find(alike).unwrap();
                for [here, there] in same {
                    let bits = |text: &str| text.parse::<f64>().map(f64::to_bits);
                    let (a, b) = (&row[here], &other[there]);
                    assert!(
                        a.eq_ignore_ascii_case(b) || bits(a).is_ok() && bits(a) == bits(b),
                        "{here}: {a} {b}"
                    );
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 60 * same.len(), "{compared}");
}

#[test]
fn every_id_has_a_file_of_its_own_in_either_form() {
    let mut ids: Vec<String> = HARD.map(str::to_owned).into();
    ids.push("é".repeat(300));
    let folder = folder(&catalogue(ids.clone()));
    for format in ["csv", "parquet", "both"] {
        let run = batch(folder.path(), &["--format", format, "--num-buckets=7"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        for id in &ids {
            let run = spx(folder.path(), &["lightcurve", id, "out", "--json"]).succeeds();
            let rows = run.json();
            assert_eq!(rows.as_array().unwrap().len(), 6, "{id}");
            assert!(rows.as_array().unwrap().iter().all(|row| row["target_id"] == *id));
        }
        let out = folder.path().join("out");
        let there = |name: &str| fs::read_dir(out.join(name)).map_or(0, Iterator::count);
        assert_eq!(there("lightcurves"), if format == "parquet" { 0 } else { 10 }, "{format}");
        assert_eq!(there("lightcurves.parquet"), if format == "csv" { 0 } else { 7 }, "{format}");
    }
    assert_eq!(tools::names(folder.path()), ["c.csv", "out"], "nothing is written elsewhere");
}

/// The spectra of a batch are those of `spx spectrum`, in either form of its tables.
#[test]
fn spectra_of_all_sources() {
    let ids = ["a,b", "12", "é"].map(str::to_owned);
    let folder = folder(&catalogue(ids.clone()));
    let mut found: Vec<BTreeMap<String, Vec<f64>>> = Vec::new();
    for format in ["csv", "parquet"] {
        batch(folder.path(), &["-q", "--spectra", "--num-buckets=4", "--format", format]).succeeds();
        let path = folder.path().join("out/spectra.fits");
        let mut fits = spx_core::fits::FitsReader::open(&path).unwrap();
        fits.move_to("SPECTRA").unwrap();
        assert_eq!((fits.table_rows().unwrap(), fits.column_len("flux").unwrap()), (3, 102));
        let names = fits.read_text_column("target_id", 0, 3).unwrap();
        let spectra = names.iter().enumerate().map(|(row, name)| {
            let mut fluxes = vec![0.0_f64; 102];
            fits.read_column("flux", row, &mut fluxes).unwrap();
            (name.trim_end().to_owned(), fluxes)
        });
        found.push(spectra.collect());
        let parquet = fs::read(folder.path().join("out/spectra.parquet")).unwrap();
        assert!(parquet.starts_with(b"PAR1"));
    }
    let bits = |spectra: &BTreeMap<String, Vec<f64>>| -> Vec<(String, Vec<u64>)> {
        let bits =
            |fluxes: &Vec<f64>| fluxes.iter().map(|f| if f.is_nan() { 0 } else { f.to_bits() }).collect();
        spectra.iter().map(|(id, fluxes)| (id.clone(), bits(fluxes))).collect()
    };
    assert_eq!(bits(&found[0]), bits(&found[1]));
    batch(folder.path(), &["-q"]).succeeds();
    let one = spx(folder.path(), &["spectrum", "-q", "out/lightcurves/12.csv"]).succeeds();
    for (channel, row) in table(&one.stdout).iter().enumerate() {
        let flux: f64 = row["flux"].parse().unwrap();
        let in_batch = found[0]["12"][channel];
        assert!(flux.to_bits() == in_batch.to_bits() || flux.is_nan() && in_batch.is_nan());
    }
}

/// A scene gives the same bits whatever the threads and the order of the catalog.
#[test]
fn scenes_do_not_depend_on_threads_or_order() {
    let text = catalogue((0..12).map(|n| format!("s{n}")));
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    let curves = |catalogue: &str, more: &[&str]| {
        let folder = folder(catalogue);
        batch(folder.path(), &[&["-q"], more].concat()).succeeds();
        let files = tree(&folder.path().join("out/lightcurves"));
        assert_eq!(files.len(), 12);
        assert!(files.values().all(|bytes| String::from_utf8_lossy(bytes).contains(",scene,")));
        files
    };
    let one = curves(&text, &["--method=scene", "--threads=1"]);
    assert!(one == curves(&text, &["--method=scene", "--threads=2"]));
    assert!(one == curves(&format!("{}\n", lines.join("\n")), &["--method=scene"]));
}

#[test]
fn a_light_curve_as_table_and_as_figure() {
    let folder = folder(&catalogue(["s 1".to_owned()]));
    assert_eq!(batch(folder.path(), &["-q"]).code, Some(0));
    let shown = spx(folder.path(), &["lightcurve", "s 1", "out"]).succeeds();
    assert_eq!(shown.stdout.lines().count(), 1 + 6 + 1, "{}", shown.stdout);
    let files = ["-o", "a.csv", "-o", "a.png", "-o", "a.svg"];
    spx(folder.path(), &[&["lightcurve", "s 1", "out"], &files[..]].concat()).succeeds();
    assert!(fs::read(folder.path().join("a.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(fs::read_to_string(folder.path().join("a.svg")).unwrap().contains("s 1"));
    let csv = fs::read_to_string(folder.path().join("a.csv")).unwrap();
    let (comments, rows) = csv.split_at(csv.find("target_id").unwrap());
    assert!(comments.lines().all(|line| line.starts_with("# ")) && comments.contains("settings: "), "{csv}");
    assert_eq!(rows, fs::read_to_string(folder.path().join("out/lightcurves/s%201.csv")).unwrap());
    spx(folder.path(), &["lightcurve", "s 1", "out", "-o", "a.png"]).fails(2, &["a.png", "--overwrite"]);
    spx(folder.path(), &["lightcurve", "s 2", "out"]).fails(3, &["no measurement of `s 2`"]);
    spx(folder.path(), &["lightcurve", "s 1", "nowhere"]).fails(2, &["nowhere has no light curves"]);
    let rows = |ids: &[&str]| {
        let run = spx(folder.path(), &[&["lightcurve"], ids, &["out", "--json"]].concat()).succeeds();
        run.json().as_array().unwrap().len()
    };
    assert_eq!(rows(&["s 1", "s 1"]), rows(&["s 1"]), "a source that is named twice counts once");
    spx(folder.path(), &["spectrum", "out"])
        .fails(2, &["out: it has no measurements of a run", "--source ID"]);
}

#[test]
fn what_is_done_is_kept_and_what_has_changed_is_done_again() {
    let folder = folder(&catalogue(HARD.map(str::to_owned)));
    let out = folder.path().join("out");
    let run = |more: &[&str]| {
        let run = batch(folder.path(), more);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.stderr
    };
    run(&[]);
    let first = tree(&out);
    let half = first.keys().find(|name| name.ends_with("_photometry.csv")).unwrap();
    fs::write(out.join(half), &first[half][..first[half].len() / 2]).unwrap();
    let said = run(&[]);
    assert!(
        said.contains("6 used (5 done before)") && said.contains("its table is missing or has changed"),
        "{said}"
    );
    assert!(tree(&out) == first);
    let said = run(&["--fwhm-multiplier=3"]);
    assert!(said.contains("(0 done before)"), "{said}");
    assert_eq!(said.matches("made with other photometry settings").count(), 6, "{said}");
    fs::write(folder.path().join("c.csv"), catalogue(["new".to_owned()])).unwrap();
    let said = run(&["--fwhm-multiplier=3"]);
    assert_eq!(said.matches("made with another catalog").count(), 6, "{said}");
    assert_eq!(tools::names(&out.join("lightcurves")), ["new.csv"], "what is out of date is gone");
    let said = run(&["--fwhm-multiplier=3", "--overwrite"]);
    assert!(said.contains("(0 done before)"), "{said}");
    let said = run(&["--fwhm-multiplier=3", "--stages=aggregate", "--keep-bucket-files"]);
    assert!(said.contains("extract: done before"), "{said}");
    assert_eq!(fs::read_dir(out.join("buckets")).unwrap().count(), 64);
}

#[test]
fn the_bytes_do_not_depend_on_threads() {
    let ids: Vec<String> = (0..300).map(|n| format!("s{n}")).collect();
    let result = |threads: &str| {
        let folder = folder(&catalogue(ids.clone()));
        assert_eq!(batch(folder.path(), &["--format=both", "--threads", threads, "-q"]).code, Some(0));
        tree(&folder.path().join("out"))
    };
    assert!(result("1") == result("3"));
}

#[test]
fn bad_input_is_told_and_loses_nothing() {
    let good = catalogue(["a".to_owned(), "b".to_owned()]);
    for (text, code, words) in [
        ("", 2, &["c.csv", "empty"][..]),
        ("targetid,ra,dec\n", 2, &["no rows"]),
        ("targetid,dec\na,1\n", 2, &["no column ra"]),
        ("targetid,ra,dec\na,nan,1\n", 2, &["line 2", "no number for ra"]),
        ("targetid,ra,dec\na,1,-91\n", 2, &["line 2", "-91"]),
        ("targetid,ra,dec\na,10,10\n", 3, &["no source is measured on any of 6 images", "lies on it"]),
    ] {
        let folder = folder(text);
        batch(folder.path(), &["-q"]).fails(code, words);
    }
    let folder = folder(&format!("{good}a,1,2,0\nc,361,2,0\n"));
    let run = batch(folder.path(), &[]);
    assert_eq!(run.code, Some(1), "rows that are not used are failures: {}", run.stderr);
    assert!(run.stderr.contains("line 4: a: line 2 has this id already"), "{}", run.stderr);
    assert!(run.stderr.contains("line 5: c: ") && run.stderr.contains("light curves of 2 sources, 12 rows"));

    fs::write(folder.path().join("c.csv"), &good).unwrap();
    let image = tree(images()).into_keys().find(|name| name.ends_with(".fits")).unwrap();
    let bytes = fs::read(images().join(image)).unwrap();
    fs::write(folder.path().join("cut.fits"), &bytes[..bytes.len() / 9]).unwrap();
    fs::write(folder.path().join("text.fits"), "no image").unwrap();
    let run = batch(folder.path(), &["cut.fits", "text.fits", "nowhere.fits", "--json"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let report = run.json();
    assert_eq!((&report["used"], &report["failed"]), (&6.into(), &3.into()));
    assert_eq!(report["light_curves"]["rows"], 12);
    for name in ["cut.fits: ", "text.fits: ", "nowhere.fits: "] {
        assert!(run.stderr.contains(name), "{name}: {}", run.stderr);
    }
    let run = batch(folder.path(), &["--stages=extrakt"]);
    assert!(run.code == Some(2) && run.stderr.contains("'extract'"), "{}", run.stderr);
    batch(folder.path(), &["--stages=query"]).fails(2, &["--input"]);
    let run = batch(folder.path(), &["--num-buckets=0"]);
    assert!(run.code == Some(2) && run.stderr.contains("--num-buckets"), "{}", run.stderr);
    spx(folder.path(), &["batch", "--catalog=c.csv", "--ra=1", "--dec=2"]).fails(2, &["--radius is needed"]);
    spx(folder.path(), &["batch", "--ra=1", "--dec=2", "--radius=1"]).fails(2, &["--catalog is needed"]);
}

/// Where kills fell.
#[derive(Debug, Default, PartialEq)]
struct Phases {
    extract: usize,
    aggregate: usize,
    /// The run was faster.
    over: usize,
}

/// Kills batches at moments that a seed decides; each chain of kills ends with a run that is left
/// alone.
fn kill(kills: usize, seed: u64, method: &str) -> Phases {
    let text = catalogue((0..1000).map(|n| format!("s{n}")));
    let undisturbed = folder(&text);
    let given = ["--format=both", "-q", method];
    let start = Instant::now();
    assert_eq!(batch(undisturbed.path(), &given).code, Some(0));
    let mut whole_run = start.elapsed();
    let expected = tree(&undisturbed.path().join("out"));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut phases = Phases::default();
    let mut victim = folder(&text);
    for k in 0..kills {
        let out = victim.path().join("out");
        let done = |name: &&String| name.ends_with("_photometry.toml") && !name.contains("/.");
        let before: BTreeMap<_, _> = files(&out).into_iter().filter(|(name, _)| done(&name)).collect();
        let images = images().display().to_string();
        let arguments = ["batch", "--catalog=c.csv", "-o", "out", "--input", &images, "--resume"];
        let mut child = command(victim.path(), &[&arguments, &given[..]].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Early moments are more likely, for the images are small and soon measured.
        let start = Instant::now();
        let end = start + whole_run.mul_f64(0.8 * random.f64().powi(3));
        while child.try_wait().unwrap().is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        let over = child.try_wait().unwrap().is_some();
        if over {
            // The machine was busier when the whole run was timed.
            whole_run = whole_run.min(start.elapsed());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let after = files(&out);
        for (name, modified) in &before {
            assert_eq!(after.get(name), Some(modified), "{name} is written again");
        }
        let state = fs::read_to_string(out.join("batch_state.toml")).unwrap_or_default();
        *match () {
            () if over => &mut phases.over,
            () if state.contains("[stages.extract]") => &mut phases.aggregate,
            () => &mut phases.extract,
        } += 1;
        if random.bool() || k == kills - 1 {
            assert_eq!(batch(victim.path(), &[&["--resume"], &given[..]].concat()).code, Some(0));
            let found = tree(&out);
            let unlike = |(name, bytes): &(&String, &Vec<u8>)| expected.get(*name) != Some(*bytes);
            let unlike: Vec<&String> = found.iter().filter(unlike).map(|(name, _)| name).collect();
            assert!(unlike.is_empty() && found.len() == expected.len(), "kill {k}: {:?}", unlike.first());
            victim = folder(&text);
        }
    }
    println!("{kills} kills within {} ms: {phases:?}", whole_run.as_millis());
    phases
}

/// Paths below a directory and when they were written.
fn files(directory: &Path) -> BTreeMap<String, std::time::SystemTime> {
    if !directory.exists() {
        return BTreeMap::new();
    }
    let names = tree(directory).into_keys();
    names
        .map(|name| (name.clone(), fs::metadata(directory.join(&name)).unwrap().modified().unwrap()))
        .collect()
}

#[test]
fn killed_batches_are_taken_up() {
    for (method, seed) in [("--method=aperture", 1), ("--method=scene", 3)] {
        let phases = kill(6, seed, method);
        assert!(phases.over <= 3, "most runs must be killed while they are under way: {phases:?}");
    }
}

#[test]
#[ignore = "takes a minute"]
fn fifty_kills_are_taken_up() {
    let Phases { extract, aggregate, .. } = kill(50, 2, "--method=aperture");
    assert!(extract >= 3 && aggregate >= 3, "kills must fall in both stages: {extract} {aggregate}");
}

#[test]
#[ignore = "mounts a tmpfs, which root alone may"]
fn a_full_disk_loses_nothing() {
    let folder = folder(&catalogue((0..2000).map(|n| format!("s{n}"))));
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |arguments: &[&str]| {
        let run = std::process::Command::new(arguments[0]).args(&arguments[1..]).arg(&disk).status();
        assert!(run.unwrap().success(), "{arguments:?}");
    };
    // Room for the tables of images, and not for the light curves, which are as large again.
    mount(&["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs"]);
    let images = images().display().to_string();
    let run = spx(folder.path(), &["batch", "--catalog=c.csv", "-q", "-o", "disk/out", "--input", &images]);
    let left = tree(&disk);
    mount(&["mount", "-o", "remount,size=99m"]);
    let again =
        spx(folder.path(), &["batch", "--catalog=c.csv", "-o", "disk/out", "--resume", "--input", &images]);
    let curves = fs::read_dir(disk.join("out/lightcurves")).unwrap().count();
    mount(&["umount"]);
    run.fails(1, &["No space left on device", "disk/out"]);
    assert_eq!(left.keys().filter(|name| name.ends_with("_photometry.csv")).count(), 6);
    assert!(!left.keys().any(|name| name.contains("aggregate") || name.contains("lightcurves")), "{left:?}");
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stderr.contains("extract: done before"), "{}", again.stderr);
    assert_eq!(curves, 2000);
}

/// Where there is no image to measure on, no settings are left.
#[test]
fn a_batch_without_images_leaves_no_settings() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("c.csv"), "id,ra,dec\n1,186.4536,33.5468\n").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("bad.fits"), "none").unwrap();
    for (input, code) in [("empty", 3), ("bad.fits", 1)] {
        let run = spx(folder.path(), &["batch", "--catalog=c.csv", &format!("--input={input}"), "-o=out"]);
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        assert!(!folder.path().join("out/batch.toml").exists(), "{input}");
    }
}
