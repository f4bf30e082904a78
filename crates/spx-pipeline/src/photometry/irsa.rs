//! The columns of tables of IRSA's Spectrophotometry Tool, in its order, with its names, types and
//! units: a row for each image. Fluxes of the tool are those of a fitted model; ours are those of
//! the method that was asked for.
//!
//! The archive decides in which collection an image is, and so whether it is of a deep field: the
//! answer to the query says it ([`ArchiveIdentifiers`](crate::archive::ArchiveIdentifiers)).
//! Without one, identifier and collection are those of the survey of the whole sky and `deep_flg`
//! is empty, as is the number of the exposure where its header does not say it. Sources are points,
//! of radius 0 and axis ratio 1; their Sersic index is 0, which no profile has.

use spx_core::columns::{ColumnKind, TableColumn, measurement_column};
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;

use super::columns::{ColumnSource, MeasurementColumn};
use super::row::MeasurementRow;
use super::table::TableHead;
use crate::cell_table::CellValue;
use crate::frame::ExposureInfo;

/// Bit of `flags`: the aperture touches bad pixels.
const CONTAINS_BAD_PIXEL: i64 = 1 << 32;
/// Bit of `flags`: the fit of the PSF has failed.
const FIT_ERROR: i64 = 1 << 33;

use ColumnKind::{Integer, Real, Text};
use ColumnSource::{Exposure as E, Head as H, Row as R};

const fn column(
    name: &'static str,
    kind: ColumnKind,
    unit: &'static str,
    ucd: &'static str,
    description: &'static str,
    of: ColumnSource,
) -> MeasurementColumn {
    MeasurementColumn { column: TableColumn { name, kind, unit, ucd, description }, of }
}

/// A column that spx's own tables have, too.
const fn known(name: &'static str, ours: &str, of: ColumnSource) -> MeasurementColumn {
    MeasurementColumn { column: measurement_column(ours).named(name), of }
}

/// What all points have.
const ZERO: ColumnSource = R(|_| CellValue::Real(0.0));

/// All columns.
#[rustfmt::skip]
pub static IRSA_COLUMNS: [MeasurementColumn; 24] = [
    known("ra", "ra", R(|r| CellValue::Real(r.ra))),
    known("dec", "dec", R(|r| CellValue::Real(r.dec))),
    column("x_image", Real, "pix", "pos.cartesian.x;instr.det", "Column of the source on the detector, 0-based", ColumnSource::Both(|e, r| CellValue::Real(r.x + e.parent_offset[0]))),
    column("y_image", Real, "pix", "pos.cartesian.y;instr.det", "Row of the source on the detector, 0-based", ColumnSource::Both(|e, r| CellValue::Real(r.y + e.parent_offset[1]))),
    known("mjd", "mjd", E(|e| CellValue::Real(e.mjd))),
    column("flux_bkg", Real, "MJy/sr", "phot.flux.sb;em.IR;instr.background", "Local background", R(|r| CellValue::Real(r.background / UJY_PER_ARCSEC2_PER_MJY_PER_SR))),
    column("local_bkg_flg", Integer, "", "meta.code", "1 where a local background was subtracted", R(|r| CellValue::Integer(i64::from(r.background_pixels > 0)))),
    column("flags", Integer, "", "meta.code.qual", "Flags of the pixels of the source, bits as in FLAGS; bit 32: CONTAINS_BAD_PIXEL, bit 33: FIT_ERROR", R(|r| CellValue::Integer(flags(r)))),
    column("fit_ql", Real, "", "stat.fit.chi2", "Chi-square of the fitted or PSF-weighted flux over its degrees of freedom; empty where neither was asked for", R(|r| CellValue::real(r.fit.map_or_else(|| r.psf.and_then(|psf| psf.reduced_chi2()), |fit| fit.reduced_chi2())))),
    column("deep_flg", Integer, "", "meta.code", "1 where the image is of a deep field, 0 where it is not; empty where the archive has not been asked", H(deep_flag)),
    known("det_id", "detector", E(|e| CellValue::Integer(e.detector.into()))),
    column("lvf_id", Integer, "", "meta.id;obs", "Number of the exposure, card EXPIDN", E(|e| e.exposure_number.map_or(CellValue::Empty, CellValue::Integer))),
    column("obs_publisher_did", Text, "", "meta.ref.ivoid", "Identifier of the image in the archive", H(|head, e| text(did(head, e)))),
    known("lambda", "wavelength", R(|r| CellValue::Real(r.wavelength))),
    known("lambda_width", "bandwidth", R(|r| CellValue::Real(r.bandwidth))),
    known("flux", "flux", R(|r| CellValue::Real(r.flux))),
    known("flux_err", "flux_error", R(|r| CellValue::Real(r.flux_error))),
    column("flux_err_tractor", Real, "uJy", "stat.error;phot.flux.density;em.IR", "Error of the fitted or PSF-weighted flux, where one was asked for", R(|r| CellValue::real(r.fit.map(|_| r.flux_error).or(r.psf.map(|psf| psf.error))))),
    column("data_collection", Text, "", "meta.id", "Collection of the archive", H(|head, e| text(collection(head, e)))),
    column("shape_r", Real, "arcsec", "phys.angSize", "Effective radius; 0 for a point", ZERO),
    column("phi", Real, "deg", "pos.posAng", "Position angle; 0 for a point", ZERO),
    column("sersic", Real, "", "stat.param", "Sersic index; 0 for a point", ZERO),
    column("ab_ratio", Real, "", "phys.size.axisRatio", "Axis ratio; 1 for a point", R(|_| CellValue::Real(1.0))),
    column("source_id", Text, "", "meta.id;meta.main", "Name of the source", H(|head, _| CellValue::Text(head.name.clone().into()))),
];

fn flags(row: &MeasurementRow) -> i64 {
    let bad = row.bad_flags != 0 || row.masked_fraction.is_some_and(|share| share > 0.0);
    let mut flags = i64::from(row.flags);
    if bad {
        flags |= CONTAINS_BAD_PIXEL;
    }
    if row.fallbacks.psf_masked {
        flags |= FIT_ERROR;
    }
    flags
}

fn text(text: Option<String>) -> CellValue<'static> {
    text.map_or(CellValue::Empty, |text| CellValue::Text(text.into()))
}

/// The identifier that the archive gave, or one of the survey of the whole sky.
fn did(head: &TableHead, exposure: &ExposureInfo) -> Option<String> {
    let given = head.identifiers.of(exposure).and_then(|image| image.publisher_did.clone());
    given.or_else(|| {
        let ExposureInfo { obs_id, detector, .. } = exposure;
        Some(format!("ivo://irsa.ipac/{}?{obs_id}/D{detector}", wide(exposure)?))
    })
}

fn collection(head: &TableHead, exposure: &ExposureInfo) -> Option<String> {
    head.identifiers.of(exposure).map(|image| image.collection.clone()).or_else(|| wide(exposure))
}

/// The collection of the survey of the whole sky.
fn wide(exposure: &ExposureInfo) -> Option<String> {
    Some(format!("spherex_{}", exposure.identity.release?))
}

fn deep_flag(head: &TableHead, exposure: &ExposureInfo) -> CellValue<'static> {
    head.identifiers.of(exposure).map_or(CellValue::Empty, |image| CellValue::Integer(image.is_deep.into()))
}
