//! The engine: a plan of the output, and the sums that grow as exposures are added.

use rayon::prelude::*;
use spx_core::map::{PixelMap, Spans};
use spx_core::progress::Progress;

use crate::cube::CubeData;
use crate::droplet::{Droplets, TILE, Target};
use crate::kernel::{Bilinear, SpatialKernel};
use crate::tile::{Shares, Tile, Voxel};
use crate::{DrizzleError, DrizzleOptions, Exposure, Kernel, WavelengthGrid};

/// The most voxels: what fits a FITS file and the address space with room to spare.
const MAX_VOXELS: u128 = 1 << 40;

/// The output grid and the options, checked: all that is needed to turn an exposure into droplets.
#[derive(Debug, Clone)]
pub struct Plan {
    shape: [usize; 2],
    wavelengths: WavelengthGrid,
    options: DrizzleOptions,
}

impl Plan {
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
        Ok(Self { shape, wavelengths, options })
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

    /// Memory of the accumulators once every tile has been reached \[bytes\].
    pub fn accumulator_bytes(&self) -> u64 {
        self.cube_shape().iter().map(|&n| n as u64).product::<u64>() * size_of::<Voxel>() as u64
    }

    /// The pixels of an image of shape `[ny, nx]` that may reach the output, and so the rows to read.
    pub fn spans(&self, map: &dyn PixelMap, input: [usize; 2]) -> Spans {
        // A droplet reaches as far as its kernel; the grid ends half a pixel beyond its last centre.
        let reach = match self.options.kernel {
            Kernel::Bilinear => self.bilinear().reach(),
        };
        map.spans(input, self.shape, reach)
    }

    /// Turns an exposure into droplets; `spans` is what [`spans`](Self::spans) gave for it.
    ///
    /// # Errors
    /// Where an array does not fit the exposure's rows, or the rows do not hold what `spans` names.
    pub fn collect(
        &self,
        exposure: &Exposure<'_>,
        spans: &Spans,
        out: &mut Droplets,
    ) -> Result<(), DrizzleError> {
        out.clear();
        out.tiles.resize_with(self.tiles().count(), Vec::new);
        match self.options.kernel {
            Kernel::Bilinear => self.target(self.bilinear()).collect(exposure, spans, out),
        }
    }

    fn bilinear(&self) -> Bilinear {
        Bilinear::new(self.options.xy_shrink)
    }

    fn target<K>(&self, kernel: K) -> Target<'_, K> {
        Target {
            kernel,
            shape: self.shape,
            wavelengths: &self.wavelengths,
            half_z_shrink: 0.5 * self.options.effective_z_shrink(),
        }
    }

    fn shares<K>(&self, kernel: K) -> Shares<'_, K> {
        Shares {
            kernel,
            wavelengths: &self.wavelengths,
            half_z_shrink: 0.5 * self.options.effective_z_shrink(),
            ivar_max: self.options.ivar_max,
            min_overlap: self.options.min_overlap,
        }
    }

    /// The tiles, row by row of tiles.
    fn tiles(&self) -> impl Iterator<Item = Tile> + use<> {
        let [ny, nx] = self.shape;
        let pieces = |n: usize| (0..n).step_by(TILE).map(move |first| first..n.min(first + TILE));
        pieces(ny).flat_map(move |rows| pieces(nx).map(move |columns| Tile::new(rows.clone(), columns)))
    }
}

/// What one exposure gave to the cube.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// For each plane, whether any pixel contributed to it.
    pub planes: Vec<bool>,
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
/// Sums are kept in double precision. Each worker owns tiles of the output and adds the exposures to them in
/// the order in which they are given, so that the result has the same bits for any number of threads.
#[derive(Debug)]
pub struct Drizzler {
    plan: Plan,
    tiles: Vec<Tile>,
    inputs_per_plane: Vec<u32>,
}

impl Drizzler {
    /// Empty sums. Memory is taken tile by tile as droplets come.
    pub fn new(plan: Plan) -> Self {
        let tiles = plan.tiles().collect();
        let inputs_per_plane = vec![0; plan.wavelengths.bins()];
        Self { plan, tiles, inputs_per_plane }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Adds one exposure after another, in the order of `sources`.
    ///
    /// `load` turns a source into droplets, through [`Plan::collect`]; it is called from several threads, one
    /// source each, so that reading and projecting run beside each other. What it tells, or its error, stands in
    /// the answer at the source's place; after an error the other sources are added all the same. Memory grows with the number of
    /// threads, not with that of sources. For sums that do not depend on how the user names the inputs,
    /// sort them before.
    ///
    /// # Errors
    /// [`DrizzleError::Cancelled`] when `progress` says so, [`DrizzleError::Size`] when memory is exhausted;
    /// the sums are then incomplete.
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
        F: Fn(&Plan, &S, &mut Droplets) -> Result<T, E> + Sync,
    {
        let mut answers = Vec::with_capacity(sources.len());
        let mut buffers: Vec<Droplets> = Vec::new();
        buffers.resize_with(rayon::current_num_threads().min(sources.len()), Droplets::default);
        for batch in sources.chunks(buffers.len().max(1)) {
            if progress.cancelled() {
                return Err(DrizzleError::Cancelled);
            }
            let plan = &self.plan;
            let loaded: Vec<Result<T, E>> = batch
                .par_iter()
                .zip(&mut buffers)
                .map(|(source, droplets)| {
                    droplets.clear();
                    let result = load(plan, source, droplets);
                    if result.is_err() {
                        droplets.clear();
                    }
                    result
                })
                .collect();
            let planes = self.add(&buffers[..batch.len()])?;
            answers.extend(
                loaded.into_iter().zip(planes).map(|(result, planes)| result.map(|told| (told, planes))),
            );
            progress.advance(batch.len() as u64);
        }
        Ok(answers)
    }

    /// Adds droplets that [`Plan::collect`] gave, exposure by exposure, in parallel over the tiles.
    fn add(&mut self, exposures: &[Droplets]) -> Result<Vec<Contribution>, DrizzleError> {
        let plan = &self.plan;
        let nz = plan.wavelengths.bins();
        let reached: Vec<Vec<Vec<bool>>> = self
            .tiles
            .par_iter_mut()
            .enumerate()
            .map(|(k, tile)| {
                exposures
                    .iter()
                    .map(|exposure| {
                        let droplets = exposure.tiles.get(k).map_or(&[][..], Vec::as_slice);
                        match plan.options.kernel {
                            Kernel::Bilinear => tile.add(droplets, plan.shares(plan.bilinear())),
                        }
                        .map(<[bool]>::to_vec)
                    })
                    .collect()
            })
            .collect::<Result<_, _>>()?;
        let contributions = (0..exposures.len()).map(|exposure| {
            let planes = (0..nz).map(|z| reached.iter().any(|tile| tile[exposure][z])).collect();
            Contribution { planes }
        });
        let contributions: Vec<Contribution> = contributions.collect();
        for contribution in &contributions {
            for (inputs, &reached) in self.inputs_per_plane.iter_mut().zip(&contribution.planes) {
                *inputs += u32::from(reached);
            }
        }
        Ok(contributions)
    }

    fn fill<T: Copy>(&self, z: usize, out: &mut [T], empty: T, value: impl Fn(&Voxel) -> T) {
        let nx = self.plan.shape[1];
        for tile in &self.tiles {
            for y in tile.rows.clone() {
                let row = &mut out[y * nx + tile.columns.start..y * nx + tile.columns.end];
                match tile.row(y, z) {
                    Some(voxels) => row.iter_mut().zip(voxels).for_each(|(o, v)| *o = value(v)),
                    None => row.fill(empty),
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
        self.fill(z, out, f32::NAN, Voxel::science);
    }

    fn variance(&self, z: usize, out: &mut [f32]) {
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
        self.tiles.par_iter().map(Tile::saturated).sum()
    }
}
