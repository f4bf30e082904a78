//! Photometry: settings, exposures, rows and tables; a source on local files.
//!
//! [`exposure`] says how sources are measured, one or many.

pub mod columns;
pub mod cutouts;
pub mod entry;
pub mod exposure;
pub mod figure;
pub mod files;
pub mod irsa;
pub mod neighbors;
pub mod row;
pub mod settings;
pub mod source;
pub mod table;
pub(crate) mod together;

pub use entry::PhotometryEntry;
pub use exposure::PhotometrySetup;
pub use files::{PhotometryConfig, PhotometryReport, photometry};
pub use neighbors::NeighborSettings;
pub use row::MeasurementRow;
pub use settings::PhotometrySettings;
pub use source::{SkyTarget, SourceSettings};
pub use table::{ColumnNames, MeasurementTable, TableForm, TableHead};
