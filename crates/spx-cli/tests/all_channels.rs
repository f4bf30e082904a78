//! `spx drizzle --channels all`, `spx cube join` and `spx cube cut`, as a user runs them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::path::Path;

use serde_json::Value;
use spx_core::fits::FitsReader;
use tools::{Run, done, spx};

const REGION: [&str; 4] = ["--ra=150", "--dec=2.2", "--width=3", "--height=2"];

fn drizzle(folder: &Path, options: &[&str]) -> Run {
    done(folder, &[&["drizzle", "--input", "data", "--calibration=none"], &REGION[..], options].concat())
}

/// Every pixel of an array of a file, as bits.
fn array(path: &Path, hdu: &str) -> Vec<u32> {
    let mut file = FitsReader::open(path).unwrap();
    file.move_to(hdu).unwrap();
    let mut pixels = vec![0.0_f32; file.image_shape().unwrap().iter().product()];
    file.read_pixels(0, &mut pixels).unwrap();
    pixels.into_iter().map(f32::to_bits).collect()
}

/// One file of all detectors holds what the cubes of each hold, one after the other; every command
/// takes it, and cut apart it is those cubes again.
#[test]
fn one_file_holds_the_channels_of_all_detectors() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sky = ["--ra=150", "--dec=2.2", "--detectors=D2,D3,D5", "--exposures=2", "--size=60", "--seed=4"];
    done(folder, &[&["simulate", "-q", "-o", "data"], &sky[..]].concat());
    drizzle(folder, &["-q", "-o", "single", "--planes=weight,context"]);
    let run = drizzle(folder, &["-o", "all", "--channels=all", "--json", "--planes=weight,context"]);
    assert!(run.stderr.contains("no image of D1, D4, D6"), "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&report[0]["detector"], &report[0]["shape"][0]), (&"D2,D3,D5".into(), &51.into()));
    assert_eq!((&report[0]["used"], report.as_array().unwrap().len()), (&6.into(), 1));
    let names: Vec<_> =
        std::fs::read_dir(folder.join("all")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");

    let all = folder.join("all/drizzle_all.fits");
    for hdu in ["SCI", "VARIANCE", "COUNT", "OR_MASK", "WHT", "CON"] {
        let parts = ["D2", "D3", "D5"].map(|d| array(&folder.join(format!("single/drizzle_{d}.fits")), hdu));
        assert!(array(&all, hdu) == parts.concat(), "{hdu}");
    }
    let joined = ["single/drizzle_D5.fits", "single/drizzle_D2.fits", "single/drizzle_D3.fits"];
    done(folder, &[&["cube", "join", "-o", "joined.fits"], &joined[..]].concat());
    assert!(std::fs::read(folder.join("joined.fits")).unwrap() == std::fs::read(&all).unwrap());

    let all = "all/drizzle_all.fits";
    let info: Value = serde_json::from_str(&done(folder, &["cube", "info", all, "--json"]).stdout).unwrap();
    assert_eq!((&info["planes"][20]["detector"], &info["detector"]), (&"D3".into(), &"D2,D3,D5".into()));
    let at = ["--ra=150", "--dec=2.2", "--radius=15"];
    let table = |file: &str| done(folder, &[&["cube", "spectrum", file], &at[..]].concat()).stdout;
    let whole = table(all);
    let whole: Vec<&str> = whole.lines().skip(1).collect();
    assert_eq!(whole.len(), 51);
    for (k, detector) in ["D2", "D3", "D5"].iter().enumerate() {
        let alone = table(&format!("single/drizzle_{detector}.fits"));
        for (row, alone) in whole[17 * k..17 * (k + 1)].iter().zip(alone.lines().skip(1)) {
            let after_number = |row: &str| row.split_once(',').unwrap().1.to_owned();
            assert_eq!(after_number(row), after_number(alone));
        }
    }
    done(folder, &["cube", "plot", all, "--wave=4.1", "-o", "plane.png"]);
    for tool in ["cubeviz", "irsa"] {
        done(folder, &["cube", "export", all, "--for", tool, "-o", "exported.fits", "--overwrite"]);
        done(folder, &["cube", "import", "exported.fits", "-o", "back.fits", "--overwrite"]);
        assert!(std::fs::read(folder.join("back.fits")).unwrap() == std::fs::read(folder.join(all)).unwrap());
    }
    done(folder, &["cube", "cut", all, "--detector=3", "-o", "d3.fits"]);
    for hdu in ["SCI", "COUNT", "WHT"] {
        assert!(array(&folder.join("d3.fits"), hdu) == array(&folder.join("single/drizzle_D3.fits"), hdu));
    }
    let refused = spx(folder, &["cube", "cut", all, "--wave=0.8..0.9", "-o", "none.fits"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    let refused = spx(folder, &["cube", "join", "d3.fits", "single/drizzle_D3.fits", "-o", "none.fits"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let refused = spx(folder, &["cube", "cut", all, "-o", "none.fits"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
}

/// A part of the sky keeps its positions: the spectrum of a source is that of the whole.
#[test]
fn a_part_of_the_sky_keeps_positions_and_wavelengths() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sky = ["--ra=150", "--dec=2.2", "--detectors=D3", "--exposures=2", "--size=60", "--seed=4"];
    done(folder, &[&["simulate", "-q", "-o", "data"], &sky[..]].concat());
    drizzle(folder, &["-q", "-o", "out", "--exact-wavelength-wcs"]);
    let box_around = ["--ra=150.002", "--dec=2.201", "--width=1", "--height=0.8", "--wave=1.8..2.1"];
    let cut = ["cube", "cut", "out/drizzle_D3.fits", "-o", "part.fits", "--json"];
    let made = done(folder, &[&cut, &box_around[..]].concat());
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let shape: Vec<u64> = made["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    assert!(shape[0] < 10 && (9..=10).contains(&shape[2]) && (7..=8).contains(&shape[1]), "{shape:?}");
    let values = |file: &str| {
        let table = done(folder, &["cube", "spectrum", file, "--ra=150.002", "--dec=2.201", "--radius=9"]);
        let values = |row: &str| row.split(',').skip(1).map(str::to_owned).collect::<Vec<_>>();
        table.stdout.lines().skip(1).map(values).collect::<Vec<_>>()
    };
    let (part, whole) = (values("part.fits"), values("out/drizzle_D3.fits"));
    assert!(part.iter().all(|row| whole.contains(row)), "{part:?}");
    let names = FitsReader::open(&folder.join("part.fits")).unwrap().hdu_names().unwrap();
    assert!(names.contains(&"WCS-WAVE".to_owned()), "{names:?}");
}

/// Lossless means every bit; rounded values are off by no more than is stated, and masks and counts
/// by nothing. All commands read both.
#[test]
fn compressed_cubes_hold_what_plain_ones_hold() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sky = ["--ra=150", "--dec=2.2", "--detectors=D2,D3", "--exposures=8", "--size=70", "--seed=4"];
    done(folder, &[&["simulate", "-q", "-o", "data"], &sky[..]].concat());
    let all = ["--channels=all", "--planes=weight,context"];
    drizzle(folder, &[&all[..], &["-q", "-o", "plain"]].concat());
    drizzle(folder, &[&all[..], &["-q", "-o", "lossless", "--compress=lossless"]].concat());
    drizzle(folder, &[&all[..], &["-q", "-o", "rounded", "--compress=rounded"]].concat());
    let read = |kind: &str, hdu: &str| array(&folder.join(kind).join("drizzle_all.fits"), hdu);
    let arrays = ["SCI", "VARIANCE", "AND_MASK", "OR_MASK", "COUNT", "WHT", "CON"];
    for hdu in arrays {
        assert!(read("lossless", hdu) == read("plain", hdu), "{hdu}");
        assert!(hdu == "SCI" || hdu == "VARIANCE" || read("rounded", hdu) == read("plain", hdu), "{hdu}");
    }
    let real = |kind: &str, hdu: &str| read(kind, hdu).into_iter().map(f32::from_bits).collect::<Vec<f32>>();
    let (values, variances) = (real("plain", "SCI"), real("plain", "VARIANCE"));
    let (rounded, rounded_variances) = (real("rounded", "SCI"), real("rounded", "VARIANCE"));
    let mut compared = 0;
    for k in 0..values.len() {
        assert_eq!(values[k].is_nan(), rounded[k].is_nan());
        if values[k].is_finite() {
            let off = (values[k] - rounded[k]).abs();
            assert!(off <= 0.0201 * variances[k].sqrt() + 1e-6 * values[k].abs(), "{off} at {k}");
            assert!((rounded_variances[k] / variances[k] - 1.0).abs() < 0.0401);
            compared += 1;
        }
    }
    assert!(compared > 5000, "{compared}");
    let size = |kind: &str| folder.join(kind).join("drizzle_all.fits").metadata().unwrap().len();
    assert!(size("lossless") < size("plain") && size("rounded") < size("lossless"));

    for kind in ["lossless", "rounded"] {
        let cube = &format!("{kind}/drizzle_all.fits");
        for command in [
            &["info", cube][..],
            &["spectrum", cube, "--ra=150", "--dec=2.2", "--radius=15"],
            &["plot", cube, "-o", "p.png", "--overwrite"],
            &["view", cube, "--html", "page.html", "--overwrite"],
            &["collapse", cube, "--wave=1.7..1.9", "-o", "mean.fits", "--overwrite"],
            &["cut", cube, "--detector=3", "-o", "d3.fits", "--overwrite", "--compress", kind],
            &["export", cube, "--for=cubeviz", "-o", "e.fits", "--overwrite"],
            &["import", "e.fits", "-o", "back.fits", "--overwrite"],
        ] {
            done(folder, &[&["cube"], command].concat());
        }
        for hdu in ["SCI", "COUNT"] {
            assert!(array(&folder.join("back.fits"), hdu) == read(kind, hdu));
        }
        let cut = array(&folder.join("d3.fits"), "OR_MASK");
        assert!(read(kind, "OR_MASK").ends_with(&cut) && !cut.is_empty());
    }
    let mosaic = ["mosaic", "-q", "--input=data", "--calibration=none", "--wave=1.5..1.7", "-o"];
    for (output, how) in [("m1", &["--compress=lossless"][..]), ("m0", &[])] {
        done(folder, &[&mosaic[..], &[output], &REGION, how].concat());
    }
    for hdu in ["SCI", "ERR", "VARIANCE", "WHT", "CON", "DQ"] {
        let [packed, plain] = ["m1", "m0"].map(|output| array(&folder.join(output).join("mosaic.fits"), hdu));
        assert!(packed == plain, "{hdu}");
    }
}
