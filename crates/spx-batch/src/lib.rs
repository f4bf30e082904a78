//! Photometry of many sources in many images: what comes before and after the measuring.
//!
//! - A [`Catalogue`] is read from CSV, ECSV or Parquet, or built row by row; a [`SkyIndex`] tells which of its sources
//!   lie near an image.
//! - The measurements of an image are [`Row`]s of a table, [written](ImageTables) with a record of what they were made
//!   with, so that a later run knows what it need not do again.
//! - [`aggregate`] sorts the tables of all images into light curves, one file a source or a Parquet data set, in
//!   bounded memory.
//!
//! **Tables in, tables out.** This crate knows no images, no world coordinates and no photometry, speaks to no network
//! and prints nothing; files appear under their names only when they are complete.

mod aggregate;
mod catalogue;
mod columnar;
mod error;
mod hash;
mod index;
mod names;
mod row;
mod tables;

pub use aggregate::{AggregateOptions, Aggregated, LIGHT_CURVES, aggregate, has_light_curves, light_curve};
pub use catalogue::{
    Catalogue, CatalogueBuilder, CatalogueColumns, CatalogueRow, FileKind, Motion, Rejected, Target,
    check_unit,
};
pub use error::BatchError;
pub use hash::bucket_of;
pub use index::SkyIndex;
pub use names::file_stem;
pub use row::{COLUMNS, Column, Kind, Row, header};
pub use tables::{ImageRecord, ImageTables, Recorded, TableFormat, Tables, Unmeasured, WrittenTables};
