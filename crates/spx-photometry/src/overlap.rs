//! Exact area of the overlap of a circle and a unit square.
//!
//! From elementary geometry. The square is mirrored into the first quadrant and cut along the axes
//! through the circle's center, so that at most four rectangles remain, each within one quadrant.
//! There the circle is the graph of a falling function, and a rectangle `[x0, x1] x [y0, y1]`
//! consists of columns below the circle over their whole height, of columns that the circle cuts,
//! and of columns above it. The middle part is a trapezoid below the chord plus a circular segment
//! above it. All parts are positive, so that nothing cancels, neither for circles of 1e-6 pixels
//! nor for those of thousands.

use spx_core::elementary::{asin, sin};

/// Area \[px^2\] that a circle of radius `r` has in common with the unit square whose center lies
/// at `(dx, dy)` from the circle's \[px\]; in [0, 1].
pub fn pixel_overlap(dx: f64, dy: f64, r: f64) -> f64 {
    let (dx, dy) = (dx.abs(), dy.abs());
    let far = (dx + 0.5) * (dx + 0.5) + (dy + 0.5) * (dy + 0.5);
    if far <= r * r {
        return 1.0;
    }
    let (columns, rows) = (pieces(dx), pieces(dy));
    let mut area = 0.0;
    for [x0, x1] in columns {
        for [y0, y1] in rows {
            area += quadrant_overlap([x0, x1], [y0, y1], r);
        }
    }
    area.min(1.0)
}

/// The interval `[d - 0.5, d + 0.5]`, `d >= 0`, as distances from zero: cut at zero where that lies
/// within.
fn pieces(d: f64) -> [[f64; 2]; 2] {
    if d < 0.5 { [[0.0, 0.5 - d], [0.0, 0.5 + d]] } else { [[d - 0.5, d + 0.5], [0.0, 0.0]] }
}

/// Overlap of the circle about the origin with a rectangle in the first quadrant.
fn quadrant_overlap([x0, x1]: [f64; 2], [y0, y1]: [f64; 2], r: f64) -> f64 {
    if x0 >= x1 || y0 >= y1 || x0 * x0 + y0 * y0 >= r * r {
        return 0.0;
    }
    if x1 * x1 + y1 * y1 <= r * r {
        return (x1 - x0) * (y1 - y0);
    }
    // The arc enters through the upper or the left side, and leaves through the lower or the right
    // side. The coordinate of that side is known exactly; only the other is computed.
    let enters = if y1 < r && leg(y1, r) > x0 { (leg(y1, r), y1) } else { (x0, leg(x0, r)) };
    let leaves = if leg(y0, r) < x1 { (leg(y0, r), y0) } else { (x1, leg(x1, r)) };
    let width = leaves.0 - enters.0;
    let height = enters.1 - leaves.1;
    let below = (enters.0 - x0) * (y1 - y0);
    let trapezoid = 0.5 * width * ((enters.1 - y0) + (leaves.1 - y0));
    below + trapezoid + segment((width * width + height * height).sqrt(), r)
}

/// The other leg of a right triangle with hypotenuse `r`.
fn leg(h: f64, r: f64) -> f64 {
    ((r - h) * (r + h)).max(0.0).sqrt()
}

/// Area between a chord and its arc, `r^2 (t - sin t) / 2` with `t` the angle that the chord
/// subtends.
fn segment(chord: f64, r: f64) -> f64 {
    let t = 2.0 * asin((0.5 * chord / r).min(1.0));
    0.5 * r * r * angle_less_sine(t)
}

/// `t - sin t` for `0 <= t <= pi`; by its power series where the difference would cancel.
fn angle_less_sine(t: f64) -> f64 {
    if t > 0.7 {
        return t - sin(t);
    }
    let t2 = t * t;
    let mut sum = 1.0;
    // 1/5!, 1/7!, ... over 1/3!: the factors (2k)(2k + 1), nested from the last.
    for factor in [210.0, 156.0, 110.0, 72.0, 42.0, 20.0] {
        sum = 1.0 - t2 / factor * sum;
    }
    t * t2 / 6.0 * sum
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_areas() {
        assert_eq!(pixel_overlap(0.0, 0.0, 1.0), 1.0);
        assert_eq!(pixel_overlap(3.0, 0.0, 2.5), 0.0);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} {b}");
        close(pixel_overlap(0.0, 0.0, 0.5), PI / 4.0);
        close(pixel_overlap(0.5, 0.5, 0.5), PI / 16.0);
        close(pixel_overlap(0.5, -0.5, 1.0), PI / 4.0);
        close(pixel_overlap(0.5, 0.0, 0.5), PI / 8.0);
        // 2 times the integral of sqrt(1 - y^2) - 1/2 from 0 to 1/2.
        close(pixel_overlap(1.0, 0.0, 1.0), 0.5 * 0.75f64.sqrt() + PI / 6.0 - 0.5);
    }

    #[test]
    fn tiny_and_huge_circles_keep_their_precision() {
        for r in [1e-9, 1e-6, 1e-3] {
            assert!((pixel_overlap(0.1, -0.2, r) / (PI * r * r) - 1.0).abs() < 1e-14);
            assert!((pixel_overlap(0.5, 0.1, r) / (PI * r * r / 2.0) - 1.0).abs() < 1e-14);
        }
        // The edge of a huge circle is straight: it cuts half of the pixel on which it lies, less a
        // sagitta of 1 / (24 r) on the average.
        let r = 1e6;
        assert!((pixel_overlap(r, 0.0, r) - (0.5 - 1.0 / (24.0 * r))).abs() < 1e-9);
    }

    #[test]
    fn the_series_meets_the_sine() {
        for t in [0.5f64, 0.6, 0.69999] {
            assert!((angle_less_sine(t) / (t - sin(t)) - 1.0).abs() < 1e-13);
        }
    }

    proptest! {
        #[test]
        fn areas_add_up_to_the_circle(x in -0.5..0.5f64, y in -0.5..0.5f64, r in 1e-6..40.0f64) {
            let reach = 42;
            let sum: f64 = (-reach..=reach)
                .flat_map(|j| (-reach..=reach).map(move |i| (f64::from(i), f64::from(j))))
                .map(|(i, j)| pixel_overlap(i - x, j - y, r))
                .sum();
            prop_assert!((sum / (PI * r * r) - 1.0).abs() < 1e-13, "{}", sum / (PI * r * r) - 1.0);
        }

        #[test]
        fn overlaps_are_symmetric_and_grow(dx in -6.0..6.0f64, dy in -6.0..6.0f64, r in 1e-3..6.0f64) {
            let area = pixel_overlap(dx, dy, r);
            prop_assert!((0.0..=1.0).contains(&area));
            for other in [pixel_overlap(-dx, dy, r), pixel_overlap(dx, -dy, r)] {
                prop_assert_eq!(other, area);
            }
            prop_assert!((pixel_overlap(dy, dx, r) - area).abs() < 1e-14);
            prop_assert!(pixel_overlap(dx, dy, r * 1.01) >= area - 1e-15);
        }
    }
}
