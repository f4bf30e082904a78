//! spx-plot
