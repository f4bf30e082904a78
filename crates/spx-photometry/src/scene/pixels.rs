//! The pixels that take part in the fit of a scene.

use std::ops::Range;

use super::columns::{SceneColumn, SceneColumns};
use super::{PointSpread, Scene, SceneBackground, SceneSource};
use crate::CircularAperture;
use crate::noise::NoiseLaw;
use crate::tile::PixelTile;

/// What becomes of a pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum PixelRole {
    /// No source is near.
    #[default]
    Idle,
    /// It takes part.
    Used,
    /// It is bad, not finite or without a variance.
    Masked,
    /// It is far from the model.
    Clipped,
}

/// Pixels of a rectangle, row by row.
#[derive(Debug, Default)]
pub(super) struct ScenePixels {
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
    pub(super) roles: Vec<PixelRole>,
    /// Surface brightness less the known background [MJy/sr].
    pub(super) data: Vec<f64>,
    /// Known light: foreground and background, which enter the variance [MJy/sr].
    known: Vec<f64>,
    /// Of the model; 0 where a pixel takes no part.
    pub(super) weights: Vec<f64>,
}

/// A model of the light, over the rectangle of the pixels.
#[derive(Debug, Default)]
pub(super) struct SceneModel {
    /// Sources and background [MJy/sr].
    pub(super) all: Vec<f64>,
    /// Light of sources above zero.
    pub(super) light: Vec<f64>,
    /// How far each pixel decides its own model, at least.
    pub(super) leverage: Vec<f64>,
    /// What errors of the positions of bright sources change [MJy/sr].
    pub(super) displaced: Vec<f64>,
}

impl ScenePixels {
    fn new([columns, rows]: [Range<usize>; 2]) -> Self {
        let count = columns.len() * rows.len();
        Self {
            columns,
            rows,
            roles: vec![PixelRole::Idle; count],
            data: vec![0.0; count],
            known: vec![0.0; count],
            weights: vec![0.0; count],
        }
    }

    /// Where a pixel stands.
    pub(super) fn index(&self, x: usize, y: usize) -> usize {
        (y - self.rows.start) * self.columns.len() + (x - self.columns.start)
    }

    /// A row of a plane, between two columns.
    pub(super) fn line<'p>(&self, plane: &'p [f64], columns: &Range<usize>, y: usize) -> &'p [f64] {
        &plane[self.index(columns.start, y)..][..columns.len()]
    }

    /// Adds a column times a value to a plane.
    pub(super) fn add(&self, plane: &mut [f64], column: &SceneColumn, value: f64) {
        for y in column.rows.clone() {
            let (scale, row) = column.row(y);
            let to = &mut plane[self.index(column.columns.start, y)..][..row.len()];
            to.iter_mut().zip(row).for_each(|(sum, share)| *sum += value * scale * share);
        }
    }

    /// Weights of a model [MJy/sr], which `light` holds and which is overwritten.
    pub(super) fn weigh(&mut self, light: Vec<f64>, law: NoiseLaw) {
        self.weights = light;
        for ((weight, known), role) in self.weights.iter_mut().zip(&self.known).zip(&self.roles) {
            let used = *role == PixelRole::Used;
            *weight = if used { 1.0 / law.variance(known + *weight) } else { 0.0 };
        }
    }

    /// Leaves pixels out that are far from the model, and takes others back; true where any
    /// changed.
    ///
    /// The model itself is not better than `CORE` of its light, and where sources are bright, than
    /// what an error of their positions changes. What a pixel pulls the model toward itself is
    /// allowed for.
    pub(super) fn clip(&mut self, model: &SceneModel, law: NoiseLaw, sigma: f64) -> bool {
        const CORE: f64 = 0.05;
        let mut changed = false;
        for k in 0..self.roles.len() {
            if !matches!(self.roles[k], PixelRole::Used | PixelRole::Clipped) {
                continue;
            }
            let variance = law.variance(self.known[k] + model.light[k]);
            let own = (model.leverage[k] * self.weights[k]).min(0.9);
            let tolerated = variance * (1.0 - own) + (CORE * model.light[k]).powi(2);
            let squared = (self.data[k] - model.all[k]).powi(2);
            let far = squared > sigma * sigma * tolerated + model.displaced[k].powi(2);
            let role = if far { PixelRole::Clipped } else { PixelRole::Used };
            changed |= role != self.roles[k];
            self.roles[k] = role;
        }
        changed
    }
}

impl<P: PointSpread> Scene<'_, P> {
    /// The pixels around sources, and the unknowns of their background, which are appended.
    pub(super) fn pixels(&self, sources: &[SceneSource], found: &mut SceneColumns) -> ScenePixels {
        let margin = match self.options.background {
            SceneBackground::None => 0.0,
            _ => self.options.background_margin,
        };
        let circle = |source: &SceneSource, margin: f64| {
            let ([x, y], radius) = (source.position, self.radius(source) + margin);
            CircularAperture { x, y, radius }
        };
        let ordered: Vec<&SceneSource> = found.order.iter().map(|k| &sources[*k]).collect();
        let shape = self.image.view.shape;
        let circles = ordered.iter().map(|source| circle(source, margin).bounds(shape));
        let near = circles.reduce(union).unwrap_or([0..0, 0..0]);
        found.all.extend(self.background_columns(&near));
        let rectangles = found.all.iter().map(|column| [column.columns.clone(), column.rows.clone()]);
        let mut pixels = ScenePixels::new(rectangles.fold(near, union));
        let mut tile = PixelTile::default();
        for (extra, left_out) in [(0.0, self.bad), (margin, self.bad | self.source)] {
            if extra > 0.0 || left_out == self.bad {
                for source in &ordered {
                    self.claim(&circle(source, extra), left_out, &mut tile, &mut pixels);
                }
            }
        }
        pixels
    }

    /// Gives the pixels of a circle their roles, those that have none yet.
    fn claim(
        &self,
        circle: &CircularAperture,
        left_out: u32,
        tile: &mut PixelTile,
        pixels: &mut ScenePixels,
    ) {
        let shape = self.image.view.shape;
        let bounds = circle.bounds(shape);
        self.image.copy(bounds.clone(), tile);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the image")]
        let nearest = |c: f64, n: usize| (c.round().max(0.0) as usize).min(n - 1);
        // That at the source: a foreground is smooth.
        let foreground = self.image.foreground(nearest(circle.x, shape[1]), nearest(circle.y, shape[0]));
        let foreground = if foreground.is_finite() { foreground } else { 0.0 };
        for_each_within(circle, &bounds, |x, y| {
            let at = pixels.index(x, y);
            if pixels.roles[at] == PixelRole::Idle {
                let pixel = tile.at(x, y);
                let measured = pixel.variance > 0.0 && pixel.variance.is_finite();
                let usable = pixel.flags & left_out == 0 && pixel.value.is_finite() && measured;
                pixels.roles[at] = if usable { PixelRole::Used } else { PixelRole::Masked };
                if usable {
                    pixels.data[at] = pixel.value - self.known[0];
                    pixels.known[at] = foreground + self.known[0];
                }
            }
        });
    }
}

/// Calls `visit(x, y)` for the pixels whose centers lie within a circle.
pub(super) fn for_each_within(
    circle: &CircularAperture,
    [columns, rows]: &[Range<usize>; 2],
    mut visit: impl FnMut(usize, usize),
) {
    for y in rows.clone() {
        let dy = y as f64 - circle.y;
        for x in columns.clone() {
            let dx = x as f64 - circle.x;
            if dx * dx + dy * dy <= circle.radius * circle.radius {
                visit(x, y);
            }
        }
    }
}

fn union(a: [Range<usize>; 2], b: [Range<usize>; 2]) -> [Range<usize>; 2] {
    let empty = |rectangle: &[Range<usize>; 2]| rectangle.iter().any(Range::is_empty);
    if empty(&a) {
        return b;
    }
    if empty(&b) {
        return a;
    }
    std::array::from_fn(|k| a[k].start.min(b[k].start)..a[k].end.max(b[k].end))
}
