//! What astropy wrote and read, read by us: pairs of HDUs in the files that
//! `xtask/python/golden_fits.py` makes (`cargo xtask golden fits`; any number of cases by `cargo
//! xtask compare-fits --cases N`).
#![cfg(feature = "fits")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use spx_core::fits::{FitsNumber, FitsReader};

/// The files: those of the folder SPX_FITS_CASES, or the committed one.
fn files() -> Vec<PathBuf> {
    match std::env::var_os("SPX_FITS_CASES") {
        Some(folder) => std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect(),
        None => vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/fits/oracle.fits.gz")],
    }
}

fn pixels<T: FitsNumber>(file: &mut FitsReader, hdu: usize) -> Vec<T> {
    file.move_to_index(hdu).unwrap();
    let mut out = vec![T::default(); file.image_shape().unwrap().iter().product()];
    file.read_pixels(0, &mut out).unwrap();
    out
}

fn same(ours: &[f64], theirs: &[f64]) -> bool {
    let equal = |a: &f64, b: &f64| a.to_bits() == b.to_bits() || a == b || (a.is_nan() && b.is_nan());
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| equal(a, b))
}

/// Compares a pair of images of a type; parts of them, too, which begin and end anywhere.
fn compare<T: FitsNumber + Into<f64> + PartialEq>(file: &mut FitsReader, case: usize, twin: usize) {
    let wide = |values: Vec<T>| values.into_iter().map(Into::into).collect::<Vec<f64>>();
    let (ours, theirs) = (wide(pixels(file, case)), wide(pixels(file, twin)));
    let shapes = [case, twin].map(|hdu| {
        file.move_to_index(hdu).unwrap();
        file.image_shape().unwrap()
    });
    assert_eq!(shapes[0], shapes[1], "HDU {case}");
    let differ = ours.iter().zip(&theirs).position(|(a, b)| !same(&[*a], &[*b]));
    assert!(same(&ours, &theirs), "HDU {case} from element {differ:?} on: {ours:?} but {theirs:?}");
    file.move_to_index(case).unwrap();
    let mut part = vec![T::default(); ours.len().div_ceil(3)];
    for first in [0, ours.len() / 7, ours.len() - part.len()] {
        file.read_pixels(first, &mut part).unwrap();
        assert!(same(&wide(part.clone()), &theirs[first..first + part.len()]), "HDU {case}: {first}");
    }
}

fn column(file: &mut FitsReader, case: usize, twin: usize, name: &str) {
    let theirs: Vec<f64> = pixels(file, twin);
    file.move_to_index(case).unwrap();
    let mut ours = Vec::new();
    for row in 0..file.table_rows().unwrap() {
        ours.extend(file.read_cell::<f64>(name, row).unwrap());
    }
    assert!(same(&ours, &theirs), "HDU {case}, column {name}: {ours:?} but {theirs:?}");
}

#[test]
fn astropy_reads_the_same() {
    let mut compared = 0;
    for path in files() {
        let mut file = FitsReader::open(&path).unwrap();
        let mut cases = BTreeMap::new();
        for hdu in 1..file.hdu_count().unwrap() {
            file.move_to_index(hdu).unwrap();
            let header = file.header().unwrap();
            if let Some(case) = header.optional_integer("CASE").unwrap() {
                cases.insert(case, hdu);
                continue;
            }
            let case = cases[&header.integer("OF").unwrap()];
            let zero = header.optional_real("BZERO").unwrap().unwrap_or(0.0);
            match (header.optional_text("COLUMN").unwrap(), header.integer("BITPIX").unwrap()) {
                (Some(name), _) => column(&mut file, case, hdu, name),
                (None, -32) => compare::<f32>(&mut file, case, hdu),
                (None, 8) => compare::<u8>(&mut file, case, hdu),
                (None, 16) if zero == 0.0 => compare::<i16>(&mut file, case, hdu),
                (None, 16) => compare::<u16>(&mut file, case, hdu),
                (None, 32) if zero == 0.0 => compare::<i32>(&mut file, case, hdu),
                (None, 32) => compare::<u32>(&mut file, case, hdu),
                (None, 64) => {
                    assert_eq!(pixels::<i64>(&mut file, case), pixels::<i64>(&mut file, hdu), "HDU {case}");
                }
                (None, _) => compare::<f64>(&mut file, case, hdu),
            }
            compared += 1;
        }
    }
    assert!(compared >= 60, "only {compared} pairs");
}
