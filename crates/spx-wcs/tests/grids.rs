//! Grids of all projections, systems and rotations, and those of reference images, against astropy.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod common;

use common::{at, distance, golden, spherex};
use serde::Deserialize;
use spx_core::elementary::sin_cos;
use spx_core::header::Header;
use spx_core::map::PixelMap;
use spx_core::sky::Rectangle;
use spx_wcs::{CelestialWcs, GridForm, GridMap, OutputGrid, SkyFrame, SkyProjection, WcsError};

/// No position may be off by more \[px\].
const TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    cards: String,
    shape: [usize; 2],
    form: Option<Form>,
    /// x, y, ra, dec.
    pixels: Vec<[f64; 4]>,
}

#[derive(Deserialize)]
struct Form {
    projection: String,
    frame: String,
    rotation: f64,
    ra: f64,
    dec: f64,
    width: f64,
    height: f64,
    scale: f64,
}

impl Form {
    fn grid(&self) -> OutputGrid {
        let region = Rectangle::new(at([self.ra, self.dec]), self.width, self.height).unwrap();
        let frame = if self.frame == "icrs" { SkyFrame::Icrs } else { SkyFrame::Galactic };
        let projection = self.projection.parse().unwrap();
        let form = GridForm { projection, frame, rotation: self.rotation };
        OutputGrid::with_form(region, self.scale, form).unwrap()
    }
}

fn check(name: &str, wcs: &CelestialWcs, pixels: &[[f64; 4]]) {
    for &[x, y, ra, dec] in pixels {
        let side = wcs.pixel_area(x, y).sqrt();
        let off = distance(wcs.pixel_to_sky(x, y), [ra, dec]) * 3600.0 / side;
        assert!(off < TOLERANCE, "{name}: {x} {y} is off by {off} px");
        let [u, v] = wcs.sky_to_pixel(at([ra, dec])).unwrap();
        assert!((u - x).abs().max((v - y).abs()) < TOLERANCE, "{name}: {u} {v} for {x} {y}");
    }
}

#[test]
fn positions_are_those_of_astropy() {
    let file: File = golden("grids.json");
    assert_eq!(file.cases.len(), 28);
    for case in &file.cases {
        let header = Header::parse(&case.cards).unwrap();
        let like = OutputGrid::from_header(&header, case.shape).unwrap();
        check(&case.name, like.wcs(), &case.pixels);
        let Some(form) = &case.form else { continue };
        let grid = form.grid();
        assert_eq!(grid.shape(), case.shape);
        check(&case.name, grid.wcs(), &case.pixels);
        let again = OutputGrid::from_header(&grid.header(), grid.shape()).unwrap();
        assert_eq!((again.wcs(), again.header()), (grid.wcs(), grid.header()), "{}", case.name);
        assert!((again.pixel_scale() / form.scale - 1.0).abs() < 1e-12);
        assert!(again.center().separation(grid.center()) < 1e-9);
    }
}

/// The map from a distorted image agrees with the way by the sky, row by row and pixel by pixel.
#[test]
fn maps_go_by_way_of_the_sky() {
    for projection in SkyProjection::ALL {
        for (frame, rotation) in [(SkyFrame::Icrs, 0.0), (SkyFrame::Galactic, 61.0), (SkyFrame::Fk5, -100.0)]
        {
            let region = Rectangle::new(at([186.4, -63.1]), 90.0, 60.0).unwrap();
            let grid = OutputGrid::with_form(region, 6.15, GridForm { projection, frame, rotation }).unwrap();
            let input = spherex(186.7, -63.3, 33.0);
            let map = GridMap::new(&input, &grid);
            for y in [0.0, 777.25, 2039.0] {
                let mut row = vec![[0.0; 2]; 9];
                map.map_row(1000.5, y, &mut row);
                for (k, found) in row.iter().enumerate() {
                    let x = 1000.5 + k as f64;
                    let expected = grid.wcs().sky_to_pixel(at(input.pixel_to_sky(x, y))).unwrap();
                    let off = (found[0] - expected[0]).abs().max((found[1] - expected[1]).abs());
                    assert!(off < TOLERANCE, "{projection} {frame:?}: {off} px at {x} {y}");
                    assert_eq!(map.map(x, y).unwrap().map(f64::to_bits), found.map(f64::to_bits));
                }
            }
            assert!(map.may_overlap([2040, 2040]));
            assert!(!GridMap::new(&spherex(230.0, -50.0, 33.0), &grid).may_overlap([2040, 2040]));
        }
    }
}

/// Areas of pixels, by the positions of their corners.
#[test]
fn areas_are_those_of_the_corners() {
    for projection in SkyProjection::ALL {
        let region = Rectangle::new(at([40.0, 50.0]), 1800.0, 1800.0).unwrap();
        let form = GridForm { projection, ..GridForm::default() };
        let grid = OutputGrid::with_form(region, 300.0, form).unwrap();
        for (x, y) in [(180.0, 180.0), (30.0, 340.0), (355.0, 200.0)] {
            let corner = |dx: f64, dy: f64| {
                let [ra, dec] = grid.wcs().pixel_to_sky(x + dx, y + dy).map(f64::to_radians);
                let ((sin_ra, cos_ra), (sin_dec, cos_dec)) = (sin_cos(ra), sin_cos(dec));
                [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec]
            };
            let minus = |a: [f64; 3], b: [f64; 3]| [0, 1, 2].map(|k| a[k] - b[k]);
            let [a, b] =
                [minus(corner(0.5, 0.0), corner(-0.5, 0.0)), minus(corner(0.0, 0.5), corner(0.0, -0.5))];
            let cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
            let area =
                cross.iter().map(|v| v * v).sum::<f64>().sqrt() * 1f64.to_degrees().powi(2) * 3600.0 * 3600.0;
            let found = grid.wcs().pixel_area(x, y);
            assert!((found / area - 1.0).abs() < 1e-5, "{projection}: {found} for {area}");
        }
    }
}

#[test]
fn the_region_of_a_grid_holds_its_outline() {
    let region = Rectangle::new(at([120.0, 60.0]), 100.0, 50.0).unwrap();
    let sides = |form| {
        let around = OutputGrid::with_form(region, 6.15, form).unwrap().region().unwrap();
        [around.width(), around.height()]
    };
    let [width, height] = sides(GridForm::default());
    assert!((99.0..=100.001).contains(&width) && (49.0..=50.001).contains(&height), "{width} {height}");
    let [width, height] = sides(GridForm { rotation: 90.0, ..GridForm::default() });
    assert!((49.0..=50.001).contains(&width) && (99.0..=100.001).contains(&height), "{width} {height}");
    let all_sky = Header::parse(
        "CTYPE1  = 'RA---CAR'\nCTYPE2  = 'DEC--CAR'\nCRPIX1  = 180.5\nCRPIX2  = 90.5\nCRVAL1  = 0\nCRVAL2  = 0\n\
         CDELT1  = -1\nCDELT2  = 1",
    );
    let all_sky = OutputGrid::from_header(&all_sky.unwrap(), [180, 360]).unwrap();
    assert_eq!(all_sky.region(), Err(WcsError::GridTooWide));
}
