//! The engine: a plan of the output, and the sums that grow as exposures are added.

use rayon::prelude::*;
use spx_core::map::{PixelMap, Spans};
use spx_core::progress::Progress;

use crate::addition::{Adding, AdditionContext, Cursor};
use crate::collect::{CollectionTarget, Filing, TILE};
use crate::cube::{CubeData, OptionalPlane};
use crate::droplet::{Droplets, FiledDroplets, LentSums};
use crate::exposure::pixel_scale_ratio;
use crate::kernel::{
    BilinearKernel, GaussianKernel, LanczosKernel, PointKernel, SpatialKernel, SquareKernel, TurboKernel,
};
use crate::planes::ErrorMethod;
use crate::tile::SumTile;
use crate::voxel::{Voxel, Voxels};
use crate::{DrizzleError, DrizzleOptions, Exposure, FillValue, Kernel, OutputPlanes, WavelengthGrid};

/// The most voxels: what fits a FITS file and the address space with room to spare.
const MAX_VOXELS: u128 = 1 << 40;

/// Evaluates an expression with the kernel of a plan's options, for an exposure with this pixel scale ratio; compiled
/// for each kernel.
macro_rules! with_kernel {
    ($options:expr, $ratio:expr, $kernel:ident => $body:expr) => {{
        let (shrink, ratio): (f64, f64) = ($options.xy_shrink, $ratio);
        match $options.kernel {
            Kernel::Bilinear => {
                let $kernel = BilinearKernel::new(shrink);
                $body
            }
            Kernel::Square => {
                let $kernel = SquareKernel::new(shrink, ratio);
                $body
            }
            Kernel::Turbo => {
                let $kernel = TurboKernel::new(shrink, ratio);
                $body
            }
            Kernel::Point => {
                let $kernel = PointKernel;
                $body
            }
            Kernel::Gaussian => {
                let $kernel = GaussianKernel::new(shrink, ratio);
                $body
            }
            Kernel::Lanczos2 => {
                let $kernel = LanczosKernel::new(2, ratio);
                $body
            }
            Kernel::Lanczos3 => {
                let $kernel = LanczosKernel::new(3, ratio);
                $body
            }
        }
    }};
}

/// The output grid and the options, checked: all that is needed to turn an exposure into droplets.
#[derive(Debug, Clone, PartialEq)]
pub struct DrizzlePlan {
    shape: [usize; 2],
    wavelengths: WavelengthGrid,
    options: DrizzleOptions,
    planes: OutputPlanes,
}

impl DrizzlePlan {
    /// A plan for a cube of `shape` = `[ny, nx]` and the bins of `wavelengths`. Allocates nothing.
    ///
    /// # Errors
    /// [`DrizzleError::Size`] for an empty or absurdly large grid, [`DrizzleError::Option`] for an option out
    /// of range.
    pub fn new(
        shape: [usize; 2],
        wavelengths: WavelengthGrid,
        options: DrizzleOptions,
    ) -> Result<Self, DrizzleError> {
        options.validate()?;
        let [ny, nx] = shape;
        let nz = wavelengths.bins();
        let voxels = ny as u128 * nx as u128 * nz as u128;
        if voxels == 0 || voxels > MAX_VOXELS {
            return Err(DrizzleError::Size { nx, ny, nz });
        }
        Ok(Self { shape, wavelengths, options, planes: OutputPlanes::default() })
    }

    /// The same with optional planes.
    #[must_use]
    pub fn with_planes(self, planes: OutputPlanes) -> Self {
        Self { planes, ..self }
    }

    /// `[nz, ny, nx]` of the cube.
    pub fn cube_shape(&self) -> [usize; 3] {
        [self.wavelengths.bins(), self.shape[0], self.shape[1]]
    }

    /// The wavelength axis.
    pub fn wavelengths(&self) -> &WavelengthGrid {
        &self.wavelengths
    }

    /// The options.
    pub fn options(&self) -> &DrizzleOptions {
        &self.options
    }

    /// The optional planes.
    pub fn planes(&self) -> &OutputPlanes {
        &self.planes
    }

    /// Memory of the accumulators once every tile has been reached, by so many exposures \[bytes\].
    pub fn accumulator_bytes(&self, exposures: usize) -> u64 {
        let words = if self.planes.context { exposures.div_ceil(32) } else { 0 };
        let voxel = Voxels::bytes(self.planes.only_mean)
            + self.planes.sums() * size_of::<f64>()
            + words * size_of::<u32>();
        self.cube_shape().iter().map(|&n| n as u64).product::<u64>() * voxel as u64
    }

    /// The pixels of an image of shape `[ny, nx]` that may reach the output, and so the rows to read.
    pub fn spans(&self, map: &dyn PixelMap, input: [usize; 2]) -> Spans {
        // A droplet reaches as far as its kernel; the grid ends half a pixel beyond its last centre.
        let ratio = self.pixel_scale_ratio(map, input);
        map.spans(input, self.shape, with_kernel!(self.options, ratio, kernel => kernel.reach()))
    }

    /// The ratio that is given, or that of the middle of the exposure; kernels that do not ask for it get 1.
    fn pixel_scale_ratio(&self, map: &dyn PixelMap, input: [usize; 2]) -> f64 {
        match (self.options.kernel, self.options.pixel_scale_ratio) {
            (Kernel::Bilinear | Kernel::Point, _) => 1.0,
            // The size of its droplets is the map's own affair.
            (Kernel::Square, _) | (_, None) => pixel_scale_ratio(map, input),
            (_, Some(ratio)) => ratio,
        }
    }

    /// Turns an exposure into droplets; `spans` is what [`spans`](Self::spans) gave for it. `out` must be empty.
    ///
    /// # Errors
    /// Where an array does not fit the exposure's rows, or the rows do not hold what `spans` names;
    /// [`DrizzleError::Collected`] where an exposure was collected before.
    pub fn collect(
        &self,
        exposure: &Exposure<'_>,
        spans: &Spans,
        out: &mut Droplets,
    ) -> Result<(), DrizzleError> {
        if out.collected {
            return Err(DrizzleError::Collected);
        }
        exposure.check(&self.planes)?;
        let needed = spans.rows();
        if !needed.is_empty() && (needed.start < exposure.rows.start || needed.end > exposure.rows.end) {
            return Err(DrizzleError::MissingRows { held: exposure.rows.clone(), needed });
        }
        let ratio = self.pixel_scale_ratio(exposure.pixel_map, exposure.shape);
        let constant_weight = exposure.extra.constant_weight();
        (out.collected, out.pixel_scale_ratio, out.constant_weight) = (true, ratio, constant_weight);
        let Droplets { tiles, sums, any, piece, .. } = out;
        with_kernel!(self.options, ratio, kernel => {
            let target = self.target(kernel);
            *any = if let Some(sums) = sums {
                let shares = self.shares(kernel, Some(sums.number));
                let columns = self.shape[1].div_ceil(TILE);
                target.collect(exposure, spans, piece, &mut Adding { sums, shares, columns })?
            } else {
                tiles.resize_with(self.tiles().count(), FiledDroplets::default);
                target.collect(exposure, spans, piece, &mut Filing { tiles })?
            };
        });
        if let Some(sums) = sums {
            sums.tiles.iter_mut().for_each(|tile| tile.end_exposure(&self.planes, constant_weight));
        }
        Ok(())
    }

    fn target<K>(&self, kernel: K) -> CollectionTarget<'_, K> {
        CollectionTarget {
            kernel,
            shape: self.shape,
            wavelengths: &self.wavelengths,
            half_z_shrink: 0.5 * self.options.effective_z_shrink(),
            half_xy_shrink: 0.5 * self.options.xy_shrink,
            ivar_max: self.options.ivar_max,
            planes: &self.planes,
        }
    }

    fn shares<K>(&self, kernel: K, number: Option<u32>) -> AdditionContext<'_, K> {
        AdditionContext {
            kernel,
            wavelengths: &self.wavelengths,
            half_z_shrink: 0.5 * self.options.effective_z_shrink(),
            ivar_max: self.options.ivar_max,
            min_overlap: self.options.min_overlap,
            planes: &self.planes,
            number: number.filter(|_| self.planes.context),
        }
    }

    /// The tiles, row by row of tiles.
    fn tiles(&self) -> impl Iterator<Item = SumTile> + use<> {
        let [ny, nx] = self.shape;
        let pieces = |n: usize| (0..n).step_by(TILE).map(move |first| first..n.min(first + TILE));
        pieces(ny).flat_map(move |rows| pieces(nx).map(move |columns| SumTile::new(rows.clone(), columns)))
    }
}

/// What one exposure gave to the cube.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// For each plane, whether any pixel contributed to it.
    pub planes: Vec<bool>,
    /// The number of the exposure in the context, from 0; `None` where no pixel of it reaches the output.
    pub number: Option<u32>,
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
/// LentSums are kept in double precision. Each worker owns tiles of the output and adds the exposures to them in
/// the order in which they are given, so that the result has the same bits for any number of threads; a single one
/// owns all, and adds each exposure while it is collected.
#[derive(Debug)]
pub struct Drizzler {
    pub(crate) plan: DrizzlePlan,
    pub(crate) tiles: Vec<SumTile>,
    pub(crate) inputs_per_plane: Vec<u32>,
    /// Exposures so far of which some pixel reached the output.
    pub(crate) exposures: u32,
    pub(crate) finalized: bool,
}

impl Drizzler {
    /// Empty sums. Memory is taken tile by tile as droplets come.
    pub fn new(plan: DrizzlePlan) -> Self {
        let tiles = plan.tiles().collect();
        let inputs_per_plane = vec![0; plan.wavelengths.bins()];
        Self { plan, tiles, inputs_per_plane, exposures: 0, finalized: false }
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

    /// LentSums of a plane in double precision: of the weights, and of weight times flux. What a kernel that conserves flux
    /// makes of `n` pixels of weight 1 on the output is `n`, and the sum of their fluxes.
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

    /// Adds one exposure after another, in the order of `sources`.
    ///
    /// `load` turns a source into droplets, through [`DrizzlePlan::collect`]; it is called from several threads, one
    /// source each, so that reading and projecting run beside each other. What it tells, or its error, stands in
    /// the answer at the source's place; after an error the other sources are added all the same. Collecting is the last
    /// that may fail in `load`, for on one thread the droplets go into the sums as they are collected. Memory grows with
    /// the number of threads, not with that of sources. For sums that do not depend on how the user names the
    /// inputs, sort them before.
    ///
    /// # Errors
    /// [`DrizzleError::Finalized`] after [`finalize`](Self::finalize); [`DrizzleError::Cancelled`] when
    /// `progress` says so, [`DrizzleError::Size`] or [`DrizzleError::Memory`] when memory is exhausted,
    /// [`DrizzleError::Collected`] when `load` fails after it has collected: the sums are then not to be used.
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
        F: Fn(&DrizzlePlan, &S, &mut Droplets) -> Result<T, E> + Sync,
    {
        if self.finalized {
            return Err(DrizzleError::Finalized);
        }
        let mut answers = Vec::with_capacity(sources.len());
        let mut buffers: Vec<Droplets> = Vec::new();
        buffers.resize_with(rayon::current_num_threads().min(sources.len()), Droplets::default);
        let directly = rayon::current_num_threads() == 1;
        for batch in sources.chunks(buffers.len().max(1)) {
            if progress.cancelled() {
                return Err(DrizzleError::Cancelled);
            }
            buffers.iter_mut().for_each(Droplets::clear);
            if directly {
                buffers.iter_mut().for_each(|droplets| droplets.sums = Some(self.lend()));
            }
            let plan = &self.plan;
            let loaded: Vec<Result<T, E>> =
                batch.par_iter().zip(&mut buffers).map(|(source, out)| load(plan, source, out)).collect();
            let contributions =
                if directly { self.take_back(&mut buffers)? } else { self.add(&buffers[..batch.len()])? };
            if loaded.iter().zip(&buffers).any(|(result, droplets)| result.is_err() && droplets.collected) {
                return Err(DrizzleError::Collected);
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

    /// The sums back.
    fn take_back(&mut self, exposures: &mut [Droplets]) -> Result<Vec<Contribution>, DrizzleError> {
        let mut contributions = Vec::new();
        for exposure in exposures {
            let Some(sums) = exposure.sums.take() else { continue };
            self.tiles = sums.tiles;
            if let Some(failure) = sums.failure {
                return Err(failure);
            }
            let number = (!exposure.is_empty()).then_some(sums.number);
            contributions.push(self.note(Contribution { planes: sums.cursor.reached, number }));
        }
        Ok(contributions)
    }

    /// Counts an exposure.
    fn note(&mut self, contribution: Contribution) -> Contribution {
        self.exposures += u32::from(contribution.number.is_some());
        for (inputs, &reached) in self.inputs_per_plane.iter_mut().zip(&contribution.planes) {
            *inputs += u32::from(reached);
        }
        contribution
    }

    /// Adds droplets that [`DrizzlePlan::collect`] filed, exposure by exposure, in parallel over the tiles.
    fn add(&mut self, exposures: &[Droplets]) -> Result<Vec<Contribution>, DrizzleError> {
        let plan = &self.plan;
        let nz = plan.wavelengths.bins();
        let mut next = self.exposures;
        let mut numbers = Vec::with_capacity(exposures.len());
        for exposure in exposures {
            let number = (!exposure.is_empty()).then_some(next);
            next += u32::from(number.is_some());
            numbers.push(number);
        }
        let add = |tile: &mut SumTile, k: usize, exposure: &Droplets, number: Option<u32>| {
            let mut cursor = Cursor::new(nz);
            if let Some(filed) = exposure.tiles.get(k).filter(|filed| !filed.droplets.is_empty()) {
                with_kernel!(plan.options, exposure.pixel_scale_ratio, kernel => {
                    let shares = plan.shares(kernel, number);
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
            self.note(Contribution { planes, number })
        });
        Ok(contributions.collect())
    }

    pub(crate) fn fill<T: Copy>(&self, z: usize, out: &mut [T], empty: T, value: impl Fn(&Voxel) -> T) {
        let nx = self.plan.shape[1];
        for tile in &self.tiles {
            for y in tile.rows.clone() {
                let row = &mut out[y * nx + tile.columns.start..y * nx + tile.columns.end];
                match tile.row(y, z) {
                    Some(voxels) => row.iter_mut().zip(voxels).for_each(|(o, v)| *o = value(&v)),
                    None => row.fill(empty),
                }
            }
        }
    }
}

impl Drizzler {
    /// As [`fill`](Self::fill), for voxels with data; the others stay as they are.
    fn update<T: Copy>(&self, z: usize, out: &mut [T], value: impl Fn(&Voxel) -> T) {
        let nx = self.plan.shape[1];
        for tile in &self.tiles {
            for y in tile.rows.clone() {
                let row = &mut out[y * nx + tile.columns.start..y * nx + tile.columns.end];
                for (out, voxel) in row.iter_mut().zip(tile.row(y, z).into_iter().flatten()) {
                    if voxel.mean.weight != 0.0 {
                        *out = value(&voxel);
                    }
                }
            }
        }
    }

    fn named_variance(&self, k: usize, z: usize, out: &mut [f32]) {
        let planes = &self.plan.planes;
        let sum = (k < planes.variances.len()).then(|| planes.first_variance_sum() + k);
        let exposures = planes.exposure_weight_sum();
        self.fill_ratio(sum, z, out, |voxel, sums| {
            let weight = exposures.map_or(voxel.mean.weight, |k| sums[k]);
            weight * weight
        });
    }

    fn error(&self, z: usize, out: &mut [f32]) {
        let planes = &self.plan.planes;
        match planes.error {
            None => out.fill(f32::NAN),
            Some(ErrorMethod::Resampled) => {
                self.fill_ratio(planes.mean_error_sum(), z, out, |voxel, _| voxel.mean.weight);
            }
            Some(ErrorMethod::FromVariances) => {
                if planes.variances.is_empty() {
                    self.variance(z, out);
                } else {
                    out.fill(0.0);
                    let mut variance = vec![0.0; out.len()];
                    for k in 0..planes.variances.len() {
                        self.named_variance(k, z, &mut variance);
                        out.iter_mut().zip(&variance).for_each(|(sum, v)| *sum += v);
                    }
                }
                out.iter_mut().for_each(|v| *v = v.sqrt());
            }
        }
    }

    /// An optional sum over what a voxel and its optional sums say; NaN where there is none.
    #[expect(clippy::cast_possible_truncation, reason = "the cube is written in single precision")]
    fn fill_ratio(
        &self,
        sum: Option<usize>,
        z: usize,
        out: &mut [f32],
        divisor: impl Fn(&Voxel, &[f64]) -> f64,
    ) {
        out.fill(f32::NAN);
        let (nx, sums, Some(sum)) = (self.plan.shape[1], self.plan.planes.sums(), sum) else { return };
        for tile in &self.tiles {
            for y in tile.rows.clone() {
                let row = &mut out[y * nx + tile.columns.start..y * nx + tile.columns.end];
                let (Some(voxels), Some(optional)) = (tile.row(y, z), tile.optional_row(y, z, sums)) else {
                    continue;
                };
                for ((out, voxel), sums) in row.iter_mut().zip(voxels).zip(optional.chunks_exact(sums)) {
                    if voxel.mean.weight != 0.0 {
                        *out = (sums[sum] / divisor(&voxel, sums)) as f32;
                    }
                }
            }
        }
    }
}

impl CubeData for Drizzler {
    fn shape(&self) -> [usize; 3] {
        self.plan.cube_shape()
    }

    fn wavelengths(&self) -> &WavelengthGrid {
        &self.plan.wavelengths
    }

    fn inputs_per_plane(&self) -> &[u32] {
        &self.inputs_per_plane
    }

    fn science(&self, z: usize, out: &mut [f32]) {
        match self.plan.options.fill {
            FillValue::NaN => self.fill(z, out, f32::NAN, Voxel::science),
            FillValue::Value(value) => {
                self.fill(z, out, value, |v| if v.mean.weight == 0.0 { value } else { v.science() });
            }
            FillValue::Keep => self.update(z, out, Voxel::science),
        }
    }

    fn variance(&self, z: usize, out: &mut [f32]) {
        if self.plan.planes.only_mean {
            return out.fill(f32::NAN);
        }
        self.fill(z, out, f32::NAN, Voxel::variance);
    }

    fn and_mask(&self, z: usize, out: &mut [u32]) {
        self.fill(z, out, 0, Voxel::and_mask);
    }

    fn or_mask(&self, z: usize, out: &mut [u32]) {
        self.fill(z, out, 0, |v| v.set);
    }

    fn count(&self, z: usize, out: &mut [u16]) {
        self.fill(z, out, 0, Voxel::saturated_count);
    }

    fn saturated(&self) -> u64 {
        self.tiles.par_iter().map(SumTile::saturated).sum()
    }

    fn planes(&self) -> Option<&OutputPlanes> {
        Some(&self.plan.planes)
    }

    fn optional(&self, plane: OptionalPlane, z: usize, out: &mut [f32]) {
        let planes = &self.plan.planes;
        match plane {
            OptionalPlane::Weight => self.fill(z, out, 0.0, Voxel::weight),
            OptionalPlane::Wavelength => {
                self.fill_ratio(planes.wavelength_sum(), z, out, |voxel, _| voxel.mean.weight);
            }
            OptionalPlane::Error => self.error(z, out),
            OptionalPlane::NamedVariance(k) => self.named_variance(k, z, out),
        }
    }

    fn context_words(&self) -> usize {
        self.plan.context_words(self.exposures)
    }

    fn context(&self, word: usize, z: usize, out: &mut [u32]) {
        let nx = self.plan.shape[1];
        for tile in &self.tiles {
            for y in tile.rows.clone() {
                let row = &mut out[y * nx + tile.columns.start..y * nx + tile.columns.end];
                match tile.context_row(y, z, word) {
                    Some(bits) => row.copy_from_slice(bits),
                    None => row.fill(0),
                }
            }
        }
    }
}
