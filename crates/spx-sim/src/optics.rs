//! The instrument: projection and distortion, wavelengths, width of the point spread function.
//!
//! SIP terms and the control points of the wavelength tables are those of the archive's files; the
//! wavelength law between them is a smooth stand-in with the real range and resolving power.

use spx_core::detector::Detector;
use spx_core::elementary::{powf, sin, sin_cos};
use spx_core::header::Header;
use spx_core::image::WaveTableData;

/// Pixel scale at the reference point without distortion \[arcsec\].
pub(crate) const SCALE_ARCSEC: f64 = 6.155;

/// CRPIX of a full frame: the middle, 1-based.
pub(crate) const CRPIX: f64 = 1020.5;

/// Wavelength at the upper and at the lower edge of each detector \[um\].
const BANDS: [[f64; 2]; 6] =
    [[0.739, 1.118], [1.092, 1.655], [1.6255, 2.4245], [2.411, 3.835], [3.80, 4.425], [4.403, 5.008]];

/// Resolving power of each detector.
const RESOLVING_POWER: [f64; 6] = [39.1, 41.4, 40.6, 34.9, 111.6, 127.8];

const EVEN_9: &[i32] = &[1, 256, 511, 766, 1021, 1275, 1530, 1785, 2040];
const EVEN_11: &[i32] = &[1, 205, 409, 613, 817, 1021, 1224, 1428, 1632, 1836, 2040];
const D3_Y: &[i32] = &[1, 36, 71, 105, 140, 141, 379, 617, 855, 1091, 1326, 1564, 1802, 2040];
const D4_X: &[i32] = &[1, 171, 341, 511, 681, 851, 1021, 1190, 1360, 1530, 1700, 1870, 2040];
const D4_Y: &[i32] = &[
    1, 151, 301, 451, 601, 751, 901, 1050, 1200, 1350, 1500, 1650, 1800, 1801, 1841, 1881, 1921, 1960, 2000,
    2040,
];

/// SIP terms: order 3, the constant and linear ones included; `AP`, `BP` invert to 0.02 px only.
#[rustfmt::skip]
const SIP: [(&str, f64); 40] = [
    ("A_0_0", -0.358887901781), ("A_0_1", -3.29486823947e-06), ("A_0_2", 1.37340328038e-06),
    ("A_0_3", 4.19871698895e-12), ("A_1_0", 8.91920093579e-05), ("A_1_1", 4.17027226836e-06),
    ("A_1_2", 6.39216916172e-10), ("A_2_0", 1.59277758371e-06), ("A_2_1", 1.41725845906e-10),
    ("A_3_0", 5.77707761902e-10),
    ("B_0_0", -1.10752282284), ("B_0_1", -0.000393514848358), ("B_0_2", 1.98198522029e-06),
    ("B_0_3", 4.65782924392e-10), ("B_1_0", 6.32480697759e-05), ("B_1_1", 7.43914929254e-07),
    ("B_1_2", 5.25940968174e-11), ("B_2_0", 6.66519774185e-06), ("B_2_1", 6.37024793716e-10),
    ("B_3_0", 2.08337053914e-11),
    ("AP_0_0", 0.356808293319), ("AP_0_1", -1.4375312995e-06), ("AP_0_2", -1.36906118092e-06),
    ("AP_0_3", 7.14938715714e-12), ("AP_1_0", -9.5958004124e-05), ("AP_1_1", -4.15210101897e-06),
    ("AP_1_2", -6.05128595179e-10), ("AP_2_0", -1.58431183088e-06), ("AP_2_1", -9.97564009789e-11),
    ("AP_3_0", -5.42636337852e-10),
    ("BP_0_0", 1.10279682232), ("BP_0_1", 0.000388111801691), ("BP_0_2", -1.9718647345e-06),
    ("BP_0_3", -4.55985888335e-10), ("BP_1_0", -6.90084371784e-05), ("BP_1_1", -7.38271497423e-07),
    ("BP_1_2", -2.64038350461e-11), ("BP_2_0", -6.66478246196e-06), ("BP_2_1", -5.51547122006e-10),
    ("BP_3_0", 5.53566543151e-12),
];

/// Full width at half maximum of the optical PSF of each detector \[arcsec\]. Those of D1, D3, D4
/// and D6 follow from the cards PSF_FWHM of real files, where that of Quick Release 3 is taken to
/// be convolved with a pixel of 6.16 arcsec.
const OPTICAL_FWHM: [f64; 6] = [4.33, 4.7, 5.22, 6.10, 6.4, 6.62];

/// By how much the tables of D5 and D6 lie higher in Quick Release 3 \[um\].
const QR3_SHIFT: f64 = 0.0064;

/// Full width at half maximum of the optical PSF \[arcsec\].
pub(crate) fn optical_fwhm(detector: Detector) -> f64 {
    OPTICAL_FWHM[usize::from(detector.number()) - 1]
}

/// The table WCS-WAVE of Quick Release 3: that of Quick Release 2, in D5 and D6 0.0064 um higher.
pub fn qr3_wave_table(detector: Detector) -> WaveTableData {
    let mut table = wave_table(detector);
    if detector.number() > 4 {
        for pair in table.values.chunks_exact_mut(2) {
            #[expect(clippy::cast_possible_truncation, reason = "the file holds f32")]
            let shifted = (pair[0] + QR3_SHIFT) as f32;
            pair[0] = f64::from(shifted);
        }
    }
    table
}

/// The table WCS-WAVE of a detector in Quick Release 2: control points in 1-based parent pixels,
/// values rounded to f32 as they stand in the file.
pub fn wave_table(detector: Detector) -> WaveTableData {
    let (x, y) = match detector.number() {
        3 => (EVEN_9, D3_Y),
        4 => (D4_X, D4_Y),
        2 | 5 => (EVEN_11, EVEN_11),
        _ => (EVEN_9, EVEN_9),
    };
    let [x, y] = [x, y].map(|points| points.iter().map(|&p| f64::from(p)).collect::<Vec<f64>>());
    let mut values = Vec::with_capacity(2 * x.len() * y.len());
    for &row in &y {
        for &column in &x {
            #[expect(clippy::cast_possible_truncation, reason = "the file holds f32")]
            values.extend(wavelength_law(detector, column, row).map(|value| f64::from(value as f32)));
        }
    }
    WaveTableData { x, y, values }
}

/// Wavelength and bandwidth \[um\] at a 1-based pixel: the wavelength falls as y grows and curves
/// in x.
fn wavelength_law(detector: Detector, x: f64, y: f64) -> [f64; 2] {
    let index = usize::from(detector.number()) - 1;
    let ([low, high], power) = (BANDS[index], RESOLVING_POWER[index]);
    let t = (2040.0 - y) / 2039.0;
    let wavelength = low * powf(high / low, t) * (1.0 + 0.0075 * ((x - 1021.0) / 1020.0).powi(2));
    [wavelength, wavelength / power * (1.0 + 0.05 * sin(3.0 * t))]
}

/// The celestial WCS of a full frame: TAN-SIP, PC matrix in degrees with CDELT 1, det(PC) < 0.
pub(crate) fn celestial(ra: f64, dec: f64, roll_deg: f64) -> Header {
    let (sin, cos) = sin_cos(roll_deg.to_radians());
    let degrees = SCALE_ARCSEC / 3600.0;
    let mut h = Header::new();
    h.set("WCSAXES", 2, "Number of coordinate axes");
    for axis in 1..=2 {
        h.set(&format!("CRPIX{axis}"), CRPIX, "Pixel coordinate of reference point");
    }
    let matrix = [("PC1_1", cos), ("PC1_2", sin), ("PC2_1", sin), ("PC2_2", -cos)];
    for (keyword, value) in matrix {
        h.set(keyword, degrees * value, "Coordinate transformation matrix element");
    }
    h.set("CDELT1", 1.0, "[deg] Coordinate increment at reference point");
    h.set("CDELT2", 1.0, "[deg] Coordinate increment at reference point");
    h.set("CUNIT1", "deg", "Units of coordinate increment and value");
    h.set("CUNIT2", "deg", "Units of coordinate increment and value");
    h.set("CTYPE1", "RA---TAN-SIP", "TAN (gnomonic) projection + SIP distortions");
    h.set("CTYPE2", "DEC--TAN-SIP", "TAN (gnomonic) projection + SIP distortions");
    h.set("CRVAL1", ra, "[deg] Coordinate value at reference point");
    h.set("CRVAL2", dec, "[deg] Coordinate value at reference point");
    h.set("LONPOLE", 180.0, "[deg] Native longitude of celestial pole");
    h.set("LATPOLE", dec, "[deg] Native latitude of celestial pole");
    h.set("RADESYS", "ICRS", "Equatorial coordinate system");
    for order in ["A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER"] {
        h.set(order, 3, "SIP polynomial order");
    }
    for (keyword, value) in SIP {
        h.set(keyword, value, "SIP distortion coefficient");
    }
    h
}

#[cfg(test)]
mod tests {
    use spx_wcs::{CelestialWcs, WaveTable};

    use super::*;
    use crate::cards;

    #[test]
    fn every_channel_lies_on_its_detector() {
        for detector in Detector::ALL {
            let table = wave_table(detector);
            let mut header = Header::new();
            cards::wavelength_wcs(&mut header, [0, 0], false);
            let map = WaveTable::new(&table.x, &table.y, &table.values, &header).unwrap();
            let [low, high] = map.range([2040, 2040]);
            for channel in detector.channels() {
                assert!(low < channel.wavelength && channel.wavelength < high, "{channel:?}");
            }
        }
    }

    #[test]
    fn the_pixels_are_as_large_as_the_real_ones() {
        let wcs = CelestialWcs::from_header(&celestial(10.0, 41.0, 24.7)).unwrap();
        let area = wcs.pixel_area(1019.5, 1019.5);
        assert!((area - 37.86).abs() < 0.05, "{area}");
    }
}
