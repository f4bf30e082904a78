//! What is drawn, where programs can check it: names that keep clear of each other, planes without
//! data, strips of pixels, the classes of points, and limits.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::chromium::Browser;
use super::explorer::{Page, numbers};
use super::tasks::{Hand, middle};
use super::{BrowserSetup, View, check};
use crate::process;

const SIZE: [u32; 2] = [1366, 768];

/// Looks at cubes of one exposure; gives the names of the checks that failed.
pub(super) fn run(setup: &BrowserSetup) -> Result<Vec<String>> {
    let mut failed = Vec::new();
    for (name, [width, height], look) in [
        ("planes without data", ["10", "10"], without_data as fn(&mut Page<'_>) -> Result<()>),
        ("a strip of pixels", ["300", "0.5"], strip),
    ] {
        let cube = one_exposure(setup, width, height)?;
        let view = View::start(&setup.spx, &cube, &[])?;
        let browser = Browser::start(&setup.program, &setup.folder.0, SIZE)?;
        let mut page = Page { setup, url: view.url.clone(), browser };
        let done = page.open().and_then(|()| look(&mut page));
        failed.extend(check(name, done));
        failed.extend(check(format!("{name}: no error in the console"), page.no_errors()));
    }
    Ok(failed)
}

/// A cube of one exposure, which fills few planes, and these in part.
fn one_exposure(setup: &BrowserSetup, width: &str, height: &str) -> Result<PathBuf> {
    let demo = setup.cube.parent().context("no folder")?;
    let mut inputs: Vec<PathBuf> = Vec::new();
    for entry in demo.join("archive").read_dir()? {
        inputs.push(entry?.path());
    }
    inputs.retain(|path| path.extension().is_some_and(|ending| ending == "fits"));
    inputs.sort();
    let folder = setup.folder.0.join(format!("one_{width}"));
    let mut drizzle = Command::new(&setup.spx);
    drizzle.args(["drizzle", "--quiet", "--ra=186.4536", "--dec=33.5468", "--detector=3"]);
    drizzle.args(["--width", width, "--height", height]).arg("--input").arg(&inputs[0]);
    drizzle.arg("--calibration").arg(demo.join("calibration")).arg("-o").arg(&folder);
    process::output(&mut drizzle)?;
    Ok(folder.join("drizzle_D3.fits"))
}

/// A name over the image, and its box: left, top, right, bottom.
type Name = (String, [f64; 4]);

/// The names that stand over the image.
fn names(page: &mut Page<'_>) -> Result<Vec<Name>> {
    let list: Vec<Vec<Value>> =
        serde_json::from_str(&page.browser.text("document.getElementById('overlay').dataset.names")?)?;
    let name = |parts: &Vec<Value>| {
        let text = parts[0].as_str().context("no name")?.to_owned();
        Ok((text, numbers(&Value::Array(parts[1..].to_vec()))?))
    };
    list.iter().map(name).collect()
}

/// No name touches another, the buttons, or the edge of the image.
fn keep_clear(page: &mut Page<'_>) -> Result<Vec<Name>> {
    let names = names(page)?;
    let [width, height, left, top, right, bottom]: [f64; 6] = numbers(&page.browser.value(
        "(() => { const o = document.getElementById('overlay'); const b = document.getElementById('toolbar'); \
         return [o.clientWidth, o.clientHeight, b.offsetLeft, b.offsetTop, \
         b.offsetLeft + b.offsetWidth, b.offsetTop + b.offsetHeight]; })()",
    )?)?;
    let apart = |a: &[f64; 4], b: &[f64; 4]| a[0] >= b[2] || a[2] <= b[0] || a[1] >= b[3] || a[3] <= b[1];
    // Boxes are rounded to whole pixels.
    let within = |[x0, y0, x1, y1]: [f64; 4]| [x0 + 1.0, y0 + 1.0, x1 - 1.0, y1 - 1.0];
    for (k, (name, here)) in names.iter().enumerate() {
        ensure!(
            here[0] >= 0.0 && here[1] >= 0.0 && here[2] <= width && here[3] <= height,
            "{name} is cut: {here:?}"
        );
        ensure!(
            apart(&within(*here), &[left, top, right, bottom]),
            "{name} lies under the buttons: {here:?}"
        );
        for (other, there) in &names[..k] {
            ensure!(apart(&within(*here), &within(*there)), "{name} {here:?} covers {other} {there:?}");
        }
    }
    Ok(names)
}

/// The catalog's names and those of regions, in the whole image and in a part of it.
pub(super) fn labels(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    page.browser.wait("document.getElementById('objects').textContent.includes('in the image')")?;
    let all = keep_clear(page)?;
    ensure!(all.len() >= 20, "{} names of 33 objects", all.len());
    let at = middle(page, "overlay")?;
    hand.tap(page, at)?;
    page.spectrum(1)?;
    page.set("grid", "true")?;
    page.rest()?;
    ensure!(keep_clear(page)?.iter().any(|(name, _)| name == "S1"), "the region has no name");
    page.browser.key("+")?;
    page.rest()?;
    keep_clear(page)?;
    Ok(())
}

/// What is marked under a finger or a mouse is read off below the image.
pub(super) fn readout(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    let at = middle(page, "overlay")?;
    hand.tap(page, at)?;
    page.browser.wait("document.getElementById('at-value').textContent.includes('counts')")?;
    page.spectrum(1)?;
    Ok(())
}

/// Fields of percentiles are empty where the limits follow the sky; a line map shows what is
/// negative.
pub(super) fn limits(page: &mut Page<'_>, _: Hand) -> Result<()> {
    let field = |id: &str| format!("document.getElementById('{id}').value");
    let used = |page: &mut Page<'_>| -> Result<[f64; 2]> {
        page.rest()?;
        numbers(
            &page.browser.value("['low', 'high'].map((id) => document.getElementById(id).valueAsNumber)")?,
        )
    };
    let sky = used(page)?;
    for id in ["low-percent", "high-percent"] {
        ensure!(page.browser.text(&field(id))?.is_empty(), "#{id} has a number that is not used");
    }
    ensure!(sky[0] > -0.2 * sky[1], "the sky is not dark: {sky:?}");
    page.set("high-percent", "90")?;
    page.browser.wait(&format!("{} === '0.5'", field("low-percent")))?;
    ensure!(used(page)?[1] < sky[1], "the percentile is not used");
    for id in ["low-percent", "high-percent"] {
        page.set(id, "")?;
    }
    ensure!(used(page)? == sky, "{sky:?} is not back");
    page.set("fixed", "true")?;
    ensure!(page.browser.value("document.getElementById('low-percent').disabled")? == true, "idle, but open");
    page.set("fixed", "false")?;
    page.set("mode", "line")?;
    page.shows("line")?;
    let line = used(page)?;
    ensure!(-line[0] > line[1] / 6.0, "what is negative in the line map is cut at {line:?}");
    Ok(())
}

/// A session takes the place of all that was shown, not only of what it names.
pub(super) fn sessions(page: &mut Page<'_>, _: Hand) -> Result<()> {
    let file = page.setup.folder.0.join("plain_session.json");
    std::fs::write(&file, r#"{"spx": "session", "z": 5}"#)?;
    for (id, value) in [("stretch", "log"), ("map", "gray"), ("high-percent", "80"), ("grid", "true")] {
        page.set(id, value)?;
    }
    page.browser.key("+")?;
    page.browser.choose_file("#session-file", &file)?;
    page.shows("sci 5")?;
    let session = super::tasks::session(page)?;
    ensure!(session == serde_json::json!({ "z": 5 }), "{session}");
    let shown = "['stretch', 'map', 'high-percent'].map((id) => document.getElementById(id).value).join()";
    let shown = page.browser.text(shown)?;
    ensure!(shown == "asinh,viridis,", "the fields show {shown}");
    Ok(())
}

fn without_data(page: &mut Page<'_>) -> Result<()> {
    let said = |page: &mut Page<'_>| -> Result<bool> {
        page.rest()?;
        Ok(keep_clear(page)?.iter().any(|(name, _)| name.starts_with("no data")))
    };
    page.shows("sci 16")?;
    ensure!(!said(page)?, "a plane with data has none");
    page.set("slider", "3")?;
    page.shows("sci 3")?;
    ensure!(said(page)?, "nothing says that the plane has no data");
    let limits =
        page.browser.text("['low', 'high'].map((id) => document.getElementById(id).value).join()")?;
    ensure!(limits == ",", "a plane without data has the limits {limits}");
    page.browser.key("]")?;
    page.shows("sci 4")?;
    ensure!(said(page)?, "the next plane has none either");
    let at = middle(page, "overlay")?;
    page.browser.mouse("mouseMoved", at, false)?;
    page.browser.wait("document.getElementById('at-value').textContent.startsWith('no data')")?;
    // Playing passes over such planes.
    page.browser.key("p")?;
    page.browser.wait("['sci 15', 'sci 16'].includes(document.getElementById('picture').dataset.shown)")?;
    page.browser.key("p")?;
    page.set("slider", "16")?;
    page.shows("sci 16")?;
    ensure!(!said(page)?, "the plane with data has lost them");
    classes(page)
}

/// A region that reaches over pixels without data gives a cross, the empty sky an open point.
fn classes(page: &mut Page<'_>) -> Result<()> {
    let classes = |page: &mut Page<'_>| -> Result<Value> {
        let text = page.browser.text("document.getElementById('plot').dataset.classes")?;
        Ok(serde_json::from_str(&text)?)
    };
    let at = page.place([48.0, 48.0])?;
    let to = page.place([48.0, 90.0])?;
    page.browser.drag(at, to, false)?;
    let shown = page.spectrum(1)?;
    let partial = shown.rows.iter().filter(|row| !row[6].is_empty() && row[8] != row[9]).count();
    let found = classes(page)?;
    ensure!(partial > 0 && found["partial"] == partial, "{found} for {partial} planes in part");
    page.browser.value("document.getElementById('clear').click()")?;
    // Single pixels, without data in part of the image, and elsewhere mostly of sky.
    page.set("radius", "")?;
    let mut expected = [0, 0];
    let mut count = 0;
    for x in [10.0, 30.0, 50.0, 70.0] {
        for y in [15.0, 45.0, 75.0] {
            let at = page.place([x, y])?;
            page.browser.click(at)?;
            page.rest()?;
            if page.browser.value("document.querySelectorAll('#spectra li').length")? != count + 1 {
                continue;
            }
            count += 1;
            for row in page.spectrum(count)?.rows.iter().filter(|row| !row[6].is_empty()) {
                let [flux, error] = [row[6].parse::<f64>()?, row[7].parse()?];
                expected[usize::from(flux < 5.0 * error)] += 1;
            }
        }
    }
    let found = classes(page)?;
    ensure!(expected[1] > 0, "no faint pixel");
    let of = |kind: &str| found[kind].as_u64().unwrap_or(0);
    ensure!([of("detected"), of("faint")] == expected, "{found} for {expected:?}");
    Ok(())
}

/// Of a strip, a part is shown in which its pixels are seen; it can be moved along, and seen whole.
fn strip(page: &mut Page<'_>) -> Result<()> {
    let [nx, ny] = [2926.0, 4.0];
    let view = |page: &mut Page<'_>| -> Result<[f64; 3]> {
        page.rest()?;
        let text = page.browser.text("document.getElementById('picture').dataset.view")?;
        numbers(&serde_json::from_str(&text)?)
    };
    let first = view(page)?;
    ensure!(ny * first[2] >= 24.0, "the strip is {} px high", ny * first[2]);
    let message = page.browser.text("document.getElementById('message').textContent")?;
    ensure!(message.starts_with("A part of 2926 × 4 pixels"), "{message}");
    let at = middle(page, "overlay")?;
    page.browser.drag(at, [at[0] - 200.0, at[1]], true)?;
    let moved = view(page)?;
    ensure!(moved[0] - first[0] > 20.0 && moved[2].to_bits() == first[2].to_bits(), "{first:?} {moved:?}");
    let shifted = serde_json::json!({ "type": "mouseWheel", "x": at[0].round(), "y": at[1].round(),
                                      "deltaX": 0, "deltaY": 400, "modifiers": 8 });
    page.browser.call("Input.dispatchMouseEvent", &shifted)?;
    let wheeled = view(page)?;
    ensure!(wheeled[0] - moved[0] > 20.0 && wheeled[2].to_bits() == moved[2].to_bits(), "{wheeled:?}");
    for _ in 0..12 {
        page.browser.key("-")?;
    }
    let [_, _, scale] = view(page)?;
    let width = page.browser.value("document.getElementById('overlay').clientWidth")?;
    ensure!(width.as_f64().is_some_and(|width| nx * scale < width), "{scale} does not show the whole");
    page.browser.key("0")?;
    ensure!(view(page)? == first, "0 does not bring back the first view");
    Ok(())
}

/// The commands of a part of the image with a reversed color map, of every mode, run.
pub(super) fn commands(page: &mut Page<'_>, _: Hand) -> Result<()> {
    page.set("map", "gray")?;
    page.set("reversed", "true")?;
    page.set("stretch", "sqrt")?;
    for _ in 0..3 {
        page.browser.key("+")?;
    }
    for mode in ["plane", "mean", "line", "colors"] {
        page.set("mode", mode)?;
        page.shows(if mode == "plane" { "sci 8" } else { mode })?;
        page.browser.key("k")?;
        let text = page.browser.text("document.getElementById('picture-command').value")?;
        let lacking = page.browser.text("document.getElementById('lacking').textContent")?;
        page.browser.key("Escape")?;
        ensure!(text.contains("spx cube cut") && lacking.contains("the catalog"), "{text} {lacking}");
        // Line maps have a color map of their own.
        let map = if mode == "line" { "--cmap RdBu_r" } else { "--cmap gray_r" };
        ensure!((mode == "colors") != text.contains(map), "{text}");
        let name = text.split_once("&& ").and_then(|(_, rest)| rest.split_whitespace().nth(5));
        run_line(page, &format!("{text} --overwrite"), Path::new(name.context(text.clone())?))?;
    }
    Ok(())
}

/// Runs a line of the page as a shell does; it makes a picture.
fn run_line(page: &mut Page<'_>, line: &str, picture: &Path) -> Result<()> {
    let folder = &page.setup.folder.0;
    let line = line.replace("spx cube", &format!("{} cube", page.setup.spx.display()));
    process::output(Command::new("sh").current_dir(folder).arg("-c").arg(line))?;
    let made = std::fs::read(folder.join(picture)).with_context(|| picture.display().to_string())?;
    ensure!(made.starts_with(b"\x89PNG"), "{} is no picture", picture.display());
    Ok(())
}
