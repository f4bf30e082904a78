//! Scenes: the fluxes of all sources of an image, measured together at given places.
//!
//! At fixed places fluxes are linear: minimize `sum (I - sum_k f_k P_k - B)^2 / V` over pixels,
//! with `P_k` the share of source k's light in a pixel (the effective point spread function at its
//! place, or a Sersic profile convolved with it), `B` a background of few coefficients a patch, and
//! `V` the variance of the *model* through the noise law of the image, in three rounds: weights
//! that follow the noise of their pixel make faint fluxes low. Errors are those of the inverse of
//! the normal equations (the Fisher matrix), so that they hold what neighbors and background add. A
//! scene of one source over a known background is the PSF-weighted flux of `psf_flux.rs`.
//!
//! The types, in the order in which a fit uses them:
//!
//! - [`Scene`]: an image, options and a [`PointSpread`], checked once; borrows everything;
//! - [`SceneSource`]: place, pixel area, and for galaxies a [`SersicOnImage`];
//! - columns (`columns.rs`): what each unknown (source or coefficient of the background) puts into
//!   the pixels of a rectangle, row by row;
//! - pixels (`pixels.rs`): what takes part, with values and weights;
//! - neighbors and normal equations (`normal.rs`): sums over pixels that two rectangles share;
//! - elimination (`dissection.rs`, `factor.rs`): nested dissection, solution, inverse;
//! - [`SceneFit`]: a [`SceneFlux`] or [`NoSceneFlux`] for each source, in the order given, and the
//!   model for pictures.
//!
//! Sources are put into an order of their own first, and all sums run in that, so that the order in
//! which they are given changes no bit.

use serde::{Deserialize, Serialize};
use spx_core::flags::FlagSelection;
use thiserror::Error;

use crate::noise::NoiseLaw;
use crate::options::{check, named};
use crate::view::{CheckedImage, RegionBeyond};
use crate::{ImageView, PhotometryError, ProfileTile, PsfModel, PsfZones};

mod columns;
mod dissection;
mod factor;
mod fit;
mod normal;
mod pixels;
mod sersic;

pub use fit::SceneFit;
pub(crate) use pixels::PixelRole;
pub use sersic::{SersicOnImage, SersicShape};

/// The effective point spread function of an image: the share of a source's light in pixels.
///
/// Positions are `[x, y]` on the image \[px, 0-based, integers at pixel centers\].
pub trait PointSpread {
    /// No pixel farther than this along an axis has a share \[px\]; `None` where the function is
    /// not known.
    fn reach(&self, position: [f64; 2]) -> Option<f64>;

    /// Share of the light of a source at `position` in a pixel whose center lies `[dx, dy]` from
    /// it.
    fn share(&self, position: [f64; 2], offset: [f64; 2]) -> f64;

    /// The shares in the pixels of the rectangle of `tile`.
    fn fill(&self, position: [f64; 2], tile: &mut ProfileTile) {
        let bounds = tile.bounds();
        tile.set(bounds, |x, y| self.share(position, [x as f64 - position[0], y as f64 - position[1]]));
    }
}

/// The point spread function of a file, seen from an image that is a part of its full frame.
#[derive(Debug, Clone, Copy)]
pub struct PsfOnImage<'a> {
    /// The zones.
    pub model: &'a PsfModel,
    /// Between their centers.
    pub zones: PsfZones,
    /// Pixel of the full frame of pixel (0, 0).
    pub parent_offset: [f64; 2],
}

impl<'a> PsfOnImage<'a> {
    fn at(&self, [x, y]: [f64; 2]) -> Option<crate::SourcePsf<'a>> {
        self.model.at([x + self.parent_offset[0], y + self.parent_offset[1]], self.zones)
    }
}

impl PointSpread for PsfOnImage<'_> {
    fn reach(&self, position: [f64; 2]) -> Option<f64> {
        self.at(position).map(|psf| psf.reach())
    }

    fn share(&self, position: [f64; 2], [dx, dy]: [f64; 2]) -> f64 {
        self.at(position).map_or(0.0, |psf| psf.pixel(dx, dy))
    }

    fn fill(&self, position: [f64; 2], tile: &mut ProfileTile) {
        let bounds = tile.bounds();
        match self.at(position) {
            Some(psf) => psf.fill(position, bounds, tile),
            None => tile.set(bounds, |_, _| 0.0),
        }
    }
}

/// A source of a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SceneSource {
    /// `[x, y]` \[px, 0-based, integers at pixel centers\]; it may lie off the image.
    pub position: [f64; 2],
    /// Solid angle of the pixel at the source [arcsec^2].
    pub pixel_area: f64,
    /// `None` for a point.
    pub shape: Option<SersicOnImage>,
}

/// The background of a scene.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SceneBackground {
    /// None: the image holds nothing else, or what it holds is known.
    None,
    /// A constant in each patch.
    Constant,
    /// A plane in each patch.
    Plane,
    /// Values at the corners of the patches, bilinear between them.
    #[default]
    Nodes,
}
named!(
    SceneBackground,
    "background of a scene",
    None = "none",
    Constant = "constant",
    Plane = "plane",
    Nodes = "nodes"
);

/// The options of a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneOptions {
    /// Pixels with one of these flags take no part.
    pub bad_flags: FlagSelection,
    /// Pixels whose centers lie within this of a source take part, of a galaxy two effective radii
    /// farther \[px\], above 0.
    pub fit_radius: f64,
    /// What else the pixels hold.
    pub background: SceneBackground,
    /// Side of a patch of the background \[px\], at least 8.
    pub patch: usize,
    /// Pixels so much farther out take part too, unless flagged SOURCE; without a background none
    /// \[px\], at least 0.
    pub background_margin: f64,
    /// Pixels farther than this from the model are left out [standard deviations], at least 3.
    pub clip_sigma: f64,
    /// With less of a source's light than this on usable pixels it has no flux; above 0, at most 1.
    pub least_fraction: f64,
}

impl Default for SceneOptions {
    fn default() -> Self {
        Self {
            bad_flags: FlagSelection::Photometry,
            fit_radius: 3.0,
            background: SceneBackground::default(),
            patch: 32,
            background_margin: 5.0,
            clip_sigma: 5.0,
            least_fraction: 0.1,
        }
    }
}

impl SceneOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// [`PhotometryError::Option`] naming the first option that is out of range or NaN.
    pub fn validate(&self) -> Result<(), PhotometryError> {
        let Self { fit_radius, background_margin, clip_sigma, least_fraction, .. } = *self;
        let radius = fit_radius > 0.0 && fit_radius <= 32.0;
        check(radius, "psf_fit_radius", fit_radius, "it must be above 0 and at most 32")?;
        let margin = (0.0..=100.0).contains(&background_margin);
        check(margin, "scene_margin", background_margin, "it must be from 0 to 100")?;
        check(self.patch >= 8, "scene_patch", self.patch as f64, "it must be at least 8")?;
        check(clip_sigma >= 3.0, "scene_clip_sigma", clip_sigma, "it must be at least 3")?;
        let fraction = least_fraction > 0.0 && least_fraction <= 1.0;
        check(fraction, "least_fraction", least_fraction, "it must be above 0 and at most 1")
    }
}

/// A flux of a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SceneFlux {
    /// All light of the source \[uJy\]; it may be negative.
    pub flux: f64,
    /// Its error, neighbors and background included, and that of the profile where it makes up for
    /// pixels that are left out \[uJy\].
    pub error: f64,
    /// Sum of squared residuals over model variances, over the pixels of the source.
    pub chi2: f64,
    /// Pixels that took part within the fit radius of the source.
    pub pixels: usize,
    /// These less the sources (itself included) whose centers lie among them.
    pub degrees_of_freedom: usize,
    /// Share of the source's light on them.
    pub fraction: f64,
    /// Share of its light within the fit radius that falls on pixels that did not take part.
    pub masked_fraction: f64,
    /// Pixels within the fit radius that were clipped.
    pub clipped: usize,
    /// Bitwise OR of the flags of the pixels within the fit radius, those that are left out
    /// included.
    pub flags: u32,
    /// Sources whose light reaches the rectangle of this one.
    pub neighbors: usize,
    /// The correlation with a neighbor that is farthest from 0; 0 without neighbors.
    pub correlation: f64,
    /// The data hardly tell this source from its neighbors: its equation was damped, by which its
    /// flux is drawn toward zero where they say nothing.
    pub damped: bool,
    /// So many sources stand at one place and were measured as one; each has an equal share of the
    /// flux, and an error that holds how little is known of the shares. Else 1.
    pub sharing: usize,
    /// Background at the source [MJy/sr].
    pub background: f64,
}

/// Why a source of a scene has no flux.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum NoSceneFlux {
    /// No pixel of the image sees the source, or it has no position.
    #[error("off the image")]
    OffImage,
    /// The point spread function is not known there.
    #[error("the point spread function is not usable at ({x:.1}, {y:.1}) px")]
    Psf {
        /// Column \[px\].
        x: f64,
        /// Row \[px\].
        y: f64,
    },
    /// Too much of the light falls on pixels that are bad or off the image.
    #[error("only {:.0} % of the light of the source falls on usable pixels", 100.0 * .fraction)]
    Masked {
        /// Its share on usable pixels.
        fraction: f64,
    },
    /// Too much of the light falls on pixels that are far from the model, such as the core of a
    /// star that is fitted as a wide galaxy.
    #[error(
        "{:.0} % of the light of the source falls on pixels far from the model: shape or position do not fit",
        100.0 * .fraction
    )]
    FarFromModel {
        /// Its share on pixels that were clipped.
        fraction: f64,
    },
    /// No pixel of the image has a positive variance.
    #[error("no pixel of the image has a positive variance")]
    NoVariance,
    /// The user asked to stop.
    #[error("the fit was stopped")]
    Stopped,
}

/// An image on which scenes are fitted.
#[derive(Debug)]
pub struct Scene<'a, P> {
    pub(crate) image: CheckedImage<'a>,
    options: &'a SceneOptions,
    psf: P,
    pub(crate) bad: u32,
    source: u32,
    law: Option<NoiseLaw>,
    known: [f64; 2],
}

impl<'a, P: PointSpread> Scene<'a, P> {
    /// Checks options and image, and fits the noise law to a sample of the pixels.
    ///
    /// # Errors
    /// Where an option is out of its range or names a flag that the file does not know; where an
    /// array has not one value a pixel.
    pub fn new(view: ImageView<'a>, options: &'a SceneOptions, psf: P) -> Result<Self, PhotometryError> {
        options.validate()?;
        let bad = options.bad_flags.mask(view.flag_names)?;
        let source = view.flag_names.mask("SOURCE");
        let image = CheckedImage::new(view)?;
        let law = image.noise_law(bad);
        Ok(Self { image, options, psf, bad, source, law, known: [0.0; 2] })
    }

    /// Whether the pixels that belong to a source, and those of the background around them, lie
    /// beyond the image.
    pub fn beyond(&self, [x, y]: [f64; 2]) -> RegionBeyond {
        let margin = if self.options.background == SceneBackground::None {
            0.0
        } else {
            self.options.background_margin
        };
        let reach = self.options.fit_radius + margin;
        self.image.view.beyond([x - reach, y - reach], [x + reach, y + reach])
    }

    /// A background that is known, and its error, which all fluxes then hold [MJy/sr].
    #[must_use]
    pub fn with_known_background(self, level: f64, error: f64) -> Self {
        Self { known: [level, error], ..self }
    }
}
