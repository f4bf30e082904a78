//! The table of effective point spread functions, as it stands in images of Quick Release 3 and in
//! the product `epsf`.

use spx_core::detector::Detector;
use spx_core::fits::{ColumnSpec, FitsError, FitsWriter};
use spx_core::header::Header;
use spx_core::map::WavelengthMap as _;
use spx_core::progress::Progress;
use spx_wcs::WaveTable;

use crate::cards::wavelength_wcs;
use crate::error::look;
use crate::optics::qr3_wave_table;
use crate::psf::PsfField;

/// Names, formats and units of the columns.
const COLUMNS: [(&str, &str, &str); 11] = [
    ("BINX", "J", ""),
    ("BINY", "J", ""),
    ("XCENTER", "E", "pixel"),
    ("YCENTER", "E", "pixel"),
    ("XWIDTH", "E", "pixel"),
    ("YWIDTH", "E", "pixel"),
    ("NSTAR", "J", ""),
    ("NEFF_MEAN", "E", ""),
    ("CWAVE", "E", "um"),
    ("CBAND", "E", "um"),
    ("EPSF", "1089D", ""),
];

/// Zones along x and y.
fn zones(detector: Detector) -> [usize; 2] {
    if detector.number() == 3 { [11, 41] } else { [21, 21] }
}

/// Appends the table EPSF of a detector: a row a zone, x fastest, each with 33 x 33 samples, five a
/// pixel, and the source at sample (16, 16).
pub(crate) fn write_epsf_table(
    file: &mut FitsWriter,
    detector: Detector,
    field: &PsfField<'_>,
    progress: &dyn Progress,
) -> Result<(), FitsError> {
    let [columns, rows] = zones(detector);
    let centers = zone_centers([columns, rows]);
    let specs = COLUMNS.map(|(name, format, unit)| ColumnSpec {
        name,
        format,
        unit,
        dim: (name == "EPSF").then_some("(33,33)"),
    });
    file.table("EPSF", centers.len(), &specs, &cards(detector))?;
    let mut planes: Vec<Vec<f64>> = Vec::with_capacity(centers.len());
    for &center in &centers {
        look(progress)?;
        planes.push(field.at(center).effective_plane());
    }
    let all = |value: &dyn Fn(usize) -> f64| (0..centers.len()).map(value).collect::<Vec<f64>>();
    let noise_area = |plane: &Vec<f64>| 1.0 / (25.0 * plane.iter().map(|v| v * v).sum::<f64>());
    let passbands = passbands(detector, &centers);
    let numbers = [
        all(&|k| (k % columns) as f64),
        all(&|k| (k / columns) as f64),
        all(&|k| centers[k][0]),
        all(&|k| centers[k][1]),
        all(&|_| Detector::NPIX as f64 / columns as f64),
        all(&|_| Detector::NPIX as f64 / rows as f64),
        all(&|_| 200.0),
        all(&|k| noise_area(&planes[k])),
        all(&|k| passbands[k][0]),
        all(&|k| passbands[k][1]),
        planes.concat(),
    ];
    COLUMNS.iter().zip(&numbers).try_for_each(|(column, values)| file.write_column(column.0, 0, values))
}

fn cards(detector: Detector) -> Header {
    let mut h = Header::new();
    h.set("OVSMPX", 5, "Samples a pixel along x").set("OVSMPY", 5, "Samples a pixel along y");
    h.set("DETCOORD", "sky", "MWIR pixels flipped on X to match SWIR view");
    h.set("DETECTOR", detector.number().to_string(), "1-3: SWIR, 4-6: MWIR");
    h.set("ORDERING", "x-fast then y", "Order of the zones");
    h.note("HISTORY", &format!("Calibration source file: epsf_{detector}_simulated.fits"));
    h
}

/// Wavelength and bandwidth \[um\] at the centers of the zones.
fn passbands(detector: Detector, centers: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let table = qr3_wave_table(detector);
    let mut header = Header::new();
    wavelength_wcs(&mut header, [0, 0], false);
    let waves = WaveTable::new(&table.x, &table.y, &table.values, &header);
    let at = |&[x, y]: &[f64; 2]| {
        let band = waves.as_ref().map(|waves| waves.passband(x, y));
        // The table is our own and can be read.
        band.map_or([f64::NAN; 2], |band| [band.center, band.width])
    };
    centers.iter().map(at).collect()
}

/// Centers of equal zones of the full frame \[px, 0-based\], x fastest.
pub(crate) fn zone_centers([columns, rows]: [usize; 2]) -> Vec<[f64; 2]> {
    let center = |k: usize, zones: usize| (k as f64 + 0.5) * Detector::NPIX as f64 / zones as f64 - 0.5;
    (0..columns * rows).map(|k| [center(k % columns, columns), center(k / columns, rows)]).collect()
}
