//! The plot and the handles of regions, by keys alone and by drags.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::explorer::Page;
use super::tasks::{Hand, REGION, count, middle, press, reload, same_as_command, session};

const SHIFT: u8 = 8;

/// Two numbers of the session, if it has them.
fn range(session: &Value, name: &str) -> Option<[f64; 2]> {
    serde_json::from_value(session[name].clone()).ok()
}

/// Wavelengths and values are zoomed, moved and shown again, by drags, wheel, fingers and keys.
pub(super) fn plot(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    let at = middle(page, "overlay")?;
    hand.tap(page, at)?;
    count(page, 1)?;
    let [x, y] = middle(page, "plot")?;
    let y = y - 40.0;
    match hand {
        Hand::Mouse => {
            // Upwards alone, across a corner, and the wheel with Shift.
            page.browser.drag([x, y - 30.0], [x + 3.0, y + 20.0], false)?;
            let up = session(page)?;
            ensure!(up["plotRange"].is_null() && range(&up, "valueRange").is_some(), "{up}");
            page.browser.drag([x - 60.0, y - 30.0], [x + 60.0, y + 20.0], false)?;
            let both = session(page)?;
            ensure!(range(&both, "plotRange").is_some() && both["valueRange"] != up["valueRange"], "{both}");
            let left = page.browser.value("document.getElementById('plot').getBoundingClientRect().left")?;
            page.browser.wheel([left.as_f64().context("no plot")? + 20.0, y], -200.0)?;
            page.browser.wait(&format!(
                "!decodeURIComponent(location.hash).includes({:?})",
                both["valueRange"].to_string()
            ))?;
        }
        Hand::Fingers => {
            let pair = |by: f64| [[x, y - by], [x, y + by]];
            page.browser.touch("touchStart", &pair(15.0)[..1])?;
            page.browser.touch("touchStart", &pair(15.0))?;
            for by in [20.0, 25.0, 30.0] {
                page.browser.touch("touchMove", &pair(by))?;
            }
            page.browser.touch("touchEnd", &[])?;
            let up = session(page)?;
            ensure!(up["plotRange"].is_null() && range(&up, "valueRange").is_some(), "{up}");
        }
    }
    press(page, hand, "whole-range")?;
    page.browser.wait("!decodeURIComponent(location.hash).includes('Range')")?;
    page.browser.value("document.activeElement.blur()")?;
    page.browser.key("j")?;
    page.browser.wait("document.activeElement.id === 'plot'")?;
    page.browser.key("+")?;
    let near = session(page)?;
    let [a, b] = range(&near, "plotRange").context("plus does not zoom")?;
    page.browser.key("ArrowRight")?;
    let moved = session(page)?;
    let [c, d] = range(&moved, "plotRange").context("moving shows all")?;
    ensure!(c > a && d > b && (d - c - b + a).abs() < 1e-6, "{near} {moved}");
    page.browser.key_with("ArrowUp", SHIFT)?;
    let zoomed = session(page)?;
    let [low, high] = range(&zoomed, "valueRange").context("Shift does not zoom in values")?;
    page.browser.key("ArrowUp")?;
    let [lower, higher] = range(&session(page)?, "valueRange").context("moving shows all")?;
    ensure!(lower > low && higher > high, "{low} {high} {lower} {higher}");
    // A logarithmic axis zooms, too, and what the plot shows outlasts a reload.
    page.browser.value("document.getElementById('log-y').click()")?;
    page.browser.key_with("ArrowUp", SHIFT)?;
    let kept = session(page)?;
    reload(page)?;
    count(page, 1)?;
    ensure!(session(page)? == kept, "another session after reloading");
    page.browser.key("j")?;
    page.browser.key("0")?;
    page.browser.wait("!decodeURIComponent(location.hash).includes('Range')")
}

/// Without a mouse: ellipse and box are taken, moved, resized, turned and removed.
pub(super) fn handles(page: &mut Page<'_>, _: Hand) -> Result<()> {
    for (k, tool) in ["e", "o"].into_iter().enumerate() {
        for key in ["i", "x", tool, "Enter"] {
            page.browser.key(key)?;
        }
        let drawn = same_as_command(page, k + 1, &[])?;
        let mut before = drawn.place[0].clone();
        // The center moves, the second handle makes it higher, the page key turns it.
        for keys in [
            &[("v", 0), ("ArrowRight", SHIFT)][..],
            &[("v", 0), ("v", 0), ("ArrowUp", SHIFT)],
            &[("PageUp", 0)],
        ] {
            for (key, modifiers) in keys {
                page.browser.key_with(key, *modifiers)?;
            }
            page.browser.wait(&format!("'--region=' + {REGION} !== {before:?}"))?;
            let now = same_as_command(page, k + 1, &[])?.place[0].clone();
            ensure!(parts(&now)?[..2] == parts(&before)?[..2] || keys.len() == 2, "{before} {now}");
            before = now;
        }
        let [first, last] = [parts(&drawn.place[0])?, parts(&before)?];
        ensure!(last[0] != first[0] && last[2] == first[2] && last[3] != first[3], "{first:?} {last:?}");
        ensure!((last[4] - first[4] - 5.0).abs() < 0.06, "{first:?} {last:?}");
        page.browser.key("Escape")?;
    }
    page.browser.key("Delete")?;
    count(page, 1)?;
    page.browser.key_with("z", 2)?;
    count(page, 2)
}

/// The numbers of an ellipse or a box: position, sizes, angle.
fn parts(region: &str) -> Result<Vec<f64>> {
    let inside = region.split_once('(').and_then(|(_, rest)| rest.split_once(')')).context("no region")?.0;
    inside.split(',').map(|word| Ok(word.trim_end_matches('"').parse()?)).collect()
}
