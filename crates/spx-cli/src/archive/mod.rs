//! The archive as the commands see it: which one, which images of a place, and their files.

pub(crate) mod format;

use anyhow::anyhow;
use clap::Args;
use spx_archive::{
    ArchiveUrl, Coverage, MjdRange, ReleaseChoice, SearchCircle, SearchShape, Selection, SurveyFields,
};
use spx_core::detector::Detector;
use spx_core::sky::{Position, Rectangle};
use spx_pipeline::archive::QueryRequest;

use crate::exit::Failure;

/// Where the archive is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Archive")]
pub(crate) struct ArchiveArgs {
    /// Base address of TAP, SIA, DataLink and files; plain http on this machine only
    /// [default: IRSA, irsa.ipac.caltech.edu]
    #[arg(long, value_name = "URL", env = "SPX_ARCHIVE_URL")]
    archive_url: Option<ArchiveUrl>,
    /// Ask by SIA2 instead of TAP
    #[arg(long)]
    sia: bool,
}

/// Which images of which place.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct SelectionArgs {
    /// Right ascension [deg]
    #[arg(long, value_name = "DEG", allow_negative_numbers = true)]
    pub(crate) ra: Option<f64>,
    /// Declination [deg]
    #[arg(long, value_name = "DEG", allow_negative_numbers = true)]
    pub(crate) dec: Option<f64>,
    /// Images of a circle of this radius [deg]; of the position alone without it
    #[arg(long, value_name = "DEG", conflicts_with_all = ["width", "height"], allow_negative_numbers = true)]
    radius: Option<f64>,
    /// Images of a rectangle of this width along right ascension [arcmin]
    #[arg(long, value_name = "ARCMIN", requires = "height", allow_negative_numbers = true)]
    width: Option<f64>,
    /// Height of the rectangle [arcmin]
    #[arg(long, value_name = "ARCMIN", requires = "width", allow_negative_numbers = true)]
    height: Option<f64>,
    /// Detectors, such as D1,D3; all by default
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    bands: Vec<Detector>,
    /// Only images taken between these dates [MJD]
    #[arg(long, value_name = "MIN,MAX")]
    mjd_range: Option<MjdRange>,
    /// Images that overlap the circle (any), or that hold all of it (full)
    #[arg(long, value_name = "any|full", default_value = "any")]
    coverage_mode: Coverage,
    /// Releases: of each exposure the newest processing (newest), one release (qr2, qr3, dr1), or
    /// of each exposure the newest in each release (any)
    #[arg(long, value_name = "NAME", default_value = "newest")]
    release: ReleaseChoice,
    /// Fields: all, wide (the survey of the whole sky), deep (the fields at the poles of the
    /// ecliptic)
    #[arg(long, value_name = "NAME", default_value = "all")]
    fields: SurveyFields,
    /// More images than this are an error [default: 500 for downloads, no limit for queries]
    #[arg(long, value_name = "N")]
    max_images: Option<usize>,
}

impl ArchiveArgs {
    /// The archive that the user names.
    pub(crate) fn url(&self) -> Option<ArchiveUrl> {
        self.archive_url.clone()
    }

    /// A query of this archive.
    pub(crate) fn request(&self, selection: Selection) -> QueryRequest {
        QueryRequest { selection, archive: self.url().unwrap_or_default(), sia: self.sia }
    }
}

impl SelectionArgs {
    /// The place, checked.
    pub(crate) fn selection(&self) -> Result<Selection, Failure> {
        let (Some(ra), Some(dec)) = (self.ra, self.dec) else {
            return Err(Failure::usage(anyhow!("--ra and --dec are needed")));
        };
        let shape = || -> anyhow::Result<SearchShape> {
            let position = Position::new(ra, dec)?;
            Ok(match (self.radius, self.width, self.height) {
                (Some(radius), ..) => {
                    SearchShape::Circle(SearchCircle::new(position, radius)?, self.coverage_mode)
                }
                (_, Some(width), Some(height)) => {
                    SearchShape::Rectangle(Rectangle::new(position, width, height)?)
                }
                _ => SearchShape::Point(position),
            })
        };
        Ok(Selection {
            shape: shape().map_err(Failure::usage)?,
            bands: self.bands.clone(),
            mjd_range: self.mjd_range,
            release: self.release,
            fields: self.fields,
            max_images: self.max_images,
        })
    }
}
