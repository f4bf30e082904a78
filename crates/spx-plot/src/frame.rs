//! The pieces around the data: frame, ticks and labels, color bar, title.

use crate::Size;
use crate::axes::{NumberAxis, Tick};
use crate::canvas::{Anchor, Canvas, INK, Raster, Rect, Text};
use crate::colormap::Rgb;
use crate::font::{CAP_HEIGHT, DEPTH};

/// Sizes of letters, lines and gaps \[px\].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Letters of numbers along the axes and of legends.
    pub(crate) small: f64,
    /// Letters of the names of axes.
    pub(crate) medium: f64,
    /// Letters of the title.
    pub(crate) large: f64,
    /// Lines of frames and ticks, whole pixels.
    pub(crate) line: f64,
    /// Lengths of ticks.
    pub(crate) major: f64,
    pub(crate) minor: f64,
    /// Between a frame and its numbers, or numbers and a name.
    pub(crate) gap: f64,
    /// Around everything.
    pub(crate) margin: f64,
}

impl Style {
    pub(crate) fn new(size: Size) -> Self {
        Self::scaled(size.scale())
    }

    /// So many times the nominal sizes.
    pub(crate) fn scaled(scale: f64) -> Self {
        Self {
            small: 17.0 * scale,
            medium: 19.0 * scale,
            large: 21.0 * scale,
            line: (1.2 * scale).round().max(1.0),
            major: 9.0 * scale,
            minor: 5.0 * scale,
            gap: 10.0 * scale,
            margin: 16.0 * scale,
        }
    }
}

/// A side of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Bottom,
    Left,
    Top,
    Right,
}

/// The widest label \[px\].
pub(crate) fn widest(canvas: &Canvas, ticks: &[Tick], em: f64) -> f64 {
    ticks.iter().filter_map(|t| t.label.as_deref()).map(|l| canvas.text_width(l, em)).fold(0.0, f64::max)
}

/// The four lines of a frame, just outside of `inside`, whose sides are whole pixels.
pub(crate) fn frame(canvas: &mut Canvas, inside: Rect, style: &Style) {
    let Rect { left, top, right, bottom } = inside;
    let t = style.line;
    canvas.rect(left - t, top - t, right + t, top, INK);
    canvas.rect(left - t, bottom, right + t, bottom + t, INK);
    canvas.rect(left - t, top, left, bottom, INK);
    canvas.rect(right, top, right + t, bottom, INK);
}

/// Ticks along a side, inwards. Over an image they are black or white, whichever is seen better
/// along that side.
pub(crate) fn ticks(canvas: &mut Canvas, inside: Rect, side: Side, ticks: &[Tick], style: &Style) {
    let rects: Vec<Rect> = ticks.iter().map(|tick| tick_rect(inside, side, tick, style)).collect();
    let lights: Vec<Option<f64>> = rects.iter().map(|rect| lightness(canvas, *rect)).collect();
    let known = || lights.iter().flatten();
    let mean = known().sum::<f64>() / known().count().max(1) as f64;
    // A tick leaves the color of its side where it would hardly be seen.
    let dark_below = if mean < 140.0 { 190.0 } else { 70.0 };
    for (rect, light) in rects.into_iter().zip(&lights) {
        let color = if light.is_some_and(|light| light < dark_below) { [0xff; 3] } else { INK };
        canvas.rect(rect.left, rect.top, rect.right, rect.bottom, color);
    }
}

fn tick_rect(inside: Rect, side: Side, tick: &Tick, style: &Style) -> Rect {
    let Rect { left, top, right, bottom } = inside;
    let length = if tick.label.is_some() { style.major } else { style.minor };
    let length = length.min(inside.width() / 3.0).min(inside.height() / 3.0).round();
    let half = style.line / 2.0;
    let x = (left + tick.at * inside.width() - half).round().clamp(left, right);
    let y = (bottom - tick.at * inside.height() - half).round().clamp(top, bottom);
    match side {
        Side::Bottom => Rect { left: x, right: x + style.line, top: bottom - length, bottom },
        Side::Top => Rect { left: x, right: x + style.line, top, bottom: top + length },
        Side::Left => Rect { left, right: left + length, top: y, bottom: y + style.line },
        Side::Right => Rect { left: right - length, right, top: y, bottom: y + style.line },
    }
}

/// Mean lightness (0 to 255) of the image below a rectangle; `None` where there is no image.
pub(crate) fn lightness(canvas: &Canvas, rect: Rect) -> Option<f64> {
    const PARTS: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];
    let lights: Vec<f64> = PARTS
        .iter()
        .flat_map(|across| {
            PARTS.map(|down| (rect.left + across * rect.width(), rect.top + down * rect.height()))
        })
        .filter_map(|(x, y)| canvas.rasters.iter().find_map(|raster| raster.at(x, y)))
        .map(|[r, g, b]| 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b))
        .collect();
    (!lights.is_empty()).then(|| lights.iter().sum::<f64>() / lights.len() as f64)
}

/// The labels of ticks along the bottom or the left or right side of a frame.
pub(crate) fn labels(canvas: &mut Canvas, inside: Rect, side: Side, ticks: &[Tick], style: &Style) {
    let away = style.line + 0.75 * style.gap;
    let half = CAP_HEIGHT / 2.0 * style.small;
    for tick in ticks {
        let Some(label) = &tick.label else { continue };
        let x = inside.left + tick.at * inside.width();
        let y = inside.bottom - tick.at * inside.height();
        let (at, anchor) = match side {
            Side::Bottom => ([x, inside.bottom + away + 2.0 * half], Anchor::Middle),
            Side::Top => ([x, inside.top - away], Anchor::Middle),
            Side::Left => ([inside.left - away, y + half], Anchor::End),
            Side::Right => ([inside.right + away, y + half], Anchor::Start),
        };
        canvas.label(label.clone(), at, anchor, style.small);
    }
}

/// Room below a frame for numbers and a name.
pub(crate) fn room_below(style: &Style) -> f64 {
    style.line
        + 0.75 * style.gap
        + CAP_HEIGHT * style.small
        + style.gap
        + CAP_HEIGHT * style.medium
        + DEPTH * style.medium
        + style.margin
}

/// Room beside a frame for numbers up to `widest` and a name.
pub(crate) fn room_beside(style: &Style, widest: f64) -> f64 {
    style.line
        + 0.75 * style.gap
        + widest
        + style.gap
        + (CAP_HEIGHT + DEPTH) * style.medium
        + 0.5 * style.margin
}

/// The name of the axis below a frame.
pub(crate) fn name_below(canvas: &mut Canvas, inside: Rect, name: &str, style: &Style) {
    let (text, em) = canvas.fit(name, style.medium, canvas.bounds().width() - 2.0 * style.margin);
    let half = canvas.text_width(&text, em) / 2.0;
    let middle = (inside.left + inside.right) / 2.0;
    let reach = canvas.bounds().width() - style.margin - half;
    let x = middle.clamp((style.margin + half).min(reach), reach);
    let y = canvas.bounds().bottom - style.margin - DEPTH * style.medium;
    let y = y.min(inside.bottom + room_below(style) - style.margin - DEPTH * style.medium);
    canvas.label(text, [x, y], Anchor::Middle, em);
}

/// The name of the axis left or right of a frame, outside of numbers up to `widest`.
pub(crate) fn name_beside(
    canvas: &mut Canvas,
    inside: Rect,
    side: Side,
    name: &str,
    widest: f64,
    style: &Style,
) {
    let (text, em) = canvas.fit(name, style.medium, canvas.bounds().height() - 2.0 * style.margin);
    let half = canvas.text_width(&text, em) / 2.0;
    let reach = canvas.bounds().height() - style.margin - half;
    let y = ((inside.top + inside.bottom) / 2.0).clamp((style.margin + half).min(reach), reach);
    let away = style.line + 0.75 * style.gap + widest + style.gap;
    let x = match side {
        Side::Left => inside.left - away - DEPTH * style.medium,
        _ => inside.right + away + CAP_HEIGHT * style.medium,
    };
    canvas.text(Text { text, at: [x, y], anchor: Anchor::Middle, em, color: INK, upward: true });
}

/// The title, its base line at `y`, in the middle of the frame as far as it fits the picture.
pub(crate) fn title(canvas: &mut Canvas, inside: Rect, y: f64, title: &str, style: &Style) {
    let (text, em) = canvas.fit(title, style.large, canvas.bounds().width() - 2.0 * style.margin);
    let half = canvas.text_width(&text, em) / 2.0;
    let reach = canvas.bounds().width() - style.margin - half;
    let x = ((inside.left + inside.right) / 2.0).clamp((style.margin + half).min(reach), reach);
    canvas.label(text, [x, y], Anchor::Middle, em);
}

/// Where the color bar of a frame goes.
pub(crate) fn bar_place(inside: Rect, style: &Style) -> Rect {
    let left = (inside.right + style.line + 1.6 * style.gap).round();
    let width = (2.4 * style.gap).round().max(2.0);
    Rect { left, right: left + width, ..inside }
}

/// A color bar that fills `inside`, whose sides are whole pixels; its numbers and its name stand
/// right of it.
pub(crate) fn color_bar(
    canvas: &mut Canvas,
    inside: Rect,
    color: impl Fn(f64) -> Rgb,
    axis: &NumberAxis,
    name: &str,
    style: &Style,
) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole pixels of the picture"
    )]
    let [left, top, width, height] =
        [inside.left, inside.top, inside.width(), inside.height()].map(|v| v as u32);
    let row = |y: u32| 1.0 - (f64::from(y) + 0.5) / f64::from(height);
    let pixels = (0..height).flat_map(|y| std::iter::repeat_n(color(row(y)), width as usize)).collect();
    canvas.rasters.push(Raster { left, top, width, pixels });
    frame(canvas, inside, style);
    ticks(canvas, inside, Side::Right, &axis.ticks, style);
    labels(canvas, inside, Side::Right, &axis.ticks, style);
    name_beside(canvas, inside, Side::Right, name, widest(canvas, &axis.ticks, style.small), style);
    factor(canvas, inside, axis, style);
}

/// Height of the power of ten above a frame, nothing where there is none.
pub(crate) fn factor_height(axis: &NumberAxis, style: &Style) -> f64 {
    if axis.factor.is_empty() { 0.0 } else { CAP_HEIGHT * style.small + FACTOR_LIFT * style.gap }
}

/// How far above a frame the power of ten stands, in gaps: clear of a number at the upper end.
const FACTOR_LIFT: f64 = 1.1;

/// The power of ten that was taken out of the numbers of an axis, above the left end of a frame.
pub(crate) fn factor(canvas: &mut Canvas, inside: Rect, axis: &NumberAxis, style: &Style) {
    let at = [inside.left - style.line, inside.top - style.line - FACTOR_LIFT * style.gap];
    canvas.label(axis.factor.clone(), at, Anchor::Start, style.small);
}
