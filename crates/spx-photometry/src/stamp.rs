//! The pixels around a source beside the model that a measurement made of them, for pictures.

use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;

use crate::scene::{PixelRole, PointSpread};
use crate::tile::{PixelTile, TilePixel};
use crate::view::CheckedImage;
use crate::{CircularAperture, Measurement, Photometer, ProfileTile, Scene, SceneFit};

/// What a measurement made of a pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PixelUse {
    /// It lies off the image, or too far from a source to take part.
    #[default]
    Apart,
    /// It took part in the flux.
    Used,
    /// It is bad or has no value.
    Masked,
    /// It was left out for it is far from the model.
    Clipped,
}

/// A square of pixels around a source, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasurementStamp {
    /// Pixels along a side.
    pub side: usize,
    /// Where the source lies, `[x, y]` from the first pixel \[px\].
    pub source: [f64; 2],
    /// Radius within which pixels belong to the source \[px\].
    pub radius: f64,
    /// Surface brightness, the foreground subtracted [MJy/sr]; NaN off the image, as the next two.
    pub data: Vec<f32>,
    /// Background and sources as they were measured [MJy/sr].
    pub model: Vec<f32>,
    /// The difference over the root of the file's variance; NaN where that is no number above 0.
    pub residual: Vec<f32>,
    /// What became of the pixels.
    pub uses: Vec<PixelUse>,
}

impl MeasurementStamp {
    /// The pixels of an image within `reach` of that of a source, along either axis; `of` gives
    /// the model of a pixel [MJy/sr], and what became of it.
    fn new(
        image: &CheckedImage<'_>,
        circle: &CircularAperture,
        reach: usize,
        of: impl Fn(usize, usize, &TilePixel) -> (f64, PixelUse),
    ) -> Self {
        let side = 2 * reach + 1;
        let corner = [circle.x, circle.y].map(|c| c.round() - reach as f64);
        let [ny, nx] = image.view.shape;
        let [columns, rows] = [(corner[0], nx), (corner[1], ny)]
            .map(|(corner, n)| crate::aperture::clip(corner, corner + (side - 1) as f64, n));
        let mut tile = PixelTile::default();
        image.copy([columns.clone(), rows.clone()], &mut tile);
        let nothing = || vec![f32::NAN; side * side];
        let mut stamp = Self {
            side,
            source: [circle.x - corner[0], circle.y - corner[1]],
            radius: circle.radius,
            data: nothing(),
            model: nothing(),
            residual: nothing(),
            uses: vec![PixelUse::Apart; side * side],
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "pixels of the square, drawn in single precision"
        )]
        for (x, y) in rows.flat_map(|y| columns.clone().map(move |x| (x, y))) {
            let at = (y as f64 - corner[1]) as usize * side + (x as f64 - corner[0]) as usize;
            let pixel = tile.at(x, y);
            let (model, usage) = of(x, y, &pixel);
            let measured = pixel.variance > 0.0 && pixel.variance.is_finite();
            let sigma = if measured { f64::from(pixel.variance).sqrt() } else { f64::NAN };
            stamp.data[at] = pixel.value as f32;
            stamp.model[at] = model as f32;
            stamp.residual[at] = ((pixel.value - model) / sigma) as f32;
            stamp.uses[at] = usage;
        }
        stamp
    }

    /// Mean of the squared residuals of the pixels that took part and lie within the radius; NaN
    /// where there are none.
    pub fn mean_square(&self) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for (at, residual) in self.residual.iter().enumerate() {
            let (dx, dy) =
                ((at % self.side) as f64 - self.source[0], (at / self.side) as f64 - self.source[1]);
            let within = dx * dx + dy * dy <= self.radius * self.radius;
            if within && self.uses[at] == PixelUse::Used && residual.is_finite() {
                sum += f64::from(*residual).powi(2);
                count += 1.0;
            }
        }
        sum / count
    }
}

impl Photometer<'_> {
    /// The pixels around a source that was measured in an aperture. The model is its background
    /// and, where the point spread function is known, the source with the flux that it has, or
    /// would have with the light beyond the aperture.
    pub fn stamp(&self, measured: &Measurement, reach: usize) -> MeasurementStamp {
        let [x, y] = measured.source.position;
        let circle = CircularAperture { x, y, radius: measured.radius };
        let shape = self.image.view.shape;
        let unit = UJY_PER_ARCSEC2_PER_MJY_PER_SR * measured.source.pixel_area;
        let (mut profile, mut total) = (ProfileTile::default(), 0.0);
        if let Ok(Some(psf)) = self.source_psf(&measured.source) {
            let reach = psf.reach();
            let along = |center: f64, n: usize| {
                crate::aperture::clip((center - reach).ceil(), (center + reach).floor(), n)
            };
            psf.fill(measured.source.position, [along(x, shape[1]), along(y, shape[0])], &mut profile);
            let mut light = 0.0;
            circle.for_each(shape, |x, y, overlap| light += overlap * share(&profile, x, y));
            let share = if measured.aperture_correction.is_some() { 1.0 } else { light };
            total = measured.flux / unit / share;
        }
        let background = measured.background / UJY_PER_ARCSEC2_PER_MJY_PER_SR;
        MeasurementStamp::new(&self.image, &circle, reach, |x, y, pixel| {
            let usage = match crate::pixel_overlap(x as f64 - circle.x, y as f64 - circle.y, circle.radius) {
                _ if self.is_masked(pixel) => PixelUse::Masked,
                overlap if overlap > 0.0 => PixelUse::Used,
                _ => PixelUse::Apart,
            };
            (background + total * share(&profile, x, y), usage)
        })
    }
}

/// The share of a source's light in a pixel; 0 where its profile is not known.
fn share(profile: &ProfileTile, x: usize, y: usize) -> f64 {
    let [columns, rows] = profile.bounds();
    if columns.contains(&x) && rows.contains(&y) { profile.at(x, y) } else { 0.0 }
}

impl<P: PointSpread> Scene<'_, P> {
    /// The pixels around a place of a scene that was fitted; `radius` is that of the pixels of the
    /// source there.
    pub fn stamp(&self, fit: &SceneFit, [x, y]: [f64; 2], radius: f64, reach: usize) -> MeasurementStamp {
        let circle = CircularAperture { x, y, radius };
        MeasurementStamp::new(&self.image, &circle, reach, |x, y, pixel| {
            let usage = match fit.role(x, y) {
                PixelRole::Used => PixelUse::Used,
                PixelRole::Clipped => PixelUse::Clipped,
                PixelRole::Masked => PixelUse::Masked,
                PixelRole::Idle if pixel.flags & self.bad != 0 || !pixel.value.is_finite() => {
                    PixelUse::Masked
                }
                PixelRole::Idle => PixelUse::Apart,
            };
            (fit.model(&[x..x + 1, y..y + 1], None)[0], usage)
        })
    }
}
