//! Drizzles spectral exposures, in which every pixel sees another wavelength, into a cube.
//!
//! The method is that of Fruchter & Hook (2002, PASP 114, 144) in the plane of the sky, and the
//! same idea along wavelength: each input pixel becomes a droplet, a spot on the output grid times
//! a top-hat in wavelength, and adds its flux to the voxels that it overlaps.
//!
//! For an input pixel with flux `F`, variance `s2`, flags `q`, wavelength `L`, bandwidth `D` and
//! weight `w` ([`Weight`]), a voxel with the spatial share `f_xy` ([`Kernel`]) and the spectral
//! share `f_z` (overlap of `[L - D z_shrink/2, L + D z_shrink/2]` with the bin, normalized to sum 1
//! over the bins) gets `a = w f_xy f_z`. Then
//!
//! ```text
//! SCI      = sum(a F) / sum(a)        VARIANCE = sum(a^2 s2) / sum(a)^2
//! AND_MASK = AND of q                 OR_MASK  = OR of q          COUNT = number of contributions
//! ```
//!
//! An [`Exposure`] is a set of borrowed arrays and two maps: from input to output pixels, and from
//! input pixels to wavelengths. The maps are the traits of [`map`]; **this crate knows nothing of
//! FITS WCS**. With default features off it does no I/O and compiles no C.
//!
//! [`Drizzler::add`] adds one exposure. [`Drizzler::add_all`] loads and adds many on several
//! threads; the sums have the same bits whatever the number of threads.
//!
//! A 2-D image is a cube with one bin:
//!
//! ```
//! use spx_drizzle::map::{Passband, PixelMap};
//! use spx_drizzle::{
//!     Cube, DrizzleError, DrizzleOptions, DrizzlePlan, Drizzler, Exposure, ExposureExtras, Kernel,
//!     WavelengthGrid, Weight,
//! };
//!
//! /// Output positions of the pixel centers, `[y][x]`, as STScI's `drizzle` takes them; bilinear
//! /// between them, extrapolated beyond.
//! struct ArrayMap {
//!     shape: [usize; 2],
//!     positions: Vec<[f64; 2]>,
//! }
//! impl PixelMap for ArrayMap {
//!     fn map(&self, x: f64, y: f64) -> Option<[f64; 2]> {
//!         let [ny, nx] = self.shape;
//!         let i = x.floor().clamp(0.0, nx as f64 - 2.0);
//!         let j = y.floor().clamp(0.0, ny as f64 - 2.0);
//!         let (fx, fy, first) = (x - i, y - j, j as usize * nx + i as usize);
//!         let at = |k: usize| self.positions[first + k];
//!         let mix = |a: f64, b: f64, t: f64| a + t * (b - a);
//!         let row = |k: usize, axis: usize| mix(at(k)[axis], at(k + 1)[axis], fx);
//!         Some([0, 1].map(|axis| mix(row(0, axis), row(nx, axis), fy)))
//!     }
//! }
//!
//! // Two images of 4 x 6 pixels; the second is shifted by half a pixel and has weights of its own.
//! let shape = [4, 6];
//! let shifted = |dx: f64| ArrayMap {
//!     shape,
//!     positions: (0..24).map(|k| [f64::from(k % 6) + dx, f64::from(k / 6)]).collect(),
//! };
//! let (flux, variance, flags) = (vec![3.0; 24], vec![0.01; 24], vec![0; 24]);
//! let weights = vec![2.0; 24];
//! let images = [(shifted(0.0), Weight::Constant(1.0)), (shifted(0.5), Weight::Map(&weights))];
//!
//! let options = DrizzleOptions { kernel: Kernel::Square, ..DrizzleOptions::default() };
//! let plan = DrizzlePlan::new(shape, WavelengthGrid::custom(vec![2.0, 2.2])?, options)?;
//! let mut drizzler = Drizzler::new(plan);
//! for (pixel_map, weight) in &images {
//!     let contribution = drizzler.add(&Exposure {
//!         shape,
//!         rows: 0..4,
//!         flux: &flux,
//!         variance: &variance,
//!         flags: &flags,
//!         foreground: None,
//!         excluded: 0,
//!         pixel_map,
//!         wavelength_map: &Passband { center: 2.1, width: 0.05 },
//!         extra: ExposureExtras { weight: *weight, ..ExposureExtras::default() },
//!     })?;
//!     assert!(contribution.took_part());
//! }
//! let cube = Cube::from_data(&drizzler);
//! assert!((cube.science[[0, 1, 2]] - 3.0).abs() < 1e-6);
//! assert_eq!(cube.count[[0, 1, 2]], 3);
//! # Ok::<(), DrizzleError>(())
//! ```

mod accumulator;
mod addition;
mod background;
mod collect;
mod cube;
mod drizzler;
mod droplet;
mod droplets;
mod error;
mod exposure;
#[cfg(feature = "fits")]
pub mod file;
mod interruption;
mod kernel;
mod noise;
mod numbers;
mod options;
mod output;
mod plan;
mod planes;
mod reached;
mod region;
mod reject;
mod resolution;
mod sinks;
mod source;
mod stack;
mod sums;
mod tile;
mod timing;
mod voxel;
mod wavelength;
pub mod weights;

pub use accumulator::{AccumulatedExposure, Accumulator, ComparedExposure};
/// The detectors of SPHEREx and their channels, for [`WavelengthGrid::native`].
pub use spx_core::detector;
#[cfg(feature = "fits")]
/// FITS headers, for what a cube file says of itself.
pub use spx_core::header;
/// The identity of an exposure, for [`Accumulator`].
pub use spx_core::image::ExposureId;
/// How an exposure says where its pixels lie and which light they saw.
pub use spx_core::map;
/// How a long run reports its progress and is asked to stop.
pub use spx_core::progress;

pub use background::{BackgroundForm, SkyCorrection};
pub use cube::{Cube, CubeData, OptionalPlane};
pub use drizzler::{Answers, ComparisonOptions, Contribution, Drizzler};
pub use droplets::Droplets;
pub use error::DrizzleError;
pub use exposure::{Exposure, ExposureExtras, ExposureForeground, Weight};
pub use options::{DrizzleOptions, FillValue, Kernel};
pub use plan::DrizzlePlan;
pub use planes::{ErrorMethod, OutputPlanes, VarianceMethod};
pub use reached::ReachedTiles;
pub use reject::RejectionOptions;
pub use sums::{BitSum, KeptSums, RealSum};
pub use timing::{GroupTime, Timing};
pub use wavelength::{Bin, LogAxis, WavelengthGrid};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
