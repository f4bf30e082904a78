//! The cards of an output grid and the sky positions of its corners.
#![allow(clippy::print_stdout, reason = "an example")]

use spx_wcs::OutputGrid;
use spx_wcs::sky::{Position, Rectangle};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let region = Rectangle::new(Position::new(186.4536, 33.5468)?, 10.0, 8.0)?;
    let grid = OutputGrid::new(region, OutputGrid::NATIVE_SCALE)?;
    for card in grid.header().cards() {
        println!("{:8} {:?}", card.keyword, card.value);
    }
    for [ra, dec] in grid.wcs().footprint(grid.shape()) {
        println!("corner at {ra:.6} {dec:.6}");
    }
    Ok(())
}
