//! A circular aperture on an array: which pixels it touches, by how much, and the sums over them.

use std::f64::consts::PI;
use std::ops::Range;

use crate::overlap::pixel_overlap;

/// A circle on an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CircularAperture {
    /// Column of the center \[px, 0-based, integers at pixel centers\].
    pub x: f64,
    /// Row of the center \[px\].
    pub y: f64,
    /// Radius \[px\].
    pub radius: f64,
}

/// A sum over an aperture.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CircularApertureSum {
    /// Sum of value times overlap [unit of the values times px^2].
    pub sum: f64,
    /// Sum of the overlaps of the pixels that were counted [px^2].
    pub area: f64,
    /// Pixels that the aperture touches but that were left out.
    pub masked: usize,
}

impl CircularAperture {
    /// Area of the whole circle [px^2].
    pub fn area(&self) -> f64 {
        PI * self.radius * self.radius
    }

    /// True where the whole circle lies on the pixels of an image of shape `[ny, nx]`.
    pub fn is_inside(&self, [ny, nx]: [usize; 2]) -> bool {
        let fits =
            |center: f64, n: usize| center - self.radius >= -0.5 && center + self.radius <= n as f64 - 0.5;
        fits(self.x, nx) && fits(self.y, ny)
    }

    /// Columns of an image of shape `[ny, nx]` that the circle can touch, and rows.
    pub fn bounds(&self, [ny, nx]: [usize; 2]) -> [Range<usize>; 2] {
        let span = |center: f64, n: usize| {
            clip((center - self.radius + 0.5).floor(), (center + self.radius - 0.5).ceil(), n)
        };
        [span(self.x, nx), span(self.y, ny)]
    }

    /// Calls `visit(x, y, overlap)` for every pixel of an image of shape `[ny, nx]` with which the
    /// circle has an area above zero in common [px^2], row by row.
    pub fn for_each(&self, shape: [usize; 2], mut visit: impl FnMut(usize, usize, f64)) {
        let [columns, rows] = self.bounds(shape);
        for y in rows {
            for x in columns.clone() {
                let overlap = pixel_overlap(x as f64 - self.x, y as f64 - self.y, self.radius);
                if overlap > 0.0 {
                    visit(x, y, overlap);
                }
            }
        }
    }

    /// Sums `value(x, y)` times overlap over an image of shape `[ny, nx]`; pixels for which it is
    /// `None` are left out and counted. Parts of the circle beyond the image count for nothing.
    pub fn sum(&self, shape: [usize; 2], value: impl Fn(usize, usize) -> Option<f64>) -> CircularApertureSum {
        let mut total = CircularApertureSum::default();
        self.for_each(shape, |x, y, overlap| match value(x, y) {
            Some(value) => {
                total.sum += value * overlap;
                total.area += overlap;
            }
            None => total.masked += 1,
        });
        total
    }

    /// Bitwise OR of `flags(x, y)` over the pixels of an image of shape `[ny, nx]` whose center
    /// lies within the radius. A circle smaller than a pixel may hold no center; its answer is 0.
    pub fn flags(&self, shape: [usize; 2], flags: impl Fn(usize, usize) -> u32) -> u32 {
        let [columns, rows] = self.bounds(shape);
        let mut all = 0;
        for y in rows {
            let dy = y as f64 - self.y;
            for x in columns.clone() {
                let dx = x as f64 - self.x;
                if dx * dx + dy * dy <= self.radius * self.radius {
                    all |= flags(x, y);
                }
            }
        }
        all
    }
}

/// The part of the pixels `first..=last` that lies in `0..n`; empty where a bound is NaN.
pub(crate) fn clip(first: f64, last: f64, n: usize) -> Range<usize> {
    let (start, end) = (first.max(0.0), (last + 1.0).min(n as f64));
    if !(first <= last && start < end) {
        return 0..0;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clipped to 0..n")]
    let range = start as usize..end as usize;
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clipped() {
        assert_eq!(clip(-3.0, 2.0, 10), 0..3);
        assert_eq!(clip(8.0, 12.0, 10), 8..10);
        for (first, last) in [(f64::NAN, 2.0), (1.0, f64::NAN), (3.0, 2.0), (11.0, 12.0), (-4.0, -1.0)] {
            assert!(clip(first, last, 10).is_empty(), "{first} {last}");
        }
    }

    #[test]
    fn masked_pixels_are_left_out() {
        let aperture = CircularAperture { x: 4.0, y: 4.0, radius: 2.0 };
        let whole = aperture.sum([9, 9], |_, _| Some(2.0));
        assert!((whole.sum - 2.0 * aperture.area()).abs() < 1e-12);
        let holed = aperture.sum([9, 9], |x, y| ((x, y) != (4, 4)).then_some(2.0));
        assert_eq!(holed.masked, 1);
        assert!((whole.area - holed.area - 1.0).abs() < 1e-12);
    }

    #[test]
    fn flags_are_of_the_pixels_whose_center_lies_within() {
        let flags = |x, y| match (x, y) {
            (4, 2) => 1 << 3,
            (3, 3) => 1 << 31,
            _ => 0,
        };
        let at = |radius| CircularAperture { x: 2.0, y: 2.0, radius }.flags([5, 5], flags);
        assert_eq!(at(1.4), 0);
        assert_eq!(at(1.5), 1 << 31);
        assert_eq!(at(2.0), 1 << 31 | 1 << 3, "a center on the circle is within");
    }

    #[test]
    fn inside_is_the_whole_circle() {
        let at = |x| CircularAperture { x, y: 5.0, radius: 1.5 }.is_inside([10, 10]);
        assert!(at(1.0) && at(8.0));
        assert!(!at(0.99) && !at(8.01) && !at(f64::NAN));
    }
}
