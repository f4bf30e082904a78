//! Tests of the point spread function.

use super::*;
use crate::CircularAperture;
use spx_core::elementary::exp;

/// A Gaussian plane, as spx-sim writes it.
fn gaussian(side: usize, sigma: f64) -> Vec<f32> {
    let middle = (side as f64 - 1.0) / 2.0;
    let line: Vec<f64> = (0..side).map(|k| exp(-0.5 * ((k as f64 - middle) / sigma).powi(2))).collect();
    #[expect(clippy::cast_possible_truncation, reason = "the planes are f32")]
    line.iter().flat_map(|y| line.iter().map(move |x| (y * x) as f32)).collect()
}

fn model(kind: PsfKind) -> PsfModel {
    // A standard deviation of 0.8 px.
    let (side, oversampling) = if kind == PsfKind::Optical { (101, 10.0) } else { (61, 5.0) };
    PsfModel::new(gaussian(side, 0.8 * oversampling), side, oversampling, kind, vec![[0.0; 2]]).unwrap()
}

/// Light within `radius` of a Gaussian's center.
fn within(radius: f64, variance: f64) -> f64 {
    1.0 - exp(-0.5 * radius * radius / variance)
}

#[test]
fn all_light_is_in_a_large_aperture() {
    for kind in [PsfKind::Optical, PsfKind::Effective] {
        let model = model(kind);
        let zone = model.zone(0).unwrap();
        for (x, y) in [(0.0, 0.0), (10.3, 7.9), (3.5, 2.5), (100.25, 1.77)] {
            let all = zone.enclosed(&CircularAperture { x, y, radius: 12.0 });
            assert!((all - 1.0).abs() < 5e-5, "{kind:?} ({x}, {y}): {all}");
        }
    }
}

#[test]
fn apertures_hold_the_light_of_a_gaussian() {
    // Averaged over the phase, a pixel adds 1/12 to the variance; sampling the circle by exact
    // overlap adds as much again, for a pixel's light is spread over it evenly.
    for (kind, variance) in [(PsfKind::Optical, 0.64 + 2.0 / 12.0), (PsfKind::Effective, 0.64 + 1.0 / 12.0)] {
        let model = model(kind);
        let zone = model.zone(0).unwrap();
        for radius in [1.0, 1.5, 2.0, 3.0] {
            let phases =
                (0..20).flat_map(|j| (0..20).map(move |i| (f64::from(i) / 20.0, f64::from(j) / 20.0)));
            let sum: f64 = phases.map(|(x, y)| zone.enclosed(&CircularAperture { x, y, radius })).sum();
            let (found, expected) = (sum / 400.0, within(radius, variance));
            assert!((found / expected - 1.0).abs() < 0.005, "{kind:?} {radius}: {found} {expected}");
        }
    }
}

#[test]
fn pixels_of_an_optical_function_are_its_integral() {
    let model = model(PsfKind::Optical);
    let zone = model.zone(0).unwrap();
    // A pixel on the source: erf(0.5 / (0.8 sqrt 2))^2.
    let center = zone.pixel(0.0, 0.0);
    assert!((center / 0.468_028_942_f64.powi(2) - 1.0).abs() < 1e-4, "{center}");
    assert_eq!(zone.pixel(7.0, 0.0), 0.0);
    assert!((zone.pixel(0.3, -1.2) - zone.pixel(-0.3, 1.2)).abs() < 1e-8);
}

#[test]
fn effective_functions_are_smooth_between_samples() {
    // As narrow as SPHEREx's, 0.85 px before the pixels collect it.
    let sigma = 0.46;
    let plane = gaussian(33, 5.0 * sigma);
    let model = PsfModel::new(plane, 33, 5.0, PsfKind::Effective, vec![[0.0; 2]]).unwrap();
    let zone = model.zone(0).unwrap();
    let peak = 1.0 / (std::f64::consts::TAU * sigma * sigma);
    for k in 0..400 {
        let [dx, dy] = [k % 20, k / 20].map(|k| f64::from(k) * 0.11 - 1.1);
        let exact = peak * exp(-0.5 * (dx * dx + dy * dy) / (sigma * sigma));
        let found = zone.pixel(dx, dy);
        assert!((found - exact).abs() < 1e-3 * peak, "({dx}, {dy}): {found} {exact}");
    }
}

#[test]
fn unusable_planes_spoil_their_zone_only() {
    let mut planes = gaussian(5, 1.0);
    planes.extend(vec![0.0; 25]);
    planes.extend(vec![f32::NAN; 25]);
    let model = PsfModel::new(planes, 5, 1.0, PsfKind::Optical, vec![[0.0; 2]; 3]).unwrap();
    assert!(model.zone(0).is_some());
    assert!(model.zone(1).is_none() && model.zone(2).is_none() && model.zone(3).is_none());
}

/// Cards of 3 x 2 zones, listed in the order of the planes or by columns.
fn cards(by_columns: bool) -> Header {
    let mut header = Header::new();
    header.set("OVERSAMP", 10, "");
    for k in 0..6u32 {
        let [ix, iy] = if by_columns { [k / 2, k % 2] } else { [k % 3, k / 3] };
        let mut card = |stem: &str, value: u32, comment: String| {
            header.set(&format!("{stem}_{}", k + 1), value, &comment);
        };
        card("XCTR", 100 * ix + 50, format!("X pixel at center of zone ({ix}, {iy})"));
        card("YCTR", 100 * iy + 50, format!("Y pixel at center of zone ({ix}, {iy})"));
    }
    header
}

#[test]
fn zones_are_in_the_order_of_the_planes() {
    let planes = || vec![1.0; 6 * 9];
    let right = PsfModel::from_cube(&cards(false), Some("6.5.7"), planes(), 6, 3).unwrap();
    assert!(!right.is_reordered());
    assert_eq!(right.centers()[1], [150.0, 50.0]);
    for version in [None, Some("6.5.4")] {
        let wrong = PsfModel::from_cube(&cards(true), version, planes(), 6, 3).unwrap();
        assert!(wrong.is_reordered());
        assert_eq!(wrong.centers(), right.centers());
        // Cards that are right stay right.
        assert_eq!(
            PsfModel::from_cube(&cards(false), version, planes(), 6, 3).unwrap().centers(),
            right.centers()
        );
    }
    let fixed = PsfModel::from_cube(&cards(true), Some("6.5.4+psffix1"), planes(), 6, 3).unwrap();
    assert_eq!(fixed.centers()[1], [50.0, 150.0], "taken as they stand");
    assert_eq!(right.zone_at([149.0, 70.0]), 1);
    assert_eq!(right.zone_at([-50.0, 1000.0]), 3);
}

#[test]
fn bad_zones_are_refused() {
    let mut header = cards(true);
    header.set("XCTR_3", 1.0, "no zone");
    assert!(PsfModel::from_cube(&header, None, vec![1.0; 54], 6, 3).is_err());
    header.set("XCTR_3", 1.0, "zone (0, 0)");
    assert!(PsfModel::from_cube(&header, None, vec![1.0; 54], 6, 3).is_err());
    assert!(PsfModel::from_cube(&cards(true), None, vec![1.0; 63], 7, 3).is_err(), "a zone without cards");
    assert!(PsfModel::new(vec![1.0; 10], 3, 10.0, PsfKind::Optical, vec![[0.0; 2]]).is_err());
    assert!(PsfModel::new(vec![1.0; 9], 3, 0.0, PsfKind::Optical, vec![[0.0; 2]]).is_err());
    assert!(PsfModel::new(Vec::new(), 0, 1.0, PsfKind::Optical, Vec::new()).is_err());
}

#[test]
fn regular_zones_cover_the_frame() {
    let zones = regular_zones(21, 21, 2040);
    assert_eq!(zones.len(), 441);
    assert!((zones[0][0] - 48.071_428_571_428_57).abs() < 1e-12);
    assert!((zones[220][0] - 1019.5).abs() < 1e-12 && (zones[220][1] - 1019.5).abs() < 1e-12);
    assert!(zones[1][0] > zones[0][0] && zones[1][1] == zones[0][1]);
}

/// A cube that is off its middle is centered; a table is taken as it stands.
#[test]
fn cubes_are_centered() {
    let middle = 50.0;
    for [x0, y0] in [[0.0, 0.0], [-0.53, 0.4], [1.1, -0.9]] {
        let plane: Vec<f32> = (0..101 * 101)
            .map(|k| {
                let [x, y] = [(k % 101) as f64 - middle - x0, (k / 101) as f64 - middle - y0];
                #[expect(clippy::cast_possible_truncation, reason = "the planes are f32")]
                let value = exp(-0.5 * (x * x + y * y) / 16.0) as f32;
                value
            })
            .collect();
        let model = PsfModel::new(plane, 101, 10.0, PsfKind::Optical, vec![[0.0; 2]]).unwrap();
        let zone = model.zone(0).unwrap();
        // erf(0.5 / (0.4 sqrt 2))^2.
        let center = zone.pixel(0.0, 0.0);
        assert!((center / 0.788_700_452_f64.powi(2) - 1.0).abs() < 2e-3, "({x0}, {y0}): {center}");
        let [left, right] = [zone.pixel(-0.8, 0.3), zone.pixel(0.8, -0.3)];
        assert!((left / right - 1.0).abs() < 2e-3, "({x0}, {y0}): {left} {right}");
    }
}

#[test]
fn zones_are_interpolated() {
    let planes = [3.0, 4.0, 5.0, 6.0].into_iter().flat_map(|s| gaussian(33, s)).collect::<Vec<_>>();
    let centers = vec![[100.0, 100.0], [200.0, 100.0], [100.0, 300.0], [200.0, 300.0]];
    let model = PsfModel::new(planes, 33, 5.0, PsfKind::Effective, centers).unwrap();
    let at = |x: f64, y: f64, zones| model.at([x, y], zones).unwrap().pixel(0.3, 0.1);
    let alone = |zone: usize| model.zone(zone).unwrap().pixel(0.3, 0.1);
    let mixed = 0.75 * (0.5 * alone(0) + 0.5 * alone(1)) + 0.25 * (0.5 * alone(2) + 0.5 * alone(3));
    assert!((at(150.0, 150.0, PsfZones::Bilinear) - mixed).abs() < 1e-12);
    assert_eq!(at(140.0, 120.0, PsfZones::Nearest), alone(0));
    assert_eq!(at(0.0, 900.0, PsfZones::Bilinear), alone(2), "clamped beyond the outermost");
    // Whole tiles are what single pixels are.
    let psf = model.at([130.0, 210.0], PsfZones::Bilinear).unwrap();
    let mut tile = ProfileTile::default();
    psf.fill([130.3, 209.6], [120..141, 203..217], &mut tile);
    let mut sum = 0.0;
    for (y, x) in (203..217).flat_map(|y| (120..141).map(move |x| (y, x))) {
        let expected = psf.pixel(x as f64 - 130.3, y as f64 - 209.6);
        assert!((tile.at(x, y) - expected).abs() < 1e-12, "({x}, {y})");
        sum += tile.at(x, y);
    }
    assert!((sum - 1.0).abs() < 0.05, "{sum}");
}

#[test]
fn a_cache_gives_what_the_planes_of_each_image_give() {
    let cache = Arc::new(PsfCache::default());
    let detector = Detector::new(3).unwrap();
    let of = |sigma: f64| {
        let planes = [gaussian(61, sigma), gaussian(61, 1.2 * sigma)].concat();
        PsfModel::new(planes, 61, 5.0, PsfKind::Effective, vec![[0.0; 2], [9.0; 2]]).unwrap()
    };
    let widths = |model: &PsfModel| [0, 1].map(|zone| model.zone(zone).unwrap().fwhm());
    for sigma in [4.0, 4.0, 5.0, 4.0] {
        let cached = of(sigma).with_cache(Arc::clone(&cache), detector);
        assert_eq!(widths(&cached), widths(&of(sigma)), "{sigma}");
    }
    let unusable = || PsfModel::new(vec![f32::NAN; 9], 3, 1.0, PsfKind::Effective, vec![[0.0; 2]]).unwrap();
    for _ in 0..2 {
        assert!(unusable().with_cache(Arc::clone(&cache), detector).zone(0).is_none());
    }
}
