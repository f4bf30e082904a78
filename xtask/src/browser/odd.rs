//! Cubes of one plane, of one pixel, and of a strip of pixels.

use std::process::Command;

use anyhow::{Result, ensure};

use super::chromium::Browser;
use super::explorer::{Page, equals};
use super::tasks::middle;
use super::{BrowserSetup, View, check};
use crate::process;

/// Name, how it is cut out of the demonstration's cube, and what the page says of it.
const CUBES: [(&str, &[&str], &str); 3] = [
    ("one_plane", &["--planes=8..8"], "97 × 97 pixels, 1 plane"),
    ("one_pixel", &["--planes=8..8", "--width=0.1", "--height=0.1"], "1 × 1 pixels, 1 plane"),
    ("strip", &["--planes=3..6", "--width=9.9", "--height=0.1"], "1 pixels, 4 planes"),
];

/// Looks at each; gives the names of those that failed.
pub(super) fn run(setup: &BrowserSetup) -> Result<Vec<String>> {
    let mut failed = Vec::new();
    for (name, options, said) in CUBES {
        let cube = setup.folder.0.join(format!("{name}.fits"));
        let mut cut = Command::new(&setup.spx);
        cut.args(["cube", "cut", "--quiet"]).arg(&setup.cube).args(options).arg("-o").arg(&cube);
        if options.len() > 1 {
            cut.args(["--ra=186.4536", "--dec=33.5468"]);
        }
        process::output(&mut cut)?;
        let view = View::start(&setup.spx, &cube, &[])?;
        let browser = Browser::start(&setup.program, &setup.folder.0, [1366, 768])?;
        let mut page = Page { setup, url: view.url.clone(), browser };
        let done = page.open().and_then(|()| looks(&mut page, &cube, said));
        failed.extend(check(format!("{name}: every view, and a spectrum"), done));
        failed.extend(check(format!("{name}: no error in the console"), page.no_errors()));
    }
    Ok(failed)
}

fn looks(page: &mut Page<'_>, cube: &std::path::Path, said: &str) -> Result<()> {
    let title = page.browser.text("document.getElementById('title').textContent")?;
    ensure!(title.contains(said), "{title}");
    let at = middle(page, "overlay")?;
    page.browser.click(at)?;
    let shown = page.spectrum(1)?;
    equals(&shown, &page.setup.spectrum(cube, &shown.place)?)?;
    for array in ["error", "snr", "count", "sci"] {
        page.set("array", array)?;
        page.rest()?;
    }
    for mode in ["mean", "line", "colors", "plane"] {
        page.set("mode", mode)?;
        page.rest()?;
    }
    for key in ["+", "w", "]", "p", "p", "0"] {
        page.browser.key(key)?;
    }
    page.rest()
}
