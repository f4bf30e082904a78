//! What must hold of every drizzle, whatever the exposures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::ops::Range;

use common::{center, drizzle, exposures, grid};
use proptest::prelude::*;
use spx_core::detector::Detector;
use spx_core::elementary::{cos, sin};
use spx_core::header::Header;
use spx_core::image::ExposureId;
use spx_core::map::{Passband, PixelMap, Spans, WavelengthMap};
use spx_core::progress::Silent;
use spx_core::release::{ExposureCalibration, ReleaseIdentity};
use spx_drizzle::file::{CubeCompression, SumsFile, rewrite_sums, write_sums};
use spx_drizzle::{
    AccumulatedExposure, Accumulator, BitSum, ComparedExposure, Cube, CubeData, DrizzleError, DrizzleOptions,
    DrizzlePlan, Drizzler, Droplets, ErrorMethod, Exposure, ExposureExtras, FillValue, GroupTime, Kernel,
    OutputPlanes, RealSum, SkyCorrection, VarianceMethod, WavelengthGrid, Weight,
};
use spx_sim::{FieldOptions, SimulatedSky};

/// A map by any affine law.
#[derive(Clone, Copy, Debug)]
struct Affine([f64; 6]);

impl PixelMap for Affine {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let [a, b, c, d, e, f] = self.0;
        Some([a * x + b * y + c, d * x + e * y + f])
    }
}

const IDENTITY: Affine = Affine([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);

const NARROW: Passband = Passband { center: 2.05, width: 0.04 };

/// Plain arrays of an image of 8 x 6 pixels.
struct ExposureArrays {
    flux: Vec<f32>,
    variance: Vec<f32>,
    flags: Vec<i32>,
}

const SHAPE: [usize; 2] = [6, 8];

impl ExposureArrays {
    fn constant(flux: f32) -> Self {
        Self { flux: vec![flux; 48], variance: vec![0.04; 48], flags: vec![0; 48] }
    }

    fn exposure<'a>(&'a self, map: &'a dyn PixelMap, wave: &'a dyn WavelengthMap) -> Exposure<'a> {
        Exposure {
            shape: SHAPE,
            rows: 0..6,
            flux: &self.flux,
            variance: &self.variance,
            flags: &self.flags,
            foreground: None,
            excluded: 0,
            pixel_map: map,
            wavelength_map: wave,
            extra: ExposureExtras::default(),
        }
    }
}

fn plan(options: DrizzleOptions) -> DrizzlePlan {
    DrizzlePlan::new(SHAPE, WavelengthGrid::custom(vec![2.0, 2.1, 2.2]).unwrap(), options).unwrap()
}

fn whole(options: DrizzleOptions) -> DrizzleOptions {
    DrizzleOptions { xy_shrink: 1.0, ..options }
}

/// Drizzles exposures one after another.
fn combine(plan: DrizzlePlan, exposures: &[Exposure<'_>]) -> Drizzler {
    let mut drizzler = Drizzler::new(plan);
    add(&mut drizzler, exposures);
    drizzler
}

/// Adds exposures, and tells the number of each in the context.
fn add(drizzler: &mut Drizzler, exposures: &[Exposure<'_>]) -> Vec<Option<u32>> {
    let load = |plan: &DrizzlePlan, e: &Exposure<'_>, out: &mut Droplets| {
        plan.collect(e, &Spans::whole(e.shape), out)
    };
    let answers = drizzler.add_all(exposures, load, &Silent).unwrap();
    answers.into_iter().map(|answer| answer.unwrap().1.number).collect()
}

/// All bits of a cube, NaN included.
fn bits(cube: &Drizzler) -> (Vec<u32>, Vec<u32>, Cube) {
    let cube = Cube::from_data(cube);
    let of = |a: &ndarray::Array3<f32>| a.iter().map(|v| v.to_bits()).collect();
    let (science, variance) = (of(&cube.science), of(&cube.variance));
    let empty = || ndarray::Array3::zeros((0, 0, 0));
    (science, variance, Cube { science: empty(), variance: empty(), ..cube })
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let sky = SimulatedSky::field(center(), 0.1, 30, 3, &FieldOptions::default()).unwrap();
    let (images, grid) = (exposures(&sky, 9, 150), grid(12.0));
    for kernel in Kernel::ALL {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let options = DrizzleOptions { kernel, ..DrizzleOptions::default() };
            pool.install(|| bits(&drizzle(&images, &grid, options)))
        };
        let one = with(1);
        for threads in [2, 3, 7] {
            assert!(with(threads) == one, "{kernel}: {threads} threads");
        }
    }
}

/// One exposure after another on this thread, without loading, gives the bits of all of them on
/// several.
#[test]
fn adding_one_by_one_gives_the_same_bits() {
    let various: Vec<Various> = (0..7).map(|k| Various::new(f64::from(k))).collect();
    let exposures: Vec<Exposure<'_>> = various.iter().map(|v| v.exposure(&[])).collect();
    for kernel in Kernel::ALL {
        let options = DrizzleOptions { kernel, ..DrizzleOptions::default() };
        let axis = WavelengthGrid::custom(vec![2.0, 2.1, 2.2]).unwrap();
        let plan = DrizzlePlan::new([130, 130], axis, options).unwrap();
        let mut one = Drizzler::new(plan.clone());
        let numbers: Vec<_> = exposures.iter().map(|e| one.add(e).unwrap().number).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let mut all = Drizzler::new(plan);
        assert_eq!(pool.install(|| add(&mut all, &exposures)), numbers);
        assert!(bits(&one) == bits(&all), "{kernel}");
        // What does not fit is refused, and changes nothing.
        let short = Exposure { flux: &exposures[0].flux[1..], ..exposures[0].clone() };
        assert!(matches!(one.add(&short), Err(DrizzleError::ArrayLength { array: "flux", .. })));
        assert!(bits(&one) == bits(&all), "{kernel}");
        one.finalize();
        assert_eq!(one.add(&exposures[0]), Err(DrizzleError::Finalized));
    }
}

/// Options come back from a configuration as they went in; unknown keys and bad values are refused.
#[test]
fn options_serialize() {
    let options = DrizzleOptions {
        kernel: Kernel::Lanczos3,
        fill: FillValue::Value(-1.5),
        z_shrink: Some(0.5),
        ..DrizzleOptions::default()
    };
    let planes = OutputPlanes { error: Some(ErrorMethod::Resampled), ..OutputPlanes::default() };
    let grid = WavelengthGrid::native(Detector::new(3).unwrap());
    let text = serde_json::to_string(&(options, &planes, &grid)).unwrap();
    let back: (DrizzleOptions, OutputPlanes, WavelengthGrid) = serde_json::from_str(&text).unwrap();
    assert_eq!(back, (options, planes, grid));
    let read = serde_json::from_str::<DrizzleOptions>;
    assert_eq!(read("{}").unwrap(), DrizzleOptions::default());
    assert!(read(r#"{"kernal": "square"}"#).unwrap_err().to_string().contains("kernal"));
    assert!(read(r#"{"fill": "no number"}"#).is_err());
    assert!(serde_json::from_str::<WavelengthGrid>("[2.0, 1.0]").is_err());
}

/// An image of several blocks, turned, on a grid of several tiles, with pixels that take no part:
/// the mean has the same bits with all other sums and without, on one thread, which files no
/// droplets, and on several.
#[test]
#[expect(clippy::cast_possible_truncation, reason = "any numbers will do")]
fn the_mean_is_the_same_whatever_else_is_kept() {
    let [ny, nx] = [150, 420];
    let wave = |p: usize, step: f64| sin(step * p as f64);
    let column = |step: f64| (0..ny * nx).map(|p| 2.0 + wave(p, step) as f32).collect::<Vec<f32>>();
    let (mut flux, mut weights, ones) = (column(0.37), column(0.11), vec![1.0; ny * nx]);
    let flags: Vec<i32> = (0..ny * nx).map(|p| i32::from(wave(p, 0.7) > 0.8)).collect();
    flux.iter_mut().skip(11).step_by(101).for_each(|v| *v = f32::NAN);
    weights.iter_mut().skip(5).step_by(53).for_each(|v| *v = 0.0);
    let whole = Exposure {
        shape: [ny, nx],
        rows: 0..ny,
        flux: &flux,
        variance: &ones,
        flags: &flags,
        foreground: None,
        excluded: 0,
        pixel_map: &Affine([0.8, -0.25, 9.3, 0.25, 0.8, -20.6]),
        wavelength_map: &NARROW,
        extra: ExposureExtras { weight: Weight::Map(&weights), ..ExposureExtras::default() },
    };
    let plain = Exposure { variance: &[], flags: &[], ..whole.clone() };
    let planes = |only_mean, context| OutputPlanes { only_mean, context, ..OutputPlanes::default() };
    let edges = [vec![2.0, 2.1], vec![2.0, 2.04, 2.06, 2.1]];
    for (kernel, edges) in Kernel::ALL.into_iter().flat_map(|kernel| edges.iter().map(move |e| (kernel, e))) {
        let options = DrizzleOptions { kernel, ..DrizzleOptions::default() };
        let axis = WavelengthGrid::custom(edges.clone()).unwrap();
        let plan = DrizzlePlan::new([200, 310], axis, options).unwrap();
        let mean = |threads, planes: OutputPlanes, exposure: &Exposure<'_>| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let cube =
                pool.install(|| combine(plan.clone().with_planes(planes), std::slice::from_ref(exposure)));
            let mut sums = vec![vec![0.0; 200 * 310]; 2 * cube.plan().wavelengths().bins()];
            for (k, sum) in sums.iter_mut().enumerate() {
                cube.real_sum([RealSum::Flux, RealSum::Weight][k % 2], k / 2, sum);
                assert!(sum.iter().filter(|v| **v != 0.0).count() > 20_000);
            }
            let only_mean = cube.plan().planes().only_mean;
            let (science, variance, rest) = bits(&cube);
            assert_eq!(variance.iter().all(|v| f32::from_bits(*v).is_nan()), only_mean);
            assert_eq!(rest.count.iter().all(|n| *n == 0), only_mean);
            (science, sums.concat().iter().map(|v| v.to_bits()).collect::<Vec<u64>>())
        };
        let expected = mean(1, planes(false, false), &whole);
        for threads in [1, 2, 3] {
            for (only_mean, context) in [(false, true), (true, false), (true, true)] {
                let found =
                    mean(threads, planes(only_mean, context), if only_mean { &plain } else { &whole });
                assert!(found == expected, "{kernel}, {threads} threads, {only_mean}, {context}");
            }
            assert!(mean(threads, planes(false, false), &whole) == expected, "{kernel}, {threads} threads");
        }
    }
}

#[test]
fn an_exposure_is_collected_once_and_nothing_fails_after_that() {
    let arrays = ExposureArrays::constant(1.0);
    let exposure = arrays.exposure(&IDENTITY, &NARROW);
    let spans = Spans::whole(SHAPE);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let new = || Drizzler::new(plan(whole(DrizzleOptions::default())));
        let late = |plan: &DrizzlePlan, (): &(), out: &mut Droplets| {
            plan.collect(&exposure, &spans, out)?;
            assert_eq!(plan.collect(&exposure, &spans, out), Err(DrizzleError::Collected));
            Err::<(), _>(DrizzleError::Memory)
        };
        let refused = pool.install(|| new().add_all(&[()], late, &Silent));
        assert_eq!(refused.unwrap_err(), DrizzleError::Collected, "{threads} threads");

        // What fails before is an answer, and the others are added.
        let early = |plan: &DrizzlePlan, n: &usize, out: &mut Droplets| {
            if *n == 1 { Err(DrizzleError::Memory) } else { plan.collect(&exposure, &spans, out) }
        };
        let mut drizzler = new();
        let answers = pool.install(|| drizzler.add_all(&[0, 1, 2], early, &Silent)).unwrap();
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!((drizzler.exposures(), drizzler.inputs_per_plane()[0]), (2, 2));
        assert!(Cube::from_data(&drizzler).count.iter().take(48).all(|&n| n == 2));
    }
}

/// An exposure that differs from all others, of which some reach the grid.
struct Various {
    arrays: ExposureArrays,
    named: Vec<f32>,
    map: Affine,
    sees: Passband,
}

impl Various {
    #[expect(clippy::cast_possible_truncation, reason = "any numbers will do")]
    fn new(seed: f64) -> Self {
        let wave = |k: f64| sin(1e3 * (seed + k));
        let column = |k: f64| (0..48).map(|p| (2.0 + wave(k + f64::from(p))) as f32).collect();
        let flags = (0..48).map(|p| (100.0 * wave(f64::from(p))) as i32).collect();
        Self {
            arrays: ExposureArrays { flux: column(0.1), variance: column(0.2), flags },
            named: column(0.3),
            map: Affine([0.8, 0.1, 66.0 + 70.0 * wave(0.5), -0.1, 0.9, 30.0 + 40.0 * wave(0.6)]),
            sees: Passband { center: 2.1 + 0.08 * wave(0.7), width: 0.04 },
        }
    }

    fn exposure<'a>(&'a self, named: &'a [&'a [f32]]) -> Exposure<'a> {
        let (point_source, time) = (&self.named[..], 3.0 + self.map.0[2]);
        let extra = ExposureExtras { variances: named, point_source, time, ..ExposureExtras::default() };
        Exposure { extra, ..self.arrays.exposure(&self.map, &self.sees) }
    }
}

/// Adds exposures to sums and notes them.
fn accumulate(sums: &mut Accumulator, exposures: &[Various]) {
    let planes = sums.drizzler.plan().planes().variances.len();
    let named: Vec<Vec<&[f32]>> = exposures.iter().map(|e| vec![e.named.as_slice(); planes]).collect();
    let plain: Vec<Exposure<'_>> = exposures.iter().zip(&named).map(|(e, n)| e.exposure(n)).collect();
    let numbers = add(&mut sums.drizzler, &plain);
    note(sums, exposures, numbers);
}

/// Notes exposures that were added, with these numbers.
fn note(sums: &mut Accumulator, exposures: &[Various], numbers: impl IntoIterator<Item = Option<u32>>) {
    for (exposure, number) in exposures.iter().zip(numbers) {
        let mjd = f64::from(exposure.arrays.flux[0]);
        sums.note(AccumulatedExposure {
            compared: Some(ComparedExposure {
                path: format!("/größe/{mjd}.fits"),
                outliers: number.map(|_| exposure.arrays.flags[0].unsigned_abs().into()),
                background: number.map(|_| SkyCorrection { offset: mjd, slopes: [0.0, -mjd] }),
            }),
            id: ExposureId { observation: mjd.to_string(), detector: Detector::ALL[2] },
            file: format!("größe {mjd}.fits"),
            content: Some("of a file".into()),
            identity: ReleaseIdentity { version: Some("7.0.5".into()), ..ReleaseIdentity::default() },
            calibration: number.map(|_| ExposureCalibration::default()),
            mjd: Some(mjd),
            used: number.is_some(),
            remark: number.is_none().then(|| "outside".to_owned()),
            foreground_scale: Some(1.0 / mjd),
            number,
            time: GroupTime {
                id: "group".into(),
                begin: Some(mjd),
                end: None,
                exposure: Some(0.1 + mjd),
                measurement: None,
            },
        })
        .unwrap();
    }
}

/// A grid of six tiles.
fn wide_plan(kernel: Kernel, planes: OutputPlanes) -> DrizzlePlan {
    let options = DrizzleOptions { kernel, ..DrizzleOptions::default() };
    let edges = WavelengthGrid::custom(vec![2.0, 2.05, 2.1, 2.2]).unwrap();
    DrizzlePlan::new([70, 131], edges, options).unwrap().with_planes(planes)
}

fn all_planes(method: VarianceMethod) -> OutputPlanes {
    OutputPlanes {
        only_mean: false,
        weight: true,
        wavelength: true,
        error: Some(ErrorMethod::Resampled),
        context: true,
        coverage: true,
        point_source: true,
        variances: vec!["VAR_A".into(), "VAR_B".into()],
        variance_method: method,
    }
}

/// The bytes of the file of sums.
fn kept(folder: &std::path::Path, sums: &Accumulator) -> Vec<u8> {
    kept_as(folder, sums, CubeCompression::None)
}

fn kept_as(folder: &std::path::Path, sums: &Accumulator, compression: CubeCompression) -> Vec<u8> {
    let path = folder.join("sums.fits");
    let form = (&Header::new(), compression);
    write_sums(&path, sums, &["kernel = 1".into()], form, true, &Silent).unwrap();
    std::fs::read(path).unwrap()
}

/// The bytes of the file of sums after exposures were added to the tiles that they reach; `None`
/// where the plan needs all of it.
fn added_in_tiles(
    folder: &std::path::Path,
    plan: &DrizzlePlan,
    exposures: &[Various],
    compression: CubeCompression,
) -> Option<Vec<u8>> {
    let path = folder.join("sums.fits");
    let mut file = SumsFile::open(&path).unwrap();
    let mut sums = file.partial(plan, compression).unwrap()?;
    let load = |plan: &DrizzlePlan, exposure: &Various, out: &mut Droplets| {
        let exposure = exposure.exposure(&[]);
        plan.collect(&exposure, &plan.spans(exposure.pixel_map, exposure.shape), out)
    };
    let mut tiles = file.tiles(plan, &Silent);
    let answers = sums.drizzler.add_all_reached(exposures, load, &mut tiles, &Silent).unwrap();
    let numbers = answers.into_iter().map(|answer| answer.unwrap().1.number);
    note(&mut sums, exposures, numbers);
    let form = (&Header::new(), compression);
    rewrite_sums(&mut file, &sums, &["kernel = 1".into()], form, &Silent).unwrap();
    Some(std::fs::read(path).unwrap())
}

#[test]
fn sums_that_are_not_all_read_take_exposures_by_what_they_reach_alone() {
    let folder = tempfile::tempdir().unwrap();
    let plan = wide_plan(Kernel::Square, OutputPlanes::default());
    let mut whole = Accumulator::new(Drizzler::new(plan.clone()));
    accumulate(&mut whole, &[Various::new(0.3), Various::new(0.4)]);
    kept(folder.path(), &whole);
    let mut file = SumsFile::open(&folder.path().join("sums.fits")).unwrap();
    assert!(file.partial(&plan, CubeCompression::Lossless).unwrap().is_none(), "packed otherwise");
    let mut sums = file.partial(&plan, CubeCompression::None).unwrap().unwrap();
    assert_eq!(sums.drizzler.add(&Various::new(0.6).exposure(&[])), Err(DrizzleError::Partial));
    let none = |_: &DrizzlePlan, (): &(), _: &mut Droplets| Ok::<_, ()>(());
    assert_eq!(sums.drizzler.add_all(&[()], none, &Silent).unwrap_err(), DrizzleError::Partial);
    assert_eq!(sums.drizzler.merge(&whole.drizzler), Err(DrizzleError::Partial));
    assert_eq!(whole.drizzler.merge(&sums.drizzler), Err(DrizzleError::Partial));
    assert_eq!(sums.drizzler.part().unwrap().share(), 0.0);
    assert_eq!((sums.drizzler.exposures(), sums.entries().len()), (whole.drizzler.exposures(), 2));
}

#[test]
fn sums_take_each_exposure_once_and_sums_of_another_plan_are_refused() {
    let mut sums = Accumulator::new(Drizzler::new(wide_plan(Kernel::Point, OutputPlanes::default())));
    accumulate(&mut sums, &[Various::new(0.3)]);
    let mut same = Accumulator::new(Drizzler::new(wide_plan(Kernel::Point, OutputPlanes::default())));
    accumulate(&mut same, &[Various::new(0.3)]);
    let id = sums.entries()[0].id.to_string();
    assert_eq!(sums.note(same.entries()[0].clone()), Err(DrizzleError::Duplicate(id.clone())));
    assert_eq!(sums.merge(same), Err(DrizzleError::Duplicate(id)));
    let other = Accumulator::new(Drizzler::new(wide_plan(Kernel::Square, OutputPlanes::default())));
    assert_eq!(sums.merge(other), Err(DrizzleError::OtherPlan));
    assert_eq!(sums.entries().len(), 1);
}

#[test]
fn files_of_sums_that_are_not_whole_or_of_another_plan_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let planes = all_planes(VarianceMethod::Propagated);
    let plan = wide_plan(Kernel::Square, planes.clone());
    let mut sums = Accumulator::new(Drizzler::new(plan.clone()));
    accumulate(&mut sums, &[Various::new(0.3), Various::new(0.4)]);
    let bytes = kept(folder.path(), &sums);
    let path = folder.path().join("sums.fits");
    let load = |plan: DrizzlePlan| SumsFile::open(&path).and_then(|file| file.load(plan, &Silent));
    let refused = |plan: DrizzlePlan| load(plan).err().unwrap().to_string();
    assert!(refused(wide_plan(Kernel::Turbo, planes)).contains("KERNEL = square there, KERNEL = turbo here"));
    assert!(refused(wide_plan(Kernel::Square, OutputPlanes::default())).contains("PLANES = "));
    for (position, share) in [200, 400, 600, 800, 999].map(|p| (p, p * bytes.len() / 1000)) {
        std::fs::write(&path, &bytes[..share]).unwrap();
        assert!(refused(plan.clone()).contains("damaged"), "cut at {position}: {}", refused(plan.clone()));
        let mut flipped = bytes.clone();
        flipped[share] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert!(
            refused(plan.clone()).contains("damaged"),
            "flipped at {position}: {}",
            refused(plan.clone())
        );
    }
    std::fs::write(&path, &bytes).unwrap();
    assert!(kept(folder.path(), &load(plan).unwrap()) == bytes);
}

/// How many numbers of single precision lie between two.
fn steps_between(a: f32, b: f32) -> u32 {
    if a.is_nan() && b.is_nan() { 0 } else { a.to_bits().abs_diff(b.to_bits()) }
}

#[test]
fn a_whole_pixel_on_a_voxel_is_copied() {
    let mut arrays = ExposureArrays::constant(0.0);
    arrays.flux.iter_mut().enumerate().for_each(|(k, v)| *v = k as f32);
    arrays.flags[5] = i32::MIN | 2;
    let cube = Cube::from_data(&combine(
        plan(whole(DrizzleOptions::default())),
        &[arrays.exposure(&IDENTITY, &NARROW)],
    ));
    for (k, (y, x)) in (0..6).flat_map(|y| (0..8).map(move |x| (y, x))).enumerate() {
        assert_eq!(cube.science[[0, y, x]], k as f32);
        assert_eq!(cube.variance[[0, y, x]], 0.04);
        assert!(cube.science[[1, y, x]].is_nan() && cube.variance[[1, y, x]].is_nan());
    }
    assert!(cube.count.iter().take(48).all(|&n| n == 1) && cube.count.iter().skip(48).all(|&n| n == 0));
    assert_eq!((cube.or_mask[[0, 0, 5]], cube.and_mask[[0, 0, 5]]), (0x8000_0002, 0x8000_0002));
    assert_eq!(cube.and_mask[[1, 0, 5]], 0, "no contribution, no mask");
    assert_eq!(cube.inputs_per_plane, [1, 0], "only a real overlap counts");
}

#[test]
fn a_droplet_across_an_edge_counts_in_both_planes_and_nowhere_else() {
    let sees = Passband { center: 2.1, width: 0.04 };
    let arrays = ExposureArrays::constant(1.0);
    let axis = WavelengthGrid::custom(vec![1.9, 2.0, 2.1, 2.2, 2.3]).unwrap();
    let plan = DrizzlePlan::new(SHAPE, axis, whole(DrizzleOptions::default())).unwrap();
    let cube = Cube::from_data(&combine(plan, &[arrays.exposure(&IDENTITY, &sees)]));
    assert_eq!(cube.inputs_per_plane, [0, 1, 1, 0]);
}

#[test]
fn masks_combine_contributions() {
    let [mut a, mut b] = [ExposureArrays::constant(1.0), ExposureArrays::constant(1.0)];
    (a.flags[0], b.flags[0]) = (0b0110, 0b0011);
    let drizzler = combine(
        plan(whole(DrizzleOptions::default())),
        &[a.exposure(&IDENTITY, &NARROW), b.exposure(&IDENTITY, &NARROW)],
    );
    let cube = Cube::from_data(&drizzler);
    assert_eq!(
        (cube.and_mask[[0, 0, 0]], cube.or_mask[[0, 0, 0]], cube.count[[0, 0, 0]]),
        (0b0010, 0b0111, 2)
    );
}

#[test]
fn what_is_not_usable_takes_no_part() {
    let mut arrays = ExposureArrays::constant(1.0);
    for (k, bad) in [f32::NAN, f32::INFINITY].into_iter().enumerate() {
        arrays.flux[k] = bad;
        arrays.variance[2 + k] = bad;
    }
    arrays.variance[4] = 0.0;
    arrays.variance[5] = -1.0;
    arrays.flags[6] = 0b100;
    let exposure = Exposure { excluded: 0b100, ..arrays.exposure(&IDENTITY, &NARROW) };
    let cube = Cube::from_data(&combine(plan(whole(DrizzleOptions::default())), &[exposure]));
    let counts: Vec<u16> = cube.count.iter().take(9).copied().collect();
    assert_eq!(counts, [0, 0, 0, 0, 0, 0, 0, 1, 1]);
    for band in [(f64::NAN, 0.04), (2.05, f64::NAN), (2.05, 0.0), (-2.05, 0.04), (2.05, f64::INFINITY)] {
        let sees = Passband { center: band.0, width: band.1 };
        let plain = ExposureArrays::constant(1.0);
        let cube = combine(plan(DrizzleOptions::default()), &[plain.exposure(&IDENTITY, &sees)]);
        assert!(Cube::from_data(&cube).count.iter().all(|&n| n == 0), "{band:?}");
    }
}

#[test]
fn count_saturates_and_says_so() {
    let arrays = ExposureArrays::constant(1.0);
    let exposure = arrays.exposure(&IDENTITY, &NARROW);
    let many = vec![exposure; 65_540];
    let drizzler = combine(plan(whole(DrizzleOptions::default())), &many);
    assert!(Cube::from_data(&drizzler).count.iter().take(48).all(|&n| n == u16::MAX));
    assert_eq!(drizzler.saturated(), 48);
}

#[test]
fn arrays_that_do_not_fit_are_refused() {
    let arrays = ExposureArrays::constant(1.0);
    let try_with = |change: fn(&mut Exposure<'_>)| {
        let mut exposure = arrays.exposure(&IDENTITY, &NARROW);
        change(&mut exposure);
        plan(DrizzleOptions::default()).collect(&exposure, &Spans::whole(SHAPE), &mut Droplets::default())
    };
    assert!(matches!(
        try_with(|e| e.variance = &e.variance[1..]),
        Err(DrizzleError::ArrayLength { array: "variance", found: 47, expected: 48, .. })
    ));
    // Nothing needs the flags; a variance is needed for weights, for VARIANCE and for errors.
    assert_eq!(try_with(|e| e.flags = &[]), Ok(()));
    let without_variance = |weight, planes: OutputPlanes| {
        let extra = ExposureExtras { weight, ..ExposureExtras::default() };
        let exposure = Exposure { variance: &[], extra, ..arrays.exposure(&IDENTITY, &NARROW) };
        let plan = plan(DrizzleOptions::default()).with_planes(planes);
        plan.collect(&exposure, &Spans::whole(SHAPE), &mut Droplets::default()).is_ok()
    };
    let only_mean = OutputPlanes { only_mean: true, ..OutputPlanes::default() };
    let errors = OutputPlanes { error: Some(ErrorMethod::Resampled), ..only_mean.clone() };
    assert!(without_variance(Weight::Constant(1.0), only_mean.clone()));
    assert!(!without_variance(Weight::InverseVariance, only_mean));
    assert!(!without_variance(Weight::Constant(1.0), OutputPlanes::default()));
    assert!(!without_variance(Weight::Constant(1.0), errors));
    let short = |e: &mut Exposure<'_>| {
        let rows: Range<usize> = 1..6;
        (e.flux, e.variance, e.flags, e.rows) = (&e.flux[8..], &e.variance[8..], &e.flags[8..], rows);
    };
    assert_eq!(try_with(short), Err(DrizzleError::MissingRows { held: 1..6, needed: 0..6 }));
}

#[test]
fn options_out_of_range_are_named() {
    let with = |change: fn(&mut DrizzleOptions)| {
        let mut options = DrizzleOptions::default();
        change(&mut options);
        match DrizzlePlan::new(SHAPE, WavelengthGrid::custom(vec![1.0, 2.0]).unwrap(), options) {
            Err(DrizzleError::Option { name, .. }) => name,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with(|o| o.xy_shrink = 0.0), "xy_shrink");
    assert_eq!(with(|o| o.xy_shrink = f64::NAN), "xy_shrink");
    assert_eq!(with(|o| o.z_shrink = Some(1.5)), "z_shrink");
    assert_eq!(with(|o| o.ivar_max = 0.0), "ivar_max");
    assert_eq!(with(|o| o.min_overlap = -0.1), "min_overlap");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Sums that are written, read back and added to are those of all exposures at once, wherever
    /// they are cut; those of two parts merged have the same counts, masks and context, and values
    /// to the last place.
    #[test]
    fn sums_that_last_are_those_of_one_run(
        seeds in prop::collection::vec(0.0..1.0f64, 2..40),
        cuts in prop::array::uniform2(any::<prop::sample::Index>()),
        kernel in prop::sample::select(Kernel::ALL.to_vec()),
        planes in prop::sample::select(vec![
            OutputPlanes::default(),
            OutputPlanes { only_mean: true, ..OutputPlanes::default() },
            OutputPlanes { only_mean: true, ..all_planes(VarianceMethod::Propagated) },
            all_planes(VarianceMethod::Propagated),
            all_planes(VarianceMethod::Resampled),
        ]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let plan = wide_plan(kernel, planes);
        let exposures: Vec<Various> = seeds.iter().map(|s| Various::new(*s)).collect();
        let new = || Accumulator::new(Drizzler::new(plan.clone()));
        let mut at_once = new();
        accumulate(&mut at_once, &exposures);
        let expected = kept(folder.path(), &at_once);

        let [a, b] = cuts.map(|cut| cut.index(exposures.len() + 1));
        let (first, rest) = exposures.split_at(a.min(b));
        let (second, third) = rest.split_at(a.abs_diff(b));
        let mut bytes = kept(folder.path(), &new());
        for part in [first, second, third] {
            let file = SumsFile::open(&folder.path().join("sums.fits")).unwrap();
            let mut sums = file.load(plan.clone(), &Silent).unwrap();
            accumulate(&mut sums, part);
            bytes = kept(folder.path(), &sums);
        }
        prop_assert!(bytes == expected, "in parts");
        // With what the exposures do not reach copied, packed or not.
        for compression in [CubeCompression::None, CubeCompression::Lossless] {
            let expected = kept_as(folder.path(), &at_once, compression);
            let mut sums = new();
            accumulate(&mut sums, first);
            let mut bytes = kept_as(folder.path(), &sums, compression);
            for part in [second, third] {
                bytes = added_in_tiles(folder.path(), &plan, part, compression).unwrap_or(bytes);
            }
            let copies = plan.planes() == &OutputPlanes::default();
            prop_assert!(!copies || bytes == expected, "by tiles, {:?}", compression);
        }
        let restored = Drizzler::restore(plan.clone(), &mut &at_once.drizzler).unwrap();
        prop_assert!(bits(&restored) == bits(&at_once.drizzler), "restored");

        let (mut merged, mut other) = (new(), new());
        accumulate(&mut merged, first);
        accumulate(&mut other, rest);
        merged.merge(other).unwrap();
        prop_assert_eq!(merged.entries(), at_once.entries());
        let (cube, expected) = (Cube::from_data(&merged.drizzler), Cube::from_data(&at_once.drizzler));
        prop_assert!(cube.count == expected.count);
        prop_assert!(cube.and_mask == expected.and_mask && cube.or_mask == expected.or_mask);
        prop_assert_eq!(&cube.inputs_per_plane, &expected.inputs_per_plane);
        let context = |drizzler: &Drizzler| {
            let mut plane = vec![0; 70 * 131];
            let places = (0..3).flat_map(|z| (0..drizzler.context_words()).map(move |word| (z, word)));
            let planes = places.map(|(z, word)| {
                drizzler.bit_sum(BitSum::Context(word), z, &mut plane);
                plane.clone()
            });
            planes.collect::<Vec<_>>()
        };
        prop_assert!(context(&merged.drizzler) == context(&at_once.drizzler));
        // Where shares of both signs cancel, no place is left to agree.
        if kernel.conserves_flux() {
            let pairs = [(&cube.science, &expected.science), (&cube.variance, &expected.variance)];
            for (a, b) in pairs.into_iter().flat_map(|(a, b)| a.iter().zip(b)) {
                prop_assert!(steps_between(*a, *b) <= 1, "{} and {}", a, b);
            }
        }
    }
}

proptest! {
    /// Constant flux gives constant flux, whatever the map, the shrink factors and the wavelengths.
    #[test]
    fn a_constant_stays_constant(
        // (Of a range of f32, proptest now and then fails to draw one.)
        flux in (-1_000_000..1_000_000i32).prop_map(|n| 1e-3 * n as f32),
        shift in prop::array::uniform2(-3.0..3.0f64),
        angle in 0.0..std::f64::consts::TAU,
        scale in 0.3..2.0f64,
        xy_shrink in 0.05..=1.0f64,
        center in 1.95..2.25f64,
        width in 0.01..0.5f64,
    ) {
        let (s, c) = (scale * sin(angle), scale * cos(angle));
        let map = Affine([c, -s, shift[0] + 3.5, s, c, shift[1] + 2.5]);
        let arrays = ExposureArrays::constant(flux);
        let sees = Passband { center, width };
        let options = DrizzleOptions { xy_shrink, ..DrizzleOptions::default() };
        let cube = Cube::from_data(&combine(plan(options), &[arrays.exposure(&map, &sees)]));
        for (value, count) in cube.science.iter().zip(&cube.count) {
            prop_assert_eq!(value.is_nan(), *count == 0);
            prop_assert!(value.is_nan() || (value - flux).abs() <= 1e-6 * flux.abs());
        }
    }

    /// The shares of a pixel add up to `xy_shrink^2` wherever it falls. They are seen through a
    /// second, much heavier exposure of zeros, against which each share is a measurable flux.
    #[test]
    fn shares_add_up_to_the_droplet(x in 1.0..5.9f64, y in 1.0..3.9f64, xy_shrink in 0.1..=1.0f64) {
        let heavy = ExposureArrays { variance: vec![1e-4; 48], ..ExposureArrays::constant(0.0) };
        let mut star = ExposureArrays::constant(0.0);
        star.variance.fill(f32::NAN);
        (star.flux[0], star.variance[0]) = (1.0, 1.0);
        let map = Affine([1.0, 0.0, x, 0.0, 1.0, y]);
        let options = DrizzleOptions { xy_shrink, ..DrizzleOptions::default() };
        let exposures = [heavy.exposure(&IDENTITY, &NARROW), star.exposure(&map, &NARROW)];
        let cube = Cube::from_data(&combine(plan(options), &exposures));
        // SCI = a / (1e4 xy_shrink^2 + a) for the star's share a, so a = 1e4 xy_shrink^2 SCI / (1 -
        // SCI).
        let area = xy_shrink * xy_shrink;
        let share = |v: &f32| 1e4 * area * f64::from(*v) / (1.0 - f64::from(*v));
        let sum: f64 = cube.science.iter().filter(|v| v.is_finite()).map(share).sum();
        prop_assert!((sum - area).abs() < 1e-6 * area, "{} instead of {}", sum, area);
    }
}
