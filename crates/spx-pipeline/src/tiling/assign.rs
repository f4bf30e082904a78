//! Which frames reach which tiles.

use rayon::prelude::*;
use spx_core::elementary::{acos, atan2, cos, hypot};
use spx_core::sky::{Position, Rectangle};

use super::frames::SurveyFrame;
use super::tiles::{TangentPlane, dot, unit_vector};
use crate::PipelineError;

/// Frames are taken to be so much larger, on each side, for their sides are not quite great
/// circles \[rad\]: 1 arcmin, ten native pixels.
const MARGIN: f64 = 2.9e-4;

/// The frames that reach each rectangle, by their places in `frames`, in that order. A frame that
/// passes it within an arcmin may be among them.
pub(crate) fn frames_of_tiles(tiles: &[Rectangle], frames: &[SurveyFrame]) -> Vec<Vec<u32>> {
    let mut sorted: Vec<TileOutline> =
        tiles.iter().enumerate().map(|(k, tile)| TileOutline::new(k, *tile)).collect();
    sorted.sort_by(|a, b| a.dec.total_cmp(&b.dec));
    let largest = sorted.iter().fold(0.0f64, |largest, tile| largest.max(tile.radius));
    let reached: Vec<Vec<u32>> = frames.par_iter().map(|frame| reached(frame, &sorted, largest)).collect();
    let mut found = vec![Vec::new(); tiles.len()];
    for (number, tiles) in (0u32..).zip(reached) {
        tiles.into_iter().for_each(|tile| found[tile as usize].push(number));
    }
    found
}

/// The tiles that a frame reaches; `sorted` by declination.
fn reached(frame: &SurveyFrame, sorted: &[TileOutline], largest: f64) -> Vec<u32> {
    let FrameOutline { corners, center, radius } = FrameOutline::new(frame);
    let dec = std::f64::consts::FRAC_PI_2 - angle(center, [0.0, 0.0, 1.0]);
    let reach = radius + largest + MARGIN;
    let first = sorted.partition_point(|tile| tile.dec < dec - reach);
    sorted[first..]
        .iter()
        .take_while(|tile| tile.dec <= dec + reach)
        .filter(|tile| dot(tile.plane.center, center) > cos(radius + tile.radius + MARGIN))
        .filter(|tile| tile.overlaps(&corners))
        .map(|tile| tile.number)
        .collect()
}

/// A frame on the unit sphere.
struct FrameOutline {
    corners: [[f64; 3]; 4],
    center: [f64; 3],
    /// Of a circle around its corners \[rad\].
    radius: f64,
}

impl FrameOutline {
    fn new(frame: &SurveyFrame) -> Self {
        let corners = frame.corners.map(|[ra, dec]| unit_vector(ra.to_radians(), dec.to_radians()));
        let sum = |k: usize| corners.iter().map(|corner| corner[k]).sum::<f64>();
        let sum = [sum(0), sum(1), sum(2)];
        let length = dot(sum, sum).sqrt();
        let center = sum.map(|part| part / length);
        let radius = corners.iter().fold(0.0f64, |radius, corner| radius.max(angle(center, *corner)));
        Self { corners, center, radius }
    }
}

fn angle(a: [f64; 3], b: [f64; 3]) -> f64 {
    acos(dot(a, b).clamp(-1.0, 1.0))
}

impl SurveyFrame {
    /// A circle that holds it: center, and radius \[deg\].
    ///
    /// # Errors
    /// Where its corners are no positions.
    pub(crate) fn circle(&self) -> Result<(Position, f64), PipelineError> {
        let FrameOutline { center: [x, y, z], radius, .. } = FrameOutline::new(self);
        let (ra, dec) = (atan2(y, x).to_degrees().rem_euclid(360.0), atan2(z, hypot(x, y)).to_degrees());
        let center = Position::new(ra, dec).map_err(PipelineError::failed)?;
        Ok((center, (radius + MARGIN).to_degrees()))
    }
}

/// A tile on its tangent plane.
struct TileOutline {
    number: u32,
    plane: TangentPlane,
    /// Declination of the center \[rad\].
    dec: f64,
    /// Half its sides, on the tangent plane.
    half: [f64; 2],
    /// Of a circle that holds it \[rad\].
    radius: f64,
}

impl TileOutline {
    fn new(number: usize, tile: Rectangle) -> Self {
        let half = [tile.width(), tile.height()].map(|side| (side / 120.0).to_radians());
        Self {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            plane: TangentPlane::at(tile.center()),
            dec: tile.center().dec().to_radians(),
            half,
            // An arc is shorter than its tangent.
            radius: hypot(half[0], half[1]),
        }
    }

    /// Whether a convex quadrangle of great circles overlaps the tile: on the tangent plane both
    /// are convex polygons, which overlap unless a side of one of them parts them.
    fn overlaps(&self, corners: &[[f64; 3]; 4]) -> bool {
        let quadrangle = corners.map(|corner| self.plane.project(corner));
        let sides = (0..4).map(|k| {
            let ([ax, ay], [bx, by]) = (quadrangle[k], quadrangle[(k + 1) % 4]);
            [ay - by, bx - ax]
        });
        sides.chain([[1.0, 0.0], [0.0, 1.0]]).all(|[nx, ny]| {
            let along = quadrangle.map(|[x, y]| x * nx + y * ny);
            let least = along.iter().copied().fold(f64::INFINITY, f64::min);
            let most = along.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let tile = self.half[0] * nx.abs() + self.half[1] * ny.abs() + MARGIN * hypot(nx, ny);
            least <= tile && most >= -tile
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use fastrand::Rng;
    use spx_core::image::ExposureId;
    use spx_wcs::OutputGrid;

    use super::*;
    use crate::identity::ReleaseIdentity;
    use crate::inputs::{ExposureBegin, InputFile};

    fn frame(corners: [[f64; 2]; 4]) -> SurveyFrame {
        let id = ExposureId { observation: "a".into(), detector: "D1".parse().unwrap() };
        let file = InputFile {
            begin: ExposureBegin(61_000.0),
            id,
            name: "a.fits".into(),
            path: PathBuf::from("a.fits"),
            shape: [2040, 2040],
            named: true,
            identity: ReleaseIdentity::default(),
            first_pixel: [0, 0],
        };
        SurveyFrame { file, bytes: 1, modified: 0, corners }
    }

    /// Against the maps of two grids: frame and tile overlap where a pixel of one lies on the
    /// other.
    #[test]
    fn the_tiles_of_a_frame_are_those_that_its_pixels_reach() {
        let mut rng = Rng::with_seed(20);
        let (mut near, mut far) = (0, 0);
        for _ in 0..300 {
            let ra = 360.0 * rng.f64();
            let dec = if rng.bool() { 180.0 * rng.f64() - 90.0 } else { 89.0 + rng.f64() };
            let tile = Rectangle::new(Position::new(ra, dec).unwrap(), 120.0, 90.0).unwrap();
            let grid = OutputGrid::new(tile, 60.0).unwrap();
            let [x, y] = [rng.f64(), rng.f64()].map(|place| 600.0 * place - 240.0);
            let [ra, dec] = grid.wcs().pixel_to_sky(x, y);
            let center = Position::new(ra.rem_euclid(360.0), dec).unwrap();
            let other = OutputGrid::new(Rectangle::new(center, 210.0, 210.0).unwrap(), 60.0).unwrap();
            let shares = |one: &OutputGrid, two: &OutputGrid| {
                let [ny, nx] = one.shape();
                let edge = |n: usize| (0..n).map(|k| k as f64).collect::<Vec<_>>();
                edge(ny).iter().any(|y| {
                    edge(nx).iter().any(|x| {
                        let [ra, dec] = one.wcs().pixel_to_sky(*x, *y);
                        let at = Position::new(ra.rem_euclid(360.0), dec).ok();
                        let [ny, nx] = two.shape().map(|n| n as f64 - 0.5);
                        at.and_then(|at| two.wcs().sky_to_pixel(at))
                            .is_some_and(|[x, y]| x > -0.5 && y > -0.5 && x < nx && y < ny)
                    })
                })
            };
            let expected = shares(&grid, &other) || shares(&other, &grid);
            let found = frames_of_tiles(&[tile], &[frame(other.wcs().footprint(other.shape()))]);
            near += usize::from(expected);
            far += usize::from(found[0].is_empty());
            assert!(!expected || found[0] == [0], "{tile:?} {center:?}");
            // What is found in vain passes within the margin, or touches between the pixels.
            let wider = Rectangle::new(tile.center(), tile.width() + 5.0, tile.height() + 5.0).unwrap();
            let wider = OutputGrid::new(wider, 60.0).unwrap();
            let passes = shares(&wider, &other) || shares(&other, &wider);
            assert!(passes || found[0].is_empty(), "{tile:?} {center:?}");
        }
        assert!(near > 50 && far > 50, "{near} {far}");
    }
}
