//! The forms in which the archive's answers are printed.

pub(crate) mod format;
