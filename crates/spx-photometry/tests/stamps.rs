//! The pixels of a measurement beside their model, for pictures.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking; places of pixels"
)]

mod realistic;

use realistic::{AREA, RealisticFrame, Release};
use spx_core::elementary::powf;
use spx_photometry::{
    MeasurementStamp, Photometer, PhotometryOptions, PixelUse, PsfOnImage, Scene, SceneOptions, SceneSource,
    Scratch,
};

const REACH: usize = 8;

/// Pixels of a stamp as it says they were used.
fn count(stamp: &MeasurementStamp, usage: PixelUse) -> usize {
    stamp.uses.iter().filter(|u| **u == usage).count()
}

/// Data are those of the image less its foreground, residuals those of data and model; the model of
/// a star, in an aperture and in a scene, leaves noise, and that of an aperture holds the flux.
#[test]
fn models_leave_noise() {
    let frame = RealisticFrame::new(11, 240, 24, 5.2, true, |rng| 2000.0 * powf(3.0, rng.f64()));
    let model = frame.psf(Release::Three);
    let view = frame.view(Release::Three);
    let unit = spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
    let options = PhotometryOptions::default();
    let photometer = Photometer::new(view.clone(), &options, Some(&model)).unwrap();
    let scene_options = SceneOptions::default();
    let psf = PsfOnImage { model: &model, zones: Default::default(), parent_offset: [0.0; 2] };
    let scene = Scene::new(view.clone(), &scene_options, psf).unwrap();
    let sources: Vec<SceneSource> = frame
        .stars
        .iter()
        .map(|(star, _)| SceneSource { position: star.position, pixel_area: AREA, shape: None })
        .collect();
    let fit = scene.fit(&sources);
    let (mut squares, mut masked) = ([Vec::new(), Vec::new()], 0);
    for ((star, _), flux) in frame.stars.iter().zip(&fit.fluxes) {
        let Ok(measured) = photometer.measure(star, &mut Scratch::default()) else { continue };
        let Ok(flux) = flux else { continue };
        let in_aperture = photometer.stamp(&measured, REACH);
        let in_scene = scene.stamp(&fit, star.position, scene_options.fit_radius, REACH);
        assert!((count(&in_scene, PixelUse::Used) >= flux.pixels) && count(&in_aperture, PixelUse::Used) > 5);
        let background = measured.background / unit;
        let light: f64 = in_aperture.model.iter().map(|value| f64::from(*value) - background).sum();
        let share = light * unit * AREA / measured.flux;
        assert!((share - 1.0).abs() < 0.02, "{share}");
        for (k, stamp) in [in_aperture, in_scene].into_iter().enumerate() {
            masked += count(&stamp, PixelUse::Masked);
            squares[k].push(stamp.mean_square());
            for at in 0..stamp.data.len() {
                let [x, y] = [at % stamp.side, at / stamp.side];
                let [px, py] = [(x, 0), (y, 1)].map(|(c, axis)| {
                    let first = star.position[axis].round() - REACH as f64;
                    assert!((first + stamp.source[axis] - star.position[axis]).abs() < 1e-9);
                    first as usize + c
                });
                let pixel = py * view.shape[1] + px;
                let value = view.image.get(pixel) - frame.zodi[pixel];
                assert!(value.is_nan() || (value - stamp.data[at]).abs() < 1e-6);
                let pull = (stamp.data[at] - stamp.model[at]) / view.variance.get(pixel).sqrt();
                assert!(pull.is_nan() || (pull - stamp.residual[at]).abs() < 1e-3 * (1.0 + pull.abs()));
            }
        }
    }
    assert!(masked > 10, "{masked}");
    for mut squares in squares {
        squares.retain(|square| square.is_finite());
        let mean = squares.iter().sum::<f64>() / squares.len() as f64;
        assert!(squares.len() > 50 && (0.8..1.3).contains(&mean), "{mean}");
    }
}

/// At a corner of the image pixels that do not exist have no value and take no part.
#[test]
fn pixels_off_the_image_have_no_value() {
    let frame = RealisticFrame::new(12, 96, 24, 5.2, false, |_| 3000.0);
    let model = frame.psf(Release::Three);
    let options = SceneOptions::default();
    let psf = PsfOnImage { model: &model, zones: Default::default(), parent_offset: [0.0; 2] };
    let scene = Scene::new(frame.view(Release::Three), &options, psf).unwrap();
    let source = SceneSource { position: [1.2, 0.4], pixel_area: AREA, shape: None };
    let stamp = scene.stamp(&scene.fit(&[source]), source.position, options.fit_radius, REACH);
    let off = |at: usize| at % stamp.side < REACH - 1 || at / stamp.side < REACH;
    for at in 0..stamp.data.len() {
        assert_eq!(stamp.data[at].is_nan(), off(at), "{at}");
        assert!(!off(at) || stamp.uses[at] == PixelUse::Apart);
    }
}
