//! Distortion polynomials of the SIP convention (Shupe et al. 2005, ADASS XIV, ASP Conf. Ser. 347,
//! 491).
//!
//! With u, v the pixel offsets from CRPIX, the undistorted offsets are u + A(u, v) and v + B(u, v),
//! where A(u, v) is the sum of A_p_q u^p v^q over p + q <= A_ORDER. Unlike the paper, constant and
//! linear terms are applied where they are there: SPHEREx headers have them.

use spx_core::header::Header;

use crate::error::{WcsError, invalid};

/// The highest order that the convention allows.
const MAX_ORDER: usize = 9;
/// Coefficients in one variable of a polynomial of [`MAX_ORDER`].
pub(crate) const MAX_TERMS: usize = MAX_ORDER + 1;

/// The Newton iteration has converged where its step falls below this \[px\]. As it converges
/// quadratically, the error then left is that of rounding, some 1e-12 px on a full frame.
const STEP_TOLERANCE: f64 = 1e-9;
/// From the guess u' the iteration takes 3 or 4 steps on any real header; this many means
/// divergence.
const MAX_STEPS: usize = 40;

/// A distortion and, where the header has one, its approximate inverse.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sip {
    /// A and B.
    forward: [Polynomial; 2],
    /// AP and BP, good for a first guess alone (0.02 px in SPHEREx headers).
    backward: Option<[Polynomial; 2]>,
}

impl Sip {
    /// Reads A, B and, where both are there, AP and BP; `None` where there is neither A nor B.
    pub(crate) fn from_header(header: &Header) -> Result<Option<Self>, WcsError> {
        let (a, b) = (Polynomial::from_header(header, "A")?, Polynomial::from_header(header, "B")?);
        let forward = match (a, b) {
            (Some(a), Some(b)) => [a, b],
            (None, None) => return Ok(None),
            (Some(a), None) => return Err(invalid("A_ORDER", a.order, "there is no B_ORDER beside it")),
            (None, Some(b)) => return Err(invalid("B_ORDER", b.order, "there is no A_ORDER beside it")),
        };
        let backward = Polynomial::from_header(header, "AP")?.zip(Polynomial::from_header(header, "BP")?);
        Ok(Some(Self { forward, backward: backward.map(|(ap, bp)| [ap, bp]) }))
    }

    /// A and B.
    pub(crate) fn forward(&self) -> &[Polynomial; 2] {
        &self.forward
    }

    /// Distorted offset to undistorted offset \[px\], and the Jacobian of that map.
    pub(crate) fn undistort(&self, [u, v]: [f64; 2]) -> ([f64; 2], [[f64; 2]; 2]) {
        let [a, b] = self.forward.each_ref().map(|p| p.gradient(u, v));
        ([u + a[0], v + b[0]], [[1.0 + a[1], a[2]], [b[1], 1.0 + b[2]]])
    }

    /// Undistorted offset to distorted offset \[px\], by Newton's iteration on A and B; `None`
    /// where it does not come to rest within [`STEP_TOLERANCE`] (plus rounding).
    pub(crate) fn distort(&self, target: [f64; 2]) -> Option<[f64; 2]> {
        let mut at = target;
        if let Some([ap, bp]) = &self.backward {
            let [u, v] = target;
            at = [u + ap.gradient(u, v)[0], v + bp.gradient(u, v)[0]];
        }
        for _ in 0..MAX_STEPS {
            let (value, [[j11, j12], [j21, j22]]) = self.undistort(at);
            let miss = [target[0] - value[0], target[1] - value[1]];
            let det = j11 * j22 - j12 * j21;
            let step = [(j22 * miss[0] - j12 * miss[1]) / det, (j11 * miss[1] - j21 * miss[0]) / det];
            at = [at[0] + step[0], at[1] + step[1]];
            let size = step[0].abs().max(step[1].abs());
            if size <= STEP_TOLERANCE + 4.0 * f64::EPSILON * at[0].abs().max(at[1].abs()) {
                return at[0].is_finite().then_some(at);
            }
        }
        None
    }
}

/// A polynomial in u and v of total order up to [`MAX_ORDER`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Polynomial {
    order: usize,
    /// `terms[p][q]` belongs to u^p v^q.
    terms: [[f64; MAX_TERMS]; MAX_TERMS],
}

impl Polynomial {
    /// Reads `<name>_ORDER` and `<name>_p_q`; absent coefficients are 0, those above the order are
    /// ignored.
    fn from_header(header: &Header, name: &str) -> Result<Option<Self>, WcsError> {
        let keyword = format!("{name}_ORDER");
        let Some(order) = header.optional_integer(&keyword)? else { return Ok(None) };
        let order = usize::try_from(order)
            .ok()
            .filter(|order| *order <= MAX_ORDER)
            .ok_or_else(|| invalid(&keyword, order, "a SIP order lies between 0 and 9"))?;
        let mut terms = [[0.0; MAX_TERMS]; MAX_TERMS];
        for (p, row) in terms.iter_mut().enumerate().take(order + 1) {
            for (q, term) in row.iter_mut().enumerate().take(order + 1 - p) {
                *term = header.optional_real(&format!("{name}_{p}_{q}"))?.unwrap_or(0.0);
            }
        }
        Ok(Some(Self { order, terms }))
    }

    /// The total order.
    pub(crate) fn order(&self) -> usize {
        self.order
    }

    /// Coefficients in u for a fixed v: `sum(c[p] u^p)`. `N` must exceed the order.
    pub(crate) fn row<const N: usize>(&self, v: f64) -> [f64; N] {
        let mut out = [0.0; N];
        for (p, c) in out.iter_mut().enumerate().take(self.order + 1) {
            *c = self.terms[p][..=self.order - p].iter().rev().fold(0.0, |sum, term| sum * v + term);
        }
        out
    }

    /// Value and derivatives by u and by v.
    fn gradient(&self, u: f64, v: f64) -> [f64; 3] {
        let [mut value, mut by_u, mut by_v] = [0.0; 3];
        for p in (0..=self.order).rev() {
            let (mut c, mut c_by_v) = (0.0, 0.0);
            for term in self.terms[p][..=self.order - p].iter().rev() {
                c_by_v = c_by_v * v + c;
                c = c * v + term;
            }
            by_u = by_u * u + value;
            value = value * u + c;
            by_v = by_v * u + c_by_v;
        }
        [value, by_u, by_v]
    }
}
