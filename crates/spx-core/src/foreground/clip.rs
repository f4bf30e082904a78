//! The scale of the zodiacal light by clipped least squares, and without what stands above the
//! background as a whole.

use super::gather::BackgroundPixels;

/// Residuals beyond this are clipped [standard deviations].
const CLIP: f32 = 3.0;
/// The standard deviation of normal values is this times that of those within 3 of them.
const WIDER: f64 = 1.013_57;
/// A median absolute deviation times this is the standard deviation of normal values.
const NORMAL: f32 = 1.4826;
/// Pixels that tell where the fit begins.
const FIRST: usize = 4096;
/// How often a fit is repeated at most.
const ROUNDS: usize = 20;
/// How often blocks are left out at most.
const BLOCK_ROUNDS: usize = 5;
/// Sampled pixels that a block should hold.
const BLOCK_PIXELS: usize = 64;
/// Blocks of fewer background pixels than this are not judged.
const FEWEST: u32 = 12;
/// With fewer blocks than this there is no telling what stands above the others.
const FEWEST_BLOCKS: usize = 12;
/// Partial sums; always as many, so that every machine finds the same bits.
const LANES: usize = 8;

/// A scale, fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ClippedScale {
    pub(super) scale: f64,
    pub(super) error: f64,
    /// Pixels left after clipping.
    pub(super) pixels: usize,
    /// Standard deviation of the residuals [MJy/sr].
    sigma: f64,
}

/// A scale, and which pixels it was fitted to.
#[derive(Debug)]
pub(super) struct UnextendedScale {
    pub(super) scale: ClippedScale,
    pub(super) kept: Vec<bool>,
    /// Share of the blocks that stand above the others.
    pub(super) extended_fraction: f64,
}

/// The estimator of spxquery: no clipping, weights of 1/variance.
pub(super) fn inverse_variance(pixels: &BackgroundPixels) -> UnextendedScale {
    let (mut up, mut down) = (0.0, 0.0);
    for ((image, zodi), variance) in pixels.image.iter().zip(&pixels.zodi).zip(&pixels.variance) {
        let weighted = f64::from(*zodi) / f64::from(*variance);
        up += weighted * f64::from(*image);
        down += weighted * f64::from(*zodi);
    }
    let pixels = pixels.len();
    let scale = ClippedScale { scale: up / down, error: down.sqrt().recip(), pixels, sigma: f64::NAN };
    UnextendedScale { scale, kept: vec![true; pixels], extended_fraction: 0.0 }
}

/// Fits the scale, and again without the blocks of pixels that stand above or below the others,
/// until these stay the same.
pub(super) fn without_extended(pixels: &BackgroundPixels) -> UnextendedScale {
    let mut kept = vec![true; pixels.len()];
    let mut extended_fraction = 0.0;
    let (mut image, mut zodi) = (pixels.image.clone(), pixels.zodi.clone());
    for _ in 0..BLOCK_ROUNDS {
        let scale = fit(&image, &zodi);
        let mut blocks = BackgroundBlocks::new(pixels, &scale);
        extended_fraction = blocks.judge();
        let before = kept.clone();
        blocks.keep(pixels, &mut kept);
        if kept == before {
            return UnextendedScale { scale, kept, extended_fraction };
        }
        let left = |values: &[f32]| values.iter().zip(&kept).filter(|(_, k)| **k).map(|(v, _)| *v).collect();
        (image, zodi) = (left(&pixels.image), left(&pixels.zodi));
    }
    UnextendedScale { scale: fit(&image, &zodi), kept, extended_fraction }
}

/// Least squares with clipping until it settles.
fn fit(image: &[f32], zodi: &[f32]) -> ClippedScale {
    let Some([mut scale, mut sigma]) = first(image, zodi) else { return ClippedScale::default() };
    let mut best = ClippedScale::default();
    for _ in 0..ROUNDS {
        let sums = sums(image, zodi, scale, CLIP * sigma);
        let (n, change) = (sums.pixels as f64, sums.residual_zodi / sums.zodi_zodi);
        let deviation = WIDER * (sums.squares / n).sqrt();
        best = ClippedScale {
            scale: f64::from(scale) + change,
            error: deviation / sums.zodi_zodi.sqrt(),
            pixels: sums.pixels,
            sigma: deviation,
        };
        let settled = change.abs() <= 0.01 * best.error && (deviation / f64::from(sigma) - 1.0).abs() < 1e-3;
        if settled || sums.pixels == 0 {
            break;
        }
        #[expect(clippy::cast_possible_truncation, reason = "where to clip next; the sums are f64")]
        let next = (best.scale as f32, deviation as f32);
        (scale, sigma) = next;
    }
    best
}

/// Scale and deviation to begin with, from medians of some pixels.
fn first(image: &[f32], zodi: &[f32]) -> Option<[f32; 2]> {
    let step = (image.len() / FIRST) | 1;
    let some = || image.iter().zip(zodi).step_by(step);
    let scale = median(&mut some().map(|(image, zodi)| image / zodi).collect::<Vec<_>>())?;
    let spread = median(&mut some().map(|(image, zodi)| (image - scale * zodi).abs()).collect::<Vec<_>>())?;
    // Never zero, so that pixels without any noise are not clipped by rounding.
    Some([scale, (NORMAL * spread).max(1e-6 * scale.abs() * zodi[0].abs())])
}

/// The upper of the two in the middle where their number is even.
pub(super) fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

/// Sums over residuals that are not clipped.
#[derive(Debug, Clone, Copy, Default)]
struct ResidualSums {
    pixels: usize,
    squares: f64,
    residual_zodi: f64,
    zodi_zodi: f64,
}

fn sums(image: &[f32], zodi: &[f32], scale: f32, limit: f32) -> ResidualSums {
    let mut lanes = [[0.0f64; LANES]; 3];
    let mut counts = [0u32; LANES];
    let mut add = |image: &[f32; LANES], zodi: &[f32; LANES]| {
        for k in 0..LANES {
            let residual = image[k] - scale * zodi[k];
            let inside = residual.abs() <= limit;
            let (r, z) = if inside { (f64::from(residual), f64::from(zodi[k])) } else { (0.0, 0.0) };
            lanes[0][k] += r * r;
            lanes[1][k] += r * z;
            lanes[2][k] += z * z;
            counts[k] += u32::from(inside);
        }
    };
    let ((images, image), (zodis, zodi)) = (image.as_chunks::<LANES>(), zodi.as_chunks::<LANES>());
    images.iter().zip(zodis).for_each(|(image, zodi)| add(image, zodi));
    // The rest, filled up with pixels that are always clipped.
    let (mut last_image, mut last_zodi) = ([f32::INFINITY; LANES], [0.0; LANES]);
    last_image[..image.len()].copy_from_slice(image);
    last_zodi[..zodi.len()].copy_from_slice(zodi);
    add(&last_image, &last_zodi);
    let sum = |k: usize| lanes[k].iter().sum();
    let pixels = counts.iter().map(|n| *n as usize).sum();
    ResidualSums { pixels, squares: sum(0), residual_zodi: sum(1), zodi_zodi: sum(2) }
}

/// Square blocks of an image.
struct BackgroundBlocks {
    side: usize,
    columns: usize,
    /// Background pixels, those of them that are not clipped, and the sum of their residuals.
    sums: Vec<(u32, u32, f32)>,
    /// Which stand out.
    out: Vec<bool>,
}

impl BackgroundBlocks {
    fn new(pixels: &BackgroundPixels, found: &ClippedScale) -> Self {
        let [ny, nx] = pixels.shape;
        let side = (BLOCK_PIXELS * pixels.step).isqrt().max(1);
        let (columns, rows) = (nx.div_ceil(side), ny.div_ceil(side));
        let mut sums = vec![(0u32, 0u32, 0.0f32); columns * rows];
        #[expect(clippy::cast_possible_truncation, reason = "pixels are f32")]
        let (scale, limit) = (found.scale as f32, CLIP * found.sigma as f32);
        for (y, range) in &pixels.rows {
            let row = &mut sums[y / side * columns..][..columns];
            for at in range.clone() {
                let sum = &mut row[pixels.x[at] as usize / side];
                let residual = pixels.image[at] - scale * pixels.zodi[at];
                let inside = residual.abs() <= limit;
                sum.0 += 1;
                sum.1 += u32::from(inside);
                sum.2 += if inside { residual } else { 0.0 };
            }
        }
        Self { side, columns, out: vec![false; sums.len()], sums }
    }

    /// Marks the blocks that stand out, those above with their neighbors; gives the share of those
    /// above.
    ///
    /// A block stands out whose mean is farther from the median of all than 3 standard deviations
    /// of a mean of so many pixels, by the blocks below the median, which extended light does not
    /// touch; or most of whose pixels are clipped.
    fn judge(&mut self) -> f64 {
        let mean = |&(all, inside, sum): &(u32, u32, f32)| {
            (all >= FEWEST).then(|| if 2 * inside < all { f32::INFINITY } else { sum / inside as f32 })
        };
        let means: Vec<Option<f32>> = self.sums.iter().map(mean).collect();
        let mut judged: Vec<f32> = means.iter().copied().flatten().collect();
        let count = judged.len();
        if count < FEWEST_BLOCKS {
            return 0.0;
        }
        let Some(middle) = median(&mut judged) else { return 0.0 };
        let deviation = |(mean, sum): (&Option<f32>, &(u32, u32, f32))| {
            mean.map(|mean| (mean - middle) * (sum.1.max(1) as f32).sqrt())
        };
        let deviations: Vec<Option<f32>> = means.iter().zip(&self.sums).map(deviation).collect();
        let mut below: Vec<f32> = deviations.iter().flatten().filter(|d| **d <= 0.0).map(|d| -d).collect();
        let Some(spread) = median(&mut below) else { return 0.0 };
        let reach = CLIP * NORMAL * spread;
        let mut above = 0;
        for (block, deviation) in deviations.iter().enumerate() {
            let Some(deviation) = *deviation else { continue };
            if deviation > reach {
                above += 1;
                self.mark_around(block);
            } else if -deviation > reach {
                self.out[block] = true;
            }
        }
        f64::from(above) / count as f64
    }

    /// Marks a block and its eight neighbors.
    fn mark_around(&mut self, block: usize) {
        let (column, row) = (block % self.columns, block / self.columns);
        let rows = self.sums.len() / self.columns;
        for row in row.saturating_sub(1)..(row + 2).min(rows) {
            for column in column.saturating_sub(1)..(column + 2).min(self.columns) {
                self.out[row * self.columns + column] = true;
            }
        }
    }

    /// Which pixels lie in blocks that do not stand out.
    fn keep(&self, pixels: &BackgroundPixels, kept: &mut [bool]) {
        for (y, range) in &pixels.rows {
            let row = &self.out[y / self.side * self.columns..][..self.columns];
            for at in range.clone() {
                kept[at] = !row[pixels.x[at] as usize / self.side];
            }
        }
    }
}
