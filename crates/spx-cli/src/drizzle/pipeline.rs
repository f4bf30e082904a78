//! From sources to a cube: read, fit the zodiacal light, map, drizzle, write.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use spx_core::image::{Metadata, ObservationTime, PixelPlanes, SpectralImage};
use spx_core::mef::{MefFile, ReadBuffers};
use spx_core::progress::Progress;
use spx_core::zodi::{ZodiFit, ZodiSums};
use spx_drizzle::file::{self, CubeFileProblem, CubeInfo};
use spx_drizzle::{
    Contribution, DrizzleError, DrizzlePlan, Drizzler, Droplets, Exposure, ExposureForeground, GroupTime,
    Timing,
};
use spx_wcs::{CelestialWcs, GridMap, OutputGrid};

use super::accumulate::{self, Additions, Sums};
use super::extra::{ExtraArrays, WeightMap};
use super::report::{CubeReport, InputReport, Status};
use super::settings::{DrizzleParameters, Product};
use crate::exit::Failure;
use crate::ui::Verbosity;
use spx_pipeline::buffers::BufferPool;
use spx_pipeline::inputs::{InputError, InputFile, wave_table};
use spx_pipeline::zodi::{ZodiTreatment, zodi_remark};

/// Bytes of the four planes for each pixel.
const PLANE_BYTES: u64 = 16;
/// Bytes of a droplet.
const DROPLET_BYTES: u64 = 48;

/// A cube or a mosaic, not yet made.
pub(crate) struct Job<'a> {
    pub(crate) parameters: &'a DrizzleParameters,
    pub(crate) product: Product,
    /// Its exposures, sorted.
    pub(crate) sources: Vec<InputFile>,
    /// Inputs that could not even be opened.
    pub(crate) failed: &'a [InputError],
    /// Whether a cube that is there may be replaced.
    pub(crate) overwrite: bool,
    /// The configuration, line by line, for the history.
    pub(crate) configuration: Vec<String>,
    pub(crate) verbosity: Verbosity,
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
pub(super) struct Added {
    pub(super) report: InputReport,
    /// Its number in the context.
    pub(super) number: Option<u32>,
    /// Its time, where it is used.
    pub(super) time: Option<GroupTime>,
}

impl Job<'_> {
    /// `drizzle_D<n>.fits` or `mosaic.fits` in the output directory.
    pub(crate) fn output(&self) -> PathBuf {
        self.parameters.output_dir.join(format!("{}.fits", self.product.stem()))
    }

    /// The same with `.toml`, beside it.
    pub(crate) fn configuration_file(&self) -> PathBuf {
        self.output().with_extension("toml")
    }

    /// What the cube depends on.
    pub(crate) fn fingerprint(&self) -> String {
        let sources = self.sources.iter().map(|s| s.name.clone());
        let failed = self.failed.iter().map(|e| format!("{} (failed)", e.name));
        let sums = self.parameters.accumulate.iter().map(|path| format!("accumulate {}", path.display()));
        let lines = self.configuration.iter().cloned().chain(sums).chain(sources).chain(failed);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What the drizzle will be.
    pub(crate) fn plan(&self) -> anyhow::Result<DrizzlePlan> {
        plan(self.parameters, self.product)
    }

    /// Upper bound of the memory that the run needs, with so many exposures of earlier runs [bytes].
    pub(crate) fn memory(&self, plan: &DrizzlePlan, accumulated: usize) -> u64 {
        let [_, ny, nx] = plan.cube_shape();
        let pixels = |s: &InputFile| (s.shape[0] * s.shape[1]) as u64;
        let largest = self.sources.iter().map(pixels).max().unwrap_or(0);
        // An output pixel gets about one droplet of an exposure; vectors grow to twice what they hold.
        let droplets = 2 * largest.min(2 * (nx as u64) * (ny as u64));
        let workers = rayon::current_num_threads().min(self.sources.len()) as u64;
        plan.accumulator_bytes(accumulated + self.sources.len())
            + workers * (PLANE_BYTES * largest + DROPLET_BYTES * droplets)
    }

    /// Drizzles and writes the cube; where there are running sums, adds to them and writes them before the cube.
    ///
    /// # Errors
    /// Nothing found where no exposure contributes; otherwise what the disk or the memory refuses. A single
    /// input that fails is no error here: it stands in the report.
    pub(crate) fn run(
        &self,
        plan: DrizzlePlan,
        sums: Option<Sums>,
        progress: &dyn Progress,
    ) -> Result<CubeReport, Failure> {
        match sums {
            None => self.run_at_once(plan, progress),
            Some(sums) => self.run_accumulating(plan, sums, progress),
        }
    }

    fn run_at_once(&self, plan: DrizzlePlan, progress: &dyn Progress) -> Result<CubeReport, Failure> {
        let mut drizzler = Drizzler::new(plan);
        let answers = self.add(&mut drizzler, &self.sources, progress)?;
        drizzler.finalize();
        let mut timing = Timing::default();
        let mut inputs: Vec<InputReport> = self.failed.iter().map(InputReport::failed).collect();
        for (source, answer) in self.sources.iter().zip(answers) {
            let Added { report, time, .. } = self.added(source, answer);
            time.into_iter().for_each(|time| timing.add(time));
            inputs.push(report);
        }
        let report = self.report(&drizzler, Vec::new(), inputs);
        self.write(&drizzler, &report, timing, progress)?;
        Ok(report)
    }

    fn run_accumulating(
        &self,
        plan: DrizzlePlan,
        mut sums: Sums,
        progress: &dyn Progress,
    ) -> Result<CubeReport, Failure> {
        let mut accumulator = sums.load(plan, progress)?;
        let context = self.parameters.resampling.planes.context;
        let accumulated = accumulator.entries().iter().map(|e| accumulate::report(e, context)).collect();
        let additions = Additions::among(&self.sources, &accumulator);
        additions.tell(&sums.path, self.verbosity);
        let answers = self.add(&mut accumulator.drizzler, &additions.new, progress)?;
        accumulator.drizzler.finalize();
        let mut inputs: Vec<InputReport> = self.failed.iter().map(InputReport::failed).collect();
        let before = accumulator.entries().len();
        for (source, answer) in additions.new.iter().zip(answers) {
            let added = self.added(source, answer);
            if added.report.status != Status::Failed {
                accumulator.note(accumulate::entry(source, &added))?;
            }
            inputs.push(added.report);
        }
        if accumulator.entries().len() > before {
            let celestial = self.parameters.grid.header();
            sums.write(&accumulator, &self.configuration, &celestial, progress)?;
        }
        let mut report = self.report(&accumulator.drizzler, accumulated, inputs);
        report.accumulator = Some(sums.path.display().to_string());
        if self.parameters.sums_only {
            report.file = sums.path.display().to_string();
        } else {
            self.write(&accumulator.drizzler, &report, accumulator.timing(), progress)?;
        }
        // They are no inputs of this cube.
        report.failed += additions.refused.len();
        report.inputs.extend(additions.refused);
        Ok(report)
    }

    /// Adds sources to sums.
    fn add(
        &self,
        drizzler: &mut Drizzler,
        sources: &[InputFile],
        progress: &dyn Progress,
    ) -> Result<Vec<Answer>, Failure> {
        let pool = BufferPool::default();
        let map = self.parameters.resampling.weight_map.as_deref().map(WeightMap::read).transpose()?;
        progress.start(&format!("drizzle {}", self.product), sources.len() as u64);
        let load = |plan: &DrizzlePlan, source: &InputFile, out: &mut Droplets| {
            self.load(plan, source, &pool, map.as_ref(), out)
        };
        let answers = drizzler.add_all(sources, load, progress);
        progress.finish();
        answers.map_err(drizzle_failure)
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
        let ivar_max = self.parameters.options.ivar_max;
        let extra = ExtraArrays::load(resampling, weights, &image, excluded, ivar_max)?;
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
    fn added(&self, source: &InputFile, answer: Answer) -> Added {
        let rejected = |reason: &str| Added {
            report: InputReport::of(source, Status::Rejected, Some(reason.into())),
            number: None,
            time: None,
        };
        match answer {
            Err(error) => Added {
                report: InputReport { exposure: Some(source.id.to_string()), ..InputReport::failed(&error) },
                number: None,
                time: None,
            },
            Ok((Loaded::Outside, _)) => rejected("it does not reach the region"),
            Ok((Loaded::Read { .. }, contribution)) if !contribution.took_part() => Added {
                number: contribution.number,
                ..rejected("no pixel in the region and the wavelength range is usable")
            },
            Ok((Loaded::Read { fit, time }, contribution)) => Added {
                report: InputReport {
                    zodi_scale: match self.parameters.zodi {
                        ZodiTreatment::Static => Some(1.0),
                        _ => fit.map(|f| f.scale),
                    },
                    context: contribution.number.filter(|_| self.parameters.resampling.planes.context),
                    ..InputReport::of(source, Status::Used, fit.as_ref().and_then(zodi_remark))
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

    fn write(
        &self,
        drizzler: &Drizzler,
        report: &CubeReport,
        timing: Timing,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        CubeWriter {
            parameters: self.parameters,
            product: self.product,
            configuration: &self.configuration,
            overwrite: self.overwrite,
        }
        .write(&self.output(), drizzler, report, timing, progress)
    }
}

/// The plan of a cube or a mosaic.
pub(crate) fn plan(parameters: &DrizzleParameters, product: Product) -> anyhow::Result<DrizzlePlan> {
    let plan =
        DrizzlePlan::new(parameters.grid.shape(), parameters.wavelengths(product)?, parameters.options)?;
    Ok(plan.with_planes(parameters.resampling.planes.clone()))
}

/// What a cube is written with.
pub(crate) struct CubeWriter<'a> {
    pub(crate) parameters: &'a DrizzleParameters,
    pub(crate) product: Product,
    /// The configuration, line by line, for the history.
    pub(crate) configuration: &'a [String],
    pub(crate) overwrite: bool,
}

impl CubeWriter<'_> {
    /// Writes the cube.
    ///
    /// # Errors
    /// Nothing found where no exposure contributes; otherwise what the disk refuses.
    pub(crate) fn write(
        &self,
        path: &Path,
        drizzler: &Drizzler,
        report: &CubeReport,
        timing: Timing,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        if report.used == 0 {
            return Err(self.nothing_used(report));
        }
        let parameters = self.parameters;
        let inputs = report.all().map(InputReport::history);
        let configuration = self.configuration.iter().map(|line| format!("config {line}"));
        let info = CubeInfo {
            detector: self.product.detector(),
            inputs: report.used,
            rejected: report.rejected,
            failed: report.failed,
            options: parameters.options,
            xy_oversample: parameters.xy_oversample,
            z_oversample: parameters.z_oversample,
            base_pixel_scale: OutputGrid::NATIVE_SCALE,
            celestial: parameters.grid.header(),
            exact_wavelength_wcs: parameters.exact_wavelength_wcs,
            weighting: parameters.resampling.weight.to_string(),
            timing,
            history: configuration.chain(inputs).collect(),
        };
        progress.start(&format!("write {}", self.product), file::steps(drizzler));
        let write = match self.product {
            Product::Cube(_) => file::write,
            Product::Mosaic => file::write_mosaic,
        };
        let written = write(path, drizzler, &info, self.overwrite, progress);
        progress.finish();
        written.map_err(|error| match error.problem {
            CubeFileProblem::Cancelled => Failure::interrupted(),
            CubeFileProblem::Exists => Failure::exists(&error.path),
            _ => error.into(),
        })
    }

    fn nothing_used(&self, report: &CubeReport) -> Failure {
        let all: Vec<&InputReport> = report.all().collect();
        let reasons: Vec<String> = all
            .iter()
            .take(3)
            .map(|i| format!("{}: {}", i.file, i.reason.as_deref().unwrap_or_default()))
            .collect();
        let error = anyhow!(
            "no {}: of {} exposures none has a usable pixel there ({}{})",
            match self.product {
                Product::Cube(detector) => format!("{detector} cube"),
                Product::Mosaic => "mosaic".to_owned(),
            },
            all.len(),
            reasons.join("; "),
            if all.len() > reasons.len() { "; ..." } else { "" }
        );
        if report.failed > 0 { Failure::from(error) } else { Failure::nothing_found(error) }
    }
}

/// The six detectors of an observation are one pointing.
fn group_time(metadata: &Metadata) -> GroupTime {
    let ObservationTime { begin, end, exposure, measurement, .. } = metadata.time;
    GroupTime { id: metadata.id.observation.clone(), begin, end, exposure, measurement }
}

fn drizzle_failure(error: DrizzleError) -> Failure {
    match error {
        DrizzleError::Cancelled => Failure::interrupted(),
        other => other.into(),
    }
}
