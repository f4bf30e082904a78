//! The source: where it is, how it moves, and its shape.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_batch::{CatalogShape, CatalogTarget};
use spx_core::sky::Position;
use spx_photometry::{ProperMotion, SersicShape};

use super::neighbors::{NeighborArchive, NeighborSettings, place_in_survey};
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
    #[schemars(range(min = 1000, max = 3000), extend("x-value" = "YEAR"))]
    pub ref_epoch: f64,
    /// Sersic index of a galaxy, 0.5 to 6, which is fitted: 1 is an exponential disk, 4 de
    /// Vaucouleurs' law
    #[schemars(range(min = 0.5, max = 6), extend("x-heading" = "Shape"))]
    pub sersic: Option<f64>,
    /// Effective radius of a galaxy, along its major axis; without it the source is a point
    /// [arcsec]
    #[schemars(range(max = 20))]
    #[schemars(extend("x-heading" = "Shape", "x-value" = "ARCSEC", "exclusiveMinimum" = 0))]
    pub r_eff: Option<f64>,
    /// Minor over major axis of a galaxy
    #[schemars(range(max = 1), extend("x-heading" = "Shape", "exclusiveMinimum" = 0))]
    pub axis_ratio: f64,
    /// Position angle of its major axis, from north through east [deg]
    #[schemars(extend("x-heading" = "Shape", "x-value" = "DEG"))]
    pub position_angle: f64,
    /// Sources that are fitted together with it.
    #[serde(flatten)]
    pub neighbors: NeighborSettings,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            ra: None,
            dec: None,
            pm_ra: None,
            pm_dec: None,
            ref_epoch: REF_EPOCH,
            sersic: None,
            r_eff: None,
            axis_ratio: 1.0,
            position_angle: 0.0,
            neighbors: NeighborSettings::default(),
        }
    }
}

/// Sources that are fitted together with another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NeighborSources {
    /// The nearest first.
    pub targets: Vec<SkyTarget>,
    /// Changes with any of them; empty where none were asked for.
    pub digest: String,
}

/// A source on the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkyTarget {
    /// At the epoch of the motion, where it has one.
    pub position: Position,
    /// How it moves.
    pub motion: Option<ProperMotion>,
    /// The profile of a galaxy; `None` for a point. Apertures take every source for a point.
    pub shape: Option<SersicShape>,
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

impl From<CatalogTarget<'_>> for SkyTarget {
    fn from(found: CatalogTarget<'_>) -> Self {
        let motion =
            found.motion.map(|m| ProperMotion { ra_cos_dec: m.ra_cos_dec, dec: m.dec, epoch: m.epoch });
        let shape = found.shape.map(|CatalogShape { index, r_eff, axis_ratio, position_angle }| {
            SersicShape { index, r_eff, axis_ratio, position_angle }
        });
        Self { position: found.position, motion, shape }
    }
}

impl SourceSettings {
    /// The neighbors of a target.
    ///
    /// # Errors
    /// Those of [`NeighborSettings::find`].
    pub fn neighbors_of(
        &self,
        target: &SkyTarget,
        archive: &NeighborArchive<'_>,
        listener: &dyn Listener,
    ) -> Result<NeighborSources, PipelineError> {
        if self.neighbors.neighbors.is_none() {
            return Ok(NeighborSources::default());
        }
        let found = self.neighbors.find(&[place_in_survey(target)], archive, listener)?;
        let targets = (0..found.len()).map(|number| found.target(number).into()).collect();
        Ok(NeighborSources { targets, digest: found.digest() })
    }

    fn shape(&self) -> Result<Option<SersicShape>, PipelineError> {
        let (index, r_eff) = match (self.sersic, self.r_eff) {
            (None, None) => return Ok(None),
            (Some(index), Some(r_eff)) => (index, r_eff),
            _ => return Err(PipelineError::usage("a galaxy has both sersic and r_eff")),
        };
        let shape =
            SersicShape { index, r_eff, axis_ratio: self.axis_ratio, position_angle: self.position_angle };
        shape.validate().map_err(PipelineError::usage)?;
        Ok(Some(shape))
    }

    /// The source, checked.
    ///
    /// # Errors
    /// Usage where a coordinate is missing or out of range, a motion is not finite, or a shape is
    /// none.
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
        Ok(SkyTarget { position, motion, shape: self.shape()? })
    }
}
