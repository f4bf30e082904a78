//! Pixel to sky and back against astropy (testdata/wcs/celestial.json) and against the archive
//! itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed set-up fails the test")]

mod common;

use std::collections::HashMap;

use common::{SIDE, at, distance, golden, header, real_full_frame, spherex, spherex_header};
use serde::Deserialize;
use spx_core::elementary::{cos, hypot};
use spx_core::header::Header;
use spx_wcs::{CelestialWcs, WcsError};

/// Pixel positions, by the names under which the cases refer to them.
type Points = HashMap<String, Vec<[f64; 2]>>;

#[derive(Deserialize)]
struct File {
    sip: HashMap<String, String>,
    points: Points,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    cards: String,
    sip: String,
    points: String,
    shape: [usize; 2],
    sky: Vec<[f64; 2]>,
    pixels: Vec<[f64; 4]>,
    areas: Vec<[f64; 3]>,
}

/// The cases with their WCS; fails where the file holds none.
fn cases() -> (Points, Vec<(Case, CelestialWcs)>) {
    let file: File = golden("celestial.json");
    assert!(file.cases.len() >= 30, "{} cases", file.cases.len());
    let read = |case: Case| {
        let wcs = CelestialWcs::from_header(&header(&case.cards, &file.sip, &case.sip))
            .unwrap_or_else(|e| panic!("{}: {e}", case.name));
        (case, wcs)
    };
    (file.points, file.cases.into_iter().map(read).collect())
}

#[test]
fn pixel_to_sky_agrees_with_astropy_within_1e_9_degrees() {
    let (points, cases) = cases();
    let mut worst: f64 = 0.0;
    for (case, wcs) in &cases {
        let points = &points[&case.points];
        assert!(points.len() >= 36 && points.len() == case.sky.len());
        for (&[x, y], &expected) in points.iter().zip(&case.sky) {
            let sky = wcs.pixel_to_sky(x, y);
            let error = distance(sky, expected);
            worst = worst.max(error);
            assert!(error < 1e-9, "{} ({x}, {y}): {sky:?}, {expected:?}", case.name);
            // The same in each coordinate, except that right ascension loses digits towards a pole.
            let ra = (sky[0] - expected[0] + 180.0).rem_euclid(360.0) - 180.0;
            assert!((sky[1] - expected[1]).abs() < 1e-9 && ra.abs() * cos(sky[1].to_radians()) < 1e-9);
        }
    }
    println!("worst {worst:e} deg");
}

#[test]
fn sky_to_pixel_agrees_with_astropy_within_1e_6_pixels() {
    let mut worst: f64 = 0.0;
    for (case, wcs) in &cases().1 {
        assert!(case.pixels.len() >= 6);
        for &[ra, dec, x, y] in &case.pixels {
            let pixel = wcs.sky_to_pixel(at([ra, dec])).unwrap();
            let error = hypot(pixel[0] - x, pixel[1] - y);
            worst = worst.max(error);
            assert!(error < 1e-6, "{} ({ra}, {dec}): {pixel:?}, ({x}, {y})", case.name);
        }
    }
    println!("worst {worst:e} px");
}

#[test]
fn pixels_return_to_themselves() {
    let (points, cases) = cases();
    let mut worst: f64 = 0.0;
    for (case, wcs) in &cases {
        for &[x, y] in &points[&case.points] {
            let back = wcs.sky_to_pixel(at(wcs.pixel_to_sky(x, y))).unwrap();
            let error = hypot(back[0] - x, back[1] - y);
            worst = worst.max(error);
            assert!(error < 1e-6, "{} ({x}, {y}): {back:?}", case.name);
        }
    }
    println!("worst {worst:e} px");
}

#[test]
fn pixel_area_agrees_with_differences_of_astropy() {
    for (case, wcs) in &cases().1 {
        for &[x, y, expected] in &case.areas {
            let area = wcs.pixel_area(x, y);
            // The differences are good to 1e-9; 1e-11 of rounding in the positions adds to that.
            assert!((area / expected - 1.0).abs() < 1e-7, "{} ({x}, {y}): {area}, {expected}", case.name);
        }
    }
}

#[test]
fn footprint_names_the_outer_corners() {
    for (case, wcs) in &cases().1 {
        let [ny, nx] = case.shape.map(|n| n as f64);
        let corners = [[-0.5, -0.5], [nx - 0.5, -0.5], [nx - 0.5, ny - 0.5], [-0.5, ny - 0.5]];
        assert_eq!(wcs.footprint(case.shape), corners.map(|[x, y]| wcs.pixel_to_sky(x, y)));
    }
}

#[test]
fn a_circle_around_an_image_holds_all_of_it_and_little_more() {
    for (case, wcs) in &cases().1 {
        let Some((center, radius)) = wcs.circle_around(case.shape) else { panic!("{}", case.name) };
        let [ny, nx] = case.shape.map(|n| n as f64);
        let away = |x: f64, y: f64| center.separation(at(wcs.pixel_to_sky(x, y)));
        let mut farthest: f64 = 0.0;
        for step in 0..=1000 {
            let part = f64::from(step) / 1000.0;
            let (x, y) = (part * nx - 0.5, part * ny - 0.5);
            for [x, y] in [[x, -0.5], [x, ny - 0.5], [-0.5, y], [nx - 0.5, y], [x, y]] {
                farthest = farthest.max(away(x, y));
            }
        }
        assert!(farthest <= radius && radius < 1.02 * farthest, "{}: {farthest}, {radius}", case.name);
    }
}

/// The archive's own `s_region`, `s_ra` and `s_dec` of the exposure whose cutout's header is
/// committed.
#[test]
fn real_header_reproduces_the_archives_footprint() {
    let wcs = CelestialWcs::from_header(&real_full_frame()).unwrap();
    assert!(wcs.has_sip());
    let expected = [
        [6.962852120551271, 41.75009330770693],
        [11.28249000497766, 43.137330881450204],
        [13.174643355147754, 39.946653279470475],
        [8.97915502445252, 38.62459220149968],
    ];
    for (corner, expected) in wcs.footprint([SIDE, SIDE]).into_iter().zip(expected) {
        assert!(distance(corner, expected) * 3600.0 < 0.01, "{corner:?} {expected:?}");
    }
    let center = wcs.pixel_to_sky(1019.5, 1019.5);
    assert!(distance(center, [10.086254818464036, 40.90022754355935]) * 3600.0 < 0.01, "{center:?}");
}

/// `OMEGA_MEDIAN`, the median solid angle of a pixel by the archive's reckoning.
#[test]
fn real_header_reproduces_the_archives_pixel_area() {
    let header = real_full_frame();
    let wcs = CelestialWcs::from_header(&header).unwrap();
    let every_fourth = || (0..SIDE).step_by(4).map(|k| k as f64);
    let mut areas: Vec<f64> = every_fourth()
        .flat_map(|y| every_fourth().map(move |x| [x, y]))
        .map(|[x, y]| wcs.pixel_area(x, y))
        .collect();
    areas.sort_by(f64::total_cmp);
    let (median, expected) = (areas[areas.len() / 2], header.real("OMEGA_MEDIAN").unwrap());
    println!("{median} {expected}");
    assert!((median / expected - 1.0).abs() < 1e-4, "{median} {expected}");
    let (low, high) = (areas[0] / median, areas[areas.len() - 1] / median);
    assert!(low < 0.995 && high > 1.005, "the area varies over the frame: {low} {high}");
}

#[test]
fn nothing_behind_the_tangent_plane() {
    let wcs = spherex(10.0, 40.0, 17.0);
    assert!(wcs.sky_to_pixel(at([190.0, -40.0])).is_none());
    assert!(wcs.sky_to_pixel(at([190.0, 49.9])).is_none());
    let plain = {
        let mut header = spherex_header(10.0, 40.0, 17.0);
        header.set("CTYPE1", "RA---TAN", "").set("CTYPE2", "DEC--TAN", "");
        let without = header.cards().iter().filter(|c| !c.keyword.ends_with("_ORDER")).cloned();
        let mut plain = Header::new();
        without.for_each(|card| plain.push(card));
        CelestialWcs::from_header(&plain).unwrap()
    };
    assert!(!plain.has_sip());
    assert!(plain.sky_to_pixel(at([190.0, 50.1])).is_some(), "89.9 degrees away");
    assert!(plain.sky_to_pixel(at([190.0, 49.9])).is_none(), "90.1 degrees away");
}

/// Far from the frame a cubic can fold back; whatever is returned must at least map to the position
/// asked for.
#[test]
fn far_positions_never_come_back_as_others() {
    let wcs = spherex(10.0, 40.0, 17.0);
    let mut inside = 0;
    for ra in (0..360).step_by(3) {
        for dec in (-90..=90).step_by(3) {
            let sky = [f64::from(ra), f64::from(dec)];
            let Some([x, y]) = wcs.sky_to_pixel(at(sky)) else { continue };
            assert!(distance(wcs.pixel_to_sky(x, y), sky) < 1e-7, "{sky:?} -> ({x}, {y})");
            inside += usize::from((0.0..2040.0).contains(&x) && (0.0..2040.0).contains(&y));
        }
    }
    assert!(inside <= 2, "{inside} positions of a 3 degree lattice on one frame");
}

#[test]
fn right_ascension_stays_below_360() {
    for ra in [0.0, 359.999_999_999_999_97, -1e-15, 360.0] {
        let wcs = spherex(ra, 0.0, 33.0);
        for k in 0..400 {
            let [ra, _] = wcs.pixel_to_sky(f64::from(k) * 5.0, 1020.3);
            assert!((0.0..360.0).contains(&ra), "{ra}");
        }
    }
}

/// The message of the error that a changed real header gives.
fn complaint(change: impl for<'a> Fn(&'a mut Header) -> &'a mut Header) -> String {
    let mut header = real_full_frame();
    change(&mut header);
    CelestialWcs::from_header(&header).unwrap_err().to_string()
}

fn without<'a>(header: &'a mut Header, gone: &[&str]) -> &'a mut Header {
    let mut left = Header::new();
    header.cards().iter().filter(|c| !gone.contains(&c.keyword.as_str())).for_each(|c| left.push(c.clone()));
    *header = left;
    header
}

#[test]
fn errors_name_the_card() {
    for card in ["CTYPE1", "CTYPE2", "CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2"] {
        assert_eq!(complaint(|h| without(h, &[card])), format!("card {card} is missing"));
    }
    for card in ["CRPIX2", "CRVAL1", "PC1_2", "CDELT1", "A_2_0", "B_0_0", "AP_1_1", "LONPOLE"] {
        assert_eq!(complaint(|h| h.set(card, f64::NAN, "")), format!("card {card} is not a finite number"));
        assert_eq!(
            complaint(|h| h.set(card, f64::INFINITY, "")),
            format!("card {card} is not a finite number")
        );
        assert!(complaint(|h| h.set(card, "x", "")).starts_with(&format!("card {card} should be a number")));
    }
    let starts = |message: String, start: &str| assert!(message.starts_with(start), "{message}");
    starts(complaint(|h| h.set("CTYPE1", "RA---ZPN", "")), "card CTYPE1 = RA---ZPN: ");
    starts(complaint(|h| h.set("CTYPE2", "GLAT-TAN", "")), "card CTYPE2 = GLAT-TAN: ");
    starts(complaint(|h| h.set("CTYPE2", "RA---TAN-SIP", "")), "card CTYPE2 = RA---TAN-SIP: ");
    starts(complaint(|h| h.set("CTYPE2", "DEC--TAN", "")), "card CTYPE2 = DEC--TAN: ");
    starts(
        complaint(|h| h.set("CTYPE1", "RA---TAN", "").set("CTYPE2", "DEC--TAN", "")),
        "card A_ORDER = 3: ",
    );
    starts(complaint(|h| h.set("A_ORDER", 10, "")), "card A_ORDER = 10: ");
    starts(complaint(|h| h.set("BP_ORDER", -1, "")), "card BP_ORDER = -1: ");
    starts(complaint(|h| without(h, &["B_ORDER"])), "card A_ORDER = 3: ");
    starts(complaint(|h| h.set("CRVAL2", 90.5, "")), "card CRVAL2 = 90.5: ");
    starts(complaint(|h| h.set("CUNIT1", "furlong", "")), "card CUNIT1 = furlong: ");
    starts(complaint(|h| h.set("RADESYS", "FK4", "")), "card RADESYS = FK4: ");
    starts(complaint(|h| h.set("PV2_1", 0.3, "")), "card PV2_1 = 0.3: ");
    starts(complaint(|h| h.set("CD1_1", 0.3, "")), "card PC1_1 = 0.00157606681598: PCi_j and CDi_j");
}

#[test]
fn small_letters_name_the_same_system() {
    let at = |system: &str| {
        let mut header = real_full_frame();
        header.set("RADESYS", system, "");
        CelestialWcs::from_header(&header).unwrap().pixel_to_sky(10.0, 20.0)
    };
    assert_eq!(at("icrs"), at("ICRS"));
    assert_eq!(at("fk5"), at("FK5"));
    assert_ne!(at("fk5"), at("icrs"));
}

#[test]
fn singular_matrices_are_refused() {
    let singular = |change: &dyn for<'a> Fn(&'a mut Header) -> &'a mut Header| {
        let mut header = real_full_frame();
        change(&mut header);
        let error = CelestialWcs::from_header(&header).unwrap_err();
        assert!(matches!(error, WcsError::Singular { .. }), "{error}");
    };
    singular(&|h| h.set("CDELT2", 0.0, ""));
    singular(&|h| h.set("PC1_1", 2.0, "").set("PC1_2", 1.0, "").set("PC2_1", 4.0, "").set("PC2_2", 2.0, ""));
    singular(&|h| h.set("CDELT2", 1e-300, "").set("CDELT1", 1e-300, ""));
    singular(&|h| h.set("CDELT2", 1e300, "").set("CDELT1", 1e300, ""));
    let header = Header::parse(
        "CTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRPIX1  = 1\nCRPIX2  = 1\nCRVAL1  = 1\nCRVAL2  = 1",
    );
    let error = CelestialWcs::from_header(&header.unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "card CDELT1 is missing");
}
