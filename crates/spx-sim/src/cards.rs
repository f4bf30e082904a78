//! Header cards in the order and with the keywords of the archive's files.

use spx_core::elementary::hypot;
use spx_core::header::Header;

use crate::calendar::iso_time;
use crate::layout::{PixelWindow, SimulatedRelease};
use crate::optics::celestial;
use crate::options::ExposureOptions;
use crate::survey::Pointing;

/// From the start of an exposure to its middle \[days\].
const HALF_EXPOSURE_DAYS: f64 = 57.55876 / 86_400.0;

/// The flags of Quick Release 2, with the comments of its cards.
const QR2_FLAGS: [(&str, u32, &str); 22] = [
    ("TRANSIENT", 0, "Transient detected during SUR"),
    ("OVERFLOW", 1, "Overflow detected during SUR"),
    ("SUR_ERROR", 2, "Error in onboard processing"),
    ("PHANTOM", 4, "Phantom pixel"),
    ("REFERENCE", 5, "Reference pixel"),
    ("NONFUNC", 6, "Permanently unusable"),
    ("DICHROIC", 7, "Low efficiency due to dichroic"),
    ("MISSING_DATA", 9, "Onboard data lost"),
    ("HOT", 10, "Hot pixel"),
    ("COLD", 11, "Anomalously low signal"),
    ("FULLSAMPLE", 12, "Pixel full sample history is available"),
    ("PHANMISS", 14, "Phantom correction was not applied"),
    ("NONLINEAR", 15, "Nonlinearity correction cannot be applied reliably"),
    ("PERSIST", 17, "Persistent charge above threshold"),
    ("OUTLIER", 19, "Pixel flagged by Detect Outliers"),
    ("SOURCE", 21, "Pixel mapped to a known source"),
    ("GHOST", 22, "Affected by a bright source inside the exposure"),
    ("GHOST_FPA", 23, "Affected by a bright source on another detector"),
    ("GHOST_EXT", 24, "Pixel affected by a bright source outside FOV"),
    ("BLOOM", 26, "Pixel part of a bloom artifact"),
    ("SNOWBALL", 27, "Pixel part of a snowball artifact"),
    ("HALO", 28, "Pixel part of a transient halo"),
];

/// The flags that Quick Release 3 has besides; PHANTOM and REFERENCE it has not.
const QR3_FLAGS: [(&str, u32, &str); 2] =
    [("CROSSTALK", 20, "Affected by crosstalk"), ("STREAK", 25, "Pixel part of a streak")];

/// Side of a pixel \[arcsec\], with which the card PSF_FWHM of Quick Release 3 seems to be
/// convolved.
const PIXEL_ARCSEC: f64 = 6.16;

/// Calibration products that the HISTORY of Quick Release 3 names, those of D1 last.
const QR3_CALIBRATION: [&str; 9] = [
    "dark",
    "sip",
    "nonfunc_v2",
    "epsf",
    "xtalk_class2",
    "zodi_scaling_v2",
    "aurora_template",
    "he_template",
    "xtalk_class1",
];

/// The IMAGE header; `omega` is the median solid angle of a pixel [arcsec^2].
pub(crate) fn image(
    pointing: &Pointing,
    options: &ExposureOptions,
    window: &PixelWindow,
    omega: f64,
) -> Header {
    let mut h = Header::new();
    h.set("EXTNAME", "IMAGE", "extension name");
    h.set("EXTTYPE", "IMAGE", "Extension supports mask overlay");
    h.set("BUNIT", "MJy / sr", "Unit of pixel value");
    h.set("DETECTOR", i64::from(pointing.detector.number()), "1-3: SWIR, 4-6: MWIR");
    h.set("OBSID", pointing.obs_id.as_str(), "Observation ID");
    h.set("ORIGIN", "spx-sim", "Simulated, no observation");
    h.set("L1DQAFLG", "Pass", "L1 DQA outcome");
    h.set("DETCOORD", "sky", "MWIR pixels flipped on X to match SWIR view");
    h.set("OMEGA_MEDIAN", omega, "[arcsec**2] solid angle pixel map");
    h.set("FINAST", 0, "good fine-astrometric solution");
    let optical = options.optical_fwhm(pointing.detector);
    let is_qr3 = options.release == SimulatedRelease::Qr3;
    let fwhm = if is_qr3 { hypot(optical, PIXEL_ARCSEC) } else { optical };
    h.set("PSF_FWHM", fwhm, "[arcsec] PSF FWHM Median");
    h.set("L2DQAFLG", "Pass", "L2 DQA outcome");
    h.extend(&wcs(pointing, window));
    h.note("HISTORY", &format!("Simulated by spx-sim {}", env!("CARGO_PKG_VERSION")));
    if is_qr3 {
        let detector = u32::from(pointing.detector.number());
        let count = if detector == 1 { QR3_CALIBRATION.len() } else { QR3_CALIBRATION.len() - 3 };
        for (k, family) in (1_u32..).zip(&QR3_CALIBRATION[..count]) {
            // Version 8 of RFC 9562: a UUID of one's own making.
            h.note("HISTORY", &format!("[CALIB] {family} 00000000-0000-8000-8000-{detector:06}{k:06}"));
        }
    }
    h
}

/// The WCS and time cards, which all four planes carry.
pub(crate) fn wcs(pointing: &Pointing, window: &PixelWindow) -> Header {
    let offset = [window.x0, window.y0];
    let mut h = celestial(pointing.position.ra(), pointing.position.dec(), pointing.roll_deg);
    for (axis, offset) in (1..).zip(offset) {
        h.set(
            &format!("CRPIX{axis}"),
            crate::optics::CRPIX - offset as f64,
            "Pixel coordinate of reference point",
        );
    }
    parent_wcs(&mut h, offset);
    times(&mut h, pointing.mjd);
    wavelength_wcs(&mut h, offset, !window.is_full());
    h
}

/// WCS `A`: 0-based pixels of the full frame.
fn parent_wcs(h: &mut Header, offset: [usize; 2]) {
    h.set("WCSAXESA", 2, "Number of coordinate axes");
    let cards = |axis: usize, keyword: &str| format!("{keyword}{axis}A");
    for (axis, offset) in (1..).zip(offset) {
        h.set(&cards(axis, "CRPIX"), 1.0 - offset as f64, "Pixel coordinate of reference point");
    }
    for axis in 1..=2 {
        h.set(&cards(axis, "CDELT"), 1.0, "[pixel] Coordinate increment at reference point");
        h.set(&cards(axis, "CUNIT"), "pixel", "Units of coordinate increment and value");
        h.set(&cards(axis, "CTYPE"), "LINEAR", "Coordinate type code");
        h.set(&cards(axis, "CRVAL"), 0.0, "[pixel] Coordinate value at reference point");
    }
    h.set("LATPOLEA", 90.0, "[deg] Native latitude of celestial pole");
    h.set("WCSNAMEA", "0-based active pixel coordinates", "Coordinate system title");
}

/// The times of an exposure that starts at `mjd`.
fn times(h: &mut Header, mjd: f64) {
    h.set("TIMESYS", "UTC", "Time scale").set("MJDREF", 0.0, "[d] MJD of fiducial time");
    let moments = [
        ("OBS", 0.0, "of observation"),
        ("BEG", 0.0, "at start of observation"),
        ("AVG", HALF_EXPOSURE_DAYS, "at midpoint of observation"),
        ("END", 2.0 * HALF_EXPOSURE_DAYS, "at end of observation"),
    ];
    for (name, after, what) in moments {
        h.set(&format!("DATE-{name}"), iso_time(mjd + after), &format!("ISO-8601 time {what}"));
        h.set(&format!("MJD-{name}"), mjd + after, &format!("[d] MJD {what}"));
    }
    h.set("XPOSURE", 113.5826, "[s] Exposure (integration) time");
    h.set("TELAPSE", 118.1873, "[s] Elapsed time (start to stop)");
}

/// WCS `W`: wavelength and bandwidth by look-up in parent pixels. A cutout's CRPIX is written as a
/// real number, a full frame's as an integer, as the archive does.
pub(crate) fn wavelength_wcs(h: &mut Header, offset: [usize; 2], cutout: bool) {
    const RAW: &str = "[pixel] Lookup table is in raw FITS coordinates";
    h.set("WCSAXESW", 2, "Two output axes: wavelength and bandwidth");
    h.set("WCSNAMEW", "Approximated per-pixel wavelength and bandwidth", "WCS label");
    let axes = [("Wavelength", "X", "First"), ("Bandwidth", "Y", "Second")];
    for ((axis, (name, column, ordinal)), offset) in (1..).zip(axes).zip(offset) {
        let card = |stem: &str| format!("{stem}{axis}W");
        h.set(&card("CNAME"), name, &format!("{ordinal} output axis is {}", name.to_lowercase()));
        let crpix = card("CRPIX");
        let what = "Lookup table is in raw FITS coordinates";
        if cutout {
            h.set(&crpix, 1.0 - offset as f64, what)
        } else {
            h.set(&crpix, 1, what)
        };
        h.set(&card("CDELT"), 1, RAW);
        h.set(&card("CUNIT"), "um", "Reported in microns");
        h.set(&card("CTYPE"), "WAVE-TAB", "Bilinear lookup table, FITS Paper 3, Sect 6.1");
        h.set(&card("CRVAL"), 1, RAW);
        h.set(&format!("PV{axis}_3W"), axis, "Index of the output in VALUES array");
        h.set(&format!("PS{axis}_0W"), "WCS-WAVE", "Extension with the lookup table");
        h.set(&format!("PS{axis}_1W"), "VALUES", "Column with the values");
        h.set(
            &format!("PS{axis}_2W"),
            column,
            &format!("Column with control points for detector in {column}"),
        );
    }
}

/// The cards of FLAGS beside the WCS.
pub(crate) fn flags(release: SimulatedRelease) -> Header {
    let mut h = Header::new();
    h.set("EXTNAME", "FLAGS", "extension name");
    h.set("BUNIT", "", "Unit of flag pixel value (dimensionless)");
    h.set("EXTTYPE", "MASK", "Extension can be used as a mask overlay");
    match release {
        SimulatedRelease::Qr2 => {
            for (name, bit, comment) in QR2_FLAGS {
                h.set(&format!("MP_{name}"), bit, comment);
            }
        }
        SimulatedRelease::Qr3 => {
            let kept = QR2_FLAGS.into_iter().filter(|flag| !["PHANTOM", "REFERENCE"].contains(&flag.0));
            for (name, bit, comment) in kept.chain(QR3_FLAGS) {
                h.set(&format!("MSKN{bit:04}"), name, comment);
                h.set(&format!("MSKM{bit:04}"), 1_i64 << bit, &format!("Mask of {name}"));
            }
        }
    }
    h
}

/// The cards of VARIANCE or ZODI beside the WCS.
pub(crate) fn plane(name: &str, unit: &str) -> Header {
    let mut h = Header::new();
    h.set("EXTNAME", name, "extension name").set("BUNIT", unit, "Unit of pixel value");
    h
}

/// Zones of the PSF along each axis.
pub(crate) const PSF_ZONES: usize = 11;

/// The cards of PSF: the zones, listed y-fastest, which is wrong, where `erratum` is true.
pub(crate) fn psf(erratum: bool) -> Header {
    let mut h = Header::new();
    h.set("EXTNAME", "PSF", "extension name");
    h.set("OVERSAMP", 10, "PSF samples a pixel along each axis");
    let width = 2040.0 / PSF_ZONES as f64;
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    for k in 0..PSF_ZONES * PSF_ZONES {
        let [ix, iy] = if erratum { [k / PSF_ZONES, k % PSF_ZONES] } else { [k % PSF_ZONES, k / PSF_ZONES] };
        let mut card = |stem: &str, value: f64, comment: &str| {
            h.set(&format!("{stem}_{}", k + 1), rounded(value), comment);
        };
        card("XCTR", (ix as f64 + 0.5) * width, &format!("X pixel at center of zone ({ix}, {iy})"));
        card("YCTR", (iy as f64 + 0.5) * width, &format!("Y pixel at center of zone ({ix}, {iy})"));
        card("XWID", width, &format!("[pixel] Zone ({ix}, {iy}) width along X axis"));
        card("YWID", width, &format!("[pixel] Zone ({ix}, {iy}) width along Y axis"));
    }
    h
}

/// True where files of a pipeline version list the PSF zones in the wrong order: before 6.5.6,
/// unless the local tag says `psffix1`.
pub(crate) fn has_psf_erratum(version: &str) -> bool {
    let (public, local) = version.split_once('+').unwrap_or((version, ""));
    let mut numbers = public.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let release: [u32; 3] = std::array::from_fn(|_| numbers.next().unwrap_or(0));
    release < [6, 5, 6] && !local.contains("psffix1")
}

#[cfg(test)]
mod tests {
    use spx_core::flags::FlagNames;

    use super::*;

    #[test]
    fn the_erratum_depends_on_the_version() {
        for wrong in ["6.4", "6.5.5", "6.5", "5.9.9"] {
            assert!(has_psf_erratum(wrong), "{wrong}");
        }
        for right in ["6.5.4+psffix1", "6.5.6", "6.5.7", "6.10", "7.0.5"] {
            assert!(!has_psf_erratum(right), "{right}");
        }
    }

    #[test]
    fn zones_are_where_the_archive_has_them() {
        let right = psf(false);
        assert_eq!(right.real("XCTR_2"), Ok(278.181818));
        assert_eq!(right.real("YCTR_2"), Ok(92.727273));
        assert_eq!(right.comment("XCTR_2"), Some("X pixel at center of zone (1, 0)"));
        assert_eq!(psf(true).real("YCTR_2"), Ok(278.181818));
    }

    #[test]
    fn flags_are_named_in_both_ways() {
        assert_eq!(flags(SimulatedRelease::Qr2).integer("MP_SOURCE"), Ok(21));
        let qr3 = flags(SimulatedRelease::Qr3);
        assert_eq!((qr3.text("MSKN0025"), qr3.integer("MSKM0025")), (Ok("STREAK"), Ok(1 << 25)));
        assert!(qr3.get("MSKN0004").is_none(), "there is no PHANTOM");
        let names = FlagNames::default();
        assert!(QR2_FLAGS.iter().all(|&(name, bit, _)| names.bit(name) == Some(bit)));
    }
}
