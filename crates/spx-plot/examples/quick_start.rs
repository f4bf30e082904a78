//! A picture with sky coordinates and the light curve of a star: `cargo run --example quick_start
//! [DIR]`.

use std::error::Error;
use std::path::PathBuf;

use ndarray::Array2;
use spx_core::elementary::{cos, exp};
use spx_plot::{
    FigureFormat, LightCurveFigure, LightCurveOptions, LightCurvePoint, PlaneFigure, render_light_curve,
    render_plane,
};

#[expect(clippy::cast_possible_truncation, reason = "rounded to the type of a plane")]
fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));

    // A star of Gaussian shape on 60 x 50 pixels of 6.15 arcsec.
    let plane = Array2::from_shape_fn((50, 60), |(y, x)| {
        let distance2 = (x as f32 - 33.0).powi(2) + (y as f32 - 21.0).powi(2);
        0.1 + 5.0 * exp(-f64::from(distance2) / 8.0) as f32
    });
    let scale = 6.15 / 3600.0;
    let sky = |x: f64, y: f64| {
        [186.45 - scale * (x - 30.0) / cos(33.55_f64.to_radians()), 33.55 + scale * (y - 25.0)]
    };
    let mut figure = PlaneFigure::new(plane.view());
    figure.title = "A star at 2.06 µm".to_owned();
    figure.value_label = "Surface brightness (MJy/sr)".to_owned();
    figure.sky = Some(&sky);
    std::fs::write(directory.join("plane.png"), render_plane(&figure, FigureFormat::Png)?)?;

    let points = (0..60).map(|k| {
        let wavelength = 0.8 + 0.07 * f64::from(k);
        LightCurvePoint {
            mjd: 61_027.0 + f64::from(k % 7),
            wavelength,
            bandwidth: wavelength / 41.0,
            flux: 800.0 / wavelength,
            error: 25.0,
            flagged: false,
        }
    });
    let figure = LightCurveFigure {
        title: "A star".to_owned(),
        points: points.collect(),
        options: LightCurveOptions::default(),
    };
    std::fs::write(directory.join("light_curve.pdf"), render_light_curve(&figure, FigureFormat::Pdf)?)?;
    Ok(())
}
