//! The columns of every table of measurements, each described once: light curves, spectra and
//! tables of images, as CSV, ECSV, VOTable and Parquet.
//!
//! A table takes its columns from this list, in its own order and, for the names that spxquery's
//! tables have, under another name. Units are in the notation of VOUnits, UCDs of the IVOA's UCD1+
//! vocabulary 1.5.

/// The type of the cells of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text without line breaks.
    Text,
    /// A number in double precision; NaN or nothing where there is none.
    Real,
    /// A whole number.
    Integer,
    /// True or false.
    Logical,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: &'static str,
    /// Type of its cells.
    pub kind: ColumnKind,
    /// Unit; empty where there is none.
    pub unit: &'static str,
    /// UCD1+.
    pub ucd: &'static str,
    /// For people.
    pub description: &'static str,
}

impl TableColumn {
    /// The same column under another name.
    #[must_use]
    pub const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

/// A column of the list, for constants: a name that is not there does not compile.
///
/// # Panics
/// Where no column has the name.
#[expect(clippy::panic, reason = "in a constant it is an error of compilation")]
pub const fn measurement_column(name: &str) -> TableColumn {
    let mut k = 0;
    while k < MEASUREMENT_COLUMNS.len() {
        if same(MEASUREMENT_COLUMNS[k].name, name) {
            return MEASUREMENT_COLUMNS[k];
        }
        k += 1;
    }
    panic!("no column of measurements has this name")
}

/// Equality of texts, in constants.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut k = 0;
    while k < a.len() {
        if a[k] != b[k] {
            return false;
        }
        k += 1;
    }
    true
}

const fn column(
    name: &'static str,
    kind: ColumnKind,
    unit: &'static str,
    ucd: &'static str,
    description: &'static str,
) -> TableColumn {
    TableColumn { name, kind, unit, ucd, description }
}

use ColumnKind::{Integer, Logical, Real, Text};

/// All columns of measurements.
#[rustfmt::skip]
pub const MEASUREMENT_COLUMNS: &[TableColumn] = &[
    column("target_id", Text, "", "meta.id;meta.main", "Source, as the catalog names it"),
    column("obs_id", Text, "", "meta.id;obs", "Observation identifier"),
    column("mjd", Real, "d", "time.epoch;obs", "Modified Julian Date (UTC), middle of the exposure"),
    column("flux", Real, "uJy", "phot.flux.density;em.IR", "Flux density, the background subtracted; it may be negative"),
    column("flux_error", Real, "uJy", "stat.error;phot.flux.density;em.IR", "Error of the flux density"),
    column("mag_ab", Real, "mag", "phot.mag;em.IR", "AB magnitude; empty where the flux is not above zero"),
    column("mag_ab_error", Real, "mag", "stat.error;phot.mag;em.IR", "Error of the AB magnitude"),
    column("wavelength", Real, "um", "em.wl.central", "Central wavelength of the pixel at the source"),
    column("bandwidth", Real, "um", "instr.bandwidth", "Bandwidth of the pixel at the source"),
    column("band", Text, "", "instr.bandpass", "SPHEREx detector (D1 to D6)"),
    column("flag", Integer, "", "meta.code.qual", "Bitwise OR of the flags of the pixels that the aperture touches, including those that are left out"),
    column("flag_binary", Text, "", "meta.code.qual", "The same in binary digits"),
    column("pix_x", Real, "pix", "pos.cartesian.x;instr.det", "Column of the source in the file, 0-based, integers at pixel centers"),
    column("pix_y", Real, "pix", "pos.cartesian.y;instr.det", "Row of the source in the file, 0-based, integers at pixel centers"),
    column("is_upper_limit", Logical, "", "meta.code", "True if flux_error > flux"),
    column("snr", Real, "", "stat.snr;phot.flux.density", "Flux over its error"),
    column("ra", Real, "deg", "pos.eq.ra;meta.main", "Right ascension of the source at the time of the exposure (ICRS)"),
    column("dec", Real, "deg", "pos.eq.dec;meta.main", "Declination of the source at the time of the exposure (ICRS)"),
    column("detector", Integer, "", "meta.id;instr.det", "Detector number, 1 to 6"),
    column("is_good", Logical, "", "meta.code.qual", "True if no pixel that contributes to the flux has a bad flag; independent of the flux"),
    column("bad_flag", Integer, "", "meta.code.qual", "Bad flags of the pixels that contribute to the flux; pixels that were left out have none"),
    column("is_detected", Logical, "", "meta.code", "True if snr reaches sigma_threshold"),
    column("masked_fraction", Real, "", "stat.value", "Share of the light of the source, by its PSF, on pixels of the aperture that are bad or not finite; empty without a PSF"),
    column("bg_level", Real, "uJy/arcsec**2", "phot.flux.sb;em.IR;instr.background", "Background: sigma-clipped median around the source"),
    column("bg_error", Real, "uJy/arcsec**2", "stat.error;phot.flux.sb;em.IR;instr.background", "Error of the background"),
    column("bg_pixels", Integer, "", "meta.number", "Usable pixels of the background, before clipping"),
    column("aperture_radius", Real, "pix", "phys.angSize;instr", "Radius of the aperture"),
    column("aperture_correction", Real, "", "arith.factor", "Factor by which flux and flux_error were multiplied; empty if it was not requested"),
    column("psf_flux", Real, "uJy", "phot.flux.density;em.IR;stat.fit", "PSF-weighted flux density; empty if it was not requested or too much of the source is masked"),
    column("psf_flux_error", Real, "uJy", "stat.error;phot.flux.density;em.IR;stat.fit", "Error of the PSF-weighted flux density"),
    column("psf_chi2", Real, "", "stat.fit.chi2", "Chi-square of the PSF-weighted flux, which has psf_pixels - 1 degrees of freedom"),
    column("psf_pixels", Integer, "", "meta.number", "Pixels used for the PSF-weighted flux"),
    column("method", Text, "", "meta.code", "How the flux was measured: aperture, psf (the point spread function fitted to the source alone) or scene (to all sources of the image together)"),
    column("fit_chi2", Real, "", "stat.fit.chi2", "Chi-square of the fit over the pixels of the source, by the variances of the model; empty for an aperture"),
    column("fit_dof", Integer, "", "stat.fit.dof", "Its degrees of freedom: pixels less the sources among them"),
    column("fit_neighbors", Integer, "", "meta.number", "Sources fitted with this one whose light reaches its pixels"),
    column("fit_correlation", Real, "", "stat.correlation", "Correlation of the flux with that of the neighbor where it is farthest from 0"),
    column("not_separable", Logical, "", "meta.code.qual", "True if the data hardly separate the source from its neighbors; its flux is then not good"),
    column("channel", Integer, "", "meta.id;instr.bandpass", "Spectral channel, 1 to 102: seventeen for each detector"),
    column("channel_center", Real, "um", "em.wl.central", "Center of the channel"),
    column("channel_width", Real, "um", "instr.bandwidth", "Width of the channel"),
    column("n_used", Integer, "", "meta.number", "Measurements in the mean"),
    column("n_rejected", Integer, "", "meta.number", "Good measurements that were rejected as outliers"),
    column("chi2", Real, "", "stat.fit.chi2", "Chi-square of the measurements about their mean; n_used - 1 degrees of freedom"),
    column("variability_chi2", Real, "", "stat.fit.chi2;src.var", "Sum over channels of the chi-square of all good measurements about the mean of their channel, including rejected ones"),
    column("variability_dof", Integer, "", "stat.fit.dof;src.var", "Its degrees of freedom"),
    column("pixel_area", Real, "arcsec**2", "phys.angArea;instr.pixel", "Solid angle of the pixel at the source"),
    column("zodi_scale", Real, "", "arith.factor", "The subtracted zodiacal light is this times the plane ZODI; empty if none was subtracted"),
    column("zodi_scale_error", Real, "", "stat.error;arith.factor", "Statistical error of zodi_scale; empty where it was not fitted to this image"),
    column("cutout_share", Real, "", "stat.value", "Share of the requested cutout that the file covers; less than 1 at the edge of the detector, or where less was cut; empty if none was requested"),
    column("catalog_ra", Real, "deg", "pos.eq.ra;meta.main", "Right ascension in the catalog (ICRS)"),
    column("catalog_dec", Real, "deg", "pos.eq.dec;meta.main", "Declination in the catalog (ICRS)"),
    column("filename", Text, "", "meta.id;meta.file", "File of the spectral image"),
    column("release", Text, "", "meta.id", "Data release: qr2, qr3 or dr1; empty if the file does not say"),
    column("version", Text, "", "meta.version", "Version of the pipeline that made the image, card VERSION"),
    column("processing", Text, "", "meta.version", "Processing of the image, by the name of its file, such as l2b-v21-2025-354"),
    column("flux_correction", Text, "", "meta.code;phot.calib", "Flux scale: applied (l3_flux_corrections, to the scale of pipeline 7), not_needed (pipeline 7), missing (pipeline 6, uncorrected), unknown"),
    column("wavelength_source", Text, "", "meta.code;em.wl", "Where wavelength and bandwidth come from: table (of the file, about 1 nm), shifted (the same, shifted to the scale of pipeline 7), calibration (spectral_wcs)"),
    column("pixel_area_source", Text, "", "meta.code;instr.pixel", "Where pixel_area comes from: local (the full WCS), constant (without distortion), map (calibration product)"),
    column("fallbacks", Text, "", "meta.note", "Fallbacks that replaced what was requested; empty if there were none"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_described_once_and_without_markup() {
        let names: std::collections::HashSet<_> = MEASUREMENT_COLUMNS.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), MEASUREMENT_COLUMNS.len());
        for column in MEASUREMENT_COLUMNS {
            let texts = [column.name, column.unit, column.ucd, column.description].concat();
            assert!(!texts.contains(['<', '&', '"', '\n']), "{}", column.name);
            assert!(!column.ucd.is_empty() && !column.description.is_empty(), "{}", column.name);
        }
    }

    #[test]
    fn columns_are_found_by_name() {
        const MJD: TableColumn = measurement_column("mjd");
        assert_eq!((MJD.unit, MJD.named("time").name), ("d", "time"));
    }
}
