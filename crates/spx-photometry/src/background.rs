//! The background of a source: the sigma-clipped median of the pixels around it.
//!
//! A pixel is usable that has no bad flag, is not flagged SOURCE, and has a finite value. Where too
//! few are usable, SOURCE pixels are allowed; where they are still too few, there is no background.
//!
//! Where the profile of the source is known, [`BackgroundRegion::again`] takes its light out of the
//! pixels first.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::ops::Range;

use crate::aperture::clip;
use crate::options::{BackgroundMethod, BackgroundOptions};
use crate::psf::ProfileTile;
use crate::statistics::BackgroundSample;
use crate::view::{CheckedImage, RegionBeyond};
use crate::{CircularAperture, NoMeasurement};

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
    /// Whether the region reaches beyond the image; what lies there is missing.
    pub(crate) beyond: RegionBeyond,
}

/// Where background pixels may lie: a rectangle, and limits of the distance from the source.
#[derive(Debug)]
pub(crate) struct BackgroundRegion {
    /// Columns and rows.
    pub(crate) pixels: [Range<usize>; 2],
    inner: f64,
    outer: f64,
    beyond: RegionBeyond,
    /// Flags that exclude a pixel.
    excluded: u32,
    /// How often it grew.
    growths: usize,
    /// Usable pixels.
    usable: usize,
}

/// Flags that make a pixel unusable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Masks {
    pub(crate) bad: u32,
    pub(crate) source: u32,
}

/// Estimates the background around an aperture, and says from where; `sample` is working memory.
pub(crate) fn estimate(
    image: &CheckedImage<'_>,
    aperture: &CircularAperture,
    options: &BackgroundOptions,
    masks: Masks,
    sample: &mut BackgroundSample,
) -> Result<(Background, BackgroundRegion), NoMeasurement> {
    let search = BackgroundSearch { image, aperture, options, masks };
    let mut region = match options.method {
        BackgroundMethod::Annulus => search.annulus(sample)?,
        BackgroundMethod::Window => {
            let mut region = search.window();
            search.gather(&mut region, sample);
            region
        }
    };
    let needed = options.min_usable_pixels;
    let source_pixels = region.usable < needed;
    if source_pixels {
        region.excluded = masks.bad;
        search.gather(&mut region, sample);
    }
    let pixels = region.usable;
    let clipped = sample.sigma_clip(options.clip_sigma, options.clip_iterations);
    let clipped =
        clipped.filter(|_| pixels >= needed).ok_or(NoMeasurement::Background { found: pixels, needed })?;
    let background = Background {
        level: clipped.median,
        error: clipped.deviation / (pixels as f64).sqrt(),
        pixels,
        annulus: (options.method == BackgroundMethod::Annulus).then_some([region.inner, region.outer]),
        growths: region.growths,
        source_pixels,
        beyond: region.beyond,
    };
    Ok((background, region))
}

impl BackgroundRegion {
    /// Level and error [MJy/sr] once more, from the same pixels less the light of a source of this
    /// flux [MJy/sr px^2].
    pub(crate) fn again(
        &self,
        image: &CheckedImage<'_>,
        aperture: &CircularAperture,
        options: &BackgroundOptions,
        (profile, flux): (&ProfileTile, f64),
        sample: &mut BackgroundSample,
    ) -> Option<[f64; 2]> {
        let [columns, rows] = &self.pixels;
        let found = sample.fill(columns.len() * rows.len(), |values| {
            image.copy_values(&self.pixels, self.excluded, values);
            self.exclude(aperture, values);
            let [lit_columns, lit_rows] = profile.bounds();
            for y in lit_rows.start.max(rows.start)..lit_rows.end.min(rows.end) {
                let row = &mut values[(y - rows.start) * columns.len()..];
                for x in lit_columns.start.max(columns.start)..lit_columns.end.min(columns.end) {
                    row[x - columns.start] -= flux * profile.at(x, y);
                }
            }
        });
        let clipped = sample.sigma_clip(options.clip_sigma, options.clip_iterations)?;
        Some([clipped.median, clipped.deviation / (found as f64).sqrt()])
    }

    /// Takes out the pixels that are too near or too far.
    fn exclude(&self, aperture: &CircularAperture, values: &mut [f64]) {
        let (inner, outer) = (self.inner * self.inner, self.outer * self.outer);
        // Without an outer limit, only pixels near the source have to be looked at.
        let reach = if self.outer.is_finite() { self.outer } else { self.inner };
        let near = |c: f64, span: &Range<usize>| {
            let near = clip((c - reach).floor(), (c + reach).ceil(), span.end);
            near.start.max(span.start)..near.end
        };
        let [columns, rows] = &self.pixels;
        for y in near(aperture.y, rows) {
            let dy = y as f64 - aperture.y;
            let row = &mut values[(y - rows.start) * columns.len()..];
            for x in near(aperture.x, columns) {
                let dx = x as f64 - aperture.x;
                let distance = dx * dx + dy * dy;
                if !(inner..=outer).contains(&distance) {
                    row[x - columns.start] = f64::NAN;
                }
            }
        }
    }
}

struct BackgroundSearch<'a> {
    image: &'a CheckedImage<'a>,
    aperture: &'a CircularAperture,
    options: &'a BackgroundOptions,
    masks: Masks,
}

impl BackgroundSearch<'_> {
    /// The annulus, grown until enough pixels are usable or it may grow no more.
    fn annulus(&self, sample: &mut BackgroundSample) -> Result<BackgroundRegion, NoMeasurement> {
        let options = self.options;
        let inner = self.aperture.radius + options.annulus_inner_offset;
        let limit = options.max_outer_radius;
        if inner >= limit {
            return Err(NoMeasurement::EmptyAnnulus { inner, outer: limit });
        }
        let mut outer = (options.min_annulus_area / PI + inner * inner).sqrt().min(limit);
        let mut growths = 0;
        loop {
            let mut region = BackgroundRegion { growths, ..self.region([2.0 * outer; 2], inner, outer) };
            self.gather(&mut region, sample);
            let enough = region.usable >= options.min_usable_pixels;
            if enough || growths == options.max_annulus_attempts || outer >= limit {
                return Ok(region);
            }
            outer = (outer + options.annulus_expansion_step).min(limit);
            growths += 1;
        }
    }

    /// The window: the pixels from `floor(c - size / 2)` up to and without `ceil(c + size / 2)` on
    /// either axis, as spxquery has it, without those that may touch the aperture.
    fn window(&self) -> BackgroundRegion {
        let size = self.options.window_size.map(|n| n as f64);
        let mut region = self.region(size, self.aperture.radius + FRAC_1_SQRT_2, f64::INFINITY);
        let span = |c: f64, size: f64, n| clip((c - 0.5 * size).floor(), (c + 0.5 * size).ceil() - 1.0, n);
        let [ny, nx] = self.image.view.shape;
        region.pixels = [span(self.aperture.x, size[1], nx), span(self.aperture.y, size[0], ny)];
        region
    }

    /// A region of `size` `[height, width]` around the source, of pixels whose centers lie within.
    fn region(&self, size: [f64; 2], inner: f64, outer: f64) -> BackgroundRegion {
        let [ny, nx] = self.image.view.shape;
        let CircularAperture { x, y, .. } = *self.aperture;
        let [low, high] = [-1.0, 1.0].map(|side| [x + side * 0.5 * size[1], y + side * 0.5 * size[0]]);
        BackgroundRegion {
            pixels: [clip(low[0].ceil(), high[0].floor(), nx), clip(low[1].ceil(), high[1].floor(), ny)],
            inner,
            outer,
            beyond: self.image.view.beyond(low, high),
            excluded: self.masks.bad | self.masks.source,
            growths: 0,
            usable: 0,
        }
    }

    /// The usable pixels of a region, into `sample`.
    fn gather(&self, region: &mut BackgroundRegion, sample: &mut BackgroundSample) {
        let [columns, rows] = &region.pixels;
        region.usable = sample.fill(columns.len() * rows.len(), |values| {
            self.image.copy_values(&region.pixels, region.excluded, values);
            region.exclude(self.aperture, values);
        });
    }
}
