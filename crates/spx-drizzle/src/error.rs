//! What can go wrong in a drizzle.

use thiserror::Error;

/// Why a grid, an option or an exposure is refused.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum DrizzleError {
    /// An option outside its range.
    #[error("{name} = {value} is not allowed: {problem}")]
    Option {
        /// The option's name, as in a configuration file.
        name: &'static str,
        /// The value that was given.
        value: f64,
        /// What it must be.
        problem: &'static str,
    },
    /// Wavelength edges that are fewer than two, not increasing, or not positive and finite.
    #[error("z_edges: {0}")]
    Edges(String),
    /// A cube that has no voxel, or more than memory can address or hold.
    #[error("a cube of {nx} x {ny} x {nz} voxels cannot be held in memory")]
    Size {
        /// Columns.
        nx: usize,
        /// Rows.
        ny: usize,
        /// Planes.
        nz: usize,
    },
    /// An array of an exposure that does not have one value for each pixel of its rows.
    #[error(
        "the exposure's {array} holds {found} values, expected {expected} for rows {rows:?} of {nx} pixels"
    )]
    ArrayLength {
        /// `flux`, `variance`, `flags`, `foreground`, `weight` or `named variance`.
        array: &'static str,
        /// Its length.
        found: usize,
        /// What it should be.
        expected: usize,
        /// The rows of the exposure.
        rows: std::ops::Range<usize>,
        /// Pixels in a row.
        nx: usize,
    },
    /// Rows that the output needs but that the exposure does not hold.
    #[error("the exposure holds rows {held:?}, but the output needs rows {needed:?}")]
    MissingRows {
        /// What it holds.
        held: std::ops::Range<usize>,
        /// What is needed.
        needed: std::ops::Range<usize>,
    },
    /// An exposure that does not bring the named variances that the plan asks for.
    #[error("the exposure brings {found} named variances, expected {expected}")]
    NamedVariances {
        /// How many it brings.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// The optional planes do not fit memory.
    #[error("the optional planes cannot be held in memory")]
    Memory,
    /// Exposures are added to sums that are finalized.
    #[error("the sums are finalized: reset them before exposures are added")]
    Finalized,
    /// Sums of which only some tiles are put back are to be merged, or exposures added to them
    /// that may reach others.
    #[error("the sums are not all read")]
    Partial,
    /// An exposure is collected twice, or loading it fails after it was collected.
    #[error("an exposure is to be collected once, at the end of loading it")]
    Collected,
    /// Sums of another grid or of other options.
    #[error("sums of another grid or of other options cannot be added")]
    OtherPlan,
    /// An exposure that is in the sums already, given as `observation/detector`.
    #[error("{0} is already in the sums")]
    Duplicate(String),
    /// The user asked to stop.
    #[error("interrupted")]
    Cancelled,
}
