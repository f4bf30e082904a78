//! Images of which a part is copied from another file: the bytes are those of writing all of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::ops::Range;
use std::path::Path;

use spx_core::fits::{FitsReader, FitsWriter, packed_tile, verify_file};
use spx_core::header::Header;

const SHAPE: [usize; 3] = [2, 90, 400];
const PIXELS: usize = 2 * 90 * 400;
/// Rows and columns that change, all of them in the first plane.
const CHANGED: [Range<usize>; 2] = [20..70, 100..190];
const FORMS: [&str; 3] = ["PLAIN", "GZIP", "ROUNDED"];

fn values(changed: bool) -> Vec<f32> {
    let mut values: Vec<f32> = (0..PIXELS).map(|k| (k * 7919 % 10_007) as f32 * 0.37 - 900.0).collect();
    values[11] = f32::NAN;
    if changed {
        let [rows, columns] = CHANGED;
        rows.flat_map(|y| columns.clone().map(move |x| 400 * y + x)).for_each(|k| values[k] = -values[k]);
    }
    values
}

/// Writes three images; `write` is given the form, the values and their steps.
fn file(path: &Path, changed: bool, mut write: impl FnMut(&mut FitsWriter, &str, &[f32], &[f32])) {
    let (values, steps) = (values(changed), vec![0.5; PIXELS]);
    let mut file = FitsWriter::create(path).unwrap();
    for form in FORMS {
        let mut cards = Header::new();
        cards.set("EXTNAME", form, "");
        match form {
            "PLAIN" => file.image::<f32>(&SHAPE, &cards).unwrap(),
            "GZIP" => file.image_gzip::<f32>(&SHAPE, &cards).unwrap(),
            _ => file.image_rounded(&SHAPE, &cards).unwrap(),
        }
        write(&mut file, form, &values, &steps);
        file.checksum().unwrap();
    }
    file.finish().unwrap();
}

fn put(file: &mut FitsWriter, form: &str, part: Range<usize>, values: &[f32], steps: &[f32]) {
    match form {
        "ROUNDED" => file.write_rounded(part.start, &values[part.clone()], &steps[part]).unwrap(),
        _ => file.write_pixels(part.start, &values[part]).unwrap(),
    }
}

#[test]
fn a_copied_part_has_the_bytes_of_a_written_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = |file: &mut FitsWriter, form: &str, values: &[f32], steps: &[f32]| {
        put(file, form, 0..PIXELS, values, steps);
    };
    file(&path("old.fits"), false, whole);
    file(&path("new.fits"), true, whole);
    assert_eq!(packed_tile([90, 400]), [64, 64]);
    let mut old = FitsReader::open(&path("old.fits")).unwrap();
    file(&path("copied.fits"), true, |file, form, values, steps| {
        old.move_to(form).unwrap();
        assert_eq!(old.tile_shape().unwrap(), (form != "PLAIN").then_some([64, 64]));
        if form == "PLAIN" {
            let [rows, columns] = CHANGED;
            let runs = rows.map(|y| 400 * y + columns.start..400 * y + columns.end);
            let replaced = runs.map(|run| (run.start, &values[run]));
            return file.copy_pixels(&mut old, 0..PIXELS, replaced).unwrap();
        }
        for tile in 0..28 {
            // The plane, its row of tiles, and the tile in that.
            let (plane, row, column) = (tile / 14, tile / 7 % 2, tile % 7);
            if plane == 1 || !(1..3).contains(&column) {
                file.copy_tiles(&mut old, 1).unwrap();
                continue;
            }
            let rows = 64 * row..90.min(64 * (row + 1));
            let pixels = rows.flat_map(|y| (64 * column..64 * (column + 1)).map(move |x| 400 * y + x));
            let tile: Vec<f32> = pixels.map(|k| values[k]).collect();
            match form {
                "GZIP" => file.write_tile(&tile).unwrap(),
                _ => file.write_rounded_tile(&tile, &steps[..tile.len()]).unwrap(),
            }
        }
    });
    assert!(fs::read(path("copied.fits")).unwrap() == fs::read(path("new.fits")).unwrap());
    assert!(fs::read(path("copied.fits")).unwrap() != fs::read(path("old.fits")).unwrap());
    // The sums of what was copied are right.
    assert_eq!(verify_file(&path("copied.fits")).unwrap().len(), 3);
    let mut new = FitsReader::open(&path("new.fits")).unwrap();
    for form in ["GZIP", "ROUNDED"] {
        new.move_to(form).unwrap();
        let mut whole = vec![0.0f32; PIXELS];
        new.read_pixels(0, &mut whole).unwrap();
        let tile: Vec<f32> = new.read_tile(7 + 6).unwrap();
        assert_eq!(tile.len(), 26 * 16, "the last of the first plane");
        assert!(
            tile.chunks_exact(16).zip(64..90).all(|(row, y)| row == &whole[400 * y + 384..400 * (y + 1)])
        );
        assert!(new.read_tile::<f32>(28).is_err());
    }
}

#[test]
fn more_than_is_copied_at_a_time_can_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let count = 300_000;
    let values: Vec<f64> = (0..count).map(f64::from).collect();
    let mut changed = values.clone();
    let runs = [5..70_000, 131_071..131_073, 250_000..300_000];
    runs.iter().for_each(|run| changed[run.clone()].fill(-1.0));
    let write = |name: &str, values: &[f64]| {
        let mut file = FitsWriter::create(&path(name)).unwrap();
        file.image::<f64>(&[3, 100_000], &Header::new()).unwrap();
        file.write_pixels(0, values).unwrap();
        file.checksum().unwrap();
        file.finish().unwrap();
    };
    write("old.fits", &values);
    write("new.fits", &changed);
    let mut old = FitsReader::open(&path("old.fits")).unwrap();
    let mut file = FitsWriter::create(&path("copied.fits")).unwrap();
    file.image::<f64>(&[3, 100_000], &Header::new()).unwrap();
    let replaced = runs.iter().map(|run| (run.start, &changed[run.clone()]));
    file.copy_pixels(&mut old, 0..300_000, replaced.clone()).unwrap();
    file.checksum().unwrap();
    assert!(fs::read(path("copied.fits")).unwrap() == fs::read(path("new.fits")).unwrap());
    assert!(file.copy_pixels(&mut old, 0..200_000, replaced.clone()).is_err(), "behind the end");
    assert!(file.copy_pixels(&mut old, 0..300_000, replaced.rev()).is_err(), "in another order");
    // What is written twice is read again for its sum.
    file.copy_pixels::<f64>(&mut old, 0..300_000, []).unwrap();
    file.checksum().unwrap();
    file.finish().unwrap();
    assert!(fs::read(path("copied.fits")).unwrap() == fs::read(path("old.fits")).unwrap());
}

#[test]
fn what_is_stored_otherwise_is_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = |file: &mut FitsWriter, form: &str, values: &[f32], steps: &[f32]| {
        put(file, form, 0..PIXELS, values, steps);
    };
    file(&path("old.fits"), false, whole);
    let mut old = FitsReader::open(&path("old.fits")).unwrap();
    file(&path("new.fits"), false, |file, form, values, steps| {
        for other in FORMS.into_iter().filter(|other| *other != form) {
            old.move_to(other).unwrap();
            let refused = match form {
                "PLAIN" => file.copy_pixels::<f32>(&mut old, 0..PIXELS, []),
                _ => file.copy_tiles(&mut old, 28),
            };
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("of another form"), "{form} from {other}: {refused}");
        }
        old.move_to(form).unwrap();
        let behind = match form {
            "PLAIN" => file.copy_pixels::<f32>(&mut old, 0..PIXELS + 1, []),
            _ => file.copy_tiles(&mut old, 29),
        };
        assert!(behind.is_err(), "{form}: behind the end");
        if form != "PLAIN" {
            assert!(file.write_tile(&[0.0f32; 63 * 64]).is_err(), "{form}: another shape");
        }
        whole(file, form, values, steps);
    });
    let mut longs = FitsWriter::create(&path("longs.fits")).unwrap();
    longs.image::<i32>(&SHAPE, &Header::new()).unwrap();
    old.move_to("PLAIN").unwrap();
    assert!(longs.copy_pixels::<i32>(&mut old, 0..PIXELS, []).is_err(), "another type");
}

/// Headers of every length, of which some need one more block for their sums.
#[test]
fn places_for_sums_can_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, reserves: bool| {
        let path = folder.path().join(name);
        let mut file = FitsWriter::create(&path).unwrap();
        for more in 0..40 {
            let mut cards = Header::new();
            (0..more).for_each(|k| _ = cards.set(&format!("K{k}"), k, ""));
            if more % 2 == 0 {
                file.image::<u16>(&[20, 100], &cards).unwrap();
            } else {
                file.image_gzip::<u16>(&[20, 100], &cards).unwrap();
            }
            if reserves {
                file.reserve_checksum().unwrap();
            }
            file.write_pixels(0, &vec![u16::try_from(more).unwrap(); 2000]).unwrap();
            file.checksum().unwrap();
        }
        file.finish().unwrap();
        assert_eq!(verify_file(&path).unwrap().len(), 40);
        fs::read(path).unwrap()
    };
    assert!(write("with.fits", true) == write("without.fits", false));
}

#[test]
fn cards_are_told_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.fits");
    let mut cards = Header::new();
    cards
        .set("LONG", "x".repeat(150), "")
        .set("PIXSCALE", 0.1 + 0.2, "[arcsec]")
        .note("HISTORY", &"a long line ".repeat(20));
    let mut file = FitsWriter::create(&path).unwrap();
    file.image::<u8>(&[], &cards).unwrap();
    file.checksum().unwrap();
    file.finish().unwrap();
    let file = FitsReader::open(&path).unwrap();
    assert!(file.has_cards(&cards).unwrap());
    assert!(!file.has_cards(&Header::new()).unwrap());
    assert!(!file.has_cards(cards.clone().set("PIXSCALE", 0.3, "[arcsec]")).unwrap());
    assert!(!file.has_cards(cards.clone().note("HISTORY", "one line more")).unwrap());
}
