//! Drizzle of spectral exposures, in which every pixel sees another wavelength, into a cube.
//!
//! The method is Fruchter & Hook (2002, PASP 114, 144) in the plane of the sky and the same idea along
//! wavelength: each input pixel becomes a droplet, a spot on the output grid times a top-hat in wavelength,
//! and gives its flux to the voxels that it overlaps, weighted by its inverse variance.
//!
//! For an input pixel with flux `F`, variance `s2`, flags `q`, wavelength `L` and bandwidth `D`, a voxel with
//! the spatial share `f_xy` (see [`Kernel`]) and the spectral share `f_z` (overlap of
//! `[L - D z_shrink/2, L + D z_shrink/2]` with the bin, normalised to sum 1 over the bins) gets
//! `a = min(1/s2, ivar_max) f_xy f_z`. Then
//!
//! ```text
//! SCI      = sum(a F) / sum(a)           VARIANCE = sum(a^2 s2) / sum(a)^2
//! AND_MASK = AND of q                    OR_MASK  = OR of q            COUNT = number of contributions
//! ```
//!
//! **This crate knows nothing of FITS WCS**: an [`Exposure`] brings a map from input to output pixels and a
//! map of wavelengths, through the traits of [`spx_core::map`]. With default features off it does no I/O.
//!
//! ```
//! use spx_core::map::{Passband, PixelMap, WavelengthMap};
//! use spx_core::progress::Silent;
//! use spx_drizzle::{Cube, DrizzleError, DrizzleOptions, Drizzler, Exposure, Extra, Plan, WavelengthGrid};
//!
//! struct Shift(f64);
//! impl PixelMap for Shift {
//!     fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
//!         Some([x + self.0, y])
//!     }
//! }
//! struct Narrow;
//! impl WavelengthMap for Narrow {
//!     fn passband(&self, _: f64, _: f64) -> Passband {
//!         Passband { centre: 2.1, width: 0.05 }
//!     }
//! }
//!
//! let plan = Plan::new([4, 6], WavelengthGrid::custom(vec![2.0, 2.2])?, DrizzleOptions::default())?;
//! let mut drizzler = Drizzler::new(plan);
//! let (flux, variance, flags) = (vec![3.0; 24], vec![0.01; 24], vec![0; 24]);
//! let answers = drizzler.add_all(
//!     &[0.0, 0.5],
//!     |plan, &shift, droplets| {
//!         let exposure = Exposure {
//!             shape: [4, 6],
//!             rows: 0..4,
//!             flux: &flux,
//!             variance: &variance,
//!             flags: &flags,
//!             foreground: None,
//!             excluded: 0,
//!             pixel_map: &Shift(shift),
//!             wavelength_map: &Narrow,
//!             extra: Extra::default(),
//!         };
//!         plan.collect(&exposure, &plan.spans(exposure.pixel_map, exposure.shape), droplets)
//!     },
//!     &Silent,
//! )?;
//! assert!(answers.iter().all(|a| a.as_ref().is_ok_and(|((), c)| c.took_part())));
//! let cube = Cube::from_data(&drizzler);
//! assert!((cube.science[[0, 1, 2]] - 3.0).abs() < 1e-6);
//! assert_eq!(cube.count[[0, 1, 2]], 3);
//! # Ok::<(), DrizzleError>(())
//! ```

mod accumulator;
mod cube;
mod drizzler;
mod droplet;
mod error;
mod exposure;
#[cfg(feature = "fits")]
pub mod file;
mod kernel;
mod noise;
mod options;
mod planes;
mod sums;
mod tile;
mod timing;
mod wavelength;
pub mod weights;

pub use accumulator::{Accumulator, Entry};
pub use cube::{Cube, CubeData, OptionalPlane};
pub use drizzler::{Answers, Contribution, Drizzler, Plan};
pub use droplet::Droplets;
pub use error::DrizzleError;
pub use exposure::{Exposure, Extra, Foreground, Weight};
pub use options::{DrizzleOptions, Fill, Kernel};
pub use planes::{ErrorMethod, Planes, VarianceMethod};
pub use sums::{BitSum, KeptSums, RealSum};
pub use timing::{GroupTime, Timing};
pub use wavelength::{Bin, LogAxis, WavelengthGrid};
