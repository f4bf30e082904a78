//! Backgrounds that are matched: exposures of a mosaic whose skies differ by offsets and slopes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test panics, and prints its figures")]
#![allow(clippy::cast_possible_truncation, reason = "images are in single precision")]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, Uniform};
use spx_core::elementary::{exp, hypot, powf, sin_cos};
use spx_drizzle::map::{Passband, PixelMap, WavelengthMap};
use spx_drizzle::progress::Silent;
use spx_drizzle::{
    BackgroundForm, ComparisonOptions, Cube, DrizzleOptions, DrizzlePlan, Drizzler, Droplets, Exposure,
    ExposureExtras, RejectionOptions, SkyCorrection, WavelengthGrid, Weight,
};

/// Sides of an exposure and of the output \[px\].
const SIDE: usize = 100;
const OUTPUT: usize = 180;
const NOISE: f64 = 0.024;

struct Pointing {
    sin: f64,
    cos: f64,
    /// The output position of the middle.
    center: [f64; 2],
    wavelength: f64,
}

impl PixelMap for Pointing {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let (x, y) = (x - 49.5, y - 49.5);
        Some([self.center[0] + self.cos * x - self.sin * y, self.center[1] + self.sin * x + self.cos * y])
    }
}

impl WavelengthMap for Pointing {
    fn passband(&self, _: f64, y: f64) -> Passband {
        Passband { center: self.wavelength - 0.001 * (y - 49.5), width: 0.05 }
    }
}

struct MosaicExposure {
    map: Pointing,
    flux: Vec<f32>,
    variance: Vec<f32>,
    /// What its sky is too bright by.
    truth: SkyCorrection,
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}

/// Exposures all over the output of a sky, with 9 bright stars and hits besides, whose own skies
/// are off by up to a few times the noise.
fn exposures(
    count: usize,
    form: Option<BackgroundForm>,
    sky: impl Fn(f64, f64) -> f64,
) -> Vec<MosaicExposure> {
    let mut rng = rng();
    let uniform = Uniform::new(-1.0, 1.0).unwrap();
    let star = |x: f64, y: f64, k: usize| {
        let (dx, dy) = (x - 20.0 - 70.0 * (k % 3) as f64, y - 21.0 - 69.0 * (k / 3) as f64);
        5.0 * powf(4.0, k as f64) * NOISE * exp(-hypot(dx, dy).powi(2) / (2.0 * 0.5))
    };
    (0..count)
        .map(|k| {
            let mut random = || uniform.sample(&mut rng);
            let (sin, cos) = sin_cos(std::f64::consts::PI * random());
            let center = [0, 1].map(|_| 89.5 + 65.0 * random());
            let map = Pointing { sin, cos, center, wavelength: 2.05 + 0.1 * (k % 3) as f64 };
            let (offset, slopes) = (3.0 * NOISE * random(), [0, 1].map(|_| 0.01 * NOISE * random()));
            let truth = match form {
                None => SkyCorrection::default(),
                Some(BackgroundForm::Offset) => SkyCorrection { offset, slopes: [0.0; 2] },
                Some(BackgroundForm::Plane) => SkyCorrection { offset, slopes },
            };
            let (mut flux, mut variance) = (Vec::new(), Vec::new());
            for pixel in 0..SIDE * SIDE {
                let [x, y] = map.map((pixel % SIDE) as f64, (pixel / SIDE) as f64).unwrap();
                let stars: f64 = (0..9).map(|k| star(x, y, k)).sum();
                let own = truth.offset + truth.slopes[0] * (x - 89.5) + truth.slopes[1] * (y - 89.5);
                let normal: f64 = StandardNormal.sample(&mut rng);
                let hit = if pixel % 1009 == k % 1009 { 20.0 * NOISE } else { 0.0 };
                flux.push((sky(x, y) + stars + own + hit + NOISE * normal) as f32);
                variance.push((NOISE * NOISE) as f32);
            }
            MosaicExposure { map, flux, variance, truth }
        })
        .collect()
}

fn exposure(sky: &MosaicExposure) -> Exposure<'_> {
    Exposure {
        shape: [SIDE; 2],
        rows: 0..SIDE,
        flux: &sky.flux,
        variance: &sky.variance,
        flags: &[],
        foreground: None,
        excluded: 0,
        pixel_map: &sky.map,
        wavelength_map: &sky.map,
        extra: ExposureExtras { weight: Weight::Constant(1.0), ..ExposureExtras::default() },
    }
}

fn plan() -> DrizzlePlan {
    let edges = (0..9).map(|k| 1.95 + 0.05 * f64::from(k)).collect();
    let grid = WavelengthGrid::custom(edges).unwrap();
    DrizzlePlan::new([OUTPUT; 2], grid, DrizzleOptions::default()).unwrap()
}

fn drizzle(
    exposures: &[MosaicExposure],
    options: ComparisonOptions,
    threads: usize,
) -> (Cube, Vec<Option<SkyCorrection>>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut drizzler = Drizzler::new(plan());
    let load = |plan: &DrizzlePlan, sky: &MosaicExposure, out: &mut Droplets| {
        let exposure = exposure(sky);
        plan.collect(&exposure, &plan.spans(exposure.pixel_map, exposure.shape), out)
    };
    let answers = pool.install(|| drizzler.add_all_compared(exposures, load, &options, &Silent)).unwrap();
    let corrections = answers.into_iter().map(|answer| answer.unwrap().1.background).collect();
    (Cube::from_data(&drizzler), corrections)
}

fn matching(form: BackgroundForm) -> ComparisonOptions {
    ComparisonOptions { background: Some(form), ..ComparisonOptions::default() }
}

/// Differences of two cubes in units of the error of each voxel.
fn differences(a: &Cube, b: &Cube) -> Vec<f64> {
    let pairs = a.science.iter().zip(&b.science).zip(&b.variance).filter(|((a, _), _)| a.is_finite());
    pairs.map(|((a, b), v)| (f64::from(*a) - f64::from(*b)) / f64::from(*v).sqrt()).collect()
}

fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
}

/// A galaxy of a third of the field.
fn galaxy(x: f64, y: f64) -> f64 {
    20.0 * NOISE * exp(-hypot(x - 95.0, y - 80.0) / 16.0)
}

/// With corrections a cube is as if all skies had been alike: compared with a cube of the same
/// noise without errors, what is left is a few hundredths of a voxel's error.
#[test]
fn seams_go_and_galaxies_stay() {
    for form in [BackgroundForm::Offset, BackgroundForm::Plane] {
        let none = ComparisonOptions::default();
        let (clean, _) = drizzle(&exposures(90, None, galaxy), none, 2);
        let spoiled = exposures(90, Some(form), galaxy);
        let (before, _) = drizzle(&spoiled, none, 2);
        let (after, corrections) = drizzle(&spoiled, matching(form), 2);
        // A common correction cannot be told from the sky.
        let common = |of: fn(&SkyCorrection) -> f64| spoiled.iter().map(|e| of(&e.truth)).sum::<f64>() / 90.0;
        let mean = SkyCorrection {
            offset: common(|c| c.offset),
            slopes: [common(|c| c.slopes[0]), common(|c| c.slopes[1])],
        };
        let sum = corrections.iter().flatten().map(|c| c.offset).sum::<f64>();
        assert!(sum.abs() < 1e-9 * NOISE, "the corrections' sum is {sum}");
        let mut errors = Vec::new();
        for (found, e) in corrections.iter().zip(&spoiled) {
            errors.push((found.unwrap().offset - e.truth.offset + mean.offset) / NOISE);
        }
        let expected =
            |x: f64, y: f64| mean.offset + mean.slopes[0] * (x - 89.5) + mean.slopes[1] * (y - 89.5);
        let mut less = after.clone();
        for ((_, y, x), value) in less.science.indexed_iter_mut() {
            *value -= expected(x as f64, y as f64) as f32;
        }
        let (left, seams) = (differences(&less, &clean), differences(&before, &clean));
        let most = left.iter().fold(0.0, |most, v| f64::max(most, v.abs()));
        println!(
            "{form:?}: offsets to {:.4} of a pixel's noise; voxels off by {:.3} sigma (at most {most:.3}), before {:.3}",
            rms(&errors),
            rms(&left),
            rms(&seams)
        );
        // Planes leave slow drifts across the field where few exposures overlap.
        let [typical, worst] = if form == BackgroundForm::Offset { [0.03, 0.1] } else { [0.08, 0.4] };
        assert!(rms(&left) < typical && most < worst && rms(&seams) > 1.0);
        let flux =
            |cube: &Cube| cube.science.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)).sum::<f64>();
        println!("flux of the field {:+.5}", flux(&less) / flux(&clean) - 1.0);
        assert!((flux(&less) / flux(&clean) - 1.0).abs() < 0.002);
    }
}

/// Light that fills the field stays, but for the noise of the corrections.
#[test]
fn a_nebula_stays() {
    let nebula = |x: f64, y: f64| NOISE * (30.0 + 0.2 * x - 0.1 * y);
    let sky = exposures(60, None, nebula);
    let (before, _) = drizzle(&sky, ComparisonOptions::default(), 2);
    let (after, _) = drizzle(&sky, matching(BackgroundForm::Plane), 2);
    let mean = |cube: &Cube| {
        let values: Vec<f64> = cube.science.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let moved = mean(&after) - mean(&before);
    println!("nebula: {:+.6} of itself, {:+.4} of a pixel's noise", moved / mean(&before), moved / NOISE);
    assert!(moved.abs() < 0.03 * NOISE);
}

/// Also with rejection after it; and exposures that overlap with none are left alone.
#[test]
fn the_same_bits_whatever_the_threads() {
    let mut sky = exposures(30, Some(BackgroundForm::Plane), galaxy);
    sky[4].map.center = [1000.0, 1000.0];
    let rejection = Some(RejectionOptions::default());
    for options in
        [matching(BackgroundForm::Offset), ComparisonOptions { rejection, ..matching(BackgroundForm::Plane) }]
    {
        let with = |threads| {
            let (cube, corrections) = drizzle(&sky, options, threads);
            let bits: Vec<u32> = cube.science.iter().chain(&cube.variance).map(|v| v.to_bits()).collect();
            (bits, cube.count, corrections)
        };
        let one = with(1);
        assert_eq!(one.2[4], Some(SkyCorrection::default()));
        assert!(one == with(3));
    }
}
