//! The grid of the output: over a region, or that of a reference image.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_core::fits::FitsReader;
use spx_core::header::Header;
use spx_core::sky::Rectangle;
use spx_wcs::{GridForm, OutputGrid, SkyFrame, SkyProjection};

use super::settings::RegionSettings;
use crate::settings::SettingHeading;
use crate::{PipelineError, ResultContext as _};

/// Settings of the grid of the output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = SettingHeading("Grid"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[deg]` is a unit")]
pub struct GridSettings {
    /// Use the pixel grid of a reference image (FITS, or a text file with its cards) instead of a
    /// region; TAN, SIN, ZEA or CAR without distortion
    #[schemars(extend("examples" = ["reference.fits"], "x-value" = "FILE"))]
    pub like: Option<PathBuf>,
    /// Position angle of the y axis at the center, from north through east [deg]; by default 0
    #[schemars(extend("examples" = [30.0], "x-value" = "DEG"))]
    pub rotation: Option<f64>,
    /// Projection, TAN (the default), SIN, ZEA or CAR, with the center as reference position
    #[schemars(extend("examples" = ["TAN"]))]
    pub projection: Option<GridProjection>,
    /// System of the axes, icrs (the default) or galactic; width, height and rotation are along
    /// these
    #[schemars(extend("examples" = ["icrs"]))]
    pub frame: Option<GridFrame>,
}

/// A projection of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum GridProjection {
    /// Gnomonic
    #[serde(alias = "tan")]
    Tan,
    /// Orthographic
    #[serde(alias = "sin")]
    Sin,
    /// Zenithal equal-area
    #[serde(alias = "zea")]
    Zea,
    /// Plate carree
    #[serde(alias = "car")]
    Car,
}

/// The system of the axes of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GridFrame {
    /// Right ascension and declination
    Icrs,
    /// Galactic longitude and latitude
    Galactic,
}

impl GridSettings {
    /// The grid of pixels of this side \[arcsec\], and a rectangle, north up, that holds it.
    ///
    /// # Errors
    /// Usage, naming the setting that is missing, out of range, or excluded by another.
    pub(super) fn grid(
        &self,
        region: &RegionSettings,
        scale: f64,
    ) -> Result<(OutputGrid, Rectangle), PipelineError> {
        let form = self.form();
        match &self.like {
            Some(path) => {
                self.check_alone(region, scale)?;
                let grid = read_grid(path).map_err(PipelineError::into_usage)?;
                let around = grid.region().map_err(PipelineError::usage)?;
                Ok((grid, around))
            }
            None => {
                let region = region.rectangle()?;
                let grid = OutputGrid::with_form(region, scale, form).map_err(PipelineError::usage)?;
                // The region itself, without rounding, where the grid lies as it does.
                let around = if form == GridForm::default() { Ok(region) } else { grid.region() };
                Ok((grid, around.map_err(PipelineError::usage)?))
            }
        }
    }

    fn form(&self) -> GridForm {
        let projection = match self.projection {
            None | Some(GridProjection::Tan) => SkyProjection::Tan,
            Some(GridProjection::Sin) => SkyProjection::Sin,
            Some(GridProjection::Zea) => SkyProjection::Zea,
            Some(GridProjection::Car) => SkyProjection::Car,
        };
        let frame = match self.frame {
            None | Some(GridFrame::Icrs) => SkyFrame::Icrs,
            Some(GridFrame::Galactic) => SkyFrame::Galactic,
        };
        GridForm { projection, frame, rotation: self.rotation.unwrap_or(0.0) }
    }

    /// The reference image says all of the grid.
    fn check_alone(&self, region: &RegionSettings, scale: f64) -> Result<(), PipelineError> {
        let given = [
            ("ra", region.ra.is_some()),
            ("dec", region.dec.is_some()),
            ("width", region.width.is_some()),
            ("height", region.height.is_some()),
            ("xy_oversample", scale != OutputGrid::NATIVE_SCALE),
            ("rotation", self.rotation.is_some()),
            ("projection", self.projection.is_some()),
            ("frame", self.frame.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((other, _)) => {
                Err(PipelineError::usage(format!("like and {other} exclude each other: give one of them")))
            }
            None => Ok(()),
        }
    }
}

/// The grid of the first image of a FITS file that has celestial axes, or of a text of cards, one a
/// line.
fn read_grid(path: &Path) -> Result<OutputGrid, PipelineError> {
    let context = || format!("like {}", path.display());
    let bytes = std::fs::read(path).with_context(context)?;
    if !bytes.starts_with(b"SIMPLE") && !bytes.starts_with(&[0x1f, 0x8b]) {
        return grid_of_cards(&String::from_utf8_lossy(&bytes)).with_context(context);
    }
    let mut file = FitsReader::from_bytes(bytes).with_context(context)?;
    for index in 0..file.hdu_count().with_context(context)? {
        file.move_to_index(index).with_context(context)?;
        let header = file.header().with_context(context)?;
        let Ok(shape) = file.image_shape() else { continue };
        if let [.., ny, nx] = shape[..]
            && header.get("CTYPE1").is_some()
        {
            let label = file.hdu_label();
            return OutputGrid::from_header(&header, [ny, nx])
                .map_err(PipelineError::failed)
                .with_context(|| format!("{}: HDU {label}", context()));
        }
    }
    Err(PipelineError::failed(format!("{}: no image with celestial axes", context())))
}

fn grid_of_cards(text: &str) -> Result<OutputGrid, PipelineError> {
    let header = Header::parse(text).map_err(PipelineError::failed)?;
    let side = |keyword: &str| -> Result<usize, PipelineError> {
        let length = header.integer(keyword).map_err(PipelineError::failed)?;
        usize::try_from(length).map_err(|_| PipelineError::failed(format!("card {keyword} = {length}")))
    };
    OutputGrid::from_header(&header, [side("NAXIS2")?, side("NAXIS1")?]).map_err(PipelineError::failed)
}
