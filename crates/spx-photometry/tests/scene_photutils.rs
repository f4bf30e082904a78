//! A scene against photutils' grouped PSF photometry and the dense least squares: fluxes within
//! 1e-6 of both.
//!
//! xtask/python/golden_scene.py made the image and the answers; see there.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

use spx_core::elementary::exp;
use spx_core::flags::FlagNames;
use spx_core::pixels::Pixels;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_photometry::{ImageView, PointSpread, Scene, SceneBackground, SceneOptions, SceneSource};

const SIDE: usize = 48;
const SOURCES: usize = 40;
const SIGMA: f64 = 0.85;
const NOISE: f64 = 0.3;
const ANSWERS: &[u8] = include_bytes!("../../../testdata/photometry/scene.f64");

/// Sampled at the centers of pixels.
struct RoundGaussian;

impl PointSpread for RoundGaussian {
    fn reach(&self, _: [f64; 2]) -> Option<f64> {
        Some(9.0)
    }

    fn share(&self, _: [f64; 2], [dx, dy]: [f64; 2]) -> f64 {
        exp(-0.5 * (dx * dx + dy * dy) / (SIGMA * SIGMA)) / (std::f64::consts::TAU * SIGMA * SIGMA)
    }
}

#[test]
fn fluxes_are_those_of_photutils_and_of_dense_matrices() {
    let numbers: Vec<f64> =
        ANSWERS.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(numbers.len(), 5 * SOURCES + SIDE * SIDE);
    let (answers, image) = numbers.split_at(5 * SOURCES);
    let image: Vec<f32> = image.iter().map(|value| *value as f32).collect();
    let (flags, variance) = (vec![0; SIDE * SIDE], vec![(NOISE * NOISE) as f32; SIDE * SIDE]);
    let names = FlagNames::default();
    let view = ImageView {
        shape: [SIDE; 2],
        image: Pixels::Native(&image),
        flags: Pixels::Native(&flags),
        variance: Pixels::Native(&variance),
        foreground: None,
        flag_names: &names,
        psf_fwhm: None,
        parent_offset: [0.0; 2],
    };
    let background = SceneBackground::None;
    let options = SceneOptions { background, fit_radius: 32.0, ..SceneOptions::default() };
    let source = |answer: &[f64]| SceneSource {
        position: [answer[0], answer[1]],
        pixel_area: 1.0 / UJY_PER_ARCSEC2_PER_MJY_PER_SR,
        shape: None,
    };
    let sources: Vec<SceneSource> = answers.chunks_exact(5).map(source).collect();
    let fit = Scene::new(view, &options, RoundGaussian).unwrap().fit(&sources);
    for (found, answer) in fit.fluxes.iter().zip(answers.chunks_exact(5)) {
        let found = found.unwrap();
        let [photutils, dense, error] = [answer[2], answer[3], answer[4]];
        assert!((found.flux / dense - 1.0).abs() < 1e-6, "{} {dense}", found.flux);
        assert!((found.flux / photutils - 1.0).abs() < 1e-6, "{} {photutils}", found.flux);
        assert!((found.error / error - 1.0).abs() < 1e-3, "{} {error}", found.error);
        assert!(!found.damped && found.clipped == 0);
    }
}
