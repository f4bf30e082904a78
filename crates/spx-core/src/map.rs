//! How a resampler asks where an input pixel lies on the output grid and which light it saw.

use std::ops::Range;

/// Columns of an input image, row by row: which pixels can reach an output grid.
///
/// `spans[y]` is the half-open range of columns of row `y`; an empty range means no pixel of that
/// row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans(pub Vec<Range<usize>>);

impl Spans {
    /// Every pixel of an image of shape `[ny, nx]`.
    pub fn whole([ny, nx]: [usize; 2]) -> Self {
        Self(vec![0..nx; ny])
    }

    /// Those of them in a bounding box of half-open ranges.
    #[must_use]
    pub fn within(self, columns: Range<usize>, rows: Range<usize>) -> Self {
        let cut = |(y, span): (usize, Range<usize>)| {
            let (start, end) = (span.start.max(columns.start), span.end.min(columns.end));
            if rows.contains(&y) && start < end { start..end } else { 0..0 }
        };
        Self(self.0.into_iter().enumerate().map(cut).collect())
    }

    /// The half-open range of rows from the first to the last that is not empty; `0..0` where all
    /// are.
    pub fn rows(&self) -> Range<usize> {
        let used = |r: &Range<usize>| !r.is_empty();
        match (self.0.iter().position(used), self.0.iter().rposition(used)) {
            (Some(first), Some(last)) => first..last + 1,
            _ => 0..0,
        }
    }

    /// True where no pixel is left.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Range::is_empty)
    }

    /// The number of pixels.
    pub fn pixels(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }
}

/// Input pixel to output pixel.
pub trait PixelMap: Sync {
    /// Output position `[x, y]` [px, 0-based, integers at centers] of the input position `(x, y)`
    /// [same convention], `None` where it has none (behind the tangent plane, outside the map's
    /// domain).
    fn map(&self, x: f64, y: f64) -> Option<[f64; 2]>;

    /// Maps `(x0 + k, y)` for `k` in `0..out.len()`; positions without an image become NaN.
    ///
    /// Must give the same bits as [`map`](Self::map) at every position.
    fn map_row(&self, x0: f64, y: f64, out: &mut [[f64; 2]]) {
        // Only counters of 32 bits convert to floating point in vector registers.
        for (position, k) in out.iter_mut().zip(0_i32..) {
            *position = self.map(x0 + f64::from(k), y).unwrap_or([f64::NAN; 2]);
        }
    }

    /// The input pixels, of an image of shape `input` = `[ny, nx]`, that may come within `margin`
    /// pixels of an output grid of shape `output` = `[ny, nx]`. May name more, never fewer; the
    /// default names all.
    fn spans(&self, input: [usize; 2], output: [usize; 2], margin: f64) -> Spans {
        let _ = (output, margin);
        Spans::whole(input)
    }
}

/// The light that a pixel sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passband {
    /// Central wavelength \[um\].
    pub center: f64,
    /// Full width \[um\].
    pub width: f64,
}

/// Input pixel to passband.
pub trait WavelengthMap: Sync {
    /// The passband at the input position `(x, y)` [px, 0-based, integers at centers]; NaN where
    /// unknown.
    fn passband(&self, x: f64, y: f64) -> Passband;

    /// The passbands at `(x0 + k, y)` for `k` in `0..out.len()`.
    ///
    /// Must give the same bits as [`passband`](Self::passband) at every position.
    fn passband_row(&self, x0: f64, y: f64, out: &mut [Passband]) {
        for (band, k) in out.iter_mut().zip(0_i32..) {
            *band = self.passband(x0 + f64::from(k), y);
        }
    }
}

/// All pixels see the same light.
impl WavelengthMap for Passband {
    fn passband(&self, _: f64, _: f64) -> Passband {
        *self
    }

    fn passband_row(&self, _: f64, _: f64, out: &mut [Passband]) {
        out.fill(*self);
    }
}
