//! Photometry: settings, exposures, rows, tables, and `spx photometry`.
//!
//! [`exposure`] says how sources are measured, one or many.

pub(crate) mod calibration;
pub(crate) mod columns;
mod command;
pub(crate) mod entry;
pub(crate) mod exposure;
pub(crate) mod figure;
pub(crate) mod row;
pub(crate) mod settings;
pub(crate) mod source;
pub(crate) mod table;

pub(crate) use command::{PhotometryArgs, now, run, tell};
