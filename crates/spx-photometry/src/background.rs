//! The background of a source: the sigma-clipped median of the pixels around it.
//!
//! A pixel is usable that has no bad flag, is not flagged SOURCE, and has a finite value. Where too few are usable,
//! SOURCE pixels are allowed; where they are still too few, there is no background.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::ops::Range;

use crate::aperture::clip;
use crate::image::CheckedImage;
use crate::options::{BackgroundMethod, BackgroundOptions};
use crate::statistics::sigma_clip;
use crate::{Aperture, NoMeasurement};

/// The background of one source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Background {
    /// Median after clipping [MJy/sr].
    pub(crate) level: f64,
    /// Standard deviation after clipping, over the root of the number of usable pixels [MJy/sr].
    pub(crate) error: f64,
    /// Usable pixels, before clipping.
    pub(crate) pixels: usize,
    /// Inner and outer radius of the annulus in the end \[px\]; `None` for a window.
    pub(crate) annulus: Option<[f64; 2]>,
    /// How often the annulus grew.
    pub(crate) growths: usize,
    /// Pixels flagged SOURCE were allowed.
    pub(crate) source_pixels: bool,
    /// The region reaches beyond the image; what lies there is missing.
    pub(crate) clipped: bool,
}

/// Where background pixels may lie: a rectangle, and limits of the distance from the source.
struct Region {
    columns: Range<usize>,
    rows: Range<usize>,
    inner: f64,
    outer: f64,
    clipped: bool,
}

/// Flags that make a pixel unusable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Masks {
    pub(crate) bad: u32,
    pub(crate) source: u32,
}

/// Estimates the background around an aperture; `values` is working memory.
pub(crate) fn estimate(
    image: &CheckedImage<'_>,
    aperture: &Aperture,
    options: &BackgroundOptions,
    masks: Masks,
    values: &mut Vec<f64>,
) -> Result<Background, NoMeasurement> {
    let search = Search { image, aperture, options, masks };
    let (region, growths) = match options.method {
        BackgroundMethod::Annulus => search.annulus(values)?,
        BackgroundMethod::Window => {
            let region = search.window();
            search.gather(&region, masks.bad | masks.source, values);
            (region, 0)
        }
    };
    let source_pixels = values.len() < options.min_usable_pixels;
    if source_pixels {
        search.gather(&region, masks.bad, values);
    }
    let pixels = values.len();
    if pixels < options.min_usable_pixels {
        return Err(NoMeasurement::Background { found: pixels, needed: options.min_usable_pixels });
    }
    let clipped = sigma_clip(values, options.clip_sigma, options.clip_iterations);
    Ok(Background {
        level: clipped.median,
        error: clipped.deviation / (pixels as f64).sqrt(),
        pixels,
        annulus: (options.method == BackgroundMethod::Annulus).then_some([region.inner, region.outer]),
        growths,
        source_pixels,
        clipped: region.clipped,
    })
}

struct Search<'a> {
    image: &'a CheckedImage<'a>,
    aperture: &'a Aperture,
    options: &'a BackgroundOptions,
    masks: Masks,
}

impl Search<'_> {
    /// The annulus, grown until enough pixels are usable or it may grow no more, and how often it grew.
    fn annulus(&self, values: &mut Vec<f64>) -> Result<(Region, usize), NoMeasurement> {
        let options = self.options;
        let inner = self.aperture.radius + options.annulus_inner_offset;
        let limit = options.max_outer_radius;
        if inner >= limit {
            return Err(NoMeasurement::EmptyAnnulus { inner, outer: limit });
        }
        let mut outer = (options.min_annulus_area / PI + inner * inner).sqrt().min(limit);
        let mut growths = 0;
        loop {
            let region = self.region([2.0 * outer; 2], inner, outer);
            self.gather(&region, self.masks.bad | self.masks.source, values);
            let enough = values.len() >= options.min_usable_pixels;
            if enough || growths == options.max_annulus_attempts || outer >= limit {
                return Ok((region, growths));
            }
            outer = (outer + options.annulus_expansion_step).min(limit);
            growths += 1;
        }
    }

    /// The window: the pixels from `floor(c - size / 2)` up to and without `ceil(c + size / 2)` on either axis, as
    /// spxquery has it, without those that may touch the aperture.
    fn window(&self) -> Region {
        let size = self.options.window_size.map(|n| n as f64);
        let mut region = self.region(size, self.aperture.radius + FRAC_1_SQRT_2, f64::INFINITY);
        let span = |c: f64, size: f64, n| clip((c - 0.5 * size).floor(), (c + 0.5 * size).ceil() - 1.0, n);
        let [ny, nx] = self.image.view.shape;
        region.rows = span(self.aperture.y, size[0], ny);
        region.columns = span(self.aperture.x, size[1], nx);
        region
    }

    /// A region of `size` `[height, width]` around the source, of pixels whose centres lie within.
    fn region(&self, size: [f64; 2], inner: f64, outer: f64) -> Region {
        let [ny, nx] = self.image.view.shape;
        let Aperture { x, y, .. } = *self.aperture;
        let [low, high] = [-1.0, 1.0].map(|side| [x + side * 0.5 * size[1], y + side * 0.5 * size[0]]);
        let beyond = |low: f64, high: f64, n: usize| low < -0.5 || high > n as f64 - 0.5;
        Region {
            columns: clip(low[0].ceil(), high[0].floor(), nx),
            rows: clip(low[1].ceil(), high[1].floor(), ny),
            inner,
            outer,
            clipped: beyond(low[0], high[0], nx) || beyond(low[1], high[1], ny),
        }
    }

    /// The usable pixels of a region, row by row, into `values`.
    ///
    /// Every pixel is written, and the next one over it where it is not usable: branches that go either way at random
    /// would cost more.
    fn gather(&self, region: &Region, excluded: u32, values: &mut Vec<f64>) {
        let (inner, outer) = (region.inner * region.inner, region.outer * region.outer);
        values.clear();
        values.resize(region.rows.len() * region.columns.len(), 0.0);
        let mut usable = 0;
        for y in region.rows.clone() {
            let dy = y as f64 - self.aperture.y;
            for (x, (flags, value)) in region.columns.clone().zip(self.image.row(region.columns.clone(), y)) {
                let dx = x as f64 - self.aperture.x;
                let distance = dx * dx + dy * dy;
                values[usable] = value;
                let within = (inner <= distance) & (distance <= outer);
                usable += usize::from((flags & excluded == 0) & within & value.is_finite());
            }
        }
        values.truncate(usable);
    }
}
