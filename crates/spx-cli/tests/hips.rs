//! `spx hips`: stars where they belong, frame by frame as at once, and nothing done twice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use spx_core::sky::Position;
use spx_wcs::OutputGrid;
use tempfile::tempdir;
use tools::{Run, done, image, input, names, spx, table};

const WAVE: &str = "--wave=1.9..2.1";

fn hips(folder: &Path, more: &[&str]) -> Run {
    done(folder, &[&["hips", "-q", "--json", WAVE, "--cut=0..1", "-o", "hips", "--input"], more].concat())
}

/// All files but the settings, which name the inputs, and the properties, which tell the time.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for name in names(&folder) {
            let path = folder.join(name);
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("hips.toml") && !path.ends_with("properties") {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// A bright star lies on its tile within a twentieth of a pixel of its position.
#[test]
fn stars_lie_where_they_belong() {
    let folder = tempdir().unwrap();
    let simulate =
        ["simulate", "-q", "--ra=186.4536", "--dec=33.5468", "--exposures=24", "--size=120", "--plain"];
    done(folder.path(), &[&simulate[..], &["--noise=0.001", "--stars=1", "-o", "frames"]].concat());
    let report = hips(folder.path(), &["frames"]).json();
    assert_eq!((&report["order"], &report["failed"]), (&6.into(), &serde_json::json!([])));
    let truth = table(&fs::read_to_string(folder.path().join("frames/truth.csv")).unwrap());
    let star = truth.iter().find(|row| row["kind"] == "star").unwrap();
    let at = Position::new(star["ra"].parse().unwrap(), star["dec"].parse().unwrap()).unwrap();
    // Tile and pixel by astropy-healpix 2.0.1: HEALPix(64, 'nested').lonlat_to_healpix of the
    // field's center with offsets dx, dy; x = 512 dy - 0.5, y = 511.5 - 512 dx.
    let [x, y] = OutputGrid::healpix(6, TILE, 15).unwrap().wcs().sky_to_pixel(at).unwrap();
    assert!((x - PIXEL[0]).abs() < 1e-4 && (y - PIXEL[1]).abs() < 1e-4, "{x} {y}");
    let pixels: Vec<f32> =
        image(&folder.path().join(format!("hips/Norder6/Dir20000/Npix{TILE}.fits")), "PRIMARY");
    let mut sums = [0.0; 3];
    for dy in -3..=3 {
        for dx in -3..=3 {
            let (column, row) = (x.round() + f64::from(dx), y.round() + f64::from(dy));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a pixel of the tile"
            )]
            let value = f64::from(pixels[row as usize * 512 + column as usize]);
            sums = [sums[0] + value, sums[1] + value * column, sums[2] + value * row];
        }
    }
    let off = [sums[1] / sums[0] - x, sums[2] / sums[0] - y];
    assert!(off.iter().all(|off| off.abs() < 0.05), "{off:?}");
}

const TILE: u64 = 28_535;
const PIXEL: [f64; 2] = [478.954_214_083, 452.677_679_250];

#[test]
fn frames_that_come_later_and_a_run_that_was_killed_change_no_byte() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("hips");
    fs::create_dir(folder.path().join("frames")).unwrap();
    let deliver = |name: &str| {
        fs::copy(input(name), folder.path().join("frames").join(name)).unwrap();
    };
    ["d3_a.fits", "d3_b.fits"].into_iter().for_each(deliver);
    let wide = ["frames", "--order=3"];
    let first = hips(folder.path(), &wide).json();
    assert_eq!((&first["frames"], &first["made"]), (&2.into(), &first["cells"]));
    let before = files(&root);
    assert_eq!(hips(folder.path(), &wide).json()["made"], 0, "up to date");
    assert_eq!(files(&root), before);
    deliver("d3_c.fits");
    hips(folder.path(), &wide);
    let after = files(&root);
    assert_ne!(after, before);

    let properties = fs::read_to_string(root.join("properties")).unwrap();
    for key in
        ["creator_did", "obs_title", "dataproduct_type", "hips_version", "hips_release_date", "hips_status"]
    {
        assert!(properties.lines().any(|line| line.starts_with(&format!("{key} "))), "{key}");
    }
    for line in ["hips_frame           = equatorial", "hips_order           = 3"] {
        assert!(properties.contains(line), "{line} is not in\n{properties}");
    }

    // As a run that was killed leaves it.
    fs::remove_file(root.join("properties")).unwrap();
    fs::remove_file(root.join("Norder2/Dir0/Npix111.fits")).unwrap();
    fs::remove_file(root.join("Norder3/Allsky.png")).unwrap();
    for left in
        [".Moc.fits.77-0.part", "Norder3/.Allsky.fits.77-0.part", "Norder2/Dir0/.Npix111.fits.77-1.part"]
    {
        fs::write(root.join(left), "half").unwrap();
    }
    hips(folder.path(), &wide);
    assert_eq!(files(&root), after);

    fs::remove_dir_all(&root).unwrap();
    hips(folder.path(), &wide);
    assert_eq!(files(&root), after, "all at once");
}

#[test]
fn a_directory_keeps_its_settings_and_its_pictures_may_change() {
    let folder = tempdir().unwrap();
    let frame = input("d3_a.fits").display().to_string();
    hips(folder.path(), &[&frame, "--order=3"]);
    let other = ["hips", "--wave=1.9..2.1", "--order=4", "-o", "hips", "--input", &frame];
    let refused = spx(folder.path(), &other);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("made with other settings"), "{}", refused.stderr);
    let before = files(&folder.path().join("hips"));
    let redrawn = hips(folder.path(), &[&frame, "--order=3", "--colormap=magma"]).json();
    assert_eq!(redrawn["made"], 0);
    for (path, bytes) in files(&folder.path().join("hips")) {
        let picture = path.extension().is_some_and(|ending| ending == "png");
        assert_eq!(before[&path] == bytes, !picture, "{}", path.display());
    }
}

#[test]
fn three_make_one_in_color() {
    let folder = tempdir().unwrap();
    let frame = input("d3_a.fits").display().to_string();
    for (name, cut) in [("red", "--cut=0..1"), ("green", "--cut=0..2"), ("blue", "--cut=0..4")] {
        done(folder.path(), &["hips", "-q", WAVE, cut, "--order=3", "-o", name, "--input", &frame]);
    }
    let color = ["hips", "-q", "--json", "-o", "color", "--colors"];
    let run = done(folder.path(), &[&color[..], &["red", "green", "blue"]].concat());
    assert!(run.json()["tiles"].as_u64() > Some(0), "{}", run.stdout);
    let properties = fs::read_to_string(folder.path().join("color/properties")).unwrap();
    assert!(properties.contains("dataproduct_subtype  = color\n"), "{properties}");
    assert!(properties.contains("hips_tile_format     = png\n"), "{properties}");
    let found = files(&folder.path().join("color"));
    assert!(found.contains_key(Path::new("Moc.fits")) && found.contains_key(Path::new("Norder3/Allsky.png")));
    for order in 0..=3 {
        let pictures = |root: &str| {
            let found = files(&folder.path().join(root)).into_keys();
            let of_order = found.filter(|path| path.starts_with(format!("Norder{order}")));
            of_order.filter(|path| path.extension().is_some_and(|end| end == "png")).collect::<Vec<_>>()
        };
        let common = pictures("red").into_iter().filter(|path| pictures("blue").contains(path));
        let common: Vec<_> = common.filter(|path| pictures("green").contains(path)).collect();
        assert_eq!(pictures("color"), common);
    }
    let run = spx(folder.path(), &[&color[..], &["red", "green"]].concat());
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let run = spx(folder.path(), &[&color[..], &["red", "green", "none"]].concat());
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("not a complete HiPS"), "{}", run.stderr);
}

#[test]
fn what_cannot_be_is_told() {
    let folder = tempdir().unwrap();
    let frame = input("d3_a.fits").display().to_string();
    let refused = |more: &[&str], code: i32, says: &str| {
        let run = spx(folder.path(), &[&["hips", "-o", "hips"], more].concat());
        assert_eq!(run.code, Some(code), "{more:?}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{more:?}: {}", run.stderr);
    };
    refused(&["--input", &frame], 2, "--wave MIN..MAX");
    refused(&[WAVE], 2, "--input is needed");
    refused(&[WAVE, "--input", &frame, "--order=2"], 2, "order");
    refused(&[WAVE, "--input", &frame, "--ra=10"], 2, "radius");
    refused(&[WAVE, "--input", &frame, "--xy-oversample=2"], 2, "order sets the size");
    refused(&["--wave=4.5..4.9", "--input", &frame], 3, "none of 0 frames");
    refused(&[WAVE, "--input", &frame, "--ra=10", "--dec=-80", "--radius=1"], 3, "reaches the region");
    assert!(!folder.path().join("hips").exists());
}
