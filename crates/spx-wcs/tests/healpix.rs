//! Grids of HEALPix cells against the tiles of other HiPS programs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod common;

use common::{at, distance, spherex};
use spx_core::map::PixelMap;
use spx_wcs::{GridMap, OutputGrid, WcsError};

/// Order and number of a tile of 512 x 512 pixels, pixel, position, by astropy-healpix 2.0.1:
/// `HEALPix(2**(order + 9), 'nested').healpix_to_lonlat((index << 18) + k)`, where the bits of x
/// are every other bit of k from the second on, and those of 511 - y the others. astropy's WCS of
/// `reproject.hips.tile_header` (0.16) puts the pixels at the same positions within 4e-8".
#[rustfmt::skip]
const PIXELS: [(u8, u64, [f64; 2], [f64; 2]); 15] = [
    (3, 0, [0.0, 0.0], [50.6140136719, 4.7801918472]),
    (3, 63, [511.0, 0.0], [45.0000000000, 89.9885786601]),
    (3, 63, [0.0, 511.0], [45.0000000000, 78.2956288409]),
    (3, 100, [17.0, 400.0], [124.7827148438, 31.3990912413]),
    (3, 255, [510.0, 2.0], [303.7500000000, 89.9543146393]),
    (3, 300, [100.0, 200.0], [339.8181152344, 3.8449850894]),
    (3, 400, [511.0, 511.0], [196.8859863281, -14.4775121859]),
    (3, 447, [255.0, 256.0], [180.0000000000, 35.6738542438]),
    (3, 511, [3.0, 4.0], [275.5371093750, 35.6738542438]),
    (3, 512, [0.0, 511.0], [45.0000000000, -89.9885786601]),
    (3, 700, [300.0, 77.0], [226.4721679687, -12.3395299898]),
    (3, 767, [256.0, 256.0], [314.9890136719, -4.7801918472]),
    (6, 28532, [17.0, 480.0], [187.0504760742, 31.4551006998]),
    (6, 12287, [1.0, 510.0], [225.0000000000, 88.5423121874]),
    (6, 49151, [500.0, 20.0], [314.9876403809, -0.0373019424]),
];

#[test]
fn pixels_of_tiles_lie_where_other_programs_have_them() {
    for (order, index, [x, y], sky) in PIXELS {
        let grid = OutputGrid::healpix(order, index, order + 9).unwrap();
        assert_eq!(grid.shape(), [512, 512]);
        let off = distance(grid.wcs().pixel_to_sky(x, y), sky) * 3600.0;
        assert!(off < 1e-5, "{order}/{index}: {x} {y} is off by {off} arcsec");
        let [u, v] = grid.wcs().sky_to_pixel(at(sky)).unwrap();
        assert!((u - x).abs().max((v - y).abs()) < 1e-5, "{order}/{index}: {u} {v} for {x} {y}");
    }
}

/// A cell holds those of the next orders: each pixel of its grid is one of them.
#[test]
fn cells_of_an_order_are_parts_of_those_above() {
    for (parent, quarter, [left, bottom]) in
        [(5u64, 0, [0.0, 64.0]), (70, 1, [0.0, 0.0]), (150, 2, [64.0, 64.0]), (191, 3, [64.0, 0.0])]
    {
        let whole = OutputGrid::healpix(2, parent, 9).unwrap();
        let part = OutputGrid::healpix(3, 4 * parent + quarter, 9).unwrap();
        assert_eq!((whole.shape(), part.shape()), ([128, 128], [64, 64]));
        assert_eq!(whole.pixel_scale(), part.pixel_scale());
        for [x, y] in [[0.0, 0.0], [63.0, 5.0], [20.5, 63.0]] {
            let sky = part.wcs().pixel_to_sky(x, y);
            let off = distance(whole.wcs().pixel_to_sky(left + x, bottom + y), sky);
            assert!(off < 1e-10, "{parent}: {off}");
        }
    }
}

/// The area of every pixel is that of the sky over their number.
#[test]
fn pixels_have_equal_areas() {
    let sky = 129_600.0 / std::f64::consts::PI * 3600.0f64.powi(2);
    let expected = sky / (12.0 * 4f64.powi(9));
    for index in [0, 15, 37, 77, 120, 191] {
        let grid = OutputGrid::healpix(2, index, 9).unwrap();
        assert!((grid.pixel_scale().powi(2) / expected - 1.0).abs() < 1e-12);
        for [x, y] in [[0.0, 0.0], [127.0, 0.0], [64.0, 100.0]] {
            assert!((grid.wcs().pixel_area(x, y) / expected - 1.0).abs() < 1e-12);
        }
    }
}

/// On both sides of the seams between faces the map of an image gives the pixel of its position,
/// and the spans leave out no pixel that has one.
#[test]
fn maps_of_images_are_those_of_their_positions() {
    for (ra, dec, cell) in [(90.0, 60.0, 110), (45.0, 41.81, 48), (0.5, 0.0, 282), (10.0, 89.0, 63)] {
        let input = spherex(ra, dec, 30.0);
        let grid = OutputGrid::healpix(3, cell, 12).unwrap();
        let map = GridMap::new(&input, &grid);
        let spans = map.spans([2040, 2040], grid.shape(), 1.0);
        let mut inside = 0;
        for (column, row) in (0..2040).step_by(37).flat_map(|x| (0..2040).step_by(41).map(move |y| (x, y))) {
            let (x, y) = (column as f64, row as f64);
            let expected = grid.wcs().sky_to_pixel(at(input.pixel_to_sky(x, y)));
            let found = map.map(x, y);
            assert_eq!(found.is_some(), expected.is_some());
            let (Some([u, v]), Some([a, b])) = (found, expected) else { continue };
            assert!((u - a).abs().max((v - b).abs()) < 1e-7, "{u} {v} for {a} {b}");
            if (-0.5..511.5).contains(&u) && (-0.5..511.5).contains(&v) {
                inside += 1;
                assert!(spans.0[row].contains(&column));
            }
        }
        assert!(inside > 20, "{cell}: {inside}");
    }
}

#[test]
fn cells_that_are_none_are_refused() {
    for (order, index, pixel_order) in [(3, 768, 12), (3, 0, 2), (2, 0, 25), (0, 0, 21), (40, 0, 41)] {
        let refused = OutputGrid::healpix(order, index, pixel_order);
        assert_eq!(refused, Err(WcsError::Cell { order, index, pixel_order }));
    }
}
