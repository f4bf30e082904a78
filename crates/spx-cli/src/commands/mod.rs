//! Commands about spx itself: configuration, shell completions, manual pages.

pub(crate) mod config;
pub(crate) mod generate;
