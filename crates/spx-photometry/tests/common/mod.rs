//! Simulated stars on a jittered grid of pixels, so that each stands alone, and the PSF of the
//! simulation.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test fails by panicking; not every test uses all of this"
)]

use std::path::Path;

use fastrand::Rng;
use spx_core::detector::Detector;
use spx_core::elementary::{exp, powf};
use spx_core::image::SpectralImage;
use spx_core::map::WavelengthMap as _;
use spx_core::sky::Position;
use spx_photometry::{PsfKind, PsfModel, SourceOnImage, regular_zones};
use spx_sim::{ExposureOptions, FrameExtent, PixelWindow, Pointing, SimulatedSky, SimulatedStar, observe};
use spx_wcs::{CelestialWcs, WaveTable};

/// FWHM of the simulation's Gaussian \[arcsec\].
pub(crate) const FWHM: f64 = 5.22;

/// Where a star stands on an image and how bright it is there.
pub(crate) struct Truth {
    pub(crate) source: SourceOnImage,
    /// \[uJy\]
    pub(crate) flux: f64,
}

/// An image and what is on it.
pub(crate) struct Scene {
    pub(crate) image: SpectralImage,
    pub(crate) truths: Vec<Truth>,
}

/// An exposure of `window` with a star every `spacing` pixels, its place drawn over a pixel's width
/// and more, its flux between 50 and 50,000 uJy with the logarithm spread evenly; or with nothing,
/// where `stars` is false.
pub(crate) fn scene(seed: u64, window: PixelWindow, spacing: usize, stars: bool) -> Scene {
    let mut rng = Rng::with_seed(seed);
    let pointing = pointing(seed);
    let wcs = pointing.wcs().unwrap();
    let places = (0..window.ny / spacing).flat_map(|j| (0..window.nx / spacing).map(move |i| (i, j)));
    let placed: Vec<SimulatedStar> = places
        .enumerate()
        .map(|(k, (i, j))| {
            let mut at =
                |start: usize, cell: usize| (start + cell * spacing + spacing / 2) as f64 + 4.0 * rng.f64();
            let [ra, dec] = wcs.pixel_to_sky(at(window.x0, i), at(window.y0, j));
            let flux_2um = 50.0 * powf(1000f64, rng.f64());
            SimulatedStar {
                id: k.to_string(),
                position: Position::new(ra, dec).unwrap(),
                flux_2um,
                slope: -0.7,
            }
        })
        .collect();
    let sky =
        SimulatedSky { stars: if stars { placed.clone() } else { Vec::new() }, ..SimulatedSky::default() };
    let options = ExposureOptions {
        frame: FrameExtent::Cutout(window),
        fwhm_arcsec: FWHM,
        ..ExposureOptions::default()
    };
    let image = observe(&sky, &pointing, &options).unwrap().into_spectral_image(Path::new("simulated"));
    let truths = placed.iter().map(|star| truth(&image, star, stars)).collect();
    Scene { image, truths }
}

fn pointing(seed: u64) -> Pointing {
    let position = Position::new(186.4536, 33.5468).unwrap();
    let detector = Detector::new(3).unwrap();
    Pointing {
        position,
        roll_deg: 24.7,
        mjd: 61_027.0,
        obs_id: "2025W51_1A_0001_1".to_owned(),
        detector,
        seed,
    }
}

fn truth(image: &SpectralImage, star: &SimulatedStar, shines: bool) -> Truth {
    let metadata = &image.metadata;
    let wcs = CelestialWcs::from_header(&metadata.header).unwrap();
    let table = &metadata.wave_table;
    let waves = WaveTable::new(&table.x, &table.y, &table.values, &metadata.header).unwrap();
    let [x, y] = wcs.sky_to_pixel(star.position).unwrap();
    let passband = waves.passband(x, y);
    let source = SourceOnImage { position: [x, y], pixel_area: wcs.pixel_area(x, y), passband };
    Truth { source, flux: if shines { star.flux(passband.center) } else { 0.0 } }
}

/// The PSF of the simulated files: the Gaussian, in 11 x 11 equal zones, each with the pixel scale
/// of its center.
pub(crate) fn psf() -> PsfModel {
    let wcs = pointing(0).wcs().unwrap();
    let centers = regular_zones(11, 11, Detector::NPIX);
    let plane = |&[x, y]: &[f64; 2]| {
        let sigma = 10.0 * FWHM / wcs.pixel_area(x, y).sqrt() / (8.0 * std::f64::consts::LN_2).sqrt();
        let line: Vec<f64> = (-50..=50).map(|k| exp(-0.5 * (f64::from(k) / sigma).powi(2))).collect();
        #[expect(clippy::cast_possible_truncation, reason = "the planes are f32")]
        let plane: Vec<f32> = line.iter().flat_map(|y| line.iter().map(move |x| (y * x) as f32)).collect();
        plane
    };
    let planes: Vec<f32> = centers.iter().flat_map(plane).collect();
    PsfModel::new(planes, 101, 10.0, PsfKind::Optical, centers).unwrap()
}

/// The value below which a share of the values lies.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// Half of the range that holds 68.27 % in its middle: the standard deviation, were the values
/// normal.
pub(crate) fn width(values: &[f64]) -> f64 {
    0.5 * (quantile(values, 0.841_35) - quantile(values, 0.158_65))
}
