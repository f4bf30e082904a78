//! Photometry with its default settings on a sky that is not easy, against the truth.
//!
//! `cargo test -p spx-photometry --test realistic_sky -- --nocapture` prints the figures.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and prints its figures"
)]

mod realistic;

use realistic::{Distribution, RealisticFrame, Release};
use spx_core::elementary::powf;
use spx_photometry::{Measurement, NoMeasurement, Photometer, PhotometryOptions, QualityOptions, Scratch};

fn options() -> PhotometryOptions {
    PhotometryOptions { psf_flux: true, ..PhotometryOptions::default() }
}

/// Each star with its flux, and what was measured.
fn measure(
    frame: &RealisticFrame,
    release: Release,
    options: &PhotometryOptions,
) -> Vec<(f64, Result<Measurement, NoMeasurement>)> {
    let psf = frame.psf(release);
    let photometer = Photometer::new(frame.view(release), options, Some(&psf)).unwrap();
    let mut scratch = Scratch::default();
    frame.stars.iter().map(|(star, flux)| (*flux, photometer.measure(star, &mut scratch))).collect()
}

/// Fluxes of 0.3 to 300 standard deviations.
#[test]
fn fluxes_and_errors_are_true_for_both_releases() {
    for (k, (release, fwhm)) in
        [(Release::Two, 4.0), (Release::Two, 5.2), (Release::Three, 5.2), (Release::Three, 7.0)]
            .into_iter()
            .enumerate()
    {
        let frame =
            RealisticFrame::new(k as u64, 1100, 20, fwhm, true, |rng| 20.0 * powf(2000f64, rng.f64()));
        let all = measure(&frame, release, &options());
        let measured: Vec<(f64, Measurement)> =
            all.iter().filter_map(|(flux, m)| Some((*flux, m.ok()?))).collect();
        let lost = 1.0 - measured.len() as f64 / all.len() as f64;
        let aperture: Vec<f64> = measured.iter().map(|(f, m)| (m.flux - f) / m.flux_error).collect();
        let fits: Vec<f64> =
            measured.iter().filter_map(|(f, m)| m.psf?.ok().map(|p| (p.flux - f) / p.error)).collect();
        let bright = |flux: fn(&Measurement) -> Option<f64>| {
            let ratios = measured.iter().filter(|(f, _)| *f > 2000.0);
            Distribution::of(ratios.filter_map(|(f, m)| Some(flux(m)? / f)).collect())
        };
        let (sums, weighted) = (bright(|m| Some(m.flux)), bright(|m| Some(m.psf?.ok()?.flux)));
        let beyond =
            |pulls: &[f64]| pulls.iter().filter(|p| p.abs() > 5.0).count() as f64 / pulls.len() as f64;
        let out = [beyond(&aperture), beyond(&fits)];
        let good = measured.iter().filter(|(_, m)| QualityOptions::default().classify(m).is_good).count();
        let pulls = [Distribution::of(aperture), Distribution::of(fits)];
        println!(
            "{release:?} {fwhm}\": {lost:.4} lost, {good} of {} good, {out:.4?} beyond 5 sigma",
            measured.len()
        );
        println!("  aperture {sums:.4?}\n    pulls {:.3?}", pulls[0]);
        println!("  PSF {weighted:.4?}\n    pulls {:.3?}", pulls[1]);
        assert_eq!(good, measured.len(), "bad pixels are left out");
        assert!(lost < 0.015, "{lost} of the rows are lost");
        assert!((sums.median - 1.0).abs() < 0.003 && (weighted.median - 1.0).abs() < 0.003);
        for (pulls, out) in pulls.into_iter().zip(out) {
            assert!(pulls.median.abs() < 0.08 && (pulls.width - 1.0).abs() < 0.07, "{pulls:?}");
            assert!(out < 0.003);
        }
    }
}

/// Averages of faint sources hold nothing of their noise: 10,000 stars of half a standard
/// deviation.
#[test]
fn faint_fluxes_are_not_biased() {
    let frame = RealisticFrame::new(11, 2040, 20, 5.2, true, |_| 20.0);
    let all = measure(&frame, Release::Two, &options());
    let good: Vec<Measurement> = all.iter().filter_map(|(_, m)| m.ok()).collect();
    let of =
        |flux: &dyn Fn(&Measurement) -> Option<f64>| Distribution::of(good.iter().filter_map(flux).collect());
    let pulls = of(&|m| m.psf?.ok().map(|p| (p.flux - 20.0) / p.error));
    let [sums, fits] =
        [of(&|m| Some((m.flux - 20.0) / 20.0)), of(&|m| m.psf?.ok().map(|p| (p.flux - 20.0) / 20.0))];
    println!("{} stars of 20 uJy: pulls of PSF fluxes {pulls:.4?}", good.len());
    println!("  relative errors of apertures {sums:.4?}, of PSF fluxes {fits:.4?}");
    assert!(good.len() > 9_800);
    assert!(pulls.mean.abs() < 0.02 + 2.0 * pulls.error);
    for found in [sums, fits] {
        assert!(found.mean.abs() < 3.5 * found.error, "{found:?}");
    }
}

/// The same pixels as a file of either release.
#[test]
fn both_releases_give_the_same_flux() {
    let frame = RealisticFrame::new(12, 600, 24, 5.2, true, |rng| 3000.0 + 3000.0 * rng.f64());
    let [two, three] = [Release::Two, Release::Three].map(|release| measure(&frame, release, &options()));
    let pairs: Vec<(Measurement, Measurement)> =
        two.into_iter().zip(three).filter_map(|((_, a), (_, b))| Some((a.ok()?, b.ok()?))).collect();
    assert!(pairs.len() > 500);
    let of = |value: &dyn Fn(&Measurement) -> f64| {
        Distribution::of(pairs.iter().map(|(a, b)| value(a) / value(b)).collect())
    };
    let [radius, flux] = [of(&|m| m.radius), of(&|m| m.flux)];
    println!("release two over three: radius {radius:.4?}, flux {flux:.5?}");
    assert!((radius.median - 1.0).abs() < 0.02 && radius.width < 0.01);
    assert!((flux.median - 1.0).abs() < 0.002 && flux.width < 0.004);
}
