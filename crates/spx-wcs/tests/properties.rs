//! Properties that hold for every pointing: round trips, the shortcut, and that no pixel is
//! forgotten.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed set-up fails the test")]

mod common;

use common::{SIDE, at, distance, spherex, spherex_header};
use proptest::prelude::*;
use spx_core::elementary::hypot;
use spx_core::map::PixelMap;
use spx_core::sky::Rectangle;
use spx_wcs::{CelestialWcs, GridMap, OutputGrid};

/// Right ascensions, every second one within a frame of the wrap.
fn right_ascension() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..360.0, 0.0..2.0, 358.0..360.0, Just(0.0)]
}

/// Declinations, most of them within a frame of a pole.
fn declination() -> impl Strategy<Value = f64> {
    prop_oneof![-90.0..90.0, 87.0..90.0, -90.0..-87.0, Just(90.0), Just(-90.0), Just(0.0)]
}

prop_compose! {
    fn pointing()(ra in right_ascension(), dec in declination(), roll in 0.0..360.0) -> [f64; 3] {
        [ra, dec, roll]
    }
}

prop_compose! {
    /// A frame with real distortion, a part of it as an image, and a grid within some degrees of
    /// it.
    fn scene()(
        [ra, dec, roll] in pointing(),
        shape in prop_oneof![Just([SIDE, SIDE]), [1..200_usize, 1..200_usize], [1..17_usize, 1..17_usize]],
        corner in [-20.0..2050.0_f64, -20.0..2050.0],
        size in prop_oneof![[0.2..1.0, 0.2..1.0], [1.0..30.0, 1.0..30.0], [200.0..600.0, 200.0..600.0]],
        over in prop_oneof![Just(1.0), Just(3.0)],
        margin in 0.0..6.0,
        stretch in 0.2..4.0_f64,
    ) -> (CelestialWcs, OutputGrid, [usize; 2], f64) {
        let mut header = spherex_header(ra, dec, roll);
        let full = CelestialWcs::from_header(&header).unwrap();
        let target = full.pixel_to_sky(corner[0], corner[1]);
        let origin = if shape[0] == SIDE { [0.0, 0.0] } else { corner.map(|c: f64| (c - 30.0 * stretch).floor()) };
        header.set("CRPIX1", 1020.5 - origin[0], "").set("CRPIX2", 1020.5 - origin[1], "");
        let region = Rectangle::new(at(target), size[0], size[1]).unwrap();
        let grid = OutputGrid::new(region, OutputGrid::NATIVE_SCALE / over).unwrap();
        (CelestialWcs::from_header(&header).unwrap(), grid, shape, margin)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn pixel_to_sky_and_back([ra, dec, roll] in pointing(), x in -20.0..2060.0, y in -20.0..2060.0) {
        let wcs = spherex(ra, dec, roll);
        let sky = wcs.pixel_to_sky(x, y);
        prop_assert!((0.0..360.0).contains(&sky[0]) && (-90.0..=90.0).contains(&sky[1]));
        let back = wcs.sky_to_pixel(at(sky)).unwrap();
        // Rounding of the sky position, 1e-13 deg at most, is 1e-10 px.
        prop_assert!(hypot(back[0] - x, back[1] - y) < 1e-9, "({x}, {y}) {back:?}");
    }

    #[test]
    fn sky_to_pixel_and_back([ra, dec, roll] in pointing(), sky_ra in right_ascension(), sky_dec in declination()) {
        let wcs = spherex(ra, dec, roll);
        if let Some([x, y]) = wcs.sky_to_pixel(at([sky_ra, sky_dec])) {
            let scale = 1.0 + hypot(x, y) / 2040.0;
            prop_assert!(distance(wcs.pixel_to_sky(x, y), [sky_ra, sky_dec]) < 1e-11 * scale);
        } else {
            // Near the frame the iteration always converges.
            prop_assert!(at([sky_ra, sky_dec]).separation(at(wcs.pixel_to_sky(1019.5, 1019.5))) > 20.0);
        }
    }

    #[test]
    fn rows_have_the_bits_of_single_positions((wcs, grid, _, _) in scene(), x0 in -50.0..50.0, y in -20.0..2060.0) {
        let map = GridMap::new(&wcs, &grid);
        let mut row = [[0.0; 2]; 37];
        map.map_row(x0, y, &mut row);
        for (k, position) in row.iter().enumerate() {
            let single = map.map(x0 + k as f64, y).unwrap();
            prop_assert_eq!(position.map(f64::to_bits), single.map(f64::to_bits));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_pixel_near_the_grid_is_left_out((wcs, grid, shape, margin) in scene()) {
        let map = GridMap::new(&wcs, &grid);
        let spans = map.spans(shape, [grid.ny(), grid.nx()], margin);
        prop_assert_eq!(spans.0.len(), shape[0]);
        let mut row = vec![[0.0; 2]; shape[1]];
        let mut used = 0;
        for (y, span) in spans.0.iter().enumerate() {
            prop_assert!(span.end <= shape[1]);
            map.map_row(0.0, y as f64, &mut row);
            for (x, position) in row.iter().enumerate() {
                let near = |p: f64, n: usize| -0.5 - margin <= p && p <= n as f64 - 0.5 + margin;
                if near(position[0], grid.nx()) && near(position[1], grid.ny()) {
                    used += 1;
                    prop_assert!(span.contains(&x), "({x}, {y}) maps to {position:?}, row has {span:?}");
                }
            }
        }
        if used > 0 {
            prop_assert!(map.may_overlap(shape));
        }
    }
}
