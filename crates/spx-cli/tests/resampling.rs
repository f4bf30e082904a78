//! Kernels, weights, masks and optional planes of `spx drizzle`, and `spx mosaic`, as a user runs
//! them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::path::Path;

use spx_core::fits::{FitsReader, FitsWriter};
use spx_core::header::Header;
use tools::{Run, image, input, names, spx};

const INPUTS: [&str; 3] = ["d3_a.fits", "d3_b.fits", "d3_c.fits"];

/// Runs `spx drizzle` or `spx mosaic` on the committed inputs, in the order in which they are
/// given.
fn run(folder: &Path, command: &str, inputs: &[&str], options: &[&str]) -> Run {
    let mut arguments = vec![command, "--ra=186.4536", "--dec=33.5468", "--width=2.6", "--height=2.2", "-q"];
    arguments.extend(options);
    arguments.push("--input");
    let inputs: Vec<String> = inputs.iter().map(|name| input(name).display().to_string()).collect();
    arguments.extend(inputs.iter().map(String::as_str));
    spx(folder, &arguments)
}

fn drizzle(folder: &Path, options: &[&str]) -> Header {
    let options = [&["--detector=3", "-o", "out", "--overwrite"], options].concat();
    let run = run(folder, "drizzle", &INPUTS, &options);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    header(&folder.join("out/drizzle_D3.fits"), "PRIMARY")
}

fn header(path: &Path, hdu: &str) -> Header {
    let mut file = FitsReader::open(path).unwrap();
    file.move_to(hdu).unwrap();
    file.header().unwrap()
}

fn hdus(path: &Path) -> Vec<String> {
    FitsReader::open(path).unwrap().hdu_names().unwrap()
}

/// All bits, those of NaN too.
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn threads_and_the_order_of_inputs_change_no_byte_of_any_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let reversed: Vec<&str> = INPUTS.iter().rev().copied().collect();
    for kernel in ["bilinear", "square", "turbo", "point", "gaussian", "lanczos2", "lanczos3"] {
        let kernel = format!("--kernel={kernel}");
        let all = [&kernel, "--detector=3", "--planes=weight,wavelength,context", "--err=driz_err"];
        for (output, threads, inputs) in [("a", "1", &INPUTS[..]), ("b", "3", &reversed[..])] {
            let options = [&all[..], &["--threads", threads, "-o", output, "--overwrite"]].concat();
            let run = run(folder.path(), "drizzle", inputs, &options);
            assert_eq!(run.code, Some(0), "{}", run.stderr);
            assert_eq!(
                run.stderr.contains("does not conserve flux"),
                kernel.contains('g') || kernel.contains("lan")
            );
        }
        let [a, b] =
            ["a", "b"].map(|out| std::fs::read(folder.path().join(out).join("drizzle_D3.fits")).unwrap());
        assert!(a == b, "{kernel}");
    }
}

#[test]
fn optional_planes_stand_behind_the_seven_hdus() {
    let folder = tempfile::tempdir().unwrap();
    let primary = drizzle(folder.path(), &["--planes", "weight,wavelength,context", "--err", "from_var"]);
    let path = folder.path().join("out/drizzle_D3.fits");
    let expected = ["PRIMARY", "SCI", "VARIANCE", "AND_MASK", "OR_MASK", "COUNT", "WAVELENGTH"];
    assert_eq!(hdus(&path), [&expected[..], &["ERR", "WHT", "MEANWAVE", "CON"]].concat());
    let (variance, error): (Vec<f32>, Vec<f32>) = (image(&path, "VARIANCE"), image(&path, "ERR"));
    assert!(variance.iter().zip(&error).all(|(v, e)| v.is_nan() && e.is_nan() || v.sqrt() == *e));
    let count: Vec<u16> = image(&path, "COUNT");
    let (weight, wave): (Vec<f32>, Vec<f32>) = (image(&path, "WHT"), image(&path, "MEANWAVE"));
    let context: Vec<u32> = image(&path, "CON");
    let plane = count.len() / 17;
    let edges: Vec<(f64, f64)> = {
        let mut file = FitsReader::open(&path).unwrap();
        file.move_to("WAVELENGTH").unwrap();
        let (mut min, mut max) = (vec![0.0; 17], vec![0.0; 17]);
        file.read_column("LAMBDA_MIN", 0, &mut min).unwrap();
        file.read_column("LAMBDA_MAX", 0, &mut max).unwrap();
        min.into_iter().zip(max).collect()
    };
    for (k, &n) in count.iter().enumerate() {
        assert_eq!(
            (weight[k] > 0.0, wave[k].is_finite(), context[k] > 0),
            (n > 0, n > 0, n > 0),
            "voxel {k}"
        );
        assert!(u32::from(n) >= context[k].count_ones() && context[k] < 8);
        let (min, max) = edges[k / plane];
        let half_band = 0.5 * 0.8 * max / 30.0;
        let near = (min - half_band..=max + half_band).contains(&f64::from(wave[k]));
        assert!(n == 0 || near, "voxel {k}: {} beside {min} to {max}", wave[k]);
    }
    assert_eq!((primary.integer("POINTNGS"), primary.text("WEIGHTS")), (Ok(3), Ok("ivm-smooth")));
    assert_eq!(primary.real("NOISE_R"), Ok(1.5));
    assert!((primary.real("EXPTIME").unwrap() - 3.0 * 113.5826).abs() < 1e-6);
}

#[test]
fn backgrounds_are_matched_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--background=static", "--exclude-flags=none"];
    let primary = drizzle(folder.path(), &options);
    assert_eq!(primary.text("BKGMATCH"), Ok("none"));
    let path = folder.path().join("out/drizzle_D3.fits");
    let before: Vec<f32> = image(&path, "SCI");
    for (form, slopes) in [("offset", false), ("plane", true)] {
        let form_option = format!("--match-background={form}");
        let arguments =
            [&options[..], &["--detector=3", "-o", "out", "--overwrite", "--json", &form_option]].concat();
        let run = run(folder.path(), "drizzle", &INPUTS, &arguments);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let inputs = report[0]["inputs"].as_array().unwrap();
        let offsets: Vec<f64> = inputs.iter().map(|i| i["background"]["offset"].as_f64().unwrap()).collect();
        assert!(
            offsets.iter().sum::<f64>().abs() < 1e-12 && offsets.iter().all(|v| *v != 0.0),
            "{offsets:?}"
        );
        assert_eq!(inputs[0]["background"]["slopes"][0] != 0.0, slopes, "{report}");
        assert_eq!(header(&path, "PRIMARY").text("BKGMATCH"), Ok(form));
        let after: Vec<f32> = image(&path, "SCI");
        assert!(bits(&before) != bits(&after) && before.len() == after.len());
    }
}

#[test]
fn riddled_cubes_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--detector=3", "-o", "out", "--overwrite", "--json"];
    for (kernel, riddled) in [("bilinear", false), ("point", true)] {
        let kernel = format!("--kernel={kernel}");
        let sampling = if riddled { "--xy-oversample=1.3" } else { "--xy-oversample=1" };
        let run = run(folder.path(), "drizzle", &INPUTS, &[&options[..], &[&kernel, sampling]].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let holes = report[0]["holes"].as_f64().unwrap();
        assert_eq!(holes > 0.1, riddled, "{holes}");
        for input in report[0]["inputs"].as_array().unwrap() {
            assert!(
                input["zodi_scale_error"].as_f64().unwrap() > 0.0
                    && input["zodi_pixels"].as_u64().unwrap() > 0
            );
        }
        assert_eq!(run.stderr.contains("of the voxels that the exposures surround are empty"), riddled);
    }
}

/// A mosaic is a cube of one plane to the commands that look into cubes.
#[test]
fn mosaics_are_looked_into_as_cubes_are() {
    let folder = tempfile::tempdir().unwrap();
    for (options, only_mean) in [(&[][..], false), (&["--only-mean"][..], true)] {
        let options = [&["--wave=1.9..2.1", "-o", "m", "--overwrite"], options].concat();
        let made = run(folder.path(), "mosaic", &INPUTS, &options);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let path = folder.path().join("m/mosaic.fits");
        let info = spx(folder.path(), &["cube", "info", "m/mosaic.fits", "--json"]);
        assert_eq!(info.code, Some(0), "{}", info.stderr);
        let info: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
        assert_eq!(info["detector"], "mosaic");
        assert_eq!(info["planes"].as_array().unwrap().len(), 1);
        for arguments in [
            &["cube", "plot", "m/mosaic.fits", "-o", "m.png", "--overwrite"][..],
            &["cube", "view", "m/mosaic.fits", "--html", "m.html", "--overwrite"],
        ] {
            let run = spx(folder.path(), arguments);
            assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.stderr);
        }
        let arguments =
            ["cube", "spectrum", "m/mosaic.fits", "--ra=186.4536", "--dec=33.5468", "--radius=20"];
        let spectrum = spx(folder.path(), &arguments);
        assert_eq!(spectrum.code, Some(i32::from(only_mean)), "{}", spectrum.stderr);
        if only_mean {
            assert!(
                spectrum.stderr.contains("a mosaic with only the mean has no VARIANCE"),
                "{}",
                spectrum.stderr
            );
            continue;
        }
        let mut reader =
            csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(spectrum.stdout.as_bytes());
        let columns = reader.headers().unwrap().clone();
        let row = reader.records().next().unwrap().unwrap();
        let cell = |name: &str| row.get(columns.iter().position(|c| c == name).unwrap()).unwrap();
        assert_eq!(cell("wavelength").parse::<f64>(), Ok(2.0));
        assert!(cell("flux").parse::<f64>().unwrap().is_finite());
        let context: Vec<u32> = image(&path, "CON");
        let most = context.iter().map(|bits| bits.count_ones()).max().unwrap();
        assert!(cell("count").parse::<u32>().unwrap() <= most * cell("n_pixels").parse::<u32>().unwrap());
        let dq: Vec<u32> = image(&path, "DQ");
        assert!(cell("or_mask").parse::<u32>().unwrap() <= dq.iter().fold(0, |all, q| all | q));
        let export =
            spx(folder.path(), &["cube", "export", "m/mosaic.fits", "-o", "x.fits", "--for", "cubeviz"]);
        assert_eq!(export.code, Some(1));
        assert!(export.stderr.contains("it is a mosaic"), "{}", export.stderr);
    }
}

#[test]
fn fill_values_weights_and_good_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out/drizzle_D3.fits");
    let science = |options: &[&str]| -> Vec<f32> {
        drizzle(folder.path(), options);
        image(&path, "SCI")
    };
    let plain = science(&["--exclude-flags=none"]);
    let filled = science(&["--exclude-flags=none", "--fillval=-9"]);
    assert!(plain.iter().zip(&filled).all(|(a, b)| if a.is_nan() { *b == -9.0 } else { a == b }));
    assert_eq!(bits(&science(&["--good-bits=none"])), bits(&plain));
    assert_eq!(bits(&science(&["--good-bits=~0"])), bits(&plain));
    let hot = science(&["--exclude-flags=HOT|COLD"]);
    assert_ne!(bits(&hot), bits(&plain));
    for same in ["~HOT,COLD", "~1024+2048", "~3072", "~(COLD+HOT)"] {
        assert_eq!(bits(&science(&[&format!("--good-bits={same}")])), bits(&hot), "{same}");
    }
    assert_eq!(bits(&science(&["--exclude-flags=10,11"])), bits(&hot));

    // All exposures are as long, so that their time weights as none does, but for the rounding of
    // the sums.
    let (time, none) = (science(&["--weight=exptime"]), science(&["--weight=none"]));
    assert!(time.iter().zip(&none).all(|(a, b)| a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-5 * b.abs()));
    // A map that is 0 but for one column of the detector.
    let map = folder.path().join("map.fits");
    let mut values = vec![0.0f32; 2040 * 2040];
    values.iter_mut().skip(920).step_by(2040).for_each(|v| *v = 2.0);
    let mut file = FitsWriter::create(&map).unwrap();
    file.image::<f32>(&[2040, 2040], &Header::new()).unwrap();
    file.write_pixels(0, &values).unwrap();
    file.finish().unwrap();
    let few = science(&["--weight-map=map.fits"]);
    let seen = |plane: &[f32]| plane.iter().filter(|v| v.is_finite()).count();
    assert!(seen(&few) > 0 && seen(&few) < seen(&none) / 2, "{} of {}", seen(&few), seen(&none));
    let boxed = science(&["--input-box=5,9,0,1000"]);
    assert!(seen(&boxed) > 0 && seen(&boxed) < seen(&none) / 2);
    let doubled = science(&["--flux-scale=2", "--weight=none"]);
    assert!(
        none.iter()
            .zip(&doubled)
            .all(|(a, b)| a.is_nan() && b.is_nan() || (2.0 * a - b).abs() <= 1e-6 * b.abs())
    );
}

#[test]
fn a_mosaic_is_a_cube_with_one_bin() {
    let folder = tempfile::tempdir().unwrap();
    drizzle(
        folder.path(),
        &["--z-edges=1.7,1.9", "--kernel=square", "--planes=weight,context", "--err=from_var"],
    );
    let options = ["--wave=1.7..1.9", "--kernel=square", "-o", "flat"];
    run(folder.path(), "mosaic", &INPUTS, &options).succeeds();
    assert_eq!(names(&folder.path().join("flat")), ["mosaic.fits", "mosaic.toml"]);
    let (cube, mosaic) = (folder.path().join("out/drizzle_D3.fits"), folder.path().join("flat/mosaic.fits"));
    assert_eq!(hdus(&mosaic), ["PRIMARY", "SCI", "ERR", "VARIANCE", "WHT", "CON", "DQ"]);
    for hdu in ["SCI", "ERR", "VARIANCE", "WHT"] {
        assert_eq!(bits(&image(&mosaic, hdu)), bits(&image(&cube, hdu)), "{hdu}");
        assert_eq!(header(&mosaic, hdu).integer("NAXIS"), Ok(2));
        assert_eq!(header(&mosaic, hdu).integer("WCSAXES"), Ok(2));
    }
    assert_eq!(image::<u32>(&mosaic, "DQ"), image::<u32>(&cube, "OR_MASK"));
    assert_eq!(image::<u32>(&mosaic, "CON"), image::<u32>(&cube, "CON"));
    let primary = header(&mosaic, "PRIMARY");
    assert_eq!((primary.text("FILETYPE"), primary.real("LAM_MAX")), (Ok("MOSAIC"), Ok(1.9)));
    let again = ["--config=flat/mosaic.toml", "-o", "again"];
    run(folder.path(), "mosaic", &INPUTS, &again).succeeds();
    let file = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(file("again/mosaic.fits") == file("flat/mosaic.fits"), "the configuration makes it again");
}

#[test]
fn of_a_mosaic_nothing_but_the_mean() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mosaic = |output: &str, options: &[&str]| {
        let all = ["--wave=1.7..1.9", "--kernel=turbo", "-o", output];
        run(folder, "mosaic", &INPUTS, &[&all, options].concat())
    };
    mosaic("whole", &["--planes=wavelength"]).succeeds();
    mosaic("mean", &["--only-mean"]).succeeds();
    mosaic("more", &["--only-mean", "--planes=wavelength,context", "--err=driz_err", "--threads=3"])
        .succeeds();
    let file = |name: &str| folder.join(name).join("mosaic.fits");
    assert_eq!(hdus(&file("mean")), ["PRIMARY", "SCI", "WHT"]);
    assert_eq!(hdus(&file("more")), ["PRIMARY", "SCI", "ERR", "WHT", "CON", "MEANWAVE"]);
    for (name, kept) in [("mean", &["SCI", "WHT"][..]), ("more", &["SCI", "WHT", "CON", "MEANWAVE"])] {
        for hdu in kept {
            assert_eq!(bits(&image(&file(name), hdu)), bits(&image(&file("whole"), hdu)), "{name}, {hdu}");
        }
    }
    run(folder, "mosaic", &INPUTS, &["--config=mean/mosaic.toml", "-o", "again"]).succeeds();
    assert_eq!(hdus(&file("again")), ["PRIMARY", "SCI", "WHT"]);
    mosaic("x", &["--only-mean", "--err=from_var"]).fails(2, &["only_mean", "from_var"]);
    let cube = ["--config=mean/mosaic.toml", "--detector=3", "-o", "x"];
    run(folder, "drizzle", &INPUTS, &cube).fails(2, &["mosaic.toml", "unknown key `only_mean`"]);
    assert!(!folder.join("x").exists());
}

#[test]
fn mosaics_of_channels_and_of_several_detectors() {
    let folder = tempfile::tempdir().unwrap();
    let one = ["--detector=3", "--channel=7", "-o", "channel"];
    run(folder.path(), "mosaic", &INPUTS, &one).succeeds();
    drizzle(folder.path(), &[]);
    let cube: Vec<f32> = image(&folder.path().join("out/drizzle_D3.fits"), "COUNT");
    let flat: Vec<f32> = image(&folder.path().join("channel/mosaic.fits"), "WHT");
    let plane = flat.len();
    assert!(
        flat.iter().zip(&cube[6 * plane..7 * plane]).all(|(w, n)| (*w > 0.0) == (*n > 0.0)),
        "the same voxels"
    );
    let usage =
        |options: &[&str], words: &[&str]| run(folder.path(), "mosaic", &INPUTS, options).fails(2, words);
    usage(&["-o", "x"], &["--wave"]);
    usage(&["-o", "x", "--channel=3"], &["--detector"]);
    usage(&["-o", "x", "--channel=18", "--detector=3"], &["1 to 17"]);
    usage(&["-o", "x", "--wave=1.7..1.9", "--weight=map"], &["weight_map"]);
    usage(&["-o", "x", "--wave=1.7..1.9", "--input-box=3,2,0,1"], &["input_box"]);
    usage(&["-o", "x", "--wave=1.7..1.9", "--variances=SCI"], &["variances"]);
    assert!(!folder.path().join("x").exists());
}

/// Name of an HDU, and what its values are of those of VARIANCE.
type Named = (&'static str, fn(f32) -> f32);

/// A copy of a committed input with further HDUs.
fn with_variances(folder: &Path, name: &str, values: &[Named]) -> String {
    let mut from = FitsReader::open(&input(name)).unwrap();
    let path = folder.join(name);
    let mut fits = FitsWriter::create(&path).unwrap();
    fits.image::<u8>(&[], &from.header().unwrap()).unwrap();
    for index in 1..from.hdu_names().unwrap().len() {
        from.move_to_index(index).unwrap();
        fits.copy(&from).unwrap();
    }
    from.move_to("VARIANCE").unwrap();
    let shape = from.image_shape().unwrap();
    let variance: Vec<f32> = image(&input(name), "VARIANCE");
    for (hdu, of) in values {
        let mut cards = Header::new();
        cards.set("EXTNAME", *hdu, "");
        fits.image::<f32>(&shape, &cards).unwrap();
        let values: Vec<f32> = variance.iter().map(|v| of(*v)).collect();
        fits.write_pixels(0, &values).unwrap();
    }
    fits.finish().unwrap();
    path.display().to_string()
}

#[test]
fn named_variances_are_propagated_from_hdus_of_the_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // A quarter of VARIANCE, to the bit; and one that has nothing to do with it.
    let values: [Named; 2] = [("VAR_RN", |v| 0.25 * v), ("VAR_FLAT", |_| 0.5)];
    let inputs = INPUTS.map(|name| with_variances(folder, name, &values));
    let arguments = |command: &'static str, options: &[&'static str], inputs: &[String]| {
        let region = ["--ra=186.4536", "--dec=33.5468", "--width=2.6", "--height=2.2", "-q", "--overwrite"];
        let words = [&[command], &region[..], options, &["--input"]].concat();
        words.into_iter().map(str::to_owned).chain(inputs.iter().cloned()).collect::<Vec<_>>()
    };
    let run = |command, options: &[&'static str], inputs: &[String]| {
        let words = arguments(command, options, inputs);
        spx(folder, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let named = ["--variances=VAR_RN,VAR_FLAT", "--err=from_var", "-o", "out"];
    run("drizzle", &[&["--detector=3"], &named[..]].concat(), &inputs).succeeds();
    run("mosaic", &[&["--wave=1.7..2.4"], &named[..]].concat(), &inputs).succeeds();
    for (file, hdu_names) in [
        ("drizzle_D3.fits", ["WAVELENGTH", "ERR", "VAR_RN", "VAR_FLAT"]),
        ("mosaic.fits", ["CON", "DQ", "VAR_RN", "VAR_FLAT"]),
    ] {
        let path = folder.join("out").join(file);
        let found = hdus(&path);
        assert_eq!(found[found.len() - 4..], hdu_names, "{file}");
        let [variance, quarter, flat, error] =
            ["VARIANCE", "VAR_RN", "VAR_FLAT", "ERR"].map(|hdu| image::<f32>(&path, hdu));
        let expected: Vec<f32> = variance.iter().map(|v| 0.25 * v).collect();
        assert_eq!(bits(&quarter), bits(&expected), "{file}");
        // That of a mean, hence at most that of one pixel; and not zero.
        let seen: Vec<f32> = flat.iter().copied().filter(|v| v.is_finite()).collect();
        let (least, most) = seen.iter().fold((f32::MAX, 0f32), |(l, m), v| (l.min(*v), m.max(*v)));
        assert!(
            seen.len() > 100 && least > 0.02 && most < 0.501,
            "{file}: {} of {least}..{most}",
            seen.len()
        );
        for ((quarter, flat), error) in quarter.iter().zip(&flat).zip(&error) {
            let sum = quarter + flat;
            assert!(
                sum.is_nan() && error.is_nan() || (error * error - sum).abs() < 1e-6 * sum,
                "{file}: {sum} {error}"
            );
        }
    }
    // An input without the HDU is one that failed, the others are used.
    let mixed = [inputs[0].clone(), input("d3_b.fits").display().to_string()];
    let failed = run("mosaic", &[&["--wave=1.7..2.4"], &named[..]].concat(), &mixed);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("d3_b.fits") && failed.stderr.contains("VAR_RN"), "{}", failed.stderr);
    let primary = header(&folder.join("out/mosaic.fits"), "PRIMARY");
    assert_eq!((primary.integer("N_INPUTS"), primary.integer("N_FAILED")), (Ok(1), Ok(1)));
}

#[test]
fn a_mosaic_takes_the_exposures_of_all_detectors() {
    let folder = tempfile::tempdir().unwrap();
    let of = |output: &str, inputs: &[&str]| {
        let options = ["--wave=1.7..3.8", "-o", output];
        run(folder.path(), "mosaic", inputs, &options).succeeds();
        let path = folder.path().join(output).join("mosaic.fits");
        let inputs = header(&path, "PRIMARY").integer("N_INPUTS").unwrap();
        let [weight, science] = ["WHT", "SCI"].map(|hdu| image::<f32>(&path, hdu));
        (inputs, weight, science, image::<u32>(&path, "CON"))
    };
    let (three, four) = (of("three", &INPUTS), of("four", &["d4_a.fits", "d4_b.fits"]));
    let both = of("both", &[&INPUTS[..], &["d4_a.fits", "d4_b.fits"]].concat());
    assert_eq!([three.0, four.0, both.0], [3, 2, 5]);
    let mut common = 0;
    for k in 0..both.1.len() {
        let (a, b, sum) = (three.1[k], four.1[k], both.1[k]);
        assert!((a + b - sum).abs() <= 1e-6 * sum, "{a} + {b} is not {sum}");
        assert_eq!(both.3[k].count_ones(), three.3[k].count_ones() + four.3[k].count_ones());
        if a > 0.0 && b > 0.0 {
            common += 1;
            let mean = (a * three.2[k] + b * four.2[k]) / (a + b);
            let largest = three.2[k].abs().max(four.2[k].abs());
            assert!((both.2[k] - mean).abs() < 1e-5 * largest, "{} is not {mean}", both.2[k]);
        }
    }
    assert!(common > 100, "both detectors see {common} pixels");
}
