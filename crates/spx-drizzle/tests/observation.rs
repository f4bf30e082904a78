//! What an observer checks of a cube: how often and how long a voxel was seen, and what becomes of
//! a point source.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use spx_core::elementary::{cos, exp, sin};
use spx_core::map::{Passband, PixelMap};
use spx_core::progress::Silent;
use spx_drizzle::{
    CubeData, DrizzleError, DrizzleOptions, DrizzlePlan, Drizzler, Exposure, ExposureExtras, Kernel,
    OptionalPlane, OutputPlanes, WavelengthGrid, Weight,
};

/// Turned by an angle, enlarged, moved: input pixels to output pixels.
struct Placed {
    turn: f64,
    enlarged: f64,
    shift: [f64; 2],
}

/// Input pixels along either side.
const SIDE: usize = 40;
/// Output pixels along either side, smaller than what every exposure covers.
const OUT: usize = 21;
/// Of the source, in the middle pixel of the output.
const SOURCE: [f64; 2] = [10.0, 10.0];
/// Width of the source's light in a pixel, per axis \[input px\].
const SIGMA: f64 = 1.1;

impl PixelMap for Placed {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let (c, s) = (self.enlarged * cos(self.turn), self.enlarged * sin(self.turn));
        let (x, y) = (x - 19.5, y - 19.5);
        Some([c * x - s * y + SOURCE[0] + self.shift[0], s * x + c * y + SOURCE[1] + self.shift[1]])
    }
}

impl Placed {
    /// Places within a pixel that fill it evenly.
    fn many(n: usize, turn: f64, enlarged: f64) -> Vec<Self> {
        let part = |k: usize, irrational: f64| (k as f64 * irrational).fract() - 0.5;
        let shift = |k: usize| [part(k, 0.754_877_666_246_693), part(k, 0.569_840_290_998_053)];
        (0..n).map(|k| Self { turn, enlarged, shift: shift(k).map(|s| s * enlarged) }).collect()
    }

    /// The share of the source's light in each input pixel, a Gaussian.
    #[expect(clippy::cast_possible_truncation, reason = "fluxes are in single precision")]
    fn light(&self) -> Vec<f32> {
        let at = |k: usize| {
            let [x, y] = self.map((k % SIDE) as f64, (k / SIDE) as f64).unwrap();
            let r2 = ((x - SOURCE[0]).powi(2) + (y - SOURCE[1]).powi(2)) / self.enlarged.powi(2);
            (exp(-0.5 * r2 / (SIGMA * SIGMA)) / (std::f64::consts::TAU * SIGMA * SIGMA)) as f32
        };
        (0..SIDE * SIDE).map(at).collect()
    }
}

/// A drizzle of exposures that see nothing but the source, in one plane or two.
fn drizzled(places: &[Placed], options: DrizzleOptions, edges: Vec<f64>) -> Drizzler {
    let planes = OutputPlanes { coverage: true, point_source: true, ..OutputPlanes::default() };
    let grid = WavelengthGrid::custom(edges).unwrap();
    let plan = DrizzlePlan::new([OUT; 2], grid, options).unwrap().with_planes(planes);
    let mut drizzler = Drizzler::new(plan);
    let answers = drizzler.add_all(
        places,
        |plan, place, droplets| {
            let light = place.light();
            // One weight in four is another, where that does not always fall on the same voxels.
            let heavier = if place.turn == 0.0 { 1.0 } else { 3.0 };
            let weights: Vec<f32> =
                (0..SIDE * SIDE).map(|k| if k % 4 == 0 { heavier } else { 1.0 }).collect();
            let exposure = Exposure {
                shape: [SIDE; 2],
                rows: 0..SIDE,
                flux: &light,
                variance: &vec![0.01; SIDE * SIDE],
                flags: &[],
                foreground: None,
                excluded: 0,
                pixel_map: place,
                wavelength_map: &Passband { center: 2.1, width: 0.1 },
                extra: ExposureExtras {
                    weight: Weight::Map(&weights),
                    point_source: &light,
                    time: 113.5,
                    ..ExposureExtras::default()
                },
            };
            plan.collect(&exposure, &plan.spans(place, exposure.shape), droplets)
        },
        &Silent,
    );
    answers.unwrap().into_iter().for_each(|answer: Result<_, DrizzleError>| {
        answer.unwrap();
    });
    drizzler
}

fn plane(drizzler: &Drizzler, which: OptionalPlane, z: usize) -> Vec<f32> {
    let mut out = vec![0.0; OUT * OUT];
    drizzler.optional(which, z, &mut out);
    out
}

fn options(kernel: Kernel, xy_shrink: f64) -> DrizzleOptions {
    DrizzleOptions { kernel, xy_shrink, ..DrizzleOptions::default() }
}

/// Whatever the kernel and the number of threads, a source of that light drizzles into that image,
/// to the last bit.
#[test]
fn the_point_source_is_what_a_source_becomes() {
    let threads = |n: usize| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    for kernel in Kernel::ALL {
        let places = Placed::many(7, 0.3, 0.9);
        let found = [1, 3].map(|n| {
            let made = threads(n).install(|| drizzled(&places, options(kernel, 0.8), vec![2.0, 2.08, 2.3]));
            (0..2)
                .flat_map(|z| {
                    let mut science = vec![0.0; OUT * OUT];
                    made.science(z, &mut science);
                    let source = plane(&made, OptionalPlane::PointSource, z);
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    assert!(science.iter().any(|v| *v > 0.01), "{kernel}");
                    assert_eq!(bits(&science), bits(&source), "{kernel}");
                    source.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        });
        assert!(found[0] == found[1], "{kernel}");
    }
}

/// Over many places in a pixel it is the source's light convolved with the kernel: all of the
/// light, in the middle, with the widths of both.
#[test]
fn widths_add_up() {
    // Variances of the kernels' profiles along an axis, with pixels of the same size: of two boxes,
    // of a triangle, of the box of a pixel.
    let cases = [
        (Kernel::Square, 0.8, (0.8 * 0.8 + 1.0) / 12.0),
        (Kernel::Turbo, 0.5, (0.5 * 0.5 + 1.0) / 12.0),
        (Kernel::Bilinear, 1.0, 1.0 / 6.0),
        (Kernel::Point, 1.0, 1.0 / 12.0),
    ];
    for (kernel, shrink, width) in cases {
        let made = drizzled(&Placed::many(400, 0.0, 1.0), options(kernel, shrink), vec![2.0, 2.3]);
        let light = plane(&made, OptionalPlane::PointSource, 0);
        let moment = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            let at = |k: usize| f((k % OUT) as f64 - SOURCE[0], (k / OUT) as f64 - SOURCE[1]);
            light.iter().enumerate().map(|(k, v)| f64::from(*v) * at(k)).sum()
        };
        let total = moment(&|_, _| 1.0);
        assert!((total - 1.0).abs() < 0.003, "{kernel}: {total}");
        for first in [moment(&|x, _| x), moment(&|_, y| y)] {
            assert!(first.abs() < 0.01, "{kernel}: {first}");
        }
        for second in [moment(&|x, _| x * x), moment(&|_, y| y * y)] {
            let expected = SIGMA * SIGMA + width;
            assert!((second / total / expected - 1.0).abs() < 0.01, "{kernel}: {second}, {expected}");
        }
    }
}

/// Exposures that cover the output count in every voxel, and their time is shared out among the
/// planes that their light falls into, whatever the size and the turn of their pixels.
#[test]
fn every_exposure_counts_with_its_time() {
    for (kernel, turn, enlarged, least) in [
        (Kernel::Bilinear, 0.0, 1.0, 1e-6),
        (Kernel::Bilinear, 0.4, 1.0, 0.05),
        (Kernel::Square, 0.4, 0.8, 0.05),
        (Kernel::Point, 0.4, 0.8, 0.15),
        (Kernel::Gaussian, 0.4, 0.8, 0.1),
        (Kernel::Lanczos3, 0.4, 0.8, 0.1),
    ] {
        let places = Placed::many(40, turn, enlarged);
        // The passband from 2.06 to 2.14 lies a quarter in the first plane.
        let made = drizzled(&places, options(kernel, 0.8), vec![2.0, 2.08, 2.3]);
        let cube: &dyn CubeData = &made;
        for (z, share) in [(0, 0.25), (1, 0.75)] {
            let times = plane(&made, OptionalPlane::ExposureTime, z);
            let expected = share * 40.0 * 113.5;
            let mean = times.iter().map(|v| f64::from(*v)).sum::<f64>() / times.len() as f64;
            assert!((mean / expected - 1.0).abs() < 0.01, "{kernel}: {mean}, {expected}");
            let off = times.iter().map(|v| (f64::from(*v) / expected - 1.0).abs()).fold(0.0, f64::max);
            assert!(off < least, "{kernel}: {off}");
            let mut exposures = vec![0; OUT * OUT];
            cube.exposures(z, &mut exposures);
            // A pixel smaller than a voxel may miss it.
            let all = exposures.iter().filter(|n| **n == 40).count();
            assert!(all == OUT * OUT || kernel == Kernel::Point, "{kernel}: {all}");
        }
    }
}

/// Half of the exposures reach half of the output.
#[test]
fn what_an_exposure_does_not_reach_is_not_counted() {
    let mut places = Placed::many(2, 0.0, 1.0);
    places[0].shift[0] += 20.0;
    let made = drizzled(&places, options(Kernel::Bilinear, 1.0), vec![2.0, 2.3]);
    let cube: &dyn CubeData = &made;
    let (mut exposures, times) = (vec![0; OUT * OUT], plane(&made, OptionalPlane::ExposureTime, 0));
    cube.exposures(0, &mut exposures);
    let at = |x: usize| (exposures[10 * OUT + x], times[10 * OUT + x]);
    assert_eq!((at(2), at(18)), ((1, 113.5), (2, 227.0)));
}

/// A plan that wants the source wants it of every exposure.
#[test]
fn an_exposure_without_the_source_is_refused() {
    let planes = OutputPlanes { point_source: true, ..OutputPlanes::default() };
    let grid = WavelengthGrid::custom(vec![2.0, 2.3]).unwrap();
    let plan = DrizzlePlan::new([OUT; 2], grid, DrizzleOptions::default()).unwrap().with_planes(planes);
    let place = &Placed::many(1, 0.0, 1.0)[0];
    let pixels = vec![1.0; SIDE * SIDE];
    let refused = Drizzler::new(plan).add(&Exposure {
        shape: [SIDE; 2],
        rows: 0..SIDE,
        flux: &pixels,
        variance: &pixels,
        flags: &[],
        foreground: None,
        excluded: 0,
        pixel_map: place,
        wavelength_map: &Passband { center: 2.1, width: 0.1 },
        extra: ExposureExtras::default(),
    });
    assert!(matches!(refused, Err(DrizzleError::ArrayLength { array: "point source", .. })), "{refused:?}");
}
