//! What the tests share: the committed reference files, headers, distances.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::HashMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use spx_core::elementary::sin_cos;
use spx_core::header::Header;
use spx_core::sky::Position;
use spx_wcs::CelestialWcs;

/// Side of a full frame \[px\].
pub(crate) const SIDE: usize = 2040;

/// Reads a file of `testdata`.
pub(crate) fn testdata(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Reads a reference file that `xtask/python/golden_wcs.py` made.
pub(crate) fn golden<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&testdata(&format!("wcs/{name}"))).unwrap()
}

/// A case's own cards and the SIP cards that it refers to.
pub(crate) fn header(cards: &str, sip: &HashMap<String, String>, key: &str) -> Header {
    let mut header = Header::parse(cards).unwrap();
    header.extend(&Header::parse(&sip[key]).unwrap());
    header
}

/// The real cutout's header with CRPIX and CRPIXiW put back to those of the full frame.
pub(crate) fn real_full_frame() -> Header {
    let mut header = Header::parse(&testdata("real_headers/qr2_cutout_IMAGE_header.txt")).unwrap();
    header
        .set("CRPIX1", 1020.5, "")
        .set("CRPIX2", 1020.5, "")
        .set("CRPIX1W", 1.0, "")
        .set("CRPIX2W", 1.0, "");
    header
}

/// A header with real distortion, in the archive's form: PC in degrees, flipped parity.
pub(crate) fn spherex_header(ra: f64, dec: f64, roll: f64) -> Header {
    let mut header = real_full_frame();
    let (sin, cos) = sin_cos(roll.to_radians());
    let scale = 6.155 / 3600.0;
    header.set("CRVAL1", ra, "").set("CRVAL2", dec, "").set("LATPOLE", dec, "");
    header.set("PC1_1", scale * cos, "").set("PC1_2", scale * sin, "");
    header.set("PC2_1", scale * sin, "").set("PC2_2", -scale * cos, "");
    header
}

pub(crate) fn spherex(ra: f64, dec: f64, roll: f64) -> CelestialWcs {
    CelestialWcs::from_header(&spherex_header(ra, dec, roll)).unwrap()
}

pub(crate) fn at(sky: [f64; 2]) -> Position {
    Position::new(sky[0], sky[1]).unwrap()
}

/// Distance on the sky \[deg\].
pub(crate) fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    at(a).separation(at(b))
}
