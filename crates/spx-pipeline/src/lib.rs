//! The pipelines of spx, for programs: what the command line does can be called from here.
//!
//! A pipeline takes settings that serialize, talks through a [`Listener`], and gives a typed report
//! or a [`PipelineError`]. It parses no arguments, prints nothing and never ends the process; those
//! are the business of its callers.

pub mod amount;
pub mod archive;
pub mod batch;
pub mod buffers;
pub mod calibration;
pub mod catalog;
mod cell_table;
pub mod clock;
pub mod cube;
pub mod doctor;
pub mod drizzle;
mod error;
pub mod flag_selection;
pub mod forecast;
pub mod frame;
pub mod held;
pub mod hips;
pub mod identity;
pub mod inputs;
pub mod inspect;
mod kept_fits;
mod listener;
pub mod made;
pub mod measuring;
pub mod newest;
pub mod outcome;
pub mod output;
pub mod photometry;
mod psf;
pub mod run;
pub mod settings;
pub mod spectrum;
pub mod stages;
pub mod statistics;
pub mod survey;
mod tiling;
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[arcsec]` is a unit")]
pub mod zodi;

pub use error::{BoxedError, PipelineError, PipelineProblem, ResultContext};
pub use listener::{Listener, SilentListener};

/// The example of the README is tested with the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
