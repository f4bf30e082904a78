//! Shared types and traits of spx.
//!
//! Every other crate of the workspace meets the rest through this one: detectors and their
//! channels, sky positions and regions, quality flags, header cards, spectral images, and the
//! traits by which a resampler asks for a [pixel map](map::PixelMap) and a [wavelength
//! map](map::WavelengthMap) and reports its [progress](progress::Progress).
//!
//! Conventions, in force throughout spx: pixel coordinates are 0-based with integers at pixel
//! centers, so that pixel `i` spans `[i - 0.5, i + 0.5)`; arrays are indexed `[y][x]`, cubes
//! `[z][y][x]`; angles are degrees (ICRS), wavelengths um, surface brightness MJy/sr, fluxes uJy.
//!
//! **No network, no printing.** File access is limited to the feature `fits`, to [`atomic`],
//! which gives a file its final name only when it is complete, and to [`memory`], which asks the
//! system what is free.

pub mod atomic;
pub mod attended;
pub mod columns;
pub mod detector;
pub mod elementary;
pub mod flags;
pub mod flux;
pub mod foreground;
pub mod header;
pub mod image;
pub mod map;
pub mod memory;
pub mod pixels;
pub mod progress;
pub mod release;
pub mod sky;
pub mod time;
pub mod units;

#[cfg(feature = "fits")]
pub mod fits;
#[cfg(feature = "fits")]
pub mod mef;

#[cfg(all(doctest, feature = "fits"))]
#[doc = include_str!("../README.md")]
struct ReadmeOfCore;
