//! The columns of every table of measurements: name, unit, meaning, and how the value is had from a [`Row`].
//!
//! The first fifteen are those of spxquery's light curves, in its order. UCDs follow the IVOA's UCD1+ vocabulary 1.5.

use std::borrow::Cow;

use super::row::{ExposureInfo, Row, RowFallbacks};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Real,
    Integer,
    Logical,
}

/// The value of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Real(f64),
    Integer(i64),
    Logical(bool),
    /// There is none.
    Empty,
}

impl Value<'_> {
    fn real(value: Option<f64>) -> Self {
        value.map_or(Self::Empty, Self::Real)
    }

    fn integer(value: Option<usize>) -> Self {
        value.and_then(|value| value.try_into().ok()).map_or(Self::Empty, Self::Integer)
    }
}

/// What a column is a property of.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    /// All rows of an exposure have the same value.
    Exposure(for<'a> fn(&'a ExposureInfo) -> Value<'a>),
    /// Each row has its own.
    Row(fn(&Row) -> Value<'static>),
    /// Exposure and row decide together.
    Both(fn(&ExposureInfo, &Row) -> Value<'static>),
}

/// A column.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Its name in tables of IRSA's Spectrophotometry Tool, where they have it.
    pub(crate) irsa: Option<&'static str>,
    pub(crate) kind: Kind,
    /// In the notation of VOUnits; empty where there is none.
    pub(crate) unit: &'static str,
    pub(crate) ucd: &'static str,
    pub(crate) description: &'static str,
    pub(crate) of: Of,
}

impl Column {
    /// The value in a row; of a source that was not measured, what is known of the exposure.
    pub(crate) fn value<'a>(&self, info: &'a ExposureInfo, row: Option<&Row>) -> Value<'a> {
        match (self.of, row) {
            (Of::Exposure(value), _) => value(info),
            (Of::Row(value), Some(row)) => value(row),
            (Of::Both(value), Some(row)) => value(info, row),
            (Of::Row(_) | Of::Both(_), None) => Value::Empty,
        }
    }
}

const fn column(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    ucd: &'static str,
    of: Of,
    description: &'static str,
) -> Column {
    Column { name, irsa: None, kind, unit, ucd, description, of }
}

impl Column {
    const fn at_irsa(self, name: &'static str) -> Self {
        Self { irsa: Some(name), ..self }
    }
}

use Kind::{Integer, Logical, Real, Text};
use Of::{Exposure as E, Row as R};

/// All columns, in the order of `lightcurve.csv`.
#[rustfmt::skip]
pub(crate) static COLUMNS: [Column; 34] = [
    column("obs_id", Text, "", "meta.id;obs", E(|e| Value::Text((&e.obs_id).into())), "Observation identifier"),
    column("mjd", Real, "d", "time.epoch;obs", E(|e| Value::Real(e.mjd)), "Modified Julian Date (UTC), middle of the exposure").at_irsa("mjd"),
    column("flux", Real, "uJy", "phot.flux.density;em.IR", R(|r| Value::Real(r.flux)), "Flux density, the background subtracted; it may be negative").at_irsa("flux"),
    column("flux_error", Real, "uJy", "stat.error;phot.flux.density;em.IR", R(|r| Value::Real(r.flux_error)), "Error of the flux density").at_irsa("flux_err"),
    column("mag_ab", Real, "mag", "phot.mag;em.IR", R(|r| Value::real(r.magnitude().map(|m| m.value))), "AB magnitude; empty where the flux is not above zero"),
    column("mag_ab_error", Real, "mag", "stat.error;phot.mag;em.IR", R(|r| Value::real(r.magnitude().map(|m| m.error))), "Error of the AB magnitude"),
    column("wavelength", Real, "um", "em.wl.central", R(|r| Value::Real(r.wavelength)), "Central wavelength of the pixel at the source").at_irsa("lambda"),
    column("bandwidth", Real, "um", "instr.bandwidth", R(|r| Value::Real(r.bandwidth)), "Bandwidth of the pixel at the source").at_irsa("lambda_width"),
    column("band", Text, "", "instr.bandpass", E(|e| Value::Text(e.band().map(|d| d.to_string()).unwrap_or_default().into())), "SPHEREx detector (D1 to D6)"),
    column("flag", Integer, "", "meta.code.qual", R(|r| Value::Integer(r.flags.into())), "Bitwise OR of the flags of the pixels whose centre lies in the aperture").at_irsa("flags"),
    column("flag_binary", Text, "", "meta.code.qual", R(|r| Value::Text(format!("{:022b}", r.flags).into())), "The same in binary digits"),
    column("pix_x", Real, "pix", "pos.cartesian.x;instr.det", R(|r| Value::Real(r.x)), "Column of the source in the file, 0-based, integers at pixel centres").at_irsa("x_image"),
    column("pix_y", Real, "pix", "pos.cartesian.y;instr.det", R(|r| Value::Real(r.y)), "Row of the source in the file, 0-based, integers at pixel centres").at_irsa("y_image"),
    column("is_upper_limit", Logical, "", "meta.code", R(|r| Value::Logical(r.is_upper_limit())), "True if flux_error > flux"),
    column("snr", Real, "", "stat.snr;phot.flux.density", R(|r| Value::Real(r.snr())), "Flux over its error"),
    column("ra", Real, "deg", "pos.eq.ra;meta.main", R(|r| Value::Real(r.ra)), "Right ascension of the source at the time of the exposure (ICRS)").at_irsa("ra"),
    column("dec", Real, "deg", "pos.eq.dec;meta.main", R(|r| Value::Real(r.dec)), "Declination of the source at the time of the exposure (ICRS)").at_irsa("dec"),
    column("detector", Integer, "", "meta.id;instr.det", E(|e| Value::Integer(e.detector.into())), "Detector number, 1 to 6").at_irsa("det_id"),
    column("is_good", Logical, "", "meta.code.qual", R(|r| Value::Logical(r.is_good())), "True if snr reaches sigma_threshold and no bad flag is in the aperture"),
    column("bad_flag", Integer, "", "meta.code.qual", R(|r| Value::Integer(r.bad_flags.into())), "Those bits of flag that are bad"),
    column("bg_level", Real, "uJy/arcsec**2", "phot.flux.sb;em.IR;instr.background", R(|r| Value::Real(r.background)), "Background: sigma-clipped median around the source").at_irsa("flux_bkg"),
    column("bg_error", Real, "uJy/arcsec**2", "stat.error;phot.flux.sb;em.IR;instr.background", R(|r| Value::Real(r.background_error)), "Error of the background"),
    column("bg_pixels", Integer, "", "meta.number", R(|r| Value::integer(Some(r.background_pixels))), "Usable pixels of the background, before clipping"),
    column("aperture_radius", Real, "pix", "phys.angSize;instr", R(|r| Value::Real(r.aperture_radius)), "Radius of the aperture"),
    column("aperture_correction", Real, "", "arith.factor", R(|r| Value::real(r.aperture_correction)), "What flux and flux_error were multiplied with; empty where it was not asked for"),
    column("psf_flux", Real, "uJy", "phot.flux.density;em.IR;stat.fit", R(|r| Value::real(r.psf.map(|p| p.flux))), "PSF-weighted flux density; empty where it was not asked for or too much of the source is masked"),
    column("psf_flux_error", Real, "uJy", "stat.error;phot.flux.density;em.IR;stat.fit", R(|r| Value::real(r.psf.map(|p| p.error))), "Error of the PSF-weighted flux density"),
    column("psf_chi2", Real, "", "stat.fit.chi2", R(|r| Value::real(r.psf.map(|p| p.chi2))), "Chi-square of the PSF-weighted flux over psf_pixels - 1 degrees of freedom"),
    column("psf_pixels", Integer, "", "meta.number", R(|r| Value::integer(r.psf.map(|p| p.pixels))), "Pixels that took part in the PSF-weighted flux"),
    column("pixel_area", Real, "arcsec**2", "phys.angArea;instr.pixel", R(|r| Value::Real(r.pixel_area)), "Solid angle of the pixel at the source"),
    column("zodi_scale", Real, "", "arith.factor", E(|e| Value::real(e.zodi_scale)), "The subtracted zodiacal light is this times the plane ZODI; empty where it was left in"),
    column("wavelength_source", Text, "", "meta.code;em.wl", R(|r| Value::Text(r.wavelength_source.name().into())), "Where wavelength and bandwidth come from: table (of the file, about 1 nm), calibration (spectral_wcs)"),
    column("pixel_area_source", Text, "", "meta.code;instr.pixel", R(|r| Value::Text(r.pixel_area_source.name().into())), "Where pixel_area comes from: local (the full WCS), constant (without distortion), map (calibration product)"),
    column("fallbacks", Text, "", "meta.note", Of::Both(|e, r| Value::Text(fallbacks(e, r).into())), "What had to stand in for what was asked for; empty where nothing had to"),
];

/// Words separated by blanks, those of numbers with `=`.
pub(crate) fn fallbacks(info: &ExposureInfo, row: &Row) -> String {
    let RowFallbacks {
        fixed_aperture,
        annulus_growths,
        source_pixels,
        clipped_background,
        repaired_variances,
        psf_masked,
    } = row.fallbacks;
    let flag = |on: bool, word: &str| on.then(|| word.to_owned());
    let count = |n: usize, word: &str| (n > 0).then(|| format!("{word}={n}"));
    let words = [
        flag(fixed_aperture, "fixed_aperture"),
        count(annulus_growths, "annulus_growths"),
        flag(source_pixels, "source_pixels"),
        flag(clipped_background, "clipped_background"),
        count(repaired_variances, "repaired_variances"),
        flag(psf_masked, "psf_masked"),
        flag(info.zodi_not_fitted, "zodi_not_fitted"),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
