//! An elimination order for unknowns that lie in a plane, by nested dissection (George 1973, SIAM
//! J. Numer. Anal. 10, 345): a set is cut in two at its median along its longer side, what joins
//! the halves is eliminated last. Few unknowns then meet in any one step, even where all are
//! connected.

use super::normal::Neighbors;

/// Sets of at most so many unknowns are eliminated in one step.
const LEAF: usize = 48;

/// One step of the elimination: unknowns that are eliminated together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct EliminationStep {
    /// First and one past the last unknown, in the order of elimination.
    pub(super) own: std::ops::Range<usize>,
    /// Later unknowns that they touch, ascending, in the order of elimination.
    pub(super) border: Vec<usize>,
    /// Earlier steps whose border reaches this one first.
    pub(super) children: Vec<usize>,
}

/// The order, and its steps; children come before their parents.
#[derive(Debug, Clone, Default)]
pub(super) struct EliminationPlan {
    /// The unknown that is eliminated as the k-th.
    pub(super) order: Vec<usize>,
    pub(super) steps: Vec<EliminationStep>,
}

impl EliminationPlan {
    /// Plans the elimination of unknowns at these places \[px\].
    pub(super) fn new(places: &[[f64; 2]], neighbors: &Neighbors) -> Self {
        let count = places.len();
        let mut plan = Self { order: Vec::with_capacity(count), steps: Vec::new() };
        // One that touches almost everything would make half of the others a separator.
        let many = 200 + 8 * count.isqrt();
        let (widely, rest): (Vec<usize>, Vec<usize>) =
            (0..count).partition(|k| neighbors.of(*k).len() > many);
        let mut side = vec![0u8; count];
        let mut top = Vec::new();
        if !rest.is_empty() {
            top.push(plan.dissect(rest, places, neighbors, &mut side));
        }
        if !widely.is_empty() {
            plan.step(widely, std::mem::take(&mut top));
        }
        plan.find_borders(neighbors);
        plan
    }

    /// Eliminates these, and gives the last step of that.
    fn dissect(
        &mut self,
        mut set: Vec<usize>,
        places: &[[f64; 2]],
        neighbors: &Neighbors,
        side: &mut [u8],
    ) -> usize {
        if set.len() <= LEAF {
            return self.step(set, Vec::new());
        }
        let extent = |axis: usize| {
            let along = set.iter().map(|k| places[*k][axis]);
            along.clone().fold(f64::MIN, f64::max) - along.fold(f64::MAX, f64::min)
        };
        let axis = usize::from(extent(1) > extent(0));
        set.sort_unstable_by(|a, b| places[*a][axis].total_cmp(&places[*b][axis]).then(a.cmp(b)));
        let upper = set.split_off(set.len() / 2);
        set.iter().for_each(|k| side[*k] = 1);
        upper.iter().for_each(|k| side[*k] = 2);
        let touches = |k: &usize, other: u8| neighbors.of(*k).iter().any(|n| side[*n] == other);
        let cut = [(&set, 2), (&upper, 1)].map(|(half, other)| {
            let joined = half.iter().copied().filter(|k| touches(k, other));
            joined.collect::<Vec<_>>()
        });
        let [low, high] = cut;
        set.iter().chain(&upper).for_each(|k| side[*k] = 0);
        let separator = if low.len() <= high.len() { low } else { high };
        separator.iter().for_each(|k| side[*k] = 3);
        let mut halves = [set, upper];
        halves.iter_mut().for_each(|half| half.retain(|k| side[*k] != 3));
        separator.iter().for_each(|k| side[*k] = 0);
        let mut children = Vec::new();
        for half in halves.into_iter().filter(|half| !half.is_empty()) {
            children.push(self.dissect(half, places, neighbors, side));
        }
        self.step(separator, children)
    }

    fn step(&mut self, set: Vec<usize>, children: Vec<usize>) -> usize {
        let start = self.order.len();
        self.order.extend(set);
        self.steps.push(EliminationStep { own: start..self.order.len(), border: Vec::new(), children });
        self.steps.len() - 1
    }

    fn find_borders(&mut self, neighbors: &Neighbors) {
        let mut rank = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(k, unknown)| rank[*unknown] = k);
        for at in 0..self.steps.len() {
            let (before, rest) = self.steps.split_at_mut(at);
            let step = &mut rest[0];
            let direct = self.order[step.own.clone()].iter().flat_map(|k| neighbors.of(*k)).map(|n| rank[*n]);
            let inherited = step.children.iter().flat_map(|child| before[*child].border.iter().copied());
            let end = step.own.end;
            let mut border: Vec<usize> = direct.chain(inherited).filter(|k| *k >= end).collect();
            border.sort_unstable();
            border.dedup();
            step.border = border;
        }
    }
}
