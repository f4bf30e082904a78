//! A simulated field, drizzled in memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use spx_core::detector::Detector;
use spx_core::flags::FlagSelection;
use spx_core::foreground::{self, ForegroundInput, ForegroundOptions};
use spx_core::image::SpectralImage;
use spx_core::progress::Silent;
use spx_core::sky::{Position, Rectangle};
use spx_drizzle::{
    DrizzleError, DrizzleOptions, DrizzlePlan, Drizzler, Exposure, ExposureExtras, ExposureForeground,
    WavelengthGrid, Weight,
};
use spx_sim::{ExposureOptions, FrameExtent, SimulatedSky, SurveyOptions, observe, survey};
use spx_wcs::{CelestialWcs, GridMap, OutputGrid, WaveTable};

pub(crate) fn center() -> Position {
    Position::new(186.4536, 33.5468).unwrap()
}

/// A square output grid around [`center`].
pub(crate) fn grid(arcmin: f64) -> OutputGrid {
    OutputGrid::new(Rectangle::new(center(), arcmin, arcmin).unwrap(), OutputGrid::NATIVE_SCALE).unwrap()
}

/// Exposures of detector 3, cutouts of `size` pixels around the center.
pub(crate) fn exposures(sky: &SimulatedSky, number: usize, size: usize) -> Vec<SpectralImage> {
    let detectors = vec![Detector::new(3).unwrap()];
    // The field passes the whole height of the detector and a little more, so that every channel
    // sees it.
    let plan = SurveyOptions { observations: number, detectors, margin: 80.0, ..SurveyOptions::default() };
    let frame = FrameExtent::Around { position: center(), size };
    let options = ExposureOptions { frame, zodi_scale: 1.1, ..ExposureOptions::default() };
    let observed = survey(center(), &plan).unwrap();
    let images = observed.iter().map(|p| observe(sky, p, &options).unwrap());
    images.map(|exposure| exposure.into_spectral_image(Path::new("simulated"))).collect()
}

/// How the pixels of a test are weighted.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "each test file uses a part of it")]
pub(crate) enum TestWeighting {
    Raw,
    Smoothed,
    Constant,
}

/// Drizzles images as `spx drizzle` does by default.
pub(crate) fn drizzle(images: &[SpectralImage], grid: &OutputGrid, options: DrizzleOptions) -> Drizzler {
    drizzle_weighted(images, grid, options, TestWeighting::Smoothed)
}

/// Drizzles images with other weights.
pub(crate) fn drizzle_weighted(
    images: &[SpectralImage],
    grid: &OutputGrid,
    options: DrizzleOptions,
    weighting: TestWeighting,
) -> Drizzler {
    let wavelengths = WavelengthGrid::native(Detector::new(3).unwrap());
    let mut drizzler = Drizzler::new(DrizzlePlan::new(grid.shape(), wavelengths, options).unwrap());
    let answers = drizzler.add_all(
        images,
        |plan, image, droplets| {
            let metadata = &image.metadata;
            let map = GridMap::new(&CelestialWcs::from_header(&metadata.header).unwrap(), grid);
            let table = &metadata.wave_table;
            let wave = WaveTable::new(&table.x, &table.y, &table.values, &metadata.header).unwrap();
            let input = ForegroundInput {
                shape: metadata.shape,
                planes: image.planes.from_pixel(0),
                flag_names: &metadata.flag_names,
                detector: metadata.id.detector,
                wavelengths: &wave,
                excluded: &[],
            };
            let fit = foreground::fit(&input, &ForegroundOptions::default()).unwrap();
            let excluded = FlagSelection::Mosaic.mask(&metadata.flag_names).unwrap();
            let exposure = Exposure {
                shape: metadata.shape,
                rows: image.rows.clone(),
                flux: &image.planes.image,
                variance: &image.planes.variance,
                flags: &image.planes.flags,
                foreground: Some(ExposureForeground { model: &image.planes.zodi, scale: fit.scale }),
                excluded,
                pixel_map: &map,
                wavelength_map: &wave,
                extra: ExposureExtras {
                    weight: match weighting {
                        TestWeighting::Raw => Weight::InverseVariance,
                        TestWeighting::Smoothed => Weight::SmoothedVariance,
                        TestWeighting::Constant => Weight::Constant(1.0),
                    },
                    sources: metadata.flag_names.mask("SOURCE"),
                    ..ExposureExtras::default()
                },
            };
            plan.collect(&exposure, &plan.spans(&map, metadata.shape), droplets)
        },
        &Silent,
    );
    for answer in answers.unwrap() {
        let ((), contribution): ((), _) = answer.unwrap_or_else(|e: DrizzleError| panic!("{e}"));
        assert!(contribution.took_part());
    }
    drizzler
}
