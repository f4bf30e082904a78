//! Drizzle: spectral images to cubes, one for each detector or one for all, and to mosaics; running
//! sums that are kept in a file.
//!
//! [`drizzle`] and [`mosaic`] do what the commands of these names do. A program that wants the
//! steps one by one has [`DrizzleConfig::plan`] for the output grid, [`query_observations`] and
//! [`download_observations`] for the images, and [`drizzle_detector`] for the cube of files that
//! are at hand.

mod accumulate;
mod addition;
mod channels;
mod extra;
mod finalize;
mod grid;
mod holes;
mod job;
mod memory;
mod mosaic;
mod point_source;
mod report;
mod resampling;
mod run;
mod settings;
mod writer;

pub(crate) use accumulate::added_files;
pub use finalize::{FinalizeRequest, finalize};
pub use grid::{GridFrame, GridProjection, GridSettings};
pub(crate) use job::needed_memory;
pub use memory::MemoryRefusal;
pub(crate) use mosaic::sees;
pub use mosaic::{MosaicConfig, WaveRange};
pub use report::{CubeReport, DrizzleReport, InputReport};
pub use resampling::{
    BackgroundMatching, ErrorPlane, OptionalPlane, PixelWeighting, ResamplingSettings, VarianceCombination,
};
pub use run::{
    download_observations, drizzle, drizzle_detector, forecast_drizzle, forecast_mosaic, mosaic,
    query_observations, resume_drizzle, resume_mosaic,
};
pub(crate) use run::{drizzle_mean, mosaic_memory};
pub use settings::{
    CubeChannels, DrizzleConfig, DrizzleProduct, KnownExposures, MemorySettings, OutputCompression,
    OutputSettings, PixelSettings, RegionSettings, SamplingSettings,
};
