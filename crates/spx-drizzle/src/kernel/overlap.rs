//! The square kernel: the exact overlap of the projected, shrunken pixel with the output pixels
//! (Fruchter & Hook 2002, section 2).

use super::spatial::{SpatialKernel, Visitor};
use crate::droplet::{Droplet, Quad};
use crate::numbers::{floor, max, min};

/// `f = area of the overlap of droplet and output pixel / area of the droplet`, so that the shares
/// of a droplet add up to 1. The droplet is the quadrilateral whose corners are those of the
/// shrunken input pixel, each mapped by itself, joined by straight lines.
///
/// The corners must run once around the droplet in either direction. Where the map folds a pixel
/// onto itself its area is signed, and so are its shares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SquareKernel {
    reach: f64,
}

impl SquareKernel {
    /// Half an output pixel, and half the diagonal of the droplet with room for maps that stretch
    /// one axis.
    pub(crate) fn new(xy_shrink: f64, pixel_scale_ratio: f64) -> Self {
        Self { reach: 0.5 + 2.0 * xy_shrink / pixel_scale_ratio }
    }
}

impl SpatialKernel for SquareKernel {
    const CORNERS: bool = true;
    /// Rounding leaves some 1e-17 in pixels that a corner only touches.
    const LEAST: f64 = 1e-15;

    fn reach(&self) -> f64 {
        self.reach
    }

    #[inline(always)]
    fn reach_of(&self, center: [f64; 2], quad: &Quad) -> f64 {
        let far = |k: usize| max((quad[k][0] - center[0]).abs(), (quad[k][1] - center[1]).abs());
        0.5 + max(max(far(0), far(1)), max(far(2), far(3)))
    }

    #[inline(always)]
    fn shares(&self, _: &Droplet, quad: &Quad, scratch: &mut Vec<f64>, visitor: &mut impl Visitor) {
        let low = |k: usize| min(min(quad[0][k], quad[1][k]), min(quad[2][k], quad[3][k]));
        let high = |k: usize| max(max(quad[0][k], quad[1][k]), max(quad[2][k], quad[3][k]));
        let (x0, y0) = (floor(low(0) + 0.5), floor(low(1) + 0.5));
        let (x1, y1) = (floor(high(0) + 0.5), floor(high(1) + 0.5));
        let area = signed_area(quad);
        if area == 0.0 || area.is_nan() {
            return;
        }
        if x1 - x0 <= 1 && y1 - y0 <= 1 {
            return visitor.patch(x0, y0, &quarters(quad, [x0 as f64 + 0.5, y0 as f64 + 0.5], area));
        }
        let (left, bottom) = (x0 as f64 - 0.5, y0 as f64 - 0.5);
        let corners = quad.map(|[x, y]| [x - left, y - bottom]);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the droplet reaches few pixels"
        )]
        let (columns, rows) = ((x1 - x0 + 1) as usize, (y1 - y0 + 1) as usize);
        let mut cells = OverlapCells::new(columns, rows, scratch);
        for k in 0..4 {
            cells.add_edge(corners[k], corners[(k + 1) % 4]);
        }
        let scale = 1.0 / area;
        for (y, row) in (y0..).zip(cells.sums.chunks_exact_mut(columns + 1)) {
            let mut covered = 0.0;
            for cell in row.iter_mut() {
                covered += *cell;
                *cell = covered;
            }
            visitor.row(x0, y, scale, &row[..columns]);
        }
    }
}

/// The parts of a droplet's area in the four quadrants around a point, `[above][right]`.
///
/// By Green's theorem an area is the integral of x dy along its outline. That of the part right of
/// the point has max(x, 0) in place of x, that of the part above it only the pieces of the edges
/// above it. Along a straight piece from `a` to `b` the mean of max(x, 0) is `(a+ + b+)^2 / (2 (|a|
/// + |b|))`, where `a+ = max(a, 0)`. There are no branches, and the four edges go side by side.
#[inline(always)]
fn quarters(quad: &Quad, [x, y]: [f64; 2], area: f64) -> [[f64; 2]; 2] {
    // So small that it makes no difference but where both ends are at 0.
    const TINY: f64 = 1e-300;
    let (ax, ay) = (each(|k| quad[k][0] - x), each(|k| quad[k][1] - y));
    let (bx, by) = (each(|k| ax[(k + 1) % 4]), each(|k| ay[(k + 1) % 4]));
    // Twice the integral of max(x, 0) dy along pieces that end at these places and rise by so much.
    let integral = |ax: [f64; 4], bx: [f64; 4], height: [f64; 4]| {
        let positive = each(|k| max(ax[k], 0.0) + max(bx[k], 0.0));
        each(|k| height[k] * (positive[k] * positive[k]) / (ax[k].abs() + bx[k].abs() + TINY))
    };
    let right = integral(ax, bx, each(|k| by[k] - ay[k]));
    // Where an edge crosses the line through the point; ends above the line stay.
    let (a_far, b_far) = (each(|k| ay[k].abs()), each(|k| by[k].abs()));
    let crossing = each(|k| (ax[k] * b_far[k] + bx[k] * a_far[k]) / (a_far[k] + b_far[k] + TINY));
    let ax = each(|k| if ay[k] > 0.0 { ax[k] } else { crossing[k] });
    let bx = each(|k| if by[k] > 0.0 { bx[k] } else { crossing[k] });
    let height = each(|k| max(by[k], 0.0) - max(ay[k], 0.0));
    let above = each(|k| height[k] * (ax[k] + bx[k]));
    let above_right = integral(ax, bx, height);
    let scale = 0.5 / area;
    let sum = |parts: [f64; 4]| ((parts[0] + parts[2]) + (parts[1] + parts[3])) * scale;
    let (right, above, above_right) = (sum(right), sum(above), sum(above_right));
    [[1.0 - right - above + above_right, right - above_right], [above - above_right, above_right]]
}

/// Four numbers; what is computed so for all four edges goes through vector registers.
#[inline(always)]
fn each(of: impl Fn(usize) -> f64) -> [f64; 4] {
    [of(0), of(1), of(2), of(3)]
}

/// The area of a polygon by the shoelace formula, positive where the corners run against the clock.
fn signed_area(c: &Quad) -> f64 {
    0.5 * ((c[2][0] - c[0][0]) * (c[3][1] - c[1][1]) - (c[3][0] - c[1][0]) * (c[2][1] - c[0][1]))
}

/// Unit cells `[i, i+1) x [j, j+1)`, one column more than asked for; the area of a polygon in cell
/// i of a row is the sum of the row's values up to i, once all edges have been added.
///
/// By Green's theorem the area in a cell is the sum over all edges of the signed area between the
/// edge and the cell's right border; what an edge adds to its own cell and to all cells right of it
/// is kept as a difference.
struct OverlapCells<'a> {
    columns: usize,
    rows: usize,
    sums: &'a mut [f64],
}

impl<'a> OverlapCells<'a> {
    fn new(columns: usize, rows: usize, memory: &'a mut Vec<f64>) -> Self {
        memory.clear();
        memory.resize((columns + 1) * rows, 0.0);
        Self { columns, rows, sums: memory }
    }

    /// Adds the edge from `a` to `b`: row by row, in each row cell by cell. An edge upwards is a
    /// right side of a polygon whose corners run against the clock, so what lies to the right of it
    /// is taken away.
    #[inline(always)]
    fn add_edge(&mut self, a: [f64; 2], b: [f64; 2]) {
        if a[1] == b[1] {
            return;
        }
        let (low, high, sign) = if a[1] < b[1] { (a, b, -1.0) } else { (b, a, 1.0) };
        let slope = (high[0] - low[0]) / (high[1] - low[1]);
        let ([mut x, mut y], mut row) = (low, index(low[1]).min(self.rows - 1));
        let stride = self.columns + 1;
        loop {
            let border = (row + 1) as f64;
            let last = high[1] <= border;
            let [next_x, next_y] = if last { high } else { [low[0] + (border - low[1]) * slope, border] };
            self.add_piece(row * stride, [x, next_x], sign * (next_y - y));
            if last {
                return;
            }
            (x, y, row) = (next_x, next_y, row + 1);
        }
    }

    /// Adds a piece of an edge within a row, `height` tall with its sign.
    #[inline(always)]
    fn add_piece(&mut self, row: usize, [a, b]: [f64; 2], height: f64) {
        let (left, right) = if a < b { (a, b) } else { (b, a) };
        let first = index(left).min(self.columns - 1);
        let last = index(right).min(self.columns - 1);
        if first == last {
            return self.add_within(row + first, 0.5 * (left + right) - first as f64, height);
        }
        let per_column = height / (right - left);
        let mut x = left;
        for column in first..=last {
            let end = if column == last { right } else { (column + 1) as f64 };
            self.add_within(row + column, 0.5 * (x + end) - column as f64, per_column * (end - x));
            x = end;
        }
    }

    /// Adds a piece within a cell, whose middle is `middle` right of the cell's left border.
    #[inline(always)]
    fn add_within(&mut self, cell: usize, middle: f64, height: f64) {
        let beyond = height * middle;
        self.sums[cell] += height - beyond;
        self.sums[cell + 1] += beyond;
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions within the cells")]
#[inline(always)]
fn index(v: f64) -> usize {
    v.max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use spx_core::elementary::{cos, sin};

    use super::*;
    use crate::droplet::NO_QUAD;
    use crate::kernel::bilinear::tests::{at, shares_of};

    fn shares(quad: &Quad) -> Vec<(i64, i64, f64)> {
        let center = [0, 1].map(|k| 0.25 * quad.iter().map(|c| c[k]).sum::<f64>());
        shares_of(&SquareKernel::new(1.0, 1.0), &at(center[0], center[1]), quad)
    }

    /// The area of the part of a polygon in a pixel, by cutting it at the four sides of the pixel
    /// one after the other (Sutherland & Hodgman 1974).
    fn clipped(quad: &Quad, x: i64, y: i64) -> f64 {
        let (x, y) = (x as f64, y as f64);
        let sides: [(usize, f64, f64); 4] =
            [(0, 1.0, x + 0.5), (0, -1.0, -(x - 0.5)), (1, 1.0, y + 0.5), (1, -1.0, -(y - 0.5))];
        let mut polygon = quad.to_vec();
        for (axis, sign, limit) in sides {
            let beyond = |p: &[f64; 2]| sign * p[axis] - limit;
            let mut cut = Vec::new();
            for (k, p) in polygon.iter().enumerate() {
                let q = &polygon[(k + 1) % polygon.len()];
                let (a, b) = (beyond(p), beyond(q));
                if a <= 0.0 {
                    cut.push(*p);
                }
                if (a < 0.0 && b > 0.0) || (a > 0.0 && b < 0.0) {
                    let t = a / (a - b);
                    cut.push([p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])]);
                }
            }
            polygon = cut;
        }
        let next = polygon.iter().cycle().skip(1);
        0.5 * polygon.iter().zip(next).map(|(p, q)| p[0] * q[1] - q[0] * p[1]).sum::<f64>()
    }

    /// A convex quadrilateral: four points of an ellipse in order, or against it.
    fn convex() -> impl Strategy<Value = Quad> {
        let angles = prop::array::uniform4(0.0..std::f64::consts::TAU);
        let place = (-3.0..3.0f64, -3.0..3.0f64, 0.05..4.0f64, 0.05..4.0f64, any::<bool>(), any::<bool>());
        (angles, place).prop_map(|(mut angles, (x, y, a, b, reversed, on_grid))| {
            angles.sort_by(f64::total_cmp);
            if reversed {
                angles.reverse();
            }
            // The hard cases are corners and edges on the borders of pixels.
            let snap = |v: f64| if on_grid { (2.0 * v).round() / 2.0 } else { v };
            angles.map(|t| [snap(x + a * cos(t)), snap(y + b * sin(t))])
        })
    }

    proptest! {
        #[test]
        fn overlaps_are_those_of_clipping(quad in convex()) {
            let area = signed_area(&quad);
            // Corners moved onto the grid may have made it concave.
            let turns = (0..4).map(|k| {
                let [a, b, c] = [quad[k], quad[(k + 1) % 4], quad[(k + 2) % 4]];
                (b[0] - a[0]) * (c[1] - b[1]) - (c[0] - b[0]) * (b[1] - a[1])
            });
            prop_assume!(area.abs() > 1e-3 && turns.into_iter().all(|turn| turn * area >= 0.0));
            let all = shares(&quad);
            let sum: f64 = all.iter().map(|s| s.2).sum();
            prop_assert!((sum - 1.0).abs() < 1e-12, "{sum}");
            for x in -8..=8 {
                for y in -8..=8 {
                    let expected = clipped(&quad, x, y) / area;
                    let found = all.iter().find(|s| (s.0, s.1) == (x, y)).map_or(0.0, |s| s.2);
                    prop_assert!((found - expected).abs() < 1e-12, "({x}, {y}): {found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn a_pixel_on_the_grid_is_one_pixel() {
        let quad = [[2.5, 6.5], [3.5, 6.5], [3.5, 7.5], [2.5, 7.5]];
        assert_eq!(shares(&quad), [(3, 7, 1.0)]);
    }

    #[test]
    fn a_droplet_without_area_has_no_share() {
        assert_eq!(shares(&[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), []);
        assert_eq!(shares(&NO_QUAD), []);
    }
}
