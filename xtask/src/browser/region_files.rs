//! Region files of DS9 in the explorer: those that DS9 wrote give the spectra that the command line
//! gives of the same file, and what the page saves in each system is read again by both.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::chromium::Browser;
use super::explorer::{Page, downloaded, equals};
use super::{BrowserSetup, View, check};
use crate::process;

const SIZE: [u32; 2] = [1366, 768];

/// Runs the checks; gives the names of those that failed.
pub(super) fn run(setup: &BrowserSetup) -> Result<Vec<String>> {
    let maps = process::root().join("testdata/maps");
    let view = View::start(&setup.spx, &maps.join("cube.fits.gz"), &[])?;
    let browser = Browser::start(&setup.program, &setup.folder.0, SIZE)?;
    let mut page = Page { setup, url: view.url.clone(), browser };
    let mut failed = Vec::new();
    for system in ["icrs", "fk5", "galactic", "image", "sexagesimal"] {
        let done = page.open().and_then(|()| read_and_save(&mut page, &maps, system));
        failed.extend(check(format!("region files of DS9: {system}"), done));
    }
    failed.extend(check("region files of DS9: no error in the console", page.no_errors()));
    Ok(failed)
}

fn read_and_save(page: &mut Page<'_>, maps: &Path, system: &str) -> Result<()> {
    let cube = maps.join("cube.fits.gz");
    let file = maps.join(format!("ds9_{system}.reg"));
    page.browser.choose_file("#region-file", &file)?;
    compare(page, &cube, &file)?;
    if system == "sexagesimal" {
        return Ok(());
    }
    page.set("region-system", system)?;
    let saved = page.setup.folder.0.join("cube.reg");
    std::fs::remove_file(&saved).ok();
    page.browser.value("document.getElementById('save-regions').click()")?;
    let saved = downloaded(page, "cube.reg")?;
    let text = std::fs::read_to_string(&saved)?;
    ensure!(text.lines().nth(1) == Some(system), "{text}");
    page.browser.value("document.getElementById('clear').click()")?;
    page.browser.choose_file("#region-file", &saved)?;
    compare(page, &cube, &saved)?;
    // The numbers of the file are those that DS9 wrote.
    let original = std::fs::read_to_string(&file)?;
    let shapes = |text: &str| -> Result<Vec<f64>> {
        let lines = text.lines().filter_map(|line| line.split_once('(')?.1.split_once(')'));
        let words = lines.flat_map(|(inside, _)| inside.split(','));
        words.map(|word| word.trim_end_matches('"').parse().context("no number")).collect()
    };
    let (ours, theirs) = (shapes(&text)?, shapes(&original)?);
    ensure!(ours.len() == theirs.len(), "{text}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        ensure!((ours - theirs).abs() < 2e-6, "{ours} is not {theirs}: {text}");
    }
    Ok(())
}

/// The page's five spectra are those that the command makes of the file.
fn compare(page: &mut Page<'_>, cube: &Path, file: &Path) -> Result<()> {
    let printed = page.setup.spectrum(cube, &[format!("--region={}", file.display())])?;
    let planes = (printed.len() - 1) / 5;
    let label = printed[0].iter().position(|name| name == "label").context("no labels")?;
    page.spectrum(5)?;
    for k in 0..5 {
        page.browser.value(&format!("document.querySelectorAll('#spectra .swatch')[{k}].click()"))?;
        let shown = page.spectrum(5)?;
        let mut expected = vec![printed[0].clone()];
        expected.extend(printed[1 + k * planes..1 + (k + 1) * planes].iter().cloned());
        // Regions without a name are called S1 and so on in the page.
        for row in &mut expected[1..] {
            row[label] = shown.rows[0][label].clone();
        }
        equals(&shown, &expected).with_context(|| format!("region {k}"))?;
    }
    Ok(())
}
