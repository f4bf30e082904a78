//! Zones whose centers form a grid, and which of them surround a position.

/// Centers differ by more than this from one column or row to the next \[px\].
const APART: f64 = 1.0;

/// A rectangular grid of centers.
#[derive(Debug)]
pub(super) struct ZoneGrid {
    /// Of the columns, increasing \[px\].
    x: Vec<f64>,
    /// Of the rows.
    y: Vec<f64>,
    /// Numbers of the zones, `[row][column]`.
    zones: Vec<usize>,
}

impl ZoneGrid {
    /// `None` where the centers form no grid.
    pub(super) fn of(centers: &[[f64; 2]]) -> Option<Self> {
        let (x, y) = (distinct(centers.iter().map(|c| c[0])), distinct(centers.iter().map(|c| c[1])));
        let mut zones = vec![usize::MAX; x.len() * y.len()];
        if zones.len() != centers.len() {
            return None;
        }
        for (zone, center) in centers.iter().enumerate() {
            zones[nearest(&y, center[1]) * x.len() + nearest(&x, center[0])] = zone;
        }
        (!zones.contains(&usize::MAX)).then_some(Self { x, y, zones })
    }

    fn zone(&self, column: usize, row: usize) -> usize {
        self.zones[row * self.x.len() + column]
    }

    /// The zone whose center is nearest.
    pub(super) fn nearest(&self, [x, y]: [f64; 2]) -> usize {
        self.zone(nearest(&self.x, x), nearest(&self.y, y))
    }

    /// Shares of the four zones around a position; beyond the outermost centers as on the edge
    /// between them.
    pub(super) fn bilinear(&self, [x, y]: [f64; 2]) -> [(f64, usize); 4] {
        let ([i0, i1], u) = between(&self.x, x);
        let ([j0, j1], v) = between(&self.y, y);
        [
            ((1.0 - u) * (1.0 - v), self.zone(i0, j0)),
            (u * (1.0 - v), self.zone(i1, j0)),
            ((1.0 - u) * v, self.zone(i0, j1)),
            (u * v, self.zone(i1, j1)),
        ]
    }
}

fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup_by(|next, kept| *next - *kept < APART);
    sorted
}

/// The two around a value, the same twice beyond the ends, and how far it lies from the first to
/// the second.
fn between(sorted: &[f64], value: f64) -> ([usize; 2], f64) {
    let after = sorted.partition_point(|center| *center <= value);
    match after {
        0 => ([0, 0], 0.0),
        _ if after == sorted.len() => ([after - 1, after - 1], 0.0),
        _ => {
            let (low, high) = (sorted[after - 1], sorted[after]);
            ([after - 1, after], (value - low) / (high - low))
        }
    }
}

/// The number of the nearest, the lower of two.
fn nearest(sorted: &[f64], value: f64) -> usize {
    let ([low, high], share) = between(sorted, value);
    if share > 0.5 { high } else { low }
}
