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
    /// Plans the elimination of unknowns at these places \[px\], of which those from number `wide`
    /// on reach farther than most.
    pub(super) fn new(places: &[[f64; 2]], neighbors: &Neighbors, wide: usize) -> Self {
        let count = places.len();
        let mut plan = Self { order: Vec::with_capacity(count), steps: Vec::new() };
        // One that touches almost everything would make half of the others a separator.
        let many = 200 + 8 * count.isqrt();
        let (widely, rest): (Vec<usize>, Vec<usize>) =
            (0..count).partition(|k| neighbors.of(*k).len() > many);
        let mut side = vec![0u8; count];
        let mut top = Vec::new();
        if !rest.is_empty() {
            top.push(plan.dissect(rest, (places, wide), neighbors, &mut side));
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
        (places, wide): (&[[f64; 2]], usize),
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
        let separator = separator([&set, &upper], neighbors, wide, side);
        separator.iter().for_each(|k| side[*k] = 3);
        let mut halves = [set, upper];
        halves.iter_mut().for_each(|half| half.retain(|k| side[*k] != 3));
        separator.iter().for_each(|k| side[*k] = 0);
        let mut children = Vec::new();
        for half in halves.into_iter().filter(|half| !half.is_empty()) {
            children.push(self.dissect(half, (places, wide), neighbors, side));
        }
        self.step(separator, children)
    }

    fn step(&mut self, set: Vec<usize>, children: Vec<usize>) -> usize {
        let start = self.order.len();
        self.order.extend(set);
        self.steps.push(EliminationStep { own: start..self.order.len(), border: Vec::new(), children });
        self.steps.len() - 1
    }

    /// The place of each unknown in the order.
    pub(super) fn rank(&self) -> Vec<usize> {
        let mut rank = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(k, unknown)| rank[*unknown] = k);
        rank
    }

    fn find_borders(&mut self, neighbors: &Neighbors) {
        let rank = self.rank();
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

/// What joins two halves, so that no unknown of what remains of one touches what remains of the
/// other: those on one side that touch the other, or else wide ones on either side and then the
/// narrow ones on one, whichever are fewest. A wide one touches many narrow ones far from the cut.
fn separator(halves: [&[usize]; 2], neighbors: &Neighbors, wide: usize, side: &mut [u8]) -> Vec<usize> {
    for (half, mark) in halves.into_iter().zip([1, 2]) {
        half.iter().for_each(|k| side[*k] = mark);
    }
    let touching = |side: &[u8], half: usize| -> Vec<usize> {
        let (own, other) = if half == 0 { (1, 2) } else { (2, 1) };
        let joined = |k: &usize| side[*k] == own && neighbors.of(*k).iter().any(|n| side[*n] == other);
        halves[half].iter().copied().filter(joined).collect()
    };
    let [low, high] = [0, 1].map(|half| touching(side, half));
    let mut mixed: Vec<usize> = low.iter().chain(&high).copied().filter(|k| *k >= wide).collect();
    mixed.iter().for_each(|k| side[*k] = 0);
    let [narrow_low, narrow_high] = [0, 1].map(|half| touching(side, half));
    mixed.extend(if narrow_low.len() <= narrow_high.len() { narrow_low } else { narrow_high });
    halves.into_iter().flatten().for_each(|k| side[*k] = 0);
    let fewest = [low, high, mixed].into_iter().min_by_key(Vec::len);
    fewest.unwrap_or_default()
}
