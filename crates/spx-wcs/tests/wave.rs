//! Wavelength look-up against WCSLIB, and beyond its reach against a formula
//! (testdata/wcs/wave.json).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed set-up fails the test")]

mod common;

use std::collections::HashMap;

use common::{SIDE, golden, testdata};
use serde::Deserialize;
use spx_core::header::Header;
use spx_core::map::{Passband, WavelengthMap};
use spx_wcs::{WaveTable, WcsError};

#[derive(Deserialize)]
struct File {
    tables: HashMap<String, Table>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Table {
    x: Vec<f64>,
    y: Vec<f64>,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct Case {
    table: String,
    cards: String,
    /// The VALUES cell where it is stored in another order than that of the table.
    values: Option<Vec<f64>>,
    wcslib: Vec<[f64; 4]>,
    beyond: Vec<[f64; 4]>,
}

fn cases() -> Vec<(Case, WaveTable)> {
    let file: File = golden("wave.json");
    assert_eq!(file.tables.len(), 6, "one table a detector");
    assert!(file.cases.len() >= 10, "{} cases", file.cases.len());
    let read = |case: Case| {
        let Table { x, y, values } = &file.tables[&case.table];
        let header = Header::parse(&case.cards).unwrap();
        let table = WaveTable::new(x, y, case.values.as_ref().unwrap_or(values), &header).unwrap();
        (case, table)
    };
    file.cases.into_iter().map(read).collect()
}

#[test]
fn look_up_agrees_within_1e_9_um() {
    for (case, table) in cases() {
        assert!(case.wcslib.len() >= 20 && !case.beyond.is_empty());
        for &[x, y, wave, band] in case.wcslib.iter().chain(&case.beyond) {
            let Passband { center, width } = table.passband(x, y);
            assert!((center - wave).abs() < 1e-9, "D{} ({x}, {y}): {center}, {wave}", case.table);
            assert!((width - band).abs() < 1e-9, "D{} ({x}, {y}): {width}, {band}", case.table);
        }
    }
}

#[test]
fn rows_have_the_bits_of_single_positions() {
    for (case, table) in cases() {
        for (x0, y, n) in [(0.0, 1019.0, SIDE), (-300.7, -12.5, 2700), (254.9, 3000.0, 3), (2039.5, 1.0, 1)] {
            let mut row = vec![Passband { center: 0.0, width: 0.0 }; n];
            table.passband_row(x0, y, &mut row);
            for (k, band) in row.iter().enumerate() {
                let single = table.passband(x0 + k as f64, y);
                assert_eq!(band.center.to_bits(), single.center.to_bits(), "D{} {x0} + {k}, {y}", case.table);
                assert_eq!(band.width.to_bits(), single.width.to_bits(), "D{} {x0} + {k}, {y}", case.table);
            }
        }
        table.passband_row(0.0, 0.0, &mut []);
    }
}

#[test]
fn range_is_that_of_all_pixels() {
    for (case, table) in cases() {
        for shape in [[SIDE, SIDE], [117, 90], [1, 1], [3, 2040]] {
            let mut expected = [f64::INFINITY, f64::NEG_INFINITY];
            let mut row = vec![Passband { center: 0.0, width: 0.0 }; shape[1]];
            for y in 0..shape[0] {
                table.passband_row(0.0, y as f64, &mut row);
                for band in &row {
                    expected = [expected[0].min(band.center), expected[1].max(band.center)];
                }
            }
            let range = table.range(shape);
            assert!((range[0] - expected[0]).abs() < 1e-12, "D{} {range:?} {expected:?}", case.table);
            assert!((range[1] - expected[1]).abs() < 1e-12, "D{} {range:?} {expected:?}", case.table);
        }
        assert!(table.range([0, 5]).iter().all(|v| v.is_nan()));
    }
}

/// Control points between pixel centers, with the extremes there.
#[test]
fn range_looks_at_pixel_centers_alone() {
    for offset in [1.25, 1.5, 0.9] {
        let mut header = Header::parse(CARDS).unwrap();
        header.set("CRPIX1W", offset, "").set("CRPIX2W", offset, "");
        for peak in [1.0, -1.0] {
            let mut values = [2.0; 30];
            values[(2 + 5) * 2] += peak; // control point (2, 1) of 5 x 3
            let table =
                WaveTable::new(&[1.0, 4.0, 7.0, 9.0, 12.0], &[1.0, 5.0, 9.0], &values, &header).unwrap();
            let waves: Vec<f64> =
                (0..100).map(|k| table.passband(f64::from(k % 10), f64::from(k / 10)).center).collect();
            let low = waves.iter().copied().fold(f64::INFINITY, f64::min);
            let high = waves.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert!(low > 1.0 && high < 3.0);
            assert_eq!(table.range([10, 10]), [low, high]);
        }
    }
}

#[test]
fn nan_positions_have_no_wavelength() {
    let (_, table) = cases().remove(0);
    for (x, y) in [(f64::NAN, 3.0), (3.0, f64::NAN)] {
        assert!(table.passband(x, y).center.is_nan() && table.passband(x, y).width.is_nan());
    }
    let mut row = [Passband { center: 0.0, width: 0.0 }; 5];
    table.passband_row(f64::NAN, 0.0, &mut row);
    assert!(row.iter().all(|band| band.center.is_nan()));
}

/// SIP stands in the same header and must not be applied.
#[test]
fn the_real_cutout_looks_up_parent_pixels() {
    #[derive(Deserialize)]
    struct Real {
        x: Vec<f64>,
        y: Vec<f64>,
        wavelength: Vec<Vec<f64>>,
        bandwidth: Vec<Vec<f64>>,
    }
    let real: Real = serde_json::from_str(&testdata("real_headers/wave_table_qr2_D3.json")).unwrap();
    let rows = real.wavelength.iter().zip(&real.bandwidth);
    let values: Vec<f64> = rows.flat_map(|(w, b)| w.iter().zip(b).flat_map(|(w, b)| [*w, *b])).collect();
    let header = Header::parse(&testdata("real_headers/qr2_cutout_IMAGE_header.txt")).unwrap();
    let table = WaveTable::new(&real.x, &real.y, &values, &header).unwrap();
    // The cutout starts at the 0-based parent pixel (1292, 863).
    for (j, y) in real.y.iter().enumerate() {
        for (i, x) in real.x.iter().enumerate() {
            let band = table.passband(x - 1.0 - 1292.0, y - 1.0 - 863.0);
            assert!((band.center - real.wavelength[j][i]).abs() < 1e-12);
            assert!((band.width - real.bandwidth[j][i]).abs() < 1e-12);
        }
    }
    let [low, high] = table.range([117, 117]);
    assert!(1.9 < low && low < high && high < 2.1, "{low} {high}");
}

const CARDS: &str = "CTYPE1W = 'WAVE-TAB'\nCTYPE2W = 'WAVE-TAB'\nCUNIT1W = 'um'\nCUNIT2W = 'um'\n\
    CRPIX1W = 1\nCRPIX2W = 1\nCRVAL1W = 1\nCRVAL2W = 1\nCDELT1W = 1\nCDELT2W = 1\nPV1_3W  = 1\nPV2_3W  = 2";

fn small(header: &Header) -> Result<WaveTable, WcsError> {
    let values: Vec<f64> = (0..12).map(|k| 1.0 + f64::from(k * k)).collect();
    WaveTable::new(&[1.0, 5.0, 7.0], &[1.0, 4.0], &values, header)
}

#[test]
fn decreasing_control_points_are_the_same_table() {
    let header = Header::parse(CARDS).unwrap();
    let values: Vec<f64> = (0..12).map(|k| 1.0 + f64::from(k * k)).collect();
    let mut reversed = Vec::new();
    for j in [1, 0] {
        for i in [2, 1, 0] {
            reversed.extend_from_slice(&values[(j * 3 + i) * 2..][..2]);
        }
    }
    let table = WaveTable::new(&[7.0, 5.0, 1.0], &[4.0, 1.0], &reversed, &header).unwrap();
    assert_eq!(table, small(&header).unwrap());
}

#[test]
fn units_are_converted() {
    for (unit, factor) in [("um", 1.0), ("m", 1e6), ("nm", 1e-3), ("Angstrom", 1e-4)] {
        let mut header = Header::parse(CARDS).unwrap();
        header.set("CUNIT1W", unit, "");
        let band = small(&header).unwrap().passband(0.0, 0.0);
        assert_eq!((band.center, band.width), (factor, 2.0));
    }
}

#[test]
fn errors_name_the_card_or_the_column() {
    let complete = Header::parse(CARDS).unwrap();
    for card in complete.cards() {
        let mut header = Header::new();
        complete.cards().iter().filter(|c| *c != card).for_each(|c| header.push(c.clone()));
        assert_eq!(small(&header).unwrap_err().to_string(), format!("card {} is missing", card.keyword));
    }
    for (keyword, value) in
        [("CDELT1W", 0.0), ("PV1_3W", 3.0), ("PV2_3W", 1.0), ("PC1_2W", 0.1), ("CD1_1W", 2.0)]
    {
        let mut header = complete.clone();
        header.set(keyword, value, "");
        let message = small(&header).unwrap_err().to_string();
        assert!(message.starts_with(&format!("card {keyword} = {value}: ")), "{message}");
    }
    for (keyword, value) in [("CTYPE1W", "WAVE"), ("CUNIT2W", "Hz")] {
        let mut header = complete.clone();
        header.set(keyword, value, "");
        let message = small(&header).unwrap_err().to_string();
        assert!(message.starts_with(&format!("card {keyword} = {value}: ")), "{message}");
    }
    let table = |x: &[f64], y: &[f64], values: &[f64]| {
        WaveTable::new(x, y, values, &complete).unwrap_err().to_string()
    };
    let (good, eight) = ([1.0, 2.0], [1.0; 8]);
    assert_eq!(
        table(&[1.0], &good, &eight),
        "wavelength table, X: has 1 control points, at least 2 are needed"
    );
    assert!(table(&good, &[], &eight).starts_with("wavelength table, Y: has 0 control points"));
    assert!(
        table(&good, &[1.0, f64::NAN], &eight).starts_with("wavelength table, Y: has a control point NaN")
    );
    assert!(table(&[1.0, 1.0], &good, &eight).ends_with("are not monotonic"));
    assert!(table(&[1.0, 3.0, 2.0], &good, &[1.0; 12]).ends_with("are not monotonic"));
    assert_eq!(table(&good, &good, &[1.0; 7]), "wavelength table, VALUES: has 7 values, not 2 x 2 x 2");
    assert!(table(&good, &good, &[1.0, 1., 1., 1., f64::NAN, 1., 1., 1.]).ends_with("value 4 is NaN"));
}
