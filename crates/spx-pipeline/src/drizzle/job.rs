//! From sources to a cube: read, fit the zodiacal light, map, drizzle, write.

use std::ops::Range;
use std::path::PathBuf;

use spx_core::image::{Metadata, ObservationTime, PixelPlanes, SpectralImage};
use spx_core::mef::{MefFile, ReadBuffers};
use spx_core::zodi::{ZodiFit, ZodiSums};
use spx_drizzle::{
    Contribution, DrizzlePlan, Drizzler, Droplets, Exposure, ExposureForeground, GroupTime, Timing,
};
use spx_wcs::{CelestialWcs, GridMap};

use super::accumulate::{self, AddedFiles, SumsInUse};
use super::extra::{ExtraArrays, WeightMap};
use super::report::{CubeReport, InputReport, InputStatus};
use super::settings::{DrizzleParameters, DrizzleProduct};
use super::writer::CubeWriter;
use crate::buffers::BufferPool;
use crate::inputs::{InputError, InputFile, wave_table};
use crate::zodi::{ZodiTreatment, zodi_remark};
use crate::{Listener, PipelineError};

/// Bytes of the four planes for each pixel.
const PLANE_BYTES: u64 = 16;
/// Bytes of a droplet.
const DROPLET_BYTES: u64 = 48;

/// A cube or a mosaic, not yet made.
pub(super) struct DrizzleJob<'a> {
    pub(super) parameters: &'a DrizzleParameters,
    pub(super) product: DrizzleProduct,
    /// Its exposures, sorted.
    pub(super) files: Vec<InputFile>,
    /// Inputs that could not even be opened.
    pub(super) failed: &'a [InputError],
    /// Files of exposures that others show better, with the reason.
    pub(super) aside: Vec<(InputFile, String)>,
    /// Whether a cube that is there may be replaced.
    pub(super) overwrite: bool,
    /// The configuration, line by line, for the history.
    pub(super) history: Vec<String>,
    pub(super) listener: &'a dyn Listener,
}

/// What loading tells of a source beside its droplets.
enum Loaded {
    /// The image does not reach the region.
    Outside,
    /// Its pixels were read.
    Read { fit: Option<ZodiFit>, time: GroupTime },
}

/// What adding a source brought.
type Answer = Result<(Loaded, Contribution), InputError>;

/// What became of a source.
pub(super) struct AddedFile {
    pub(super) report: InputReport,
    /// Its number in the context.
    pub(super) number: Option<u32>,
    /// Its time, where it is used.
    pub(super) time: Option<GroupTime>,
}

impl DrizzleJob<'_> {
    /// `drizzle_D<n>.fits` or `mosaic.fits` in the output directory.
    pub(super) fn output(&self) -> PathBuf {
        self.parameters.output_dir.join(format!("{}.fits", self.product.stem()))
    }

    /// The same with `.toml`, beside it.
    pub(super) fn configuration_file(&self) -> PathBuf {
        self.output().with_extension("toml")
    }

    /// What the cube depends on.
    pub(super) fn fingerprint(&self) -> String {
        let sources = self.files.iter().map(|f| format!("{} {}", f.name, f.stamp));
        let failed = self.failed.iter().map(|e| format!("{} (failed)", e.name));
        let sums = self.parameters.accumulate.iter().map(|path| format!("accumulate {}", path.display()));
        let lines = self.history.iter().cloned().chain(sums).chain(sources).chain(failed);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Upper bound of the memory that the run needs, with so many exposures of earlier runs [bytes].
    pub(super) fn memory(&self, plan: &DrizzlePlan, accumulated: usize) -> u64 {
        let [_, ny, nx] = plan.cube_shape();
        let pixels = |s: &InputFile| (s.shape[0] * s.shape[1]) as u64;
        let largest = self.files.iter().map(pixels).max().unwrap_or(0);
        // An output pixel gets about one droplet of an exposure; vectors grow to twice what they hold.
        let droplets = 2 * largest.min(2 * (nx as u64) * (ny as u64));
        let workers = rayon::current_num_threads().min(self.files.len()) as u64;
        plan.accumulator_bytes(accumulated + self.files.len())
            + workers * (PLANE_BYTES * largest + DROPLET_BYTES * droplets)
    }

    /// Drizzles and writes the cube; where there are running sums, adds to them and writes them before the cube.
    ///
    /// # Errors
    /// Nothing found where no exposure contributes; otherwise what the disk or the memory refuses. A single
    /// input that fails is no error here: it stands in the report.
    pub(super) fn run(
        &self,
        plan: DrizzlePlan,
        sums: Option<SumsInUse>,
    ) -> Result<CubeReport, PipelineError> {
        match sums {
            None => self.run_at_once(plan),
            Some(sums) => self.run_accumulating(plan, sums),
        }
    }

    fn run_at_once(&self, plan: DrizzlePlan) -> Result<CubeReport, PipelineError> {
        let mut drizzler = Drizzler::new(plan);
        let answers = self.add(&mut drizzler, &self.files)?;
        drizzler.finalize();
        let mut timing = Timing::default();
        let mut inputs: Vec<InputReport> = self.failed.iter().map(InputReport::failed).collect();
        for (source, answer) in self.files.iter().zip(answers) {
            let AddedFile { report, time, .. } = self.added(source, answer);
            time.into_iter().for_each(|time| timing.add(time));
            inputs.push(report);
        }
        inputs.extend(self.left_aside());
        let report = self.report(&drizzler, Vec::new(), inputs);
        self.write(&drizzler, &report, timing)?;
        Ok(report)
    }

    fn run_accumulating(&self, plan: DrizzlePlan, mut sums: SumsInUse) -> Result<CubeReport, PipelineError> {
        let mut accumulator = sums.load(plan, self.listener)?;
        let context = self.parameters.resampling.planes.context;
        let accumulated = accumulator.entries().iter().map(|e| accumulate::report(e, context)).collect();
        let additions = AddedFiles::among(&self.files, &accumulator);
        additions.tell(&sums.path, self.listener);
        let answers = self.add(&mut accumulator.drizzler, &additions.new)?;
        accumulator.drizzler.finalize();
        let mut inputs: Vec<InputReport> = self.failed.iter().map(InputReport::failed).collect();
        let before = accumulator.entries().len();
        for (source, answer) in additions.new.iter().zip(answers) {
            let added = self.added(source, answer);
            if added.report.status != InputStatus::Failed {
                accumulator.note(accumulate::entry(source, &added))?;
            }
            inputs.push(added.report);
        }
        if accumulator.entries().len() > before {
            let celestial = self.parameters.grid.header();
            sums.write(&accumulator, &self.history, &celestial, self.listener)?;
        }
        let mut report = self.report(&accumulator.drizzler, accumulated, inputs);
        report.accumulator = Some(sums.path.display().to_string());
        if self.parameters.sums_only {
            report.file = sums.path.display().to_string();
        } else {
            self.write(&accumulator.drizzler, &report, accumulator.timing())?;
        }
        // They are no inputs of this cube.
        report.failed += additions.refused.len();
        report.inputs.extend(additions.refused);
        report.rejected += self.aside.len();
        report.inputs.extend(self.left_aside());
        Ok(report)
    }

    /// Files that are not used because others show the same exposure.
    fn left_aside(&self) -> impl Iterator<Item = InputReport> {
        self.aside
            .iter()
            .map(|(file, reason)| InputReport::of(file, InputStatus::Rejected, Some(reason.clone())))
    }

    /// Adds sources to sums.
    fn add(&self, drizzler: &mut Drizzler, files: &[InputFile]) -> Result<Vec<Answer>, PipelineError> {
        let pool = BufferPool::default();
        let map = self.parameters.resampling.weight_map.as_deref().map(WeightMap::read).transpose()?;
        self.listener.start(&format!("drizzle {}", self.product), files.len() as u64);
        let load = |plan: &DrizzlePlan, source: &InputFile, out: &mut Droplets| {
            self.load(plan, source, &pool, map.as_ref(), out)
        };
        let answers = drizzler.add_all(files, load, self.listener);
        self.listener.finish();
        answers.map_err(PipelineError::from)
    }

    fn load(
        &self,
        plan: &DrizzlePlan,
        source: &InputFile,
        pool: &BufferPool<ReadBuffers>,
        weights: Option<&WeightMap>,
        out: &mut Droplets,
    ) -> Result<Loaded, InputError> {
        let file = MefFile::open(&source.path)?;
        let metadata = file.metadata();
        let celestial = CelestialWcs::from_header(&metadata.header);
        let celestial = celestial.map_err(|e| InputError::wcs(&source.path, &e))?;
        let wave = wave_table(metadata).map_err(|e| InputError::wcs(&source.path, &e))?;
        let excluded = self.parameters.excluded(&metadata.flag_names);
        let excluded = excluded.map_err(|e| InputError::new(&source.path, format!("HDU FLAGS: {e}")))?;
        let map = GridMap::new(&celestial, &self.parameters.grid);
        let mut spans = plan.spans(&map, metadata.shape);
        if let Some([columns, rows]) = &self.parameters.resampling.input_box {
            spans = spans.within(columns.clone(), rows.clone());
        }
        let time = group_time(metadata);
        if spans.is_empty() {
            return Ok(Loaded::Outside);
        }
        let (image, block, fit) = self.read(file, spans.rows(), pool)?;
        let scale = match self.parameters.zodi {
            ZodiTreatment::Keep => None,
            ZodiTreatment::Static => Some(1.0),
            ZodiTreatment::Fit(_) => fit.map(|f| f.scale),
        };
        let resampling = &self.parameters.resampling;
        let extra = ExtraArrays::load(resampling, weights, &image)?;
        let variances = extra.variances();
        let exposure = Exposure {
            shape: image.metadata.shape,
            rows: image.rows.clone(),
            flux: &image.planes.image,
            variance: &image.planes.variance,
            flags: &image.planes.flags,
            foreground: scale.map(|scale| ExposureForeground { model: &image.planes.zodi, scale }),
            excluded,
            pixel_map: &map,
            wavelength_map: &wave,
            extra: extra.borrow(&variances, resampling.flux_scale),
        };
        let collected = plan.collect(&exposure, &spans, out);
        pool.give(ReadBuffers { image: image.planes, block });
        collected.map_err(|e| InputError::new(&source.path, e))?;
        Ok(Loaded::Read { fit, time })
    }

    /// Reads the rows that the cube needs, and where the zodiacal light is fitted looks at all others. Gives the
    /// image, memory that is to go back to the pool with the image's, and the fit.
    fn read(
        &self,
        file: MefFile,
        needed: Range<usize>,
        pool: &BufferPool<ReadBuffers>,
    ) -> Result<(SpectralImage, PixelPlanes, Option<ZodiFit>), InputError> {
        let buffers = pool.take();
        let ZodiTreatment::Fit(options) = self.parameters.zodi else {
            return Ok((file.read(needed, buffers.image)?, buffers.block, None));
        };
        let mut sums = ZodiSums::new(file.metadata().shape, &file.metadata().flag_names);
        let (image, block) = file.read_all(needed, buffers, |first, rows| sums.add(first, rows))?;
        Ok((image, block, Some(sums.fit(&options))))
    }

    /// What became of a source.
    fn added(&self, source: &InputFile, answer: Answer) -> AddedFile {
        let rejected = |reason: &str| AddedFile {
            report: InputReport::of(source, InputStatus::Rejected, Some(reason.into())),
            number: None,
            time: None,
        };
        match answer {
            Err(error) => AddedFile {
                report: InputReport { exposure: Some(source.id.to_string()), ..InputReport::failed(&error) },
                number: None,
                time: None,
            },
            Ok((Loaded::Outside, _)) => rejected("it does not reach the region"),
            Ok((Loaded::Read { .. }, contribution)) if !contribution.took_part() => AddedFile {
                number: contribution.number,
                ..rejected("no pixel in the region and the wavelength range is usable")
            },
            Ok((Loaded::Read { fit, time }, contribution)) => AddedFile {
                report: InputReport {
                    zodi_scale: match self.parameters.zodi {
                        ZodiTreatment::Static => Some(1.0),
                        _ => fit.map(|f| f.scale),
                    },
                    context: contribution.number.filter(|_| self.parameters.resampling.planes.context),
                    ..InputReport::of(source, InputStatus::Used, fit.as_ref().and_then(zodi_remark))
                },
                number: contribution.number,
                time: Some(time),
            },
        }
    }

    fn report(
        &self,
        drizzler: &Drizzler,
        accumulated: Vec<InputReport>,
        inputs: Vec<InputReport>,
    ) -> CubeReport {
        let shape = drizzler.plan().cube_shape();
        CubeReport::new(self.product, &self.output(), shape, accumulated, inputs)
    }

    fn write(&self, drizzler: &Drizzler, report: &CubeReport, timing: Timing) -> Result<(), PipelineError> {
        CubeWriter {
            parameters: self.parameters,
            product: self.product,
            history: &self.history,
            overwrite: self.overwrite,
        }
        .write(&self.output(), drizzler, report, timing, self.listener)
    }
}

/// The six detectors of an observation are one pointing.
fn group_time(metadata: &Metadata) -> GroupTime {
    let ObservationTime { begin, end, exposure, measurement, .. } = metadata.time;
    GroupTime { id: metadata.id.observation.clone(), begin, end, exposure, measurement }
}
