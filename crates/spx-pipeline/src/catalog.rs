//! Catalogs of sources, as the pipelines read them.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_batch::{BatchError, Catalog, CatalogOptions};

use crate::settings::SettingHeading;
use crate::{Listener, PipelineError};

/// So many bad rows of a catalog are reported one by one.
const REPORTED: usize = 20;

/// Settings that choose the columns of a catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Sources"))]
pub struct CatalogColumnSettings {
    /// Column of the ids in the catalog; by default the one with a usual name (targetid, source_id,
    /// id, Name)
    #[schemars(extend("examples" = ["TIC"], "x-value" = "COLUMN"))]
    pub id_column: Option<String>,
    /// Column of the right ascensions, together with --dec-column; by default those with usual
    /// names (ra and dec, RA_ICRS and DE_ICRS, _RAJ2000 and _DEJ2000)
    #[schemars(extend("examples" = ["ra_gaia"], "x-value" = "COLUMN"))]
    pub ra_column: Option<String>,
    /// Column of the declinations
    #[schemars(extend("examples" = ["dec_gaia"], "x-value" = "COLUMN"))]
    pub dec_column: Option<String>,
}

impl CatalogColumnSettings {
    /// Reads a catalog; `epoch` \[yr\] is that of positions that have none of their own, `shapes`
    /// says whether galaxies have theirs.
    ///
    /// # Errors
    /// Usage where the catalog cannot be read; interrupted by the user.
    pub(crate) fn read(
        &self,
        path: &Path,
        epoch: Option<f64>,
        shapes: bool,
        listener: &dyn Listener,
    ) -> Result<Catalog, PipelineError> {
        let Self { id_column, ra_column, dec_column } = self.clone();
        if ra_column.is_some() != dec_column.is_some() {
            return Err(PipelineError::usage("ra_column and dec_column must be given together"));
        }
        tracing::info!("reading the catalog {}", path.display());
        let options = CatalogOptions { epoch, shapes, id_column, ra_column, dec_column };
        Catalog::read(path, &options, listener).map_err(|error| match error {
            BatchError::Cancelled => PipelineError::Interrupted,
            BatchError::Catalog { ref problem, .. } if problem.starts_with("it has no column") => {
                let hint = "--id-column, --ra-column and --dec-column name columns with other names";
                PipelineError::from(error).into_usage().with_hint(hint)
            }
            error => PipelineError::from(error).into_usage(),
        })
    }
}

/// Reports rows that are not used, and what else was unusual.
pub(crate) fn report_rejected(catalog: &Catalog, listener: &dyn Listener) {
    for note in catalog.notes() {
        listener.warning(&format!("catalog: {note}"));
    }
    for rejected in catalog.rejected().iter().take(REPORTED) {
        listener.warning(&format!("catalog, {rejected}"));
    }
    if let Some(more) = catalog.rejected_count().checked_sub(REPORTED).filter(|more| *more > 0) {
        listener.warning(&format!("catalog: {more} more rows are not used"));
    }
}
