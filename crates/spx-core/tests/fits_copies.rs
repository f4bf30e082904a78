//! Images of which a part is copied from another file: the bytes are those of writing all of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::ops::Range;
use std::path::Path;

use spx_core::fits::{FitsReader, FitsWriter, packed_tile_rows};
use spx_core::header::Header;

const SHAPE: [usize; 3] = [2, 90, 400];
const PIXELS: usize = 2 * 90 * 400;
const FORMS: [&str; 3] = ["PLAIN", "GZIP", "ROUNDED"];

fn values(changed: bool) -> Vec<f32> {
    let mut values: Vec<f32> = (0..PIXELS).map(|k| (k * 7919 % 10_007) as f32 * 0.37 - 900.0).collect();
    values[11] = f32::NAN;
    if changed {
        values[400 * 20..400 * 30].iter_mut().for_each(|value| *value = -*value);
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
    let rows = packed_tile_rows([90, 400]);
    let band = 400 * rows;
    let (first, last) = (400 * 20 / band * band, (400_usize * 30).div_ceil(band) * band);
    let mut old = FitsReader::open(&path("old.fits")).unwrap();
    file(&path("copied.fits"), true, |file, form, values, steps| {
        old.move_to(form).unwrap();
        assert_eq!(old.tile_rows().unwrap(), (form != "PLAIN").then_some(rows));
        file.copy_pixels(&mut old, 0..first).unwrap();
        put(file, form, first..last, values, steps);
        file.copy_pixels(&mut old, last..PIXELS).unwrap();
    });
    assert!(fs::read(path("copied.fits")).unwrap() == fs::read(path("new.fits")).unwrap());
    assert!(fs::read(path("copied.fits")).unwrap() != fs::read(path("old.fits")).unwrap());
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
            let refused = file.copy_pixels(&mut old, 0..PIXELS).unwrap_err().to_string();
            assert!(refused.contains("of another form"), "{form} from {other}: {refused}");
        }
        old.move_to(form).unwrap();
        assert!(file.copy_pixels(&mut old, 0..PIXELS + 4000).is_err(), "{form}: behind the end");
        whole(file, form, values, steps);
    });
    let mut longs = FitsWriter::create(&path("longs.fits")).unwrap();
    longs.image::<i32>(&SHAPE, &Header::new()).unwrap();
    old.move_to("PLAIN").unwrap();
    assert!(longs.copy_pixels(&mut old, 0..PIXELS).is_err(), "another type");
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
