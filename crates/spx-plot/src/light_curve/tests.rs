//! The picture of a source: where points lie, and what is said of them.

use super::*;
use crate::canvas::CanvasShape;
use crate::testing::{Picture, assert_texts_are_free};

/// SplitMix64 (Steele et al. 2014), numbers in [0, 1).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of mean 0 and width 1, nearly normal.
    fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// A source with a line, seen in all bands in two seasons; one in twelve points has bad flags.
fn source(count: u32, brightness: f64) -> Vec<LightCurvePoint> {
    let mut random = Random(7);
    let mut point = || {
        let wavelength = 0.75 + 4.25 * random.next();
        let error = 0.02 * brightness + 12.0 * (1.0 + random.next());
        let line = 0.8 * brightness * (-((wavelength - 2.6) / 0.1).powi(2)).exp();
        let spoiled = random.next() < 1.0 / 12.0;
        let outlier = if spoiled { 4.0 * error * random.noise() } else { 0.0 };
        let flux = brightness * (0.3 + 1.2 / wavelength) + line + error * random.noise() + outlier;
        let quality = match flux / error {
            _ if spoiled => PointQuality::Rejected,
            snr if snr < 1.0 => PointQuality::UpperLimit,
            snr if snr < 5.0 => PointQuality::Rejected,
            _ => PointQuality::Good,
        };
        let mjd = 60_800.0 + 15.0 * random.next() + 183.0 * (2.0 * random.next()).floor();
        LightCurvePoint { mjd, wavelength, bandwidth: wavelength / 40.0, flux, error, quality }
    };
    (0..count).map(|_| point()).collect()
}

fn figure(points: Vec<LightCurvePoint>) -> LightCurveFigure {
    LightCurveFigure {
        title: "A source, RA 213.94271° Dec +11.49543°".to_owned(),
        points,
        options: LightCurveOptions::default(),
    }
}

fn texts(figure: &LightCurveFigure) -> Vec<String> {
    draw(figure).unwrap().text_boxes().map(|(text, _)| text.to_owned()).collect()
}

fn panels(figure: &LightCurveFigure) -> (Canvas, Panels) {
    let canvas = draw(figure).unwrap();
    let drawable = Drawable::new(figure).unwrap();
    let panels = Panels::new(&canvas, figure, &drawable, &figure.options.style()).unwrap();
    (canvas, panels)
}

/// Two good points, a limit and a rejected one.
fn three() -> LightCurveFigure {
    let point = |mjd, wavelength, flux, error, quality| LightCurvePoint {
        mjd,
        wavelength,
        bandwidth: 0.1,
        flux,
        error,
        quality,
    };
    figure(vec![
        point(60_000.0, 1.0, 100.0, 10.0, PointQuality::Good),
        point(60_100.0, 4.0, 200.0, 10.0, PointQuality::Good),
        point(60_050.0, 2.5, -20.0, 30.0, PointQuality::UpperLimit),
        point(60_020.0, 3.0, 150.0, 10.0, PointQuality::Rejected),
    ])
}

#[test]
fn points_lie_where_the_numbers_say_and_have_the_colors_of_the_other_axis() {
    let mut figure = three();
    figure.options.marker_size_good = Some(8.0);
    let (_, Panels { spectrum, light_curve, .. }) = panels(&figure);
    let picture = Picture::decode(&render_light_curve(&figure, FigureFormat::Png).unwrap());
    let Rect { left, right, top, bottom } = spectrum.inside;
    // The axes reach 3 % beyond the first and the last point, passbands included.
    let along = |part: f64| left + (0.03 + part) / 1.06 * (right - left);
    for (end, flux) in [(0.0, 100.0), (1.0, 200.0)] {
        let (x, y) = (along((0.05 + 3.0 * end) / 3.1), spectrum.y(flux));
        assert!((top..bottom).contains(&y));
        assert_eq!(picture.near(x, y), Colormap::Viridis.color(end), "in the spectrum at {flux}");
        let (x, y) = (along(end), light_curve.y(flux));
        assert_eq!(picture.near(x, y), Colormap::Rainbow.color(end), "in the light curve at {flux}");
    }
    let bar = picture.near(spectrum.x(1.04), spectrum.y(100.0));
    assert_ne!(bar, [0xff; 3], "the passband");
    assert_eq!(
        picture.near(light_curve.x(60_000.0) + 12.0, light_curve.y(100.0)),
        [0xff; 3],
        "no bar in time"
    );
    let rejected = picture.near(spectrum.x(3.0), spectrum.y(150.0));
    assert!(rejected[0] == rejected[1] && rejected[1] == rejected[2] && rejected[0] < 0xff, "{rejected:?}");
}

#[test]
fn an_upper_limit_hangs_from_three_errors_above_zero() {
    let figure = three();
    let (canvas, Panels { spectrum, dates, .. }) = panels(&figure);
    let color = dates.map.color(0.5);
    let (x, y) = (spectrum.x(2.5), spectrum.y(90.0));
    let lines = |shape: &CanvasShape| match shape {
        CanvasShape::Line(points, _, found) if *found == color => Some(points.clone()),
        _ => None,
    };
    let arrow: Vec<_> = canvas.shapes.iter().filter_map(lines).collect();
    assert_eq!(arrow.len(), 3, "a bar, an arrow, its head");
    assert!(arrow[0].iter().all(|p| (p[1] - y).abs() < 1e-9), "the bar lies at 90: {arrow:?}");
    assert!((arrow[1][0][0] - x).abs() < 1e-9 && arrow[1][1][1] > y, "it points downwards: {arrow:?}");
}

#[test]
fn magnitudes_run_downwards_and_need_a_positive_flux() {
    let mut figure = three();
    figure.options.use_magnitude = true;
    figure.points[3].flux = -150.0;
    let (_, Panels { spectrum, .. }) = panels(&figure);
    // 23.9 - 2.5 log10(100) and 23.9 - 2.5 log10(200).
    assert!(spectrum.y(18.9) > spectrum.y(18.147_425));
    let picture = Picture::decode(&render_light_curve(&figure, FigureFormat::Png).unwrap());
    assert_eq!(picture.near(spectrum.x(1.0), spectrum.y(18.9)), Colormap::Viridis.color(0.0));
    let texts = texts(&figure);
    assert!(texts.contains(&"without magnitude (1)".to_owned()), "{texts:?}");
    assert!(texts.contains(&"AB magnitude".to_owned()));
}

#[test]
fn the_head_says_how_many_there_are_of_each() {
    let mut figure = three();
    figure.options.sigma_threshold = 3.5;
    figure.points.push(LightCurvePoint { flux: f64::NAN, ..figure.points[0] });
    figure.points.push(LightCurvePoint { mjd: f64::INFINITY, ..figure.points[2] });
    let texts = texts(&figure);
    for name in ["S/N ≥ 3.5 (2)", "3σ upper limit (1)", "rejected (1)", "without value (2)"] {
        assert!(texts.contains(&name.to_owned()), "{name}: {texts:?}");
    }
}

#[test]
fn percentiles_bound_the_axis_and_what_lies_beyond_is_marked() {
    let mut figure = figure(source(400, 500.0));
    figure.points[0] = LightCurvePoint { flux: 1e6, quality: PointQuality::Good, ..figure.points[0] };
    let (canvas, Panels { spectrum, .. }) = panels(&figure);
    let top = spectrum.y(2000.0);
    assert!(top < spectrum.inside.top, "one outlier does not stretch the axis");
    let edge = spectrum.inside.top + 0.8 * 150.0 / 72.0;
    let head = |shape: &&CanvasShape| {
        matches!(shape, CanvasShape::Line(p, ..) if p.len() == 3 && (p[1][1] - edge).abs() < 1e-6
            && (p[1][0] - spectrum.x(figure.points[0].wavelength)).abs() < 1e-6)
    };
    assert_eq!(canvas.shapes.iter().filter(head).count(), 1);
    figure.options.ylim_percentile_max = 100.0;
    let (_, Panels { spectrum, .. }) = panels(&figure);
    assert!(spectrum.holds([spectrum.inside.left, spectrum.y(1e6)]));
}

#[test]
fn odd_sources_are_drawn_and_texts_are_free() {
    let only = |quality| -> Vec<LightCurvePoint> {
        source(30, 200.0).into_iter().map(|p| LightCurvePoint { quality, ..p }).collect()
    };
    let odd = |change: fn(&mut LightCurvePoint)| {
        let mut points = source(5, 100.0);
        points.iter_mut().for_each(change);
        points
    };
    for (name, points) in [
        ("one", source(1, 500.0)),
        ("faint", source(200, 5.0)),
        ("bright", source(50, 5e8)),
        ("rejected", only(PointQuality::Rejected)),
        ("limits", only(PointQuality::UpperLimit)),
        ("without errors", odd(|p| (p.error, p.bandwidth) = (f64::NAN, f64::NAN))),
        ("infinite errors", odd(|p| p.error = f64::INFINITY)),
        ("one date", odd(|p| p.mjd = 60_000.0)),
        ("one wavelength", odd(|p| p.wavelength = 2.0)),
        ("one flux", odd(|p| p.flux = 0.0)),
    ] {
        for (figsize, dpi) in [([10.0, 8.0], 150), ([3.5, 3.0], 300), ([7.0, 9.0], 72)] {
            for use_magnitude in [false, true] {
                let mut figure = figure(points.clone());
                (figure.options.figsize, figure.options.dpi) = (figsize, dpi);
                figure.options.use_magnitude = use_magnitude;
                if use_magnitude && name == "one flux" {
                    assert!(matches!(draw(&figure), Err(PlotError::NoPoints { .. })));
                    continue;
                }
                let canvas = draw(&figure).unwrap();
                assert_texts_are_free(&canvas, &format!("{name} {figsize:?} {use_magnitude}"));
            }
        }
    }
}

#[test]
fn both_formats_are_written_the_same_every_time() {
    for format in [FigureFormat::Png, FigureFormat::Svg] {
        let figure = figure(source(100, 100.0));
        let file = render_light_curve(&figure, format).unwrap();
        assert_eq!(file, render_light_curve(&figure, format).unwrap());
        if format == FigureFormat::Png {
            let picture = Picture::decode(&file);
            assert_eq!((picture.width, picture.height), (1500, 1200));
        }
    }
}

#[test]
fn impossible_options_are_errors() {
    let error = |change: fn(&mut LightCurveOptions)| {
        let mut figure = three();
        change(&mut figure.options);
        render_light_curve(&figure, FigureFormat::Png).unwrap_err().to_string()
    };
    assert!(error(|o| o.ylim_percentile_min = 99.5).contains("percentiles from 99.5 to 99"));
    assert!(error(|o| o.dpi = 5).contains("50 x 40 px"));
    assert!(error(|o| o.figsize = [f64::NAN, 8.0]).contains("0 x 1200 px"));
    assert!(error(|o| o.marker_size_good = Some(-1.0)).contains("marker_size_good"));
    assert!(error(|o| o.errorbar_alpha = Some(2.0)).contains("errorbar_alpha"));
    assert!(error(|o| o.errorbar_linewidth = f64::NAN).contains("errorbar_linewidth"));
    let error = render_light_curve(&figure(Vec::new()), FigureFormat::Png).unwrap_err().to_string();
    assert_eq!(
        error,
        "no point with a finite date, wavelength and flux among 0 points; there is nothing to draw"
    );
}
