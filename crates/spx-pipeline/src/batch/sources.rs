//! What became of each source of a catalog: on how many images it is measured, and why not.

use std::io::BufWriter;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use spx_batch::{Catalog, CurveCounts, Unmeasured};
use spx_core::atomic::AtomicFile;

use crate::{PipelineError, ResultContext as _};

/// The file.
pub(super) const SOURCES: &str = "sources.csv";
/// Its columns.
const HEADER: [&str; 8] =
    ["target_id", "ra", "dec", "n_images", "n_measured", "n_flagged", "n_unmeasured", "reason"];
/// So many sources without a measurement are named.
const NAMED: usize = 5;

/// Sources of the catalog without any measurement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSources {
    /// How many there are.
    pub count: usize,
    /// The ids of the first.
    pub first: Vec<String>,
}

/// Counts while light curves are made.
pub(super) struct SourceCounter<'a> {
    catalog: &'a Catalog,
    /// Numbers of the sources in the order of their ids.
    by_id: Vec<u32>,
    counts: Mutex<Vec<CurveCounts>>,
}

impl<'a> SourceCounter<'a> {
    /// Of the first `measured` sources of a catalog.
    pub(super) fn new(catalog: &'a Catalog, measured: usize) -> Self {
        let mut by_id: Vec<u32> = (0_u32..).take(measured).collect();
        by_id.sort_unstable_by_key(|number| catalog.target(*number as usize).id);
        Self { catalog, by_id, counts: Mutex::new(vec![CurveCounts::default(); measured]) }
    }

    fn number(&self, id: &str) -> Option<usize> {
        let id_of = |number: &u32| self.catalog.target(*number as usize).id;
        self.by_id.binary_search_by(|number| id_of(number).cmp(id)).ok().map(|at| self.by_id[at] as usize)
    }

    /// Takes the counts of a light curve.
    pub(super) fn count(&self, id: &str, counts: CurveCounts) {
        if let Some(number) = self.number(id) {
            self.counts.lock().unwrap_or_else(PoisonError::into_inner)[number] = counts;
        }
    }

    /// Writes a line for each source, in the order of the catalog; `unmeasured` are those that lie
    /// on an image without a row, once for each image.
    ///
    /// # Errors
    /// What the disk reports.
    pub(super) fn write<'u>(
        self,
        directory: &Path,
        unmeasured: impl Iterator<Item = &'u Unmeasured>,
    ) -> Result<MissingSources, PipelineError> {
        let mut without = vec![(0_u32, ""); self.by_id.len()];
        for source in unmeasured {
            if let Some(number) = self.number(&source.target_id) {
                without[number] = (without[number].0 + 1, &source.reason);
            }
        }
        let path = directory.join(SOURCES);
        let context = || path.display().to_string();
        let file = AtomicFile::new(&path, true).with_context(context)?;
        let opened = std::fs::File::create(file.path()).with_context(context)?;
        let mut writer = csv::Writer::from_writer(BufWriter::new(opened));
        writer.write_record(HEADER)?;
        let mut missing = MissingSources::default();
        let counts = self.counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (number, (counts, (unmeasured, reason))) in counts.into_iter().zip(without).enumerate() {
            let target = self.catalog.target(number);
            let images = counts.rows + unmeasured;
            if counts.rows == 0 {
                missing.count += 1;
                if missing.first.len() < NAMED {
                    missing.first.push(target.id.to_owned());
                }
            }
            let [ra, dec] =
                [target.position.ra(), target.position.dec()].map(|degrees| format!("{degrees:?}"));
            let numbers = [images, counts.rows, counts.rows - counts.good, unmeasured].map(|n| n.to_string());
            let reason = if images == 0 { "it lies on no image" } else { reason };
            let [images, rows, flagged, unmeasured] = &numbers;
            writer.write_record([target.id, &ra, &dec, images, rows, flagged, unmeasured, reason])?;
        }
        writer.flush().with_context(context)?;
        drop(writer);
        file.commit().with_context(context)?;
        Ok(missing)
    }
}
