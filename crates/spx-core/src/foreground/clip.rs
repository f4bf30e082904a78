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
/// Pixels that tell where to clip.
const SOME: usize = 1 << 15;
/// All pixels are looked at again where they give a scale that is farther than this from that of
/// some [errors].
const FARTHEST: f64 = 5.0;
/// How often a fit is repeated at most.
const ROUNDS: usize = 20;
/// How often blocks are left out at most.
const BLOCK_ROUNDS: usize = 5;
/// Background pixels that a block should hold.
const BLOCK_PIXELS: usize = 64;
/// Blocks of fewer background pixels than this are not judged.
const FEWEST: u32 = 12;
/// With fewer blocks than this there is no telling what stands above the others.
const FEWEST_BLOCKS: usize = 12;
/// Partial sums; always as many, so that every machine finds the same bits.
const LANES: usize = 8;
/// Pixels that are summed in single precision.
const RUN: usize = 512;

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

/// A scale, and the blocks of pixels to which it was fitted.
#[derive(Debug)]
pub(super) struct UnextendedScale {
    pub(super) scale: ClippedScale,
    pub(super) blocks: BackgroundBlocks,
    /// Share of the blocks that stand above the others.
    pub(super) extended_fraction: f64,
}

/// The estimator of spxquery: no clipping, weights of 1/variance.
pub(super) fn inverse_variance(pixels: &BackgroundPixels) -> UnextendedScale {
    let (mut up, mut down) = (0.0, 0.0);
    for ((image, zodi), variance) in pixels.image.iter().zip(&pixels.zodi).zip(&pixels.variance) {
        if !image.is_nan() {
            let weighted = f64::from(*zodi) / f64::from(*variance);
            up += weighted * f64::from(*image);
            down += weighted * f64::from(*zodi);
        }
    }
    let (error, count) = (f64::sqrt(down).recip(), pixels.background);
    let scale = ClippedScale { scale: up / down, error, pixels: count, sigma: f64::NAN };
    UnextendedScale { scale, blocks: BackgroundBlocks::new(pixels), extended_fraction: 0.0 }
}

/// Fits the scale, and again without the blocks of pixels that stand above or below the others,
/// until these stay the same.
///
/// Where to clip is found from a part of the pixels; all of them are looked at once in each round.
/// That the middle of the clipped range is off by a fraction of the error moves the scale by a
/// fortieth of that.
pub(super) fn without_extended(pixels: &BackgroundPixels) -> UnextendedScale {
    let mut blocks = BackgroundBlocks::new(pixels);
    let (mut scale, mut extended_fraction) = (ClippedScale::default(), 0.0);
    for _ in 0..BLOCK_ROUNDS {
        let [image, zodi] = blocks.some(pixels);
        let begin = fit(&image, &zodi);
        blocks.add(pixels, &begin);
        let before = blocks.out.clone();
        extended_fraction = blocks.judge();
        scale = blocks.scale(&begin);
        if (scale.scale - begin.scale).abs() > FARTHEST * scale.error {
            blocks.add(pixels, &scale);
            scale = blocks.scale(&scale);
        }
        if blocks.out == before {
            break;
        }
    }
    UnextendedScale { scale, blocks, extended_fraction }
}

/// Least squares with clipping until it settles.
fn fit(image: &[f32], zodi: &[f32]) -> ClippedScale {
    let Some([mut scale, mut sigma]) = first(image, zodi) else { return ClippedScale::default() };
    let mut best = ClippedScale::default();
    for _ in 0..ROUNDS {
        let mut sums = ResidualSums::default();
        sums.add(image, zodi, scale, CLIP * sigma);
        best = sums.scale(f64::from(scale));
        let change = best.scale - f64::from(scale);
        let settled = change.abs() <= 0.01 * best.error && (best.sigma / f64::from(sigma) - 1.0).abs() < 1e-3;
        if settled || best.pixels == 0 {
            break;
        }
        #[expect(clippy::cast_possible_truncation, reason = "where to clip next; the sums are f64")]
        let next = (best.scale as f32, best.sigma as f32);
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

/// Sums over residuals.
#[derive(Debug, Clone, Copy, Default)]
struct ResidualSums {
    /// Background pixels.
    all: u32,
    /// Those of them that are not clipped, and their sums.
    inside: u32,
    residual: f64,
    squares: f64,
    residual_zodi: f64,
    zodi_zodi: f64,
}

impl ResidualSums {
    /// Adds pixels, of which NaN marks those that are no background.
    fn add(&mut self, image: &[f32], zodi: &[f32], scale: f32, limit: f32) {
        for (image, zodi) in image.chunks(RUN).zip(zodi.chunks(RUN)) {
            let mut lanes = LaneSums::default();
            let ((images, image), (zodis, zodi)) = (image.as_chunks::<LANES>(), zodi.as_chunks::<LANES>());
            images.iter().zip(zodis).for_each(|(image, zodi)| lanes.add(image, zodi, scale, limit));
            if !image.is_empty() {
                let (mut last_image, mut last_zodi) = ([f32::NAN; LANES], [0.0; LANES]);
                last_image[..image.len()].copy_from_slice(image);
                last_zodi[..zodi.len()].copy_from_slice(zodi);
                lanes.add(&last_image, &last_zodi, scale, limit);
            }
            let sum = |lanes: &[f32; LANES]| lanes.iter().map(|sum| f64::from(*sum)).sum::<f64>();
            self.all += lanes.all.iter().sum::<u32>();
            self.inside += lanes.inside.iter().sum::<u32>();
            self.residual += sum(&lanes.residual);
            self.squares += sum(&lanes.squares);
            self.residual_zodi += sum(&lanes.residual_zodi);
            self.zodi_zodi += sum(&lanes.zodi_zodi);
        }
    }

    fn add_sums(&mut self, other: &Self) {
        self.all += other.all;
        self.inside += other.inside;
        self.residual += other.residual;
        self.squares += other.squares;
        self.residual_zodi += other.residual_zodi;
        self.zodi_zodi += other.zodi_zodi;
    }

    /// What follows of residuals from a scale.
    fn scale(&self, from: f64) -> ClippedScale {
        let deviation = WIDER * (self.squares / f64::from(self.inside)).sqrt();
        ClippedScale {
            scale: from + self.residual_zodi / self.zodi_zodi,
            error: deviation / self.zodi_zodi.sqrt(),
            pixels: self.inside as usize,
            sigma: deviation,
        }
    }
}

/// The same of a run of pixels, of every eighth in a place of its own.
#[derive(Default)]
struct LaneSums {
    all: [u32; LANES],
    inside: [u32; LANES],
    residual: [f32; LANES],
    squares: [f32; LANES],
    residual_zodi: [f32; LANES],
    zodi_zodi: [f32; LANES],
}

impl LaneSums {
    #[inline(always)]
    fn add(&mut self, image: &[f32; LANES], zodi: &[f32; LANES], scale: f32, limit: f32) {
        for k in 0..LANES {
            let residual = image[k] - scale * zodi[k];
            let inside = residual.abs() <= limit;
            let (r, z) = if inside { (residual, zodi[k]) } else { (0.0, 0.0) };
            self.all[k] += u32::from(!image[k].is_nan());
            self.inside[k] += u32::from(inside);
            self.residual[k] += r;
            self.squares[k] += r * r;
            self.residual_zodi[k] += r * z;
            self.zodi_zodi[k] += z * z;
        }
    }
}

/// Square blocks of an image.
#[derive(Debug)]
pub(super) struct BackgroundBlocks {
    side: usize,
    columns: usize,
    sums: Vec<ResidualSums>,
    /// Which stand out.
    out: Vec<bool>,
}

impl BackgroundBlocks {
    /// None stands out.
    fn new(pixels: &BackgroundPixels) -> Self {
        let [ny, nx] = pixels.shape;
        let area = BLOCK_PIXELS * pixels.step * pixels.image.len() / pixels.background.max(1);
        let side = area.isqrt().next_multiple_of(LANES).max(LANES);
        let (columns, rows) = (nx.div_ceil(side), ny.div_ceil(side));
        let count = columns * rows;
        Self { side, columns, sums: vec![ResidualSums::default(); count], out: vec![false; count] }
    }

    /// Some of the background pixels of blocks that do not stand out, from everywhere.
    fn some(&self, pixels: &BackgroundPixels) -> [Vec<f32>; 2] {
        // Odd, so that it is no divisor of the rows' length.
        let step = (pixels.background / SOME) | 1;
        let count = pixels.image.len() / step + 1;
        let mut some = [Vec::with_capacity(count), Vec::with_capacity(count)];
        let mut skipped = 0;
        for (k, &y) in pixels.rows.iter().enumerate() {
            let nx = pixels.shape[1];
            let out = &self.out[y / self.side * self.columns..][..self.columns];
            let mut x = skipped;
            while x < nx {
                let at = k * nx + x;
                if !(pixels.image[at].is_nan() || out[x / self.side]) {
                    some[0].push(pixels.image[at]);
                    some[1].push(pixels.zodi[at]);
                }
                x += step;
            }
            skipped = x - nx;
        }
        some
    }

    /// Adds up all pixels anew, clipped about a scale.
    fn add(&mut self, pixels: &BackgroundPixels, found: &ClippedScale) {
        self.sums.fill(ResidualSums::default());
        #[expect(clippy::cast_possible_truncation, reason = "pixels are f32")]
        let (scale, limit) = (found.scale as f32, CLIP * found.sigma as f32);
        let nx = pixels.shape[1].max(1);
        let lines = pixels.image.chunks_exact(nx).zip(pixels.zodi.chunks_exact(nx));
        for (y, (image, zodi)) in pixels.rows.iter().zip(lines) {
            let row = &mut self.sums[y / self.side * self.columns..][..self.columns];
            let runs = image.chunks(self.side).zip(zodi.chunks(self.side));
            row.iter_mut().zip(runs).for_each(|(sums, (image, zodi))| sums.add(image, zodi, scale, limit));
        }
    }

    /// The scale that the sums of the blocks give that do not stand out; they were clipped about
    /// `begin`.
    fn scale(&self, begin: &ClippedScale) -> ClippedScale {
        let mut all = ResidualSums::default();
        let kept = self.sums.iter().zip(&self.out).filter(|(_, out)| !**out);
        kept.for_each(|(sums, _)| all.add_sums(sums));
        all.scale(begin.scale)
    }

    /// Background pixels of the blocks that do not stand out.
    pub(super) fn kept(&self) -> usize {
        self.sums.iter().zip(&self.out).filter(|(_, out)| !**out).map(|(sums, _)| sums.all as usize).sum()
    }

    /// Values of the pixels; NaN where a block stands out.
    pub(super) fn without(&self, pixels: &BackgroundPixels, values: &[f32]) -> Vec<f32> {
        let nx = pixels.shape[1];
        let mut left = values.to_vec();
        for (y, line) in pixels.rows.iter().zip(left.chunks_exact_mut(nx.max(1))) {
            let out = &self.out[y / self.side * self.columns..][..self.columns];
            for (out, values) in out.iter().zip(line.chunks_mut(self.side)) {
                if *out {
                    values.fill(f32::NAN);
                }
            }
        }
        left
    }

    /// Marks the blocks that stand out, those above with their neighbors; gives the share of those
    /// above.
    ///
    /// A block stands out whose mean is farther from the median of all than 3 standard deviations
    /// of a mean of so many pixels, by the blocks below the median, which extended light does not
    /// touch; or most of whose pixels are clipped.
    fn judge(&mut self) -> f64 {
        self.out.fill(false);
        let mean = |&ResidualSums { all, inside, residual, .. }: &ResidualSums| {
            #[expect(clippy::cast_possible_truncation, reason = "a mean of values that are f32")]
            let mean = (residual / f64::from(inside)) as f32;
            (all >= FEWEST).then_some(if 2 * inside < all { f32::INFINITY } else { mean })
        };
        let means: Vec<Option<f32>> = self.sums.iter().map(mean).collect();
        let mut judged: Vec<f32> = means.iter().copied().flatten().collect();
        let count = judged.len();
        if count < FEWEST_BLOCKS {
            return 0.0;
        }
        let Some(middle) = median(&mut judged) else { return 0.0 };
        let deviation = |(mean, sums): (&Option<f32>, &ResidualSums)| {
            mean.map(|mean| (mean - middle) * (sums.inside.max(1) as f32).sqrt())
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
}
