//! Rejection of outliers on a simulated sky: hits are found, stars of any brightness are left, and
//! the noise stays what VARIANCE says.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test panics, and prints its figures")]
#![allow(clippy::cast_possible_truncation, reason = "images are in single precision")]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, StandardNormal, Uniform};
use spx_core::elementary::{exp, hypot, sin_cos};
use spx_drizzle::map::{Passband, PixelMap, WavelengthMap};
use spx_drizzle::progress::Silent;
use spx_drizzle::{
    ComparisonOptions, Cube, DrizzleOptions, DrizzlePlan, Drizzler, Droplets, Exposure, ExposureExtras,
    Kernel, RejectionOptions, WavelengthGrid,
};

const GAIN: f64 = 713.0;
const ZODI: f64 = 0.3;
const PSF_SIGMA: f64 = 0.36;
const SIDE: usize = 100;
const OUTPUT: usize = 70;

fn variance(rate: f64) -> f64 {
    (25.0 + 1.2 * GAIN * rate.max(0.0)) / (GAIN * GAIN)
}

fn noise() -> f64 {
    variance(ZODI).sqrt()
}

struct Pointing {
    sin: f64,
    cos: f64,
    shift: [f64; 2],
    /// Wavelength in the middle \[um\].
    wavelength: f64,
}

impl PixelMap for Pointing {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let (x, y) = (x - 49.5, y - 49.5);
        let [dx, dy] = self.shift;
        Some([34.5 + self.cos * x - self.sin * y + dx, 34.5 + self.sin * x + self.cos * y + dy])
    }
}

impl WavelengthMap for Pointing {
    fn passband(&self, _: f64, y: f64) -> Passband {
        Passband { center: self.wavelength - 0.0004 * (y - 49.5), width: 0.05 }
    }
}

impl Pointing {
    fn back(&self, [u, v]: [f64; 2]) -> [f64; 2] {
        let (u, v) = (u - 34.5 - self.shift[0], v - 34.5 - self.shift[1]);
        [49.5 + self.cos * u + self.sin * v, 49.5 - self.sin * u + self.cos * v]
    }
}

struct SkyExposure {
    map: Pointing,
    flux: Vec<f32>,
    /// Without the hits.
    clean: Vec<f32>,
    variance: Vec<f32>,
    /// Pixels that were hit, with the hit in units of the noise of the sky.
    hits: Vec<(usize, f64)>,
}

/// Nine stars from 3 sigma an exposure to a million.
fn stars() -> Vec<([f64; 2], f64)> {
    let flux = [3.0, 10.0, 30.0, 100.0, 1e3, 1e4, 1e5, 1e6, 20.0].map(|ratio| ratio * 1.64 * noise());
    flux.iter()
        .enumerate()
        .map(|(k, f)| ([12.3 + 22.4 * (k % 3) as f64, 11.8 + 22.7 * (k / 3) as f64], *f))
        .collect()
}

/// The pixels on which a star at a place of the output shines, with their shares of its light.
fn light(map: &Pointing, place: [f64; 2]) -> impl Iterator<Item = (usize, f64)> {
    let [sx, sy] = map.back(place);
    let profile = |v: f64| {
        let sub = (0..9).map(|k| (v + (f64::from(k) - 4.0) / 9.0) / PSF_SIGMA);
        sub.map(|t| exp(-0.5 * t * t)).sum::<f64>() / (PSF_SIGMA * std::f64::consts::TAU.sqrt() * 9.0)
    };
    (0..SIDE * SIDE).filter_map(move |pixel| {
        let (dx, dy) = ((pixel % SIDE) as f64 - sx, (pixel / SIDE) as f64 - sy);
        (dx.abs() < 5.0 && dy.abs() < 5.0).then(|| (pixel, profile(dx) * profile(dy)))
    })
}

fn exposures(count: usize, hit_rate: f64) -> Vec<SkyExposure> {
    let mut rng = ChaCha8Rng::seed_from_u64(42);
    let uniform = Uniform::new(0.0, 1.0).unwrap();
    let strength = Exp::new(1.0 / 22.5).unwrap();
    (0..count)
        .map(|k| {
            let (sin, cos) = sin_cos(std::f64::consts::TAU * uniform.sample(&mut rng));
            let shift = [0, 1].map(|_| 6.0 * uniform.sample(&mut rng) - 3.0);
            let map = Pointing { sin, cos, shift, wavelength: 2.0 + 0.1 * (k % 3) as f64 };
            let mut rate = vec![ZODI; SIDE * SIDE];
            for (place, flux) in stars() {
                light(&map, place).for_each(|(pixel, share)| rate[pixel] += flux * share);
            }
            let (mut flux, mut clean, mut of_flux, mut hits) = (vec![], vec![], vec![], vec![]);
            for (pixel, rate) in rate.iter().enumerate() {
                let normal: f64 = StandardNormal.sample(&mut rng);
                let mut value = rate + variance(*rate).sqrt() * normal;
                clean.push((value - ZODI) as f32);
                if uniform.sample(&mut rng) < hit_rate {
                    let hit: f64 = strength.sample(&mut rng);
                    value += hit * noise();
                    hits.push((pixel, hit));
                }
                flux.push((value - ZODI) as f32);
                of_flux.push(variance(value) as f32);
            }
            SkyExposure { map, flux, clean, variance: of_flux, hits }
        })
        .collect()
}

fn exposure<'a>(sky: &'a SkyExposure, flux: &'a [f32]) -> Exposure<'a> {
    Exposure {
        shape: [SIDE; 2],
        rows: 0..SIDE,
        flux,
        variance: &sky.variance,
        flags: &[],
        foreground: None,
        excluded: 0,
        pixel_map: &sky.map,
        wavelength_map: &sky.map,
        extra: ExposureExtras::default(),
    }
}

fn plan(kernel: Kernel) -> DrizzlePlan {
    let grid = WavelengthGrid::custom(vec![1.9, 1.95, 2.0, 2.05, 2.1, 2.15, 2.2, 2.25, 2.3]).unwrap();
    let options = DrizzleOptions { kernel, ..DrizzleOptions::default() };
    DrizzlePlan::new([OUTPUT; 2], grid, options).unwrap()
}

fn comparison(options: RejectionOptions) -> ComparisonOptions {
    ComparisonOptions { rejection: Some(options), ..ComparisonOptions::default() }
}

/// Drizzles with rejection; counts pixels that were judged and rejected.
fn reject(
    exposures: &[SkyExposure],
    kernel: Kernel,
    options: &RejectionOptions,
    threads: usize,
) -> (Cube, [u64; 2]) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut drizzler = Drizzler::new(plan(kernel));
    let load = |plan: &DrizzlePlan, sky: &SkyExposure, out: &mut Droplets| {
        let exposure = exposure(sky, &sky.flux);
        plan.collect(&exposure, &plan.spans(exposure.pixel_map, exposure.shape), out)
    };
    let answers =
        pool.install(|| drizzler.add_all_compared(exposures, load, &comparison(*options), &Silent)).unwrap();
    let judged = answers.into_iter().map(|answer| answer.unwrap().1.judged);
    let sum = judged.fold([0, 0], |[a, b], [judged, rejected]| [a + judged, b + rejected]);
    (Cube::from_data(&drizzler), sum)
}

fn without(exposures: &[SkyExposure], flux: impl Fn(&SkyExposure) -> &[f32]) -> Cube {
    let mut drizzler = Drizzler::new(plan(Kernel::Bilinear));
    for sky in exposures {
        drizzler.add(&exposure(sky, flux(sky))).unwrap();
    }
    Cube::from_data(&drizzler)
}

/// The flux in an aperture of all planes.
fn aperture(cube: &Cube, [x, y]: [f64; 2]) -> f64 {
    let near = |v: usize, u: usize| hypot(u as f64 - x, v as f64 - y) < 4.5;
    let pixels = cube.science.indexed_iter().filter(|((_, v, u), value)| near(*v, *u) && value.is_finite());
    pixels.map(|(_, value)| f64::from(*value)).sum()
}

/// Blank voxels over their errors: their width, and the share beyond 5.
fn blank(cube: &Cube) -> (f64, f64) {
    let far = |v: usize, u: usize| stars().iter().all(|([x, y], _)| hypot(u as f64 - x, v as f64 - y) > 5.0);
    let pulls = cube.science.indexed_iter().zip(&cube.variance);
    let pulls: Vec<f64> = pulls
        .filter(|(((_, v, u), value), _)| value.is_finite() && far(*v, *u))
        .map(|((_, value), variance)| f64::from(*value) / f64::from(*variance).sqrt())
        .collect();
    let n = pulls.len() as f64;
    let squares: f64 = pulls.iter().filter(|p| p.abs() < 5.0).map(|p| p * p).sum();
    let beyond = pulls.iter().filter(|p| p.abs() > 5.0).count() as f64;
    ((squares / (n - beyond)).sqrt(), beyond / n)
}

#[test]
fn hits_go_and_stars_stay() {
    let sky = exposures(60, 0.001);
    let (cube, [judged, rejected]) = reject(&sky, Kernel::Bilinear, &RejectionOptions::default(), 2);
    let (clean, spoiled) = (without(&sky, |sky| &sky.clean), without(&sky, |sky| &sky.flux));
    // Hits lie anywhere, and pixels outside the output are not judged.
    let share = judged as f64 / (sky.len() * SIDE * SIDE) as f64;
    let strong =
        |least: f64| share * sky.iter().flat_map(|s| &s.hits).filter(|(_, hit)| *hit > least).count() as f64;
    println!(
        "{rejected} of {judged} pixels rejected; {:.0} hits, {:.0} above 6 sigma",
        strong(0.0),
        strong(6.0)
    );
    assert!(rejected as f64 > 0.72 * strong(0.0), "an exponential of 22.5 sigma has 79 % above 5.3");
    for (place, flux) in stars() {
        let [found, expected] = [&cube, &clean].map(|cube| aperture(cube, place));
        let error = 30.0 * noise();
        println!("star of {flux:.1}: {:+.5} of its flux", found / expected - 1.0);
        assert!((found - expected).abs() < 0.002 * expected.abs() + error, "{found} for {expected}");
    }
    let ((width, beyond), (_, before)) = (blank(&cube), blank(&spoiled));
    println!("blank sky: width {width:.4}, beyond 5 sigma {beyond:.5}, without rejection {before:.5}");
    assert!((0.99..1.03).contains(&width) && beyond < 3e-4 && before > 3e-3);
}

/// Without hits next to nothing is rejected, and no star at all.
#[test]
fn a_clean_sky_is_left_alone() {
    let sky = exposures(45, 0.0);
    let (cube, [judged, rejected]) = reject(&sky, Kernel::Bilinear, &RejectionOptions::default(), 2);
    println!("{rejected} of {judged} pixels rejected");
    assert!(judged > 100_000 && (rejected as f64) < 2e-4 * judged as f64);
    let clean = without(&sky, |sky| &sky.flux);
    for (place, flux) in stars() {
        let [found, expected] = [&cube, &clean].map(|cube| aperture(cube, place));
        println!("star of {flux:.1}: {:+.6} of its flux", found / expected - 1.0);
        assert!((found - expected).abs() < 0.001 * expected.abs() + 3.0 * noise());
    }
}

/// Pixels as wide as the PSF see a star as bright as a few times its median: a smaller factor than
/// the default removes stars.
#[test]
fn a_smaller_contrast_removes_stars() {
    let sky = exposures(45, 0.0);
    let clean = without(&sky, |sky| &sky.flux);
    let (place, _) = stars()[3];
    let changes = [1.0, 1.5, 2.0, 3.0].map(|contrast| {
        let options = RejectionOptions { contrast, ..RejectionOptions::default() };
        let (cube, _) = reject(&sky, Kernel::Bilinear, &options, 2);
        let change = aperture(&cube, place) / aperture(&clean, place) - 1.0;
        println!("contrast {contrast}: {:+.2} % of a star of 100 sigma", 100.0 * change);
        change
    });
    assert!(changes[0] < -0.1 && changes[1] < -0.02 && changes[3].abs() < 1e-3);
}

/// Adds light of a star to an exposure, and to its variance what follows the rate.
fn add_star(sky: &mut SkyExposure, place: [f64; 2], flux: f64) {
    for (pixel, share) in light(&sky.map, place) {
        sky.flux[pixel] += (flux * share) as f32;
        sky.variance[pixel] += (1.2 * flux * share / GAIN) as f32;
    }
}

/// Of an object that is elsewhere in each exposure nothing is left but a trace below the noise.
#[test]
fn what_moves_is_gone() {
    let mut sky = exposures(60, 0.0);
    let flux = 200.0 * 1.64 * noise();
    // Between two rows of stars.
    let place = |k: usize| [6.0 + 0.95 * k as f64, 23.1];
    sky.iter_mut().enumerate().for_each(|(k, sky)| add_star(sky, place(k), flux));
    let (cube, _) = reject(&sky, Kernel::Bilinear, &RejectionOptions::default(), 2);
    let (clean, spoiled) = (without(&sky, |sky| &sky.clean), without(&sky, |sky| &sky.flux));
    let along = |cube: &Cube| (0..8).map(|k| aperture(cube, place(7 * k))).sum::<f64>();
    let [left, all] = [&cube, &spoiled].map(|cube| along(cube) - along(&clean));
    println!("a moving star of 200 sigma leaves {:.3} of its light", left / all);
    assert!(all > flux && left.abs() < 0.03 * all, "{left} of {all}");
}

/// A star that is now and then brighter keeps its light, as long as it is not much brighter: that
/// of pixels in whose middle it falls is already up to three times the median. A flare of ten times
/// its light is an outlier.
#[test]
fn what_varies_is_kept_and_a_flare_is_not() {
    let place = [23.5, 23.0];
    let flux = 100.0 * 1.64 * noise();
    let kept = [1.3, 1.5, 2.0, 3.0, 10.0].map(|factor| {
        let mut sky = exposures(60, 0.0);
        for (k, sky) in sky.iter_mut().enumerate() {
            add_star(sky, place, if k % 5 == 0 { factor * flux } else { flux });
        }
        let (cube, _) = reject(&sky, Kernel::Bilinear, &RejectionOptions::default(), 2);
        let kept = aperture(&cube, place) / aperture(&without(&sky, |sky| &sky.flux), place);
        println!("{factor} times as bright in one of five exposures: {kept:.5} of the light is kept");
        kept
    });
    assert!(kept[..2].iter().all(|kept| (kept - 1.0).abs() < 1e-3) && kept[4] < 0.9);
}

/// The result depends neither on the threads, nor on how much memory the stack may take.
#[test]
fn the_same_bits_whatever_the_threads_and_the_memory() {
    let sky = exposures(24, 0.002);
    for kernel in [Kernel::Bilinear, Kernel::Square, Kernel::Gaussian] {
        let with = |threads, memory| {
            let options = RejectionOptions { memory, ..RejectionOptions::default() };
            let (cube, judged) = reject(&sky, kernel, &options, threads);
            let bits: Vec<u32> = cube.science.iter().chain(&cube.variance).map(|v| v.to_bits()).collect();
            (bits, cube.count, judged)
        };
        let one = with(1, 4 << 30);
        assert!(one.2[1] > 0);
        assert!(one == with(3, 4 << 30) && one == with(2, 1), "{kernel}");
    }
}

/// Where fewer than four exposures overlap nothing is judged.
#[test]
fn too_few_exposures_judge_nothing() {
    let sky = exposures(3, 0.01);
    let (cube, judged) = reject(&sky, Kernel::Bilinear, &RejectionOptions::default(), 2);
    assert_eq!(judged, [0, 0]);
    let all = without(&sky, |sky| &sky.flux);
    assert_eq!(cube.count, all.count);
    let bad = RejectionOptions { sigma: f64::NAN, ..RejectionOptions::default() };
    let load = |_: &DrizzlePlan, (): &(), _: &mut Droplets| Ok::<(), ()>(());
    let mut drizzler = Drizzler::new(plan(Kernel::Point));
    let error = drizzler.add_all_compared(&[()], load, &comparison(bad), &Silent).unwrap_err();
    assert!(error.to_string().contains("sigma"));
}
