//! The self-contained page: page, scripts and planes in one file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use spx_core::atomic::AtomicFile;
use spx_core::progress::Progress;
use spx_pipeline::cube::CubeFile;
use spx_pipeline::cube::open_cube;
use spx_pipeline::output::check_output;
use spx_pipeline::{PipelineError, ResultContext as _};

use crate::meta::{CubeMeta, Meta};
use crate::page;
use crate::quantize::{Loss, Plane};

/// Larger pages (some 5 bytes a voxel) are no pleasure to mail or to open.
const MAX_VOXELS: usize = 20_000_000;

/// A page that was written.
#[derive(Debug, Serialize)]
pub struct PageReport {
    /// The page.
    pub outputs: [String; 1],
    /// The cube.
    pub file: PathBuf,
    /// Size of the page.
    pub bytes: u64,
    loss: Loss,
}

/// Writes a page with the planes of a cube, of which `bin` x `bin` pixels become one, and a catalog
/// `(path, text)`.
///
/// # Errors
/// Usage where the page exists and is not to be replaced, or the cube is too large for one;
/// interrupted; otherwise where the cube cannot be read or the page cannot be written.
pub fn write_page(
    cube_file: &Path,
    target: &Path,
    catalog: Option<(&Path, String)>,
    bin: usize,
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<PageReport, PipelineError> {
    check_output(target, overwrite)?;
    let mut cube = open_cube(cube_file)?;
    check_size(cube_file, cube.shape(), bin)?;
    let shown = CubeMeta::new(cube_file, &mut cube, bin)?;
    let meta = Meta::new(vec![shown], catalog.as_ref().map(|(path, _)| *path));
    let written = AtomicFile::new(target, overwrite).map_err(PipelineError::from).and_then(|file| {
        let mut out = BufWriter::new(File::create_new(file.path())?);
        let loss = write(&mut out, &mut cube, meta, catalog.map(|(_, text)| text), bin, progress)?;
        out.flush()?;
        let bytes = out.get_ref().metadata()?.len();
        file.commit()?;
        Ok((loss, bytes))
    });
    let (loss, bytes) = written.with_context(|| target.display().to_string())?;
    let outputs = [target.display().to_string()];
    Ok(PageReport { outputs, file: cube_file.to_owned(), bytes, loss })
}

fn check_size(path: &Path, [nz, ny, nx]: [usize; 3], bin: usize) -> Result<(), PipelineError> {
    let voxels = |bin: usize| nz * ny.div_ceil(bin) * nx.div_ceil(bin);
    if voxels(bin) <= MAX_VOXELS {
        return Ok(());
    }
    let enough = (bin + 1..=ny.max(nx)).find(|bin| voxels(*bin) <= MAX_VOXELS);
    let advice =
        enough.map_or_else(String::new, |bin| format!("; --bin {bin} averages {bin} x {bin} pixels"));
    Err(PipelineError::usage(format!(
        "{}: {} million voxels are too many for one page, {} million fit{advice}",
        path.display(),
        voxels(bin) / 1_000_000,
        MAX_VOXELS / 1_000_000
    )))
}

impl PageReport {
    /// The size of the page, and what was lost of the cube, in words.
    pub fn statement(&self) -> String {
        let Self { loss, bytes, .. } = self;
        let binned = match loss.bin {
            1 => String::new(),
            n => format!("{n} x {n} pixels averaged; "),
        };
        let (science, error) = (loss.science, 100.0 * loss.error);
        format!(
            "  {:.1} MB; {binned}rounding changes brightness by at most {science:.2e} of its error, errors by at most \
         {error:.2e} %; counts and flags are exact",
            *bytes as f64 / 1e6
        )
    }
}

fn write(
    out: &mut impl Write,
    cube: &mut CubeFile,
    mut meta: Meta,
    catalog: Option<String>,
    bin: usize,
    progress: &dyn Progress,
) -> Result<Loss, PipelineError> {
    let mut loss = Loss::new(bin);
    let [before, after] = page::alone();
    out.write_all(before.as_bytes())?;
    for z in 0..cube.shape()[0] {
        if progress.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let plane = Plane::read(cube, z, bin)?;
        let (science, error) = loss.encode(&plane);
        write_array(out, &format!("sci-{z}"), &science, |v| v.to_le_bytes())?;
        write_array(out, &format!("error-{z}"), &error, |v| v.to_le_bytes())?;
        write_array(out, &format!("count-{z}"), &plane.count, |v| v.to_le_bytes())?;
        write_array(out, &format!("and_mask-{z}"), &plane.and_mask, |v| v.to_le_bytes())?;
        write_array(out, &format!("or_mask-{z}"), &plane.or_mask, |v| v.to_le_bytes())?;
    }
    meta.loss = Some(loss.clone());
    write_json(out, "meta", &meta)?;
    write_json(out, "catalog", &catalog)?;
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
fn write_json(out: &mut impl Write, id: &str, value: &impl Serialize) -> Result<(), PipelineError> {
    let text = serde_json::to_string(value)?.replace('<', "\\u003c");
    writeln!(out, "<script type=\"application/json\" id=\"data-{id}\">{text}</script>")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use spx_core::progress::Silent;

    use super::*;

    /// Asks to stop when it has been looked at so many times.
    struct StopAfter(AtomicUsize);

    impl Progress for StopAfter {
        fn cancelled(&self) -> bool {
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
        }
    }

    #[test]
    fn a_page_that_is_broken_off_leaves_nothing() {
        let cube = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/maps/cube.fits.gz");
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("page.html");
        let write = |progress: &dyn Progress| write_page(&cube, &target, None, 1, false, progress);
        for looks in [0, 2] {
            let stopped = write(&StopAfter(AtomicUsize::new(looks)));
            assert!(matches!(stopped, Err(PipelineError::Interrupted)), "{looks} looks: {stopped:?}");
            assert_eq!(folder.path().read_dir().unwrap().count(), 0, "{looks} looks");
        }
        assert_eq!(write(&Silent).unwrap().bytes, target.metadata().unwrap().len());
    }
}
