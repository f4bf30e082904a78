//! The fit against skies whose foreground is known: noise as the archive has it (VARIANCE affine in
//! the observed rate), sources, gradients, a galaxy, airglow.
#![expect(clippy::cast_possible_truncation, reason = "planes are f32")]

use fastrand::Rng;

use super::*;
use crate::elementary::{cos, exp, hypot, ln, powf};
use crate::image::PixelPlanes;

const ZODI: f64 = 0.3;
const SOURCE: i32 = 1 << 21;
/// Electrons in an exposure for 1 MJy/sr, read noise, photon noise of a ramp.
const GAIN: f64 = 713.0;

/// Wavelength falls with the row over the range of a detector.
struct Ramp {
    rows: f64,
    detector: Detector,
}

impl WavelengthMap for Ramp {
    fn passband(&self, x: f64, y: f64) -> Passband {
        let channels = self.detector.channels();
        let (low, high) = (channels[0].wl_min, channels[16].wl_max);
        let center = low * powf(high / low, (y + 0.5) / self.rows) * (1.0 + 1e-9 * x);
        Passband { center, width: center / 41.0 }
    }
}

/// A sky of `shape`, what the pixel `(x, y)` gets besides the zodiacal light, and sources on a
/// share of the pixels.
struct TestSky {
    shape: [usize; 2],
    detector: i64,
    rows: f64,
    planes: PixelPlanes,
}

fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * ln(1.0 - rng.f64())).sqrt() * cos(std::f64::consts::TAU * rng.f64())
}

impl TestSky {
    fn new(seed: u64, shape: [usize; 2], light: impl Fn(f64, f64) -> f64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let [ny, nx] = shape;
        let mut planes = PixelPlanes::default();
        for (x, y) in (0..ny).flat_map(|y| (0..nx).map(move |x| (x as f64, y as f64))) {
            let zodi = ZODI * (1.0 + 0.1 * x / nx as f64 - 0.2 * y / ny as f64);
            let variance = |rate: f64| (25.0 + 1.2 * GAIN * rate.max(0.0)) / (GAIN * GAIN);
            let rate = zodi + light(x, y);
            let observed = rate + normal(&mut rng) * variance(rate).sqrt();
            planes.image.push(observed as f32);
            planes.flags.push(0);
            planes.variance.push(variance(observed) as f32);
            planes.zodi.push(zodi as f32);
        }
        Self { shape, detector: 3, rows: ny as f64, planes }
    }

    /// Stars as round patches of SOURCE with wings beyond, until this share of the pixels is
    /// flagged.
    fn with_sources(mut self, share: f64) -> Self {
        let mut rng = Rng::with_seed(17);
        let [ny, nx] = self.shape;
        let mut flagged = 0;
        while (flagged as f64) < share * (nx * ny) as f64 {
            let (x0, y0, radius) = (rng.usize(..nx), rng.usize(..ny), 3 + rng.usize(..9));
            for y in y0.saturating_sub(12)..(y0 + 13).min(ny) {
                for x in x0.saturating_sub(12)..(x0 + 13).min(nx) {
                    let distance = hypot(x as f64 - x0 as f64, y as f64 - y0 as f64);
                    let at = y * nx + x;
                    // Its wings end a pixel beyond the mask.
                    if distance <= radius as f64 + 1.0 {
                        self.planes.image[at] += 0.5 * ((radius as f64 + 1.0 - distance) as f32).powi(2);
                    }
                    if distance <= radius as f64 && self.planes.flags[at] == 0 {
                        self.planes.flags[at] = SOURCE;
                        flagged += 1;
                    }
                }
            }
        }
        self
    }

    fn fit(&self, options: &ForegroundOptions, excluded: &[ExcludedCircle]) -> ForegroundFit {
        self.with_input(excluded, |input| fit(input, options)).unwrap()
    }

    fn with_input<T>(&self, excluded: &[ExcludedCircle], f: impl Fn(&ForegroundInput<'_>) -> T) -> T {
        let detector = Detector::new(self.detector).unwrap();
        f(&ForegroundInput {
            shape: self.shape,
            planes: self.planes.from_pixel(0),
            flag_names: &FlagNames::default(),
            detector,
            wavelengths: &Ramp { rows: self.rows, detector },
            excluded,
        })
    }
}

fn default_fit(sky: &TestSky) -> ForegroundFit {
    sky.fit(&ForegroundOptions::default(), &[])
}

#[test]
fn blank_sky_has_scale_one() {
    for (seed, share) in [(1, 0.0), (2, 0.2), (3, 0.45), (4, 0.75), (5, 0.9)] {
        // Where little is left between the sources, it takes a large image.
        let rows = if share > 0.8 { 2000 } else { 700 };
        let sky = TestSky::new(seed, [rows, 1000], |_, _| 0.0).with_sources(share);
        let found = default_fit(&sky);
        let error = found.scale_error.unwrap();
        println!("SOURCE {share}: {:.6} +- {error:.6}", found.scale);
        assert_eq!(found.origin, ScaleOrigin::Fitted);
        assert!((found.scale - 1.0).abs() < f64::max(5e-4, 2.5 * error) && error < 5e-4, "{found:?}");
        assert!((found.scale - 1.0).abs() < 4.0 * error && found.remark().is_none(), "{:?}", found.remark());
        let pull = found.residual.iter().map(|bin| bin.significance().powi(2)).sum::<f64>();
        assert!(found.residual.len() >= 40 && pull / (found.residual.len() as f64) < 2.0, "{pull}");
    }
    // Raw inverse variances are what spxquery has, and wrong.
    let sky = TestSky::new(1, [700, 1000], |_, _| 0.0);
    let ivm = ForegroundOptions { estimator: ForegroundEstimator::Ivm, ..Default::default() };
    let found = sky.fit(&ivm, &[]);
    assert!((found.scale - 0.99).abs() < 0.006, "{}", found.scale);
}

#[test]
fn a_small_crowd_is_fitted_near_to_its_sources() {
    let fits = (0..12).map(|seed| {
        let sky = TestSky::new(40 + seed, [200, 200], |_, _| 0.0).with_sources(0.9);
        let apart = sky.with_input(&[], |input| {
            let rule = BackgroundRule::new(input, &FlagSelection::Photometry, SOURCE_GROWTH);
            BackgroundPixels::gather(input, rule, 1).open
        });
        assert!(apart < CROWDED_PIXELS, "{apart}");
        let found = default_fit(&sky);
        assert_eq!(found.origin, ScaleOrigin::Fitted);
        (found.scale, found.scale_error.unwrap())
    });
    let (scales, errors): (Vec<f64>, Vec<f64>) = fits.unzip();
    let mean = scales.iter().sum::<f64>() / 12.0;
    let error = errors.iter().map(|e| e * e).sum::<f64>().sqrt() / 12.0;
    println!("90 % SOURCE: {mean:.5} +- {error:.5}");
    assert!((mean - 1.0).abs() < 3.0 * error, "{mean} +- {error}");
}

#[test]
fn errors_are_those_of_the_scatter() {
    let pulls: Vec<f64> = (0..60)
        .map(|seed| {
            let found = default_fit(&TestSky::new(100 + seed, [120, 130], |_, _| 0.0));
            (found.scale - 1.0) / found.scale_error.unwrap()
        })
        .collect();
    let (n, mean) = (pulls.len() as f64, pulls.iter().sum::<f64>() / pulls.len() as f64);
    let width = (pulls.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / n).sqrt();
    println!("pulls {mean:.3} +- {:.3}, width {width:.3}", width / n.sqrt());
    assert!(mean.abs() < 3.5 / n.sqrt() && (width - 1.0).abs() < 0.35);
}

/// A model that is wrong by 5 % from one side to the other is fitted where it is right on the
/// average.
#[test]
fn gradients_do_no_harm() {
    let sky = TestSky::new(5, [700, 1000], |x, _| 0.05 * ZODI * (x / 999.0 - 0.5));
    let found = default_fit(&sky);
    assert!((found.scale - 1.0).abs() < 1.5e-3, "{found:?}");
}

/// Sources do not count against an image, bad pixels do.
#[test]
fn where_most_pixels_are_bad_the_run_helps() {
    let crowded = TestSky::new(6, [300, 300], |_, _| 0.0).with_sources(0.7);
    let found = default_fit(&crowded);
    assert!((found.scale - 1.0).abs() < 4.0 * found.scale_error.unwrap(), "{found:?}");
    let ivm = ForegroundOptions { estimator: ForegroundEstimator::Ivm, ..Default::default() };
    assert!(crowded.fit(&ivm, &[]).is_unfitted(), "spxquery counts all pixels");

    let mut sky = TestSky::new(6, [300, 300], |_, _| 0.0);
    sky.planes.flags.iter_mut().step_by(5).for_each(|flags| *flags |= 1 << 10);
    assert!(!default_fit(&sky).is_unfitted());
    sky.planes.flags.iter_mut().step_by(2).for_each(|flags| *flags |= 1 << 10);
    let mut found = default_fit(&sky);
    assert!(
        matches!(found.origin, ScaleOrigin::TooFewPixels { fraction, .. } if (fraction - 0.4).abs() < 0.01)
    );
    assert!(found.is_unfitted() && found.scale == 1.0);
    found.take_from_run(&[]);
    assert!(found.scale == 1.0 && found.from_run.is_none());
    found.take_from_run(&[1.04, 1.02, 1.06, 0.9]);
    assert_eq!((found.scale, found.from_run), (1.03, Some(4)));
    assert!(found.remark().unwrap().contains("the median of 4 other exposures"));
}

#[test]
fn a_galaxy_is_left_out() {
    // exp(-r / 90") on pixels of 6.15".
    let galaxy = |peak: f64| move |x: f64, y: f64| peak * exp(-hypot(x - 74.0, y - 75.0) * 6.15 / 90.0);
    let total = |peak: f64| {
        let light = galaxy(peak);
        (0..150 * 150).map(|k| light(f64::from(k % 150), f64::from(k / 150))).sum::<f64>()
    };
    for peak in [0.3, 3.0, 30.0] {
        let sky = TestSky::new(7, [150, 150], galaxy(peak));
        let lost = |found: &ForegroundFit| {
            let taken: f64 = sky.planes.zodi.iter().map(|z| f64::from(*z)).sum::<f64>() * (found.scale - 1.0);
            taken / total(peak)
        };
        let alone = default_fit(&sky);
        let circle = ExcludedCircle { center: [74.0, 75.0], radius: 65.0 };
        let masked = sky.fit(&ForegroundOptions::default(), &[circle]);
        println!("peak {peak}: {:.4} lost alone, {:.4} with the mask", lost(&alone), lost(&masked));
        assert!(lost(&masked).abs() < 0.01, "{masked:?}");
        assert!(alone.is_unfitted() || alone.remark().is_some(), "{alone:?}");
    }
    let nebula = default_fit(&TestSky::new(8, [150, 150], |_, _| 0.3));
    assert!(nebula.remark().unwrap().contains("far from 1"), "{nebula:?}");
}

#[test]
fn airglow_is_seen_and_subtracted() {
    // He I at 1.083 um, as wide as the passband.
    let glow = |y: f64, rows: f64, peak: f64| {
        let ramp = Ramp { rows, detector: Detector::new(1).unwrap() };
        peak * ZODI * exp(-0.5 * ((ramp.passband(0.0, y).center - 1.083) / 0.0118f64).powi(2))
    };
    for peak in [0.0, 1.0, 3.0] {
        let mut sky = TestSky::new(9, [2040, 300], |_, y| glow(y, 2040.0, peak));
        sky.detector = 1;
        let options = ForegroundOptions { mode: ForegroundMode::Spectral, ..Default::default() };
        let (plain, spectral) = (default_fit(&sky), sky.fit(&options, &[]));
        assert!((plain.scale - 1.0).abs() < 2e-3, "{peak}: {}", plain.scale);
        let strongest = plain.strongest_residual().unwrap();
        if peak > 0.0 {
            assert!((strongest.wavelength - 1.083).abs() < 0.01 && strongest.significance() > 20.0);
            assert!((strongest.level / (peak * ZODI) - 1.0).abs() < 0.2, "{strongest:?}");
            assert!(plain.remark().unwrap().contains("airglow"), "{:?}", plain.remark());
            assert!(spectral.remark().is_none_or(|remark| !remark.contains("airglow, where")));
        } else {
            assert!(strongest.significance().abs() < 5.0, "{strongest:?}");
        }
        let spectrum = spectral.spectrum.as_ref().unwrap();
        let (mut worst, mut band) = (0.0f64, 0.0);
        let ramp = Ramp { rows: 2040.0, detector: Detector::new(1).unwrap() };
        for y in 0..2040 {
            let wavelength = ramp.passband(0.0, f64::from(y)).center;
            let left = glow(f64::from(y), 2040.0, peak) - spectrum.at_um(wavelength)
                + ZODI * 0.95 * (1.0 - spectral.scale);
            band += left;
            if y % 120 == 119 {
                // About what a channel averages over.
                worst = worst.max((band / 120.0f64).abs());
                band = 0.0;
            }
        }
        println!("He I at {peak} zodi: at most {worst:.5} MJy/sr left in a channel");
        assert!(worst < 0.1 * 0.0235, "{worst}");
    }
}

#[test]
fn bad_pixels_do_not_count() {
    let clean = TestSky::new(10, [100, 100], |_, _| 0.0);
    let mut spoiled = TestSky::new(10, [100, 100], |_, _| 0.0);
    let planes = &mut spoiled.planes;
    let mut at = 0;
    for (image, flags, variance, zodi) in [
        (f32::NAN, 0, 1e-4, 0.3),
        (f32::INFINITY, 0, 1e-4, 0.3),
        (1e6, 1 << 10, 1e-4, 0.3),
        (1e6, 1 << 20, 1e-4, 0.3),
        (1e6, SOURCE, 1e-4, 0.3),
        (1e6, 0, f32::NAN, 0.3),
        (1e6, 0, 0.0, 0.3),
        (1e6, 0, -1.0, 0.3),
        (1e6, 0, f32::INFINITY, 0.3),
        (1e6, 0, 1e-4, f32::NAN),
        (1e6, 0, 1e-4, 0.0),
    ] {
        at += 701;
        (planes.image[at], planes.flags[at]) = (image, flags);
        (planes.variance[at], planes.zodi[at]) = (variance, zodi);
    }
    let left = |sky: &TestSky| {
        sky.with_input(&[], |input| {
            let rule = BackgroundRule::new(input, &FlagSelection::Photometry, SOURCE_GROWTH);
            BackgroundPixels::gather(input, rule, 1).background
        })
    };
    assert_eq!(left(&clean), 10_000);
    assert_eq!(left(&spoiled), 10_000 - 10 - 25, "the pixels around the source are left out, too");
    let (clean, spoiled) = (default_fit(&clean), default_fit(&spoiled));
    assert!((clean.scale - spoiled.scale).abs() < 0.5 * clean.scale_error.unwrap());
}

#[test]
fn limits_and_empty_images_are_told() {
    let limits = ForegroundOptions { scale_max: 0.9, ..Default::default() };
    let found = TestSky::new(11, [80, 80], |_, _| 0.0).fit(&limits, &[]);
    assert!(matches!(found.origin, ScaleOrigin::OutOfRange { fitted } if (fitted - 1.0).abs() < 0.02));
    assert_eq!(found.scale, 1.0);
    let mut nothing = TestSky::new(12, [30, 30], |_, _| 0.0);
    nothing.planes.flags.fill(1 << 10);
    assert!(matches!(default_fit(&nothing).origin, ScaleOrigin::TooFewPixels { fraction: 0.0, pixels: 0 }));
    let fixed = ForegroundOptions { mode: ForegroundMode::Static, ..Default::default() };
    assert_eq!(nothing.fit(&fixed, &[]).origin, ScaleOrigin::Static);
    for mode in ["fit", "static", "spectral", "none"] {
        assert_eq!(mode.parse::<ForegroundMode>().unwrap().to_string(), mode);
    }
    assert_eq!(
        "median".parse::<ForegroundMode>().unwrap_err().to_string(),
        "unknown background `median`: expected fit, static, spectral or none"
    );
}
