//! When the light of a cube was collected: the times of its inputs, each pointing counted once.

/// The times of one group of inputs: images that were taken at the same time, such as the six
/// detectors of an observation, or several cutouts of one exposure.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupTime {
    /// What the images of a group have in common.
    pub id: String,
    /// Start \[MJD, UTC\].
    pub begin: Option<f64>,
    /// End \[MJD, UTC\].
    pub end: Option<f64>,
    /// Exposure time \[s\].
    pub exposure: Option<f64>,
    /// Time in which charge was measured \[s\]; without it, the exposure time.
    pub measurement: Option<f64>,
}

/// The groups of a cube, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timing {
    groups: Vec<GroupTime>,
}

impl Timing {
    /// Adds a group, unless one of this id is there.
    pub fn add(&mut self, group: GroupTime) {
        if self.groups.iter().all(|g| g.id != group.id) {
            self.groups.push(group);
        }
    }

    /// All groups; their number is that of the pointings.
    pub fn groups(&self) -> &[GroupTime] {
        &self.groups
    }

    /// Earliest start \[MJD, UTC\].
    pub fn begin(&self) -> Option<f64> {
        self.groups.iter().filter_map(|g| g.begin).min_by(f64::total_cmp)
    }

    /// Latest end \[MJD, UTC\].
    pub fn end(&self) -> Option<f64> {
        self.groups.iter().filter_map(|g| g.end).max_by(f64::total_cmp)
    }

    /// Sum of the exposure times \[s\].
    pub fn exposure(&self) -> f64 {
        self.groups.iter().filter_map(|g| g.exposure).sum()
    }

    /// Sum of the measurement times, of the exposure times where there is none \[s\].
    pub fn measurement(&self) -> f64 {
        self.groups.iter().filter_map(|g| g.measurement.or(g.exposure)).sum()
    }
}
