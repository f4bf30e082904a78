//! From a list of shapes to a file; PDF is written by [`crate::pdf`].
//!
//! In PNG and SVG shapes are drawn by plotters' backends, whose coordinates are whole numbers.
//! Pictures are therefore drawn several times larger and averaged down, which also smooths edges;
//! SVG gets coordinates in fractions of a pixel. Rasters keep their pixels exactly.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plotters_backend::text_anchor::HPos;
use plotters_backend::{BackendColor, BackendStyle, DrawingBackend, DrawingErrorKind, FontTransform};
use plotters_bitmap::BitMapBackend;
use plotters_svg::SVGBackend;

use crate::canvas::{Anchor, Canvas, CanvasShape, PAPER, Raster, Rect, Text};
use crate::colormap::Rgb;
use crate::font::{HALF_X_HEIGHT, TextStyle, Typeface};
use crate::pdf::pdf;
use crate::{FigureFormat, PlotError, Size};

const METERS_PER_INCH: f64 = 0.0254;
/// Parts of a pixel that SVG coordinates resolve.
const SVG_PARTS: u32 = 20;
/// A picture of more pixels than this \[px\] is drawn 2 rather than 4 times larger, to save memory.
const LARGE: u64 = 2_000_000;

/// Draws and encodes a picture.
pub(crate) fn encode(canvas: &Canvas, format: FigureFormat) -> Result<Vec<u8>, PlotError> {
    match format {
        FigureFormat::Png => {
            let Size { width, height } = canvas.size;
            png(width, height, &pixels(canvas)?, Some(canvas.points_per_pixel))
        }
        FigureFormat::Svg => svg(canvas).map(String::into_bytes),
        FigureFormat::Pdf => Ok(pdf(canvas)),
    }
}

/// An 8-bit PNG file with transparency; `rgba` holds its rows from the top.
///
/// # Errors
/// Where a side is 0, or `rgba` has not four bytes a pixel.
pub fn encode_rgba(width: u32, height: u32, rgba: &[u8]) -> Result<Vec<u8>, PlotError> {
    write_png((width, height, png::ColorType::Rgba), rgba, None)
}

/// An 8-bit RGB PNG file; `rgb` holds its rows from the top, and `pixel_size` \[pt\] says how large
/// it is on paper.
fn png(width: u32, height: u32, rgb: &[u8], pixel_size: Option<f64>) -> Result<Vec<u8>, PlotError> {
    write_png((width, height, png::ColorType::Rgb), rgb, pixel_size)
}

fn write_png(
    (width, height, color): (u32, u32, png::ColorType),
    bytes: &[u8],
    pixel_size: Option<f64>,
) -> Result<Vec<u8>, PlotError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "pixels per meter; saturates"
    )]
    let per_meter = pixel_size.map(|size| (72.0 / size / METERS_PER_INCH).round() as u32);
    encoder.set_pixel_dims(per_meter.map(|n| png::PixelDimensions {
        xppu: n,
        yppu: n,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()?;
    Ok(file)
}

/// The picture as rows of RGB bytes.
fn pixels(canvas: &Canvas) -> Result<Vec<u8>, PlotError> {
    let Size { width, height } = canvas.size;
    let parts: u32 = if u64::from(width) * u64::from(height) > LARGE { 2 } else { 4 };
    let mut fine = vec![0; width as usize * height as usize * 3 * (parts * parts) as usize];
    for pixel in fine.chunks_exact_mut(3) {
        pixel.copy_from_slice(&PAPER);
    }
    for raster in &canvas.rasters {
        enlarge(raster, parts as usize, (width * parts) as usize, &mut fine);
    }
    let mut backend = BitMapBackend::with_buffer(&mut fine, (width * parts, height * parts));
    let mut pen = Pen { backend: &mut backend, typeface: &canvas.typeface, parts, stamps: true };
    canvas.shapes.iter().try_for_each(|shape| pen.draw(shape))?;
    drop(backend);
    Ok(average(&fine, width as usize, parts))
}

/// Copies a raster into a buffer, every pixel as `parts` x `parts`; `stride` is the width of the
/// buffer.
fn enlarge(raster: &Raster, parts: usize, stride: usize, buffer: &mut [u8]) {
    let (left, top) = (raster.left as usize * parts, raster.top as usize * parts);
    for (y, row) in raster.pixels.chunks_exact(raster.width as usize).enumerate() {
        for fine_y in top + y * parts..top + (y + 1) * parts {
            let start = (fine_y * stride + left) * 3;
            let Some(line) = buffer.get_mut(start..start + row.len() * parts * 3) else { continue };
            for (k, pixel) in line.chunks_exact_mut(3).enumerate() {
                pixel.copy_from_slice(&row[k / parts]);
            }
        }
    }
}

/// Averages blocks of `parts` x `parts` pixels; `width` is that of the result.
fn average(fine: &[u8], width: usize, parts: u32) -> Vec<u8> {
    let count = parts * parts;
    let parts = parts as usize;
    let band = width * parts * parts * 3;
    let mut result = Vec::with_capacity(fine.len() / (parts * parts));
    for rows in fine.chunks_exact(band) {
        for x in 0..width {
            let mut sum = [0; 3];
            for row in rows.chunks_exact(width * parts * 3) {
                for pixel in row[x * parts * 3..(x + 1) * parts * 3].chunks_exact(3) {
                    sum.iter_mut().zip(pixel).for_each(|(s, &p)| *s += u32::from(p));
                }
            }
            #[expect(clippy::cast_possible_truncation, reason = "the mean of bytes is a byte")]
            result.extend(sum.map(|s| ((s + count / 2) / count) as u8));
        }
    }
    result
}

/// The picture as an SVG document. Its head, the paper and the images are written here, since
/// plotters knows neither fractions of a pixel nor, without the `image` crate, images.
fn svg(canvas: &Canvas) -> Result<String, PlotError> {
    let Size { width, height } = canvas.size;
    let (wide, high) = (width * SVG_PARTS, height * SVG_PARTS);
    let mut body = String::new();
    let mut backend = SVGBackend::with_string(&mut body, (wide, high));
    let mut pen = Pen { backend: &mut backend, typeface: &canvas.typeface, parts: SVG_PARTS, stamps: false };
    canvas.shapes.iter().try_for_each(|shape| pen.draw(shape))?;
    backend.present().map_err(|e| PlotError::Draw(e.to_string()))?;
    drop(backend);
    let shapes = body.split_once('\n').map_or("", |(_, shapes)| shapes);

    let inches = |pixels: u32| f64::from(pixels) * canvas.points_per_pixel / 72.0;
    let mut document = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.4}in\" height=\"{:.4}in\" \
         viewBox=\"0 0 {wide} {high}\">\n<rect width=\"{wide}\" height=\"{high}\" fill=\"#ffffff\"/>\n",
        inches(width),
        inches(height)
    );
    for raster in &canvas.rasters {
        let file = png(raster.width, raster.height(), raster.pixels.as_flattened(), None)?;
        let [x, y, w, h] = [raster.left, raster.top, raster.width, raster.height()].map(|v| v * SVG_PARTS);
        // Writing to a string cannot fail.
        let _ = writeln!(
            document,
            "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>",
            STANDARD.encode(file)
        );
    }
    document.push_str(shapes);
    Ok(document)
}

/// Draws shapes with a backend whose pixels are `1 / parts` of a pixel of the picture.
struct Pen<'a, B> {
    backend: &'a mut B,
    typeface: &'a Typeface,
    parts: u32,
    /// Whether lines are drawn with a round nib rather than by plotters, whose lines in bitmaps
    /// vary in width and fill wrongly where they turn back on themselves.
    stamps: bool,
}

/// Color and width of a line, as plotters asks for them.
struct Stroke(Rgb, u32);

impl BackendStyle for Stroke {
    fn color(&self) -> BackendColor {
        color(self.0)
    }

    fn stroke_width(&self) -> u32 {
        self.1
    }
}

fn color([r, g, b]: Rgb) -> BackendColor {
    BackendColor { alpha: 1.0, rgb: (r, g, b) }
}

impl<B: DrawingBackend> Pen<'_, B> {
    fn draw(&mut self, shape: &CanvasShape) -> Result<(), PlotError> {
        match shape {
            CanvasShape::Rect(rect, color) => self.rect(*rect, *color),
            CanvasShape::Line(points, width, color) => self.line(points, *width, *color),
            CanvasShape::Disc(center, radius, color) => self.disc(*center, *radius, *color),
            CanvasShape::Text(text) => self.text(text),
        }
    }

    fn rect(&mut self, rect: Rect, color: Rgb) -> Result<(), PlotError> {
        let (from, to) = (self.point([rect.left, rect.top]), self.point([rect.right, rect.bottom]));
        self.backend.draw_rect(from, to, &Stroke(color, 1), true).map_err(|e| PlotError::Draw(e.to_string()))
    }

    fn line(&mut self, points: &[[f64; 2]], width: f64, color: Rgb) -> Result<(), PlotError> {
        let stroke = Stroke(color, self.length(width));
        let mut points: Vec<_> = points.iter().map(|&p| self.point(p)).collect();
        points.dedup();
        if points.len() < 2 {
            return Ok(());
        }
        let drawn = if self.stamps {
            points.windows(2).try_for_each(|pair| self.stamp(pair[0], pair[1], &stroke))
        } else {
            self.backend.draw_path(points, &stroke)
        };
        drawn.map_err(|e| PlotError::Draw(e.to_string()))
    }

    /// Draws a segment as a rectangle if it follows an axis, else with a round nib.
    fn stamp(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        stroke: &Stroke,
    ) -> Result<(), DrawingErrorKind<B::ErrorType>> {
        let radius = stroke.1 / 2;
        let half = radius.cast_signed();
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        if dx == 0 || dy == 0 {
            let (left, top) = (from.0.min(to.0), from.1.min(to.1));
            let (right, bottom) = (from.0.max(to.0), from.1.max(to.1));
            let (wide, high) = if dx == 0 { (half, 0) } else { (0, half) };
            let end = (right + wide + 1, bottom + high + 1);
            return self.backend.draw_rect((left - wide, top - high), end, stroke, true);
        }
        let steps = dx.abs().max(dy.abs());
        for step in 0..=steps {
            // In 64 bits, for the product of two lengths.
            let at = |start: i32, length: i32| {
                let moved = i64::from(length) * 2 * i64::from(step) + i64::from(steps);
                start + i32::try_from(moved.div_euclid(2 * i64::from(steps))).unwrap_or(length)
            };
            self.backend.draw_circle((at(from.0, dx), at(from.1, dy)), radius, &stroke.color(), true)?;
        }
        Ok(())
    }

    fn disc(&mut self, center: [f64; 2], radius: f64, color: Rgb) -> Result<(), PlotError> {
        let (center, radius) = (self.point(center), self.length(radius));
        self.backend
            .draw_circle(center, radius, &Stroke(color, 1), true)
            .map_err(|e| PlotError::Draw(e.to_string()))
    }

    fn text(&mut self, text: &Text) -> Result<(), PlotError> {
        let lift = HALF_X_HEIGHT * text.em;
        let [x, y] = text.at;
        let (at, transform) = if text.upward {
            ([x - lift, y], FontTransform::Rotate270)
        } else {
            ([x, y - lift], FontTransform::None)
        };
        let style = TextStyle {
            typeface: self.typeface,
            em: text.em * f64::from(self.parts),
            color: color(text.color),
            horizontal: match text.anchor {
                Anchor::Start => HPos::Left,
                Anchor::Middle => HPos::Center,
                Anchor::End => HPos::Right,
            },
            transform,
        };
        self.backend.draw_text(&text.text, &style, self.point(at)).map_err(|e| PlotError::Draw(e.to_string()))
    }

    /// A position in the backend's pixels. Saturates; what lies far outside is not seen anyway.
    #[expect(clippy::cast_possible_truncation, reason = "clamped before")]
    fn point(&self, position: [f64; 2]) -> (i32, i32) {
        let [x, y] = position.map(|v| (v * f64::from(self.parts)).round().clamp(-1e6, 1e6) as i32);
        (x, y)
    }

    /// A length in the backend's pixels, at least one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    fn length(&self, length: f64) -> u32 {
        (length * f64::from(self.parts)).round().clamp(1.0, 1e6) as u32
    }
}
