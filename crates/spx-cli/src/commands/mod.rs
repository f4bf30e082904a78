//! Commands that need no module of their own: the archive's, simulation, demonstration,
//! configuration, shell completions, manual pages.

pub(crate) mod batch;
pub(crate) mod calibration;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod download;
pub(crate) mod drizzle;
mod forecast;
pub(crate) mod generate;
pub(crate) mod hips;
pub(crate) mod light_curve;
pub(crate) mod photometry;
pub(crate) mod query;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod spectrum;
pub(crate) mod survey;
