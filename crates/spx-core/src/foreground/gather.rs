//! The background pixels of an image, of evenly spaced rows.

use std::ops::Range;

use super::ForegroundInput;
use crate::flags::FlagSelection;
use crate::map::{Passband, WavelengthMap};
use crate::pixels::{Pixels, PlaneSample};

/// Background pixels, row by row.
#[derive(Debug, Clone)]
pub(super) struct BackgroundPixels {
    /// `[ny, nx]` of the image.
    pub(super) shape: [usize; 2],
    /// From one row to the next.
    pub(super) step: usize,
    /// All pixels of the rows that were looked at.
    pub(super) sampled: usize,
    /// Those of them that are usable but for a source near them.
    pub(super) near_source: usize,
    /// Rows, and the background pixels in each.
    pub(super) rows: Vec<(usize, Range<usize>)>,
    /// Columns.
    pub(super) x: Vec<u32>,
    /// [MJy/sr]
    pub(super) image: Vec<f32>,
    /// [MJy/sr]
    pub(super) zodi: Vec<f32>,
    /// [(MJy/sr)^2]
    pub(super) variance: Vec<f32>,
}

impl BackgroundPixels {
    /// Those of every `step`-th row without any of the flags of a preset, not within `growth`
    /// pixels of one that is flagged SOURCE.
    pub(super) fn gather(
        input: &ForegroundInput<'_>,
        bad: &FlagSelection,
        growth: usize,
        step: usize,
    ) -> Self {
        let [ny, nx] = input.shape;
        let lines: Vec<usize> = (step / 2..ny).step_by(step).collect();
        let capacity = lines.len() * nx;
        let mut pixels = Self {
            shape: input.shape,
            step,
            sampled: capacity,
            near_source: 0,
            rows: Vec::with_capacity(lines.len()),
            x: Vec::with_capacity(capacity),
            image: Vec::with_capacity(capacity),
            zodi: Vec::with_capacity(capacity),
            variance: Vec::with_capacity(capacity),
        };
        let mut line = GatheredLine::new(input, bad, growth);
        for y in lines {
            line.read(y);
            pixels.append(y, &line);
        }
        pixels
    }

    pub(super) fn len(&self) -> usize {
        self.x.len()
    }

    fn append(&mut self, y: usize, line: &GatheredLine<'_, '_>) {
        let start = self.len();
        let usable = (0u32..).zip(&line.usable).filter(|(_, usable)| **usable).map(|(x, _)| x);
        self.x.extend(usable);
        let columns = &self.x[start..];
        let chosen = |plane: &[f32], to: &mut Vec<f32>| to.extend(columns.iter().map(|x| plane[*x as usize]));
        chosen(&line.image, &mut self.image);
        chosen(&line.zodi, &mut self.zodi);
        chosen(&line.variance, &mut self.variance);
        self.near_source += line.near_source;
        self.rows.push((y, start..self.x.len()));
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

    /// Wavelengths \[um\] of at least some `wanted` pixels, of evenly spaced rows; NaN for the
    /// others.
    pub(super) fn wavelengths(&self, map: &dyn WavelengthMap, wanted: usize) -> Vec<f32> {
        let every = (self.len() / wanted.max(1)).max(1);
        let mut wavelengths = vec![f32::NAN; self.len()];
        let mut bands = vec![Passband { center: f64::NAN, width: f64::NAN }; self.shape[1]];
        for (y, pixels) in self.rows.iter().step_by(every) {
            map.passband_row(0.0, *y as f64, &mut bands);
            for (wavelength, x) in wavelengths[pixels.clone()].iter_mut().zip(&self.x[pixels.clone()]) {
                #[expect(clippy::cast_possible_truncation, reason = "six digits are enough for a bin")]
                let center = bands[*x as usize].center as f32;
                *wavelength = center;
            }
        }
        wavelengths
    }
}

/// One row of the image, in memory.
struct GatheredLine<'a, 'i> {
    input: &'a ForegroundInput<'i>,
    bad: u32,
    source: u32,
    growth: usize,
    image: Vec<f32>,
    zodi: Vec<f32>,
    variance: Vec<f32>,
    flags: Vec<i32>,
    /// SOURCE in this row or one near it, with `growth` places on either side.
    near: Vec<u32>,
    usable: Vec<bool>,
    near_source: usize,
}

impl<'a, 'i> GatheredLine<'a, 'i> {
    fn new(input: &'a ForegroundInput<'i>, bad: &FlagSelection, growth: usize) -> Self {
        let nx = input.shape[1];
        let names = input.flag_names;
        Self {
            input,
            // Presets cannot fail to resolve: they pass over names that a file lacks.
            bad: bad.mask(names).unwrap_or_default(),
            source: names.mask("SOURCE"),
            growth,
            image: vec![0.0; nx],
            zodi: vec![0.0; nx],
            variance: vec![0.0; nx],
            flags: vec![0; nx],
            near: vec![0; nx + 2 * growth],
            usable: vec![false; nx],
            near_source: 0,
        }
    }

    fn read(&mut self, y: usize) {
        let [ny, nx] = self.input.shape;
        let planes = &self.input.planes;
        self.near.fill(0);
        for near in y.saturating_sub(self.growth)..(y + self.growth + 1).min(ny) {
            if near != y {
                copy_row(&planes.flags, near, &mut self.flags);
                self.add_sources();
            }
        }
        copy_row(&planes.flags, y, &mut self.flags);
        self.add_sources();
        copy_row(&planes.image, y, &mut self.image);
        copy_row(&planes.zodi, y, &mut self.zodi);
        copy_row(&planes.variance, y, &mut self.variance);
        for x in 0..nx {
            let (image, zodi, variance) = (self.image[x], self.zodi[x], self.variance[x]);
            self.usable[x] = (self.flags[x].cast_unsigned() & (self.bad | self.source) == 0)
                & image.is_finite()
                & (zodi.is_finite() & (zodi != 0.0))
                & (variance.is_finite() & (variance > 0.0));
        }
        for circle in self.input.excluded {
            let square = circle.radius * circle.radius - (y as f64 - circle.center[1]).powi(2);
            for (x, usable) in self.usable.iter_mut().enumerate() {
                *usable &= (x as f64 - circle.center[0]).powi(2) > square;
            }
        }
        self.near_source = 0;
        let wide = 2 * self.growth + 1;
        for (x, usable) in self.usable.iter_mut().enumerate() {
            let near = self.near[x..x + wide].iter().fold(0, |all, near| all | near) != 0;
            self.near_source += usize::from(*usable & near);
            *usable &= !near;
        }
    }

    /// Notes the sources of the row in `flags`.
    fn add_sources(&mut self) {
        for (near, flags) in self.near[self.growth..].iter_mut().zip(&self.flags) {
            *near |= flags.cast_unsigned() & self.source;
        }
    }
}

fn copy_row<T: PlaneSample>(plane: &Pixels<'_, T>, y: usize, to: &mut [T]) {
    plane.slice(y * to.len()..(y + 1) * to.len()).copy_to(to);
}
