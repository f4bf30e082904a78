//! A few pixels of an image in working memory: those that measuring a source looks at.

use std::ops::Range;

/// The pixels of a rectangle, row by row.
#[derive(Debug, Clone, Default)]
pub(crate) struct PixelTile {
    pub(crate) columns: Range<usize>,
    pub(crate) rows: Range<usize>,
    pub(crate) pixels: Vec<TilePixel>,
}

/// A pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TilePixel {
    /// Surface brightness, the foreground subtracted [MJy/sr].
    pub(crate) value: f64,
    pub(crate) flags: u32,
    /// As it stands in the file [(MJy/sr)^2].
    pub(crate) variance: f32,
}

impl PixelTile {
    /// The pixel of a column and a row, which must lie in the rectangle.
    #[inline]
    pub(crate) fn at(&self, x: usize, y: usize) -> TilePixel {
        self.pixels[(y - self.rows.start) * self.columns.len() + (x - self.columns.start)]
    }
}
