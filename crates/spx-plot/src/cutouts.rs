//! A contact sheet of measurements: the pixels around a source, the model, what is left, and which
//! pixels took part.

use ndarray::ArrayView2;

use crate::canvas::{Anchor, Canvas, Raster, Rect};
use crate::colormap::Rgb;
use crate::encode::encode;
use crate::font::{CAP_HEIGHT, DEPTH};
use crate::frame::{self, Style};
use crate::image_figure::{draw_legend, no_data};
use crate::markers::{self, Marker};
use crate::plane::shape_of;
use crate::resample::resample;
use crate::value_scale::{NO_DATA, ValueScale};
use crate::{Colormap, DisplayLimits, FigureFormat, PlotError, Size, Stretch};

/// What a measurement made of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutoutPixel {
    /// It is too far from the source to take part, or off the image.
    Apart,
    /// It took part.
    Used,
    /// It is bad.
    Masked,
    /// It was left out for it is far from the model.
    Clipped,
}

impl CutoutPixel {
    const ALL: [Self; 4] = [Self::Used, Self::Masked, Self::Clipped, Self::Apart];

    fn name(self) -> &'static str {
        match self {
            Self::Apart => "not in the flux",
            Self::Used => "used",
            Self::Masked => "bad",
            Self::Clipped => "clipped",
        }
    }

    /// By which planes of such are drawn.
    fn number(self) -> f32 {
        match self {
            Self::Apart => 0.0,
            Self::Used => 1.0,
            Self::Masked => 2.0,
            Self::Clipped => 3.0,
        }
    }

    fn color(self) -> Rgb {
        match self {
            Self::Apart => [0xdd; 3],
            Self::Used => [0x4c, 0xa3, 0x6b],
            Self::Masked => [0x20; 3],
            Self::Clipped => [0xd5, 0x5e, 0x00],
        }
    }
}

/// A measurement in pictures; planes are indexed `[y][x]` and have one shape.
#[derive(Debug, Clone)]
pub struct MeasurementCutout<'a> {
    /// Two lines above the pictures; empty for none.
    pub labels: [String; 2],
    /// The pixels; what is not finite is drawn grey, here and in the next two.
    pub data: ArrayView2<'a, f32>,
    /// What they should hold; it has the scale of the data.
    pub model: ArrayView2<'a, f32>,
    /// The difference [standard deviations].
    pub residual: ArrayView2<'a, f32>,
    /// Which pixels took part.
    pub mask: ArrayView2<'a, CutoutPixel>,
    /// The source, `[x, y]` \[px, 0-based, integers at pixel centers\].
    pub source: [f64; 2],
    /// Radius of its pixels \[px\]; drawn over the data.
    pub radius: f64,
}

/// A figure of measurements, in reading order.
#[derive(Debug, Clone)]
pub struct CutoutsFigure<'a> {
    /// At least one.
    pub cutouts: Vec<MeasurementCutout<'a>>,
    /// Title above all; empty for none.
    pub title: String,
}

/// Residuals are drawn from minus to plus this [standard deviations].
const MOST: f64 = 5.0;
/// Side of a picture \[px\], at a scale of 1.
const SIDE: f64 = 150.0;
/// Names of the pictures of a measurement.
const NAMES: [&str; 4] = ["data", "model", "residual", "pixels"];

/// Draws the figure. Its size follows the number of measurements.
///
/// # Errors
/// Where there is no measurement, one has no pixels or planes of different shapes, or there are too
/// many for a picture.
pub fn render_cutouts(figure: &CutoutsFigure<'_>, format: FigureFormat) -> Result<Vec<u8>, PlotError> {
    encode(&draw(figure)?, format)
}

fn draw(figure: &CutoutsFigure<'_>) -> Result<Canvas, PlotError> {
    if figure.cutouts.is_empty() {
        return Err(PlotError::NoPixels { width: 0, height: 0 });
    }
    let style = Style::scaled(0.8);
    let layout = SheetLayout::new(figure.cutouts.len(), !figure.title.is_empty(), &style);
    let mut canvas = Canvas::new(layout.size)?;
    let bounds = canvas.bounds();
    let line = style.margin + CAP_HEIGHT * style.large;
    frame::title(&mut canvas, bounds, line, &figure.title, &style);
    for (k, cutout) in figure.cutouts.iter().enumerate() {
        draw_cutout(&mut canvas, cutout, layout.place(k), &style)?;
    }
    for column in 0..layout.columns {
        let [left, top] = layout.place(column);
        for (k, name) in NAMES.into_iter().enumerate() {
            let middle = left + k as f64 * (SIDE + layout.gap) + SIDE / 2.0;
            canvas.label(name.to_owned(), [middle, top - 0.35 * style.gap], Anchor::Middle, style.small);
        }
    }
    let entries: Vec<(&str, Rgb)> =
        CutoutPixel::ALL.into_iter().map(|usage| (usage.name(), usage.color())).collect();
    let bottom = bounds.bottom - style.margin - DEPTH * style.small;
    draw_legend(&mut canvas, bounds, bottom, &entries, &style);
    draw_scale(&mut canvas, bottom - text_height(&style), &style);
    Ok(canvas)
}

/// Where the measurements lie.
struct SheetLayout {
    columns: usize,
    size: Size,
    top: f64,
    /// From the corner of one measurement to that of the next.
    step: [f64; 2],
    /// Between the pictures of a measurement.
    gap: f64,
    margin: f64,
}

impl SheetLayout {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive numbers of pixels")]
    fn new(count: usize, has_title: bool, style: &Style) -> Self {
        let columns = if count > 3 { 2 } else { 1 };
        let gap = picture_gap(style);
        let step = [
            NAMES.len() as f64 * (SIDE + gap) + 2.0 * style.gap,
            SIDE + 2.0 * text_height(style) + style.gap,
        ]
        .map(f64::round);
        let title = if has_title { CAP_HEIGHT * style.large + style.gap } else { 0.0 };
        let top = (style.margin + title + text_height(style)).round();
        let rows = count.div_ceil(columns) as f64;
        let width = columns as f64 * step[0] + 2.0 * style.margin;
        let height = top + rows * step[1] + 2.0 * text_height(style) + style.margin;
        let size = Size { width: width.ceil() as u32, height: height.ceil() as u32 };
        Self { columns, size, top, step, gap, margin: style.margin.round() }
    }

    /// Upper left corner.
    fn place(&self, k: usize) -> [f64; 2] {
        let (row, column) = ((k / self.columns) as f64, (k % self.columns) as f64);
        [self.margin + column * self.step[0], self.top + row * self.step[1]]
    }
}

/// Height of a line of small letters with its distance from the next.
fn text_height(style: &Style) -> f64 {
    CAP_HEIGHT * style.small + 0.7 * style.gap
}

/// Between the pictures of a measurement \[px\].
fn picture_gap(style: &Style) -> f64 {
    (0.6 * style.gap).round()
}

/// Two lines of text and four pictures of a measurement.
fn draw_cutout(
    canvas: &mut Canvas,
    cutout: &MeasurementCutout<'_>,
    [left, top]: [f64; 2],
    style: &Style,
) -> Result<(), PlotError> {
    let shape = shape_of(cutout.data)?;
    let shapes = [cutout.model.dim(), cutout.residual.dim(), cutout.mask.dim()];
    if let Some(found) = shapes.into_iter().find(|found| *found != cutout.data.dim()) {
        let plane = cutout.labels[0].clone();
        return Err(PlotError::CanvasShape { plane, found, expected: cutout.data.dim() });
    }
    let gap = picture_gap(style);
    let width = NAMES.len() as f64 * (SIDE + gap) - gap;
    for (k, label) in cutout.labels.iter().enumerate() {
        let (text, em) = canvas.fit(label, style.small, width);
        let y = top + (k as f64 + 1.0) * text_height(style) - 0.35 * style.gap;
        canvas.label(text, [left, y], Anchor::Start, em);
    }
    let scale = ValueScale {
        map: Colormap::default(),
        stretch: Stretch::default(),
        limits: DisplayLimits::default().of_all([cutout.data, cutout.model])?,
    };
    let color_of = |k: usize, value: f32| match k {
        0 | 1 => scale.color(value),
        2 => residual_color(f64::from(value)),
        _ => mark_color(value),
    };
    let marks = cutout.mask.mapv(CutoutPixel::number);
    let planes = [cutout.data, cutout.model, cutout.residual, marks.view()];
    let top = (top + 2.0 * text_height(style)).round();
    for (k, plane) in planes.into_iter().enumerate() {
        let left = left + k as f64 * (SIDE + gap);
        let inside = Rect { left, top, right: left + SIDE, bottom: top + SIDE };
        picture(canvas, inside, plane, |value| color_of(k, value));
        frame::frame(canvas, inside, style);
        if k == 0 {
            let [x, y] = cutout.source;
            let circle = Marker { x, y, radius: Some(cutout.radius), label: String::new() };
            markers::draw(canvas, inside, shape, &[circle], Vec::new(), style);
        }
        if plane.iter().all(|value| !value.is_finite()) {
            no_data(canvas, inside, style);
        }
    }
    Ok(())
}

/// A plane that fills a square of whole pixels.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole pixels of the picture")]
fn picture(canvas: &mut Canvas, inside: Rect, plane: ArrayView2<'_, f32>, color: impl Fn(f32) -> Rgb) {
    let [left, top, width, height] =
        [inside.left, inside.top, inside.width(), inside.height()].map(|v| v as u32);
    let pixels = resample(plane, width, height).into_iter().map(color).collect();
    canvas.rasters.push(Raster { left, top, width, pixels });
}

/// Blue below the model, white on it, red above.
fn residual_color(value: f64) -> Rgb {
    if !value.is_finite() {
        return NO_DATA;
    }
    let t = (value / MOST).clamp(-1.0, 1.0);
    let end: Rgb = if t < 0.0 { [0x21, 0x66, 0xac] } else { [0xb2, 0x18, 0x2b] };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
    end.map(|part| (255.0 + (f64::from(part) - 255.0) * t.abs()).round() as u8)
}

/// The color of the number of a [`CutoutPixel`].
fn mark_color(number: f32) -> Rgb {
    let usage = CutoutPixel::ALL.into_iter().find(|usage| usage.number() == number);
    usage.map_or(NO_DATA, CutoutPixel::color)
}

/// What the colors of residuals mean, in the middle above a line.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole pixels of the picture")]
fn draw_scale(canvas: &mut Canvas, line: f64, style: &Style) {
    let middle = canvas.bounds().right / 2.0;
    let (width, height) = ((12.0 * style.gap).round(), (CAP_HEIGHT * style.small).round());
    let (left, top) = ((middle - width / 2.0).round(), (line - height).round());
    let color = |x: u32| residual_color(MOST * (2.0 * (f64::from(x) + 0.5) / width - 1.0));
    let row = (0..width as u32).map(color);
    let pixels = (0..height as u32).flat_map(|_| row.clone()).collect();
    canvas.rasters.push(Raster { left: left as u32, top: top as u32, width: width as u32, pixels });
    for (text, x, anchor) in [
        (format!("residual −{MOST}σ"), left - style.gap, Anchor::End),
        (format!("+{MOST}σ"), left + width + style.gap, Anchor::Start),
    ] {
        canvas.label(text, [x, line], anchor, style.small);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::testing::{Picture, assert_texts_are_free, color_blind_difference};

    /// Colors of all four pictures: the scale of the data is that of the model, residuals are blue,
    /// white and red, pixels have the color of their kind; what is no number is grey.
    #[test]
    fn kinds_of_pixels_differ_to_color_blind_readers() {
        for (k, first) in CutoutPixel::ALL.iter().enumerate() {
            for second in &CutoutPixel::ALL[..k] {
                let difference = color_blind_difference(first.color(), second.color());
                assert!(difference > 15.0, "{first:?} {second:?}: {difference}");
            }
        }
    }

    #[test]
    fn pictures_show_what_they_are_given() {
        use CutoutPixel::{Apart, Clipped, Masked, Used};
        let data = array![[0.0, 1.0], [2.0, f32::NAN]];
        let model = array![[0.0, 1.0], [1.0, 2.0]];
        let residual = array![[0.0, 5.0], [-9.0, f32::NAN]];
        let mask = array![[Used, Masked], [Clipped, Apart]];
        let figure = CutoutsFigure {
            cutouts: vec![MeasurementCutout {
                labels: ["an image".to_owned(), "its flux".to_owned()],
                data: data.view(),
                model: model.view(),
                residual: residual.view(),
                mask: mask.view(),
                source: [0.5, 0.5],
                radius: 0.2,
            }],
            title: "A source".to_owned(),
        };
        let canvas = draw(&figure).unwrap();
        let picture = Picture::decode(&render_cutouts(&figure, FigureFormat::Png).unwrap());
        let at = |k: usize, x: usize, y: usize| picture.pixel(&canvas.rasters[k], (2, 2), x, y);
        assert_eq!(at(0, 1, 0), at(1, 1, 0), "one scale");
        assert_eq!(at(0, 0, 1), at(1, 1, 1), "one scale");
        assert_ne!(at(0, 0, 1), at(0, 1, 0));
        assert_eq!((at(0, 1, 1), at(2, 1, 1)), (NO_DATA, NO_DATA));
        assert_eq!(at(2, 0, 0), [0xff; 3]);
        assert_eq!((at(2, 1, 0), at(2, 0, 1)), ([0xb2, 0x18, 0x2b], [0x21, 0x66, 0xac]));
        for (usage, [x, y]) in [(Used, [0, 0]), (Masked, [1, 0]), (Clipped, [0, 1]), (Apart, [1, 1])] {
            assert_eq!(at(3, x, y), usage.color(), "{usage:?}");
        }
        for word in ["an image", "its flux", "data", "model", "residual", "pixels", "clipped", "A source"] {
            assert!(canvas.text_boxes().any(|(text, _)| text == word), "{word}");
        }
    }

    #[test]
    fn texts_are_free_for_any_number() {
        let plane = Array2::from_shape_fn((21, 21), |(y, x)| (x * y) as f32);
        let mask = Array2::from_elem((21, 21), CutoutPixel::Used);
        let cutout = MeasurementCutout {
            labels: [
                "level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354".to_owned(),
                "2.411 µm  flux 3140 ± 28 µJy  χ²/dof 1.31  worst".repeat(3),
            ],
            data: plane.view(),
            model: plane.view(),
            residual: plane.view(),
            mask: mask.view(),
            source: [10.2, 9.8],
            radius: 3.0,
        };
        for count in [1, 3, 4, 16] {
            let figure = CutoutsFigure { cutouts: vec![cutout.clone(); count], title: "A source".to_owned() };
            assert_texts_are_free(&draw(&figure).unwrap(), &format!("{count} cutouts"));
        }
    }

    #[test]
    fn impossible_sheets_are_errors() {
        let nothing = CutoutsFigure { cutouts: Vec::new(), title: String::new() };
        assert!(matches!(render_cutouts(&nothing, FigureFormat::Png), Err(PlotError::NoPixels { .. })));
    }
}
