//! The wavelength axis of a cube: bins that adjoin each other.

use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::elementary::{exp, ln};
use spx_core::units::C_UM_PER_S;

use crate::DrizzleError;

/// Bins `[edge[k], edge[k+1])` in um, increasing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<f64>", try_from = "Vec<f64>")]
pub struct WavelengthGrid {
    edges: Vec<f64>,
}

impl From<WavelengthGrid> for Vec<f64> {
    fn from(grid: WavelengthGrid) -> Self {
        grid.edges
    }
}

impl TryFrom<Vec<f64>> for WavelengthGrid {
    type Error = DrizzleError;

    fn try_from(edges: Vec<f64>) -> Result<Self, Self::Error> {
        Self::custom(edges)
    }
}

/// The most bins that a grid may have: far above any use, far below what exhausts memory.
const MAX_BINS: usize = 100_000;

impl WavelengthGrid {
    /// The detector's own channels: the lower edges of its 17 channels and the upper edge of the
    /// last.
    pub fn native(detector: Detector) -> Self {
        let channels = detector.channels();
        let last = channels.iter().last().map(|c| c.wl_max);
        Self { edges: channels.iter().map(|c| c.wl_min).chain(last).collect() }
    }

    /// Constant resolving power `R`, the mean of the detector's channels times `z_oversample`:
    /// `edge[k+1] = edge[k] (1 + 1/R)` from the first lower edge until the last upper edge is
    /// passed.
    ///
    /// # Errors
    /// [`DrizzleError::Option`] where `z_oversample` is not positive or asks for more than 100,000
    /// bins.
    pub fn oversampled(detector: Detector, z_oversample: f64) -> Result<Self, DrizzleError> {
        let refuse = |problem| DrizzleError::Option { name: "z_oversample", value: z_oversample, problem };
        if !(z_oversample > 0.0 && z_oversample.is_finite()) {
            return Err(refuse("it must be above 0"));
        }
        let channels = detector.channels();
        let mean = channels.iter().map(|c| c.resolving_power).sum::<f64>() / channels.len() as f64;
        let growth = 1.0 + 1.0 / (mean * z_oversample);
        let native = Self::native(detector);
        let mut edges = vec![native.lower()];
        let mut edge = native.lower();
        while edge < native.upper() {
            edge *= growth;
            edges.push(edge);
            if edges.len() > MAX_BINS {
                return Err(refuse("it asks for more than 100,000 bins"));
            }
        }
        Self::custom(edges)
    }

    /// Edges given by the user \[um\].
    ///
    /// # Errors
    /// [`DrizzleError::Edges`] where there are fewer than two or more than 100,001, one is not a
    /// positive number, or they do not increase.
    pub fn custom(edges: Vec<f64>) -> Result<Self, DrizzleError> {
        let refuse = |problem: String| Err(DrizzleError::Edges(problem));
        if edges.len() < 2 {
            return refuse(format!("at least 2 edges are needed, there are {}", edges.len()));
        }
        if edges.len() > MAX_BINS + 1 {
            return refuse(format!("at most {} edges are allowed, there are {}", MAX_BINS + 1, edges.len()));
        }
        if let Some(bad) = edges.iter().find(|e| !(e.is_finite() && **e > 0.0)) {
            return refuse(format!("{bad} is not a wavelength in um"));
        }
        if let Some(pair) = edges.windows(2).find(|w| w[0] >= w[1]) {
            return refuse(format!("they must increase, but {} follows {}", pair[1], pair[0]));
        }
        Ok(Self { edges })
    }

    /// All edges \[um\], one more than there are bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The number of bins.
    pub fn bins(&self) -> usize {
        self.edges.len() - 1
    }

    /// The first edge \[um\].
    pub fn lower(&self) -> f64 {
        self.edges[0]
    }

    /// The last edge \[um\].
    pub fn upper(&self) -> f64 {
        self.edges[self.edges.len() - 1]
    }

    /// The bin that holds a wavelength; the first or the last for one beyond the grid.
    pub(crate) fn bin_of(&self, wavelength: f64) -> usize {
        self.edges.partition_point(|edge| *edge <= wavelength).clamp(1, self.bins()) - 1
    }

    /// One bin.
    ///
    /// # Panics
    /// Where `k` is not below [`bins`](Self::bins).
    pub fn bin(&self, k: usize) -> Bin {
        Bin { min: self.edges[k], max: self.edges[k + 1] }
    }

    /// All bins, in order.
    pub fn iter(&self) -> impl Iterator<Item = Bin> + '_ {
        self.edges.windows(2).map(|w| Bin { min: w[0], max: w[1] })
    }

    /// The logarithmic axis whose largest distance from a bin center, in bins, is the smallest.
    ///
    /// Found by Lawson's iteration: least squares with weights that grow where the fit is worst.
    /// Plain least squares would leave the odd first channel of D4 off by 0.16 channel; this leaves
    /// 0.08.
    pub fn log_axis(&self) -> LogAxis {
        const ITERATIONS: usize = 100;
        const GOOD_ENOUGH: f64 = 1e-6; // of a bin
        let reference = (self.bins() as f64 + 1.0) / 2.0;
        if self.bins() == 1 {
            let bin = self.bin(0);
            return LogAxis { reference_pixel: reference, value: bin.center(), increment: bin.width() };
        }
        let points: Vec<LogPoint> =
            self.iter().enumerate().map(|(k, b)| LogPoint::new(k, reference, b)).collect();
        let mut weights = vec![1.0; points.len()];
        let (mut best, mut best_off) = ((0.0, 0.0), f64::INFINITY);
        for _ in 0..ITERATIONS {
            let line = fit_line(&points, &weights);
            let off: Vec<f64> = points.iter().map(|p| p.bins_from(line)).collect();
            let worst = off.iter().copied().fold(0.0, f64::max);
            if worst < best_off {
                (best, best_off) = (line, worst);
            }
            if worst < GOOD_ENOUGH {
                break;
            }
            weights.iter_mut().zip(&off).for_each(|(w, o)| *w *= o / worst);
        }
        let value = exp(best.0);
        LogAxis { reference_pixel: reference, value, increment: best.1 * value }
    }
}

/// A bin as a point of the line `ln(lambda) = intercept + slope * plane`.
struct LogPoint {
    /// Plane number from the reference.
    plane: f64,
    /// Logarithm of the center.
    log: f64,
    /// Bins in a unit of the logarithm.
    scale: f64,
}

impl LogPoint {
    fn new(k: usize, reference: f64, bin: Bin) -> Self {
        Self { plane: k as f64 + 1.0 - reference, log: ln(bin.center()), scale: bin.resolving_power() }
    }

    fn bins_from(&self, (intercept, slope): (f64, f64)) -> f64 {
        (intercept + slope * self.plane - self.log).abs() * self.scale
    }
}

/// Weighted least squares of the distances in bins: intercept and slope.
fn fit_line(points: &[LogPoint], weights: &[f64]) -> (f64, f64) {
    let sum = |f: fn(&LogPoint) -> f64| -> f64 {
        points.iter().zip(weights).map(|(p, w)| w * p.scale * p.scale * f(p)).sum()
    };
    let (n, x, y) = (sum(|_| 1.0), sum(|p| p.plane), sum(|p| p.log));
    let (xx, xy) = (sum(|p| p.plane * p.plane), sum(|p| p.plane * p.log));
    let slope = (n * xy - x * y) / (n * xx - x * x);
    ((y - slope * x) / n, slope)
}

/// One bin of wavelength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Lower edge \[um\].
    pub min: f64,
    /// Upper edge \[um\].
    pub max: f64,
}

impl Bin {
    /// Middle of the edges \[um\].
    pub fn center(self) -> f64 {
        0.5 * (self.min + self.max)
    }

    /// Width \[um\].
    pub fn width(self) -> f64 {
        self.max - self.min
    }

    /// Frequency of the center \[Hz\].
    pub fn frequency(self) -> f64 {
        C_UM_PER_S / self.center()
    }

    /// Width in frequency \[Hz\].
    pub fn frequency_width(self) -> f64 {
        C_UM_PER_S / self.min - C_UM_PER_S / self.max
    }

    /// Effective resolving power, center over width.
    pub fn resolving_power(self) -> f64 {
        self.center() / self.width()
    }
}

/// A WAVE-LOG axis (Greisen et al. 2006, A&A 446, 747, section 3.1.2):
/// `lambda(p) = value exp(increment (p - reference_pixel) / value)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogAxis {
    /// CRPIX: 1-based plane number, not necessarily whole.
    pub reference_pixel: f64,
    /// CRVAL \[um\].
    pub value: f64,
    /// CDELT \[um\].
    pub increment: f64,
}

impl LogAxis {
    /// Wavelength at a 1-based plane number \[um\].
    pub fn wavelength(self, plane: f64) -> f64 {
        self.value * exp(self.increment * (plane - self.reference_pixel) / self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detector(n: i64) -> Detector {
        Detector::new(n).unwrap()
    }

    #[test]
    fn native_edges_are_the_published_decimals() {
        let grid = WavelengthGrid::native(detector(3));
        assert_eq!(grid.bins(), 17);
        assert_eq!((grid.lower(), grid.upper()), (1.636, 2.44));
        assert_eq!(grid.bin(0), Bin { min: 1.636, max: 1.675 });
        assert_eq!(grid.bin(16), Bin { min: 2.367, max: 2.44 });
    }

    #[test]
    fn oversampling_keeps_the_resolving_power() {
        let grid = WavelengthGrid::oversampled(detector(3), 2.0).unwrap();
        let mean = 692.0 / 17.0; // the 17 values of r in spectral_channels.csv add up to 692
        for bin in grid.iter() {
            assert!((bin.min / bin.width() - 2.0 * mean).abs() < 1e-9);
        }
        assert_eq!(grid.lower(), 1.636);
        let n = grid.bins();
        assert!(grid.edges()[n - 1] < 2.44 && grid.upper() >= 2.44);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(WavelengthGrid::oversampled(detector(3), bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn custom_edges_are_checked() {
        for bad in [vec![], vec![1.0], vec![1.0, 1.0], vec![2.0, 1.0], vec![0.0, 1.0], vec![1.0, f64::NAN]] {
            assert!(WavelengthGrid::custom(bad.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bins_in_frequency() {
        let bin = Bin { min: 1.0, max: 2.0 };
        assert_eq!(bin.frequency(), C_UM_PER_S / 1.5);
        assert_eq!(bin.frequency_width(), C_UM_PER_S / 2.0);
        assert_eq!(bin.resolving_power(), 1.5);
    }

    #[test]
    fn the_logarithmic_axis_is_within_a_tenth_of_a_channel() {
        for detector in Detector::ALL {
            let grid = WavelengthGrid::native(detector);
            let axis = grid.log_axis();
            for (k, bin) in grid.iter().enumerate() {
                let off = (axis.wavelength(k as f64 + 1.0) - bin.center()).abs() / bin.width();
                assert!(off < 0.08, "{detector} plane {k}: {off} channels");
            }
        }
    }

    #[test]
    fn one_bin_has_an_axis() {
        let axis = WavelengthGrid::custom(vec![2.0, 2.2]).unwrap().log_axis();
        assert!((axis.wavelength(1.0) - 2.1).abs() < 1e-12);
        assert!(axis.increment > 0.0);
    }
}
