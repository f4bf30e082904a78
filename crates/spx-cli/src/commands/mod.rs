//! Commands that need no module of their own: configuration, shell completions, manual pages, simulation,
//! demonstration.

pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod generate;
pub(crate) mod simulate;
