//! The fit of a scene: rounds of weights, normal equations and solution, then errors.

use std::ops::Range;

use spx_core::elementary::hypot;
use spx_core::progress::{Progress, Silent};
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;

use super::columns::{SceneColumn, SceneColumns, SourceUnknown, overlapping};
use super::dissection::EliminationPlan;
use super::factor::{FactoredSystem, NeighborInverse};
use super::normal::{Neighbors, NormalEquations, dot};
use super::pixels::{PixelRole, SceneModel, ScenePixels, for_each_within};
use super::{NoSceneFlux, PointSpread, Scene, SceneFlux, SceneSource};
use crate::noise::NoiseLaw;
use crate::psf::fill_error;
use crate::tile::PixelTile;
use crate::{CircularAperture, ProfileTile};

/// Rounds of weights and solution; of a bright source two are enough.
const ROUNDS: usize = 3;
/// Further rounds where pixels were clipped.
const CLIPPING_ROUNDS: usize = 2;
/// A flux of so many standard deviations enters the variance by half; see `psf_flux.rs`.
const HALF: f64 = 3.0;
/// Positions may be off by this \[px\] without pixels of bright sources being clipped, those of so
/// many standard deviations and more.
const POSITION_ERROR: f64 = 0.15;
const BRIGHT: f64 = 15.0;
/// A source is damped where less than this share of its information is its own.
const LEAST_UNIQUE: f64 = 1e-3;
/// By how much, in units of its information.
const DAMPING: f64 = 1e-3;

/// Unknowns that are worked at between two looks at whether the user has asked to stop.
pub(super) const COLUMNS: usize = 64;

/// The fluxes of a scene, and its model.
#[derive(Debug)]
pub struct SceneFit {
    /// In the order in which the sources were given.
    pub fluxes: Vec<Result<SceneFlux, NoSceneFlux>>,
    columns: SceneColumns,
    values: Vec<f64>,
    known: f64,
    pixels: ScenePixels,
}

/// The solution of the last round.
struct SceneSolution {
    values: Vec<f64>,
    inverse: NeighborInverse,
    damped: Vec<bool>,
    /// What the error of the known background adds.
    background_errors: Vec<f64>,
}

/// What the unknowns have to do with each other.
struct SceneGraph {
    neighbors: Neighbors,
    plan: EliminationPlan,
}

impl<P: PointSpread> Scene<'_, P> {
    /// Fits the fluxes of sources.
    ///
    /// Sources without a flux have the reason, and leave the others what they are. The same sources
    /// in another order have the same bits.
    pub fn fit(&self, sources: &[SceneSource]) -> SceneFit {
        self.fit_attended(sources, &Silent)
    }

    /// As [`fit`](Self::fit); where `progress` asks to stop, no source has a flux.
    pub fn fit_attended(&self, sources: &[SceneSource], progress: &dyn Progress) -> SceneFit {
        let mut fluxes: Vec<Result<SceneFlux, NoSceneFlux>> =
            sources.iter().map(|source| Err(self.verdict(source))).collect();
        let Some(law) = self.law else {
            fluxes.iter_mut().for_each(|flux| *flux = Err(NoSceneFlux::NoVariance));
            return SceneFit::without_sources(fluxes, self.known[0]);
        };
        let usable: Vec<bool> = fluxes.iter().map(|f| matches!(f, Err(NoSceneFlux::Masked { .. }))).collect();
        let stopped = |mut fluxes: Vec<Result<SceneFlux, NoSceneFlux>>| {
            fluxes.fill(Err(NoSceneFlux::Stopped));
            SceneFit::without_sources(fluxes, self.known[0])
        };
        let Some(mut columns) = self.source_columns(sources, &usable, progress) else {
            return stopped(fluxes);
        };
        let mut pixels = self.pixels(sources, &mut columns);
        if progress.cancelled() {
            return stopped(fluxes);
        }
        let pairs = overlapping(&columns.all);
        if progress.cancelled() {
            return stopped(fluxes);
        }
        let places: Vec<[f64; 2]> = columns.all.iter().map(SceneColumn::place).collect();
        let neighbors = Neighbors::new(columns.all.len(), &pairs);
        let plan = EliminationPlan::new(&places, &neighbors, columns.sources.len());
        let graph = SceneGraph { plan, neighbors };
        let Some(solution) = self.solve(law, sources, &columns, &graph, &mut pixels, progress) else {
            return stopped(fluxes);
        };
        let mut tile = PixelTile::default();
        let model = model_of(&columns, &solution.values, &pixels, &[]);
        for (k, unknown) in columns.sources.iter().enumerate() {
            let given = &columns.order[unknown.members.clone()];
            let flux =
                self.flux(k, sources, &columns, &graph.neighbors, &solution, (&pixels, &model), &mut tile);
            given.iter().for_each(|source| fluxes[*source] = flux.map(|f| f.in_unit(&sources[*source])));
        }
        SceneFit { fluxes, columns, values: solution.values, known: self.known[0], pixels }
    }

    /// Why a source cannot be fitted; those that can are masked until they are.
    fn verdict(&self, source: &SceneSource) -> NoSceneFlux {
        let [x, y] = source.position;
        if !(x.is_finite() && y.is_finite()) {
            return NoSceneFlux::OffImage;
        }
        match self.rectangle(source) {
            None => NoSceneFlux::Psf { x, y },
            Some([columns, rows]) if columns.is_empty() || rows.is_empty() => NoSceneFlux::OffImage,
            Some(_) => NoSceneFlux::Masked { fraction: 0.0 },
        }
    }

    /// `None` where the user asks to stop.
    fn solve(
        &self,
        law: NoiseLaw,
        sources: &[SceneSource],
        columns: &SceneColumns,
        graph: &SceneGraph,
        pixels: &mut ScenePixels,
        progress: &dyn Progress,
    ) -> Option<SceneSolution> {
        let SceneGraph { neighbors, plan } = graph;
        let mut values;
        let mut light = vec![0.0; columns.all.len()];
        let mut displaced = Vec::new();
        let mut round = 0;
        let mut system = loop {
            pixels.weigh(sum_of(columns, &light, pixels), law);
            let system = normal_equations(&columns.all, neighbors, pixels, progress)?;
            values = FactoredSystem::new(plan, neighbors, &system, progress)?.solve(&system.right);
            light = known_light(columns, &values, &system.diagonal);
            round += 1;
            let last = round >= ROUNDS + CLIPPING_ROUNDS;
            let clipped = round + 1 >= ROUNDS && !last && {
                let mut model = model_of(columns, &values, pixels, &system.diagonal);
                if displaced.is_empty() {
                    displaced = self.displaced(sources, columns, (&values, &system.diagonal), pixels);
                }
                model.displaced = std::mem::take(&mut displaced);
                let changed = pixels.clip(&model, law, self.options.clip_sigma);
                displaced = model.displaced;
                changed
            };
            if round >= ROUNDS && !clipped {
                break system;
            }
        };
        let factored = FactoredSystem::new(plan, neighbors, &system, progress)?;
        let mut inverse = factored.inverse(neighbors, progress)?;
        let unique = |k: usize| 1.0 / (system.diagonal[k] * inverse.diagonal[k]);
        let sources = 0..columns.sources.len();
        let damped: Vec<bool> = sources.map(|k| unique(k) < LEAST_UNIQUE).collect();
        let mut background_errors = factored.solve(&self.background_pull(columns, pixels));
        if damped.contains(&true) {
            let damping = system.diagonal.iter_mut().zip(&damped).filter(|(_, damped)| **damped);
            damping.for_each(|(diagonal, _)| *diagonal *= 1.0 + DAMPING);
            let factored = FactoredSystem::new(plan, neighbors, &system, progress)?;
            values = factored.solve(&system.right);
            inverse = factored.inverse(neighbors, progress)?;
            background_errors = factored.solve(&self.background_pull(columns, pixels));
        }
        Some(SceneSolution { values, inverse, damped, background_errors })
    }

    /// By how much the light of bright sources changes where their positions are `POSITION_ERROR`
    /// off [MJy/sr].
    fn displaced(
        &self,
        sources: &[SceneSource],
        columns: &SceneColumns,
        (values, information): (&[f64], &[f64]),
        pixels: &ScenePixels,
    ) -> Vec<f64> {
        let mut sum = vec![0.0; pixels.roles.len()];
        let mut moved: [ProfileTile; 4] = Default::default();
        for (k, unknown) in columns.sources.iter().enumerate() {
            let source = &sources[columns.order[unknown.members.start]];
            let is_bright = values[k] > 0.0 && values[k].powi(2) * information[k] > BRIGHT * BRIGHT;
            if !is_bright || source.shape.is_some() {
                continue;
            }
            let column = &columns.all[k];
            let steps = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]];
            for ([dx, dy], tile) in steps.into_iter().zip(&mut moved) {
                let [x, y] = source.position;
                tile.reset([column.columns.clone(), column.rows.clone()]);
                self.psf.fill([x + POSITION_ERROR * dx, y + POSITION_ERROR * dy], tile);
            }
            for (x, y) in column.rows.clone().flat_map(|y| column.columns.clone().map(move |x| (x, y))) {
                let share = column.at(x, y);
                let [right, left, up, down] = [0, 1, 2, 3].map(|k: usize| (moved[k].at(x, y) - share).abs());
                sum[pixels.index(x, y)] += values[k] * hypot(right.max(left), up.max(down));
            }
        }
        sum
    }

    /// By how much the right-hand side would change by the error of the known background.
    fn background_pull(&self, columns: &SceneColumns, pixels: &ScenePixels) -> Vec<f64> {
        let pull = |column: &SceneColumn| -> f64 {
            let rows = column.rows.clone().map(|y| {
                let (scale, row) = column.row(y);
                scale * dot(row, pixels.line(&pixels.weights, &column.columns, y))
            });
            self.known[1] * rows.sum::<f64>()
        };
        if self.known[1] == 0.0 {
            vec![0.0; columns.all.len()]
        } else {
            columns.all.iter().map(pull).collect()
        }
    }

    /// The flux of an unknown, in units of the image times pixels.
    #[expect(clippy::too_many_arguments, reason = "what the fit found")]
    fn flux(
        &self,
        k: usize,
        sources: &[SceneSource],
        columns: &SceneColumns,
        neighbors: &Neighbors,
        solution: &SceneSolution,
        (pixels, model): (&ScenePixels, &SceneModel),
        tile: &mut PixelTile,
    ) -> Result<SceneFlux, NoSceneFlux> {
        let SourceUnknown { members, radius } = &columns.sources[k];
        let center = |k: usize| sources[columns.order[columns.sources[k].members.start]].position;
        let [x, y] = center(k);
        let circle = CircularAperture { x, y, radius: *radius };
        let seen = self.look(&circle, &columns.all[k], pixels, model, tile);
        let (least, clipped) = (self.options.least_fraction, seen.clipped_light);
        if seen.fraction < least {
            let is_model = seen.fraction + clipped >= least;
            return Err(if is_model {
                NoSceneFlux::FarFromModel { fraction: clipped }
            } else {
                NoSceneFlux::Masked { fraction: seen.fraction }
            });
        }
        let beside = neighbors.of(k).iter().enumerate().filter(|(_, other)| **other < columns.sources.len());
        let (mut count, mut inside, mut correlation) = (0, 1, 0.0_f64);
        for (nth, other) in beside {
            count += 1;
            let [ox, oy] = center(*other);
            inside += usize::from(hypot(ox - x, oy - y) <= *radius);
            let norm = (solution.inverse.diagonal[k] * solution.inverse.diagonal[*other]).sqrt();
            let with = solution.inverse.beside[neighbors.entry(k, nth)] / norm;
            correlation = if with.abs() > correlation.abs() { with } else { correlation };
        }
        let (sharing, value) = (members.len(), solution.values[k]);
        let share = value / sharing as f64;
        let unknown_share = share * ((sharing - 1) as f64).sqrt();
        let noise = hypot(solution.inverse.diagonal[k].sqrt(), solution.background_errors[k]);
        let error = hypot(noise, value * fill_error(1.0 - seen.fraction, seen.fraction));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "off the image there is none"
        )]
        let pixel = [x.round().max(0.0) as usize, y.round().max(0.0) as usize];
        let near = neighbors.of(k).iter().filter(|other| **other >= columns.sources.len());
        let level: f64 =
            near.map(|other| solution.values[*other] * columns.all[*other].at(pixel[0], pixel[1])).sum();
        Ok(SceneFlux {
            flux: share,
            error: hypot(error / sharing as f64, unknown_share),
            chi2: seen.chi2,
            pixels: seen.pixels,
            degrees_of_freedom: seen.pixels.saturating_sub(inside),
            fraction: seen.fraction,
            masked_fraction: if seen.light > 0.0 {
                (1.0 - seen.fraction / seen.light).clamp(0.0, 1.0)
            } else {
                1.0
            },
            clipped: seen.clipped,
            flags: seen.flags,
            neighbors: count,
            correlation,
            damped: solution.damped[k],
            sharing,
            background: self.known[0] + level,
        })
    }

    /// Sums over the pixels of a source.
    fn look(
        &self,
        circle: &CircularAperture,
        column: &SceneColumn,
        pixels: &ScenePixels,
        model: &SceneModel,
        tile: &mut PixelTile,
    ) -> SeenPixels {
        let bounds = circle.bounds(self.image.view.shape);
        self.image.copy(bounds.clone(), tile);
        let mut seen = SeenPixels::default();
        for_each_within(circle, &bounds, |x, y| {
            let (at, share) = (pixels.index(x, y), column.at(x, y));
            seen.flags |= tile.at(x, y).flags;
            seen.light += share;
            match pixels.roles[at] {
                PixelRole::Used => {
                    seen.fraction += share;
                    seen.pixels += 1;
                    seen.chi2 += (pixels.data[at] - model.all[at]).powi(2) * pixels.weights[at];
                }
                PixelRole::Clipped => {
                    seen.clipped += 1;
                    seen.clipped_light += share;
                }
                PixelRole::Idle | PixelRole::Masked => {}
            }
        });
        seen
    }
}

/// Sums over the pixels of a source.
#[derive(Debug, Default)]
struct SeenPixels {
    flags: u32,
    /// Shares of its light on all of them, on those that took part, and on those that were clipped.
    light: f64,
    fraction: f64,
    pixels: usize,
    chi2: f64,
    clipped: usize,
    clipped_light: f64,
}

impl SceneFlux {
    fn in_unit(self, source: &SceneSource) -> Self {
        let unit = UJY_PER_ARCSEC2_PER_MJY_PER_SR * source.pixel_area;
        Self { flux: self.flux * unit, error: self.error * unit, ..self }
    }
}

impl SceneFit {
    fn without_sources(fluxes: Vec<Result<SceneFlux, NoSceneFlux>>, known: f64) -> Self {
        let (columns, pixels) = (SceneColumns::default(), ScenePixels::default());
        Self { fluxes, columns, values: Vec::new(), known, pixels }
    }

    /// The model, sources and background, in the pixels of a rectangle of columns and rows, row by
    /// row [MJy/sr]; of one source of those that were given, and the background, where it is named.
    /// Only where a source reaches there is a background.
    pub fn model(&self, [columns, rows]: &[Range<usize>; 2], only: Option<usize>) -> Vec<f64> {
        let mut model = vec![self.known; columns.len() * rows.len()];
        let sources = self.columns.sources.len();
        for (k, (column, value)) in self.columns.all.iter().zip(&self.values).enumerate() {
            let holds = |source: usize| {
                self.columns
                    .sources
                    .get(k)
                    .is_some_and(|unknown| self.columns.order[unknown.members.clone()].contains(&source))
            };
            if k < sources && only.is_some_and(|source| !holds(source)) {
                continue;
            }
            let shared = |a: &Range<usize>, b: &Range<usize>| a.start.max(b.start)..a.end.min(b.end);
            for y in shared(rows, &column.rows) {
                let (scale, row) = column.row(y);
                for x in shared(columns, &column.columns) {
                    let at = (y - rows.start) * columns.len() + (x - columns.start);
                    model[at] += value * scale * row[x - column.columns.start];
                }
            }
        }
        model
    }

    /// What became of a pixel.
    pub(crate) fn role(&self, x: usize, y: usize) -> PixelRole {
        let ScenePixels { columns, rows, roles, .. } = &self.pixels;
        let known = columns.contains(&x) && rows.contains(&y);
        if known { roles[self.pixels.index(x, y)] } else { PixelRole::Idle }
    }
}

/// The values that enter the variance: of sources by how sure they are, as in `psf_flux.rs`.
fn known_light(columns: &SceneColumns, values: &[f64], diagonal: &[f64]) -> Vec<f64> {
    let mut light = values.to_vec();
    for (light, information) in light.iter_mut().zip(diagonal).take(columns.sources.len()) {
        let squared = light.max(0.0).powi(2) * information;
        *light = light.max(0.0) * squared / (squared + HALF * HALF);
    }
    light
}

/// The sum of all columns times values.
fn sum_of(columns: &SceneColumns, values: &[f64], pixels: &ScenePixels) -> Vec<f64> {
    let mut sum = vec![0.0; pixels.roles.len()];
    for (column, value) in columns.all.iter().zip(values).filter(|(_, value)| **value != 0.0) {
        pixels.add(&mut sum, column, *value);
    }
    sum
}

/// The model of a solution; leverage only where the diagonal of the equations is given.
fn model_of(columns: &SceneColumns, values: &[f64], pixels: &ScenePixels, diagonal: &[f64]) -> SceneModel {
    let sources = columns.all.iter().zip(values).take(columns.sources.len());
    let mut model = SceneModel { all: sum_of(columns, values, pixels), ..SceneModel::default() };
    if diagonal.is_empty() {
        return model;
    }
    (model.light, model.leverage) = (vec![0.0; model.all.len()], vec![0.0; model.all.len()]);
    for ((column, value), information) in sources.zip(diagonal) {
        if *value > 0.0 {
            pixels.add(&mut model.light, column, *value);
        }
        for y in column.rows.clone() {
            let (scale, row) = column.row(y);
            let to = &mut model.leverage[pixels.index(column.columns.start, y)..][..row.len()];
            to.iter_mut().zip(row).for_each(|(sum, share)| *sum += (scale * share).powi(2) / information);
        }
    }
    model
}

/// The normal equations with the weights of the pixels. An unknown that no pixel sees is zero.
/// `None` where the user asks to stop.
fn normal_equations(
    all: &[SceneColumn],
    neighbors: &Neighbors,
    pixels: &ScenePixels,
    progress: &dyn Progress,
) -> Option<NormalEquations> {
    let mut system = NormalEquations {
        diagonal: Vec::with_capacity(all.len()),
        beside: vec![0.0; neighbors.entries()],
        right: Vec::with_capacity(all.len()),
    };
    let mut weighted = Vec::new();
    for (a, column) in all.iter().enumerate() {
        if a.is_multiple_of(COLUMNS) && progress.cancelled() {
            return None;
        }
        let width = column.columns.len();
        weighted.clear();
        let (mut diagonal, mut right) = (0.0, 0.0);
        for y in column.rows.clone() {
            let (scale, row) = column.row(y);
            let weights = pixels.line(&pixels.weights, &column.columns, y);
            let from = weighted.len();
            weighted.extend(row.iter().zip(weights).map(|(share, weight)| scale * share * weight));
            diagonal += scale * dot(&weighted[from..], row);
            right += dot(&weighted[from..], pixels.line(&pixels.data, &column.columns, y));
        }
        system.diagonal.push(if diagonal > 0.0 { diagonal } else { 1.0 });
        system.right.push(right);
        for (nth, b) in neighbors.of(a).iter().enumerate().filter(|(_, b)| **b > a) {
            let other = &all[*b];
            let shared = |a: &Range<usize>, b: &Range<usize>| a.start.max(b.start)..a.end.min(b.end);
            let (columns, rows) =
                (shared(&column.columns, &other.columns), shared(&column.rows, &other.rows));
            let mut sum = 0.0;
            for y in rows {
                let (scale, row) = other.row(y);
                let from = (y - column.rows.start) * width + columns.start - column.columns.start;
                let row = &row[columns.start - other.columns.start..][..columns.len()];
                sum += scale * dot(&weighted[from..][..columns.len()], row);
            }
            system.beside[neighbors.entry(a, nth)] = sum;
            if let Some(at) = neighbors.find(*b, a) {
                system.beside[at] = sum;
            }
        }
    }
    Some(system)
}
