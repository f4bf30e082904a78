//! How the cells of every table of measurements are had from a [`MeasurementRow`]. The columns
//! themselves are described in [`spx_core::columns`].
//!
//! The first fifteen are those of spxquery's light curves, in its order.

use spx_core::columns::{TableColumn, measurement_column};
use spx_core::release::DataRelease;

use super::row::{MeasurementRow, RowFallbacks};
use super::table::TableHead;
use crate::cell_table::CellValue;
use crate::frame::ExposureInfo;

/// What a column is a property of.
#[derive(Clone, Copy)]
pub enum ColumnSource {
    /// All rows of an exposure have the same value.
    Exposure(for<'a> fn(&'a ExposureInfo) -> CellValue<'a>),
    /// Each row has its own.
    Row(fn(&MeasurementRow) -> CellValue<'static>),
    /// Exposure and row decide together.
    Both(fn(&ExposureInfo, &MeasurementRow) -> CellValue<'static>),
    /// What the head of the table says of the source, or of the exposure.
    Head(fn(&TableHead, &ExposureInfo) -> CellValue<'static>),
}

/// A column, and how its cells are had.
#[derive(Clone, Copy)]
pub struct MeasurementColumn {
    /// Name, type, unit and meaning.
    pub column: TableColumn,
    /// How its value is obtained.
    pub of: ColumnSource,
}

impl MeasurementColumn {
    /// The value in a row; of a source that was not measured, what is known of the exposure.
    pub(super) fn value<'a>(
        &self,
        head: &TableHead,
        info: &'a ExposureInfo,
        row: Option<&MeasurementRow>,
    ) -> CellValue<'a> {
        match (self.of, row) {
            (ColumnSource::Exposure(value), _) => value(info),
            (ColumnSource::Head(value), _) => value(head, info),
            (ColumnSource::Row(value), Some(row)) => value(row),
            (ColumnSource::Both(value), Some(row)) => value(info, row),
            (ColumnSource::Row(_) | ColumnSource::Both(_), None) => CellValue::Empty,
        }
    }
}

const fn column(name: &'static str, of: ColumnSource) -> MeasurementColumn {
    MeasurementColumn { column: measurement_column(name), of }
}

use ColumnSource::{Exposure as E, Row as R};

fn text(text: Option<&str>) -> CellValue<'_> {
    text.map_or(CellValue::Empty, |text| CellValue::Text(text.into()))
}

/// All columns, in the order of `lightcurve.csv`.
#[rustfmt::skip]
pub static COLUMNS: [MeasurementColumn; 48] = [
    column("obs_id", E(|e| CellValue::Text((&e.obs_id).into()))),
    column("mjd", E(|e| CellValue::Real(e.mjd))),
    column("flux", R(|r| CellValue::Real(r.flux))),
    column("flux_error", R(|r| CellValue::Real(r.flux_error))),
    column("mag_ab", R(|r| CellValue::real(r.magnitude().map(|m| m.value)))),
    column("mag_ab_error", R(|r| CellValue::real(r.magnitude().map(|m| m.error)))),
    column("wavelength", R(|r| CellValue::Real(r.wavelength))),
    column("bandwidth", R(|r| CellValue::Real(r.bandwidth))),
    column("band", E(|e| CellValue::Text(e.band().map(|d| d.to_string()).unwrap_or_default().into()))),
    column("flag", R(|r| CellValue::Integer(r.flags.into()))),
    column("flag_binary", R(|r| CellValue::Text(format!("{:022b}", r.flags).into()))),
    column("pix_x", R(|r| CellValue::Real(r.x))),
    column("pix_y", R(|r| CellValue::Real(r.y))),
    column("is_upper_limit", R(|r| CellValue::Logical(r.is_upper_limit()))),
    column("snr", R(|r| CellValue::Real(r.snr()))),
    column("ra", R(|r| CellValue::Real(r.ra))),
    column("dec", R(|r| CellValue::Real(r.dec))),
    column("detector", E(|e| CellValue::Integer(e.detector.into()))),
    column("is_good", R(|r| CellValue::Logical(r.is_good))),
    column("bad_flag", R(|r| CellValue::Integer(r.bad_flags.into()))),
    column("is_detected", R(|r| CellValue::Logical(r.is_detected))),
    column("masked_fraction", R(|r| CellValue::real(r.masked_fraction))),
    column("bg_level", R(|r| CellValue::Real(r.background))),
    column("bg_error", R(|r| CellValue::real(r.background_error))),
    column("bg_pixels", R(|r| CellValue::integer(Some(r.background_pixels)))),
    column("aperture_radius", R(|r| CellValue::Real(r.aperture_radius))),
    column("aperture_correction", R(|r| CellValue::real(r.aperture_correction))),
    column("psf_flux", R(|r| CellValue::real(r.psf.map(|p| p.flux)))),
    column("psf_flux_error", R(|r| CellValue::real(r.psf.map(|p| p.error)))),
    column("psf_chi2", R(|r| CellValue::real(r.psf.map(|p| p.chi2)))),
    column("psf_pixels", R(|r| CellValue::integer(r.psf.map(|p| p.pixels)))),
    column("method", R(|r| CellValue::Text(r.method().name().into()))),
    column("fit_chi2", R(|r| CellValue::real(r.fit.map(|f| f.chi2)))),
    column("fit_dof", R(|r| CellValue::integer(r.fit.map(|f| f.degrees_of_freedom)))),
    column("fit_neighbors", R(|r| CellValue::integer(r.fit.map(|f| f.neighbors)))),
    column("fit_correlation", R(|r| CellValue::real(r.fit.map(|f| f.correlation)))),
    column("not_separable", R(|r| CellValue::Logical(r.fit.is_some_and(|f| f.not_separable)))),
    column("pixel_area", R(|r| CellValue::Real(r.pixel_area))),
    column("zodi_scale", E(|e| CellValue::real(e.zodi_scale))),
    column("zodi_scale_error", E(|e| CellValue::real(e.zodi_scale_error))),
    column("cutout_share", E(|e| CellValue::real(e.cutout.map(|held| held.share)))),
    column("release", E(|e| text(e.identity.release.map(DataRelease::name)))),
    column("version", E(|e| text(e.identity.version.as_deref()))),
    column("processing", E(|e| e.identity.processing.map_or(CellValue::Empty, |made| CellValue::Text(made.to_string().into())))),
    column("flux_correction", E(|e| CellValue::Text(e.flux_correction.name().into()))),
    column("wavelength_source", R(|r| CellValue::Text(r.wavelength_source.name().into()))),
    column("pixel_area_source", R(|r| CellValue::Text(r.pixel_area_source.name().into()))),
    column("fallbacks", ColumnSource::Both(|e, r| CellValue::Text(fallbacks(e, r).into()))),
];

/// Words separated by blanks, those of numbers with `=`.
pub fn fallbacks(info: &ExposureInfo, row: &MeasurementRow) -> String {
    let RowFallbacks {
        fixed_aperture,
        card_fwhm,
        annulus_growths,
        source_pixels,
        clipped_background,
        cut_background,
        repaired_variances,
        filled_pixels,
        psf_masked,
        shared_flux,
        clipped_pixels,
    } = row.fallbacks;
    let flag = |on: bool, word: &str| on.then(|| word.to_owned());
    let count = |n: usize, word: &str| (n > 0).then(|| format!("{word}={n}"));
    let words = [
        flag(fixed_aperture, "fixed_aperture"),
        flag(card_fwhm, "card_fwhm"),
        count(annulus_growths, "annulus_growths"),
        flag(source_pixels, "source_pixels"),
        flag(clipped_background, "clipped_background"),
        flag(cut_background, "cut_background"),
        count(repaired_variances, "repaired_variances"),
        count(filled_pixels, "filled_pixels"),
        flag(psf_masked, "psf_masked"),
        count(shared_flux, "shared_flux"),
        count(clipped_pixels, "clipped_pixels"),
        flag(info.zodi_not_fitted, "zodi_not_fitted"),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
