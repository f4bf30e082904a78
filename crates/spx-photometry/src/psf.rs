//! The point spread function of an image, zone by zone, and the light that it puts into pixels.
//!
//! Quick Release 2 holds a cube: 11 x 11 zones, 101 x 101 samples, ten a pixel. It is the *optical* function,
//! reconstructed from stacked stars and freed from the pixels (Symons et al. 2021, ApJS 252, 24), so that it must
//! be integrated over them: [`PsfKind::Optical`]. Quick Release 3 holds a table of *effective* functions
//! (Anderson & King 2000, PASP 112, 1360), in which that has been done, so that it is looked up at the centers of
//! pixels: [`PsfKind::Effective`].
//!
//! In both, sample `(i, j)` of a plane lies `((i, j) - (side - 1) / 2) / oversampling` pixels from the source, and
//! each plane is scaled to hold all light.

use std::sync::OnceLock;

use spx_core::header::{Header, HeaderError};

use crate::{CircularAperture, PhotometryError};

mod version;

pub use version::has_zone_erratum;

/// What the samples of a plane are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PsfKind {
    /// Light per area, before the pixels collect it.
    Optical,
    /// Light in a pixel whose center lies there.
    Effective,
}

/// The point spread function of one image. Planes are prepared when they are first asked for.
#[derive(Debug)]
pub struct PsfModel {
    planes: Vec<f32>,
    side: usize,
    oversampling: f64,
    kind: PsfKind,
    centers: Vec<[f64; 2]>,
    reordered: bool,
    tables: Vec<OnceLock<Option<Vec<f64>>>>,
}

/// The point spread function of one zone.
#[derive(Debug, Clone, Copy)]
pub struct ZonePsf<'a> {
    side: usize,
    oversampling: f64,
    kind: PsfKind,
    table: &'a [f64],
}

impl PsfModel {
    /// `planes` of `side` x `side` samples each, row-major `[zone][y][x]`, `oversampling` samples a pixel; the zone
    /// of a plane has its center at `centers` `[x, y]` in pixels of the full frame.
    ///
    /// The layout of the 441 zones of Quick Release 3 is not documented; the caller must know their centers
    /// ([`regular_zones`] where they are a regular grid).
    ///
    /// # Errors
    /// Where the arrays do not fit together or the oversampling is not above zero. Planes are not looked at: one
    /// that is not finite or has no light makes its zone unusable, and no other.
    pub fn new(
        planes: Vec<f32>,
        side: usize,
        oversampling: f64,
        kind: PsfKind,
        centers: Vec<[f64; 2]>,
    ) -> Result<Self, PhotometryError> {
        let refuse = |problem: String| Err(PhotometryError::Psf(problem));
        if side == 0 || centers.is_empty() || planes.len() != centers.len() * side * side {
            let (values, zones) = (planes.len(), centers.len());
            return refuse(format!("{values} values are not {zones} planes of {side} x {side}"));
        }
        if !(oversampling > 0.0 && oversampling.is_finite()) {
            return refuse(format!("an oversampling of {oversampling} makes no sense"));
        }
        if centers.iter().flatten().any(|c| !c.is_finite()) {
            return refuse("the center of a zone is not finite".to_owned());
        }
        let tables = centers.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { planes, side, oversampling, kind, centers, reordered: false, tables })
    }

    /// The cube of the HDU PSF of Quick Release 2 and its cards `OVERSAMP`, `XCTR_k`, `YCTR_k`; `version` is the card
    /// VERSION of the primary HDU.
    ///
    /// Files before 6.5.6 without `psffix1`, and those without a version, list the cards in the wrong order while
    /// the planes are right; their centers are put in the order of the planes, `iy * columns + ix`, by the
    /// `(ix, iy)` in the comments of the cards. Trusting the cards costs up to 5 % of the flux.
    ///
    /// # Errors
    /// Where a card is missing or wrong, or the comments that are needed do not name each zone once.
    pub fn from_cube(
        header: &Header,
        version: Option<&str>,
        planes: Vec<f32>,
        side: usize,
    ) -> Result<Self, PhotometryError> {
        let zones = planes.len() / (side * side).max(1);
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

    /// The zone of a position `[x, y]` in pixels of the full frame: that with the nearest center, the first of
    /// several.
    pub fn zone_at(&self, [x, y]: [f64; 2]) -> usize {
        let mut nearest = (0, f64::INFINITY);
        for (zone, center) in self.centers.iter().enumerate() {
            let distance = (center[0] - x).powi(2) + (center[1] - y).powi(2);
            if distance < nearest.1 {
                nearest = (zone, distance);
            }
        }
        nearest.0
    }

    /// The function of a zone (0-based); `None` where there is no such zone, or its plane is not finite or has no
    /// light.
    pub fn zone(&self, zone: usize) -> Option<ZonePsf<'_>> {
        let table = self.tables.get(zone)?.get_or_init(|| {
            let samples = self.side * self.side;
            let plane = &self.planes[zone * samples..(zone + 1) * samples];
            prepare(plane, self.side, self.oversampling, self.kind)
        });
        let (side, oversampling, kind) = (self.side, self.oversampling, self.kind);
        table.as_deref().map(|table| ZonePsf { side, oversampling, kind, table })
    }
}

/// Centers of `columns` x `rows` equal zones that cover a frame of `side` x `side` pixels, in the order
/// `iy * columns + ix` \[px, 0-based, integers at pixel centers\].
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

/// A plane made ready for look-ups: the optical function as its running sum over both axes, `(side + 1)^2` values at
/// the corners of the cells around samples; the effective one scaled. `None` for a plane that is not finite or has no light.
fn prepare(plane: &[f32], side: usize, oversampling: f64, kind: PsfKind) -> Option<Vec<f64>> {
    let total: f64 = plane.iter().map(|&v| f64::from(v)).sum();
    if !(total > 0.0 && total.is_finite()) {
        return None;
    }
    if kind == PsfKind::Effective {
        // One pixel in oversampling^2 samples the function once.
        let scale = oversampling * oversampling / total;
        return Some(plane.iter().map(|&v| f64::from(v) * scale).collect());
    }
    let light = cell_light(plane, side);
    let stride = side + 1;
    let mut sums = vec![0.0; stride * stride];
    for (j, row) in light.chunks_exact(side).enumerate() {
        let mut along = 0.0;
        for (i, &value) in row.iter().enumerate() {
            along += value / total;
            sums[(j + 1) * stride + i + 1] = sums[j * stride + i + 1] + along;
        }
    }
    Some(sums)
}

/// The light in the cell around each sample, which is the value of a smooth function there: to fourth order, along
/// each axis, `f + f'' / 24` (the midpoint rule with its first correction). The sum stays the same.
fn cell_light(plane: &[f32], side: usize) -> Vec<f64> {
    let mut light: Vec<f64> = plane.iter().map(|&v| f64::from(v)).collect();
    let mut line = vec![0.0; side];
    for (first, step) in (0..side).map(|k| (k * side, 1)).chain((0..side).map(|k| (k, side))) {
        for (k, value) in line.iter_mut().enumerate() {
            *value = light[first + k * step];
        }
        for k in 0..side {
            // At the ends the slope is taken to vanish, so that no light is lost.
            let (before, after) = (line[k.saturating_sub(1)], line[(k + 1).min(side - 1)]);
            light[first + k * step] += (before - 2.0 * line[k] + after) / 24.0;
        }
    }
    light
}

impl ZonePsf<'_> {
    /// Share of a source's light in the pixel whose center lies `(dx, dy)` pixels from the source.
    ///
    /// Samples are values of a smooth function at their points. The running sum of optical functions is interpolated at
    /// the corners of the pixel by cubic convolution (Keys 1981, IEEE Trans. ASSP 29, 1153). Effective functions, of
    /// which there are half as many samples, are interpolated by the polynomial of degree five through the six nearest
    /// along each axis: a flux is off by 2e-4 at most where cubic convolution would cost up to 2e-3. Zero beyond the samples.
    pub fn pixel(&self, dx: f64, dy: f64) -> f64 {
        match self.kind {
            PsfKind::Optical => {
                let edges = |d: f64| [self.edge(d - 0.5), self.edge(d + 0.5)];
                let ([x0, x1], [y0, y1]) = (edges(dx), edges(dy));
                (self.below(x1, y1) - self.below(x0, y1)) - (self.below(x1, y0) - self.below(x0, y0))
            }
            PsfKind::Effective => self.interpolate(dx, dy),
        }
    }

    /// Share of a source's light in an aperture about it, summed over pixels by exact overlap: 1 / aperture
    /// correction. Only where the center lies within its pixel matters.
    pub fn enclosed(&self, aperture: &CircularAperture) -> f64 {
        let reach = aperture.radius.ceil() + 1.0;
        let local = |center: f64| center - center.round() + reach;
        let (x, y) = (local(aperture.x), local(aperture.y));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive whole number"
        )]
        let n = (2.0 * reach) as usize + 1;
        let mut light = 0.0;
        CircularAperture { x, y, radius: aperture.radius }.for_each([n, n], |i, j, overlap| {
            light += overlap * self.pixel(i as f64 - x, j as f64 - y);
        });
        light
    }

    /// A distance from the source \[px\] on the axis of the running sum: the corner before it, and the weights of the
    /// four corners around it.
    fn edge(&self, d: f64) -> (usize, [f64; 4]) {
        let side = self.side as f64;
        let u = (d * self.oversampling + 0.5 * side).clamp(0.0, side);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the plane")]
        let k = u as usize;
        (k, cubic(u - k as f64))
    }

    /// Light left of and below a point; beyond the plane there is no more.
    fn below(&self, (i, wx): (usize, [f64; 4]), (j, wy): (usize, [f64; 4])) -> f64 {
        let corner = |k: usize, n: usize| (k + n).saturating_sub(1).min(self.side);
        let mut sum = 0.0;
        for (b, wy) in wy.into_iter().enumerate() {
            let row = corner(j, b) * (self.side + 1);
            let along: f64 = (0..4).map(|a| wx[a] * self.table[row + corner(i, a)]).sum();
            sum += wy * along;
        }
        sum
    }

    fn interpolate(&self, dx: f64, dy: f64) -> f64 {
        let middle = (self.side as f64 - 1.0) / 2.0;
        let (u, v) = (dx * self.oversampling + middle, dy * self.oversampling + middle);
        let inside = -3.0..self.side as f64 + 2.0;
        if !(inside.contains(&u) && inside.contains(&v)) {
            return 0.0;
        }
        let (wx, wy) = (quintic(u - u.floor()), quintic(v - v.floor()));
        let at = |k: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be on the plane"
            )]
            (k >= 0.0 && k < self.side as f64).then_some(k as usize)
        };
        let mut sum = 0.0;
        for (b, wy) in wy.into_iter().enumerate() {
            let Some(j) = at(v.floor() - 2.0 + b as f64) else { continue };
            for (a, wx) in wx.into_iter().enumerate() {
                let Some(i) = at(u.floor() - 2.0 + a as f64) else { continue };
                sum += wx * wy * self.table[j * self.side + i];
            }
        }
        sum
    }
}

/// Weights of the four samples around a point that lies `t` behind the second.
fn cubic(t: f64) -> [f64; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        0.5 * (-t + 2.0 * t2 - t3),
        0.5 * (2.0 - 5.0 * t2 + 3.0 * t3),
        0.5 * (t + 4.0 * t2 - 3.0 * t3),
        0.5 * (-t2 + t3),
    ]
}

/// Weights of the six samples around a point that lies `t` behind the third (Lagrange).
fn quintic(t: f64) -> [f64; 6] {
    // The product of the distances from each sample to the other five.
    const PRODUCTS: [f64; 6] = [-120.0, 24.0, -12.0, 12.0, -24.0, 120.0];
    let distances: [f64; 6] = std::array::from_fn(|k| t + 2.0 - k as f64);
    std::array::from_fn(|k| {
        let others = distances.iter().enumerate().filter(|(j, _)| *j != k);
        others.map(|(_, distance)| distance).product::<f64>() / PRODUCTS[k]
    })
}

#[cfg(test)]
mod tests;
