//! Scenes against the same least squares solved with dense matrices.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

use fastrand::Rng;
use spx_core::elementary::{exp, hypot};
use spx_core::flags::FlagNames;
use spx_core::pixels::Pixels;
use spx_core::progress::StopAfter;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_photometry::{
    ImageView, NoSceneFlux, PointSpread, Scene, SceneBackground, SceneFlux, SceneOptions, SceneSource,
};

const SIDE: usize = 56;
const AREA: f64 = 38.0;
const VARIANCE: f64 = 1e-4;
const REACH: f64 = 4.0;

/// A Gaussian that changes over the image, seen at the centers of pixels.
struct Gaussian;

impl PointSpread for Gaussian {
    fn reach(&self, _: [f64; 2]) -> Option<f64> {
        Some(REACH)
    }

    fn share(&self, [x, _]: [f64; 2], [dx, dy]: [f64; 2]) -> f64 {
        let s2 = 0.7 + 0.002 * x;
        exp(-0.5 * (dx * dx + dy * dy) / s2) / (std::f64::consts::TAU * s2)
    }
}

fn within(position: [f64; 2], x: usize, y: usize) -> f64 {
    hypot(x as f64 - position[0], y as f64 - position[1])
}

/// Solution and diagonal of the inverse, by Gauss and Jordan.
fn invert(mut rows: Vec<Vec<f64>>, right: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let count = right.len();
    for (k, row) in rows.iter_mut().enumerate() {
        row.extend((0..count).map(|j| f64::from(u8::from(j == k))));
    }
    for k in 0..count {
        let pivot = rows[k][k];
        rows[k].iter_mut().for_each(|v| *v /= pivot);
        let line = rows[k].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != k) {
            let factor = row[k];
            row.iter_mut().zip(&line).for_each(|(v, l)| *v -= factor * l);
        }
    }
    let solution = rows.iter().map(|row| row[count..].iter().zip(right).map(|(c, r)| c * r).sum()).collect();
    (solution, rows.iter().enumerate().map(|(k, row)| row[count + k]).collect())
}

#[test]
fn fluxes_and_errors_are_those_of_the_dense_solution() {
    let mut rng = Rng::with_seed(3);
    let positions: Vec<[f64; 2]> =
        (0..160).map(|_| [SIDE as f64 * rng.f64() - 0.5, SIDE as f64 * rng.f64() - 0.5]).collect();
    let fluxes: Vec<f64> = (0..160).map(|_| 0.5 + 3.0 * rng.f64()).collect();
    let share = |k: usize, x: usize, y: usize| {
        let off = [x as f64 - positions[k][0], y as f64 - positions[k][1]];
        let near = off.iter().all(|d| d.abs() <= REACH);
        if near { Gaussian.share(positions[k], off) } else { 0.0 }
    };
    let mut image = vec![0.05_f32; SIDE * SIDE];
    let mut flags = vec![0; SIDE * SIDE];
    for (at, value) in image.iter_mut().enumerate() {
        let (x, y) = (at % SIDE, at / SIDE);
        let light: f64 = (0..160).map(|k| fluxes[k] * share(k, x, y)).sum();
        *value += (light + 0.01 * (rng.f64() - 0.5)) as f32;
        flags[at] = i32::from(rng.f64() < 0.03) << 6;
    }
    let variance = vec![VARIANCE as f32; SIDE * SIDE];
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
    let options = SceneOptions {
        background: SceneBackground::Constant,
        patch: 64,
        clip_sigma: f64::INFINITY,
        ..SceneOptions::default()
    };
    let sources: Vec<SceneSource> =
        positions.iter().map(|p| SceneSource { position: *p, pixel_area: AREA, shape: None }).collect();
    let scene = Scene::new(view, &options, Gaussian).unwrap();
    let free = StopAfter::never();
    let found = scene.fit_attended(&sources, &free).fluxes;

    // A fit ends at whatever look it is asked to.
    assert!(free.looks() > 25, "{} looks", free.looks());
    for limit in (0..free.looks()).step_by(7).chain([free.looks() - 1]) {
        let stopped = scene.fit_attended(&sources, &StopAfter::new(limit)).fluxes;
        let is_stopped = |flux: &Result<SceneFlux, NoSceneFlux>| *flux == Err(NoSceneFlux::Stopped);
        assert!(stopped.len() == 160 && stopped.iter().all(is_stopped), "look {limit}");
    }

    // The same with a dense matrix: 160 fluxes and a constant.
    let mut normal = vec![vec![0.0; 161]; 161];
    let mut right = vec![0.0; 161];
    for at in (0..SIDE * SIDE).filter(|at| flags[*at] == 0) {
        let (x, y) = (at % SIDE, at / SIDE);
        let radius = options.fit_radius + options.background_margin;
        if !positions.iter().any(|p| within(*p, x, y) <= radius) {
            continue;
        }
        let row: Vec<f64> = (0..160).map(|k| share(k, x, y)).chain([1.0]).collect();
        let weight = 1.0 / f64::from(VARIANCE as f32);
        for (a, one) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            right[a] += weight * one * f64::from(image[at]);
            row.iter().enumerate().for_each(|(b, other)| normal[a][b] += weight * one * other);
        }
    }
    let (solution, covariance) = invert(normal, &right);
    let unit = UJY_PER_ARCSEC2_PER_MJY_PER_SR * AREA;
    let mut compared = 0;
    for (k, flux) in found.iter().enumerate() {
        let Ok(flux) = flux else { continue };
        if flux.damped {
            continue;
        }
        let error = covariance[k].sqrt() * unit;
        assert!((flux.flux - solution[k] * unit).abs() < 1e-7 * error, "{k}: {flux:?}");
        // Beside the noise there is the error of what the profile makes up for.
        let filled = flux.flux * 0.03 * (1.0 - flux.fraction).max(0.0) / flux.fraction;
        assert!((flux.error / hypot(error, filled) - 1.0).abs() < 1e-7);
        assert!((flux.background - solution[160]).abs() < 1e-9);
        compared += 1;
    }
    assert!(compared > 140, "{compared}");
}
