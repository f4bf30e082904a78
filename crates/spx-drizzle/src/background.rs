//! Background matching: exposures that overlap are brought to one level of the sky.
//!
//! Each exposure `k` has a correction `c_k` over the output, an offset or a plane, which is
//! subtracted from its pixels. With `d` the value of a voxel in the drizzle of one exposure by
//! itself, and `s` the sky there, whatever it is,
//!
//! ```text
//! sum over voxels and exposures of w (d - c_k - s)^2
//! ```
//!
//! is made least over all `c` and `s`: the method of Montage (Jacob et al. 2010, section 5), in
//! three dimensions and for all exposures together. Weights follow Huber (1964, k = 1.345) about
//! the solution, so that stars, whose cores undersampled exposures see differently, and hits count
//! little. What all exposures see alike does not change: of exposures that hang together by their
//! overlaps, the mean of every coefficient is zero.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::DrizzleError;
use crate::interruption::Interruption;

/// What the skies of exposures may differ by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackgroundForm {
    /// A constant.
    Offset,
    /// A plane over the output.
    Plane,
}

/// What is subtracted from the pixels of an exposure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SkyCorrection {
    /// In the middle of the output \[MJy/sr\].
    pub offset: f64,
    /// Along x and y \[MJy/sr per output pixel\].
    pub slopes: [f64; 2],
}

impl SkyCorrection {
    /// Value at the first output pixel and slopes, for an output of shape `[ny, nx]`.
    pub(crate) fn plane(&self, shape: [usize; 2]) -> [f64; 3] {
        let [y, x] = middle(shape);
        [self.offset - self.slopes[0] * x - self.slopes[1] * y, self.slopes[0], self.slopes[1]]
    }
}

/// `[y, x]` of the middle of the output, from the center of its first pixel.
fn middle([ny, nx]: [usize; 2]) -> [f64; 2] {
    [0.5 * (ny as f64 - 1.0), 0.5 * (nx as f64 - 1.0)]
}

/// Values that an exposure should have in the equations, and all of them at most: enough for an
/// error of its offset of a hundredth of the noise of a pixel.
const WANTED: usize = 100_000;
const AT_MOST: usize = 16_000_000;
/// An output pixel has values in about two planes of an exposure.
const PLANES: usize = 2;

/// One in so many rows and columns of an output is enough for so many exposures.
pub(crate) fn step([ny, nx]: [usize; 2], exposures: usize) -> usize {
    let wanted = WANTED.min(AT_MOST / exposures.max(1)).max(1);
    let mut step = 1;
    while PLANES * ny.div_ceil(step) * nx.div_ceil(step) > wanted {
        step += 1;
    }
    step
}

/// Memory of the equations \[bytes\].
pub(crate) fn bytes(exposures: usize) -> u64 {
    // A value, its weight, its exposure; and as many again while they are sorted by voxels.
    (2 * 12 * exposures * WANTED.min(AT_MOST / exposures.max(1))) as u64
}

/// The overlaps within a tile: voxels that at least two exposures reach.
#[derive(Debug, Default)]
pub(crate) struct TileOverlaps {
    /// The exposures of the tile.
    exposures: Vec<u32>,
    /// For each voxel, where its values end, and `(1, x, y)` from the middle of the output.
    voxels: Vec<(usize, Coefficients)>,
    /// Voxel after voxel: number in `exposures`, value \[MJy/sr\], weight.
    members: Vec<u32>,
    values: Vec<f32>,
    weights: Vec<f32>,
}

/// Offset and slopes, in units of half the longer side of the output; or the place of a voxel.
type Coefficients = [f64; 3];

fn dot(a: &Coefficients, b: &Coefficients) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl TileOverlaps {
    /// Takes the next voxel, at `place`, with the values of exposures that reach it.
    pub(crate) fn take(&mut self, place: Coefficients, values: impl Iterator<Item = (u32, f32)>) {
        let first = self.values.len();
        for (exposure, value) in values {
            // Exposures come in their order, and those of a tile are few.
            let member = self.exposures.iter().rposition(|&known| known == exposure);
            let member = member.unwrap_or_else(|| {
                self.exposures.push(exposure);
                self.exposures.len() - 1
            });
            self.members.push(u32::try_from(member).unwrap_or(u32::MAX));
            self.values.push(value);
        }
        if self.values.len() < first + 2 {
            self.members.truncate(first);
            self.values.truncate(first);
        } else {
            self.voxels.push((self.values.len(), place));
        }
        self.weights.resize(self.values.len(), 1.0);
    }

    /// The voxels: their values, and their places.
    fn voxels(&self) -> impl Iterator<Item = (Range<usize>, &Coefficients)> {
        let mut start = 0;
        self.voxels.iter().map(move |(end, place)| {
            let range = start..*end;
            start = *end;
            (range, place)
        })
    }

    /// For a number of each value: its weighted difference from the mean of the voxel, times the
    /// place, summed by exposures.
    fn projected(&self, number: impl Fn(usize, &Coefficients) -> f64) -> Vec<Coefficients> {
        let mut sums = vec![[0.0; 3]; self.exposures.len()];
        for (range, place) in self.voxels() {
            let mean = self.mean(&range, place, &number);
            for k in range {
                let difference = f64::from(self.weights[k]) * (number(k, place) - mean);
                let sum = &mut sums[self.members[k] as usize];
                (0..3).for_each(|i| sum[i] += difference * place[i]);
            }
        }
        sums
    }

    fn mean(
        &self,
        range: &Range<usize>,
        place: &Coefficients,
        number: impl Fn(usize, &Coefficients) -> f64,
    ) -> f64 {
        let weighted = range.clone().map(|k| (f64::from(self.weights[k]), number(k, place)));
        let (sum, weight) = weighted.fold((0.0, 0.0), |(sum, all), (w, v)| (sum + w * v, all + w));
        sum / weight
    }

    /// The diagonal of the equations.
    fn diagonal(&self) -> Vec<Coefficients> {
        let mut sums = vec![[0.0; 3]; self.exposures.len()];
        for (range, place) in self.voxels() {
            let all: f64 = range.clone().map(|k| f64::from(self.weights[k])).sum();
            for k in range {
                let weight = f64::from(self.weights[k]);
                let sum = &mut sums[self.members[k] as usize];
                (0..3).for_each(|i| sum[i] += weight * (1.0 - weight / all) * place[i] * place[i]);
            }
        }
        sums
    }

    /// The correction of a value.
    fn correction(&self, all: &[Coefficients], k: usize, place: &Coefficients) -> f64 {
        dot(&all[self.exposures[self.members[k] as usize] as usize], place)
    }

    /// What is left of every value but the sky and the correction.
    fn residuals(&self, all: &[Coefficients]) -> Vec<f32> {
        let left =
            |k: usize, place: &Coefficients| f64::from(self.values[k]) - self.correction(all, k, place);
        let mut residuals = Vec::with_capacity(self.values.len());
        for (range, place) in self.voxels() {
            let mean = self.mean(&range, place, left);
            #[expect(clippy::cast_possible_truncation, reason = "as precise as the values")]
            residuals.extend(range.map(|k| (left(k, place) - mean) as f32));
        }
        residuals
    }
}

/// The overlaps of exposures, tile by tile.
#[derive(Debug)]
pub(crate) struct BackgroundEquations {
    pub(crate) tiles: Vec<TileOverlaps>,
    pub(crate) exposures: usize,
    /// `[ny, nx]` of the output.
    pub(crate) shape: [usize; 2],
}

impl BackgroundEquations {
    /// Half the longer side of the output, the unit of places \[output px\].
    fn unit([ny, nx]: [usize; 2]) -> f64 {
        0.5 * ny.max(nx) as f64
    }

    /// The place of an output pixel.
    pub(crate) fn place(form: BackgroundForm, shape: [usize; 2], [x, y]: [usize; 2]) -> Coefficients {
        let ([cy, cx], unit) = (middle(shape), Self::unit(shape));
        match form {
            BackgroundForm::Offset => [1.0, 0.0, 0.0],
            BackgroundForm::Plane => [1.0, (x as f64 - cx) / unit, (y as f64 - cy) / unit],
        }
    }

    /// The correction of each exposure; zero for one that overlaps with none. Has the same bits
    /// for any number of threads.
    ///
    /// # Errors
    /// [`DrizzleError::Cancelled`] once somebody asks to stop.
    pub(crate) fn solve(
        mut self,
        interruption: Interruption<'_>,
    ) -> Result<Vec<SkyCorrection>, DrizzleError> {
        const ROUNDS: usize = 20;
        let mut solution = vec![[0.0; 3]; self.exposures];
        for _ in 0..ROUNDS {
            let before = solution.clone();
            self.conjugate_gradients(&mut solution, interruption)?;
            let scale = self.reweigh(&solution);
            let moved = before.iter().flatten().zip(solution.iter().flatten());
            if moved.fold(0.0, |most, (a, b)| f64::max(most, (a - b).abs())) <= 1e-3 * scale {
                break;
            }
        }
        self.center(&mut solution);
        let unit = Self::unit(self.shape);
        let correction =
            |&[offset, x, y]: &Coefficients| SkyCorrection { offset, slopes: [x / unit, y / unit] };
        Ok(solution.iter().map(correction).collect())
    }

    /// Sums over the tiles, in their order.
    fn gathered(&self, of: impl Fn(&TileOverlaps) -> Vec<Coefficients> + Sync) -> Vec<Coefficients> {
        let parts: Vec<_> = self.tiles.par_iter().map(&of).collect();
        let mut sums = vec![[0.0; 3]; self.exposures];
        for (tile, part) in self.tiles.iter().zip(parts) {
            for (exposure, part) in tile.exposures.iter().zip(part) {
                (0..3).for_each(|i| sums[*exposure as usize][i] += part[i]);
            }
        }
        sums
    }

    /// Goes on from a solution to that of the present weights. The equations are singular, for a
    /// common correction changes nothing, but they do not contradict each other, so the iteration
    /// converges (Kaasschieter 1988); the diagonal serves as preconditioner.
    fn conjugate_gradients(
        &self,
        solution: &mut [Coefficients],
        interruption: Interruption<'_>,
    ) -> Result<(), DrizzleError> {
        const ITERATIONS: usize = 300;
        let applied =
            |x: &[Coefficients]| self.gathered(|t| t.projected(|k, place| t.correction(x, k, place)));
        let inner =
            |a: &[Coefficients], b: &[Coefficients]| a.iter().zip(b).map(|(a, b)| dot(a, b)).sum::<f64>();
        let diagonal = self.gathered(TileOverlaps::diagonal);
        let divided = |r: &[Coefficients]| -> Vec<Coefficients> {
            let quotient = |r: f64, d: f64| if d > 0.0 { r / d } else { 0.0 };
            r.iter().zip(&diagonal).map(|(r, d)| std::array::from_fn(|i| quotient(r[i], d[i]))).collect()
        };
        let target = self.gathered(|t| t.projected(|k, _| f64::from(t.values[k])));
        let mut rest = target.clone();
        subtract(&mut rest, 1.0, &applied(solution));
        let mut direction = divided(&rest);
        let mut square = inner(&rest, &direction);
        let enough = 1e-16 * inner(&target, &divided(&target));
        for _ in 0..ITERATIONS {
            if square <= enough || square.is_nan() {
                break;
            }
            let image = applied(&direction);
            interruption.check()?;
            let step = square / inner(&direction, &image);
            subtract(solution, -step, &direction);
            subtract(&mut rest, step, &image);
            let conditioned = divided(&rest);
            let next = inner(&rest, &conditioned);
            for (direction, conditioned) in direction.iter_mut().zip(&conditioned) {
                *direction = std::array::from_fn(|i| conditioned[i] + next / square * direction[i]);
            }
            square = next;
        }
        Ok(())
    }

    /// Sets the weights by the residuals; gives the scale of these.
    fn reweigh(&mut self, solution: &[Coefficients]) -> f64 {
        const HUBER: f32 = 1.345;
        let residuals: Vec<Vec<f32>> = self.tiles.par_iter().map(|t| t.residuals(solution)).collect();
        let mut sizes: Vec<f32> = residuals.iter().flatten().map(|r| r.abs()).collect();
        if sizes.is_empty() {
            return 0.0;
        }
        let half = sizes.len() / 2;
        let scale = 1.4826 * *sizes.select_nth_unstable_by(half, f32::total_cmp).1;
        for (tile, residuals) in self.tiles.iter_mut().zip(residuals) {
            for (weight, residual) in tile.weights.iter_mut().zip(residuals) {
                let limit = HUBER * scale;
                *weight =
                    if residual.abs() <= limit { 1.0 } else { limit.max(f32::MIN_POSITIVE) / residual.abs() };
            }
        }
        scale.into()
    }

    /// Takes the mean off every coefficient, among the exposures that hang together.
    fn center(&self, solution: &mut [Coefficients]) {
        let groups = self.groups();
        let mut sums = vec![([0.0; 3], 0.0); self.exposures];
        for (group, solution) in groups.iter().zip(&*solution) {
            let (sum, count) = &mut sums[*group];
            (0..3).for_each(|i| sum[i] += solution[i]);
            *count += 1.0;
        }
        for (group, solution) in groups.iter().zip(solution) {
            let (sum, count) = sums[*group];
            (0..3).for_each(|i| solution[i] -= sum[i] / count);
        }
    }

    /// For each exposure the first of those that it hangs together with.
    fn groups(&self) -> Vec<usize> {
        fn root(first: &mut [usize], mut of: usize) -> usize {
            while first[of] != of {
                first[of] = first[first[of]];
                of = first[of];
            }
            of
        }
        let mut first: Vec<usize> = (0..self.exposures).collect();
        for tile in &self.tiles {
            let exposure = |k: usize| tile.exposures[tile.members[k] as usize] as usize;
            for (range, _) in tile.voxels() {
                for k in range.start + 1..range.end {
                    let (a, b) = (root(&mut first, exposure(k - 1)), root(&mut first, exposure(k)));
                    first[a.max(b)] = a.min(b);
                }
            }
        }
        (0..self.exposures).map(|k| root(&mut first, k)).collect()
    }
}

/// `a -= factor * b`.
fn subtract(a: &mut [Coefficients], factor: f64, b: &[Coefficients]) {
    a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a -= factor * b);
}

#[cfg(test)]
mod tests {
    use spx_core::progress::StopAfter;

    use super::*;

    /// A row of exposures, each of which overlaps with the next alone, takes as many iterations.
    #[test]
    fn the_solution_is_looked_for_until_somebody_asks_to_stop() {
        const EXPOSURES: u32 = 40;
        let solve = |limit: usize| {
            let mut tile = TileOverlaps::default();
            for first in 0..EXPOSURES - 1 {
                let value = |k: u32| (k, f32::from(u8::try_from(k % 7).unwrap()));
                tile.take([1.0, 0.0, 0.0], [value(first), value(first + 1)].into_iter());
            }
            let shape = [10, 10];
            let equations = BackgroundEquations { tiles: vec![tile], exposures: EXPOSURES as usize, shape };
            let progress = StopAfter::new(limit);
            let solved = equations.solve(Interruption(Some(&progress)));
            (solved, progress.looks())
        };
        let (solved, looks) = solve(usize::MAX);
        assert!(solved.is_ok() && looks > 20, "{looks} looks");
        for limit in 0..looks {
            assert_eq!(solve(limit).0, Err(DrizzleError::Cancelled), "look {limit} of {looks}");
        }
    }
}
