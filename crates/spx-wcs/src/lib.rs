//! spx-wcs
