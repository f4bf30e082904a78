//! What the unknowns of a scene put into pixels, and which of them share pixels.

use std::ops::Range;

use spx_core::progress::Progress;

use super::fit::COLUMNS;
use super::{PointSpread, Scene, SceneBackground, SceneSource};
use crate::ProfileTile;
use crate::aperture::clip;

/// More sources than this on one pixel are measured as one.
const SHARED_PIXEL: usize = 16;
/// Side of the cells in which overlapping rectangles are looked for \[px\].
const CELL: usize = 16;

/// An unknown: its value times this is what it puts into the pixels of a rectangle.
#[derive(Debug, Clone)]
pub(super) struct SceneColumn {
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
    form: ColumnForm,
}

#[derive(Debug, Clone)]
enum ColumnForm {
    /// One value a pixel, row by row.
    Profile(Vec<f64>),
    /// The product of a value for each column and one for each row.
    Product { along_x: Vec<f64>, along_y: Vec<f64> },
}

impl SceneColumn {
    /// A row, which must lie in the rectangle, and what to multiply it with.
    pub(super) fn row(&self, y: usize) -> (f64, &[f64]) {
        let (width, nth) = (self.columns.len(), y - self.rows.start);
        match &self.form {
            ColumnForm::Profile(values) => (1.0, &values[nth * width..][..width]),
            ColumnForm::Product { along_x, along_y } => (along_y[nth], along_x),
        }
    }

    /// Its value in a pixel; 0 off the rectangle.
    pub(super) fn at(&self, x: usize, y: usize) -> f64 {
        if !(self.columns.contains(&x) && self.rows.contains(&y)) {
            return 0.0;
        }
        let (scale, row) = self.row(y);
        scale * row[x - self.columns.start]
    }

    /// Its middle \[px\].
    pub(super) fn place(&self) -> [f64; 2] {
        [&self.columns, &self.rows].map(|range| 0.5 * (range.start + range.end) as f64)
    }
}

/// Sources that are one unknown: numbers of sources as they were given.
#[derive(Debug, Clone)]
pub(super) struct SourceUnknown {
    pub(super) members: Range<usize>,
    /// Radius within which pixels are its own \[px\].
    pub(super) radius: f64,
}

/// Everything that is fitted.
#[derive(Debug, Default)]
pub(super) struct SceneColumns {
    /// Sources first, then the background.
    pub(super) all: Vec<SceneColumn>,
    pub(super) sources: Vec<SourceUnknown>,
    /// Numbers of the sources as they were given, in the order of the fit.
    pub(super) order: Vec<usize>,
}

impl<P: PointSpread> Scene<'_, P> {
    /// Unknowns for the sources that can be fitted; `usable` tells which. `None` where the user
    /// asks to stop.
    pub(super) fn source_columns(
        &self,
        sources: &[SceneSource],
        usable: &[bool],
        progress: &dyn Progress,
    ) -> Option<SceneColumns> {
        let mut order: Vec<usize> = (0..sources.len()).filter(|k| usable[*k]).collect();
        order.sort_unstable_by(|a, b| sort_key(&sources[*a]).cmp(&sort_key(&sources[*b])).then(a.cmp(b)));
        let mut found = SceneColumns { order, ..SceneColumns::default() };
        let (mut tile, mut start) = (ProfileTile::default(), 0);
        while start < found.order.len() {
            if found.all.len().is_multiple_of(COLUMNS) && progress.cancelled() {
                return None;
            }
            let key = |k: usize| sort_key(&sources[found.order[k]]);
            let on_pixel = (start..found.order.len()).take_while(|k| key(*k).0 == key(start).0).count();
            let same = (start..found.order.len()).take_while(|k| key(*k) == key(start)).count();
            let members = start..start + if on_pixel > SHARED_PIXEL { on_pixel } else { same };
            // Equal sources have equal profiles.
            let given = if members.len() == same { start..start + 1 } else { members.clone() };
            let profiles = found.order[given].iter().map(|k| &sources[*k]);
            found.all.push(self.mean_profile(profiles, &mut tile));
            let radius = self.radius(&sources[found.order[start]]);
            start = members.end;
            found.sources.push(SourceUnknown { members, radius });
        }
        Some(found)
    }

    /// Radius within which pixels belong to a source \[px\].
    pub(super) fn radius(&self, source: &SceneSource) -> f64 {
        self.options.fit_radius + source.shape.map_or(0.0, |shape| (2.0 * shape.r_eff()).min(24.0))
    }

    /// The pixels that a source reaches; `None` where the point spread function is not known.
    pub(super) fn rectangle(&self, source: &SceneSource) -> Option<[Range<usize>; 2]> {
        let psf = self.psf.reach(source.position)?;
        let reach = source.shape.map_or(psf, |shape| {
            let fitted = self.radius(source) + self.options.background_margin;
            (psf + shape.reach()).max(fitted)
        });
        let [ny, nx] = self.image.view.shape;
        let along = |center: f64, n: usize| clip((center - reach).ceil(), (center + reach).floor(), n);
        Some([along(source.position[0], nx), along(source.position[1], ny)])
    }

    fn mean_profile<'s>(
        &self,
        sources: impl ExactSizeIterator<Item = &'s SceneSource> + Clone,
        tile: &mut ProfileTile,
    ) -> SceneColumn {
        let count = sources.len() as f64;
        let mut bounds: Option<[Range<usize>; 2]> = None;
        for [columns, rows] in sources.clone().filter_map(|source| self.rectangle(source)) {
            bounds = Some(match bounds {
                None => [columns, rows],
                Some([c, r]) => [join(&c, &columns), join(&r, &rows)],
            });
        }
        let [columns, rows] = bounds.unwrap_or([0..0, 0..0]);
        let mut values = vec![0.0; columns.len() * rows.len()];
        for source in sources {
            tile.reset([columns.clone(), rows.clone()]);
            match source.shape {
                Some(shape) => {
                    let reach = self.psf.reach(source.position).unwrap_or_default();
                    shape.fill(&self.psf, source.position, reach, tile);
                }
                None => self.psf.fill(source.position, tile),
            }
            values.iter_mut().zip(tile.shares()).for_each(|(sum, share)| *sum += share);
        }
        values.iter_mut().for_each(|value| *value /= count);
        SceneColumn { columns, rows, form: ColumnForm::Profile(values) }
    }

    /// Unknowns of the background on the patches that a rectangle touches.
    pub(super) fn background_columns(&self, [columns, rows]: &[Range<usize>; 2]) -> Vec<SceneColumn> {
        let [ny, nx] = self.image.view.shape;
        let patch = self.options.patch;
        if columns.is_empty() || rows.is_empty() {
            return Vec::new();
        }
        let cells = |range: &Range<usize>| range.start / patch..=(range.end - 1) / patch;
        let within = |cell: usize, n: usize| cell * patch..((cell + 1) * patch).min(n);
        let mut found = Vec::new();
        let mut product =
            |columns: &Range<usize>, rows: &Range<usize>, along_x: Vec<f64>, along_y: Vec<f64>| {
                let form = ColumnForm::Product { along_x, along_y };
                found.push(SceneColumn { columns: columns.clone(), rows: rows.clone(), form });
            };
        // From -1 to 1 over a patch.
        let ramp = |range: &Range<usize>| -> Vec<f64> {
            let middle = 0.5 * (range.start + range.end - 1) as f64;
            range.clone().map(|k| (k as f64 - middle) / (0.5 * patch as f64)).collect()
        };
        let hat = |node: usize, n: usize| -> (Range<usize>, Vec<f64>) {
            let range = (node * patch).saturating_sub(patch - 1)..((node + 1) * patch).min(n);
            let values =
                range.clone().map(|k| 1.0 - k.abs_diff(node * patch) as f64 / patch as f64).collect();
            (range, values)
        };
        let ones = |range: &Range<usize>| vec![1.0; range.len()];
        match self.options.background {
            SceneBackground::None => {}
            SceneBackground::Constant | SceneBackground::Plane => {
                for (j, i) in cells(rows).flat_map(|j| cells(columns).map(move |i| (j, i))) {
                    let (x, y) = (within(i, nx), within(j, ny));
                    product(&x, &y, ones(&x), ones(&y));
                    if self.options.background == SceneBackground::Plane {
                        product(&x, &y, ramp(&x), ones(&y));
                        product(&x, &y, ones(&x), ramp(&y));
                    }
                }
            }
            SceneBackground::Nodes => {
                let nodes = |range: &Range<usize>| range.start / patch..=(range.end - 1) / patch + 1;
                for (j, i) in nodes(rows).flat_map(|j| nodes(columns).map(move |i| (j, i))) {
                    let ((x, along_x), (y, along_y)) = (hat(i, nx), hat(j, ny));
                    if !x.is_empty() && !y.is_empty() {
                        product(&x, &y, along_x, along_y);
                    }
                }
            }
        }
        found
    }
}

/// Pairs of columns whose rectangles overlap.
pub(super) fn overlapping(all: &[SceneColumn]) -> Vec<(usize, usize)> {
    let right = all.iter().map(|column| column.columns.end).max().unwrap_or_default();
    let wide = right / CELL + 1;
    let cells = |column: &SceneColumn| {
        let along = |range: &Range<usize>| range.start / CELL..range.end.div_ceil(CELL);
        let columns = along(&column.columns);
        along(&column.rows).flat_map(move |y| columns.clone().map(move |x| y * wide + x))
    };
    let empty = |column: &SceneColumn| column.columns.is_empty() || column.rows.is_empty();
    let mut filed: Vec<(usize, usize)> = Vec::new();
    for (k, column) in all.iter().enumerate().filter(|(_, column)| !empty(column)) {
        filed.extend(cells(column).map(|cell| (cell, k)));
    }
    filed.sort_unstable();
    let mut pairs = Vec::new();
    for members in filed.chunk_by(|a, b| a.0 == b.0) {
        for (n, (cell, a)) in members.iter().enumerate() {
            for (_, b) in &members[n + 1..] {
                let (one, other) = (&all[*a], &all[*b]);
                let corner =
                    [one.columns.start.max(other.columns.start), one.rows.start.max(other.rows.start)];
                let meet = corner[0] < one.columns.end.min(other.columns.end)
                    && corner[1] < one.rows.end.min(other.rows.end);
                // Each pair once: in the cell of the corner of what they share.
                if meet && *cell == corner[1] / CELL * wide + corner[0] / CELL {
                    pairs.push((*a, *b));
                }
            }
        }
    }
    pairs
}

fn join(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    if a.is_empty() {
        return b.clone();
    }
    if b.is_empty() { a.clone() } else { a.start.min(b.start)..a.end.max(b.end) }
}

/// The pixel of a source, then all that distinguishes it from another.
type SortKey = ([i64; 2], [u64; 2], Option<[u64; 5]>);

/// An order that does not depend on how sources are listed.
fn sort_key(source: &SceneSource) -> SortKey {
    let ordered = |value: f64| {
        let bits = value.to_bits();
        // Negative numbers in reverse, before the others.
        if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
    };
    #[expect(clippy::cast_possible_truncation, reason = "saturates far off the image")]
    let pixel = |c: f64| c.round() as i64;
    let [x, y] = source.position;
    let shape = source.shape.map(|shape| shape.key().map(ordered));
    ([pixel(y), pixel(x)], [ordered(y), ordered(x)], shape)
}
