//! The file `properties`: what the standard (section 4.4.1) asks for, and what a client wants to
//! know.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use spx_core::elementary::{atan2, hypot};
use spx_core::units::ARCSEC_PER_RADIAN;
use spx_wcs::OutputGrid;

use super::hierarchy::HipsLevels;
use super::settings::{HipsConfig, HipsParameters};
use super::tile::{LEVELS, SIDE};
use super::{HipsReport, PixelCut};
use crate::PipelineError;
use crate::clock;
use crate::output::write_output;
use crate::survey::unit_vector;

/// Key of the share of the sky with data.
const COVERAGE: &str = "moc_sky_fraction";

/// Writes the file.
///
/// # Errors
/// What the disk reports.
pub(super) fn write(
    config: &HipsConfig,
    parameters: &HipsParameters,
    report: &HipsReport,
    levels: &HipsLevels,
) -> Result<(), PipelineError> {
    let order = parameters.order;
    let now = clock::now();
    // To the minute, as the standard has it.
    let date = format!("{}Z", now.get(..16).unwrap_or(&now));
    let PixelCut { low, high } = report.cut;
    let [min, max] = parameters.range.map(|wavelength| wavelength * 1e-6);
    let [ra, dec, fov] = view(levels, report.coverage)?;
    let kilobytes = levels.0.iter().map(Vec::len).sum::<usize>() * SIDE * SIDE * 4 / 1000;
    let grid = OutputGrid::healpix(order, 0, order + LEVELS).map_err(PipelineError::failed)?;
    let lines = [
        ("creator_did", config.creator_did.clone()),
        ("obs_title", config.title.clone()),
        ("obs_regime", "Infrared".to_owned()),
        ("obs_collection", "SPHEREx".to_owned()),
        ("prov_progenitor", format!("{} SPHEREx spectral images", report.frames)),
        ("em_min", format!("{min:.6e}")),
        ("em_max", format!("{max:.6e}")),
        ("dataproduct_type", "image".to_owned()),
        ("hips_version", "1.4".to_owned()),
        ("hips_builder", concat!("spx ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("hips_creation_date", date.clone()),
        ("hips_release_date", date),
        ("hips_status", "public master".to_owned()),
        ("hips_frame", "equatorial".to_owned()),
        ("hips_order", order.to_string()),
        ("hips_order_min", "0".to_owned()),
        ("hips_tile_width", SIDE.to_string()),
        ("hips_tile_format", "png fits".to_owned()),
        ("hips_pixel_bitpix", "-32".to_owned()),
        ("hips_pixel_scale", format!("{:.6e}", grid.pixel_scale() / 3600.0)),
        ("hips_pixel_cut", format!("{low} {high}")),
        ("hips_sampling", "drizzle".to_owned()),
        ("hips_hierarchy", "mean".to_owned()),
        ("hips_initial_ra", format!("{ra:.5}")),
        ("hips_initial_dec", format!("{dec:.5}")),
        ("hips_initial_fov", format!("{fov:.3}")),
        ("hips_estsize", kilobytes.to_string()),
        (COVERAGE, report.coverage.to_string()),
        ("data_ucd", "phot.flux.density.sb".to_owned()),
        ("data_unit", "MJy/sr".to_owned()),
    ];
    let mut text = String::new();
    for (key, value) in lines {
        // Writing to a string cannot fail.
        writeln!(text, "{key:<20} = {}", value.replace(['\n', '\r'], " ")).ok();
    }
    write_output(&config.output_dir.join("properties"), text.as_bytes(), true)
}

/// The share of the sky with data that the file of a complete HiPS states.
pub(super) fn coverage(root: &Path) -> Option<f64> {
    let text = fs::read_to_string(root.join("properties")).ok()?;
    let line = text.lines().find(|line| line.starts_with(COVERAGE))?;
    line.split_once('=')?.1.trim().parse().ok()
}

/// Where a client looks first: the middle of the tiles of order 3, and a field that holds about all
/// of the data \[deg\].
fn view(levels: &HipsLevels, coverage: f64) -> Result<[f64; 3], PipelineError> {
    let mut sum = [0.0; 3];
    for tile in levels.finest() {
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
