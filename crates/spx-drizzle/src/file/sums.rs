//! The file of an accumulator: the sums themselves, from which a drizzle goes on as if it had never
//! stopped.
//!
//! | HDU | name | content |
//! |---|---|---|
//! | 0 | PRIMARY | version, grid and options |
//! | 1 | COUNT | u32, number of contributions |
//! | 2, 3 | CLEARED, SET | u32, flags that some contribution had not, and had |
//! | 4 | SUM_FLUX | f64, sum of weight times flux |
//! | 5 | SUM_WHT | f64, sum of the weights |
//! | 6 | SUM_VAR | f64, sum of squared weight times variance |
//! | | SUM_OPT | f64, `[sum][z][y][x]`, where optional planes need sums of their own |
//! | | CON | u32, `[word][z][y][x]`, where the context is kept |
//! | | WAVELENGTH | the wavelengths, as in a cube |
//! | | EXPOSURES | one row an exposure, in the order in which they came, and what became of it |
//! | | COMPARED | where exposures were compared with each other: where their files are, and more |
//! | | SETTINGS | lines `key = value` of the caller: what else shapes the sums |
//!
//! Where nothing but the mean is kept, COUNT, CLEARED, SET and SUM_VAR are missing. Arrays are
//! `[z][y][x]`. Every HDU has its checksum, and none is believed whose checksum is wrong. The file
//! appears under its name only when it is complete.

use std::path::{Path, PathBuf};

use spx_core::atomic::AtomicFile;
use spx_core::fits::{ColumnSpec, FitsNumber, FitsReader, FitsWriter};
use spx_core::header::{CardValue, Header};
use spx_core::progress::{Progress, Silent};

use super::arrays::{CubeCompression, WAVELENGTH};
use super::checked::{checked, text_format, verify};
use super::error::{CubeFileError, CubeFileProblem};
use super::exposure_table::{EXPOSURES, read_entries, write_entries};
use super::kept::{KeptTiles, at, is_kept};
use super::plane_axis::PlaneAxis;
use super::plane_writer::PlaneWriter;
use super::reader::read_wavelengths;
use super::writer::write_wavelengths;

use crate::{
    AccumulatedExposure, Accumulator, BitSum, CubeData, DrizzlePlan, Drizzler, ErrorMethod, KeptSums,
    ReachedTiles, RealSum, VarianceMethod, WavelengthGrid,
};

/// The form of the file. Earlier ones are read, too: the settings of version 1 name the weights
/// only where they were not those of its time, and before version 3 exposures had the wavelengths
/// of their files, and nothing told their releases.
const VERSION: i64 = 3;
const FILETYPE: &str = "DRIZZLE_SUMS";
const SETTINGS: &str = "SETTINGS";

const BIT_SUMS: [BitSum; 3] = [BitSum::Count, BitSum::Cleared, BitSum::Set];
const REAL_SUMS: [RealSum; 3] = [RealSum::Flux, RealSum::Weight, RealSum::Variance];

/// The HDU of a sum, and which of its cubes it is.
fn bit_place(sum: BitSum) -> (&'static str, usize) {
    match sum {
        BitSum::Count => ("COUNT", 0),
        BitSum::Cleared => ("CLEARED", 0),
        BitSum::Set => ("SET", 0),
        BitSum::Context(word) => ("CON", word),
    }
}

/// The HDU of a sum, and which of its cubes it is.
fn real_place(sum: RealSum) -> (&'static str, usize) {
    match sum {
        RealSum::Flux => ("SUM_FLUX", 0),
        RealSum::Weight => ("SUM_WHT", 0),
        RealSum::Variance => ("SUM_VAR", 0),
        RealSum::Optional(k) => ("SUM_OPT", k),
    }
}

/// Writes an accumulator under a temporary name, flushes it and gives it its name. `settings` are
/// lines `key = value` that an addition must share, `celestial` cards of the celestial WCS. Packed
/// sums keep every bit, whatever the compression. `progress` advances by [`sums_steps`].
///
/// # Errors
/// [`CubeFileProblem::Exists`] where the file is there and `overwrite` is false; whatever the disk
/// refuses. In any case a file that was there is still whole.
pub fn write_sums(
    path: &Path,
    accumulator: &Accumulator,
    settings: &[String],
    (celestial, compression): (&Header, CubeCompression),
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<(), CubeFileError> {
    write_or_copy(path, accumulator, settings, ((celestial, compression), None), (overwrite, progress))
}

/// As [`write_sums`] over the file that is there, but copies from it what exposures that were added
/// to [partial](SumsFile::partial) sums did not reach.
///
/// # Errors
/// As [`write_sums`].
pub fn rewrite_sums(
    file: &mut SumsFile,
    accumulator: &Accumulator,
    settings: &[String],
    form: (&Header, CubeCompression),
    progress: &dyn Progress,
) -> Result<(), CubeFileError> {
    let SumsFile { path, reader, .. } = file;
    let kept = accumulator.drizzler.part().map(|tiles| KeptTiles { reader, tiles });
    write_or_copy(path, accumulator, settings, (form, kept), (true, progress))
}

/// Cards of the WCS and compression, and what is copied.
type SumsForm<'a> = ((&'a Header, CubeCompression), Option<KeptTiles<'a>>);

fn write_or_copy(
    path: &Path,
    accumulator: &Accumulator,
    settings: &[String],
    form: SumsForm<'_>,
    (overwrite, progress): (bool, &dyn Progress),
) -> Result<(), CubeFileError> {
    let attempt = move || -> Result<(), CubeFileProblem> {
        let file = AtomicFile::new(path, overwrite)?;
        let mut fits = FitsWriter::create(file.path())?;
        write_hdus(&mut fits, &accumulator.drizzler, form, progress)?;
        write_entries(&mut fits, accumulator.entries())?;
        write_settings(&mut fits, settings)?;
        fits.finish()?;
        Ok(file.commit()?)
    };
    at(path, attempt())
}

/// The steps of progress that writing these sums takes: one for each plane of each.
pub fn sums_steps(drizzler: &Drizzler) -> u64 {
    steps(drizzler.plan(), drizzler.exposures())
}

fn steps(plan: &DrizzlePlan, exposures: u32) -> u64 {
    let bits = BIT_SUMS.into_iter().filter(|sum| plan.keeps_bits(*sum)).count();
    let reals = REAL_SUMS.into_iter().filter(|sum| plan.keeps_real(*sum)).count();
    let sums = bits + reals + plan.optional_sums() + plan.context_words(exposures);
    (plan.cube_shape()[0] * sums) as u64
}

fn write_hdus(
    fits: &mut FitsWriter,
    drizzler: &Drizzler,
    ((celestial, compression), kept): SumsForm<'_>,
    progress: &dyn Progress,
) -> Result<(), CubeFileProblem> {
    let plan = drizzler.plan();
    let mut primary = Header::new();
    primary
        .set("FILETYPE", FILETYPE, "running sums of a drizzle")
        .set("SUMSVER", VERSION, "version of this form of file")
        .set("ORIGIN", "spx", "")
        .set("DRIZVER", env!("CARGO_PKG_VERSION"), "version of spx")
        .set("EXPOSURS", drizzler.exposures(), "exposures of which some pixel reached the output");
    primary.extend(&plan_cards(plan));
    fits.image::<u8>(&[], &primary)?;
    fits.checksum()?;
    let shape = plan.cube_shape();
    let nz = shape[0];
    let wcs = celestial.clone();
    let mut out = PlaneWriter { fits, shape, flat: false, wcs, compression, progress, kept };
    for sum in BIT_SUMS.into_iter().filter(|sum| plan.keeps_bits(*sum)) {
        out.image(bit_place(sum).0, "", |z, plane: &mut [u32]| drizzler.bit_sum(sum, z, plane))?;
    }
    for sum in REAL_SUMS.into_iter().filter(|sum| plan.keeps_real(*sum)) {
        out.image(real_place(sum).0, "", |z, plane: &mut [f64]| drizzler.real_sum(sum, z, plane))?;
    }
    let optional = plan.optional_sums();
    if optional > 0 {
        out.planes(real_place(RealSum::Optional(0)).0, "", &[optional], |k, plane: &mut [f64]| {
            drizzler.real_sum(RealSum::Optional(k / nz), k % nz, plane);
        })?;
    }
    if drizzler.context_words() > 0 {
        out.context(drizzler)?;
    }
    let axis = PlaneAxis::of_grid(drizzler.wavelengths(), None);
    write_wavelengths(out.fits, &axis, drizzler.inputs_per_plane(), None)
}

/// Grid and options: all of a plan that the sums depend on but the edges of the planes.
fn plan_cards(plan: &DrizzlePlan) -> Header {
    let ([nz, ny, nx], options, planes) = (plan.cube_shape(), plan.options(), plan.planes());
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut optional = Vec::new();
    optional.extend(planes.only_mean.then_some("only_mean"));
    optional.extend(planes.wavelength.then_some("wavelength"));
    optional.extend((planes.error == Some(ErrorMethod::Resampled)).then_some("error"));
    optional.extend(planes.context.then_some("context"));
    optional.extend(planes.coverage.then_some("coverage"));
    optional.extend(planes.point_source.then_some("point_source"));
    optional.extend(planes.variances.iter().map(String::as_str));
    optional.extend((planes.variance_method == VarianceMethod::Resampled).then_some("resampled"));
    let mut h = Header::new();
    h.set("NX", count(nx), "columns")
        .set("NY", count(ny), "rows")
        .set("NZ", count(nz), "planes")
        .set("KERNEL", options.kernel.to_string(), "spatial kernel")
        .set("XYSHRINK", options.xy_shrink, "droplet size in input pixels")
        .set("ZSHRINK", options.effective_z_shrink(), "droplet width in bandwidths")
        .set("IVARMAX", options.ivar_max, "upper limit of a pixel's 1/variance")
        .set("MINOVER", options.min_overlap, "least share of a contribution")
        .set("SCLRATIO", options.pixel_scale_ratio.unwrap_or(0.0), "pixel scale ratio, 0 = of each exposure")
        .set("PLANES", optional.join(","), "what differs from the usual sums");
    h
}

fn write_settings(fits: &mut FitsWriter, settings: &[String]) -> Result<(), CubeFileProblem> {
    let lines: Vec<&str> = settings.iter().map(String::as_str).collect();
    let format = text_format(&lines);
    let column = ColumnSpec { name: "LINE", format: &format, unit: "", dim: None };
    fits.table(SETTINGS, lines.len(), &[column], &Header::new())?;
    fits.write_text_column("LINE", 0, &lines)?;
    Ok(fits.checksum()?)
}

/// The file of an accumulator, open for reading; the sums are read when they are asked for.
pub struct SumsFile {
    path: PathBuf,
    reader: FitsReader,
    primary: Header,
    exposures: u32,
    wavelengths: WavelengthGrid,
    inputs_per_plane: Vec<u32>,
    entries: Vec<AccumulatedExposure>,
    settings: Vec<String>,
}

impl SumsFile {
    /// Opens an accumulator and reads all of it but the sums.
    ///
    /// # Errors
    /// [`CubeFileProblem::NotSums`] where it is something else, [`CubeFileProblem::Broken`] where
    /// an HDU is missing, [`CubeFileProblem::Damaged`] where its checksum is wrong, and what the
    /// disk refuses.
    pub fn open(path: &Path) -> Result<Self, CubeFileError> {
        at(path, Self::try_open(path))
    }

    fn try_open(path: &Path) -> Result<Self, CubeFileProblem> {
        let mut reader = FitsReader::open(path)?;
        let primary = reader.header()?;
        if primary.text("FILETYPE") != Ok(FILETYPE) {
            let kind = primary.text("FILETYPE").unwrap_or("nothing");
            return Err(CubeFileProblem::NotSums(format!("its card FILETYPE says {kind}")));
        }
        let card = |key| primary.integer(key).map_err(|e| CubeFileProblem::Broken(e.to_string()));
        let version = card("SUMSVER")?;
        if !(1..=VERSION).contains(&version) {
            let problem = format!("it has version {version}, this spx knows 1 to {VERSION}");
            return Err(CubeFileProblem::NotSums(problem));
        }
        let exposures = u32::try_from(card("EXPOSURS")?).unwrap_or(0);
        verify(&mut reader, "PRIMARY")?;
        let (wavelengths, inputs_per_plane) = checked(&mut reader, WAVELENGTH, read_wavelengths)?;
        let entries = checked(&mut reader, EXPOSURES, read_entries)?;
        let mut settings = checked(&mut reader, SETTINGS, |reader| {
            let rows = reader.table_rows()?;
            Ok(reader.read_text_column("LINE", 0, rows)?)
        })?;
        if version == 1 {
            name_weight(&mut settings);
        }
        if version < 3 {
            settings.push("shift_wavelengths = false".to_owned());
            settings.sort();
        }
        let path = path.to_owned();
        Ok(Self { path, reader, primary, exposures, wavelengths, inputs_per_plane, entries, settings })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The exposures that are in the sums, in the order in which they came.
    pub fn entries(&self) -> &[AccumulatedExposure] {
        &self.entries
    }

    /// The caller's lines `key = value`.
    pub fn settings(&self) -> &[String] {
        &self.settings
    }

    /// The steps of progress that reading the sums takes.
    pub fn steps(&self, plan: &DrizzlePlan) -> u64 {
        steps(plan, self.exposures)
    }

    /// Checks that the sums were made with these lines `key = value`, in whatever order.
    ///
    /// # Errors
    /// [`CubeFileProblem::Differs`] with the first line that is not the same.
    pub fn check_settings(&self, lines: &[String]) -> Result<(), CubeFileError> {
        let key = |line: &str| line.split(" = ").next().unwrap_or_default().to_owned();
        let same_key = |lines: &[String], line: &str| lines.iter().find(|l| key(l) == key(line)).cloned();
        let wanted = lines.iter().find(|line| !self.settings.contains(line));
        let found = self.settings.iter().find(|line| same_key(lines, line).is_none());
        let (found, expected) = match (wanted, found) {
            (None, None) => return Ok(()),
            (Some(line), _) => (same_key(&self.settings, line), Some(line.clone())),
            (None, Some(line)) => (Some(line.clone()), None),
        };
        Err(self.error(differs(found, expected)))
    }

    /// Reads the sums, which must be of this plan. `progress` advances by [`steps`](Self::steps).
    ///
    /// # Errors
    /// [`CubeFileProblem::Differs`] where the plan is another one, [`CubeFileProblem::Broken`]
    /// where an array is missing, [`CubeFileProblem::Damaged`] where its checksum is wrong,
    /// [`CubeFileProblem::Cancelled`], and what disk and memory refuse.
    pub fn load(mut self, plan: DrizzlePlan, progress: &dyn Progress) -> Result<Accumulator, CubeFileError> {
        let attempt = self.check_plan(&plan).and_then(|()| self.restore(plan, progress));
        attempt.map_err(|problem| self.error(problem))
    }

    /// For each plane, the number of exposures that contributed.
    pub fn inputs_per_plane(&self) -> &[u32] {
        &self.inputs_per_plane
    }

    /// The sums of which only those tiles are read that exposures reach, where the file allows
    /// that: where it is packed as is asked for, and the plan has neither optional sums nor a
    /// context. The entries go to the accumulator.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn partial(
        &mut self,
        plan: &DrizzlePlan,
        compression: CubeCompression,
    ) -> Result<Option<Accumulator>, CubeFileError> {
        let planes = plan.planes();
        if planes.only_mean || planes.sums() > 0 || planes.keeps_context() {
            return Ok(None);
        }
        let attempt = self.try_partial(plan, compression);
        attempt.map_err(|problem| self.error(problem))
    }

    fn try_partial(
        &mut self,
        plan: &DrizzlePlan,
        compression: CubeCompression,
    ) -> Result<Option<Accumulator>, CubeFileProblem> {
        self.check_plan(plan)?;
        let bits = BIT_SUMS.map(|sum| bit_place(sum).0);
        let names = [bits, REAL_SUMS.map(|sum| real_place(sum).0)].concat();
        if !is_kept(&mut self.reader, plan, compression, &names)? {
            return Ok(None);
        }
        let shape = plan.cube_shape();
        let drizzler = Drizzler::partial(plan.clone(), &SumsReader { file: self, shape, progress: &Silent });
        Ok(Some(self.accumulator(drizzler)?))
    }

    /// Reads the tiles of [`partial`](Self::partial) sums of a plan.
    pub fn tiles<'a>(&'a mut self, plan: &DrizzlePlan, progress: &'a dyn Progress) -> SumsReader<'a> {
        SumsReader { file: self, shape: plan.cube_shape(), progress }
    }

    /// An accumulator with the entries.
    fn accumulator(&mut self, drizzler: Drizzler) -> Result<Accumulator, CubeFileProblem> {
        let mut accumulator = Accumulator::new(drizzler);
        for entry in std::mem::take(&mut self.entries) {
            accumulator.note(entry)?;
        }
        Ok(accumulator)
    }

    fn check_plan(&self, plan: &DrizzlePlan) -> Result<(), CubeFileProblem> {
        for card in plan_cards(plan).cards() {
            let found = self.primary.get(&card.keyword);
            if found != card.value.as_ref() {
                let line = |value: &CardValue| format!("{} = {}", card.keyword, shown(value));
                return Err(differs(found.map(line), card.value.as_ref().map(line)));
            }
        }
        if self.wavelengths != *plan.wavelengths() {
            let edges = |grid: &WavelengthGrid| format!("edges of planes {:?}", grid.edges());
            return Err(differs(Some(edges(&self.wavelengths)), Some(edges(plan.wavelengths()))));
        }
        Ok(())
    }

    fn restore(
        &mut self,
        plan: DrizzlePlan,
        progress: &dyn Progress,
    ) -> Result<Accumulator, CubeFileProblem> {
        let optional = (plan.optional_sums() > 0).then_some(RealSum::Optional(0));
        let context = (plan.context_words(self.exposures) > 0).then_some(BitSum::Context(0));
        let real = REAL_SUMS.into_iter().filter(|sum| plan.keeps_real(*sum)).chain(optional).map(real_place);
        let bits = BIT_SUMS.into_iter().filter(|sum| plan.keeps_bits(*sum)).chain(context).map(bit_place);
        for (name, _) in bits.chain(real) {
            verify(&mut self.reader, name)?;
        }
        let shape = plan.cube_shape();
        let drizzler = Drizzler::restore(plan, &mut SumsReader { file: self, shape, progress })?;
        self.accumulator(drizzler)
    }

    fn error(&self, problem: CubeFileProblem) -> CubeFileError {
        CubeFileError { path: self.path.clone(), problem }
    }
}

/// A file while its sums are read.
pub struct SumsReader<'a> {
    file: &'a mut SumsFile,
    /// Of the cube.
    shape: [usize; 3],
    progress: &'a dyn Progress,
}

impl SumsReader<'_> {
    /// Plane `z` of a cube of an HDU, or a part of it.
    fn read<T: FitsNumber>(
        &mut self,
        (name, cube): (&str, usize),
        z: usize,
        part: Option<&ReachedTiles>,
        out: &mut [T],
    ) -> Result<(), CubeFileProblem> {
        if self.progress.cancelled() {
            return Err(CubeFileProblem::Cancelled);
        }
        let [nz, ny, nx] = self.shape;
        let reader = &mut self.file.reader;
        reader.move_to(name)?;
        if !reader.image_shape()?.ends_with(&self.shape) {
            return Err(CubeFileProblem::Broken(format!("HDU {name} has not the shape of the grid")));
        }
        let plane = cube * nz + z;
        let first = plane * ny * nx;
        let Some(part) = part else {
            reader.read_pixels(first, out)?;
            self.progress.advance(1);
            return Ok(());
        };
        if reader.tile_shape()?.is_none() {
            return Ok(part
                .pixels(z)
                .try_for_each(|run| reader.read_pixels(first + run.start, &mut out[run]))?);
        }
        for tile in part.tiles(z) {
            let [rows, columns] = part.window(tile);
            let values = reader.read_tile(plane * part.per_plane() + tile)?;
            for (y, values) in rows.zip(values.chunks_exact(columns.len())) {
                out[y * nx..][columns.clone()].copy_from_slice(values);
            }
        }
        Ok(())
    }
}

impl KeptSums for SumsReader<'_> {
    type Error = CubeFileProblem;

    fn exposures(&self) -> u32 {
        self.file.exposures
    }

    fn inputs_per_plane(&self) -> &[u32] {
        &self.file.inputs_per_plane
    }

    fn real(
        &mut self,
        sum: RealSum,
        z: usize,
        part: Option<&ReachedTiles>,
        out: &mut [f64],
    ) -> Result<(), CubeFileProblem> {
        self.read(real_place(sum), z, part, out)
    }

    fn bits(
        &mut self,
        sum: BitSum,
        z: usize,
        part: Option<&ReachedTiles>,
        out: &mut [u32],
    ) -> Result<(), CubeFileProblem> {
        self.read(bit_place(sum), z, part, out)
    }
}

/// Adds the weights that version 1 did not name: those of a map where there is one, else
/// 1/variance.
fn name_weight(settings: &mut Vec<String>) {
    let has = |settings: &[String], key: &str| settings.iter().any(|line| line.starts_with(key));
    if !has(settings, "weight = ") {
        let weight = if has(settings, "weight_map = ") { "map" } else { "ivm" };
        settings.push(format!("weight = \"{weight}\""));
        settings.sort();
    }
}

fn differs(found: Option<String>, expected: Option<String>) -> CubeFileProblem {
    let text = |line: Option<String>| line.unwrap_or_else(|| "without that".into());
    CubeFileProblem::Differs { found: text(found), expected: text(expected) }
}

fn shown(value: &CardValue) -> String {
    match value {
        CardValue::Text(text) => text.clone(),
        CardValue::Integer(n) => n.to_string(),
        CardValue::Real(v) => v.to_string(),
        CardValue::Logical(v) => v.to_string(),
        CardValue::Undefined => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_former_weights_are_named() {
        let named = |lines: &[&str]| {
            let mut lines = lines.iter().map(|line| (*line).to_owned()).collect();
            name_weight(&mut lines);
            lines
        };
        assert_eq!(
            named(&["ra = 1.0", "xy_shrink = 0.8"]),
            ["ra = 1.0", "weight = \"ivm\"", "xy_shrink = 0.8"]
        );
        assert_eq!(named(&["weight_map = \"m.fits\""]), ["weight = \"map\"", "weight_map = \"m.fits\""]);
        assert_eq!(named(&["weight = \"none\""]), ["weight = \"none\""]);
    }
}
