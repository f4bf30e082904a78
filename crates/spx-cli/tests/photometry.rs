//! `spx photometry` and `spx run` as a user runs them, on the images of the local archive and on
//! broken ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

#[path = "../../spx-pipeline/examples/source.rs"]
#[allow(dead_code, reason = "its main is that of a program of its own")]
mod source_example;
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use spx_core::detector::Detector;
use spx_core::fits::FitsWriter;
use spx_core::header::Header;
use spx_core::sky::Position;
use spx_serve::Faults;
use spx_sim::{
    ExposureOptions, FrameExtent, SimulatedExposure, SimulatedRelease, SimulatedSky, SimulatedStar,
    SurveyOptions, observe, survey, write_mef,
};
use tempfile::tempdir;
use tools::local::{
    OBSERVATIONS, PLACE, archive, ask, asking, first_of, images, linked, originals, serve, timeless, tree,
};
use tools::{Run, ended, image, names, sharing_cache, spx};

const SPXQUERY: &str = "obs_id,mjd,flux,flux_error,mag_ab,mag_ab_error,wavelength,bandwidth,band,flag,flag_binary,\
                        pix_x,pix_y,is_upper_limit,snr";

fn photometry(folder: &Path, more: &[&str]) -> Run {
    let files = images().display().to_string();
    spx(folder, &[&["photometry", &files, "-q"], &PLACE[..], more].concat())
}

/// Header and rows of a table, without comments.
fn table(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let plain: String = text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
    let mut reader = csv::Reader::from_reader(plain.as_bytes());
    let words = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect();
    let header = words(reader.headers().unwrap());
    (header, reader.records().map(|record| words(&record.unwrap())).collect())
}

/// The values of a column.
fn column(text: &str, name: &str) -> Vec<String> {
    let (header, rows) = table(text);
    let at = header.iter().position(|n| n == name).unwrap_or_else(|| panic!("no {name} in {header:?}"));
    rows.into_iter().map(|row| row[at].clone()).collect()
}

#[test]
fn all_forms_of_the_table_tell_the_same() {
    let folder = tempdir().unwrap();
    let csv = photometry(folder.path(), &[]).succeeds().stdout;
    assert!(csv.starts_with(SPXQUERY) && csv.contains(",file,status,reason\n"), "{csv}");
    photometry(folder.path(), &["-o", "made.csv"]).succeeds();
    let file = fs::read_to_string(folder.path().join("made.csv")).unwrap();
    let (comments, rows) = file.split_at(file.find("obs_id,").unwrap());
    assert!(comments.contains("\n# Made by spx ") && comments.contains("\n# - reason: "), "{comments}");
    assert_eq!(rows, csv);
    assert_eq!(column(&csv, "status"), vec!["used"; 2 * OBSERVATIONS]);
    let json = photometry(folder.path(), &["--json"]).succeeds().json();
    let fluxes: Vec<f64> = column(&csv, "flux").iter().map(|f| f.parse().unwrap()).collect();
    let of_json = json["photometry"].as_array().unwrap().iter().map(|row| row["flux"].as_f64().unwrap());
    assert_eq!(of_json.collect::<Vec<_>>(), fluxes);
    photometry(folder.path(), &["-o", "a.ecsv"]).succeeds();
    let ecsv = std::fs::read_to_string(folder.path().join("a.ecsv")).unwrap();
    assert!(ecsv.starts_with("# %ECSV 1.0\n# ---\n"));
    let (header, _) = table(&ecsv);
    assert_eq!(header[..6], ["obs_id", "mjd", "wavelength", "bandwidth", "flux", "flux_error"]);
    let wavelengths: Vec<f64> = column(&ecsv, "wavelength").iter().map(|w| w.parse().unwrap()).collect();
    assert!(wavelengths.is_sorted(), "{wavelengths:?}");
    let sorted = |text: &str| {
        let mut fluxes = column(text, "flux");
        fluxes.sort();
        fluxes
    };
    assert_eq!(sorted(&ecsv), sorted(&csv));
    let again = photometry(folder.path(), &["-o", "a.ecsv"]);
    again.fails(2, &["a.ecsv exists", "--overwrite"]);
    photometry(folder.path(), &["-o", "a.ecsv", "--overwrite"]).succeeds();
    photometry(folder.path(), &["-o", "a.txt"]).fails(2, &[".csv, .ecsv, .json or .vot"]);
}

/// astropy, and through it specutils, takes types and units from these lines;
/// `cargo xtask light-curve` tries both.
#[test]
fn the_head_of_an_ecsv_tells_types_and_units() {
    let folder = tempdir().unwrap();
    photometry(folder.path(), &["-o", "a.ecsv"]).succeeds();
    let text = std::fs::read_to_string(folder.path().join("a.ecsv")).unwrap();
    let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("# ")).collect();
    assert_eq!(head[..4], ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:"]);
    assert_eq!(head.last(), Some(&"# schema: astropy-2.0"));
    let columns: Vec<&&str> = head.iter().filter(|line| line.starts_with("# - {name: ")).collect();
    let names = columns.iter().map(|line| line["# - {name: ".len()..].split([',', '}']).next().unwrap());
    assert!(names.eq(table(&text).0), "one line a column, in their order");
    for (at, begin) in [
        (0, "# - {name: obs_id, datatype: string, "),
        (1, "# - {name: mjd, unit: 'd', datatype: float64, "),
        (2, "# - {name: wavelength, unit: 'um', datatype: float64, "),
        (3, "# - {name: bandwidth, unit: 'um', datatype: float64, "),
        (4, "# - {name: flux, unit: 'uJy', datatype: float64, "),
        (5, "# - {name: flux_error, unit: 'uJy', datatype: float64, "),
    ] {
        assert!(columns[at].starts_with(begin), "{}", columns[at]);
    }
    let typed = |line: &&str| {
        let datatype = ["string", "float64", "int64", "bool"].map(|t| format!(" datatype: {t}, "));
        datatype.iter().any(|t| line.contains(t))
            && line.contains("description: '")
            && line.contains("ucd: '")
    };
    assert!(columns.iter().all(|line| typed(line)), "{columns:#?}");
}

#[test]
fn tables_can_have_the_columns_of_irsa() {
    let folder = tempdir().unwrap();
    let plain = photometry(folder.path(), &[]).succeeds().stdout;
    let irsa = photometry(folder.path(), &["--columns=irsa"]).succeeds().stdout;
    for (ours, theirs) in [
        ("wavelength", "lambda"),
        ("bandwidth", "lambda_width"),
        ("flux", "flux"),
        ("flux_error", "flux_err"),
        ("detector", "det_id"),
    ] {
        assert_eq!(column(&plain, ours), column(&irsa, theirs), "{theirs}");
    }
    let names = "ra,dec,x_image,y_image,mjd,flux_bkg,local_bkg_flg,flags,fit_ql,deep_flg,det_id,lvf_id,\
                 obs_publisher_did,lambda,lambda_width,flux,flux_err,flux_err_tractor,data_collection,\
                 shape_r,phi,sersic,ab_ratio,source_id,";
    assert!(table(&irsa).0.join(",").starts_with(names), "{irsa}");
    let numbers = |table: &str, name: &str| -> Vec<f64> {
        column(table, name).iter().map(|text| text.parse().unwrap()).collect()
    };
    // 1 MJy/sr is 23.5 uJy/arcsec^2.
    for (ours, theirs) in numbers(&plain, "bg_level").iter().zip(numbers(&irsa, "flux_bkg")) {
        assert!((ours / theirs - 23.504_430_538).abs() < 1e-6, "{ours} {theirs}");
    }
    let flags = |table: &str, name: &str| -> Vec<i64> {
        column(table, name).iter().map(|text| text.parse::<i64>().unwrap() & 0xffff_ffff).collect()
    };
    assert_eq!(flags(&irsa, "flags"), flags(&plain, "flag"));
    let dids = column(&irsa, "obs_publisher_did");
    assert!(dids.iter().all(|did| did.starts_with("ivo://irsa.ipac/spherex_qr2?2025W51_")), "{dids:?}");

    // Points have no shape; of which field an image is only the archive knows.
    for (name, value) in [
        ("shape_r", "0.0"),
        ("phi", "0.0"),
        ("sersic", "0.0"),
        ("ab_ratio", "1.0"),
        ("source_id", "source"),
        ("data_collection", "spherex_qr2"),
        ("deep_flg", ""),
    ] {
        assert_eq!(column(&irsa, name), vec![value; 2 * OBSERVATIONS], "{name}");
    }
    let file = folder.path().join("irsa.vot");
    photometry(folder.path(), &["--columns=irsa", "-o", file.to_str().unwrap()]).succeeds();
    let table = std::fs::read_to_string(file).unwrap();
    let fields = table.matches("<FIELD name=\"").count();
    assert_eq!(fields, 24 + 3, "{table}");
    assert!(table.contains("name=\"flags\" datatype=\"long\"") && table.contains("unit=\"MJy/sr\""));
}

/// The archive's answer tells the collection, and so whether an image is of a deep field.
#[test]
fn the_query_beside_images_tells_their_collections() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let here = folder.path();
    let run = ask(&archive, here, "download", &["-o", "data", "--layout=by-detector", "--bands=D3"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let summary = here.join("data/query_summary.toml");
    let text = fs::read_to_string(&summary).unwrap();
    // One of them in a deep field.
    let deep = text.replacen("collection = \"spherex_qr2\"", "collection = \"spherex_qr2_deep\"", 1);
    assert_ne!(deep, text);
    fs::write(&summary, deep).unwrap();
    let words = ["photometry", PLACE[0], PLACE[1], "data", "--columns=irsa", "--quiet"];
    let table = spx(here, &words).succeeds().stdout;
    let mut flags = column(&table, "deep_flg");
    let collections = column(&table, "data_collection");
    for (flag, collection) in flags.iter().zip(&collections) {
        assert_eq!(*collection, if flag == "1" { "spherex_qr2_deep" } else { "spherex_qr2" }, "{table}");
    }
    flags.sort();
    assert_eq!(flags, ["0", "0", "1"]);
}

#[test]
fn options_come_from_file_environment_and_command_line() {
    let folder = tempdir().unwrap();
    let config = "aperture_method = \"fixed\"\naperture_diameter = 4.0\nsubtract_zodi = false\n";
    std::fs::write(folder.path().join("a.toml"), config).unwrap();
    let csv = photometry(folder.path(), &["--config=a.toml"]).succeeds().stdout;
    assert_eq!(column(&csv, "aperture_radius"), vec!["2.0"; 2 * OBSERVATIONS]);
    assert_eq!(column(&csv, "zodi_scale"), vec![""; 2 * OBSERVATIONS]);
    let csv = photometry(folder.path(), &["--config=a.toml", "--aperture-diameter=3"]).succeeds().stdout;
    assert_eq!(column(&csv, "aperture_radius"), vec!["1.5"; 2 * OBSERVATIONS]);
    std::fs::write(folder.path().join("a.toml"), "aperture_diametre = 4.0\n").unwrap();
    photometry(folder.path(), &["--config=a.toml"]).fails(2, &["line 1", "aperture_diametre"]);
    let run = photometry(folder.path(), &["--fwhm-multiplier=-1"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("--fwhm-multiplier") && run.stderr.contains("above 0"), "{}", run.stderr);
}

/// Flux of the star of [`exposure`] \[uJy\].
const FLUX: f64 = 5_000.0;

/// Writes an image of D3 of 60 px around the field's center, with a star there, after a change.
fn exposure(path: &Path, options: ExposureOptions, change: impl FnOnce(&mut SimulatedExposure)) {
    let position = Position::new(186.4536, 33.5468).unwrap();
    let star = SimulatedStar { id: "star".to_owned(), position, flux_2um: FLUX, slope: 0.0 };
    let sky = SimulatedSky { stars: vec![star], ..SimulatedSky::default() };
    let detectors = vec![Detector::new(3).unwrap()];
    let pointing = survey(position, &SurveyOptions { observations: 1, detectors, ..Default::default() });
    let clean = ExposureOptions {
        frame: FrameExtent::Around { position, size: 60 },
        bad_fraction: 0.0,
        nan_fraction: 0.0,
        ..options
    };
    let mut exposure = observe(&sky, &pointing.unwrap()[0], &clean).unwrap();
    change(&mut exposure);
    write_mef(path, &exposure, false).unwrap();
}

/// Status and reason of the only file of a table.
fn ending(csv: &str) -> (String, String) {
    (column(csv, "status").remove(0), column(csv, "reason").remove(0))
}

#[test]
fn sources_that_cannot_be_measured_have_a_reason() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("a.fits");
    let measure = |more: &[&str]| spx(folder.path(), &[&["photometry", "a.fits", "-q"], more].concat());
    exposure(&file, ExposureOptions::default(), |_| {});
    for (place, reason) in [
        (["--ra=186.4536", "--dec=33.7"], "off the image"),
        (["--ra=6.4536", "--dec=-33.5"], "off the image"),
        (["--ra=186.4536", "--dec=33.6024"], "at the edge"),
    ] {
        let run = measure(&place);
        assert_eq!((run.code, run.stderr.is_empty()), (Some(3), reason != "at the edge"), "{}", run.stdout);
        let (status, why) = ending(&run.stdout);
        assert!(status == "rejected" && why.contains(reason), "{status} {why}");
    }
    let all = |value: f32| move |e: &mut SimulatedExposure| e.planes.image.fill(value);
    fs::remove_file(&file).unwrap();
    exposure(&file, ExposureOptions::default(), all(f32::NAN));
    let (status, why) = ending(&measure(&PLACE).stdout);
    assert!(status == "rejected" && why.contains("no finite value"), "{status} {why}");
    fs::remove_file(&file).unwrap();
    exposure(&file, ExposureOptions::default(), |e| e.planes.flags.fill(1 << 10));
    let (status, why) = ending(&measure(&PLACE).stdout);
    assert!(status == "rejected" && why.contains("usable background pixels"), "{status} {why}");
    // A bad variance elsewhere on the image is nothing to the source.
    fs::remove_file(&file).unwrap();
    exposure(&file, ExposureOptions::default(), |e| e.planes.variance[5] = f32::NAN);
    let run = measure(&PLACE);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(ending(&run.stdout).0, "used", "{}", run.stdout);
}

#[test]
fn broken_files_do_not_stop_the_others() {
    let folder = tempdir().unwrap();
    for (name, bytes) in originals("D1") {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let (name, bytes) = originals("D3").pop_first().unwrap();
    fs::write(folder.path().join(&name), &bytes[..bytes.len() / 3]).unwrap();
    fs::write(folder.path().join("page.fits"), "<html>503</html>").unwrap();
    let run = spx(folder.path(), &[&["photometry", "."], &PLACE[..]].concat());
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stderr
            .contains(&format!("{} files: {OBSERVATIONS} used, 0 rejected, 2 failed", OBSERVATIONS + 2))
    );
    let failed: Vec<String> = column(&run.stdout, "status").into_iter().filter(|s| s == "failed").collect();
    assert_eq!(failed.len(), 2);
    assert!(run.stderr.contains("page.fits") && run.stderr.contains("<html>503"), "{}", run.stderr);
    let none = tempdir().unwrap();
    spx(none.path(), &[&["photometry", "."], &PLACE[..]].concat()).fails(3, &["no spectral image"]);
    spx(none.path(), &["photometry", "."]).fails(2, &["--ra and --dec are needed"]);
}

/// The brightest pixel of an exposure, which is the star's.
fn brightest(exposure: &SimulatedExposure) -> usize {
    let image = &exposure.planes.image;
    (0..image.len()).max_by(|&a, &b| image[a].total_cmp(&image[b])).unwrap()
}

/// A variance that is no measurement of noise, flagged or not: every source is measured by every
/// command, the one that is touched says so, and the cube has no voxel without a variance.
#[test]
fn one_wrong_variance_touches_its_source_alone() {
    for (value, flag) in [f32::NAN, f32::INFINITY, 0.0, -1.0].into_iter().flat_map(|v| [(v, 0), (v, 1 << 6)])
    {
        let folder = tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        exposure(&folder.path().join("data/a.fits"), ExposureOptions::default(), |e| {
            let at = brightest(e) + 1;
            e.planes.variance[at] = value;
            e.planes.flags[at] |= flag;
        });
        let says = if flag == 0 { "repaired_variances=1" } else { "filled_pixels=1" };
        let csv = spx(folder.path(), &[&["photometry", "data", "-q"], &PLACE[..]].concat()).succeeds().stdout;
        assert_eq!(column(&csv, "fallbacks"), [says], "{value} {flag}");
        let found: f64 = column(&csv, "flux")[0].parse().unwrap();
        assert!((found / FLUX - 1.0).abs() < 0.03, "{value} {flag}: {found}");
        let catalog = "id,ra,dec\nstar,186.4536,33.5468\nsky,186.4636,33.5568\n";
        fs::write(folder.path().join("c.csv"), catalog).unwrap();
        spx(folder.path(), &["batch", "-q", "--catalog=c.csv", "-o", "batch", "--input", "data"]).succeeds();
        let tables = names(&folder.path().join("batch/per_image"));
        let table = tables.iter().find(|name| name.ends_with(".csv")).unwrap();
        let table = fs::read_to_string(folder.path().join("batch/per_image").join(table)).unwrap();
        assert_eq!(column(&table, "fallbacks"), [says, ""], "{value} {flag}");
        let archive = serve(&folder.path().join("data"), Faults::default());
        let url = archive.url();
        let run = ["run", "-q", "--name=star", "-o", "run", "--archive-url", &url];
        spx(folder.path(), &[&run[..], &PLACE].concat()).succeeds();
        let csv = fs::read_to_string(folder.path().join("run/results/lightcurve.csv")).unwrap();
        assert_eq!(column(&csv, "fallbacks"), [says], "{value} {flag}");
        let cube =
            ["drizzle", "-q", "--width=3", "--height=3", "--detector=3", "-o", "cube", "--input", "data"];
        spx(folder.path(), &[&cube[..], &PLACE].concat()).succeeds();
        let file = folder.path().join("cube/drizzle_D3.fits");
        let [science, variance] = ["SCI", "VARIANCE"].map(|name| image::<f32>(&file, name));
        assert!(science.iter().any(|value| value.is_finite()));
        let whole = |(s, v): (&f32, &f32)| s.is_nan() || s.is_finite() && v.is_finite() && *v > 0.0;
        assert!(science.iter().zip(&variance).all(whole), "{value} {flag}");
    }
}

/// Where most pixels are bad the zodiacal light is that of the other exposures.
#[test]
fn a_scale_that_cannot_be_fitted_is_that_of_the_run() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let sky = ExposureOptions { zodi_scale: 1.1, ..ExposureOptions::default() };
    exposure(&folder.path().join("data/a.fits"), sky.clone(), |_| {});
    exposure(&folder.path().join("data/b.fits"), sky, |e| {
        e.header.set("OBSID", "2025W51_1A_0009_1", "another observation");
        let (star, nx) = (brightest(e), e.window.nx);
        for (k, flags) in e.planes.flags.iter_mut().enumerate() {
            let near = (k / nx).abs_diff(star / nx) < 10 && (k % nx).abs_diff(star % nx) < 10;
            *flags |= if near { 0 } else { 1 << 10 };
        }
    });
    let check = |csv: &str| {
        let scales: Vec<f64> = column(csv, "zodi_scale").iter().map(|s| s.parse().unwrap()).collect();
        assert!((scales[0] - 1.1).abs() < 2e-3 && scales[0] == scales[1], "{scales:?}");
    };
    let csv = spx(folder.path(), &[&["photometry", "data", "-q"], &PLACE[..]].concat()).succeeds().stdout;
    check(&csv);
    assert_eq!(column(&csv, "fallbacks"), ["", "zodi_not_fitted"]);
    fs::write(folder.path().join("c.csv"), "id,ra,dec\nstar,186.4536,33.5468\n").unwrap();
    for _ in 0..2 {
        let run = spx(folder.path(), &["batch", "-q", "--catalog=c.csv", "-o", "batch", "--input", "data"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(run.stderr.contains("that of 1 other exposure"), "{}", run.stderr);
        let tables = folder.path().join("batch/per_image");
        let mut all = String::new();
        for name in names(&tables).iter().filter(|name| name.ends_with(".csv")) {
            let text = fs::read_to_string(tables.join(name)).unwrap();
            all.push_str(if all.is_empty() { &text } else { text.split_once('\n').unwrap().1 });
        }
        check(&all);
    }
}

/// One flux of one file.
fn flux(folder: &Path, more: &[&str], name: &str) -> f64 {
    let run = spx(folder, &[&["photometry", "a.fits", "-q"], &PLACE[..], more].concat());
    column(&run.succeeds().stdout, name)[0].parse().unwrap()
}

#[test]
fn both_releases_give_the_true_flux() {
    for release in [SimulatedRelease::Qr2, SimulatedRelease::Qr3] {
        let folder = tempdir().unwrap();
        let options = ExposureOptions { release, ..ExposureOptions::default() };
        exposure(&folder.path().join("a.fits"), options, |_| {});
        let more = ["--aperture-correction", "--psf-flux", "--fwhm-multiplier=3.5"];
        for name in ["flux", "psf_flux"] {
            let ratio = flux(folder.path(), &more, name) / FLUX;
            assert!((ratio - 1.0).abs() < 0.01, "{release:?} {name}: {ratio}");
        }
    }
}

#[test]
fn a_moving_source_is_found_where_it_was() {
    let folder = tempdir().unwrap();
    exposure(&folder.path().join("a.fits"), ExposureOptions::default(), |_| {});
    let still = flux(folder.path(), &[], "flux");
    // MJD 61027.2 is 2025.96: ten arcseconds north since 2015.96, from a place ten arcseconds
    // south.
    let south = format!("--dec={}", 33.5468 - 10.0 / 3600.0);
    let place = ["photometry", "a.fits", "-q", "--ra=186.4536", &south];
    let motion = ["--pm-dec=1000", "--ref-epoch=2015.9617"];
    let run = spx(folder.path(), &[&place[..], &motion].concat()).succeeds();
    let dec: f64 = column(&run.stdout, "dec")[0].parse().unwrap();
    assert!((dec - 33.5468).abs() < 0.01 / 3600.0, "{dec}");
    let moved: f64 = column(&run.stdout, "flux")[0].parse().unwrap();
    assert!((moved / still - 1.0).abs() < 1e-3, "{moved} {still}");
    let missed: f64 = column(&spx(folder.path(), &place).succeeds().stdout, "flux")[0].parse().unwrap();
    assert!(missed < 0.9 * still);
}

/// Writes a calibration product of full frames, a plane for each value.
fn product(path: &Path, planes: &[(&str, f32)]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = FitsWriter::create(path).unwrap();
    file.image::<u8>(&[], &Header::new()).unwrap();
    for (name, value) in planes {
        let mut cards = Header::new();
        cards.set("EXTNAME", *name, "");
        file.image::<f32>(&[Detector::NPIX; 2], &cards).unwrap();
        file.write_pixels(0, &vec![*value; Detector::NPIX * Detector::NPIX]).unwrap();
    }
    file.finish().unwrap();
}

#[test]
fn calibration_products_are_used_where_they_are() {
    let folder = tempdir().unwrap();
    exposure(&folder.path().join("a.fits"), ExposureOptions::default(), |_| {});
    let mirror = folder.path().join("mirror/qr2");
    let waves = "spectral_wcs/cal-wcs-v4-2025-254/3/spectral_wcs_D3_spx_cal-wcs-v4-2025-254.fits";
    let areas =
        "solid_angle_pixel_map/cal-sapm-v2-2025-164/3/solid_angle_pixel_map_D3_spx_cal-sapm-v2-2025-164.fits";
    product(&mirror.join(waves), &[("CWAVE", 2.125), ("CBAND", 0.0625)]);
    product(&mirror.join(areas), &[("IMAGE", 38.5)]);
    let cells = |more: &[&str]| {
        let run = spx(folder.path(), &[&["photometry", "a.fits", "-q"], &PLACE[..], more].concat());
        let csv = run.succeeds().stdout;
        let names = ["wavelength", "bandwidth", "wavelength_source", "pixel_area", "pixel_area_source"];
        names.map(|name| column(&csv, name).remove(0))
    };
    assert_eq!(cells(&["--data-mirror=mirror"]), ["2.125", "0.0625", "calibration", "38.5", "map"]);
    let given = format!("--spectral-wcs=mirror/qr2/{waves}");
    let some = cells(&[&given]);
    assert_eq!(
        (&some[..3], some[4].as_str()),
        (&["2.125", "0.0625", "calibration"].map(String::from)[..], "local")
    );
    let local = cells(&["--data-mirror=mirror", "--pixel-area=local"]);
    assert_eq!(local[4], "local");
    let constant = cells(&["--pixel-area=constant"]);
    assert_eq!((constant[2].as_str(), constant[4].as_str()), ("table", "constant"));
    let area = |cells: &[String; 5]| cells[3].parse::<f64>().unwrap();
    assert!((area(&constant) / area(&local) - 1.0).abs() < 0.02 && area(&constant) != area(&local));
    // A map that is asked for must be there.
    let run = spx(folder.path(), &[&["photometry", "a.fits", "-q", "--pixel-area=map"], &PLACE[..]].concat());
    assert_eq!(run.code, Some(1));
    assert!(ending(&run.stdout).1.contains("no solid_angle_pixel_map of D3"), "{}", run.stdout);
    let missing = [&["photometry", "a.fits", "--spectral-wcs=nowhere"], &PLACE[..]].concat();
    spx(folder.path(), &missing).fails(2, &["spectral_wcs", "nowhere"]);
}

/// `spx run` for the place, into `out`.
fn source(archive: &spx_serve::LocalArchive, folder: &Path, more: &[&str]) -> Run {
    ask(archive, folder, "run", &[&["--name=star", "-o", "out"], more].concat())
}

/// What stands on standard error about a stage, without the names of what has changed.
fn told(run: &Run, stage: &str) -> String {
    let lines = run.stderr.lines().filter_map(|line| line.strip_prefix(&format!("{stage}: ")));
    lines.map(|line| line.split(" (").next().unwrap_or(line).to_owned()).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_run_makes_tables_and_figures_and_repeats_what_it_must() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let run = source(&archive, folder.path(), &["--cutout-size=40px"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("6 files: 6 used, 0 rejected, 0 failed"), "{}", run.stderr);
    let results = folder.path().join("out/results");
    let made = [
        "combined_plot.pdf",
        "combined_plot.png",
        "combined_plot.svg",
        "lightcurve.csv",
        "lightcurve.ecsv",
        "photometry.json",
    ];
    let spectra = ["spectrum.csv", "spectrum.ecsv", "spectrum.fits", "spectrum.png"];
    assert_eq!(names(&results), [&made[..], &["query_summary.toml"], &spectra].concat());
    assert_eq!(names(&folder.path().join("out")), ["data", "results", "star.toml", "star_config.toml"]);
    assert_eq!(names(&folder.path().join("out/data")), ["D1", "D3"]);
    let csv = fs::read_to_string(results.join("lightcurve.csv")).unwrap();
    assert!(csv.starts_with(
        "# SPHEREx Light Curve Data\n# Source: star\n# RA: 186.4536\n# Dec: 33.5468\n# Generated: "
    ));
    assert!(csv.contains(&format!("\n{SPXQUERY},")) && csv.contains("\n# Number of observations: 6\n"));
    assert!(!table(&csv).0.contains(&"status".to_owned()));
    let again = |more: &[&str]| {
        // Place and cutouts are those of the first run.
        let run = spx(folder.path(), &[&["run", "--name=star", "-o", "out", "--resume"], more].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        ["query", "download", "processing", "visualization"].map(|stage| told(&run, stage))
    };
    let (done, changed) = ("done before", "repeated because its parameters have changed");
    assert_eq!(again(&[]), [done, done, done, done]);
    assert_eq!(again(&["--use-magnitude"]), [done, done, done, changed]);
    assert_eq!(again(&["--aperture-method=fixed"]), [done, done, changed, changed]);
    assert_eq!(again(&["--cutout-size=30px"]), [done, changed, changed, changed]);
    assert_eq!(again(&["--bands=D1"]), [changed, changed, changed, changed]);
    assert_eq!(again(&[]), [done, done, done, done]);
    fs::remove_file(results.join("lightcurve.ecsv")).unwrap();
    assert_eq!(again(&[]), [done, done, done, "repeated because its results are gone or incomplete"]);
    // The columns of IRSA's tool as a VOTable; the other tables would not be those of this run.
    assert_eq!(again(&["--columns=irsa", "--format=votable,json"]), [done, done, done, changed]);
    let tables = names(&results).into_iter().filter(|name| name.starts_with("lightcurve"));
    assert_eq!(tables.collect::<Vec<_>>(), ["lightcurve.json", "lightcurve.vot"]);
    let table = fs::read_to_string(results.join("lightcurve.vot")).unwrap();
    assert_eq!(table.matches("<FIELD name=\"").count(), 24);
    let rows: serde_json::Value =
        serde_json::from_slice(&fs::read(results.join("lightcurve.json")).unwrap()).unwrap();
    for row in rows["photometry"].as_array().unwrap() {
        assert_eq!((&row["deep_flg"], &row["source_id"]), (&0.into(), &"star".into()), "{row}");
    }
    assert_eq!(again(&["--columns=spxquery", "--format=csv,ecsv"]), [done, done, done, changed]);
    let status =
        spx(folder.path(), &["run", "--name=star", "-o", "out", "--status", "--json"]).succeeds().json();
    assert_eq!(status["done"].as_array().unwrap().len(), 4);
    spx(folder.path(), &["run", "--status"]).fails(3, &["there is no run"]);
}

/// The spectrum of a run, of its table and of a part of its table; tables in all forms and figures.
#[test]
fn a_spectrum_has_a_hundred_and_two_channels() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    assert_eq!(source(&archive, folder.path(), &["--cutout-size=40px"]).code, Some(0));
    let of = |arguments: &[&str]| spx(folder.path(), &[&["spectrum", "-q"], arguments].concat());
    let run = of(&["out"]).succeeds();
    let (header, rows) = table(&run.stdout);
    assert_eq!(rows.len(), 102);
    let loud = spx(folder.path(), &["spectrum", "out"]);
    assert!(loud.stderr.contains("6 measurements; "), "{}", loud.stderr);
    let made = fs::read_to_string(folder.path().join("out/results/spectrum.csv")).unwrap();
    // Names are those of the files; how it was measured is told by all.
    for input in ["out", "out/results/lightcurve.csv", "out/results/lightcurve.ecsv"] {
        let bare = of(&[input]).succeeds().stdout;
        of(&[input, "-o", "again.csv", "--overwrite"]).succeeds();
        let again = fs::read_to_string(folder.path().join("again.csv")).unwrap();
        assert_eq!((table(&bare), table(&again)), (table(&made), table(&made)), "{input}");
        let settings =
            |text: &str| text.lines().find(|line| line.starts_with("# settings: ")).map(str::to_owned);
        assert!(settings(&again).is_some() && settings(&again) == settings(&made), "{input}: {again}");
    }
    let used = header.iter().position(|name| name == "n_used").unwrap();
    let counted: usize = rows.iter().map(|row| row[used].parse::<usize>().unwrap()).sum();
    assert_eq!(counted, 6);
    let files = ["s.csv", "s.ecsv", "s.vot", "s.fits", "s.png", "s.svg", "s.pdf"];
    let outputs: Vec<String> = files.iter().map(|name| format!("--output={name}")).collect();
    let mut arguments = vec!["out", "--flux-density=lambda_f_lambda"];
    arguments.extend(outputs.iter().map(String::as_str));
    of(&arguments).succeeds();
    of(&arguments).fails(2, &["s.csv"]);
    let mut fits = spx_core::fits::FitsReader::open(&folder.path().join("s.fits")).unwrap();
    fits.move_to("SPECTRUM").unwrap();
    assert_eq!(fits.table_rows().unwrap(), 102);
    let mut fluxes = vec![0.0_f64; 102];
    fits.read_column("flux", 0, &mut fluxes).unwrap();
    let flux = header.iter().position(|name| name == "flux").unwrap();
    for (in_fits, row) in fluxes.iter().zip(&rows) {
        let in_csv: f64 = row[flux].parse().unwrap();
        assert!(in_csv.to_bits() == in_fits.to_bits() || in_csv.is_nan() && in_fits.is_nan());
    }
    let json = of(&["out", "--json"]).succeeds().json();
    let filled = json["channels"].as_array().unwrap().len();
    assert_eq!(filled, fluxes.iter().filter(|flux| flux.is_finite()).count());
    of(&["nowhere"]).fails(2, &["nowhere"]);
    of(&["out", "--output=s.txt"]).fails(2, &["must end in"]);
}

#[test]
fn the_example_makes_what_the_command_makes() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let output = folder.path().join("out");
    let directory = output.to_str().unwrap();
    let run = asking(&archive, folder.path(), "run", &["-o", directory, "-q"]);
    ended(sharing_cache(run)).succeeds();
    let command = timeless(&output);
    fs::remove_dir_all(&output).unwrap();
    source_example::make(&archive.url(), 186.4536, 33.5468, directory).unwrap();
    let example = timeless(&output);
    assert!(command.keys().any(|name| name == "results/combined_plot.png"));
    assert_eq!(command.keys().collect::<Vec<_>>(), example.keys().collect::<Vec<_>>());
    command.iter().for_each(|(name, bytes)| assert!(example[name] == *bytes, "{name}"));
}

#[test]
fn a_run_is_moved_and_resumed_from_elsewhere() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    source(&archive, folder.path(), &["-q", "--bands=D1", "--cutout-size=40px"]).succeeds();
    let elsewhere = tempdir().unwrap();
    let resumed = |output: &Path| {
        let output = output.display().to_string();
        let run = spx(elsewhere.path(), &["run", "--name=star", "-o", &output, "--resume"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        ["query", "download", "processing", "visualization"].map(|stage| told(&run, stage))
    };
    let done = ["done before"; 4];
    assert_eq!(resumed(&folder.path().join("out")), done);
    let moved = elsewhere.path().join("moved");
    fs::rename(folder.path().join("out"), &moved).unwrap();
    assert_eq!(resumed(Path::new("moved")), done);
    fs::remove_file(moved.join("results/lightcurve.csv")).unwrap();
    assert_eq!(resumed(&moved)[3], "repeated because its results are gone or incomplete");
    assert!(moved.join("results/lightcurve.csv").exists());
    // The settings of the run name the directory itself.
    let saved = fs::read_to_string(moved.join("star_config.toml")).unwrap();
    assert!(saved.contains(&format!("output_dir = {:?}", moved.display().to_string())), "{saved}");
}

#[test]
fn stages_need_those_before_them() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let run = |stages: &str| source(&archive, folder.path(), &["-q", "--cutout-size=40px", stages]);
    run("--stages=processing").fails(2, &["--stages leaves out query"]);
    assert!(run("--stages=query").succeeds().stdout.ends_with("query_summary.toml\n"));
    run("--stages=visualization,processing").fails(2, &["--stages leaves out download"]);
    run("--stages=download").succeeds();
    assert!(!folder.path().join("out/results/photometry.json").exists());
    run("--stages=processing").succeeds();
    run("--stages=visualization").succeeds();
    assert!(folder.path().join("out/results/combined_plot.svg").exists());
    assert_eq!(run("--stages=cooking").code, Some(2));
}

#[test]
fn a_run_without_images_says_so() {
    let (store, folder) = (linked(), tempdir().unwrap());
    let archive = serve(store.path(), Faults::default());
    let elsewhere = ["run", "--ra=10", "--dec=-60", "-q", "--archive-url", &archive.url()];
    spx(folder.path(), &elsewhere).fails(3, &["no such image"]);
    let (lost, d3) = (first_of("D3"), ["-q", "--bands=D3"]);
    fs::remove_file(store.path().join(&lost)).unwrap();
    let run = source(&archive, folder.path(), &d3);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.stderr.matches("404").count(), 1, "said once: {}", run.stderr);
    let rows = |folder: &Path| {
        let csv = fs::read_to_string(folder.join("out/results/lightcurve.csv")).unwrap();
        table(&csv).1.len()
    };
    assert_eq!(rows(folder.path()), OBSERVATIONS - 1, "the others are measured");
    // The file is back: only what was missing is fetched.
    fs::hard_link(images().join(&lost), store.path().join(&lost)).unwrap();
    source(&archive, folder.path(), &[&d3[..], &["--resume"]].concat()).succeeds();
    assert_eq!(rows(folder.path()), OBSERVATIONS);
    // All are gone; what an earlier run made stays.
    let earlier = tree(&folder.path().join("out/results"));
    for path in tree(store.path()).into_keys().filter(|path| path.contains("D1_spx")) {
        fs::remove_file(store.path().join(path)).unwrap();
    }
    let run = source(&archive, folder.path(), &["-q", "--bands=D1", "--resume"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.ends_with("error: none of the 3 images could be downloaded\n"), "{}", run.stderr);
    let mut now = tree(&folder.path().join("out/results"));
    now.insert("query_summary.toml".into(), earlier["query_summary.toml"].clone());
    assert!(now == earlier);
}

#[test]
fn states_of_others_and_damaged_ones_are_refused() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    source(&archive, folder.path(), &["-q", "--bands=D1", "--cutout-size=40px"]).succeeds();
    let out = folder.path().join("out");
    let kept = |out: &Path| -> BTreeMap<String, Vec<u8>> {
        let files = tree(out).into_iter();
        files.filter(|(name, _)| name.starts_with("results") || name.starts_with("data")).collect()
    };
    let before = kept(&out);
    let run = |more: &[&str]| spx(folder.path(), &[&["run", "-q", "-o", "out"], more].concat());
    let other = ["--name=star", "--ra=10", "--dec=20"];
    run(&other).fails(2, &["of another run", "186.4536 +33.5468, not star, the source at 10 +20"]);
    run(&[&other[..], &["--resume"]].concat()).fails(2, &["of another run"]);
    let state = fs::read_to_string(out.join("star.toml")).unwrap();
    let newer = state.replace("version = 1", "version = 2");
    let half = &state[..state.len() / 2];
    for (text, words) in [
        (newer.as_str(), &["version 2", "this spx knows 1", "without --resume"][..]),
        (half, &["damaged", "without --resume"]),
        ("", &["damaged"]),
    ] {
        fs::write(out.join("star.toml"), text).unwrap();
        run(&["--name=star", "--resume"]).fails(2, words);
    }
    assert!(kept(&out) == before, "nothing is lost");
}
