//! Fluxes of 1250 simulated isolated stars, from 50 to 50,000 uJy, against the truth.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and prints its figures"
)]

mod common;

use common::{Scene, psf, quantile, scene, width};
use spx_photometry::{
    ApertureMethod, BackgroundMethod, ErrorModel, ImageView, Measurement, Photometer, PhotometryOptions,
    PsfModel, QualityOptions, Scratch,
};
use spx_sim::PixelWindow;

const WINDOWS: [PixelWindow; 2] = [
    PixelWindow { x0: 120, y0: 300, nx: 700, ny: 700 },
    PixelWindow { x0: 1200, y0: 1150, nx: 700, ny: 700 },
];

fn scenes(stars: bool) -> Vec<Scene> {
    WINDOWS.into_iter().enumerate().map(|(k, window)| scene(k as u64 + 1, window, 28, stars)).collect()
}

fn options(
    aperture: ApertureMethod,
    background: BackgroundMethod,
    error_model: ErrorModel,
) -> PhotometryOptions {
    let mut options = PhotometryOptions {
        error_model,
        aperture_correction: true,
        psf_flux: true,
        ..PhotometryOptions::default()
    };
    options.aperture.method = aperture;
    options.background.method = background;
    options
}

/// Measurements without bad flags, each with the true flux.
fn measure(scenes: &[Scene], options: &PhotometryOptions, psf: &PsfModel) -> Vec<(Measurement, f64)> {
    let mut scratch = Scratch::default();
    let mut all = Vec::new();
    for scene in scenes {
        let view =
            ImageView::new(&scene.image.metadata, scene.image.planes.from_pixel(0), Some(1.0)).unwrap();
        let photometer = Photometer::new(view, options, Some(psf)).unwrap();
        for truth in &scene.truths {
            if let Ok(measured) = photometer.measure(&truth.source, &mut scratch)
                && QualityOptions::default().classify(&measured).is_good
            {
                all.push((measured, truth.flux));
            }
        }
    }
    all
}

/// What the fluxes of one kind have to do with the truth.
#[derive(Debug)]
struct Figures {
    /// Median of flux over truth.
    ratio: f64,
    /// Median of (flux - truth) / error.
    pull: f64,
    /// Width of the same.
    width: f64,
    /// Width of flux - truth for stars below 1000 uJy \[uJy\].
    scatter: f64,
}

fn figures(values: impl Iterator<Item = (f64, f64, f64)>) -> Figures {
    let values: Vec<_> = values.collect();
    let ratios: Vec<f64> = values.iter().map(|(flux, _, truth)| flux / truth).collect();
    let pulls: Vec<f64> = values.iter().map(|(flux, error, truth)| (flux - truth) / error).collect();
    let faint: Vec<f64> =
        values.iter().filter(|v| v.2 < 1000.0).map(|(flux, _, truth)| flux - truth).collect();
    Figures {
        ratio: quantile(&ratios, 0.5),
        pull: quantile(&pulls, 0.5),
        width: width(&pulls),
        scatter: width(&faint),
    }
}

#[test]
fn fluxes_are_true() {
    let (scenes, psf) = (scenes(true), psf());
    for aperture in [ApertureMethod::Fixed, ApertureMethod::Fwhm] {
        for background in [BackgroundMethod::Annulus, BackgroundMethod::Window] {
            for model in [ErrorModel::Overlap, ErrorModel::Independent] {
                let all = measure(&scenes, &options(aperture, background, model), &psf);
                let sums = figures(all.iter().map(|(m, truth)| (m.flux, m.flux_error, *truth)));
                let fits = figures(all.iter().filter_map(|(m, truth)| {
                    let fit = m.psf.unwrap().ok()?;
                    Some((fit.flux, fit.error, *truth))
                }));
                println!(
                    "{aperture} {background} {model}, {} stars: aperture {sums:.4?}, PSF {fits:.4?}",
                    all.len()
                );
                assert!(all.len() > 1100);
                for found in [&sums, &fits] {
                    assert!((found.ratio - 1.0).abs() < 0.005 && found.pull.abs() < 0.1);
                }
                // In a window the background is so well known that it shows how the model by
                // overlap overstates the noise in an aperture of few pixels.
                let overstated = model == ErrorModel::Overlap && background == BackgroundMethod::Window;
                assert!((sums.width - if overstated { 0.9 } else { 1.0 }).abs() < 0.1);
                assert!((fits.width - 1.0).abs() < 0.1);
                assert!(fits.scatter < 0.9 * sums.scatter);
            }
        }
    }
}

#[test]
fn nothing_is_negative_half_of_the_time() {
    let (scenes, psf) = (scenes(false), psf());
    for background in [BackgroundMethod::Annulus, BackgroundMethod::Window] {
        let all = measure(&scenes, &options(ApertureMethod::Fwhm, background, ErrorModel::Independent), &psf);
        let share = |negative: &dyn Fn(&Measurement) -> bool| {
            all.iter().filter(|(m, _)| negative(m)).count() as f64 / all.len() as f64
        };
        let sums = share(&|m| m.flux < 0.0);
        let fits = share(&|m| m.psf.unwrap().unwrap().flux < 0.0);
        println!(
            "{background}, {} empty places: {sums:.3} negative in apertures, {fits:.3} by PSF",
            all.len()
        );
        assert!(all.iter().all(|(m, _)| m.flux > 0.0 || (m.magnitude.is_none() && m.is_upper_limit)));
        // The binomial deviation of 1100 is 0.015.
        assert!((sums - 0.5).abs() < 0.05 && (fits - 0.5).abs() < 0.05);
    }
}
