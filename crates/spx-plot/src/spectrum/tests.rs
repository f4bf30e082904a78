//! The picture of a spectrum, pixel by pixel.

use super::*;
use crate::Colormap;
use crate::canvas::CanvasShape;
use crate::canvas::INK;
use crate::testing::{Picture, assert_texts_are_free, color_blind_difference};

fn point(wavelength: f64, flux: f64, error: f64) -> SpectrumPoint {
    SpectrumPoint { wavelength, half_bandwidth: 0.05, flux, error, is_partial: false }
}

fn spectrum(label: &str, points: Vec<SpectrumPoint>) -> Spectrum {
    Spectrum { label: label.to_owned(), points }
}

fn many() -> SpectrumFigure {
    let points =
        |offset: f64| (0..40).map(move |k| point(0.8 + 0.1 * f64::from(k), offset + f64::from(k), 3.0));
    let mut figure = SpectrumFigure::new(vec![
        spectrum("one", points(10.0).collect()),
        spectrum("two", points(-5.0).collect()),
    ]);
    figure.curves = vec![Curve { label: "model".to_owned(), points: vec![[0.0, 0.0], [6.0, 50.0]] }];
    figure.title = "A source".to_owned();
    figure
}

#[test]
fn a_point_and_its_bars_lie_where_the_numbers_say() {
    let mut figure = SpectrumFigure::new(vec![spectrum("a", vec![point(2.0, 60.0, 10.0)])]);
    figure.wavelength_range = Some([1.0, 5.0]);
    figure.flux_range = Some([0.0, 120.0]);
    let canvas = draw(&figure).unwrap();
    let panel = panel(&canvas, &figure, &Ranges::of(&figure).unwrap(), 0.0, &Style::new(figure.size));
    let picture = Picture::decode(&render_spectrum(&figure, FigureFormat::Png).unwrap());
    let Rect { left, right, top, bottom } = panel.inside;
    let at = |wavelength: f64, flux: f64| {
        let x = left + (wavelength - 1.0) / 4.0 * (right - left);
        let y = bottom - flux / 120.0 * (bottom - top);
        picture.near(x, y)
    };
    assert_eq!(at(2.0, 60.0), COLORS[0], "the point");
    assert_ne!(at(2.0, 68.0), [0xff; 3], "its error bar");
    assert_ne!(at(1.96, 60.0), [0xff; 3], "its bandwidth");
    assert_eq!(at(2.0, 74.0), [0xff; 3], "beyond the error bar");
    assert_eq!(at(2.1, 60.0), [0xff; 3], "beyond the bandwidth");
    assert_eq!(picture.near(left - 1.0, top + 50.0), INK, "the frame");
}

#[test]
fn a_curve_is_drawn_and_cut_off_at_the_frame() {
    let mut figure = many();
    figure.wavelength_range = Some([1.0, 5.0]);
    figure.flux_range = Some([0.0, 50.0]);
    let canvas = draw(&figure).unwrap();
    let inside = panel(&canvas, &figure, &Ranges::of(&figure).unwrap(), 0.0, &Style::new(figure.size)).inside;
    for shape in &canvas.shapes {
        if let CanvasShape::Line(points, ..) = shape {
            for &[x, y] in points {
                assert!(x >= inside.left - 1e-6 && x <= inside.right + 1e-6, "{x}");
                assert!(y >= inside.top - 1e-6 && y <= inside.bottom + 1e-6, "{y}");
            }
        }
    }
}

#[test]
fn a_legend_appears_with_the_second_name() {
    let names = |figure: &SpectrumFigure| -> Vec<String> {
        draw(figure).unwrap().text_boxes().map(|(text, _)| text.to_owned()).collect()
    };
    let mut figure = many();
    assert!(["one", "two", "model"].iter().all(|name| names(&figure).contains(&(*name).to_owned())));
    figure.spectra.truncate(1);
    figure.curves.clear();
    assert!(
        names(&figure).contains(&"one".to_owned())
            && names(&figure).iter().any(|n| n.starts_with("S/N < 5 ("))
    );
    figure.spectra[0].points.retain(|p| significance(p) == Significance::Detected);
    assert!(!names(&figure).contains(&"one".to_owned()));
}

/// What lies far below zero, or has no error, is no faint detection: classes of their own, counted.
#[test]
fn every_class_has_its_mark_and_number() {
    let points = vec![
        point(1.0, 90.0, 3.0),
        point(2.0, 4.0, 3.0),
        point(2.5, -1.0, 3.0),
        point(3.0, -60.0, 3.0),
        point(4.0, 50.0, f64::NAN),
        point(4.5, 50.0, 0.0),
    ];
    let canvas = draw(&SpectrumFigure::new(vec![spectrum("a", points)])).unwrap();
    let texts: Vec<&str> = canvas.text_boxes().map(|(text, _)| text).collect();
    for name in ["S/N < 5 (2)", "below −5σ (1)", "without error (2)"] {
        assert!(texts.contains(&name), "{name}: {texts:?}");
    }
    // One over the data, one in the legend.
    let diamonds = |color: Rgb| {
        let is =
            |shape: &&CanvasShape| matches!(shape, CanvasShape::Line(p, _, c) if p.len() == 5 && *c == color);
        canvas.shapes.iter().filter(is).count()
    };
    assert_eq!((diamonds(COLORS[0]), diamonds(INK)), (1, 1));
}

#[test]
fn texts_are_free_in_every_size() {
    let mut figure = many();
    for (width, height) in
        [(1000, 700), (1000, 900), (600, 500), (2400, 2000), (200, 200), (1600, 250), (300, 1200)]
    {
        for scale in [1.0, 1e-9, 1e7] {
            figure.size = Size { width, height };
            let mut scaled = figure.clone();
            scaled.spectra.iter_mut().flat_map(|s| &mut s.points).for_each(|p| p.flux *= scale);
            assert_texts_are_free(&draw(&scaled).unwrap(), &format!("scale {scale}"));
        }
    }
}

#[test]
fn odd_spectra_are_drawn() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    for points in [
        vec![point(1.0, 0.0, 0.0)],
        vec![point(1.0, 5.0, nan), point(nan, 5.0, 1.0), point(2.0, nan, 1.0)],
        vec![point(1.0, 5.0, inf), point(1.0, 5.0, -3.0)],
        vec![point(1.0, 1e300, 1.0), point(1.0 + 1e-16, -1e300, 1.0)],
        vec![point(0.0, 1e-300, 0.0), point(0.0, 2e-300, 0.0)],
        vec![point(3.0, 7.0, 1e9), point(4.0, 7.0, 1.0), point(4.5, 7.5, 1.0)],
    ] {
        let figure = SpectrumFigure::new(vec![spectrum("odd", points.clone()), spectrum("none", Vec::new())]);
        let canvas = draw(&figure).unwrap();
        assert_texts_are_free(&canvas, &format!("{points:?}"));
        Picture::decode(&encode(&canvas, FigureFormat::Png).unwrap());
    }
}

#[test]
fn one_huge_error_bar_does_not_flatten_the_rest() {
    let points = vec![point(1.0, 7.0, 1e9), point(2.0, 8.0, 1.0), point(3.0, 9.0, 1.0)];
    let ranges = Ranges::of(&SpectrumFigure::new(vec![spectrum("a", points)])).unwrap();
    assert!(ranges.flux[1] - ranges.flux[0] < 20.0, "{:?}", ranges.flux);
}

#[test]
fn nothing_to_draw_is_an_error() {
    let error = render_spectrum(&SpectrumFigure::new(Vec::new()), FigureFormat::Png).unwrap_err().to_string();
    assert_eq!(error, "no point with a finite wavelength and flux among 0 points; there is nothing to draw");
    let figure = SpectrumFigure::new(vec![spectrum("a", vec![point(f64::NAN, 1.0, 1.0)])]);
    assert!(matches!(
        render_spectrum(&figure, FigureFormat::Svg),
        Err(PlotError::NoPoints { points: 1, .. })
    ));
    let mut figure = many();
    for range in [[1.0, 1.0], [2.0, 1.0], [f64::NAN, 1.0], [-f64::MAX, f64::MAX]] {
        figure.flux_range = Some(range);
        assert!(
            matches!(render_spectrum(&figure, FigureFormat::Png), Err(PlotError::Limits { .. })),
            "{range:?}"
        );
    }
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    for format in [FigureFormat::Png, FigureFormat::Svg] {
        assert_eq!(render_spectrum(&many(), format).unwrap(), render_spectrum(&many(), format).unwrap());
    }
}

/// Points of a part of the pixels are crosses of their spectrum's color, a class of their own.
#[test]
fn partial_points_are_crosses() {
    let mut points: Vec<SpectrumPoint> = (0..6).map(|k| point(1.0 + f64::from(k), 100.0, 1.0)).collect();
    points[2].is_partial = true;
    points[3] = SpectrumPoint { flux: 2.0, is_partial: true, ..points[3] };
    let figure = SpectrumFigure::new(vec![Spectrum { label: "D3".to_owned(), points }]);
    let names: Vec<String> = entries(&figure).iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, ["D3", "pixels without data (2)"]);
    let canvas = draw(&figure).unwrap();
    let is_slanted =
        |line: &[[f64; 2]]| line.len() == 2 && line[0][0] != line[1][0] && line[0][1] != line[1][1];
    let crosses = |color: Rgb| {
        let lines = canvas.shapes.iter().filter(
            |shape| matches!(shape, CanvasShape::Line(line, _, of) if *of == color && is_slanted(line)),
        );
        lines.count()
    };
    // Two lines each; those of the legend are black.
    assert_eq!((crosses(COLORS[0]), crosses(INK)), (4, 2));
}

/// A legend over data is beside the frame, one over empty paper inside.
#[test]
fn a_legend_hides_no_data() {
    let spectrum = |label: &str, everywhere: bool| Spectrum {
        label: label.to_owned(),
        points: (0..2000)
            .map(|k| SpectrumPoint {
                wavelength: 1.0 + f64::from(k) / 500.0,
                half_bandwidth: 0.0,
                flux: 1.0 + if everywhere { f64::from(k * 37 % 101) } else { f64::from(k) },
                error: 0.1,
                is_partial: false,
            })
            .collect(),
    };
    for everywhere in [false, true] {
        let figure = SpectrumFigure::new(vec![spectrum("one", everywhere), spectrum("two", everywhere)]);
        let canvas = draw(&figure).unwrap();
        let names: Vec<Rect> = canvas
            .text_boxes()
            .filter(|(text, _)| ["one", "two"].contains(text))
            .map(|(_, area)| area)
            .collect();
        assert_eq!(names.len(), 2);
        let points = canvas.shapes.iter().filter_map(|shape| match shape {
            CanvasShape::Disc(at, radius, _) if *radius < 3.4 => Some(*at),
            _ => None,
        });
        let points: Vec<[f64; 2]> = points.collect();
        assert_eq!(points.len(), 4000);
        let right = points.iter().map(|p| p[0]).fold(0.0, f64::max);
        assert_eq!(names[0].left > right, everywhere, "beside the frame where there is no free place");
        let hidden = |p: &&[f64; 2]| {
            names.iter().any(|n| n.holds(Rect { left: p[0], right: p[0], top: p[1], bottom: p[1] }))
        };
        assert_eq!(points.iter().filter(hidden).count(), 0);
    }
}

/// Bars that leave the frame hide no less than points do, and names have one size.
#[test]
fn a_legend_hides_no_bar() {
    let names = ["one", "a name that is as long as the frame is wide, and longer than that by a lot"];
    let spectra = names.map(|name| {
        let points = (0..60).map(|k| point(0.8 + 0.07 * f64::from(k), 1.0 + f64::from(k % 7), 90.0));
        spectrum(name, points.collect())
    });
    let mut figure = SpectrumFigure::new(spectra.to_vec());
    figure.flux_range = Some([0.0, 10.0]);
    let canvas = draw(&figure).unwrap();
    let panel = panel(&canvas, &figure, &Ranges::of(&figure).unwrap(), 0.0, &Style::new(figure.size));
    let names: Vec<Rect> = canvas
        .text_boxes()
        .filter(|(text, _)| *text == "one" || text.ends_with('…'))
        .map(|(_, area)| area)
        .collect();
    assert_eq!(names.len(), 2);
    assert!((names[0].height() - names[1].height()).abs() < 1e-9, "{names:?}");
    let bars = canvas.shapes.iter().filter_map(|shape| match shape {
        CanvasShape::Line(points, ..) => points.iter().map(|p| p[0]).reduce(f64::max),
        _ => None,
    });
    let right = bars.filter(|x| *x < panel.inside.right).fold(0.0, f64::max);
    assert!(names.iter().all(|name| name.left > right), "beside the frame: {names:?} {right}");
}

#[test]
fn more_spectra_than_colors_have_other_marks() {
    assert_eq!(look(0).0, look(6).0);
    assert_ne!(look(0).1, look(6).1);
}

/// On logarithmic axes points lie at the logarithms of their numbers; those that have none are
/// counted in the title, and no bar is left of them.
#[test]
fn logarithmic_axes_count_what_they_leave_out() {
    let points = vec![point(1.0, 1.0, 0.2), point(2.0, 100.0, 5.0), point(4.0, -3.0, 50.0)];
    let mut figure = SpectrumFigure::new(vec![spectrum("a", points)]);
    (figure.log_flux, figure.log_wavelength) = (true, true);
    figure.wavelength_range = Some([1.0, 4.0]);
    figure.flux_range = Some([1.0, 1e4]);
    let canvas = draw(&figure).unwrap();
    assert_texts_are_free(&canvas, "logarithmic");
    assert!(canvas.text_boxes().any(|(text, _)| text == "1 not above 0"));
    let panel = panel(&canvas, &figure, &Ranges::of(&figure).unwrap(), 0.0, &Style::new(figure.size));
    let Rect { left, right, top, bottom } = panel.inside;
    let picture = Picture::decode(&render_spectrum(&figure, FigureFormat::Png).unwrap());
    assert_eq!(picture.near((left + right) / 2.0, (top + bottom) / 2.0), COLORS[0]);
    assert_eq!(picture.near(right - 3.0, bottom - 30.0), [0xff; 3], "no bar of the negative point");
    assert_ne!(picture.near(right, bottom - 3.0), [0xff; 3], "its arrowhead");
    let heads = canvas.shapes.iter().filter(|shape| match shape {
        CanvasShape::Line(points, _, color) => {
            *color == COLORS[0] && points.iter().all(|p| p[1] > bottom - 12.0)
        }
        _ => false,
    });
    assert_eq!(heads.count(), 1);
    figure.flux_range = Some([-1.0, 5.0]);
    assert!(matches!(draw(&figure), Err(PlotError::Limits { .. })));
    figure.flux_range = None;
    figure.spectra[0].points.retain(|p| p.flux < 0.0);
    assert!(matches!(draw(&figure), Err(PlotError::NoPoints { .. })));
}

/// A range of wavelength that leaves the bright part out makes the axis of fluxes shorter.
#[test]
fn the_range_of_fluxes_is_that_of_what_is_seen() {
    let mut figure = many();
    figure.spectra[0].points.push(point(0.76, 5000.0, 3.0));
    let [_, high] = Ranges::of(&figure).unwrap().flux;
    figure.wavelength_range = Some([1.0, 5.0]);
    let [_, seen] = Ranges::of(&figure).unwrap().flux;
    assert!(high > 4900.0 && seen < 70.0, "{high} {seen}");
}

#[test]
fn fluxes_in_a_unit_that_suits() {
    let mut figure = SpectrumFigure::new(vec![spectrum("a", vec![point(2.0, 20_000.0, 300.0)])]);
    figure.use_unit(FluxDensity::PerFrequency);
    assert_eq!(figure.spectra[0].points[0], point(2.0, 20.0, 0.3));
    assert_eq!(figure.flux_label, "Flux density (mJy)");
}

/// Spectra with the same mark, and the ends of the default color maps, differ to color-blind
/// readers; 5 is a difference that one sees side by side.
#[test]
fn colors_differ_to_color_blind_readers() {
    for (k, first) in COLORS.iter().enumerate() {
        for second in &COLORS[..k] {
            let difference = color_blind_difference(*first, *second);
            assert!(difference > 15.0, "{first:?} and {second:?}: {difference}");
        }
    }
    for map in [Colormap::Viridis, Colormap::Plasma, Colormap::Cividis] {
        for k in 0..3 {
            let [a, b] = [k, k + 1].map(|k| map.color_on_paper(f64::from(k) / 3.0));
            let difference = color_blind_difference(a, b);
            assert!(difference > 8.0, "{map} {k}: {difference}");
        }
    }
}
