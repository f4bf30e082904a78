//! A drizzle ends soon after somebody asks, within a single exposure too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use spx_core::map::{Passband, PixelMap, Spans};
use spx_core::progress::{Progress, StopAfter};
use spx_drizzle::{
    BackgroundForm, ComparisonOptions, DrizzleError, DrizzleOptions, DrizzlePlan, Drizzler, Droplets,
    Exposure, ExposureExtras, RejectionOptions, WavelengthGrid,
};

#[derive(Debug)]
struct FourTimesFiner;

impl PixelMap for FourTimesFiner {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        Some([4.0 * x + 1.5, 4.0 * y + 1.5])
    }
}

const SHAPE: [usize; 2] = [160, 200];

/// Drizzles `exposures` times the same exposure onto a grid four times finer, of 10 x 13 tiles.
fn drizzle(
    exposures: usize,
    options: &ComparisonOptions,
    progress: &dyn Progress,
) -> Result<u32, DrizzleError> {
    let n = SHAPE[0] * SHAPE[1];
    let (flux, variance, flags) = (vec![1.0; n], vec![0.04; n], vec![0; n]);
    let exposure = Exposure {
        shape: SHAPE,
        rows: 0..SHAPE[0],
        flux: &flux,
        variance: &variance,
        flags: &flags,
        foreground: None,
        excluded: 0,
        pixel_map: &FourTimesFiner,
        wavelength_map: &Passband { center: 2.05, width: 0.04 },
        extra: ExposureExtras::default(),
    };
    let axis = WavelengthGrid::custom(vec![2.0, 2.1]).unwrap();
    let output = SHAPE.map(|n| 4 * n);
    let plan = DrizzlePlan::new(output, axis, DrizzleOptions::default()).unwrap();
    let load = |plan: &DrizzlePlan, (): &(), out: &mut Droplets<'_>| {
        plan.collect(&exposure, &Spans::whole(SHAPE), out)
    };
    let mut drizzler = Drizzler::new(plan);
    drizzler.add_all_compared(&vec![(); exposures], load, options, progress)?;
    Ok(drizzler.exposures())
}

#[test]
fn every_moment_of_a_single_exposure_ends_it() {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let run = |limit| {
            let progress = StopAfter::new(limit);
            let result = pool.install(|| drizzle(1, &ComparisonOptions::default(), &progress));
            (result, progress.looks())
        };
        let (result, looks) = run(usize::MAX);
        // Six blocks of the image at least; beside them, where droplets are filed, each tile.
        let least = if threads == 1 { 6 } else { 6 + 130 };
        assert!(result == Ok(1) && looks >= least, "{threads} threads: {result:?}, {looks} looks");
        for limit in 0..looks {
            assert_eq!(run(limit).0, Err(DrizzleError::Cancelled), "{threads} threads, look {limit}");
        }
    }
}

#[test]
fn comparisons_end_too() {
    let options = ComparisonOptions {
        background: Some(BackgroundForm::Offset),
        rejection: Some(RejectionOptions { min_coverage: 3, ..RejectionOptions::default() }),
    };
    let free = StopAfter::never();
    assert_eq!(drizzle(4, &options, &free), Ok(4));
    let looks = free.looks();
    assert!(looks >= 4 * 3 * 6, "{looks} looks");
    for limit in (0..looks).step_by(37) {
        let stopped = drizzle(4, &options, &StopAfter::new(limit));
        assert_eq!(stopped, Err(DrizzleError::Cancelled), "look {limit}");
    }
}
