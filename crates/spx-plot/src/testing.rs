//! What the tests of figures share.

use crate::canvas::{Canvas, Raster, Rect};
use crate::colormap::Rgb;

/// A decoded picture.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    rgb: Vec<u8>,
}

impl Picture {
    pub(crate) fn decode(file: &[u8]) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        Self { width: info.width as usize, height: info.height as usize, rgb }
    }

    pub(crate) fn at(&self, x: usize, y: usize) -> Rgb {
        let start = (y * self.width + x) * 3;
        [self.rgb[start], self.rgb[start + 1], self.rgb[start + 2]]
    }

    /// The color at the rounded position.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "inside of the picture")]
    pub(crate) fn near(&self, x: f64, y: f64) -> Rgb {
        self.at(x.round() as usize, y.round() as usize)
    }

    /// The color in the middle of pixel (x, y) of an image of `shape` (nx, ny) that fills a raster.
    pub(crate) fn pixel(&self, raster: &Raster, shape: (usize, usize), x: usize, y: usize) -> Rgb {
        let (width, height) = (raster.width as usize, raster.height() as usize);
        let right = raster.left as usize + (2 * x + 1) * width / (2 * shape.0);
        let down = raster.top as usize + (2 * (shape.1 - 1 - y) + 1) * height / (2 * shape.1);
        self.at(right, down)
    }
}

/// Asserts that no text leaves the picture or lies over another one.
pub(crate) fn assert_texts_are_free(canvas: &Canvas, case: &str) {
    let mut texts: Vec<(&str, Rect)> = Vec::new();
    for (text, area) in canvas.text_boxes() {
        assert!(canvas.bounds().holds(area), "{case}: `{text}` at {area:?} leaves {:?}", canvas.size);
        // The border of an outlined text is the text itself, moved by a little.
        let other = texts.iter().find(|(other, place)| *other != text && place.overlaps(area));
        assert!(other.is_none(), "{case}: `{text}` at {area:?} lies over {other:?} in {:?}", canvas.size);
        texts.push((text, area));
    }
}
