//! `spx cube info`: what a cube holds, plane by plane.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value as Json;
use spx_pipeline::cube::{CubeInputCounts, CubeRegion, CubeSummary, PlaneSummary, open_cube};

use crate::exit::{CommandResult, Outcome};
use crate::global::Global;
use crate::text::{Align, GLUE, Table, entry, number};
use crate::ui::{self, Verbosity};

/// Show what a cube contains: region, inputs, options, and a table of its planes.
///
/// The table has for each plane the number (from 0, as INDEX of HDU WAVELENGTH), the central
/// wavelength and the width [um], the resolving power, the number of input images that contributed,
/// the share of pixels with data, and over these the median surface brightness (SCI) and the median
/// of its error, the square root of VARIANCE [both MJy/sr]. `-v` adds the history: the
/// configuration and the outcome of each input.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube info output/drizzle_D3.fits
  spx cube info output/drizzle_D3.fits --json | jq '.planes[].median_error'")]
pub(crate) struct InfoArgs {
    /// A cube that `spx drizzle` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &InfoArgs, global: &Global) -> CommandResult {
    let mut cube = open_cube(&args.file)?;
    let info = CubeSummary::read(&args.file, &mut cube)?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&info)?))?;
    } else {
        let history = matches!(global.verbosity(), Verbosity::Verbose(_));
        ui::data(&text(&info, history))?;
    }
    Ok(Outcome::Done)
}

/// The summary for people.
fn text(cube: &CubeSummary, with_history: bool) -> String {
    let [nz, ny, nx] = cube.shape;
    let CubeRegion { ra, dec, width_arcmin, height_arcmin, pixel_scale_arcsec } = cube.region;
    let count = |n: Option<i64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let CubeInputCounts { used, rejected, failed } = cube.inputs;
    let options: Vec<String> =
        cube.options.iter().map(|(k, v)| format!("{k}{GLUE}={GLUE}{}", plain(v))).collect();
    let mut out = String::new();
    for (name, value) in [
        ("file", cube.file.clone()),
        ("detector", cube.detector.clone()),
        ("shape", format!("{nx} x {ny} pixels, {nz} {}", if nz == 1 { "plane" } else { "planes" })),
        ("center", format!("{ra:.6} {dec:+.6} deg (ICRS)")),
        ("size", format!("{width_arcmin:.3}' x {height_arcmin:.3}', {}\" pixels", short(pixel_scale_arcsec))),
        (
            "wavelengths",
            format!("{} to {} um", short(cube.wavelength_range[0]), short(cube.wavelength_range[1])),
        ),
        ("inputs", format!("{} used, {} rejected, {} failed", count(used), count(rejected), count(failed))),
        ("options", options.join(", ")),
        ("made by", format!("spx {}", cube.version.as_deref().unwrap_or("of unknown version"))),
    ] {
        out.push_str(&entry("", name, &value));
    }
    if let Some(n) = cube.saturated_voxels.filter(|n| *n > 0) {
        out.push_str(&entry("", "saturated", &format!("COUNT saturates at 65535 in {n} voxels")));
    }
    out.push('\n');
    out.push_str(&table(&cube.planes).render(""));
    if with_history {
        out.push_str("\nhistory\n");
        cube.history.iter().for_each(|line| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "  {line}");
        });
    }
    out
}

fn table(planes: &[PlaneSummary]) -> Table<8> {
    let mut table = Table::new(
        ["plane", "wavelength", "width", "R", "images", "data", "median SCI", "median error"]
            .map(|name| (name, Align::Right)),
    );
    for p in planes {
        table.row([
            p.plane.to_string(),
            format!("{:.4}", p.wavelength),
            format!("{:.4}", p.width),
            format!("{:.1}", p.resolving_power),
            p.images.to_string(),
            format!("{:.1} %", 100.0 * p.share_with_data),
            number(p.median),
            number(p.median_error),
        ]);
    }
    table
}

/// Without the quotes that JSON puts around strings.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// At most six decimals, without zeros at the end.
fn short(value: f64) -> String {
    format!("{value:.6}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_their_zeros() {
        assert_eq!([6.15, 3.075, 2.0, 1.636].map(short), ["6.15", "3.075", "2", "1.636"]);
    }
}
