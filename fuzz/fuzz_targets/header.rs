//! The cards of a header, and the world coordinates that they describe.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spx_core::flags::FlagNames;
use spx_core::header::Header;
use spx_wcs::{CelestialWcs, OutputGrid, WaveTable};

mod memory;

fuzz_target!(|bytes: &[u8]| {
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    let Ok(header) = Header::parse(&text) else { return };
    FlagNames::from_header(&header);
    if let Ok(wcs) = CelestialWcs::from_header(&header) {
        let [ra, dec] = wcs.pixel_to_sky(10.0, 20.0);
        if let Ok(position) = spx_core::sky::Position::new(ra, dec) {
            wcs.sky_to_pixel(position);
        }
        wcs.footprint([40, 50]);
        wcs.circle_around([40, 50]);
        wcs.pixel_area(3.0, 4.0);
    }
    OutputGrid::from_header(&header, [40, 50]).ok();
    let axis: Vec<f64> = (0..8).map(f64::from).collect();
    if let Ok(table) = WaveTable::new(&axis, &axis, &[2.0; 128], &header) {
        table.range([40, 50]);
    }
});
