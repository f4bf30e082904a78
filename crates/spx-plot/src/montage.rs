//! All planes of a cube beside each other, with one scale.

use ndarray::ArrayView2;

use crate::axes::{NumberAxis, Tick};
use crate::canvas::{Anchor, Canvas, INK, Raster, Rect, Text};
use crate::encode::encode;
use crate::font::CAP_HEIGHT;
use crate::frame::{self, Side, Style};
use crate::image_figure::{ColorBarSettings, Sides, draw_overlay, no_data};
use crate::markers::{self, Marker, OverlayColors, outlined};
use crate::overlay::SkyOverlay;
use crate::pixel_shape::PixelShape;
use crate::plane::shape_of;
use crate::resample::resample;
use crate::value_scale::ValueScale;
use crate::{Colormap, DisplayLimits, FigureFormat, PixelToSky, PlotError, Size, SkyFormat, Stretch};

/// One image of a montage.
#[derive(Debug, Clone)]
pub struct MontagePlane<'a> {
    /// The image, indexed `[y][x]`; what is not finite counts as no data and is drawn grey.
    pub plane: ArrayView2<'a, f32>,
    /// What stands in its upper left corner, e.g. `4.05 µm`; empty for nothing.
    pub label: String,
}

/// A figure of several planes of one shape and one place on the sky, in reading order, with one
/// scale.
#[derive(Clone)]
pub struct MontageFigure<'a> {
    /// The images, at least one.
    pub planes: Vec<MontagePlane<'a>>,
    /// From pixels to the sky; `None` for axes in pixels.
    pub sky: Option<PixelToSky<'a>>,
    /// How positions are written along the axes.
    pub sky_format: SkyFormat,
    /// What lies over the images, where `sky` is known: the grid over all, scale bar and compass
    /// over the first.
    pub overlay: SkyOverlay,
    /// Size of the picture; 1600 x 1200 px by default.
    pub size: Size,
    /// Title above all; empty for none.
    pub title: String,
    /// Label of the color bar, with the unit.
    pub value_label: String,
    /// Colors; viridis by default.
    pub colormap: Colormap,
    /// From values to colors; asinh by default.
    pub stretch: Stretch,
    /// The values that get the first and the last color, found from all planes together.
    pub limits: DisplayLimits,
    /// Circles, over all images; names over the first.
    pub markers: Vec<Marker>,
}

impl<'a> MontageFigure<'a> {
    /// A figure of these planes, with the defaults that the fields name.
    pub fn new(planes: Vec<MontagePlane<'a>>) -> Self {
        Self {
            planes,
            sky: None,
            sky_format: SkyFormat::default(),
            overlay: SkyOverlay::default(),
            size: Size { width: 1600, height: 1200 },
            title: String::new(),
            value_label: "Surface brightness (MJy/sr)".to_owned(),
            colormap: Colormap::default(),
            stretch: Stretch::default(),
            limits: DisplayLimits::default(),
            markers: Vec::new(),
        }
    }
}

/// Draws a montage, in as many columns as make the images largest.
///
/// # Errors
/// Where there is no plane, planes differ in shape or have no pixels, or the size or the limits are
/// impossible.
pub fn render_montage(figure: &MontageFigure<'_>, format: FigureFormat) -> Result<Vec<u8>, PlotError> {
    encode(&draw(figure)?, format)
}

fn draw(figure: &MontageFigure<'_>) -> Result<Canvas, PlotError> {
    let mut canvas = Canvas::new(figure.size)?;
    let style = Style::new(figure.size);
    let shape = common_shape(&figure.planes)?;
    let scale = ValueScale {
        map: figure.colormap,
        stretch: figure.stretch,
        limits: figure.limits.of_all(figure.planes.iter().map(|p| p.plane))?,
    };
    let bar = ColorBarSettings { scale, name: &figure.value_label };
    // Labels take room from the images, whose size decides on the labels; a second round settles
    // both.
    let bounds = canvas.bounds();
    let guess = Rect { left: 0.0, top: 0.0, right: bounds.right / 5.0, bottom: bounds.bottom / 5.0 };
    let sides = |inside| Sides::new(&canvas, inside, shape, figure.sky, figure.sky_format, &style);
    let numbers = bar.numbers(0.8 * bounds.bottom, &style);
    let layout = MontageLayout::new(&canvas, figure, shape, &sides(guess), &numbers, &style);
    let layout = MontageLayout::new(&canvas, figure, shape, &sides(layout.panel(0)), &numbers, &style);
    let mut sides = sides(layout.panel(0));
    keep_within(&mut sides.left, style.small / layout.size[1]);

    for (k, plane) in figure.planes.iter().enumerate() {
        layout.draw_panel(&mut canvas, figure, (k, plane), scale, &sides, &style);
    }
    layout.draw_lower_labels(&mut canvas, &sides.bottom, &style);
    layout.draw_surroundings(&mut canvas, figure, &bar, &numbers, &sides, &style);
    Ok(canvas)
}

/// Takes the labels that reach beyond their image, where those of the next one may stand; `height`
/// is that of a label in parts of the image.
fn keep_within(ticks: &mut [Tick], height: f64) {
    for tick in ticks {
        tick.label.take_if(|_| tick.at < height / 2.0 || tick.at > 1.0 - height / 2.0);
    }
}

/// Pixels along x and y, the same for all planes.
fn common_shape(planes: &[MontagePlane<'_>]) -> Result<(usize, usize), PlotError> {
    let first = planes.first().ok_or(PlotError::NoPixels { width: 0, height: 0 })?;
    let expected = first.plane.dim();
    if let Some(other) = planes.iter().find(|p| p.plane.dim() != expected) {
        return Err(PlotError::CanvasShape {
            plane: other.label.clone(),
            found: other.plane.dim(),
            expected,
        });
    }
    shape_of(first.plane)
}

/// Where the images lie.
struct MontageLayout {
    columns: usize,
    count: usize,
    shape: (usize, usize),
    /// Of the first image, and from one to the next.
    left: f64,
    top: f64,
    size: [f64; 2],
    gap: f64,
}

impl MontageLayout {
    fn new(
        canvas: &Canvas,
        figure: &MontageFigure<'_>,
        shape: (usize, usize),
        sides: &Sides,
        numbers: &NumberAxis,
        style: &Style,
    ) -> Self {
        let bounds = canvas.bounds();
        let left = frame::room_beside(style, frame::widest(canvas, &sides.left, style.small)).round();
        let bar = frame::bar_place(Rect { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 }, style).right;
        let right = bar + frame::room_beside(style, frame::widest(canvas, &numbers.ticks, style.small));
        let title = PixelShape::of(shape).title(&figure.title);
        let title = if title.is_empty() { 0.0 } else { CAP_HEIGHT * style.large + 1.2 * style.gap };
        let above = style.margin + style.line + title + frame::factor_height(numbers, style);
        let room = [bounds.width() - left - right, bounds.height() - above - frame::room_below(style)];
        let (count, gap) = (figure.planes.len(), (0.5 * style.gap).round());
        let image = PixelShape::of(shape).image(shape);
        let scale = |columns: usize| {
            let rows = count.div_ceil(columns);
            let free = |room: f64, n: usize| (room - (n - 1) as f64 * gap) / n as f64;
            (free(room[0], columns) / image[0]).min(free(room[1], rows) / image[1])
        };
        let columns = (1..=count).max_by(|&a, &b| scale(a).total_cmp(&scale(b))).unwrap_or(1);
        let size = image.map(|side| (scale(columns) * side).floor().max(1.0));
        let rows = count.div_ceil(columns);
        let used = [(columns, size[0]), (rows, size[1])].map(|(n, side)| n as f64 * (side + gap) - gap);
        let left = left + ((room[0] - used[0]) / 2.0).max(0.0).round();
        let top = (above + ((room[1] - used[1]) / 2.0).max(0.0)).round();
        Self { columns, count, shape, left, top, size, gap }
    }

    fn panel(&self, k: usize) -> Rect {
        let (row, column) = ((k / self.columns) as f64, (k % self.columns) as f64);
        let left = self.left + column * (self.size[0] + self.gap);
        let top = self.top + row * (self.size[1] + self.gap);
        Rect { left, top, right: left + self.size[0], bottom: top + self.size[1] }
    }

    /// All images together.
    fn whole(&self) -> Rect {
        let (first, last) = (self.panel(0), self.panel(self.count - 1));
        Rect { right: self.panel(self.columns - 1).right, bottom: last.bottom, ..first }
    }

    fn draw_panel(
        &self,
        canvas: &mut Canvas,
        figure: &MontageFigure<'_>,
        (k, plane): (usize, &MontagePlane<'_>),
        scale: ValueScale,
        sides: &Sides,
        style: &Style,
    ) {
        let inside = self.panel(k);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole pixels inside of the picture"
        )]
        let [left, top, width, height] =
            [inside.left, inside.top, inside.width(), inside.height()].map(|v| v as u32);
        let color = |value| scale.color(value);
        let values = resample(plane.plane, width, height);
        let empty = !values.iter().any(|v| v.is_finite());
        canvas.rasters.push(Raster { left, top, width, pixels: values.into_iter().map(color).collect() });
        frame::frame(canvas, inside, style);

        let first = k == 0;
        let SkyOverlay { grid, scale_bar, compass } = figure.overlay;
        let overlay = SkyOverlay { grid, scale_bar: scale_bar && first, compass: compass && first };
        let mut taken = draw_overlay(canvas, inside, self.shape, figure.sky, overlay, sides.steps, style);
        taken.extend(self.draw_label(canvas, inside, &plane.label, style));
        let named =
            |m: &Marker| Marker { label: if first { m.label.clone() } else { String::new() }, ..m.clone() };
        let markers: Vec<Marker> = figure.markers.iter().map(named).collect();
        markers::draw(canvas, inside, self.shape, &markers, taken, style);
        sides.draw_ticks(canvas, inside, style);
        if empty {
            no_data(canvas, inside, style);
        }
        if k % self.columns == 0 {
            frame::labels(canvas, inside, Side::Left, &sides.left, style);
        }
    }

    /// The numbers below images that have no other below them, from left to right, as many as there
    /// is room for: a number may reach below the next image, whose own then gives way.
    fn draw_lower_labels(&self, canvas: &mut Canvas, ticks: &[Tick], style: &Style) {
        let mut free = (f64::NEG_INFINITY, 0.0);
        let most = frame::bar_place(self.whole(), style).left - style.line;
        for k in (0..self.count).filter(|k| k + self.columns >= self.count) {
            let inside = self.panel(k);
            if inside.bottom != free.1 {
                // The first of its row: at its left may stand an image of the next.
                let reach = if k % self.columns == 0 { style.margin } else { inside.left };
                free = (reach, inside.bottom);
            }
            let mut kept = ticks.to_vec();
            for tick in &mut kept {
                let x = inside.left + tick.at * inside.width();
                tick.label.take_if(|label| {
                    let half = canvas.text_width(label, style.small) / 2.0;
                    let fits = x - half >= free.0 && x + half <= most;
                    if fits {
                        free.0 = x + half + 0.8 * style.small;
                    }
                    !fits
                });
            }
            frame::labels(canvas, inside, Side::Bottom, &kept, style);
        }
    }

    fn draw_label(&self, canvas: &mut Canvas, inside: Rect, label: &str, style: &Style) -> Option<Rect> {
        let away = (style.major + 0.3 * style.gap).min(0.1 * inside.width());
        let (text, em) = canvas.fit(label, style.small, inside.width() - 2.0 * away);
        let at = [inside.left + away, inside.top + away + CAP_HEIGHT * em];
        let text = Text { text, at, anchor: Anchor::Start, em, color: INK, upward: false };
        let area = canvas.text_box(&text);
        if label.is_empty() || !inside.holds(area) {
            return None;
        }
        let colors = OverlayColors::over(canvas, area);
        outlined(canvas, text, style, colors);
        Some(area)
    }

    /// Title, names of the axes, color bar.
    fn draw_surroundings(
        &self,
        canvas: &mut Canvas,
        figure: &MontageFigure<'_>,
        bar: &ColorBarSettings<'_>,
        numbers: &NumberAxis,
        sides: &Sides,
        style: &Style,
    ) {
        let whole = self.whole();
        frame::name_below(canvas, whole, &sides.names[0], style);
        let widest = frame::widest(canvas, &sides.left, style.small);
        frame::name_beside(canvas, whole, Side::Left, &sides.names[1], widest, style);
        let line = whole.top - style.line - frame::factor_height(numbers, style) - 1.2 * style.gap;
        let title = PixelShape::of(self.shape).title(&figure.title);
        frame::title(canvas, whole, line, &title, style);
        frame::color_bar(
            canvas,
            frame::bar_place(whole, style),
            |t| bar.scale.bar_color(t),
            numbers,
            bar.name,
            style,
        );
    }
}

#[cfg(test)]
mod tests;
