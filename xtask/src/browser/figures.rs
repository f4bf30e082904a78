//! Pictures of the explorer for the eye and for the documents.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine as _;

use super::chromium::Browser;
use super::explorer::Page;
use super::{BrowserSetup, View};
use crate::process;

const SIZES: [[u32; 2]; 4] = [[1366, 768], [390, 844], [820, 1180], [2560, 1440]];

/// Writes pictures of one plane, of a composite, of a line map with the plot, of the settings and
/// of the commands for each size, light and dark.
pub(super) fn run(setup: &BrowserSetup, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let stars = setup.stars.display().to_string();
    let view = View::start(&setup.spx, &setup.cube, &["--catalog", &stars])?;
    for size in SIZES {
        for dark in [false, true] {
            let mut page = Page {
                setup,
                url: view.url.clone(),
                browser: Browser::start(&setup.program, &setup.folder.0, size)?,
            };
            page.browser.resize(size, dark)?;
            page.open()?;
            spectra(&mut page)?;
            let name = |what: &str| {
                format!("{what}-{}x{}-{}.png", size[0], size[1], if dark { "dark" } else { "light" })
            };
            save(&mut page, &folder.join(name("plane")))?;
            page.browser.key("m")?;
            page.shows("colors")?;
            page.browser.value("document.getElementById('overlay').blur()")?;
            save(&mut page, &folder.join(name("colors")))?;
            line(&mut page)?;
            save(&mut page, &folder.join(name("line")))?;
            page.browser.value("document.getElementById('settings').scrollIntoView({ block: 'end' })")?;
            save(&mut page, &folder.join(name("settings")))?;
            page.browser.key("k")?;
            save(&mut page, &folder.join(name("command")))?;
            page.browser.key("Escape")?;
            page.browser.value("scrollTo(0, 0)")?;
            if size == SIZES[0] {
                page.browser.value("document.getElementById('numbers').open = true")?;
                save(&mut page, &folder.join(name("numbers")))?;
                page.browser.key("?")?;
                save(&mut page, &folder.join(name("help")))?;
            }
        }
    }
    println!("pictures in {}", folder.display());
    Ok(())
}

/// Makes the explorer's pictures of README and tutorial again, in docs/images.
pub(super) fn documents(setup: &BrowserSetup) -> Result<()> {
    let stars = setup.stars.display().to_string();
    let view = View::start(&setup.spx, &setup.cube, &["--catalog", &stars])?;
    let [size, ..] = SIZES;
    for (names, dark) in
        [(&["explorer.png", "tutorial/explorer.png"][..], false), (&["explorer-colors.png"][..], true)]
    {
        let browser = Browser::start(&setup.program, &setup.folder.0, size)?;
        let mut page = Page { setup, url: view.url.clone(), browser };
        page.browser.resize(size, dark)?;
        page.open()?;
        spectra(&mut page)?;
        if dark {
            page.browser.key("m")?;
            page.shows("colors")?;
            page.browser.value("document.getElementById('overlay').blur()")?;
        }
        for name in names {
            // The tutorial's is small.
            let width = if name.starts_with("tutorial") { 960.0 } else { f64::from(size[0]) };
            let path = process::root().join("docs/images").join(name);
            let png = page.browser.scaled_screenshot(size, width / f64::from(size[0]))?;
            write(&path, &png)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// A galaxy, a knot and a star.
fn spectra(page: &mut Page<'_>) -> Result<()> {
    let circles = [([48.5, 49.0], 16.0), ([42.6, 53.4], 4.0), ([92.0, 43.6], 4.0)];
    for (k, ([x, y], radius)) in circles.into_iter().enumerate() {
        let (from, to) = (page.place([x, y])?, page.place([x + radius, y])?);
        page.browser.drag(from, to, false)?;
        page.spectrum(k + 1)?;
    }
    page.browser.value("document.getElementById('message').classList.add('gone')")?;
    // Until it has faded.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let at = page.place([52.0, 44.0])?;
    page.browser.mouse("mouseMoved", at, false)?;
    page.browser.wait("document.querySelector('#at-value:not(.pending)')?.textContent.includes('counts')")
}

/// A line map with a grid, and in the plot the background subtracted, lines marked, fluxes as
/// logarithms.
fn line(page: &mut Page<'_>) -> Result<()> {
    page.set("mode", "line")?;
    page.shows("line")?;
    page.set("subtract", "true")?;
    page.rest()?;
    page.browser.value("document.querySelectorAll('#features input').forEach((box) => box.click())")?;
    page.set("redshift", "1200 km/s")?;
    page.browser.value("['log-y', 'log-x', 'grid'].forEach((id) => document.getElementById(id).click())")?;
    page.rest()?;
    page.browser.value("document.getElementById('message').classList.add('gone')")?;
    page.browser.value("document.getElementById('spectra').scrollIntoView({ block: 'end' })")?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    Ok(())
}

fn save(page: &mut Page<'_>, path: &Path) -> Result<()> {
    write(path, &page.browser.screenshot()?)
}

/// Writes a picture that came as base64.
fn write(path: &Path, png: &str) -> Result<()> {
    let png = base64::engine::general_purpose::STANDARD.decode(png)?;
    fs::write(path, png).with_context(|| path.display().to_string())
}
