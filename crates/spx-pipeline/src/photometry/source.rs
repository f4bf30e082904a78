//! The source: where it is, and how it moves.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_batch::{BatchError, Catalog, CatalogOptions};
use spx_core::sky::Position;
use spx_photometry::ProperMotion;

use crate::archive::needed_position;
use crate::settings::SettingHeading;
use crate::{Listener, PipelineError};

/// Epoch of positions of Gaia DR3 \[yr\].
const REF_EPOCH: f64 = 2016.0;

/// Settings that name a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Source"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[arcsec]` is a unit")]
pub struct SourceSettings {
    /// Right ascension [deg, ICRS]
    #[schemars(example = 213.9427, extend("x-value" = "DEG", "x-needed" = true, "x-angle" = "ra"))]
    pub ra: Option<f64>,
    /// Declination [deg, ICRS]
    #[schemars(example = 11.4954, extend("x-value" = "DEG", "x-needed" = true, "x-angle" = "dec"))]
    pub dec: Option<f64>,
    /// Proper motion along right ascension, including cos(dec) [mas/yr]
    #[schemars(example = -801.551, extend("x-value" = "MAS/YR"))]
    pub pm_ra: Option<f64>,
    /// Proper motion along declination [mas/yr]
    #[schemars(example = 10362.394, extend("x-value" = "MAS/YR"))]
    pub pm_dec: Option<f64>,
    /// Epoch of the position of a source with proper motion, by default that of Gaia DR3 [Julian
    /// year]
    #[schemars(extend("x-value" = "YEAR"))]
    pub ref_epoch: f64,
    /// Catalog of other sources (as spx batch reads them), which are fitted together with this one;
    /// the method is then scene
    #[schemars(extend("x-heading" = "Neighbors", "x-value" = "FILE"))]
    pub neighbors: Option<PathBuf>,
    /// How far around the source they count [arcsec]
    #[schemars(extend("x-heading" = "Neighbors", "x-value" = "ARCSEC", "exclusiveMinimum" = 0))]
    pub neighbors_radius: f64,
    /// Maximum number of them; the nearest count
    #[schemars(range(min = 1), extend("x-heading" = "Neighbors"))]
    pub neighbors_limit: usize,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            ra: None,
            dec: None,
            pm_ra: None,
            pm_dec: None,
            ref_epoch: REF_EPOCH,
            neighbors: None,
            neighbors_radius: 60.0,
            neighbors_limit: 500,
        }
    }
}

/// A source of the catalog of neighbors within this of the source is the source itself \[arcsec\].
const ITSELF: f64 = 1.0;

/// Sources that are fitted together with another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NeighborSources {
    /// The nearest first.
    pub targets: Vec<SkyTarget>,
    /// Changes with any of them; empty where there is no catalog.
    pub digest: String,
}

/// A source on the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkyTarget {
    /// At the epoch of the motion, where it has one.
    pub position: Position,
    /// How it moves.
    pub motion: Option<ProperMotion>,
}

impl SkyTarget {
    /// Where it is at a time \[MJD\]; `None` for a motion that is not finite.
    pub fn position_at(&self, mjd: f64) -> Option<Position> {
        match &self.motion {
            None => Some(self.position),
            Some(motion) => motion.position_at(self.position, mjd).ok(),
        }
    }
}

impl SourceSettings {
    /// The neighbors of a target.
    ///
    /// # Errors
    /// Usage where the catalog cannot be read, or its proper motions have no epoch; interrupted.
    pub fn neighbors_of(
        &self,
        target: &SkyTarget,
        listener: &dyn Listener,
    ) -> Result<NeighborSources, PipelineError> {
        let Some(path) = &self.neighbors else { return Ok(NeighborSources::default()) };
        let catalog =
            Catalog::read(path, &CatalogOptions::default(), listener).map_err(|error| match error {
                BatchError::Cancelled => PipelineError::Interrupted,
                error => PipelineError::from(error).into_usage(),
            })?;
        let distance = |position: &Position| position.separation(target.position) * 3600.0;
        let distances = catalog.positions().iter().map(distance).enumerate();
        let mut near: Vec<(usize, f64)> =
            distances.filter(|(_, d)| (ITSELF..=self.neighbors_radius).contains(d)).collect();
        near.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        if near.len() > self.neighbors_limit {
            let (found, limit) = (near.len(), self.neighbors_limit);
            listener.warning(&format!("neighbors: the nearest {limit} of {found} are used"));
            near.truncate(limit);
        }
        let target = |(number, _): &(usize, f64)| {
            let found = catalog.target(*number);
            let motion =
                found.motion.map(|m| ProperMotion { ra_cos_dec: m.ra_cos_dec, dec: m.dec, epoch: m.epoch });
            SkyTarget { position: found.position, motion }
        };
        Ok(NeighborSources { targets: near.iter().map(target).collect(), digest: catalog.digest() })
    }

    /// The source, checked.
    ///
    /// # Errors
    /// Usage where a coordinate is missing or out of range, or a motion is not finite.
    pub fn target(&self) -> Result<SkyTarget, PipelineError> {
        let position = needed_position(self.ra, self.dec)?;
        let motion = match (self.pm_ra, self.pm_dec) {
            (None, None) => None,
            (ra, dec) => Some(ProperMotion {
                ra_cos_dec: ra.unwrap_or(0.0),
                dec: dec.unwrap_or(0.0),
                epoch: self.ref_epoch,
            }),
        };
        if let Some(ProperMotion { ra_cos_dec, dec, epoch }) = motion
            && !(ra_cos_dec.is_finite() && dec.is_finite() && epoch.is_finite())
        {
            return Err(PipelineError::usage("pm_ra, pm_dec and ref_epoch must be finite"));
        }
        Ok(SkyTarget { position, motion })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SilentListener;

    #[test]
    fn neighbors_are_the_nearest_without_the_source_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.csv");
        let rows = "id,ra,dec\nfar,10.0,20.02\nself,10.0,20.0001\nsecond,10.0,20.004\nfirst,10.0,19.998\n";
        std::fs::write(&path, rows).unwrap();
        let settings = |limit: usize, radius: f64| SourceSettings {
            ra: Some(10.0),
            dec: Some(20.0),
            neighbors: Some(path.clone()),
            neighbors_radius: radius,
            neighbors_limit: limit,
            ..SourceSettings::default()
        };
        let of = |settings: SourceSettings| {
            let target = settings.target().unwrap();
            let found = settings.neighbors_of(&target, &SilentListener).unwrap();
            found.targets.iter().map(|target| target.position.dec()).collect::<Vec<f64>>()
        };
        assert_eq!(of(settings(500, 60.0)), [19.998, 20.004]);
        assert_eq!(of(settings(500, 100.0)), [19.998, 20.004, 20.02]);
        assert_eq!(of(settings(1, 100.0)), [19.998]);
        assert!(of(SourceSettings { neighbors: None, ..settings(9, 60.0) }).is_empty());
    }
}
