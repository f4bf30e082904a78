//! The engine against STScI's `drizzle` and `Resample`, and what must hold of each kernel.
//!
//! `testdata/kernels` holds the answers of `drizzle`; `cargo xtask golden kernels` makes them
//! (xtask/python/golden_kernels.py, whose generator, images, maps and order of cases stand here
//! once more). `testdata/resample` holds models and answers of `stcal.resample.Resample`, by `cargo
//! xtask golden resample`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers of known range")]

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;
use spx_core::elementary::sin_cos;
use spx_core::flags::{FlagNames, GoodBits};
use spx_core::header::Header;
use spx_core::map::{Passband, PixelMap, Spans};
use spx_core::progress::Silent;
use spx_drizzle::{
    CubeData, DrizzleError, DrizzleOptions, DrizzlePlan, Drizzler, Droplets, ErrorMethod, Exposure,
    ExposureExtras, FillValue, GroupTime, Kernel, OptionalPlane, OutputPlanes, Timing, VarianceMethod,
    WavelengthGrid, Weight,
};

const SHAPE: [usize; 2] = [10, 11];
const PIXELS: usize = SHAPE[0] * SHAPE[1];

/// A map given at the centers of the pixels: bilinear between them, extrapolated beyond the
/// outermost.
struct ArrayMap {
    shape: [usize; 2],
    positions: Vec<[f64; 2]>,
}

impl ArrayMap {
    fn new(shape: [usize; 2], at: impl Fn(f64, f64) -> [f64; 2]) -> Self {
        let [ny, nx] = shape;
        let positions =
            (0..ny).flat_map(|y| (0..nx).map(move |x| (x, y))).map(|(x, y)| at(x as f64, y as f64)).collect();
        Self { shape, positions }
    }
}

impl PixelMap for ArrayMap {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let [ny, nx] = self.shape;
        let (i, j) = (x.floor().clamp(0.0, nx as f64 - 2.0), y.floor().clamp(0.0, ny as f64 - 2.0));
        let (fx, fy) = (x - i, y - j);
        let at = |k: usize| self.positions[(j as usize) * nx + i as usize + k];
        let (a, b, c, d) = (at(0), at(1), at(nx), at(nx + 1));
        Some(
            [0, 1]
                .map(|k| (a[k] * (1.0 - fx) + b[k] * fx) * (1.0 - fy) + (c[k] * (1.0 - fx) + d[k] * fx) * fy),
        )
    }
}

const NARROW: Passband = Passband { center: 1.5, width: 0.1 };

/// SplitMix64 (Steele et al. 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53)
    }
}

struct ReferenceImage {
    data: Vec<f32>,
    weight: Vec<f32>,
    variance: Vec<f32>,
    flags: Vec<i32>,
    map: ArrayMap,
    spans: Spans,
}

impl ReferenceImage {
    fn new(generator: &mut SplitMix64, map: ArrayMap, spans: Spans) -> Self {
        let mut image = Self {
            data: Vec::new(),
            weight: Vec::new(),
            variance: Vec::new(),
            flags: Vec::new(),
            map,
            spans,
        };
        for _ in 0..PIXELS {
            let u = [0.5, 0.25, 0.125, 0.0].map(|offset| generator.uniform() + offset);
            image.data.push(u[0] as f32);
            image.weight.push(u[1] as f32);
            image.variance.push(u[2] as f32);
            image.flags.push(if u[3] < 0.1 { 1 } else { 2 << (6.0 * u[3]).floor() as u32 });
        }
        image
    }

    fn exposure(&self) -> Exposure<'_> {
        Exposure {
            shape: SHAPE,
            rows: 0..SHAPE[0],
            flux: &self.data,
            variance: &self.variance,
            flags: &self.flags,
            foreground: None,
            excluded: 1,
            pixel_map: &self.map,
            wavelength_map: &NARROW,
            extra: ExposureExtras { weight: Weight::Map(&self.weight), ..ExposureExtras::default() },
        }
    }
}

fn curved(k: f64, scale: f64) -> impl Fn(f64, f64) -> [f64; 2] {
    move |x, y| {
        let (u, v) = (x - 5.0 + 0.375 * k, y - 4.5 - 0.625 * k);
        let bend = 0.003_906_25 * (u * u - v * v);
        [(0.96 * u - 0.28 * v + bend + 8.25) / scale, (0.28 * u + 0.96 * v - bend + 8.0) / scale]
    }
}

fn shifted(k: f64, scale: f64) -> impl Fn(f64, f64) -> [f64; 2] {
    let step = 0.003 / scale;
    move |x, y| [x + 37.0 * (k + 1.0) * step, y + 58.0 * (k + 1.0) * step]
}

/// How a case is to agree.
#[derive(Clone, Copy, PartialEq)]
enum Agreement {
    /// To float32 accumulation.
    Exact,
    /// To the steps in which drizzle looks the Lanczos kernels up.
    Table,
}

struct ReferenceCase {
    options: DrizzleOptions,
    scale: f64,
    shape: [usize; 2],
    lattice: bool,
    agreement: Agreement,
}

fn cases() -> Vec<ReferenceCase> {
    let mut cases = Vec::new();
    let options = |kernel, xy_shrink, scale| DrizzleOptions {
        kernel,
        xy_shrink,
        pixel_scale_ratio: Some(scale),
        ..DrizzleOptions::default()
    };
    for kernel in
        [Kernel::Square, Kernel::Turbo, Kernel::Gaussian, Kernel::Point, Kernel::Lanczos2, Kernel::Lanczos3]
    {
        let shrinks: &[f64] = match kernel {
            Kernel::Square | Kernel::Turbo | Kernel::Gaussian => &[0.4, 0.8, 1.0],
            _ => &[0.8],
        };
        for &shrink in shrinks {
            for scale in [0.5, 1.0, 2.0] {
                cases.push(ReferenceCase {
                    options: options(kernel, shrink, scale),
                    scale,
                    shape: [(17.0 / scale) as usize; 2],
                    lattice: false,
                    agreement: match kernel {
                        Kernel::Lanczos2 | Kernel::Lanczos3 => Agreement::Table,
                        _ => Agreement::Exact,
                    },
                });
            }
        }
    }
    for kernel in [Kernel::Lanczos2, Kernel::Lanczos3] {
        for scale in [0.501, 0.999, 1.998] {
            let options = options(kernel, 0.8, scale);
            cases.push(ReferenceCase {
                options,
                scale,
                shape: SHAPE.map(|n| n + 2),
                lattice: true,
                agreement: Agreement::Exact,
            });
        }
    }
    cases
}

fn drizzle(options: DrizzleOptions, shape: [usize; 2], images: &[ReferenceImage]) -> Drizzler {
    let axis = WavelengthGrid::custom(vec![1.0, 2.0]).unwrap();
    let planes = OutputPlanes { context: true, ..OutputPlanes::default() };
    let plan = DrizzlePlan::new(shape, axis, options).unwrap().with_planes(planes);
    let mut drizzler = Drizzler::new(plan);
    let load = |plan: &DrizzlePlan, image: &ReferenceImage, out: &mut Droplets| {
        plan.collect(&image.exposure(), &image.spans, out)
    };
    drizzler.add_all(images, load, &Silent).unwrap().into_iter().for_each(|answer| drop(answer.unwrap()));
    drizzler
}

fn plane<T: Clone + Default>(shape: [usize; 2], fill: impl FnOnce(&mut [T])) -> Vec<T> {
    let mut out = vec![T::default(); shape[0] * shape[1]];
    fill(&mut out);
    out
}

/// The next array of the reference file.
struct Reader(std::vec::IntoIter<u8>);

impl Reader {
    fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| f32::from_le_bytes([(); 4].map(|()| self.0.next().unwrap()))).collect()
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        self.0.by_ref().take(n).collect()
    }
}

#[test]
fn stsci_drizzle_agrees() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/kernels/drizzle.bin");
    let mut reader = Reader(std::fs::read(file).unwrap().into_iter());
    let (mut compared, mut worst) = (0, [0f32; 2]);
    for case in cases() {
        let name = format!("{} {} at scale {}", case.options.kernel, case.options.xy_shrink, case.scale);
        let mut generator = SplitMix64(20_251_121);
        let images: Vec<ReferenceImage> = [0.0, 1.0]
            .into_iter()
            .map(|k| {
                let map = if case.lattice {
                    ArrayMap::new(SHAPE, shifted(k, case.scale))
                } else {
                    ArrayMap::new(SHAPE, curved(k, case.scale))
                };
                let whole = Spans::whole(SHAPE);
                let spans = if k == 0.0 { whole } else { whole.within(2..9, 1..8) };
                ReferenceImage::new(&mut generator, map, spans)
            })
            .collect();
        let pixels = case.shape[0] * case.shape[1];
        let [data, weight, variance] = [(); 3].map(|()| reader.floats(pixels));
        let [context, flags] = [(); 2].map(|()| reader.bytes(pixels));
        let cube = drizzle(case.options, case.shape, &images);
        let science = plane(case.shape, |out| cube.science(0, out));
        let errors = plane(case.shape, |out| cube.variance(0, out));
        let weights = plane(case.shape, |out| cube.optional(OptionalPlane::Weight, 0, out));
        let bits = plane(case.shape, |out| cube.context(0, 0, out));
        let masks = plane(case.shape, |out| cube.or_mask(0, out));
        let heaviest = weight.iter().fold(0.0, |m: f32, w| m.max(w.abs()));
        for k in 0..pixels {
            let place = format!("{name}, pixel {k}: weight {} for {}", weights[k], weight[k]);
            // In the Lanczos kernels weights of both signs cancel.
            let tolerance = match case.agreement {
                Agreement::Exact => {
                    1e-5 * weight[k].abs().max(if case.lattice { 0.1 * heaviest } else { 0.0 })
                }
                Agreement::Table => 5e-3 * heaviest,
            };
            assert!((weights[k] - weight[k]).abs() <= tolerance, "{place}");
            if case.agreement == Agreement::Table {
                continue;
            }
            // drizzle marks only the exposures whose share is positive.
            let marked = if case.lattice { bits[k] & u32::from(context[k]) } else { bits[k] };
            assert_eq!(u32::from(context[k]), marked, "{place}: context");
            assert_eq!(u32::from(flags[k]), masks[k], "{place}: flags");
            if bits[k] == 0 {
                assert!(science[k].is_nan(), "{place}");
                continue;
            }
            let tolerance = tolerance / weight[k].abs();
            let close = |ours: f32, theirs: f32| (ours - theirs).abs() <= tolerance * (1.0 + theirs.abs());
            let relative = (science[k] - data[k]).abs() / data[k].abs().max(1.0);
            worst = [worst[0].max(relative), worst[1].max((weights[k] / weight[k] - 1.0).abs())];
            assert!(close(science[k], data[k]), "{place}: data {} for {}", science[k], data[k]);
            // In the far tail of a Gaussian the square of a weight leaves the range of float32.
            let far = weight[k].abs() < 1e-12 * heaviest;
            assert!(
                far || close(errors[k], variance[k]),
                "{place}: variance {} for {}",
                errors[k],
                variance[k]
            );
            compared += 1;
        }
    }
    assert!(reader.0.next().is_none(), "the reference file has more cases");
    println!("{compared} pixels; worst of data {:.1e}, of weights {:.1e}", worst[0], worst[1]);
    assert!(compared > 5_000, "{compared}");
}

/// Images that lie wholly on the output, with weights of 1 and without masks.
fn plain(map: impl Fn(f64, f64) -> [f64; 2]) -> ReferenceImage {
    let mut image = ReferenceImage::new(&mut SplitMix64(7), ArrayMap::new(SHAPE, map), Spans::whole(SHAPE));
    image.weight.fill(1.0);
    image.flags.fill(0);
    image
}

const OUTPUT: [usize; 2] = [40, 40];

/// Sum of the weights, and of weight times flux, of a drizzle in double precision.
fn totals(options: DrizzleOptions, image: &ReferenceImage) -> [f64; 2] {
    let cube = drizzle(options, OUTPUT, std::slice::from_ref(image));
    let [weight, flux] = cube.totals(0);
    [weight, flux]
}

proptest! {
    /// Every pixel gives all of its flux, whatever the map, where the droplets lie on the output.
    #[test]
    fn square_turbo_and_point_conserve_flux(
        kernel in prop::sample::select(vec![Kernel::Square, Kernel::Turbo, Kernel::Point]),
        xy_shrink in 0.05..=1.0f64,
        angle in 0.0..std::f64::consts::TAU,
        scale in 0.3..2.0f64,
        flip in any::<bool>(),
        shift in prop::array::uniform2(-2.0..2.0f64),
    ) {
        let (sin, cos) = sin_cos(angle);
        let sign = if flip { -1.0 } else { 1.0 };
        let image = plain(|x, y| {
            let (u, v) = (scale * (x - 5.0), sign * scale * (y - 4.5));
            [20.0 + shift[0] + cos * u - sin * v + 0.002 * u * u, 20.0 + shift[1] + sin * u + cos * v]
        });
        let options = DrizzleOptions { kernel, xy_shrink, ..DrizzleOptions::default() };
        let [weight, flux] = totals(options, &image);
        let given: f64 = image.data.iter().map(|v| f64::from(*v)).sum();
        prop_assert!((weight / PIXELS as f64 - 1.0).abs() < 1e-9, "weight {weight}");
        prop_assert!((flux / given - 1.0).abs() < 1e-9, "{flux} for {given}");
    }

    /// Ones in give ones out, with every kernel.
    #[test]
    fn ones_give_ones(
        kernel in prop::sample::select(Kernel::ALL.to_vec()),
        xy_shrink in 0.3..=1.0f64,
        angle in 0.0..std::f64::consts::TAU,
        scale in 0.5..2.0f64,
    ) {
        let (sin, cos) = sin_cos(angle);
        let mut image = plain(|x, y| {
            let (u, v) = (scale * (x - 5.0), scale * (y - 4.5));
            [20.0 + cos * u - sin * v, 20.0 + sin * u + cos * v]
        });
        image.data.fill(1.0);
        let options = DrizzleOptions { kernel, xy_shrink, ..DrizzleOptions::default() };
        let cube = drizzle(options, OUTPUT, std::slice::from_ref(&image));
        let science = plane(OUTPUT, |out| cube.science(0, out));
        let weight = plane(OUTPUT, |out| cube.optional(OptionalPlane::Weight, 0, out));
        let seen = science.iter().zip(&weight).filter(|(_, w)| **w != 0.0);
        // In the Lanczos kernels a weight may be what is left of shares that cancel.
        for (value, weight) in seen {
            prop_assert!((value - 1.0).abs() <= 1e-6 / weight.abs().min(1.0), "{value} at weight {weight}");
        }
    }
}

/// What a caller does: add, finalize, and then nothing until reset.
#[test]
fn finalized_sums_take_no_more() {
    let image = plain(|x, y| [x + 10.0, y + 10.0]);
    let mut drizzler = drizzle(DrizzleOptions::default(), OUTPUT, std::slice::from_ref(&image));
    let before = plane(OUTPUT, |out| drizzler.science(0, out));
    drizzler.finalize();
    let load = |plan: &DrizzlePlan, image: &ReferenceImage, out: &mut Droplets| {
        plan.collect(&image.exposure(), &image.spans, out)
    };
    let images = std::slice::from_ref(&image);
    assert_eq!(drizzler.add_all(images, load, &Silent).unwrap_err(), DrizzleError::Finalized);
    drizzler.reset();
    assert_eq!(drizzler.exposures(), 0);
    assert!(plane(OUTPUT, |out| drizzler.science(0, out)).iter().all(|v| v.is_nan()));
    drizzler.add_all(images, load, &Silent).unwrap();
    let bits = |plane: &[f32]| plane.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&plane(OUTPUT, |out| drizzler.science(0, out))), bits(&before));
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().map_or(f32::NAN, |v| v as f32)).collect()
}

fn pair(value: &Value) -> [usize; 2] {
    [0, 1].map(|k| value[k].as_u64().unwrap() as usize)
}

const NAMED: [&str; 3] = ["var_rnoise", "var_poisson", "var_flat"];

/// A model of Resample: what it weights by 1/variance is var_rnoise.
struct Model {
    data: Vec<f32>,
    flags: Vec<i32>,
    variances: [Vec<f32>; 3],
    map: ArrayMap,
    exposure: GroupTime,
}

impl Model {
    fn read(value: &Value, shape: [usize; 2]) -> Self {
        let numbers = |v: &Value| [0, 1].map(|k| v[k].as_f64().unwrap());
        let time = |name: &str| value[name].as_f64();
        Self {
            data: floats(&value["data"]),
            flags: value["dq"].as_array().unwrap().iter().map(|v| v.as_i64().unwrap() as i32).collect(),
            variances: NAMED.map(|name| floats(&value[name])),
            map: ArrayMap {
                shape,
                positions: value["positions"].as_array().unwrap().iter().map(numbers).collect(),
            },
            exposure: GroupTime {
                id: value["group_id"].as_str().unwrap().to_owned(),
                begin: time("start_time"),
                end: time("end_time"),
                exposure: time("exposure_time"),
                measurement: time("measurement_time"),
            },
        }
    }
}

/// Variances, errors, context, good bits and times, for weights 1/variance and by time.
#[test]
fn resample_agrees() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/resample/resample.json");
    let (mut compared, mut worst) = (0, 0f32);
    let all: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (shape, output) = (pair(&all["shape"]), pair(&all["output"]));
    let models: Vec<Model> =
        all["models"].as_array().unwrap().iter().map(|model| Model::read(model, shape)).collect();
    let bits = all["flags"].as_object().unwrap().iter();
    let cards: Vec<String> = bits
        .map(|(name, value)| format!("HIERARCH MP_{name} = {}", value.as_u64().unwrap().ilog2()))
        .collect();
    let names = FlagNames::from_header(&Header::parse(&cards.join("\n")).unwrap());
    let mut timing = Timing::default();
    models.iter().for_each(|model| timing.add(model.exposure.clone()));
    for case in all["cases"].as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap();
        let by_time = text("weight_type") == "exptime";
        let good: GoodBits = text("good_bits").parse().unwrap();
        let planes = OutputPlanes {
            error: Some(match text("compute_err") {
                "driz_err" => ErrorMethod::Resampled,
                _ => ErrorMethod::FromVariances,
            }),
            context: true,
            variances: NAMED.map(str::to_owned).to_vec(),
            variance_method: VarianceMethod::Resampled,
            ..OutputPlanes::default()
        };
        let options = DrizzleOptions {
            kernel: Kernel::Square,
            fill: FillValue::Value(0.0),
            ..DrizzleOptions::default()
        };
        let axis = WavelengthGrid::custom(vec![1.0, 2.0]).unwrap();
        let plan = DrizzlePlan::new(output, axis, options).unwrap().with_planes(planes);
        let mut cube = Drizzler::new(plan);
        let load = |plan: &DrizzlePlan, model: &Model, out: &mut Droplets| {
            let variances = model.variances.each_ref().map(Vec::as_slice);
            let weight = match model.exposure.measurement {
                Some(time) if by_time => Weight::Constant(time),
                _ => Weight::InverseVariance,
            };
            let exposure = Exposure {
                shape,
                rows: 0..shape[0],
                flux: &model.data,
                variance: variances[0],
                flags: &model.flags,
                foreground: None,
                excluded: good.excluded(&names).unwrap(),
                pixel_map: &model.map,
                wavelength_map: &NARROW,
                extra: ExposureExtras { weight, variances: &variances, ..ExposureExtras::default() },
            };
            plan.collect(&exposure, &Spans::whole(shape), out)
        };
        cube.add_all(&models, load, &Silent).unwrap().into_iter().for_each(|answer| drop(answer.unwrap()));
        let optional = |which| plane(output, |out| cube.optional(which, 0, out));
        let named: Vec<Vec<f32>> = (0..3).map(|k| optional(OptionalPlane::NamedVariance(k))).collect();
        let mut pairs = vec![
            ("data", plane(output, |out| cube.science(0, out))),
            ("wht", optional(OptionalPlane::Weight)),
            ("err", optional(OptionalPlane::Error)),
        ];
        pairs.extend(NAMED.into_iter().zip(named));
        for (name, ours) in pairs {
            for (k, (ours, theirs)) in ours.iter().zip(floats(&case[name])).enumerate() {
                let place = format!(
                    "{} {}: {name} of pixel {k}: {ours} for {theirs}",
                    text("weight_type"),
                    text("good_bits")
                );
                // Resample fills the errors that it resamples as data, with fillval.
                let filled = name == "err" && text("compute_err") == "driz_err" && theirs == 0.0;
                assert_eq!(ours.is_nan(), theirs.is_nan() || filled, "{place}");
                assert!(ours.is_nan() || (ours - theirs).abs() <= 1e-5 * theirs.abs(), "{place}");
                if !ours.is_nan() && theirs != 0.0 {
                    (compared, worst) = (compared + 1, (ours / theirs - 1.0).abs().max(worst));
                }
            }
        }
        let context: Vec<u64> = case["con"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
        let ours: Vec<u32> = plane(output, |out| cube.context(0, 0, out));
        assert!(ours.iter().map(|v| u64::from(*v)).eq(context), "{}", text("good_bits"));
        let times = &case["times"];
        assert_eq!(times["pointings"].as_f64(), Some(timing.groups().len() as f64));
        assert_eq!(times["exposure_time"].as_f64(), Some(timing.exposure()));
        assert_eq!(times["measurement_time"].as_f64(), Some(timing.measurement()));
        assert_eq!(
            (times["start_time"].as_f64(), times["end_time"].as_f64()),
            (timing.begin(), timing.end())
        );
        let ids: Vec<&str> = timing.groups().iter().map(|group| group.id.as_str()).collect();
        assert!(case["group_ids"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).eq(ids));
    }
    println!("{compared} values; worst {worst:.1e}");
}

/// R of every kernel against the noise of many exposures at random phases: the sum of the
/// covariances with all neighbors over the variance is R^2.
#[test]
fn the_noise_factor_is_that_of_drizzled_noise() {
    const N: usize = 56;
    const LAGS: i32 = 4;
    for (kernel, xy_shrink, oversample) in [
        (Kernel::Bilinear, 0.8, 1.0),
        (Kernel::Square, 0.8, 1.0),
        (Kernel::Square, 1.0, 2.0),
        (Kernel::Turbo, 0.6, 1.0),
        (Kernel::Point, 0.8, 1.0),
        (Kernel::Gaussian, 1.0, 1.0),
        (Kernel::Lanczos3, 1.0, 1.0),
    ] {
        let mut generator = SplitMix64(99);
        let options = DrizzleOptions { kernel, xy_shrink, ..DrizzleOptions::default() };
        let side = (N as f64 * oversample) as usize;
        let (mut alone, mut together) = (0.0, 0.0);
        for _ in 0..12 {
            let images: Vec<Noise> = (0..24).map(|_| Noise::new(&mut generator, N, oversample)).collect();
            let axis = WavelengthGrid::custom(vec![1.0, 2.0]).unwrap();
            let mut cube = Drizzler::new(DrizzlePlan::new([side; 2], axis, options).unwrap());
            let load = |plan: &DrizzlePlan, image: &Noise, out: &mut Droplets| {
                plan.collect(&image.exposure(), &Spans::whole([N; 2]), out)
            };
            cube.add_all(&images, load, &Silent).unwrap();
            let science = plane([side; 2], |out| cube.science(0, out));
            let at = |x: usize, y: usize| f64::from(science[y * side + x]);
            let reach = LAGS as usize + 3;
            for y in reach..side - reach {
                for x in reach..side - reach {
                    let around = |v: usize| v - LAGS as usize..=v + LAGS as usize;
                    let sum: f64 =
                        around(y).flat_map(|j| around(x).map(move |i| (i, j))).map(|(i, j)| at(i, j)).sum();
                    alone += at(x, y) * at(x, y);
                    together += at(x, y) * sum;
                }
            }
        }
        let (found, expected) = ((together / alone).sqrt(), options.noise_factor(1.0 / oversample));
        println!("{kernel} {xy_shrink} x{oversample}: R = {found:.3}, expected {expected:.3}");
        assert!((found / expected - 1.0).abs() < 0.05, "{kernel}: {found} for {expected}");
    }
    // The values of Fruchter & Hook's equations.
    let of = |xy_shrink, ratio| {
        DrizzleOptions { kernel: Kernel::Square, xy_shrink, ..DrizzleOptions::default() }.noise_factor(ratio)
    };
    assert!((of(0.6, 0.5) - 1.662).abs() < 1e-3 && (of(0.6, 1.0) - 1.25).abs() < 1e-12);
}

/// Noise of unit width, shifted by a random part of a pixel.
struct Noise {
    side: usize,
    data: Vec<f32>,
    ones: Vec<f32>,
    flags: Vec<i32>,
    map: ArrayMap,
}

impl Noise {
    fn new(generator: &mut SplitMix64, side: usize, oversample: f64) -> Self {
        let shift = [0, 1].map(|_| oversample * (generator.uniform() - 0.5));
        let pixels = side * side;
        // The sum of twelve uniform numbers has unit variance.
        let data = (0..pixels).map(|_| ((0..12).map(|_| generator.uniform()).sum::<f64>() - 6.0) as f32);
        Self {
            side,
            data: data.collect(),
            ones: vec![1.0; pixels],
            flags: vec![0; pixels],
            map: ArrayMap::new([side; 2], |x, y| [oversample * x + shift[0], oversample * y + shift[1]]),
        }
    }

    fn exposure(&self) -> Exposure<'_> {
        Exposure {
            shape: [self.side; 2],
            rows: 0..self.side,
            flux: &self.data,
            variance: &self.ones,
            flags: &self.flags,
            foreground: None,
            excluded: 0,
            pixel_map: &self.map,
            wavelength_map: &NARROW,
            extra: ExposureExtras::default(),
        }
    }
}
