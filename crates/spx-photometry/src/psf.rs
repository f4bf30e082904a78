//! The point spread function of an image, zone by zone, and the light that it puts into pixels.
//!
//! Quick Release 2 holds a cube: 11 x 11 zones, 101 x 101 samples, ten a pixel. It is the *optical*
//! function, reconstructed from stacked stars and freed from the pixels (Symons et al. 2021, ApJS
//! 252, 24), so that it must be integrated over them: [`PsfKind::Optical`]. Its core lies about
//! 0.05 px off the source, so it is centered on its own centroid. Quick Release 3, and the
//! calibration product `cal-epsf`, hold a table of *effective* functions (Anderson & King 2000,
//! PASP 112, 1360), in which the integration has been done, so that they are looked up at the
//! centers of pixels and taken as they stand: [`PsfKind::Effective`].
//!
//! In both, sample `(i, j)` of a plane lies `((i, j) - (side - 1) / 2) / oversampling` pixels from
//! the source, and each plane is scaled to hold all light. Between the centers of zones the
//! function is interpolated ([`PsfZones`]).

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::header::{Header, HeaderError};

use crate::PhotometryError;

mod cache;
mod grid;
mod profile;
mod table;
mod version;

pub use cache::PsfCache;
use cache::ZonePlace;
use grid::ZoneGrid;
pub use profile::{ProfileTile, SourcePsf};
use table::ZoneTable;
pub use version::has_zone_erratum;

/// Shares of light that a point spread function tells are right to this part of themselves. Real
/// stars leave residuals of 1 % (effective functions) to 4 % (cubes) at their centers.
const SHARE_ERROR: f64 = 0.03;

/// Relative error of a flux that comes of a share `seen` of a source's light, and is scaled up for
/// the share `missing`, by that of the function alone.
pub(crate) fn fill_error(missing: f64, seen: f64) -> f64 {
    SHARE_ERROR * missing.max(0.0) / seen
}

/// What the samples of a plane are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PsfKind {
    /// Light per area, before the pixels collect it.
    Optical,
    /// Light in a pixel whose center lies there.
    Effective,
}

/// How the point spread function between the centers of zones is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PsfZones {
    /// Bilinear between the four nearest centers; beyond the outermost as there.
    #[default]
    Bilinear,
    /// That of the nearest center.
    Nearest,
}

/// The planes of a point spread function, row-major `[zone][y][x]`.
pub enum PsfPlanes {
    /// In memory.
    Held(Vec<f32>),
    /// Looked up when a zone is first needed: the samples of a zone, by its number.
    Lent(Box<dyn Fn(usize) -> Vec<f32> + Send + Sync>),
}

impl fmt::Debug for PsfPlanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held(_) => "Held",
            Self::Lent(_) => "Lent",
        })
    }
}

impl From<Vec<f32>> for PsfPlanes {
    fn from(planes: Vec<f32>) -> Self {
        Self::Held(planes)
    }
}

/// The point spread function of one image. Planes are prepared when they are first asked for.
#[derive(Debug)]
pub struct PsfModel {
    planes: PsfPlanes,
    side: usize,
    oversampling: usize,
    kind: PsfKind,
    centers: Vec<[f64; 2]>,
    grid: Option<ZoneGrid>,
    reordered: bool,
    tables: Vec<OnceLock<Option<Arc<ZoneTable>>>>,
    cache: Option<(Arc<PsfCache>, Detector)>,
}

impl PsfModel {
    /// `planes` of `side` x `side` samples each, `oversampling` samples a pixel along either axis;
    /// the zone of a plane has its center at `centers` `[x, y]` in pixels of the full frame.
    ///
    /// # Errors
    /// Where the arrays do not fit together or the oversampling is no whole number above zero.
    /// Planes are not looked at: one that is not finite or has no light makes its zone unusable,
    /// and no other.
    pub fn new(
        planes: impl Into<PsfPlanes>,
        side: usize,
        oversampling: f64,
        kind: PsfKind,
        centers: Vec<[f64; 2]>,
    ) -> Result<Self, PhotometryError> {
        let refuse = |problem: String| Err(PhotometryError::Psf(problem));
        let planes = planes.into();
        let zones = centers.len();
        if let PsfPlanes::Held(values) = &planes
            && values.len() != zones * side * side
        {
            let values = values.len();
            return refuse(format!("{values} values are not {zones} planes of {side} x {side}"));
        }
        if side == 0 || zones == 0 {
            return refuse("there are no planes".to_owned());
        }
        if kind == PsfKind::Effective && side.is_multiple_of(2) {
            return refuse(format!("planes of {side} x {side} samples have no middle one"));
        }
        if !(oversampling.fract() == 0.0 && (1.0..=1000.0).contains(&oversampling)) {
            return refuse(format!("an oversampling of {oversampling} is not a whole number of samples"));
        }
        if centers.iter().flatten().any(|c| !c.is_finite()) {
            return refuse("the center of a zone is not finite".to_owned());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        let oversampling = oversampling as usize;
        let (grid, tables) = (ZoneGrid::of(&centers), centers.iter().map(|_| OnceLock::new()).collect());
        Ok(Self { planes, side, oversampling, kind, centers, grid, reordered: false, tables, cache: None })
    }

    /// Takes zones that are ready from a cache, and leaves them there, as those of a detector.
    #[must_use]
    pub fn with_cache(self, cache: Arc<PsfCache>, detector: Detector) -> Self {
        Self { cache: Some((cache, detector)), ..self }
    }

    /// The cube of the HDU PSF of Quick Release 2 and its cards `OVERSAMP`, `XCTR_k`, `YCTR_k`, of
    /// so many `zones`; `version` is the card VERSION of the primary HDU.
    ///
    /// Files before 6.5.6 without `psffix1`, and those without a version, list the cards in the
    /// wrong order while the planes are right; their centers are put in the order of the planes,
    /// `iy * columns + ix`, by the `(ix, iy)` in the comments of the cards. Trusting the cards
    /// costs up to 5 % of the flux.
    ///
    /// # Errors
    /// Where a card is missing or wrong, or the comments that are needed do not name each zone
    /// once.
    pub fn from_cube(
        header: &Header,
        version: Option<&str>,
        planes: impl Into<PsfPlanes>,
        zones: usize,
        side: usize,
    ) -> Result<Self, PhotometryError> {
        let listed = (1..=zones)
            .map(|k| Ok([header.real(&format!("XCTR_{k}"))?, header.real(&format!("YCTR_{k}"))?]))
            .collect::<Result<Vec<_>, HeaderError>>()?;
        let reordered = has_zone_erratum(version);
        let centers = if reordered { in_plane_order(header, &listed)? } else { listed };
        let oversampling = header.real("OVERSAMP")?;
        Ok(Self { reordered, ..Self::new(planes, side, oversampling, PsfKind::Optical, centers)? })
    }

    /// True where the centers of the zones were put in the order of the planes.
    pub fn is_reordered(&self) -> bool {
        self.reordered
    }

    /// Centers of the zones, `[x, y]` in pixels of the full frame, in the order of the planes.
    pub fn centers(&self) -> &[[f64; 2]] {
        &self.centers
    }

    /// The zone of a position `[x, y]` in pixels of the full frame: that with the nearest center,
    /// the first of several.
    pub fn zone_at(&self, [x, y]: [f64; 2]) -> usize {
        if let Some(grid) = &self.grid {
            return grid.nearest([x, y]);
        }
        let mut nearest = (0, f64::INFINITY);
        for (zone, center) in self.centers.iter().enumerate() {
            let distance = (center[0] - x).powi(2) + (center[1] - y).powi(2);
            if distance < nearest.1 {
                nearest = (zone, distance);
            }
        }
        nearest.0
    }

    /// The function at a position `[x, y]` in pixels of the full frame. Zones without a usable
    /// plane are passed over; `None` where no other has a say there. Centers that form no grid are
    /// not interpolated.
    pub fn at(&self, position: [f64; 2], zones: PsfZones) -> Option<SourcePsf<'_>> {
        let nearest = self.zone_at(position);
        let shares = match (&self.grid, zones) {
            (Some(grid), PsfZones::Bilinear) => grid.bilinear(position),
            _ => [(1.0, nearest), (0.0, nearest), (0.0, nearest), (0.0, nearest)],
        };
        let taken = shares.into_iter().filter(|(share, _)| *share > 0.0);
        SourcePsf::new(nearest, taken.filter_map(|(share, zone)| Some((share, self.table(zone)?))))
    }

    /// The function of one zone (0-based), everywhere; `None` where there is no such zone, or its
    /// plane is not finite or has no light.
    pub fn zone(&self, zone: usize) -> Option<SourcePsf<'_>> {
        SourcePsf::new(zone, std::iter::once((1.0, self.table(zone)?)))
    }

    fn table(&self, zone: usize) -> Option<&ZoneTable> {
        let Self { side, oversampling, kind, .. } = *self;
        let prepare = || {
            let plane = match &self.planes {
                PsfPlanes::Held(planes) => Cow::Borrowed(&planes[zone * side * side..][..side * side]),
                PsfPlanes::Lent(planes) => Cow::Owned(planes(zone)),
            };
            match &self.cache {
                Some((cache, detector)) => {
                    cache.table(ZonePlace { detector: *detector, zone, side, oversampling, kind }, &plane)
                }
                None => ZoneTable::new(&plane, side, oversampling, kind).map(Arc::new),
            }
        };
        self.tables.get(zone)?.get_or_init(prepare).as_deref()
    }
}

/// Centers of `columns` x `rows` equal zones that cover a frame of `side` x `side` pixels, in the
/// order `iy * columns + ix` \[px, 0-based, integers at pixel centers\].
pub fn regular_zones(columns: usize, rows: usize, side: usize) -> Vec<[f64; 2]> {
    let center = |k: usize, n: usize| (k as f64 + 0.5) * side as f64 / n as f64 - 0.5;
    (0..rows).flat_map(|iy| (0..columns).map(move |ix| [center(ix, columns), center(iy, rows)])).collect()
}

/// The centers in the order of the planes, by the `(ix, iy)` in the comments of their cards.
fn in_plane_order(header: &Header, listed: &[[f64; 2]]) -> Result<Vec<[f64; 2]>, PhotometryError> {
    let places = (1..=listed.len())
        .map(|k| header.comment(&format!("XCTR_{k}")).and_then(place_in_comment))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| PhotometryError::Psf("a comment of the cards XCTR names no zone".to_owned()))?;
    let columns = places.iter().map(|place| place[0] + 1).max().unwrap_or_default();
    let mut ordered = vec![None; listed.len()];
    for (&[ix, iy], &center) in places.iter().zip(listed) {
        if let Some(slot) = ordered.get_mut(iy.saturating_mul(columns).saturating_add(ix)) {
            *slot = Some(center);
        }
    }
    ordered.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| {
        PhotometryError::Psf("the comments of the cards XCTR do not name each zone once".to_owned())
    })
}

/// `(ix, iy)` in a comment such as `X pixel at center of zone (3, 0)`.
fn place_in_comment(comment: &str) -> Option<[usize; 2]> {
    let (_, rest) = comment.split_once('(')?;
    let (inside, _) = rest.split_once(')')?;
    let (ix, iy) = inside.split_once(',')?;
    Some([ix.trim().parse().ok()?, iy.trim().parse().ok()?])
}

#[cfg(test)]
mod tests;
