//! From sources to a cube: read, fit the zodiacal light, map, drizzle, write.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use spx_core::foreground::{ForegroundEstimator, ForegroundFit};
use spx_core::image::{ExposureId, Metadata, ObservationTime, PixelPlanes, SpectralImage};
use spx_core::mef::{MefFile, ReadBuffers};
use spx_core::release::ExposureCalibration;
use spx_drizzle::file::KeptFile;
use spx_drizzle::{
    AccumulatedExposure, ComparisonOptions, Contribution, DrizzlePlan, Drizzler, Droplets, Exposure,
    ExposureForeground, GroupTime, ReachedTiles, RejectionOptions, Timing,
};
use spx_wcs::GridMap;

use super::accumulate::{self, AddedFile, AddedFiles, SumsInUse};
use super::extra::{ExtraArrays, WeightMap};
use super::holes;
use super::memory::allowed_memory;
use super::point_source::ExposurePsf;
use super::report::{CubeReport, InputReport};
use super::settings::{DrizzleParameters, DrizzleProduct, KnownExposures};
use super::writer::CubeWriter;
use crate::buffers::BufferPool;
use crate::calibration::{Calibration, calibration_lines, mixed_scales_warning};
use crate::frame::{Frame, FrameMaps};
use crate::inputs::{InputError, InputFile, file_name};
use crate::kept_fits::KeptFit;
use crate::outcome::InputOutcome;
use crate::stages::Stages;
use crate::zodi::FittedForeground;
use crate::{Listener, PipelineError, ResultContext as _};

/// Bytes of the four planes for each pixel.
const PLANE_BYTES: u64 = 16;
/// Bytes of a droplet.
const DROPLET_BYTES: u64 = 48;

/// A cube or a mosaic, not yet made.
pub(super) struct DrizzleJob<'a> {
    pub(super) parameters: &'a DrizzleParameters,
    pub(super) product: DrizzleProduct,
    /// Where the file goes.
    pub(super) directory: &'a Path,
    /// Wavelengths and flux scale.
    pub(super) calibration: &'a Calibration,
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
pub(super) enum Loaded {
    /// The image does not reach the region.
    Outside,
    /// Its pixels were read.
    Read { fit: Option<Box<ForegroundFit>>, time: GroupTime, calibration: ExposureCalibration },
    /// Its zodiacal scale could not be fitted; it waits for those of the others.
    Waiting,
}

/// What adding a source brought.
pub(super) type Answer = Result<(Loaded, Contribution), InputError>;

/// What loading keeps from source to source, and from one time that it sees them to the next.
#[derive(Default)]
pub(super) struct LoadMemory {
    pool: BufferPool<ReadBuffers>,
    weights: Option<WeightMap>,
    /// Fits of the zodiacal light, where a scale of the plane ZODI is all that they are; `None`
    /// where sources are seen once.
    fits: Option<Mutex<HashMap<PathBuf, ForegroundFit>>>,
}

impl LoadMemory {
    fn fit_of(&self, path: &Path) -> Option<ForegroundFit> {
        self.fits.as_ref()?.lock().ok()?.get(path).cloned()
    }

    fn remember(&self, path: PathBuf, found: Option<&FittedForeground>) {
        let fit = found.filter(|found| found.plane.is_none()).map(|found| found.fit.clone());
        if let (Some(fit), Some(Ok(mut fits))) = (fit, self.fits.as_ref().map(Mutex::lock)) {
            fits.insert(path, fit);
        }
    }
}

impl DrizzleJob<'_> {
    /// `drizzle_D<n>.fits` or `mosaic.fits` in its directory.
    pub(super) fn output(&self) -> PathBuf {
        self.directory.join(format!("{}.fits", self.product.stem()))
    }

    /// The same with `.toml`, beside it.
    pub(super) fn configuration_file(&self) -> PathBuf {
        self.output().with_extension("toml")
    }

    /// The files that it makes: the cube, then the sums.
    pub(super) fn products(&self) -> impl Iterator<Item = PathBuf> {
        let cube = (!self.parameters.sums_only).then(|| self.output());
        cube.into_iter().chain(self.parameters.accumulate.clone())
    }

    /// Names these files in a report, which may be that of an earlier run, started in another
    /// directory.
    pub(super) fn name_products(&self, report: &mut CubeReport) {
        let name = |path: PathBuf| path.display().to_string();
        report.file = self.products().map(name).next().unwrap_or_default();
        report.accumulator = self.parameters.accumulate.clone().map(name);
    }

    /// What the cube depends on.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub(super) fn fingerprint(&self, stages: &mut Stages<'_>) -> Result<String, PipelineError> {
        let paths: Vec<&Path> = self.files.iter().map(|file| file.path.as_path()).collect();
        let sources = stages.lines(&paths)?;
        let named = stages.lines(&self.parameters.named_files())?;
        let failed = self.failed.iter().map(|e| format!("{} (failed)", e.name));
        let sums = self.parameters.accumulate.iter().map(|path| format!("accumulate {}", path.display()));
        let products = self.products_used();
        let products = calibration_lines(&products, stages)?;
        let packed = self.parameters.compression.name().map(|name| format!("compress {name}"));
        let lines = self
            .history
            .iter()
            .cloned()
            .chain(packed)
            .chain(sums)
            .chain(products)
            .chain(named)
            .chain(sources)
            .chain(failed);
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    /// Upper bound of the memory that the run needs, with so many exposures of earlier runs
    /// [bytes].
    pub(super) fn memory(&self, plan: &DrizzlePlan, accumulated: usize) -> u64 {
        let pixels = |s: &InputFile| (s.shape[0] * s.shape[1]) as u64;
        let largest = self.files.iter().map(pixels).max().unwrap_or(0);
        let workers = rayon::current_num_threads().min(self.files.len()) as u64;
        needed_memory(plan, accumulated + self.files.len(), largest, workers)
            + plan.comparison_bytes(
                accumulated + self.files.len(),
                &self.comparison(accumulated + self.files.len(), 0),
            )
    }

    /// For what so many exposures are compared, with so much memory for their stack \[bytes\], but
    /// not more than by default.
    fn comparison(&self, exposures: usize, memory: u64) -> ComparisonOptions {
        let ComparisonOptions { background, rejection } = self.parameters.resampling.comparison;
        // Too few exposures judge nothing.
        let rejection = rejection.filter(|options| exposures >= options.min_coverage);
        let rejection =
            rejection.map(|options| RejectionOptions { memory: options.memory.min(memory), ..options });
        ComparisonOptions { background, rejection }
    }

    /// Half of the memory that is left \[bytes\].
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, at least 0")]
    fn half_of_the_rest(&self, plan: &DrizzlePlan) -> u64 {
        let left = allowed_memory(self.parameters.max_memory) - self.memory(plan, 0) as f64;
        (0.5 * left).max(0.0) as u64
    }

    /// Drizzles and writes the cube; where there are running sums, adds to them and writes them
    /// before the cube.
    ///
    /// # Errors
    /// Nothing found where no exposure contributes; otherwise what the disk or the memory refuses.
    /// A single input that fails is no error here: it stands in the report.
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
        let (drizzler, report, timing) = self.sum(plan)?;
        self.write(&drizzler, &report, timing, None)?;
        Ok(report)
    }

    /// Drizzles, and writes nothing.
    ///
    /// # Errors
    /// What the memory refuses.
    pub(super) fn sum(&self, plan: DrizzlePlan) -> Result<(Drizzler, CubeReport, Timing), PipelineError> {
        let mut drizzler = Drizzler::new(plan);
        // spxquery knows no median of the run.
        let alone = self.parameters.zodi.options.estimator == ForegroundEstimator::Ivm;
        let memory = self.load_memory(!self.parameters.resampling.comparison.is_none())?;
        let answers = self.add(&mut drizzler, &self.files, &memory, alone.then_some(&[]))?;
        drizzler.finalize();
        let mut timing = Timing::default();
        let mut inputs: Vec<InputReport> = self.failed.iter().map(InputReport::failed).collect();
        for (source, answer) in self.files.iter().zip(answers) {
            let AddedFile { report, time, .. } = self.added(source, answer);
            time.into_iter().for_each(|time| timing.add(time));
            inputs.push(report);
        }
        inputs.extend(self.left_aside());
        let report = self.report(&drizzler, Vec::new(), inputs, true);
        Ok((drizzler, report, timing))
    }

    /// Whether nothing is to be done: known exposures are skipped, all files are in the sums, and
    /// the cube, where one is wanted, is there.
    pub(super) fn has_nothing_to_add(&self, sums: Option<&SumsInUse>) -> bool {
        let Some(sums) = sums.filter(|_| self.parameters.known == KnownExposures::Skip) else { return false };
        let known: HashSet<&ExposureId> = sums.entries().iter().map(|entry| &entry.id).collect();
        (self.parameters.sums_only || self.output().exists())
            && self.files.iter().all(|file| known.contains(&file.id))
    }

    /// The report of a run that has nothing to add, which reads no sums.
    pub(super) fn nothing_added(&self, plan: &DrizzlePlan, sums: &SumsInUse) -> CubeReport {
        let context = self.parameters.resampling.planes.context;
        let accumulated = sums.entries().iter().map(|e| accumulate::report(e, context)).collect();
        AddedFiles::among(&self.files, sums.entries(), self.parameters.known).tell(&sums.path, self.listener);
        let inputs = self.failed.iter().map(InputReport::failed).chain(self.left_aside()).collect();
        let mut report =
            CubeReport::new(self.product, &self.output(), plan.cube_shape(), accumulated, inputs);
        self.name_products(&mut report);
        report
    }

    /// Files that are not used because others show the same exposure.
    pub(super) fn left_aside(&self) -> impl Iterator<Item = InputReport> {
        self.aside
            .iter()
            .map(|(file, reason)| InputReport::of(file, InputOutcome::Rejected, Some(reason.clone())))
    }

    /// What loading keeps, with the fits of sources that are seen more than once.
    pub(super) fn load_memory(&self, several_times: bool) -> Result<LoadMemory, PipelineError> {
        let weights = self.parameters.resampling.weight_map.as_deref().map(WeightMap::read).transpose()?;
        let fits = several_times.then(Mutex::default);
        Ok(LoadMemory { weights, fits, ..LoadMemory::default() })
    }

    /// Adds sources to sums. Those whose zodiacal scale cannot be fitted come last, with the median
    /// of the others of their detector, unless the scales to look at are given as `run`.
    pub(super) fn add(
        &self,
        drizzler: &mut Drizzler,
        files: &[InputFile],
        memory: &LoadMemory,
        run: Option<&[f64]>,
    ) -> Result<Vec<Answer>, PipelineError> {
        let first = |plan: &DrizzlePlan, source: &InputFile, out: &mut Droplets| {
            self.load(plan, source, memory, run, out)
        };
        let mut answers = self.add_once(drizzler, files, first)?;
        let waiting = |answer: &Answer| matches!(answer, Ok((Loaded::Waiting, _)));
        let late: Vec<usize> = (0..files.len()).filter(|&k| waiting(&answers[k])).collect();
        if late.is_empty() {
            return Ok(answers);
        }
        let scales = |detector| -> Vec<f64> {
            let fitted = files.iter().zip(&answers).filter(|(file, _)| file.id.detector == detector);
            fitted
                .filter_map(|(_, answer)| match answer {
                    Ok((Loaded::Read { fit: Some(fit), .. }, _)) => Some(fit.scale),
                    _ => None,
                })
                .collect()
        };
        let (late_files, scales): (Vec<InputFile>, Vec<_>) = late
            .iter()
            .map(|&k| (files[k].clone(), (files[k].id.detector, scales(files[k].id.detector))))
            .unzip();
        let second = |plan: &DrizzlePlan, source: &InputFile, out: &mut Droplets| {
            let of = scales.iter().find(|(detector, _)| *detector == source.id.detector);
            let run = of.map_or(&[][..], |(_, scales)| scales);
            self.load(plan, source, memory, Some(run), out)
        };
        let found = self.add_once(drizzler, &late_files, second)?;
        for (k, answer) in late.into_iter().zip(found) {
            answers[k] = answer;
        }
        Ok(answers)
    }

    /// Adds sources by this way of loading them, after comparing them where that is asked for.
    fn add_once<F>(
        &self,
        drizzler: &mut Drizzler,
        files: &[InputFile],
        load: F,
    ) -> Result<Vec<Answer>, PipelineError>
    where
        F: Fn(&DrizzlePlan, &InputFile, &mut Droplets) -> Result<Loaded, InputError> + Sync,
    {
        let title = format!("drizzle {}", self.product);
        let options = self.comparison(files.len(), self.half_of_the_rest(drizzler.plan()));
        self.listener.start(&title, drizzler.comparison_steps(files.len(), &options));
        let answers = drizzler.add_all_compared(files, load, &options, self.listener);
        self.listener.finish();
        let answers = answers?;
        if self.parameters.resampling.comparison.rejection.is_some() {
            self.tell_outliers(&answers);
        }
        Ok(answers)
    }

    /// Says how many pixels were rejected as outliers.
    fn tell_outliers(&self, answers: &[Answer]) {
        let judged = answers.iter().flatten().map(|(_, contribution)| contribution.judged);
        let [judged, rejected] = judged.fold([0, 0], |[a, b], [c, d]| [a + c, b + d]);
        let product = self.product;
        self.listener.note(&match judged {
            0 => format!("{product}: no voxel has enough exposures to find outliers, none is rejected"),
            _ => format!("{product}: {rejected} of {judged} pixels are rejected as outliers"),
        });
    }

    pub(super) fn load(
        &self,
        plan: &DrizzlePlan,
        source: &InputFile,
        memory: &LoadMemory,
        run: Option<&[f64]>,
        out: &mut Droplets,
    ) -> Result<Loaded, InputError> {
        let mut frame = Frame::open(&source.path, self.calibration)?;
        let calibration = frame.calibration();
        let wanted = self.parameters.resampling.planes.point_source;
        let psf = wanted.then(|| ExposurePsf::read(&mut frame, self.calibration)).transpose()?;
        let Frame { file, maps, .. } = frame;
        let metadata = file.metadata();
        let excluded = self.parameters.excluded(&metadata.flag_names);
        let excluded = excluded.map_err(|e| InputError::new(&source.path, format!("HDU FLAGS: {e}")))?;
        let map = GridMap::new(&maps.celestial, &self.parameters.grid);
        let mut spans = plan.spans(&map, metadata.shape);
        if let Some([columns, rows]) = &self.parameters.resampling.input_box {
            spans = spans.within(columns.clone(), rows.clone());
        }
        let time = group_time(metadata);
        if spans.is_empty() {
            return Ok(Loaded::Outside);
        }
        let pool = &memory.pool;
        let (image, block, mut foreground) = self.read(file, spans.rows(), &maps, memory)?;
        if let Some(FittedForeground { fit, .. }) = &mut foreground
            && fit.is_unfitted()
        {
            match run {
                Some(run) => fit.take_from_run(run),
                None => {
                    pool.give(ReadBuffers { image: image.planes, block });
                    return Ok(Loaded::Waiting);
                }
            }
        }
        let resampling = &self.parameters.resampling;
        let point_source = psf.map(|psf| psf.of_source(&self.parameters.grid, &image, &maps)).transpose()?;
        let extra =
            ExtraArrays::load(resampling, memory.weights.as_ref(), &image, point_source.unwrap_or_default())?;
        let variances = extra.variances();
        let exposure = Exposure {
            shape: image.metadata.shape,
            rows: image.rows.clone(),
            flux: &image.planes.image,
            variance: &image.planes.variance,
            flags: &image.planes.flags,
            foreground: foreground.as_ref().map(|found| to_subtract(found, &image)),
            excluded,
            pixel_map: &map,
            wavelength_map: &maps.wave,
            extra: extra.borrow(&variances, resampling.flux_scale),
        };
        let collected = plan.collect(&exposure, &spans, out);
        pool.give(ReadBuffers { image: image.planes, block });
        collected.map_err(|e| InputError::new(&source.path, e))?;
        Ok(Loaded::Read { fit: foreground.map(|found| Box::new(found.fit)), time, calibration })
    }

    /// Reads the rows that the cube needs, and where the zodiacal light is fitted looks at others,
    /// but for a file whose fit is remembered, or kept by an earlier run. Gives the image, memory
    /// that is to go back to the pool with the image's, and what is to be subtracted.
    fn read(
        &self,
        file: MefFile,
        needed: Range<usize>,
        maps: &FrameMaps,
        memory: &LoadMemory,
    ) -> Result<(SpectralImage, PixelPlanes, Option<FittedForeground>), InputError> {
        let ReadBuffers { image: reuse, block } = memory.pool.take();
        let treatment = &self.parameters.zodi;
        let fit = |metadata: &Metadata, planes| treatment.fit(metadata, planes, &maps.celestial, &maps.wave);
        let path = file.metadata().path.clone();
        let kept = KeptFit::of(treatment, (&path, file.metadata().id.detector), self.calibration);
        let remembered = memory.fit_of(&path).or_else(|| kept.as_ref()?.read());
        if remembered.is_some() || !treatment.looks_at_pixels() {
            let image = file.read(needed, reuse)?;
            let found = remembered.map(|fit| FittedForeground { fit, plane: None });
            let found = found.or_else(|| fit(&image.metadata, image.planes.from_pixel(0)));
            return Ok((image, block, found));
        }
        let whole = file.whole(block)?;
        let found = fit(whole.metadata(), whole.views());
        memory.remember(path, found.as_ref());
        let (image, block) = whole.into_rows(needed, reuse)?;
        // All that the fit looked at was there.
        if let (Some(kept), Some(found)) = (kept, &found) {
            kept.write(&found.fit);
        }
        Ok((image, block, found))
    }

    /// What became of a source.
    pub(super) fn added(&self, source: &InputFile, answer: Answer) -> AddedFile {
        let rejected = |reason: &str| AddedFile {
            report: InputReport::of(source, InputOutcome::Rejected, Some(reason.into())),
            number: None,
            time: None,
        };
        match answer {
            Err(error) => AddedFile {
                report: InputReport { exposure: Some(source.id.to_string()), ..InputReport::failed(&error) },
                number: None,
                time: None,
            },
            Ok((Loaded::Outside | Loaded::Waiting, _)) => rejected("it does not reach the region"),
            Ok((Loaded::Read { .. }, contribution)) if !contribution.took_part() => AddedFile {
                number: contribution.number,
                ..rejected("no pixel in the region and the wavelength range is usable")
            },
            Ok((Loaded::Read { fit, time, calibration }, contribution)) => AddedFile {
                report: InputReport {
                    calibration: Some(calibration),
                    zodi_scale: fit.as_ref().map(|f| f.scale),
                    zodi_scale_error: fit.as_ref().and_then(|f| f.scale_error),
                    zodi_pixels: fit.as_ref().filter(|f| f.scale_error.is_some()).map(|f| f.pixels),
                    zodi_residual: fit.as_ref().and_then(|f| f.strongest_residual().copied()),
                    context: contribution.number.filter(|_| self.parameters.resampling.planes.context),
                    outliers: self.parameters.resampling.comparison.rejection.map(|_| contribution.judged[1]),
                    background: contribution.background,
                    ..InputReport::of(
                        source,
                        InputOutcome::Used,
                        fit.as_deref().and_then(ForegroundFit::remark),
                    )
                },
                number: contribution.number,
                time: Some(time),
            },
        }
    }

    /// The report of sums, of which holes are told where they are `whole`.
    pub(super) fn report(
        &self,
        drizzler: &Drizzler,
        accumulated: Vec<InputReport>,
        inputs: Vec<InputReport>,
        whole: bool,
    ) -> CubeReport {
        let shape = drizzler.plan().cube_shape();
        let report = CubeReport::new(self.product, &self.output(), shape, accumulated, inputs);
        if let Some(warning) = report.mixed_scales() {
            self.listener.warning(&format!("{}: {warning}", self.product));
        }
        let holes = if whole { holes::share_of_holes(drizzler) } else { None };
        if let Some(warning) = holes.and_then(holes::warning) {
            self.listener.warning(&format!("{}: {warning}", self.product));
        }
        let calibration = self.products_used().into_iter().map(file_name).collect();
        CubeReport { calibration, holes, ..report }
    }

    /// The calibration products that shape the cube.
    fn products_used(&self) -> Vec<&Path> {
        let psf = self.parameters.resampling.planes.point_source;
        self.calibration.paths_of_cubes(self.product.detector(), psf)
    }

    /// Sums cannot be brought to another flux scale afterwards, and so take no exposures on two.
    pub(super) fn refuse_mixed_scales(
        &self,
        sums: &[AccumulatedExposure],
        new: &[InputFile],
    ) -> Result<(), PipelineError> {
        let flux = |entry: &AccumulatedExposure| entry.calibration.unwrap_or_default().flux_correction;
        let before = sums.iter().filter(|entry| entry.used);
        let before = before.map(|entry| (&entry.identity, flux(entry)));
        let after = new
            .iter()
            .map(|file| (&file.identity, self.calibration.flux_correction(&file.identity, file.id.detector)));
        match mixed_scales_warning(before.chain(after)) {
            Some(problem) if !new.is_empty() => {
                Err(PipelineError::usage(format!("running sums must be on one flux scale: {problem}")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn writer(&self) -> CubeWriter<'_> {
        let Self { parameters, product, history, overwrite, .. } = self;
        CubeWriter { parameters, product: *product, history, overwrite: *overwrite }
    }

    pub(super) fn write(
        &self,
        drizzler: &Drizzler,
        report: &CubeReport,
        timing: Timing,
        kept: Option<(&mut KeptFile, &ReachedTiles)>,
    ) -> Result<(), PipelineError> {
        // Another run that made the directory, and then had nothing to write, has removed it.
        std::fs::create_dir_all(self.directory).with_context(|| self.directory.display().to_string())?;
        self.writer().write(&self.output(), drizzler, (report, timing), kept, self.listener)
    }
}

/// Upper bound of the memory that a drizzle of so many exposures, of so many pixels at most, needs
/// on so many threads, where nothing is compared \[bytes\].
pub(crate) fn needed_memory(plan: &DrizzlePlan, exposures: usize, pixels: u64, threads: u64) -> u64 {
    let [_, ny, nx] = plan.cube_shape();
    // An output pixel gets about one droplet of an exposure; vectors grow to twice what they hold.
    let droplets = 2 * pixels.min(2 * (nx as u64) * (ny as u64));
    plan.accumulator_bytes(exposures) + threads * (PLANE_BYTES * pixels + DROPLET_BYTES * droplets)
}

/// The six detectors of an observation are one pointing.
fn group_time(metadata: &Metadata) -> GroupTime {
    let ObservationTime { begin, end, exposure, measurement, .. } = metadata.time;
    GroupTime { id: metadata.id.observation.clone(), begin, end, exposure, measurement }
}

/// What is subtracted from the rows of an image.
fn to_subtract<'a>(found: &'a FittedForeground, image: &'a SpectralImage) -> ExposureForeground<'a> {
    let nx = image.metadata.shape[1];
    match &found.plane {
        Some(plane) => {
            ExposureForeground { model: &plane[image.rows.start * nx..image.rows.end * nx], scale: 1.0 }
        }
        None => ExposureForeground { model: &image.planes.zodi, scale: found.fit.scale },
    }
}
