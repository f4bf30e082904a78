//! Models of point spread functions, of images and of calibration products.

use spx_core::detector::Detector;
use spx_core::image::{PsfData, PsfOrigin, PsfSamples};
use spx_photometry::{PhotometryError, PsfKind, PsfModel, PsfPlanes, regular_zones};

/// Samples a pixel of a table EPSF that does not say so.
const EPSF_OVERSAMPLING: f64 = 5.0;

/// The model of the point spread functions of a file of this version, or of a calibration product.
///
/// # Errors
/// Where they do not fit together.
pub(crate) fn psf_model(data: PsfData, version: Option<&str>) -> Result<PsfModel, PhotometryError> {
    let PsfData { planes, zones, side, origin } = data;
    let planes = match planes {
        PsfSamples::Held(planes) => PsfPlanes::Held(planes),
        PsfSamples::Mapped(image) => PsfPlanes::Lent(Box::new(move |zone| {
            let samples = side * side;
            image.pixels().slice(zone * samples..(zone + 1) * samples).to_native().into_owned()
        })),
    };
    match origin {
        PsfOrigin::Cube(header) => PsfModel::from_cube(&header, version, planes, zones, side),
        PsfOrigin::Table { centers, oversampling } => {
            let columns = zones.isqrt();
            let regular = || regular_zones(columns, zones.div_ceil(columns), Detector::NPIX);
            let (centers, samples) =
                (centers.unwrap_or_else(regular), oversampling.unwrap_or(EPSF_OVERSAMPLING));
            PsfModel::new(planes, side, samples, PsfKind::Effective, centers)
        }
    }
}
