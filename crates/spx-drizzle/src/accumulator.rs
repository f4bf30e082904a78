//! Sums that last: a drizzler together with the exposures that were given to it.

use std::collections::HashSet;

use spx_core::image::ExposureId;
use spx_core::release::{ExposureCalibration, ReleaseIdentity};

use crate::{DrizzleError, Drizzler, GroupTime, SkyCorrection, Timing};

/// An exposure that was given to the sums, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AccumulatedExposure {
    /// Observation and detector.
    pub id: ExposureId,
    /// The name of its file.
    pub file: String,
    /// Its release, version and processing.
    pub identity: ReleaseIdentity,
    /// What changes with the content of its file, where that is known.
    pub content: Option<String>,
    /// Its flux scale and wavelengths, where that is known.
    pub calibration: Option<ExposureCalibration>,
    /// The time by which exposures are ordered \[MJD, UTC\].
    pub mjd: Option<f64>,
    /// Whether any pixel of it took part.
    pub used: bool,
    /// Why it did not, or what was unusual.
    pub remark: Option<String>,
    /// The scale of the foreground that was subtracted.
    pub foreground_scale: Option<f64>,
    /// Its number in the context.
    pub number: Option<u32>,
    /// Its times, which count where it is used.
    pub time: GroupTime,
    /// What it was compared with the others for, where it was.
    pub compared: Option<ComparedExposure>,
}

/// What is kept of an exposure that was compared with others: they have to be compared anew where
/// some are added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComparedExposure {
    /// Where its file is.
    pub path: String,
    /// How many of its pixels were rejected as outliers, where these were looked for.
    pub outliers: Option<u64>,
    /// What was subtracted from it, where backgrounds were matched.
    pub background: Option<SkyCorrection>,
}

/// Running sums to which exposures are added now and later, each exposure once.
#[derive(Debug)]
pub struct Accumulator {
    /// The sums.
    pub drizzler: Drizzler,
    entries: Vec<AccumulatedExposure>,
    known: HashSet<ExposureId>,
}

impl Accumulator {
    /// Sums that no exposure was given to.
    pub fn new(drizzler: Drizzler) -> Self {
        Self { drizzler, entries: Vec::new(), known: HashSet::new() }
    }

    /// All exposures, in the order in which they came.
    pub fn entries(&self) -> &[AccumulatedExposure] {
        &self.entries
    }

    /// Whether an exposure was given to the sums.
    pub fn contains(&self, id: &ExposureId) -> bool {
        self.known.contains(id)
    }

    /// Notes an exposure that was given to the sums.
    ///
    /// # Errors
    /// [`DrizzleError::Duplicate`] where it was noted before.
    pub fn note(&mut self, entry: AccumulatedExposure) -> Result<(), DrizzleError> {
        if !self.known.insert(entry.id.clone()) {
            return Err(DrizzleError::Duplicate(entry.id.to_string()));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Adds other sums, whose exposures come behind those that are here; see [`Drizzler::merge`].
    ///
    /// # Errors
    /// [`DrizzleError::Duplicate`] where both have an exposure, and those of [`Drizzler::merge`].
    /// Nothing is added then, unless memory is exhausted.
    pub fn merge(&mut self, other: Self) -> Result<(), DrizzleError> {
        if let Some(twice) = other.entries.iter().find(|entry| self.contains(&entry.id)) {
            return Err(DrizzleError::Duplicate(twice.id.to_string()));
        }
        let before = self.drizzler.exposures();
        self.drizzler.merge(&other.drizzler)?;
        for mut entry in other.entries {
            entry.number = entry.number.map(|number| number + before);
            self.note(entry)?;
        }
        Ok(())
    }

    /// The times of the exposures that are used.
    pub fn timing(&self) -> Timing {
        let mut timing = Timing::default();
        self.entries.iter().filter(|entry| entry.used).for_each(|entry| timing.add(entry.time.clone()));
        timing
    }
}
