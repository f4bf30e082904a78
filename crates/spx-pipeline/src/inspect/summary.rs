//! What is said of a spectral image.

use std::path::Path;

use serde::Serialize;
use spx_core::detector::Detector;
use spx_core::elementary::{atan2, cos};
use spx_core::flags::FlagNames;
use spx_core::image::{Metadata, PixelPlanes, SpectralImage};
use spx_core::map::{Passband, WavelengthMap as _};
use spx_core::mef::MefFile;
use spx_core::sky::Position;
use spx_wcs::{CelestialWcs, WaveTable};

use super::hdus::{HduList, HduListing};
use crate::inputs::wave_table;
use crate::statistics::median;
use crate::zodi::ZodiSettings;
use crate::{PipelineError, ResultContext as _};

/// A spectral image in numbers.
#[derive(Debug, Serialize)]
pub struct ImageSummary {
    /// Its path.
    pub file: String,
    /// Observation id.
    pub observation: String,
    /// `D1` to `D6`.
    pub detector: String,
    /// `QR2` or `QR3`.
    pub release: Option<&'static str>,
    /// Of the pipeline.
    pub version: Option<String>,
    /// When it was taken.
    pub time: ImageTimes,
    /// `[ny, nx]`.
    pub shape: [usize; 2],
    /// 0-based pixel `[x, y]` of the detector's frame at which the image begins.
    pub parent_offset: [f64; 2],
    /// Whether it is all of the frame.
    pub full_frame: bool,
    /// Its sides at which the frame ends: left, right, bottom, top.
    pub frame_edges: Vec<&'static str>,
    /// Where it lies.
    pub sky: ImageSky,
    /// Centers of the passbands \[um\].
    pub wavelength: ValueExtent,
    /// Widths of the passbands \[um\].
    pub bandwidth: ValueExtent,
    /// Pixels of each flag.
    pub flags: Vec<FlagCount>,
    /// Pixels that have none of the flags.
    pub unflagged: usize,
    /// Pixels that are no finite numbers.
    pub not_finite: NotFiniteCounts,
    /// \[MJy/sr\]
    pub median_image: Option<f64>,
    /// \[MJy/sr\]
    pub median_zodi: Option<f64>,
    /// What the zodiacal light would be multiplied with.
    pub zodi_scale: ZodiScaleReport,
    /// Its HDUs.
    pub hdus: Vec<HduListing>,
}

/// MJD, UTC; exposure \[s\].
#[derive(Debug, Serialize)]
pub struct ImageTimes {
    /// First moment.
    pub begin: Option<f64>,
    /// Middle.
    pub average: Option<f64>,
    /// Last moment.
    pub end: Option<f64>,
    /// Duration \[s\].
    pub exposure: Option<f64>,
}

/// Where the image lies; \[deg\] where nothing else is said.
#[derive(Debug, Serialize)]
pub struct ImageSky {
    /// Right ascension and declination of the center.
    pub center: [f64; 2],
    /// Outer corners: lower left, lower right, upper right, upper left.
    pub footprint: [[f64; 2]; 4],
    /// At the center.
    pub pixel_area_arcsec2: f64,
    /// Square root of that.
    pub pixel_scale_arcsec: f64,
    /// From +y towards -x, at the center.
    pub north: Option<f64>,
    /// Likewise.
    pub east: Option<f64>,
    /// Whether there is distortion.
    pub sip: bool,
}

/// Least and greatest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ValueExtent {
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
}

impl ValueExtent {
    const EMPTY: Self = Self { min: f64::INFINITY, max: f64::NEG_INFINITY };

    fn add(&mut self, value: f64) {
        *self = Self { min: self.min.min(value), max: self.max.max(value) };
    }
}

/// How many pixels have a flag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FlagCount {
    /// From 0.
    pub bit: u32,
    /// `None` where a pixel has a bit that the file does not name.
    pub name: Option<String>,
    /// Number of pixels.
    pub pixels: usize,
}

/// Pixels that are not finite.
#[derive(Debug, Serialize)]
pub struct NotFiniteCounts {
    /// In IMAGE.
    pub image: usize,
    /// In VARIANCE.
    pub variance: usize,
    /// In ZODI.
    pub zodi: usize,
}

/// The scale of the zodiacal light.
#[derive(Debug, Serialize)]
pub struct ZodiScaleReport {
    /// The scale.
    pub scale: f64,
    /// Its statistical error, where it was fitted.
    pub error: Option<f64>,
    /// What is to be known of the fit.
    pub remark: Option<String>,
}

impl ImageSummary {
    /// Reads metadata and pixels; the planes come back for the next image.
    ///
    /// # Errors
    /// Where the file cannot be read as a spectral image; the message names the file and the HDU.
    pub(super) fn read(
        path: &Path,
        hdus: HduList,
        reuse: PixelPlanes,
    ) -> Result<(Self, PixelPlanes), PipelineError> {
        let file = MefFile::open(path)?;
        let rows = 0..file.metadata().shape[0];
        let image = file.read(rows, reuse)?;
        let SpectralImage { metadata, planes, .. } = image;
        let in_image = || format!("{}: HDU IMAGE", path.display());
        let celestial = CelestialWcs::from_header(&metadata.header).with_context(in_image)?;
        let zodi_scale = zodi_scale(&metadata, &planes, &celestial)?;
        let (wavelength, bandwidth) = wavelengths(&metadata)?;
        let parent_offset = metadata.parent_offset().with_context(in_image)?;
        let (flags, unflagged) = count_flags(&planes.flags, &metadata.flag_names);
        let mut scratch = Vec::new();
        let summary = Self {
            file: path.display().to_string(),
            observation: metadata.id.observation,
            detector: metadata.id.detector.to_string(),
            release: hdus.release,
            version: metadata.version,
            time: ImageTimes {
                begin: metadata.time.begin,
                average: metadata.time.average,
                end: metadata.time.end,
                exposure: metadata.time.exposure,
            },
            shape: metadata.shape,
            parent_offset,
            full_frame: metadata.shape == [Detector::NPIX; 2] && parent_offset == [0.0; 2],
            frame_edges: frame_edges(metadata.shape, parent_offset),
            sky: ImageSky::new(&celestial, metadata.shape),
            wavelength,
            bandwidth,
            flags,
            unflagged,
            not_finite: NotFiniteCounts {
                image: not_finite(&planes.image),
                variance: not_finite(&planes.variance),
                zodi: not_finite(&planes.zodi),
            },
            median_image: median_of(&planes.image, &mut scratch),
            median_zodi: median_of(&planes.zodi, &mut scratch),
            zodi_scale,
            hdus: hdus.list,
        };
        Ok((summary, planes))
    }

    /// Number of pixels.
    pub fn pixels(&self) -> usize {
        self.shape[0] * self.shape[1]
    }
}

/// The scale of the zodiacal light, with the default settings.
fn zodi_scale(
    metadata: &Metadata,
    planes: &PixelPlanes,
    celestial: &CelestialWcs,
) -> Result<ZodiScaleReport, PipelineError> {
    let wave = wave_map(metadata)?;
    let treatment = ZodiSettings::default().treatment()?;
    let found = treatment.fit(metadata, planes.from_pixel(0), celestial, &wave);
    let fit = found.map(|found| found.fit).ok_or_else(|| PipelineError::failed("no zodiacal scale"))?;
    Ok(ZodiScaleReport { scale: fit.scale, error: fit.scale_error, remark: fit.remark() })
}

impl ImageSky {
    fn new(wcs: &CelestialWcs, [ny, nx]: [usize; 2]) -> Self {
        let at = [(nx as f64 - 1.0) / 2.0, (ny as f64 - 1.0) / 2.0];
        let area = wcs.pixel_area(at[0], at[1]);
        let [north, east] = directions(wcs, at);
        Self {
            center: wcs.pixel_to_sky(at[0], at[1]),
            footprint: wcs.footprint([ny, nx]),
            pixel_area_arcsec2: area,
            pixel_scale_arcsec: area.sqrt(),
            north,
            east,
            sip: wcs.has_sip(),
        }
    }
}

/// The sides of an image at which the frame ends, too.
fn frame_edges([ny, nx]: [usize; 2], [x, y]: [f64; 2]) -> Vec<&'static str> {
    let end = Detector::NPIX as f64 - 0.5;
    let sides = [
        ("left", x < 0.5),
        ("right", x + nx as f64 > end),
        ("bottom", y < 0.5),
        ("top", y + ny as f64 > end),
    ];
    sides.into_iter().filter(|(_, ends)| *ends).map(|(side, _)| side).collect()
}

/// Directions of north and east at a pixel, from +y towards -x [deg], in (-180, 180]; `None` at a
/// pole.
fn directions(wcs: &CelestialWcs, at: [f64; 2]) -> [Option<f64>; 2] {
    // Half a pixel either way, through which the distortion is straight.
    const STEP: f64 = 3.0 / 3600.0;
    let [ra, dec] = wcs.pixel_to_sky(at[0], at[1]);
    let direction = |ra_step: f64, dec_step: f64| {
        let pixel = |sign: f64| {
            let ra = (ra + sign * ra_step).rem_euclid(360.0);
            wcs.sky_to_pixel(Position::new(ra, dec + sign * dec_step).ok()?)
        };
        let ([x1, y1], [x2, y2]) = (pixel(-1.0)?, pixel(1.0)?);
        Some(atan2(x1 - x2, y2 - y1).to_degrees())
    };
    let ra_step = STEP / cos(dec.to_radians());
    // So near a pole that the steps go around it, there are no directions to speak of.
    if ra_step > 1.0 { [None; 2] } else { [direction(0.0, STEP), direction(ra_step, 0.0)] }
}

fn wave_map(metadata: &Metadata) -> Result<WaveTable, PipelineError> {
    wave_table(metadata).with_context(|| format!("{}: HDU WCS-WAVE", metadata.path.display()))
}

/// Ranges of the passbands of all pixels.
fn wavelengths(metadata: &Metadata) -> Result<(ValueExtent, ValueExtent), PipelineError> {
    let map = wave_map(metadata)?;
    let [ny, nx] = metadata.shape;
    let mut row = vec![Passband { center: f64::NAN, width: f64::NAN }; nx];
    let (mut center, mut width) = (ValueExtent::EMPTY, ValueExtent::EMPTY);
    for y in 0..ny {
        map.passband_row(0.0, y as f64, &mut row);
        for band in &row {
            center.add(band.center);
            width.add(band.width);
        }
    }
    Ok((center, width))
}

/// Pixels of each flag that the file names, and of each other bit that occurs; and pixels without
/// any.
fn count_flags(flags: &[i32], names: &FlagNames) -> (Vec<FlagCount>, usize) {
    let mut counts = [0usize; 32];
    let mut unflagged = 0;
    for &pixel in flags {
        let mut bits = pixel.cast_unsigned();
        unflagged += usize::from(bits == 0);
        while bits != 0 {
            counts[bits.trailing_zeros() as usize] += 1;
            bits &= bits - 1;
        }
    }
    let named = names.by_bit();
    let mut out = Vec::new();
    for (bit, pixels) in (0..32).zip(counts) {
        let mut name = named.iter().filter(|(b, _)| *b == bit).map(|(_, name)| (*name).to_owned()).peekable();
        if name.peek().is_none() && pixels > 0 {
            out.push(FlagCount { bit, name: None, pixels });
        }
        out.extend(name.map(|name| FlagCount { bit, name: Some(name), pixels }));
    }
    (out, unflagged)
}

fn not_finite(plane: &[f32]) -> usize {
    plane.iter().filter(|v| !v.is_finite()).count()
}

fn median_of(plane: &[f32], scratch: &mut Vec<f32>) -> Option<f64> {
    scratch.clear();
    scratch.extend_from_slice(plane);
    median(scratch)
}

#[cfg(test)]
mod tests {
    use spx_core::header::Header;

    use spx_core::elementary::sin_cos;

    use super::*;

    #[test]
    fn flags_are_counted_by_name_and_nameless_ones_by_bit() {
        let names = FlagNames::from_header(&Header::parse("MP_HOT  = 10\n").unwrap());
        let (counts, unflagged) = count_flags(&[0, 1 << 10, (1 << 10) | 1, i32::MIN, 0], &names);
        let count = |bit: u32| counts.iter().find(|c| c.bit == bit).map(|c| (c.name.as_deref(), c.pixels));
        assert_eq!(unflagged, 2);
        assert_eq!(count(10), Some((Some("HOT"), 2)));
        assert_eq!(count(0), Some((Some("TRANSIENT"), 1)));
        assert_eq!(count(31), Some((None, 1)));
        assert_eq!(count(21), Some((Some("SOURCE"), 0)));
        assert_eq!(count(30), None);
    }

    /// An image turned by 30 degrees: y points 30 degrees east of north, so north lies 30 degrees
    /// clockwise of y.
    #[test]
    fn north_and_east_follow_the_rotation() {
        let (sin, cos) = sin_cos(30f64.to_radians());
        let mut header = Header::new();
        header.set("CTYPE1", "RA---TAN", "").set("CTYPE2", "DEC--TAN", "");
        header.set("CRPIX1", 50.0, "").set("CRPIX2", 50.0, "").set("CRVAL1", 0.0, "").set("CRVAL2", 60.0, "");
        let scale = 6.15 / 3600.0;
        for (card, value) in
            [("CD1_1", -scale * cos), ("CD1_2", scale * sin), ("CD2_1", scale * sin), ("CD2_2", scale * cos)]
        {
            header.set(card, value, "");
        }
        let wcs = CelestialWcs::from_header(&header).unwrap();
        let [north, east] = directions(&wcs, [49.0, 49.0]).map(Option::unwrap);
        assert!((north + 30.0).abs() < 1e-6, "{north}");
        assert!((east - 60.0).abs() < 1e-4, "{east}");
    }
}
