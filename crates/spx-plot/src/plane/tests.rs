//! The picture of a plane, pixel by pixel.

use ndarray::{Array2, array};

use super::*;
use crate::canvas::CanvasShape;
use crate::testing::{Picture, assert_texts_are_free};
use crate::value_scale::NO_DATA;

const SIZES: [(u32, u32); 7] =
    [(1000, 900), (600, 500), (2400, 2000), (200, 200), (300, 1200), (1600, 250), (201, 333)];

/// North up, 0.1 degrees a pixel.
fn sky(x: f64, y: f64) -> [f64; 2] {
    [150.0 - 0.1 * x, 2.0 + 0.1 * y]
}

#[test]
fn the_first_pixel_is_lower_left() {
    let plane = array![[1.0, 0.0, 0.25], [0.0, f32::NAN, 0.0]];
    let mut figure = PlaneFigure::new(plane.view());
    figure.limits = DisplayLimits::Range(0.0, 1.0);
    figure.stretch = Stretch::Linear;
    for (width, height) in SIZES {
        figure.size = Size { width, height };
        let canvas = draw(&figure).unwrap();
        let picture = Picture::decode(&render_plane(&figure, FigureFormat::Png).unwrap());
        assert_eq!((picture.width, picture.height), (width as usize, height as usize));
        let at = |x, y| picture.pixel(&canvas.rasters[0], (3, 2), x, y);
        assert_eq!(at(0, 0), Colormap::Viridis.color(1.0), "bright");
        assert_eq!(at(2, 0), Colormap::Viridis.color(0.25));
        for (x, y) in [(1, 0), (0, 1), (2, 1)] {
            assert_eq!(at(x, y), Colormap::Viridis.color(0.0), "dark at {x} {y}");
        }
        assert_eq!(at(1, 1), NO_DATA);
    }
}

#[test]
fn pixels_are_square_and_the_bar_has_the_height_of_the_image() {
    let plane = Array2::zeros((30, 50));
    let canvas = draw(&PlaneFigure::new(plane.view())).unwrap();
    let [image, bar] = &canvas.rasters[..] else { panic!("an image and a bar") };
    let [x, y] = [f64::from(image.width) / 50.0, f64::from(image.height()) / 30.0];
    assert!((x - y).abs() < 0.05, "{x} {y}");
    assert_eq!((image.top, image.height()), (bar.top, bar.height()));
    assert!(image.left + image.width < bar.left);
    let picture = Picture::decode(&encode(&canvas, FigureFormat::Png).unwrap());
    let middle = (bar.left + bar.width / 2) as usize;
    for (y, end) in [(bar.top, 1.0), (bar.top + bar.height() - 1, 0.0)] {
        let found = picture.at(middle, y as usize);
        // The middle of the last row lies half a row from the end.
        let close = found.iter().zip(Colormap::Viridis.color(end)).all(|(f, e)| f.abs_diff(e) <= 2);
        assert!(close, "{end}: {found:?}");
    }
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    let plane = Array2::from_shape_fn((40, 30), |(y, x)| (x * y) as f32);
    let mut figure = PlaneFigure::new(plane.view());
    figure.sky = Some(&sky);
    figure.title = "Twice".to_owned();
    for format in [FigureFormat::Png, FigureFormat::Svg] {
        assert_eq!(render_plane(&figure, format).unwrap(), render_plane(&figure, format).unwrap());
    }
}

#[test]
fn odd_planes_are_drawn() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    for plane in [
        array![[1.0]],
        array![[nan]],
        array![[inf, -inf], [nan, nan]],
        array![[inf, 1.0], [2.0, -inf]],
        array![[f32::MAX, f32::MIN]],
        array![[1e-45, 0.0]],
        Array2::from_elem((5, 4), -7.0),
        Array2::zeros((1, 3000)),
        Array2::zeros((3000, 1)),
        Array2::from_shape_fn((1500, 1100), |(y, x)| (x + y) as f32),
    ] {
        for stretch in Stretch::ALL {
            let mut figure = PlaneFigure::new(plane.view());
            figure.size = Size { width: 320, height: 300 };
            figure.stretch = *stretch;
            figure.title = "Odd".to_owned();
            let canvas = draw(&figure).unwrap();
            assert_texts_are_free(&canvas, &format!("{:?} {stretch}", plane.dim()));
            Picture::decode(&encode(&canvas, FigureFormat::Png).unwrap());
        }
    }
}

#[test]
fn a_plane_without_data_says_so() {
    let plane = Array2::from_elem((20, 30), f32::NAN);
    let canvas = draw(&PlaneFigure::new(plane.view())).unwrap();
    assert!(canvas.text_boxes().any(|(text, _)| text == "no data"));
    assert!(canvas.rasters[0].pixels.iter().all(|p| *p == NO_DATA));
    let numbers = canvas.text_boxes().filter(|(_, area)| area.left > f64::from(canvas.rasters[1].left));
    assert_eq!(numbers.count(), 1, "the name of the bar alone");
}

#[test]
fn texts_are_free_in_every_size() {
    let plane = Array2::from_shape_fn((60, 70), |(y, x)| ((x * y) as f32).sqrt() * 1e-9);
    let mut figure = PlaneFigure::new(plane.view());
    figure.sky = Some(&sky);
    figure.title = "A title that is longer than most, and is shortened in small pictures, gjpqy".to_owned();
    for (width, height) in SIZES {
        for format in SkyFormat::ALL {
            figure.size = Size { width, height };
            figure.sky_format = *format;
            assert_texts_are_free(&draw(&figure).unwrap(), &format!("{format}"));
        }
    }
}

/// A strip of 3000 x 5 pixels would be a line: its pixels are drawn longer, and the title says so.
#[test]
fn long_fields_are_no_lines() {
    for (nx, ny, note) in [
        (3000, 5, "A strip; pixels drawn 60 times as high as wide"),
        (5, 3000, "A strip; pixels drawn 60 times as wide as high"),
        (1, 11, "A strip; pixels drawn 2 times as wide as high"),
        (100, 10, "A strip"),
    ] {
        let plane = Array2::from_shape_fn((ny, nx), |(y, x)| (x + y) as f32);
        let mut figure = PlaneFigure::new(plane.view());
        figure.sky = Some(&sky);
        figure.title = "A strip".to_owned();
        let canvas = draw(&figure).unwrap();
        let raster = &canvas.rasters[0];
        let (width, height) = (f64::from(raster.width), f64::from(raster.height()));
        assert!(width.max(height) <= 10.5 * width.min(height), "{nx} x {ny}: {width} x {height}");
        assert!(width.min(height) >= 40.0, "{nx} x {ny}: {width} x {height}");
        assert!(canvas.text_boxes().any(|(text, _)| text == note), "{note}");
        assert_texts_are_free(&canvas, note);
    }
}

/// A map of both signs is white at zero and as strong below as above; in other maps its noise is
/// not cut off below the median.
#[test]
fn maps_of_both_signs_show_what_is_negative() {
    // Noise of one width about zero, a line of 40 widths and a hole as deep.
    let noise = |k: usize| ((k * 7919 % 2000) as f32 / 2000.0 - 0.5) * 3.4;
    let mut plane = Array2::from_shape_fn((50, 50), |(y, x)| noise(50 * y + x));
    (plane[[10, 10]], plane[[40, 40]], plane[[25, 25]]) = (40.0, -40.0, 0.0);
    let mut figure = PlaneFigure::new(plane.view());
    (figure.colormap, figure.limits) = (Colormap::RdBuReversed, DisplayLimits::SIGNED);
    let canvas = draw(&figure).unwrap();
    let picture = Picture::decode(&encode(&canvas, FigureFormat::Png).unwrap());
    let at = |x, y| picture.pixel(&canvas.rasters[0], (50, 50), x, y);
    assert_eq!(at(25, 25), Colormap::RdBu.color(0.5));
    assert_eq!(at(10, 10), Colormap::RdBu.color(0.0), "red is bright");
    assert_eq!(at(40, 40), Colormap::RdBu.color(1.0), "blue is dark");
    let (low, high) = DisplayLimits::SIGNED.of(plane.view()).unwrap().unwrap();
    assert!(low == -high && (10.0..20.0).contains(&high), "{low} {high}");
    let (low, _) = DisplayLimits::LINE.of(plane.view()).unwrap().unwrap();
    assert!(low < -5.0, "{low}");
    let zero = Array2::zeros((3, 3));
    assert_eq!(DisplayLimits::SIGNED.of(zero.view()).unwrap(), Some((-1.0, 1.0)));
}

/// Letters and lines over an image are light on dark and dark on light.
#[test]
fn overlays_are_seen_on_any_ground() {
    let plane = Array2::zeros((40, 40));
    for (map, limits, is_light) in [
        (Colormap::RdBuReversed, DisplayLimits::SIGNED, true),
        (Colormap::Gray, DisplayLimits::Range(-1.0, 0.0), true),
        (Colormap::Viridis, DisplayLimits::Range(0.0, 1.0), false),
    ] {
        let mut figure = PlaneFigure::new(plane.view());
        figure.sky = Some(&sky);
        (figure.colormap, figure.limits) = (map, limits);
        let canvas = draw(&figure).unwrap();
        let mut colors = canvas.shapes.iter().filter_map(|shape| match shape {
            CanvasShape::Text(text) if text.text == "N" => Some(text.color),
            _ => None,
        });
        let inner = colors.next_back().unwrap();
        assert_eq!(inner[0] < 0x40, is_light, "{map}");
        assert!(colors.all(|border| border[0].abs_diff(inner[0]) > 0xa0), "{map}");
    }
}

#[test]
fn markers_circle_their_pixel() {
    let plane = Array2::zeros((20, 20));
    let mut figure = PlaneFigure::new(plane.view());
    let marker = |x, y, label: &str| Marker { x, y, radius: Some(3.0), label: label.to_owned() };
    figure.markers =
        vec![marker(5.0, 4.0, "A"), marker(30.0, 4.0, "outside"), marker(f64::NAN, 0.0, "nowhere")];
    let canvas = draw(&figure).unwrap();
    let picture = Picture::decode(&encode(&canvas, FigureFormat::Png).unwrap());
    let at = |x, y| picture.pixel(&canvas.rasters[0], (20, 20), x, y);
    let ground = at(15, 15);
    assert_eq!(at(5, 4), ground, "the middle is free");
    for (x, y) in [(8, 4), (2, 4), (5, 7), (5, 1)] {
        // The line is hardly wider than a pixel of the picture, and may be spread over two.
        assert!(at(x, y).iter().all(|part| *part > 0xc0), "the circle passes {x} {y}: {:?}", at(x, y));
    }
    let labels: Vec<&str> = canvas.text_boxes().map(|(text, _)| text).collect();
    assert!(labels.contains(&"A") && !labels.contains(&"outside") && !labels.contains(&"nowhere"));
}

#[test]
fn crowded_markers_keep_their_names_apart() {
    let plane = Array2::zeros((50, 50));
    let mut figure = PlaneFigure::new(plane.view());
    figure.markers = (0..80)
        .map(|k| Marker {
            x: f64::from(k * 37 % 50),
            y: f64::from(k * 11 % 50),
            radius: (k % 3 == 0).then_some(2.0),
            label: format!("star {k}"),
        })
        .collect();
    assert_texts_are_free(&draw(&figure).unwrap(), "crowd");
}

#[test]
fn svg_holds_the_texts_and_the_image() {
    let plane = array![[1.0, 2.0]];
    let mut figure = PlaneFigure::new(plane.view());
    figure.title = "a < b & \"c\"".to_owned();
    let svg = String::from_utf8(render_plane(&figure, FigureFormat::Svg).unwrap()).unwrap();
    assert!(
        svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10.4167in\" height=\"5.3125in\"")
    );
    assert!(svg.contains("a &lt; b &amp; &quot;c&quot;"));
    assert!(svg.contains("Surface brightness (MJy/sr)"));
    assert_eq!(svg.matches("<image ").count(), 2, "the image and the bar");
    assert!(svg.trim_end().ends_with("</svg>"));
}

#[test]
fn impossible_figures_are_errors() {
    let plane = array![[1.0, 2.0]];
    let mut figure = PlaneFigure::new(plane.view());
    figure.size = Size { width: 10, height: 900 };
    let error = render_plane(&figure, FigureFormat::Png).unwrap_err().to_string();
    assert_eq!(error, "a figure of 10 x 900 px cannot be drawn: sides must lie between 200 and 6000 px");
    figure.size = Size::default();
    figure.limits = DisplayLimits::Range(3.0, 2.0);
    let error = render_plane(&figure, FigureFormat::Png).unwrap_err().to_string();
    assert_eq!(error, "limits from 3 to 2: they must be finite, the lower one first");
    let empty = Array2::zeros((0, 5));
    let error = render_plane(&PlaneFigure::new(empty.view()), FigureFormat::Png).unwrap_err();
    assert!(matches!(error, PlotError::NoPixels { width: 5, height: 0 }), "{error}");
}
