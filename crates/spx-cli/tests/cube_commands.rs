//! `spx cube info`, `spectrum`, `plot`, `export` and `import` as a user runs them, compared with
//! what FITS files hold.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::path::Path;

use spx_core::fits::FitsReader;
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_wcs::CelestialWcs;
use tools::{folder_with_cube, image, input, names, spx};

const NX: usize = 25;
const NY: usize = 21;
const NZ: usize = 17;

/// The celestial axes of the cube.
fn wcs(folder: &Path) -> CelestialWcs {
    let mut file = FitsReader::open(&folder.join("cube.fits")).unwrap();
    file.move_to("SCI").unwrap();
    CelestialWcs::from_header(&file.header().unwrap()).unwrap()
}

/// The arrays of the cube, read without the code under test.
struct Arrays {
    science: Vec<f32>,
    variance: Vec<f32>,
    and_mask: Vec<u32>,
    or_mask: Vec<u32>,
    count: Vec<u16>,
}

impl Arrays {
    fn read(folder: &Path) -> Self {
        let path = folder.join("cube.fits");
        Self {
            science: image(&path, "SCI"),
            variance: image(&path, "VARIANCE"),
            and_mask: image(&path, "AND_MASK"),
            or_mask: image(&path, "OR_MASK"),
            count: image(&path, "COUNT"),
        }
    }
}

/// The rows of a CSV text by column.
fn rows(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(csv.as_bytes());
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let expected = "plane,wavelength,wavelength_min,wavelength_max,surface_brightness,surface_brightness_error,\
                    flux,flux_error,n_pixels,n_pixels_total,count,and_mask,or_mask,background,background_error,background_pixels,detector,label";
    assert_eq!(header.join(","), expected);
    reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// Options of a position; `=` because a declination may be negative.
fn at([ra, dec]: [f64; 2]) -> [String; 2] {
    [format!("--ra={ra}"), format!("--dec={dec}")]
}

/// A number, and how near it must be to another.
fn near(text: &str, expected: f64) {
    let value: f64 = text.parse().unwrap_or_else(|_| panic!("`{text}` is no number, expected {expected}"));
    assert!((value - expected).abs() <= 2e-7 * expected.abs(), "{value} is not {expected}");
}

#[test]
fn info_counts_what_the_arrays_hold() {
    let folder = folder_with_cube();
    let report = spx(folder.path(), &["cube", "info", "cube.fits", "--json"]).succeeds().json();
    assert_eq!(report["shape"], serde_json::json!([NZ, NY, NX]));
    assert_eq!((report["detector"].as_str(), report["inputs"]["used"].as_i64()), (Some("D3"), Some(4)));
    assert_eq!(report["region"]["pixel_scale_arcsec"].as_f64(), Some(6.15));
    assert_eq!(report["options"]["xy_shrink"].as_f64(), Some(0.8));
    let lines = report["history"].as_array().unwrap();
    assert!(lines.iter().any(|l| l.as_str().unwrap().starts_with("input d3_a.fits: used, zodi scale 1.2")));

    let arrays = Arrays::read(folder.path());
    for (z, plane) in report["planes"].as_array().unwrap().iter().enumerate() {
        let mut values: Vec<f32> = arrays.science[z * NY * NX..(z + 1) * NY * NX].to_vec();
        values.retain(|v| v.is_finite());
        values.sort_by(f32::total_cmp);
        assert_eq!(plane["share_with_data"].as_f64(), Some(values.len() as f64 / (NY * NX) as f64), "{z}");
        // 525 values where there are any: the median is one of them.
        let median = values.get(values.len() / 2).map(|v| f64::from(*v));
        assert_eq!(plane["median"].as_f64(), median, "{z}");
        assert_eq!(plane["images"].as_u64().unwrap() > 0, median.is_some(), "{z}");
    }
}

#[test]
fn info_as_text_has_a_line_for_each_plane() {
    let folder = folder_with_cube();
    let text = spx(folder.path(), &["cube", "info", "cube.fits"]).succeeds().stdout;
    assert!(text.contains("25 x 21 pixels, 17 planes"), "{text}");
    assert!(text.contains("186.453600 +33.546800 deg"), "{text}");
    assert!(!text.contains("history"), "{text}");
    let table = text.lines().skip_while(|l| !l.trim_start().starts_with("plane")).count();
    assert_eq!(table, 1 + NZ, "{text}");
    let verbose = spx(folder.path(), &["cube", "info", "cube.fits", "-v"]).stdout;
    assert!(verbose.contains("input d3_a.fits: used"), "{verbose}");
}

#[test]
fn a_spectrum_is_the_column_of_its_pixel() {
    let folder = folder_with_cube();
    let (wcs, arrays) = (wcs(folder.path()), Arrays::read(folder.path()));
    for (x, y, column) in [(0.0, 0.0, 0), (24.4, 20.4, 524), (12.4, 7.6, 212), (16.0, 11.0, 291)] {
        let [ra, dec] = at(wcs.pixel_to_sky(x, y));
        let run = spx(folder.path(), &["cube", "spectrum", "cube.fits", &ra, &dec]).succeeds();
        let rows = rows(&run.stdout);
        assert_eq!(rows.len(), NZ);
        for (z, row) in rows.iter().enumerate() {
            let k = z * NY * NX + column;
            let science = arrays.science[k];
            assert_eq!(row[0], z.to_string());
            assert_eq!(row[9], "1");
            assert_eq!(
                row[10..13],
                [arrays.count[k].to_string(), arrays.and_mask[k].to_string(), arrays.or_mask[k].to_string()]
            );
            if science.is_nan() {
                assert_eq!(row[4..9], ["", "", "", "", "0"], "plane {z}");
                continue;
            }
            let to_flux = wcs.pixel_area(x, y) * UJY_PER_ARCSEC2_PER_MJY_PER_SR;
            assert_eq!(row[4].parse(), Ok(science), "plane {z}");
            near(&row[5], f64::from(arrays.variance[k]).sqrt());
            near(&row[6], f64::from(science) * to_flux);
            near(&row[7], f64::from(arrays.variance[k]).sqrt() * to_flux);
            assert_eq!(row[8], "1");
        }
    }
}

#[test]
fn wavelengths_are_those_of_the_table() {
    let folder = folder_with_cube();
    let run = spx(folder.path(), &["cube", "spectrum", "cube.fits", "--ra=186.4536", "--dec=33.5468"]);
    let rows = rows(&run.succeeds().stdout);
    assert_eq!(rows[1][1..4], ["1.6945", "1.675", "1.714"]);
    assert_eq!(rows[16][1..4], ["2.4035", "2.367", "2.44"]);
}

#[test]
fn a_circle_sums_the_pixels_whose_centers_it_holds() {
    let folder = folder_with_cube();
    let (wcs, arrays) = (wcs(folder.path()), Arrays::read(folder.path()));
    let [ra, dec] = wcs.pixel_to_sky(12.3, 9.8);
    let center = Position::new(ra, dec).unwrap();
    let inside: Vec<usize> = (0..NY * NX)
        .filter(|k| {
            let [ra, dec] = wcs.pixel_to_sky((k % NX) as f64, (k / NX) as f64);
            Position::new(ra, dec).unwrap().separation(center) * 3600.0 <= 20.0
        })
        .collect();
    assert!(inside.len() > 25, "{}", inside.len());
    let [ra, dec] = at([ra, dec]);
    let arguments = ["cube", "spectrum", "cube.fits", &ra, &dec, "--radius=20", "--independent-errors"];
    let to_flux = wcs.pixel_area(12.3, 9.8) * UJY_PER_ARCSEC2_PER_MJY_PER_SR;
    let mut planes = 0;
    for (z, row) in rows(&spx(folder.path(), &arguments).succeeds().stdout).iter().enumerate() {
        let all = || inside.iter().map(|k| z * NY * NX + k);
        let good = || all().filter(|&k| arrays.science[k].is_finite());
        let (n, sum) = (good().count(), good().map(|k| f64::from(arrays.science[k])).sum::<f64>());
        let error = good().map(|k| f64::from(arrays.variance[k])).sum::<f64>().sqrt();
        assert_eq!(row[8..10], [n.to_string(), inside.len().to_string()]);
        assert_eq!(row[10], all().map(|k| u32::from(arrays.count[k])).sum::<u32>().to_string());
        let and_mask = good().map(|k| arrays.and_mask[k]).reduce(|a, b| a & b).unwrap_or(0);
        assert_eq!(row[11], and_mask.to_string());
        assert_eq!(row[12], all().fold(0, |mask, k| mask | arrays.or_mask[k]).to_string());
        if n > 0 {
            planes += 1;
            near(&row[4], sum / n as f64);
            near(&row[5], error / n as f64);
            near(&row[6], sum * to_flux);
            near(&row[7], error * to_flux);
        }
    }
    assert_eq!(planes, 4);
}

#[test]
fn spectra_go_to_tables_and_figures_at_once() {
    let folder = folder_with_cube();
    let mut arguments =
        vec!["cube", "spectrum", "cube.fits", "--ra=186.4536", "--dec=33.5468", "--radius=15"];
    let to_stdout = spx(folder.path(), &arguments).succeeds().stdout;
    arguments.extend(["-o", "a.csv", "-o", "b.png", "-o", "c.svg", "--size", "640x480"]);
    let run = spx(folder.path(), &arguments).succeeds();
    assert_eq!(run.stdout, "a.csv\nb.png\nc.svg\n");
    // The file says of what it is, and is the same below.
    let written = || {
        let file = std::fs::read_to_string(folder.path().join("a.csv")).unwrap();
        let comments: String = file.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(comments.contains("# spectrum: cube.fits, circle("), "{file}");
        file[file.find("plane,").unwrap()..].to_owned()
    };
    assert_eq!(written(), to_stdout);
    assert_eq!(png_size(&folder.path().join("b.png")), (640, 480));
    assert!(std::fs::read_to_string(folder.path().join("c.svg")).unwrap().starts_with("<svg"));
    assert_eq!(names(folder.path()), ["a.csv", "b.png", "c.svg", "cube.fits"]);

    std::fs::write(folder.path().join("a.csv"), "mine").unwrap();
    spx(folder.path(), &arguments).fails(2, &["a.csv exists", "--overwrite"]);
    assert_eq!(std::fs::read(folder.path().join("a.csv")).unwrap(), b"mine");
    arguments.push("--overwrite");
    spx(folder.path(), &arguments).succeeds();
    assert_eq!(written(), to_stdout);
}

#[test]
fn spectra_as_json_have_null_without_data() {
    let folder = folder_with_cube();
    let run =
        spx(folder.path(), &["cube", "spectrum", "cube.fits", "--ra=186.4536", "--dec=33.5468", "--json"]);
    let report = run.succeeds().json();
    let points = report["points"].as_array().unwrap();
    assert_eq!(points.len(), NZ);
    assert!(points[1]["flux"].is_null() && points[7]["flux"].is_number(), "{report}");
    assert!(report["radius_arcsec"].is_null());
    assert!((report["pixel_area_arcsec2"].as_f64().unwrap() - 6.15 * 6.15).abs() < 1e-4);
}

/// Pixels of a region file with a ring around each, against sums and medians of the arrays.
#[test]
fn regions_have_their_background_subtracted() {
    let folder = folder_with_cube();
    let (wcs, arrays) = (wcs(folder.path()), Arrays::read(folder.path()));
    let [ra, dec] = wcs.pixel_to_sky(12.0, 10.0);
    let file = format!("fk5\nbox({ra},{dec},30\",18\",0) # text={{a, b}}\npoint({ra},{dec})\n");
    std::fs::write(folder.path().join("two.reg"), file).unwrap();
    let arguments =
        ["cube", "spectrum", "cube.fits", "--region=two.reg", "--annulus=30,50", "--independent-errors"];
    let table = spx(folder.path(), &arguments).succeeds().stdout;
    let rows = rows(&table.replace("\"a, b\"", "a b"));
    assert_eq!(rows.len(), 2 * NZ);
    // Pixels of 6.15": a box of 5 x 3 of them, north up.
    let inside: Vec<usize> = (9..12).flat_map(|y| (10..15).map(move |x| y * NX + x)).collect();
    let center = Position::new(ra, dec).unwrap();
    let far = |k: usize| {
        let [ra, dec] = wcs.pixel_to_sky((k % NX) as f64, (k / NX) as f64);
        Position::new(ra, dec).unwrap().separation(center) * 3600.0
    };
    let ring: Vec<usize> = (0..NY * NX).filter(|k| (30.0..=50.0).contains(&far(*k))).collect();
    let mut planes = 0;
    for (z, row) in rows.iter().take(NZ).enumerate().filter(|(_, row)| !row[6].is_empty()) {
        let voxel = |k: &usize| f64::from(arrays.science[z * NY * NX + k]);
        let mut around: Vec<f64> = ring.iter().map(voxel).filter(|v| v.is_finite()).collect();
        around.sort_by(f64::total_cmp);
        let n = around.len();
        let median = f64::midpoint(around[(n - 1) / 2], around[n / 2]);
        let good: Vec<f64> = inside.iter().map(voxel).filter(|v| v.is_finite()).collect();
        let mean = good.iter().sum::<f64>() / good.len() as f64 - median;
        let number = |k: usize| row[k].parse::<f64>().unwrap();
        assert!((number(4) - mean).abs() < 1e-5 * mean.abs().max(median.abs()), "{z}: {} {mean}", row[4]);
        assert!((number(13) - median).abs() <= 1e-6 * median.abs(), "{z}");
        assert_eq!((number(15), row[17].as_str()), (n as f64, "a b"));
        planes += 1;
    }
    assert!(planes > 2, "{planes}");
    for (more, word) in [
        (["--region=none.reg", "--annulus=1,2"], "none.reg"),
        (["--region=circle(1,2)", "--annulus=1,2"], "2 numbers"),
        (["--region=two.reg", "--annulus=9,2"], "INNER,OUTER"),
    ] {
        spx(folder.path(), &[&["cube", "spectrum", "cube.fits"], &more[..]].concat()).fails(2, &[word]);
    }
}

#[test]
fn positions_without_spectrum_are_said_to_be_so() {
    let folder = folder_with_cube();
    let spectrum = |more: &[&str]| {
        spx(folder.path(), &[&["cube", "spectrum", "cube.fits", "-o", "s.csv"], more].concat())
    };
    spectrum(&["--ra=10", "--dec=-33.5"]).fails(3, &["cube.fits", "10", "-33.5", "outside the cube"]);
    spectrum(&["--ra=186.48", "--dec=33.5468"]).fails(3, &["outside the cube"]);
    // Between four pixels no center is near.
    let [ra, dec] = at(wcs(folder.path()).pixel_to_sky(10.5, 10.5));
    spectrum(&[&ra, &dec, "--radius=1"]).fails(3, &["cube.fits", "no pixel has its center within 1\""]);
    for (more, word) in [
        (["--ra=400", "--dec=0", "--radius=1"], "400"),
        (["--ra=1", "--dec=-91", "--radius=1"], "-91"),
        (["--ra=186.4536", "--dec=33.5468", "--radius=0"], "'0' for '--radius"),
        (["--ra=186.4536", "--dec=33.5468", "--radius=-5"], "'-5' for '--radius"),
        (["--ra=186.4536", "--dec=33.5468", "-o=s.gif"], "s.gif"),
        (["--ra=186.4536", "--dec=33.5468", "-o=s.csv"], "given twice"),
    ] {
        let run = spectrum(&more);
        assert!(run.code == Some(2) && run.stderr.contains(word), "{more:?}: {:?} {}", run.code, run.stderr);
    }
    assert_eq!(names(folder.path()), ["cube.fits"]);
}

#[test]
fn a_circle_over_the_edge_is_warned_of() {
    let folder = folder_with_cube();
    let [ra, dec] = at(wcs(folder.path()).pixel_to_sky(1.0, 10.0));
    let run = spx(folder.path(), &["cube", "spectrum", "cube.fits", &ra, &dec, "--radius=20"]);
    assert_eq!(run.code, Some(0));
    assert!(run.stderr.starts_with("warning: ") && run.stderr.contains("edge"), "{}", run.stderr);
}

/// Width and height from the first chunk.
fn png_size(path: &Path) -> (u32, u32) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n");
    assert!(bytes.ends_with(b"IEND\xae\x42\x60\x82"), "the file ends with its last chunk");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn plots_have_the_size_and_the_planes_asked_for() {
    let folder = folder_with_cube();
    let plot = |name: &str, more: &[&str]| {
        let run = spx(folder.path(), &[&["cube", "plot", "cube.fits", "-o", name, "--json"], more].concat());
        let report = run.succeeds().json();
        assert_eq!(report["outputs"], serde_json::json!([name]));
        let layers = report["layers"].as_array().unwrap().iter();
        layers.map(|l| l["planes"].to_string()).collect::<Vec<_>>().join(" ")
    };
    // Planes 0, 6, 7 and 8 have data.
    assert_eq!(plot("middle.png", &[]), "[7]");
    assert_eq!(plot("plane.png", &["--plane=6", "--size=400x300"]), "[6]");
    assert_eq!(plot("wave.svg", &["--wave", "1.64"]), "[0]");
    assert_eq!(plot("rgb.png", &["--rgb"]), "[7,8] [6] [0]");
    assert_eq!(plot("ranges.png", &["--rgb", "1.6..2.5,1.9..1.95,1.92..1.925"]), "[0,6,7,8] [6,7] [6]");
    for (k, more) in [
        ["--array=count", "--limits=-1,5", "--cmap=gray"],
        ["--array=snr", "--percentile=1,99", "--stretch=linear"],
        ["--array=variance", "--mark=186.4536,33.5468,center", "--stretch=log"],
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(plot(&format!("{k}.png"), more), "[7]");
    }
    assert_eq!(plot("all.pdf", &["--montage", "--grid"]).split(' ').count(), NZ);
    assert_eq!(plot("some.png", &["--montage=1.9..2.0", "--array=count", "--plain"]), "[6] [7] [8]");
    let pdf = std::fs::read(folder.path().join("all.pdf")).unwrap();
    assert!(pdf.starts_with(b"%PDF-") && pdf.trim_ascii_end().ends_with(b"%%EOF"));
    assert_eq!(png_size(&folder.path().join("some.png")), (1600, 1200));
    assert_eq!(png_size(&folder.path().join("plane.png")), (400, 300));
    assert_eq!(png_size(&folder.path().join("rgb.png")), (1000, 762));
    assert!(std::fs::read_to_string(folder.path().join("wave.svg")).unwrap().contains("</svg>"));
}

#[test]
fn spectra_of_several_positions_stand_in_one_figure() {
    let folder = folder_with_cube();
    let plot = |more: &[&str]| {
        spx(folder.path(), &[&["cube", "plot", "cube.fits", "-o", "s.svg", "--overwrite"], more].concat())
    };
    plot(&["--spectrum=186.4536,33.5468,center", "--spectrum=186.4536,33.5500", "--radius=12"]).succeeds();
    let svg = std::fs::read_to_string(folder.path().join("s.svg")).unwrap();
    for text in ["center", "186.45360° +33.55000°", "within 12″", "Flux density"] {
        assert!(svg.contains(text), "{text}");
    }
    plot(&["--spectrum=186.4536,33.5468"]).succeeds();
    let svg = std::fs::read_to_string(folder.path().join("s.svg")).unwrap();
    assert!(svg.contains("Surface brightness"));
    plot(&["--spectrum=10,20"]).fails(3, &["outside the cube"]);
    let negative = plot(&["--spectrum=186.4536,33.5468", "--radius=-1"]);
    assert_eq!(negative.code, Some(2));
    assert!(negative.stderr.contains("'-1' for '--radius"), "{}", negative.stderr);
}

#[test]
fn plots_replace_only_what_they_may() {
    let folder = folder_with_cube();
    let picture = folder.path().join("a.png");
    std::fs::write(&picture, "mine").unwrap();
    let arguments = ["cube", "plot", "cube.fits", "-o", "new.png", "-o", "a.png", "--overwrite"];
    spx(folder.path(), &arguments[..7]).fails(2, &["a.png exists", "--overwrite"]);
    assert_eq!(std::fs::read(&picture).unwrap(), b"mine");
    assert_eq!(names(folder.path()), ["a.png", "cube.fits"], "nothing is written before all is checked");
    assert_eq!(spx(folder.path(), &arguments).succeeds().stdout, "new.png\na.png\n");
    assert_eq!(png_size(&picture), (1000, 762));
    assert_eq!(names(folder.path()), ["a.png", "cube.fits", "new.png"]);
}

#[test]
fn plots_that_cannot_be_made_are_refused() {
    let folder = folder_with_cube();
    let plot =
        |more: &[&str]| spx(folder.path(), &[&["cube", "plot", "cube.fits", "-o", "a.png"], more].concat());
    plot(&["--plane=17"]).fails(2, &["cube.fits", "no plane 17", "0 to 16"]);
    plot(&["--wave=3"]).fails(3, &["cube.fits", "no plane contains 3 um", "1.636 to 2.44"]);
    plot(&["--montage=3..4"]).fails(3, &["no plane lies in 3..4 um", "1.636 to 2.44"]);
    plot(&["--rgb=3..4,1.9..2,1.6..1.7"]).fails(3, &["cube.fits", "3..4 um"]);
    plot(&["--rgb=1.9..2,2.2..2.3,1.6..1.7"]).fails(3, &["no plane with data", "2.2..2.3"]);
    // What clap refuses has a usage line too.
    for (bad, word) in [
        (&["--rgb=1..2,2..3"][..], "three ranges"),
        (&["--rgb=2..1,2..3,3..4"], "2..1"),
        (&["--plane=-1"], "-1"),
        (&["--limits=1"], "LO,HI"),
        (&["--limits=2,1"], "--limits"),
        (&["--percentile=5,101"], "from 0 to 100"),
        (&["--size=10x10"], "from 200 to 6000"),
        (&["--wave=nan"], "--wave"),
        (&["--spectrum=1,2", "--continuum=1..2"], "cannot be used with"),
        (&["--mean=1..2", "--radius=3"], "cannot be used with"),
        (&["--cmap=jet"], "viridis"),
        (&["--stretch=cube"], "asinh"),
        (&["--size=big"], "1000x900"),
        (&["--mark=1,95"], "95"),
        (&["--plane=1", "--wave=2"], "cannot be used with"),
        (&["--rgb", "--array=snr"], "cannot be used with"),
        (&["--montage", "--rgb"], "cannot be used with"),
        (&["--montage=2..1"], "2..1"),
        (&["--spectrum=1,2", "--array=snr"], "cannot be used with"),
        (&["--radius=3"], "--spectrum"),
        (&["--limits=0,1", "--percentile=0,1"], "cannot be used with"),
    ] {
        let run = plot(bad);
        assert_eq!(run.code, Some(2), "{bad:?}");
        assert!(run.stderr.contains(word), "{bad:?}: {}", run.stderr);
    }
    assert_eq!(names(folder.path()), ["cube.fits"]);
}

#[test]
fn pictures_without_data_and_marks_outside_are_warned_of() {
    let folder = folder_with_cube();
    let run =
        spx(folder.path(), &["cube", "plot", "cube.fits", "-o", "a.png", "--plane=3", "--mark=1,2,far"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for words in ["no pixel of this picture has data", "--mark 1,2 lies outside"] {
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}

/// Every command that reads cubes, given a file that is no whole one: one line, exit code 1.
fn refused(folder: &Path, file: &str, words: &[&str]) {
    let words = [&[file], words].concat();
    let commands: [&[&str]; 6] = [
        &["info"],
        &["spectrum", "--ra=186.4536", "--dec=33.5468", "-o", "s.csv"],
        &["plot", "-o", "p.png"],
        &["view", "--no-browser"],
        &["view", "--html", "v.html"],
        &["export", "--for", "cubeviz", "-o", "e.fits"],
    ];
    for command in commands {
        spx(folder, &[&["cube", command[0], file], &command[1..]].concat()).fails(1, &words);
    }
}

/// A file that is no cube in any layout.
fn refused_by_all(folder: &Path, file: &str, words: &[&str]) {
    refused(folder, file, words);
    spx(folder, &["cube", "import", file, "-o", "i.fits"]).fails(1, &[file]);
}

#[test]
fn what_is_no_cube_is_called_what_it_is() {
    let folder = folder_with_cube();
    let path = folder.path();
    std::fs::write(path.join("page.fits"), "<html>not found</html>").unwrap();
    std::fs::write(path.join("empty.fits"), "").unwrap();
    std::fs::copy(input("d3_a.fits"), path.join("mef.fits")).unwrap();
    refused_by_all(path, "page.fits", &["not a FITS file", "<html>"]);
    refused_by_all(path, "empty.fits", &["it is empty"]);
    refused_by_all(path, "none.fits", &["No such file"]);
    refused_by_all(path, ".", &["directory"]);
    refused_by_all(path, "mef.fits", &["spectral image", "spx inspect"]);
    spx(path, &["cube", "collapse", "cube.fits", "--wave=1..3", "-o", "map.fits"]).succeeds();
    refused_by_all(path, "map.fits", &["it is a map, not a cube", "spx cube plot"]);
    assert_eq!(names(path), ["cube.fits", "empty.fits", "map.fits", "mef.fits", "page.fits"]);
}

#[test]
fn a_cube_that_is_cut_off_is_called_incomplete() {
    let folder = folder_with_cube();
    let whole = std::fs::read(folder.path().join("cube.fits")).unwrap();
    // The second cut is within a header, and the message says which.
    let within = "the file ends within the header of HDU 2";
    for (length, word) in
        [(20_000, "incomplete"), (50_000, within), (100_000, "incomplete"), (190_000, "incomplete")]
    {
        std::fs::write(folder.path().join("cut.fits"), &whole[..length]).unwrap();
        refused_by_all(folder.path(), "cut.fits", &[word]);
    }
}

#[test]
fn a_cube_whose_bytes_have_changed_is_never_taken_for_whole() {
    let folder = folder_with_cube();
    let whole = std::fs::read(folder.path().join("cube.fits")).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..40 {
        let mut spoiled = whole.clone();
        let at = random.usize(0..whole.len());
        spoiled[at] ^= 1 << random.u8(0..8);
        std::fs::write(folder.path().join("spoiled.fits"), &spoiled).unwrap();
        spx(folder.path(), &["cube", "export", "spoiled.fits", "--for=irsa", "-o", "e.fits"])
            .fails(1, &["spoiled.fits"]);
        // A changed pixel is not seen by who reads planes; whatever is, is one line.
        let run = spx(folder.path(), &["cube", "info", "spoiled.fits"]);
        match run.code {
            Some(0) => {}
            _ => run.fails(1, &["spoiled.fits"]),
        }
    }
    assert_eq!(names(folder.path()), ["cube.fits", "spoiled.fits"]);
}

#[test]
fn cubes_for_other_tools_come_back_as_they_were() {
    let folder = folder_with_cube();
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    for tool in ["cubeviz", "irsa"] {
        let [exported, back] = ["", "_back"].map(|end| format!("{tool}{end}.fits"));
        let export = ["cube", "export", "cube.fits", "--for", tool, "-o", &exported];
        assert_eq!(spx(folder.path(), &export).succeeds().stdout, format!("{exported}\n"));
        spx(folder.path(), &export).fails(2, &[&exported, "--overwrite"]);
        spx(folder.path(), &[&export[..], &["--overwrite"]].concat()).succeeds();
        refused(folder.path(), &exported, &["layout for", tool, "spx cube import"]);
        let import = ["cube", "import", &exported, "-o", &back, "--json"];
        assert_eq!(spx(folder.path(), &import).succeeds().json()["layout"], tool);
        assert!(bytes(&back) == bytes("cube.fits"), "{tool}");
    }
    let same = ["cube", "export", "cube.fits", "--for=irsa", "-o", "cube.fits", "--overwrite"];
    spx(folder.path(), &same).fails(2, &["cube.fits", "the input file"]);
    spx(folder.path(), &["cube", "import", "cube.fits", "-o", "x.fits"])
        .fails(1, &["cube.fits", "no card LAYOUT"]);
    assert_eq!(spx(folder.path(), &["cube", "export", "cube.fits", "-o", "x.fits"]).code, Some(2));
}
