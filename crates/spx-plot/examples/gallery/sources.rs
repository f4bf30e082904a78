//! What a run on several stars draws, the spectrum in channels, and odd sources: many visits, one
//! detector, long names, saturated.

use std::error::Error;
use std::path::Path;

use spx_core::elementary::exp;
use spx_plot::{
    ChannelFigure, ChannelMeasurement, ChannelPoint, FigureFormat, FluxDensity, LightCurveFigure,
    LightCurveOptions, LightCurvePoint, Size, render_channels, render_light_curve, render_light_curves,
};

use super::Noise;
use super::light_curves::{STAR, Scene, measured};

/// Draws them into a directory.
pub(crate) fn draw(directory: &Path) -> Result<(), Box<dyn Error>> {
    odd(directory)?;
    several(directory)?;
    channels(directory)
}

fn figure(title: &str, points: Vec<LightCurvePoint>) -> LightCurveFigure {
    LightCurveFigure { title: title.to_owned(), points, options: LightCurveOptions::default() }
}

fn within(points: Vec<LightCurvePoint>, ranges: &[[f64; 2]]) -> Vec<LightCurvePoint> {
    let seen = |p: &LightCurvePoint| ranges.iter().any(|[a, b]| (*a..*b).contains(&p.wavelength));
    points.into_iter().filter(seen).collect()
}

fn odd(directory: &Path) -> Result<(), Box<dyn Error>> {
    let many = || measured(Scene { points: 2000, ..STAR });
    let long =
        "Gaia DR3 4472832130942575872 (Barnard's Star, GJ 699, 2MASS J17574849+0441405), 269.4521 +4.6934";
    for (name, points) in [
        ("visits-120", measured(Scene { points: 1500, visits: 120, variation: 0.1, ..STAR })),
        ("visits-12", measured(Scene { points: 300, visits: 12, ..STAR })),
        ("one-detector", within(many(), &[[2.42, 3.82]])),
        ("one-channel", within(many(), &[[3.20, 3.28]])),
        ("two-detectors", within(many(), &[[0.75, 1.11], [3.82, 4.42]])),
        ("ten-points", measured(Scene { points: 10, visits: 1, ..STAR })),
        ("millijansky", measured(Scene { flux: 8e4, error: 300.0, ..STAR })),
        ("saturated", saturated()),
        ("all-negative", negative()),
        ("one-point", measured(Scene { points: 1, ..STAR })),
        ("wild", spoiled(|k, p| p.flux = if k % 97 == 5 { -4e5 * f64::from(k) } else { p.flux })),
        ("without-errors", spoiled(|_, p| (p.error, p.bandwidth) = (f64::NAN, f64::NAN))),
        ("zero-errors", spoiled(|_, p| p.error = 0.0)),
        ("not-finite", spoiled(|k, p| p.flux = [p.flux, f64::NAN, f64::INFINITY][k as usize % 3])),
        ("β Pic ☆ 星", measured(Scene { points: 40, flux: 30.0, negative: 9, ..STAR })),
        ("two-hours", spoiled(|k, p| p.mjd = 61_027.3 + 0.0002 * f64::from(k))),
        ("weekly", spoiled(|k, p| p.mjd = 61_027.0 + 7.0 * f64::from(k % 50))),
    ] {
        let mut figure = figure(&format!("{name}, 213.9427 +11.4954"), points);
        if name == "ten-points" {
            figure.title = long.to_owned();
        }
        let save = |figure: &LightCurveFigure, name: &str| -> Result<(), Box<dyn Error>> {
            let file = directory.join(format!("{name}.png"));
            Ok(std::fs::write(file, render_light_curve(figure, FigureFormat::Png)?)?)
        };
        save(&figure, name)?;
        if name == "visits-120" {
            figure.options.use_magnitude = true;
            save(&figure, "visits-120-magnitudes")?;
        }
    }
    Ok(())
}

/// Nine of ten points carry a flag, and what is left scatters far beyond its errors.
fn saturated() -> Vec<LightCurvePoint> {
    let points = measured(Scene { flux: 4e7, error: 2e4, ..STAR });
    let spoil = |(k, p): (usize, LightCurvePoint)| LightCurvePoint {
        flagged: k % 10 != 0,
        flux: if k % 10 == 0 { p.flux } else { 0.2 * p.flux },
        ..p
    };
    points.into_iter().enumerate().map(spoil).collect()
}

/// A star of which each measurement is changed, by its number.
fn spoiled(change: fn(u32, &mut LightCurvePoint)) -> Vec<LightCurvePoint> {
    let mut points = measured(STAR);
    (0..).zip(&mut points).for_each(|(k, point)| change(k, point));
    points
}

/// A source that a bad background has taken below zero.
fn negative() -> Vec<LightCurvePoint> {
    let points = measured(Scene { flux: 0.0, points: 120, ..STAR });
    points.into_iter().map(|p| LightCurvePoint { flux: p.flux - 3.0 * p.error, ..p }).collect()
}

/// Five stars as `spx run --targets` draws them.
fn several(directory: &Path) -> Result<(), Box<dyn Error>> {
    let star = |k: u32| {
        let flux = [3000.0, 60.0, 4e7, 0.0, 900.0][k as usize % 5];
        let variation = if k == 4 { 0.3 } else { 0.0 };
        figure(
            &format!("star {}, {:.4} +11.4954", k + 1, 213.9427 + f64::from(k)),
            measured(Scene { flux, error: if flux > 1e6 { 4e5 } else { 40.0 }, variation, ..STAR }),
        )
    };
    for count in [1, 2, 5, 12] {
        let figures: Vec<_> = (0..count).map(star).collect();
        for format in [FigureFormat::Png, FigureFormat::Pdf] {
            let file = directory.join(format!("stars-{count}.{format}"));
            std::fs::write(file, render_light_curves(&figures, format)?)?;
        }
    }
    Ok(())
}

fn channels(directory: &Path) -> Result<(), Box<dyn Error>> {
    let mut noise = Noise(3);
    for (name, flux, density, magnitudes) in [
        ("channels", 900.0, FluxDensity::PerFrequency, false),
        ("channels-faint", 20.0, FluxDensity::PerFrequency, false),
        ("channels-magnitudes", 900.0, FluxDensity::PerFrequency, true),
        ("channels-per-wavelength", 900.0, FluxDensity::PerWavelength, false),
        ("channels-jansky", 9e7, FluxDensity::PerFrequency, false),
    ] {
        let truth = |w: f64| flux / w + 0.4 * flux * exp(-((w - 3.29) / 0.06).powi(2));
        let error = 20.0 + 0.004 * flux;
        let (mut channels, mut measurements) = (Vec::new(), Vec::new());
        for wavelength in (0..102).map(|k| 0.75 + 0.0417 * f64::from(k)).filter(|w| !(2.4..2.55).contains(w))
        {
            for _ in 0..5 {
                let residual = noise.next();
                let rejected = residual > 1.9;
                let residual = if rejected { 4.0 * residual } else { residual };
                let flux = truth(wavelength) + 2.2 * error * residual;
                measurements.push(ChannelMeasurement { wavelength, flux, residual, rejected });
            }
            let flux = truth(wavelength) + error * noise.next();
            channels.push(ChannelPoint { wavelength, half_bandwidth: wavelength / 90.0, flux, error });
        }
        let figure = ChannelFigure {
            size: Size { width: 1200, height: 900 },
            title: format!("{name}, 213.9427 +11.4954"),
            channels,
            measurements,
            gaps: vec![[2.4, 2.55]],
            density,
            magnitudes,
            log_wavelength: name == "channels-jansky",
        };
        std::fs::write(directory.join(format!("{name}.png")), render_channels(&figure, FigureFormat::Png)?)?;
    }
    Ok(())
}
