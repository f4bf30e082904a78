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
//! map of wavelengths, through the traits of [`map`]. With default features off it does no I/O.
//!
//! A caller with arrays and a map of its own, here one that is given for every pixel as STScI's `drizzle` takes it, needs
//! nothing else. A 2-D image is a cube with one bin.
//!
//! ```
//! use spx_drizzle::map::{Passband, PixelMap};
//! use spx_drizzle::progress::Silent;
//! use spx_drizzle::{
//!     Cube, DrizzleError, DrizzleOptions, Drizzler, Exposure, ExposureExtras, Kernel, DrizzlePlan, WavelengthGrid, Weight,
//! };
//!
//! /// Output positions of the pixel centres, `[y][x]`; bilinear between them, extrapolated beyond.
//! struct ArrayMap {
//!     shape: [usize; 2],
//!     positions: Vec<[f64; 2]>,
//! }
//! impl PixelMap for ArrayMap {
//!     fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
//!         let [ny, nx] = self.shape;
//!         let (i, j) = (x.floor().clamp(0.0, nx as f64 - 2.0), y.floor().clamp(0.0, ny as f64 - 2.0));
//!         let (fx, fy, first) = (x - i, y - j, j as usize * nx + i as usize);
//!         let at = |k: usize| self.positions[first + k];
//!         let mix = |a: f64, b: f64, t: f64| a + t * (b - a);
//!         Some([0, 1].map(|k| mix(mix(at(0)[k], at(1)[k], fx), mix(at(nx)[k], at(nx + 1)[k], fx), fy)))
//!     }
//! }
//!
//! /// Two images of 4 x 6 pixels, the second shifted by half a pixel and with weights of its own.
//! let shape = [4, 6];
//! let shifted = |dx: f64| ArrayMap {
//!     shape,
//!     positions: (0..24).map(|k| [f64::from(k % 6) + dx, f64::from(k / 6)]).collect(),
//! };
//! let (flux, variance, flags, weights) = (vec![3.0; 24], vec![0.01; 24], vec![0; 24], vec![2.0; 24]);
//! let images = [(shifted(0.0), Weight::InverseVariance), (shifted(0.5), Weight::Map(&weights))];
//!
//! let options = DrizzleOptions { kernel: Kernel::Square, ..DrizzleOptions::default() };
//! let plan = DrizzlePlan::new(shape, WavelengthGrid::custom(vec![2.0, 2.2])?, options)?;
//! let mut drizzler = Drizzler::new(plan);
//! let answers = drizzler.add_all(
//!     &images,
//!     |plan, (pixel_map, weight), droplets| {
//!         let exposure = Exposure {
//!             shape,
//!             rows: 0..4,
//!             flux: &flux,
//!             variance: &variance,
//!             flags: &flags,
//!             foreground: None,
//!             excluded: 0,
//!             pixel_map,
//!             wavelength_map: &Passband { center: 2.1, width: 0.05 },
//!             extra: ExposureExtras { weight: *weight, ..ExposureExtras::default() },
//!         };
//!         plan.collect(&exposure, &plan.spans(exposure.pixel_map, exposure.shape), droplets)
//!     },
//!     &Silent,
//! )?;
//! assert!(answers.iter().all(|a| a.as_ref().is_ok_and(|((), c)| c.took_part())));
//! drizzler.finalize();
//! let cube = Cube::from_data(&drizzler);
//! assert!((cube.science[[0, 1, 2]] - 3.0).abs() < 1e-6);
//! assert_eq!(cube.count[[0, 1, 2]], 3);
//! # Ok::<(), DrizzleError>(())
//! ```

mod accumulator;
mod addition;
mod collect;
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
mod voxel;
mod wavelength;
pub mod weights;

pub use accumulator::{AccumulatedExposure, Accumulator};
/// How an exposure says where its pixels lie and which light they saw.
pub use spx_core::map;
/// How a long run tells of itself and is asked to stop.
pub use spx_core::progress;

pub use cube::{Cube, CubeData, OptionalPlane};
pub use drizzler::{Answers, Contribution, DrizzlePlan, Drizzler};
pub use droplet::Droplets;
pub use error::DrizzleError;
pub use exposure::{Exposure, ExposureExtras, ExposureForeground, Weight};
pub use options::{DrizzleOptions, FillValue, Kernel};
pub use planes::{ErrorMethod, OutputPlanes, VarianceMethod};
pub use sums::{BitSum, KeptSums, RealSum};
pub use timing::{GroupTime, Timing};
pub use wavelength::{Bin, LogAxis, WavelengthGrid};
