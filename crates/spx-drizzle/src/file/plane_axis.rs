//! The planes of a cube file: their wavelengths, and the detectors whose exposures went in.

use spx_core::detector::Detector;

use crate::{Bin, DrizzleError, WavelengthGrid};

/// The planes of a file in their order. Those of one detector increase in wavelength, and mostly
/// adjoin each other; those of two may overlap.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaneAxis {
    planes: Vec<(Bin, Option<Detector>)>,
}

impl PlaneAxis {
    /// An axis of planes with their detectors, `None` where a plane is of any.
    ///
    /// # Errors
    /// [`DrizzleError::Edges`] where there is no plane or more than 100,000, an edge is no positive
    /// number, or the planes of a detector do not increase.
    pub fn new(planes: Vec<(Bin, Option<Detector>)>) -> Result<Self, DrizzleError> {
        const MAX_PLANES: usize = 100_000;
        let refuse = |problem: String| Err(DrizzleError::Edges(problem));
        if planes.is_empty() || planes.len() > MAX_PLANES {
            return refuse(format!("there are {} planes, not 1 to {MAX_PLANES}", planes.len()));
        }
        for (Bin { min, max }, _) in &planes {
            if !(0.0 < *min && min < max && max.is_finite()) {
                return refuse(format!("{min} to {max} um is not a range of wavelengths"));
            }
        }
        let falls = planes.windows(2).find(|pair| pair[0].1 == pair[1].1 && pair[0].0.min >= pair[1].0.min);
        if let Some([(one, _), (next, _)]) = falls {
            return refuse(format!("they must increase, but {} follows {}", next.min, one.min));
        }
        Ok(Self { planes })
    }

    /// The number of planes.
    pub fn bins(&self) -> usize {
        self.planes.len()
    }

    /// The wavelengths of a plane.
    ///
    /// # Panics
    /// Where `z` is not below [`bins`](Self::bins).
    pub fn bin(&self, z: usize) -> Bin {
        self.planes[z].0
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Bin> + '_ {
        self.planes.iter().map(|(bin, _)| *bin)
    }

    /// The detector of each plane.
    pub fn plane_detectors(&self) -> impl Iterator<Item = Option<Detector>> + '_ {
        self.planes.iter().map(|(_, detector)| *detector)
    }

    /// The detectors, each once, in the order of the planes.
    pub fn detectors(&self) -> Vec<Detector> {
        let mut found = Vec::new();
        for detector in self.plane_detectors().flatten() {
            if !found.contains(&detector) {
                found.push(detector);
            }
        }
        found
    }

    /// The shortest wavelength \[um\].
    pub fn lower(&self) -> f64 {
        self.iter().fold(f64::INFINITY, |least, bin| least.min(bin.min))
    }

    /// The longest wavelength \[um\].
    pub fn upper(&self) -> f64 {
        self.iter().fold(0.0, |most: f64, bin| most.max(bin.max))
    }

    /// The same as a grid; `None` where the planes are of several detectors or do not adjoin each
    /// other.
    pub fn grid(&self) -> Option<WavelengthGrid> {
        let adjoin =
            self.planes.windows(2).all(|pair| pair[0].0.max == pair[1].0.min && pair[0].1 == pair[1].1);
        let last = self.planes.last()?.0.max;
        let edges = self.iter().map(|bin| bin.min).chain([last]).collect();
        WavelengthGrid::custom(edges).ok().filter(|_| adjoin)
    }

    /// Some of the planes, as another axis.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// # Panics
    /// Where there is no such plane.
    pub fn selected(&self, planes: &[usize]) -> Result<Self, DrizzleError> {
        Self::new(planes.iter().map(|&z| self.planes[z]).collect())
    }

    /// The planes of several axes, one after the other.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn joined<'a>(axes: impl IntoIterator<Item = &'a Self>) -> Result<Self, DrizzleError> {
        Self::new(axes.into_iter().flat_map(|axis| axis.planes.iter().copied()).collect())
    }

    /// The bins of a grid, for exposures of this detector.
    pub fn of_grid(grid: &WavelengthGrid, detector: Option<Detector>) -> Self {
        Self { planes: grid.iter().map(|bin| (bin, detector)).collect() }
    }
}
