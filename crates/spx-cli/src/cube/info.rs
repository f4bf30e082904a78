//! `spx cube info`: what a cube holds, plane by plane.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use spx_core::header::{CardValue, Header};
use spx_drizzle::file::{CubeArray, CubeFile};
use spx_wcs::OutputGrid;

use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::text::{Align, Table, number};
use crate::ui::{self, Verbosity};
use spx_pipeline::statistics::median;

/// Show what a cube holds: region, inputs, options, and a table of its planes.
///
/// The table has for each plane the number (from 0, as INDEX of HDU WAVELENGTH), the central
/// wavelength and the width [um], the resolving power, the number of input images that contributed,
/// the share of pixels with data, and over these the median surface brightness (SCI) and the median
/// of its error, the square root of VARIANCE [both MJy/sr]. `-v` adds the history: the
/// configuration and what became of each input.
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
    let mut cube = spx_pipeline::cube::open_cube(&args.file)?;
    let info = Info::read(&args.file, &mut cube)?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&info)?))?;
    } else {
        let history = matches!(global.verbosity(), Verbosity::Verbose(_));
        ui::data(&info.text(history))?;
    }
    Ok(Outcome::Done)
}

/// What is said of a cube.
#[derive(Debug, Serialize)]
struct Info {
    file: String,
    detector: String,
    /// Of spx.
    version: Option<String>,
    /// `[nz, ny, nx]`.
    shape: [usize; 3],
    region: Region,
    /// [um]
    wavelength_range: [f64; 2],
    inputs: Inputs,
    /// The options of the drizzle by the names of the configuration.
    options: Map<String, Json>,
    /// Voxels whose COUNT is cut at 65535.
    saturated_voxels: Option<i64>,
    planes: Vec<Plane>,
    history: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Region {
    /// [deg]
    ra: f64,
    dec: f64,
    /// [arcmin]
    width_arcmin: f64,
    height_arcmin: f64,
    /// At the center.
    pixel_scale_arcsec: f64,
}

#[derive(Debug, Serialize)]
struct Inputs {
    used: Option<i64>,
    rejected: Option<i64>,
    failed: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Plane {
    plane: usize,
    /// [um]
    wavelength: f64,
    wavelength_min: f64,
    wavelength_max: f64,
    width: f64,
    resolving_power: f64,
    images: u32,
    /// Pixels with data, of all of the plane.
    share_with_data: f64,
    /// [MJy/sr]; `None` without data.
    median: Option<f64>,
    median_error: Option<f64>,
}

/// Cards of the options, with their names in the configuration.
const OPTIONS: [(&str, &str); 7] = [
    ("KERNEL", "kernel"),
    ("XYSHRINK", "xy_shrink"),
    ("ZSHRINK", "z_shrink"),
    ("XYOVRSM", "xy_oversample"),
    ("ZOVRSM", "z_oversample"),
    ("IVARMAX", "ivar_max"),
    ("MINOVER", "min_overlap"),
];

impl Info {
    /// Reads the header and, plane by plane, SCI and VARIANCE.
    fn read(path: &Path, cube: &mut CubeFile) -> Result<Self, Failure> {
        let [_, ny, nx] = cube.shape();
        let grid = OutputGrid::from_header(cube.science_header(), [ny, nx])
            .with_context(|| format!("{}: HDU SCI", path.display()))?;
        let primary = cube.primary();
        let count = |card: &str| primary.integer(card).ok();
        Ok(Self {
            file: path.display().to_string(),
            detector: spx_pipeline::cube::cube_detector(cube),
            version: primary.text("DRIZVER").ok().map(str::to_owned),
            shape: cube.shape(),
            region: Region {
                ra: grid.center().ra(),
                dec: grid.center().dec(),
                width_arcmin: nx as f64 * grid.pixel_scale() / 60.0,
                height_arcmin: ny as f64 * grid.pixel_scale() / 60.0,
                pixel_scale_arcsec: grid.pixel_scale(),
            },
            wavelength_range: [cube.wavelengths().lower(), cube.wavelengths().upper()],
            inputs: Inputs {
                used: count("N_INPUTS"),
                rejected: count("N_REJECT"),
                failed: count("N_FAILED"),
            },
            options: options(primary),
            saturated_voxels: count("N_SATUR"),
            history: history(primary),
            planes: (0..cube.shape()[0]).map(|z| plane(cube, z)).collect::<Result<_, _>>()?,
        })
    }

    fn text(&self, with_history: bool) -> String {
        let [nz, ny, nx] = self.shape;
        let Region { ra, dec, width_arcmin, height_arcmin, pixel_scale_arcsec } = self.region;
        let count = |n: Option<i64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
        let Inputs { used, rejected, failed } = self.inputs;
        let options: Vec<String> = self.options.iter().map(|(k, v)| format!("{k} = {}", plain(v))).collect();
        let mut out = String::new();
        for (name, value) in [
            ("file", self.file.clone()),
            ("detector", self.detector.clone()),
            ("shape", format!("{nx} x {ny} pixels, {nz} planes")),
            ("center", format!("{ra:.6} {dec:+.6} deg (ICRS)")),
            (
                "size",
                format!("{width_arcmin:.3}' x {height_arcmin:.3}', {}\" pixels", short(pixel_scale_arcsec)),
            ),
            (
                "wavelengths",
                format!("{} to {} um", short(self.wavelength_range[0]), short(self.wavelength_range[1])),
            ),
            (
                "inputs",
                format!("{} used, {} rejected, {} failed", count(used), count(rejected), count(failed)),
            ),
            ("options", options.join(", ")),
            ("made by", format!("spx {}", self.version.as_deref().unwrap_or("of unknown version"))),
        ] {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name:<12}{value}");
        }
        if let Some(n) = self.saturated_voxels.filter(|n| *n > 0) {
            let _ = writeln!(out, "{:<12}COUNT is cut at 65535 in {n} voxels", "saturated");
        }
        out.push('\n');
        out.push_str(&self.table().render(""));
        if with_history {
            out.push_str("\nhistory\n");
            self.history.iter().for_each(|line| {
                let _ = writeln!(out, "  {line}");
            });
        }
        out
    }

    fn table(&self) -> Table<8> {
        let mut table = Table::new(
            ["plane", "wavelength", "width", "R", "images", "data", "median SCI", "median error"]
                .map(|name| (name, Align::Right)),
        );
        for p in &self.planes {
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
}

fn plane(cube: &mut CubeFile, z: usize) -> Result<Plane, Failure> {
    let ny = cube.shape()[1];
    let mut science: Vec<f32> = cube.read(CubeArray::Science, z, 0..ny)?;
    let mut variance: Vec<f32> = cube.read(CubeArray::Variance, z, 0..ny)?;
    let (bin, pixels) = (cube.wavelengths().bin(z), science.len());
    let median_science = median(&mut science);
    Ok(Plane {
        plane: z,
        wavelength: bin.center(),
        wavelength_min: bin.min,
        wavelength_max: bin.max,
        width: bin.width(),
        resolving_power: bin.resolving_power(),
        images: cube.inputs_per_plane()[z],
        // The median has left only the finite values.
        share_with_data: science.len() as f64 / pixels as f64,
        median: median_science,
        median_error: median(&mut variance).map(f64::sqrt),
    })
}

fn options(primary: &Header) -> Map<String, Json> {
    let value = |card: &str| {
        Some(match primary.get(card)? {
            CardValue::Logical(v) => (*v).into(),
            CardValue::Integer(v) => (*v).into(),
            CardValue::Real(v) => (*v).into(),
            CardValue::Text(v) => v.clone().into(),
            CardValue::Undefined => return None,
        })
    };
    OPTIONS.iter().filter_map(|(card, name)| Some(((*name).to_owned(), value(card)?))).collect()
}

/// The lines of the history. Lines longer than a card's 72 characters stand in several cards; a
/// line begins with `config` or `input`.
fn history(primary: &Header) -> Vec<String> {
    const CARD: usize = 72;
    let mut lines: Vec<String> = Vec::new();
    for card in primary.cards().iter().filter(|c| c.keyword == "HISTORY") {
        let begins = ["config ", "input "].iter().any(|word| card.comment.starts_with(word));
        match lines.last_mut().filter(|_| !begins) {
            None => lines.push(card.comment.clone()),
            Some(line) => {
                // Blanks at the end of a card are lost.
                let missing = line.chars().count().next_multiple_of(CARD) - line.chars().count();
                line.extend(std::iter::repeat_n(' ', missing));
                line.push_str(&card.comment);
            }
        }
    }
    lines
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
    fn long_lines_of_the_history_are_joined() {
        let long = format!("input {} end", "x".repeat(64));
        let (first, second) = long.split_at(72);
        let mut header = Header::new();
        for card in ["config a = 1", first.trim_end(), second, "input b: used"] {
            header.note("HISTORY", card);
        }
        assert_eq!(history(&header), ["config a = 1".to_owned(), long, "input b: used".to_owned()]);
    }

    #[test]
    fn numbers_lose_their_zeros() {
        assert_eq!([6.15, 3.075, 2.0, 1.636].map(short), ["6.15", "3.075", "2", "1.636"]);
    }
}
