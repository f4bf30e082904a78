//! Reading Level-2 spectral images: multi-extension FITS files of Quick Releases 2 and 3, full
//! frames and cutouts, plain and gzipped, whole or only the rows that are needed.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::detector::Detector;
use crate::fits::{FitsError, FitsNumber, FitsReader, MappedImage};
use crate::flags::FlagNames;
use crate::flux::{FluxFactorError, FluxFactors, PlacedFactors};
use crate::header::{Header, HeaderError};
use crate::image::{
    ExposureId, Metadata, ObservationTime, PixelPlanes, PlaneViews, PsfData, PsfOrigin, PsfSamples,
    SpectralImage, WaveTableData,
};
use crate::pixels::Pixels;
use crate::time::TimeScale;

/// Why a file could not be read as a spectral image: the file, the HDU and the card or the shape.
#[derive(Debug, Error)]
#[error("{}: HDU {hdu}: {problem}", path.display())]
pub struct MefError {
    /// The file.
    pub path: PathBuf,
    /// The HDU by its name.
    pub hdu: &'static str,
    /// What is wrong there.
    #[source]
    pub problem: MefProblem,
}

/// What is wrong in an HDU.
#[derive(Debug, Error)]
pub enum MefProblem {
    /// It cannot be opened or read.
    #[error(transparent)]
    Fits(#[from] FitsError),
    /// A card is missing or wrong.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A plane that is not two-dimensional or not as large as IMAGE.
    #[error("the array has shape {found:?} (slowest axis first), expected {expected}")]
    Shape {
        /// The shape found, slowest axis first.
        found: Vec<usize>,
        /// What it should be.
        expected: String,
    },
    /// A unit other than the archive's.
    #[error("card BUNIT is `{found}`, expected `{expected}`")]
    Unit {
        /// What stands there.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Cards of FLAGS contradict each other.
    #[error("its cards contradict each other: {0}")]
    Flags(String),
    /// Flux corrections do not fit.
    #[error(transparent)]
    Factors(#[from] FluxFactorError),
    /// The look-up table is not one row of X, Y and VALUES that fit each other.
    #[error("{0}")]
    Table(String),
}

const IMAGE: &str = "IMAGE";
const FLAGS: &str = "FLAGS";
const VARIANCE: &str = "VARIANCE";
const ZODI: &str = "ZODI";
const WAVE: &str = "WCS-WAVE";
const PSF: &str = "PSF";
const EPSF: &str = "EPSF";

/// An open spectral image: its metadata are read, its pixels not yet.
pub struct MefFile {
    reader: FitsReader,
    /// Where it is.
    hdu: &'static str,
    /// `None` where the planes have to be converted: compressed, scaled, of other types.
    mapped: Option<MappedPlanes>,
    /// By what IMAGE and VARIANCE are corrected.
    factors: Option<PlacedFactors>,
    metadata: Metadata,
}

/// PixelPlanes that can be read where they stand in the file.
struct MappedPlanes {
    image: MappedImage<f32>,
    flags: MappedImage<i32>,
    variance: MappedImage<f32>,
    zodi: MappedImage<f32>,
}

/// Memory for reading, which goes from image to image: fresh memory costs more than reading does.
#[derive(Debug, Default)]
pub struct ReadBuffers {
    /// For the rows that are kept.
    pub image: PixelPlanes,
    /// For those that are only looked at.
    pub block: PixelPlanes,
}

impl MefFile {
    /// Opens a file and reads what is known of it: the cards of PRIMARY, IMAGE and FLAGS and the
    /// table WCS-WAVE. The shapes and units of all planes are checked here, before any pixel is
    /// read.
    ///
    /// # Errors
    /// [`MefError`] where the file is not FITS, an HDU or a card is missing, or shapes or units are
    /// wrong.
    pub fn open(path: &Path) -> Result<Self, MefError> {
        let at = |hdu| move |problem: MefProblem| MefError { path: path.to_owned(), hdu, problem };
        let mut reader = FitsReader::open(path).map_err(|e| at("PRIMARY")(e.into()))?;
        let primary = header_of(&mut reader, "PRIMARY").map_err(at("PRIMARY"))?;
        let header = header_of(&mut reader, IMAGE).map_err(at(IMAGE))?;
        let shape = image_shape(&mut reader).map_err(at(IMAGE))?;
        check_unit(&header, "MJy/sr", true).map_err(at(IMAGE))?;
        let image = reader.mapped_image().map_err(|e| at(IMAGE)(e.into()))?;
        let flags = header_of(&mut reader, FLAGS).map_err(at(FLAGS))?;
        check_shape(&mut reader, shape).map_err(at(FLAGS))?;
        let mapped_flags = reader.mapped_image().map_err(|e| at(FLAGS)(e.into()))?;
        let mut model = |hdu, unit| model_plane(&mut reader, hdu, unit, shape).map_err(at(hdu));
        let (variance, zodi) = (model(VARIANCE, "MJy2/sr2")?, model(ZODI, "MJy/sr")?);
        let mapped = match (image, mapped_flags, variance, zodi) {
            (Some(image), Some(flags), Some(variance), Some(zodi)) => {
                Some(MappedPlanes { image, flags, variance, zodi })
            }
            _ => None,
        };
        let wave_table = read_wave_table(&mut reader).map_err(at(WAVE))?;
        if let Some(contradiction) = FlagNames::contradictions(&flags).into_iter().next() {
            return Err(at(FLAGS)(MefProblem::Flags(contradiction)));
        }
        let metadata = Metadata {
            path: path.to_owned(),
            id: exposure_id(&header).map_err(at(IMAGE))?,
            time: observation_time(&primary, &header).map_err(|e| at(IMAGE)(e.into()))?,
            version: primary.optional_text("VERSION").ok().flatten().map(str::to_owned),
            shape,
            flag_names: FlagNames::from_header(&flags),
            header,
            wave_table,
        };
        Ok(Self { reader, hdu: WAVE, mapped, factors: None, metadata })
    }

    /// What is known of the image.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Multiplies IMAGE by these factors of its detector, and VARIANCE by their squares, whenever
    /// pixels are read.
    ///
    /// # Errors
    /// [`MefError`] where the image does not lie on the detector.
    pub fn correct(&mut self, factors: Arc<FluxFactors>) -> Result<(), MefError> {
        let at = |problem: MefProblem| self.error(IMAGE, problem);
        let offset = self.metadata.parent_offset().map_err(|e| at(e.into()))?;
        let placed = PlacedFactors::new(factors, offset, self.metadata.shape);
        self.factors = Some(placed.map_err(|e| at(e.into()))?);
        Ok(())
    }

    /// Reads the point spread functions, `None` where the file has neither PSF nor EPSF.
    ///
    /// # Errors
    /// [`MefError`] where the HDU is not of the form that it has in its release.
    pub fn read_psf(&mut self) -> Result<Option<PsfData>, MefError> {
        for (hdu, read) in [(PSF, read_psf_cube as fn(&mut FitsReader) -> _), (EPSF, read_psf_table)] {
            match self.at(hdu) {
                Err(FitsError::NoSuchHdu { .. }) => {}
                Err(error) => return Err(self.error(hdu, error.into())),
                Ok(reader) => return read(reader).map(Some).map_err(|problem| self.error(hdu, problem)),
            }
        }
        Ok(None)
    }

    fn error(&self, hdu: &'static str, problem: MefProblem) -> MefError {
        MefError { path: self.metadata.path.clone(), hdu, problem }
    }

    /// Reads the four planes of a range of rows into the memory of `reuse`, which may come from
    /// another image.
    ///
    /// # Errors
    /// [`MefError`] where the file ends early or a tile cannot be decompressed.
    ///
    /// # Panics
    /// Where `rows` reaches beyond the image.
    pub fn read(mut self, rows: Range<usize>, reuse: PixelPlanes) -> Result<SpectralImage, MefError> {
        let mut planes = reuse;
        self.read_block(rows.clone(), 0, &mut planes)?;
        Ok(SpectralImage { metadata: self.metadata, rows, planes })
    }

    /// All pixels of the image: where they stand in the file, if it holds them as plain numbers,
    /// else read into the memory of `reuse`.
    ///
    /// # Errors
    /// [`MefError`] where the file ends early or a tile cannot be decompressed.
    pub fn whole(self, reuse: PixelPlanes) -> Result<WholeImage, MefError> {
        if let Some(mapped) = self.mapped {
            let mut unused = reuse;
            let corrected = self.factors.is_some();
            if let Some(factors) = &self.factors {
                let (views, count) = (mapped.views(), self.metadata.shape[0] * self.metadata.shape[1]);
                views.image.copy_to(behind(&mut unused.image, 0, count));
                views.variance.copy_to(behind(&mut unused.variance, 0, count));
                factors.apply(0, &mut unused.image, &mut unused.variance);
            }
            let pixels = Whole::Mapped { mapped, corrected };
            return Ok(WholeImage { metadata: self.metadata, pixels, memory: unused });
        }
        let rows = 0..self.metadata.shape[0];
        let SpectralImage { metadata, planes, .. } = self.read(rows, reuse)?;
        Ok(WholeImage { metadata, pixels: Whole::Held, memory: planes })
    }

    /// Reads rows behind the first `keep` pixels of `planes`.
    fn read_block(
        &mut self,
        rows: Range<usize>,
        keep: usize,
        planes: &mut PixelPlanes,
    ) -> Result<(), MefError> {
        let [ny, nx] = self.metadata.shape;
        assert!(rows.start <= rows.end && rows.end <= ny, "rows {rows:?} of an image of {ny} rows");
        let (first, count, start) = (rows.start * nx, rows.len() * nx, rows.start);
        let (image, flags) = (behind(&mut planes.image, keep, count), behind(&mut planes.flags, keep, count));
        let (variance, zodi) =
            (behind(&mut planes.variance, keep, count), behind(&mut planes.zodi, keep, count));
        if let Some(mapped) = &self.mapped {
            let rows = mapped.views().slice(first..first + count);
            rows.image.copy_to(image);
            rows.flags.copy_to(flags);
            rows.variance.copy_to(variance);
            rows.zodi.copy_to(zodi);
            mapped.check(&self.metadata.path)?;
        } else {
            self.plane(IMAGE, first, image)?;
            self.plane(FLAGS, first, flags)?;
            self.plane(VARIANCE, first, variance)?;
            self.plane(ZODI, first, zodi)?;
        }
        if let Some(factors) = &self.factors {
            factors.apply(start, &mut planes.image[keep..], &mut planes.variance[keep..]);
        }
        Ok(())
    }

    /// The reader of the whole file, at an HDU.
    fn at(&mut self, hdu: &'static str) -> Result<&mut FitsReader, FitsError> {
        if self.hdu != hdu {
            self.reader.move_to(hdu)?;
            self.hdu = hdu;
        }
        Ok(&mut self.reader)
    }

    /// Reads pixels of a plane.
    fn plane<T: FitsNumber>(
        &mut self,
        hdu: &'static str,
        first: usize,
        out: &mut [T],
    ) -> Result<(), MefError> {
        let read = self.at(hdu).and_then(|reader| reader.read_pixels(first, out));
        read.map_err(|e| self.error(hdu, e.into()))
    }
}

impl MappedPlanes {
    /// Sees that all that was read was there.
    fn check(&self, path: &Path) -> Result<(), MefError> {
        let Self { image, flags, variance, zodi } = self;
        // All are parts of one file.
        if image.is_intact() && flags.is_intact() && variance.is_intact() && zodi.is_intact() {
            return Ok(());
        }
        let error = std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            "the file was shortened while it was read, or the disk failed",
        );
        Err(MefError { path: path.to_owned(), hdu: IMAGE, problem: FitsError::Io(error).into() })
    }

    fn views(&self) -> PlaneViews<'_> {
        let Self { image, flags, variance, zodi } = self;
        let (image, flags) = (image.pixels(), flags.pixels());
        PlaneViews { image, flags, variance: variance.pixels(), zodi: zodi.pixels() }
    }
}

/// A spectral image with all its pixels, in the file or in memory. May be looked at from several
/// threads.
pub struct WholeImage {
    metadata: Metadata,
    pixels: Whole,
    /// Pixels that do not stand in the file as they are wanted, or memory that is not needed.
    memory: PixelPlanes,
}

/// Where the pixels are.
enum Whole {
    /// In the file, but for IMAGE and VARIANCE where these are corrected.
    Mapped { mapped: MappedPlanes, corrected: bool },
    /// In memory.
    Held,
}

impl WholeImage {
    /// What is known of it.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its pixels.
    pub fn views(&self) -> PlaneViews<'_> {
        match &self.pixels {
            Whole::Mapped { mapped, corrected: false } => mapped.views(),
            Whole::Mapped { mapped, corrected: true } => PlaneViews {
                image: Pixels::Native(&self.memory.image),
                variance: Pixels::Native(&self.memory.variance),
                ..mapped.views()
            },
            Whole::Held => self.memory.from_pixel(0),
        }
    }

    /// Some of its rows in the memory of `reuse`, and memory that is not in them.
    ///
    /// # Errors
    /// As [`into_memory`](Self::into_memory).
    ///
    /// # Panics
    /// Where `rows` reaches beyond the image.
    pub fn into_rows(
        self,
        rows: Range<usize>,
        mut reuse: PixelPlanes,
    ) -> Result<(SpectralImage, PixelPlanes), MefError> {
        let nx = self.metadata.shape[1];
        let some = self.views().slice(rows.start * nx..rows.end * nx);
        let count = rows.len() * nx;
        some.image.copy_to(behind(&mut reuse.image, 0, count));
        some.flags.copy_to(behind(&mut reuse.flags, 0, count));
        some.variance.copy_to(behind(&mut reuse.variance, 0, count));
        some.zodi.copy_to(behind(&mut reuse.zodi, 0, count));
        let metadata = self.metadata.clone();
        Ok((SpectralImage { metadata, rows, planes: reuse }, self.into_memory()?))
    }

    /// The memory of the pixels, for the next image, once all was done with this one.
    ///
    /// # Errors
    /// Where the file was shortened while it was read, or the disk failed: pixels that were missing
    /// were NaN with all flags set, and what was made of them is not to be trusted.
    pub fn into_memory(self) -> Result<PixelPlanes, MefError> {
        match self.pixels {
            Whole::Mapped { mapped, .. } => mapped.check(&self.metadata.path).map(|()| self.memory),
            Whole::Held => Ok(self.memory),
        }
    }
}

/// Room for `count` pixels behind the first `keep`.
fn behind<T: FitsNumber>(plane: &mut Vec<T>, keep: usize, count: usize) -> &mut [T] {
    plane.resize(keep + count, T::default());
    &mut plane[keep..]
}

fn header_of(reader: &mut FitsReader, hdu: &str) -> Result<Header, MefProblem> {
    reader.move_to(hdu)?;
    Ok(reader.header()?)
}

/// Checks shape and unit of VARIANCE or ZODI.
fn model_plane(
    reader: &mut FitsReader,
    hdu: &'static str,
    unit: &'static str,
    shape: [usize; 2],
) -> Result<Option<MappedImage<f32>>, MefProblem> {
    let cards = header_of(reader, hdu)?;
    check_shape(reader, shape)?;
    check_unit(&cards, unit, false)?;
    Ok(reader.mapped_image()?)
}

fn image_shape(reader: &mut FitsReader) -> Result<[usize; 2], MefProblem> {
    let found = reader.image_shape()?;
    match found.as_slice() {
        &[ny, nx] if nx > 0 && ny > 0 => Ok([ny, nx]),
        _ => Err(MefProblem::Shape { found, expected: "an image of two axes".into() }),
    }
}

fn check_shape(reader: &mut FitsReader, [ny, nx]: [usize; 2]) -> Result<(), MefProblem> {
    let found = reader.image_shape()?;
    if found == [ny, nx] {
        return Ok(());
    }
    Err(MefProblem::Shape { found, expected: format!("[{ny}, {nx}] as in IMAGE") })
}

/// The archive writes `MJy / sr`; blanks, `**` and `^` make no difference, and a negative power is
/// what stands behind a slash (`MJy sr-1`, `MJy2.sr**-2`).
fn check_unit(header: &Header, expected: &'static str, required: bool) -> Result<(), MefProblem> {
    let found = match header.optional_text("BUNIT")? {
        Some(found) => found,
        None if required => return Err(HeaderError::Missing { keyword: "BUNIT".into() }.into()),
        None => return Ok(()),
    };
    let mut plain: String = found.chars().filter(|c| !" *^()".contains(*c)).collect();
    for (power, divided) in [("sr-1", "/sr"), ("sr-2", "/sr2")] {
        if let Some(rest) = plain.strip_suffix(power) {
            plain = rest.trim_end_matches('.').to_owned() + divided;
        }
    }
    let squared = expected == "MJy2/sr2" && plain == "MJy/sr2" && found.contains('(');
    if plain == expected || squared {
        return Ok(());
    }
    Err(MefProblem::Unit { found: found.to_owned(), expected })
}

fn exposure_id(header: &Header) -> Result<ExposureId, MefProblem> {
    let number = header.integer("DETECTOR")?;
    let detector = Detector::new(number).map_err(|e| HeaderError::Invalid {
        keyword: "DETECTOR".into(),
        value: number.to_string(),
        problem: e.to_string(),
    })?;
    Ok(ExposureId { observation: header.text("OBSID")?.to_owned(), detector })
}

/// Times in UTC; TIMESYS says what they are in the file.
fn observation_time(primary: &Header, header: &Header) -> Result<ObservationTime, HeaderError> {
    const SCALE: &str = "TIMESYS";
    let card = match header.optional_text(SCALE)? {
        Some(card) => Some(card),
        None => primary.optional_text(SCALE)?,
    };
    let scale = TimeScale::from_card(card.unwrap_or_default()).map_err(|e| HeaderError::Invalid {
        keyword: SCALE.into(),
        value: e.0.clone(),
        problem: e.to_string(),
    })?;
    let mjd = |keyword| Ok(header.optional_real(keyword)?.map(|mjd| scale.to_utc(mjd)));
    Ok(ObservationTime {
        begin: mjd("MJD-BEG")?,
        average: mjd("MJD-AVG")?,
        end: mjd("MJD-END")?,
        exposure: header.optional_real("XPOSURE")?,
        measurement: header.optional_real("TMEASURE")?,
    })
}

/// Reads the point spread functions of a calibration product `epsf`.
///
/// # Errors
/// [`MefError`] where the file is not FITS or has no table EPSF of square planes.
pub fn read_psf_product(path: &Path) -> Result<PsfData, MefError> {
    let read = || -> Result<PsfData, MefProblem> {
        let mut reader = FitsReader::open(path)?;
        reader.move_to(EPSF)?;
        read_psf_table(&mut reader)
    };
    read().map_err(|problem| MefError { path: path.to_owned(), hdu: EPSF, problem })
}

/// A cube of square planes.
fn read_psf_cube(reader: &mut FitsReader) -> Result<PsfData, MefProblem> {
    let found = reader.image_shape()?;
    let [zones, side] = match found.as_slice() {
        &[zones, ny, nx] if ny == nx && zones > 0 && nx > 0 => [zones, nx],
        _ => return Err(MefProblem::Shape { found, expected: "a cube of square planes".into() }),
    };
    let header = reader.header()?;
    let planes = match reader.mapped_image()? {
        Some(mapped) => PsfSamples::Mapped(mapped),
        None => {
            let mut planes = vec![0.0; zones * side * side];
            reader.read_pixels(0, &mut planes)?;
            PsfSamples::Held(planes)
        }
    };
    Ok(PsfData { planes, zones, side, origin: PsfOrigin::Cube(header) })
}

/// A row a zone, each with a square plane in the column EPSF.
fn read_psf_table(reader: &mut FitsReader) -> Result<PsfData, MefProblem> {
    let (zones, samples) = (reader.table_rows()?, reader.column_len(EPSF)?);
    let side = samples.isqrt();
    if zones == 0 || side == 0 || side * side != samples {
        let problem = format!("{zones} rows of {samples} samples are not square planes");
        return Err(MefProblem::Table(problem));
    }
    let mut planes = vec![0.0; zones * samples];
    reader.read_column(EPSF, 0, &mut planes)?;
    let planes = PsfSamples::Held(planes);
    let oversampling = reader.header()?.optional_real("OVSMPX")?;
    let columns = reader.columns()?;
    let has = |name: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    if !(has("XCENTER") && has("YCENTER")) {
        let origin = PsfOrigin::Table { centers: None, oversampling };
        return Ok(PsfData { planes, zones, side, origin });
    }
    let (mut x, mut y) = (vec![0.0; zones], vec![0.0; zones]);
    reader.read_column("XCENTER", 0, &mut x)?;
    reader.read_column("YCENTER", 0, &mut y)?;
    let centers = Some(x.into_iter().zip(y).map(|(x, y)| [x, y]).collect());
    Ok(PsfData { planes, zones, side, origin: PsfOrigin::Table { centers, oversampling } })
}

/// One row: X `(n)`, Y `(m)`, VALUES `(2, n, m)`, whatever FITS types hold them.
fn read_wave_table(reader: &mut FitsReader) -> Result<WaveTableData, MefProblem> {
    reader.move_to(WAVE)?;
    let rows = reader.table_rows()?;
    if rows != 1 {
        return Err(MefProblem::Table(format!("the table has {rows} rows, expected 1")));
    }
    let x: Vec<f64> = reader.read_cell("X", 0)?;
    let y: Vec<f64> = reader.read_cell("Y", 0)?;
    let values: Vec<f64> = reader.read_cell("VALUES", 0)?;
    if values.len() != 2 * x.len() * y.len() {
        return Err(MefProblem::Table(format!(
            "VALUES holds {} numbers, expected 2 x {} x {} to fit X and Y",
            values.len(),
            x.len(),
            y.len()
        )));
    }
    Ok(WaveTableData { x, y, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_however_they_are_written() {
        let check = |unit: &str, expected| {
            let mut header = Header::new();
            header.set("BUNIT", unit, "");
            check_unit(&header, expected, true)
        };
        for unit in ["MJy/sr", "MJy / sr", "MJy sr-1", "MJy.sr-1", "MJy sr**(-1)", "MJy*sr^-1"] {
            assert!(check(unit, "MJy/sr").is_ok(), "{unit}");
            assert!(check(unit, "MJy2/sr2").is_err(), "{unit}");
        }
        for unit in ["MJy2 / sr2", "(MJy/sr)**2", "MJy2 sr-2", "MJy^2.sr^-2"] {
            assert!(check(unit, "MJy2/sr2").is_ok(), "{unit}");
            assert!(check(unit, "MJy/sr").is_err(), "{unit}");
        }
        for unit in ["", "Jy/sr", "mJy sr-1", "MJy", "MJy sr", "MJy-1 sr-1"] {
            assert!(check(unit, "MJy/sr").is_err(), "{unit}");
        }
    }
}
