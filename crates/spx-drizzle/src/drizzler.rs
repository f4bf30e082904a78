//! The engine: a plan of the output, and the sums that grow as exposures are added.

use std::sync::Arc;

use rayon::prelude::*;
use spx_core::progress::Progress;

use crate::addition::Cursor;
use crate::background::{self, BackgroundForm, SkyCorrection};
use crate::droplets::{Droplets, LentSums};
use crate::interruption::Interruption;
use crate::plan::{DrizzlePlan, with_kernel};
use crate::reached::ReachedTiles;
use crate::reject::{MedianCube, RejectionOptions};
use crate::stack::{DrizzleStack, parts};
use crate::sums::KeptSums;
use crate::tile::SumTile;
use crate::{DrizzleError, Exposure};

/// What one exposure gave to the cube.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contribution {
    /// For each plane, whether any pixel contributed to it.
    pub planes: Vec<bool>,
    /// The number of the exposure in the context, from 0; `None` where no pixel of it reaches the
    /// output.
    pub number: Option<u32>,
    /// Pixels that were judged where outliers are rejected, and how many of those were rejected.
    pub judged: [u64; 2],
    /// What was subtracted from its pixels where backgrounds are matched.
    pub background: Option<SkyCorrection>,
}

/// For what exposures are compared with each other before they are added.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ComparisonOptions {
    /// To bring their skies to one level, by corrections of this form; before outliers are looked
    /// for.
    pub background: Option<BackgroundForm>,
    /// To reject pixels that differ from what the others have seen.
    pub rejection: Option<RejectionOptions>,
}

impl ComparisonOptions {
    /// Whether there is nothing to compare for.
    pub fn is_none(&self) -> bool {
        self.background.is_none() && self.rejection.is_none()
    }
}

/// For each source, in order: what loading it told and what it contributed, or why it failed.
pub type Answers<T, E> = Vec<Result<(T, Contribution), E>>;

impl Contribution {
    /// False where the exposure is rejected: no pixel of it took part.
    pub fn took_part(&self) -> bool {
        self.planes.contains(&true)
    }
}

/// The cube in the making: running sums to which exposures are added.
///
/// Sums are kept in double precision. Each worker owns tiles of the output and adds the exposures
/// to them in the order in which they are given, so that the result has the same bits for any
/// number of threads; a single one owns all, and adds each exposure while it is collected.
#[derive(Debug)]
pub struct Drizzler {
    pub(crate) plan: DrizzlePlan,
    pub(crate) tiles: Vec<SumTile>,
    pub(crate) inputs_per_plane: Vec<u32>,
    /// Exposures so far of which some pixel reached the output.
    pub(crate) exposures: u32,
    pub(crate) finalized: bool,
    /// The tiles that are here of sums that are kept elsewhere; `None` where all are here.
    pub(crate) part: Option<ReachedTiles>,
}

impl Drizzler {
    /// Empty sums. Memory is taken tile by tile as droplets come.
    pub fn new(plan: DrizzlePlan) -> Self {
        let tiles = plan.tiles().collect();
        let inputs_per_plane = vec![0; plan.wavelengths.bins()];
        Self { plan, tiles, inputs_per_plane, exposures: 0, finalized: false, part: None }
    }

    /// Closes the sums: until [`reset`](Self::reset) no exposure can be added.
    pub fn finalize(&mut self) {
        self.finalized = true;
    }

    /// Whether the sums are closed.
    pub fn is_finalized(&self) -> bool {
        self.finalized
    }

    /// Forgets all exposures; grid and options stay.
    pub fn reset(&mut self) {
        *self = Self::new(self.plan.clone());
    }

    /// Sums of a plane in double precision: of the weights, and of weight times flux. What a kernel
    /// that conserves flux makes of `n` pixels of weight 1 on the output is `n`, and the sum of
    /// their fluxes.
    pub fn totals(&self, z: usize) -> [f64; 2] {
        let rows = self.tiles.iter().flat_map(|tile| tile.rows.clone().filter_map(move |y| tile.row(y, z)));
        rows.flatten().fold([0.0; 2], |[weight, flux], v| [weight + v.mean.weight, flux + v.mean.flux])
    }

    /// Exposures so far of which some pixel reached the output.
    pub fn exposures(&self) -> u32 {
        self.exposures
    }

    /// The plan.
    pub fn plan(&self) -> &DrizzlePlan {
        &self.plan
    }

    /// Adds one exposure, on the thread that calls.
    ///
    /// [`add_all`](Self::add_all) adds many on several threads, to the same bits.
    ///
    /// # Errors
    /// Where an array does not fit the exposure's rows, or the rows do not hold what the output
    /// needs: the sums are then as before. [`DrizzleError::Finalized`] after
    /// [`finalize`](Self::finalize), [`DrizzleError::Partial`] for [partial](Self::partial) sums.
    /// [`DrizzleError::Size`] or [`DrizzleError::Memory`] when memory is exhausted: the sums must
    /// not be used then.
    pub fn add(&mut self, exposure: &Exposure<'_>) -> Result<Contribution, DrizzleError> {
        self.check_open(true)?;
        let spans = self.plan.spans(exposure.pixel_map, exposure.shape);
        let mut droplets = Droplets { sums: Some(self.lend()), ..Droplets::default() };
        let collected = self.plan.collect(exposure, &spans, &mut droplets);
        let contribution = self.take_back(&mut droplets)?;
        collected?;
        Ok(contribution.unwrap_or_default())
    }

    /// Adds one exposure after another, in the order of `sources`.
    ///
    /// `load` turns a source into droplets, through [`DrizzlePlan::collect`]; it is called from
    /// several threads, one source each, so that reading and projecting run beside each other. What
    /// it tells, or its error, stands in the answer at the source's place; after an error the other
    /// sources are added all the same. Collecting is the last that may fail in `load`, for on one
    /// thread the droplets go into the sums as they are collected. Memory grows with the number of
    /// threads, not with that of sources. For sums that do not depend on how the user names the
    /// inputs, sort them before.
    ///
    /// # Errors
    /// [`DrizzleError::Finalized`] after [`finalize`](Self::finalize), [`DrizzleError::Partial`]
    /// for [partial](Self::partial) sums; [`DrizzleError::Cancelled`] when `progress` says so,
    /// which is asked tile by tile, [`DrizzleError::Size`] or [`DrizzleError::Memory`] when memory
    /// is exhausted, [`DrizzleError::Collected`] when `load` fails after it has collected: the
    /// sums are then not to be used.
    pub fn add_all<S, T, E, F>(
        &mut self,
        sources: &[S],
        load: F,
        progress: &dyn Progress,
    ) -> Result<Answers<T, E>, DrizzleError>
    where
        S: Sync,
        T: Send,
        E: Send,
        F: Fn(&DrizzlePlan, &S, &mut Droplets<'_>) -> Result<T, E> + Sync,
    {
        self.add_compared(sources, &load, (&[], None), None::<&mut &Self>, progress)
    }

    /// As [`add_all`](Self::add_all) to [partial](Self::partial) sums: `kept` gives the tiles that
    /// the sources reach, before they are added.
    ///
    /// # Errors
    /// As [`add_all`](Self::add_all), and those of `kept`: the sums are then not to be used.
    pub fn add_all_reached<S, T, E, F, K>(
        &mut self,
        sources: &[S],
        load: F,
        kept: &mut K,
        progress: &dyn Progress,
    ) -> Result<Answers<T, E>, K::Error>
    where
        S: Sync,
        T: Send,
        E: Send,
        F: Fn(&DrizzlePlan, &S, &mut Droplets<'_>) -> Result<T, E> + Sync,
        K: KeptSums,
    {
        self.add_compared(sources, &load, (&[], None), Some(kept), progress)
    }

    /// As [`add_all`](Self::add_all), after the exposures have been compared with each other:
    /// without outliers ([`RejectionOptions`]), with matched backgrounds ([`BackgroundForm`]).
    ///
    /// Every source is loaded once more for each comparison, and for rejection perhaps several
    /// times: `progress` advances by [`comparison_steps`](Self::comparison_steps). A pixel that is
    /// rejected takes no part; [`Contribution`] counts them and has the correction of the
    /// background. Only the exposures of one call are compared. The result has the same bits for
    /// any number of threads and any memory.
    ///
    /// # Errors
    /// As [`add_all`](Self::add_all), and [`DrizzleError::Option`] for an option out of range.
    pub fn add_all_compared<S, T, E, F>(
        &mut self,
        sources: &[S],
        load: F,
        options: &ComparisonOptions,
        progress: &dyn Progress,
    ) -> Result<Answers<T, E>, DrizzleError>
    where
        S: Sync,
        T: Send,
        E: Send,
        F: Fn(&DrizzlePlan, &S, &mut Droplets<'_>) -> Result<T, E> + Sync,
    {
        let plan = &self.plan;
        let mut corrections = Vec::new();
        if let Some(form) = options.background {
            let step = background::step(plan.shape, sources.len());
            let mut stack = DrizzleStack::new(plan, 0..plan.tiles().count(), step);
            self.stack(&mut stack, sources, &load, &[], progress)?;
            corrections = stack.background(sources.len(), form).solve(Interruption(Some(progress)))?;
        }
        let mut median = None;
        if let Some(options) = &options.rejection {
            options.validate()?;
            let mut cube = MedianCube::new(plan.shape, plan.wavelengths.clone(), &plan.options, *options)?;
            for part in parts(plan, sources.len(), options.memory) {
                let mut stack = DrizzleStack::new(plan, part, 1);
                self.stack(&mut stack, sources, &load, &corrections, progress)?;
                stack.finish(&mut cube, Interruption(Some(progress)))?;
            }
            median = Some(Arc::new(cube));
        }
        let compared = (&corrections[..], median.as_ref());
        self.add_compared(sources, &load, compared, None::<&mut &Self>, progress)
    }

    /// The steps of progress that [`add_all_compared`](Self::add_all_compared) takes for so many
    /// sources.
    pub fn comparison_steps(&self, sources: usize, options: &ComparisonOptions) -> u64 {
        let rejection = options.rejection.map_or(0, |o| parts(&self.plan, sources, o.memory).len());
        (sources * (1 + usize::from(options.background.is_some()) + rejection)) as u64
    }

    /// Adds the single drizzles of all sources to a stack, less the corrections that are known.
    fn stack<S, T, E, F>(
        &self,
        stack: &mut DrizzleStack,
        sources: &[S],
        load: &F,
        corrections: &[SkyCorrection],
        progress: &dyn Progress,
    ) -> Result<(), DrizzleError>
    where
        S: Sync,
        T: Send,
        E: Send,
        F: Fn(&DrizzlePlan, &S, &mut Droplets<'_>) -> Result<T, E> + Sync,
    {
        self.collected(sources, load, corrections, progress, |first, exposures| stack.add(first, exposures))
    }

    /// Shows the filed droplets of all sources, some at a time, with the number of the first.
    fn collected<S, T, E, F>(
        &self,
        sources: &[S],
        load: &F,
        corrections: &[SkyCorrection],
        progress: &dyn Progress,
        mut see: impl FnMut(usize, &[Droplets<'_>]) -> Result<(), DrizzleError>,
    ) -> Result<(), DrizzleError>
    where
        S: Sync,
        T: Send,
        E: Send,
        F: Fn(&DrizzlePlan, &S, &mut Droplets<'_>) -> Result<T, E> + Sync,
    {
        let mut buffers = buffers(sources.len(), progress);
        let at_once = buffers.len().max(1);
        for (first, batch) in (0..).step_by(at_once).zip(sources.chunks(at_once)) {
            if progress.cancelled() {
                return Err(DrizzleError::Cancelled);
            }
            clear(&mut buffers, first, corrections);
            batch.par_iter().zip(&mut buffers).for_each(|(source, out)| {
                // A source that fails is told of when it is added.
                if load(&self.plan, source, out).is_err() {
                    out.clear();
                }
            });
            see(first, &buffers[..batch.len()])?;
            progress.advance(batch.len() as u64);
        }
        Ok(())
    }

    /// Refuses exposures where the sums are closed, or not all here though they should be.
    fn check_open(&self, whole: bool) -> Result<(), DrizzleError> {
        match (self.finalized, &self.part) {
            (true, _) => Err(DrizzleError::Finalized),
            (false, Some(_)) if whole => Err(DrizzleError::Partial),
            (false, _) => Ok(()),
        }
    }

    /// Adds exposures; where they were compared with the corrections of their backgrounds, and by
    /// a median without the outliers; where sums are kept, to those.
    fn add_compared<S, T, E, F, K>(
        &mut self,
        sources: &[S],
        load: &F,
        (corrections, median): (&[SkyCorrection], Option<&Arc<MedianCube>>),
        mut kept: Option<&mut K>,
        progress: &dyn Progress,
    ) -> Result<Answers<T, E>, K::Error>
    where
        S: Sync,
        T: Send,
        E: Send,
        F: Fn(&DrizzlePlan, &S, &mut Droplets<'_>) -> Result<T, E> + Sync,
        K: KeptSums,
    {
        self.check_open(kept.is_none())?;
        let mut answers = Vec::with_capacity(sources.len());
        let mut buffers = buffers(sources.len(), progress);
        buffers.iter_mut().for_each(|droplets| droplets.median = median.cloned());
        // What is to be put back is known once the droplets are filed.
        let directly = rayon::current_num_threads() == 1 && kept.is_none();
        let at_once = buffers.len().max(1);
        for (first, batch) in (0..).step_by(at_once).zip(sources.chunks(at_once)) {
            clear(&mut buffers, first, corrections);
            if directly {
                buffers.iter_mut().for_each(|droplets| droplets.sums = Some(self.lend()));
            }
            let plan = &self.plan;
            let loaded: Vec<Result<T, E>> =
                batch.par_iter().zip(&mut buffers).map(|(source, out)| load(plan, source, out)).collect();
            let contributions = if directly {
                let taken = buffers.iter_mut().map(|exposure| self.take_back(exposure));
                taken.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?
            } else {
                let exposures = &buffers[..batch.len()];
                if let Some(kept) = &mut kept {
                    self.put_back_reached(*kept, exposures)?;
                }
                self.add_filed(exposures)?
            };
            // Before an answer that only tells of a loading that was broken off.
            if progress.cancelled() {
                return Err(DrizzleError::Cancelled.into());
            }
            if loaded.iter().zip(&buffers).any(|(result, droplets)| result.is_err() && droplets.collected) {
                return Err(DrizzleError::Collected.into());
            }
            answers.extend(
                loaded.into_iter().zip(contributions).map(|(result, c)| result.map(|told| (told, c))),
            );
            progress.advance(batch.len() as u64);
        }
        Ok(answers)
    }

    /// The sums, for an exposure that is added to them while it is collected.
    fn lend(&mut self) -> LentSums {
        LentSums {
            tiles: std::mem::take(&mut self.tiles),
            cursor: Cursor::new(self.plan.wavelengths.bins()),
            number: self.exposures,
            failure: None,
        }
    }

    /// Takes the sums back from an exposure that was added to them, if it had them.
    fn take_back(&mut self, exposure: &mut Droplets<'_>) -> Result<Option<Contribution>, DrizzleError> {
        let Some(sums) = exposure.sums.take() else { return Ok(None) };
        self.tiles = sums.tiles;
        if let Some(failure) = sums.failure {
            return Err(failure);
        }
        let number = (!exposure.is_empty()).then_some(sums.number);
        let Droplets { judged, background, .. } = *exposure;
        Ok(Some(self.note(Contribution { planes: sums.cursor.reached, number, judged, background })))
    }

    /// Counts an exposure.
    fn note(&mut self, contribution: Contribution) -> Contribution {
        self.exposures += u32::from(contribution.number.is_some());
        for (inputs, &reached) in self.inputs_per_plane.iter_mut().zip(&contribution.planes) {
            *inputs += u32::from(reached);
        }
        contribution
    }

    /// Adds droplets that [`DrizzlePlan::collect`] filed, exposure by exposure, in parallel over
    /// the tiles.
    fn add_filed(&mut self, exposures: &[Droplets<'_>]) -> Result<Vec<Contribution>, DrizzleError> {
        let plan = &self.plan;
        let nz = plan.wavelengths.bins();
        let mut next = self.exposures;
        let mut numbers = Vec::with_capacity(exposures.len());
        for exposure in exposures {
            let number = (!exposure.is_empty()).then_some(next);
            next += u32::from(number.is_some());
            numbers.push(number);
        }
        let add = |tile: &mut SumTile, k: usize, exposure: &Droplets<'_>, number: Option<u32>| {
            let mut cursor = Cursor::new(nz);
            if let Some(filed) = exposure.tiles.get(k).filter(|filed| !filed.droplets.is_empty()) {
                exposure.interruption.check()?;
                with_kernel!(plan.options, exposure.pixel_scale_ratio, kernel => {
                    let shares = plan.shares(kernel, number.map(|number| (number, exposure.time)));
                    tile.fetch_for(filed, &shares);
                    tile.add(filed, &shares, &mut cursor)?;
                });
                tile.end_exposure(&plan.planes, exposure.constant_weight);
            }
            Ok(cursor.reached)
        };
        let reached: Vec<Vec<Vec<bool>>> = self
            .tiles
            .par_iter_mut()
            .enumerate()
            .map(|(k, tile)| {
                exposures.iter().zip(&numbers).map(|(e, number)| add(tile, k, e, *number)).collect()
            })
            .collect::<Result<_, DrizzleError>>()?;
        let contributions = numbers.into_iter().enumerate().map(|(exposure, number)| {
            let planes = (0..nz).map(|z| reached.iter().any(|tile| tile[exposure][z])).collect();
            let Droplets { judged, background, .. } = exposures[exposure];
            self.note(Contribution { planes, number, judged, background })
        });
        Ok(contributions.collect())
    }
}

/// Makes room for exposures with numbers from `first` on, which have these corrections.
fn clear(buffers: &mut [Droplets<'_>], first: usize, corrections: &[SkyCorrection]) {
    for (number, droplets) in (first..).zip(buffers) {
        droplets.clear();
        droplets.background = corrections.get(number).copied();
    }
}

/// Memory for the droplets of as many sources as are loaded side by side.
fn buffers(sources: usize, progress: &dyn Progress) -> Vec<Droplets<'_>> {
    let interruption = Interruption(Some(progress));
    let mut buffers = Vec::new();
    buffers.resize_with(rayon::current_num_threads().min(sources), || Droplets {
        interruption,
        ..Droplets::default()
    });
    buffers
}
