//! Output grids and the map onto them, against astropy (testdata/wcs/maps.json) and the way by the
//! sky.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed set-up fails the test")]

mod common;

use std::collections::HashMap;

use common::{SIDE, at, distance, golden, header, spherex};
use serde::Deserialize;
use spx_core::elementary::hypot;
use spx_core::header::Header;
use spx_core::map::PixelMap;
use spx_core::sky::{Position, Rectangle};
use spx_wcs::{CelestialWcs, GridMap, OutputGrid, WcsError};

#[derive(Deserialize)]
struct File {
    sip: HashMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    ra: f64,
    dec: f64,
    width: f64,
    height: f64,
    scale: f64,
    nx: usize,
    ny: usize,
    sky: Vec<[f64; 4]>,
    cards: String,
    sip: String,
    map: Vec<[f64; 4]>,
}

fn grid(ra: f64, dec: f64, width: f64, height: f64, scale: f64) -> OutputGrid {
    OutputGrid::new(Rectangle::new(at([ra, dec]), width, height).unwrap(), scale).unwrap()
}

fn cases() -> Vec<(Case, OutputGrid, CelestialWcs)> {
    let file: File = golden("maps.json");
    assert!(file.cases.len() >= 6, "{} cases", file.cases.len());
    let read = |case: Case| {
        let grid = grid(case.ra, case.dec, case.width, case.height, case.scale);
        let wcs = CelestialWcs::from_header(&header(&case.cards, &file.sip, &case.sip)).unwrap();
        (case, grid, wcs)
    };
    file.cases.into_iter().map(read).collect()
}

#[test]
fn grids_agree_with_astropy() {
    for (case, grid, _) in cases() {
        assert_eq!((grid.nx(), grid.ny()), (case.nx, case.ny));
        assert_eq!(grid.shape(), [case.ny, case.nx]);
        assert_eq!((grid.pixel_scale(), grid.center()), (case.scale, at([case.ra, case.dec])));
        assert!(!case.sky.is_empty());
        for [x, y, ra, dec] in case.sky {
            let sky = grid.wcs().pixel_to_sky(x, y);
            assert!(distance(sky, [ra, dec]) < 1e-9, "({x}, {y}) {sky:?} ({ra}, {dec})");
            let [px, py] = grid.wcs().sky_to_pixel(at([ra, dec])).unwrap();
            assert!(hypot(px - x, py - y) < 1e-6, "({x}, {y}) ({px}, {py})");
        }
    }
}

#[test]
fn map_agrees_with_astropy() {
    for (case, grid, wcs) in cases() {
        let map = GridMap::new(&wcs, &grid);
        assert!(!case.map.is_empty());
        for [x, y, ox, oy] in case.map {
            let [px, py] = map.map(x, y).unwrap();
            assert!(hypot(px - ox, py - oy) < 1e-6, "({x}, {y}): ({px}, {py}), ({ox}, {oy})");
        }
    }
}

/// The projective shortcut is the way by the sky, to rounding.
#[test]
fn map_equals_the_way_by_the_sky() {
    for (_, grid, wcs) in cases() {
        let map = GridMap::new(&wcs, &grid);
        for y in (-20..2060).step_by(260) {
            for x in (-20..2060).step_by(65) {
                let (x, y) = (f64::from(x) + 0.25, f64::from(y));
                let [ra, dec] = wcs.pixel_to_sky(x, y);
                let expected = grid.wcs().sky_to_pixel(at([ra, dec])).unwrap();
                let got = map.map(x, y).unwrap();
                assert!(hypot(got[0] - expected[0], got[1] - expected[1]) < 1e-7, "{got:?} {expected:?}");
            }
        }
    }
}

#[test]
fn rows_have_the_bits_of_single_positions() {
    for (_, grid, wcs) in cases() {
        let map = GridMap::new(&wcs, &grid);
        for (x0, y, n) in [(0.0, 7.0, 2040), (-3.3, 1000.7, 77), (1e3 / 3.0, -0.5, 1), (5.0, 5.0, 0)] {
            let mut row = vec![[0.0; 2]; n];
            map.map_row(x0, y, &mut row);
            for (k, position) in row.iter().enumerate() {
                let single = map.map(x0 + k as f64, y).unwrap();
                assert_eq!(position.map(f64::to_bits), single.map(f64::to_bits), "{x0} + {k}, {y}");
            }
        }
    }
}

#[test]
fn nothing_comes_from_behind_the_tangent_plane() {
    let grid = grid(190.0, 50.0, 30.0, 30.0, OutputGrid::NATIVE_SCALE);
    let wcs = spherex(10.0, 40.0, 17.0); // its center lies just 90 degrees from the grid's
    let map = GridMap::new(&wcs, &grid);
    let mut seen = [0; 2];
    for y in 0..51 {
        let y = f64::from(y) * 40.0;
        let mut row = vec![[0.0; 2]; SIDE];
        map.map_row(0.0, y, &mut row);
        for (x, position) in row.iter().enumerate() {
            let [ra, dec] = wcs.pixel_to_sky(x as f64, y);
            let away = at([ra, dec]).separation(grid.center());
            if (away - 90.0).abs() > 1e-6 {
                assert_eq!(position[0].is_nan(), away > 90.0, "{away}");
                assert_eq!(position[1].is_nan(), away > 90.0, "{away}");
                assert_eq!(map.map(x as f64, y).is_none(), away > 90.0);
            }
            seen[usize::from(away > 90.0)] += 1;
        }
    }
    assert!(seen[0] > 1000 && seen[1] > 1000, "{seen:?}");
    let shape = [grid.ny(), grid.nx()];
    assert!(!map.spans([SIDE; 2], shape, 0.0).is_empty(), "blocks across the horizon are kept in doubt");
    assert_eq!(map.map(f64::NAN, 0.0), None);
    assert!(!GridMap::new(&spherex(10.0, -50.0, 17.0), &grid).may_overlap([SIDE; 2]));
}

/// The blocks of 16 pixels must not name much more than is there.
#[test]
fn spans_are_tight() {
    let grid = grid(10.0, 40.0, 30.0, 30.0, OutputGrid::NATIVE_SCALE);
    let map = GridMap::new(&spherex(10.3, 40.2, 17.0), &grid);
    let spans = map.spans([SIDE; 2], grid.shape(), 1.0);
    let inside = |x: usize, y: usize| {
        let [ox, oy] = map.map(x as f64, y as f64).unwrap();
        (-1.5..=grid.nx() as f64 + 0.5).contains(&ox) && (-1.5..=grid.ny() as f64 + 0.5).contains(&oy)
    };
    let used: usize = (0..SIDE).map(|y| (0..SIDE).filter(|&x| inside(x, y)).count()).sum();
    assert!(used > 80_000, "{used}");
    assert!(spans.pixels() < used * 5 / 4, "{} of {used}", spans.pixels());
}

#[test]
fn overlap_is_seen_from_afar() {
    let grid = grid(0.05, 10.0, 10.0, 20.0, OutputGrid::NATIVE_SCALE);
    let overlaps = |ra, dec| GridMap::new(&spherex(ra, dec, 30.0), &grid).may_overlap([SIDE; 2]);
    assert!(overlaps(0.05, 10.0));
    assert!(overlaps(359.0, 10.5), "across ra 0");
    assert!(overlaps(0.05, 11.8));
    assert!(!overlaps(0.05, 14.0));
    assert!(!overlaps(180.05, -10.0));
    let wcs = spherex(0.05, 10.0, 30.0);
    assert!(!GridMap::new(&wcs, &grid).may_overlap([0, 10]));
}

#[test]
fn sizes_are_those_of_ieee_arithmetic() {
    let side = |arcmin: f64| grid(1.0, 1.0, arcmin, 30.0, OutputGrid::NATIVE_SCALE).nx();
    assert_eq!(side(1.025), 9, "1.025 * 60 / 6.15 = 9.999999999999998");
    assert_eq!(side(29.93), 292);
    assert_eq!(side(30.0), 292);
    assert_eq!(side(0.11), 1);
}

#[test]
fn impossible_grids_are_refused() {
    let new = |width, height, scale| {
        OutputGrid::new(Rectangle::new(Position::new(1.0, 2.0).unwrap(), width, height).unwrap(), scale)
            .unwrap_err()
    };
    assert_eq!(new(0.1, 5.0, 6.15).to_string(), "width 0.1 arcmin holds no pixel of 6.15 arcsec");
    assert!(matches!(new(5.0, 0.1, 6.15), WcsError::EmptyGrid { side: "height", .. }));
    assert!(matches!(new(5.0, 5.0, 1e-6), WcsError::GridTooLarge { side: "width", .. }));
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(new(5.0, 5.0, scale), WcsError::Scale(_)), "{scale}");
    }
    assert!(matches!(new(5.0, 5.0, 1e-320), WcsError::GridTooLarge { .. }));
}

/// Parsed from text, as from a file, with the third axis of a cube beside it.
fn reread(grid: &OutputGrid) -> Header {
    let mut header = grid.header();
    header.set("WCSAXES", 3, "").set("CTYPE3", "WAVE-LOG", "").set("CRVAL3", 1.2, "").set("CRPIX3", 1.0, "");
    header.set("CDELT3", 0.1, "").set("CUNIT3", "um", "");
    header
}

#[test]
fn headers_read_back() {
    for (_, grid, _) in cases() {
        let header = reread(&grid);
        let back = OutputGrid::from_header(&header, grid.shape()).unwrap();
        assert_eq!(back.header(), grid.header());
        assert_eq!(back.wcs(), grid.wcs());
        assert_eq!((back.shape(), back.center()), (grid.shape(), grid.center()));
        assert!((back.pixel_scale() / grid.pixel_scale() - 1.0).abs() < 1e-15);
        assert_eq!(CelestialWcs::from_header(&header).unwrap(), *grid.wcs());
        for gone in ["CD1_1", "CD2_2", "PC1_1", "PC2_2"] {
            assert!(header.get(gone).is_none());
        }
    }
}

#[test]
fn distorted_and_empty_images_are_no_grid() {
    let grid = grid(1.0, 2.0, 10.0, 20.0, 6.15);
    let message = OutputGrid::from_header(&common::real_full_frame(), [SIDE; 2]).unwrap_err().to_string();
    assert!(message.starts_with("card A_ORDER = 3: "), "{message}");
    let message = OutputGrid::from_header(&grid.header(), [10, 0]).unwrap_err().to_string();
    assert!(message.starts_with("card NAXIS1 = 0: "), "{message}");
    let mut header = reread(&grid);
    header.set("PV2_1", 0.3, "");
    let message = OutputGrid::from_header(&header, grid.shape()).unwrap_err().to_string();
    assert!(message.starts_with("card PV2_1 = 0.3: "), "{message}");
}
