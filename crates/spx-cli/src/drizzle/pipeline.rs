//! From sources to a cube: read, fit the zodiacal light, map, drizzle, write.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::anyhow;
use spx_core::detector::Detector;
use spx_core::image::{Metadata, ObservationTime, Planes, SpectralImage};
use spx_core::mef::{MefFile, ReadBuffers};
use spx_core::progress::Progress;
use spx_core::zodi::{ZodiFit, ZodiSums};
use spx_drizzle::file::{self, CubeFileProblem, CubeInfo};
use spx_drizzle::{
    Contribution, DrizzleError, Drizzler, Droplets, Exposure, Foreground, GroupTime, Plan, Timing,
};
use spx_wcs::{CelestialWcs, GridMap, OutputGrid};

use super::extra::{ExtraArrays, WeightMap};
use super::report::{CubeReport, InputReport, Status};
use super::settings::DrizzleParameters;
use crate::buffers::BufferPool;
use crate::exit::Failure;
use crate::inputs::{InputError, Source, wave_table};
use crate::zodi::{Zodi, zodi_remark};

/// Bytes of the four planes for each pixel.
const PLANE_BYTES: u64 = 16;
/// Bytes of a droplet.
const DROPLET_BYTES: u64 = 48;

/// The cube of one detector, not yet made.
pub(crate) struct Job<'a> {
    pub(crate) parameters: &'a DrizzleParameters,
    pub(crate) detector: Detector,
    /// Exposures of this detector, sorted.
    pub(crate) sources: Vec<Source>,
    /// Inputs that could not even be opened.
    pub(crate) failed: &'a [InputError],
    /// Whether a cube that is there may be replaced.
    pub(crate) overwrite: bool,
    /// The configuration, line by line, for the history.
    pub(crate) configuration: Vec<String>,
}

/// What loading tells of a source beside its droplets.
enum Loaded {
    /// The image does not reach the region.
    Outside,
    /// Its pixels were read.
    Read { fit: Option<ZodiFit>, time: GroupTime },
}

impl Job<'_> {
    /// `drizzle_D<n>.fits` in the output directory.
    pub(crate) fn output(&self) -> PathBuf {
        self.parameters.output_dir.join(format!("drizzle_{}.fits", self.detector))
    }

    /// `drizzle_D<n>.toml` beside it.
    pub(crate) fn configuration_file(&self) -> PathBuf {
        self.output().with_extension("toml")
    }

    /// What the cube depends on.
    pub(crate) fn fingerprint(&self) -> String {
        let sources = self.sources.iter().map(|s| s.name.clone());
        let failed = self.failed.iter().map(|e| format!("{} (failed)", e.name));
        let lines = self.configuration.iter().cloned().chain(sources).chain(failed);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What the drizzle will be.
    pub(crate) fn plan(&self) -> anyhow::Result<Plan> {
        let parameters = self.parameters;
        let plan =
            Plan::new(parameters.grid.shape(), parameters.wavelengths(self.detector)?, parameters.options)?;
        Ok(plan.with_planes(parameters.resampling.planes.clone()))
    }

    /// Upper bound of the memory that the run needs [bytes].
    pub(crate) fn memory(&self, plan: &Plan) -> u64 {
        let [_, ny, nx] = plan.cube_shape();
        let pixels = |s: &Source| (s.shape[0] * s.shape[1]) as u64;
        let largest = self.sources.iter().map(pixels).max().unwrap_or(0);
        // An output pixel gets about one droplet of an exposure; vectors grow to twice what they hold.
        let droplets = 2 * largest.min(2 * (nx as u64) * (ny as u64));
        let workers = rayon::current_num_threads().min(self.sources.len()) as u64;
        plan.accumulator_bytes(self.sources.len())
            + workers * (PLANE_BYTES * largest + DROPLET_BYTES * droplets)
    }

    /// Drizzles and writes the cube.
    ///
    /// # Errors
    /// Nothing found where no exposure contributes; otherwise what the disk or the memory refuses. A single
    /// input that fails is no error here: it stands in the report.
    pub(crate) fn run(&self, plan: Plan, progress: &dyn Progress) -> Result<CubeReport, Failure> {
        let pool = BufferPool::default();
        let map = self.parameters.resampling.weight_map.as_deref().map(WeightMap::read).transpose()?;
        let mut drizzler = Drizzler::new(plan);
        progress.start(&format!("drizzle {}", self.detector), self.sources.len() as u64);
        let load = |plan: &Plan, source: &Source, out: &mut Droplets| {
            self.load(plan, source, &pool, map.as_ref(), out)
        };
        let answers = drizzler.add_all(&self.sources, load, progress);
        progress.finish();
        drizzler.finalise();
        let (inputs, timing) = self.report_inputs(answers.map_err(drizzle_failure)?);
        let report = self.report(&drizzler, inputs);
        if report.used == 0 {
            return Err(self.nothing_used(&report));
        }
        self.write(&drizzler, &report, timing, progress)?;
        Ok(report)
    }

    fn load(
        &self,
        plan: &Plan,
        source: &Source,
        pool: &BufferPool,
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
            Zodi::Keep => None,
            Zodi::Static => Some(1.0),
            Zodi::Fit(_) => fit.map(|f| f.scale),
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
            foreground: scale.map(|scale| Foreground { model: &image.planes.zodi, scale }),
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
        pool: &BufferPool,
    ) -> Result<(SpectralImage, Planes, Option<ZodiFit>), InputError> {
        let buffers = pool.take();
        let Zodi::Fit(options) = self.parameters.zodi else {
            return Ok((file.read(needed, buffers.image)?, buffers.block, None));
        };
        let mut sums = ZodiSums::new(file.metadata().shape, &file.metadata().flag_names);
        let (image, block) = file.read_all(needed, buffers, |first, rows| sums.add(first, rows))?;
        Ok((image, block, Some(sums.fit(&options))))
    }

    /// What became of each input, and the times of those that are used.
    fn report_inputs(
        &self,
        answers: Vec<Result<(Loaded, Contribution), InputError>>,
    ) -> (Vec<InputReport>, Timing) {
        let mut reports: Vec<InputReport> = self.failed.iter().map(InputReport::failed).collect();
        let mut timing = Timing::default();
        for (source, answer) in self.sources.iter().zip(answers) {
            reports.push(match answer {
                Err(error) => {
                    InputReport { exposure: Some(source.id.to_string()), ..InputReport::failed(&error) }
                }
                Ok((Loaded::Outside, _)) => {
                    let reason = "it does not reach the region";
                    InputReport::of(source, Status::Rejected, Some(reason.into()))
                }
                Ok((Loaded::Read { .. }, contribution)) if !contribution.took_part() => {
                    let reason = "no pixel in the region and the wavelength range is usable";
                    InputReport::of(source, Status::Rejected, Some(reason.into()))
                }
                Ok((Loaded::Read { fit, time }, contribution)) => {
                    timing.add(time);
                    InputReport {
                        zodi_scale: match self.parameters.zodi {
                            Zodi::Static => Some(1.0),
                            _ => fit.map(|f| f.scale),
                        },
                        context: contribution.number.filter(|_| self.parameters.resampling.planes.context),
                        ..InputReport::of(source, Status::Used, fit.as_ref().and_then(zodi_remark))
                    }
                }
            });
        }
        (reports, timing)
    }

    fn report(&self, drizzler: &Drizzler, inputs: Vec<InputReport>) -> CubeReport {
        CubeReport {
            detector: self.detector.to_string(),
            file: self.output().display().to_string(),
            shape: drizzler.plan().cube_shape(),
            used: CubeReport::count(&inputs, Status::Used),
            rejected: CubeReport::count(&inputs, Status::Rejected),
            failed: CubeReport::count(&inputs, Status::Failed),
            inputs,
        }
    }

    fn nothing_used(&self, report: &CubeReport) -> Failure {
        let reasons: Vec<String> = report
            .inputs
            .iter()
            .take(3)
            .map(|i| format!("{}: {}", i.file, i.reason.as_deref().unwrap_or_default()))
            .collect();
        let error = anyhow!(
            "no {} cube: of {} exposures none has a usable pixel there ({}{})",
            self.detector,
            report.inputs.len(),
            reasons.join("; "),
            if report.inputs.len() > reasons.len() { "; ..." } else { "" }
        );
        if report.failed > 0 { Failure::from(error) } else { Failure::nothing_found(error) }
    }

    fn write(
        &self,
        drizzler: &Drizzler,
        report: &CubeReport,
        timing: Timing,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let parameters = self.parameters;
        let inputs = report.inputs.iter().map(InputReport::history);
        let configuration = self.configuration.iter().map(|line| format!("config {line}"));
        let info = CubeInfo {
            detector: self.detector,
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
        progress.start(&format!("write {}", self.detector), file::steps(drizzler));
        let written = file::write(&self.output(), drizzler, &info, self.overwrite, progress);
        progress.finish();
        written.map_err(|error| match error.problem {
            CubeFileProblem::Cancelled => Failure::interrupted(),
            CubeFileProblem::Exists => Failure::exists(&error.path),
            _ => error.into(),
        })
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
