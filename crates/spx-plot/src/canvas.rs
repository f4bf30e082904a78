//! A list of shapes, in pixels of the final picture, y downwards.
//!
//! Figures add shapes; [`crate::encode`] turns the list into a file. So a figure does not know its
//! file format, and tests can ask where a text lies.

use crate::colormap::Rgb;
use crate::font::{CAP_HEIGHT, DEPTH, Typeface};
use crate::{PlotError, Size};

/// Black of lines and texts.
pub(crate) const INK: Rgb = [0x1a, 0x1a, 0x1a];
/// The paper.
pub(crate) const PAPER: Rgb = [0xff; 3];

/// A rectangle; pixel `i` covers `i` to `i + 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Rect {
    pub(crate) fn width(self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(self) -> f64 {
        self.bottom - self.top
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    /// Whether `other` lies inside.
    pub(crate) fn holds(self, other: Self) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }
}

/// Which end of a text a position means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// On the base line, at the anchor.
    pub(crate) at: [f64; 2],
    pub(crate) anchor: Anchor,
    /// Size \[px\].
    pub(crate) em: f64,
    pub(crate) color: Rgb,
    /// Turned by 90 degrees, read from below.
    pub(crate) upward: bool,
}

/// An image of whole pixels.
#[derive(Debug, Clone)]
pub(crate) struct Raster {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    /// Row after row from the top.
    pub(crate) pixels: Vec<Rgb>,
}

impl Raster {
    pub(crate) fn height(&self) -> u32 {
        u32::try_from(self.pixels.len()).unwrap_or(u32::MAX) / self.width.max(1)
    }

    /// The color at a position of the picture, where the raster covers it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie inside")]
    pub(crate) fn at(&self, x: f64, y: f64) -> Option<Rgb> {
        let (x, y) = (x - f64::from(self.left), y - f64::from(self.top));
        if x < 0.0 || y < 0.0 || x >= f64::from(self.width) {
            return None;
        }
        self.pixels.get(y as usize * self.width as usize + x as usize).copied()
    }
}

/// Anything that lies above the rasters.
#[derive(Debug, Clone)]
pub(crate) enum CanvasShape {
    Rect(Rect, Rgb),
    /// A line through points, of a width \[px\].
    Line(Vec<[f64; 2]>, f64, Rgb),
    /// A filled circle: center, radius.
    Disc([f64; 2], f64, Rgb),
    Text(Text),
}

impl CanvasShape {
    fn moved(self, [dx, dy]: [f64; 2]) -> Self {
        let there = |[x, y]: [f64; 2]| [x + dx, y + dy];
        match self {
            Self::Rect(Rect { left, top, right, bottom }, color) => {
                let ([left, top], [right, bottom]) = (there([left, top]), there([right, bottom]));
                Self::Rect(Rect { left, top, right, bottom }, color)
            }
            Self::Line(points, width, color) => {
                Self::Line(points.into_iter().map(there).collect(), width, color)
            }
            Self::Disc(center, radius, color) => Self::Disc(there(center), radius, color),
            Self::Text(text) => Self::Text(Text { at: there(text.at), ..text }),
        }
    }
}

/// The picture as a list of shapes; rasters lie below all else.
pub(crate) struct Canvas {
    pub(crate) size: Size,
    /// Size of a pixel on paper \[pt\].
    pub(crate) points_per_pixel: f64,
    pub(crate) typeface: Typeface,
    pub(crate) rasters: Vec<Raster>,
    pub(crate) shapes: Vec<CanvasShape>,
}

impl Canvas {
    /// An empty picture, on paper of 96 pixels an inch as SVG has it.
    pub(crate) fn new(size: Size) -> Result<Self, PlotError> {
        size.check()?;
        Ok(Self {
            size,
            points_per_pixel: 72.0 / 96.0,
            typeface: Typeface::load()?,
            rasters: Vec::new(),
            shapes: Vec::new(),
        })
    }

    /// Lays another picture over this one, with its upper left corner at whole pixels.
    pub(crate) fn lay(&mut self, other: Self, [left, top]: [u32; 2]) {
        let rasters = other.rasters.into_iter();
        self.rasters.extend(rasters.map(|raster| Raster {
            left: raster.left + left,
            top: raster.top + top,
            ..raster
        }));
        let [dx, dy] = [left, top].map(f64::from);
        self.shapes.extend(other.shapes.into_iter().map(|shape| shape.moved([dx, dy])));
    }

    /// The whole picture.
    pub(crate) fn bounds(&self) -> Rect {
        Rect { left: 0.0, top: 0.0, right: self.size.width.into(), bottom: self.size.height.into() }
    }

    /// A filled rectangle.
    pub(crate) fn rect(&mut self, left: f64, top: f64, right: f64, bottom: f64, color: Rgb) {
        self.shapes.push(CanvasShape::Rect(Rect { left, top, right, bottom }, color));
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: Text) {
        if !text.text.is_empty() {
            self.shapes.push(CanvasShape::Text(text));
        }
    }

    /// Adds a horizontal text in black.
    pub(crate) fn label(&mut self, text: String, at: [f64; 2], anchor: Anchor, em: f64) {
        self.text(Text { text, at, anchor, em, color: INK, upward: false });
    }

    /// Width of a text \[px\].
    pub(crate) fn text_width(&self, text: &str, em: f64) -> f64 {
        self.typeface.width(text) * em
    }

    /// Shortens a text to a width: first by setting it up to a quarter smaller, then by cutting it,
    /// with an ellipsis. Returns the text and its size.
    pub(crate) fn fit(&self, text: &str, em: f64, width: f64) -> (String, f64) {
        let needed = self.text_width(text, em);
        if needed <= width {
            return (text.to_owned(), em);
        }
        let smaller = em * (width / needed).max(0.75);
        (self.cut(text, smaller, width), smaller)
    }

    /// A text of this size, cut off where it is longer than `width`.
    pub(crate) fn cut(&self, text: &str, em: f64, width: f64) -> String {
        let mut kept = text.to_owned();
        let mut shown = kept.clone();
        while self.text_width(&shown, em) > width * 1.001 && kept.pop().is_some() {
            shown = format!("{}…", kept.trim_end());
        }
        shown
    }

    /// The box that a text fills, from the height of capitals to the depth of letters.
    pub(crate) fn text_box(&self, text: &Text) -> Rect {
        let width = self.text_width(&text.text, text.em);
        let start = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let [x, y] = text.at;
        let (rise, fall) = (CAP_HEIGHT * text.em, DEPTH * text.em);
        if text.upward {
            Rect { left: x - rise, right: x + fall, top: y - start - width, bottom: y - start }
        } else {
            Rect { left: x + start, right: x + start + width, top: y - rise, bottom: y + fall }
        }
    }

    /// All texts with their boxes.
    #[cfg(test)]
    pub(crate) fn text_boxes(&self) -> impl Iterator<Item = (&str, Rect)> {
        self.shapes.iter().filter_map(|shape| match shape {
            CanvasShape::Text(text) => Some((text.text.as_str(), self.text_box(text))),
            _ => None,
        })
    }
}
