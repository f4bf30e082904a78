//! Zones made ready, kept from one image to the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::PsfKind;
use super::table::ZoneTable;
use spx_core::detector::Detector;

/// What a plane is, and where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ZonePlace {
    pub(super) detector: Detector,
    pub(super) zone: usize,
    pub(super) side: usize,
    pub(super) oversampling: usize,
    pub(super) kind: PsfKind,
}

/// A plane, and what was made of it.
type PreparedPlane = (Vec<f32>, Option<Arc<ZoneTable>>);

/// Zones made ready for one image, for those after it: most images of a detector hold the same
/// planes, and to make one ready costs 200 times as much as to see that it is the same.
///
/// Of each zone the last plane is kept. What a model gives does not depend on it.
#[derive(Debug, Default)]
pub struct PsfCache {
    zones: Mutex<HashMap<ZonePlace, PreparedPlane>>,
}

impl PsfCache {
    /// The table of a plane; `None` where it is not finite or has no light.
    pub(super) fn table(&self, place: ZonePlace, plane: &[f32]) -> Option<Arc<ZoneTable>> {
        let zones = || self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, table)) = zones().get(&place)
            && known == plane
        {
            return table.clone();
        }
        let table = ZoneTable::new(plane, place.side, place.oversampling, place.kind).map(Arc::new);
        zones().insert(place, (plane.to_vec(), table.clone()));
        table
    }
}
