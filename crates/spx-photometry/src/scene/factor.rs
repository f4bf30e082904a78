//! Solution and inverse of sparse normal equations by the multifrontal method (Duff & Reid 1983,
//! ACM TOMS 9, 302): each step of the elimination is a Cholesky factorization of a small dense
//! matrix. The entries of the inverse between neighbors follow from the last step to the first
//! (Takahashi, Fagan & Chen 1973), so that errors cost about as much as the solution.
//!
//! It is our own because the crate `faer` does not give entries of the inverse, and would cost 77 s
//! of a processor to compile.

use std::ops::Range;

use spx_core::progress::Progress;

use super::dissection::{EliminationPlan, EliminationStep};
use super::normal::{Neighbors, NormalEquations, dot};

/// A pivot is at least this share of the diagonal, so that equations that do not determine an
/// unknown give a number; its share of unique information then tells.
const LEAST_PIVOT: f64 = 1e-11;

/// Rows of a step that are eliminated between two looks at whether the user has asked to stop.
const ROWS: usize = 64;

/// A dense matrix, row-major, of which a step eliminates the first `own` unknowns.
#[derive(Debug, Clone, Default)]
struct FrontMatrix {
    side: usize,
    values: Vec<f64>,
}

impl FrontMatrix {
    fn new(side: usize) -> Self {
        Self { side, values: vec![0.0; side * side] }
    }

    fn row(&self, k: usize) -> &[f64] {
        &self.values[k * self.side..][..self.side]
    }

    /// Factors the first `own` rows and columns in place (lower triangle), and takes what follows
    /// from that off the rest: some rows of it, of which those above are done.
    ///
    /// Compiled for several instruction sets, here and below; products and sums stay apart, so that
    /// all give the same bits.
    fn eliminate(&mut self, own: usize, rows: Range<usize>) {
        pulp::Arch::new().dispatch(|| self.eliminate_rows(own, rows.clone()));
    }

    #[inline(always)]
    fn eliminate_rows(&mut self, own: usize, rows: Range<usize>) {
        let side = self.side;
        for i in rows {
            let (above, from_here) = self.values.split_at_mut(i * side);
            let row = &mut from_here[..side];
            for j in 0..own.min(i) {
                let other = &above[j * side..][..=j];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            if i < own {
                let least = LEAST_PIVOT * row[i];
                let pivot = row[i] - dot(&row[..i], &row[..i]);
                row[i] = if pivot > least { pivot } else { least }.sqrt();
            } else {
                for j in own..i {
                    row[j] -= dot(&row[..own], &above[j * side..][..own]);
                }
                row[i] -= dot(&row[..own], &row[..own]);
            }
        }
    }
}

/// A factored system.
#[derive(Debug)]
pub(super) struct FactoredSystem<'a> {
    plan: &'a EliminationPlan,
    /// The factor of each step: its own columns, rows of own unknowns and border.
    fronts: Vec<FrontMatrix>,
}

/// The part of the inverse that belongs to neighbors.
#[derive(Debug, Clone, Default)]
pub(super) struct NeighborInverse {
    pub(super) diagonal: Vec<f64>,
    /// Laid out as the neighbors.
    pub(super) beside: Vec<f64>,
}

impl<'a> FactoredSystem<'a> {
    /// Factors the matrix. Its diagonal must be positive. `None` where the user asks to stop.
    pub(super) fn new(
        plan: &'a EliminationPlan,
        neighbors: &Neighbors,
        system: &NormalEquations,
        progress: &dyn Progress,
    ) -> Option<Self> {
        let rank = plan.rank();
        let mut fronts: Vec<FrontMatrix> = Vec::with_capacity(plan.steps.len());
        // What a finished step takes off the later ones.
        let mut updates: Vec<FrontMatrix> = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            let own = step.own.len();
            let mut front = FrontMatrix::new(own + step.border.len());
            for (k, unknown) in plan.order[step.own.clone()].iter().enumerate() {
                front.values[k * front.side + k] = system.diagonal[*unknown];
                for (nth, other) in neighbors.of(*unknown).iter().enumerate() {
                    if rank[*other] > step.own.start + k {
                        let at = step.place(rank[*other]);
                        front.values[at * front.side + k] = system.beside[neighbors.entry(*unknown, nth)];
                    }
                }
            }
            for child in &step.children {
                let update = std::mem::take(&mut updates[*child]);
                let places: Vec<usize> =
                    plan.steps[*child].border.iter().map(|rank| step.place(*rank)).collect();
                for (i, to_row) in places.iter().enumerate() {
                    for (value, to) in update.row(i)[..=i].iter().zip(&places) {
                        front.values[to_row * front.side + to] += value;
                    }
                }
            }
            for first in (0..front.side).step_by(ROWS) {
                if progress.cancelled() {
                    return None;
                }
                front.eliminate(own, first..front.side.min(first + ROWS));
            }
            updates.push(front.split(own));
            fronts.push(front);
        }
        Some(Self { plan, fronts })
    }

    /// Solves for a right-hand side.
    pub(super) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut x: Vec<f64> = self.plan.order.iter().map(|unknown| right[*unknown]).collect();
        for (step, front) in self.plan.steps.iter().zip(&self.fronts) {
            let own = step.own.clone();
            for i in 0..own.len() {
                let row = front.row(i);
                x[own.start + i] = (x[own.start + i] - dot(&row[..i], &x[own.start..own.start + i])) / row[i];
            }
            for (i, rank) in step.border.iter().enumerate() {
                x[*rank] -= dot(front.row(own.len() + i), &x[own.clone()]);
            }
        }
        for (step, front) in self.plan.steps.iter().zip(&self.fronts).rev() {
            let (start, own) = (step.own.start, step.own.len());
            for i in (0..own).rev() {
                let mut sum = x[start + i];
                for k in i + 1..own {
                    sum -= front.row(k)[i] * x[start + k];
                }
                for (k, rank) in step.border.iter().enumerate() {
                    sum -= front.row(own + k)[i] * x[*rank];
                }
                x[start + i] = sum / front.row(i)[i];
            }
        }
        let mut solution = vec![0.0; x.len()];
        self.plan.order.iter().zip(x).for_each(|(unknown, value)| solution[*unknown] = value);
        solution
    }

    /// The inverse, on the diagonal and between neighbors.
    /// `None` where the user asks to stop.
    pub(super) fn inverse(&self, neighbors: &Neighbors, progress: &dyn Progress) -> Option<NeighborInverse> {
        let count = self.plan.order.len();
        let mut inverse =
            NeighborInverse { diagonal: vec![0.0; count], beside: vec![0.0; neighbors.entries()] };
        let rank = self.plan.rank();
        let mut parents = vec![usize::MAX; self.plan.steps.len()];
        let mut waiting = vec![0; self.plan.steps.len()];
        for (at, step) in self.plan.steps.iter().enumerate() {
            step.children.iter().for_each(|child| parents[*child] = at);
            waiting[at] = step.children.len();
        }
        let mut inverses: Vec<FrontMatrix> = vec![FrontMatrix::default(); self.plan.steps.len()];
        for at in (0..self.plan.steps.len()).rev() {
            if progress.cancelled() {
                return None;
            }
            let step = &self.plan.steps[at];
            let mut whole = FrontMatrix::new(step.own.len() + step.border.len());
            if let Some(parent) = self.plan.steps.get(parents[at]) {
                whole.take_border(step, parent, &inverses[parents[at]]);
                waiting[parents[at]] -= 1;
                if waiting[parents[at]] == 0 {
                    inverses[parents[at]] = FrontMatrix::default();
                }
            }
            whole.fill_own(step.own.len(), &self.fronts[at]);
            self.file(step, &whole, (neighbors, &rank), &mut inverse);
            if !step.children.is_empty() {
                inverses[at] = whole;
            }
        }
        Some(inverse)
    }

    /// Files the entries of a step's own unknowns; `rank` is their place in the order.
    fn file(
        &self,
        step: &EliminationStep,
        whole: &FrontMatrix,
        (neighbors, rank): (&Neighbors, &[usize]),
        inverse: &mut NeighborInverse,
    ) {
        for (i, own) in step.own.clone().enumerate() {
            let a = self.plan.order[own];
            inverse.diagonal[a] = whole.row(i)[i];
            for (nth, b) in neighbors.of(a).iter().enumerate().filter(|(_, b)| rank[**b] > own) {
                let value = whole.row(i)[step.place(rank[*b])];
                inverse.beside[neighbors.entry(a, nth)] = value;
                if let Some(reverse) = neighbors.find(*b, a) {
                    inverse.beside[reverse] = value;
                }
            }
        }
    }
}

impl FrontMatrix {
    /// Takes the lower right part out, and keeps the first `own` columns.
    fn split(&mut self, own: usize) -> Self {
        let rest = self.side - own;
        let mut update = Self::new(rest);
        for i in 0..rest {
            let row = &self.values[(own + i) * self.side + own..][..=i];
            update.values[i * rest..=i * rest + i].copy_from_slice(row);
        }
        let kept = (0..self.side).flat_map(|k| self.row(k)[..own].iter().copied()).collect();
        // Rows of a kept front have only its own columns.
        *self = Self { side: own, values: kept };
        update
    }

    /// The inverse on the border of a step, from that of its parent.
    fn take_border(&mut self, step: &EliminationStep, parent: &EliminationStep, from: &Self) {
        let own = step.own.len();
        let places: Vec<usize> = step.border.iter().map(|rank| parent.place(*rank)).collect();
        for (i, a) in places.iter().enumerate() {
            let row = from.row(*a);
            let to = &mut self.values[(own + i) * self.side + own..][..places.len()];
            to.iter_mut().zip(&places).for_each(|(to, b)| *to = row[*b]);
        }
    }

    /// The inverse of a step's own unknowns, from that on its border and the factor `[L11; L21]`:
    /// with `W = L11^-1` and `X = L21 W`, `C_BJ = -C_BB X` and `C_JJ = W' W - X' C_BJ`.
    fn fill_own(&mut self, own: usize, factor: &Self) {
        pulp::Arch::new().dispatch(|| self.fill_all(own, factor));
    }

    #[inline(always)]
    fn fill_all(&mut self, own: usize, factor: &Self) {
        let (side, rest) = (self.side, self.side - own);
        // Columns of W and of X, each contiguous.
        let (mut w, mut x) = (vec![0.0; own * own], vec![0.0; own * rest]);
        for j in 0..own {
            let column = &mut w[j * own..][..own];
            column[j] = 1.0 / factor.row(j)[j];
            for i in j + 1..own {
                column[i] = -dot(&factor.row(i)[j..i], &column[j..i]) / factor.row(i)[i];
            }
            for b in 0..rest {
                x[j * rest + b] = dot(&factor.row(own + b)[j..], &column[j..]);
            }
        }
        for j in 0..own {
            for b in 0..rest {
                let value = -dot(&x[j * rest..][..rest], &self.values[(own + b) * side + own..][..rest]);
                self.values[j * side + own + b] = value;
                self.values[(own + b) * side + j] = value;
            }
        }
        for j in 0..own {
            for l in 0..=j {
                let w = dot(&w[j * own + j..][..own - j], &w[l * own + j..][..own - j]);
                let value = w - dot(&x[j * rest..][..rest], &self.values[l * side + own..][..rest]);
                self.values[j * side + l] = value;
                self.values[l * side + j] = value;
            }
        }
    }
}

impl EliminationStep {
    /// Where an unknown of the step stands in its matrix, by its place in the order.
    fn place(&self, rank: usize) -> usize {
        if self.own.contains(&rank) {
            rank - self.own.start
        } else {
            self.own.len() + self.border.partition_point(|other| *other < rank)
        }
    }
}

#[cfg(test)]
mod tests {
    use spx_core::progress::Silent;

    use super::*;

    /// Random positive definite systems on unknowns in a plane, small enough for a dense inverse.
    fn system(count: usize, reach: f64, seed: u64) -> (Vec<[f64; 2]>, Neighbors, NormalEquations) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let places: Vec<[f64; 2]> = (0..count).map(|_| [100.0 * rng.f64(), 60.0 * rng.f64()]).collect();
        let near = |a: usize, b: usize| {
            spx_core::elementary::hypot(places[a][0] - places[b][0], places[a][1] - places[b][1]) < reach
                || b == count - 1
        };
        let pairs: Vec<(usize, usize)> = (0..count)
            .flat_map(|a| (a + 1..count).map(move |b| (a, b)))
            .filter(|(a, b)| near(*a, *b))
            .collect();
        let neighbors = Neighbors::new(count, &pairs);
        let mut system = NormalEquations {
            diagonal: (0..count).map(|_| 0.5 + rng.f64()).collect(),
            beside: vec![0.0; neighbors.entries()],
            right: (0..count).map(|_| rng.f64() - 0.3).collect(),
        };
        for (a, b) in pairs {
            let value = rng.f64() - 0.4;
            let (forward, reverse) = (neighbors.find(a, b).unwrap(), neighbors.find(b, a).unwrap());
            (system.beside[forward], system.beside[reverse]) = (value, value);
            system.diagonal[a] += value.abs();
            system.diagonal[b] += value.abs();
        }
        (places, neighbors, system)
    }

    fn dense(neighbors: &Neighbors, system: &NormalEquations) -> Vec<Vec<f64>> {
        let count = system.diagonal.len();
        let mut rows: Vec<Vec<f64>> = (0..count)
            .map(|a| (0..count).map(|b| neighbors.find(a, b).map_or(0.0, |at| system.beside[at])).collect())
            .collect();
        for (a, row) in rows.iter_mut().enumerate() {
            row[a] = system.diagonal[a];
        }
        rows
    }

    /// What is solved fulfills the equations, and the entries of the inverse are those of its
    /// columns, the solutions for one right-hand side after the other.
    #[test]
    fn solution_and_inverse_are_those_of_the_dense_matrix() {
        for (count, reach, seed) in [(1, 1.0, 1), (2, 1.0, 2), (30, 30.0, 3), (300, 9.0, 4), (300, 0.0, 5)] {
            let (places, neighbors, system) = system(count, reach, seed);
            let plan = EliminationPlan::new(&places, &neighbors, count - count / 4);
            let factored = FactoredSystem::new(&plan, &neighbors, &system, &Silent).unwrap();
            let matrix = dense(&neighbors, &system);
            let fulfills = |solution: &[f64], right: &[f64]| {
                for (row, wanted) in matrix.iter().zip(right) {
                    let found: f64 = row.iter().zip(solution).map(|(m, x)| m * x).sum();
                    assert!((found - wanted).abs() < 1e-10, "{count}: {found} {wanted}");
                }
            };
            fulfills(&factored.solve(&system.right), &system.right);
            let found = factored.inverse(&neighbors, &Silent).unwrap();
            for a in 0..count {
                let unit: Vec<f64> = (0..count).map(|k| f64::from(u8::from(k == a))).collect();
                let column = factored.solve(&unit);
                fulfills(&column, &unit);
                assert!((found.diagonal[a] - column[a]).abs() < 1e-11);
                for (nth, b) in neighbors.of(a).iter().enumerate() {
                    assert!((found.beside[neighbors.entry(a, nth)] - column[*b]).abs() < 1e-11);
                }
            }
        }
    }

    #[test]
    fn large_systems_are_cut_into_small_ones() {
        let (places, neighbors, _) = system(3000, 3.0, 7);
        let plan = EliminationPlan::new(&places, &neighbors, 3000);
        let largest = plan.steps.iter().map(|step| step.own.len() + step.border.len()).max().unwrap();
        assert!(largest < 400, "{largest}");
        let mut order = plan.order.clone();
        order.sort_unstable();
        assert_eq!(order, (0..3000).collect::<Vec<_>>());
    }
}
