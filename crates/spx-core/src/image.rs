//! A Level-2 spectral image in memory, whatever file it came from.

use std::ops::Range;
use std::path::PathBuf;

use crate::detector::Detector;
use crate::flags::FlagNames;
use crate::header::Header;
use crate::pixels::Pixels;
use crate::release::ReleaseIdentity;

/// What is known of a spectral image before its pixels are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// The file it came from.
    pub path: PathBuf,
    /// Observation and detector: what makes it the one exposure that it is.
    pub id: ExposureId,
    /// When it was taken.
    pub time: ObservationTime,
    /// Pipeline version (card VERSION of the primary HDU), where the file has one.
    pub version: Option<String>,
    /// `[ny, nx]` of the whole image.
    pub shape: [usize; 2],
    /// Cards of the IMAGE HDU: celestial WCS, WCS `A` (parent pixels), WCS `W` (wavelength).
    pub header: Header,
    /// The names of the bits of the FLAGS plane.
    pub flag_names: FlagNames,
    /// The look-up table of WCS `W`.
    pub wave_table: WaveTableData,
}

impl Metadata {
    /// Release, version and processing, by header and path.
    pub fn release(&self) -> ReleaseIdentity {
        ReleaseIdentity::new(&self.path, self.version.as_deref())
    }

    /// 0-based parent pixel of pixel (0, 0), `[x, y]`: `1 - CRPIXiA`, where there is no WCS `A`
    /// that of WCS `W`, whose pixels are the same; 0 where there is neither.
    ///
    /// # Errors
    /// Where a card is there but is no number.
    pub fn parent_offset(&self) -> Result<[f64; 2], crate::header::HeaderError> {
        let place = |detector, wavelength| match self.header.optional_real(detector)? {
            Some(place) => Ok(1.0 - place),
            None => Ok(1.0 - self.header.optional_real(wavelength)?.unwrap_or(1.0)),
        };
        Ok([place("CRPIX1A", "CRPIX1W")?, place("CRPIX2A", "CRPIX2W")?])
    }
}

/// Observation id and detector; orders the inputs of every sum.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExposureId {
    /// Such as `2025W51_1A_0684_2`.
    pub observation: String,
    /// The detector.
    pub detector: Detector,
}

impl std::fmt::Display for ExposureId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.observation, self.detector)
    }
}

/// Times of an exposure; `None` where the header has no such card.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ObservationTime {
    /// Start \[MJD, UTC\].
    pub begin: Option<f64>,
    /// Midpoint \[MJD, UTC\].
    pub average: Option<f64>,
    /// End \[MJD, UTC\].
    pub end: Option<f64>,
    /// Exposure time XPOSURE \[s\].
    pub exposure: Option<f64>,
    /// Time in which charge was measured, TMEASURE \[s\].
    pub measurement: Option<f64>,
}

/// The table WCS-WAVE as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveTableData {
    /// 1-based parent columns of the control points.
    pub x: Vec<f64>,
    /// 1-based parent rows of the control points.
    pub y: Vec<f64>,
    /// Wavelength and bandwidth \[um\], `values[(j * x.len() + i) * 2 + k]` with `k` = 0 or 1.
    pub values: Vec<f64>,
}

/// The point spread functions of an image as they stand in the file, one a zone, row-major
/// `[zone][y][x]`.
#[derive(Debug)]
pub struct PsfData {
    /// The samples.
    pub planes: PsfSamples,
    /// How many zones there are.
    pub zones: usize,
    /// Samples along either side of a plane.
    pub side: usize,
    /// Where they come from.
    pub origin: PsfOrigin,
}

/// The samples of point spread functions.
#[derive(Debug)]
pub enum PsfSamples {
    /// In memory.
    Held(Vec<f32>),
    /// Where they stand in the file: a source needs four zones of more than a hundred.
    #[cfg(feature = "fits")]
    Mapped(crate::fits::MappedImage<f32>),
}

/// The HDU that holds the point spread functions.
#[derive(Debug, Clone, PartialEq)]
pub enum PsfOrigin {
    /// The cube PSF of Quick Release 2, with its cards.
    Cube(Header),
    /// The table EPSF of Quick Release 3.
    Table {
        /// Centers of the zones (columns XCENTER, YCENTER, pixels of the full frame), where it has
        /// them.
        centers: Option<Vec<[f64; 2]>>,
        /// Samples a pixel (card OVSMPX), where it says so.
        oversampling: Option<f64>,
    },
}

/// Pixels of consecutive rows, each plane row-major `[y][x]`. Kept apart from [`SpectralImage`] so
/// that its memory can be used for the next exposure.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PixelPlanes {
    /// Surface brightness with the zodiacal light still in it [MJy/sr]; NaN occurs.
    pub image: Vec<f32>,
    /// Bits as in the file's FLAGS; bit 31 is the sign.
    pub flags: Vec<i32>,
    /// Variance [(MJy/sr)^2]; NaN occurs.
    pub variance: Vec<f32>,
    /// Modeled zodiacal light [MJy/sr].
    pub zodi: Vec<f32>,
}

/// Consecutive pixels of the four planes, in memory or as they stand in the file.
#[derive(Debug, Clone, Copy)]
pub struct PlaneViews<'a> {
    /// Surface brightness \[MJy/sr\].
    pub image: Pixels<'a, f32>,
    /// Bits.
    pub flags: Pixels<'a, i32>,
    /// Variance \[(MJy/sr)^2\].
    pub variance: Pixels<'a, f32>,
    /// Modeled zodiacal light \[MJy/sr\].
    pub zodi: Pixels<'a, f32>,
}

impl PlaneViews<'_> {
    /// Some of the pixels.
    ///
    /// # Panics
    /// Where there are fewer.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        Self {
            image: self.image.slice(range.clone()),
            flags: self.flags.slice(range.clone()),
            variance: self.variance.slice(range.clone()),
            zodi: self.zodi.slice(range),
        }
    }
}

impl PixelPlanes {
    /// The pixels from number `first` on.
    ///
    /// # Panics
    /// Where there are fewer.
    pub fn from_pixel(&self, first: usize) -> PlaneViews<'_> {
        PlaneViews {
            image: Pixels::Native(&self.image[first..]),
            flags: Pixels::Native(&self.flags[first..]),
            variance: Pixels::Native(&self.variance[first..]),
            zodi: Pixels::Native(&self.zodi[first..]),
        }
    }
}

/// A spectral image: metadata and the pixels of all its rows, or of those that were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectralImage {
    /// What is known of it.
    pub metadata: Metadata,
    /// The rows that `planes` holds.
    pub rows: Range<usize>,
    /// The pixels of those rows.
    pub planes: PixelPlanes,
}
