//! HEALPix cells (Gorski et al. 2005, ApJ 622, 759; Calabretta & Roukema 2007, MNRAS 381, 865) as
//! planes of square pixels.
//!
//! The sky is 12 faces, diamonds of the plane: four around each pole and four along the equator. A
//! cell of order k is one of 4^k parts of a face, its pixels are cells of a higher order. The plane
//! of a face goes on smoothly beyond its sides, where the plane of the whole sky would jump to
//! another face: what lies beyond has no pixel in the cell, but droplets that reach across the side
//! keep their shape.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use spx_core::elementary::{atan2, sin_cos};

use crate::error::WcsError;

/// Sine of the latitude where the polar caps begin.
const CAP: f64 = 2.0 / 3.0;

/// Which of the three rings of faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealpixRing {
    /// Faces 0 to 3, around the north pole.
    North,
    /// Faces 4 to 7, along the equator.
    Equator,
    /// Faces 8 to 11, around the south pole.
    South,
}

impl HealpixRing {
    /// The point of the plane of a face \[rad\] of a direction in the frame whose first axis points
    /// to the meridian in the middle of the face, and whose third to the north; `None` for more
    /// than a quarter of the sky away from that meridian.
    pub(crate) fn point(self, [a, b, c]: [f64; 3]) -> Option<[f64; 2]> {
        let length = (a * a + b * b + c * c).sqrt();
        let (lon, sine) = (atan2(b, a), c / length);
        if lon.is_nan() || lon.abs() > FRAC_PI_2 {
            return None;
        }
        let sign = if c < 0.0 { -1.0 } else { 1.0 };
        if self.pole() != Some(sign) || sine.abs() <= CAP {
            return Some([lon, 0.375 * PI * sine]);
        }
        // 1 - |sine|, without the loss of digits near the pole.
        let from_pole = (a * a + b * b) / (length * (length + c.abs()));
        let sigma = (3.0 * from_pole).sqrt();
        Some([lon * sigma, sign * FRAC_PI_4 * (2.0 - sigma)])
    }

    /// The direction of a point of the plane; NaN beyond the poles.
    pub(crate) fn direction(self, [x, y]: [f64; 2]) -> [f64; 3] {
        let (lon, sine) = match self.pole() {
            Some(sign) if sign * y > FRAC_PI_4 => {
                let sigma = 2.0 - sign * y / FRAC_PI_4;
                (x / sigma, sign * (1.0 - sigma * sigma / 3.0))
            }
            _ => (x, y / (0.375 * PI)),
        };
        let cosine = ((1.0 - sine) * (1.0 + sine)).sqrt();
        let (sin_lon, cos_lon) = sin_cos(lon);
        [cosine * cos_lon, cosine * sin_lon, sine]
    }

    /// The sign of the latitude of the pole that the face touches.
    fn pole(self) -> Option<f64> {
        match self {
            Self::North => Some(1.0),
            Self::Equator => None,
            Self::South => Some(-1.0),
        }
    }
}

/// An area of the plane over the solid angle that it shows, everywhere.
pub(crate) const AREA_RATIO: f64 = 0.375 * PI;

/// A cell, and how finely it is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HealpixCell {
    /// 0 to 11.
    face: u8,
    /// Pixels along a side of the face.
    face_side: u32,
    /// Pixels along a side of the cell.
    side: u32,
    /// Place in the face, in cells, towards the northeast and the northwest.
    place: [u32; 2],
}

impl HealpixCell {
    /// Cell `index` of `order` in the nested scheme, with pixels of `pixel_order`.
    pub(crate) fn new(order: u8, index: u64, pixel_order: u8) -> Result<Self, WcsError> {
        let cells = 1u64.checked_shl(2 * u32::from(order)).unwrap_or(0);
        let side = pixel_order.checked_sub(order).filter(|levels| *levels <= 20);
        let (Some(levels), 0..=24, true) = (side, pixel_order, index < 12 * cells) else {
            return Err(WcsError::Cell { order, index, pixel_order });
        };
        let within = index % cells;
        #[expect(clippy::cast_possible_truncation, reason = "a number of 0 to 11")]
        let face = (index / cells) as u8;
        Ok(Self {
            face,
            face_side: 1 << pixel_order,
            side: 1 << levels,
            place: [every_other_bit(within), every_other_bit(within >> 1)],
        })
    }

    pub(crate) fn ring(&self) -> HealpixRing {
        match self.face {
            0..=3 => HealpixRing::North,
            4..=7 => HealpixRing::Equator,
            _ => HealpixRing::South,
        }
    }

    /// Longitude of the middle of the face \[deg\].
    pub(crate) fn longitude(&self) -> f64 {
        self.corner_longitude() + if self.ring() == HealpixRing::Equator { 0.0 } else { 45.0 }
    }

    /// Longitude of the origin of the plane of the whole sky next to the face \[deg\].
    pub(crate) fn corner_longitude(&self) -> f64 {
        f64::from(self.face % 4) * 90.0
    }

    pub(crate) fn side(&self) -> usize {
        self.side as usize
    }

    /// Side of a pixel along the axes of the plane \[deg\].
    pub(crate) fn step(&self) -> f64 {
        45.0 / f64::from(self.face_side)
    }

    /// Side of a square of the solid angle of a pixel \[arcsec\].
    pub(crate) fn pixel_scale(&self) -> f64 {
        (PI / 3.0).sqrt().to_degrees() * 3600.0 / f64::from(self.face_side)
    }

    /// The pixel, 0-based, that lies on the equator at the longitude of the middle of the face. Of
    /// the pixels (x, y) of a cell, x grows to the northwest and y to the southwest.
    pub(crate) fn crpix(&self) -> [f64; 2] {
        let equator = match self.ring() {
            HealpixRing::North => 0.0,
            HealpixRing::Equator => 0.5 * f64::from(self.face_side),
            HealpixRing::South => f64::from(self.face_side),
        } - 0.5;
        let [to_northeast, to_northwest] = self.place.map(|cells| f64::from(cells) * f64::from(self.side));
        [equator - to_northwest, f64::from(self.side) - 1.0 + to_northeast - equator]
    }

    /// The same at the [`corner_longitude`](Self::corner_longitude).
    pub(crate) fn corner_crpix(&self) -> [f64; 2] {
        let shift = if self.ring() == HealpixRing::Equator { 0.0 } else { 0.5 * f64::from(self.face_side) };
        self.crpix().map(|place| place + shift)
    }
}

/// Bits 0, 2, 4, ... of a number, next to each other.
fn every_other_bit(number: u64) -> u32 {
    (0..32).fold(0, |found, bit| found | (u32::from(number >> (2 * bit) & 1 == 1) << bit))
}
