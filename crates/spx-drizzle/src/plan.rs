//! The plan of a drizzle: the output grid and the options, and how an exposure becomes droplets.

use spx_core::map::{PixelMap, Spans};

use crate::addition::AdditionContext;
use crate::collect::CollectionTarget;
use crate::droplets::Droplets;
use crate::exposure::pixel_scale_ratio;
use crate::kernel::SpatialKernel;
use crate::region::TILE;
use crate::sinks::{Adding, Filing};
use crate::source::FiledDroplets;
use crate::tile::SumTile;
use crate::voxel::Voxels;
use crate::weights::PixelWeights;
use crate::{DrizzleError, DrizzleOptions, Exposure, Kernel, OutputPlanes, WavelengthGrid};

/// The most voxels: what fits a FITS file and the address space with room to spare.
const MAX_VOXELS: u128 = 1 << 40;

/// Evaluates an expression with the kernel of a plan's options, for an exposure with this pixel
/// scale ratio; compiled for each kernel.
macro_rules! with_kernel {
    ($options:expr, $ratio:expr, $kernel:ident => $body:expr) => {{
        let (shrink, ratio): (f64, f64) = ($options.xy_shrink, $ratio);
        match $options.kernel {
            $crate::Kernel::Bilinear => {
                let $kernel = $crate::kernel::BilinearKernel::new(shrink);
                $body
            }
            $crate::Kernel::Square => {
                let $kernel = $crate::kernel::SquareKernel::new(shrink, ratio);
                $body
            }
            $crate::Kernel::Turbo => {
                let $kernel = $crate::kernel::TurboKernel::new(shrink, ratio);
                $body
            }
            $crate::Kernel::Point => {
                let $kernel = $crate::kernel::PointKernel;
                $body
            }
            $crate::Kernel::Gaussian => {
                let $kernel = $crate::kernel::GaussianKernel::new(shrink, ratio);
                $body
            }
            $crate::Kernel::Lanczos2 => {
                let $kernel = $crate::kernel::LanczosKernel::new(2, ratio);
                $body
            }
            $crate::Kernel::Lanczos3 => {
                let $kernel = $crate::kernel::LanczosKernel::new(3, ratio);
                $body
            }
        }
    }};
}
pub(crate) use with_kernel;

/// The output grid and the options, checked: all that is needed to turn an exposure into droplets.
#[derive(Debug, Clone, PartialEq)]
pub struct DrizzlePlan {
    pub(crate) shape: [usize; 2],
    pub(crate) wavelengths: WavelengthGrid,
    pub(crate) options: DrizzleOptions,
    pub(crate) planes: OutputPlanes,
}

impl DrizzlePlan {
    /// A plan for a cube of `shape` = `[ny, nx]` and the bins of `wavelengths`. Allocates nothing.
    ///
    /// # Errors
    /// [`DrizzleError::Size`] for an empty or absurdly large grid, [`DrizzleError::Option`] for an
    /// option out of range.
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
        let words = if self.planes.keeps_context() { exposures.div_ceil(32) } else { 0 };
        let voxel = Voxels::bytes(self.planes.only_mean)
            + self.planes.sums() * size_of::<f64>()
            + words * size_of::<u32>();
        self.cube_shape().iter().map(|&n| n as u64).product::<u64>() * voxel as u64
    }

    /// The pixels of an image of shape `[ny, nx]` that may reach the output, and so the rows to
    /// read.
    pub fn spans(&self, map: &dyn PixelMap, input: [usize; 2]) -> Spans {
        // A droplet reaches as far as its kernel; the grid ends half a pixel beyond its last
        // center.
        let ratio = self.pixel_scale_ratio(map, input);
        map.spans(input, self.shape, with_kernel!(self.options, ratio, kernel => kernel.reach()))
    }

    /// The ratio that is given, or that of the middle of the exposure; kernels that do not ask for
    /// it get 1.
    fn pixel_scale_ratio(&self, map: &dyn PixelMap, input: [usize; 2]) -> f64 {
        match (self.options.kernel, self.options.pixel_scale_ratio) {
            (Kernel::Bilinear | Kernel::Point, _) => 1.0,
            // The size of its droplets is the map's own affair.
            (Kernel::Square, _) | (_, None) => pixel_scale_ratio(map, input),
            (_, Some(ratio)) => ratio,
        }
    }

    /// Turns an exposure into droplets; `spans` is what [`spans`](Self::spans) gave for it. `out`
    /// must be empty.
    ///
    /// # Errors
    /// Where an array does not fit the exposure's rows, or the rows do not hold what `spans` names;
    /// [`DrizzleError::Collected`] where an exposure was collected before;
    /// [`DrizzleError::Cancelled`] when the progress of
    /// [`Drizzler::add_all`](crate::Drizzler::add_all) says so.
    pub fn collect(
        &self,
        exposure: &Exposure<'_>,
        spans: &Spans,
        out: &mut Droplets<'_>,
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
        out.time = exposure.extra.time / self.mean_share(exposure, ratio);
        if needed.is_empty() {
            return Ok(());
        }
        let weights = PixelWeights::new(exposure, spans);
        let background = out.background.map(|correction| correction.plane(self.shape));
        let verdict = out.median.as_ref().map(|median| median.judge(exposure, spans, &weights, background));
        out.judged = verdict.as_ref().map_or([0; 2], |verdict| [verdict.judged, verdict.rejected]);
        let outliers = verdict.map(|verdict| verdict.refused);
        let Droplets { tiles, sums, any, piece, time, interruption, .. } = out;
        let memory = (piece, *interruption);
        with_kernel!(self.options, ratio, kernel => {
            let target = self.target(kernel, weights, outliers, background);
            *any = if let Some(sums) = sums {
                let shares = self.shares(kernel, Some((sums.number, *time)));
                let columns = self.shape[1].div_ceil(TILE);
                target.collect(exposure, spans, memory, &mut Adding { sums, shares, columns })?
            } else {
                tiles.resize_with(self.tiles().count(), FiledDroplets::default);
                target.collect(exposure, spans, memory, &mut Filing { tiles })?
            };
        });
        if let Some(sums) = sums {
            sums.tiles.iter_mut().for_each(|tile| tile.end_exposure(&self.planes, constant_weight));
        }
        Ok(())
    }

    fn target<'a, K>(
        &'a self,
        kernel: K,
        weights: PixelWeights<'a>,
        outliers: Option<Vec<u32>>,
        background: Option<[f64; 3]>,
    ) -> CollectionTarget<'a, K> {
        CollectionTarget {
            kernel,
            shape: self.shape,
            wavelengths: &self.wavelengths,
            half_z_shrink: 0.5 * self.options.effective_z_shrink(),
            half_xy_shrink: 0.5 * self.options.xy_shrink,
            ivar_max: self.options.ivar_max,
            planes: &self.planes,
            weights,
            outliers,
            background,
        }
    }

    /// What the shares of an exposure in an output pixel that it covers add up to, on the mean over
    /// places and wavelengths: those of a pixel times the number of pixels in an output pixel.
    fn mean_share(&self, exposure: &Exposure<'_>, kernel_ratio: f64) -> f64 {
        let of_a_pixel = match self.options.kernel {
            Kernel::Bilinear => self.options.xy_shrink * self.options.xy_shrink,
            Kernel::Lanczos2 | Kernel::Lanczos3 => 1.0 / (kernel_ratio * kernel_ratio),
            Kernel::Square | Kernel::Turbo | Kernel::Point | Kernel::Gaussian => 1.0,
        };
        let ratio = pixel_scale_ratio(exposure.pixel_map, exposure.shape);
        of_a_pixel * ratio * ratio
    }

    /// For an exposure of this number and this effective exposure time for a share of 1; neither
    /// counts in a drizzle of its own.
    pub(crate) fn shares<K>(&self, kernel: K, exposure: Option<(u32, f64)>) -> AdditionContext<'_, K> {
        AdditionContext {
            kernel,
            wavelengths: &self.wavelengths,
            half_z_shrink: 0.5 * self.options.effective_z_shrink(),
            ivar_max: self.options.ivar_max,
            min_overlap: self.options.min_overlap,
            planes: &self.planes,
            number: exposure.map(|(number, _)| number).filter(|_| self.planes.keeps_context()),
            time: exposure.map_or(0.0, |(_, time)| time),
        }
    }

    /// The tiles, row by row of tiles.
    pub(crate) fn tiles(&self) -> impl Iterator<Item = SumTile> + use<> {
        let [ny, nx] = self.shape;
        let pieces = |n: usize| (0..n).step_by(TILE).map(move |first| first..n.min(first + TILE));
        pieces(ny).flat_map(move |rows| pieces(nx).map(move |columns| SumTile::new(rows.clone(), columns)))
    }
}
