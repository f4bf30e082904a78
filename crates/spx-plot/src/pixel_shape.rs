//! Pixels that are not square, where an image were a line otherwise.

/// How pixels of an image of (nx, ny) pixels are drawn: square, or where the field is so long that
/// it would be a line, wider or higher than that by a whole factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PixelShape {
    /// Width and height of a pixel, the smaller 1.
    pub(crate) sides: [f64; 2],
}

/// A field this many times longer than wide has square pixels.
const LONGEST: f64 = 10.0;

impl PixelShape {
    pub(crate) fn of((nx, ny): (usize, usize)) -> Self {
        let aspect = nx as f64 / ny as f64;
        let factor = |aspect: f64| (aspect / LONGEST).ceil().max(1.0);
        Self { sides: [factor(1.0 / aspect), factor(aspect)] }
    }

    /// Width and height of an image, in the smaller sides of its pixels.
    pub(crate) fn image(self, (nx, ny): (usize, usize)) -> [f64; 2] {
        [nx as f64 * self.sides[0], ny as f64 * self.sides[1]]
    }

    /// A title that says so where pixels are not square.
    pub(crate) fn title(self, title: &str) -> String {
        let [width, height] = self.sides;
        let note = if height > 1.0 {
            format!("pixels drawn {height} times as high as wide")
        } else if width > 1.0 {
            format!("pixels drawn {width} times as wide as high")
        } else {
            return title.to_owned();
        };
        if title.is_empty() { note } else { format!("{title}; {note}") }
    }
}
