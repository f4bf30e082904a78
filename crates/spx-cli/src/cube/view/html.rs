//! `spx cube view --html`: the page, its scripts and the planes in one file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use spx_core::atomic::AtomicFile;
use spx_drizzle::file::CubeFile;

use super::meta::Meta;
use super::quantise::{Loss, Plane};
use super::{ViewArgs, page};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;

/// Larger pages (some 5 bytes a voxel) are no pleasure to mail or to open.
const MAX_VOXELS: usize = 20_000_000;

#[derive(Debug, Serialize)]
struct Report<'a> {
    outputs: [String; 1],
    file: &'a Path,
    bytes: u64,
    loss: &'a Loss,
}

/// Writes the page.
pub(super) fn run(
    args: &ViewArgs,
    target: &Path,
    catalogue: Option<(&Path, String)>,
    global: &Global,
) -> CommandResult {
    if !args.overwrite && target.symlink_metadata().is_ok() {
        return Err(Failure::exists(target));
    }
    let mut cube = super::super::open(&args.file)?;
    let bin = usize::from(args.bin);
    check_size(&args.file, cube.shape(), bin)?;
    let meta = Meta::new(&args.file, &cube, bin, catalogue.as_ref().map(|(path, _)| *path))?;
    let written = AtomicFile::new(target, args.overwrite).map_err(anyhow::Error::from).and_then(|file| {
        let mut out = BufWriter::new(File::create_new(file.path())?);
        let loss = write(&mut out, &mut cube, meta, catalogue.map(|(_, text)| text), bin)?;
        out.flush()?;
        let bytes = out.get_ref().metadata()?.len();
        file.commit()?;
        Ok((loss, bytes))
    });
    let (loss, bytes) = written.with_context(|| target.display().to_string())?;
    let outputs = [target.display().to_string()];
    if global.json {
        let report = Report { outputs, file: &args.file, bytes, loss: &loss };
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        ui::data(&format!("{}\n{}\n", outputs[0], statement(&loss, bytes)))?;
    }
    Ok(Outcome::Done)
}

fn check_size(path: &Path, [nz, ny, nx]: [usize; 3], bin: usize) -> Result<(), Failure> {
    let voxels = |bin: usize| nz * ny.div_ceil(bin) * nx.div_ceil(bin);
    if voxels(bin) <= MAX_VOXELS {
        return Ok(());
    }
    let enough = (bin + 1..=ny.max(nx)).find(|bin| voxels(*bin) <= MAX_VOXELS);
    let advice =
        enough.map_or_else(String::new, |bin| format!("; --bin {bin} averages {bin} x {bin} pixels"));
    Err(Failure::usage(anyhow!(
        "{}: {} million voxels are too many for one page, {} million fit{advice}",
        path.display(),
        voxels(bin) / 1_000_000,
        MAX_VOXELS / 1_000_000
    )))
}

/// What was lost, in words.
fn statement(loss: &Loss, bytes: u64) -> String {
    let binned = match loss.bin {
        1 => String::new(),
        n => format!("{n} x {n} pixels averaged; "),
    };
    let (science, error) = (loss.science, 100.0 * loss.error);
    format!(
        "  {:.1} MB; {binned}rounding changes brightness by at most {science:.2e} of its error, errors by at most \
         {error:.2e} %; counts and flags are exact",
        bytes as f64 / 1e6
    )
}

fn write(
    out: &mut impl Write,
    cube: &mut CubeFile,
    mut meta: Meta,
    catalogue: Option<String>,
    bin: usize,
) -> anyhow::Result<Loss> {
    let mut loss = Loss::new(bin);
    let [before, after] = page::alone();
    out.write_all(before.as_bytes())?;
    for z in 0..meta.shape[0] {
        let plane = Plane::read(cube, z, bin)?;
        let [science, error] = loss.encode(&plane);
        write_array(out, &format!("sci-{z}"), &science, |v| v.to_le_bytes())?;
        write_array(out, &format!("error-{z}"), &error, |v| v.to_le_bytes())?;
        write_array(out, &format!("count-{z}"), &plane.count, |v| v.to_le_bytes())?;
        write_array(out, &format!("and_mask-{z}"), &plane.and_mask, |v| v.to_le_bytes())?;
        write_array(out, &format!("or_mask-{z}"), &plane.or_mask, |v| v.to_le_bytes())?;
    }
    meta.loss = Some(loss.clone());
    write_json(out, "meta", &meta)?;
    write_json(out, "catalogue", &catalogue)?;
    out.write_all(after.as_bytes())?;
    Ok(loss)
}

/// Numbers, little endian, gzipped, as base64 in an element that the browser does not show.
fn write_array<T: Copy, const N: usize>(
    out: &mut impl Write,
    id: &str,
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> std::io::Result<()> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    let raw: Vec<u8> = values.iter().flat_map(|v| bytes(*v)).collect();
    packed.write_all(&raw)?;
    let text = STANDARD.encode(packed.finish()?);
    writeln!(out, "<script type=\"text/plain\" id=\"data-{id}\">{text}</script>")
}

/// JSON in which no tag can end the element.
fn write_json(out: &mut impl Write, id: &str, value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(value)?.replace('<', "\\u003c");
    writeln!(out, "<script type=\"application/json\" id=\"data-{id}\">{text}</script>")?;
    Ok(())
}
