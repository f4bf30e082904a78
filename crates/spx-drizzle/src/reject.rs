//! Rejection of outliers: hits, satellites, and moving objects that no flag marks.
//!
//! The method is that of Fruchter & Hook (2002, section 5), in three dimensions. Each exposure is
//! drizzled by itself; a voxel's median over these is what the sky is taken to be; the median is
//! seen through the exposure's map ("blotted"), and a pixel is rejected where
//!
//! ```text
//! |I - blot| > sigma s + contrast max(blot)
//! ```
//!
//! with the greatest blot of the pixel and its eight neighbors. They compare with the derivative of
//! the blot; in images as undersampled as those of SPHEREx that removes a quarter of the stars,
//! whereas the greatest blot leaves them: with `contrast` 2 one pixel in 60,000 goes, all of them
//! in the cores of stars, where voxels have few exposures; with the default of 3 none. The error
//! `s` is the root of the smoothed variance ([`SmoothedVariance`]): one that followed the pixel's
//! own rate would spare what is too bright and reject what is too faint.
//!
//! A pixel that falls on voxels with fewer than `min_coverage` exposures is not judged. A variable
//! source is kept up to 1.5 times its median; as pixels in whose middle it falls use up most of the
//! contrast, one that is twice as bright in every fifth exposure loses 5 % of its mean.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use spx_core::map::{Passband, Spans};

use crate::addition::WavelengthShares;
use crate::weights::{PixelWeights, SmoothedVariance};
use crate::{DrizzleError, DrizzleOptions, Exposure, WavelengthGrid};

/// When a pixel is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RejectionOptions {
    /// How many errors a pixel may lie from the blotted median.
    pub sigma: f64,
    /// How many times the greatest blotted median among the pixel and its neighbors it may lie from
    /// it besides.
    pub contrast: f64,
    /// The fewest exposures of a voxel by which pixels are judged, at least 3.
    pub min_coverage: usize,
    /// Memory that the stack of single drizzles may take \[bytes\], about; exposures are loaded
    /// once more for each part of the output whose stack fits.
    pub memory: u64,
}

impl Default for RejectionOptions {
    fn default() -> Self {
        Self { sigma: 4.5, contrast: 3.0, min_coverage: 4, memory: 4 << 30 }
    }
}

impl RejectionOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// [`DrizzleError::Option`] naming the first option that is out of range or NaN.
    pub fn validate(&self) -> Result<(), DrizzleError> {
        let check = |ok: bool, name, value, problem| {
            if ok { Ok(()) } else { Err(DrizzleError::Option { name, value, problem }) }
        };
        check(self.sigma > 0.0, "sigma", self.sigma, "it must be above 0")?;
        check(self.contrast >= 0.0, "contrast", self.contrast, "it must be at least 0")?;
        check(self.min_coverage >= 3, "min_coverage", self.min_coverage as f64, "it must be at least 3")
    }
}

/// What was found of the pixels of an exposure.
pub(crate) struct Verdict {
    /// 1 for each that is rejected, 0 for others; row-major for the rows that the exposure holds.
    pub(crate) refused: Vec<u32>,
    /// How many could be judged.
    pub(crate) judged: u64,
    /// How many of those are rejected.
    pub(crate) rejected: u64,
}

/// What the sky is taken to be: medians of single drizzles.
#[derive(Debug)]
pub(crate) struct MedianCube {
    shape: [usize; 3],
    wavelengths: WavelengthGrid,
    half_z_shrink: f64,
    /// `[z][y][x]` \[MJy/sr\], NaN where too few exposures have data.
    values: Vec<f32>,
    pub(crate) options: RejectionOptions,
}

impl MedianCube {
    /// Nothing is known yet of `[ny, nx]` pixels.
    pub(crate) fn new(
        [ny, nx]: [usize; 2],
        wavelengths: WavelengthGrid,
        drizzle: &DrizzleOptions,
        options: RejectionOptions,
    ) -> Result<Self, DrizzleError> {
        let (shape, half_z_shrink) = ([wavelengths.bins(), ny, nx], 0.5 * drizzle.effective_z_shrink());
        let mut values = Vec::new();
        let voxels = shape.iter().product();
        values.try_reserve_exact(voxels).map_err(|_| DrizzleError::Memory)?;
        values.resize(voxels, f32::NAN);
        Ok(Self { shape, wavelengths, half_z_shrink, values, options })
    }

    /// Sets the medians of rows and columns of the output, `[z][y][x]`.
    pub(crate) fn set(&mut self, rows: &Range<usize>, columns: &Range<usize>, medians: &[f32]) {
        let [nz, ny, nx] = self.shape;
        let places = (0..nz).flat_map(|z| rows.clone().map(move |y| (z * ny + y) * nx));
        for (first, row) in places.zip(medians.chunks_exact(columns.len())) {
            self.values[first + columns.start..first + columns.end].copy_from_slice(row);
        }
    }

    /// Judges the pixels of an exposure that could take part, by the variance that is smoothed for
    /// its weights where they have one.
    /// `background` is what is subtracted from the flux, as in
    /// [`CollectionTarget`](crate::collect::CollectionTarget).
    pub(crate) fn judge(
        &self,
        exposure: &Exposure<'_>,
        spans: &Spans,
        weights: &PixelWeights<'_>,
        background: Option<[f64; 3]>,
    ) -> Verdict {
        let (nx, held) = (exposure.shape[1], exposure.rows.clone());
        let mut verdict = Verdict { refused: vec![0; held.len() * nx], judged: 0, rejected: 0 };
        let blot = self.blot(exposure, spans);
        let own;
        let smoothed = match weights {
            PixelWeights::Smoothed(smoothed) => smoothed,
            _ => {
                own = SmoothedVariance::around(exposure, spans);
                &own
            }
        };
        let (mut flux, mut positions) = (vec![0.0; nx], Vec::new());
        let scale = exposure.extra.flux_scale;
        for y in spans.rows() {
            let first = (y - held.start) * nx;
            exposure.fluxes(&(first..first + nx), &mut flux);
            if let Some([at_first, along_x, along_y]) = background {
                positions.resize(nx, [f64::NAN; 2]);
                exposure.pixel_map.map_row(0.0, y as f64, &mut positions);
                let pixels = flux.iter_mut().zip(&positions);
                pixels.for_each(|(flux, [x, y])| *flux -= at_first + along_x * x + along_y * y);
            }
            for x in spans.0[y].clone() {
                let found = f64::from(blot[first + x]);
                if !exposure.usable(first + x) || found.is_nan() {
                    continue;
                }
                verdict.judged += 1;
                let error = scale.abs() * smoothed.at(x, y).sqrt();
                let (off, limit) = ((flux[x] - found).abs(), self.options.sigma * error);
                // The neighbors are looked at only where it may come to them.
                let greatest = || greatest_around(&blot, [held.len(), nx], [y - held.start, x]).max(0.0);
                if off > limit && off > limit + self.options.contrast * greatest() {
                    verdict.refused[first + x] = 1;
                    verdict.rejected += 1;
                }
            }
        }
        verdict
    }

    /// The median as an exposure would see it, row-major for the rows that it holds; NaN where it
    /// is not known.
    #[expect(clippy::cast_possible_truncation, reason = "medians are in single precision")]
    fn blot(&self, exposure: &Exposure<'_>, spans: &Spans) -> Vec<f32> {
        let nx = exposure.shape[1];
        let mut blot = vec![f32::NAN; exposure.rows.len() * nx];
        let mut shares = WavelengthShares::default();
        let (mut positions, mut bands) = (Vec::new(), Vec::new());
        let (edges, half) = (self.wavelengths.edges(), self.half_z_shrink);
        for y in spans.rows() {
            let columns = spans.0[y].clone();
            positions.resize(columns.len(), [f64::NAN; 2]);
            bands.resize(columns.len(), Passband { center: f64::NAN, width: f64::NAN });
            exposure.pixel_map.map_row(columns.start as f64, y as f64, &mut positions);
            exposure.wavelength_map.passband_row(columns.start as f64, y as f64, &mut bands);
            let first = (y - exposure.rows.start) * nx + columns.start;
            for ((out, position), band) in blot[first..].iter_mut().zip(&positions).zip(&bands) {
                let low = band.center - half * band.width;
                let seen = low < edges[edges.len() - 1] && band.center + half * band.width > edges[0];
                if !(seen && band.width > 0.0) {
                    continue;
                }
                shares.find(*band, edges, half);
                let planes = shares.shares.iter();
                *out = planes.map(|(z, share)| share * self.between(*z, *position)).sum::<f64>() as f32;
            }
        }
        blot
    }

    /// The median at a position of plane `z`, bilinear between the four voxels around it; NaN where
    /// one is not known.
    fn between(&self, z: usize, [x, y]: [f64; 2]) -> f64 {
        let [_, ny, nx] = self.shape;
        let inside = x >= 0.0 && y >= 0.0 && x <= nx as f64 - 1.0 && y <= ny as f64 - 1.0;
        if !inside {
            return f64::NAN;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the grid")]
        let (column, row) = (x as usize, y as usize);
        let (fx, fy) = (x - column as f64, y - row as f64);
        let value = |row: usize, column: usize, weight: f64| {
            // A neighbor that does not count may lie beyond the grid.
            let at = (z * ny + row.min(ny - 1)) * nx + column.min(nx - 1);
            if weight == 0.0 { 0.0 } else { weight * f64::from(self.values[at]) }
        };
        value(row, column, (1.0 - fx) * (1.0 - fy))
            + value(row, column + 1, fx * (1.0 - fy))
            + value(row + 1, column, (1.0 - fx) * fy)
            + value(row + 1, column + 1, fx * fy)
    }
}

/// The greatest of a pixel `[y, x]` and its eight neighbors, of those that are known.
fn greatest_around(blot: &[f32], [ny, nx]: [usize; 2], [y, x]: [usize; 2]) -> f64 {
    let around = |at: usize, n: usize| at.saturating_sub(1)..(at + 2).min(n);
    let rows = around(y, ny).map(|y| &blot[y * nx..][around(x, nx)]);
    rows.flatten().copied().fold(f32::NEG_INFINITY, f32::max).into()
}
