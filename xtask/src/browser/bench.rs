//! `cargo xtask bench-view`: a cube of 3 GB in the explorer: the first plane, the steps of the
//! slider, memory.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::chromium::{self, Browser};
use super::explorer::Page;
use super::{BrowserSetup, View};
use crate::process;

/// FITS files are made of blocks of these bytes.
const BLOCK: usize = 2880;
/// The demonstration's cube side by side so many times along x and y makes 3.1 GB.
const TIMES: usize = 33;

/// Measures; `--spx PATH` takes another binary, `--keep PATH` keeps the cube there, or takes it
/// where it is.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let (mut spx, mut kept) = (None, None);
    for pair in options.chunks(2) {
        match pair {
            ["--spx", path] => spx = Some(PathBuf::from(path)),
            ["--keep", path] => kept = Some(PathBuf::from(path)),
            _ => bail!("cargo xtask bench-view [--spx PATH] [--keep CUBE.fits]"),
        }
    }
    let program = chromium::find().context("no Chromium on this machine")?;
    let spx = spx.map_or_else(|| process::build_spx("release"), Ok)?;
    let setup = BrowserSetup::new(program, Some(spx))?;
    let cube = kept.unwrap_or_else(|| setup.folder.0.join("large.fits"));
    if !cube.exists() {
        println!("writing {}", cube.display());
        enlarge(&setup.cube, &cube, TIMES).with_context(|| cube.display().to_string())?;
    }
    println!("{}: {:.2} GB", cube.display(), fs::metadata(&cube)?.len() as f64 / 1e9);
    measure(&setup, &cube)
}

fn measure(setup: &BrowserSetup, cube: &Path) -> Result<()> {
    let browser = Browser::start(&setup.program, &setup.folder.0, [1366, 768])?;
    let start = Instant::now();
    let view = View::start(&setup.spx, cube, &[])?;
    let listening = start.elapsed();
    let mut page = Page { setup, url: view.url.clone(), browser };
    let url = page.url.clone();
    page.browser.open(&url)?;
    page.browser.wait("document.getElementById('picture')?.dataset.shown")?;
    let first = start.elapsed();
    page.rest()?;
    println!(
        "first plane {:.0} ms after the start, {:.0} ms of them until the server listens",
        millis(first),
        millis(listening)
    );
    let steps = "[9, 10, 11, 12, 13, 14, 15, 16, 7, 6, 5, 4, 3, 2, 1, 0]";
    report("slider, plane after plane", &times(&mut page, steps)?);
    page.open()?;
    report("slider, jumps", &times(&mut page, "[1, 15, 3, 13, 5, 11, 16, 0, 9, 6, 12, 2, 14, 4, 10, 7]")?);
    report("slider, planes seen before", &times(&mut page, "[1, 15, 3, 13, 5, 11, 16, 0]")?);
    page.open()?;
    page.browser.value("for (let k = 0; k < 6; k += 1) document.getElementById('zoom-in').click()")?;
    report("slider, zoomed in", &times(&mut page, "[1, 15, 3, 13, 5, 11, 16, 0]")?);
    page.open()?;
    let at = page.browser.value(
        "(() => { const r = document.getElementById('overlay').getBoundingClientRect(); \
         return [r.left + r.width / 2, r.top + r.height / 2]; })()",
    )?;
    let [x, y]: [f64; 2] = serde_json::from_value(at)?;
    let start = Instant::now();
    page.browser.drag([x, y], [x + 30.0, y], false)?;
    page.spectrum(1)?;
    println!("spectrum of a circle: {:.0} ms", millis(start.elapsed()));
    let start = Instant::now();
    page.browser.key("m")?;
    page.shows("colors")?;
    println!("color composite of all planes: {:.0} ms", millis(start.elapsed()));
    println!("peak memory of the server: {:.0} MB", peak_memory(view.server.id())?);
    page.no_errors()
}

fn millis(time: std::time::Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

/// Times \[ms\] from an input event of the slider until the plane is painted on the screen.
fn times(page: &mut Page<'_>, planes: &str) -> Result<Vec<f64>> {
    page.rest()?;
    let script = format!(
        "(async () => {{ const slider = document.getElementById('slider'), times = []; \
         const picture = document.getElementById('picture'); \
         const frame = () => new Promise((done) => requestAnimationFrame(done)); \
         for (const z of {planes}) {{ await new Promise((done) => setTimeout(done, 300)); \
         const start = performance.now(); slider.value = z; slider.dispatchEvent(new Event('input')); \
         while (picture.dataset.shown !== 'sci ' + z) await frame(); \
         times.push(performance.now() - start); }} return times; }})()"
    );
    Ok(serde_json::from_value(page.browser.value(&script)?)?)
}

fn report(what: &str, times: &[f64]) {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (median, most) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    println!("{what}: median {median:.0} ms, most {most:.0} ms, {} steps", sorted.len());
}

/// VmHWM of a process \[MB\].
fn peak_memory(id: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).context("memory is read from /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
}

/// Writes a cube in which every plane of another stands side by side, `times` by `times`.
fn enlarge(small: &Path, large: &Path, times: usize) -> Result<()> {
    let mut input = BufReader::new(File::open(small)?);
    let mut output = BufWriter::with_capacity(1 << 20, File::create(large)?);
    while let Some(mut header) = read_header(&mut input)? {
        let axes: Vec<usize> = (1..=number(&header, "NAXIS")?.unwrap_or(0))
            .map(|axis| number(&header, &format!("NAXIS{axis}")).map(|n| n.unwrap_or(0)))
            .collect::<Result<_>>()?;
        let size = number(&header, "BITPIX")?.unwrap_or(8) / 8;
        match axes[..] {
            [nx, ny, nz] => {
                set_number(&mut header, "NAXIS1", nx * times);
                set_number(&mut header, "NAXIS2", ny * times);
                output.write_all(&header)?;
                tile(&mut input, &mut output, [nx * size, ny, nz], times)?;
            }
            _ => {
                output.write_all(&header)?;
                let bytes = if axes.is_empty() { 0 } else { axes.iter().product::<usize>() * size };
                std::io::copy(&mut (&mut input).take(padded(bytes) as u64), &mut output)?;
            }
        }
    }
    output.flush()?;
    Ok(())
}

fn padded(bytes: usize) -> usize {
    bytes.div_ceil(BLOCK) * BLOCK
}

/// The blocks up to that with END; nothing at the end of the file.
fn read_header(input: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut header = Vec::new();
    loop {
        let mut block = Vec::new();
        input.take(BLOCK as u64).read_to_end(&mut block)?;
        if block.is_empty() && header.is_empty() {
            return Ok(None);
        }
        ensure!(block.len() == BLOCK, "the cube ends within a header");
        let last = block.chunks(80).any(|card| card.starts_with(b"END     "));
        header.extend(block);
        if last {
            return Ok(Some(header));
        }
    }
}

/// BITPIX without its sign, or a length.
fn number(header: &[u8], keyword: &str) -> Result<Option<usize>> {
    let start = format!("{keyword:<8}= ");
    let Some(card) = header.chunks(80).find(|card| card.starts_with(start.as_bytes())) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&card[10..30])?.trim().trim_start_matches('-');
    Ok(Some(text.parse().with_context(|| keyword.to_owned())?))
}

fn set_number(header: &mut [u8], keyword: &str, value: usize) {
    let start = format!("{keyword:<8}= ");
    for card in header.chunks_mut(80).filter(|card| card.starts_with(start.as_bytes())) {
        card[10..30].copy_from_slice(format!("{value:>20}").as_bytes());
    }
}

fn tile(
    input: &mut impl Read,
    output: &mut impl Write,
    [row, ny, nz]: [usize; 3],
    times: usize,
) -> Result<()> {
    let mut plane = vec![0; row * ny];
    for _ in 0..nz {
        input.read_exact(&mut plane)?;
        let wide: Vec<u8> = plane.chunks(row).flat_map(|row| row.repeat(times)).collect();
        for _ in 0..times {
            output.write_all(&wide)?;
        }
    }
    let small = row * ny * nz;
    std::io::copy(&mut input.take((padded(small) - small) as u64), &mut std::io::sink())?;
    let large = small * times * times;
    output.write_all(&vec![0; padded(large) - large])?;
    Ok(())
}
