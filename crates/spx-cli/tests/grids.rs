//! Grids of one's own (`--like`, `--rotation`, `--projection`, `--frame`) and maps out of cubes
//! (`spx cube line`, `spx cube collapse`), as a user runs them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::path::Path;

use serde_json::Value;
use spx_core::fits::FitsReader;
use spx_core::header::Header;
use tools::{done, spx};

const REGION: [&str; 4] = ["--ra=150", "--dec=2.2", "--width=3", "--height=2"];

fn simulated(exposures: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let exposures = exposures.to_string();
    let sky = ["--ra=150", "--dec=2.2", "--detectors=D3", "--size=80", "--seed=4", "--exposures", &exposures];
    done(folder.path(), &[&["simulate", "-q", "-o", "data"], &sky[..]].concat());
    folder
}

fn drizzle(folder: &Path, output: &str, options: &[&str]) {
    let all = ["drizzle", "-q", "--input", "data", "--calibration=none", "-o", output];
    done(folder, &[&all, options].concat());
}

/// An image of a file as numbers, and its header.
fn image(path: &Path, hdu: &str) -> (Vec<f32>, Header) {
    let mut file = FitsReader::open(path).unwrap();
    file.move_to(hdu).unwrap();
    let mut pixels = vec![0.0; file.image_shape().unwrap().iter().product()];
    file.read_pixels(0, &mut pixels).unwrap();
    (pixels, file.header().unwrap())
}

/// Flux of the planes of a spectrum in a circle around the field's center; NaN where not all of its
/// pixels have data.
fn fluxes(folder: &Path, cube: &str) -> Vec<f64> {
    let at = ["--ra=150", "--dec=2.2", "--radius=25", "--json"];
    let run = done(folder, &[&["cube", "spectrum", cube], &at[..]].concat());
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let points = report["points"].as_array().unwrap();
    let whole = |point: &Value| point["n_pixels"] == point["n_pixels_total"];
    let flux = |point: &Value| point["flux"].as_f64().filter(|_| whole(point)).unwrap_or(f64::NAN);
    points.iter().map(flux).collect()
}

#[test]
fn a_reference_image_gives_its_pixels() {
    let folder = simulated(3);
    let folder = folder.path();
    let form = ["--projection=ZEA", "--frame=galactic", "--rotation=30"];
    drizzle(folder, "own", &[&REGION[..], &form].concat());
    let (own, header) = image(&folder.join("own/drizzle_D3.fits"), "SCI");
    assert_eq!((header.text("CTYPE1"), header.text("CTYPE2")), (Ok("GLON-ZEA"), Ok("GLAT-ZEA")));
    assert!((header.real("PC2_1").unwrap() - 0.5).abs() < 1e-15);
    drizzle(folder, "like", &["--like=own/drizzle_D3.fits"]);
    let (like, _) = image(&folder.join("like/drizzle_D3.fits"), "SCI");
    assert!(own.iter().map(|v| v.to_bits()).eq(like.iter().map(|v| v.to_bits())));
    // As a text of cards, and for a mosaic.
    let mut text = String::from("NAXIS   = 3\nNAXIS1  = 29\nNAXIS2  = 19\nNAXIS3  = 17\n");
    for (keyword, value) in [("CTYPE1", "'RA---SIN'"), ("CTYPE2", "'DEC--SIN'"), ("CRVAL1", "150.0")] {
        text.push_str(&format!("{keyword:<8}= {value}\n"));
    }
    for (keyword, value) in
        [("CRVAL2", 2.2), ("CRPIX1", 3.0), ("CRPIX2", 15.5), ("CDELT1", -0.002), ("CDELT2", 0.001)]
    {
        text.push_str(&format!("{keyword:<8}= {value:?}\n"));
    }
    std::fs::write(folder.join("ref.hdr"), text).unwrap();
    let mosaic = ["mosaic", "-q", "--input", "data", "--calibration=none", "-o", "m", "--wave=1.8..2.0"];
    done(folder, &[&mosaic, &["--like=ref.hdr"][..]].concat());
    let (_, header) = image(&folder.join("m/mosaic.fits"), "SCI");
    assert_eq!((header.real("CRPIX1"), header.text("CTYPE1")), (Ok(3.0), Ok("RA---SIN")));
    done(folder, &["cube", "info", "m/mosaic.fits"]);
}

/// However the pixels lie, the flux within a circle is the same, to what the sampling changes.
#[test]
fn fluxes_do_not_depend_on_the_grid() {
    let folder = simulated(30);
    let folder = folder.path();
    let (field, options) = (["--ra=150", "--dec=2.2", "--width=2.2", "--height=2.2"], ["--xy-oversample=2"]);
    drizzle(folder, "north", &[&field[..], &options].concat());
    let north = fluxes(folder, "north/drizzle_D3.fits");
    for form in [["--projection=SIN", "--rotation=45"], ["--projection=CAR", "--frame=galactic"]] {
        drizzle(folder, "turned", &[&field[..], &options, &form, &["--overwrite"]].concat());
        let turned = fluxes(folder, "turned/drizzle_D3.fits");
        let both = north.iter().zip(&turned).filter(|(one, other)| (**one + **other).is_finite());
        let (count, one, other) =
            both.fold((0, 0.0, 0.0), |(n, a, b), (one, other)| (n + 1, a + one, b + other));
        assert!(count > 8, "{count} planes");
        assert!((other / one - 1.0).abs() < 0.02, "{form:?}: {other} for {one}");
        done(folder, &["cube", "plot", "turned/drizzle_D3.fits", "-o", "p.png", "--overwrite"]);
    }
}

#[test]
fn settings_of_the_grid_that_exclude_each_other_are_refused() {
    let folder = simulated(3);
    let folder = folder.path();
    drizzle(folder, "own", &REGION);
    let like = "--like=own/drizzle_D3.fits";
    for (options, words) in [
        (vec![like, "--ra=150"], "like and ra exclude each other"),
        (vec![like, "--rotation=3"], "like and rotation exclude"),
        (vec![like, "--accumulate=sums.fits"], "like and accumulate exclude"),
        (vec!["--like=data"], "like data"),
        (vec!["--like=absent.fits"], "like absent.fits"),
        ([&REGION[..], &["--projection=MER"]].concat(), "MER"),
        ([&REGION[..], &["--rotation=inf"]].concat(), "rotation"),
        ([&REGION[..], &["--channels=all", "--detector=3"]].concat(), "channels = all and detector exclude"),
    ] {
        let run = spx(folder, &[&["drizzle", "--input", "data", "-o", "x"], &options[..]].concat());
        assert_eq!(run.code, Some(2), "{options:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{options:?}: {}", run.stderr);
    }
}

/// The map of a line against its definition, computed here from the planes: a straight continuum by
/// least squares about its own mean, and the error by the propagation of each plane's.
#[test]
fn line_maps_are_what_they_say() {
    let folder = simulated(30);
    let folder = folder.path();
    drizzle(folder, "out", &REGION);
    let cube = folder.join("out/drizzle_D3.fits");
    let (science, _) = image(&cube, "SCI");
    let (variance, _) = image(&cube, "VARIANCE");
    let info: Value =
        serde_json::from_str(&done(folder, &["cube", "info", "--json", "out/drizzle_D3.fits"]).stdout)
            .unwrap();
    let planes = info["planes"].as_array().unwrap();
    let edge = |z: usize, name: &str| planes[z][name].as_f64().unwrap();
    let ranges = ["--line=1.9..1.98", "--continuum=1.7..1.88,2.0..2.2"];
    let line = [&["cube", "line", "out/drizzle_D3.fits", "-o", "line.fits", "--json"], &ranges[..]].concat();
    let report: Value = serde_json::from_str(&done(folder, &line).stdout).unwrap();
    let numbers = |name: &str| -> Vec<usize> {
        report[name].as_array().unwrap().iter().map(|z| z.as_u64().unwrap().try_into().unwrap()).collect()
    };
    let (on, off) = (numbers("planes"), numbers("continuum"));
    assert!(on.len() >= 2 && off.len() >= 5, "{report}");
    let [map, error] = ["MAP", "ERR"].map(|hdu| image(&folder.join("line.fits"), hdu).0);
    let pixels = map.len();
    let mut compared = 0;
    for k in 0..pixels {
        let at = |z: usize| {
            (edge(z, "wavelength"), f64::from(science[z * pixels + k]), f64::from(variance[z * pixels + k]))
        };
        let good: Vec<_> =
            off.iter().map(|z| at(*z)).filter(|(_, value, v)| value.is_finite() && *v > 0.0).collect();
        if good.len() < 3 || !map[k].is_finite() {
            continue;
        }
        let weight: f64 = good.iter().map(|(_, _, v)| 1.0 / v).sum();
        let mean = good.iter().map(|(x, _, v)| x / v).sum::<f64>() / weight;
        let spread: f64 = good.iter().map(|(x, _, v)| (x - mean).powi(2) / v).sum();
        // The share that each plane of the continuum has in its level at x.
        let share =
            |x: f64, (at, _, v): &(f64, f64, f64)| (1.0 / weight + (x - mean) * (at - mean) / spread) / v;
        let width = |z: usize| {
            2.997_924_58e14 * (1.0 / edge(z, "wavelength_min") - 1.0 / edge(z, "wavelength_max")) * 1e-11
        };
        let mut expected: f64 = on.iter().map(|&z| width(z) * at(z).1).sum();
        let mut expected_error: f64 = on.iter().map(|&z| width(z).powi(2) * at(z).2).sum();
        for point in &good {
            let total: f64 = on.iter().map(|&z| width(z) * share(at(z).0, point)).sum();
            expected -= total * point.1;
            expected_error += total.powi(2) * point.2;
        }
        let sigma = expected_error.sqrt();
        assert!((f64::from(map[k]) - expected).abs() < 1e-4 * sigma, "{} for {expected}", map[k]);
        assert!((f64::from(error[k]) / sigma - 1.0).abs() < 1e-5, "{} for {sigma}", error[k]);
        compared += 1;
    }
    assert!(compared > 300, "{compared}");

    done(folder, &["cube", "collapse", "out/drizzle_D3.fits", "--wave=1.9..1.98", "-o", "mean.fits"]);
    let [map, error] = ["MAP", "ERR"].map(|hdu| image(&folder.join("mean.fits"), hdu).0);
    for k in (0..pixels).filter(|k| map[*k].is_finite()) {
        let good = on.iter().map(|z| z * pixels + k).filter(|at| science[*at].is_finite());
        let (sum, weight) = good.fold((0.0, 0.0), |(sum, weight), at| {
            let w = 1.0 / f64::from(variance[at]);
            (sum + w * f64::from(science[at]), weight + w)
        });
        assert!((f64::from(map[k]) - sum / weight).abs() < 1e-5 / weight.sqrt());
        assert!((f64::from(error[k]) * weight.sqrt() - 1.0).abs() < 1e-5);
    }
    let nothing = spx(folder, &["cube", "collapse", "out/drizzle_D3.fits", "--wave=4..4.5", "-o", "x.fits"]);
    assert_eq!(nothing.code, Some(3), "{}", nothing.stderr);
}

/// Regions in pixels and in galactic coordinates are the same regions.
#[test]
fn regions_of_any_system_give_one_spectrum() {
    let folder = simulated(3);
    let folder = folder.path();
    drizzle(folder, "out", &REGION);
    // 29 x 19 pixels around 150, 2.2, by astropy: SkyCoord(150, 2.2, unit="deg").galactic.
    let regions = [
        "icrs\ncircle(150,2.2,25\")\n",
        "image\ncircle(15,10,4.0650406504)\n",
        "galactic\ncircle(236.7356030859,42.0212444274,25\")\n",
    ];
    let spectra = regions.map(|text| {
        std::fs::write(folder.join("r.reg"), format!("# Region file format: DS9 version 4.1\n{text}"))
            .unwrap();
        let run = done(folder, &["cube", "spectrum", "out/drizzle_D3.fits", "--region", "r.reg"]);
        let fluxes = run.stdout.lines().skip(1).map(|row| row.split(',').nth(6).unwrap().to_owned());
        fluxes.collect::<Vec<String>>()
    });
    assert_eq!(spectra[0], spectra[1]);
    assert_eq!(spectra[0], spectra[2]);
}
