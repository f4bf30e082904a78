//! Light curves of made-up sources at the survey's cadence, visits of some days half a year apart.

use std::error::Error;
use std::path::Path;

use spx_core::elementary::{exp, powf, sin};
use spx_plot::{
    Colormap, FigureFormat, FluxDensity, LightCurveFigure, LightCurveOptions, LightCurvePoint,
    LightCurveQuantity, render_light_curve,
};

/// What there is to see of a source.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) points: usize,
    /// Flux at 2 um and error of one measurement \[uJy\].
    pub(crate) flux: f64,
    pub(crate) error: f64,
    pub(crate) visits: u32,
    /// Relative change from visit to visit.
    pub(crate) variation: f64,
    /// One point in so many has a bad flag, and some are far too low.
    pub(crate) flagged: u64,
    pub(crate) negative: u64,
}

pub(crate) const STAR: Scene =
    Scene { points: 400, flux: 3000.0, error: 40.0, visits: 3, variation: 0.0, flagged: 15, negative: 0 };

/// Draws them into a directory.
pub(crate) fn draw(directory: &Path) -> Result<(), Box<dyn Error>> {
    let scenes = [
        ("star", STAR),
        ("five-points", Scene { points: 5, visits: 2, flagged: 0, ..STAR }),
        ("thirty-points", Scene { points: 30, ..STAR }),
        ("two-thousand", Scene { points: 2000, visits: 5, ..STAR }),
        ("faint", Scene { flux: 60.0, ..STAR }),
        ("nothing", Scene { flux: 0.0, ..STAR }),
        ("negative", Scene { flux: 150.0, negative: 40, ..STAR }),
        ("variable", Scene { variation: 0.3, ..STAR }),
        ("bright", Scene { flux: 4e7, error: 4e5, ..STAR }),
        ("one-visit", Scene { visits: 1, ..STAR }),
        ("flagged", Scene { points: 60, flagged: 1, ..STAR }),
        ("deep", Scene { points: 1500, visits: 0, variation: 0.1, ..STAR }),
    ];
    for (name, scene) in scenes {
        let mut figure = LightCurveFigure {
            title: format!("{name}, 213.9427 +11.4954"),
            points: measured(scene),
            options: LightCurveOptions::default(),
        };
        let save = |figure: &LightCurveFigure, name: String, format| -> Result<(), Box<dyn Error>> {
            let file = directory.join(format!("{name}.{format}"));
            Ok(std::fs::write(file, render_light_curve(figure, format)?)?)
        };
        save(&figure, name.to_owned(), FigureFormat::Png)?;
        if ["star", "faint"].contains(&name) {
            save(&figure, name.to_owned(), FigureFormat::Svg)?;
            save(&figure, name.to_owned(), FigureFormat::Pdf)?;
            figure.options.show_limits = true;
            save(&figure, format!("{name}-limits"), FigureFormat::Png)?;
            figure.options.use_magnitude = true;
            save(&figure, format!("{name}-magnitudes"), FigureFormat::Png)?;
            figure.options = LightCurveOptions {
                light_curve: LightCurveQuantity::Flux,
                date_cmap: Colormap::Cividis,
                wavelength_cmap: Colormap::Rainbow,
                figsize: [5.0, 4.5],
                dpi: 200,
                ..LightCurveOptions::default()
            };
            save(&figure, format!("{name}-small"), FigureFormat::Png)?;
            figure.options =
                LightCurveOptions { log_flux: true, log_wavelength: true, ..LightCurveOptions::default() };
            save(&figure, format!("{name}-logarithmic"), FigureFormat::Png)?;
            figure.options = LightCurveOptions {
                flux_density: FluxDensity::PerWavelength,
                wavelength_min: Some(2.0),
                wavelength_max: Some(4.0),
                ..LightCurveOptions::default()
            };
            save(&figure, format!("{name}-per-wavelength"), FigureFormat::Png)?;
        }
    }
    Ok(())
}

pub(crate) fn measured(scene: Scene) -> Vec<LightCurvePoint> {
    let mut random = Random(11);
    let one = |k: usize| {
        let wavelength = 0.75 * powf(5.0_f64 / 0.75, random.uniform());
        let visit =
            if scene.visits == 0 { 0.0 } else { (f64::from(scene.visits) * random.uniform()).floor() };
        let days = if scene.visits == 0 { 300.0 } else { 9.0 };
        let spectrum =
            scene.flux * (2.0 / wavelength).powi(2) * (1.0 + 0.5 * exp(-((wavelength - 3.3) / 0.05).powi(2)));
        let change = 1.0 + scene.variation * sin(1.7 * visit);
        let error = scene.error * (0.6 + 0.2 * wavelength);
        let is = |one_in: u64, random: &mut Random| one_in > 0 && random.uniform() < 1.0 / one_in as f64;
        let (flagged, negative) = (is(scene.flagged, &mut random), is(scene.negative, &mut random));
        let spoiled = if flagged { 8.0 * error * random.normal() } else { 0.0 };
        let flux =
            if negative { -9.0 * error } else { change * spectrum + error * random.normal() + spoiled };
        let mjd = 60_798.0 + 183.0 * visit + days * random.uniform() + 1e-3 * (k % 7) as f64;
        LightCurvePoint { mjd, wavelength, bandwidth: wavelength / 41.0, flux, error, flagged }
    };
    (0..scene.points).map(one).collect()
}

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of mean 0 and deviation 1, near enough to normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}
