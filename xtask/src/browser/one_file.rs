//! The self-contained page, from disk.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::chromium::Browser;
use super::explorer::Page;
use super::{BrowserSetup, check};
use crate::process;

/// Runs the checks; gives the names of those that failed.
pub(super) fn run(setup: &BrowserSetup) -> Result<Vec<String>> {
    let file = setup.folder.0.join("page.html");
    let mut command = Command::new(&setup.spx);
    command.args(["cube", "view", "--json"]).arg(&setup.cube).arg("--html").arg(&file);
    let report: Value = serde_json::from_str(&process::output(command.arg("--catalog").arg(&setup.stars))?)?;
    let browser = Browser::start(&setup.program, &setup.folder.0, [1366, 768])?;
    let mut page = Page { setup, url: format!("file://{}", file.display()), browser };
    let done = works(&mut page, &report["loss"]);
    let mut failed = Vec::from_iter(check("one file, from disk", done));
    failed.extend(check("one file: no error in the console", page.no_errors()));
    failed
        .extend(check("one file: no request but for itself", page.only_from(&[&page.url, "blob:", "data:"])));
    Ok(failed)
}

fn works(page: &mut Page<'_>, loss: &Value) -> Result<()> {
    page.open()?;
    let said = page.browser.text("document.getElementById('loss').textContent")?;
    ensure!(said.contains("rounded") && said.contains("exact"), "{said}");
    page.browser.key("]")?;
    page.shows("sci 9")?;
    page.browser.key("l")?;
    page.shows("line")?;
    let middle = page.place([48.0, 48.0])?;
    page.browser.mouse("mouseMoved", middle, false)?;
    page.browser.wait("document.getElementById('at-value').textContent.includes('nW/m²/sr')")?;
    page.browser.key("l")?;
    page.shows("sci 9")?;
    page.browser.key("m")?;
    page.shows("colors")?;
    page.browser.wait("document.getElementById('objects').textContent.includes('in the image')")?;
    let (from, to) = ([48.0, 48.0], [55.0, 52.0]);
    // The line about the loss makes the image lower: the places are those of now.
    let (from, to) = (page.place(from)?, page.place(to)?);
    page.browser.drag(from, to, false)?;
    compare(page, 1, loss)?;
    // Not where the handle of the first would be caught.
    let elsewhere = page.place([70.0, 30.0])?;
    page.browser.click(elsewhere)?;
    compare(page, 2, loss)?;
    // Any region with a background: the page's own sums against the command's.
    page.set("subtract", "true")?;
    let regions = page.setup.folder.0.join("one_file.reg");
    let lines = [
        "ellipse(186.4536,33.5468,40\",20\",30)",
        "box(186.44,33.55,30\",50\",20)",
        "polygon(186.45,33.54,186.46,33.54,186.455,33.55)",
    ];
    for (k, line) in lines.iter().cycle().take(2 * lines.len()).enumerate() {
        let (unit, inner, outer) = if k < lines.len() { ("", "40", "70") } else { ("x", "1.5", "2.5") };
        for (id, value) in [("ring-unit", unit), ("ring-inner", inner), ("ring-outer", outer)] {
            page.set(id, value)?;
            page.rest()?;
        }
        std::fs::write(&regions, format!("fk5\n{line}\n"))?;
        page.browser.choose_file("#region-file", &regions)?;
        compare(page, 3 + k, loss)?;
    }
    Ok(())
}

/// The spectrum is that of the command within the loss that the file states; counts and flags are
/// the same.
fn compare(page: &mut Page<'_>, count: usize, loss: &Value) -> Result<()> {
    let shown = page.spectrum(count)?;
    let mut place = shown.place.clone();
    if page.browser.value("document.getElementById('subtract').checked")? == true {
        let ring = "['inner', 'outer'].map((edge) => document.getElementById('ring-' + edge).value + \
                    document.getElementById('ring-unit').value).join()";
        place.push(format!("--annulus={}", page.browser.text(ring)?));
    }
    let printed = page.setup.spectrum(&page.setup.cube, &place)?;
    ensure!(shown.rows.len() == printed.len() - 1, "{} rows", shown.rows.len());
    let science = loss["science"].as_f64().context("no loss")?;
    let relative = loss["error"].as_f64().context("no loss")?;
    for (found, expected) in shown.rows.iter().zip(&printed[1..]) {
        let number = |field: &str| if field.is_empty() { Ok(f64::NAN) } else { field.parse::<f64>() };
        for (value, error) in [(4, 5), (6, 7)] {
            let [v, e] = [number(&found[value])?, number(&found[error])?];
            let [v0, e0] = [number(&expected[value])?, number(&expected[error])?];
            // Of n pixels each is off by at most that part of its error: together by at most
            // sqrt(n) of the sum's.
            let pixels = number(&found[8])?.sqrt();
            // The background's median moves by at most what one of its pixels does, in each pixel
            // of the region.
            let near = (v - v0).abs() <= 2.0 * pixels * science * e0 + 1e-6 * v0.abs()
                && (e - e0).abs() <= (relative + 1e-6) * e0;
            ensure!(near || (v.is_nan() && v0.is_nan()), "{v} {e} is not {v0} {e0}: {:?}", shown.place);
        }
        ensure!(found[8..13] == expected[8..13] && found[15..] == expected[15..], "{found:?} {expected:?}");
    }
    Ok(())
}
