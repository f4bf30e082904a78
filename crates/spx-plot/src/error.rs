//! What can go wrong with a figure.

use thiserror::Error;

/// Why a figure was not drawn.
#[derive(Debug, Error)]
pub enum PlotError {
    /// A picture that is too small to hold its labels, or too large to hold in memory.
    #[error(
        "a figure of {width} x {height} px cannot be drawn: sides must lie between {} and {} px",
        crate::Size::MIN_SIDE,
        crate::Size::MAX_SIDE
    )]
    Size {
        /// Width that was asked for \[px\].
        width: u32,
        /// Height that was asked for \[px\].
        height: u32,
    },
    /// Limits that do not enclose anything.
    #[error("{what} from {low} to {high}: they must be finite, the lower one first{hint}")]
    Limits {
        /// Which limits: percentiles, values, an axis.
        what: &'static str,
        /// The lower limit as given.
        low: f64,
        /// The upper limit as given.
        high: f64,
        /// What else they must fulfill, or nothing.
        hint: &'static str,
    },
    /// A parameter that is not a positive number, or too large.
    #[error("{what} must lie above 0 and be at most {most}, not {value}")]
    Parameter {
        /// Which parameter.
        what: &'static str,
        /// The largest value that is allowed.
        most: f64,
        /// Its value.
        value: f64,
    },
    /// An array without pixels.
    #[error("the plane has {width} x {height} pixels; there is nothing to draw")]
    NoPixels {
        /// Pixels along x.
        width: usize,
        /// Pixels along y.
        height: usize,
    },
    /// Planes of one figure that differ in shape.
    #[error(
        "the {plane} plane has {} x {} pixels, the first one {} x {}",
        found.1, found.0, expected.1, expected.0
    )]
    CanvasShape {
        /// `green` or `blue`, or its label.
        plane: String,
        /// Its shape, (rows, columns).
        found: (usize, usize),
        /// The shape of the first plane, (rows, columns).
        expected: (usize, usize),
    },
    /// A figure of points none of which has a finite place.
    #[error("no point with a finite {what} among {points} points; there is nothing to draw")]
    NoPoints {
        /// What a point must have.
        what: &'static str,
        /// How many points were given.
        points: usize,
    },
    /// A name that is none of the known ones.
    #[error("unknown {what} `{name}`{hint}; known: {known}")]
    Name {
        /// `colormap`, `stretch`, ...
        what: &'static str,
        /// The name that was given.
        name: String,
        /// The nearest known name, as a question; empty where none is near.
        hint: String,
        /// The known names, separated by commas.
        known: String,
    },
    /// The embedded font could not be read.
    #[error("the embedded font cannot be read")]
    Font(#[from] ab_glyph::InvalidFont),
    /// The drawing library refused a shape.
    #[error("the figure could not be drawn: {0}")]
    Draw(String),
    /// The PNG encoder failed.
    #[error("the picture could not be encoded as PNG")]
    Png(#[from] png::EncodingError),
}
