//! Draws every kind of figure from made-up data, to look at: `cargo run -p spx-plot --example
//! gallery -- DIR`.

mod light_curves;
mod sources;

use std::error::Error;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView2};
use spx_core::elementary::{atan2, exp, hypot, sin, sin_cos};
use spx_plot::{
    Channel, Colormap, CompositeFigure, Curve, CutoutPixel, CutoutsFigure, DisplayLimits, FigureFormat,
    Marker, MeasurementCutout, MontageFigure, MontagePlane, PlaneFigure, Size, SkyFormat, Spectrum,
    SpectrumFigure, SpectrumPoint, Stretch, render_composite, render_cutouts, render_montage, render_plane,
    render_spectrum,
};

const SIZES: [(u32, u32); 3] = [(1000, 900), (600, 500), (2400, 2000)];

/// What each part of the gallery gives.
type Drawn = Result<(), Box<dyn Error>>;

fn main() -> Drawn {
    let directory: PathBuf = std::env::args_os().nth(1).ok_or("name a directory for the figures")?.into();
    std::fs::create_dir_all(&directory)?;
    planes(&directory)?;
    odd_planes(&directory)?;
    composites(&directory)?;
    spectra(&directory)?;
    light_curves::draw(&directory)?;
    sources::draw(&directory)?;
    montages(&directory)?;
    cutouts(&directory)
}

fn planes(directory: &Path) -> Drawn {
    let plane = stars(160, 150, 1.0);
    let sky = tangent(83.63, -5.39, 0.5 / 160.0, (160, 150));
    let mut figure = PlaneFigure::new(plane.view());
    figure.sky = Some(&sky);
    figure.title = "Orion, D4, 3.30 µm".to_owned();
    figure.markers = markers(&plane.view());
    for (width, height) in SIZES {
        figure.size = Size { width, height };
        let name = format!("plane-{width}x{height}");
        std::fs::write(directory.join(format!("{name}.png")), render_plane(&figure, FigureFormat::Png)?)?;
        std::fs::write(directory.join(format!("{name}.svg")), render_plane(&figure, FigureFormat::Svg)?)?;
    }
    for map in spx_plot::Colormap::ALL {
        figure.colormap = *map;
        figure.size = Size { width: 800, height: 700 };
        std::fs::write(directory.join(format!("map-{map}.png")), render_plane(&figure, FigureFormat::Png)?)?;
    }
    Ok(())
}

fn odd_planes(directory: &Path) -> Drawn {
    let save = |name: &str, figure: &PlaneFigure<'_>| -> Drawn {
        Ok(std::fs::write(directory.join(format!("{name}.png")), render_plane(figure, FigureFormat::Png)?)?)
    };
    let wide = stars(400, 120, 1.0);
    for (name, dec, field, format) in [
        ("wide", 20.0, 3.5, SkyFormat::Degrees),
        ("pole", 89.5, 2.0, SkyFormat::Sexagesimal),
        ("tiny", 0.0, 0.01, SkyFormat::Sexagesimal),
        ("huge", -30.0, 30.0, SkyFormat::Degrees),
    ] {
        let sky = tangent(0.5, dec, field / 400.0, (400, 120));
        let mut figure = PlaneFigure::new(wide.view());
        figure.sky = Some(&sky);
        figure.sky_format = format;
        figure.title = format!("{field}° at declination {dec}°");
        save(name, &figure)?;
    }
    for (name, nx, ny) in [("strip", 3000, 5), ("strip-tall", 5, 3000)] {
        let strip = stars(nx, ny, 1.0);
        let sky = tangent(83.63, -5.39, 6.15 / 3600.0, (nx, ny));
        let mut figure = PlaneFigure::new(strip.view());
        figure.sky = Some(&sky);
        figure.title = format!("{nx} x {ny} pixels");
        save(name, &figure)?;
    }
    line_maps(&save)?;
    let tall = stars(90, 400, 1.0);
    save("tall-pixels", &PlaneFigure::new(tall.view()))?;
    save("no-data", &PlaneFigure::new(Array2::from_elem((40, 60), f32::NAN).view()))?;
    save("constant", &PlaneFigure::new(Array2::from_elem((40, 60), 3.0).view()))?;
    save("one-pixel", &PlaneFigure::new(Array2::from_elem((1, 1), 1e-9).view()))?;
    let large = stars(2040, 2040, 1e-7);
    let sky = tangent(268.0, 66.56, 6.2 / 3600.0, (2040, 2040));
    let mut figure = PlaneFigure::new(large.view());
    figure.sky = Some(&sky);
    figure.value_label = "Surface brightness (W m⁻² sr⁻¹)".to_owned();
    figure.title = "A whole detector, with a title that is much too long to fit above a frame of this size, \
                    and therefore must be cut somewhere"
        .to_owned();
    figure.stretch = Stretch::Log;
    figure.limits = DisplayLimits::default().for_stretch(figure.stretch);
    save("detector", &figure)?;
    figure.limits = DisplayLimits::Range(0.0, 1e-6);
    figure.stretch = Stretch::Linear;
    save("detector-linear", &figure)
}

/// A bright ring over noise, with stars of which too much was subtracted, and noise alone.
#[expect(clippy::cast_possible_truncation, reason = "rounded to the type of a plane")]
fn line_maps(save: &dyn Fn(&str, &PlaneFigure<'_>) -> Drawn) -> Drawn {
    let mut noise = Noise(17);
    let subtracted = stars(140, 120, 1.0);
    for (name, brightness) in [("line", 25.0), ("line-noise", 0.0)] {
        let map = Array2::from_shape_fn((120, 140), |(y, x)| {
            let ring = exp(-((hypot(x as f64 - 80.0, y as f64 - 55.0) - 30.0) / 5.0).powi(2));
            let star = if brightness > 0.0 { 4.0 * f64::from(subtracted[[y, x]] - 0.25) } else { 0.0 };
            (noise.next() + brightness * ring - star) as f32
        });
        let sky = tangent(186.45, 33.55, 6.15 / 3600.0, (140, 120));
        let mut figure = PlaneFigure::new(map.view());
        figure.sky = Some(&sky);
        figure.title = "D3, 1.838–1.925 µm, line over its continuum".to_owned();
        figure.value_label = "Line intensity (nW/m²/sr)".to_owned();
        (figure.colormap, figure.limits) = (Colormap::RdBuReversed, DisplayLimits::SIGNED);
        save(name, &figure)?;
        for stretch in [Stretch::Linear, Stretch::Log] {
            figure.stretch = stretch;
            figure.limits = DisplayLimits::SIGNED.for_stretch(stretch);
            save(&format!("{name}-{stretch}"), &figure)?;
        }
        figure.stretch = Stretch::default();
        (figure.colormap, figure.limits) = (Colormap::Gray, DisplayLimits::LINE);
        save(&format!("{name}-gray"), &figure)?;
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "rounded to the type of a plane")]
fn composites(directory: &Path) -> Drawn {
    // Each star has a color of its own: the planes are weighted by a slow wave, with another phase
    // in each.
    let base = stars(160, 150, 1.0);
    let tinted = [0.0, 2.1, 4.2].map(|phase| {
        Array2::from_shape_fn(base.dim(), |(y, x)| {
            let weight = 1.0 + 0.6 * sin(x as f64 / 23.0 + y as f64 / 31.0 + phase);
            (base[[y, x]] - 0.27) * weight as f32
        })
    });
    let names = ["4.05 µm", "2.20 µm", "1.10 µm"];
    let channel = |k: usize| Channel { plane: tinted[k].view(), label: names[k].to_owned() };
    let sky = tangent(83.63, -5.39, 0.5 / 160.0, (160, 150));
    let mut figure = CompositeFigure::new([channel(0), channel(1), channel(2)]);
    figure.sky = Some(&sky);
    figure.title = "Orion in three colors".to_owned();
    for (width, height) in SIZES {
        figure.size = Size { width, height };
        let name = format!("composite-{width}x{height}.png");
        std::fs::write(directory.join(name), render_composite(&figure, FigureFormat::Png)?)?;
    }
    figure.size = Size::default();
    figure.scaling =
        spx_plot::Scaling::PerChannel { limits: DisplayLimits::default(), stretch: Stretch::Asinh };
    std::fs::write(directory.join("composite-channels.png"), render_composite(&figure, FigureFormat::Png)?)?;
    Ok(())
}

fn spectra(directory: &Path) -> Drawn {
    let mut noise = Noise(7);
    let truth = |w: f64| 900.0 / w + 350.0 * exp(-((w - 3.29) / 0.06).powi(2));
    let mut spectrum = |label: &str, offset: f64, step: f64| Spectrum {
        label: label.to_owned(),
        points: (0..)
            .map(|k| 0.75 + step * f64::from(k))
            .take_while(|w| *w < 5.0)
            .map(|wavelength| {
                let error = 14.0 + 10.0 * wavelength;
                let flux = truth(wavelength) + offset + error * noise.next();
                SpectrumPoint {
                    wavelength,
                    half_bandwidth: wavelength / 90.0,
                    flux,
                    error,
                    is_partial: false,
                }
            })
            .collect(),
    };
    let (first, second) = (spectrum("aperture", 0.0, 0.041), spectrum("neighbor", -180.0, 0.11));
    let curve = Curve {
        label: "truth".to_owned(),
        points: (0..2000).map(|k| 0.7 + 4.4 * f64::from(k) / 2000.0).map(|w| [w, truth(w)]).collect(),
    };
    let mut figure = SpectrumFigure::new(vec![first.clone()]);
    figure.title = "J053427.6−052345".to_owned();
    std::fs::write(directory.join("spectrum-one.png"), render_spectrum(&figure, FigureFormat::Png)?)?;
    figure.spectra.push(second);
    figure.curves.push(curve);
    for (width, height) in SIZES {
        figure.size = Size { width, height };
        let name = format!("spectrum-{width}x{height}");
        std::fs::write(directory.join(format!("{name}.png")), render_spectrum(&figure, FigureFormat::Png)?)?;
        std::fs::write(directory.join(format!("{name}.svg")), render_spectrum(&figure, FigureFormat::Svg)?)?;
    }
    figure.size = Size { width: 1000, height: 700 };
    let mut classes = figure.clone();
    for (k, p) in classes.spectra.iter_mut().flat_map(|s| &mut s.points).enumerate() {
        match k % 7 {
            0 => p.flux = 2.0 * p.error,
            1 => p.flux = -9.0 * p.error,
            2 => p.error = f64::NAN,
            _ => {}
        }
    }
    std::fs::write(directory.join("spectrum-classes.png"), render_spectrum(&classes, FigureFormat::Png)?)?;
    figure.flux_range = Some([-1e-7, 2.5e-6]);
    figure.spectra.iter_mut().flat_map(|s| &mut s.points).for_each(|p| {
        p.flux *= 1e-9;
        p.error *= 1e-9;
    });
    figure.curves.iter_mut().flat_map(|c| &mut c.points).for_each(|p| p[1] *= 1e-9);
    figure.flux_label = "Flux density (W m⁻² µm⁻¹)".to_owned();
    std::fs::write(directory.join("spectrum-small.png"), render_spectrum(&figure, FigureFormat::Png)?)?;
    Ok(())
}

fn montages(directory: &Path) -> Drawn {
    let planes: Vec<_> = (0..17).map(|k| stars(160, 150, 0.3 + 0.05 * f64::from(k))).collect();
    let sky = tangent(83.63, -5.39, 0.5 / 160.0, (160, 150));
    for (count, stretch) in [(4, Stretch::Asinh), (17, Stretch::Log)] {
        let named = planes[..count].iter().enumerate().map(|(k, plane)| MontagePlane {
            plane: plane.view(),
            label: format!("{:.3} µm", 2.4 + 0.05 * k as f64),
        });
        let mut figure = MontageFigure::new(named.collect());
        figure.sky = Some(&sky);
        figure.title = format!("Orion, {count} planes, {stretch}");
        figure.stretch = stretch;
        figure.limits = figure.limits.for_stretch(stretch);
        let file = directory.join(format!("montage-{count}.png"));
        std::fs::write(file, render_montage(&figure, FigureFormat::Png)?)?;
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "rounded to the type of a plane")]
fn cutouts(directory: &Path) -> Drawn {
    let mut noise = Noise(5);
    let peak = |x: usize, y: usize| exp(-((x as f64 - 7.3).powi(2) + (y as f64 - 6.8).powi(2)) / 4.0);
    let model = Array2::from_shape_fn((15, 15), |(y, x)| (0.2 + 3.0 * peak(x, y)) as f32);
    let residual = Array2::from_shape_fn((15, 15), |(y, x)| (noise.next() + 6.0 * peak(x, y + 4)) as f32);
    let data = &model + &residual.mapv(|r| 0.03 * r);
    let mask = Array2::from_shape_fn((15, 15), |(y, x)| match hypot(x as f64 - 7.3, y as f64 - 6.8) {
        _ if (x, y) == (3, 4) => CutoutPixel::Masked,
        _ if (x, y) == (11, 8) => CutoutPixel::Clipped,
        far if far < 6.0 => CutoutPixel::Used,
        _ => CutoutPixel::Apart,
    });
    let cutout = |k: usize| MeasurementCutout {
        labels: [
            format!("2025-05-0{} 12:34", k % 9 + 1),
            format!("{:.3} µm, chi2 {:.1}", 1.0 + 0.2 * k as f64, 1.3 * k as f64),
        ],
        data: data.view(),
        model: model.view(),
        residual: residual.view(),
        mask: mask.view(),
        source: [7.3, 6.8],
        radius: 3.0,
    };
    for count in [1, 16] {
        let figure =
            CutoutsFigure { cutouts: (0..count).map(cutout).collect(), title: "star 1, psf".to_owned() };
        let file = directory.join(format!("cutouts-{count}.png"));
        std::fs::write(file, render_cutouts(&figure, FigureFormat::Png)?)?;
    }
    Ok(())
}

/// Stars on a sloping background, with a gap.
fn stars(nx: usize, ny: usize, scale: f64) -> Array2<f32> {
    let mut noise = Noise(42);
    let mut plane = Array2::from_shape_fn((ny, nx), |(y, x)| {
        0.2 + 0.1 * x as f64 / nx as f64 + 0.05 * y as f64 / ny as f64 + 0.03 * noise.next()
    });
    for _ in 0..60 {
        let [x, y] = [nx, ny].map(|n| noise.uniform() * n as f64);
        let peak = 0.1 / (1.0 - 0.98 * noise.uniform());
        for ((row, column), value) in plane.indexed_iter_mut() {
            let distance2 = (row as f64 - y).powi(2) + (column as f64 - x).powi(2);
            if distance2 < 80.0 {
                *value += peak * exp(-distance2 / 4.0);
            }
        }
    }
    plane.slice_mut(ndarray::s![ny * 7 / 10.., ..nx / 5]).fill(f64::NAN);
    #[expect(clippy::cast_possible_truncation, reason = "rounded to the type of a plane")]
    plane.mapv(|v| (v * scale) as f32)
}

/// The brightest pixels.
fn markers(plane: &ArrayView2<'_, f32>) -> Vec<Marker> {
    let mut pixels: Vec<_> = plane.indexed_iter().filter(|(_, v)| v.is_finite()).collect();
    pixels.sort_by(|a, b| b.1.total_cmp(a.1));
    let mut markers: Vec<Marker> = Vec::new();
    for ((y, x), _) in pixels {
        let (x, y) = (x as f64, y as f64);
        if markers.len() < 8 && markers.iter().all(|m| hypot(m.x - x, m.y - y) > 6.0) {
            let label = format!("S{}", markers.len() + 1);
            markers.push(Marker { x, y, radius: None, label });
        }
    }
    markers
}

/// A tangent plane, north up.
fn tangent(ra: f64, dec: f64, scale: f64, (nx, ny): (usize, usize)) -> impl Fn(f64, f64) -> [f64; 2] {
    move |x, y| {
        let xi = (((nx as f64 - 1.0) / 2.0 - x) * scale).to_radians();
        let eta = ((y - (ny as f64 - 1.0) / 2.0) * scale).to_radians();
        let (sin, cos) = sin_cos(dec.to_radians());
        let below = cos - eta * sin;
        let d = atan2(eta * cos + sin, hypot(xi, below));
        [(ra + atan2(xi, below).to_degrees()).rem_euclid(360.0), d.to_degrees()]
    }
}

/// Numbers that look random and are the same every time.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of mean 0 and deviation 1, near enough to normal.
    fn next(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}
