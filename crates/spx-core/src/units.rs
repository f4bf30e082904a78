//! Unit factors, each with its derivation.

/// Arcseconds in a radian, 180 * 3600 / pi.
pub const ARCSEC_PER_RADIAN: f64 = 206_264.806_247_096_36;

/// uJy/arcsec^2 in one MJy/sr: 1e12 uJy per MJy, spread over the square arcseconds of a steradian.
pub const UJY_PER_ARCSEC2_PER_MJY_PER_SR: f64 = 1e12 / (ARCSEC_PER_RADIAN * ARCSEC_PER_RADIAN);

/// Speed of light [um/s]; a wavelength in um gives a frequency in Hz.
pub const C_UM_PER_S: f64 = 299_792_458e6;

/// AB magnitude of 1 uJy (Oke & Gunn 1983, ApJ 266, 713): `-2.5 log10(f_nu) - 48.6` of f_nu in
/// erg/s/cm^2/Hz; 1 uJy = 1e-29 erg/s/cm^2/Hz, and `2.5 * 29 - 48.6 = 23.9`, exactly.
pub const AB_ZERO_POINT_UJY: f64 = 23.9;
