//! The layout that figures of images share: title, legend, image with axes and markers, color bar.

use crate::axes::{NumberAxis, Tick, linear};
use crate::canvas::{Anchor, Canvas, CanvasShape, Raster, Rect};
use crate::colormap::Rgb;
use crate::font::CAP_HEIGHT;
use crate::frame::{self, Side, Style};
use crate::markers::{self, Marker};
use crate::overlay::{self, LabelPlace, SkyOverlay};
use crate::pixel_shape::PixelShape;
use crate::sky_axes::{Room, SkyTicks};
use crate::value_scale::ValueScale;
use crate::{PixelToSky, PlotError, SkyFormat};

/// An image with what surrounds it.
pub(crate) struct ImageFigure<'a> {
    /// Pixels along x and y.
    pub(crate) shape: (usize, usize),
    pub(crate) sky: Option<PixelToSky<'a>>,
    pub(crate) sky_format: SkyFormat,
    pub(crate) overlay: SkyOverlay,
    pub(crate) title: &'a str,
    /// Names with their colors, in one line above the frame.
    pub(crate) legend: Vec<(&'a str, Rgb)>,
    pub(crate) bar: Option<ColorBarSettings<'a>>,
    pub(crate) markers: &'a [Marker],
}

/// A color bar.
pub(crate) struct ColorBarSettings<'a> {
    /// Without limits the bar has no numbers.
    pub(crate) scale: ValueScale,
    pub(crate) name: &'a str,
}

impl ColorBarSettings<'_> {
    /// Its numbers, for a bar of this height.
    pub(crate) fn numbers(&self, height: f64, style: &Style) -> NumberAxis {
        // They stand at least two lines apart.
        self.scale.numbers(2.2 * style.small / height)
    }
}

/// Ticks of the four sides and the names of the labeled ones.
pub(crate) struct Sides {
    pub(crate) bottom: Vec<Tick>,
    pub(crate) left: Vec<Tick>,
    top: Vec<Tick>,
    right: Vec<Tick>,
    pub(crate) names: [String; 2],
    /// Distances of the labeled ticks in right ascension and declination \[deg\]; `None` for
    /// pixels.
    pub(crate) steps: Option<[f64; 2]>,
}

impl Sides {
    /// For an image of `shape` (nx, ny) pixels in a frame of the size of `inside`.
    pub(crate) fn new(
        canvas: &Canvas,
        inside: Rect,
        shape: (usize, usize),
        sky: Option<PixelToSky<'_>>,
        sky_format: SkyFormat,
        style: &Style,
    ) -> Self {
        let width = |text: &str| canvas.text_width(text, style.small);
        if let Some(sky) = sky {
            let room = Room {
                width: inside.width(),
                height: inside.height(),
                line: style.small,
                label_width: &width,
            };
            let SkyTicks { horizontal, bottom, left, top, right, steps, offset } =
                SkyTicks::new(sky, shape, sky_format, &room);
            let names = [horizontal.title(&offset), horizontal.other().title("")];
            return Self { bottom, left, top, right, names, steps: Some(steps) };
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
        let most = |length: f64, label: f64| (length / label).clamp(1.0, 6.0) as usize;
        let bottom = pixel_ticks(shape.0, most(inside.width(), 1.6 * width("00000")));
        let left = pixel_ticks(shape.1, most(inside.height(), 2.5 * style.small));
        let names = ["x (px)", "y (px)"].map(str::to_owned);
        Self { top: bottom.clone(), right: left.clone(), bottom, left, names, steps: None }
    }

    /// Ticks on all sides, without numbers.
    pub(crate) fn draw_ticks(&self, canvas: &mut Canvas, inside: Rect, style: &Style) {
        for (side, ticks) in [
            (Side::Bottom, &self.bottom),
            (Side::Left, &self.left),
            (Side::Top, &self.top),
            (Side::Right, &self.right),
        ] {
            frame::ticks(canvas, inside, side, ticks, style);
        }
    }
}

/// Ticks of an image and numbers of its color bar.
struct Axes {
    sides: Sides,
    bar: NumberAxis,
}

impl ImageFigure<'_> {
    /// Draws all of it and returns the place of the image; `pixels` gives the image at a size, rows
    /// from the top.
    pub(crate) fn draw(
        &self,
        canvas: &mut Canvas,
        style: &Style,
        pixels: impl FnOnce(u32, u32) -> Vec<Rgb>,
    ) -> Result<Rect, PlotError> {
        // The ticks depend on the size of the image, which depends on the widths of the labels; a
        // second round settles both.
        let bounds = canvas.bounds();
        let guess = Rect { left: 0.0, top: 0.0, right: 0.7 * bounds.right, bottom: 0.8 * bounds.bottom };
        let axes = self.axes(canvas, guess, style);
        let axes = self.axes(canvas, self.place(canvas, &axes, style), style);
        let inside = self.place(canvas, &axes, style);

        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole pixels inside of the picture"
        )]
        let [left, top, width, height] =
            [inside.left, inside.top, inside.width(), inside.height()].map(|v| v as u32);
        canvas.rasters.push(Raster { left, top, width, pixels: pixels(width, height) });
        frame::frame(canvas, inside, style);
        let taken = draw_overlay(canvas, inside, self.shape, self.sky, self.overlay, axes.sides.steps, style);
        markers::draw(canvas, inside, self.shape, self.markers, taken, style);
        draw_axes(canvas, inside, &axes.sides, style);
        self.draw_head(canvas, inside, &axes, style);
        if let Some(bar) = &self.bar {
            let place = frame::bar_place(inside, style);
            frame::color_bar(canvas, place, |t| bar.scale.bar_color(t), &axes.bar, bar.name, style);
        }
        Ok(inside)
    }

    /// Ticks for an image of the size of `inside`.
    fn axes(&self, canvas: &Canvas, inside: Rect, style: &Style) -> Axes {
        let sides = Sides::new(canvas, inside, self.shape, self.sky, self.sky_format, style);
        let bar = self.bar.as_ref().map(|bar| bar.numbers(inside.height(), style)).unwrap_or_default();
        Axes { sides, bar }
    }

    /// Where the image goes: as large as the rest leaves room, with square pixels, in the middle.
    fn place(&self, canvas: &Canvas, axes: &Axes, style: &Style) -> Rect {
        let bounds = canvas.bounds();
        let left = frame::room_beside(style, frame::widest(canvas, &axes.sides.left, style.small));
        let right = match &self.bar {
            Some(_) => {
                let beside = frame::room_beside(style, frame::widest(canvas, &axes.bar.ticks, style.small));
                frame::bar_place(Rect { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 }, style).right + beside
            }
            None => style.margin.max(0.6 * frame::widest(canvas, &axes.sides.bottom, style.small)),
        };
        let (above, below) = (self.room_above(axes, style), frame::room_below(style));
        let [nx, ny] = PixelShape::of(self.shape).image(self.shape);
        let scale =
            whole_if_near(((bounds.width() - left - right) / nx).min((bounds.height() - above - below) / ny));
        let (width, height) = ((nx * scale).floor().max(1.0), (ny * scale).floor().max(1.0));
        let x = left + ((bounds.width() - left - right - width) / 2.0).max(0.0);
        let y = above + ((bounds.height() - above - below - height) / 2.0).max(0.0);
        let (x, y) = (x.round(), y.round());
        Rect { left: x, top: y, right: x + width, bottom: y + height }
    }

    fn title(&self) -> String {
        PixelShape::of(self.shape).title(self.title)
    }

    fn legend_height(&self, style: &Style) -> f64 {
        let shown = self.legend.iter().any(|(name, _)| !name.is_empty());
        if shown { CAP_HEIGHT * style.small + style.gap } else { 0.0 }
    }

    fn room_above(&self, axes: &Axes, style: &Style) -> f64 {
        let title = if self.title().is_empty() { 0.0 } else { CAP_HEIGHT * style.large + 1.2 * style.gap };
        style.margin + style.line + title + self.legend_height(style) + frame::factor_height(&axes.bar, style)
    }

    /// Title and legend, above the frame.
    fn draw_head(&self, canvas: &mut Canvas, inside: Rect, axes: &Axes, style: &Style) {
        let bottom = inside.top - style.line - frame::factor_height(&axes.bar, style);
        if self.legend_height(style) > 0.0 {
            draw_legend(canvas, inside, bottom - style.gap, &self.legend, style);
        }
        let line = bottom - self.legend_height(style) - 1.2 * style.gap;
        frame::title(canvas, inside, line, &self.title(), style);
    }
}

/// Ticks at whole pixels.
fn pixel_ticks(count: usize, most: usize) -> Vec<Tick> {
    let ticks = linear(-0.5, count as f64 - 0.5, most).ticks.into_iter();
    let whole = ticks.filter_map(|Tick { at, label }| {
        let pixel = at * count as f64 - 0.5;
        let label = label.map(|_| format!("{:.0}", pixel.abs()));
        ((pixel - pixel.round()).abs() < 1e-6).then_some(Tick { at, label })
    });
    whole.collect()
}

/// The whole number just below a scale, where that costs little room: all pixels of the image then
/// have the same size.
fn whole_if_near(scale: f64) -> f64 {
    if scale > 1.0 && scale.floor() / scale > 0.93 { scale.floor() } else { scale }
}

fn draw_axes(canvas: &mut Canvas, inside: Rect, sides: &Sides, style: &Style) {
    sides.draw_ticks(canvas, inside, style);
    frame::labels(canvas, inside, Side::Bottom, &sides.bottom, style);
    frame::labels(canvas, inside, Side::Left, &sides.left, style);
    frame::name_below(canvas, inside, &sides.names[0], style);
    let widest = frame::widest(canvas, &sides.left, style.small);
    frame::name_beside(canvas, inside, Side::Left, &sides.names[1], widest, style);
}

/// Draws what is asked for over an image whose place on the sky is known; returns the places that
/// it takes.
pub(crate) fn draw_overlay(
    canvas: &mut Canvas,
    inside: Rect,
    shape: (usize, usize),
    sky: Option<PixelToSky<'_>>,
    overlay: SkyOverlay,
    steps: Option<[f64; 2]>,
    style: &Style,
) -> Vec<Rect> {
    let Some(sky) = sky else { return Vec::new() };
    let place = LabelPlace { inside, shape, sky };
    if let Some(steps) = steps.filter(|_| overlay.grid) {
        overlay::grid(canvas, place, steps, style);
    }
    overlay::draw(canvas, place, overlay, style)
}

/// Discs with names in one line, in the middle above the frame.
pub(crate) fn draw_legend(
    canvas: &mut Canvas,
    inside: Rect,
    line: f64,
    entries: &[(&str, Rgb)],
    style: &Style,
) {
    let radius = 0.35 * style.small;
    let (after_disc, after_name) = (0.8 * style.gap, 2.0 * style.gap);
    let shown = || entries.iter().filter(|(name, _)| !name.is_empty());
    let room = (canvas.bounds().width() - 2.0 * style.margin) / shown().count().max(1) as f64
        - (2.0 * radius + after_disc + after_name);
    let fitted: Vec<_> = shown().map(|(name, color)| (canvas.fit(name, style.small, room), *color)).collect();
    let width: f64 = fitted
        .iter()
        .map(|((name, em), _)| canvas.text_width(name, *em) + 2.0 * radius + after_disc + after_name)
        .sum::<f64>()
        - after_name;
    let reach = (canvas.bounds().width() - style.margin - width).max(0.0);
    let mut x = ((inside.left + inside.right - width) / 2.0).clamp(style.margin.min(reach), reach);
    for ((name, em), color) in fitted {
        canvas.shapes.push(CanvasShape::Disc([x + radius, line - CAP_HEIGHT / 2.0 * em], radius, color));
        x += 2.0 * radius + after_disc;
        let width = canvas.text_width(&name, em);
        canvas.label(name, [x, line], Anchor::Start, em);
        x += width + after_name;
    }
}

/// Says in the middle of an image that it holds nothing.
pub(crate) fn no_data(canvas: &mut Canvas, inside: Rect, style: &Style) {
    let at = [(inside.left + inside.right) / 2.0, (inside.top + inside.bottom) / 2.0];
    let (text, em) = canvas.fit("no data", style.large, inside.width());
    canvas.label(text, at, Anchor::Middle, em);
}
