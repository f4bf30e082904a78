//! HEALPix cells (Gorski et al. 2005, ApJ 622, 759), numbered in the nested scheme, as tiles.

use std::fmt;
use std::str::FromStr;

use cdshealpix::compass_point::Cardinal;
use cdshealpix::nested;
use spx_core::elementary::{cos, sin};
use spx_core::sky::{Position, Rectangle};
use spx_wcs::OutputGrid;

use crate::PipelineError;

/// Points on each side of a cell at which its outline is looked at.
const STEPS: u32 = 16;
/// Native pixels that a tile has beyond its cell, on each side.
const MARGIN: f64 = 2.0;

/// How fine the sky is cut: `hp5` stands for order 5, 12 x 4^5 cells of 3.36 square degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileOrder(u8);

impl TileOrder {
    /// The coarsest order: cells of 13.4 square degrees.
    pub const MIN: u8 = 4;
    /// The finest order: cells of 0.7 square arcmin.
    pub const MAX: u8 = 12;

    /// Such an order, of 3 to [`MAX`](Self::MAX).
    pub(crate) fn new(order: u8) -> Self {
        Self(order)
    }

    /// All its cells.
    pub(crate) fn all(self) -> Vec<SkyTile> {
        (0..nested::n_hash(self.0)).map(|index| SkyTile { order: self, index }).collect()
    }

    /// The cells that a circle with this radius \[deg\] touches, by number. A cell just beyond its
    /// edge may be among them.
    pub fn tiles_in_circle(self, center: Position, radius: f64) -> Vec<SkyTile> {
        let (lon, lat) = (center.ra().to_radians(), center.dec().to_radians());
        let cells = nested::cone_coverage_approx_flat(self.0, lon, lat, radius.to_radians());
        cells.iter().map(|index| SkyTile { order: self, index: *index }).collect()
    }
}

impl FromStr for TileOrder {
    type Err = PipelineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let order = text.strip_prefix("hp").and_then(|digits| digits.parse().ok());
        order.filter(|order| (Self::MIN..=Self::MAX).contains(order)).map(Self).ok_or_else(|| {
            let (min, max) = (Self::MIN, Self::MAX);
            PipelineError::usage(format!("unknown grid `{text}`: expected hp{min} to hp{max}"))
        })
    }
}

impl fmt::Display for TileOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hp{}", self.0)
    }
}

/// A cell of the sky: `hp5-7133` is number 7133 of order 5, in the nested scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SkyTile {
    order: TileOrder,
    index: u64,
}

impl SkyTile {
    /// Its number.
    pub(crate) fn index(self) -> u64 {
        self.index
    }

    /// Its center, rounded to 1e-8 deg, so that the last place of a sine makes no other tile.
    ///
    /// # Errors
    /// Never: a cell has its center on the sky.
    pub fn center(self) -> Result<Position, PipelineError> {
        let (lon, lat) = nested::center(self.order.0, self.index);
        let rounded = |angle: f64| (angle.to_degrees() * 1e8).round() / 1e8;
        Position::new(rounded(lon), rounded(lat)).map_err(PipelineError::failed)
    }

    /// The rectangle around its center, sides along right ascension and declination there, that
    /// holds the cell and two native pixels beyond, in whole native pixels.
    ///
    /// # Errors
    /// Never: the cells of all orders are small enough for a tangent plane.
    pub fn rectangle(self) -> Result<Rectangle, PipelineError> {
        let center = self.center()?;
        let plane = TangentPlane::at(center);
        let outline = nested::path_along_cell_edge(self.order.0, self.index, &Cardinal::S, false, STEPS);
        let mut half = [0.0f64; 2];
        for (lon, lat) in outline.iter() {
            let [xi, eta] = plane.project(unit_vector(*lon, *lat));
            half = [half[0].max(xi.abs()), half[1].max(eta.abs())];
        }
        let pixel = OutputGrid::NATIVE_SCALE / 60.0;
        let side = |half: f64| ((2.0 * half.to_degrees() * 60.0 / pixel).ceil() + 2.0 * MARGIN) * pixel;
        // What is written in decimals is read back as it is.
        let side = |half: f64| (side(half) * 1e6).round() / 1e6;
        Rectangle::new(center, side(half[0]), side(half[1])).map_err(PipelineError::failed)
    }
}

impl FromStr for SkyTile {
    type Err = PipelineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.strip_prefix("hp").and_then(|numbers| numbers.split_once('-'));
        let parsed = parts.and_then(|(order, index)| Some((order.parse().ok()?, index.parse().ok()?)));
        let tile =
            parsed.filter(|(order, index)| *order <= TileOrder::MAX && *index < nested::n_hash(*order));
        let tile = tile.map(|(order, index)| Self { order: TileOrder(order), index });
        tile.ok_or_else(|| {
            PipelineError::usage(format!("`{text}` is not a cell: expected one such as hp5-7133"))
        })
    }
}

impl fmt::Display for SkyTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.order, self.index)
    }
}

/// The direction of a longitude and latitude \[rad\].
pub(crate) fn unit_vector(lon: f64, lat: f64) -> [f64; 3] {
    [cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)]
}

/// The gnomonic projection around a center.
#[derive(Debug, Clone, Copy)]
pub(super) struct TangentPlane {
    pub(super) center: [f64; 3],
    east: [f64; 3],
    north: [f64; 3],
}

impl TangentPlane {
    pub(super) fn at(center: Position) -> Self {
        let (lon, lat) = (center.ra().to_radians(), center.dec().to_radians());
        Self {
            center: unit_vector(lon, lat),
            east: [-sin(lon), cos(lon), 0.0],
            north: [-sin(lat) * cos(lon), -sin(lat) * sin(lon), cos(lat)],
        }
    }

    /// Where a direction within 90 degrees of the center lies \[rad of arc at the center\].
    pub(super) fn project(&self, direction: [f64; 3]) -> [f64; 2] {
        let depth = dot(direction, self.center);
        [dot(direction, self.east) / depth, dot(direction, self.north) / depth]
    }
}

pub(super) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_order_and_number() {
        let order: TileOrder = "hp5".parse().unwrap();
        let tile = SkyTile { order, index: 7133 };
        assert_eq!(tile.to_string(), "hp5-7133");
        assert_eq!("hp5-7133".parse::<SkyTile>().unwrap(), tile);
        for wrong in ["hp5", "hp5-", "hp5-12288", "hp13-0", "5-7133"] {
            assert!(wrong.parse::<SkyTile>().is_err(), "{wrong}");
        }
        for wrong in ["5", "hp", "hp3", "hp13", "hp5-1"] {
            assert!(wrong.parse::<TileOrder>().unwrap_err().to_string().contains("hp4 to hp12"), "{wrong}");
        }
    }

    /// Centers of nested cells by astropy-healpix 2.0.1:
    /// `HEALPix(32, 'nested').healpix_to_lonlat([0, 7133, 12287])`; 9437184 with 2048.
    #[test]
    fn centers_are_those_of_astropy_healpix() {
        for (grid, index, ra, dec) in CENTERS {
            let center = SkyTile { order: grid.parse().unwrap(), index }.center().unwrap();
            assert!((center.ra() - ra).abs() < 1e-8 && (center.dec() - dec).abs() < 1e-8, "{center:?}");
        }
    }

    const CENTERS: [(&str, u64, f64, f64); 4] = [
        ("hp5", 0, 45.0, 1.193_748_437_1),
        ("hp5", 7133, 187.031_25, 32.797_168_295_8),
        ("hp5", 12_287, 315.0, -1.193_748_437_1),
        ("hp11", 9_437_184, 247.5, 19.491_004_183_4),
    ];

    #[test]
    fn rectangles_hold_their_cells_and_not_much_more() {
        let order: TileOrder = "hp5".parse().unwrap();
        for index in (0..12_288).step_by(97) {
            let tile = SkyTile { order, index };
            let rectangle = tile.rectangle().unwrap();
            let plane = TangentPlane::at(rectangle.center());
            let half = [rectangle.width(), rectangle.height()].map(|side| (side / 120.0).to_radians());
            for (lon, lat) in nested::vertices(5, index) {
                let [xi, eta] = plane.project(unit_vector(lon, lat));
                assert!(xi.abs() < half[0] && eta.abs() < half[1], "{tile}");
            }
            // A diamond takes half of the rectangle around it; towards the poles cells are sheared.
            let area = rectangle.width() * rectangle.height() / 3600.0;
            assert!((3.36..12.0).contains(&area), "{tile}: {area} square degrees");
        }
    }

    #[test]
    fn the_tiles_of_a_circle_hold_it() {
        let order: TileOrder = "hp6".parse().unwrap();
        for (ra, dec) in [(0.0, 0.0), (359.9, 41.7), (270.0, 66.56), (10.0, 89.9), (120.0, -90.0)] {
            let center = Position::new(ra, dec).unwrap();
            let tiles = order.tiles_in_circle(center, 2.0);
            assert!(tiles.is_sorted());
            let all = (0..12 * 4u64.pow(6)).map(|index| SkyTile { order, index });
            for tile in all.filter(|tile| tile.center().unwrap().separation(center) < 2.0) {
                assert!(tiles.contains(&tile), "{tile} of {center:?}");
            }
            let far = tiles.iter().filter(|tile| tile.center().unwrap().separation(center) > 3.5).count();
            assert_eq!(far, 0, "{center:?}");
        }
    }
}
