//! How right the numbers of spx are: skies whose truth is known are simulated, `spx` is run on them
//! as a user runs it, and what it wrote is compared with the truth.
//!
//! [`cube()`], [`rejection()`], [`zodiacal()`], [`matching()`], [`photometry()`], [`releases()`],
//! [`scene()`], [`spectrum()`] and [`deep()`] each give a [`TruthReport`]: figures with their
//! statistical errors beside what is demanded of them. `cargo xtask truth NAME` runs them; the test
//! of this crate runs small ones.
//!
//! The exposures are the realistic ones of spx-sim: VARIANCE follows the observed rate, the point
//! spread function is undersampled and varies over the detector, pixels are flagged at the real
//! rates and carry wild values.

mod cube;
mod deep;
mod galaxies;
mod matching;
mod mixed;
mod photometry;
mod rejection;
mod releases;
mod report;
mod runner;
mod scene;
mod scene_frame;
mod spectrum;
mod statistics;
mod zodiacal;

pub use cube::cube;
pub use deep::deep;
pub use matching::matching;
pub use photometry::photometry;
pub use rejection::rejection;
pub use releases::releases;
pub use report::{Demand, TruthFigure, TruthReport};
pub use runner::{SimulationSize, SpxRunner};
pub use scene::scene;
pub use spectrum::spectrum;
pub use zodiacal::zodiacal;
