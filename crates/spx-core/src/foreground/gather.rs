//! The background pixels of an image, of evenly spaced pairs of rows.

use super::ForegroundInput;
use crate::flags::FlagSelection;
use crate::map::{Passband, WavelengthMap};
use crate::pixels::{Pixels, PlaneSample};

/// Which pixels are background.
#[derive(Debug, Clone, Copy)]
pub(super) struct BackgroundRule {
    /// Flags of bad pixels.
    pub(super) bad: u32,
    /// The flag of sources.
    pub(super) source: u32,
    /// Pixels this near to a source are none, along either axis.
    pub(super) growth: usize,
    /// Whether variances are kept.
    pub(super) with_variance: bool,
}

impl BackgroundRule {
    pub(super) fn new(input: &ForegroundInput<'_>, bad: &FlagSelection, growth: usize) -> Self {
        let names = input.flag_names;
        // Presets cannot fail to resolve: they pass over names that a file lacks.
        let bad = bad.mask(names).unwrap_or_default();
        Self { bad, source: names.mask("SOURCE"), growth, with_variance: false }
    }
}

/// Some rows of an image, in which NaN marks the pixels that are no background.
#[derive(Debug, Clone)]
pub(super) struct BackgroundPixels {
    /// `[ny, nx]` of the image.
    pub(super) shape: [usize; 2],
    /// One in so many rows was looked at.
    pub(super) step: usize,
    /// Those of the pixels that do not lie near a source.
    pub(super) open: usize,
    /// Those that are background.
    pub(super) background: usize,
    /// The rows.
    pub(super) rows: Vec<usize>,
    /// Row by row [MJy/sr]; NaN where a pixel is no background.
    pub(super) image: Vec<f32>,
    /// [MJy/sr]
    pub(super) zodi: Vec<f32>,
    /// [(MJy/sr)^2]; empty where the rule does not ask for it.
    pub(super) variance: Vec<f32>,
}

impl BackgroundPixels {
    /// Those of so many rows that about `wanted` pixels are looked at; of more rows where sources
    /// leave less than half of that.
    pub(super) fn sample(input: &ForegroundInput<'_>, rule: BackgroundRule, wanted: usize) -> Self {
        let rows = wanted.div_ceil(input.shape[1].max(1)).max(1);
        let step = input.shape[0].div_ceil(rows).max(1);
        let pixels = Self::gather(input, rule, step);
        let denser = (step * pixels.background).div_ceil((wanted / 2).max(1)).max(1);
        if denser < step { Self::gather(input, rule, denser) } else { pixels }
    }

    /// Those of one in `step` rows, two by two: neighbors share the rows in which sources are
    /// looked for.
    pub(super) fn gather(input: &ForegroundInput<'_>, rule: BackgroundRule, step: usize) -> Self {
        let [ny, nx] = input.shape;
        let pairs: Vec<usize> = (step - 1..if nx == 0 { 0 } else { ny }).step_by(2 * step).collect();
        let rows: Vec<usize> = pairs.iter().flat_map(|&y| y..(y + 2).min(ny)).collect();
        let count = rows.len() * nx;
        let mut pixels = Self {
            shape: input.shape,
            step,
            open: 0,
            background: 0,
            rows,
            image: vec![0.0; count],
            zodi: vec![0.0; count],
            variance: Vec::with_capacity(if rule.with_variance { count } else { 0 }),
        };
        let mut lines = GatheredLines::new(input, rule);
        let mut planes =
            pixels.image.chunks_exact_mut(nx.max(1)).zip(pixels.zodi.chunks_exact_mut(nx.max(1)));
        for first in pairs {
            let last = (first + 1).min(ny - 1);
            lines.find_sources(first, last);
            for y in first..=last {
                let Some((image, zodi)) = planes.next() else { break };
                let [open, background] = lines.read(y, image, zodi);
                pixels.open += open;
                pixels.background += background;
                if rule.with_variance {
                    pixels.variance.extend_from_slice(&lines.variance);
                }
            }
        }
        pixels
    }

    /// Mean of the zodiacal model over the background [MJy/sr]; 0 where there is none.
    pub(super) fn mean_zodi(&self) -> f64 {
        let background = self.image.iter().zip(&self.zodi).filter(|(image, _)| !image.is_nan());
        background.map(|(_, zodi)| f64::from(*zodi)).sum::<f64>() / self.background.max(1) as f64
    }

    /// The image less the zodiacal light [MJy/sr].
    pub(super) fn less_zodi(&self, scale: f64) -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "pixels are f32")]
        let scale = scale as f32;
        self.image.iter().zip(&self.zodi).map(|(image, zodi)| image - scale * zodi).collect()
    }

    /// The same pixels, less something that depends on the number of the pixel [MJy/sr].
    pub(super) fn less(&self, sky: impl Fn(usize) -> f32) -> Self {
        let image = self.image.iter().enumerate().map(|(at, image)| image - sky(at)).collect();
        Self { image, ..self.clone() }
    }

    /// Wavelengths \[um\] of about `wanted` pixels, of evenly spaced columns; NaN for the others.
    pub(super) fn wavelengths(&self, map: &dyn WavelengthMap, wanted: usize) -> Vec<f32> {
        let every = (self.background / wanted.max(1)).max(1);
        let mut wavelengths = vec![f32::NAN; self.image.len()];
        let nx = self.shape[1];
        let mut bands = vec![Passband { center: f64::NAN, width: f64::NAN }; nx];
        for (y, line) in self.rows.iter().zip(wavelengths.chunks_exact_mut(nx.max(1))) {
            map.passband_row(0.0, *y as f64, &mut bands);
            for (wavelength, band) in line.iter_mut().zip(&bands).step_by(every) {
                #[expect(clippy::cast_possible_truncation, reason = "six digits are enough for a bin")]
                let center = band.center as f32;
                *wavelength = center;
            }
        }
        wavelengths
    }
}

/// Rows of the image that are looked at together.
struct GatheredLines<'a, 'i> {
    input: &'a ForegroundInput<'i>,
    rule: BackgroundRule,
    /// Number of the first row in `sources`.
    first: usize,
    /// The flag of sources of some rows, with `growth` places on either side of each.
    sources: Vec<u32>,
    /// The same of a row and those near it.
    near: Vec<u32>,
    flags: Vec<i32>,
    variance: Vec<f32>,
}

impl<'a, 'i> GatheredLines<'a, 'i> {
    fn new(input: &'a ForegroundInput<'i>, rule: BackgroundRule) -> Self {
        let nx = input.shape[1];
        let near = vec![0; nx + 2 * rule.growth];
        Self { input, rule, first: 0, sources: Vec::new(), near, flags: vec![0; nx], variance: vec![0.0; nx] }
    }

    /// Looks for sources in some rows and near them.
    fn find_sources(&mut self, first: usize, last: usize) {
        let growth = self.rule.growth;
        self.first = first.saturating_sub(growth);
        let rows = self.first..(last + growth + 1).min(self.input.shape[0]);
        let width = self.near.len();
        self.sources.clear();
        self.sources.resize(rows.len() * width, 0);
        for (y, line) in rows.zip(self.sources.chunks_exact_mut(width)) {
            copy_row(&self.input.planes.flags, y, &mut self.flags);
            for (source, flags) in line[growth..].iter_mut().zip(&self.flags) {
                *source = flags.cast_unsigned() & self.rule.source;
            }
        }
    }

    /// One of these rows; how many of its pixels do not lie near a source, and how many are
    /// background.
    fn read(&mut self, y: usize, image: &mut [f32], zodi: &mut [f32]) -> [usize; 2] {
        self.add_near(y);
        let planes = &self.input.planes;
        copy_row(&planes.flags, y, &mut self.flags);
        copy_row(&planes.image, y, image);
        copy_row(&planes.zodi, y, zodi);
        copy_row(&planes.variance, y, &mut self.variance);
        for circle in self.input.excluded {
            let square = circle.radius * circle.radius - (y as f64 - circle.center[1]).powi(2);
            for (x, image) in image.iter_mut().enumerate() {
                if (x as f64 - circle.center[0]).powi(2) <= square {
                    *image = f32::NAN;
                }
            }
        }
        let (mut open, mut background) = (0u32, 0u32);
        let bad = self.rule.bad;
        let seen = self.near.iter().zip(&self.flags).zip(&self.variance);
        for ((image, zodi), ((near, flags), variance)) in image.iter_mut().zip(zodi).zip(seen) {
            let positive = (*variance > 0.0) & (*variance < f32::INFINITY);
            let finite = (image.abs() < f32::INFINITY) & (zodi.abs() < f32::INFINITY) & (*zodi != 0.0);
            let good = ((near | (flags.cast_unsigned() & bad)) == 0) & positive & finite;
            open += u32::from(*near == 0);
            background += u32::from(good);
            *image = if good { *image } else { f32::NAN };
        }
        [open as usize, background as usize]
    }

    /// Notes in `near`, from place 0 on, whether a source is near the pixels of a row.
    fn add_near(&mut self, y: usize) {
        let (growth, width) = (self.rule.growth, self.near.len());
        self.near.fill(0);
        let lines = y.saturating_sub(growth)..(y + growth + 1).min(self.first + self.sources.len() / width);
        for line in lines {
            let line = &self.sources[(line - self.first) * width..][..width];
            self.near.iter_mut().zip(line).for_each(|(near, source)| *near |= source);
        }
        // Each time the places behind tell of one more.
        for _ in 0..2 * growth {
            for x in 1..width {
                self.near[x - 1] |= self.near[x];
            }
        }
    }
}

fn copy_row<T: PlaneSample>(plane: &Pixels<'_, T>, y: usize, to: &mut [T]) {
    plane.slice(y * to.len()..(y + 1) * to.len()).copy_to(to);
}
