//! The file `properties`: what the standard (section 4.4.1) asks for, and what a client wants to
//! know.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use spx_core::elementary::{atan2, hypot};
use spx_core::units::ARCSEC_PER_RADIAN;
use spx_wcs::OutputGrid;

use super::settings::{HipsConfig, HipsParameters};
use super::tile::{HipsTile, LEVELS, SIDE};
use super::{HipsReport, PixelCut};
use crate::PipelineError;
use crate::clock;
use crate::output::write_output;
use crate::tiling::unit_vector;

/// Key of the share of the sky with data.
const COVERAGE: &str = "moc_sky_fraction";

/// Writes the file, with lines of its own for this product; `tiles` are the finest.
///
/// # Errors
/// What the disk reports.
pub(super) fn write(
    config: &HipsConfig,
    report: &HipsReport,
    tiles: &[HipsTile],
    lines: Vec<(&str, String)>,
) -> Result<(), PipelineError> {
    let order = report.order;
    let now = clock::now();
    // To the minute, as the standard has it.
    let date = format!("{}Z", now.get(..16).unwrap_or(&now));
    let [ra, dec, fov] = view(tiles, report.coverage)?;
    let grid = OutputGrid::healpix(order, 0, order + LEVELS).map_err(PipelineError::failed)?;
    let common = [
        ("creator_did", config.creator_did.clone()),
        ("obs_title", config.title.clone()),
        ("obs_collection", "SPHEREx".to_owned()),
        ("obs_regime", "Infrared".to_owned()),
        ("dataproduct_type", "image".to_owned()),
        ("hips_version", "1.4".to_owned()),
        ("hips_builder", concat!("spx ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("hips_release_date", date),
        ("hips_status", "public master".to_owned()),
        ("hips_frame", "equatorial".to_owned()),
        ("hips_order", order.to_string()),
        ("hips_order_min", "0".to_owned()),
        ("hips_tile_width", SIDE.to_string()),
        ("hips_pixel_scale", format!("{:.6e}", grid.pixel_scale() / 3600.0)),
        ("hips_initial_ra", format!("{ra:.5}")),
        ("hips_initial_dec", format!("{dec:.5}")),
        ("hips_initial_fov", format!("{fov:.3}")),
        (COVERAGE, report.coverage.to_string()),
    ];
    let mut text = String::new();
    for (key, value) in common.into_iter().chain(lines) {
        // Writing to a string cannot fail.
        writeln!(text, "{key:<20} = {}", value.replace(['\n', '\r'], " ")).ok();
    }
    write_output(&config.output_dir.join("properties"), text.as_bytes(), true)
}

/// The lines of a HiPS of one range of wavelengths.
pub(super) fn lines_of_range(
    parameters: &HipsParameters,
    report: &HipsReport,
) -> Vec<(&'static str, String)> {
    let PixelCut { low, high } = report.cut;
    let [min, max] = parameters.range.map(|wavelength| wavelength * 1e-6);
    vec![
        ("prov_progenitor", format!("{} SPHEREx spectral images", report.frames)),
        ("em_min", format!("{min:.6e}")),
        ("em_max", format!("{max:.6e}")),
        ("hips_tile_format", "png fits".to_owned()),
        ("hips_pixel_bitpix", "-32".to_owned()),
        ("hips_pixel_cut", format!("{low} {high}")),
        ("hips_hierarchy", "mean".to_owned()),
        ("data_ucd", "phot.flux.density.sb".to_owned()),
        ("data_unit", "MJy/sr".to_owned()),
    ]
}

/// A value in the file of a complete HiPS.
pub(super) fn value(root: &Path, key: &str) -> Option<String> {
    let text = fs::read_to_string(root.join("properties")).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}

/// The share of the sky with data that the file of a complete HiPS states.
pub(super) fn coverage(root: &Path) -> Option<f64> {
    value(root, COVERAGE)?.parse().ok()
}

/// Where a client looks first: the middle of the tiles, and a field that holds about all
/// of the data \[deg\].
fn view(tiles: &[HipsTile], coverage: f64) -> Result<[f64; 3], PipelineError> {
    let mut sum = [0.0; 3];
    for tile in tiles {
        let grid = OutputGrid::healpix(tile.order, tile.index, tile.order).map_err(PipelineError::failed)?;
        let direction = unit_vector(grid.center().ra().to_radians(), grid.center().dec().to_radians());
        sum = [0, 1, 2].map(|k| sum[k] + direction[k]);
    }
    let [x, y, z] = sum;
    let ra = atan2(y, x).to_degrees().rem_euclid(360.0);
    let dec = atan2(z, hypot(x, y)).to_degrees();
    let sky = 4.0 * std::f64::consts::PI * (ARCSEC_PER_RADIAN / 3600.0).powi(2);
    Ok([ra, dec, (2.0 * (coverage * sky).sqrt()).clamp(0.1, 180.0)])
}
