//! Writing a cube: under a temporary name, plane by plane, with checksums.

use std::ops::Range;
use std::path::Path;

use spx_core::atomic::AtomicFile;
use spx_core::detector::Detector;
use spx_core::fits::{ColumnSpec, FitsWriter};
use spx_core::header::{CardValue, Header};
use spx_core::progress::Progress;
use spx_core::units::ARCSEC_PER_RADIAN;

use super::arrays::{CubeCompression, PLANE_DETECTOR, WAVELENGTH};
use super::error::{CubeFileError, CubeFileProblem};
use super::history::add_history;
use super::kept::{KeptFile, KeptTiles, at};
use super::plane_axis::PlaneAxis;
use super::plane_writer::PlaneWriter;

use crate::cube::{CubeData, OptionalPlane};
use crate::{Bin, DrizzleOptions, FillValue, ReachedTiles, Timing, WavelengthGrid};

/// What a cube file says beside its arrays.
#[derive(Debug, Clone, PartialEq)]
pub struct CubeInfo {
    /// The detector whose exposures went in; `None` for a mosaic of any.
    pub detector: Option<Detector>,
    /// Exposures of which at least one pixel contributed.
    pub inputs: usize,
    /// Exposures that were read and of which no pixel took part.
    pub rejected: usize,
    /// Exposures that could not be read.
    pub failed: usize,
    /// The options of the drizzle.
    pub options: DrizzleOptions,
    /// Oversampling of the output grid in x and y.
    pub xy_oversample: f64,
    /// Oversampling of the wavelength axis.
    pub z_oversample: f64,
    /// Native pixel scale that `xy_oversample` refers to \[arcsec\].
    pub base_pixel_scale: f64,
    /// Cards of the celestial WCS, two axes.
    pub celestial: Header,
    /// Adds the exact alternate WCS `T` and its table.
    pub exact_wavelength_wcs: bool,
    /// The point source, where the drizzle was asked for it.
    pub point_source: Option<PointSourcePlace>,
    /// How the arrays are packed.
    pub compression: CubeCompression,
    /// How pixels are weighted: `ivm` or another name.
    pub weighting: String,
    /// When the inputs were taken.
    pub timing: Timing,
    /// Further cards of the primary header: releases and calibration of the inputs.
    pub provenance: Header,
    /// Lines of provenance: inputs, their fate, the configuration.
    pub history: Vec<String>,
}

/// Where the point source of [`OutputPlanes::point_source`](crate::OutputPlanes) lies, and the part
/// of the cube that is written around it.
#[derive(Debug, Clone, PartialEq)]
pub struct PointSourcePlace {
    /// Right ascension and declination \[deg, ICRS\].
    pub position: [f64; 2],
    /// Pixel `[x, y]` of the cube, 0-based.
    pub pixel: [f64; 2],
    /// Columns of the part.
    pub columns: Range<usize>,
    /// Rows of the part.
    pub rows: Range<usize>,
}

impl PointSourcePlace {
    /// The cards of the part, by those of the cube.
    fn cards(&self, wcs: &Header) -> Header {
        let mut cards = wcs.clone();
        let first = [self.columns.start, self.rows.start].map(|first| first as f64);
        for (keyword, first) in [("CRPIX1", first[0]), ("CRPIX2", first[1])] {
            for keyword in [keyword.to_owned(), format!("{keyword}T")] {
                if let Ok(at) = wcs.real(&keyword) {
                    cards.set(&keyword, at - first, "");
                }
            }
        }
        cards
            .set(SOURCE_CARDS[0], self.position[0], "[deg] right ascension of the point source")
            .set(SOURCE_CARDS[1], self.position[1], "[deg] declination of the point source")
            .set(SOURCE_CARDS[2], self.pixel[0] - first[0] + 1.0, "[pixel] of the point source, from 1")
            .set(SOURCE_CARDS[3], self.pixel[1] - first[1] + 1.0, "[pixel] of the point source, from 1");
        cards
    }
}

/// Cards of the HDU [`POINT_SOURCE`].
pub(super) const SOURCE_CARDS: [&str; 4] = ["PSF_RA", "PSF_DEC", "PSF_X", "PSF_Y"];

/// The HDU of the point source.
pub(super) const POINT_SOURCE: &str = "PSF";

/// A column of a table of planes, of type f64: name, unit, value.
pub(super) type WavelengthColumn = (&'static str, &'static str, fn(Bin) -> f64);

const WAVELENGTH_COLUMNS: [WavelengthColumn; 7] = [
    ("LAMBDA", "um", Bin::center),
    ("LAMBDA_MIN", "um", |b| b.min),
    ("LAMBDA_MAX", "um", |b| b.max),
    ("DLAMBDA", "um", Bin::width),
    ("NU", "Hz", Bin::frequency),
    ("DNU", "Hz", Bin::frequency_width),
    ("R_EFF", "", Bin::resolving_power),
];

/// Writes a cube under a temporary name, flushes it and gives it its name. `progress` is asked
/// between planes whether to stop, and advances by [`steps`].
///
/// # Errors
/// [`CubeFileProblem::Exists`] where the file is there and `overwrite` is false,
/// [`CubeFileProblem::OnlyMean`] where not all arrays were kept; whatever the disk refuses. In any
/// case nothing half-written is left.
pub fn write(
    path: &Path,
    cube: &dyn CubeData,
    info: &CubeInfo,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<(), CubeFileError> {
    write_or_copy(path, cube, info, None, (overwrite, progress))
}

/// As [`write()`] over the file that is there, but copies from it all but these tiles, which are
/// those that exposures have reached that were added since.
///
/// # Errors
/// As [`write()`].
pub fn rewrite(
    path: &Path,
    cube: &dyn CubeData,
    info: &CubeInfo,
    (file, tiles): (&mut KeptFile, &ReachedTiles),
    progress: &dyn Progress,
) -> Result<(), CubeFileError> {
    write_or_copy(path, cube, info, Some(KeptTiles { reader: &mut file.reader, tiles }), (true, progress))
}

fn write_or_copy(
    path: &Path,
    cube: &dyn CubeData,
    info: &CubeInfo,
    kept: Option<KeptTiles<'_>>,
    (overwrite, progress): (bool, &dyn Progress),
) -> Result<(), CubeFileError> {
    let attempt = move || -> Result<(), CubeFileProblem> {
        if cube.planes().is_some_and(|planes| planes.only_mean) {
            return Err(CubeFileProblem::OnlyMean);
        }
        let file = AtomicFile::new(path, overwrite)?;
        let mut fits = FitsWriter::create(file.path())?;
        write_hdus(&mut fits, cube, info, kept, progress)?;
        fits.finish()?;
        Ok(file.commit()?)
    };
    at(path, attempt())
}

fn write_hdus(
    fits: &mut FitsWriter,
    cube: &dyn CubeData,
    info: &CubeInfo,
    kept: Option<KeptTiles<'_>>,
    progress: &dyn Progress,
) -> Result<(), CubeFileProblem> {
    fits.image::<u8>(&[], &primary_cards(cube, info))?;
    fits.checksum()?;
    let (wcs, z_shrink) = (wcs_cards(cube.wavelengths(), info), info.options.effective_z_shrink());
    let (shape, compression) = (cube.shape(), info.compression);
    let mut out = PlaneWriter { fits, shape, flat: false, wcs, compression, progress, kept };
    let fill = info.options.fill;
    out.measured("SCI", "MJy/sr", cube, |z, plane: &mut [f32]| fill_science(cube, fill, z, plane))?;
    out.measured("VARIANCE", "MJy2/sr2", cube, |z, plane: &mut [f32]| cube.variance(z, plane))?;
    out.image("AND_MASK", "", |z, plane: &mut [u32]| cube.and_mask(z, plane))?;
    out.image("OR_MASK", "", |z, plane: &mut [u32]| cube.or_mask(z, plane))?;
    out.image("COUNT", "", |z, plane: &mut [u16]| cube.count(z, plane))?;
    let axis = PlaneAxis::of_grid(cube.wavelengths(), info.detector);
    let resolution = data_resolution(&axis, z_shrink);
    write_wavelengths(out.fits, &axis, cube.inputs_per_plane(), resolution.as_deref())?;
    if info.exact_wavelength_wcs {
        write_exact_table(out.fits, &axis)?;
    }
    write_optional(&mut out, cube)?;
    write_observation(out, cube, info)
}

/// The steps of progress that writing a cube takes: one for each plane of each array.
pub fn steps(cube: &dyn CubeData) -> u64 {
    let optional = cube.planes().map_or(0, |planes| {
        let single = [
            planes.weight,
            planes.wavelength,
            planes.error.is_some(),
            planes.coverage,
            planes.coverage,
            planes.point_source,
        ];
        let words = if planes.context { cube.context_words() } else { 0 };
        single.into_iter().filter(|p| *p).count() + planes.variances.len() + words
    });
    (cube.shape()[0] * (5 + optional)) as u64
}

/// The flux; in a new file there is nothing to be kept.
pub(super) fn fill_science(cube: &dyn CubeData, fill: FillValue, z: usize, plane: &mut [f32]) {
    if fill == FillValue::Keep {
        plane.fill(f32::NAN);
    }
    cube.science(z, plane);
}

/// Errors, named variances, weights, mean wavelengths and context, where the cube has them.
pub(super) fn write_optional(out: &mut PlaneWriter<'_>, cube: &dyn CubeData) -> Result<(), CubeFileProblem> {
    let Some(planes) = cube.planes() else { return Ok(()) };
    if planes.error.is_some() {
        out.optional("ERR", "MJy/sr", cube, OptionalPlane::Error)?;
    }
    for (k, name) in planes.variances.iter().enumerate() {
        out.optional(name, "MJy2/sr2", cube, OptionalPlane::NamedVariance(k))?;
    }
    if planes.weight {
        out.optional("WHT", "", cube, OptionalPlane::Weight)?;
    }
    if planes.wavelength {
        out.optional("MEANWAVE", "um", cube, OptionalPlane::Wavelength)?;
    }
    if planes.context && cube.context_words() > 0 {
        out.context(cube)?;
    }
    Ok(())
}

/// What an observer checks: coverage, and what becomes of a point source.
pub(super) fn write_observation(
    mut out: PlaneWriter<'_>,
    cube: &dyn CubeData,
    info: &CubeInfo,
) -> Result<(), CubeFileProblem> {
    let Some(planes) = cube.planes() else { return Ok(()) };
    if planes.coverage {
        out.image("NEXP", "", |z, plane: &mut [u16]| cube.exposures(z, plane))?;
        out.optional("EXPTIME", "s", cube, OptionalPlane::ExposureTime)?;
    }
    let Some(place) = info.point_source.as_ref().filter(|_| planes.point_source) else { return Ok(()) };
    let [nz, ny, nx] = out.shape;
    let wcs = place.cards(&out.wcs);
    let mut out = PlaneWriter { shape: [nz, place.rows.len(), place.columns.len()], wcs, ..out };
    out.image(POINT_SOURCE, "", |z, part: &mut [f32]| {
        let mut plane = vec![0.0; ny * nx];
        cube.optional(OptionalPlane::PointSource, z, &mut plane);
        let rows = plane.chunks_exact(nx).skip(place.rows.start);
        let rows = rows.zip(part.chunks_exact_mut(place.columns.len()));
        rows.for_each(|(from, to)| to.copy_from_slice(&from[place.columns.clone()]));
    })
}

pub(super) fn primary_cards(cube: &dyn CubeData, info: &CubeInfo) -> Header {
    let [nz, ny, nx] = cube.shape();
    let (axis, options) = (cube.wavelengths(), &info.options);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let scale = info.base_pixel_scale / info.xy_oversample;
    let mut h = Header::new();
    h.set("TELESCOP", "SPHEREx", "")
        .set("INSTRUME", "SPHEREx", "")
        .set("FILETYPE", "DRIZZLED_CUBE", "")
        .set("ORIGIN", "spx", "")
        .set("DRIZVER", env!("CARGO_PKG_VERSION"), "version of spx");
    if let Some(detector) = info.detector {
        h.set("DETECTOR", i64::from(detector.number()), "detector number (1-6)").set(
            "BAND_NM",
            detector.to_string(),
            "band name",
        );
    }
    h.set("N_INPUTS", count(info.inputs), "input images that contributed")
        .set("N_REJECT", count(info.rejected), "input images of which no pixel took part")
        .set("N_FAILED", count(info.failed), "input images that could not be read")
        .set(
            "N_SATUR",
            count(usize::try_from(cube.saturated()).unwrap_or(usize::MAX)),
            "voxels whose COUNT is cut at 65535",
        )
        .set("KERNEL", options.kernel.to_string(), "spatial kernel")
        .set("XYSHRINK", options.xy_shrink, "droplet size in input pixels")
        .set("ZSHRINK", options.effective_z_shrink(), "droplet width in bandwidths")
        .set("XYOVRSM", info.xy_oversample, "oversampling in x and y")
        .set("ZOVRSM", info.z_oversample, "oversampling in wavelength")
        .set("IVARMAX", options.ivar_max, "upper limit of a pixel's 1/variance")
        .set("MINOVER", options.min_overlap, "least share of a contribution")
        .set("WEIGHTS", info.weighting.clone(), "weights of the pixels")
        .set(
            "NOISE_R",
            options.noise_factor(1.0 / info.xy_oversample),
            "noise of large areas over that of VARIANCE",
        )
        .set("FILLVAL", options.fill.to_string(), "SCI where there are no data")
        .set("PIXSCALE", info.base_pixel_scale, "[arcsec] native pixel scale")
        .set("EPIXSCLE", scale, "[arcsec] pixel scale of this cube")
        .set("PIXAR_SR", (scale / ARCSEC_PER_RADIAN).powi(2), "[sr] pixel area at the centre")
        .set("BUNIT", "MJy/sr", "unit of SCI")
        .set("LAM_MIN", axis.lower(), "[um] first edge")
        .set("LAM_MAX", axis.upper(), "[um] last edge")
        .set("NX", count(nx), "columns")
        .set("NY", count(ny), "rows")
        .set("NZ", count(nz), "planes");
    h.extend(&info.provenance);
    info.compression.set(&mut h);
    set_timing(&mut h, &info.timing);
    add_history(&mut h, &info.history);
    h
}

/// What the inputs' times add up to; a line of history for each pointing.
fn set_timing(h: &mut Header, timing: &Timing) {
    h.set("POINTNGS", i64::try_from(timing.groups().len()).unwrap_or(i64::MAX), "pointings")
        .set("EXPTIME", timing.exposure(), "[s] exposure time, each pointing once")
        .set("MEASTIME", timing.measurement(), "[s] measurement time, else exposure time");
    if let Some(begin) = timing.begin() {
        h.set("MJD-BEG", begin, "[d] start of the first pointing");
    }
    if let Some(end) = timing.end() {
        h.set("MJD-END", end, "[d] end of the last pointing");
    }
    for group in timing.groups() {
        h.note("HISTORY", &format!("group {}", group.id));
    }
}

/// The celestial axes of `info`, the logarithmic axis of wavelength, and the exact alternate where
/// asked for.
fn wcs_cards(axis: &WavelengthGrid, info: &CubeInfo) -> Header {
    let mut h = log_axis_cards(axis, &info.celestial);
    if info.exact_wavelength_wcs {
        add_exact_axis(&mut h, &info.celestial, "T");
    }
    h
}

/// Cards of celestial axes and of the logarithmic axis of wavelength.
pub(super) fn log_axis_cards(axis: &WavelengthGrid, celestial: &Header) -> Header {
    let log = axis.log_axis();
    let mut h = celestial.clone();
    h.set("WCSAXES", 3, "")
        .set("CTYPE3", "WAVE-LOG", "approximate; exact centres in HDU WAVELENGTH")
        .set("CUNIT3", "um", "")
        .set("CRPIX3", log.reference_pixel, "")
        .set("CRVAL3", log.value, "")
        .set("CDELT3", log.increment, "")
        .set("DISPAXIS", 3, "spectral axis, for specutils");
    h
}

/// Adds an alternate WCS of this letter: the celestial axes of another header, and the third axis
/// by its table (Greisen et al. 2006, section 6).
pub(super) fn add_exact_axis(header: &mut Header, celestial: &Header, letter: &str) {
    let mut set = |keyword: &str, value: CardValue| {
        header.set(&format!("{keyword}{letter}"), value, "");
    };
    set("WCSAXES", 3.into());
    set("WCSNAME", "exact wavelengths of the bin centres".into());
    let of_an_axis = |keyword: &str| keyword.ends_with(['1', '2']) && !keyword.starts_with("NAXIS");
    for card in celestial.cards().iter().filter(|card| of_an_axis(&card.keyword)) {
        if let Some(value) = card.value.clone() {
            set(&card.keyword, value);
        }
    }
    set("CTYPE3", "WAVE-TAB".into());
    set("CUNIT3", "um".into());
    for keyword in ["CRPIX3", "CRVAL3", "CDELT3"] {
        set(keyword, 1.0.into());
    }
    set("PS3_0", WAVE_TABLE.into());
    set("PS3_1", "COORDS".into());
    for keyword in ["PV3_1", "PV3_2", "PV3_3"] {
        set(keyword, 1.into());
    }
    for keyword in ["LONPOLE", "LATPOLE", "RADESYS"] {
        if let Some(value) = celestial.get(keyword).cloned() {
            set(keyword, value);
        }
    }
}

/// The table of an exact axis of wavelength.
pub(super) const WAVE_TABLE: &str = "WCS-WAVE";

/// R_DATA, the resolving power that the data have, where the detectors of all planes are known.
pub(super) fn data_resolution(axis: &PlaneAxis, z_shrink: f64) -> Option<Vec<f64>> {
    let planes = axis.iter().zip(axis.plane_detectors());
    planes.map(|(bin, detector)| Some(bin.detector_resolving_power(detector?, z_shrink))).collect()
}

/// Writes the table of planes; where these are of several detectors, with the detector of each and
/// its number among the planes of that detector, from 1.
pub(super) fn write_wavelengths(
    fits: &mut FitsWriter,
    axis: &PlaneAxis,
    inputs_per_plane: &[u32],
    data_resolution: Option<&[f64]>,
) -> Result<(), CubeFileProblem> {
    let bins: Vec<Bin> = axis.iter().collect();
    let several = axis.detectors().len() > 1;
    let column = |name, format, unit| ColumnSpec { name, format, unit, dim: None };
    let mut columns = vec![column("INDEX", "1J", "")];
    columns.extend(WAVELENGTH_COLUMNS.iter().map(|&(name, unit, _)| column(name, "1D", unit)));
    columns.push(column("N_INPUT_SC", "1J", ""));
    columns.extend(data_resolution.map(|_| column("R_DATA", "1D", "")));
    if several {
        columns.extend([column(PLANE_DETECTOR, "1J", ""), column("SUBCHANNEL", "1J", "")]);
    }
    fits.table(WAVELENGTH, bins.len(), &columns, &Header::new())?;
    // At most 100,000 bins, by the making of a grid.
    let index: Vec<i64> = (0..).take(bins.len()).collect();
    fits.write_column("INDEX", 0, &index)?;
    for (name, _, value) in WAVELENGTH_COLUMNS {
        let values: Vec<f64> = bins.iter().map(|&b| value(b)).collect();
        fits.write_column(name, 0, &values)?;
    }
    if let Some(values) = data_resolution {
        fits.write_column("R_DATA", 0, values)?;
    }
    fits.write_column("N_INPUT_SC", 0, inputs_per_plane)?;
    if several {
        let (detectors, numbers) = numbered(axis);
        fits.write_column(PLANE_DETECTOR, 0, &detectors)?;
        fits.write_column("SUBCHANNEL", 0, &numbers)?;
    }
    Ok(fits.checksum()?)
}

/// The number of each plane's detector, 0 where it is not known, and of the plane among those of
/// that detector, from 1.
pub(super) fn numbered(axis: &PlaneAxis) -> (Vec<i64>, Vec<i64>) {
    let number = |detector: Option<Detector>| detector.map_or(0, |d| i64::from(d.number()));
    let detectors: Vec<i64> = axis.plane_detectors().map(number).collect();
    let before = |z: usize| detectors[..z].iter().filter(|other| **other == detectors[z]).count();
    let numbers = (0..detectors.len()).map(|z| i64::try_from(before(z) + 1).unwrap_or(i64::MAX)).collect();
    (detectors, numbers)
}

/// One row, COORDS (1, K), as -TAB wants it (Greisen et al. 2006, section 6.1).
pub(super) fn write_exact_table(fits: &mut FitsWriter, axis: &PlaneAxis) -> Result<(), CubeFileProblem> {
    let centers: Vec<f64> = axis.iter().map(Bin::center).collect();
    let (format, dim) = (format!("{}D", centers.len()), format!("(1,{})", centers.len()));
    let coords = ColumnSpec { name: "COORDS", format: &format, unit: "um", dim: Some(&dim) };
    let mut cards = Header::new();
    cards.set("EXTVER", 1, "").set("EXTLEVEL", 1, "");
    fits.table(WAVE_TABLE, 1, &[coords], &cards)?;
    fits.write_column("COORDS", 0, &centers)?;
    Ok(fits.checksum()?)
}
