//! The columns of every table of measurements: name, unit, meaning, and how the value is had from a
//! [`MeasurementRow`].
//!
//! The first fifteen are those of spxquery's light curves, in its order. UCDs follow the IVOA's
//! UCD1+ vocabulary 1.5.

use std::borrow::Cow;

use super::row::{MeasurementRow, RowFallbacks};
use crate::frame::ExposureInfo;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// A number in double precision.
    Real,
    /// A whole number.
    Integer,
    /// True or false.
    Logical,
}

/// The value of a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum CellValue<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A number; it may be NaN.
    Real(f64),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Logical(bool),
    /// There is none.
    Empty,
}

impl CellValue<'_> {
    fn real(value: Option<f64>) -> Self {
        value.map_or(Self::Empty, Self::Real)
    }

    fn integer(value: Option<usize>) -> Self {
        value.and_then(|value| value.try_into().ok()).map_or(Self::Empty, Self::Integer)
    }
}

/// What a column is a property of.
#[derive(Clone, Copy)]
pub enum ColumnSource {
    /// All rows of an exposure have the same value.
    Exposure(for<'a> fn(&'a ExposureInfo) -> CellValue<'a>),
    /// Each row has its own.
    Row(fn(&MeasurementRow) -> CellValue<'static>),
    /// Exposure and row decide together.
    Both(fn(&ExposureInfo, &MeasurementRow) -> CellValue<'static>),
}

/// A column.
#[derive(Clone, Copy)]
pub struct MeasurementColumn {
    /// Its name.
    pub name: &'static str,
    /// Its name in tables of IRSA's Spectrophotometry Tool, where they have it.
    pub irsa: Option<&'static str>,
    /// Type of its values.
    pub kind: ColumnKind,
    /// In the notation of VOUnits; empty where there is none.
    pub unit: &'static str,
    /// UCD1+.
    pub ucd: &'static str,
    /// For people.
    pub description: &'static str,
    /// How its value is obtained.
    pub of: ColumnSource,
}

impl MeasurementColumn {
    /// The value in a row; of a source that was not measured, what is known of the exposure.
    pub fn value<'a>(&self, info: &'a ExposureInfo, row: Option<&MeasurementRow>) -> CellValue<'a> {
        match (self.of, row) {
            (ColumnSource::Exposure(value), _) => value(info),
            (ColumnSource::Row(value), Some(row)) => value(row),
            (ColumnSource::Both(value), Some(row)) => value(info, row),
            (ColumnSource::Row(_) | ColumnSource::Both(_), None) => CellValue::Empty,
        }
    }
}

const fn column(
    name: &'static str,
    kind: ColumnKind,
    unit: &'static str,
    ucd: &'static str,
    of: ColumnSource,
    description: &'static str,
) -> MeasurementColumn {
    MeasurementColumn { name, irsa: None, kind, unit, ucd, description, of }
}

impl MeasurementColumn {
    const fn at_irsa(self, name: &'static str) -> Self {
        Self { irsa: Some(name), ..self }
    }
}

use ColumnKind::{Integer, Logical, Real, Text};
use ColumnSource::{Exposure as E, Row as R};

/// All columns, in the order of `lightcurve.csv`.
#[rustfmt::skip]
pub static COLUMNS: [MeasurementColumn; 37] = [
    column("obs_id", Text, "", "meta.id;obs", E(|e| CellValue::Text((&e.obs_id).into())), "Observation identifier"),
    column("mjd", Real, "d", "time.epoch;obs", E(|e| CellValue::Real(e.mjd)), "Modified Julian Date (UTC), middle of the exposure").at_irsa("mjd"),
    column("flux", Real, "uJy", "phot.flux.density;em.IR", R(|r| CellValue::Real(r.flux)), "Flux density, the background subtracted; it may be negative").at_irsa("flux"),
    column("flux_error", Real, "uJy", "stat.error;phot.flux.density;em.IR", R(|r| CellValue::Real(r.flux_error)), "Error of the flux density").at_irsa("flux_err"),
    column("mag_ab", Real, "mag", "phot.mag;em.IR", R(|r| CellValue::real(r.magnitude().map(|m| m.value))), "AB magnitude; empty where the flux is not above zero"),
    column("mag_ab_error", Real, "mag", "stat.error;phot.mag;em.IR", R(|r| CellValue::real(r.magnitude().map(|m| m.error))), "Error of the AB magnitude"),
    column("wavelength", Real, "um", "em.wl.central", R(|r| CellValue::Real(r.wavelength)), "Central wavelength of the pixel at the source").at_irsa("lambda"),
    column("bandwidth", Real, "um", "instr.bandwidth", R(|r| CellValue::Real(r.bandwidth)), "Bandwidth of the pixel at the source").at_irsa("lambda_width"),
    column("band", Text, "", "instr.bandpass", E(|e| CellValue::Text(e.band().map(|d| d.to_string()).unwrap_or_default().into())), "SPHEREx detector (D1 to D6)"),
    column("flag", Integer, "", "meta.code.qual", R(|r| CellValue::Integer(r.flags.into())), "Bitwise OR of the flags of the pixels that the aperture touches, those that are left out included").at_irsa("flags"),
    column("flag_binary", Text, "", "meta.code.qual", R(|r| CellValue::Text(format!("{:022b}", r.flags).into())), "The same in binary digits"),
    column("pix_x", Real, "pix", "pos.cartesian.x;instr.det", R(|r| CellValue::Real(r.x)), "Column of the source in the file, 0-based, integers at pixel centres").at_irsa("x_image"),
    column("pix_y", Real, "pix", "pos.cartesian.y;instr.det", R(|r| CellValue::Real(r.y)), "Row of the source in the file, 0-based, integers at pixel centres").at_irsa("y_image"),
    column("is_upper_limit", Logical, "", "meta.code", R(|r| CellValue::Logical(r.is_upper_limit())), "True if flux_error > flux"),
    column("snr", Real, "", "stat.snr;phot.flux.density", R(|r| CellValue::Real(r.snr())), "Flux over its error"),
    column("ra", Real, "deg", "pos.eq.ra;meta.main", R(|r| CellValue::Real(r.ra)), "Right ascension of the source at the time of the exposure (ICRS)").at_irsa("ra"),
    column("dec", Real, "deg", "pos.eq.dec;meta.main", R(|r| CellValue::Real(r.dec)), "Declination of the source at the time of the exposure (ICRS)").at_irsa("dec"),
    column("detector", Integer, "", "meta.id;instr.det", E(|e| CellValue::Integer(e.detector.into())), "Detector number, 1 to 6").at_irsa("det_id"),
    column("is_good", Logical, "", "meta.code.qual", R(|r| CellValue::Logical(r.is_good)), "True if no pixel that the flux holds has a bad flag; says nothing of the flux"),
    column("bad_flag", Integer, "", "meta.code.qual", R(|r| CellValue::Integer(r.bad_flags.into())), "Bad flags of the pixels that the flux holds; pixels that were left out have none"),
    column("is_detected", Logical, "", "meta.code", R(|r| CellValue::Logical(r.is_detected)), "True if snr reaches sigma_threshold"),
    column("masked_fraction", Real, "", "stat.value", R(|r| CellValue::real(r.masked_fraction)), "Share of the light of the source, by its PSF, on pixels of the aperture that are bad or not finite; empty without a PSF"),
    column("bg_level", Real, "uJy/arcsec**2", "phot.flux.sb;em.IR;instr.background", R(|r| CellValue::Real(r.background)), "Background: sigma-clipped median around the source").at_irsa("flux_bkg"),
    column("bg_error", Real, "uJy/arcsec**2", "stat.error;phot.flux.sb;em.IR;instr.background", R(|r| CellValue::Real(r.background_error)), "Error of the background"),
    column("bg_pixels", Integer, "", "meta.number", R(|r| CellValue::integer(Some(r.background_pixels))), "Usable pixels of the background, before clipping"),
    column("aperture_radius", Real, "pix", "phys.angSize;instr", R(|r| CellValue::Real(r.aperture_radius)), "Radius of the aperture"),
    column("aperture_correction", Real, "", "arith.factor", R(|r| CellValue::real(r.aperture_correction)), "What flux and flux_error were multiplied with; empty where it was not asked for"),
    column("psf_flux", Real, "uJy", "phot.flux.density;em.IR;stat.fit", R(|r| CellValue::real(r.psf.map(|p| p.flux))), "PSF-weighted flux density; empty where it was not asked for or too much of the source is masked"),
    column("psf_flux_error", Real, "uJy", "stat.error;phot.flux.density;em.IR;stat.fit", R(|r| CellValue::real(r.psf.map(|p| p.error))), "Error of the PSF-weighted flux density"),
    column("psf_chi2", Real, "", "stat.fit.chi2", R(|r| CellValue::real(r.psf.map(|p| p.chi2))), "Chi-square of the PSF-weighted flux over psf_pixels - 1 degrees of freedom"),
    column("psf_pixels", Integer, "", "meta.number", R(|r| CellValue::integer(r.psf.map(|p| p.pixels))), "Pixels that took part in the PSF-weighted flux"),
    column("pixel_area", Real, "arcsec**2", "phys.angArea;instr.pixel", R(|r| CellValue::Real(r.pixel_area)), "Solid angle of the pixel at the source"),
    column("zodi_scale", Real, "", "arith.factor", E(|e| CellValue::real(e.zodi_scale)), "The subtracted zodiacal light is this times the plane ZODI; empty where it was left in"),
    column("zodi_scale_error", Real, "", "stat.error;arith.factor", E(|e| CellValue::real(e.zodi_scale_error)), "Statistical error of zodi_scale; empty where it was not fitted to this image"),
    column("wavelength_source", Text, "", "meta.code;em.wl", R(|r| CellValue::Text(r.wavelength_source.name().into())), "Where wavelength and bandwidth come from: table (of the file, about 1 nm), calibration (spectral_wcs)"),
    column("pixel_area_source", Text, "", "meta.code;instr.pixel", R(|r| CellValue::Text(r.pixel_area_source.name().into())), "Where pixel_area comes from: local (the full WCS), constant (without distortion), map (calibration product)"),
    column("fallbacks", Text, "", "meta.note", ColumnSource::Both(|e, r| CellValue::Text(fallbacks(e, r).into())), "What had to stand in for what was asked for; empty where nothing had to"),
];

/// Words separated by blanks, those of numbers with `=`.
pub fn fallbacks(info: &ExposureInfo, row: &MeasurementRow) -> String {
    let RowFallbacks {
        fixed_aperture,
        card_fwhm,
        annulus_growths,
        source_pixels,
        clipped_background,
        repaired_variances,
        filled_pixels,
        psf_masked,
    } = row.fallbacks;
    let flag = |on: bool, word: &str| on.then(|| word.to_owned());
    let count = |n: usize, word: &str| (n > 0).then(|| format!("{word}={n}"));
    let words = [
        flag(fixed_aperture, "fixed_aperture"),
        flag(card_fwhm, "card_fwhm"),
        count(annulus_growths, "annulus_growths"),
        flag(source_pixels, "source_pixels"),
        flag(clipped_background, "clipped_background"),
        count(repaired_variances, "repaired_variances"),
        count(filled_pixels, "filled_pixels"),
        flag(psf_masked, "psf_masked"),
        flag(info.zodi_not_fitted, "zodi_not_fitted"),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
