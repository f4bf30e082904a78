//! Where the background of a region is measured: in a ring around its center, or in one of its own
//! shape, which grows with it.

use std::fmt;
use std::str::FromStr;

use super::{RegionError, RegionShape, SkyRegion};

/// The ring around a region whose median is its background. As text `25,45`, radii, or `2x,4x`,
/// multiples of the region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BackgroundRing {
    /// Between two radii around the region's center \[arcsec\].
    Radii([f64; 2]),
    /// Between the region's outlines enlarged by two factors from its center, at least 1.
    Times([f64; 2]),
}

impl BackgroundRing {
    /// The outlines of the ring around a region: pixels inside the second and not inside the first
    /// belong to it, unless they belong to the region. `side` is that of a pixel \[arcsec\]: a
    /// single pixel counts as the circle of that radius, an annulus as all within its outer radius.
    pub fn outlines(self, region: &SkyRegion, side: f64) -> [SkyRegion; 2] {
        let of = |shape: RegionShape| SkyRegion { shape, ..region.clone() };
        match self {
            Self::Radii(radii) => radii.map(|radius| of(RegionShape::Circle(radius))),
            Self::Times(factors) => factors.map(|factor| of(enlarged(&region.shape, factor, side))),
        }
    }
}

fn enlarged(shape: &RegionShape, factor: f64, side: f64) -> RegionShape {
    let times = |sizes: &[f64; 2]| sizes.map(|size| factor * size);
    match shape {
        RegionShape::Pixel => RegionShape::Circle(factor * side),
        RegionShape::Circle(radius) | RegionShape::Ring([_, radius]) => RegionShape::Circle(factor * radius),
        RegionShape::Ellipse(axes, angle) => RegionShape::Ellipse(times(axes), *angle),
        RegionShape::Box(sides, angle) => RegionShape::Box(times(sides), *angle),
        RegionShape::Polygon(corners) => RegionShape::Polygon(corners.iter().map(times).collect()),
    }
}

impl FromStr for BackgroundRing {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let problem = || RegionError::Annulus(text.to_owned());
        let words = text.split_once(',').map(|(inner, outer)| [inner.trim(), outer.trim()]);
        let words = words.ok_or_else(problem)?;
        let factors = words.map(|word| word.strip_suffix(['x', 'X']));
        let number = |word: &str| word.parse::<f64>().map_err(|_| problem());
        let (ring, least) = match factors {
            [Some(inner), Some(outer)] => (Self::Times([number(inner)?, number(outer)?]), 1.0),
            [None, None] => (Self::Radii([number(words[0])?, number(words[1])?]), 0.0),
            _ => return Err(problem()),
        };
        let (Self::Radii([inner, outer]) | Self::Times([inner, outer])) = ring;
        if inner >= least && inner < outer && outer.is_finite() { Ok(ring) } else { Err(problem()) }
    }
}

impl fmt::Display for BackgroundRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Radii([inner, outer]) => write!(f, "{inner},{outer}"),
            Self::Times([inner, outer]) => write!(f, "{inner}x,{outer}x"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radii_and_multiples_are_told_apart() {
        for (text, ring) in [
            ("25, 45", BackgroundRing::Radii([25.0, 45.0])),
            ("0,4.5", BackgroundRing::Radii([0.0, 4.5])),
            ("2x,4x", BackgroundRing::Times([2.0, 4.0])),
            ("1X, 1.5X", BackgroundRing::Times([1.0, 1.5])),
        ] {
            assert_eq!(text.parse::<BackgroundRing>().unwrap(), ring);
            assert_eq!(ring.to_string().parse::<BackgroundRing>().unwrap(), ring);
        }
        for text in ["", "3", "4,3", "-1,3", "2x,4", "2,4x", "0.5x,2x", "1x,infx", "x,2x", "nan,3"] {
            assert!(text.parse::<BackgroundRing>().is_err(), "{text}");
        }
    }
}
