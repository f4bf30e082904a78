//! The explorer's tasks as users do them, at the sizes of a telephone, a tablet, a laptop and a
//! large screen, in light and dark, with fingers or a mouse.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::chromium::Browser;
use super::explorer::{Page, Shown, downloaded, equals, numbers};
use super::{BrowserSetup, View, check, display};

/// Width and height of the window, whether fingers are used, whether it is dark.
const SCREENS: [([u32; 2], bool, bool); 8] = [
    ([390, 844], true, false),
    ([390, 844], true, true),
    ([820, 1180], true, false),
    ([820, 1180], true, true),
    ([1366, 768], false, false),
    ([1366, 768], false, true),
    ([2560, 1440], false, false),
    ([2560, 1440], false, true),
];

type Task = (&'static str, fn(&mut Page<'_>, Hand) -> Result<()>);

const TASKS: [Task; 17] = [
    ("the page fits", fits),
    ("zoom and move", moves),
    ("regions are drawn, changed, and have the command's spectra", regions),
    ("background, units, lines and the range of the plot", plot),
    ("mean and line map", ranges),
    ("another cube, and blinking", cubes),
    ("two ranges blink", blinking_ranges),
    ("the background follows the region, and is undone", background),
    ("the plot by keys and by drags", super::hands::plot),
    ("handles by keys", super::hands::handles),
    ("session, regions, pictures and commands are kept", keeping),
    ("messages fade and let the pointer through", messages),
    ("names keep clear of each other", display::labels),
    ("a click or tap reads off the pixel", display::readout),
    ("limits follow the sky or percentiles", display::limits),
    ("a session takes the place of what was shown", display::sessions),
    ("commands of every mode run", display::commands),
];

/// Mouse or fingers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Hand {
    Mouse,
    Fingers,
}

impl Hand {
    /// Clicks, or taps.
    pub(super) fn tap(self, page: &mut Page<'_>, at: [f64; 2]) -> Result<()> {
        match self {
            Self::Mouse => page.browser.click(at),
            Self::Fingers => {
                page.browser.touch("touchStart", &[at])?;
                page.browser.touch("touchEnd", &[])
            }
        }
    }

    /// Drags from one point to another; a finger rests before, if it is to draw.
    pub(super) fn drag(self, page: &mut Page<'_>, from: [f64; 2], to: [f64; 2], draw: bool) -> Result<()> {
        if self == Self::Mouse {
            return page.browser.drag(from, to, !draw);
        }
        page.browser.touch("touchStart", &[from])?;
        if draw {
            std::thread::sleep(std::time::Duration::from_millis(600));
        }
        for part in [0.3, 0.6, 1.0] {
            let at = [0, 1].map(|axis| from[axis] + part * (to[axis] - from[axis]));
            page.browser.touch("touchMove", &[at])?;
        }
        page.browser.touch("touchEnd", &[])
    }
}

/// The region of the last spectrum, as DS9 writes it.
pub(super) const REGION: &str = "[...document.querySelectorAll('#spectra li')].at(-1).dataset.region";

/// Runs all tasks on all screens; gives the names of those that failed.
pub(super) fn run(setup: &BrowserSetup) -> Result<Vec<String>> {
    let stars = setup.stars.display().to_string();
    let second = setup.folder.0.join("second.fits");
    fs::copy(&setup.cube, &second)?;
    let other = second.display().to_string();
    let view = View::start(&setup.spx, &setup.cube, &[&other, "--catalog", &stars])?;
    let mut failed = Vec::new();
    for (size, fingers, dark) in SCREENS {
        let hand = if fingers { Hand::Fingers } else { Hand::Mouse };
        let mut browser = Browser::start(&setup.program, &setup.folder.0, size)?;
        browser.resize(size, dark)?;
        if fingers {
            browser.use_touch()?;
        }
        let mut page = Page { setup, url: view.url.clone(), browser };
        let screen = format!("{}x{} {}", size[0], size[1], if dark { "dark" } else { "light" });
        for (name, task) in TASKS {
            let done = page.open().and_then(|()| task(&mut page, hand));
            failed.extend(check(format!("{screen}: {name}"), done));
        }
        failed.extend(check(format!("{screen}: no error in the console"), page.no_errors()));
        let only = page.only_from(&[&view.url, "blob:", "data:"]);
        failed.extend(check(format!("{screen}: no request leaves the machine"), only));
    }
    Ok(failed)
}

/// The middle of an element \[CSS px\], which is brought into sight.
pub(super) fn middle(page: &mut Page<'_>, id: &str) -> Result<[f64; 2]> {
    numbers(&page.browser.value(&format!(
        "(() => {{ const e = document.getElementById('{id}'); e.scrollIntoView({{ block: 'nearest' }}); \
         const r = e.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; }})()"
    ))?)
}

/// Presses a button as a user does, where it can be seen.
pub(super) fn press(page: &mut Page<'_>, hand: Hand, id: &str) -> Result<()> {
    let at = middle(page, id)?;
    let free = page.browser.value(&format!(
        "document.getElementById('{id}').contains(document.elementFromPoint({}, {}))",
        at[0], at[1]
    ))?;
    ensure!(free == true, "something covers #{id}");
    hand.tap(page, at)
}

/// Chooses a tool, and waits for it: a tap becomes a click a little later.
pub(super) fn choose(page: &mut Page<'_>, hand: Hand, tool: &str) -> Result<()> {
    press(page, hand, &format!("tool-{tool}"))?;
    page.browser.wait(&format!("document.getElementById('overlay').dataset.tool === '{tool}'"))
}

pub(super) fn count(page: &mut Page<'_>, of: usize) -> Result<()> {
    page.browser.wait(&format!("document.querySelectorAll('#spectra li').length === {of}"))?;
    page.rest()
}

/// Loads the page again, with the session in its address.
pub(super) fn reload(page: &mut Page<'_>) -> Result<()> {
    page.browser.value("location.reload()")?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    Ok(())
}

/// The session in the address.
pub(super) fn session(page: &mut Page<'_>) -> Result<Value> {
    page.rest()?;
    page.browser.wait("document.body.dataset.session === 'written'")?;
    let text = page.browser.text("decodeURIComponent(location.hash.slice(1)) || '{}'")?;
    Ok(serde_json::from_str(&text)?)
}

/// What the page shows of the last spectrum is what the command prints of its region, for both
/// cubes.
pub(super) fn same_as_command(page: &mut Page<'_>, of: usize, more: &[&str]) -> Result<Shown> {
    let shown = page.spectrum(of)?;
    let second = page.setup.folder.0.join("second.fits").display().to_string();
    let mut place = vec![second];
    place.extend(shown.place.iter().cloned());
    place.extend(more.iter().map(|word| (*word).to_owned()));
    equals(&shown, &page.setup.spectrum(&page.setup.cube, &place)?)?;
    Ok(shown)
}

/// Nothing is wider than the window, the image is large, and fields that fingers use are tall.
fn fits(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    let wide = page.browser.value("document.documentElement.scrollWidth - innerWidth")?;
    ensure!(wide.as_f64().is_some_and(|by| by <= 0.0), "{wide} px beyond the window");
    let [width, height]: [f64; 2] = numbers(&page.browser.value(
        "(() => { const r = document.getElementById('stage').getBoundingClientRect(); \
         return [r.width / innerWidth, r.height / innerHeight]; })()",
    )?)?;
    ensure!(width > 0.55 && height > 0.45, "the image takes {width} x {height} of the window");
    if hand == Hand::Fingers {
        let low = page.browser.value(
            "[...document.querySelectorAll('button, select')].filter((e) => e.offsetParent && e.offsetHeight < 30).length",
        )?;
        ensure!(low == 0, "{low} buttons are too low for fingers");
    }
    Ok(())
}

fn moves(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    let at = middle(page, "overlay")?;
    match hand {
        Hand::Mouse => page.browser.wheel(at.map(f64::round), -300.0)?,
        Hand::Fingers => {
            let pair = |by: f64| [[at[0] - by, at[1]], [at[0] + by, at[1]]];
            page.browser.touch("touchStart", &pair(30.0)[..1])?;
            page.browser.touch("touchStart", &pair(30.0))?;
            for by in [40.0, 50.0, 60.0] {
                page.browser.touch("touchMove", &pair(by))?;
            }
            page.browser.touch("touchEnd", &[])?;
        }
    }
    let zoomed = session(page)?;
    ensure!(zoomed["at"].is_array(), "{zoomed}");
    hand.drag(page, at, [at[0] + 50.0, at[1] + 20.0], false)?;
    let moved = session(page)?;
    ensure!(moved["at"] != zoomed["at"] && moved["at"][2] == zoomed["at"][2], "{zoomed} {moved}");
    ensure!(moved["regions"].is_null(), "{moved}");
    press(page, hand, "fit")?;
    page.browser.wait("!decodeURIComponent(location.hash).includes('\"at\"')")
}

fn regions(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    let [x, y] = middle(page, "overlay")?;
    hand.tap(page, [x, y])?;
    same_as_command(page, 1, &[])?;
    hand.drag(page, [x + 70.0, y - 60.0], [x + 95.0, y - 60.0], true)?;
    let drawn = same_as_command(page, 2, &[])?;
    // The handle of the radius, then the center.
    hand.drag(page, [x + 95.0, y - 60.0], [x + 110.0, y - 60.0], hand == Hand::Mouse)?;
    page.browser.wait(&format!(
        "'--region=' + document.querySelectorAll('#spectra li')[1].dataset.region !== {:?}",
        drawn.place[0]
    ))?;
    let grown = same_as_command(page, 2, &[])?;
    hand.drag(page, [x + 70.0, y - 60.0], [x + 60.0, y - 75.0], hand == Hand::Mouse)?;
    page.browser.wait(&format!(
        "'--region=' + document.querySelectorAll('#spectra li')[1].dataset.region !== {:?}",
        grown.place[0]
    ))?;
    same_as_command(page, 2, &[])?;
    for (k, (tool, dx)) in [("ellipse", -90.0), ("box", -10.0)].into_iter().enumerate() {
        choose(page, hand, tool)?;
        hand.drag(page, [x + dx, y + 70.0], [x + dx + 40.0, y + 90.0], true)?;
        let shown = same_as_command(page, 3 + k, &[])?;
        ensure!(shown.place[0].contains(&format!("={tool}(")), "{:?}", shown.place);
    }
    choose(page, hand, "polygon")?;
    for corner in [[60.0, 60.0], [120.0, 62.0], [110.0, 100.0], [60.0, 60.0]] {
        hand.tap(page, [x + corner[0], y + corner[1]])?;
    }
    let shown = same_as_command(page, 5, &[])?;
    ensure!(shown.place[0].contains("=polygon("), "{:?}", shown.place);
    Ok(())
}

fn plot(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    let at = middle(page, "overlay")?;
    hand.tap(page, at)?;
    count(page, 1)?;
    press(page, hand, "subtract")?;
    page.browser.wait("document.getElementById('subtract').checked")?;
    std::thread::sleep(std::time::Duration::from_millis(100));
    page.rest()?;
    page.set("ring-unit", "")?;
    page.rest()?;
    let inner = page.browser.text("document.getElementById('ring-inner').value")?;
    let outer = page.browser.text("document.getElementById('ring-outer').value")?;
    let shown = same_as_command(page, 1, &[&format!("--annulus={inner},{outer}")])?;
    ensure!(shown.rows.iter().any(|row| !row[13].is_empty()), "no background");
    let picture = "document.getElementById('plot').toDataURL()";
    let mut before = page.browser.text(picture)?;
    for quantity in ["ab", "flambda", "surface_brightness", "flux"] {
        page.set("quantity", quantity)?;
        let now = page.browser.text(picture)?;
        ensure!(now != before, "{quantity} looks like the one before");
        before = now;
    }
    page.browser.value("document.querySelector('#features input').click()")?;
    let marked = page.browser.text(picture)?;
    ensure!(marked != before, "lines are not marked");
    page.set("redshift", "3000 km/s")?;
    ensure!(page.browser.text(picture)? != marked, "lines do not move with the redshift");
    let redshift = session(page)?["redshift"].as_f64().context("no redshift")?;
    ensure!((redshift - 0.010_007).abs() < 1e-6, "{redshift}");
    for id in ["log-x", "log-y"] {
        press(page, hand, id)?;
    }
    let [x, y] = middle(page, "plot")?;
    match hand {
        Hand::Mouse => page.browser.drag([x - 60.0, y - 30.0], [x + 60.0, y - 30.0], false)?,
        Hand::Fingers => {
            let pair = |by: f64| [[x - by, y - 30.0], [x + by, y - 30.0]];
            page.browser.touch("touchStart", &pair(20.0)[..1])?;
            page.browser.touch("touchStart", &pair(20.0))?;
            for by in [40.0, 60.0, 80.0] {
                page.browser.touch("touchMove", &pair(by))?;
            }
            page.browser.touch("touchEnd", &[])?;
        }
    }
    let range = session(page)?["plotRange"].clone();
    ensure!(range.is_array(), "the plot shows all wavelengths");
    press(page, hand, "whole-range")?;
    page.browser.wait("!decodeURIComponent(location.hash).includes('plotRange')")
}

fn ranges(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    page.set("mode", "mean")?;
    page.shows("mean")?;
    page.set("mode", "line")?;
    page.shows("line")?;
    page.set("range-from", "1.9")?;
    page.set("range-to", "2.0")?;
    page.rest()?;
    let at = middle(page, "overlay")?;
    if hand == Hand::Mouse {
        page.browser.mouse("mouseMoved", at, false)?;
        page.browser.wait("document.getElementById('at-value').textContent.includes('nW/m²/sr')")?;
    }
    // Without planes on one side the continuum goes on from the other, and the page says so.
    let note = "document.getElementById('one-sided').textContent";
    ensure!(page.browser.text(note)?.is_empty(), "a note for a continuum on both sides");
    page.set("left-from", "0.5")?;
    page.set("left-to", "0.6")?;
    page.shows("line")?;
    let said = page.browser.text(note)?;
    ensure!(said.contains("below the line"), "{said}");
    page.set("range-to", "1.8")?;
    let said = page.browser.text("document.getElementById('message').textContent")?;
    ensure!(said.contains("No plane"), "{said}");
    page.set("mode", "plane")?;
    page.shows("sci 8")
}

fn cubes(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    let shown = |k: usize| format!("document.getElementById('picture').dataset.cube === '{k}'");
    press(page, hand, "pin")?;
    page.set("cube", "1")?;
    page.browser.wait(&shown(1))?;
    press(page, hand, "blink")?;
    page.browser.wait(&shown(0))?;
    press(page, hand, "auto-blink")?;
    page.browser.wait(&shown(1))?;
    page.browser.wait(&shown(0))?;
    press(page, hand, "auto-blink")?;
    page.rest()?;
    for key in ["d", "b"] {
        page.browser.key(key)?;
    }
    page.rest()
}

/// A mean blinks with another, and with a plane; what each shows is its own range.
fn blinking_ranges(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    let from = |value: &str| format!("document.getElementById('range-from').value === '{value}'");
    let range = |page: &mut Page<'_>, from: &str, to: &str| -> Result<()> {
        page.set("range-to", to)?;
        page.set("range-from", from)?;
        page.rest()
    };
    page.set("mode", "mean")?;
    page.shows("mean")?;
    range(page, "1.9", "2.0")?;
    let picture = "document.getElementById('picture').toDataURL()";
    let first = page.browser.text(picture)?;
    press(page, hand, "pin")?;
    page.rest()?;
    range(page, "1.9", "2.3")?;
    range(page, "2.15", "2.3")?;
    let second = page.browser.text(picture)?;
    ensure!(first != second, "two ranges look alike");
    for (value, image) in [("1.9", &first), ("2.15", &second)] {
        press(page, hand, "blink")?;
        page.browser.wait(&from(value))?;
        page.rest()?;
        ensure!(page.browser.text(picture)? == *image, "{value} looks otherwise after blinking");
    }
    page.set("mode", "plane")?;
    page.shows("sci 8")?;
    press(page, hand, "blink")?;
    page.shows("mean")?;
    ensure!(page.browser.text(picture)? == first, "the range that was kept looks otherwise");
    press(page, hand, "blink")?;
    page.shows("sci 8")
}

/// In multiples of the region, the ring grows with it; undoing gives back region and numbers.
fn background(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    let ring = ["--annulus=1.5x,2.5x"];
    let [x, y] = middle(page, "overlay")?;
    page.set("ring-inner", "1.5")?;
    page.set("ring-outer", "2.5")?;
    page.set("subtract", "true")?;
    page.rest()?;
    for (k, (tool, dx)) in [("spectrum", -70.0), ("ellipse", 10.0), ("box", 80.0)].into_iter().enumerate() {
        choose(page, hand, tool)?;
        hand.drag(page, [x + dx, y - 40.0], [x + dx + 18.0, y - 30.0], true)?;
        same_as_command(page, k + 1, &ring)?;
    }
    choose(page, hand, "polygon")?;
    for corner in [[-60.0, 40.0], [-20.0, 42.0], [-30.0, 75.0], [-60.0, 40.0]] {
        hand.tap(page, [x + corner[0], y + corner[1]])?;
    }
    let drawn = same_as_command(page, 4, &ring)?;
    ensure!(drawn.rows.iter().any(|row| !row[13].is_empty()), "no background");
    // A corner is drawn out, and the ring with it.
    hand.drag(page, [x - 20.0, y + 42.0], [x + 20.0, y + 40.0], hand == Hand::Mouse)?;
    page.browser.wait(&format!("'--region=' + {REGION} !== {:?}", drawn.place[0]))?;
    let grown = same_as_command(page, 4, &ring)?;
    press(page, hand, "undo")?;
    page.browser.wait(&format!("'--region=' + {REGION} === {:?}", drawn.place[0]))?;
    ensure!(page.spectrum(4)?.rows == drawn.rows, "undoing gives other numbers");
    page.browser.value("document.activeElement.blur()")?;
    page.browser.key_with("y", 2)?;
    page.browser.wait(&format!("'--region=' + {REGION} === {:?}", grown.place[0]))?;
    for _ in 0..2 {
        page.browser.key_with("z", 2)?;
    }
    count(page, 3)?;
    page.browser.value("document.getElementById('clear').click()")?;
    count(page, 0)?;
    page.browser.key_with("z", 2)?;
    count(page, 3)?;
    same_as_command(page, 3, &ring)?;
    Ok(())
}

/// Reloading the address, and opening the file, give the same numbers; the commands run.
fn keeping(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    let at = middle(page, "overlay")?;
    hand.tap(page, at)?;
    count(page, 1)?;
    hand.drag(page, [at[0] + 50.0, at[1] - 50.0], [at[0] + 70.0, at[1] - 50.0], true)?;
    count(page, 2)?;
    page.browser.key("w")?;
    page.set("slider", "5")?;
    page.shows("sci 5")?;
    let (before, numbers_before) = (session(page)?, page.spectrum(2)?.rows);
    ensure!(before["regions"].as_array().is_some_and(|list| list.len() == 2), "{before}");
    reload(page)?;
    count(page, 2)?;
    page.shows("sci 5")?;
    ensure!(page.spectrum(2)?.rows == numbers_before, "other numbers after reloading");
    ensure!(session(page)? == before, "another session after reloading");
    for name in ["drizzle_D3_session.json", "drizzle_D3.reg", "drizzle_D3_5.png", "drizzle_D3_spectra.png"] {
        fs::remove_file(page.setup.folder.0.join(name)).ok();
    }
    for id in ["save-session", "save-regions", "save-view", "save-plot"] {
        press(page, hand, id)?;
    }
    let file = downloaded(page, "drizzle_D3_session.json")?;
    let reg = downloaded(page, "drizzle_D3.reg")?;
    let png = fs::read(downloaded(page, "drizzle_D3_5.png")?)?;
    downloaded(page, "drizzle_D3_spectra.png")?;
    let width = u32::from_be_bytes(png[16..20].try_into()?);
    let stage = page.browser.value("document.getElementById('stage').clientWidth")?;
    ensure!(f64::from(width) > 2.0 * stage.as_f64().context("no stage")?, "{width} px for {stage}");
    commands(page, hand)?;
    page.open()?;
    page.browser.choose_file("#region-file", &reg)?;
    count(page, 2)?;
    ensure!(page.spectrum(2)?.rows == numbers_before, "other numbers from the region file");
    page.browser.value("document.getElementById('clear').click()")?;
    page.browser.choose_file("#session-file", &file)?;
    page.shows("sci 5")?;
    count(page, 2)
}

/// The commands of the page make a picture and the same spectra.
fn commands(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    press(page, hand, "show-command")?;
    for (id, word) in [("picture-command", "-o "), ("spectrum-command", "--region ")] {
        let text = page.browser.text(&format!("document.getElementById('{id}').value"))?;
        ensure!(text.contains(word), "{text}");
        let line = text.replacen("spx ", &format!("{} ", page.setup.spx.display()), 1);
        let mut command = std::process::Command::new("sh");
        command.current_dir(&page.setup.folder.0).arg("-c").arg(format!("{line} --overwrite"));
        crate::process::output(&mut command)?;
    }
    page.browser.key("Escape")?;
    page.browser.wait("!document.getElementById('command').open")
}

fn messages(page: &mut Page<'_>, hand: Hand) -> Result<()> {
    page.browser.value(
        "(() => { document.getElementById('position').value = 'nowhere'; \
         document.getElementById('goto').requestSubmit(); })()",
    )?;
    let gone = "document.getElementById('message').classList.contains('gone')";
    ensure!(page.browser.value(gone)? == false, "no message");
    // What is pressed where the message stands is the image; what works then takes the error away.
    let [x, y] = middle(page, "message")?;
    let under = page.browser.text(&format!("document.elementFromPoint({x}, {y}).id"))?;
    ensure!(under == "overlay", "the message stands over #{under}");
    let at = middle(page, "overlay")?;
    hand.tap(page, at)?;
    count(page, 1)?;
    let failed = page.browser.value("document.getElementById('message').classList.contains('failed')")?;
    ensure!(failed == false, "the error stays");
    // A field that is mended takes its error along.
    page.set("subtract", "true")?;
    page.set("ring-outer", "1")?;
    let failed = page.browser.value("document.getElementById('message').classList.contains('failed')")?;
    ensure!(failed == true, "an annulus of no width is taken");
    page.set("ring-outer", "4")?;
    ensure!(page.browser.value(gone)? == true, "the error of the annulus stays");
    page.rest()?;
    page.browser.wait(gone)
}
