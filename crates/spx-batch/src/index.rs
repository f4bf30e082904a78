//! Which sources lie near a place, without looking at all of them.
//!
//! The sky is cut into bands of declination, each band into cells of about the same width, so that
//! cells are alike from the equator to the poles. Sources are sorted by cell; a search visits the
//! cells that a circle can touch and tests the sources in them one by one, so that its answer is
//! exact.

use std::ops::Range;

use spx_core::elementary::{asin, cos, sin};
use spx_core::sky::Position;

/// Height of a band, and about the width of a cell \[deg\].
const CELL: f64 = 0.5;
/// Bands from pole to pole.
const BANDS: usize = 360;

/// Positions sorted into cells. Eight bytes for each position and one megabyte for the cells.
#[derive(Debug, Clone)]
pub struct SkyIndex {
    /// Number of the first cell of each band, and of one behind the last.
    first_cell: Vec<usize>,
    /// Where each cell begins in `order`, and where the last ends.
    starts: Vec<u32>,
    /// Numbers of the positions, cell by cell, ascending within a cell.
    order: Vec<u32>,
}

impl SkyIndex {
    /// Sorts positions; they are known by their numbers from 0.
    pub fn new(positions: impl ExactSizeIterator<Item = Position> + Clone) -> Self {
        let mut first_cell = vec![0];
        for band in 0..BANDS {
            let cells = first_cell[band] + cells_of(band);
            first_cell.push(cells);
        }
        let mut index = Self { starts: vec![0; first_cell[BANDS] + 1], first_cell, order: Vec::new() };
        for position in positions.clone() {
            let cell = index.cell(position);
            index.starts[cell + 1] += 1;
        }
        for cell in 1..index.starts.len() {
            index.starts[cell] += index.starts[cell - 1];
        }
        let mut next = index.starts.clone();
        index.order = vec![0; positions.len()];
        for (number, position) in (0u32..).zip(positions) {
            let place = &mut next[index.cell(position)];
            index.order[*place as usize] = number;
            *place += 1;
        }
        index
    }

    /// Numbers of the positions within `radius` \[deg\] of `center`, cell by cell, so that
    /// neighbors on the sky follow each other and their pixels are found in the processor's cache.
    /// `position` gives the position of a number.
    pub fn within(&self, center: Position, radius: f64, position: impl Fn(u32) -> Position) -> Vec<u32> {
        let mut found = Vec::new();
        let (south, north) = (center.dec() - radius, center.dec() + radius);
        for band in band_of(south.max(-90.0))..=band_of(north.min(90.0)) {
            for cells in self.cells_near(band, center, radius) {
                let (from, to) = (self.starts[cells.start] as usize, self.starts[cells.end] as usize);
                let near = |number: &u32| {
                    let at = position(*number);
                    (south..=north).contains(&at.dec()) && at.separation(center) <= radius
                };
                found.extend(self.order[from..to].iter().copied().filter(near));
            }
        }
        found
    }

    fn cell(&self, position: Position) -> usize {
        let band = band_of(position.dec());
        self.first_cell[band] + slot(position.ra(), cells_of(band))
    }

    /// Cells of a band that a circle can touch.
    fn cells_near(&self, band: usize, center: Position, radius: f64) -> [Range<usize>; 2] {
        let (first, cells) = (self.first_cell[band], cells_of(band));
        let all = [first..first + cells, 0..0];
        // How far a circle reaches in right ascension; one around a pole, or as wide as a
        // hemisphere, all around.
        let reach = sin(radius.to_radians()) / cos(center.dec().to_radians());
        if center.dec().abs() + radius >= 90.0 || reach >= 1.0 {
            return all;
        }
        // A little more, for rounding.
        let reach = asin(reach).to_degrees() + 1e-9;
        if 2.0 * reach + 2.0 * 360.0 / cells as f64 >= 360.0 {
            return all;
        }
        let from = slot((center.ra() - reach).rem_euclid(360.0), cells);
        let to = slot((center.ra() + reach).rem_euclid(360.0), cells);
        match from <= to {
            true => [first + from..first + to + 1, 0..0],
            false => [first..first + to + 1, first + from..first + cells],
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 360")]
fn band_of(dec: f64) -> usize {
    (((dec + 90.0) / CELL) as usize).min(BANDS - 1)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 720")]
fn cells_of(band: usize) -> usize {
    let middle = (band as f64 + 0.5) * CELL - 90.0;
    (360.0 * cos(middle.to_radians()) / CELL).ceil().max(1.0) as usize
}

/// The cell of a right ascension in [0, 360] among the cells of a band.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the cells")]
fn slot(ra: f64, cells: usize) -> usize {
    ((ra / 360.0 * cells as f64) as usize).min(cells - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use spx_core::elementary::atan2;

    use super::*;

    fn at([ra, dec]: [f64; 2]) -> Position {
        Position::new(ra, dec).unwrap()
    }

    /// Positions all over the sky, and many at the poles and at the meridian.
    fn sky(seed: u64, number: usize) -> Vec<Position> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut any = |from: f64, to: f64| from + (to - from) * random.f64();
        let places = (0..number).map(|n| match n % 4 {
            0 => [any(0.0, 360.0), asin(any(-1.0f64, 1.0)).to_degrees()],
            1 => [any(0.0, 360.0), any(88.0, 90.0)],
            2 => [any(0.0, 360.0), any(-90.0, -88.0)],
            _ => [any(359.0, 361.0) % 360.0, any(-90.0, 90.0)],
        });
        let edges = [[0.0, 90.0], [0.0, -90.0], [0.0, 0.0], [360.0, 0.0], [180.0, 90.0]];
        places.chain(edges).map(at).collect()
    }

    #[test]
    fn the_answer_is_that_of_looking_at_all() {
        let positions = sky(1, 4000);
        let index = SkyIndex::new(positions.iter().copied());
        let mut random = fastrand::Rng::with_seed(2);
        let mut hits = 0;
        for center in sky(3, 100) {
            for radius in [0.0, 0.3, 2.7, 10.0 * random.f64(), 180.0 * random.f64()] {
                let mut found = index.within(center, radius, |n| positions[n as usize]);
                found.sort_unstable();
                let all = (0u32..).zip(&positions);
                let expected: Vec<u32> =
                    all.filter(|(_, p)| p.separation(center) <= radius).map(|(n, _)| n).collect();
                assert_eq!(found, expected, "{center:?} {radius}");
                hits += found.len();
            }
        }
        assert!(hits > 50_000);
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        let none: [Position; 0] = [];
        let index = SkyIndex::new(none.iter().copied());
        assert!(index.within(at([1.0, 2.0]), 180.0, |_| at([0.0, 0.0])).is_empty());
    }

    proptest! {
        #[test]
        fn a_position_is_found_from_its_neighborhood(
            ra in 0.0..360.0f64, dec in -90.0..=90.0f64, bearing in 0.0..360.0f64, distance in 0.0..5.0f64,
        ) {
            // A step along a great circle.
            let (d, b, r) = (dec.to_radians(), bearing.to_radians(), f64::to_radians(distance));
            let sine = sin(d) * cos(r) + cos(d) * sin(r) * cos(b);
            let turn = atan2(sin(b) * sin(r) * cos(d), cos(r) - sin(d) * sine);
            let there = at([(ra + turn.to_degrees()).rem_euclid(360.0), asin(sine.clamp(-1.0, 1.0)).to_degrees()]);
            let here = at([ra, dec]);
            let index = SkyIndex::new([here].into_iter());
            prop_assert_eq!(index.within(there, here.separation(there) * (1.0 + 1e-12) + 1e-12, |_| here), vec![0]);
        }
    }
}
