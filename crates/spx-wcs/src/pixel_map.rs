//! Input pixel to output pixel by the projective shortcut.
//!
//! Two gnomonic projections (Calabretta & Greisen 2002, section 5.1.3) are central projections of
//! one sphere onto two planes, hence related by a projective map: after the SIP polynomials one 3 x
//! 3 matrix and one division lead from the input image to the output grid, without any
//! trigonometry.
//!
//! For a fixed row, A(u, v) and B(u, v) are polynomials in u alone, and so are the three
//! homogeneous coordinates of the output position. A row therefore costs three cubics and a
//! division a pixel.
//!
//! Of a grid in another projection these coordinates are directions in its native frame, which the
//! projection takes to its plane.

use std::ops::Range;

use spx_core::map::{PixelMap, Spans};

use crate::celestial::{CelestialWcs, Matrix2};
use crate::grid::OutputGrid;
use crate::projection::Matrix3;
use crate::projection::SkyProjection;
use crate::sip::{MAX_TERMS, Polynomial};

/// The map from an input image to an output grid.
///
/// Positions 90 degrees or more from the reference position of a grid in TAN or SIN have no image.
/// Pixels are 0-based with integers at pixel centers.
#[derive(Debug, Clone, PartialEq)]
pub struct GridMap {
    /// CRPIX of the input, 0-based \[px\].
    crpix: [f64; 2],
    /// A and B of the input.
    sip: Option<[Polynomial; 2]>,
    /// To the pixels of the output where this is TAN, else to its native directions.
    homography: Matrix3,
    /// What takes native directions to pixels; `None` for TAN.
    projected: Option<ProjectedPlane>,
    output: [usize; 2],
    /// Input pixel side over output pixel side.
    ratio: f64,
}

impl GridMap {
    /// The map from `input` to `output`.
    ///
    /// `input` is TAN, as spectral images are.
    pub fn new(input: &CelestialWcs, output: &OutputGrid) -> Self {
        let (to, projection) = (output.wcs(), output.wcs().projection());
        let projected = (projection != SkyProjection::Tan).then(|| ProjectedPlane {
            projection,
            inverse: to.inverse(),
            crpix: to.crpix(),
        });
        Self {
            crpix: input.crpix(),
            sip: input.sip().map(|sip| sip.forward().clone()),
            homography: if projected.is_some() { input.to_native(to) } else { input.homography(to) },
            projected,
            output: output.shape(),
            ratio: input.scale() / output.wcs().scale(),
        }
    }

    /// False where no pixel of an input image of shape `[ny, nx]` comes near the grid (within 4
    /// input and 4 output pixels, more than any kernel reaches), so that the image need not be
    /// read. May be true where none does. Takes about 0.15 ms for a full frame.
    pub fn may_overlap(&self, input_shape: [usize; 2]) -> bool {
        !self.spans(input_shape, self.output, 4.0 + 4.0 * self.ratio).is_empty()
    }

    /// The polynomials of a row. `N` must exceed the order of the distortion and 1.
    fn row<const N: usize>(&self, y: f64) -> GridMapRow<N> {
        let v = y - self.crpix[1];
        let (mut u_terms, mut v_terms) = match &self.sip {
            Some([a, b]) => (a.row::<N>(v), b.row::<N>(v)),
            None => ([0.0; N], [0.0; N]),
        };
        u_terms[1] += 1.0;
        v_terms[0] += v;
        let terms = self.homography.map(|[by_u, by_v, constant]| {
            let mut out = [0.0; N];
            for (p, term) in out.iter_mut().enumerate() {
                *term = by_u * u_terms[p] + by_v * v_terms[p];
            }
            out[0] += constant;
            out
        });
        GridMapRow { crpix: self.crpix[0], terms, projected: self.projected }
    }

    /// The order of the distortion.
    fn order(&self) -> usize {
        self.sip.as_ref().map_or(0, |[a, b]| a.order().max(b.order()))
    }
}

impl PixelMap for GridMap {
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let mut out = [[0.0; 2]];
        self.map_row(x, y, &mut out);
        let [[x, y]] = out;
        (!x.is_nan() && !y.is_nan()).then_some([x, y])
    }

    fn map_row(&self, x0: f64, y: f64, out: &mut [[f64; 2]]) {
        match self.order() {
            0..=1 => self.row::<2>(y).fill(x0, out),
            2..=3 => self.row::<4>(y).fill(x0, out),
            _ => self.row::<MAX_TERMS>(y).fill(x0, out),
        }
    }

    /// Decided for blocks of 16 x 16 pixels by the bounding box of their corners' images,
    /// generously grown. Blocks with some corners behind the tangent plane are kept, those with all
    /// are not.
    fn spans(&self, input: [usize; 2], output: [usize; 2], margin: f64) -> Spans {
        let mut spans = Spans(vec![0..0; input[0]]);
        if input.contains(&0) {
            return spans;
        }
        let (columns, rows) = (stations(input[1]), stations(input[0]));
        let blocks = InputBlocks { columns: &columns, output, margin };
        let mut below = self.sample(&columns, rows[0]);
        for pair in rows.windows(2) {
            let above = self.sample(&columns, pair[1]);
            if let Some([first, last]) = blocks.kept(&below, &above) {
                for span in &mut spans.0[pair[0]..=pair[1]] {
                    *span = if Range::is_empty(span) {
                        first..last + 1
                    } else {
                        span.start.min(first)..span.end.max(last + 1)
                    };
                }
            }
            below = above;
        }
        spans
    }
}

impl GridMap {
    /// Output positions of the given columns of a row.
    fn sample(&self, columns: &[usize], row: usize) -> Vec<[f64; 2]> {
        let polynomials = self.row::<MAX_TERMS>(row as f64);
        columns.iter().map(|&x| polynomials.at(x as f64)).collect()
    }
}

/// From native directions of a projection to pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ProjectedPlane {
    projection: SkyProjection,
    inverse: Matrix2,
    crpix: [f64; 2],
}

impl ProjectedPlane {
    /// NaN where the direction has no image.
    fn pixel(&self, native: [f64; 3]) -> [f64; 2] {
        let Some([x, y]) = self.projection.point(native) else { return [f64::NAN; 2] };
        let [[a, b], [c, d]] = self.inverse;
        [self.crpix[0] + a * x + b * y, self.crpix[1] + c * x + d * y]
    }
}

/// The homogeneous output coordinates X, Y, W of one input row as polynomials in u = x - CRPIX.
struct GridMapRow<const N: usize> {
    crpix: f64,
    terms: [[f64; N]; 3],
    projected: Option<ProjectedPlane>,
}

impl<const N: usize> GridMapRow<N> {
    #[inline(always)]
    fn homogeneous(&self, x: f64) -> [f64; 3] {
        let u = x - self.crpix;
        self.terms.map(|terms| {
            let mut sum = terms[N - 1];
            for term in terms[..N - 1].iter().rev() {
                sum = sum * u + term;
            }
            sum
        })
    }

    /// The position on a tangent plane; NaN where W <= 0: behind it.
    #[inline(always)]
    fn on_tangent_plane(&self, x: f64) -> [f64; 2] {
        let [x, y, w] = self.homogeneous(x);
        let inverse = if w > 0.0 { 1.0 / w } else { f64::NAN };
        [x * inverse, y * inverse]
    }

    /// The position of a column; NaN where it has none.
    fn at(&self, x: f64) -> [f64; 2] {
        match &self.projected {
            None => self.on_tangent_plane(x),
            Some(plane) => plane.pixel(self.homogeneous(x)),
        }
    }

    /// The positions `x0 + k`. The counter is 32 bits wide because only those convert to floating
    /// point in vector registers; a row is far shorter.
    fn fill(&self, x0: f64, out: &mut [[f64; 2]]) {
        match &self.projected {
            None => {
                for (position, k) in out.iter_mut().zip(0_i32..) {
                    *position = self.on_tangent_plane(x0 + f64::from(k));
                }
            }
            Some(plane) => {
                for (position, k) in out.iter_mut().zip(0_i32..) {
                    *position = plane.pixel(self.homogeneous(x0 + f64::from(k)));
                }
            }
        }
    }
}

/// Side of the blocks that [`GridMap::spans`] decides about \[px\].
const BLOCK: usize = 16;

/// Every 16th pixel of a side of `n > 0`, and the last; at least two, equal where `n` is 1.
fn stations(n: usize) -> Vec<usize> {
    let mut out: Vec<usize> = (0..n - 1).step_by(BLOCK).collect();
    out.push(n - 1);
    if out.len() == 1 {
        out.push(n - 1);
    }
    out
}

/// Decides which blocks of the input come near the output.
///
/// A block reaches as far as the bounding box of its corners, grown by 1 px and a quarter of its
/// size. The deviation of the map from a bilinear one inside a block is at most B^2/8 of its second
/// derivatives; on a SPHEREx frame that is 0.001 px, and a quarter of the size allows for a
/// relative change of scale of 2 across one block.
struct InputBlocks<'a> {
    columns: &'a [usize],
    output: [usize; 2],
    margin: f64,
}

impl InputBlocks<'_> {
    /// First and last column of the kept blocks between two sampled rows.
    fn kept(&self, below: &[[f64; 2]], above: &[[f64; 2]]) -> Option<[usize; 2]> {
        let near = |k: &usize| self.near([below[*k], below[*k + 1], above[*k], above[*k + 1]]);
        let blocks = self.columns.len() - 1;
        let first = (0..blocks).find(near)?;
        let last = (0..blocks).rfind(near)?;
        Some([self.columns[first], self.columns[last + 1]])
    }

    /// Whether a block may come within the margin of the output. In doubt, where some corners have
    /// no image, it does; where none has, it does not.
    fn near(&self, corners: [[f64; 2]; 4]) -> bool {
        let missing = corners.iter().filter(|corner| corner[0].is_nan()).count();
        if missing > 0 {
            return missing < 4;
        }
        let [ny, nx] = self.output;
        [nx, ny].into_iter().enumerate().all(|(axis, n)| {
            let low = corners.iter().map(|c| c[axis]).fold(f64::INFINITY, f64::min);
            let high = corners.iter().map(|c| c[axis]).fold(f64::NEG_INFINITY, f64::max);
            let grow = self.margin + 1.0 + 0.25 * (high - low);
            !(high + grow < -0.5 || low - grow > n as f64 - 0.5)
        })
    }
}
