//! The picture of a source: where points lie, and what is said of them.

use super::*;
use crate::canvas::{CanvasShape, INK, Rect};
use crate::colormap::{Rgb, luminance};
use crate::testing::{Picture, assert_texts_are_free};
use points::{DrawablePoint, DrawnValue, PointClass};
use spx_core::elementary::{exp, powf};

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
        let line = 0.8 * brightness * exp(-((wavelength - 2.6) / 0.1).powi(2));
        let spoiled = random.next() < 1.0 / 12.0;
        let outlier = if spoiled { 4.0 * error * random.noise() } else { 0.0 };
        let flux = brightness * (0.3 + 1.2 / wavelength) + line + error * random.noise() + outlier;
        let mjd = 60_800.0 + 15.0 * random.next() + 183.0 * (2.0 * random.next()).floor();
        LightCurvePoint { mjd, wavelength, bandwidth: wavelength / 40.0, flux, error, flagged: spoiled }
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

/// Without an error nothing tells how significant a flux is.
#[test]
fn measurements_without_errors_are_neither_detected_nor_faint() {
    for error in [f64::NAN, 0.0, -1.0] {
        let mut figure = three();
        figure.points.iter_mut().for_each(|p| p.error = error);
        let texts = texts(&figure);
        assert!(texts.contains(&"without error (3)".to_owned()), "{texts:?}");
        assert!(!texts.iter().any(|text| text.starts_with("S/N") || text.starts_with("below")), "{texts:?}");
    }
}

/// The title counts the measurements that the wavelengths of the figure leave.
#[test]
fn the_title_counts_what_is_shown() {
    let mut figure = figure(source(300, 500.0));
    (figure.options.wavelength_min, figure.options.wavelength_max) = (Some(2.0), Some(3.0));
    let inside = figure.points.iter().filter(|p| (2.0..=3.0).contains(&p.wavelength)).count();
    let title = texts(&figure).into_iter().find(|text| text.starts_with("A source")).unwrap();
    assert!(title.contains(&format!(", {inside} measurements")), "{title}");
}

fn texts(figure: &LightCurveFigure) -> Vec<String> {
    draw(figure).unwrap().text_boxes().map(|(text, _)| text.to_owned()).collect()
}

fn panels(figure: &LightCurveFigure) -> (Canvas, Panels) {
    let canvas = draw(figure).unwrap();
    let drawable = Drawable::new(figure).unwrap();
    let style = figure.options.style();
    let rows = Marks::new(&figure.options, drawable.points.len()).legend_rows(&canvas, &drawable, &style);
    let panels = Panels::new(&canvas, figure, &drawable, rows, &style).unwrap();
    (canvas, panels)
}

/// Two detections in two visits, a faint point and a flagged one.
fn three() -> LightCurveFigure {
    let point = |mjd, wavelength, flux, error, flagged| LightCurvePoint {
        mjd,
        wavelength,
        bandwidth: 0.1,
        flux,
        error,
        flagged,
    };
    let mut figure = figure(vec![
        point(60_000.0, 1.0, 100.0, 10.0, false),
        point(60_100.0, 4.0, 200.0, 10.0, false),
        point(60_002.0, 2.5, -20.0, 30.0, false),
        point(60_001.0, 3.0, 150.0, 10.0, true),
    ]);
    figure.options.marker_size_good = Some(8.0);
    figure
}

/// Visits of a few days, half a year apart.
fn four_visits(count: u32) -> Vec<LightCurvePoint> {
    let mut points = source(count, 500.0);
    let mut random = Random(9);
    points
        .iter_mut()
        .for_each(|p| p.mjd = 60_800.0 + 183.0 * (4.0 * random.next()).floor() + 2.0 * random.next());
    points
}

/// Lines of a color.
fn lines(canvas: &Canvas, color: Rgb) -> Vec<Vec<[f64; 2]>> {
    let of = |shape: &CanvasShape| match shape {
        CanvasShape::Line(points, _, found) if *found == color => Some(points.clone()),
        _ => None,
    };
    canvas.shapes.iter().filter_map(of).collect()
}

#[test]
fn points_lie_where_the_numbers_say_and_have_the_colors_of_the_other_axis() {
    let figure = three();
    let (_, Panels { spectrum, light_curve, .. }) = panels(&figure);
    assert_eq!(light_curve.len(), 2, "two visits");
    let picture = Picture::decode(&render_light_curve(&figure, FigureFormat::Png).unwrap());
    let Rect { left, right, top, bottom } = spectrum.inside;
    // The axes reach 3 % beyond the first and the last point, passbands included.
    let along = |part: f64| left + (0.03 + part) / 1.06 * (right - left);
    for (end, flux, mjd) in [(0.0, 100.0, 60_000.0), (1.0, 200.0, 60_100.0)] {
        let (x, y) = (along((0.05 + 3.0 * end) / 3.1), spectrum.y(flux));
        assert!((top..bottom).contains(&y));
        let color = Colormap::Viridis.color_on_paper(end);
        assert_eq!(picture.near(x, y), color, "in the spectrum at {flux}");
        let (panel, _) = light_curve.iter().find(|(panel, _)| panel.bottom.holds(mjd)).unwrap();
        let color = Colormap::Plasma.color_on_paper(end);
        assert_eq!(picture.near(panel.x(mjd), panel.y(flux)), color, "in the light curve at {flux}");
    }
    let bar = picture.near(spectrum.x(1.04), spectrum.y(100.0));
    assert_ne!(bar, [0xff; 3], "the passband");
    let faint = picture.near(spectrum.x(2.5), spectrum.y(-20.0));
    assert_eq!(faint, [0xff; 3], "the faint point is open");
    let flagged = picture.near(spectrum.x(3.0), spectrum.y(150.0));
    assert!(flagged[0] == flagged[1] && flagged[1] == flagged[2] && flagged[0] < 0xff, "{flagged:?}");
}

#[test]
fn an_upper_limit_hangs_from_three_errors_above_zero_where_limits_are_asked_for() {
    let mut figure = three();
    let color = panels(&figure).1.dates.color(&Drawable::new(&figure).unwrap().points[2]);
    assert!(lines(&draw(&figure).unwrap(), color).is_empty(), "no limit unless it is asked for");
    figure.options.show_limits = true;
    let (canvas, Panels { spectrum, .. }) = panels(&figure);
    let (x, y) = (spectrum.x(2.5), spectrum.y(90.0));
    let arrow = lines(&canvas, color);
    assert_eq!(arrow.len(), 3, "a bar, an arrow, its head");
    assert!(arrow[0].iter().all(|p| (p[1] - y).abs() < 1e-9), "the bar lies at 90: {arrow:?}");
    assert!((arrow[1][0][0] - x).abs() < 1e-9 && arrow[1][1][1] > y, "it points downwards: {arrow:?}");
}

#[test]
fn a_flux_far_below_zero_is_shown_where_it_is() {
    let mut figure = figure(source(300, 200.0));
    figure.points[7] = LightCurvePoint { flux: -900.0, error: 20.0, flagged: false, ..figure.points[7] };
    for show_limits in [false, true] {
        figure.options.show_limits = show_limits;
        let (canvas, Panels { spectrum, .. }) = panels(&figure);
        let at = [spectrum.x(figure.points[7].wavelength), spectrum.y(-900.0)];
        assert!(spectrum.holds(at), "the axis reaches down to it");
        let is_there = |line: &Vec<[f64; 2]>| {
            line.len() == 5
                && (line[0][1] - at[1]).abs() < 1e-9
                && ((line[0][0] + line[2][0]) / 2.0 - at[0]).abs() < 1e-9
        };
        assert_eq!(lines(&canvas, INK).iter().filter(|line| is_there(line)).count(), 1);
        assert!(texts(&figure).contains(&"below −5σ (1)".to_owned()));
    }
    // A wild one stands at the edge, and the others stay as they are.
    let range = |figure: &LightCurveFigure| {
        let Panels { spectrum, .. } = panels(figure).1;
        (spectrum.y(0.0) - spectrum.y(300.0)) / spectrum.inside.height()
    };
    let before = range(&figure);
    for wild in &mut figure.points[8..15] {
        *wild = LightCurvePoint { flux: -1e6, error: 20.0, flagged: false, ..*wild };
    }
    assert!((range(&figure) / before - 1.0).abs() < 0.05, "{} {before}", range(&figure));
    let texts = texts(&figure);
    assert!(
        texts.contains(&"below −5σ (8)".to_owned()) && texts.iter().any(|t| t.starts_with("off an axis"))
    );
}

/// A star whose flux changes by 30 % from visit to visit; its spectrum varies by a factor of five.
#[test]
fn the_light_curve_shows_variation_and_not_the_spectrum() {
    let mut random = Random(3);
    let mut points: Vec<LightCurvePoint> = source(600, 20_000.0);
    for p in &mut points {
        let spectrum = 20_000.0 / p.wavelength;
        p.error = 0.01 * spectrum;
        let factor = if p.mjd > 60_900.0 { 1.15 } else { 0.85 };
        (p.flux, p.flagged) = (factor * spectrum + p.error * random.noise(), false);
    }
    let drawable = Drawable::new(&figure(points)).unwrap();
    assert!(drawable.is_relative);
    for (late, expected) in [(false, 0.85), (true, 1.15)] {
        let of = drawable.points.iter().filter(|p| (p.mjd > 60_900.0) == late);
        let values: Vec<f64> = of.map(|p| p.relative.at).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let scatter = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        // Each neighborhood has its own share of early and late points, about 15 of each.
        assert!((mean - expected).abs() < 0.02 && scatter < 0.05, "{late}: {mean} {scatter}");
    }
    assert!(!Drawable::new(&figure(source(200, 1.0))).unwrap().is_relative, "too faint");
    // Bright enough at short wavelengths only: these are compared, the others are counted.
    let steep = |p: LightCurvePoint| LightCurvePoint { flux: p.flux * powf(p.wavelength, -6.0), ..p };
    let drawable = Drawable::new(&figure(source(400, 500.0).into_iter().map(steep).collect())).unwrap();
    let untold = drawable.not_compared();
    assert!(drawable.is_relative && (100..350).contains(&untold), "{untold}");
    let shown = drawable.points.iter().filter(|p| !p.relative.at.is_nan());
    assert!(shown.filter(|p| p.class != PointClass::Flagged).all(|p| p.wavelength < 3.0));
    assert!(!Drawable::new(&figure(source(10, 5e4))).unwrap().is_relative, "too few points");
}

/// Few points of a steep spectrum, and a source whose visits differ.
#[test]
fn a_source_that_does_not_vary_is_level_with_few_points_too() {
    for (count, change) in [(30, 0.0), (60, 0.0), (120, 0.3)] {
        let mut points: Vec<LightCurvePoint> = source(count, 20_000.0);
        let mut random = Random(11);
        for p in &mut points {
            let spectrum = 20_000.0 * powf(p.wavelength, -2.0);
            p.error = 0.02 * spectrum;
            let factor = if p.mjd > 60_900.0 { 1.0 + change } else { 1.0 - change };
            (p.flux, p.flagged) = (factor * spectrum + p.error * random.noise(), false);
        }
        let drawable = Drawable::new(&figure(points)).unwrap();
        assert!(drawable.is_relative, "{count}");
        let shown: Vec<&DrawablePoint> = drawable.points.iter().filter(|p| !p.relative.at.is_nan()).collect();
        assert!(shown.len() * 10 >= drawable.points.len() * 9, "{count}: {} points", shown.len());
        let mean_of = |late: bool| {
            let of = shown.iter().filter(|p| (p.mjd > 60_900.0) == late).map(|p| p.relative.at);
            let values: Vec<f64> = of.collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let means = [mean_of(false), mean_of(true)];
        let ratio = means[1] / means[0] / ((1.0 + change) / (1.0 - change));
        assert!((ratio - 1.0).abs() < 0.02, "{count}: {means:?}");
        let pulls =
            shown.iter().map(|p| (p.relative.at - means[usize::from(p.mjd > 60_900.0)]) / p.relative.error);
        let squares: Vec<f64> = pulls.map(|pull| pull * pull).collect();
        let width = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
        assert!((0.6..1.2).contains(&width), "{count}: pulls of width {width}");
    }
}

#[test]
fn channel_means_follow_the_spectrum() {
    let drawable = Drawable::new(&figure(source(2000, 800.0))).unwrap();
    let found = &drawable.channels.means;
    assert!(found.len() > 40, "{}", found.len());
    let near: Vec<f64> = found
        .iter()
        .filter(|(wavelength, _)| (wavelength - 2.6).abs() > 0.4)
        .map(|(wavelength, v)| (v.at - 800.0 * (0.3 + 1.2 / wavelength)) / v.error)
        .collect();
    let width = (near.iter().map(|pull| pull * pull).sum::<f64>() / near.len() as f64).sqrt();
    assert!((0.7..1.4).contains(&width), "pulls of width {width}");
    let few = Drawable::new(&figure(source(40, 800.0))).unwrap();
    assert!(few.channels.means.is_empty());
}

/// The means of a steep spectrum have the errors of its points; those of a source whose visits
/// differ have errors that tell so, and lie between them.
#[test]
fn means_of_a_variable_source_have_its_scatter() {
    let mut random = Random(5);
    let mut of_change = |change: f64| {
        let mut points: Vec<LightCurvePoint> = source(900, 20_000.0);
        for p in &mut points {
            let spectrum = 20_000.0 * powf(p.wavelength, -2.0);
            p.error = 0.002 * spectrum;
            let factor = if p.mjd > 60_900.0 { 1.0 + change } else { 1.0 - change };
            (p.flux, p.flagged) = (factor * spectrum + p.error * random.noise(), false);
        }
        let means = Drawable::new(&figure(points)).unwrap().channels.means;
        let relative = |(wavelength, mean): &(f64, DrawnValue)| {
            // In mJy.
            let spectrum = 20.0 * powf(*wavelength, -2.0);
            (mean.at / spectrum - 1.0, mean.error / spectrum)
        };
        means.iter().map(relative).collect::<Vec<_>>()
    };
    let level = of_change(0.0);
    assert!(
        level.len() > 50 && level.iter().filter(|(_, error)| *error < 0.002).count() * 10 > 9 * level.len()
    );
    let varying = of_change(0.2);
    let honest = varying.iter().filter(|(off, error)| off.abs() < 3.0 * error).count();
    assert!(honest * 5 > 4 * varying.len(), "{honest} of {}", varying.len());
}

#[test]
fn large_fluxes_have_larger_units() {
    let names = |brightness| texts(&figure(source(50, brightness)));
    assert!(names(300.0).contains(&"Flux density (µJy)".to_owned()));
    assert!(names(3e5).contains(&"Flux density (mJy)".to_owned()));
    assert!(names(3e8).contains(&"Flux density (Jy)".to_owned()));
}

#[test]
fn colors_hold_on_white() {
    for map in Colormap::ALL {
        for k in 0..=100 {
            let contrast = 1.05 / (luminance(map.color_on_paper(f64::from(k) / 100.0)) + 0.05);
            assert!(contrast >= 1.9, "{map} {k}: {contrast}");
        }
    }
}

#[test]
fn magnitudes_run_downwards_and_need_a_positive_flux() {
    let mut figure = three();
    figure.options.use_magnitude = true;
    figure.points[3].flux = -150.0;
    figure.points.remove(2);
    let (_, Panels { spectrum, .. }) = panels(&figure);
    // 23.9 - 2.5 log10(100) and 23.9 - 2.5 log10(200).
    assert!(spectrum.y(18.9) > spectrum.y(18.147_425));
    let picture = Picture::decode(&render_light_curve(&figure, FigureFormat::Png).unwrap());
    assert_eq!(picture.near(spectrum.x(1.0), spectrum.y(18.9)), Colormap::Viridis.color_on_paper(0.0));
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
    for name in ["S/N ≥ 3.5 (2)", "S/N < 3.5 (1)", "flagged (1)", "without value (2)"] {
        assert!(texts.contains(&name.to_owned()), "{name}: {texts:?}");
    }
}

#[test]
fn percentiles_bound_the_axis_but_for_detections_and_what_lies_beyond_is_marked() {
    let mut figure = figure(source(400, 500.0));
    figure.points[0] = LightCurvePoint { flux: 1e6, flagged: false, ..figure.points[0] };
    let (canvas, Panels { spectrum, .. }) = panels(&figure);
    let top = spectrum.y(2000.0);
    assert!(top < spectrum.inside.top, "one outlier does not stretch the axis");
    let edge = spectrum.inside.top + 2.0 * 0.8 * 150.0 / 72.0;
    let head = |shape: &&CanvasShape| {
        matches!(shape, CanvasShape::Line(p, ..) if p.len() == 3 && (p[1][1] - edge).abs() < 1e-6
            && (p[1][0] - spectrum.x(figure.points[0].wavelength)).abs() < 1e-6)
    };
    assert_eq!(canvas.shapes.iter().filter(head).count(), 1);
    assert!(texts(&figure).iter().any(|text| text.starts_with("off an axis (")));
    figure.options.ylim_percentile_max = 100.0;
    let (_, Panels { spectrum, .. }) = panels(&figure);
    assert!(spectrum.holds([spectrum.inside.left, spectrum.y(1e6)]));
}

/// Gray crosses have no color that a bar could explain.
#[test]
fn color_bars_stand_beside_colors_alone() {
    let mut figure = figure(source(60, 300.0));
    let bars = |figure: &LightCurveFigure| panels(figure).0.rasters.len();
    assert_eq!(bars(&figure), 2);
    figure.points.iter_mut().for_each(|p| p.flagged = true);
    let (canvas, drawn) = panels(&figure);
    assert_eq!(canvas.rasters.len(), 0);
    assert!(
        !texts(&figure).iter().any(|text| text.len() == 10 && text.starts_with("20")),
        "no dates of a bar"
    );
    assert!(drawn.spectrum.inside.right > 0.9 * canvas.bounds().right, "the frames take its room");
    assert_texts_are_free(&canvas, "all flagged");
    figure.points[3].flagged = false;
    assert_eq!(bars(&figure), 2);
    // Black diamonds have colored error bars.
    figure.points[3].flux = -100.0 * figure.points[3].error;
    assert_eq!(bars(&figure), 2);
    figure.options.show_errorbars = false;
    assert_eq!(bars(&figure), 0);
}

#[test]
fn odd_sources_are_drawn_and_texts_are_free() {
    let flagged: Vec<LightCurvePoint> =
        source(30, 200.0).into_iter().map(|p| LightCurvePoint { flagged: true, ..p }).collect();
    let odd = |change: fn(&mut LightCurvePoint)| {
        let mut points = source(5, 100.0);
        points.iter_mut().for_each(change);
        points
    };
    for (name, points) in [
        ("one", source(1, 500.0)),
        ("faint", source(200, 5.0)),
        ("bright", source(50, 5e8)),
        ("flagged", flagged),
        ("four visits", four_visits(400)),
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

/// The color bar of a visit of some hours has hours, with the day as its name.
#[test]
fn hours_of_one_day_have_their_times() {
    let points = source(60, 500.0).into_iter().enumerate();
    let figure =
        figure(points.map(|(k, p)| LightCurvePoint { mjd: 61_027.2 + 0.006 * k as f64, ..p }).collect());
    let texts = texts(&figure);
    assert!(texts.contains(&"2025 Dec 18 (UTC)".to_owned()), "{texts:?}");
    let hours = texts.iter().filter(|text| text.ends_with(":00")).count();
    assert!(hours >= 4, "on both axes: {texts:?}");
}

/// A legend with many entries takes two rows rather than tiny letters.
#[test]
fn letters_of_the_legend_stay_legible() {
    let mut points = source(400, 25.0);
    for (k, p) in points.iter_mut().enumerate() {
        p.flagged = k % 9 == 0;
        p.flux = if k % 50 == 3 { -900.0 } else { p.flux };
    }
    let mut figure = figure(points);
    figure.options.show_limits = true;
    let (canvas, _) = panels(&figure);
    let style = figure.options.style();
    let counted = |text: &str| text.contains("S/N") || text.contains("flagged") || text.contains("limit (");
    let heights: Vec<f64> =
        canvas.text_boxes().filter(|(text, _)| counted(text)).map(|(_, area)| area.height()).collect();
    assert!(heights.len() >= 3, "{:?}", texts(&figure));
    let whole = canvas.text_boxes().find(|(text, _)| *text == "Wavelength (µm)").unwrap().1.height();
    assert!(heights.iter().all(|height| *height > 0.75 * whole), "{heights:?} {whole} {}", style.small);
    assert_texts_are_free(&canvas, "two rows");
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
