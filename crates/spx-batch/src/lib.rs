//! Photometry of many sources in many images: what comes before and after the measuring.
//!
//! - A [`Catalog`] is read from text, VOTable, FITS or Parquet, with the usual names and units; a
//!   [`SkyIndex`] tells which of its sources lie near an image. A [`SortedCatalog`] on the disk is
//!   read where images are alone.
//! - The measurements of an image are [`BatchRow`]s of a table, [written](ImageTables) with a
//!   record of what they were made with, so that a later run knows what it need not do again.
//! - [`aggregate`] sorts the tables of all images into light curves, one file a source or a Parquet
//!   data set, in bounded memory.
//! - A [`LightCurveStore`] takes the measurements of many processes without being aggregated: parts
//!   of a HATS data set.
//!
//! **Tables in, tables out.** This crate knows no images, no world coordinates and no photometry,
//! speaks to no network and prints nothing; files appear under their names only when they are
//! complete.

mod aggregate;
mod catalog;
mod columnar;
mod error;
mod hash;
mod index;
mod names;
mod row;
mod spectra;
mod store;
mod tables;

pub use aggregate::{
    AggregateOptions, Aggregated, CurveCounts, LIGHT_CURVES, aggregate, aggregate_counting, each_light_curve,
    has_light_curves, light_curve,
};
pub use catalog::{
    Catalog, CatalogCircle, CatalogMotion, CatalogOptions, CatalogShape, CatalogTarget, NearSources,
    RejectedCatalogRow, SortedCatalog,
};
pub use error::BatchError;
pub use hash::bucket_of;
pub use index::SkyIndex;
pub use names::file_stem;
pub use row::{BatchRow, COLUMNS, header};
pub use spectra::{SPECTRUM_ARRAYS, SPECTRUM_SCALARS, SpectraWriter, SpectrumRow};
pub use spx_core::columns::{ColumnKind, TableColumn};
pub use spx_core::release::{FluxCorrection, ReleaseIdentity};
pub use spx_core::{progress, sky};
pub use store::{
    CompactedStore, LightCurveStore, RetrievedMeasurement, STORED_NUMBERS, StoredIds, StoredMeasurement,
    WaitingExposure, WaitingRows, fine_cell,
};
pub use tables::{
    BatchTables, ImageRecord, ImageTableFormat, ImageTables, Recorded, RecordedTable, RecordedZodi,
    Unmeasured, WrittenTables,
};
