//! What the tests of figures share.

use crate::canvas::{Canvas, Raster, Rect};
use crate::colormap::{Rgb, linear};
use spx_core::elementary::powf;

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

/// The difference of two colors (CIE 1976, L*a*b*) to a reader who lacks the cones for red
/// (protanopia) or green (deuteranopia), by the projections of Viénot, Brettel and Mollon (1999,
/// Color Research and Application 24, 243) for linear sRGB; the smaller of both.
pub(crate) fn color_blind_difference(a: Rgb, b: Rgb) -> f64 {
    const PROTANOPIA: [[f64; 2]; 2] = [[0.11238, 0.88762], [0.00401, -0.00401]];
    const DEUTERANOPIA: [[f64; 2]; 2] = [[0.29275, 0.70725], [-0.02234, 0.02234]];
    let seen = |color: Rgb, [yellow, blue]: [[f64; 2]; 2]| {
        let [r, g, b] = color.map(linear);
        let yellow = yellow[0] * r + yellow[1] * g;
        lab([yellow, yellow, (b + blue[0] * r + blue[1] * g).max(0.0)])
    };
    let differences = [PROTANOPIA, DEUTERANOPIA].map(|cones| {
        let (a, b) = (seen(a, cones), seen(b, cones));
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    });
    differences[0].min(differences[1])
}

/// L*, a*, b* of linear sRGB under its own white, D65.
fn lab([r, g, b]: [f64; 3]) -> [f64; 3] {
    let f = |t: f64| if t > 0.008_856 { powf(t, 1.0 / 3.0) } else { 7.787 * t + 16.0 / 116.0 };
    let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// The checks above find what they are for.
mod tests {
    use super::*;
    use crate::Size;
    use crate::canvas::Anchor;

    fn written(texts: [(&str, [f64; 2]); 2]) -> Canvas {
        let mut canvas = Canvas::new(Size { width: 400, height: 300 }).unwrap();
        for (text, at) in texts {
            canvas.label(text.to_owned(), at, Anchor::Start, 20.0);
        }
        canvas
    }

    #[test]
    fn texts_that_lie_apart_are_free() {
        assert_texts_are_free(&written([("one", [50.0, 50.0]), ("two", [50.0, 90.0])]), "apart");
    }

    #[test]
    #[should_panic(expected = "lies over")]
    fn a_text_over_another_is_found() {
        assert_texts_are_free(&written([("one", [50.0, 50.0]), ("two", [60.0, 55.0])]), "over");
    }

    #[test]
    #[should_panic(expected = "leaves")]
    fn a_text_beyond_the_picture_is_found() {
        assert_texts_are_free(&written([("one", [50.0, 50.0]), ("a long name", [350.0, 90.0])]), "beyond");
    }

    /// Red and green look alike without the cones that tell them apart, blue and yellow do not.
    #[test]
    fn red_and_green_are_alike_to_color_blind_readers() {
        let alike = color_blind_difference([0xc8, 0x3c, 0x28], [0x6e, 0x78, 0x28]);
        let different = color_blind_difference([0x00, 0x72, 0xb2], [0xe6, 0x9f, 0x00]);
        assert!(alike < 15.0 && different > 40.0, "{alike} {different}");
    }
}
