//! spx-sim
