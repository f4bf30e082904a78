//! The place that a query asks for, and the part of each image that is fetched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_archive::{Coverage, Cutout, CutoutCenter, CutoutSize, SearchCircle, SearchShape};
use spx_core::detector::Detector;
use spx_core::sky::{Position, Rectangle};

use crate::flag_selection::required as text;
use crate::settings::SettingHeading;
use crate::{PipelineError, ResultContext as _};

/// Settings of the place whose images are wanted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Selection"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[deg]` is a unit")]
pub struct PlaceSettings {
    /// Right ascension [deg, ICRS]
    #[schemars(example = 213.9427, extend("x-value" = "DEG", "x-needed" = true, "x-angle" = "ra"))]
    pub ra: Option<f64>,
    /// Declination [deg, ICRS]
    #[schemars(example = 11.4954, extend("x-value" = "DEG", "x-needed" = true, "x-angle" = "dec"))]
    pub dec: Option<f64>,
    /// Images that overlap a circle of this radius [deg]; without it, images that contain the
    /// position
    #[schemars(example = 1.0, extend("x-value" = "DEG"))]
    pub radius: Option<f64>,
    /// Images that overlap a rectangle of this width along right ascension [arcmin]
    #[schemars(example = 30.0, extend("x-value" = "ARCMIN"))]
    pub width: Option<f64>,
    /// Height of the rectangle [arcmin]
    #[schemars(example = 30.0, extend("x-value" = "ARCMIN"))]
    pub height: Option<f64>,
    /// Images that overlap the circle (any), or that contain all of it (full)
    #[serde(with = "text")]
    #[schemars(with = "String", extend("enum" = ["any", "full"]))]
    pub coverage_mode: Coverage,
    /// Detectors, such as D1,D3; all by default
    #[schemars(extend("examples" = [["D1", "D3"]]))]
    pub bands: Option<Vec<String>>,
}

impl PlaceSettings {
    /// The place, checked.
    ///
    /// # Errors
    /// Usage, naming the first setting that is missing or out of range.
    pub fn shape(&self) -> Result<SearchShape, PipelineError> {
        let position = needed_position(self.ra, self.dec)?;
        match (self.radius, self.width, self.height) {
            (None, None, None) => Ok(SearchShape::Point(position)),
            (Some(radius), None, None) => {
                let circle = SearchCircle::new(position, radius).map_err(PipelineError::usage)?;
                Ok(SearchShape::Circle(circle, self.coverage_mode))
            }
            (None, Some(width), Some(height)) => {
                let rectangle = Rectangle::new(position, width, height).map_err(PipelineError::usage)?;
                Ok(SearchShape::Rectangle(rectangle))
            }
            (Some(_), ..) => Err(PipelineError::usage(
                "--radius is for a circle, --width and --height are for a rectangle: give one of the two",
            )),
            _ => Err(PipelineError::usage("--width and --height are both needed")),
        }
    }
}

/// Settings of cutouts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Archive"))]
pub struct CutoutSettings {
    /// Cutouts of this size instead of full frames, such as 60px, 3arcmin, 0.1 (degrees) or
    /// 200,400px
    #[schemars(example = "60px", extend("x-value" = "SIZE"))]
    pub cutout_size: Option<String>,
    /// Center of the cutouts, such as 304.7,42.5 (deg) or 1020,1020px; by default the source, at
    /// its position of 2026.0, or the center of the selection
    #[schemars(example = "1020,1020px", extend("x-value" = "X,Y", "x-hyphen" = true))]
    pub cutout_center: Option<String>,
}

impl CutoutSettings {
    /// The cutouts around a position where no other center is given; `None` for full frames.
    ///
    /// # Errors
    /// Usage, where size or center are not as they should be.
    pub fn cutout(&self, place: Position) -> Result<Option<Cutout>, PipelineError> {
        let (size, center) = match (&self.cutout_size, &self.cutout_center) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(PipelineError::usage("--cutout-center needs --cutout-size")),
            (Some(size), center) => (size, center),
        };
        let size: CutoutSize = size.parse().map_err(PipelineError::usage)?;
        let center = match center {
            None => place.into(),
            Some(center) => center.parse::<CutoutCenter>().map_err(PipelineError::usage)?,
        };
        Ok(Some(Cutout { size, center }))
    }
}

/// Detectors by their names; none stands for all.
///
/// # Errors
/// Usage where there is no such detector.
pub(crate) fn detectors(bands: Option<&[String]>) -> Result<Vec<Detector>, PipelineError> {
    let bands =
        bands.into_iter().flatten().map(|band| band.parse::<Detector>().map_err(PipelineError::usage));
    bands.collect::<Result<_, _>>().context("bands")
}

/// A position that must be given.
///
/// # Errors
/// Usage where a coordinate is missing or out of range.
pub(crate) fn needed_position(ra: Option<f64>, dec: Option<f64>) -> Result<Position, PipelineError> {
    let (Some(ra), Some(dec)) = (ra, dec) else {
        return Err(PipelineError::usage(
            "--ra and --dec are needed (or `ra` and `dec` in the configuration)",
        ));
    };
    Position::new(ra, dec).map_err(PipelineError::usage)
}
