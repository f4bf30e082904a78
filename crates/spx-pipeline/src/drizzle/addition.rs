//! Adding to running sums: the exposures that are new, then the file of the sums, then the cube.
//!
//! New exposures reach some tiles of some planes. Where the files allow it, these alone are read,
//! added to and written, and the others copied as they are, packed or not: the files are, byte for
//! byte, those of reading and writing all.

use std::collections::HashSet;

use spx_core::image::ExposureId;
use spx_drizzle::file::{CubeInfo, KeptFile};
use spx_drizzle::{AccumulatedExposure, Accumulator, DrizzlePlan, Drizzler, Droplets, Timing};

use super::accumulate::{self, AddedFiles, SumsInUse};
use super::job::{Answer, DrizzleJob, LoadMemory};
use super::report::{CubeReport, InputReport};
use super::settings::{CubeChannels, DrizzleProduct};
use crate::PipelineError;
use crate::inputs::InputFile;
use crate::outcome::InputOutcome;

impl DrizzleJob<'_> {
    /// Adds to running sums and writes them, then the cube.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn run_accumulating(
        &self,
        plan: DrizzlePlan,
        mut sums: SumsInUse,
    ) -> Result<CubeReport, PipelineError> {
        let before = sums.entries().to_vec();
        let mut additions = AddedFiles::among(&self.files, &before, self.parameters.known);
        let compares = !self.parameters.resampling.comparison.is_none();
        // Exposures that are compared with each other cannot be added to those of earlier runs.
        let anew = compares && !additions.new.is_empty();
        additions.early = if anew { 0 } else { additions.early };
        additions.tell(&sums.path, self.listener);
        self.refuse_mixed_scales(&before, &additions.new)?;
        let memory = self.load_memory(compares)?;
        let (files, mut accumulator, mut cube) = if anew {
            let files = additions.with_those_in(&sums.path, &before)?;
            (files, Accumulator::new(Drizzler::new(plan)), None)
        } else {
            let (accumulator, cube) = self.load_sums(plan, &mut sums, &additions.new)?;
            (additions.new.clone(), accumulator, cube)
        };
        let whole = accumulator.drizzler.part().is_none();
        // Sums must not depend on how they were cut into runs, so none looks at the others.
        let answers = if whole {
            self.add(&mut accumulator.drizzler, &files, &memory, Some(&[]))?
        } else {
            self.add_reached(&mut accumulator.drizzler, &files, &memory, &mut sums)?
        };
        accumulator.drizzler.finalize();
        let mut inputs: Vec<InputReport> = self.failed.iter().map(InputReport::failed).collect();
        let mut accumulated = self.accumulated(accumulator.entries());
        let known: HashSet<&ExposureId> = before.iter().map(|entry| &entry.id).collect();
        for (source, answer) in files.iter().zip(answers) {
            let added = self.added(source, answer);
            let is_known = known.contains(&source.id);
            if added.report.status != InputOutcome::Failed {
                accumulator.note(additions.entry(source, &added, compares))?;
            } else if is_known {
                let reason = added.report.reason.unwrap_or_default();
                return Err(PipelineError::failed(format!("{}: {reason}", source.path.display())));
            }
            if is_known { &mut accumulated } else { &mut inputs }.push(added.report);
        }
        let mut report = self.report(&accumulator.drizzler, accumulated, inputs, whole);
        // Sums of nothing but zeros help nobody.
        self.writer().refuse_empty(&report)?;
        if accumulator.entries().len() > before.len() {
            let celestial = self.parameters.grid.header();
            let form = (&celestial, self.parameters.compression);
            sums.write(&accumulator, &self.history, form, self.listener)?;
        }
        if !self.parameters.sums_only {
            let kept = cube.as_mut().zip(accumulator.drizzler.part());
            self.write(&accumulator.drizzler, &report, accumulator.timing(), kept)?;
        }
        // They are no inputs of this cube.
        let failed = additions.refused.iter().filter(|input| input.status == InputOutcome::Failed).count();
        report.failed += failed;
        report.rejected += additions.refused.len() - failed + self.aside.len();
        report.inputs.extend(additions.refused);
        report.inputs.extend(self.left_aside());
        Ok(report)
    }

    fn accumulated(&self, entries: &[AccumulatedExposure]) -> Vec<InputReport> {
        let context = self.parameters.resampling.planes.context;
        entries.iter().map(|entry| accumulate::report(entry, context)).collect()
    }

    /// Reads the sums, or none of them yet, where it is enough to read what new exposures reach;
    /// then gives the cube, too, of which the rest is kept, if one is written.
    fn load_sums(
        &self,
        plan: DrizzlePlan,
        sums: &mut SumsInUse,
        new: &[InputFile],
    ) -> Result<(Accumulator, Option<KeptFile>), PipelineError> {
        let before = sums.entries().len();
        // So many others reach everything, or nothing is to be seen.
        if !new.is_empty() && new.len() <= before {
            let cube = if self.parameters.sums_only { None } else { self.kept_cube(&plan, sums) };
            if (cube.is_some() || self.parameters.sums_only)
                && let Some(accumulator) = sums.partial(&plan, self.parameters.compression)?
            {
                return Ok((accumulator, cube));
            }
        }
        Ok((sums.load(plan, self.listener)?, None))
    }

    /// Adds sources to sums of which those tiles are read that they reach.
    fn add_reached(
        &self,
        drizzler: &mut Drizzler,
        files: &[InputFile],
        memory: &LoadMemory,
        sums: &mut SumsInUse,
    ) -> Result<Vec<Answer>, PipelineError> {
        let load = |plan: &DrizzlePlan, source: &InputFile, out: &mut Droplets<'_>| {
            self.load(plan, source, memory, Some(&[]), out)
        };
        self.listener.start(&format!("drizzle {}", self.product), files.len() as u64);
        let answers = sums.add_reached(drizzler, files, load, self.listener);
        self.listener.finish();
        answers
    }

    /// The cube that is there, where it is the one of these sums.
    fn kept_cube(&self, plan: &DrizzlePlan, sums: &SumsInUse) -> Option<KeptFile> {
        let alone = self.parameters.channels == CubeChannels::Detector;
        let DrizzleProduct::Cube(_) = self.product else { return None };
        let accumulated = self.accumulated(sums.entries());
        let report =
            CubeReport::new(self.product, &self.output(), plan.cube_shape(), accumulated, Vec::new());
        let used = sums.entries().iter().filter(|entry| entry.used);
        let mut timing = Timing::default();
        used.for_each(|entry| timing.add(entry.time.clone()));
        let info: CubeInfo = self.writer().info(&report, timing);
        let inputs = sums.inputs_per_plane()?;
        alone.then(|| KeptFile::cube(&self.output(), (plan, inputs), &info)).flatten()
    }
}
