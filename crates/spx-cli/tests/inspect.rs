//! `spx inspect` as a user runs it, compared with what the files hold.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use serde_json::Value;
use spx_core::fits::FitsReader;
use tools::{folder_with_cube, image, input, spx};

/// The report of one file.
fn inspect(folder: &std::path::Path, file: &str) -> Value {
    let report = spx(folder, &["inspect", file, "--json"]).succeeds().json();
    assert_eq!(report.as_array().unwrap().len(), 1);
    report[0].clone()
}

#[test]
fn a_cutout_is_described_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = input("d3_a.fits");
    let report = inspect(folder.path(), path.to_str().unwrap());
    let mut file = FitsReader::open(&path).unwrap();
    file.move_to("IMAGE").unwrap();
    let header = file.header().unwrap();
    assert_eq!(report["observation"].as_str(), header.text("OBSID").ok());
    assert_eq!(report["detector"], "D3");
    assert_eq!(report["release"], "QR2");
    assert_eq!(report["version"], "6.5.7");
    assert_eq!(report["time"]["begin"].as_f64(), header.real("MJD-BEG").ok());
    assert_eq!(report["shape"], serde_json::json!([44, 48]));
    assert_eq!(report["full_frame"], false);
    assert_eq!(report["parent_offset"][0].as_f64(), header.real("CRPIX1A").ok().map(|v| 1.0 - v));
    assert_eq!(report["sky"]["sip"], true);
    assert!((report["sky"]["pixel_scale_arcsec"].as_f64().unwrap() - 6.15).abs() < 0.1);
    let turn = report["sky"]["east"].as_f64().unwrap() - report["sky"]["north"].as_f64().unwrap();
    assert!((turn - 90.0).abs() < 0.5, "east lies counter-clockwise of north: {turn}");
    let names: Vec<_> =
        report["hdus"].as_array().unwrap().iter().map(|h| h["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["PRIMARY", "IMAGE", "FLAGS", "VARIANCE", "ZODI", "PSF", "WCS-WAVE"]);
    assert_eq!(report["hdus"][1]["content"]["pixels"], "float32");
    assert_eq!(report["hdus"][6]["content"]["rows"], 1);
}

#[test]
fn pixels_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = input("d3_a.fits");
    let report = inspect(folder.path(), path.to_str().unwrap());
    let flags: Vec<i32> = image(&path, "FLAGS");
    for flag in report["flags"].as_array().unwrap() {
        let bit = u32::try_from(flag["bit"].as_u64().unwrap()).unwrap();
        let expected = flags.iter().filter(|f| *f >> bit & 1 == 1).count();
        assert_eq!(flag["pixels"].as_u64(), Some(expected as u64), "{flag}");
    }
    let unflagged = flags.iter().filter(|f| **f == 0).count();
    assert_eq!(report["unflagged"].as_u64(), Some(unflagged as u64));
    for (hdu, key) in [("IMAGE", "image"), ("VARIANCE", "variance"), ("ZODI", "zodi")] {
        let expected = image::<f32>(&path, hdu).iter().filter(|v| !v.is_finite()).count();
        assert_eq!(report["not_finite"][key].as_u64(), Some(expected as u64), "{hdu}");
    }
    let mut values = image::<f32>(&path, "IMAGE");
    values.retain(|v| v.is_finite());
    values.sort_by(f32::total_cmp);
    let n = values.len();
    let median = f64::midpoint(values[(n - 1) / 2].into(), values[n / 2].into());
    assert_eq!(report["median_image"].as_f64(), Some(median));
}

/// The scale is the one that the drizzle subtracts; where it cannot be fitted, the drizzle takes
/// the median of the others.
#[test]
fn the_zodiacal_scale_is_that_of_the_drizzle() {
    let folder = folder_with_cube();
    let cube = spx(folder.path(), &["cube", "info", "cube.fits", "--json"]).succeeds().json();
    for name in ["d3_a.fits", "d3_b.fits"] {
        let scale = &inspect(folder.path(), input(name).to_str().unwrap())["zodi_scale"];
        let mut line = format!("input {name}: used, zodi scale {}", scale["scale"].as_f64().unwrap());
        line.push_str(", qr2, flux correction missing, wavelengths table");
        if let Some(remark) = scale["remark"].as_str() {
            line.push_str(&format!(" ({remark})"));
        }
        let history = cube["history"].as_array().unwrap();
        assert!(history.iter().any(|h| h.as_str() == Some(&line)), "{line}: {history:?}");
    }
    let scale = &inspect(folder.path(), input("d3_f.fits").to_str().unwrap())["zodi_scale"];
    assert_eq!(scale["scale"], 1.0);
    assert!(scale["remark"].as_str().unwrap().starts_with("zodiacal light not fitted, scale 1:"));
    let median = cube["history"].as_array().unwrap().iter().filter_map(|h| h.as_str());
    let said: Vec<&str> = median.filter(|h| h.starts_with("input d3_f.fits: used")).collect();
    assert!(said.iter().any(|h| h.contains("the median of ")), "{said:?}");
}

#[test]
fn both_releases_full_frames_and_gzipped_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("qr3", &["--release=qr3", "--size=40"][..]),
        ("gz", &["--release=qr3", "--size=40", "--gzip"]),
        ("full", &["--size=full"]),
    ] {
        let simulate = ["simulate", "--ra=10", "--dec=-20", "--exposures=1", "-q", "-o", name];
        let run = spx(folder.path(), &[&simulate, arguments].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    let read = |name: &str| {
        let names = tools::names(&folder.path().join(name));
        let file = names.iter().find(|n| n.contains(".fits")).unwrap();
        let mut report = inspect(folder.path(), &format!("{name}/{file}"));
        report["file"].take();
        report
    };
    let qr3 = read("qr3");
    assert_eq!(qr3["release"], "QR3");
    assert!(qr3["hdus"].as_array().unwrap().iter().any(|h| h["name"] == "EPSF"), "{qr3}");
    assert_eq!(qr3["hdus"][2]["content"]["shape"], serde_json::json!([40, 40]));
    assert_eq!(read("gz"), qr3);
    let full = read("full");
    assert_eq!((&full["full_frame"], &full["shape"]), (&true.into(), &serde_json::json!([2040, 2040])));
}

#[test]
fn text_names_the_essentials() {
    let folder = tempfile::tempdir().unwrap();
    let path = input("d3_a.fits");
    let run = spx(folder.path(), &["inspect", path.to_str().unwrap()]).succeeds();
    for words in
        ["2025W51_1A_0001_1, detector D3", "QR2", "48 x 44 pixels, a cutout", "SIP", "SOURCE", "fitted"]
    {
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
    }
}

#[test]
fn bad_files_are_named_and_the_others_shown() {
    let folder = folder_with_cube();
    std::fs::write(folder.path().join("page.fits"), "<html>").unwrap();
    let bytes = std::fs::read(input("d3_a.fits")).unwrap();
    std::fs::write(folder.path().join("cut.fits"), &bytes[..30_000]).unwrap();
    let good = input("d3_b.fits").display().to_string();
    let files = ["page.fits", "cut.fits", "cube.fits", "none.fits"];
    for file in files {
        spx(folder.path(), &["inspect", file]).fails(1, &[file]);
    }
    spx(folder.path(), &["inspect", "cube.fits"]).fails(1, &["spx cube info cube.fits"]);
    let all = [&["inspect", "page.fits", good.as_str()], &files[1..]].concat();
    let run = spx(folder.path(), &all);
    assert_eq!((run.code, run.stderr.lines().count()), (Some(1), files.len()), "{}", run.stderr);
    assert!(run.stdout.starts_with(&good), "{}", run.stdout);
    let report = spx(folder.path(), &[&all[..], &["--json"]].concat()).json();
    let failed: Vec<_> = report.as_array().unwrap().iter().map(|r| r["error"].is_string()).collect();
    assert_eq!(failed, [true, false, true, true, true]);
}

#[test]
fn a_file_must_be_named() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(spx(folder.path(), &["inspect"]).code, Some(2));
}

#[test]
fn sums_of_hdus_are_compared() {
    let folder = folder_with_cube();
    let cube = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let cube = cube.into_iter().find(|path| path.extension().is_some_and(|e| e == "fits")).unwrap();
    let name = cube.file_name().unwrap().to_str().unwrap();
    let image = input("d3_a.fits").display().to_string();
    let both = ["inspect", "--verify", name, &image];
    let told = spx(folder.path(), &both).succeeds().stdout;
    assert!(told.starts_with(&format!("{name}: as CHECKSUM and DATASUM say: HDU 0")), "{told}");
    assert!(told.ends_with("d3_a.fits: no HDU has CHECKSUM or DATASUM\n"), "{told}");
    let json = spx(folder.path(), &[&both[..], &["--json"]].concat()).succeeds().json();
    assert_eq!(json[0]["verified"].as_array().unwrap().len(), 7, "{json}");
    let mut bytes = std::fs::read(&cube).unwrap();
    let last = bytes.len() - 2880;
    bytes[last] ^= 1;
    std::fs::write(&cube, bytes).unwrap();
    let run = spx(folder.path(), &both);
    run.fails(1, &[name, "HDU 6", "CHECKSUM"]);
    assert!(run.stdout.contains("d3_a.fits"), "the other one is looked at: {}", run.stdout);
}

/// Flags of a file as `--flags` lists them: bit, name, presets, whether the file names them.
fn flags(file: &std::path::Path) -> Vec<(u64, String, String, bool)> {
    let folder = tempfile::tempdir().unwrap();
    let report = spx(folder.path(), &["inspect", "--flags", "--json", file.to_str().unwrap()]);
    let report = report.succeeds().json();
    let flags = report[0]["flags"].as_array().unwrap().iter();
    let presets = |flag: &Value| -> String {
        let words = flag["presets"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
        words.collect::<Vec<_>>().join(" ")
    };
    flags
        .map(|flag| {
            let (bit, name) = (flag["bit"].as_u64().unwrap(), flag["name"].as_str().unwrap().to_owned());
            (bit, name, presets(flag), flag["in_file"] == true)
        })
        .collect()
}

#[test]
fn flags_are_listed_with_the_presets_that_hold_them() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = |release: &str| {
        let place = ["simulate", "--ra=186.4536", "--dec=33.5468", "--exposures=1", "--size=40"];
        let run = spx(folder.path(), &[&place[..], &["--release", release, "-o", release, "-q"]].concat());
        folder.path().join(run.stdout.trim())
    };
    let (six, seven) = (simulated("qr2"), simulated("qr3"));
    let [six_flags, seven_flags] = [&six, &seven].map(|file| flags(file));
    let bits = |flags: &[(u64, String, String, bool)], preset: &str, stated: bool| -> Vec<u64> {
        let held = flags.iter().filter(|f| f.2.split(' ').any(|word| word == preset));
        held.filter(|f| f.3 || !stated).map(|f| f.0).collect()
    };
    // The Explanatory Supplement, table 16; CROSSTALK and STREAK came with pipeline 7.
    let mosaic = |flags| bits(flags, "mosaic", true);
    assert_eq!(mosaic(&seven_flags), [0, 2, 6, 7, 9, 10, 11, 14, 15, 17, 20, 22, 23, 24, 25, 26, 27, 28]);
    assert_eq!(mosaic(&six_flags), [0, 2, 6, 7, 9, 10, 11, 14, 15, 17, 22, 23, 24, 26, 27, 28]);
    for flags in [&six_flags, &seven_flags] {
        let of = |preset: &str| bits(flags, preset, false);
        assert_eq!(of("irsa"), of("mosaic"));
        assert_eq!(of("mosaic").len(), 19, "with those that other releases have");
        let mut with_wild = [of("mosaic"), vec![1, 19]].concat();
        with_wild.sort_unstable();
        assert_eq!(of("photometry"), with_wild);
        assert_eq!(of("spxquery"), [0, 1, 2, 6, 7, 9, 10, 11, 14, 15, 17, 19]);
    }
    let stated = |flags: &[(u64, String, String, bool)], name: &str| {
        flags.iter().any(|(_, flag, _, in_file)| flag == name && *in_file)
    };
    assert!(stated(&six_flags, "PHANTOM") && !stated(&seven_flags, "PHANTOM"));
    assert!(stated(&seven_flags, "STREAK") && !stated(&six_flags, "STREAK"));
    let shown = spx(folder.path(), &["inspect", "--flags", six.to_str().unwrap()]).succeeds().stdout;
    let line = shown.lines().find(|line| line.contains("HOT")).unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["10", "HOT", "photometry,", "mosaic,", "irsa,", "spxquery", "the", "file"]
    );
    // A preset takes both, whichever flags they have.
    for preset in ["photometry", "mosaic", "irsa", "spxquery", "none"] {
        let bad = format!("--bad-flags={preset}");
        for file in [&six, &seven] {
            let run = spx(
                folder.path(),
                &["photometry", "--ra=186.4536", "--dec=33.5468", &bad, file.to_str().unwrap()],
            );
            assert_eq!(run.code, Some(0), "{preset}: {}{}", run.stdout, run.stderr);
        }
    }
}
