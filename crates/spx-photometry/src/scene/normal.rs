//! The normal equations: a sparse symmetric matrix with a right-hand side.

/// Which unknowns touch which: for each, the others in ascending order.
#[derive(Debug, Clone, Default)]
pub(super) struct Neighbors {
    starts: Vec<usize>,
    others: Vec<usize>,
}

impl Neighbors {
    /// From pairs `(a, b)` with `a != b`, each named once, of `count` unknowns.
    pub(super) fn new(count: usize, pairs: &[(usize, usize)]) -> Self {
        let mut starts = vec![0; count + 1];
        for (a, b) in pairs {
            starts[a + 1] += 1;
            starts[b + 1] += 1;
        }
        for k in 0..count {
            starts[k + 1] += starts[k];
        }
        let mut next = starts.clone();
        let mut others = vec![0; 2 * pairs.len()];
        for (a, b) in pairs {
            others[next[*a]] = *b;
            others[next[*b]] = *a;
            next[*a] += 1;
            next[*b] += 1;
        }
        for k in 0..count {
            others[starts[k]..starts[k + 1]].sort_unstable();
        }
        Self { starts, others }
    }

    /// The neighbors of an unknown, ascending.
    pub(super) fn of(&self, unknown: usize) -> &[usize] {
        &self.others[self.starts[unknown]..self.starts[unknown + 1]]
    }

    /// Where the entry of a pair stands in an array of one value a neighbor.
    pub(super) fn entry(&self, unknown: usize, nth: usize) -> usize {
        self.starts[unknown] + nth
    }

    /// Length of an array of one value a neighbor.
    pub(super) fn entries(&self) -> usize {
        self.others.len()
    }

    /// Where the entry `(a, b)` stands; `None` where they do not touch.
    pub(super) fn find(&self, a: usize, b: usize) -> Option<usize> {
        self.of(a).binary_search(&b).ok().map(|nth| self.entry(a, nth))
    }
}

/// `matrix * solution = right`, symmetric: the diagonal, and one value for each neighbor of each
/// unknown.
#[derive(Debug, Clone, Default)]
pub(super) struct NormalEquations {
    pub(super) diagonal: Vec<f64>,
    /// Laid out as the neighbors; `(a, b)` and `(b, a)` both.
    pub(super) beside: Vec<f64>,
    pub(super) right: Vec<f64>,
}

/// A sum of products in eight partial sums, whatever the processor.
#[inline(always)]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (eights, rest) = a.as_chunks::<8>();
    let (others, other_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in eights.iter().zip(others) {
        for k in 0..8 {
            sums[k] += a[k] * b[k];
        }
    }
    let tail: f64 = rest.iter().zip(other_rest).map(|(a, b)| a * b).sum();
    ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])) + tail
}
