//! The picture of a montage.

use ndarray::{Array2, array};

use super::*;
use crate::testing::{Picture, assert_texts_are_free};

fn sky(x: f64, y: f64) -> [f64; 2] {
    [150.0 - 0.01 * x, 2.0 + 0.01 * y]
}

fn figure(planes: &[Array2<f32>]) -> MontageFigure<'_> {
    let planes = planes.iter().enumerate();
    let planes = planes.map(|(k, plane)| MontagePlane { plane: plane.view(), label: format!("{k}.000 µm") });
    MontageFigure::new(planes.collect())
}

#[test]
fn all_planes_have_one_scale() {
    let planes = [array![[0.0, 1.0]], array![[2.0, 3.0]], array![[4.0, f32::NAN]]];
    let mut figure = figure(&planes);
    figure.limits = DisplayLimits::Percentile(0.0, 100.0);
    figure.stretch = Stretch::Linear;
    let canvas = draw(&figure).unwrap();
    let picture = Picture::decode(&render_montage(&figure, FigureFormat::Png).unwrap());
    let bar = canvas.rasters.last().unwrap();
    assert_eq!(canvas.rasters.len(), 4, "three planes and the bar");
    for (k, values) in [[0.0, 1.0], [2.0, 3.0], [4.0, f64::NAN]].into_iter().enumerate() {
        let raster = &canvas.rasters[k];
        assert!(raster.left + raster.width < bar.left);
        for (x, value) in values.into_iter().enumerate() {
            let expected = if value.is_nan() { [0xc8; 3] } else { Colormap::Viridis.color(value / 4.0) };
            assert_eq!(picture.pixel(raster, (2, 1), x, 0), expected, "plane {k}, pixel {x}");
        }
    }
}

#[test]
fn images_lie_in_reading_order_and_as_large_as_they_can() {
    let planes: Vec<Array2<f32>> = (0..17).map(|_| Array2::zeros((20, 20))).collect();
    let canvas = draw(&figure(&planes)).unwrap();
    let places: Vec<(u32, u32)> = canvas.rasters[..17].iter().map(|r| (r.top, r.left)).collect();
    assert!(places.is_sorted(), "{places:?}");
    let columns = places.iter().filter(|p| p.0 == places[0].0).count();
    assert_eq!(columns, 5, "17 squares in a room of 4:3");
    let widths = canvas.rasters[..17].iter().map(|r| (r.width, r.height()));
    assert!(widths.clone().all(|size| size == (canvas.rasters[0].width, canvas.rasters[0].width)));
}

#[test]
fn texts_are_free_in_every_size() {
    let planes: Vec<Array2<f32>> =
        (0..7).map(|k| Array2::from_shape_fn((30, 40), |(y, x)| (x * y + k) as f32)).collect();
    for count in [1, 2, 7] {
        let mut figure = figure(&planes[..count]);
        figure.sky = Some(&sky);
        figure.overlay.grid = true;
        figure.title = "All planes".to_owned();
        figure.markers = vec![Marker { x: 20.0, y: 10.0, radius: None, label: "star".to_owned() }];
        for (width, height) in [(1600, 1200), (1000, 900), (400, 400), (200, 200), (2400, 600)] {
            figure.size = Size { width, height };
            assert_texts_are_free(&draw(&figure).unwrap(), &format!("{count} planes"));
        }
    }
}

/// Each coordinate has two numbers somewhere, also where images are little wider than one.
#[test]
fn numbers_tell_the_scale_of_small_images() {
    for (count, step) in [(17, 0.0017), (17, 0.0005), (9, 0.003), (4, 0.0009), (12, 0.004)] {
        let planes: Vec<Array2<f32>> = (0..count).map(|_| Array2::zeros((78, 78))).collect();
        let sky = |x: f64, y: f64| [214.0 - step * x, 11.43 + step * y];
        let mut figure = figure(&planes);
        figure.sky = Some(&sky);
        let canvas = draw(&figure).unwrap();
        assert_texts_are_free(&canvas, &format!("{count} {step}"));
        let bar = canvas.rasters.last().unwrap();
        let over_bar =
            |area: Rect| area.right >= f64::from(bar.left) && area.left <= f64::from(bar.left + bar.width);
        let covered = canvas.text_boxes().find(|(_, area)| over_bar(*area));
        assert!(covered.is_none(), "{count} {step}: {covered:?} over the color bar");
        let texts: Vec<&str> = canvas.text_boxes().map(|(text, _)| text).collect();
        for marks in [['ᵐ', 'ˢ'], ['°', '′']] {
            let is_number = |text: &&&str| text.starts_with(['+', '−', '0', '1', '2', '3', '4', '5']);
            let numbers = texts.iter().filter(is_number).filter(|text| text.contains(marks));
            let labels: std::collections::BTreeSet<&&str> = numbers.collect();
            assert!(labels.len() >= 2, "{count} {step}: {labels:?}");
        }
        // What short labels leave out stands in the name of the axis.
        let name = texts.iter().find(|text| text.starts_with("Right ascension")).unwrap();
        let is_short =
            !texts.iter().any(|text| text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('ʰ'));
        assert_eq!(name.contains("ascension − 14ʰ"), is_short, "{count} {step}: {texts:?}");
    }
}

#[test]
fn long_fields_are_no_lines() {
    let planes: Vec<Array2<f32>> = (0..3).map(|_| Array2::zeros((5, 3000))).collect();
    let mut figure = figure(&planes);
    figure.sky = Some(&sky);
    let canvas = draw(&figure).unwrap();
    assert!(canvas.rasters[0].height() >= 40, "{}", canvas.rasters[0].height());
    assert!(canvas.text_boxes().any(|(text, _)| text == "pixels drawn 60 times as high as wide"));
    assert_texts_are_free(&canvas, "strips");
}

#[test]
fn bar_compass_and_names_stand_over_the_first_image_alone() {
    let planes: Vec<Array2<f32>> = (0..4).map(|_| Array2::zeros((50, 50))).collect();
    let mut figure = figure(&planes);
    figure.sky = Some(&sky);
    figure.markers = vec![Marker { x: 25.0, y: 25.0, radius: None, label: "star".to_owned() }];
    let canvas = draw(&figure).unwrap();
    let first = &canvas.rasters[0];
    for word in ["N", "E", "star"] {
        // A text and its border are many texts at one place.
        let places: Vec<_> = canvas.text_boxes().filter(|(text, _)| *text == word).collect();
        assert!(!places.is_empty(), "{word}");
        assert!(places.iter().all(|(_, area)| area.right < f64::from(first.left + first.width)), "{word}");
    }
}

#[test]
fn impossible_montages_are_errors() {
    assert!(matches!(draw(&figure(&[])), Err(PlotError::NoPixels { .. })));
    let planes = [Array2::zeros((2, 3)), Array2::zeros((3, 2))];
    let error = draw(&figure(&planes)).err().unwrap().to_string();
    assert_eq!(error, "the 1.000 µm plane has 2 x 3 pixels, the first one 3 x 2");
    let planes = [Array2::from_elem((2, 3), f32::NAN), Array2::from_elem((2, 3), f32::NAN)];
    let canvas = draw(&figure(&planes)).unwrap();
    assert_eq!(canvas.text_boxes().filter(|(text, _)| *text == "no data").count(), 2);
}
