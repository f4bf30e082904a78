//! A summary as text.

use spx_pipeline::inspect::{FlagListing, HduContent, HduListing, ImageSky, ImageSummary, ValueExtent};

use crate::text::{Align, GLUE, Table, entry, number, percent, wrap};

/// How wide the shape of an HDU may be, so that all columns fit a line.
const SHAPE: usize = 40;

/// Everything, file name first.
pub(super) fn render(summary: &ImageSummary) -> String {
    let mut out = format!("{}\n", summary.file);
    for (name, value) in lines(summary) {
        out.push_str(&entry("  ", name, &value));
    }
    out.push_str("\n  HDUs\n");
    out.push_str(&hdu_table(&summary.hdus).render("    "));
    out.push_str("\n  flags\n");
    out.push_str(&flag_table(summary).render("    "));
    out
}

fn lines(s: &ImageSummary) -> Vec<(&'static str, String)> {
    let unknown = || "unknown".to_owned();
    let mut lines = vec![
        ("exposure", format!("{}, detector {}", s.observation, s.detector)),
        ("release", s.release.map_or_else(unknown, str::to_owned)),
        ("version", s.version.clone().unwrap_or_else(unknown)),
        ("time", time(s)),
        ("image", place(s)),
    ];
    lines.extend(sky(&s.sky));
    lines.extend([
        ("wavelength", format!("{} um", extent(s.wavelength))),
        ("bandwidth", format!("{} um", extent(s.bandwidth))),
        (
            "IMAGE",
            format!("median {} MJy/sr, {} not finite", number(s.median_image), count(s, s.not_finite.image)),
        ),
        ("VARIANCE", format!("{} not finite", count(s, s.not_finite.variance))),
        (
            "ZODI",
            format!("median {} MJy/sr, {} not finite", number(s.median_zodi), count(s, s.not_finite.zodi)),
        ),
        ("zodi scale", zodi(s)),
    ]);
    lines
}

fn time(s: &ImageSummary) -> String {
    let mjd = |time: Option<f64>| time.map_or_else(|| "?".to_owned(), |t| format!("{t:.6}"));
    let exposure = s.time.exposure.map_or_else(String::new, |t| format!(", exposure {t} s"));
    format!("MJD {} to {}{exposure}", mjd(s.time.begin), mjd(s.time.end))
}

fn place(s: &ImageSummary) -> String {
    let ([ny, nx], [x, y]) = (s.shape, s.parent_offset);
    let place = if s.full_frame {
        "a full frame".to_owned()
    } else {
        let ends = match s.frame_edges.as_slice() {
            [] => String::new(),
            sides => format!("; the frame ends at its {}", sides.join(" and ")),
        };
        format!("a cutout; its first pixel is x = {x}, y = {y} of the frame, from 0{ends}")
    };
    format!("{nx} x {ny} pixels, {place}")
}

fn sky(sky: &ImageSky) -> Vec<(&'static str, String)> {
    let position = |[ra, dec]: [f64; 2]| format!("{ra:.6} {dec:+.6}");
    let angle = |a: Option<f64>| a.map_or_else(|| "undefined".to_owned(), |a| format!("{a:.3} deg"));
    let corners = sky.footprint.map(|corner| position(corner).replace(' ', GLUE));
    vec![
        ("center", format!("{} deg (ICRS)", position(sky.center))),
        ("footprint", corners.join(", ")),
        (
            "pixel",
            format!("{:.4}\" at the center, {:.4} arcsec2", sky.pixel_scale_arcsec, sky.pixel_area_arcsec2),
        ),
        ("north", format!("{} from +y towards -x; east {}", angle(sky.north), angle(sky.east))),
        ("distortion", if sky.sip { "SIP".to_owned() } else { "none".to_owned() }),
    ]
}

fn extent(extent: ValueExtent) -> String {
    format!("{:.5} to {:.5}", extent.min, extent.max)
}

fn count(s: &ImageSummary, pixels: usize) -> String {
    format!("{pixels} pixels ({})", percent(pixels, s.pixels()))
}

fn zodi(s: &ImageSummary) -> String {
    let scale = match s.zodi_scale.error {
        Some(error) => format!("{:.5} +- {error:.5}, fitted", s.zodi_scale.scale),
        None => s.zodi_scale.scale.to_string(),
    };
    let remark = s.zodi_scale.remark.as_ref();
    remark.map_or(scale.clone(), |remark| format!("{scale} ({remark})"))
}

fn hdu_table(hdus: &[HduListing]) -> Table<4> {
    let mut table = Table::new([
        ("name", Align::Left),
        ("type", Align::Left),
        ("shape", Align::Left),
        ("unit", Align::Left),
    ]);
    for hdu in hdus {
        let [kind, shape, unit] = match &hdu.content {
            HduContent::Empty => ["header only".to_owned(), String::new(), String::new()],
            HduContent::Image { pixels, shape, unit } => {
                let sides: Vec<String> = shape.iter().rev().map(usize::to_string).collect();
                [pixels.clone(), sides.join(" x "), unit.clone().unwrap_or_default()]
            }
            HduContent::Table { rows, columns } => {
                let columns: Vec<String> =
                    columns.iter().map(|[name, form]| format!("{name}{GLUE}{form}")).collect();
                let rows = if *rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
                let shape = wrap(&format!("{rows}: {}", columns.join(", ")), SHAPE).join("\n");
                ["table".to_owned(), shape, String::new()]
            }
        };
        table.row([hdu.name.clone(), kind, shape, unit]);
    }
    table
}

fn flag_table(s: &ImageSummary) -> Table<4> {
    let mut table = Table::new([
        ("bit", Align::Right),
        ("name", Align::Left),
        ("pixels", Align::Right),
        ("share", Align::Right),
    ]);
    for flag in &s.flags {
        let name = flag.name.clone().unwrap_or_else(|| "(no name)".to_owned());
        table.row([flag.bit.to_string(), name, flag.pixels.to_string(), percent(flag.pixels, s.pixels())]);
    }
    table.row(["".to_owned(), "none".to_owned(), s.unflagged.to_string(), percent(s.unflagged, s.pixels())]);
    table
}

/// The flags of a file, and the presets that hold them.
pub(super) fn preset_table(flags: &[FlagListing]) -> Table<4> {
    let mut table = Table::new([
        ("bit", Align::Right),
        ("name", Align::Left),
        ("presets", Align::Left),
        ("named by", Align::Left),
    ]);
    for FlagListing { bit, name, in_file, presets } in flags {
        let named_by = if *in_file { "the file" } else { "spx alone" };
        table.row([bit.to_string(), name.clone(), presets.join(", "), named_by.to_owned()]);
    }
    table
}
